"""How a function leaves, as it is written.

An exit is a statement, or several, that ends in a return or a goto. Read off the syntax: what is
not written straight on is not known, and so no exit.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, called_by, outermost
from xfrmlint.c.jumps import LEAVING, last_in
from xfrmlint.c.unit import Place, below, declarator_name, node_text
from xfrmlint.c.view import View
from xfrmlint.contract.words import PACKET
from xfrmlint.convert.written import is_hint, statement_of, without_parentheses
from xfrmlint.kernel.functions import function_named

_DROPS = re.compile(r"^(__)?(dev_)?kfree_skb(_\w+)?$|^xdp_return_frame\w*$")
# As a driver frees what it has sent.
_CONSUMES = re.compile(r"^(__)?(dev_|napi_)?consume_skb(_\w+)?$")
# What stands on an exit that is not meant to be taken: it ends more than the packet.
_HALTS = re.compile(
    r"stop|disable|reset|_off$|panic|BUG|schedule_|queue_work|shutdown|_down$|timeout"
)
# On the way to a drop: what counts, and what undoes.
_HARMLESS = re.compile(
    r"stat|count|err|drop|_inc|_add$|u64_|per_cpu|this_cpu|unlikely|likely|WARN|_once|ratelimit"
    r"|unlock|unmap|undo|cancel|abort|_put|_free|free_|^kfree|release|local_|rcu_|_end|_restore"
    r"|_enable|trace_"
)
_ZERO = re.compile(r"^(0[UuLl]*|false|NULL)$")
_BUSY = re.compile(r"^NETDEV_TX_BUSY$")
_NEGATIVE = re.compile(r"^-\s*[E\d]\w*$")
_TRUE = re.compile(r"^(true|[1-9]\d*)$")


class End(NamedTuple):
    """How a packet ends. ended: it is freed. value: what is returned. why: what is not known."""

    ended: bool
    value: str
    place: Place
    why: str = ""


def leaves(statement: Node | None) -> bool:
    """Tell whether a statement, or the last one of a block, is a return or a goto."""
    return last_in(statement) in LEAVING


def end_of(view: View, first: Node, ended: bool = False) -> End:
    """Follow the statements from one on to the function's end."""
    at: Node | None = first
    seen: set[int] = set()
    passed_by: list[Node] = []
    while at is not None:
        place = view.place(at.start_byte)
        if at.id in seen:
            return End(ended, "", place, "it comes back to where it was")
        seen.add(at.id)
        if at.type == "return_statement":
            value = without_parentheses(at.named_children[0]) if at.named_child_count else None
            return End(ended, node_text(value) if value is not None else "", place)
        if at.type == "goto_statement":
            at = label_of(view, node_text(at.named_children[0]))
            continue
        if at.type in ("compound_statement", "labeled_statement"):
            inside = [
                c for c in at.named_children if c.type not in ("comment", "statement_identifier")
            ]
            at = inside[0] if inside else next_of(at)
            continue
        if at.type == "expression_statement":
            passed_by.append(at)
            halts = next((name for name in _callees(at) if _HALTS.search(name)), "")
            if halts:
                return End(False, "", place, f"{halts}() ends more than the packet")
            if not ended and frees(at):
                why = _sends(passed_by)
                if why:
                    return End(False, "", place, f"the packet may have been sent: {why}")
                ended = True
        elif any(one.type in LEAVING for one in below(at)):
            if ended:
                return End(True, "", place, "what is returned is not known")
            return End(False, "", place, "it is not written straight on")
        at = next_of(at)
    return End(ended, "", view.place(first.start_byte))


def is_jumped_past(view: View, statement: Node, end: int) -> bool:
    """Tell whether a goto before a statement leads behind it, to a label before an offset."""
    for node in below(view.node):
        if node.type == "goto_statement" and node.start_byte < statement.start_byte:
            target = label_of(view, node_text(node.named_children[0]))
            if target is not None and statement.start_byte < target.start_byte < end:
                return True
    return False


