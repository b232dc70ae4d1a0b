"""A call graph as SVG: layers from left to right, in the order in which calls are made."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple


class Node(NamedTuple):
    """A box. kind: a CSS class. title: shown when the pointer rests on it."""

    name: str
    label: str
    kind: str
    title: str


class _Box(NamedTuple):
    x: int
    y: int
    width: int


_HEIGHT, _GAP, _COLUMN_GAP, _LETTER, _MARGIN = 26, 12, 44, 7, 10


def svg(nodes: Sequence[Node], edges: Sequence[tuple[str, str]], title: str) -> str:
    """Return a picture of a graph. edges: names of nodes, from and to."""
    columns = _columns(nodes, edges)
    boxes, width, height = _placed(columns)
    return "\n".join(_drawn(nodes, edges, boxes, width, height, title))


def _columns(nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> list[list[Node]]:
    """Put each node behind all that lead to it (a cycle is cut at the edge that closes it)."""
    layer = {node.name: 0 for node in nodes}
    for _ in nodes:
        for start, end in edges:
            if layer[end] <= layer[start] < len(nodes) - 1:
                layer[end] = layer[start] + 1
    found: list[list[Node]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for node in nodes:
        found[layer[node.name]].append(node)
    found = [column for column in found if column]
    # A node stands near those that lead to it: fewer lines cross.
    row: dict[str, float] = {}
    for column in found:
        column.sort(key=lambda node: _middle(node.name, edges, row))
        for at, node in enumerate(column):
            row[node.name] = at
    return found


def _middle(name: str, edges: Sequence[tuple[str, str]], row: Mapping[str, float]) -> float:
    before = [row[start] for start, end in edges if end == name and start in row]
    return sum(before) / len(before) if before else 0.0


def _placed(columns: Sequence[Sequence[Node]]) -> tuple[dict[str, _Box], int, int]:
    boxes: dict[str, _Box] = {}
    x, height = _MARGIN, 0
    for column in columns:
        width = max(len(node.label) for node in column) * _LETTER + 20
        for at, node in enumerate(column):
            y = _MARGIN + at * (_HEIGHT + _GAP)
            boxes[node.name] = _Box(x, y, width)
            height = max(height, y + _HEIGHT + _MARGIN)
        x += width + _COLUMN_GAP
    return boxes, x - _COLUMN_GAP + _MARGIN, height


def _drawn(
    nodes: Sequence[Node],
    edges: Sequence[tuple[str, str]],
    boxes: Mapping[str, _Box],
    width: int,
    height: int,
    title: str,
) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">'
    )
    yield f"<title>{escape(title)}</title>"
    half = _HEIGHT // 2
    for start, end in edges:
        one, other = boxes[start], boxes[end]
        x1, y1, x2, y2 = one.x + one.width, one.y + half, other.x, other.y + half
        middle = (x1 + x2) // 2
        yield f'<path class="edge" d="M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"/>'
    for node in nodes:
        box = boxes[node.name]
        yield (
            f'<g class="{escape(node.kind)}"><title>{escape(node.title)}</title>'
            f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{_HEIGHT}" rx="4"/>'
            f'<text x="{box.x + 10}" y="{box.y + half + 4}">{escape(node.label)}</text></g>'
        )
    yield "</svg>"
