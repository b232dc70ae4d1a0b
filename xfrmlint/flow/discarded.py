"""Whether a call's value is thrown away, as it is written: what no path shows a use of."""

from tree_sitter import Node

from xfrmlint.c.expression import Goes, destination
from xfrmlint.c.nodes import captured
from xfrmlint.c.unit import Place
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.outside import CALLS

_DEEPEST = 3


def is_discarded(graph: CallGraph, view: View, place: Place) -> bool:
    """Tell whether the value of the call at a place goes nowhere, in no caller of a wrapper."""
    calls = captured(CALLS, view.node, "call")
    here = [call for call in calls if view.place(call.start_byte)[:2] == place[:2]]
    return bool(here) and all(_discarded(graph, view, call, 0) for call in here)


def _discarded(graph: CallGraph, view: View, node: Node, depth: int) -> bool:
    goes, name, target = destination(node)
    if depth > _DEEPEST:
        return False
    if goes is Goes.RETURNED:
        callers = [
            (where, named.parent)
            for where, named in graph.mentions(graph.known(view))
            if named.parent is not None and named.parent.type == "call_expression"
        ]
        return bool(callers) and all(
            _discarded(graph, where, call, depth + 1) for where, call in callers
        )
    if goes is Goes.ASSIGNED and target is not None:
        return all(_is_idle(other) for other in view.occurrences(name) if other.id != target.id)
    return _is_idle(node)


def _is_idle(node: Node) -> bool:
    """Tell whether a value is dropped or printed, or a variable declared or assigned to."""
    goes, name, target = destination(node)
    if goes is Goes.ARGUMENT:
        return function_named(name).is_("prints")
    return goes is Goes.NOWHERE or (target is not None and target.id == node.id)
