"""Conditions: which ways they can go, and what each way says about a handle."""

from dataclasses import replace

from xfrmlint.c.integers import COMPARISONS, INT, Int, calculated
from xfrmlint.c.syntax import Binary, Expression, Name, Truth, Unary, uncast
from xfrmlint.flow.arithmetic import EQUAL, Branches, equal, is_zero, outcomes, same_device
from xfrmlint.flow.evaluate import Evaluator, Held
from xfrmlint.flow.events import Device
from xfrmlint.flow.frame import Frame
from xfrmlint.flow.relevance import condition
from xfrmlint.flow.values import (
    Bits,
    Constant,
    Form,
    Handle,
    Netdev,
    Packet,
    State,
    Value,
    XfrmState,
)

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


class Conditions:
    """Splits the paths of one function on one frame."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.driver = frame.driver
        self.view = frame.view

    def ways(self, one: Expression, state: State, held: Held) -> Branches:
        """Return the ways a condition without effects can go. held: the step's temporaries."""
        match one:
            case Truth():
                return self.ways(one.of, state, held)
            case Unary() if one.operator == "!":
                return [(s, not way) for s, way in self.ways(one.of, state, held)]
            case Binary() if one.operator in COMPARISONS:
                return self.comparison(one, state, held)
        evaluator = Evaluator(self.frame, state, held)
        value = evaluator.value(one)
        return self.decide(evaluator.state, value, one)

    def decide(self, state: State, value: Value, one: Expression) -> Branches:
        """Return the ways a value can be true."""
        match value:
            case Handle():
                return self.tested(state, value, one)
            case Constant() if value.zero is not None:
                return [(state, not value.zero)]
            case Bits():
                return [(state, bool(value.names))]
            case Constant():
                number = self.driver.number_of(value, self.view)
                if number is not None:
                    return [(state, number.value != 0)]
            case Netdev() if value.device is Device.NULL:
                return [(state, False)]
            case XfrmState() | Packet() if value.there is not None:
                return [(state, value.there)]
            case XfrmState() | Packet() if value != Packet():
                asked = uncast(one)
                at = self.frame.variable(asked) if isinstance(asked, Name) else None
                if at is not None:
                    return [
                        (state.stored(at, replace(value, there=there)), there)
                        for there in (True, False)
                    ]
        return self.assuming(state, one)

    def assuming(self, state: State, one: Expression) -> Branches:
        text = condition(one.text) if self.frame.correlated else ""
        if text not in self.frame.correlated:
            return [(state, True), (state, False)]
        key = (self.frame.name, text)
        if key in state.assumed:
            return [(state, state.assumed[key])]
        return [
            (replace(state, assumed={**state.assumed, key: held}), held) for held in (True, False)
        ]

    def tested(self, state: State, handle: Handle, one: Expression) -> Branches:
        """Split by whether a handle, or a number made from one, is 0."""
        return self.against(state, handle, "!=", Int(0, INT), one)

    def comparison(self, one: Binary, state: State, held: Held) -> Branches:
        """Return the ways a comparison can go."""
        evaluator = Evaluator(self.frame, state, held)
        left, right = evaluator.all((one.left, one.right))
        after, sign = evaluator.state, one.operator
        if isinstance(right, Handle) and not isinstance(left, Handle):
            number = self.driver.number_of(left, self.view)
            return self.against(after, right, _MIRRORED.get(sign, sign), number, one)
        if isinstance(left, Handle):
            return self.against(after, left, sign, self.driver.number_of(right, self.view), one)
        if isinstance(left, Constant) and isinstance(right, Constant):
            way = self.ordered(left, sign, right)
            return self.assuming(after, one) if way is None else [(after, way)]
        if isinstance(left, Netdev) and isinstance(right, Netdev) and sign in EQUAL:
            return same_device(after, left, right, sign == "==")
        if is_zero(right) and sign in EQUAL:
            decided = self.decide(after, left, one.left)
            return [(s, way == (sign == "!=")) for s, way in decided]
        return self.assuming(after, one)

    def ordered(self, one: Constant, sign: str, other: Constant) -> bool | None:
        """Compare constants; None where their numbers are not known."""
        left, right = (self.driver.number_of(c, self.view) for c in (one, other))
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
        self, state: State, handle: Handle, sign: str, number: Int | None, one: Expression
    ) -> Branches:
        """Compare a handle with a number: the way that 0 takes, and those that others can."""
        if handle.form is Form.FULL and number is not None and not number.value and sign in EQUAL:
            return [(state, sign == "!=")]
        if handle.zero is None or number is None:
            return self.bounded(state, handle, sign, one)
        at_zero = calculated(handle.zero, sign, number)
        assert at_zero is not None
        others = outcomes(handle, sign, number)
        return self.split(state, handle, bool(at_zero.value), others, one)

    def split(
        self, state: State, handle: Handle, held: bool, others: set[bool], one: Expression
    ) -> Branches:
        """Split by whether a handle is 0. held: the way of 0. others: those of the rest."""
        if others == {held}:
            return [(state, held)]
        facts = state.known.get(handle.id, "")
        found: Branches = []
        if facts != "nonzero":
            zero = state if facts == "zero" else self.frame.told(state, handle.id, False, one)
            found.append((zero, held))
        if facts != "zero":
            other = state if facts == "nonzero" else self.frame.told(state, handle.id, True, one)
            found += [(other, way) for way in others]
        return sorted(found, key=lambda branch: not branch[1])

    def bounded(self, state: State, handle: Handle, sign: str, one: Expression) -> Branches:
        """Compare a handle with something unknown: for the least or the most that says enough."""
        zero = handle.zero
        if zero is None or zero.type.signed or (zero.value and not self._is_most(zero, one)):
            return [(self.frame.compared(state, handle, one), held) for held in (True, False)]
        # Nothing unsigned is below 0, and nothing above 0 - 1; either can be equal to the bound.
        beyond, back = ("<", ">=") if zero.value else (">", "<=")
        if sign in (beyond, back):
            return self.split(state, handle, sign == back, {True, False}, one)
        away = sign in (f"{beyond}=", "==")
        if state.known.get(handle.id):
            return [(state, True), (state, False)]
        return [(self.frame.compared(state, handle, one), away), (state, not away)]

    def _is_most(self, number: Int, one: Expression) -> bool:
        """Tell whether a number is the greatest that either side of a comparison can be."""
        for side in (one.left, one.right) if isinstance(one, Binary) else (None, None):
            kind = self.frame.type(side) if side is not None else None
            wide = self.driver.integer(kind, self.view)
            if wide is None or wide.bits > number.type.bits:
                return False
        return number.value == (1 << number.type.bits) - 1

    def labelled(self, state: State, value: Value, label: str, one: Expression) -> Branches:
        """Return the ways a switch's value can meet a label, which can be a range."""
        low, _, high = label.partition("...")
        if not high:
            return self.meets(state, value, "==", low, one)
        found: Branches = []
        for after, held in self.meets(state, value, ">=", low, one):
            found += self.meets(after, value, "<=", high, one) if held else [(after, False)]
        return found

    def meets(self, state: State, value: Value, sign: str, text: str, one: Expression) -> Branches:
        if isinstance(value, Handle):
            number = self.driver.constants.value(text.strip(), self.view.path)
            return self.against(state, value, sign, number, one)
        if isinstance(value, Constant):
            held = self.ordered(value, sign, self.frame.constant(text.strip(), one))
            if held is not None:
                return [(state, held)]
        return [(state, True), (state, False)]
