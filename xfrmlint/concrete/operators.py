"""C's operators on values, and a value's truth."""

from xfrmlint.c.integers import INT, LONG, Int, calculated, promoted, signed
from xfrmlint.concrete.faults import FaultKind
from xfrmlint.concrete.kernel import Kernel
from xfrmlint.concrete.memory import Memory
from xfrmlint.concrete.values import (
    NULL,
    Address,
    Cell,
    Function,
    Open,
    Pointer,
    Struct,
    Uninitialized,
    Unknown,
    Value,
    overlap,
    place_in_array,
)

_ORDERS = ("==", "!=", "<", "<=", ">", ">=")
_ARITHMETIC = ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>")


class Operators(Memory):
    """A machine that computes. at: where in the text."""

    def _truth(self, value: Value, at: int) -> bool:
        if isinstance(value, Int):
            return value.value != 0
        if isinstance(value, Pointer):
            return value.target is not None
        if isinstance(value, Address):
            return True
        if isinstance(value, Unknown) and self.choose is not None:
            return self.choose()
        if isinstance(value, Open) and self.kernel is not None:
            return not self.kernel.is_number(value, 0)
        raise self._outside("a condition that isn't a scalar", at)

    def _signed(self, operator: str, value: Value, at: int) -> Value:
        if isinstance(value, Unknown):
            return value
        if operator == "!":
            return Int(int(not self._truth(value, at)), INT)
        found = signed(operator, value) if isinstance(value, Int) else None
        if found is None:
            raise self._outside(f"`{operator}` on what is no number", at)
        return found

    def _computed(self, operator: str, one: Value, other: Value, at: int) -> Value:
        if isinstance(one, Unknown) or isinstance(other, Unknown):
            return Unknown()
        if self.kernel is not None and (isinstance(one, Open) or isinstance(other, Open)):
            return self._decided(self.kernel, operator, one, other, at)
        if isinstance(one, Pointer | Struct) or isinstance(other, Pointer | Struct):
            return self._of_pointers(operator, one, other, at)
        if not isinstance(one, Int) or not isinstance(other, Int):
            raise self._outside(f"`{operator}` on what is no number", at)
        if operator in ("<<", ">>") and not 0 <= other.value < promoted(one.type).bits:
            raise self._outside(f"a shift by {other.value}, which C leaves undefined", at)
        if operator in ("/", "%") and other.value == 0:
            raise self._fault(FaultKind.DIVISION, "division by zero", at)
        found = calculated(one, operator, other)
        if found is None:
            overflows = operator in ("/", "%")
            why = "a division that overflows" if overflows else f"the operator `{operator}`"
            raise self._outside(why, at)
        return found

    def _of_pointers(self, operator: str, one: Value, other: Value, at: int) -> Value:
        """Compute with pointers; an array stands for one to its first element."""
        one, other = (
            self._first_of(side, at) if isinstance(side, Struct) and side.element else side
            for side in (one, other)
        )
        if operator in ("==", "!="):
            one, other = (s.of if isinstance(s, Address) else s for s in (one, other))
        if isinstance(one, Pointer) and place_in_array(one.target) is not None:
            if operator in ("+", "-") and isinstance(other, Int):
                return self._moved(one, other.value if operator == "+" else -other.value, at)
            if operator not in ("==", "!="):
                return self._apart(operator, one, other, at)
        if not isinstance(one, Pointer) and not isinstance(other, Pointer):
            raise self._outside(f"`{operator}` on what is no number", at)
        return self._compared(operator, one, other, at)

    def _moved(self, pointer: Pointer, by: int, at: int) -> Pointer:
        """Return a pointer into an array so many elements further on."""
        place = place_in_array(pointer.target)
        if place is None:
            raise self._outside("a pointer that is moved and points into no array", at)
        array, index = place[0], place[1] + by
        if index != array.count:
            return Pointer(self._element_at(array, index, at))
        if array.end is None:
            array.end = Cell(str(index), Uninitialized(), array=array)
        return Pointer(array.end)

    def _apart(self, operator: str, one: Pointer, other: Value, at: int) -> Value:
        """Compare or subtract two pointers into one array."""
        first = place_in_array(one.target)
        last = place_in_array(other.target) if isinstance(other, Pointer) else None
        found = None
        if first is not None and last is not None and first[0] is last[0]:
            found = calculated(Int(first[1], LONG), operator, Int(last[1], LONG))
        if found is None:
            raise self._outside(f"`{operator}` on pointers", at)
        return found

    def _decided(self, kernel: Kernel, operator: str, one: Value, other: Value, at: int) -> Value:
        """Compare what a world leaves open; what it is then holds for the rest of the run."""
        left = kernel.settled(one)
        right = kernel.settled(other)
        if isinstance(left, Int) and isinstance(right, Int):
            return self._computed(operator, left, right, at)
        if isinstance(left, Int):
            left, right = right, left
        if operator in _ARITHMETIC:
            return Open(f"what is computed of {_named(one, other)}", set(), derived=True)
        if left is right and operator in _ORDERS:
            return Int(int("=" in operator and operator != "!="), INT)
        reason = f"`{operator}` on what is not known ({_named(one, other)})"
        if not isinstance(left, Open) or not isinstance(right, Int | Open):
            raise self._outside(reason, at)
        if operator not in ("==", "!=") or isinstance(right, Open):
            return Int(int(kernel.supposes(reason)), INT)
        return Int(int(kernel.is_number(left, right.value) == (operator == "==")), INT)

    def _compared(self, operator: str, one: Value, other: Value, at: int) -> Value:
        if isinstance(one, Int) and one.value == 0:
            one = NULL
        if isinstance(other, Int) and other.value == 0:
            other = NULL
        number = isinstance(one, Int) or isinstance(other, Int)
        if number and self.kernel is not None and NULL in (one, other) and operator in ("==", "!="):
            # A number that a map keeps as a pointer.
            return Int(int(operator == "!="), INT)
        if operator not in ("==", "!=") or not (
            isinstance(one, Pointer) and isinstance(other, Pointer)
        ):
            raise self._outside(f"`{operator}` on pointers", at)
        a, b = one.target, other.target
        if isinstance(a, Function) and isinstance(b, Function):
            same = a is b or (a.source is not None and a.name == b.name)
        else:
            same = a is b
            if not same and overlap(a, b):
                raise self._outside("the address of a struct is compared with a member's", at)
        return Int(int(same == (operator == "==")), INT)


def _named(*values: Value) -> str:
    return ", ".join(value.name for value in values if isinstance(value, Open))
