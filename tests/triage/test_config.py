"""A tree's .xfrmlint.toml: what it does to findings, and that a wrong one is refused in a line."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.git.test_commit import git
from tests.laid import lay_fixture
from tests.ran import run, run_json
from tests.report.test_report import CHECK, ERROR, FINDING, report
from tests.trees import Memory
from xfrmlint.errors import InputError
from xfrmlint.git.overlay import laid
from xfrmlint.git.patch import series_of
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.triage.applied import limited, narrowed, triaged
from xfrmlint.triage.config import NAME, Config, Ignore, configured, load_config, matches, parsed

pytestmark = pytest.mark.slow

TYPES = {"A", "B", "DIRECT_OFFLOAD_HANDLE", "CONTROL_OFFLOAD_HANDLE", "UPPER_PRIV_ACCESS"}
DIRECT, CONTROL = "DIRECT_OFFLOAD_HANDLE", "CONTROL_OFFLOAD_HANDLE"
IGNORE = '[[ignore]]\ntypes = ["A"]\npaths = ["drivers/net/a"]\nreason = "old"\n'


def refused(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(InputError) as caught:
        load_config(Memory({NAME: data}), TYPES)
    said = str(caught.value)
    assert said.startswith(f"memory: {NAME}: ")
    assert "\n" not in said
    return said.removeprefix(f"memory: {NAME}: ")


# --- nothing set


@pytest.mark.parametrize("text", ["", "# nothing\n", "[levels]\n", "ignore = []\n"])
def test_an_empty_configuration_changes_nothing(text: str) -> None:
    config = parsed(text.encode(), TYPES)
    assert config == Config()
    whole = report(FINDING, ERROR, CHECK)
    assert triaged(whole, config) == whole


def test_a_tree_without_one_has_an_empty_one(tmp_path: Path) -> None:
    assert load_config(Memory({}), TYPES) == Config()
    assert load_config(Memory({f"drivers/{NAME}": b"oops"}), TYPES) == Config()


# --- what it says


def test_everything_at_once() -> None:
    text = f'fail-on = "check"\n[levels]\nA = "off"\nB = "Error"\n{IGNORE}{IGNORE}'
    ignore = Ignore(frozenset({"A"}), ("drivers/net/a",), "old")
    wanted = Config({"A": "OFF", "B": "ERROR"}, (ignore, ignore), "CHECK")
    assert parsed(text.encode(), TYPES) == wanted
    assert parsed(text.replace("\n", "\r\n").encode(), TYPES) == wanted


@pytest.mark.parametrize("level", ["ERROR", "WARNING", "CHECK"])
def test_a_level_is_set(level: str) -> None:
    found = configured(report(FINDING, ERROR), Config({FINDING.type: level}))
    assert found.findings == (FINDING._replace(level=level), ERROR)
    assert found.ignored == ()


def test_a_type_is_turned_off() -> None:
    found = configured(report(FINDING, ERROR), Config({FINDING.type: "OFF"}))
    assert (found.findings, found.ignored) == ((ERROR,), (FINDING,))


def test_a_type_that_is_asked_for_is_not_off() -> None:
    config = Config({FINDING.type: "OFF", ERROR.type: "OFF"})
    found = configured(report(FINDING, ERROR), config, {FINDING.type})
    assert (found.findings, found.ignored) == ((FINDING,), (ERROR,))


def test_types_are_ignored_below_paths() -> None:
    other = FINDING._replace(path="drivers/net/b/b.c")
    config = Config(ignores=(Ignore(frozenset({FINDING.type}), ("x", "drivers/*/a"), "old"),))
    found = configured(report(FINDING, ERROR, other), config, {FINDING.type})
    assert (found.findings, found.ignored) == ((ERROR, other), (FINDING,))


def test_what_is_not_shown_is_limited_as_findings_are() -> None:
    config = Config(ignores=(Ignore(frozenset({FINDING.type, ERROR.type}), ("drivers",), "old"),))
    found = configured(report(FINDING, ERROR, CHECK), config)
    assert limited(found, lambda path: path == "net/x.c").ignored == ()
    assert limited(found, lambda path: path == FINDING.path) == found
    chosen = narrowed(found, lambda some: [f for f in some if f.level == "ERROR"])
    assert (chosen.ignored, chosen.findings) == ((ERROR,), found.findings)


@pytest.mark.parametrize(
    ("glob", "path", "matched"),
    [
        ("drivers/net/a/a.c", "drivers/net/a/a.c", True),
        ("drivers/net/a/a.c", "drivers/net/a/a.ch", False),
        ("drivers/net/a", "drivers/net/a/a.c", True),
        ("drivers/net/a/", "drivers/net/a/b/c.h", True),
        ("drivers/net/a", "drivers/net/ab/a.c", False),
        ("drivers", "net/drivers/a.c", False),
        ("drivers/*/a", "drivers/net/a/a.c", True),
        ("drivers/*/a.c", "drivers/net/a/a.c", False),
        ("drivers/**/a.c", "drivers/net/x/a.c", True),
        ("drivers/**/a.c", "drivers/a.c", True),
        ("**/a.c", "a.c", True),
        ("**/*.h", "include/net/xfrm.h", True),
        ("**/*.h", "include/net/xfrm.c", False),
        ("**", "a/b/c", True),
        ("*", "a/b/c", True),
        ("*.c", "a/b.c", False),
        ("d*s/n?t/*/a*.c", "drivers/net/x/abc.c", True),
        ("d*s/n?t/*/a*.c", "drivers/net/x/bc.c", False),
        ("a?c", "a/c", False),
        ("a***b", "axb", True),
        ("**/x/**/y", "x/a/x/b/c/y", True),
        ("**/x/**/y", "x/a/x/b/c/z", False),
    ],
)
def test_a_glob(glob: str, path: str, matched: bool) -> None:
    assert matches(glob, path) == matched


def test_a_glob_of_stars_ends() -> None:
    assert not matches("*a" * 500 + "/b", "a" * 500 + "/c")
    assert not matches("**/a/" * 200 + "b", "a/" * 400 + "c")


NAMES = st.lists(st.sampled_from(["a", "b", "ab", "*", "?", "**", "a*"]), min_size=1, max_size=6)


@given(NAMES, st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=6))
def test_a_glob_is_what_its_definition_says(parts: list[str], names: list[str]) -> None:
    def one(part: str, name: str) -> bool:
        if not part:
            return not name
        if part[0] == "*":
            return one(part[1:], name) or (bool(name) and one(part, name[1:]))
        return bool(name) and part[0] in ("?", name[0]) and one(part[1:], name[1:])

    def some(parts: list[str], names: list[str]) -> bool:
        if not parts:
            return True
        if parts[0] == "**":
            return some(parts[1:], names) or (bool(names) and some(parts, names[1:]))
        return bool(names) and one(parts[0], names[0]) and some(parts[1:], names[1:])

    assert matches("/".join(parts), "/".join(names)) == some(parts, names)


# --- what is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("levels = \n", "line 1"),
        ("\n\n[levels\n", "line 3"),
        ("[levels]\nA = 'CHECK'\nA = 'CHECK'\n", "overwrite"),
        (b"\xff", "utf-8"),
        (b"\xef\xbb\xbffail-on = 'CHECK'\n", "line 1"),
        ("colour = 1\n", "unknown key colour"),
        ("fail_on = 'ERROR'\nlevel = 1\n", "unknown key fail_on, level"),
        ("fail-on = 'never'\n", "fail-on is none of ERROR, WARNING, CHECK"),
        ("fail-on = 'off'\n", "fail-on is none of ERROR, WARNING, CHECK"),
        ("fail-on = 1\n", "fail-on is none of"),
        ("levels = 1\n", "levels is no table"),
        ("[levels]\nNO = 'CHECK'\n", "levels: NO: no such type"),
        ("[levels]\na = 'CHECK'\n", "levels: a: no such type"),
        ("[levels]\nA = 'FATAL'\n", "levels.A is none of ERROR, WARNING, CHECK, off"),
        ("[levels]\nA = false\n", "levels.A is none of"),
        ("[levels.A]\nB = 'CHECK'\n", "levels.A is none of"),
        ("ignore = 1\n", "ignore is no list"),
        ("[ignore]\ntypes = ['A']\n", "ignore is no list"),
        ("ignore = [1]\n", "ignore 1 is no table"),
        (IGNORE + IGNORE.replace("reason", "why"), "ignore 2: unknown key why"),
        (IGNORE.replace('"old"', '" - "'), "ignore 1: a reason is missing"),
        (IGNORE.replace('"old"', "1"), "ignore 1: a reason is missing"),
        (IGNORE.replace('reason = "old"\n', ""), "ignore 1: a reason is missing"),
        (IGNORE.replace('["A"]', '"A"'), "ignore 1: types is no list of texts"),
        (IGNORE.replace('["A"]', "[]"), "ignore 1: types is no list of texts"),
        (IGNORE.replace('["A"]', '["A", 1]'), "ignore 1: types is no list of texts"),
        (IGNORE.replace('["A"]', '["A", "X"]'), "ignore 1: X: no such type"),
        (IGNORE.replace('types = ["A"]\n', ""), "ignore 1: types is no list of texts"),
        (IGNORE.replace('["drivers/net/a"]', "[]"), "ignore 1: paths is no list of texts"),
        (IGNORE.replace("drivers/net/a", ""), "ignore 1: '' is no path below"),
        (IGNORE.replace("drivers/net/a", "/drivers"), "ignore 1: '/drivers' is no path below"),
        (IGNORE.replace("drivers/net/a", "../a"), "ignore 1: '../a' is no path below"),
        (IGNORE.replace("drivers/net/a", "a//b"), "ignore 1: 'a//b' is no path below"),
        (IGNORE.replace("drivers/net/a", "a[bc]"), "only *, ? and **"),
        ("a = " + "[" * 9000, "nested too deeply"),
        ("a = " + "9" * 9000, "4300 digits"),
        ("# " + "x" * (16 << 10), "larger than 16 KiB"),
        (".".join("a" * 4000) + " = 1\n", "unknown key a"),
        ("fail-on." + ".".join("a" * 4000) + " = 1\n", "fail-on is none of"),
    ],
)
def test_a_wrong_one_is_refused(text: str | bytes, said: str) -> None:
    assert said in refused(text)


PIECES = st.sampled_from(
    [
        *r"""levels ignore fail-on types paths reason A = [ ] [[ ]] { } " ' , . 1 \ é""".split(),
        *(
            "\n",
            " ",
            "inf",
            "\0",
            '"A"',
            '["A"]',
            '"ERROR"',
            "[levels]\n",
            "[[ignore]]\n",
            "\u202e",
        ),
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join) | st.text() | st.just(IGNORE))
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        config = parsed(text.encode("utf-8", "surrogatepass"), TYPES)
    except InputError:
        return
    assert set(config.levels) <= TYPES
    assert all(one.types and one.paths and one.reason for one in config.ignores)
    assert config.fail_on in ("", "ERROR", "WARNING", "CHECK")


