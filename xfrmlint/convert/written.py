"""Where a site is written in its file: its function, its statement, and what it is a member of."""

import re
from typing import NamedTuple, NoReturn

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, around, assigned_in, bare, called_by, given_to
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import Place, below, declarator_name
from xfrmlint.c.view import View
from xfrmlint.contract.words import XSO
from xfrmlint.convert.edits import Edit, Reason, Refused
from xfrmlint.kernel.functions import effect_named, function_named
from xfrmlint.program.sites import Site

_BLOCKS = ("compound_statement", "case_statement")
_BRANCHES = ("if_statement", "else_clause", "for_statement", "while_statement", "do_statement")


_DIRECTIVE = re.compile(rb"^[ \t]*#[ \t]*(ifn?def|if|elif|else|endif)\b", re.MULTILINE)
# What leaves a handle as it is.
_CASTS = re.compile(r"^(\(\s*(const\s+)?(struct\s+)?\w+(\s+\w+)*[\s*]*\)\s*|\()*$")


class Written(NamedTuple):
    """A site as its file has it. node: the whole access. state: the expression that xso is of.

    before, after: what the node makes of the handle, where it is the use of a macro, or the call of
    a function. alias: the pointer to xso that it goes through.
    """

    site: Site
    view: View
    node: Node
    state: Node
    before: str = ""
    after: str = ""
    alias: str = ""

    @property
    def path(self) -> str:
        """The file."""
        return self.view.path

    @property
    def span(self) -> Node:
        """What a local takes the place of: the access, with READ_ONCE() around it."""
        return read_once(self.node)

    @property
    def is_handle(self) -> bool:
        """Whether the node is worth the handle itself, of whatever type."""
        return bool(_CASTS.match(self.before)) and not self.after.strip(")")

    def made_of(self, handle: str) -> bytes:
        """Return what stands for the access where an expression has the handle."""
        return f"{self.before}{handle}{self.after}".encode("utf-8", "surrogateescape")


class Reads(NamedTuple):
    """The reads of a function. statement: the one with the first. device: that is at work.

    handed: the edits by which callers hand that down.
    """

    reads: tuple[Written, ...]
    statement: Node
    state: str
    device: str
    handed: tuple[Edit, ...]

    @property
    def first(self) -> Written:
        """The first of them."""
        return self.reads[0]


def read_once(access: Node) -> Node:
    """Return an access with READ_ONCE() around it, if that is there."""
    given = given_to(access)
    return given.call if given is not None and given.name == "READ_ONCE" else access


def refuse(site: Site, text: str) -> NoReturn:
    """Refuse a driver for what one of its sites is. Raises Refused."""
    raise Refused(Reason(site.place.path, site.place.line, f"{site.function.name}(): {text}"))


def written(reader: Reader, site: Site) -> Written:
    """Find a site in its file. Raises Refused for one that is not written as `x->xso.member`."""
    path, line, column = site.place
    unit = reader.corpus.unit(path)
    offset = unit.offset(line, column)
    item = unit.item_at(offset)
    if item is None or item.kind != "function":
        refuse(site, f"xso.{site.field} is written in a macro")
    view = View(reader.corpus, path, item, unit.text, None)
    view.heads = site.view.heads
    leaf = item.node.descendant_for_byte_range(offset, offset)
    node = leaf.parent if leaf is not None and leaf.type == "field_identifier" else leaf
    while node is not None and not _is_member(node, site.field):
        node = node.parent
    if node is None or item.name != site.function.name:
        refuse(site, f"xso.{site.field} stands in a form of C that was not understood")
    of, alias = node.child_by_field_name("argument"), ""
    if of is not None and of.type == "identifier":
        alias, of = node_text(of), _pointed_to(view, of)
    if of is None or not _is_member(of, XSO) or b"->" not in _between(of):
        refuse(site, f"xso.{site.field} is reached through a pointer to xso, or a copy of it")
    state = of.child_by_field_name("argument")
    if state is None or not _is_found_again(state):
        refuse(site, "the state is the result of a call that may do more than to look it up")
    return Written(site, view, node, state, alias=alias)


def _is_found_again(state: Node) -> bool:
    """Tell whether a state's expression can be written once more: it does nothing but look."""
    calls = [one for one in below(state) if one.type == "call_expression"]
    return all(
        function_named(called_by(one)).is_("state") or effect_named(called_by(one)) == "nothing"
        for one in calls
    )


