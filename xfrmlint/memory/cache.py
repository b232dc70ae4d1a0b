"""What earlier runs found out, in SQLite: a document holds as long as its tree answers as it did.

Nothing in the file is trusted to be whole: what can't be read counts as not there.
"""

import json
import os
import sqlite3
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import lru_cache
from hashlib import blake2b
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NamedTuple

from xfrmlint import __version__
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder, Known
from xfrmlint.tree.watched import Seen, as_data, seen_of

# What the tables below look like; those of another number are thrown away.
_FORMAT = 5
# What a file that is ours says of itself ("xfrm"); no other one's tables are touched.
_OURS = 0x7866726D
# Of one key: trees that are checked by turns, and states of a driver that is being worked on.
_MOST_OF_A_KEY = 12
# Bytes that all documents may take up, and one may unpack to.
_LARGEST = 64 << 20
_LARGEST_DOCUMENT = 64 << 20
# Trees whose files' stamps are kept, and stamps, searches and marked folders of one of them.
_MOST_ROOTS = 32
_MOST_STAMPS = 100_000
_MOST_SEARCHES = 1000
_MOST_MARKS = 100_000
# What nobody asked for in so many seconds goes; that it was asked for is noted once a day.
_MONTH = 30 * 86400.0
_DAY = 86400.0
# Seconds to wait for another run that is writing.
_BUSY = 0.5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
  id INTEGER PRIMARY KEY, version TEXT, key TEXT, used REAL, seen BLOB, document BLOB, digest BLOB
);
CREATE INDEX IF NOT EXISTS entry_key ON entry (version, key);
CREATE TABLE IF NOT EXISTS root (path BLOB PRIMARY KEY, used REAL, known BLOB, digest BLOB);
"""
_HAD = "DELETE FROM entry WHERE version = ? AND key = ? AND seen = ?"
_ADDED = """
INSERT INTO entry (version, key, used, seen, document, digest) VALUES (?, ?, ?, ?, ?, ?)
"""
_TOO_MANY = """
DELETE FROM entry WHERE version = ?1 AND key = ?2 AND id NOT IN
  (SELECT id FROM entry WHERE version = ?1 AND key = ?2 ORDER BY used DESC, id DESC LIMIT ?3)
"""
_TOO_MUCH = """
DELETE FROM entry WHERE id IN (SELECT id FROM
  (SELECT id, sum(length(seen) + length(document)) OVER (ORDER BY used DESC, id DESC) AS upto
   FROM entry) WHERE upto > ?)
"""
_TOO_MANY_ROOTS = """
DELETE FROM root WHERE path NOT IN (SELECT path FROM root ORDER BY used DESC LIMIT ?)
"""
# What is no fault of the file (https://sqlite.org/rescode.html): in use, no memory, no place.
_ELSEWHERE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# Another run has thrown the file away while this one wrote to it.
_GONE = {sqlite3.SQLITE_IOERR_DELETE_NOENT, sqlite3.SQLITE_READONLY_DBMOVED}
_BROKEN = (ValueError, TypeError, KeyError, AttributeError, zlib.error, RecursionError)


class State(NamedTuple):
    """What `xfrmlint cache` tells. size: bytes on disk. entries: documents in it."""

    file: Path
    size: int
    entries: int


def place() -> Path | None:
    """Return where the cache lives (XDG base directory specification), None without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        # An empty one would be the root folder.
        home = os.path.expanduser("~") if os.environ.get("HOME") != "" else ""
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".cache")
    return Path(base) / "xfrmlint" / "facts.sqlite"


def place_outside(root: Path) -> Path | None:
    """Return where the cache lives, None where that is within a tree: nothing is written there."""
    file = place()
    inside = file is not None and Path(os.path.realpath(file)).is_relative_to(root)
    return None if inside else file


def state(file: Path) -> State:
    """Return how large the cache is; one that can't be read holds nothing."""
    with suppress(OSError, sqlite3.Error):
        size = file.stat().st_size
        database = _reading(file)
        if database is not None:
            with closing(database):
                counted = database.execute("SELECT count(*) FROM entry").fetchone()[0]
            return State(file, size, counted)
    return State(file, file.stat().st_size if file.is_file() else 0, 0)


class Held(NamedTuple):
    """A document, and what was seen when it was made. number: of an entry to be noted as used."""

    seen: Seen
    document: Any
    number: int | None


