"""The drivers of a tree, and how far each is with its conversion."""

import textwrap
from collections.abc import Iterator

from xfrmlint.findings import DriverLine, Report
from xfrmlint.report import json
from xfrmlint.report.checkpatch import not_analysed
from xfrmlint.report.columns import aligned
from xfrmlint.report.terminal import printable

_TITLES = ("driver", "table", "role", "opted in", "direct", "resolved", "control", "verdict")
_NUMBERS = frozenset({4, 5, 6})
_NARROWEST = 40


def render(report: Report, width: int) -> Iterator[str]:
    """Yield a table of the ops tables, then what is missing in each.

    width: columns of the terminal; the sentences are wrapped at it, the table's rows never.
    """
    rows = sorted(report.drivers, key=json.driver_order)
    if not rows:
        yield "No struct xfrmdev_ops is defined in this tree."
    else:
        yield from aligned([_TITLES, *map(_cells, rows)], _NUMBERS)
        yield ""
        yield from _legend(rows, width)
    for row in rows:
        if row.missing:
            yield ""
            yield f"{printable(row.driver)}: {printable(row.table)} at {_place(row)}"
            for text in row.missing:
                yield from _wrapped(text, width, "  - ")
    if report.unknown:
        yield ""
        yield from (f"note: {text}" for text in not_analysed(report))


def as_json(report: Report) -> str:
    """Return the same as a JSON document, its rows those of `xfrmlint check --format json`."""
    return json.dump(
        {
            **json.head(report),
            "drivers": json.drivers(report),
            "unknown": json.unknown(report),
        }
    )


def _cells(row: DriverLine) -> tuple[str, ...]:
    return (
        printable(row.driver),
        printable(row.table) + ("" if row.on_netdev else " *"),
        printable(row.role),
        "yes" if row.opted_in else "no" if row.role == "lower" else "-",
        str(row.direct),
        str(row.resolved),
        str(row.control),
        printable(row.verdict),
    )


def _legend(rows: list[DriverLine], width: int) -> Iterator[str]:
    yield from _wrapped(
        "direct, resolved: datapath uses of a handle, read from the state's shared field or asked "
        "of the resolver; control: reads of that field elsewhere.",
        width,
    )
    if not all(row.on_netdev for row in rows):
        yield from _wrapped(
            "* on no net_device: the table that forwards to it is the one that opts in.", width
        )


def _place(row: DriverLine) -> str:
    return f"{printable(row.path)}:{row.line}"


def _wrapped(text: str, width: int, mark: str = "") -> list[str]:
    return textwrap.wrap(
        printable(text),
        max(width, _NARROWEST),
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
