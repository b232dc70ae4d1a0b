"""What of a change's findings is new, what is fixed, and what was there before.

The code here is made of lines alone: `name:` begins a function, `name: caller` one that packets
get to from that one, and a line that holds WARN is a finding, of the type BAD or of the one named
behind, about the member named behind that; in a file that holds `promise` it is an ERROR.
"""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trees import Memory
from xfrmlint.change.matching import matched, no_longer_known, unknown_since
from xfrmlint.findings import Finding, Hop, Unknown, fingerprint
from xfrmlint.git.compare import compared, same_lines
from xfrmlint.git.overlay import Change, Same

A, B = "drivers/net/a.c", "drivers/net/b.c"


def found_in(files: Mapping[str, str]) -> list[Finding]:
    findings = []
    for path, text in sorted(files.items()):
        function = ""
        chain: tuple[Hop, ...] = ()
        level = "ERROR" if "promise" in text else "WARNING"
        for number, line in enumerate(text.split("\n"), 1):
            if (name := re.match(r"(\w+):(?: (\w+))?$", line)) is not None:
                function = name[1]
                chain = tuple(Hop(one, path, 1, "") for one in (name[2], name[1]) if name[2])
            elif (mark := re.search(r"\bWARN(?: (\w+))?(?: (\w+))?", line)) is not None:
                kind = mark[1] or "BAD"
                message = f"{function}() reads xso.{mark[2]}" if mark[2] else "message"
                findings.append(
                    Finding(
                        *(kind, level, path, number, 1, function, "a", message),
                        *(chain, (), (), "high", "tree-sitter", line),
                        fingerprint(kind, path, function, line, 0),
                    )
                )
    return findings


def differing(
    before: Mapping[str, str], after: Mapping[str, str], renamed: tuple[str, str] | None
) -> tuple[dict[str, Change], dict[str, Change]]:
    """Return how files differ, by their path before and after."""
    names = {(path, path) for path in {*before, *after} - {*(renamed or ())}}
    names |= {renamed} if renamed else set()
    trees = [Memory({path: text.encode() for path, text in f.items()}) for f in (before, after)]
    changes = compared(trees[0], trees[1], sorted(names))
    return {c.old: c for c in changes if c.old}, {c.new: c for c in changes if c.new}


