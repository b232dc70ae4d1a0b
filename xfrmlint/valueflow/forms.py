"""What one form of C does with a value: which expressions it can be, what is stored at a place.

A *mention* is a place where a name stands. `stores_at` says what goes into the memory that a
mention names, whatever the form: for `p->low` in

    p->low = a = dev;    WRITE_ONCE(p->low, dev);    memcpy(&p->low, &dev, sizeof(dev));
    smp_store_release(&p->low, dev);    set_low(&p->low, dev);    pp = &p->low; *pp = dev;

that is `dev` each time (in set_low(), what it stores through its parameter). *Levels* count the
stars to take: at level 1 it is asked what is stored where the mention points to.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.expression import arguments_of, around, bare, call_of, designation, position_in
from xfrmlint.c.loops import loop_of
from xfrmlint.c.mention import slot_of, use_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.reading import Syntax
from xfrmlint.c.syntax import (
    Assignment,
    Before,
    Block,
    Call,
    Cast,
    Choice,
    Comma,
    Compound,
    Conditional,
    Expression,
    Initializer,
    inside,
    pointed,
    uncast,
)
from xfrmlint.c.view import FunctionName, View
from xfrmlint.kernel.functions import Operand, function_named

_DEEPEST = 6
# Callers of a function, and what they pass as one of its parameters.
Passed = Callable[[FunctionName, int], Sequence[tuple[View, Node]]]


class Value(NamedTuple):
    """An expression in its function."""

    view: View
    node: Node


class Stored(NamedTuple):
    """A value that is stored somewhere. base: the struct of the member that is written.

    value: None where something is written that no expression shows. at: the written place.
    """

    view: View
    value: Node | None
    base: Node | None
    at: Node


def _alternatives(one: Expression) -> list[Expression]:
    """Return the expressions one of which an expression's value is."""
    inner: Sequence[Expression | None] = ()
    match one:
        case Cast() | Before():
            inner = (one.of,)
        case Conditional():
            inner = (one.then or one.condition, one.other)
        case Comma():
            inner = (one.right,)
        case Assignment() | Block():
            inner = (one.value,)
        case Choice():
            inner = one.values
        case Compound(value=Initializer(items=[("#0", only)])):
            inner = (only,)
        case Initializer():
            inner = [value for _, value in one.items]
        case Call():
            returned = function_named(one.name).returned
            if returned is not None and returned.position < len(one.arguments):
                given = one.arguments[returned.position]
                inner = (pointed(given) if returned.pointed else given,)
    found = [leaf for each in inner if each is not None for leaf in _alternatives(each)]
    return found or [one]


