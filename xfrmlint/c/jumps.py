"""Statements behind which a function does not go on where they stand."""

from tree_sitter import Node

LEAVING = ("return_statement", "goto_statement")
JUMPS = (*LEAVING, "break_statement", "continue_statement")


def last_in(statement: Node | None) -> str:
    """Return the type of a statement, or of the last one of a block; nothing for none."""
    if statement is not None and statement.type == "compound_statement":
        inside = [one for one in statement.named_children if one.type != "comment"]
        statement = inside[-1] if inside else None
    return statement.type if statement is not None else ""
