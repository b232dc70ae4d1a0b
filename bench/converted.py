"""What it takes to convert every lower driver of a kernel, and to show each patch right."""

import difflib
from pathlib import Path

from bench.own import xfrmlint
from bench.timing import Command
from tests.real.ported import Ported

CONVERT = "xfrmlint convert --all"
_FLAG = "XFRMDEV_OPS_F_LOWER_HANDLE"
_EDITED = ("include/linux/netdevice.h", "include/net/xfrm.h", "net/xfrm/xfrm_state.c")
# 1: of some driver there are only reasons.
_GOOD = frozenset({0, 1})


def every_driver(tree: Path, scratch: Path) -> Command:
    """Return a conversion of all drivers, over the RFC's interfaces where the tree has none."""
    try:
        on = [] if _has_resolver(tree) else ["--on", str(_series(tree, scratch))]
    except (OSError, AssertionError) as error:
        return Command(CONVERT, missing=f"the interfaces can't be laid into this tree: {error}")
    folder = scratch / "mails"
    return Command(
        CONVERT, xfrmlint("convert", ".", "--all", *on, "-o", str(folder)), tree, good=_GOOD
    )


def _has_resolver(tree: Path) -> bool:
    return _FLAG in (tree / _EDITED[0]).read_text("utf-8", "replace")


def _series(tree: Path, scratch: Path) -> Path:
    """Write the patch that lays the interfaces into a tree."""
    ported = Ported(tree, scratch / "ported", ("include/linux", "include/net", "net/xfrm"))
    ported.port()
    lines: list[str] = []
    for path in _EDITED:
        old, new = (
            (root / path).read_text("utf-8").splitlines(keepends=True)
            for root in (tree, ported.root)
        )
        lines += difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
    patch = scratch / "interfaces.patch"
    patch.write_text("".join(lines), "utf-8")
    return patch
