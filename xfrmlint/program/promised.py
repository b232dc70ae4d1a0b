"""Whether a value that goes into an ops table's flags holds a promise.

    u32 flags = 0;

    if (nic->caps & CAP_ESP)
            flags |= XFRMDEV_OPS_F_LOWER_HANDLE;
    nic_xfrmdev_ops.flags = flags;

holds it: what is set on some way counts. A value that comes from where nobody sees is unknown.
"""

import re
from enum import Enum, auto
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.expression import bare, called_by
from xfrmlint.c.mention import slot_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.view import View
from xfrmlint.contract.words import DEVICE, NETDEV_OPS, OPS
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.valueflow.sources import Tracer


class Holder(NamedTuple):
    """The member that holds a promise: of an ops table, or of a struct in it, which is its part."""

    name: str
    struct: str = OPS
    part: str = ""

    def table_of(self, expression: Node) -> Node | None:
        """Return T of `T->flags`, or of `T->caps.flags`; None where that is not written."""
        base = expression.child_by_field_name("argument")
        if not self.part or base is None:
            return base
        named = base.child_by_field_name("field")
        own = named is not None and node_text(named) == self.part
        return base.child_by_field_name("argument") if own else None


class _Answer(Enum):
    YES = auto()
    NO = auto()
    OPEN = auto()


_TOLD = {_Answer.YES: True, _Answer.NO: False, _Answer.OPEN: None}


class Promised:
    """Answers about one flag. holder: the flags of an ops table."""

    def __init__(self, graph: CallGraph, flag: str, holder: Holder) -> None:
        self.reader = graph.reader
        self.flag = flag
        self.holder = holder
        self.constants = Constants(graph.reader.types)
        self.tracer: Tracer[_Answer] = Tracer(graph.reader, graph.passed, self._says)
        self.installed: Tracer[bool] = Tracer(graph.reader, graph.passed, self._is_installed)

    def holds(self, view: View, value: Node) -> bool | None:
        """Tell whether a value holds the promise; None if that can't be told."""
        return _TOLD[self._of(view, value)]

    def _of(self, view: View, value: Node) -> _Answer:
        plain = bare(value)
        if plain.type == "number_literal":
            return self._of_constant(node_text(plain), view) or _Answer.OPEN
        found = self.tracer.of(view, value)
        if _Answer.YES in found.answers:
            return _Answer.YES
        return _Answer.OPEN if found.doubts or _Answer.OPEN in found.answers else _Answer.NO

    def _says(self, view: View, node: Node) -> _Answer | None:
        """Return what an expression says by itself; None for one that has to be followed."""
        match node.type:
            case "identifier":
                local = view.local(node_text(node), node.start_byte)
                return self._of_constant(node_text(node), view) if local is None else None
            case "unary_expression":
                return _Answer.NO if self._is_without(node) else _Answer.OPEN
            case "binary_expression":
                return self._of_operation(view, node)
            case "field_expression":
                return self._of_member(view, node)
            case "call_expression" if called_by(node).isupper():
                # BIT(0)
                return self._of_constant(node_text(node), view)
        return None

    def _of_operation(self, view: View, node: Node) -> _Answer:
        sign = node.child_by_field_name("operator")
        left, right = (node.child_by_field_name(side) for side in ("left", "right"))
        constant = self._of_constant(node_text(node), view)
        if constant is not None:
            return constant
        if sign is None or left is None or right is None or sign.type not in ("|", "*", "&"):
            return _Answer.OPEN
        sides = [self._of_side(view, side) for side in (left, right)]
        # Of &, the last of these that a side is; else the first, as in IS_ENABLED(CONFIG_A) * FLAG.
        order = (_Answer.YES, _Answer.OPEN, _Answer.NO)
        return (max if sign.type == "&" else min)(sides, key=order.index)

    def _of_side(self, view: View, side: Node) -> _Answer:
        """Return what an operand says: a mask, if it is a constant."""
        mask = bare(side)
        if mask.type != "unary_expression" or self._is_without(mask):
            return self._of(view, side)
        return self._of_constant(node_text(mask), view) or _Answer.OPEN

    def _is_without(self, node: Node) -> bool:
        """Tell whether a mask takes the promise away."""
        text = node_text(node)
        return text.startswith("~") and self.flag in re.findall(r"\w+", text)

    def _of_constant(self, constant: str, view: View) -> _Answer | None:
        """Return whether a constant has the promise's bit; None if either number is not known."""
        if constant == self.flag:
            return _Answer.YES
        bit = self.constants.value(self.flag, view.path)
        value = self.constants.value(constant, view.path)
        if bit is None or value is None:
            return None
        return _Answer.YES if value.value & bit.value else _Answer.NO

    def _of_member(self, view: View, node: Node) -> _Answer | None:
        """Return that the flags of the table on another device hold what that one promises."""
        flags = slot_of(self.reader, view, node)
        base = self.holder.table_of(node)
        if (flags.struct, flags.field) != (self.holder.struct, self.holder.name) or base is None:
            return None
        return _Answer.YES if self.installed.of(view, base).answers else None

    def _is_installed(self, view: View, node: Node) -> bool | None:
        """Return that an expression is the table on a device; None for one to be followed."""
        if node.type != "field_expression":
            return None
        table = slot_of(self.reader, view, node)
        return (table.struct, table.field) == (DEVICE, NETDEV_OPS) or None
