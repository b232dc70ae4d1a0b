"""What differs between a revision and the folder as it lies there, with edits nobody committed.

`git status` and `git diff` would run the repository's filters. Here git only lists the index: a
file whose stat data is still the index's is unchanged, and any other is hashed.
"""

import os
import re
import stat
from collections.abc import Iterator

from xfrmlint.git.compare import read
from xfrmlint.git.index import NOT_LOOKED_AT, Entry, entries, unedited
from xfrmlint.git.overlay import Overlay
from xfrmlint.git.repository import Repository
from xfrmlint.git.sparse import completed
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder

# The tree's settings have a say, too.
_NAMED = re.compile(r".*\.[ch]|Makefile|Kbuild|\.xfrmlint\.toml", re.S)


def before_and_after(
    repository: Repository, folder: Folder, revision: str
) -> tuple[Overlay, Tree, list[tuple[str, str]]]:
    """Return the tree of a revision, laid over the folder; that; and the paths of what differs.

    revision: a commit, or Repository.nothing. Only C, headers and Makefiles are compared; those
    that git doesn't know count, too, but not those of a repository within. What git has not checked
    out is as the index has it. The paths are pairs of an old one and a new one.
    """
    listed = dict(entries(repository))
    indexed = repository.staged(revision)
    paths = {path for change in indexed for path in change}
    paths |= {path for path, entry in listed.items() if _edited(repository, folder, path, entry)}
    paths |= {path for path in _files(folder) if path not in listed}
    tree = completed(repository, folder, listed)
    old = repository.tree(revision)
    files: dict[str, bytes | None] = {}
    for path in sorted(paths):
        entry = listed.get(path)
        kept = entry is not None and entry.flags & NOT_LOOKED_AT and folder.is_file(path)
        if kept or not _NAMED.fullmatch(os.path.basename(path)):
            continue
        was = read(old, path)
        if was != read(tree, path):
            files[path] = was
    old_of = {c.after: c.before for c in indexed if c.before and not tree.is_file(c.before)}
    pairs = [(old_of.get(path, path), path) for path in files if tree.is_file(path)]
    named = {path for pair in pairs for path in pair}
    pairs += [(path, path) for path in files if path not in named]
    return Overlay(tree, files, revision[:12]), tree, pairs


def _edited(repository: Repository, tree: Folder, path: str, entry: Entry) -> bool:
    """Tell whether the folder has something else at a path than the index."""
    if entry.flags & NOT_LOOKED_AT or not stat.S_ISREG(entry.mode):
        return False
    if unedited(tree.root, path, entry):
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
