"""Following paths through a driver's functions, from one of its entries."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.flow import known
from xfrmlint.flow.devices import Members
from xfrmlint.flow.evaluate import Evaluator, Outcomes, sa_of
from xfrmlint.flow.events import Device, Kind, Sa, Source
from xfrmlint.flow.graph import Does, Graph, Step, graph_of
from xfrmlint.flow.relevance import Body, Carried, Seeds, Slice, condition
from xfrmlint.flow.values import (
    UNKNOWN,
    Constant,
    Form,
    Handle,
    HandleId,
    Location,
    Mark,
    Named,
    Netdev,
    Packet,
    Pointer,
    State,
    Struct,
    Unknown,
    Value,
    XfrmState,
    number_in,
)
from xfrmlint.frontend.access import Accesses
from xfrmlint.frontend.ctype import CType, specified
from xfrmlint.frontend.expression import bare
from xfrmlint.frontend.macros import Macro
from xfrmlint.frontend.reader import Reader
from xfrmlint.frontend.types import PASSES_FIRST
from xfrmlint.frontend.unit import Place, node_text
from xfrmlint.frontend.view import FunctionName, Local, View
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.ops import add_takes_device
from xfrmlint.program.pointers import targets_of
from xfrmlint.program.sites import RESOLVER

_DEEPEST = 16
_MOST_STEPS = 4000
_MOST_IN_ALL = 60000
_START = State({}, {}, {})


class Exit(NamedTuple):
    """One way out of a function: what holds then, and what it returns."""

    state: State
    value: Value


class Run:
    """Follows paths in one driver.

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
        self.offload = offload
        self.accesses = Accesses(self.reader, offload, graph.passed)
        self.members = Members(self.reader, self.accesses, add_takes_device(self.reader))
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
        self._numbers: dict[tuple[str, str], int | None] = {}
        self.keepers = keepers
        self.asked = asked
        self.kept: set[tuple[str, str]] = set()
        # Which expression a location was read, or its address taken, as: its types are asked there.
        self.members_read: dict[Location, tuple[View, Node]] = {}
        self.addressed: dict[Location, tuple[View, Node]] = {}
        self.entered: set[FunctionName] = set()
        self.cut_off = False
        self._steps = 0
        self.seeds = self._seeds()

    # -- what matters

    def _seeds(self) -> Seeds:
        """Return what can lead to a handle anywhere in the driver."""
        words = {RESOLVER, "offload_handle", *self.names}
        for function in self.reached:
            for edge in self.graph.incoming(function).edges:
                key = (edge.caller.path, edge.caller.name)
                self.pointed.setdefault(key, []).append((edge.place, function))
                words.update(self._word_at(edge.place))
        members = {"offload_handle"} | {field for _, field in self.keepers}
        seeds = Seeds(frozenset(words | members), frozenset(members), frozenset([RESOLVER]))
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
        key = universe.key(path)
        if key not in self._macros:
            words = ["offload_handle", "xso", self.offload.split()[-1], RESOLVER]
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
        key = (name, path)
        if key not in self._own:
            here = self.reader.corpus.unit(path).functions(name)
            views = [
                v for item in here for v in self.reader.views(path, item, {})
            ] or self.reader.definitions(name, path)
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

    # -- functions

    def enter(
        self,
        function: FunctionName,
        from_kernel: bool = True,
        given: Sequence[Value] | None = None,
    ) -> list[Exit]:
        """Run a function from outside.

        from_kernel: its device is the one at work. given: its arguments, if they are known better.
        """
        found: list[Exit] = []
        for body in self.bodies(function):
            values: list[Value] = []
            for local in _parameters(body.view):
                seen = not from_kernel or any(isinstance(v, Netdev) for v in values)
                values.append(_argument(local, seen))
            values = list(given) if given is not None else values
            found += self._function(function, body, values, _START, 0)
        return found

    def give_up(self) -> None:
        """Forget where a run was that ended in an exception."""
        self._stack.clear()
        self._current.clear()
        self.cut_off = True

    def _function(
        self, function: FunctionName, body: Body, values: Sequence[Value], state: State, depth: int
    ) -> list[Exit]:
        """Run one function's body from a state; its events alone are in the exits' trails."""
        key = (id(body), tuple(values), state.context(), depth)
        if key in self._memo:
            return self._memo[key]
        self._stack.append(function)
        self.entered.add(function)
        evaluator = Evaluator(self, body, depth)
        frame = evaluator.frame
        inside = replace(state, trail=())
        parameters = body.view.parameters
        carrying = set()
        for name, value in zip(parameters, values, strict=False):
            if not name:
                continue
            inside = inside.stored((frame, name), value)
            if _holds(value, state):
                carrying.add(name)
        slice_ = self._slice(body, frozenset(carrying))
        self._current.append(slice_)
        ended, returned = self._walk(evaluator, slice_.graph, slice_, inside)
        self._current.pop()
        self._stack.pop()
        returned += evaluator.returned + [(s, UNKNOWN) for s in ended]
        exits: dict[object, Exit] = {}
        for after, value in _zeros(returned):
            if isinstance(value, Struct):
                # Returned by value: it outlives the frame.
                after, value = after.stored(_RESULT, value), Struct(_RESULT)
            left = _left(after, frame)
            exits.setdefault((left.key(), value), Exit(left, value))
        self._memo[key] = list(exits.values())
        return self._memo[key]

    def _walk(
        self, evaluator: Evaluator, graph: Graph, slice_: Slice | None, state: State
    ) -> tuple[list[State], Outcomes]:
        """Follow a graph from its start; returns the states at its end, and what was returned."""
        ended: list[State] = []
        returned: Outcomes = []
        starts = _following(slice_, (graph.start,))
        stack = [(index, state) for index in starts]
        seen: set[object] = set()
        turns: set[object] = set()
        counted: dict[int, dict[Location, set[str]]] = {}
        while stack:
            index, now = stack.pop()
            mark = (index, now.key())
            if mark in seen:
                continue
            seen.add(mark)
            step = graph.steps[index]
            if step.again:
                # What another turn of the loop begins with, whatever happened in the last one.
                now = _widened(now.collected(), counted.setdefault(index, {}))
                turn = (index, *now.context())
                if turn in turns:
                    # Nothing new can come of it: only what is behind the loop is left.
                    if step.does is Does.TEST:
                        stack += [(n, now) for n in _following(slice_, step.next[1:])]
                    else:
                        returned.append((now, UNKNOWN))
                    continue
                turns.add(turn)
            self._steps += 1
            if len(seen) > _MOST_STEPS or self._steps > _MOST_IN_ALL:
                now = self.cut(evaluator, now, step.node, "too many paths; the rest was cut off")
                returned.append((now, UNKNOWN))
                break
            if step.does is Does.END:
                ended.append(now)
                continue
            if step.does is Does.CUT:
                now = self.cut(evaluator, now, step.node, "a goto that could not be followed")
                returned.append((now, UNKNOWN))
                continue
            if step.does is Does.RETURN:
                inside = step.node.named_children if step.node is not None else []
                returned += evaluator.value(inside[0], now) if inside else [(now, UNKNOWN)]
                continue
            for after, following in self._step(evaluator, step, now):
                stack += [(n, after) for n in _following(slice_, following)]
        return ended, returned

    def _step(
        self, evaluator: Evaluator, step: Step, state: State
    ) -> list[tuple[State, tuple[int, ...]]]:
        following = tuple(step.next)
        node = step.node
        if step.does is Does.TEST:
            return [
                (after, following[:1] if held else following[1:])
                for after, held in evaluator.truth(node, state)
            ]
        if step.does is Does.SWITCH:
            return self._switch(evaluator, step, state)
        if step.does is Does.CONFIGURED:
            return _configured(step, state)
        if node is None:
            return [(state, following)]
        if node.type == "declaration":
            return [(after, following) for after in evaluator.declared(node, state)]
        if node.type == "expression_statement":
            node = node.named_children[0] if node.named_child_count else None
        return [(after, following) for after, _ in evaluator.value(node, state)]

    def _switch(
        self, evaluator: Evaluator, step: Step, state: State
    ) -> list[tuple[State, tuple[int, ...]]]:
        found: list[tuple[State, tuple[int, ...]]] = []
        inside = step.node.named_children[-1] if step.node is not None else None
        for after, value in evaluator.value(inside, state):
            if not isinstance(value, Handle) or inside is None:
                texts = [node_text(v) if v is not None else None for v, _ in step.cases]
                chosen = value.text if isinstance(value, Constant) else None
                for (_, target), text in zip(step.cases, texts, strict=True):
                    if chosen is None or chosen == text or (text is None and chosen not in texts):
                        found.append((after, (target,)))
                continue
            zeros = [t for v, t in step.cases if v is not None and self.zero_literal(evaluator, v)]
            others = [t for v, t in step.cases if t not in zeros]
            for then, nonzero in evaluator.tested(after, value, inside):
                if nonzero:
                    found += [(then, (t,)) for t in others]
                else:
                    defaults = [t for v, t in step.cases if v is None]
                    found += [(then, (t,)) for t in zeros or defaults]
        return found

    def zero_literal(self, evaluator: Evaluator, node: Node) -> bool:
        """Tell whether a case's value is 0."""
        return number_in(node_text(node)) == 0

    def statement_expression(self, evaluator: Evaluator, node: Node, state: State) -> Outcomes:
        """Evaluate `({ ... })`: worth its last expression."""
        statements = node.named_children
        last = statements[-1] if statements else None
        valued = last is not None and last.type == "expression_statement"
        graph = graph_of(evaluator.view, statements[:-1] if valued else statements)
        ended, returned = self._walk(evaluator, graph, None, state)
        evaluator.returned += returned
        found: Outcomes = []
        for after in ended:
            inside = last.named_children[0] if valued and last and last.named_child_count else None
            found += evaluator.value(inside, after)
        return found

    def cut(self, evaluator: Evaluator, state: State, node: Node | None, why: str) -> State:
        """Note that a path was not followed any further."""
        self.cut_off = True
        at = node if node is not None else evaluator.view.node
        return evaluator.mark(state, Kind.CUT, at, text=why)

    # -- calls

    def call(self, evaluator: Evaluator, node: Node, state: State) -> Outcomes:
        """Follow a call, or know what it does."""
        called = node.child_by_field_name("function")
        listed = node.child_by_field_name("arguments")
        arguments = listed.named_children if listed is not None else []
        if called is None:
            return [(state, UNKNOWN)]
        cast = called.type == "parenthesized_expression"
        while called.type == "parenthesized_expression" and called.named_child_count:
            called = called.named_children[-1]
        if cast and len(arguments) == 1 and called.type == "identifier":
            # `(handle_t)(h)`: a cast to a type that only the compiler knows.
            name = node_text(called)
            if name not in self.names and not self.own(name, evaluator.view.path):
                return evaluator.value(arguments[0], state)
        local = called.type != "identifier" or evaluator.variable(called) is not None
        name = "" if local else node_text(called)
        asks = name == RESOLVER or (
            bool(self.asked) and any(evaluator.place(n) in self.asked for n in _leaves(called))
        )
        if asks and len(arguments) == 2:
            return self._resolve(evaluator, node, arguments, state)
        special = _special(evaluator, name, node, arguments, state)
        if special is not None:
            return special
        targets = self._targets(evaluator, node, called, name)
        found: Outcomes = []
        for after, (_, *values) in evaluator.all([called, *arguments], state):
            if not targets and not name and any(_holds(v, after) for v in values):
                targets = targets_of(self.graph, evaluator.view, called)
            if targets:
                for target in targets:
                    found += self._follow(evaluator, target, node, values, after)
            else:
                found += self._outside(evaluator, node, name, arguments, values, after)
        return found

    def _resolve(
        self, evaluator: Evaluator, node: Node, arguments: Sequence[Node], state: State
    ) -> Outcomes:
        found: Outcomes = []
        for after, (whose, lower) in evaluator.all(arguments, state):
            lower = evaluator.typed(lower, _DEVICE, arguments[1])
            place = evaluator.place(node)
            device = Device.UNKNOWN
            if isinstance(lower, Netdev):
                device = lower.device
                if lower.member is not None:
                    device = self.members.settled(lower.member)
                if after.assumed.get((SAME, device)):
                    device = Device.OWN
            elif isinstance(lower, Constant) and lower.zero:
                device = Device.NULL
            sa = sa_of(whose)
            mark = Mark(Kind.RESOLVE, place, evaluator.view.function.name, (place,))
            # In a macro that wraps the resolver the call is the macro's; the device is its user's.
            given = bare(arguments[1])
            at = place if _written_here(evaluator.view, node) else evaluator.place(given)
            named = Named(at, evaluator.view.function.name, evaluator.parameter(arguments[1]))
            mark = mark._replace(source=Source.RESOLVED, device=device, sa=sa, named=named)
            made = after.superseded((place,)).knowing((place,), "")
            found.append((made.marked(mark), Handle((place,))))
        return found

    def _targets(
        self, evaluator: Evaluator, node: Node, called: Node, name: str
    ) -> list[FunctionName]:
        """Return the driver's functions that a call can enter."""
        caller = evaluator.view.function
        if name in self.names:
            own = self.names[name]
            same = [f for f in own if f.path == evaluator.view.path]
            return same or own
        pointed = self.pointed.get((caller.path, caller.name))
        if pointed:
            spans = {evaluator.view.place(n.start_byte) for n in _leaves(called)}
            if not name or not name.islower():
                # INDIRECT_CALL_2(f, f1, f2, ...), static_call(name)(...)
                spans |= {evaluator.view.place(n.start_byte) for n in _leaves(node)}
            return list(dict.fromkeys(f for place, f in pointed if place in spans))
        return []

    def _follow(
        self,
        evaluator: Evaluator,
        target: FunctionName,
        node: Node,
        values: Sequence[Value],
        state: State,
    ) -> Outcomes:
        """Run a function of the driver; what it made is its caller's from then on."""
        place = evaluator.place(node)
        if target in self._stack or len(self._stack) > _DEEPEST:
            why = f"{target.name}() calls itself, or too deep"
            return [(self.cut(evaluator, state, node, why), UNKNOWN)]
        found: dict[object, tuple[State, Value]] = {}
        for body in self.bodies(target):
            given = _typed(evaluator, body, node, values)
            seen, hidden = _visible(state, given)
            for after, value in self._function(target, body, given, seen, len(self._stack)):
                moved, result = _renamed(_handed_down(evaluator, node, after), value, place)
                joined = _joined(state, moved, hidden)
                found.setdefault((joined.key(), result), (joined, result))
        return list(found.values()) or [(state, UNKNOWN)]

    def _outside(
        self,
        evaluator: Evaluator,
        node: Node,
        name: str,
        arguments: Sequence[Node],
        values: Sequence[Value],
        state: State,
    ) -> Outcomes:
        """Return what comes of a call that is not on the way to a site."""
        carried = [(a, v) for a, v in zip(arguments, values, strict=True) if _holds(v, state)]
        if name and "zero" in state.known.values() and self._leaves(name, evaluator.view):
            # What a driver does where it has no handle: it does not come back.
            cut = self.cut(evaluator, state, node, f"{name}() leaves the function")
            evaluator.returned.append((cut, UNKNOWN))
            return []
        result = _kernels(name, values)
        if result is not None:
            return [(state, result)]
        if known.PRINTS.match(name) or known.CLEARS.match(name):
            for value in values[:1] if known.CLEARS.match(name) else ():
                if isinstance(value, Pointer):
                    state = state.stored(value.to, UNKNOWN)
            return [(state, UNKNOWN)]
        handles = [v for v in values if isinstance(v, Handle)]
        if handles and (known.KEEPS.match(name) or PASSES_FIRST.match(name)):
            return [(state, handles[0])]
        if handles and known.MASKS.match(name):
            return [(state, handles[0].becoming(Form.MASKED))]
        if handles and known.COMPUTES.match(name):
            return [(state, handles[0].becoming(Form.COMPUTED))]
        if known.LOOKS.match(name):
            return [(state, UNKNOWN)]
        asked = bool(name) and not carried and _asked(evaluator, node, arguments)
        own = self.own(name, evaluator.view.path) if name and (carried or asked) else []
        if own:
            found: Outcomes = []
            for target in own:
                found += self._follow(evaluator, target, node, values, state)
            return found
        if carried and name and not known.KEEPERS.match(name) and not known.COPIES.match(name):
            predicate = self._predicate(evaluator, name, node, values, state)
            if predicate is not None:
                return predicate
            macro = self.reader.types.macro(name, evaluator.view.path)
            if macro is not None and macro.parameters is not None:
                # It may test it.
                for handle in handles:
                    state = evaluator.compared(state, handle, node)
                return [(state, UNKNOWN)]
        packet = any(
            isinstance(v, Packet) or (isinstance(v, Unknown) and v.packet) for v in values
        ) or any(isinstance(v, Pointer) and v.to[0] == "skb" for v in values)
        if known.COPIES.match(name) and len(values) > 1 and isinstance(values[0], Pointer):
            copied = self._copied(evaluator, values, state, arguments)
            return [(copied, values[0])]
        for argument, value in carried:
            state = self._given_away(evaluator, node, name, argument, value, state)
        for value in values:
            if isinstance(value, Pointer) and value.to[0].startswith("="):
                # It may have been filled.
                if not state.handles_below(value.to):
                    state = state.stored(value.to, UNKNOWN)
        return [(state, Unknown(packet))]

    def _leaves(self, name: str, view: View) -> bool:
        """Tell whether a macro of the kernel's leaves its function, or a function never returns."""
        macro = self.reader.types.macro(name, view.path)
        if macro is not None and macro.parameters is not None:
            return re.search(rb"\b(goto|return|break|continue)\b", macro.body) is not None
        found = self.reader.corpus.find("function", name, view.path)
        if found is None:
            return False
        data = self.reader.corpus.unit(found.path).data
        return b"noreturn" in data[found.start : data.find(b"\n\n", found.end)][:400]

    def _predicate(
        self,
        evaluator: Evaluator,
        name: str,
        node: Node,
        values: Sequence[Value],
        state: State,
    ) -> Outcomes | None:
        """Follow a small inline of the kernel's headers that only looks at a handle."""
        found = self.reader.corpus.find("function", name, evaluator.view.path)
        if found is None or not found.path.startswith("include/"):
            return None
        outcomes: Outcomes = []
        for item in self.reader.corpus.unit(found.path).functions(name):
            if item.end - item.start > _SMALL_INLINE:
                return None
            for view in self.reader.views(found.path, item, {}):
                outcomes += self._follow(evaluator, self.graph.known(view), node, values, state)
        done = [m for s, _ in outcomes for m in s.trail[len(state.trail) :]]
        looks = all(m.kind in (Kind.TEST, Kind.COMPARE) for m in done)
        return outcomes if outcomes and looks else None

    def _given_away(
        self,
        evaluator: Evaluator,
        node: Node,
        name: str,
        argument: Node,
        value: Value,
        state: State,
    ) -> State:
        text = f"given to {name}()" if name else "given to a function pointer"
        if isinstance(value, Handle):
            if not name:
                why = "a handle is given to a function pointer that was not followed"
                return self.cut(evaluator, state, node, why)
            if known.KEEPERS.match(name):
                facts = state.known.get(value.id, "")
                return evaluator.mark(
                    state, Kind.STORE, argument, handle=value.id, text=text, known=facts
                )
            return evaluator.used(state, value, argument, text)
        at = (
            value.to
            if isinstance(value, Pointer)
            else value.at
            if isinstance(value, Struct)
            else ()
        )
        if at and at[0].startswith("="):
            for handle in state.handles_below(at):
                state = evaluator.used(state, handle, argument, text)
        return state

    def _copied(
        self, evaluator: Evaluator, values: Sequence[Value], state: State, arguments: Sequence[Node]
    ) -> State:
        target, source = values[0], values[1]
        assert isinstance(target, Pointer)
        if not isinstance(source, Pointer | Struct):
            return state.stored(target.to, UNKNOWN)
        at = source.to if isinstance(source, Pointer) else source.at
        if not state.handles_below(at):
            return state.stored(target.to, UNKNOWN)
        if target.to[0].startswith("="):
            return state.stored(target.to, Struct(at))
        named = arguments[0]
        if named.type == "pointer_expression":
            named = named.child_by_field_name("argument") or named
        for handle in state.handles_below(at):
            state = evaluator.left(state, target.to, handle, named)
        return state

    # -- questions of the evaluator

    def is_static(self, view: View, local: Local) -> bool:
        """Tell whether a local variable outlives its function."""
        if local.parameter >= 0:
            return False
        start = max(view.text.rfind(mark, 0, local.start) for mark in (b";", b"{", b"}"))
        return re.search(rb"\bstatic\b", view.text[start + 1 : local.start]) is not None

    def number_of(self, value: Value, view: View) -> int | None:
        """Return the number that a constant stands for, if it can be read."""
        if not isinstance(value, Constant):
            return None
        written = number_in(value.text)
        if written is not None:
            return written
        key = (value.text, view.path)
        if key not in self._numbers:
            macro = self.reader.types.macro(value.text, view.path)
            text = macro.body.decode("utf-8", "replace").strip() if macro is not None else ""
            self._numbers[key] = number_in(text)
        return self._numbers[key]

    def correlated(self, view: View, node: Node) -> str:
        """Return a condition's text if what was assumed of it holds when it is asked again."""
        text = condition(node_text(node))
        return text if self._current and text in self._current[-1].correlated else ""

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


