"""Which object an expression is, or an initializer list fills: a variable, a member, an element.

`ops[0].flags`, `p->flags` behind `p = &ops[0];` and `[0] = { .flags = F }` are of one object. What
an allocation made is one by where that stands.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.ctype import INT, declared, specified
from xfrmlint.c.expression import above, bare, called_by, outward, position_in
from xfrmlint.c.mention import slot_of, use_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import Place
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.valueflow.sources import Tracer

# Begins the name of an object that an allocation makes.
MADE = "made at "
_INDEX = re.compile(r"\[([^]]*)\]")


class Key(NamedTuple):
    """What object is meant: a variable of a file, a member of a struct type, what a call made."""

    scope: str
    name: str


class Initialized(NamedTuple):
    """The object that an initializer list fills, as it is written; where to point at."""

    key: Key
    name: str
    at: Node


class Objects:
    """Answers about the objects in one driver."""

    def __init__(self, graph: CallGraph) -> None:
        self.reader = graph.reader
        self.constants = Constants(graph.reader.types)
        self.tracer = Tracer(graph.reader, graph.handed, self._object_of)
        self.makers = Tracer(graph.reader, graph.handed, self._made_by)

    def of(self, view: View, node: Node) -> Key:
        """Return which object an expression is, or points to."""
        answers = self.tracer.of(view, node).answers
        return next(iter(answers), Key(str(view.function), node_text(bare(node))))

    def all_of(self, view: View, node: Node) -> list[Key]:
        """Return each object that an expression can be; none if that can't be told."""
        made = self.makers.of(view, node)
        return list((self.tracer.of(view, node) if made.doubts else made).answers)

    def initialized(self, view: View, listed: Node, pair: Node | None, own: int = 1) -> Initialized:
        """Return the object that an initializer list, or one entry of it, fills.

        own: how many of the entry's designators name what is filled in the object.
        """
        name, at = _owner(self.reader, view, listed, pair, own)
        target = _literal_target(listed)
        if target is not None:
            return Initialized(self.of(view, target), name, at)
        scope = view.path if view.kind != "function" else str(view.function)
        element = _INDEX.sub(lambda found: self._element(found[1], view.path), name)
        return Initialized(Key(scope, element), name, at)

    def declared_at(self, view: View, key: Key) -> Place | None:
        """Return where a variable that assignments fill is declared."""
        if key.scope != view.path:
            return None
        name = key.name.partition("[")[0]
        for item in self.reader.outlines.items(view.path):
            known = item.kind == "declaration" and not node_text(item.node).startswith("extern")
            base = specified(item.node) if known else None
            for declarator in item.node.children_by_field_name("declarator"):
                made = declared(base, declarator) if base is not None else None
                if made is not None and node_text(made.name) == name:
                    return self.reader.outlines.place(view.path, item, made.name)
        return None

    def _element(self, index: str, path: str) -> str:
        """Return `[2]` for what an index is, `[i]` for one that is no constant."""
        value = self.constants.value(index, path)
        return f"[{index if value is None else value.value}]"

    def _is_array(self, key: Key, path: str) -> bool:
        """Tell whether an object can be one of several tables."""
        kind = self.reader.types.variable(key.name, path)
        return not key.name.startswith(MADE) and (kind is None or kind.pointers > 0)

    def _made_by(self, view: View, node: Node) -> Key | None:
        """Return the object that an expression makes, if it is a call that allocates."""
        if node.type != "call_expression" or function_named(called_by(node)).gfp < 0:
            return None
        return Key(str(view.function), f"{MADE}{node.start_byte}")

    def _object_of(self, view: View, node: Node) -> Key | None:
        """Return which object an expression names; None where it has to be followed further."""
        if node.type == "field_expression":
            slot = slot_of(self.reader, view, node)
            return Key(slot.struct, slot.field)
        if node.type == "subscript_expression":
            inner = node.child_by_field_name("argument")
            index = node.child_by_field_name("index")
            outer = self.of(view, inner) if inner is not None else Key("", "")
            element = self._element(node_text(index) if index is not None else "", view.path)
            # `ops[0]` of a pointer to one table is that table.
            alone = element == "[0]" and not self._is_array(outer, view.path)
            return outer if alone else Key(outer.scope, outer.name + element)
        if node.type != "identifier":
            return None
        name = node_text(node)
        local = view.local(name, node.start_byte)
        if local is None:
            return Key(view.path, name)
        return None if local.type.pointers else Key(str(view.function), name)


def assignment_of(node: Node) -> Node | None:
    """Return the assignment whose right side a table, its address or what it points to is."""
    up = node
    while (outer := outward(up)) is not None:
        up = outer
    parent = up.parent
    right = parent.child_by_field_name("right") if parent is not None else None
    assigned = parent is not None and parent.type == "assignment_expression"
    return parent if assigned and right is not None and right.id == up.id else None


def _literal_target(listed: Node) -> Node | None:
    """Return L if a list is the whole of `L = (struct xfrmdev_ops){ ... }`."""
    up = listed.parent
    if up is None or up.type != "compound_literal_expression":
        return None
    given = assignment_of(up)
    return given.child_by_field_name("left") if given is not None else None


def _owner(
    reader: Reader, view: View, listed: Node, pair: Node | None, own: int
) -> tuple[str, Node]:
    """Return the text by which a reader knows an initialized object, and the node to point at.

    pair: the entry that fills a slot of it; of `[1].xdo_dev_state_add` the object is `[1]`, whose
    own designator is one.
    """
    suffix = ""
    at: Node | None = None
    if pair is not None:
        suffix = _designated(pair.children_by_field_name("designator")[:-own])
        at = pair if suffix else None
    for node, parent in pairwise([listed, *above(listed)]):
        match parent.type:
            case "init_declarator" if (made := declared(INT, parent)) is not None:
                return node_text(made.name) + suffix, at or made.name
            case "initializer_pair":
                names = parent.children_by_field_name("designator")
                suffix = _designated(names) + suffix
                if any(n.type == "field_designator" for n in names):
                    at = at or parent
            case "initializer_list" if node.type != "initializer_pair":
                suffix = _entered(reader, view, parent, node) + suffix
            case "assignment_expression":
                left = parent.child_by_field_name("left")
                return (node_text(bare(left)) if left is not None else "?") + suffix, at or parent
    return suffix or "?", at or listed


def _designated(designators: Iterable[Node]) -> str:
    return "".join(node_text(one).replace(" ", "") for one in designators)


def _entered(reader: Reader, view: View, listed: Node, entry: Node) -> str:
    """Return which member or element of what a list fills an entry without designator is."""
    inner, outer = use_of(reader, view, entry).slot, use_of(reader, view, listed).slot
    if inner is not None and inner.field:
        if outer is None or (inner.struct, inner.field) != (outer.struct, outer.field):
            return f".{inner.field}"
    return f"[{position_in(listed, entry)}]"
