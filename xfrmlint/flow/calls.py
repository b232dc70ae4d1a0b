"""Calls: followed into the driver's functions, or known for what they do with a handle."""

import re
from collections.abc import Sequence

from tree_sitter import Node

from xfrmlint.c.constants import BITS, bits
from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import bare, callees, is_choice
from xfrmlint.c.unit import node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.flow.arithmetic import (
    CAPITALS,
    found_in,
    lost_number,
    masked,
    numbered,
    sa_of,
    swapped,
)
from xfrmlint.flow.code import Code
from xfrmlint.flow.evaluate import Evaluator
from xfrmlint.flow.events import Device, Kind, Sa, Source
from xfrmlint.flow.frame import Outcomes
from xfrmlint.flow.summary import holds, written_here
from xfrmlint.flow.values import (
    SAME,
    UNKNOWN,
    Constant,
    Handle,
    Mark,
    Named,
    Netdev,
    Packet,
    Pointer,
    State,
    Struct,
    Unknown,
    Value,
    XfrmState,
)
from xfrmlint.kernel.functions import function_named, is_kernels
from xfrmlint.program.pointers import targets_of

_SMALL_INLINE = 400
_TYPEOF = re.compile(r"^(__)?typeof(__|_unqual)?$")
# They return an entry of the table that they are given.
_LOOKS_UP = re.compile(
    r"^(xa_load|xa_find(_after)?|radix_tree_lookup|idr_find|(rhashtable|rhltable)_lookup\w*)$"
)
_IN_CONDITIONS = ("parenthesized_expression", "unary_expression", "binary_expression")
_FOLLOWED = ("struct net_device", "struct xfrm_state")
_DEVICE = CType("struct net_device", 1)
_DEVICES = {"master": Device.MASTER, "vlan": Device.VLAN_REAL}