_MOST_FUNCTIONS = 200
_MOST_TURNS = 2
_SMALL_INLINE = 400
# Assumptions that stay when a function is left: by #if, and which devices are the same.
CONFIGURED, SAME = "#", "#same"
_RESULT = ("=result",)
_FOLLOWED = ("struct net_device", "struct xfrm_state")
_DEVICE = CType("struct net_device", 1)


def _parameters(view: View) -> list[Local]:
    found = {local.parameter: local for local in view.locals if local.parameter >= 0}
    empty = Local("", next(iter(found.values())).type, None, 0, 0, 0) if found else None
    count = max(found, default=-1) + 1
    return [local for i in range(count) if (local := found.get(i, empty)) is not None]


def _argument(local: Local, has_device: bool) -> Value:
    """Return what the kernel gives an entry for a parameter."""
    kind = local.type
    if kind.base == "struct net_device":
        # ndo_select_queue() has a second one, which is another.
        return Netdev(Device.UNKNOWN if has_device else Device.OWN)
    if kind.base == "struct sk_buff":
        return Packet()
    if kind.base == "struct xfrm_state":
        return XfrmState(Sa.THIS)
    return Pointer(("argument", local.name)) if kind.pointers else UNKNOWN


def _typed(evaluator: Evaluator, body: Body, node: Node, values: Sequence[Value]) -> list[Value]:
    """Return the arguments of a call as what the parameters' types make of them."""
    listed = node.child_by_field_name("arguments")
    nodes = listed.named_children if listed is not None else []
    found = list(values)
    for local in body.view.locals:
        if 0 <= local.parameter < len(nodes) and local.parameter < len(values):
            at = local.parameter
            found[at] = evaluator.typed(values[at], local.type, nodes[at])
    return found


