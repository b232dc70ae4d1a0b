"""The rows of a tree's parts put together in one store."""

from collections.abc import Iterable
from typing import Any

from xfrmlint.facts.rows import NUMBERED
from xfrmlint.facts.store import Store

Rows = list[tuple[object, ...]]


def merged(parts: Iterable[Rows]) -> Store:
    """Return a sealed store of all the parts' rows.

    What each part numbers for itself is numbered on; of what several of them say alike (of a header
    that all include) one row is kept.
    """
    store = Store()
    store.add(_together(parts))
    store.seal()
    return store


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
