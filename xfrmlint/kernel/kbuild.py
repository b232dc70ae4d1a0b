"""What Kbuild's Makefiles say: which .c files make a module, where headers are, what is defined.

The grammar read is that of Documentation/kbuild/makefiles.rst: `obj-$(CONFIG_X) += name.o`,
`name-y := part.o`, `name-objs := part.o`, ccflags-y, `CFLAGS_name.o`.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from xfrmlint.kernel.make import Makefile
from xfrmlint.kernel.places import vendor
from xfrmlint.tree import Tree

_DEFINE = re.compile(r"-D(\w+)(?:=(\w+))?")
# -U takes a definition away.
_OPTION = re.compile(r"-([DU])(\w+)(?:=(.*))?")
_FOLDER = re.compile(r"-I\s*(\S+)")
_FORCED = re.compile(r"-include\s+(\S+)")
_FLAGS = ("ccflags-y", "subdir-ccflags-y", "EXTRA_CFLAGS")
_OF_ANY = re.compile(r"CFLAGS_(?!REMOVE_).+\.o")
_REMOVED = ("ccflags-remove-y",)


class Module(NamedTuple):
    """A Kbuild module: its name and its .c files, relative to the tree's root.

    doubt: why it can have more of them; empty if they are all known.
    """

    name: str
    sources: tuple[str, ...]
    doubt: str = ""


class Options(NamedTuple):
    """What Makefiles tell the compiler for a file.

    defines: the macros that -D options define, and as what. optional: those that they can define,
    or otherwise than that. forced: the files that -include takes in; maybe: what it can take in
    besides. A file without a name is one that nobody knows; so is an option that is not evaluated.
    """

    defines: dict[str, str]
    optional: set[str]
    forced: list[str]
    maybe: list[str]


class Kbuild:
    """Answers from the Makefiles of one tree, each read once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._makefiles: dict[str, Makefile] = {}
        self._modules: dict[str, list[Module]] = {}
        self._linked: dict[str, list[Module]] = {}
        self._include_folders: dict[str, list[str]] = {}
        self._options: dict[str, Options] = {}
        self._same: dict[str, bool] = {}

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
        key = self._alike(source)
        if key in self._include_folders:
            return self._include_folders[key]
        found: list[str] = []
        above, top = [], vendor(source)
        names: tuple[str, ...] = _FLAGS
        for folder in _upwards(posixpath.dirname(source)):
            makefile = self._makefile(folder)
            for name in (*names, _of_one(source, folder)):
                found += _included(makefile, name)
            names = _FLAGS[:2]
            if folder.startswith(f"{top}/"):
                above.append(posixpath.dirname(folder))
        if above and not self._makefile(top).found:
            found += above
        self._include_folders[key] = list(dict.fromkeys(found))
        return self._include_folders[key]

    def options(self, source: str) -> Options:
        """Return what a file's Makefiles tell the compiler, whatever is configured."""
        key = self._alike(source)
        if key not in self._options:
            given: list[str] = []
            every: list[str] = []
            sure: list[str] = []
            forced: list[str] = []
            own = posixpath.dirname(source)
            for folder in _upwards(own):
                makefile = self._makefile(folder)
                names: Iterable[str] = ("subdir-ccflags-y",)
                if folder == own or self._is_linked_in(source, folder):
                    # A header may be one of any object.
                    one = [name for name in makefile.names() if _OF_ANY.fullmatch(name)]
                    one = [_of_one(source, folder)] if source.endswith(".c") else one
                    names = (*_FLAGS, *one)
                    removed = (*_REMOVED, _of_one(source, folder, "REMOVE_"))
                    every += ["-U" + w[2:] for n in removed for w in makefile.words(n)]
                for name in names:
                    certain, words = makefile.certain(name), makefile.words(name)
                    given += certain
                    every += words
                    sure += _forced(makefile, certain)
                    forced += _forced(makefile, words)
            told = _defined(given, every)
            self._options[key] = Options(
                {name: text for name, text in told.items() if text is not None},
                {name for name, text in told.items() if text is None},
                [path for path in dict.fromkeys(sure) if path],
                [path for path in dict.fromkeys(forced) if not path or path not in sure],
            )
        return self._options[key]

    def _alike(self, source: str) -> str:
        """Return the folder of a file if all in it are told the same, else the file."""
        folder = posixpath.dirname(source)
        if folder not in self._same:
            above = [*_upwards(folder)]
            linked = (s for one in above[1:] for m in self._read_modules(one) for s in m.sources)
            names = (name for one in above for name in self._makefile(one).names())
            self._same[folder] = not (
                any(posixpath.dirname(one) == folder for one in linked)
                or any(name.startswith("CFLAGS_") for name in names)
            )
        return folder if self._same[folder] else source

    def _is_linked_in(self, source: str, folder: str) -> bool:
        """Tell whether a folder's Makefile links a source of a folder below it."""
        modules = self._read_modules(folder) if source.endswith(".c") else []
        return any(source in module.sources for module in modules)

    def said(self, folder: str) -> tuple[bool, list[Module], list[str], dict[str, list[list[str]]]]:
        """Return what a folder's Makefile says: if anything, modules, doubts, compiler's flags."""
        makefile = self._makefile(folder)
        own = [name for name in makefile.names() if name.startswith("CFLAGS_")]
        flags = {
            name: [makefile.certain(name), makefile.words(name)]
            for name in (*_FLAGS, *_REMOVED, *own)
        }
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


def _of_one(source: str, folder: str, kind: str = "") -> str:
    """Return the variable of a folder's Makefile that holds the flags of one source's object."""
    return f"CFLAGS_{kind}{posixpath.relpath(source, folder).removesuffix('.c')}.o"


def _defined(given: Sequence[str], every: Sequence[str]) -> dict[str, str | None]:
    """Return what -D options define, None where that is open.

    given: those that always count; every: all that can.
    """
    sure = {m[1]: m[2] or "1" for m in map(_DEFINE.fullmatch, given) if m is not None}
    said = [m.groups("1") for m in map(_OPTION.match, every) if m is not None]
    torn = {name for kind, name, value in said if kind == "U" or sure.get(name) != value}
    return {**sure, **dict.fromkeys(torn)}


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
    named = _FOLDER.findall(" ".join(makefile.words(name)))
    return [makefile.below_top(word) for word in named if "$" not in word and word[0] != "/"]


def _forced(makefile: Makefile, words: Sequence[str]) -> list[str]:
    """Return the files that -include options among some words name, as far as they are known."""
    named = _FORCED.findall(" ".join(words))
    named += [word for word in words if word[0] == "$"]
    return ["" if "$" in word or word[0] == "/" else makefile.below_top(word) for word in named]
