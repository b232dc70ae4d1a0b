"""Calls: followed into the driver's functions, or known for what they do with a handle."""

import re
from collections.abc import Sequence
from typing import Protocol

from tree_sitter import Node

from xfrmlint.c.constants import BITS, bits
from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import Goes, around, destination, is_condition
from xfrmlint.c.graph import labels_in
from xfrmlint.c.integers import BOOLS
from xfrmlint.c.syntax import (
    Address,
    Call,
    Expression,
    Name,
    Opaque,
    Temporary,
    bared,
    leaves_of,
    member_of,
    pointed,
    source_of,
)
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import PACKET, RESULT, ZEROED
from xfrmlint.flow.arithmetic import (
    found_in,
    in_field,
    is_zero,
    lost_number,
    masked,
    numbered,
    sa_of,
    swapped,
    swaps,
)
from xfrmlint.flow.code import Code
from xfrmlint.flow.conditions import Conditions
from xfrmlint.flow.evaluate import Evaluator, Held
from xfrmlint.flow.events import Device, Kind, Sa, Source
from xfrmlint.flow.frame import NETDEV, Frame, Outcomes
from xfrmlint.flow.lifetime import note_copied
from xfrmlint.flow.relevance import holds_a_member
from xfrmlint.flow.summary import handles_in, holds, written_here
from xfrmlint.flow.values import (
    NEIGHBOUR,
    SAME,
    UNKNOWN,
    Constant,
    Form,
    Handle,
    Mark,
    Named,
    Netdev,
    Packet,
    Pointer,
    State,
    Struct,
    Told,
    Unknown,
    Value,
    XfrmState,
)
from xfrmlint.kernel.functions import Function, function_named, is_kernels
from xfrmlint.kernel.structs import NAPI
from xfrmlint.program.pointers import targets_of

_SMALL_INLINE = 400
_NOWHERE = "where the resolver puts its handle is not known"
_PACKET = CType(PACKET, 1)
_FOLLOWED = ("struct net_device", "struct xfrm_state")
_DEVICES = {"master": Device.MASTER, "vlan": Device.VLAN_REAL}


class Follower(Protocol):
    """Who runs a function of the driver; what it made is its caller's from then on."""

    def __call__(
        self, frame: Frame, target: FunctionName, call: Call, values: Sequence[Value], state: State
    ) -> Outcomes:
        """Return what holds behind a call, and what it returns, on each way through."""
        ...


