"""The top-level items around places: what a compiler is asked about."""

import re
from typing import NamedTuple

from xfrmlint.c.reader import Reader
from xfrmlint.c.text import in_directive, logical_line
from xfrmlint.c.unit import Item, declarator_name

_DEFINE = re.compile(rb"[ \t]*#[ \t]*define[ \t]+(\w+)")
_MOST_USES = 16


class Region(NamedTuple):
    """A top-level item (a function, an object) that is asked about.

    start, end: its bytes in the file. name: the offset of the name that it declares.
    """

    path: str
    start: int
    end: int
    name: int


def offset_of(reader: Reader, path: str, line: int, column: int) -> int:
    """Return the byte offset of a place; of what is first in the line if the column is 1."""
    unit = reader.corpus.unit(path)
    start = unit.offset(line, column)
    text = unit.data[start : start + 200] if column <= 1 else b""
    return start + len(text) - len(text.lstrip(b" \t"))


def region_at(reader: Reader, path: str, offset: int) -> Region | None:
    """Return the top-level item around an offset."""
    item = reader.outlines.item_at(path, offset)
    return None if item is None else region_of(path, item)


def regions_at(reader: Reader, path: str, offset: int) -> tuple[Region, ...]:
    """Return the top-level item around an offset; in a macro's text, those that use the macro."""
    region = region_at(reader, path, offset)
    if region is not None:
        return (region,)
    name = macro_at(reader, path, offset)
    if not name:
        return ()
    found: dict[Region, None] = {}
    for file in dict.fromkeys([path, *reader.universe.files(path)]):
        for at in mentions(reader.corpus.data(file), frozenset([name.encode()])):
            region = region_at(reader, file, at)
            if region is not None:
                found[region] = None
            if len(found) >= _MOST_USES:
                return tuple(found)
    return tuple(found)


def macro_at(reader: Reader, path: str, offset: int) -> str:
    """Return the name of the macro in whose definition an offset lies, or nothing."""
    data = reader.corpus.data(path)
    defined = _DEFINE.match(data, logical_line(data, offset))
    return defined.group(1).decode() if defined is not None else ""


def region_of(path: str, item: Item) -> Region:
    """Return where an item of a file stands."""
    declarator = item.node.child_by_field_name("declarator")
    name = declarator_name(declarator)
    # What macros were expanded in is not parsed as it stands in the file.
    plain = item.node.start_byte == item.start
    at = name.start_byte if plain and name is not None else item.start
    return Region(path, item.start, item.end, at if item.start <= at < item.end else item.start)


def mentions(text: bytes, names: frozenset[bytes]) -> list[int]:
    """Return where the names stand in a text, directives left out."""
    if not names:
        return []
    word = re.compile(rb"(?<!\w)(?:" + b"|".join(map(re.escape, sorted(names))) + rb")(?!\w)")
    return [m.start() for m in word.finditer(text) if not in_directive(text, m.start())]
