"""Baselines: what they remember, what is shown with one, and how the file is read and written."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laid import lay_fixture
from tests.ran import run, run_json
from tests.report.test_report import CHECK, ERROR, FINDING, report
from xfrmlint.errors import InputError
from xfrmlint.findings import Finding, Known
from xfrmlint.triage.applied import accepted, limited, triaged
from xfrmlint.triage.baseline import (
    baseline_of,
    compared,
    parsed,
    read_baseline,
    text_of,
    write_baseline,
)
from xfrmlint.triage.config import Config

pytestmark = pytest.mark.slow

ONE = FINDING
TWO = ERROR._replace(fingerprint="2222222222222222")
THREE = CHECK._replace(fingerprint="3333333333333333")
KNOWN = Known(ONE.path, ONE.function, ONE.type, ONE.level, ONE.fingerprint, 1)
ROW = {
    "path": "a.c",
    "function": "f",
    "type": "A",
    "level": "ERROR",
    "fingerprint": "0",
    "count": 1,
}
DIRECT, CONTROL = "DIRECT_OFFLOAD_HANDLE", "CONTROL_OFFLOAD_HANDLE"


def document(*rows: object, **more: object) -> str:
    return json.dumps({"schema": 1, "baseline": list(rows), **more})


# --- what is new


def test_without_a_baseline_everything_is_new() -> None:
    whole = report(ONE, TWO)
    assert triaged(whole, Config()) == whole
    assert compared(whole, ()) == whole


def test_what_is_known_is_not_shown() -> None:
    found = triaged(report(ONE, TWO, THREE), Config(), baseline_of([ONE, THREE]))
    assert (found.findings, found.baselined, found.gone) == ((TWO,), (ONE, THREE), ())


def test_a_finding_that_moved_is_known() -> None:
    moved = ONE._replace(line=700, column=3, message="another")
    found = compared(report(moved), baseline_of([ONE]))
    assert (found.findings, found.baselined, found.gone) == ((), (moved,), ())


@pytest.mark.parametrize(
    ("before", "now", "shown"),
    [
        ("CHECK", "CHECK", False),
        ("CHECK", "WARNING", True),
        ("CHECK", "ERROR", True),
        ("WARNING", "CHECK", False),
        ("WARNING", "ERROR", True),
        ("ERROR", "WARNING", False),
    ],
)
def test_a_finding_that_got_worse_is_new(before: str, now: str, shown: bool) -> None:
    found = compared(report(ONE._replace(level=now)), [KNOWN._replace(level=before)])
    assert (len(found.findings), len(found.baselined)) == (int(shown), int(not shown))
    assert found.gone == ()


def test_a_level_that_the_tree_sets_is_compared() -> None:
    lower, higher = Config({ONE.type: "CHECK"}), Config({ONE.type: "ERROR"})
    assert triaged(report(ONE), lower, [KNOWN]).findings == ()
    assert len(triaged(report(ONE), higher, [KNOWN]).findings) == 1


@pytest.mark.parametrize(
    ("times", "there", "new", "old", "gone"),
    [(1, 1, 0, 1, 0), (1, 3, 2, 1, 0), (3, 3, 0, 3, 0), (3, 1, 0, 1, 2), (2, 0, 0, 0, 2)],
)
def test_it_counts(times: int, there: int, new: int, old: int, gone: int) -> None:
    found = compared(report(*[ONE] * there), [KNOWN._replace(times=times)])
    assert (len(found.findings), len(found.baselined)) == (new, old)
    assert sum(one.times for one in found.gone) == gone


def test_what_a_comment_or_the_tree_keeps_from_being_shown_is_not_gone() -> None:
    whole = report(TWO)._replace(suppressed=(ONE,))
    found = triaged(whole, Config({TWO.type: "OFF"}), baseline_of([ONE, TWO, THREE]))
    assert found.gone == baseline_of([THREE])
    assert (found.suppressed, found.ignored, found.baselined) == ((ONE,), (TWO,), ())


def test_it_is_limited_to_paths() -> None:
    other = ONE._replace(path="net/x.c", fingerprint="4")
    found = compared(report(ONE), baseline_of([ONE, other, TWO]))
    assert limited(found, lambda path: path == other.path) == compared(
        report(), baseline_of([other])
    )


# --- the file


def test_a_finding_a_line_in_one_order() -> None:
    text = text_of(baseline_of([THREE, ONE, TWO, ONE]))
    assert text == text_of(baseline_of([ONE, ONE, TWO, THREE]))
    lines = text.splitlines()
    assert lines[:3] == ["{", '  "schema": 1,', '  "baseline": [']
    assert lines[3:-2] == [
        '    {"path": "drivers/net/a/a.h", "function": "a_read", "type": "CONTROL_OFFLOAD_HANDLE", '
        '"level": "CHECK", "fingerprint": "3333333333333333", "count": 1},',
        '    {"path": "drivers/net/a/a.h", "function": "a_read", "type": "DIRECT_OFFLOAD_HANDLE", '
        '"level": "WARNING", "fingerprint": "0123456789abcdef", "count": 2},',
        '    {"path": "drivers/net/a/a.h", "function": "a_read", "type": "UPPER_PRIV_ACCESS", '
        '"level": "ERROR", "fingerprint": "2222222222222222", "count": 1}',
    ]
    assert lines[-2:] == ["  ]", "}"]


def test_of_one_fingerprint_the_worst_level_is_known() -> None:
    (one,) = baseline_of([ONE, ONE._replace(level="ERROR"), ONE._replace(level="CHECK")])
    assert (one.level, one.times) == ("ERROR", 3)


TEXT = st.text(st.characters() | st.sampled_from("\udcff\ud800\0\n"), max_size=5)
FINDINGS = st.lists(
    st.builds(
        lambda path, function, level, nth: ONE._replace(
            path=path, function=function, level=level, fingerprint=f"{nth:016x}"
        ),
        TEXT,
        TEXT,
        st.sampled_from(["ERROR", "WARNING", "CHECK"]),
        st.integers(0, 5),
    )
)


@given(FINDINGS)
def test_what_is_written_is_read_and_known(findings: list[Finding]) -> None:
    baseline = baseline_of(findings)
    text = text_of(baseline)
    assert text.isascii()
    assert parsed(text.encode()) == baseline
    found = compared(report(*findings), baseline)
    assert (found.findings, found.gone) == ((), ())
    assert compared(report(), baseline).gone == baseline


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON: "),
        ("{", "no JSON: "),
        ("\xff", "no JSON: "),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema": ' + "9" * 9000 + "}", "no JSON: "),
        ("[]", "no baseline"),
        ("null", "no baseline"),
        ("{}", "no baseline"),
        ('{"schema": 1}', "no baseline"),
        ('{"schema": 1, "baseline": {}}', "no baseline"),
        (document(findings=[]), "no baseline"),
        (document(schema=2), "a baseline of another schema than 1"),
        (document(schema="1"), "a baseline of another schema than 1"),
        (document(schema=True), "a baseline of another schema than 1"),
        (document(schema=None), "a baseline of another schema than 1"),
        (document(ROW, 1), "finding 2: not path, function, type"),
        (document({**ROW, "x": 1}), "finding 1: not path"),
        (document({k: v for k, v in ROW.items() if k != "level"}), "finding 1: not path"),
        (document({**ROW, "path": 1}), "finding 1: path is no text"),
        (document({**ROW, "level": None}), "finding 1: level is no text"),
        (document({**ROW, "level": "error"}), "finding 1: level is none of ERROR"),
        (document({**ROW, "count": 0}), "finding 1: count is less than 1"),
        (document({**ROW, "count": True}), "finding 1: count is no number"),
        (document({**ROW, "count": 1.5}), "finding 1: count is no number"),
        (document(ROW, ROW), "finding 2: its fingerprint is there twice"),
    ],
)
def test_a_wrong_file_is_refused_in_a_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        read_baseline(path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert "\n" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ROW, "schema", "baseline"]), inner, max_size=6)
        | st.fixed_dictionaries({"schema": st.just(1), "baseline": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries(dict.fromkeys(ROW, inner))
    ),
)


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary())
def test_any_file_is_taken_or_refused(data: bytes) -> None:
    try:
        found = parsed(data)
    except InputError:
        return
    assert all(one.times > 0 for one in found)


@pytest.mark.parametrize("name", ["none.json", "folder", "no/such", "\0"])
def test_what_can_not_be_read_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError) as caught:
        read_baseline(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


@pytest.mark.parametrize("name", ["folder", "no/such", "link", "fifo", "\0", "x" * 300])
def test_what_can_not_be_written_is_refused_and_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to("target")
    os.mkfifo(tmp_path / "fifo")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(InputError) as caught:
        write_baseline(tmp_path / name, [KNOWN])
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "mine"


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text("old")
    with open(path) as reader:
        write_baseline(path, [KNOWN])
        assert reader.read() == "old"
    assert read_baseline(path) == (KNOWN,)
    assert os.listdir(tmp_path) == ["b.json"]


def test_a_failure_on_the_way_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "b.json"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"b\.json: No space left on device"):
        write_baseline(path, [KNOWN])
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["b.json"])


def test_accepting_keeps_what_is_known_and_leaves_what_was_not_chosen(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    gone = KNOWN._replace(fingerprint="5")
    before = compared(report(ONE, TWO, THREE), [*baseline_of([ONE]), gone])
    found = accepted(before, path, lambda some: [f for f in some if f.level != "CHECK"])
    assert read_baseline(path) == baseline_of([ONE, TWO])
    assert (found.findings, found.baselined, found.gone) == ((THREE,), (ONE, TWO), (gone,))


# --- the command


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A tree with an ERROR (DIRECT) and a CHECK (CONTROL)."""
    return lay_fixture("demo", tmp_path / "demo")


