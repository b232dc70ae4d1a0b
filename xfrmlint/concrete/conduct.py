"""What an owner does to its lower devices in the stories, held against the contract.

A scene's events tell which callback of a lower was called where, and what the handle's member held
then. So it is seen whether a lower got its own handle, whether one kept the state when another
refused it, and what the owner itself left in a state that it didn't take.
"""

from collections.abc import Container, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from xfrmlint.concrete.kernel import NOWHERE, Deed, Event, Spot
from xfrmlint.concrete.lab import Ran
from xfrmlint.concrete.scene import Answer, Scene
from xfrmlint.contract.words import (
    HANDLE,
    LOWER_CALLBACKS,
    OWNER_CALLBACKS,
    PINNED,
    RESOLVE,
    SHARE,
    Contract,
)
from xfrmlint.kernel.places import is_core
from xfrmlint.model.stories import Deed as Happens
from xfrmlint.model.worlds import Device

_CALLS = (Deed.DELETE, Deed.FREE, Deed.ESN)
_JOINED_UNSEEN = "what makes a device its port was not run"


class MisdeedKind(StrEnum):
    """What an owner does wrong."""

    UNPROMISED = "unpromised"  # hands out the handle of a lower that lacks a promise
    STALE = "stale"  # calls a lower with another one's handle in the state
    KEPT = "kept"  # leaves the state on a lower although its add failed
    LEFT = "left"  # leaves what it wrote in a state that it didn't take


class Misdeed(NamedTuple):
    """One of an owner's faults. at: the line it is owed to. detail: in words, with the world.

    supposed: in that world a pointer that nobody is seen to store leads to a port. doubt: why it
    may be none.
    """

    kind: MisdeedKind
    at: Spot
    detail: str
    supposed: bool = False
    doubt: str = ""


def misdeeds(ran: Ran, contract: Contract) -> list[Misdeed]:
    """Return an owner's faults, the first for each line and kind."""
    return [one for one in _first_of_each(ran, contract) if not one.doubt]


def in_doubt(ran: Ran, contract: Contract) -> list[Misdeed]:
    """Return what may be an owner's faults, where none of that kind is sure."""
    return [one for one in _first_of_each(ran, contract) if one.doubt]


def _first_of_each(ran: Ran, contract: Contract) -> list[Misdeed]:
    found: dict[tuple[MisdeedKind, str, int], Misdeed] = {}
    for one in sorted(_misdeeds(ran, contract), key=lambda one: (bool(one.doubt), one.supposed)):
        found.setdefault((one.kind, one.at.path, one.at.line), one)
    return sorted(found.values(), key=lambda one: (one.at, one.kind))


def _misdeeds(ran: Ran, contract: Contract) -> Iterator[Misdeed]:
    # Who shares states keeps the one handle there is in the field: a map of one.
    with_map = SHARE in contract.slots or any(_has_map(scene, contract) for scene in ran.scenes)
    for scene in ran.scenes:
        if scene.supposed:
            # It may go otherwise.
            continue
        found: list[Misdeed] = []
        certain = (scene.joined and not scene.unset) or not ran.owner.tests_promise
        found += _unpromised(scene, contract, None if certain else scene.looked)
        if with_map:
            found += _stale(scene)
        if scene.refused:
            found += _kept(scene, ran.owner.frees)
        found += _left(scene, contract)
        yield from (one._replace(supposed=scene.unset) for one in found)


def _happened(scene: Scene) -> list[Event]:
    return [event for events in scene.events for event in events]


def _held(events: Iterable[Event], contract: Contract) -> int | str | None:
    """Return what the handle's member holds after some events."""
    member = contract.member(HANDLE)
    values = [e.value for e in events if e.member == member and e.deed is not Deed.READS]
    return values[-1] if values else 0


def _has_map(scene: Scene, contract: Contract) -> bool:
    """Tell whether a lower is given its handle, and not out of the member."""
    field = _held(_happened(scene), contract)
    return any(
        answer.value and answer.value != field and (answer.by_callback or field is not None)
        for answer in scene.answers
    )


def _unpromised(
    scene: Scene, contract: Contract, among: Container[str] | None
) -> Iterator[Misdeed]:
    """Yield where a lower that lacks a promise gets a handle of the owner's callback.

    Or, where states are shared, is pinned: the field is the map there, and the resolver reads it.
    among: of these it is sure, of all if None: where what makes a device a port was not run, that
    may have tested the promise. It did not where it is asked for here, and a wrong answer is taken.
    """
    if not scene.handed:
        return
    lacking = {one.name: one for one in scene.world.devices if not (one.asks and one.shares)}
    for answer in scene.answers:
        device = lacking.get(answer.asking)
        pinned = answer.value and SHARE in contract.slots
        if device is None or not (answer.by_callback or pinned):
            continue
        at, doubt = _given_at(scene, answer, device, contract)
        if not at.path:
            continue
        promise = contract.promise(SHARE if device.asks else RESOLVE)
        text = f"nothing tests whether {device.name} promises {promise}: {scene.world.name}"
        if doubt or not answer.value:
            text = f"{device.name} does not promise {promise}: {scene.world.name}"
        if among is not None and device.name not in among:
            doubt = _JOINED_UNSEEN
        yield Misdeed(MisdeedKind.UNPROMISED, at, text, doubt=doubt)


