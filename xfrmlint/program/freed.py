"""What is freed below the delete callback while packets can still use it.

The core deletes a state while packets in flight hold it, and frees it when the last one is gone.
What the handle leads to (ofstate.py) is followed downwards from the callback, and told where it is
freed: by a call, at the end of a variable that is declared with __free(), at the end of a counter
in which packets have no part (counters.py), or with all that stands in a list (inlists.py); and so
is what a member of it leads to that packets read, while it lives on. What kfree_rcu() and the like
free is none, nor what stands behind a grace period that began when it could be found no more.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.cleanups import Cleanups
from xfrmlint.c.expression import LOOPS, arguments_of, around, called, met_by, without_casts
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.mention import Slot, slot_of
from xfrmlint.c.nodes import captured, node_text
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import DELETE, HANDLE, STATE
from xfrmlint.kernel.doors import CONTROL, DATAPATH
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.access import Doubt
from xfrmlint.program.bound import bound_of
from xfrmlint.program.branches import excluded, where_in
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.counters import Counters
from xfrmlint.program.inlists import InLists
from xfrmlint.program.namewalk import NameWalk
from xfrmlint.program.ofstate import Given, Is, OfState, holder_of
from xfrmlint.program.ops import Table
from xfrmlint.program.outside import CALLS, calls_in
from xfrmlint.program.pointers import targets_at, targets_of
from xfrmlint.program.reach import DEAD, Hop, reached
from xfrmlint.program.sites import Site

_GRACE = re.compile(rb"\b(?:synchronize_(?:rcu|net|srcu|sched)\w*|s?rcu_barrier\w*)\s*\(")
_COUNTED = re.compile(r"\w*(?:dec|sub)_and_test\w*|refcount_\w+|kref_\w+|atomic\w*_(?:dec|sub)\w*")
# What takes an object away from those who look for it.
_HIDES = re.compile(
    rb"\b(?:(?:list|hlist|hash|llist)_(?:del|nulls_del)\w*|(?:__)?xa_erase\w*|idr_remove|radix_tree_delete"
    rb"\w*|rhashtable_remove\w*|(?:rcu_assign_pointer|RCU_INIT_POINTER)\s*\([^;]*,\s*NULL)\b"
)
# A variable that is emptied frees nothing.
_KEPT = rb"_ptr\s*\(\s*%(name)b\s*\)|\b%(name)b\s*=\s*(?:NULL|nullptr|0)\s*;"
_LISTS = ("compound_statement", "case_statement")
_CHOOSING = ("if_statement", "else_clause", "switch_statement", "conditional_expression")
_DEEPEST = 40


class Freed(NamedTuple):
    """A call that frees what the handle leads to. what: as it is written. chain: the way there."""

    place: Place
    function: FunctionName
    what: str
    table: Table
    callback: str
    filled: Place
    chain: tuple[Hop, ...]


class _Free(NamedTuple):
    """Something that is freed. doubt: why that is not sure. member: which one of the object's."""

    place: Place
    function: FunctionName
    what: str
    chain: tuple[Hop, ...]
    doubt: str = ""
    member: Slot | None = None


def find_freed(
    graph: CallGraph, names: NameWalk, tables: Iterable[Table], sites: Iterable[Site]
) -> tuple[list[Freed], list[Doubt]]:
    """Return what delete callbacks free of what the handle leads to, and what stays open."""
    slot = graph.reader.contract.slot(DELETE)
    finder = _Finder(graph, names, [site for site in sites if site.member == HANDLE])
    found: dict[tuple[Place, str], Freed] = {}
    doubts: dict[Doubt, None] = {}
    for table in tables if slot else ():
        for callback in table.callbacks:
            if callback.field != slot or not finder.enters(callback.target, table.place.path):
                continue
            head = Hop(callback.target, callback.place.path, callback.place.line, slot)
            for view in graph.reader.definitions(callback.target, table.place.path):
                for one in finder.frees_of(view, head):
                    if one.doubt:
                        doubts[Doubt(one.place, one.function.name, one.doubt)] = None
                        continue
                    place, function, what, chain = one[:4]
                    told = Freed(
                        place, function, what, table, callback.target, callback.place, chain
                    )
                    found.setdefault((place, table.symbol), told)
    return list(found.values()), list(doubts)


