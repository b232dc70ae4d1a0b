"""Programs that are run: found outside the tree under check, ended in time, never left behind."""

import ctypes
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from xfrmlint.errors import InputError

_PR_SET_PDEATHSIG = 1
_PIECE = 1 << 16
# Of what a program says on stderr so much is shown at most.
_MOST_SAID = 4096


@cache
def program(name: str, outside: str) -> str | None:
    """Return the absolute path of a program on PATH, None if there is none.

    outside: the real path of a folder in which none counts: a relative or an empty entry of PATH,
    or a link, could lead to a program of the tree under check.
    """
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        full = os.path.join(folder, name)
        real = os.path.realpath(full)
        inside = real == outside or real.startswith(f"{outside.rstrip('/')}/")
        if os.path.isabs(folder) and not inside and os.path.isfile(real):
            if os.access(real, os.X_OK):
                return full
    return None


def ending_with_us() -> Callable[[], None]:
    """Return what a new process is to call before its program starts: it is killed when we end.

    Whatever ends us, kill -9 too (prctl(2), PR_SET_PDEATHSIG).
    """
    parent = os.getpid()
    call = ctypes.CDLL(None).prctl

    def ending() -> None:
        call(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ending


def output_of(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    seconds: float,
    most: int,
) -> bytes | None:
    """Return what a program writes to its standard output; None if that is more than `most` bytes.

    Raises InputError if it fails or takes longer than so many seconds.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        cwd=folder,
        preexec_fn=ending_with_us(),
    ) as running:
        try:
            out, said = _read(running, seconds, most)
        except BaseException:
            running.kill()
            raise
        if len(out) > most:
            running.kill()
            return None
    if running.returncode:
        text = " ".join(said.decode("utf-8", "replace").split())
        name = os.path.basename(command[0])
        raise InputError(f"{name}: {text or f'status {running.returncode}'}")
    return bytes(out)


def _read(
    running: "subprocess.Popen[bytes]", seconds: float, most: int
) -> tuple[bytearray, bytearray]:
    """Return what a program writes till its end, and what it says on stderr."""
    out, said = bytearray(), bytearray()
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as waiting:
        for pipe, kept in ((running.stdout, out), (running.stderr, said)):
            waiting.register(pipe or -1, selectors.EVENT_READ, kept)
        while waiting.get_map() and len(out) <= most:
            left = end - time.monotonic()
            ready = waiting.select(max(left, 0))
            if not ready:
                raise InputError(late(running.args, seconds))
            for key, _ in ready:
                piece = os.read(key.fd, _PIECE)
                if not piece:
                    waiting.unregister(key.fileobj)
                elif key.data is out or len(said) < _MOST_SAID:
                    key.data.extend(piece)
    with suppress(subprocess.TimeoutExpired):
        if len(out) <= most:
            running.wait(max(end - time.monotonic(), 1))
    if running.poll() is None and len(out) <= most:
        raise InputError(late(running.args, seconds))
    return out, said


def late(command: object, seconds: float) -> str:
    """Return what is said of a program that gave no answer in so many seconds."""
    first = command[0] if isinstance(command, list | tuple) else command
    return f"{os.path.basename(str(first))}: no answer in {seconds:g} seconds"


class Answering:
    """A program that answers one question after the other; each answer within so many seconds.

    Raises EOFError where no more comes: the program has ended, or takes too long.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float
    ) -> None:
        self._seconds = seconds
        self._had = bytearray()
        self._running = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            cwd=folder,
            bufsize=0,
            preexec_fn=ending_with_us(),
        )

    def ask(self, question: bytes) -> None:
        """Write a question."""
        pipe = self._running.stdin
        try:
            if pipe is not None:
                pipe.write(question)
        except OSError:
            raise EOFError from None

    def line(self) -> bytes:
        """Return the next line of the answer, with its end."""
        while (end := self._had.find(b"\n")) < 0:
            self._more(_PIECE)
        return self._taken(end + 1)

    def exactly(self, size: int) -> bytes:
        """Return so many bytes of the answer."""
        while len(self._had) < size:
            self._more(size - len(self._had))
        return self._taken(size)

    def _taken(self, size: int) -> bytes:
        found = bytes(memoryview(self._had)[:size])
        del self._had[:size]
        return found

    def _more(self, size: int) -> None:
        pipe = self._running.stdout
        with selectors.DefaultSelector() as waiting:
            waiting.register(pipe or -1, selectors.EVENT_READ)
            ready = waiting.select(self._seconds)
        piece = os.read(pipe.fileno(), max(size, _PIECE)) if ready and pipe else b""
        if not piece:
            raise EOFError
        self._had += piece

    def end(self) -> None:
        """End the program; nothing is asked any more."""
        self._running.kill()
        for pipe in (self._running.stdin, self._running.stdout):
            if pipe is not None:
                pipe.close()
        self._running.wait()
