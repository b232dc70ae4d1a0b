"""Which side of a branch is taken where a constant, or a parameter's value, decides it.

With

    enum { SLOW, FAST };      send(p, FAST);      void send(p, how) { if (how == SLOW) wait(p); }

the wait stands where send() does not come; so it is with a `switch`, with `how == SLOW && wait(p)`,
and with a member of a struct that the caller filled (`m->how`).
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.arithmetic import either
from xfrmlint.c.constants import Constants
from xfrmlint.c.integers import INT, Int, calculated, number, signed
from xfrmlint.c.jumps import JUMPS, LEAVING, last_in, last_statement
from xfrmlint.c.nodes import node_text
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named

# What a function's parameters are, and `parameter->member`, as far as a caller wrote it out. Of
# `parameter->` the members are told that the caller gave anything; the others are 0.
Bound = dict[str, str]

LITERALS = {"true": True, "false": False, "1": True, "0": False, "NULL": False}
_LOOPS = ("while_statement", "for_statement")
_ASKING = ("if_statement", "conditional_expression", "switch_statement", *_LOOPS)
_LISTS = ("compound_statement", "case_statement")
_CALL = re.compile(r"(\w+)\s*\(\s*\)")
_WORD = re.compile(r"[A-Za-z_]\w*")
_MEMBER = re.compile(r"\w+(?:\s*(?:->|\.)\s*\w+)*")


# A member whose truth, or equality, is asked.
_TESTED = re.compile(r"(\w+)\s*(?:->|\.)\s*(\w+)\s*(?=[)]|&&|[|]{2}|[!=]=|$)")


# A variable that is computed with, or may be written through a pointer.
_CHANGED = rb"(?:&\s*|\+\+|--)NAME\b|(?<![\w.>])NAME\s*(?:\+\+|--|(?:[-+*/%|&^]|<<|>>)=)"


class Where(NamedTuple):
    """A function, what is known of its parameters, and who knows the numbers of names.

    at: the offset at which its names are looked up, None for that of what is asked.
    """

    view: View
    bound: Bound
    constants: Constants
    at: int | None = None


def where_in(view: View, bound: Bound, constants: Constants) -> Where:
    """Return the same, with the variables that are made of what is bound, once and for good."""
    found = dict(bound)
    left = {one.name for one in view.locals if one.parameter < 0} - found.keys() if bound else set()
    fresh = set(found)
    while fresh:
        where = Where(view, found, constants)
        made = {name: text for name in left if (text := _made_once(where, name))}
        fresh, left = set(made), left - made.keys()
        found = found | made
    return Where(view, found, constants)


def _made_once(where: Where, name: str) -> str:
    """Return the number that a variable is, as a text, if it never gets another one."""
    values = where.view.assignments(name)
    if len(values) != 1 or not _is_asked(where, values[0]):
        return ""
    node = where.view.node
    word = re.escape(name.encode("utf-8", "surrogateescape"))
    changed = _CHANGED.replace(b"NAME", word)
    if re.search(changed, where.view.text[node.start_byte : node.end_byte]) is not None:
        return ""
    return value_of(where, values[0])


def excluded(where: Where, node: Node) -> bool:
    """Tell whether a node stands where what a condition is keeps control from it."""
    target = node
    while node.parent is not None:
        parent = node.parent
        if _is_on_a_side_not_taken(where, parent, node):
            return True
        if parent.type in _LISTS:
            for earlier in parent.named_children:
                if earlier.start_byte >= node.start_byte:
                    break
                if _leaves(where, earlier, target):
                    return True
        node = parent
    return False


def _is_on_a_side_not_taken(where: Where, parent: Node, node: Node) -> bool:
    if parent.type == "binary_expression":
        right = parent.child_by_field_name("right")
        left = parent.child_by_field_name("left")
        sign = parent.child_by_field_name("operator")
        if right is None or left is None or sign is None or right.id != node.id:
            return False
        return sign.type in ("&&", "||") and truth(where, left) is (sign.type == "||")
    if parent.type == "case_statement":
        around = parent.parent.parent if parent.parent is not None else None
        entered = _entered(where, around) if around is not None else None
        return entered is not None and all(one.id != parent.id for one in entered)
    if parent.type not in ("if_statement", "conditional_expression", *_LOOPS):
        return False
    sides = {
        True: parent.child_by_field_name("body" if parent.type in _LOOPS else "consequence"),
        False: parent.child_by_field_name("alternative"),
    }
    return any(
        side is not None and side.id == node.id and holds(where, parent) is (not truth)
        for truth, side in sides.items()
    )


def _leaves(where: Where, statement: Node, target: Node) -> bool:
    """Tell whether what a statement before another does ends the function, or jumps over that."""
    if statement.type == "switch_statement":
        entered = _entered(where, statement)
        last = last_statement(entered[-1]) if entered else None
        return last is not None and _jumps(last, statement, target, LEAVING)
    if statement.type != "if_statement":
        return False
    truth = holds(where, statement)
    side = "consequence" if truth else "alternative"
    taken = statement.child_by_field_name(side) if truth is not None else None
    if taken is not None and taken.type == "else_clause":
        taken = taken.named_children[-1]
    return taken is not None and _jumps(taken, statement, target, JUMPS)


def _jumps(taken: Node, statement: Node, target: Node, ways: Sequence[str]) -> bool:
    """Tell whether a statement's end jumps, and not to a label before the target."""
    if taken.type == "compound_statement":
        taken = last_statement(taken) or taken
    if taken.type not in ways:
        return False
    if taken.type != "goto_statement" or not taken.named_child_count:
        return True
    root, label = statement, node_text(taken.named_children[0])
    while root.parent is not None and root.type != "function_definition":
        root = root.parent
    behind = (root.text or b"")[statement.end_byte - root.start_byte :]
    between = behind[: target.start_byte - statement.end_byte].decode("utf-8", "replace")
    return re.search(rf"\b{re.escape(label)}\s*:(?!:)", between) is None