def _asked(evaluator: Evaluator, node: Node, arguments: Sequence[Node]) -> bool:
    """Tell whether a device or an SA is wanted of a call: its value, or what it puts somewhere."""
    for argument in arguments:
        if argument.type == "pointer_expression" and node_text(argument)[:1] == "&":
            filled = evaluator.declared_type(argument.child_by_field_name("argument"))
            if filled is not None and filled.base in _FOLLOWED and filled.pointers:
                return True
    up = node.parent
    while up is not None and up.type in ("parenthesized_expression", "cast_expression"):
        up = up.parent
    if up is None:
        return False
    if up.type == "argument_list" and up.parent is not None:
        return node_text(up.parent.child_by_field_name("function") or up) == RESOLVER
    target = up.child_by_field_name("left") or up.child_by_field_name("declarator")
    while target is not None and target.type == "pointer_declarator":
        target = target.child_by_field_name("declarator")
    kind = evaluator.declared_type(target)
    return (kind is not None and kind.base in _FOLLOWED) or up.type == "return_statement"


def _holds(value: Value, state: State) -> bool:
    """Tell whether a value is a handle, or leads to memory that holds one."""
    match value:
        case Handle():
            return True
        case Pointer():
            return bool(state.handles_below(value.to))
        case Struct():
            return bool(state.handles_below(value.at))
        case Packet():
            return bool(state.handles_below(("skb",)))
    return False


