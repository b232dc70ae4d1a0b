"""Which CONFIG_ symbols are set: those without which a driver's offload code isn't compiled."""

import os
import posixpath
import re
from collections.abc import Iterable

from xfrmlint.tree import Tree, Unreadable

# Of what else a driver could be configured for, LOCKDEP alone breaks a header in a hundred places.
_IPSEC = re.compile(rb"\bCONFIG_\w*(?:XFRM|IPSEC)\w*")
_NEVER = re.compile(r"COMPAT|DEBUG")
_LINE = re.compile(r"^\s*([\w./-]+)-\$[({](CONFIG_\w+)[)}]\s*(?:\+|:)?=\s*(.*)$", re.M)
_BLOCK = re.compile(r"^(?:menu)?config[ \t]+(\w+)[ \t]*\n((?:[ \t]+.*\n|[ \t]*\n)*)", re.M)
_SELECT = re.compile(r"^\s+select[ \t]+(\w+)[ \t]*$", re.M)
_DEPENDS = re.compile(r"^\s+depends on[ \t]+(\w+(?:[ \t]*&&[ \t]*\w+)*)[ \t]*$", re.M)
_PLAIN = re.compile(r"^\s*([\w./-]+)-(?:y|m|objs)\s*(?:\+|:)?=\s*(.*)$", re.M)


class Configuration:
    """Reads each Makefile once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._texts: dict[str, str] = {}
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
            text = self._makefile(folder)
            seen: set[str] = set()
            while wanted - seen:
                seen |= wanted
                for line in (*_LINE.finditer(text), *_PLAIN.finditer(text)):
                    listed = {_joined(folder, word) for word in line.groups()[-1].split()}
                    if listed & wanted:
                        if line.re is _LINE:
                            found.add(line.group(2))
                        # The object that it is a part of has a symbol, too.
                        wanted.add(f"{folder}/{line.group(1)}.o")
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

    def _makefile(self, folder: str) -> str:
        if folder not in self._texts:
            self._texts[folder] = ""
            for name in ("Kbuild", "Makefile"):
                try:
                    text = self._tree.read(f"{folder}/{name}")
                except Unreadable:
                    continue
                self._texts[folder] = os.fsdecode(text).replace("\\\n", " ")
                break
        return self._texts[folder]


def _needed(block: str) -> list[str]:
    depends = [name for line in _DEPENDS.findall(block) for name in re.split(r"\W+", line)]
    return [*_SELECT.findall(block), *depends]


def _joined(folder: str, word: str) -> str:
    slash = "/" if word.endswith("/") else ""
    return posixpath.normpath(posixpath.join(folder, word)) + slash
