"""What earlier runs found out, in SQLite: a document holds as long as its tree answers as it did.

Nothing in the file is trusted to be whole: what can't be read counts as not there.
"""

import json
import os
import sqlite3
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from xfrmlint import __version__
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder, Stamped
from xfrmlint.tree.watched import Seen

# Of one key: trees that are checked by turns, and states of a driver that is being worked on.
_MOST_OF_A_KEY = 12
# Bytes that all documents may take up, and one may unpack to.
_LARGEST = 64 << 20
_LARGEST_DOCUMENT = 64 << 20
# A file that changes twice within one tick of a file system's clock looks unchanged.
_TICK = 2_000_000_000
# Seconds to wait for another run that is writing.
_BUSY = 0.5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
  id INTEGER PRIMARY KEY, version TEXT, key TEXT, used REAL, seen BLOB, document BLOB
);
CREATE INDEX IF NOT EXISTS entry_key ON entry (version, key);
CREATE TABLE IF NOT EXISTS stamp (
  root BLOB, path BLOB, size INTEGER, changed INTEGER, entry_changed INTEGER, inode INTEGER,
  digest TEXT, PRIMARY KEY (root, path)
) WITHOUT ROWID;
"""
_ADDED = "INSERT INTO entry (version, key, used, seen, document) VALUES (?, ?, ?, ?, ?)"
_TOO_MANY = """
DELETE FROM entry WHERE version = ?1 AND key = ?2 AND id NOT IN
  (SELECT id FROM entry WHERE version = ?1 AND key = ?2 ORDER BY used DESC LIMIT ?3)
"""
_HELD = "SELECT coalesce(sum(length(seen) + length(document)), 0) FROM entry"


class State(NamedTuple):
    """What `xfrmlint cache` tells. size: bytes on disk. entries: documents in it."""

    file: Path
    size: int
    entries: int


def place() -> Path | None:
    """Return where the cache lives (XDG base directory specification), None without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".cache")
    return Path(base) / "xfrmlint" / "facts.sqlite"


def state(file: Path) -> State:
    """Return how large the cache is; one that can't be read holds nothing."""
    with suppress(OSError, sqlite3.Error):
        size = file.stat().st_size
        with closing(_reading(file)) as database:
            return State(file, size, database.execute("SELECT count(*) FROM entry").fetchone()[0])
    return State(file, file.stat().st_size if file.is_file() else 0, 0)


