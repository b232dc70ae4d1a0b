"""The ways from a driver's entries to the places where it gets a handle, as a graph."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from xfrmlint.analysis.judgement import Got, Judgement
from xfrmlint.model.judge import Outcome, worst


class Node(NamedTuple):
    """An entry, a function or a handle, as bad as the worst that it leads to.

    note: the second line of its box. path, line: where the entry is filled, the function called or
    the handle got.
    """

    name: str
    label: str
    note: str
    outcome: Outcome
    path: str
    line: int


class Graph(NamedTuple):
    """nodes: each after one that leads to it. edges: names of nodes, from and to."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]


class Row(NamedTuple):
    """A node in an outline. again: it stood further up already, with what it leads to."""

    depth: int
    node: Node
    again: bool


class _Step(NamedTuple):
    name: str
    label: str
    note: str
    path: str
    line: int


def graph_of(one: Judgement) -> Graph:
    """Return the graph of a driver; a function that is called at several places is one node."""
    outcomes: dict[str, list[Outcome]] = {}
    steps: dict[str, _Step] = {}
    edges: dict[tuple[str, str], None] = {}
    for handle in one.handles:
        for way in _ways(handle):
            for step in way:
                steps.setdefault(step.name, step)
                outcomes.setdefault(step.name, []).append(handle.worst())
            edges.update(dict.fromkeys(pairwise(step.name for step in way)))
    nodes = [
        Node(step.name, step.label, step.note, worst(outcomes[step.name]), step.path, step.line)
        for step in steps.values()
    ]
    return Graph(tuple(nodes), tuple(edges))


def where(path: str, line: int) -> str:
    """Return a place without its folders."""
    return f"{path.rpartition('/')[2]}:{line}"


def _ways(handle: Got) -> Iterator[list[_Step]]:
    """Yield each way to a handle."""
    place = handle.place
    name = f"handle {place.path}:{place.line}:{place.column}"
    end = _Step(name, where(place.path, place.line), str(handle.worst()), place.path, place.line)
    for chain in handle.chains or ((),):
        way = []
        for number, hop in enumerate(chain):
            note = where(hop.path, hop.line)
            if not number:
                way.append(_Step(f"entry {hop.via}", hop.via, note, hop.path, hop.line))
            said = f"called at {note}" if number else f"set at {note}"
            label = f"{hop.function}()"
            way.append(_Step(f"function {hop.function}", label, said, hop.path, hop.line))
        yield [*way, end]


def outline(graph: Graph) -> Iterator[Row]:
    """Yield a graph as an indented list: each node below one that leads to it."""
    nodes = {node.name: node for node in graph.nodes}
    below = children(graph)
    led_to = {end for _, end in graph.edges}
    seen: set[str] = set()
    # Those of a cycle that nothing else leads to come last.
    for top in [*(n for n in nodes if n not in led_to), *nodes]:
        if top in seen:
            continue
        waiting = [(0, top)]
        while waiting:
            depth, name = waiting.pop()
            again = name in seen
            yield Row(depth, nodes[name], again)
            if not again:
                seen.add(name)
                waiting.extend((depth + 1, child) for child in reversed(below[name]))


def children(graph: Graph) -> Mapping[str, Sequence[str]]:
    """Return what each node leads to."""
    below: dict[str, list[str]] = {node.name: [] for node in graph.nodes}
    for start, end in graph.edges:
        below[start].append(end)
    return below
