"""The files of one run, each read and parsed once, and what their #include lines reach."""

import posixpath
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from tree_sitter import Node

from xfrmlint.c.beginnings import Beginnings, Settled
from xfrmlint.c.conditionals import VERSIONED
from xfrmlint.c.definitions import definition_in, may_define
from xfrmlint.c.index import has_word, words
from xfrmlint.c.nodes import parse
from xfrmlint.c.shape import Shapes, shapes_of
from xfrmlint.c.text import without_comments
from xfrmlint.c.unit import Unit
from xfrmlint.kernel.kbuild import Kbuild, Options
from xfrmlint.kernel.places import COMMON, SHARED, is_core, vendor
from xfrmlint.kernel.release import Release, release
from xfrmlint.tree import Tree, Unreadable

# Begun by a literal they are found ten times as fast; what stands before it is looked at later.
_INCLUDE = re.compile(
    rb'#[ \t]*include(?:[ \t]*([<"])([^>"\n]+)[>"]|[ \t]+(?P<macro>[A-Za-z_]\w*))'
)
# A file by what its name looks like: many strings are defined.
DEFINE_FILE = re.compile(rb'#[ \t]*define[ \t]+(\w+)[ \t]+([<"])([^>"\n]*\.\w+)[>"]')
_DEFINE = re.compile(rb"\n[ \t]*#[ \t]*define[ \t]+(\w+)")
# A backslash takes the ends of lines behind it along, more than it has to.
_DEFINE_TEXT = re.compile(rb"#[ \t]*define\b(?:[^\n\\]++|\\[\r\n]*+)*+")
_NAMED = re.compile(rb"[ \t]*(?:#|%:)[ \t]*(?:define|undef)[ \t]+(\w+)")
# Where <...> names are looked up, as LINUXINCLUDE in the top Makefile does it.
_SYSTEM = ("include", "include/uapi", "arch/x86/include", "arch/x86/include/uapi")
_OF_SYSTEM = ("include/", "arch/x86/include/")
_MOST_HEADERS = 3000
# Nobody writes more white space; a line may be as long as the file.
_FAR = 1000


class Definition(NamedTuple):
    """Where a name is defined: a path, and the byte range that parses alone (with a `;`)."""

    path: str
    start: int
    end: int


class Included(NamedTuple):
    """What a file's #include lines say.

    named: names, and whether they stand in quotes. macros: offsets and names of macros instead.
    places: where each of `named` is looked for, in order, if that is the same for every driver.
    """

    named: list[tuple[bytes, bool]]
    macros: list[tuple[int, bytes]]
    places: list[tuple[str, ...]] | None


class Memo:
    """What was made of files' texts, for corpora that have most of them in common.

    A driver's folders share the kernel's headers, the trees before and after a patch nearly all.
    """

    def __init__(self) -> None:
        # The same text is another unit in another version, if it asks for it.
        self.units: dict[tuple[str, bytes, Release | None, re.Pattern[bytes], Settled], Unit] = {}
        # Files without what a configuration leaves out.
        self.left: dict[tuple[str, bytes, Release | None], Unit] = {}
        self.included: dict[tuple[str, bytes], Included] = {}
        self.defines: dict[tuple[str, bytes], frozenset[bytes]] = {}
        self.shapes: dict[tuple[str, bytes], Shapes] = {}
        self.define_texts: dict[tuple[str, bytes], bytes] = {}

    def forget_drivers(self) -> None:
        """Drop what no other driver reads: all but the core and the kernel's own headers."""
        kinds: tuple[dict[Any, Any], ...] = (
            self.units,
            self.left,
            self.included,
            self.defines,
            self.shapes,
            self.define_texts,
        )
        for made in kinds:
            for key in [key for key in made if not is_core(key[0])]:
                del made[key]


