"""What operators make of abstract values, without a state."""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from tree_sitter import Node

from xfrmlint.c.unit import node_text
from xfrmlint.flow.events import Device, Sa
from xfrmlint.flow.values import (
    SAME,
    UNKNOWN,
    Bits,
    Constant,
    Form,
    Handle,
    Location,
    Netdev,
    Pointer,
    State,
    Struct,
    Unknown,
    Value,
    XfrmState,
    number_in,
)
from xfrmlint.kernel import structs
from xfrmlint.kernel.functions import function_named

Branches = list[tuple[State, bool]]

EQUAL = ("==", "!=")
COMPARISONS = (*EQUAL, "<", ">", "<=", ">=")

CAPITALS = re.compile(r"^[A-Z][A-Z0-9_]*$")
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "|": operator.or_,
    "&": operator.and_,
    "+": operator.add,
    "-": operator.sub,
    "<<": operator.lshift,
    ">>": operator.rshift,
}


def sign_of(node: Node) -> str:
    """Return an expression's operator as it is written."""
    sign = node.child_by_field_name("operator")
    return sign.type if sign is not None else ""


def unwrapped(node: Node) -> Node:
    while node.type in ("parenthesized_expression", "cast_expression") and node.named_child_count:
        node = node.child_by_field_name("value") or node.named_children[-1]
    if node.type == "call_expression":
        # *READ_ONCE(p) = ..., and the like.
        called = node.child_by_field_name("function")
        listed = node.child_by_field_name("arguments")
        if called is not None and listed is not None and listed.named_child_count:
            if function_named(node_text(called)).passes:
                return unwrapped(listed.named_children[0])
    return node


def sa_of(value: Value) -> Sa:
    """Whose SA a value is, if it is one."""
    match value:
        case XfrmState():
            return value.sa
        case Pointer():
            return sa_at(value.to)
        case Struct():
            return sa_at(value.at)
        case Unknown() if value.packet:
            return Sa.THIS
    return Sa.UNKNOWN


def lost(of: Value) -> Value:
    """Return a member of a value that nothing is known of."""
    return Unknown(isinstance(of, Unknown) and of.packet)


def sa_at(at: Location) -> Sa:
    """Whose SA is kept at a location."""
    # What is found in a table or a list was looked up for this packet.
    if at[0] in ("skb", "sa", "xs") or {"[]", "container"} & {*at}:
        return Sa.THIS
    if at[0] in ("global", "own", "netdev"):
        return Sa.OTHER
    return Sa.UNKNOWN


def computed(values: Sequence[Value], sign: str) -> Value:
    """Return what arithmetic makes of some values."""
    for at, value in enumerate(values):
        if isinstance(value, Handle):
            other = values[1 - at] if len(values) == 2 else UNKNOWN
            if sign == "|" and isinstance(other, Constant) and not other.zero:
                return value.becoming(Form.FULL)
            # 0 & x is 0, as is 0 / x.
            masks = sign in ("&", "*") or (at == 0 and sign in ("<<", ">>", "/", "%"))
            masks = masks and value.form > Form.COMPUTED
            return Handle(value.id, Form.MASKED if masks else Form.COMPUTED)
    if len(values) == 2 and isinstance(values[0], Constant) and isinstance(values[1], Constant):
        number = calculated(values[0], sign, values[1])
        if number is not None:
            return number
    if sign in ("|", "&") and len(values) == 2:
        set_bits = flagged(values[0], sign, values[1])
        if set_bits is not None:
            return set_bits
    for value in values:
        if isinstance(value, Pointer):
            return Pointer((*value.to, "[]") if value.to[-1:] != ("[]",) else value.to)
    return Unknown(any(isinstance(v, Unknown) and v.packet for v in values))


def calculated(one: Constant, sign: str, other: Constant) -> Constant | None:
    """Return what an operation on two numbers gives, where both are written out."""
    left, right = number_in(one.text), number_in(other.text)
    operation = _ARITHMETIC.get(sign)
    if left is None or right is None or operation is None or max(left, right) >= 1 << 64:
        return None
    if sign in ("<<", ">>") and right > 63:
        return None
    made = operation(left, right)
    return Constant(str(made), made == 0, one.place) if made >= 0 else None


def flagged(one: Value, sign: str, other: Value) -> Value | None:
    """Return what | and & make of a set of flags and a flag's name; None for anything else."""
    if isinstance(one, Constant) and one.zero:
        one = Bits(frozenset())
    if not isinstance(one, Bits) or not isinstance(other, Constant):
        return None
    if not CAPITALS.match(other.text):
        return None
    if sign == "|":
        return Bits(one.names | {other.text})
    held = other.text in one.names
    return Constant(other.text if held else "0", not held, other.place)


def equal(one: Constant, other: Constant) -> bool | None:
    if one.text == other.text:
        return True
    if one.zero is not None and other.zero is not None and one.zero != other.zero:
        return False
    if one.zero and other.zero:
        return True
    literal = all(
        number_in(c.text) is not None or c.text in structs.ENUMERATORS for c in (one, other)
    )
    return False if literal else None


def same_device(state: State, one: Netdev, other: Netdev, when: bool) -> Branches:
    """Split by whether the device at work is the one that the state names."""
    named = {one.device, other.device} - {Device.OWN}
    if len(named) != 1 or not named <= {Device.OWNER, Device.REAL_DEV}:
        return [(state, True), (state, False)]
    key = (SAME, next(iter(named)))
    if key in state.assumed:
        return [(state, state.assumed[key] == when)]
    return [
        (replace(state, assumed={**state.assumed, key: held}), held == when)
        for held in (True, False)
    ]


def ordered(one: Value, sign: str, other: Value) -> bool | None:
    """Compare an error's number, or 0, with 0; None for anything else."""
    if not isinstance(one, Constant) or not is_zero(other) or sign in EQUAL:
        return None
    negative = one.text.startswith("-")
    if not negative and not one.zero:
        return None
    return {"<": negative, ">=": not negative, "<=": True, ">": False}[sign]


def is_zero(value: Value) -> bool:
    return isinstance(value, Constant) and bool(value.zero)


def number_given(value: Value, known_number: int | None) -> int | None:
    if is_zero(value):
        return 0
    return known_number
