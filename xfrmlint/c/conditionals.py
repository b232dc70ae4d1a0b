"""Conditions of #if lines in three values: true, false, or None for what the build decides.

`defined(FOO) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)` is false in Linux 7.3, whatever FOO
is; in 6.12 it is open.
"""

import re
from collections.abc import Callable, Sequence

from xfrmlint.c.arguments import separated
from xfrmlint.kernel.release import Release, kernel_version, version_macros

# What asks for a name (`defined`, `IS_ENABLED`, ... or nothing where its value is wanted), the name
# -> the answer, None if it is open.
Known = Callable[[str, str], int | None]

# All that stands for the tree's own version is called so (include/generated/uapi/linux/version.h).
VERSIONED = b"LINUX_VERSION_"
_ASKING = ("defined", "IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE")
_TOKEN = re.compile(r"\w+|&&|\|\||<<|>>|[<>=!]=|[^\s\\]")
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)[uUlL]{0,3}")
_LONGEST = 4000
_DEEPEST = 30
_LARGEST = 1 << 63
_LARGEST_NUMBER = 100_000
_BINARY: dict[str, tuple[int, Callable[[int, int], int | None]]] = {
    "||": (1, lambda a, b: bool(a or b)),
    "&&": (2, lambda a, b: bool(a and b)),
    "|": (3, lambda a, b: a | b),
    "^": (4, lambda a, b: a ^ b),
    "&": (5, lambda a, b: a & b),
    "==": (6, lambda a, b: a == b),
    "!=": (6, lambda a, b: a != b),
    "<": (7, lambda a, b: a < b),
    ">": (7, lambda a, b: a > b),
    "<=": (7, lambda a, b: a <= b),
    ">=": (7, lambda a, b: a >= b),
    "<<": (8, lambda a, b: a << b if 0 <= b < 64 else None),
    ">>": (8, lambda a, b: a >> b if 0 <= b < 64 else None),
    "+": (9, lambda a, b: a + b),
    "-": (9, lambda a, b: a - b),
    "*": (10, lambda a, b: a * b),
    "/": (10, lambda a, b: a // b if a >= 0 and b > 0 else None),
    "%": (10, lambda a, b: a % b if a >= 0 and b > 0 else None),
}


def known_in(release: Release | None) -> Known:
    """Return what is known of names where only the tree's version is."""
    numbers = version_macros(release) if release is not None else {}

    def known(asking: str, name: str) -> int | None:
        if asking:
            defined = asking == "defined" and (name in numbers or name == "KERNEL_VERSION")
            return 1 if numbers and defined else None
        return numbers.get(name)

    return known


def truth(condition: str, known: Known) -> bool | None:
    """Tell whether the condition of an #if or #elif holds; None if that is open."""
    value = _value(condition, known)
    return None if value is None else bool(value)


def _value(text: str, known: Known) -> int | None:
    tokens = _TOKEN.findall(text)
    if len(tokens) > _LONGEST:
        return None
    reading = _Reading(tokens, known)
    value = reading.value(1)
    return value if reading.at == len(tokens) else None


class _Reading:
    """A condition's tokens while they are read. What is not understood is open."""

    def __init__(self, tokens: Sequence[str], known: Known) -> None:
        self.tokens = tokens
        self.known = known
        self.at = 0
        self.depth = 0

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""

    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def value(self, level: int) -> int | None:
        """Read operators that bind at least as tight as `level`, and what they bind."""
        left = self.operand()
        while (found := _BINARY.get(self.next())) is not None and found[0] >= level:
            operator = self.take()
            right = self.value(found[0] + 1)
            left = _result(operator, left, right)
        return left

    def operand(self) -> int | None:
        token = self.take()
        if token in ("!", "~", "-", "+", "("):
            self.depth += 1
            if self.depth > _DEEPEST:
                self.at = len(self.tokens) + 1
                return None
            value = self.inside() if token == "(" else _unary(token, self.operand())
            self.depth -= 1
            return value
        number = _NUMBER.fullmatch(token)
        if number is not None:
            digits = number.group(1)
            octal = digits[0] == "0" and digits.isdigit()
            return int(digits, 8) if octal else int(digits, 0)
        if token in _ASKING:
            return self.asked(token)
        if self.next() == "(":
            return self.called(token)
        return self.known("", token) if token.isidentifier() else None

    def inside(self) -> int | None:
        value = self.value(1)
        while self.next() == ",":
            self.at += 1
            value = self.value(1)
        return value if self.take() == ")" else None

    def asked(self, asking: str) -> int | None:
        bracket = self.next() == "("
        self.at += bracket
        name = self.take()
        if bracket and self.take() != ")":
            return None
        return self.known(asking, name)

    def called(self, name: str) -> int | None:
        """Read the arguments of a macro; only KERNEL_VERSION() is known."""
        start, depth = self.at, 0
        while self.at < len(self.tokens):
            depth += {"(": 1, ")": -1}.get(self.take(), 0)
            if depth == 0:
                break
        if name != "KERNEL_VERSION":
            return None
        inside = separated(" ".join(self.tokens[start + 1 : self.at]).encode())
        values = [_value(one.decode(), self.known) for one in inside]
        numbers = [one for one in values if one is not None and 0 <= one < _LARGEST_NUMBER]
        return kernel_version(*numbers) if len(numbers) == len(values) == 3 else None


def _unary(operator: str, value: int | None) -> int | None:
    if value is None:
        return None
    return {"!": int(not value), "~": ~value, "-": -value, "+": value}[operator]


def _result(operator: str, left: int | None, right: int | None) -> int | None:
    if operator == "||" and (left or right):
        return 1
    if operator == "&&" and 0 in (left, right):
        return 0
    if left is None or right is None:
        return None
    value = _BINARY[operator][1](left, right)
    return value if value is not None and abs(value) < _LARGEST else None
