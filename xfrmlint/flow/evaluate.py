"""Expressions: what a value is on a path, and what happens to handles on the way.

Every method returns all that can come of an expression as (state, value) pairs: a path splits
where a condition is not known, also inside an expression.
"""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tree_sitter import Node

from xfrmlint.flow import known
from xfrmlint.flow.events import Device, Kind, Sa, Source
from xfrmlint.flow.relevance import Body
from xfrmlint.flow.values import (
    UNKNOWN,
    Bits,
    Constant,
    Form,
    Handle,
    HandleId,
    Location,
    Mark,
    Netdev,
    Offload,
    Packet,
    Pointer,
    State,
    Struct,
    Unknown,
    Value,
    XfrmState,
    number_in,
)
from xfrmlint.frontend.access import STATE
from xfrmlint.frontend.ctype import CType
from xfrmlint.frontend.expression import bare
from xfrmlint.frontend.mention import unevaluated
from xfrmlint.frontend.types import PASSES_FIRST
from xfrmlint.frontend.unit import Place, declarator_name, node_text

if TYPE_CHECKING:
    from xfrmlint.flow.run import Run

Outcomes = list[tuple[State, Value]]
Branches = list[tuple[State, bool]]
Located = list[tuple[State, Location | None]]

_CAPITALS = re.compile(r"^[A-Z][A-Z0-9_]*$")
_TRUTHS = {"NULL": True, "false": True, "true": False}
_UNSIGNED = re.compile(r"^(u(8|16|32|64|int\w*|long|short)|unsigned\b.*|size_t|bool|uint\d+_t)$")
_LONGEST = 24


