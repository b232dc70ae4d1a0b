"""What Kbuild's Makefiles say: which .c files make a module, where headers are found.

The grammar read is that of Documentation/kbuild/makefiles.rst: `obj-$(CONFIG_X) += name.o`,
`name-y := part.o`, `name-objs := part.o`, subdirectories, ccflags-y; conditionals count as taken.
"""

import os
import posixpath
import re
from collections.abc import Callable
from typing import NamedTuple

from xfrmlint.tree import Tree, Unreadable

_INCLUDE = re.compile(r"^-?include[ \t]+(\S+)[ \t]*$", re.M)
_INCLUDE_DEPTH = 4
_ASSIGN = re.compile(r"^\s*([\w.$(){}/@-]+?)\s*(\+=|::?=|\?=|=)\s*(.*)$")
_VARIABLE = re.compile(r"\$[({]([\w.-]+)[)}]")
_CALL = re.compile(r"\$[({](addprefix|addsuffix|patsubst|subst|sort|strip)\s+([^$(){}]*)[)}]")
_SUFFIX_CHANGE = re.compile(r"\$[({]([\w.-]+):([^=(){}]*)=([^(){}]*)[)}]")

# Until 6.9 $(src) was relative to the top and written behind $(srctree)/.
_OWN = re.compile(r"^(?:\$[({]srctree[)}]/)?\$[({](?:src|obj)[)}]")
_TOP = re.compile(r"^\$[({]srctree[)}]")
# More than any list of objects has; variables that name each other would grow without end.
_LONGEST = 65536


_FLAGS = ("ccflags-y", "subdir-ccflags-y", "EXTRA_CFLAGS")


class Module(NamedTuple):
    """A Kbuild module: its name and its .c files, relative to the tree's root."""

    name: str
    sources: tuple[str, ...]


class Kbuild:
    """Answers from the Makefiles of one tree, each read once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._makefiles: dict[str, dict[str, list[str]] | None] = {}
        self._modules: dict[str, list[Module]] = {}
        self._linked: dict[str, list[Module]] = {}
        self._include_folders: dict[str, list[str]] = {}

    def modules_of(self, source: str) -> list[Module]:
        """Return the modules into which a .c file is linked; empty if no Makefile says."""
        if source in self._linked:
            return self._linked[source]
        folder = posixpath.dirname(source)
        while True:
            found = [m for m in self._modules_in(folder) if source in m.sources]
            if found or not folder:
                return found
            folder = posixpath.dirname(folder)

    def include_folders(self, source: str) -> list[str]:
        """Return the -I folders of a file's ccflags-y, and of subdir-ccflags-y above it."""
        start = folder = posixpath.dirname(source)
        if start in self._include_folders:
            return self._include_folders[start]
        found: list[str] = []
        names = list(_FLAGS)
        while folder:
            values = self._makefile(folder) or {}
            for name in names:
                found += _include_folders(" ".join(values.get(name, [])), folder)
            names = ["ccflags-y", "subdir-ccflags-y"]
            folder = posixpath.dirname(folder)
        self._include_folders[start] = list(dict.fromkeys(found))
        return self._include_folders[start]

    def said(self, folder: str) -> tuple[list[Module], dict[str, list[str]]]:
        """Return the modules that a folder's Makefile makes, and its flags for the compiler."""
        values = self._makefile(folder) or {}
        flags = {name: _include_folders(" ".join(values.get(name, [])), folder) for name in _FLAGS}
        return _modules(values, folder), flags

    def _makefile(self, folder: str) -> dict[str, list[str]] | None:
        if folder not in self._makefiles:
            self._makefiles[folder] = None
            for name in ("Kbuild", "Makefile"):
                try:
                    text = self._tree.read(posixpath.join(folder, name))
                except Unreadable:
                    continue
                lines = self._with_includes(os.fsdecode(text), folder, 0)
                self._makefiles[folder] = assignments(lines)
                break
        return self._makefiles[folder]

    def _with_includes(self, text: str, folder: str, depth: int) -> str:
        """Put included Makefiles in place of their include lines."""

        def replace(match: re.Match[str]) -> str:
            name = match.group(1).replace("$(srctree)/", "/").replace("$(src)", folder)
            name = name.replace("$(obj)", folder).removeprefix("./").removeprefix("/")
            try:
                inner = self._tree.read(posixpath.normpath(name))
            except Unreadable:
                return ""
            return self._with_includes(os.fsdecode(inner), folder, depth + 1)

        return _INCLUDE.sub(replace, text) if depth < _INCLUDE_DEPTH else text

    def _modules_in(self, folder: str) -> list[Module]:
        if folder not in self._modules:
            values = self._makefile(folder)
            self._modules[folder] = [] if values is None else _modules(values, folder)
            for module in self._modules[folder]:
                for source in module.sources:
                    # A source of another folder (../common/x.o) is found by who links it.
                    self._linked.setdefault(source, []).append(module)
        return self._modules[folder]


