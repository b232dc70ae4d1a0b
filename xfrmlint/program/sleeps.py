"""What can sleep below a callback that must not: the resolver's, what runs under a lock, packets.

Which of the kernel's functions may sleep stands in kernel/functions.toml, where the core calls a
callback in program/contexts.py. Below the callbacks but the resolver's the names alone are asked
first what is worth following (program/namewalk.py). Of what runs for each packet those doors are
looked at behind which a handle is got.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.arguments import closing
from xfrmlint.c.blanking import Covered
from xfrmlint.c.cleanups import classes_in
from xfrmlint.c.expansion import Macro
from xfrmlint.c.expression import called, met_by
from xfrmlint.c.index import has_word
from xfrmlint.c.nodes import captured, node_text
from xfrmlint.c.text import without_comments
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import ADD, HANDLE, RESOLVE
from xfrmlint.kernel.doors import DATAPATH
from xfrmlint.kernel.functions import function_named, guard_sleeps
from xfrmlint.program.access import Doubt
from xfrmlint.program.bound import bound_of
from xfrmlint.program.branches import (
    Bound,
    Where,
    context_asked,
    excluded,
    in_doubt,
    set_before,
    where_in,
)
from xfrmlint.program.callgraph import CallGraph, Entry
from xfrmlint.program.contexts import MUST_NOT_SLEEP, Contexts
from xfrmlint.program.namewalk import Below, NameWalk, gives_up
from xfrmlint.program.ops import Callback, Table
from xfrmlint.program.outside import CALLS, Outside, Verdict, calls_in, doubtful
from xfrmlint.program.pointers import targets_at
from xfrmlint.program.reach import Hop
from xfrmlint.program.sites import RESOLVE as ASKED
from xfrmlint.program.sites import Site

_GUARDS = re.compile(rb"\b(?:(?:scoped_)?(?:cond_)?guard|ACQUIRE)\s*\(\s*(\w+)")
_SET = re.compile(rb"(?:->|\.)\s*(\w+)\s*=\s*(?:true|false|\d+|[A-Z][A-Z0-9_]*)\s*[;,}]")
_DEEPEST = 16
_MOST = 400
# So many names are told of what nobody sees into.
_NAMED = 3
# Stands where a callback's role does.
PACKETS = "packets"


class Sleep(NamedTuple):
    """A call that can sleep. chain: from the callback to the function that it stands in.

    role: of the callback's slot, or PACKETS. runs: where the callback is called, as a message
    says it.
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
    graph: CallGraph, names: NameWalk, tables: Iterable[Table], sites: Iterable[Site]
) -> tuple[list[Sleep], list[Doubt]]:
    """Return the calls that can sleep where nothing may, and what stays open.

    sites: where handles are got, from which the doors are known that packets come through.
    """
    finder = _Finder(graph, names)
    for table in tables:
        finder.look_at_callbacks(table)
    for site in (site for site in sites if _gets_handle(site)):
        finder.look_at_packets(site)
    return list(finder.sleeps.values()), list(finder.doubts)


