"""How a function that has no handle leaves: by its own test, or by the best exit that it has.

Where it has done nothing yet, and has none to end a packet, by one that each driver would write:

    dev->stats.tx_dropped++;
    dev_kfree_skb_any(skb);
    return NETDEV_TX_OK;
"""

from tree_sitter import Node

from xfrmlint.c.expression import around, assigned_in
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below, declarator_name
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import DEVICE
from xfrmlint.convert.callers import tests_in_callers, told_by_result
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.effects import HARMLESS, UNDOES, Effects
from xfrmlint.convert.ends import End, end_of, is_busy
from xfrmlint.convert.exits import (
    exits_around,
    exits_of,
    gone_on_with,
    is_always_there,
    kept_of,
    labels,
    leaves,
    next_of,
    packet_in,
    statements_on,
    taken,
)
from xfrmlint.convert.fate import Context
from xfrmlint.convert.leaving import Leaving, Unfit, exit_at, means_the_same, missing_on, place_of
from xfrmlint.convert.undone import is_held, is_in_loop, not_undone, outstanding
from xfrmlint.convert.written import Reads, Written, refuse, without_parentheses

_NONE = (
    "the function has no exit for a packet without a state, or with a bad index: one is needed "
    "that drops the packet, and undoes what was done before the handle is read"
)
_FOR_EVER = "a handle of 0 makes the packet be queued again for ever"
# What a check of features returns: what is taken away is another matter for another reason.
_FEATURES = "netdev_features_t"
_SENT = "netdev_tx_t"
_XMIT = "ndo_start_xmit"
_MORE = b"xmit_more"
_COUNTS = ("adds", "counts", "drops")
# What an exit does that drops a packet, and undoes what was done by then.
_DROPPING = HARMLESS | UNDOES | {*_COUNTS}
# What a function returns where it fails, as its type has it; the first that its callers notice.
_FAILED = {"int": ("-EINVAL",), "bool": ("false", "true")}


def tested_by(context: Context, found: Reads, node: Node) -> tuple[End, list[Edit]]:
    """Return what becomes of the packet where the driver's own test finds 0, and what mends it."""
    one = found.first
    branch = taken(node, "0")
    if branch is None:
        passed = _passed_by(node)
        end = context.fate.of(one.view, passed) if passed is not None else None
        if end is not None and end.ended and not end.why and not is_busy(end):
            return end, []
    if branch is None or not leaves(branch):
        place = one.view.place(node.start_byte)
        return End(False, "", place, "the test of the handle has no exit"), []
    owed = not_undone(context.fate.effects, one.view, found.statement, branch)
    if owed:
        refuse(one.site, f"{owed} is not undone where the test of the handle leaves")
    end = context.fate.of(one.view, branch)
    told = context.fate.told_as_done(one.view, end)
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
    """Return a jump to a label that drops in place of NETDEV_TX_BUSY, which never does."""
    one, view, effects = found.first, found.first.view, context.fate.effects
    leaving = [n for n in below(branch) if n.type == "return_statement"]
    if (
        len(kept_of(effects, view, branch)) != 1
        or len(leaving) != 1
        or not _is_alone_tested(branch)
    ):
        refuse(one.site, _FOR_EVER)
    for label, target in labels(view):
        end = end_of(effects, view, target)
        if missing_on(view, target, branch.start_byte, branch):
            continue
        if not is_always_there(context.devices.reader, view, [target]):
            continue
        if end.ended and not end.why and not is_busy(end) and not _undoes(effects, view, target):
            jump = f"goto {label};".encode()
            return Edit(view.path, leaving[0].start_byte, leaving[0].end_byte, jump), end
    refuse(one.site, _FOR_EVER)


def _is_alone_tested(branch: Node) -> bool:
    """Tell whether a branch is taken for the handle's sake alone."""
    asked = branch.parent.child_by_field_name("condition") if branch.parent is not None else None
    signs = [n for n in below(asked) if n.type == "binary_expression"] if asked else []
    return asked is not None and not any("||" in node_text(n) for n in signs)


def _undoes(effects: Effects, view: View, label: Node) -> bool:
    """Tell whether more is undone behind a label than that the packet is freed."""
    does = set[str]().union(*(effects.words(view, at) for at in statements_on(view, label)))
    return not does <= HARMLESS | {*_COUNTS}


def exit_of(context: Context, found: Reads, later: bool = True) -> Leaving:
    """Return the exit that the function takes where it has no state, or a bad index.

    later: whether it can be one behind the statement, which does nothing else then but to read.
    """
    one, fate = found.first, context.fate
    held = is_held(fate.effects, one.view, found.state, one.node.start_byte)
    if held:
        refuse(one.site, f"{found.state} may be held where the function leaves: {held}")
    if is_in_loop(found.statement):
        refuse(
            one.site, "the handle is read in a loop: what an earlier turn has done is not undone"
        )
    against: list[Unfit] = []
    result = one.view.result
    features = result is not None and result.base == _FEATURES
    for branch, other in exits_around(found.statement, found.state, _changed(found.statement)):
        behind = branch.start_byte > found.statement.start_byte
        if (behind and not later) or (other and features):
            continue
        left = exit_at(context.fate, one.view, found.statement, branch, other)
        if isinstance(left, Leaving):
            return left
        against.append(left)
        mended = _mended(context, one, left.leaving) if left.leaving is not None else None
        if mended is not None:
            return mended
    told = sorted((unfit for unfit in against if unfit.why), key=lambda unfit: not unfit.nearly)
    refuse(one.site, told[0].why if told else _NONE)


