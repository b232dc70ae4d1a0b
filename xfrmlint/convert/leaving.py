"""Where a function leaves if there is no handle for its device: by an exit that it has.

An exit is right where the handle is read if nothing was changed, taken or given back since; else
the handle is resolved right behind it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import around
from xfrmlint.c.jumps import JUMPS
from xfrmlint.c.unit import below, declarator_name, node_text
from xfrmlint.c.view import View
from xfrmlint.convert.callers import tests_in_callers
from xfrmlint.convert.devices import device_in
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.effects import HARMLESS, Effects
from xfrmlint.convert.ends import End, end_of, is_busy
from xfrmlint.convert.exits import (
    exits_before,
    is_always_there,
    is_jumped_past,
    kept_of,
    labels,
    leaves,
    names_on,
    next_of,
    other_exits,
    packet_in,
    taken,
)
from xfrmlint.convert.layout import (
    line_start,
)
from xfrmlint.convert.live import missing_on, place_of
from xfrmlint.convert.reads import Context, Reads, wrong_devices
from xfrmlint.convert.same import is_set_between
from xfrmlint.convert.undone import (
    is_held,
    is_in_loop,
    is_of_turns,
    is_same_to_leave,
    locked_between,
    owed_at,
    why_not_as_asked,
)
from xfrmlint.convert.written import (
    Written,
    indent_of,
    refuse,
    without_parentheses,
)

# What a check of features returns: what is taken away is another matter for another reason.
_FEATURES = "netdev_features_t"


def tested_by(context: Context, found: Reads, node: Node) -> tuple[End, list[Edit]]:
    """Return what becomes of the packet where the driver's own test finds 0, and what mends it."""
    one = found.first
    branch = taken(node, "0")
    if branch is None:
        passed = _passed_by(node)
        end = context.fate.of(one.view, one.site.function, passed) if passed is not None else None
        if end is not None and end.ended and not end.why and not is_busy(end):
            return end, []
    if branch is None or not leaves(branch):
        place = one.view.place(node.start_byte)
        return End(False, "", place, "the test of the handle has no exit"), []
    owed = owed_at(context.fate.effects, one.view, found.statement, branch)
    if owed:
        refuse(one.site, f"{owed} is not undone where the test of the handle leaves")
    end = context.fate.of(one.view, one.site.function, branch)
    told = _told_as_done(context, one, end)
    if told is not None:
        return told[0], [told[1]]
    if end.ended and end.why:
        refuse(one.site, end.why)
    if not is_busy(end):
        return end, []
    edit, end = _instead_of_busy(context, found, branch)
    return end, [edit]


def is_decided(node: Node) -> bool:
    """Tell whether what is done without a handle is told by a test of it."""
    return taken(node, "0") is not None or _passed_by(node) is not None


def _passed_by(node: Node) -> Node | None:
    """Return the statement behind `if (handle) { ... return ...; }`."""
    asked = around(node, "if_statement")
    condition = asked.child_by_field_name("condition") if asked is not None else None
    if asked is None or condition is None or asked.child_by_field_name("alternative") is not None:
        return None
    if without_parentheses(condition) != node or not leaves(
        asked.child_by_field_name("consequence")
    ):
        return None
    return next_of(asked)


def _instead_of_busy(context: Context, found: Reads, branch: Node) -> tuple[Edit, End]:
    """Return a drop in place of NETDEV_TX_BUSY, which queues the packet again for ever."""
    one, view, effects = found.first, found.first.view, context.fate.effects
    leaving = [n for n in below(branch) if n.type == "return_statement"]
    if (
        len(kept_of(effects, view, branch)) != 1
        or len(leaving) != 1
        or not _is_alone_tested(branch)
    ):
        refuse(one.site, "a handle of 0 makes the packet be queued again for ever")
    for label, target in labels(view):
        end = end_of(effects, view, target)
        if missing_on(view, target, branch.start_byte, branch) is not None:
            continue
        if not is_always_there(context.devices.reader, view, [target]):
            continue
        if end.ended and not end.why and not is_busy(end) and not _undoes(effects, view, target):
            jump = f"goto {label};".encode()
            return Edit(view.path, leaving[0].start_byte, leaving[0].end_byte, jump), end
    packet = packet_in(view)
    if not packet or branch.type == "compound_statement":
        refuse(one.site, "a handle of 0 makes the packet be queued again for ever")
    indent = indent_of(view, leaving[0]).decode()
    text = f"dev_kfree_skb_any({packet});\n{indent}return NETDEV_TX_OK;"
    start = line_start(view.text, branch.start_byte) - 1
    outer = indent.removesuffix("\t")
    block = f" {{\n{indent}{text}\n{outer}}}".encode()
    end = End(True, "NETDEV_TX_OK", view.place(branch.start_byte))
    return Edit(view.path, start, branch.end_byte, block), end


