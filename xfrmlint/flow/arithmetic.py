"""What operators make of abstract values, without a state."""

import re
from collections.abc import Sequence
from dataclasses import replace

from xfrmlint.c.integers import (
    BOOL,
    COMPARISONS,
    POINTER,
    UINT,
    ULLONG,
    ULONG,
    USHORT,
    Int,
    IntType,
    calculated,
    common,
    limits,
    signed,
    wrapped,
)
from xfrmlint.flow.events import Device, Sa
from xfrmlint.flow.values import (
    ALL_BITS,
    SAME,
    UNKNOWN,
    Bits,
    Constant,
    Form,
    Handle,
    Location,
    Netdev,
    Pointer,
    Span,
    State,
    Struct,
    Told,
    Unknown,
    Value,
    XfrmState,
)
from xfrmlint.kernel import structs

Branches = list[tuple[State, bool]]

EQUAL = ("==", "!=")
OPPOSITE = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": "!=", "!=": "=="}

# include/linux/err.h: MAX_ERRNO.
MOST_ERRORS = 4095

CAPITALS = re.compile(r"^[A-Z][A-Z0-9_]*$")


# htons(), cpu_to_le32(), swab64(): how wide a number they take.
_WIDTH = re.compile(r"16|32|64|(?<=hton|ntoh)[sl]$")
_WORDS = {"16": USHORT, "s": USHORT, "32": UINT, "l": UINT, "64": ULLONG}


def sa_of(value: Value) -> Sa:
    """Whose SA a value is, if it is one."""
    match value:
        case XfrmState():
            return value.sa
        case Pointer() | Struct():
            return sa_at(value.to)
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


def found_in(table: Value) -> Pointer:
    """Return an entry of a table or a list."""
    return Pointer((*(table.to if isinstance(table, Pointer) else ("global",)), "container"))


def computed(values: Sequence[Value], sign: str, numbers: Sequence[Int | None]) -> Value:
    """Return what arithmetic makes of some values. numbers: of those that are constants."""
    for at, value in enumerate(values):
        if isinstance(value, Handle) and len(values) == 2:
            return combined(value, sign, values[1 - at], numbers[1 - at], not at)
    for value in values:
        if isinstance(value, Told):
            return replace(value, exact=False)
    one, other = (*values, UNKNOWN, UNKNOWN)[:2]
    if isinstance(one, Constant) and isinstance(other, Constant):
        left, right = numbers[0], numbers[1]
        made = calculated(left, sign, right) if left is not None and right is not None else None
        if made is not None:
            return numbered(one, made)
    if isinstance(one, Span) and sign in ("+", "-") and numbers[1] is not None:
        return moved(one, numbers[1].value if sign == "+" else -numbers[1].value)
    set_bits = flagged(one, sign, other) or _settled(values, sign)
    if set_bits is not None:
        return set_bits
    for value in values:
        if isinstance(value, Pointer):
            return Pointer((*value.to, "[]") if value.to[-1:] != ("[]",) else value.to)
    return Unknown(any(isinstance(v, Unknown) and v.packet for v in values))


def _settled(values: Sequence[Value], sign: str) -> Value | None:
    """Return what a constant makes of any other number: 0 of 0 & x, no 0 of 1 | x."""
    for value in values:
        if sign in ("&", "*") and is_zero(value):
            return value
        if sign == "|" and isinstance(value, Constant) and value.zero is False:
            return replace(value, text="", number=None)
    return None


def moved(span: Span, by: int) -> Value:
    """Return what adding a number to a span makes of it."""
    return refitted(Span(span.low + by, span.high + by, span.type), span.type)


def refitted(span: Span, kind: IntType) -> Value:
    """Return a span in a type, unless that breaks it into two."""
    low, high = (wrapped(end, kind).value for end in (span.low, span.high))
    if high - low == span.high - span.low:
        return Span(low, high, kind)
    least, most = limits(kind)
    # What overflows is not followed; of a signed number it has no meaning.
    within = kind.signed and kind == span.type
    return Span(max(span.low, least), min(span.high, most), kind) if within else UNKNOWN


