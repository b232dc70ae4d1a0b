"""Structs that several net_devices have in common: what one keeps there is not each one's own.

Two ports of a card point to the card's struct; a device that is kept there is one port's, or that
of who came last. With

    static int port_create(struct card *card) { ... port->card = card; card->netdev = dev; ... }

and port_create() called in a loop, or by two functions that are given a card, port.card leads to
what is not the port's alone. What was made for the device, or what a single call gives it, is.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import (
    LOOPS,
    arguments_of,
    around,
    bare,
    call_of,
    called_by,
    without_casts,
)
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import NETDEV_OPS
from xfrmlint.kernel import structs
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.privates import Privates
from xfrmlint.valueflow.forms import Forms, Stored, Value, plain
from xfrmlint.valueflow.sources import returned_by

# Callers of callers; and steps from a value to where it is got.
_DEEPEST = 3
_FARTHEST = 8
_COUNTED = "update_expression"
_NETDEV = CType("struct net_device", 1)


class _Handed(NamedTuple):
    """What a call passes for a device. is_turned: it does so in each turn of a loop."""

    view: View
    argument: Node
    call: Node
    is_turned: bool


class Common:
    """Answers about one driver; each member of private data is looked at once."""

    def __init__(self, graph: CallGraph, forms: Forms, privates: Privates) -> None:
        self._graph = graph
        self._forms = forms
        self._privates = privates
        self._constants = Constants(graph.reader.types)
        self._known: dict[tuple[str, str, bool], bool] = {}

    def leads_to(self, member: str, path: str, pointed: bool) -> bool:
        """Tell whether a member of private data leads to what other devices have, too.

        pointed: it points there; else it is a struct, that can be a copy of another device's.
        """
        key = (member, self._graph.reader.universe.key(path), pointed)
        if key not in self._known:
            stores = self.stores(member, path)
            self._known[key] = any(self._is_several(one, pointed) for one in stores)
        return self._known[key]

    def holds_one(self, member: str, struct: str, field: str, path: str) -> bool:
        """Tell whether several devices find one device for all of them where a member leads.

        One caller makes them all, the device is stored where they are made, and each offers what
        the others do.
        """
        stores = self.stores(member, path)
        sharing = [one for one in stores if self._is_in_turn(one)]
        makers = {one.view.function for one in sharing}
        makers |= {where for one in sharing for where in self._callers(one)}
        # What one is made by that is made beside them.
        makers |= {one.view.function for one in stores if makers & self._callers(one)}
        kept = self._forms.stores_of_member(struct, field, path)
        return (
            bool(sharing and kept)
            and all(one.view.function in makers for one in kept)
            and not self._is_offered_by_some(path)
        )

    def is_the_senders(
        self, entry: FunctionName, member: str, struct: str, field: str, path: str
    ) -> bool | None:
        """Tell whether the one device that others find, too, is that for which an entry runs.

        It is if the entry is an operation of that device alone. None: that is not seen. The rest is
        as in holds_one().
        """
        tables = {use.slot.table for use in self._graph.doors_of(entry) if use.slot is not None}
        kept = [
            one
            for stored in self._forms.stores_of_member(struct, field, path)
            if stored.value is not None
            for one in self._named(Value(stored.view, stored.value), 0)
        ]
        makers = {where for where, _ in kept}
        turned = {one.view.function for one in self.stores(member, path) if self._is_in_turn(one)}
        if not tables or turned & makers:
            return False
        has = [one for table in tables for one in self._installed(table, path)]
        if any(one is not None and one[0] not in makers for one in has):
            return False
        return True if has and all(one in kept for one in has) else None

    def _installed(self, table: str, path: str) -> Iterator[tuple[FunctionName, str] | None]:
        """Yield the devices that get a table: in which function, by what name; None if not seen."""
        for view, node in self._graph.reader.near(table, path):
            up = node.parent
            is_declared = up is not None and up.child_by_field_name("declarator") == node
            if is_declared or around(node, "binary_expression") is not None:
                continue
            put = around(node, "assignment_expression")
            left = put.child_by_field_name("left") if put is not None else None
            device = left.child_by_field_name("argument") if left is not None else None
            if device is None or self._graph.reader.types.of(device, view) != _NETDEV:
                yield None
                continue
            yield from self._named(Value(view, device), 0)

    def _named(self, value: Value, depth: int) -> Iterator[tuple[FunctionName, str]]:
        """Yield the functions that have a device by themselves, and its name there."""
        view, node = value.view, bare(value.node)
        function = self._graph.known(view)
        local = view.local(node_text(node), node.start_byte)
        handed = (
            self._graph.handed(function, local.parameter)
            if local is not None and local.parameter >= 0 and depth < _DEEPEST
            else ()
        )
        for one in handed:
            yield from self._named(Value(*one), depth + 1)
        if not handed:
            yield function, node_text(node)

    def _callers(self, stored: Stored) -> set[FunctionName]:
        """Return the functions that call the one in which something is stored."""
        calls = self._graph.mentions(self._graph.known(stored.view))
        return {where.function for where, _ in calls}

    def _is_in_turn(self, stored: Stored) -> bool:
        """Tell whether a store is done for one device behind the other, with the same value."""
        if stored.value is None or stored.base is None or not _is_in_place(stored.value):
            return False
        value = bare(stored.value)
        loop = around(stored.at, *LOOPS)
        if loop is not None and _changes(stored.view, stored.base, loop):
            return not _changes(stored.view, value, loop)
        return self._is_surely_shared(stored.view, _root(value) or value)

    def _is_offered_by_some(self, path: str) -> bool:
        """Tell whether it depends on something whether a device gets an ops table."""
        return any(
            around(node, "if_statement", "switch_statement") is not None
            for view, node in self._graph.reader.near(NETDEV_OPS, path)
            if self._forms.stores_at(view, node)
        )

    def stores(self, member: str, path: str) -> list[Stored]:
        """Return the stores of a member of private data."""
        return [
            stored
            for struct in sorted(self._privates.holding(member, path))
            for stored in self._forms.stores_of_member(struct, member, path)
        ]

    def is_anothers(self, stored: Stored) -> bool:
        """Tell whether what is stored in private data can be from that of another device."""
        if stored.value is None or stored.base is None:
            return False
        holder = next(self._private(stored.view, stored.base), None)
        if holder is None:
            return False
        own = node_text(holder)
        return any(
            node_text(one) != own and not _is_put(stored.view, own, one)
            for leaf in self._forms.alternatives(Value(stored.view, stored.value))
            for one in self._private(leaf.view, leaf.node)
        )

    def _is_several(self, stored: Stored, pointed: bool) -> bool:
        if self.is_anothers(stored):
            return True
        value = bare(stored.value) if stored.value is not None else None
        if not pointed or value is None or stored.base is None:
            return False
        root = _root(value)
        if root is None:
            return False
        loop = around(stored.at, *LOOPS)
        if loop is not None and _changes(stored.view, stored.base, loop):
            return not _changes(stored.view, value, loop)
        return self._is_given_to_several(stored.view, root, 0)

    def _is_given_to_several(self, view: View, value: Node, depth: int) -> bool:
        """Tell whether a function is called for several devices with the same in one parameter."""
        local = view.local(node_text(value), value.start_byte)
        if local is not None and local.parameter < 0:
            return self._is_found(view, value, 0)
        if depth > _DEEPEST:
            return False
        handed = self._handed(view, value)
        if _repeated(handed):
            return True
        if len(handed) > 1:
            return not all(_is_made_in(one) for one in handed)
        wholes = [(one.view, _whole(one.argument)) for one in handed]
        return any(
            whole.type == "identifier" and self._is_given_to_several(view, whole, depth + 1)
            for view, whole in wholes
        )

    def _is_surely_shared(self, view: View, value: Node, depth: int = 0) -> bool:
        """Tell whether one caller calls a function for several devices, one behind the other."""
        named = value.type == "identifier"
        local = view.local(node_text(value), value.start_byte) if named else None
        if local is None or local.parameter < 0 or depth > _DEEPEST:
            return False
        handed = self._handed(view, value)
        return any(one.is_turned or _is_with_others(one, handed) for one in handed) or any(
            self._is_surely_shared(one.view, _whole(one.argument), depth + 1) for one in handed
        )

    def _handed(self, view: View, value: Node) -> list[_Handed]:
        """Return the calls of a function, and what each passes as a parameter, or as a global."""
        local = view.local(node_text(value), value.start_byte)
        at = local.parameter if local is not None else -1
        found = []
        for where, node in self._graph.mentions(self._graph.known(view)):
            call = call_of(node)
            given = arguments_of(call) if call is not None else []
            if call is None or at >= len(given):
                continue
            argument = bare(given[at]) if at >= 0 else value
            loop = around(call, *LOOPS)
            turned = loop is not None and not _changes(where, argument, loop)
            found.append(_Handed(where, argument, call, turned))
        return found

    def _is_found(self, view: View, node: Node, depth: int) -> bool:
        """Tell whether a value is got from where other devices find it, too.

        That is a file's variable, and the driver data of a parent, which has other children.
        """
        if depth > _FARTHEST:
            return False
        if node.type == "identifier":
            local = view.local(node_text(node), node.start_byte)
            if local is None:
                return self._graph.reader.types.variable(node_text(node), view.path) is not None
            values = [*view.assignments(local.name), *self._forms.iterated(view, local.name)]
            return any(
                self._is_found(leaf.view, leaf.node, depth + 1)
                for value in values
                for leaf in self._forms.alternatives(Value(view, value))
            )
        if node.type == "call_expression":
            return any(self._is_found(*one, depth + 1) for one in self._returned(view, node))
        inner = node.child_by_field_name("argument")
        if node.type == "field_expression" and inner is not None:
            kind = self._graph.reader.types.of(inner, view)
            field = node_text(node.child_by_field_name("field") or node)
            if kind is not None and (kind.base, field) == structs.PARENT:
                return True
        return inner is not None and self._is_found(view, inner, depth + 1)

    def _returned(self, view: View, call: Node) -> Iterator[Value]:
        """Yield what a function looks into, or, of a driver's, what it returns."""
        name, given = called_by(call), arguments_of(call)
        known = function_named(name)
        looked = known.passes or known.container == 0 or max(known.struct, known.like) >= 0
        if given and (looked or known.device):
            yield Value(view, given[0])
        yield from returned_by(self._graph.reader, name, view.path)

    def _private(self, view: View, node: Node) -> Iterator[Node]:
        """Yield the parts of an expression that point to private data, the outermost first."""
        types, structs = self._graph.reader.types, self._privates.structs(view.path)
        up: Node | None = node
        while up is not None:
            kind = types.of(up, view)
            if kind is not None and kind.pointers == 1:
                if types.resolved(kind, view.path).base in structs:
                    yield up
            inside = up.named_children[-1:] if up.type == "parenthesized_expression" else []
            up = up.child_by_field_name("argument") or next(iter(inside), None)


