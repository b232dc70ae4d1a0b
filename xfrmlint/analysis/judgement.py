"""What each driver's hardware is given: its paths, of the facts, judged in every topology."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from xfrmlint.c.unit import Place
from xfrmlint.facts.store import Store
from xfrmlint.findings import Hop
from xfrmlint.flow.callbacks import Answer
from xfrmlint.flow.events import Device, Event, Kind, Path, Sa, Source
from xfrmlint.model.judge import Outcome, judge_path, severity, worst
from xfrmlint.model.topology import TOPOLOGIES, Topology
from xfrmlint.model.topology import topologies as topologies_as
from xfrmlint.program.access import Doubt
from xfrmlint.program.sharing import SharingTest

_GETS = (Kind.READ, Kind.RESOLVE)
_NOTHING = {Outcome.NOT_REACHED, Outcome.NOT_HANDED}
_UNSEEN = {Outcome.NOT_REACHED: Outcome.UNKNOWN}

_MAY_REMAIN = "whether the handle is taken out of each state that is freed is not known"

# Returns the text of a line of a file.
Lines = Callable[[str, int], str]


class Step(NamedTuple):
    """An event of a path, and the line of source that it stands on."""

    event: Event
    code: str


class Got(NamedTuple):
    """A place where a driver gets a handle, and what comes of that.

    asks: it calls the resolver, rather than read the shared field; kept: it reads back what an
    earlier packet left. chains: the ways there, that of the path's own entry first. steps: what is
    done with the handle on one of the worst paths, and how that ends. paths: how many lead through
    here. outcomes: by topology, in order. note: dead, thrown, unused or empty.
    """

    place: Place
    function: str
    driver: str
    asks: bool
    kept: bool
    chains: tuple[tuple[Hop, ...], ...]
    steps: tuple[Step, ...]
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


class _Followed(NamedTuple):
    """A path, as the facts have it. function: the one that is entered. row: see _outcomes()."""

    entry: str
    function: str
    events: Path
    row: Mapping[int, Sequence[Outcome]]


class _Site(NamedTuple):
    """A place where a handle is got. note: dead, thrown or empty."""

    place: Place
    function: str
    driver: str
    asks: bool
    kept: bool
    chains: tuple[tuple[Hop, ...], ...]
    note: str


class _Limits(NamedTuple):
    """What decides besides of what a path comes to.

    never: the topologies that can't come about, for the owner hands no state on there. borrowed:
    those in which a handle is right if both ports are of one chip, which is not known. removed: a
    free may take the handle out of the state. own: the places that packets reach of states alone
    that the device itself owns.
    """

    never: frozenset[str]
    borrowed: frozenset[str]
    removed: bool
    own: frozenset[tuple[str, int, int]] = frozenset()


def left_open(store: Store) -> list[Doubt]:
    """Return what is open of no known driver's code: it may hide one of which nothing is told."""
    return doubts_of(store, "")


def doubts_of(store: Store, driver: str) -> list[Doubt]:
    """Return what is open and matters to a driver, in the order of its places."""
    _, rows = store.query(
        f"SELECT * FROM unknown WHERE matters AND driver = {_quoted(driver)} ORDER BY rowid"
    )
    return [_doubt(row) for row in rows]


def _doubt(row: sqlite3.Row) -> Doubt:
    return Doubt(Place(row["path"], row["line"], 1), row["function"], row["reason"])


def is_undecided(store: Store, driver: str) -> bool:
    """Tell whether packets of a driver may get a handle, if they are not seen to."""
    return bool(store.query(f"SELECT 1 FROM undecided WHERE group_name = {_quoted(driver)}")[1])


def judged_drivers(store: Store) -> list[str]:
    """Return the names of the lower drivers that get a handle on their datapath, sorted."""
    _, rows = store.query(
        """
        SELECT DISTINCT group_name FROM site
        WHERE role = 'lower' AND context = 'datapath'
          AND (access = 'resolve' OR member = 'handle' AND access <> 'write')
        ORDER BY group_name
        """
    )
    return [row["group_name"] for row in rows]


