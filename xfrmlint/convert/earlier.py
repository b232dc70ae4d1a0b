"""The resolver asked before the handle is read: where the function can still leave.

    addr = dma_map_single(...);             if (xfrm_offload(skb)) {
    ring->next++;                                   handle = resolve(state, dev);
    if (xfrm_offload(skb))           ->             if (!handle)
            desc->sa = handle of state;                     goto drop;
                                            }

                                            addr = dma_map_single(...);

A place in front of the read is one if what is asked on the way to the read can be asked there, too,
with the same answers; and if leaving there is right: by an exit of that very place, or, as long as
nothing was done, by one that does no more than to drop the packet.

What is asked has to be the same there:

if (!xfrm_offload(skb))
        goto drop;                      the state is not yet the one of the read:
pick(ring, &x);                         somebody else may set what he is told the place of,
skb_sec_path(skb)->len--;               and the last state of a packet is another one then
desc->sa = handle of x;
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import LOOPS, above, arguments_of, around, assigned_in, called_by
from xfrmlint.c.jumps import LEAVING
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.contract.words import PACKET
from xfrmlint.convert.edits import Refused
from xfrmlint.convert.effects import CHANGES, Effect, Effects, target_of
from xfrmlint.convert.ends import end_of, is_busy
from xfrmlint.convert.exits import following, is_jumped_past, taken
from xfrmlint.convert.fate import Context
from xfrmlint.convert.handing import device_at
from xfrmlint.convert.leaving import Leaving
from xfrmlint.convert.tested import exit_of, is_fresh, plain_exit
from xfrmlint.convert.written import (
    Reads,
    Written,
    has_branches,
    stands_in_branch,
    without_parentheses,
)
from xfrmlint.kernel.functions import effect_named, function_named

_OF_PACKET = (PACKET, "struct xfrm_state", "struct xfrm_offload", "struct sec_path")
_DEEPEST = 3
# What has the state of a packet be another one.
_OTHER_STATE = re.compile(
    r"^(secpath_(set|reset|put)|skb_ext_(add|del|reset|put)|skb_scrub_packet)$"
)
_PATH = "struct sec_path"
# Where a state of a packet is kept: a sec path's members, or a place for a state.
_OF_PATH = (_PATH, f"{_PATH} *", "struct xfrm_state *", "struct xfrm_state **")
# In a condition: it does more than to ask what a packet is.
_IMPURE = (
    "assignment_expression",
    "update_expression",
    "subscript_expression",
    "field_expression",
)
_NAME = re.compile(r"[A-Za-z_]\w*")
_ERROR = re.compile(r"^-\s*E[A-Z0-9]+$")


class Spot(NamedTuple):
    """A statement that something can be put in front of, on the way to a read.

    guards: what is asked from there to the read. end: that of the reads, and of loops around them.
    moved: the read is in a declaration, whose value is given behind the spot.
    """

    at: Node
    guards: tuple[Node, ...]
    end: int
    moved: bool = False


class Earlier(NamedTuple):
    """Where the resolver is asked, on what conditions, and how the function leaves.

    asked: the reads, with the state and the device as they are written there.
    """

    spot: Spot
    guards: tuple[str, ...]
    asked: Reads
    leaving: Leaving


def asked_earlier(context: Context, found: Reads) -> Earlier | None:
    """Return the last place before the reads at which the resolver can be asked."""
    if _is_put(context.fate.effects, found):
        return None
    view = found.first.view
    if any(stands_in_branch(context.devices.reader, view, one.node) for one in found.reads):
        return None
    if any(_is_tested(one) for one in found.reads):
        # The driver's own exit for that is wrong.
        return None
    for spot in _spots(found.first.node, found.reads[-1].node.end_byte):
        earlier = _asked_at(context, found, spot)
        if earlier is not None:
            return earlier
    return None


def _is_tested(one: Written) -> bool:
    """Tell whether a driver asks whether there is a handle."""
    return taken(one.node, "0") is not None


def _is_put(effects: Effects, found: Reads) -> bool:
    """Tell whether a function gives back a reference to a state that it has not taken."""
    does = effects.words(found.first.view, found.first.view.body or found.first.view.node)
    return "puts" in does and "holds" not in does


def _spots(read: Node, end: int) -> Iterator[Spot]:
    """Yield the places in front of a read, the nearest first."""
    node, spot = read, Spot(read, (), end)
    while node.parent is not None and node.type != "function_definition":
        up = node.parent
        if up.type == "compound_statement":
            yield from _in_block(node, spot)
            if not _goes_on_above(up, node):
                return
        guards = list(spot.guards)
        if up.type != "compound_statement" and not _is_way(up, node, guards):
            return
        end = max(spot.end, up.end_byte) if up.type in LOOPS else spot.end
        node, spot = up, spot._replace(guards=tuple(guards), end=end)


def _in_block(node: Node, spot: Spot) -> Iterator[Spot]:
    """Yield a statement of a block, and those before it, back to the declarations."""
    after = following(node) if node.type == "declaration" else None
    if after is not None:
        yield spot._replace(at=after, moved=True)
    at: Node | None = node
    while at is not None and at.type not in ("declaration", "labeled_statement"):
        if at.type.startswith("preproc"):
            return
        if at.type != "comment":
            yield spot._replace(at=at)
        at = at.prev_named_sibling


def _goes_on_above(block: Node, node: Node) -> bool:
    """Tell whether each way to a statement of a block is one to the block's beginning."""
    up = block.parent
    if up is None or up.type in ("function_definition", "compound_statement"):
        # What stands before a block of its own may be a loop that is not known as one.
        return False
    at: Node | None = node
    while at is not None:
        if at.type == "labeled_statement" or at.type.startswith("preproc"):
            return False
        at = at.prev_named_sibling
    return True


