"""Where what stands in parentheses ends: at the one that closes them, or with the branch it is in.

An attribute that is not closed in a branch of an #if would take along all behind it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

_BRACKETS = {b"(": re.compile(rb"[()]"), b"{": re.compile(rb"[{}]")}
_MARKS = re.compile(rb"[][(){},]")
_FAR = 4000


def closing(text: bytes, start: int, bracket: bytes = b"(", far: int = _FAR) -> int | None:
    """Return the offset behind what closes the bracket at `start`.

    Nothing that is blanked or looked past is longer than _FAR bytes: None for what is.
    """
    depth = 0
    for match in _BRACKETS[bracket].finditer(text, start, min(len(text), start + far)):
        depth += 1 if match.group() == bracket else -1
        if depth == 0:
            return match.end()
    return None


def marks_of(text: bytes, start: int, far: int = _FAR) -> list[int]:
    """Return the offsets of a call's parenthesis, of the commas between its arguments, of its end.

    Nothing if the end is farther away.
    """
    found = [start]
    depth = 0
    for match in _MARKS.finditer(text, start, min(len(text), start + far)):
        sign = match.group()
        if sign in b"([{":
            depth += 1
        elif sign in b")]}":
            depth -= 1
            if depth == 0:
                return [*found, match.start()]
        elif depth == 1:
            found.append(match.start())
    return []


def split_arguments(text: bytes) -> list[bytes]:
    """Return the arguments of a call from behind its parenthesis on."""
    marks = marks_of(b"(" + text, 0, len(text) + 1)
    return [text[start : end - 1] for start, end in pairwise(marks)]


class Arguments:
    """Where the arguments in a text end. branches: the byte ranges of its conditionals' branches.

    unclosed: where something began that its branch leaves open.
    """

    def __init__(self, branches: Iterable[tuple[int, int]] = ()) -> None:
        self._ends = sorted((end, start) for start, end in branches)
        self.unclosed: set[int] = set()

    def end(self, text: bytes, start: int, parenthesis: int) -> int:
        """Return the offset behind what began at `start`; the end of its line if it is open."""
        end = closing(text, parenthesis)
        if end is not None and not self.leaves(start, end):
            return end
        self.unclosed.add(start)
        end = text.find(b"\n", parenthesis)
        return end if end >= 0 else len(text)

    def leaves(self, start: int, end: int) -> bool:
        """Tell whether the branch around an offset ends before another one."""
        at = bisect_right(self._ends, (start, start))
        while at < len(self._ends) and self._ends[at][0] < end:
            if self._ends[at][1] <= start:
                return True
            at += 1
        return False
