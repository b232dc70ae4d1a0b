"""A tree that remembers what was asked of it: what was made of the answers holds while they do.

Whatever sees a tree only through this and is given the same answers again comes out the same. (The
idea is that of verifying traces: Mokhov, Mitchell, Peyton Jones, "Build systems à la carte", 4.2.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xfrmlint.tree import Tree, Unreadable


@dataclass
class Seen:
    """The questions that were put to a tree, and its answers.

    texts: path -> its content's digest, empty where it can't be read. files: path -> whether it is
    one. folders: path -> the names in it. searches: (expression, folders) -> paths.
    """

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, bool] = field(default_factory=dict)
    folders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    searches: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = field(default_factory=dict)

    def holds(self, tree: Tree) -> bool:
        """Tell whether a tree gives the same answers."""
        return (
            all(_digest(tree, path) == digest for path, digest in self.texts.items())
            and all(tree.is_file(path) == there for path, there in self.files.items())
            and all(tuple(tree.folder(path)) == names for path, names in self.folders.items())
            and all(tuple(tree.search(*asked)) == paths for asked, paths in self.searches.items())
        )


class Watched:
    """A tree that notes in `seen` what is asked of another one."""

    def __init__(self, below: Tree) -> None:
        self._below = below
        self.seen = Seen()

    @property
    def name(self) -> str:
        return self._below.name

    @property
    def problems(self) -> Mapping[str, str]:
        return self._below.problems

    def read(self, path: str) -> bytes:
        try:
            data = self._below.read(path)
        except Unreadable:
            self.seen.texts[path] = ""
            raise
        self.seen.texts[path] = self._below.digest(path)
        return data

    def digest(self, path: str) -> str:
        self.seen.texts[path] = _digest(self._below, path)
        return self._below.digest(path)

    def is_file(self, path: str) -> bool:
        found = self.seen.files.get(path)
        if found is None:
            found = self.seen.files[path] = self._below.is_file(path)
        return found

    def folder(self, path: str) -> Sequence[str]:
        found = self._below.folder(path)
        self.seen.folders[path] = tuple(found)
        return found

    def search(self, pattern: str, under: Sequence[str] = ()) -> Sequence[str]:
        found = self._below.search(pattern, under)
        self.seen.searches[pattern, tuple(under)] = tuple(found)
        return found


def _digest(tree: Tree, path: str) -> str:
    try:
        return tree.digest(path)
    except Unreadable:
        return ""
