"""What can sleep below a callback that must not: the resolver's, and what runs under a lock.

Which of the kernel's functions may sleep stands in kernel/functions.toml, where the core calls a
callback in program/contexts.py. Below the callbacks but the resolver's the names alone are asked
first what is worth following (program/namewalk.py).
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.blanking import Covered, without_comments
from xfrmlint.c.cleanups import classes_in
from xfrmlint.c.expression import bare
from xfrmlint.c.unit import Place, captured, node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import RESOLVE
from xfrmlint.kernel.functions import function_named, guard_sleeps
from xfrmlint.program.access import Doubt
from xfrmlint.program.branches import Bound, context_asked, excluded, in_doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.contexts import MUST_NOT_SLEEP, Contexts
from xfrmlint.program.namewalk import Below, NameWalk, gives_up
from xfrmlint.program.ops import Callback, Table
from xfrmlint.program.outside import CALLS, Outside, Verdict, bound_of, called, calls_in, doubtful
from xfrmlint.program.pointers import targets_of
from xfrmlint.program.reach import Hop

_GUARDS = re.compile(rb"\b(?:(?:scoped_)?(?:cond_)?guard|ACQUIRE)\s*\(\s*(\w+)")
_DEEPEST = 16
_MOST = 400
# So many names are told of what nobody sees into.
_NAMED = 3


class Sleep(NamedTuple):
    """A call that can sleep. chain: from the callback to the function that it stands in.

    role: of the callback's slot. runs: where the callback is called, as a message says it.
    """

    place: Place
    function: FunctionName
    what: str
    table: Table
    callback: str
    filled: Place
    chain: tuple[Hop, ...]
    role: str
    runs: str


def find_sleeps(
    graph: CallGraph, names: NameWalk, tables: Iterable[Table]
) -> tuple[list[Sleep], list[Doubt]]:
    """Return the calls that can sleep below callbacks that must not, and what stays open."""
    return _Finder(graph, names).find(tables)


class _Entered(NamedTuple):
    """A function on the way. bound: what its parameters are, as far as a caller wrote it out.

    awake: why what is below may sleep all the same, if something says so.
    """

    view: View
    chain: tuple[Hop, ...]
    bound: Bound
    awake: str


class _Targets(NamedTuple):
    """What a call enters. views: of the driver's functions, None for a pointer not followed.

    through: the pointer. what: a function that sleeps and is called through it.
    """

    views: list[View] | None
    through: str = ""
    what: str = ""


class _Asked(NamedTuple):
    """A callback that is looked at. below: what of it is worth a look, None for all of it."""

    role: str
    callback: str
    below: Below | None

    @property
    def who(self) -> str:
        """What it is, in a doubt's words."""
        return "a resolver callback" if self.role == RESOLVE else f"{self.callback}()"

    def skips(self, name: str) -> bool:
        """Tell whether a call by a name leads to nothing that could sleep."""
        return self.below is not None and name not in self.below.names


