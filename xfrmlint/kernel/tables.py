"""Tables of facts about the kernel: read from TOML, held against a schema, looked up by name.

A row speaks of the names that its `names` match; `*` stands for letters, digits and underscores.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xfrmlint.errors import InputError

Row = Mapping[str, Any]
# For each key its type; a tuple holds the words that it may have.
Schema = Mapping[str, type | tuple[str, ...]]


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
    elif type(value) is not wanted:
        raise InputError(f"{at}: {key} is {value!r}; that is no {wanted.__name__}")
    elif isinstance(value, list) and len({type(item) for item in value}) != 1:
        raise InputError(f"{at}: {key} is empty, or holds things of several kinds")


def name_pattern(names: Iterable[str]) -> str:
    """Return a regular expression of names in which * stands for letters, digits and _."""
    return "|".join(re.escape(name).replace(r"\*", r"\w*") for name in names)


class Names:
    """Finds the rows that speak of a name; one without * is found at once."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._exact: dict[str, list[int]] = {}
        self._patterns: list[tuple[re.Pattern[str], int]] = []
        for number, row in enumerate(rows):
            plain = [name for name in row["names"] if "*" not in name]
            open_ = [name for name in row["names"] if "*" in name]
            for name in plain:
                self._exact.setdefault(name, []).append(number)
            if open_:
                self._patterns.append((re.compile(name_pattern(open_)), number))

    def rows_of(self, name: str) -> list[int]:
        """Return the numbers of the rows that speak of a name, in order."""
        found = list(self._exact.get(name, ()))
        found += [number for pattern, number in self._patterns if pattern.fullmatch(name)]
        return sorted(set(found))
