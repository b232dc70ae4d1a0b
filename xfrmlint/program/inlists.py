"""In which lists the object of a handle stands, and whether what is taken of one can be it.

With

    list_move(&sa->node, &p->dead);        list_for_each_entry_safe(one, next, &p->dead, node)

`one` is `sa` in one of the turns.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from tree_sitter import Node

from xfrmlint.c.expression import LOOPS, arguments_of, around, bare, called, without_casts
from xfrmlint.c.jumps import LEAVING, conditions_to
from xfrmlint.c.mention import slot_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.ofstate import FIRST, Given, Is, OfState, given_to, holder_of
from xfrmlint.program.outside import calls_in

_LINKS = re.compile(r"(?:h|ll)?list_(add|del(?!_all)|move|splice)\w*")
_LINKED = re.compile(rb"\b(?:h|ll)?list_(?:add|move)")
_DEEPEST = 3


class InLists:
    """Answers about one tree's drivers."""

    def __init__(self, state: OfState) -> None:
        self._state = state

    @cached_property
    def kept(self) -> frozenset[str]:
        """The lists into which add puts what it returns as a handle."""
        found: set[str] = set()
        for view, node in self._state.stored:
            given = Given(objects=frozenset([node_text(holder_of(node))]))
            for call in calls_in(view):
                found |= self._behind(view, call, given, 0)
        return _shared(found)

    def at(self, view: View, given: Given, end: int, depth: int = 0) -> Given:
        """Return the same, with the lists in which the object stands at an offset."""
        if depth or self.kept or given.lists or view.holds(_LINKED):
            for call in calls_in(view):
                if call.start_byte < end:
                    given = given._replace(lists=self._behind(view, call, given, depth))
        return given

    def _behind(self, view: View, call: Node, given: Given, depth: int) -> frozenset[str]:
        """Return the lists in which the object stands behind a call."""
        arguments, how = arguments_of(call), _LINKS.fullmatch(called(call))
        if how is not None and how[1] == "splice":
            first, *others = [self._named(view, one) for one in arguments[:2]]
            return given.lists.union(others if first in given.lists else ())
        kinds = [self._state.of(view, one, given) for one in arguments]
        if Is.OBJECT not in kinds:
            return given.lists
        if how is not None:
            before = given.lists if how[1] == "add" else frozenset()
            return before | {self._named(view, one) for one in arguments[1:2]}
        for target in self._state.targets(view, call)[:1] if depth < _DEEPEST else ():
            inner = self.passed(target, view, call, kinds, given)
            behind = self.at(target, inner, target.node.end_byte, depth + 1).lists
            return _shared(behind) | (given.lists - _shared(given.lists))
        return given.lists

    def passed(
        self, target: View, view: View, call: Node, kinds: Sequence[Is], given: Given
    ) -> Given:
        """Return what is known where a function begins that is called."""
        pairs = zip(target.parameters, arguments_of(call), strict=False) if given.lists else ()
        known = [name for name, one in pairs if self._named(view, one) in given.lists]
        return given_to(target, kinds)._replace(lists=_shared(given.lists).union(known))

    def doubt(self, view: View, node: Node, over: Node, given: Given) -> str:
        """Return why an element of a list may not be the object; nothing if one of them is."""
        loop = around(over, *LOOPS)
        head = loop.child_by_field_name("condition") if loop is not None else None
        if loop is not None and head is not None and not _is_chosen(node, loop):
            lists = self.at(view, given, loop.start_byte).lists
            whole = over.end_byte <= head.end_byte or "empty" in node_text(head)
            if whole and self._named(view, over) in lists:
                return ""
        name, listed = node_text(node), node_text(over)
        return f"whether {name} of {listed} is what the handle leads to is not known"

    def over(self, view: View, node: Node) -> Node | None:
        """Return the list of which a variable is an element."""
        for over in self._state.graph.forms.iterated(view, node_text(node)):
            return over
        for value in map(without_casts, view.assignments(node_text(node))):
            inner = next(iter(arguments_of(value)), None)
            if inner is not None and FIRST.search(called(value)):
                return inner
            if inner is not None and function_named(called(value)).struct >= 0:
                return next(self._state.graph.forms.iterated(view, node_text(inner)), None)
        return None

    def _named(self, view: View, node: Node) -> str:
        """Return which list an expression is, or leads to: of a struct, or by its variable."""
        node = bare(node, subscripts=True)
        if node.type == "field_expression":
            slot = slot_of(self._state.graph.reader, view, node)
            return f"{slot.struct}.{slot.field}"
        for value in view.assignments(node_text(node)):
            inner = bare(next(iter(arguments_of(value)), value), subscripts=True)
            if inner.type == "field_expression":
                return self._named(view, inner)
        return node_text(node)


def _shared(lists: Iterable[str]) -> frozenset[str]:
    """Return the lists that stand in structs."""
    return frozenset(one for one in lists if "." in one)


def _is_chosen(node: Node, loop: Node) -> bool:
    """Tell whether a loop may leave elements: it ends early, or asks for more than for NULL."""
    return any(one.type in ("break_statement", *LEAVING) for one in below(loop)) or any(
        node_text(leaf) == node_text(node)
        and leaf.parent is not None
        and leaf.parent.type in ("field_expression", "argument_list")
        for one in conditions_to(node)
        if loop.start_byte < one.of.start_byte
        for leaf in below(one.node)
    )
