"""Where precompiled headers and answers are kept: beside the cache, else in a temporary folder."""

import os
import stat
import tempfile
from pathlib import Path

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


def temporary() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is gone after the run."""
    return tempfile.TemporaryDirectory(prefix="xfrmlint-", ignore_cleanup_errors=True)


def prune(where: Path) -> None:
    """Remove the precompiled headers that were not used for longest."""
    try:
        # One that was not finished has more in its name.
        files = sorted(where.glob("*.pch*"), key=lambda p: p.stat().st_mtime, reverse=True)
        for path in files[_KEPT:]:
            path.unlink(missing_ok=True)
    except OSError:
        return
