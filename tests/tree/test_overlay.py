"""Patches laid over trees: what both sides read as, what changed, and what does not fit.

The judge is git itself: what it makes of a patch, the overlay has to make of it.
"""

import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.trees import Memory
from xfrmlint.errors import InputError
from xfrmlint.git.overlay import Change, Laid, Overlay, Place, Same, laid
from xfrmlint.git.patch import Patch, series_of
from xfrmlint.tree import Tree, Unreadable
from xfrmlint.tree.folder import Folder

pytestmark = pytest.mark.slow

Files = dict[str, bytes]

TEN = b"".join(b"%d\n" % n for n in range(1, 11))


def hunk(path: str, text: str) -> str:
    return f"--- a/{path}\n+++ b/{path}\n{text}"


def over(files: Mapping[str, bytes], *texts: str | bytes, contained: bool | None = None) -> Laid:
    patches: list[Patch] = []
    for nth, text in enumerate(texts, 1):
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        patches += series_of(data, f"p{nth}" if len(texts) > 1 else "p")
    return laid(Memory(files), patches, contained)


def all_of(tree: Tree, paths: Sequence[str]) -> Files:
    """Return what is there of `paths`, by every way that a tree can be asked."""
    found = {}
    for path in paths:
        folder, name = os.path.split(path)
        there = tree.is_file(path)
        assert (name in tree.folder(folder)) == there
        if there:
            found[path] = tree.read(path)
        else:
            with pytest.raises(Unreadable):
                tree.read(path)
    return found


