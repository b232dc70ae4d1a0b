"""Where precompiled headers and answers are kept: beside the cache, else in a temporary folder."""

import os
import secrets
import shutil
import signal
import stat
import tempfile
from pathlib import Path
from typing import NoReturn

from xfrmlint.processes import only

# One is 30 MB, and a kernel needs one.
_KEPT = 6


def folder(beside: Path | None) -> Path | None:
    """Return the folder beside the facts' cache, made if need be; None where there is none.

    beside: that cache, None if nothing is to be kept. The folder has to be the user's own.
    """
    if beside is None:
        return None
    found = beside.parent / "clang"
    try:
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = os.stat(found, follow_symlinks=False)
    except OSError:
        return None
    # What others can write there libclang would read.
    own = stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()
    return found if own and not about.st_mode & 0o022 and os.access(found, os.W_OK) else None


class Temporary:
    """A folder that is gone after the run, however that ends.

    A process of its own waits for that, with SIGKILL as well.
    """

    def __init__(self) -> None:
        self.name = os.path.join(tempfile.gettempdir(), f"xfrmlint-{secrets.token_hex(8)}")
        reading, self._writing = os.pipe()
        # Before it is made: there is no moment at which nobody would remove it.
        self._process = os.fork()
        if not self._process:
            _remove_at_end(self.name, reading)
        os.close(reading)
        os.mkdir(self.name, 0o700)

    def cleanup(self) -> None:
        """Remove it now."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1
            os.waitpid(self._process, 0)


def _remove_at_end(folder: str, reading: int) -> NoReturn:
    """Remove a folder when the other end of a pipe is closed."""
    try:
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(one, signal.SIG_IGN)
        sink = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(sink, number)
        only(reading)
        os.read(reading, 1)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(0)


def prune(where: Path) -> None:
    """Remove the precompiled headers that were not used for longest."""
    try:
        # One that was not finished has more in its name.
        files = sorted(where.glob("*.pch*"), key=lambda p: p.stat().st_mtime, reverse=True)
        for path in files[_KEPT:]:
            path.unlink(missing_ok=True)
    except OSError:
        return
