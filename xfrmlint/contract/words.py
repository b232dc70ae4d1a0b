"""The words of a contract by their roles: what a tree calls them, and where it says so.

Everything above asks a tree's Contract by role ("handle", "resolve"), never by a name. This module
is plain data and imports nothing of the project; recognise.py reads it from a tree.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
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
BOOLEANS = ("bool", "_Bool")
# What a function returns that says by it whether something is so.
YES_OR_NO = ("int", *BOOLEANS)
# What a function returns that does not return a handle.
NO_HANDLES = ("void", *YES_OR_NO)
# What a handle can be.
NUMBERS = ("unsigned long", "u64", "__u64", "uintptr_t", "long unsigned int", "unsigned long int")
# Where the kernel declares them.
XFRM = "include/net/xfrm.h"
NETDEVICE = "include/linux/netdevice.h"

# What a comment for xfrmlint begins with; as a regular expression, too.
MARK = "xfrmlint:"

Revision = Literal["absent", "revision 1", "revision 2", "unnamed"]


# How the type of a bit field of a single bit ends.
ONE_BIT = " : 1"


def is_one_bit(kind: str) -> bool:
    """Tell whether a member of this type is true or false."""
    return kind in BOOLEANS or kind.endswith(ONE_BIT)


class Where(NamedTuple):
    """A line of a file; an empty path where nothing was seen and a name is only supposed."""

    path: str = ""
    line: int = 0


class Member(NamedTuple):
    """A member of a state's xso (or an ops table), or of a struct in it: then its name begins so.

    type: as it is declared, with its stars. struct: the type of the struct in it.
    """

    name: str
    type: str
    place: Where = Where()
    struct: str = ""

    @property
    def word(self) -> str:
        """What it is called where it is declared: `id`, if it is `lower.id` to xso."""
        return self.name.rpartition(".")[2]

    @property
    def part(self) -> str:
        """The member of xso that it lies in; an empty string if it is one of xso's own."""
        return self.name.rpartition(".")[0]


class Slot(NamedTuple):
    """A function pointer of struct xfrmdev_ops.

    takes: the types of its parameters in order, without const and stars. result: what it returns.
    struct: another one that it is a member of. hangs: the member of a net_device that leads there.
    alone: that struct has no other function pointer.
    """

    name: str
    takes: tuple[str, ...]
    result: str
    place: Where = Where()
    struct: str = OPS
    hangs: str = NETDEV_OPS
    alone: bool = False

    @property
    def gives(self) -> str:
        """How it answers with a number: returned, pointed (0, or true, says that there is one).

        Nothing where it does neither. One that returns it can take more numbers, as flags.
        """
        others = [kind for kind in self.takes if not kind.startswith("struct ")]
        if self.result not in NO_HANDLES:
            return "returned"
        return "pointed" if len(others) == 1 and self.result in YES_OR_NO else ""

    @property
    def always(self) -> bool:
        """Whether each net_device has the struct that it is a member of."""
        return self.struct == "struct net_device_ops"

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
    """A function or macro of the core.

    kind: function or macro. takes: the types of a function's parameters, without const and stars.
    result: what it returns; of both nothing where only the name is known.
    """

    name: str
    place: Where = Where()
    kind: str = "function"
    takes: tuple[str, ...] = ()
    result: str = ""


# What a question is answered by that asks whether something is so.
YES, NO, UNKNOWN = "yes", "no", "unknown"


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
PRIVATE = "private"  # the owner's own, which is read under RCU
KEPT = "kept"  # of its own, too: a number, or what is read without

# In the order in which they are looked for.
MEMBERS = (HANDLE, PRIVATE, OWNER, PINNED, OWNER_CALLBACKS, LOWER_CALLBACKS)
# Those whose names are nobody else's: dev and real_dev many a struct has.
TELLING = (HANDLE, PRIVATE)

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
COUNTS = "counts"  # of functions: tells whether a route's state is offloaded
POLICY_ADD = "policy_add"
POLICY_DELETE = "policy_delete"
POLICY_FREE = "policy_free"
SLOTS = (
    ADD,
    DELETE,
    FREE,
    ESN,
    STATS,
    OFFLOAD_OK,
    XMIT,
    RESOLVE,
    SHARE,
    POLICY_ADD,
    POLICY_DELETE,
    POLICY_FREE,
)


# The questions to the core that decide how a driver's code is to be read.
PACKET_DEVICE = f"{XMIT}: every caller stores skb->dev before"
OWN_STATES = f"{OFFLOAD_OK}: asked of the state's own device alone"
OWN_TABLE = f"{NETDEV_OPS}: a device has that of its own driver"
# Of a resolver that puts its handle where it is told to.
RESULT = "resolver: its result is the test for 0"
ZEROED = "resolver: stores 0 before anything else"


