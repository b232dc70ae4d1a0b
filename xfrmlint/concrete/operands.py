"""The integer types of expressions that are not evaluated."""

from collections.abc import Callable
from typing import Any

from xfrmlint.c.ctype import CType
from xfrmlint.c.dialect import TYPEOF
from xfrmlint.c.expression import called_by
from xfrmlint.c.integers import (
    COMPARISONS,
    INT,
    LONG,
    ULONG,
    IntType,
    common,
    number,
    promoted,
)
from xfrmlint.c.syntax import (
    Address,
    Assignment,
    Before,
    Binary,
    Block,
    Call,
    Cast,
    Comma,
    Conditional,
    Expression,
    Index,
    Literal,
    Member,
    Name,
    Opaque,
    Temporary,
    Truth,
    Unary,
    Update,
)
from xfrmlint.c.types import written_type
from xfrmlint.concrete.containers import NUMBERS, POINTERS
from xfrmlint.concrete.memory import Memory
from xfrmlint.concrete.primitives import LIKELY
from xfrmlint.concrete.values import Cell, Pointer, Struct

_TYPEOF = CType(TYPEOF)


def type_of_truth(one: Truth) -> IntType:
    """Return the type in which it is told whether something holds."""
    return LONG if called_by(one.node) in LIKELY else INT


class Operands(Memory):
    """A machine that knows the type of what it doesn't run."""

    def _static(self, one: Expression) -> IntType | None:
        """Return the integer type of an expression; None for a pointer."""
        rule = _TYPES.get(type(one))
        return rule(self, one) if rule is not None else self._untyped(one)

    def _untyped(self, one: Expression) -> IntType | None:
        raise self._outside("the type of an operand that is not evaluated", one.start)

    def _static_unary(self, one: Unary) -> IntType | None:
        if one.operator == "!":
            return INT
        inner = self._static(one.of)
        return promoted(inner) if inner is not None else self._untyped(one)

    def _static_conditional(self, one: Conditional) -> IntType | None:
        first, second = self._static(one.then or one.condition), self._static(one.other)
        return common(first, second) if first is not None and second is not None else None

    def _static_block(self, one: Block) -> IntType | None:
        return self._static(one.value) if one.value is not None else self._untyped(one)

    def _static_opaque(self, one: Opaque) -> IntType | None:
        return ULONG if one.node.type == "sizeof_expression" else self._untyped(one)

    def _static_literal(self, one: Literal) -> IntType | None:
        if one.written == "NULL":
            return None
        found = number(one.written)
        return found.type if found is not None else INT

    def _static_name(self, one: Name) -> IntType | None:
        cell = self._variable(one)
        if cell is None or cell.type is None:
            return self._untyped(one)
        # The type of an `auto` is that of what is in it.
        if isinstance(cell.value, Pointer):
            return None
        return self._scalar(cell.type, one.start)

    def _static_binary(self, one: Binary) -> IntType | None:
        if one.operator in COMPARISONS or one.operator in ("&&", "||"):
            return INT
        left = self._static(one.left)
        if one.operator in ("<<", ">>") and left is not None:
            return promoted(left)
        right = self._static(one.right)
        if left is None or right is None:
            return self._untyped(one)
        return common(left, right)

    def _static_cast(self, one: Cast) -> IntType | None:
        if isinstance(one.type, IntType):
            return one.type
        return self._scalar(one.type or _TYPEOF, one.start)

    def _static_index(self, one: Index) -> IntType | None:
        view = self._frames[-1].body.view
        held = self.names.declared(view, one.of.node) if isinstance(one.of, Member) else None
        if held is None or not held.pointers:
            return self._untyped(one)
        return self._scalar(held.pointed(-1), one.start)

    def _static_field(self, one: Member, called: bool) -> IntType | None:
        """Type a field by its name among the structs in reach; they have to agree."""
        found: list[CType] = []
        seen: set[int] = set()
        stack: list[object] = [c.value for f in self._frames for c in f.cells.values()]
        while stack:
            now = stack.pop()
            if isinstance(now, Pointer):
                now = now.target
            if isinstance(now, Cell):
                now = now.value
            if not isinstance(now, Struct) or id(now) in seen:
                continue
            seen.add(id(now))
            for key, cell in now.fields.items():
                if isinstance(cell, Struct):
                    stack.append(cell)
                    continue
                stack.append(cell.value)
                if key == one.name and cell.type is not None:
                    found.append(cell.type)
        kinds = {self._called(k) if called else k for k in found}
        if len(kinds) == 1:
            return self._scalar(kinds.pop(), one.start)
        view = self._frames[-1].body.view
        declared = self.names.declared(view, one.node) if not kinds else None
        if declared is not None:
            return self._scalar(self._called(declared) if called else declared, one.start)
        return self._untyped(one)

    def _called(self, kind: CType) -> CType:
        return kind.result if kind.base == "fn" and kind.result is not None else kind

    def _static_call(self, one: Call) -> IntType | None:
        if isinstance(one.callee, Member):
            return self._static_field(one.callee, True)
        kind: CType | None = None
        if one.name == "__builtin_expect":
            return LONG
        if one.name == "IS_ENABLED":
            return INT
        if self.kernel is not None and POINTERS.fullmatch(one.name):
            return None
        if one.name in NUMBERS:
            return NUMBERS[one.name]
        if one.name:
            source = self.names.function(one.name, self._path)
            kind = source.view.result if source is not None else None
        elif isinstance(one.callee, Name):
            cell = self._variable(one.callee)
            kind = cell.type.result if cell is not None and cell.type is not None else None
        return self._scalar(kind, one.start) if kind is not None else self._untyped(one)

    def _size(self, one: Opaque) -> int:
        """Return how large a type is, or what an expression is worth, if that is a scalar."""
        written = one.node.child_by_field_name("type")
        value = one.node.child_by_field_name("value")
        found: IntType | None = None
        if written is not None:
            found = self._scalar(written_type(written) or _TYPEOF, one.start)
        elif value is not None:
            found = self._static(self._frames[-1].body.lowered.syntax.of(value))
        return 8 if found is None else max(1, found.bits // 8)


_TYPES: dict[type[Expression], Callable[[Operands, Any], IntType | None]] = {
    Literal: Operands._static_literal,
    Name: Operands._static_name,
    Member: lambda self, one: self._static_field(one, False),
    Index: Operands._static_index,
    Binary: Operands._static_binary,
    Unary: Operands._static_unary,
    Truth: lambda _, one: type_of_truth(one),
    Cast: Operands._static_cast,
    Address: lambda *_: None,
    **dict.fromkeys((Assignment, Update), lambda self, one: self._static(one.target)),
    Comma: lambda self, one: self._static(one.right),
    **dict.fromkeys((Temporary, Before), lambda self, one: self._static(one.of)),
    Block: Operands._static_block,
    Conditional: Operands._static_conditional,
    Call: Operands._static_call,
    Opaque: Operands._static_opaque,
}
