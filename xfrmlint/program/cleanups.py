"""Functions that the compiler calls where a variable ends (include/linux/cleanup.h).

`T *p __free(put) = get();` calls what DEFINE_FREE(put, ...) names, guard(lock)(l) what
DEFINE_GUARD(lock, ...) does, and __attribute__((__cleanup__(f))) f itself.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from xfrmlint.c.blanking import Covered
from xfrmlint.c.cleanups import OF_A_CLASS
from xfrmlint.c.reader import Reader
from xfrmlint.c.text import without_comments
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View

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
        for file in self.reader.universe.files(path):
            data = self.reader.corpus.data(file)
            if not any(word in data for word in _HINTS):
                continue
            if not any(used.search(data) for used in (OF_A_CLASS, _ATTRIBUTE)):
                continue
            text = without_comments(data)
            for match in _ATTRIBUTE.finditer(text):
                found[match.group(1)].append(_Spot(file, match.start(), "__cleanup"))
            for match in OF_A_CLASS.finditer(text):
                through, name = match.group(1).decode(), match.group(2)
                # What these macros of the kernel's make (kernel/macros.toml).
                made = [b"__free_" + name]
                if through != "__free":
                    made = [b"class_" + name + b"_constructor", b"class_" + name + b"_destructor"]
                for word in made:
                    spot = _Spot(file, match.start(), f"{through}({name.decode()})")
                    found[word].append(spot)
        return found
