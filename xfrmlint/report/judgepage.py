"""`xfrmlint judge --format html`: one page that needs nothing else, and no script.

The templates lay out what is put together here. All they are given is text, and Jinja escapes it:
what a tree calls its files and functions is never markup.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from xfrmlint import __version__
from xfrmlint.analysis.judgement import Got, Judgement, Owner
from xfrmlint.model.judge import Outcome, severity, worst
from xfrmlint.model.topology import TOPOLOGIES, Topology
from xfrmlint.program.access import Doubt
from xfrmlint.report.callgraph import Row, graph_of, outline, where
from xfrmlint.report.earlier import Handle, Run
from xfrmlint.report.excerpt import Excerpt, Source, Stop, excerpts
from xfrmlint.report.judge import CAST, in_words, note_of, shown, words_of
from xfrmlint.report.links import Link, no_link
from xfrmlint.report.picture import Picture, picture_of
from xfrmlint.report.terminal import printable


class Head(NamedTuple):
    """What is said of the whole run. commit, date: empty where they aren't known.

    others: sentences on drivers that get no handle. topologies: as the tree's core makes them.
    """

    version: str
    contract: str
    commit: str = ""
    date: str = ""
    others: Sequence[str] = ()
    topologies: Sequence[Topology] = TOPOLOGIES


class _Got(NamedTuple):
    """Handles that come to the same in a topology: the text and the link of each."""

    outcome: Outcome | None
    handles: tuple[tuple[str, str], ...]


class _Topology(NamedTuple):
    """A row of a driver's table. before: what an earlier run has there."""

    name: str
    sentence: str
    expected: str
    shared: str
    outcome: Outcome
    got: tuple[_Got, ...]
    before: tuple[_Got, ...]
    change: str


class _Shown(NamedTuple):
    """A handle. others: the ways there that are not shown as lines of source."""

    id: str
    label: str
    got: Got
    title: str
    excerpts: tuple[Excerpt, ...]
    others: tuple[str, ...]


class _Driver(NamedTuple):
    id: str
    judged: Judgement
    worst: Outcome
    before: Outcome | None
    change: str
    told: str
    topologies: tuple[_Topology, ...]
    handles: tuple[_Shown, ...]
    picture: Picture
    outline: tuple[Row, ...]
    links: dict[str, str]
    doubts: tuple[Doubt, ...]


class _Owner(NamedTuple):
    id: str
    judged: Owner
    worst: Outcome
    before: Outcome | None
    change: str
    asking: tuple[str, ...]
    open: tuple[str, ...]


_KINDS = {
    Outcome.OTHER: "other",
    Outcome.STALE: "stale",
    Outcome.ZERO_USED: "zero",
    Outcome.MISSING: "zero",
    Outcome.UNKNOWN: "unknown",
    Outcome.ZERO_TESTED: "fine",
    Outcome.RIGHT: "fine",
    Outcome.NOT_HANDED: "none",
    Outcome.NOT_REACHED: "none",
}
_WORDS = {
    Outcome.OTHER: "The packet leaves, or is taken, under an SA that is not its own.",
    Outcome.STALE: "The device's own handle, but deleted and freed.",
    Outcome.ZERO_USED: "The device has no handle, and the driver uses the 0 as one.",
    Outcome.MISSING: "An owner answers with 0, although the device has a handle.",
    Outcome.UNKNOWN: "It could not be told; nothing is claimed.",
    Outcome.ZERO_TESTED: (
        "The device has no handle, and the driver notices: it drops the packet, or goes on in "
        "software."
    ),
    Outcome.RIGHT: "What the device's own add returned.",
    Outcome.NOT_HANDED: "The tree's owner never hands the state to such a device.",
    Outcome.NOT_REACHED: "No packet takes that way in this topology, or no handle is used on it.",
}


