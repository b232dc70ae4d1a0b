"""The files of one run, each read and parsed once, and what their #include lines reach."""

import posixpath
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from tree_sitter import Node

from xfrmlint.c.arguments import closing
from xfrmlint.c.blanking import without_comments
from xfrmlint.c.conditionals import VERSIONED
from xfrmlint.c.configuration import ON, branch_truth
from xfrmlint.c.features import OPEN, Named, defined_by, merged
from xfrmlint.c.index import Indexes, is_word
from xfrmlint.c.shape import Shapes, shapes_of
from xfrmlint.c.unit import Unit, parse
from xfrmlint.kernel.kbuild import Kbuild
from xfrmlint.kernel.places import is_core, vendor
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
# Most of what drivers name is declared in one of these: looked at before anything else.
_COMMON = (
    "include/net/xfrm.h",
    "include/linux/netdevice.h",
    "include/linux/skbuff.h",
    "include/linux/compiler.h",
)
_MOST_HEADERS = 3000
# Nobody writes more white space; a line may be as long as the file.
_FAR = 1000
# A struct's body can stand in a typedef.
_FAR_TYPEDEF = 100_000
_TAGGED = ("struct", "union", "enum")
_BODY = re.compile(rb"[^;(){}=*]*(?:/\*[^{]*)?\{")
# What is behind the name of a typedef or a function as it is written; and in blanked text.
_BEHIND = {
    "typedef": re.compile(rb"\s*(?:__\w+\s*)?[);,\[]"),
    "function": re.compile(rb"\s*\("),
}
_BEHIND_BLANKED = {
    **dict.fromkeys(_TAGGED, re.compile(rb"\s*\{")),
    "typedef": re.compile(rb"\s*(?:\)\s*\(|\[|;|,)"),
    "function": re.compile(rb"[ \t\n]*\("),
}
_WORD = re.compile(rb"\w")
_SPECIFIERS = re.compile(rb"[\w\s*]*")
_INSIDE = re.compile(rb"(?<=\w)")
_SHARED = ("include/", "arch/")
_CONDITION = re.compile(rb"#[ \t]*(?:el)?if(?:n?def)?\b((?:[^\n\\]|\\\r?\n?)*)")
_TESTED = re.compile(rb"(?:#[ \t]*(?:el)?ifn?def\b|\bdefined\b[ \t]*\(?)[ \t]*(\w+)")
_DEFAULT = re.compile(rb"#[ \t]*ifndef[ \t]+(\w+)[^\n]*\s+#[ \t]*define[ \t]+\1\b")
_GUARD = re.compile(_DEFAULT.pattern + rb"[ \t]*1?[ \t]*$", re.M)
_ASKING = (b"defined", b"IS_ENABLED", b"IS_BUILTIN", b"IS_REACHABLE", b"KERNEL_VERSION")
_OF_THE_BUILD = (b"CONFIG_", b"__", VERSIONED)
_OF_ARCHITECTURES = ("arch/", "include/asm-generic/", "include/uapi/asm-generic/")
_WORDS = re.compile(rb"[A-Za-z_]\w*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_GENERATED = re.compile(rb"#[ \t]*define\s+(\w+)")
# What names are before a file begins.
Settled = tuple[tuple[str, Named], ...]


class Definition(NamedTuple):
    """Where a name is defined: a path, and the byte range that parses alone (with a `;`)."""

    path: str
    start: int
    end: int


class Asked(NamedTuple):
    """How often a file asks for a name but to give a default, and whether if it is defined."""

    times: int
    tested: bool


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
        self.indexes = Indexes()
        self._words = words
        self._data: dict[str, bytes] = {}
        self._settling: set[str] = set()
        self._reached: frozenset[str] = frozenset()
        self._asking: dict[str, bool] = {}
        self._asked: dict[str, dict[bytes, Asked]] = {}
        # What a file includes for each architecture.
        self._anyhow: dict[str, frozenset[str]] = {}
        # What names are that a file's headers leave, whether it asks for them or not.
        self._before: dict[str, dict[str, Named]] = {}
        self._plain: dict[str, bytes] = {}
        self._units: dict[str, Unit] = {}
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

    def places(self, text: bytes, word: bytes) -> Iterable[int]:
        """Return where a word stands as a whole one, in a text that others are looked for in."""
        index = self.indexes.of(text) if is_word(word) else None
        return words(text, word) if index is None else index.get(word, ())

    def names(self, path: str, word: bytes) -> bool:
        """Tell whether a word stands in a file."""
        return any(True for _ in self.places(self.data(path), word))

    def plain(self, path: str) -> bytes:
        """Return a file's bytes with comments blanked, as long as they were."""
        if path not in self._plain:
            self._plain[path] = without_comments(self.data(path))
        return self._plain[path]

    def unit(self, path: str) -> Unit:
        """Return the parsed file."""
        if path not in self._units:
            data = self.data(path)
            settled = self._settled(path, data)
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

    def _settled(self, path: str, data: bytes) -> Settled:
        """Return what names are before a file begins, by Makefiles and own headers.

        Those that its directives lead to. Those of headers that include each other are open.
        """
        if path.startswith(_SHARED) or path in self._settling or b"#" not in data:
            return ()
        outermost = not self._settling
        given = self.given(path)
        near = self.local(path)
        settles = self._settles(path)
        # Few drivers ask for what can be told: then there is nothing to read a header for.
        if not given and not settles:
            return ()
        if outermost:
            self._reached = frozenset(self._telling(near))
        self._settling.add(path)
        if outermost:
            # The far ones first: a row of headers is as long as somebody likes, the stack is not.
            for header in reversed(near[1:]):
                if header in self._reached:
                    self.unit(header)
        found = {name: Named(True, None, str(n), True) for name, n in given.items()}
        for header in self.includes(path):
            if header in self._reached and header not in self._settling:
                after = dict(self.unit(header).blanked.features)
                after = {**self._before.get(header, {}), **after}
                after = {name: one for name, one in after.items() if one != Named(False)}
                met = after.keys() & found.keys()
                found = after | found | {name: merged(found[name], after[name]) for name in met}
        self._settling.discard(path)
        self._before[path] = found
        wanted = {name.decode() for name in self._asked_for(path)} - found.keys()
        plain = {name: one for name in wanted if (one := self._plainly(name, path)) is not None}
        found |= plain
        words = {word.decode() for word in _WORDS.findall(self._directive_text(path))}
        leads = words
        while leads:
            leads = {w for n in leads & found.keys() for w in _NAME.findall(found[n].body)} - words
            words |= leads
        told = {name: found[name] for name in words & found.keys()}
        unsure = ({one.decode() for one in self._asked_for(path)} | told.keys()) - plain.keys()
        told = self._not_yet(path) | told
        if settles and (unsure := unsure - given.keys()):
            told |= dict.fromkeys(self._open_names(path, near, unsure), OPEN)
        return tuple(sorted(told.items()))

    def _telling(self, near: Sequence[str]) -> Iterator[str]:
        """Yield the headers among some files that tell what one of these asks for."""
        asked = {n for one in near for n, how in self._asked_for(one).items() if how.times}
        for header in near[1:]:
            tells = VERSIONED in self.data(header) or not asked.isdisjoint(self.defines(header))
            if tells and self._settles(header):
                yield header

    def _settles(self, path: str) -> bool:
        return any(map(self._asks, self.local(path)))

    def _asks(self, path: str) -> bool:
        """Tell whether a file asks for the version, or for a name that it or a header defines."""
        if path not in self._asking:
            version = VERSIONED in self.data(path) and VERSIONED in self._directive_text(path)
            self._asking[path] = version or any(
                place != path or asked.times
                for name, asked in self._asked_for(path).items()
                for place in self._definers(name, path)
            )
        return self._asking[path]

    def _definers(self, name: bytes, path: str) -> Iterator[str]:
        """Yield the files that define a name; the kernel's only if it is asked whether one does."""
        asked = self._asked_for(path).get(name)
        if asked is None or asked.tested:
            return self.defining(name, path)
        return (place for place in self.local(path) if name in self.defines(place))

    def _asked_for(self, path: str) -> dict[bytes, Asked]:
        """Return the names in a file's conditions that no configuration decides."""
        if path not in self._asked:
            data = self.data(path)
            words = Counter(w for line in _CONDITION.findall(data) for w in _WORDS.findall(line))
            tested = {*_TESTED.findall(data)}
            words.subtract(_DEFAULT.findall(data))
            for word in (*_GUARD.findall(data), *_ASKING):
                del words[word]
            self._asked[path] = {
                word: Asked(times, word in tested)
                for word, times in words.items()
                if not word.startswith(_OF_THE_BUILD)
            }
        return self._asked[path]

    def _not_yet(self, path: str) -> dict[str, Named]:
        """Return the names that a file asks for and defines: what they are where it begins."""
        asked = self._asked_for(path)
        own = {name.decode() for name in asked.keys() & self.defines(path) if asked[name].times}
        found = dict.fromkeys(own, Named(False))
        for name in own if not path.endswith(".c") else ():
            # Who includes a header can define it before.
            if {*self.tree.search(rf"define[ \t]+{name}\b", [vendor(path)])} != {path}:
                found[name] = OPEN
        return found

    def _plainly(self, name: str, path: str) -> Named | None:
        """Return what a name is that a header defines, whatever is configured and wherever."""
        word = name.encode()
        headers = [one for one in self._definers(word, path) if one != path]
        for header in headers:
            if header in self._settling or not self._sees(path, header):
                continue
            lines = self.definitions_of(word, header)
            unit = self.unit(header)
            branches = [b for b in unit.blanked.branches if not branch_truth(unit, b, ON)]
            guards = [f"#ifndef {one.decode()}" for one in _GUARD.findall(self.data(header))[:1]]
            kinds = {kind for kind, _, _ in lines}
            for _, at, line in lines if kinds == {"define"} else ():
                around = [branch for branch in branches if branch.start <= at < branch.end]
                default = [branch for branch in around if branch.condition not in guards]
                if all(branch.condition == f"#ifndef {name}" for branch in default):
                    alone = len(headers) == len(lines) == 1 and not default
                    return defined_by(line) if alone else Named(True, None, name, settled=True)
        return None

    def _sees(self, path: str, header: str) -> bool:
        """Tell whether a file includes a header, or may, whatever the architecture is."""
        if not header.startswith(_SHARED) or header in _COMMON:
            return True
        if path not in self._anyhow:
            walked = {path: None}
            stack = [path]
            while stack:
                fresh = [one for one in self.includes(stack.pop()) if one not in walked]
                stack += [one for one in fresh if not one.startswith(_OF_ARCHITECTURES)]
                walked |= dict.fromkeys(fresh)
            self._anyhow[path] = frozenset(
                one for one in walked if not one.startswith(_OF_ARCHITECTURES)
            )
        return header in self._anyhow[path]

    def _directive_text(self, path: str) -> bytes:
        return b"\n".join((*_CONDITION.findall(self.data(path)), self.define_text(path)))

    def _open_names(self, path: str, near: Sequence[str], wanted: set[str]) -> set[str]:
        """Return the driver's names that somebody else can define, too, or a header not read."""
        names = {name.encode() for name in wanted}
        own = {header: live for header in near if (live := names & self.defines(header))}
        found = {
            name
            for name in set().union(*own.values())
            if name in self._generated
            or any(place.startswith(_SHARED) for place in self.defining(name, path))
        }
        for header, defined in own.items():
            unit = self._units.get(header)
            if unit is not None:
                said = {name.encode() for name, _ in unit.blanked.features}
                defined = defined & self._named_in(header).keys() - said
            found |= defined if header != path else set()
        return {name.decode() for name in found} | self.kbuild.optional(path) & wanted

    @cached_property
    def _generated(self) -> frozenset[bytes]:
        """What the top Makefile defines in a header that it writes (linux/version.h)."""
        text = self.data("Makefile") if self.tree.is_file("Makefile") else b""
        return frozenset(n for n in _GENERATED.findall(text) if not n.startswith(VERSIONED))

    def given(self, path: str) -> dict[str, int]:
        """Return the names that the compiler is told for a file, whoever includes it."""
        found = self.kbuild.defines(path)
        if not found or path.endswith(".c"):
            return found
        name = re.escape(posixpath.basename(path))
        users = self.tree.search(rf"include.*\b{name}\b", [vendor(path)])
        told = [self.kbuild.defines(user) for user in users]
        return {n: v for n, v in found.items() if all(one.get(n) == v for one in told)}

    def release_for(self, data: bytes) -> Release | None:
        """Return the tree's version if a file's text can ask for it."""
        return self._release if VERSIONED in data else None

    @cached_property
    def _release(self) -> Release | None:
        return release(self.tree)

    def units(self) -> list[Unit]:
        """Return every file parsed so far."""
        return list(self._units.values())

    def includes(self, path: str) -> list[str]:
        """Return the files that `path` includes, those found in the tree."""
        if path not in self._includes:
            lines = self._included(path)
            places = lines.places or [self._places(path, *named) for named in lines.named]
            found = dict.fromkeys(file for place in places if (file := self._first(place)))
            self._includes[path] = list(found)
            # What such a macro is can stand in what is included plainly.
            for offset, macro in lines.macros:
                files = self.named_by(macro, path)
                if not files:
                    self.doubts[path, offset] = "what this #include means is not known"
                known = self._includes[path]
                known += [file for file in files if file not in known]
        return self._includes[path]

    def named_by(self, macro: bytes, path: str) -> list[str]:
        """Return the files that `#include MACRO` can mean in `path`."""
        found: dict[str, None] = {}
        looked = [path]
        for place in looked:
            # The name is looked up where the #include stands.
            found.update(dict.fromkeys(self.spelled(place, path, macro)))
            own = (p for p in self.includes(place) if not p.startswith(_SHARED))
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
        near, far = deque([path]), deque(c for c in _COMMON if c != path and self.tree.is_file(c))
        met = {path, *far}
        for _ in range(_MOST_HEADERS):
            if not near and not far:
                return
            now = near.popleft() if near else far.popleft()
            yield now
            for found in self.includes(now):
                if found not in met:
                    met.add(found)
                    (far if found.startswith(_SHARED) else near).append(found)

    def local(self, path: str) -> list[str]:
        """Return `path` and the headers it reaches outside include/ and arch/."""
        found = []
        for name in self.closure(path):
            if name.startswith(("include/", "arch/")):
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
        return self._named_in(path).get(name, [])

    def _named_in(self, path: str) -> dict[bytes, list[tuple[str, int, bytes]]]:
        if path not in self._directives:
            found: dict[bytes, list[tuple[str, int, bytes]]] = {}
            for directive in self.unit(path).blanked.directives:
                match = _NAMED.match(directive[2])
                if match is not None:
                    found.setdefault(match.group(1), []).append(directive)
            self._directives[path] = found
        return self._directives[path]

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
                any(_may_define(data, at, at + len(word), kind) for at in words(data, word))
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


def words(data: bytes, word: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Yield where a word stands as a whole one."""
    # A pattern for each word would take longer to make than this.
    stop = len(data) if end is None else end
    at = data.find(word, start, stop) if word else -1
    while at >= 0:
        behind = at + len(word)
        if not (_WORD.match(data, at - 1) if at else None) and not _WORD.match(data, behind):
            yield at
        at = data.find(word, behind, stop)


def begins_line(data: bytes, offset: int) -> bool:
    """Tell whether there is but white space before an offset in its line."""
    return data[max(0, offset - _FAR) : offset].rstrip(b" \t")[-1:] in (b"", b"\n")


def _may_define(data: bytes, start: int, end: int, kind: str) -> bool:
    """Tell whether a word is defined where it stands in a file as it is written."""
    if kind not in _TAGGED:
        return _BEHIND[kind].match(data, end) is not None
    # The body is looked for last: that can take the whole file.
    return _keyword_before(data, start, kind) >= 0 and _BODY.match(data, end) is not None


def _keyword_before(text: bytes, tag: int, kind: str) -> int:
    """Return where the struct, union or enum begins of a tag, or -1 for another word."""
    word = kind.encode()
    start = text.rfind(word, max(0, tag - _FAR), tag)
    apart = text[start + len(word) : tag]
    return -1 if start < 0 or not apart.isspace() or _INSIDE.match(text, start) else start


def definition_in(text: bytes, kind: str, word: bytes) -> tuple[int, int] | None:
    """Return the byte range of a definition in blanked text, or None."""
    for at in words(text, word):
        match = _BEHIND_BLANKED[kind].match(text, at + len(word))
        if match is None:
            continue
        if kind in _TAGGED:
            start = _keyword_before(text, at, kind)
            if start >= 0:
                end = closing(text, match.end() - 1, b"{", len(text))
                return start, len(text) if end is None else end
        elif kind == "typedef":
            start = text.rfind(b"typedef", max(0, at - _FAR_TYPEDEF), at)
            end = text.find(b";", at, at + _FAR)
            if start >= 0 and end >= 0 and _one_declaration(text[start:end]):
                return start, end
        elif (start := _declared_from(text, at)) >= 0:
            behind = closing(text, match.end() - 1)
            return None if behind is None else (start, behind)
    return None


def _declared_from(text: bytes, name: int) -> int:
    """Return where a function's definition or prototype begins, -1 if its name is used there."""
    far = max(0, name - _FAR)
    # A line can end with a macro that defines something.
    start = 1 + max(text.rfind(mark, far, name) for mark in (b";", b"}", b"{", b"=", b")\n"))
    if not start and far:
        return -1
    before = text[start:name]
    said = before.replace(b"*", b" ").split()
    typed = bool(said) and said[0] not in _STATEMENTS
    return start if typed and _SPECIFIERS.fullmatch(before) else -1


_STATEMENTS = (b"return", b"else", b"goto", b"case", b"do", b"if", b"while", b"typedef")


def _one_declaration(text: bytes) -> bool:
    """Tell whether there is no `;` outside braces, and the braces are balanced."""
    depth = 0
    for match in re.finditer(rb"[{};]", text):
        sign = match.group()
        if sign == b";":
            if depth == 0:
                return False
        else:
            depth += 1 if sign == b"{" else -1
    return depth == 0