def names_on(view: View, first: Node) -> set[str]:
    """Return the variables that stand in the statements from one on to the function's end."""
    found: set[str] = set()
    seen: set[int] = set()
    at: Node | None = first
    while at is not None and at.id not in seen:
        seen.add(at.id)
        if at.type == "goto_statement":
            at = label_of(view, node_text(at.named_children[0]))
            continue
        found |= {node_text(one) for one in below(at) if one.type == "identifier"}
        if at.type == "return_statement":
            break
        jumps = [one for one in below(at) if one.type == "goto_statement"]
        at = jumps[0] if at.type == "compound_statement" and jumps else next_of(at)
    return found


def frees(statement: Node) -> bool:
    """Tell whether a statement frees a packet."""
    return any(_DROPS.match(name) or _CONSUMES.match(name) for name in _callees(statement))


def _sends(statements: Sequence[Node]) -> str:
    """Return what may send a packet before the last statement frees it; empty if nothing does.

    A device that copies what it sends has it freed at once.
    """
    words = {
        node_text(word)
        for one in below(statements[-1])
        if one.type == "argument_list"
        for word in below(one)
        if word.type == "identifier"
    }
    for call in (one for statement in statements for one in below(statement)):
        if call.type != "call_expression":
            continue
        name = called_by(call)
        if _CONSUMES.match(name):
            return f"{name}() frees what was sent"
        if _DROPS.match(name) or _HARMLESS.search(name) or function_named(name).is_("prints"):
            continue
        given = (n for one in arguments_of(call) for n in below(one))
        if any(n.type == "identifier" and node_text(n) in words for n in given):
            return f"what {name}() does is not known"
    return ""


def _callees(statement: Node) -> Iterator[str]:
    for one in below(statement):
        if one.type == "call_expression":
            yield called_by(one)


def label_of(view: View, name: str) -> Node | None:
    """Return the statement behind a label."""
    return next((node for label, node in labels(view) if label == name), None)


def labels(view: View) -> Iterator[tuple[str, Node]]:
    """Yield a function's labels, with the statements that they stand before."""
    for node in below(view.node):
        name = node.child_by_field_name("label") if node.type == "labeled_statement" else None
        if name is not None:
            yield node_text(name), node


def next_of(node: Node) -> Node | None:
    """Return the statement that follows, outside of what it is the last one of if need be."""
    while node.type != "function_definition":
        after = node.next_named_sibling
        parent = node.parent
        if parent is None:
            return None
        within = parent.type in ("compound_statement", "labeled_statement", "preproc_ifdef")
        while after is not None and after.type == "comment":
            after = after.next_named_sibling
        if within and after is not None and not after.type.startswith("#"):
            return after
        if parent.type in ("for_statement", "while_statement", "do_statement", "case_statement"):
            return None
        node = parent
    return None


def taken(call: Node, value: str) -> Node | None:
    """Return the branch that is taken for sure if an expression has a value."""
    found = _decided(call, value)
    if found is None or not found[1]:
        return None
    return found[0].child_by_field_name("consequence")


def passed(call: Node, value: str) -> Node | None:
    """Return what is gone on with if a test is known not to hold; None where it is not known."""
    found = _decided(call, value)
    if found is None or found[1]:
        return None
    other = found[0].child_by_field_name("alternative")
    inside = other.named_children if other is not None else []
    return inside[0] if inside else next_of(found[0])


def _decided(call: Node, value: str) -> tuple[Node, bool] | None:
    """Return the `if` that an expression's value decides, and whether its condition holds."""
    holds = _truth(value)
    if holds is None:
        return None
    node, now = call, holds
    parent = node.parent
    while parent is not None:
        if parent.type == "argument_list" and parent.parent is not None and is_hint(parent.parent):
            node = parent.parent
        elif parent.type in ("parenthesized_expression", "cast_expression"):
            node = parent
        elif parent.type == "unary_expression" and node_text(parent).startswith("!"):
            node, now = parent, not now
        elif parent.type == "binary_expression":
            result = _compared(parent, node, value, now)
            if result is None:
                return None
            node, now = parent, result
        else:
            break
        parent = node.parent
    if parent is None or parent.type != "if_statement":
        return _assigned(call, value)
    return parent, now


