"""The peak memory of a process and of those that it starts.

getrusage() would do for neither: the kernel lets a process that was forked from a large one and
then became another program inherit the large one's peak, so that every small program started by
Python seems to need as much as Python. /proc/PID/status counts from the start of the program.
"""

import os
from pathlib import Path
from typing import NamedTuple


class Peak(NamedTuple):
    """Megabytes (10^6 bytes): of the first process, and of all others together at one time."""

    itself: float
    others: float


class Watch:
    """The processes below one, looked at from time to time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._itself = 0.0
        self._others = 0.0
        self._seen: set[int] = set()

    def look(self) -> None:
        """Take the peaks so far; what ended since is counted as it was seen last."""
        self._itself = max(self._itself, _high_water(self._pid))
        below = set(_below(self._pid))
        # One that is new may not have become its own program yet, and show its parent's memory.
        self._others = max(self._others, sum(map(_high_water, below & self._seen)))
        self._seen = below

    def peak(self) -> Peak:
        """Return the largest of what was seen."""
        return Peak(self._itself, self._others)


def _high_water(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    except OSError:
        return 0.0
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _below(top: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            parent = _parent(entry)
            children.setdefault(parent, []).append(int(entry))
    found, todo = [], [top]
    while todo:
        more = children.get(todo.pop(), [])
        found += more
        todo += more
    return found


def _parent(pid: str) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return -1
    # The name in the middle may hold anything.
    return int(text.rpartition(")")[2].split()[1])
