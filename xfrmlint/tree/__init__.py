"""Where C text comes from; everything later sees only `Tree`."""

import errno
import os
from collections.abc import Mapping, Sequence
from typing import Protocol

# What `Unreadable` says of a path at which there is nothing.
ABSENT = os.strerror(errno.ENOENT)


class Unreadable(Exception):
    """A path of the tree that can't be read; the text says why."""


class Tree(Protocol):
    """A kernel tree: a folder today, a commit or a patched folder tomorrow.

    Paths are relative to the root, with slashes; undecodable bytes are surrogate escapes.
    """

    @property
    def name(self) -> str:
        """What messages call this tree."""
        ...

    @property
    def problems(self) -> Mapping[str, str]:
        """Files that a search could not read: path -> why."""
        ...

    def read(self, path: str) -> bytes:
        """Return a file's bytes; raises Unreadable."""
        ...

    def digest(self, path: str) -> str:
        """Return git's SHA-1 name of a file's content; raises Unreadable."""
        ...

    def is_file(self, path: str) -> bool:
        """Tell whether `path` is a regular file inside the tree."""
        ...

    def folder(self, path: str) -> Sequence[str]:
        """Return the names of the regular files directly in a folder, sorted."""
        ...

    def search(self, pattern: str, under: Sequence[str] = ()) -> Sequence[str]:
        """Return the .c and .h files (below `under`) in which a regular expression occurs, sorted.

        The expression is common ground of ripgrep's and Python's: words, |, \\b.
        """
        ...
