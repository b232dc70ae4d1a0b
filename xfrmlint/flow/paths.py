"""A driver's paths: from each of its datapath entries, the events of every way through."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple, TypeVar

from xfrmlint.c.graph import Does
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName
from xfrmlint.errors import TOO_DEEP
from xfrmlint.flow.code import Code
from xfrmlint.flow.discarded import is_discarded
from xfrmlint.flow.driver import Driver
from xfrmlint.flow.events import Device, Event, Kind, Path, Source
from xfrmlint.flow.lifetime import kept_later
from xfrmlint.flow.run import MOST_IN_ALL, Run
from xfrmlint.flow.values import OPEN, Constant, Exit, Handle, HandleId, Mark, Named, State
from xfrmlint.kernel import structs
from xfrmlint.kernel.doors import DATAPATH, offloads_flows
from xfrmlint.program.access import Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.sites import RESOLVE, Site


class Followed(NamedTuple):
    """A path. entry: the entry's name, or empty where the way there was not followed.

    known: beside each event, what was known of its handle then: zero, nonzero, compared (with
    something that may exclude 0), or nothing. named: beside each RESOLVE, where its device was
    named. calls: beside it, the calls that lead to it from the entry, and its own.
    """

    entry: str
    function: FunctionName
    events: Path
    known: tuple[str, ...]
    named: tuple[Named | None, ...]
    calls: tuple[str, ...]


class _Start(NamedTuple):
    """A door that paths are followed from. in_table: of a handler table of the driver's own."""

    in_table: bool
    function: FunctionName
    name: str


class Traced(NamedTuple):
    """What following a driver's packets came to.

    dead: sites that no path can reach. thrown: resolver calls whose result is used on none.
    doubts: what could not be followed.
    """

    paths: tuple[Followed, ...]
    dead: frozenset[Place]
    thrown: frozenset[Place]
    doubts: tuple[Doubt, ...]


K = TypeVar("K")
_NO_PATH = "no path from an entry leads here"
_OTHERS_CUT = "no path that was followed leads here, and others were cut off before their end"
_NOT_FOLLOWED = "what is done with this handle could not be followed"
_TABLE = "handler table"
_MAKING = (Kind.READ, Kind.RESOLVE)
_HANDLED = (Kind.TEST, Kind.COMPARE, Kind.USE, Kind.STORE)
# Functions that are counted of what an entry leads to.
_MOST_SIZED = 500
# What happens to handles on all ways through an entry; a driver of 7.3 has some hundreds.
_MOST_EVENTS = 20_000
_TOO_MANY_WAYS = "there are more ways through it than are looked into"


def trace(graph: CallGraph, offload: str, sites: Sequence[Site]) -> Traced:
    """Follow the paths of one driver. sites: those of its datapath."""
    reached = frozenset(f for site in sites for f in site.reached.functions)
    reached |= {inner for f in reached for inner, _ in graph.incoming(f).inner}
    doors = [
        _Start(entry.via == _TABLE, function, entry.name)
        for entry, function in sorted({door for site in sites for door in site.reached.doors})
        if entry.context == DATAPATH or offloads_flows(entry.name)
    ]
    doubts: list[Doubt] = []
    asked = frozenset(site.place for site in sites if site.access == RESOLVE)
    try:
        driver = Driver(graph, offload, reached)
        run = Run(Code(driver, asked=asked))
        paths = _from_entries(run, doors, reached, doubts)
        kept = frozenset(m for m in run.code.kept if m[0])
        if kept:
            # What one packet leaves another finds.
            run = Run(Code(driver, kept, asked, run.code.removed))
            paths = _from_entries(run, doors, reached, doubts)
    except RecursionError:
        lost = [Doubt(site.place, site.function.name, TOO_DEEP) for site in sites]
        return Traced((), frozenset(), frozenset(), tuple(lost))
    dead = set()
    known = set(paths)
    entered = set()
    for site in _missed(sites, paths):
        if _is_dead(run, site):
            dead.add(site.place)
            continue
        why = _OTHERS_CUT if run.code.cut_off else _NO_PATH
        doubts.append(Doubt(site.place, site.function.name, why))
        if site.function in entered:
            continue
        entered.add(site.function)
        for exit_ in _entered(run, site.function, doubts, from_kernel=False):
            followed = _followed(run.code.driver, "", site.function, exit_)
            if followed not in known:
                known.add(followed)
                paths.append(followed)
    lost_places = {(s.place.path, s.place.line) for s in _missed(sites, paths)}
    met = lost_places.union(at for at, handled in _fates(paths, _place).items() if handled)
    thrown = frozenset(
        site.place
        for site in sites
        if site.access == RESOLVE
        and site.place not in dead
        and (site.place.path, site.place.line) not in met
    )
    for site in sites:
        if site.place in thrown and not is_discarded(graph, site.view, site.place):
            doubts.append(Doubt(site.place, site.function.name, _NOT_FOLLOWED))
            thrown -= {site.place}
    doubts += [
        Doubt(named.place, named.function, _NOT_FOLLOWED)
        for named, handled in _fates(paths, _wrapper).items()
        if named is not None and not handled
    ]
    wrong = {place for path in paths for place in _asked_wrongly(path.events)}
    doubts += [doubt for path in paths for doubt in _doubts(path, wrong)]
    stored = {(e.path, e.line) for path in paths for e in path.events if e.kind is Kind.STORE}
    later = kept_later(run.code)
    doubts += [one for one in later if (one.place.path, one.place.line) not in stored]
    return Traced(tuple(paths), frozenset(dead), thrown, tuple(dict.fromkeys(doubts)))


