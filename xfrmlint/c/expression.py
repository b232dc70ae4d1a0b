"""Small questions about expression nodes that several stages ask."""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.dialect import AUTO
from xfrmlint.c.nodes import node_text
from xfrmlint.kernel.functions import function_named

_TRANSPARENT = ("parenthesized_expression", "cast_expression", "compound_statement")
_CASTS = ("parenthesized_expression", "cast_expression")
# Of more around each other the parser would look for each one from the top of the file.
MOST_AROUND = 200
LOOPS = ("for_statement", "while_statement", "do_statement")
_WRAPPERS = (*_CASTS, "pointer_expression")


def bare(node: Node, subscripts: bool = False) -> Node:
    """Take parentheses, casts, & and * away; with `subscripts`, [] as well."""
    while node.named_child_count and (
        node.type in _WRAPPERS or (subscripts and node.type == "subscript_expression")
    ):
        node = (
            node.child_by_field_name("value")
            or node.child_by_field_name("argument")
            or node.named_children[-1]
        )
    return node


def without_casts(node: Node) -> Node:
    """Take parentheses and casts away."""
    while node.type in _CASTS and node.named_child_count:
        node = node.child_by_field_name("value") or node.named_children[-1]
    return node


def outermost(node: Node) -> Node:
    """Return the last expression around a node that only casts it, or puts it in parentheses."""
    while node.parent is not None and node.parent.type in _CASTS:
        node = node.parent
    return node


def around(node: Node | None, *types: str) -> Node | None:
    """Return a node, or the nearest one around it, that is of one of some types."""
    while node is not None and node.type not in types:
        node = node.parent
    return node


def above(node: Node) -> Iterator[Node]:
    """Yield what is around a node, the innermost first, up to its function."""
    while node.parent is not None and node.type != "function_definition":
        node = node.parent
        yield node


def callees(node: Node) -> list[Node]:
    """Return the expressions of which a called one is worth one: f for (0, f), ({ f; }), (*&f).

    The sides of a ?:, of _Generic() and of __builtin_choose_expr() are several.
    """
    node = bare(node)
    inside: list[Node | None] = []
    match node.type:
        case "conditional_expression":
            inside = [node.child_by_field_name(s) for s in ("consequence", "alternative")]
        case "comma_expression":
            inside = [node.child_by_field_name("right")]
        case "compound_statement" | "expression_statement":
            inside = [node.named_children[-1]] if node.named_child_count else []
        case "generic_expression":
            inside = list(node.named_children[2::2])
        case "call_expression":
            inside = list(arguments_of(node)[1:]) if is_choice(node) else []
    found = [callee for one in inside if one is not None for callee in callees(one)]
    return found or [node]


def outward(node: Node) -> Node | None:
    """Return the expression around a node that can be worth it, or lead to what it points to.

    `(T)f`, `*f`, `(0, f)`, `c ? f : g`, `c ?: f`, `({ f; })`, `f[i]`, READ_ONCE(f), a _Generic().
    """
    up = node.parent
    if up is None:
        return None
    match up.type:
        case "parenthesized_expression" | "pointer_expression" | "cast_expression":
            return up
        case "expression_statement" if is_worth(up):
            return up.parent
        case "generic_expression":
            return up if up.named_children[0].id != node.id else None
        case "conditional_expression":
            asked = up.child_by_field_name("condition")
            tested = up.child_by_field_name("consequence") is not None
            return up if not tested or asked is None or asked.id != node.id else None
        case "comma_expression" | "subscript_expression":
            kept = up.child_by_field_name("right") or up.child_by_field_name("argument")
            return up if kept is not None and kept.id == node.id else None
        case "argument_list" if up.parent is not None:
            first = up.named_children[0].id == node.id
            passed = is_choice(up.parent) != first
            name = called_by(up.parent)
            # `(typeof(y))(x)` is parsed as a call.
            cast = name.startswith("(") and name.strip("() ") in AUTO
            chosen = is_choice(up.parent) or cast or function_named(name).passes
            return up.parent if passed and chosen else None
    return None


def designation(node: Node, level: int = 0) -> tuple[Node, int]:
    """Return the whole expression that designates what a node does, and its level of pointers.

    `*(&x)` is x, `&x` one level above it; an element of an array that is kept in place is the
    array. level: that of the node. What is too deep in others is not followed to its end.
    """
    for _ in range(MOST_AROUND):
        up = outward(node)
        if up is None or up.type == "call_expression":
            break
        if up.type == "pointer_expression":
            level += 1 if up.children[0].type == "&" else -1
        elif up.type == "subscript_expression":
            level = max(0, level - 1)
        node = up
    return node, level


def is_choice(call: Node) -> bool:
    """Tell whether a call is none but one of its arguments, which the compiler chooses."""
    return called_by(call) == "__builtin_choose_expr"


def is_worth(statement: Node) -> bool:
    """Tell whether a statement is the last of a ({ }): what that is worth."""
    block = statement.parent
    around = block.parent if block is not None else None
    if block is None or around is None or around.type != "parenthesized_expression":
        return False
    last = block.named_children[-1] if block.type == "compound_statement" else None
    return last is not None and last.id == statement.id and last.type == "expression_statement"