def judgements(
    store: Store, lines: Lines, driver: str | None = None, whole: Store | None = None
) -> list[Judgement]:
    """Return the judgement of every lower driver that gets a handle on its datapath, by name.

    lines: for the steps of paths. driver: judge this one alone. whole: the facts of the whole tree
    where those of its owners are not in the store.
    """
    tree_facts = store if whole is None else whole
    names = [name for name in judged_drivers(store) if driver in (None, name)]
    # Where no owner was run, one may hand on to whom it wants, if the tree's states let any.
    _, told = tree_facts.query("SELECT unasking FROM owner WHERE unasking IS NOT NULL")
    hands_on = not told or any(row["unasking"] for row in told)
    _, (tree,) = tree_facts.query("SELECT handed FROM handing")
    # The same of one that transmits through several, and a driver that does not promise to share.
    _, told = tree_facts.query("SELECT unsharing FROM owner WHERE unsharing IS NOT NULL")
    spreads = not told or any(row["unsharing"] for row in told)
    return [
        _judgement(
            store,
            lines,
            name,
            _topologies(tree_facts, bool(_removed(store, name, "surely"))),
            hands_on and bool(tree["handed"]),
            spreads,
        )
        for name in names
    ]


def _judgement(
    store: Store,
    lines: Lines,
    driver: str,
    used: Sequence[Topology],
    hands_on: bool,
    spreads: bool,
) -> Judgement:
    sites, opted_in = _sites(store, driver)
    _, sharing = store.query(
        f"SELECT test FROM ops_table WHERE group_name = {_quoted(driver)} AND shares"
    )
    tests = {row["test"] for row in sharing}
    handed = opted_in or hands_on
    shared = handed and (bool(sharing) or spreads)
    # A port that accepts no other is alone.
    alone = tests == {SharingTest.REFUSES}
    never = frozenset(
        one.name
        for one in used
        if (one.upper and not (shared if one.shared else handed))
        or (one.shared and one.device in one.held and alone)
    )
    # Only what another port's add returned depends on whether they are of one chip.
    borrowed = frozenset(
        one.name
        for one in used
        if one.shared and one.device != one.state.pinned and SharingTest.BLIND in tests
    )
    removed = _removed(store, driver, "maybe")
    paths = _paths(store, driver, used, _Limits(never, borrowed, bool(removed)))
    known = {(site.place.path, site.place.line) for site in sites}
    sites += _kept(paths, known, driver)
    doubts = dict.fromkeys(doubts_of(store, driver))
    unfollowed = frozenset(doubt.place[:2] for doubt in doubts)
    handles = tuple(_got(site, paths, lines, unfollowed) for site in sites)
    outcomes = tuple(
        worst(handle.outcomes[i] for handle in handles) for i in range(len(TOPOLOGIES))
    )
    doubts.update((doubt, None) for path in paths for doubt in _doubts(path.events))
    freed = [one for one, of in zip(outcomes, used, strict=True) if not of.held]
    if Outcome.UNKNOWN in freed:
        doubts.update((Doubt(place, "", _MAY_REMAIN), None) for place in removed)
    return Judgement(driver, opted_in, handles, outcomes, len(paths), tuple(doubts))


def _quoted(text: str) -> str:
    # A sealed store takes no parameters.
    return "'" + text.replace("'", "''") + "'"


def _sites(store: Store, driver: str) -> tuple[list[_Site], bool]:
    """Return where a driver gets a handle on its datapath, and whether it opted in."""
    _, rows = store.query(
        f"""
        SELECT * FROM site WHERE group_name = {_quoted(driver)} AND context = 'datapath'
          AND (access = 'resolve' OR member = 'handle' AND access = 'read') ORDER BY id
        """
    )
    chains = _chains(store, driver)
    sites = [
        _Site(
            Place(row["path"], row["line"], row["column"]),
            row["function"],
            row["driver"],
            row["access"] == "resolve",
            False,
            tuple(map(tuple, chains.get(row["id"], {}).values())),
            row["flow"],
        )
        for row in rows
    ]
    return sites, any(row["opted_in"] for row in rows)


