"""The top-level items of a file in which macros stand for statements, heads or braces.

tree-sitter can't see where an item ends if a macro opens its braces, nor what `TRACE` in front of a
statement is. Where a file uses such a macro (or includes a list of such uses), that use alone is
expanded; the rest of the file stays as it is. The result is parsed, and each item that came out
knows the bytes of the file that it was made of:

    TX(esp) { return 1; }      ->      static int foo_esp_tx(void) { return 1; }

is a function foo_esp_tx of the bytes from `TX` to `}`.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.blanking import LOOP, is_loop, readable
from xfrmlint.c.corpus import Corpus
from xfrmlint.c.expansion import TOO_MUCH, Expansion, Macro, Piece, expand_all
from xfrmlint.c.index import words
from xfrmlint.c.macros import in_force, kernels_own
from xfrmlint.c.nodes import parse
from xfrmlint.c.templates import lists
from xfrmlint.c.text import in_string
from xfrmlint.c.unit import (
    Item,
    Place,
    Unit,
    declarator_name,
    errors_in,
    is_same,
    outline,
    top_nodes,
)

_NAME = re.compile(rb"[A-Za-z_]\w*")
_MARK = re.compile(rb"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|[()]")
_INCLUDED = re.compile(rb'[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"')
# A statement begins with a word in capitals, and there is no operator behind it.
_BARE = re.compile(rb"\n[ \t]++([A-Z][A-Z0-9_]{2,}+)(?!\w)(?=[ \t]*(?:\n|\(|\{|[a-z_]))")
_CALL = re.compile(rb"[a-z_]\w*[ \t]*\(")
# `struct foo *n = v`, `typeof(v) n = v`: what is declared there has to be seen in its function.
_DECLARES = re.compile(
    rb"(?!(?:return|goto|else|case|do|extern)\b)(?:(?:\w+\s+)*\w+|(?:__)?typeof(?:__)?\s*\(.*?\))"
    rb"(?<=[\w)])(?:\s*\*[\s*]*|\s+)\w+\s*(?:[=;,\[]|$)"
)
# An argument that is no expression.
_DESIGNATED = re.compile(rb"[(,]\s*\.\s*[A-Za-z_]\w*\s*=(?!=)")
_FAR = 1 << 16
# A line with what stands before it.
_NEAR = 4096
_ROUNDS = 4
_END = 1 << 62


class Use(NamedTuple):
    """The bytes of a macro's use (with its arguments), or of an #include of such uses.

    around: what is put around one that nothing is known of, to make it a statement or a condition.
    """

    start: int
    end: int
    name: bytes
    included: str = ""
    around: tuple[bytes, bytes] = (b"", b"")


class Outline(NamedTuple):
    """A file's items with macros expanded where that decides what is an item.

    items: what it is made of, by bytes of the file; those that one use brought forth share them.
    made: for the start of each item that was expanded, what came of it: nodes of `text`.
    """

    items: tuple[Item, ...]
    made: Mapping[int, tuple[Item, ...]]
    text: bytes
    expansion: Expansion
    uses: tuple[Use, ...]
    errors: tuple[int, ...]

    def item_at(self, offset: int) -> Item | None:
        """Return the first item that holds a byte of the file."""
        at = bisect_right(self.items, offset, key=lambda item: item.start) - 1
        if at < 0 or offset >= self.items[at].end:
            return None
        start = self.items[at].start
        return self.items[bisect_left(self.items, start, key=lambda item: item.start)]

    def text_of(self, item: Item) -> bytes:
        """Return what was made of an item's text; nothing where it stayed as it is."""
        made = self.made.get(item.start, ())
        return b"".join(self.text[part.start : part.end] for part in made)

    def within(self, item: Item) -> list[Use]:
        """Return the uses in an item."""
        return [use for use in self.uses if item.start <= use.start < item.end]


