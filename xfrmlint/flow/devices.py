"""What the members of a driver's structs are: whose device they hold, and how long they live."""

import re
from collections.abc import Sequence

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import bare
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import node_text
from xfrmlint.c.view import View
from xfrmlint.flow.events import Device
from xfrmlint.flow.values import Location, Member, Netdev
from xfrmlint.kernel import structs
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.access import STATE, Accesses, value_stored

_NETDEV = "struct net_device"
# Only a file with one of these words can store another device than the driver's own.
_OTHERS = (b"xso", b"real_dev", b"master_upper", b"xfrm_state")
_FROM_KERNEL = {"master": Device.MASTER, "vlan": Device.VLAN_REAL}
_LASTING = ("sa", "xs", "global", "netdev")


class Members:
    """Answers about one driver; each member is looked at once."""

    def __init__(self, reader: Reader, accesses: Accesses, add_takes_device: bool) -> None:
        self.reader = reader
        self.accesses = accesses
        self.add_takes_device = add_takes_device
        self._devices: dict[Member, Device] = {}
        self._handles: frozenset[str] | None = None

    def device(self, view: View, node: Node, at: Location) -> Netdev:
        """Return which device a pointer at a location is; a driver's member is settled later."""
        if at[0] == "skb":
            return Netdev(Device.UNKNOWN)
        if at[0] == "vlan" and "real_dev" in at:
            return Netdev(Device.VLAN_REAL)
        if at[0] in ("global", "sa"):
            return Netdev(Device.SAVED)
        struct, field = self.named(view, node)
        if (struct, field) in structs.OWN_MEMBERS:
            return Netdev(Device.OWN)
        if struct in self._sa_structs(view.path):
            # Kept with some SA, when that was added.
            return Netdev(Device.SAVED)
        if not struct or at[0] in ("xs", "netdev"):
            return Netdev(Device.UNKNOWN)
        word, _, tag = struct.partition(" ")
        found = self.reader.corpus.find(word, tag, view.path) if tag else None
        if found is not None and found.path.startswith("include/"):
            return Netdev(Device.UNKNOWN)
        return Netdev(Device.OWN, Member(struct, field, view.path, "*" in at[1:-1]))

    def _sa_structs(self, path: str) -> frozenset[str]:
        """Return the structs whose addresses the driver returns as handles."""
        if self._handles is None:
            found = set()
            for view, node in self.reader.near("offload_handle", path):
                field = node.parent
                value = value_stored(field) if field is not None else None
                kind = self.reader.types.of(bare(value), view) if value is not None else None
                if kind is not None and kind.pointers and kind.base.startswith("struct "):
                    found.add(kind.base)
            self._handles = frozenset(found)
        return self._handles

    def settled(self, member: Member) -> Device:
        """Return the device in a driver's member: its own, unless a store says otherwise."""
        if member not in self._devices:
            corpus = self.reader.corpus
            word = member.field.encode()
            files = [
                path
                for path in self.reader.universe.files(member.path)
                if word in corpus.data(path) and any(o in corpus.data(path) for o in _OTHERS)
            ]
            key = f"{self.reader.universe.key(member.path)} of other devices"
            found = Device.OWN
            for view, node in self.reader.occurrences(member.field, files, key + member.field):
                stored = self._stored(view, node, member)
                if stored is not None and stored is not Device.OWN:
                    found = stored
            self._devices[member] = found
        return self._devices[member]

    def _stored(self, view: View, node: Node, member: Member) -> Device | None:
        """Return what device is stored in a member here; None if none is."""
        field = node.parent
        assignment = field.parent if field is not None else None
        if field is None or assignment is None or assignment.type != "assignment_expression":
            return None
        left = assignment.child_by_field_name("left")
        right = assignment.child_by_field_name("right")
        if left is None or right is None or left.id != field.id:
            return None
        kind = self.reader.types.of(field.child_by_field_name("argument"), view)
        if kind is None or kind.base != member.struct:
            return None
        if member.shared and _saved_from_an_sa(view, right):
            return Device.SAVED
        return self._origin(view, right, 0)

    def _origin(self, view: View, node: Node, depth: int) -> Device:
        node = bare(node)
        if node.type == "call_expression":
            name = node_text(node.child_by_field_name("function") or node)
            kernels = function_named(name).device
            if kernels in _FROM_KERNEL:
                return _FROM_KERNEL[kernels]
            listed = node.child_by_field_name("arguments")
            inside = listed.named_children[:1] if listed is not None else []
            return self._origin(view, inside[0], depth + 1) if inside and depth < 4 else Device.OWN
        if node.type == "field_expression":
            name = node_text(node.child_by_field_name("field") or node)
            base = node.child_by_field_name("argument")
            if name in ("dev", "real_dev") and base is not None:
                kind = self.reader.types.of(base, view)
                offload = kind is not None and kind.base == self.accesses.offload
                if offload and self.accesses.base(base, view)[0] == STATE:
                    # Before add took a device, real_dev was how a driver learned its own.
                    learned = name == "real_dev" and not self.add_takes_device
                    return Device.OWN if learned else Device.SAVED
        if node.type == "identifier" and depth < 4:
            for value in view.assignments(node_text(node)):
                found = self._origin(view, value, depth + 1)
                if found is not Device.OWN:
                    return found
        return Device.OWN

    def named(self, view: View, node: Node) -> tuple[str, str]:
        """Return struct and member of an expression; empty where it is no member."""
        node = bare(node, subscripts=True)
        if node.type != "field_expression":
            return "", ""
        kind = self._struct(view, node)
        name = node_text(node.child_by_field_name("field") or node)
        return (kind.base if kind is not None else ""), name

    def _struct(self, view: View, node: Node) -> CType | None:
        kind = self.reader.types.of(node.child_by_field_name("argument"), view)
        return self.reader.types.resolved(kind, view.path) if kind is not None else None

    def memory(self, view: View, target: Node, at: Location | None) -> str:
        """Return what a handle stored in an lvalue reaches.

        hardware: a descriptor. lasting: it outlives the packet. packet: it goes with the packet.
        unknown: memory that this can't tell.
        """
        root = at[0] if at is not None else "call"
        inner = bare(target, subscripts=True)
        if root == "skb" and inner.type != "field_expression":
            # The packet's own bytes.
            return "hardware"
        if root == "skb" and at is not None:
            # Other members than the control block have a meaning to the stack or to hardware.
            return "packet" if at[1:2] == ("cb",) or at[1:2] == ("call",) else "unknown"
        if inner.type != "field_expression":
            return "lasting" if root in ("global", "sa") else "unknown"
        kind = self._struct(view, inner)
        fields = self.reader.types.fields(kind, view.path) if kind is not None else None
        members = fields[0] if fields is not None else {}
        name = node_text(inner.child_by_field_name("field") or inner)
        if kind is not None and kind.base == "struct sk_buff":
            return "packet" if name == "cb" else "unknown"
        bases = [member.base for member in members.values()]
        own = members.get(name)
        if own is not None and structs.FOR_HARDWARE.match(own.base):
            return "hardware"
        if _is_laid_out(bases):
            return "hardware"
        # A whole descriptor, put in its place: ring->desc[i] = d.
        whole = own is not None and (not own.pointers or target.type == "subscript_expression")
        if own is not None and whole and self._is_descriptor(view, own):
            return "hardware"
        if root in _LASTING:
            return "lasting"
        if any(structs.OF_A_QUEUE.match(base) for base in bases):
            return "lasting"
        if any(structs.OF_A_PACKET.match(base) for base in bases):
            return "packet"
        if any(member.pointers for member in members.values()):
            # No hardware reads a pointer of the kernel's.
            return "lasting"
        element = at is not None and "[]" in at
        if target.type == "subscript_expression":
            # An array in the struct lives as long; a pointer can lead to descriptors.
            text = b"" if kind is None or kind.node is not None else self._text(view, kind)
            array = re.search(rb"\b" + re.escape(name.encode()) + rb"\s*\[", text) is not None
            element = not array
        return "lasting" if root in ("own", "argument") and not element else "unknown"

    def _is_descriptor(self, view: View, kind: CType) -> bool:
        fields = self.reader.types.fields(kind, view.path)
        return fields is not None and _is_laid_out([m.base for m in fields[0].values()])

    def _text(self, view: View, kind: CType) -> bytes:
        word, _, tag = kind.base.partition(" ")
        found = self.reader.corpus.find(word, tag, view.path)
        return self.reader.corpus.unit(found.path).text[found.start : found.end] if found else b""


def _is_laid_out(bases: Sequence[str]) -> bool:
    """Tell whether most members of a struct have types that say how hardware reads them."""
    return sum(bool(structs.FOR_HARDWARE.match(base)) for base in bases) * 2 > len(bases)


def _saved_from_an_sa(view: View, node: Node) -> bool:
    """Tell whether a device that is stored came in together with an SA (xdo_dev_state_add())."""
    local = view.local(node_text(node), node.start_byte) if node.type == "identifier" else None
    if local is None or local.parameter < 0:
        return False
    return any(v.parameter >= 0 and v.type.base == "struct xfrm_state" for v in view.locals)
