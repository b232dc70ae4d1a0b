"""The arrangements of devices in which a driver's paths are judged, as data.

Handles are numbers that stand for the add that returned them. Two real NICs can both return index
3; here no two adds share a number, or the judge could not tell whose handle it looks at.

What a direct read finds is the state's `offload_handle`, the one field that every lower's
xdo_dev_state_add writes. No topology clears it by itself: the core never does, not even in
xfrm_dev_state_free(), so it holds what the last add wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xfrmlint.flow.events import Device
from xfrmlint.model.reference import State

BOND = "bond0"
# NICs. D is driven by the same driver as the device at work, and holds nothing for this state.
A, B, C, D = "A", "B", "C", "D"
# What the last add on each device returned.
HANDLE = {A: 0xA1, B: 0xB1, C: 0xC1}


@dataclass(frozen=True)
class Topology:
    """A state, the devices around it, and what a driver's expressions mean there.

    device: the one that transmits or receives this packet. held: what each device's own add
    returned, and is valid. revoked: what it returned, and was deleted and freed since. seen: the
    net_device that a Device stands for, None for NULL; one that is left out can't be told. stored:
    what the driver finds where it keeps a handle of this state's. before: whom the state named
    earlier, when a driver that reads on now may have looked. lag: the upper transmits through
    several devices. shared: these use one installed state. Raises ValueError where a handle is
    nobody's, or two devices' that do not share it.
    """

    name: str
    sentence: str
    state: State
    device: str
    held: Mapping[str, int]
    revoked: Mapping[str, int]
    seen: Mapping[Device, str | None]
    stored: int
    before: Mapping[Device, str | None] = field(default_factory=dict)
    lag: bool = False
    shared: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that would let one device's handle pass for another's."""
        held = set(self.held.values()) if self.shared else [*self.held.values()]
        returned = [*held, *self.revoked.values()]
        if len({0, *returned}) != len(returned) + 1:
            raise ValueError(f"{self.name}: each add returns a handle of its own, and not 0")
        found = [self.state.handle, self.stored, *(self.state.callback or {}).values()]
        if not {*found} <= {0, *returned}:
            raise ValueError(f"{self.name}: a handle that no device's add returned")

    @property
    def upper(self) -> bool:
        """Whether an upper owns the state."""
        return self.state.owner == BOND

    def may_be_own(self, named: Device) -> frozenset[bool]:
        """Return whether a device that the state names is the own one, as a driver may find it."""
        own = self.seen.get(Device.OWN)
        return frozenset(
            whose[named] == own for whose in (self.seen, self.before) if named in whose
        ) or frozenset({True, False})

    @property
    def returned(self) -> int:
        """What the device at work returned from its own last add, valid or not; else 0."""
        return self.wanted or self.revoked.get(self.device, 0)

    @property
    def wanted(self) -> int:
        """What the device at work returned from its own add, else 0."""
        return self.held.get(self.device, 0)


def _seen(
    state: State, own: str | None, *, master: str | None = None, saved: str = D
) -> dict[Device, str | None]:
    # No VLAN_REAL: vlan_dev_real_dev() of a device that is no VLAN is undefined. No UNKNOWN.
    return {
        Device.OWN: own,
        Device.OWNER: state.owner,
        Device.REAL_DEV: state.pinned,
        Device.MASTER: master,
        Device.NULL: None,
        Device.SAVED: saved,
        # Of a forwarded packet it is the one that it came in by.
        Device.UNSET: saved,
        # No owner has ever heard of it.
        Device.DUMMY: "dummy",
    }


_DIRECT = State(A, None, HANDLE[A])
# As bonding does it: one lower at a time, real_dev names it (bond_ipsec_add_sa()).
_BACKUP = State(BOND, A, HANDLE[A])
# The state is on A and on B; B was added last, and overwrote what A's add had written.
_LAG = State(BOND, None, HANDLE[B], callback={A: HANDLE[A], B: HANDLE[B]})
_BOTH = {A: HANDLE[A], B: HANDLE[B]}
_HELD = {A: HANDLE[A]}
_ON_A = "without the callback put the state on A"
_FREED = State(None, None, HANDLE[A])
_NO_OPS = State(BOND, A, HANDLE[A], owner_has_ops=False)