def page(
    found: Sequence[Judgement],
    owners: Sequence[Owner],
    head: Head,
    source: Source,
    link: Link = no_link,
    earlier: Run | None = None,
) -> Iterator[str]:
    """Yield the page's lines, the same for the same tree.

    source: for excerpts. link: what the places lead to, beside the page's own excerpts. earlier:
    what stands beside each driver of this run.
    """
    drivers = [
        _driver(number, one, head.topologies, source, link, earlier)
        for number, one in enumerate(found, start=1)
    ]
    callbacks = [_owner(number, one, earlier) for number, one in enumerate(owners, start=1)]
    told = {one.driver for one in found} | {one.driver for one in owners}
    then = {**earlier.owners, **_worst(earlier)} if earlier is not None else {}
    ranked: list[_Driver | _Owner] = sorted(
        [*drivers, *callbacks], key=lambda one: (-severity(one.worst), one.judged.driver)
    )
    lines = (
        _environment(link)
        .get_template("judge.html")
        .generate(
            head=head,
            tool=__version__,
            drivers=drivers,
            owners=callbacks,
            ranked=ranked,
            counts=_counts([*found, *owners]),
            earlier=earlier,
            gone={name: outcome for name, outcome in then.items() if name not in told},
        )
    )
    yield from "".join(lines).splitlines()