def _zeros(returned: Outcomes) -> Outcomes:
    """Take a constant 0 for the handle that another path returns, where that is known to be 0.

    `if (!h) return NULL; return (struct sa *)h;` returns the handle either way.
    """
    handles = {v for _, v in returned if isinstance(v, Handle) and v.form is Form.EXACT}
    if len(handles) != 1:
        return returned
    handle = next(iter(handles))
    return [
        (s, handle)
        if isinstance(v, Constant) and v.zero and s.known.get(handle.id) == "zero"
        else (s, v)
        for s, v in returned
    ]


def _visible(state: State, values: Sequence[Value]) -> tuple[State, dict[Location, Value]]:
    """Return a state with what a callee can see of it, and the locals that it can't."""
    roots = [v.to for v in values if isinstance(v, Pointer)]
    roots += [v.at for v in values if isinstance(v, Struct)]
    hidden = {
        k: v
        for k, v in state.memory.items()
        if k[0].startswith("=") and not any(k[: len(r)] == r for r in roots)
    }
    memory = {k: v for k, v in state.memory.items() if k not in hidden}
    assumed = {k: v for k, v in state.assumed.items() if k[0].startswith(CONFIGURED)}
    return replace(state, memory=memory, assumed=assumed), hidden


def _joined(before: State, after: State, hidden: Mapping[Location, Value]) -> State:
    """Return the caller's state behind a call. hidden: its locals that the callee could not see."""
    joined = replace(
        after,
        memory={**hidden, **after.memory},
        assumed={**before.assumed, **after.assumed},
        trail=before.trail,
    )
    for mark in after.trail:
        if joined.trail.count(mark) < 2:
            joined = replace(joined, trail=(*joined.trail, mark))
    return joined


