"""The kernel that runs: a real one's source, the resolver, a bond with a map, and the test NIC.

It lies beside the kernels in the cache folder and is built there, as user-mode Linux: an ordinary
program. What is laid into the source is written for this project; files of the kernel are edited in
place by regular expressions, as everywhere in tests/real.
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

from tests.ran import run
from tests.real.kernels import cache_folder, exact_version
from tests.real.ported import Ported
from tests.running.needed import Missing, all_programs, program
from tests.running.variants import CONVERTED, VARIANTS

SERIES = "7.3"
#: Where the test NIC's drivers lie in the tree.
DRIVERS = "drivers/net/running"
_BONDING = "drivers/net/bonding"
_TRAP = "arch/um/kernel/trap.c"
_NSIM = "drivers/net/netdevsim/ipsec.c"
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

_EDITED: tuple[str, ...] = (
    "include/linux/netdevice.h",
    "include/net/xfrm.h",
    "net/xfrm/xfrm_state.c",
    "drivers/net/Makefile",
    f"{_BONDING}/Makefile",
    f"{_BONDING}/bond_main.c",
    f"{_BONDING}/bond_options.c",
    _NSIM,
    _TRAP,
)
# What xfrmlint has to see, to convert a driver.
_SEEN = ("include", "net/core", "net/xfrm", _BONDING, str(Path(_NSIM).parent))


def folder() -> Path:
    """Return the folder that all of it lies in."""
    return cache_folder() / f"running-{SERIES}"


def source() -> Path:
    """Return the tree that is built; xfrmlint judges it, too."""
    return folder() / "source"


def built() -> Path:
    """Return the kernel, a program. Raises Missing if it hasn't been built."""
    kernel = source() / "linux"
    if not kernel.is_file():
        raise Missing("no kernel has been built (python3 -m tests.running)")
    return kernel


def lay(kernel: Path) -> None:
    """Lay the source out, or bring what lies there up to date."""
    tree = source()
    version = folder() / "version"
    wanted = exact_version(kernel)
    if not version.is_file() or version.read_text("utf-8") != wanted:
        shutil.rmtree(tree, ignore_errors=True)
        _copy(kernel, tree)
        version.write_text(wanted, "utf-8")
    fresh = folder() / "edited"
    shutil.rmtree(fresh, ignore_errors=True)
    edit(kernel, fresh, folder() / "unconverted")
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
def alone() -> Iterator[None]:
    """Hold the folder; the other runs on this machine wait."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(kernel: Path) -> float:
    """Lay the source out and build it. Return the seconds that took. Raises Missing."""
    all_programs()
    begin = time.monotonic()
    log = folder() / "build.log"
    lay(kernel)
    tree = source()
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
    home = {"HOME": str(folder()), "TMPDIR": str(folder())}
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
        raise Missing(f"{' '.join(command)} failed; see {folder() / 'build.log'}")


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


def _edit(kernel: Path, root: Path) -> None:
    for path in _EDITED:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kernel / path, root / path)
    tree = Ported.at(root)
    tree.port()
    # At which address a driver followed no pointer is what has to be seen.
    tree.edit(
        _TRAP, (r'panic\("Segfault with no mm"\)', 'panic("Segfault with no mm at %lx", address)')
    )
    _lay_bond(tree)
    _lay_drivers(tree)


def lay_links(kernel: Path, root: Path) -> None:
    """Lay what xfrmlint sees of the tree into a folder, by links and quickly; it can't be built."""
    fresh = root / "edited"
    edit(kernel, fresh, root / "unconverted")
    _lay_over(kernel, fresh, root / "source")


def edit(kernel: Path, fresh: Path, work: Path) -> None:
    """Write what differs from the kernel's source into a folder. work: another, for a while."""
    _edit(kernel, fresh)
    _lay_over(kernel, fresh, work)
    # By the project's own command.
    names = [variant.name for variant in CONVERTED]
    ran = run("convert", work, *names, "netdevsim", cwd=work, timeout=600)
    if ran.status:
        raise RuntimeError(f"xfrmlint convert: {ran.err or ran.out}")
    apply = [program("git"), "apply", "-"]
    # Inside somebody's checkout git would pass over what is not of it.
    apart = {**os.environ, "GIT_CEILING_DIRECTORIES": str(fresh.resolve().parent)}
    subprocess.run(apply, cwd=fresh, env=apart, input=ran.out.encode(), check=True)
    shutil.rmtree(work)
    Ported.at(fresh).edit(_NSIM, (r"^\ttsa = &ipsec->sa\[sa_idx\];\n", _TOLD))


