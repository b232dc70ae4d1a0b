"""What a packet was asked before a handle is got for it, on the ways that transmit it.

A packet has a secpath when it came in through a state, too, even one of software alone; that the
stack wants it offloaded only xfrm_offload() says.
"""

from collections.abc import Iterator

from tree_sitter import Node

from xfrmlint.c.jumps import branches_beside
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import HANDLE
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.namewalk import NameWalk, Until
from xfrmlint.program.sites import RESOLVE, Site

TRANSMIT = "ndo_start_xmit"
SECPATH, OFFLOAD = "secpath", "offload"
_MOST = 200


def asked_of(graph: CallGraph, names: NameWalk, site: Site) -> str:
    """Return "secpath" where that alone is asked on some way that transmits, else nothing."""
    gets = site.access == RESOLVE or (site.member == HANDLE and site.access != "write")
    doors = {entry.name for entry in site.reached.entries}
    if site.role != "lower" or not gets or TRANSMIT not in doors:
        return ""
    nodes = site.view.occurrences(site.field)
    start = next((n for n in nodes if site.view.place(n.start_byte) == site.place), None)
    until = _until(site.view, start, site.place) if start is not None else Until(site.place)
    # Mostly a function on each way asks for the offload by itself.
    looked = _Ways(graph, names, below=False).has_secpath_alone(site.function, until, asked=True)
    if looked and _Ways(graph, names, below=True).has_secpath_alone(site.function, until):
        return SECPATH
    return ""


class _Ways:
    """The ways up from a place to where packets are transmitted. below: callees ask, too."""

    def __init__(self, graph: CallGraph, names: NameWalk, below: bool) -> None:
        self._graph = graph
        self._names = names
        self._below = below
        self._seen: set[tuple[FunctionName, Until, bool]] = set()

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
        asks = self._names.asks(function.name, function.path, until, way if self._below else None)
        mark = (function, until, asked)
        # What is not seen can ask anything.
        if asks is None or OFFLOAD in asks or mark in self._seen or len(self._seen) > _MOST:
            return False
        self._seen.add(mark)
        asked = asked or SECPATH in asks
        doors = {entry.name for entry in self._graph.incoming(function).entries}
        return (asked and TRANSMIT in doors) or any(
            self.has_secpath_alone(view.function, where, way, asked)
            for view, where in self._calls(function)
            if view.function.name not in way
        )

    def _calls(self, function: FunctionName) -> Iterator[tuple[View, Until]]:
        """Yield the calls of a function: what is asked in the line of one is in time."""
        for view, call in self._graph.calls_into(function):
            if view.kind == "function":
                self._graph.known(view)
                place = view.place(call.start_byte)
                yield view, _until(view, call, place._replace(column=1))


def _until(view: View, node: Node, place: Place) -> Until:
    beside = (
        (view.place(one.start_byte), view.place(one.end_byte)) for one in branches_beside(node)
    )
    return Until(place, tuple(beside))
