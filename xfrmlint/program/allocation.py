"""Which flags an allocation is given (include/linux/gfp_types.h), and whether they let it sleep.

In `kmalloc(8, p->gfp)` that is whatever the driver stores in that member.
"""

import re
from collections.abc import Iterable

from tree_sitter import Node

from xfrmlint.c.expression import bare, called_by
from xfrmlint.c.header import declared_function, declared_macros
from xfrmlint.c.mention import slot_of
from xfrmlint.c.nodes import node_text, parse
from xfrmlint.c.reader import Occurrence
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.kernel.places import is_core
from xfrmlint.program.branches import Bound, Where, chosen
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.valueflow.sources import returned

_SLEEPING = re.compile(
    r"GFP_(?:KERNEL|NOIO|NOFS|USER|HIGHUSER|TRANSHUGE(?!_LIGHT))\w*|__GFP_(?:DIRECT_)?RECLAIM"
)
_WITHOUT = re.compile(r"~\s*\(?[^)]*__GFP_(?:DIRECT_)?RECLAIM")
_CONSTANT = re.compile(r"_*GFP_\w+")
_DEEPEST = 6

# Of each way to a value: the flag that lets sleep, "" for none, None for what is not seen.
Flags = frozenset[str | None]
_NONE: Flags = frozenset({""})
_UNSEEN: Flags = frozenset({None})


def flags_of(
    graph: CallGraph, view: View, node: Node, bound: Bound, at: int, depth: int = 0
) -> Flags:
    """Return the flags that an expression can be. at: the offset at which its names are looked up.

    bound: what is known of the function's parameters.
    """
    if depth > _DEEPEST:
        return _UNSEEN
    sides = chosen(Where(view, bound, graph.constants, at), node)
    if len(sides) > 1 or sides[0].id != node.id:
        return _union(flags_of(graph, view, side, bound, at, depth + 1) for side in sides)
    node = bare(node)
    match node.type:
        case "identifier":
            return _of_name(graph, view, node_text(node), bound, at, depth)
        case "number_literal":
            return _NONE
        case "binary_expression":
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            if left is None or right is None or node_text(node).count("<<"):
                return _UNSEEN
            if _WITHOUT.search(node_text(right)):
                return _NONE
            sides = [left] if "&" in node_text(node.children[1]) else [left, right]
            return _union(flags_of(graph, view, side, bound, at, depth + 1) for side in sides)
        case "field_expression":
            slot = slot_of(graph.reader, view, node)
            if is_core(view.path):
                # A header's own code has no driver.
                return _UNSEEN
            stores = graph.forms.stores_of_member(slot.struct, slot.field, view.path)
            return _of_values(graph, ((s.view, s.value) for s in stores), depth)
        case "call_expression":
            name = called_by(node)
            if function_named(name).sleeps == "never":
                return _NONE
            inside = [] if is_core(view.path) else graph.reader.definitions(name, view.path)
            known = None if inside else declared_function(graph.reader, name, view.path)
            if known is not None and not known.elsewhere:
                inside = [*known.bodies]
            return _of_values(graph, ((i, value) for i in inside for value in returned(i)), depth)
    return _UNSEEN


def _of_name(graph: CallGraph, view: View, name: str, bound: Bound, at: int, depth: int) -> Flags:
    if name in bound:
        return constant_flags(bound[name])
    local = view.local(name, at)
    if local is not None:
        found = _of_values(graph, ((view, value) for value in view.assignments(name)), depth, bound)
        # A caller that is not known gives it.
        return found | _UNSEEN if local.parameter >= 0 else found
    if is_flag(name):
        return constant_flags(name)
    for macro in declared_macros(graph.reader, name, view.path):
        body = parse(b"int x = " + macro.body + b";").root_node
        value = body.named_children[0].child_by_field_name("declarator")
        inner = value.child_by_field_name("value") if value is not None else None
        if macro.parameters is None and inner is not None:
            return flags_of(graph, view, inner, {}, at, depth + 1)
    values = []
    for where, node in _near(graph, name, view):
        parent = node.parent
        if parent is not None and parent.type == "init_declarator":
            values.append((where, parent.child_by_field_name("value")))
        else:
            values += [(s.view, s.value) for s in graph.forms.stores_at(where, node)]
    return _of_values(graph, values, depth)


def _near(graph: CallGraph, name: str, view: View) -> list[Occurrence]:
    """Return where the driver names something; a header's own code has no driver."""
    return [] if is_core(view.path) else graph.reader.near(name, view.path)


def _of_values(
    graph: CallGraph,
    values: Iterable[tuple[View, Node | None]],
    depth: int,
    bound: Bound | None = None,
) -> Flags:
    found = [
        flags_of(graph, view, value, bound or {}, value.start_byte, depth + 1)
        for view, value in values
        if value is not None
    ]
    return _union(found) or _UNSEEN


def is_flag(name: str) -> bool:
    """Tell whether a name is one of the kernel's own flags."""
    return _CONSTANT.fullmatch(name) is not None


def constant_flags(text: str) -> Flags:
    """Return what a flag's name, or a literal, says."""
    return frozenset({text if _SLEEPING.fullmatch(text) else ""})


def _union(found: Iterable[Flags]) -> Flags:
    return frozenset().union(*found)