class Calls(Code):
    """What comes of a call."""

    def _follow(
        self,
        evaluator: Evaluator,
        target: FunctionName,
        node: Node,
        values: Sequence[Value],
        state: State,
    ) -> Outcomes:
        """Run a function of the driver; what it made is its caller's from then on."""
        raise NotImplementedError

    def call(self, evaluator: Evaluator, node: Node, state: State) -> Outcomes:
        """Follow a call, or know what it does."""
        called = node.child_by_field_name("function")
        listed = node.child_by_field_name("arguments")
        arguments = listed.named_children if listed is not None else []
        if called is None:
            return [(state, UNKNOWN)]
        if is_choice(node):
            return [r for value in arguments[1:] for r in evaluator.value(value, state)]
        sides = callees(called)
        if len(sides) > 1:
            return [r for s in sides for r in self._call(evaluator, node, s, arguments, state)]
        plain = sides[0].type == "identifier" and called.type == "parenthesized_expression"
        called = sides[0] if plain and bare(called).id != sides[0].id else called
        return self._call(evaluator, node, called, arguments, state)

    def _call(
        self,
        evaluator: Evaluator,
        node: Node,
        called: Node,
        arguments: list[Node],
        state: State,
    ) -> Outcomes:
        wide = self.constants.cast_in(called, evaluator.view.path)
        if wide is not None and len(arguments) == 1:
            # `(u32)(h)`: a cast to a type that only the compiler knows.
            return [
                (s, evaluator.cast_to(v, wide)) for s, v in evaluator.value(arguments[0], state)
            ]
        cast = called.type == "parenthesized_expression"
        while called.type == "parenthesized_expression" and called.named_child_count:
            called = called.named_children[-1]
        if cast and len(arguments) == 1 and called.type == "call_expression":
            typeof = called.child_by_field_name("function")
            if typeof is not None and _TYPEOF.match(node_text(typeof)):
                # `(typeof(mask))(h)`
                like = called.child_by_field_name("arguments")
                named = like.named_children[-1] if like and like.named_child_count else None
                kind = self.reader.types.of(named, evaluator.view)
                return [
                    (after, evaluator.fitted(value, kind))
                    for after, value in evaluator.value(arguments[0], state)
                ]
        if cast and len(arguments) == 1 and called.type == "identifier":
            # `(handle_t)(h)`: a cast to one that nobody knows.
            name = node_text(called)
            if name not in self.names and not self.own(name, evaluator.view.path):
                return evaluator.value(arguments[0], state)
        local = called.type != "identifier" or evaluator.variable(called) is not None
        name = "" if local else node_text(called)
        asks = (name != "" and name == self.reader.contract.asks) or (
            bool(self.asked) and any(evaluator.place(n) in self.asked for n in _leaves(called))
        )
        if asks and len(arguments) == 2:
            return self._resolve(evaluator, node, arguments, state)
        special = _special(evaluator, name, node, arguments, state)
        if special is not None:
            return special
        targets = self._targets(evaluator, node, called, name)
        found: Outcomes = []
        # What a plain function's name stands for is asked of nobody.
        asked = [] if called.type == "identifier" and not local else [called]
        for after, found_values in evaluator.all([*asked, *arguments], state):
            values = found_values[len(asked) :]
            if not targets and not name and any(holds(v, after) for v in values):
                targets = targets_of(self.graph, evaluator.view, called)
            if targets:
                for target in targets:
                    found += self._follow(evaluator, target, node, values, after)
            else:
                found += self._outside(evaluator, node, name, arguments, values, after)
        return found

    def _resolve(
        self, evaluator: Evaluator, node: Node, arguments: Sequence[Node], state: State
    ) -> Outcomes:
        found: Outcomes = []
        for after, (whose, lower) in evaluator.all(arguments, state):
            if isinstance(whose, XfrmState) and whose.there is False:
                continue
            lower = evaluator.typed(lower, _DEVICE, arguments[1])
            place = evaluator.place(node)
            device, why = Device.UNKNOWN, ""
            if isinstance(lower, Netdev):
                device = lower.device
                if lower.member is not None:
                    device, why = self.members.settled(lower.member)
                if after.assumed.get((SAME, device)):
                    device = Device.OWN
            elif isinstance(lower, Constant) and lower.zero:
                device = Device.NULL
            sa = sa_of(whose)
            mark = Mark(Kind.RESOLVE, place, evaluator.view.function.name, (place,))
            # In a macro that wraps the resolver the call is the macro's; the device is its user's.
            given = bare(arguments[1])
            at = place if written_here(evaluator.view, node) else evaluator.place(given)
            named = Named(at, evaluator.view.function.name, evaluator.parameter(arguments[1]))
            mark = mark._replace(
                source=Source.RESOLVED, device=device, sa=sa, named=named, text=why
            )
            made = after.superseded((place,)).knowing((place,), "")
            found.append((made.marked(mark), Handle((place,))))
        return found

    def _targets(
        self, evaluator: Evaluator, node: Node, called: Node, name: str
    ) -> list[FunctionName]:
        """Return the driver's functions that a call can enter."""
        caller = evaluator.view.function
        if name in self.names:
            own = self.names[name]
            same = [f for f in own if f.path == evaluator.view.path]
            return same or own
        pointed = self.pointed.get((caller.path, caller.name))
        if pointed:
            spans = {evaluator.view.place(n.start_byte) for n in _leaves(called)}
            if not name or not name.islower():
                # INDIRECT_CALL_2(f, f1, f2, ...), static_call(name)(...)
                spans |= {evaluator.view.place(n.start_byte) for n in _leaves(node)}
            return list(dict.fromkeys(f for place, f in pointed if place in spans))
        return []

    def _outside(
        self,
        evaluator: Evaluator,
        node: Node,
        name: str,
        arguments: Sequence[Node],
        values: Sequence[Value],
        state: State,
    ) -> Outcomes:
        """Return what comes of a call that is not on the way to a site."""
        carried = [(a, v) for a, v in zip(arguments, values, strict=True) if holds(v, state)]
        if name and "zero" in state.known.values() and self._leaves(name, evaluator.view):
            # What a driver does where it has no handle: it does not come back.
            cut = self.cut(evaluator, state, node, f"{name}() leaves the function")
            evaluator.returned.append((cut, UNKNOWN))
            return []
        if function_named(name).private == "own" and values:
            values = [self._settled(evaluator, values[0], arguments[0]), *values[1:]]
        result = _kernels(name, values) or self._bits(evaluator, name, node, values)
        if result is not None:
            return [(state, result)]
        does = function_named(name)
        cleared = [s.target.position for s in does.stores if s.value.position < 0]
        if does.is_("prints") or (cleared and not does.is_("hardware")):
            for value in (values[at] for at in cleared if at < len(values)):
                if isinstance(value, Pointer):
                    state = state.stored(value.to, UNKNOWN)
            return [(state, UNKNOWN)]
        handles = [v for v in values if isinstance(v, Handle)]
        if handles and (does.number == "same" or does.passes):
            return [(state, swapped(handles[0], name))]
        if handles and does.number:
            make = masked if does.number == "masked" else lost_number
            return [(state, make(handles[0]))]
        if does.is_("looks"):
            return [(state, UNKNOWN)]
        asked = bool(name) and not carried and _asked(evaluator, node, arguments)
        own = self.own(name, evaluator.view.path) if name and (carried or asked) else []
        if own:
            found: Outcomes = []
            for target in own:
                found += self._follow(evaluator, target, node, values, state)
            return found
        if carried and name and not is_kernels(name):
            predicate = self._predicate(evaluator, name, node, values, state)
            if predicate is not None:
                return predicate
            macro = self.reader.types.macro(name, evaluator.view.path)
            takes = macro is not None and macro.parameters is not None
            if takes or (macro is None and self._is_nowhere(name, node, evaluator.view)):
                # It may test it.
                for handle in handles:
                    state = evaluator.compared(state, handle, node)
                return [(state, UNKNOWN)]
        packet = any(
            isinstance(v, Packet) or (isinstance(v, Unknown) and v.packet) for v in values
        ) or any(isinstance(v, Pointer) and v.to[0] == "skb" for v in values)
        if does.copies_memory and len(values) > 1 and isinstance(values[0], Pointer):
            if isinstance(values[1], Handle):
                # What it leads to is read.
                state = evaluator.used(state, values[1], arguments[1], "dereferenced")
            copied = self._copied(evaluator, values, state, arguments)
            return [(copied, values[0])]
        for argument, value in carried:
            state = self._given_away(evaluator, node, name, argument, value, state)
        for value in values:
            if isinstance(value, Pointer) and value.to[0].startswith("="):
                # It may have been filled.
                if not state.handles_below(value.to):
                    state = state.stored(value.to, UNKNOWN)
        return [(state, Unknown(packet))]

    def _settled(self, evaluator: Evaluator, value: Value, argument: Node) -> Value:
        """Return a net_device as whose it is, where a driver's member holds it."""
        device = evaluator.typed(value, _DEVICE, argument)
        if not isinstance(device, Netdev) or device.member is None:
            return device
        return Netdev(self.members.settled(device.member)[0])

    def _bits(
        self, evaluator: Evaluator, name: str, node: Node, values: Sequence[Value]
    ) -> Value | None:
        """Return what BIT() and GENMASK() make of constants."""
        if not BITS.match(name):
            return None
        known_ = [self.number_of(v, evaluator.view) for v in values]
        made = bits(name, [one.value for one in known_ if one is not None])
        return numbered(evaluator.constant("", node), made) if made is not None else None

    def _is_nowhere(self, name: str, call: Node, view: View) -> bool:
        """Tell whether a condition is a macro that the tree does not define."""
        up = call.parent
        while up is not None and up.type in _IN_CONDITIONS:
            up = up.parent
        asked = up is not None and up.type in ("if_statement", "while_statement", "do_statement")
        plain = CAPITALS.match(name) is not None
        return asked and plain and self.reader.types.result(name, view.path) is None

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
        self,
        evaluator: Evaluator,
        name: str,
        node: Node,
        values: Sequence[Value],
        state: State,
    ) -> Outcomes | None:
        """Follow a small inline of the kernel's headers that only looks at a handle."""
        found = self.reader.corpus.find("function", name, evaluator.view.path)
        if found is None or not found.path.startswith("include/"):
            return None
        outcomes: Outcomes = []
        for item in self.reader.corpus.unit(found.path).functions(name):
            if item.end - item.start > _SMALL_INLINE:
                return None
            for view in self.reader.views(found.path, item, {}):
                outcomes += self._follow(evaluator, self.graph.known(view), node, values, state)
        done = [m for s, _ in outcomes for m in s.trail[len(state.trail) :]]
        looks = bool(done) and all(m.kind is Kind.TEST for m in done)
        return outcomes if looks else None

    def _given_away(
        self,
        evaluator: Evaluator,
        node: Node,
        name: str,
        argument: Node,
        value: Value,
        state: State,
    ) -> State:
        text = f"given to {name}()" if name else "given to a function pointer"
        if isinstance(value, Handle):
            if not name:
                why = "a handle is given to a function pointer that was not followed"
                return self.cut(evaluator, state, node, why)
            if function_named(name).keeps:
                facts = state.known.get(value.id, "")
                return evaluator.mark(
                    state, Kind.STORE, argument, handle=value.id, text=text, known=facts
                )
            return evaluator.used(state, value, argument, text)
        at = (
            value.to
            if isinstance(value, Pointer)
            else value.at
            if isinstance(value, Struct)
            else ()
        )
        if at and at[0].startswith("="):
            for handle in state.handles_below(at):
                state = evaluator.used(state, handle, argument, text)
        return state

    def _copied(
        self, evaluator: Evaluator, values: Sequence[Value], state: State, arguments: Sequence[Node]
    ) -> State:
        target, source = values[0], values[1]
        assert isinstance(target, Pointer)
        if not isinstance(source, Pointer | Struct):
            return state.stored(target.to, UNKNOWN)
        at = source.to if isinstance(source, Pointer) else source.at
        if not state.handles_below(at):
            return state.stored(target.to, UNKNOWN)
        if target.to[0].startswith("="):
            return state.stored(target.to, Struct(at))
        named = arguments[0]
        if named.type == "pointer_expression":
            named = named.child_by_field_name("argument") or named
        for handle in state.handles_below(at):
            state = evaluator.left(state, target.to, handle, named)
        return state

    def cut(self, evaluator: Evaluator, state: State, node: Node | None, why: str) -> State:
        """Note that a path was not followed any further."""
        self.cut_off = True
        at = node if node is not None else evaluator.view.node
        return evaluator.mark(state, Kind.CUT, at, text=why)


