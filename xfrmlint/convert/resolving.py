"""One function: each read of the shared handle becomes one call of the resolver."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.unit import declarator_name, node_text
from xfrmlint.contract.words import OFFLOAD_OK, XMIT, Contract
from xfrmlint.convert.callers import tests_in_callers
from xfrmlint.convert.devices import device_in
from xfrmlint.convert.edits import Edit, Reason, edited
from xfrmlint.convert.exits import (
    End,
    Fate,
    end_of,
    exits_before,
    following,
    is_busy,
    kept_of,
    labels,
    leaves,
    packet_in,
    taken,
)
from xfrmlint.convert.handing import handed_down
from xfrmlint.convert.layout import (
    called,
    declared,
    free_name,
    line_start,
    with_comment,
)
from xfrmlint.convert.undone import is_same_to_leave, takes
from xfrmlint.convert.written import (
    Written,
    below,
    indent_of,
    is_alone,
    refuse,
    statement_of,
    without_parentheses,
)
from xfrmlint.program.devices import Devices

_NAMES = ("handle", "lower_handle", "sa_handle", "xfrm_handle")
_LOOPS = ("for_statement", "while_statement", "do_statement", "switch_statement")


class Context(NamedTuple):
    """What a driver is converted with. without: functions and devices that are wrong in them."""

    contract: Contract
    devices: Devices
    fate: Fate
    without: frozenset[tuple[str, str]]


class Converted(NamedTuple):
    """A function's edits. does: what they do, in words.

    ends: whether it ends a packet that has no handle; else why it need not, if another does.
    """

    function: str
    device: str
    edits: tuple[Edit, ...]
    does: str
    ends: bool
    left: Reason | None


@dataclass(frozen=True)
class _Reads:
    """The reads of a function. statement: the one with the first. device: that is at work.

    handed: the edits by which callers hand that down.
    """

    reads: tuple[Written, ...]
    statement: Node
    state: str
    device: str
    handed: tuple[Edit, ...]

    @property
    def first(self) -> Written:
        return self.reads[0]


def converted(context: Context, reads: Sequence[Written]) -> Converted:
    """Convert one function. reads: all of it, of the datapath. Raises Refused."""
    ordered = sorted(reads, key=lambda one: one.node.start_byte)
    first = ordered[0]
    statement = statement_of(first.node)
    state = node_text(first.state)
    _refuse_control(context.contract, first)
    _refuse_forms(ordered, statement, state)
    before, way = statement.start_byte, first.site.reached
    wrong = {text for function, text in context.without if function == first.site.function.name}
    device, handed = device_in(context.devices, first.view, before, way, wrong), ()
    if device.text:
        found = _Reads(tuple(ordered), statement, state, device.text, handed)
    else:
        down = handed_down(context.devices, context.fate, first.view, first.site.function, way)
        if down is None:
            refuse(first.site, device.why)
        found = _Reads(tuple(ordered), statement, state, down.name, down.edits)
    if len(ordered) == 1 and (_is_test(first.node) or _is_returned(first)):
        return _in_place(context, found)
    return _in_local(context, found)


def _refuse_control(contract: Contract, first: Written) -> None:
    """What add and delete are about is the field itself."""
    packets = (contract.slot(OFFLOAD_OK), contract.slot(XMIT))
    for entry in first.site.reached.entries:
        if entry.name in contract.callbacks and entry.name not in packets:
            refuse(first.site, f"packets reach it, and {entry.name}, too, which is about the field")


def _refuse_forms(reads: Sequence[Written], statement: Node, state: str) -> None:
    first, block = reads[0], statement.parent
    for one in reads:
        if one.site.access != "read":
            refuse(one.site, f"xso.{one.site.field} is written on the datapath")
        if node_text(one.state) != state:
            refuse(one.site, "the handles of two states are read")
        if block is None or not block.start_byte <= one.node.start_byte < block.end_byte:
            line = first.site.place.line
            refuse(one.site, f"the handle is read in another block than in line {line}")
    if is_alone(statement, first.node) or statement.type in _LOOPS:
        refuse(first.site, "the handle is read where no statement can be put before it")
    words = set(re.findall(r"[A-Za-z_]\w*", state))
    last = reads[-1].node.end_byte
    for word in words:
        for value in first.view.assignments(word):
            if statement.start_byte <= value.start_byte <= last:
                refuse(first.site, f"{word} is set anew between the reads of the handle")
    if _is_const(first, state):
        refuse(first.site, f"{state} is const, and the resolver takes a state that is not")


def _is_const(one: Written, name: str) -> bool:
    head = one.view.text[one.view.node.start_byte : one.node.start_byte]
    word = re.escape(name.encode("utf-8", "surrogateescape"))
    return re.search(rb"\bconst\s+struct\s+\w+\s*\*\s*" + word + rb"\b", head) is not None


def _is_test(node: Node) -> bool:
    """Tell whether a read asks only whether there is a handle."""
    parent = node.parent
    while parent is not None and without_parentheses(parent) is not None:
        if parent.type not in ("parenthesized_expression", "argument_list", "call_expression"):
            break
        if parent.type == "call_expression" and without_parentheses(parent) == parent:
            return False
        parent = parent.parent
    if parent is None:
        return False
    if parent.type == "unary_expression":
        return node_text(parent).startswith("!")
    if parent.type == "binary_expression":
        sign = node_text(parent.child_by_field_name("operator") or parent)
        return sign in ("&&", "||")
    return parent.type == "if_statement"


def _is_returned(one: Written) -> bool:
    """Tell whether a function does nothing with a handle but return it."""
    up = _span(one).parent
    while up is not None and up.type in ("cast_expression", "parenthesized_expression"):
        up = up.parent
    return up is not None and up.type == "return_statement"


def _span(one: Written) -> Node:
    """Return what a local takes the place of: the access, with READ_ONCE() around it."""
    listed = one.node.parent
    call = listed.parent if listed is not None and listed.type == "argument_list" else None
    name = call.child_by_field_name("function") if call is not None else None
    if call is not None and name is not None and node_text(name) == "READ_ONCE":
        return call
    return one.node


def _in_place(context: Context, found: _Reads) -> Converted:
    """Convert a single test, or what is returned: the resolver is asked where it stands."""
    one, contract = found.first, context.contract
    node = _span(one)
    start = line_start(one.view.text, node.start_byte)
    before = one.view.text[start : node.start_byte].decode("utf-8", "surrogateescape")
    asked = contract.arguments(found.state, found.device)
    text = called(before, contract.asks, asked, "").removeprefix(before)
    edit = Edit(one.path, node.start_byte, node.end_byte, text.encode("utf-8", "surrogateescape"))
    if _is_returned(one):
        place = one.view.place(node.start_byte)
        end = context.fate.of_value(one.view, one.site.function, "NULL", place)
        return _done(found, [edit], f"returns what the resolver has for {found.device}", end)
    end, more = _tested(context, found, one.node)
    return _done(found, [edit, *more], f"tests what the resolver has for {found.device}", end)


def _in_local(context: Context, found: _Reads) -> Converted:
    """Convert several reads, or a value that is used: one local, resolved and tested once."""
    one, view = found.first, found.first.view
    name = free_name(view, _NAMES)
    if not name:
        refuse(one.site, "no name for the handle is free")
    unit = context.devices.reader.corpus.unit(view.path)
    if unit.condition(one.node.start_byte) != unit.condition(view.node.start_byte):
        refuse(one.site, "the handle is read in a branch of an #if of its function")
    reads = [
        Edit(one.path, s.start_byte, s.end_byte, name.encode()) for s in map(_span, found.reads)
    ]
    edits, moved, at = _placed(found, reads)
    edits.append(declared(view, f"unsigned long {name};"))
    indent = indent_of(view, at).decode()
    guard = _guard(found)
    value = called(
        f"{indent}{name} = {guard}",
        context.contract.asks,
        context.contract.arguments(found.state, found.device),
        " : 0;" if guard else ";",
    )
    lines, end = [value], End(True, "", view.place(0))
    callers: list[Edit] = []
    tested = next((r.node for r in found.reads if taken(r.node, "0") is not None), None)
    if tested is not None and statement_of(tested).id != found.statement.id:
        tested = None
    if tested is None and any(_is_test(r.node) for r in found.reads[:1]):
        end = End(False, "", view.place(one.node.start_byte), "the test of the handle has no exit")
    elif tested is not None:
        end, more = _tested(context, found, tested)
        edits += more
    else:
        branch, end, callers = _exit(context, found)
        edits += callers
        lines += [f"{indent}if (!{name})" + _branch(branch, indent), ""]
        at = at if moved else with_comment(view, at)
    lines += [f"{indent}{text}" for text in moved]
    start = line_start(view.text, at.start_byte)
    made = "\n".join(lines) + "\n"
    edits.append(Edit(view.path, start, start, made.encode("utf-8", "surrogateescape")))
    does = f"resolves the handle for {found.device} once"
    does += ", and tests it" if tested is None else ", for its test and for what follows"
    if callers:
        does += "; its callers leave where there is none"
    return _done(found, edits, does, end)


def _placed(found: _Reads, reads: list[Edit]) -> tuple[list[Edit], list[str], Node]:
    """Return the reads' edits, what is moved behind the declarations, and the statement there.

    A variable that the handle initializes is set when the handle was resolved.
    """
    statement, view, site = found.statement, found.first.view, found.first.site
    if statement.type != "declaration":
        return reads, [], statement
    made = [c for c in statement.named_children if c.type.endswith("declarator")]
    after = following(statement)
    named = made[0].child_by_field_name("declarator") if made else None
    value = made[0].child_by_field_name("value") if made else None
    name = declarator_name(named)
    if len(made) != 1 or named is None or value is None or name is None or after is None:
        refuse(site, "the handle is read among the declarations")
    if value.type == "initializer_list" or b"const" in (statement.text or b"").split():
        refuse(site, "the handle is read among the declarations")
    between = view.text[statement.end_byte : after.start_byte]
    if re.search(rb"\b" + (name.text or b"") + rb"\b", between):
        refuse(site, f"{node_text(name)} is used among the declarations")
    inside = [e for e in reads if e.start < statement.end_byte]
    base = value.start_byte
    moved = [Edit(e.path, e.start - base, e.end - base, e.text) for e in inside]
    text = edited(view.text[base : value.end_byte], moved).decode("utf-8", "surrogateescape")
    text = re.sub(r"\s+", " ", text)
    kept = [e for e in reads if e not in inside]
    cut = Edit(view.path, named.end_byte, value.end_byte, b"")
    return [*kept, cut], [f"{node_text(name)} = {text};"], after


def _guard(found: _Reads) -> str:
    """Return `x ? ` where the statement itself tests whether there is a state."""
    statement, node = found.statement, found.first.node
    text = found.first.view.text[statement.start_byte : node.start_byte].decode("utf-8", "replace")
    if "&&" not in text and "||" not in text and "?" not in text:
        return ""
    word = re.escape(found.state)
    if re.search(rf"!\s*{word}\s*\|\||(?<![\w>.!*&]){word}\s*&&", text):
        return f"{found.state} ? "
    earlier = [
        branch
        for branch in exits_before(found.first.view, statement, found.state, "")
        if branch.start_byte < statement.start_byte
    ]
    if not earlier:
        refuse(found.first.site, f"whether there is a state ({found.state}) is not known there")
    return ""


def _tested(context: Context, found: _Reads, node: Node) -> tuple[End, list[Edit]]:
    """Return what becomes of the packet where the driver's own test finds 0, and what mends it."""
    one = found.first
    branch = taken(node, "0")
    if branch is None or not leaves(branch):
        place = one.view.place(node.start_byte)
        return End(False, "", place, "the test of the handle has no exit"), []
    end = context.fate.of(one.view, one.site.function, branch)
    if not is_busy(end):
        return end, []
    edit, end = _instead_of_busy(found, branch)
    return end, [edit]


