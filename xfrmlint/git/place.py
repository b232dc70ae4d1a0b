"""What lies where git keeps its own files: one that is a FIFO or a device has no end."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from xfrmlint.errors import InputError

# Below which of git's folders it reads whatever it finds, and how many files are looked at.
_READ = ("info", "objects", "refs")
_MOST = 200_000


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
                yield from _strange(str(place), deep=False)
                for part in _READ:
                    yield from _strange(str(place / part), deep=True)
            return


def _text(file: Path) -> str:
    try:
        with open(file, "rb") as opened:
            return os.fsdecode(opened.read(4096))
    except OSError:
        return ""


def _strange(top: str, *, deep: bool) -> Iterator[str]:
    """Yield what is neither a regular file nor a folder: links, too. deep: in folders as well."""
    waiting, left = [top], _MOST
    while waiting and left > 0:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    left -= 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting += [entry.path] if deep else []
                    elif not entry.is_file(follow_symlinks=False):
                        yield entry.path
        except (OSError, ValueError):
            continue
