"""A call graph laid downwards: a box a row, indented behind all that lead to it.

So a graph is as wide as its longest name and its depth, and fits a phone and a sheet of paper; a
graph with many branches gets longer, not wider. A line leaves a box at its lower left, runs down
in a lane beside those of other boxes of that depth, and ends at the left of the box it leads to:

    ndo_start_xmit
    `-- tx()
        |-- put()
        `-- ipsec.c:30
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from xfrmlint.report.callgraph import Graph, Node, children


class Box(NamedTuple):
    """A node with its place: units of the picture, from its upper left."""

    node: Node
    x: int
    y: int
    width: int
    height: int


class Line(NamedTuple):
    """What leads from one box to another. path: as SVG's `d` has it. bad: the node it leads to."""

    path: str
    end: Node


class Picture(NamedTuple):
    """Boxes and lines; lines are drawn first."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: int
    height: int


_HEIGHT, _GAP, _MARGIN, _INDENT = 40, 10, 4, 24
# The widest letters of a monospaced font, in the two sizes of a box.
_LETTER, _SMALL, _PADDING = 7.9, 6.7, 22
_LANES, _LANE = 3, 5


def picture_of(graph: Graph) -> Picture:
    """Lay a graph."""
    depths = _depths(graph)
    order = _order(graph, depths)
    boxes: dict[str, Box] = {}
    for number, node in enumerate(order):
        width = max(len(node.label) * _LETTER, len(node.note) * _SMALL) + _PADDING
        x = _MARGIN + depths[node.name] * _INDENT
        y = _MARGIN + number * (_HEIGHT + _GAP)
        boxes[node.name] = Box(node, x, y, round(width), _HEIGHT)
    lines = tuple(_lines(graph, boxes, _lanes(order, depths)))
    right = max((box.x + box.width for box in boxes.values()), default=0)
    bottom = max((box.y + box.height for box in boxes.values()), default=0)
    return Picture(tuple(boxes.values()), lines, right + _MARGIN, bottom + _MARGIN)


def _depths(graph: Graph) -> dict[str, int]:
    """Put each node deeper than all that lead to it; what closes a cycle doesn't count."""
    kept = _without_cycles(graph)
    depth = {node.name: 0 for node in graph.nodes}
    for _ in graph.nodes:
        moved = False
        for start, end in kept:
            if depth[end] <= depth[start]:
                depth[end] = depth[start] + 1
                moved = True
        if not moved:
            break
    return depth


def _without_cycles(graph: Graph) -> list[tuple[str, str]]:
    below = children(graph)
    kept: list[tuple[str, str]] = []
    finished: set[str] = set()
    for node in graph.nodes:
        if node.name in finished:
            continue
        above = {node.name}
        stack = [(node.name, iter(below[node.name]))]
        while stack:
            name, rest = stack[-1]
            child = next(rest, None)
            if child is None:
                stack.pop()
                above.discard(name)
                finished.add(name)
            elif child not in above:
                kept.append((name, child))
                if child not in finished:
                    above.add(child)
                    stack.append((child, iter(below[child])))
    return kept


def _order(graph: Graph, depths: Mapping[str, int]) -> list[Node]:
    """Return the nodes from above to below, each under all that lead to it, near the last."""
    nodes = {node.name: node for node in graph.nodes}
    edges = [(start, end) for start, end in graph.edges if depths[start] < depths[end]]
    waiting = {name: sum(end == name for _, end in edges) for name in nodes}
    ready = [name for name in reversed(nodes) if not waiting[name]]
    found = []
    while ready:
        name = ready.pop()
        found.append(nodes[name])
        freed = []
        for start, end in edges:
            if start == name:
                waiting[end] -= 1
                if not waiting[end]:
                    freed.append(end)
        # The nearest first: a line past as few boxes as can be.
        freed.reverse()
        ready.extend(sorted(freed, key=depths.__getitem__, reverse=True))
    return found


def _lanes(order: Sequence[Node], depths: Mapping[str, int]) -> dict[str, int]:
    taken: dict[int, int] = {}
    lanes = {}
    for node in order:
        number = taken.get(depths[node.name], 0)
        lanes[node.name] = 8 + number % _LANES * _LANE
        taken[depths[node.name]] = number + 1
    return lanes


def _lines(graph: Graph, boxes: Mapping[str, Box], lanes: Mapping[str, int]) -> Iterable[Line]:
    for start, end in graph.edges:
        one, other = boxes[start], boxes[end]
        x, y = one.x + lanes[start], other.y + other.height // 2
        if other.y > one.y:
            path = f"M{x} {one.y + one.height} V{y - 4} Q{x} {y} {x + 4} {y} H{other.x - 1}"
        else:
            # Back upwards, on the right: a cycle.
            right = max(one.x + one.width, other.x + other.width)
            level = one.y + one.height // 2
            path = f"M{one.x + one.width} {level} H{right + 3} V{y} H{other.x + other.width + 1}"
        yield Line(path, other.node)
