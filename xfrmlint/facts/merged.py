"""The rows of a tree's parts put together in one store."""

from collections.abc import Iterable
from typing import Any

from xfrmlint.facts.rows import NUMBERED, SiteRow
from xfrmlint.facts.store import Store

Rows = list[tuple[object, ...]]


def merged(parts: Iterable[Rows]) -> Store:
    """Return a sealed store of all the parts' rows.

    What each part numbers for itself is numbered on; of what several of them say alike (of a header
    that all include) one row is kept.
    """
    store = Store()
    store.add(_on_datapath_once(_together(parts)))
    store.seal()
    return store


def _on_datapath_once(rows: Rows) -> Rows:
    """Leave out what one driver has in a control path where another one has it on its datapath.

    A header of two drivers' folders is read with each; the line is the same.
    """
    sites = [row for row in rows if isinstance(row, SiteRow) and row.context == "datapath"]
    packets = {(site.path, site.line, site.column, site.field) for site in sites}
    return [
        row
        for row in rows
        if not isinstance(row, SiteRow)
        or row.context == "datapath"
        or (row.path, row.line, row.column, row.field) not in packets
    ]


def _together(parts: Iterable[Rows]) -> Rows:
    found: Rows = []
    once: set[tuple[type, tuple[object, ...]]] = set()
    used = dict.fromkeys({kind for kinds in NUMBERED.values() for kind in kinds.values()}, 0)
    for rows in parts:
        first = dict(used)
        for row in rows:
            numbered = NUMBERED.get(type(row))
            if numbered is None:
                if (type(row), row) in once:
                    continue
                once.add((type(row), row))
                found.append(row)
                continue
            values: list[Any] = list(row)
            for position, kind in numbered.items():
                values[position] += first[kind]
                used[kind] = max(used[kind], values[position] + 1)
            found.append(type(row)(*values))
    return found