class _Entered(NamedTuple):
    """A function on the way. bound: what its parameters are, as far as a caller wrote it out.

    awake: why what is below may sleep all the same, if something says so. told: members that
    callers have set to a constant.
    """

    view: View
    chain: tuple[Hop, ...]
    bound: Bound
    awake: str = ""
    told: frozenset[str] = frozenset()


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
        self.doors: set[FunctionName] = set()
        self.getting: set[FunctionName] = set()

    def look_at_callbacks(self, table: Table) -> None:
        """Look at the callbacks of a table."""
        contract = self.graph.reader.contract
        for callback in table.callbacks:
            role = contract.slot_role(callback.field)
            if role == RESOLVE or role in MUST_NOT_SLEEP:
                self.look(table, callback, role)
            elif role == ADD and (where := self.contexts.acquires(table)):
                self.look_at_acquires(table, callback, where)

    def look_at_acquires(self, table: Table, callback: Callback, where: str) -> None:
        """Note that an add sleeps which is called for states that wait for a key, too."""
        below = self.names.below(callback.target, table.place.path)
        asked = _Asked(ADD, callback.target, below)
        head = Hop(callback.target, callback.place.path, callback.place.line, callback.field)
        # What is not seen below it may well sleep: most adds do.
        doubts = dict(self.doubts)
        views = self.graph.reader.definitions(callback.target, table.place.path)
        found = [one for view in views for one in self.below(asked, view, (head,))]
        self.doubts = doubts
        for at, function, what, _ in found[:1]:
            reason = f"{what} may sleep, and whether the core adds acquire states here is not known"
            self.doubts[Doubt(at, function.name, f"{reason} ({where})")] = None

    def look(self, table: Table, callback: Callback, role: str) -> None:
        """Look at one callback."""
        below = None
        place = callback.place
        if role != RESOLVE:
            below = self.names.below(callback.target, table.place.path)
            self.tell_unseen(place, callback.target, below)
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
                self.note(
                    Sleep(at, function, what, table, callback.target, place, chain, role, runs.text)
                )

    def look_at_packets(self, site: Site) -> None:
        """Look at what runs for each packet behind the doors through which one gets a handle."""
        if site.driver is None:
            return
        doors = {(f.name, e.place.path, e.place.line): e for e, f in site.reached.doors}
        ways = []
        for chain in site.reached.chains:
            entry = doors.get((chain[0].function, chain[0].path, chain[0].line))
            if entry is not None and entry.atomic is not False:
                ways.append((entry, chain))
        if not ways:
            return
        below = self.names.below(site.function.name, site.function.path)
        if site.function not in self.getting:
            # Of all that a packet passes that would be told of every driver.
            self.getting.add(site.function)
            self.tell_unseen(site.place, site.function.name, below)
        callers = {
            edge.caller.name: edge.caller for edge in self.graph.incoming(site.function).edges
        }
        for entry, chain in ways:
            # From the caller on: all that a packet passes would take long, and is not IPsec's.
            up = callers.get(chain[-2].function) if len(chain) > 1 else None
            start, way = (site.function, chain) if up is None else (up, chain[:-1])
            if start not in self.doors:
                self.doors.add(start)
                self.look_behind(site.driver.table, entry, start, way)

    def look_behind(
        self, table: Table, entry: Entry, start: FunctionName, way: tuple[Hop, ...]
    ) -> None:
        """Look at what runs for each packet below a function. way: from the door to it."""
        below = self.names.below(start.name, start.path)
        view = self.graph.view(start)
        if not below.names or view is None:
            return
        asked = _Asked(PACKETS, way[0].function, below)
        for at, function, what, chain in self.below(asked, view, way):
            if entry.atomic is None:
                reason = f"{what} may sleep, and whether {entry.name} may is not known"
                self.doubts[Doubt(at, function.name, reason)] = None
                continue
            told = (table, way[0].function, entry.place, chain, PACKETS, "for every packet")
            self.note(Sleep(at, function, what, *told))

    def tell_unseen(self, place: Place, function: str, below: Below) -> None:
        """Note what nobody sees into below a function."""
        unseen = self.names.unseen(below) if below.unseen else []
        if not unseen:
            return
        more = f" and {len(unseen) - _NAMED} more" if len(unseen) > _NAMED else ""
        does = "does" if len(unseen) == 1 else "do"
        what = ", ".join(unseen[:_NAMED]) + more
        reason = f"{function}() must not sleep, and what {what} {does} is not seen"
        self.doubts[Doubt(place, function, reason)] = None

    def note(self, sleep: Sleep) -> None:
        """Take a call, which is told once for each table."""
        role = sleep.role if sleep.role == RESOLVE else ""
        self.sleeps.setdefault((sleep.place, sleep.table.symbol, role), sleep)

    def below(
        self, asked: _Asked, start: View, chain: tuple[Hop, ...]
    ) -> list[tuple[Place, FunctionName, str, tuple[Hop, ...]]]:
        """Return what sleeps below a function: where, in which one, what, and the way there."""
        graph = self.graph
        found: list[tuple[Place, FunctionName, str, tuple[Hop, ...]]] = []
        macros: set[tuple[str, int, str] | None] = set()
        queue = [_Entered(start, chain, {})]
        seen: set[tuple[FunctionName, tuple[tuple[str, str], ...], str, frozenset[str]]] = set()
        for entered in queue:
            view, hops, bound = entered.view, entered.chain, entered.bound
            function = graph.known(view)
            mark = (function, tuple(sorted(bound.items())), entered.awake, entered.told)
            if mark in seen:
                continue
            if len(seen) > _MOST or len(hops) > _DEEPEST:
                reason = f"{function.name}() was not followed, so far below {asked.who}"
                place = Place(hops[-1].path, hops[-1].line, 1)
                self.doubts[Doubt(place, hops[-2:][0].function, reason)] = None
                continue
            seen.add(mark)
            told = [
                (
                    place,
                    self.weighed(asked, entered, Where(view, bound, graph.constants), node, one),
                )
                for place, one, node in _guards(graph, view)
            ]
            for inner in graph.reader.expanded(view.path, view.written, self.macros_in(view)):
                where = where_in(inner, bound, graph.constants)
                for call in calls_in(inner):
                    if not asked.skips(met_by(call)) and not excluded(where, call):
                        told += self.call(asked, entered, inner, call, queue)
            # What a header's macro leads to is told once.
            through = next(((hop.path, hop.line, hop.via) for hop in hops if _is_macro(hop)), None)
            for place, verdict in told:
                if verdict.what and through not in macros:
                    macros |= {through} - {None}
                    found.append((place, function, verdict.what, hops))
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
        where = where_in(inner, bound, self.graph.constants)
        awake = entered.awake or self.awake(asked, where, call)
        if targets.views is None:
            yield place, Verdict("", f"{asked.who} calls a function pointer: it may sleep")
        elif not targets.views:
            verdict = Verdict(targets.what) if targets.what else None
            verdict = verdict or self.outside.verdict(inner, call, bound)
            yield place, self.weighed(asked, entered, where, call, verdict)
        through = targets.through
        macro = self.names.reached_by.get(called(call))
        if macro is not None and macro in self.macros_in(entered.view):
            through = f"{macro}()"
        for target in targets.views or ():
            hop = Hop(target.item.name, place.path, place.line, through)
            given = bound_of(self.graph, inner, call, target, bound, call.start_byte)
            told = entered.told | _set_to_constants(inner, call)
            queue.append(_Entered(target, (*entered.chain, hop), given, awake, told))

    def macros_in(self, view: View) -> dict[str, list[Macro]]:
        """Return the macros of headers by which a function calls others of the driver."""
        text = view.text[view.node.start_byte : view.node.end_byte]
        known = self.names.macros.items()
        used = [macros for name, macros in known if has_word(text, name.encode())]
        return {name: found for macros in used for name, found in macros.items()}

    def weighed(
        self, asked: _Asked, entered: _Entered, where: Where, node: Node, verdict: Verdict
    ) -> Verdict:
        """Return what is to be said of what sleeps, by the conditions that stand before it."""
        what = verdict.what
        if not what:
            return verdict
        if excluded(where, node):
            return Verdict()
        awake = entered.awake or self.awake(asked, where, node)
        if awake:
            return Verdict("", f"whether {what} may sleep here hangs on {awake}")
        if in_doubt(where, node):
            return doubtful(what)
        member = set_before(where, node, entered.told)
        reason = f"whether {what} is called depends on {member}, which is set before"
        return Verdict("", reason) if member else verdict

    def awake(self, asked: _Asked, where: Where, call: Node) -> str:
        """Return what can have let a callback sleep at a call, in words; nothing if it can't."""
        view = where.view
        context = context_asked(where, call)
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


