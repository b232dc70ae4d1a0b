"""Whether leaving at one place of a function needs the same undone as leaving at another.

It does if nothing was done between them but to compute, to look, to count, to ready the packet, and
to set the function's own variables. What is not known may take something.
"""

import re
from collections.abc import Callable, Iterator

from tree_sitter import Node

from xfrmlint.c.expression import LOOPS, above, arguments_of, around, bare, called_by
from xfrmlint.c.jumps import LEAVING, last_statement
from xfrmlint.c.unit import below, node_text
from xfrmlint.c.view import View
from xfrmlint.convert.effects import CHANGES, HARMLESS, UNDOES, Effect, Effects, target_of
from xfrmlint.convert.exits import label_of, statements_on
from xfrmlint.kernel.functions import effect_named

_TAKEN = frozenset({"takes", "maps", "locks", "holds", ""})
# What an exit of a caller has to undo, and what does that; nothing if nothing can.
_OWED = {"maps": "unmaps", "locks": "unlocks", "accounts": "nothing can"}
# What an exit does for the reason that it is taken for.
_OF_ITS_OWN = frozenset(
    {
        *("", "sets", "changes", "takes", "maps", "locks", "holds"),
        *("sends", "accounts", "keeps", "defers"),
    }
)
# What is said of a statement that sets what others see, beside what that is set to.
_STORES = frozenset({"sets", "adds"})
_COPIED = ("identifier", "field_expression", "subscript_expression")
_SETTING = ("call_expression", "assignment_expression", "update_expression", "init_declarator")
# An exit for that something could not be had.
OTHERS = "is for what could not be had there"
_PARTS = ("if_statement", "else_clause", "for_statement", "while_statement", "switch_statement")


def done_between(effects: Effects, view: View, one: Node, other: Node) -> str:
    """Return what is done between two statements that may have to be undone; empty if nothing."""
    first, last = sorted((one, other), key=lambda node: node.start_byte)
    if _loop(one) != _loop(other):
        return "what another turn of the loop does"
    return next(done_in(effects, view, range(first.end_byte, last.start_byte)), "")


def done_in(
    effects: Effects, view: View, span: range, besides: Callable[[Node], bool] = lambda _: False
) -> Iterator[str]:
    """Yield what changes more in a part of a function than its own variables.

    besides: of which that does not count.
    """
    for node in below(view.node):
        if node.type in CHANGES and node.start_byte in span and not besides(node):
            for effect in sorted(effects.of(view, node)):
                if effect.does not in HARMLESS:
                    called = effect.does and node.type == "call_expression"
                    yield f"{effect.who}()" if called and effect.does not in _STORES else effect.who


def owed_at(effects: Effects, view: View, statement: Node, branch: Node) -> str:
    """Return what was taken before a statement and is not given back on an exit behind it.

    A mapping of the packet, a section, what was counted as sent; empty if nothing is.
    """
    calls = [
        n
        for n in below(view.node)
        if n.type == "call_expression" and n.end_byte <= statement.start_byte
    ]
    for call in calls:
        does = _owes(effects, view, call)
        if not does:
            continue
        later = [n for n in calls if n.start_byte > call.start_byte]
        if is_left_before(view, call, statement):
            continue
        if any(_OWED[does] in effects.words(view, one) for one in later):
            continue
        exit_ = list(statements_on(view, branch))
        ends = bool(exit_) and exit_[-1].type == "return_statement"
        if not ends and _loop(call) != _loop(statement):
            # The next turn goes on with it.
            continue
        if not any(_OWED[does] in effects.words(view, one) for one in exit_):
            return f"{called_by(call)}()"
    return ""


def _owes(effects: Effects, view: View, call: Node) -> str:
    """Return what a call has its function give back, a word of _OWED; empty if nothing.

    What else a function of the driver's takes, it keeps itself.
    """
    does = effect_named(called_by(call))
    if not does:
        return "locks" if effects.leaves_locked(view, call) else ""
    return does if does in _OWED else ""


