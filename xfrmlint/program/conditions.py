"""Whether the conditions on the way from a value to a use keep 0 away."""

from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.jumps import JUMPS, last_in
from xfrmlint.c.unit import node_text
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.outside import called

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
# What a comparison of 0 with a number comes to: with 0, with one below, with one that is above.
_ZERO = {"==": True, "!=": False, "<": False, ">": False, "<=": True, ">=": True}
_ABOVE = {"==": False, "!=": True, "<": True, ">": False, "<=": True, ">=": False}
_BELOW = {"==": False, "!=": True, "<": False, ">": True, "<=": False, ">=": True}
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
    node = use
    while node.parent is not None:
        parent = node.parent
        condition = parent.child_by_field_name("condition")
        if condition is not None and condition.id != node.id and condition.start_byte >= start:
            holds = at_zero(asked, condition)
            other = parent.child_by_field_name("alternative")
            wanted = not (other is not None and other.id == node.id)
            if holds is (not wanted):
                return True
        if parent.type == "compound_statement":
            for earlier in parent.named_children:
                if earlier.start_byte >= node.start_byte:
                    break
                if earlier.start_byte >= start and _turns_away(asked, earlier):
                    return True
        node = parent
    return False


def _turns_away(asked: Asked, statement: Node) -> bool:
    """Tell whether a statement before a use lets 0 not go on."""
    condition = statement.child_by_field_name("condition")
    if condition is None:
        return False
    if statement.type in ("while_statement", "do_statement"):
        return at_zero(asked, condition) is True
    if statement.type != "if_statement":
        return False
    holds = at_zero(asked, condition)
    return holds is True and last_in(statement.child_by_field_name("consequence")) in JUMPS


def at_zero(asked: Asked, node: Node) -> bool | None:
    """Tell whether a condition holds where a variable is 0; None if that hangs on something else.

    Raises _NotUnderstood where it speaks of the variable in another form.
    """
    if node.type == "parenthesized_expression":
        return at_zero(asked, node.named_children[-1])
    if not _names(asked, node):
        return None
    if node_text(node) == asked.name:
        return False
    match node.type:
        case "unary_expression" if node_text(node).startswith("!"):
            inner = node.child_by_field_name("argument")
            holds = at_zero(asked, inner) if inner is not None else None
            return None if holds is None else not holds
        case "binary_expression":
            return _compared(asked, node)
        case "call_expression":
            does = function_named(called(node))
            listed = node.child_by_field_name("arguments")
            if does.truth >= 0 and listed is not None and listed.named_child_count:
                return at_zero(asked, listed.named_children[does.truth])
            if does.known:
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
    if _bare(right) == asked.name:
        left, right = right, left
        operator = _MIRRORED.get(operator, operator)
    if operator not in _ZERO:
        raise _NotUnderstood
    if _bare(left) != asked.name:
        # `t[i].used == x`: of the element, not of its number.
        if any(n.type == "subscript_expression" for n in (left, right)) or "->" in node_text(node):
            return None
        raise _NotUnderstood
    value = asked.constants.value(node_text(right), asked.view.path)
    if value is None and operator in ("==", "!="):
        # It can be the 0 that is kept away.
        raise _NotUnderstood
    if value is None or value.value > 0:
        # What nobody knows is a limit: it is more than 0.
        return _ABOVE[operator]
    return _ZERO[operator] if value.value == 0 else _BELOW[operator]


def _bare(node: Node) -> str:
    while node.type in ("parenthesized_expression", "cast_expression"):
        node = node.child_by_field_name("value") or node.named_children[-1]
    return node_text(node)


def _names(asked: Asked, node: Node) -> bool:
    stack = [node]
    while stack:
        one = stack.pop()
        if one.type in _NAMING and node_text(one) == asked.name:
            return True
        stack += one.named_children
    return False
