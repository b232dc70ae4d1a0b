"""Links on the way to network drivers that lead out of the tree: nobody looks behind them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

# Where the kernel's network devices are, and how many folders deep they are looked for there. To
# look everywhere would cost a tenth of a run.
_PLACES = {".": 0, "drivers": 1, "drivers/net": 64, "net": 64, "include": 1}
_MOST = 20_000
# As a folder says of it that can't read one.
_WHY = "a name that leads out of the tree"


def links_outside(root: Path, real: Callable[[str], str | None]) -> dict[str, str]:
    """Return the links to folders and sources that lead out of a tree, and what is said of each.

    real: a path without the links on its way, None where they lead nowhere in the tree.
    """
    return {
        path: _WHY
        for top, depth in _PLACES.items()
        for path in _links(root, top, depth)
        if real(path) is None and os.path.exists(root / path)
    }


def _links(root: Path, top: str, depth: int) -> Iterator[str]:
    """Yield the links in a folder, and in those below it that are no links, so many deep."""
    waiting = [(top, depth)]
    left = _MOST
    while waiting and left:
        folder, deep = waiting.pop()
        left -= 1
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    path = entry.name if folder == "." else f"{folder}/{entry.name}"
                    if entry.is_symlink():
                        if path.endswith((".c", ".h")) or entry.is_dir():
                            yield path
                    elif deep and entry.is_dir(follow_symlinks=False):
                        waiting.append((path, deep - 1))
        except OSError:
            continue
