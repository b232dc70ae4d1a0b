"""Expressions: what a value is on a path, and what happens to handles on the way.

Every method returns all that can come of an expression as (state, value) pairs: a path splits
where a condition is not known, also inside an expression.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from tree_sitter import Node

from xfrmlint.c.integers import COMPARISONS, INT, Int, IntType, number, signed
from xfrmlint.c.types import written_type
from xfrmlint.c.unit import declarator_name, node_text
from xfrmlint.contract.words import HANDLE, OWNER, PINNED, XSO
from xfrmlint.flow.arithmetic import (
    CAPITALS,
    computed,
    fitted,
    found_in,
    is_zero,
    lost,
    lost_number,
    numbered,
    prefixed,
    sa_of,
    sign_of,
    unwrapped,
)
from xfrmlint.flow.code import Code
from xfrmlint.flow.conditions import Conditions
from xfrmlint.flow.events import Device, Kind, Sa, Source
from xfrmlint.flow.frame import Outcomes
from xfrmlint.flow.lifetime import lifetime
from xfrmlint.flow.loops import Loop
from xfrmlint.flow.relevance import Body
from xfrmlint.flow.values import (
    UNKNOWN,
    Constant,
    Handle,
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
)
from xfrmlint.kernel import structs

Located = list[tuple[State, Location | None]]

NUMBERS = (Handle, Constant)
_TRUTHS = {"NULL": True, "false": True, "true": False}


class Follower(Protocol):
    """What an evaluator leaves to whoever follows paths."""

    def call(self, evaluator: "Evaluator", node: Node, state: State) -> Outcomes:
        """Follow a call, or know what it does."""
        ...

    def statement_expression(self, evaluator: "Evaluator", node: Node, state: State) -> Outcomes:
        """Evaluate `({ ... })`."""
        ...


class Evaluator(Conditions):
    """Evaluates the expressions of one function on one frame."""

    def __init__(self, follower: Follower, code: Code, body: Body, depth: int) -> None:
        super().__init__(code, body, depth)
        self.follower = follower

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
            return self.follower.statement_expression(self, inside, state)
        return self.value(inside, state)

    def cast(self, node: Node, state: State) -> Outcomes:
        written = node.child_by_field_name("type")
        kind = written_type(written) if written is not None else None
        return [
            (after, self.typed(value, kind, node) if isinstance(value, NUMBERS) else value)
            for after, value in self.value(node.child_by_field_name("value"), state)
        ]

    def literal(self, node: Node, state: State) -> Outcomes:
        text = node_text(node)
        made = number(text)
        zero = made.value == 0 if made is not None else None
        if node.type in ("string_literal", "concatenated_string", "char_literal"):
            zero = False
        return [(state, self.constant(text, node, _TRUTHS.get(text, zero)))]

    def identifier(self, node: Node, state: State) -> Outcomes:
        name = node_text(node)
        at = self.variable(node)
        if at is not None:
            if at not in state.memory and at[0] == self.frame:
                if name in self.structs:
                    return [(state, Struct(at))]
                if name in self.scalars:
                    return [(state, UNKNOWN)]
            return [self.load(state, at, node)]
        if name in _TRUTHS:
            return self.literal(node, state)
        if name in structs.ENUMERATORS:
            return [(state, self.constant(name, node, structs.ENUMERATORS[name]))]
        kind = self.reader.types.variable(name, self.view.path)
        if kind is not None:
            return [self.load(state, ("global", name), node)]
        if CAPITALS.match(name) or self.code.constants.is_enumerator(name, self.view.path):
            return [(state, self.constant(name, node))]
        return [(state, UNKNOWN)]

    def member(self, node: Node, state: State) -> Outcomes:
        base = node.child_by_field_name("argument")
        name = node_text(node.child_by_field_name("field") or node)
        found: Outcomes = []
        for after, of in self.holder(node, state):
            if isinstance(of, XfrmState) and of.there is False:
                # No path goes on from here.
                continue
            if name == XSO:
                found.append((after, Offload(sa_of(of))))
            elif isinstance(of, Offload):
                found.append(self.offload_member(after, of, name, node))
            elif name == self.reader.contract.member(HANDLE) and self.is_handle(node, base):
                # The type says so; whose it is was lost on the way.
                found.append(self.offload_member(after, Offload(Sa.UNKNOWN), name, node))
            else:
                found += [
                    self.load(then, at, node) if at is not None else (then, lost(of))
                    for then, at in self.member_of(after, of, name, node)
                ]
        return found

    def holder(self, node: Node, state: State) -> Outcomes:
        """Return what a field expression's member is of: a struct, or a pointer to one."""
        base = node.child_by_field_name("argument")
        if base is None or sign_of(node) != ".":
            return self.value(base, state)
        bared = unwrapped(base)
        if bared.type == "pointer_expression" and node_text(bared)[:1] == "*":
            return self.value(bared.child_by_field_name("argument"), state)
        named = bared.child_by_field_name("field")
        if named is not None and node_text(named) == XSO:
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

    def offload_member(
        self, state: State, of: Offload, name: str, node: Node
    ) -> tuple[State, Value]:
        base = node.child_by_field_name("argument")
        if name == self.reader.contract.member(HANDLE) and self.is_handle(node, base):
            made = ("direct", of.sa)
            mark = Mark(Kind.READ, self.place(node), self.view.function.name, made, Source.DIRECT)
            field = node.child_by_field_name("field") or node
            mark = mark._replace(sa=of.sa, place=self.place(field))
            return state.marked(mark), Handle(made)
        role = self.reader.contract.role_of(name)
        if role in (OWNER, PINNED):
            return state, Netdev(Device.OWNER if role == OWNER else Device.REAL_DEV)
        return state, UNKNOWN

    def member_of(self, state: State, of: Value, name: str, node: Node) -> Located:
        """Return where a member of a value lies."""
        match of:
            case Handle():
                return [(self.used(state, of, node, "dereferenced"), ("sa", name))]
            case Pointer():
                return [(state, of.to if self._in_union(node) else (*of.to, name))]
            case Struct():
                return [(state, of.at if self._in_union(node) else (*of.at, name))]
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

    def _in_union(self, node: Node) -> bool:
        """Tell whether a member lies where all others of its union do."""
        base = node.child_by_field_name("argument")
        kind = self.reader.types.of(base, self.view) if base is not None else None
        if kind is None:
            return False
        return self.reader.types.resolved(kind, self.view.path).base.startswith("union")

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
                    at = (*to, each if each.isdigit() else "[]")
                    if isinstance(which, Constant) and which.zero:
                        at = to
                    self.code.addressed.setdefault(at, (self.view, node))
                    found.append((then, at))
                elif isinstance(of, Unknown) and of.packet:
                    found.append((then, ("skb", "[]")))
                else:
                    found.append((then, None))
        return found

    def pointed(self, node: Node, state: State) -> Outcomes:
        sign = sign_of(node)
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
                if name == XSO:
                    found.append((after, Offload(sa_of(of))))
                elif isinstance(of, Handle):
                    # Not followed yet: the address of a member is computed from the handle.
                    found.append((after, lost_number(of)))
                else:
                    for then, at in self.member_of(after, of, name, bared):
                        if at:
                            self.code.addressed.setdefault(at, (self.view, bared))
                        found.append((then, Pointer(at) if at else UNKNOWN))
            return found
        return [(s, Pointer(at) if at else UNKNOWN) for s, at in self.locate(bared, state)]

    def locate(self, node: Node, state: State) -> Located:
        """Return where an lvalue lies; None where that is not known."""
        node = unwrapped(node)
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

    def unary(self, node: Node, state: State) -> Outcomes:
        sign = sign_of(node)
        inside = node.child_by_field_name("argument")
        if sign == "!":
            return self.as_value(node, state)
        found: Outcomes = []
        for after, value in self.value(inside, state):
            match value:
                case Handle():
                    found.append((after, prefixed(value, sign)))
                case Constant():
                    found.append((after, self.negated(value, sign)))
                case _:
                    found.append((after, UNKNOWN))
        return found

    def negated(self, value: Constant, sign: str) -> Constant:
        """Return what a unary operator makes of a constant."""
        made = signed(sign, value.number) if value.number is not None else None
        if made is not None:
            return numbered(value, made)
        text = f"{sign}{value.text}"
        # -ENOENT: an error's number is never 0.
        zero = False if text.startswith("-E") else value.zero if sign != "~" else None
        return replace(value, text=text, zero=zero)

    def binary(self, node: Node, state: State) -> Outcomes:
        sign = sign_of(node)
        if sign in COMPARISONS or sign in ("&&", "||"):
            return self.as_value(node, state)
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            return [(state, UNKNOWN)]
        cast = self.code.constants.cast_in(left, self.view.path)
        if cast is not None and self.variable(left.named_children[0]) is None:
            return self.mistaken_cast(sign, right, cast, state)
        return [
            (after, computed(values, sign, self.numbers(values)))
            for after, values in self.all([left, right], state)
        ]

    def mistaken_cast(self, sign: str, right: Node, cast: IntType, state: State) -> Outcomes:
        """Evaluate `(u32)-x`, which the parser takes for a subtraction."""
        found: Outcomes = []
        for after, value in self.address(right, state) if sign == "&" else self.value(right, state):
            if sign == "*":
                if isinstance(value, Handle):
                    after = self.used(after, value, right, "dereferenced")
                found.append((after, UNKNOWN))
            elif isinstance(value, Handle):
                found.append((after, fitted(prefixed(value, sign), cast)))
            elif isinstance(value, Constant):
                found.append((after, self.cast_to(self.negated(value, sign), cast)))
            else:
                found.append((after, value if sign == "&" else UNKNOWN))
        return found

    def numbers(self, values: Sequence[Value]) -> list[Int | None]:
        """Return the numbers of constants, where an operator has to know them."""
        if not all(isinstance(v, NUMBERS) for v in values) and not any(
            isinstance(v, Handle) for v in values
        ):
            return [None] * len(values)
        return [self.code.number_of(v, self.view) for v in values]

    def as_value(self, node: Node, state: State) -> Outcomes:
        """Evaluate a condition as a value; the path splits only where that says something."""
        both = self.truth(node, state)
        trails = {s.context() for s, _ in both} | {s.trail for s, _ in both}
        if len(both) == 2 and len(trails) == 2:
            # Nothing was learned.
            return [(both[0][0], UNKNOWN)]
        return [(s, self.constant("1" if held else "0", node, not held)) for s, held in both]

    def conditional(self, node: Node, state: State) -> Outcomes:
        found: Outcomes = []
        condition = node.child_by_field_name("condition")
        then = node.child_by_field_name("consequence")
        other = node.child_by_field_name("alternative")
        if then is None and condition is not None:
            # a ?: b
            for after, value in self.value(condition, state):
                for split, held in self.decide(after, value, condition):
                    others = [(split, value)] if held else self.value(other, split)
                    # `h ?: 0` is h.
                    same = isinstance(value, Handle) and not held
                    found += [(s, value if same and is_zero(v) else v) for s, v in others]
            return found
        for after, held in self.truth(condition, state):
            found += self.value(then if held else other, after)
        return found

    def generic(self, node: Node, state: State) -> Outcomes:
        """Evaluate each value of a _Generic(): which one it is its types say."""
        return [r for value in node.named_children[2::2] for r in self.value(value, state)]

    def comma(self, node: Node, state: State) -> Outcomes:
        found: Outcomes = []
        for after, _ in self.value(node.child_by_field_name("left"), state):
            found += self.value(node.child_by_field_name("right"), after)
        return found

    def update(self, node: Node, state: State) -> Outcomes:
        target = node.child_by_field_name("argument")
        found: Outcomes = []
        sign = sign_of(node)[:1]
        kind = self.declared_type(target)
        for after, value in self.value(target, state):
            made: Value = UNKNOWN
            if isinstance(value, Handle):
                one = Int(1, INT)
                made = self.typed(computed([value, UNKNOWN], sign, [None, one]), kind, node)
            # The value of `h++` is that before it.
            before = node.children[0].type != sign_of(node)
            found += [
                (s, value if before and isinstance(value, Handle) else made)
                for s in self.assign(target, made, after)
            ]
        return found

    def assignment(self, node: Node, state: State) -> Outcomes:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        sign = sign_of(node)
        found: Outcomes = []
        kind = self.declared_type(left)
        for after, value in self.value(right, state):
            if kind is not None and right is not None:
                value = self.typed(value, kind, right)
            if sign != "=":
                for then, old in self.value(left, after):
                    sides = [old, value]
                    made = computed(sides, sign.removesuffix("="), self.numbers(sides))
                    if right is not None:
                        made = self.typed(made, kind, right)
                    found += [(s, made) for s in self.assign(left, made, then)]
            else:
                found += [(s, value) for s in self.assign(left, value, after)]
        return found

    def assign(self, target: Node | None, value: Value, state: State) -> list[State]:
        """Put a value into an lvalue."""
        if target is None:
            return [state]
        found = []
        for after, at in self.locate(target, state):
            found.append(self.put(after, at, value, unwrapped(target)))
        return found

    def put(self, state: State, at: Location | None, value: Value, target: Node) -> State:
        """Put a value at a location; a handle that leaves the stack is noted."""
        state = self.forget(state, target)
        if isinstance(value, Handle) and target.type != "identifier":
            value = self.typed(value, self.reader.types.of(target, self.view), target)
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
        view, named = self.code.addressed.get(at or (), (self.view, target))
        where = lifetime(self.code, view, named, at)
        facts = state.known.get(value.id, "")
        if where == "hardware":
            return self.used(state, value, target, text)
        kept = state.stored(at, value) if at is not None else state
        if where == "lasting":
            self.code.kept.add(self.code.members.named(view, named))
            return self.mark(kept, Kind.STORE, target, handle=value.id, text=text, known=facts)
        return self.mark(
            kept, Kind.STORE, target, handle=value.id, text=text, known=facts, put=where
        )

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
        names = self.code.member_names(self.view, node)
        position = 0
        # A long table is mostly numbers: they are put in together, not each in a state of its own.
        numbers: dict[Location, Value] = {}
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
            if inside.type == "number_literal":
                numbers[*at, name] = self.literal(inside, state)[0][1]
                continue
            states, numbers = [s.holding(numbers) for s in states], {}
            after: list[State] = []
            for before in states:
                if inside.type == "initializer_list":
                    after += self.listed((*at, name), inside, before)
                else:
                    # A member's initializer can't leave the stack: the literal itself is a local.
                    after += [s.stored((*at, name), v) for s, v in self.value(inside, before)]
            states = after
        return [s.holding(numbers) for s in states]

    def entered(self, loop: Loop, state: State) -> list[State]:
        """Make a loop's variable what the loop runs over."""
        kind = self.declared_type(loop.variable)
        found = []
        for after, head in self.value(loop.over, state):
            entry = self.typed(found_in(head), kind, loop.variable)
            found += self.assign(loop.variable, entry, after)
        return found

    def compound(self, node: Node, state: State) -> Outcomes:
        value = node.child_by_field_name("value")
        at: Location = (self.frame, f"literal@{node.start_byte}")
        if value is None or value.type != "initializer_list":
            return self.parts(node, state)
        return [(s, Struct(at)) for s in self.listed(at, value, state)]

    def call(self, node: Node, state: State) -> Outcomes:
        return self.follower.call(self, node, state)


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
    "generic_expression": Evaluator.generic,
    "update_expression": Evaluator.update,
    "assignment_expression": Evaluator.assignment,
    "compound_literal_expression": Evaluator.compound,
    "call_expression": Evaluator.call,
    "sizeof_expression": lambda _, __, state: [(state, UNKNOWN)],
    "alignof_expression": lambda _, __, state: [(state, UNKNOWN)],
    "offsetof_expression": lambda _, __, state: [(state, UNKNOWN)],
}
