"""Which members hold a table of function pointers: a call through another member can't reach it."""

from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import bare
from xfrmlint.c.mention import slot_of, use_of
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import node_text
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named

_DEEPEST = 8


class Holder(NamedTuple):
    """A member of a struct type, or (with an empty struct) a variable."""

    struct: str
    name: str


class Holders:
    """Follows tables to where they are kept; None as an answer means anywhere."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._known: dict[tuple[str, str], frozenset[Holder] | None] = {}

    def of_table(self, name: str, path: str) -> frozenset[Holder] | None:
        """Return what holds a file-level variable or its address, itself included."""
        key = (name, path)
        if key not in self._known:
            found: set[Holder] = {Holder("", name)}
            complete = True
            for view, node in self.reader.everywhere(name, path):
                if node.type == "identifier" and view.local(name, node.start_byte) is None:
                    complete = complete and self._follow(view, node, found, 0)
            self._known[key] = frozenset(found) if complete else None
        return self._known[key]

    def _follow(self, view: View, node: Node, found: set[Holder], depth: int) -> bool:
        """Add where a value goes; False where that can't be told."""
        if depth > _DEEPEST:
            return False
        use = use_of(self.reader, view, node)
        if use.kind in ("none", "called"):
            return True
        if use.kind == "slot" and use.slot is not None:
            holder = Holder(use.slot.struct, use.slot.field)
            if not holder.struct or not holder.name:
                return False
            return self._reads(view, holder, found, depth)
        if use.kind == "local":
            others = [
                n
                for n in view.occurrences(use.name)
                if n.type == "identifier" and n.start_byte != node.start_byte
            ]
            return all(self._follow(view, n, found, depth + 1) for n in others)
        if use.kind == "global":
            return self._reads(view, Holder("", use.name), found, depth)
        if use.kind == "through":
            local = view.local(use.name, node.start_byte)
            values = view.assignments(use.name) if local is not None else []
            complete = bool(values)
            for value in values:
                holders = self.of_expression(value, view)
                complete = complete and holders is not None
                for holder in holders or ():
                    complete = complete and self._reads(view, holder, found, depth)
            return complete
        if use.kind == "argument":
            return self._argument(view, use.name, use.position, use.callee, found, depth)
        return False

    def _reads(self, view: View, holder: Holder, found: set[Holder], depth: int) -> bool:
        if holder in found:
            return True
        found.add(holder)
        complete = True
        for where, node in self.reader.near(holder.name, view.path):
            if holder.struct:
                field = node.parent
                if node.type != "field_identifier" or field is None:
                    continue
                if field.type != "field_expression":
                    continue
                if slot_of(self.reader, where, field).struct not in (holder.struct, ""):
                    continue
            elif node.type != "identifier" or where.local(holder.name, node.start_byte):
                continue
            complete = complete and self._follow(where, node, found, depth + 1)
        return complete

    def _argument(
        self,
        view: View,
        name: str,
        position: int,
        callee: Node | None,
        found: set[Holder],
        depth: int,
    ) -> bool:
        listed = (
            callee.parent.child_by_field_name("arguments") if callee and callee.parent else None
        )
        if function_named(name).copies_memory and listed is not None:
            if position == 0:
                return True
            holders = self.of_expression(listed.named_children[0], view, depth + 1)
            if holders is None:
                return False
            return all(self._reads(view, h, found, depth) for h in holders)
        made = self.reader.definitions(name, view.path)
        complete = bool(made)
        for inner in made:
            if position >= len(inner.parameters) or not inner.parameters[position]:
                return False
            for node in inner.occurrences(inner.parameters[position]):
                if node.type == "identifier":
                    complete = complete and self._follow(inner, node, found, depth + 1)
        return complete

    def of_expression(self, node: Node, view: View, depth: int = 0) -> frozenset[Holder] | None:
        """Return the member or variable that a pointer expression reads."""
        node = bare(node, subscripts=True)
        if node.type == "field_expression":
            slot = slot_of(self.reader, view, node)
            return frozenset([Holder(slot.struct, slot.field)]) if slot.struct else None
        if node.type != "identifier" or depth > 3:
            return None
        name = node_text(node)
        local = view.local(name, node.start_byte)
        if local is None:
            return frozenset([Holder("", name)])
        values = view.assignments(name)
        if local.parameter >= 0 or not values:
            return None
        found: set[Holder] = set()
        for value in values:
            holders = self.of_expression(value, view, depth + 1)
            if holders is None:
                return None
            found |= holders
        return frozenset(found)
