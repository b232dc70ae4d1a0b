"""What is freed below the delete callback while packets can still use it.

The core deletes a state while packets in flight hold it, and frees it when the last one is gone.
What the handle leads to is followed downwards from the callback: with

    struct sa *sa = (struct sa *)x->xso.offload_handle;        drop(p, sa);

drop()'s second parameter is that object, and `kfree(sa)` there is told. What kfree_rcu() and the
like free, or what stands behind a grace period, is none.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.cleanups import Cleanups
from xfrmlint.c.expression import arguments_of, around, without_casts
from xfrmlint.c.unit import Place, node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import DELETE, HANDLE
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.access import Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.namewalk import NameWalk
from xfrmlint.program.ops import Table
from xfrmlint.program.outside import called, calls_in
from xfrmlint.program.reach import Hop
from xfrmlint.program.sites import Site
from xfrmlint.valueflow.sources import returned

_GRACE = re.compile(rb"\b(?:synchronize_(?:rcu|net|srcu|sched)\w*|s?rcu_barrier\w*)\s*\(")
_COUNTED = re.compile(
    r"\b(?:\w*(?:dec|sub)_and_test\w*|refcount_\w+|kref_\w+|atomic\w*_(?:dec|sub)\w*)\s*\("
)
# A variable that is emptied frees nothing.
_KEPT = rb"_ptr\s*\(\s*%(name)b\s*\)|\b%(name)b\s*=\s*(?:NULL|nullptr|0)\s*;"
_DEEPEST = 6


class Freed(NamedTuple):
    """A call that frees what the handle leads to. what: as it is written. chain: the way there."""

    place: Place
    function: FunctionName
    what: str
    table: Table
    callback: str
    filled: Place
    chain: tuple[Hop, ...]


def find_freed(
    graph: CallGraph, names: NameWalk, tables: Iterable[Table], sites: Iterable[Site]
) -> tuple[list[Freed], list[Doubt]]:
    """Return what delete callbacks free of what the handle leads to, and what stays open."""
    slot = graph.reader.contract.slot(DELETE)
    handles = {s.place for s in sites if s.member == HANDLE and s.access != "write"}
    finder = _Finder(graph, handles)
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
                for place, function, what, chain in finder.below(view, frozenset(), (head,)):
                    freed = Freed(
                        place, function, what, table, callback.target, callback.place, chain
                    )
                    finder.found.setdefault((place, table.symbol), freed)
    return list(finder.found.values()), list(finder.doubts)


class _Finder:
    """Follows objects downwards. worth: names of functions below which something is freed."""

    def __init__(self, graph: CallGraph, handles: Collection[Place]) -> None:
        self.graph = graph
        self.handles = handles
        self.worth: frozenset[str] = frozenset()
        self.found: dict[tuple[Place, str], Freed] = {}
        self.doubts: dict[Doubt, None] = {}
        self._entered: set[tuple[FunctionName, frozenset[str]]] = set()

    def below(
        self, start: View, given: frozenset[str], chain: tuple[Hop, ...]
    ) -> Iterator[tuple[Place, FunctionName, str, tuple[Hop, ...]]]:
        """Yield what a function frees. given: those of its parameters that are of the handle."""
        function = self.graph.known(start)
        if (function, given) in self._entered or len(chain) > _DEEPEST:
            return
        self._entered.add((function, given))
        for view in self.graph.reader.expanded(start.path, start.written, {}):
            yield from self._at_the_end(view, function, given, chain)
            for call in calls_in(view):
                name, arguments = called(call), arguments_of(call)
                place = view.place(call.start_byte)
                targets = self._targets(view, call)
                taken = [at for at, one in enumerate(arguments) if self.is_of(view, one, given)]
                if not taken or self._waits(view, call):
                    continue
                counted = self._counted(call) or (
                    # Where a variable ends that is emptied before, somebody may keep it.
                    around(call, view.node.type) != view.node
                    and any(_is_kept(view, node_text(arguments[at])) for at in taken)
                )
                if not targets and function_named(name).frees in taken:
                    freed = node_text(arguments[function_named(name).frees])
                    if counted:
                        self.doubt(place, function, freed)
                    else:
                        yield place, function, f"{name}({freed})", chain
                for target in targets if name in self.worth else ():
                    inner = frozenset(n for at, n in enumerate(target.parameters) if at in taken)
                    hop = Hop(name, place.path, place.line, "")
                    for at, where, what, way in self.below(target, inner, (*chain, hop)):
                        # What a header frees for everybody is freed where it is asked to.
                        if at.path.endswith(".h"):
                            at, where, way = place, function, chain
                            what = " ".join(node_text(call).split())
                        if counted:
                            self.doubt(place, function, " ".join(node_text(call).split()))
                        else:
                            yield at, where, what, way

    def _at_the_end(
        self, view: View, function: FunctionName, given: frozenset[str], chain: tuple[Hop, ...]
    ) -> Iterator[tuple[Place, FunctionName, str, tuple[Hop, ...]]]:
        """Yield what is freed where a variable ends: `struct sa *sa __free(kfree) = ...`."""
        for named, released in Cleanups(view).frees():
            name, place = node_text(named), view.place(named.start_byte)
            text = view.text[view.node.start_byte : view.node.end_byte]
            if not self.is_of(view, named, given) or _GRACE.search(text):
                continue
            does = function_named(released)
            if does.frees == 0 and not _is_kept(view, name):
                yield place, function, f"__free({released}) of {name}", chain
            elif does.frees == 0 or not does.known:
                reason = f"whether __free({released}) frees {name} here is not known"
                self.doubts[Doubt(place, function.name, reason)] = None

    def doubt(self, place: Place, function: FunctionName, freed: str) -> None:
        """Note that packets may hold what is freed: then it is not freed under them."""
        reason = f"{freed} is counted and freed: do packets hold it?"
        self.doubts[Doubt(place, function.name, reason)] = None

    def _targets(self, view: View, call: Node) -> list[View]:
        name = called(call)
        if not name or view.local(name, call.start_byte) is not None:
            return []
        return self.graph.reader.definitions(name, view.path)

    def is_of(self, view: View, node: Node, given: frozenset[str], depth: int = 0) -> bool:
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
                if local.parameter >= 0 and name in given:
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
                return self._returned(view, node, given, depth)
        return False

    def _returned(self, view: View, call: Node, given: frozenset[str], depth: int) -> bool:
        """Tell whether what a call returns is the handle, or what it leads to."""
        arguments = arguments_of(call)
        taken = [n for n, one in enumerate(arguments) if self.is_of(view, one, given, depth + 1)]
        targets = self._targets(view, call)
        for target in targets:
            inner = frozenset(n for at, n in enumerate(target.parameters) if at in taken)
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
        """Tell whether a grace period has passed before a call."""
        return _GRACE.search(view.text, view.node.start_byte, call.start_byte) is not None

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
