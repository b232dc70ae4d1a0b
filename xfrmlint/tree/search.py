"""The word search over a whole kernel: ripgrep, without the tree's and the user's configuration."""

import os
import re
import subprocess
import sysconfig
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from xfrmlint.errors import InputError
from xfrmlint.programs import program


def ripgrep(outside: Path) -> str:
    """Return the ripgrep of this installation, else one from PATH; raises InputError.

    outside: the tree under check, whose own programs are not run.
    """
    installed = Path(sysconfig.get_path("scripts")) / "rg"
    if installed.is_file():
        return str(installed)
    found = program("rg", os.path.realpath(outside))
    if found is None:
        raise InputError("ripgrep (rg) not found: install xfrmlint with pip, or put rg on PATH")
    return found


# Bytes that one can write into a pipe that nobody reads yet (pipe(7)).
_SMALLEST_PIPE = 4096
_PROBLEM = re.compile(
    r"^rg: (?:\./)?(.+?): (?:IO error for operation on .+?: )?([^:\n]+) \(os error \d+\)$",
    re.M | re.S,
)


class Searched(NamedTuple):
    """What a search found, and (path, reason) of what it could not read."""

    paths: list[str]
    problems: list[tuple[str, str]]


def files_with(
    root: Path, pattern: str, under: Sequence[str] = (), *, deep: bool = True
) -> Searched:
    """Return the .c and .h files under `root` in which `pattern` occurs, relative and sorted."""
    return Search(root, pattern, under, deep=deep).found()


class Search:
    """One that runs beside this process until its result is asked for.

    Hidden and ignored files count (Debian's trees ship a .gitignore that ignores everything),
    symbolic links are not followed, only regular files are opened. start: when it began, in
    nanoseconds. deep: also in the folders that are in those of `under`.
    """

    def __init__(
        self, root: Path, pattern: str, under: Sequence[str] = (), *, deep: bool = True
    ) -> None:
        self.start = time.time_ns()
        self._root, self._under = root, frozenset(under)
        # -a: a NUL byte in a source file must not make it "binary"; nor FF FE at its start UTF-16.
        command = [ripgrep(root), "--no-config", "-uu", "-a", "--encoding=none"]
        command += ["--null", "-l", "--color=never", *(() if deep else ("--max-depth=1",))]
        # The pattern comes by standard input: a module's exported names can be more than an
        # argument may hold.
        command += ["-g", "*.[ch]", "-f", "-", "--", *(under or ["."])]
        pipe = subprocess.PIPE
        self._running = subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, stderr=pipe)
        self._input: bytes | None = _encoded(pattern)
        if len(self._input) < _SMALLEST_PIPE and self._running.stdin is not None:
            # It needn't wait for found().
            with suppress(BrokenPipeError):
                self._running.stdin.write(self._input)
                self._running.stdin.close()
            self._running.stdin = self._input = None

    def found(self) -> Searched:
        """Wait for the end of it, and return what it found; once."""
        with self._running as running:
            try:
                out, err = running.communicate(self._input)
            except BaseException:
                running.kill()
                raise
        said = os.fsdecode(err)
        problems = [(m.group(1), m.group(2)) for m in _PROBLEM.finditer(said)]
        status = running.returncode
        # A pattern that is refused must not look like one that is found nowhere.
        if status not in (0, 1, 2) or (status == 2 and not problems):
            raise InputError(f"ripgrep failed: {' '.join(said.split())}")
        names = [os.fsdecode(name) for name in out.split(b"\0") if name]
        left = [one for one in problems if not self._is_nowhere(one[0])]
        return Searched(sorted(name.removeprefix("./") for name in names), left)

    def _is_nowhere(self, path: str) -> bool:
        """Tell whether a path is a folder that is searched and that a tree need not have.

        It is there before or after a change only.
        """
        return path in self._under and not os.path.lexists(self._root / path)


def _encoded(pattern: str) -> bytes:
    """Return a pattern as ripgrep reads it; a byte of a name that is no UTF-8 as hex digits."""
    # No line holds a newline, and a second line would be a second pattern.
    one_line = pattern.replace("\\\n", r"[^\s\S]").replace("\n", r"[^\s\S]")
    text = re.sub("[\udc80-\udcff]", lambda m: f"(?-u:\\x{ord(m.group()) - 0xDC00:02X})", one_line)
    return text.encode("utf-8", "replace") + b"\n"
