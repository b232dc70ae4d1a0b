"""Which parts of a tree a change can touch: only those need be looked at before and after it."""

import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from xfrmlint.contract.words import WORDS
from xfrmlint.kernel.kbuild import Kbuild
from xfrmlint.kernel.places import HEADERS, vendor
from xfrmlint.tree import Tree, Unreadable

# What everything may include.
_COMMON = ("include/", "arch/")
_SOURCE = re.compile(r"\.(?:[ch]|inc|def|mk)$|(?:^|/)(?:Makefile|Kbuild)[^/]*$")
_NETWORK = "drivers/net"
_MAKEFILE = re.compile(r"(?:\.mk|(?:^|/)(?:Makefile|Kbuild)[^/]*)$")


class Scope(NamedTuple):
    """Where the facts before and after a change can differ: in these folders, or anywhere."""

    everywhere: bool
    folders: tuple[str, ...]


NOWHERE = Scope(False, ())
EVERYWHERE = Scope(True, ())


def scope_of(before: Tree, after: Tree, changed: Iterable[str]) -> Scope:
    """Return what a change of some files can touch. changed: paths before and after it."""
    paths = [path for path in dict.fromkeys(changed) if _SOURCE.search(path)]
    if any(path.startswith(_COMMON) and not _MAKEFILE.search(path) for path in paths):
        return EVERYWHERE
    folders: set[str] = set()
    for path in paths:
        if _MAKEFILE.search(path) and _links_alike(before, after, posixpath.dirname(path)):
            continue
        folders.add(vendor(path))
        if path.endswith(".h"):
            folders |= {vendor(user) for user in _users(after, path)}
    return Scope(False, _spoken(before, after, sorted(folders - {HEADERS})))


def folders_of(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the folders outside of which nothing is found in some files or folders.

    Empty where that is not known: a header can belong to another folder's driver.
    """
    if not all(f"{path}/".startswith(f"{_NETWORK}/") for path in paths):
        return ()
    folders = {vendor(path if path.endswith((".c", ".h")) else f"{path}/") for path in paths}
    return tuple(sorted(folders))


def _spoken(before: Tree, after: Tree, folders: Sequence[str]) -> tuple[str, ...]:
    """Return the folders in which anything of the contract is named, before or after."""
    if not folders:
        return ()
    named = {*before.search(WORDS, folders), *after.search(WORDS, folders)}
    return tuple(f for f in folders if f == "." or any(path.startswith(f"{f}/") for path in named))


def _links_alike(before: Tree, after: Tree, folder: str) -> bool:
    """Tell whether a folder's Makefile says the same of modules and headers in both trees."""
    return Kbuild(before).said(folder) == Kbuild(after).said(folder)


def _users(tree: Tree, header: str) -> list[str]:
    """Return the network drivers' files that may include a driver's header.

    Headers that more than neighbours need stand below include/.
    """
    if not header.startswith("drivers/"):
        return []
    folder, name = posixpath.split(header)
    last, plain = re.escape(posixpath.basename(folder)), re.escape(name)
    # By its name alone (-I), upwards, or from its folder.
    named = rf'include\s*["<](([^">]*/)?{last}/|(\.\./)+([^">]*/)?)?{plain}[">]'
    found = tree.search(named, [_NETWORK])
    # Most have one of that name themselves.
    return [path for path in found if not _has_own(tree, path, header)]


def _has_own(tree: Tree, path: str, header: str) -> bool:
    """Tell whether a file's folder has a header of that name, and nothing else is included."""
    folder, name = posixpath.dirname(path), posixpath.basename(header)
    if folder == posixpath.dirname(header) or not tree.is_file(posixpath.join(folder, name)):
        return False
    try:
        data = tree.read(path)
    except Unreadable:
        return False
    written = re.findall(rb'include[ \t]*(["<][^">\n]*)', data)
    return {text for text in written if text.endswith(os.fsencode(name))} == {
        b'"' + os.fsencode(name)
    }
