"""Callbacks of which nobody sees what they do in the end: a handle can be got behind them."""

from xfrmlint.c.expression import called
from xfrmlint.c.nodes import captured, node_text
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.ops import Callback, Table
from xfrmlint.program.outside import CALLS
from xfrmlint.program.pointers import targets_of


def unseen(graph: CallGraph, table: Table, callback: Callback) -> str:
    """Return why it is not known what a callback does in the end; nothing if that is seen."""
    name, reader = callback.target, graph.reader
    if function_named(name).known:
        return ""
    views = reader.definitions(name, table.place.path)
    if not views:
        return f"what it does as {callback.field} is not seen: no file of the driver defines it"
    pointer = next((one for view in views for one in _unfollowed(graph, view)), "")
    reason = f"as {callback.field} it calls {pointer}, and what that points to is not known"
    return reason if pointer else ""


def _unfollowed(graph: CallGraph, view: View) -> list[str]:
    """Return the pointers that a function calls, and of which no target is seen."""
    types = graph.reader.types
    found = []
    for call in captured(CALLS, view.node, "call"):
        function = call.child_by_field_name("function")
        name = called(call)
        if function is None:
            continue
        if name and view.local(name, call.start_byte) is None:
            is_function = (
                function_named(name).known
                or types.macro(name, view.path)
                or graph.reader.corpus.find("function", name, view.path)
                or graph.reader.definitions(name, view.path)
            )
            if is_function or types.of(function, view) is None:
                continue
        if not targets_of(graph, view, function):
            found.append(" ".join(node_text(function).split()))
    return found