def _instead_of_busy(found: _Reads, branch: Node) -> tuple[Edit, End]:
    """Return a drop in place of NETDEV_TX_BUSY, which queues the packet again for ever."""
    one, view = found.first, found.first.view
    leaving = [n for n in below(branch) if n.type == "return_statement"]
    if len(kept_of(branch)) != 1 or len(leaving) != 1:
        refuse(one.site, "a handle of 0 makes the packet be queued again for ever")
    for label, target in labels(view):
        end = end_of(view, target)
        if end.ended and not end.why and not is_busy(end) and not _undoes(target):
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


def _undoes(label: Node) -> bool:
    """Tell whether more is undone behind a label than that the packet is freed."""
    at: Node | None = label
    while at is not None:
        calls = [one for one in below(at) if one.type == "call_expression"]
        if any(takes(call) for call in calls):
            return True
        at = at.next_named_sibling
    return False


def _exit(context: Context, found: _Reads) -> tuple[list[Node], End, list[Edit]]:
    """Return the exit that the function takes where it has no state, or a bad index."""
    one = found.first
    why = "the function has no exit for a packet without a state, or with a bad index"
    for branch in exits_before(one.view, found.statement, found.state, _changed(found.statement)):
        kept = kept_of(branch)
        if not is_same_to_leave(one.view, branch, found.statement):
            line = one.view.place(branch.start_byte).line
            why = f"what has to be undone here need not be what was in line {line}"
            continue
        end = context.fate.of(one.view, one.site.function, kept[0])
        if end.ended and not end.why and not is_busy(end):
            return kept, end, []
        more = tests_in_callers(context.fate, one.view, one.site.function, kept[0])
        if more:
            return kept, end._replace(ended=True, why=""), more
        line = one.view.place(branch.start_byte).line
        path, at, _ = end.place
        what = "the packet is queued again for ever" if is_busy(end) else end.why
        why = f"leaving as in line {line} is no end of the packet: {what} ({path}:{at})"
    refuse(one.site, why)


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


def _branch(kept: Sequence[Node], indent: str) -> str:
    lines = [f"{indent}\t{node_text(one)}" for one in kept]
    if len(lines) == 1:
        return "\n" + lines[0]
    return " {\n" + "\n".join(lines) + f"\n{indent}}}"


def _done(found: _Reads, edits: list[Edit], does: str, end: End) -> Converted:
    one = found.first
    name = one.site.function.name
    ends = end.ended and not end.why
    why = end.why or "the packet is not freed"
    left = None if ends else Reason(end.place.path, end.place.line, f"{name}(): {why}")
    if found.handed:
        does += ", which its callers hand down"
    return Converted(name, found.device, (*edits, *found.handed), f"{name}() {does}", ends, left)