def guards_to(node: Node, statement: Node) -> list[Node] | None:
    """Return what is asked on the way from a statement to a node of it; None if that is open."""
    guards: list[Node] = []
    for up in above(node):
        if node == statement:
            return guards
        if not _is_way(up, node, guards):
            return None
        node = up
    return guards


def _is_way(up: Node, node: Node, guards: list[Node]) -> bool:
    """Tell whether what is asked in one step up is known; note it."""
    condition = up.child_by_field_name("condition")
    match up.type:
        case "conditional_expression" | "if_statement":
            branch = up.child_by_field_name("consequence")
            if condition is not None and condition.id != node.id:
                if branch is None or branch.id != node.id:
                    return False
                guards.append(condition)
        case "binary_expression":
            sign, left = up.child_by_field_name("operator"), up.child_by_field_name("left")
            if sign is not None and left is not None and left.id != node.id:
                if node_text(sign) == "||":
                    return False
                if node_text(sign) == "&&":
                    guards.append(left)
        case "switch_statement" | "case_statement" | "labeled_statement" | "else_clause":
            return False
    return not up.type.startswith("preproc")


def _asked_at(context: Context, found: Reads, spot: Spot) -> Earlier | None:
    one, view = found.first, found.first.view
    span = range(spot.at.start_byte, spot.end)
    if has_branches(context.devices.reader, view, span.start, span.stop):
        return None
    state = _as_at(view, one.state, span)
    guards = [_as_at(view, _bare(guard), span) for guard in spot.guards]
    if not state or not all(guards) or not all(map(_is_pure, spot.guards)):
        return None
    device, _ = device_at(context, one, span.start)
    if device is None or not (device.edits or _are_same(view, _NAME.findall(device.name), span)):
        return None
    if is_jumped_past(view, spot.at, found.reads[-1].node.end_byte):
        return None
    if (guards and len(found.reads) > 1) or not _may_pass(context, found, span):
        return None
    asked, reader = f"{state} {' '.join(guards)}", context.devices.reader
    if is_set_between(reader, context.fate.effects, view, span, asked, device.name):
        return None
    statement = found.statement if spot.moved else spot.at
    moved = found._replace(
        statement=statement, state=state, device=device.name, handed=device.edits
    )
    leaving = _leaving_at(context, moved, spot.at, statement.id == found.statement.id)
    if leaving is None:
        return None
    said = tuple(dict.fromkeys(_joined(guard) for guard in reversed(guards)))
    return Earlier(spot, said, moved, leaving)


def _joined(guard: str) -> str:
    """Return a condition that can be a side of &&."""
    return f"({guard})" if re.search(r"\|\||\?|,", guard) else guard


def _bare(guard: Node) -> Node:
    return without_parentheses(guard) or guard


