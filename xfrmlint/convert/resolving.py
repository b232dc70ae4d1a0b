"""One function: each read of the shared handle becomes one call of the resolver."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import around, outermost
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below, declarator_name
from xfrmlint.convert.earlier import (
    Earlier,
    Spot,
    asked_earlier,
    guards_to,
    is_pointed_to,
    is_set_between,
)
from xfrmlint.convert.edits import Edit, Reason, Refused, edited
from xfrmlint.convert.ends import End
from xfrmlint.convert.exits import exits_around, following, is_jumped_past, taken, variable_of
from xfrmlint.convert.fate import Context
from xfrmlint.convert.handing import device_at
from xfrmlint.convert.layout import called, declared, free_name, line_start, with_comment
from xfrmlint.convert.leaving import Leaving, branch_of
from xfrmlint.convert.leftover import left_over
from xfrmlint.convert.tested import exit_of, is_decided, tested_by
from xfrmlint.convert.through import callback_about_field
from xfrmlint.convert.written import (
    Reads,
    Written,
    indent_of,
    is_alone,
    is_hint,
    refuse,
    stands_in_branch,
    statement_of,
)

_NAMES = ("handle", "lower_handle", "sa_handle", "xfrm_handle")
# What may stand around a value that is tested.
_AROUND = ("parenthesized_expression", "argument_list", "call_expression")
_LOOPS = ("for_statement", "while_statement", "do_statement", "switch_statement")


class Converted(NamedTuple):
    """A function's edits. does: what they do, in words.

    left: why a packet that has no handle does not end there; None if it does.
    """

    function: str
    device: str
    edits: tuple[Edit, ...]
    does: str
    left: Reason | None


def converted(context: Context, reads: Sequence[Written]) -> Converted:
    """Convert one function. reads: all of it, of the datapath. Raises Refused."""
    ordered = sorted(reads, key=lambda one: one.node.start_byte)
    first = ordered[0]
    state = node_text(first.state)
    _refuse_control(context, first)
    _refuse_forms(ordered, state)
    if _is_const(first, state):
        refuse(first.site, f"{state} is const, and the resolver takes a state that is not")
    try:
        return _where_it_is_read(context, ordered, state)
    except Refused as refused:
        found = Reads(tuple(ordered), statement_of(first.node), state, "", ())
        earlier = asked_earlier(context, found)
        if earlier is None:
            raise refused
        return _in_front(context, found, earlier)


def _where_it_is_read(context: Context, ordered: Sequence[Written], state: str) -> Converted:
    """Convert a function at the statement that reads the handle first. Raises Refused."""
    first = ordered[0]
    statement = statement_of(first.node)
    _refuse_place(ordered, statement, state)
    _refuse_others(context, ordered, statement, state)
    device, why = device_at(context, first, statement.start_byte)
    if device is None:
        refuse(first.site, why)
    found = Reads(tuple(ordered), statement, state, device.name, device.edits)
    if len(ordered) == 1 and first.is_handle and (_is_test(first.node) or _is_returned(first)):
        return _in_place(context, found)
    if len(ordered) == 1 and first.is_handle and _tested_variable(found) is not None:
        return _in_variable(context, found)
    return _in_local(context, found)


def _refuse_control(context: Context, first: Written) -> None:
    """What add and delete are about is the field itself."""
    callback = callback_about_field(context, first.site.reached)
    if callback:
        refuse(first.site, f"packets reach it, and {callback}, too, which is about the field")


def _refuse_forms(reads: Sequence[Written], state: str) -> None:
    for one in reads:
        if one.site.access != "read":
            refuse(one.site, f"xso.{one.site.field} is written on the datapath")
        if _is_pointed_to(one.node):
            refuse(one.site, f"the address of xso.{one.site.field} is taken: who keeps it?")
        if node_text(one.state) != state:
            refuse(one.site, "the handles of two states are read")


def _refuse_place(reads: Sequence[Written], statement: Node, state: str) -> None:
    first, block = reads[0], statement.parent
    for one in reads:
        if block is None or not block.start_byte <= one.node.start_byte < block.end_byte:
            line = first.site.place.line
            refuse(one.site, f"the handle is read in another block than in line {line}")
    if is_alone(statement, first.node) or statement.type in _LOOPS:
        refuse(
            first.site,
            "the handle is read where no statement can be put before it; it needs a line of its "
            "own, in braces, where the packet can be dropped",
        )
    words = set(re.findall(r"[A-Za-z_]\w*", state))
    last = reads[-1].node.end_byte
    if statement.type == "labeled_statement" or is_jumped_past(first.view, statement, last):
        refuse(first.site, "a jump leads past the place where the handle would be resolved")
    for word in words:
        for value in first.view.assignments(word):
            if statement.start_byte <= value.start_byte <= last:
                refuse(first.site, f"{word} is set anew between the reads of the handle")


def _refuse_others(context: Context, reads: Sequence[Written], statement: Node, state: str) -> None:
    """Several reads are asked for once: each has to be of the same state."""
    first, between = reads[0], range(statement.start_byte, reads[-1].node.start_byte)
    reader, effects = context.devices.reader, context.fate.effects
    if len(reads) > 1 and is_set_between(reader, effects, first.view, between, state):
        refuse(first.site, f"{state} may be another state at a later read of the handle")


def _is_const(one: Written, name: str) -> bool:
    head = one.view.text[one.view.node.start_byte : one.node.start_byte]
    word = re.escape(name.encode("utf-8", "surrogateescape"))
    return re.search(rb"\bconst\s+struct\s+\w+\s*\*\s*" + word + rb"\b", head) is not None


def _is_pointed_to(node: Node) -> bool:
    """Tell whether an access is what & is put before, or what sizeof() is asked of."""
    measured = around(node.parent, "sizeof_expression", "call_expression", "expression_statement")
    return is_pointed_to(node) or (measured is not None and measured.type == "sizeof_expression")


def _is_test(node: Node) -> bool:
    """Tell whether a read asks only whether there is a handle."""
    parent = node.parent
    while parent is not None and parent.type in _AROUND:
        if parent.type == "call_expression" and not is_hint(parent):
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
    up = outermost(one.span).parent
    return up is not None and up.type == "return_statement"


def _in_place(context: Context, found: Reads) -> Converted:
    """Convert a single test, or what is returned: the resolver is asked where it stands."""
    one = found.first
    node, edit = one.span, _asked(context, found)
    if _is_returned(one):
        place = one.view.place(node.start_byte)
        end = context.fate.of_value(one.view, "NULL", place)
        return _done(found, [edit], f"returns what the resolver has for {found.device}", end)
    end, more = tested_by(context, found, one.node)
    return _done(found, [edit, *more], f"tests what the resolver has for {found.device}", end)


def _asked(context: Context, found: Reads) -> Edit:
    """Return the edit that asks the resolver where the first read stands."""
    one = found.first
    node = one.span
    start = line_start(one.view.text, node.start_byte)
    before = one.view.text[start : node.start_byte].decode("utf-8", "surrogateescape")
    contract = context.contract
    arguments = contract.arguments(found.state, found.device)
    text = called(f"{before}{one.before}", contract.asks, arguments, one.after)
    made = text.removeprefix(before).encode("utf-8", "surrogateescape")
    return Edit(one.path, node.start_byte, node.end_byte, made)


def _tested_variable(found: Reads) -> Node | None:
    """Return where the next statement tests a variable that does nothing but keep the handle."""
    statement, name = found.statement, variable_of(found.first.span)
    after, kept = following(statement), outermost(found.first.span).parent
    if not name or kept is None or kept.parent != statement:
        return None
    if len(statement.children_by_field_name("declarator")) > 1:
        return None
    if after is None or after.type != "if_statement":
        return None
    for one in below(after.child_by_field_name("condition") or after):
        if one.type == "identifier" and node_text(one) == name and taken(one, "0") is not None:
            return one
    return None


def _in_variable(context: Context, found: Reads) -> Converted:
    """Convert a read whose variable is tested next: the resolver is asked where it stands."""
    one = found.first
    tested = _tested_variable(found)
    if tested is None:
        refuse(one.site, "the test of the handle was not found")
    end, more = tested_by(context, found, tested)
    does = f"resolves the handle for {found.device} once, for its test and for what follows"
    asked = _asked(context, found)
    if found.statement.type != "declaration" or b"\n" not in asked.text:
        return _done(found, [asked, *more], does, end)
    # Too long for a declaration.
    edits, moved, at = _placed(found, [asked._replace(text=re.sub(rb"\s+", b" ", asked.text))])
    indent = indent_of(one.view, at).decode()
    made = "".join(f"{indent}{text}\n" for text in moved).encode("utf-8", "surrogateescape")
    start = line_start(one.view.text, at.start_byte)
    return _done(found, [*edits, Edit(one.path, start, start, made), *more], does, end)


def _in_local(context: Context, found: Reads) -> Converted:
    """Convert several reads, or a value that is used: one local, resolved and tested once."""
    one, first = found.first, found.first.node
    if stands_in_branch(context.devices.reader, one.view, first):
        refuse(one.site, "the handle is read in a branch of an #if of its function")
    is_declaration = found.statement.type == "declaration"
    after = following(found.statement) if is_declaration else None
    spot = Spot(after or found.statement, (), 0, moved=is_declaration)
    made = _Made(context, found, spot)
    guard = _guard(found)
    tested = next((r.node for r in found.reads if r.is_handle and is_decided(r.node)), None)
    if tested is not None and statement_of(tested).id != found.statement.id:
        tested = None
    if tested is None:
        if _is_test(first) or guard or guards_to(first, found.statement) != []:
            refuse(one.site, "the handle is read for some of the packets that come to the test")
        earlier = Earlier(spot, (), found, exit_of(context, found))
        return _in_front(context, found, earlier)
    does = f"resolves the handle for {found.device} once, for its test and for what follows"
    end, more = tested_by(context, found, tested)
    lines = [made.asked(made.indent, guard)]
    return _done(found, [*made.edits("", lines), *more], does, end)


class _Made:
    """A local that takes the place of reads, with its value, set in front of a statement."""

    def __init__(self, context: Context, found: Reads, spot: Spot) -> None:
        self.contract, self.found = context.contract, found
        self.view = found.first.view
        self.name = free_name(self.view, _NAMES)
        if not self.name:
            refuse(found.first.site, "no name for the handle is free")
        reads = [
            Edit(one.path, one.span.start_byte, one.span.end_byte, one.made_of(self.name))
            for one in found.reads
        ]
        self.reads, self.moved, self.at = reads, list[str](), spot.at
        if spot.moved:
            self.reads, self.moved, self.at = _placed(found, reads)
        self.indent = indent_of(self.view, self.at).decode()

    def asked(self, indent: str, guard: str = "") -> str:
        """Return the assignment of what the resolver has."""
        arguments = self.contract.arguments(self.found.state, self.found.device)
        before, after = f"{indent}{self.name} = {guard}", " : 0;" if guard else ";"
        return called(before, self.contract.asks, arguments, after)

    def edits(self, value: str, lines: Sequence[str], more: Sequence[Edit] = ()) -> list[Edit]:
        """Return the edits that put lines in front of the statement. value: the local's first."""
        start = line_start(self.view.text, self.at.start_byte)
        moved = [f"{self.indent}{text}" for text in self.moved]
        made = "\n".join([*lines, *moved, ""]).encode("utf-8", "surrogateescape")
        found = [*self.reads, *more, Edit(self.view.path, start, start, made)]
        return [*found, declared(self.view, f"unsigned long {self.name}{value};", found)]


