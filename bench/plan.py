"""What one run of the measurements is about."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple


class Plan(NamedTuple):
    """The kernel to measure on, and how.

    scratch: a folder that is thrown away; folders: where programs are, as in PATH; patience: the
    seconds above which a command is run once; sizes: the numbers of drivers to compare; git: put
    the whole kernel into a repository; progress: is told what runs next.
    """

    tree: Path
    scratch: Path
    environment: Mapping[str, str]
    folders: str
    runs: int
    patience: float
    sizes: tuple[int, ...]
    git: bool
    progress: Callable[[str], None]


_STRANGE = ("XFRMLINT_", "RIPGREP_", "GREP_", "GIT_", "LC_", "LANG", "SEMGREP_")


def environment(scratch: Path) -> dict[str, str]:
    """Return what the measured programs see: no settings of a user, caches in a new folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STRANGE)}
    # Compiled modules belong to a warm start, and not into the checkout.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {
        "LC_ALL": "C.UTF-8",
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "PYTHONPYCACHEPREFIX": str(scratch / "compiled"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "SEMGREP_SETTINGS_FILE": str(scratch / "semgrep.yml"),
        "SEMGREP_LOG_FILE": str(scratch / "semgrep.log"),
        "SEMGREP_ENABLE_VERSION_CHECK": "0",
    }
