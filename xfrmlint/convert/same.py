"""Whether what the resolver is asked about is the same at two places of a function.

if (!xfrm_offload(skb))
        goto drop;                      the state is not yet the one of the read:
pick(ring, &x);                         somebody else may set what he is told the place of,
skb_sec_path(skb)->len--;               and the last state of a packet is another one then
desc->sa = handle of x;
"""

import re
from collections.abc import Iterable

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, around, assigned_in
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below, node_text
from xfrmlint.c.view import View
from xfrmlint.contract.words import PACKET
from xfrmlint.convert.effects import CHANGES, Effect, Effects, target_of

# What has the state of a packet be another one.
_OTHER_STATE = re.compile(
    r"^(secpath_(set|reset|put)|skb_ext_(add|del|reset|put)|skb_scrub_packet)$"
)
_PATH = "struct sec_path"
# Where a state of a packet is kept: a sec path's members, or a place for a state.
_OF_PATH = (_PATH, f"{_PATH} *", "struct xfrm_state *", "struct xfrm_state **")
_NAME = re.compile(r"[A-Za-z_]\w*")


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