def refused(files: Mapping[str, bytes], *texts: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        over(files, *texts)
    assert "\n" not in str(caught.value)
    return str(caught.value)


MIDDLE = "@@ -4,3 +4,3 @@\n 4\n-5\n+five\n 6\n"


def test_a_patch_laid_over_a_tree() -> None:
    found = over({"x.c": TEN, "y.c": TEN}, hunk("x.c", MIDDLE))
    after = TEN.replace(b"5", b"five")
    assert not found.contained
    assert all_of(found.before, ["x.c", "y.c"]) == {"x.c": TEN, "y.c": TEN}
    assert all_of(found.after, ["x.c", "y.c"]) == {"x.c": after, "y.c": TEN}
    assert (found.before.name, found.after.name) == ("memory", "memory with p")
    assert found.skipped == {}


def test_a_patch_that_the_tree_contains() -> None:
    after = TEN.replace(b"5", b"five")
    found = over({"x.c": after}, hunk("x.c", MIDDLE))
    assert found.contained
    assert found.before.read("x.c") == TEN
    assert found.after.read("x.c") == after
    assert (found.before.name, found.after.name) == ("memory without p", "memory")


@pytest.mark.parametrize("contained", [False, True])
def test_what_changed_is_the_same_from_both_sides(contained: bool) -> None:
    after = TEN.replace(b"5", b"five")
    found = over({"x.c": after if contained else TEN}, hunk("x.c", MIDDLE))
    assert found.contained == contained
    change = Change(
        "x.c", "x.c", (Same(1, 1, 4), Same(6, 6, 5)), {5: Place("p", 6)}, {5: Place("p", 5)}
    )
    assert found.changed == found.former == {"x.c": change}


def test_lines_that_moved() -> None:
    text = "@@ -1,4 +1,3 @@\n 1\n-2\n 3\n 4\n@@ -8,3 +7,5 @@\n 8\n+8a\n+8b\n 9\n 10\n"
    change = over({"x.c": TEN}, hunk("x.c", text)).changed["x.c"]
    assert change.same == (Same(1, 1, 1), Same(3, 2, 6), Same(9, 10, 2))
    assert [change.new_line(n) for n in range(1, 12)] == ([1, None, 2, 3, 4, 5, 6, 7, 10, 11, None])
    assert change.added == {8: Place("p", 10), 9: Place("p", 11)}
    assert change.removed == {2: Place("p", 5)}


def test_a_series() -> None:
    first = hunk("x.c", MIDDLE)
    second = hunk("x.c", "@@ -3,5 +3,6 @@\n 3\n+3a\n 4\n-five\n+FIVE\n 6\n 7\n")
    after = TEN.replace(b"4\n5", b"3a\n4\nFIVE")
    for files in (TEN, after):
        found = over({"x.c": files}, first, second)
        assert found.before.read("x.c") == TEN
        assert found.after.read("x.c") == after
        (change,) = found.changed.values()
        assert change.added == {4: Place("p2", 5), 6: Place("p2", 8)}
        # Line 5 of the old tree went with the first patch; what that brought nobody sees.
        assert change.removed == {5: Place("p1", 5)}
        assert change.same == (Same(1, 1, 3), Same(4, 5, 1), Same(6, 7, 5))
    assert over({"x.c": TEN}, first, second).after.name == "memory with p1 and 1 more"


def test_a_series_that_ends_where_it_began() -> None:
    back = hunk("x.c", "@@ -4,3 +4,3 @@\n 4\n-five\n+5\n 6\n")
    found = over({"x.c": TEN}, hunk("x.c", MIDDLE), back)
    assert found.changed == found.former == {}
    assert found.after.read("x.c") == TEN


NEW = "diff --git a/d/n.c b/d/n.c\nnew file mode 100644\n--- /dev/null\n+++ b/d/n.c\n"
NEW += "@@ -0,0 +1,2 @@\n+int xso;\n+b\n"
DELETED = "diff --git a/o.c b/o.c\ndeleted file mode 100644\n--- a/o.c\n+++ /dev/null\n"
DELETED += "@@ -1,2 +0,0 @@\n-int xso;\n-b\n"
RENAMED = "diff --git a/o.c b/n.c\nsimilarity index 50%\nrename from o.c\nrename to n.c\n"
RENAMED += "--- a/o.c\n+++ b/n.c\n@@ -1,2 +1,2 @@\n int xso;\n-b\n+B\n"
COPIED = RENAMED.replace("rename", "copy")
TWO = b"int xso;\nb\n"

# Files before, patch, files after.
WHOLE: dict[str, tuple[Files, str, Files]] = {
    "new": ({"d/o.c": b""}, NEW, {"d/o.c": b"", "d/n.c": TWO}),
    "new in a new folder": ({}, NEW, {"d/n.c": TWO}),
    "deleted": ({"o.c": TWO, "p.c": b""}, DELETED, {"p.c": b""}),
    "renamed": ({"o.c": TWO}, RENAMED, {"n.c": b"int xso;\nB\n"}),
    "renamed without edits": ({"o.c": TWO}, RENAMED[: RENAMED.index("---")], {"n.c": TWO}),
    "copied": ({"o.c": TWO}, COPIED, {"o.c": TWO, "n.c": b"int xso;\nB\n"}),
    "two files change names": (
        {"a.c": b"a\n", "b.c": b"b\n"},
        "diff --git a/b.c b/a.c\nsimilarity index 90%\nrename from b.c\nrename to a.c\n"
        "--- a/b.c\n+++ b/a.c\n@@ -1 +1,2 @@\n b\n+B\n"
        "diff --git a/a.c b/b.c\nsimilarity index 100%\nrename from a.c\nrename to b.c\n",
        {"a.c": b"b\nB\n", "b.c": b"a\n"},
    ),
    "a new file in place of one renamed later": (
        {"o.c": TWO},
        NEW.replace("d/n.c", "o.c").replace("+b\n", "+new\n") + RENAMED,
        {"o.c": b"int xso;\nnew\n", "n.c": b"int xso;\nB\n"},
    ),
    "a copy of what changes": (
        {"o.c": TWO},
        hunk("o.c", "@@ -1,2 +1,2 @@\n int xso;\n-b\n+c\n") + COPIED,
        {"o.c": b"int xso;\nc\n", "n.c": b"int xso;\nB\n"},
    ),
    "a new file in place of a renamed one": (
        {"o.c": TWO},
        RENAMED + NEW.replace("d/n.c", "o.c").replace("+b\n", "+new\n"),
        {"o.c": b"int xso;\nnew\n", "n.c": b"int xso;\nB\n"},
    ),
    "mode": (
        {"o.c": TWO},
        "diff --git a/o.c b/o.c\nold mode 100644\nnew mode 100755\n",
        {"o.c": TWO},
    ),
    "empty and new": (
        {},
        "diff --git a/n.c b/n.c\nnew file mode 100644\nindex 0000000..e69de29\n",
        {"n.c": b""},
    ),
    "empty and deleted": (
        {"n.c": b""},
        "diff --git a/n.c b/n.c\ndeleted file mode 100644\nindex e69de29..0000000\n",
        {},
    ),
    "an empty file gets text": (
        {"n.c": b""},
        hunk("n.c", "@@ -0,0 +1,2 @@\n+int xso;\n+b\n"),
        {"n.c": TWO},
    ),
    "a newline at the end comes": (
        {"n.c": b"a"},
        hunk("n.c", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"),
        {"n.c": b"a\n"},
    ),
    "carriage returns": (
        {"n.c": b"a\r\nb\r\nc\r\n"},
        hunk("n.c", "@@ -1,3 +1,3 @@\n a\r\n-b\r\n+B\r\n c\r\n"),
        {"n.c": b"a\r\nB\r\nc\r\n"},
    ),
    "NUL": (
        {"n.c": b"a\0\nb\n"},
        hunk("n.c", "@@ -1,2 +1,2 @@\n a\0\n-b\n+\0\n"),
        {"n.c": b"a\0\n\0\n"},
    ),
    "lines that only look like ends": (
        {"n.c": b"a\fb\x0bc\rd\n\xc2\x85\ne\n"},
        hunk("n.c", "@@ -1,3 +1,3 @@\n a\fb\x0bc\rd\n-\x85\n+x\n e\n"),
        {"n.c": b"a\fb\x0bc\rd\nx\ne\n"},
    ),
    "a name that is no UTF-8": (
        {"\udcff.c": TWO},
        'diff --git "a/\\377.c" b/n.c\nsimilarity index 100%\nrename from "\\377.c"\n'
        "rename to n.c\n",
        {"n.c": TWO},
    ),
    "without context": (
        {"n.c": TEN},
        hunk("n.c", "@@ -2 +2 @@\n-2\n+two\n@@ -5,0 +6 @@\n+new\n@@ -8 +8,0 @@\n-8\n"),
        {"n.c": b"1\ntwo\n3\n4\n5\nnew\n6\n7\n9\n10\n"},
    ),
}


@pytest.mark.parametrize("contained", [False, True])
@pytest.mark.parametrize("name", WHOLE)
def test_whole_files(name: str, contained: bool) -> None:
    before, text, after = WHOLE[name]
    found = over(after if contained else before, text)
    # What leaves no trace can't be seen to be there.
    assert found.contained == (contained and before != after)
    paths = sorted({*before, *after, "none.c"})
    assert all_of(found.before, paths) == before
    assert all_of(found.after, paths) == after
    assert found.skipped == {}
    everywhere = {p for p in paths if before.get(p) != after.get(p)}
    assert {*found.changed, *found.former} == everywhere | ({"o.c"} & {*found.former})
    check_changes(found, before, after, [text.encode("utf-8", "surrogateescape")])


def check_changes(found: Laid, before: Files, after: Files, texts: Sequence[bytes]) -> None:
    """Assert that the lines of the changes, as numbered, are those of the files and the patches."""
    differ = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert differ & {*after} <= {*found.changed}
    assert differ & {*before} <= {*found.former}
    patches = {f"p{n}" if len(texts) > 1 else "p": t.split(b"\n") for n, t in enumerate(texts, 1)}
    for change in {id(c): c for c in [*found.changed.values(), *found.former.values()]}.values():
        old = before[change.old].split(b"\n") if change.old is not None else []
        new = after[change.new].split(b"\n") if change.new is not None else []
        for same in change.same:
            assert same.length > 0
            for i in range(same.length):
                assert old[same.old - 1 + i] == new[same.new - 1 + i]
                assert change.new_line(same.old + i) == same.new + i
        for path, side in ((change.old, found.former), (change.new, found.changed)):
            assert path is None or side[path] is change
        kept = sum(same.length for same in change.same)
        for lines, places, sign in ((new, change.added, b"+"), (old, change.removed, b"-")):
            for line, place in places.items():
                assert sign + lines[line - 1] == patches[place.patch][place.line - 1]
            whole = len(lines) - (lines[-1:] == [b""])
            # Nobody says where the lines of a copy come from.
            if sign == b"-" or change.old is not None:
                assert kept + len(places) == whole


def test_a_copy_counts_as_new() -> None:
    before, text, _ = WHOLE["copied"]
    found = over(before, text)
    assert found.changed == {"n.c": Change(None, "n.c", (), {2: Place("p", 10)}, {})}
    assert found.former == {}


def test_a_rename_is_found_by_both_names() -> None:
    before, text, _ = WHOLE["renamed"]
    found = over(before, text)
    assert found.changed["n.c"] is found.former["o.c"]
    assert found.changed["n.c"].same == (Same(1, 1, 1),)
    assert list(found.changed) == ["n.c"]
    assert list(found.former) == ["o.c"]


# Tree -> whether it contains MIDDLE. Both texts can be there; the one in its place counts.
SIDES = {
    "before": (TEN, False),
    "after": (TEN.replace(b"5", b"five"), True),
    "before, further down": (b"0\n" * 50 + TEN, False),
    "after, further down": (b"0\n" * 50 + TEN.replace(b"5", b"five"), True),
    "before here, after there": (TEN + b"4\nfive\n6\n", False),
    "after here, before there": (TEN.replace(b"5", b"five") + b"4\n5\n6\n", True),
}


@pytest.mark.parametrize("name", SIDES)
def test_on_which_side_a_tree_is(name: str) -> None:
    data, contained = SIDES[name]
    found = over({"x.c": data}, hunk("x.c", MIDDLE))
    assert found.contained == contained
    assert found.before.read("x.c") != found.after.read("x.c")


def test_added_lines_that_are_there_without_context() -> None:
    text = hunk("x.c", "@@ -5,0 +6 @@\n+new\n")
    assert not over({"x.c": TEN}, text).contained
    assert over({"x.c": TEN.replace(b"5\n", b"5\nnew\n")}, text).contained


def test_the_caller_may_know_better() -> None:
    both = {"x.c": TEN + b"4\nfive\n6\n"}
    found = over(both, hunk("x.c", MIDDLE), contained=True)
    assert found.before.read("x.c") == TEN + b"4\n5\n6\n"


# Tree, hunks of x.c -> the tree after it, as git apply places them.
OFFSETS: dict[str, tuple[bytes, str, bytes]] = {
    "further down": (b"0\n0\n" + TEN, MIDDLE, b"0\n0\n" + TEN.replace(b"5", b"five")),
    "further up": (TEN[4:], MIDDLE, TEN[4:].replace(b"5", b"five")),
    "the nearest": (
        b"4\n5\n6\n0\n0\n0\n4\n5\n6\n",
        MIDDLE.replace("-4,3 +4,3", "-6,3 +6,3"),
        b"4\n5\n6\n0\n0\n0\n4\nfive\n6\n",
    ),
    "of two equally near the later": (
        b"0\n4\n5\n6\n4\n5\n6\n0\n",
        MIDDLE.replace("-4,3 +4,3", "-3,3 +3,3"),
        b"0\n4\nfive\n6\n4\n5\n6\n0\n",
    ),
    "between two equally near": (
        b"4\n5\n6\n0\n4\n5\n6\n0\n",
        MIDDLE.replace("-4,3 +4,3", "-3,3 +3,3"),
        b"4\n5\n6\n0\n4\nfive\n6\n0\n",
    ),
    "not twice at one place": (
        b"4\n5\n6\n7\n" * 2,
        "@@ -1,3 +1,4 @@\n 4\n+a\n 5\n 6\n@@ -2,3 +3,4 @@\n 4\n+b\n 5\n 6\n",
        b"4\na\n5\n6\n7\n4\nb\n5\n6\n7\n",
    ),
    "a hunk far beyond the end": (
        TEN,
        MIDDLE.replace("-4,3 +4,3", "-999999999,3 +999999999,3"),
        TEN.replace(b"5", b"five"),
    ),
    "the first hunk grows the file": (
        TEN,
        "@@ -1,2 +1,3 @@\n 1\n+a\n 2\n" + MIDDLE.replace("+4", "+5"),
        b"1\na\n" + TEN[2:].replace(b"5", b"five"),
    ),
}


@pytest.mark.parametrize("name", OFFSETS)
def test_offsets(name: str) -> None:
    data, text, wanted = OFFSETS[name]
    assert git_applied({"x.c": data}, hunk("x.c", text).encode(), False) == {"x.c": wanted}
    assert over({"x.c": data}, hunk("x.c", text)).after.read("x.c") == wanted


# Files, texts of patches -> what is said.
MISFITS: dict[str, tuple[Files, list[str], str]] = {
    "another line": (
        {"x.c": TEN.replace(b"5", b"V")},
        [hunk("x.c", MIDDLE)],
        "p:3: x.c: hunk 1 of 1 doesn't fit: line 5 should be '5', but is 'V'",
    ),
    "the second hunk": (
        {"x.c": TEN.replace(b"9", b"\x1b[2J")},
        [hunk("x.c", "@@ -1,3 +1,4 @@\n 1\n+a\n 2\n 3\n@@ -7,3 +8,3 @@\n 7\n 8\n-9\n+nine\n")],
        "p:8: x.c: hunk 2 of 2 doesn't fit: line 9 should be '9', but is '\\x1b[2J'",
    ),
    "the file is too short": (
        {"x.c": b"1\n2\n3\n4\n"},
        [hunk("x.c", MIDDLE)],
        "p:3: x.c: hunk 1 of 1 doesn't fit: line 5 should be '5', but the file ends before it",
    ),
    "the file is much too short": (
        {"x.c": b"1\n"},
        [hunk("x.c", "@@ -9,0 +10 @@\n+x\n")],
        "p:3: x.c: hunk 1 of 1 doesn't fit: line 10 should be there, but the file ends before it",
    ),
    "white space": (
        {"x.c": b"\tint a;\r\n"},
        [hunk("x.c", "@@ -1 +1 @@\n-\tint a;\n+\tint b;\n")],
        "p:3: x.c: hunk 1 of 1 doesn't fit: line 1 should be '\\tint a;', but is '\\tint a;\\r'",
    ),
    "a newline at the end": (
        {"x.c": b"a\n"},
        [hunk("x.c", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n")],
        "p:3: x.c: hunk 1 of 1 doesn't fit: line 1 should be 'a' without a newline, but is 'a'",
    ),
    "not at the start": (
        {"x.c": b"0\n1\n2\n3\n"},
        [hunk("x.c", "@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n")],
        "p:3: x.c: hunk 1 of 1 doesn't fit: line 1 should be '1', but is '0'",
    ),
    "not at the end": (
        {"x.c": TEN + b"11\n"},
        [hunk("x.c", "@@ -8,3 +8,4 @@\n 8\n 9\n 10\n+x\n")],
        "p:3: x.c: hunk 1 of 1 doesn't fit: line 10 should be the file's last",
    ),
    "twice at one place": (
        {"x.c": TEN},
        [hunk("x.c", MIDDLE + MIDDLE)],
        "p:8: x.c: hunk 2 of 2 doesn't fit: line 4 belongs to a hunk before",
    ),
    "overlapping": (
        {"x.c": TEN},
        [hunk("x.c", MIDDLE + "@@ -6,3 +6,3 @@\n 6\n-7\n+seven\n 8\n")],
        "p:8: x.c: hunk 2 of 2 doesn't fit: line 6 belongs to a hunk before",
    ),
    "a long line": (
        {"x.c": b"x" * 1000 + b"\n"},
        [hunk("x.c", f"@@ -1 +1 @@\n-{'y' * 1000}\n+b\n")],
        f"p:3: x.c: hunk 1 of 1 doesn't fit: line 1 should be '{'y' * 60}...', "
        f"but is '{'x' * 60}...'",
    ),
    "no such file": ({}, [hunk("x.c", MIDDLE)], "p:1: x.c: No such file or directory"),
    "new, but there": ({"d/n.c": b"x"}, [NEW], "p:1: d/n.c: the file is already there"),
    "a copy, but there": (
        {"o.c": TWO, "n.c": b"x"},
        [COPIED],
        "p:1: n.c: the file is already there",
    ),
    "elsewhere, without context": (
        {"x.c": b"0\n" + TEN},
        [hunk("x.c", "@@ -2 +2 @@\n-2\n+two\n")],
        "p:3: x.c: hunk 1 of 1 doesn't fit: line 2 should be '2', but is '1'",
    ),
    "deleted, with more in it": (
        {"o.c": TWO + b"c\n"},
        [DELETED],
        "p:1: o.c: the patch deletes the file but leaves text in it",
    ),
    "deleted before": (
        {"o.c": TWO},
        [DELETED, hunk("o.c", MIDDLE)],
        "p2:1: o.c: an earlier change has removed the file",
    ),
    "renamed before": (
        {"o.c": TWO},
        [RENAMED, hunk("o.c", MIDDLE)],
        "p2:1: o.c: an earlier change has removed the file",
    ),
    "two commits' diffs in one": (
        {"o.c": TWO},
        [hunk("o.c", "@@ -1,2 +1,2 @@\n int xso;\n-b\n+b\\\n") + RENAMED],
        "p:7: n.c: the same patch has changed o.c before",
    ),
    "in the second patch": (
        {"x.c": TEN},
        [hunk("x.c", MIDDLE), hunk("x.c", MIDDLE)],
        "p2:3: x.c: hunk 1 of 1 doesn't fit: line 5 should be '5', but is 'five'",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit(name: str) -> None:
    files, texts, wanted = MISFITS[name]
    assert refused(files, *texts) == wanted


@pytest.mark.parametrize("path", ["MAINTAINERS", "Documentation/a.rst", "d/Kconfig"])
def test_files_that_no_check_reads_may_differ(path: str) -> None:
    text = hunk(path, MIDDLE) + hunk("x.c", MIDDLE)
    found = over({path: b"else\n", "x.c": TEN}, text)
    assert found.after.read("x.c") != TEN
    assert found.after.read(path) == b"else\n"
    assert list(found.skipped) == [path]
    assert list(found.changed) == ["x.c"]
    assert over({"x.c": TEN}, text).skipped == {path: f"p:1: {path}: No such file or directory"}


def test_the_side_of_a_tree_is_seen_by_such_a_file_too() -> None:
    data = b"0\n" * 9 + TEN.replace(b"5", b"five")
    found = over({"MAINTAINERS": data}, hunk("MAINTAINERS", MIDDLE))
    assert (found.contained, found.skipped) == (True, {})


@pytest.mark.parametrize("path", ["Makefile", "d/Makefile", "d/Kbuild", "x.h"])
def test_files_that_a_check_reads_may_not(path: str) -> None:
    assert "doesn't fit" in refused({path: b"else\n"}, hunk(path, MIDDLE))


def binary(name: str) -> str:
    return (
        f"diff --git a/{name} b/{name}\nindex 1..2 100644\n"
        f"Binary files a/{name} and b/{name} differ\n"
    )


def test_binary_changes_are_left_out() -> None:
    found = over({"b.png": b"\0", "x.c": TEN}, binary("b.png") + hunk("x.c", MIDDLE))
    assert list(found.skipped) == ["b.png"]
    assert "its text is not in the patch" in found.skipped["b.png"]
    assert found.after.read("b.png") == b"\0"


def test_a_binary_change_of_code_is_refused() -> None:
    with pytest.raises(InputError, match=r"b\.c: its text is not in the patch \(git format-patch"):
        over({"b.c": b"\0", "x.c": TEN}, binary("b.c") + hunk("x.c", MIDDLE))


def test_a_deleted_file_whose_text_is_left_out() -> None:
    text = "diff --git a/o.c b/o.c\ndeleted file mode 100644\nindex 1234567..0000000\n"
    found = over({"o.c": TWO}, text)
    assert (found.contained, found.after.is_file("o.c"), found.skipped) == (False, False, {})
    found = over({}, text)
    assert found.contained
    assert found.skipped == {"o.c": "its text is not in the patch"}


def test_a_submodule_is_left_alone() -> None:
    text = "diff --git a/s b/s\nindex 1..2 160000\n--- a/s\n+++ b/s\n@@ -1 +1 @@\n-S 1\n+S 2\n"
    assert over({}, text).changed == {}


# Everything that a tree can be asked.


def linux(root: Path, files: Mapping[str, bytes]) -> Folder:
    for path, data in files.items():
        full = root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data)
    return Folder(root)


def patched(tree: Tree, text: str) -> Laid:
    return laid(tree, series_of(text.encode("utf-8", "surrogateescape"), "p"))


SEARCHED: Files = {
    "drivers/a.c": b"int xso;\n",
    "drivers/b.c": b"int other;\n",
    "drivers/d/c.h": b"int xso;\n",
    "drivers/d/only.txt": b"int xso;\n",
    "include/i.h": b"int xso_more;\n",
    "o.c": TWO,
}
SEARCH_PATCH = (
    hunk("drivers/a.c", "@@ -1 +1 @@\n-int xso;\n+int gone;\n")
    + hunk("drivers/b.c", "@@ -1 +1,2 @@\n int other;\n+int xso;\n")
    + hunk("drivers/d/only.txt", "@@ -1 +1,2 @@\n int xso;\n+int xso;\n")
    + RENAMED
    + NEW.replace("d/n.c", "drivers/new/n.h")
)


@pytest.mark.parametrize("under", [[], ["."], ["drivers"], ["drivers/new"], ["include", "n.c"]])
@pytest.mark.parametrize("pattern", ["xso", r"\bxso\b", r"gone|\bother\b", "nowhere"])
def test_a_search_finds_what_is_in_the_patched_files(
    pattern: str, under: list[str], tmp_path: Path
) -> None:
    tree = linux(tmp_path / "old", SEARCHED)
    found = patched(tree, SEARCH_PATCH)
    paths = [*SEARCHED, "n.c", "drivers/new/n.h"]
    new = linux(tmp_path / "new", all_of(found.after, paths))
    assert found.after.search(pattern, under) == new.search(pattern, under)
    assert found.after.problems == new.problems
    assert found.before.search(pattern, under) == tree.search(pattern, under)
    # The same from the other side.
    back = patched(new, SEARCH_PATCH)
    assert back.contained
    assert back.before.search(pattern, under) == tree.search(pattern, under)


def test_a_search_for_a_name_that_is_no_utf_8() -> None:
    found = over({"x.c": b"a \xff\n"}, hunk("x.c", "@@ -1 +1,2 @@\n a \udcff\n+b\n"))
    # The tree below can't be asked; what is patched can.
    assert Overlay(Memory({}), {"x.c": b"\xff"}, "").read("x.c") == b"\xff"
    assert found.after.read("x.c") == b"a \xff\nb\n"


def test_a_file_that_could_not_be_read_and_is_replaced() -> None:
    tree = Memory({})
    tree.problems = {"a.c": "Permission denied", "d": "Permission denied"}
    found = Overlay(tree, {"a.c": b"", "d/x.c": b""}, "")
    assert found.problems == {"d": "Permission denied"}


@pytest.mark.parametrize("path", ["x.c", "./x.c", "d/../x.c", "d//../x.c"])
def test_a_patched_file_by_other_names(path: str, tmp_path: Path) -> None:
    found = patched(linux(tmp_path, {"x.c": TEN, "d/y.c": b""}), hunk("x.c", MIDDLE))
    assert b"five" in found.after.read(path)
    assert found.after.is_file(path)


def test_folders(tmp_path: Path) -> None:
    tree = linux(tmp_path, {"d/o.c": TWO, "d/p.c": b"", "x": b""})
    text = NEW + DELETED.replace("o.c", "d/o.c") + NEW.replace("d/n.c", "e/f/n.c")
    found = patched(tree, text)
    asked = {name: found.after.folder(name) for name in ("", ".", "d", "./d", "e", "e/f", "none")}
    assert asked == {
        "": ["x"],
        ".": ["x"],
        "d": ["n.c", "p.c"],
        "./d": ["n.c", "p.c"],
        "e": [],
        "e/f": ["n.c"],
        "none": [],
    }


def test_overlays_on_overlays(tmp_path: Path) -> None:
    tree = linux(tmp_path, {"x.c": TEN})
    (tmp_path / "l").symlink_to(".")
    once = patched(tree, hunk("x.c", MIDDLE)).after
    twice = patched(once, NEW).after
    assert b"five" in twice.read("x.c")
    assert b"five" in twice.read("l/x.c")
    assert twice.is_file("l/d/n.c")
    assert twice.folder("l") == ["x.c"]
    assert twice.name == f"{tmp_path} with p with p"
    assert tree.read("x.c") == TEN


def test_nothing_is_written(tmp_path: Path) -> None:
    tree = linux(tmp_path, SEARCHED)
    for path in [*tmp_path.rglob("*"), tmp_path]:
        path.chmod(0o555)
    try:
        found = patched(tree, SEARCH_PATCH)
        found.after.search("xso")
        assert {p: (tmp_path / p).read_bytes() for p in SEARCHED} == SEARCHED
        assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == len(SEARCHED)
    finally:
        for path in [tmp_path, *tmp_path.rglob("*")]:
            path.chmod(0o755)


# Links. Nothing could be written through one, but a file would have two names.

LINK = "diff --git a/{0} b/{0}\nnew file mode 120000\nindex 0000000..1\n--- /dev/null\n+++ b/{0}\n"
LINK += "@@ -0,0 +1 @@\n+{1}\n\\ No newline at end of file\n"
THROUGH = "{}: a name that leads through a symbolic link"


@pytest.mark.parametrize("target", ["d", "../other", "/", "nothing", "l"])
def test_paths_through_a_link_of_the_tree(target: str, tmp_path: Path) -> None:
    tree = linux(tmp_path / "linux", {"d/o.c": TWO, "l.c.orig": b""})
    linux(tmp_path / "other", {"o.c": TWO})
    (tmp_path / "linux/l").symlink_to(target)
    (tmp_path / "linux/l.c").symlink_to(target)
    for text in (
        hunk("l/o.c", "@@ -1,2 +1,2 @@\n int xso;\n-b\n+c\n"),
        NEW.replace("d/n.c", "l/n.c"),
        NEW.replace("d/n.c", "l/deep/n.c"),
        NEW.replace("d/n.c", "l.c"),
        NEW.replace("d/n.c", "l/README"),
        DELETED.replace("o.c", "l/o.c"),
        RENAMED.replace("o.c", "l/o.c"),
        COPIED.replace("o.c", "d/o.c").replace("n.c", "l/n.c"),
    ):
        with pytest.raises(InputError, match="a name that leads through a symbolic link"):
            patched(tree, text)


def test_paths_through_a_link_that_the_patch_makes() -> None:
    link = LINK.format("l", "..")
    assert refused({}, link + NEW.replace("d/", "l/")) == "p:9: " + THROUGH.format("l/n.c")
    assert refused({}, link, NEW.replace("d/", "l/")) == "p2:1: " + THROUGH.format("l/n.c")
    assert refused({"a.c": TWO}, link + RENAMED.replace("o.c", "a.c").replace("n.c", "l/n.c")) == (
        "p:9: " + THROUGH.format("l/n.c")
    )


def test_a_link_takes_the_place_of_a_file_and_back(tmp_path: Path) -> None:
    text = DELETED + LINK.format("o.c", "d/o.c")
    tree = linux(tmp_path / "1", {"o.c": TWO, "d/o.c": b"other\n"})
    found = patched(tree, text)
    assert not found.contained
    assert not found.after.is_file("o.c")
    (tmp_path / "1/o.c").unlink()
    (tmp_path / "1/o.c").symlink_to("d/o.c")
    found = patched(Folder(tmp_path / "1"), text)
    assert found.contained
    assert found.before.read("o.c") == TWO
    assert found.after.read("o.c") == b"other\n"


UNLINK = LINK.replace("new file", "deleted file").replace("-0,0 +1", "-1 +0,0")
UNLINK = UNLINK.replace("--- /dev/null\n+++ b/{0}", "--- a/{0}\n+++ /dev/null")
UNLINK = UNLINK.replace("\n+{1}", "\n-{1}")


@pytest.mark.parametrize("target", ["d", "../other"])
def test_a_folder_takes_the_place_of_a_link(target: str, tmp_path: Path) -> None:
    linux(tmp_path / "other", {"n.c": b"other"})
    tree = linux(tmp_path / "linux", {"d/n.c": b""})
    (tmp_path / "linux/l").symlink_to(target)
    found = patched(tree, UNLINK.format("l", target) + NEW.replace("d/n.c", "l/n.c"))
    assert found.after.read("l/n.c") == TWO
    assert "n.c" in found.after.folder("l")
    assert found.before.is_file("d/n.c")


def test_a_removed_link(tmp_path: Path) -> None:
    tree = linux(tmp_path, {"d/n.c": TWO})
    (tmp_path / "l.c").symlink_to("d/n.c")
    found = patched(tree, UNLINK.format("l.c", "d/n.c"))
    assert all_of(found.before, ["l.c", "d/n.c"]) == {"l.c": TWO, "d/n.c": TWO}
    assert all_of(found.after, ["l.c", "d/n.c"]) == {"d/n.c": TWO}


def test_a_file_in_place_of_a_link_is_patched_again(tmp_path: Path) -> None:
    tree = linux(tmp_path, {"d/n.c": b"other\n"})
    (tmp_path / "l.c").symlink_to("d/n.c")
    new = UNLINK.format("l.c", "d/n.c") + NEW.replace("d/n.c", "l.c")
    edit = hunk("l.c", "@@ -1,2 +1,2 @@\n int xso;\n-b\n+c\n")
    once = patched(tree, new).after
    assert patched(once, edit).after.read("l.c") == b"int xso;\nc\n"
    both = [*series_of(new.encode(), "p1"), *series_of(edit.encode(), "p2")]
    assert laid(tree, both).after.read("l.c") == b"int xso;\nc\n"


def test_links_between_files_of_the_tree_lead_to_what_is_patched(tmp_path: Path) -> None:
    tree = linux(tmp_path, {"d/x.c": TEN})
    (tmp_path / "l.c").symlink_to("d/x.c")
    (tmp_path / "l").symlink_to("d")
    found = patched(tree, hunk("d/x.c", MIDDLE) + NEW)
    assert b"five" in found.after.read("l.c")
    assert b"five" in found.after.read("l/x.c")
    assert found.after.folder("l") == ["n.c", "x.c"]
    assert found.after.read("l/n.c") == TWO


# Against git.


@functools.cache
def repository() -> Path:
    """Return a folder with an empty bare repository, which no configuration reaches."""
    folder = Path(tempfile.mkdtemp(prefix="xfrmlint-test-"))
    git(folder, "init", "-q", "--bare", "r.git")
    return folder


@pytest.fixture(scope="module", autouse=True)
def _clean() -> Iterator[None]:
    yield
    if repository.cache_info().currsize:
        shutil.rmtree(repository())
        # More of these tests can come to this process later.
        repository.cache_clear()


def git(cwd: Path, *arguments: str, data: bytes = b"") -> bytes:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CEILING_DIRECTORIES": str(cwd.parent),
    }
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, input=data, capture_output=True, env=environment
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, arguments, done.stdout, done.stderr)
    return done.stdout


def committed(states: Sequence[tuple[Files, int]]) -> list[str]:
    """Commit one state (files and their mode) after the other; return the commits' names."""
    stream = [b"reset refs/heads/x\n\n"]
    for nth, (files, mode) in enumerate(states, 1):
        message = b"state %d\n\nFrom here on.\n" % nth
        stream.append(b"commit refs/heads/x\nmark :%d\n" % nth)
        stream.append(b"committer A <a@example.org> %d +0000\n" % (1_700_000_000 + nth))
        stream.append(b"data %d\n%s\ndeleteall\n" % (len(message), message))
        for path, data in files.items():
            name = b"".join(b"\\%03o" % byte for byte in os.fsencode(path))
            stream.append(b'M 100%o inline "%s"\ndata %d\n%s\n' % (mode, name, len(data), data))
    bare = repository() / "r.git"
    git(bare, "fast-import", "--quiet", "--force", "--export-marks=m", data=b"".join(stream))
    marks = dict(line.split() for line in (bare / "m").read_text().splitlines())
    return [marks[f":{nth}"] for nth in range(1, len(states) + 1)]


def git_applied(files: Mapping[str, bytes], text: bytes, backwards: bool) -> Files | None:
    """Return what git apply makes of files, None if it refuses."""
    with tempfile.TemporaryDirectory(dir=repository()) as folder:
        root = Path(folder)
        linux(root, files)
        try:
            git(root, "apply", "--whitespace=nowarn", *(["-R"] if backwards else []), data=text)
        except subprocess.CalledProcessError:
            return None
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


# Few words, so that hunks fit in more than one place; and every line end there is.
words = st.sampled_from([b"a", b"b", b"c", b"", b"int x;", b"-- ", b"\tx\xff", b"@@ -1 +1 @@"])
ends = st.sampled_from([b"\n"] * 12 + [b"\r\n", b"\f\n", b"\r", b"\0\n"])
lines = st.tuples(words, ends).map(b"".join)
NAMES = ["a.c", "d/b.c", "d/e/c.h", "sp ace.c", 'q"\\\t.c', "ä.c", "\udcff.c", "Makefile", "n\n.h"]


@st.composite
def texts(draw: st.DrawFn, most: int = 25) -> bytes:
    text = b"".join(draw(st.lists(lines, max_size=most)))
    return text.removesuffix(b"\n") if draw(st.integers(0, 5)) == 0 else text


@st.composite
def edited(draw: st.DrawFn, text: bytes) -> bytes:
    found = text.splitlines(keepends=True)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(found)))
        end = draw(st.integers(start, min(start + 3, len(found))))
        found[start:end] = draw(st.lists(lines, max_size=3))
    return b"".join(found)


@st.composite
def next_state(draw: st.DrawFn, before: tuple[Files, int]) -> tuple[Files, int]:
    """Edit, rename, copy, delete and make files; sometimes change every mode."""
    files: Files = {}
    for path, data in before[0].items():
        what = draw(st.sampled_from(["keep", "edit", "edit", "edit", "rename", "copy", "delete"]))
        if what == "delete":
            continue
        new = draw(st.sampled_from(NAMES)) if what in ("rename", "copy") else path
        if what in ("keep", "copy"):
            files.setdefault(path, data)
        if what != "keep":
            files.setdefault(new, draw(edited(data)))
    if draw(st.booleans()):
        files.setdefault(draw(st.sampled_from(NAMES)), draw(texts()))
    return files, draw(st.sampled_from([0o644, 0o644, 0o644, 0o755]))


start_states = st.tuples(
    st.dictionaries(st.sampled_from(NAMES), texts(), max_size=4), st.just(0o644)
)


@st.composite
def histories(draw: st.DrawFn, most: int) -> list[tuple[Files, int]]:
    states = [draw(start_states)]
    for _ in range(draw(st.integers(1, most))):
        states.append(draw(next_state(states[-1])))
    return states


slowly = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(slowly, max_examples=120)
@given(histories(1), st.sampled_from(["-U3", "-U3", "-U1", "-U0"]), st.sampled_from("MCD"))
def test_as_git_diff_says(states: list[tuple[Files, int]], context: str, how: str) -> None:
    old, new = committed(states)
    options = {"M": ["-M30"], "C": ["-C30", "--find-copies-harder"], "D": ["--no-renames"]}[how]
    text = git(repository() / "r.git", "diff", "--text", context, *options, old, new)
    assume(text)
    check_both_ways(states[0][0], states[-1][0], [text])


@settings(slowly, max_examples=60)
@given(histories(3), st.booleans())
def test_as_git_format_patch_says(states: list[tuple[Files, int]], attach: bool) -> None:
    commits = committed(states)
    options = ["--attach"] if attach else []
    span = f"{commits[0]}..{commits[-1]}"
    box = git(repository() / "r.git", "format-patch", "--stdout", "--text", *options, span)
    # A NUL in a mail is no text to anybody; git 2.47 writes a mail for a commit of nothing, too.
    assume(b"diff --git " in box)
    check_both_ways(states[0][0], states[-1][0], [box])


def check_both_ways(old: Files, new: Files, patches: Sequence[bytes]) -> None:
    paths = sorted({*old, *new})
    for contained, files in ((False, old), (True, new)):
        found = over(files, *patches, contained=contained)
        assert all_of(found.before, paths) == old
        assert all_of(found.after, paths) == new
        assert found.skipped == {}
        check_changes(found, old, new, patches)
        # Left to find out, it ends on one of the sides, and with the same texts if on this.
        guessed = over(files, *patches)
        if guessed.contained == contained:
            assert guessed.changed == found.changed


@settings(slowly, max_examples=150)
@given(texts(), st.data())
def test_as_git_apply_places(old: bytes, data: st.DataObject) -> None:
    """A patch meets a file that has moved on: it lands where git puts it, or both refuse."""
    new, drifted = data.draw(edited(old)), data.draw(edited(old))
    assume(old != new)
    backwards = data.draw(st.booleans())
    first, second = committed([({"a.c": old}, 0o644), ({"a.c": new}, 0o644)])
    context = data.draw(st.sampled_from(["-U1", "-U2", "-U3"]))
    text = git(repository() / "r.git", "diff", "--text", context, first, second)
    files = {"a.c": data.draw(edited(new)) if backwards else drifted}
    wanted = git_applied(files, text, backwards)
    try:
        found = over(files, text, contained=backwards)
    except InputError:
        # A last line without a newline fits for git wherever a line only begins so; it then joins
        # the two.
        assert wanted is None or b"\n\\ No newline" in text
        return
    if wanted is None:
        # Without context git would rather be told that this is meant.
        assert b"\n " not in text
        return
    other = found.before if backwards else found.after
    assert {"a.c": other.read("a.c")} == wanted


# Patches that nobody wrote in good faith.


def test_many_hunks_far_from_their_place() -> None:
    data = b"".join(b"%d\n" % (n % 1000) for n in range(100_000))
    count = 20_000
    text = "".join(
        f"@@ -{n},2 +{n},2 @@\n {n % 1000}\n-no\n+yes\n" for n in range(2, 2 + count * 2, 2)
    )
    assert "doesn't fit" in refused({"x.c": data}, hunk("x.c", text))
    same = b"a\n" * 100_000
    text = "@@ -200000,3 +200000,3 @@\n a\n-a\n+b\n a\n" * 30_000
    with pytest.raises(InputError, match="too many hunks are far from the lines they name"):
        over({"x.c": same}, hunk("x.c", text), contained=False)


def test_many_hunks_in_their_place() -> None:
    data = b"".join(b"%d\n" % n for n in range(60_000))
    text = "".join(
        f"@@ -{n + 1},3 +{n + 1},3 @@\n {n}\n-{n + 1}\n+x\n {n + 2}\n" for n in range(0, 60_000, 6)
    )
    start = time.process_time()
    found = over({"x.c": data}, hunk("x.c", text))
    assert len(found.changed["x.c"].added) == 10_000
    assert time.process_time() - start < 5
