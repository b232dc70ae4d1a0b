"""A kernel tree that lies unpacked in a folder."""

import os
import stat
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from xfrmlint.errors import InputError
from xfrmlint.tree import Unreadable
from xfrmlint.tree.digest import blob_name
from xfrmlint.tree.links import links_outside
from xfrmlint.tree.marks import Stamp, latest, stamp
from xfrmlint.tree.searches import Found, Searches

# What every kernel tree has, and what checkpatch asks for in a similar list.
_LANDMARKS = ("Makefile", "include/linux", "drivers")
# A sparse file of a terabyte costs an archive nothing; a kernel's largest header has 20 MiB.
_LARGEST = 64 << 20
_WANTED = ("include/linux/netdevice.h", "include/net/xfrm.h")


class Stamped(NamedTuple):
    """A file's content by its digest, and what the file system said of it when it was read."""

    stamp: Stamp
    digest: str


class Known(NamedTuple):
    """What is known of a folder's files, and what searches found in them."""

    files: dict[str, Stamped]
    found: Found

    @classmethod
    def nothing(cls) -> "Known":
        return cls({}, Found.nothing())

    def as_data(self) -> Any:
        """Return it as JSON can hold it; of() makes it what it was."""
        files = [[path, stamp, digest] for path, (stamp, digest) in self.files.items()]
        return [files, self.found.as_data()]

    @classmethod
    def of(cls, data: Any) -> "Known":
        """Return what as_data() was made of; raises TypeError and the like for others."""
        files, found = data
        return cls(
            {path: Stamped(tuple(stamp), digest) for path, stamp, digest in files}, Found.of(found)
        )


