"""Whose net_device an expression or a member of a driver's struct is, on evidence.

Own is what alloc_*() or the kernel's callbacks give, and what is kept beside netdev_priv(); a
master, a VLAN's real device, or what a state names is another's. What nobody is seen to store is
unknown.
"""

import re
from enum import StrEnum
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.expression import arguments_of, bare, call_of, called_by, given_to, without_casts
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.mention import Use, slot_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reading import Syntax
from xfrmlint.c.syntax import root_of
from xfrmlint.c.unit import Place, below
from xfrmlint.c.view import FunctionName, Local, View
from xfrmlint.contract import words
from xfrmlint.contract.words import DEVICE, OWNER, PINNED
from xfrmlint.kernel import structs
from xfrmlint.kernel.doors import CONTROL, DATAPATH, argument_door
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.access import STATE, Accesses
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.common import Common
from xfrmlint.program.elements import Elements
from xfrmlint.program.links import Link, Links
from xfrmlint.program.offers import Offers
from xfrmlint.program.privates import Privates, private_of, read_of
from xfrmlint.program.reach import reached
from xfrmlint.valueflow.forms import Stored, Value, plain
from xfrmlint.valueflow.sources import Sources, Tracer, returned_by

_INSTALLED = re.compile(rb"netdev_ops|xfrmdev_ops|ethtool_ops|register_netdev")


class Whose(StrEnum):
    """Of whom a net_device is.

    OWNER: the state's own, which was asked for the offload; STATE: the one that its owner has
    pinned. GIVEN: it came to a callback together with an SA. PEER: another one that was made beside
    it, or before. PAIRED: the one that an unseen caller gives beside it. ANY: the one that an event
    is about. DUMMY: nobody's, only NAPI hangs on it. EGRESS: a flow leaves by it.
    """

    OWN = "own"
    MASTER = "master"
    VLAN = "vlan"
    OWNER = "owner"
    STATE = "state"
    GIVEN = "given"
    PAIRED = "paired"
    PEER = "peer"
    ANY = "any"
    DUMMY = "dummy"
    EGRESS = "egress"
    OTHER = "other"


_BY_NAME = {
    "own": Whose.OWN,
    "private": Whose.OWN,
    "master": Whose.MASTER,
    "vlan": Whose.VLAN,
    "other": Whose.OTHER,
    "any": Whose.ANY,
    "dummy": Whose.DUMMY,
}


class Found(NamedTuple):
    """What a net_device can be. why: what stayed open, with its place."""

    whose: frozenset[Whose]
    why: tuple[tuple[Place, str], ...]


_OWN = Found(frozenset((Whose.OWN,)), ())
# Callers of a function that puts a device where it is told to.
_DEEPEST = 3


class Home(NamedTuple):
    """A store in private data, and what is put there."""

    link: Link
    base: Value
    value: Value


class Port(NamedTuple):
    """A device in a table of devices, or of their private data; without one, a member's."""

    table: str
    at: Value