def _is_put(view: View, own: str, element: Node) -> bool:
    """Tell whether a function puts private data in an element of a table, or takes it from there.

    `card->port[nr] = port;`: what that element has is the port's own.
    """
    if element.type != "subscript_expression":
        return False
    text = node_text(element)
    stored = re.compile(re.escape(text) + r"\s*=\s*" + re.escape(own) + r"\s*;")
    body = view.text[view.node.start_byte : view.node.end_byte].decode("utf-8", "replace")
    taken = [node_text(value) for value in view.assignments(own)]
    return text in taken or stored.search(body) is not None


def _repeated(handed: Sequence[_Handed]) -> bool:
    """Tell whether one function passes the same for several devices."""
    passed = {(one.view.function, node_text(one.argument)) for one in handed}
    return any(one.is_turned for one in handed) or len(passed) < len(handed)


def _is_with_others(one: _Handed, handed: Sequence[_Handed]) -> bool:
    """Tell whether a call with the same comes behind a call, and not instead of it."""
    text = node_text(one.argument)
    return any(
        other.view.function == one.view.function
        and node_text(other.argument) == text
        and other.call.start_byte > one.call.start_byte
        and not _are_choices(one.call, other.call)
        for other in handed
    )


def _are_choices(one: Node, other: Node) -> bool:
    """Tell whether a function comes to one of two places alone."""
    inner, up = one, one.parent
    while up is not None and not up.start_byte <= other.start_byte < up.end_byte:
        inner, up = up, up.parent
    chosen = ("if_statement", "conditional_expression", "switch_statement")
    asked = up.child_by_field_name("condition") if up is not None else None
    in_switch = up is not None and around(up, "switch_statement") is not None
    return up is not None and (in_switch or (up.type in chosen and inner != asked))


