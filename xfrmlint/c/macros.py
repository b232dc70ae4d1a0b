"""Macros: which of them hide a word, and their expansion with every token's origin kept."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from xfrmlint.c.corpus import Corpus
from xfrmlint.c.expansion import Macro
from xfrmlint.c.index import has_word, words
from xfrmlint.c.text import logical_line
from xfrmlint.kernel.macros import declaring_macros

_DEFINE = re.compile(
    rb"^[ \t]*#[ \t]*define[ \t]+(\w+)(\([^)\n]*(?:\\\r?\n[^)\n]*)*\))?((?:\\\r?\n|[^\n])*)", re.M
)
_DEFINE_START = re.compile(rb"[ \t]*#[ \t]*define\b")
_PASTES = re.compile(rb"##")
_PASTE = re.compile(rb"\w+(?:\s*##\s*\w+)+")


def macros_in(corpus: Corpus, path: str) -> list[Macro]:
    """Return the live #defines of a file."""
    found = []
    for kind, offset, line in corpus.unit(path).blanked.directives:
        match = _DEFINE.match(line) if kind == "define" else None
        if match is not None:
            found.append(_macro(match, path, offset, offset))
    return found


def named(corpus: Corpus, name: str, path: str) -> list[Macro]:
    """Return the live #defines of one name in a file."""
    word = name.encode("utf-8", "surrogateescape")
    found = []
    for kind, at, line in corpus.definitions_of(word, path):
        match = _DEFINE.match(line) if kind == "define" else None
        if match is not None:
            found.append(_macro(match, path, at, at))
    return found


def _macro(match: re.Match[bytes], path: str, define: int, base: int) -> Macro:
    parameters = None
    if match.group(2) is not None:
        inside = match.group(2)[1:-1].replace(b"\\", b" ").decode("utf-8", "replace")
        parameters = tuple(p.strip() for p in inside.split(",") if p.strip())
    body = match.group(3)
    if b"\\" in body:
        body = re.sub(rb"\\(\r?)\n", rb" \1\n", body)
    start = base - match.start() + match.start(3)
    return Macro(match.group(1).decode(), parameters, body, path, start, define)


@cache
def kernels_own() -> Mapping[str, Macro]:
    """Return the macros that declare and define, and are known without their header, by name."""
    lines = (f"#define {one}".encode() for one in declaring_macros())
    found = (_macro(match, "", 0, 0) for line in lines if (match := _DEFINE.match(line)))
    return {macro.name: macro for macro in found}


@cache
def kernels_making(name: str) -> tuple[bytes, ...]:
    """Return those of kernels_own() that can define a function of this name."""
    found = kernels_own().values()
    return tuple(m.name.encode() for m in found if any(p.fullmatch(name) for p in _pasted_names(m)))


def _defines_at(corpus: Corpus, path: str, places: Iterable[int]) -> list[Macro]:
    """Return the #defines of a file (dead ones too) in whose text some places are."""
    data = corpus.data(path)
    starts: dict[int, None] = {}
    for at in places:
        start = logical_line(data, at)
        if _DEFINE_START.match(data, start):
            starts[start] = None
    found = [(start, _DEFINE.match(data, start)) for start in starts]
    return [_macro(match, path, start, start) for start, match in found if match is not None]


def _holds(macro: Macro, word: bytes) -> bool:
    return has_word(macro.body, word)


def _live(corpus: Corpus, macro: Macro) -> bool:
    """Tell whether a #define stands in code that can be compiled, not in #if 0 or a comment."""
    return not macro.path or macro.define in corpus.unit(macro.path).defines


def in_force(corpus: Corpus, name: str, path: str, offset: int) -> list[Macro]:
    """Return what a macro can be at an offset of a file: its definitions there or in own headers.

    #undef ends a definition and a later one replaces it; those of different branches of
    conditionals stay side by side. Of the kernel's macros only those of kernels_own() are one.
    """
    word = name.encode("utf-8", "surrogateescape")
    for place in corpus.local(path):
        if word not in corpus.defines(place):
            continue
        unit = corpus.unit(place)
        found: list[Macro] = []
        for kind, at, line in corpus.definitions_of(word, place):
            if place == path and at > offset:
                break
            branch = unit.branch(at)
            # What stands before a branch holds where that is not compiled.
            before = [m for m in found if branch is not None and m.define < branch.start]
            match = _DEFINE.match(line) if kind == "define" else None
            if match is not None:
                condition = unit.condition(at)
                others = ("", condition)
                found = [m for m in found if m in before or unit.condition(m.define) not in others]
                found.append(_macro(match, place, at, at))
            elif kind == "undef":
                found = before
        if found:
            return found
    known = kernels_own().get(name)
    return [known] if known is not None else []


