"""Processes of xfrmlint that begin as copies of one that has imported all of it.

Most of what a run over a small tree costs is the start of Python, and what it imports. A copy has
arguments, streams, a folder, an environment and limits of its own, as what a shell starts has.
"""

import atexit
import importlib
import json
import os
import pkgutil
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

_CHECKOUT = Path(__file__).parent.parent
_NUMBER = 12


class Asked(NamedTuple):
    """What a process is to be. memory: most bytes it may map, or 0."""

    arguments: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    memory: int


class Forks:
    """Starts such processes, one at a time. env: what they have of it from their start."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                cwd=_CHECKOUT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._end)

    def run(self, asked: Asked, out: IO[bytes], err: IO[bytes], timeout: float) -> int:
        """Return how a process ended; less than 0 is a signal's number. out, err: its streams.

        timeout: seconds until it is killed, and subprocess.TimeoutExpired raised.
        """
        with tempfile.TemporaryFile() as told:
            told.write(json.dumps(asked).encode())
            told.seek(0)
            files = [file.fileno() for file in (told, out, err)]
            socket.send_fds(self._socket, [b"!"], files)
        process = self._number()
        self._socket.settimeout(timeout)
        try:
            return self._number()
        except TimeoutError:
            self._socket.settimeout(None)
            os.kill(process, signal.SIGKILL)
            self._number()
            raise subprocess.TimeoutExpired(["xfrmlint", *asked.arguments], timeout) from None
        finally:
            self._socket.settimeout(None)

    def _end(self) -> None:
        self._socket.close()
        self._parent.wait()

    def _number(self) -> int:
        return int(self._socket.recv(_NUMBER, socket.MSG_WAITALL))


def _next(asking: socket.socket) -> tuple[Asked, list[int]] | None:
    """Answer until this is a copy; return what it is to be, and its streams. None: at the end."""
    while True:
        message, files, *_ = socket.recv_fds(asking, 1, 3)
        if not message:
            return None
        process = os.fork()
        if not process:
            with open(files[0], "rb") as told:
                return Asked(*json.load(told)), files[1:]
        for file in files:
            os.close(file)
        asking.sendall(b"%*d" % (_NUMBER, process))
        _, status = os.waitpid(process, 0)
        asking.sendall(b"%*d" % (_NUMBER, os.waitstatus_to_exitcode(status)))


def _become(asked: Asked, files: Sequence[int]) -> None:
    """Take the streams, the folder, the environment and the limit of what is asked for."""
    ours, theirs = os.pipe()
    os.close(theirs)
    for number, file in enumerate((ours, *files)):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(asked.env)
    os.chdir(asked.cwd)
    sys.argv = ["xfrmlint", *asked.arguments]
    sys.path[0] = asked.cwd
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if asked.memory:
        resource.setrlimit(resource.RLIMIT_AS, (asked.memory, asked.memory))


def _import_all() -> None:
    package = importlib.import_module("xfrmlint")
    for module in pkgutil.walk_packages(package.__path__, "xfrmlint."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


if __name__ == "__main__":
    _import_all()
    # Ctrl-C ends the tests, and then there is nothing left to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        found = _next(channel)
    if found is not None:
        _become(*found)
        importlib.import_module("xfrmlint.cli").main()
