"""Edits by which a driver frees with the state what it freed on delete.

    x->xso.offload_handle = 0;      ->   (in xdo_dev_state_free, with what leads to it)
    kfree(sa);                               kfree(sa);

Packets in flight still have the handle when a state is deleted. A driver that zeroes the shared
field on delete does so because what it leads to is gone then. The field is its owner's, so the
store goes; and what the handle leads to has to stay for as long as the state. The new callback is a
slice of the old one: the call that frees, what that is computed from, and the exits before it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, assigned_in, called_by
from xfrmlint.c.jumps import JUMPS
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.contract.words import DELETE, FREE
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.exits import names_in
from xfrmlint.convert.fate import Context
from xfrmlint.convert.layout import called, line_start, without_lines
from xfrmlint.convert.promise import filled_after
from xfrmlint.convert.written import Written, names_set_by, statement_of
from xfrmlint.kernel.functions import effect_named
from xfrmlint.program.drivers import Driver

# What the call that frees may do besides.
_FREEING = frozenset({"frees", "puts"})


class Deferred(NamedTuple):
    """The edits that move what delete frees, and what they do, in words."""

    edits: tuple[Edit, ...]
    does: str


def deferred(context: Context, one: Written, drivers: Iterable[Driver]) -> Deferred | None:
    """Return the edits for a store of 0 to the handle in delete; None where they can't be made."""
    view, site, contract = one.view, one.site, context.contract
    delete, free = contract.slot(DELETE), contract.slot(FREE)
    name = site.function.name
    tables = [d.table for d in drivers if any(c.target == name for c in d.table.callbacks)]
    incoming = context.fate.graph.incoming(site.function)
    if not delete or not free or not tables or not site.cleared or incoming.doubts:
        return None
    if incoming.edges or {entry.name for entry in incoming.entries} != {delete}:
        return None
    if any(c.field == free for table in tables for c in table.callbacks):
        return None
    statements = _statements(view)
    store = statement_of(one.node)
    freeing = _freeing(context, one, statements, store)
    made = _name(context, view, name)
    if freeing is None or not made or _releases(context, view, freeing):
        return None
    kept = _slice(view, statements, freeing)
    if kept is None:
        return None
    edits = []
    for table in tables:
        pair = filled_after(context.devices.reader, table, delete, free, made)
        if pair is None or pair.path != view.path:
            return None
        edits.append(pair)
    gone = _without(view, store, freeing)
    if gone is None:
        return None
    edits.append(gone)
    end = view.text.find(b"\n", view.node.end_byte) + 1
    edits.append(Edit(view.path, end, end, _function(view, name, made, kept)))
    does = f"{made}() frees what {name}() freed, for packets still have the handle then"
    return Deferred(tuple(edits), does)


def _releases(context: Context, view: View, freeing: Node) -> bool:
    """Tell whether delete lets go of more than it frees, for another state to have.

    Whoever is called and takes memory frees that, too.
    """
    for node in below(view.node):
        if node.type == "call_expression" and not freeing.start_byte <= node.start_byte < (
            freeing.end_byte
        ):
            does = {effect.does for effect in context.fate.effects.of_call(view, node)}
            gone = {"", "releases", "defers", "puts"} | (set() if "takes" in does else {"frees"})
            if does & gone:
                return True
        made = assigned_in(node) if node.type == "assignment_expression" else None
        if made is not None and node_text(made.value) in ("0", "false", "NULL"):
            if any(n.type == "subscript_expression" for n in below(made.target)):
                return True
    return False


def _without(view: View, *statements: Node) -> Edit | None:
    """Return the edit that takes adjacent statements away, with a blank line too many."""
    text = view.text
    first, last = sorted(statements, key=lambda one: one.start_byte)
    gone = without_lines(view.path, text, first.start_byte, last.end_byte)
    around = (text[gone.start : first.start_byte], text[first.end_byte : last.start_byte])
    alone = not any(part.strip() for part in (*around, text[last.end_byte : gone.end]))
    return gone if alone else None


def _statements(view: View) -> list[Node]:
    return [one for one in view.body.named_children if one.type != "comment"] if view.body else []


def _freeing(
    context: Context, one: Written, statements: Sequence[Node], store: Node
) -> Node | None:
    """Return the statement next to the store that frees what the handle leads to."""
    made = assigned_in(store)
    if made is None or made.target != one.node or node_text(made.value) != "0":
        return None
    places = [n for n, statement in enumerate(statements) if statement.id == store.id]
    if len(places) != 1 or not _is_parameter(one.view, node_text(one.state)):
        return None
    for n in (places[0] + 1, places[0] - 1):
        found = statements[n] if 0 <= n < len(statements) else None
        call = found.named_children[0] if found is not None and found.named_child_count else None
        if found is None or call is None or found.type != "expression_statement":
            continue
        if call.type != "call_expression":
            continue
        does = {effect.does for effect in context.fate.effects.of_call(one.view, call)}
        if not does & _FREEING or does & {"", "releases", "halts"}:
            continue
        handles = [a for a in arguments_of(call) if _is_handle(context, one, a)]
        later = [s for s in statements if s.start_byte > found.start_byte]
        words = {node_text(a) for a in handles}
        used = [
            w for s in later for w in below(s) if w.type == "identifier" and node_text(w) in words
        ]
        if len(handles) == 1 and not used:
            return found
    return None


