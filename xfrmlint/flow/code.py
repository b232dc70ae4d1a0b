"""What is followed in a driver: which functions and names lead to handles, and what was met."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from xfrmlint.c.expression import is_indexed
from xfrmlint.c.syntax import Expression
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import HANDLE, OWNER, PACKET, PINNED
from xfrmlint.flow.carried import Carried, Seeds
from xfrmlint.flow.driver import Driver
from xfrmlint.flow.relevance import Body, Slice
from xfrmlint.flow.values import Location
from xfrmlint.kernel.functions import Operand, function_named

_MOST_FUNCTIONS = 200
_CLEARS = re.compile(rb"(?:->|\.)(\w+)\s*=\s*(?:0|NULL)\s*;|\bmem(?:set|zero)\w*\s*\(")
# `skb->dev = dev`, and `WRITE_ONCE(skb->dev, dev)`.
_MOVES = re.compile(rb"->\s*dev\s*=(?!=)|\b([A-Za-z_]\w*)\s*\(\s*\w+\s*->\s*dev\s*,")


class Seen:
    """The expressions by which locations were met: behind the entry at hand, or behind any."""

    def __init__(self) -> None:
        self.entry: FunctionName | None = None
        self._known: dict[tuple[FunctionName | None, Location], tuple[View, Expression]] = {}

    def note(self, at: Location, view: View, one: Expression) -> None:
        """Note an expression, if it is the first for a location."""
        for entry in (self.entry, None):
            self._known.setdefault((entry, at), (view, one))

    def of(self, at: Location) -> tuple[View, Expression] | None:
        """Return the expression for a location."""
        return self._known.get((self.entry, at)) or self._known.get((None, at))


def _has_packet(view: View) -> bool:
    return any(one.type.base == PACKET for one in view.locals)


class Code:
    """One driver's functions, sliced, and notes of what was met on the way.

    keepers: members (struct, name) in which an earlier packet left a handle. kept: those met here.
    carried: those in which one goes with its packet. removed: entries of lists, by where they were
    found, that were taken out of them. asked: where the resolver is called through a pointer.
    entered: functions that were followed into. cut_off: a path was too long, or too deep.
    """

    def __init__(
        self,
        driver: Driver,
        keepers: frozenset[tuple[str, str]] = frozenset(),
        asked: frozenset[Place] = frozenset(),
        removed: Iterable[Location] = (),
    ) -> None:
        self.driver = driver
        self.keepers = keepers
        self.asked = asked
        self.pointed: dict[tuple[str, str], list[tuple[Place, FunctionName]]] = {}
        # Whether a function on the way is passed to who calls it.
        self.passes = False
        self._slices: dict[tuple[int, frozenset[str]], Slice] = {}
        self.kept: set[tuple[str, str]] = set()
        self.carried: set[tuple[str, str]] = set()
        self.removed = {*removed}
        # Which expression a location was read, or its address taken, as: its types are asked there.
        self.members_read = Seen()
        # Whether a struct, in a file, has a member of some names.
        self.holding: dict[tuple[str, str, frozenset[str]], bool] = {}
        self.addressed = Seen()
        # What the private data of the device at work was taken for, behind the entry at hand.
        self.private = ""
        self.entered: set[FunctionName] = set()
        self.cut_off = False
        # Whether it matters whose a net_device is.
        self.resolves = any(
            not names.words.isdisjoint(driver.contract.askers)
            for function in driver.reached
            for body in driver.bodies(function)
            for names in body.names
        )
        self.seeds = self._seeds()
        # Options that are asked for more than once: one answer has to hold for all.
        asked_for = Counter(
            text
            for function in driver.reached
            for body in driver.bodies(function)
            for step in body.graph.steps
            for text, holds in step.labels
            if holds
        )
        self.options = frozenset(text for text, count in asked_for.items() if count > 1)

    def begin(self, entry: FunctionName) -> None:
        """Begin behind another entry: what lies where is another struct there."""
        self.private = ""
        self.members_read.entry = self.addressed.entry = entry

    def _seeds(self) -> Seeds:
        """Return what can lead to a handle anywhere in the driver."""
        contract = self.driver.contract
        handle = contract.word(HANDLE)
        resolvers = frozenset(contract.askers)
        words = {*resolvers, handle, *self.driver.names}
        # By what each function is called, its own name or a pointer's.
        called: dict[FunctionName, set[str]] = {}
        for function in sorted(self.driver.reached):
            called[function] = {function.name}
            incoming = self.driver.graph.incoming(function)
            self.passes = self.passes or bool(incoming.inner)
            edges = ((edge.caller, edge.place) for edge in incoming.edges)
            for caller, place in (*edges, *incoming.inner):
                key = (caller.path, caller.name)
                self.pointed.setdefault(key, []).append((place, function))
                called[function].update(self._word_at(place))
            words |= called[function]
        members = {handle} | {field for _, field in self.keepers}
        named = frozenset((contract.word(OWNER), contract.word(PINNED))) - {""}
        moving = self._moving() if self.resolves else frozenset()
        clearing = self._functions(_CLEARS) if self.resolves else ()
        at = contract.answer_at
        pointed = frozenset((name, at) for name in resolvers if at >= 0)
        bodies = [body for function in self.driver.reached for body in self.driver.bodies(function)]
        flags = frozenset(flag for body in bodies for names in body.names for flag in names.said)
        words |= members
        seeds = Seeds(
            frozenset(words),
            frozenset(members),
            resolvers,
            pointed,
            named,
            moving,
            frozenset((name, (match[1] or b"").decode()) for match, name, _ in clearing),
            flags,
        )
        given: dict[FunctionName, frozenset[str]] = {
            f: frozenset() for f in sorted(self.driver.reached)
        }
        while True:
            returning, filling = set(seeds.returning), set(seeds.filling)
            more = dict(given)
            for function, names in given.items():
                for body in self.driver.bodies(function):
                    carried = body.carried(seeds, names)
                    members |= carried.members
                    by = called.get(function, {function.name})
                    if carried.returns:
                        returning |= by
                    filling |= {(name, at) for name in by for at in carried.fills}
                    for target, parameters in self._given(body, carried):
                        more[target] = more.get(target, frozenset()) | parameters
            words |= members | returning | {name for name, _ in filling}
            found = replace(
                seeds,
                words=frozenset(words),
                members=frozenset(members),
                returning=frozenset(returning),
                filling=frozenset(filling),
            )
            if (found == seeds and more == given) or len(more) > _MOST_FUNCTIONS:
                return found
            seeds, given = found, more

    def _moving(self) -> frozenset[str]:
        """Return the driver's functions that can give a packet another device."""
        reader, graph = self.driver.reader, self.driver.graph
        found: dict[FunctionName, None] = {}
        for match, name, path in self._functions(_MOVES):
            called = (match.group(1) or b"").decode()
            if not called or function_named(called).stored_in(Operand(0)) is not None:
                views = reader.functions(name, path)
                found.update(dict.fromkeys(graph.known(v) for v in views if _has_packet(v)))
        queue = list(found)
        for function in queue:
            for edge in graph.incoming(function).edges:
                view = graph.view(edge.caller)
                if view is not None and edge.caller not in found and _has_packet(view):
                    found[edge.caller] = None
                    queue.append(edge.caller)
            if len(queue) > _MOST_FUNCTIONS:
                break
        return frozenset(function.name for function in found)

    def _functions(self, doing: re.Pattern[bytes]) -> Iterator[tuple[re.Match[bytes], str, str]]:
        """Yield the driver's functions in whose text something matches, by name and path."""
        reader = self.driver.reader
        files = {f for one in self.driver.reached for f in reader.universe.files(one.path)}
        for path in sorted(files):
            for match in doing.finditer(reader.corpus.data(path)):
                item = reader.corpus.unit(path).item_at(match.start())
                if item is not None and item.kind == "function":
                    yield match, item.name, path

    def _given(self, body: Body, carried: Carried) -> Iterable[tuple[FunctionName, frozenset[str]]]:
        """Yield the driver's functions that are given a handle, and the parameters' names."""
        for name, at in carried.given:
            for function in self.driver.names.get(name) or self.driver.own(name, body.view.path):
                for view in self.driver.views(function):
                    listed = view.parameters
                    yield function, frozenset(listed[i] for i in at if i < len(listed))

    def _word_at(self, place: Place) -> list[str]:
        text = self.driver.reader.corpus.unit(place.path).line_text(place.line)
        return re.findall(r"^\w+", text.encode()[place.column - 1 :].decode("utf-8", "replace"))

    def slice(self, body: Body, names: frozenset[str]) -> Slice:
        """Return what of a body matters. names: its variables that carry a handle from outside."""
        key = (id(body), names)
        if key not in self._slices:
            self._slices[key] = body.slice(
                self.seeds, body.carried(self.seeds, names), self.resolves
            )
        return self._slices[key]

    def is_keeper(self, view: View, one: Expression, at: Location) -> bool:
        """Tell whether a member is one in which an earlier packet left a handle."""
        if not self.keepers or at[0].startswith("="):
            return False
        # An array's name is no read of an element.
        if is_indexed(one.node):
            return False
        return self.driver.members.named(view, one) in self.keepers