class Evaluator:
    """Evaluates the expressions of one function on one frame.

    run: what follows calls, and knows the driver. depth: the frame's number.
    """

    def __init__(self, run: "Run", body: Body, depth: int) -> None:
        view = body.view
        self.run = run
        self.view = view
        self.places = body.places
        self.structs = body.structs
        self.depth = depth
        self.frame = f"={depth}"
        self.reader = run.reader
        # What `return` inside a statement expression ended with.
        self.returned: Outcomes = []

    # -- events

    def place(self, node: Node) -> Place:
        return self.view.place(node.start_byte)

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

    # -- values

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

    def value(self, node: Node | None, state: State) -> Outcomes:
        """Evaluate an expression."""
        if node is None:
            return [(state, UNKNOWN)]
        rule = _RULES.get(node.type)
        return rule(self, node, state) if rule is not None else self.parts(node, state)

    def parts(self, node: Node, state: State) -> Outcomes:
        """Evaluate what an expression consists of; nothing is known of the whole."""
        return [(after, UNKNOWN) for after, _ in self.all(node.named_children, state)]

    def inner(self, node: Node, state: State) -> Outcomes:
        if not node.named_child_count:
            return [(state, UNKNOWN)]
        inside = node.named_children[-1]
        if inside.type == "compound_statement":
            return self.run.statement_expression(self, inside, state)
        return self.value(inside, state)

    def cast(self, node: Node, state: State) -> Outcomes:
        return self.value(node.child_by_field_name("value"), state)

    def literal(self, node: Node, state: State) -> Outcomes:
        text = node_text(node)
        number = number_in(text)
        zero = number == 0 if number is not None else None
        if node.type in ("string_literal", "concatenated_string", "char_literal"):
            zero = False
        zero = _TRUTHS.get(text, zero)
        return [(state, Constant(text, zero, self.place(node)))]

    def identifier(self, node: Node, state: State) -> Outcomes:
        name = node_text(node)
        at = self.variable(node)
        if at is not None:
            if name in self.structs and at not in state.memory:
                return [(state, Struct(at))]
            return [self.load(state, at, node)]
        if name in _TRUTHS:
            return self.literal(node, state)
        if name in known.ENUMERATORS:
            return [(state, Constant(name, known.ENUMERATORS[name], self.place(node)))]
        kind = self.reader.types.variable(name, self.view.path)
        if kind is not None:
            return [self.load(state, ("global", name), node)]
        if _CAPITALS.match(name):
            return [(state, Constant(name, None, self.place(node)))]
        return [(state, UNKNOWN)]

    def variable(self, node: Node) -> Location | None:
        """Return where a local variable lies."""
        start = node.start_byte
        if start not in self.places:
            local = self.view.local(node_text(node), start)
            if local is None:
                self.places[start] = None
            elif self.run.is_static(self.view, local):
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
        if self.run.is_keeper(self.view, node, at):
            # An earlier packet left a handle here.
            made = ("stored", *at)
            mark = Mark(Kind.READ, self.place(node), self.view.function.name, made, Source.STORED)
            return state.knowing(made, "").marked(mark), Handle(made)
        if at[0] in ("netdev", "xs") or len(at) > _LONGEST:
            return state, UNKNOWN
        self.run.members_read.setdefault(at, (self.view, node))
        return state, Pointer((*at, "*"))

    def typed(self, value: Value, kind: CType | None, node: Node) -> Value:
        """Return a value as what its type makes of it. node: the expression that it came from."""
        if kind is None or not kind.pointers:
            struct = kind is not None and kind.base.startswith(("struct ", "union "))
            if struct and isinstance(value, Pointer) and value.to[-1:] == ("*",):
                # What is copied is what the location holds, not what it points to.
                return Struct(value.to[:-1])
            return value
        match kind.base if kind.pointers == 1 else "":
            case "struct net_device":
                if isinstance(value, Pointer):
                    at = value.to[:-1] if value.to[-1:] == ("*",) else value.to
                    view, read = self.run.members_read.get(at, (self.view, node))
                    return self.run.members.device(view, read, at)
                return value if isinstance(value, Netdev | Constant) else Netdev(Device.UNKNOWN)
            case "struct xfrm_state":
                if isinstance(value, Pointer):
                    return XfrmState(_sa_at(value.to))
                packet = isinstance(value, Unknown) and value.packet
                unknown = XfrmState(Sa.THIS if packet else Sa.UNKNOWN)
                return value if isinstance(value, XfrmState | Constant) else unknown
            case "struct sk_buff":
                return value if isinstance(value, Packet | Constant) else Packet()
        if isinstance(value, Unknown):
            place = self.place(node)
            at = ("call", f"{place.path}:{place.line}:{place.column}")
            return Pointer(("skb", *at) if value.packet else at)
        return value

    # -- members and elements

    def member(self, node: Node, state: State) -> Outcomes:
        base = node.child_by_field_name("argument")
        name = node_text(node.child_by_field_name("field") or node)
        found: Outcomes = []
        for after, of in self.holder(node, state):
            if name == "xso":
                found.append((after, Offload(sa_of(of))))
            elif isinstance(of, Offload):
                found.append(self.offload_member(after, of, name, node))
            elif name == "offload_handle" and self.is_handle(node, base):
                # The type says so; whose it is was lost on the way.
                found.append(self.offload_member(after, Offload(Sa.UNKNOWN), name, node))
            else:
                found += [
                    self.load(then, at, node) if at is not None else (then, _lost(of))
                    for then, at in self.member_of(after, of, name, node)
                ]
        return found

    def holder(self, node: Node, state: State) -> Outcomes:
        """Return what a field expression's member is of: a struct, or a pointer to one."""
        base = node.child_by_field_name("argument")
        if base is None or _sign(node) != ".":
            return self.value(base, state)
        bared = _unwrapped(base)
        if bared.type == "pointer_expression" and node_text(bared)[:1] == "*":
            return self.value(bared.child_by_field_name("argument"), state)
        named = bared.child_by_field_name("field")
        if named is not None and node_text(named) == "xso":
            return self.value(base, state)
        if bared.type not in ("identifier", "field_expression", "subscript_expression"):
            return self.value(base, state)
        found: Outcomes = []
        for after, at in self.locate(bared, state):
            held = after.memory.get(at) if at is not None else None
            if isinstance(held, Offload):
                found.append((after, held))
            elif at is not None:
                found.append((after, Struct(at)))
            else:
                found += self.value(base, after)
        return found

    def is_handle(self, node: Node, base: Node | None) -> bool:
        if base is None or unevaluated(node):
            return False
        return self.run.accesses.base(base, self.view)[0] == STATE

    def offload_member(
        self, state: State, of: Offload, name: str, node: Node
    ) -> tuple[State, Value]:
        base = node.child_by_field_name("argument")
        if name == "offload_handle" and self.is_handle(node, base):
            made = ("direct", of.sa)
            mark = Mark(Kind.READ, self.place(node), self.view.function.name, made, Source.DIRECT)
            field = node.child_by_field_name("field") or node
            mark = mark._replace(sa=of.sa, place=self.place(field))
            return state.marked(mark), Handle(made)
        if name in ("dev", "real_dev"):
            return state, Netdev(Device.OWNER if name == "dev" else Device.REAL_DEV)
        return state, UNKNOWN

    def member_of(self, state: State, of: Value, name: str, node: Node) -> Located:
        """Return where a member of a value lies."""
        match of:
            case Handle():
                return [(self.used(state, of, node, "dereferenced"), ("sa", name))]
            case Pointer():
                return [(state, (*of.to, name))]
            case Struct():
                return [(state, (*of.at, name))]
            case Packet():
                return [(state, ("skb", name))]
            case Unknown() if of.packet:
                return [(state, ("skb", "[]", name))]
            case XfrmState():
                return [(state, ("xs", of.sa, name))]
            case Netdev() if of.device is Device.OWN:
                return [(state, ("netdev", name))]
            case Netdev():
                return [(state, ("netdev", of.device, name))]
        return [(state, None)]

    def element(self, node: Node, state: State) -> Outcomes:
        return [
            self.load(after, at, node) if at is not None else (after, UNKNOWN)
            for after, at in self.element_of(node, state)
        ]

    def element_of(self, node: Node, state: State) -> Located:
        base, index = node.child_by_field_name("argument"), node.child_by_field_name("index")
        found: Located = []
        for after, of in self.value(base, state):
            for then, which in self.value(index, after):
                if isinstance(of, Handle):
                    found.append((self.used(then, of, node, "dereferenced"), ("sa", "[]")))
                elif isinstance(which, Handle):
                    text = f"used as index of {node_text(base) if base is not None else ''}"
                    found.append((self.used(then, which, node, text), ("sa", "[]")))
                elif isinstance(of, Pointer | Struct):
                    to = of.to if isinstance(of, Pointer) else of.at
                    each = which.text if isinstance(which, Constant) else ""
                    if isinstance(which, Constant) and which.zero:
                        found.append((then, to))
                    else:
                        found.append((then, (*to, each if each.isdigit() else "[]")))
                elif isinstance(of, Unknown) and of.packet:
                    found.append((then, ("skb", "[]")))
                else:
                    found.append((then, None))
        return found

    def pointed(self, node: Node, state: State) -> Outcomes:
        sign = _sign(node)
        inside = node.child_by_field_name("argument")
        if inside is None:
            return [(state, UNKNOWN)]
        if sign == "&":
            return self.address(inside, state)
        found: Outcomes = []
        for after, at in self.locate(node, state):
            found.append(self.load(after, at, node) if at else (after, UNKNOWN))
        return found

    def address(self, node: Node, state: State) -> Outcomes:
        bared = node
        while bared.type == "parenthesized_expression" and bared.named_child_count:
            bared = bared.named_children[-1]
        if bared.type == "field_expression":
            name = node_text(bared.child_by_field_name("field") or bared)
            found: Outcomes = []
            for after, of in self.holder(bared, state):
                if name == "xso":
                    found.append((after, Offload(sa_of(of))))
                elif isinstance(of, Handle):
                    # Not followed yet: the address of a member is computed from the handle.
                    found.append((after, of.becoming(Form.COMPUTED)))
                else:
                    for then, at in self.member_of(after, of, name, bared):
                        if at:
                            self.run.addressed.setdefault(at, (self.view, bared))
                        found.append((then, Pointer(at) if at else UNKNOWN))
            return found
        located = self.locate(bared, state)
        for _, at in located:
            if at and bared.type == "subscript_expression":
                self.run.addressed.setdefault(at, (self.view, bared))
        return [(s, Pointer(at) if at else UNKNOWN) for s, at in located]

    def locate(self, node: Node, state: State) -> Located:
        """Return where an lvalue lies; None where that is not known."""
        node = _unwrapped(node)
        if node.type == "identifier":
            at = self.variable(node)
            if at is None and self.reader.types.variable(node_text(node), self.view.path):
                at = ("global", node_text(node))
            return [(state, at)]
        if node.type == "field_expression":
            name = node_text(node.child_by_field_name("field") or node)
            return [
                pair
                for after, of in self.holder(node, state)
                for pair in self.member_of(after, of, name, node)
            ]
        if node.type == "subscript_expression":
            return self.element_of(node, state)
        if node.type == "pointer_expression":
            found: Located = []
            for after, of in self.value(node.child_by_field_name("argument"), state):
                if isinstance(of, Handle):
                    found.append((self.used(after, of, node, "dereferenced"), ("sa",)))
                else:
                    found.append((after, of.to if isinstance(of, Pointer) else None))
            return found
        return [(after, None) for after, _ in self.value(node, state)]

    # -- operators

    def unary(self, node: Node, state: State) -> Outcomes:
        sign = _sign(node)
        inside = node.child_by_field_name("argument")
        if sign == "!":
            return self.as_value(node, state)
        found: Outcomes = []
        for after, value in self.value(inside, state):
            match value:
                case Handle():
                    found.append((after, value.becoming(Form.COMPUTED)))
                case Constant():
                    text = f"{sign}{value.text}"
                    # -ENOENT: an error's number is never 0.
                    zero = False if text.startswith("-E") else value.zero
                    found.append((after, replace(value, text=text, zero=zero)))
                case _:
                    found.append((after, UNKNOWN))
        return found

    def binary(self, node: Node, state: State) -> Outcomes:
        sign = _sign(node)
        if sign in _COMPARISONS or sign in ("&&", "||"):
            return self.as_value(node, state)
        found: Outcomes = []
        sides = [node.child_by_field_name(side) for side in ("left", "right")]
        for after, values in self.all([s for s in sides if s is not None], state):
            found.append((after, _computed(values, sign)))
        return found

    def as_value(self, node: Node, state: State) -> Outcomes:
        """Evaluate a condition as a value; the path splits only where that says something."""
        both = self.truth(node, state)
        place = self.place(node)
        trails = {s.context() for s, _ in both} | {s.trail for s, _ in both}
        if len(both) == 2 and len(trails) == 2:
            # Nothing was learned.
            return [(both[0][0], UNKNOWN)]
        return [(s, Constant("1" if held else "0", not held, place)) for s, held in both]

    def conditional(self, node: Node, state: State) -> Outcomes:
        found: Outcomes = []
        condition = node.child_by_field_name("condition")
        then = node.child_by_field_name("consequence")
        other = node.child_by_field_name("alternative")
        if then is None and condition is not None:
            # a ?: b
            for after, value in self.value(condition, state):
                for split, held in self.decide(after, value, condition):
                    found += [(split, value)] if held else self.value(other, split)
            return found
        for after, held in self.truth(condition, state):
            found += self.value(then if held else other, after)
        return found

    def comma(self, node: Node, state: State) -> Outcomes:
        found: Outcomes = []
        for after, _ in self.value(node.child_by_field_name("left"), state):
            found += self.value(node.child_by_field_name("right"), after)
        return found

    def update(self, node: Node, state: State) -> Outcomes:
        target = node.child_by_field_name("argument")
        found: Outcomes = []
        for after, value in self.value(target, state):
            made = value.becoming(Form.COMPUTED) if isinstance(value, Handle) else UNKNOWN
            found += [(s, made) for s in self.assign(target, made, after)]
        return found

    def parameter(self, node: Node) -> int:
        """Return which parameter an expression is, if it is one as it came in; else -1."""
        node = _unwrapped(node)
        if node.type != "identifier":
            return -1
        name = node_text(node)
        local = self.view.local(name, node.start_byte)
        if local is None or local.parameter < 0 or self.view.assignments(name):
            return -1
        return local.parameter

    # -- assignments

    def assignment(self, node: Node, state: State) -> Outcomes:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        sign = _sign(node)
        found: Outcomes = []
        kind = self.declared_type(left)
        for after, value in self.value(right, state):
            if kind is not None and right is not None:
                value = self.typed(value, kind, right)
            if sign != "=":
                for then, old in self.value(left, after):
                    made = _computed([old, value], sign.removesuffix("="))
                    found += [(s, made) for s in self.assign(left, made, then)]
            else:
                found += [(s, value) for s in self.assign(left, value, after)]
        return found

    def declared_type(self, target: Node | None) -> CType | None:
        """Return the type of a local variable that is assigned to."""
        if target is None or target.type != "identifier":
            return None
        local = self.view.local(node_text(target), target.start_byte)
        return local.type if local is not None else None

    def assign(self, target: Node | None, value: Value, state: State) -> list[State]:
        """Put a value into an lvalue."""
        if target is None:
            return [state]
        found = []
        for after, at in self.locate(target, state):
            found.append(self.put(after, at, value, _unwrapped(target)))
        return found

    def put(self, state: State, at: Location | None, value: Value, target: Node) -> State:
        """Put a value at a location; a handle that leaves the stack is noted."""
        state = self.forget(state, target)
        if at is not None and at[0].startswith("="):
            return state.stored(at, value)
        if isinstance(value, Struct):
            for handle in state.handles_below(value.at):
                state = self.left(state, at, handle, target)
        if isinstance(value, Handle):
            return self.left(state, at, value, target)
        return state.stored(at, value) if at is not None else state

    def left(self, state: State, at: Location | None, value: Handle, target: Node) -> State:
        """Note a handle that is put anywhere but on the stack."""
        text = f"stored in {' '.join(node_text(target).split())}"
        # What `*p = h` writes to was named where its address was taken.
        view, named = self.run.addressed.get(at or (), (self.view, target))
        where = self.run.members.memory(view, named, at)
        facts = state.known.get(value.id, "")
        if where == "hardware":
            return self.used(state, value, target, text)
        kept = state.stored(at, value) if at is not None else state
        if where == "lasting":
            self.run.kept.add(self.run.members.named(view, named))
            return self.mark(kept, Kind.STORE, target, handle=value.id, text=text, known=facts)
        return self.mark(
            kept, Kind.STORE, target, handle=value.id, text=text, known=facts, put=where
        )

    def forget(self, state: State, target: Node) -> State:
        """Drop the assumptions about conditions in which an assigned name occurs."""
        if not state.assumed:
            return state
        name = node_text(target.child_by_field_name("field") or bare(target, subscripts=True))
        word = re.compile(rf"\b{re.escape(name)}\b")
        kept = {k: v for k, v in state.assumed.items() if k[0][:1] == "#" or not word.search(k[1])}
        return state if len(kept) == len(state.assumed) else replace(state, assumed=kept)

    def declared(self, node: Node, state: State) -> list[State]:
        """Evaluate a declaration's initializers."""
        states = [state]
        for declarator in node.children_by_field_name("declarator"):
            value = declarator.child_by_field_name("value")
            name = declarator_name(declarator)
            if name is None:
                continue
            at = self.variable(name)
            if at is None:
                continue
            if value is None:
                states = [s.stored(at, UNKNOWN) if at in s.memory else s for s in states]
                continue
            after: list[State] = []
            for before in states:
                after += self.initialized(at, value, before, name)
            states = after
        return states

    def initialized(self, at: Location, value: Node, state: State, name: Node) -> list[State]:
        if value.type == "initializer_list":
            return self.listed(at, value, state)
        if at[0] == "global":
            # A static variable has its value from before.
            return [state]
        local = self.view.local(node_text(name), name.start_byte)
        kind = local.type if local is not None else None
        return [
            self.put(s, at, self.typed(v, kind, value), name) for s, v in self.value(value, state)
        ]

    def listed(self, at: Location, node: Node, state: State) -> list[State]:
        """Store an initializer list's values in the members that they are for."""
        states = [state.stored(at, Struct(("zeroed",)))]
        names = self.run.member_names(self.view, node)
        position = 0
        for child in node.named_children:
            inside: Node | None = child
            name = names[position] if position < len(names) else f"#{position}"
            position += 1
            if child.type == "initializer_pair":
                inside = child.child_by_field_name("value")
                designator = child.child_by_field_name("designator")
                name = node_text(designator).strip(".[] ") if designator is not None else name
            if inside is None:
                continue
            after: list[State] = []
            for before in states:
                if inside.type == "initializer_list":
                    after += self.listed((*at, name), inside, before)
                else:
                    # A member's initializer can't leave the stack: the literal itself is a local.
                    after += [s.stored((*at, name), v) for s, v in self.value(inside, before)]
            states = after
        return states

    def compound(self, node: Node, state: State) -> Outcomes:
        value = node.child_by_field_name("value")
        at: Location = (self.frame, f"literal@{node.start_byte}")
        if value is None or value.type != "initializer_list":
            return self.parts(node, state)
        return [(s, Struct(at)) for s in self.listed(at, value, state)]

    # -- conditions

    def truth(self, node: Node | None, state: State) -> Branches:
        """Return the ways a condition can go."""
        if node is None:
            return [(state, True)]
        kind = node.type
        if kind in ("parenthesized_expression", "expression_statement") and node.named_child_count:
            inside = node.named_children[-1]
            if inside.type != "compound_statement":
                return self.truth(inside, state)
        sign = _sign(node)
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
        if kind == "binary_expression" and sign in _COMPARISONS:
            return self.comparison(node, sign, state)
        if kind == "call_expression":
            name = node_text(node.child_by_field_name("function") or node)
            listed = node.child_by_field_name("arguments")
            first = listed.named_children[0] if listed and listed.named_child_count else None
            if known.WARNS.match(name) and first is not None:
                return self.truth(first, state)
            if name == known.NULL_OR_ERROR and first is not None:
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
                number = self.run.number_of(value, self.view)
                if number is not None:
                    return [(state, number != 0)]
            case Netdev() if value.device is Device.NULL:
                return [(state, False)]
        return self.assuming(state, node)

    def assuming(self, state: State, node: Node) -> Branches:
        text = self.run.correlated(self.view, node)
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

    def told(self, state: State, handle: HandleId, nonzero: bool, node: Node) -> State:
        after = state.knowing(handle, "nonzero" if nonzero else "zero")
        return self.mark(after, Kind.TEST, node, handle=handle, nonzero=nonzero)

    def compared(self, state: State, handle: Handle, node: Node) -> State:
        """Note a comparison that may exclude 0, or may not."""
        if state.known.get(handle.id):
            return state
        after = state.knowing(handle.id, "compared")
        return self.mark(after, Kind.COMPARE, node, handle=handle.id)

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
                and (sign in _EQUAL or one.text == other.text)
            ):
                same = _same(one, other)
                found += (
                    self.assuming(after, node)
                    if same is None
                    else [(after, same == (sign in ("==", "<=", ">=")))]
                )
            elif isinstance(one, Netdev) and isinstance(other, Netdev) and sign in _EQUAL:
                found += _same_device(after, one, other, sign == "==")
            elif (held := _ordered(one, sign, other)) is not None:
                found.append((after, held))
            elif _is_zero(other) and sign in _EQUAL:
                found += [(s, held == (sign == "!=")) for s, held in self.decide(after, one, left)]
            else:
                found += self.assuming(after, node)
        return found

    def against(
        self, state: State, handle: Handle, sign: str, other: Value, node: Node
    ) -> Branches:
        """Compare a handle with something; an upper bound says nothing about 0."""
        number = _number(other, self.run.number_of(other, self.view))
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

    def is_unsigned(self, node: Node) -> bool:
        """Tell whether a comparison is one of a local variable that can't be negative."""
        for side in ("left", "right"):
            kind = self.declared_type(node.child_by_field_name(side))
            if kind is not None and not kind.pointers:
                return _UNSIGNED.match(kind.base) is not None
        return False

    # -- calls

    def call(self, node: Node, state: State) -> Outcomes:
        return self.run.call(self, node, state)