def _is_handle(context: Context, one: Written, argument: Node) -> bool:
    """Tell whether an argument is a variable that was read from the field, and nothing else."""
    if argument.type != "identifier":
        return False
    values = one.view.assignments(node_text(argument))
    member = f"{node_text(one.state)}->xso.{one.site.field}"
    return len(values) == 1 and re.sub(r"^(\([^()]*\)\s*)*", "", node_text(values[0])) == member


def _is_parameter(view: View, name: str) -> bool:
    return name in view.parameters and not view.assignments(name)


def _slice(view: View, statements: Sequence[Node], freeing: Node) -> list[Node] | None:
    """Return the statements that a call and the exits before it rest on; None where unclear."""
    before = [one for one in statements if one.start_byte < freeing.start_byte]
    exits = [one for one in before if any(n.type in JUMPS for n in below(one))]
    if any(not _is_plain_exit(one) for one in exits):
        return None
    kept = {freeing.id: freeing, **{one.id: one for one in exits}}
    wanted = {name for one in kept.values() for name in names_in(one)}
    while True:
        more = [one for one in before if one.id not in kept and names_set_by(one) & wanted]
        if not more:
            break
        for one in more:
            kept[one.id] = one
            wanted |= names_in(one)
    for one in kept.values():
        if one.id == freeing.id:
            continue
        if not _is_computed(one):
            return None
    for name in wanted & {local.name for local in view.locals}:
        sets = [one for one in before if name in names_set_by(one)]
        values = view.assignments(name)
        if not _is_parameter(view, name) and len(values) != 1:
            return None
        inside = (
            [s for s in sets if s.start_byte <= values[0].start_byte < s.end_byte] if values else []
        )
        if values and not inside:
            return None
    return sorted(kept.values(), key=lambda one: one.start_byte)


def _is_plain_exit(one: Node) -> bool:
    """Tell whether a statement is `if (...) return;` and nothing else."""
    branch = one.child_by_field_name("consequence") if one.type == "if_statement" else None
    if branch is None or one.child_by_field_name("alternative") is not None:
        return False
    if branch.type == "compound_statement":
        inside = branch.named_children
        branch = inside[0] if len(inside) == 1 else None
    return branch is not None and branch.type == "return_statement"


def _is_computed(one: Node) -> bool:
    """Tell whether a statement does nothing but compute: it can be done twice."""
    if any(n.type == "update_expression" for n in below(one)):
        return False
    calls = [n for n in below(one) if n.type == "call_expression"]
    if any(effect_named(called_by(n)) != "nothing" for n in calls):
        return False
    stores = filter(None, map(assigned_in, below(one)))
    return all(store.target.type == "identifier" for store in stores)


def _name(context: Context, view: View, name: str) -> str:
    """Return the new callback's name; empty where it is taken."""
    made = re.sub(r"delete|del|remove|destroy", "free", name)
    if made == name:
        made = f"{name}_free"
    word = made.encode("utf-8", "surrogateescape")
    files = context.devices.reader.universe.files(view.path)
    corpus = context.devices.reader.corpus
    return "" if any(word in corpus.data(file) for file in files) else made


def _function(view: View, name: str, made: str, kept: Sequence[Node]) -> bytes:
    """Return the new callback, laid out as the old one is."""
    body = view.body or view.node
    start = line_start(view.text, view.node.start_byte)
    head = view.text[start : body.start_byte].decode("utf-8", "surrogateescape").rstrip()
    before, _, listed = head.partition(f"{name}(")
    above, _, line = before.rpartition("\n")
    parameters = re.sub(r"\s+", " ", listed.removesuffix(")")).split(", ")
    lines = [*above.splitlines(), called(line, made, tuple(parameters), ""), "{"]
    last = ""
    for one in kept:
        kinds = {last, one.type}
        if last and ("if_statement" in kinds or ("declaration" in kinds and len(kinds) > 1)):
            lines.append("")
        text = view.text[line_start(view.text, one.start_byte) : one.end_byte]
        lines.append(text.decode("utf-8", "surrogateescape"))
        last = one.type
    return "\n".join(["", *lines, "}", ""]).encode("utf-8", "surrogateescape")
