"""What each driver's hardware is given: its paths, judged in every topology."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from xfrmlint.analysis.analyse import Analysis
from xfrmlint.c.unit import Place
from xfrmlint.contract.words import HANDLE
from xfrmlint.flow.callbacks import Answer
from xfrmlint.flow.events import Device, Event, Kind, Path, Sa
from xfrmlint.flow.paths import Followed, Traced
from xfrmlint.model.judge import Outcome, judge_path, severity, worst
from xfrmlint.model.topology import TOPOLOGIES, Topology
from xfrmlint.program.access import Doubt
from xfrmlint.program.reach import Hop
from xfrmlint.program.sites import RESOLVE, Site

_GETS = (Kind.READ, Kind.RESOLVE)


class Got(NamedTuple):
    """A place where a driver gets a handle, and what comes of that.

    asks: it calls the resolver, rather than read the shared field. chains: the ways there. path:
    the one that comes out worst, with the position in it where the handle is got (-1: on no path).
    paths: how many lead through here. outcomes: by topology, in order. note: dead, thrown, unused
    or empty.
    """

    place: Place
    function: str
    driver: str
    asks: bool
    chains: tuple[tuple[Hop, ...], ...]
    path: Path
    at: int
    paths: int
    outcomes: tuple[Outcome, ...]
    note: str

    def worst(self) -> Outcome:
        """Return the worst outcome of any topology."""
        return worst(self.outcomes)


class Judgement(NamedTuple):
    """A driver. outcomes: the worst of its handles, by topology. doubts: what stays open."""

    driver: str
    opted_in: bool
    handles: tuple[Got, ...]
    outcomes: tuple[Outcome, ...]
    paths: int
    doubts: tuple[Doubt, ...]

    def worst(self) -> Outcome:
        """Return the worst outcome of any topology."""
        return worst(self.outcomes)


def judgements(analysis: Analysis) -> list[Judgement]:
    """Return the judgement of every lower driver that gets a handle on its datapath, by name."""
    found = []
    groups = [(group, one, part) for part in analysis.parts for group, one in part.traced.items()]
    for group, traced, part in sorted(groups, key=lambda found: found[0]):
        sites = [
            site
            for site in part.found.sites
            if site.driver is not None
            and site.driver.group == group
            and site.reached.context == "datapath"
            and (site.access == RESOLVE or (site.member, site.access) == (HANDLE, "read"))
        ]
        table = _outcomes(traced.paths)
        handles = tuple(_got(site, traced.paths, table, _note(site, traced)) for site in sites)
        outcomes = tuple(
            worst(handle.outcomes[i] for handle in handles) for i in range(len(TOPOLOGIES))
        )
        opted_in = any(site.driver is not None and site.driver.opted_in for site in sites)
        doubts = dict.fromkeys(traced.doubts)
        doubts.update((d, None) for path in traced.paths for d in _doubts(path.events))
        found.append(
            Judgement(group, opted_in, handles, outcomes, len(traced.paths), tuple(doubts))
        )
    return found


def _doubts(path: Path) -> Iterator[Doubt]:
    """Yield why a path's outcome is not known, beside what could not be followed on it."""
    made: dict[int, Event] = {}
    for event in path:
        if event.kind in _GETS:
            made[event.handle] = event
        at, why = event, ""
        if event.kind is Kind.RESOLVE and event.device is Device.VLAN_REAL:
            why = "which device is below the VLAN that the resolver is asked for is not known"
        elif event.kind is Kind.COMPARE:
            why = "whether this comparison excludes 0 is not known"
        elif event.kind in (Kind.TEST, Kind.USE) and event.handle in made:
            at = made[event.handle]
            why = "whose SA the handle is of is not known" if at.sa is Sa.UNKNOWN else ""
        if why:
            yield Doubt(Place(at.path, at.line, at.column), at.function, why)


def topologies() -> Sequence[Topology]:
    """Return the topologies in the order of every `outcomes`."""
    return TOPOLOGIES


