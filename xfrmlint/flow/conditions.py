"""Conditions: which ways they can go, and what each way says about a handle."""

from collections.abc import Iterable
from dataclasses import replace

from tree_sitter import Node

from xfrmlint.c.integers import COMPARISONS, INT, Int, calculated
from xfrmlint.c.unit import node_text
from xfrmlint.flow.arithmetic import (
    EQUAL,
    Branches,
    equal,
    is_zero,
    outcomes,
    same_device,
    sign_of,
    unwrapped,
)
from xfrmlint.flow.events import Device
from xfrmlint.flow.frame import Frame, Outcomes
from xfrmlint.flow.values import Bits, Constant, Form, Handle, Netdev, State, Value, XfrmState
from xfrmlint.kernel.functions import function_named

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


class Conditions(Frame):
    """Splits paths at conditions."""

    def value(self, node: Node | None, state: State) -> Outcomes:
        """Evaluate an expression."""
        raise NotImplementedError

    def all(self, nodes: Iterable[Node], state: State) -> list[tuple[State, list[Value]]]:
        """Evaluate expressions one after the other."""
        found: list[tuple[State, list[Value]]] = [(state, [])]
        for node in nodes:
            found = [
                (after, [*values, value])
                for before, values in found
                for after, value in self.value(node, before)
            ]
        return found

    def truth(self, node: Node | None, state: State) -> Branches:
        """Return the ways a condition can go."""
        if node is None:
            return [(state, True)]
        kind = node.type
        if kind in ("parenthesized_expression", "expression_statement") and node.named_child_count:
            inside = node.named_children[-1]
            if inside.type != "compound_statement":
                return self.truth(inside, state)
        sign = sign_of(node)
        if kind == "unary_expression" and sign == "!":
            inside_ = node.child_by_field_name("argument")
            return [(s, not held) for s, held in self.truth(inside_, state)]
        if kind == "binary_expression" and sign in ("&&", "||"):
            found: Branches = []
            for after, held in self.truth(node.child_by_field_name("left"), state):
                if held == (sign == "&&"):
                    found += self.truth(node.child_by_field_name("right"), after)
                else:
                    found.append((after, held))
            return found
        if kind == "binary_expression" and sign in COMPARISONS:
            return self.comparison(node, sign, state)
        if kind == "call_expression":
            name = node_text(node.child_by_field_name("function") or node)
            listed = node.child_by_field_name("arguments")
            first = listed.named_children[0] if listed and listed.named_child_count else None
            if function_named(name).truth == 0 and first is not None:
                return self.truth(first, state)
            if function_named(name).is_("error_too") and first is not None:
                return [(s, not held) for s, held in self.truth(first, state)]
        found = []
        for after, value in self.value(node, state):
            found += self.decide(after, value, node)
        return found

    def decide(self, state: State, value: Value, node: Node) -> Branches:
        """Return the ways a value can be true."""
        match value:
            case Handle():
                return self.tested(state, value, node)
            case Constant() if value.zero is not None:
                return [(state, not value.zero)]
            case Bits():
                return [(state, bool(value.names))]
            case Constant():
                number = self.code.number_of(value, self.view)
                if number is not None:
                    return [(state, number.value != 0)]
            case Netdev() if value.device is Device.NULL:
                return [(state, False)]
            case XfrmState() if value.there is not None:
                return [(state, value.there)]
            case XfrmState():
                asked = unwrapped(node)
                at = self.variable(asked) if asked.type == "identifier" else None
                if at is not None:
                    return [
                        (state.stored(at, replace(value, there=there)), there)
                        for there in (True, False)
                    ]
        return self.assuming(state, node)

    def assuming(self, state: State, node: Node) -> Branches:
        text = self.code.correlated(self.view, node)
        if not text:
            return [(state, True), (state, False)]
        key = (self.frame, text)
        if key in state.assumed:
            return [(state, state.assumed[key])]
        return [
            (replace(state, assumed={**state.assumed, key: held}), held) for held in (True, False)
        ]

    def tested(self, state: State, handle: Handle, node: Node) -> Branches:
        """Split by whether a handle, or a number made from one, is 0."""
        return self.against(state, handle, "!=", Int(0, INT), node)

    def comparison(self, node: Node, sign: str, state: State) -> Branches:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            return [(state, True), (state, False)]
        found: Branches = []
        for after, (one, other) in self.all([left, right], state):
            if isinstance(other, Handle) and not isinstance(one, Handle):
                number = self.code.number_of(one, self.view)
                found += self.against(after, other, _MIRRORED.get(sign, sign), number, node)
            elif isinstance(one, Handle):
                number = self.code.number_of(other, self.view)
                found += self.against(after, one, sign, number, node)
            elif isinstance(one, Constant) and isinstance(other, Constant):
                held = self.ordered(one, sign, other)
                found += self.assuming(after, node) if held is None else [(after, held)]
            elif isinstance(one, Netdev) and isinstance(other, Netdev) and sign in EQUAL:
                found += same_device(after, one, other, sign == "==")
            elif is_zero(other) and sign in EQUAL:
                found += [(s, held == (sign == "!=")) for s, held in self.decide(after, one, left)]
            else:
                found += self.assuming(after, node)
        return found

    def ordered(self, one: Constant, sign: str, other: Constant) -> bool | None:
        """Compare constants; None where their numbers are not known."""
        left, right = (self.code.number_of(c, self.view) for c in (one, other))
        made = calculated(left, sign, right) if left is not None and right is not None else None
        if made is not None:
            return bool(made.value)
        if other.zero and one.text.startswith("-E"):
            # An error's number, whatever it is.
            return sign in ("<", "<=", "!=")
        same = equal(one, other)
        if same is None or (not same and sign not in EQUAL):
            return None
        return same == (sign in ("==", "<=", ">="))

    def against(
        self, state: State, handle: Handle, sign: str, number: Int | None, node: Node
    ) -> Branches:
        """Compare a handle with a number: the way that 0 takes, and those that others can."""
        if handle.form is Form.FULL and number is not None and not number.value and sign in EQUAL:
            return [(state, sign == "!=")]
        if handle.zero is None or number is None:
            return self.bounded(state, handle, sign, node)
        at_zero = calculated(handle.zero, sign, number)
        assert at_zero is not None
        others = outcomes(handle, sign, number)
        return self.split(state, handle, bool(at_zero.value), others, node)

    def split(
        self, state: State, handle: Handle, held: bool, others: set[bool], node: Node
    ) -> Branches:
        """Split by whether a handle is 0. held: the way of 0. others: those of the rest."""
        if others == {held}:
            return [(state, held)]
        facts = state.known.get(handle.id, "")
        found: Branches = []
        if facts != "nonzero":
            zero = state if facts == "zero" else self.told(state, handle.id, False, node)
            found.append((zero, held))
        if facts != "zero":
            other = state if facts == "nonzero" else self.told(state, handle.id, True, node)
            found += [(other, way) for way in others]
        return sorted(found, key=lambda branch: not branch[1])

    def bounded(self, state: State, handle: Handle, sign: str, node: Node) -> Branches:
        """Compare a handle with something unknown: for the least or the most that says enough."""
        zero = handle.zero
        if zero is None or zero.type.signed or (zero.value and not self._is_most(zero, node)):
            return [(self.compared(state, handle, node), held) for held in (True, False)]
        # Nothing unsigned is below 0, and nothing above 0 - 1; either can be equal to the bound.
        beyond, back = ("<", ">=") if zero.value else (">", "<=")
        if sign in (beyond, back):
            return self.split(state, handle, sign == back, {True, False}, node)
        away = sign in (f"{beyond}=", "==")
        if state.known.get(handle.id):
            return [(state, True), (state, False)]
        return [(self.compared(state, handle, node), away), (state, not away)]

    def _is_most(self, number: Int, node: Node) -> bool:
        """Tell whether a number is the greatest that either side of a comparison can be."""
        types = self.reader.types
        for side in ("left", "right"):
            kind = types.of(node.child_by_field_name(side), self.view)
            wide = self.code.integer(kind, self.view)
            if wide is None or wide.bits > number.type.bits:
                return False
        return number.value == (1 << number.type.bits) - 1

    def labelled(self, state: State, value: Value, label: str, node: Node) -> Branches:
        """Return the ways a switch's value can meet a label, which can be a range."""
        low, _, high = label.partition("...")
        if not high:
            return self.meets(state, value, "==", low, node)
        found: Branches = []
        for after, held in self.meets(state, value, ">=", low, node):
            found += self.meets(after, value, "<=", high, node) if held else [(after, False)]
        return found

    def meets(self, state: State, value: Value, sign: str, text: str, node: Node) -> Branches:
        if isinstance(value, Handle):
            number = self.code.constants.value(text.strip(), self.view.path)
            return self.against(state, value, sign, number, node)
        if isinstance(value, Constant):
            held = self.ordered(value, sign, self.constant(text.strip(), node))
            if held is not None:
                return [(state, held)]
        return [(state, True), (state, False)]