def _placed(found: Reads, reads: list[Edit]) -> tuple[list[Edit], list[str], Node]:
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
    if value.type == "initializer_list" or re.search(rb"\bconst\b", statement.text or b""):
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


def _in_front(context: Context, found: Reads, earlier: Earlier) -> Converted:
    """Convert reads whose handle is asked for where the function can leave, there or earlier."""
    view, spot, leaving = found.first.view, earlier.spot, earlier.leaving
    made = _Made(context, earlier.asked, spot)
    if not spot.moved:
        made.at = with_comment(view, made.at)
    inner = made.indent + "\t" * bool(earlier.guards)
    lines = [made.asked(inner), f"{inner}if (!{made.name})" + branch_of(leaving.kept, inner)]
    if earlier.guards:
        lines = [f"{made.indent}if ({' && '.join(earlier.guards)}) {{", *lines, f"{made.indent}}}"]
    here = spot.at.id == found.statement.id or (spot.moved and not earlier.guards)
    behind = not earlier.guards and not here and _stands_behind(made.at, leaving)
    start = line_start(view.text, made.at.start_byte)
    if behind and not view.text[:start].endswith(b"\n\n"):
        lines.insert(0, "")
    edits = made.edits(" = 0" if earlier.guards else "", [*lines, ""], leaving.edits)
    if earlier.asked.state != found.state:
        edits += left_over(view, edits, dict.fromkeys(re.findall(r"[A-Za-z_]\w*", found.state)))
    when = "" if here or behind else ", before anything is done that it had to undo"
    does = f"resolves the handle for {earlier.asked.device} once{when}, and tests it"
    if any(edit.path != view.path or not _is_within(edit, view.node) for edit in leaving.edits):
        does += "; its callers leave where there is none"
    return _done(earlier.asked, edits, does, leaving.end)


