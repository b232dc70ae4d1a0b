"""Searches of a folder that remember what they found: never anything else than a search now."""

import itertools
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xfrmlint.tree import marks, searches
from xfrmlint.tree.search import Search, Searched, files_with
from xfrmlint.tree.searches import Found, Searches

pytestmark = pytest.mark.slow

ODD = os.fsdecode(b"-\xff\n*.c")
FILES = {
    "top.c": "xso",
    "d/a.c": "int xso;",
    "d/b.h": "int b;",
    "d/e/c.c": "xso",
    "d/e/f/g/h.h": "int h;",
    f"d/{ODD}": "xso",
    "-x/-y.c": "xso",
    ".hidden/.i.h": "xso",
    "text/j.txt": "xso",
    "text/f/g/h.h": "xso",
}
XSO = sorted(path for path, text in FILES.items() if "xso" in text and path.endswith((".c", ".h")))
PARENT = os.getpid()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8", "surrogateescape")


def settle() -> None:
    """Wait until what was changed can be told from what will be."""
    time.sleep(0.06)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(marks, "_TICK", 40_000_000)
    for path, text in FILES.items():
        write(tmp_path / "linux" / path, text)
    (tmp_path / "linux/link.c").symlink_to("top.c")
    (tmp_path / "linux/linked").symlink_to("d")
    settle()
    return tmp_path / "linux"


