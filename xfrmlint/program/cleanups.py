"""Functions that the compiler calls where a variable ends (include/linux/cleanup.h).

`T *p __free(put) = get();` calls what DEFINE_FREE(put, ...) names, guard(lock)(l) what
DEFINE_GUARD(lock, ...) does, and __attribute__((__cleanup__(f))) f itself.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from xfrmlint.c.blanking import Covered
from xfrmlint.c.cleanups import OF_A_CLASS
from xfrmlint.c.index import words
from xfrmlint.c.reader import Reader
from xfrmlint.c.text import without_comments
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View

_DEFINED = re.compile(rb"\W*define\W+(\w+)")
_ATTRIBUTE = re.compile(rb"\b_*cleanup_*\s*\(\s*(\w+)\s*\)")
# A literal is found ten times as fast as what says more.
_HINTS = (b"__free", b"guard", b"CLASS", b"ACQUIRE", b"cleanup")


class _Spot(NamedTuple):
    path: str
    offset: int
    through: str


class Release(NamedTuple):
    """A function in which a variable's end calls another; through: how that is written."""

    view: View
    place: Place
    through: str


class Cleanups:
    """Answers about one driver, which is searched once."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._known: dict[str, Mapping[bytes, Sequence[_Spot]]] = {}

    def releases(self, function: FunctionName) -> Iterator[Release]:
        """Yield where the end of a variable calls a function of a driver."""
        key = self.reader.universe.key(function.path)
        if key not in self._known:
            self._known[key] = self._spots(function.path)
        name = function.name.encode("utf-8", "surrogateescape")
        for spot in self._known[key].get(name, ()):
            unit = self.reader.corpus.unit(spot.path)
            dead = Covered(sorted((b.start, b.end) for b in unit.blanked.branches if b.dead))
            item = unit.item_at(spot.offset)
            if item is None or item.kind != "function" or dead(spot.offset):
                continue
            for view in self.reader.views(spot.path, item, {}):
                yield Release(view, unit.place(spot.offset), spot.through)

    def _spots(self, path: str) -> Mapping[bytes, Sequence[_Spot]]:
        """Return where each function is called, by its name."""
        found: dict[bytes, list[_Spot]] = defaultdict(list)
        hidden: set[str] = set()
        for file in self.reader.universe.files(path):
            data = self.reader.corpus.data(file)
            if not any(word in data for word in _HINTS):
                continue
            if not any(used.search(data) for used in (OF_A_CLASS, _ATTRIBUTE)):
                continue
            for offset, name, through in _written(without_comments(data)):
                found[name].append(_Spot(file, offset, through))
                hidden.update(self._defined(file, offset))
        for spot, text in self._used(path, hidden):
            for _, name, through in _written(text):
                found[name].append(spot._replace(through=through))
        return found

    def _defined(self, path: str, offset: int) -> Iterator[str]:
        """Yield the macro in whose definition a place is, if it is in one."""
        for kind, start, line in self.reader.corpus.unit(path).blanked.directives:
            name = _DEFINED.match(line) if kind == "define" else None
            if name is not None and start <= offset < start + len(line):
                yield name.group(1).decode()

    def _used(self, path: str, hidden: Collection[str]) -> Iterator[tuple[_Spot, bytes]]:
        """Yield where a driver uses macros that declare what ends, and what they make of it."""
        reader, files = self.reader, self.reader.universe.files(path)
        key = reader.universe.key(path)
        names = {*hidden, *reader.macros(files, key).hiding([*hidden])} if hidden else ()
        for file, name in product(files, sorted(names)):
            for at in words(reader.corpus.data(file), name.encode()):
                item = reader.outlines.item_at(file, at)
                for view in reader.views(file, item, {}) if item is not None else ():
                    yield _Spot(file, at, ""), view.made[view.item.start : view.item.end]


def _written(text: bytes) -> Iterator[tuple[int, bytes, str]]:
    """Yield where a text says what ends a variable, the function that does it, and how."""
    for match in _ATTRIBUTE.finditer(text):
        yield match.start(), match.group(1), "__cleanup"
    for match in OF_A_CLASS.finditer(text):
        through, name = match.group(1).decode(), match.group(2)
        # What these macros of the kernel's make (kernel/macros.toml).
        made = [b"__free_" + name]
        if through != "__free":
            made = [b"class_" + name + b"_constructor", b"class_" + name + b"_destructor"]
        for word in made:
            yield match.start(), word, f"{through}({name.decode()})"
