"""Which side of a branch is taken where a constant, or a parameter's value, decides it."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from xfrmlint.c.jumps import LEAVING, last_in
from xfrmlint.c.unit import node_text
from xfrmlint.kernel.functions import function_named

# What a function's parameters are, as far as a caller wrote it out.
Bound = dict[str, str]

LITERALS = {"true": True, "false": False, "1": True, "0": False, "NULL": False}
_ASKING = ("if_statement", "conditional_expression", "switch_statement")
_CALL = re.compile(r"(\w+)\s*\(\s*\)")


def excluded(node: Node, bound: Bound) -> bool:
    """Tell whether a node stands where what a condition is keeps control from it."""
    while node.parent is not None:
        parent = node.parent
        if parent.type in ("if_statement", "conditional_expression"):
            truth = holds(parent, bound)
            then = parent.child_by_field_name("consequence")
            other = parent.child_by_field_name("alternative")
            if truth is False and then is not None and then.id == node.id:
                return True
            if truth is True and other is not None and other.id == node.id:
                return True
        if parent.type == "compound_statement":
            for earlier in parent.named_children:
                if earlier.start_byte >= node.start_byte:
                    break
                if earlier.type == "if_statement" and holds(earlier, bound) and _leaves(earlier):
                    return True
        node = parent
    return False


def in_doubt(node: Node, bound: Bound) -> bool:
    """Tell whether a condition before a node asks for a bound parameter in a way not settled."""
    for one in _asking_before(node) if bound else ():
        condition = one.child_by_field_name("condition")
        words = set(re.findall(r"\w+", node_text(condition))) if condition else set()
        if words & bound.keys() and holds(one, bound) is None:
            return True
    return False


def context_asked(node: Node, bound: Bound) -> str:
    """Return the function that is asked, before a node, in which context this runs; or nothing.

    One whose answer is known where packets are handled decides, and is none.
    """
    for one in _asking_before(node):
        condition = one.child_by_field_name("condition")
        if condition is None or holds(one, bound) is not None:
            continue
        for name in re.findall(r"\w+(?=\s*\()", node_text(condition)):
            does = function_named(name)
            if does.is_("context") or does.softirq is not None:
                return str(name)
    return ""


def _asking_before(node: Node) -> Iterator[Node]:
    """Yield what has a condition around a node, or before it and may leave; innermost first."""
    while node.parent is not None:
        parent = node.parent
        if parent.type in _ASKING:
            yield parent
        if parent.type == "compound_statement":
            for earlier in parent.named_children:
                if earlier.start_byte >= node.start_byte:
                    break
                if earlier.type == "if_statement" and _leaves(earlier):
                    yield earlier
        node = parent


def holds(node: Node, bound: Bound) -> bool | None:
    """Return whether a branch's condition holds; None if that is not seen.

    A condition that is seen is a constant, a parameter that is one, or asks for a context that
    packets are handled in.
    """
    condition = node.child_by_field_name("condition")
    text = node_text(condition).strip() if condition is not None else ""
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
    truth = holds(node, bound)
    names = ["consequence"] if truth is not False else []
    names += ["alternative"] if truth is not True else []
    sides = [side for name in names if (side := node.child_by_field_name(name)) is not None]
    return [one for side in sides for one in chosen(side, bound)]


def _leaves(node: Node) -> bool:
    """Tell whether what an if does ends the function, or leaves for a label."""
    return last_in(node.child_by_field_name("consequence")) in LEAVING
