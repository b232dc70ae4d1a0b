"""What is done with a value at the place where it is named: called, passed, stored, returned.

A value is a function's name, a variable that holds a function, or a struct's function pointer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.ctype import CType, declared, specified
from xfrmlint.c.expression import (
    around,
    bare,
    called_by,
    designation,
    is_choice,
    outward,
    position_in,
    without_casts,
)
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.contract.words import XFRM
from xfrmlint.kernel.functions import function_named

# Operands of these are types or sizes, never values.
_UNEVALUATED = ("sizeof_expression", "alignof_expression", "offsetof_expression", "type_descriptor")
# What stands in a text in which there is one of these.
_UNEVALUATED_WORDS = re.compile(
    rb"sizeof|SIZEOF|lignof|offset|typeof|types_compatible|same_type|constant_p|ssert|BUILD_BUG|"
    rb"ARRAY_SIZE|_Generic"
)

# What an index is that names one element: a number, or a name in capitals.
CONSTANT = re.compile(r"^([A-Z][A-Z0-9_]*|\d+)$")


class Slot(NamedTuple):
    """A place in a struct that holds a value: struct type, field, constant indexes on the way.

    table: the variable that the struct is, or through which it is reached. within: `outer.member`
    if the struct is itself, by value, a member of another.
    """

    struct: str
    field: str
    indexes: tuple[str, ...] = ()
    table: str = ""
    within: str = ""


class Use(NamedTuple):
    """One use of a value.

    kind: called, argument, slot, local, global, through (stored by `*name = value`), returned,
    member (one is read of what it is or points to) or none. name: the callee of an argument, or
    the variable. position: the argument's, from 0. at: the node that is used (its place is the
    use's place). read: the expression that reads a member.
    """

    kind: str
    view: View
    at: Node
    name: str = ""
    position: int = -1
    slot: Slot | None = None
    callee: Node | None = None
    read: Node | None = None


def use_of(reader: Reader, view: View, node: Node) -> Use:
    """Tell what happens to the value that `node` names.

    node: an identifier, or a field_identifier (then its whole field expression is the value).
    """
    up = node
    if node.type == "field_identifier" and node.parent is not None:
        up = node.parent
    none = Use("none", view, node)
    macro = declared_argument(node)
    if macro is not None:
        return Use("argument", view, node, node_text(macro[0]), macro[1])
    while (outer := outward(up)) is not None:
        up = outer
    parent = up.parent
    if parent is None:
        return none
    match parent.type:
        case "call_expression":
            called = _is(parent.child_by_field_name("function"), up)
            return Use("called", view, node) if called and not unevaluated(view, parent) else none
        case "argument_list":
            call = parent.parent
            callee = call.child_by_field_name("function") if call is not None else None
            if call is None or callee is None or is_choice(call):
                return none
            name = node_text(callee) if callee.type == "identifier" else ""
            return Use("argument", view, node, name, position_in(parent, up), None, callee)
        case "field_expression":
            return Use("member", view, node, read=parent)
        case "return_statement":
            return Use("returned", view, node)
        case "assignment_expression":
            left = parent.child_by_field_name("left")
            if left is None or _is(left, up):
                return use_of(reader, view, parent)._replace(at=node)
            return stored_in(reader, view, node, left)
        case "init_declarator":
            name = _declared_name(parent)
            return _variable(view, node, name) if name else none
        case "initializer_list" | "initializer_pair":
            return _initialized(reader, view, node, up)
    return none


def use_beside(reader: Reader, use: Use) -> Use | None:
    """Return what is done with what an assignment of the used value is worth: `a = b = f`."""
    up = use.at.parent if use.at.type == "field_identifier" else use.at
    while up is not None and (outer := outward(up)) is not None:
        up = outer
    given = up.parent if up is not None else None
    stored = use.kind in ("slot", "local", "global", "through")
    if not stored or given is None or given.type != "assignment_expression":
        return None
    beside = use_of(reader, use.view, given)
    return beside if beside.kind != "none" else None


def declared_argument(node: Node) -> tuple[Node, int] | None:
    """Return the macro and the position if a name stands where the parser takes it for a type.

    `static DEFINE_PM_OPS(ops, suspend, resume);` parses as the declaration of a function, or of
    something whose type a macro makes.
    """
    if node.type != "type_identifier" or node.parent is None:
        return None
    up = node.parent
    while up.parent is not None and up.type in ("type_descriptor", "ERROR"):
        up = up.parent
    name = up.child_by_field_name("name")
    if up.type == "macro_type_specifier" and name is not None:
        starts = sorted(_descriptors(up))
        return (name, starts.index(node.start_byte)) if node.start_byte in starts else None
    listed = up.parent
    head = listed.parent if listed is not None else None
    if up.type != "parameter_declaration" or up.named_child_count != 1:
        return None
    if listed is None or head is None or head.type != "function_declarator":
        return None
    declarator = head.child_by_field_name("declarator")
    if declarator is None or declarator.type != "identifier":
        return None
    declared_ = head.parent is not None and head.parent.type == "declaration"
    return (declarator, position_in(listed, up)) if declared_ else None


def _descriptors(node: Node) -> list[int]:
    """Return where the arguments of a macro begin that is taken for a type."""
    found = []
    for child in node.named_children:
        if child.type == "type_descriptor":
            found.append(child.start_byte)
        elif child.type == "ERROR":
            found += _descriptors(child)
    return found


def _is(one: Node | None, other: Node) -> bool:
    return one is not None and one.id == other.id


def _declared_name(node: Node) -> str:
    found = declared(CType("int"), node)
    return node_text(found.name) if found is not None else ""


def _variable(view: View, node: Node, name: str) -> Use:
    local = view.kind == "function" and view.local(name, node.start_byte) is not None
    return Use("local" if local else "global", view, node, name)


def stored_in(reader: Reader, view: View, node: Node, left: Node) -> Use:
    """Tell where a value is stored that becomes what an expression names."""
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
        elif (named := _addressed(left)) is not None:
            left = named
        else:
            break
    if left.type == "identifier":
        return _variable(view, node, node_text(left))
    if left.type == "field_expression":
        slot = slot_of(reader, view, left, indexes)
        return Use("slot", view, node, slot=slot)
    if left.type == "pointer_expression":
        target = left.child_by_field_name("argument")
        if target is not None and target.type == "identifier":
            return Use("through", view, node, node_text(target))
        if target is not None and target.type == "field_expression":
            return Use("slot", view, node, slot=slot_of(reader, view, target))
    return Use("none", view, node)


def _addressed(node: Node) -> Node | None:
    """Return x for *&x and *(T *)&x."""
    if node.type != "pointer_expression" or node.children[0].type != "*":
        return None
    inner = without_casts(node.children[-1])
    taken = inner.type == "pointer_expression" and inner.children[0].type == "&"
    return inner.children[-1] if taken else None


def stored_through(reader: Reader, view: View, node: Node, pointer: Node) -> Use:
    """Tell where a value is stored that is copied to where an expression points."""
    inner = bare(pointer)
    addressed = pointer.type == "pointer_expression" and node_text(pointer)[:1] == "&"
    if inner.type == "identifier" and not addressed:
        return Use("through", view, node, node_text(inner))
    return stored_in(reader, view, node, inner)


def _struct_name(kind: CType) -> str:
    """Return a struct's name; one without a tag is told apart by where its body stands."""
    if kind.base in ("struct", "union") and kind.node is not None:
        return f"{kind.base}@{kind.node.start_byte}"
    return kind.base


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
    within = ""
    inner = base
    while inner is not None and inner.type in ("parenthesized_expression", "subscript_expression"):
        inner = inner.child_by_field_name("argument") or inner.named_children[-1]
    by_value = kind is not None and not kind.pointers
    if by_value and inner is not None and inner.type == "field_expression":
        outer = slot_of(reader, view, inner)
        within = f"{outer.struct}.{outer.field}" if outer.struct else ""
    struct = _struct_name(kind) if kind is not None else ""
    field_name = reader.types.member_name(name, view.path) if name is not None else ""
    return Slot(struct, field_name, tuple(found), table, within)


