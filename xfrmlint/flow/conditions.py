"""Conditions: which ways they can go, and what each way says about a handle."""

from dataclasses import replace

from xfrmlint.c.expression import called_by
from xfrmlint.c.integers import BOOL, COMPARISONS, INT, Int, calculated, common, wrapped
from xfrmlint.c.syntax import (
    Assignment,
    Binary,
    Call,
    Expression,
    Member,
    Name,
    Truth,
    Unary,
    inside,
    source_of,
    uncast,
)
from xfrmlint.flow.arithmetic import (
    EQUAL,
    OPPOSITE,
    Branches,
    equal,
    is_error_number,
    is_zero,
    moved,
    narrowed,
    outcomes,
    same_device,
)
from xfrmlint.flow.evaluate import Evaluator, Held
from xfrmlint.flow.events import Device, Kind
from xfrmlint.flow.frame import Frame
from xfrmlint.flow.questions import question, same_number, spelled
from xfrmlint.flow.values import (
    SAME,
    Bits,
    Constant,
    Form,
    Handle,
    Location,
    Netdev,
    Packet,
    State,
    Told,
    Value,
    XfrmState,
)
from xfrmlint.kernel.functions import function_named

# An error's number: which one makes no difference.
_ANY_ERROR = Int(-1, INT)
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def _is_named(value: Value) -> bool:
    """Tell whether a value is a net_device that the state names."""
    return isinstance(value, Netdev) and value.device in (Device.OWNER, Device.REAL_DEV)


