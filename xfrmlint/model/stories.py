"""Stories: what happens to a state of an upper, step by step, until a device asks for its handle.

A story says what the kernel and the administrator do. What the state is after it, the tree's own
code makes of it.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from xfrmlint.model.worlds import A, B, C, D, Device, U


class Deed(StrEnum):
    """A step of a story, in words; of which device, is said beside."""

    ADD = "adds the state"
    FAIL_OVER = "fails over to"
    JOIN = "is joined by"
    LEAVE = "is left by"
    CHANGE = "sees a promise of this one go:"
    ESN = "advances the sequence number of"
    DELETE = "deletes the state"
    FREE = "frees the state"


class Step(NamedTuple):
    """One step. changed: what a device is from then on."""

    deed: Deed
    device: str = ""
    changed: Device | None = None


class Story(NamedTuple):
    """What happens.

    ports: the upper's, in the order in which they joined. refuses: the add fails on these. apart:
    by how much the devices' ifindex differ.
    """

    name: str
    devices: tuple[Device, ...]
    ports: tuple[str, ...]
    steps: tuple[Step, ...]
    refuses: frozenset[str] = frozenset()
    apart: int = 1


_CHIPS = {A: "chip 1", B: "chip 1", C: "chip 2", D: "chip 1"}


def _devices(ports: tuple[str, ...], shares: bool) -> tuple[Device, ...]:
    """Return the world's devices: those that are no ports have no master."""
    return tuple(
        Device(name, chip, U if name in ports else None, shares=shares)
        for name, chip in _CHIPS.items()
    )


def _with(devices: tuple[Device, ...], changed: Device) -> tuple[Device, ...]:
    return tuple(changed if one.name == changed.name else one for one in devices)


_ADD = Step(Deed.ADD)
# What takes less of an ifindex than its lower half takes these for one.
APART = 1 << 16
_ONE_CHIP = (A, B)
_TWO_CHIPS = (A, C)


def lacking(device: Device) -> Iterator[Device]:
    """Yield a device with one promise missing, for each."""
    yield device._replace(asks=False)
    yield device._replace(shares=False)
    yield device._replace(accepts=False)
    yield device._replace(offloads=False)


def stories(shares: bool) -> Iterator[Story]:
    """Yield all stories. shares: the tree knows the sharing test."""
    one, two = _devices(_ONE_CHIP, shares), _devices(_TWO_CHIPS, shares)
    both = "A and B of one chip" if shares else "A and B"
    apart = "A and C of two chips" if shares else "A and C"
    yield Story(f"U with {both} adds", one, _ONE_CHIP, (_ADD,))
    yield Story(
        f"U with {both}, whose ifindex differ by {APART}, adds",
        one,
        _ONE_CHIP,
        (_ADD,),
        apart=APART,
    )
    if shares:
        yield Story(f"U with {apart} adds", two, _TWO_CHIPS, (_ADD,))
    yield Story(f"U with {both} adds, A refuses", one, _ONE_CHIP, (_ADD,), refuses=frozenset({A}))
    yield Story(f"U with {both} adds, B refuses", one, _ONE_CHIP, (_ADD,), refuses=frozenset({B}))
    three = (A, B, C)
    if not shares:
        yield Story(
            "U with A, B and C adds, C refuses",
            _devices(three, shares),
            three,
            (_ADD,),
            refuses=frozenset({C}),
        )
    unasking = (one[1]._replace(asks=False), one[0]._replace(asks=False))
    for changed in (*lacking(one[1]), *lacking(one[0])) if shares else unasking:
        name = f"U with {both}, {changed.name} {changed.lacks()}, adds"
        yield Story(name, _with(one, changed), _ONE_CHIP, (_ADD,))
    for changed in (*lacking(one[0]), *lacking(one[1])) if shares else ():
        yield Story(
            f"U with {both} adds; then {changed.name} {changed.lacks()}",
            one,
            _ONE_CHIP,
            (_ADD, Step(Deed.CHANGE, changed.name, changed)),
        )
    for gone in (B, A):
        yield Story(
            f"U with {both} adds; {gone} leaves", one, _ONE_CHIP, (_ADD, Step(Deed.LEAVE, gone))
        )
    if not shares:
        # One that a state was not put on, in an empty place, and in that of another.
        alone, joined = _devices((A,), shares), (_ADD, Step(Deed.JOIN, B))
        yield Story("U with A adds; B joins", alone, (A,), joined)
        changed = alone[1]._replace(asks=False)
        name = f"U with A adds; B joins, which {changed.lacks()}"
        yield Story(name, _with(alone, changed), (A,), joined)
        yield Story(
            f"U with {both} adds; B leaves; C joins",
            one,
            _ONE_CHIP,
            (_ADD, Step(Deed.LEAVE, B), Step(Deed.JOIN, C)),
        )
    yield Story(
        f"U with {both} adds; it fails over to B", one, _ONE_CHIP, (_ADD, Step(Deed.FAIL_OVER, B))
    )
    yield Story(
        f"U with {apart} adds; it fails over to C",
        two,
        _TWO_CHIPS,
        (_ADD, Step(Deed.FAIL_OVER, C)),
    )
    changed = two[2]._replace(asks=False)
    yield Story(
        f"U with {apart} adds; it fails over to C, which {changed.lacks()}",
        _with(two, changed),
        _TWO_CHIPS,
        (_ADD, Step(Deed.FAIL_OVER, C)),
    )
    yield Story(
        f"U with {apart} adds; it fails over to C and back",
        two,
        _TWO_CHIPS,
        (_ADD, Step(Deed.FAIL_OVER, C), Step(Deed.FAIL_OVER, A)),
    )
    yield Story(
        f"U with {apart} adds; it fails over to C, which refuses",
        two,
        _TWO_CHIPS,
        (_ADD, Step(Deed.FAIL_OVER, C)),
        refuses=frozenset({C}),
    )
    yield Story(
        f"U with {both} adds and advances the sequence number",
        one,
        _ONE_CHIP,
        (_ADD, Step(Deed.ESN)),
    )
    yield Story(f"U with {both} adds and deletes", one, _ONE_CHIP, (_ADD, Step(Deed.DELETE)))
    yield Story(
        f"U with {both} adds, deletes and frees",
        one,
        _ONE_CHIP,
        (_ADD, Step(Deed.DELETE), Step(Deed.FREE)),
    )
