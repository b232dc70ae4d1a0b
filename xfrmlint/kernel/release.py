"""The version of a tree, from its top Makefile, and as linux/version.h tells it to sources."""

import re
from typing import NamedTuple

from xfrmlint.tree import Tree, Unreadable

_VERSION = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)\s*=[ \t]*(\S*)", re.M)
_NUMBERED_SINCE = (5, 12, 0)


class Release(NamedTuple):
    """VERSION, PATCHLEVEL and SUBLEVEL."""

    version: int
    patchlevel: int
    sublevel: int


def version(tree: Tree) -> str:
    """Return VERSION.PATCHLEVEL.SUBLEVEL and EXTRAVERSION of the top Makefile, or "unknown"."""
    numbers, extra = _parts(tree)
    return ".".join(n for n in numbers if n) + extra if numbers[0] else "unknown"


def release(tree: Tree) -> Release | None:
    """Return the version of the top Makefile in numbers, None if it has none."""
    numbers = [n or "0" for n in _parts(tree)[0]]
    if numbers[0] == "0" or not all(re.fullmatch("[0-9]{1,5}", n) for n in numbers):
        return None
    return Release(*map(int, numbers))


def _parts(tree: Tree) -> tuple[list[str], str]:
    try:
        head = tree.read("Makefile")[:4096].decode("utf-8", "replace")
    except Unreadable:
        head = ""
    parts: dict[str, str] = dict(_VERSION.findall(head))
    numbers = [parts.get(name, "") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    return numbers, parts.get("EXTRAVERSION", "")


def kernel_version(a: int, b: int, c: int) -> int:
    """Return KERNEL_VERSION(a, b, c)."""
    return (a << 16) + (b << 8) + min(c, 255)


def version_macros(known: Release) -> dict[str, int]:
    """Return the numbers that linux/version.h defines, by name (filechk_version.h in Makefile)."""
    found = {"LINUX_VERSION_CODE": kernel_version(*known)}
    if known >= _NUMBERED_SINCE:
        for name, number in zip(("MAJOR", "PATCHLEVEL", "SUBLEVEL"), known, strict=True):
            found[f"LINUX_VERSION_{name}"] = number
    return found
