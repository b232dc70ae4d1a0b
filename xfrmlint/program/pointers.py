"""Forwards through function pointers: what a call can enter, by what is ever stored there."""

from tree_sitter import Node

from xfrmlint.c.expression import bare, called
from xfrmlint.c.nodes import node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.valueflow.sources import Tracer


def targets_at(graph: CallGraph, view: View, call: Node) -> list[View] | None:
    """Return the driver's functions that a call enters; None for a pointer that is not followed."""
    name = called(call)
    if name and view.local(name, call.start_byte) is None:
        return graph.reader.definitions(name, view.path)
    found = targets_of(graph, view, call.child_by_field_name("function") or call)
    views = (graph.view(target) for target in found)
    return [one for one in views if one is not None] or None


def targets_of(graph: CallGraph, view: View, called: Node) -> list[FunctionName]:
    """Return the driver's functions that a call through a pointer can enter; none if unknown."""

    def functions(where: View, node: Node) -> tuple[FunctionName, ...] | None:
        """Return the functions that a name is one of, where it is a function's."""
        node = bare(node)
        if node.type != "identifier":
            return None
        name = node_text(node)
        if where.kind == "function" and where.local(name, node.start_byte) is not None:
            return None
        return tuple(map(graph.known, graph.reader.definitions(name, where.path))) or None

    found = Tracer(graph.reader, graph.passed, functions).of(view, called).answers
    return list(dict.fromkeys(function for one in found for function in one))
