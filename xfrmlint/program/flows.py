"""Which device a resolver is asked for off the datapath: in a callback, where a flow is offloaded.

A state's own device, or the one that its owner has pinned, is never a callback's. A flow that
leaves encrypted uses the handle of the device that it leaves by; one that comes in is decrypted by
the device that it came in by, never by the one that it is redirected to. Told is what the state's
own direction says on the way to the call; whatever else decides is not understood.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, without_casts
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import Place
from xfrmlint.c.view import View
from xfrmlint.contract.words import OWNER, PINNED
from xfrmlint.kernel.doors import CONTROL, offloads_flows
from xfrmlint.program.access import Accesses, Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.devices import Devices, Whose
from xfrmlint.program.sites import RESOLVE, Site
from xfrmlint.valueflow.forms import Forms, Value

# include/net/xfrm.h: what xso.dir is, since 5.19.
IN, OUT = "XFRM_DEV_OFFLOAD_IN", "XFRM_DEV_OFFLOAD_OUT"
_BOTH = frozenset((IN, OUT))
_COMPARED = re.compile(rf"\(?\s*[\w>.()-]+?\s*([!=])=\s*\(?({IN}|{OUT})\)?\s*\)?")
# What may tell a direction otherwise.
_ASKS = re.compile(
    r"(?i)(?<![a-z])(dir|direction|inbound|outbound|ingress|egress|encrypt\w*|decrypt\w*|rx|tx|in|out)"
    r"(?![a-z])"
)
EGRESS = "egress"
_STATES = {Whose.OWNER: OWNER, Whose.STATE: PINNED}
_DEEPEST = 4
_NOT_TOLD = "which device the resolver is asked for is not known, where a flow is offloaded"
_NOT_ASKED = "whether a flow comes in or leaves encrypted, where the resolver is asked, is not told"


class _Case(NamedTuple):
    """A value that a device can be, and the directions in which it is."""

    view: View
    node: Node
    directions: frozenset[str]
    asked: bool


class Flows:
    """Answers about the resolver calls of one part of a tree."""

    def __init__(self, graph: CallGraph, offload: str) -> None:
        self.graph = graph
        self.contract = graph.reader.contract
        self.devices = Devices(graph, Accesses(graph.reader, offload, graph.handed))
        self.forms = Forms(graph.reader, graph.passed)

    def wrong(self, sites: Sequence[Site]) -> tuple[dict[Place, str], list[Doubt]]:
        """Return what calls ask for that is wrong there, and what is open.

        EGRESS: the device that a flow leaves by, where it comes in; OWNER, PINNED: a state's.
        """
        found: dict[Place, str] = {}
        doubts: list[Doubt] = []
        for site in sites:
            if site.access != RESOLVE or site.role != "lower":
                continue
            if is_of_a_flow(site):
                wrong, why = self._told(site)
                if wrong:
                    found[site.place] = EGRESS
                elif why:
                    doubts.append(Doubt(site.place, site.function.name, why))
            elif site.reached.context == CONTROL and (role := self._states(site)):
                found[site.place] = role
        return found, doubts

    def _states(self, site: Site) -> str:
        """Return which of a state's devices a call asks for, by its role; nothing for others."""
        asked = self._asked(site)
        whose = self.devices.of(*asked[:2]) if asked is not None else None
        if whose is None or whose.why or len(whose.whose) != 1:
            return ""
        return _STATES.get(next(iter(whose.whose)), "")

    def _told(self, site: Site) -> tuple[bool, str]:
        """Tell whether a call is wrong, or why that is open."""
        asked = self._asked(site)
        if asked is None:
            return False, _NOT_TOLD
        view, device, call = asked
        open_ = ""
        for case in self._cases(view, device, *self._directions(view, call)):
            whose = self.devices.of(case.view, case.node)
            if Whose.EGRESS in whose.whose and IN in case.directions:
                sure = not case.asked and not self._refuses_inbound(view)
                if sure or case.directions == {IN}:
                    return True, ""
                open_ = _NOT_ASKED
            elif whose.why or not whose.whose.isdisjoint((Whose.OTHER, Whose.PAIRED)):
                open_ = _NOT_TOLD
        return False, open_

    def _asked(self, site: Site) -> tuple[View, Node, Node] | None:
        """Return the view, the device and the call of a site."""
        for node in site.nodes:
            call, at = node.parent, self.contract.device_at
            arguments = arguments_of(call) if call is not None else []
            if call is not None and len(arguments) > at:
                return site.view, arguments[at], call
        return None

    def _cases(
        self,
        view: View,
        node: Node,
        directions: frozenset[str],
        asked: bool,
        depth: int = 0,
    ) -> Iterator[_Case]:
        """Yield what an expression can be, each with the directions in which it is."""
        values: Sequence[Node] = ()
        if node.type == "identifier" and depth < _DEEPEST:
            local = view.local(node_text(node), node.start_byte)
            if local is not None and local.parameter < 0:
                values = view.assignments(node_text(node))
        leaves = [
            leaf
            for value in values or [node]
            for leaf in self.forms.alternatives(Value(view, value))
        ]
        for leaf in leaves:
            own, doubtful = directions_at(leaf.node)
            inside = directions & own
            if inside and (leaf.node == node or depth >= _DEEPEST):
                yield _Case(leaf.view, leaf.node, inside, asked or doubtful)
            elif inside:
                yield from self._cases(view, leaf.node, inside, asked or doubtful, depth + 1)

    def _directions(self, view: View, node: Node, depth: int = 0) -> tuple[frozenset[str], bool]:
        """Return the directions in which a node is reached, and whether something else asks."""
        own, asked = directions_at(node)
        callers = self.graph.mentions(self.graph.known(view))
        if callers and depth >= _DEEPEST:
            # Who calls from further up can ask.
            return own, True
        above: frozenset[str] = frozenset()
        for where, name in callers:
            called, doubtful = self._directions(where, name, depth + 1)
            above |= called
            asked = asked or doubtful
        return own & (above or _BOTH), asked

    def _refuses_inbound(self, view: View) -> bool:
        """Tell whether the driver asks a state's direction anywhere: it may refuse some."""
        corpus = self.graph.reader.corpus
        paths = self.graph.reader.universe.files(view.path)
        return any(name.encode() in corpus.data(path) for path in paths for name in (IN, OUT))