def indexes_behind(field: Node) -> list[str]:
    """Return the indexes of the element of a member that is read."""
    found = []
    up = field
    while up.parent is not None and up.parent.type == "subscript_expression":
        index = up.parent.child_by_field_name("index")
        if index is None or index.id == up.id:
            break
        found.append(node_text(index))
        up = up.parent
    return found


def is_other_element(stored: Node, read: Node) -> bool:
    """Tell whether two constant indexes name different elements of an array."""
    subscript = read.parent
    index = subscript.child_by_field_name("index") if subscript is not None else None
    pair = around(stored.parent, "initializer_pair", "initializer_list")
    if index is None or pair is None or subscript is None:
        return False
    if pair.type == "initializer_pair":
        designator = pair.child_by_field_name("designator")
        own = node_text(designator).strip("[] ") if designator is not None else ""
    else:
        up = stored
        while up.parent is not None and up.parent.id != pair.id:
            up = up.parent
        own = str(position_in(pair, up))
    asked = node_text(index)
    constant = CONSTANT.match(own) and CONSTANT.match(asked)
    return bool(constant) and own.isdigit() == asked.isdigit() and own != asked


def _initialized(reader: Reader, view: View, node: Node, up: Node) -> Use:
    """Follow designators outwards to the variable or compound literal that is initialized."""
    steps: list[tuple[str, str]] = []
    none = Use("none", view, node)
    while True:
        parent = up.parent
        if parent is None:
            return none
        if parent.type == "initializer_pair":
            steps = [*_designators(parent), *steps]
            pair = parent
            up = pair.parent if pair.parent is not None else pair
            if up.type != "initializer_list":
                return none
        elif parent.type == "initializer_list":
            position = position_in(parent, up)
            before = [c.type == "initializer_pair" for c in parent.named_children[:position]]
            flat = not any(c.type.startswith("initializer") for c in parent.named_children)
            if any(before):
                # It is for what follows the last one that has a designator.
                last = position - 1 - before[::-1].index(True)
                pair = parent.named_children[last]
                steps = [*_designators(pair), ("+", str(position - last)), *steps]
            else:
                steps.insert(0, ("flat" if flat else "#", str(position)))
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
            if kind is None:
                return none
            use = _walked(reader, view, node, kind, steps, "")
            if use.slot is not None and not use.slot.within:
                use = use._replace(
                    slot=use.slot._replace(within=_assigned_to(reader, view, parent))
                )
            # `(T){ v }` of what has no members is v.
            return use if use.kind != "none" else use_of(reader, view, parent)._replace(at=node)
        else:
            return none


