"""What differs between a revision and the folder as it lies there, with edits nobody committed.

`git status` and `git diff` would run the repository's filters. Here git only lists the index: a
file whose stat data is still the index's is unchanged, and any other is hashed.
"""

import os
import re
import stat
from collections.abc import Iterator
from typing import NamedTuple

from xfrmlint.tree.commit import Repository
from xfrmlint.tree.compare import read
from xfrmlint.tree.folder import Folder
from xfrmlint.tree.overlay import Overlay

# git's pathspecs, in which * stands for slashes too, and the same for names.
_ASKED = ("*.c", "*.h", "Makefile", "*/Makefile", "Kbuild", "*/Kbuild")
_NAMED = re.compile(r".*\.[ch]|Makefile|Kbuild")
_ENTRY = re.compile(
    rb"(\d+) ([0-9a-f]+) \d\t([^\0]+)\0"
    rb"\s+ctime: (\d+):(\d+)\s+mtime: (\d+):(\d+)\s+dev: \d+\s+ino: (\d+)"
    rb"\s+uid: \d+\s+gid: \d+\s+size: (\d+)\s+flags: ([0-9a-f]+)\n"
)
# CE_VALID and CE_SKIP_WORKTREE (read-cache.h): the folder's file isn't to be looked at.
_NOT_LOOKED_AT = 0x8000 | 0x40000000
_WORD = 0xFFFFFFFF
_SECOND = 1_000_000_000


class _Entry(NamedTuple):
    """A file of the index. stat: ctime, mtime, inode and size as git keeps them."""

    mode: int
    name: str
    stat: tuple[int, ...]
    flags: int


def before(
    repository: Repository, tree: Folder, revision: str
) -> tuple[Overlay, list[tuple[str, str]]]:
    """Return the tree of a revision, laid over the folder, and old and new path of what differs.

    revision: a commit, or Repository.nothing. Only C, headers and Makefiles are compared; those
    that git doesn't know count, too, but not those of a repository within.
    """
    entries = dict(_entries(repository))
    indexed = repository.staged(revision)
    paths = {path for change in indexed for path in change}
    paths |= {path for path, entry in entries.items() if _edited(repository, tree, path, entry)}
    paths |= {path for path in _files(tree) if path not in entries}
    old = repository.tree(revision)
    files: dict[str, bytes | None] = {}
    for path in sorted(paths):
        entry = entries.get(path)
        skipped = entry is not None and entry.flags & _NOT_LOOKED_AT
        if skipped or not _NAMED.fullmatch(os.path.basename(path)):
            continue
        was = read(old, path)
        if was != read(tree, path):
            files[path] = was
    old_of = {c.after: c.before for c in indexed if c.before and not tree.is_file(c.before)}
    pairs = [(old_of.get(path, path), path) for path in files if tree.is_file(path)]
    named = {path for pair in pairs for path in pair}
    pairs += [(path, path) for path in files if path not in named]
    return Overlay(tree, files, revision[:12]), pairs


def _entries(repository: Repository) -> Iterator[tuple[str, _Entry]]:
    listed = repository.listed("--stage", "--debug", "-z", "--", *_ASKED)
    # What was written in the same moment as the index may have been written after it.
    newest = os.stat(repository.index).st_mtime_ns if os.path.exists(repository.index) else 0
    for found in _ENTRY.finditer(listed):
        mode, name, path, *numbers = found.groups()
        ctime, c_part, mtime, m_part, inode, size = map(int, numbers[:6])
        times = (ctime * _SECOND + c_part, mtime * _SECOND + m_part)
        kept = (*times, inode, size) if times[1] < newest else ()
        yield os.fsdecode(path), _Entry(int(mode, 8), name.decode(), kept, int(numbers[6], 16))


def _edited(repository: Repository, tree: Folder, path: str, entry: _Entry) -> bool:
    """Tell whether the folder has something else at a path than the index."""
    if entry.flags & _NOT_LOOKED_AT or not stat.S_ISREG(entry.mode):
        return False
    try:
        found = os.lstat(tree.root / path)
    except (OSError, ValueError):
        return True
    now = (found.st_ctime_ns, found.st_mtime_ns, found.st_ino & _WORD, found.st_size & _WORD)
    if stat.S_ISREG(found.st_mode) and now == entry.stat:
        return False
    data = read(tree, path)
    return data is None or repository.name_of(data) != entry.name


def _files(tree: Folder) -> Iterator[str]:
    for folder, folders, names in os.walk(tree.root):
        inside = os.path.relpath(folder, tree.root)
        folders[:] = [
            name
            for name in folders
            if name != ".git" and not os.path.lexists(os.path.join(folder, name, ".git"))
        ]
        for name in names:
            if _NAMED.fullmatch(name):
                yield name if inside == "." else f"{inside}/{name}"
