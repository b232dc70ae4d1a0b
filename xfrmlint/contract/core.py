"""The core's own functions that call a slot of an ops table, and what they do with xso.

Looked at are the inlines of include/net/xfrm.h; the sources of net/xfrm only where the headers show
a resolver. What a name stands for is followed within one function alone.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.expansion import Macro
from xfrmlint.c.expression import arguments_of, bare, called_by
from xfrmlint.c.macros import macros_in
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.types import Fields
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.contract.words import (
    ADD,
    COUNTS,
    DEVICE,
    NETDEV_OPS,
    NETDEVICE,
    NO_HANDLES,
    NUMBERS,
    OPS,
    PACKET,
    POLICY,
    RESOLVE,
    STATE,
    XFRM,
    XSO,
    YES_OR_NO,
    Contract,
    Function,
    Where,
)
from xfrmlint.kernel.functions import function_named

SOURCES = "net/xfrm"
NO_PARTS: Mapping[str, str] = MappingProxyType({})
_NULL = re.compile(rb"\(?\s*(?:NULL|false|0[uUlL]*|\(void \*\)\s*0)\s*\)?")
_ZERO = re.compile(rb"[(\s]*0[uUlL]*[)\s]*")
# A function of a route alone that answers yes or no.
_OF_ROUTE = re.compile(
    rb"\bbool\s+(\w+)\s*\(\s*(?:const\s+)?struct\s+dst_entry\s*\*\s*\w+\s*\)\s*\{"
)
# A prototype of a state and a net_device.
_STATE, _DEVICE = (
    rb"\s*(?:const\s+)?struct\s+%s\s*\*\s*\w*\s*" % s for s in (b"xfrm_state", b"net_device")
)
_OF_BOTH = re.compile(rb"\b(\w+)\s*\((?:%s,%s|%s,%s)\)\s*;" % (_STATE, _DEVICE, _DEVICE, _STATE))
_DEEPEST = 6


class Write(NamedTuple):
    """A store to a member of xso. value: as it is written; cleared: it is 0 or NULL."""

    member: str
    cleared: bool
    at: int
    where: Where


class Call(NamedTuple):
    """A call through a slot. through: the member of xso that holds the ops, if one does."""

    slot: str
    through: str
    node: Node
    where: Where


class Body(NamedTuple):
    """What a function of the core does with xso and with slots. takes: its parameters' types."""

    view: View
    takes: tuple[str, ...]
    result: str
    calls: tuple[Call, ...]
    writes: tuple[Write, ...]
    reads: Mapping[str, Where]
    # Members behind whose device an ops table is looked for, or that are given to a slot.
    owners: Counter[str]
    # Names of functions that are called.
    called: frozenset[str]

    @property
    def name(self) -> str:
        return self.view.item.name

    @property
    def where(self) -> Where:
        """Where it is defined."""
        function = self.view.function
        return Where(function.path, function.line)


class Core(NamedTuple):
    """What the core's code says about the roles. owner, asked, answered: by member, how often.

    freed: the slot whose caller gives the state's device up. functions: by slot.
    """

    owner: Counter[str]
    asked: Counter[str]
    answered: Counter[str]
    freed: str
    resolver: Function | None
    wrappers: tuple[Function, ...]
    stub: Function | None
    functions: Mapping[str, Function]