def _pointed_to(view: View, name: Node) -> Node | None:
    """Return A of the one `p = &A` that a pointer's value comes from, if A is the same later."""
    values = view.assignments(node_text(name))
    local = view.local(node_text(name), name.start_byte)
    if len(values) != 1 or local is None or local.parameter >= 0 or local.type.pointers != 1:
        return None
    value = values[0]
    if value.type != "pointer_expression" or not node_text(value).startswith("&"):
        return None
    if value.end_byte > name.start_byte:
        return None
    of = bare(value)
    words = [node_text(one) for one in below(of) if one.type == "identifier"]
    anew = [v for word in words for v in view.assignments(word) if v.start_byte > value.start_byte]
    return None if anew else of


def _is_member(node: Node, name: str) -> bool:
    field = node.child_by_field_name("field") if node.type == "field_expression" else None
    return field is not None and node_text(field) == name


def _between(node: Node) -> bytes:
    sign = node.child_by_field_name("operator")
    return (sign.text or b"") if sign is not None else b""


def stands_in_branch(reader: Reader, view: View, node: Node) -> bool:
    """Tell whether a node stands in a branch of an #if of its function, settled or not."""
    data = reader.corpus.data(view.path)
    depth = 0
    for found in _DIRECTIVE.finditer(data, view.node.start_byte, node.start_byte):
        depth += -1 if found[1] == b"endif" else found[1].startswith(b"if")
    return depth != 0


def node_at(view: View, place: Place, kind: str) -> Node | None:
    """Return the node of a kind that stands at a place of a function's file, or around it."""
    if place.path != view.path:
        return None
    offset = view.corpus.unit(place.path).offset(place.line, place.column)
    return around(view.node.descendant_for_byte_range(offset, offset), kind)


def has_branches(reader: Reader, view: View, start: int, end: int) -> bool:
    """Tell whether a piece of a function has branches of an #if, settled or not."""
    return _DIRECTIVE.search(reader.corpus.data(view.path), start, end) is not None


def statement_of(node: Node) -> Node:
    """Return the statement around a node that stands directly in a block, or alone in a branch."""
    while node.parent is not None and node.parent.type not in _BLOCKS:
        node = node.parent
    return node


def is_alone(statement: Node, node: Node) -> bool:
    """Tell whether a node of a statement stands in a branch of it that has no braces."""
    up: Node | None = node
    while up is not None and up.id != statement.id:
        above = up.parent
        if above is not None and above.type in _BRANCHES:
            condition = above.child_by_field_name("condition")
            if condition is None or condition.id != up.id:
                return True
        up = above
    return False


def without_parentheses(node: Node | None) -> Node | None:
    """Return what stands in parentheses, in likely() or in unlikely()."""
    while node is not None:
        if node.type == "parenthesized_expression" and node.named_child_count == 1:
            node = node.named_children[0]
        elif is_hint(node):
            node = next(iter(arguments_of(node)), None)
        else:
            return node
    return None


def is_hint(node: Node) -> bool:
    """Tell whether a node is a call of likely() or unlikely()."""
    return node.type == "call_expression" and called_by(node) in ("likely", "unlikely")


def names_set_by(statement: Node) -> set[str]:
    """Return the variables that a statement declares, or the one that it sets whatever comes."""
    if statement.type == "declaration":
        named = map(declarator_name, statement.children_by_field_name("declarator"))
        return {node_text(one) for one in named if one is not None}
    made = assigned_in(statement)
    return {node_text(made.target)} if made and made.target.type == "identifier" else set()


def is_declared(name: Node) -> bool:
    """Tell whether a name stands where its variable is declared."""
    inner, up = name, name.parent
    while up is not None and up.type.endswith("declarator"):
        if up.type == "init_declarator" and up.child_by_field_name("declarator") != inner:
            return False
        inner, up = up, up.parent
    return up is None or up.type == "declaration"


def indent_of(view: View, node: Node) -> bytes:
    """Return the white space in front of a node on its line."""
    start = view.text.rfind(b"\n", 0, node.start_byte) + 1
    line = view.text[start : node.start_byte]
    return line if not line.strip() else line[: len(line) - len(line.lstrip())]
