"""The comments of a C file, with their places."""

from collections.abc import Iterator
from typing import NamedTuple

from xfrmlint.c.text import comments, without_comments
from xfrmlint.c.unit import Unit


class Comment(NamedTuple):
    """A closed comment. text: without its marks, stars and line ends, words one blank apart.

    start: its byte offset. line, column: of its last line. alone: no code on that line.
    """

    text: str
    start: int
    line: int
    column: int
    alone: bool


def comments_with(unit: Unit, word: bytes) -> Iterator[Comment]:
    """Yield the comments of a file in which a word occurs, in order."""
    if word not in unit.data:
        return
    data = unit.data.replace(b"\0", b" ")
    code = without_comments(data)
    # A line can hold as many comments as it has bytes.
    alone: dict[int, bool] = {}
    for start, end in comments(data):
        whole = data[start:end]
        if word not in whole or (whole[:2] == b"/*" and not whole.endswith(b"*/")):
            continue
        last = unit.place(end - 1)
        line_start = end - last.column
        below = max(start, line_start)
        if line_start not in alone:
            line_end = data.find(b"\n", end)
            around = code[line_start : line_end if line_end >= 0 else len(code)]
            # What goes on after a backslash is a macro's, and the backslash no code.
            alone[line_start] = not around.strip(b" \t\r\\")
        blanks = len(data[below:end]) - len(data[below:end].lstrip())
        yield Comment(
            _text(whole),
            start,
            last.line,
            below - line_start + blanks + 1,
            alone[line_start],
        )


def _text(comment: bytes) -> str:
    inner = comment[2:-2] if comment[:2] == b"/*" else comment[2:].lstrip(b"/")
    lines = inner.decode("utf-8", "replace").split("\n")
    return " ".join(" ".join(line.strip(" \t\r\f\v\\").lstrip("*") for line in lines).split())
