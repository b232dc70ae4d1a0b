"""Functions that a change touches and that C's grammar does not take: findings there are missed.

A parser goes on behind an error, and what it made of the lines around is not what stands there.
"""

import re
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
        blocks = _blocks(data)
        touched = sorted({_block(blocks, line) for line in lines})
        wrong = {_block(blocks, line) for line in errors}
        found = [block for block in touched if block in wrong]
        before = _errors(step.before, change.old or "", contract)
        if not found and len(errors) > len(before):
            # A brace too few is missed only where the file ends.
            found = touched[:1]
        for first, last in found:
            at = next((line for line in errors if first <= line <= last), lines[0])
            yield Unknown(path, at, _name(data, first, last), _WHY, True)


def _errors(tree: Tree, path: str, contract: Contract) -> Sequence[int]:
    try:
        tree.read(path)
    except Unreadable:
        return ()
    return reader_of(tree, contract=contract).outlines.errors(path)


def _blocks(data: bytes) -> list[int]:
    """Return the lines at which a function, or another item with braces, is closed."""
    lines = enumerate(data.split(b"\n"), 1)
    return [number for number, line in lines if line.startswith(b"}")]


def _block(ends: Sequence[int], line: int) -> tuple[int, int]:
    """Return the first and the last line of what a line is a part of."""
    above = max((end for end in ends if end < line), default=0)
    below = min((end for end in ends if end >= line), default=1 << 30)
    return above + 1, below


def _name(data: bytes, first: int, last: int) -> str:
    text = b"\n".join(data.split(b"\n")[first - 1 : last])
    found = _NAME.search(text)
    return found[1].decode("ascii", "replace") if found else ""
