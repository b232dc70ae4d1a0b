"""Tables of facts about the kernel: read from TOML, held against a schema, looked up by name.

A row speaks of the names that its `names` match; `*` stands for letters, digits and underscores.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xfrmlint.errors import InputError

Row = Mapping[str, Any]


class Numbers(list[int]):
    """In a schema: a list of numbers. A plain list is one of strings."""


# For each key its type; a tuple holds the words that it may have.
Schema = Mapping[str, type | tuple[str, ...]]
# Letters by which patterns are sorted.
_FIRST = 3


def checked_rows(document: Mapping[str, Any], schemas: Mapping[str, Schema], where: str) -> None:
    """Hold a document against the schemas of its tables; raises InputError with the row's place."""
    for table, rows in document.items():
        schema = schemas.get(table)
        if schema is None or not isinstance(rows, list):
            known = ", ".join(f"[[{name}]]" for name in schemas)
            raise InputError(f"{where}: {table} is no table of it; there are {known}")
        for number, row in enumerate(rows, 1):
            at = f"{where}: [[{table}]] number {number}"
            if not isinstance(row, dict):
                raise InputError(f"{at} is no table")
            for key, value in row.items():
                _check(at, key, value, schema)
            for key in ("names", "source"):
                if key in schema and not row.get(key):
                    raise InputError(f"{at} has no {key}")


def _check(at: str, key: str, value: object, schema: Schema) -> None:
    wanted = schema.get(key)
    if wanted is None:
        raise InputError(f"{at}: {key} is not known; there are {', '.join(schema)}")
    if isinstance(wanted, tuple):
        if value not in wanted:
            raise InputError(f"{at}: {key} is {value!r}; it can be {', '.join(wanted)}")
    elif type(value) is not (list if wanted is Numbers else wanted):
        raise InputError(f"{at}: {key} is {value!r}; that is no {wanted.__name__.lower()}")
    elif type(value) is int and value < 0:
        raise InputError(f"{at}: {key} is {value}; arguments are counted from 0")
    elif isinstance(value, list):
        kind = int if wanted is Numbers else str
        if not value or any(type(item) is not kind for item in value):
            raise InputError(f"{at}: {key} is empty, or holds something that is no {kind.__name__}")


def name_pattern(names: Iterable[str]) -> str:
    """Return a regular expression of names in which * stands for letters, digits and _."""
    return "|".join(re.escape(name).replace(r"\*", r"\w*") for name in names)


class Names:
    """Finds the rows that speak of a name; few of the many patterns are held against it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._exact: dict[str, list[int]] = {}
        # By the first letters that a pattern asks for: (pattern, what is before its *, row).
        self._patterns: dict[str, list[tuple[str, str, int]]] = {}
        for number, row in enumerate(rows):
            for name in row["names"]:
                begin, star, _ = name.partition("*")
                if star:
                    first = begin[:_FIRST] if len(begin) >= _FIRST else ""
                    self._patterns.setdefault(first, []).append((name, begin, number))
                else:
                    self._exact.setdefault(name, []).append(number)

    def rows_of(self, name: str) -> list[int]:
        """Return the numbers of the rows that speak of a name, in order."""
        found = set(self._exact.get(name, ()))
        for pattern, begin, number in (
            *self._patterns.get(name[:_FIRST], ()),
            *self._patterns.get("", ()),
        ):
            if name.startswith(begin) and (pattern[:-1] == begin or _fits(pattern, name)):
                found.add(number)
        return sorted(found)


def _fits(pattern: str, name: str) -> bool:
    pieces = pattern.split("*")
    at = len(pieces[0])
    for piece in pieces[1:-1]:
        at = name.find(piece, at) + len(piece)
        if at < len(piece):
            return False
    return name.endswith(pieces[-1]) and len(name) - len(pieces[-1]) >= at
