"""Whose a file of a kernel tree is, by where it lies."""

import posixpath

HEADERS = "include"
# What is everybody's: no driver has files there.
SHARED = ("include/", "arch/")
# Most of what drivers name is declared in one of these: looked at before anything else.
COMMON = (
    "include/net/xfrm.h",
    "include/linux/netdevice.h",
    "include/linux/skbuff.h",
    "include/linux/compiler.h",
)
_CORE = ("include/", "net/", "Documentation/", "tools/", "scripts/", "samples/", "arch/")


def vendor(path: str) -> str:
    """Return the folder of related modules: drivers/net/ethernet/NAME or drivers/net/NAME."""
    parts = posixpath.dirname(path).split("/")
    depth = 4 if parts[:3] == ["drivers", "net", "ethernet"] else 3
    return "/".join(parts[:depth]) or "."


def part_of(path: str) -> str:
    """Return the folder of the part that a file belongs to."""
    return HEADERS if path.startswith("include/") else vendor(path)


def is_core(path: str) -> bool:
    """Tell whether the lower-driver rules have nothing to say about a file."""
    return path.startswith(_CORE)
