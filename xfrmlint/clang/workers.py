"""libclang in processes of its own: what it does to them can't hurt the run.

They are forked, so that all texts are there without a copy.
"""

import faulthandler
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from xfrmlint.clang.vocabulary import Failed
from xfrmlint.processes import only
from xfrmlint.programs import ending_with_us

# More than any driver's source takes (bond_main.c: 1 s, 200 MB).
TIMEOUT = 30.0
_MEMORY = 768 << 20
COUNT = 2

Work = Callable[[Any], Any]


class Outcome(NamedTuple):
    """What came of a job: its result, or why there is none."""

    result: Any
    reason: str


class Workers:
    """Processes that do jobs. work: what is called in them, with a job of `jobs`.

    The first jobs are begun first; begin() lets them run beside what comes before run().
    """

    def __init__(self, work: Work, jobs: Sequence[Any], timeout: float = TIMEOUT) -> None:
        self._work = work
        self._jobs = jobs
        self._timeout = timeout
        self._waiting = list(range(len(jobs)))
        self._running: dict[Connection, _Worker] = {}

    def begin(self, count: int = COUNT) -> None:
        """Start so many processes, or as many as there are jobs."""
        for _ in range(min(count, len(self._waiting))):
            self._start(self._waiting.pop(0))

    def run(self, count: int = COUNT) -> list[Outcome]:
        """Do all jobs and return their outcomes in order."""
        outcomes = [Outcome(None, "not begun")] * len(self._jobs)
        try:
            self.begin(count - len(self._running))
            while self._running:
                limit = min(worker.deadline for worker in self._running.values())
                ready = wait(list(self._running), max(0.0, limit - time.monotonic()))
                for pipe in ready:
                    assert isinstance(pipe, Connection)
                    worker = self._running[pipe]
                    outcomes[worker.job] = self._answer(worker)
                    self._next(worker)
                now = time.monotonic()
                for worker in [w for w in self._running.values() if w.deadline <= now]:
                    outcomes[worker.job] = Outcome(None, f"took over {self._timeout:g} seconds")
                    self._end(worker)
                    self._next(worker)
        finally:
            self.end()
        return outcomes

    def end(self) -> None:
        """Let nothing run on."""
        for worker in list(self._running.values()):
            self._end(worker)

    def _start(self, job: int) -> None:
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=_serve,
            args=(there, here, self._work, self._jobs, ending_with_us()),
            daemon=True,
        )
        process.start()
        there.close()
        here.send(job)
        self._running[here] = _Worker(process, here, job, time.monotonic() + self._timeout)

    def _answer(self, worker: "_Worker") -> Outcome:
        try:
            result, reason = worker.pipe.recv()
        except (EOFError, OSError):
            self._end(worker)
            code = worker.process.exitcode or 0
            return Outcome(None, f"libclang crashed ({_signal(-code) if code < 0 else code})")
        return Outcome(result, reason)

    def _next(self, worker: "_Worker") -> None:
        alive = worker.pipe in self._running
        if not self._waiting:
            if alive:
                self._end(worker)
        elif alive:
            worker.job = self._waiting.pop(0)
            worker.deadline = time.monotonic() + self._timeout
            worker.pipe.send(worker.job)
        else:
            self._start(self._waiting.pop(0))

    def _end(self, worker: "_Worker") -> None:
        self._running.pop(worker.pipe, None)
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()


class _Worker:
    def __init__(self, process: BaseProcess, pipe: Connection, job: int, deadline: float) -> None:
        self.process = process
        self.pipe = pipe
        self.job = job
        self.deadline = deadline


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _mapped() -> int:
    """Return how many bytes are mapped already, where the system tells."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return 0


def _serve(
    pipe: Connection,
    other: Connection,
    work: Work,
    jobs: Sequence[Any],
    ending: Callable[[], None],
) -> None:
    """Do jobs until the other end of the pipe is closed. ending: see ending_with_us()."""
    ending()
    other.close()
    only(pipe.fileno())
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # A crash must print no stack, and leave no core.
    faulthandler.disable()
    sink = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(sink, number)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = _mapped() + _MEMORY
    if most == resource.RLIM_INFINITY or limit < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    while True:
        try:
            job = jobs[pipe.recv()]
        except (EOFError, OSError):
            os._exit(0)
        try:
            answer = (work(job), "")
        except RecursionError:
            answer = (None, "nested too deeply")
        except MemoryError:
            answer = (None, "out of memory")
        except Failed as error:
            answer = (None, str(error))
        except Exception as error:
            answer = (None, f"{type(error).__name__}: {error}"[:200])
        try:
            pipe.send(answer)
        except OSError:
            os._exit(0)