def _given_at(scene: Scene, answer: Answer, device: Device, contract: Contract) -> tuple[Spot, str]:
    """Return where a lower that lacks a promise got its answer, and why that may be right.

    Nowhere if it is. What its own add returned, if it lacked the promise then, must not be in a
    map; another one's it must not get whenever it lacks it.
    """
    issued = scene.world.issued
    holders = {issued[handle]: handle for handle in scene.world.live - scene.world.deleted}
    handle = answer.value if answer.value or answer.value is None else holders.get(device.name)
    own = handle is not None and issued.get(handle) == device.name
    changed = any(step.deed is Happens.CHANGE for step in scene.story.steps)
    if not handle or (own and changed) or (device.asks and (own or SHARE not in contract.slots)):
        return NOWHERE, ""
    if not own:
        return answer.read_at, ""
    if not answer.by_callback:
        events = _happened(scene)
        return next(e.at for e in events if e.deed is Deed.ADD and e.value == handle), ""
    if answer.value and not answer.read_at.path:
        return _added_at(scene, handle, contract), ""
    if not holders.keys() - {device.name}:
        # No map: it reads the member by itself, which holds what its add put there.
        return NOWHERE, ""
    at = answer.read_at if answer.value else _added_at(scene, handle, contract)
    if not answer.value and _held(_happened(scene), contract) == 0:
        # Neither the callback nor the member, which it may read by itself, has it for the device.
        return at, ""
    return at, f"what {device.name} finds in the field by itself is not known"


def _added_at(scene: Scene, handle: int, contract: Contract) -> Spot:
    """Return where the handle that a lower's add returned is read, or else where that is called."""
    events = _happened(scene)
    begins = next(i for i, e in enumerate(events) if e.deed is Deed.ADD and e.value == handle)
    for event in events[begins + 1 :]:
        if event.deed is Deed.READS and event.member == contract.member(HANDLE):
            return event.at
        if event.deed is Deed.ADD:
            break
    return events[begins].at


def _stale(scene: Scene) -> Iterator[Misdeed]:
    """Yield the calls at which a lower that has a handle finds another one in the state."""
    held: dict[str, str | int | None] = {}
    for event in _happened(scene):
        if event.deed is Deed.ADD and not event.refused:
            held[event.device] = event.value
        elif event.deed in _CALLS and event.device in held:
            if event.value is not None and event.value != held[event.device]:
                finds = _whose(event.value, scene)
                text = f"{event.device}'s {event.deed} finds {finds}: {scene.world.name}"
                yield Misdeed(MisdeedKind.STALE, event.at, text)
            if event.deed is Deed.FREE:
                held.pop(event.device)


def _whose(value: str | int, scene: Scene) -> str:
    if not value:
        return "0"
    issuer = scene.world.issued.get(value) if isinstance(value, int) else None
    return f"{issuer}'s handle" if issuer else "a number that no add has returned"


def _kept(scene: Scene, frees: bool) -> Iterator[Misdeed]:
    """Yield where a lower's add failed, or the last one succeeded, and others keep the state.

    The core calls delete for each state that an add has taken, and then free, if there is one
    (net/xfrm/xfrm_state.c, xfrm_state_find()). frees: a lower may have one.
    """
    world = scene.world
    adds = [event for event in _happened(scene) if event.deed is Deed.ADD]
    if not adds:
        return
    keep = {world.issued[handle] for handle in world.issued.keys() - world.deleted}
    unfreed = {world.issued[handle] for handle in world.live & world.deleted} if frees else set()
    if not keep and not unfreed:
        return
    names = sorted(keep or unfreed)
    have = "has" if len(names) == 1 else "have"
    text = f"still {have} the state" if keep else f"{have} deleted the state, and not freed it"
    queues = any(event.deed is Deed.QUEUES for event in _happened(scene))
    doubt = "what queued work undoes is not seen" if queues else ""
    detail = f"{' and '.join(names)} {text}: {world.name}"
    yield Misdeed(MisdeedKind.KEPT, adds[-1].at, detail, doubt=doubt)


def _left(scene: Scene, contract: Contract) -> Iterator[Misdeed]:
    """Yield the owner's last store to each member that still holds it after a failed add.

    After one of a move, too, where callbacks are captured: nobody but the owner clears them then.
    """
    # Where no callbacks are captured, nothing is said of a handle whose state has no device.
    captured = LOWER_CALLBACKS in contract.members or OWNER_CALLBACKS in contract.members
    moved = captured and scene.story.steps[-1].deed is Happens.FAIL_OVER
    events = _happened(scene) if scene.refused else scene.events[-1]
    failed = [event for event in events if event.deed is Deed.ADD and event.refused]
    if not scene.refused and not (moved and failed and not scene.world.live - scene.world.deleted):
        return
    pinned_ops = contract.member(LOWER_CALLBACKS)
    members = [contract.member(PINNED), pinned_ops]
    members += [one.name for one in contract.own if scene.refused]
    members += [contract.member(HANDLE)] * captured
    for member in members:
        stores = [e for e in events if member and e.member == member and e.deed is not Deed.READS]
        if stores and stores[-1].value and not is_core(stores[-1].at.path):
            text = f"{member} stays in the state: {scene.world.name}"
            # To store these before the add is right: what is wrong is that it is all.
            at = failed[-1].at if failed and member == pinned_ops else stores[-1].at
            yield Misdeed(MisdeedKind.LEFT, at, text)
