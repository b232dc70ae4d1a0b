"""Searches of a folder, and what earlier ones found: that holds as long as its folders look alike.

Of the whole tree only those folders are searched again that look otherwise.
"""

import os
import posixpath
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from xfrmlint.tree.marks import Look, Views, latest, mark_of, marks_below, without_moved
from xfrmlint.tree.search import Search, Searched, files_with

# A folder with more below it than any vendor's is searched as fast as it is looked at.
_MOST_MARKED = 1000
# Bytes of the names of folders that are searched one by one: an argument list may hold them, and
# the others don't take much longer.
_MOST_NAMED = 60_000
# What a process that nobody waits for gives way by.
_NICE = 10
# Patterns of the whole tree.
_MOST_WHOLE = 8


class Found(NamedTuple):
    """What searches found.

    below: (expression, folders) -> (mark of these folders, paths). whole: expression -> paths in
    the whole tree. marks: what its folders looked like then (see tree/marks.py).
    """

    below: dict[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]]
    whole: dict[str, tuple[str, ...]]
    marks: dict[str, str]

    @classmethod
    def nothing(cls) -> "Found":
        return cls({}, {}, {})

    def joined(self, later: "Found") -> "Found":
        """Return what was found and what was found later."""
        whole, marks = (later.whole, later.marks) if later.marks else (self.whole, self.marks)
        if marks == self.marks and len(both := {**self.whole, **whole}) <= _MOST_WHOLE:
            whole = both
        return Found({**self.below, **later.below}, whole, marks)

    def as_data(self) -> Any:
        """Return it as JSON can hold it; of() makes it what it was."""
        below = [[*asked, *answer] for asked, answer in self.below.items()]
        return [below, self.whole, list(self.marks), " ".join(self.marks.values())]

    @classmethod
    def of(cls, data: Any) -> "Found":
        """Return what as_data() was made of; raises TypeError and the like for others."""
        below, whole, folders, marks = data
        return cls(
            {(text, tuple(under)): (mark, tuple(paths)) for text, under, mark, paths in below},
            {text: tuple(paths) for text, paths in whole.items()},
            dict(zip(folders, marks.split(" ") if folders else (), strict=True)),
        )


