"""The first number of an xarray's limit (include/linux/xarray.h), however it is written.

XA_LIMIT(1, n), a struct with a `.min`, a variable or a macro that stands for one of these, and the
kernel's own.
"""

import re
from collections.abc import Iterator

from tree_sitter import Node

from xfrmlint.c.arguments import closing, split_arguments
from xfrmlint.c.constants import Constants
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.text import without_comments
from xfrmlint.c.view import View

_KNOWN = {"xa_limit_32b": 0, "xa_limit_31b": 0, "xa_limit_16b": 0}
_MADE = re.compile(rb"\bXA_LIMIT\s*(?=\()")
_NAME = re.compile(rb"\(*\s*([A-Za-z_]\w*)\s*\)*")
_LEAST = re.compile(rb"\.\s*min\s*=\s*")
_DEEPEST = 6


def first_of_limit(reader: Reader, constants: Constants, view: View, node: Node) -> int | None:
    """Return the first number of a limit; None if that is not seen, or differs."""
    text = node_text(node).encode("utf-8", "surrogateescape")
    found = {
        _first(reader, constants, one, view.path, 0) for one in _values(reader, view, node, text)
    }
    return found.pop() if len(found) == 1 else None


def _values(reader: Reader, view: View, node: Node, text: bytes) -> Iterator[bytes]:
    """Yield what a limit, or a variable of that name, is made of."""
    name = text.decode("utf-8", "surrogateescape")
    if view.local(name, node.start_byte) is not None:
        for value in view.assignments(name):
            yield value.text or b""
        return
    variable = re.compile(rb"\bxa_limit\s+%s\s*=\s*([^;]*);" % re.escape(text))
    known = name in _KNOWN or not _NAME.fullmatch(text)
    for path in () if known else reader.universe.files(view.path):
        data = reader.corpus.data(path)
        found = variable.search(without_comments(data)) if text in data else None
        if found is not None:
            yield found.group(1)
            return
    yield text


def _first(reader: Reader, constants: Constants, text: bytes, path: str, depth: int) -> int | None:
    named = _NAME.fullmatch(text.strip())
    if named is not None:
        name = named.group(1).decode()
        if name in _KNOWN or depth > _DEEPEST:
            return _KNOWN.get(name)
        macro = reader.types.macro(name, path)
        if macro is None or macro.parameters is not None:
            return None
        return _first(reader, constants, macro.body, path, depth + 1)
    made = _MADE.search(text)
    if made is not None:
        end = closing(text, made.end())
        given = split_arguments(text[made.end() + 1 : end]) if end is not None else []
        return _number(constants, given[0], path) if len(given) == 2 else None
    opening, end = text.find(b"{"), text.rfind(b"}")
    if opening < 0 or end < opening:
        return None
    parts = split_arguments(text[opening + 1 : end] + b")")
    for part in parts:
        least = _LEAST.match(part.strip())
        if least is not None:
            return _number(constants, part.strip()[least.end() :], path)
    if all(part.strip().startswith(b".") for part in parts if part.strip()):
        return 0
    # The struct's first member is the last number.
    return _number(constants, parts[1], path) if len(parts) > 1 and parts[1].strip() else None


def _number(constants: Constants, text: bytes, path: str) -> int | None:
    value = constants.value(text.strip().decode("utf-8", "surrogateescape"), path)
    return value.value if value is not None else None
