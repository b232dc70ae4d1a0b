"""What the device at work gets from a path of its driver, in each topology.

A path is walked with the topology's real values. Where a test contradicts them, the path isn't
taken there any further; what came before it stands, for it is also the beginning of a path that is
taken. So the paths of a function are judged together, and the worst counts.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import NamedTuple

from xfrmlint.flow.events import Device, Event, Kind, Path, Sa, Source
from xfrmlint.model.reference import resolve
from xfrmlint.model.topology import TOPOLOGIES, Topology


class Outcome(StrEnum):
    """What a use of a handle comes to, the worst first."""

    OTHER = "another device's handle"  # or another SA's: the packet leaves under a wrong SA
    STALE = "stale"  # the device's own, but deleted and freed
    ZERO_USED = "0 used"
    MISSING = "none, although it has one"  # of an owner's answer
    UNKNOWN = "unknown"
    ZERO_TESTED = "0 tested"  # no handle, and the driver notices: a drop or a software path
    RIGHT = "right"
    NOT_HANDED = "not handed on"  # the tree's owner never hands the state to such a device
    NOT_REACHED = "not reached"  # the path isn't taken in the topology, or uses no handle


_WORST_FIRST = tuple(Outcome)
FINE = frozenset({Outcome.ZERO_TESTED, Outcome.RIGHT, Outcome.NOT_HANDED, Outcome.NOT_REACHED})


class Use(NamedTuple):
    """A USE of a path. value: the number that is used; None if unknown, or the use not reached."""

    event: Event
    value: int | None
    outcome: Outcome


class Judged(NamedTuple):
    """A path in one topology. uses: all it has. outcome: the worst, tests and cuts included.

    got: for each event by which a handle was got (its position in the path), the worst that came of
    that handle; a test counts as well, for it decides by what the device got.
    """

    outcome: Outcome
    uses: tuple[Use, ...]
    got: tuple[tuple[int, Outcome], ...]


class Row(NamedTuple):
    """A driver in one topology. outcome: the worst. paths: how many come to what, worst first."""

    topology: str
    outcome: Outcome
    paths: tuple[tuple[Outcome, int], ...]


class Verdict(NamedTuple):
    """A driver in all topologies. paths, uses, cut: how many paths, USEs, and CUTs there are."""

    rows: tuple[Row, ...]
    paths: int
    uses: int
    cut: int

    def worst(self) -> Outcome:
        """Return the worst outcome of any topology."""
        return worst(row.outcome for row in self.rows)


def severity(outcome: Outcome) -> int:
    """Return how bad an outcome is: 0 for all that are fine, 4 for another device's handle."""
    return 0 if outcome in FINE else len(_WORST_FIRST) - len(FINE) - _WORST_FIRST.index(outcome)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of some outcomes; of none, that nothing was reached."""
    return min(outcomes, key=_WORST_FIRST.index, default=Outcome.NOT_REACHED)


# A handle's number; or, where that isn't known, what a use of it comes to if it isn't 0.
_Value = int | Outcome


def judge_path(path: Path, topology: Topology) -> Judged:
    """Walk one path in one topology.

    A handle that was bound nowhere is unknown. Stores and returns change nothing. After a non-zero
    test of a handle that is 0, further uses of it count as 0 tested, and the rest as not reached.
    """
    walk = _Walk(topology)
    for at, event in enumerate(path):
        if walk.ends_at(at, event):
            stopped = event.handle if event.kind is Kind.TEST and walk.is_zero(event) else None
            walk.uses.extend(_unreached(path[at + 1 :], stopped))
            break
    return Judged(worst(walk.outcomes), tuple(walk.uses), tuple(walk.got.items()))


class _Walk:
    """A walk along a path in one topology: what the handles are so far, and what came of them."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._values: dict[int, _Value] = {}
        self._nonzero: set[int] = set()  # among those of unknown number
        self._origin: dict[int, int] = {}
        self.outcomes: list[Outcome] = []
        self.uses: list[Use] = []
        self.got: dict[int, Outcome] = {}

    def ends_at(self, at: int, event: Event) -> bool:
        """Take one event; tell whether the path isn't taken, or not known, behind it."""
        match event.kind:
            case Kind.CUT:
                return self._cut()
            case Kind.USE:
                use = _use(event, self._value_of(event), self._topology)
                self.uses.append(use)
                self._came(event.handle, use.outcome)
                return False
            case Kind.SAME if event.nonzero not in self._topology.may_be_own(event.device):
                return True
        if event.handle < 0:
            return False  # says nothing about any handle of this path
        match event.kind:
            case Kind.READ | Kind.RESOLVE:
                self._values[event.handle] = _value(event, self._topology)
                self._nonzero.discard(event.handle)
                self._origin[event.handle] = at
                self.got[at] = Outcome.NOT_REACHED
            case Kind.COMPARE:
                return self._compared(event)
            case Kind.TEST:
                return self._tested(event)
        return False

    def is_zero(self, event: Event) -> bool:
        """Tell whether an event's handle is known to be 0."""
        return self._value_of(event) == 0

    def _value_of(self, event: Event) -> _Value:
        return self._values.get(event.handle, Outcome.UNKNOWN)

    def _came(self, handle: int, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._came_of(handle, outcome)

    def _came_of(self, handle: int, outcome: Outcome) -> None:
        at = self._origin.get(handle, -1)
        self.got[at] = worst((outcome, self.got.get(at, Outcome.NOT_REACHED)))

    def _cut(self) -> bool:
        self.outcomes.append(Outcome.UNKNOWN)
        for known in self._origin:
            self._came_of(known, Outcome.UNKNOWN)
        return True

    def _compared(self, event: Event) -> bool:
        if self.is_zero(event):
            # Whether a device without a handle gets any further here can't be told.
            self._came(event.handle, Outcome.UNKNOWN)
            return True
        self._came_of(event.handle, _given(self._value_of(event), self._topology))
        return False

    def _tested(self, event: Event) -> bool:
        if isinstance(self._value_of(event), Outcome):
            if event.nonzero:
                self._nonzero.add(event.handle)
            elif event.handle not in self._nonzero:
                self._values[event.handle] = 0
        if self.is_zero(event):
            self._came(event.handle, Outcome.ZERO_TESTED)
        elif event.nonzero:
            self._came_of(event.handle, _given(self._value_of(event), self._topology))
        return event.nonzero == self.is_zero(event)


def judge(paths: Iterable[Path], topologies: Iterable[Topology] = TOPOLOGIES) -> dict[str, Outcome]:
    """Return the worst that some paths come to, by the topology's name."""
    paths = tuple(paths)
    return {t.name: worst(judge_path(path, t).outcome for path in paths) for t in topologies}


def verdict(paths: Iterable[Path], topologies: Iterable[Topology] = TOPOLOGIES) -> Verdict:
    """Judge a driver by all its paths."""
    paths = tuple(paths)
    rows = []
    for topology in topologies:
        count = Counter(judge_path(path, topology).outcome for path in paths)
        counts = tuple((outcome, count[outcome]) for outcome in _WORST_FIRST if count[outcome])
        rows.append(Row(topology.name, worst(count), counts))
    return Verdict(
        rows=tuple(rows),
        paths=len(paths),
        uses=sum(event.kind is Kind.USE for path in paths for event in path),
        cut=sum(event.kind is Kind.CUT for path in paths for event in path),
    )


def _value(event: Event, topology: Topology) -> _Value:
    match event.kind, event.source:
        case Kind.RESOLVE, Source.RESOLVED:
            return _resolved(event.device, event.sa, topology)
        case Kind.READ, Source.DIRECT:
            return _of_sa(event.sa, topology.state.handle)
        case Kind.READ, Source.STORED:
            own = event.device is Device.OWN
            return _of_sa(event.sa, topology.returned if own else topology.stored)
        case Kind.READ, Source.CONSTANT if event.text in ("0", "NULL"):
            return 0
    return Outcome.UNKNOWN


def _resolved(device: Device, sa: Sa, topology: Topology) -> _Value:
    if device not in topology.seen:
        return Outcome.UNKNOWN
    lower = topology.seen[device]
    # Whatever the state is.
    if lower is None:
        return 0
    return _of_sa(sa, resolve(topology.state, lower))


def _of_sa(sa: Sa, value: int) -> _Value:
    # A topology says nothing about another SA's handles but that they are not this one's.
    if sa is Sa.THIS:
        return value
    return Outcome.OTHER if sa is Sa.OTHER else Outcome.UNKNOWN


def _use(event: Event, value: _Value, topology: Topology) -> Use:
    number = value if isinstance(value, int) else None
    return Use(event, number, _given(value, topology))


def _given(value: _Value, topology: Topology) -> Outcome:
    """Return what a handle that is taken for the device's own comes to."""
    if isinstance(value, Outcome):
        return value
    if value == 0:
        return Outcome.ZERO_USED
    if value == topology.wanted:
        return Outcome.RIGHT
    return Outcome.STALE if value == topology.revoked.get(topology.device) else Outcome.OTHER


def _unreached(events: Collection[Event], tested: int | None) -> list[Use]:
    found = []
    for event in events:
        if event.kind in (Kind.READ, Kind.RESOLVE) and event.handle == tested:
            tested = None
        if event.kind is Kind.USE:
            stopped = tested is not None and event.handle == tested
            outcome = Outcome.ZERO_TESTED if stopped else Outcome.NOT_REACHED
            found.append(Use(event, None, outcome))
    return found