def is_left_before(view: View, node: Node, statement: Node) -> bool:
    """Tell whether a node stands in a branch of an `if` that does not come to a statement."""
    for up in above(node):
        if up.start_byte <= statement.start_byte < up.end_byte:
            return False
        last = last_statement(up) if up.type == "compound_statement" else up
        branch = up.parent.child_by_field_name("consequence") if up.parent is not None else None
        if branch != up or last is None or last.type not in LEAVING:
            continue
        label = label_of(view, re.sub(r"^goto\s+|\s*;$", "", node_text(last)))
        if label is None or label.start_byte > statement.start_byte:
            return True
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
    sees = asked.start_byte < statement.start_byte
    does = asked_for(effects, view, condition) if sees else effects.of(view, condition)
    if not {effect.does for effect in does} <= HARMLESS:
        return OTHERS
    undone = set().union(*(effects.words(view, one) for one in statements_on(view, branch)))
    if other and undone & _OF_ITS_OWN:
        return "does more than to drop the packet"
    if undone & UNDOES and not _is_taken_on_all_ways(effects, view, statement):
        return "gives back what is taken on some ways alone"
    return ""


def asked_for(effects: Effects, view: View, condition: Node) -> frozenset[Effect]:
    """Return what a condition does, and what has set what it looks at before.

    ring->dma = dma_map_single(...); if (dma_mapping_error(dev, ring->dma)) asks for a mapping.
    """
    does, names, last = effects.of(view, condition), _looked_at(condition), frozenset[str]()
    before = [
        (node, _set_by(effects, view, node))
        for node in below(view.node)
        if node.type in _SETTING and node.end_byte <= condition.start_byte
    ]
    while names != last:
        last = names
        for node, found in before:
            made = [effect for effect in found if target_of(effect.who) in last]
            value = _value_of(node)
            if not made:
                continue
            does |= {effect for effect in made if effect.does == "adds"}
            if value is None:
                does |= {one for one in effects.of(view, node) if one.does not in _STORES}
                continue
            does |= effects.of(view, value)
            if bare(value).type in _COPIED:
                names |= _looked_at(value)
    return does


def _value_of(node: Node) -> Node | None:
    """Return what is assigned in a node, or what a variable begins with there."""
    return node.child_by_field_name("right" if node.type == "assignment_expression" else "value")


def _looked_at(node: Node) -> frozenset[str]:
    """Return the variables and the members that an expression looks at."""
    places = [one for one in below(node) if one.type in ("identifier", "field_expression")]
    return frozenset(target_of(node_text(one)) for one in places)


def _set_by(effects: Effects, view: View, node: Node) -> list[Effect]:
    """Return what a node sets itself, or gives a function to be set, as effects on these."""
    if node.type == "call_expression":
        given = [node_text(one) for one in arguments_of(node)]
        stores = [effect for effect in effects.of_call(view, node) if effect.does in _STORES]
        return [*stores, *(Effect("sets", one) for one in given if one.startswith("&"))]
    target = node.child_by_field_name("declarator") or node.named_children[0]
    counts = node.type != "init_declarator" and "adds" in effects.words(view, node)
    sign = node.child_by_field_name("operator")
    plain = sign is None or node_text(sign) == "="
    return [Effect("adds" if counts and not plain else "sets", node_text(target))]


def _is_taken_on_all_ways(effects: Effects, view: View, statement: Node) -> bool:
    """Tell whether all that is taken before a statement is taken on each way to it."""
    for node in below(view.node):
        if node.type != "call_expression" or node.start_byte >= statement.start_byte:
            continue
        if not {effect.does for effect in effects.of_call(view, node)} & _TAKEN:
            continue
        apart = [up for up in above(node) if up.type in _PARTS]
        if any(not up.start_byte <= statement.start_byte < up.end_byte for up in apart):
            return False
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


def _loop(node: Node) -> int:
    """Return the start of the innermost loop around a node, or -1."""
    loop = around(node.parent, *LOOPS)
    return loop.start_byte if loop is not None else -1
