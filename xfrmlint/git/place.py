"""What lies where git keeps its own files: one that is a FIFO or a device has no end."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from xfrmlint.errors import InputError

# Where git reads whatever it finds; and of refs so many.
_READ = (".", "info", "objects/info", "objects/pack")
_MOST = 100_000


def refuse_devices(folder: Path) -> None:
    """Raise InputError if git, asked in a folder, would read from what never ends.

    git opens its files without a look at what they are, and waits for a FIFO's other end.
    """
    for path in _files(folder):
        try:
            mode = os.stat(path).st_mode
        except OSError:
            continue
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            kind = "a FIFO" if stat.S_ISFIFO(mode) else "a device"
            raise InputError(f"{path}: {kind}, no file of git's")


def _files(folder: Path) -> Iterator[str]:
    for around in (folder, *folder.parents):
        top = around / ".git"
        if os.path.lexists(top):
            yield str(top)
            if top.is_file():
                # Of a linked work tree: `gitdir: PATH`.
                top = around / _text(top).removeprefix("gitdir:").strip()
            places = [top]
            common = top / "commondir"
            yield str(common)
            if common.is_file():
                places.append(top / _text(common).strip())
            for place in places:
                for part in _READ:
                    yield from _in(str(place / part))
                yield from _refs(str(place / "refs"))
            return


def _text(file: Path) -> str:
    try:
        with open(file, "rb") as opened:
            return os.fsdecode(opened.read(4096))
    except OSError:
        return ""


def _in(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from [e.path for e in entries if not e.is_dir(follow_symlinks=False)]
    except (OSError, ValueError):
        return


def _refs(top: str) -> Iterator[str]:
    left = _MOST
    for folder, _, names in os.walk(top):
        yield from (os.path.join(folder, name) for name in names)
        left -= len(names) + 1
        if left < 0:
            return
