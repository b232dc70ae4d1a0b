"""The facts of one run in an SQLite database in memory."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from xfrmlint.facts.rows import TABLES

_READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
# What a question may take: instructions of SQLite's machine (a rule's takes a million on a kernel
# with 300 drivers), bytes of one value, rows, and bytes of all of them.
_AT_ONCE = 1_000_000
_MOST_STEPS = 300 * _AT_ONCE
_LONGEST = 16 << 20
_MOST_ROWS = 1_000_000
_LARGEST = 256 << 20


def schema_text() -> str:
    """Return the tables and views, with what they hold."""
    return (Path(__file__).parent / "schema.sql").read_text("utf-8")


class TooMuch(sqlite3.OperationalError):
    """A question that takes too long, or has too much to say."""


class Store:
    """Rows in, questions out. After `seal` nothing can be changed, not even by a query."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:")
        self._database.row_factory = _row
        self._database.text_factory = _text
        self._database.executescript(schema_text())

    def add(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Insert rows, each into the table of its type (`rows.TABLES`)."""
        by_type: dict[type, list[tuple[object, ...]]] = {}
        for row in rows:
            by_type.setdefault(type(row), []).append(tuple(map(_storable, row)))
        for kind, values in by_type.items():
            # Bytes that are text by what they are called can be asked about with LIKE and GLOB.
            marks = ",".join("?" if isinstance(v, int) else "CAST(? AS TEXT)" for v in values[0])
            self._database.executemany(f"INSERT INTO {TABLES[kind]} VALUES ({marks})", values)

    def seal(self) -> None:
        """Refuse everything but reading from now on, by SQLite's authorizer."""
        self._database.commit()
        self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        self._database.execute("PRAGMA query_only = ON")
        self._database.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
        )

    def query(self, text: str) -> tuple[list[str], list[sqlite3.Row]]:
        """Return the column names and rows of one SELECT; raises sqlite3.Error.

        So it does, as TooMuch, for one that takes too long or has too much to say.
        """
        left = _MOST_STEPS

        def stops() -> bool:
            nonlocal left
            left -= _AT_ONCE
            return left < 0

        self._database.set_progress_handler(stops, _AT_ONCE)
        try:
            cursor = self._database.execute(text)
            return [column[0] for column in cursor.description or ()], _rows(cursor)
        except sqlite3.OperationalError as error:
            if left >= 0:
                raise
            raise TooMuch("it takes too long") from error
        except (sqlite3.Warning, ValueError) as error:
            # Two statements in one text, a NUL in it, or a byte that is no UTF-8.
            raise sqlite3.ProgrammingError(str(error)) from None


def _rows(cursor: sqlite3.Cursor) -> list[sqlite3.Row]:
    found: list[sqlite3.Row] = []
    size = 0
    for row in cursor:
        found.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(found) > _MOST_ROWS or size > _LARGEST:
            raise TooMuch("its answer is too large")
    return found


def _storable(value: object) -> object:
    # SQLite's text is UTF-8, which can't hold the surrogates of a file name of other bytes.
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return value.encode("utf-8", "surrogatepass")
    return value


def _row(cursor: sqlite3.Cursor, values: tuple[object, ...]) -> sqlite3.Row:
    return sqlite3.Row(
        cursor,
        tuple(_text(v) if isinstance(v, bytes) else v for v in values),
    )


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        # A query can make bytes that never were text.
        return value.decode("utf-8", "surrogateescape")
