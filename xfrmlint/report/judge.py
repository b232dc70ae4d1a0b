"""What `xfrmlint judge` prints: for each handle its chain, its events, and what the device gets."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from xfrmlint.analysis.judgement import Got, InWorld, Judgement, Owner, Step, topologies
from xfrmlint.flow.events import Device, Event, Kind, Sa, Source
from xfrmlint.model.judge import Outcome
from xfrmlint.model.topology import Topology
from xfrmlint.program.access import Doubt
from xfrmlint.report.columns import aligned
from xfrmlint.report.json import dump
from xfrmlint.report.terminal import printable

CAST = "U is the owner; A, B and D are of one chip, C of another"
_NOTES = {
    "dead": " (no path can get here)",
    "thrown": " (nothing is done with the result)",
    "unused": " (only read or printed)",
    "": "",
}


def note_of(handle: Got) -> str:
    """Return what else is to be said of a handle, in parentheses."""
    return _NOTES[handle.note]


def render(
    found: Sequence[Judgement], owners: Sequence[Owner], others: Sequence[str] = ()
) -> Iterator[str]:
    """Yield the page's lines. others: what is to be said of a driver that gets no handle."""
    for owner in owners:
        yield f"{printable(owner.driver)}: owner: {owner.worst()}"
        if owner.function:
            place = f"{printable(owner.place.path)}:{owner.place.line}"
            yield f"  {place}: {printable(owner.function)}() answers for lower devices"
        yield from _worlds(owner)
        for answer, where, outcome in owner.answers:
            yield f"    {printable(where.path)}:{where.line}: returns {answer}: {outcome}"
        yield from _doubts(owner.doubts)
        yield ""
    for number, one in enumerate(found):
        if number:
            yield ""
        count = len(one.handles)
        opted = "opted in" if one.opted_in else "not opted in"
        yield (
            f"{printable(one.driver)}: {opted}, {count} handle{'s' * (count != 1)} "
            f"on the datapath, {one.paths} paths: {one.worst()}"
        )
        for handle in one.handles:
            yield ""
            yield from _handle(handle)
        yield ""
        yield from _table(one)
        yield from _doubts(one.doubts)
    yield from map(printable, others)
    if not found and not others:
        yield "no lower driver gets a handle on its datapath"


def _worlds(owner: Owner) -> Iterator[str]:
    """Yield what each lower device gets in each world, and how a reader in between comes off."""
    if not owner.total:
        return
    yield f"  {owner.untold} of {owner.total} worlds not answered ({CAST})"
    names = list(dict.fromkeys(name for world in owner.worlds for name, _ in world.outcomes))
    rows = [["  world", *names]]
    for world in owner.worlds:
        said = [f"  {printable(in_words(world))}"]
        by_name = dict(world.outcomes)
        rows.append([*said, *(shown(by_name[name]) for name in names)])
    yield from aligned(rows)
    for tear in owner.tears[:1]:
        yield f"  torn reads: {printable(tear.world)}:"
        yield from (f"    {printable(line)}" for line in tear.lines)


def in_words(world: InWorld) -> str:
    """Return a world in words: what happened, and what the owner's own numbers are."""
    return ", ".join(filter(None, [world.story, world.assumed]))


def shown(outcome: Outcome) -> str:
    """Return what a lower device gets, in words."""
    return "0" if outcome is Outcome.ZERO_TESTED else str(outcome)


def _doubts(doubts: Iterable[Doubt]) -> Iterator[str]:
    for doubt in doubts:
        place = printable(doubt.place.path)
        # Of a whole file there is no line.
        place += f":{doubt.place.line}" if doubt.place.line else ""
        function = f"{printable(doubt.function)}(): " if doubt.function else ""
        yield f"  unknown: {place}: {function}{printable(doubt.reason)}"


def _handle(handle: Got) -> Iterator[str]:
    place = handle.place
    yield (
        f"  {printable(place.path)}:{place.line}: {printable(handle.function)}() {_does(handle)}: "
        f"{handle.worst()}{note_of(handle)}"
    )
    for number, hop in enumerate(handle.chains[0] if handle.chains else ()):
        label = "chain:" if not number else "      "
        through = printable(hop.via)
        said = f"{through} = {hop.function}()" if not number else f"calls {hop.function}()"
        if number and through:
            said += f" through {through}"
        yield f"    {label} {printable(hop.path)}:{hop.line}: {printable(said)}"
    for number, step in enumerate(handle.steps):
        label = "path: " if not number else "      "
        where = f"{printable(step.event.path)}:{step.event.line}"
        yield f"    {label} {where}: {described(step)}"


def described(step: Step) -> str:
    """Return a step in words, with its line of source."""
    said = words_of(step.event)
    code = printable(" ".join(step.code.split()))
    # What was returned is the line.
    return said if step.event.kind is Kind.RETURN or not code else f"{said}: {code}"