class Calls:
    """What comes of the calls in one driver."""

    def __init__(self, code: Code, follow: Follower) -> None:
        self.code = code
        self.driver = code.driver
        self.reader = code.driver.reader
        self.follow = follow

    def of(self, frame: Frame, call: Call, state: State, held: Held) -> Outcomes:
        """Follow a call, or know what it does. held: the step's temporaries."""
        evaluator = Evaluator(frame, state, held)
        if self._is_cast(frame, call):
            value = evaluator.value(call.arguments[0])
            return [(evaluator.state, value)]
        if len(call.arguments) == self.driver.contract.arity and self._asks(frame, call):
            return self._resolve(evaluator, call)
        called: Value = UNKNOWN
        if not isinstance(call.callee, Name) or not call.name:
            # What a plain function's name stands for is asked of nobody.
            called = evaluator.value(call.callee)
        values = evaluator.all(call.arguments)
        after = evaluator.state
        targets = self._targets(frame, call)
        if isinstance(called, Constant) and called.zero is False:
            named = [one for one in targets if one.name == called.text]
            targets = named or self.driver.own(called.text, frame.view.path)
        matters = any(holds(v, after) for v in values) or _is_wanted(frame, call)
        if not targets and matters and self._is_pointer(frame, call):
            targets = targets_of(self.driver.graph, frame.view, call.callee.node)
        if not targets:
            return self._outside(frame, call, values, after)
        return [r for t in targets for r in self.follow(frame, t, call, values, after)]

    def _is_pointer(self, frame: Frame, call: Call) -> bool:
        """Tell whether what is called is no function by its name."""
        types, path = self.reader.types, frame.view.path
        return not call.name or types.variable(call.name, path) is not None

    def _asks(self, frame: Frame, call: Call) -> bool:
        """Tell whether a call is one of the resolver, perhaps through a pointer."""
        if call.name in self.driver.contract.askers:
            return True
        words = leaves_of(call.callee) if self.code.asked else []
        return any(frame.view.place(word.start_byte) in self.code.asked for word in words)

    def _is_cast(self, frame: Frame, call: Call) -> bool:
        """Tell whether `(handle_t)(h)` is a cast to a type that nobody knows."""
        if not call.in_parentheses or len(call.arguments) != 1 or not isinstance(call.callee, Name):
            return False
        name = call.callee.name
        return name not in self.driver.names and not self.driver.own(name, frame.view.path)

    def _resolve(self, evaluator: Evaluator, call: Call) -> Outcomes:
        frame = evaluator.frame
        contract = self.driver.contract
        given = evaluator.all(call.arguments)
        whose, lower = given[contract.state_at], given[contract.device_at]
        if isinstance(whose, XfrmState) and whose.there is False:
            return []
        asked = call.arguments[contract.device_at]
        lower = frame.typed(lower, NETDEV, asked)
        place = frame.place(call)
        device, why = Device.UNKNOWN, ""
        source = source_of(asked)
        if isinstance(source, Opaque):
            why = source.why
        if isinstance(lower, Netdev):
            device, why = lower.device, lower.why or why
            if lower.member is not None:
                device, why = self.driver.members.settled(lower.member)
            if evaluator.state.assumed.get((SAME, device)):
                device = Device.OWN
        elif isinstance(lower, Constant) and lower.zero:
            device = Device.NULL
        mark = Mark(Kind.RESOLVE, place, frame.view.function.name, (place,))
        # In a macro that wraps the resolver the call is the macro's; the device is its user's.
        at = place if written_here(frame.view, call) else frame.place(bared(asked))
        named = Named(at, frame.view.function.name, frame.parameter(asked))
        mark = mark._replace(source=Source.RESOLVED, device=device, sa=sa_of(whose))
        member = lower.member if isinstance(lower, Netdev) else None
        mark = mark._replace(named=named, text=why, member=member)
        made = evaluator.state.superseded((place,)).knowing((place,), "")
        asked_so = made.marked(mark)
        if contract.answer_at < 0:
            return [(asked_so, Handle((place,)))]
        return [self._answered(evaluator, call, given[contract.answer_at], asked_so)]

    def _answered(
        self, evaluator: Evaluator, call: Call, into: Value, state: State
    ) -> tuple[State, Value]:
        """Put a handle where the resolver was told to; return what it says of it besides."""
        contract, place = self.driver.contract, evaluator.frame.place(call)
        argument = call.arguments[contract.answer_at]
        evaluator.state = state
        if not isinstance(into, Pointer):
            return evaluator.frame.cut(state, argument, _NOWHERE), UNKNOWN
        before = state.memory.get(into.to)
        zeroed = contract.says(ZEROED) == "yes" or (isinstance(before, Constant) and before.zero)
        # Where there is none, nothing need be stored: then only the result tells.
        found = Handle((place,)) if zeroed else Handle((place,), Form.COMPUTED, None)
        evaluator.put(into.to, found, pointed(argument))
        sure = contract.says(RESULT) == "yes" and call.name in ("", contract.asks)
        return evaluator.state, Told((place,), contract.result_is_truth, sure)

    def _targets(self, frame: Frame, call: Call) -> list[FunctionName]:
        """Return the driver's functions that a call can enter."""
        view = frame.view
        if call.name in self.driver.names:
            own = self.driver.names[call.name]
            same = [f for f in own if f.path == view.path]
            return same or own
        caller = view.function
        pointed_ = self.code.pointed.get((caller.path, caller.name))
        if not pointed_:
            return []
        spans = {view.place(n.start_byte) for n in leaves_of(call.callee)}
        if call.name and not call.name.islower():
            # Macros that nobody knows.
            spans |= {view.place(n.start_byte) for n in leaves_of(call)}
        return list(dict.fromkeys(f for place, f in pointed_ if place in spans))

    def _outside(self, frame: Frame, call: Call, values: Sequence[Value], state: State) -> Outcomes:
        """Return what comes of a call that is not on the way to a site."""
        name = call.name
        if name and "zero" in state.known.values() and self._leaves(name, frame.view):
            # What a driver does where it has no handle: it does not come back.
            cut = frame.cut(state, call, f"{name}() leaves the function")
            frame.returned.append((cut, UNKNOWN))
            return []
        does = function_named(name)
        if does.private == "own" and values:
            values = [frame.device(values[0], call.arguments[0]), *values[1:]]
        state = self._owned(frame, call, values, state)
        if does.new_packet:
            return [self._made(frame, call, values, state)]
        result = _kernels(frame, call, values) or self._bits(frame, call, values)
        if result is not None:
            return [(state, result)]
        self._removed(call, values)
        cleared = [s.target.position for s in does.stores if s.value.position < 0]
        if does.is_("prints") or (cleared and not does.is_("hardware")):
            return [(_cleared(frame, call, values, cleared, state), UNKNOWN)]
        mask = does.mask or self._mask(frame, does, values)
        number = _number(does, name, values, mask)
        if number is not None:
            return [(state, number)]
        if does.is_("error") and values:
            ways = Conditions(frame).erroneous(state, values[0], call)
            is_number = does.number == "same"
            found = [
                (s, values[0] if way and is_number else frame.truth(way, call)) for s, way in ways
            ]
            if not found and isinstance(values[0], Handle) and not is_number:
                erring = frame.heeded(state, values[0], negative=True)
                return [(erring, frame.truth(True, call)), (state, frame.truth(False, call))]
            return found or [(state, UNKNOWN)]
        if does.is_("looks"):
            return [(state, UNKNOWN)]
        return self._followed(frame, call, values, state) or self._given(frame, call, values, state)

    def _removed(self, call: Call, values: Sequence[Value]) -> None:
        """Note that an entry is in the list no more that it was found in."""
        removes = function_named(call.name).removes == "entry"
        if not removes or not values or not isinstance(values[0], Pointer):
            return
        at = values[0].to
        if isinstance(call.arguments[0], Address) and "container" in at:
            at = at[: -at[::-1].index("container")]
        else:
            at = (*at, "container")
        if len(values) < 2 or values[1] != Pointer(at[:-1]):
            self.code.removed.add(at)

    def _made(
        self, frame: Frame, call: Call, values: Sequence[Value], state: State
    ) -> tuple[State, Value]:
        """Return a packet that was just made, or that comes from nobody knows where."""
        place = frame.place(call)
        made = Packet(f"{place.path}:{place.line}:{place.column}")
        device: Value = Netdev(Device.UNKNOWN)
        match function_named(call.name).new_packet:
            case "none":
                device = Netdev(Device.NULL)
            case "0->dev":
                device = self.driver.members.at_work(NAPI, frame.view)
            case number if number and int(number) < len(values):
                device = frame.typed(values[int(number)], NETDEV, call.arguments[int(number)])
        return state.stored(made.device, device), made

    def _owned(self, frame: Frame, call: Call, values: Sequence[Value], state: State) -> State:
        """Return what holds of packets' devices behind a call into what nobody follows."""
        does = function_named(call.name)
        given = does.packet_device
        if given is not None and max(given.value.position, given.target.position) < len(values):
            packet, position = values[given.target.position], given.value.position
            if isinstance(packet, Packet):
                device = frame.typed(values[position], NETDEV, call.arguments[position])
                member = device.member if isinstance(device, Netdev) else None
                return state.given(member).stored(packet.device, device)
        for value in values if not does.known else ():
            if isinstance(value, Packet) and value.made:
                # It may have been given one.
                state = state.stored(value.device, Netdev(Device.UNKNOWN))
        return state

    def _followed(
        self, frame: Frame, call: Call, values: Sequence[Value], state: State
    ) -> Outcomes:
        """Enter a function of the driver, or an inline, for what it is given or wanted for."""
        name = call.name
        carried = any(holds(v, state) for v in values)
        asked = (
            bool(name)
            and not carried
            and (_is_told(call, values, state) or _is_wanted(frame, call))
        )
        moves = name in self.code.seeds.moving and any(isinstance(v, Packet) for v in values)
        wanted = bool(name) and (carried or asked or moves)
        own = self.driver.own(name, frame.view.path) if wanted else []
        if own:
            return [r for t in own for r in self.follow(frame, t, call, values, state)]
        if not carried or not name or is_kernels(name):
            return []
        predicate = self._predicate(frame, call, values, state)
        if predicate is not None:
            return predicate
        macro = self.reader.types.macro(name, frame.view.path)
        takes = macro is not None and macro.parameters is not None
        tests = macro is None and self._may_test(call, frame.view)
        if not takes and not tests:
            return []
        for value in values:
            if isinstance(value, Handle):
                # It may test it.
                state = frame.compared(state, value, call)
        return [(state, UNKNOWN)]

    def _given(self, frame: Frame, call: Call, values: Sequence[Value], state: State) -> Outcomes:
        """Return what comes of a call into what nobody follows."""
        packet = any(
            isinstance(v, Packet) or (isinstance(v, Unknown) and v.packet) for v in values
        ) or any(isinstance(v, Pointer) and v.to[0] == "skb" for v in values)
        if not packet and not function_named(call.name).known and frame.type(call) == _PACKET:
            return [self._made(frame, call, values, state)]
        copies = function_named(call.name).copies_memory
        if copies and len(values) > 1 and isinstance(values[0], Pointer):
            if isinstance(values[1], Handle):
                # What it leads to is read.
                state = frame.used(state, values[1], call.arguments[1], "dereferenced")
            return [(self._copied(frame, values, state, call.arguments[0]), values[0])]
        for argument, value in zip(call.arguments, values, strict=True):
            if holds(value, state):
                state = self._given_away(frame, call, argument, value, state)
        for value in values:
            if isinstance(value, Pointer) and value.to[0].startswith("="):
                # It may have been filled.
                if not state.handles_below(value.to):
                    state = state.stored(value.to, UNKNOWN)
        return [(state, Unknown(packet, packet and self._is_drivers(call.name, frame.view)))]

    def _bits(self, frame: Frame, call: Call, values: Sequence[Value]) -> Value | None:
        """Return what BIT(), GENMASK() and FIELD_PREP() make of constants."""
        if not BITS.match(call.name):
            return None
        known = [self.driver.number_of(v, frame.view) for v in values]
        made = bits(call.name, [one for one in known if one is not None])
        return numbered(frame.constant("", call), made) if made is not None else None

    def _mask(self, frame: Frame, does: Function, values: Sequence[Value]) -> int:
        """Return the constant beside a handle that FIELD_GET() and the like are given, or 0."""
        if does.number not in ("taken", "placed"):
            return 0
        constants = [v for v in values if isinstance(v, Constant)]
        known = [self.driver.number_of(v, frame.view) for v in constants]
        return next((one.value for one in known if one is not None), 0)

    def _may_test(self, call: Call, view: View) -> bool:
        """Tell whether what nobody defines may be there to test what it is given.

        That is a condition that nobody declares, or what is given a label: a macro; or a function
        that answers yes or no, or is given nothing else, if somebody wants its answer.
        """
        result = self.reader.types.result(call.name, view.path)
        if result is None:
            named = {one.name for one in call.arguments if isinstance(one, Name)}
            return bool(named & labels_in(view)) or is_condition(call.node)
        answers = result.base in BOOLS or (result.base != "void" and len(call.arguments) == 1)
        wanted = destination(call.node).goes is not Goes.NOWHERE
        return answers and not result.pointers and wanted

    def _leaves(self, name: str, view: View) -> bool:
        """Tell whether a macro of the kernel's leaves its function, or a function never returns."""
        macro = self.reader.types.macro(name, view.path)
        if macro is not None and macro.parameters is not None:
            return re.search(rb"\b(goto|return|break|continue)\b", macro.body) is not None
        found = self.reader.corpus.find("function", name, view.path)
        if found is None:
            return False
        data = self.reader.corpus.unit(found.path).data
        return b"noreturn" in data[found.start : data.find(b"\n\n", found.end)][:400]

    def _predicate(
        self, frame: Frame, call: Call, values: Sequence[Value], state: State
    ) -> Outcomes | None:
        """Follow a small inline of the kernel's headers that only looks at a handle."""
        found = self.reader.corpus.find("function", call.name, frame.view.path)
        if found is None or not found.path.startswith("include/"):
            return None
        outcomes: Outcomes = []
        for item in self.reader.corpus.unit(found.path).functions(call.name):
            if item.end - item.start > _SMALL_INLINE:
                return None
            for view in self.reader.views(found.path, item, {}):
                outcomes += self.follow(frame, self.driver.graph.known(view), call, values, state)
        done = [m for s, _ in outcomes for m in s.trail[len(state.trail) :]]
        looks = bool(done) and all(m.kind is Kind.TEST for m in done)
        return outcomes if looks else None

    def _given_away(
        self, frame: Frame, call: Call, argument: Expression, value: Value, state: State
    ) -> State:
        name = call.name
        text = f"given to {name}()" if name else "given to a function pointer"
        if isinstance(value, Handle):
            if not name:
                why = "a handle is given to a function pointer that was not followed"
                return frame.cut(state, argument, why)
            if function_named(name).keeps:
                facts = state.known.get(value.id, "")
                return frame.mark(
                    state, Kind.STORE, argument, handle=value.id, text=text, known=facts
                )
        at = value.to if isinstance(value, Pointer | Struct) else ("",)
        for inner, held in state.below(at) if function_named(name).keeps else ():
            if isinstance(held, Handle):
                # Copied into a queue it goes with the rest.
                whole = member_of(pointed(argument), inner)
                self.code.carried.add(self.driver.members.named(frame.view, whole))
        unseen = self._is_unseen(name, frame.view)
        # Of a refusal the caller hears; what is pointed to can be another number behind the call.
        told = destination(call.node).goes is not Goes.NOWHERE or isinstance(value, Pointer)
        for handle in handles_in(value, state):
            if unseen:
                state = frame.entrusted(state, handle, argument, text, told)
            else:
                state = frame.used(state, handle, argument, text)
        return state

    def _is_unseen(self, name: str, view: View) -> bool:
        """Tell whether what is called is declared by a driver, and its code is nowhere to be seen.

        The kernel's own functions know nothing of handles: they don't test them.
        """
        return self._is_drivers(name, view) if name else True

    def _is_drivers(self, name: str, view: View) -> bool:
        """Tell whether a function is declared by a driver."""
        if not name or function_named(name).known:
            return False
        found = self.reader.corpus.find("function", name, view.path)
        return found is not None and not found.path.startswith(("include/", "arch/"))

    def _copied(
        self, frame: Frame, values: Sequence[Value], state: State, named: Expression
    ) -> State:
        target, at = values[0], values[1].to if isinstance(values[1], Pointer | Struct) else ()
        assert isinstance(target, Pointer)
        if not at or not state.handles_below(at):
            return state.stored(target.to, UNKNOWN)
        if target.to[0].startswith("="):
            return state.stored(target.to, Struct(at))
        return note_copied(frame, state, target.to, at, pointed(named))


