"""What is kept between runs: only what still holds, and never at the price of an answer."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.laid import lay_fixture
from tests.ran import COMMAND, Ran, environment, run
from tests.trees import Memory
from xfrmlint.memory import cache
from xfrmlint.memory.cache import Cache, place, state
from xfrmlint.tree import marks, searches
from xfrmlint.tree.folder import Folder, Stamped
from xfrmlint.tree.search import Searched, files_with
from xfrmlint.tree.watched import Seen, Watched

pytestmark = pytest.mark.slow

TREE = Memory({"a.c": b"int a;\n"})
OTHER = Memory({"a.c": b"int b;\n"})


def seen(tree: Memory) -> Seen:
    watched = Watched(tree)
    watched.read("a.c")
    return watched.seen


def keep(file: Path, key: str, document: object, tree: Memory = TREE) -> None:
    with Cache(file) as kept:
        kept.remember(key, seen(tree), document)


def recalled(file: Path, key: str, tree: Memory = TREE) -> object:
    said: list[str] = []
    with Cache(file, said.append) as kept:
        found = kept.recall(key, tree)
    assert said == []
    return found


def rows(file: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as database:
        found = database.execute(question).fetchall()
        database.commit()
        return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep/down/facts.sqlite"


def test_nothing_is_made_for_nothing(file: Path) -> None:
    assert recalled(file, "k") is None
    assert not file.parent.exists()
    assert state(file) == (file, 0, 0)


@pytest.mark.parametrize("document", [[], {}, {"a": [1, "\udcff", None, [2.5, True]]}, "ä\0"])
def test_a_document_comes_back_as_it_was(document: object, file: Path) -> None:
    keep(file, "k", document)
    assert recalled(file, "k") == document
    assert state(file) == (file, file.stat().st_size, 1)
    assert file.parent.stat().st_mode & 0o077 == 0


def test_without_a_file_it_is_kept_for_the_run() -> None:
    with Cache(None) as kept:
        kept.remember("k", seen(TREE), [1])
        assert kept.recall("k", TREE) == [1]
        assert kept.recall("k", OTHER) is None
        assert kept.recall("l", TREE) is None


def test_each_state_of_a_tree_has_its_own_document(file: Path) -> None:
    keep(file, "k", "one", TREE)
    keep(file, "k", "two", OTHER)
    assert (recalled(file, "k", TREE), recalled(file, "k", OTHER)) == ("one", "two")
    assert recalled(file, "other key") is None
    assert recalled(file, "k", Memory({})) is None


def test_what_two_runs_found_alike_is_kept_once(file: Path) -> None:
    keep(file, "k", "one")
    keep(file, "k", "one")
    assert state(file).entries == 1


def test_what_was_seen_in_two_states_is_not_kept(file: Path) -> None:
    torn = seen(TREE)
    torn.changed = True
    with Cache(file) as kept:
        kept.remember("k", torn, "one")
        assert kept.recall("k", TREE) is None
    assert not file.exists()


def test_the_oldest_states_of_one_key_go(file: Path) -> None:
    trees = [Memory({"a.c": b"%d" % number}) for number in range(20)]
    for number, tree in enumerate(trees):
        keep(file, "k", number, tree)
    held = [recalled(file, "k", tree) for tree in trees]
    assert held == [None] * 8 + list(range(8, 20))


def test_the_file_is_bounded_and_what_was_used_last_stays(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_LARGEST", 100_000)
    for number in range(12):
        keep(file, f"k{number}", os.urandom(12_000).hex())
    held = [number for number in range(12) if recalled(file, f"k{number}") is not None]
    assert held
    assert held == list(range(12 - len(held), 12))
    assert file.stat().st_size < 150_000


def test_a_document_that_is_too_large_does_not_push_others_out_for_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_LARGEST", 10_000)
    keep(file, "k", os.urandom(20_000).hex())
    assert recalled(file, "k") is None
    keep(file, "l", "small")
    assert recalled(file, "l") == "small"


def test_another_version_s_entries_are_not_used_and_go_in_the_end(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(file, "k", "old")
    mine = cache.release()
    monkeypatch.setattr(cache, "release", lambda: "another")
    assert recalled(file, "k") is None
    keep(file, "k", "new")
    assert recalled(file, "k") == "new"
    assert state(file).entries == 2
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE entry SET used = used - 31 * 86400 WHERE version = ?", (mine,))
    keep(file, "l", "more")
    assert rows(file, "SELECT DISTINCT version FROM entry") == [("another",)]


def test_what_is_in_use_stays(file: Path) -> None:
    keep(file, "k", "used")
    keep(file, "l", "forgotten")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE entry SET used = used - 29 * 86400")
    assert recalled(file, "k") == "used"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE entry SET used = used - 2 * 86400")
    keep(file, "m", "new")
    found = [recalled(file, key) for key in ("k", "l", "m")]
    assert found == ["used", None, "new"]


def test_a_run_that_finds_all_it_needs_writes_nothing(file: Path) -> None:
    keep(file, "k", "one")
    before = file.read_bytes(), file.stat().st_mtime_ns
    assert recalled(file, "k") == "one"
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_nothing_on_disk_is_a_pickle(file: Path, tmp_path: Path) -> None:
    keep(file, "k", {"a": [1, "b"]})
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "a.c").write_text("int a;")
    with Cache(file) as kept:
        tree = Folder(folder)
        kept.know(tree)
        tree.learned.files["a.c"] = Stamped((6, 1, 1, 1, 1), "0" * 40)
    for question in ("SELECT seen FROM entry", "SELECT document FROM entry"):
        for (packed,) in rows(file, question):
            # zlib's header; a pickle begins with 80.
            assert isinstance(packed, bytes)
            assert packed[:1] == b"\x78"
    modules = Path(cache.__file__).parent.rglob("*.py")
    assert [path for path in modules if "pickle" in path.read_text("utf-8")] == []


# What can have become of the file: it counts as not there, and is made anew.
def _flipped(position: float) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[int(position * (len(data) - 1))] ^= 0x5A
        file.write_bytes(data)

    return damage


def _text(file: Path) -> None:
    file.write_text("not a database\n" * 99)


def _cut(share: float) -> Callable[[Path], None]:
    return lambda file: os.truncate(file, int(file.stat().st_size * share))


def _sql(text: str) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        with closing(sqlite3.connect(file)) as database, database:
            database.executescript(text)

    return damage


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": lambda file: os.truncate(file, 0),
    "text": _text,
    "cut in half": _cut(0.5),
    "cut short": _cut(0.95),
    "header only": lambda file: os.truncate(file, 100),
    "no tables": _sql("DROP TABLE entry; DROP TABLE root"),
    "other columns": _sql("DROP TABLE entry; CREATE TABLE entry (x)"),
    "a view": _sql("DROP TABLE entry; CREATE VIEW entry AS SELECT 1 AS x"),
    "other format": _sql("DROP TABLE entry; CREATE TABLE entry (x); PRAGMA user_version = 99"),
    "other types": _sql("UPDATE entry SET seen = 1, document = NULL"),
    "no packed data": _sql("UPDATE entry SET seen = x'00', document = x'00'"),
    "documents exchanged": _sql("UPDATE entry SET document = (SELECT max(document) FROM entry)"),
    "keys exchanged": _sql("UPDATE entry SET key = CASE key WHEN 'k' THEN 'l' ELSE 'k' END"),
    **{f"flipped at {n} %": _flipped(n / 100) for n in range(0, 101, 4)},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_a_miss_and_mends(damage: Callable[[Path], None], file: Path) -> None:
    keep(file, "k", "one" * 500)
    keep(file, "l", "two" * 500)
    damage(file)
    for _ in range(2):
        said: list[str] = []
        with Cache(file, said.append) as kept:
            assert kept.recall("k", TREE) in ("one" * 500, None)
            assert kept.recall("l", TREE) in ("two" * 500, None)
            kept.remember("k", seen(TREE), "one" * 500)
            kept.remember("l", seen(TREE), "two" * 500)
        assert len(said) <= 1
    assert recalled(file, "k") == "one" * 500
    assert recalled(file, "l") == "two" * 500


# How the command itself takes it: the answer is the same, and at most one line says why.
@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_fixture("demo", tmp_path_factory.mktemp("kernel"))


@pytest.fixture(scope="module")
def wanted(kernel: Path) -> Ran:
    ran = run("check", "--no-cache", kernel, cwd=kernel)
    assert (ran.status, ran.err) == (1, "")
    return ran


def _locked(home: Path) -> Iterator[None]:
    with closing(sqlite3.connect(home / "xfrmlint/facts.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def _folder(home: Path) -> Iterator[None]:
    file = home / "xfrmlint/facts.sqlite"
    file.unlink()
    file.mkdir()
    yield


def _fifo(home: Path) -> Iterator[None]:
    file = home / "xfrmlint/facts.sqlite"
    file.unlink()
    os.mkfifo(file)
    yield


def _no_folder(home: Path) -> Iterator[None]:
    (home / "xfrmlint/facts.sqlite").unlink()
    (home / "xfrmlint").rmdir()
    (home / "xfrmlint").write_text("in the way")
    yield


def _garbage(home: Path) -> Iterator[None]:
    (home / "xfrmlint/facts.sqlite").write_text("garbage" * 100)
    yield


TROUBLE: dict[str, Callable[[Path], Iterator[None]]] = {
    "a folder in its place": _folder,
    "a FIFO in its place": _fifo,
    "a file where its folder goes": _no_folder,
    "garbage": _garbage,
}


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_trouble_costs_one_line(
    trouble: Callable[[Path], Iterator[None]], kernel: Path, wanted: Ran, tmp_path: Path
) -> None:
    keep(tmp_path / "xfrmlint/facts.sqlite", "k", "one")
    for _ in trouble(tmp_path):
        ran = run("check", kernel, cwd=kernel, env={"XDG_CACHE_HOME": str(tmp_path)})
        assert (ran.status, ran.out) == (wanted.status, wanted.out)
        assert ran.err.count("\n") == 1
        assert ran.err.startswith("xfrmlint: the cache ")


def test_a_cache_that_another_run_holds_costs_no_line(
    kernel: Path, wanted: Ran, tmp_path: Path
) -> None:
    keep(tmp_path / "xfrmlint/facts.sqlite", "k", "one")
    for _ in _locked(tmp_path):
        ran = run("check", kernel, cwd=kernel, env={"XDG_CACHE_HOME": str(tmp_path)})
        assert ran == (wanted.status, wanted.out, "")


@pytest.mark.parametrize("quiet", ["-q", "--terse"])
def test_trouble_costs_no_line_where_notes_are_not_wanted(
    quiet: str, kernel: Path, tmp_path: Path
) -> None:
    keep(tmp_path / "xfrmlint/facts.sqlite", "k", "one")
    for _ in _folder(tmp_path):
        ran = run("check", quiet, kernel, cwd=kernel, env={"XDG_CACHE_HOME": str(tmp_path)})
        assert (ran.status, ran.err) == (1, "")
        assert ran.out


def without_rights() -> None:
    """Take from root what lets it write into a folder that is read-only for it."""
    import ctypes

    # prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE); whoever isn't root hasn't got it.
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def full_disk() -> None:
    """Let no file grow; Python ignores the signal."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def ran_as(preparation: Callable[[], None], home: Path, kernel: Path) -> Ran:
    done = subprocess.run(
        [*COMMAND, "check", kernel],
        cwd=kernel,
        env=environment(XDG_CACHE_HOME=str(home)),
        capture_output=True,
        text=True,
        preexec_fn=preparation,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("preparation", [without_rights, full_disk])
def test_a_place_that_can_not_be_written_to(
    preparation: Callable[[], None], kernel: Path, wanted: Ran, tmp_path: Path
) -> None:
    (tmp_path / "xfrmlint").mkdir()
    (tmp_path / "xfrmlint").chmod(0o500)
    ran = ran_as(preparation, tmp_path, kernel)
    assert (ran.status, ran.out) == (wanted.status, wanted.out)
    assert ran.err.count("\n") == 1
    assert "can't be used" in ran.err


def test_a_cache_that_can_only_be_read_is_read(kernel: Path, wanted: Ran, tmp_path: Path) -> None:
    run("check", kernel, cwd=kernel, env={"XDG_CACHE_HOME": str(tmp_path)})
    file = tmp_path / "xfrmlint/facts.sqlite"
    file.chmod(0o400)
    file.parent.chmod(0o500)
    ran = ran_as(without_rights, tmp_path, kernel)
    assert (ran.status, ran.out) == (wanted.status, wanted.out)
    assert "readonly" in ran.err or not ran.err
    assert state(file).entries == 6


def test_a_full_disk_leaves_a_usable_file(kernel: Path, wanted: Ran, tmp_path: Path) -> None:
    run("check", kernel, cwd=kernel, env={"XDG_CACHE_HOME": str(tmp_path)})
    file = tmp_path / "xfrmlint/facts.sqlite"
    kept = state(file).entries
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DELETE FROM entry WHERE key LIKE '%moonset%'")
    ran = ran_as(full_disk, tmp_path, kernel)
    assert (ran.status, ran.out) == (wanted.status, wanted.out)
    assert run("check", kernel, cwd=kernel, env={"XDG_CACHE_HOME": str(tmp_path)}) == wanted
    assert state(file).entries == kept


@pytest.mark.parametrize(
    ("home", "cache_home", "file"),
    [
        ("/home/me", "", "/home/me/.cache/xfrmlint/facts.sqlite"),
        ("/home/me", "/var/c", "/var/c/xfrmlint/facts.sqlite"),
        # The specification: a relative path is to be ignored.
        ("/home/me", "relative", "/home/me/.cache/xfrmlint/facts.sqlite"),
        ("relative", "", None),
        ("", "", None),
    ],
)
def test_where_it_lives(
    home: str, cache_home: str, file: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("XDG_CACHE_HOME", cache_home)
    assert place() == (Path(file) if file is not None else None)


def test_without_a_home_it_is_done_without(kernel: Path, wanted: Ran) -> None:
    nowhere = {"XDG_CACHE_HOME": "", "HOME": ""}
    assert run("check", kernel, cwd=kernel, env=nowhere) == wanted
    ran = run("cache", cwd=kernel, env=nowhere)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)


KILLED = """
import os, signal, sys
from pathlib import Path
from xfrmlint.memory import cache
from xfrmlint.tree.watched import Seen

def dying(*values):
    # Pages that don't fit into SQLite's memory are in the file, half a transaction.
    if values and values[0] == cache._TOO_MUCH:
        os.kill(os.getpid(), signal.SIGKILL)

class Dying(cache.sqlite3.Connection):
    def execute(self, *values):
        dying(*values)
        return super().execute(*values)

connect = cache.sqlite3.connect
def connecting(*values, **named):
    found = connect(*values, factory=Dying, **named)
    found.execute("PRAGMA cache_size = 2")
    return found
cache.sqlite3.connect = connecting
with cache.Cache(Path(sys.argv[1])) as kept:
    for number in range(200):
        kept.remember(f"new {number}", Seen(), os.urandom(3000).hex())
"""


def test_a_run_that_is_killed_while_it_writes_leaves_a_usable_file(file: Path) -> None:
    keep(file, "k", "one")
    done = subprocess.run([sys.executable, "-c", KILLED, file], env=environment())
    assert done.returncode == -signal.SIGKILL
    # It had begun.
    assert Path(f"{file}-journal").stat().st_size > 0
    assert recalled(file, "k") == "one"
    assert recalled(file, "new 0", TREE) is None
    keep(file, "l", "two")
    assert (recalled(file, "k"), recalled(file, "l")) == ("one", "two")


def test_runs_at_once(kernel: Path, wanted: Ran, tmp_path: Path) -> None:
    running = [
        subprocess.Popen(
            [*COMMAND, "check", kernel],
            cwd=kernel,
            env=environment(XDG_CACHE_HOME=str(tmp_path)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == wanted
    # The plan, the core, net/xfrm, two drivers' folders and the headers: once each.
    assert state(tmp_path / "xfrmlint/facts.sqlite").entries == 6
    assert run("check", kernel, cwd=kernel, env={"XDG_CACHE_HOME": str(tmp_path)}) == wanted


def test_a_file_that_another_run_has_just_begun_is_not_thrown_away(file: Path) -> None:
    said: list[str] = []
    file.parent.mkdir(parents=True, mode=0o700)
    begun = os.open(file, os.O_CREAT, 0o600)
    os.close(begun)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        # SQLite writes the first page by itself, and nothing tells yet whose it is.
        other.execute("PRAGMA auto_vacuum = FULL")
        assert file.stat().st_size
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE theirs (id)")
        with Cache(file, said.append) as kept:
            kept.remember("k", seen(TREE), "one")
        other.execute("COMMIT")
    assert said == []
    assert rows(file, "SELECT * FROM theirs") == []


def test_what_another_run_throws_away_meanwhile_is_found_out_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(file, "k", "one")
    said: list[str] = []
    packed = cache._packed

    def throwing(document: object) -> bytes:
        if Path(f"{file}-journal").exists():
            cache.clear(file)
        return packed(document)

    monkeypatch.setattr(cache, "_packed", throwing)
    with Cache(file, said.append) as kept:
        for number in range(5):
            kept.remember(f"{number}", seen(TREE), os.urandom(3_000_000).hex())
    assert said == []
    assert not file.exists()
    monkeypatch.undo()
    keep(file, "k", "two")
    assert recalled(file, "k") == "two"


# Stamps: what lets a file that was read before be trusted without reading it.
def old(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, (1_000_000_000, 1_000_000_000))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree whose files settle at once: a change's time (ctime) can't be set back."""
    monkeypatch.setattr("xfrmlint.tree.marks._TICK", 50_000_000)
    (tmp_path / "tree").mkdir()
    old(tmp_path / "tree/a.c", "int a;")
    time.sleep(0.1)
    return tmp_path / "tree"


def learned(file: Path, folder: Path) -> dict[str, Stamped]:
    with Cache(file) as kept:
        tree = Folder(folder)
        kept.know(tree)
        tree.read("a.c")
    return tree.learned.files


def digest(file: Path, folder: Path) -> tuple[str, bool]:
    """Return a digest as a new run gives it, and whether the file was read for it."""
    with Cache(file) as kept:
        tree = Folder(folder)
        kept.know(tree)
        read: list[str] = []
        reading = tree.read
        tree.read = lambda path: read.append(path) or reading(path)  # type: ignore[method-assign,func-returns-value]
        return tree.digest("a.c"), bool(read)


def test_a_file_that_nobody_touched_is_not_read_again(file: Path, folder: Path) -> None:
    assert list(learned(file, folder)) == ["a.c"]
    assert digest(file, folder) == (Memory({"a.c": b"int a;"}).digest("a.c"), False)
    # Known already: nothing to write.
    assert learned(file, folder) == {}


def test_what_other_runs_learned_of_a_tree_is_kept(file: Path, folder: Path) -> None:
    old(folder / "b.c", "int b;")
    time.sleep(0.1)
    for path in ("a.c", "b.c"):
        with Cache(file) as kept:
            # As if it had started before the other one ended.
            tree = Folder(folder)
            tree.read(path)
            kept._folders.append(tree)
    with Cache(file) as kept:
        tree = Folder(folder)
        kept.know(tree)
    assert sorted(tree.known.files) == ["a.c", "b.c"]


def _same_size_and_time(path: Path) -> None:
    old(path, "int b;")


def _exchanged(path: Path) -> None:
    old(path.parent / "new", "int b;")
    (path.parent / "new").replace(path)


def _linked(path: Path) -> None:
    old(path.parent / "b.c", "int b;")
    path.unlink()
    path.symlink_to("b.c")


@pytest.mark.parametrize("change", [_same_size_and_time, _exchanged, _linked])
def test_a_change_is_seen_whatever_its_time_says(
    change: Callable[[Path], None], file: Path, folder: Path
) -> None:
    learned(file, folder)
    change(folder / "a.c")
    assert digest(file, folder) == (Memory({"a.c": b"int b;"}).digest("a.c"), True)


def test_a_link_that_was_turned_around(file: Path, folder: Path) -> None:
    for name, text in (("one", "int 1;"), ("two", "int 2;")):
        (folder / name).mkdir()
        old(folder / name / "a.c", text)
    (folder / "a.c").unlink()
    (folder / "now").symlink_to("one")
    (folder / "a.c").symlink_to("now/a.c")
    time.sleep(0.1)
    learned(file, folder)
    (folder / "now").unlink()
    (folder / "now").symlink_to("two")
    assert digest(file, folder) == (Memory({"a.c": b"int 2;"}).digest("a.c"), True)


def test_a_file_that_was_changed_a_moment_ago_is_not_trusted(
    file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xfrmlint.tree.marks._TICK", 60_000_000_000)
    assert learned(file, folder) == {}


def test_a_change_between_reading_and_writing_is_not_trusted(
    file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It happens within the clock's tick; much later the run ends."""
    monkeypatch.setattr(marks, "_TICK", 60_000_000_000)
    with Cache(file) as kept:
        tree = Folder(folder)
        kept.know(tree)
        tree.read("a.c")
        monkeypatch.setattr(marks, "_TICK", 0)
    assert digest(file, folder)[1]


def test_a_file_that_changes_while_it_is_read(
    file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.c"
    fstat = os.fstat

    def and_then_changes(handle: int) -> os.stat_result:
        found = fstat(handle)
        old(path, "int b;")
        return found

    monkeypatch.setattr("xfrmlint.tree.folder.os.fstat", and_then_changes)
    learned(file, folder)
    monkeypatch.undo()
    time.sleep(0.1)
    assert digest(file, folder) == (Memory({"a.c": b"int b;"}).digest("a.c"), True)


@pytest.mark.parametrize("damage", [DAMAGES["cut in half"], _sql("UPDATE root SET known = x'78'")])
def test_damaged_stamps_are_none(damage: Callable[[Path], None], file: Path, folder: Path) -> None:
    learned(file, folder)
    damage(file)
    assert digest(file, folder)[1]
    learned(file, folder)
    assert not digest(file, folder)[1]


def test_the_trees_that_are_remembered_are_bounded(
    file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_MOST_ROOTS", 3)
    roots = [folder / str(number) for number in range(5)]
    for root in roots:
        root.mkdir()
        old(root / "a.c", "int a;")
        time.sleep(0.1)
        learned(file, root)
    kept = [os.fsdecode(path) for (path,) in rows(file, "SELECT path FROM root ORDER BY used")]  # type: ignore[arg-type]
    assert kept == [str(root) for root in roots[2:]]


# Searches: what they found is known as long as no file below their folders changed.
@pytest.fixture
def sources(folder: Path) -> Path:
    old(folder / "top.c", "xso")
    for name, text in (
        ("a.c", "int xso;"),
        ("b.h", "int b;"),
        ("deep/c.c", "xso"),
        ("d.txt", "xso"),
    ):
        (folder / "drivers" / name).parent.mkdir(parents=True, exist_ok=True)
        old(folder / "drivers" / name, text)
    (folder / "drivers/link.c").symlink_to("a.c")
    (folder / "linked").symlink_to("drivers")
    time.sleep(0.1)
    return folder


def searched(file: Path, folder: Path, under: str = "drivers") -> tuple[list[str], int]:
    """Return what a search finds in a new run, and how many ripgreps it took."""
    started: list[object] = []
    real = files_with

    def counted(*asked: object, **how: bool) -> object:
        started.append(asked)
        return real(*asked, **how)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched, Cache(file) as kept:
        patched.setattr(searches, "files_with", counted)
        tree = Folder(folder)
        kept.know(tree)
        return list(tree.search(r"\bxso\b", [under])), len(started)


FOUND = ["drivers/a.c", "drivers/deep/c.c"]


def test_a_search_below_folders_that_nobody_touched_is_not_done_again(
    file: Path, sources: Path
) -> None:
    assert searched(file, sources) == (FOUND, 1)
    old(sources / "top.c", "int")
    old(sources / "drivers/d.txt", "int")
    assert searched(file, sources) == (FOUND, 0)


def _edited(path: str, text: str) -> Callable[[Path], None]:
    return lambda folder: old(folder / path, text)


def _moved(folder: Path) -> None:
    (folder / "drivers/deep").rename(folder / "drivers/deeper")


def _gone(folder: Path) -> None:
    (folder / "drivers/a.c").unlink()


def _link_for_file(folder: Path) -> None:
    _gone(folder)
    (folder / "drivers/a.c").symlink_to("../top.c")


def _link_for_folder(folder: Path) -> None:
    (folder / "drivers").rename(folder / "moved")
    (folder / "drivers").symlink_to("moved")
    _edited("moved/new.c", "xso")(folder)


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (_edited("drivers/b.h", "xso b;"), ["drivers/a.c", "drivers/b.h", "drivers/deep/c.c"]),
        # Of the same length, and with the time that it had.
        (_edited("drivers/a.c", "int xsa;"), ["drivers/deep/c.c"]),
        (_edited("drivers/deep/new.h", "xso"), [*FOUND, "drivers/deep/new.h"]),
        (_moved, ["drivers/a.c", "drivers/deeper/c.c"]),
        (_gone, ["drivers/deep/c.c"]),
        (_link_for_file, ["drivers/deep/c.c"]),
        (_link_for_folder, [*FOUND, "drivers/new.c"]),
    ],
)
def test_a_search_below_changed_folders_is_done_again(
    edit: Callable[[Path], None], found: list[str], file: Path, sources: Path
) -> None:
    searched(file, sources)
    edit(sources)
    assert searched(file, sources) == (found, 1)


@pytest.mark.parametrize("under", ["linked", ".", "top.c", "drivers/a.c"])
def test_what_is_no_folder_below_the_root_is_searched_every_time(
    under: str, file: Path, sources: Path
) -> None:
    first = searched(file, sources, under)
    assert first[0]
    assert searched(file, sources, under) == first


def test_files_that_changed_a_moment_ago_are_searched_again(
    file: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "_TICK", 60_000_000_000)
    assert searched(file, sources) == searched(file, sources) == (FOUND, 1)


def test_a_search_that_could_not_read_a_file_is_done_again(
    file: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        searches, "files_with", lambda *_: Searched(["drivers/a.c"], [("drivers/b.h", "why")])
    )
    for _ in range(2):
        with Cache(file) as kept:
            tree = Folder(sources)
            kept.know(tree)
            assert list(tree.search("xso", ["drivers"])) == ["drivers/a.c"]
            assert tree.problems == {"drivers/b.h": "why"}


@pytest.mark.parametrize("pattern", ["xso", "|".join(f"word{n}" for n in range(9000)) + "|xso"])
def test_a_search_that_was_begun_finds_the_same(pattern: str, sources: Path) -> None:
    tree = Folder(sources)
    tree.begin(pattern)
    tree.begin(pattern, ["drivers"])
    assert list(tree.search(pattern)) == ["drivers/a.c", "drivers/deep/c.c", "top.c"]
    # One run, one answer, as of files and folders.
    old(sources / "new.c", "xso")
    assert list(tree.search(pattern)) == ["drivers/a.c", "drivers/deep/c.c", "top.c"]


# The command.
IMPORTED = """
import sys
from xfrmlint.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    sys.stderr.write(" ".join(sys.modules))
"""
ANALYSIS = (
    "tree_sitter",
    "tree_sitter_c",
    "xfrmlint.c",
    "xfrmlint.program",
    "xfrmlint.flow",
)


def imported(*arguments: str | Path, home: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments],
        env=environment(XDG_CACHE_HOME=str(home)),
        capture_output=True,
        text=True,
    )
    return set(done.stderr.split())


def test_a_second_run_loads_nothing_that_analyses(kernel: Path, tmp_path: Path) -> None:
    assert imported("check", kernel, home=tmp_path) >= set(ANALYSIS)
    again = imported("check", kernel, home=tmp_path)
    assert "xfrmlint.memory.gather" in again
    assert [
        n for n in again if n in ANALYSIS or n.startswith(tuple(f"{m}." for m in ANALYSIS))
    ] == []
    assert not again & {"importlib.metadata", "importlib.resources", "tempfile"}


def test_the_version_loads_nothing_of_it(tmp_path: Path) -> None:
    found = imported("--version", home=tmp_path)
    own = {name for name in found if name.startswith("xfrmlint.")}
    own -= {name for name in own if name.startswith("xfrmlint.command")}
    report = {"xfrmlint.report", "xfrmlint.report.home", "xfrmlint.report.terminal"}
    assert own == {"xfrmlint.cli", "xfrmlint.errors", *report}
    assert "sqlite3" not in found


def test_the_command_tells_and_clears(kernel: Path, tmp_path: Path) -> None:
    home = {"XDG_CACHE_HOME": str(tmp_path)}
    file = tmp_path / "xfrmlint/facts.sqlite"
    assert run("cache", cwd=kernel, env=home) == (0, f"{file}: 0 entries, 0 bytes\n", "")
    run("check", kernel, cwd=kernel, env=home)
    size = file.stat().st_size
    assert run("cache", cwd=kernel, env=home) == (0, f"{file}: 6 entries, {size} bytes\n", "")
    assert run("cache", "--clear", cwd=kernel, env=home).status == 0
    assert list(file.parent.iterdir()) == []
    file.write_text("no database")
    assert run("cache", cwd=kernel, env=home) == (0, f"{file}: 0 entries, 11 bytes\n", "")


def test_nothing_is_kept_inside_the_tree(kernel: Path, wanted: Ran, tmp_path: Path) -> None:
    (tmp_path / "home").symlink_to(kernel)
    for home in (kernel, tmp_path / "home"):
        before = sorted(kernel.rglob("*"))
        assert run("check", kernel, cwd=kernel, env={"XDG_CACHE_HOME": str(home)}) == wanted
        assert sorted(kernel.rglob("*")) == before


def test_no_cache_is_no_cache(kernel: Path, wanted: Ran, tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    assert run("check", "--no-cache", kernel, cwd=kernel, env=env) == wanted
    assert list(tmp_path.iterdir()) == []
