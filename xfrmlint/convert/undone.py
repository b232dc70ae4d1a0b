"""Whether leaving at one place of a function needs the same undone as leaving at another.

What takes a lock, memory or a mapping, or gives one back, is told by its name: of most drivers'
own functions nothing else is to be known, and to take one more for such costs a patch at worst.
"""

import re

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, called_by
from xfrmlint.c.unit import below, node_text
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named

_TAKES = re.compile(
    r"lock|begin|end$|_end_|start|stop|disable|enable|alloc|free|map|hold|release|acquire|reserve"
    r"|(^|_)(get|put|inc|dec|claim|ref|add|sub|save|restore|enter|exit|push|pop)(_|$)"
)
_GIVES_BACK = re.compile(r"put|release|free|drop|unref")
# Macros that compute, and what the compiler is told.
_COMPUTES = re.compile(r"^([A-Z][A-Z0-9_]*|likely|unlikely|sizeof|min|max|min_t|max_t|cpu_to_\w+)$")
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


def is_untouched(view: View, start: int, end: int) -> bool:
    """Tell whether nothing but a function's own variables is changed between two offsets."""
    for node in below(view.node):
        if not start <= node.start_byte < end:
            continue
        if node.type == "call_expression" and not _is_harmless(node):
            return False
        if node.type == "update_expression":
            changed = node.child_by_field_name("argument")
        elif node.type == "assignment_expression":
            changed = node.child_by_field_name("left")
        else:
            continue
        if changed is None or changed.type != "identifier":
            return False
        if view.local(node_text(changed), changed.start_byte) is None:
            return False
    return True


def _is_harmless(call: Node) -> bool:
    """Tell whether a call is one of which nothing has to be known."""
    name = called_by(call)
    known = function_named(name)
    given = known.is_("packet") or known.is_("prints") or known.is_("state")
    return given or bool(known.device or known.private) or _COMPUTES.match(name) is not None


def is_given_back(view: View, state: str) -> str:
    """Return the function that a state is given back with; empty if it is borrowed."""
    for node in below(view.node):
        if node.type == "call_expression" and _GIVES_BACK.search(called_by(node)):
            if any(node_text(one) == state for one in arguments_of(node)):
                return called_by(node)
    return ""


def takes(call: Node) -> bool:
    """Tell whether a call may take something that has to be given back, or give it back."""
    name = called_by(call)
    known = function_named(name)
    harmless = known.is_("packet") or known.is_("prints") or known.is_("state") or known.device
    return not harmless and _TAKES.search(name) is not None


def is_in_loop(node: Node) -> bool:
    """Tell whether a node is done again and again."""
    return _loop(node) >= 0


def _loop(node: Node) -> int:
    """Return the start of the innermost loop around a node, or -1."""
    up = node.parent
    while up is not None:
        if up.type in _LOOPS:
            return up.start_byte
        up = up.parent
    return -1
