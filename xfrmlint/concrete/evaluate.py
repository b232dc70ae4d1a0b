"""A strict evaluator of one C function: what it returns, and which fields it read on the way.

What C means is c/syntax.py's and c/lower.py's: here its instructions are followed on one path, from
the function's start to its end. Exact inside its subset and silent about nothing: what lies outside
raises `Outside` with a line, what a kernel would oops on (or read as garbage) is a `Fault`.
Arithmetic is that of the kernel's 64-bit build: LP64, two's complement, signed overflow wraps
(-fno-strict-overflow in the top Makefile). A plain `char` is outside: its sign depends on the
release. Operands which C doesn't order are checked for an outcome that another order would change.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from xfrmlint.c.ctype import CType
from xfrmlint.c.graph import Does
from xfrmlint.c.integers import INT, Int, promoted, wrapped
from xfrmlint.c.lower import (
    Assign,
    Count,
    Decide,
    Declare,
    Enter,
    Evaluate,
    Inside,
    Instruction,
    Keep,
    Return,
    Select,
    Stop,
    Test,
)
from xfrmlint.c.syntax import (
    Binary,
    Call,
    Comma,
    Conditional,
    Expression,
    Initializer,
    Literal,
    Member,
    Name,
    Temporary,
)
from xfrmlint.concrete.body import Body, Prepared, slot
from xfrmlint.concrete.builtins import Builtins
from xfrmlint.concrete.containers import loop_variable
from xfrmlint.concrete.expressions import short
from xfrmlint.concrete.faults import Fault, Faulted, FaultKind, Outside
from xfrmlint.concrete.kernel import Kernel
from xfrmlint.concrete.memory import Frame, Touched
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.primitives import word_of
from xfrmlint.concrete.sources import Sources
from xfrmlint.concrete.trace import StepKind, Trace
from xfrmlint.concrete.values import (
    Cell,
    Function,
    Open,
    Pointer,
    Struct,
    Unknown,
    Value,
    Void,
)
from xfrmlint.concrete.wrapped import loop_behind

_MOST_STEPS = 20_000
ENDLESS = "a loop that doesn't end soon"
_DEEPEST_CALL = 32
_RETURNED = -1


class Result(NamedTuple):
    """What came out: a value or a fault, and the way there."""

    value: Value | Fault
    trace: Trace


def evaluate(
    source: Source,
    arguments: Sequence[Value],
    names: Sources,
    choose: Callable[[], bool] | None = None,
    kernel: Kernel | None = None,
    supposed: Mapping[str, Value] = MappingProxyType({}),
) -> Result:
    """Call a function and return what it gives.

    choose: is asked which way an unknown condition goes; without it, everything unknown is outside.
    kernel: does what the kernel's own functions do. supposed: what a pointer that nobody can tell
    leads to, by the struct's type. Raises Outside. The arguments' structs are changed where the
    function stores to them.
    """
    machine = _Machine(names, choose, kernel)
    machine.supposed = supposed
    try:
        return Result(machine.call_source(source, arguments), tuple(machine.trace))
    except Faulted as error:
        return Result(error.fault, tuple(machine.trace))
    except RecursionError:
        reason = f"{source.name}() is nested too deep"
        raise Outside(reason, source.path, source.line) from None


class _Watched(NamedTuple):
    """A step in which the order of evaluation may matter, and what was watched around it."""

    step: Prepared
    touched: list[Touched] | None
    calling: int


class _Machine(Builtins):
    """A machine that follows instructions and calls functions."""

    # Calls

    def call_source(self, source: Source, arguments: Sequence[Value]) -> Value:
        if source.problem:
            raise Outside(source.problem, source.path, source.problem_line or source.line)
        if len(self._frames) > _DEEPEST_CALL:
            raise Outside(f"{source.name}() calls itself too deep", source.path, source.line)
        view = source.view
        if view not in self.names.bodies:
            self.names.bodies[view] = Body(source, self.names)
        body = self.names.bodies[view]
        if body.count != len(arguments):
            reason = f"{source.name}() takes {body.count} arguments, not {len(arguments)}"
            raise Outside(reason, source.path, source.line)
        frame = Frame(body)
        at = view.node.start_byte
        self._frames.append(frame)
        for local in body.parameters:
            value = self._converted(arguments[local.parameter], local.type, at)
            if isinstance(value, Struct) and not value.born:
                # What it does with its own is not done to the caller's.
                value = self._own(value.copy(local.name))
            frame.cells[slot(local)] = Cell(local.name, value, local.type)
        result = view.result
        if view.body is None or result is None:
            raise self._outside(f"{source.name}() has a head that can't be read", at)
        value = self._run(frame)
        if result.base == "void" and not result.pointers:
            value = Void()
        elif isinstance(value, Void):
            raise self._outside(f"{source.name}() ends without a value", at)
        else:
            value = self._converted(value, result, at)
        self._frames.pop()
        return value

    def _entered(self, one: Enter) -> int:
        calling = self._calling
        if self._touched is not None and calling < 0:
            self._calling = one.call.start
        self._hold(one.result, self._result_of(one.call))
        self._calling = calling
        return one.next

    def _result_of(self, call: Call) -> Value:
        name = call.name
        if not name:
            if isinstance(call.callee, Temporary) and _is_guard(call.callee.of):
                return Void()
            called = self._value(call.callee)
            return self._called_pointer(called, list(map(self._value, call.arguments)), call)
        word = word_of(name, self.kernel is not None)
        if word:
            return self._builtin(call, word)
        source = self.names.function(name, self._path)
        if source is not None:
            values = list(map(self._value, call.arguments))
            self._step(StepKind.CALL, call.start, name)
            return self.call_source(source, values)
        if self.choose is None:
            raise self._outside(f"{name}() is not defined in a plain way", call.start)
        given = [a for a in call.arguments if not (isinstance(a, Literal) and a.is_text)]
        targets = [v.target for v in map(self._value, given) if isinstance(v, Pointer)]
        handed = [target.name for target in targets if isinstance(target, Struct)]
        self._step(StepKind.CALL, call.start, name, " ".join(handed))
        return Unknown()

    def _called_pointer(self, called: Value, values: Sequence[Value], call: Call) -> Value:
        if isinstance(called, Unknown):
            return called
        if not isinstance(called, Pointer):
            raise self._outside("a call of what is no function", call.start)
        if called.target is None:
            text = f"`{short(call.callee)}` is NULL and called"
            raise self._fault(FaultKind.NULL, text, call.start)
        function = called.target
        if not isinstance(function, Function):
            raise self._outside("a call of what is no function", call.start)
        self._step(StepKind.CALL, call.start, function.name)
        if function.source is not None:
            return self.call_source(function.source, values)
        if function.call is None:
            raise self._outside(f"{function.name}() is not known", call.start)
        if self.kernel is not None:
            self.kernel.called_at = self._spot(_last_word(call.callee))
        found = function.call(values)
        if isinstance(found, Fault):
            raise self._fault(found.kind, found.text, call.start)
        return found

    # Steps

    def _run(self, frame: Frame) -> Value:
        """Follow a function's steps from its start to where it is left; return what it returns."""
        body = frame.body
        lowered = body.lowered
        watched: _Watched | None = None
        index = lowered.graph.start
        while True:
            step = body.step(index)
            at = step.start
            if frame.blocks and step.inside >= 0:
                self._leave_blocks(frame, step.inside)
            if step.does is Does.END:
                if index not in lowered.back:
                    return Void()
                # The end of a statement expression.
                index, at = lowered.back[index]
                step = body.step(index)
            elif step.unordered:
                watched = _Watched(step, self._touched, self._calling)
                self._touched, self._calling = [], -1
            index = self._followed(step, at, frame)
            if watched is not None and not lowered.is_inside(index):
                self._check(watched)
                watched = None
            if index == _RETURNED:
                return frame.returned

    def _followed(self, step: Prepared, at: int, frame: Frame) -> int:
        """Follow a step's instructions; return which step is next."""
        self._tick(step)
        if step.loop:
            return step.next[0 if self._turns(step, frame) else 1]
        if step.begins >= 0:
            frame.turns.pop(step.begins, None)
        if step.does is Does.CUT:
            raise self._outside("a statement that isn't covered (goto_statement)", step.offset)
        if step.single is not None:
            self._evaluated(step.single)
        while at >= 0:
            self._tick(step)
            one = step.code[at]
            does = _DOES.get(type(one))
            if does is None:
                return self._left(one, step, frame)
            at = does(self, one)
        return step.next[-1 - at]

    def _left(self, one: Instruction, step: Prepared, frame: Frame) -> int:
        """Return which step comes behind an instruction that leaves its own."""
        match one:
            case Inside():
                return one.step
            case Select():
                return self._selected(one, step)
            case Return():
                frame.returned = Void() if one.value is None else self._value(one.value)
                return _RETURNED
        raise self._outside("what only the compiler chooses", step.offset)

    def _tick(self, step: Prepared) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise self._outside(ENDLESS, step.offset)

    def _check(self, watched: _Watched) -> None:
        """Look at what a step touched, and hand it on to the one that called the function."""
        touched = self._touched or []
        for unordered in watched.step.unordered:
            self._check_order(unordered, touched, watched.step.offset)
        self._touched, self._calling = watched.touched, watched.calling
        for one in touched if watched.touched is not None else ():
            self._touch(one.cell, watched.calling, one.written)

    def _turns(self, step: Prepared, frame: Frame) -> bool:
        """Go on to the next turn of a loop that a macro makes; tell whether there is one."""
        if self.kernel is None:
            raise self._outside("a loop made by a macro", step.offset)
        name, arguments = loop_behind(
            step.loop, step.arguments, lambda name: self.names.loop_macro(name, self._path)
        )
        of = loop_variable(name, arguments)
        if step.number not in frame.turns:
            found = self._elements(self.kernel, name, arguments)
            frame.turns[step.number] = found
        value = next(frame.turns[step.number], None)
        if value is None:
            return False
        self._store(self._lvalue(of), value, step.offset)
        return True

    def _selected(self, one: Select, step: Prepared) -> int:
        value = self._value(one.value)
        self._step(StepKind.TEST, step.offset)
        rest = next(target for label, target in step.cases if label is None)
        number = isinstance(value, Open | Int)
        if not number and (self.choose is None or not isinstance(value, Unknown)):
            raise self._outside("a switch over what isn't an integer", step.offset)
        for label, target in step.cases:
            if label is not None and self._is_case(value, label, step.offset):
                return target
        return rest

    def _is_case(self, value: Value, label: str, at: int) -> bool:
        low, _, high = label.partition("...")
        first, last = (self.names.constant(text.strip(), self._path) for text in (low, high or low))
        if isinstance(value, Unknown):
            return self._truth(value, at)
        if first is None or last is None:
            raise self._outside(f"a case that isn't an integer ({label})", at)
        if isinstance(value, Open) and self.kernel is not None and not high:
            return self.kernel.is_number(value, first.value)
        if isinstance(value, Open) and high:
            raise self._outside("a range of cases for what is open", at)
        kind = promoted(value.type) if isinstance(value, Int) else INT
        ends = [wrapped(one.value, kind).value for one in (first, last)]
        return isinstance(value, Int) and ends[0] <= value.value <= ends[1]

    # Instructions

    def _evaluated(self, one: Expression) -> None:
        """Evaluate what no instruction is made of: it may be outside."""
        match one:
            case Comma():
                self._evaluated(one.left)
                self._evaluated(one.right)
            case Name(name="fallthrough"):
                return
            case _:
                self._value(one)

    def _evaluate(self, one: Evaluate) -> int:
        self._value(one.value)
        return one.next

    def _keep(self, one: Keep) -> int:
        side = one.value
        if isinstance(side, Binary) and side.operator == "?:":
            side = side.right
        of = one.to.of
        self._hold(
            one.to, self._side(of, side) if isinstance(of, Conditional) else self._value(side)
        )
        return one.next

    def _decide(self, one: Decide) -> int:
        value = self._value(one.condition)
        if not isinstance(value, Unknown):
            value = Int(int(self._truth(value, one.condition.start)), INT)
        self._hold(one.to, value)
        return one.next

    def _test(self, one: Test) -> int:
        truth = self._truth(self._value(one.condition), one.condition.start)
        self._step(StepKind.TEST, one.condition.start)
        return one.true if truth else one.false

    def _assign(self, one: Assign) -> int:
        own = one.to.node.end_byte
        value = self._value(one.value)
        place = self._lvalue(one.to)
        if isinstance(place, Cell):
            self._frames[-1].before = place.value
        if one.operator:
            old = self._load(place, own)
            value = self._computed(one.operator, old, value, one.to.start)
        self._hold(one.result, self._store(place, value, one.to.start, own))
        return one.next

    def _count(self, one: Count) -> int:
        of = one.update
        place = self._lvalue(of.target)
        old = self._load(place, of.start)
        new = self._computed(of.operator, old, Int(1, INT), of.start)
        stored = self._store(place, new, of.start)
        self._hold(one.result, old if of.before else stored)
        return one.next

    def _stop(self, one: Stop) -> int:
        asked = short(one.at.of) if one.at.of is not None else ""
        raise self._fault(FaultKind.BUG, f"BUG_ON({asked})", one.at.start)

    # Declarations

    def _declare(self, one: Declare) -> int:
        made = one.declaration
        body = self._frames[-1].body
        local, refused = body.local(made.target), body.refused(made)
        if local is None or refused or local.type[:2] == ("fn", 0):
            raise self._outside(refused or "a declaration that can't be read", made.start)
        cell = self._begun(local)
        value = made.value
        if value is not None and not isinstance(value, Initializer):
            self._initialize(cell, local.type, value)
        elif _is_struct(local.type) and (self.choose is None or value is not None):
            struct = self._begun_struct(cell.name, local.type, made, fresh=value is None)
            cell.value = self._own(struct if value is None else self._filled(struct, value))
        elif value is not None:
            raise self._uncovered(value)
        else:
            self._scalar(local.type, made.start)
        return one.next

    def _own(self, struct: Struct) -> Struct:
        """Return a struct that is a variable of the call's: nobody else sees it change."""
        if self.kernel is not None:
            self.kernel.made.append(struct)
        return struct

    def _initialize(self, cell: Cell, kind: CType, written: Expression) -> None:
        value = self._converted(self._value(written), kind, written.start)
        if isinstance(value, Struct):
            self._read_whole(value, written.start)
            value = self._own(value.copy(cell.name))
        if kind.base in ("auto", "__auto_type") and isinstance(value, Int):
            cell.type = CType(value.type.name, 0)
        cell.value = value


_DOES: dict[type[Instruction], Callable[[_Machine, Any], int]] = {
    Evaluate: _Machine._evaluate,
    Keep: _Machine._keep,
    Decide: _Machine._decide,
    Assign: _Machine._assign,
    Declare: _Machine._declare,
    Count: _Machine._count,
    Enter: _Machine._entered,
    Test: _Machine._test,
    Stop: _Machine._stop,
}


def _is_guard(one: Expression) -> bool:
    return isinstance(one, Call) and one.name == "guard"


def _last_word(callee: Expression) -> int:
    """Return where the name of what is called begins."""
    callee = callee.of if isinstance(callee, Temporary) else callee
    return callee.named if isinstance(callee, Member) else callee.start


def _is_struct(kind: CType) -> bool:
    return not kind.pointers and kind.base.startswith("struct ")
