"""Runs that are killed at some moment, and what may not be left of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.fuzz.ran import Wrong

# What is left behind has so many seconds to go.
_SECONDS = 10.0
# A whole run takes about so long; most moments are in its middle.
_LONGEST = 3.0


def killed(dice: Random, tree: Path, home: Path, arguments: Sequence[str]) -> None:
    """Kill a run with SIGKILL; raises Wrong if a process, a folder or a lock is left behind."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    given = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "XFRMLINT"))}
    given |= {"XDG_CACHE_HOME": str(home / "cache"), "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "xfrmlint", *arguments]
    running = subprocess.Popen(
        command,
        cwd=tree,
        env=given,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        running.wait(dice.uniform(0, _LONGEST))
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGKILL)
    running.wait()
    end = time.monotonic() + _SECONDS
    while (left := [*_processes(running.pid), *temporary.iterdir()]) and time.monotonic() < end:
        time.sleep(0.02)
    if left:
        raise Wrong(f"{' '.join(arguments)}, killed, leaves {', '.join(map(str, left))}")
    again = subprocess.run(
        [*command, "-q"], cwd=tree, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    # What was mutated can be a header that declares no state any more.
    refused = again.returncode == 2 and again.stderr.endswith(b"lay the code into it\n")
    if not refused and (again.returncode not in (0, 1) or again.stderr):
        raise Wrong(f"{' '.join(arguments)}, after a kill: {again.returncode} {again.stderr!r}")


def _processes(session: int) -> list[str]:
    """Return the processes of a session, by their number and name."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                about = Path("/proc", name, "stat").read_text("utf-8", "replace")
            except OSError:
                continue
            # The name can hold blanks: what follows it is counted.
            state, _, _, own = about.rpartition(")")[2].split()[:4]
            if int(own) == session and state not in "ZX":
                found.append(about.partition(")")[0] + ")")
    return found
