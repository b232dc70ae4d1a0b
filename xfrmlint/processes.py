"""Work shared out among processes; what comes back from them is JSON."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

# Numbers of jobs wait in a pipe: so many fit into the smallest that Linux makes.
MOST_JOBS = 1000
_NUMBER = 4
# Descriptors that a process has at most, if the system doesn't say more.
_USUAL = 1024


class Returned(NamedTuple):
    """What processes made. results: by the job's number. told: what each child added at its end."""

    results: dict[int, Any]
    told: list[Any]


class _Child(NamedTuple):
    pid: int
    results: int


def shared_out(
    jobs: int, make: Callable[[int], Any], tell: Callable[[], Any], processes: int
) -> Returned:
    """Make the results of jobs 0, 1, ... in this process and in children of it; see Shared."""
    return Shared(jobs, make, tell, processes).returned()


class Shared:
    """Jobs 0, 1, ... that children of this process are at; it joins them in returned().

    Each takes the next job that is left. A job that raised, or whose child died, has no result:
    the caller does it again, and sees why. make and tell: return what JSON can hold. processes:
    with this one. nice: what children give way by. They end with this process, however that ends,
    and without a word. What isn't asked for any more is to be ended.
    """

    def __init__(
        self,
        jobs: int,
        make: Callable[[int], Any],
        tell: Callable[[], Any],
        processes: int,
        nice: int = 0,
    ) -> None:
        self._make = make
        self._ends: tuple[int, ...] = ()
        self._children: list[_Child] = []
        if jobs > MOST_JOBS:
            return
        waiting, fill = os.pipe()
        os.write(fill, b"".join(number.to_bytes(_NUMBER, "big") for number in range(jobs)))
        os.close(fill)
        # Nobody writes into this one: it is closed when this process is gone.
        alive, held = os.pipe()
        self._ends = waiting, alive, held
        try:
            for _ in range(processes - 1):
                # Without another process there is one less, no more.
                with suppress(OSError):
                    self._children.append(_started(waiting, alive, make, tell, nice))
        except BaseException:
            self.end()
            raise

    def returned(self) -> Returned:
        """Do what is left of the jobs, and wait for the children's; once."""
        returned = Returned({}, [])
        try:
            for number in _taken(self._ends[0]) if self._ends else ():
                with suppress(Exception):
                    returned.results[number] = self._make(number)
            for child in self._children:
                _collect(child, returned)
        finally:
            self.end()
        return returned

    def end(self) -> None:
        """Let no child be left."""
        for child in self._children:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            os.close(child.results)
        for end in self._ends:
            os.close(end)
        self._children, self._ends = [], ()


def only(*kept: int) -> None:
    """Close all descriptors of this process but these and the standard streams."""
    try:
        opened = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        opened = list(range(_USUAL))
    for one in opened:
        if one > 2 and one not in kept:
            # The one by which they were listed is closed already.
            with suppress(OSError):
                os.close(one)


def _taken(waiting: int) -> Iterator[int]:
    while number := os.read(waiting, _NUMBER):
        yield int.from_bytes(number, "big")


def _collect(child: _Child, returned: Returned) -> None:
    pieces = []
    while piece := os.read(child.results, 1 << 20):
        pieces.append(piece)
    # One that died has written nothing, or a part.
    with suppress(ValueError):
        results, told = json.loads(b"".join(pieces))
        returned.results.update({int(number): result for number, result in results.items()})
        returned.told.append(told)


def _started(
    waiting: int,
    alive: int,
    make: Callable[[int], Any],
    tell: Callable[[], Any],
    nice: int,
) -> _Child:
    results, out = os.pipe()
    # Ctrl-C reaches all processes of a terminal; a child must not answer before it can end quietly.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pid = os.fork()
        if pid == 0:
            try:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                # One end of a pipe to git, kept open here, and git would wait for more for ever.
                only(waiting, alive, out)
                os.nice(nice)
                threading.Thread(target=_ends_with, args=(alive,), daemon=True).start()
                _work(waiting, out, make, tell)
            finally:
                # Nothing of the parent's is flushed or cleared away twice.
                os._exit(0)
    except OSError:
        os.close(results)
        raise
    finally:
        os.close(out)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return _Child(pid, results)


def _ends_with(alive: int) -> None:
    os.read(alive, 1)
    os._exit(1)


def _work(waiting: int, out: int, make: Callable[[int], Any], tell: Callable[[], Any]) -> None:
    results = {}
    for number in _taken(waiting):
        with suppress(Exception):
            results[number] = make(number)
    # At the end, in one piece: the parent is at work itself until then.
    data = memoryview(json.dumps([results, tell()]).encode("ascii"))
    while data:
        data = data[os.write(out, data) :]
