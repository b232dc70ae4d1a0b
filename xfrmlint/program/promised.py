"""Whether a value that goes into an ops table's flags holds a promise.

    u32 flags = 0;

    if (nic->caps & CAP_ESP)
            flags |= XFRMDEV_OPS_F_LOWER_HANDLE;
    nic_xfrmdev_ops.flags = flags;

holds it: what is set on some way counts. A value that comes from where nobody sees is unknown.
"""

import re

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.expression import bare, called_by
from xfrmlint.c.mention import slot_of
from xfrmlint.c.unit import node_text
from xfrmlint.c.view import View
from xfrmlint.contract.words import DEVICE, NETDEV_OPS, OPS
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.valueflow.sources import Tracer

_TESTS = ("==", "!=", "&&", "||", "<", ">", "<=", ">=")


class Promised:
    """Answers about one flag. member: the flags of an ops table, by their name."""

    def __init__(self, graph: CallGraph, flag: str, member: str) -> None:
        self.reader = graph.reader
        self.flag = flag
        self.member = member
        self.constants = Constants(graph.reader.types)
        self.tracer: Tracer[bool] = Tracer(graph.reader, graph.passed, self._holds)

    def holds(self, view: View, value: Node) -> bool | None:
        """Tell whether a value holds the promise; None if that can't be told."""
        if bare(value).type == "number_literal":
            return bool(self._is_in(node_text(bare(value)), view))
        found = self.tracer.of(view, value)
        if True in found.answers:
            return True
        return None if found.doubts else False

    def _holds(self, view: View, node: Node) -> bool | None:
        """Tell what an expression says by itself; None for one that has to be followed."""
        match node.type:
            case "identifier":
                return self._of_name(view, node)
            case "unary_expression":
                # What is left of a mask is told where it is applied.
                return False
            case "binary_expression":
                return self._of_operation(view, node)
            case "field_expression":
                return self._of_member(view, node)
            case "call_expression" if called_by(node).isupper():
                # BIT(0)
                return self._is_in(node_text(node), view)
        return None

    def _of_operation(self, view: View, node: Node) -> bool | None:
        sign = node.child_by_field_name("operator")
        left, right = (node.child_by_field_name(side) for side in ("left", "right"))
        if sign is None or left is None or right is None or sign.type in _TESTS:
            return False
        if sign.type == "&" and any(self._is_without(side) for side in (left, right)):
            return False
        sides = {self.holds(view, left), self.holds(view, right)}
        if sign.type == "&":
            return False if False in sides else True if sides == {True} else None
        return True if True in sides else None if None in sides else False

    def _is_without(self, node: Node) -> bool:
        """Tell whether a mask takes the promise away."""
        text = node_text(bare(node))
        return text.startswith("~") and self.flag in re.findall(r"\w+", text)

    def _of_name(self, view: View, node: Node) -> bool | None:
        name = node_text(node)
        if name == self.flag:
            return True
        if view.local(name, node.start_byte) is not None:
            return None
        return self._is_in(name, view)

    def _is_in(self, constant: str, view: View) -> bool | None:
        """Tell whether a constant has the promise's bit; None if either number is not known."""
        bit = self.constants.value(self.flag, view.path)
        value = self.constants.value(constant, view.path)
        return None if bit is None or value is None else bool(value.value & bit.value)

    def _of_member(self, view: View, node: Node) -> bool | None:
        """Tell that the flags of the table on another device hold what that one promises."""
        flags = slot_of(self.reader, view, node)
        base = node.child_by_field_name("argument")
        if (flags.struct, flags.field) != (OPS, self.member) or base is None:
            return None
        if base.type != "field_expression":
            return None
        table = slot_of(self.reader, view, base)
        return True if (table.struct, table.field) == (DEVICE, NETDEV_OPS) else None
