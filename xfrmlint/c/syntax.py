"""Expressions as typed syntax: what C means, whatever it is spelled like.

Made of the parser's nodes by c/reading.py. Parentheses are gone, and so are `*&x`, READ_ONCE() and
what else is its argument; `(*p).x` is `p->x`, WRITE_ONCE(x, v) is an assignment, likely(x) the
truth of x, BUG_ON(x) stops, `(u32)-1` is a cast, and the sides of _Generic() and
__builtin_choose_expr() are a choice. What is none of these is Opaque, and says why.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.graph import Graph
from xfrmlint.c.integers import IntType
from xfrmlint.c.nodes import node_text

UNEVALUATED = "an operand that is not evaluated"


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """start: its offset in the view's text. node: as the parser has it, for those who ask types."""

    node: Node
    start: int

    @property
    def text(self) -> str:
        """Return it as it is written."""
        return node_text(self.node)


@dataclass(frozen=True, slots=True, eq=False)
class Name(Expression):
    """A variable, a function, an enumerator or a macro."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Literal(Expression):
    """A number, a character, true, false or NULL; or (is_text) a string or a character."""

    written: str
    is_text: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Member(Expression):
    """`of.name`, or with an arrow `of->name`. named: where the name stands."""

    of: Expression
    name: str
    arrow: bool
    named: int


@dataclass(frozen=True, slots=True, eq=False)
class Index(Expression):
    """`of[index]`."""

    of: Expression
    index: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Deref(Expression):
    """`*of`."""

    of: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Address(Expression):
    """`&of`."""

    of: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Cast(Expression):
    """A cast. type: a type as it is written, or the integer type that only the compiler knows."""

    of: Expression
    type: CType | IntType | None


@dataclass(frozen=True, slots=True, eq=False)
class Unary(Expression):
    """`-of`, `~of`, `+of` or `!of`."""

    operator: str
    of: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Expression):
    """Arithmetic, a comparison, && or ||; or ?: for what is `right` where `left` is 0."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Truth(Expression):
    """Whether something holds: likely(of)."""

    of: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Conditional(Expression):
    """`condition ? then : other`; without `then` it is `condition ?: other`."""

    condition: Expression
    then: Expression | None
    other: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Comma(Expression):
    """`left, right`."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Choice(Expression):
    """One of several values, which one is up to the compiler; or to `of`, if it is a callee."""

    values: tuple[Expression, ...]
    of: Expression | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Assignment(Expression):
    """`target = value`; operator: of `|=` the |, else empty."""

    target: Expression
    operator: str
    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Declaration(Expression):
    """A variable that is declared, with its initializer if it has one."""

    target: Name
    value: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Update(Expression):
    """`target++` and its like. before: the value is that before it."""

    target: Expression
    operator: str
    before: bool


@dataclass(frozen=True, slots=True, eq=False)
class Call(Expression):
    """A call. name: the callee's, unless it is a local variable or an expression.

    in_parentheses: `(name)(x)`, which is a cast if it is no function's name.
    """

    callee: Expression
    arguments: tuple[Expression, ...]
    name: str
    in_parentheses: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Stops(Expression):
    """BUG_ON(of): does not come back if that holds; BUG(): never does."""

    of: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Initializer(Expression):
    """`{ ... }`: values with the members that they are for, or with their numbers (`#0`).

    union: all of them lie at one place.
    """

    items: tuple[tuple[str, Expression], ...]
    union: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Compound(Expression):
    """A compound literal."""

    value: Initializer


@dataclass(frozen=True, slots=True, eq=False)
class Block(Expression):
    """`({ ... })`: its statements, each as its expressions, and what it is worth."""

    graph: Graph
    statements: tuple[tuple[Expression, ...], ...]
    value: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Entry(Expression):
    """An entry of the list or the table that a loop macro runs over."""

    of: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Before(Expression):
    """What was in `of` before something was stored there: xchg()."""

    of: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Opaque(Expression):
    """What has no meaning here. parts: what it consists of."""

    why: str
    parts: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Temporary(Expression):
    """A value that an instruction left behind. of: the expression whose value it is."""

    of: Expression


def parts_of(one: Expression) -> Sequence[Expression]:
    """Return the expressions that an expression consists of."""
    parts = _PARTS.get(type(one))
    return parts(one) if parts is not None else ()


def _parts_of_block(one: Block) -> Sequence[Expression]:
    parts = [part for statement in one.statements for part in statement]
    return parts if one.value is None else [*parts, one.value]


def _there(*parts: Expression | None) -> Sequence[Expression]:
    return [part for part in parts if part is not None]


_PARTS: dict[type[Expression], Callable[[Any], Sequence[Expression]]] = {
    **dict.fromkeys(
        (Member, Deref, Address, Cast, Unary, Truth, Entry, Temporary), lambda one: (one.of,)
    ),
    **dict.fromkeys((Binary, Comma), lambda one: (one.left, one.right)),
    **dict.fromkeys((Assignment, Declaration), lambda one: _there(one.target, one.value)),
    Index: lambda one: (one.of, one.index),
    Conditional: lambda one: _there(one.condition, one.then, one.other),
    Choice: lambda one: one.values,
    Update: lambda one: (one.target,),
    Call: lambda one: (one.callee, *one.arguments),
    Stops: lambda one: _there(one.of),
    Initializer: lambda one: [value for _, value in one.items],
    Compound: lambda one: (one.value,),
    Block: _parts_of_block,
    Opaque: lambda one: one.parts,
}


def with_parts(one: Expression, parts: Sequence[Expression]) -> Expression:
    """Return an expression that consists of other parts, as many as it has.

    What leaves a temporary behind has none that can be replaced.
    """
    match one:
        case Member() | Deref() | Address() | Cast() | Unary() | Truth() | Entry():
            return replace(one, of=parts[0])
        case Index():
            return replace(one, of=parts[0], index=parts[1])
        case Binary():
            return replace(one, left=parts[0], right=parts[1])
        case Opaque():
            return replace(one, parts=tuple(parts))
        case Compound(value=Initializer()) if isinstance(parts[0], Initializer):
            return replace(one, value=parts[0])
    return one


def inside(statement: Sequence[Expression]) -> Iterator[Expression]:
    """Yield some expressions and all that they consist of."""
    stack = list(reversed(statement))
    while stack:
        one = stack.pop()
        yield one
        stack += reversed(parts_of(one))


def leaves_of(one: Expression) -> list[Node]:
    """Return the words that an expression is written with."""
    found, stack = [], [one.node]
    while stack:
        current = stack.pop()
        if not current.named_child_count:
            found.append(current)
        stack += current.named_children
    return found


def member_of(whole: Expression, way: Sequence[str]) -> Expression:
    """Return the member of a struct that is not named where the whole struct is.

    It has the whole one's node. way: the names that lead to it, as far as they are names.
    """
    for name in takewhile(str.isidentifier, way):
        whole = Member(whole.node, whole.start, whole, name, False, whole.start)
    return whole


def root_of(one: Expression) -> Expression:
    """Return what a member, an element or a cast is of."""
    while isinstance(one, Member | Index | Cast):
        one = one.of
    return one


def source_of(one: Expression) -> Expression:
    """Return what a value was before it was cast, or kept in a temporary."""
    while isinstance(one, Cast | Temporary | Comma):
        one = one.right if isinstance(one, Comma) else one.of
    return one


def pointed(one: Expression) -> Expression:
    """Return x for &x; a pointer stands for what it points to."""
    return one.of if isinstance(one, Address) else one


def uncast(one: Expression) -> Expression:
    """Return an expression without casts."""
    while isinstance(one, Cast):
        one = one.of
    return one


def bared(one: Expression, subscripts: bool = False) -> Expression:
    """Return an expression without casts, & and *; with `subscripts`, without [] as well."""
    taken = Cast | Address | Deref | Temporary
    while isinstance(one, taken) or (subscripts and isinstance(one, Index)):
        one = one.of
    return one
