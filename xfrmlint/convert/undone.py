"""What a function has done on its way to a place, and whether an exit there undoes it.

Nothing is to be undone of what only computes, looks, readies the packet, or sets the function's own
variables. All else an exit has to undo, whether it is the function's or one of its callers': what
is taken, mapped, locked, counted or stored, in it or below it; what is not known, too.

    ring->head++;                               drop:
    if (skb->len > MAX)                             dev_kfree_skb_any(skb);
            goto drop;                              return NETDEV_TX_OK;

What is left as it is where the same exit is taken after it for a reason of its own, needs no more.
That an exit behind `if (!x)` leaves it, with a state that is never missing, shows nothing.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import LOOPS, above, arguments_of, around, bare, called_by
from xfrmlint.c.jumps import LEAVING, block_of, branches_beside, last_statement
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.contract.words import PACKET
from xfrmlint.convert.effects import (
    CHANGES,
    ENDS,
    HARMLESS,
    Effect,
    Effects,
    is_own,
    target_of,
)
from xfrmlint.convert.exits import exits_of, kept_of, label_of, statements_on, variable_of
from xfrmlint.kernel.functions import function_named

_NAME = re.compile(r"[A-Za-z_]\w*")
_DEEPEST = 3
# What a packet has if it is to be offloaded.
_OF_STATE = ("struct xfrm_state", "struct xfrm_offload", "struct sec_path")
# A counter of all that is not sent, whatever for.
_OF_ALL = re.compile(r"(tx_|rx_)?(drop(s|ped)?|err(s|ors?)?)")
# Where what is in them is done before they are.
_DONE_FIRST = ("call_expression", "return_statement")

# What gives back what was taken.
_UNDONE_BY = {
    "maps": {"unmaps"},
    "locks": {"unlocks"},
    "holds": {"puts"},
    "takes": {"gives back", "frees", "releases", "puts"},
}
# What no exit may leave as it is, whatever another one does.
_NEVER_LEFT = frozenset({"locks", "maps", "accounts"})
# What has not to be undone, besides what is harmless: the end of a packet is not this one's.
_OVER = HARMLESS | ENDS
# What an exit does for the reason that it is taken for.
_OF_ITS_OWN = frozenset(
    {
        *("", "sets", "changes", "takes", "maps", "locks", "holds"),
        *("sends", "accounts", "keeps", "defers"),
    }
)
# What is said of a statement that sets what others see, beside what that is set to.
_STORES = frozenset({"sets", "adds"})
_PUTS = _STORES | {"keeps"}
_COPIED = ("identifier", "field_expression", "subscript_expression")
_SETTING = ("call_expression", "assignment_expression", "update_expression", "init_declarator")
# An exit for that something could not be had.
OTHERS = "is for what could not be had there"


def done_between(effects: Effects, view: View, one: Node, other: Node) -> str:
    """Return what is done between two statements that may have to be undone; empty if nothing."""
    first, last = sorted((one, other), key=lambda node: node.start_byte)
    if _loop(one) != _loop(other):
        return "what another turn of the loop does"
    for node in below(view.node):
        if node.type in CHANGES and first.end_byte <= node.start_byte < last.start_byte:
            for effect in sorted(effects.of(view, node)):
                if effect.does not in HARMLESS:
                    called = node.type == "call_expression" and effect.does not in ("", *_STORES)
                    return f"{effect.who}()" if called else effect.who
    return ""


class Deed(NamedTuple):
    """Something that a function has done. node: where, in it; what it calls may have done it."""

    node: Node
    effect: Effect

    @property
    def name(self) -> str:
        """What is told of it."""
        is_call = self.node.type == "call_expression"
        name = f"{called_by(self.node)}()" if is_call else self.effect.who
        return name if block_of(self.node) is not None else f"{name} (done on some ways alone)"


def outstanding(effects: Effects, view: View, at: Node, turn: bool = True) -> list[Deed]:
    """Return what is done on a way to a statement, or to a call of one, and is not over there.

    turn: whether what stands behind it in a loop is done, too: by an earlier turn.
    """
    found: list[Deed] = []
    loops = [up.end_byte for up in above(at) if up.type in LOOPS and turn]
    others = list(branches_beside(at))
    for node in below(view.node):
        start = node.start_byte
        if node.type not in CHANGES or any(a <= start < b for a, b in others):
            continue
        if _stands_in(node, at):
            if node == at or at.type not in _DONE_FIRST:
                continue
        elif _stands_in(at, node) or start >= max([at.start_byte, *loops]):
            continue
        if is_left_before(view, node, at):
            continue
        for effect in sorted(left_by(effects, view, node)):
            taken = [one for one in found if effect.does in _UNDONE_BY.get(one.effect.does, ())]
            block = block_of(node)
            if taken and block is not None and block in (block_of(taken[-1].node), *above(at)):
                found.remove(taken[-1])
            elif effect.does not in _OVER and not (effect.does in _STORES and effect.of == PACKET):
                found.append(Deed(node, effect))
    return found


def left_by(effects: Effects, view: View, node: Node) -> frozenset[Effect]:
    """Return what a call, or an assignment, has done that is not over where it is done."""
    bodies = effects.bodies_of(view, node) if node.type == "call_expression" else []
    if not bodies:
        return effects.done_by(view, node)
    given = arguments_of(node)
    return frozenset(
        one
        for body in bodies
        for effect in _left_in(effects, body)
        if (one := _seen_from(view, given, body, effect)) is not None
    )


def _left_in(effects: Effects, body: View) -> frozenset[Effect]:
    """Return what a function leaves to be undone, wherever it returns."""
    known, key = effects.left, body.function
    if key not in known:
        # Until it is known: of a call of itself.
        known[key] = frozenset()
        ends = [node for node in below(body.node) if node.type == "return_statement"]
        ends += body.body.children[-1:] if body.body is not None else []
        found = (deed.effect for end in ends for deed in outstanding(effects, body, end))
        known[key] = frozenset(found)
    return known[key]


def _seen_from(view: View, given: Sequence[Node], body: View, effect: Effect) -> Effect | None:
    """Return what a function's own does as its caller has it; None for a variable of that one."""
    name = _NAME.match(effect.who) if effect.does in _PUTS else None
    if name is None or name.group() not in body.parameters:
        return effect
    index = list(body.parameters).index(name.group())
    argument, rest = bare(given[index]) if index < len(given) else None, effect.who[name.end() :]
    if argument is None:
        return effect
    text = node_text(argument)
    if text.startswith("&") and argument.named_child_count:
        if rest.count("->") == 1 and is_own(view, argument.named_children[0]):
            return None
    return effect._replace(who=f"{text}{rest}")