def _entered(
    run: Run,
    function: FunctionName,
    doubts: list[Doubt],
    from_kernel: bool = True,
    most: int = MOST_IN_ALL,
    names_device: str = "yes",
    in_table: bool = False,
) -> list[Exit]:
    """Run a function; one that is nested too deeply for this interpreter is a doubt."""
    try:
        return run.enter(
            function, from_kernel, most=most, names_device=names_device, in_table=in_table
        )
    except RecursionError:
        run.give_up()
        doubts.append(Doubt(Place(function.path, function.line, 1), function.name, TOO_DEEP))
        return []


def _from_entries(
    run: Run, doors: Sequence[_Start], reached: Iterable[FunctionName], doubts: list[Doubt]
) -> list[Followed]:
    size = _sizes(run, reached)
    sized = [(d.in_table, size.get(d.function, 0), d.function, d.name) for d in doors]
    started: dict[FunctionName, list[Followed]] = {}
    left = MOST_IN_ALL
    for number, (in_table, _, function, name) in enumerate(sorted(sized)):
        # A handler that is called from a real door needs no door of its own.
        if function not in started and not (in_table and function in run.code.entered):
            before = run.steps
            own = run.code.driver.contract.stores_device(name)
            most = left // (len(doors) - number)
            exits = _entered(run, function, doubts, most=most, names_device=own, in_table=in_table)
            kept = _looked_into(exits, function, doubts)
            if len(kept) < len(exits):
                run.give_up()
            started[function] = [_followed(run.code.driver, name, function, one) for one in kept]
            left -= run.steps - before
    return list(dict.fromkeys(path for function in sorted(started) for path in started[function]))


def _sizes(run: Run, reached: Iterable[FunctionName]) -> dict[FunctionName, int]:
    """Return how much there is to follow from each function: the cheapest is entered first."""
    called: dict[FunctionName, set[FunctionName]] = {f: set() for f in reached}
    for function in reached:
        for edge in run.code.driver.graph.incoming(function).edges:
            if edge.caller in called:
                called[edge.caller].add(function)
    own = {f: sum(len(body.graph.steps) for body in run.code.driver.bodies(f)) for f in called}
    found = {}
    for function in called:
        seen, wanted = {function}, [function]
        # What leads to more comes last, however much more it is.
        while wanted and len(seen) < _MOST_SIZED:
            fresh = called[wanted.pop()] - seen
            seen |= fresh
            wanted += fresh
        found[function] = sum(own[f] for f in seen)
    return found


def _looked_into(
    exits: Sequence[Exit], function: FunctionName, doubts: list[Doubt]
) -> Sequence[Exit]:
    """Return as many ways through a function as hold no more events than are looked into."""
    left = _MOST_EVENTS
    for number, exit_ in enumerate(exits):
        left -= len(exit_.state.trail)
        if left < 0:
            place = Place(function.path, function.line, 1)
            doubts.append(Doubt(place, function.name, _TOO_MANY_WAYS))
            return exits[:number]
    return exits