class Owner(NamedTuple):
    """An owner's resolver callback. answers: what it returns, where, and what that comes to.

    doubts: why some of that is not known.
    """

    driver: str
    function: str
    place: Place
    answers: tuple[tuple[Answer, Place, Outcome], ...]
    doubts: tuple[Doubt, ...]

    def worst(self) -> Outcome:
        """Return the worst of its answers."""
        return worst(outcome for _, _, outcome in self.answers)


# What a lower device gets from a callback's answer. A look-up by lower_dev can't be judged here:
# whether the map holds what that device's add returned is up to the code that fills it.
_ANSWERS = {
    Answer.NONE: Outcome.ZERO_TESTED,
    Answer.SAME: Outcome.RIGHT,
    Answer.SHARED: Outcome.OTHER,
    Answer.CONSTANT: Outcome.OTHER,
    Answer.SAME_FOR_ALL: Outcome.OTHER,
    Answer.LOOKED_UP: Outcome.UNKNOWN,
    Answer.NOT_FOLLOWED: Outcome.UNKNOWN,
}
_REASONS = {
    Answer.LOOKED_UP: "whether the map holds what the device's own add returned is not looked into",
    Answer.NOT_FOLLOWED: "what is returned could not be followed",
}


def owners(analysis: Analysis) -> list[Owner]:
    """Return what the owners' resolver callbacks return."""
    return [
        Owner(
            one.module,
            one.function.name,
            one.place,
            tuple((answer, place, _ANSWERS[answer]) for answer, place in one.answers),
            tuple(
                Doubt(place, one.function.name, _REASONS[answer])
                for answer, place in one.answers
                if answer in _REASONS
            ),
        )
        for one in analysis.callbacks
    ]


# For a path: what each handle on it (by the position where it is got) comes to in each topology.
_Table = list[dict[int, list[Outcome]]]


def _outcomes(paths: Iterable[Followed]) -> _Table:
    table: _Table = []
    for path in paths:
        row: dict[int, list[Outcome]] = {}
        for topology in TOPOLOGIES:
            got = dict(judge_path(path.events, topology).got)
            for at, event in enumerate(path.events):
                if event.kind in _GETS:
                    row.setdefault(at, []).append(got.get(at, Outcome.NOT_REACHED))
        table.append(row)
    return table


def _got(site: Site, paths: Sequence[Followed], table: _Table, note: str) -> Got:
    place = (site.place.path, site.place.line)
    best: tuple[tuple[int, int], Outcome, Path, int] | None = None
    by_topology: list[list[Outcome]] = [[] for _ in TOPOLOGIES]
    through = 0
    for path, row in zip(paths, table, strict=True):
        through += any((e.path, e.line) == place for e in path.events if e.kind in _GETS)
        for at, outcomes in row.items():
            event = path.events[at]
            if (event.path, event.line) != place:
                continue
            for i, outcome in enumerate(outcomes):
                by_topology[i].append(outcome)
            here = worst(outcomes)
            # Of the equally bad, one that shows what is done with the handle.
            rank = (severity(here), len(_told(path.events, at)))
            if best is None or rank > best[0]:
                best = (rank, here, path.events, at)
    _, badness, events, at = best if best is not None else (None, Outcome.NOT_REACHED, (), -1)
    return Got(
        site.place,
        site.function.name,
        site.driver.module if site.driver is not None else "",
        site.access == RESOLVE,
        site.reached.chains,
        events,
        at,
        through,
        tuple(worst(o) for o in by_topology),
        note or ("unused" if best is not None and badness is Outcome.NOT_REACHED else ""),
    )


def _note(site: Site, traced: Traced) -> str:
    if site.place in traced.dead:
        return "dead"
    return "thrown" if site.place in traced.thrown else ""


def steps(got: Got) -> list[Event]:
    """Return the events of a handle's worst path that speak of it, and how the path ends."""
    return _told(got.path, got.at) if got.at >= 0 else []


def _told(path: Path, at: int) -> list[Event]:
    return [
        event
        for event in path[at:]
        if event.handle == path[at].handle or event.kind in (Kind.RETURN, Kind.CUT)
    ]