def _asked(evaluator: Evaluator, node: Node, arguments: Sequence[Node]) -> bool:
    """Tell whether a device, an SA or what holds handles is wanted of a call, or put somewhere."""
    for argument in arguments:
        if argument.type == "pointer_expression" and node_text(argument)[:1] == "&":
            filled = evaluator.declared_type(argument.child_by_field_name("argument"))
            if filled is not None and filled.base in _FOLLOWED and filled.pointers:
                return True
    up = node.parent
    while up is not None and up.type in ("parenthesized_expression", "cast_expression"):
        up = up.parent
    if up is None:
        return False
    members = evaluator.code.seeds.members
    if up.type == "argument_list" and up.parent is not None:
        called = node_text(up.parent.child_by_field_name("function") or up)
        return called == evaluator.reader.contract.asks
    if up.type == "field_expression":
        return node_text(up.child_by_field_name("field") or up) in members
    target = up.child_by_field_name("left") or up.child_by_field_name("declarator")
    while target is not None and target.type == "pointer_declarator":
        target = target.child_by_field_name("declarator")
    kind = evaluator.declared_type(target)
    if up.type == "return_statement":
        kind = evaluator.view.result
    if kind is None or kind.base in _FOLLOWED or kind.pointers != 1:
        return kind is not None and kind.base in _FOLLOWED
    # A struct in which handles are put: where it comes from says how long it lives.
    fields = evaluator.reader.types.fields(kind, evaluator.view.path)
    return fields is not None and not members.isdisjoint(fields[0])


