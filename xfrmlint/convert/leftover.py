"""A variable that nobody has a use for any more once a function is edited goes as well."""

import re
from collections.abc import Iterable, Sequence

from tree_sitter import Node

from xfrmlint.c.expression import assigned_in, called_by
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.convert.edits import Edit, Reason, Refused
from xfrmlint.convert.layout import line_start, without_statement
from xfrmlint.convert.written import is_declared, statement_of
from xfrmlint.kernel.functions import function_named


def left_over(view: View, edits: Sequence[Edit], names: Iterable[str]) -> list[Edit]:
    """Return the edits that take away those of some locals that edits leave without a use.

    Raises Refused for one whose initializer may do more than give a value.
    """
    found = []
    for name in names:
        if not any(v.name == name and v.parameter < 0 for v in view.locals):
            continue
        word = rb"\b" + re.escape(name.encode("utf-8", "surrogateescape")) + rb"\b"
        if any(re.search(word, edit.text) for edit in edits):
            continue
        rest = [node for node in view.occurrences(name) if not _is_gone(node, edits)]
        if any(_is_use(node) for node in rest):
            continue
        statements = [statement_of(node) for node in rest]
        if len(rest) > 2 or not all(_is_plain(one) and _has_lines(view, one) for one in statements):
            place = view.place(rest[0].start_byte)
            text = f"{view.function.name}(): {name} would have no use any more"
            raise Refused(Reason(place.path, place.line, text))
        found += [without_statement(view, statement) for statement in statements]
    return found


def _has_lines(view: View, statement: Node) -> bool:
    """Tell whether nothing else stands on the lines of a statement, and a block is around it."""
    start = line_start(view.text, statement.start_byte)
    end = view.text.find(b"\n", statement.end_byte)
    around = view.text[start : statement.start_byte] + view.text[statement.end_byte : end]
    block = statement.parent
    return not around.strip() and block is not None and block.type == "compound_statement"


def _is_gone(node: Node, edits: Sequence[Edit]) -> bool:
    return any(edit.start <= node.start_byte < edit.end for edit in edits)


def _is_use(node: Node) -> bool:
    """Tell whether a variable's name stands there for its value: not declared, and not set."""
    if node.type != "identifier" or is_declared(node):
        return False
    up = node.parent
    made = assigned_in(up.parent) if up is not None else None
    return made is None or made.target != node


def _is_plain(statement: Node) -> bool:
    """Tell whether a statement does nothing but to declare one variable, or to set it."""
    if statement.type == "declaration":
        if len(statement.children_by_field_name("declarator")) != 1:
            return False
    elif statement.type != "expression_statement":
        return False
    return all(
        function_named(called_by(one)).is_("state")
        for one in below(statement)
        if one.type == "call_expression"
    )
