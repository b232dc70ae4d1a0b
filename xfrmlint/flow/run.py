"""Following paths through a driver's functions, from one of its entries."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from xfrmlint.c.graph import Does, Step
from xfrmlint.c.lower import (
    Assign,
    Count,
    Decide,
    Declare,
    Enter,
    Evaluate,
    Fork,
    Inside,
    Instruction,
    Keep,
    Return,
    Select,
    Stop,
    Test,
)
from xfrmlint.c.syntax import Call, Expression, Name, Temporary
from xfrmlint.c.view import FunctionName, Local, View
from xfrmlint.flow.calls import Calls
from xfrmlint.flow.code import Code
from xfrmlint.flow.conditions import Conditions
from xfrmlint.flow.coverage import Coverage
from xfrmlint.flow.evaluate import Evaluator, Held, NoWay
from xfrmlint.flow.events import Device, Sa
from xfrmlint.flow.frame import Frame, Outcomes
from xfrmlint.flow.relevance import Body, Slice
from xfrmlint.flow.summary import (
    RESULT,
    Turns,
    handed_down,
    handles_in,
    holds,
    joined,
    left_by,
    renamed,
    typed_arguments,
    visible,
    with_counters_opened,
    without_changed_constants,
    zeros,
)
from xfrmlint.flow.values import (
    CONFIGURED,
    GIVEN,
    UNKNOWN,
    Exit,
    Handle,
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
# What one step costs grows with what its state holds, and with the ways through its statement: each
# so many count as a step more. A driver of 7.3 has states of a few dozen.
_HELD_PER_STEP = 64
_INSTRUCTIONS_PER_STEP = 256
_TOO_MANY_PATHS = "too many paths; the rest was cut off"
_START = State({}, {}, {})
# By what is known of the packet's device.
_STARTS = {
    "yes": _START,
    "no": _START.stored(("skb", "dev"), Netdev(Device.UNSET)),
    "unknown": _START.stored(("skb", "dev"), Netdev(Device.UNKNOWN)),
}
_NOTHING: Held = {}


class Run:
    """Follows paths in one driver. steps: how many were taken."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.steps = 0
        self.stack: list[FunctionName] = []
        self.limit = MOST_IN_ALL
        self._memo: dict[object, list[Exit]] = {}

    def enter(
        self,
        function: FunctionName,
        from_kernel: bool = True,
        given: Sequence[Value] | None = None,
        most: int = MOST_IN_ALL,
        names_device: str = "yes",
        in_table: bool = False,
    ) -> list[Exit]:
        """Run a function from outside.

        from_kernel: its device is the one at work. given: its arguments, if they are known better.
        most: so many steps may be taken. names_device: whether the packet's device is the one at
        work: yes, no or unknown. in_table: nobody is seen to call it, who may give it what lies on
        the stack.
        """
        start = _STARTS[names_device]
        self.limit = self.steps + most
        self.code.begin(function)
        found: list[Exit] = []
        for body in self.code.driver.bodies(function):
            values: list[Value] = []
            for local in _parameters(body.view):
                seen = not from_kernel or any(isinstance(v, Netdev) for v in values)
                root = "argument" if from_kernel and not in_table else GIVEN
                values.append(_argument(local, seen, root))
            values = list(given) if given is not None else values
            found += self._function(function, body, values, start, 0)
        return found

    def give_up(self) -> None:
        """Forget where a run was that ended in an exception."""
        self.stack.clear()
        self.code.cut_off = True

    def _function(
        self, function: FunctionName, body: Body, values: Sequence[Value], state: State, depth: int
    ) -> list[Exit]:
        """Run one function's body from a state; its events alone are in the exits' trails."""
        key = (id(body), tuple(values), state.context(), depth, self.code.private)
        if key in self._memo:
            return self._memo[key]
        self.stack.append(function)
        self.code.entered.add(function)
        named = [(n, v) for n, v in zip(body.view.parameters, values, strict=False) if n]
        slice_ = self.code.slice(body, frozenset(n for n, v in named if holds(v, state)))
        frame = Frame(self.code, body, depth, slice_.correlated)
        inside = replace(state, trail=())
        for name, value in named:
            inside = inside.stored((frame.name, name), value)
        returned = _Walk(self, frame, slice_).outcomes(inside)
        self.stack.pop()
        exits: dict[object, Exit] = {}
        coverage = Coverage()
        for after, value in zeros(frame, returned):
            if isinstance(value, Struct):
                # Returned by value: it outlives the frame.
                after, value = after.stored(RESULT, value), Struct(RESULT)
            left = left_by(after, frame.name)
            if (left.key(), value) not in exits and coverage.adds(value, left):
                exits[left.key(), value] = Exit(left, value)
        found = list(exits.values())
        if self.steps <= self.limit:
            # What was cut off for one entry's sake is another's to follow.
            self._memo[key] = found
        return found

    def follow(
        self, frame: Frame, target: FunctionName, call: Call, values: Sequence[Value], state: State
    ) -> Outcomes:
        """Run a function of the driver; what it made is its caller's from then on."""
        if target in self.stack or len(self.stack) > _DEEPEST:
            why = f"{target.name}() calls itself, or too deep"
            for argument, value in zip(call.arguments, values, strict=False):
                state = _not_entered(frame, argument, value, state)
            return [(frame.cut(state, call, why), UNKNOWN)]
        place = frame.place(call)
        found: dict[object, tuple[State, Value]] = {}
        for body in self.code.driver.bodies(target):
            given = typed_arguments(frame, body, call, values)
            seen, hidden = visible(state, given)
            for after, value in self._function(target, body, given, seen, len(self.stack)):
                moved, result = renamed(handed_down(frame, call, after), value, place)
                behind = joined(state, moved, hidden)
                found.setdefault((behind.key(), result), (behind, result))
        return list(found.values()) or [(state, UNKNOWN)]


