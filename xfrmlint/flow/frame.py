"""One function on one frame: its names, its events, and what its types make of values."""

import re
from collections.abc import Sequence
from dataclasses import replace

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import Goes, around, assigned_in, bare, called_by, destination
from xfrmlint.c.integers import INT, POINTER, Int, IntType, common, limits, wrapped
from xfrmlint.c.mention import unevaluated
from xfrmlint.c.syntax import (
    Expression,
    Index,
    Member,
    Name,
    Temporary,
    Update,
    bared,
    source_of,
    uncast,
)
from xfrmlint.c.unit import Place, below
from xfrmlint.c.view import View
from xfrmlint.flow.arithmetic import (
    fitted,
    is_error_number,
    is_none,
    lost_number,
    numbered,
    refitted,
    sa_at,
)
from xfrmlint.flow.code import Code
from xfrmlint.flow.events import Device, Kind, Sa, Source
from xfrmlint.flow.relevance import Body
from xfrmlint.flow.values import (
    ANOTHERS,
    CONFIGURED,
    CONTROL_BLOCK,
    LED,
    MADE,
    NO_DEVICE,
    OPEN,
    PRIVATE,
    TURNED,
    UNKNOWN,
    Constant,
    Form,
    Handle,
    HandleId,
    Location,
    Mark,
    Netdev,
    Packet,
    Pointer,
    Span,
    State,
    Struct,
    Unknown,
    Value,
    XfrmState,
    is_error,
)
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.access import STATE

_LONGEST = 24
NETDEV = CType("struct net_device", 1)


Outcomes = list[tuple[State, Value]]


