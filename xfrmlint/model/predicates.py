"""What makes a resolver right, whatever its revision: five predicates over a world and an answer.

Each returns in words how an answer breaks it, or an empty string. `torn` (P5) is asked of answers
that were read while the state was being changed.
"""

from collections.abc import Callable
from typing import NamedTuple

from xfrmlint.model.worlds import Mode, World, valid_on

Predicate = Callable[[World, str | None, int], str]


class Broken(NamedTuple):
    """A predicate that an answer breaks. name: P1 to P5. asking: None for no device at all."""

    name: str
    world: World
    asking: str | None
    answer: int
    reason: str


def unsafe(world: World, asking: str | None, answer: int) -> str:
    """P1: the answer is 0 or a handle of the asking device's sharing class, and not freed."""
    if not answer:
        return ""
    if answer not in world.issued:
        return "a number that no add has returned"
    issuer = world.issued[answer]
    if asking not in valid_on(world, answer):
        return f"{issuer}'s handle"
    return "" if answer in world.live else f"{issuer}'s handle, which was freed"


def useless(world: World, asking: str | None, answer: int) -> str:
    """P2: what the owner transmits through, and each device that returned a handle, gets it."""
    if answer or not world.settled or world.freed or asking is None:
        return ""
    if asking != world.owner:
        device = world.device(asking)
        if device.master != world.owner or not device.asks:
            # It is no port of the owner's, or has left; or it does not ask, and 0 is right (P4).
            return ""
    owed = world.live - world.deleted
    holders = {world.issued[handle] for handle in owed}
    if asking in holders:
        return "none, although its add returned one"
    usable = any(asking in valid_on(world, handle) for handle in owed)
    if asking in world.carries and usable:
        return "none, although the owner transmits through it"
    return ""


def outlived(world: World, asking: str | None, answer: int) -> str:
    """P3: without owner or device, and of a freed state, the answer is 0."""
    if not answer:
        return ""
    if asking is None:
        return "a handle for no device"
    if world.freed or world.owner is None:
        return "a handle of a freed state"
    return ""


def unpromised(world: World, asking: str | None, answer: int) -> str:
    """P4: a device that lacks a promise gets 0 of what another device's add returned.

    To be asked of an owner's callback. What its own add returned, a device can use.
    """
    if world.mode is not Mode.SHARED or not answer or asking is None:
        return ""
    if world.issued.get(answer) in (asking, None):
        return ""
    lacking = world.device(asking).lacks() if asking != world.owner else ""
    if lacking:
        return f"a shared handle, although it {lacking}"
    home = world.device(world.issued[answer]).lacks()
    return f"a handle of a device that {home}" if home else ""


def torn(world: World, asking: str | None, answer: int) -> str:
    """P5: no order of writes and reads gives a device what another sharing class's add returned.

    Its own handle, a moment after it was revoked, is not counted: RCU and the driver's free see to
    that, and no order of reads could.
    """
    if not answer or asking is None or asking in valid_on(world, answer):
        return ""
    issuer = world.issued.get(answer)
    return f"{issuer}'s handle" if issuer else "a number that no add has returned"


# In the order in which a break is told: what is gone is not also unsafe.
_RESOLVER: tuple[tuple[str, Predicate], ...] = (
    ("P3", outlived),
    ("P1", unsafe),
    ("P2", useless),
)
_CALLBACK: tuple[tuple[str, Predicate], ...] = (
    ("P3", outlived),
    ("P4", unpromised),
    *_RESOLVER[1:],
)


def broken(world: World, asking: str | None, answer: int, by_callback: bool) -> Broken | None:
    """Return the first of P1 to P4 that an answer breaks. by_callback: the owner's code gave it."""
    for name, predicate in _CALLBACK if by_callback else _RESOLVER:
        reason = predicate(world, asking, answer)
        if reason:
            return Broken(name, world, asking, answer, reason)
    return None


def sentence(found: Broken) -> str:
    """Return a break in words: the world, who asks, and what it gets."""
    asks = "a caller without a device" if found.asking is None else found.asking
    return f"{found.world.name}: {asks} gets {found.reason} ({found.name})"