def _lay_over(kernel: Path, fresh: Path, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    tree = Ported(kernel, root, _SEEN)
    for file in (path for path in fresh.rglob("*") if path.is_file()):
        name = file.relative_to(fresh)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        tree.write(str(name), file.read_text("utf-8"))


# In the words of hardware.c. A table entry is of the device's own add, or it is unused.
_TOLD = """	tsa = &ipsec->sa[sa_idx];
	pr_info("running: sent port=%s spi=%x handle=%lx by=%s for=%x live=%d\\n", ns->netdev->name,
		be32_to_cpu(xs->id.spi), sa_idx | NSIM_IPSEC_VALID, tsa->used ? ns->netdev->name : "nobody",
		tsa->used ? be32_to_cpu(tsa->xs->id.spi) : 0, tsa->used);
"""


def _lay_bond(tree: Ported) -> None:
    """Give bonding a table of its own for round-robin, which keeps a map."""
    for name in ("bond_map.c", "bond_map.h"):
        tree.write(f"{_BONDING}/{name}", (_HERE / name).read_text("utf-8"))
    tree.edit(f"{_BONDING}/Makefile", (r"bonding-objs := ", "bonding-objs := bond_map.o "))
    tree.edit(
        f"{_BONDING}/bond_main.c",
        (r"^#include <net/xfrm\.h>\n", '#include <net/xfrm.h>\n#include "bond_map.h"\n'),
        (
            r"^#endif /\* CONFIG_XFRM_OFFLOAD \*/\n(?=\n/\*-+ Link status)",
            _CHOICE + "#endif /* CONFIG_XFRM_OFFLOAD */\n",
        ),
        (r"^\tcase NETDEV_FEAT_CHANGE:\n", _OFFLOAD_OFF),
    )
    tree.edit(
        f"{_BONDING}/bond_options.c",
        (
            r"^(?=static bool bond_set_xfrm_features)",
            "void bond_choose_xfrmdev_ops(struct bonding *bond);\n\n",
        ),
        (
            r"if \(BOND_MODE\(bond\) == BOND_MODE_ACTIVEBACKUP\)\n"
            r"(?=\t\tbond->dev->wanted_features)",
            "bond_choose_xfrmdev_ops(bond);\n"
            "\tif (BOND_MODE(bond) == BOND_MODE_ACTIVEBACKUP ||\n"
            "\t    BOND_MODE(bond) == BOND_MODE_ROUNDROBIN)\n",
        ),
    )


_CHOICE = """
void bond_choose_xfrmdev_ops(struct bonding *bond);

void bond_choose_xfrmdev_ops(struct bonding *bond)
{
	if (BOND_MODE(bond) == BOND_MODE_ROUNDROBIN)
		bond->dev->xfrmdev_ops = &bond_map_xfrmdev_ops;
	else
		bond->dev->xfrmdev_ops = &bond_xfrmdev_ops;
}
"""
_OFFLOAD_OFF = """	case NETDEV_FEAT_CHANGE:
		if (!(slave_dev->features & NETIF_F_HW_ESP))
			bond_map_leave(bond_dev, slave_dev);
"""


def _lay_drivers(tree: Ported) -> None:
    """Lay the test NIC, and a driver of it for each variant."""
    (tree.root / DRIVERS).mkdir(parents=True)
    tree.edit("drivers/net/Makefile", (r"^obj-\$\(CONFIG_NET\) \+= loopback\.o\n", _DESCEND))
    for name in ("hardware.c", "hardware.h"):
        tree.write(f"{DRIVERS}/{name}", (_HERE / name).read_text("utf-8"))
    objects = ["hardware.o"]
    for variant in VARIANTS:
        tree.write(f"{DRIVERS}/{variant.name}.c", variant.text)
        objects.append(f"{variant.name}.o")
    tree.write(f"{DRIVERS}/Makefile", "".join(f"obj-y += {name}\n" for name in objects))


_DESCEND = "obj-$(CONFIG_NET) += loopback.o\nobj-$(CONFIG_XFRM_OFFLOAD) += running/\n"
