"""Where a fact stands, as libclang is asked for it: the item around it, and the source to parse."""

import re
from collections.abc import Collection

from xfrmlint.frontend.blanking import logical_line
from xfrmlint.frontend.clang.hiding import mentions
from xfrmlint.frontend.clang.vocabulary import Region
from xfrmlint.frontend.reader import Reader
from xfrmlint.frontend.unit import Item, declarator_name
from xfrmlint.program.sites import Site

_DEFINE = re.compile(rb"[ \t]*#[ \t]*define[ \t]+(\w+)")
_MOST_USES = 16


def offset_of(reader: Reader, path: str, line: int, column: int) -> int:
    """Return the byte offset of a place; of what is first in the line if the column is 1."""
    unit = reader.corpus.unit(path)
    start = unit.offset(line, column)
    text = unit.data[start : start + 200] if column <= 1 else b""
    return start + len(text) - len(text.lstrip(b" \t"))


def region_at(reader: Reader, path: str, offset: int) -> Region | None:
    """Return the top-level item around an offset."""
    item = reader.corpus.unit(path).item_at(offset)
    return None if item is None else _region(path, item)


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


def region_of(site: Site) -> Region:
    """Return the item in which a site was found; the site itself can be in a macro elsewhere."""
    return _region(site.view.path, site.view.written)


def _region(path: str, item: Item) -> Region:
    declarator = item.node.child_by_field_name("declarator")
    name = declarator_name(declarator)
    at = item.start if name is None else name.start_byte
    return Region(path, item.start, item.end, at if item.start <= at < item.end else item.start)


def source_of(reader: Reader, path: str, parsed: Collection[str]) -> str | None:
    """Return the source through which a file is compiled: itself, or one that includes it.

    parsed: sources that are parsed anyway.
    """
    corpus = reader.corpus
    if path.endswith(".c") and corpus.kbuild.modules_of(path):
        return path
    if path.startswith("include/"):
        # Its users are many; one that is parsed anyway will do.
        users = sorted(parsed, key=lambda s: (path not in corpus.includes(s), s))
        return next(iter(users), None)
    sources = [s for s in reader.universe.files(path) if s.endswith(".c") and s != path]
    ordered = sorted(sources, key=lambda s: (s not in parsed, len(corpus.data(s)), s))
    found = next((s for s in ordered if path in corpus.local(s)), None)
    return found or (path if path.endswith(".c") else None)
