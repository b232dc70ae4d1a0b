"""What the members of a driver's structs are: whose device they hold, and how long they live."""

import re
from collections.abc import Mapping, Sequence

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import bare, called_by, destination, given_to
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.syntax import Expression, Index, Member, bared
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import HANDLE
from xfrmlint.flow.events import Device
from xfrmlint.flow.values import (
    GIVEN,
    MADE,
    NO_DEVICE,
    OPEN,
    SOME_DEVICE,
    Field,
    Location,
    Netdev,
)
from xfrmlint.kernel import structs
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.devices import Devices, Found, Whose
from xfrmlint.program.links import Link
from xfrmlint.valueflow.forms import Stored
from xfrmlint.valueflow.sources import Tracer

_DEVICES = {
    Whose.MASTER: Device.MASTER,
    Whose.VLAN: Device.VLAN_REAL,
    Whose.OWNER: Device.SAVED,
    Whose.STATE: Device.SAVED,
    Whose.OWN: Device.OWN,
    Whose.PAIRED: Device.UNKNOWN,
    Whose.PEER: Device.SAVED,
    Whose.ANY: Device.SAVED,
    Whose.DUMMY: Device.DUMMY,
    Whose.OTHER: Device.UNKNOWN,
    Whose.GIVEN: Device.UNKNOWN,
    Whose.EGRESS: Device.UNKNOWN,
}
# `skb->dev = dev`, and what may do so.
_GIVEN = re.compile(rb"->\s*dev\s*[=,]|\beth_type_trans\b")
_GIVEN_ONE, _TABLE = "given one", "table"
_ENTRIES = (("container",), ("[]",))
_LASTING = ("sa", "xs", "global", "netdev")


