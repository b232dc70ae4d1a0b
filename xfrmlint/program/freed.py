"""What is freed below the delete callback while packets can still use it.

The core deletes a state while packets in flight hold it, and frees it when the last one is gone.
What the handle leads to is followed downwards from the callback: with

    struct sa *sa = (struct sa *)x->xso.offload_handle;        drop(p, sa);

drop()'s second parameter is that object, and `kfree(sa)` there is told. So is what the end of a
variable frees that is declared with __free(), what was found by the state itself and has the type
of what add returned, and what a member of it leads to that packets read. What kfree_rcu() and the
like free is none, nor what stands behind a grace period that began when it could be found no more.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.cleanups import Cleanups
from xfrmlint.c.expression import arguments_of, around, bare, without_casts
from xfrmlint.c.mention import Slot, slot_of
from xfrmlint.c.unit import Place, captured, node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import DELETE, HANDLE, STATE
from xfrmlint.kernel.doors import CONTROL, DATAPATH
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.access import Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.namewalk import NameWalk
from xfrmlint.program.ops import Table
from xfrmlint.program.outside import CALLS, called, calls_in
from xfrmlint.program.reach import DEAD, Hop, reached
from xfrmlint.program.sites import Site
from xfrmlint.valueflow.forms import Value
from xfrmlint.valueflow.sources import returned

_GRACE = re.compile(rb"\b(?:synchronize_(?:rcu|net|srcu|sched)\w*|s?rcu_barrier\w*)\s*\(")
_COUNTED = re.compile(
    r"\b(?:\w*(?:dec|sub)_and_test\w*|refcount_\w+|kref_\w+|atomic\w*_(?:dec|sub)\w*)\s*\("
)
# What takes an object away from those who look for it.
_HIDES = re.compile(
    rb"\b(?:(?:list|hlist|hash|llist)_(?:del|nulls_del)\w*|(?:__)?xa_erase\w*|idr_remove|radix_tree_delete"
    rb"\w*|rhashtable_remove\w*|(?:rcu_assign_pointer|RCU_INIT_POINTER)\s*\([^;]*,\s*NULL)\b"
)
# A variable that is emptied frees nothing.
_KEPT = rb"_ptr\s*\(\s*%(name)b\s*\)|\b%(name)b\s*=\s*(?:NULL|nullptr|0)\s*;"
_LISTS = ("compound_statement", "case_statement")
# What an expression, or a variable that is declared, stands in at once.
_PARTS = (
    *("expression_statement", "parenthesized_expression", "cast_expression"),
    *("declaration", "init_declarator", "pointer_declarator"),
)
_DEEPEST = 6
_HELD = "counted and freed: do packets hold it?"


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
    """The same behind one callback. member: of the object, if it is what that leads to."""

    place: Place
    function: FunctionName
    what: str
    chain: tuple[Hop, ...]
    member: Slot | None = None


class _Given(NamedTuple):
    """Parameters of a function. objects: what the handle leads to. states: the state itself."""

    objects: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()


def find_freed(
    graph: CallGraph, names: NameWalk, tables: Iterable[Table], sites: Iterable[Site]
) -> tuple[list[Freed], list[Doubt]]:
    """Return what delete callbacks free of what the handle leads to, and what stays open."""
    slot = graph.reader.contract.slot(DELETE)
    sites = [site for site in sites if site.member == HANDLE]
    finder = _Finder(graph, sites)
    for table in tables if slot else ():
        for callback in table.callbacks:
            below = (
                names.below(callback.target, table.place.path) if callback.field == slot else None
            )
            if below is None or not below.freeing:
                continue
            finder.worth = below.freeing
            head = Hop(callback.target, callback.place.path, callback.place.line, slot)
            for view in graph.reader.definitions(callback.target, table.place.path):
                given = _Given(states=_states(view))
                for place, function, what, chain in finder.surely(view, given, head):
                    freed = Freed(
                        place, function, what, table, callback.target, callback.place, chain
                    )
                    finder.found.setdefault((place, table.symbol), freed)
    return list(finder.found.values()), list(finder.doubts)


class _Finder:
    """Follows objects downwards. worth: names of functions below which something is freed."""

    def __init__(self, graph: CallGraph, sites: Collection[Site]) -> None:
        self.graph = graph
        self.handles = {site.place for site in sites if site.access != "write"}
        self._stores = [site for site in sites if site.access == "write" and site.under_add]
        self.worth: frozenset[str] = frozenset()
        self.found: dict[tuple[Place, str], Freed] = {}
        self.doubts: dict[Doubt, None] = {}
        self._entered: set[tuple[FunctionName, _Given]] = set()

    @cached_property
    def _types(self) -> frozenset[str]:
        """The struct types of what add returns as a handle."""
        found: set[str] = set()
        for site in self._stores:
            for node in site.view.occurrences(site.field):
                if site.view.place(node.start_byte) == site.place:
                    found.update(self._stored_types(site.view, node))
        return frozenset(found)

    def _stored_types(self, view: View, node: Node) -> Iterator[str]:
        forms = self.graph.forms
        for stored in forms.stores_at(view, node):
            if stored.value is None:
                continue
            for leaf in forms.alternatives(Value(stored.view, stored.value)):
                kind = self.graph.reader.types.of(leaf.node, leaf.view)
                if kind is not None and kind.pointers == 1 and kind.base.startswith("struct "):
                    yield kind.base

    def surely(
        self, view: View, given: _Given, head: Hop
    ) -> Iterator[tuple[Place, FunctionName, str, tuple[Hop, ...]]]:
        """Yield what a callback frees that packets can still find."""
        frees = list(self.below(view, given, (head,)))
        lives_on = all(one.member is not None for one in frees)
        for one in frees:
            if one.member is None:
                yield one[:4]
            elif lives_on:
                read = self._is_read(one.member, view.path)
                if read is None:
                    self.doubt(one.place, one.function, one.what, "freed: do packets read it?")
                elif read:
                    yield one[:4]

    def below(self, start: View, given: _Given, chain: tuple[Hop, ...]) -> Iterator[_Free]:
        """Yield what a function frees. given: what of its parameters is of the handle."""
        function = self.graph.known(start)
        if (function, given) in self._entered or len(chain) > _DEEPEST:
            return
        self._entered.add((function, given))
        for view in self.graph.reader.expanded(start.path, start.written, {}):
            for place, what in self._ended(view, function, given):
                yield _Free(place, function, what, chain)
            for call in calls_in(view):
                yield from self._called(view, function, call, given, chain)

    def _called(
        self,
        view: View,
        function: FunctionName,
        call: Node,
        given: _Given,
        chain: tuple[Hop, ...],
    ) -> Iterator[_Free]:
        """Yield what a call frees, itself or in the driver's functions that it enters."""
        name, arguments = called(call), arguments_of(call)
        place = view.place(call.start_byte)
        if self._ends(view, call, given):
            self.doubt(place, function, " ".join(node_text(call).split()), _HELD)
        targets = self._targets(view, call)
        if not (targets and name in self.worth) and function_named(name).frees < 0:
            return
        taken = [at for at, one in enumerate(arguments) if self.is_object(view, one, given)]
        states = [at for at, one in enumerate(arguments) if _is_state(one, given)]
        inside = None
        if not taken:
            # What a member leads to, while the object lives on.
            found = [(at, self._inside(view, one, given)) for at, one in enumerate(arguments)]
            taken, inside = next((([at], slot) for at, slot in found if slot), ([], None))
        if not (taken or states) or self._waits(view, call):
            return
        counted = self._counted(call) or (
            # Where a variable ends that is emptied before, somebody may keep it.
            around(call, view.node.type) != view.node
            and any(_is_kept(view, node_text(arguments[at])) for at in taken)
        )
        if not targets and function_named(name).frees in taken:
            freed = node_text(arguments[function_named(name).frees])
            if counted:
                self.doubt(place, function, freed, _HELD)
            else:
                yield _Free(place, function, f"{name}({freed})", chain, inside)
        for target in targets if name in self.worth else ():
            hop = Hop(name, place.path, place.line, "")
            inner = _given_to(target, taken, states)
            for one in self.below(target, inner, (*chain, hop)):
                text = " ".join(node_text(call).split())
                # What a header frees for everybody is freed where it is asked to.
                if one.place.path.endswith(".h"):
                    one = _Free(place, function, text, chain, one.member)
                if counted:
                    self.doubt(place, function, text, _HELD)
                else:
                    yield one._replace(member=one.member or inside)

    def _ends(self, view: View, call: Node, given: _Given) -> bool:
        """Tell whether a call gives up one use of an object, and frees it with the last one."""
        ends, arguments = function_named(called(call)).ends, arguments_of(call)
        if not 0 <= ends < len(arguments):
            return False
        counter = bare(arguments[0])
        base = counter.child_by_field_name("argument")
        if base is None or not self.is_object(view, base, given):
            return False
        return any(
            function_named(called(inner)).frees >= 0
            for release in self.graph.reader.definitions(node_text(arguments[ends]), view.path)
            for inner in calls_in(release)
        )

    def _ended(
        self, view: View, function: FunctionName, given: _Given
    ) -> Iterator[tuple[Place, str]]:
        """Yield what is freed where a variable ends: `struct sa *sa __free(kfree) = ...`."""
        for named, released in Cleanups(view).frees():
            name, place = node_text(named), view.place(named.start_byte)
            if not self.is_object(view, named, given) or self._waits_behind(view, named):
                continue
            does = function_named(released)
            if does.frees == 0 and not _is_kept(view, name):
                yield place, f"__free({released}) of {name}"
            elif does.frees == 0 or not does.known:
                reason = f"whether __free({released}) frees {name} here is not known"
                self.doubts[Doubt(place, function.name, reason)] = None

    def _inside(self, view: View, node: Node, given: _Given) -> Slot | None:
        """Return the member of what the handle leads to that an expression is."""
        node = without_casts(node)
        base = node.child_by_field_name("argument") if node.type == "field_expression" else None
        if base is None or self.is_of(view, node, given):
            return None
        if self.is_object(view, base, given) or self._inside(view, base, given):
            return slot_of(self.graph.reader, view, node)
        return None

    def _is_read(self, slot: Slot, path: str) -> bool | None:
        """Tell whether packets read a member of what the handle leads to; None if that is open."""
        open_ = False
        for view, node in self.graph.reader.near(slot.field, path):
            member = node.parent
            base = member.child_by_field_name("argument") if member is not None else None
            if base is None or self.graph.forms.stores_at(view, node):
                continue
            runs = reached(self.graph, self.graph.known(view)).context
            same = slot_of(self.graph.reader, view, member or base)[:2] == slot[:2]
            if not same or runs in (CONTROL, DEAD):
                continue
            local = view.local(node_text(base), base.start_byte)
            at = local.parameter if local is not None else -1
            passed = self.graph.passed(view.function, at) if at >= 0 else ()
            ways = [(view, base), *passed]
            by_handle = any(self.is_of(where, one, _Given()) for where, one in ways)
            if runs == DATAPATH and by_handle:
                return True
            open_ = True
        return None if open_ else False

    def doubt(self, place: Place, function: FunctionName, freed: str, why: str) -> None:
        """Note that packets may hold what is freed: then it is not freed under them."""
        self.doubts[Doubt(place, function.name, f"{freed} is {why}")] = None

    def _targets(self, view: View, call: Node) -> list[View]:
        name = called(call)
        if not name or view.local(name, call.start_byte) is not None:
            return []
        return self.graph.reader.definitions(name, view.path)

    def is_object(self, view: View, node: Node, given: _Given) -> bool:
        """Tell whether an expression is what the handle leads to, or a state's by its type."""
        if self.is_of(view, node, given):
            return True
        if not given.states or not self._is_found(view, node, given, 0):
            return False
        kind = self.graph.reader.types.of(without_casts(node), view)
        return kind is not None and kind.pointers == 1 and kind.base in self._types

    def _is_found(self, view: View, node: Node, given: _Given, depth: int) -> bool:
        """Tell whether an expression is what a table holds for a state."""
        node = without_casts(node)
        if depth > _DEEPEST:
            return False
        match node.type:
            case "identifier":
                name = node_text(node)
                if view.local(name, node.start_byte) is None or name in given.states:
                    return False
                values = view.assignments(name)
                if any(self._is_found(view, value, given, depth + 1) for value in values):
                    return True
                return any(_is_compared(view, name, state) for state in given.states)
            case "conditional_expression":
                sides = map(node.child_by_field_name, ("consequence", "alternative"))
                return any(
                    s is not None and self._is_found(view, s, given, depth + 1) for s in sides
                )
            case "call_expression":
                arguments = arguments_of(node)
                states = [at for at, one in enumerate(arguments) if _is_state(one, given)]
                for target in self._targets(view, node) if states else ():
                    inner = _given_to(target, (), states)
                    if any(self._is_found(target, v, inner, depth + 1) for v in returned(target)):
                        return True
                return bool(states) and function_named(called(node)).container >= 0
        return False

    def is_of(self, view: View, node: Node, given: _Given, depth: int = 0) -> bool:
        """Tell whether an expression is the handle, or the object that it leads to."""
        node = without_casts(node)
        if depth > _DEEPEST:
            return False

        def of(inner: Node | None) -> bool:
            return inner is not None and self.is_of(view, inner, given, depth + 1)

        match node.type:
            case "identifier":
                name = node_text(node)
                local = view.local(name, node.start_byte)
                if local is None:
                    return False
                if local.parameter >= 0 and name in given.objects:
                    return True
                return any(of(value) for value in view.assignments(name))
            case "field_expression":
                field = node.child_by_field_name("field")
                return field is not None and view.place(field.start_byte) in self.handles
            case "subscript_expression":
                return of(node.child_by_field_name("index"))
            case "binary_expression":
                return of(node.child_by_field_name("left"))
            case "conditional_expression":
                sides = ("consequence", "alternative")
                return any(of(node.child_by_field_name(side)) for side in sides)
            case "call_expression":
                asks = called(node) in self.graph.reader.contract.askers
                return asks or self._returned(view, node, given, depth)
        return False

    def _returned(self, view: View, call: Node, given: _Given, depth: int) -> bool:
        """Tell whether what a call returns is the handle, or what it leads to."""
        arguments = arguments_of(call)
        taken = [n for n, one in enumerate(arguments) if self.is_of(view, one, given, depth + 1)]
        targets = self._targets(view, call)
        for target in targets:
            inner = _given_to(target, taken, ())
            if any(self.is_of(target, value, inner, depth + 1) for value in returned(target)):
                return True
        if targets or not taken:
            return False
        does = function_named(called(call))
        if does.is_("copies"):
            return False
        passes = does.returned is not None and does.returned.position in taken
        return passes or does.struct >= 0 or does.container >= 0

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
            for target in self._targets(view, call)
        )

    def _counted(self, call: Node) -> bool:
        """Tell whether a call stands where a counter of users has come to its end."""
        up = call.parent
        while up is not None:
            condition = up.child_by_field_name("condition")
            if condition is not None and _COUNTED.search(node_text(condition)):
                return True
            if up.type == "compound_statement":
                for earlier in up.named_children:
                    asked = earlier.child_by_field_name("condition")
                    if earlier.start_byte >= call.start_byte:
                        break
                    if asked is not None and _COUNTED.search(node_text(asked)):
                        return True
            up = up.parent
        return False