def _missed(sites: Iterable[Site], paths: Iterable[Followed]) -> list[Site]:
    """Return the sites that are on no path."""
    met = {(e.path, e.line) for path in paths for e in path.events if e.kind in _MAKING}
    return [site for site in sites if (site.place.path, site.place.line) not in met]


def _is_dead(run: Run, site: Site) -> bool:
    """Tell whether a site on no path is unreachable, rather than not followed to."""
    if run.code.cut_off or _is_misread(run, site.place):
        return False
    if site.function in run.code.entered:
        return True
    edges = run.code.driver.graph.incoming(site.function).edges
    return bool(edges) and all(not edge.via and edge.caller in run.code.entered for edge in edges)


def _is_misread(run: Run, place: Place) -> bool:
    """Tell whether a function holds what the parser doesn't understand, as it is written.

    The way to what stands behind that may be lost, or all of it: `int f(void) BODY({ ... })`.
    """
    unit = run.code.driver.reader.corpus.unit(place.path)
    item = unit.item_at(unit.offset(place.line, place.column))
    return item is None or item.node.has_error


def _fates(paths: Iterable[Followed], making: Callable[[Event, Named | None], K]) -> dict[K, bool]:
    """Return whether something is done with handles on any path. making: as what one is made."""
    found: dict[K, bool] = {}
    for path in paths:
        made: dict[int, K] = {}
        for event, named in zip(path.events, path.named, strict=True):
            if event.kind in _MAKING and (one := making(event, named)):
                made[event.handle] = one
                found.setdefault(one, False)
            elif event.kind in _HANDLED and event.handle in made:
                found[made[event.handle]] = True
            elif event.kind is Kind.CUT:
                # What comes behind is not known.
                found.update(dict.fromkeys(made.values(), True))
    return found


def _place(event: Event, _: Named | None) -> tuple[str, int]:
    return event.path, event.line


def _wrapper(event: Event, named: Named | None) -> Named | None:
    """Return the call of a wrapper that makes a handle."""
    asks = event.kind is Kind.RESOLVE and named is not None and named.function != event.function
    return named if asks else None


def _asked_wrongly(events: Path) -> Iterator[Place]:
    """Yield where the resolver is asked for a device that is surely not the one at work."""
    for event in events:
        if event.kind is Kind.RESOLVE and event.device not in (Device.OWN, Device.UNKNOWN):
            yield Place(event.path, event.line, event.column)


def _doubts(path: Followed, wrong: Collection[Place]) -> list[Doubt]:
    """Return what a path leaves open. wrong: where others ask the resolver for a wrong device."""
    found = []
    resolved = {e.handle for e in path.events if e.source is Source.RESOLVED}
    for event, known in zip(path.events, path.known, strict=True):
        why = ""
        place = Place(event.path, event.line, event.column)
        if event.kind is Kind.CUT:
            why = event.text
        elif event.kind is Kind.RESOLVE and event.device is Device.UNKNOWN:
            on = " on other ways than the wrong one" if place in wrong else ""
            why = f"which device the resolver is asked for{on} is not known"
            why += f": {event.text}" if event.text else ""
        elif event.kind is Kind.USE and known == "compared" and event.handle in resolved:
            why = "whether the comparison before this use excludes 0 is not known"
        elif event.kind is Kind.USE and known == "unseen" and event.handle in resolved:
            why = f"a handle without a test is {event.text}, which is not seen and may test it"
        if why:
            found.append(Doubt(place, event.function, why))
    return found


def _followed(driver: Driver, entry: str, function: FunctionName, exit_: Exit) -> Followed:
    marks = _settled(exit_.state)
    value = exit_.value
    place = value.place if isinstance(value, Constant) else _end(driver, function)
    text = _named(driver, value) if isinstance(value, Constant) else ""
    # The finding's function is the one around its line, not the entry that hands it on.
    around = value.function if isinstance(value, Constant) else function.name
    marks.append(Mark(Kind.RETURN, place, around, text=text))
    numbers: dict[HandleId, int] = {}
    events = []
    # Which device has to be asked for there the flow's direction says (program/flows.py).
    flow = offloads_flows(entry)
    for mark in marks:
        if flow and mark.kind is Kind.RESOLVE:
            mark = mark._replace(device=Device.OWN, text="")
        elif mark.device is Device.SAVED and mark.member is not None:
            device, why = driver.members.settled(mark.member, function)
            mark = mark._replace(device=device, text=why)
        number = -1
        if mark.handle is not None:
            number = numbers.setdefault(mark.handle, len(numbers))
        events.append(
            Event(
                mark.kind,
                *mark.place,
                mark.function,
                number,
                mark.source,
                mark.device,
                mark.sa,
                mark.nonzero,
                mark.text,
            )
        )
    known = tuple(mark.known for mark in marks)
    named = tuple(mark.named for mark in marks)
    calls = tuple(_calls(mark.handle) if mark.kind is Kind.RESOLVE else "" for mark in marks)
    return Followed(entry, function, tuple(events), known, named, calls)