class Offered:
    """The macros that may be expanded in a text, and the names for which that was asked.

    find: returns what a name can be defined as, nothing for what is no macro to be expanded.
    """

    def __init__(self, find: Callable[[str], Sequence[Macro]]) -> None:
        self._find = find
        self.asked: dict[str, Sequence[Macro]] = {}

    def definitions(self, name: str) -> Sequence[Macro]:
        """Return what a name can be defined as."""
        if name not in self.asked:
            self.asked[name] = self._find(name)
        return self.asked[name]


class Chosen(NamedTuple):
    """One definition for each of the macros that are offered: that of a turn, or the last.

    turn: counted from 0.
    """

    offered: Offered
    turn: int

    def get(self, name: str, /) -> Macro | None:
        """Return the definition of a name, None if it is no macro to be expanded."""
        found = self.offered.definitions(name)
        return found[min(self.turn, len(found) - 1)] if found else None


class Macros:
    """Which macros of some files can hold a word; asked for many words, read once.

    paths: the files of one driver.
    """

    def __init__(self, corpus: Corpus, paths: Iterable[str]) -> None:
        self._corpus = corpus
        self._paths = list(paths)
        self._pasting: list[tuple[re.Pattern[str], Macro]] | None = None
        self._direct: dict[str, list[Macro]] = {}

    def hiding(self, words: Sequence[str]) -> dict[str, list[Macro]]:
        """Return the macros whose expansion can hold one of `words`, by name.

        A macro that uses such a macro counts; so does one that pastes (##) a word together.
        """
        found: dict[str, dict[Macro, None]] = {}
        wanted = list(words)
        seen: set[str] = set()
        while wanted:
            word = wanted.pop()
            if word in seen:
                continue
            seen.add(word)
            for macro in self._with(word):
                found.setdefault(macro.name, {})[macro] = None
                wanted.append(macro.name)
        return {name: list(known) for name, known in found.items()}

    def _with(self, word: str) -> list[Macro]:
        if word not in self._direct:
            encoded = word.encode("utf-8", "surrogateescape")
            found = self.pasting(word)
            for path in self._paths:
                if has_word(self._corpus.define_text(path), encoded):
                    places = words(self._corpus.data(path), encoded)
                    for macro in _defines_at(self._corpus, path, places):
                        if _holds(macro, encoded) and _live(self._corpus, macro):
                            found.append(macro)
            self._direct[word] = found
        return self._direct[word]

    def pasting(self, word: str) -> list[Macro]:
        """Return the macros that can paste a word together."""
        if self._pasting is None:
            self._pasting = [*_kernels_pasting()]
            for path in self._paths:
                if b"##" in self._corpus.define_text(path):
                    places = (m.start() for m in _PASTES.finditer(self._corpus.data(path)))
                    for macro in _defines_at(self._corpus, path, places):
                        self._pasting += [(p, macro) for p in _pasted_names(macro)]
        found = dict.fromkeys(m for p, m in self._pasting if p.fullmatch(word))
        return [macro for macro in found if _live(self._corpus, macro)]


@cache
def _kernels_pasting() -> tuple[tuple[re.Pattern[str], Macro], ...]:
    return tuple((name, m) for m in kernels_own().values() for name in _pasted_names(m))


def _pasted_names(macro: Macro) -> list[re.Pattern[str]]:
    """Return patterns of the names that a macro pastes: `foo_\\w*` for foo_##name."""
    parameters = set(macro.parameters or ())
    found = []
    for run in _PASTE.finditer(macro.body):
        pieces = [p.strip().decode("utf-8", "replace") for p in run.group().split(b"##")]
        fixed = [p for p in pieces if p not in parameters]
        # Without a fixed piece of some length every word would fit.
        if max(map(len, fixed), default=0) >= 3:
            pattern = "".join(r"\w*" if p in parameters else re.escape(p) for p in pieces)
            found.append(re.compile(pattern))
    return found
