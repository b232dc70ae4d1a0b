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

Each caller leaves by an exit of its own that is right there; else the function stays as it is.
"""

from tree_sitter import Node

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


def told_by_result(context: Context, view: View, function: FunctionName) -> Leaving | None:
    """Return how a function that returns nothing leaves once it tells; None if it can't be made."""
    fate = context.fate
    incoming = fate.graph.incoming(function)
    if incoming.entries or incoming.doubts or not incoming.complete:
        return None
    named = named_at(context.devices, view, function)
    calls = [called for _, called in fate.calls(function)]
    known = {(one.view.path, one.node.start_byte) for one in calls if one is not None}
    if named is None or not known or known != set(named.calls) or len(known) > _MOST:
        return None
    edits = []
    for path, listed in named.parameters:
        kind = _type_of(listed)
        if kind is None or node_text(kind) != "void":
            return None
        edits.append(Edit(path, kind.start_byte, kind.end_byte, b"bool"))
    edits += _returns(view)
    for one in calls:
        made = _tested(context, one.view, one.node) if one is not None else []
        if not made:
            return None
        edits += made
    end = End(True, "false", view.place(view.node.start_byte))
    return Leaving(["return false;"], end, list(dict.fromkeys(edits)), None)


def _type_of(listed: Node) -> Node | None:
    """Return the type of what a function whose parameters are listed returns."""
    up = listed.parent
    if up is None or up.type != "function_declarator" or up.parent is None:
        return None
    return up.parent.child_by_field_name("type")


def _returns(view: View) -> list[Edit]:
    """Return the edits by which a function says that all is well wherever it returns."""
    body = view.body or view.node
    found = [
        Edit(view.path, one.start_byte, one.end_byte, b"return true;")
        for one in below(body)
        if one.type == "return_statement"
    ]
    inside = [one for one in body.named_children if one.type != "comment"]
    if inside and inside[-1].type != "return_statement":
        at = body.end_byte - 1
        found.append(Edit(view.path, at, at, b"\n\treturn true;\n"))
    return found


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
