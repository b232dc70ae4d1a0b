"""What of the kernel that runs is not the kernel's: a revision, the test NIC, what tells of it.

What is laid into the source is written for this project; files of the kernel are edited in place by
regular expressions, as everywhere in tests/real.
"""

import os
import shutil
import subprocess
from pathlib import Path

from tests.ran import run
from tests.real.ported import Ported
from tests.running.mapped import BONDING
from tests.running.needed import program
from tests.running.revisions import NETDEVSIM, Revision

#: Where the test NIC's drivers lie in the tree.
DRIVERS = "drivers/net/running"
_TRAP = "arch/um/kernel/trap.c"
_NSIM = "drivers/net/netdevsim/ipsec.c"
_HERE = Path(__file__).parent / "c"

_EDITED: tuple[str, ...] = (
    "include/linux/netdevice.h",
    "include/net/xfrm.h",
    "net/xfrm/xfrm_state.c",
    "drivers/net/Makefile",
    f"{BONDING}/Makefile",
    f"{BONDING}/bond_main.c",
    f"{BONDING}/bond_options.c",
    _NSIM,
    _TRAP,
)
# What xfrmlint has to see, to convert a driver.
_SEEN = ("include", "net/core", "net/xfrm", BONDING, str(Path(_NSIM).parent))


def edit(revision: Revision, kernel: Path, fresh: Path, work: Path) -> None:
    """Write what differs from the kernel's source into a folder. work: another, for a while."""
    _edit(revision, kernel, fresh)
    _lay_over(kernel, fresh, work)
    # By the project's own command.
    names = [variant.name for variant in revision.converted]
    ran = run("convert", work, *names, NETDEVSIM, cwd=work, timeout=600)
    if ran.status:
        raise RuntimeError(f"xfrmlint convert: {ran.err or ran.out}")
    apply = [program("git"), "apply", "-"]
    # Inside somebody's checkout git would pass over what is not of it.
    apart = {**os.environ, "GIT_CEILING_DIRECTORIES": str(fresh.resolve().parent)}
    subprocess.run(apply, cwd=fresh, env=apart, input=ran.out.encode(), check=True)
    shutil.rmtree(work)
    Ported.at(fresh).edit(_NSIM, (r"^\ttsa = &ipsec->sa\[sa_idx\];\n", _TOLD))


def lay_links(revision: Revision, kernel: Path, root: Path) -> Path:
    """Lay what xfrmlint sees of the tree into a folder, by links and quickly; return it.

    It can't be built.
    """
    fresh = root / "edited"
    edit(revision, kernel, fresh, root / "unconverted")
    _lay_over(kernel, fresh, root / "source")
    return root / "source"


def _edit(revision: Revision, kernel: Path, root: Path) -> None:
    for path in (*_EDITED, *revision.edited):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kernel / path, root / path)
    tree = Ported.at(root)
    revision.port(tree)
    # At which address a driver followed no pointer is what has to be seen.
    tree.edit(
        _TRAP, (r'panic\("Segfault with no mm"\)', 'panic("Segfault with no mm at %lx", address)')
    )
    _lay_drivers(revision, tree)


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


def _lay_drivers(revision: Revision, tree: Ported) -> None:
    """Lay the test NIC, and a driver of it for each variant."""
    (tree.root / DRIVERS).mkdir(parents=True)
    tree.edit("drivers/net/Makefile", (r"^obj-\$\(CONFIG_NET\) \+= loopback\.o\n", _DESCEND))
    for name in ("hardware.c", "hardware.h"):
        tree.write(f"{DRIVERS}/{name}", (_HERE / name).read_text("utf-8"))
    objects = ["hardware.o"]
    for variant in revision.drivers:
        tree.write(f"{DRIVERS}/{variant.name}.c", variant.text)
        objects.append(f"{variant.name}.o")
    tree.write(f"{DRIVERS}/Makefile", "".join(f"obj-y += {name}\n" for name in objects))


_DESCEND = "obj-$(CONFIG_NET) += loopback.o\nobj-$(CONFIG_XFRM_OFFLOAD) += running/\n"
