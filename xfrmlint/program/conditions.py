"""Whether the conditions on the way from a value to a use keep 0 away."""

import re
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.expression import called, without_casts
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.branches import Where, truth

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
# What a comparison of 0 with a limit comes to.
_BELOW_A_LIMIT = {"<": True, ">": False, "<=": True, ">=": False}
_NAMING = ("identifier", "field_expression")


class Asked(NamedTuple):
    """A variable of a function, or a member of one, about which conditions are asked."""

    constants: Constants
    view: View
    name: str


class _NotUnderstood(Exception):
    """A condition speaks of the variable in a way that says nothing here."""


def keeps_zero(asked: Asked, start: int, use: Node) -> bool | None:
    """Tell whether 0 is kept from a use by the conditions behind an offset.

    True: it is. False: a condition asks for it in a way that is not understood. None: nothing does.
    """
    try:
        return True if _is_kept(asked, start, use) else None
    except _NotUnderstood:
        return False


def _is_kept(asked: Asked, start: int, use: Node) -> bool:
    for one in conditions_to(use):
        if one.node.start_byte < start or one.node.end_byte > use.start_byte:
            # What is asked in the same breath, or later, is no answer.
            continue
        holds = at_zero(asked, one.node)
        if one.held is None and holds is not None:
            raise _NotUnderstood
        if holds is (not one.held):
            return True
    return False


def at_zero(asked: Asked, node: Node) -> bool | None:
    """Tell whether a condition holds where a variable is 0; None if that hangs on something else.

    Raises _NotUnderstood where it speaks of the variable in another form.
    """
    if node.type == "parenthesized_expression":
        return at_zero(asked, node.named_children[-1])
    if not _names(asked, node):
        return None
    known = truth(Where(asked.view, {asked.name: "0"}, asked.constants), node)
    if known is not None:
        return known
    match node.type:
        case "unary_expression" if node_text(node).startswith("!"):
            inner = at_zero(asked, node.named_children[0])
            return None if inner is None else not inner
        case "binary_expression":
            return _compared(asked, node)
        case "call_expression" if function_named(called(node)).known:
            return None
        case "subscript_expression" | "field_expression" | "pointer_expression":
            return None
    raise _NotUnderstood


def _compared(asked: Asked, node: Node) -> bool | None:
    sign = node.child_by_field_name("operator")
    left, right = (node.child_by_field_name(side) for side in ("left", "right"))
    if sign is None or left is None or right is None:
        raise _NotUnderstood
    operator = sign.type
    if operator in ("&&", "||"):
        sides = (at_zero(asked, left), at_zero(asked, right))
        stops = operator == "||"
        if stops in sides:
            return stops
        return None if None in sides else not stops
    if node_text(without_casts(right)) == asked.name:
        left, right = right, left
        operator = _MIRRORED.get(operator, operator)
    if node_text(without_casts(left)) == asked.name and operator in _BELOW_A_LIMIT:
        # What nobody knows is a limit: it is more than 0.
        return _BELOW_A_LIMIT[operator]
    # `used & BIT(i)`, `t[i].used == x`: of the bit, or of the element, not of its number.
    bit = operator == "&" and bits_of((node.text or b"") + b")", asked.name)
    of_element = any(n.type == "subscript_expression" for n in (left, right))
    if bit or (
        node_text(without_casts(left)) != asked.name and (of_element or "->" in node_text(node))
    ):
        return None
    raise _NotUnderstood


def bits_of(text: bytes, name: str) -> set[bytes]:
    """Return the members whose bits a variable numbers: `p->used & BIT(i)`."""
    bit = rb"\(*\s*(?:BIT(?:_ULL)?\(\s*|1[UuLl]*\s*<<\s*)%s\s*\)" % re.escape(name.encode())
    return set(re.findall(rb"(?:->|\.)(\w+)\s*&\s*%s" % bit, text))


def _names(asked: Asked, node: Node) -> bool:
    names = (one for one in below(node) if one.type in _NAMING)
    return any(node_text(one) == asked.name for one in names)
