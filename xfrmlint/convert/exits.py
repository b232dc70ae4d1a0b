"""How a function leaves, as it is written.

An exit is a statement, or several, that ends in a return or a goto. Read off the syntax: what is
not written straight on is not known, and so no exit.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, assigned_in, called_by, outermost, without_casts
from xfrmlint.c.jumps import LEAVING, last_in
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below, declarator_name
from xfrmlint.c.view import View
from xfrmlint.convert.effects import Effects, packets_in
from xfrmlint.convert.written import statement_of, without_parentheses
from xfrmlint.kernel.functions import function_named

_ZERO = re.compile(r"^(0[UuLl]*|false|NULL)$")
_NEGATIVE = re.compile(r"^-\s*[E\d]\w*$")
_ERROR = re.compile(r"^ERR_PTR\(\s*-\s*E\w+\s*\)$")
# Two names of a number (include/uapi/asm-generic/errno.h).
_TWINS = {"-EWOULDBLOCK", "-EDEADLOCK"}
_IS_ERROR = "IS_ERR"
_BLOCKS = ("compound_statement", "labeled_statement", "case_statement", "preproc_ifdef")
_TRUE = re.compile(r"^(true|[1-9]\d*)$")
_NO_STATEMENTS = ("comment", "statement_identifier")


def leaves(statement: Node | None) -> bool:
    """Tell whether a statement, or the last one of a block, is a return or a goto."""
    return last_in(statement) in LEAVING


def is_jumped_past(view: View, statement: Node, end: int) -> bool:
    """Tell whether a goto before a statement leads behind it, to a label before an offset."""
    for node in below(view.node):
        if node.type == "goto_statement" and node.start_byte < statement.start_byte:
            target = label_of(view, node_text(node.named_children[0]))
            if target is not None and statement.start_byte < target.start_byte < end:
                return True
    return False


def statements_on(view: View, first: Node) -> Iterator[Node]:
    """Yield the statements from one on to the function's end, as they are done one by one.

    Each of a block, and those that a goto leads to; what an `if` or a loop holds is one with it.
    """
    seen: set[int] = set()
    at: Node | None = first
    while at is not None and at.id not in seen:
        seen.add(at.id)
        if at.type == "goto_statement":
            at = label_of(view, node_text(at.named_children[0]))
        elif at.type in ("compound_statement", "labeled_statement"):
            inside = (c for c in at.named_children if c.type not in _NO_STATEMENTS)
            at = next(inside, None) or next_of(at)
        else:
            yield at
            at = next_of(at) if at.type != "return_statement" else None


def names_on(view: View, first: Node) -> set[str]:
    """Return the variables that stand in the statements from one on to the function's end."""
    return names_in(*statements_on(view, first))


def names_in(*nodes: Node) -> set[str]:
    """Return the variables and functions that pieces of a function name."""
    return {node_text(n) for one in nodes for n in below(one) if n.type == "identifier"}


def label_of(view: View, name: str) -> Node | None:
    """Return the statement behind a label."""
    return next((node for label, node in labels(view) if label == name), None)


def is_always_there(reader: Reader, view: View, kept: Sequence[Node]) -> bool:
    """Tell whether an exit stands in no #if that its function does not stand in, with its label."""
    unit = reader.corpus.unit(view.path)
    here = unit.condition(view.node.start_byte)
    jumps = [n for one in kept for n in below(one) if n.type == "goto_statement"]
    labels_ = [label_of(view, node_text(jump.named_children[0])) for jump in jumps]
    nodes = [*kept, *(label for label in labels_ if label is not None)]
    return all(unit.condition(node.start_byte) == here for node in nodes)


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
        within = parent.type in _BLOCKS
        while after is not None and after.type == "comment":
            after = after.next_named_sibling
        if within and after is not None and not after.type.startswith("#"):
            return after
        if parent.type in ("for_statement", "while_statement", "do_statement", "case_statement"):
            return None
        node = parent
    return None


def taken(node: Node, value: str) -> Node | None:
    """Return the branch that is taken for sure if an expression has a value."""
    asked = _asked_of(node)
    holds = _holds(asked, node, variable_of(node), value)
    return asked.child_by_field_name("consequence") if asked is not None and holds else None