def _is_alone_tested(branch: Node) -> bool:
    """Tell whether a branch is taken for the handle's sake alone."""
    condition = (
        branch.parent.child_by_field_name("condition") if branch.parent is not None else None
    )
    signs = [n for n in below(condition) if n.type == "binary_expression"] if condition else []
    return condition is not None and not any("||" in node_text(n) for n in signs)


def _undoes(effects: Effects, view: View, label: Node) -> bool:
    """Tell whether more is undone behind a label than that the packet is freed."""
    at: Node | None = label
    while at is not None:
        if not effects.words(view, at) <= HARMLESS | {"adds", "drops"}:
            return True
        at = at.next_named_sibling
    return False


class Leaving(NamedTuple):
    """An exit to take: its statements, what becomes of the packet, what else has to be edited.

    behind: the exit that the handle is resolved behind already; None where it is read.
    """

    kept: list[str]
    end: End
    edits: list[Edit]
    behind: Node | None


def exit_of(context: Context, found: Reads, later: bool = True) -> Leaving:
    """Return the exit that the function takes where it has no state, or a bad index.

    later: whether it can be one behind the statement, which does nothing else then but to read.
    """
    one, fate = found.first, context.fate
    held = is_held(fate.effects, one.view, found.state, one.node.start_byte)
    if held:
        refuse(one.site, f"{found.state} may be held where the function leaves: {held}")
    turns = is_in_loop(found.statement)
    against = _Against()
    changed = _changed(found.statement)
    first = list(exits_before(one.view, found.statement, found.state, changed))
    result = one.view.result
    features = result is not None and result.base == _FEATURES
    for branch in [*first, *([] if features else other_exits(found.statement, first))]:
        if not later and branch.start_byte > found.statement.start_byte:
            continue
        if turns and not is_of_turns(one.view, branch, found.statement):
            continue
        left = _left_as(context, found, branch, branch not in first, against)
        if left is not None:
            return left
    if turns:
        refuse(
            one.site, "the handle is read in a loop: what an earlier turn has done is not undone"
        )
    refuse(one.site, against.said())


def _left_as(
    context: Context, found: Reads, branch: Node, other: bool, against: "_Against"
) -> Leaving | None:
    """Return the exit that one branch takes, None where it is none for the handle: see against.

    other: it is not asked there whether there is a state.
    """
    one, fate = found.first, context.fate
    line = one.view.place(branch.start_byte).line
    asked = why_not_as_asked(fate.effects, one.view, branch, found.statement, other)
    if asked:
        missing = missing_on(one.view, branch, place_of(found.statement), found.statement)
        against.unfit(line, str(missing) if missing is not None else asked)
        return None
    kept = kept_of(fate.effects, one.view, branch)
    if not is_always_there(context.devices.reader, one.view, kept):
        return None
    said = [node_text(statement) for statement in kept]
    at, behind = place_of(found.statement), None
    if not _may_leave(fate.effects, one.view, branch, found.statement):
        behind = _asked_behind(context, found, branch, kept[0], against)
        if behind is None:
            return None
        at = behind.end_byte
    elif owed := owed_at(fate.effects, one.view, found.statement, branch):
        against.unfit(line, f"does not undo {owed}")
        return None
    missing = missing_on(one.view, kept[0], at, found.statement)
    if missing is not None:
        against.unfit(line, str(missing))
        return None
    end = fate.of(one.view, one.site.function, kept[0])
    if end.ended and not end.why and not is_busy(end):
        return Leaving(said, end, [], behind)
    told = _told_as_done(context, one, end)
    if told is not None:
        return Leaving(said, told[0], [told[1]], behind)
    more = tests_in_callers(fate, one.view, one.site.function, kept[0])
    if more:
        return Leaving(said, end._replace(ended=True, why=""), more, behind)
    path, number, _ = end.place
    what = "the packet is queued again for ever" if is_busy(end) else end.why
    against.tell(f"leaving as in line {line} is no end of the packet: {what} ({path}:{number})")
    return None