def _number(does: Function, name: str, values: Sequence[Value], mask: int) -> Value | None:
    """Return what a function of the kernel's makes of a handle, or of an error's number."""
    handles = [v for v in values if isinstance(v, Handle)]
    if does.is_("error"):
        return None
    if handles and (does.number == "same" or does.passes):
        return swapped(handles[0], name)
    if handles and mask:
        return in_field(handles[0], does.number, mask)
    if handles and does.number:
        return lost_number(handles[0]) if does.number == "computed" else masked(handles[0])
    # ERR_PTR(-ENOENT)
    same = does.number == "same" and values and not swaps(name)
    return values[0] if same and isinstance(values[0], Constant) else None


def _cleared(
    frame: Frame, call: Call, values: Sequence[Value], cleared: Sequence[int], state: State
) -> State:
    """Return the state in which something else is where some arguments point to: zeroes, or not."""
    for at in cleared:
        value = values[at] if at < len(values) else UNKNOWN
        if isinstance(value, Pointer) and _is_zeroed(frame, call, values, at):
            state = state.zeroed(value.to, frame.truth(False, call))
        elif isinstance(value, Pointer):
            state = state.stored(value.to, UNKNOWN)
    return state


def _is_zeroed(frame: Frame, call: Call, values: Sequence[Value], at: int) -> bool:
    """Tell whether a call makes zeroes of all of a struct, to which an argument points."""
    given = call.arguments[at]
    kind = frame.type(given.of) if isinstance(given, Address) else None
    if kind is None or frame.driver.reader.types.fields(kind, frame.view.path) is None:
        return False
    others = zip(call.arguments, values, strict=True)
    return not kind.pointers and all(
        one is given or is_zero(value) or one.text.startswith("sizeof") for one, value in others
    )


