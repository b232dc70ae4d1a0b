"""Conditions: which ways they can go, and what each way says about a handle."""

from collections.abc import Iterable
from dataclasses import replace

from tree_sitter import Node

from xfrmlint.c.unit import node_text
from xfrmlint.flow.arithmetic import (
    COMPARISONS,
    EQUAL,
    Branches,
    equal,
    is_zero,
    number_given,
    ordered,
    same_device,
    sign_of,
)
from xfrmlint.flow.events import Device
from xfrmlint.flow.frame import Frame, Outcomes
from xfrmlint.flow.values import Bits, Constant, Form, Handle, Netdev, State, Value
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
                    return [(state, number != 0)]
            case Netdev() if value.device is Device.NULL:
                return [(state, False)]
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
        """Split by whether a handle is 0."""
        facts = state.known.get(handle.id, "")
        if handle.form is Form.FULL:
            return [(state, True)]
        if handle.form is Form.COMPUTED:
            return [(self.compared(state, handle, node), held) for held in (True, False)]
        if handle.form is Form.MASKED:
            if facts == "zero":
                return [(state, False)]
            higher = state if facts == "nonzero" else self.told(state, handle.id, True, node)
            return [(higher, True), (state, False)]
        if facts in ("zero", "nonzero"):
            return [(state, facts == "nonzero")]
        return [(self.told(state, handle.id, held, node), held) for held in (True, False)]

    def comparison(self, node: Node, sign: str, state: State) -> Branches:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            return [(state, True), (state, False)]
        found: Branches = []
        for after, (one, other) in self.all([left, right], state):
            if isinstance(other, Handle) and not isinstance(one, Handle):
                found += self.against(after, other, _MIRRORED.get(sign, sign), one, node)
            elif isinstance(one, Handle):
                found += self.against(after, one, sign, other, node)
            elif (
                isinstance(one, Constant)
                and isinstance(other, Constant)
                and (sign in EQUAL or one.text == other.text)
            ):
                same = equal(one, other)
                found += (
                    self.assuming(after, node)
                    if same is None
                    else [(after, same == (sign in ("==", "<=", ">=")))]
                )
            elif isinstance(one, Netdev) and isinstance(other, Netdev) and sign in EQUAL:
                found += same_device(after, one, other, sign == "==")
            elif (held := ordered(one, sign, other)) is not None:
                found.append((after, held))
            elif is_zero(other) and sign in EQUAL:
                found += [(s, held == (sign == "!=")) for s, held in self.decide(after, one, left)]
            else:
                found += self.assuming(after, node)
        return found

    def against(
        self, state: State, handle: Handle, sign: str, other: Value, node: Node
    ) -> Branches:
        """Compare a handle with something; an upper bound says nothing about 0."""
        number = number_given(other, self.code.number_of(other, self.view))
        if number == 0 and sign in ("<", ">="):
            # Only what is signed can be below 0, and 0 is not.
            if self.is_unsigned(node):
                return [(state, sign == ">=")]
            if handle.form > Form.COMPUTED:
                below = self.told(state, handle.id, True, node)
                return [(below, sign == "<"), (state, sign == ">=")]
        if handle.form <= Form.COMPUTED:
            return [(self.compared(state, handle, node), held) for held in (True, False)]
        if number == 0 and sign in ("==", "!=", ">", "<="):
            when = sign in ("!=", ">")
            return [(s, held == when) for s, held in self.tested(state, handle, node)]
        if number == 1 and sign in (">=", "<"):
            when = sign == ">="
            return [(s, held == when) for s, held in self.tested(state, handle, node)]
        above = {">": True, "<=": False, ">=": True, "<": False, "==": True, "!=": False}[sign]
        sure = sign in (">", "<=") or (number is not None and number > 0)
        facts = state.known.get(handle.id, "")
        if facts == "nonzero":
            return [(state, True), (state, False)]
        if facts == "zero":
            # 0 is not above anything.
            return [(state, not above)] if sure else [(state, True), (state, False)]
        higher = (
            self.told(state, handle.id, True, node) if sure else self.compared(state, handle, node)
        )
        return [(higher, above), (state, not above)]