def gone_on_with(call: Node, value: str) -> Node | None:
    """Return the statement that a caller is known to come to if an expression has a value.

    None where that hangs on more than the value.
    """
    statement, name, after = statement_of(call), variable_of(call), _asked_of(call)
    if after is None and statement.type == "expression_statement":
        if statement.named_children[:1] == [outermost(call)]:
            # Nobody looks at it.
            return next_of(statement)
    if after is None:
        after = following(statement) if name else None
    while after is not None and after.type == "if_statement":
        holds = _holds(after, call, name, value)
        if holds is None:
            return None
        branch = after.child_by_field_name("consequence" if holds else "alternative")
        if holds or branch is not None:
            inside = branch.named_children if branch is not None and not holds else [branch]
            return inside[0] if inside else None
        after = next_of(after)
    return after if after is None or after.type != "switch_statement" else None


def _asked_of(node: Node) -> Node | None:
    """Return the `if` that asks an expression; else the one behind the statement that keeps it."""
    inner, up = node, node.parent
    while up is not None and not up.type.endswith(("_statement", "declaration")):
        inner, up = up, up.parent
    if up is None or up.type == "if_statement":
        return up if up is not None and up.child_by_field_name("condition") == inner else None
    after = following(up) if variable_of(node) and inner.parent == statement_of(node) else None
    return after if after is not None and after.type == "if_statement" else None


def variable_of(call: Node) -> str:
    """Return the variable that an expression is assigned to, and nothing else."""
    parent = outermost(call).parent
    if parent is None or parent.type not in ("assignment_expression", "init_declarator"):
        return ""
    made = assigned_in(parent)
    left = made.target if made else declarator_name(parent.child_by_field_name("declarator"))
    plain = left is not None and left.type == "identifier" and (made is None or made.sign == "=")
    return node_text(left) if left is not None and plain else ""


def _holds(asked: Node | None, node: Node, name: str, value: str) -> bool | None:
    """Tell whether a condition holds where an expression, which a variable keeps, has a value.

    asked: an expression, or an `if`. None if it is not known.
    """
    if asked is not None and asked.type == "if_statement":
        asked = asked.child_by_field_name("condition")
    bare = without_parentheses(asked)
    if bare is None:
        return None
    one = without_casts(bare)
    if _is_it(one, node, name):
        return _truth(value)
    if one.type == "unary_expression" and node_text(one).startswith("!"):
        inner = _holds(one.named_children[-1], node, name, value)
        return None if inner is None else not inner
    if one.type == "call_expression":
        return _is_error(one, node, name, value)
    left, right = one.child_by_field_name("left"), one.child_by_field_name("right")
    if one.type != "binary_expression" or left is None or right is None:
        return None
    sign = node_text(one.child_by_field_name("operator") or one)
    if sign in ("&&", "||"):
        sides = [_holds(side, node, name, value) for side in (left, right)]
        if node.type != "identifier" and right.start_byte <= node.start_byte < right.end_byte:
            # It is asked: so what stands before it did not decide.
            sides[0] = sign == "&&"
        if (sign == "||") in sides:
            return sign == "||"
        return None if None in sides else sign == "&&"
    if _is_it(without_casts(left), node, name):
        return _compared(value, sign, node_text(right))
    mirrored = _is_it(without_casts(right), node, name) and sign in ("==", "!=")
    return _compared(value, sign, node_text(left)) if mirrored else None


def _is_it(one: Node, node: Node, name: str) -> bool:
    return one == node or (name != "" and node_text(one) == name)


def _is_error(call: Node, node: Node, name: str, value: str) -> bool | None:
    """Tell whether IS_ERR() or IS_ERR_OR_NULL() holds for a value: by how that is written."""
    asks_null = function_named(called_by(call)).is_("error_too")
    if not (asks_null or called_by(call) == _IS_ERROR):
        return None
    if not any(_is_it(one, node, name) for one in arguments_of(call)):
        return None
    if _ERROR.match(value):
        return True
    return asks_null if _truth(value) is False else None


def _compared(value: str, sign: str, other: str) -> bool | None:
    """Tell whether a constant compares to another as it is asked."""
    if sign in ("==", "!="):
        same = _same(value, other)
        return None if same is None else same == (sign == "==")
    side = _side_of(value)
    if other == "0" and sign in ("<", ">=") and side is not None:
        return (side < 0) == (sign == "<")
    return None


