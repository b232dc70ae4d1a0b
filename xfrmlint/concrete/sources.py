"""The functions of one tree, ready to be evaluated, and those of its xfrm core."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.blanking import blank
from xfrmlint.c.configuration import ALL_ON, Configuration, branch_truth, compiled
from xfrmlint.c.corpus import stands_in
from xfrmlint.c.ctype import CType
from xfrmlint.c.expansion import TOO_MUCH, Macro, expand
from xfrmlint.c.integers import integer
from xfrmlint.c.macros import macros_in
from xfrmlint.c.nodes import node_text, parse
from xfrmlint.c.reader import Reader
from xfrmlint.c.text import spaces
from xfrmlint.c.unit import Item, Unit, below, outline
from xfrmlint.c.view import View
from xfrmlint.concrete.body import Body
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.primitives import does, is_given
from xfrmlint.concrete.slices import Lost, Slices
from xfrmlint.concrete.texts import Texts
from xfrmlint.contract.words import XFRM
from xfrmlint.kernel.functions import Function
from xfrmlint.kernel.places import HEADERS

_CORE = "net/xfrm"
# Where most of the core stands: to search two folders takes longer than to look.
USUAL = (XFRM, f"{_CORE}/xfrm_state.c")
_MOST_EXPANSIONS = 16
_KEY = rb"\bDEFINE_STATIC_KEY_(TRUE|FALSE)(?:_RO)?\s*\(\s*%s\s*\)"
_SETS_KEY = r"static_(branch|key)_(slow_)?(inc|dec|enable|disable)\w*\(&?\s*%s\b"
# Bytes of a driver's function that is still run; what is longer has never come to its end.
LONGEST = 5000


_Prepared = tuple[dict[tuple[str, str], Source | None], dict[tuple[str, int], Source], Lost]
# A type without a name of its own.
_TAGS = ("struct", "union", "enum")
_HEAD = rb"(?<!\w)%s\s*\([^;{}]*\)[^;{}()]*\{"
_WHILE = re.compile(rb"\bwhile\b")
_WORD = re.compile(rb"\w+")
_LOOP = re.compile(rb"\b(?=\w*?(?:for_?each|FOR_?EACH))(\w{5,})(?=\s*\()")


def _as_while(match: re.Match[bytes]) -> bytes:
    return b"while" + b" " * (len(match.group()) - 5)


class _Seen(NamedTuple):
    """The macros that a file sees: all names, and those of each file that it includes."""

    names: tuple[frozenset[bytes], ...]
    files: Sequence[tuple[str, frozenset[bytes]]]


class Sources(Texts):
    """The functions of one tree, ready to be evaluated.

    configuration: the CONFIG_ options that are settled. near: only definitions and macros of files
    whose path starts so are used (all that the includes reach, if empty). contract: what the tree
    calls things. home: a file of the driver whose code is run in a world, if it is one's. slices:
    what of that driver's functions is not run.
    """

    def __init__(
        self,
        reader: Reader,
        configuration: Configuration,
        near: Sequence[str] = (),
        home: str = "",
        slices: Slices | None = None,
    ) -> None:
        super().__init__(reader, home, slices)
        # Of a driver's own files all options are on.
        self._options = ALL_ON if home else None
        self.bodies: dict[View, Body] = {}
        self._configuration = configuration
        self._near = tuple(near)
        self._found: dict[tuple[str, str], Source | None] = {}
        self.macro = cache(self._macro)
        self.unit = cache(self._left)
        self._wanted: frozenset[tuple[str, str]] = frozenset()
        self._saved: dict[frozenset[tuple[str, str]], _Prepared] = {}
        self._made: dict[tuple[str, int], Source] = {}
        self._expanded: dict[tuple[str, int, bytes], Source] = {}
        self._doubtful: set[tuple[str, str]] = set()
        self._macros_seen = cache(self._all_macros_of)
        self._begins = cache(self._first_value)
        # What static keys that are set somewhere were decided to be in a run.
        self.decided: dict[str, bool] = {}
        self.decide: Callable[[], bool] | None = None

    def function(self, name: str, path: str) -> Source | None:
        """Return the definition that `path` sees: in itself, in its headers, in its module."""
        key = (name, path)
        if key not in self._found:
            self._found[key] = self._find(name, path)
        # A macro of the same name may stand in its place.
        return None if key in self._doubtful else self._found[key]

    def head(self, name: str, path: str) -> View | None:
        """Return the one definition of a function in a file as it is written."""
        unit = self._corpus.unit(path)
        found = [item for item in unit.functions(name) if item.kind == "function"]
        only = found[0] if len(found) == 1 else None
        return View(self._corpus, path, only, unit.text, None) if only is not None else None

    def _find(self, name: str, path: str) -> Source | None:
        word = name.encode("utf-8", "surrogateescape")
        head: re.Pattern[bytes] | None = None
        known = self._slices.file_of(name) if self._slices is not None else ""
        files = [path, *([known] if known else ()), *self._around(path)]
        seen: set[str] = set()
        for group in (files, self._seen_by(path)):
            for place in group:
                if place in seen or not self._close(place):
                    continue
                seen.add(place)
                data = self._corpus.data(place)
                if word not in data:
                    continue
                head = head or re.compile(_HEAD % re.escape(word))
                if place != known and not stands_in(data, word, head):
                    continue
                found = self.definitions(name, place)
                if found:
                    return self.only(name, found)
        core = path == XFRM or path.startswith(f"{_CORE}/")
        return self._exported(name, word) if self._home or core else None

    def _exported(self, name: str, word: bytes) -> Source | None:
        """Return what the xfrm core defines, and its header declares, for an owner to call."""
        if word not in self._corpus.data(XFRM):
            return None
        for file in self._corpus.tree.folder(_CORE):
            path = posixpath.join(_CORE, file)
            if file.endswith(".c") and word in self._corpus.data(path):
                found = self.definitions(name, path)
                if found:
                    return self.only(name, found)
        return None

    def _of(self, path: str) -> Configuration:
        if self._options is None or path.startswith((f"{HEADERS}/", "net/")):
            return self._configuration
        return self._options

    def _close(self, path: str) -> bool:
        return not self._near or path.startswith(self._near)

    def only(self, name: str, found: Sequence[tuple[Source, bool | None]]) -> Source:
        """Return the one definition that is compiled; with a problem if that is open."""
        source, truth = found[0]
        if len(found) == 1 and truth:
            return source
        # Each under an open condition, or two at once: none can be preferred.
        reason = f"{name}() is defined more than once"
        if len(found) == 1:
            unit = self._unit_with(name, source.path)
            starts = [item.start for item in unit.functions(name)]
            open_ones = [s for s in starts if compiled(unit, s, self._of(unit.path)) is None]
            reason = f"{name}() is under {unit.condition(open_ones[0])}"
        return source._replace(problem=source.problem or reason)

    def definitions(self, name: str, path: str) -> list[tuple[Source, bool | None]]:
        """Return a function's definitions in a file which can be compiled, the sure ones first.

        If a sure one exists, those under open conditions are left out.
        """
        unit = self._unit_with(name, path)
        found = [
            (item, truth)
            for item in unit.functions(name)
            if (truth := compiled(unit, item.start, self._of(path))) is not False
        ]
        sure = [(item, truth) for item, truth in found if truth]
        return [(self._source(unit, item), truth) for item, truth in sure or found]

    def of_macro(self, macro: Macro, result: str, takes: Sequence[str]) -> Source | None:
        """Return a macro as the function that it stands for; None where that can't be written.

        Its body stays where it is in its file, so that what is told of it has the right line.
        """
        given = zip(takes, macro.parameters or (), strict=True)
        named = ", ".join(f"{kind}{name}" for kind, name in given)
        head = f"{result} {macro.name}({named}) {{ return ".encode()
        if len(head) > macro.start:
            return None
        data = self._corpus.data(macro.path)
        body = data[macro.start : macro.start + len(macro.body)].replace(b"\\\n", b" \n")
        text = spaces(data[: macro.start - len(head)]) + head + body + b"; }"
        written = self._corpus.unit(macro.path)
        unit = self._corpus.left(written, text)
        line = written.line(macro.define)
        found = (self._source(unit, item) for item in unit.functions(macro.name))
        return next((one._replace(line=line) for one in found), None)

    def _unit_with(self, name: str, path: str) -> Unit:
        """Return a file in which the configuration has left the functions of a name.

        That is as it is written, where nothing of them is left out: to read it again takes longer.
        """
        written = self._corpus.unit(path)
        if written.blanked.left_out:
            return self.unit(path)
        for item in written.functions(name):
            for branch in written.blanked.branches:
                inside = item.start < branch.start < item.end
                if inside and written.text[branch.start : branch.end].strip():
                    if branch_truth(written, branch, self._of(path)) is False:
                        return self.unit(path)
        return written

    def _source(self, unit: Unit, item: Item) -> Source:
        """Return a definition with conditionals settled and macros expanded."""
        key = (unit.path, item.start)
        if key not in self._made:
            self._made[key] = self._prepared(unit, item)
        return self._made[key]

    def want(self, members: frozenset[tuple[str, str]] = frozenset()) -> None:
        """Run what stores some members of the driver's, too, from now on: names, and structs."""
        if self._slices is None or members == self._wanted:
            return
        self._saved[self._wanted] = (self._found, self._made, self._slices.lost)
        self._wanted = members
        self._slices.want(members)
        known = self._saved.get(members, ({}, {}, {}))
        self._found, self._made, self._slices.lost = known

    @property
    def lost(self) -> Lost:
        """The members that code of the driver's may have stored which is not run, with tags."""
        return self._slices.lost if self._slices is not None else {}

    def current(self, source: Source) -> Source:
        """Return a function that was prepared before as it is run now."""
        if self._slices is None or not self._slices.cuts(source.name):
            return source
        return self.function(source.name, source.path) or source

    def _prepared(self, unit: Unit, item: Item) -> Source:
        path = unit.path
        plain = View(self._corpus, path, item, unit.text, None, settled=True)
        line = plain.function.line
        part = self._open_part(unit, item)
        if part is not None:
            return Source(item.name, path, line, plain, *part)
        text = unit.text[item.start : item.end]
        sliced = False
        if self._slices is not None:
            left = self._slices.of(item.name, path, unit.text, item.node)
            text, sliced = left[item.start : item.end], left != unit.text
        if self._home and len(b" ".join(text.split())) > LONGEST:
            return Source(item.name, path, line, plain, f"{item.name}() is too long", line)
        key = (path, item.start, text)
        if key not in self._expanded:
            self._expanded[key] = self._with_macros(item, plain, unit, text, sliced)
        return self._expanded[key]

    def _with_macros(
        self, item: Item, plain: View, unit: Unit, text: bytes, sliced: bool
    ) -> Source:
        """Return a function of this text with macros expanded. sliced: it is not the file's."""
        path, line = unit.path, plain.function.line
        view: View = plain
        text, macros = self._with_loops(unit, item.start, text)
        asked: set[str] = set()
        for _ in range(_MOST_EXPANSIONS):
            if macros or sliced:
                expansion = expand(text, path, item.start, macros)
                if expansion.cut:
                    return Source(item.name, path, line, plain, TOO_MUCH, line)
                expansion = expansion._replace(text=_LOOP.sub(_as_while, expansion.text))
                items = outline([parse(expansion.text).root_node])
                same = [i for i in items if i.kind == "function" and i.name == item.name]
                if len(same) != 1 or len(items) != 1:
                    reason = f"{item.name}() can't be read with its macros expanded"
                    return Source(item.name, path, line, plain, reason, line)
                view = View(self._corpus, path, same[0], expansion.text, expansion, settled=True)
                sliced = False
            fresh = self._macros_of(view, asked, item.start)
            if not fresh:
                break
            macros.update(fresh)
        else:
            return Source(item.name, path, line, plain, "macros that don't end", line)
        error = _first_error(view.node)
        if error is not None:
            reason = f"{item.name}() can't be parsed"
            return Source(item.name, path, line, view, reason, view.place(error.start_byte).line)
        return Source(item.name, path, line, view)

    def _with_loops(self, unit: Unit, start: int, text: bytes) -> tuple[bytes, dict[str, Macro]]:
        """Return some text with the names of a driver's own loop macros, and these macros."""
        left = bytearray(text)
        macros: dict[str, Macro] = {}
        for match in _WHILE.finditer(text):
            at = start + match.start()
            head = _WORD.match(unit.data, at)
            name = head.group().decode() if head is not None else "while"
            macro = None if name == "while" or self._is_kept(name) else self.macro(name, unit.path)
            if macro is not None:
                macros[name] = macro
                left[match.start() : match.start() + len(name)] = name.encode()
        return bytes(left), macros

    def _open_part(self, unit: Unit, item: Item) -> tuple[str, int] | None:
        """Return why it is open what a function's text is, and the line; None if it isn't."""
        for branch in unit.blanked.branches:
            inside = item.start < branch.start < item.end
            if inside and unit.data[branch.start : branch.end].strip():
                if branch_truth(unit, branch, self._of(unit.path)) is None:
                    return f"a part of it is under {branch.condition}", unit.line(branch.start)
        return None

    def _left(self, path: str) -> Unit:
        """Return a file without what the configuration leaves out; every offset stays true."""
        written = self._corpus.unit(path)
        data = bytearray(written.data)
        for branch in written.blanked.branches:
            if branch_truth(written, branch, self._of(path)) is False:
                data[branch.start : branch.end] = spaces(bytes(data[branch.start : branch.end]))
        return written if data == written.data else self._corpus.left(written, bytes(data))

    def _macros_of(self, view: View, asked: set[str], start: int) -> dict[str, Macro]:
        """Return the macros that a function uses and that have not been asked for yet."""
        body = view.node.child_by_field_name("body")
        found: dict[str, Macro] = {}
        for node in below(body) if body is not None else ():
            if node.type != "identifier":
                continue
            name = node_text(node)
            if name in asked or self._is_kept(name):
                continue
            if view.local(name, node.start_byte) is not None:
                continue
            asked.add(name)
            macro = self.macro(name, view.path)
            # Below the function it is not in force yet.
            later = macro is not None and macro.path == view.path and macro.define > start
            if macro is not None and not later:
                found[name] = macro
        return found

    def may_define(self, name: str, path: str) -> bool:
        """Tell whether a macro that `path` sees is not plain, or need not be there."""
        return self.macro(name, path) is None and (name, path) in self._doubtful

    def loop_macro(self, name: str, path: str) -> Macro | None:
        """Return the one definition of a macro as its file has it; None if it isn't plain."""
        found = self.macro(name, path)
        if found is None:
            return None
        # Of a loop macro in it blanking has left `while`.
        text = self._corpus.data(found.path)[found.start : found.start + len(found.body)]
        return found._replace(body=text)

    def _macro(self, name: str, path: str) -> Macro | None:
        """Return the one definition of a macro that `path` sees; None if it isn't plain."""
        word = name.encode("utf-8", "surrogateescape")
        names, files = self._macros_seen(path)
        for place, defined in files if any(word in some for some in names) else ():
            if word not in defined or not self._close(place):
                continue
            unit = self._corpus.unit(place)
            found = []
            for macro in macros_in(self._corpus, place):
                if macro.name == name:
                    truth = compiled(unit, macro.define, self._of(place))
                    if truth is not False:
                        found.append((macro, truth))
            if not found:
                continue
            undefined = any(
                kind == "undef"
                and line.split()[-1:] == [word]
                and compiled(unit, at, self._of(place)) is not False
                for kind, at, line in unit.blanked.directives
            )
            macro, truth = found[0]
            if len(found) == 1 and truth and not undefined:
                return macro._replace(body=blank(macro.body).text)
            self._doubtful.add((name, path))
            return None
        return None

    def _seen_by(self, path: str) -> Iterator[str]:
        """Yield a file and what it includes; of a driver's other files what its first one does.

        To walk through a thousand headers for each file takes longer than to run what is in it.
        """
        if self._near:
            yield from self._near_seen(path)
        elif not self._home:
            yield from self._corpus.closure(path)
        else:
            yield from self._corpus.local(path) or [path]
            yield from self._headers

    def _near_seen(self, path: str) -> Iterator[str]:
        """Yield a file and those near that it includes, through others near."""
        found = [path]
        for place in found:
            yield place
            near = filter(self._close, self._corpus.includes(place))
            found += [one for one in near if one not in found]

    @cached_property
    def _headers(self) -> Sequence[str]:
        """The kernel's headers that the driver's first file includes."""
        return [p for p in self._corpus.closure(self._home) if p.startswith(f"{HEADERS}/")]

    @cached_property
    def _of_headers(self) -> _Seen:
        return self._defined_in(self._headers)

    def _all_macros_of(self, path: str) -> _Seen:
        """Return the names of all macros that a file sees, and those of each file with some."""
        if not self._home:
            return self._defined_in(self._seen_by(path))
        own = self._defined_in(self._corpus.local(path) or [path])
        headers = self._of_headers
        return _Seen((*own.names, *headers.names), [*own.files, *headers.files])

    def _defined_in(self, paths: Iterable[str]) -> _Seen:
        seen = ((place, self._corpus.defines(place)) for place in paths)
        files = [(place, defined) for place, defined in seen if defined]
        return _Seen((frozenset().union(*(d for _, d in files)),), files)

    def does(self, name: str) -> Function:
        """Return what a macro or function of the kernel's does that has no effect but that."""
        return does(name, bool(self._home))

    def _is_kept(self, name: str) -> bool:
        """Tell whether a macro is not expanded."""
        return is_given(name, bool(self._home))

    def resolved(self, kind: CType, path: str) -> CType:
        """Return a type with typedefs followed."""
        if " " in kind.base or kind.base in _TAGS or integer(kind) is not None:
            return kind
        return self._reader.types.resolved(kind, path)

    def declared(self, view: View, node: Node) -> CType | None:
        """Return the type of a field, or of what a field calls, from the struct's declaration."""
        return self._reader.types.of(node, view)

    def enabled(self, option: str) -> bool | None:
        """Tell whether CONFIG_... is on."""
        found = self._configuration.get(option)
        # Where it is asked for below a settled option it is settled with that.
        return found if found is not None or self._options is None else self._options.get(option)

    def is_on(self, key: str) -> bool | None:
        """Tell whether a static key of the core's is on: as it begins if nobody sets it.

        Else either, where that is decided; None where it is not, or if there is no such key.
        """
        begins = self._begins(key)
        if begins is None or not self._corpus.tree.search(_SETS_KEY % re.escape(key)):
            return begins
        if self.decide is not None and key not in self.decided:
            self.decided[key] = self.decide()
        return self.decided.get(key)

    def _first_value(self, key: str) -> bool | None:
        defined = re.compile(_KEY % re.escape(key).encode())
        texts = map(self._corpus.data, core_files(self._reader, key) if key.isidentifier() else ())
        found = [match.group(1) for text in texts for match in defined.finditer(text)]
        return found == [b"TRUE"] if len(found) == 1 else None


def _first_error(node: Node) -> Node | None:
    stack = [node] if node.has_error else []
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            return node
        stack += [c for c in reversed(node.children) if c.has_error or c.is_missing]
    return None


def core_files(reader: Reader, name: str) -> list[str]:
    """Return the core's files in which a name occurs, the usual ones first."""
    found = reader.corpus.tree.search(name, ["include", "net"])
    return sorted(found, key=lambda p: (p not in USUAL, not p.startswith("include/"), p))
