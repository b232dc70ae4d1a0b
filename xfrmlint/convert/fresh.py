"""An exit for a place at which a function has done nothing, where it has none to end a packet.

It is the one that each driver would write there:

    dev->stats.tx_dropped++;
    dev_kfree_skb_any(skb);
    return NETDEV_TX_OK;
"""

from tree_sitter import Node

from xfrmlint.c.expression import LOOPS, above
from xfrmlint.c.unit import below, node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import DEVICE
from xfrmlint.convert.callers import told_by_result
from xfrmlint.convert.effects import HARMLESS, UNDOES, Effects
from xfrmlint.convert.ends import End, end_of
from xfrmlint.convert.exits import (
    exits_of,
    gone_on_with,
    is_always_there,
    kept_of,
    packet_in,
    statements_on,
)
from xfrmlint.convert.leaving import Leaving, means_the_same
from xfrmlint.convert.live import missing_on, place_of
from xfrmlint.convert.reads import Context, Reads
from xfrmlint.convert.undone import done_in, is_left_before

_SENT = "netdev_tx_t"
_XMIT = "ndo_start_xmit"
_MORE = b"xmit_more"
_COUNTS = ("adds", "drops")
# What an exit does that drops a packet, and undoes what was done by then.
_DROPPING = HARMLESS | UNDOES | {*_COUNTS}
# What a function returns where it fails, as its type has it; the first that its callers notice.
_FAILED = {"int": ("-EINVAL",), "bool": ("false", "true")}


def is_fresh(effects: Effects, view: View, at: Node) -> bool:
    """Tell whether a function has done nothing that has to be undone, on each way to a statement.

    What is done in a branch that leaves is done on another way.
    """
    if any(up.type in LOOPS for up in above(at)):
        return False
    before = range(view.node.start_byte, at.start_byte)
    return not any(done_in(effects, view, before, lambda node: is_left_before(view, node, at)))


def plain_exit(context: Context, found: Reads) -> Leaving | None:
    """Return an exit that only drops the packet, as the function has none; None if it may not do.

    Who drops a packet elsewhere in it may do something for it that has to be done here, too.
    """
    view, effects, at = found.first.view, context.fate.effects, found.statement
    for branch in exits_of(view):
        kept = kept_of(effects, view, branch)
        does = set[str]().union(*(effects.words(view, one) for one in statements_on(view, branch)))
        fits = bool(kept) and missing_on(view, kept[0], place_of(at), at) is None
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
