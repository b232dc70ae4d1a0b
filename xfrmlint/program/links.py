"""Two ways from one struct to a port: where a queue was made, and to whom it is lent.

    q->home = q->user = port;           in the function that makes a queue
    q->user = card->port[to];           in one that lends it
    eth_type_trans(skb, q->user->netdev)

Behind q->home is another device than the one at work then. Told is what is sure: the two are
stored together, one of them alone from a table, and the packet is given that one's device.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, bare, call_of
from xfrmlint.c.mention import slot_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import DEVICE
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.privates import Privates, read_of
from xfrmlint.valueflow.forms import Forms, Value, plain

# They give a packet its device on receive.
_GIVING = "eth_type_trans"


class Link(NamedTuple):
    """A member of a struct that leads to a device: it is one, or points to private data."""

    struct: str
    member: str


class Links:
    """Answers about one driver; each link is looked at once."""

    def __init__(self, graph: CallGraph, forms: Forms, privates: Privates) -> None:
        self._graph = graph
        self._reader: Reader = graph.reader
        self._forms = forms
        self._privates = privates
        self._known: dict[tuple[Link, str], bool] = {}

    def is_left_behind(self, link: Link, path: str) -> bool:
        """Tell whether another link leads to the device at work where this one does not."""
        key = (link, self._reader.universe.key(path))
        if key not in self._known:
            given = self._given(path) if link.struct else set()
            others = {one for one in given if one.struct == link.struct and link not in given}
            self._known[key] = any(self._moves(link, one, path) for one in others)
        return self._known[key]

    def _given(self, path: str) -> set[Link]:
        """Return the links by which a driver finds the device that it gives to packets."""
        found = set()
        for view, node in self._reader.near(_GIVING, path):
            call = call_of(node)
            given = function_named(_GIVING).packet_device
            arguments = arguments_of(call) if call is not None else []
            if given is not None and given.value.position < len(arguments):
                found.add(self._link(view, arguments[given.value.position]))
        return {one for one in found if one is not None}

    def _link(self, view: View, node: Node) -> Link | None:
        """Return the link by which an expression comes to a device."""
        device = read_of(view, bare(node))
        if device.type != "field_expression":
            return None
        base = read_of(view, bare(device.child_by_field_name("argument") or device))
        last = slot_of(self._reader, view, device)
        leads = base.type == "field_expression" and last.struct in self._privates.structs(view.path)
        return Link(*(slot_of(self._reader, view, base) if leads else last)[:2])

    def _moves(self, stays: Link, moves: Link, path: str) -> bool:
        """Tell whether two links are stored together once, and one alone from a table besides."""
        kinds = self._reader.types.fields_named(stays.struct, path)
        targets = {DEVICE, *self._privates.structs(path)}
        found = [kinds.get(one.member) for one in (stays, moves)]
        if any(kind is None or kind.base not in targets for kind in found):
            return False
        together = {function for function, _ in self._stored(stays, path)}
        stores = list(self._stored(moves, path))
        return any(function in together for function, _ in stores) and any(
            function not in together and _is_chosen(value) for function, value in stores
        )

    def _stored(self, link: Link, path: str) -> Iterator[tuple[FunctionName, Node]]:
        """Yield the functions that decide what a link is, and what they put there."""
        for stored in self._forms.stores_of_member(link.struct, link.member, path):
            if stored.value is None:
                continue
            for value in self._forms.alternatives(Value(stored.view, stored.value)):
                yield from self._decided(value.view, value.node)

    def _decided(self, view: View, node: Node) -> Iterator[tuple[FunctionName, Node]]:
        """Yield the function that decides about a value: the one at hand, or its callers."""
        root = plain(node)
        while root.type == "field_expression":
            root = plain(root.child_by_field_name("argument") or root.children[0])
        local = view.local(node_text(root), root.start_byte) if root.type == "identifier" else None
        if local is None or local.parameter < 0:
            yield view.function, node
            return
        for where, given in self._graph.handed(self._graph.known(view), local.parameter):
            yield where.function, given
        # It decides itself where it is no helper.
        yield view.function, node


def _is_chosen(value: Node) -> bool:
    """Tell whether a value is an element of a table."""
    return any(one.type == "subscript_expression" for one in (value, *below(value)))