def narrowed(span: Span, sign: str, number: int) -> Span | None:
    """Return what is left of a span where it compares so with a number; None if nothing is."""
    low, high = span.low, span.high
    if sign in ("<", "<=", "=="):
        high = min(high, number - (sign == "<"))
    if sign in (">", ">=", "=="):
        low = max(low, number + (sign == ">"))
    if sign == "!=":
        low, high = low + (low == number), high - (high == number)
    return Span(low, high, span.type) if low <= high else None


def numbered(constant: Constant, made: Int) -> Constant:
    """Return the constant that stands where another does, with its number computed."""
    return replace(constant, text=str(made.value), zero=made.value == 0, number=made)


def combined(handle: Handle, sign: str, other: Value, number: Int | None, is_left: bool) -> Value:
    """Return what an operator makes of a handle and something else. number: the other's."""
    made = None
    zero = handle.zero
    if isinstance(other, Handle) and sign in ("|", "&") and is_none(handle) and is_none(other):
        # Of two that are made from one handle, both are 0 where there is none.
        number = other.zero if other.id == handle.id else None
    if zero is not None and number is not None:
        if zero.type is not POINTER:
            made = calculated(zero, sign, number) if is_left else calculated(number, sign, zero)
        elif not number.value and sign in ("+", "-"):
            made = zero
    elif zero is not None and zero.value == 0 and zero.type is not POINTER:
        # 0 & x is 0, as is 0 / x.
        masks = sign in ("&", "*") or (is_left and sign in ("<<", ">>", "/", "%"))
        made = zero if masks else None
    left = _depending(handle.bits, sign, other, number, is_left)
    left = wrapped(left, made.type).value if made is not None else left
    if not left:
        return numbered(other, made) if made and isinstance(other, Constant) else beside(handle)
    filled = number.value != 0 if number is not None else is_nonzero(other)
    if sign == "|" and (handle.form is Form.FULL or filled):
        return Handle(handle.id, Form.FULL, made, left)
    keeps = sign in ("+", "-", "^") or (sign == "|" and number is not None)
    exact = made is not None and keeps and handle.form is Form.EXACT
    return Handle(handle.id, Form.EXACT if exact else Form.COMPUTED, made, left)


def _depending(bits: int, sign: str, other: Value, number: Int | None, is_left: bool) -> int:
    """Return the bits of a handle's number that depend on it still behind an operator.

    other, number: what stands on the operator's other side, and its number where that is known.
    """
    if sign in COMPARISONS:
        return 1
    if sign in ("|", "^", "&", "+"):
        # What is carried is no handle.
        bits |= other.bits if isinstance(other, Handle) else 0
        hidden = {"|": number.value, "&": ~number.value} if number is not None else {}
        return bits & ~hidden.get(sign, 0)
    within = is_left and number is not None and 0 <= number.value < ULONG.bits
    if not within or number is None or sign not in ("<<", ">>"):
        return ALL_BITS
    return bits >> number.value if sign == ">>" else bits << number.value & ALL_BITS


def beside(handle: Handle) -> Told:
    """Return bits of a number that a handle is not among: they can say whether there is one."""
    return Told(handle.id, truth=True, sure=False, exact=False)


def is_error_number(number: Int) -> bool:
    """Tell whether a number is an error's, in whatever type it is now."""
    sign = 1 << (number.type.bits - 1)
    return -MOST_ERRORS <= ((number.value + sign) & (2 * sign - 1)) - sign < 0


def is_none(handle: Handle) -> bool:
    """Tell whether a handle's number is 0 where there is no handle."""
    return handle.zero is not None and not handle.zero.value


def is_nonzero(value: Value) -> bool:
    return isinstance(value, Constant) and value.zero is False


def masked(handle: Handle, bits: int = ALL_BITS) -> Value:
    """Return what a function gives that returns 0 for 0, and perhaps for other numbers."""
    if not bits:
        return beside(handle)
    return Handle(handle.id, Form.COMPUTED, handle.zero if is_none(handle) else None, bits)


def in_field(handle: Handle, does: str, mask: int) -> Value:
    """Return what FIELD_GET() (taken) and FIELD_PREP() (placed) make of a handle."""
    low = (mask & -mask).bit_length() - 1
    taken = does == "taken"
    return masked(handle, (handle.bits & mask) >> low if taken else handle.bits << low & mask)


def lost_number(handle: Handle) -> Handle:
    """Return a number made from a handle in a way that is not followed."""
    return Handle(handle.id, Form.COMPUTED, None)


