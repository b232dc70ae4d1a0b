"""Whether leaving at one place of a function needs the same undone as leaving at another.

It does if nothing was done between them but to compute, to look, to count, to ready the packet, and
to set the function's own variables. What is not known may take something.
"""

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, bare
from xfrmlint.c.unit import node_text
from xfrmlint.c.view import View
from xfrmlint.convert.effects import HARMLESS, Effects
from xfrmlint.convert.written import below

_CHANGES = ("call_expression", "assignment_expression", "update_expression", "gnu_asm_expression")
_LOOPS = ("for_statement", "while_statement", "do_statement")


def is_same_to_leave(effects: Effects, view: View, one: Node, other: Node) -> bool:
    """Tell whether nothing has to be undone for what is done between two statements."""
    first, last = sorted((one, other), key=lambda node: node.start_byte)
    same = _loop(one) == _loop(other)
    return same and is_untouched(effects, view, first.end_byte, last.start_byte)


def is_untouched(effects: Effects, view: View, start: int, end: int) -> bool:
    """Tell whether nothing but a function's own variables is changed between two offsets."""
    return all(
        effects.words(view, node) <= HARMLESS
        for node in below(view.node)
        if node.type in _CHANGES and start <= node.start_byte < end
    )


def is_held(effects: Effects, view: View, state: str, before: int) -> str:
    """Return by what a reference to a state is taken or given back; empty if it is borrowed.

    before: what can hold it has to stand before that offset.
    """
    for value in view.assignments(state):
        call = bare(value)
        if call.type == "call_expression":
            for effect in effects.of_call(view, call):
                if effect.does in ("holds", ""):
                    return effect.who if effect.does else f"{effect.who}: it may hold the state"
    for node in below(view.node):
        if node.type != "call_expression":
            continue
        if not any(node_text(bare(one)) == state for one in arguments_of(node)):
            continue
        for effect in effects.of_call(view, node):
            if effect.does in ("holds", "puts"):
                return f"{effect.who}()"
            if not effect.does and node.start_byte < before:
                return f"{effect.who}"
    return ""


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