def _end(driver: Driver, function: FunctionName) -> Place:
    """Return where a function ends: at its one return, else at its closing brace."""
    for body in driver.bodies(function):
        found = [step.node for step in body.graph.steps if step.does is Does.RETURN]
        only = found[0] if len(found) == 1 else None
        end = body.view.node.end_byte - 1
        return body.view.place(only.start_byte if only is not None else end)
    return Place(function.path, function.line, 1)


def _named(driver: Driver, value: Constant) -> str:
    """Return what a function returns: by the kernel's name, if it is that number."""
    path = value.place.path
    number = value.number or driver.constants.value(value.text, path)
    for name in structs.ENUMERATORS:
        same = driver.constants.value(name, path)
        if number is not None and number.value and same is not None and same.value == number.value:
            return name
    return value.text


def _calls(handle: HandleId | None) -> str:
    """Return the calls that made a handle, outermost first."""
    places = [one for one in handle or () if isinstance(one, Place)]
    return " ".join(f"{one.path}:{one.line}:{one.column}" for one in places)


def _settled(state: State) -> list[Mark]:
    """Settle the stores into memory of unknown lifetime, by what is known of the handle at the end.

    One that is tested behind the store is used then, and only where it isn't 0; else the store is
    its use, and the first one counts. What is cleared again does not outlive the packet.
    """
    trail = [_unless_cleared(mark, state) for mark in state.trail]
    resolved = {m.handle for m in trail if m.source is Source.RESOLVED}
    found: list[Mark] = []
    later: list[Mark] = []
    used: set[HandleId] = set()
    for at, mark in enumerate(trail):
        if mark.handle is not None and mark.kind in (*_MAKING, Kind.TEST):
            used.discard(mark.handle)
        if mark.kind is Kind.USE and mark.handle in used:
            continue
        stores = bool(mark.put) or mark.kind is Kind.STORE
        test = _last_test(trail[at + 1 :], mark.handle) if stores else None
        if mark.kind is Kind.STORE and not mark.known and test is not None and not test.nonzero:
            # There was none.
            mark = mark._replace(known="zero")
        if not mark.put:
            found.append(mark)
            continue
        if mark.put == "packet":
            if test is None and not mark.known:
                why = "a handle goes with the packet without a test"
                later.append(mark._replace(kind=Kind.CUT, handle=None, text=why))
        elif mark.put.startswith(OPEN):
            if mark.handle in resolved and mark.known != "zero":
                why = f"whether what is {mark.text} outlives the packet is not known: "
                why += mark.put.removeprefix(OPEN)
                later.append(mark._replace(kind=Kind.CUT, handle=None, text=why))
        elif test is None:
            found.append(mark._replace(kind=Kind.USE))
            used.update([mark.handle] if mark.handle is not None else [])
        elif test.nonzero:
            later.append(mark._replace(kind=Kind.USE, known="nonzero"))
    return found + later


def _unless_cleared(mark: Mark, state: State) -> Mark:
    """Return a store where it outlives the packet as one that does not, if it is cleared again."""
    if not mark.at or mark.put or isinstance(state.memory.get(mark.at), Handle):
        return mark
    # Of a table or a list another element can have been.
    sure = {"[]", "container"}.isdisjoint(mark.at)
    return mark._replace(put="packet" if sure else f"{OPEN}one like it is cleared")


def _last_test(trail: Sequence[Mark], handle: HandleId | None) -> Mark | None:
    """Return the last test of a handle, before another one is got by the same call."""
    own = (mark for mark in trail if mark.handle == handle)
    tests = [m for m in takewhile(lambda m: m.kind not in _MAKING, own) if m.kind is Kind.TEST]
    return tests[-1] if tests else None