def _left(state: State, frame: str) -> State:
    """Return a state without a frame's locals."""
    memory = {k: v for k, v in state.memory.items() if k[0] != frame}
    assumed = {k: v for k, v in state.assumed.items() if k[0] != frame}
    return replace(state, memory=memory, assumed=assumed)


def _written_here(view: View, node: Node) -> bool:
    """Tell whether a node stands in the function itself, not in a macro's body."""
    path, offset = view.origin(node.start_byte)
    return path == view.path and view.written.start <= offset < view.written.end


def _handed_down(evaluator: Evaluator, node: Node, state: State) -> State:
    """Say where a device was named that a callee got as an argument: at its call."""
    if not any(m.named is not None and m.named.parameter >= 0 for m in state.trail):
        return state
    listed = node.child_by_field_name("arguments")
    arguments = listed.named_children if listed is not None else []
    trail = []
    for mark in state.trail:
        if mark.named is not None and 0 <= mark.named.parameter < len(arguments):
            at = evaluator.parameter(arguments[mark.named.parameter])
            named = Named(evaluator.place(node), evaluator.view.function.name, at)
            mark = mark._replace(named=named)
        trail.append(mark)
    return replace(state, trail=tuple(trail))


def _renamed(state: State, value: Value, place: Place) -> tuple[State, Value]:
    """Put a call's place in front of the handles that were made in it.

    Two calls of one wrapper give two handles.
    """
    fresh = {m.handle for m in state.trail if m.kind is Kind.RESOLVE and m.handle is not None}
    if not fresh:
        return state, value

    def name(handle: HandleId) -> HandleId:
        return (place, *handle) if handle in fresh else handle

    def moved(one: Value) -> Value:
        return replace(one, id=name(one.id)) if isinstance(one, Handle) else one

    memory: Mapping[Location, Value] = {k: moved(v) for k, v in state.memory.items()}
    facts = {name(k): v for k, v in state.known.items()}
    trail = tuple(
        m._replace(handle=name(m.handle)) if m.handle is not None else m for m in state.trail
    )
    used = frozenset(name(handle) for handle in state.used)
    return replace(state, memory=memory, known=facts, used=used, trail=trail), moved(value)


