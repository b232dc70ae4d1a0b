"""How long a full-tree run takes, beside grep and ripgrep for the same words.

    python -m bench.fulltree [TREE] [--runs N]

Whole processes on a warm page cache; medians, and the ratio to `grep -rlE`.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.real.kernels import Unavailable, kernel
from xfrmlint.parts import pattern
from xfrmlint.tree.search import ripgrep


class Timing(NamedTuple):
    """Wall seconds of some runs, and the largest peak memory in MB."""

    name: str
    seconds: list[float]
    peak: float


def timed(name: str, command: Sequence[str], folder: Path, runs: int) -> Timing:
    """Run a command several times and keep its wall times and peak memory."""
    seconds, peak = [], 0.0
    for _ in range(runs):
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, _, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - start)
        peak = max(peak, usage.ru_maxrss / 1024)
        # wait4 took the status: tell Popen, so that it does not wait again.
        process.returncode = 0
    return Timing(name, seconds, peak)


def commands() -> dict[str, list[str]]:
    """Return what is measured, by name; the first is the run, the second its reference."""
    words = pattern("struct xfrm_dev_offload")
    check = [sys.executable, "-P", "-m", "xfrmlint", "check", ".", "-q", "--terse"]
    return {
        "xfrmlint check": [*check, "--no-cache"],
        "grep -rlE": ["grep", "-rlE", "--include=*.c", "--include=*.h", words, "."],
        "ripgrep": [ripgrep(), "--no-config", "-uu", "-l", "-g", "*.[ch]", "-e", words, "."],
        "xfrmlint check again": check,
        "xfrmlint --version": [sys.executable, "-P", "-m", "xfrmlint", "--version"],
    }


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    try:
        tree = options.tree or kernel("7.3")
    except Unavailable as error:
        sys.stderr.write(f"{error.reason}\n")
        return 2
    # One run of everything first: the page cache is warm for all of them alike.
    for command in commands().values():
        timed("", command, tree, 1)
    rows = [timed(name, cmd, tree, options.runs) for name, cmd in commands().items()]
    reference = statistics.median(rows[1].seconds)
    cores = len(os.sched_getaffinity(0))
    print(f"{tree.name}, {cores} cores, Python {platform.python_version()}, {options.runs} runs")
    print(f"{'':20} {'min':>7} {'median':>7} {'max':>7} {'x grep':>7} {'peak MB':>8}")
    for row in rows:
        middle = statistics.median(row.seconds)
        print(
            f"{row.name:20} {min(row.seconds):7.2f} {middle:7.2f} {max(row.seconds):7.2f} "
            f"{middle / reference:7.2f} {row.peak:8.0f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
