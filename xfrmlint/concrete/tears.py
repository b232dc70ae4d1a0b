"""Torn reads (P5): the tree's own order of reads against its own order of writes.

What an owner's code wrote when it was run through a story is a program of the model's; the reader
is the tree's resolver, which reads each member once and decides by running it on what was read.
First it answers 0 where it asks the owner's callback; then with what the callback reads by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from xfrmlint.c.configuration import ON
from xfrmlint.c.integers import Int
from xfrmlint.c.reader import Reader
from xfrmlint.concrete.faults import Outside
from xfrmlint.concrete.kernel import Deed, Event
from xfrmlint.concrete.lab import Ran
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.resolver import in_worlds
from xfrmlint.concrete.runs import Runs
from xfrmlint.concrete.scene import Blamed, Scene
from xfrmlint.concrete.sources import Sources
from xfrmlint.concrete.states import Case
from xfrmlint.contract.words import HANDLE, OWNER, PINNED, Contract
from xfrmlint.model.interleave import READS, Field, Order, Scenario, Schedule, Step, torn, written
from xfrmlint.model.reference import State
from xfrmlint.model.stories import Deed as Happens
from xfrmlint.model.worlds import valid_on

_ROLES: tuple[tuple[str, Field], ...] = (
    (OWNER, "owner"),
    (PINNED, "pinned"),
    (HANDLE, "handle"),
)


class Tear(NamedTuple):
    """A schedule in which a device gets another class's handle.

    blamed: whose writes these are; the resolver (by_reads) where its revision reads in another
    order, in which these writes do no harm.
    """

    driver: str
    scene: Scene
    schedule: Schedule
    blamed: Blamed
    by_reads: bool = False


def tears(reader: Reader, ran: Ran) -> list[Tear]:
    """Return the shortest bad schedule of each scene in which an owner's code moves a state."""
    resolver = reader.contract.resolver
    if resolver is None or not any(map(_is_moved, ran.scenes)):
        return []
    sources = Sources(reader, ON)
    found = sources.definitions(resolver.name, resolver.place.path)
    return list(_tears(ran, found[0][0], sources)) if found else []


def _is_moved(scene: Scene) -> bool:
    return (
        scene.handed
        and not scene.supposed
        and any(s.deed is Happens.FAIL_OVER for s in scene.story.steps)
    )


def _tears(ran: Ran, source: Source, sources: Sources) -> Iterator[Tear]:
    asked = in_worlds(source, sources)
    order = None if asked.broken else order_of(asked.reads, sources.contract)
    blamed = ran.owner.blamed or ran.owner.moves
    if order is None or blamed is None:
        return
    decide = _decider(source, sources, ran.answers)
    known = sources.contract.shape in ("revision 1", "revision 2")
    for scene in filter(_is_moved, ran.scenes):
        scenario = _scenario(scene, sources.contract)
        try:
            schedule = torn(order, scenario, decide)
            by_reads = (
                schedule is not None
                and known
                and order != READS
                and not torn(READS, scenario, decide)
                and not _behind(scene, scenario, sources.contract, READS)
            )
            schedule = schedule or _behind(scene, scenario, sources.contract)
        except Outside:
            continue
        if schedule is not None:
            whose = source if by_reads else blamed
            place = Blamed(whose.name, whose.path, whose.line)
            yield Tear(ran.owner.name, scene, schedule, place, by_reads)


def _behind(
    scene: Scene, scenario: Scenario, contract: Contract, first: Order = ()
) -> Schedule | None:
    """Return the shortest bad schedule with the reads of the owner's callback, if there is one.

    first: the order in which the resolver's own reads come, if not as the tree has them.
    """
    named = {contract.member(role): field for role, field in _ROLES}
    reader = scene.reader
    if reader is None or len(reader.members) <= len(named):
        return None
    own = tuple(named[name] for name in reader.members)
    # The resolver's reads end where it has read each member, one of them twice perhaps.
    ends = next((n for n in range(len(own) + 1) if set(own[:n]) >= set(first)), 0)
    if not set(own[:ends]) <= set(first):
        first, ends = (), 0
    order = (*first, *own[ends:])
    # Where each value is that the tree's own resolver reads next.
    at = [first.index(field) for field in own[:ends]]
    known: dict[tuple[tuple[str | int | None, ...], str], int] = {}

    def outcome(values: tuple[str | int | None, ...], device: str) -> int:
        values = (*(values[n] for n in at), *values[len(first) :])
        if (values, device) not in known:
            # What can't be told tears nothing.
            known[values, device] = reader.handle(values, device) or 0
        return known[values, device]

    return torn(order, scenario, outcome=outcome)


def order_of(reads: Sequence[str], contract: Contract) -> Order | None:
    """Return the order in which the three members are read; None if not each once."""
    named = {contract.member(role): field for role, field in _ROLES}
    order = tuple(named[name] for name in reads if name in named)
    return order if sorted(order) == sorted(named.values()) else None


def _decider(source: Source, sources: Sources, answers: bool) -> Callable[[State, str], int]:
    """Return the tree's own resolver as a function of what it has read. Its calls raise Outside."""
    runs = Runs(source, sources)

    def decide(state: State, device: str) -> int:
        asked = state._replace(callback={} if answers else None)
        value = runs.result(Case(asked, device)).value
        return value.value if isinstance(value, Int) else 0

    return decide


def _scenario(scene: Scene, contract: Contract) -> Scenario:
    """Return what the owner did in a story as a program, from the state that its add left."""
    state = State(None, None, 0)
    first, *rest = scene.events
    for step in _program(first, contract):
        state = written(state, step)
    program = tuple(step for events in rest for step in _program(events, contract))
    world = scene.world
    shared = {handle: valid_on(world, handle) for handle in world.issued}
    names = {field: contract.member(role) for role, field in _ROLES}
    return Scenario(scene.world.name, state, {"owner": program}, world.issued, shared, names)


def _program(events: Sequence[Event], contract: Contract) -> Iterator[Step]:
    named = {contract.member(role): field for role, field in _ROLES}
    for event in events:
        field = named.get(event.member)
        if event.deed is Deed.WAITS:
            yield Step(str(event.deed), waits=True)
        elif event.deed is Deed.WRITES and field is not None:
            yield Step(f"{event.member} = {_shown(event.value)}", field, event.value)
        elif event.deed is Deed.ADD and field is not None:
            text = f"{event.device}'s add: {event.member} = {_shown(event.value)}"
            yield Step(text, field, event.value)
        elif event.deed in (Deed.DELETE, Deed.FREE):
            yield Step(f"{event.device}'s {event.deed}")


def _shown(value: str | int | None) -> str:
    if value is None:
        return "NULL"
    return f"{value:#x}" if isinstance(value, int) else value
