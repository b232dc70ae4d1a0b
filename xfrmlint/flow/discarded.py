"""Whether a call's value is thrown away, as it is written: what no path shows a use of."""

from tree_sitter import Node, Query

from xfrmlint.c.unit import Place, captured, declarator_name, language, node_text
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.callgraph import CallGraph

_CALLS = Query(language(), "(call_expression) @call")
_WRAPPERS = ("parenthesized_expression", "cast_expression")
_DEEPEST = 3


def is_discarded(graph: CallGraph, view: View, place: Place) -> bool:
    """Tell whether the value of the call at a place goes nowhere, in no caller of a wrapper."""
    calls = captured(_CALLS, view.node, "call")
    here = [call for call in calls if view.place(call.start_byte)[:2] == place[:2]]
    return bool(here) and all(_discarded(graph, view, call, 0) for call in here)


def _discarded(graph: CallGraph, view: View, node: Node, depth: int) -> bool:
    up = node.parent
    while up is not None and up.type in _WRAPPERS:
        node, up = up, up.parent
    if up is None or depth > _DEEPEST:
        return False
    if up.type == "expression_statement":
        return True
    if up.type == "argument_list" and up.parent is not None:
        return _prints(up.parent)
    if up.type == "return_statement":
        callers = [
            (where, name.parent)
            for where, name in graph.mentions(graph.known(view))
            if name.parent is not None and name.parent.type == "call_expression"
        ]
        return bool(callers) and all(
            _discarded(graph, where, call, depth + 1) for where, call in callers
        )
    target = None
    if up.type == "init_declarator":
        target = declarator_name(up)
    elif up.type == "assignment_expression":
        target = up.child_by_field_name("left")
    if target is None or target.type != "identifier":
        return False
    return all(
        _idle(other) for other in view.occurrences(node_text(target)) if other.id != target.id
    )


def _idle(node: Node) -> bool:
    """Tell whether an occurrence of a variable is its declaration, an assignment or a print."""
    up = node.parent
    while up is not None and up.type in _WRAPPERS:
        node, up = up, up.parent
    if up is None or up.type in ("declaration", "expression_statement", "init_declarator"):
        return up is not None and (up.type != "init_declarator" or declarator_name(up) == node)
    if up.type == "assignment_expression":
        left = up.child_by_field_name("left")
        return left is not None and left.id == node.id
    return up.type == "argument_list" and up.parent is not None and _prints(up.parent)


def _prints(call: Node) -> bool:
    return function_named(node_text(call.child_by_field_name("function") or call)).is_("prints")
