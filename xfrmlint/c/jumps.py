"""Which conditions hold where a node is reached; statements behind which nothing goes on."""

from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

LEAVING = ("return_statement", "goto_statement")
JUMPS = (*LEAVING, "break_statement", "continue_statement")


# What of a statement, or of `a && b`, need not be run.
_MAYBE = {
    "if_statement": ("consequence", "alternative"),
    "conditional_expression": ("consequence", "alternative"),
    "for_statement": ("update", "body"),
    "while_statement": ("body",),
    "binary_expression": ("right",),
}


def block_of(node: Node) -> Node | None:
    """Return the compound statement in which a node is sure to be run; None where it need not."""
    up = node.parent
    while up is not None and up.type != "compound_statement":
        if up.type == "case_statement":
            return None
        if node in map(up.child_by_field_name, _MAYBE.get(up.type, ())):
            return None
        node, up = up, up.parent
    return up


def is_sure(node: Node, at: int) -> bool:
    """Tell whether each way to an offset behind a node leads by it."""
    block = block_of(node)
    return block is not None and block.start_byte <= at < block.end_byte


def last_in(statement: Node | None) -> str:
    """Return the type of a statement, or of the last one of a block; nothing for none."""
    if statement is not None and statement.type == "compound_statement":
        statement = last_statement(statement)
    return statement.type if statement is not None else ""


def last_statement(block: Node) -> Node | None:
    """Return the last statement of a block, or of a case, and of the block that this is."""
    inside = [one for one in block.named_children if one.type != "comment"]
    last = inside[-1] if inside else None
    if last is not None and last.type == "compound_statement":
        return last_statement(last)
    return last


class Condition(NamedTuple):
    """What is asked on the way to a node. of: the statement or expression that asks it.

    held: whether it holds there; None where that is open: in a switch, behind a do, in itself.
    """

    of: Node
    node: Node
    held: bool | None


def conditions_to(node: Node) -> Iterator[Condition]:
    """Yield what is asked on the way to a node, innermost first.

    An earlier statement of a block counts where control gets past it if its condition fails.
    """
    while node.parent is not None and node.type != "function_definition":
        parent = node.parent
        condition = parent.child_by_field_name("condition")
        if condition is not None:
            yield Condition(parent, condition, _held(parent, condition, node))
        if parent.type == "compound_statement":
            for earlier in parent.named_children:
                if earlier.start_byte >= node.start_byte:
                    break
                asked = earlier.child_by_field_name("condition")
                if asked is not None and _turns_away(earlier):
                    yield Condition(earlier, asked, False)
        node = parent


def branches_beside(node: Node) -> Iterator[tuple[int, int]]:
    """Yield where branches begin and end that are not run where a node is.

    That is the other side of an if, and other cases of a switch.
    """
    while node.parent is not None and node.type != "function_definition":
        parent = node.parent
        sides = [parent.child_by_field_name(side) for side in ("consequence", "alternative")]
        if node in sides:
            yield from ((s.start_byte, s.end_byte) for s in sides if s is not None and s != node)
        if node.type == "case_statement":
            cases = parent.named_children
            at = first = cases.index(node)
            while first and getattr(last_statement(cases[first - 1]), "type", "") not in JUMPS:
                # It falls through.
                first -= 1
            yield cases[0].start_byte, cases[first].start_byte
            yield cases[at].end_byte, cases[-1].end_byte
        node = parent


def _held(of: Node, condition: Node, node: Node) -> bool | None:
    if node == condition or of.type in ("switch_statement", "do_statement"):
        return None
    return node != of.child_by_field_name("alternative")


def _turns_away(statement: Node) -> bool:
    """Tell whether control gets past a statement only if its condition does not hold."""
    if statement.type in ("while_statement", "do_statement"):
        return b"break" not in (statement.text or b"")
    left = last_in(statement.child_by_field_name("consequence"))
    return statement.type == "if_statement" and left in JUMPS