def _widened(state: State, seen: dict[Location, set[str]]) -> State:
    """Forget a loop's counters. seen: the constants that each variable had in its turns."""
    memory = dict(state.memory)
    for at, value in state.memory.items():
        if isinstance(value, Constant):
            texts = seen.setdefault(at, set())
            texts.add(value.text)
            if len(texts) > _MOST_TURNS:
                memory[at] = UNKNOWN
    return replace(state, memory=memory)


def _following(slice_: Slice | None, indexes: Sequence[int]) -> tuple[int, ...]:
    if slice_ is None:
        return tuple(indexes)
    return tuple(dict.fromkeys(n for i in indexes for n in slice_.onward[i]))


def _configured(step: Step, state: State) -> list[tuple[State, tuple[int, ...]]]:
    found: list[tuple[State, tuple[int, ...]]] = []
    for (text, holds), target in zip(step.labels, step.next, strict=True):
        key = (CONFIGURED, text)
        if state.assumed.get(key, holds) == holds:
            after = replace(state, assumed={**state.assumed, key: holds})
            found.append((after, (target,)))
    return found


def _special(
    evaluator: Evaluator, name: str, node: Node, arguments: Sequence[Node], state: State
) -> Outcomes | None:
    """Return what comes of a macro that is more than a function; None for all others."""
    if known.NEVER_RETURN.match(name):
        return []
    if not arguments:
        return None
    first = arguments[0]
    if known.STOPS.match(name):
        return [(s, UNKNOWN) for s, held in evaluator.truth(first, state) if not held]
    if known.WARNS.match(name):
        return evaluator.as_value(node, state)
    if name in ("sizeof", "typeof", "offsetof", "BUILD_BUG_ON"):
        return [(state, UNKNOWN)]
    if (known.ASSIGNS.match(name) or known.ASSIGNS_THROUGH.match(name)) and len(arguments) > 1:
        found: Outcomes = []
        # atomic64_set(&p->f, h), but also xchg(&p->f, h), atomic_set(v, i).
        target = first
        if first.type == "pointer_expression" and node_text(first)[:1] == "&":
            target = first.child_by_field_name("argument") or first
        which = arguments[0] if node_text(arguments[1]) == "" else arguments[-1]
        for after, value in evaluator.value(which, state):
            found += [(s, UNKNOWN) for s in evaluator.assign(target, value, after)]
        return found
    if PASSES_FIRST.match(name):
        if name == known.NULL_OR_ERROR:
            return evaluator.as_value(node, state)
        return evaluator.value(first, state)
    return None


