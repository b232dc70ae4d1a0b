"""One function: each read of the shared handle becomes one call of the resolver."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import called_by, outermost
from xfrmlint.c.unit import below, declarator_name, node_text
from xfrmlint.c.view import View
from xfrmlint.convert.devices import device_in
from xfrmlint.convert.earlier import Earlier, asked_earlier
from xfrmlint.convert.edits import Edit, Reason, Refused, edited
from xfrmlint.convert.ends import End
from xfrmlint.convert.exits import (
    exits_before,
    following,
    is_jumped_past,
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
from xfrmlint.convert.leaving import branch_of, exit_of, is_decided, tested_by
from xfrmlint.convert.leftover import left_over
from xfrmlint.convert.reads import Context, Reads, wrong_devices
from xfrmlint.convert.same import is_pointed_to, is_set_between
from xfrmlint.convert.through import callback_about_field
from xfrmlint.convert.written import (
    Written,
    indent_of,
    is_alone,
    refuse,
    stands_in_branch,
    statement_of,
    without_parentheses,
)
from xfrmlint.kernel.functions import function_named

_NAMES = ("handle", "lower_handle", "sa_handle", "xfrm_handle")
_LOOPS = ("for_statement", "while_statement", "do_statement", "switch_statement")


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


def converted(context: Context, reads: Sequence[Written]) -> Converted:
    """Convert one function. reads: all of it, of the datapath. Raises Refused."""
    ordered = sorted(reads, key=lambda one: one.node.start_byte)
    first = ordered[0]
    state = node_text(first.state)
    _refuse_control(context, first)
    _refuse_forms(ordered, state)
    more = _not_const(first, state)
    try:
        return _where_it_is_read(context, ordered, state, more)
    except Refused as refused:
        found = Reads(tuple(ordered), statement_of(first.node), state, "", (), more)
        earlier = asked_earlier(context, found)
        if earlier is None:
            raise refused
        return _in_front(context, found, earlier)


def _where_it_is_read(
    context: Context, ordered: Sequence[Written], state: str, more: tuple[Edit, ...]
) -> Converted:
    """Convert a function at the statement that reads the handle first. Raises Refused."""
    first = ordered[0]
    statement = statement_of(first.node)
    _refuse_place(ordered, statement, state)
    _refuse_others(context, ordered, statement, state)
    before, way = statement.start_byte, first.site.reached
    wrong = wrong_devices(context, first)
    device, handed = device_in(context.devices, first.view, before, way, wrong), ()
    if device.text:
        found = Reads(tuple(ordered), statement, state, device.text, handed, more)
    else:
        down = handed_down(context.devices, context.fate, first.view, first.site.function, way)
        if down is None:
            refuse(first.site, device.why)
        found = Reads(tuple(ordered), statement, state, down.name, down.edits, more)
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


def _not_const(one: Written, state: str) -> tuple[Edit, ...]:
    """Return the edit that makes a state no const one, which the resolver does not take."""
    if not _is_const(one, state):
        return ()
    why = f"{state} is const, and the resolver takes a state that is not"
    local = one.view.local(state, one.node.start_byte)
    values = one.view.assignments(state)
    if local is None or local.parameter >= 0 or local.value is None or len(values) != 1:
        refuse(one.site, why)
    if any(is_pointed_to(name) for name in one.view.occurrences(state)):
        refuse(one.site, f"{why}; its address is taken, and who is given that may take none else")
    if not function_named(called_by(local.value)).is_("state"):
        refuse(one.site, why)
    declaration = statement_of(local.value)
    found = re.search(rb"\bconst\s+", declaration.text or b"")
    if found is None or len(declaration.children_by_field_name("declarator")) != 1:
        refuse(one.site, why)
    start = declaration.start_byte
    return (Edit(one.path, start + found.start(), start + found.end(), b""),)


def _is_const(one: Written, name: str) -> bool:
    head = one.view.text[one.view.node.start_byte : one.node.start_byte]
    word = re.escape(name.encode("utf-8", "surrogateescape"))
    return re.search(rb"\bconst\s+struct\s+\w+\s*\*\s*" + word + rb"\b", head) is not None


def _is_for_some(node: Node, statement: Node) -> bool:
    """Tell whether a statement comes to a read only if something else in it holds."""
    up = node.parent
    while up is not None and node.id != statement.id:
        if up.type == "conditional_expression":
            condition = up.child_by_field_name("condition")
            if condition is not None and condition.id != node.id:
                return True
        sign, right = up.child_by_field_name("operator"), up.child_by_field_name("right")
        if sign is not None and node_text(sign) in ("&&", "||"):
            if right is not None and right.id == node.id:
                return True
        node, up = up, up.parent
    return False


def _is_pointed_to(node: Node) -> bool:
    """Tell whether an access is what & is put before, or what sizeof() is asked of."""
    up = node.parent
    while up is not None and up.type == "parenthesized_expression":
        up = up.parent
    return up is not None and (
        up.type == "sizeof_expression"
        or (up.type == "pointer_expression" and node_text(up).startswith("&"))
    )


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
    up = outermost(one.span).parent
    return up is not None and up.type == "return_statement"


def _in_place(context: Context, found: Reads) -> Converted:
    """Convert a single test, or what is returned: the resolver is asked where it stands."""
    one = found.first
    node, edit = one.span, _asked(context, found)
    if _is_returned(one):
        place = one.view.place(node.start_byte)
        end = context.fate.of_value(one.view, one.site.function, "NULL", place)
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


def _reads_as(found: Reads, name: str) -> list[Edit]:
    """Return the edits that put a variable in place of each read."""
    return [
        Edit(one.path, one.span.start_byte, one.span.end_byte, one.made_of(name))
        for one in found.reads
    ]


def _tested_variable(found: Reads) -> Node | None:
    """Return where the next statement tests a variable that does nothing but keep the handle."""
    statement = found.statement
    after = following(statement)
    if after is None or after.type != "if_statement":
        return None
    inner = statement.named_children[0] if statement.named_child_count else None
    if statement.type == "declaration":
        made = statement.children_by_field_name("declarator")
        inner = made[0] if len(made) == 1 and made[0].type == "init_declarator" else None
    elif statement.type != "expression_statement":
        return None
    if inner is None or inner.type not in ("assignment_expression", "init_declarator"):
        return None
    sign = inner.child_by_field_name("operator")
    left = inner.child_by_field_name("left") or declarator_name(
        inner.child_by_field_name("declarator")
    )
    value = inner.child_by_field_name("right") or inner.child_by_field_name("value")
    span = found.first.span
    while value is not None and value.id != span.id:
        if value.type not in ("cast_expression", "parenthesized_expression"):
            return None
        value = value.named_children[-1]
    if left is None or left.type != "identifier" or value is None:
        return None
    if sign is not None and node_text(sign) != "=":
        return None
    for one in below(after.child_by_field_name("condition") or after):
        if one.type == "identifier" and node_text(one) == node_text(left):
            if taken(one, "0") is not None:
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
    one, view = found.first, found.first.view
    if stands_in_branch(context.devices.reader, view, one.node):
        refuse(one.site, "the handle is read in a branch of an #if of its function")
    kept, after = _kept_among_declarations(found), following(found.statement)
    if kept and after is not None:
        return _tested_local(context, found, kept, [], [_asked(context, found)], [], after)
    name = free_name(view, _NAMES)
    if not name:
        refuse(one.site, "no name for the handle is free")
    edits, moved, at = _placed(found, _reads_as(found, name))
    edits.append(declared(view, f"unsigned long {name};", edits))
    indent = indent_of(view, at).decode()
    guard = _guard(found)
    value = called(
        f"{indent}{name} = {guard}",
        context.contract.asks,
        context.contract.arguments(found.state, found.device),
        " : 0;" if guard else ";",
    )
    return _tested_local(context, found, name, [value], edits, moved, at)


def _kept_among_declarations(found: Reads) -> str:
    """Return the variable that is the handle, if others are computed from it as it is declared."""
    statement, view, span = found.statement, found.first.view, found.first.span
    made = [c for c in statement.named_children if c.type == "init_declarator"]
    after = following(statement)
    if statement.type != "declaration" or len(made) != 1 or len(found.reads) != 1 or after is None:
        return ""
    name = node_text(made[0].child_by_field_name("declarator") or made[0])
    if made[0].child_by_field_name("value") != span or not found.first.is_handle:
        return ""
    local = view.local(name, made[0].end_byte)
    if local is None or (local.type.base, local.type.pointers) != ("unsigned long", 0):
        return ""
    between = range(statement.end_byte, after.start_byte)
    is_used = any(one.start_byte in between for one in view.occurrences(name))
    return name if is_used and len(view.assignments(name)) == 1 else ""


def _tested_local(
    context: Context,
    found: Reads,
    name: str,
    lines: list[str],
    edits: list[Edit],
    moved: Sequence[str],
    at: Node,
) -> Converted:
    """Convert reads whose handle a local has: it is tested, by the driver or by what is added.

    lines: what is put before a statement already. moved: what follows the test there.
    """
    one, view = found.first, found.first.view
    indent, end = indent_of(view, at).decode(), End(True, "", view.place(0))
    does = f"resolves the handle for {found.device} once"
    tested = next((r.node for r in found.reads if r.is_handle and is_decided(r.node)), None)
    if tested is not None and statement_of(tested).id != found.statement.id:
        tested = None
    if tested is None and any(_is_test(r.node) for r in found.reads[:1]):
        end = End(False, "", view.place(one.node.start_byte), "the test of the handle has no exit")
    elif tested is not None:
        end, more = tested_by(context, found, tested)
        edits += more
        does += ", for its test and for what follows"
    elif any(_is_for_some(r.node, found.statement) for r in found.reads[:1]):
        refuse(one.site, "the handle is read for some of the packets that come to the test")
    else:
        leaving = exit_of(context, found)
        end = leaving.end
        edits += leaving.edits
        does += ", and tests it"
        if any(edit.path != view.path or not _is_within(edit, view.node) for edit in leaving.edits):
            does += "; its callers leave where there is none"
        lines += [f"{indent}if (!{name})" + branch_of(leaving.kept, indent), ""]
        if leaving.behind is not None:
            return _done(found, [*edits, _put_behind(view, leaving.behind, lines)], does, end)
        at = at if moved else with_comment(view, at)
    lines += [f"{indent}{text}" for text in moved]
    start = line_start(view.text, at.start_byte)
    made = "\n".join(lines) + "\n"
    edits.append(Edit(view.path, start, start, made.encode("utf-8", "surrogateescape")))
    return _done(found, edits, does, end)


def _is_within(edit: Edit, node: Node) -> bool:
    return node.start_byte <= edit.start < node.end_byte


def _put_behind(view: View, exit_: Node, lines: Sequence[str]) -> Edit:
    """Return the edit that puts lines behind a statement."""
    at = view.text.find(b"\n", exit_.end_byte) + 1
    blank = view.text[at : view.text.find(b"\n", at)].strip() == b""
    made = "\n".join(["", *lines[: -1 if blank else None]]) + "\n"
    return Edit(view.path, at, at, made.encode("utf-8", "surrogateescape"))


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
    """Convert reads whose handle is asked for earlier, where the function can still leave."""
    one, view = found.first, found.first.view
    name = free_name(view, _NAMES)
    if not name:
        refuse(one.site, "no name for the handle is free")
    text = f"unsigned long {name}{' = 0' if earlier.guards else ''};"
    asked = context.contract.asks, context.contract.arguments(earlier.state, earlier.device)
    at, edits, moved = earlier.spot.at, _reads_as(found, name), list[str]()
    if earlier.spot.moved:
        edits, moved, at = _placed(found, edits)
    elif earlier.spot.alone is None:
        at = with_comment(view, at)
    indent = indent_of(view, at).decode()
    inner = indent + "\t" * bool(earlier.guards)
    lines = [called(f"{inner}{name} = ", *asked, ";"), f"{inner}if (!{name})"]
    lines[-1] += branch_of(earlier.leaving.kept, inner)
    if earlier.guards:
        lines = [f"{indent}if ({' && '.join(earlier.guards)}) {{", *lines, f"{indent}}}"]
    start = line_start(view.text, at.start_byte)
    lines += ["", *(f"{indent}{text}" for text in moved)]
    made = "\n".join(lines) + "\n"
    edits += earlier.leaving.edits
    edits.append(Edit(view.path, start, start, made.encode("utf-8", "surrogateescape")))
    if earlier.spot.alone is not None:
        edits += _braces(view, earlier.spot.alone, at)
    if earlier.state != found.state:
        words = re.findall(r"[A-Za-z_]\w*", found.state)
        edits += left_over(view, edits, dict.fromkeys(words))
    edits.append(declared(view, text, edits))
    here = earlier.spot.alone is not None or earlier.spot.at.id == found.statement.id
    when = "" if here else ", before anything is done that it had to undo"
    does = f"resolves the handle for {earlier.device} once{when}, and tests it"
    if earlier.leaving.edits:
        does += "; its callers leave where there is none"
    found = replace(found, device=earlier.device, handed=earlier.handed)
    return _done(found, edits, does, earlier.end)


def _braces(view: View, around: Node, branch: Node) -> list[Edit]:
    """Return the edits that put braces around the branch of an `if`."""
    condition = around.child_by_field_name("condition") or around
    end = f"\n{indent_of(view, around).decode()}}}".encode()
    return [
        Edit(view.path, condition.end_byte, condition.end_byte, b" {"),
        Edit(view.path, branch.end_byte, branch.end_byte, end),
    ]


def _guard(found: Reads) -> str:
    """Return `x ? ` where the statement itself tests whether there is a state."""
    statement, node = found.statement, found.first.node
    text = found.first.view.text[statement.start_byte : node.start_byte].decode("utf-8", "replace")
    if "&&" not in text and "||" not in text and "?" not in text:
        return ""
    word = re.escape(found.state)
    if re.search(rf"!\s*{word}\s*\|\||(?<![\w>.!*&]){word}\s*(&&|\?)", text):
        return f"{found.state} ? "
    earlier = [
        branch
        for branch in exits_before(found.first.view, statement, found.state, "")
        if branch.start_byte < statement.start_byte
    ]
    if not earlier:
        refuse(found.first.site, f"whether there is a state ({found.state}) is not known there")
    return ""


def _done(found: Reads, edits: list[Edit], does: str, end: End) -> Converted:
    one = found.first
    name = one.site.function.name
    ends = end.ended and not end.why
    why = end.why or "the packet is not freed"
    left = None if ends else Reason(end.place.path, end.place.line, f"{name}(): {why}")
    if found.handed:
        does += ", which its callers hand down"
    if one.alias:
        edits = [*edits, *left_over(one.view, edits, [one.alias])]
    made = (*edits, *found.handed, *found.more)
    return Converted(name, found.device, made, f"{name}() {does}", ends, left)
