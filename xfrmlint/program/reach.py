"""The ways from a driver's doors down to a function, and which doors there are."""

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from xfrmlint.c.index import words
from xfrmlint.c.unit import Place, Unit
from xfrmlint.c.view import FunctionName
from xfrmlint.kernel.doors import CONTROL, DATAPATH, DEFERRED, UNKNOWN
from xfrmlint.program.callgraph import CallGraph, Edge, Entry, declares

# The context of what nobody calls.
DEAD = "dead"


class Hop(NamedTuple):
    """A step of a chain: the function entered, from where, and through what."""

    function: str
    path: str
    line: int
    via: str


class Reached(NamedTuple):
    """What leads to a function.

    chains: the ways from datapath entries, shortest first, one for each entry, module and function
    pointer's target on the way. doors: all doors, and the functions behind them; what runs later
    counts as datapath if packets are handled on the way. functions: all callers, direct or not.
    doubts: what could not be followed. complete: nothing was cut off,
    and nobody's name can mean another function.
    """

    chains: tuple[tuple[Hop, ...], ...]
    doors: tuple[tuple[Entry, FunctionName], ...]
    functions: frozenset[FunctionName]
    doubts: tuple[tuple[Place, str], ...]
    complete: bool

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The doors, each once."""
        return tuple(dict.fromkeys(entry for entry, _ in self.doors))

    @property
    def context(self) -> str:
        """datapath if any chain leads there; control only from known doors and by known callers.

        dead: nobody calls it, whatever the configuration.
        """
        if self.chains:
            return DATAPATH
        if self.doubts or not self.complete:
            return UNKNOWN
        return CONTROL if self.doors else DEAD


MOST_FUNCTIONS = 5000
_MOST_CHAINS = 6


def reached(
    graph: CallGraph, function: FunctionName, left_out: Container[tuple[Place, FunctionName]] = ()
) -> Reached:
    """Walk upwards from a function to every door of the driver. left_out: doors not to count."""
    # towards[f]: the edge by which f was met first: the next hop down to `function`.
    towards: dict[FunctionName, Edge | None] = {function: None}
    below: dict[FunctionName, FunctionName] = {}
    queue = [function]
    doors: list[tuple[Entry, FunctionName]] = []
    doubts: dict[tuple[Place, str], None] = {}
    extra: list[tuple[Edge, FunctionName]] = []
    for current in queue:
        incoming = graph.incoming(current)
        doors += [(e, current) for e in incoming.entries if (e.place, current) not in left_out]
        doubts.update(dict.fromkeys(incoming.doubts))
        for edge in incoming.edges:
            if edge.caller in towards:
                extra.append((edge, current))
                continue
            if len(towards) >= MOST_FUNCTIONS:
                break
            towards[edge.caller] = edge
            below[edge.caller] = current
            queue.append(edge.caller)
    chains: dict[tuple[str, str, tuple[str, ...]], tuple[Hop, ...]] = {}
    module = graph.reader.universe.module
    doors = [(_settled(graph, entry, start, below), start) for entry, start in doors]
    if not doubts and all(entry.context == CONTROL for entry, _ in doors):
        if any(graph.finds_others(one) for one in towards):
            return reached(graph, function, left_out)
        doubts = dict.fromkeys(_not_understood(graph, towards, bool(doors)))
    for entry, start in doors:
        if entry.context != DATAPATH:
            continue
        for chain in _ways_down(entry, start, towards, below, extra):
            pointers = tuple(h.function for h in chain[1:] if "." in h.via)
            key = (entry.name, module(start.path), pointers)
            if key not in chains or len(chain) < len(chains[key]):
                chains[key] = chain
    # A real door says more than a handler table, a short way more than a long one.
    ordered = sorted(
        chains.values(), key=lambda c: (c[0].via.startswith("handler"), len(c), _order(c))
    )
    real = [c for c in ordered if not c[0].via.startswith("handler table")]
    return Reached(
        tuple((real or ordered)[:_MOST_CHAINS]),
        tuple(doors),
        frozenset(towards),
        tuple(doubts),
        len(towards) < MOST_FUNCTIONS and all(graph.incoming(f).complete for f in towards),
    )


def _not_understood(
    graph: CallGraph, functions: Iterable[FunctionName], is_called: bool
) -> Iterator[tuple[Place, str]]:
    """Yield the files that name a function, and can call it where the parser gave up.

    is_called: others are seen to; then what is not understood has to stand around its name.
    """
    reader = graph.reader
    for function in functions:
        word = function.name.encode("utf-8", "surrogateescape")
        incoming = graph.incoming(function)
        known = {edge.place[:2] for edge in incoming.edges}
        known |= {entry.place[:2] for entry in incoming.entries}
        for path in reader.universe.files(function.path):
            named = [*words(reader.corpus.plain(path), word)]
            if not named:
                continue
            unit, errors = reader.corpus.unit(path), reader.outlines.errors(path)
            hidden = (at for at in named if (path, unit.line(at)) not in known)
            why = f"{function.name}() may be called where {path} is not understood"
            if unit.unread is not None:
                yield Place(path, unit.unread.line, 1), f"{why}: {unit.unread.reason}"
                continue
            for line in _lines_around(unit, function.name, hidden, errors) if is_called else errors:
                yield Place(path, line, 1), f"{why}: parse errors at line {line}"
                break


def _lines_around(
    unit: Unit, name: str, named: Iterable[int], errors: Sequence[int]
) -> Iterator[int]:
    """Yield the lines of errors, and of what is not parsed at all, around places of a name."""
    for at in named:
        if any(start <= at < end for start, end in unit.blanked.dropped):
            yield unit.line(at)
        item = unit.item_at(at)
        # What looks like a prototype in a function that is not understood can be a call.
        own = item is not None and item.name in ("", name) and declares(item.node, at)
        if item is not None and not own:
            first, last = unit.line(item.start), unit.line(item.end)
            yield from (line for line in errors if first <= line <= last)


def _settled(
    graph: CallGraph, entry: Entry, start: FunctionName, below: dict[FunctionName, FunctionName]
) -> Entry:
    """Return what runs later as what it does: packets are handled on the way down, or not."""
    if entry.context != DEFERRED:
        return entry
    current: FunctionName | None = start
    while current is not None:
        if graph.handles_packets(current):
            return entry._replace(context=DATAPATH)
        current = below.get(current)
    return entry._replace(context=CONTROL)


def _order(chain: Iterable[Hop]) -> list[tuple[str, str, int]]:
    return [(h.function, h.path, h.line) for h in chain]


def _ways_down(
    entry: Entry,
    start: FunctionName,
    towards: dict[FunctionName, Edge | None],
    below: dict[FunctionName, FunctionName],
    extra: list[tuple[Edge, FunctionName]],
) -> list[tuple[Hop, ...]]:
    """Return the first way from an entry's function down, and those that leave it by a pointer."""
    name = entry.name if not entry.via else f"{entry.name} ({entry.via})"
    if entry.via == "handler table":
        name = f"handler table {entry.name}"
    head = Hop(start.name, entry.place.path, entry.place.line, name)
    first = [head, *_down(start, towards, below)]
    found = [tuple(first)]
    on_way = [start]
    while on_way[-1] in below:
        on_way.append(below[on_way[-1]])
    for edge, target in extra:
        # The same call has another target: nn->dp.ops->xmit is both nfd3's and nfdk's.
        if "." in edge.via and edge.caller in on_way and target not in on_way:
            at = on_way.index(edge.caller)
            hop = Hop(target.name, edge.place.path, edge.place.line, edge.via)
            found.append((*first[: at + 1], hop, *_down(target, towards, below)))
    return found


def _down(
    start: FunctionName,
    towards: dict[FunctionName, Edge | None],
    below: dict[FunctionName, FunctionName],
) -> list[Hop]:
    hops: list[Hop] = []
    current = start
    while True:
        edge = towards[current]
        if edge is None:
            return hops
        current = below[current]
        hops.append(Hop(current.name, edge.place.path, edge.place.line, edge.via))
