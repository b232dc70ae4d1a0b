"""Whether packets hold an object whose users are counted: then the last one frees it.

With

    kref_init(&sa->ref);        kref_put(&sa->ref, release);

and nothing that takes a further use, the put is the last one. A packet's use that is taken by way
of the handle comes too late: it is the freed object that is asked for it.
"""

import re
from collections.abc import Callable, Collection, Iterator

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, bare, given_to
from xfrmlint.c.mention import Slot, slot_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.view import View
from xfrmlint.kernel.doors import DATAPATH
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.reach import reached

_KIND = re.compile(
    r"(?:atomic\w*?|refcount|kref)_(?:(?P<init>init)|(?P<set>set)|(?P<ends>read|(?:dec|sub|put)\w*)"
    r"|(?:inc|add|get)\w*)"
)


class Counters:
    """Answers about one tree's drivers.

    is_handles: whether a member is of what the handle leads to. clearing: the drivers (see
    Universe.key()) that take the handle away before.
    """

    def __init__(
        self, graph: CallGraph, is_handles: Callable[[View, Node], bool], clearing: Collection[str]
    ) -> None:
        self._graph = graph
        self._is_handles = is_handles
        self._clearing = clearing

    def held(self, view: View, put: Node) -> bool | None:
        """Tell whether packets hold what a call gives up a use of; None if that is not known."""
        members = (one for one in map(bare, arguments_of(put)) if one.type == "field_expression")
        counter = next(members, None)
        slot = slot_of(self._graph.reader, view, counter) if counter is not None else None
        uses = set(self._uses(slot, view.path)) if slot is not None and slot.struct else set()
        if None in uses or "begins" not in uses:
            return None
        if "late" in uses and self._graph.reader.universe.key(view.path) in self._clearing:
            return None
        return "packet's" in uses

    def _uses(self, slot: Slot, path: str) -> Iterator[str | None]:
        """Yield what is done with a counter; None for what is not known."""
        reader = self._graph.reader
        for occurrence in reader.near(slot.field, path):
            for view, node in self._graph.as_member(*occurrence):
                member = node.parent
                if member is None or member.type == "field_declaration":
                    continue
                known = member.type == "field_expression"
                if not known or slot_of(reader, view, member).struct in (slot.struct, ""):
                    yield self._use(view, member)

    def _use(self, view: View, member: Node) -> str | None:
        up = member
        while up.parent is not None and bare(up.parent) == member:
            up = up.parent
        given = given_to(up)
        does = _KIND.fullmatch(given.name) if given is not None else None
        if given is None or does is None:
            return None
        if does["init"]:
            return "begins"
        if does["set"] and [*map(node_text, arguments_of(given.call))][1:] != ["1"]:
            return None
        if does.lastgroup:
            return "begins" if does["set"] else "ends"
        if reached(self._graph, self._graph.known(view)).context != DATAPATH:
            return None
        return "late" if self._is_handles(view, member) else "packet's"
