"""More of the same kind: which of a test's parameters a plain run leaves out."""

from collections.abc import Iterable
from typing import Any

import pytest


def but_first(rows: Iterable[Any], count: int = 1) -> list[Any]:
    """Return a test's parameters, all but the first ones marked as slow.

    rows: values, tuples of them, or what pytest.param() made.
    """
    first = list(rows)
    return [*first[:count], *map(_slow, first[count:])]


def _slow(row: Any) -> Any:
    if hasattr(row, "marks"):
        return row._replace(marks=(*row.marks, pytest.mark.slow))
    values = row if isinstance(row, tuple) else (row,)
    return pytest.param(*values, marks=pytest.mark.slow)
