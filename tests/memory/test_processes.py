"""Work in several processes: the same results, no process left, no word from a child."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.laid import lay_fixture
from tests.memory.test_gather import facts
from tests.ran import COMMAND, environment
from xfrmlint import processes
from xfrmlint.analysis import analyse
from xfrmlint.errors import InputError
from xfrmlint.memory import gather
from xfrmlint.memory.cache import Cache
from xfrmlint.memory.gather import Session, gathered
from xfrmlint.processes import MOST_JOBS, shared_out
from xfrmlint.tree.folder import Folder, Known

pytestmark = pytest.mark.slow

PARENT = os.getpid()


def nothing() -> None:
    return None


def slowly(number: int) -> int:
    time.sleep(0.05)
    return os.getpid()


@pytest.mark.parametrize(("jobs", "many"), [(0, 1), (0, 4), (1, 1), (1, 4), (7, 1), (7, 2), (9, 4)])
def test_every_job_is_done_once(jobs: int, many: int) -> None:
    returned = shared_out(jobs, lambda number: [number, str(number)], nothing, many)
    assert returned.results == {n: [n, str(n)] for n in range(jobs)}
    assert returned.told == [None] * (many - 1)


def test_all_work() -> None:
    returned = shared_out(60, slowly, os.getpid, 3)
    assert len(set(returned.results.values())) == 3
    assert set(returned.results.values()) == {PARENT, *returned.told}


def test_results_may_be_larger_than_a_pipe() -> None:
    returned = shared_out(6, lambda number: str(number) * (1 << 20), nothing, 3)
    assert returned.results == {n: str(n) * (1 << 20) for n in range(6)}


def test_more_jobs_than_a_pipe_holds_are_left_to_the_caller() -> None:
    assert shared_out(MOST_JOBS + 1, str, nothing, 2).results == {}
    assert len(shared_out(MOST_JOBS, str, nothing, 2).results) == MOST_JOBS


def _raise(number: int) -> int:
    if number in (2, 5):
        raise InputError(f"job {number}")
    return number


def _die(number: int) -> int:
    if os.getpid() != PARENT and number:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return number


def _strange(number: int) -> object:
    time.sleep(0.05)
    return {1, 2} if os.getpid() != PARENT else number


@pytest.mark.parametrize("make", [_raise, _die, _strange])
def test_what_went_wrong_has_no_result(make: Callable[[int], object]) -> None:
    returned = shared_out(40, make, nothing, 2)
    assert len(returned.results) < 40
    assert all(result == number for number, result in returned.results.items())


def children() -> set[str]:
    """Return the processes that this one has started, other tests' too."""
    lists = Path("/proc/self/task").glob("*/children")
    return {child for one in lists for child in one.read_text().split()}


def test_no_process_and_no_file_is_left() -> None:
    before = os.listdir("/proc/self/fd"), children()
    for make in (str, _raise, _die):
        shared_out(8, make, nothing, 3)
    assert (os.listdir("/proc/self/fd"), children()) == before


def test_an_interrupted_parent_takes_its_children_along() -> None:
    def interrupted(number: int) -> None:
        if os.getpid() == PARENT:
            raise KeyboardInterrupt
        time.sleep(600)

    before = children()
    with pytest.raises(KeyboardInterrupt):
        shared_out(8, interrupted, nothing, 3)
    assert children() == before


def test_where_no_process_can_be_made_one_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", refused)
    returned = shared_out(4, str, nothing, 3)
    assert (returned.results, returned.told) == ({n: str(n) for n in range(4)}, [])


# In a run: fixtures are too small for it, so it is made to pay.
@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return lay_fixture("demo", tmp_path / "linux")


def found(tree: Path) -> object:
    with Cache(None) as cache:
        return facts(gathered(Folder(tree), Session(cache)).store)