def _mended(context: Context, one: Written, leaving: Leaving) -> Leaving | None:
    """Return an exit that is no end of the packet with what makes it one."""
    told = context.fate.told_as_done(one.view, leaving.end)
    if told is not None:
        return leaving._replace(end=told[0], edits=[told[1]])
    first = kept_of(context.fate.effects, one.view, leaving.branch)[0] if leaving.branch else None
    if first is None:
        return None
    more = tests_in_callers(context.fate, one.view, first)
    end = leaving.end._replace(ended=True, why="")
    return leaving._replace(end=end, edits=more) if more else None


def _changed(statement: Node) -> str:
    """Return what a statement assigns."""
    made = assigned_in(statement)
    if made is not None:
        return node_text(made.target)
    named = (
        declarator_name(one.child_by_field_name("declarator")) for one in statement.named_children
    )
    return next((node_text(one) for one in named if one is not None), "")


def is_fresh(effects: Effects, view: View, at: Node) -> bool:
    """Tell whether nothing has to be undone of what is done on the ways to a statement."""
    return not is_in_loop(at) and not outstanding(effects, view, at)


def plain_exit(context: Context, found: Reads) -> Leaving | None:
    """Return an exit that only drops the packet, as the function has none; None if it may not do.

    Who drops a packet elsewhere in it may do something for it that has to be done here, too.
    """
    view, effects, at = found.first.view, context.fate.effects, found.statement
    for branch in exits_of(view):
        kept = kept_of(effects, view, branch)
        does = set[str]().union(*(effects.words(view, one) for one in statements_on(view, branch)))
        fits = bool(kept) and not missing_on(view, kept[0], place_of(at), at)
        fits &= branch.start_byte > at.start_byte or means_the_same(view, branch, at)
        fits &= is_always_there(context.devices.reader, view, kept)
        if "drops" in does and (not fits or does - _DROPPING):
            return None
    return _made(context, found)


def _made(context: Context, found: Reads) -> Leaving | None:
    """Return the exit that a function has not, but could."""
    view = found.first.view
    result, packet = view.result, packet_in(view)
    reader = context.devices.reader
    if result is None:
        return None
    place = view.place(found.statement.start_byte)
    if (result.base, result.pointers) == (_SENT, 0):
        if not packet or view.assignments(packet) or not _is_door(context, view.function):
            return None
        files = [f for f in reader.universe.files(view.path) if f.endswith(".c")]
        if any(_MORE in reader.corpus.data(file) for file in files):
            # Those that wait for their kick would wait for the next packet.
            return None
        lines = [f"dev_kfree_skb_any({packet});", "return NETDEV_TX_OK;"]
        if "stats" in reader.types.fields_named(DEVICE, view.path):
            lines.insert(0, f"{found.device}->stats.tx_dropped++;")
        return Leaving(lines, End(True, "NETDEV_TX_OK", place), [])
    if (result.base, result.pointers) == ("void", 0):
        return told_by_result(context, view)
    values = ("NULL",) if result.pointers == 1 else _FAILED.get(result.base, ())
    for value in values if result.pointers < 2 else ():
        end = context.fate.of_value(view, value, place)
        if end.ended and not end.why and _callers_only_drop(context, view.function, value):
            return Leaving([f"return {value};"], end, [])
    return None


def _is_door(context: Context, function: FunctionName) -> bool:
    """Tell whether it is the stack alone that calls a function, to send a packet."""
    incoming = context.fate.graph.incoming(function)
    if incoming.doubts or not incoming.complete:
        return False
    if any(entry.name != _XMIT for entry in incoming.entries):
        return False
    return bool(incoming.entries) and not incoming.edges


def _callers_only_drop(
    context: Context, function: FunctionName, value: str, depth: int = 0
) -> bool:
    """Tell whether nobody undoes for a function that fails what it would have done by then."""
    effects = context.fate.effects
    calls = list(context.fate.calls(function))
    for _, called in calls:
        branch = gone_on_with(called.node, value) if called is not None else None
        if called is None or branch is None:
            return False
        view = called.view
        for statement in statements_on(view, branch):
            if not effects.words(view, statement) <= HARMLESS | {*_COUNTS}:
                return False
            if any("--" in node_text(n) for n in below(statement) if n.type == "update_expression"):
                return False
        then = end_of(effects, view, branch)
        if not then.ended:
            if depth > 3 or not _callers_only_drop(context, view.function, then.value, depth + 1):
                return False
    return bool(calls)
