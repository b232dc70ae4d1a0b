"""What a measurement was made on; no names of hosts or people."""

import os
import platform
import time
from pathlib import Path


def described() -> list[str]:
    """Return the lines of a table's head: the date, the processor, the load, the programs."""
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return [
        time.strftime("%d %B %Y", time.gmtime()).lstrip("0"),
        f"{_processor()}, {cores} cores, load {load:.1f} before the first run",
        f"Python {platform.python_version()}, page cache warm, programs in turns",
    ]


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        # "model name" on x86, "Model" or "CPU part" and no name at all on others.
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()