class Folder:
    """The files below `root`. Links never lead outside, only regular files are opened."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))
        self._top = str(self.root)
        self._real: dict[str, str | None] = {}
        # What is known of files' contents from earlier runs, and what this one has learned.
        self._known: dict[str, Stamped] = {}
        self._learned: dict[str, Stamped] = {}
        self._searches = Searches(self.root)
        self._searched: dict[tuple[str, tuple[str, ...]], Sequence[str]] = {}
        self._linked = False
        self._folders: dict[str, str | None] = {}
        self._listings: dict[str, frozenset[str]] = {}
        self._digests: dict[str, str] = {}

    @property
    def name(self) -> str:
        return str(self.root)

    @property
    def problems(self) -> dict[str, str]:
        return self._searches.problems

    def _inside(self, path: str) -> str | None:
        """Return the real path, or None where a link leads out of the tree."""
        # Names come from #include lines and Makefiles, too; realpath raises for such a one.
        if "\0" in path:
            return None
        folder, name = os.path.split(path)
        if folder not in self._folders:
            real = os.path.realpath(self.root / folder)
            self._folders[folder] = real if self._holds(real) else None
        inside = self._folders[folder]
        if inside is None or name in ("", ".", ".."):
            return inside
        full = os.path.join(inside, name)
        if os.path.islink(full):
            full = os.path.realpath(full)
            return full if self._holds(full) else None
        return full

    def _holds(self, real: str) -> bool:
        top = str(self.root)
        return real == top or real.startswith(top.rstrip("/") + "/")

    def real(self, path: str) -> str | None:
        """Return a path without the links on its way, or None where they lead nowhere.

        The root's own is ".".
        """
        folder, name = os.path.split(path)
        if name in ("", ".", ".."):
            return self._resolved(path)
        if folder not in self._real:
            self._real[folder] = self._resolved(folder)
        above = self._real[folder]
        if above is None or os.path.islink(os.path.join(self._top, above, name)):
            return self._resolved(path)
        return name if above == "." else f"{above}/{name}"

    def _resolved(self, path: str) -> str | None:
        try:
            full = self._inside(path)
        except (OSError, ValueError):
            return None
        if full is None:
            return None
        inside = Path(full)
        # What still is a link is one that leads to itself.
        ways = [inside, *inside.parents][: len(inside.parts) - len(self.root.parts)]
        looped = any(os.path.islink(way) for way in ways)
        return None if looped else inside.relative_to(self.root).as_posix()

    def read(self, path: str) -> bytes:
        start = time.time_ns()
        try:
            full = self._inside(path)
            if full is None:
                raise Unreadable("a name that leads out of the tree")
            # A FIFO or a device must not hang the run.
            handle = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from None
        except ValueError:
            raise Unreadable("a name that this locale can't encode") from None
        try:
            with os.fdopen(handle, "rb", buffering=0) as file:
                found = os.fstat(handle)
                if not stat.S_ISREG(found.st_mode):
                    raise Unreadable("not a regular file")
                if found.st_size > _LARGEST:
                    raise Unreadable(f"larger than {_LARGEST >> 20} MiB")
                data = file.read()
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from None
        self._digests[path] = blob_name(data)
        # Who changes the file from here on gives it another stamp: that of before the reading.
        stamped = Stamped(stamp(found), self._digests[path])
        settled = max(found.st_mtime_ns, found.st_ctime_ns) < latest(start)
        if settled and stamped != self._known.get(path):
            self._learned[path] = stamped
        return data

    def digest(self, path: str) -> str:
        if path not in self._digests:
            known = self._known.get(path)
            if known is not None and known.stamp == self._stamp_of(path):
                self._digests[path] = known.digest
            else:
                self.read(path)
        return self._digests[path]

    def _stamp_of(self, path: str) -> Stamp | None:
        try:
            full = self._inside(path)
            found = os.lstat(full) if full is not None else None
        except (OSError, ValueError):
            return None
        regular = found is not None and stat.S_ISREG(found.st_mode)
        return stamp(found) if found is not None and regular else None

    def size(self, path: str) -> int:
        """Return a file's bytes as the file system counts them; none where there is no file."""
        found = self._stamp_of(path)
        return found[0] if found is not None else 0

    def know(self, known: Known) -> None:
        """Take what earlier runs found out about the files; what this one does is to be kept."""
        self._known, self._searches.known = known
        self._searches.learns = True
        # Some were read to see whether there is a tree at all.
        for path in [p for p, told in self._learned.items() if told == self._known.get(p)]:
            del self._learned[path]

    @property
    def known(self) -> Known:
        """What earlier runs found out."""
        return Known(self._known, self._searches.known)

    @property
    def learned(self) -> Known:
        """What this run found out that was not known before."""
        return Known(self._learned, self._searches.learned)

    @property
    def has_learned(self) -> bool:
        """Whether there is any of it."""
        return bool(self._learned or any(self._searches.learned))

    def lesson(self) -> Any:
        """Return as JSON what this run found out about parts of the tree; learn() takes it."""
        found = Found(self._searches.learned.below, {}, {})
        return [Known(self._learned, found).as_data(), self.problems]

    def learn(self, lesson: Any) -> None:
        """Take what another process found out about the tree."""
        data, problems = lesson
        files, found = Known.of(data)
        self._learned.update(files)
        self._searches.learned.below.update(found.below)
        self.problems.update(problems)

    def end(self, *, learning: bool) -> None:
        """Let no process be left that looks at the tree. learning: wait for what it finds out."""
        self._searches.end(learning=learning)

    def is_file(self, path: str) -> bool:
        folder, name = os.path.split(path)
        return name in self._names(folder)

    def folder(self, path: str) -> Sequence[str]:
        return sorted(self._names(path))

    def _names(self, path: str) -> frozenset[str]:
        if path not in self._listings:
            names: list[str] = []
            try:
                full = self._inside(path)
                if full is not None:
                    with os.scandir(full) as entries:
                        names = [e.name for e in entries if _is_regular(e)]
            except (OSError, ValueError):
                names = []
            self._listings[path] = frozenset(names)
        return self._listings[path]

    def search(self, pattern: str, under: Sequence[str] = ()) -> Sequence[str]:
        asked = pattern, tuple(under)
        if asked not in self._searched:
            found = self._searches.below(*asked) if under else self._searches.whole(pattern)
            if not (under or self._linked):
                self._linked = True
                # A search follows no links.
                self.problems.update(links_outside(self.root, self.real))
            self._searched[asked] = found
        return list(self._searched[asked])

    def look(self) -> None:
        """Let it be found out, beside what comes next, what changed since the last whole search."""
        self._searches.look()

    def begin(self, pattern: str, under: Sequence[str] = ()) -> None:
        """Let a search of the whole tree run beside what comes before it is asked for."""
        if not under and (pattern, ()) not in self._searched:
            self._searches.begin(pattern)