class Members:
    """Answers about one driver; each member is looked at once."""

    def __init__(self, reader: Reader, devices: Devices) -> None:
        self.reader = reader
        self.devices = devices
        self._handles: frozenset[str] | None = None
        self._packets = Tracer(reader, devices.graph.handed, self._made_as, self._kept_as)
        self._kept: dict[tuple[str, str, str], str] = {}

    def device(self, view: View, one: Expression, at: Location, private: str, fixed: str) -> Netdev:
        """Return which device a pointer at a location is; a driver's member is settled later.

        private: the struct of the private data at work, if it is known. fixed: see Field.
        """
        if at[0] == "skb":
            return Netdev(Device.UNKNOWN)
        if at[0] == "vlan" and "real_dev" in at:
            return Netdev(Device.VLAN_REAL)
        if at[0] == "sa" or (at[0] == "global" and "[]" not in at):
            # What is found in a table of the driver's own is its element's, not the table's.
            return Netdev(Device.SAVED)
        struct, field = self.named(view, one)
        if at[0] == "other":
            # Private data of another device: what is its own there is that device.
            there = self.device(view, one, ("own", *at[2:]), "", fixed).member
            own = there is not None and self.settled(there)[0] is Device.OWN
            return Netdev(Device(at[1]) if own else Device.UNKNOWN)
        if (struct, field) in structs.OWN_MEMBERS:
            return self.at_work(struct, view)
        if (struct, field) in structs.LOWER_MEMBERS:
            return Netdev(Device.VLAN_REAL)
        if struct in self._sa_structs(view.path):
            # Kept with some SA, when that was added.
            return Netdev(Device.SAVED)
        if not struct or at[0] in ("xs", "netdev"):
            return Netdev(Device.UNKNOWN)
        word, _, tag = struct.partition(" ")
        item = self.reader.corpus.find(word, tag, view.path) if tag else None
        if item is not None and item.path.startswith("include/"):
            return Netdev(Device.UNKNOWN)
        way = at[2:-1] if at[0] in ("call", MADE, GIVEN, "argument") else at[1:-1]
        named = [name for name in way if name.isidentifier() and name != "container"]
        holder = named[-1] if named else ""
        shared = at[0] == "global" or "*" in at[1:-1]
        root = at[1] if shared and at[0] == "own" else ""
        # What private data itself holds or points to, no further pointer or table between.
        listed = "[]" in at or "container" in at[3:]
        near = at[1] if at[0] == "own" and at[1:-1].count("*") < 2 and not listed else ""
        member = Field(struct, field, view.path, shared, holder, root, private, fixed, near)
        return Netdev(Device.OWN, member)

    def at_work(self, struct: str, view: View) -> Netdev:
        """Return the device of a kernel struct at work, as a function reads it."""
        found = self.devices.of_context(struct, view)
        whose = [_DEVICES[one] for one in sorted(found.whose)]
        if len(whose) == 1 and not found.why:
            return Netdev(whose[0])
        several = "the NAPI at work is added for more than one device"
        return Netdev(Device.UNKNOWN, why=found.why[0][1] if found.why else several)

    def _sa_structs(self, path: str) -> frozenset[str]:
        """Return the structs whose addresses the driver returns as handles."""
        if self._handles is None:
            found = set()
            for view, node in self.reader.near(self.reader.contract.word(HANDLE), path):
                if view.lies_too_deep(node):
                    # Told where accesses are looked for.
                    continue
                for stored in self.devices.graph.forms.stores_at(view, node):
                    value = bare(stored.value) if stored.value is not None else None
                    kind = self.reader.types.of(value, stored.view)
                    if kind is not None and kind.pointers and kind.base.startswith("struct "):
                        found.add(kind.base)
            self._handles = frozenset(found)
        return self._handles

    def settled(self, member: Field, entry: FunctionName | None = None) -> tuple[Device, str]:
        """Return the device in a driver's member; unknown, and why, unless all stores say whose.

        entry: what runs for a device, if that is known.
        """
        found = self._stored_in(member)
        whose = {
            (Whose.STATE if member.shared else Whose.OWN) if one is Whose.GIVEN else one
            for one in found.whose
        }
        others = sorted(whose - {Whose.OWN})
        direct = member.near == member.field and not member.shared
        if whose == {Whose.PAIRED} and direct and not found.why:
            # Behind a pointer it can be the pair's pair.
            return Device.SAVED, ""
        if others:
            too = ", too" if len(whose) > 1 else ""
            why = f"{member.struct}.{member.field} holds another device{too}"
            said = others[0] in (Whose.OTHER, Whose.PAIRED)
            return _DEVICES[others[0]], why if said else ""
        if whose and not found.why:
            if member.fixed.startswith(OPEN):
                return Device.UNKNOWN, member.fixed.removeprefix(OPEN)
            tables = (member.fixed, member.holder, member.field) if member.fixed else ()
            if any(self.devices.elements.fills_several(table, member.path) for table in tables):
                return Device.SAVED, ""
            return self._beyond(member, entry)
        if (
            not whose
            and member.root == member.holder
            and self.devices.is_earlier(member.root, member.path)
        ):
            return Device.SAVED, ""
        return Device.UNKNOWN, found.why[0][1] if found.why else ""

    def _stored_in(self, member: Field) -> Found:
        """Return whose devices are stored in a member; in the one that lies where this one does."""
        struct, field, path = member.struct, member.field, member.path
        if not member.shared:
            own = self.reader.types.resolved(CType(member.private), path).base
            inside = Link(own, member.near) if member.near and member.private else None
            found = self.devices.of_embedded(struct, field, path, inside)
            if found is not None:
                return found
        return self.devices.of_member(struct, field, path, member.holder)

    def _beyond(self, member: Field, entry: FunctionName | None) -> tuple[Device, str]:
        """Tell the own device from that of other private data, which a pointer leads to."""
        if member.root:
            own = self.devices.reader.types.resolved(CType(member.private), member.path).base
            direct = member.root == member.holder
            apart = self.devices.is_apart(member.struct, own, member.root, direct, member.path)
            if apart is None:
                return Device.UNKNOWN, f"{member.struct} can be another device's private data"
            if apart:
                return Device.SAVED, ""
        common, path = self.devices.common, member.path
        if self.devices.offers.lacks(member.struct, path):
            return Device.SAVED, ""
        for near in self._leading(member):
            if not common.leads_to(near, path, bool(member.root) or not member.near):
                continue
            kept = (near, member.struct, member.field, path)
            if common.holds_one(*kept):
                senders = common.is_the_senders(entry, *kept) if entry is not None else False
                if senders is not None:
                    return Device.OWN if senders else Device.SAVED, ""
            why = f"{member.struct} is several devices', and {member.field} is one of them"
            return Device.UNKNOWN, why
        if self.devices.links.is_left_behind(Link(*member.link), path):
            return Device.SAVED, ""
        return Device.OWN, ""

    def _leading(self, member: Field) -> Sequence[str]:
        """Return the members of private data by which devices come to what holds a member.

        To an element of a table, by a descriptor's number, its own device comes.
        """
        if member.near:
            return [member.near] if member.near != member.field else []
        if member.element:
            return []
        return self.devices.privates.pointing(member.struct, member.path)

    def packets_kept_in(self, view: View, one: Expression) -> str:
        """Return what the packets are that a member keeps: NO_DEVICE, SOME_DEVICE, or neither.

        Neither: they have that of who works with them.
        """
        struct, field = self.named(view, one)
        key = (struct, field, self.reader.universe.key(view.path))
        if key not in self._kept:
            found = self._packets.of_member(struct, field, view.path) if struct else None
            answers = set(found.answers) - {_TABLE} if found is not None else {_GIVEN_ONE}
            if found is not None and found.doubts:
                answers |= {SOME_DEVICE} if NO_DEVICE in answers or not answers else {_GIVEN_ONE}
            only = next(iter(answers)) if len(answers) == 1 else SOME_DEVICE
            self._kept[key] = "" if only == _GIVEN_ONE else only
        return self._kept[key]

    def _made_as(self, view: View, node: Node) -> str | None:
        """Tell whether a packet has a device that was just made, or that the kernel hands over."""
        local = view.local(node_text(node), node.start_byte) if node.type == "identifier" else None
        if local is not None and local.parameter >= 0 and not view.assignments(local.name):
            graph = self.devices.graph
            return None if graph.handed(graph.known(view), local.parameter) else _GIVEN_ONE
        return _made_as(view, node)

    def _kept_as(self, stored: Stored) -> str | None:
        """Tell whether what is stored is no packet, but memory for many."""
        member = stored.at.parent
        kind = self.reader.types.of(member, stored.view)
        around = member.parent if member is not None else None
        element = around is not None and around.type == "subscript_expression"
        return _TABLE if kind is not None and kind.pointers > 1 and not element else None

    def named(self, view: View, one: Expression) -> tuple[str, str]:
        """Return struct and member of an expression; empty where it is no member."""
        one = bared(one, subscripts=True)
        if not isinstance(one, Member):
            return "", ""
        kind = self._struct(view, one)
        return (kind.base if kind is not None else ""), one.name

    def _struct(self, view: View, one: Member) -> CType | None:
        kind = self._type(view, one.of)
        return self.reader.types.resolved(kind, view.path) if kind is not None else None

    def _type(self, view: View, one: Expression) -> CType | None:
        if not isinstance(one, Member) or one.node is not one.of.node:
            return self.reader.types.of(one.node, view)
        # It was not named, see member_of().
        return self.fields(view, self._struct(view, one)).get(one.name)

    def fields(self, view: View, kind: CType | None) -> Mapping[str, CType]:
        """Return the members of a struct by their names; none of what is not known."""
        found = self.reader.types.fields(kind, view.path) if kind is not None else None
        return found[0] if found is not None else {}

    def memory(self, view: View, target: Expression, at: Location | None) -> str:
        """Return what a handle stored in an lvalue reaches.

        hardware: a descriptor. lasting: it outlives the packet. packet: it goes with the packet.
        unknown: memory that this can't tell.
        """
        root = at[0] if at is not None else "call"
        inner = bared(target, subscripts=True)
        if root == "skb" and not isinstance(inner, Member):
            # The packet's own bytes.
            return "hardware"
        if root == "skb" and at is not None:
            if at[1:2] != ("cb",) and self._is_in_header(view, inner):
                return "hardware"
            # Other members than the control block have a meaning to the stack or to hardware.
            return "packet" if at[1:2] in (("cb",), ("call",)) else "unknown"
        if not isinstance(inner, Member):
            return "lasting" if root in ("global", "sa") else "unknown"
        kind = self._struct(view, inner)
        members = self.fields(view, kind)
        name = inner.name
        if kind is not None and kind.base == "struct sk_buff":
            return "packet" if name == "cb" else "unknown"
        bases = [member.base for member in members.values()]
        own = members.get(name)
        around = self._software(view, inner)
        if around is not None:
            # A descriptor that is kept there is copied to where hardware reads it.
            members = around
            bases = [member.base for member in members.values()]
        elif _is_read_by_hardware(own, bases):
            return "hardware"
        # A whole descriptor, put in its place: ring->desc[i] = d.
        whole = own is not None and (not own.pointers or isinstance(target, Index))
        if own is not None and whole and self._is_descriptor(view, own):
            return "hardware"
        array = self.is_array(view, inner)
        if isinstance(target, Index) and not array and own is not None:
            # What lies there is not what lies beside the pointer; integers alone say nothing.
            there = self.fields(view, own)
            if any(map(_is_the_kernels, there.values())):
                kind, members = self.reader.types.resolved(own, view.path), there
                bases = [member.base for member in members.values()]
        if root in _LASTING:
            return "lasting"
        waits = any(structs.A_PACKET.match(base) for base in bases)
        # Private data has lists of its own.
        entry = root in ("call", MADE) or (at is not None and at[1:][-2:-1] in _ENTRIES)
        beside = structs.BESIDE_A_PACKET if waits and entry else ()
        if any(structs.OF_A_QUEUE.match(base) for base in bases if base not in beside):
            return "lasting"
        if any(structs.OF_A_PACKET.match(base) for base in bases):
            return "packet"
        if root == GIVEN:
            # It can lie on the caller's stack.
            return "unknown"
        if around is not None or self._has_pointer(view, kind, members):
            # No hardware reads a pointer of the kernel's.
            return "lasting"
        element = at is not None and "[]" in at
        if isinstance(target, Index):
            # An array in the struct lives as long; a pointer can lead to descriptors.
            element = not array
        return "lasting" if root in ("own", "argument") and not element else "unknown"

    def is_array(self, view: View, one: Member) -> bool:
        """Tell whether a struct's member is an array, and no pointer to one."""
        kind = self._struct(view, one)
        return kind is not None and _dimensions(one.name, self._text(view, kind)) > 0

    def _software(self, view: View, inner: Member) -> Mapping[str, CType] | None:
        """Return the members of the nearest struct around a member, by value, with a pointer.

        No hardware reads what a pointer of the kernel's stands beside.
        """
        of = bared(inner.of, subscripts=True)
        while not inner.arrow and isinstance(of, Member):
            inner, of = of, bared(of.of, subscripts=True)
            kind = self._struct(view, inner)
            own = self._type(view, inner)
            fields = self.reader.types.fields(kind, view.path) if kind is not None else None
            if fields is None or own is None or own.pointers:
                return None
            if self._has_pointer(view, kind, fields[0]):
                return fields[0]
        return None

    def _has_pointer(
        self,
        view: View,
        kind: CType | None,
        members: Mapping[str, CType],
        within: frozenset[str] = frozenset(),
    ) -> bool:
        """Tell whether a struct, or one that lies in it, has a pointer, or an array of such.

        within: the structs that it lies in; no C has one that lies in itself, but a tree may.
        """
        led = [name for name, member in members.items() if member.pointers]
        text = self._text(view, kind) if led and kind is not None else b""
        if any(members[name].pointers > _dimensions(name, text) for name in led):
            return True
        types = self.reader.types
        kinds = [types.resolved(one, view.path) for one in members.values() if not one.pointers]
        kinds = [one for one in kinds if one.node is not None or one.base not in within]
        inner = [(one, types.fields(one, view.path)) for one in kinds]
        return any(
            self._has_pointer(view, one, found[0], within | {one.base})
            for one, found in inner
            if found is not None
        )

    def _is_in_header(self, view: View, target: Expression) -> bool:
        """Tell whether a member is of a header among the packet's own bytes."""
        kind = self._struct(view, target) if isinstance(target, Member) else None
        if kind is None or not isinstance(target, Member) or kind.base == "struct sk_buff":
            return False
        members = self.fields(view, kind)
        bases = [member.base for member in members.values()]
        return _is_read_by_hardware(members.get(target.name), bases)

    def _is_descriptor(self, view: View, kind: CType) -> bool:
        return _is_laid_out([member.base for member in self.fields(view, kind).values()])

    def _text(self, view: View, kind: CType) -> bytes:
        if kind.node is not None:
            return kind.node.text or b""
        word, _, tag = kind.base.partition(" ")
        found = self.reader.corpus.find(word, tag, view.path)
        return self.reader.corpus.unit(found.path).text[found.start : found.end] if found else b""