@pytest.fixture(params=["alone", "processes"])
def anyhow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are looked at in this process, and in others."""
    if request.param == "processes":
        monkeypatch.setattr(marks, "_FEW", 0)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})


class Run(NamedTuple):
    """What a run found, what it searched (None is everything), and what the next one knows."""

    paths: Sequence[str]
    asked: list[list[str] | None]
    known: Found
    problems: dict[str, str]


def searched(
    root: Path,
    known: Found | None = None,
    pattern: str = "xso",
    under: tuple[str, ...] = (),
    *,
    begun: bool = False,
    search: Callable[..., Searched] = files_with,
) -> Run:
    """Search as a new run does. known: what is known from an earlier one, as it was stored."""
    asked: list[list[str] | None] = []

    def noted(root: Path, text: str, under: Sequence[str] = (), *, deep: bool = True) -> Searched:
        asked.append(sorted(under) or None)
        return search(root, text, under, deep=deep)

    run = Searches(root)
    run.learns = True
    run.known = Found.of((known or Found.nothing()).as_data())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(searches, "files_with", noted)
        if begun:
            run.look()
            run.begin(pattern)
        found = run.below(pattern, under) if under else run.whole(pattern)
        run.end(learning=True)
    return Run(found, asked, run.known.joined(run.learned), run.problems)


@pytest.mark.usefixtures("anyhow")
@pytest.mark.parametrize("begun", [True, False])
def test_a_tree_that_nobody_touched_is_not_searched_again(begun: bool, root: Path) -> None:
    first = searched(root, begun=begun)
    assert first.paths == XSO
    again = searched(root, first.known, begun=begun)
    assert (again.paths, again.asked) == (XSO, [])
    # Nothing new: nothing is to be written.
    assert again.known == first.known


@pytest.mark.usefixtures("anyhow")
def test_what_is_searched_below_folders_is_known_by_the_same_look(root: Path) -> None:
    run = Searches(root)
    run.learns = True
    run.whole("xso")
    assert run.below("int", ("d/e", "-x")) == ["d/e/f/g/h.h"]
    run.end(learning=True)
    assert searched(root, run.learned, "int", ("d/e", "-x")).asked == []
    again = Searches(root)
    again.known = run.learned
    assert again.whole("xso") == XSO
    assert list(again.below("int", ("d/e", "-x"))) == ["d/e/f/g/h.h"]
    assert again.learned == Found.nothing()
    write(root / "d/e/f/k.c", "int")
    assert searched(root, run.learned, "int", ("d/e", "-x")).paths == ["d/e/f/g/h.h", "d/e/f/k.c"]


def _gone(root: Path) -> None:
    shutil.rmtree(root / "d/e")


def _file_for_folder(root: Path) -> None:
    _gone(root)
    write(root / "d/e", "xso")


def _linked(root: Path) -> None:
    (root / "d/e").rename(root / "elsewhere")
    (root / "d/e").symlink_to("../elsewhere")


def _restored(root: Path) -> None:
    was = (root / "d/b.h").stat()
    (root / "d/b.h").write_text("xso b;")
    os.utime(root / "d/b.h", ns=(was.st_atime_ns, was.st_mtime_ns))


def _new(path: str) -> Callable[[Path], None]:
    return lambda root: write(root / path, "xso")


# An edit -> the folders that are searched for it.
EDITS: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "a new file": (_new("d/e/new.c"), ["./d/e"]),
    "one in new folders": (_new("n/e/w/new.h"), ["./", "./n", "./n/e", "./n/e/w"]),
    "one among texts": (_new("text/new.c"), ["./text"]),
    "one of another time": (_restored, ["./d"]),
    "a text": (_new("text/new.txt"), []),
    "a link for a file": (lambda root: os.replace(root / "link.c", root / "d/a.c"), ["./d"]),
    "a link for a folder": (
        _linked,
        ["./", "./d", "./elsewhere", "./elsewhere/f", "./elsewhere/f/g"],
    ),
    "a folder that is gone": (_gone, ["./d"]),
    "a file for a folder": (_file_for_folder, ["./d"]),
    "a folder called as a file": (_new("d/dir.c/new.c"), ["./d", "./d/dir.c"]),
    "nothing": (lambda root: None, []),
}


@pytest.mark.usefixtures("anyhow")
@pytest.mark.parametrize("edit", EDITS)
def test_only_what_changed_is_searched_again(edit: str, root: Path) -> None:
    change, folders = EDITS[edit]
    first = searched(root)
    change(root)
    now = files_with(root, "xso").paths
    again = searched(root, first.known)
    assert again.paths == now
    assert again.asked == ([folders] if folders else [])
    settle()
    third = searched(root, again.known)
    assert third.paths == now
    assert searched(root, third.known).asked == []


def test_what_changed_a_moment_ago_is_searched_every_time(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = searched(root)
    write(root / "d/b.h", "xso b")
    monkeypatch.setattr(marks, "_TICK", 60_000_000_000)
    for _ in range(3):
        again = searched(root, first.known)
        assert ("d/b.h" in again.paths, again.asked) == (True, [["./d"]])
    # Nothing was old enough to be remembered.
    assert searched(root).known == Found.nothing()


def test_with_much_to_search_all_is_searched(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = searched(root)
    _new("d/e/new.c")(root)
    monkeypatch.setattr(searches, "_MOST_NAMED", 2)
    again = searched(root, first.known)
    assert (again.paths, again.asked) == (sorted([*XSO, "d/e/new.c"]), [None])
    settle()
    assert searched(root, searched(root, again.known).known).asked == []


def _known_with(change: Callable[[Path], None], root: Path) -> Found:
    """Return what a run knows during whose search, after it read everything, a change is made."""

    def and_then(*asked: Any, **how: Any) -> Searched:
        found = files_with(*asked, **how)
        change(root)
        settle()
        return found

    known = searched(root, search=and_then).known
    settle()
    return known


def _exchanged(root: Path) -> None:
    """Two folders change places: their files keep all their times."""
    (root / "d/e").rename(root / "tmp")
    (root / "text").rename(root / "d/e")
    (root / "tmp").rename(root / "text")


@pytest.mark.parametrize("change", [_exchanged, _restored, _gone, _linked, _new("d/e/f/new.c")])
def test_a_change_during_the_first_search_is_seen(
    change: Callable[[Path], None], root: Path
) -> None:
    known = _known_with(change, root)
    assert searched(root, known).paths == files_with(root, "xso").paths


@pytest.mark.parametrize("change", [_exchanged, _restored, _gone, _linked, _new("d/e/f/new.c")])
def test_a_change_during_the_search_for_another_pattern_is_seen(
    change: Callable[[Path], None], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(Search):
        def found(self) -> Searched:
            found = super().found()
            change(root)
            settle()
            return found

    known = searched(root, pattern="int").known
    with monkeypatch.context() as patched:
        patched.setattr(searches, "Search", Late)
        known = searched(root, known, begun=True).known
    settle()
    assert searched(root, known).paths == files_with(root, "xso").paths


def test_another_pattern_that_was_begun_is_known_too(root: Path) -> None:
    both = searched(root, searched(root, pattern="int").known, begun=True).known
    assert searched(root, both).asked == searched(root, both, "int").asked == []


def test_patterns_are_known_together_until_something_changes(root: Path) -> None:
    both = searched(root, searched(root).known, "int").known
    assert searched(root, both).asked == searched(root, both, "int").asked == []
    _new("d/e/new.c")(root)
    settle()
    now = searched(root, both).known
    assert list(now.whole) == ["xso"]
    assert searched(root, now, "int").paths == ["d/a.c", "d/b.h", "d/e/f/g/h.h"]


def test_patterns_that_are_known_are_few(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searches, "_MOST_WHOLE", 2)
    known = Found.nothing()
    for pattern in ("xso", "int", "b"):
        known = searched(root, known, pattern).known
    assert list(known.whole) == ["b"]


def test_a_search_with_problems_is_done_again(root: Path) -> None:
    first = searched(root)
    problem = Searched(["d/a.c"], [("d/b.h", "Permission denied")])
    _restored(root)
    for known in (first.known, None):
        again = searched(root, known, search=lambda *_, **how: problem)
        assert again.problems == {"d/b.h": "Permission denied"}
        assert again.known == (known or Found.nothing())


def _refused(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refusing(path: str, *how: int, **where: int) -> int:
        if str(path).endswith("d/e"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *how, **where)

    monkeypatch.setattr(os, "open", refusing)


@pytest.mark.usefixtures("anyhow")
def test_with_a_folder_that_can_not_be_looked_at_all_is_searched(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = searched(root)
    _refused(monkeypatch)
    again = searched(root, first.known)
    assert (again.paths, again.asked, again.known) == (XSO, [None], first.known)
    assert searched(root).known == Found.nothing()


def test_a_child_that_died_is_made_up_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "_FEW", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    real = marks._view

    def dying(*asked: object) -> object:
        if os.getpid() != PARENT:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(marks, "_view", dying)
    first = searched(root)
    assert first.known.marks
    _new("d/e/new.c")(root)
    assert searched(root, first.known).paths == sorted([*XSO, "d/e/new.c"])


def test_a_search_that_nobody_waits_for_leaves_no_process(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = searched(root)
    monkeypatch.setattr(marks, "_FEW", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(marks, "_view", lambda *_: time.sleep(600))
    before = os.listdir("/proc/self/fd"), _children()
    for known in (first.known, Found.nothing()):
        run = Searches(root)
        run.learns = True
        run.known = known
        if known.whole:
            run.begin("xso")
        else:
            run.whole("xso")
        assert _children() > before[1]
        run.end(learning=False)
        assert (os.listdir("/proc/self/fd"), _children()) == before


def _children() -> set[str]:
    lists = Path("/proc/self/task").glob("*/children")
    return {child for one in lists for child in one.read_text().split()}


def test_small_trees_start_no_process(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", None)
    assert searched(root, searched(root).known).asked == []


def test_who_keeps_nothing_looks_at_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "_view", None)
    run = Searches(root)
    assert (run.whole("xso"), run.below("int", ("d",))) == (XSO, ["d/a.c", "d/b.h", "d/e/f/g/h.h"])
    run.end(learning=True)
    assert run.learned == Found.nothing()


@pytest.mark.parametrize("when", [-1, 9_300_000_000])
def test_a_file_of_a_strange_time(when: int, root: Path) -> None:
    os.utime(root / "d/a.c", (when, when))
    settle()
    first = searched(root)
    assert searched(root, first.known).paths == XSO


# Any edits: names that are there and names that are not, folders and links in each other's place.
PATHS = ["a.c", "d/a.c", "d/e/a.c", "d/e/f/a.h", "d/e/f/a.txt", "n/e/w.c", "d/e", "n", f"d/{ODD}"]
_number = itertools.count()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _edit(root: Path, kind: str, one: str, other: str) -> None:
    full, there = root / one, root / other
    if any(p.is_symlink() or p.is_file() for p in (*full.parents, *there.parents)):
        return
    if kind == "write" or kind == "clear":
        if not full.is_dir():
            _remove(full)
            write(full, "xso" if kind == "write" else "int")
    elif kind == "in place":
        if full.is_file() and not full.is_symlink():
            was = full.stat()
            full.write_text("xsa" if full.read_text() == "xso" else "xso")
            os.utime(full, ns=(was.st_atime_ns, was.st_mtime_ns))
    elif kind == "remove":
        _remove(full)
    elif kind == "link":
        _remove(full)
        full.parent.mkdir(parents=True, exist_ok=True)
        full.symlink_to(os.path.relpath(there, full.parent))
    elif kind == "move" and os.path.lexists(full) and not f"{other}/".startswith(f"{one}/"):
        if not f"{one}/".startswith(f"{other}/"):
            _remove(there)
            there.parent.mkdir(parents=True, exist_ok=True)
            full.rename(there)


STEP = st.tuples(
    st.sampled_from(["write", "clear", "in place", "remove", "link", "move"]),
    st.sampled_from(PATHS),
    st.sampled_from(PATHS),
    st.booleans(),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, min_size=1, max_size=8), alone=st.booleans())
def test_after_any_edit_what_is_remembered_is_what_a_search_finds(
    steps: list[tuple[str, str, str, bool]], alone: bool, tmp_path: Path
) -> None:
    root = tmp_path / f"linux{next(_number)}"
    for path in PATHS[:5]:
        write(root / path, "xso")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(marks, "_TICK", 10_000_000)
        patched.setattr(marks, "_FEW", 64 if alone else 0)
        patched.setattr(os, "sched_getaffinity", lambda _: {0, 1})
        time.sleep(0.02)
        known = searched(root).known
        for kind, one, other, waits in steps:
            _edit(root, kind, one, other)
            if waits:
                time.sleep(0.02)
            run = searched(root, known)
            assert run.paths == files_with(root, "xso").paths
            below = searched(root, run.known, under=("d", "n"))
            assert list(below.paths) == files_with(root, "xso", ["d", "n"]).paths
            known = below.known
    shutil.rmtree(root)
