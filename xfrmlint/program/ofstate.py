"""What an expression is of a state that a function handles: its key, or what its handle leads to.

With

    struct sa *sa = (struct sa *)x->xso.offload_handle;        drop(p, sa);

drop()'s second parameter is that object. So is what a table has under the state or a number of it,
and the entry of a list that is compared with these, if it has the type of what add returned.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import LOOPS, arguments_of, around, called, without_casts
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.contract.words import STATE
from xfrmlint.kernel.doors import DATAPATH
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.branches import Where, excluded, holds
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.pointers import targets_at
from xfrmlint.program.reach import reached
from xfrmlint.program.sites import Site
from xfrmlint.valueflow.forms import Value
from xfrmlint.valueflow.sources import returned

# What is got of a list's head, and not of one of its nodes.
FIRST = re.compile(r"_(?:first|last)_")
_MEMBERS = ("field_expression", "subscript_expression", "parenthesized_expression")
_LEFT_BY = ("break_statement", "goto_statement")
_DEEPEST = 6


class Is(IntEnum):
    """KEY: the state, or what tells it from others. OBJECT: the handle, and what it leads to."""

    NOTHING = 0
    KEY = 1
    OBJECT = 2


class Given(NamedTuple):
    """Variables of a function by what they are where it begins.

    lists: the lists in which the object stands there. bound: what of its parameters is a number.
    """

    objects: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    bound: tuple[tuple[str, str], ...] = ()


class OfState:
    """Answers about one tree's drivers. sites: those of the handle."""

    def __init__(self, graph: CallGraph, sites: Collection[Site]) -> None:
        self.graph = graph
        self._handles = {site.place for site in sites if site.access != "write"}
        # Whether something was made on more steps than are followed.
        self.is_cut_off = False
        self._stores = [site for site in sites if site.access == "write" and site.under_add]

    @cached_property
    def stored(self) -> list[Value]:
        """The values that add stores as a handle."""
        forms = self.graph.forms
        return [
            leaf
            for site in self._stores
            for node in site.nodes
            for stored in forms.stores_at(site.view, node)
            if stored.value is not None
            for leaf in forms.alternatives(Value(stored.view, stored.value))
        ]

    @cached_property
    def _types(self) -> frozenset[str]:
        """The struct types of what add returns as a handle."""
        return frozenset(self._type(*one) for one in self.stored) - {""}

    @cached_property
    def _numbered(self) -> frozenset[str]:
        """The struct types of what has the number that add returns as a handle."""
        return frozenset(self._type(view, holder_of(node)) for view, node in self.stored)

    @cached_property
    def _tabled(self) -> frozenset[str]:
        """The struct types of what a table has under the number that add returns as a handle."""
        return frozenset(kind for one in self.stored for kind in self._under(*one))

    def _under(self, view: View, number: Node) -> Iterator[str]:
        """Yield the struct types of what add puts under a number in a table that packets read."""
        words = _names_in(number)
        for node in below(view.node):
            index = node.child_by_field_name("index")
            put = node.parent if node.parent is not None else node
            if index is None or put.child_by_field_name("left") != node:
                continue
            # The number, or what has it: p->sas[i] = sa, of sa->number.
            value = put.child_by_field_name("right") or node
            if words & _names_in(index) or node_text(value) in words:
                kind = self._type(view, node)
                if kind not in ("", STATE) and self._is_read_by_packets(view, node):
                    yield kind

    def _is_read_by_packets(self, view: View, element: Node) -> bool:
        """Tell whether the datapath takes an element of the table in which one lies."""
        table = without_casts(element.child_by_field_name("argument") or element)
        name = node_text(table.child_by_field_name("field") or table)
        return any(
            around(node, "subscript_expression") is not None
            and not self.graph.forms.stores_at(where, node)
            and reached(self.graph, self.graph.known(where)).context == DATAPATH
            for where, node in self.graph.reader.near(name, view.path)
        )

    def _type(self, view: View, node: Node) -> str:
        kind = self.graph.reader.types.of(without_casts(node), view)
        is_struct = kind is not None and kind.pointers == 1 and kind.base.startswith("struct ")
        return kind.base if kind is not None and is_struct else ""

    def is_handles(self, view: View, node: Node) -> bool:
        """Tell whether an expression has the type of what add returned."""
        return self._type(view, node) in self._types

    def targets(self, view: View, call: Node) -> list[View]:
        """Return the driver's functions that a call enters, as far as that is known."""
        return targets_at(self.graph, view, call) or []

    def of(self, view: View, node: Node, given: Given, way: tuple[int, ...] = ()) -> Is:
        """Return what an expression is of the state."""
        node = without_casts(node)
        if len(way) > _DEEPEST:
            self.is_cut_off = True
        # What it is made of itself says no more.
        known = len(way) > _DEEPEST or node.id in way
        found = Is.NOTHING if known else self._made(view, node, given, (*way, node.id))
        kind = self._type(view, node) if found is Is.KEY else ""
        if kind and (kind in self._types or kind in self._tabled):
            return Is.OBJECT
        return found

    def _made(self, view: View, node: Node, given: Given, way: tuple[int, ...]) -> Is:
        def of(inner: Node | None) -> Is:
            return self.of(view, inner, given, way) if inner is not None else Is.NOTHING

        match node.type:
            case "identifier":
                name = node_text(node)
                if view.local(name, node.start_byte) is None:
                    return Is.NOTHING
                own = Is.OBJECT if name in given.objects else Is(name in given.keys)
                found = max([own, *map(of, view.assignments(name))])
                return found or self._compared(view, node, given, way)
            case "field_expression":
                field, types = node.child_by_field_name("field"), self.graph.reader.types
                if field is not None and view.place(field.start_byte) in self._handles:
                    return Is.OBJECT
                # x->id.spi; a pointer there leads to what other states have, too.
                holder, kind = holder_of(node), types.of(node, view)
                state = types.of(holder, view)
                if state is None or state.base != STATE or (kind is not None and kind.pointers):
                    return Is.NOTHING
                return of(holder)
            case "pointer_expression":
                inner, taken = node.named_children[-1], node.children[0].type == "&"
                whole = taken and inner.type == "field_expression"
                return of(holder_of(inner) if whole else inner)
            case "subscript_expression":
                found = of(node.child_by_field_name("index"))
                return found or self._compared(view, node, given, way)
            case "binary_expression":
                return of(node.child_by_field_name("left"))
            case "conditional_expression":
                sides = ("consequence", "alternative")
                return max(of(node.child_by_field_name(side)) for side in sides)
            case "call_expression":
                return self._returned(view, node, given, way)
        return Is.NOTHING

    def _compared(self, view: View, node: Node, given: Given, way: tuple[int, ...]) -> Is:
        """Return what an expression is where it is compared, and only the state's comes by."""
        pairs: dict[str, str] = {}
        found = Is.NOTHING
        for side, other in _comparisons(view, _text(node)):
            what = self.of(view, other, given, way)
            if what:
                pairs[_text(side)] = _text(other)
                itself = _text(side) == _text(node) or self._type(view, node) in self._numbered
                found = max(found, what if itself else Is.KEY)
        return found if found and self._is_let_by(view, node, pairs) else Is.NOTHING

    def _is_let_by(self, view: View, node: Node, pairs: Mapping[str, str]) -> bool:
        """Tell whether a node is reached where what is compared is equal, and only there."""
        given = (dict.fromkeys(pairs, number) for number in "12")
        bound = (dict.fromkeys(pairs.values(), "1") | one for one in given)
        equal, other = (Where(view, one, self.graph.constants) for one in bound)
        if excluded(equal, node):
            return False
        # A loop is left with what it looks for: by a jump, or by its own condition.
        before = [one for one in below(view.node) if one.end_byte <= node.start_byte]
        ways = [node, *(one for one in before if one.type in _LEFT_BY)]
        return any(excluded(other, one) and not excluded(equal, one) for one in ways) or any(
            holds(equal, one) is False and holds(other, one) is not False
            for one in before
            if one.type in LOOPS
        )

    def _returned(self, view: View, call: Node, given: Given, way: tuple[int, ...]) -> Is:
        """Return what is returned by a call."""
        if called(call) in self.graph.reader.contract.askers:
            return Is.OBJECT
        does, arguments = function_named(called(call)), arguments_of(call)
        kinds = [self.of(view, one, given, way) for one in arguments]
        if not any(kinds) or does.is_("copies"):
            return Is.NOTHING
        told: list[Is] = []
        targets = self.targets(view, call)
        if targets:
            inner = [(target, given_to(target, kinds)) for target in targets]
            told = [self.of(t, v, g, way) for t, g in inner for v in returned(t)]
        elif does.container >= 0:
            told = [kind for at, kind in enumerate(kinds) if at != does.container]
        elif does.returned is not None:
            value = arguments[does.returned.position : does.returned.position + 1]
            if does.returned.pointed:
                # xchg(&p->sas[i], NULL)
                value = [one.named_children[-1] for one in value if node_text(one)[:1] == "&"]
            told = [self.of(view, one, given, way) for one in value]
        elif does.struct >= 0 and not FIRST.search(called(call)):
            told = kinds[:1]
        return max(told, default=Is.NOTHING)