def _sign(node: Node) -> str:
    """Return an expression's operator as it is written."""
    sign = node.child_by_field_name("operator")
    return sign.type if sign is not None else ""


def _unwrapped(node: Node) -> Node:
    while node.type in ("parenthesized_expression", "cast_expression") and node.named_child_count:
        node = node.child_by_field_name("value") or node.named_children[-1]
    if node.type == "call_expression":
        # *READ_ONCE(p) = ..., and the like.
        called = node.child_by_field_name("function")
        listed = node.child_by_field_name("arguments")
        if called is not None and listed is not None and listed.named_child_count:
            if PASSES_FIRST.match(node_text(called)):
                return _unwrapped(listed.named_children[0])
    return node


def sa_of(value: Value) -> Sa:
    """Whose SA a value is, if it is one."""
    match value:
        case XfrmState():
            return value.sa
        case Pointer():
            return _sa_at(value.to)
        case Struct():
            return _sa_at(value.at)
        case Unknown() if value.packet:
            return Sa.THIS
    return Sa.UNKNOWN


def _lost(of: Value) -> Value:
    """Return a member of a value that nothing is known of."""
    return Unknown(isinstance(of, Unknown) and of.packet)


def _sa_at(at: Location) -> Sa:
    """Whose SA is kept at a location."""
    # What is found in a table or a list was looked up for this packet.
    if at[0] in ("skb", "sa", "xs") or {"[]", "container"} & {*at}:
        return Sa.THIS
    if at[0] in ("global", "own", "netdev"):
        return Sa.OTHER
    return Sa.UNKNOWN


