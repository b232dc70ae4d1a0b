"""Every miniature kernel gives exactly the findings that its comments announce."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.laid import Expected, difference, expected, expected_missing, lay_fixture, trees
from xfrmlint.check import check_tree
from xfrmlint.findings import Finding
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree.folder import Folder

pytestmark = pytest.mark.slow


def places(findings: tuple[Finding, ...]) -> Expected:
    found: Expected = {}
    for finding in findings:
        found.setdefault((finding.path, finding.line), set()).add(finding.type)
    return found


@pytest.mark.parametrize("name", trees())
def test_fixture(name: str, tmp_path: Path) -> None:
    tree = lay_fixture(name, tmp_path / "linux")
    found = places(check_tree(Folder(tree), load_rules([rules_folder()])).findings)
    wanted = expected(tree)

    assert not difference(found, wanted)

    cured = [
        f"{path}:{line}: {kind} is found now: write `expect:`"
        for (path, line), kinds in expected_missing(tree).items()
        for kind in sorted(kinds & found.get((path, line), set()))
    ]
    assert not cured


NOOK = "drivers/net/nook"


def _makefile(parts: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(
        f"ccflags-y := -I$(src)\nobj-m += nook.o\nnook-y := {parts}\n", "utf-8"
    )


@pytest.mark.parametrize(
    ("above", "why"),
    [
        (_makefile("other.o"), "no Makefile links {}"),
        (
            _makefile("nook_main.o $(shell ls)"),
            f"{NOOK}/Makefile:3 is not evaluated: $(shell)",
        ),
        (os.mkfifo, f"{NOOK}/Makefile can't be read (not a regular file)"),
    ],
)
def test_what_no_makefile_links_is_told(
    above: Callable[[Path], object], why: str, tmp_path: Path
) -> None:
    tree = lay_fixture("lost-makefiles", tmp_path)
    rules = load_rules([rules_folder()])
    lost = check_tree(Folder(tree), rules)
    above(tree / NOOK / "Makefile")
    found = check_tree(Folder(tree), rules)
    assert [(f.type, f.line) for f in found.findings] == [(f.type, f.line) for f in lost.findings]
    path = f"{NOOK}/offload/offload.c"
    reason = f"{why.format(path)}: callers in other folders were looked for by name"
    assert [(u.path, u.reason) for u in found.unknown if not u.line] == [(path, reason)]


def test_every_type_of_an_expectation_has_a_rule(tmp_path: Path) -> None:
    known = {rule.type for rule in load_rules([rules_folder()])}
    for name in trees():
        tree = lay_fixture(name, tmp_path / name)
        for places_of in (expected(tree), expected_missing(tree)):
            for place, kinds in places_of.items():
                assert kinds <= known, f"{name}: {place}: {kinds - known}"


def test_the_readme_lists_every_tree() -> None:
    text = (Path(__file__).parents[2] / "fixtures/README.md").read_text("utf-8")
    listed = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert set(trees()) <= listed


def test_comments_are_read_by_path_and_line(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/a.c").write_text(
        "int a;\nint b; /* expect: ONE, TWO */ /* expect-missing: THREE */\n"
        "int expect; /* unexpected: FOUR */\n"
    )
    assert expected(tmp_path) == {("net/a.c", 2): {"ONE", "TWO"}}
    assert expected_missing(tmp_path) == {("net/a.c", 2): {"THREE"}}
    assert difference({("net/a.c", 2): {"ONE"}}, {("net/a.c", 2): {"TWO"}}) == [
        "net/a.c:2: ONE was not expected",
        "net/a.c:2: TWO not found",
    ]


@pytest.mark.parametrize(
    "line", ["/* expect ONE */", "/* expect: one */", "// expect: ONE", "/* expect-mising: ONE */"]
)
def test_a_misspelt_comment_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers/a.c").write_text(f"int a; {line}\n")
    with pytest.raises(ValueError, match="can't be read"):
        expected(tmp_path)
