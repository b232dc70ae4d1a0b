"""A driver's code as flow sees it: which functions and names lead to handles, and what they are."""

import re
from collections import Counter
from collections.abc import Iterable

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.ctype import CType, specified
from xfrmlint.c.integers import Int, IntType
from xfrmlint.c.macros import Macro
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import Place, node_text
from xfrmlint.c.view import FunctionName, Local, View
from xfrmlint.contract.words import HANDLE, XSO
from xfrmlint.flow.devices import Members
from xfrmlint.flow.relevance import Body, Carried, Seeds, Slice, condition
from xfrmlint.flow.values import Constant, Exit, Location, Value
from xfrmlint.kernel.functions import is_kernels
from xfrmlint.program.access import Accesses
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.devices import Devices

_MOST_FUNCTIONS = 200


class Code:
    """One driver's functions, sliced.

    reached: the functions on the ways from entries to sites. offload: the offload struct's name.
    entered: functions that were followed into. cut_off: a path was too long, or too deep.
    keepers: members (struct, name) in which an earlier packet left a handle. kept: those met here.
    asked: where the resolver is called through a pointer.
    """

    def __init__(
        self,
        graph: CallGraph,
        offload: str,
        reached: Iterable[FunctionName],
        keepers: frozenset[tuple[str, str]] = frozenset(),
        asked: frozenset[Place] = frozenset(),
    ) -> None:
        self.graph = graph
        self.reader: Reader = graph.reader
        self.contract = self.reader.contract
        self.offload = offload
        self.accesses = Accesses(self.reader, offload, graph.passed)
        devices = Devices(graph, self.accesses)
        self.members = Members(self.reader, devices)
        self.reached = frozenset(reached)
        self.names: dict[str, list[FunctionName]] = {}
        for function in sorted(self.reached):
            self.names.setdefault(function.name, []).append(function)
        self.pointed: dict[tuple[str, str], list[tuple[Place, FunctionName]]] = {}
        self._bodies: dict[tuple[FunctionName, int], Body] = {}
        self._views: dict[FunctionName, list[View]] = {}
        self._own: dict[tuple[str, str], list[FunctionName]] = {}
        self._slices: dict[tuple[int, frozenset[str]], Slice] = {}
        self._memo: dict[object, list[Exit]] = {}
        self._stack: list[FunctionName] = []
        self._current: list[Slice] = []
        self._macros: dict[str, dict[str, list[Macro]]] = {}
        self.constants = Constants(self.reader.types)
        self._integers: dict[tuple[str, int, str], IntType | None] = {}
        self.keepers = keepers
        self.asked = asked
        self.kept: set[tuple[str, str]] = set()
        # Which expression a location was read, or its address taken, as: its types are asked there.
        self.members_read: dict[Location, tuple[View, Node]] = {}
        self.addressed: dict[Location, tuple[View, Node]] = {}
        self.entered: set[FunctionName] = set()
        self.cut_off = False
        self._home = next((f.path for f in sorted(self.reached) if f.path.endswith(".c")), "")
        self.seeds = self._seeds()
        # Options that are asked for more than once: one answer has to hold for all.
        asked_for = Counter(
            text
            for function in self.reached
            for body in self.bodies(function)
            for step in body.graph.steps
            for text, holds in step.labels
            if holds
        )
        self.options = frozenset(text for text, count in asked_for.items() if count > 1)

    def _seeds(self) -> Seeds:
        """Return what can lead to a handle anywhere in the driver."""
        handle, asks = self.contract.member(HANDLE), self.contract.asks
        resolvers = frozenset([asks] if asks else ())
        words = {*resolvers, handle, *self.names}
        for function in sorted(self.reached):
            for edge in self.graph.incoming(function).edges:
                key = (edge.caller.path, edge.caller.name)
                self.pointed.setdefault(key, []).append((edge.place, function))
                words.update(self._word_at(edge.place))
        members = {handle} | {field for _, field in self.keepers}
        seeds = Seeds(frozenset(words | members), frozenset(members), resolvers)
        given: dict[FunctionName, frozenset[str]] = {f: frozenset() for f in sorted(self.reached)}
        while True:
            returning, filling = set(seeds.returning), set(seeds.filling)
            more = dict(given)
            for function, names in given.items():
                for body in self.bodies(function):
                    carried = body.carried(seeds, names)
                    members |= carried.members
                    if carried.returns:
                        returning.add(function.name)
                    filling |= {(function.name, at) for at in carried.fills}
                    for target, parameters in self._given(body, carried):
                        more[target] = more.get(target, frozenset()) | parameters
            words |= members | returning | {name for name, _ in filling}
            found = Seeds(
                frozenset(words), frozenset(members), frozenset(returning), frozenset(filling)
            )
            if (found == seeds and more == given) or len(more) > _MOST_FUNCTIONS:
                return found
            seeds, given = found, more

    def _given(self, body: Body, carried: Carried) -> Iterable[tuple[FunctionName, frozenset[str]]]:
        """Yield the driver's functions that are given a handle, and the parameters' names."""
        for name, at in carried.given:
            for function in self.names.get(name) or self.own(name, body.view.path):
                for view in self.views(function):
                    listed = view.parameters
                    yield function, frozenset(listed[i] for i in at if i < len(listed))

    def _word_at(self, place: Place) -> list[str]:
        text = self.reader.corpus.unit(place.path).line_text(place.line)
        return re.findall(r"^\w+", text.encode()[place.column - 1 :].decode("utf-8", "replace"))

    def views(self, function: FunctionName) -> list[View]:
        """Return the views of a function, the driver's own macros expanded."""
        if function not in self._views:
            noted = self.graph.view(function)
            found: list[View] = []
            if noted is not None:
                made = self.reader.expanded(noted.path, noted.written, self._hiding(noted.path))
                found = [v for v in made if v.item.name == function.name and v.kind == "function"]
                found = [v for v in found if v.node.child_by_field_name("body") is not None]
            self._views[function] = found
        return self._views[function]

    def _hiding(self, path: str) -> dict[str, list[Macro]]:
        universe = self.reader.universe
        # A header is asked for as the driver's source that uses it: which those are is known.
        path = path if path.endswith(".c") else self._home or path
        key = universe.key(path)
        if key not in self._macros:
            handle, asks = self.contract.member(HANDLE), self.contract.asks
            words = [handle, XSO, self.offload.split()[-1], *([asks] if asks else ())]
            self._macros[key] = self.reader.macros(universe.files(path), key).hiding(words)
        return self._macros[key]

    def bodies(self, function: FunctionName) -> list[Body]:
        """Return a function's bodies, one for each of its views."""
        found = []
        for index, view in enumerate(self.views(function)):
            key = (function, index)
            if key not in self._bodies:
                self._bodies[key] = Body(view)
            found.append(self._bodies[key])
        return found

    def own(self, name: str, path: str) -> list[FunctionName]:
        """Return the driver's functions of a name that a file can call."""
        if is_kernels(name):
            return []
        key = (name, path)
        if key not in self._own:
            views = self.reader.functions(name, path) or self.reader.definitions(name, path)
            # A function of the core can only stand in a header: it is known by what it does.
            shared = self.reader.universe.shared
            views = [v for v in views if not v.path.startswith("include/") or v.path in shared]
            views = [v for v in views if v.path == path or not v.static or v.path.endswith(".h")]
            self._own[key] = list(dict.fromkeys(self.graph.known(v) for v in views))
        return self._own[key]

    def _slice(self, body: Body, names: frozenset[str]) -> Slice:
        key = (id(body), names)
        if key not in self._slices:
            self._slices[key] = body.slice(self.seeds, body.carried(self.seeds, names))
        return self._slices[key]

    def is_static(self, view: View, local: Local) -> bool:
        """Tell whether a local variable outlives its function."""
        if local.parameter >= 0:
            return False
        start = max(view.text.rfind(mark, 0, local.start) for mark in (b";", b"{", b"}"))
        return re.search(rb"\bstatic\b", view.text[start + 1 : local.start]) is not None

    def number_of(self, value: Value, view: View) -> Int | None:
        """Return the number that a constant stands for, if it can be read."""
        if not isinstance(value, Constant):
            return None
        return value.number or self.constants.value(value.text, view.path)

    def integer(self, kind: CType | None, view: View) -> IntType | None:
        """Return the integer type that a type comes to."""
        if kind is None:
            return None
        key = (kind.base, kind.pointers, view.path)
        if key not in self._integers:
            self._integers[key] = self.constants.type(kind, view.path)
        return self._integers[key]

    def member_names(self, view: View, node: Node) -> list[str]:
        """Return the members of the struct that a positional initializer list is for."""
        if all(child.type == "initializer_pair" for child in node.named_children):
            return []
        declarator = node.parent
        declaration = declarator.parent if declarator is not None else None
        kind = specified(declaration) if declaration is not None else None
        known_ = self.reader.types.fields(kind, view.path) if kind is not None else None
        return list(known_[0]) if known_ is not None else []

    def is_keeper(self, view: View, node: Node, at: Location) -> bool:
        """Tell whether a member is one in which an earlier packet left a handle."""
        if not self.keepers or at[0].startswith("="):
            return False
        up = node.parent
        if up is not None and up.type == "subscript_expression":
            # An array's name is no read of an element.
            of = up.child_by_field_name("argument")
            if of is not None and of.id == node.id:
                return False
        return self.members.named(view, node) in self.keepers

    def correlated(self, view: View, node: Node) -> str:
        """Return a condition's text if what was assumed of it holds when it is asked again."""
        text = condition(node_text(node))
        return text if self._current and text in self._current[-1].correlated else ""