class Cache:
    """Documents by key. file: None keeps them for this run only.

    warn: is told, once, why nothing could be read or kept. besides: what documents depend on that
    is neither the tree nor the program. Use it as a context manager: what is new is written at its
    end, in one go.
    """

    def __init__(
        self,
        file: Path | None,
        warn: Callable[[str], None] = lambda _: None,
        besides: str = "",
    ) -> None:
        self.file = file
        self._besides = besides
        self._warn: Callable[[str], None] | None = warn
        self._folders: list[Folder] = []
        self._fresh: dict[str, list[tuple[Seen, Any]]] = {}
        self._used: list[int] = []
        self._broken: list[int] = []
        self._database: sqlite3.Connection | None = None
        try:
            if file is not None and (why := _distrust(file)):
                warn(f"the cache {file} is not used: {why}")
                self.file = None
            elif file is not None and file.exists():
                self._database = _reading(file)
        except (OSError, sqlite3.Error) as error:
            self._failed(error)

    def __enter__(self) -> "Cache":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for folder in self._folders:
            folder.end(learning=kind is None)
        if self._database is not None:
            self._database.close()
            self._database = None
        learned = any(folder.has_learned for folder in self._folders)
        if self.file is not None and (self._fresh or self._used or self._broken or learned):
            try:
                self._write(self.file)
            except (OSError, sqlite3.Error) as error:
                self._failed(error)

    def know(self, folder: Folder) -> None:
        """Let a folder know what its files held when they were last read."""
        self._folders.append(folder)
        if self.file is not None:
            folder.know(Known.nothing())
        for row in self._ask(
            "SELECT known, digest FROM root WHERE path = ?", os.fsencode(folder.root)
        ):
            with suppress(*_BROKEN):
                folder.know(_known(os.fsencode(folder.root), *row))

    def recall(self, key: str, tree: Tree) -> Any:
        """Return the document of a key that holds for a tree, None if there is none."""
        for held in self._likely(key, tree):
            if self.holds(held, tree):
                return held.document
        return None

    def likely(self, key: str, tree: Tree) -> "Held | None":
        """Return the document that recall() will find unless a search has another result now."""
        return next(self._likely(key, tree), None)

    def holds(self, held: "Held", tree: Tree) -> bool:
        """Tell whether what is likely to hold for a tree does; then it counts as used."""
        if not held.seen.found_alike(tree):
            return False
        if held.number is not None:
            self._used.append(held.number)
        return True

    def _likely(self, key: str, tree: Tree) -> "Iterator[Held]":
        for seen, document in self._fresh.get(key, ()):
            if seen.may_hold(tree):
                yield Held(seen, document, None)
        for number, lately, packed_seen, packed, digest in self._ask(
            "SELECT id, used > ?, seen, document, digest FROM entry "
            "WHERE version = ? AND key = ? ORDER BY used DESC, id DESC",
            time.time() - _DAY,
            self._version(),
            key,
        ):
            try:
                _check(digest, self._version(), key, packed_seen, packed)
                seen = seen_of(_unpacked(packed_seen))
                if not seen.may_hold(tree):
                    continue
                document = _unpacked(packed)
            except _BROKEN:
                self._broken.append(number)
            else:
                yield Held(seen, document, None if lately else number)

    def remember(self, key: str, seen: Seen, document: Any) -> None:
        """Keep a document for as long as a tree gives the answers that were seen."""
        if not seen.changed:
            self._fresh.setdefault(key, []).append((seen, document))

    def _version(self) -> str:
        return release() + self._besides

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
        if _distrust(file):
            # It was made by somebody else since.
            return
        now, version = time.time(), self._version()
        # What a power failure leaves half written is told by its digest.
        with closing(_writing(file)) as database:
            for key, entries in self._fresh.items():
                for seen, document in entries:
                    packed = _packed(as_data(seen)), _packed(document)
                    database.execute(_HAD, (version, key, packed[0]))
                    digest = _digest(version, key, *packed)
                    database.execute(_ADDED, (version, key, now, *packed, digest))
                database.execute(_TOO_MANY, (version, key, _MOST_OF_A_KEY))
            touched = [(now, number) for number in self._used]
            database.executemany("UPDATE entry SET used = ? WHERE id = ?", touched)
            database.executemany("DELETE FROM entry WHERE id = ?", [(n,) for n in self._broken])
            for folder in self._folders:
                if folder.has_learned:
                    _write_known(database, folder, now)
            # Another version's entries, too.
            database.execute("DELETE FROM entry WHERE NOT used > ?", (now - _MONTH,))
            database.execute(_TOO_MUCH, (_LARGEST,))
            database.execute(_TOO_MANY_ROOTS, (_MOST_ROOTS,))
            database.execute("COMMIT")

    def _failed(self, error: Exception) -> None:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and (code & 0xFF in _IN_USE or code in _GONE):
            # Another run is writing: what this one found out is found out again.
            return
        if self._warn is not None:
            self._warn(f"the cache {self.file} can't be used: {error}")
            self._warn = None
        if code is not None and code & 0xFF not in _ELSEWHERE and self.file is not None:
            # No database, or a broken one: it is made anew.
            clear(self.file)