class _Finder:
    """Follows objects downwards."""

    def __init__(self, graph: CallGraph, names: NameWalk, sites: Collection[Site]) -> None:
        self.graph = graph
        self._names = names
        self._state = OfState(graph, sites)
        self._lists = InLists(self._state)
        cleared = {site.view.path for site in sites if site.cleared and not site.under_free}
        clearing = frozenset(map(graph.reader.universe.key, cleared))
        self._counters = Counters(graph, self._is_followed, clearing)
        # Names of functions below which something is freed.
        self._worth: frozenset[str] = frozenset()
        self._entered: set[tuple[FunctionName, Given, str]] = set()

    def at_first(self, view: View) -> Given:
        """Return what is known where a callback begins: which of its parameters is the state."""
        own = (one for one in view.locals if one.parameter >= 0 and one.type.pointers == 1)
        state = frozenset(one.name for one in own if one.type.base == STATE)
        return Given(keys=state, lists=self._lists.kept)

    def enters(self, name: str, path: str) -> bool:
        """Note what is worth a look below a function; tell whether anything is freed there."""
        freeing = self._names.below(name, path).freeing
        self._worth |= freeing
        return bool(freeing)

    def frees_of(self, view: View, head: Hop) -> Iterator[_Free]:
        """Yield what a callback frees that packets can still find."""
        frees = list(self.below(view, self.at_first(view), (head,)))
        lives_on = all(one.member is not None for one in frees)
        for one in frees:
            read = lives_on and self._is_read(one.member, view.path) if one.member else True
            if read is None:
                yield one._replace(doubt=one.doubt or f"{one.what} is freed: do packets read it?")
            elif read:
                yield one

    def below(
        self, start: View, given: Given, chain: tuple[Hop, ...], doubt: str = ""
    ) -> Iterator[_Free]:
        """Yield what a function frees. given: what of its parameters is of the state."""
        function = self.graph.known(start)
        if (function, given, doubt) in self._entered:
            return
        if len(chain) > _DEEPEST:
            at = Place(chain[-1].path, chain[-1].line, 1)
            why = f"what {function.name}() frees was not looked at, so far below delete"
            yield _Free(at, function, "", chain, doubt or why)
            return
        self._entered.add((function, given, doubt))
        for view in self.graph.reader.expanded(start.path, start.written, {}):
            where = where_in(view, dict(given.bound), self.graph.constants)
            for one in self._ended(view, function, given, chain):
                yield one._replace(doubt=one.doubt or doubt)
            for call in calls_in(view):
                if not excluded(where, call):
                    yield from self._called(view, function, call, given, chain, doubt)

    def _called(
        self,
        view: View,
        function: FunctionName,
        call: Node,
        given: Given,
        chain: tuple[Hop, ...],
        doubt: str,
    ) -> Iterator[_Free]:
        """Yield what a call frees, itself or in the driver's functions that it enters."""
        name, arguments, place = called(call), arguments_of(call), view.place(call.start_byte)
        does, met = function_named(name), met_by(call)
        points = not name or view.local(name, call.start_byte) is not None
        if max(does.ends, does.frees) < 0 and not points and met not in self._worth:
            return
        views = self._entered_by(view, call)
        targets = views or []
        given = self._lists.at(view, given, call.start_byte)
        self._state.is_cut_off = False
        kinds, member, why = self._kinds(view, arguments, given)
        text = " ".join(node_text(call).split())
        if self._state.is_cut_off and not any(kinds):
            why = f"{text}: whether it is what the handle leads to is not followed so far"
            yield _Free(place, function, text, chain, why, member)
        doubt = doubt or why
        if not (any(kinds) or self._lists.kept or given.lists) or self._waits(view, call):
            return
        if views is None and Is.OBJECT in kinds:
            why = f"{text}: what is called is not known, it may free what the handle leads to"
            yield _Free(place, function, text, chain, why, member)
            return
        counter = call if does.ends >= 0 else _counter(call)
        held = self._counters.held(view, counter) if counter is not None else False
        if held:
            return
        if held is None or (
            # Where a variable ends that is emptied before, somebody may keep it.
            around(call, view.node.type) != view.node
            and any(
                kind is Is.OBJECT and _is_kept(view, node_text(one))
                for kind, one in zip(kinds, arguments, strict=True)
            )
        ):
            doubt = doubt or f"{text} is counted and freed: do packets hold it?"
        if 0 <= does.ends < len(arguments):
            kinds = kinds[:1]
        elif not targets and does.frees < len(kinds) and kinds[does.frees] is Is.OBJECT:
            freed = f"{name}({node_text(arguments[does.frees])})"
            yield _Free(place, function, freed, chain, doubt, member)
        through = name if does.ends >= 0 else node_text(call.children[0]) if points else ""
        for target in targets:
            hop = Hop(target.item.name, place.path, place.line, through)
            inner = self._lists.passed(target, view, call, kinds, given)
            bound = (
                bound_of(self.graph, view, call, target, dict(given.bound), call.start_byte)
                if does.ends < 0
                else {}
            )
            inner = inner._replace(bound=tuple(sorted(bound.items())))
            for free in self.below(target, inner, (*chain, hop), doubt):
                # What a header frees for everybody is freed where it is asked to.
                if free.place.path.endswith(".h"):
                    free = _Free(place, function, text, chain, free.doubt, free.member)
                yield free._replace(member=free.member or member)

    def _kinds(
        self, view: View, arguments: Sequence[Node], given: Given
    ) -> tuple[list[Is], Slot | None, str]:
        """Return what a call is given, the member that it is given of the object, and a doubt."""
        kinds = [self._state.of(view, one, given) for one in arguments]
        doubt = ""
        for at, one in enumerate(arguments):
            why = self._gathered(view, one, given) if kinds[at] is not Is.OBJECT else None
            if why is not None:
                kinds[at], doubt = Is.OBJECT, doubt or why
        inside = self._insides(view, arguments, given) if Is.OBJECT not in kinds else {}
        kinds = [Is.OBJECT if at in inside else kind for at, kind in enumerate(kinds)]
        return kinds, next(iter(inside.values()), None), doubt

    def _insides(self, view: View, arguments: Sequence[Node], given: Given) -> dict[int, Slot]:
        """Return which arguments are members of what the handle leads to: they are followed."""
        slots = ((at, self._inside(view, one, given)) for at, one in enumerate(arguments))
        return {at: slot for at, slot in slots if slot is not None}

    def _inside(self, view: View, node: Node, given: Given) -> Slot | None:
        """Return the member of what the handle leads to that an expression is."""
        node = without_casts(node)
        base = node.child_by_field_name("argument") if node.type == "field_expression" else None
        if base is None or self._state.of(view, node, given):
            return None
        if self._state.of(view, base, given) is Is.OBJECT or self._inside(view, base, given):
            return slot_of(self.graph.reader, view, node)
        return None

    def _is_read(self, slot: Slot, path: str) -> bool | None:
        """Tell whether packets read a member of what the handle leads to; None if that is open."""
        open_ = False
        for view, node in self.graph.reader.near(slot.field, path):
            member = node.parent
            if member is None or member.type != "field_expression":
                continue
            same = slot_of(self.graph.reader, view, member)[:2] == slot[:2]
            runs = reached(self.graph, self.graph.known(view)).context
            stored = bool(self.graph.forms.stores_at(view, node))
            if not same or stored or runs in (CONTROL, DEAD):
                continue
            if runs == DATAPATH and self._is_handed(view, holder_of(member)):
                return True
            open_ = True
        return None if open_ else False

    def _entered_by(self, view: View, call: Node) -> list[View] | None:
        """Return what a call enters, or lets be called where a counter ends, as targets_at() does.

        What is called there is looked at for what it frees.
        """
        at, arguments = function_named(called(call)).ends, arguments_of(call)
        if not 0 <= at < len(arguments):
            return targets_at(self.graph, view, call)
        found = map(self.graph.view, targets_of(self.graph, view, arguments[at]))
        views = [one for one in found if one is not None]
        for one in views:
            self.enters(one.item.name, one.path)
        return views or None

    def _gathered(self, view: View, node: Node, given: Given) -> str | None:
        """Return why what is taken of a list may not be the object; None if it is not of one."""
        over = self._lists.over(view, node) if self._state.is_handles(view, node) else None
        if over is None or self._waits(view, around(over, *LOOPS) or node):
            return None
        return self._lists.doubt(view, node, over, given)

    def _is_followed(self, view: View, member: Node) -> bool:
        """Tell whether packets come to the object of a member by a pointer, which is the handle.

        What a table has under a number they don't find when it has been taken from there.
        """
        base = holder_of(member)
        return self._state.is_handles(view, base) and self._is_handed(view, base)

    def _is_handed(self, view: View, base: Node) -> bool:
        """Tell whether an expression is what the handle leads to, here or as callers pass it."""
        local = view.local(node_text(base), base.start_byte)
        at = local.parameter if local is not None else -1
        passed = self.graph.passed(self.graph.known(view), at) if at >= 0 else []
        values = [(view, base), *passed]
        return any(self._state.of(where, one, Given()) is Is.OBJECT for where, one in values)

    def _ended(
        self, view: View, function: FunctionName, given: Given, chain: tuple[Hop, ...]
    ) -> Iterator[_Free]:
        """Yield what is freed where a variable ends: `struct sa *sa __free(kfree) = ...`."""
        for named, released in Cleanups(view).frees():
            name, place = node_text(named), view.place(named.start_byte)
            is_object = self._state.of(view, named, given) is Is.OBJECT
            if not is_object or self._waits_behind(view, named):
                continue
            does = function_named(released)
            freed = _Free(place, function, f"__free({released}) of {name}", chain)
            if does.frees == 0 and not _is_kept(view, name):
                yield freed
            elif does.frees == 0 or not does.known:
                reason = f"whether __free({released}) frees {name} here is not known"
                yield freed._replace(doubt=reason)

    def _waits(self, view: View, call: Node) -> bool:
        """Tell whether a grace period has passed before a call since nobody finds its object."""
        start, hidden = view.node.start_byte, -1
        for match in _HIDES.finditer(view.text, start, call.start_byte):
            hidden = match.start()
        return any(
            one.start_byte > hidden and _is_passed(one, call)
            for one in captured(CALLS, view.node, "call")
            if one.start_byte < call.start_byte and self._is_grace(view, one)
        )

    def _waits_behind(self, view: View, declared: Node) -> bool:
        """Tell whether a grace period passes in the block behind a declaration."""
        return any(
            one.start_byte > declared.end_byte and _block(one) == _block(declared)
            for one in captured(CALLS, view.node, "call")
            if self._is_grace(view, one)
        )

    def _is_grace(self, view: View, call: Node) -> bool:
        """Tell whether a call waits for a grace period, itself or in a function of the driver."""
        if _GRACE.match(f"{called(call)}(".encode()):
            return True
        return any(
            _GRACE.search(target.text, target.node.start_byte, target.node.end_byte)
            for target in self._state.targets(view, call)
        )


def _counter(call: Node) -> Node | None:
    """Return the call that counts down a counter at whose end a call stands."""
    return next(
        (
            one
            for asked in conditions_to(call)
            for one in captured(CALLS, asked.node, "call")
            if _COUNTED.fullmatch(called(one))
        ),
        None,
    )


def _is_kept(view: View, name: str) -> bool:
    """Tell whether a variable is emptied: what it held is not freed where it ends."""
    pattern = _KEPT % {b"name": re.escape(name.encode("utf-8", "surrogateescape"))}
    return re.search(pattern, view.text[view.node.start_byte : view.node.end_byte]) is not None


def _block(node: Node) -> Node | None:
    """Return the block that a statement stands in at once."""
    up = around(node.parent, *_LISTS, *_CHOOSING, *LOOPS)
    return up if up is not None and up.type in _LISTS else None


def _is_passed(earlier: Node, later: Node) -> bool:
    """Tell whether whoever comes to a call has come past an earlier one."""
    block = _block(earlier)
    return block is not None and block.start_byte <= later.start_byte < block.end_byte
