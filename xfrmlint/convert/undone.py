"""Whether leaving at one place of a function needs the same undone as leaving at another.

It does if nothing was done between them but to compute, to look, to count, to ready the packet, and
to set the function's own variables. What is not known may take something.
"""

from tree_sitter import Node

from xfrmlint.c.expression import LOOPS, arguments_of, bare, called_by
from xfrmlint.c.jumps import JUMPS, last_in
from xfrmlint.c.unit import below, node_text
from xfrmlint.c.view import View
from xfrmlint.convert.effects import HARMLESS, Effects
from xfrmlint.convert.exits import names_in, statements_on
from xfrmlint.kernel.functions import effect_named

_CHANGES = ("call_expression", "assignment_expression", "update_expression", "gnu_asm_expression")
_TAKEN = frozenset({"takes", "maps", "locks", "holds", ""})
# What an exit of a caller has to undo.
_OWED = frozenset({"maps", "locks", "accounts"})
_GIVEN_BACK = frozenset({"gives back", "puts", "frees", "releases"})
# What an exit does for the reason that it is taken for.
_OF_ITS_OWN = frozenset(
    {
        *("", "sets", "changes", "takes", "maps", "locks", "holds"),
        *("sends", "accounts", "keeps", "defers"),
    }
)
# An exit for that something could not be had.
OTHERS = "is for what could not be had there"
_PARTS = ("if_statement", "else_clause", "for_statement", "while_statement", "switch_statement")


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


def locked_between(effects: Effects, view: View, one: Node, other: Node) -> str:
    """Return what begins a section between two statements, or may; empty if nothing does.

    What the handle leads to is only there for as long as the section that it was read in.
    """
    first, last = sorted((one, other), key=lambda node: node.start_byte)
    between = range(first.end_byte, last.start_byte)
    calls = [n for n in below(view.node) if n.type == "call_expression" and n.start_byte in between]
    found = [effect for call in calls for effect in sorted(effects.of_call(view, call))]
    # What is not known may begin one.
    for word in ("locks", ""):
        for effect in found:
            if effect.does == word:
                return f"{effect.who}()" if word else effect.who
    return ""


def owed_at(effects: Effects, view: View, statement: Node, branch: Node) -> str:
    """Return what was taken before a statement and is not given back on an exit behind it.

    A mapping of the packet, a section, what was counted as sent; empty if nothing is.
    """
    calls = [
        n
        for n in below(view.node)
        if n.type == "call_expression" and n.end_byte <= statement.start_byte
    ]
    # What a function of the driver's takes, it keeps itself.
    taking = [n for n in calls if effect_named(called_by(n)) in _OWED]
    for call in taking:
        does = effect_named(called_by(call))
        later = [n for n in calls if n.start_byte > call.start_byte]
        if _is_left_before(call, statement) or any(
            "gives back" in effects.words(view, one) for one in later
        ):
            continue
        exit_ = statements_on(view, branch)
        ends = bool(exit_) and last_in(exit_[-1]) == "return_statement"
        if not ends and _loop(call) != _loop(statement):
            # The next turn goes on with it.
            continue
        if does == "accounts" or not any("gives back" in effects.words(view, one) for one in exit_):
            return f"{called_by(call)}()"
    return ""


def _is_left_before(call: Node, statement: Node) -> bool:
    """Tell whether a call stands in a branch that does not come to a statement."""
    up = call.parent
    while up is not None and not up.start_byte <= statement.start_byte < up.end_byte:
        if last_in(up) in JUMPS:
            return True
        up = up.parent
    return False


def why_not_as_asked(
    effects: Effects, view: View, branch: Node, statement: Node, other: bool
) -> str:
    """Return why an exit is one for that what was asked for could not be had; empty if it is not.

    Of `p = kmalloc(...); if (!p) goto drop;` the exit does not free what one has behind it. Nor is
    it right for what was taken on some ways alone, and is given back by an exit of these. other: it
    is taken for another reason than that there is no state: then it must do no more than to drop.
    """
    asked = branch.parent
    condition = asked.child_by_field_name("condition") if asked is not None else None
    if asked is None or condition is None:
        return OTHERS
    words = effects.words(view, condition)
    if asked.start_byte < statement.start_byte:
        for name in names_in(condition):
            for value in view.assignments(name):
                if value.end_byte <= condition.start_byte:
                    words |= effects.words(view, value)
    if not words <= HARMLESS:
        return OTHERS
    undone = set().union(*(effects.words(view, one) for one in statements_on(view, branch)))
    if other and undone & _OF_ITS_OWN:
        return "does more than to drop the packet"
    if undone & _GIVEN_BACK and not _is_taken_on_all_ways(effects, view, statement):
        return "gives back what is taken on some ways alone"
    return ""


def _is_taken_on_all_ways(effects: Effects, view: View, statement: Node) -> bool:
    """Tell whether all that is taken before a statement is taken on each way to it."""
    for node in below(view.node):
        if node.type != "call_expression" or node.start_byte >= statement.start_byte:
            continue
        if not {effect.does for effect in effects.of_call(view, node)} & _TAKEN:
            continue
        up = node.parent
        while up is not None and up.type != "function_definition":
            if up.type in _PARTS and not up.start_byte <= statement.start_byte < up.end_byte:
                return False
            up = up.parent
    return True


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


def is_of_turns(view: View, branch: Node, statement: Node) -> bool:
    """Tell whether an exit is one for any turn of the loop in which a statement is done.

    What it is taken for is computed anew in each turn from what changes: it has to undo what the
    turns before have done, as it may be the tenth that leaves.
    """
    asked, loop = branch.parent, _loop(branch)
    condition = asked.child_by_field_name("condition") if asked is not None else None
    if condition is None or loop < 0 or loop != _loop(statement):
        return False
    for name in names_in(condition):
        for value in view.assignments(name):
            if _loop(value) == loop and any(_turns(view, word, loop) for word in names_in(value)):
                return True
    return False


def _turns(view: View, name: str, loop: int) -> bool:
    """Tell whether a variable of a function is counted on by a loop."""
    return any(
        node.parent is not None and node.parent.type == "update_expression" and _loop(node) == loop
        for node in view.occurrences(name)
    )


def _loop(node: Node) -> int:
    """Return the start of the innermost loop around a node, or -1."""
    up = node.parent
    while up is not None:
        if up.type in LOOPS:
            return up.start_byte
        up = up.parent
    return -1
