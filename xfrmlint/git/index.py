"""What git's index says of the files of its folder; git only lists it, nothing is run."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class Listing(Protocol):
    """A repository whose index can be listed."""

    @property
    def index(self) -> Path:
        """The index file."""
        ...

    def listed(self, *arguments: str) -> bytes:
        """Return what `git ls-files` says of the index."""
        ...


# git's pathspecs, in which * stands for slashes too.
_ASKED = ("*.c", "*.h", "Makefile", "*/Makefile", "Kbuild", "*/Kbuild", ".xfrmlint.toml")
_ENTRY = re.compile(
    rb"(\d+) ([0-9a-f]+) \d\t([^\0]+)\0"
    rb"\s+ctime: (\d+):(\d+)\s+mtime: (\d+):(\d+)\s+dev: \d+\s+ino: (\d+)"
    rb"\s+uid: \d+\s+gid: \d+\s+size: (\d+)\s+flags: ([0-9a-f]+)\n"
)
# CE_SKIP_WORKTREE (read-cache.h): of a sparse checkout's index, not in the folder.
SKIPPED = 0x40000000
# With CE_VALID: the folder's file isn't to be looked at.
NOT_LOOKED_AT = 0x8000 | SKIPPED
_WORD = 0xFFFFFFFF
_SECOND = 1_000_000_000


class Entry(NamedTuple):
    """A file of the index. stat: ctime, mtime, inode and size as git keeps them."""

    mode: int
    name: str
    stat: tuple[int, ...]
    flags: int


def entries(repository: Listing, top: str = "") -> Iterator[tuple[str, Entry]]:
    """Yield the C files, headers and Makefiles of the index; top: all that is below this."""
    asked = (f":(literal){top}",) if top else _ASKED
    listed = repository.listed("--stage", "--debug", "-z", "--", *asked)
    # What was written in the same moment as the index may have been written after it.
    newest = os.stat(repository.index).st_mtime_ns if os.path.exists(repository.index) else 0
    for found in _ENTRY.finditer(listed):
        mode, name, path, *numbers = found.groups()
        ctime, c_part, mtime, m_part, inode, size = map(int, numbers[:6])
        times = (ctime * _SECOND + c_part, mtime * _SECOND + m_part)
        kept = (*times, inode, size) if times[1] < newest else ()
        yield os.fsdecode(path), Entry(int(mode, 8), name.decode(), kept, int(numbers[6], 16))


def unedited(top: Path, path: str, entry: Entry) -> bool:
    """Tell whether a file of a folder is, by its stat data, still what the index says."""
    if entry.flags & NOT_LOOKED_AT or not entry.stat:
        return False
    try:
        found = os.lstat(top / path)
    except (OSError, ValueError):
        return False
    now = (found.st_ctime_ns, found.st_mtime_ns, found.st_ino & _WORD, found.st_size & _WORD)
    return stat.S_ISREG(found.st_mode) and now == entry.stat