def _chains(store: Store, driver: str) -> dict[int, dict[int, list[Hop]]]:
    _, rows = store.query(
        f"""
        SELECT h.* FROM hop h JOIN site s ON s.id = h.site
        WHERE s.group_name = {_quoted(driver)} AND s.context = 'datapath'
        ORDER BY site, chain, position
        """
    )
    found: dict[int, dict[int, list[Hop]]] = {}
    for row in rows:
        hop = Hop(row["function"], row["path"], row["line"], row["via"])
        found.setdefault(row["site"], {}).setdefault(row["chain"], []).append(hop)
    return found


def _paths(
    store: Store,
    driver: str,
    used: Sequence[Topology],
    limits: _Limits,
) -> list[_Followed]:
    _, rows = store.query(
        f"SELECT path, line, column FROM site WHERE group_name = {_quoted(driver)} AND own_states"
    )
    own = frozenset((row["path"], row["line"], row["column"]) for row in rows)
    limits = limits._replace(own=own)
    _, rows = store.query(
        f"""
        SELECT e.*, p.entry, p.function AS entered FROM path p JOIN event e ON e.path_id = p.id
        WHERE p.group_name = {_quoted(driver)} ORDER BY p.id, e.position
        """
    )
    events: dict[int, list[Event]] = {}
    heads: dict[int, tuple[str, str]] = {}
    for row in rows:
        heads[row["path_id"]] = row["entry"], row["entered"]
        events.setdefault(row["path_id"], []).append(
            Event(
                Kind(row["kind"]),
                row["path"],
                row["line"],
                row["column"],
                row["function"],
                row["handle"],
                Source(row["source"]),
                Device(row["device"]),
                Sa(row["sa"]),
                bool(row["nonzero"]),
                row["text"],
            )
        )
    return [
        _Followed(*heads[number], tuple(path), _outcomes(tuple(path), used, limits))
        for number, path in events.items()
    ]


def _kept(paths: Iterable[_Followed], known: set[tuple[str, int]], driver: str) -> list[_Site]:
    """Return where a driver reads a handle back that an earlier packet left somewhere."""
    events = [event for path in paths for event in path.events]
    found = {
        (event.path, event.line): _Site(
            Place(event.path, event.line, event.column), event.function, driver, False, True, (), ""
        )
        for event in events
        if event.kind is Kind.READ and event.source is Source.STORED
    }
    return [site for place, site in sorted(found.items()) if place not in known]


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


def topologies_of(store: Store) -> Sequence[Topology]:
    """Return the same as the tree's own core and owner make them."""
    return _topologies(store, False)


def _topologies(store: Store, removed: bool) -> Sequence[Topology]:
    """Return the topologies of a driver. removed: it takes its handle out of a state by itself."""
    _, (tree, *_) = store.query("SELECT contract, shares, clears FROM tree")
    _, owners = store.query(
        """
        SELECT EXISTS (SELECT 1 FROM callback WHERE ops_table = id AND role = 'resolve') AS answers
        FROM ops_table WHERE role = 'upper' AND on_netdev
        """
    )
    # A tree that has no resolver yet has no owner with the callback, either.
    answers = tree["contract"] != "present" or not owners or any(row["answers"] for row in owners)
    return topologies_as(bool(tree["shares"]), bool(tree["clears"]) or removed, answers)


def _removed(store: Store, driver: str, how: str) -> list[Place]:
    """Return where a driver's delete or free takes the handle out of the state."""
    _, rows = store.query(
        f"SELECT * FROM site WHERE group_name = {_quoted(driver)} AND removed = {_quoted(how)}"
    )
    return [Place(row["path"], row["line"], row["column"]) for row in rows]


def topologies() -> Sequence[Topology]:
    """Return the topologies in the order of every `outcomes`."""
    return TOPOLOGIES


class InWorld(NamedTuple):
    """What lower devices get in a story. assumed: what the owner's own numbers are, in words."""

    story: str
    assumed: str
    handed: bool
    outcomes: tuple[tuple[str, Outcome], ...]


class Torn(NamedTuple):
    """What a reader in between can get in a world. lines: who does what, a line a move."""

    world: str
    lines: tuple[str, ...]