def prefixed(handle: Handle, sign: str) -> Handle:
    """Return what a unary operator makes of a handle."""
    if handle.zero is None or handle.zero.type is POINTER or handle.form is Form.FULL:
        return lost_number(handle)
    bits = 1 if sign == "!" else handle.bits if sign in "~+" else ALL_BITS
    return Handle(handle.id, handle.form, signed(sign, handle.zero), bits)


def fitted(handle: Handle, kind: IntType) -> Value:
    """Return a handle in a type: a narrower one can make 0 of a number that is not."""
    bits = wrapped(handle.bits, kind).value
    if not bits:
        return beside(handle)
    zero = wrapped(handle.zero.value, kind) if handle.zero is not None else None
    was = handle.zero.type.bits if handle.zero is not None else 64
    full = handle.form is Form.FULL
    kept = full or is_none(handle) if kind is BOOL else kind.bits >= was
    return Handle(handle.id, handle.form if kept else Form.COMPUTED, zero, bits)


def swapped(handle: Handle, name: str) -> Value:
    """Return what cpu_to_le32() and the like make of a handle: its bytes in another order."""
    width = _WIDTH.search(name)
    kind = _WORDS[width.group()] if width is not None else None
    made = fitted(handle, kind) if kind is not None else handle
    if kind is None or not isinstance(made, Handle):
        return made
    made = replace(made, bits=wrapped(ALL_BITS, kind).value)
    if made.zero is None or "le" in name:
        return made
    # Most machines begin with the low byte.
    size, value = kind.bits // 8, wrapped(made.zero.value, kind).value % (1 << kind.bits)
    turned = int.from_bytes(value.to_bytes(size, "little"), "big")
    return replace(made, zero=wrapped(turned, made.zero.type))


def swaps(name: str) -> bool:
    """Tell whether a function gives the bytes of a number in another order: cpu_to_le32()."""
    return _WIDTH.search(name) is not None


def outcomes(handle: Handle, sign: str, number: Int) -> set[bool]:
    """Return how handles that are not 0 can compare with a number."""
    zero = handle.zero
    assert zero is not None
    kind = common(zero.type, number.type)
    n = wrapped(number.value, kind).value
    # A negative number that becomes unsigned can be any.
    own = zero.type if kind.signed or not zero.type.signed else kind
    found = set()
    for held, asked in ((True, sign), (False, OPPOSITE[sign])):
        left = narrowed(Span(*limits(own), own), asked, n)
        # The number of 0 is no other one's.
        alone = wrapped(zero.value, own).value if handle.form is Form.EXACT else None
        if left is not None and not left.low == left.high == alone:
            found.add(held)
    return found


def flagged(one: Value, sign: str, other: Value) -> Value | None:
    """Return what | and & make of a set of flags and a flag's name; None for anything else."""
    if sign not in ("|", "&"):
        return None
    if isinstance(one, Constant) and one.zero:
        one = Bits(frozenset())
    if not isinstance(one, Bits) or not isinstance(other, Constant):
        return None
    if not CAPITALS.match(other.text):
        return None
    if sign == "|":
        return Bits(one.names | {other.text})
    held = other.text in one.names
    return replace(other, text=other.text if held else "0", zero=not held)


def equal(one: Constant, other: Constant) -> bool | None:
    """Tell whether constants are the same whose numbers are not both known."""
    if one.text == other.text:
        return True
    if one.zero is not None and other.zero is not None and one.zero != other.zero:
        return False
    if one.zero and other.zero:
        return True
    enumerators = one.text in structs.ENUMERATORS and other.text in structs.ENUMERATORS
    return False if enumerators else None


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


def is_zero(value: Value) -> bool:
    return isinstance(value, Constant) and bool(value.zero)


def element(of: Location, index: str) -> Location:
    """Return where an element of an array lies. index: its number, or nothing if not known."""
    if index == "0":
        return of
    return (*of, index if index.isdigit() else "[]")


def negated(value: Constant, sign: str) -> Constant:
    """Return what a unary operator makes of a constant."""
    made = signed(sign, value.number) if value.number is not None else None
    if made is not None:
        return numbered(value, made)
    text = f"{sign}{value.text}"
    # -ENOENT: an error's number is never 0.
    zero = False if text.startswith("-E") else value.zero if sign != "~" else None
    return replace(value, text=text, zero=zero)
