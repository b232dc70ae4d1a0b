"""The functions of an owner's files as text: whom they call, and which slots they call."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from xfrmlint.c.blanking import LOOP
from xfrmlint.c.expansion import Macro, expand
from xfrmlint.c.macros import macros_in
from xfrmlint.c.reader import Reader
from xfrmlint.contract.words import ADD, DELETE, FREE

_LOOP = re.compile(rb"\b%s\b" % LOOP)
_WORD = re.compile(rb"[A-Za-z_]\w*")
_TELLING = re.compile(rb"\b[a-z_]\w*")
_MOST_DEFINITIONS = 4
CALLED = re.compile(rb"\b([A-Za-z_]\w*)\s*\(")


class Body(NamedTuple):
    """A function's file and text, whom it calls by name, and which slots it calls, by role.

    meant: the text with the macros of its files expanded; calls and slots are told by that. loops:
    the macros of which the text has a `while`.
    """

    path: str
    text: bytes
    meant: bytes
    calls: frozenset[str]
    slots: frozenset[str]
    loops: frozenset[str] = frozenset()


Bodies = Mapping[str, Body]


def bodies_of(reader: Reader, files: Sequence[str]) -> Bodies:
    """Return the functions of some files by name."""
    asked = {
        role: (name.encode(), re.compile(rb"(?:->|\.)%s\s*\(" % name.encode()))
        for role in (ADD, DELETE, FREE)
        if (name := reader.contract.slot(role))
    }
    macros = OwnMacros(reader, files)
    found: dict[str, Body] = {}
    for path in files:
        unit = reader.corpus.unit(path)
        for item in unit.items:
            if item.kind == "function":
                text = unit.text[item.start : item.end]
                meant = macros.expanded(text)
                calls = frozenset(map(bytes.decode, set(CALLED.findall(meant))))
                slots = frozenset(
                    role
                    for role, (name, called) in asked.items()
                    if name in meant and called.search(meant)
                )
                loops = frozenset(_loops(unit.data[item.start : item.end], text))
                found[item.name] = Body(path, text, meant, calls, slots, loops)
    return found


class OwnMacros:
    """The macros that some files and their own headers define, by name."""

    def __init__(self, reader: Reader, files: Iterable[str]) -> None:
        self.defined: dict[str, list[Macro]] = {}
        for path in dict.fromkeys(one for file in files for one in reader.corpus.local(file)):
            for macro in macros_in(reader.corpus, path):
                # A number says nothing of what is done.
                if _TELLING.search(macro.body) is not None:
                    self.defined.setdefault(macro.name, []).append(macro)

    def expanded(self, text: bytes) -> bytes:
        """Return text with the macros expanded; once for each definition that one of them has."""
        used = {w.decode() for w in set(_WORD.findall(text))} & self.defined.keys()
        most = max((len(self.defined[name]) for name in used), default=0)
        chosen = self._chosen[: min(most, _MOST_DEFINITIONS)]
        return b" ".join(expand(text, "", 0, macros).text for macros in chosen) or text

    @cached_property
    def _chosen(self) -> list[dict[str, Macro]]:
        """The first definition of each macro, the second one or the last before it, and so on."""
        return [
            {name: found[min(turn, len(found) - 1)] for name, found in self.defined.items()}
            for turn in range(_MOST_DEFINITIONS)
        ]


def _loops(data: bytes, text: bytes) -> Iterator[str]:
    """Yield what stands where the text of a function has a `while` that was not written."""
    for match in _LOOP.finditer(text):
        word = _WORD.match(data, match.start())
        if word is not None and word.group() != LOOP:
            yield word.group().decode()


def owners_files(reader: Reader, path: str) -> list[str]:
    """Return the C files of the module that a file is part of."""
    return [one for one in reader.universe.files(path) if one.endswith(".c")] or [path]


def reaching(role: str, bodies: Bodies) -> set[str]:
    """Return the functions that call a slot, themselves or through others."""
    found = {name for name, body in bodies.items() if role in body.slots}
    fresh = set(found)
    while fresh:
        fresh = {name for name, body in bodies.items() if body.calls & fresh} - found
        found |= fresh
    return found


def reached(name: str, bodies: Bodies) -> set[str]:
    """Return a function and those that it calls, itself or through others."""
    found: set[str] = set()
    fresh = {name} & bodies.keys()
    while fresh:
        found |= fresh
        fresh = {c for one in fresh for c in bodies[one].calls if c in bodies} - found
    return found
