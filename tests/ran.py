"""The real command, run in a process of its own."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple

from tests.forked import Asked, Forks

# Not the user's own.
_CACHE = tempfile.TemporaryDirectory(prefix="xfrmlint-test-")
_CHECKOUT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "xfrmlint")
# Variables that Python reads when it starts.
_AT_START = ("PYTHON", "LC_", "LANG")


class Ran(NamedTuple):
    """How a run ended and what it said; bytes that are no UTF-8 are surrogate escapes."""

    status: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """Return the environment without what could change the output, and with some variables."""
    strange = ("XFRMLINT_", "PYTHON", "LC_", "LANG", "RIPGREP_", "NO_COLOR", "COLUMNS")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(strange)}
    return kept | {"XDG_CACHE_HOME": _CACHE.name} | more


def run(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
    memory: int = 0,
    stdin: bytes = b"",
) -> Ran:
    """Run xfrmlint. timeout: seconds until TimeoutExpired. memory: most bytes it may map, or 0."""
    asked = Asked([*map(str, arguments)], str(cwd), environment(**(env or {})), memory)
    # Forks makes one copy at a time: what is to run beside others is started for itself.
    beside = threading.current_thread() is not threading.main_thread()
    if stdin or beside or any(name.startswith(_AT_START) for name in env or ()):
        return _started(asked, timeout, stdin)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        status = _forks().run(asked, out, err, timeout)
        return Ran(status, _text(out), _text(err))


@cache
def _forks() -> Forks:
    return Forks(environment())


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return os.fsdecode(file.read())


def _started(asked: Asked, timeout: float, stdin: bytes) -> Ran:
    """Run the command as a shell does."""

    def limit() -> None:
        if asked.memory:
            resource.setrlimit(resource.RLIMIT_AS, (asked.memory, asked.memory))

    done = subprocess.run(
        [*COMMAND, *asked.arguments],
        cwd=asked.cwd,
        env=asked.env,
        input=stdin,
        capture_output=True,
        timeout=timeout,
        preexec_fn=limit,
    )
    return Ran(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))


def run_json(*arguments: str | Path, cwd: Path, timeout: float = 120, memory: int = 0) -> Any:
    """Run `xfrmlint check --format json` and return its document; it must not have failed."""
    ran = run("check", "--format", "json", *arguments, cwd=cwd, timeout=timeout, memory=memory)
    assert (ran.status in (0, 1), ran.err) == (True, "")
    return json.loads(ran.out)


def installed(folder: Path) -> dict[str, str]:
    """Return the environment with this checkout's `xfrmlint` on PATH; it is put in a folder."""
    folder.mkdir(exist_ok=True)
    file = folder / "xfrmlint"
    file.write_text(f'#!/bin/sh\nPYTHONPATH="{_CHECKOUT}" exec {" ".join(COMMAND)} "$@"\n')
    file.chmod(0o755)
    return environment(PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
