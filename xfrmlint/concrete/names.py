"""What the evaluator is given of the tree: functions, and how a struct declares a member."""

from typing import NamedTuple

from xfrmlint.c.ctype import CType
from xfrmlint.c.view import View


class Source(NamedTuple):
    """A function ready to be evaluated.

    view: its text, macros expanded. problem: why it can't be evaluated at all, else empty.
    """

    name: str
    path: str
    line: int
    view: View
    problem: str = ""
    problem_line: int = 0


class Declared(NamedTuple):
    """How a struct declares a member. size: how many elements, 0 for one that is no array."""

    type: CType
    size: int


def parameters(view: View) -> list[CType]:
    """Return the types of a function's parameters in order."""
    found = [(v.parameter, v.type) for v in view.locals if v.parameter >= 0]
    return [kind for _, kind in sorted(found, key=lambda one: one[0])]
