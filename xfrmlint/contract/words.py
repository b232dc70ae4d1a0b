"""The words of a contract by their roles: what a tree calls them, and where it says so.

Everything above asks a tree's Contract by role ("handle", "resolve"), never by a name. This module
is plain data and imports nothing of the project; recognise.py reads it from a tree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

# What the kernel calls what the contract is about, in every revision.
STATE = "struct xfrm_state"
OPS = "struct xfrmdev_ops"
DEVICE = "struct net_device"
PACKET = "struct sk_buff"
POLICY = "struct xfrm_policy"
EXTACK = "struct netlink_ext_ack"
# The member of a state that holds what the contract speaks of; a policy's of the same type; the
# pointer of a net_device to its ops table.
XSO = "xso"
XDO = "xdo"
NETDEV_OPS = "xfrmdev_ops"
# Where the kernel declares them.
XFRM = "include/net/xfrm.h"
NETDEVICE = "include/linux/netdevice.h"

# What a comment for xfrmlint begins with; as a regular expression, too.
MARK = "xfrmlint:"

Revision = Literal["absent", "revision 1", "revision 2", "unnamed"]


class Where(NamedTuple):
    """A line of a file; an empty path where nothing was seen and a name is only supposed."""

    path: str = ""
    line: int = 0


class Member(NamedTuple):
    """A member of a state's xso. type: as it is declared, with its stars."""

    name: str
    type: str
    place: Where = Where()


class Slot(NamedTuple):
    """A function pointer of struct xfrmdev_ops.

    takes: the types of its parameters in order, without const and stars. result: what it returns.
    """

    name: str
    takes: tuple[str, ...]
    result: str
    place: Where = Where()

    @property
    def packet(self) -> bool:
        """Whether it runs per packet: it takes an sk_buff."""
        return PACKET in self.takes

    @property
    def device(self) -> bool:
        """Whether it is told which device is meant."""
        return DEVICE in self.takes

    @property
    def extack(self) -> bool:
        """Whether it can explain a refusal."""
        return EXTACK in self.takes


class Promise(NamedTuple):
    """A flag of an ops table. bit: from 0; -1 where its value could not be read."""

    name: str
    bit: int
    place: Where = Where()


class Function(NamedTuple):
    """A function or macro of the core. kind: function or macro."""

    name: str
    place: Where = Where()
    kind: str = "function"


class Said(NamedTuple):
    """What the core's code says to a question. says: a word, or unknown; reason: why that is so."""

    says: str
    place: Where = Where()
    reason: str = ""


# The roles of members.
OWNER = "owner"  # the state's device
PINNED = "pinned"  # the lower that the owner has chosen
HANDLE = "handle"
OWNER_CALLBACKS = "owner_callbacks"  # captured from the owner before its add
LOWER_CALLBACKS = "lower_callbacks"  # captured from the lower before its add
PRIVATE = "private"  # the owner's own

# The roles of slots.
ADD = "add"
DELETE = "delete"
FREE = "free"
ESN = "esn"
STATS = "stats"
OFFLOAD_OK = "offload_ok"  # asked for each packet: can the device take it
XMIT = "xmit"  # given each packet
RESOLVE = "resolve"  # the owner's answer for a lower; of a promise: the datapath asks the resolver
SHARE = "share"  # the sharing test; of a promise: a state is valid on what the test accepts
POLICY_ADD = "policy_add"
POLICY_DELETE = "policy_delete"
POLICY_FREE = "policy_free"