def _is_regular(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:
        # One link that leads to itself must not hide the files beside it.
        return False


def _has(folder: Path, name: str) -> bool:
    try:
        return (folder / name).exists()
    except PermissionError:
        # A working directory that nobody may look into lies in a tree nevertheless.
        return False


def is_tree(folder: Path) -> bool:
    """Tell whether a folder is meant as a kernel tree: it has at least one of a tree's marks."""
    marks = sum(_has(folder, mark) for mark in _LANDMARKS)
    return marks == len(_LANDMARKS) or (marks > 0 and not tree_around(folder.absolute().parent))


def tree_around(start: Path) -> Path | None:
    """Return the nearest folder, from `start` (absolute) upwards, that looks like a kernel tree."""
    for root in (start, *start.parents):
        if all(_has(root, mark) for mark in (*_LANDMARKS, "drivers/net")):
            return root
    return None


def find_tree(named: str | None, start: Path | None = None) -> Folder:
    """Return the kernel tree at `named`, or the one around the working directory.

    Raises InputError where there is none, or only half of one.
    """
    if named is not None:
        root = Path(named)
        if not root.is_dir():
            why = "no such folder" if not root.exists() else "not a folder"
            raise InputError(f"{named}: {why}; name the top of a kernel tree")
        missing = [mark for mark in _LANDMARKS if not (root / mark).exists()]
        if missing:
            raise InputError(
                f"{named}: not a kernel tree (no {', '.join(missing)}); "
                "name the folder that holds MAINTAINERS, drivers/ and include/"
                f"{_way_out(root) or _way_in(root, missing)}"
            )
        return _checked(root, named)
    try:
        here = (start or Path.cwd()).absolute()
    except FileNotFoundError:
        raise InputError("the working directory is gone; name a kernel tree") from None
    around = tree_around(here)
    if around is not None:
        return _checked(around, str(around))
    raise InputError(
        f"{here}: not inside a kernel tree; name one: xfrmlint check /path/to/linux{_way_out(here)}"
    )


def _way_in(root: Path, missing: Sequence[str]) -> str:
    """Return what makes a module's folder a part of a kernel; empty if it is half of a tree."""
    sources = chain(root.glob("*.c"), root.glob("*/*.c"))
    if not {"include/linux", "drivers"} <= set(missing) or not any(sources):
        return ""
    return (
        "; a module from elsewhere is judged as a part of the kernel that it is built for: "
        "cp -r it to linux/drivers/net/ (a link is not followed), and check linux"
    )


def _way_out(start: Path) -> str:
    """Return what git makes a tree of a folder with, that is a repository and no tree."""
    for root in (start, *start.parents):
        if all((root / name).exists() for name in ("HEAD", "objects", "refs")):
            return "; it is a bare repository: git worktree add ../linux HEAD makes a tree"
        if is_sparse(root):
            return "; the checkout is sparse: git sparse-checkout add include net drivers"
    return ""


def is_sparse(root: Path) -> bool:
    """Tell whether a repository has a list of what it checks out."""
    git = root / ".git"
    try:
        if git.is_file():
            # A work tree of its own: `gitdir: PATH`.
            with open(git, "rb") as file:
                git = root / os.fsdecode(file.read(4096).removeprefix(b"gitdir:").strip())
        return (git / "info/sparse-checkout").exists()
    except (OSError, ValueError):
        return False


def _checked(root: Path, named: str) -> Folder:
    tree = Folder(root)
    for wanted in _WANTED:
        if not os.path.lexists(root / wanted):
            raise InputError(
                f"{named}: {wanted} is missing; the tree looks half unpacked{_way_out(root)}"
            )
        try:
            tree.read(wanted)
        except Unreadable as error:
            raise InputError(f"{named}: {wanted}: {error}") from None
    return tree