def _environment(link: Link) -> Environment:
    environment = Environment(
        loader=PackageLoader("xfrmlint.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda outcome: _KINDS[outcome]
    environment.filters["open"] = _openness
    environment.globals.update(link=link, words=_WORDS, cast=CAST)
    environment.filters["world"] = in_words
    environment.filters["answer"] = shown
    return environment


def _finalized(value: Any) -> Any:
    r"""Return text of the tree with its control characters as \x1b; markup is the templates' own.

    An undefined name must fail, not become text.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value)
    return value


def _openness(outcome: Outcome) -> str:
    """Return which of the page's choices hide what has an outcome."""
    if severity(outcome) == 0:
        return "well"
    return "open" if outcome is Outcome.UNKNOWN else "wrong"


def _counts(found: Iterable[Judgement | Owner]) -> list[tuple[Outcome, int]]:
    counts = Counter(one.worst() for one in found)
    return [(outcome, counts[outcome]) for outcome in Outcome if counts[outcome]]


def _worst(earlier: Run) -> dict[str, Outcome]:
    return {name: outcome for name, (outcome, _) in earlier.drivers.items()}


def _change(before: Outcome | None, now: Outcome, compared: bool) -> str:
    """Return what became of an outcome, in a word; nothing where it is as it was."""
    if not compared or before is now:
        return ""
    if before is None:
        return "new"
    change = severity(now) - severity(before)
    return "worse" if change > 0 else "better" if change < 0 else "other"


def _owner(number: int, one: Owner, earlier: Run | None) -> _Owner:
    before = earlier.owners.get(one.driver) if earlier is not None else None
    change = _change(before, one.worst(), earlier is not None)
    names = dict.fromkeys(name for world in one.worlds for name, _ in world.outcomes)
    opens = tuple(_openness(worst(got for _, got in world.outcomes)) for world in one.worlds)
    return _Owner(f"owner-{number}", one, one.worst(), before, change, tuple(names), opens)


def _driver(
    number: int,
    one: Judgement,
    known: Sequence[Topology],
    source: Source,
    link: Link,
    earlier: Run | None,
) -> _Driver:
    name = f"driver-{number}"
    then = earlier.drivers.get(one.driver) if earlier is not None else None
    before, old = then if then is not None else (None, ())
    handles = tuple(
        _shown(f"{name}-handle-{at}", handle, source) for at, handle in enumerate(one.handles, 1)
    )
    graph = graph_of(one)
    rows = tuple(outline(graph))
    lines = {
        (node.path, node.line): address
        for node in graph.nodes
        if (address := link(node.path, node.line))
    }
    shown = {
        (stop.path, stop.line): f"#{handle.id}-step-{stop.number}"
        for handle in reversed(handles)
        for stop in _stops(handle.got)
    }
    targets = {
        row.node.name: (
            lines.get((row.node.path, row.node.line))
            or shown.get((row.node.path, row.node.line))
            or f"#{name}-row-{at}"
        )
        for at, row in reversed(list(enumerate(rows, 1)))
    }
    table = tuple(
        _topology(at, topology, one, handles, old, then is not None)
        for at, topology in enumerate(known)
    )
    change = _change(before, one.worst(), earlier is not None)
    return _Driver(
        name,
        one,
        one.worst(),
        before,
        change or ("other" if any(row.change for row in table) else ""),
        _told(one.outcomes),
        table,
        handles,
        picture_of(graph),
        rows,
        targets,
        one.doubts,
    )


def _told(outcomes: Sequence[Outcome]) -> str:
    """Return in how many topologies a driver is wrong, or else not known, or right."""
    wrong = sum(severity(outcome) > severity(Outcome.UNKNOWN) for outcome in outcomes)
    unknown = outcomes.count(Outcome.UNKNOWN)
    if wrong:
        return f"wrong in {wrong} of {len(outcomes)}"
    return f"unknown in {unknown} of {len(outcomes)}" if unknown else "nothing wrong"


def _topology(
    at: int,
    topology: Topology,
    one: Judgement,
    handles: Sequence[_Shown],
    old: Sequence[Handle],
    compared: bool,
) -> _Topology:
    got = _grouped((shown.got.outcomes[at], shown.label, f"#{shown.id}") for shown in handles)
    before = _grouped((handle.outcomes[at], handle.label, "") for handle in old)
    then = [group.outcome for group in before if group.outcome is not None]
    change = _change(worst(then) if then else None, one.outcomes[at], compared)
    if compared and [(g.outcome, len(g.handles)) for g in got] != [
        (g.outcome, len(g.handles)) for g in before
    ]:
        change = change or "other"
    return _Topology(
        topology.name,
        topology.sentence,
        f"{topology.device}'s own" if topology.wanted else "none: 0, and a test of it",
        _holder(topology, topology.state.handle),
        one.outcomes[at],
        got,
        before,
        change,
    )


def _grouped(found: Iterable[tuple[Outcome | None, str, str]]) -> tuple[_Got, ...]:
    groups: dict[Outcome | None, list[tuple[str, str]]] = {}
    for outcome, label, target in found:
        groups.setdefault(outcome, []).append((label, target))
    return tuple(
        _Got(outcome, tuple(groups[outcome])) for outcome in (*Outcome, None) if outcome in groups
    )


def _holder(topology: Topology, number: int) -> str:
    """Return whose handle a number is."""
    freed = {h: f"{device}'s handle, which is freed" for device, h in topology.revoked.items()}
    held = [f"{device}'s" for device, handle in topology.held.items() if handle == number]
    return f"{' and '.join(held)} handle" if held else freed.get(number, "0")


def _shown(name: str, handle: Got, source: Source) -> _Shown:
    return _Shown(
        name,
        where(handle.place.path, handle.place.line),
        handle,
        f"{handle.worst()}{note_of(handle)}",
        tuple(excerpts(_stops(handle), source)),
        tuple(" → ".join(_hops(chain)) for chain in handle.chains[1:]),
    )


def _hops(chain: Sequence[Any]) -> Iterator[str]:
    for number, hop in enumerate(chain):
        if not number:
            yield hop.via
        yield f"{hop.function}() {where(hop.path, hop.line)}"


def _stops(handle: Got) -> list[Stop]:
    """Return the way to a handle and what becomes of it, a step after the other."""
    found = []
    inside = ""
    for hop in handle.chains[0] if handle.chains else ():
        if not inside:
            said = f"the kernel enters through {hop.via}: {hop.function}()"
        else:
            said = f"calls {hop.function}()" + (f" through {hop.via}" if hop.via else "")
        found.append((hop.path, hop.line, inside, said))
        inside = hop.function
    for step in handle.steps:
        event = step.event
        found.append((event.path, event.line, event.function, words_of(event)))
    return [Stop(number, *stop) for number, stop in enumerate(found, start=1)]
