"""Which members of a driver's private data nobody sets: they stay 0, as that memory begins.

    struct flock { bool moving; ... };          if (READ_ONCE(f->moving)) return 0;

never returns there where no code of the driver can store in `moving`: by its name, through its
address, or with the struct as a whole. What is not understood may do so.
"""

import re

from tree_sitter import Node

from xfrmlint.c.expression import Given, given_to, outermost
from xfrmlint.c.mention import slot_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import Operand, function_named
from xfrmlint.kernel.places import HEADERS

_READS = (
    "binary_expression",
    "unary_expression",
    "parenthesized_expression",
    "conditional_expression",
)


def is_never_set(reader: Reader, struct: str, name: str, path: str) -> bool:
    """Tell whether no code of the driver that a file belongs to can store in a struct's member."""
    tag = struct.partition(" ")[2]
    found = reader.corpus.find("struct", tag, path) if tag else None
    if found is None or found.path.startswith(HEADERS):
        return False
    in_macro = re.compile(
        rb"#[ \t]*define\b(?:[^\n]*\\\n)*[^\n]*\b(?:%s|%s)\b" % (name.encode(), tag.encode())
    )
    for file in reader.universe.files(path):
        if reader.corpus.unit(file).unread or reader.outlines.errors(file):
            return False
        if in_macro.search(reader.corpus.plain(file)):
            return False
    views = {id(view): view for view, _ in reader.near(tag, path)}.values()
    return (
        all(_is_read(reader, struct, view, node) for view, node in reader.near(name, path))
        and all(_is_plain(view, node, struct) for view, node in reader.near(tag, path))
        and all(_stays(reader, struct, view) for view in views if view.kind == "function")
    )


def _is_read(reader: Reader, struct: str, view: View, node: Node) -> bool:
    """Tell whether nothing is stored where a member is named."""
    member = node.parent
    if node.type == "identifier":
        return view.kind == "function" and view.local(node_text(node), node.start_byte) is not None
    if node.type != "field_identifier" or member is None:
        return False
    if member.type != "field_expression":
        return member.type in ("field_declaration", "pointer_declarator", "array_declarator")
    if slot_of(reader, view, member).struct not in ("", struct):
        return True
    whole = outermost(member)
    given, up = given_to(whole), whole.parent
    if given is not None:
        return _is_by_value(reader, view, given)
    if up is None or up.type in ("update_expression", "pointer_expression", "field_expression"):
        return False
    return up.type != "assignment_expression" or up.child_by_field_name("left") != whole


def _is_by_value(reader: Reader, view: View, given: Given) -> bool:
    """Tell whether a call only reads an argument: a macro may store in it."""
    does = function_named(given.name)
    known = does.known and does.stored_in(Operand(given.position)) is None
    return known or bool(reader.definitions(given.name, view.path))


def _is_plain(view: View, node: Node, struct: str) -> bool:
    """Tell whether a struct's tag stands where nothing is made of it that is not looked at.

    That is its definition, a prototype, sizeof, and a function's variable that points to it.
    """
    specifier = node.parent
    up = specifier.parent if specifier is not None else None
    if specifier is None or specifier.type != "struct_specifier" or up is None:
        return False
    if specifier.child_by_field_name("body") is not None:
        return up.type == "translation_unit" and not view.locals
    match up.type:
        case "translation_unit" | "parameter_declaration" | "function_definition":
            return True
        case "type_descriptor":
            return up.parent is not None and up.parent.type == "sizeof_expression"
        case "declaration":
            declarator = up.child_by_field_name("declarator")
            text = node_text(declarator) if declarator is not None else ""
            return view.kind == "function" or not text or "(" in text
    return False


def _stays(reader: Reader, struct: str, view: View) -> bool:
    """Tell whether a function writes no struct as a whole that its variables point to."""
    for local in view.locals:
        if local.type.base == struct:
            named = (one for one in view.occurrences(local.name) if one.type == "identifier")
            if local.type.pointers != 1 or not all(
                _is_used_by_member(reader, struct, view, node) for node in named
            ):
                return False
    return True


def _is_used_by_member(reader: Reader, struct: str, view: View, node: Node) -> bool:
    whole = outermost(node)
    up, given = whole.parent, given_to(whole)
    if given is not None:
        does = function_named(given.name)
        if does.known:
            return does.stored_in(Operand(given.position, True)) is None and given.name != "memset"
        inner = reader.definitions(given.name, view.path)
        return bool(inner) and all(_takes(one, given.position, struct) for one in inner)
    if up is None:
        return False
    if up.type in ("assignment_expression", "init_declarator"):
        target = up.child_by_field_name("left") or up.child_by_field_name("declarator")
        name = node_text(target).lstrip("* ") if target is not None else ""
        local = view.local(name, up.start_byte + 1) or view.local(name, up.end_byte)
        return local is not None and (local.type.base, local.type.pointers) == (struct, 1)
    if up.type == "return_statement":
        return view.result is not None and view.result.base == struct
    if up.type == "field_expression":
        return up.child_by_field_name("argument") == whole
    return up.type in _READS or up.type.endswith(("_declarator", "_declaration"))


def _takes(view: View, position: int, struct: str) -> bool:
    taken = [one for one in view.locals if one.parameter == position]
    return bool(taken) and (taken[0].type.base, taken[0].type.pointers) == (struct, 1)
