"""A test in each caller that goes on, with the packet, where a function has failed.

    ok = prepare(skb);          ok = prepare(skb);
                           ->   if (!ok)
                                    return -EINVAL;

The caller leaves by an exit that it has: one before the call, or a plain `return -E...`, for where
that needs nothing undone, nothing has to be undone earlier. Its own callers must end the packet.

A function that returns nothing is made to tell:

    static void prepare(...)            static bool prepare(...)
    {                                   {
            if (!skb)                           if (!skb)
                    return;       ->                    return true;
    ...                                 ...
                                                return true;
    }                                   }

    prepare(...);                       if (!prepare(...))
                                                goto drop;

It stays as it is where a definition of it, of which there can be several, returns otherwise than
plainly, or a caller has no exit.
"""

import re
from collections.abc import Iterator

from tree_sitter import Node

from xfrmlint.c.expression import around, assigned_in, called_by
from xfrmlint.c.index import has_word, words
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import FunctionName, View
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.ends import End, end_of
from xfrmlint.convert.exits import exits_of
from xfrmlint.convert.fate import Called, Context, Fate
from xfrmlint.convert.handing import named_at
from xfrmlint.convert.leaving import Leaving, exit_at
from xfrmlint.convert.undone import is_in_loop
from xfrmlint.convert.written import indent_of, without_parentheses

_FALSE = ("false", "0", "NULL")
_TRUE = ("true", "1")
_FAILED = re.compile(r"^return -E[A-Z0-9]+;$")
_MOST = 4
# What is not to be done twice.
_AGAIN = ("call_expression", "update_expression")


def tests_in_callers(fate: Fate, view: View, first: Node) -> list[Edit]:
    """Return the edits that make callers leave where a function leaves by some statements.

    Empty where one of them can't be made to.
    """
    end = end_of(fate.effects, view, first)
    incoming = fate.graph.incoming(view.function)
    if end.ended or end.why or end.value not in _FALSE or incoming.doubts or incoming.entries:
        return []
    if not _succeeds_otherwise(view):
        return []
    calls = list(fate.calls(view.function))
    if not calls or len(calls) > _MOST:
        return []
    edits: list[Edit] = []
    for _, called in calls:
        if called is None:
            return []
        found = fate.in_caller(called, end)
        if found is not None and found.ended and not found.why:
            continue
        made = _test(fate, called) if _is_of_offload(called.node) else []
        if not made:
            return []
        edits += made
    return edits


def _succeeds_otherwise(view: View) -> bool:
    """Tell whether a function's last return is that of success, and no 0."""
    values = [n.named_children[:1] for n in below(view.node) if n.type == "return_statement"]
    last = values[-1][0] if values and values[-1] else None
    return last is not None and node_text(last) in _TRUE


def _is_of_offload(call: Node) -> bool:
    """Tell whether a call is reached by packets alone that are to be offloaded.

    Of the others a function that finds no state says 0, too, and they must go on.
    """
    asked = [without_parentheses(one.node) for one in conditions_to(call) if one.held]
    return any(one is not None and called_by(one) == "xfrm_offload" for one in asked)


def _test(fate: Fate, called: Called) -> list[Edit]:
    """Return the edits by which a caller leaves where a call says that it failed.

    Empty where what it says is not kept in a variable or left alone, or where there is no exit.
    """
    view, node = called
    statement = around(node, "expression_statement")
    block = statement.parent if statement is not None else None
    if statement is None or block is None:
        return []
    made, start, end = assigned_in(statement), statement.start_byte, statement.end_byte
    if node != (made.value if made is not None else statement.named_children[0]):
        return []
    if made and any(one.type in _AGAIN for one in below(made.target)):
        return []
    leaving = leaving_at(fate, view, statement)
    if not leaving:
        return []
    indent = indent_of(view, statement).decode()
    text = f"\n{indent}if (!{node_text(made.target)})\n{indent}\t{leaving}" if made else ""
    if block.type == "compound_statement" and made:
        return [Edit(view.path, end, end, text.encode())]
    if block.type == "compound_statement":
        last = f")\n{indent}\t{leaving}".encode()
        return [Edit(view.path, start, start, b"if (!"), Edit(view.path, node.end_byte, end, last)]
    condition = block.child_by_field_name("condition")
    if block.type != "if_statement" or block.child_by_field_name("alternative") is not None:
        return []
    if condition is None or not made or view.text[condition.end_byte : start].strip():
        return []
    outer = indent_of(view, block).decode()
    return [
        Edit(view.path, condition.end_byte, condition.end_byte, b" {"),
        Edit(view.path, end, end, f"{text}\n{outer}}}".encode()),
    ]


def leaving_at(fate: Fate, view: View, statement: Node) -> str:
    """Return the statement by which a caller leaves and the packet ends; empty without one."""
    for branch in exits_of(view) if not is_in_loop(statement) else ():
        left = exit_at(fate, view, statement, branch)
        if not isinstance(left, Leaving) or len(left.kept) != 1:
            continue
        if _FAILED.match(left.kept[0]):
            # Another reason than that of the exit that it has.
            return "return -EINVAL;"
        if branch.end_byte <= statement.start_byte:
            return left.kept[0]
    return ""


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
        made = _test(context.fate, one) if one.view.function != view.function else []
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
        has_word(text, name.encode("utf-8", "surrogateescape"), start, end)
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
