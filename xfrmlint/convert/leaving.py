"""Where a function leaves if there is no handle for its device: by an exit that it has.

An exit is right for a statement if nothing was changed, taken or given back between them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.unit import node_text
from xfrmlint.c.view import View
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.ends import End, is_busy
from xfrmlint.convert.exits import is_always_there, kept_of, names_on
from xfrmlint.convert.fate import Fate
from xfrmlint.convert.live import missing_on, place_of
from xfrmlint.convert.undone import done_between, owed_at, why_not_as_asked


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
    owed = owed_at(effects, view, statement, branch) if may else ""
    if owed:
        return Unfit(f"leaving as in line {line} does not undo {owed}")
    missing = missing_on(view, kept[0], at, statement)
    if missing is not None:
        return Unfit(f"leaving as in line {line} {missing}")
    if not may:
        if branch.start_byte > statement.start_byte:
            why = "may undo what is not yet done where the handle is read"
            return Unfit(f"leaving as in line {line} {why}")
        said = f"what has to be undone here need not be what was in line {line}"
        return Unfit(f"{said}: {done}" if done else said, True)
    end = fate.of(view, kept[0])
    leaving = Leaving([node_text(one) for one in kept], end, [], branch)
    if end.ended and not end.why and not is_busy(end):
        return leaving
    what = "the packet is queued again for ever" if is_busy(end) else end.why
    why = f"leaving as in line {line} is no end of the packet: {what}"
    return Unfit(f"{why} ({end.place.path}:{end.place.line})", True, leaving)


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
