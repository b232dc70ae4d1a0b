"""A strict evaluator of one C function: what it returns, and which fields it read on the way.

Exact inside its subset and silent about nothing: what lies outside raises `Outside` with a line,
what a kernel would oops on (or read as garbage) is a `Fault`. Arithmetic is that of the kernel's
64-bit build: LP64, two's complement, signed overflow wraps (-fno-strict-overflow in the top
Makefile). A plain `char` is outside: its sign depends on the release. Operands which C doesn't
order are evaluated from left to right, and checked for an outcome that another order would change.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import Int, promoted, wrapped
from xfrmlint.c.unit import node_text
from xfrmlint.concrete.body import Body
from xfrmlint.concrete.builtins import Builtins
from xfrmlint.concrete.faults import Fault, Faulted, FaultKind, Outside
from xfrmlint.concrete.instructions import Code, Op
from xfrmlint.concrete.kernel import Kernel, loop_variable
from xfrmlint.concrete.memory import Frame
from xfrmlint.concrete.names import Names, Source
from xfrmlint.concrete.primitives import known
from xfrmlint.concrete.syntax import child, designated, is_struct, last_word, short
from xfrmlint.concrete.trace import StepKind, Trace
from xfrmlint.concrete.values import (
    Cell,
    Function,
    Open,
    Pointer,
    Struct,
    Uninitialized,
    Unknown,
    Value,
    Void,
)

_MOST_STEPS = 20_000
ENDLESS = "a loop that doesn't end soon"
_DEEPEST_CALL = 32


class Result(NamedTuple):
    """What came out: a value or a fault, and the way there."""

    value: Value | Fault
    trace: Trace


class _Returned(Exception):
    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


def evaluate(
    source: Source,
    arguments: Sequence[Value],
    names: Names,
    choose: Callable[[], bool] | None = None,
    kernel: Kernel | None = None,
    supposed: Mapping[str, Value] = MappingProxyType({}),
) -> Result:
    """Call a function and return what it gives.

    choose: is asked which way an unknown condition goes; without it, everything unknown is outside.
    kernel: does what the kernel's own functions do. supposed: what a pointer that nobody can tell
    leads to, by the struct's type. Raises Outside. The arguments' structs are
    changed where the function stores to them.
    """
    machine = _Machine(names, choose, kernel)
    machine.supposed = supposed
    try:
        return Result(machine.call_source(source, arguments, None), tuple(machine.trace))
    except Faulted as error:
        return Result(error.fault, tuple(machine.trace))
    except RecursionError:
        reason = f"{source.name}() is nested too deep"
        raise Outside(reason, source.path, source.line) from None


class _Machine(Builtins):
    """A machine that runs statements and calls functions."""

    # Calls

    def call_source(self, source: Source, arguments: Sequence[Value], at: Node | None) -> Value:
        if source.problem:
            raise Outside(source.problem, source.path, source.problem_line or source.line)
        if len(self._frames) > _DEEPEST_CALL:
            raise Outside(f"{source.name}() calls itself too deep", source.path, source.line)
        key = id(source.view)
        if key not in self._bodies:
            self._bodies[key] = Body(source)
        body = self._bodies[key]
        count = body.count
        if count != len(arguments):
            reason = f"{source.name}() takes {count} arguments, not {len(arguments)}"
            raise Outside(reason, source.path, source.line)
        frame = Frame(body)
        converted = list(arguments)
        node = body.view.node
        self._frames.append(frame)
        try:
            for position, name, kind in body.parameters:
                value = self._converted(converted[position], kind, node)
                frame.cells[-1 - position] = Cell(name, value, kind)
            inside = node.child_by_field_name("body")
            result = body.view.result
            if inside is None or result is None:
                raise self._outside(f"{source.name}() has a head that can't be read", node)
            value = Void()
            try:
                self._run(body.code(inside, False))
            except _Returned as returned:
                value = returned.value
            if result.base == "void" and not result.pointers:
                return Void()
            if isinstance(value, Void):
                raise self._outside(f"{source.name}() ends without a value", node)
            return self._converted(value, result, node)
        finally:
            self._frames.pop()

    def _call(self, node: Node) -> Value:
        called = child(node, "function")
        arguments = self._arguments(node)
        if called.type == "identifier" and self._variable(called) is None:
            name = node_text(called)
            if self.kernel is not None and self.kernel.knows(name):
                return self.kernel.call(self, name, arguments, node)
            if known(name):
                return self._builtin(name, arguments, node)
            source = self.names.function(name, self._frames[-1].body.source.path)
            if source is not None:
                values = self._unordered(arguments)
                self._step(StepKind.CALL, node, name)
                return self.call_source(source, values, node)
            if self.choose is not None:
                handed = []
                for argument in arguments:
                    if argument.type not in ("string_literal", "concatenated_string"):
                        value = self._value(argument)
                        if isinstance(value, Pointer) and isinstance(value.target, Struct):
                            handed.append(value.target.name)
                self._step(StepKind.CALL, node, name, " ".join(handed))
                return Unknown()
            raise self._outside(f"{name}() is not defined in a plain way", node)
        cast = self._type_name(called)
        if cast is not None and len(arguments) == 1:
            # `(u32)(a)` is a call to the parser.
            return self._converted(self._value(arguments[0]), cast, node)
        if called.type == "call_expression":
            if node_text(child(called, "function")) == "guard":
                self._builtin("guard", self._arguments(called), node)
                return Void()
            raise self._outside("a call of what a call returns", node)
        values = self._unordered([called, *arguments])
        return self._called_pointer(values[0], values[1:], node)

    def _called_pointer(self, called: Value, values: Sequence[Value], node: Node) -> Value:
        if isinstance(called, Unknown):
            return called
        if not isinstance(called, Pointer):
            raise self._outside("a call of what is no function", node)
        if called.target is None:
            text = f"`{short(child(node, 'function'))}` is NULL and called"
            raise self._fault(FaultKind.NULL, text, node)
        function = called.target
        if not isinstance(function, Function):
            raise self._outside("a call of what is no function", node)
        self._step(StepKind.CALL, node, function.name)
        if function.source is not None:
            return self.call_source(function.source, values, node)
        if function.call is None:
            raise self._outside(f"{function.name}() is not known", node)
        if self.kernel is not None:
            self.kernel.called_at = self._spot(last_word(child(node, "function")))
        found = function.call(values)
        if isinstance(found, Fault):
            raise self._fault(found.kind, found.text, node)
        return found

    # Statements

    def _run(self, code: Code) -> Value:
        ops = code.ops
        at = 0
        value: Value = Void()
        while at < len(ops):
            op = ops[at]
            at += 1
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise self._outside(ENDLESS, op.node)
            kind = op.kind
            if kind == "expression":
                self._value(op.node)
            elif kind == "value":
                value = self._value(op.node)
            elif kind == "branch":
                if not self._condition(op.node):
                    at = op.target
            elif kind == "declaration":
                self._declare(op.node)
            elif kind == "enter":
                self._enter(op.node)
            elif kind == "jump":
                for block in op.reset:
                    self._enter(block)
                at = op.target
            elif kind == "switch":
                at = self._switch(op)
            elif kind == "return":
                self._return(op.node)
            elif kind == "begin":
                self._frames[-1].turns.pop(op.node.id, None)
            elif kind == "loop":
                name = self.names.loop(self._frames[-1].body.view, op.node)
                if name:
                    # The branch behind it tests what are the macro's arguments.
                    at = at + 1 if self._turns(name, op.node) else op.target
            else:
                raise self._outside(f"a statement that isn't covered ({op.node.type})", op.node)
        return value

    def _turns(self, name: str, node: Node) -> bool:
        """Go on to the next turn of a loop that a macro makes; tell whether there is one."""
        if self.kernel is None:
            raise self._outside("a loop made by a macro", node)
        frame = self._frames[-1]
        arguments = _listed(child(node, "condition"))
        if node.id not in frame.turns:
            found = self.kernel.elements(self, name, arguments, node)
            frame.turns[node.id] = found
        value = next(frame.turns[node.id], None)
        if value is None:
            return False
        self._store(self._lvalue(loop_variable(name, arguments)), value, node)
        return True

    def _enter(self, block: Node) -> None:
        frame = self._frames[-1]
        for slot, name, kind in frame.body.declared.get(block.id, []):
            frame.cells[slot] = Cell(name, Uninitialized(), kind)

    def _return(self, node: Node) -> None:
        inside = [c for c in node.named_children if c.type != "comment"]
        raise _Returned(self._value(inside[0]) if inside else Void())

    def _switch(self, op: Op) -> int:
        self._step(StepKind.TEST, op.node)
        at = len(self.trace) - 1
        value = self._value(op.node)
        self.trace.append(self.trace.pop(at))
        for block in op.reset:
            self._enter(block)
        if isinstance(value, Open) and self.kernel is not None:
            for written, target in op.cases:
                case = self._value(written)
                if isinstance(case, Int) and self.kernel.is_number(value, case.value):
                    return target
            return op.target
        if isinstance(value, Unknown) and self.choose is not None:
            for _, target in op.cases:
                if self.choose():
                    return target
            return op.target
        if not isinstance(value, Int):
            raise self._outside("a switch over what isn't an integer", op.node)
        kind = promoted(value.type)
        for written, target in op.cases:
            case = self._value(written)
            if not isinstance(case, Int):
                raise self._outside("a case that isn't an integer", written)
            if wrapped(case.value, kind).value == value.value:
                return target
        return op.target

    def _declare(self, node: Node) -> None:
        if not self._frames[-1].body.is_automatic(node):
            raise self._outside("a variable that isn't the function's own", node)
        for declarator in node.children_by_field_name("declarator"):
            cell = self._declared(declarator, node)
            assert cell.type is not None
            cell.value = Uninitialized()
            written = declarator.child_by_field_name("value")
            if self.kernel is not None and is_struct(cell.type, written):
                cell.value = Struct(cell.name, cell.type.base, fresh=written is None)
                if written is not None and isinstance(cell.value, Struct):
                    self._fill(cell.value, written)
            elif written is None:
                self._scalar(cell.type, node)
            else:
                self._initialize(cell, cell.type, written)

    def _fill(self, struct: Struct, written: Node) -> None:
        """Store what an initializer gives to the members that it names."""
        for pair in written.named_children:
            place = self.grown(struct, designated(pair), pair)
            self._store(place, self._value(child(pair, "value")), pair)

    def _declared(self, declarator: Node, node: Node) -> Cell:
        """Return the cell of a variable that a declaration makes."""
        name = declarator
        kinds = []
        while name.type != "identifier":
            kinds.append(name.type)
            inner = name.child_by_field_name("declarator") or next(iter(name.named_children), None)
            if inner is None:
                raise self._outside("a declaration that can't be read", node)
            name = inner
        if "array_declarator" in kinds:
            raise self._outside("an array", node)
        frame = self._frames[-1]
        cell = frame.cells.get(frame.body.slot(node_text(name), name.start_byte) or 0)
        if cell is None or cell.type is None:
            raise self._outside("a declaration that can't be read", node)
        if cell.type.base == "fn" and not cell.type.pointers:
            raise self._outside("a function declared inside", node)
        return cell

    def _initialize(self, cell: Cell, kind: CType, written: Node) -> None:
        value = self._converted(self._value(written), kind, written)
        if isinstance(value, Struct):
            self._read_whole(value, written)
            value = value.copy(cell.name)
        if kind.base in ("auto", "__auto_type") and isinstance(value, Int):
            cell.type = CType(value.type.name, 0)
        cell.value = value


def _listed(condition: Node) -> list[Node]:
    """Return the arguments of a loop macro, which the parser takes for a condition."""
    found: list[Node] = []
    stack = [condition]
    while stack:
        node = stack.pop()
        if node.type == "comma_expression" or (
            node.type == "parenthesized_expression" and node is condition
        ):
            stack += [one for one in reversed(node.named_children) if one.type != "comment"]
        else:
            found.append(node)
    return found