def _computed(values: Sequence[Value], sign: str) -> Value:
    """Return what arithmetic makes of some values."""
    for at, value in enumerate(values):
        if isinstance(value, Handle):
            other = values[1 - at] if len(values) == 2 else UNKNOWN
            if sign == "|" and isinstance(other, Constant) and not other.zero:
                return value.becoming(Form.FULL)
            # 0 & x is 0, as is 0 / x.
            masks = sign in ("&", "*") or (at == 0 and sign in ("<<", ">>", "/", "%"))
            masks = masks and value.form > Form.COMPUTED
            return Handle(value.id, Form.MASKED if masks else Form.COMPUTED)
    if len(values) == 2 and isinstance(values[0], Constant) and isinstance(values[1], Constant):
        number = _calculated(values[0], sign, values[1])
        if number is not None:
            return number
    if sign in ("|", "&") and len(values) == 2:
        flags = _flags(values[0], sign, values[1])
        if flags is not None:
            return flags
    for value in values:
        if isinstance(value, Pointer):
            return Pointer((*value.to, "[]") if value.to[-1:] != ("[]",) else value.to)
    return Unknown(any(isinstance(v, Unknown) and v.packet for v in values))


def _calculated(one: Constant, sign: str, other: Constant) -> Constant | None:
    """Return what an operation on two numbers gives, where both are written out."""
    left, right = number_in(one.text), number_in(other.text)
    operation = _ARITHMETIC.get(sign)
    if left is None or right is None or operation is None or max(left, right) >= 1 << 64:
        return None
    if sign in ("<<", ">>") and right > 63:
        return None
    made = operation(left, right)
    return Constant(str(made), made == 0, one.place) if made >= 0 else None