def _is_within(edit: Edit, node: Node) -> bool:
    return node.start_byte <= edit.start < node.end_byte


def _stands_behind(at: Node, leaving: Leaving) -> bool:
    """Tell whether a statement, or its comment, follows the exit that is taken."""
    before = at.prev_named_sibling
    return before is not None and leaving.branch is not None and before == leaving.branch.parent


def _guard(found: Reads) -> str:
    """Return `x ? ` where the statement itself tests whether there is a state."""
    statement, node = found.statement, found.first.node
    text = found.first.view.text[statement.start_byte : node.start_byte].decode("utf-8", "replace")
    if "&&" not in text and "||" not in text and "?" not in text:
        return ""
    word = re.escape(found.state)
    if re.search(rf"!\s*{word}\s*\|\||(?<![\w>.!*&]){word}\s*(&&|\?)", text):
        return f"{found.state} ? "
    if all(one.other for one in exits_around(statement, found.state, "")):
        refuse(found.first.site, f"whether there is a state ({found.state}) is not known there")
    return ""


def _done(found: Reads, edits: list[Edit], does: str, end: End) -> Converted:
    one = found.first
    name = one.site.function.name
    left = None
    if not end.ended or end.why:
        why = end.why or "the packet is not freed"
        left = Reason(end.place.path, end.place.line, f"{name}(): {why}")
    if found.handed:
        does += ", which its callers hand down"
    if one.alias:
        edits = [*edits, *left_over(one.view, edits, [one.alias])]
    made = (*edits, *found.handed)
    return Converted(name, found.device, made, f"{name}() {does}", left)