class Corpus:
    """Read-only view of a tree's files with look-ups by name.

    words: the words that decide which branch of an unbalanced conditional is kept.
    """

    def __init__(self, tree: Tree, words: re.Pattern[bytes], memo: Memo | None = None) -> None:
        self.tree = tree
        self._memo = memo or Memo()
        self.kbuild = Kbuild(tree)
        self.unreadable: dict[str, str] = {}
        # What is not understood of an #include or of how a file is included: path, offset -> why.
        self.doubts: dict[tuple[str, int], str] = {}
        self._words = words
        self._data: dict[str, bytes] = {}
        self._beginnings = Beginnings(self)
        self._plain: dict[str, bytes] = {}
        self._units: dict[str, Unit] = {}
        self._given: dict[str, dict[str, str]] = {}
        self._includes: dict[str, list[str]] = {}
        self._macros_of_files: dict[str, list[tuple[bytes, bytes, bool]]] = {}
        self._closures: dict[str, tuple[list[str], Iterator[str]]] = {}
        # Files of which all macros are in `_defined`, and of which all that they see are.
        self._counted: set[str] = set()
        self._whole: set[str] = set()
        self._defined: set[bytes] = set()
        self._found: dict[tuple[str, str, str], Definition | None] = {}
        self._directives: dict[str, dict[bytes, list[tuple[str, int, bytes]]]] = {}

    def data(self, path: str) -> bytes:
        """Return a file's bytes; nothing (and a note in `unreadable`) if it can't be read."""
        if path not in self._data:
            try:
                self._data[path] = self.tree.read(path)
            except Unreadable as error:
                self.unreadable[path] = str(error)
                self._data[path] = b""
        return self._data[path]

    def names(self, path: str, word: bytes) -> bool:
        """Tell whether a word stands in a file."""
        return has_word(self.data(path), word)

    def plain(self, path: str) -> bytes:
        """Return a file's bytes with comments blanked, as long as they were."""
        if path not in self._plain:
            self._plain[path] = without_comments(self.data(path))
        return self._plain[path]

    def unit(self, path: str) -> Unit:
        """Return the parsed file."""
        if path not in self._units:
            data = self.data(path)
            settled = self._beginnings.names(path)
            asked = self.release_for(data + b"".join(one.body.encode() for _, one in settled))
            key = (path, data, asked, self._words, settled)
            known = self._memo.units.get(key)
            self._units[path] = unit = Unit(path, data, self._words, known, asked, features=settled)
            if known is None:
                self._memo.units[key] = unit
        return self._units[path]

    def left(self, written: Unit, data: bytes) -> Unit:
        """Return a file of which a configuration has left this text."""
        key = (written.path, data, written.release)
        if key not in self._memo.left:
            self._memo.left[key] = Unit(written.path, data, release=written.release)
        return self._memo.left[key]

    def given(self, path: str) -> dict[str, str]:
        """Return what the compiler is told that names are in a file, whoever includes it."""
        if path not in self._given:
            found = self._given[path] = self.kbuild.options(path).defines
            told = [self.given(user) for user in self._includers(path)] if found else []
            self._given[path] = {
                name: text
                for name, text in found.items()
                if all(one.get(name) == text for one in told)
            }
        return self._given[path]

    def told(self, path: str) -> list[Options]:
        """Return what the compiler is told for a source, or for each that may include a header."""
        return [self.kbuild.options(one) for one in self._includers(path) or [path]]

    def _includers(self, path: str) -> Sequence[str]:
        """Return the files that may include a header."""
        if path.endswith(".c"):
            return []
        name = re.escape(posixpath.basename(path))
        return self.tree.search(rf"include.*\b{name}\b", [vendor(path)])

    def release_for(self, data: bytes) -> Release | None:
        """Return the tree's version if a file's text can ask for it."""
        return self._release if VERSIONED in data else None

    @cached_property
    def _release(self) -> Release | None:
        return release(self.tree)

    def known(self, path: str) -> Unit | None:
        """Return a file if it has been read."""
        return self._units.get(path)

    def units(self) -> list[Unit]:
        """Return every file parsed so far."""
        return list(self._units.values())

    def includes(self, path: str) -> list[str]:
        """Return the files that `path` includes, those found in the tree."""
        if path not in self._includes:
            lines = self._included(path)
            places = lines.places or [self._places(path, *named) for named in lines.named]
            found = dict.fromkeys(self.forced(path))
            found |= dict.fromkeys(file for place in places if (file := self._first(place)))
            self._includes[path] = list(found)
            # What such a macro is can stand in what is included plainly.
            for offset, macro in lines.macros:
                files = self.named_by(macro, path)
                if not files:
                    self.doubts[path, offset] = "what this #include means is not known"
                known = self._includes[path]
                known += [file for file in files if file not in known]
        return self._includes[path]

    def forced(self, path: str) -> list[str]:
        """Return the files that the compiler takes in before a source (-include)."""
        options = self.kbuild.options(path) if path.endswith(".c") else None
        return [f for f in options.forced if self.tree.is_file(f)] if options is not None else []

    def named_by(self, macro: bytes, path: str) -> list[str]:
        """Return the files that `#include MACRO` can mean in `path`."""
        found: dict[str, None] = {}
        looked = [path]
        for place in looked:
            # The name is looked up where the #include stands.
            found.update(dict.fromkeys(self.spelled(place, path, macro)))
            own = (p for p in self.includes(place) if not p.startswith(SHARED))
            looked += [p for p in own if p not in looked]
        return list(found)

    def named(self, path: str) -> list[tuple[bytes, bool]]:
        """Return the names of #include lines, and whether they stand in quotes."""
        return self._included(path).named

    def _included(self, path: str) -> Included:
        data = self.data(path)
        found = self._memo.included.get((path, data))
        if found is None:
            lines = [m for m in _INCLUDE.finditer(data) if begins_line(data, m.start())]
            macros = [(m.start(), m["macro"]) for m in lines if m["macro"]]
            named = [(m.group(2), m.group(1) == b'"') for m in lines if not m["macro"]]
            shared = path.startswith(_OF_SYSTEM)
            places = [self._places(path, *one) for one in named] if shared else None
            found = self._memo.included[path, data] = Included(named, macros, places)
        return found

    def spelled(self, place: str, path: str, macro: bytes = rb"") -> list[str]:
        """Return the files whose names are a macro's text in `place`, as seen from `path`.

        macro: its name, any if it is empty.
        """
        return [
            file
            for one, text, quoted in self.macros_of_files(place)
            if macro in (b"", one) and (file := self.resolved(path, text, quoted))
        ]

    def macros_of_files(self, path: str) -> list[tuple[bytes, bytes, bool]]:
        """Return the macros of a file that are names of files: name, text, whether in quotes."""
        if path not in self._macros_of_files:
            data = self.data(path)
            self._macros_of_files[path] = [
                (m.group(1), m.group(3), m.group(2) == b'"')
                for m in DEFINE_FILE.finditer(data)
                if begins_line(data, m.start())
            ]
        return self._macros_of_files[path]

    def resolved(self, path: str, written: bytes, quoted: bool) -> str | None:
        """Return the file that the name in an #include line of `path` means."""
        return self._first(self._places(path, written, quoted))

    def _first(self, places: Iterable[str]) -> str | None:
        return next((place for place in places if self.tree.is_file(place)), None)

    def _places(self, path: str, written: bytes, quoted: bool) -> tuple[str, ...]:
        """Return where a name in an #include line of `path` is looked for, in order."""
        name = written.decode("utf-8", "surrogateescape")
        folders = [posixpath.dirname(path)] if quoted else []
        if not path.startswith(_OF_SYSTEM):
            folders += self.kbuild.include_folders(path)
        places = [joined(folder, name) for folder in (*folders, *_SYSTEM)]
        if name.startswith("asm/"):
            # What the architecture has not, a build takes from there.
            places += [f"include/{inner}asm-generic/{name[4:]}" for inner in ("", "uapi/")]
        return tuple(place for place in places if not place.startswith(".."))

    def closure(self, path: str) -> Iterator[str]:
        """Yield `path` and all it includes, nearest first, each once."""
        if path not in self._closures:
            self._closures[path] = ([], self._walk(path))
        known, rest = self._closures[path]
        at = 0
        while True:
            if at == len(known):
                try:
                    known.append(next(rest))
                except (StopIteration, ValueError):
                    return
            yield known[at]
            at += 1

    def _walk(self, path: str) -> Iterator[str]:
        # Headers of the driver itself come before the kernel's: nearer and far fewer.
        near, far = deque([path]), deque(c for c in COMMON if c != path and self.tree.is_file(c))
        met = {path, *far}
        for _ in range(_MOST_HEADERS):
            if not near and not far:
                return
            now = near.popleft() if near else far.popleft()
            yield now
            for found in self.includes(now):
                if found not in met:
                    met.add(found)
                    (far if found.startswith(SHARED) else near).append(found)

    def local(self, path: str) -> list[str]:
        """Return `path` and the headers it reaches outside include/ and arch/."""
        found = []
        for name in self.closure(path):
            if name.startswith(SHARED):
                break
            found.append(name)
        return found

    def defines(self, path: str) -> frozenset[bytes]:
        """Return the names that a file #defines."""
        data = self.data(path)
        found = self._memo.defines.get((path, data))
        if found is None:
            found = frozenset(_DEFINE.findall(b"\n" + data))
            self._memo.defines[path, data] = found
        return found

    def defining(self, name: bytes, path: str) -> Iterator[str]:
        """Yield the files that #define a name, of those that `path` sees, nearest first."""
        # Whoever asks once for what is none asks again, and there are a thousand headers.
        if path in self._whole and name not in self._defined:
            return
        for place in self.closure(path):
            if name in self.defines(place):
                yield place
        if path not in self._whole:
            fresh = set(self.closure(path)) - self._counted
            self._defined.update(*map(self.defines, fresh))
            self._counted |= fresh
            self._whole.add(path)

    def define_text(self, path: str) -> bytes:
        """Return at least all the text of a file's #defines; much less than the file."""
        data = self.data(path)
        found = self._memo.define_texts.get((path, data))
        if found is None:
            found = b"\n".join(_DEFINE_TEXT.findall(data))
            self._memo.define_texts[path, data] = found
        return found

    def shapes(self, path: str) -> Shapes:
        """Return which of a file's #defines stand for more than an expression."""
        data = self.data(path)
        found = self._memo.shapes.get((path, data))
        if found is None:
            found = self._memo.shapes[path, data] = shapes_of(self.define_text(path))
        return found

    def definitions_of(self, name: bytes, path: str) -> list[tuple[str, int, bytes]]:
        """Return the live #define and #undef directives of one name in a file, in order."""
        if path not in self._directives:
            found: dict[bytes, list[tuple[str, int, bytes]]] = {}
            for directive in self.unit(path).blanked.directives:
                match = _NAMED.match(directive[2])
                if match is not None:
                    found.setdefault(match.group(1), []).append(directive)
            self._directives[path] = found
        return self._directives[path].get(name, [])

    def find(self, kind: str, name: str, path: str) -> Definition | None:
        """Return the definition of `name` that `path` sees through its includes.

        kind: struct, union, enum (with a body), typedef, or function (definition or prototype).
        """
        key = (kind, name, path)
        if key not in self._found:
            self._found[key] = self._find(kind, name, path)
        return self._found[key]

    def _find(self, kind: str, name: str, path: str) -> Definition | None:
        word = name.encode("utf-8", "surrogateescape")
        for place in self.closure(path):
            data = self.data(place)
            # Blanking a header costs much more than this look at its raw text.
            if word in data and (
                any(may_define(data, at, at + len(word), kind) for at in words(data, word))
                or (kind == "struct" and b"_group_tagged(" + word in data)
            ):
                found = definition_in(self.unit(place).text, kind, word)
                if found is not None:
                    return Definition(place, *found)
        return None

    def snippet(self, found: Definition) -> Node:
        """Return the syntax tree of a definition, parsed alone."""
        text = self.unit(found.path).text[found.start : found.end]
        return parse(text + b";").root_node


@lru_cache(maxsize=1 << 16)
def joined(folder: str, name: str) -> str:
    """Return the path of a name that is looked up in a folder."""
    return posixpath.normpath(posixpath.join(folder, name))


def stands_in(data: bytes, word: bytes, pattern: re.Pattern[bytes]) -> bool:
    """Tell whether a pattern that begins with a word, or a look at what is before it, is found.

    To look for the word first takes a tenth of the time: no literal begins such a pattern.
    """
    at = data.find(word)
    while at >= 0 and not pattern.match(data, at):
        at = data.find(word, at + 1)
    return at >= 0


def begins_line(data: bytes, offset: int) -> bool:
    """Tell whether there is but white space before an offset in its line."""
    return data[max(0, offset - _FAR) : offset].rstrip(b" \t")[-1:] in (b"", b"\n")