def position_in(listed: Node, node: Node) -> int:
    """Return the index of a node among the named children of a list."""
    return [child.id for child in listed.named_children].index(node.id)


def arguments_of(call: Node) -> list[Node]:
    """Return a call's arguments, comments left out."""
    listed = call.child_by_field_name("arguments")
    nodes = listed.named_children if listed is not None else []
    return [node for node in nodes if node.type != "comment"]


class Assigned(NamedTuple):
    """What an assignment is to, what it assigns, and how: `=`, `+=`."""

    target: Node
    value: Node
    sign: str


def assigned_in(node: Node | None) -> Assigned | None:
    """Return what an expression, or a statement that is nothing else, assigns."""
    if node is not None and node.type == "expression_statement" and node.named_child_count:
        node = node.named_children[0]
    if node is None or node.type != "assignment_expression":
        return None
    target, value = node.child_by_field_name("left"), node.child_by_field_name("right")
    if target is None or value is None:
        return None
    sign = node.child_by_field_name("operator")
    return Assigned(target, value, node_text(sign) if sign is not None else "=")


class Given(NamedTuple):
    """A call of which something is an argument: what is called, as written, and as which one."""

    call: Node
    name: str
    position: int


def given_to(node: Node) -> Given | None:
    """Return the call of which a node is an argument."""
    listed = node.parent
    call = listed.parent if listed is not None and listed.type == "argument_list" else None
    if listed is None or call is None:
        return None
    return Given(call, called_by(call), position_in(listed, node))


def call_of(callee: Node) -> Node | None:
    """Return the call of which a node is what is called, or one of what that can be."""
    up: Node | None = callee
    while up is not None:
        callee, up = up, outward(up)
    call = callee.parent
    called = call.child_by_field_name("function") if call is not None else None
    return call if called is not None and called.id == callee.id else None


def called_by(call: Node) -> str:
    """Return what a call calls, as it is written."""
    called = call.child_by_field_name("function")
    return node_text(called) if called is not None else ""


def called(call: Node) -> str:
    """Return the name of what a call calls, a function or a variable; else nothing.

    Of guard(mutex)(&lock), what counts is inside.
    """
    inner = call.child_by_field_name("function")
    inner = bare(inner) if inner is not None else None
    if inner is not None and inner.type == "call_expression" and called(inner) == "guard":
        return "guard"
    return node_text(inner) if inner is not None and inner.type == "identifier" else ""


def met_by(call: Node) -> str:
    """Return the name that a call is known by: a function's, or that of the member called."""
    function = call.child_by_field_name("function")
    field = bare(function).child_by_field_name("field") if function is not None else None
    return called(call) or (node_text(field) if field is not None else "")


class Goes(Enum):
    """What is done with a value."""

    ARGUMENT = "given to a function"
    MEMBER = "a member is read of it"
    POINTED = "what it points to is read or written"
    RETURNED = "returned"
    ASSIGNED = "assigned"
    NOWHERE = "dropped"
    ELSEWHERE = "something else"


class Destination(NamedTuple):
    """Where a value goes. name: of the function, the member or the variable. target: the variable,
    which is the expression itself where that is what is assigned to, or declared.
    """

    goes: Goes
    name: str = ""
    target: Node | None = None


def destination(node: Node) -> Destination:
    """Return where an expression's value goes, as it is written."""
    if is_indexed(node):
        return Destination(Goes.POINTED)
    up = node.parent
    while up is not None and (up.type in _TRANSPARENT or is_worth(up)):
        up = up.parent
    if up is None:
        return Destination(Goes.ELSEWHERE)
    if up.type == "expression_statement":
        return Destination(Goes.NOWHERE)
    if up.type == "argument_list" and up.parent is not None:
        return Destination(Goes.ARGUMENT, called_by(up.parent))
    if up.type == "field_expression":
        return Destination(Goes.MEMBER, node_text(up.child_by_field_name("field") or up))
    if up.type == "pointer_expression" and up.children[0].type == "*":
        return Destination(Goes.POINTED)
    if up.type == "return_statement":
        return Destination(Goes.RETURNED)
    target = up.child_by_field_name("left") or up.child_by_field_name("declarator")
    while target is not None and target.type == "pointer_declarator":
        target = target.child_by_field_name("declarator")
    if target is None or target.type != "identifier":
        return Destination(Goes.ELSEWHERE)
    return Destination(Goes.ASSIGNED, node_text(target), target)


def is_indexed(node: Node) -> bool:
    """Tell whether an expression is what an element is taken of."""
    up = node.parent
    if up is None or up.type != "subscript_expression":
        return False
    of = up.child_by_field_name("argument")
    return of is not None and of.id == node.id


def is_condition(call: Node) -> bool:
    """Tell whether a call is all that an if or a loop asks, or one operand of it."""
    up = call.parent
    while up is not None and up.type in (
        "parenthesized_expression",
        "unary_expression",
        "binary_expression",
    ):
        up = up.parent
    return up is not None and up.type in ("if_statement", "while_statement", "do_statement")
