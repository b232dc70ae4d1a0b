"""How a packet ends where a function leaves: what is done on the way to the return.

An exit frees the packet, and does to others no more than to count, to print and to undo. One that
may have sent it, that stops the queue, or that does what is not known, ends more than this packet.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, assigned_in, bare
from xfrmlint.c.jumps import LEAVING
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import Place, below
from xfrmlint.c.view import View
from xfrmlint.contract.words import PACKET
from xfrmlint.convert.effects import ENDS, Effects, is_own, packets_in
from xfrmlint.convert.exits import names_in, next_of, statements_on
from xfrmlint.convert.written import without_parentheses

_BUSY = "NETDEV_TX_BUSY"
# What may bring a packet to the hardware, if it is given it.
_HANDS_ON = ("sends", "accounts", "keeps", "changes")
_CONSTANT = re.compile(r"^(-\s*E[A-Z0-9]+|\d+|true|false|NULL|NETDEV_TX_\w+)$")
_STRAIGHT = ("expression_statement", "declaration")


class End(NamedTuple):
    """How a packet ends. ended: it is freed. value: what is returned. why: what is not known."""

    ended: bool
    value: str
    place: Place
    why: str = ""


def is_busy(end: End) -> bool:
    """Tell whether an exit asks for the packet to be sent again."""
    return end.value == _BUSY


def end_of(effects: Effects, view: View, first: Node, ended: bool = False) -> End:
    """Follow the statements from one on to the function's end."""
    values: dict[str, str] = {}
    last = first
    for at in statements_on(view, first):
        place, last = view.place(at.start_byte), at
        if at.type == "return_statement":
            value = without_parentheses(at.named_children[0]) if at.named_child_count else None
            why = _against(effects, view, at, ended)
            text = node_text(value) if value is not None else ""
            text = values.get(text, text)
            return End(ended and not why, text, place, why)
        if any(one.type in LEAVING for one in below(at)):
            if ended:
                return End(True, "", place, "what is returned is not known")
            return End(False, "", place, "it is not written straight on")
        why = _against(effects, view, at, ended)
        if why:
            return End(False, "", place, why)
        ended = ended or bool(ending_calls(effects, view, at))
        values |= _values_in(at)
    if next_of(last) is not None:
        return End(ended, "", view.place(last.start_byte), "it comes back to where it was")
    return End(ended, "", view.place(first.start_byte))


def _values_in(statement: Node) -> dict[str, str]:
    """Return the constants that a statement gives variables; a variable's own name for others."""
    found = {}
    for one in below(statement):
        made = assigned_in(one) if one.type == "assignment_expression" else None
        if made is not None:
            name, text = node_text(made.target), node_text(made.value)
            is_known = one.parent == statement and statement.type == "expression_statement"
            is_known &= made.sign == "="
            found[name] = text if is_known and _CONSTANT.match(text) else name
        if one.type == "pointer_expression" and node_text(one).startswith("&"):
            found[node_text(bare(one))] = node_text(bare(one))
    return found


def ending_calls(effects: Effects, view: View, statement: Node) -> list[str]:
    """Return what the calls of a statement do that end a packet whatever comes."""
    calls = [call for call in _calls(statement) if _is_given_packet(view, call)]
    found = [effects.ends_packet(view, call) for call in calls]
    return [one for one in found if one] if statement.type in _STRAIGHT else []


def _is_given_packet(view: View, call: Node) -> bool:
    """Tell whether a call is given the packet of its function, if that has one, and no other.

    What was stored from it, or set to it, is the same one.
    """
    packets = packets_in(view)
    if not packets:
        return True
    for one in map(bare, arguments_of(call)):
        if node_text(one) in packets:
            return True
        values = view.assignments(node_text(one)) if one.type == "identifier" else []
        if any(node_text(bare(value)) in packets for value in values):
            return True
        if one.type == "field_expression" and _is_stored(view, node_text(one), packets):
            return True
    return False


def _is_stored(view: View, member: str, packets: set[str]) -> bool:
    """Tell whether a function stores its packet in a member."""
    stores = filter(None, map(assigned_in, below(view.node)))
    return any(
        node_text(one.target) == member and node_text(bare(one.value)) in packets for one in stores
    )


def may_free(effects: Effects, view: View, statement: Node) -> bool:
    """Tell whether a statement can free a packet."""
    return bool(effects.words(view, statement) & ENDS)


def _against(effects: Effects, view: View, statement: Node, ended: bool) -> str:
    """Return why a statement does not belong to an exit that frees one packet, and no more."""
    for effect in sorted(effects.of(view, statement)):
        if effect.does == "halts":
            return f"{effect.who}() ends more than the packet"
        if effect.does == "consumes" and not ended:
            return f"the packet may have been sent: {effect.who}() frees what was sent"
        if effect.does == "keeps" and not ended:
            return f"the packet is kept ({effect.who})"
    unsure = may_free(effects, view, statement) and not ending_calls(effects, view, statement)
    if unsure and not ended:
        return "whether the packet is freed depends on more than the exit"
    return _sent(effects, view, statement, ended)


def _sent(effects: Effects, view: View, statement: Node, ended: bool) -> str:
    """Return what may have sent the packet, or what is not known of a statement's calls."""
    words = _words(view)
    for call in _calls(statement):
        if effects.ends_packet(view, call):
            continue
        given = any(names_in(one) & words for one in arguments_of(call))
        for effect in sorted(effects.of_call(view, call)):
            if not effect.does:
                return effect.who if ended else f"the packet may have been sent: {effect.who}"
            if effect.does in _HANDS_ON and given and not ended:
                return f"the packet may have been sent: {effect.who}() is given it"
    return "" if ended else _set_from(view, statement, words)


def _set_from(view: View, statement: Node, words: set[str]) -> str:
    """Return what of others, and not of the packet itself, a statement sets from the packet."""
    packets = packets_in(view)
    for one in filter(None, map(assigned_in, below(statement))):
        of = one.target.child_by_field_name("argument")
        others = of is None or node_text(of) not in packets
        if (
            one.sign == "="
            and _worth(one.value) & words
            and not is_own(view, one.target)
            and others
        ):
            return f"the packet may have been sent: {node_text(one.target)} is set from it"
    return ""


def _words(view: View) -> set[str]:
    """Return the packets among a function's variables, and what is computed from one.

    A ring that a packet's number chooses is not.
    """
    found = {local.name for local in view.locals if local.type.base == PACKET}
    while True:
        more = {
            local.name
            for local in view.locals
            if local.name not in found
            and any(_worth(value) & found for value in view.assignments(local.name))
        }
        if not more:
            return found
        found |= more


def _worth(node: Node) -> set[str]:
    """Return the variables that an expression's value is made of, those of an index left out."""
    if node.type == "subscript_expression":
        node = node.child_by_field_name("argument") or node
    found = {node_text(node)} if node.type == "identifier" else set()
    return found.union(*(_worth(one) for one in node.named_children))


def _calls(node: Node) -> Iterator[Node]:
    return (one for one in below(node) if one.type == "call_expression")
