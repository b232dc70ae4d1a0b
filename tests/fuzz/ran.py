"""The command run in this process, and what no input may make of it."""

import contextlib
import gc
import io
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from xfrmlint.cli import main

STATUSES = {0, 1, 2, 130, 141}
# Of processor time. It only ends what would not end; no input of these takes a tenth of it.
SECONDS = 60


class Wrong(AssertionError):
    """What a run did that none may do."""


class Ran(NamedTuple):
    """How a run ended, and what it said."""

    status: int
    out: str
    err: str


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def late(_: int, frame: FrameType | None) -> None:
        raise Wrong(f"no end after {SECONDS} seconds of processor time: {frame}")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def ran(*arguments: str | Path) -> Ran:
    """Run a command line; raises Wrong for a status or a word that none may have."""
    out, err = io.StringIO(), io.StringIO()
    status: object = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _limited():
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = ended.code
        finally:
            gc.enable()
            sys.stdout.flush()
    found = Ran(status if isinstance(status, int) else -1, out.getvalue(), err.getvalue())
    if found.status not in STATUSES:
        raise Wrong(f"status {status}")
    for word in ("Traceback", "internal error"):
        if word in found.err:
            raise Wrong(found.err)
    if found.status == 2 and (not found.err or found.err.count("\n") != 1):
        raise Wrong(f"status 2 without one line that says why: {found.err!r}")
    return found


def checked(*arguments: str | Path) -> Ran:
    """Run a check; its document, if it has one, must be one, and name lines that are there."""
    found = ran("check", "--no-cache", "--format", "json", *arguments)
    if found.status != 2:
        document = json.loads(found.out)
        for row in (*document["findings"], *document["unknown"]):
            if row["line"] < 0:
                raise Wrong(f"no line of a file: {row}")
    return found
