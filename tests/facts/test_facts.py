"""The facts: the schema and its rows are one thing, and a sealed store can only be read."""

import re
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import pytest

from xfrmlint.facts import rows
from xfrmlint.facts.rows import TABLES, FileRow, TreeRow, UnknownRow
from xfrmlint.facts.store import Store

SCHEMA = files("xfrmlint.facts").joinpath("schema.sql").read_text("utf-8")
TYPES = {str: "TEXT", int: "INTEGER", int | None: "INTEGER"}
UNKNOWN = UnknownRow("drivers/net/a/a.c", 7, "f", "it was odd")


class Strange(NamedTuple):
    value: int


def columns(table: str) -> list[tuple[str, str]]:
    with sqlite3.connect(":memory:") as database:
        database.executescript(SCHEMA)
        found = database.execute(f"SELECT name, type FROM pragma_table_info('{table}')")
        return [(name, kind) for name, kind in found]


def made(kind: str) -> set[str]:
    return set(re.findall(rf"^CREATE {kind} (\w+)", SCHEMA, re.M))


def sealed(*added: tuple[object, ...]) -> Store:
    store = Store()
    store.add(added)
    store.seal()
    return store


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row.__name__)
def test_a_row_has_its_tables_columns_in_order(row: type) -> None:
    wanted = [(name, TYPES[kind]) for name, kind in row.__annotations__.items()]
    assert columns(TABLES[row]) == wanted


def test_every_table_has_a_row_and_every_row_a_table() -> None:
    assert sorted(TABLES.values()) == sorted(made("TABLE"))
    named = {v for k, v in vars(rows).items() if k.endswith("Row")}
    assert set(TABLES) == named
    assert [TABLES[row] for row in TABLES] == re.findall(r"^CREATE TABLE (\w+)", SCHEMA, re.M)


@pytest.mark.parametrize("name", sorted(made("TABLE") | made("VIEW")))
def test_a_sentence_stands_above(name: str) -> None:
    above = re.split(rf"^CREATE (?:TABLE|VIEW) {name}\b", SCHEMA, flags=re.M)[0]
    comment = re.search(r"\n\n((?:--[^\n]*\n)+)\Z", above)
    assert comment is not None
    text = " ".join(line[2:].strip() for line in comment.group(1).splitlines())
    assert re.match(r"[A-Z].*\.\Z", text), text


@pytest.mark.parametrize("name", sorted(made("VIEW")))
def test_a_view_can_be_asked(name: str) -> None:
    names, found = sealed().query(f"SELECT * FROM {name}")
    assert names
    assert found == []


def test_rows_come_back(tmp_path: Path) -> None:
    store = sealed(UNKNOWN, TreeRow("7.3.4", "absent", "absent", 1, 1))
    names, found = store.query("SELECT * FROM unknown")
    assert names == list(UNKNOWN._fields)
    assert [tuple(row) for row in found] == [UNKNOWN]
    assert found[0]["reason"] == UNKNOWN.reason


def test_a_row_of_no_table_is_refused() -> None:
    with pytest.raises(KeyError):
        Store().add([Strange(1)])


QUIET = [
    "SELECT 1",
    "SELECT count(*) FROM unknown",
    "select upper(path) from file order by 1 limit 3",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT * FROM n",
    "SELECT path, count(*) OVER (PARTITION BY path) FROM site",
    "SELECT json_object('a', line) FROM unknown WHERE path GLOB 'drivers/*'",
    "VALUES (1), (2)",
    "SELECT x'ff00'",
    "SELECT ';' -- a comment",
    "",
    "-- nothing",
]
REFUSED = [
    "INSERT INTO unknown VALUES ('a', 1, 'b', 'c')",
    "REPLACE INTO file VALUES ('a', 1, 1)",
    "UPDATE unknown SET line = 1",
    "DELETE FROM unknown",
    "DROP TABLE unknown",
    "DROP VIEW lower_site",
    "ALTER TABLE unknown ADD COLUMN a",
    "CREATE TABLE a (b)",
    "CREATE TEMP TABLE a (b)",
    "CREATE TEMP VIEW a AS SELECT 1",
    "CREATE INDEX a ON unknown (path)",
    "CREATE TRIGGER a AFTER INSERT ON unknown BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE a USING fts5(b)",
    "ATTACH 'other.db' AS other",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "PRAGMA table_info(unknown)",
    "SELECT * FROM pragma_database_list",
    "VACUUM",
    "VACUUM INTO 'other.db'",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "SELECT load_extension('other.so')",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE unknown",
    "WITH a AS (SELECT 1) DELETE FROM unknown",
    "SELECT",
    "SELECT * FROM nothing",
    "SELECT nothing FROM unknown",
    "SELECT nothing()",
    "SELECT ?",
    "SELECT 'a\0b",
    "SELECT '\udcff'",
    "(" * 5_000,
]


@pytest.mark.parametrize("text", QUIET)
def test_reading_is_allowed(text: str) -> None:
    sealed(UNKNOWN).query(text)


@pytest.mark.parametrize("text", REFUSED)
def test_a_sealed_store_refuses(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = sealed(UNKNOWN)
    with pytest.raises(sqlite3.Error):
        store.query(text)
    assert list(tmp_path.iterdir()) == []
    assert [tuple(row) for row in store.query("SELECT * FROM unknown")[1]] == [UNKNOWN]


def test_a_sealed_store_takes_no_rows() -> None:
    with pytest.raises(sqlite3.Error):
        sealed().add([UNKNOWN])


@pytest.mark.parametrize(
    "path",
    [
        "drivers/net/a.c",
        "drivers/net/é.c",
        "drivers/net/\udcff\udcfe.c",
        "\udc80",
        "\udcc3\udca9.c",
        "a\x1b[2J\n.c",
        "",
    ],
)
def test_a_path_comes_back_as_it_was(path: str) -> None:
    store = sealed(FileRow(path, 1, 1, 0))
    assert [row["path"] for row in store.query("SELECT path FROM file")[1]] == [path]


def test_a_path_of_odd_bytes_is_text_to_a_query() -> None:
    store = sealed(FileRow("drivers/\udcff.c", 1, 1, 0))
    for condition in ("path LIKE 'DRIVERS/%'", "path GLOB '*.c'", "typeof(path) = 'text'"):
        assert len(store.query(f"SELECT * FROM file WHERE {condition}")[1]) == 1


def test_paths_of_odd_bytes_stay_apart() -> None:
    paths = ["a.c", "\udcff.c", "\udcfe.c", "é.c"]
    store = sealed(*(FileRow(path, 1, 1, 0) for path in paths))
    assert {row["path"] for row in store.query("SELECT path FROM file")[1]} == set(paths)
    with pytest.raises(sqlite3.IntegrityError):
        Store().add([FileRow("\udcff.c", 1, 1, 0), FileRow("\udcff.c", 2, 1, 0)])
