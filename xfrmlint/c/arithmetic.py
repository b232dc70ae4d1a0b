"""What an expression of constants is worth, wherever its names get their numbers from."""

from collections.abc import Callable

from tree_sitter import Node

from xfrmlint.c.integers import INT, Int, calculated, number, signed
from xfrmlint.c.nodes import node_text

# What is known of a node by itself (a name, a call, a cast) at some depth; None where that is
# nothing, or up to arithmetic.
Known = Callable[[Node, int], Int | None]

_DEEPEST = 100


def value_of(node: Node | None, known: Known, depth: int = 0) -> Int | None:
    """Return the value of an expression, or None where it is not known."""
    if node is None or depth > _DEEPEST:
        return None
    found = known(node, depth)
    return found if found is not None else _calculated(node, known, depth)


def _calculated(node: Node, known: Known, depth: int) -> Int | None:
    def of(field: str) -> Int | None:
        return value_of(node.child_by_field_name(field), known, depth + 1)

    sign = node.child_by_field_name("operator")
    match node.type:
        case "parenthesized_expression" if node.named_child_count == 1:
            return value_of(node.named_children[0], known, depth + 1)
        case "number_literal" | "char_literal":
            return _literal(node_text(node))
        case "unary_expression" if sign is not None:
            inner = of("argument")
            return signed(sign.type, inner) if inner is not None else None
        case "binary_expression" if sign is not None:
            return _operated(of("left"), sign.type, of("right"))
        case "comma_expression":
            return of("right")
        case "conditional_expression":
            held = of("condition")
            if held is None or (held.value and node.child_by_field_name("consequence") is None):
                return held
            return of("consequence" if held.value else "alternative")
    return None


def _literal(text: str) -> Int | None:
    inside = text.strip("'")
    return number(text) if inside == text else Int(ord(inside), INT) if len(inside) == 1 else None


def _operated(left: Int | None, sign: str, right: Int | None) -> Int | None:
    if sign in ("&&", "||"):
        return either(left, sign == "||", right)
    return calculated(left, sign, right) if left is not None and right is not None else None


def either(one: Int | None, when: bool, other: Int | None) -> Int | None:
    """Return what && (when: false) and || (when: true) give."""
    for side in (one, other):
        if side is not None and bool(side.value) == when:
            return Int(int(when), INT)
    return Int(int(not when), INT) if one is not None and other is not None else None
