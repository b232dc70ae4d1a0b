"""A kernel tree as git's objects have it: of a commit, or with what is staged in place of some."""

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from xfrmlint.errors import InputError
from xfrmlint.tree import Unreadable
from xfrmlint.tree.digest import blob_name

_MISSING = (
    "git has not got its content here (a partial clone?); git fetch --refetch --no-filter gets it"
)


class Missing(Unreadable):
    """An object that a repository names, and has not got."""


class Store(Protocol):
    """A repository as far as its trees are read. searched: (expression, object) -> in there or not.

    width: of an object's name, in bytes. top: of the folder that is checked out.
    """

    top: Path
    searched: dict[tuple[str, str], bool]

    @property
    def width(self) -> int: ...

    def object(self, name: str) -> bytes:
        """Return an object's content; raises Unreadable."""
        ...

    def listing(self, name: str) -> list[tuple[str, str]]:
        """Return the C files and headers below a tree object: path from there, object."""
        ...

    def checked_out(self, top: str) -> dict[str, str]:
        """Return what lies in the folder as the index says: path -> object."""
        ...

    def in_folder(self, pattern: str, under: tuple[str, ...]) -> frozenset[str]:
        """Return what of the folder, as it lies there, holds an expression."""
        ...


class Objects:
    """A tree of git objects, with the protocol of `Tree`."""

    def __init__(self, repository: Store, root: str, name: str) -> None:
        self._repository = repository
        self._name = name
        self.problems: dict[str, str] = {}
        self._root = root
        self._folders: dict[str, dict[str, tuple[int, str]]] = {}
        self._changed: dict[str, tuple[int, str]] = {}

    @property
    def name(self) -> str:
        return self._name

    def _entries(self, path: str) -> dict[str, tuple[int, str]]:
        """Return a folder's entries: name -> (mode, object)."""
        path = path.strip("/")
        path = "" if path == "." else path
        known = self._folders.get(path)
        if known is not None:
            return known
        # From the top down: a path can have more folders than calls may nest.
        at = 0
        while at >= 0 and path:
            self._folder(path[:at])
            at = path.find("/", at + 1)
        return self._folder(path)

    def _folder(self, path: str) -> dict[str, tuple[int, str]]:
        """Return the entries of a folder of which the one above is known."""
        if path not in self._folders:
            found: dict[str, tuple[int, str]] = {}
            name = self._root
            if path:
                above, _, last = path.rpartition("/")
                mode, name = self._folders[above].get(last, (0, ""))
                if not stat.S_ISDIR(mode):
                    name = ""
            if name:
                try:
                    found = dict(_parsed(self._repository.object(name), self._repository.width))
                except Unreadable as error:
                    self.problems[path or "."] = str(error)
            self._folders[path] = found
        return self._folders[path]

    def replace(self, path: str, mode: int, name: str) -> None:
        """Put another object at a path."""
        above, _, last = path.rpartition("/")
        self._made(above)[last] = (mode, name)
        self._changed[path] = (mode, name)

    def remove(self, path: str) -> None:
        """Take a path away."""
        above, _, last = path.rpartition("/")
        self._entries(above).pop(last, None)
        self._changed[path] = (0, "")

    def _made(self, path: str) -> dict[str, tuple[int, str]]:
        """Return the entries of a folder that is made if it isn't there."""
        pieces = path.split("/") if path else []
        for at, last in enumerate(pieces):
            self._entries("/".join(pieces[:at])).setdefault(last, (stat.S_IFDIR, ""))
        return self._entries(path)

    def _entry(self, path: str) -> tuple[int, str]:
        above, _, last = path.rpartition("/")
        return self._entries(above).get(last, (0, ""))

    def read(self, path: str) -> bytes:
        mode, name = self._entry(path)
        if not stat.S_ISREG(mode):
            raise Unreadable("not a regular file" if mode else "No such file or directory")
        try:
            return self._repository.object(name)
        except Missing:
            # To take it for a file that isn't there would be to judge something else.
            raise InputError(f"{path}: {_MISSING}") from None

    def digest(self, path: str) -> str:
        mode, name = self._entry(path)
        # In a repository of SHA-256 names a blob is called otherwise.
        return name if stat.S_ISREG(mode) and len(name) == 40 else blob_name(self.read(path))

    def is_file(self, path: str) -> bool:
        return stat.S_ISREG(self._entry(path)[0])

    def folder(self, path: str) -> Sequence[str]:
        return sorted(n for n, (mode, _) in self._entries(path).items() if stat.S_ISREG(mode))

    def search(self, pattern: str, under: Sequence[str] = ()) -> Sequence[str]:
        wanted = ["" if top == "." else top.strip("/") for top in under or [""]]
        names: dict[str, str] = {}
        same: set[str] = set()
        for top in wanted:
            below = dict(self._below(top))
            names.update(below)
            # ripgrep reads the folder's files ten times as fast as git its objects.
            there = self._repository.checked_out(top)
            same.update(path for path, name in below.items() if there.get(path) == name)
        tops = [top or "." for top in wanted if os.path.lexists(self._repository.top / top)]
        found = set()
        if same:
            found = same & self._repository.in_folder(pattern, tuple(tops))
        found.update(self._read_for(pattern, {p: names[p] for p in names.keys() - same}))
        return sorted(found)

    def _read_for(self, pattern: str, names: Mapping[str, str]) -> Iterator[str]:
        """Yield the paths of which the object, given by its name, holds an expression."""
        wanted = re.compile(pattern.encode("utf-8", "surrogateescape"))
        for path, name in names.items():
            known = self._repository.searched.get((pattern, name))
            if known is None:
                try:
                    known = wanted.search(self._repository.object(name)) is not None
                except Missing:
                    raise InputError(f"{path}: {_MISSING}") from None
                except Unreadable as error:
                    self.problems[path] = str(error)
                    continue
                self._repository.searched[pattern, name] = known
            if known:
                yield path

    def _below(self, top: str) -> Iterator[tuple[str, str]]:
        """Yield the C files and headers below a folder, or the file of that name: path, object.

        top: empty for all.
        """
        mode, name = self._entry(top) if top else (stat.S_IFDIR, self._root)
        if stat.S_ISREG(mode):
            yield top, name
            return
        head = f"{top}/" if top else ""
        if stat.S_ISDIR(mode) and name:
            for inside, blob in self._repository.listing(name):
                path = head + inside
                if path not in self._changed:
                    yield path, blob
        for path, (mode, blob) in self._changed.items():
            if path.startswith(head) and path.endswith((".c", ".h")) and stat.S_ISREG(mode):
                yield path, blob


def _parsed(data: bytes, width: int) -> Iterator[tuple[str, tuple[int, str]]]:
    """Parse a tree object: `mode name NUL id`, again and again. width: of an id, in bytes.

    Raises Unreadable for one that is none.
    """
    at = 0
    entry = _entry_of(width)
    while at < len(data):
        found = entry.match(data, at)
        if found is None:
            raise Unreadable("no tree of git's (is it damaged?)")
        mode, name, which = found.groups()
        yield os.fsdecode(name), (int(mode, 8), which.hex())
        at = found.end()


@cache
def _entry_of(width: int) -> re.Pattern[bytes]:
    return re.compile(rb"([0-7]{5,6}) ([^\0/]+)\0([\s\S]{%d})" % width)