def _flags(one: Value, sign: str, other: Value) -> Value | None:
    """Return what | and & make of a set of flags and a flag's name; None for anything else."""
    if isinstance(one, Constant) and one.zero:
        one = Bits(frozenset())
    if not isinstance(one, Bits) or not isinstance(other, Constant):
        return None
    if not _CAPITALS.match(other.text):
        return None
    if sign == "|":
        return Bits(one.names | {other.text})
    held = other.text in one.names
    return Constant(other.text if held else "0", not held, other.place)


def _same(one: Constant, other: Constant) -> bool | None:
    if one.text == other.text:
        return True
    if one.zero is not None and other.zero is not None and one.zero != other.zero:
        return False
    if one.zero and other.zero:
        return True
    literal = all(
        number_in(c.text) is not None or c.text in known.ENUMERATORS for c in (one, other)
    )
    return False if literal else None


def _same_device(state: State, one: Netdev, other: Netdev, when: bool) -> Branches:
    """Split by whether the device at work is the one that the state names."""
    named = {one.device, other.device} - {Device.OWN}
    if len(named) != 1 or not named <= {Device.OWNER, Device.REAL_DEV}:
        return [(state, True), (state, False)]
    key = ("#same", next(iter(named)))
    if key in state.assumed:
        return [(state, state.assumed[key] == when)]
    return [
        (replace(state, assumed={**state.assumed, key: held}), held == when)
        for held in (True, False)
    ]