def _as_at(view: View, node: Node, span: range) -> str:
    """Return how an expression is written at a span's start; empty where it has no value there.

    A variable that is set behind that, once, from the packet, is what it is set to.
    """
    if _is_same(view, node, span):
        return node_text(node)
    if node.type != "identifier":
        return ""
    values = view.assignments(node_text(node))
    local = view.local(node_text(node), node.start_byte)
    if len(values) != 1 or local is None or local.parameter >= 0:
        return ""
    for name in view.occurrences(node_text(node)):
        if is_changed(name) and name.parent != values[0].parent:
            return ""
    does = function_named(called_by(values[0]))
    if values[0].type != "call_expression" or not (does.is_("state") or does.asks):
        return ""
    return _as_at(view, values[0], span)


def _is_same(view: View, node: Node, span: range) -> bool:
    """Tell whether the names of an expression have one value from a span's start to its end."""
    words = [node_text(one) for one in below(node) if one.type == "identifier"]
    return _are_same(view, words, span, node.start_byte)


def _are_same(view: View, words: Iterable[str], span: range, at: int = -1) -> bool:
    for word in words:
        local = view.local(word, span.start if at < 0 else at)
        if local is None:
            continue
        values = view.assignments(word)
        if not local.start <= span.start < local.end:
            return False
        if local.parameter < 0 and not any(value.end_byte <= span.start for value in values):
            return False
        if may_be_set(view, word, span):
            return False
    return True


def _is_pure(guard: Node) -> bool:
    """Tell whether a condition asks only what the packet and its state are."""
    for one in below(guard):
        if one.type in _IMPURE:
            return False
        if one.type == "call_expression" and effect_named(called_by(one)) != "nothing":
            return False
    return True


def _may_pass(context: Context, found: Reads, span: range) -> bool:
    """Tell whether what is done from a place to the reads can as well be done behind the asking."""
    view, effects = found.first.view, context.fate.effects
    follows = any(_is_followed(one) for one in found.reads)
    stop = found.reads[-1].node.start_byte
    for node in below(view.node):
        if not span.start <= node.start_byte < stop:
            continue
        if node.type == "call_expression":
            made = effects.of_call(view, node)
            if sets_other_state(made):
                return False
            does = {effect.does for effect in made}
            # Who gives a lock back himself leaves no section open.
            opens = "locks" in does and (effect_named(called_by(node)) or "unlocks" not in does)
            if "" in does or (follows and opens):
                return False
        if node.type in LEAVING and node.end_byte <= stop and not _fails(effects, view, node):
            return False
        if node.type == "if_statement" and any(one.type in LEAVING for one in below(node)):
            condition = node.child_by_field_name("condition") if node.end_byte <= stop else None
            if condition is not None and _asks_packet(context, view, condition):
                # There may be no state, or another one, for those that leave.
                return False
    return True


def _asks_packet(context: Context, view: View, node: Node, depth: int = 0) -> bool:
    """Tell whether a condition looks at a packet, at what hangs at it, or at what it says."""
    for one in below(node):
        if one.type == "field_expression":
            kind = context.devices.reader.types.of(one, view)
            if kind is not None and kind.base in _OF_PACKET:
                return True
        name = node_text(one)
        local = view.local(name, one.start_byte) if one.type == "identifier" else None
        if local is None or depth > _DEEPEST:
            continue
        if local.type.base in _OF_PACKET:
            return True
        for value in view.assignments(name):
            if context.fate.effects.words(view, value) <= {"nothing"}:
                if _asks_packet(context, view, value, depth + 1):
                    return True
    return False


def _is_followed(one: Written) -> bool:
    """Tell whether what a handle leads to is looked at, not the handle alone."""
    up = one.span.parent
    while up is not None and up.type in ("parenthesized_expression", "cast_expression"):
        if up.type == "cast_expression" and "*" in node_text(up.named_children[0]):
            return True
        up = up.parent
    return "*" in one.before or (up is not None and up.type == "subscript_expression")


def _fails(effects: Effects, view: View, jump: Node) -> bool:
    """Tell whether a packet that leaves there is not sent: it needs no handle either way."""
    block = jump.parent
    within = block is not None and block.type == "compound_statement"
    end = end_of(effects, view, block if block is not None and within else jump)
    return (end.ended and not end.why) or is_busy(end) or bool(_ERROR.match(end.value))