def is_of_a_flow(site: Site) -> bool:
    """Tell whether a site is reached where flows are handed to hardware, and not per packet."""
    doors = site.reached.entries
    return site.reached.context != "datapath" and any(offloads_flows(door.name) for door in doors)


def directions_at(node: Node) -> tuple[frozenset[str], bool]:
    """Return the directions in which a function gets to a node, and whether something else asks."""
    found, asked = _BOTH, False
    for one in conditions_to(node):
        told = _said(one.node, one.held) if one.held is not None else _BOTH
        found &= told
        asked = asked or (told == _BOTH and _ASKS.search(node_text(one.node)) is not None)
    return found, asked


def _said(condition: Node, held: bool) -> frozenset[str]:
    """Return the directions in which a condition is as it is."""
    node = without_casts(condition)
    operator = node.child_by_field_name("operator")
    left, right = (node.child_by_field_name(side) for side in ("left", "right"))
    if operator is not None and left is not None and right is not None:
        if operator.type == ("&&" if held else "||"):
            return _said(left, held) & _said(right, held)
        if operator.type == ("||" if held else "&&"):
            return _said(left, held) | _said(right, held)
    if node.type == "unary_expression" and operator is not None and operator.type == "!":
        inner = node.child_by_field_name("argument")
        return _said(inner, not held) if inner is not None else _BOTH
    match = _COMPARED.fullmatch(node_text(node))
    if match is None:
        return _BOTH
    one = frozenset([match.group(2)])
    return one if (match.group(1) == "=") == held else _BOTH - one