def _ordered(one: Value, sign: str, other: Value) -> bool | None:
    """Compare an error's number, or 0, with 0; None for anything else."""
    if not isinstance(one, Constant) or not _is_zero(other) or sign in _EQUAL:
        return None
    negative = one.text.startswith("-")
    if not negative and not one.zero:
        return None
    return {"<": negative, ">=": not negative, "<=": True, ">": False}[sign]


def _is_zero(value: Value) -> bool:
    return isinstance(value, Constant) and bool(value.zero)


def _number(value: Value, known_number: int | None) -> int | None:
    if _is_zero(value):
        return 0
    return known_number


_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "|": operator.or_,
    "&": operator.and_,
    "+": operator.add,
    "-": operator.sub,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
_EQUAL = ("==", "!=")
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_RULES: dict[str, Callable[[Evaluator, Node, State], Outcomes]] = {
    "parenthesized_expression": Evaluator.inner,
    "cast_expression": Evaluator.cast,
    "number_literal": Evaluator.literal,
    "char_literal": Evaluator.literal,
    "string_literal": Evaluator.literal,
    "concatenated_string": Evaluator.literal,
    "true": Evaluator.literal,
    "false": Evaluator.literal,
    "null": Evaluator.literal,
    "identifier": Evaluator.identifier,
    "field_expression": Evaluator.member,
    "subscript_expression": Evaluator.element,
    "pointer_expression": Evaluator.pointed,
    "unary_expression": Evaluator.unary,
    "binary_expression": Evaluator.binary,
    "conditional_expression": Evaluator.conditional,
    "comma_expression": Evaluator.comma,
    "update_expression": Evaluator.update,
    "assignment_expression": Evaluator.assignment,
    "compound_literal_expression": Evaluator.compound,
    "call_expression": Evaluator.call,
    "sizeof_expression": lambda _, __, state: [(state, UNKNOWN)],
    "alignof_expression": lambda _, __, state: [(state, UNKNOWN)],
    "offsetof_expression": lambda _, __, state: [(state, UNKNOWN)],
}