def not_undone(effects: Effects, view: View, at: Node, branch: Node) -> str:
    """Return what is done on a way to a place and stays so if its function leaves by a branch."""
    exit_ = list(statements_on(view, branch))
    ends = bool(exit_) and exit_[-1].type == "return_statement"
    deeds = outstanding(effects, view, at, ends)
    if not ends:
        # The next turn goes on with what stands before the loop.
        deeds = [deed for deed in deeds if _loop(deed.node) == _loop(at)]
    for deed in deeds:
        alike = [one for one in deeds if one.effect.does == deed.effect.does]
        if _is_undone(effects, view, deed, len(alike), exit_):
            continue
        may_stay = deed.effect.does not in _NEVER_LEFT
        if not (may_stay and _is_left_elsewhere(effects, view, deed, at, exit_)):
            return deed.name
    return ""


def _is_undone(effects: Effects, view: View, deed: Deed, alike: int, exit_: Sequence[Node]) -> bool:
    """Tell whether an exit undoes what was done. alike: how many of its kind it has to."""
    block = block_of(deed.node)
    if block is None or not any(block.start_byte <= one.start_byte for one in exit_):
        return False
    does = deed.effect.does
    if does in _PUTS:
        sets = {target_of(e.who) for one in exit_ for e in effects.of(view, one) if e.does in _PUTS}
        return target_of(deed.effect.who) in sets
    calls = [n for one in exit_ for n in below(one) if n.type == "call_expression"]
    name = variable_of(deed.node) if deed.node.type == "call_expression" else ""
    for call in calls if name else ():
        if effects.words(view, call) & ENDS and name in map(node_text, arguments_of(call)):
            # It was a packet.
            return True
    undo = _UNDONE_BY.get(does, set())
    undoing = [n for n in calls if {e.does for e in effects.of_call(view, n)} & undo]
    whole = any(is_in_loop(n) or effects.bodies_of(view, n) for n in undoing)
    if undo:
        return bool(undoing) and (whole or len(undoing) >= alike)
    if does != "changes" or effects.bodies_of(view, deed.node):
        return False
    places = _looked_at(deed.node)
    back = [n for n in calls if effects.words(view, n) & {"changes", "releases"}]
    return any(places & {p for p in _looked_at(n) if p.startswith(".")} for n in back)


