"""Edits as the places of a file's text that are replaced, for the formats that carry fixes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from xfrmlint.convert.edits import Edit, edited
from xfrmlint.convert.fixes import Fix

# What mends a finding, with the files that it edits: path -> before and after.
Mended = tuple[Fix, Mapping[str, tuple[bytes, bytes]]]
Fixes = Mapping[tuple[object, ...], Mended]


class Replaced(NamedTuple):
    """What is replaced, from a line and column to another; both count from 1, the end is left out.

    columns are bytes; start and stop are the text before them on their lines.
    """

    line: int
    start: bytes
    last: int
    stop: bytes
    text: str


def replacements(mended: Mended) -> Iterator[tuple[str, list[Replaced]]]:
    """Yield each file that a fix edits, with what is replaced in it."""
    fix, files = mended
    for path in sorted(files):
        own = sorted({edit for edit in fix.edits if edit.path == path}, key=lambda e: e.start)
        yield path, [_replaced(files[path][0], edit) for edit in own]


def joined(mended: Mended) -> tuple[str, Replaced] | None:
    """Return a fix as whole lines that are replaced; None if it edits more than one file."""
    fix, files = mended
    if len(files) != 1:
        return None
    path, (before, _) = next(iter(files.items()))
    start = before.rfind(b"\n", 0, min(edit.start for edit in fix.edits)) + 1
    last = max(edit.end for edit in fix.edits)
    end = last if before[:last].endswith(b"\n") else before.find(b"\n", last) + 1
    end = end or len(before)
    moved = [edit._replace(start=edit.start - start, end=edit.end - start) for edit in fix.edits]
    text = edited(before[start:end], moved)
    return path, _replaced(before, Edit(path, start, end, text))


def _replaced(before: bytes, edit: Edit) -> Replaced:
    def place(offset: int) -> tuple[int, bytes]:
        start = before.rfind(b"\n", 0, offset) + 1
        return before.count(b"\n", 0, offset) + 1, before[start:offset]

    (line, start), (last, stop) = place(edit.start), place(edit.end)
    return Replaced(line, start, last, stop, edit.text.decode("utf-8", "replace"))


def columns(some: Sequence[Replaced], points: bool) -> Iterator[tuple[int, int]]:
    """Yield first and last column of each, in code points or in bytes."""
    for one in some:
        if points:
            yield (
                len(one.start.decode("utf-8", "replace")) + 1,
                len(one.stop.decode("utf-8", "replace")) + 1,
            )
        else:
            yield len(one.start) + 1, len(one.stop) + 1
