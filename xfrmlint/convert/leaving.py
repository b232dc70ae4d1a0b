"""Where a function leaves if there is no handle for its device: by an exit that it has.

An exit is right for a statement if nothing was changed, taken or given back between them, and if
the variables that it looks at have a value there:

    sa = (struct example_sa *)x->xso.offload_handle;
    if (sa->dying)
            goto drop;
    ...
    drop:
            sa->drops++;

In front of the first statement this label is none to go to: sa has its value there by nobody.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import assigned_in
from xfrmlint.c.jumps import is_sure
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.ends import End, is_busy
from xfrmlint.convert.exits import (
    following,
    is_always_there,
    kept_of,
    label_of,
    names_on,
    statements_on,
)
from xfrmlint.convert.fate import Fate
from xfrmlint.convert.undone import (
    done_between,
    not_undone,
    reason_of,
    why_not_as_asked,
)
from xfrmlint.convert.written import is_declared, names_set_by

_NULL = ("NULL", "0")
# What does not look at a value.
_SIZES = ("sizeof_expression", "alignof_expression")


class Leaving(NamedTuple):
    """An exit to take: its statements, what becomes of the packet, what else has to be edited.

    branch: of the `if` that has it; None for one that the function has not.
    """

    kept: list[str]
    end: End
    edits: list[Edit]
    branch: Node | None = None


class Unfit(NamedTuple):
    """Why an exit is none to take. nearly: it could have been one.

    leaving: the exit, if nothing but what becomes of the packet is against it.
    """

    why: str
    nearly: bool = False
    leaving: Leaving | None = None


def exit_at(
    fate: Fate, view: View, statement: Node, branch: Node, other: bool = True
) -> Leaving | Unfit:
    """Return the exit that a branch takes, for where a statement stands; or what is against it.

    other: it is not asked there whether there is a state.
    """
    effects, line, at = fate.effects, view.place(branch.start_byte).line, place_of(statement)
    asked = why_not_as_asked(effects, view, branch, statement, other)
    if asked:
        missing = missing_on(view, branch, at, statement)
        return Unfit(f"leaving as in line {line} {missing or asked}")
    kept = kept_of(effects, view, branch)
    if not is_always_there(fate.graph.reader, view, kept):
        return Unfit("")
    done = done_between(effects, view, branch, statement)
    may = not done and means_the_same(view, branch, statement)
    missing = missing_on(view, kept[0], at, statement)
    if missing:
        return Unfit(f"leaving as in line {line} {missing}")
    reason = reason_of(effects, view, statement, branch) if other else ""
    if reason:
        return Unfit(f"leaving as in line {line} {reason}")
    if not may:
        if branch.start_byte > statement.start_byte:
            why = "may undo what is not yet done where the handle is read"
            return Unfit(f"leaving as in line {line} {why}")
        said = f"what has to be undone here need not be what was in line {line}"
        return Unfit(f"{said}: {done}" if done else said, True)
    end = fate.of(view, kept[0])
    leaving = Leaving([node_text(one) for one in kept], end, [], branch)
    owed = not_undone(effects, view, statement, branch)
    if end.ended and not end.why and not is_busy(end):
        return Unfit(f"leaving as in line {line} does not undo {owed}") if owed else leaving
    what = "the packet is queued again for ever" if is_busy(end) else end.why
    why = f"leaving as in line {line} is no end of the packet: {what}"
    said = f"{why} ({end.place.path}:{end.place.line})"
    return Unfit(said, True, None if owed else leaving)


def means_the_same(view: View, branch: Node, statement: Node) -> bool:
    """Tell whether the variables that an exit names are not set between it and a statement."""
    first, last = sorted((branch, statement), key=lambda node: node.start_byte)
    between = range(first.end_byte, last.start_byte)
    values = (value for name in names_on(view, branch) for value in view.assignments(name))
    return not any(value.start_byte in between for value in values)


def branch_of(kept: Sequence[str], indent: str) -> str:
    """Return the branch of an `if` that takes an exit, as it is written behind the condition."""
    lines = [f"{indent}\t{one}" for one in kept]
    if len(lines) == 1:
        return "\n" + lines[0]
    return " {\n" + "\n".join(lines) + f"\n{indent}}}"


def missing_on(view: View, first: Node, at: int, read: Node) -> str:
    """Say which variable an exit looks at that has no value yet at an offset; empty for none.

    read: the statement that is converted: what that sets has its value later.
    """
    for node in _looked_at(view, first):
        name = node_text(node)
        local = view.local(name, at)
        if local is None or local.parameter >= 0:
            if local is None:
                return _missing(view, name)
            continue
        values = [v for v in view.assignments(name) if _is_before(v, at, read)]
        sure = [v for v in values if is_sure(v, at)]
        if not sure and not _is_filled(view, name, at):
            later = [v for v in view.assignments(name) if v not in values]
            return _missing(view, name, *later[:1])
        if sure and node_text(sure[-1]) in _NULL and local.type.pointers:
            return _missing(view, name, sure[-1])
    return ""


def _missing(view: View, name: str, *by: Node) -> str:
    """Say that a variable has no value. by: what gives it one."""
    lines = [f" (line {view.place(one.start_byte).line})" for one in by]
    return f"uses {name}, which has no value there yet{''.join(lines)}"


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
        if given and is_sure(node, at):
            return True
    return False
