"""Which variables and members each step of a function names, and what it does to them."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from xfrmlint.c.integers import COMPARISONS
from xfrmlint.c.syntax import (
    Address,
    Assignment,
    Binary,
    Declaration,
    Deref,
    Expression,
    Index,
    Member,
    Name,
    Unary,
    Update,
    inside,
    uncast,
)

_WORD = re.compile(r"[A-Za-z_]\w*")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
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
