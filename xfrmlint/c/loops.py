"""Loop macros: which of their arguments is the loop's variable, and which what it runs over."""

import re
from typing import NamedTuple

from xfrmlint.c.arguments import split_arguments
from xfrmlint.c.syntax import Comma, Expression, Name
from xfrmlint.c.types import Types
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named

_NAME = re.compile(rb"(\w+)[ \t]*$")
_CALL = re.compile(rb"\b(?=\w*?(?:for_?each|FOR_?EACH))(\w++)\s*+\(")
_WORD = re.compile(rb"^\W*(\w+)\W*$")
_DEEPEST = 3


class Loop(NamedTuple):
    """A loop macro's variable, and what it runs over, if that is an argument of its own."""

    variable: Name
    over: Expression | None


def loop_of(start: int, condition: Expression, view: View, types: Types) -> Loop | None:
    """Return what a condition is about that stands for the arguments of a loop macro.

    start: where its parenthesis opens.
    """
    arguments = arguments_of(condition)
    name = head_of(start, view) if len(arguments) > 1 else ""
    at = _positions(name, view.path, types, 0) if name else None
    variable = arguments[at[0]] if at is not None and at[0] < len(arguments) else None
    if at is None or not isinstance(variable, Name):
        return None
    return Loop(variable, arguments[at[1]] if 0 <= at[1] < len(arguments) else None)


def head_of(start: int, view: View) -> str:
    """Return the word in front of a parenthesis, as the file has it: a macro, or `while`."""
    path, offset = view.origin(start)
    name = _NAME.search(view.corpus.data(path), max(0, offset - 80), offset)
    return name.group(1).decode("utf-8", "replace") if name is not None else ""


def arguments_of(condition: Expression) -> list[Expression]:
    """Return the arguments of a loop macro, which the parser takes for a condition."""
    if not isinstance(condition, Comma):
        return [condition]
    return [*arguments_of(condition.left), *arguments_of(condition.right)]


def _positions(name: str, path: str, types: Types, depth: int) -> tuple[int, int] | None:
    """Return the indexes of variable and list; -1 where a macro of a driver's hides the list."""
    known = function_named(name).iterates
    if known is not None:
        return known.target.position, known.value.position
    macro = types.macro(name, path) if depth < _DEEPEST else None
    inner = _CALL.search(macro.body) if macro is not None else None
    if macro is None or macro.parameters is None or inner is None:
        return None
    at = _positions(inner.group(1).decode("utf-8", "replace"), path, types, depth + 1)
    given = split_arguments(macro.body[inner.end() :])
    word = _WORD.match(given[at[0]]) if at is not None and at[0] < len(given) else None
    named = word.group(1).decode() if word is not None else ""
    return (macro.parameters.index(named), -1) if named in macro.parameters else None
