"""`xfrmlint judge --format html` and `--format dot`: what is on the page, and what can't be."""

import json
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laid import lay_fixture
from tests.pages import Page
from tests.ran import environment, run
from xfrmlint.analysis.judgement import Got, InWorld, Judgement, Owner, Step, Torn
from xfrmlint.c.unit import Place
from xfrmlint.errors import InputError
from xfrmlint.findings import Hop
from xfrmlint.flow.callbacks import Answer
from xfrmlint.flow.events import Event, Kind
from xfrmlint.model.judge import Outcome
from xfrmlint.model.topology import TOPOLOGIES
from xfrmlint.program.access import Doubt
from xfrmlint.report import dot
from xfrmlint.report.callgraph import Graph, Node, graph_of, outline
from xfrmlint.report.earlier import read_run
from xfrmlint.report.excerpt import Stop, excerpts
from xfrmlint.report.judgepage import Head, page
from xfrmlint.report.links import link_of, no_link, tag
from xfrmlint.report.picture import picture_of
from xfrmlint.report.terminal import printable

FOREIGN = "another device's handle"
ELIXIR = "https://elixir.bootlin.com/linux/{tag}/source/{path}#L{line}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with two opted-in drivers: moonset keeps the contract, sunrise forgot one read."""
    return lay_fixture("demo", tmp_path_factory.mktemp("trees") / "demo")


def printed(tree: Path, *options: str | Path) -> str:
    ran = run("judge", tree, "--format", "html", *options, cwd=tree.parent)
    assert (ran.status, ran.err) == (1, "")
    return ran.out


@pytest.fixture(scope="module")
def text(demo: Path) -> str:
    """Return the page of the demo tree."""
    return printed(demo)


@pytest.fixture(scope="module")
def shown(text: str) -> Page:
    """Return the same, taken apart."""
    return Page(text)


# What is on it.


def test_a_page_needs_nothing_else(shown: Page) -> None:
    assert shown.of("script") == []
    assert shown.values("src") == []
    assert not [name for e in shown.elements for name in e.attributes if name.startswith("on")]
    assert [href for href in shown.values("href") if not href.startswith("#")] == []


def test_every_link_leads_somewhere(shown: Page) -> None:
    ids = shown.values("id")
    assert len(ids) == len(set(ids))
    assert {href.removeprefix("#") for href in shown.values("href")} <= set(ids)
    assert set(shown.values("aria-labelledby")) <= set(ids)