class _Point(NamedTuple):
    """Where a path stands: before a step, or (at) before one of its instructions.

    held: temporaries. leaving: another turn of the loop that begins here would show nothing new.
    """

    step: int
    at: int | None
    state: State
    held: Held = _NOTHING
    leaving: bool = False


class _Walk:
    """One way through a function for each of its paths."""

    def __init__(self, run: Run, frame: Frame, slice_: Slice) -> None:
        self.run = run
        self.frame = frame
        self.lowered = frame.body.lowered
        self.slice = slice_
        self.conditions = Conditions(frame)
        self.calls = Calls(run.code, run.follow)
        self.stack: list[_Point] = []
        self.returned: Outcomes = []
        self.ended: Outcomes = []
        self._seen: set[object] = set()
        self._turns: set[object] = set()
        self._counted: dict[int, Turns] = {}
        self._coverage = Coverage()
        self._walked = 0

    def outcomes(self, state: State) -> Outcomes:
        """Follow all paths from the function's start; return what each ends with."""
        self._push([self.lowered.graph.start], state, _NOTHING)
        while self.stack:
            point = self.stack.pop()
            if point.at is not None:
                self._go(point)
                continue
            if not self._is_new(point):
                continue
            self._walked += 1
            step = self.lowered.steps[point.step]
            if step.again:
                turned = self._turned(point, step)
                if turned is None:
                    continue
                point = turned
            if step.misread:
                point = point._replace(state=point.state.doubted(untested=True))
            self.run.steps += 1
            if self._is_over():
                self._cut(point, _TOO_MANY_PATHS)
                break
            self._enter(point, step)
        return [*self.returned, *self.frame.returned, *self.ended]

    def _is_over(self) -> bool:
        return self._walked > _MOST_STEPS or self.run.steps > self.run.limit

    def _count(self, more: int) -> None:
        self._walked += more
        self.run.steps += more

    def _push(self, steps: Sequence[int], state: State, held: Held) -> None:
        onward = self.slice.onward
        following = dict.fromkeys(n for i in steps for n in onward.get(i, (i,)))
        # What leaves a statement expression takes nothing of it along.
        own = self.lowered.own
        self.stack += [_Point(n, None, state, held if n >= own else _NOTHING) for n in following]

    def _is_new(self, point: _Point) -> bool:
        """Tell whether nothing like it was followed from a step."""
        if point.step >= self.lowered.own or point.step in self.slice.joins:
            mark = (point.step, point.state.key(), *point.held.items())
            if mark in self._seen:
                return False
            self._seen.add(mark)
        return self._coverage.adds((point.step, *point.held.items()), point.state)

    def _turned(self, point: _Point, step: Step) -> _Point | None:
        """Return where a loop's next turn begins, whatever happened in the last one."""
        # What is asked in one turn is for a packet of that turn.
        state = point.state.collected().given(None)
        state = with_counters_opened(self.frame, state, self._seen_in(point.step))
        if step.does is not Does.TEST:
            state = without_changed_constants(self.frame, state, self._seen_in(point.step))
        turn = (point.step, *point.held.items(), *state.context())
        leaving = turn in self._turns
        self._turns.add(turn)
        jumped_to = point.step in self.lowered.graph.labels.values()
        if leaving and step.does is not Does.TEST and not jumped_to:
            # Nothing new can come of it, and nothing is behind it.
            self.returned.append((state, UNKNOWN))
            return None
        return point._replace(state=state, leaving=leaving)

    def _enter(self, point: _Point, step: Step) -> None:
        """Begin with a step."""
        match step.does:
            case Does.END if point.step in self.lowered.back:
                self.stack.append(_resumed(point, *self.lowered.back[point.step]))
            case Does.END:
                self.ended.append((point.state, UNKNOWN))
            case Does.CUT:
                self._cut(point, "a goto that could not be followed")
            case Does.CONFIGURED:
                for after, target in _configured(step, point.state, self.run.code.options):
                    self._push([target], after, point.held)
            case _:
                start = self.lowered.code(point.step).start
                self._go(point._replace(at=start))

    def _cut(self, point: _Point, why: str) -> None:
        at = self.lowered.anywhere(point.step)
        state = self.frame.cut(point.state, at, why)
        self.returned.append((state, UNKNOWN))

    def _go(self, point: _Point) -> None:
        """Follow a step's instructions, in all ways, to where it is left."""
        code = self.lowered.code(point.step).instructions
        ways = [point]
        done = 0
        while ways:
            point = ways.pop()
            done += 1
            if not done % _INSTRUCTIONS_PER_STEP:
                self._count(1)
                if self._is_over():
                    self._cut(point, _TOO_MANY_PATHS)
                    self.stack.clear()
                    return
            if point.at is None:
                self.stack.append(point)
            elif point.at < 0:
                self._leave(point, -1 - point.at)
            else:
                ways += reversed(self._done(code[point.at], point))

    def _leave(self, point: _Point, way: int) -> None:
        """Go on behind a step."""
        step = self.lowered.steps[point.step]
        held = point.held if self.lowered.is_inside(point.step) else _NOTHING
        targets = step.next
        if step.does is Does.TEST:
            if point.leaving and way == 0:
                return
            targets = step.next[:1] if way == 0 else step.next[1:]
        state = point.state
        if step.again and step.does is Does.TEST and way == 0:
            # Not before: what ends a loop is known where it has ended.
            state = without_changed_constants(self.frame, state, self._seen_in(point.step))
        self._push(targets, state, held)

    def _seen_in(self, step: int) -> Turns:
        return self._counted.setdefault(step, {})

    def _done(self, instruction: Instruction, point: _Point) -> Sequence[_Point]:
        """Follow one instruction: return where the path goes on."""
        try:
            made = _DOES[type(instruction)](self, instruction, point)
        except NoWay:
            return ()
        self._count(sum(one.state.size // _HELD_PER_STEP for one in made))
        return made

    def _straight(
        self, one: Assign | Count | Declare | Evaluate | Keep, point: _Point
    ) -> Sequence[_Point]:
        evaluator = Evaluator(self.frame, point.state, point.held)
        to, value = None, None
        match one:
            case Assign():
                to, value = one.result, evaluator.assign(one)
            case Count():
                to, value = one.result, evaluator.count(one)
            case Keep():
                to, value = one.to, evaluator.keep(one)
            case Declare():
                evaluator.declare(one.declaration)
            case Evaluate():
                evaluator.value(one.value)
        return [_kept(point, evaluator.state, to, value or UNKNOWN, one.next)]

    def _entered(self, one: Enter, point: _Point) -> Sequence[_Point]:
        outcomes = self.calls.of(self.frame, one.call, point.state, point.held)
        return [_kept(point, state, one.result, value, one.next) for state, value in outcomes]

    def _tested(self, one: Test, point: _Point) -> Sequence[_Point]:
        return [
            point._replace(at=one.true if way else one.false, state=state)
            for state, way in self._ways(one.condition, point)
        ]

    def _decided(self, one: Decide, point: _Point) -> Sequence[_Point]:
        """Evaluate a condition as a value; the path splits only where that says something."""
        evaluator = Evaluator(self.frame, point.state, point.held)
        value = evaluator.value(one.condition) if isinstance(one.condition, Name) else UNKNOWN
        if isinstance(value, Handle):
            # A bool that is given a handle is tested in its place.
            return [_kept(point, evaluator.state, one.to, value, one.next)]
        ways = self._ways(one.condition, point)
        kinds = {s.context() for s, _ in ways} | {s.trail for s, _ in ways}
        if len(ways) == 2 and len(kinds) == 2:
            # Nothing was learned.
            return [_kept(point, ways[0][0], one.to, UNKNOWN, one.next)]
        return [_kept(point, s, one.to, self.frame.truth(way, one.to), one.next) for s, way in ways]

    def _forked(self, one: Fork, point: _Point) -> Sequence[_Point]:
        return [point._replace(at=at) for at in one.ways]

    def _inside(self, one: Inside, point: _Point) -> Sequence[_Point]:
        return [point._replace(step=one.step, at=None)]

    def _returned(self, one: Return, point: _Point) -> Sequence[_Point]:
        evaluator = Evaluator(self.frame, point.state, point.held)
        value = evaluator.value(one.value) if one.value is not None else UNKNOWN
        self.returned.append((evaluator.state, self.frame.fitted(value, self.frame.view.result)))
        return ()

    def _ways(self, condition: Expression, point: _Point) -> list[tuple[State, bool]]:
        return self.conditions.ways(condition, point.state, point.held)

    def _selected(self, one: Select, point: _Point) -> Sequence[_Point]:
        """Go on at each case of a switch that its value can meet."""
        step = self.lowered.steps[point.step]
        held = point.held if self.lowered.is_inside(point.step) else _NOTHING
        evaluator = Evaluator(self.frame, point.state, point.held)
        value = evaluator.value(one.value)
        rest = [evaluator.state]
        for label, target in step.cases:
            if label is None:
                continue
            if self._is_over():
                break
            ways = [w for s in rest for w in self.conditions.labelled(s, value, label, one.value)]
            self._count(sum(after.size // _HELD_PER_STEP for after, _ in ways))
            for after, met in ways:
                if met:
                    self._push([target], after, held)
            rest = [after for after, met in ways if not met]
        for after in rest:
            self._push([t for label, t in step.cases if label is None], after, held)
        return ()


_DOES: dict[type[Instruction], Callable[[_Walk, Any, _Point], Sequence[_Point]]] = {
    **dict.fromkeys((Assign, Count, Declare, Evaluate, Keep), _Walk._straight),
    Enter: _Walk._entered,
    Test: _Walk._tested,
    Decide: _Walk._decided,
    Fork: _Walk._forked,
    Inside: _Walk._inside,
    Select: _Walk._selected,
    Return: _Walk._returned,
    Stop: lambda *_: (),
}


def _kept(point: _Point, state: State, to: Temporary | None, value: Value, at: int) -> _Point:
    held = point.held if to is None else {**point.held, to: value}
    return point._replace(at=at, state=state, held=held)


def _resumed(point: _Point, step: int, at: int) -> _Point:
    return _Point(step, at, point.state, point.held)


def _parameters(view: View) -> list[Local]:
    found = {local.parameter: local for local in view.locals if local.parameter >= 0}
    empty = Local("", next(iter(found.values())).type, None, 0, 0, 0) if found else None
    count = max(found, default=-1) + 1
    return [local for i in range(count) if (local := found.get(i, empty)) is not None]


def _not_entered(frame: Frame, argument: Expression, value: Value, state: State) -> State:
    """Return what holds behind a call that is not followed: what it gets it may test, or store."""
    for handle in handles_in(value, state):
        state = frame.compared(state, handle, argument)
    for inner, held in list(state.below(value.to)) if isinstance(value, Pointer) else ():
        if isinstance(value, Pointer) and not isinstance(held, Handle):
            state = state.stored((*value.to, *inner), UNKNOWN)
    return state


def _argument(local: Local, has_device: bool, root: str) -> Value:
    """Return what the kernel, or a caller on a way that was not followed, gives for a parameter."""
    kind = local.type
    if kind.base == "struct net_device":
        # ndo_select_queue() has a second one, which is another.
        return Netdev(Device.UNKNOWN if has_device else Device.OWN)
    if kind.base == "struct sk_buff":
        return Packet()
    if kind.base == "struct xfrm_state":
        return XfrmState(Sa.THIS)
    return Pointer((root, local.name)) if kind.pointers else UNKNOWN


def _configured(step: Step, state: State, options: frozenset[str]) -> list[tuple[State, int]]:
    """Return the ways through an #if. options: those whose answer has to be remembered."""
    found: list[tuple[State, int]] = []
    for (text, wanted), target in zip(step.labels, step.next, strict=True):
        key = (CONFIGURED, text)
        if text not in options:
            found.append((state, target))
        elif state.assumed.get(key, wanted) == wanted:
            after = replace(state, assumed={**state.assumed, key: wanted})
            found.append((after, target))
    return found
