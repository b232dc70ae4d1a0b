"""The leaves of a node, found one behind the other, and how deep each lies."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tree_sitter import Node, TreeCursor

# So many nodes around a leaf are followed; the kernel's deepest have some fifty.
DEEPEST = 400
# Bytes of an item below which nothing lies so deep that it would cost anything.
SMALL = 8_000


class Leaf(NamedTuple):
    """A node without children. depth: how many nodes are around it."""

    node: Node
    depth: int


def leaves_at(root: Node, ranges: Iterable[tuple[int, int]]) -> Iterator[Leaf]:
    """Yield the leaves below a node that fill one of some ranges, which ascend.

    What lies between two of them is passed once. The parser, asked for each by itself, goes down
    from the top each time: that is the square where each lies as deep as there are many.
    """
    cursor = root.walk()
    for start, end in ranges:
        if not _go_on(cursor, start):
            return
        while cursor.goto_first_child_for_byte(start) is not None:
            pass
        node = cursor.node
        if node is not None and (node.start_byte, node.end_byte) == (start, end):
            yield Leaf(node, cursor.depth)


def _go_on(cursor: TreeCursor, start: int) -> bool:
    """Go on to the next node that ends behind an offset; tell whether there is one."""
    while cursor.node is not None and cursor.node.end_byte <= start:
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return False
    return True