class Outlines:
    """The outlines of a corpus's files, one for each turn of a file (see Unit), made once."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self._found: dict[tuple[str, int], Outline | None] = {}
        self._structural: dict[str, frozenset[bytes]] = {}
        self._own: dict[str, frozenset[bytes]] = {}
        self._lists: dict[str, list[str]] = {}

    def items(self, path: str, turn: int = 0) -> Sequence[Item]:
        """Return a file's items in order."""
        found = self.of(path, turn)
        return self.corpus.unit(path).turned(turn).items if found is None else found.items

    def item_at(self, path: str, offset: int, turn: int = 0) -> Item | None:
        """Return the item that holds a byte of a file."""
        found = self.of(path, turn)
        return (self.corpus.unit(path).turned(turn) if found is None else found).item_at(offset)

    def holding(self, path: str, positions: Callable[[bytes, bytes], Iterator[int]]) -> list[Item]:
        """Return the items in which one of some positions of a text is, in whatever turn.

        positions: gets the text, and what of it the file has as it is written.
        """
        unit = self.corpus.unit(path)
        items: dict[int, Item] = {}
        for turn in range(unit.blanked.turns):
            spots = list(positions(unit.turned(turn).text, unit.data))
            if not spots and not self.lists(path):
                continue
            at = (self.item_at(path, spot, turn) for spot in spots)
            found = [item for item in at if item is not None]
            outline_ = self.of(path, turn)
            if outline_ is not None:
                # Items that one use brought forth share what was made of it: the first is asked.
                firsts = (outline_.item_at(start) for start in outline_.made)
                texts = ((item, outline_.text_of(item)) for item in firsts if item is not None)
                found += [
                    item for item, text in texts if next(positions(text, b""), None) is not None
                ]
            for item in found:
                first = self.counterpart(path, item)
                items.setdefault(first.start, first)
        return [item for _, item in sorted(items.items())]

    def variants(self, path: str, item: Item) -> list[Item]:
        """Return an item of a file, and what other turns have in its place.

        Of items that share their bytes one stands for all.
        """
        blanked = self.corpus.unit(path).blanked
        if not any(start < item.end and item.start < end for start, end in blanked.choices):
            return [item]
        beside = [own for own in self.items(path, item.turn) if own.start == item.start]
        found = {(item.turn, item.start): item}
        for turn in range(blanked.turns):
            for other in self.items(path, turn):
                if turn != item.turn and any(is_same(own, other) for own in beside):
                    found.setdefault((turn, other.start), other)
        return list(found.values())

    def counterpart(self, path: str, item: Item) -> Item:
        """Return the item of a file's first turn in whose place another one has `item`."""
        if item.turn == 0:
            return item
        return next((own for own in self.items(path) if is_same(own, item)), item)

    def heads(self, path: str, item: Item) -> dict[str, Place]:
        """Return where the names of the functions are written that an item stands for."""
        found: dict[str, Place] = {}
        for part in self.made(path, item) or [item]:
            if part.kind == "function":
                named = declarator_name(part.node.child_by_field_name("declarator")) or part.node
                found[part.name] = self.place(path, item, named)
        return found

    def functions(self, name: str, path: str) -> list[Item]:
        """Return the definitions of a function in a file, in the first turn that has any."""
        for turn in range(self.corpus.unit(path).blanked.turns):
            if self.of(path, turn) is None:
                found = self.corpus.unit(path).turned(turn).functions(name)
            else:
                items = self.items(path, turn)
                found = [i for i in items if i.kind == "function" and i.name == name]
            if found:
                return found
        return []

    def place(self, path: str, item: Item, node: Node) -> Place:
        """Return where a node of one of a file's items is written."""
        outline_, start = self.of(path, item.turn), node.start_byte
        if outline_ is not None and item.start in outline_.made:
            path, start = outline_.expansion.origin(start)
        return self.corpus.unit(path).place(start)

    def undefined(self, path: str) -> list[tuple[int, str]]:
        """Return lines and names of macros that were guessed at, as their definition is nowhere."""
        unit = self.corpus.unit(path)
        turns = [self.of(path, turn) for turn in range(unit.blanked.turns)]
        found = {
            (unit.line(use.start), use.name.decode())
            for outline_ in turns
            for use in (outline_.uses if outline_ is not None else ())
            if use.around[1]
        }
        return sorted(found)

    def errors(self, path: str) -> Sequence[int]:
        """Return the lines of a file at which the parser had to give up and start again."""
        found = self.of(path)
        return self.corpus.unit(path).errors if found is None else found.errors

    def made(self, path: str, item: Item) -> Sequence[Item]:
        """Return what came of an item's bytes if it was expanded."""
        outline_ = self.of(path, item.turn)
        return outline_.made.get(item.start, ()) if outline_ is not None else ()

    def of(self, path: str, turn: int = 0) -> Outline | None:
        """Return the outline of a file that uses such macros; None for all others."""
        if (path, turn) not in self._found:
            self._found[path, turn] = None
            if not path.startswith(("include/", "arch/")):
                unit = self.corpus.unit(path).turned(turn)
                uses = self._uses(unit)
                self._found[path, turn] = self._outline(unit, uses) if uses else None
        return self._found[path, turn]

    def lists(self, path: str) -> list[str]:
        """Return the files that a file includes to take what they list, found once."""
        if path not in self._lists:
            self._lists[path] = lists(self.corpus, path)
        return self._lists[path]

    def structural(self, path: str) -> frozenset[bytes]:
        """Return the macros that a file sees in itself and its own headers, and that are such.

        Those of the kernel's that define and declare are some, too.
        """
        if path not in self._structural:
            found = {name.encode() for name in kernels_own()} - self.own(path)
            aliases: dict[bytes, frozenset[bytes]] = {}
            for place in self.corpus.local(path):
                shapes = self.corpus.shapes(place)
                found |= shapes.structural
                aliases |= shapes.aliases
            grown = True
            while grown:
                more = {name for name, of in aliases.items() if name not in found and of & found}
                found |= more
                grown = bool(more)
            self._structural[path] = frozenset(found)
        return self._structural[path]

    def own(self, path: str) -> frozenset[bytes]:
        """Return all macros that a file sees in itself and its own headers."""
        if path not in self._own:
            local = self.corpus.local(path)
            self._own[path] = frozenset().union(*(self.corpus.defines(p) for p in local))
        return self._own[path]

    def macros_in(self, path: str, item: Item) -> dict[str, list[Macro]]:
        """Return what the macros of an item's uses, and those that they lead to, can be there."""
        found: dict[str, list[Macro]] = {}
        unit, outline_ = self.corpus.unit(path).turned(item.turn), self.of(path, item.turn)
        for use in outline_.within(item) if outline_ is not None else ():
            for name, macros in self._macros(unit, use).items():
                found.setdefault(name, macros)
        return found

    def text(self, path: str, item: Item, macros: Collection[str] = ()) -> bytes:
        """Return an item's text, and what was made of it. macros: see pieces()."""
        text = self.corpus.unit(path).turned(item.turn).text[item.start : item.end]
        text = self._with_loops(path, text, item.start, macros)
        outline_ = self.of(path, item.turn)
        # What it is was only seen with what was made of it.
        return text if outline_ is None else text + outline_.text_of(item)

    def pieces(self, path: str, item: Item, macros: Collection[str] = ()) -> list[Piece]:
        """Return an item as it stands in its file, what it includes in between put in its place.

        macros: what is to be expanded; a loop macro among them is not a `while` then.
        """
        text = self.corpus.unit(path).turned(item.turn).text
        text = self._with_loops(path, text, 0, macros)
        outline_ = self.of(path, item.turn)
        found: list[Piece] = []
        at = item.start
        for use in outline_.within(item) if outline_ is not None else ():
            if not use.included and not use.around[1]:
                continue
            found.append(Piece(text[at : use.start], path, at))
            at = use.end
            if use.included:
                found.append(Piece(self.corpus.unit(use.included).text, use.included, 0))
                continue
            before, behind = use.around
            found.append(Piece(before, path, use.start))
            found.append(Piece(text[use.start : use.end], path, use.start))
            found.append(Piece(behind, path, use.end - 1))
        return [*found, Piece(text[at : item.end], path, at)]

    def _with_loops(self, path: str, text: bytes, start: int, macros: Collection[str]) -> bytes:
        """Return text from an offset of a file, some loop macros named as they were written."""
        named = bytearray()
        for name in macros:
            word = name.encode("utf-8", "surrogateescape")
            for at in words(self.corpus.data(path), word) if is_loop(word) else ():
                if at >= start and text.startswith(LOOP, at - start):
                    named = named or bytearray(text)
                    named[at - start : at - start + len(word)] = word
        return bytes(named) or text

    def _uses(self, unit: Unit) -> list[Use]:
        path = unit.path
        data = self.corpus.data(path)
        found = list(self._included(unit))
        here = self.corpus.defines(path)
        names = [n for n in self.structural(path) if data.count(n) > (1 if n in here else 0)]
        found += self._undefined(path, unit.text)
        if not names:
            return sorted(found)
        places = sorted((at, at + len(n)) for n in names for at in words(unit.text, n))
        end = 0
        for start, behind in places:
            if start < end or in_string(unit.text, start):
                continue
            use = self._use(path, unit.text, start, behind)
            if use is not None:
                found.append(use)
                end = use.end
        return sorted(found)

    def _undefined(self, path: str, text: bytes) -> Iterator[Use]:
        """Yield macros whose definition the tree does not have, where they are no expressions."""
        for match in _BARE.finditer(text):
            start, end = match.span(1)
            before = text[max(0, start - _NEAR) : start]
            if before.rstrip()[-1:] not in (b";", b"{", b"}") or match[1] in self.own(path):
                continue
            behind = _skip(text, end)
            takes = text[behind : behind + 1] == b"("
            if takes:
                end = _closing(text, behind)
                behind = _skip(text, end)
            follows = text[behind : behind + 1]
            gap = text[end:behind]
            if not (follows == b"{" or follows.isalpha() or follows == b"_"):
                continue
            if b"\n" in gap and _indent(gap) <= _indent(before) and follows != b"{":
                yield Use(start, end, match[1], around=(b"", b";"))
            elif takes:
                yield Use(start, end, match[1], around=(b"if (", b")"))
            elif _CALL.match(text, behind):
                yield Use(start, end, match[1], around=(b"", b";"))

    def _use(self, path: str, text: bytes, start: int, end: int) -> Use | None:
        name = text[start:end]
        known = in_force(self.corpus, name.decode(), path, start)
        if not known:
            return None
        behind = _skip(text, end)
        takes = known[0].parameters is not None
        # What an object-like one is can take the arguments behind it.
        if takes and text[behind : behind + 1] != b"(":
            return None
        if takes or (text[behind : behind + 1] == b"(" and self._ends_in_macro(path, known[0])):
            end = _closing(text, behind)
        use = Use(start, end, name)
        if not known[0].path:
            return use
        return None if self._is_call(text, use, known) else use

    def _ends_in_macro(self, path: str, macro: Macro) -> bool:
        words = _NAME.findall(macro.body)
        if not words or not macro.body.rstrip().endswith(words[-1]):
            return False
        found = in_force(self.corpus, words[-1].decode(), path, _END)
        return bool(found) and found[0].parameters is not None

    def _is_call(self, text: bytes, use: Use, known: Sequence[Macro]) -> bool:
        """Tell whether a use parses as a call, a statement of its own that has a `;`."""
        behind = text[_skip(text, use.end) :][:1]
        before = text[max(0, use.start - _NEAR) : use.start].rstrip()
        before = before or text[max(0, use.start - _FAR) : use.start].rstrip()
        if behind != b";" or text[use.start - 1 : use.start] in (b"", b"\n"):
            return False
        if _DESIGNATED.search(text, use.start, use.end):
            return False
        if not before.endswith((b";", b"{", b"}", b")", b":", b"else", b"do")):
            return False
        return all(_is_whole(macro.body) for macro in known)

    def _included(self, unit: Unit) -> Iterator[Use]:
        """Yield the #includes of files that use macros which this one has defined for them."""
        path = unit.path
        if not any(quoted for _, quoted in self.corpus.named(path)):
            return
        own = self.corpus.defines(path)
        for kind, start, line in unit.blanked.directives:
            match = _INCLUDED.match(line) if kind == "include" else None
            found = self.corpus.resolved(path, match.group(1), True) if match is not None else None
            if found is None or found.startswith(("include/", "arch/")) or found == path:
                continue
            # Between braces it can be nothing but a part of what they hold.
            inside = _open_braces(unit.text, start) > 0
            if inside or self._is_set_up(found, own, unit):
                yield Use(start, start + len(line), b"", found)

    def _is_set_up(self, path: str, own: frozenset[bytes], by: Unit) -> bool:
        """Tell whether a file is written in terms of macros which another one defines for it."""
        names = own
        if path.endswith((".h", ".c")):
            shapes = self.corpus.shapes(by.path)
            names = shapes.structural | shapes.pasting
        data = self.corpus.data(path)
        names = frozenset(n for n in names - self.corpus.defines(path) if n in data)
        return bool(names) and not names.isdisjoint(_NAME.findall(self.corpus.unit(path).text))

    def _macros(self, unit: Unit, use: Use) -> dict[str, list[Macro]]:
        """Return the macros that a use needs: its own, and those that those lead to."""
        path = unit.path
        text = self.corpus.unit(use.included).text if use.included else b""
        if not use.included:
            text = unit.text[use.start : use.end]
        found: dict[str, list[Macro]] = {}
        # Of arguments and of included lines all count: nobody knows what they are taken for.
        named = set(_NAME.findall(text))
        wanted = named & self.own(path) | named & self.structural(path)
        while wanted:
            name = wanted.pop().decode()
            found[name] = in_force(self.corpus, name, path, use.start)
            for macro in found[name]:
                words = set(_NAME.findall(macro.body))
                wanted |= {w for w in words & self.structural(path) if w.decode() not in found}
        return {name: macros for name, macros in found.items() if macros}

    def _outline(self, unit: Unit, uses: list[Use]) -> Outline:
        made = _Text(unit.path)
        at = 0
        for use in uses:
            made.copy(unit.text, at, use.start)
            self._expand(made, unit, use)
            at = use.end
        made.copy(unit.text, at, len(unit.text))
        written = b"".join(made.pieces)
        text = readable(written)
        tops = top_nodes(parse(text).root_node)
        expansion = made.expansion(written)
        items, parts = _placed(outline(tops, unit.turn), made, unit)
        lines = [
            self.corpus.unit(path).line(start) if path == unit.path else 0
            for path, start in (expansion.origin(at) for at in errors_in(tops))
        ]
        errors = tuple(sorted({line for line in lines if line}))
        return Outline(tuple(items), parts, text, expansion, tuple(uses), errors)

    def _expand(self, made: "_Text", unit: Unit, use: Use) -> None:
        if use.around[1]:
            made.copy(unit.text, use.start, use.end, use.around)
            return
        macros = self._macros(unit, use)
        piece = Piece(unit.text[use.start : use.end], unit.path, use.start)
        if use.included:
            piece = Piece(self.corpus.unit(use.included).text, use.included, 0)
        for _ in range(_ROUNDS):
            chosen = {name: chosen_of(found) for name, found in macros.items()}
            expansion = expand_all([piece], chosen)
            if expansion.cut:
                self.corpus.doubts.setdefault((unit.path, use.start), TOO_MUCH)
            # Pasted together, it can be the name of another one.
            more = {
                word.decode(): in_force(self.corpus, word.decode(), unit.path, use.start)
                for word in set(_NAME.findall(expansion.text)) & self.structural(unit.path)
                if word.decode() not in macros
            }
            more = {name: found for name, found in more.items() if found}
            if not more:
                break
            macros |= more
        made.add(expansion, use)


