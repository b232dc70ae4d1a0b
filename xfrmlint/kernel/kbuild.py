"""What Kbuild's Makefiles say: which .c files make a module, where headers are, what is defined.

The grammar read is that of Documentation/kbuild/makefiles.rst: `obj-$(CONFIG_X) += name.o`,
`name-y := part.o`, `name-objs := part.o`, ccflags-y.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from xfrmlint.kernel.make import Makefile
from xfrmlint.kernel.places import vendor
from xfrmlint.tree import Tree

_DEFINE = re.compile(r"-D(\w+)(?:=(0|[1-9]\d*))?")
# -U takes a definition away.
_OPTION = re.compile(r"-([DU])(\w+)(?:=(.*))?")
_FLAGS = ("ccflags-y", "subdir-ccflags-y", "EXTRA_CFLAGS")


class Module(NamedTuple):
    """A Kbuild module: its name and its .c files, relative to the tree's root.

    doubt: why it can have more of them; empty if they are all known.
    """

    name: str
    sources: tuple[str, ...]
    doubt: str = ""


class Kbuild:
    """Answers from the Makefiles of one tree, each read once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._makefiles: dict[str, Makefile] = {}
        self._modules: dict[str, list[Module]] = {}
        self._linked: dict[str, list[Module]] = {}
        self._include_folders: dict[str, list[str]] = {}
        self._defines: dict[str, dict[str, int | None]] = {}

    def modules_of(self, source: str) -> list[Module]:
        """Return the modules into which a .c file is linked; empty if no Makefile says."""
        folder = source
        while source not in self._linked and folder:
            folder = posixpath.dirname(folder)
            self._read_modules(folder)
        return self._linked.get(source, [])

    def doubt(self, source: str) -> str:
        """Return why it isn't known what a .c file is linked with; empty if it is."""
        modules = self.modules_of(source)
        if modules:
            return next((module.doubt for module in modules if module.doubt), "")
        folder = posixpath.dirname(source)
        while folder:
            unclear = self._unclear(folder)
            if unclear:
                return unclear
            folder = posixpath.dirname(folder)
        return f"no Makefile links {source}"

    def include_folders(self, source: str) -> list[str]:
        """Return the -I folders of a file's ccflags-y, and of subdir-ccflags-y above it.

        Where a vendor's topmost Makefile is lost the folders above the file stand in for them.
        """
        start = folder = posixpath.dirname(source)
        if start in self._include_folders:
            return self._include_folders[start]
        found: list[str] = []
        above, top = [], vendor(source)
        names: tuple[str, ...] = _FLAGS
        while folder:
            makefile = self._makefile(folder)
            for name in names:
                found += _included(makefile, name)
            names = _FLAGS[:2]
            if folder.startswith(f"{top}/"):
                above.append(posixpath.dirname(folder))
            folder = posixpath.dirname(folder)
        if above and not self._makefile(top).found:
            found += above
        self._include_folders[start] = list(dict.fromkeys(found))
        return self._include_folders[start]

    def defines(self, source: str) -> dict[str, int]:
        """Return the macros that -D options of a file's Makefiles define, whatever is configured.

        Those whose value is no number are left out, and what an option can take away again.
        """
        return {name: n for name, n in self._told(source).items() if n is not None}

    def optional(self, source: str) -> set[str]:
        """Return the macros that -D options can define, or otherwise than defines() says."""
        return {name for name, n in self._told(source).items() if n is None}

    def _told(self, source: str) -> dict[str, int | None]:
        folder = posixpath.dirname(source)
        names: Sequence[str] = _FLAGS
        if folder not in self._defines:
            given: list[str] = []
            every: list[str] = []
            for above in _upwards(folder):
                makefile = self._makefile(above)
                given += [word for name in names for word in makefile.certain(name)]
                every += [word for name in names for word in makefile.words(name)]
                names = ("subdir-ccflags-y",)
            self._defines[folder] = _defined(given, every)
        return self._defines[folder]

    def said(self, folder: str) -> tuple[bool, list[Module], list[str], dict[str, list[str]]]:
        """Return what a folder's Makefile says: if anything, modules, doubts, compiler's flags."""
        makefile = self._makefile(folder)
        flags = {name: _included(makefile, name) for name in _FLAGS}
        return makefile.found, _modules(makefile), makefile.doubts, flags

    def _makefile(self, folder: str) -> Makefile:
        if folder not in self._makefiles:
            self._makefiles[folder] = Makefile(self._tree, folder)
        return self._makefiles[folder]

    def _unclear(self, folder: str) -> str:
        """Return why a folder's Makefile can link more than what is known; empty if it can't."""
        makefile = self._makefile(folder)
        lists = [module.doubt for module in self._read_modules(folder)]
        doubts = [*makefile.doubts, _not_evaluated(makefile, "obj-y"), *lists]
        return next((doubt for doubt in doubts if doubt), "")

    def _read_modules(self, folder: str) -> list[Module]:
        """Return the modules of a folder's Makefile; which sources they link is known from now."""
        if folder not in self._modules:
            self._modules[folder] = _modules(self._makefile(folder))
            for module in self._modules[folder]:
                for source in module.sources:
                    # A source of another folder (../common/x.o) is found by who links it.
                    self._linked.setdefault(source, []).append(module)
        return self._modules[folder]


