"""Caches that somebody else has made, damaged or holds, and questions without end."""

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.laid import lay_fixture
from tests.ran import COMMAND, environment, run
from tests.slow import but_first
from xfrmlint.check import check_tree
from xfrmlint.facts.store import Store
from xfrmlint.memory.cache import Cache
from xfrmlint.memory.gather import Session
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree.folder import Folder

RULES = load_rules([rules_folder()])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return lay_fixture("demo", tmp_path / "linux")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "home/xfrmlint").mkdir(parents=True, mode=0o700)
    return tmp_path / "home/xfrmlint/facts.sqlite"


def checked(tree: Path, file: Path, said: list[str] | None = None) -> list[tuple[str, int]]:
    with Cache(file, (said if said is not None else []).append) as cache:
        folder = Folder(tree)
        cache.know(folder)
        report = check_tree(folder, RULES, session=Session(cache))
    return [(finding.type, finding.line) for finding in report.findings]


def diary(at: Path) -> None:
    with closing(sqlite3.connect(at)) as database:
        database.execute("CREATE TABLE diary (day)")
        database.execute("INSERT INTO diary VALUES ('keep me')")
        database.execute("PRAGMA user_version = 5")
        database.commit()


def kept(at: Path) -> bool:
    with closing(sqlite3.connect(at)) as database:
        return database.execute("SELECT * FROM diary").fetchall() == [("keep me",)]


def test_a_link_to_another_database_is_not_followed(tree: Path, file: Path) -> None:
    other = file.parent.parent / "other.sqlite"
    diary(other)
    file.symlink_to(other)
    said: list[str] = []
    assert checked(tree, file, said)
    assert kept(other)
    assert "is a link" in said[0]


def test_another_name_of_another_database_is_not_written_to(tree: Path, file: Path) -> None:
    other = file.parent.parent / "other.sqlite"
    diary(other)
    os.link(other, file)
    assert checked(tree, file)
    assert kept(other)


def test_a_database_that_is_no_cache_makes_room_for_one(tree: Path, file: Path) -> None:
    diary(file)
    other = file.parent.parent / "other.sqlite"
    assert checked(tree, file) == checked(tree, file)
    with closing(sqlite3.connect(file)) as database:
        names = {row[0] for row in database.execute("SELECT name FROM sqlite_schema")}
    assert {"entry", "root"} <= names
    assert "diary" not in names
    assert not other.exists()


@pytest.mark.parametrize(
    "make",
    but_first(
        [
            lambda file: file.chmod(0o666),
            lambda file: file.chmod(0o620),
            lambda file: file.parent.chmod(0o777),
            lambda file: file.parent.chmod(0o1777),
            lambda file: file.parent.parent.chmod(0o777),
        ]
    ),
)
def test_a_cache_that_another_could_write_is_not_believed(
    make: Callable[[Path], None], tree: Path, file: Path
) -> None:
    right = checked(tree, file)
    make(file)
    size, changed = file.stat().st_size, file.stat().st_mtime_ns
    said: list[str] = []
    assert checked(tree, file, said) == right
    assert "others can write" in said[0]
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (size, changed)


def test_a_cache_of_another_user_is_not_believed(
    tree: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked(tree, file)
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    said: list[str] = []
    assert checked(tree, file, said)
    assert "belongs to another user" in said[0]


@pytest.mark.parametrize("mode", but_first([0o755, 0o775, 0o1777]))
def test_a_home_like_any_other_holds_a_cache(mode: int, tree: Path, file: Path) -> None:
    file.parent.parent.chmod(mode)
    said: list[str] = []
    checked(tree, file, said)
    assert file.exists()
    assert not said


@pytest.mark.parametrize("seed", but_first(range(20), 2))
def test_a_damaged_cache_changes_nothing(seed: int, tree: Path, file: Path) -> None:
    right = checked(tree, file)
    dice = random.Random(seed)
    data = bytearray(file.read_bytes())
    for _ in range(dice.randint(1, 40)):
        at = dice.randrange(len(data))
        data[at : at + dice.randint(0, 8)] = dice.randbytes(dice.randint(0, 8))
    file.write_bytes(data[: dice.randint(1, len(data))] if seed % 3 == 0 else data)
    assert checked(tree, file) == right
    assert checked(tree, file) == right


@pytest.mark.slow
def test_runs_at_once_say_nothing_of_each_other(tree: Path, tmp_path: Path) -> None:
    home = environment(XDG_CACHE_HOME=str(tmp_path / "cold"))
    command = [*COMMAND, "check", "--terse", "--no-summary", str(tree)]
    pipe = subprocess.PIPE
    runs = [subprocess.Popen(command, stdout=pipe, stderr=pipe, env=home) for _ in range(4)]
    said = [one.communicate() for one in runs]
    assert {err for _, err in said} == {b""}
    assert len({out for out, _ in said}) == 1


def test_a_cache_that_is_in_use_is_left_in_silence(tree: Path, file: Path) -> None:
    right = checked(tree, file)
    (tree / "drivers/net/sunrise/sunrise.h").write_text(
        (tree / "drivers/net/sunrise/sunrise.h").read_text() + "\n"
    )
    with closing(sqlite3.connect(file)) as database:
        database.execute("BEGIN EXCLUSIVE")
        said: list[str] = []
        assert checked(tree, file, said) == right
        assert said == []


ENDLESS = [
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c",
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c",
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
    "SELECT printf('%.*c', 1000000, 'x') FROM c",
    "SELECT hex(zeroblob(16000000))",
]


@pytest.mark.slow
@pytest.mark.parametrize("question", ENDLESS)
def test_a_question_without_end_is_ended(question: str) -> None:
    store = Store()
    store.seal()
    with pytest.raises(sqlite3.Error):
        store.query(question)
    assert store.query("SELECT 1")[1][0][0] == 1


@pytest.mark.slow
def test_a_question_without_end_is_one_line(tree: Path) -> None:
    ran = run("query", ENDLESS[0], tree, cwd=tree)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "takes too long" in ran.err


@pytest.mark.slow
def test_kill_leaves_nothing_that_stops_the_next_run(tree: Path, tmp_path: Path) -> None:
    home = environment(XDG_CACHE_HOME=str(tmp_path / "cold"), TMPDIR=str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    dice = random.Random(7)
    for _ in range(8):
        running = subprocess.Popen(
            [sys.executable, *COMMAND[1:], "check", "-q", str(tree)],
            stdout=subprocess.DEVNULL,
            env=home,
            start_new_session=True,
        )
        with suppress(subprocess.TimeoutExpired):
            running.wait(dice.uniform(0, 0.6))
        running.kill()
        running.wait()
    ran = run("check", "-q", tree, cwd=tree, env=home)
    assert (ran.status, ran.err) == (1, "")
    assert list((tmp_path / "tmp").iterdir()) == []
