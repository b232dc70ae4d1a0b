"""Whether leaving at one place of a function needs the same undone as leaving at another.

What takes a lock, memory or a mapping, or gives one back, is told by its name: of most drivers'
own functions nothing else is to be known, and to take one more for such costs a patch at worst.
"""

import re

from tree_sitter import Node

from xfrmlint.c.unit import node_text
from xfrmlint.c.view import View
from xfrmlint.convert.written import below
from xfrmlint.kernel.functions import function_named

_TAKES = re.compile(
    r"lock|begin|end$|_end_|start|stop|disable|enable|alloc|free|map|hold|release|acquire|reserve"
    r"|(^|_)(get|put|inc|dec|claim|ref|add|sub|save|restore|enter|exit|push|pop)(_|$)"
)
_LOOPS = ("for_statement", "while_statement", "do_statement")


def is_same_to_leave(view: View, one: Node, other: Node) -> bool:
    """Tell whether nothing is taken or given back between two statements of a function."""
    first, last = sorted((one, other), key=lambda node: node.start_byte)
    if _loop(one) != _loop(other):
        return False
    for node in below(view.node):
        if node.type == "call_expression" and first.end_byte <= node.start_byte < last.start_byte:
            if takes(node):
                return False
    return True


def takes(call: Node) -> bool:
    """Tell whether a call may take something that has to be given back, or give it back."""
    name = node_text(call.child_by_field_name("function") or call)
    known = function_named(name)
    harmless = known.is_("packet") or known.is_("prints") or known.is_("state") or known.device
    return not harmless and _TAKES.search(name) is not None


def _loop(node: Node) -> int:
    """Return the start of the innermost loop around a node, or -1."""
    up = node.parent
    while up is not None:
        if up.type in _LOOPS:
            return up.start_byte
        up = up.parent
    return -1