def _designators(pair: Node) -> list[tuple[str, str]]:
    """Return the designators of an entry, each with what it is: `.` a member, `[` an element."""
    found = []
    for designator in pair.children_by_field_name("designator"):
        inside = designator.named_children[0] if designator.named_child_count else None
        text = node_text(inside) if inside is not None else ""
        found.append(("." if designator.type == "field_designator" else "[", text))
    return found


def _walked(
    reader: Reader, view: View, node: Node, kind: CType, steps: list[tuple[str, str]], table: str
) -> Use:
    current: CType | None = kind
    owner, field, within = "", "", ""
    indexes: list[str] = []
    known: Mapping[str, CType] = {}
    for before, (step, text) in zip([("", ""), *steps], steps, strict=False):
        if step == "+":
            if before[0] == "[":
                indexes[-1] = f"{indexes[-1]} + {text}"
                continue
            names = list(known)
            at = names.index(field) + int(text) if field in known else len(names)
            field = names[at] if at < len(names) else ""
            current = known.get(field)
            continue
        if current is None:
            break
        current = reader.types.resolved(current, view.path)
        if step == "[" or (step != "." and current.pointers):
            indexes.append(text)
            current = current.pointed(-1)
            continue
        members = reader.types.fields(current, view.path)
        known = members[0] if members is not None else {}
        within = f"{owner}.{field}" if owner else ""
        owner = _struct_name(current)
        if step == ".":
            field = text
            current = known.get(text)
            continue
        names = list(known)
        at = int(text)
        if step == "flat" and (at >= len(names) or _has_struct(reader, view, known)):
            return _elided(reader, view, node, current, at, table)
        field = names[at] if at < len(names) else ""
        current = known.get(field)
    if not owner:
        use = _variable(view, node, table)
        return use if table else Use("none", view, node)
    return Use("slot", view, node, slot=Slot(owner, field, tuple(indexes), table, within))


