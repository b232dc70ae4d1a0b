"""The parts of syntax nodes and their text."""

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.unit import node_text


def child(node: Node, name: str) -> Node:
    """Return a part that the grammar makes obligatory."""
    found = node.child_by_field_name(name)
    # Fields that the grammar makes obligatory; a tree with errors is refused before.
    return found if found is not None else node


def operator_of(node: Node) -> str:
    """Return the operator of an expression as it is written."""
    found = node.child_by_field_name("operator")
    return found.type if found is not None else ""


def short(node: Node) -> str:
    """Return the text of a node, cut for a message."""
    return " ".join(node_text(node).split())[:60]


def last_word(node: Node) -> Node:
    """Return the node of the name that an access ends with."""
    while node.type == "parenthesized_expression" and node.named_child_count:
        node = node.named_children[-1]
    return node.child_by_field_name("field") or node


def is_struct(kind: CType, written: Node | None) -> bool:
    """Tell whether a struct is declared without a value, or with one that names its members."""
    if kind.pointers or not kind.base.startswith("struct "):
        return False
    if written is None:
        return True
    listed = written.named_children
    return written.type == "initializer_list" and all(map(designated, listed))


def designated(pair: Node) -> str:
    """Return the member that an element of an initializer names; empty if it names none."""
    found = pair.child_by_field_name("designator") if pair.type == "initializer_pair" else None
    if found is None or found.type != "field_designator" or len(pair.named_children) != 2:
        return ""
    return node_text(found.named_children[0])