TOPOLOGIES = (
    # A direct read is right, and every other way to ask is too as long as it names the NIC.
    Topology(
        name="owner is the NIC",
        sentence="The state was added on the NIC itself.",
        state=_DIRECT,
        device=A,
        held=_HELD,
        revoked={},
        seen=_seen(_DIRECT, A),
        stored=HANDLE[A],
    ),
    # Right by a direct read too: only the active lower holds a handle.
    Topology(
        name="active-backup, active lower",
        sentence="A bond without the callback owns the state, which the lower at work has.",
        state=_BACKUP,
        device=A,
        held=_HELD,
        revoked={},
        seen=_seen(_BACKUP, A, master=BOND),
        stored=HANDLE[A],
    ),
    # A packet that was queued before the failover. A direct read finds the new lower's handle; one
    # that the driver kept is its own, and revoked.
    Topology(
        name="active-backup, other lower",
        sentence="The bond has failed over from B to A, and the packet is still on B.",
        state=_BACKUP,
        device=B,
        held=_HELD,
        revoked={B: HANDLE[B]},
        seen=_seen(_BACKUP, B, master=BOND),
        stored=HANDLE[B],
        before={Device.REAL_DEV: B},
    ),
    # A direct read finds B's: the last add's. So does the resolver if it is asked for the owner.
    Topology(
        name="LAG, lower A",
        sentence="A bond with the callback put the state on A, then on B; the packet is on A.",
        state=_LAG,
        device=A,
        held=_BOTH,
        revoked={},
        seen=_seen(_LAG, A, master=BOND),
        stored=HANDLE[A],
        lag=True,
    ),
    # A direct read is right by luck: B happens to be the last added.
    Topology(
        name="LAG, lower B",
        sentence="A bond with the callback put the state on A, then on B; the packet is on B.",
        state=_LAG,
        device=B,
        held=_BOTH,
        revoked={},
        seen=_seen(_LAG, B, master=BOND),
        stored=HANDLE[B],
        lag=True,
    ),
    # C has left the bond, and a packet is still in its ring; or it never took the state. A direct
    # read finds B's.
    Topology(
        name="LAG, lower not in the map",
        sentence="A bond with the callback has the state on A and B; the packet is on C.",
        state=_LAG,
        device=C,
        held=_BOTH,
        revoked={C: HANDLE[C]},
        seen=_seen(_LAG, C, master=BOND),
        stored=HANDLE[C],
        lag=True,
    ),
    # xfrm_dev_state_free() sets dev to NULL and leaves offload_handle: a direct read is stale.
    Topology(
        name="state freed",
        sentence="The NIC's state was freed while a packet of it was on the way.",
        state=_FREED,
        device=A,
        held={},
        revoked={A: HANDLE[A]},
        seen=_seen(_FREED, A),
        stored=HANDLE[A],
        # It was the NIC's own, or a bond's that had it there.
        before={Device.OWNER: A, Device.REAL_DEV: A},
    ),
    # What the driver takes for its own device is NULL, e.g. an skb's dev before eth_type_trans().
    # A NIC does transmit or receive, so a direct read is right: the handle is that NIC's.
    Topology(
        name="lower is NULL",
        sentence="The NIC owns the state, and the driver has no net_device at hand.",
        state=_DIRECT,
        device=A,
        held=_HELD,
        revoked={},
        seen=_seen(_DIRECT, None),
        stored=HANDLE[A],
    ),
    # The resolver must not look into ops that are not there, and falls through to real_dev.
    Topology(
        name="owner without ops",
        sentence="The owner's xfrmdev_ops is NULL; the lower that has the state is at work.",
        state=_NO_OPS,
        device=A,
        held=_HELD,
        revoked={},
        seen=_seen(_NO_OPS, A, master=BOND),
        stored=HANDLE[A],
    ),
    # Here a device or a handle that the driver kept can be that of its other NIC: what it keeps
    # with a state is written twice, by A's add and by B's. In "LAG, lower A" B is another driver's.
    Topology(
        name="two NICs of one driver",
        sentence="A and B of one LAG bond are the same driver's; the packet is on A.",
        state=_LAG,
        device=A,
        held=_BOTH,
        revoked={},
        seen=_seen(_LAG, A, master=BOND, saved=B),
        stored=HANDLE[B],
        lag=True,
    ),
    # A VLAN has no xfrmdev_ops: the bond below owns the state, and is the VLAN's real device. So
    # asking for that is asking for the owner.
    Topology(
        name="VLAN above a bond",
        sentence="A packet from a VLAN above a LAG bond, which owns the state, is on A.",
        state=_LAG,
        device=A,
        held=_BOTH,
        revoked={},
        seen={**_seen(_LAG, A, master=BOND), Device.VLAN_REAL: BOND},
        stored=HANDLE[A],
        lag=True,
    ),
)


def topologies(shares: bool, clears: bool, answers: bool = True) -> tuple[Topology, ...]:
    """Return the topologies as a tree's own core and owner make them, in the same order.

    shares: a LAG bond lets the devices of a chip, A and B, use what A's add returned. clears: no
    free leaves a handle behind. answers: an owner has the callback, or there is none to look at.
    """
    made: tuple[Topology, ...] = TOPOLOGIES
    if not answers:
        made = tuple(_as_pinned(one) if one.lag else one for one in made)
    elif shares:
        made = tuple(_as_shared(one) if one.lag else one for one in made)
    if clears:
        made = tuple(
            replace(one, state=one.state._replace(handle=0)) if not one.held else one
            for one in made
        )
    return made


def _as_pinned(one: Topology) -> Topology:
    """Return what a bond that has one handle makes of it: it is on A, which the state names."""
    return replace(
        one,
        sentence=one.sentence.replace("with the callback put the state on A, then on B", _ON_A)
        .replace("with the callback has the state on A and B", _ON_A)
        .replace("a LAG bond, which owns the state,", "a bond that put its state on A"),
        state=_BACKUP,
        seen={**one.seen, Device.REAL_DEV: A},
        before={Device.REAL_DEV: one.device} if one.device in one.revoked else {},
        held=_HELD,
        stored=HANDLE[A] if one.device == A else one.revoked.get(one.device, 0),
    )


def _as_shared(one: Topology) -> Topology:
    handle = HANDLE[A]
    both = {A: handle, B: handle}
    return replace(
        one,
        sentence=one.sentence.replace(
            " put the state on A, then on B", " shares one state"
        ).replace(" has the state on A and B", " shares one state between A and B"),
        state=one.state._replace(pinned=A, handle=handle, callback=both),
        seen={**one.seen, Device.REAL_DEV: A},
        # Where it was revoked, what was pinned then was this device.
        before={Device.REAL_DEV: one.device} if one.device in one.revoked else one.before,
        held=both,
        stored=handle if one.device in both else one.stored,
        shared=True,
    )
