"""Starts kernels that were built here until all scenarios have been seen."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.running.console import Seen, read
from tests.running.kernel import built, folder
from tests.running.revisions import Revision
from tests.running.root import write_root
from tests.running.scenarios import Play

# Seconds for one start, and for each scenario on a machine that has other things to do.
_START = 60
_EACH = 15
# Most of a scenario's time nobody works: packets, work items and grace periods are waited for.
_AT_ONCE = 3


def see(revision: Revision, plays: Sequence[Play]) -> list[Seen]:
    """Play scenarios in running kernels, and return what was seen of each, in their order.

    Raises Missing.
    """
    kernel = built(revision)
    each = max(1, -(-len(plays) // _AT_ONCE))
    parts = [plays[at : at + each] for at in range(0, len(plays), each)]
    work = folder(revision) / "work"
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        seen = pool.map(
            lambda one: _see(revision, kernel, parts[one], work / str(one)), range(len(parts))
        )
        return [scenario for part in seen for scenario in part]


def _see(revision: Revision, kernel: Path, plays: Sequence[Play], work: Path) -> list[Seen]:
    """Play scenarios in one kernel; it is started again behind a scenario that brings it down."""
    work.mkdir(parents=True, exist_ok=True)
    archive = work / "root.cpio"
    write_root(archive, "".join(f"{revision.line(one)}\n" for one in plays), work)
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
