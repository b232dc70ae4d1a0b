"""`xfrmlint judge --format html`: one page that needs nothing else, pictures included."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from xfrmlint import __version__
from xfrmlint.analysis.judgement import Got, Judgement, Owner, topologies
from xfrmlint.model.judge import Outcome, worst
from xfrmlint.program.access import Doubt
from xfrmlint.report.judge import described, note_of
from xfrmlint.report.picture import Node, svg
from xfrmlint.report.terminal import printable

_KINDS = {
    Outcome.OTHER: "other",
    Outcome.STALE: "stale",
    Outcome.ZERO_USED: "zero",
    Outcome.UNKNOWN: "unknown",
    Outcome.ZERO_TESTED: "fine",
    Outcome.RIGHT: "fine",
    Outcome.NOT_REACHED: "none",
}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { border: 1px solid #8884; padding: .25em .6em; text-align: left; }
code, svg text { font: 12px ui-monospace, monospace; }
.picture { overflow-x: auto; }
svg rect { fill: #8882; stroke: #888; } svg text { fill: currentColor; }
svg .edge { fill: none; stroke: #888; }
.fine rect { fill: #2a92; stroke: #2a9; } .unknown rect { fill: #a8a2; stroke: #a8a; }
.other rect { fill: #e332; stroke: #e33; } .stale rect, .zero rect { fill: #e802; stroke: #e80; }
td.fine { background: #2a92; } td.unknown { background: #a8a2; }
td.other { background: #e333; } td.stale, td.zero { background: #e803; }
"""


def page(found: Sequence[Judgement], owners: Sequence[Owner], version: str) -> Iterator[str]:
    """Yield the page's lines."""
    title = f"xfrmlint judge: Linux {printable(version)}"
    yield "<!DOCTYPE html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    yield f"<style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(title)}</h1>"
    yield (
        "<p>What each lower driver's hardware is given for a packet, in every topology. A handle "
        "that another device's add returned picks another SA.</p>"
    )
    for owner in owners:
        yield from _owner(owner)
    for one in found:
        yield from _driver(one)
    if not found:
        yield "<p>No lower driver gets a handle on its datapath.</p>"
    yield f"<footer>xfrmlint {escape(__version__)}</footer></body></html>"


def _owner(owner: Owner) -> Iterator[str]:
    yield f"<section><h2>{escape(printable(owner.driver))} (owner): {owner.worst()}</h2>"
    place = f"{printable(owner.place.path)}:{owner.place.line}"
    yield f"<p><code>{escape(place)}</code> {escape(printable(owner.function))}()</p>"
    yield "<table><tr><th>returns</th><th>where</th><th>a lower device gets</th></tr>"
    for answer, where, outcome in owner.answers:
        line = f"{printable(where.path)}:{where.line}"
        yield (
            f"<tr><td>{escape(answer)}</td><td><code>{escape(line)}</code></td>"
            f'<td class="{_KINDS[outcome]}">{outcome}</td></tr>'
        )
    yield "</table>"
    yield from _doubts(owner.doubts)
    yield "</section>"


def _doubts(doubts: Sequence[Doubt]) -> Iterator[str]:
    if not doubts:
        return
    yield "<h3>Unknown</h3><ul>"
    for doubt in doubts:
        place = f"{printable(doubt.place.path)}:{doubt.place.line}"
        said = f"{printable(doubt.function)}(): {printable(doubt.reason)}"
        yield f"<li><code>{escape(place)}</code> {escape(said)}</li>"
    yield "</ul>"


def _driver(one: Judgement) -> Iterator[str]:
    name = escape(printable(one.driver))
    opted = "opted in" if one.opted_in else "not opted in"
    yield f'<section id="{name}"><h2>{name}: {one.worst()}</h2>'
    yield f"<p>{opted}, {len(one.handles)} handles on the datapath, {one.paths} paths</p>"
    yield f'<div class="picture">{_picture(one)}</div>'
    heads = "".join(f"<th>{escape(_where(handle))}</th>" for handle in one.handles)
    yield f"<table><tr><th>topology</th>{heads}</tr>"
    for index, topology in enumerate(topologies()):
        cells = "".join(
            f'<td class="{_KINDS[h.outcomes[index]]}">{h.outcomes[index]}</td>' for h in one.handles
        )
        name = f'<td title="{escape(topology.sentence)}">{escape(topology.name)}</td>'
        yield f"<tr>{name}{cells}</tr>"
    yield "</table>"
    for handle in one.handles:
        note = note_of(handle)
        said = f"{_where(handle)} in {printable(handle.function)}(): {handle.worst()}{note}"
        yield f"<details><summary>{escape(said)}</summary><ol>"
        for step in handle.steps:
            place = f"{printable(step.event.path)}:{step.event.line}"
            yield f"<li><code>{escape(place)}</code> {escape(described(step))}</li>"
        yield "</ol></details>"
    yield from _doubts(one.doubts)
    yield "</section>"


def _where(handle: Got) -> str:
    return printable(f"{handle.place.path.rpartition('/')[2]}:{handle.place.line}")


def _picture(one: Judgement) -> str:
    """Draw the ways from the entries to the handles; each box as bad as what it leads to."""
    outcomes: dict[str, list[Outcome]] = {}
    labels: dict[str, tuple[str, str]] = {}
    edges: dict[tuple[str, str], None] = {}
    for handle in one.handles:
        end = f"handle {_where(handle)}:{handle.place.column}"
        labels[end] = (_where(handle), f"{handle.place.path}:{handle.place.line}")
        outcomes.setdefault(end, []).append(handle.worst())
        for chain in handle.chains:
            names = []
            for number, hop in enumerate(chain):
                if not number:
                    names.append(f"entry {hop.via}")
                    labels[names[0]] = (hop.via, f"{hop.path}:{hop.line}")
                names.append(f"function {hop.function}")
                labels[names[-1]] = (f"{hop.function}()", f"called at {hop.path}:{hop.line}")
            names.append(end)
            for name in names:
                outcomes.setdefault(name, []).append(handle.worst())
            edges.update(dict.fromkeys(pairwise(names)))
    nodes = [
        Node(name, printable(label), _KINDS[worst(outcomes[name])], printable(title))
        for name, (label, title) in labels.items()
    ]
    return svg(nodes, list(edges), f"{one.driver}: from its entries to its handles")