class Devices:
    """Answers about one driver; each member is looked at once."""

    def __init__(self, graph: CallGraph, accesses: Accesses) -> None:
        self.graph = graph
        self.reader = graph.reader
        self.accesses = accesses
        self.contract = graph.reader.contract
        self.tracer = Tracer(graph.reader, graph.handed, self._whose, self._stored)
        self.privates = Privates(self.reader)
        self.common = Common(graph, self.tracer.forms, self.privates)
        self.offers = Offers(self.tracer.forms, self.privates)
        self.links = Links(graph, self.tracer.forms, self.privates)
        self.elements = Elements(self.reader, self.tracer.forms, self.privates, graph.handed)
        self.constants = Constants(self.reader.types)
        self._ports = Tracer(graph.reader, graph.handed, self._port)
        self._members: dict[tuple[str, str, str, str], Found] = {}
        self._embedded: dict[tuple[str, str, str], dict[Link, Found]] = {}
        self._polled: dict[FunctionName, Found] = {}

    def of_member(self, struct: str, field: str, path: str, holder: str = "") -> Found:
        """Return whose devices a member of a driver's struct holds. holder: see Tracer."""
        key = (struct, field, self.reader.universe.key(path), holder)
        if key not in self._members:
            self._members[key] = _found(self.tracer.of_member(struct, field, path, holder))
        return self._members[key]

    def of_embedded(self, struct: str, field: str, path: str, inside: Link | None) -> Found | None:
        """Return whose devices a member of a struct holds that lies in private data.

        inside: that data's struct, and the member that it lies in; None if they are not known. None
        where all that is stored in such data is its own device, or not all of it was understood.
        """
        key = (struct, field, self.reader.universe.key(path))
        if key not in self._embedded:
            self._embedded[key] = self._in_homes(struct, field, path)
        known = self._embedded[key]
        if all(each == _OWN for each in known.values()):
            return None
        why = f"{struct}.{field} holds another device in some private data"
        unknown = Found(frozenset(), ((Place(path, 0, 0), why),))
        return known.get(inside, unknown) if inside is not None else unknown

    def _in_homes(self, struct: str, field: str, path: str) -> dict[Link, Found]:
        """Return what is stored in a member, by where in private data; nothing if some is not."""
        homes: list[Home | None] = []
        for stored in self.tracer.forms.stores_of_member(struct, field, path):
            if stored.base is None or stored.value is None:
                return {}
            base, value = (Value(stored.view, one) for one in (stored.base, stored.value))
            homes += self._homes(base, value, 0)
        found: dict[Link, list[Found]] = {}
        for home in homes:
            if home is None:
                return {}
            found.setdefault(home.link, []).append(self._at_home(home))
        return {
            link: Found(
                frozenset(one for each in several for one in each.whose),
                tuple(doubt for each in several for doubt in each.why),
            )
            for link, several in found.items()
        }

    def _homes(self, base: Value, value: Value, depth: int) -> list[Home | None]:
        """Return where in private data a value is put; None where that is not known."""
        view, node = base.view, read_of(base.view, plain(base.node))
        while node.type == "field_expression":
            inner = node.child_by_field_name("argument") or node
            held = self.reader.types.base_of(inner, view)
            if held in self.privates.structs(view.path):
                link = Link(held, node_text(node.child_by_field_name("field") or node))
                return [Home(link, Value(view, inner), value)]
            node = read_of(view, plain(inner))
        local = view.local(node_text(node), node.start_byte) if node.type == "identifier" else None
        if local is None or local.parameter < 0 or depth > _DEEPEST:
            return [None]
        calls = self.graph.handed(self.graph.known(view), local.parameter)
        found = [
            home
            for where, passed in calls
            for home in self._homes(
                Value(where, passed), _handed(value, view, where, passed), depth + 1
            )
        ]
        return found or [None]

    def _at_home(self, home: Home) -> Found:
        """Return whose devices a store in private data puts there."""
        base, value = home.base, home.value
        stored = Stored(base.view, value.node, base.node, value.node)
        if base.view is value.view:
            whose = self._stored(stored)
        else:
            whose = Whose.PEER if self._is_of_another_kind(stored, value) else None
        return self.of(*value) if whose is None else Found(frozenset((whose,)), ())

    def of(self, view: View, node: Node) -> Found:
        """Return whose device an expression is."""
        return _found(self.tracer.of(view, node))

    def is_apart(self, struct: str, own: str, root: str, direct: bool, path: str) -> bool | None:
        """Tell whether a struct is private data of another device than the one at work.

        own: what the latter's private data is, if that is known. root: the member of it that leads
        to the struct. direct: it points there itself.
        """
        if struct not in self.privates.structs(path):
            return False
        roots = {own} if own else self.privates.holding(root, path)
        if struct not in roots:
            return True if roots else None
        if len(roots) > 1:
            return None
        # To itself nobody needs a pointer, but who has it alone.
        points = direct and self.privates.points_to(struct, root, path) == struct
        stores = self.common.stores(root, path) if points else []
        return points and not (stores and all(_is_of_itself(stored) for stored in stores))

    def is_earlier(self, member: str, path: str) -> bool:
        """Tell whether what a member of private data points to was there before the device.

        Each store gets it from a caller who does not tell it of the device.
        """
        stores = self.common.stores(member, path)
        return bool(stores) and all(_is_given(stored) for stored in stores)

    def of_context(self, struct: str, view: View) -> Found:
        """Return whose device a kernel struct at work holds, as a function reads it."""
        if struct != structs.NAPI:
            return _OWN
        function = self.graph.known(view)
        if function not in self._polled:
            self._polled[function] = self._of_napi(function)
        return self._polled[function]

    def _of_napi(self, function: FunctionName) -> Found:
        """Return whose device the poll functions below which a function runs are added for."""
        below = sorted(reached(self.graph, function).functions)
        uses = [use for poll in below if self._polls(poll) for use in self.graph.doors_of(poll)]
        calls = [
            (use.view, call_of(use.callee) if use.callee and _is_added(use) else None)
            for use in uses
        ]
        if not uses:
            # It is not entered for one of them: it can be any.
            near = [self.reader.near(word, function.path) for word in structs.ADDING_NAPI]
            calls = [(view, call) for one in near for view, node in one if (call := call_of(node))]
        given = [(view, arguments_of(call)) for view, call in calls if call]
        found = [self._polling(view, arguments[0]) for view, arguments in given if arguments]
        why = [doubt for each in found for doubt in each.why]
        if len(found) < len(calls) or not calls:
            unseen = f"nobody is seen to add the NAPI for which {function.name}() runs"
            why.append((Place(function.path, function.line, 1), unseen))
        return Found(frozenset(one for each in found for one in each.whose), tuple(why))

    def _polls(self, function: FunctionName) -> bool:
        """Tell whether a function is given the NAPI for which it runs."""
        view = self.graph.view(function)
        locals_ = view.locals if view is not None else ()
        return any(one.parameter >= 0 and one.type.base == structs.NAPI for one in locals_)

    def _polling(self, view: View, device: Node) -> Found:
        """Return what the device is that a poll function is added to."""
        inner = device.child_by_field_name("argument")
        if device.type == "pointer_expression" and inner is not None:
            kind = self.reader.types.of(inner, view)
            embedded = inner.type == "field_expression" and kind is not None and not kind.pointers
            if embedded:
                return Found(frozenset((Whose.DUMMY,)), ())
        port = self._port(view, bare(device))
        if (port and self._is_fixed(port)) or self.offers.is_of_lacking(view, device):
            return Found(frozenset((Whose.PEER,)), ())
        return self.of(view, device)

    def _stored(self, stored: Stored) -> Whose | None:
        """Tell what a store says by itself: `priv->netdev = dev`, with priv = netdev_priv(dev)."""
        whose = self._made_beside(stored)
        if whose is not None or stored.value is None:
            return whose
        whose = self._of_ports(stored)
        if whose is not None:
            return whose
        value = read_of(stored.view, stored.value)
        values = returned_by(self.reader, called_by(value), stored.view.path)
        read = [one for one in values if _is_member(one.node)]
        if any(self._is_of_another_kind(stored, one) for one in (Value(stored.view, value), *read)):
            return Whose.PEER
        # What a function reads of what it is given is that one's.
        given = arguments_of(value) if read else [value]
        anothers = any(self.common.is_anothers(stored._replace(value=one)) for one in given)
        return Whose.OTHER if anothers else None

    def _is_of_another_kind(self, stored: Stored, read: Value) -> bool:
        """Tell whether private data gets the own device of private data of another struct.

        `rep->uplink = port->netdev;`
        """
        value = bare(read.node)
        if not _is_member(value):
            return False
        slot = slot_of(self.reader, read.view, value)
        own = self.reader.types.base_of(stored.base, stored.view)
        privates = self.privates.structs(stored.view.path)
        if own == slot.struct or not {own, slot.struct} <= privates:
            return False
        stores = self.tracer.forms.stores_of_member(slot.struct, slot.field, read.view.path)
        return bool(stores) and all(self._made_beside(one) is Whose.OWN for one in stores)

    def _made_beside(self, stored: Stored) -> Whose | None:
        """Tell whether a device is kept beside the private data of itself, or of another one."""
        if stored.base is None or stored.value is None:
            return None
        port = self._port(stored.view, stored.value)
        if port is not None and stored.value.type == "field_expression" and self._is_fixed(port):
            return Whose.PEER
        base = plain(stored.base)
        word = re.escape(node_text(stored.value))
        private = re.compile(rf"priv\w*\s*\(\s*{word}\s*\)")
        values = stored.view.assignments(node_text(base))
        if any(private.search(node_text(value)) for value in values):
            return Whose.OWN
        if stored.value.type != "identifier":
            return None
        if any(self._is_in_others_place(stored, value) for value in values):
            return Whose.PEER
        origins = {_origin(stored.view, private_of(value), value) for value in values}
        made = _origin(stored.view, node_text(stored.value), stored.value)
        if origins == {_PARAMETER} == {made}:
            view, local = stored.view, stored.view.local(node_text(stored.value), base.start_byte)
            unseen = local and not self.graph.handed(self.graph.known(view), local.parameter)
            return Whose.PAIRED if unseen else None
        apart = made and origins and "" not in origins and made not in origins
        return Whose.PEER if apart else None

    def _port(self, view: View, node: Node) -> Port | None:
        """Return which element of a table a device is, if it is one: `card->port[0]->dev`.

        Of what a function returns by a number that it is given, the number is the caller's.
        """
        if node.type == "call_expression":
            made = returned_by(self.reader, called_by(node), view.path)
            port = self._element(*made[0]) if len(made) == 1 else None
            if port is None or not port.table:
                return port
            index, given = bare(port.at.node), arguments_of(node)
            local = port.at.view.local(node_text(index), index.start_byte)
            if local is None or not -1 < local.parameter < len(given):
                return port
            return Port(port.table, Value(view, given[local.parameter]))
        return self._element(view, node)

    def _element(self, view: View, node: Node) -> Port | None:
        element: Node | None = node
        if node.type == "field_expression":
            holder = node.child_by_field_name("argument")
            element = read_of(view, bare(holder)) if holder is not None else None
            if self.reader.types.base_of(element, view) not in self.privates.structs(view.path):
                return Port("", Value(view, node))
        if element is None or element.type != "subscript_expression":
            return Port("", Value(view, node)) if element is not node else None
        index, of = (element.child_by_field_name(part) for part in ("index", "argument"))
        if index is None or of is None:
            return None
        return Port(node_text(of.child_by_field_name("field") or of), Value(view, index))

    def _is_fixed(self, port: Port) -> bool:
        """Tell whether a device is always that of the same element of several."""
        view, index = port.at
        fixed = self.constants.value(node_text(index), view.path) is not None
        return bool(port.table and fixed and self.elements.fills_several(port.table, view.path))

    def _of_ports(self, stored: Stored) -> Whose | None:
        """Tell whose device private data is given from a table of devices, if not its own one's."""
        view, base, value = stored.view, stored.base, stored.value
        if base is None or value is None:
            return None
        if self.reader.types.base_of(base, view) not in self.privates.structs(view.path):
            return None
        beside = " ".join(map(node_text, (base, *view.assignments(node_text(plain(base))))))
        found = {self._of_port(port, beside) for port in self._ports.of(view, value).answers}
        return Whose.PEER if Whose.PEER in found else next(iter(found - {None}), None)

    def _of_port(self, port: Port, beside: str) -> Whose | None:
        """Tell whose a port's device is that is put beside something; None for its own one."""
        view, node = port.at
        text, path = node_text(node), view.path
        if not port.table:
            return self._of_shared(*port.at)
        if not self.elements.fills_several(port.table, path) or f"[{text}]" in beside:
            return None
        if self._is_fixed(port) or self.elements.is_made_from_own(port.table, view, text):
            return Whose.PEER
        index = Syntax(view, self.constants).of(node)
        anothers = self.elements.is_anothers(view, index, port.table)
        filling = self.elements.filling(port.table, view)
        if anothers is False and (text in filling or self.elements.is_own(view, index)):
            return None
        return Whose.PEER if anothers else Whose.OTHER

    def _of_shared(self, view: View, node: Node) -> Whose | None:
        """Tell whose device is kept in what several devices have in common."""
        slot = slot_of(self.reader, view, node)
        leading = self.privates.pointing(slot.struct, view.path)
        for near in leading:
            if self.common.leads_to(near, view.path, True):
                one = self.common.holds_one(near, slot.struct, slot.field, view.path)
                return Whose.PEER if one else Whose.OTHER
        return None

    def _is_in_others_place(self, stored: Stored, private: Node) -> bool:
        """Tell whether a device is put into private data of another element of its own table."""
        arguments = arguments_of(without_casts(private))
        port = self._port(stored.view, bare(arguments[0])) if len(arguments) == 1 else None
        if port is None or not port.table or stored.value is None:
            return False
        put = self.elements.filling(port.table, stored.view).values()
        text = node_text(port.at.node)
        made = self.elements.is_made_from_own(port.table, stored.view, text)
        return made and node_text(stored.value) in put

    def _whose(self, view: View, node: Node) -> Whose | None:
        if node.type == "call_expression":
            name = called_by(node)
            whose = _BY_NAME.get(function_named(name).device)
            return Whose.OTHER if whose is Whose.OWN and _of_another(node, name) else whose
        if node.type == "field_expression":
            return self._of_member(view, node)
        if node.type == "identifier" and view.kind == "function":
            local = view.local(node_text(node), node.start_byte)
            if local is not None and local.parameter >= 0 and not view.assignments(local.name):
                return self._of_parameter(view, local)
            values = view.assignments(node_text(node))
            if len(values) == 1 and function_named(called_by(values[0])).device == "any":
                return self._chosen(view, node)
        return None

    def _chosen(self, view: View, node: Node) -> Whose:
        """Return whose the device of an event is, where it can have been asked which that is."""
        name = Syntax(view, self.constants).of(node)
        told = self.elements.comparisons(view, name, "==")
        same = [self.of(view, other.node) for asked, other in told if asked.text == name.text]
        if same:
            return Whose.OWN if _OWN in same else Whose.OTHER
        asked = [one for condition in conditions_to(node) for one in below(condition.node)]
        named = {one.start_byte for one in asked if node_text(one) == name.text}
        # What it is not, or what a member of it is not, does not make it the own one.
        apart = self.elements.comparisons(view, name, "!=")
        return Whose.OTHER if named - {root_of(one).start for one, _ in apart} else Whose.ANY

    def _of_member(self, view: View, node: Node) -> Whose | None:
        base = node.child_by_field_name("argument")
        name = node_text(node.child_by_field_name("field") or node)
        struct = self.reader.types.base_of(base, view)
        if (struct, name) in structs.OWN_MEMBERS:
            found = self.of_context(struct, view)
            sure = len(found.whose) == 1 and not found.why
            return next(iter(found.whose)) if sure else Whose.OTHER
        if (struct, name) in structs.EGRESS_MEMBERS:
            return Whose.EGRESS
        if (struct, name) in structs.LOWER_MEMBERS:
            return Whose.VLAN
        if (struct, name) in structs.UPPER_MEMBERS:
            return Whose.MASTER
        role = self.contract.role_in(struct, name)
        if role in (OWNER, PINNED) and base is not None:
            if self.accesses.base(base, view)[0] != STATE:
                return Whose.OTHER
            # Before add took a device, the pinned one was how a driver learned its own.
            learned = role == PINNED and not self.contract.add_takes_device
            pinned = Whose.OWN if learned else Whose.STATE
            return Whose.OWNER if role == OWNER else pinned
        return None

    def _of_parameter(self, view: View, local: Local) -> Whose | None:
        """Return whose device the kernel hands a function; None for one that callers hand over."""
        if local.type.base != DEVICE:
            return None
        function = self.graph.known(view)
        parameters = [v for v in view.locals if v.parameter >= 0]
        states = any(v.type.base == words.STATE for v in parameters)
        if states and not self.graph.handed(function, local.parameter):
            return Whose.GIVEN
        first = min(v.parameter for v in parameters if v.type.base == DEVICE)
        doors = self.graph.incoming(function).entries
        callbacks = [d for d in doors if not d.name.endswith("()")]
        called = bool(self.graph.handed(function, local.parameter))
        if local.parameter != first:
            return Whose.OTHER if callbacks or not called else None
        if called:
            return None
        if any(d.context in (CONTROL, DATAPATH) for d in callbacks):
            return Whose.OWN
        return Whose.OWN if _sets_up(view, local.name) else None


