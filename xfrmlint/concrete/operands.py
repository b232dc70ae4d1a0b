"""The integer types of expressions that are not evaluated."""

from collections.abc import Mapping

from xfrmlint.c.ctype import CType
from xfrmlint.c.dialect import TYPEOF
from xfrmlint.c.expression import called_by
from xfrmlint.c.integers import (
    BOOL,
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
    Assignment,
    Before,
    Binary,
    Block,
    Call,
    Cast,
    Comma,
    Conditional,
    Expression,
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
from xfrmlint.concrete.memory import Memory
from xfrmlint.concrete.values import Cell, Pointer, Struct

_TYPEOF = CType(TYPEOF)
# __builtin_expect(!!(x), n): a long (linux/compiler.h).
_LIKELY = ("likely", "unlikely", "__builtin_expect")
# What macros return that are no functions of the tree's; None for a pointer.
_RETURNS: Mapping[str, IntType | None] = {
    **dict.fromkeys(("xa_load", "xa_store", "xa_erase", "xa_mk_value")),
    **dict.fromkeys(("xa_err", "xa_insert", "IS_ENABLED"), INT),
    **dict.fromkeys(("xa_is_value", "xa_empty", "xa_is_err"), BOOL),
    "xa_to_value": ULONG,
    "__builtin_expect": LONG,
}


def type_of_truth(one: Truth) -> IntType:
    """Return the type in which it is told whether something holds."""
    return LONG if called_by(one.node) in _LIKELY else INT


class Operands(Memory):
    """A machine that knows the type of what it doesn't run."""

    def _static(self, one: Expression) -> IntType | None:
        """Return the integer type of an expression; None for a pointer."""
        match one:
            case Literal():
                found = number(one.written)
                return None if one.written == "NULL" else found.type if found is not None else INT
            case Truth():
                return type_of_truth(one)
            case Unary():
                inner = self._static(one.of)
                return INT if one.operator == "!" else promoted(inner or self._untyped(one))
            case Binary():
                return self._static_binary(one)
            case Conditional():
                first, second = self._static(one.then or one.condition), self._static(one.other)
                return common(first, second) if first is not None and second is not None else None
            case Temporary() | Before():
                return self._static(one.of)
            case Comma():
                return self._static(one.right)
            case Assignment() | Update():
                return self._static(one.target)
            case Block() if one.value is not None:
                return self._static(one.value)
            case Opaque() if one.node.type == "sizeof_expression":
                return ULONG
            case Cast() if isinstance(one.type, IntType):
                return one.type
        return self._written(one)

    def _written(self, one: Expression) -> IntType | None:
        """Return the type of what is declared, or converted to a type."""
        variable = self._variable(one) if isinstance(one, Name) else None
        if variable is not None and isinstance(variable.value, Pointer):
            # The type of an `auto` is that of what is in it.
            return None
        name = one.name.removesuffix("_bh").removesuffix("_irq") if isinstance(one, Call) else ""
        if name in _RETURNS:
            return _RETURNS[name]
        kind = variable.type if variable is not None else None
        kind = kind or self.names.declared(self._frames[-1].body.view, one.node)
        if kind is None and isinstance(one, Member):
            kind = self._held_as(one.name)
        return self._scalar(kind, one.start) if kind is not None else self._untyped(one)

    def _held_as(self, field: str) -> CType | None:
        """Return the type of a field by its name among the structs in reach; they have to agree."""
        found: set[CType] = set()
        seen: set[int] = set()
        stack: list[object] = [c for frame in self._frames for c in frame.cells.values()]
        while stack:
            now = stack.pop()
            now = now.value if isinstance(now, Cell) else now
            now = now.target if isinstance(now, Pointer) else now
            if not isinstance(now, Struct) or id(now) in seen:
                continue
            seen.add(id(now))
            stack += now.fields.values()
            cell = now.fields.get(field)
            if isinstance(cell, Cell) and cell.type is not None:
                found.add(cell.type)
        return found.pop() if len(found) == 1 else None

    def _untyped(self, one: Expression) -> IntType:
        raise self._outside("the type of an operand that is not evaluated", one.start)

    def _static_binary(self, one: Binary) -> IntType:
        if one.operator in COMPARISONS or one.operator in ("&&", "||"):
            return INT
        left = self._static(one.left)
        if one.operator in ("<<", ">>") and left is not None:
            return promoted(left)
        right = self._static(one.right)
        if left is None or right is None:
            return self._untyped(one)
        return common(left, right)

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