def _is_the_kernels(member: CType) -> bool:
    """Tell whether a member's type says that the kernel alone reads its struct, or for how long."""
    said = (structs.OF_A_PACKET, structs.OF_A_QUEUE)
    return member.pointers > 0 or any(one.match(member.base) for one in said)


def _dimensions(name: str, struct: bytes) -> int:
    """Return how many dimensions a member has as an array, in the text of its struct."""
    found = re.search(rb"\b" + re.escape(name.encode()) + rb"((?:\s*\[[^\]]*\])+)", struct)
    return found.group(1).count(b"[") if found is not None else 0


def _made_as(view: View, node: Node) -> str | None:
    """Tell whether a packet that was just made has a device when its function has ended."""
    name = called_by(node) if node.type == "call_expression" else ""
    made = function_named(name).new_packet
    text = view.text[view.node.start_byte : view.node.end_byte]
    if made != "none" or _GIVEN.search(text) is not None:
        return _GIVEN_ONE if made else None
    named = destination(node).name
    given = [given_to(one) for one in view.occurrences(named)] if named else []
    unseen = any(one is not None and not function_named(one.name).known for one in given)
    return _GIVEN_ONE if unseen else NO_DEVICE


def _is_read_by_hardware(member: CType | None, bases: Sequence[str]) -> bool:
    """Tell whether a member's type, or those of its struct, say how hardware reads it."""
    if member is not None and structs.FOR_HARDWARE.match(member.base):
        return True
    return _is_laid_out(bases)


def _is_laid_out(bases: Sequence[str]) -> bool:
    """Tell whether most members of a struct have types that say how hardware reads them."""
    return sum(bool(structs.FOR_HARDWARE.match(base)) for base in bases) * 2 > len(bases)