def judged(
    before: Mapping[str, str], after: Mapping[str, str], renamed: tuple[str, str] | None = None
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return the places of what is new and of what is fixed."""
    olds, news = found_in(before), found_in(after)
    found = matched(olds, news, *differing(before, after, renamed))
    new = [(news[n].path, news[n].line) for n in sorted(found.new)]
    return new, [(f.path, f.line) for f in found.fixed]


def came(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[int, int]]:
    """Return the lines of what is on new lines, and those where it was before."""
    olds, news = found_in(before), found_in(after)
    found = matched(olds, news, *differing(before, after, None))
    return [(news[n].line, was.line) for n, was in sorted(found.came.items())]


ONE = "f:\nx\ny\nr WARN\nz\n"

# Before, after; nothing is new, nothing fixed.
QUIET: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "nothing changed": ({A: ONE}, {A: ONE}),
    "lines above": ({A: ONE}, {A: "new\nlines\n" + ONE}),
    "lines gone above": ({A: "old\n" + ONE}, {A: ONE}),
    "another function above": ({A: ONE}, {A: "g:\nx\n" + ONE}),
    "a line within": ({A: ONE}, {A: ONE.replace("x", "x\nw")}),
    "indented anew": ({A: ONE}, {A: ONE.replace("r W", "    r    W")}),
    "another file": ({A: ONE, B: "x\n"}, {A: ONE, B: "y\n"}),
    "the function renamed": ({A: ONE}, {A: ONE.replace("f:", "g:")}),
    "the function renamed, lines above": ({A: ONE}, {A: "w\n" + ONE.replace("f:", "g:")}),
    "the function moved to its end": ({A: ONE + "g:\nq\np\n"}, {A: "g:\nq\np\n" + ONE}),
    "the function moved to another file": ({A: ONE, B: "x\n"}, {A: "x\n", B: ONE}),
    "the file moved, unseen": ({A: ONE}, {B: ONE}),
    "the file and half of it, unseen": ({A: ONE}, {B: "f:\nr WARN\na\nb\nc\n"}),
    "two equal lines": ({A: ONE + "r WARN\n"}, {A: "w\n" + ONE + "r WARN\n"}),
    "not as bad as it was": ({A: "f:\npromise\nr WARN\n"}, {A: "w\nf:\nr WARN\n"}),
}


@pytest.mark.parametrize(("before", "after"), QUIET.values(), ids=list(QUIET))
def test_what_was_there_before(before: dict[str, str], after: dict[str, str]) -> None:
    assert judged(before, after) == ([], [])


def test_a_renamed_file() -> None:
    after = {B: "w\n" + ONE.replace("f:", "g:")}
    assert judged({A: ONE}, after, (A, B)) == ([], [])
    # Told nothing of the rename: only the line's text is the same, and that says too little.
    assert judged({A: ONE}, after) == ([(B, 5)], [(A, 4)])


# Before, after, the lines of A that are new, those that were fixed.
LOUD: dict[str, tuple[str, str, list[int], list[int]]] = {
    "a first one": ("f:\nx\n", ONE, [4], []),
    "the last one": (ONE, "f:\nx\n", [], [4]),
    "a second one": (ONE, ONE + "s WARN\n", [6], []),
    "edited, and worse": (ONE, ONE.replace("r ", "s ") + "promise\n", [4], []),
    "edited, and another of that kind": (ONE, ONE.replace("r ", "s ") + "t WARN\n", [6], []),
    "another caller's": ("f: in\nr WARN\n", "g: in\ns WARN\n", [2], [2]),
    "another member": ("f:\nr WARN BAD dev\n", "f:\ns WARN BAD other\n", [2], [2]),
    "as bad in another way": (ONE, ONE.replace("WARN", "WARN OTHER"), [4], [4]),
    "worse than it was": (ONE, ONE + "promise\n", [4], []),
    "worse, and moved": (ONE, "promise\n" + ONE, [5], []),
    "worse, in a renamed function": (ONE, ONE.replace("f:", "g:") + "promise\n", [4], []),
    "the same line again, above": (ONE, "f:\nr WARN\nx\ny\nr WARN\nz\n", [2], []),
    "the same line again, below": (ONE, ONE + "r WARN\n", [6], []),
    "one of two equal lines gone": ("f:\nr WARN\nx\nr WARN\n", "f:\nx\nr WARN\n", [], [2]),
    "the same line in another function": (ONE, ONE + "g:\nr WARN\n", [7], []),
    "one fixed, another made": (ONE, "f:\nx\ny\nz\ng:\ns WARN\n", [6], [4]),
}


@pytest.mark.parametrize(("before", "after", "new", "fixed"), LOUD.values(), ids=list(LOUD))
def test_what_is_new_and_what_is_fixed(
    before: str, after: str, new: list[int], fixed: list[int]
) -> None:
    assert judged({A: before}, {A: after}) == ([(A, n) for n in new], [(A, n) for n in fixed])


# Before, after; the lines of what the change wrote anew, and where it was.
CAME: dict[str, tuple[str, str, list[tuple[int, int]]]] = {
    "edited, and still wrong": (ONE, ONE.replace("r ", "s "), [(4, 4)]),
    "over two lines": (ONE, ONE.replace("r WARN", "r\n  WARN"), [(5, 4)]),
    "one of two": (ONE + "t WARN\n", ONE.replace("r ", "s "), [(4, 4)]),
    "into a helper": ("f: in\nx\nr WARN\nz\n", "g: f\ns WARN\nf: in\nx\nz\n", [(2, 3)]),
    "into the caller": ("g: f\nr WARN\nf: in\nx\n", "f: in\ns WARN\nx\n", [(2, 2)]),
    "as it was": (ONE, "w\n" + ONE, []),
}


@pytest.mark.parametrize(("before", "after", "found"), CAME.values(), ids=list(CAME))
def test_what_a_change_wrote_anew(before: str, after: str, found: list[tuple[int, int]]) -> None:
    assert came({A: before}, {A: after}) == found
    assert judged({A: before}, {A: after})[0] == []


def test_one_whose_line_stays_did_not_become_another() -> None:
    before, after = {A: "f:\nr WARN\n"}, {A: "f:\nr WARN\ns WARN\n"}
    # It is mended elsewhere.
    news = found_in(after)[1:]
    found = matched(found_in(before), news, *differing(before, after, None))
    assert found == (frozenset({0}), tuple(found_in(before)), {})


AS_ONE = "f:\nx\nr WARN {}\n"


@pytest.mark.parametrize(
    ("old", "new", "levels", "wanted"),
    [
        ("BAD dev", "OTHER dev", ("", ""), ([], [])),
        ("BAD dev", "OTHER dev", ("promise\n", ""), ([], [])),
        ("BAD dev", "OTHER dev", ("", "promise\n"), ([3], [])),
        ("BAD dev", "OTHER real_dev", ("promise\n", ""), ([3], [3])),
        ("BAD", "OTHER", ("promise\n", ""), ([3], [3])),
    ],
)
def test_another_type_at_the_same_member(
    old: str, new: str, levels: tuple[str, str], wanted: tuple[list[int], list[int]]
) -> None:
    """The line is the same for a reader; what is said of it comes from elsewhere."""
    olds, news = (
        found_in({A: AS_ONE.format(text) + end})
        for text, end in zip((old, new), levels, strict=True)
    )
    found = matched(olds, news, {}, {})
    assert ([news[n].line for n in found.new], [f.line for f in found.fixed]) == wanted


def test_a_copy_is_new() -> None:
    assert judged({A: ONE}, {A: ONE, B: ONE}) == ([(B, 4)], [])


def test_what_could_not_be_analysed_before_either() -> None:
    change = Change(A, B, (Same(1, 3, 9),), {}, {})
    row = Unknown(A, 5, "f", "a call at line 5 through a pointer")
    now = Unknown(B, 7, "f", "a call at line 7 through a pointer")
    assert unknown_since([row], [now], {A: change}) == ()
    assert unknown_since([row], [row], {}) == ()
    assert unknown_since([row], [], {A: change}) == ()


def test_what_can_be_analysed_no_longer() -> None:
    row = Unknown(A, 5, "f", "a call through a pointer")
    others = [row._replace(function="g"), row._replace(path=B), row._replace(reason="too large")]
    assert unknown_since([], [row], {}) == (row,)
    assert unknown_since([row], [row, row._replace(line=9)], {}) == (row._replace(line=9),)
    assert unknown_since([row], others, {}) == tuple(others)


IN_F = Unknown(A, 4, "f", "a call through a pointer", True)
WRITTEN = ONE.replace("r WARN", "call()")
# After, what is unknown of it, and whether what was in ONE can still be there.
UNSEEN: dict[str, tuple[str, list[Unknown], bool]] = {
    "nothing is unknown": (ONE, [], False),
    "what does not matter": (ONE, [IN_F._replace(matters=False)], False),
    "another driver's": (ONE, [IN_F._replace(path="drivers/net/b/x.c")], False),
    "the line went, another function": (WRITTEN, [IN_F._replace(function="g", line=1)], False),
    "the line stays": (ONE, [IN_F], True),
    "the line stays, the file beside it": (ONE, [Unknown(B, 0, "", "not read", True)], True),
    "the line stays, a header": (ONE, [Unknown("include/x.h", 3, "", "no C", True)], True),
    "the line went, its function": (WRITTEN, [IN_F._replace(line=2)], True),
    "the line went, one that was written": (WRITTEN, [IN_F._replace(function="g")], True),
}


@pytest.mark.parametrize(("after", "unknown", "unseen"), UNSEEN.values(), ids=list(UNSEEN))
def test_what_may_still_be_there(after: str, unknown: list[Unknown], unseen: bool) -> None:
    gone = found_in({A: ONE})
    found = no_longer_known(gone, unknown, *differing({A: ONE}, {A: after}, None))
    assert found == (tuple(gone) if unseen else ())


# Lines, and which of them two texts share: a letter a line.
SHARED = [
    ("", "", []),
    ("abc", "abc", [(1, 1, 3)]),
    ("abc", "", []),
    ("", "abc", []),
    ("abc", "axc", [(1, 1, 1), (3, 3, 1)]),
    ("abc", "abxc", [(1, 1, 2), (3, 4, 1)]),
    ("abcd", "acd", [(1, 1, 1), (3, 2, 2)]),
    ("aabb", "aaabb", [(1, 1, 2), (3, 4, 2)]),
    ("aXbcYd", "abPcd", [(1, 1, 1), (3, 2, 1), (4, 4, 1), (6, 5, 1)]),
    ("a}b}c}", "x}b}y}", [(2, 2, 3), (6, 6, 1)]),
    ("abXcd", "cdXab", [(1, 4, 2)]),
]


@pytest.mark.parametrize(("old", "new", "runs"), SHARED)
def test_lines_that_two_texts_share(old: str, new: str, runs: list[tuple[int, int, int]]) -> None:
    found = same_lines([c.encode() for c in old], [c.encode() for c in new])
    assert [tuple(run) for run in found] == runs


@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"])), st.lists(st.sampled_from([b"a", b"c"])))
def test_shared_lines_are_equal_and_in_order(old: list[bytes], new: list[bytes]) -> None:
    at_old = at_new = 1
    for run in same_lines(old, new):
        assert (run.old >= at_old, run.new >= at_new, run.length > 0) == (True, True, True)
        at_old, at_new = run.old + run.length, run.new + run.length
        assert old[run.old - 1 : at_old - 1] == new[run.new - 1 : at_new - 1]
        assert (at_old <= len(old) + 1, at_new <= len(new) + 1) == (True, True)