class Searches:
    """What searches below `root` find. learns: what is found is to be known in later runs.

    problems: files that a search could not read, and why.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: dict[str, str] = {}
        self.known = Found.nothing()
        self.learned = Found.nothing()
        self.learns = False
        self._begun: dict[str, Search] = {}
        # A look that the searches come after, once it has been asked for with its result.
        self._first: Look | None = None
        self._start = 0
        self._views: Views | None = None
        self._ordered: Sequence[str] = ()
        # One beside all searches, asked for after them, and what those of the whole tree found.
        self._last: Look | None = None
        self._awaiting: dict[str, Sequence[str]] = {}
        self._marks: dict[str, str] = {}

    def look(self) -> None:
        """Let a look at what changed run beside what comes before it is asked for."""
        if self._first is not None or self._last is not None:
            return
        self._start = time.time_ns()
        limit = latest(self._start)
        if self.known.whole:
            self._first = Look(str(self.root), self.known.marks, limit)
        elif self.learns:
            # Nothing waits for it but the end: it takes what the others leave.
            self._last = Look(str(self.root), {}, limit, processes=2, nice=_NICE)

    def begin(self, pattern: str) -> None:
        """Let a search of the whole tree run beside what comes before it is asked for."""
        if pattern in self.known.whole:
            self.look()
        else:
            self._begun[pattern] = Search(self.root, pattern)

    def below(self, pattern: str, under: tuple[str, ...]) -> Sequence[str]:
        """Return where a pattern occurs below some folders."""
        known = self.known.below.get((pattern, under))
        # What nothing is compared with is marked in the end, together with everything, or not kept.
        later = known is None and self._last is not None
        mark = self._mark(under) if known is not None or (self.learns and not later) else ""
        if mark and known is not None and known[0] == mark:
            return known[1]
        found = files_with(self.root, pattern, under)
        self.problems.update(found.problems)
        if (mark or later) and not found.problems:
            self.learned.below[pattern, under] = mark, tuple(found.paths)
        return found.paths

    def whole(self, pattern: str) -> Sequence[str]:
        """Return where a pattern occurs in the whole tree."""
        begun = self._begun.pop(pattern, None)
        views = None
        if begun is not None:
            found = begun.found()
            # The look that other patterns wait for will do if it began before the search.
            if self._first is not None and self._start <= begun.start:
                views = self._looked()
                views = views and views._replace(marks=without_moved(views.marks))
        else:
            self.look()
            views = self._looked()
            found = self._since(pattern, views)
        self.problems.update(found.problems)
        if self.learns and not found.problems:
            if views is not None:
                self._learn(views.marks, pattern, found.paths)
            elif self._last is not None:
                self._awaiting[pattern] = found.paths
        return found.paths

    def _since(self, pattern: str, views: Views | None) -> Searched:
        """Search what looks otherwise than when the whole tree was searched."""
        known = self.known.whole.get(pattern)
        changed = set(views.changed) if views is not None else set()
        if known is None or views is None or sum(map(len, changed)) > _MOST_NAMED:
            return files_with(self.root, pattern)
        kept = [
            path
            for path in known
            if (folder := posixpath.dirname(path)) in views.marks and folder not in changed
        ]
        if not changed:
            return Searched(kept, [])
        found = files_with(self.root, pattern, [f"./{folder}" for folder in changed], deep=False)
        return Searched(sorted([*kept, *found.paths]), found.problems)

    def _learn(self, marks: dict[str, str], pattern: str, paths: Sequence[str]) -> None:
        found = tuple(paths)
        # With nothing settled there is nothing to compare.
        if not any(marks.values()):
            return
        if marks != self.known.marks or found != self.known.whole.get(pattern):
            self.learned.marks.update(marks)
            self.learned.whole[pattern] = found

    def end(self, *, learning: bool) -> None:
        """Let no process be left. learning: wait for what is still to be found out."""
        if self._first is not None:
            self._first.end()
        if self._last is not None:
            views = self._last.views() if learning else None
            self._last.end()
            self._last = None
            if views is not None:
                # Nothing has changed since the look began in what has a mark.
                self._views = Views(without_moved(views.marks), [])
                self._ordered = sorted(self._views.marks)
                for pattern, paths in self._awaiting.items():
                    self._learn(self._views.marks, pattern, paths)
        for (pattern, under), (mark, paths) in list(self.learned.below.items()):
            if not mark:
                mark = self._mark(under) if self._views is not None else ""
                self.learned.below[pattern, under] = mark, paths
            if not mark:
                del self.learned.below[pattern, under]

    def _looked(self) -> Views | None:
        """Return what the folders looked like before they are searched, None if it isn't known."""
        if self._first is not None and not self._first.over:
            self._views = self._first.views()
            self._ordered = sorted(self._views.marks) if self._views is not None else ()
        return self._views

    def _mark(self, under: tuple[str, ...]) -> str:
        """Return a text that is the same while no file below some folders changes, or none."""
        marks = [self._mark_of(folder) for folder in under]
        return " ".join(marks) if all(marks) else ""

    def _mark_of(self, folder: str) -> str:
        if folder not in self._marks:
            self._marks[folder] = ""
            views, start = self._looked(), time.time_ns()
            # ripgrep follows a link that it is given by name.
            top = os.path.normpath(self.root / folder)
            if os.path.realpath(top) == top and top != str(self.root):
                plain = os.path.relpath(top, self.root)
                marks, ordered = (views.marks, self._ordered) if views is not None else ({}, ())
                if views is None:
                    with suppress(OSError):
                        marks = marks_below(str(self.root), plain, latest(start), _MOST_MARKED)
                        ordered = sorted(marks)
                if plain in marks:
                    self._marks[folder] = mark_of(plain, marks, ordered)
        return self._marks[folder]