def _at_none(told: Told, sign: str, number: Int) -> set[bool]:
    """Return how what was told where there is no handle can compare with a number."""
    numbers = [0] if told.truth else [_ANY_ERROR.value, number.value, number.value - 1]
    made = [calculated(Int(n, INT), sign, number) for n in numbers if told.truth or n < 0]
    return {bool(one.value) for one in made if one is not None}


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
        counted = self.counted(state, one, value, "!=", Int(0, INT))
        if counted:
            return counted
        match value:
            case Handle():
                return self.tested(state, value, one)
            case Told():
                return self.told(state, value, "!=", Int(0, INT), one)
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
        """Return both ways of a condition; the one of before, if that was asked before."""
        asked = question(one) if self.frame.correlated else None
        if any(self.frame.counter(part) is not None for part in inside((one,))):
            state = state.doubted()
        if asked is None or asked[0] not in self.frame.correlated:
            return [(state, True), (state, False)]
        text, holds = asked
        at = self.flag(state, one)
        if at is not None:
            truths = ((way, self.frame.truth(way, one)) for way in (True, False))
            return [(state.stored(at, truth), way == holds) for way, truth in truths]
        ways = self.assumed(state, text, holds)
        called = [part for part in inside((one,)) if isinstance(part, Call)]
        if len(ways) == 1 and not all(function_named(call.name).asks for call in called):
            # What is called can answer otherwise the second time.
            ways += [(s.doubted(untested=True), not way) for s, way in ways]
        return ways

    def assumed(self, state: State, text: str, holds: bool) -> Branches:
        """Return the ways of what is asked more than once. holds: the condition is true then."""
        key = (self.frame.name, text)
        if key in state.assumed:
            return [(state, state.assumed[key] == holds)]
        return [
            (replace(state, assumed={**state.assumed, key: way}), way == holds)
            for way in (True, False)
        ]

    def flag(self, state: State, one: Expression) -> Location | None:
        """Return where a bool lies that is a variable, or in one."""
        asked = source_of(one)
        asked = asked.target if isinstance(asked, Assignment) else asked
        kind = self.frame.type(asked) if isinstance(asked, Name | Member) else None
        if self.driver.integer(kind, self.view) != BOOL:
            return None
        at = Evaluator(self.frame, state, {}).locate(asked)
        return at if at is not None and at[0].startswith("=") else None

    def counted(
        self, state: State, one: Expression, value: Value, sign: str, number: Int | None
    ) -> Branches:
        """Compare a counter with a number; return no ways if it is none, or can't be compared.

        Where both are open, what is known only of a range of its numbers is nothing sure.
        """
        name, on = self.frame.counter(one) or (None, 0)
        span = self.frame.span(value, name.name) if name is not None else None
        if name is None or span is None or number is None:
            return []
        kind = common(span.type, number.type)
        if span.low < 0 and not kind.signed:
            return []
        bound = wrapped(number.value, kind).value
        self.frame.bounds |= {bound - 1, bound, bound + 1}
        ways = [(narrowed(span, asked, bound), asked == sign) for asked in (sign, OPPOSITE[sign])]
        found: Branches = []
        for left, way in ways:
            if left is not None:
                sure = left.low == left.high or (None, not way) in ways
                after = state if sure else state.doubted()
                found.append(
                    (self.frame.narrow(after, name, moved(span, on), moved(left, on)), way)
                )
        return found

    def tested(self, state: State, handle: Handle, one: Expression) -> Branches:
        """Split by whether a handle, or a number made from one, is 0; or an error, if asked."""
        if function_named(called_by(one.node)).is_("error_too"):
            errors = self.erroneous(state, handle, one)
            if errors:
                return [(s, not way) for s, way in errors]
        ways = self.against(state, handle, "!=", Int(0, INT), one)
        return [(s if way else self._without(s, handle, one), way) for s, way in ways]

    def _without(self, state: State, handle: Handle, one: Expression) -> State:
        """Return the state in which a number made from a handle is 0, and the handle is not."""
        if state.known.get(handle.id) == "zero":
            return state
        left = (at for at, v in state.memory.items() if v == handle and not at[0].startswith("="))
        return state.holding(dict.fromkeys(left, self.frame.constant("0", one, True)))

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
        if isinstance(right, Told) and not isinstance(left, Told):
            left, right, sign = right, left, _MIRRORED.get(sign, sign)
        if isinstance(left, Told):
            return self.told(after, left, sign, self._error_or_number(right), one)
        numbers = [self.driver.number_of(side, self.view) for side in (left, right)]
        counted = self.counted(after, one.left, left, sign, numbers[1]) or self.counted(
            after, one.right, right, _MIRRORED.get(sign, sign), numbers[0]
        )
        if counted:
            return counted
        if isinstance(left, Constant) and isinstance(right, Constant):
            way = self.ordered(left, sign, right)
            return self.assuming(after, one) if way is None else [(after, way)]
        if sign in EQUAL and (_is_named(left) or _is_named(right)):
            left, right = self.frame.device(left, one.left), self.frame.device(right, one.right)
        if isinstance(left, Netdev) and isinstance(right, Netdev) and sign in EQUAL:
            return [
                (self._noted(s, after, one), way)
                for s, way in same_device(after, left, right, sign == "==")
            ]
        if is_zero(right) and sign in EQUAL:
            decided = self.decide(after, left, one.left)
            return [(s, way == (sign == "!=")) for s, way in decided]
        return self.assuming(after, one)

    def _noted(self, state: State, before: State, one: Expression) -> State:
        """Note what a comparison of devices has settled; nothing if that was settled before."""
        for (what, device), same in state.assumed.items() - before.assumed.items():
            if what == SAME:
                state = self.frame.mark(state, Kind.SAME, one, nonzero=same, device=Device(device))
        return state

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
        usual = calculated(wrapped(1, handle.zero.type), sign, number)
        if usual != at_zero:
            state = self.frame.heeded(state, handle)
        ways = self.split(state, handle, bool(at_zero.value), others, one)
        below = calculated(wrapped(-1, handle.zero.type), sign, number)
        if not handle.zero.type.signed or below in (usual, None):
            return ways
        # What is asked is whether it is negative, as errors are.
        return [
            (self.frame.heeded(s, handle, True) if way == below.value else s, way)
            for s, way in ways
        ]

    def erroneous(self, state: State, value: Value, one: Expression) -> Branches:
        """Return the ways on which a value is an error's number; none if that is not known."""
        if isinstance(value, Constant):
            number = self.driver.number_of(value, self.view)
            return [(state, is_error_number(number))] if number is not None else []
        if isinstance(value, Handle) and value.form is Form.FULL and value.zero is None:
            # As the address of what lies around NULL is.
            compared = self.frame.compared(state, value, one)
            return [(compared, True), (compared, False)]
        if not isinstance(value, Handle) or value.zero is None or not is_error_number(value.zero):
            return []
        state = self.frame.heeded(state, value)
        return self.split(state, value, True, {True, False}, one)

    def _error_or_number(self, value: Value) -> Int | None:
        """Return a number, or that of any error for one by its name."""
        known = self.driver.number_of(value, self.view)
        if known is None and isinstance(value, Constant) and value.text.startswith("-E"):
            return _ANY_ERROR
        return known

    def told(
        self, state: State, told: Told, sign: str, number: Int | None, one: Expression
    ) -> Branches:
        """Compare what says whether there is a handle with a number."""
        if number is None or not told.exact:
            compared = self.frame.compared(state, Handle(told.id), one)
            return [(compared, True), (compared, False)]
        found = calculated(Int(int(told.truth), INT), sign, number)
        assert found is not None
        there = bool(found.value)
        # Which error it is nobody knows; but an error's number is below 0.
        none = _at_none(told, sign, number)
        facts = state.known.get(told.id, "")
        ways: Branches = []
        if facts != "zero":
            if facts == "nonzero":
                ways.append((state, there))
            elif told.sure:
                ways.append((self.frame.told(state, told.id, True, one), there))
            else:
                ways.append((self.frame.compared(state, Handle(told.id), one), there))
        if facts != "nonzero":
            gone = state if facts == "zero" else self.frame.told(state, told.id, False, one)
            ways += [(gone, way) for way in none]
        return sorted(ways, key=lambda branch: not branch[1])

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
        number = self.driver.constants.value(text.strip(), self.view.path)
        counted = self.counted(state, one, value, sign, number)
        if counted:
            return counted
        if isinstance(value, Handle | Told):
            if isinstance(value, Told):
                return self.told(state, value, sign, number, one)
            return self.against(state, value, sign, number, one)
        if isinstance(value, Constant):
            held = self.ordered(value, sign, self.frame.constant(text.strip(), one))
            if held is not None:
                return [(state, held)]
        same = same_number(spelled(one), text.strip())
        if sign == "==" and same is not None and same[0] in self.frame.correlated:
            return self.assumed(state, *same)
        return [(state, True), (state, False)]