def _upwards(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = posixpath.dirname(folder)


def _defined(given: Sequence[str], every: Sequence[str]) -> dict[str, int | None]:
    """Return what -D options define, None where that is open.

    given: those that always count; every: all that can.
    """
    sure = {m[1]: m[2] or "1" for m in map(_DEFINE.fullmatch, given) if m is not None}
    said = [m.groups("1") for m in map(_OPTION.match, every) if m is not None]
    torn = {name for kind, name, value in said if kind == "U" or sure.get(name) != value}
    return {**{name: int(value) for name, value in sure.items()}, **dict.fromkeys(torn)}


def _modules(makefile: Makefile) -> list[Module]:
    found = []
    for target in makefile.words("obj-y"):
        if target.endswith(".o"):
            sources, doubt = _sources(target[:-2], makefile)
            found.append(Module(posixpath.basename(target)[:-2], tuple(sources), doubt))
    return found


def _sources(target: str, makefile: Makefile) -> tuple[list[str], str]:
    """Return the sources of which an object is made, and why there can be more."""
    found: dict[str, None] = {}
    doubt = next(iter(makefile.doubts), "")
    seen: set[str] = set()
    wanted = [(target, "")]
    while wanted:
        name, whole = wanted.pop()
        keys = (f"{name}-y", f"{name}-objs")
        parts = [part for key in keys for part in makefile.words(key)]
        # A composite may list itself (foo-y := foo.o): then foo.c is one of its parts.
        if name == whole or not parts:
            found[makefile.path(f"{name}.c")] = None
        elif name not in seen:
            seen.add(name)
            doubt = doubt or _not_evaluated(makefile, keys[0]) or _not_evaluated(makefile, keys[1])
            wanted += [(part[:-2], name) for part in reversed(parts) if part.endswith(".o")]
    return list(found), doubt


def _not_evaluated(makefile: Makefile, name: str) -> str:
    """Return which line of a list of objects holds what isn't known, or an empty text."""
    for words, where in makefile.assigned(name):
        # `$(X).o` is a name that nobody knows, of an object whose parts may be known.
        unknown = next((w for w in words if "$" in w and not _is_composite(makefile, w)), None)
        if unknown is not None:
            return f"{where} is not evaluated: {unknown}"
    return ""


def _is_composite(makefile: Makefile, word: str) -> bool:
    return any(makefile.words(word.removesuffix(".o") + kind) for kind in ("-y", "-objs"))


def _included(makefile: Makefile, name: str) -> list[str]:
    """Return the folders that a variable's -I options name; those not below the tree left out."""
    named = re.findall(r"-I\s*(\S+)", " ".join(makefile.words(name)))
    return [makefile.below_top(word) for word in named if "$" not in word and word[0] != "/"]