def _special(
    evaluator: Evaluator, name: str, node: Node, arguments: Sequence[Node], state: State
) -> Outcomes | None:
    """Return what comes of a macro that is more than a function; None for all others."""
    does = function_named(name)
    if does.stops == "always":
        return []
    if not arguments:
        return None
    first = arguments[0]
    if does.stops:
        return [(s, UNKNOWN) for s, held in evaluator.truth(first, state) if not held]
    if does.truth == 0:
        return evaluator.as_value(node, state)
    if name in ("sizeof", "typeof", "offsetof", "BUILD_BUG_ON"):
        return [(state, UNKNOWN)]
    store = next((s for s in does.stores if not s.value.pointed and s.value.position >= 0), None)
    if store is not None and max(store.value.position, store.target.position) < len(arguments):
        found: Outcomes = []
        # atomic64_set(&p->f, h), but also atomic_set(v, i).
        target = arguments[store.target.position]
        if target.type == "pointer_expression" and node_text(target)[:1] == "&":
            target = target.child_by_field_name("argument") or target
        for after, value in evaluator.value(arguments[store.value.position], state):
            found += [(s, UNKNOWN) for s in evaluator.assign(target, value, after)]
        return found
    if does.is_("error_too"):
        return evaluator.as_value(node, state)
    if does.passes and not does.copies_memory and not does.is_("copies"):
        pointed = does.returned is not None and does.returned.pointed
        if pointed and first.type == "pointer_expression" and node_text(first)[:1] == "&":
            # smp_load_acquire(&p->f) is p->f.
            first = first.child_by_field_name("argument") or first
        return evaluator.value(first, state)
    return None


def _kernels(name: str, values: Sequence[Value]) -> Value | None:
    """Return what some of the kernel's functions return: a device, an SA, private data."""
    does = function_named(name)
    if does.device in _DEVICES:
        return Netdev(_DEVICES[does.device])
    if does.is_("state"):
        return XfrmState(Sa.THIS)
    first = values[0] if values else UNKNOWN
    if does.private:
        own = not isinstance(first, Netdev) or first.device is Device.OWN
        return Pointer((does.private if own or does.private != "own" else "other",))
    if does.device == "private" and isinstance(first, Pointer):
        return Netdev(Device.OWN if first.to[0] == "own" else Device.UNKNOWN)
    if _LOOKS_UP.match(name):
        return found_in(first)
    if does.struct >= 0 or does.like >= 0:
        if isinstance(first, Pointer):
            return Pointer((*first.to, "container"))
        if isinstance(first, Handle):
            return lost_number(first)
    return None


def _leaves(node: Node) -> list[Node]:
    found, stack = [], [node]
    while stack:
        current = stack.pop()
        if not current.named_child_count:
            found.append(current)
        stack += current.named_children
    return found
