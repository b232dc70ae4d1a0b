"""Which CONFIG_ symbols are set: those without which a driver's offload code isn't compiled."""

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from xfrmlint.tree import Tree, Unreadable

# Of what else a driver could be configured for, LOCKDEP alone breaks a header in a hundred places.
_IPSEC = re.compile(rb"CONFIG_\w*(?:XFRM|IPSEC)\w*")
_NEVER = re.compile(r"COMPAT|DEBUG")
_LINE = re.compile(r"^[ \t]*([\w./-]+)-\$[({](CONFIG_\w+)[)}]\s*(?:\+|:)?=\s*(.*)$", re.M)
_BLOCK = re.compile(r"^(?:menu)?config[ \t]+(\w+)[ \t]*\n((?:[ \t]+.*\n|[ \t]*\n)*)", re.M)
_SELECT = re.compile(r"^[ \t]+select[ \t]+(\w+)[ \t]*$", re.M)
_DEPENDS = re.compile(r"^[ \t]+depends on[ \t]+(\w+(?:[ \t]*&&[ \t]*\w+)*)[ \t]*$", re.M)
_PLAIN = re.compile(r"^[ \t]*([\w./-]+)-(?:y|m|objs)\s*(?:\+|:)?=\s*(.*)$", re.M)


class Configuration:
    """Reads each Makefile once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._lines: dict[str, list[_Line]] = {}
        self._selected: dict[str, dict[str, list[str]]] = {}

    def of(self, source: str, texts: Iterable[bytes]) -> list[str]:
        """Return the symbols for a source. texts: its own and those of the driver's headers."""
        found = {name.decode() for text in texts for name in _IPSEC.findall(text)}
        gates = self._gates(source)
        found |= gates
        folder = posixpath.dirname(source)
        while folder:
            for gate in gates:
                found.update(f"CONFIG_{name}" for name in self._selects(folder).get(gate[7:], []))
            folder = posixpath.dirname(folder)
        return sorted(n.removesuffix("_MODULE") for n in found if not _NEVER.search(n))

    def _gates(self, source: str) -> set[str]:
        """Return the symbols under which Kbuild links a source, up to the top."""
        found: set[str] = set()
        wanted = {source.removesuffix(".c") + ".o"}
        folder = posixpath.dirname(source)
        below = ""
        while folder:
            if below:
                wanted.add(f"{below}/")
            seen: set[str] = set()
            while wanted - seen:
                seen |= wanted
                for line in self._makefile(folder):
                    if not line.listed.isdisjoint(wanted):
                        if line.symbol:
                            found.add(line.symbol)
                        # The object that it is a part of has a symbol, too.
                        wanted.add(line.object)
            below, folder = folder, posixpath.dirname(folder)
        return found

    def _selects(self, folder: str) -> dict[str, list[str]]:
        """Return what the symbols of a folder's Kconfig always select, or can't be set without."""
        if folder not in self._selected:
            try:
                text = os.fsdecode(self._tree.read(f"{folder}/Kconfig"))
            except Unreadable:
                text = ""
            blocks = _BLOCK.finditer(text)
            self._selected[folder] = {m.group(1): _needed(m.group(2)) for m in blocks}
        return self._selected[folder]

    def _makefile(self, folder: str) -> "list[_Line]":
        if folder not in self._lines:
            self._lines[folder] = []
            for name in ("Kbuild", "Makefile"):
                try:
                    text = self._tree.read(f"{folder}/{name}")
                except Unreadable:
                    continue
                self._lines[folder] = list(_lines(folder, os.fsdecode(text).replace("\\\n", " ")))
                break
        return self._lines[folder]


class _Line(NamedTuple):
    """A line of a Makefile. object: what is linked from what is listed. symbol: empty for -y."""

    object: str
    symbol: str
    listed: frozenset[str]


def _lines(folder: str, text: str) -> Iterator[_Line]:
    for name, symbol, listed in _LINE.findall(text):
        yield _line(folder, name, symbol, listed)
    for name, listed in _PLAIN.findall(text):
        yield _line(folder, name, "", listed)


def _line(folder: str, name: str, symbol: str, listed: str) -> _Line:
    words = frozenset(_joined(folder, word) for word in listed.split())
    return _Line(f"{folder}/{name}.o", symbol, words)


def _needed(block: str) -> list[str]:
    depends = [name for line in _DEPENDS.findall(block) for name in re.split(r"\W+", line)]
    return [*_SELECT.findall(block), *depends]


def _joined(folder: str, word: str) -> str:
    slash = "/" if word.endswith("/") else ""
    return posixpath.normpath(posixpath.join(folder, word)) + slash
