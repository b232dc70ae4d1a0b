"""What becomes of the packet where a function leaves: in it, and in those who called it.

An exit ends the packet where that is freed on the way; or where its value makes each caller leave
by an exit that does. And those who called must notice: a packet that was freed is not to be sent
again, used, or freed twice.

    if (!transmit(skb))                 if (!transmit(skb))
        return NETDEV_TX_BUSY;              goto drop;         /* which frees it again */

A driver can be wrong there today, on an exit that is never taken: who gives it packets that have no
handle takes it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, around, outermost
from xfrmlint.c.jumps import LEAVING
from xfrmlint.c.unit import Place, below, node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import PACKET
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.effects import Effects
from xfrmlint.convert.ends import End, end_of, ending_calls, is_busy, may_free
from xfrmlint.convert.exits import following, gone_on_with, label_of, names_in, next_of, variable_of
from xfrmlint.convert.undone import owed_at
from xfrmlint.convert.written import statement_of, without_parentheses
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.callgraph import Edge as Call

_OTHER = {"false": "true", "true": "false"}
_DEEPEST = 8
_SENT = "netdev_tx_t"
_CONSTANT = re.compile(r"^-?\s*([A-Z][A-Z0-9_]*|\d+)$")


class Called(NamedTuple):
    """A call as it is written in its caller."""

    view: View
    node: Node


class Fate:
    """Tells what becomes of the packet on an exit of a driver's function."""

    def __init__(self, graph: CallGraph) -> None:
        self.graph = graph
        self.effects = Effects(graph.reader)

    def of_value(self, view: View, function: FunctionName, value: str, place: Place) -> End:
        """Return how the packet ends if a function returns a value."""
        return self._after(view, function, End(False, value, place), 0)

    def of(self, view: View, function: FunctionName, first: Node) -> End:
        """Return how the packet ends if a function leaves by the statements from one on."""
        return self._after(view, function, end_of(self.effects, view, first), 0)

    def _after(self, view: View, function: FunctionName, end: End, depth: int) -> End:
        if end.why or depth > _DEEPEST:
            return end
        result = view.result
        if result is not None and result.base == "netdev_features_t":
            # A packet that may not be offloaded goes the software's way.
            less = "~" in end.value
            return end._replace(ended=less, why="" if less else "no feature is taken away")
        if end.ended:
            return end._replace(why=self._unnoticed(view, function, end, depth))
        incoming = self.graph.incoming(function)
        if incoming.doubts or not incoming.edges:
            why = "the packet is not freed, and nobody is seen to notice"
            return end._replace(why=why)
        for place, called in self.calls(function):
            found = self.in_caller(called, end, depth) if called is not None else None
            if found is None:
                why = f"what the caller does with {end.value or 'nothing'} is not known"
                return End(False, end.value, place, why)
            if not found.ended or found.why:
                return found
        return end._replace(ended=True)

    def calls(self, function: FunctionName) -> Iterator[tuple[Place, Called | None]]:
        """Yield each call of a function; None for one that is not written out."""
        for edge in self.graph.incoming(function).edges:
            view = self.view_of(edge.caller)
            yield edge.place, self._call(view, edge) if view is not None else None

    def _call(self, view: View, edge: Call) -> Called | None:
        if edge.place.path != view.path:
            return None
        unit = self.graph.reader.corpus.unit(view.path)
        offset = unit.offset(edge.place.line, edge.place.column)
        node = around(view.node.descendant_for_byte_range(offset, offset), "call_expression")
        return Called(view, node) if node is not None else None

    def view_of(self, function: FunctionName) -> View | None:
        """Return a function as it is written."""
        reader = self.graph.reader
        unit = reader.corpus.unit(function.path)
        for item in unit.functions(function.name):
            if item.turn == unit.turn:
                view = View(reader.corpus, function.path, item, unit.text, None)
                if view.function.line == function.line:
                    return view
        return None

    def in_caller(self, called: Called, end: End, depth: int = 0) -> End | None:
        """Return how the packet ends if a call gives a value; None where that is not known."""
        view, node = called
        branch = gone_on_with(node, end.value)
        if branch is None:
            return self._passed_on(view, node, end, depth)
        owed = owed_at(self.effects, view, node, branch)
        if owed:
            place = view.place(branch.start_byte)
            return End(False, end.value, place, f"{owed} is not undone where its caller leaves")
        then = end_of(self.effects, view, branch)
        name = variable_of(node)
        if name and then.value == name:
            # What was assigned is returned; if it is set anew, nobody knows.
            is_kept = all(v.start_byte <= node.start_byte for v in view.assignments(name))
            then = then._replace(value=end.value if is_kept else "")
        return self._after(view, view.function, then, depth + 1)

    def _passed_on(self, view: View, node: Node, end: End, depth: int) -> End | None:
        """Return what comes of `return f();`, and of a call after which nothing is done."""
        parent = node.parent
        if parent is not None and parent.type == "return_statement":
            same = End(False, end.value, view.place(node.start_byte))
            return self._after(view, view.function, same, depth + 1)
        return None

    def _unnoticed(self, view: View, function: FunctionName, end: End, depth: int) -> str:
        """Return why a packet that an exit has freed is not done with; empty where it is."""
        at = f"{end.place.path}:{end.place.line}"
        result = view.result
        if is_busy(end):
            return f"the packet is freed, and queued again ({at})"
        if result is not None and result.base == _SENT and not _CONSTANT.match(end.value):
            return f"the packet is freed, and what is returned then is not known ({at})"
        if result is not None and result.base == _SENT:
            # Whoever calls is told that the packet is not his any more.
            return ""
        if depth > _DEEPEST:
            return f"the packet is freed, and who notices is not known ({at})"
        for place, called in self.calls(function):
            why = "its caller is not written out"
            if called is not None:
                why = self._with_freed(called, end, depth)
            if why:
                at = f"{place.path}:{place.line}"
                return why if "(" in why else f"the packet is freed, and {why} ({at})"
        return ""

    def _with_freed(self, called: Called, end: End, depth: int) -> str:
        """Return why a caller does not notice that the packet is freed; empty where it does."""
        view, node = called
        branch = gone_on_with(node, end.value)
        if branch is None:
            if _is_returned(node):
                same = End(True, end.value, view.place(node.start_byte))
                return self._unnoticed(view, view.function, same, depth + 1)
            statement = statement_of(node)
            if outermost(node).id != statement.named_children[0].id:
                return f"what its caller does with {end.value or 'nothing'} is not known"
            branch = next_of(statement)
        owed = owed_at(self.effects, view, node, branch) if branch is not None else ""
        if branch is None:
            then = End(True, "", view.place(node.start_byte))
        elif owed:
            return f"{owed} is not undone where its caller leaves"
        elif _touches(self.effects, view, branch, _packet(view, node)):
            return "its caller goes on with it"
        else:
            then = end_of(self.effects, view, branch, True)
        return (
            "its caller goes on"
            if then.why
            else self._unnoticed(view, view.function, then, depth + 1)
        )

    def told_as_done(self, view: View, function: FunctionName, end: End) -> tuple[End, Edit] | None:
        """Return the edit by which an exit says that a packet it has freed is done with.

        Only where the statement before the return frees it: it is right for all who get there.
        """
        other = _OTHER.get(end.value)
        unit = self.graph.reader.corpus.unit(view.path)
        if other is None or end.place.path != view.path:
            return None
        offset = unit.offset(end.place.line, end.place.column)
        node = around(view.node.descendant_for_byte_range(offset, offset), "return_statement")
        before = node.prev_named_sibling if node is not None else None
        if before is not None and before.type == "labeled_statement":
            before = before.named_children[-1]
        if node is None or before is None or before.type != "expression_statement":
            return None
        then = end._replace(value=other, why="")
        if not ending_calls(self.effects, view, before) or self._unnoticed(view, function, then, 0):
            return None
        value = node.named_children[0]
        return then, Edit(view.path, value.start_byte, value.end_byte, other.encode())