def types_in(path: Path) -> list[str]:
    return [one.type for one in read_baseline(path)]


def test_what_was_written_is_known(demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    first = run("check", "--write-baseline", path, cwd=demo)
    assert (first.status, first.err) == (0, "")
    assert "\nnote: not shown: 2 by the baseline\n" in first.out
    assert run("check", "--baseline", path, cwd=demo) == first
    assert run("check", "--baseline", path, "-q", cwd=demo) == (0, "", "")
    assert run("check", "--baseline", path, "--terse", cwd=demo) == (0, "", "")
    assert run("check", cwd=demo).status == 1
    assert types_in(path) == [DIRECT, CONTROL]


def test_what_is_new_is_shown_and_what_is_fixed_is_gone(demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    source = demo / "drivers/net/sunrise/sunrise_ipsec.c"
    run("check", "--write-baseline", path, cwd=demo)
    text = source.read_text()
    read = "(struct sunrise_sa *)x->xso.offload_handle;"
    assert text.count(read) == 2
    source.write_text("\n\n" + text.replace(f"return {read}", "return x->xso.upper_priv;"))
    ran = run("check", "--baseline", path, "--show-types", cwd=demo)
    assert ran.status == 1
    assert ran.out.startswith("ERROR:UPPER_PRIV_ACCESS: ")
    assert "\nnote: not shown: 1 by the baseline\n" in ran.out
    assert "\nnote: gone from the tree: 1 of the baseline\n" in ran.out
    summary = run_json("--baseline", path, cwd=demo)["summary"]
    assert [summary[n] for n in ("errors", "checks", "baselined", "gone")] == [1, 0, 1, 1]
    again = run("check", "--baseline", path, "--write-baseline", path, cwd=demo)
    assert again.status == 0
    assert sorted(types_in(path)) == [CONTROL, "UPPER_PRIV_ACCESS"]
    assert "gone" not in run("check", "--baseline", path, cwd=demo).out


@pytest.mark.parametrize(
    ("arguments", "types"),
    [
        ("", {DIRECT, CONTROL}),
        (f"--types {DIRECT}", {DIRECT}),
        (f"--ignore {DIRECT}", {CONTROL}),
        ("drivers/net/moonset", set()),
        ("drivers/net/sunrise", {DIRECT, CONTROL}),
    ],
)
def test_what_is_written_is_what_is_asked_for(
    arguments: str, types: set[str], demo: Path, tmp_path: Path
) -> None:
    run("check", "--write-baseline", tmp_path / "b.json", *arguments.split(), cwd=demo)
    assert set(types_in(tmp_path / "b.json")) == types


def test_checks_are_written_where_they_are_not_shown(tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "demo")
    (tree / "drivers/net/sunrise").rename(tree / "drivers/sunrise")
    ran = run("check", "--write-baseline", tmp_path / "b.json", "--ignore", DIRECT, cwd=tree)
    assert types_in(tmp_path / "b.json") == [CONTROL]
    assert "not shown" not in ran.out
    strict = run("check", "--strict", "--baseline", tmp_path / "b.json", cwd=tree)
    assert "note: not shown: 1 by the baseline" in strict.out


def test_a_baseline_that_can_not_be_read_ends_the_run(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"schema": 7}')
    for name, why in (("none", "No such file or directory"), ("b.json", "a baseline of another")):
        ran = run("check", "--baseline", tmp_path / name, cwd=demo)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith(f"xfrmlint: {tmp_path / name}: {why}")
        assert ran.err.count("\n") == 1


def test_a_baseline_that_can_not_be_written_ends_the_run(demo: Path, tmp_path: Path) -> None:
    ran = run("check", "--write-baseline", tmp_path / "no/b.json", cwd=demo)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == f"xfrmlint: {tmp_path}/no/b.json: No such file or directory\n"
