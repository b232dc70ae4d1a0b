"""What folders look like by the stat data of their sources: a search of what looks the same holds.

A folder's mark is told by the names of the folders in it, by the names of the .c and .h files that
ripgrep would search there, and by what the file system says of these. It is empty where something
changed too lately to be told from what may still change within the same tick of the clock.
"""

import errno
import os
import struct
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import NamedTuple

from xfrmlint.processes import MOST_JOBS, Shared

# Size, time of change of the content and of the entry (nanoseconds), inode, device.
Stamp = tuple[int, int, int, int, int]

# Nanoseconds between two times that every file system tells apart (FAT's are the longest): a file
# that changes twice within them looks unchanged.
_TICK = 2_000_000_000
# Folders that are looked at sooner than a process is started.
_FEW = 64
_MOST_PROCESSES = 8
# What os.open() says of what is no folder: nothing, a file, a link.
_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


class View(NamedTuple):
    """What a folder looks like. folders: the names of those in it."""

    mark: str
    folders: Sequence[str]


class Views(NamedTuple):
    """What all folders of a tree look like. changed: those that look otherwise than was known."""

    marks: dict[str, str]
    changed: list[str]


# A folder -> how it looks, None where there is no such folder.
_Found = dict[str, View | None]


stamp: Callable[[os.stat_result], Stamp] = attrgetter(
    "st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_dev"
)
_pack = struct.Struct("<QqqQQ").pack


def _packed(stamps: Sequence[Stamp]) -> bytes:
    try:
        return b"".join([_pack(*one) for one in stamps])
    except struct.error:
        # A time after the year 2262.
        return repr(stamps).encode("ascii")


def _digest(names: str, data: bytes = b"") -> str:
    told = names.encode("ascii", "backslashreplace")
    return blake2b(b"%d:" % len(told) + told + data, digest_size=8).hexdigest()


def latest(start: int) -> int:
    """Return before when a file must have changed to be known by its stamp at `start` or later."""
    return start - _TICK


def _view(full: str, known: str, limit: int) -> View | None:
    """Return how a folder looks now; raises OSError.

    known: the mark that it had. limit: when what changed since then changed too lately.
    """
    try:
        handle = os.open(full, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NO_FOLDER:
            return None
        raise
    try:
        sources: dict[str, os.stat_result] = {}
        folders: list[str] = []
        with os.scandir(handle) as entries:
            for entry in entries:
                name = entry.name
                if name.endswith((".c", ".h")) and entry.is_file(follow_symlinks=False):
                    sources[name] = entry.stat(follow_symlinks=False)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(name)
        folders.sort()
        names = sorted(sources)
        mark = _digest(repr((names, folders)), _packed([stamp(sources[name]) for name in names]))
        if mark != known:
            # Its own times, too: what was moved away or here has the times that it had.
            seen = [os.fstat(handle), *sources.values()]
            newest = max(max(one.st_mtime_ns, one.st_ctime_ns) for one in seen)
            mark = mark if newest < limit else ""
        return View(mark, folders)
    finally:
        os.close(handle)


def _views(
    top: str, folders: Iterable[str], known: Mapping[str, str], limit: int, most: int | None = None
) -> tuple[_Found, list[str]]:
    """Return how those of some folders look that don't look as they are known, and all new below.

    most: look at so many only; what is left then comes as the second. Raises OSError.
    """
    found: _Found = {}
    waiting = deque(folders)
    looked = 0
    while waiting and looked != most:
        folder = waiting.popleft()
        was = known.get(folder, "")
        view = _view(f"{top}/{folder}", was, limit)
        looked += 1
        if view is None or view.mark != was or not was:
            found[folder] = view
            below = (_joined(folder, name) for name in (view.folders if view else ()))
            waiting.extend(path for path in below if path not in known)
    return found, list(waiting)


def marks_below(top: str, folder: str, limit: int, most: int) -> dict[str, str]:
    """Return the marks of a folder and of all below it; none where they are more than `most`.

    Raises OSError.
    """
    found, left = _views(top, [folder], {}, limit, most)
    return {} if left else {path: view.mark for path, view in found.items() if view is not None}


def mark_of(folder: str, marks: Mapping[str, str], ordered: Sequence[str]) -> str:
    """Return one mark of a folder and of all below it, empty where one of them is.

    ordered: the marks' folders, sorted.
    """
    # What is below begins with "folder/"; "0" is the character after "/".
    first, last = bisect_left(ordered, f"{folder}/"), bisect_left(ordered, f"{folder}0")
    told = [(path, marks[path]) for path in (folder, *ordered[first:last])]
    if not all(mark for _, mark in told):
        return ""
    return _digest(repr(told))


def without_moved(marks: Mapping[str, str]) -> dict[str, str]:
    """Return marks that hold for a search beside the look, too.

    marks: a folder's before those below it. What is in a folder that was moved lately looks as it
    did at the other place.
    """
    found: dict[str, str] = {}
    for folder, mark in marks.items():
        found[folder] = mark if not folder or found[folder.rpartition("/")[0]] else ""
    return found


class Look:
    """A look at all folders of a tree, that processes beside this one take till it is asked for.

    known: the marks that the folders had. limit: see _view(). processes: how many at most, with
    this one. nice: what the others give way by.
    """

    def __init__(
        self,
        top: str,
        known: Mapping[str, str],
        limit: int,
        processes: int = _MOST_PROCESSES,
        nice: int = 0,
    ) -> None:
        self._top, self._known, self._limit = top, known, limit
        # Whether it has been asked for.
        self.over = False
        self._found: _Found = {}
        self._failed = False
        self._jobs: list[list[str]] = []
        self._shared: Shared | None = None
        left = sorted(known) or [""]
        try:
            if len(known) <= _FEW:
                self._found, left = _views(top, left, known, limit, _FEW)
            share = -(-len(left) // (MOST_JOBS // 2)) or 1
            self._jobs = [left[at : at + share] for at in range(0, len(left), share)]
            if self._jobs:
                many = min(processes, len(os.sched_getaffinity(0)))
                self._shared = Shared(len(self._jobs), self._look, lambda: None, many, nice)
        except OSError:
            self._failed = True

    def _look(self, job: int) -> _Found:
        return _views(self._top, self._jobs[job], self._known, self._limit)[0]

    def views(self) -> Views | None:
        """Return how the tree looked, None where that can't be told; once."""
        self.over = True
        if self._shared is not None:
            results = self._shared.returned().results
            self._shared = None
            try:
                for job in range(len(self._jobs)):
                    views = results[job] if job in results else self._look(job)
                    self._found.update({p: v and View(*v) for p, v in views.items()})
            except OSError:
                self._failed = True
        return None if self._failed else self._together()

    def end(self) -> None:
        """Let no process be left that looks; views() is not asked for any more."""
        if self._shared is not None:
            self._shared.end()
            self._shared = None

    def _together(self) -> Views | None:
        if not self._found:
            return Views(dict(self._known), [])
        listed = {_joined(p, name) for p, v in self._found.items() if v for name in v.folders}
        marks: dict[str, str] = {}
        # A folder comes after the one that it is in.
        for folder in sorted({*self._known, *self._found}):
            above = folder.rpartition("/")[0]
            if folder and (above not in marks or (above in self._found and folder not in listed)):
                continue
            view = self._found.get(folder, View(self._known.get(folder, ""), ()))
            if view is None:
                # It was there a moment ago.
                return None
            marks[folder] = view.mark
        return Views(marks, [folder for folder in marks if folder in self._found])


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