def _is_told(call: Call, values: Sequence[Value], state: State) -> bool:
    """Tell whether a call is given whether there is a handle: drop_if(skb, !handle)."""
    return bool(state.known) and any(
        isinstance(argument, Temporary) and isinstance(value, Constant)
        for argument, value in zip(call.arguments, values, strict=True)
    )


def _is_wanted(frame: Frame, call: Call) -> bool:
    """Tell whether a device, an SA or what holds handles is wanted of a call, or put somewhere."""
    for argument in call.arguments:
        filled = frame.declared_type(argument.of) if isinstance(argument, Address) else None
        if filled is not None and filled.base in _FOLLOWED and filled.pointers:
            return True
    goes, name, target = destination(call.node)
    members = frame.code.seeds.members
    if goes is Goes.ARGUMENT:
        if name in frame.driver.contract.askers or _is_led_on(frame, call.node):
            return True
        return frame.code.resolves and _knows_device(frame, frame.type(call))
    if goes is Goes.MEMBER:
        of = frame.type(call) if frame.code.resolves and name not in members else None
        held = frame.driver.reader.types.fields_named(of.base, frame.view.path) if of else {}
        return name in members or held.get(name) == NETDEV
    if goes is Goes.POINTED:
        return True
    kind = frame.view.result if goes is Goes.RETURNED else None
    if target is not None:
        kind = frame.declared_type(Name(target, target.start_byte, name))
    if kind is None or kind.base in _FOLLOWED:
        return kind is not None
    if not kind.pointers:
        return False
    if kind.pointers > 1 or frame.driver.integer(kind.pointed(-1), frame.view) is not None:
        # A handle can be put where it points.
        return goes is Goes.ASSIGNED
    # A struct in which handles are put: where it comes from says how long it lives. And one that
    # knows a device: where it comes from says whose.
    if (frame.code.resolves and _knows_device(frame, kind)) or _holds(frame, kind):
        return True
    used = frame.view.occurrences(name) if target is not None else ()
    return any(_is_led_on(frame, node) for node in used)


