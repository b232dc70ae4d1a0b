"""A table as text or as Markdown, and the numbers in it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.memory import Peak
from bench.sites import Score
from bench.timing import Timing

NOTHING = "-"


class Table(NamedTuple):
    """A title, the columns' heads, rows as long as those; notes: lines that stand below it."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def text(table: Table) -> Iterator[str]:
    """Yield the lines of a table; the first column stands left, the others right."""
    yield table.title
    lines = [table.heads, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.heads))]
    for line in lines:
        cells = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    yield from table.notes


def markdown(table: Table) -> Iterator[str]:
    """Yield the lines of a table for a README."""
    yield f"**{table.title}**"
    yield ""
    yield _row(table.heads)
    yield _row(["---", *(["---:"] * (len(table.heads) - 1))])
    yield from map(_row, table.rows)
    for note in table.notes:
        yield ""
        yield note


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def timings(title: str, rows: Sequence[Timing], floors: Sequence[tuple[str, str]]) -> Table:
    """Return a table of times. floors: a column's head, and the name of the row it divides by."""
    named = {row.name: row for row in rows}
    heads = ["", "min s", "median s", "max s", *(head for head, _ in floors), "MB", "MB below"]
    body, notes = [], []
    for row in rows:
        if row.problem:
            body.append([row.name, *([NOTHING] * (len(heads) - 1))])
            notes.append(f"{row.name}: not available: {row.problem}")
            continue
        times = [seconds(value) for value in (min(row.seconds), row.middle(), max(row.seconds))]
        ratios = [ratio(row.ratio(named[floor])) for _, floor in floors]
        body.append([row.name, *times, *ratios, *memory(row.peak)])
    return Table(title, [*heads, "runs"], _with_runs(body, rows), notes)


def _with_runs(body: list[list[str]], rows: Sequence[Timing]) -> list[list[str]]:
    return [[*line, str(len(row.seconds))] for line, row in zip(body, rows, strict=True)]


def seconds(value: float) -> str:
    """Return seconds with three digits that mean something."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def ratio(value: float | None) -> str:
    """Return a ratio; a dash where the other side could not be measured."""
    if value is None:
        return NOTHING
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def memory(peak: Peak | None) -> list[str]:
    """Return the megabytes of a process and of those below it."""
    if peak is None:
        return [NOTHING, NOTHING]
    # A process of a few milliseconds ends before it is looked at.
    return [f"{size:.0f}" if size >= 0.5 else NOTHING for size in peak]


def scores(
    title: str, rows: Sequence[tuple[str, Score | None]], whole: Score, notes: Sequence[str]
) -> Table:
    """Return a table of what was found. whole: the score of who finds all."""
    heads = ["", f"found of {whole.found}", "missed", "wrong", "in the core"]
    heads += [f"datapath of {whole.told}", "wrongly so"]
    body = [
        [name, *(map(str, own) if own else [NOTHING] * len(Score._fields))] for name, own in rows
    ]
    return Table(title, heads, body, notes)


def growth(sizes: Sequence[int], rows: Sequence[Timing]) -> Table:
    """Return a table of times by the number of drivers; each row is compared with the one above."""
    heads = ["drivers", "median s", "ms a driver", "ms for each more", "x first", "MB", "runs"]
    body, notes = [], []
    for nth, (size, row) in enumerate(zip(sizes, rows, strict=True)):
        if row.problem:
            body.append([str(size), *([NOTHING] * (len(heads) - 1))])
            notes.append(f"{size} drivers: not available: {row.problem}")
            continue
        more = NOTHING
        if nth and rows[nth - 1].seconds:
            added = row.middle() - rows[nth - 1].middle()
            more = f"{1000 * added / (size - sizes[nth - 1]):.2f}"
        each = f"{1000 * row.middle() / size:.2f}"
        times = [seconds(row.middle()), each, more, ratio(row.ratio(rows[0]))]
        body.append([str(size), *times, memory(row.peak)[0], str(len(row.seconds))])
    return Table("Growth: a generated kernel", heads, body, notes)
