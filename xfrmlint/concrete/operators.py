"""C's operators on values, and a value's truth."""

from tree_sitter import Node

from xfrmlint.c.integers import INT, Int, calculated, promoted
from xfrmlint.concrete.faults import FaultKind
from xfrmlint.concrete.memory import Memory
from xfrmlint.concrete.values import NULL, Function, Pointer, Unknown, Value, overlap


class Operators(Memory):
    """A machine that computes."""

    def _truth(self, value: Value, node: Node) -> bool:
        if isinstance(value, Int):
            return value.value != 0
        if isinstance(value, Pointer):
            return value.target is not None
        if isinstance(value, Unknown) and self.choose is not None:
            return self.choose()
        raise self._outside("a condition that isn't a scalar", node)

    def _computed(self, operator: str, one: Value, other: Value, node: Node) -> Value:
        if isinstance(one, Unknown) or isinstance(other, Unknown):
            return Unknown()
        if isinstance(one, Pointer) or isinstance(other, Pointer):
            return self._compared(operator, one, other, node)
        if not isinstance(one, Int) or not isinstance(other, Int):
            raise self._outside(f"`{operator}` on what is no number", node)
        if operator in ("<<", ">>") and not 0 <= other.value < promoted(one.type).bits:
            raise self._outside(f"a shift by {other.value}, which C leaves undefined", node)
        if operator in ("/", "%") and other.value == 0:
            raise self._fault(FaultKind.DIVISION, "division by zero", node)
        found = calculated(one, operator, other)
        if found is None:
            overflows = operator in ("/", "%")
            why = "a division that overflows" if overflows else f"the operator `{operator}`"
            raise self._outside(why, node)
        return found

    def _compared(self, operator: str, one: Value, other: Value, node: Node) -> Value:
        if isinstance(one, Int) and one.value == 0:
            one = NULL
        if isinstance(other, Int) and other.value == 0:
            other = NULL
        if operator not in ("==", "!=") or not (
            isinstance(one, Pointer) and isinstance(other, Pointer)
        ):
            raise self._outside(f"`{operator}` on pointers", node)
        a, b = one.target, other.target
        if isinstance(a, Function) and isinstance(b, Function):
            same = a is b or (a.source is not None and a.name == b.name)
        else:
            same = a is b
            if not same and overlap(a, b):
                raise self._outside("the address of a struct is compared with a member's", node)
        return Int(int(same == (operator == "==")), INT)
