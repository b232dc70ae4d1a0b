"""docs/running-kernel.md, as the command writes it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.running.compare import Row, differing, summary
from tests.running.revisions import REVISIONS, Revision
from tests.running.scenarios import SCENARIOS
from xfrmlint.model.judge import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "running-kernel.md"

_HEADS = Path(__file__).parent / "c"
_SHORT = {
    Outcome.OTHER: "**other**",
    Outcome.STALE: "**stale**",
    Outcome.ZERO_USED: "**0 used**",
    Outcome.ZERO_TESTED: "0 tested",
    Outcome.RIGHT: "right",
    Outcome.NOT_HANDED: "not handed",
    Outcome.UNKNOWN: "unknown",
    None: "-",
}


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    seen = _SHORT.get(row.seen, str(row.seen))
    if row.agrees:
        return seen
    return f"{seen} (judge: {_SHORT.get(row.judged, str(row.judged))})"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table, a driver a line."""
    topologies = [name for name in SCENARIOS.values() if any(r.topology == name for r in rows)]
    cells = {(row.driver, row.topology): row for row in rows}
    lines = [
        "| driver | " + " | ".join(topologies) + " |",
        "|---" * (len(topologies) + 1) + "|",
    ]
    for driver in dict.fromkeys(row.driver for row in rows):
        line = (_cell(cells.get((driver, topology))) for topology in topologies)
        lines.append(f"| {driver} | " + " | ".join(line) + " |")
    return "\n".join(lines) + "\n"


def render(tables: Mapping[int, Sequence[Row]]) -> str:
    """Return the page. tables: what was seen and said, by the revision's number."""
    parts = [_head("page.md")]
    for revision in REVISIONS:
        rows = tables[revision.number]
        parts += [f"## {revision.title}\n", _head(f"page{revision.number}.md")]
        parts += [table(rows), f"{summary(rows)}.\n", *_reasons(rows), _drivers(revision)]
    return "\n".join(parts)


def _head(name: str) -> str:
    return (_HEADS / name).read_text("utf-8")


def _reasons(rows: Sequence[Row]) -> Iterator[str]:
    """Yield why they differ, and where; a driver's topologies stand together."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for row in differing(rows):
        by_topology = reasons.setdefault(row.why or "Not explained.", {})
        by_topology.setdefault(row.topology, []).append(row.driver)
    if reasons:
        yield "Where they differ:\n"
    lines = []
    for why, by_topology in reasons.items():
        lines.append(f"- {why}")
        of = {topology: ", ".join(sorted(drivers)) for topology, drivers in by_topology.items()}
        lines += [f"  - {topology}: {names}" for topology, names in of.items()]
    if lines:
        yield "\n".join(lines) + "\n"


def _drivers(revision: Revision) -> str:
    told = "\n".join(f"| {one.name} | {one.what} |" for one in revision.drivers)
    return f"| driver | how it comes to its handle |\n|---|---|\n{told}\n"