class Frame:
    """One function on the stack.

    code: the driver. depth: the frame's number. correlated: conditions that hold for as long as
    they are not forgotten. returned: what was left early with, in a call.
    """

    def __init__(
        self, code: Code, body: Body, depth: int, correlated: frozenset[str] = frozenset()
    ) -> None:
        self.code = code
        self.driver = code.driver
        self.body = body
        self.view = body.view
        self.correlated = correlated
        self.name = f"={depth}"
        self.returned: Outcomes = []
        # What counters are compared with: where a loop's can stop.
        self.bounds: set[int] = set()

    def place(self, one: Expression) -> Place:
        """Return where an expression is written, or put into; not where a macro begins it."""
        return self.view.place(self._beginning(one))

    def _place_of_use(self, one: Expression) -> Place:
        """Return where a number is used; if a macro makes another of it, where that is given it."""
        at = self._beginning(one)
        if not self.view.is_written(at):
            parts = (part.start_byte for part in below(one.node))
            at = next((start for start in parts if self.view.is_written(start)), at)
        return self.view.place(at)

    def _beginning(self, one: Expression) -> int:
        at = one.start
        if self.view.expanded and not self.view.is_written(at):
            made = assigned_in(one.node.parent)
            put = one.node.parent if made is not None and made.target == one.node else None
            sign = (put or one.node).child_by_field_name("operator")
            at = sign.start_byte if sign is not None else at
        return at

    def constant(self, text: str, one: Expression, zero: bool | None = None) -> Constant:
        """Return a constant that is written at an expression."""
        return Constant(text, zero, self.place(one), self.view.function.name)

    def truth(self, way: bool, one: Expression) -> Constant:
        """Return what a condition is worth that holds, or does not."""
        return self.constant(str(int(way)), one, not way)

    def mark(
        self,
        state: State,
        kind: Kind,
        one: Expression,
        handle: HandleId | None = None,
        text: str = "",
        known: str = "",
        nonzero: bool = False,
        put: str = "",
        at: Location = (),
        device: Device = Device.UNKNOWN,
    ) -> State:
        """Note an event at an expression."""
        place = self._place_of_use(one) if kind is Kind.USE else self.place(one)
        made = Mark(kind, place, self.view.function.name, handle, device=device)
        return state.marked(made._replace(text=text, known=known, nonzero=nonzero, put=put, at=at))

    def used(self, state: State, handle: Handle, one: Expression, text: str) -> State:
        """Note a use of a handle."""
        facts = known_of(state, handle)
        return self.mark(state, Kind.USE, one, handle=handle.id, text=text, known=facts)

    def entrusted(
        self, state: State, handle: Handle, one: Expression, text: str, told: bool
    ) -> State:
        """Note that a handle is given to what is not seen, and may test it: that is no sure use.

        told: what comes behind it can depend on what it found.
        """
        facts = state.known.get(handle.id, "")
        if facts not in ("", "zero"):
            return self.used(state, handle, one, text)
        asked = self.compared(state, handle, one)
        after = self.mark(asked, Kind.USE, one, handle=handle.id, text=text, known="unseen")
        return after if told else after.knowing(handle.id, facts)

    def cut(self, state: State, at: Expression, why: str) -> State:
        """Note that a path was not followed any further."""
        self.code.cut_off = True
        return self.mark(state, Kind.CUT, at, text=why)

    def variable(self, name: Name) -> Location | None:
        """Return where a local variable lies."""
        places = self.body.places
        if name.start not in places:
            local = self.view.local(name.name, name.start)
            if local is None:
                places[name.start] = None
            elif self.driver.is_static(self.view, local):
                places[name.start] = (True, f"{self.view.function.name}.{local.name}")
            else:
                scope = f"@{local.end}" if local.parameter < 0 else ""
                places[name.start] = (False, local.name + scope)
        found = places[name.start]
        if found is None:
            return None
        return ("global" if found[0] else self.name, found[1])

    def counter(self, one: Expression) -> tuple[Name, int] | None:
        """Return the counter that an expression is, or counts on, and how far it is on since."""
        one, on = uncast(one), 0
        if isinstance(one, Temporary) and isinstance(one.of, Update):
            on = (1 if one.of.operator == "+" else -1) * one.of.before
            one = uncast(one.of.target)
        return (one, on) if isinstance(one, Name) and one.name in self.body.counters else None

    def span(self, value: Value, name: str) -> Span | None:
        """Return between which numbers a counter is that has a value."""
        kind = self.body.counters.get(name)
        if kind is None or not isinstance(value, Span | Constant | Unknown):
            return None
        if isinstance(value, Span):
            return value
        number = self.driver.number_of(value, self.view)
        if number is None:
            return Span(*limits(kind), kind)
        only = wrapped(number.value, kind).value
        return Span(only, only, kind)

    def narrow(self, state: State, name: Name, was: Value, now: Value) -> State:
        """Return the state in which a counter that was between two numbers is between others."""
        at = self.variable(name)
        if at is None:
            return state
        held = state.memory.get(at, UNKNOWN)
        known, before, after = (self.span(one, name.name) for one in (held, was, now))
        return state.stored(at, after) if after is not None and known == before != after else state

    def load(self, state: State, at: Location, one: Expression) -> tuple[State, Value]:
        """Read a location. Where nothing is held it is taken for a pointer until a type says more.

        Looking up the type of every member that is read would cost more than all the rest.
        """
        if at in state.memory:
            return state, state.memory[at]
        if at[0] == "skb":
            if at[1].startswith(f"dev of {NO_DEVICE}") and len(at) == 2:
                return state, Netdev(Device.NULL)
            if at[:2] != CONTROL_BLOCK:
                return state, Netdev(Device.OWN) if at == ("skb", "dev") else Unknown(packet=True)
        if self.code.is_keeper(self.view, one, at):
            # An earlier packet left a handle here.
            made = ("stored", *at)
            # In the device's own private data it was left by this device.
            own = at[0] == "own" and "*" not in at
            whose = Device.OWN if own else Device.UNKNOWN
            mark = Mark(Kind.READ, self.place(one), self.view.function.name, made, Source.STORED)
            return state.knowing(made, "").marked(mark._replace(device=whose)), Handle(made)
        if at[0] in ("netdev", "xs") or len(at) > _LONGEST:
            return state, UNKNOWN
        if any(inner[:1] not in ((), ("*",)) for inner, _ in state.below(at)):
            # Members are held: it is the struct itself.
            return state, Struct(at)
        self.code.members_read.note(at, self.view, one)
        return state, Pointer((*at, "*"))

    def typed(self, value: Value, kind: CType | None, one: Expression) -> Value:
        """Return a value as what its type makes of it. one: the expression that it came from."""
        if kind is None or not kind.pointers:
            struct = kind is not None and kind.base.startswith(("struct ", "union "))
            if struct and isinstance(value, Pointer) and value.to[-1:] == ("*",):
                # What is copied is what the location holds, not what it points to.
                return Struct(value.to[:-1])
            return self.fitted(value, kind)
        if isinstance(value, Handle):
            return fitted(value, POINTER)
        if value == PRIVATE and kind.pointers == 1 and kind.base.startswith("struct "):
            self.code.private = kind.base
        match kind.base if kind.pointers == 1 else "":
            case "struct net_device":
                if isinstance(value, Pointer):
                    at = value.to[:-1] if value.to[-1:] == ("*",) else value.to
                    view, read = self.code.members_read.of(at) or (self.view, one)
                    private, fixed = self.code.private, self._fixed_table(at)
                    device = self.driver.members.device(view, read, at, private, fixed)
                    return self._linked(device, at)
                return value if isinstance(value, Netdev | Constant) else Netdev(Device.UNKNOWN)
            case "struct xfrm_state":
                return _state(value)
            case "struct sk_buff":
                if isinstance(value, Packet | Constant):
                    return value
                return self._kept(value, one) if isinstance(value, Pointer) else Packet()
        return self._met(value, one) if isinstance(value, Unknown) else value

    def _met(self, value: Unknown, one: Expression) -> Pointer:
        """Return a pointer to what is known by nothing but where the pointer came from."""
        place = self.place(one)
        made = _is_let_go(self.view, bare(one.node))
        at = (MADE if made else "call", f"{place.path}:{place.line}:{place.column}")
        if function_named(called_by(bare(one.node))).removes == "result":
            self.code.removed.add(at)
        if value.packet:
            return Pointer(("skb", LED if value.led else at[0], at[1]))
        return Pointer(at)

    def _linked(self, device: Netdev, at: Location) -> Netdev:
        """Return a device with the link that leads to it, if a driver's member holds it."""
        if device.member is None:
            return device
        link = (device.member.struct, device.member.field)
        if at[-2:-1] == ("*",):
            read = self.code.members_read.of(at[:-2])
            link = self.driver.members.named(*read) if read is not None else ("", "")
        # Behind the struct that an entry is given a member of, another one stands in a list.
        element = "container" in at[3:] or any(one == "[]" or one.isdigit() for one in at)
        return replace(device, member=device.member._replace(link=link, element=element))

    def _kept(self, value: Pointer, one: Expression) -> Packet:
        """Return a packet that a member of a driver's struct holds."""
        at = value.to[:-1]
        view, read = self.code.members_read.of(at) or (self.view, one)
        kept = self.driver.members.packets_kept_in(view, read) if self.code.resolves else ""
        return Packet(f"{kept} {' '.join(at)}") if kept else Packet()

    def device(self, value: Value, one: Expression) -> Value:
        """Return a net_device as whose it is, where a driver's member holds it."""
        device = self.typed(value, NETDEV, one)
        if not isinstance(device, Netdev) or device.member is None:
            return device
        return Netdev(self.driver.members.settled(device.member)[0])

    def _fixed_table(self, at: Location) -> str:
        """Return the shared table in an element of which a location is that is not the own one.

        That is always the same element, or that of another number than the device's: [!own->nr].
        Where nobody knows whose it is, that is OPEN, and why.
        """
        shared = at.index("*") if "*" in at else len(at)
        shared = 1 if at[0] == "global" else shared
        elements = self.driver.members.devices.elements
        for end in range(len(at), shared + 1, -1):
            view, one = self.code.addressed.of(at[:end]) or (self.view, None)
            unseen = elements.unseen(view, one) if isinstance(one, Index) else ""
            if unseen:
                return f"{OPEN}{unseen}"
            if at[end - 1] == TURNED:
                return f"{OPEN}{at[-1]} is that of another number's element"
            if at[end - 1] == ANOTHERS:
                return next(name for name in reversed(at[:end]) if name.isidentifier())
            if isinstance(one, Index):
                table = bared(one.of)
                if self.driver.constants.value(source_of(one.index).text, view.path) is None:
                    return ""
                return table.name if isinstance(table, Member | Name) else ""
            if at[end - 1 : end + 1] == ("*", "*"):
                # Of a table of pointers *p is the first.
                return at[end - 2]
        return ""

    def is_the_own(self, value: Value, one: Expression) -> bool:
        """Tell whether a value is the device at work, what its NAPI lies in, or a number there."""
        kind = self.type(one)
        if kind == NETDEV:
            return self.device(value, one) == Netdev(Device.OWN)
        at = value.to if isinstance(value, Pointer) else ()
        around = at[:1] == ("argument",) and at[2:3] == ("container",)
        if kind is None or not (around or at[:1] == PRIVATE.to):
            return False
        inner = at[3:] if around else at[1:]
        return not inner if kind.pointers else "*" not in inner[:-1]

    def element(self, at: Location, one: Index) -> Location:
        """Return where an element of a table lies, if it is one that need not be the own one."""
        table = bared(one.of)
        if not self.code.resolves or not isinstance(table, Member) or at[-1:] != ("[]",):
            return at
        key = one.index.start
        if key not in self.body.elements:
            elements = self.driver.members.devices.elements
            anothers = elements.is_anothers(self.view, one.index, table.name)
            self.body.elements[key] = TURNED if anothers is None else ANOTHERS * anothers
        mark = self.body.elements[key]
        return (*at, mark) if mark else at

    def others_than(self, one: Name | Index) -> Sequence[Expression]:
        """Return what a port that is looked for is not where it stands."""
        key = one.start, one.text
        if key not in self.body.apart:
            elements, named = self.driver.members.devices.elements, isinstance(one, Index)
            asked = self.code.resolves and (named or one.text in self.body.pointers)
            self.body.apart[key] = elements.others_than(self.view, one) if asked else ()
        return self.body.apart[key]

    def shifted(self, handle: Handle, kind: CType | None, member: str) -> Handle:
        """Return the address of a member of what a handle leads to, or of what that is a member of.

        Where there is no handle it is NULL only if the member comes first.
        """
        types, path = self.driver.reader.types, self.view.path
        begins = types.begins_with(kind, member, path) if kind and is_none(handle) else None
        if begins is None:
            return lost_number(handle)
        return handle if begins else Handle(handle.id, Form.FULL, None)

    def standing_in(self, value: Value, handle: Value, state: State, chosen: bool = False) -> Value:
        """Return what is put in a handle's place where it is 0, as a number made from it.

        An error's number is no handle: who does not ask for it has not asked for 0. chosen: nor is
        any other number that a comparison chose, as max() does.
        """
        if not isinstance(value, Constant) or not isinstance(handle, Handle):
            return value
        if state.known.get(handle.id) != "zero":
            return value
        number, zero = self.driver.number_of(value, self.view), handle.zero
        if number is not None and zero is not None:
            number = wrapped(number.value, common(number.type, zero.type))
        same = number is not None and zero is not None and number.value == zero.value != 0
        if chosen or same or _is_error(number) or is_error(value):
            return Handle(handle.id, Form.COMPUTED, number)
        return value

    def heeded(self, state: State, handle: Handle, negative: bool = False) -> State:
        """Return the state in which an error in a handle's place was asked for.

        negative: it is the handle that is below 0, as errors are.
        """
        is_zero = state.known.get(handle.id) == "zero"
        if is_zero == negative or not (negative or _is_error(handle.zero)):
            return state
        memory = dict(state.memory)
        for at, held in state.memory.items():
            if isinstance(held, Handle) and held.id == handle.id:
                if negative or held.zero == handle.zero:
                    memory[at] = replace(held, form=Form.HEEDED)
        return replace(state, memory=memory)

    def fitted(self, value: Value, kind: CType | None) -> Value:
        """Return a number as what an integer type makes of it."""
        if not isinstance(value, Handle | Constant | Span):
            return value
        wide = self.driver.integer(kind, self.view)
        return self.cast_to(value, wide) if wide is not None else value

    def cast_to(self, value: Value, wide: IntType) -> Value:
        if isinstance(value, Handle):
            return fitted(value, wide)
        if isinstance(value, Span):
            return refitted(value, wide)
        if not isinstance(value, Constant) or (wide.signed and wide.bits >= INT.bits):
            # Nothing that is an int loses anything: its name can be looked up later.
            return value
        number = self.driver.number_of(value, self.view)
        if number is None:
            return value
        made = wrapped(number.value, wide)
        if made.value != number.value:
            # An error's number is told by its name, whatever it is cast to.
            said = value.text if is_error(value) else str(made.value)
            return replace(numbered(value, made), text=said)
        # What is shifted in it goes farther.
        return replace(value, number=made) if wide.bits > number.type.bits else value

    def parameter(self, one: Expression) -> int:
        """Return which parameter an expression is, if it is one as it came in; else -1."""
        one = source_of(one)
        if not isinstance(one, Name):
            return -1
        local = self.view.local(one.name, one.start)
        if local is None or local.parameter < 0 or self.view.assignments(one.name):
            return -1
        return local.parameter

    def declared_type(self, target: Expression | None) -> CType | None:
        """Return the type of a local variable that is assigned to."""
        if not isinstance(target, Name):
            return None
        local = self.view.local(target.name, target.start)
        return self.driver.reader.types.of_local(local, self.view) if local is not None else None

    def type(self, one: Expression) -> CType | None:
        """Return an expression's type, if it can be known."""
        return self.driver.reader.types.of(one.node, self.view)

    def is_handle(self, member: Member) -> bool:
        """Tell whether a member by the name of the handle is that of a state."""
        if unevaluated(self.view, member.node):
            return False
        return self.driver.accesses.base(member.of.node, self.view)[0] == STATE

    def forget(self, state: State, target: Expression) -> State:
        """Drop the assumptions about conditions in which an assigned name occurs."""
        if not state.assumed:
            return state
        named = bared(target, subscripts=True)
        name = named.name if isinstance(named, Member | Name) else named.text
        word = re.compile(rf"\b{re.escape(name)}\b")
        kept = {
            k: v
            for k, v in state.assumed.items()
            if k[0].startswith(CONFIGURED) or not word.search(k[1])
        }
        return state if len(kept) == len(state.assumed) else replace(state, assumed=kept)

    def told(self, state: State, handle: HandleId, nonzero: bool, one: Expression) -> State:
        after = state.knowing(handle, "nonzero" if nonzero else "zero")
        return self.mark(after, Kind.TEST, one, handle=handle, nonzero=nonzero)

    def compared(self, state: State, handle: Handle, one: Expression) -> State:
        """Note a comparison that may exclude 0, or may not."""
        if state.known.get(handle.id, "zero") != "zero":
            return state
        after = state.knowing(handle.id, "compared")
        return self.mark(after, Kind.COMPARE, one, handle=handle.id)


