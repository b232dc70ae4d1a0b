"""Statements behind which a function does not go on where they stand."""

from tree_sitter import Node

LEAVING = ("return_statement", "goto_statement")
JUMPS = (*LEAVING, "break_statement", "continue_statement")


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
