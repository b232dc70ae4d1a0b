"""What can sleep below a resolver callback, which runs for every packet in softirq context.

Which of the kernel's functions may sleep stands in kernel/functions.toml.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.arguments import closing
from xfrmlint.c.blanking import Covered, without_comments
from xfrmlint.c.unit import Place, captured, node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import RESOLVE
from xfrmlint.kernel.functions import function_named, guard_sleeps
from xfrmlint.program.access import Doubt
from xfrmlint.program.branches import Bound, excluded, in_doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.ops import Table
from xfrmlint.program.outside import CALLS, Outside, Verdict, bound_of, called, doubtful
from xfrmlint.program.pointers import targets_of
from xfrmlint.program.reach import Hop

_GUARDS = re.compile(rb"\b(?:scoped_)?(?:cond_)?guard\s*\(\s*(\w+)")
# A guard's class of the driver's own, up to what takes the lock.
_DEFINED = rb"DEFINE_\w*GUARD\w*\(\s*%s\s*,"
_DEEPEST = 16
_MOST = 400


class Sleep(NamedTuple):
    """A call that can sleep. chain: from the callback to the function that it stands in."""

    place: Place
    function: FunctionName
    what: str
    table: Table
    callback: str
    filled: Place
    chain: tuple[Hop, ...]


def find_sleeps(graph: CallGraph, tables: Iterable[Table]) -> tuple[list[Sleep], list[Doubt]]:
    """Return the calls that can sleep below the callbacks of some tables, and what stays open."""
    sleeps: dict[tuple[Place, str], Sleep] = {}
    doubts: dict[Doubt, None] = {}
    slot = graph.reader.contract.slot(RESOLVE)
    for table in tables:
        for callback in table.callbacks:
            if callback.field != slot:
                continue
            head = Hop(callback.target, callback.place.path, callback.place.line, slot)
            for view in graph.reader.definitions(callback.target, table.place.path):
                for place, function, what, chain in _below(graph, view, (head,), doubts):
                    key = (place, table.symbol)
                    sleeps.setdefault(
                        key,
                        Sleep(place, function, what, table, callback.target, callback.place, chain),
                    )
    return list(sleeps.values()), list(doubts)


class _Entered(NamedTuple):
    """A function on the way. bound: what its parameters are, as far as a caller wrote it out."""

    view: View
    chain: tuple[Hop, ...]
    bound: Bound


class _Targets(NamedTuple):
    """What a call enters. views: of the driver's functions, None for a pointer not followed.

    through: the pointer. what: a function that sleeps and is called through it.
    """

    views: list[View] | None
    through: str = ""
    what: str = ""


def _below(
    graph: CallGraph, start: View, chain: tuple[Hop, ...], doubts: dict[Doubt, None]
) -> list[tuple[Place, FunctionName, str, tuple[Hop, ...]]]:
    found = []
    outside = Outside(graph)
    queue = [_Entered(start, chain, {})]
    seen: set[tuple[FunctionName, tuple[tuple[str, str], ...]]] = set()
    for view, hops, bound in queue:
        function = graph.known(view)
        mark = (function, tuple(sorted(bound.items())))
        if mark in seen:
            continue
        if len(seen) > _MOST or len(hops) > _DEEPEST:
            reason = f"{function.name}() was not followed, so far below a resolver callback"
            place = Place(hops[-1].path, hops[-1].line, 1)
            doubts[Doubt(place, hops[-2:][0].function, reason)] = None
            continue
        seen.add(mark)
        told = list(_guards(graph, view))
        for inner in graph.reader.expanded(view.path, view.written, {}):
            for call in captured(CALLS, inner.node, "call"):
                if excluded(call, bound):
                    continue
                place = inner.place(call.start_byte)
                targets = _targets(graph, inner, call)
                if targets.views is None:
                    reason = "a resolver callback calls a function pointer: it may sleep"
                    told.append((place, Verdict("", reason)))
                elif not targets.views:
                    verdict = Verdict(targets.what) if targets.what else None
                    verdict = verdict or outside.verdict(inner, call, bound)
                    if verdict.what and in_doubt(call, bound):
                        verdict = doubtful(verdict.what)
                    told.append((place, verdict))
                for target in targets.views or ():
                    hop = Hop(target.item.name, place.path, place.line, targets.through)
                    given = bound_of(graph, inner, call, target, bound, call.start_byte)
                    queue.append(_Entered(target, (*hops, hop), given))
        found += [(place, function, v.what, hops) for place, v in told if v.what]
        doubts.update((Doubt(p, function.name, v.reason), None) for p, v in told if v.reason)
    return found


def _targets(graph: CallGraph, view: View, call: Node) -> _Targets:
    """Return the driver's functions that a call enters."""
    name = called(call)
    if name and view.local(name, call.start_byte) is None:
        return _Targets(graph.reader.definitions(name, view.path))
    expression = call.child_by_field_name("function") or call
    through = node_text(expression)
    for value in view.assignments(through):
        if function_named(node_text(value)).sleeps == "always":
            return _Targets([], through, f"{node_text(value)}()")
    views = [graph.view(target) for target in targets_of(graph, view, expression)]
    return _Targets([v for v in views if v is not None] or None, through)


def _guards(graph: CallGraph, view: View) -> Iterator[tuple[Place, Verdict]]:
    """Yield what is to be said of a function's guards (include/linux/cleanup.h)."""
    item, unit = view.written, view.corpus.unit(view.path)
    text = without_comments(unit.data[item.start : item.end])
    dead = Covered(sorted((b.start, b.end) for b in unit.blanked.branches if b.dead))
    for match in _GUARDS.finditer(text):
        if dead(item.start + match.start()):
            continue
        name = match.group(1).decode()
        sleeps = guard_sleeps(name) or _own_guard(graph, view, match.group(1))
        place = unit.place(item.start + match.start())
        if sleeps == "always":
            yield place, Verdict(f"guard({name})")
        elif not sleeps:
            yield (
                place,
                Verdict("", f"guard({name}) takes an unknown lock: it may sleep"),
            )


def _own_guard(graph: CallGraph, view: View, name: bytes) -> str:
    """Return whether a guard's class sleeps that the driver defines; nothing if unknown."""
    pattern = re.compile(_DEFINED % re.escape(name))
    for path in graph.reader.universe.files(view.path):
        data = graph.reader.corpus.data(path)
        for match in pattern.finditer(without_comments(data) if name in data else b""):
            text = match.string
            end = closing(text, text.index(b"(", match.start()))
            if end is None:
                return ""
            names = re.findall(rb"(\w+)\s*\(", text[match.end() : end])
            does = [function_named(word.decode()) for word in names]
            if any(one.sleeps == "always" for one in does):
                return "always"
            return "never" if does and all(one.known for one in does) else ""
    return ""