def _assigned_to(reader: Reader, view: View, literal: Node) -> str:
    """Return `struct.member` if a compound literal is assigned to a member by value."""
    slot = use_of(reader, view, literal).slot if not designation(literal)[1] else None
    return f"{slot.struct}.{slot.field}" if slot is not None else ""


def _has_struct(reader: Reader, view: View, members: dict[str, CType]) -> bool:
    kinds = (reader.types.resolved(member, view.path) for member in members.values())
    return any(not k.pointers and k.base.split(" ")[0] == "struct" for k in kinds)


def _elided(reader: Reader, view: View, node: Node, kind: CType, at: int, table: str) -> Use:
    """Follow a list without inner braces: members of inner structs count as the outer's."""
    leaves = _leaves(reader, view, kind, "")
    if at < len(leaves) and leaves[at][1]:
        owner, field, within = leaves[at]
        return Use("slot", view, node, slot=Slot(owner, field, (), table, within))
    return Use("slot", view, node, slot=Slot(_struct_name(kind), "", (), table))


def _leaves(
    reader: Reader, view: View, kind: CType, within: str, depth: int = 0
) -> list[tuple[str, str, str]]:
    members = reader.types.fields(kind, view.path)
    if members is None or depth > 4:
        return [(_struct_name(kind), "", within)]
    owner = _struct_name(kind)
    found: list[tuple[str, str, str]] = []
    for name, member in members[0].items():
        resolved = reader.types.resolved(member, view.path)
        if not resolved.pointers and resolved.base.split(" ")[0] == "struct":
            found += _leaves(reader, view, resolved, f"{owner}.{name}", depth + 1)
        else:
            found.append((owner, name, within))
    return found


def unevaluated(view: View, node: Node) -> bool:
    """Tell whether an expression is only an operand of sizeof, typeof or their like."""
    # The way up takes a thousand steps where a macro became as many terms.
    if not view.holds(_UNEVALUATED_WORDS):
        return False
    up: Node | None = node
    while up is not None and up.type not in ("compound_statement", "translation_unit"):
        if up.type in _UNEVALUATED:
            return True
        parent = up.parent
        if parent is not None and parent.type == "generic_expression":
            if parent.named_children[0].id == up.id:
                return True
        if up.type == "call_expression":
            if function_named(called_by(up)).is_("unevaluated"):
                return True
        up = up.parent
    return False


def slot_files(reader: Reader, slot: Slot, path: str) -> tuple[Sequence[str], str, bool]:
    """Return the files that can name a struct's member, their key, and if it is the kernel's."""
    kind, _, tag = slot.struct.partition(" ")
    found, universe = None, reader.universe
    if kind in ("struct", "union") and tag:
        found = reader.corpus.find(kind, tag, path)
    if found is None:
        return universe.files(path), universe.key(path), False
    shared = found.path in universe.shared and found.path != XFRM
    if found.path.startswith("include/") and not shared:
        return [], "", True
    files = dict.fromkeys(universe.files(path))
    key = universe.key(path)
    if found.path not in files or len(universe.modules(found.path)) > 1:
        files.update(dict.fromkeys(universe.files(found.path)))
        key += f"+{found.path}"
    return list(files), key, False