def _same(value: str, other: str) -> bool | None:
    """Tell whether two constants are the same number."""
    sides = [_side_of(value), _side_of(other)]
    if None in sides or sides[0] != sides[1]:
        return None if None in sides else False
    names = [re.sub(r"\s", "", one) for one in (value, other)]
    if all(_NEGATIVE.match(one) for one in names) and not set(names) & _TWINS:
        return names[0] == names[1]
    return True if sides[0] == 0 else None


def _side_of(value: str) -> int | None:
    """Return -1, 0 or 1 for a constant below 0, 0 itself, or one above; None if it is not known."""
    known = ((_ZERO, 0), (_NEGATIVE, -1), (_ERROR, -1), (_TRUE, 1))
    return next((side for form, side in known if form.match(value)), None)


def _truth(value: str) -> bool | None:
    side = _side_of(value)
    return None if side is None else side != 0


def exits_of(view: View) -> Iterator[Node]:
    """Yield the branches by which a function leaves."""
    return (one for one in map(_exit_in, below(view.node)) if one is not None)


def _exit_in(node: Node) -> Node | None:
    """Return the branch of an `if` by which a function leaves."""
    branch = node.child_by_field_name("consequence") if node.type == "if_statement" else None
    return branch if leaves(branch) else None


class Exit(NamedTuple):
    """A branch that leaves. other: not for that there is no state, or a bad index."""

    branch: Node
    other: bool


def exits_around(statement: Node, state: str, changed: str) -> list[Exit]:
    """Return the exits around a statement, first those for no state, or a bad index.

    state: the expression that is tested; changed: what the statement makes of the handle, that a
    later statement tests.
    """
    found = []
    for one in _ifs_around(statement):
        condition, branch = one.child_by_field_name("condition"), _exit_in(one)
        if condition is None or branch is None:
            continue
        text = re.sub(r"\s+", " ", node_text(condition))
        if one.start_byte < statement.start_byte:
            found.append(Exit(branch, not _is_without(text, state)))
        else:
            found.append(Exit(branch, changed == "" or not _ranged(text, changed)))
    return sorted(found, key=lambda one: one.other)


def _is_without(condition: str, state: str) -> bool:
    word = re.escape(state)
    return re.search(rf"!\s*{word}(?![\w\->.\[])|{word} == NULL", condition) is not None


def _ranged(text: str, changed: str) -> bool:
    word = re.escape(changed)
    return re.search(rf"(?<![\w>.]){word} (>=|>) |!\s*{word}(?![\w\->.\[])", text) is not None


def _ifs_around(statement: Node) -> Sequence[Node]:
    """Return the `if` behind a statement, those before it, the nearest first, then later ones."""
    found: list[Node] = []
    at: Node | None = statement
    while at is not None and at.type != "function_definition":
        before = at.prev_named_sibling
        while before is not None:
            if before.type == "if_statement":
                found.append(before)
            before = before.prev_named_sibling
        at = at.parent
    later: list[Node] = []
    after = following(statement)
    while after is not None:
        if after.type == "if_statement":
            later.append(after)
        after = following(after)
    is_next = bool(later) and later[0] == following(statement)
    return [*later[:is_next], *found, *later[is_next:]]


def following(statement: Node) -> Node | None:
    """Return the first statement behind one that is no declaration."""
    after = statement.next_named_sibling
    while after is not None and after.type in ("declaration", "comment"):
        after = after.next_named_sibling
    return after


def kept_of(effects: Effects, view: View, branch: Node) -> list[Node]:
    """Return the statements of an exit without its messages, which say something else."""
    inside = branch.named_children if branch.type == "compound_statement" else [branch]
    return [one for one in inside if one.type != "comment" and not _is_message(effects, view, one)]


def _is_message(effects: Effects, view: View, statement: Node) -> bool:
    if statement.type != "expression_statement" or not statement.named_child_count:
        return False
    call = statement.named_children[0]
    prints = call.type == "call_expression" and function_named(called_by(call)).is_("prints")
    return prints and effects.words(view, call) <= {"nothing"}


def packet_in(view: View) -> str:
    """Return the function's packet, if it is given one."""
    found = [local for local in view.locals if local.name in packets_in(view)]
    return found[0].name if len(found) == 1 and found[0].type.pointers == 1 else ""
