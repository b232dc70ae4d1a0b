"""Whole processes, run in turns: wall time of each run, and the peak memory of one."""

import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from bench.memory import Peak, Watch

# Seconds after which a command's first run is stopped, and the command given up.
LIMIT = 1200.0


class Command(NamedTuple):
    """What a row of a table runs.

    stdin: a file; good: the exit statuses of a run that did what it should; before: is told the
    number of the run, and makes ready what it reads; missing: why it can't be run here.
    """

    name: str
    argv: tuple[str, ...] = ()
    folder: Path = Path()
    stdin: Path | None = None
    good: frozenset[int] = frozenset({0})
    before: Callable[[int], object] | None = None
    missing: str = ""


class Timing(NamedTuple):
    """Wall seconds of some runs, the memory and output of one; problem: why there are none."""

    name: str
    seconds: tuple[float, ...] = ()
    peak: Peak | None = None
    output: str = ""
    problem: str = ""

    def middle(self) -> float:
        """Return the median of the seconds, of which there must be some."""
        return statistics.median(self.seconds)

    def ratio(self, floor: "Timing") -> float | None:
        """Return the median, over the rounds, of own time to the floor's in the same round."""
        pairs = list(zip(self.seconds, floor.seconds, strict=False))
        return statistics.median(own / other for own, other in pairs) if pairs else None


class _Ended(NamedTuple):
    seconds: float
    peak: Peak | None
    output: str
    problem: str


def measured(
    commands: Sequence[Command],
    runs: int,
    environment: Mapping[str, str],
    patience: float,
    progress: Callable[[str], None],
) -> list[Timing]:
    """Run all commands in turns, A B C A B C, so that a drift of the machine hits all alike.

    One more run of each comes first: it warms what can be warmed, and its memory is watched, which
    costs time and is not done where time is measured. A command that takes longer than `patience`
    seconds is not run again: that run is its time. progress: is told what runs next.
    """
    first = []
    for command in commands:
        progress(f"{command.name} (first run)")
        first.append(_run(command, environment, 0, watched=True))
    seconds: list[list[float]] = [[] for _ in commands]
    for turn in range(1, runs + 1):
        for command, ended, own in zip(commands, first, seconds, strict=True):
            if not ended.problem and ended.seconds <= patience:
                progress(f"{command.name} ({turn}/{runs})")
                own.append(_run(command, environment, turn, watched=False).seconds)
    return [
        Timing(command.name, problem=ended.problem)
        if ended.problem
        else Timing(command.name, tuple(own) or (ended.seconds,), ended.peak, ended.output)
        for command, ended, own in zip(commands, first, seconds, strict=True)
    ]


def _run(command: Command, environment: Mapping[str, str], turn: int, *, watched: bool) -> _Ended:
    if command.missing:
        return _Ended(0, None, "", command.missing)
    if command.before is not None:
        command.before(turn)
    with _files(command) as (stdin, out, err):
        start = time.perf_counter()
        try:
            process = subprocess.Popen(
                command.argv,
                cwd=command.folder,
                env=environment,
                stdin=stdin,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            return _Ended(0, None, "", f"can't be started: {error.strerror}")
        try:
            # A wait with a time limit would be one in steps.
            peak = _watch(process, start) if watched else None
            status = process.wait()
        finally:
            _stop(process)
        seconds = time.perf_counter() - start
        if seconds > LIMIT:
            return _Ended(seconds, None, "", f"stopped after {LIMIT:.0f} s")
        problem = "" if status in command.good else f"exit status {status}{_last_line(err)}"
        return _Ended(seconds, peak, _text(out) if watched else "", problem)


@contextmanager
def _files(command: Command) -> Iterator[tuple[IO[bytes], IO[bytes], IO[bytes]]]:
    # Files: a program may do less for /dev/null, and more than one wait for a full pipe.
    with (
        open(command.stdin or os.devnull, "rb") as stdin,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        yield stdin, out, err


def _watch(process: "subprocess.Popen[bytes]", start: float) -> Peak:
    watch = Watch(process.pid)
    while process.poll() is None:
        spent = time.perf_counter() - start
        if spent > LIMIT:
            _stop(process)
            break
        watch.look()
        # Looking takes some milliseconds: seldom enough to be a hundredth of a long run.
        time.sleep(min(0.004 + spent / 50, 1))
    return watch.peak()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a command that still runs, with what it started."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _last_line(file: IO[bytes]) -> str:
    lines = [line for line in _text(file).splitlines() if line.strip()]
    return f": {lines[-1][:120]}" if lines else ""