@dataclass(frozen=True)
class Contract:
    """Which contract a tree has, every name by its role.

    state: the tag of the struct that a state's xso is. members, slots, promises: by role; a role
    that the tree has not is not in there. owned: all that an owner keeps of its own in xso, by
    role. unplaced: what there may be such, and was not told. counters: further integers of xso, bit
    fields left out. others: slots whose role is not known. resolver: None where there is none.
    wrappers: functions and macros of the core's headers that call it. stub: what stands for it
    without CONFIG_XFRM_OFFLOAD. functions: the core's own functions that call a slot, by the slot's
    role. core: what the core's code says to questions.
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
    owned: Mapping[str, tuple[Member, ...]] = field(default_factory=dict)
    unplaced: tuple[Member, ...] = ()

    @property
    def own(self) -> tuple[Member, ...]:
        """All that an owner keeps of its own in xso."""
        return tuple(one for found in self.owned.values() for one in found)

    @property
    def owns(self) -> str:
        """What that is called."""
        return ", ".join(one.name for one in self.own)

    @property
    def present(self) -> bool:
        """Whether the tree has a resolver."""
        return self.resolver is not None

    @property
    def shape(self) -> Revision:
        """Which revision's shape it has, whatever it calls things."""
        if not self.present:
            return "absent"
        captured = OWNER_CALLBACKS in self.members or LOWER_CALLBACKS in self.members
        two = {PRIVATE, PINNED} <= self.members.keys()
        if two and not captured and SHARE not in self.slots:
            return "revision 1"
        if captured and SHARE in self.slots and PRIVATE not in self.members:
            return "revision 2"
        return "unnamed"

    @property
    def apart(self) -> str:
        """The struct that holds a device's handle, where neither xso nor the owner's answer does.

        The field leads there, or the resolver gives a pointer to it.
        """
        slot = self.slots.get(RESOLVE)
        answer = slot.result if slot is not None else ""
        field = self.members[HANDLE].type if HANDLE in self.members else ""
        for one in (field, self.resolver.result if self.resolver is not None else ""):
            struct = one.rstrip("* ")
            if one.endswith("*") and struct.startswith("struct ") and struct != answer.rstrip("* "):
                return struct
        return ""

    @property
    def offload(self) -> str:
        """The type of a state's xso."""
        return f"struct {self.state}"

    def member(self, role: str) -> str:
        """Return what a member of xso is called; an empty string if the tree has none."""
        found = self.members.get(role)
        return found.name if found is not None else ""

    def word(self, role: str) -> str:
        """Return what a member is called where it is declared, in xso or in a struct in it."""
        return self.member(role).rpartition(".")[2]

    def role_of(self, member: str) -> str:
        """Return the role of a member of xso; an empty string if it has none."""
        return next((role for role, one in self.with_roles() if one.name == member), "")

    def with_roles(self) -> Iterator[tuple[str, Member]]:
        """Yield each member of xso that has a role, with that."""
        for role, found in self.owned.items():
            yield from ((role, one) for one in found if one != self.members.get(role))
        yield from self.members.items()

    def role_in(self, struct: str, member: str) -> str:
        """Return the role of a member of xso's type, or of that of a struct in it."""
        if struct == self.offload:
            return self.role_of(member)
        part = self.parts.get(struct)
        return self.role_of(f"{part}.{member}") if part else ""

    @cached_property
    def parts(self) -> Mapping[str, str]:
        """The types of the structs in xso that have members with a role, and what each is there."""
        return {one.struct: one.part for _, one in self.with_roles() if one.struct}

    @cached_property
    def structs(self) -> tuple[str, ...]:
        """The type of xso, and those of the structs in it that count."""
        return (self.offload, *self.parts)

    @property
    def fields(self) -> tuple[str, ...]:
        """What xso's members that have a role are called where they are declared."""
        found = (self.members[role].word for role in MEMBERS if role in self.members)
        return tuple(dict.fromkeys((*found, *(one.word for one in self.own))))

    @property
    def telling(self) -> tuple[str, ...]:
        """The names of xso's members that nothing else is called by."""
        found = [self.members[role] for role in TELLING if role in self.members]
        found += self.owned.get(PRIVATE, ())
        return tuple(dict.fromkeys(one.name for one in found if not one.struct))

    @property
    def callbacks(self) -> tuple[str, ...]:
        """The names of all slots."""
        return tuple(slot.name for slot in (*self.slots.values(), *self.others))

    @property
    def elsewhere(self) -> Slot | None:
        """The owner's callback, where it stands in another struct than the ops table."""
        found = self.slots.get(RESOLVE)
        return found if found is not None and found.struct != OPS else None

    @property
    def tables(self) -> tuple[str, ...]:
        """The structs in which slots stand."""
        return tuple(dict.fromkeys((OPS, self.struct_of(self.slot(RESOLVE)))))

    def struct_of(self, slot: str) -> str:
        """Return the struct in which a slot stands."""
        found = self.elsewhere
        return found.struct if found is not None and found.name == slot else OPS

    def slot_role(self, name: str) -> str:
        """Return the role of a slot of an ops table; an empty string if it has none."""
        return next((role for role, slot in self.slots.items() if slot.name == name), "")

    def door(self, name: str) -> str:
        """Return what comes through a slot: datapath, control, or nothing if that is not known."""
        if any(slot.name == name and slot.packet for slot in (*self.slots.values(), *self.others)):
            return "datapath"
        return "control" if self.slot_role(name) else ""

    def stores_device(self, slot: str) -> str:
        """Tell whether skb->dev is the device at work where a slot is called with a packet.

        It is only where every caller stores it before (net/xfrm/xfrm_output.c does not): yes, no or
        unknown.
        """
        return self.says(PACKET_DEVICE) if slot == self.slot(XMIT) else "yes"

    def own_states_alone(self, slot: str) -> bool:
        """Tell whether a slot is called for states alone that the device itself owns."""
        said = self.core.get(OWN_STATES)
        return slot == self.slot(OFFLOAD_OK) and said is not None and said.says == "yes"

    @property
    def taken(self) -> Said | None:
        """Where a device takes over another one's ops table; None where none is seen to."""
        said = self.core.get(OWN_TABLE)
        return said if said is not None and said.says == NO else None

    @property
    def add_takes_device(self) -> bool:
        """Whether a driver is told which device it adds a state to (since Linux 6.16)."""
        return ADD not in self.slots or self.slots[ADD].device

    def slot(self, role: str) -> str:
        """Return what a slot of an ops table is called; an empty string if the tree has none."""
        found = self.slots.get(role)
        return found.name if found is not None else ""

    def promise(self, role: str) -> str:
        """Return what a flag of an ops table is called; an empty string if the tree has none."""
        found = self.promises.get(role)
        return found.name if found is not None else ""

    def holder(self, role: str) -> str:
        """Return the member of an ops table that holds a promise; nothing where none does.

        It is told by its own name: where it lies in a struct in the table, see `flags`.
        """
        if self.flags is None:
            return ""
        return self.promise(role) if self.one_by_one else self.flags.word

    @property
    def one_by_one(self) -> bool:
        """Whether each promise is a member of an ops table by itself."""
        return self.flags is not None and is_one_bit(self.flags.type)

    def kept(self, roles: Iterable[str]) -> dict[str, int]:
        """Return what the members of an ops table are that hold promises, where some are kept.

        By an empty name: what a device's features are, where no member of the table holds any.
        """
        holder = self.flags.name if self.flags is not None else ""
        found = {holder: 0}
        for role, promise in self.promises.items():
            kept = role in roles and promise.bit >= 0
            member = promise.name if self.one_by_one else holder
            found[member] = found.get(member, 0) | (1 << promise.bit if kept else 0)
        return found

    @property
    def asks(self) -> str:
        """The resolver's name; an empty string without one."""
        return self.resolver.name if self.resolver is not None else ""

    @property
    def askers(self) -> tuple[str, ...]:
        """What a driver asks the resolver by: its name, and those of exported wrappers."""
        exported = [one.name for one in self._exported(True)]
        return (self.asks, *exported) if self.asks else ()

    @property
    def unfollowed(self) -> tuple[Function, ...]:
        """What the core exports that asks the resolver, and is asked otherwise than that."""
        return tuple(self._exported(False))

    def _exported(self, alike: bool) -> Iterator[Function]:
        takes = sorted(self.resolver.takes) if self.resolver is not None else []
        for one in self.wrappers:
            if one.place.path.endswith(".c") and (sorted(one.takes) == takes) is alike:
                yield one

    @property
    def inlines(self) -> tuple[Function, ...]:
        """The functions of headers that ask the resolver for whoever calls them."""
        headers = (one for one in self.wrappers if one.kind == "function")
        return tuple(one for one in headers if one.place.path.endswith(".h"))

    @property
    def device_at(self) -> int:
        """Which argument of the resolver is the device."""
        takes = self.resolver.takes if self.resolver is not None else ()
        return takes.index(DEVICE) if DEVICE in takes else 1

    @property
    def state_at(self) -> int:
        """Which argument of the resolver is the state."""
        takes = self.resolver.takes if self.resolver is not None else ()
        return takes.index(STATE) if STATE in takes else 0

    def arguments(self, state: str, device: str) -> tuple[str, str]:
        """Return what the resolver is called with, in its order."""
        return (state, device) if self.state_at < self.device_at else (device, state)

    @property
    def returns_handle(self) -> bool:
        """Whether the resolver takes a state and a device, and returns the handle itself.

        It can take more numbers, as flags.
        """
        if self.resolver is None or not self.resolver.takes:
            return True
        takes, result = self.resolver.takes, self.resolver.result
        structs = sorted(kind for kind in takes if kind.startswith("struct "))
        return structs == sorted((STATE, DEVICE)) and result not in NO_HANDLES

    @property
    def answer_at(self) -> int:
        """Which argument says where the resolver puts the handle; -1 where it returns it."""
        takes = self.resolver.takes if self.resolver is not None else ()
        numbers = [at for at, kind in enumerate(takes) if kind in NUMBERS]
        others = [kind for kind in takes if kind not in NUMBERS]
        pointed = self.resolver is not None and self.resolver.result in YES_OR_NO
        alone = len(numbers) == 1 and sorted(others) == sorted((STATE, DEVICE))
        return numbers[0] if pointed and alone else -1

    @property
    def is_followed(self) -> bool:
        """Whether what a driver does with the resolver's handle can be followed."""
        return self.returns_handle or self.answer_at >= 0

    @property
    def arity(self) -> int:
        """With how many arguments the resolver is asked."""
        return len(self.resolver.takes) if self.resolver is not None and self.resolver.takes else 2

    @property
    def result_is_truth(self) -> bool:
        """Whether the resolver's result is true where there is a handle; else it is an error."""
        return self.resolver is not None and self.resolver.result in BOOLEANS

    def says(self, question: str) -> str:
        """Return what the core's code says to a question: a word, or unknown."""
        said = self.core.get(question)
        return said.says if said is not None else "unknown"

    @property
    def key(self) -> str:
        """What tells it from others whose names or answers are others, wherever those stand."""
        named = [(kind, role, name) for kind, role, name, _ in self.named()]
        takes = [slot._replace(place=Where()) for slot in self.slots.values()]
        # Where a table is taken over is told of the whole tree.
        says = [self.taken, *((question, said.says) for question, said in self.core.items())]
        wrappers = [wrapper.name for wrapper in self.wrappers]
        asked = (self.state_at, self.device_at, self.returns_handle, self.answer_at, self.apart)
        whole = (named, self.structs, takes, self.callbacks, wrappers, asked, says)
        return repr((self.revision, self.state, *whole))

    def named(self) -> Iterator[tuple[str, str, str, Where]]:
        """Yield kind, role, name and place of all that has a role."""
        for role, member in self.with_roles():
            yield "member", role, member.name, member.place
        for kind, named in (
            ("slot", self.slots),
            ("promise", self.promises),
            ("function", self.functions),
        ):
            for role, one in named.items():
                yield kind, role, one.name, one.place
        for role, function in (("resolver", self.resolver), ("stub", self.stub)):
            if function is not None:
                yield "core", role, function.name, function.place


def what_there_is(named: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return what rules can need of a tree, of that what is there. named: kinds and roles."""
    have = set(named)
    return frozenset(need for need, what in NEEDS.items() if what in have)


# What a rule can need: the kind and role of what has to be there.
NEEDS = {
    "resolver": ("core", "resolver"),
    "callback": ("slot", RESOLVE),
    "promise": ("promise", RESOLVE),
    "private": ("member", PRIVATE),
    "pinned": ("member", PINNED),
    "captured": ("member", OWNER_CALLBACKS),
    "sharing": ("slot", SHARE),
}


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


def worth_reading(contract: Contract) -> str:
    """Return the regular expression of the words that make a file of a tree a candidate."""
    known = re.compile("|".join((WORDS, *TYPES)))
    names = [
        contract.state,
        *contract.telling,
        *contract.callbacks,
        *(promise.name for promise in contract.promises.values()),
        *([contract.asks] if contract.asks else ()),
        *(wrapper.name for wrapper in contract.wrappers),
    ]
    other = [rf"\b{name}\b" for name in names if not known.search(name)]
    return "|".join(dict.fromkeys((WORDS, *TYPES, *other)))