def _compared(binary: Node, operand: Node, value: str, now: bool) -> bool | None:
    """Return what a binary expression is if one operand of it is known."""
    sign = node_text(binary.child_by_field_name("operator") or binary)
    left = binary.child_by_field_name("left")
    right = binary.child_by_field_name("right")
    is_right = right is not None and right.id == operand.id
    if sign == "||":
        return True if now else None
    if sign == "&&":
        # The call was made, so what stands before it holds.
        return now if is_right or not now else None
    other = left if is_right else right
    if sign in ("==", "!=") and other is not None and _ZERO.match(node_text(other)):
        return now == (sign == "!=")
    if sign == "<" and left is not None and left.id == operand.id and right is not None:
        return bool(_NEGATIVE.match(value)) if node_text(right) == "0" else None
    return None


def _assigned(call: Node, value: str) -> tuple[Node, bool] | None:
    """Return what is decided by the test that follows `ret = f();` at once."""
    parent = outermost(call).parent
    if parent is None or parent.type not in ("assignment_expression", "init_declarator"):
        return None
    left = parent.child_by_field_name("left") or declarator_name(
        parent.child_by_field_name("declarator")
    )
    statement = statement_of(parent)
    after = following(statement)
    if left is None or left.type != "identifier" or after is None or after.type != "if_statement":
        return None
    if statement.type not in ("expression_statement", "declaration"):
        return None
    tested = [
        one
        for one in below(after.child_by_field_name("condition") or after)
        if one.type == "identifier" and node_text(one) == node_text(left)
    ]
    return _decided(tested[0], value) if len(tested) == 1 else None


def _truth(value: str) -> bool | None:
    if _ZERO.match(value):
        return False
    if _NEGATIVE.match(value) or _TRUE.match(value):
        return True
    return None


def is_busy(end: End) -> bool:
    """Tell whether an exit asks for the packet to be sent again."""
    return bool(_BUSY.match(end.value))


def exits_before(view: View, statement: Node, state: str, changed: str) -> Iterator[Node]:
    """Yield the branches by which a function leaves where there is no state, or a bad index.

    state: the expression that is tested; changed: what the statement makes of the handle, that a
    later statement tests.
    """
    for one in _ifs_around(statement):
        condition = one.child_by_field_name("condition")
        consequence = one.child_by_field_name("consequence")
        if condition is None or not leaves(consequence) or consequence is None:
            continue
        text = re.sub(r"\s+", " ", node_text(condition))
        if one.start_byte < statement.start_byte:
            found = _is_without(text, state)
        else:
            found = changed != "" and _ranged(text, changed)
        if found:
            yield consequence


def _is_without(condition: str, state: str) -> bool:
    word = re.escape(state)
    return re.search(rf"!\s*{word}(?![\w\->.\[])|{word} == NULL", condition) is not None


def _ranged(text: str, changed: str) -> bool:
    word = re.escape(changed)
    return re.search(rf"(?<![\w>.]){word} (>=|>) |!\s*{word}(?![\w\->.\[])", text) is not None


def _ifs_around(statement: Node) -> Sequence[Node]:
    """Return the `if` behind a statement, then those before it, the nearest first."""
    found: list[Node] = []
    at: Node | None = statement
    while at is not None and at.type != "function_definition":
        before = at.prev_named_sibling
        while before is not None:
            if before.type == "if_statement":
                found.append(before)
            before = before.prev_named_sibling
        at = at.parent
    after = following(statement)
    return [after, *found] if after is not None and after.type == "if_statement" else found


def following(statement: Node) -> Node | None:
    """Return the first statement behind one that is no declaration."""
    after = statement.next_named_sibling
    while after is not None and after.type in ("declaration", "comment"):
        after = after.next_named_sibling
    return after


def kept_of(branch: Node) -> list[Node]:
    """Return the statements of an exit without its messages, which say something else."""
    inside = branch.named_children if branch.type == "compound_statement" else [branch]
    return [one for one in inside if one.type != "comment" and not _is_message(one)]


def _is_message(statement: Node) -> bool:
    if statement.type != "expression_statement" or not statement.named_child_count:
        return False
    call = statement.named_children[0]
    return call.type == "call_expression" and function_named(called_by(call)).is_("prints")


def packet_in(view: View) -> str:
    """Return the function's packet, if it is given one."""
    found = [v for v in view.locals if v.type.base == PACKET and v.parameter >= 0]
    return found[0].name if len(found) == 1 and found[0].type.pointers == 1 else ""
