"""The kernels that run: a real one's source, a revision's interfaces and bond, and the test NIC.

Each lies beside the kernels in the cache folder and is built there, as user-mode Linux: an ordinary
program.
"""

import contextlib
import fcntl
import filecmp
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.real.kernels import cache_folder, exact_version
from tests.running.edited import DRIVERS, edit
from tests.running.needed import Missing, all_programs, program
from tests.running.revisions import Revision

_HERE = Path(__file__).parent / "c"

# Folders that user-mode Linux is made of; of all others it wants the Makefiles and Kconfigs.
_WHOLE = tuple(
    Path(name)
    for name in """
        arch/um arch/x86 block certs crypto fs include init io_uring ipc kernel lib mm net rust
        scripts security usr virt drivers/base drivers/block drivers/char drivers/net/bonding
        drivers/net/mdio drivers/net/netdevsim drivers/net/phy drivers/pps drivers/ptp drivers/tty
        tools/arch/x86 tools/build tools/include tools/lib tools/scripts
    """.split()
)
_SHALLOW = frozenset(map(Path, (".", "drivers", "drivers/net")))
_ALWAYS = ("Kconfig", "Makefile", "Kbuild")


def folder(revision: Revision) -> Path:
    """Return the folder that all of a revision's lies in."""
    return cache_folder() / revision.folder


def source(revision: Revision) -> Path:
    """Return the tree that is built; xfrmlint judges it, too."""
    return folder(revision) / "source"


def built(revision: Revision) -> Path:
    """Return the kernel, a program. Raises Missing if it hasn't been built."""
    kernel = source(revision) / "linux"
    if not kernel.is_file():
        raise Missing("no kernel has been built (python3 -m tests.running)")
    return kernel


def lay(revision: Revision, kernel: Path) -> None:
    """Lay the source out, or bring what lies there up to date."""
    tree = source(revision)
    version = folder(revision) / "version"
    wanted = exact_version(kernel)
    if not version.is_file() or version.read_text("utf-8") != wanted:
        shutil.rmtree(tree, ignore_errors=True)
        _copy(kernel, tree)
        version.write_text(wanted, "utf-8")
    fresh = folder(revision) / "edited"
    shutil.rmtree(fresh, ignore_errors=True)
    edit(revision, kernel, fresh, folder(revision) / "unconverted")
    for file in (path for path in fresh.rglob("*") if path.is_file()):
        target = tree / file.relative_to(fresh)
        # Make goes by the time: what has not changed is left as it is.
        if not target.is_file() or not filecmp.cmp(file, target, shallow=False):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    for stale in (tree / DRIVERS).glob("*.c"):
        if not (fresh / DRIVERS / stale.name).is_file():
            stale.unlink()
    shutil.rmtree(fresh)


@contextlib.contextmanager
def alone(revision: Revision) -> Iterator[None]:
    """Hold the folder; the other runs on this machine wait."""
    folder(revision).mkdir(parents=True, exist_ok=True)
    with (folder(revision) / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(revision: Revision, kernel: Path) -> float:
    """Lay the source out and build it. Return the seconds that took. Raises Missing."""
    all_programs()
    begin = time.monotonic()
    log = folder(revision) / "build.log"
    lay(revision, kernel)
    tree = source(revision)
    with log.open("wb") as out:
        settings = tree / ".config"
        fragment = tree / "running.config"
        wanted = (_HERE / "fragment").read_text("utf-8")
        if not settings.is_file() or not fragment.is_file() or fragment.read_text() != wanted:
            _make(tree, out.fileno(), "tinyconfig")
            fragment.write_text(wanted, "utf-8")
            merge = ["scripts/kconfig/merge_config.sh", "-m", ".config", fragment.name]
            _run(merge, tree, out.fileno())
            _make(tree, out.fileno(), "olddefconfig")
        _make(tree, out.fileno(), f"-j{os.cpu_count() or 1}", "linux")
    return time.monotonic() - begin


def _make(tree: Path, out: int, *arguments: str) -> None:
    _run([program("make"), "ARCH=um", *arguments], tree, out)


def _run(command: Sequence[str], tree: Path, out: int) -> None:
    # Neither the user's locale nor his flags make another kernel.
    kept = {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "LC_ALL": "C", "ARCH": "um"}
    home = {"HOME": str(tree.parent), "TMPDIR": str(tree.parent)}
    done = subprocess.run(
        ["nice", *command],
        cwd=tree,
        env=kept | home,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        check=False,
    )
    if done.returncode:
        raise Missing(f"{' '.join(command)} failed; see {tree.parent / 'build.log'}")


def _copy(kernel: Path, tree: Path) -> None:
    # Copies, not links: the kernel's source stays as it is, whatever a build does.
    for path, names in _wanted(kernel):
        into = tree / path
        into.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy2(kernel / path / name, into / name, follow_symlinks=False)


def _wanted(kernel: Path) -> Iterator[tuple[Path, list[str]]]:
    for above, _, names in os.walk(kernel):
        path = Path(above).relative_to(kernel)
        if path not in _SHALLOW and not any(path.is_relative_to(whole) for whole in _WHOLE):
            names = [name for name in names if name.startswith(_ALWAYS)]
        if names:
            yield path, names