def given_to(target: View, kinds: Sequence[Is]) -> Given:
    """Return what a function's parameters are, by what it is called with."""
    names = list(zip(target.parameters, kinds, strict=False))
    objects, keys = (frozenset(n for n, kind in names if kind is k) for k in (Is.OBJECT, Is.KEY))
    return Given(objects, keys)


def _names_in(node: Node) -> set[str]:
    return {node_text(one) for one in below(node) if one.type == "identifier"}


def holder_of(node: Node) -> Node:
    """Return p for p->m, p->m.n and p->m[i]; another expression as it is."""
    inner = node
    while inner.type in _MEMBERS:
        by = inner.child_by_field_name("operator")
        inner = inner.child_by_field_name("argument") or inner.named_children[-1]
        if by is not None and by.type == "->":
            return without_casts(inner)
    return node


def _text(node: Node) -> str:
    return re.sub(r"\s", "", node_text(without_casts(node)))


def _comparisons(view: View, text: str) -> Iterator[tuple[Node, Node]]:
    """Yield what is asked of an expression, or of what it points to or numbers; and for what."""
    word = re.match(r"\w+", text)
    for leaf in view.occurrences(word.group()) if word is not None else ():
        up = around(leaf, "binary_expression")
        sign = up.child_by_field_name("operator") if up is not None else None
        if up is None or sign is None or sign.type not in ("==", "!="):
            continue
        left, right = up.named_children[0], up.named_children[-1]
        for side, other in ((left, right), (right, left)):
            asked = _text(side)
            if asked == text or asked.startswith(f"{text}->") or f"[{text}]" in asked:
                yield side, other