def _entered(where: Where, switch: Node) -> list[Node] | None:
    """Return the cases of a switch that are run, in their order; None if that is not seen."""
    condition, body = (switch.child_by_field_name(part) for part in ("condition", "body"))
    if switch.type != "switch_statement" or condition is None or body is None:
        return None
    asked = _value(where, condition) if _is_asked(where, condition) else None
    if asked is None:
        return None
    cases = [one for one in body.named_children if one.type == "case_statement"]
    first = None
    for at, one in enumerate(cases):
        label = one.child_by_field_name("value")
        known = _value(where, label) if label is not None else None
        if label is not None and known is None:
            return None
        if known is not None and known.value == asked.value:
            first = at
    if first is None:
        others = [at for at, one in enumerate(cases) if one.child_by_field_name("value") is None]
        first = others[0] if others else len(cases)
    found: list[Node] = []
    for one in cases[first:]:
        found.append(one)
        if (last := last_statement(one)) is not None and last.type in JUMPS:
            break
    return found


def in_doubt(where: Where, node: Node) -> bool:
    """Tell whether a condition before a node asks for a bound parameter in a way not settled."""
    for one in _asking_before(node) if where.bound else ():
        condition = one.child_by_field_name("condition")
        if condition is None or holds(where, one) is not None:
            continue
        if _is_open(where, condition) and _entered(where, one) is None:
            return True
    return False


def _is_open(where: Where, condition: Node) -> bool:
    """Tell whether any part of a condition asks for what is bound, and is not settled."""
    if condition.type == "parenthesized_expression" and condition.named_child_count:
        return _is_open(where, condition.named_children[-1])
    sign = condition.child_by_field_name("operator")
    if condition.type == "binary_expression" and sign is not None and sign.type in ("&&", "||"):
        sides = (condition.child_by_field_name("left"), condition.child_by_field_name("right"))
        return any(_is_open(where, side) for side in sides if side is not None)
    return _is_asked(where, condition) and _value(where, condition) is None


def set_before(where: Where, node: Node, told: Collection[str]) -> str:
    """Return the member that a condition before a node asks for, and a caller has set; or nothing.

    told: members that callers have set. One that was left at 0 where a caller filled a struct for
    this counts, too.
    """
    for one in _asking_before(node):
        condition = one.child_by_field_name("condition")
        if condition is None or holds(where, one) is not None:
            continue
        for base, member in _TESTED.findall(node_text(condition)):
            given = where.bound.get(f"{base}->")
            if member in told or (given is not None and member not in given.split()):
                return str(member)
    return ""


def context_asked(where: Where, node: Node) -> str:
    """Return the function that is asked, before a node, in which context this runs; or nothing.

    One whose answer is known where packets are handled decides, and is none.
    """
    for one in _asking_before(node):
        condition = one.child_by_field_name("condition")
        if condition is None or holds(where, one) is not None:
            continue
        for name in re.findall(r"\w+(?=\s*\()", node_text(condition)):
            does = function_named(name)
            if does.is_("context") or does.softirq is not None:
                return str(name)
    return ""


def _asking_before(node: Node) -> Iterator[Node]:
    """Yield what has a condition around a node, or before it and may leave; innermost first."""
    while node.parent is not None:
        parent = node.parent
        if parent.type in _ASKING:
            yield parent
        if parent.type in _LISTS:
            for earlier in parent.named_children:
                if earlier.start_byte >= node.start_byte:
                    break
                if earlier.type == "if_statement" and _may_leave(earlier):
                    yield earlier
        node = parent


def _may_leave(node: Node) -> bool:
    """Tell whether what an if does ends the function, or leaves for a label."""
    return last_in(node.child_by_field_name("consequence")) in LEAVING


def holds(where: Where, node: Node) -> bool | None:
    """Return whether a branch's condition holds; None if that is not seen.

    A condition that is seen is made of constants and of what is bound, or asks for a context that
    packets are handled in.
    """
    condition = node.child_by_field_name("condition")
    return truth(where, condition) if condition is not None else None


