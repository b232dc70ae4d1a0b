"""A real kernel with the RFC's interfaces laid in, by edits to a copy of what matters of it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

_PARTS = ("include", "net/core", "net/xfrm", "drivers/net", "drivers/infiniband/hw/mlx5")
_FILES = ("Makefile", "Kbuild", "MAINTAINERS", "drivers/Makefile")

_FLAG = """
#define XFRMDEV_OPS_F_LOWER_HANDLE BIT(0)

struct xfrmdev_ops {
	unsigned long (*xdo_dev_state_lower_handle)(struct net_device *dev,
						    struct xfrm_state *x,
						    struct net_device *lower_dev);
	u32 flags;
"""

_RESOLVER = """#ifdef CONFIG_XFRM_OFFLOAD
static inline unsigned long
xfrm_dev_state_lower_handle(struct xfrm_state *x, struct net_device *lower_dev)
{
	struct xfrm_dev_offload *xdo = &x->xso;
	struct net_device *real_dev = READ_ONCE(xdo->real_dev);
	struct net_device *dev = READ_ONCE(xdo->dev);
	unsigned long offload_handle = READ_ONCE(xdo->offload_handle);

	if (!dev || !lower_dev)
		return 0;
	if (dev == lower_dev)
		return offload_handle;
	if (dev->xfrmdev_ops && dev->xfrmdev_ops->xdo_dev_state_lower_handle)
		return dev->xfrmdev_ops->xdo_dev_state_lower_handle(dev, x, lower_dev);
	return real_dev == lower_dev ? offload_handle : 0;
}
#else
static inline unsigned long
xfrm_dev_state_lower_handle(struct xfrm_state *x, struct net_device *lower_dev)
{
	return 0;
}
#endif

"""


class Ported:
    """A copy of a kernel, hard-linked until a file is edited.

    parts: the folders that are copied whole; of those above them only what Kbuild reads.
    """

    def __init__(self, kernel: Path, root: Path, parts: Sequence[str] = _PARTS) -> None:
        self.root = root
        for part in parts:
            for folder, _, names in os.walk(kernel / part):
                into = root / Path(folder).relative_to(kernel)
                into.mkdir(parents=True, exist_ok=True)
                for name in names:
                    _link(Path(folder) / name, into / name)
        above = {folder for part in parts for folder in Path(part).parents}
        kbuild = [str(folder / name) for folder in above for name in ("Makefile", "Kbuild")]
        for name in sorted({*_FILES, *kbuild}):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            _link(kernel / name, root / name)

    @classmethod
    def at(cls, root: Path) -> "Ported":
        """Return what edits files that have been copied already, to be written freely."""
        made = cls.__new__(cls)
        made.root = root
        return made

    def edit(self, path: str, *changes: tuple[str, str]) -> None:
        """Replace the first match of each regular expression; each has to match."""
        text = (self.root / path).read_text("utf-8")
        for old, new in changes:
            text, count = re.subn(old, new.replace("\\", r"\\"), text, count=1, flags=re.M)
            assert count == 1, f"{path}: {old} not found"
        self.write(path, text)

    def write(self, path: str, text: str) -> None:
        """Put a file in place of the linked one."""
        # Never write through a link: the other end is the real kernel.
        (self.root / path).unlink(missing_ok=True)
        (self.root / path).write_text(text, "utf-8")

    def port(self) -> None:
        """Lay the interfaces of the RFC's first patch in.

        They are the same before 6.16, where xdo_dev_state_add() takes no device.
        """
        self.edit("include/linux/netdevice.h", (r"^struct xfrmdev_ops \{\n", _FLAG))
        self.edit(
            "include/net/xfrm.h",
            (
                r"(unsigned long\s+offload_handle;)",
                "unsigned long offload_handle;\n\tvoid __rcu *upper_priv;",
            ),
            (r"^(?=void xfrm_state_insert\()", _RESOLVER),
            (
                r"if \(!x->xso\.offload_handle && !xdst->child->xfrm\)",
                "if (!x->xso.offload_handle && !rcu_access_pointer(x->xso.upper_priv) &&\n"
                "\t    !xdst->child->xfrm)",
            ),
            (
                r"if \(x->xso\.offload_handle && \(x->xso\.dev",
                "if ((x->xso.offload_handle || rcu_access_pointer(x->xso.upper_priv)) &&\n"
                "\t    (x->xso.dev",
            ),
        )
        self.edit(
            "net/xfrm/xfrm_state.c",
            (
                r"^\t\tWRITE_ONCE\(xso->dev, NULL\);\n",
                "\t\tWRITE_ONCE(xso->dev, NULL);\n\t\tRCU_INIT_POINTER(xso->upper_priv, NULL);\n",
            ),
        )


def _link(source: Path, target: Path) -> None:
    if source.is_symlink() or not source.is_file():
        return
    try:
        os.link(source, target)
    except OSError:
        target.write_bytes(source.read_bytes())


def opt_in(ported: Ported, path: str, table: str) -> None:
    """Set the flag in an ops table's initializer."""
    flag = f"struct xfrmdev_ops {table} = {{\n\t.flags = XFRMDEV_OPS_F_LOWER_HANDLE,"
    ported.edit(path, (rf"struct xfrmdev_ops {table} = \{{", flag))