# --- changes


PATCH = b"""\
--- /dev/null
+++ b/.xfrmlint.toml
@@ -0,0 +1 @@
+fail-on = "ERROR"
"""


def test_a_change_of_the_configuration_that_does_not_fit_is_refused() -> None:
    # It could be in the tree already, in another form.
    with pytest.raises(InputError, match=NAME):
        laid(Memory({"a.c": b"", NAME: b"# other\n"}), list(series_of(PATCH, "p")))


@pytest.mark.parametrize("files", [{}, {NAME: b'fail-on = "ERROR"\n'}])
def test_the_tree_before_a_change_has_no_part_of_it(files: dict[str, bytes]) -> None:
    found = laid(Memory({"a.c": b"", **files}), list(series_of(PATCH, "p")))
    assert load_config(found.before, TYPES) == Config()
    assert load_config(found.after, TYPES) == Config(fail_on="ERROR")


# --- the command


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A tree with an ERROR (DIRECT) and a CHECK (CONTROL)."""
    return lay_fixture("demo", tmp_path / "demo")


@pytest.mark.parametrize(
    ("text", "arguments", "status", "types"),
    [
        ("", "", 1, [CONTROL, DIRECT]),
        (f'[levels]\n{DIRECT} = "CHECK"\n', "", 0, [CONTROL, DIRECT]),
        (f'[levels]\n{DIRECT} = "off"\n', "", 0, [CONTROL]),
        (f'[levels]\n{DIRECT} = "off"\n', f"--types {DIRECT}", 1, [DIRECT]),
        (f'[levels]\n{DIRECT} = "off"\n', "--no-config", 1, [CONTROL, DIRECT]),
        (f'[levels]\n{CONTROL} = "WARNING"\n', f"--types {CONTROL}", 1, [CONTROL]),
        ('fail-on = "CHECK"\n', f"--types {CONTROL}", 1, [CONTROL]),
        ('fail-on = "CHECK"\n', f"--types {CONTROL} --fail-on WARNING", 0, [CONTROL]),
        ('fail-on = "CHECK"\n', f"--types {CONTROL} --no-config", 0, [CONTROL]),
        (IGNORE.replace("A", DIRECT).replace("net/a", "**/*.c"), "", 0, [CONTROL]),
        (IGNORE.replace("A", DIRECT), "", 1, [CONTROL, DIRECT]),
        ("oops", "--no-config", 1, [CONTROL, DIRECT]),
    ],
)
def test_check(text: str, arguments: str, status: int, types: list[str], demo: Path) -> None:
    (demo / NAME).write_text(text)
    ran = run("check", "--terse", "--show-types", *arguments.split(), cwd=demo)
    assert (ran.status, ran.err) == (status, "")
    assert [line.split(": ")[1].split(":")[1] for line in ran.out.splitlines()[:-1]] == types


def test_check_counts_what_is_not_shown(demo: Path) -> None:
    (demo / NAME).write_text(IGNORE.replace('"A"', f'"{DIRECT}", "{CONTROL}"').replace("/a", ""))
    assert "\nnote: not shown: 2 by the tree's .xfrmlint.toml\n" in run("check", cwd=demo).out
    one = run("check", "--types", DIRECT, cwd=demo)
    assert "\nnote: not shown: 1 by the tree's .xfrmlint.toml\n" in one.out
    assert "not shown" not in run("check", "drivers/net/moonset", cwd=demo).out
    assert run("check", "-q", cwd=demo) == (0, "", "")
    assert run_json(cwd=demo)["summary"]["ignored"] == 2


def test_an_entry_that_matches_nothing_is_told(demo: Path) -> None:
    entry = '[[ignore]]\ntypes = ["{}"]\npaths = ["drivers/net/{}"]\nreason = "old"\n'
    text = entry.format(DIRECT, "sunrise") + entry.format(DIRECT, "moonset")
    (demo / NAME).write_text(text)
    said = f"note: .xfrmlint.toml: ignore 2 ({DIRECT} in drivers/net/moonset) matches nothing"
    lines = run("check", cwd=demo).out.splitlines()
    assert [line for line in lines if "matches nothing" in line] == [said]
    assert run_json(cwd=demo)["idle_ignores"] == [f"ignore 2 ({DIRECT} in drivers/net/moonset)"]
    # Of a part of the tree that can't be told.
    assert "matches nothing" not in run("check", "drivers/net/sunrise", cwd=demo).out
    assert "matches nothing" not in run("check", "-q", cwd=demo).out


def test_check_refuses_a_wrong_one_in_a_line(demo: Path) -> None:
    (demo / NAME).write_text("[levels]\nNO_SUCH = 'CHECK'\n")
    ran = run("check", cwd=demo)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        f"xfrmlint: {demo}: {NAME}: levels: NO_SUCH: no such type; xfrmlint check --list-types\n"
    )


def test_check_does_not_follow_one_out_of_the_tree(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('fail-on = "ERROR"\n')
    (demo / NAME).symlink_to(tmp_path / "other.toml")
    ran = run("check", cwd=demo)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == f"xfrmlint: {demo}: {NAME}: a name that leads out of the tree\n"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("nothing")])
def test_what_is_there_and_no_file_is_refused(make: Callable[[Path], None], demo: Path) -> None:
    make(demo / NAME)
    ran = run("check", cwd=demo)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"xfrmlint: {demo}: {NAME}: ")
    assert run("check", "--no-config", cwd=demo).status == 1


def test_a_type_of_ones_own_can_be_set(demo: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    rules = Path(__file__).parents[2] / "rules"
    shutil.copy(rules / f"{DIRECT.lower()}.toml", own / "mine.toml")
    (demo / NAME).write_text('[levels]\nMINE = "off"\n')
    assert run("check", cwd=demo).status == 2
    ran = run("check", "--rules", own, "--show-types", cwd=demo)
    assert ran.status == 1
    assert "MINE" not in ran.out


def test_the_example_of_the_readme_is_a_configuration() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    types = {rule.type for rule in load_rules([rules_folder()])}
    config = parsed(example.encode(), types)
    assert (len(config.levels), len(config.ignores), config.fail_on) == (2, 1, "ERROR")


# Of a change its own copy has no say: it would loosen its own check.

_OFF = 'levels.DIRECT_OFFLOAD_HANDLE = "off"\n'
_PROMISE = "\t.flags\t\t\t= XFRMDEV_OPS_F_LOWER_HANDLE,\n"
_DRIVER = "drivers/net/sunrise/sunrise_ipsec.c"


@pytest.mark.parametrize(("settled", "own", "status"), [("", _OFF, 1), (_OFF, "", 0)])
@pytest.mark.parametrize("way", ["commit", "patch", "staged"])
def test_of_a_change_the_settings_before_it_count(
    way: str, settled: str, own: str, status: int, tmp_path: Path
) -> None:
    linux = tmp_path / "linux"
    lay_fixture("demo", linux)
    promised = (linux / _DRIVER).read_text("utf-8")
    (linux / _DRIVER).write_text(promised.replace(_PROMISE, ""), "utf-8")
    (linux / ".xfrmlint.toml").write_text(f"# Ours.\n{settled}", "utf-8")
    git(linux, "init", "-q")
    git(linux, "add", "-A", "-f")
    git(linux, "commit", "-qm", "linux")
    (linux / _DRIVER).write_text(promised, "utf-8")
    (linux / ".xfrmlint.toml").write_text(f"# Ours.\n{own}", "utf-8")
    git(linux, "add", "-A", "-f")
    asked = ["--staged"]
    if way != "staged":
        git(linux, "commit", "-qm", "sunrise: promise")
        asked = ["--git", "HEAD"]
    if way == "patch":
        git(linux, "format-patch", "-q", "-1", "-o", "..")
        asked = ["--patch", "../0001-sunrise-promise.patch"]
    types = ("--ignore", "LOWER_HANDLE_NOT_RESOLVED", "--terse")
    ran = run("check", *types, *asked, cwd=linux)
    assert (ran.status, ran.err, bool(ran.out)) == (status, "", bool(status))
