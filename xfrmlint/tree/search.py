"""The word search over a whole kernel: ripgrep, with nothing of the tree's or user's configuration."""

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from xfrmlint.errors import InputError


@cache
def ripgrep() -> str:
    """Return the ripgrep of this installation, else one from PATH; raises InputError."""
    installed = Path(sysconfig.get_path("scripts")) / "rg"
    if installed.is_file():
        return str(installed)
    # A relative entry of PATH could name a program of the tree under check.
    folders = [f for f in os.environ.get("PATH", "").split(os.pathsep) if os.path.isabs(f)]
    found = shutil.which("rg", path=os.pathsep.join(folders))
    if found is None:
        raise InputError("ripgrep (rg) not found: install xfrmlint with pip, or put rg on PATH")
    return found


_PROBLEM = re.compile(r"^rg: (?:\./)?(.+?): ([^:]+?)(?: \(os error \d+\))?$")


class Searched(NamedTuple):
    """What a search found, and (path, reason) of what it could not read."""

    paths: list[str]
    problems: list[tuple[str, str]]


def files_with(root: Path, pattern: str, under: Sequence[str] = ()) -> Searched:
    """Return the .c and .h files under `root` in which `pattern` occurs, relative and sorted.

    Hidden and ignored files count (Debian's trees ship a .gitignore that ignores everything),
    symbolic links are not followed, only regular files are opened.
    """
    # -a: a NUL byte in a source file must not make it "binary".
    command = [ripgrep(), "--no-config", "-uu", "-a", "--null", "-l", "--color=never"]
    command += ["-g", "*.[ch]", "-e", pattern, "--", *(under or ["."])]
    done = subprocess.run(command, cwd=root, capture_output=True, stdin=subprocess.DEVNULL)
    said = os.fsdecode(done.stderr).splitlines()
    if done.returncode not in (0, 1, 2):
        raise InputError(f"ripgrep failed: {' '.join(said)}")
    problems = [(m.group(1), m.group(2)) for m in map(_PROBLEM.match, said) if m]
    names = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    return Searched(sorted(name.removeprefix("./") for name in names), problems)