def _is_macro(hop: Hop) -> bool:
    """Tell whether a function is called by a header's macro."""
    return hop.via.endswith("()")


def _gets_handle(site: Site) -> bool:
    """Tell whether a handle is got for a packet at a site of a lower driver."""
    gets = site.access == ASKED or (site.member == HANDLE and site.access != "write")
    return gets and site.role == "lower" and site.reached.context == DATAPATH


def _set_to_constants(view: View, call: Node) -> frozenset[str]:
    """Return the names of the members that a function has set to a constant before a call."""
    text = view.text[view.node.start_byte : call.start_byte]
    return frozenset(found.decode() for found in _SET.findall(text))


def _targets(graph: CallGraph, view: View, call: Node) -> _Targets:
    """Return the driver's functions that a call enters."""
    name = called(call)
    if name and view.local(name, call.start_byte) is None:
        return _Targets(graph.reader.definitions(name, view.path))
    through = node_text(call.child_by_field_name("function") or call)
    for value in view.assignments(name or through):
        if function_named(node_text(value)).sleeps == "always":
            return _Targets([], through, f"{node_text(value)}()")
    return _Targets(targets_at(graph, view, call), through)


def _guards(graph: CallGraph, view: View) -> Iterator[tuple[Place, Verdict, Node]]:
    """Yield what is to be said of a function's guards (include/linux/cleanup.h)."""
    item, unit = view.written, view.corpus.unit(view.path)
    text = without_comments(unit.data[item.start : item.end])
    dead = Covered(sorted((b.start, b.end) for b in unit.blanked.branches if b.dead))
    for match in _GUARDS.finditer(text):
        if dead(item.start + match.start()):
            continue
        name = match.group(1).decode()
        sleeps = guard_sleeps(name) or _own_guard(graph, view, name)
        verdict = Verdict(f"guard({name})") if sleeps == "always" else Verdict()
        if not sleeps:
            verdict = Verdict("", f"guard({name}) takes an unknown lock: it may sleep")
        # The parser is not shown a scoped one, but the statement behind it.
        end = closing(text, text.index(b"(", match.start())) or match.end()
        at = item.start + (end if match.group().startswith(b"scoped") else match.start())
        at += len(text[end:]) - len(text[end:].lstrip()) if at > item.start + match.end() else 0
        node = view.node.descendant_for_byte_range(at, at) if not view.expanded else None
        yield unit.place(item.start + match.start()), verdict, node or view.node


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
