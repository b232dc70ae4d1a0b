"""Forwards through function pointers: what a call can enter, by what is ever stored there."""

from tree_sitter import Node

from xfrmlint.c.expression import bare, callees, is_choice
from xfrmlint.c.mention import slot_of
from xfrmlint.c.unit import node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.program.access import returned, value_stored
from xfrmlint.program.callgraph import CallGraph

_DEEPEST = 4
_SIDES = (
    "conditional_expression",
    "comma_expression",
    "compound_statement",
    "generic_expression",
)


def targets_of(graph: CallGraph, view: View, called: Node) -> list[FunctionName]:
    """Return the driver's functions that a call through a pointer can enter; none if unknown."""
    found: dict[FunctionName, None] = {}
    _follow(graph, view, called, found, 0)
    return list(found)


def _follow(
    graph: CallGraph, view: View, node: Node, found: dict[FunctionName, None], depth: int
) -> None:
    node = bare(node, subscripts=True)
    if depth > _DEEPEST:
        return
    if node.type in _SIDES or is_choice(node):
        for side in callees(node):
            if side.id != node.id:
                _follow(graph, view, side, found, depth + 1)
    elif node.type == "identifier":
        _follow_name(graph, view, node, found, depth)
    elif node.type == "call_expression":
        name = node_text(node.child_by_field_name("function") or node)
        for inner in graph.reader.definitions(name, view.path):
            for value in returned(inner):
                _follow(graph, inner, value, found, depth + 1)
    elif node.type == "field_expression":
        slot = slot_of(graph.reader, view, node)
        for where, field in graph.reader.near(slot.field, view.path):
            stored = stored_in_slot(graph, where, field, slot.struct)
            if stored is not None:
                _follow(graph, where, stored, found, depth + 1)


def _follow_name(
    graph: CallGraph, view: View, node: Node, found: dict[FunctionName, None], depth: int
) -> None:
    name = node_text(node)
    local = view.local(name, node.start_byte) if view.kind == "function" else None
    if local is None:
        for definition in graph.reader.definitions(name, view.path):
            found[graph.known(definition)] = None
        return
    for value in view.assignments(name):
        _follow(graph, view, value, found, depth + 1)
    if local.parameter >= 0:
        for where, argument in graph.passed(graph.known(view), local.parameter):
            _follow(graph, where, argument, found, depth + 1)


def stored_in_slot(graph: CallGraph, view: View, field: Node, struct: str) -> Node | None:
    """Return what is stored in a member of a struct where it is named."""
    member = field.parent
    if member is None:
        return None
    if member.type == "field_designator":
        pair = member.parent
        return pair.child_by_field_name("value") if pair is not None else None
    if member.type != "field_expression":
        return None
    other = slot_of(graph.reader, view, member).struct
    return value_stored(member) if not struct or not other or struct == other else None
