"""How a function leaves, as it is written.

An exit is a statement, or several, that ends in a return or a goto. Read off the syntax: what is
not written straight on is not known, and so no exit.
"""

import re
from collections.abc import Iterator, Sequence

from tree_sitter import Node

from xfrmlint.c.expression import called_by, outermost
from xfrmlint.c.jumps import LEAVING, last_in
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below, declarator_name, node_text
from xfrmlint.c.view import View
from xfrmlint.contract.words import PACKET
from xfrmlint.convert.effects import Effects
from xfrmlint.convert.written import is_hint, statement_of, without_parentheses
from xfrmlint.kernel.functions import function_named

_ZERO = re.compile(r"^(0[UuLl]*|false|NULL)$")
_NEGATIVE = re.compile(r"^-\s*[E\d]\w*$")
_ERROR = re.compile(r"^ERR_PTR\(\s*-\s*E\w+\s*\)$")
# Two names of a number (include/uapi/asm-generic/errno.h).
_TWINS = {"-EWOULDBLOCK", "-EDEADLOCK"}
_IS_ERROR = "IS_ERR"
_BLOCKS = ("compound_statement", "labeled_statement", "case_statement", "preproc_ifdef")
_TRUE = re.compile(r"^(true|[1-9]\d*)$")


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


def statements_on(view: View, first: Node) -> list[Node]:
    """Return the statements from one on to the function's end, as far as they are written on."""
    found: list[Node] = []
    seen: set[int] = set()
    at: Node | None = first
    while at is not None and at.id not in seen:
        seen.add(at.id)
        if at.type == "goto_statement":
            at = label_of(view, node_text(at.named_children[0]))
            continue
        found.append(at)
        last = last_in(at) if at.type == "compound_statement" else at.type
        if last == "return_statement":
            break
        jumps = [one for one in below(at) if one.type == "goto_statement"]
        at = jumps[-1] if at.type == "compound_statement" and jumps else next_of(at)
    return found


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


def taken(call: Node, value: str) -> Node | None:
    """Return the branch that is taken for sure if an expression has a value."""
    found = _decided(call, value)
    if found is None or not found[1]:
        return None
    return found[0].child_by_field_name("consequence")


def gone_on_with(call: Node, value: str) -> Node | None:
    """Return the statement that a caller is known to come to if an expression has a value.

    None where that hangs on more than the value.
    """
    found = _decided(call, value)
    if found is None:
        statement = statement_of(call)
        alone = statement.named_children[:1] == [outermost(call)]
        if alone and statement.type == "expression_statement":
            # Nobody looks at it.
            return next_of(statement)
        name = variable_of(call)
        after = following(statement) if name else None
    else:
        name, after = variable_of(call), found[0]
    while after is not None and after.type == "if_statement":
        condition = after.child_by_field_name("condition")
        holds = found[1] if found is not None and after == found[0] else None
        if holds is None and condition is not None and name:
            holds = _holds(condition, name, value)
        if holds is None:
            return None
        branch = after.child_by_field_name("consequence" if holds else "alternative")
        if holds or branch is not None:
            inside = branch.named_children if branch is not None and not holds else [branch]
            return inside[0] if inside else None
        after = next_of(after)
    if after is not None and after.type == "switch_statement":
        return _case_of(after, name, value)
    return after


def _case_of(switch: Node, name: str, value: str) -> Node | None:
    """Return the statement that a switch over a variable comes to with a value."""
    condition, body = switch.child_by_field_name("condition"), switch.child_by_field_name("body")
    asked = without_parentheses(condition)
    if asked is None or body is None or not name or node_text(asked) != name:
        return None
    cases = [one for one in body.named_children if one.type == "case_statement"]
    values = [one.child_by_field_name("value") for one in cases]
    same = [None if one is None else _same(value, node_text(one)) for one in values]
    if any(one is not None and known is None for one, known in zip(values, same, strict=True)):
        return None
    at = same.index(True) if True in same else values.index(None) if None in values else -1
    for case, label in list(zip(cases, values, strict=True))[at:] if at >= 0 else ():
        inside = [c for c in case.named_children if c.type != "comment" and c != label]
        if inside:
            return inside[0]
    return None


def variable_of(call: Node) -> str:
    """Return the variable that an expression is assigned to, and nothing else."""
    parent = outermost(call).parent
    if parent is None or parent.type not in ("assignment_expression", "init_declarator"):
        return ""
    left = parent.child_by_field_name("left") or declarator_name(
        parent.child_by_field_name("declarator")
    )
    if left is None or left.type != "identifier":
        return ""
    return node_text(left)


def _holds(condition: Node, name: str, value: str) -> bool | None:
    """Tell whether a condition holds where a variable has a value; None if that is not known."""
    node = without_parentheses(condition)
    if node is None:
        return None
    if node_text(node) == name:
        return _truth(value)
    if node.type == "unary_expression" and node_text(node).startswith("!"):
        inner = _holds(node.named_children[-1], name, value)
        return None if inner is None else not inner
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if node.type != "binary_expression" or left is None or right is None:
        return None
    sign = node_text(node.child_by_field_name("operator") or node)
    if sign in ("&&", "||"):
        sides = (_holds(left, name, value), _holds(right, name, value))
        if (sign == "||") in sides:
            return sign == "||"
        return None if None in sides else sign == "&&"
    if node_text(left) != name:
        return None
    other = node_text(right)
    if sign in ("==", "!="):
        same = _same(value, other)
        return None if same is None else same == (sign == "==")
    if other == "0" and sign in ("<", ">="):
        is_below = _is_below(value)
        return None if is_below is None else is_below == (sign == "<")
    return None


def _same(value: str, other: str) -> bool | None:
    """Tell whether two constants are the same number."""
    if _ZERO.match(other):
        truth = _truth(value)
        return None if truth is None else not truth
    names = [re.sub(r"\s", "", one) for one in (value, other)]
    if not all(_NEGATIVE.match(one) for one in names) or set(names) & _TWINS:
        return False if _ZERO.match(value) and _NEGATIVE.match(other) else None
    return names[0] == names[1]


def _is_below(value: str) -> bool | None:
    if _NEGATIVE.match(value):
        return True
    return False if _ZERO.match(value) or _TRUE.match(value) else None


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
        elif _asks_for_error(parent):
            # Whether it is one is told by how it is written; NULL is none.
            is_error = _ERROR.match(value) is not None or (not holds and _asks_null(parent))
            if not is_error and holds:
                return None
            node, now = parent.parent or parent, is_error
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


def _asks_for_error(listed: Node) -> bool:
    """Tell whether arguments are those of IS_ERR() or IS_ERR_OR_NULL()."""
    call = listed.parent if listed.type == "argument_list" else None
    return call is not None and (called_by(call) == _IS_ERROR or _asks_null(listed))


def _asks_null(listed: Node) -> bool:
    call = listed.parent
    return call is not None and function_named(called_by(call)).is_("error_too")


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
    if _NEGATIVE.match(value) or _TRUE.match(value) or _ERROR.match(value):
        return True
    return None


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


def other_exits(statement: Node, known: Sequence[Node]) -> Iterator[Node]:
    """Yield the branches around a statement by which a function leaves for another reason."""
    seen = {branch.id for branch in known}
    for one in _ifs_around(statement):
        branch = one.child_by_field_name("consequence")
        if branch is not None and leaves(branch) and branch.id not in seen:
            yield branch


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
    found = [v for v in view.locals if v.type.base == PACKET and v.parameter >= 0]
    return found[0].name if len(found) == 1 and found[0].type.pointers == 1 else ""