def _is_returned(call: Node) -> bool:
    """Tell whether a call's result is returned, at once or by way of a variable."""
    up, name = outermost(call).parent, variable_of(call)
    after = following(statement_of(call)) if name else up
    if after is None or after.type != "return_statement":
        return False
    return not name or [node_text(one) for one in after.named_children] == [name]


def _packet(view: View, call: Node) -> str:
    """Return the name of the packet that a call is given; empty where it is given none."""
    for one in arguments_of(call):
        bare = without_parentheses(one)
        local = view.local(node_text(bare), bare.start_byte) if bare is not None else None
        if local is not None and local.type.base == PACKET:
            return local.name
    return ""


def _touches(effects: Effects, view: View, first: Node, packet: str) -> bool:
    """Tell whether what is done from a statement on names the packet, or frees one."""
    at: Node | None = first
    seen: set[int] = set()
    while at is not None and at.id not in seen:
        seen.add(at.id)
        if at.type == "goto_statement":
            at = label_of(view, node_text(at.named_children[0]))
            continue
        if _is_set_anew(at, packet):
            return False
        if any(
            one.type == "identifier" and packet and node_text(one) == packet for one in below(at)
        ):
            return True
        if may_free(effects, view, at):
            return True
        if at.type == "return_statement":
            return False
        jumps = [one for one in below(at) if one.type in LEAVING]
        if at.type == "compound_statement" and jumps:
            inside = [one for one in at.named_children if one.type != "comment"]
            last = inside[-1]
            if len(jumps) == 1 and last.id == jumps[0].id:
                at = last
                continue
        at = next_of(at)
    return False


def _is_set_anew(statement: Node, name: str) -> bool:
    """Tell whether a statement does nothing with a variable but to give it another value."""
    inner = statement.named_children[0] if statement.named_child_count else None
    if statement.type != "expression_statement" or inner is None:
        return False
    left, right = inner.child_by_field_name("left"), inner.child_by_field_name("right")
    if inner.type != "assignment_expression" or left is None or right is None:
        return False
    return node_text(left) == name and name not in names_in(right)
