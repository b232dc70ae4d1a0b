"""Which variables and members each step of a function names, and what it does to them."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from xfrmlint.c.graph import Does, Step
from xfrmlint.c.integers import COMPARISONS
from xfrmlint.c.syntax import (
    Address,
    Assignment,
    Binary,
    Call,
    Cast,
    Conditional,
    Declaration,
    Deref,
    Expression,
    Index,
    Literal,
    Member,
    Name,
    Temporary,
    Truth,
    Unary,
    Update,
    inside,
    uncast,
)

_WORD = re.compile(r"[A-Za-z_]\w*")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_SHORT = ("&&", "||")
_NONE = ("0", "NULL", "false")
_SIGNS = {Deref: "*", Address: "&"}
_CONSTANT = re.compile(r"NETDEV_TX_\w+|NULL|true|false|\d+|-E[A-Z]+")


class Names(NamedTuple):
    """A step's names: all, variables it assigns or takes the address of, members it assigns.

    through: those variables through which it stores, as they point. constant: those that it makes
    constants. changed: those that it computes with: f in f |= x. said: members that it makes a
    constant, or a condition's truth.
    """

    words: frozenset[str]
    assigned: frozenset[str]
    taken: frozenset[str]
    members: frozenset[str]
    through: frozenset[str]
    constant: frozenset[str]
    changed: frozenset[str]
    said: frozenset[str]

    def ends(self, name: str) -> bool:
        """Tell whether nothing is left of what a variable was before."""
        return name in self.assigned - self.changed


def names_of(text: str, statement: Sequence[Expression]) -> Names:
    """Return what a step names. text: what is written there; statement: what that says."""
    words = _WORD.findall(_STRING.sub("", text) if '"' in text else text)
    found: dict[str, set[str]] = {kind: set() for kind in Names._fields[1:]}
    for part in inside(statement):
        for kind, name in _stored(part):
            found[kind].add(name)
    return Names(frozenset(words), **{kind: frozenset(names) for kind, names in found.items()})


def _stored(part: Expression) -> Iterator[tuple[str, str]]:
    """Yield the names that an expression stores in, or takes the address of, with how."""
    if isinstance(part, Address) and (name := _taken(part)):
        yield "taken", name
    if not isinstance(part, Assignment | Update | Declaration):
        return
    value = None if isinstance(part, Update) else part.value
    if isinstance(part, Declaration) and value is None:
        return
    whole = target = uncast(part.target)
    while isinstance(target, Index):
        target = uncast(target.of)
    if isinstance(target, Member):
        # A member by the name of a variable is another thing.
        yield "members", target.name
        if value and _is_said(value):
            yield "said", target.name
        if (name := _pointer_of(target)) and value and _CONSTANT.fullmatch(value.text):
            # What becomes of the packet: ctx->err = -ENOENT.
            yield "through", name
    if isinstance(target, Deref) and isinstance(target.of, Name):
        target = target.of
        yield "through", target.name
    if isinstance(target, Name):
        yield "assigned", target.name
        plain = isinstance(part, Declaration) or not part.operator
        if not plain:
            yield "changed", target.name
        elif value and not isinstance(whole, Index) and _CONSTANT.fullmatch(value.text):
            yield "constant", target.name


def _is_said(one: Expression) -> bool:
    """Tell whether a value is a constant or a condition's: !x, x != y, x && y."""
    asks = isinstance(one, Unary | Binary) and one.operator in (*COMPARISONS, "!", "&&", "||")
    return asks or _CONSTANT.fullmatch(one.text) is not None


def _pointer_of(one: Member) -> str:
    """Return the variable that points to the struct in which a member lies, if one does."""
    while isinstance(one.of, Member) and not one.arrow:
        one = one.of
    return one.of.name if one.arrow and isinstance(one.of, Name) else ""


def _taken(one: Address) -> str:
    """Return the variable in which what the address is taken of lies, if one does."""
    of = one.of
    while isinstance(of, Member) and not of.arrow:
        of = of.of
    return of.name if isinstance(of, Name) else ""


def question(one: Expression) -> tuple[str, bool] | None:
    """Return what a condition asks, in one form, and whether it holds where that does.

    `!x` and `x == NULL` ask for x as `x` does.
    """
    match one:
        case Truth():
            return question(one.of)
        case Temporary(of=Assignment() as kept) if not kept.operator:
            return question(kept.target)
        case Assignment() if not one.operator:
            return question(one.target)
        case Unary() if one.operator == "!":
            return _other_way(question(one.of))
        case Binary() if one.operator in ("==", "!="):
            left, right = one.left, one.right
            for side, number in ((left, right), (right, left)):
                if isinstance(uncast(number), Literal) and uncast(number).text in _NONE:
                    asked = question(side)
                    return asked if one.operator == "!=" else _other_way(asked)
            return same_number(spelled(left), spelled(right), one.operator == "==")
        case Binary() if one.operator in COMPARISONS:
            sides = spelled(one.left), spelled(one.right)
            less = one.operator in ("<", ">=")
            low, high = sides if less else sides[::-1]
            return (f"{low} < {high}", one.operator in "<>") if low and high else None
        case Binary() if one.operator in _SHORT:
            return None
    text = spelled(one)
    return (text, True) if text else None


def _other_way(asked: tuple[str, bool] | None) -> tuple[str, bool] | None:
    return (asked[0], not asked[1]) if asked is not None else None


def same_number(one: str, other: str, way: bool = True) -> tuple[str, bool] | None:
    """Return the question whether two expressions are the same number, as they are spelled."""
    return (" == ".join(sorted((one, other))), way) if one and other else None


def spelled(one: Expression) -> str:
    """Return an expression as one text; nothing if it has effects of its own."""
    match one:
        case Temporary():
            return spelled(one.of)
        case Call() if one.name:
            given = [spelled(argument) for argument in one.arguments]
            return f"{one.name}({', '.join(given)})" if all(given) else ""
        case Name():
            return one.name
        case Literal():
            return one.written
        case Member():
            joint = "->" if one.arrow else "."
            return f"{of}{joint}{one.name}" if (of := spelled(one.of)) else ""
        case Index():
            of, index = spelled(one.of), spelled(one.index)
            return f"{of}[{index}]" if of and index else ""
        case Cast() | Deref() | Address() | Unary():
            kind = f"({one.type})" if isinstance(one, Cast) else _SIGNS.get(type(one), "-")
            sign = one.operator if isinstance(one, Unary) else kind
            return f"{sign}{of}" if (of := spelled(one.of)) else ""
        case Binary():
            left, right = spelled(one.left), spelled(one.right)
            return f"({left} {one.operator} {right})" if left and right else ""
    return ""


def questions_in(step: Step, statement: Sequence[Expression]) -> Iterator[str]:
    """Yield what a step asks."""
    if step.does is Does.SWITCH and statement:
        for label, _ in step.cases:
            if label and (same := same_number(spelled(statement[0]), label.strip())):
                yield same[0]
    asked = [*statement] if step.does is Does.TEST else []
    for part in inside(statement):
        match part:
            case Conditional():
                asked.append(part.condition)
            case Binary() if part.operator in _SHORT:
                asked += (part.left, part.right)
            case Truth() | Unary() if isinstance(part, Truth) or part.operator == "!":
                asked.append(part)
            case Binary() if part.operator in COMPARISONS:
                asked.append(part)
    yield from (found[0] for one in asked if (found := question(one)) is not None)
