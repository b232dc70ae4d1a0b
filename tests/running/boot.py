"""Starts the kernel that was built here until all scenarios have been seen."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.running.console import Seen, read
from tests.running.kernel import built, folder
from tests.running.root import write_root
from tests.running.scenarios import Play, peer

# Seconds for one start, and for each scenario on a machine that has other things to do.
_START = 60
_EACH = 15


def see(plays: Sequence[Play]) -> list[Seen]:
    """Play scenarios in the running kernel, and return what was seen of each, in their order.

    A kernel that a driver brings down is started again behind the scenario that did it. Raises
    Missing.
    """
    kernel = built()
    work = folder() / "work"
    work.mkdir(exist_ok=True)
    archive = work / "root.cpio"
    lines = (f"{one.driver} {one.scenario} {peer(one.driver)}\n" for one in plays)
    write_root(archive, "".join(lines), work)
    seen: list[Seen] = []
    while len(seen) < len(plays):
        console = start(kernel, archive, len(seen), _START + _EACH * (len(plays) - len(seen)))
        with (work / "console").open("a" if seen else "w", encoding="utf-8") as file:
            file.write(console)
        more = list(read(console.splitlines()))
        if not more:
            more = [Seen(plays[len(seen)], (), "the kernel did not come up")]
        seen += more
        if not console:
            break
    return seen


def start(kernel: Path, archive: Path, skip: int, timeout: float) -> str:
    """Start a kernel, and return what it printed; it is ended if it takes longer."""
    work = archive.parent
    (work / "uml").mkdir(exist_ok=True)
    command = [
        str(kernel),
        "mem=256M",
        f"initrd={archive}",
        "rdinit=/init",
        "con=null",
        "con0=fd:0,fd:1",
        "bonding.max_bonds=0",
        "panic=-1",
        f"uml_dir={work / 'uml'}/",
        f"running.from={skip}",
    ]
    process = subprocess.Popen(
        command,
        cwd=work,
        env={"HOME": str(work), "TMPDIR": str(work), "PATH": os.environ.get("PATH", "")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process.pid)
        out, _ = process.communicate()
    finally:
        # Its own processes are of its session; one that outlives it is none of a good end.
        _end(process.pid)
        process.wait()
        shutil.rmtree(work / "uml", ignore_errors=True)
    return out.decode("utf-8", "replace")


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
