"""A folder of which git has checked out a part: what lies there, and the rest from the index."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property

from xfrmlint.git.index import SKIPPED, Entry
from xfrmlint.git.repository import Repository
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder


class Sparse:
    """A folder with the files that git left out of it, as the index has them."""

    def __init__(self, folder: Folder, index: Tree, left_out: frozenset[str]) -> None:
        self._there, self._index, self._left_out = folder, index, left_out
        self.name = folder.name

    @property
    def problems(self) -> Mapping[str, str]:
        return {**self._there.problems, **self._index.problems}

    def _of(self, path: str) -> Tree:
        return self._index if path in self._left_out else self._there

    def real(self, path: str) -> str | None:
        return path if path in self._left_out else self._there.real(path)

    def read(self, path: str) -> bytes:
        return self._of(path).read(path)

    def digest(self, path: str) -> str:
        return self._of(path).digest(path)

    def is_file(self, path: str) -> bool:
        return self._of(path).is_file(path)

    def folder(self, path: str) -> Sequence[str]:
        return sorted({*self._there.folder(path), *self._by_folder.get(path.strip("/"), ())})

    @cached_property
    def _by_folder(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for path in self._left_out:
            folder, name = os.path.split(path)
            found.setdefault(folder or ".", set()).add(name)
        return found

    def search(self, pattern: str, under: Sequence[str] = ()) -> Sequence[str]:
        left_out = self._left_out.intersection(self._index.search(pattern, under))
        return sorted({*self._there.search(pattern, under), *left_out})


def completed(repository: Repository, folder: Folder, listed: Mapping[str, Entry]) -> Tree:
    """Return a folder with what git left out of it. listed: the index, see entries()."""
    missing = left_out(folder, listed)
    if not missing:
        return folder
    return Sparse(folder, repository.staged_tree(repository.staged()), missing)


def left_out(folder: Folder, listed: Mapping[str, Entry]) -> frozenset[str]:
    """Return the files of the index that git left out of a folder."""
    return frozenset(
        path
        for path, entry in listed.items()
        if entry.flags & SKIPPED and not os.path.lexists(folder.root / path)
    )