def _is_made_in(one: _Handed) -> bool:
    """Tell whether what is passed is a variable of a function's own, that it gets somewhere."""
    root = plain(one.argument)
    if root.type != "identifier":
        return False
    local = one.view.local(node_text(root), root.start_byte)
    return local is not None and local.parameter < 0


def _changes(view: View, node: Node, loop: Node) -> bool:
    """Tell whether an expression is another one in each turn of a loop."""
    names = _names(node)
    body = loop.child_by_field_name("body")
    head = [child for child in loop.named_children if child != body]
    counted = [one.child_by_field_name("argument") for one in below(loop) if one.type == _COUNTED]
    return (
        any(names & _names(child) for child in head)
        or any(one is not None and node_text(one) in names for one in counted)
        or any(
            loop.start_byte <= value.start_byte < loop.end_byte
            for name in names
            for value in view.assignments(name)
        )
    )


def _whole(node: Node) -> Node:
    """Return the variable that a node is, or a fixed element of; itself where others decide."""
    root = plain(node)
    return root if _names(root) == _names(node) else node


def _root(node: Node) -> Node | None:
    """Return the variable by which alone a value is found: `card` of `&card->queue`."""
    root = plain(node)
    while root.type == "field_expression":
        inner = root.child_by_field_name("argument")
        if inner is None:
            return None
        root = plain(inner)
    return root if root.type == "identifier" and _names(root) == _names(node) else None


def _is_in_place(node: Node) -> bool:
    """Tell whether a value is a variable, or the address of a member of what that points to."""
    root, node = plain(node), without_casts(node)
    if root.type == "field_expression" and node.type == "pointer_expression":
        root = plain(root.child_by_field_name("argument") or root)
    return root.type == "identifier"


def _names(node: Node) -> set[str]:
    return {node_text(one) for one in below(node) if one.type == "identifier"}