def _knows_device(frame: Frame, kind: CType | None) -> bool:
    """Tell whether a device is kept in what a pointer leads to."""
    if kind is None or kind.pointers != 1:
        return False
    fields = frame.driver.reader.types.fields(kind, frame.view.path)
    return fields is not None and NETDEV in fields[0].values()


def _holds(frame: Frame, kind: CType) -> bool:
    """Tell whether handles are put in a struct."""
    types, names = frame.driver.reader.types, frame.code.seeds.members
    return holds_a_member(types, kind, frame.view.path, names, frame.code.holding)


def _is_led_on(frame: Frame, node: Node) -> bool:
    """Tell whether handles are put in what an expression leads to: container_of(n, ...)->sa."""
    goes, name, target = destination(node)
    while goes is Goes.ARGUMENT and (up := around(node.parent, "call_expression")) is not None:
        goes, name, target = destination(node := up)
    if goes is Goes.MEMBER:
        return name in frame.code.seeds.members
    kind = frame.driver.reader.types.of(target, frame.view) if goes is Goes.ASSIGNED else None
    return kind is not None and kind.pointers == 1 and _holds(frame, kind)


def _kernels(frame: Frame, call: Call, values: Sequence[Value]) -> Value | None:
    """Return what some of the kernel's functions return: a device, an SA, private data."""
    does = function_named(call.name)
    if does.device in _DEVICES:
        return Netdev(_DEVICES[does.device])
    if does.is_("state"):
        return XfrmState(Sa.THIS)
    first = values[0] if values else UNKNOWN
    if does.private:
        apart = does.private == "own" and isinstance(first, Netdev) and first.device
        return Pointer((does.private,) if apart in (False, Device.OWN) else ("other", str(apart)))
    if does.device == "private" and isinstance(first, Pointer):
        return Netdev(Device.OWN if first.to[0] == "own" else Device.UNKNOWN)
    if does.container >= 0:
        return found_in(first)
    if does.struct >= 0 or does.like >= 0:
        if isinstance(first, Pointer):
            return Pointer(NEIGHBOUR if first.to == ("own",) else (*first.to, "container"))
        if isinstance(first, Handle):
            shifted = frame.shifted(first, frame.type(call), call.arguments[-1].text)
            return masked(first) if does.number else shifted
    return None
