"""What is done with a value at the place where it is named: called, passed, stored, returned.

A value is a function's name, a variable that holds a function, or a struct's function pointer.
"""

from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.frontend.ctype import CType, declared, specified
from xfrmlint.frontend.reader import Reader
from xfrmlint.frontend.types import PASSES_FIRST
from xfrmlint.frontend.unit import node_text
from xfrmlint.frontend.view import View

_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=", "&&", "||")


class Slot(NamedTuple):
    """A place in a struct that holds a value: struct type, field, constant indexes on the way.

    table: the variable that the struct is (empty if it is reached by pointer).
    """

    struct: str
    field: str
    indexes: tuple[str, ...] = ()
    table: str = ""


class Use(NamedTuple):
    """One use of a value.

    kind: called, argument, slot, local, global, returned or none.
    name: the callee of an argument, or the variable. position: the argument's, from 0.
    at: the node that is used (its place is the use's place).
    """

    kind: str
    view: View
    at: Node
    name: str = ""
    position: int = -1
    slot: Slot | None = None
    callee: Node | None = None


def use_of(reader: Reader, view: View, node: Node) -> Use:
    """Tell what happens to the value that `node` names.

    node: an identifier, or a field_identifier (then its whole field expression is the value).
    """
    up = node
    if node.type == "field_identifier" and node.parent is not None:
        up = node.parent
    none = Use("none", view, node)
    indexes: list[str] = []
    while True:
        parent = up.parent
        if parent is None:
            return none
        kind = parent.type
        if kind in ("parenthesized_expression", "pointer_expression", "cast_expression"):
            up = parent
        elif kind in ("conditional_expression", "comma_expression", "subscript_expression"):
            keep = {
                "conditional_expression": ("consequence", "alternative"),
                "comma_expression": ("right",),
                "subscript_expression": ("argument",),
            }[kind]
            if not any(_is(parent.child_by_field_name(name), up) for name in keep):
                return none
            up = parent
        elif kind == "call_expression":
            if _is(parent.child_by_field_name("function"), up):
                return Use("called", view, node)
            return none
        elif kind == "argument_list":
            call = parent.parent
            position = [c.id for c in parent.named_children].index(up.id)
            callee = call.child_by_field_name("function") if call is not None else None
            if call is None or callee is None:
                return none
            name = node_text(callee) if callee.type == "identifier" else ""
            if position == 0 and PASSES_FIRST.match(name):
                up = call
                continue
            return Use("argument", view, node, name, position, None, callee)
        elif kind == "return_statement":
            return Use("returned", view, node)
        elif kind == "assignment_expression":
            left = parent.child_by_field_name("left")
            if left is None or _is(left, up):
                return none
            return _stored(reader, view, node, left)
        elif kind == "init_declarator":
            name = _declared_name(parent)
            return _variable(view, node, name) if name else none
        elif kind in ("initializer_list", "initializer_pair"):
            return _initialized(reader, view, node, up, indexes)
        else:
            return none


def _is(one: Node | None, other: Node) -> bool:
    return one is not None and one.id == other.id


def _declared_name(node: Node) -> str:
    found = declared(CType("int"), node)
    return node_text(found.name) if found is not None else ""


def _variable(view: View, node: Node, name: str) -> Use:
    local = view.kind == "function" and view.local(name, node.start_byte) is not None
    return Use("local" if local else "global", view, node, name)


def _stored(reader: Reader, view: View, node: Node, left: Node) -> Use:
    indexes: list[str] = []
    while True:
        if left.type == "parenthesized_expression" and left.named_child_count:
            left = left.named_children[-1]
        elif left.type == "subscript_expression":
            index = left.child_by_field_name("index")
            indexes.insert(0, node_text(index) if index is not None else "")
            inner = left.child_by_field_name("argument")
            if inner is None:
                return Use("none", view, node)
            left = inner
        else:
            break
    if left.type == "identifier":
        return _variable(view, node, node_text(left))
    if left.type == "field_expression":
        slot = slot_of(reader, view, left, indexes)
        return Use("slot", view, node, slot=slot)
    return Use("none", view, node)


def slot_of(reader: Reader, view: View, field: Node, indexes: list[str] | None = None) -> Slot:
    """Return the slot that a field expression names; an unknown struct has an empty name."""
    base = field.child_by_field_name("argument")
    name = field.child_by_field_name("field")
    kind = reader.types.of(base, view)
    if kind is not None:
        kind = reader.types.resolved(kind, view.path)
    found = list(indexes or ())
    table = ""
    node = base
    while node is not None:
        if node.type == "subscript_expression":
            index = node.child_by_field_name("index")
            found.insert(0, node_text(index) if index is not None else "")
        elif node.type == "identifier":
            table = node_text(node)
            break
        node = node.child_by_field_name("argument") or (
            node.named_children[-1]
            if node.type == "parenthesized_expression" and node.named_child_count
            else None
        )
    struct = kind.base if kind is not None else ""
    if kind is not None and kind.base in ("struct", "union") and kind.node is not None:
        struct = f"{kind.base}@{kind.node.start_byte}"
    return Slot(struct, node_text(name) if name is not None else "", tuple(found), table)


def _initialized(reader: Reader, view: View, node: Node, up: Node, indexes: list[str]) -> Use:
    """Follow designators outwards to the variable or compound literal that is initialized."""
    steps: list[tuple[str, str]] = []
    none = Use("none", view, node)
    while True:
        parent = up.parent
        if parent is None:
            return none
        if parent.type == "initializer_pair":
            for designator in reversed(parent.children_by_field_name("designator")):
                inside = designator.named_children[0] if designator.named_child_count else None
                text = node_text(inside) if inside is not None else ""
                steps.insert(0, ("." if designator.type == "field_designator" else "[", text))
            pair = parent
            up = pair.parent if pair.parent is not None else pair
            if up.type != "initializer_list":
                return none
        elif parent.type == "initializer_list":
            position = [c.id for c in parent.named_children].index(up.id)
            steps.insert(0, ("#", str(position)))
            up = parent
        elif parent.type == "init_declarator":
            declaration = parent.parent
            base = specified(declaration) if declaration is not None else None
            made = declared(base, parent) if base is not None else None
            if made is None:
                return none
            name = node_text(made.name)
            return _walked(reader, view, node, made.type, steps, name)
        elif parent.type == "compound_literal_expression":
            kind = reader.types.of(parent, view)
            return _walked(reader, view, node, kind, steps, "") if kind is not None else none
        else:
            return none


def _walked(
    reader: Reader, view: View, node: Node, kind: CType, steps: list[tuple[str, str]], table: str
) -> Use:
    current: CType | None = kind
    owner, field = "", ""
    indexes: list[str] = []
    for step, text in steps:
        if current is None:
            break
        current = reader.types.resolved(current, view.path)
        if step == "[" or (step == "#" and current.pointers):
            indexes.append(text)
            current = current.pointed(-1)
            continue
        known = reader.types.fields(current, view.path)
        owner = current.base
        if step == ".":
            field = text
            current = known[0].get(text) if known is not None else None
        else:
            names = list(known[0]) if known is not None else []
            at = int(text)
            field = names[at] if at < len(names) else ""
            current = known[0].get(field) if known is not None else None
    if not owner:
        use = _variable(view, node, table)
        return use if table else Use("none", view, node)
    return Use("slot", view, node, slot=Slot(owner, field, tuple(indexes), table))
