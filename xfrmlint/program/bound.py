"""What a callee's parameters are at a call, as far as the caller wrote it out.

Numbers, flags of an allocation, and members of a struct that the caller fills for it:

    struct cmd c = { .op = 2, .wait = false };      send(p, &c, FAST);
"""

import re
from collections.abc import Iterator

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import arguments_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.view import View
from xfrmlint.program.allocation import flags_of, is_flag
from xfrmlint.program.branches import LITERALS, Bound, Where, chosen, value_of
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.valueflow.sources import reaching

_NAMED_FLAGS = re.compile(rb"\bGFP_")
# What is worth a look of an argument that need not be flags at all.
PLAIN = ("identifier", "binary_expression", "conditional_expression", "parenthesized_expression")
# The type of an allocation's flags.
_FLAGS = "gfp_t"


def bound_of(
    graph: CallGraph, view: View, call: Node, target: View, known: Bound, at: int
) -> Bound:
    """Return what a callee's parameters, and what they point to, are where that is seen."""
    found: Bound = {}
    where = Where(view, known, graph.constants, at)
    types = {local.name: local.type for local in target.locals if local.parameter >= 0}
    for name, given in zip(target.parameters, arguments_of(call), strict=False):
        kind = types.get(name)
        if not name or _rewritten(target, name):
            continue
        if kind is not None and kind.pointers:
            members = {f"{name}->{member}": text for member, text in _members(where, given)}
            found |= {key: text for key, text in members.items() if not _rewritten(target, key)}
        values = {_text(where, one, kind) for one in _values(where, given)}
        text = values.pop() if len(values) == 1 else ""
        if text:
            found[name] = text
        elif can_be_flags(graph, view, given, known, kind):
            flags = flags_of(graph, view, given, known, at)
            sleeping = sorted(filter(None, flags))
            if sleeping or None not in flags:
                found[name] = sleeping[0] if sleeping else "GFP_ATOMIC"
    return found


def _values(where: Where, given: Node) -> Iterator[Node]:
    """Yield what an argument, or a local variable of that name, can be."""
    for one in chosen(where, given):
        name = node_text(one)
        values = where.view.assignments(name) if one.type == "identifier" else []
        yield from reaching(values, one, where.view) or [one]


def _text(where: Where, node: Node, kind: CType | None) -> str:
    """Return the number that a value is, as a text; nothing where that is not seen."""
    text = where.bound.get(node_text(node), node_text(node))
    parent = node.parent
    sign = parent.child_by_field_name("operator") if parent is not None else None
    if parent is not None and parent.type == "assignment_expression" and sign is not None:
        if sign.type != "=":
            return ""
    if text in LITERALS:
        return text
    if kind is None or kind.pointers or kind.base == _FLAGS or is_flag(text):
        return ""
    return value_of(where, node)


def _members(where: Where, given: Node) -> Iterator[tuple[str, str]]:
    """Yield the members, and their numbers, of what an argument points to.

    Under no name: the members that were given anything, where all others are 0.
    """
    name = node_text(given)
    if given.type == "identifier":
        start = f"{name}->"
        for key, text in where.bound.items():
            if key.startswith(start):
                yield key.removeprefix(start), text
        return
    inner = given.child_by_field_name("argument")
    if given.type != "pointer_expression" or inner is None:
        return
    name = node_text(inner)
    literal = inner.type == "compound_literal_expression"
    if not literal and inner.type != "identifier":
        return
    stored: dict[str, list[Node | None]] = {}
    made = inner.child_by_field_name("value") if literal else None
    for member, value in _pairs(made) if literal else _stores(where.view, name, inner):
        stored.setdefault(member, []).append(value)
    if literal or any(v.type == "initializer_list" for v in where.view.assignments(name)):
        yield "", " ".join(stored)
    for member, values in stored.items():
        found = {value_of(where, one) if one is not None else "" for one in values}
        text = found.pop() if len(found) == 1 else ""
        if text:
            yield member, text


def _pairs(listed: Node | None) -> Iterator[tuple[str, Node | None]]:
    """Yield the members that an initializer names, and what they are given."""
    for pair in listed.named_children if listed is not None else ():
        designator = pair.child_by_field_name("designator")
        if pair.type == "initializer_pair" and designator is not None:
            yield node_text(designator).lstrip(".").strip(), pair.child_by_field_name("value")


def _stores(view: View, name: str, use: Node) -> Iterator[tuple[str, Node | None]]:
    """Yield what members of a local struct are given; None for what is not seen.

    Nothing at all where another function is given its address before.
    """
    found: list[tuple[str, Node | None]] = []
    local = view.local(name, use.start_byte)
    if local is None or local.parameter >= 0:
        return
    for value in view.assignments(name):
        if value.type != "initializer_list":
            return
        found += _pairs(value)
    for node in view.occurrences(name):
        parent = node.parent
        if parent is None or node.start_byte == use.start_byte:
            continue
        if parent.type == "pointer_expression" and node.start_byte < use.start_byte:
            return
        if parent.type != "field_expression" or parent.parent is None:
            continue
        field, up = parent.child_by_field_name("field"), parent.parent
        left, right = (up.child_by_field_name(side) for side in ("left", "right"))
        if up.type == "assignment_expression" and left is not None and field is not None:
            if left.id == parent.id:
                plain = node_text(up.children[1]) == "="
                found.append((node_text(field), right if plain else None))
    yield from found


def can_be_flags(
    graph: CallGraph, view: View, node: Node, known: Bound, kind: CType | None
) -> bool:
    """Tell whether an argument can be an allocation's flags. kind: the parameter's type."""
    if kind is not None and (kind.pointers or kind.base == _FLAGS):
        return not kind.pointers
    named = view.holds(_NAMED_FLAGS) or any(is_flag(value) for value in known.values())
    return (named and node.type in PLAIN) or _type(graph, view, node) == _FLAGS


def _type(graph: CallGraph, view: View, node: Node) -> str:
    kind = graph.reader.types.of(node, view)
    return kind.base if kind is not None else ""


def _rewritten(view: View, name: str) -> bool:
    """Tell whether a function changes a parameter of its own, or what it points to."""
    word = re.escape(name.encode("utf-8", "surrogateescape")).replace(rb"\-", b"-")
    text = view.text[view.node.start_byte : view.node.end_byte]
    changed = rb"(?<![\w.>])%s\s*(?:(?:[-+|&^]|<<|>>)?=(?!=)|\+\+|--)" % word
    return re.search(changed, text) is not None
