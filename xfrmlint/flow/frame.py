"""One function on one frame: its names, its events, and what its types make of values."""

import re
from dataclasses import replace

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import bare
from xfrmlint.c.integers import INT, POINTER, IntType, wrapped
from xfrmlint.c.mention import unevaluated
from xfrmlint.c.unit import Place, node_text
from xfrmlint.flow.arithmetic import fitted, numbered, sa_at, unwrapped
from xfrmlint.flow.code import Code
from xfrmlint.flow.events import Device, Kind, Sa, Source
from xfrmlint.flow.relevance import Body
from xfrmlint.flow.values import (
    CONFIGURED,
    UNKNOWN,
    Constant,
    Handle,
    HandleId,
    Location,
    Mark,
    Netdev,
    Packet,
    Pointer,
    State,
    Struct,
    Unknown,
    Value,
    XfrmState,
)
from xfrmlint.program.access import STATE

_LONGEST = 24


Outcomes = list[tuple[State, Value]]


class Frame:
    """What an evaluator knows without evaluating anything.

    code: the driver. depth: the frame's number.
    """

    def __init__(self, code: Code, body: Body, depth: int) -> None:
        view = body.view
        self.code = code
        self.view = view
        self.places = body.places
        self.structs = body.structs
        self.scalars = body.scalars
        self.depth = depth
        self.frame = f"={depth}"
        self.reader = code.reader
        # What `return` inside a statement expression ended with.
        self.returned: Outcomes = []

    def place(self, node: Node) -> Place:
        return self.view.place(node.start_byte)

    def constant(self, text: str, node: Node, zero: bool | None = None) -> Constant:
        """Return a constant that is written at a node."""
        return Constant(text, zero, self.place(node), self.view.function.name)

    def mark(
        self,
        state: State,
        kind: Kind,
        node: Node,
        handle: HandleId | None = None,
        text: str = "",
        known: str = "",
        nonzero: bool = False,
        put: str = "",
    ) -> State:
        """Note an event at a node."""
        made = Mark(kind, self.place(node), self.view.function.name, handle)
        return state.marked(made._replace(text=text, known=known, nonzero=nonzero, put=put))

    def used(self, state: State, handle: Handle, node: Node, text: str) -> State:
        """Note a use of a handle."""
        facts = state.known.get(handle.id, "")
        return self.mark(state, Kind.USE, node, handle=handle.id, text=text, known=facts)

    def variable(self, node: Node) -> Location | None:
        """Return where a local variable lies."""
        start = node.start_byte
        if start not in self.places:
            local = self.view.local(node_text(node), start)
            if local is None:
                self.places[start] = None
            elif self.code.is_static(self.view, local):
                self.places[start] = (True, f"{self.view.function.name}.{local.name}")
            else:
                scope = f"@{local.end}" if local.parameter < 0 else ""
                self.places[start] = (False, local.name + scope)
        found = self.places[start]
        if found is None:
            return None
        return ("global" if found[0] else self.frame, found[1])

    def load(self, state: State, at: Location, node: Node) -> tuple[State, Value]:
        """Read a location. Where nothing is held it is taken for a pointer until a type says more.

        Looking up the type of every member that is read would cost more than all the rest.
        """
        if at in state.memory:
            return state, state.memory[at]
        if at[0] == "skb":
            # The control block is an array: its address is what is read.
            if at == ("skb", "cb"):
                return state, Pointer(at)
            return state, Netdev(Device.OWN) if at == ("skb", "dev") else Unknown(packet=True)
        if self.code.is_keeper(self.view, node, at):
            # An earlier packet left a handle here.
            made = ("stored", *at)
            mark = Mark(Kind.READ, self.place(node), self.view.function.name, made, Source.STORED)
            return state.knowing(made, "").marked(mark), Handle(made)
        if at[0] in ("netdev", "xs") or len(at) > _LONGEST:
            return state, UNKNOWN
        self.code.members_read.setdefault(at, (self.view, node))
        return state, Pointer((*at, "*"))

    def typed(self, value: Value, kind: CType | None, node: Node) -> Value:
        """Return a value as what its type makes of it. node: the expression that it came from."""
        if kind is None or not kind.pointers:
            struct = kind is not None and kind.base.startswith(("struct ", "union "))
            if struct and isinstance(value, Pointer) and value.to[-1:] == ("*",):
                # What is copied is what the location holds, not what it points to.
                return Struct(value.to[:-1])
            return self.fitted(value, kind)
        if isinstance(value, Handle):
            return fitted(value, POINTER)
        match kind.base if kind.pointers == 1 else "":
            case "struct net_device":
                if isinstance(value, Pointer):
                    at = value.to[:-1] if value.to[-1:] == ("*",) else value.to
                    view, read = self.code.members_read.get(at, (self.view, node))
                    return self.code.members.device(view, read, at)
                return value if isinstance(value, Netdev | Constant) else Netdev(Device.UNKNOWN)
            case "struct xfrm_state":
                if isinstance(value, Pointer):
                    return XfrmState(sa_at(value.to))
                if isinstance(value, XfrmState):
                    return value
                packet = isinstance(value, Unknown) and value.packet
                null = isinstance(value, Constant) and value.zero
                return XfrmState(Sa.THIS if packet else Sa.UNKNOWN, False if null else None)
            case "struct sk_buff":
                return value if isinstance(value, Packet | Constant) else Packet()
        if isinstance(value, Unknown):
            place = self.place(node)
            at = ("call", f"{place.path}:{place.line}:{place.column}")
            return Pointer(("skb", *at) if value.packet else at)
        return value

    def fitted(self, value: Value, kind: CType | None) -> Value:
        """Return a number as what an integer type makes of it."""
        if not isinstance(value, Handle | Constant):
            return value
        wide = self.code.integer(kind, self.view)
        return self.cast_to(value, wide) if wide is not None else value

    def cast_to(self, value: Value, wide: IntType) -> Value:
        if isinstance(value, Handle):
            return fitted(value, wide)
        if not isinstance(value, Constant) or (wide.signed and wide.bits >= INT.bits):
            # Nothing that is an int loses anything: its name can be looked up later.
            return value
        number = self.code.number_of(value, self.view)
        if number is None:
            return value
        made = wrapped(number.value, wide)
        return numbered(value, made) if made.value != number.value else value

    def parameter(self, node: Node) -> int:
        """Return which parameter an expression is, if it is one as it came in; else -1."""
        node = unwrapped(node)
        if node.type != "identifier":
            return -1
        name = node_text(node)
        local = self.view.local(name, node.start_byte)
        if local is None or local.parameter < 0 or self.view.assignments(name):
            return -1
        return local.parameter

    def declared_type(self, target: Node | None) -> CType | None:
        """Return the type of a local variable that is assigned to."""
        if target is None or target.type != "identifier":
            return None
        local = self.view.local(node_text(target), target.start_byte)
        return local.type if local is not None else None

    def is_handle(self, node: Node, base: Node | None) -> bool:
        if base is None or unevaluated(self.view, node):
            return False
        return self.code.accesses.base(base, self.view)[0] == STATE

    def forget(self, state: State, target: Node) -> State:
        """Drop the assumptions about conditions in which an assigned name occurs."""
        if not state.assumed:
            return state
        name = node_text(target.child_by_field_name("field") or bare(target, subscripts=True))
        word = re.compile(rf"\b{re.escape(name)}\b")
        kept = {
            k: v
            for k, v in state.assumed.items()
            if k[0].startswith(CONFIGURED) or not word.search(k[1])
        }
        return state if len(kept) == len(state.assumed) else replace(state, assumed=kept)

    def told(self, state: State, handle: HandleId, nonzero: bool, node: Node) -> State:
        after = state.knowing(handle, "nonzero" if nonzero else "zero")
        return self.mark(after, Kind.TEST, node, handle=handle, nonzero=nonzero)

    def compared(self, state: State, handle: Handle, node: Node) -> State:
        """Note a comparison that may exclude 0, or may not."""
        if state.known.get(handle.id):
            return state
        after = state.knowing(handle.id, "compared")
        return self.mark(after, Kind.COMPARE, node, handle=handle.id)
