"""A handle as what a state's field holds: a number, or a pointer in a tree whose handles are these.

NULL is the 0 of a pointer. What a driver's pointer points to is nobody else's: nothing is seen
through it.
"""

from collections.abc import Callable
from functools import cache

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import ULONG, Int
from xfrmlint.concrete.faults import Fault
from xfrmlint.concrete.values import (
    NULL,
    Cell,
    Function,
    LazyInt,
    LazyPointer,
    Pointer,
    Struct,
    Value,
)
from xfrmlint.contract.words import HANDLE, Contract, Slot

# What no member is called.
_NUMBER = "the number"


def handle_type(contract: Contract) -> CType:
    """Return the type of the field that holds a handle."""
    field = contract.members.get(HANDLE)
    if field is None or not field.type.endswith("*"):
        return CType("unsigned long")
    return CType(field.type.rstrip(" *"), field.type.count("*"))


def handle_value(contract: Contract, number: int) -> Value:
    """Return the handle of a number as the field holds it."""
    if not handle_type(contract).pointers:
        return Int(number, ULONG)
    return _pointer(number) if number else NULL


def answered(contract: Contract, slot: Slot, number: int) -> Value:
    """Return the handle of a number as the owner's callback gives it: or where the owner keeps it.

    That can be a struct in which it lies.
    """
    field, value = contract.members.get(HANDLE), handle_value(contract, number)
    if field is None or slot.result not in (f"{field.type} *", f"{field.struct} *"):
        return value
    if not number:
        return NULL
    kept = Struct("what the owner keeps", field.struct)
    kept.put(field.word, value, handle_type(contract))
    found = kept.fields[field.word]
    return Pointer(kept if slot.result == f"{field.struct} *" else found)


def pointed_at(contract: Contract, value: Value | Fault) -> Cell | None:
    """Return the handle that a pointer leads to, or that lies in the struct there; else None."""
    field = contract.members.get(HANDLE)
    target = value.target if isinstance(value, Pointer) else None
    if field is not None and isinstance(target, Struct) and target.kind == field.struct:
        target = target.fields.get(field.word)
    kind = target.type if isinstance(target, Cell) else None
    return target if isinstance(target, Cell) and kind == handle_type(contract) else None


def asked_handle(contract: Contract, ask: Callable[[], int]) -> Value:
    """Return a handle as the field holds it, of which it is asked what its number is."""
    kind = handle_type(contract)
    if not kind.pointers:
        return LazyInt(0, ULONG).asking(kind, ask)

    def target() -> Struct | Cell | Function | None:
        number = ask()
        return _pointer(number).target if number else None

    return LazyPointer(None).asking(kind, target)


def as_number(value: Value | Fault) -> Value | Fault:
    """Return a pointer that is a handle, or NULL, as a number, and anything else as it is."""
    if not isinstance(value, Pointer):
        return value
    if value == NULL:
        return Int(0, ULONG)
    number = value.target.fields.get(_NUMBER) if isinstance(value.target, Struct) else None
    return number.value if isinstance(number, Cell) else value


# The same number is the same pointer.
@cache
def _pointer(number: int) -> Pointer:
    return Pointer(Struct("a handle").put(_NUMBER, Int(number, ULONG)))
