"""A function that returns nothing is made to tell its callers where it has no handle.

    static void prepare(...)            static bool prepare(...)
    {                                   {
            if (!skb)                           if (!skb)
                    return;       ->                    return true;
    ...                                 ...
                                                return true;
    }                                   }

    prepare(...);                       if (!prepare(...))
                                                goto drop;

Each caller leaves by an exit of its own that is right there; else the function stays as it is. So
it does where a definition of it, of which there can be several, returns otherwise than plainly.
"""

import re
from collections.abc import Iterator

from tree_sitter import Node

from xfrmlint.c.corpus import words
from xfrmlint.c.unit import below, node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.convert.callers import leaving_at
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.ends import End
from xfrmlint.convert.handing import named_at
from xfrmlint.convert.leaving import Leaving
from xfrmlint.convert.reads import Context
from xfrmlint.convert.written import indent_of

_MOST = 4


def told_by_result(context: Context, view: View) -> Leaving | None:
    """Return how a function that returns nothing leaves once it tells; None if it can't be made."""
    named = named_at(context.devices, context.fate, view)
    if named is None or len(named.calls) > _MOST or _has_another_name(context, view.function):
        return None
    edits = []
    for path, listed in named.parameters:
        made = _typed(context, path, listed)
        if not made:
            return None
        edits += made
    for one in named.calls:
        # What it returns itself, to itself, is no exit of a caller's.
        made = _tested(context, one.view, one.node) if one.view.function != view.function else []
        if not made:
            return None
        edits += made
    end = End(True, "false", view.place(view.node.start_byte))
    return Leaving(["return false;"], end, list(dict.fromkeys(edits)))


def _has_another_name(context: Context, function: FunctionName) -> bool:
    """Tell whether a function may be called by a name that an attribute gives it as a string."""
    universe, corpus = context.devices.reader.universe, context.devices.reader.corpus
    quoted = f'"{function.name}"'.encode("utf-8", "surrogateescape")
    return any(quoted in corpus.plain(path) for path in universe.files(function.path))


def _typed(context: Context, path: str, listed: Node) -> list[Edit]:
    """Return the edits of a declaration or definition whose parameters are listed.

    Empty if it can't be made to return a bool.
    """
    up = listed.parent.parent if listed.parent is not None else None
    kind = up.child_by_field_name("type") if up is not None else None
    if up is None or kind is None or node_text(kind) != "void":
        return []
    edits = [Edit(path, kind.start_byte, kind.end_byte, b"bool")]
    body = up.child_by_field_name("body")
    if body is None:
        # The type is that of all that is declared with it.
        return edits if len(up.children_by_field_name("declarator")) == 1 else []
    if not _is_plain(context, path, body):
        return []
    return [*edits, *_returns(context, path, body)]


def _is_plain(context: Context, path: str, body: Node) -> bool:
    """Tell whether all that leaves a function is a `return;` that is seen."""
    reader = context.devices.reader
    text, start, end = reader.corpus.plain(path), body.start_byte, body.end_byte
    for offset in words(text, b"return", start, end):
        node = body.descendant_for_byte_range(offset, offset + 1)
        up = node.parent if node is not None else None
        if up is None or up.type != "return_statement" or up.named_child_count:
            return False
    hiding = reader.macros(reader.universe.files(path), reader.universe.key(path)).hiding
    return not any(
        any(True for _ in words(text, name.encode("utf-8", "surrogateescape"), start, end))
        for name in hiding(["return"])
    )


def _returns(context: Context, path: str, body: Node) -> Iterator[Edit]:
    """Yield the edits by which a function says that all is well wherever it returns."""
    for one in below(body):
        if one.type == "return_statement":
            yield Edit(path, one.start_byte, one.end_byte, b"return true;")
    unit, at = context.devices.reader.corpus.unit(path), body.end_byte - 1
    inside = [one for one in body.named_children if one.type != "comment"]
    last = inside[-1] if inside else None
    while last is not None and last.type == "labeled_statement":
        last = last.named_children[-1]
    if last is not None and last.type == "return_statement":
        if unit.condition(last.start_byte) == unit.condition(at):
            return
    before = unit.data[body.start_byte : at]
    if b"\n" in before:
        yield Edit(path, at, at, b"\n\treturn true;\n" if inside else b"\treturn true;\n")
    else:
        space = b"" if re.search(rb"\s$", before) else b" "
        yield Edit(path, at, at, space + b"return true; ")


def _tested(context: Context, view: View, call: Node) -> list[Edit]:
    """Return the edits that make a caller leave where a call says so; none if it has no exit."""
    statement = call.parent
    if statement is None or statement.type != "expression_statement":
        return []
    block = statement.parent
    if block is None or block.type != "compound_statement":
        return []
    leaving = leaving_at(context.fate, view, statement)
    if not leaving:
        return []
    indent = indent_of(view, statement).decode()
    return [
        Edit(view.path, statement.start_byte, statement.start_byte, b"if (!"),
        Edit(view.path, call.end_byte, statement.end_byte, f")\n{indent}\t{leaving}".encode()),
    ]
