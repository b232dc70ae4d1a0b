"""What a condition asks, in one form however it is written: by that it is known again.

    if (esp)                            if (esp != NULL && !h)
            h = ask(x, dev);                    goto drop;

ask for `esp` both, and have one answer.
"""

from collections.abc import Iterator, Sequence

from xfrmlint.c.graph import Does, Step
from xfrmlint.c.integers import COMPARISONS
from xfrmlint.c.syntax import (
    Address,
    Assignment,
    Binary,
    Call,
    Cast,
    Conditional,
    Deref,
    Expression,
    Index,
    Literal,
    Member,
    Name,
    Temporary,
    Truth,
    Unary,
    inside,
    uncast,
)

_SHORT = ("&&", "||")
_NONE = ("0", "NULL", "false")
_SIGNS = {Deref: "*", Address: "&"}


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
            return (f"{low} < {high}", one.operator in ("<", ">")) if low and high else None
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
