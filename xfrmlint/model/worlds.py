"""Worlds: devices, their chips, masters and promises, an owner, and a state among them.

A world says who may use which handle; it says nothing of how a resolver comes to its answer. The
states here are those that the members' roles allow, whichever revision a tree has: the owner's
member names the owner, the handle's what the last add returned, the pinned one the lower that the
owner has chosen. States that a tree's own code makes are worlds, too (concrete/lab.py).
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from xfrmlint.model.reference import State


class Mode(StrEnum):
    """What owns a state, in words."""

    OWN = "the NIC itself"
    BACKUP = "an upper that has the state on one lower at a time"
    MAP = "an upper that keeps one handle for each lower"
    SHARED = "an upper that lets the devices of a chip share one state"


class Device(NamedTuple):
    """A net_device.

    chip: devices of one chip could use one installed state. master: the upper it is a port of.
    asks, shares: its driver's two promises. accepts: its sharing test holds for others of its chip.
    offloads: NETIF_F_HW_ESP is on.
    """

    name: str
    chip: str
    master: str | None = None
    asks: bool = True
    shares: bool = True
    accepts: bool = True
    offloads: bool = True

    def lacks(self) -> str:
        """Return in words which promise is missing; an empty string if none is."""
        missing = {
            "does not promise to ask the resolver": not self.asks,
            "does not promise to share a state": not self.shares,
            "refuses the sharing test": not self.accepts,
            "has its offload switched off": not self.offloads,
        }
        return next((words for words, is_so in missing.items() if is_so), "")


class World(NamedTuple):
    """A state among devices.

    issued: whose add returned a handle. live: those that were not freed since. deleted: of these,
    those that packets on their way alone may use. carries: the devices through which the owner
    transmits. settled: nobody is in the middle of changing the state. freed: the core has freed it.
    state: as the resolver sees it, where the roles say it.
    """

    name: str
    mode: Mode
    devices: tuple[Device, ...]
    owner: str | None
    issued: Mapping[int, str]
    live: frozenset[int]
    deleted: frozenset[int] = frozenset()
    carries: frozenset[str] = frozenset()
    settled: bool = True
    freed: bool = False
    state: State = State(None, None, 0)

    def device(self, name: str) -> Device:
        """Return a device by its name. Raises KeyError."""
        return next((one for one in self.devices if one.name == name), None) or _missing(name)


def _missing(name: str) -> Device:
    raise KeyError(name)


def share(one: Device, other: Device) -> bool:
    """Tell whether a state that is installed on one device is valid on another, by all that counts.

    Both are ports of one upper and of one chip, both promise both, and each accepts the other.
    """
    if one.name == other.name:
        return True
    together = one.master is not None and one.master == other.master
    return together and one.chip == other.chip and not one.lacks() and not other.lacks()


def valid_on(world: World, handle: int) -> frozenset[str]:
    """Return the sharing class of a handle: the devices on which it picks this state."""
    issuer = world.issued.get(handle)
    if issuer is None:
        return frozenset()
    home = world.device(issuer)
    return frozenset(one.name for one in world.devices if share(home, one))


# Two ports of one chip, a port of another, and one that is in no bond.
U, A, B, C, D = "U", "A", "B", "C", "D"


def with_cast(text: str) -> str:
    """Return what is said of a world, and in brackets who the devices in it are."""
    *more, last = sorted(set(re.findall(rf"\b[{A}{B}{C}]\b", text))) or [""]
    if not last or not re.search(rf"\b{U}\b", text):
        return text
    lowers = (
        f"{', '.join(more)} and {last} its lower devices" if more else f"{last} its lower device"
    )
    return f"{text} ({U} is the owner, {lowers})"


_A, _B, _C = 0xA1, 0xB1, 0xC1
_ISSUED = {_A: A, _B: B, _C: C}


def _devices(*changed: Device, shares: bool) -> tuple[Device, ...]:
    plain = (
        Device(A, "chip 1", U, shares=shares),
        Device(B, "chip 1", U, shares=shares),
        Device(C, "chip 2", U, shares=shares),
        Device(D, "chip 1", None, shares=shares),
    )
    by_name = {one.name: one for one in changed}
    return tuple(by_name.get(one.name, one) for one in plain)


def by_roles(
    private: bool, shares: bool, answers: bool = True, pins: bool = True
) -> Iterator[World]:
    """Yield the worlds whose state the members' roles say.

    private: xso has a member of the owner's own, so that the owner may pin any lower, or none,
    while the last add on another one has written the handle. shares: the tree knows the sharing
    test. answers: an owner can have a callback; else where it keeps several handles no role says.
    pins: xso can have a member for the pinned lower; else an owner's callback alone knows of any.
    """
    plain = _devices(shares=False)
    found = [*_on_the_nic(plain), *_on_one_lower(plain)]
    if answers:
        found += _with_map(plain, private, pins)
    if answers and shares:
        found += _shared(_devices(shares=True))
    for world in found:
        if pins or world.state.pinned is None:
            yield world
        elif world.state.callback is not None:
            yield world._replace(state=world.state._replace(pinned=None))


def _on_the_nic(devices: tuple[Device, ...]) -> Iterator[World]:
    held = World(
        "A owns the state",
        Mode.OWN,
        devices,
        A,
        {_A: A},
        frozenset({_A}),
        carries=frozenset({A}),
        state=State(A, None, _A),
    )
    yield held
    yield held._replace(name="A owns the state and is the pinned one, too", state=State(A, A, _A))
    none = held._replace(live=frozenset(), carries=frozenset())
    yield none._replace(
        name="A owns a state that it has not added yet", settled=False, state=State(A, None, 0)
    )
    freed = none._replace(owner=None, freed=True)
    yield freed._replace(name="A's state was freed", state=State(None, None, 0))
    yield freed._replace(
        name="A's state was freed, and its handle left behind", state=State(None, None, _A)
    )


def _on_one_lower(devices: tuple[Device, ...]) -> Iterator[World]:
    on_a = World(
        "U has the state on A",
        Mode.BACKUP,
        devices,
        U,
        _ISSUED,
        frozenset({_A}),
        carries=frozenset({A}),
        state=State(U, A, _A),
    )
    yield on_a
    yield on_a._replace(
        name="U has the state on B",
        live=frozenset({_B}),
        carries=frozenset({B}),
        state=State(U, B, _B),
    )
    yield on_a._replace(
        name="U, without ops by now, has the state on A",
        state=State(U, A, _A, owner_has_ops=False),
    )
    none = on_a._replace(live=frozenset(), carries=frozenset())
    yield none._replace(name="U has taken the state from A", settled=False, state=State(U, None, 0))
    freed = none._replace(owner=None, freed=True)
    yield freed._replace(name="U's state was freed", state=State(None, None, 0))
    yield freed._replace(
        name="U's state was freed, and what was on A left behind", state=State(None, A, _A)
    )


def _with_map(devices: tuple[Device, ...], private: bool, pins: bool) -> Iterator[World]:
    handles = {A: _A, B: _B}
    both = World(
        "",
        Mode.MAP,
        devices,
        U,
        _ISSUED,
        frozenset({_A, _B}),
        carries=frozenset({A, B}),
    )
    # Where nothing of xso is the owner's own, what is pinned has written the handle.
    for pinned in (None, A, B) if private and pins else (None,):
        word = f", {pinned} is pinned" if pinned else ""
        yield both._replace(
            name=f"U has the state on A and then on B{word}",
            state=State(U, pinned, _B, callback=handles),
        )
        yield both._replace(
            name=f"U has the state on A and B, and has zeroed the handle{word}",
            state=State(U, pinned, 0, callback=handles),
        )
    if private:
        yield both._replace(
            name="U has taken the state from A, its map is empty",
            live=frozenset(),
            state=State(U, A, _A, callback={}),
        )
        yield both._replace(
            name="U has taken the state from A, and left it on B",
            live=frozenset({_B}),
            carries=frozenset({B}),
            state=State(U, A, _A, callback={B: _B}),
        )


def _shared(devices: tuple[Device, ...]) -> Iterator[World]:
    shared = World("", Mode.SHARED, devices, U, _ISSUED, frozenset(), carries=frozenset({A, B}))
    for pinned, handle in ((A, _A), (B, _B)):
        yield shared._replace(
            name=f"U shares what is installed on {pinned} among A and B",
            live=frozenset({handle}),
            state=State(U, pinned, handle, callback={A: handle, B: handle}),
        )
    yield shared._replace(
        name="U has taken what was shared from A",
        settled=False,
        state=State(U, None, 0, callback={}),
    )
