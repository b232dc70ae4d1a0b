"""What of the files themselves could not be read or parsed, and whether something can be lost."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from xfrmlint.analysis.part import not_read
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import Unit
from xfrmlint.contract.words import worth_reading
from xfrmlint.facts.rows import UnknownRow
from xfrmlint.kernel.places import is_core

_MOST_UNCLOSED = 5
_UNCLOSED = (
    "an attribute that is not closed, or another bracket, was left out; the rest was analysed"
)


def unread_rows(reader: Reader, on_the_way: frozenset[str] = frozenset()) -> Iterator[UnknownRow]:
    """Yield what could not be read or parsed.

    What was not looked at can hide anything. Behind a parse error the rest was analysed: it matters
    where what stands around it names something of the contract, or a function on the way to an
    access (on_the_way).
    """
    for path, reason in reader.corpus.unreadable.items():
        yield not_read(path, reason)
    for (path, offset), reason in reader.corpus.doubts.items():
        if not is_core(path):
            yield UnknownRow(path, reader.corpus.unit(path).line(offset), "", reason, matters=1)
    names = "|".join((worth_reading(reader.contract), *map(re.escape, sorted(on_the_way))))
    telling = re.compile(rf"\b(?:{names})\b")
    for unit in reader.corpus.units():
        for offset in unit.blanked.unclosed[:_MOST_UNCLOSED]:
            yield UnknownRow(unit.path, unit.line(offset), "", _UNCLOSED, matters=1)
        if unit.unread is not None:
            yield UnknownRow(unit.path, unit.unread.line, "", unit.unread.reason, matters=1)
        elif unit.blanked.open_comment >= 0:
            line = unit.line(unit.blanked.open_comment)
            reason = "a comment that never ends hides the rest"
            yield UnknownRow(unit.path, line, "", reason, matters=1)
        elif unit.parsed and not is_core(unit.path):
            for line, name in reader.outlines.undefined(unit.path):
                reason = f"{name} is defined nowhere; it was taken for a statement of its own"
                yield UnknownRow(unit.path, line, "", reason, matters=1)
            yield from _error_rows(reader, unit, telling)


def _error_rows(reader: Reader, unit: Unit, telling: re.Pattern[str]) -> Iterator[UnknownRow]:
    errors = reader.outlines.errors(unit.path)
    if not errors:
        return
    lines = ", ".join(map(str, errors[:5]))
    more = ", ..." if len(errors) > 5 else ""
    said = f"parse errors at lines {lines}{more}; the rest was analysed"
    named = _named_around(unit, errors, telling)
    if named is None:
        yield UnknownRow(unit.path, errors[0], "", said)
    else:
        line, name = named
        reason = f"{said}, but {name} is named around line {line}"
        yield UnknownRow(unit.path, line, "", reason, matters=1)


def _named_around(
    unit: Unit, errors: Sequence[int], telling: re.Pattern[str]
) -> tuple[int, str] | None:
    """Return the first error in an item that names something telling: its line, and the name."""
    ends = [node.end_byte for node in unit.tops]
    looked = -1
    for line in errors:
        at = bisect_right(ends, unit.offset(line, 1))
        if at == looked or at == len(ends):
            continue
        looked = at
        start = ends[at - 1] if at else 0
        met = telling.search(unit.text[start : ends[at]].decode("utf-8", "replace"))
        if met is not None:
            return line, met[0]
    return None