def _is_kept(view: View, name: str) -> bool:
    """Tell whether a variable is emptied: what it held is not freed where it ends."""
    pattern = _KEPT % {b"name": re.escape(name.encode("utf-8", "surrogateescape"))}
    return re.search(pattern, view.text[view.node.start_byte : view.node.end_byte]) is not None


def _states(view: View) -> frozenset[str]:
    """Return the parameters that are a state."""
    return frozenset(
        one.name
        for one in view.locals
        if one.parameter >= 0 and one.type.base == STATE and one.type.pointers == 1
    )


def _given_to(target: View, taken: Collection[int], states: Collection[int]) -> _Given:
    names = target.parameters
    return _Given(
        frozenset(name for at, name in enumerate(names) if at in taken),
        frozenset(name for at, name in enumerate(names) if at in states),
    )


def _is_state(node: Node, given: _Given) -> bool:
    """Tell whether an argument is the state, as a pointer or a number."""
    return node_text(without_casts(node)) in given.states


def _is_compared(view: View, name: str, state: str) -> bool:
    """Tell whether what a variable points to is asked for the state that it belongs to."""
    member = rf"\b{re.escape(name)}\s*->\s*[\w.>-]+"
    found = rf"{member}\s*==\s*{re.escape(state)}\b(?!\s*->)|\b{re.escape(state)}\s*==\s*{member}"
    text = view.text[view.node.start_byte : view.node.end_byte]
    return re.search(found.encode(), text) is not None


def _block(node: Node) -> int:
    """Return where the block begins that a statement stands in at once; -1 for another place."""
    up = node.parent
    while up is not None and up.type in _PARTS:
        up = up.parent
    return up.start_byte if up is not None and up.type in _LISTS else -1


def _is_passed(earlier: Node, later: Node) -> bool:
    """Tell whether whoever comes to a call has come past an earlier one."""
    block, up = _block(earlier), later.parent
    while up is not None:
        if up.type in _LISTS and up.start_byte == block:
            return True
        up = up.parent
    return False