def _leaving_at(context: Context, moved: Reads, at: Node, here: bool) -> Leaving | None:
    """Return the exit to take at a place: one of the place, else one that only drops.

    here: whether it is where the handle is read.
    """
    try:
        leaving = exit_of(context, moved, later=here)
    except Refused:
        leaving = None
    if leaving is not None:
        return leaving
    if not is_fresh(context.fate.effects, moved.first.view, at):
        return None
    return plain_exit(context, moved)


def sets_other_state(effects: Iterable[Effect]) -> bool:
    """Tell whether a packet's state is taken from it, or another one given to it."""
    return any(_OTHER_STATE.match(effect.who) for effect in effects)


def is_set_between(
    reader: Reader, effects: Effects, view: View, span: range, state: str, device: str = ""
) -> bool:
    """Tell whether what a state and a device are written as may be set in a part of a function."""
    words = _NAME.findall(f"{state} {device}")
    members = set(re.findall(r"(?:->|\.)\s*(\w+)", f"{state} {device}"))
    if any(may_be_set(view, word, span) for word in words):
        return True
    # A variable keeps its state, whatever becomes of the packet's.
    of_packet = re.search(r"->|[.(]", state) is not None
    if not members and not of_packet:
        return False
    names = {word for word in words if view.local(word, span.start) is not None}
    for node in below(view.node):
        if node.start_byte not in span or node.end_byte > span.stop:
            continue
        if node.type == "pointer_expression" and node_text(node).startswith("&"):
            if target_of(node_text(node)).lstrip(".") in members:
                return True
        if node.type not in CHANGES:
            continue
        found = effects.of(view, node)
        if any(_sets(effect, node, members) for effect in found):
            return True
        if of_packet and any(_is_of_states(effect) for effect in found):
            return True
        if any(not effect.does for effect in found) and _is_given(reader, view, node, names):
            return True
    return False


def _sets(effect: Effect, node: Node, members: set[str]) -> bool:
    """Tell whether a member is changed."""
    if effect.does in ("sets", "adds"):
        return target_of(effect.who).lstrip(".") in members
    return effect.does == "changes" and bool(members & set(_NAME.findall(node_text(node))))


def _is_of_states(effect: Effect) -> bool:
    """Tell whether the states of a packet are changed."""
    return effect.of in _OF_PATH or sets_other_state([effect])


def _is_given(reader: Reader, view: View, call: Node, names: set[str]) -> bool:
    """Tell whether a call is given a packet, its sec path, or a variable of some."""
    for one in arguments_of(call) if call.type == "call_expression" else ():
        kind = reader.types.of(one, view)
        if kind is not None and kind.pointers and kind.base in (PACKET, _PATH):
            return True
        if names & {node_text(name) for name in below(one) if name.type == "identifier"}:
            return True
    return False


def may_be_set(view: View, word: str, span: range) -> bool:
    """Tell whether a variable may be set in a part of a function, by itself or by its address."""
    if view.local(word, span.start) is None:
        return False
    if any(value.start_byte in span for value in view.assignments(word)):
        return True
    for name in view.occurrences(word):
        if name.start_byte in span and is_changed(name):
            return True
        if name.start_byte < span.start and is_pointed_to(name) and not _is_argument(name):
            # Somebody of the function keeps where it is.
            return True
    return False


def is_changed(name: Node) -> bool:
    """Tell whether a variable's name stands where it is changed, or may be."""
    up = name.parent
    if up is None:
        return False
    if up.type == "update_expression" or _is_of_loop_macro(name) or is_pointed_to(name):
        return True
    made = assigned_in(up)
    return made is not None and made.target == name


def is_pointed_to(name: Node) -> bool:
    """Tell whether a variable's address is taken where its name stands."""
    up = name.parent
    while up is not None and up.type == "parenthesized_expression":
        up = up.parent
    return up is not None and up.type == "pointer_expression" and node_text(up).startswith("&")


def _is_argument(name: Node) -> bool:
    pointer = around(name, "pointer_expression")
    return (
        pointer is not None
        and pointer.parent is not None
        and (pointer.parent.type == "argument_list")
    )


def _is_of_loop_macro(name: Node) -> bool:
    """Tell whether a name is an argument of list_for_each() or the like, which sets some."""
    comma = around(name, "comma_expression")
    while comma is not None and comma.parent is not None and comma.parent.type == comma.type:
        comma = comma.parent
    loop = comma.parent.parent if comma is not None and comma.parent is not None else None
    return loop is not None and loop.type == "while_statement"
