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

from xfrmlint.c.expression import arguments_of, assigned_in, outermost
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import OFFLOAD_OK, PACKET, Contract
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.effects import Effects
from xfrmlint.convert.ends import End, end_of, ending_calls, is_busy, may_free
from xfrmlint.convert.exits import gone_on_with, names_in, statements_on, variable_of
from xfrmlint.convert.undone import not_undone
from xfrmlint.convert.written import node_at, statement_of, without_parentheses
from xfrmlint.program.callgraph import CallGraph, Incoming
from xfrmlint.program.callgraph import Edge as Call
from xfrmlint.program.devices import Devices
from xfrmlint.program.sites import Site

_OTHER = {"false": "true", "true": "false"}
# What a function answers that is asked whether a device takes a packet.
_OTHERWISE = ("false", "0")
_DEEPEST = 8
_SENT = "netdev_tx_t"
_CONSTANT = re.compile(r"^-?\s*([A-Z][A-Z0-9_]*|\d+)$")


class Called(NamedTuple):
    """A call as it is written in its caller."""

    view: View
    node: Node


class Context(NamedTuple):
    """What a driver is converted with. without: functions and devices that are wrong in them.

    pins: where owners set, or clear, the device that they have given a state to.
    """

    contract: Contract
    devices: Devices
    fate: "Fate"
    without: frozenset[tuple[str, str]]
    pins: tuple[Site, ...] = ()


class Fate:
    """Tells what becomes of the packet on an exit of a driver's function."""

    def __init__(self, graph: CallGraph) -> None:
        self.graph = graph
        self.effects = Effects(graph.reader)

    def of_value(self, view: View, value: str, place: Place) -> End:
        """Return how the packet ends if a function returns a value."""
        return self._after(view, End(False, value, place), 0)

    def of(self, view: View, first: Node) -> End:
        """Return how the packet ends if a function leaves by the statements from one on."""
        return self._after(view, end_of(self.effects, view, first), 0)

    def _after(self, view: View, end: End, depth: int) -> End:
        if end.why:
            return end
        result = view.result
        if result is not None and result.base == "netdev_features_t" and not end.ended:
            # A packet that may not be offloaded goes the software's way.
            less = "~" in end.value
            return end._replace(ended=less, why="" if less else "no feature is taken away")
        if end.ended and is_busy(end):
            return end._replace(why=f"the packet is freed, and queued again ({_at(end.place)})")
        if end.ended and result is not None and result.base == _SENT:
            # Whoever calls is told that the packet is not his any more.
            why = "" if _CONSTANT.match(end.value) else "what is returned then is not known"
            return end._replace(why=why and f"the packet is freed, and {why} ({_at(end.place)})")
        if depth > _DEEPEST:
            why = "the packet is freed, and who notices is not known" if end.ended else ""
            return end._replace(why=why and f"{why} ({_at(end.place)})")
        incoming = self.graph.incoming(view.function)
        if self._is_asked(incoming):
            # The stack sends by software what no device takes.
            takes = end.ended or end.value not in _OTHERWISE
            return end._replace(ended=not takes, why="it need not be refused" if takes else "")
        if not end.ended and (incoming.doubts or not incoming.edges):
            return end._replace(why="the packet is not freed, and nobody is seen to notice")
        for place, called in self.calls(view.function):
            found = self.in_caller(called, end, depth) if called is not None else None
            if end.ended and (found is None or found.why):
                why = found.why if found is not None else "its caller is not written out"
                why = why if "(" in why else f"the packet is freed, and {why} ({_at(place)})"
                return end._replace(why=why)
            if found is None:
                why = f"what the caller does with {end.value or 'nothing'} is not known"
                return End(False, end.value, place, why)
            if not found.ended or found.why:
                return found
        return end._replace(ended=True)

    def _is_asked(self, incoming: Incoming) -> bool:
        """Tell whether the stack alone calls a function, to ask if a device takes a packet."""
        slot = self.graph.reader.contract.slot(OFFLOAD_OK)
        doors = {entry.name for entry in incoming.entries}
        return doors == {slot} and not incoming.edges and not incoming.doubts

    def calls(self, function: FunctionName) -> Iterator[tuple[Place, Called | None]]:
        """Yield each call of a function; None for one that is not written out."""
        for edge in self.graph.incoming(function).edges:
            view = self.view_of(edge.caller)
            yield edge.place, self._call(view, edge) if view is not None else None

    def _call(self, view: View, edge: Call) -> Called | None:
        node = node_at(view, edge.place, "call_expression")
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
        place = view.place(node.start_byte)
        branch = gone_on_with(node, end.value)
        if branch is None:
            up, statement = outermost(node).parent, statement_of(node)
            then = End(end.ended, end.value, place)
            if up is None or up.type != "return_statement":
                if not end.ended:
                    return None
                if outermost(node) != statement.named_children[0]:
                    why = f"what its caller does with {end.value or 'nothing'} is not known"
                    return then._replace(why=why)
                then = End(True, "", place)
            owed = not_undone(self.effects, view, node, statement)
            if owed:
                return End(False, end.value, place, f"{owed} is not undone where its caller leaves")
            return self._after(view, then, depth + 1)
        place = view.place(branch.start_byte)
        owed = not_undone(self.effects, view, node, branch)
        if owed:
            return End(False, end.value, place, f"{owed} is not undone where its caller leaves")
        if end.ended and _touches(self.effects, view, branch, _packet(view, node)):
            return End(True, end.value, place, "its caller goes on with it")
        then = end_of(self.effects, view, branch, end.ended)
        if end.ended and then.why:
            return then._replace(why="its caller goes on")
        name = variable_of(node)
        if name and then.value == name:
            # What was assigned is returned; if it is set anew, nobody knows.
            is_kept = all(v.start_byte <= node.start_byte for v in view.assignments(name))
            then = then._replace(value=end.value if is_kept else "")
        return self._after(view, then, depth + 1)

    def told_as_done(self, view: View, end: End) -> tuple[End, Edit] | None:
        """Return the edit by which an exit says that a packet it has freed is done with.

        Only where the statement before the return frees it: it is right for all who get there.
        """
        other = _OTHER.get(end.value)
        if not end.ended or not end.why or other is None:
            return None
        node = node_at(view, end.place, "return_statement")
        before = node.prev_named_sibling if node is not None else None
        if before is not None and before.type == "labeled_statement":
            before = before.named_children[-1]
        if node is None or before is None or before.type != "expression_statement":
            return None
        then = self._after(view, end._replace(value=other, why=""), 0)
        if not ending_calls(self.effects, view, before) or then.why:
            return None
        value = node.named_children[0]
        return then, Edit(view.path, value.start_byte, value.end_byte, other.encode())


def _at(place: Place) -> str:
    return f"{place.path}:{place.line}"


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
    for statement in statements_on(view, first):
        made = assigned_in(statement)
        if made is not None and node_text(made.target) == packet:
            # Another one has its name from here on.
            return packet in names_in(made.value)
        if packet in names_in(statement) or may_free(effects, view, statement):
            return True
    return False
