"""Edits of a tree's files as data."""

from collections.abc import Iterable
from typing import NamedTuple

from xfrmlint.tree import Tree


class Edit(NamedTuple):
    """The bytes of a file from `start` to `end` are replaced; where both are the same, inserted."""

    path: str
    start: int
    end: int
    text: bytes


class Reason(NamedTuple):
    """Why a driver is not converted, and where."""

    path: str
    line: int
    text: str


class Refused(Exception):
    """A driver can't be converted without somebody who knows it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


def edited(data: bytes, edits: Iterable[Edit]) -> bytes:
    """Return a file's bytes with its edits. Raises ValueError where two of them overlap."""
    made, at = [], 0
    for edit in sorted(dict.fromkeys(edits), key=lambda one: (one.start, one.end)):
        if edit.start < at:
            raise ValueError(f"{edit.path}: two edits of one place")
        made += [data[at : edit.start], edit.text]
        at = edit.end
    return b"".join([*made, data[at:]])


def files_of(tree: Tree, edits: Iterable[Edit]) -> dict[str, tuple[bytes, bytes]]:
    """Return what edits make of the files that they touch: path -> before and after."""
    by_path: dict[str, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(edit.path, []).append(edit)
    found = {}
    for path, some in sorted(by_path.items()):
        before = tree.read(path)
        found[path] = (before, edited(before, some))
    return found