class Forms:
    """Answers about the stores in one driver."""

    def __init__(self, reader: Reader, passed: Passed) -> None:
        self.reader = reader
        self.passed = passed
        self._constants = Constants(reader.types)

    def alternatives(self, value: Value, depth: int = 0) -> list[Value]:
        """Return the expressions one of which an expression's value is.

        `c ? (T)f : g` is f or g, `({ int t = 1; f; })` is f, `a = f` is f, READ_ONCE(x) is x.
        """
        one = Syntax(value.view, self._constants).of(value.node)
        return [each for leaf in _alternatives(one) for each in self._made(value.view, leaf, depth)]

    def _made(self, view: View, leaf: Expression, depth: int) -> list[Value]:
        """Return an expression, or what it stands for where it is a macro of the driver's own."""
        made = None
        if isinstance(leaf, Call) and depth < _DEEPEST:
            own = leaf.name.encode() in self.reader.outlines.own(view.path)
            if own and not self.reader.definitions(leaf.name, view.path):
                made = self.reader.types.made_of(leaf.node, leaf.name, view)
        if made is not None:
            parts = inside((Syntax(made[0], self._constants).of(made[1]),))
            # What is chosen by a type is a question of what it is given.
            made = None if any(isinstance(part, Choice) for part in parts) else made
        return self.alternatives(Value(*made), depth + 1) if made else [Value(view, leaf.node)]

    def iterated(self, view: View, name: str) -> Iterator[Node]:
        """Yield what loop macros run over with a variable; they are read as while ()."""
        for node in view.occurrences(name):
            up = around(node, "parenthesized_expression")
            if up is None or up.parent is None or up.parent.type != "while_statement":
                continue
            condition = Syntax(view, self._constants).of(up)
            loop = loop_of(up.start_byte, condition, view, self.reader.types)
            if loop is not None and loop.over is not None and loop.variable.name == name:
                yield loop.over.node

    def _pointed(self, view: View, node: Node) -> Node:
        """Return x for &x; a pointer stands for what it points to."""
        return pointed(uncast(Syntax(view, self._constants).of(node))).node

    def stores_at(self, view: View, mention: Node, level: int = 0, depth: int = 0) -> list[Stored]:
        """Return what is stored at a mention of a variable, a member or a member's designator.

        level: how many pointers are followed from there.
        """
        if depth > _DEEPEST:
            return [Stored(view, None, None, mention)]
        up, base = mention, None
        parent = up.parent
        if parent is not None and parent.type == "field_designator" and level == 0:
            pair = parent.parent
            value = pair.child_by_field_name("value") if pair is not None else None
            return [Stored(view, value, None, mention)] if value is not None else []
        if mention.type == "field_identifier" and parent is not None:
            up, base = parent, parent.child_by_field_name("argument")
        up, level = designation(up, level)
        return self._written(view, up, level, base, mention, depth)

    def _written(
        self, view: View, up: Node, level: int, base: Node | None, mention: Node, depth: int
    ) -> list[Stored]:
        parent = up.parent
        if parent is None:
            return []
        if parent.type == "assignment_expression":
            left, right = (parent.child_by_field_name(side) for side in ("left", "right"))
            operator = parent.child_by_field_name("operator")
            if left is not None and left.id == up.id:
                plain = operator is None or operator.type == "="
                if level != 0 or right is None:
                    return []
                return [Stored(view, right if plain else None, base, mention)]
            # What is worth the whole can be assigned on: a = b = &x.
            return self._aliased(view, left, level, depth)
        if parent.type == "init_declarator":
            return self._aliased(view, parent.child_by_field_name("declarator"), level, depth)
        if parent.type == "argument_list" and parent.parent is not None:
            return self._given(view, parent, up, level, base, mention, depth)
        if parent.type == "return_statement" and level > 0:
            return [
                stored
                for where, call in self._calls(view)
                for stored in self.stores_at(where, call, level, depth + 1)
            ]
        return []

    def _aliased(self, view: View, target: Node | None, level: int, depth: int) -> list[Stored]:
        """Follow an address into a local variable: what is stored through that."""
        if target is None or level < 1:
            return []
        while target.type.endswith("declarator"):
            inner = target.child_by_field_name("declarator")
            if inner is None:
                return []
            target = inner
        if target.type != "identifier" or view.local(node_text(target), target.start_byte) is None:
            return [] if target.type == "identifier" else [Stored(view, None, None, target)]
        return [
            stored
            for node in view.occurrences(node_text(target))
            if node.id != target.id and node.type == "identifier"
            for stored in self.stores_at(view, node, level, depth + 1)
        ]

    def _given(
        self,
        view: View,
        listed: Node,
        up: Node,
        level: int,
        base: Node | None,
        mention: Node,
        depth: int,
    ) -> list[Stored]:
        """Return what a function stores in, or through, an argument."""
        called = listed.parent.child_by_field_name("function") if listed.parent else None
        name = node_text(called) if called is not None and called.type == "identifier" else ""
        position, arguments = position_in(listed, up), listed.named_children
        does = function_named(name)
        if level in (0, 1):
            value = does.stored_in(Operand(position, level == 1))
            if value is not None:
                given = arguments[value.position] if 0 <= value.position < len(arguments) else None
                if given is not None and value.pointed:
                    given = self._pointed(view, given)
                return [Stored(view, given, base, mention)]
        if does.returned is not None and does.returned.position == position:
            call = listed.parent
            if call is not None:
                return self.stores_at(view, call, level - does.returned.pointed, depth + 1)
        found: list[Stored] = []
        if level > 0:
            for inner in self.reader.definitions(name, view.path):
                if position < len(inner.parameters) and inner.parameters[position]:
                    for node in inner.occurrences(inner.parameters[position]):
                        if node.type == "identifier":
                            found += self.stores_at(inner, node, level, depth + 1)
        if found:
            return [s._replace(base=s.base if s.base is not None else base) for s in found]
        return self._in_macro(view, name, up, level, mention, depth)

    def _in_macro(
        self, view: View, name: str, up: Node, level: int, mention: Node, depth: int
    ) -> list[Stored]:
        """Return what a macro stores in its argument."""
        own = name.encode() in self.reader.outlines.own(view.path)
        macros = self.reader.types.macros_under(name, view.path) if own else {}
        if not macros:
            return []
        word = node_text(mention)
        found = []
        for made in self.reader.expanded(view.path, view.written, macros):
            here = view.place(mention.start_byte)
            for node in made.occurrences(word):
                if made.place(node.start_byte) == here and node.type == mention.type:
                    found += self.stores_at(made, node, 0, depth + 1)
        return found

    def _calls(self, view: View) -> list[tuple[View, Node]]:
        """Return the calls of a function in its driver."""
        found = []
        for where, node in self.reader.near(view.function.name, view.path):
            call = call_of(node)
            if call is not None:
                found.append((where, call))
        return found

    def stores_of_local(self, view: View, name: str) -> list[Stored]:
        """Return what is ever stored in a local variable, other than by its initializers and =."""
        found = []
        for node in view.occurrences(name):
            parent = node.parent
            if node.type != "identifier" or parent is None:
                continue
            if parent.type == "assignment_expression" and _is_field(parent, "left", node):
                continue
            found += self.stores_at(view, node)
        return found

    def stores_of_static_call(self, view: View, call: Node) -> list[Stored]:
        """Return what becomes the target of static_call(name) in a driver."""
        found = []
        for named in arguments_of(call)[:1]:
            for where, node in self.reader.near(node_text(named), view.path):
                use = use_of(self.reader, where, node)
                around = use.callee.parent if use.callee is not None else None
                given = arguments_of(around) if around is not None else []
                stores = function_named(use.name).static_call == "store"
                if stores and use.position == 0 and len(given) > 1:
                    found.append(Stored(where, given[1], None, node))
        return found

    def stores_of_member(self, struct: str, name: str, path: str) -> list[Stored]:
        """Return what is ever stored in a member of a struct type, in the driver of a file."""
        found = []
        for view, node in self.reader.near(name, path):
            member = node.parent
            if member is None or node.type != "field_identifier":
                continue
            if member.type == "field_expression":
                other = slot_of(self.reader, view, member).struct
                if not other or other == struct:
                    found += self.stores_at(view, node)
            elif member.type == "field_designator":
                for stored in self.stores_at(view, node):
                    slot = use_of(self.reader, view, stored.value).slot if stored.value else None
                    if slot is not None and slot.struct == struct:
                        found.append(stored)
        return found + self._positional(struct, name, path)

    def _positional(self, struct: str, name: str, path: str) -> list[Stored]:
        """Return what initializers without designators put into a member."""
        tag = struct.removeprefix("struct ")
        found = []
        for view, node in self.reader.near(tag, path) if tag.isidentifier() else ():
            around = node.parent.parent if node.parent is not None else None
            for entry in _entries(around) if around is not None else ():
                slot = use_of(self.reader, view, entry).slot
                if slot is not None and (slot.struct, slot.field) == (struct, name):
                    found.append(Stored(view, entry, None, entry))
        return found


def _entries(node: Node) -> list[Node]:
    """Return the values without designators in the initializer lists below a node."""
    if node.type == "type_descriptor" and node.parent is not None:
        node = node.parent
    if node.type not in ("declaration", "compound_literal_expression"):
        return []
    found, stack = [], list(node.named_children)
    while stack:
        current = stack.pop()
        if current.type == "initializer_list":
            for child in current.named_children:
                if child.type in ("initializer_list", "initializer_pair"):
                    stack.append(child)
                else:
                    found.append(child)
        elif current.type in ("init_declarator", "initializer_pair"):
            stack += current.named_children
    return found


def _is_field(node: Node, name: str, child: Node) -> bool:
    found = node.child_by_field_name(name)
    return found is not None and found.id == child.id


def plain(node: Node) -> Node:
    """Return an expression without parentheses, casts, & and *."""
    return bare(node, subscripts=True)