class Cache:
    """Documents by key. file: None keeps them for this run only.

    warn: is told, once, why nothing could be read or kept. Use it as a context manager: what is new
    is written at its end, in one go.
    """

    def __init__(self, file: Path | None, warn: Callable[[str], None] = lambda _: None) -> None:
        self._file = file
        self._warn: Callable[[str], None] | None = warn
        self._folders: list[Folder] = []
        self._fresh: dict[str, list[tuple[Seen, Any]]] = {}
        self._used: list[int] = []
        self._broken: list[int] = []
        self._database: sqlite3.Connection | None = None
        try:
            if file is not None and file.exists():
                self._database = _reading(file)
        except (OSError, sqlite3.Error) as error:
            self._failed(error)

    def __enter__(self) -> "Cache":
        return self

    def __exit__(self, *_: object) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        news = self._fresh or self._broken or any(folder.learned for folder in self._folders)
        if self._file is not None and news:
            try:
                self._write(self._file)
            except (OSError, sqlite3.Error) as error:
                self._failed(error)

    def know(self, folder: Folder) -> None:
        """Let a folder know what its files held when they were last read."""
        self._folders.append(folder)
        rows = self._ask(
            "SELECT path, size, changed, entry_changed, inode, digest FROM stamp WHERE root = ?",
            os.fsencode(folder.root),
        )
        with suppress(TypeError):
            folder.known = {
                os.fsdecode(path): Stamped((size, changed, entry, inode), digest)
                for path, size, changed, entry, inode, digest in rows
            }

    def recall(self, key: str, tree: Tree) -> Any:
        """Return the document of a key that holds for a tree, None if there is none."""
        for seen, document in self._fresh.get(key, ()):
            if seen.holds(tree):
                return document
        for number, packed, document in self._ask(
            "SELECT id, seen, document FROM entry WHERE version = ? AND key = ? ORDER BY used DESC",
            release(),
            key,
        ):
            try:
                if _seen(_unpacked(packed)).holds(tree):
                    found = _unpacked(document)
                    self._used.append(number)
                    return found
            except (ValueError, TypeError, KeyError, AttributeError, zlib.error, RecursionError):
                self._broken.append(number)
        return None

    def remember(self, key: str, seen: Seen, document: Any) -> None:
        """Keep a document for as long as a tree gives the answers that were seen."""
        self._fresh.setdefault(key, []).append((seen, document))

    def _ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        if self._database is None:
            return []
        try:
            return self._database.execute(question, values).fetchall()
        except sqlite3.Error as error:
            self._database.close()
            self._database = None
            self._failed(error)
            return []

    def _write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        now = time.time()
        with closing(sqlite3.connect(file, timeout=_BUSY, isolation_level=None)) as database:
            database.executescript(_SCHEMA)
            database.execute("BEGIN IMMEDIATE")
            for key, entries in self._fresh.items():
                for seen, document in entries:
                    packed = _packed(_as_data(seen)), _packed(document)
                    database.execute(_ADDED, (release(), key, now, *packed))
                database.execute(_TOO_MANY, (release(), key, _MOST_OF_A_KEY))
            touched = [(now, number) for number in self._used]
            database.executemany("UPDATE entry SET used = ? WHERE id = ?", touched)
            database.executemany("DELETE FROM entry WHERE id = ?", [(n,) for n in self._broken])
            for folder in self._folders:
                rows = _stamps(folder)
                database.executemany("INSERT OR REPLACE INTO stamp VALUES (?,?,?,?,?,?,?)", rows)
            if database.execute(_HELD).fetchone()[0] > _LARGEST:
                for table in ("entry", "stamp"):
                    database.execute(f"DELETE FROM {table}")
            database.execute("COMMIT")

    def _failed(self, error: Exception) -> None:
        if self._warn is not None:
            self._warn(f"the cache {self._file} can't be used: {error}")
            self._warn = None
        if type(error) is sqlite3.DatabaseError and self._file is not None:
            # No database, or a broken one: it is made anew.
            with suppress(OSError):
                self._file.unlink()


@lru_cache(maxsize=1)
def release() -> str:
    """Return what documents depend on besides their tree: this program and its parsers."""
    here = Path(__file__).parent
    told: list[object] = [__version__, sys.version]
    for name in ("tree-sitter", "tree-sitter-c"):
        try:
            told.append(version(name))
        except PackageNotFoundError:
            told.append("?")
    # A checkout that is worked on has one version number all the time.
    for file in sorted((*here.rglob("*.py"), *here.rglob("*.sql"))):
        found = file.stat()
        told.append((str(file), found.st_size, found.st_mtime_ns))
    return blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _reading(file: Path) -> sqlite3.Connection:
    found = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY)
    # Opening alone reads nothing.
    found.execute("SELECT count(*) FROM sqlite_schema")
    return found


def _stamps(folder: Folder) -> Iterator[tuple[object, ...]]:
    settled = time.time_ns() - _TICK
    for path, (stamp, digest) in folder.learned.items():
        if max(stamp[1], stamp[2]) < settled:
            yield os.fsencode(folder.root), os.fsencode(path), *stamp, digest


def _packed(document: Any) -> bytes:
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode("ascii"), 1)


def _unpacked(data: bytes) -> Any:
    decompressor = zlib.decompressobj()
    text = decompressor.decompress(data, _LARGEST_DOCUMENT)
    if not decompressor.eof:
        raise ValueError("cut off")
    return json.loads(text)


def _as_data(seen: Seen) -> dict[str, Any]:
    # What could be read is a file.
    files = {
        path: there for path, there in seen.files.items() if not (there and seen.texts.get(path))
    }
    searches = [[text, under, paths] for (text, under), paths in seen.searches.items()]
    return {"texts": seen.texts, "files": files, "folders": seen.folders, "searches": searches}


def _seen(data: Any) -> Seen:
    return Seen(
        data["texts"],
        data["files"],
        {path: tuple(names) for path, names in data["folders"].items()},
        {(text, tuple(under)): tuple(paths) for text, under, paths in data["searches"]},
    )