def chosen_of(macros: Sequence[Macro]) -> Macro:
    """Return the definition, of those in branches of an #if, that has anything in it."""
    return next((macro for macro in macros if macro.body.strip()), macros[0])


class _Text:
    """The text of an outline while it is put together."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.pieces: list[bytes] = []
        self.starts: list[int] = []
        self.origins: list[tuple[str, int]] = []
        self.copied: set[int] = set()
        self.length = 0
        # Where each piece begins, and the bytes of the file that it stands for.
        self.spans: list[tuple[int, int, int, bool]] = []

    def copy(
        self, text: bytes, start: int, end: int, around: tuple[bytes, bytes] = (b"", b"")
    ) -> None:
        """Take over a part of the file as it is. around: what is put before and behind it."""
        before, behind = around
        if end > start:
            at = len(self.starts)
            self.copied.add(at + 1)
            starts = [0, len(before), len(before) + end - start]
            origins = [(self.path, start), (self.path, start), (self.path, end - 1)]
            whole = before + text[start:end] + behind
            self._put(whole, starts, origins, (start, end, behind != b""))

    def add(self, expansion: Expansion, use: Use) -> None:
        """Take over what a use became; blanks keep it apart from its neighbours."""
        starts = [start + 1 for start in expansion.starts]
        span = (use.start, use.end, True)
        self._put(b" " + expansion.text + b" ", starts, expansion.origins, span)

    def _put(
        self,
        text: bytes,
        starts: list[int],
        origins: Sequence[tuple[str, int]],
        span: tuple[int, int, bool],
    ) -> None:
        self.spans.append((self.length, *span))
        self.starts += [self.length + start for start in starts]
        self.origins += origins
        self.pieces.append(text)
        self.length += len(text)

    def expansion(self, text: bytes) -> Expansion:
        return Expansion(text, self.starts, self.origins, frozenset(self.copied))

    def raw(self, offset: int, end: bool = False) -> int:
        """Return the file's byte for one of the text; a use's first or, with `end`, its last."""
        at = bisect_right(self.spans, offset, key=lambda span: span[0]) - 1
        begins, start, behind, is_use = self.spans[at]
        if is_use:
            return behind - 1 if end else start
        return start + offset - begins


def _placed(
    found: Sequence[Item], made: _Text, unit: Unit
) -> tuple[list[Item], dict[int, tuple[Item, ...]]]:
    """Return the items by bytes of the file; those that share bytes are one piece of it."""
    plain = {(i.kind, i.name, i.start, i.end): i for i in unit.items}
    uses = [span for span in made.spans if span[3]]
    groups: list[tuple[int, int, list[Item]]] = []
    for item in found:
        start, end = made.raw(item.start), made.raw(max(item.start, item.end - 1), True) + 1
        if groups and start < groups[-1][1]:
            first, last, members = groups[-1]
            groups[-1] = (first, max(last, end), [*members, item])
        else:
            groups.append((start, end, [item]))
    items: list[Item] = []
    parts: dict[int, tuple[Item, ...]] = {}
    for start, end, members in groups:
        same = plain.get((members[0].kind, members[0].name, start, end))
        used = any(start <= span[1] < end for span in uses)
        if same is not None and not used and len(members) == 1:
            items.append(same)
            continue
        items += [member._replace(start=start, end=end) for member in members]
        parts[start] = tuple(members)
    return items, parts


def _skip(text: bytes, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _closing(text: bytes, start: int) -> int:
    depth = 0
    for match in _MARK.finditer(text, start, min(len(text), start + _FAR)):
        sign = match.group()
        depth += (sign == b"(") - (sign == b")")
        if depth == 0:
            return match.end()
    return start


def _indent(text: bytes) -> int:
    """Return how far what stands behind a text is from the start of its line."""
    return len(text) - text.rfind(b"\n")


def _open_braces(text: bytes, end: int) -> int:
    return text.count(b"{", 0, end) - text.count(b"}", 0, end)


def _is_whole(body: bytes) -> bool:
    """Tell whether a macro's body can be a statement: no declaration, label, cast, open brace."""
    text = (readable(body) if b"__" in body else body).strip()
    if _DECLARES.match(text):
        return False
    if text[-1:] in b":|&,.*-+/(" or text[:1] in b"|,.":
        return False
    return all(body.count(a) == body.count(b) for a, b in (b"{}", b"()")) and not re.match(
        rb"(?:else|case|default|__label__)\b|\w+\s*:[^:]|\(\s*(?:void|struct|const)\b"
        rb"|(?:struct|union)\b[^;{}]*\{",
        text,
    )