_PARAMETER = "parameter"


def _origin(view: View, name: str, at: Node) -> str:
    """Return where a device was made that a function holds, or that it is a parameter."""
    local = view.local(name, at.start_byte) if name else None
    if local is None:
        return ""
    values = view.assignments(name)
    if local.parameter >= 0:
        return "" if values else _PARAMETER
    only = values[0] if len(values) == 1 else None
    if only is None or "alloc" not in called_by(only):
        return ""
    return f"{only.start_byte}" if function_named(called_by(only)).device == "own" else ""


def _handed(value: Value, view: View, where: View, passed: Node) -> Value:
    """Return a function's value; what a caller passes for it, beside another argument."""
    node, given = plain(value.node), given_to(passed)
    local = view.local(node_text(node), node.start_byte) if value.view is view else None
    if local is None or local.parameter < 0 or given is None or view.assignments(local.name):
        return value
    arguments = arguments_of(given.call)
    return Value(where, arguments[local.parameter]) if local.parameter < len(arguments) else value


def _is_member(node: Node) -> bool:
    return bare(node).type == "field_expression"


def _is_of_itself(stored: Stored) -> bool:
    """Tell whether a struct is made to point to itself."""
    value, base = stored.value, stored.base
    return value is not None and base is not None and node_text(plain(value)) == node_text(base)


