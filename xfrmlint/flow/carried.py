"""Which variables, members, results and parameters can carry a handle, told by the code's text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from xfrmlint.c.syntax import (
    Address,
    Assignment,
    Before,
    Binary,
    Block,
    Call,
    Cast,
    Choice,
    Comma,
    Compound,
    Conditional,
    Deref,
    Expression,
    Index,
    Initializer,
    Member,
    Name,
    Unary,
    Update,
    bared,
    root_of,
)
from xfrmlint.kernel.functions import function_named

_ARITHMETIC = frozenset(("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"))


@dataclass(frozen=True)
class Seeds:
    """What can lead to a handle in a driver.

    words: names that stand for one (functions on the way, members). members: those that hold one.
    returning: functions, and pointers to them, that return one. filling: those that put one where
    argument N points. moving: functions that can give a packet another device. named: the
    members of xso that name a net_device. clearing: functions that make a member 0, or (without its
    name) all of something. flags: members that are said to be so, or not.
    """

    words: frozenset[str]
    members: frozenset[str]
    returning: frozenset[str] = frozenset()
    filling: frozenset[tuple[str, int]] = frozenset()
    named: frozenset[str] = frozenset()
    moving: frozenset[str] = frozenset()
    clearing: frozenset[tuple[str, str]] = frozenset()
    flags: frozenset[str] = frozenset()


class Carried(NamedTuple):
    """What carries a handle in one function.

    names: its variables. members: of structs. returns: it returns one. fills: the parameters
    through which it hands one out. given: functions that are given one, as which arguments.
    """

    names: frozenset[str]
    members: frozenset[str]
    returns: bool
    fills: frozenset[int]
    given: frozenset[tuple[str, frozenset[int]]]


class Carriers:
    """What is known to carry a handle so far, and what of that is new (`fresh`)."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.members: set[str] = set()
        self.fills: set[str] = set()
        self.handed: dict[str, set[int]] = {}
        self.fresh: list[str] = []

    def name(self, name: str) -> None:
        """Note a variable."""
        if name not in self.names:
            self.names.add(name)
            self.fresh.append(name)

    def member(self, name: str) -> None:
        """Note a member."""
        if name not in self.members:
            self.members.add(name)
            self.fresh.append(name)


def carries(one: Expression | None, seeds: Seeds, found: Carriers) -> bool:
    """Tell whether an expression's value can be a handle, or made from one."""
    stack = [one]
    while stack:
        part = stack.pop()
        match part:
            case Name() if part.name in found.names:
                return True
            case Member() if part.name in seeds.members or part.name in found.members:
                return True
            # The address of a member is computed from the struct's.
            case Address() if root_of(part.of).text in found.names:
                return True
            case Call() if any(word_of(side) in seeds.returning for side in sides(part)):
                return True
        stack += _MADE_OF[type(part)](part) if type(part) in _MADE_OF else ()
    return False


def sides(call: Call) -> Sequence[Expression]:
    """Return what can be called."""
    return call.callee.values if isinstance(call.callee, Choice) else (call.callee,)


def word_of(callee: Expression) -> str:
    """Return the word by which something is called: a function's, a pointer's or a member's."""
    callee = bared(callee, subscripts=True)
    # Of static_call(name) it is the macro's.
    return callee.name if isinstance(callee, Member) else callee.text.partition("(")[0]


def _passed(call: Call) -> Sequence[Expression]:
    """Return the arguments of which a call's value can be made."""
    does = function_named(call.name)
    made = does.passes or does.number or does.struct >= 0 or call.in_parentheses
    return call.arguments if made else ()


# What a value is, or is computed from.
_MADE_OF: dict[type[Expression | None], Callable[[Any], Sequence[Expression | None]]] = {
    **dict.fromkeys((Cast, Deref, Unary, Index, Address, Before), lambda one: (one.of,)),
    **dict.fromkeys((Assignment, Block, Compound), lambda one: (one.value,)),
    Binary: lambda one: (one.left, one.right) if one.operator in _ARITHMETIC else (),
    Call: _passed,
    Choice: lambda one: one.values,
    Conditional: lambda one: (one.then, one.other, one.condition),
    Comma: lambda one: (one.right,),
    Update: lambda one: (one.target,),
    Initializer: lambda one: [value for _, value in one.items],
}