class Bodies:
    """The functions of some files that touch xso or call a slot, each read once.

    fields: of xso; those of structs in it begin with what these are there. parts: the same, by
    their types.
    """

    def __init__(
        self,
        reader: Reader,
        tag: str,
        fields: Fields,
        slots: Iterable[str],
        parts: Mapping[str, str] = NO_PARTS,
    ) -> None:
        self.reader = reader
        self._parts = parts
        self._offload = f"struct {tag}"
        self._fields = fields
        self._words = frozenset(name.rpartition(".")[2] for name in fields)
        self._slots = frozenset(slots)

    def of(self, path: str, also: Sequence[str] = ()) -> Iterator[Body]:
        """Yield the functions of a file that speak of xso, of a slot or of one of some names."""
        unit = self.reader.corpus.unit(path)
        words = [XSO, NETDEV_OPS, *self._slots, *also]
        wanted = re.compile(rb"\b(?:%s)\b" % b"|".join(re.escape(w.encode()) for w in words))
        if not wanted.search(unit.text):
            return
        for item in unit.items:
            if item.kind == "function" and wanted.search(unit.text, item.start, item.end):
                yield self.body(View(self.reader.corpus, path, item, unit.text, None))

    def body(self, view: View) -> Body:
        """Read one function."""
        calls: list[Call] = []
        writes: list[Write] = []
        reads: dict[str, Where] = {}
        owners: Counter[str] = Counter()
        called: set[str] = set()
        for node in below(view.node):
            if node.type == "field_expression":
                self._field(view, node, owners, reads)
            elif node.type == "assignment_expression":
                left, right = (node.child_by_field_name(s) for s in ("left", "right"))
                if left is not None and right is not None:
                    writes += self._write(view, left, right)
            elif node.type == "call_expression":
                self._call(view, node, calls, owners, called)
                writes += self._stores(view, node)
        result = view.result
        return Body(
            view,
            tuple(local.type.base for local in view.locals if local.parameter >= 0),
            f"{result.base}{'*' * result.pointers}" if result is not None else "",
            tuple(calls),
            tuple(writes),
            reads,
            owners,
            frozenset(called),
        )

    def _field(self, view: View, node: Node, owners: Counter[str], reads: dict[str, Where]) -> None:
        name = node.child_by_field_name("field")
        argument = node.child_by_field_name("argument")
        if name is None or argument is None:
            return
        if node_text(name) == NETDEV_OPS:
            owners.update(filter(None, [self.member(view, argument)]))
        member = self._named(view, node)
        if member:
            place = view.place(name.start_byte)
            reads.setdefault(member, Where(place.path, place.line))

    def _call(
        self,
        view: View,
        node: Node,
        calls: list[Call],
        owners: Counter[str],
        called: set[str],
    ) -> None:
        function = node.child_by_field_name("function")
        function = bare(function) if function is not None else None
        if function is None:
            return
        if function.type == "identifier":
            called.add(node_text(function))
            # `fn = ops->slot; fn(dev, x)`
            for value in view.assignments(node_text(function)):
                self._through(view, node, bare(value), calls, owners)
        self._through(view, node, function, calls, owners)

    def _through(
        self, view: View, node: Node, function: Node, calls: list[Call], owners: Counter[str]
    ) -> None:
        name = function.child_by_field_name("field")
        argument = function.child_by_field_name("argument")
        if name is None or argument is None or node_text(name) not in self._slots:
            return
        place = view.place(name.start_byte)
        through = self.member(view, argument)
        calls.append(Call(node_text(name), through, node, Where(place.path, place.line)))
        owners.update(filter(None, (self.member(view, one) for one in arguments_of(node)[:1])))

    def member(self, view: View, node: Node, depth: int = 0) -> str:
        """Return the member of xso whose value an expression is, an empty string if it is none."""
        node = bare(node)
        if depth > _DEEPEST:
            return ""
        if node.type == "field_expression":
            return self._named(view, node)
        if node.type == "call_expression":
            arguments = arguments_of(node)
            passes = bool(arguments) and function_named(called_by(node)).passes
            return self.member(view, arguments[0], depth + 1) if passes else ""
        if node.type == "identifier" and view.local(node_text(node), node.start_byte) is not None:
            for value in view.assignments(node_text(node)):
                found = self.member(view, value, depth + 1)
                if found:
                    return found
        return ""

    def _named(self, view: View, node: Node) -> str:
        """Return the member of a state's xso that a field expression is."""
        name = node.child_by_field_name("field")
        argument = node.child_by_field_name("argument")
        if name is None or argument is None:
            return ""
        member = node_text(name)
        kind = self.reader.types.of(argument, view) if member in self._words else None
        if kind is not None and kind.base in self._parts:
            member = f"{self._parts[kind.base]}.{member}"
        elif kind is not None and kind.base != self._offload:
            return ""
        if member not in self._fields:
            return ""
        if kind is None and not node_text(argument).endswith(XSO):
            return ""
        return member

    def _write(self, view: View, left: Node, right: Node) -> Iterator[Write]:
        left = bare(left)
        while left.type == "subscript_expression" and left.named_children:
            # An element is stored.
            left = bare(left.named_children[0])
        member = self._named(view, left) if left.type == "field_expression" else ""
        while right.type == "assignment_expression":
            # `a = b = NULL`
            right = right.child_by_field_name("right") or right.named_children[-1]
        if member:
            place = view.place(left.start_byte)
            cleared = _NULL.fullmatch(right.text or b"") is not None
            yield Write(member, cleared, left.start_byte, Where(place.path, place.line))

    def _stores(self, view: View, node: Node) -> Iterator[Write]:
        """Yield what `WRITE_ONCE(xso->dev, NULL)` and its like store."""
        arguments = arguments_of(node)
        for store in function_named(called_by(node)).stores:
            value, target = store.value.position, store.target.position
            if max(value, target) < len(arguments):
                others = [one for one in arguments if one != arguments[target]]
                told = [one for one in others if not node_text(one).startswith("sizeof")]
                # memset(xso->slots, 0, sizeof(xso->slots))
                unnamed = told[0] if len(told) == 1 else node
                stored = arguments[value] if value >= 0 else unnamed
                yield from self._write(view, bare(arguments[target]), stored)


