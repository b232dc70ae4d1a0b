"""A test in each caller that goes on, with the packet, where a function has failed.

    ok = prepare(skb);          ok = prepare(skb);
                           ->   if (!ok)
                                    return -EINVAL;

The caller leaves by an exit that it has: one before the call, or a plain `return -E...`, for where
that needs nothing undone, nothing has to be undone earlier. Its own callers must end the packet.
"""

import re

from tree_sitter import Node

from xfrmlint.c.expression import around, assigned_in, called_by
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.unit import below, node_text
from xfrmlint.c.view import View
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.ends import end_of
from xfrmlint.convert.exits import exits_of
from xfrmlint.convert.fate import Called, Fate
from xfrmlint.convert.leaving import Leaving, exit_at
from xfrmlint.convert.undone import is_in_loop
from xfrmlint.convert.written import indent_of, without_parentheses

_FALSE = ("false", "0", "NULL")
_TRUE = ("true", "1")
_FAILED = re.compile(r"^return -E[A-Z0-9]+;$")
_MOST = 4


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
        made = _test(fate, called)
        if not made:
            return []
        edits += made
    return edits


def _succeeds_otherwise(view: View) -> bool:
    """Tell whether a function's last return is that of success, and no 0."""
    values = [n.named_children[:1] for n in below(view.node) if n.type == "return_statement"]
    last = values[-1][0] if values and values[-1] else None
    return last is not None and node_text(last) in _TRUE


def _is_of_offload(statement: Node) -> bool:
    """Tell whether a statement is reached by packets alone that are to be offloaded.

    Of the others a function that finds no state says 0, too, and they must go on.
    """
    asked = [without_parentheses(one.node) for one in conditions_to(statement) if one.held]
    return any(one is not None and called_by(one) == "xfrm_offload" for one in asked)


def _test(fate: Fate, called: Called) -> list[Edit]:
    """Return the edits that put a test behind a call whose result is assigned."""
    view, node = called
    statement = around(node, "expression_statement")
    made, block = assigned_in(statement), statement.parent if statement is not None else None
    if statement is None or made is None or made.value != node or block is None:
        return []
    if any(one.type in ("call_expression", "update_expression") for one in below(made.target)):
        return []
    leaving = leaving_at(fate, view, statement) if _is_of_offload(statement) else ""
    if not leaving:
        return []
    indent = indent_of(view, statement).decode()
    text = f"\n{indent}if (!{node_text(made.target)})\n{indent}\t{leaving}"
    if block.type == "compound_statement":
        return [Edit(view.path, statement.end_byte, statement.end_byte, text.encode())]
    condition = block.child_by_field_name("condition")
    if block.type != "if_statement" or block.child_by_field_name("alternative") is not None:
        return []
    if condition is None or view.text[condition.end_byte : statement.start_byte].strip():
        return []
    outer = indent_of(view, block).decode()
    return [
        Edit(view.path, condition.end_byte, condition.end_byte, b" {"),
        Edit(view.path, statement.end_byte, statement.end_byte, f"{text}\n{outer}}}".encode()),
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