def _distrust(file: Path) -> str:
    """Return why what is at a cache's place is not believed, nor written to; empty if it is.

    What another user could have prepared would tell of a tree that it is clean; a link can lead to
    another database of this one's.
    """
    for path, folder in ((file.parent.parent, True), (file.parent, True), (file, False)):
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{path}: {error.strerror}"
        base = path == file.parent.parent
        if base and stat.S_ISLNK(found.st_mode):
            found = os.stat(path)
        if not (stat.S_ISDIR(found.st_mode) if folder else stat.S_ISREG(found.st_mode)):
            return f"{path} is {'a link' if stat.S_ISLNK(found.st_mode) else 'something else'}"
        if not base and found.st_uid != os.geteuid():
            return f"{path} belongs to another user"
        if not folder and found.st_nlink != 1:
            return f"{path} has another name, too"
        # In a folder like /tmp nobody else can put another thing in the place of ours.
        others = stat.S_IWOTH if base else stat.S_IWOTH | stat.S_IWGRP
        if found.st_mode & others and not (base and found.st_mode & stat.S_ISVTX):
            return f"others can write to {path}"
    return ""


def clear(file: Path) -> None:
    """Remove a cache and what SQLite keeps beside it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{file}{suffix}").unlink()


@lru_cache(maxsize=1)
def release() -> str:
    """Return what documents depend on besides their tree: this program and its parsers."""
    here = Path(__file__).parent.parent
    told: list[object] = [__version__, sys.version]
    # A checkout that is worked on has one version number all the time.
    files = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(here)
        for name in names
        if name.endswith((".py", ".sql", ".toml"))
    ]
    for name in ("tree_sitter", "tree_sitter_c"):
        # Their versions stand in files that are slow to find; a new one's files are new.
        spec = PathFinder.find_spec(name)
        for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
            files += [entry.path for entry in os.scandir(folder) if entry.is_file()]
    for file in sorted(files):
        found = os.stat(file)
        told.append((file, found.st_size, found.st_mtime_ns))
    return blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _reading(file: Path) -> sqlite3.Connection | None:
    """Open a cache, None if it is none, or one with other tables."""
    # Not read-only: what another run left half written is taken back at once.
    found = sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY)
    try:
        # Opening alone reads nothing.
        if _is_ours(found) and found.execute("PRAGMA user_version").fetchone()[0] == _FORMAT:
            return found
    except sqlite3.Error:
        found.close()
        raise
    found.close()
    return None


def _is_ours(database: sqlite3.Connection) -> bool:
    return bool(database.execute("PRAGMA application_id").fetchone()[0] == _OURS)


def _writing(file: Path) -> sqlite3.Connection:
    """Open a cache, or make one, and begin a transaction.

    A file that is no cache is not written to: another one takes its name.
    """
    if file.exists() and file.stat().st_size:
        with closing(sqlite3.connect(file, timeout=_BUSY)) as there:
            # One without tables is another run's that has just begun: SQLite commits its first
            # page by itself, before any mark of ours. What has tables has its mark, too.
            begun = not there.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            foreign = not begun and not _is_ours(there)
        if foreign:
            clear(file)
    found = sqlite3.connect(file, timeout=_BUSY, isolation_level=None)
    try:
        found.execute("PRAGMA auto_vacuum = FULL")
        found.execute("PRAGMA synchronous = OFF")
        found.execute("BEGIN IMMEDIATE")
        if found.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
            for (name,) in found.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            ).fetchall():
                found.execute('DROP TABLE "{}"'.format(name.replace('"', '""')))
            found.execute(f"PRAGMA application_id = {_OURS}")
            found.execute(f"PRAGMA user_version = {_FORMAT}")
        for statement in _SCHEMA.split(";"):
            found.execute(statement)
    except sqlite3.Error:
        found.close()
        raise
    return found


def _write_known(database: sqlite3.Connection, folder: Folder, now: float) -> None:
    root = os.fsencode(folder.root)
    known = Known.nothing()
    # Another run can have added some.
    for row in database.execute("SELECT known, digest FROM root WHERE path = ?", (root,)):
        with suppress(*_BROKEN):
            known = _known(root, *row)
    learned = folder.learned
    both = Known({**known.files, **learned.files}, known.found.joined(learned.found))
    if len(both.files) > _MOST_STAMPS or len(both.found.below) > _MOST_SEARCHES:
        both = learned
    if len(both.found.marks) > _MOST_MARKS:
        both = both._replace(found=both.found._replace(whole={}, marks={}))
    packed = _packed(both.as_data())
    row = (root, now, packed, _digest(root, packed))
    database.execute("INSERT OR REPLACE INTO root VALUES (?, ?, ?, ?)", row)


def _known(root: bytes, packed: bytes, digest: bytes) -> Known:
    _check(digest, root, packed)
    return Known.of(_unpacked(packed))


def _digest(*pieces: str | bytes) -> bytes:
    found = blake2b(digest_size=16)
    for piece in pieces:
        data = piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
        found.update(b"%d:" % len(data) + data)
    return found.digest()


def _check(digest: bytes, *pieces: str | bytes) -> None:
    if _digest(*pieces) != digest:
        raise ValueError("not what was written")


def _packed(document: Any) -> bytes:
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode("ascii"), 1)


def _unpacked(data: bytes) -> Any:
    decompressor = zlib.decompressobj()
    text = decompressor.decompress(data, _LARGEST_DOCUMENT)
    if not decompressor.eof:
        raise ValueError("cut off")
    return json.loads(text)