class Owner(NamedTuple):
    """An owner. function: its resolver callback, if it has one; place: where the table is filled.

    answers: what the callback returns, where, and what that comes to; nothing where its code was
    run in all worlds. worlds: what that gave; untold: how many of `total` were not answered. tears:
    what a reader in between can get, the shortest first. doubts: why some of that is not known.
    """

    driver: str
    function: str
    place: Place
    answers: tuple[tuple[Answer, Place, Outcome], ...] = ()
    worlds: tuple[InWorld, ...] = ()
    untold: int = 0
    total: int = 0
    tears: tuple[Torn, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def worst(self) -> Outcome:
        """Return the worst of its answers."""
        told = [outcome for _, _, outcome in self.answers]
        told += [outcome for world in self.worlds for _, outcome in world.outcomes]
        # 0 is what most devices are to get of most states.
        return worst(told) if severity(worst(told)) or Outcome.RIGHT not in told else Outcome.RIGHT


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


def owners(store: Store, driver: str | None = None) -> list[Owner]:
    """Return what the owners' lower devices get of them, in worlds, and what callbacks return.

    driver: of this one alone.
    """
    runs = {one.driver: one for one in _runs(store) if driver in (None, one.driver)}
    _, rows = store.query("SELECT * FROM answer ORDER BY driver, path, line, function, rowid")
    answers: dict[tuple[str, str, Place], list[tuple[Answer, Place]]] = {}
    for row in rows:
        if driver in (None, row["driver"]):
            key = row["driver"], row["function"], Place(row["path"], row["line"], 1)
            where = Place(row["answer_path"], row["answer_line"], 1)
            answers.setdefault(key, []).append((Answer(row["answer"]), where))
    found = [_owner(*key, told, runs.pop(key[0], None)) for key, told in answers.items()]
    return [*found, *(one for one in runs.values() if one.worlds)]


def _owner(
    driver: str,
    function: str,
    place: Place,
    answers: Iterable[tuple[Answer, Place]],
    ran: Owner | None,
) -> Owner:
    made = Owner(driver, function, place)
    if ran is not None:
        made = ran._replace(function=function, place=place)
        if not made.untold and any(world.handed for world in made.worlds):
            return made
    doubts = [Doubt(where, function, _REASONS[one]) for one, where in answers if one in _REASONS]
    return made._replace(
        answers=tuple((one, where, _ANSWERS[one]) for one, where in answers),
        doubts=(*doubts, *made.doubts),
    )


def _runs(store: Store) -> Iterator[Owner]:
    """Yield the owners whose code was run."""
    _, rows = store.query("SELECT * FROM owner ORDER BY driver, path")
    for row in rows:
        mine = f"WHERE driver = {_quoted(row['driver'])}"
        worlds: dict[int, InWorld] = {}
        for one in store.query(f"SELECT * FROM world {mine} ORDER BY rowid")[1]:
            world = worlds.get(one["number"])
            if world is None:
                world = InWorld(one["story"], one["assumed"], bool(one["handed"]), ())
            given = (*world.outcomes, (one["device"], Outcome(one["outcome"])))
            worlds[one["number"]] = world._replace(outcomes=given)
        tears: dict[int, Torn] = {}
        for one in store.query(f"SELECT * FROM tear {mine} ORDER BY number, position")[1]:
            torn = tears.get(one["number"], Torn(one["world"], ()))
            tears[one["number"]] = torn._replace(lines=(*torn.lines, one["line"]))
        _, untold = store.query(f"SELECT * FROM untold {mine} ORDER BY rowid")
        yield Owner(
            row["driver"],
            "",
            Place(row["path"], 0, 0),
            (),
            tuple(worlds.values()),
            row["untold"],
            row["total"],
            tuple(tears.values()),
            tuple(Doubt(Place(o["path"], o["line"], 0), "", o["reason"]) for o in untold),
        )


def _outcomes(
    events: Path,
    used: Sequence[Topology],
    limits: _Limits,
) -> dict[int, list[Outcome]]:
    """Return what each handle on a path (by where it is got) comes to in each topology."""
    row: dict[int, list[Outcome]] = {}
    for topology in used:
        got = dict(judge_path(events, topology).got)
        for at, event in enumerate(events):
            if event.kind in _GETS:
                came = got.get(at, Outcome.NOT_REACHED)
                if topology.name in limits.never:
                    came = Outcome.NOT_HANDED
                elif topology.upper and (event.path, event.line, event.column) in limits.own:
                    came = Outcome.NOT_REACHED
                elif came is Outcome.RIGHT and topology.name in limits.borrowed:
                    came = Outcome.UNKNOWN
                elif came is Outcome.STALE and limits.removed:
                    came = Outcome.UNKNOWN if event.source is Source.DIRECT else came
                row.setdefault(at, []).append(came)
    return row


def _got(
    site: _Site, paths: Sequence[_Followed], lines: Lines, unfollowed: Set[tuple[str, int]]
) -> Got:
    """Return what comes of a handle. unfollowed: the places where something stays open."""
    place = (site.place.path, site.place.line)
    best: tuple[tuple[int, ...], _Followed, int] | None = None
    by_topology: list[list[Outcome]] = [[] for _ in TOPOLOGIES]
    through = 0
    for path in paths:
        through += any((e.path, e.line) == place for e in path.events if e.kind in _GETS)
        for at, outcomes in path.row.items():
            if (path.events[at].path, path.events[at].line) != place:
                continue
            for i, outcome in enumerate(outcomes):
                by_topology[i].append(outcome)
            rank = _rank(path.events, at, worst(outcomes), lines)
            if best is None or rank > best[0]:
                best = (rank, path, at)
    steps: tuple[Step, ...] = ()
    chains = site.chains
    if best is not None:
        _, path, at = best
        steps = tuple(
            Step(event, lines(event.path, event.line)) for event in _told(path.events, at)
        )
        # A sort is stable: of the other ways the shortest is still first.
        chains = tuple(sorted(chains, key=lambda chain: not _enters(chain, path)))
    outcomes = tuple(worst(o) for o in by_topology)
    if place in unfollowed and {*outcomes} <= _NOTHING:
        # That no path is seen says nothing where one could not be followed.
        outcomes = tuple(_UNSEEN.get(one, one) for one in outcomes)
    unused = best is not None and worst(outcomes) is Outcome.NOT_REACHED
    return Got(
        site.place,
        site.function,
        site.driver,
        site.asks,
        site.kept,
        chains,
        steps,
        through,
        outcomes,
        site.note or ("unused" if unused else ""),
    )


def _enters(chain: Sequence[Hop], path: _Followed) -> bool:
    return bool(chain) and chain[0].function == path.function


def _rank(path: Path, at: int, outcome: Outcome, lines: Lines) -> tuple[int, ...]:
    """Return what is larger the more a path shows of what a handle comes to.

    Of the equally bad, one on which the handle is used, then one that does not end where the packet
    is thrown away, then one that tells more of the handle, and asks less of it.
    """
    told = _told(path, at)
    kinds = [event.kind for event in told]
    ends = [event for event in told if event.kind is Kind.RETURN]
    dropped = bool(ends) and _drops(ends[-1], lines)
    return (
        severity(outcome),
        Kind.USE in kinds,
        Kind.CUT not in kinds,
        not dropped,
        kinds.count(Kind.USE) + kinds.count(Kind.STORE),
        -kinds.count(Kind.TEST) - kinds.count(Kind.COMPARE),
    )


# What throws a packet away, by its name: kfree_skb_reason(), dev_kfree_skb_any() and their kin.
_FREES = re.compile(r"\b\w*(?:kfree_skb|free_skb|skb_free|return_frame)\w*\s*\(")
_BEFORE = re.compile(r"[{}]\s*$|\b(?:return|goto|break|continue)\b")
_MOST_LINES = 12


def _drops(end: Event, lines: Lines) -> bool:
    """Tell whether the statements that lead straight to a return throw the packet away."""
    for number in range(end.line - 1, max(0, end.line - _MOST_LINES), -1):
        text = lines(end.path, number)
        if _BEFORE.search(text):
            return False
        if _FREES.search(text):
            return True
    return False


def _told(path: Path, at: int) -> list[Event]:
    """Return the events of a path that speak of a handle, and how it ends."""
    return [
        event
        for event in path[at:]
        if event.handle == path[at].handle or event.kind in (Kind.RETURN, Kind.CUT)
    ]
