"""Which members hold a table of function pointers: a call through another member can't reach it."""

from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import bare
from xfrmlint.c.mention import Slot, Use, slot_files, slot_of, use_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.valueflow.forms import Passed
from xfrmlint.valueflow.uses import Step, Uses


class Holder(NamedTuple):
    """A member of a struct type, or (with an empty struct) a variable."""

    struct: str
    name: str


class Holders:
    """Follows tables to where they are kept; None as an answer means anywhere."""

    def __init__(self, reader: Reader, passed: Passed) -> None:
        self.reader = reader
        self.uses = Uses(reader, passed, lambda _: (), self._reads)
        self._known: dict[tuple[str, str], frozenset[Holder] | None] = {}

    def of_table(self, name: str, path: str) -> frozenset[Holder] | None:
        """Return what holds a file-level variable or its address, itself included."""
        key = (name, path)
        if key not in self._known:
            found: set[Holder] = {Holder("", name)}
            open_: list[Use] = []
            start = [
                Step(use_of(self.reader, view, node))
                for view, node in self.reader.everywhere(name, path)
                if node.type == "identifier" and view.local(name, node.start_byte) is None
            ]
            complete = self.uses.follow(start, lambda step: self._visit(step, found, open_))
            self._known[key] = frozenset(found) if complete and not open_ else None
        return self._known[key]

    def _visit(self, step: Step, found: set[Holder], open_: list[Use]) -> bool:
        """Add what holds a table where it goes, and tell whether to go on; note what stays open."""
        use = step.use
        if use.kind == "slot" and use.slot is not None:
            holder = Holder(use.slot.struct, use.slot.field)
            if not holder.struct or not holder.name:
                open_.append(use)
                return False
        elif use.kind == "global":
            holder = Holder("", use.name)
        else:
            if use.kind == "returned":
                open_.append(use)
            return use.kind in ("local", "through", "argument")
        if holder in found:
            return False
        found.add(holder)
        return True

    def _reads(self, slot: Slot, path: str) -> list[Use]:
        """Return the uses of a member wherever it is read."""
        files, key, kernels = slot_files(self.reader, slot, path)
        if kernels:
            files, key = self.reader.universe.files(path), self.reader.universe.key(path)
        return [
            use_of(self.reader, where, node)
            for where, node in self.reader.occurrences(slot.field, files, key)
            if node.type == "field_identifier"
            and node.parent is not None
            and node.parent.type == "field_expression"
            and slot_of(self.reader, where, node.parent).struct in (slot.struct, "")
        ]

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