def test_headings_are_in_order(shown: Page) -> None:
    levels = [int(e.tag[1]) for e in shown.elements if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_overview_has_every_driver_the_worst_first(shown: Page) -> None:
    rows = [e.said() for e in shown.of("tr") if re.match("sunrise|moonset", e.said())]
    assert rows[0].startswith(f"sunrise Verdict: {FOREIGN} wrong in 6 of 11 Opted in: yes")
    assert rows[1].startswith("moonset Verdict: 0 tested nothing wrong")
    assert [e.said() for e in shown.of("li", "tile")] == [f"1 {FOREIGN}", "1 0 tested"]
    assert [e.said() for e in shown.of("dd")][:2] == ["Linux 7.4.0", "present"]


def test_every_topology_has_its_row_in_words(text: str) -> None:
    for driver in text.split('<section class="driver')[1:]:
        table = driver.split('class="cards topologies"')[1].split("</table>")[0]
        rows = [e.said() for e in Page(f"<table>{table.partition('>')[2]}</table>").of("tr")][1:]
        assert len(rows) == len(TOPOLOGIES)
        for topology, row in zip(TOPOLOGIES, rows, strict=True):
            assert row.startswith(f"{topology.name} {topology.sentence} The shared field holds ")
            assert " Expected: " in row
            assert " Got: " in row


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_told_in_words(outcome: Outcome, shown: Page) -> None:
    terms = [e.said() for e in shown.of("dt")]
    assert str(outcome) in terms
    badges = [e for e in shown.of("span", "badge") if e.said() == outcome]
    assert all(e.classes() & {"other", "stale", "zero", "unknown", "fine", "none"} for e in badges)


def test_expected_stands_beside_got(shown: Page) -> None:
    rows = [e for e in shown.of("tr") if e.said().startswith("LAG, lower A")]
    assert [row.said().split(" Expected: ")[1] for row in rows] == [
        "A's own Got: right moonset_ipsec.c:51, moonset_rx.c:6",
        f"A's own Got: {FOREIGN} sunrise_ipsec.c:30 right sunrise_rx.c:6",
    ]
    assert [row.classes() & {"well", "open", "wrong"} for row in rows] == [{"well"}, {"wrong"}]


def test_a_path_is_shown_as_source_with_its_steps_marked(demo: Path, text: str) -> None:
    handle = text.split("sunrise_ipsec.c:30 in sunrise_sa_of()")[1].split("<h4>")[0]
    part = Page(handle.partition("</summary>")[2].rpartition("</details>")[0])
    marked = [e.said() for e in part.of("div", "line", "marked")]
    steps = [e.said() for e in part.of("div", "step")]
    assert marked[0] == "10 .ndo_start_xmit = sunrise_start_xmit,"
    assert steps[0] == "1 the kernel enters through ndo_start_xmit: sunrise_start_xmit()"
    assert steps[4:7] == [
        "5 reads xso.offload_handle",
        "6 goes on here with a handle that is not 0",
        "7 use: dereferenced",
    ]
    source = (demo / "drivers/net/sunrise/sunrise_ipsec.c").read_text().splitlines()[29]
    assert f"30 {source.strip()}" in marked


def test_what_is_wrong_stands_open_and_what_is_right_at_a_click(shown: Page) -> None:
    handles = shown.of("details", "handle")
    assert [("wrong" in e.classes(), "open" in e.attributes) for e in handles] == [
        (False, False),
        (False, False),
        (True, True),
        (False, False),
    ]
    assert {"show-all", "show-open", "show-wrong"} <= set(shown.values("id"))


def test_the_graph_has_a_linked_box_for_each_function_and_says_the_same_as_text(
    shown: Page, text: str
) -> None:
    boxes = shown.of("a", "box")
    assert len(boxes) == len(re.findall(r"<rect ", text))
    labels = re.findall(
        r'class="box (\w+)"><title>[^<]*</title><rect[^>]*/><text[^>]*>([^<]*)', text
    )
    assert ("other", "sunrise_ipsec.c:30") in labels
    assert ("fine", "moonset_ipsec.c:51") in labels
    rows = [e.said() for e in shown.of("li") if "--depth" in e.attributes.get("style", "")]
    for _, label in labels:
        assert any(row.startswith(f"{label} drivers/net/") for row in rows)


def test_the_same_tree_gives_the_same_page(demo: Path, text: str) -> None:
    assert printed(demo, "--no-cache") == text
    assert "<dt>Date</dt><dd>29 November</dd>" in printed(demo, "--date", "29 November")
    assert "<dt>Date</dt>" not in text


def test_the_commit_is_that_of_the_trees_own_repository(demo: Path, tmp_path: Path) -> None:
    import shutil

    tree = tmp_path / "around/linux"
    shutil.copytree(demo, tree)

    def git(folder: Path, *arguments: str) -> str:
        named = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *named, *arguments],
            cwd=folder,
            env=environment(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    for folder, own in ((tree.parent, False), (tree, True)):
        git(folder, "init", "-q")
        git(folder, "commit", "-q", "--allow-empty", "-m", "one")
        said = f"<code>{git(folder, 'rev-parse', 'HEAD')}</code>"
        assert (said in printed(tree)) is own


# Another run beside it.


def test_a_run_beside_itself_has_no_change(demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(run("judge", demo, "--format", "json", cwd=demo.parent).out)
    shown = Page(printed(demo, "--against", file))
    assert shown.of("span", "change") == []
    assert all("same" in e.classes() for e in shown.of("section", "driver"))
    assert "run.json (Linux 7.4.0)" in [e.said() for e in shown.of("dd")]


def test_what_changed_is_told(demo: Path, tmp_path: Path) -> None:
    data = json.loads(run("judge", demo, "--format", "json", cwd=demo.parent).out)
    moonset, sunrise = data["drivers"]
    # As if sunrise had been right, and moonset another driver.
    for one in (sunrise, *sunrise["handles"]):
        one["outcome"] = "right"
        one["outcomes"] = dict.fromkeys(one["outcomes"], "right")
    moonset["driver"] = "eclipse<i>"
    file = tmp_path / "run.json"
    file.write_text(json.dumps(data))
    shown = Page(printed(demo, "--against", file))
    rows = {e.said().split()[0]: e.said() for e in shown.of("tr")}
    assert rows["sunrise"].startswith(f"sunrise Before: right Verdict: {FOREIGN} ▲ worse")
    assert rows["moonset"].startswith("moonset Before: not judged Verdict: 0 tested new")
    assert rows["eclipse<i>"] == "eclipse<i> Before: 0 tested not judged any more"
    lag = next(e for e in reversed(shown.of("tr")) if e.said().startswith("LAG, lower A"))
    assert " Before: right sunrise_ipsec.c:30, sunrise_rx.c:6 Got: " in lag.said()
    assert "same" not in lag.classes()
    # Of the one driver that is asked for nothing else is told.
    alone = Page(printed(demo, "sunrise", "--against", file))
    assert not [e for e in alone.of("th") if e.said() == "eclipse<i>"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 2}',
        '{"schema": 1, "tree": {"version": "7"}, "drivers": 3, "owners": []}',
        '{"schema": 1, "tree": {"version": 7}, "drivers": [], "owners": []}',
        '{"schema": 1, "tree": {"version": "7"}, "owners": [], '
        '"drivers": [{"driver": "a", "outcome": "<b>", "handles": []}]}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_no_run_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"run\.json: not what judge --format json prints"):
        read_run(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_run(tmp_path / "run.json")


@pytest.mark.parametrize("form", ["text", "json", "dot"])
def test_what_a_format_has_no_use_for_is_refused(form: str, demo: Path) -> None:
    ran = run("judge", demo, "--format", form, "--against", "x.json", cwd=demo.parent)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "xfrmlint: --against is for --format html\n"


# Links to the code.


def test_places_lead_to_the_code(demo: Path) -> None:
    shown = Page(printed(demo, "--source-url", ELIXIR))
    boxes = {e.attributes["href"] for e in shown.of("a", "box")}
    base = "https://elixir.bootlin.com/linux/v7.4/source/drivers/net/"
    assert f"{base}sunrise/sunrise_ipsec.c#L30" in boxes
    assert all(href.startswith(base) for href in boxes)
    assert all(e.attributes["href"].startswith(base) for e in shown.of("a", "place"))


@pytest.mark.parametrize(
    ("template", "address"),
    [
        ("https://a/{path}#L{line}", "https://a/d/a%20%22%3Cb%3E%3F%23%25.c#L3"),
        ("https://a/{version}/{path}", "https://a/6.12.0/d/a%20%22%3Cb%3E%3F%23%25.c"),
        ("file:///src/{tag}/{path}", "file:///src/v6.12/d/a%20%22%3Cb%3E%3F%23%25.c"),
        ("http://a/?h={commit}&p={path}", "http://a/?h=abc&p=d/a%20%22%3Cb%3E%3F%23%25.c"),
    ],
)
def test_a_template_is_filled(template: str, address: str) -> None:
    assert link_of(template, "6.12.0", "abc")('d/a "<b>?#%.c', 3) == address


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("javascript:alert('{path}')", "no address"),
        ("{path}", "no address"),
        ("https://a/", "without {path}"),
        ("https://a/{path}/{line.__class__}", "no {line.__class__}; there are {path}, {line}"),
        ("https://a/{commit}/{path}", "no work tree of git"),
    ],
)
def test_a_template_that_is_none_is_refused(template: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        link_of(template, "6.12.0", "")


@pytest.mark.parametrize(
    ("version", "name"),
    [("6.12.0", "v6.12"), ("6.12.10", "v6.12.10"), ("7.4.0-rc2", "v7.4-rc2"), ("2.6", "v2.6")],
)
def test_a_release_has_its_tag(version: str, name: str) -> None:
    assert tag(version) == name


# Excerpts.


def test_steps_near_to_each_other_stand_in_one_excerpt() -> None:
    source = [f"\tline {number};" for number in range(1, 41)]
    stops = [
        Stop(1, "a.c", 2, "f", ""),
        Stop(2, "a.c", 9, "f", ""),
        Stop(3, "a.c", 30, "f", ""),
        Stop(4, "a.c", 31, "g", ""),
        Stop(5, "gone.c", 7, "h", ""),
    ]
    found = list(excerpts(stops, lambda path: source if path == "a.c" else []))
    assert [(e.function, e.lines[0].number, e.lines[-1].number) for e in found] == [
        ("f", 1, 11),
        ("f", 28, 32),
        ("g", 29, 33),
        ("h", 7, 7),
    ]
    marked = [(line.number, line.text) for line in found[0].lines if line.stops]
    assert marked == [(2, "line 2;"), (9, "line 9;")]


# What a tree calls its things is text.

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onclick='alert(1)",
    "</style></title></textarea><b>",
    "<!-- x --",
    "{{ 7 * 7 }}{% for %}",
    "&lt;b&gt; &amp; & ]]>",
    "\x1b[31m\u202e\udcff\x00\n\t",
    "javascript:alert(1)",
]


def judged(name: str) -> tuple[Judgement, Owner]:
    """Return a judgement in which everything that a tree can name has that name."""
    outcomes = (Outcome.OTHER,) * len(TOPOLOGIES)
    place = Place(name, 2, 1)
    chain = (Hop(name, name, 2, name), Hop(f"{name}2", name, 3, name))
    events = (
        Event(Kind.READ, name, 2, 1, name, 0),
        Event(Kind.USE, name, 3, 1, name, 0, text=name),
        Event(Kind.CUT, name, 4, 1, name, text=name),
    )
    steps = tuple(Step(event, name) for event in events)
    handle = Got(place, name, name, False, False, (chain, chain), steps, 1, outcomes, "")
    doubts = (Doubt(place, name, name),)
    answers = ((Answer.SHARED, place, Outcome.OTHER),)
    return (
        Judgement(name, True, (handle,), outcomes, 1, doubts),
        Owner(
            name,
            name,
            place,
            answers,
            (InWorld(name, name, True, ((name, Outcome.OTHER),)),),
            0,
            1,
            (Torn(name, (name,)),),
            doubts,
        ),
    )


def page_with(name: str) -> Page:
    found, owner = judged(name)
    head = Head(name, name, name, name, [name])
    link = link_of("https://example.org/{path}#L{line}", name, name)
    return Page("\n".join(page([found], [owner], head, lambda path: [f"int {name};"] * 9, link)))


@cache
def plain_page() -> Page:
    """Return the page of a tree with plain names."""
    return page_with("plain")


def assert_text(name: str) -> None:
    shown, plain = page_with(name), plain_page()
    # A path may break after each folder.
    elements = [e for e in shown.elements if e.tag != "wbr"]
    assert [e.tag for e in elements] == [e.tag for e in plain.elements]
    for one, other in zip(elements, plain.elements, strict=True):
        assert list(one.attributes) == list(other.attributes)
    for href in shown.values("href"):
        assert re.match(r"#[a-z0-9-]+$|https://example\.org/[A-Za-z0-9%/._~-]*#L[0-9]+$", href)
    heading = next(e for e in reversed(shown.of("h2")) if "badge" not in e.classes())
    assert heading.said() == "Words"
    driver = next(e for e in shown.of("h2") if e.attributes.get("id") == "driver-1-title")
    assert "".join(driver.text).startswith(printable(name))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text(name: str) -> None:
    assert_text(name)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_any_name_is_text(name: str) -> None:
    assert_text(name)


def test_a_hostile_tree_is_text(demo: Path, tmp_path: Path) -> None:
    import shutil

    tree = tmp_path / "linux"
    shutil.copytree(demo, tree)
    folder = tree / "drivers/net/sunrise"
    hostile = "a<b>&\"'.c"
    (folder / "sunrise_ipsec.c").rename(folder / hostile)
    makefile = folder / "Makefile"
    makefile.write_text(makefile.read_text().replace("sunrise_ipsec.o", hostile[:-1] + "o"))
    shown = Page(printed(tree))
    assert shown.of("b") == []
    assert any(e.said().startswith(hostile) for e in shown.of("h4"))


# The graph.


def graphs() -> st.SearchStrategy[Graph]:
    """Draw graphs with joins, branches and cycles, each node after one that leads to it."""

    def graph(size: int, more: list[tuple[int, int]], tops: list[int]) -> Graph:
        nodes = tuple(
            Node(f"n{i}", f"f{i}()", "", Outcome.RIGHT, "a.c", i) for i in range(size + 1)
        )
        edges = {(tops[i - 1] % i, i) for i in range(1, size + 1)}
        edges |= {(a % (size + 1), b % (size + 1)) for a, b in more}
        named = tuple((f"n{a}", f"n{b}") for a, b in sorted(edges))
        return Graph(nodes, named)

    number = st.integers(0, 40)
    return st.integers(0, 14).flatmap(
        lambda size: st.builds(
            graph,
            st.just(size),
            st.lists(st.tuples(number, number), max_size=12),
            st.lists(number, min_size=size, max_size=size),
        )
    )


@given(graphs())
@settings(deadline=None)
def test_a_graph_is_laid_downwards(graph: Graph) -> None:
    laid = picture_of(graph)
    assert sorted(box.node.name for box in laid.boxes) == sorted(n.name for n in graph.nodes)
    assert len(laid.lines) == len(graph.edges)
    for above, below in pairwise(laid.boxes):
        assert above.y + above.height < below.y
    for box in laid.boxes:
        assert 0 <= box.x <= box.x + box.width <= laid.width
        assert 0 <= box.y <= box.y + box.height <= laid.height
    numbers = [int(n) for line in laid.lines for n in re.findall(r"-?\d+", line.path)]
    assert all(0 <= n <= max(laid.width, laid.height) for n in numbers)


@given(graphs())
@settings(deadline=None)
def test_a_graph_says_the_same_as_an_outline(graph: Graph) -> None:
    rows = list(outline(graph))
    assert sorted(r.node.name for r in rows if not r.again) == sorted(n.name for n in graph.nodes)
    above: list[str] = []
    edges = set()
    for row in rows:
        del above[row.depth :]
        if above:
            edges.add((above[-1], row.node.name))
        above.append(row.node.name)
    assert edges == set(graph.edges)


def test_a_function_that_leads_to_two_handles_is_one_box_as_bad_as_the_worst() -> None:
    found, _ = judged("f")
    fine = found.handles[0]._replace(
        place=Place("f", 9, 1), outcomes=(Outcome.RIGHT,) * len(TOPOLOGIES)
    )
    graph = graph_of(found._replace(handles=(fine, *found.handles)))
    assert [(n.label, n.outcome) for n in graph.nodes] == [
        ("f", Outcome.OTHER),
        ("f()", Outcome.OTHER),
        ("f2()", Outcome.OTHER),
        ("f:9", Outcome.RIGHT),
        ("f:2", Outcome.OTHER),
    ]


# dot.

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_DOT = [
    r"digraph judge \{",
    r'  node \[shape=box, style="rounded,filled", fontname=monospace\];',
    r"  subgraph cluster_\d+ \{",
    rf"    label={_QUOTED};",
    rf"    n\d+_\d+ \[label={_QUOTED}, tooltip={_QUOTED}, fillcolor={_QUOTED}(, URL={_QUOTED})?\];",
    r"    n\d+_\d+ -> n\d+_\d+;",
    r"  \}",
    r"\}",
]


def dot_of(name: str) -> Sequence[str]:
    return list(dot.render([judged(name)[0]], no_link))


@pytest.mark.parametrize("name", [*HOSTILE, 'a\\" -> b', "\\", "\\N\\G"])
def test_a_hostile_name_is_a_label_of_dot(name: str) -> None:
    lines = dot_of(name)
    assert len(lines) == len(dot_of("plain"))
    assert [line for line in lines if not any(re.fullmatch(form, line) for form in _DOT)] == []


def test_dot_has_what_the_picture_has(demo: Path) -> None:
    ran = run("judge", demo, "--format", "dot", "--source-url", ELIXIR, cwd=demo.parent)
    assert (ran.status, ran.err) == (1, "")
    lines = ran.out.splitlines()
    assert [line for line in lines if not any(re.fullmatch(form, line) for form in _DOT)] == []
    assert sum("cluster_" in line for line in lines) == 2
    end = next(line for line in lines if f'label="sunrise_ipsec.c:30\\n{FOREIGN}"' in line)
    assert 'URL="https://elixir.bootlin.com/linux/v7.4/source/drivers/net/sunrise/' in end
    assert any(line.endswith(f"-> {end.split()[0]};") for line in lines)