def assignments(text: str) -> dict[str, list[str]]:
    """Return variable -> words of a Makefile; `name-$(CONFIG_X)` and `name-m` count as `name-y`."""
    values: dict[str, list[str]] = {}
    for line in re.sub(r"\\\r?\n", " ", text).split("\n"):
        match = _ASSIGN.match(line.split("#", 1)[0])
        if match is None or line.startswith("\t"):
            continue
        name = re.sub(r"-(\$[({][^)}$]*[)}]|m)$", "-y", match.group(1))
        # `:=` behind an #if'd twin must not lose the other branch: everything accumulates.
        values.setdefault(name, []).append(match.group(3))
    raw = {name: " ".join(parts) for name, parts in values.items()}
    return {name: _expand(value, raw).split() for name, value in raw.items()}


def _expand(value: str, raw: dict[str, str]) -> str:
    for _ in range(8):
        before = value
        value = _substituted(_SUFFIX_CHANGE, lambda m: _change(m, raw), value)
        value = _substituted(_VARIABLE, lambda m: raw.get(m.group(1), m.group()), value)
        value = _substituted(_CALL, _call, value)
        if value == before or len(value) > _LONGEST:
            break
    return value


def _substituted(
    pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str], value: str
) -> str:
    """Return `pattern.sub(replacement, value)`, but stop once that is longer than any list."""
    pieces: list[str] = []
    at = size = 0
    for match in pattern.finditer(value):
        if size > _LONGEST:
            break
        pieces += [value[at : match.start()], replacement(match)]
        size += len(pieces[-1])
        at = match.end()
    return "".join([*pieces, value[at:]])


def _change(match: re.Match[str], raw: dict[str, str]) -> str:
    old, new = match.group(2), match.group(3)
    if "%" not in old:
        old, new = f"%{old}", f"%{new}"
    words = raw.get(match.group(1), "").split()
    return " ".join(_replaced(w, old.strip(), new.strip()) for w in words)


def _call(match: re.Match[str]) -> str:
    arguments = [a.strip() for a in match.group(2).split(",")]
    words = arguments[-1].split()
    match match.group(1), len(arguments):
        case "addprefix", 2:
            return " ".join(arguments[0] + w for w in words)
        case "addsuffix", 2:
            return " ".join(w + arguments[0] for w in words)
        case "patsubst", 3:
            old, new = arguments[0], arguments[1]
            return " ".join(_replaced(w, old, new) for w in words)
        case "subst", 3:
            return " ".join(w.replace(arguments[0], arguments[1]) for w in words)
        case _:
            return " ".join(words)


def _replaced(word: str, old: str, new: str) -> str:
    """Return a word as make's patsubst gives it: `%` of `old` stands where `%` of `new` does."""
    before, wild, after = old.partition("%")
    if not wild:
        return new if word == old else word
    if len(word) < len(before) + len(after) or not (
        word.startswith(before) and word.endswith(after)
    ):
        return word
    return new.replace("%", word[len(before) : len(word) - len(after)], 1)


def _modules(values: dict[str, list[str]], folder: str) -> list[Module]:
    found = []
    for target in values.get("obj-y", []):
        if target.endswith(".o"):
            sources = _sources(target, values, folder)
            found.append(Module(posixpath.basename(target)[:-2], tuple(sources)))
    return found


def _sources(target: str, values: dict[str, list[str]], folder: str) -> list[str]:
    found: dict[str, None] = {}
    seen: set[str] = set()
    wanted = [(target[:-2], "")]
    while wanted:
        name, whole = wanted.pop()
        parts = [part for key in ("-y", "-objs") for part in values.get(name + key, ())]
        # A composite may list itself (foo-y := foo.o): then foo.c is one of its parts.
        if name == whole or not parts:
            found[posixpath.normpath(posixpath.join(folder, name + ".c"))] = None
        elif name not in seen:
            seen.add(name)
            wanted += [(part[:-2], name) for part in reversed(parts) if part.endswith(".o")]
    return list(found)


def _include_folders(flags: str, folder: str) -> list[str]:
    found = []
    for name in re.findall(r"-I\s*(\S+)", flags):
        top, own = _TOP.match(name), _OWN.match(name)
        if own is not None:
            found.append(posixpath.join(folder, name[own.end() :].lstrip("/")))
        elif top is not None:
            found.append(name[top.end() :].lstrip("/"))
        elif not name.startswith("/"):
            found.append(name)
    found = [name for name in found if "$" not in name]
    return [posixpath.normpath(f) for f in found]
