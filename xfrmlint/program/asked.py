"""What a packet was asked before a handle is got for it, on the ways that transmit it.

A packet has a secpath when it came in through a state, too, even one of software alone; that the
stack wants it offloaded only xfrm_offload() says.
"""

from tree_sitter import Node

from xfrmlint.c.jumps import branches_beside
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import HANDLE
from xfrmlint.program.access import Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.namewalk import NameWalk, Until
from xfrmlint.program.sites import RESOLVE, Site

TRANSMIT = "ndo_start_xmit"
SECPATH, OFFLOAD = "secpath", "offload"
_MOST = 200
_TOO_MANY = (
    "there are too many ways here to look at: whether one that transmits asks for the secpath "
    "alone is not known"
)


class Asking:
    """Answers about the sites of one part of a tree."""

    def __init__(self, graph: CallGraph, names: NameWalk) -> None:
        self._graph = graph
        self._names = names
        self.doubts: list[Doubt] = []
        self._until: dict[tuple[int, str], dict[Place, Until]] = {}
        self._calls: dict[FunctionName, list[tuple[View, Until]]] = {}

    def of(self, site: Site) -> str:
        """Return "secpath" where that alone is asked on some way that transmits, else nothing."""
        gets = site.access == RESOLVE or (site.member == HANDLE and site.access != "write")
        doors = {entry.name for entry in site.reached.entries}
        if site.role != "lower" or not gets or TRANSMIT not in doors:
            return ""
        until = self._places(site.view, site.field).get(site.place) or Until(site.place)
        # Mostly a function on each way asks for the offload by itself.
        for below in (False, True):
            ways = _Ways(self, below)
            if not ways.has_secpath_alone(site.function, until, asked=not below):
                if ways.are_cut_off:
                    self.doubts.append(Doubt(site.place, site.function.name, _TOO_MANY))
                return ""
        return SECPATH

    def _places(self, view: View, field: str) -> dict[Place, Until]:
        """Return the places where a view names a member, with what is on no way there."""
        key = (id(view), field)
        if key not in self._until:
            found = ((view.place(n.start_byte), n) for n in view.occurrences(field))
            self._until[key] = {place: _until(view, node, place) for place, node in found}
        return self._until[key]

    def asks(
        self, function: FunctionName, until: Until, way: frozenset[str] | None
    ) -> frozenset[str] | None:
        """Return what a packet is asked in a function before a place: see NameWalk.asks()."""
        return self._names.asks(function.name, function.path, until, way)

    def transmits(self, function: FunctionName) -> bool:
        """Tell whether the stack calls a function to transmit."""
        return any(entry.name == TRANSMIT for entry in self._graph.incoming(function).entries)

    def calls(self, function: FunctionName) -> list[tuple[View, Until]]:
        """Return the calls of a function: what is asked in the line of one is in time."""
        if function not in self._calls:
            found = self._calls[function] = []
            for view, call in self._graph.calls_into(function):
                if view.kind == "function":
                    self._graph.known(view)
                    place = view.place(call.start_byte)
                    found.append((view, _until(view, call, place._replace(column=1))))
        return self._calls[function]


class _Ways:
    """The ways up from a place to where packets are transmitted. below: callees ask, too."""

    def __init__(self, asking: Asking, below: bool) -> None:
        self._asking = asking
        self._below = below
        self._seen: set[tuple[FunctionName, Until, bool]] = set()
        self.are_cut_off = False

    def has_secpath_alone(
        self,
        function: FunctionName,
        until: Until,
        inner: frozenset[str] = frozenset(),
        asked: bool = False,
    ) -> bool:
        """Tell whether a way to a place in a function asks for the secpath, and nothing else.

        inner: the functions on the way down from there. asked: that far, the secpath is.
        """
        way = inner | {function.name}
        asks = self._asking.asks(function, until, way if self._below else None)
        mark = (function, until, asked)
        # What is not seen can ask anything.
        if asks is None or OFFLOAD in asks or mark in self._seen:
            return False
        if len(self._seen) > _MOST:
            self.are_cut_off = True
            return False
        self._seen.add(mark)
        asked = asked or SECPATH in asks
        return (asked and self._asking.transmits(function)) or any(
            self.has_secpath_alone(view.function, where, way, asked)
            for view, where in self._asking.calls(function)
            if view.function.name not in way
        )


def _until(view: View, node: Node, place: Place) -> Until:
    beside = ((view.place(start), view.place(end)) for start, end in branches_beside(node))
    return Until(place, tuple(beside))
