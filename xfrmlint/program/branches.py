"""Which side of a branch is taken where a constant, or a parameter's value, decides it."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.unit import node_text
from xfrmlint.kernel.functions import function_named

# What a function's parameters are, as far as a caller wrote it out.
Bound = dict[str, str]

LITERALS = {"true": True, "false": False, "1": True, "0": False, "NULL": False}
_ASKING = ("if_statement", "conditional_expression", "switch_statement")
_CALL = re.compile(r"(\w+)\s*\(\s*\)")


def excluded(node: Node, bound: Bound) -> bool:
    """Tell whether a node stands where what a condition is keeps control from it."""
    asked = (one for one in conditions_to(node) if one.held is not None)
    return any(holds(one.node, bound) is (not one.held) for one in asked)


def in_doubt(node: Node, bound: Bound) -> bool:
    """Tell whether a condition before a node asks for a bound parameter in a way not settled."""
    for one in _asking_before(node) if bound else ():
        words = set(re.findall(r"\w+", node_text(one)))
        if words & bound.keys() and holds(one, bound) is None:
            return True
    return False


def context_asked(node: Node, bound: Bound) -> str:
    """Return the function that is asked, before a node, in which context this runs; or nothing.

    One whose answer is known where packets are handled decides, and is none.
    """
    for one in _asking_before(node):
        if holds(one, bound) is not None:
            continue
        for name in re.findall(r"\w+(?=\s*\()", node_text(one)):
            does = function_named(name)
            if does.is_("context") or does.softirq is not None:
                return str(name)
    return ""


def _asking_before(node: Node) -> Iterator[Node]:
    """Yield the conditions around a node, or before it where they may leave; innermost first."""
    return (one.node for one in conditions_to(node) if one.of.type in _ASKING)


def holds(condition: Node, bound: Bound) -> bool | None:
    """Return whether a condition holds; None if that is not seen.

    A condition that is seen is a constant, a parameter that is one, or asks for a context that
    packets are handled in.
    """
    text = node_text(condition).strip()
    negated = False
    while text[:1] == "!" or (text[:1] == "(" and text[-1:] == ")"):
        negated ^= text[0] == "!"
        text = (text[1:] if text[0] == "!" else text[1:-1]).strip()
    call = _CALL.fullmatch(text)
    value = LITERALS.get(bound.get(text, text))
    if call is not None:
        value = function_named(call.group(1)).softirq
    return None if value is None else value != negated


def chosen(node: Node, bound: Bound) -> list[Node]:
    """Return the sides of a conditional expression that can be meant; another node as it is."""
    if node.type == "parenthesized_expression" and node.named_child_count == 1:
        return chosen(node.named_children[0], bound)
    if node.type != "conditional_expression":
        return [node]
    condition = node.child_by_field_name("condition")
    truth = holds(condition, bound) if condition is not None else None
    names = ["consequence"] if truth is not False else []
    names += ["alternative"] if truth is not True else []
    sides = [side for name in names if (side := node.child_by_field_name(name)) is not None]
    return [one for side in sides for one in chosen(side, bound)]
