"""Forms of an expression that stand for a simpler one: `a < b ? a : b`, `table + 1 - n`."""

from collections.abc import Sequence

from tree_sitter import Node

from xfrmlint.c.expression import around
from xfrmlint.c.syntax import Binary, Conditional, Expression, Index, Temporary, uncast


def has_asm_result(node: Node) -> bool:
    """Tell whether what stands for a node's operand is an instruction that can say what it found.

    It jumps (asm goto), or has a result.
    """
    up = around(node, "gnu_asm_expression")
    parts = up.named_children if up is not None else []
    kinds = [part.type for part in parts if part.named_child_count]
    return "gnu_asm_goto_list" in kinds or "gnu_asm_output_operand_list" in kinds


def plain(one: Expression) -> str:
    """Return an expression's text without casts, its white space in one form."""
    return " ".join(uncast(one).text.split())


def element_of_sum(terms: Sequence[Binary]) -> Index | None:
    """Return what `table + 1 - n` points to as the element of a table: [1 - n]."""
    first, *others = reversed(terms)
    if first.operator != "+" or any(term.operator not in ("+", "-") for term in others):
        return None
    index = first.right
    for term in others:
        index = Binary(term.node, index.start, term.operator, index, term.right)
    # What is cast is counted in other elements.
    of = first.left.of if isinstance(first.left, Temporary) else first.left
    return Index(first.node, first.start, of, index)


def is_extreme(one: Conditional) -> bool:
    """Tell whether a `?:` is the greater or the lesser of what it compares."""
    asked = one.condition
    if not isinstance(asked, Binary) or asked.operator not in ("<", "<=", ">", ">="):
        return False
    if one.then is None:
        return False
    return {plain(asked.left), plain(asked.right)} == {plain(one.then), plain(one.other)}
