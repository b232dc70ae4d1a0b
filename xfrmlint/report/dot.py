"""`xfrmlint judge --format dot`: the call graphs for Graphviz and its like."""

from collections.abc import Iterator, Sequence

from xfrmlint.analysis.judgement import Judgement
from xfrmlint.model.judge import Outcome
from xfrmlint.report.callgraph import Graph, graph_of
from xfrmlint.report.links import Link
from xfrmlint.report.terminal import printable

_COLOURS = {
    Outcome.UNKNOWN: "#ece3f5",
    Outcome.ZERO_TESTED: "#dcefe3",
    Outcome.RIGHT: "#dcefe3",
    Outcome.NOT_REACHED: "#ecedef",
}
_BAD = "#f9d9d6"


def render(found: Sequence[Judgement], link: Link) -> Iterator[str]:
    """Yield the lines of one directed graph, a cluster a driver."""
    yield "digraph judge {"
    yield '  node [shape=box, style="rounded,filled", fontname=monospace];'
    for number, one in enumerate(found):
        yield f"  subgraph cluster_{number} {{"
        yield f"    label={_quoted(f'{one.driver}: {one.worst()}')};"
        yield from _drawn(graph_of(one), number, link)
        yield "  }"
    yield "}"


def _drawn(graph: Graph, number: int, link: Link) -> Iterator[str]:
    names = {node.name: f"n{number}_{at}" for at, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        colour = _COLOURS.get(node.outcome, _BAD)
        attributes = {
            "label": _quoted(node.label, node.note),
            "tooltip": _quoted(f"{node.path}:{node.line}"),
            "fillcolor": _quoted(colour),
        }
        if address := link(node.path, node.line):
            attributes["URL"] = _quoted(address)
        said = ", ".join(f"{name}={value}" for name, value in attributes.items())
        yield f"    {names[node.name]} [{said}];"
    for start, end in graph.edges:
        yield f"    {names[start]} -> {names[end]};"


def _quoted(*lines: str) -> str:
    # A backslash or an & of the tree is none of dot's escapes (\N, \l, &lt;).
    texts = (
        printable(line).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
        for line in lines
    )
    return '"' + "\\n".join(texts) + '"'