def _is_given(stored: Stored) -> bool:
    """Tell whether a store puts a parameter into private data, and no call gets both."""
    if stored.base is None or stored.value is None:
        return False
    base, value = plain(stored.base), plain(stored.value)
    if base.type != "identifier" or _origin(stored.view, node_text(value), value) != _PARAMETER:
        return False
    devices = [private_of(one) for one in stored.view.assignments(node_text(base))]
    return all(devices) and not any(
        {node_text(value), device} <= {node_text(one) for one in arguments_of(given.call)}
        for device in devices
        for node in stored.view.occurrences(device)
        if (given := given_to(node)) is not None
    )


def _is_added(use: Use) -> bool:
    """Tell whether a name is the poll in `netif_napi_add(dev, &napi, poll)`."""
    door = argument_door(use.name, use.position)
    return door is not None and door.name == "napi_poll"


def _of_another(call: Node, name: str) -> bool:
    """Tell whether driver data is not that of the device which is at hand, but of one computed."""
    types = [one.type for one in arguments_of(call)[:1]]
    return types in (["call_expression"], ["binary_expression"]) and name.endswith("get_drvdata")


def _sets_up(view: View, name: str) -> bool:
    """Tell whether a function sets a device up: installs operations, or asks netdev_priv()."""
    text = view.text[view.node.start_byte : view.node.end_byte]
    word = re.escape(name.encode("utf-8", "surrogateescape"))
    if re.search(rb"priv\w*\s*\(\s*" + word + rb"\s*\)", text):
        return True
    return any(
        _INSTALLED.match(text, match.end())
        for match in re.finditer(rb"\b" + word + rb"\s*->\s*", text)
    )


def _found(sources: Sources[Whose]) -> Found:
    return Found(frozenset(sources.answers), sources.doubts)
