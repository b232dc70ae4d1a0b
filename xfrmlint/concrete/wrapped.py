"""Loop macros of an owner's own that stand for one of the kernel's.

As bonding's bond_for_each_slave(bond, pos, iter) is netdev_for_each_lower_private((bond)->dev, pos,
iter): what it runs over, and by which variable, the inner one says.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from xfrmlint.c.arguments import split_arguments
from xfrmlint.c.expansion import Macro
from xfrmlint.c.syntax import Address, Expression, Member, Name

_BODY = re.compile(rb"\s*+(\w*for_?each\w*)\s*+\(")
_ARGUMENT = re.compile(r"\s*(&?)\s*\(*\s*(\w+)\s*\)*((?:\s*(?:->|\.)\s*\w+)*)\s*")
_STEP = re.compile(r"(->|\.)\s*(\w+)")
_DEEPEST = 3

_Given = Sequence[Expression]
Loop = tuple[str, _Given]


def loop_behind(
    name: str, arguments: Sequence[Expression], macro: Callable[[str], Macro | None]
) -> Loop:
    """Return the innermost loop macro that one stands for, and its arguments; else what is given.

    macro: returns a macro's definition.
    """
    for _ in range(_DEEPEST):
        inner = _once(arguments, macro(name))
        if inner is None:
            break
        name, arguments = inner
    return name, arguments


def _once(arguments: Sequence[Expression], macro: Macro | None) -> Loop | None:
    if macro is None or not macro.parameters or len(macro.parameters) != len(arguments):
        return None
    body = macro.body.replace(b"\\\n", b"  ").strip().removesuffix(b";")
    inner = _BODY.match(body)
    if inner is None or not body.endswith(b")"):
        return None
    given = dict(zip(macro.parameters, arguments, strict=True))
    parts = [
        _argument(part.decode(), given, arguments) for part in split_arguments(body[inner.end() :])
    ]
    found = [part for part in parts if part is not None]
    return (inner.group(1).decode(), found) if len(found) == len(parts) else None


def _argument(text: str, given: Mapping[str, Expression], at: _Given) -> Expression | None:
    """Return what an argument is in the loop macro's own arguments; None if it is more than that.

    A word that is none of them names a member, or what the file around the loop has.
    """
    match = _ARGUMENT.fullmatch(text)
    if match is None:
        return None
    word = match.group(2)
    one = base = given.get(word) or Name(at[0].node, at[0].start, word)
    for arrow, member in _STEP.findall(match.group(3)):
        one = Member(base.node, base.start, one, member, arrow == "->", base.start)
    return Address(base.node, base.start, one) if match.group(1) else one
