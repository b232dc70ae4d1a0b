"""The text of a file and of all it includes, read through Tree: what libclang is given."""

import os
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence

from xfrmlint.c.corpus import DEFINE_FILE, begins_line
from xfrmlint.clang.generated import ARCH
from xfrmlint.tree import Tree, Unreadable

# No such folders exist on a disk: what isn't given in memory is not found.
ROOT = "/nowhere/xfrmlint/tree"
GENERATED = "/nowhere/xfrmlint/generated"
BUILD = "/nowhere/xfrmlint/build"

# The order of LINUXINCLUDE in the top Makefile.
SEARCHED = (
    f"{ROOT}/{ARCH}",
    GENERATED,
    f"{ROOT}/include",
    f"{ROOT}/{ARCH}/uapi",
    f"{ROOT}/include/uapi",
)
# Ten times as fast as one that begins with the line.
_INCLUDE = re.compile(rb'#[ \t]*include(?:_next)?[ \t]*([<"])([^>"\n]+)[>"]')
_DOTTED = re.compile(r"//|/\.|/$")
# A driver's and all of the kernel's headers are some 1,100 files of 11 MB.
MOST_FILES = 12000
MOST_BYTES = 256 << 20


class TooMuch(Exception):
    """A file includes more than any driver does."""


class Sources:
    """Texts by full path. generated: headers by the names of #include lines.

    build: the folder of a build outside of the tree.
    """

    def __init__(
        self, tree: Tree, generated: Mapping[str, bytes], build: Tree | None = None
    ) -> None:
        self._trees = {ROOT: tree} if build is None else {ROOT: tree, BUILD: build}
        self.texts: dict[str, bytes] = {f"{GENERATED}/{n}": t for n, t in generated.items()}
        self._missing: set[str] = set()
        self._names: dict[str, list[tuple[bool, str]]] = {}
        self._kernels: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        self._firsts: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        self._size = 0

    def put(self, name: str, text: bytes) -> str:
        """Add a generated header; return its full path."""
        full = f"{GENERATED}/{name}"
        if full not in self.texts:
            self._firsts.clear()
        self.texts[full] = text
        self._names.pop(full, None)
        return full

    def closure(
        self,
        starts: Iterable[str],
        folders: Sequence[str] = (),
        searched: tuple[str, ...] = SEARCHED,
        known: frozenset[str] = frozenset(),
    ) -> list[str]:
        """Read files and all that they include; return their full paths, sorted.

        folders: full paths looked into before `searched`, the kernel's. known: what is left out,
        and with it what that includes. Every #include counts, one under a false #if too. Raises
        TooMuch.
        """
        queue = [path for path in starts if path not in known and self._is_text(path)]
        found = set(queue)
        while queue:
            path = queue.pop()
            for name in self._included(path, folders, searched):
                if name not in found and name not in known:
                    found.add(name)
                    queue.append(name)
            if len(found) > MOST_FILES or self._size > MOST_BYTES:
                raise TooMuch(f"it includes more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB")
        return sorted(found)

    def _included(self, path: str, folders: Sequence[str], searched: tuple[str, ...]) -> list[str]:
        """Return the full paths that a file includes."""
        kernels = path.startswith((f"{ROOT}/include/", f"{ROOT}/arch/", GENERATED, BUILD))
        if kernels and (path, searched) in self._kernels:
            return self._kernels[path, searched]
        found = []
        for quoted, name in self._include_lines(path):
            own = (posixpath.dirname(path),) if quoted else ()
            # What the kernel's own headers include is never a driver's.
            further = searched if kernels else (*folders, *searched)
            found += self._first_of(name, own) or self._first_of(name, further)
        if kernels:
            self._kernels[path, searched] = found
        return found

    def _first_of(self, name: str, folders: tuple[str, ...]) -> list[str]:
        """Return the file that an #include finds in some folders, and its detour: full paths."""
        if (name, folders) not in self._firsts:
            self._firsts[name, folders] = []
            for folder in folders:
                spelled = posixpath.join(folder, name)
                full = posixpath.normpath(spelled) if _DOTTED.search(spelled) else spelled
                if self._is_text(full):
                    detour = [self._detour(spelled, full)] if spelled != full else []
                    self._firsts[name, folders] = [full, *detour]
                    break
        return self._firsts[name, folders]

    def _detour(self, spelled: str, full: str) -> str:
        """Let `a/../b.h` lead to `b.h`: no folder of a disk resolves it."""
        # So every file is entered by one name only, whoever includes it.
        line = f'#include "{full}"\n'
        self.texts[spelled] = line.encode("utf-8", "surrogateescape")
        return spelled

    def _include_lines(self, path: str) -> list[tuple[bool, str]]:
        if path not in self._names:
            text = self.texts[path]
            self._names[path] = [
                (match.group(1) == b'"', os.fsdecode(match.group(2)))
                for match in _INCLUDE.finditer(text)
                if begins_line(text, match.start())
            ]
            # What an #include of a macro means, wherever that is defined.
            self._names[path] += [
                (match.group(2) == b'"', os.fsdecode(match.group(3)))
                for match in DEFINE_FILE.finditer(text)
            ]
        return self._names[path]

    def _is_text(self, full: str) -> bool:
        """Tell whether a full path is a file of the tree (then it is read) or a generated one."""
        if full in self.texts:
            return True
        top = next((top for top in self._trees if full.startswith(f"{top}/")), None)
        if top is None or full in self._missing:
            return False
        tree, path = self._trees[top], full.removeprefix(f"{top}/")
        try:
            data = tree.read(path) if tree.is_file(path) else None
        except Unreadable:
            data = None
        if data is None:
            self._missing.add(full)
            return False
        self.texts[full] = data
        self._size += len(data)
        return True
