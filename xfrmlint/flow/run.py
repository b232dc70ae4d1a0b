"""Following paths through a driver's functions, from one of its entries."""

from collections.abc import Sequence
from dataclasses import replace

from tree_sitter import Node

from xfrmlint.c.graph import Does, Graph, Step, graph_of
from xfrmlint.c.view import FunctionName, Local, View
from xfrmlint.flow.calls import Calls
from xfrmlint.flow.coverage import Coverage
from xfrmlint.flow.evaluate import Evaluator
from xfrmlint.flow.events import Device, Sa
from xfrmlint.flow.frame import Outcomes
from xfrmlint.flow.loops import loop_of
from xfrmlint.flow.relevance import Body, Slice
from xfrmlint.flow.summary import (
    RESULT,
    arguments_of,
    handed_down,
    holds,
    joined,
    left_by,
    renamed,
    visible,
    widened,
    zeros,
)
from xfrmlint.flow.values import (
    CONFIGURED,
    UNKNOWN,
    Exit,
    Location,
    Netdev,
    Packet,
    Pointer,
    State,
    Struct,
    Value,
    XfrmState,
)

_DEEPEST = 16
_MOST_STEPS = 12000
# Divided among the entries of a driver.
MOST_IN_ALL = 60000
_START = State({}, {}, {})


class Run(Calls):
    """Follows paths in one driver. steps: how many were taken."""

    steps = 0
    _limit = MOST_IN_ALL

    def enter(
        self,
        function: FunctionName,
        from_kernel: bool = True,
        given: Sequence[Value] | None = None,
        most: int = MOST_IN_ALL,
        names_device: bool = True,
    ) -> list[Exit]:
        """Run a function from outside.

        from_kernel: its device is the one at work. given: its arguments, if they are known better.
        most: so many steps may be taken. names_device: the packet's device is the one at work.
        """
        start = _START if names_device else _START.stored(("skb", "dev"), Netdev(Device.UNKNOWN))
        self._limit = self.steps + most
        found: list[Exit] = []
        for body in self.bodies(function):
            values: list[Value] = []
            for local in _parameters(body.view):
                seen = not from_kernel or any(isinstance(v, Netdev) for v in values)
                values.append(_argument(local, seen))
            values = list(given) if given is not None else values
            found += self._function(function, body, values, start, 0)
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
        evaluator = Evaluator(self, self, body, depth)
        frame = evaluator.frame
        inside = replace(state, trail=())
        parameters = body.view.parameters
        carrying = set()
        for name, value in zip(parameters, values, strict=False):
            if not name:
                continue
            inside = inside.stored((frame, name), value)
            if holds(value, state):
                carrying.add(name)
        slice_ = self._slice(body, frozenset(carrying))
        self._current.append(slice_)
        ended, returned = self._walk(evaluator, slice_.graph, slice_, inside)
        self._current.pop()
        self._stack.pop()
        returned += evaluator.returned + [(s, UNKNOWN) for s in ended]
        exits: dict[object, Exit] = {}
        coverage = Coverage()
        for after, value in zeros(returned):
            if isinstance(value, Struct):
                # Returned by value: it outlives the frame.
                after, value = after.stored(RESULT, value), Struct(RESULT)
            left = left_by(after, frame)
            if (left.key(), value) not in exits and coverage.adds(value, left):
                exits[left.key(), value] = Exit(left, value)
        found = list(exits.values())
        if self.steps <= self._limit:
            # What was cut off for one entry's sake is another's to follow.
            self._memo[key] = found
        return found

    def _walk(
        self, evaluator: Evaluator, graph: Graph, slice_: Slice | None, state: State
    ) -> tuple[list[State], Outcomes]:
        """Follow a graph from its start; returns the states at its end, and what was returned."""
        ended: list[State] = []
        returned: Outcomes = []
        starts = _following(slice_, (graph.start,))
        stack = [(index, state) for index in starts]
        seen: set[object] = set()
        coverage = Coverage()
        walked = 0
        turns: set[object] = set()
        counted: dict[int, dict[Location, set[str]]] = {}
        while stack:
            index, now = stack.pop()
            if slice_ is None or index in slice_.joins:
                mark = (index, now.key())
                if mark in seen:
                    continue
                seen.add(mark)
            if not coverage.adds(index, now):
                continue
            walked += 1
            step = graph.steps[index]
            if step.again:
                # What another turn of the loop begins with, whatever happened in the last one.
                now = widened(now.collected(), counted.setdefault(index, {}))
                turn = (index, *now.context())
                if turn in turns:
                    # Nothing new can come of it: only what is behind the loop is left.
                    if step.does is Does.TEST:
                        behind = _following(slice_, step.next[1:])
                        ways = evaluator.truth(step.node, now)
                        stack += [(n, after) for after, held in ways if not held for n in behind]
                    else:
                        returned.append((now, UNKNOWN))
                    continue
                turns.add(turn)
            self.steps += 1
            if walked > _MOST_STEPS or self.steps > self._limit:
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
                result = evaluator.value(inside[0], now) if inside else [(now, UNKNOWN)]
                kind = evaluator.view.result
                returned += [(after, evaluator.fitted(value, kind)) for after, value in result]
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
            loop = loop_of(node, evaluator.view, self.reader.types) if node is not None else None
            if loop is not None:
                inside = [(after, following[:1]) for after in evaluator.entered(loop, state)]
                return [*inside, (state, following[1:])]
            return [
                (after, following[:1] if held else following[1:])
                for after, held in evaluator.truth(node, state)
            ]
        if step.does is Does.SWITCH:
            return self._switch(evaluator, step, state)
        if step.does is Does.CONFIGURED:
            return _configured(step, state, self.options)
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
        if inside is None:
            return found
        for after, value in evaluator.value(inside, state):
            rest = [after]
            for label, target in step.cases:
                ways = [
                    w for s in rest if label for w in evaluator.labelled(s, value, label, inside)
                ]
                found += [(then, (target,)) for then, held in ways if held]
                rest = [then for then, held in ways if not held] if label else rest
            found += [(then, (t,)) for then in rest for label, t in step.cases if label is None]
        return found

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
            given = arguments_of(evaluator, body, node, values)
            seen, hidden = visible(state, given)
            for after, value in self._function(target, body, given, seen, len(self._stack)):
                moved, result = renamed(handed_down(evaluator, node, after), value, place)
                behind = joined(state, moved, hidden)
                found.setdefault((behind.key(), result), (behind, result))
        return list(found.values()) or [(state, UNKNOWN)]


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


def _following(slice_: Slice | None, indexes: Sequence[int]) -> tuple[int, ...]:
    if slice_ is None:
        return tuple(indexes)
    return tuple(dict.fromkeys(n for i in indexes for n in slice_.onward[i]))


def _configured(
    step: Step, state: State, options: frozenset[str]
) -> list[tuple[State, tuple[int, ...]]]:
    """Return the ways through an #if. options: those whose answer has to be remembered."""
    found: list[tuple[State, tuple[int, ...]]] = []
    for (text, wanted), target in zip(step.labels, step.next, strict=True):
        key = (CONFIGURED, text)
        if text not in options:
            found.append((state, (target,)))
        elif state.assumed.get(key, wanted) == wanted:
            after = replace(state, assumed={**state.assumed, key: wanted})
            found.append((after, (target,)))
    return found
