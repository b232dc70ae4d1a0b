"""Functions that a change touches and that C's grammar does not take: findings there are missed.

A parser goes on behind an error, and what it made of the lines around is not what stands there.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from xfrmlint.analysis.parts import contract_in, reader_of, unit_of
from xfrmlint.change.step import Step, place_now
from xfrmlint.contract.words import Contract
from xfrmlint.findings import Unknown
from xfrmlint.kernel.release import release
from xfrmlint.tree import Tree, Unreadable

_SOURCE = re.compile(r"\.[ch]$")
_NAME = re.compile(rb"^[A-Za-z_][^\n;=#]*?\b(\w+)[ \t]*\(", re.M)
_WHY = "a syntax error, in what the change touches; what is wrong there may not be found"


def broken_functions(step: Step) -> Iterator[Unknown]:
    """Yield a row for each function, or other item, that a change touches and leaves broken."""
    contract: Contract | None = None
    for path, change in sorted(step.changed.items()):
        # What is left of a line that is gone are those around it.
        lines = sorted({*change.added, *(place_now(change, n)[1] for n in change.removed)})
        if not lines or not _SOURCE.search(path):
            continue
        try:
            data = step.after.read(path)
        except Unreadable:
            continue
        contract = contract or contract_in(step.after)
        # At first without its macros, for speed: most files have no error.
        if not unit_of(path, data, release(step.after), contract).errors:
            continue
        errors = _errors(step.after, path, contract)
        if not errors:
            continue
        text = data.split(b"\n")
        blocks = closing_lines(text)
        touched = sorted({block_around(blocks, line) for line in lines})
        wrong = {block_around(blocks, line) for line in errors}
        found = [block for block in touched if block in wrong]
        before = _errors(step.before, change.old or "", contract)
        if not found and len(errors) > len(before):
            # A brace too few is missed only where the file ends.
            found = touched[:1]
        for first, last in found:
            at = next((line for line in errors if first <= line <= last), lines[0])
            yield Unknown(path, at, block_name(b"\n".join(text[first - 1 : last])), _WHY, True)


def _errors(tree: Tree, path: str, contract: Contract) -> Sequence[int]:
    try:
        tree.read(path)
    except Unreadable:
        return ()
    return reader_of(tree, contract=contract).outlines.errors(path)


def closing_lines(lines: Sequence[bytes]) -> list[int]:
    """Return the numbers of the lines at which a function, or another item with braces, ends."""
    return [number for number, line in enumerate(lines, 1) if line.startswith(b"}")]


def block_around(ends: Sequence[int], line: int) -> tuple[int, int]:
    """Return the first and the last line of what a line is a part of."""
    at = bisect_left(ends, line)
    return ends[at - 1] + 1 if at else 1, ends[at] if at < len(ends) else 1 << 30


def block_name(text: bytes) -> str:
    """Return the name of the function that a text ends with, empty for none."""
    names = _NAME.findall(text.partition(b"\n{")[0])
    return names[-1].decode("ascii", "replace") if names else ""