def truth(where: Where, condition: Node) -> bool | None:
    """Return whether a condition holds; None if that is not seen."""
    text = node_text(condition).strip()
    negated = False
    while text[:1] == "!" or (text[:1] == "(" and text[-1:] == ")"):
        negated ^= text[0] == "!"
        text = (text[1:] if text[0] == "!" else text[1:-1]).strip()
    call = _CALL.fullmatch(text)
    truth = LITERALS.get(where.bound.get(text, text))
    if call is not None:
        truth = function_named(call.group(1)).softirq
    if truth is not None:
        return truth != negated
    # A name alone can be a constant, without anything that is bound.
    asked = _WORD.fullmatch(text) or _is_asked(where, condition)
    known = _value(where, condition) if asked else None
    return bool(known.value) if known is not None else None


def _is_asked(where: Where, condition: Node) -> bool:
    """Tell whether a condition speaks of anything that is bound."""
    bound = where.bound
    if not bound:
        return False
    text = node_text(condition)
    named = {re.sub(r"\s", "", one) for one in _MEMBER.findall(text)}
    return bool(bound.keys() & (named | set(re.findall(r"\w+", text))))


def value_of(where: Where, node: Node) -> str:
    """Return the number that an expression is, as a text for Bound; nothing if it is not seen."""
    found = _value(where, node)
    return str(found.value) if found is not None else ""


def _value(where: Where, node: Node) -> Int | None:
    """Return the number that an expression of constants, and of what is bound, is."""

    def of(field: str) -> Int | None:
        inner = node.child_by_field_name(field)
        return _value(where, inner) if inner is not None else None

    sign = node.child_by_field_name("operator")
    match node.type:
        case "parenthesized_expression" | "cast_expression" | "conditional_expression":
            return _inside(where, node)
        case "number_literal" | "true" | "false" | "null" | "char_literal":
            return where.constants.value(node_text(node), where.view.path)
        case "identifier":
            return _named(where, node)
        case "field_expression":
            return _number(where.bound.get(re.sub(r"\s", "", node_text(node)), ""))
        case "unary_expression" if sign is not None:
            inner = of("argument")
            return signed(sign.type, inner) if inner is not None else None
        case "binary_expression" if sign is not None:
            left, right = of("left"), of("right")
            if sign.type in ("&&", "||"):
                return either(left, sign.type == "||", right)
            if left is None or right is None:
                return None
            return calculated(left, sign.type, right)
        case "call_expression":
            listed = node.child_by_field_name("arguments")
            called = node.child_by_field_name("function")
            at = function_named(node_text(called)).truth if called is not None else -1
            if listed is not None and 0 <= at < listed.named_child_count:
                return _value(where, listed.named_children[at])
            return where.constants.value(node_text(node), where.view.path)
    return None


def _inside(where: Where, node: Node) -> Int | None:
    """Return the number in parentheses, of the side taken, or of a cast to what can hold it."""
    inner: Node | None = next(reversed(node.named_children), None)
    if node.type == "conditional_expression":
        truth = holds(where, node)
        side = "consequence" if truth else "alternative"
        inner = node.child_by_field_name(side) if truth is not None else None
    found = _value(where, inner) if inner is not None else None
    if found is None or node.type != "cast_expression":
        return found
    fits = 0 <= found.value < 128 and "bool" not in node_text(node).lower().split(")")[0]
    return found if fits else None


def _named(where: Where, node: Node) -> Int | None:
    name = node_text(node)
    if name in where.bound:
        return _number(where.bound[name])
    at = node.start_byte if where.at is None else where.at
    if where.view.local(name, at) is not None:
        return None
    known = where.constants.value(name, where.view.path)
    if known is not None:
        return known
    text = where.view.corpus.data(where.view.path)
    word = re.escape(name.encode("utf-8", "surrogateescape"))
    fixed = re.search(rb"\bconst\b[\w\s]*\b%s\s*=\s*([^;{]*);" % word, text)
    value = fixed.group(1).decode("utf-8", "surrogateescape") if fixed is not None else ""
    return where.constants.value(value, where.view.path) if value else None


def _number(text: str) -> Int | None:
    if text in LITERALS:
        return Int(int(LITERALS[text]), INT)
    return number(text)


def chosen(where: Where, node: Node) -> list[Node]:
    """Return the sides of a conditional expression that can be meant; another node as it is."""
    if node.type == "parenthesized_expression" and node.named_child_count == 1:
        return chosen(where, node.named_children[0])
    if node.type != "conditional_expression":
        return [node]
    truth = holds(where, node)
    names = ["consequence"] if truth is not False else []
    names += ["alternative"] if truth is not True else []
    sides = [side for name in names if (side := node.child_by_field_name(name)) is not None]
    return [one for side in sides for one in chosen(where, side)]
