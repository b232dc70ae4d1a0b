"""Small questions about expression nodes that several stages ask."""

from tree_sitter import Node

_WRAPPERS = ("parenthesized_expression", "pointer_expression", "cast_expression")


def bare(node: Node, subscripts: bool = False) -> Node:
    """Take parentheses, casts, & and * away; with `subscripts`, [] as well."""
    while node.named_child_count and (
        node.type in _WRAPPERS or (subscripts and node.type == "subscript_expression")
    ):
        node = (
            node.child_by_field_name("value")
            or node.child_by_field_name("argument")
            or node.named_children[-1]
        )
    return node


def position_in(listed: Node, node: Node) -> int:
    """Return the index of a node among the named children of a list."""
    return [child.id for child in listed.named_children].index(node.id)
