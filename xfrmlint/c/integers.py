"""The integers of C on a 64-bit machine: types, conversions and constants."""

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from xfrmlint.c.ctype import CType


class IntType(NamedTuple):
    """An integer type. rank: C's conversion rank, in an order of its own."""

    name: str
    bits: int
    signed: bool
    rank: int


BOOL = IntType("bool", 1, False, 0)
# What C calls it.
BOOLS = ("bool", "_Bool")
SCHAR = IntType("signed char", 8, True, 1)
UCHAR = IntType("unsigned char", 8, False, 1)
SHORT = IntType("short", 16, True, 2)
USHORT = IntType("unsigned short", 16, False, 2)
INT = IntType("int", 32, True, 3)
UINT = IntType("unsigned int", 32, False, 3)
LONG = IntType("long", 64, True, 4)
ULONG = IntType("unsigned long", 64, False, 4)
LLONG = IntType("long long", 64, True, 5)
ULLONG = IntType("unsigned long long", 64, False, 5)
# What an address is where only its number counts; no arithmetic on it is that of its number.
POINTER = IntType("pointer", 64, False, 6)

# include/linux/types.h, include/asm-generic/int-ll64.h: u64 is `unsigned long long` everywhere.
INTEGERS = {
    **dict.fromkeys(BOOLS, BOOL),
    "s8": SCHAR,
    "u8": UCHAR,
    "s16": SHORT,
    "u16": USHORT,
    "s32": INT,
    "u32": UINT,
    "s64": LLONG,
    "u64": ULLONG,
    "size_t": ULONG,
    "ssize_t": LONG,
    "uintptr_t": ULONG,
    "ulong": ULONG,
    "uint": UINT,
}
INTEGERS.update({f"__{n}": INTEGERS[n] for n in "s8 u8 s16 u16 s32 u32 s64 u64".split()})
INTEGERS.update(
    {f"__{order}{width}": INTEGERS[f"u{width}"] for order in ("le", "be") for width in (16, 32, 64)}
)
INTEGERS.update({"gfp_t": UINT, "dma_addr_t": ULLONG, "netdev_features_t": ULLONG})
_UNSIGNED = {SCHAR: UCHAR, SHORT: USHORT, INT: UINT, LONG: ULONG, LLONG: ULLONG}


class Int(NamedTuple):
    """An integer value; always within its type's range."""

    value: int
    type: IntType


def integer(kind: CType) -> IntType | None:
    """Return the integer type that a C type names, or None."""
    return None if kind.pointers else _called(kind.base)


@lru_cache(maxsize=1 << 12)
def _called(base: str) -> IntType | None:
    if base in INTEGERS:
        return INTEGERS[base]
    words = base.split()
    if not words or not set(words) <= {"unsigned", "signed", "long", "short", "int", "char"}:
        return None
    longs = words.count("long")
    signed = "unsigned" not in words
    if "char" in words:
        # Since 6.2 the kernel is built with -funsigned-char: a plain one means either.
        return None if len(words) == 1 else SCHAR if signed else UCHAR
    found = SHORT if "short" in words else LLONG if longs > 1 else LONG if longs else INT
    return found if signed else _UNSIGNED[found]


def wrapped(value: int, kind: IntType) -> Int:
    """Convert an integer to a type."""
    if kind is BOOL:
        return Int(int(value != 0), BOOL)
    value &= (1 << kind.bits) - 1
    if kind.signed and value >> (kind.bits - 1):
        value -= 1 << kind.bits
    return Int(value, kind)


def limits(kind: IntType) -> tuple[int, int]:
    """Return the least and the greatest number of a type."""
    low = -(1 << (kind.bits - 1)) if kind.signed else 0
    return low, low + (1 << kind.bits) - 1


def promoted(kind: IntType) -> IntType:
    """Return the type after C's integer promotions."""
    return INT if kind.rank < INT.rank else kind


def common(one: IntType, other: IntType) -> IntType:
    """Return the type of C's usual arithmetic conversions."""
    one, other = promoted(one), promoted(other)
    if one.signed == other.signed:
        return one if one.rank >= other.rank else other
    unsigned, signed = (other, one) if one.signed else (one, other)
    if unsigned.rank >= signed.rank:
        return unsigned
    return signed if signed.bits > unsigned.bits else _UNSIGNED[signed]


_NUMBER = re.compile(
    r"(?P<digits>0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)"
    r"(?P<suffix>[uU]?(?:l|L|ll|LL)?|(?:l|L|ll|LL)[uU])"
)


@lru_cache(maxsize=1 << 12)
def number(text: str) -> Int | None:
    """Return the value and the type of an integer constant, or None.

    tree-sitter takes a sign for a part of it.
    """
    if text[:1] in ("-", "+"):
        found = number(text[1:])
        return found and wrapped(found.value if text[0] == "+" else -found.value, found.type)
    # Python refuses to convert thousands of digits.
    match = _NUMBER.fullmatch(text) if len(text) < 100 else None
    if match is None:
        return None
    digits, suffix = match["digits"], match["suffix"].lower()
    octal = digits[0] == "0" and digits.isdigit() and len(digits) > 1
    value = int(digits, 8) if octal else int(digits, 0)
    longs = suffix.count("l")
    kinds = [k for k in (INT, UINT, LONG, ULONG, LLONG, ULLONG) if k.rank >= INT.rank + longs]
    decimal = digits[0] != "0"
    for kind in kinds:
        if kind.signed and "u" in suffix:
            continue
        if not kind.signed and decimal and "u" not in suffix:
            continue
        if wrapped(value, kind).value == value:
            return Int(value, kind)
    return None


COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}


def calculated(one: Int, sign: str, other: Int) -> Int | None:
    """Return what a binary operator makes of two integers; None where C leaves it undefined."""
    if sign in ("<<", ">>"):
        kind = promoted(one.type)
        if not 0 <= other.value < kind.bits:
            return None
        moved = one.value << other.value if sign == "<<" else one.value >> other.value
        return wrapped(moved, kind)
    kind = common(one.type, other.type)
    a, b = wrapped(one.value, kind).value, wrapped(other.value, kind).value
    if sign in COMPARISONS:
        return Int(int(COMPARISONS[sign](a, b)), INT)
    if sign in _ARITHMETIC:
        return wrapped(_ARITHMETIC[sign](a, b), kind)
    if sign not in ("/", "%") or b == 0:
        return None
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    if wrapped(quotient, kind).value != quotient:
        return None
    return wrapped(quotient if sign == "/" else a - b * quotient, kind)


def signed(sign: str, one: Int) -> Int | None:
    """Return what a unary operator makes of an integer."""
    kind = promoted(one.type)
    match sign:
        case "-":
            return wrapped(-one.value, kind)
        case "~":
            return wrapped(~one.value, kind)
        case "+":
            return wrapped(one.value, kind)
        case "!":
            return Int(int(not one.value), INT)
    return None
