"""How long what is stored lives: what rings, look-ups and arrays in structs say."""

import re

from tree_sitter import Node, Query

from xfrmlint.c.expression import bare
from xfrmlint.c.unit import captured, language, node_text
from xfrmlint.c.view import View
from xfrmlint.flow.code import Code
from xfrmlint.flow.values import Location

_COUNTS = Query(language(), "[(update_expression) (assignment_expression)] @counts")
_MEMBERS = Query(language(), "(field_expression) @member")
_NAMES = Query(language(), "(identifier) @name")
_DEEPEST = 3


def lifetime(code: Code, view: View, target: Node, at: Location | None) -> str:
    """Return what a handle that is stored in an lvalue reaches: see Members.memory()."""
    base = target.child_by_field_name("argument")
    index = target.child_by_field_name("index")
    if base is not None and index is not None and _holds_integers(code, view, base):
        # Whatever the integers are called, what is filled one after the other is a ring.
        if _is_cursor(code, view, index, _holder(code, view, base), 0):
            return "unknown" if _is_array(code, view, base) else "hardware"
        if code.constants.value(node_text(index), view.path) and not _is_array(code, view, base):
            return "unknown"
    where = code.members.memory(view, target, at)
    if where != "unknown" or at is None or target.type != "field_expression":
        return where
    if "container" in at:
        # What was found in a table or a list was there before the packet.
        return "lasting"
    elements = [i + 1 for i, part in enumerate(at) if part == "[]"]
    if at[0] not in ("own", "argument") or not elements or "*" in at[elements[0] :]:
        return where
    return "lasting" if all(_is_embedded(code, at[:end]) for end in elements) else where


def _is_array(code: Code, view: View, node: Node) -> bool:
    """Tell whether an expression is an array that lies in a struct, not a pointer to one."""
    node = bare(node)
    kind = _holder(code, view, node)
    word, _, tag = kind.partition(" ")
    found = code.reader.corpus.find(word, tag, view.path) if tag else None
    if found is None:
        return False
    name = node_text(node.child_by_field_name("field") or node).encode()
    text = code.reader.corpus.unit(found.path).text[found.start : found.end]
    return re.search(rb"\b" + re.escape(name) + rb"\s*\[", text) is not None


def _is_embedded(code: Code, at: Location) -> bool:
    """Tell whether elements at a location lie in the struct that holds them."""
    view, node = code.addressed.get(at, (None, None))
    base = node.child_by_field_name("argument") if node is not None else None
    return view is not None and base is not None and _is_array(code, view, base)


def _holder(code: Code, view: View, node: Node) -> str:
    """Return the struct that a member lies in, or nothing."""
    node = bare(node)
    if node.type != "field_expression":
        return ""
    kind = code.reader.types.of(node.child_by_field_name("argument"), view)
    return code.reader.types.resolved(kind, view.path).base if kind is not None else ""


def _holds_integers(code: Code, view: View, base: Node) -> bool:
    kind = code.reader.types.of(base, view)
    if kind is None or kind.pointers != 1:
        return False
    return code.integer(kind.pointed(-1), view) is not None


def _is_cursor(code: Code, view: View, node: Node, holder: str, depth: int) -> bool:
    """Tell whether an index is where a ring stands: what is counted on, or kept beside it."""
    if captured(_COUNTS, node, "counts"):
        return True
    if any(_holder(code, view, one) == holder for one in captured(_MEMBERS, node, "member")):
        return bool(holder)
    names = [node_text(one) for one in captured(_NAMES, node, "name")] if depth < _DEEPEST else []
    return any(
        _is_cursor(code, view, value, holder, depth + 1)
        for name in names
        for value in view.assignments(name)
    )