@pytest.fixture
def pays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of processes that runs asked for."""
    asked: list[int] = []
    real = processes.shared_out

    def noted(
        jobs: int, make: Callable[[int], object], tell: Callable[[], object], many: int
    ) -> processes.Returned:
        asked.append(many)
        return real(jobs, make, tell, many)

    monkeypatch.setattr(gather, "_PAYS", 0)
    monkeypatch.setattr(processes, "shared_out", noted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3)))
    return asked


def test_a_small_tree_starts_none(
    tree: Path, pays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(processes, "shared_out", None)
    assert found(tree)


def test_one_processor_starts_none(
    tree: Path, pays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1})
    assert found(tree)
    assert pays == []


def test_one_driver_starts_none(tree: Path, pays: list[int], tmp_path: Path) -> None:
    for _ in range(2):
        with Cache(tmp_path / "facts.sqlite") as cache:
            gathered(Folder(tree), Session(cache))
        with open(tree / "drivers/net/sunrise/sunrise_tx.c", "a") as file:
            file.write("\n")
    assert pays == [3]


def test_facts_are_those_of_one_process(
    tree: Path, pays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    several = found(tree)
    assert pays == [3]
    monkeypatch.setattr(gather, "_PAYS", 1 << 40)
    assert found(tree) == several
    assert pays == [3]


def test_what_children_found_is_remembered(
    tree: Path, pays: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xfrmlint.tree.marks._TICK", 0)
    time.sleep(0.05)
    folder = Folder(tree)
    with Cache(tmp_path / "facts.sqlite") as cache:
        cache.know(folder)
        before = facts(gathered(folder, Session(cache)).store)
    assert len(pays) == 1
    one = Folder(tree)
    monkeypatch.setattr(gather, "_PAYS", 1 << 40)
    with Cache(tmp_path / "one.sqlite") as cache:
        cache.know(one)
        gathered(one, Session(cache))
    assert folder.learned == one.learned
    monkeypatch.setattr(analyse, "analysed", None)
    monkeypatch.setattr(analyse, "core_facts", None)
    with Cache(tmp_path / "facts.sqlite") as cache:
        assert facts(gathered(Folder(tree), Session(cache)).store) == before


def test_files_that_no_child_could_read_are_told(
    tree: Path, pays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def learned(self: Folder) -> object:
        return [Known.nothing().as_data(), {f"from {os.getpid() != PARENT}": "a reason"}]

    monkeypatch.setattr(Folder, "lesson", learned)
    folder = Folder(tree)
    store = gathered(folder, Session(Cache(None))).store
    assert folder.problems == {"from True": "a reason"}
    assert [tuple(row) for row in store.query("SELECT path, reason FROM unknown")[1]][-1] == (
        "from True",
        "not read: a reason",
    )


def test_what_a_child_can_not_do_reaches_the_user_as_ever(
    tree: Path, pays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise InputError("too much")

    monkeypatch.setattr(analyse, "analysed", failing)
    with pytest.raises(InputError, match="too much"):
        found(tree)


def test_a_part_that_goes_too_deep_is_listed(
    tree: Path, pays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(analyse, "analysed", failing)
    store = gathered(Folder(tree), Session(Cache(None))).store
    reasons = {row["reason"] for row in store.query("SELECT reason FROM unknown")[1]}
    assert any("too deep" in reason for reason in reasons)


def test_what_dies_in_a_child_is_done_by_the_parent(
    tree: Path, pays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = found(tree)
    real = analyse.analysed

    def dying(*everything: object) -> object:
        if os.getpid() != PARENT:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*everything)  # type: ignore[arg-type]

    monkeypatch.setattr(analyse, "analysed", dying)
    assert found(tree) == wanted


# The whole command, with processes that hang until somebody ends them.
HANGING = """
import os, sys, time
from pathlib import Path
from xfrmlint.analysis import analyse
from xfrmlint.memory import gather
from xfrmlint.cli import main

gather._PAYS = 0
os.sched_getaffinity = lambda _: {0, 1, 2}
parent = os.getpid()

def hang(*_):
    with open(sys.argv[2], "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(600)

analyse.analysed = hang
main(["check", "--no-cache", sys.argv[1]])
"""


def hanging(tree: Path, pids: Path) -> "tuple[subprocess.Popen[str], list[int]]":
    """Start a run, and wait until three processes are at work."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING, tree, pids],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if pids.exists() and len(pids.read_text().split()) == 3:
            return process, [int(pid) for pid in pids.read_text().split()]
        time.sleep(0.02)
    process.kill()
    raise AssertionError(process.communicate())


def gone(pid: int) -> bool:
    """Wait until a process has ended (or is a zombie that waits for its new parent)."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


def test_a_killed_parent_leaves_no_orphans(tree: Path, tmp_path: Path) -> None:
    process, pids = hanging(tree, tmp_path / "pids")
    process.kill()
    out, err = process.communicate(timeout=30)
    assert (out, err) == ("", "")
    assert [pid for pid in pids if not gone(pid)] == []


@pytest.mark.parametrize("all_of_them", [True, False])
def test_ctrl_c_ends_all_quietly(all_of_them: bool, tree: Path, tmp_path: Path) -> None:
    process, pids = hanging(tree, tmp_path / "pids")
    if all_of_them:
        # As a terminal does it.
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    # The newline is for the ^C that a terminal shows.
    assert (process.returncode, out, err) == (130, "", "\n")
    assert [pid for pid in pids if not gone(pid)] == []


PAYING = """
import os, sys
from xfrmlint.memory import gather
from xfrmlint.cli import main

gather._PAYS = 0
os.sched_getaffinity = lambda _: set(range(int(sys.argv[1])))
main(sys.argv[2:])
"""


def test_the_command_prints_the_same(tree: Path) -> None:
    arguments = ["check", "--no-cache", "--format", "json", str(tree)]
    printed = [
        subprocess.run(
            [sys.executable, "-c", PAYING, str(many), *arguments],
            env=environment(),
            capture_output=True,
        )
        for many in (1, 2, 5)
    ]
    plain = subprocess.run([*COMMAND, *arguments], env=environment(), capture_output=True)
    assert json.loads(plain.stdout)["findings"]
    for done in printed:
        assert (done.returncode, done.stdout, done.stderr) == (1, plain.stdout, b"")


def test_children_keep_nothing_open_of_their_parents() -> None:
    # A program at the other end of a pipe waits until all have closed theirs.
    behind, ours = os.pipe()
    shared = processes.Shared(1, lambda _: "more than a pipe holds" * 100_000, lambda: None, 2)
    try:
        os.close(ours)
        assert select.select([behind], [], [], 10)[0]
        assert os.read(behind, 1) == b""
    finally:
        shared.end()
        os.close(behind)