@dataclass(frozen=True)
class Contract:
    """Which contract a tree has, every name by its role.

    state: the tag of the struct that a state's xso is. members, slots, promises: by role; a role
    that the tree has not is not in there. counters: further integers of xso, bit fields left out.
    others: slots whose role is not known. resolver: None where there is none. wrappers: functions
    and macros of the core's headers that call it. stub: what stands for it without
    CONFIG_XFRM_OFFLOAD. functions: the core's own functions that call a slot, by the slot's role.
    core: what the core's code says to questions.
    """

    revision: Revision = "absent"
    state: str = "xfrm_dev_offload"
    members: Mapping[str, Member] = field(default_factory=dict)
    counters: tuple[Member, ...] = ()
    slots: Mapping[str, Slot] = field(default_factory=dict)
    others: tuple[Slot, ...] = ()
    promises: Mapping[str, Promise] = field(default_factory=dict)
    flags: Member | None = None
    resolver: Function | None = None
    wrappers: tuple[Function, ...] = ()
    stub: Function | None = None
    functions: Mapping[str, Function] = field(default_factory=dict)
    core: Mapping[str, Said] = field(default_factory=dict)

    @property
    def present(self) -> bool:
        """Whether the tree has a resolver."""
        return self.resolver is not None

    @property
    def offload(self) -> str:
        """The type of a state's xso."""
        return f"struct {self.state}"

    def member(self, role: str) -> str:
        """Return what a member of xso is called; an empty string if the tree has none."""
        found = self.members.get(role)
        return found.name if found is not None else ""

    def role_of(self, member: str) -> str:
        """Return the role of a member of xso; an empty string if it has none."""
        return next((role for role, one in self.members.items() if one.name == member), "")

    def slot(self, role: str) -> str:
        """Return what a slot of an ops table is called; an empty string if the tree has none."""
        found = self.slots.get(role)
        return found.name if found is not None else ""

    def promise(self, role: str) -> str:
        """Return what a flag of an ops table is called; an empty string if the tree has none."""
        found = self.promises.get(role)
        return found.name if found is not None else ""

    @property
    def asks(self) -> str:
        """The resolver's name; an empty string without one."""
        return self.resolver.name if self.resolver is not None else ""

    @property
    def needs(self) -> frozenset[str]:
        """What a rule can need of a tree, of that what is there."""
        return frozenset(
            [
                *(["resolver"] if self.present else ()),
                *(["private"] if PRIVATE in self.members else ()),
                *(["pinned"] if PINNED in self.members else ()),
                *(["sharing"] if SHARE in self.slots else ()),
                *(["promise"] if RESOLVE in self.promises else ()),
                *(["callback"] if RESOLVE in self.slots else ()),
            ]
        )


def _members(*named: tuple[str, str, str]) -> Mapping[str, Member]:
    return MappingProxyType({role: Member(name, kind) for role, name, kind in named})


def _slots(*named: tuple[str, str, tuple[str, ...], str]) -> Mapping[str, Slot]:
    return MappingProxyType({role: Slot(name, takes, gives) for role, name, takes, gives in named})


# What is supposed of a tree whose headers can't be read: Linux 6.16 to 7.3.
ABSENT = Contract(
    members=_members(
        (OWNER, "dev", f"{DEVICE} *"),
        (PINNED, "real_dev", f"{DEVICE} *"),
        (HANDLE, "offload_handle", "unsigned long"),
    ),
    slots=_slots(
        (ADD, "xdo_dev_state_add", (DEVICE, STATE, EXTACK), "int"),
        (DELETE, "xdo_dev_state_delete", (DEVICE, STATE), "void"),
        (FREE, "xdo_dev_state_free", (DEVICE, STATE), "void"),
        (OFFLOAD_OK, "xdo_dev_offload_ok", (PACKET, STATE), "bool"),
        (ESN, "xdo_dev_state_advance_esn", (STATE,), "void"),
        (STATS, "xdo_dev_state_update_stats", (STATE,), "void"),
    ),
)

# What makes a file worth reading, whichever revision a tree has, besides the type of xso: one
# search of a whole tree begins before its headers are read.
WORDS = (
    r"xfrmdev_ops|XFRMDEV_OPS_F_|offload_handle|upper_priv|xfrm_dev_state_lower_handle|\bxso\b"
    r"|xdo_dev_"
)
# That type's name: since 5.19, and until then.
TYPES = ("xfrm_dev_offload", "xfrm_state_offload")

# What a whole tree is searched for, unless it calls something otherwise.
ASKED = "|".join((WORDS, *TYPES, MARK))

# Revision 1's own, for what does not ask a tree's Contract yet.
RESOLVER = "xfrm_dev_state_lower_handle"
CALLBACK = "xdo_dev_state_lower_handle"
FLAG = "XFRMDEV_OPS_F_LOWER_HANDLE"