def _kernels(name: str, values: Sequence[Value]) -> Value | None:
    """Return what some of the kernel's functions return: a device, an SA, private data."""
    if known.MASTER.match(name):
        return Netdev(Device.MASTER)
    if known.VLAN_REAL.match(name):
        return Netdev(Device.VLAN_REAL)
    if known.PACKETS_STATE.match(name):
        return XfrmState(Sa.THIS)
    first = values[0] if values else UNKNOWN
    if name in ("BIT", "BIT_ULL") and isinstance(first, Constant) and first.text.isdigit():
        return replace(first, text=str(1 << min(int(first.text), 63)), zero=False)
    if known.PRIVATE.match(name):
        own = not isinstance(first, Netdev) or first.device is Device.OWN
        return Pointer(("own",) if own else ("other",))
    if name == known.VLAN_PRIVATE:
        return Pointer(("vlan",))
    if known.FROM_PRIVATE.match(name) and isinstance(first, Pointer):
        return Netdev(Device.OWN if first.to[0] == "own" else Device.UNKNOWN)
    if known.CONTAINERS.match(name) or name.startswith(("list_", "hlist_", "rb_entry")):
        if isinstance(first, Pointer):
            return Pointer((*first.to, "container"))
        if isinstance(first, Handle):
            return first.becoming(Form.COMPUTED)
    return None


def _leaves(node: Node) -> list[Node]:
    found, stack = [], [node]
    while stack:
        current = stack.pop()
        if not current.named_child_count:
            found.append(current)
        stack += current.named_children
    return found