def bodies_in(reader: Reader, contract: Contract, slots: Iterable[str]) -> Bodies:
    """Return the core's functions of a tree whose contract is known. slots: names."""
    inside = {one.name: CType(one.type) for one in contract.members.values() if one.struct}
    fields = reader.types.fields_named(contract.offload, XFRM) | inside
    return Bodies(reader, contract.state, fields, slots, contract.parts)


def core_of(
    reader: Reader,
    tag: str,
    fields: Fields,
    parts: Mapping[str, str],
    slots: Mapping[str, str],
    known: Sequence[str],
    given: str = "",
    answer: str = "",
) -> Core:
    """Read the core's functions.

    parts: the structs in xso. slots: names by role. known: what resolvers are called. given: what
    somebody says that this tree's is called, before all that its shape says. answer: the type that
    the owner's callback returns.
    """
    bodies = Bodies(reader, tag, fields, slots.values(), parts)
    data = reader.corpus.data(XFRM)
    asked_for = dict.fromkeys([*([given] if given else ()), *known])
    named = [name for name in asked_for if name.encode() in data]
    declared = [] if RESOLVE in slots else [m.decode() for m in _OF_BOTH.findall(data)]
    found = list(bodies.of(XFRM, named))
    if RESOLVE in slots or named or declared:
        found += _in_sources(reader, bodies, slots, [*named, *declared])
    if RESOLVE in slots and not any(_is_question(body, answer) for body in found):
        found += _in_other_headers(reader, bodies, slots[RESOLVE])
    own = [body for body in found if body.name == given]
    resolver, stub = _resolver(reader, bodies, found, own, slots.get(RESOLVE, ""), named, answer)
    wrappers = _wrappers(reader, bodies, resolver, answer)
    owner: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    freed = ""
    devices = {name for name, kind in fields.items() if kind.base == DEVICE}
    tables = {name for name, kind in fields.items() if kind.base == OPS}
    functions = {
        role: Function(bodies_of[0].name, bodies_of[0].where)
        for role, name in slots.items()
        if (bodies_of := callers(found, name, data))
    }
    for body in found:
        owner.update(body.owners)
        for call in body.calls:
            asked.update([call.through] if call.through in tables else ())
            gives_up = any(w.member in devices and w.cleared for w in body.writes)
            if gives_up and call.slot != slots.get(ADD):
                freed = call.slot
        if resolver is not None and body.name == resolver.name:
            answered.update(list(body.reads))
    counts = _counting(reader, fields)
    if counts is not None:
        functions[COUNTS] = counts
    return Core(owner, asked, answered, freed, resolver, wrappers, stub, functions)


def _counting(reader: Reader, fields: Fields) -> Function | None:
    """Return what tells of a route alone, yes or no: its state is offloaded. xso's is preferred."""
    unit = reader.corpus.unit(XFRM)
    found = []
    for match in _OF_ROUTE.finditer(unit.text):
        body = unit.text[match.end() : unit.text.find(b"\n}", match.end())]
        named = sum(name.encode() in body for name in fields)
        where = Where(XFRM, unit.line(match.start(1)))
        found.append((-named, Function(match.group(1).decode(), where)))
    return min(found)[1] if found else None


def _in_sources(
    reader: Reader, bodies: Bodies, slots: Mapping[str, str], named: Sequence[str]
) -> Iterator[Body]:
    words = [word.encode() for word in (*slots.values(), *named)]
    for name in reader.corpus.tree.folder(SOURCES):
        path = posixpath.join(SOURCES, name)
        if name.endswith((".c", ".h")) and any(w in reader.corpus.data(path) for w in words):
            yield from bodies.of(path, named)