class _Finder:
    """Looks at the callbacks of one part of a tree."""

    def __init__(self, graph: CallGraph, names: NameWalk) -> None:
        self.graph = graph
        self.outside = Outside(graph)
        self.names = names
        self.contexts = Contexts(graph.reader)
        self.sleeps: dict[tuple[Place, str, str], Sleep] = {}
        self.doubts: dict[Doubt, None] = {}

    def find(self, tables: Iterable[Table]) -> tuple[list[Sleep], list[Doubt]]:
        """Look at the callbacks of some tables."""
        contract = self.graph.reader.contract
        for table in tables:
            for callback in table.callbacks:
                role = contract.slot_role(callback.field)
                if role == RESOLVE or role in MUST_NOT_SLEEP:
                    self.look(table, callback, role)
        return list(self.sleeps.values()), list(self.doubts)

    def look(self, table: Table, callback: Callback, role: str) -> None:
        """Look at one callback."""
        below = None
        place = callback.place
        if role != RESOLVE:
            below = self.names.below(callback.target, table.place.path)
            if below.unseen:
                self.doubts[Doubt(place, callback.target, _unseen(callback.target, below))] = None
            if not below.names:
                return
        asked = _Asked(role, callback.target, below)
        head = Hop(callback.target, place.path, place.line, callback.field)
        for view in self.graph.reader.definitions(callback.target, table.place.path):
            for at, function, what, chain in self.below(asked, view, (head,)):
                runs = self.contexts.of(role)
                if not runs.known:
                    reason = f"{what} may sleep, and {runs.text}"
                    self.doubts[Doubt(at, function.name, reason)] = None
                    continue
                self.sleeps.setdefault(
                    (at, table.symbol, role if role == RESOLVE else ""),
                    Sleep(
                        at, function, what, table, callback.target, place, chain, role, runs.text
                    ),
                )

    def below(
        self, asked: _Asked, start: View, chain: tuple[Hop, ...]
    ) -> list[tuple[Place, FunctionName, str, tuple[Hop, ...]]]:
        """Return what sleeps below a function: where, in which one, what, and the way there."""
        graph = self.graph
        found = []
        queue = [_Entered(start, chain, {}, "")]
        seen: set[tuple[FunctionName, tuple[tuple[str, str], ...], str]] = set()
        for entered in queue:
            view, hops, bound, _ = entered
            function = graph.known(view)
            mark = (function, tuple(sorted(bound.items())), entered.awake)
            if mark in seen:
                continue
            if len(seen) > _MOST or len(hops) > _DEEPEST:
                reason = f"{function.name}() was not followed, so far below {asked.who}"
                place = Place(hops[-1].path, hops[-1].line, 1)
                self.doubts[Doubt(place, hops[-2:][0].function, reason)] = None
                continue
            seen.add(mark)
            told = list(_guards(graph, view))
            for inner in graph.reader.expanded(view.path, view.written, {}):
                for call in calls_in(inner):
                    if not asked.skips(_name_of(call)) and not excluded(call, bound):
                        told += self.call(asked, entered, inner, call, queue)
            found += [(place, function, v.what, hops) for place, v in told if v.what]
            for place, verdict in told:
                if verdict.reason:
                    self.doubts[Doubt(place, function.name, verdict.reason)] = None
        return found

    def call(
        self, asked: _Asked, entered: _Entered, inner: View, call: Node, queue: list[_Entered]
    ) -> Iterator[tuple[Place, Verdict]]:
        """Yield what is to be said of one call; add the driver's functions that it enters."""
        bound = entered.bound
        place = inner.place(call.start_byte)
        targets = _targets(self.graph, inner, call)
        awake = entered.awake or self.awake(asked, inner, call, bound)
        if targets.views is None:
            yield place, Verdict("", f"{asked.who} calls a function pointer: it may sleep")
        elif not targets.views:
            verdict = Verdict(targets.what) if targets.what else None
            verdict = verdict or self.outside.verdict(inner, call, bound)
            if verdict.what and awake:
                verdict = Verdict("", f"whether {verdict.what} may sleep here hangs on {awake}")
            if verdict.what and in_doubt(call, bound):
                verdict = doubtful(verdict.what)
            yield place, verdict
        for target in targets.views or ():
            hop = Hop(target.item.name, place.path, place.line, targets.through)
            given = bound_of(self.graph, inner, call, target, bound, call.start_byte)
            queue.append(_Entered(target, (*entered.chain, hop), given, awake))

    def awake(self, asked: _Asked, view: View, call: Node, bound: Bound) -> str:
        """Return what can have let a callback sleep at a call, in words; nothing if it can't."""
        context = context_asked(call, bound)
        if context:
            return f"what {context}() says"
        if asked.below is None or not asked.below.releases:
            return ""
        if view.item.name in asked.below.releases and gives_up(view, call.start_byte):
            return "the lock that is given up before"
        earlier = [
            one
            for one in captured(CALLS, view.node, "call")
            if one.start_byte < call.start_byte and called(one) in asked.below.releases
        ]
        return f"the lock that {called(earlier[-1])}() gives up" if earlier else ""


def _unseen(callback: str, below: Below) -> str:
    first, rest = below.unseen[:_NAMED], len(below.unseen) - _NAMED
    more = f" and {rest} more" if rest > 0 else ""
    does = "does" if len(below.unseen) == 1 else "do"
    return f"{callback}() must not sleep, and what {', '.join(first)}{more} {does} is not seen"


def _name_of(call: Node) -> str:
    """Return the name that a call was met by: a function's, or a member's."""
    name = called(call)
    function = call.child_by_field_name("function")
    field = bare(function).child_by_field_name("field") if function is not None else None
    return name or (node_text(field) if field is not None else "")


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
        sleeps = guard_sleeps(name) or _own_guard(graph, view, name)
        place = unit.place(item.start + match.start())
        if sleeps == "always":
            yield place, Verdict(f"guard({name})")
        elif not sleeps:
            yield (
                place,
                Verdict("", f"guard({name}) takes an unknown lock: it may sleep"),
            )


def _own_guard(graph: CallGraph, view: View, name: str) -> str:
    """Return whether a guard's class sleeps that the driver defines; nothing if unknown."""
    for path in graph.reader.universe.files(view.path):
        data = graph.reader.corpus.data(path)
        for one in classes_in(without_comments(data) if b"DEFINE_" in data else b""):
            if one.name != name or "GUARD" not in one.kind:
                continue
            words = re.findall(rb"(\w+)\s*\(", one.text)
            does = [function_named(word.decode()) for word in words]
            if any(did.sleeps == "always" for did in does):
                return "always"
            return "never" if does and all(did.known for did in does) else ""
    return ""