def _is_error(number: Int | None) -> bool:
    """Tell whether a number is an error's; -1 can be what hardware takes for none."""
    if number is None or number.value in (-1, (1 << number.type.bits) - 1):
        return False
    return is_error_number(number)


def known_of(state: State, handle: Handle) -> str:
    """Return what is known of a handle where it is used, see Mark."""
    facts = state.known.get(handle.id, "")
    return "compared" if facts == "zero" and handle.form is Form.HEEDED else facts


def _is_let_go(view: View, call: Node) -> bool:
    """Tell whether a call allocates what its function puts into no container, and no member."""
    if function_named(called_by(call)).gfp < 0:
        return False
    kept = destination(call)
    for node in view.occurrences(kept.name) if kept.goes is Goes.ASSIGNED else ():
        given, up = around(node, "call_expression"), node.parent
        if given is not None and function_named(called_by(given)).keeps:
            return False
        left = up.child_by_field_name("left") if up is not None else None
        if left is not None and left.type == "field_expression":
            return False
    return True


def _state(value: Value) -> XfrmState:
    """Return a value as a pointer to an SA."""
    if isinstance(value, Pointer):
        return XfrmState(sa_at(value.to))
    if isinstance(value, XfrmState):
        return value
    packet = isinstance(value, Unknown) and value.packet
    null = isinstance(value, Constant) and value.zero
    return XfrmState(Sa.THIS if packet else Sa.UNKNOWN, False if null else None)
