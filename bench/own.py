"""What xfrmlint is run for, as commands."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.timing import Command

COLD, WARM = "xfrmlint check, cold", "xfrmlint check, warm"
# 1 are findings.
_GOOD = frozenset({0, 1})
_NO_CACHE = "--no-cache"


def xfrmlint(*arguments: str) -> tuple[str, ...]:
    """Return a command line of this interpreter's xfrmlint."""
    # -P: the folder it is run in must not hold its modules.
    return (sys.executable, "-P", "-m", "xfrmlint", *arguments)


def check(name: str, folder: Path, *arguments: str) -> Command:
    """Return a row that runs `xfrmlint check`; what it says is short, but all of it is made."""
    return Command(name, xfrmlint("check", *arguments, "-q", "--terse"), folder, good=_GOOD)


def whole_tree(tree: Path, environment: Mapping[str, str]) -> list[Command]:
    """Return a check without what an earlier run left, and one with it."""
    if _NO_CACHE in _help(environment):
        return [check(COLD, tree, _NO_CACHE, "."), check(WARM, tree, ".")]
    missing = f"check has no {_NO_CACHE}: every run is a cold one"
    return [check(COLD, tree, "."), Command(WARM, missing=missing)]


def one_driver(tree: Path, folder: str) -> Command:
    """Return a check of one driver's folder."""
    return check(f"check, {folder}", tree, ".", folder)


def version(folder: Path) -> Command:
    """Return the shortest run there is."""
    return Command("xfrmlint --version", xfrmlint("--version"), folder)


def problem(environment: Mapping[str, str]) -> str:
    """Return why xfrmlint can't be run by this interpreter; empty if it can."""
    done = subprocess.run(
        xfrmlint("--version"), env=environment, capture_output=True, text=True, errors="replace"
    )
    said = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else (said[-1] if said else f"status {done.returncode}")


def _help(environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        xfrmlint("check", "--help"), env=environment, capture_output=True, text=True
    )
    return done.stdout
