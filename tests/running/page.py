"""docs/running-kernel.md, as the command writes it."""

from collections.abc import Sequence
from pathlib import Path

from tests.running.compare import Row, differing, summary
from tests.running.scenarios import SCENARIOS
from tests.running.variants import VARIANTS
from xfrmlint.model.judge import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "running-kernel.md"

_HEAD = Path(__file__).parent / "c" / "page.md"
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


def render(rows: Sequence[Row]) -> str:
    """Return the page."""
    drivers = {variant.name: variant.what for variant in VARIANTS}
    told = "\n".join(f"| {name} | {what} |" for name, what in drivers.items())
    parts = [_HEAD.read_text("utf-8"), table(rows), f"{summary(rows)}.\n"]
    reasons: dict[str, list[Row]] = {}
    for row in differing(rows):
        reasons.setdefault(row.why or "Not explained.", []).append(row)
    if reasons:
        parts.append("## Where they differ\n")
    for why, differ in reasons.items():
        names = ", ".join(sorted({f"{row.driver} ({row.topology})" for row in differ}))
        parts.append(f"{why} {names}.\n")
    parts.append(f"## The drivers\n\n| driver | how it comes to its handle |\n|---|---|\n{told}\n")
    return "\n".join(parts)
