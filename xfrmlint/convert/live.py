"""Which variables an exit looks at, and whether they have a value where it is to be taken.

    sa = (struct example_sa *)x->xso.offload_handle;
    if (sa->dying)
            goto drop;
    ...
    drop:
            sa->drops++;

In front of the first statement this label is none to go to: sa has its value there by nobody.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import assigned_in
from xfrmlint.c.unit import below, node_text
from xfrmlint.c.view import View
from xfrmlint.convert.exits import following, label_of, statements_on
from xfrmlint.convert.written import is_declared, names_set_by

_NULL = ("NULL", "0")
# What does not look at a value.
_SIZES = ("sizeof_expression", "alignof_expression")


class Missing(NamedTuple):
    """A variable without a value at a place. by: the line that gives it one, or 0."""

    name: str
    by: int

    def __str__(self) -> str:
        by = f" (line {self.by})" if self.by else ""
        return f"uses {self.name}, which has no value there yet{by}"


def missing_on(view: View, first: Node, at: int, read: Node) -> Missing | None:
    """Return a variable that an exit looks at and that has no value yet at an offset; else None.

    read: the statement that is converted: what that sets has its value later.
    """
    for node in _looked_at(view, first):
        name = node_text(node)
        local = view.local(name, at)
        if local is None or local.parameter >= 0:
            if local is None:
                return Missing(name, 0)
            continue
        values = [v for v in view.assignments(name) if _is_before(v, at, read)]
        sure = [v for v in values if _encloses(v, at)]
        if not sure and not _is_filled(view, name, at):
            later = [v for v in view.assignments(name) if v not in values]
            return Missing(name, view.place(later[0].start_byte).line if later else 0)
        if sure and node_text(sure[-1]) in _NULL and local.type.pointers:
            return Missing(name, view.place(sure[-1].start_byte).line)
    return None


def _is_before(value: Node, at: int, read: Node) -> bool:
    inside = read.start_byte <= value.start_byte < read.end_byte
    return value.end_byte <= at and not inside


def place_of(statement: Node) -> int:
    """Return where a test of what a statement reads is put: behind all declarations."""
    after = following(statement) if statement.type == "declaration" else None
    return after.start_byte if after is not None else statement.start_byte


def _looked_at(view: View, first: Node) -> Iterator[Node]:
    """Yield the variables whose values an exit uses that it has not set itself."""
    seen: set[int] = set()
    ways: list[tuple[Node | None, frozenset[str]]] = [(first, frozenset())]
    while ways:
        start, known = ways.pop()
        for at in statements_on(view, start) if start is not None else ():
            if at.id in seen:
                break
            seen.add(at.id)
            for node in below(at):
                if node.type == "identifier" and node_text(node) not in known:
                    if view.local(node_text(node), node.start_byte) and _is_used(node):
                        yield node
            known |= names_set_by(at)
            jumps = [one for one in below(at) if one.type == "goto_statement"]
            ways += [(label_of(view, node_text(j.named_children[0])), known) for j in jumps]


def _is_used(node: Node) -> bool:
    """Tell whether a name stands there for its value: not declared, not set, not measured."""
    up = node.parent
    if up is None or up.type in _SIZES or is_declared(node):
        return False
    made = assigned_in(up)
    return made is None or made.target != node or made.sign != "="


def _encloses(value: Node, at: int) -> bool:
    """Tell whether each way to an offset behind a value leads by it."""
    up = value.parent
    while up is not None and up.type != "compound_statement":
        if up.type in ("if_statement", "conditional_expression", "case_statement", "else_clause"):
            return False
        if up.type in ("for_statement", "while_statement"):
            initial = up.child_by_field_name("initializer")
            if initial is None or not initial.start_byte <= value.start_byte < initial.end_byte:
                return False
        up = up.parent
    return up is not None and up.start_byte <= at < up.end_byte


def _is_filled(view: View, name: str, at: int) -> bool:
    """Tell whether a call before an offset is given a variable, or where it is.

    It fills it, as spin_lock_irqsave() does, or it had its value before.
    """
    for node in view.occurrences(name):
        up = node.parent
        if node.type != "identifier" or up is None or node.end_byte > at:
            continue
        given = up.type == "argument_list" or (
            up.type == "pointer_expression" and node_text(up).startswith("&")
        )
        if given and _encloses(node, at):
            return True
    return False