def _asked_behind(
    context: Context, found: Reads, branch: Node, kept: Node, against: "_Against"
) -> Node | None:
    """Return behind what the resolver is asked, for an exit that can't be taken where it is read.

    None where there is no such place: see against.
    """
    one, effects = found.first, context.fate.effects
    line = one.view.place(branch.start_byte).line
    is_later = branch.start_byte > found.statement.start_byte
    lock = locked_between(effects, one.view, branch, found.statement)
    behind = None if lock or is_later else _behind(context, found, branch)
    if behind is not None:
        return behind
    missing = missing_on(one.view, kept, place_of(found.statement), found.statement)
    if missing is not None:
        against.unfit(line, str(missing))
    elif is_later:
        against.unfit(line, "may undo what is not yet done where the handle is read")
    elif lock:
        against.tell(f"the handle is read in a section ({lock}) that line {line} is not in")
    else:
        against.tell(f"what has to be undone here need not be what was in line {line}")
    return None


class _Against:
    """What is against each exit of a function: told is the first that could have been one."""

    def __init__(self) -> None:
        self._wrong: list[str] = []
        self._unfit: list[str] = []

    def tell(self, text: str) -> None:
        self._wrong.append(text)

    def unfit(self, line: int, text: str) -> None:
        self._unfit.append(f"leaving as in line {line} {text}")

    def said(self) -> str:
        none = (
            "the function has no exit for a packet without a state, or with a bad index: one is "
            "needed that drops the packet, and undoes what was done before the handle is read"
        )
        return next(iter([*self._wrong, *self._unfit]), none)


def _may_leave(effects: Effects, view: View, branch: Node, statement: Node) -> bool:
    """Tell whether what an exit does is right where a statement stands."""
    first, last = sorted((branch, statement), key=lambda node: node.start_byte)
    between = range(first.end_byte, last.start_byte)
    for name in names_on(view, branch):
        if any(value.start_byte in between for value in view.assignments(name)):
            return False
    return is_same_to_leave(effects, view, branch, statement)


def _behind(context: Context, found: Reads, branch: Node) -> Node | None:
    """Return an exit of the same block behind which the handle can be resolved just as well."""
    one, statement = found.first, found.statement
    exit_ = branch.parent
    if exit_ is None or exit_.parent is None or statement.parent is None:
        return None
    if exit_.parent.id != statement.parent.id or exit_.start_byte > statement.start_byte:
        return None
    if statement.type == "declaration" or exit_.child_by_field_name("alternative") is not None:
        return None
    if is_jumped_past(one.view, exit_, found.reads[-1].node.end_byte):
        return None
    if any(
        node.type in JUMPS and exit_.end_byte <= node.start_byte < statement.start_byte
        for node in below(one.view.node)
    ):
        # Who leaves there may be a packet that needs no handle.
        return None
    words = re.findall(r"[A-Za-z_]\w*", f"{found.state} {found.device}")
    for word in words:
        values = one.view.assignments(word)
        if any(exit_.start_byte <= value.start_byte < statement.end_byte for value in values):
            return None
    between = range(exit_.end_byte, statement.start_byte)
    reader, effects = context.devices.reader, context.fate.effects
    if is_set_between(reader, effects, one.view, between, found.state, found.device):
        return None
    if not found.handed:
        before, way = exit_.end_byte, one.site.reached
        wrong = wrong_devices(context, one)
        if device_in(context.devices, one.view, before, way, wrong).text != found.device:
            return None
    return exit_


def _told_as_done(context: Context, one: Written, end: End) -> tuple[End, Edit] | None:
    """Return what an exit becomes that frees the packet, and whose callers send it again."""
    if not end.ended or not end.why:
        return None
    return context.fate.told_as_done(one.view, one.site.function, end)


def _changed(statement: Node) -> str:
    """Return what a statement assigns."""
    inner = statement.named_children[0] if statement.named_child_count else None
    if statement.type == "declaration":
        made = [c for c in statement.named_children if c.type == "init_declarator"]
        name = declarator_name(made[0].child_by_field_name("declarator")) if made else None
        return node_text(name) if name is not None else ""
    if inner is None or inner.type != "assignment_expression":
        return ""
    return node_text(inner.child_by_field_name("left") or inner)


def branch_of(kept: Sequence[str], indent: str) -> str:
    """Return the branch of an `if` that takes an exit, as it is written behind the condition."""
    lines = [f"{indent}\t{one}" for one in kept]
    if len(lines) == 1:
        return "\n" + lines[0]
    return " {\n" + "\n".join(lines) + f"\n{indent}}}"