def _in_other_headers(reader: Reader, bodies: Bodies, slot: str) -> Iterator[Body]:
    for path in reader.corpus.tree.search(rf"\b{slot}\b", ["include"]):
        if path not in (XFRM, NETDEVICE):
            yield from bodies.of(path)


def callers(found: Iterable[Body], slot: str, header: bytes) -> list[Body]:
    """Return the functions that call a slot: those that are given a state, or a policy, first.

    xfrm_state_find() calls add, too. Of several one that a header declares. header: its text.
    """
    calling = [body for body in found if any(call.slot == slot for call in body.calls)]
    return sorted(
        calling,
        key=lambda body: (
            not {STATE, POLICY} & set(body.takes),
            body.view.path != XFRM and body.name.encode() not in header,
        ),
    )


def _is_question(body: Body, answer: str) -> bool:
    """Tell whether a function takes a state and a net_device and gives a handle.

    It returns it, or is told where to put it. A handle is a number, or a pointer where one is the
    owner's answer.
    """
    number = body.result and body.result not in NO_HANDLES
    pointer = body.result.endswith("*") and body.result != "".join(answer.rsplit(" ", 1))
    taken = Counter(body.takes)
    both = (taken[STATE], taken[DEVICE]) == (1, 1)
    if both and len(body.takes) == 3 and body.result in YES_OR_NO:
        return any(kind in NUMBERS for kind in body.takes)
    return both and bool(number) and not pointer


def _resolver(
    reader: Reader,
    bodies: Bodies,
    found: Sequence[Body],
    own: Sequence[Body],
    slot: str,
    known: Sequence[str],
    answer: str,
) -> tuple[Function | None, Function | None]:
    """Return the resolver and its stub: what calls the slot, else what has a resolver's shape."""
    asking = [one for one in found if _is_question(one, answer)]
    calling = [one for one in found if slot and any(call.slot == slot for call in one.calls)]
    best = (
        list(own)
        or [one for one in calling if one in asking and _is_whole(one)]
        or _asking_through(reader, bodies, calling, answer)
        or [one for one in calling if one in asking]
        or [one for one in found if one.name in known and one.view.node.type != "declaration"]
        or ([one for one in asking if one.reads] if slot else _by_shape(reader, found))
    )
    # Of a function and its stub the one that does something.
    best.sort(key=lambda one: (not one.calls, not one.reads))
    if best:
        first = best[0]
        macro = None if _is_whole(first) else _macro(reader, first.name, ())
        if macro is not None:
            return macro, None
        same = [o for o in found if o.name == first.name and o.view.item != first.view.item]
        stub = Function(same[0].name, same[0].where) if same else None
        asked_for = Function(first.name, first.where, "function", first.takes, first.result)
        return asked_for, stub or _macro_stub(reader, first.name)
    return _macro(reader, slot, known) or _prototype(reader, known), None


def _by_shape(reader: Reader, found: Sequence[Body]) -> list[Body]:
    """Return what tells a device's handle from xso alone, where no owner is asked.

    It returns the handle, or the struct of the core's that holds it. Of several nobody knows which.
    """
    data = reader.corpus.data(XFRM)
    shown = [one for one in found if one.name.encode() in data and one.reads and _is_whole(one)]
    telling = [
        one
        for one in shown
        if one.view.result is not None
        and (one.result in NUMBERS or is_entry(reader, one.view.result))
    ]
    return telling if len({one.name for one in telling}) == 1 else []


def is_entry(reader: Reader, kind: CType) -> bool:
    """Tell whether a pointer leads to a struct of the core's with a device and a number for it."""
    inside = reader.types.fields_named(kind.base, XFRM).values() if kind.pointers == 1 else ()
    devices = [one for one in inside if (one.base, one.pointers) == (DEVICE, 1)]
    return bool(devices) and any(one.base in NUMBERS and not one.pointers for one in inside)


def _is_whole(body: Body) -> bool:
    """Tell whether a function takes no struct besides a state and a net_device."""
    structs = [kind for kind in body.takes if kind.startswith("struct ")]
    return sorted(structs) == sorted((STATE, DEVICE))


def _asking_through(
    reader: Reader, bodies: Bodies, parts: Sequence[Body], answer: str
) -> list[Body]:
    """Return what asks as a resolver does, by parts that call the slot: of their files, or XFRM."""
    names = [part.name for part in parts]
    units = [reader.corpus.unit(path) for path in {XFRM: 0, **{p.view.path: 0 for p in parts}}]
    for name in names:
        calls = re.compile(rb"\b%s\s*\(" % re.escape(name.encode()))
        found = [
            bodies.body(View(reader.corpus, unit.path, item, unit.text, None))
            for unit in units
            for item in unit.items
            if item.kind == "function"
            and item.name not in names
            and calls.search(unit.text, item.start, item.end)
        ]
        whole = [one for one in found if _is_question(one, answer) and _is_whole(one)]
        if whole:
            return whole
        names += [one.name for one in found]
    return []


