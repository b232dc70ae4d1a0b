"""Expressions: what a value is on a path, and what happens to handles on the way.

What is evaluated here has no effects any more (see c/lower.py): a path never splits inside, and of
the state only the notes of what was read and used change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import Int, IntType, number
from xfrmlint.c.lower import Assign, Count, Keep
from xfrmlint.c.syntax import (
    Address,
    Binary,
    Cast,
    Compound,
    Conditional,
    Declaration,
    Deref,
    Entry,
    Expression,
    Index,
    Initializer,
    Literal,
    Member,
    Name,
    Opaque,
    Temporary,
    Unary,
    bared,
    uncast,
)
from xfrmlint.c.types import written_type
from xfrmlint.contract.words import HANDLE, OWNER, PINNED, XSO
from xfrmlint.flow.arithmetic import (
    CAPITALS,
    computed,
    element,
    found_in,
    is_zero,
    lost,
    lost_number,
    masked,
    negated,
    prefixed,
    sa_of,
)
from xfrmlint.flow.events import Device, Kind, Sa, Source
from xfrmlint.flow.frame import NETDEV, Frame
from xfrmlint.flow.lifetime import note_copied, note_put
from xfrmlint.flow.values import (
    APART,
    CONTROL_BLOCK,
    NEIGHBOUR,
    UNKNOWN,
    Constant,
    Handle,
    Location,
    Mark,
    Netdev,
    Offload,
    Packet,
    Pointer,
    Span,
    State,
    Struct,
    Told,
    Unknown,
    Value,
    XfrmState,
)
from xfrmlint.flow.written import element_of_sum, has_asm_result, is_extreme, plain
from xfrmlint.kernel import structs

Held = Mapping[Temporary, Value]
NUMBERS = (Handle, Constant, Span)
_TRUTHS = {"NULL": True, "false": True, "true": False}


class NoWay(Exception):
    """No path goes on from here."""


class Evaluator:
    """Evaluates the expressions of one function on one frame.

    state: where the path stands; what is evaluated moves it on. held: the step's temporaries.
    """

    def __init__(self, frame: Frame, state: State, held: Held) -> None:
        self.frame = frame
        self.code = frame.code
        self.driver = frame.driver
        self.state = state
        self.held = held

    def value(self, one: Expression) -> Value:
        """Evaluate an expression."""
        rule = _RULES.get(type(one))
        return rule(self, one) if rule is not None else UNKNOWN

    def all(self, several: Sequence[Expression]) -> list[Value]:
        """Evaluate expressions one after the other."""
        return [self.value(one) for one in several]

    def used(self, handle: Handle, one: Expression, text: str) -> None:
        """Note a use of a handle."""
        self.state = self.frame.used(self.state, handle, one, text)

    def load(self, at: Location, one: Expression) -> Value:
        """Read a location."""
        if at[0] == "global" and at not in self.state.memory:
            constant = self._initial(at, one)
            if constant is not None:
                return constant
        self.state, value = self.frame.load(self.state, at, one)
        return value

    def _initial(self, at: Location, one: Expression) -> Value | None:
        """Return the constant that a table which is never written holds at a location."""
        held = self.driver.tables.held(at, self.frame.view)
        if isinstance(held, Literal) and not held.is_text:
            made = number(held.written)
            return self.frame.constant(held.written, one, made.value == 0 if made else None)
        return self._constant(held.name, one) if isinstance(held, Name) else None

    def _temporary(self, one: Temporary) -> Value:
        return self.held.get(one, UNKNOWN)

    def _opaque(self, one: Opaque) -> Value:
        for value in self.all(one.parts):
            if isinstance(value, Handle) and has_asm_result(one.node):
                self.state = self.frame.compared(self.state, value, one)
        return UNKNOWN

    def _cast(self, one: Cast) -> Value:
        value = self.value(one.of)
        if not isinstance(value, NUMBERS):
            return value
        if isinstance(one.type, IntType):
            return self.frame.cast_to(value, one.type)
        return self.frame.typed(value, one.type, one)

    def _literal(self, one: Literal) -> Value:
        made = number(one.written) if not one.is_text else None
        zero = False if one.is_text else made.value == 0 if made is not None else None
        return self.frame.constant(one.written, one, _TRUTHS.get(one.written, zero))

    def _name(self, one: Name) -> Value:
        at = self.frame.variable(one)
        if at is not None:
            if at not in self.state.memory and at[0] == self.frame.name:
                if one.name in self.frame.body.structs:
                    return Struct(at)
                if one.name in self.frame.body.scalars:
                    return UNKNOWN
            return self._unless_another(self.load(at, one), one)
        path = self.frame.view.path
        known = one.name in _TRUTHS or one.name in structs.ENUMERATORS
        if not known and self.driver.reader.types.variable(one.name, path) is not None:
            return self.load(("global", one.name), one)
        if self.code.passes and self.driver.own(one.name, path):
            return self.frame.constant(one.name, one, False)
        return self._constant(one.name, one) or UNKNOWN

    def _constant(self, name: str, one: Expression) -> Value | None:
        """Return what a name stands for that is no variable. one: where it stands."""
        zero = _TRUTHS.get(name, structs.ENUMERATORS.get(name))
        if zero is None and not CAPITALS.match(name):
            if not self.driver.constants.is_constant(name, self.frame.view.path):
                return None
        return self.frame.constant(name, one, zero)

    def _member(self, one: Member) -> Value:
        of = self._holder(one)
        if isinstance(of, XfrmState | Packet) and of.there is False:
            raise NoWay
        if isinstance(of, Constant) and of.zero and one.arrow:
            # What a search has not found is asked for nothing.
            if of.function != self.frame.view.function.name:
                raise NoWay
        if one.name == XSO:
            return Offload(sa_of(of))
        if isinstance(of, Offload):
            return self._offload_member(of, one)
        if one.name == self.frame.driver.contract.word(HANDLE) and self.frame.is_handle(one):
            # The type says so; whose it is was lost on the way.
            return self._offload_member(Offload(Sa.UNKNOWN), one)
        at = self._member_at(of, one)
        if at is None:
            return lost(of)
        if at == CONTROL_BLOCK and isinstance(of, Packet):
            # An array: its address is what is read, whatever was stored in it.
            return Pointer(at)
        if at not in self.state.memory and self._is_link(one):
            # It leads to an entry, as the list itself does; from the own entry to another one.
            return Pointer(NEIGHBOUR if at[0] == "own" and len(at) == 3 else at[:-1])
        if at[-3:-1] == (one.name, "*") and self.frame.type(one) == self.frame.type(one.of):
            # ring->next->next leads no farther than ring->next.
            return Pointer(at[:-1])
        return self._beside(at, of, one) or self.load(at, one)

    def _beside(self, at: Location, of: Value, one: Member) -> Value | None:
        """Return what a number is that was not stored by its own name; None of any other member.

        By another name of a union's a handle lies there, or in a part of it; or nothing was stored.
        """
        whole = of.to if isinstance(of, Pointer | Struct) else at
        held, found = self.state.memory.get(whole), None
        parts = self.state.handles_below(at) if at == whole and not isinstance(held, Handle) else []
        if parts:
            others = [v for _, v in self.state.below(at) if not isinstance(v, Handle)]
            found = masked(parts[0]) if all(map(is_zero, others)) else lost_number(parts[0])
        elif at != whole and at not in self.state.memory:
            rest = self.state.rest(at) if one.name in self.code.seeds.flags else UNKNOWN
            found = masked(held) if isinstance(held, Handle) else rest
        if (
            found in (None, UNKNOWN)
            or self.driver.integer(self.frame.type(one), self.frame.view) is None
        ):
            return None
        kind = self.frame.type(one.of) if isinstance(found, Constant) else None
        return None if kind is not None and one.name in self._overlapping(kind) else found

    def _is_link(self, one: Member) -> bool:
        """Tell whether a member leads from a list, or an entry of it, to another entry."""
        if one.name not in structs.LINKS:
            return False
        kind = self.frame.type(one.of)
        return kind is not None and kind.base in structs.LISTS

    def _holder(self, one: Member) -> Value:
        """Return what a member is of: a struct, or a pointer to one."""
        of = uncast(one.of)
        named = isinstance(of, Name | Member | Index)
        if one.arrow or not named or (isinstance(of, Member) and self._is_offload(of)):
            return self.value(one.of)
        at = self.locate(of)
        held = self.state.memory.get(at) if at is not None else None
        if isinstance(held, Offload):
            return held
        return Struct(at) if at is not None else self.value(one.of)

    def _is_offload(self, one: Member) -> bool:
        """Tell whether a member is a state's xso, or a struct in it."""
        parts = self.frame.driver.contract.parts
        if one.name == XSO or one.name not in parts.values():
            return one.name == XSO
        kind = self.frame.type(one)
        return kind is not None and kind.base in parts

    def _offload_member(self, of: Offload, one: Member) -> Value:
        if one.name == self.frame.driver.contract.word(HANDLE) and self.frame.is_handle(one):
            view = self.frame.view
            made = ("direct", of.sa)
            place = view.place(one.named)
            mark = Mark(Kind.READ, place, view.function.name, made, Source.DIRECT, sa=of.sa)
            self.state = self.state.marked(mark)
            return Handle(made)
        contract = self.frame.driver.contract
        if one.name in contract.parts.values():
            # A struct in it.
            return of
        kind = self.frame.type(one.of) if contract.parts else None
        role = contract.role_in(kind.base if kind is not None else contract.offload, one.name)
        if role in (OWNER, PINNED) and of.sa is Sa.OTHER:
            return Netdev(Device.SAVED)
        if role in (OWNER, PINNED):
            return Netdev(Device.OWNER if role == OWNER else Device.REAL_DEV)
        return UNKNOWN

    def _member_at(self, of: Value, one: Member) -> Location | None:
        """Return where a member of a value lies."""
        name = one.name
        match of:
            case Handle():
                self.used(of, one, "dereferenced")
                return ("sa", name)
            case Pointer() | Struct():
                return of.to if self._in_union(one) else (*of.to, name)
            case Packet():
                return of.device if name == "dev" else ("skb", name)
            case Unknown() if of.packet:
                return ("skb", "[]", name)
            case XfrmState():
                return ("xs", of.sa, name)
            case Netdev() if of.device is Device.OWN:
                return ("netdev", name)
            case Netdev():
                return ("netdev", of.device, name)
        return None

    def _in_union(self, one: Member) -> bool:
        """Tell whether a member lies where all others of its union do."""
        unions = self.frame.body.unions
        if one.named not in unions:
            kind = self.frame.type(one.of)
            unions[one.named] = kind is not None and self._is_in_union(kind, one.name)
        return unions[one.named]

    def _is_in_union(self, kind: CType, name: str) -> bool:
        """Tell whether a type is a union, and a member not of a struct without a name in it."""
        kind = self.driver.reader.types.resolved(kind, self.frame.view.path)
        return kind.base.startswith("union") and name in self._overlapping(kind)

    def _overlapping(self, kind: CType) -> frozenset[str]:
        return self.driver.reader.types.overlapping(kind, self.frame.view.path)

    def _is_array(self, one: Member) -> bool:
        return self.driver.members.is_array(self.frame.view, one)

    def _element(self, one: Index) -> Value:
        of = bared(one.of)
        if isinstance(of, Member) and self._in_union(of) and self._is_array(of):
            held = self.value(of)
            if isinstance(held, Handle):
                # It lies in the array, which is no pointer.
                return masked(held)
        at = self._element_at(one)
        value = self._unless_another(self.load(at, one), one) if at is not None else UNKNOWN
        if isinstance(value, Constant):
            # Which one it is is said here, not where all of them are listed.
            name = self.frame.view.function.name
            return replace(value, place=self.frame.place(one), function=name)
        return value

    def _unless_another(self, value: Value, one: Name | Index) -> Value:
        """Return what a port that is looked for is where it is not the own one."""
        if isinstance(value, Pointer | Netdev):
            others = self.frame.others_than(one)
            if any(self.frame.is_the_own(self.value(other), other) for other in others):
                return APART if isinstance(value, Pointer) else Netdev(Device.SAVED)
        return value

    def _element_at(self, one: Index) -> Location | None:
        of, which = self.value(one.of), self.value(one.index)
        if isinstance(of, Handle):
            self.used(of, one, "dereferenced")
            return ("sa", "[]")
        if isinstance(which, Handle):
            self.used(which, one, f"used as index of {one.of.text}")
            return ("sa", "[]")
        if isinstance(of, Pointer | Struct):
            at = self.frame.element(element(of.to, self._number(which)), one)
            self.code.addressed.note(at, self.frame.view, one)
            return at
        return ("skb", "[]") if isinstance(of, Unknown) and of.packet else None

    def _number(self, value: Value) -> str:
        """Return a constant's number, as it stands in a location."""
        if isinstance(value, Constant) and value.zero:
            return "0"
        found = self.driver.number_of(value, self.frame.view)
        return str(found.value) if found is not None else ""

    def _deref(self, one: Deref) -> Value:
        at = self.locate(one)
        return self.load(at, one) if at is not None else UNKNOWN

    def _address(self, one: Address) -> Value:
        if not isinstance(one.of, Member):
            at = self.locate(one.of)
            return Pointer(at) if at is not None else UNKNOWN
        of = self._holder(one.of)
        if one.of.name == XSO:
            return Offload(sa_of(of))
        if isinstance(of, Offload) and self._is_offload(one.of):
            return of
        if isinstance(of, Handle):
            return self.frame.shifted(of, self.frame.type(one.of.of), one.of.name)
        at = self._member_at(of, one.of)
        if at is None:
            return UNKNOWN
        self.code.addressed.note(at, self.frame.view, one.of)
        return Pointer(at)

    def locate(self, one: Expression) -> Location | None:
        """Return where an lvalue lies; None where that is not known."""
        one = uncast(one)
        match one:
            case Name():
                at = self.frame.variable(one)
                path = self.frame.view.path
                if at is None and self.driver.reader.types.variable(one.name, path):
                    return ("global", one.name)
                return at
            case Member():
                return self._member_at(self._holder(one), one)
            case Index():
                return self._element_at(one)
            case Deref():
                of = self.value(one.of)
                if isinstance(of, Handle):
                    self.used(of, one, "dereferenced")
                    return ("sa",)
                return of.to if isinstance(of, Pointer) else None
            case Compound():
                return self._compound(one).to
        self.value(one)
        return None

    def _unary(self, one: Unary) -> Value:
        value = self.value(one.of)
        match value:
            case Handle():
                return prefixed(value, one.operator)
            case Told():
                return replace(value, exact=False)
            case Constant():
                return negated(value, one.operator)
        return UNKNOWN

    def _binary(self, one: Binary) -> Value:
        # A macro can become a thousand terms: they hang on each other by their left sides.
        terms = [one]
        while isinstance(left := terms[-1].left, Binary):
            terms.append(left)
        value = self.value(terms[-1].left)
        table = element_of_sum(terms)
        if isinstance(value, Pointer) and table is not None and isinstance(table.of, Member):
            # What is that far behind a table's beginning is an element of it.
            at = self._element_at(table)
            return Pointer(at) if at is not None else UNKNOWN
        for term in reversed(terms):
            sides = [value, self.value(term.right)]
            if term.operator == "?:":
                value = self._or_else(value, sides[1], term)
            else:
                value = computed(sides, term.operator, self._numbers(sides))
        return value

    def _or_else(self, value: Value, other: Value, one: Binary) -> Value:
        """Return what `a ?: b` is: of two devices the one that need not be the one at work.

        `h ?: 0` is h, `dev ?: NULL` is dev.
        """
        if is_zero(other):
            return other if isinstance(value, Unknown) else value
        if self.frame.type(one.left) != NETDEV:
            return other
        device = self.frame.typed(value, NETDEV, one.left)
        settled = self.frame.device(device, one.left)
        kept = isinstance(device, Netdev) and device.member is not None
        return other if kept and settled == Netdev(Device.OWN) else device

    def _numbers(self, values: Sequence[Value]) -> list[Int | None]:
        """Return the numbers of constants, where an operator has to know them."""
        if not all(isinstance(v, NUMBERS) for v in values) and not any(
            isinstance(v, Handle) for v in values
        ):
            return [None] * len(values)
        return [self.driver.number_of(v, self.frame.view) for v in values]

    def _entry(self, one: Entry) -> Value:
        return found_in(self.value(one.of))

    def _compound(self, one: Compound) -> Struct:
        at: Location = (self.frame.name, f"literal@{one.start}")
        written = one.node.child_by_field_name("type")
        self._listed(at, one.value, written_type(written) if written is not None else None)
        return Struct(at)

    def _initializer(self, one: Initializer) -> Value:
        self.all([value for _, value in one.items])
        return UNKNOWN

    def assign(self, step: Assign) -> Value:
        """Put a value into an lvalue; return it as it is put there."""
        kind = self.frame.declared_type(step.to)
        value = self.value(step.value)
        if kind is not None:
            value = self.frame.typed(value, kind, step.value)
        at = self.frame.variable(step.to) if isinstance(step.to, Name) else None
        if at is not None:
            value = self.frame.standing_in(value, self.state.memory.get(at, UNKNOWN), self.state)
        if step.operator:
            sides = [self.value(step.to), value]
            made = computed(sides, step.operator, self._numbers(sides))
            value = self.frame.typed(made, kind, step.value)
        self._store(step.to, value)
        return value

    def keep(self, step: Keep) -> Value:
        """Evaluate what is kept in a temporary: of a `?:`, the side that was taken."""
        value, of = self.value(step.value), step.to.of
        if not isinstance(value, Constant) or not isinstance(of, Conditional):
            return value
        for side in (of.then, of.other):
            handle = self._kept_before(side) if side is not None else UNKNOWN
            value = self.frame.standing_in(value, handle, self.state, is_extreme(of))
        return value

    def _kept_before(self, one: Expression) -> Value:
        """Return an expression's value without evaluating it once more."""
        text = plain(one)
        called = (v for kept, v in self.held.items() if plain(kept.of) == text)
        return next(called, None) or Evaluator(self.frame, self.state, self.held).value(one)

    def count(self, step: Count) -> Value:
        """Add 1 to an lvalue, or subtract it; return the value of the whole."""
        target = step.update.target
        made: Value = UNKNOWN
        value = self.value(target)
        if isinstance(value, NUMBERS):
            sides = [value, self.frame.constant("1", step.update)]
            counted = computed(sides, step.update.operator, self._numbers(sides))
            made = self.frame.typed(counted, self.frame.declared_type(target), step.update)
        self._store(target, made)
        return value if step.update.before and isinstance(value, NUMBERS) else made

    def declare(self, declaration: Declaration) -> None:
        """Give a variable its first value."""
        name, value = declaration.target, declaration.value
        at = self.frame.variable(name)
        if at is None:
            return
        if value is None:
            if at in self.state.memory:
                self.state = self.state.stored(at, UNKNOWN)
        elif isinstance(value, Initializer):
            self._listed(at, value, self.frame.declared_type(name))
        elif at[0] != "global":
            # A static variable has its value from before.
            kind = self.frame.declared_type(name)
            self.put(at, self.frame.typed(self.value(value), kind, value), name)

    def _store(self, target: Expression, value: Value) -> None:
        target = uncast(target)
        self.put(self.locate(target), value, target)

    def put(self, at: Location | None, value: Value, target: Expression) -> None:
        """Put a value at a location; a handle that leaves the stack is noted."""
        self.state = self.frame.forget(self.state, target)
        if isinstance(value, Handle) and not isinstance(target, Name):
            value = self.frame.typed(value, self.frame.type(target), target)
        if at is None or not at[0].startswith("="):
            if isinstance(value, Struct):
                self.state = note_copied(self.frame, self.state, at, value.to, target)
            if isinstance(value, Handle):
                self.state = note_put(self.frame, self.state, at, value, target)
                return
        if at is not None:
            self.state = self.state.stored(at, value)

    def _listed(self, at: Location, one: Initializer, kind: CType | None) -> None:
        """Make a struct, or an array, of an initializer list; what it does not name is 0."""
        is_struct = kind is not None and not kind.pointers
        self.state = self.state.zeroed(at, self.frame.truth(False, one) if is_struct else None)
        self._filled(at, one, kind)

    def _filled(self, at: Location, one: Initializer, kind: CType | None) -> None:
        """Store an initializer list's values in the members that they are for."""
        types, path = self.driver.reader.types, self.frame.view.path
        shared = self._overlapping(kind) if one.union and kind is not None else ()
        # A long table is mostly numbers: they are put in together, not each in a state of its own.
        numbers: dict[Location, Value] = {}
        for name, value in one.items:
            inner = at if name in shared else self._item(at, name)
            if isinstance(value, Literal) and not value.is_text:
                numbers[inner] = self._literal(value)
                continue
            self.state, numbers = self.state.holding(numbers), {}
            if isinstance(value, Initializer):
                self._filled(inner, value, types.field(kind, name, path))
            else:
                # A member's initializer can't leave the stack: the literal itself is a local.
                self.state = self.state.stored(inner, self.value(value))
        self.state = self.state.holding(numbers)

    def _item(self, at: Location, name: str) -> Location:
        """Return where an item of an initializer list lies: a member, or an element."""
        if not name.startswith("#"):
            return (*at, name)
        found = self.driver.constants.value(name[1:], self.frame.view.path)
        return element((*at, "*"), str(found.value) if found is not None else "")


_RULES: dict[type[Expression], Callable[[Evaluator, Any], Value]] = {
    Temporary: Evaluator._temporary,
    Cast: Evaluator._cast,
    Literal: Evaluator._literal,
    Name: Evaluator._name,
    Member: Evaluator._member,
    Index: Evaluator._element,
    Deref: Evaluator._deref,
    Address: Evaluator._address,
    Unary: Evaluator._unary,
    Binary: Evaluator._binary,
    Entry: Evaluator._entry,
    Compound: Evaluator._compound,
    Initializer: Evaluator._initializer,
    Opaque: Evaluator._opaque,
}