def words_of(event: Event) -> str:
    """Return what happens at an event, in words."""
    text = printable(event.text)
    match event.kind:
        case Kind.RESOLVE:
            return f"asks the resolver for {_device(event.device)}{_whose(event.sa)}"
        case Kind.READ:
            return f"{_READS[event.source]}{_whose(event.sa)}"
        case Kind.TEST:
            return f"goes on here with a handle that is {'not 0' if event.nonzero else '0'}"
        case Kind.COMPARE:
            return "compares, and whether 0 is excluded can't be told"
        case Kind.SAME:
            settled = "is" if event.nonzero else "is not"
            return f"goes on here where its own device {settled} {event.device}"
        case Kind.USE:
            return f"use: {text}"
        case Kind.STORE:
            return f"store: {text}"
        case Kind.CUT:
            return f"was followed no further: {text}"
    return f"return {text}".rstrip()


# Where a handle came from.
_READS = {
    Source.DIRECT: "reads xso.offload_handle",
    Source.RESOLVED: "takes what the resolver answered",
    Source.STORED: "reads back a handle that was kept",
    Source.CONSTANT: "takes a constant for a handle",
    Source.UNKNOWN: "gets a handle from somewhere unknown",
}


def _does(handle: Got) -> str:
    if handle.kept:
        return _READS[Source.STORED]
    return "asks the resolver" if handle.asks else _READS[Source.DIRECT]


def _device(device: Device) -> str:
    return "its own device" if device is Device.OWN else f"device: {device}"


def _whose(sa: Sa) -> str:
    return "" if sa is Sa.THIS else f", {sa} SA"


def _table(one: Judgement) -> Iterator[str]:
    heads = [f"{h.place.path.rpartition('/')[2]}:{h.place.line}" for h in one.handles]
    rows = [["  topology", *map(printable, heads)]]
    for index, topology in enumerate(topologies()):
        rows.append([f"  {topology.name}", *(str(h.outcomes[index]) for h in one.handles)])
    yield from aligned(rows)


def as_json(
    found: Sequence[Judgement],
    owners: Sequence[Owner],
    tree: Mapping[str, str],
    used: Sequence[Topology],
    unplaced: Sequence[Doubt] = (),
    said: Callable[[str], str] = str,
) -> str:
    """Return all of it as JSON.

    tree: what it is. used: the topologies as its core makes them. unplaced: what is open of code
    that is no known driver's. said: says a sentence in the tree's own names.
    """
    whole = {
        "schema": 1,
        "tree": dict(tree),
        "topologies": [{"name": t.name, "sentence": t.sentence} for t in used],
        "drivers": [_as_data(one) for one in found],
        "owners": [_owner(owner) for owner in owners],
        "unknown": _unknown(unplaced),
    }
    return dump(_in_own_names(whole, said))


def _in_own_names(data: Any, said: Callable[[str], str]) -> Any:
    """Return data with the values in a tree's names; the keys are the schema's."""
    if isinstance(data, Mapping):
        return {
            key: value if key in _VERBATIM else _in_own_names(value, said)
            for key, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [_in_own_names(value, said) for value in data]
    return said(data) if isinstance(data, str) else data


# What stands in the tree as it does.
_VERBATIM = ("path", "code", "function", "driver", "commit")


def _as_data(one: Judgement) -> dict[str, Any]:
    return {
        "driver": one.driver,
        "opted_in": one.opted_in,
        "outcome": str(one.worst()),
        "outcomes": _named(one.outcomes),
        "paths": one.paths,
        "handles": [
            {
                "path": handle.place.path,
                "line": handle.place.line,
                "column": handle.place.column,
                "function": handle.function,
                "driver": handle.driver,
                "asks": handle.asks,
                "kept": handle.kept,
                "note": handle.note,
                "outcome": str(handle.worst()),
                "outcomes": _named(handle.outcomes),
                "paths": handle.paths,
                "chains": [[hop._asdict() for hop in chain] for chain in handle.chains],
                "events": [{**step.event._asdict(), "code": step.code} for step in handle.steps],
            }
            for handle in one.handles
        ],
        "unknown": _unknown(one.doubts),
    }


def _owner(owner: Owner) -> dict[str, Any]:
    return {
        "driver": owner.driver,
        "function": owner.function,
        "path": owner.place.path,
        "line": owner.place.line,
        "outcome": str(owner.worst()),
        "answers": [
            {
                "answer": str(answer),
                "path": place.path,
                "line": place.line,
                "outcome": str(outcome),
            }
            for answer, place, outcome in owner.answers
        ],
        "worlds": [
            {
                "world": world.story,
                "assumed": world.assumed,
                "handed_on": world.handed,
                "outcomes": {name: str(outcome) for name, outcome in world.outcomes},
            }
            for world in owner.worlds
        ],
        "unanswered": owner.untold,
        "stories": owner.total,
        "torn_reads": {tear.world: list(tear.lines) for tear in owner.tears},
        "unknown": _unknown(owner.doubts),
    }


def _unknown(doubts: Iterable[Doubt]) -> list[dict[str, Any]]:
    return [
        {
            "path": doubt.place.path,
            "line": doubt.place.line,
            "function": doubt.function,
            "reason": doubt.reason,
        }
        for doubt in doubts
    ]


def _named(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {t.name: str(o) for t, o in zip(topologies(), outcomes, strict=True)}