def _macro_stub(reader: Reader, name: str) -> Function | None:
    for macro in _macros(reader):
        if macro.name == name:
            return _of_macro(reader, macro)
    return _inline_stub(reader, name)


def _inline_stub(reader: Reader, name: str) -> Function | None:
    """Return the twin in the header of a function that is defined in a source."""
    unit = reader.corpus.unit(XFRM)
    for item in unit.functions(name):
        body = unit.text[item.start : item.end]
        if re.search(rb"\{\s*return\s*\(?(?:0[uUlL]*|NULL)\)?\s*;\s*\}\s*$", body):
            return Function(name, Where(XFRM, unit.line(item.start)))
    return None


def _macros(reader: Reader) -> list[Macro]:
    return macros_in(reader.corpus, XFRM)


def _of_macro(reader: Reader, macro: Macro) -> Function:
    where = Where(macro.path, reader.corpus.unit(macro.path).line(macro.define))
    return Function(macro.name, where, "macro")


def _macro(reader: Reader, called: str, known: Sequence[str]) -> Function | None:
    """Return the macro with two parameters that calls the slot, or has a resolver's name.

    called: the slot, or the function that calls it and takes more than a macro's users give.
    """
    for macro in _macros(reader):
        two = macro.parameters is not None and len(macro.parameters) == 2
        calls = called and re.search(rb"\b%s\s*\(" % re.escape(called.encode()), macro.body)
        if two and (calls or (macro.name in known and not _ZERO.fullmatch(macro.body))):
            return _of_macro(reader, macro)
    return None


def _prototype(reader: Reader, known: Sequence[str]) -> Function | None:
    """Return the resolver of which the headers have the prototype alone."""
    for name in known:
        found = reader.corpus.find("function", name, XFRM)
        if found is not None:
            line = reader.corpus.unit(found.path).line(found.end)
            return Function(name, Where(found.path, line))
    return None


def _wrappers(
    reader: Reader, bodies: Bodies, resolver: Function | None, answer: str
) -> tuple[Function, ...]:
    """Return what else of the core asks the resolver: of its headers, and what it exports."""
    if resolver is None:
        return ()
    asking = [resolver.name]
    inlines: list[Function] = []
    macros: list[Function] = []
    for name in asking:
        # And what asks by one of these.
        calls = re.compile(rb"\b%s\s*\(" % re.escape(name.encode()))
        found = [*_inlines(reader, calls), *_macros_calling(reader, calls)]
        for one in found:
            if one.name not in asking:
                asking.append(one.name)
                (macros if one.kind == "macro" else inlines).append(one)
    exported = [
        Function(body.name, body.where, "function", body.takes, body.result)
        for body in _in_sources(reader, bodies, {}, [resolver.name])
        if body.view.path.endswith(".c")
        and body.name != resolver.name
        and resolver.name in body.called
        and (_is_as_resolver(body, resolver, answer) or _is_of_packet(body))
    ]
    return (*inlines, *macros, *exported)


def _is_as_resolver(body: Body, resolver: Function, answer: str) -> bool:
    """Tell whether a function is asked as the resolver is, perhaps in another order."""
    return _is_question(body, answer) and sorted(body.takes) == sorted(resolver.takes)


def _is_of_packet(body: Body) -> bool:
    """Tell whether a function gives a number for a packet, or a state, and a net_device."""
    taken = Counter(body.takes)
    return taken[DEVICE] == 1 and taken[STATE] + taken[PACKET] == 1 and body.result != "void"


def _inlines(reader: Reader, calls: re.Pattern[bytes]) -> Iterator[Function]:
    unit = reader.corpus.unit(XFRM)
    for item in unit.items:
        if item.kind == "function" and calls.search(unit.text, item.start, item.end):
            yield Function(item.name, Where(XFRM, unit.line(item.start)))


def _macros_calling(reader: Reader, calls: re.Pattern[bytes]) -> Iterator[Function]:
    for macro in _macros(reader):
        if calls.search(macro.body):
            yield _of_macro(reader, macro)