def _is_left_elsewhere(
    effects: Effects, view: View, deed: Deed, at: Node, exit_: Sequence[Node]
) -> bool:
    """Tell whether a function leaves something as it is on an exit that undoes no more.

    The exit has to come after it on each way, and for a reason that has to do neither with it nor
    with what is asked here: whether there is a state, and what the call at this place says.
    """
    block, told = block_of(deed.node), {node_text(one) for one in exit_}
    for branch in exits_of(view):
        asked = branch.parent
        condition = asked.child_by_field_name("condition") if asked is not None else None
        if condition is None or block is None or branch.start_byte < deed.node.end_byte:
            continue
        if not block.start_byte <= branch.start_byte < block.end_byte:
            continue
        nodes = [condition, *(node for node, _ in asked_nodes(effects, view, condition))]
        told_by = (deed.node, at) if deed.node.type == "call_expression" else (at,)
        if any(_stands_in(one, node) for one in told_by for node in nodes):
            continue
        if asks_for_state(effects, view, condition):
            continue
        more = [one for one in statements_on(view, branch) if node_text(one) not in told]
        if all(effects.words(view, one) <= HARMLESS and one.type not in LEAVING for one in more):
            return True
    return False


def _stands_in(inner: Node, outer: Node) -> bool:
    return outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte


def asks_for_state(effects: Effects, view: View, node: Node, depth: int = 0) -> bool:
    """Tell whether an expression asks if a packet is to be offloaded, or for its state.

    It calls what the kernel has for that, or a function of the driver's that does; or it looks at a
    variable that was set from one, or at a state.
    """
    for one in below(node) if depth < _DEEPEST else ():
        if one.type == "call_expression":
            does = function_named(called_by(one))
            if does.asks or does.is_("state"):
                return True
            bodies = effects.bodies_of(view, one)
            if any(asks_for_state(effects, b, b.body or b.node, depth + 1) for b in bodies):
                return True
        elif one.type == "identifier":
            local = view.local(node_text(one), one.start_byte)
            if local is not None and local.type.base in _OF_STATE:
                return True
            values = view.assignments(node_text(one))
            if any(asks_for_state(effects, view, value, depth + 1) for value in values):
                return True
    return False


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

    Of `p = kmalloc(...); if (!p) goto drop;` the exit does not free what one has behind it.
    other: it is taken for another reason than that there is no state: then it must do no more than
    to drop.
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
    return ""


def reason_of(effects: Effects, view: View, at: Node, branch: Node) -> str:
    """Return what an exit counts or says of the reason that it is taken for; empty if nothing.

    What it counts as dropped, or undoes, or is taken for other reasons as well, is none.
    """
    taken = [node_text(one) for one in kept_of(effects, view, branch)]
    for other in exits_of(view):
        alike = [node_text(one) for one in kept_of(effects, view, other)] == taken
        if alike and _condition_of(other) != _condition_of(branch):
            return ""
    undone = {target_of(deed.effect.who) for deed in outstanding(effects, view, at)}
    for one in statements_on(view, branch):
        names = {node_text(n) for n in below(one) if n.type.endswith("identifier")}
        for effect in sorted(effects.of(view, one)):
            place = target_of(effect.who)
            told = {place.lstrip(".")} if effect.does == "adds" else {*names, *_parts(effect.who)}
            if effect.does in ("adds", "counts") and place not in undone:
                if not any(map(_OF_ALL.fullmatch, told)):
                    return f"counts another reason ({node_text(one)})"
        calls = [n for n in below(one) if function_named(called_by(n)).is_("prints")]
        if calls and one.start_byte >= branch.end_byte:
            return f"says another reason ({called_by(calls[0])}())"
    return ""


def _parts(name: str) -> set[str]:
    """Return the pairs of neighbouring words of a function's name: tx_dropped of many."""
    words = name.split("_")
    return {f"{one}_{other}" for one, other in pairwise(words)}


def _condition_of(branch: Node) -> str:
    asked = branch.parent
    return node_text(asked.child_by_field_name("condition") or asked) if asked is not None else ""


def asked_for(effects: Effects, view: View, condition: Node) -> frozenset[Effect]:
    """Return what a condition does, and what has set what it looks at before.

    ring->dma = dma_map_single(...); if (dma_mapping_error(dev, ring->dma)) asks for a mapping.
    """
    does = effects.of(view, condition)
    for node, made in asked_nodes(effects, view, condition):
        value = _value_of(node)
        found = effects.of(view, value or node)
        does |= {one for one in found if value is not None or one.does not in _STORES}
        does |= {one for one in made if one.does == "adds"}
    return does


def asked_nodes(
    effects: Effects, view: View, condition: Node
) -> Iterator[tuple[Node, list[Effect]]]:
    """Yield what has set what a condition looks at before, with what of it that sets."""
    names = _looked_at(condition)
    before = [
        (node, _set_by(effects, view, node))
        for node in below(view.node)
        if node.type in _SETTING and node.end_byte <= condition.start_byte
    ]
    while before:
        now = [(n, [e for e in found if target_of(e.who) in names]) for n, found in before]
        before = [one for one, (_, made) in zip(before, now, strict=True) if not made]
        told = [one for one in now if one[1]]
        if not told:
            return
        yield from told
        for node, _ in told:
            value = _value_of(node)
            if value is not None and bare(value).type in _COPIED:
                names |= _looked_at(value)


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
