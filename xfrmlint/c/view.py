"""One top-level item ready to be asked: its syntax tree, with macros expanded where they matter."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from tree_sitter import Node, Query

from xfrmlint.c.blanking import readable
from xfrmlint.c.corpus import Corpus
from xfrmlint.c.ctype import CType, Declared, declarators, declared, specified
from xfrmlint.c.expansion import TOO_MUCH, Expansion, Piece, expand_all, uses
from xfrmlint.c.expression import around
from xfrmlint.c.index import words
from xfrmlint.c.macros import Chosen, Offered
from xfrmlint.c.nesting import DEEPEST, SMALL, leaves_at
from xfrmlint.c.nodes import captured, language, node_text, parse
from xfrmlint.c.unit import Item, Place, below, declarator_name, outline
from xfrmlint.contract.words import OPS, XSO


class Local(NamedTuple):
    """A name declared in a function: its type, its initializer, and the range that sees it."""

    name: str
    type: CType
    value: Node | None
    start: int
    end: int
    parameter: int


class FunctionName(NamedTuple):
    """Which function: the file that defines it, its name, the line of its definition."""

    path: str
    name: str
    line: int


_DECLARATIONS = "[(declaration) (parameter_declaration)] @declaration"
# A macro can have a definition for each of several configurations.
_MOST_DEFINITIONS = 4
_TELLING = re.compile(rb"\b(?:%s|%s)\b" % (XSO.encode(), OPS.split()[-1].encode()))
_SCOPES = ("compound_statement", "for_statement", "function_definition")
_NOT_PARSED = "what the macros that are used here make could not be parsed"


class View:
    """An item's text as it is analysed: as written, or with some macros expanded.

    path: the file the item stands in; includes and names are looked up from there. written: the
    item in that file; `item` is the one that expansion made of it. heads: where functions begin in
    the file's first turn: one with several heads is one. settled: the text has one branch of each
    conditional, which a configuration has chosen.
    """

    def __init__(
        self,
        corpus: Corpus,
        path: str,
        item: Item,
        text: bytes,
        expansion: Expansion | None,
        written: Item | None = None,
        settled: bool = False,
    ) -> None:
        self.corpus = corpus
        self.path = path
        self.item = item
        self.written = written or item
        self.settled = settled
        self.node = item.node
        self.text = text
        self.heads: Mapping[str, Place] = {}
        self._expansion = expansion
        # What macros make of the text before attributes are blanked, at the same offsets.
        self.made = expansion.text if expansion is not None else b""
        # What is asked of each of many calls or names is looked for once.
        self._holding: dict[re.Pattern[bytes], bool] = {}
        self._leaves: dict[str, Sequence[Node]] = {}
        self._deep: set[int] = set()
        self._right_sides: dict[str, Sequence[Node]] = {}

    @property
    def kind(self) -> str:
        return self.item.kind

    def holds(self, pattern: re.Pattern[bytes]) -> bool:
        """Tell whether a pattern occurs in the item's text; looked for once."""
        if pattern not in self._holding:
            found = pattern.search(self.text, self.node.start_byte, self.node.end_byte)
            self._holding[pattern] = found is not None
        return self._holding[pattern]

    @property
    def expanded(self) -> bool:
        """Whether macros were expanded."""
        return self._expansion is not None

    def place(self, offset: int) -> Place:
        """Return where the text at `offset` is written (in a macro's body if it came from one)."""
        path, start = self.origin(offset)
        return self.corpus.unit(path).place(start)

    def place_in_item(self, offset: int) -> Place:
        """Return where the text at `offset` is written in the item, where it uses a macro."""
        if self.is_written(offset):
            return self.place(offset)
        return self.corpus.unit(self.path).place(self.written.start)

    def is_written(self, offset: int) -> bool:
        """Tell whether the text at `offset` stands in the item itself, not in a macro's body."""
        path, start = self.origin(offset)
        return path == self.path and self.written.start <= start < self.written.end

    def origin(self, offset: int) -> tuple[str, int]:
        """Return path and byte offset of what stands at `offset` of the view's text."""
        return (self.path, offset) if self._expansion is None else self._expansion.origin(offset)

    @cached_property
    def function(self) -> FunctionName:
        """The function this view shows (an empty name for other items)."""
        named = declarator_name(self.node.child_by_field_name("declarator")) or self.node
        place = self.heads.get(self.item.name) or self._place_of_name(named.start_byte)
        return FunctionName(place.path, self.item.name, place.line)

    def _place_of_name(self, offset: int) -> Place:
        """Return where a function's name is written.

        A header's macro can make one of this name in any source: that is where it is used.
        """
        path, start = self.origin(offset)
        used = path != self.path and self.path.endswith(".c")
        made = used and self.corpus.unit(path).item_at(start) is None
        return self.place_in_item(offset) if made else self.corpus.unit(path).place(start)

    @cached_property
    def body(self) -> Node | None:
        """The block of a function's definition."""
        return self.node.child_by_field_name("body")

    @cached_property
    def jumps(self) -> list[tuple[int, int]]:
        """Where each goto stands, and where its label does (offsets in the view's text)."""
        if self.text.find(b"goto", self.node.start_byte, self.node.end_byte) < 0:
            # Most have none, and need no walk.
            return []
        labels: dict[str, int] = {}
        gotos: list[tuple[int, str]] = []
        for node in below(self.node):
            label = node.child_by_field_name("label")
            if node.type == "labeled_statement" and label is not None:
                labels[node_text(label)] = node.start_byte
            elif node.type == "goto_statement" and label is not None:
                gotos.append((node.start_byte, node_text(label)))
        return [(start, labels[name]) for start, name in gotos if name in labels]

    @cached_property
    def static(self) -> bool:
        """Whether the definition says `static`."""
        end = self.body.start_byte if self.body is not None else self.node.end_byte
        return re.search(rb"\bstatic\b", self.text[self.node.start_byte : end]) is not None

    @cached_property
    def result(self) -> CType | None:
        """What the function returns."""
        base = specified(self.node)
        declarator = self.node.child_by_field_name("declarator")
        if base is None or declarator is None:
            return None
        found = declared(base, declarator)
        return found.type.result if found is not None and found.type.base == "fn" else None

    def occurrences(self, word: str) -> Sequence[Node]:
        """Return the leaf nodes of the item that are this word."""
        found = self._leaves.get(word)
        if found is None:
            found = self._leaves[word] = self._occurrences(word)
        return found

    def _occurrences(self, word: str) -> list[Node]:
        encoded = word.encode("utf-8", "surrogateescape")
        if self.node.end_byte - self.node.start_byte > SMALL:
            return self._leaves_of_many(encoded)
        found = []
        for start in words(self.text, encoded, self.node.start_byte, self.node.end_byte):
            end = start + len(encoded)
            node = self.node.descendant_for_byte_range(start, end)
            if node is not None and node.start_byte == start and node.end_byte == end:
                found.append(node)
        return found

    def _leaves_of_many(self, word: bytes) -> list[Node]:
        starts = words(self.text, word, self.node.start_byte, self.node.end_byte)
        found = []
        for leaf in leaves_at(self.node, ((start, start + len(word)) for start in starts)):
            found.append(leaf.node)
            if leaf.depth > DEEPEST:
                self._deep.add(leaf.node.id)
        return found

    def lies_too_deep(self, node: Node) -> bool:
        """Tell whether an occurrence has more around it than is followed."""
        return node.id in self._deep

    @cached_property
    def locals(self) -> list[Local]:
        """Parameters and local variables, innermost scope last."""
        if self.kind != "function":
            return []
        query = _query(_DECLARATIONS)
        positions = {one.start_byte: index for index, one in enumerate(self.parameter_nodes)}
        found: list[Local] = []
        for node in captured(query, self.node, "declaration"):
            base = specified(node)
            if base is None:
                continue
            position = positions.get(node.start_byte, -1)
            if node.type == "parameter_declaration" and position < 0:
                continue
            scope = (around(node.parent, *_SCOPES) if position < 0 else None) or self.node
            for declarator in declarators(node):
                name = declared(base, declarator)
                if name is not None:
                    at = position
                    if node.parent is not None and node.parent.id == self.node.id:
                        # int f(a) int a; { }
                        written = node_text(name.name)
                        at = self.parameters.index(written) if written in self.parameters else -1
                    start = scope.start_byte if at >= 0 else name.name.start_byte
                    found.append(_local(name, start, scope.end_byte, at))
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[Local]]:
        found: dict[str, list[Local]] = {}
        for local in self.locals:
            found.setdefault(local.name, []).append(local)
        return found

    def local(self, name: str, offset: int) -> Local | None:
        """Return what `name` means at `offset` if it is a parameter or a local variable."""
        best: Local | None = None
        for local in self._by_name.get(name, ()):
            seen = local.start <= offset < local.end
            if seen and (best is None or local.end - local.start <= best.end - best.start):
                best = local
        return best

    def locals_named(self, name: str, offset: int) -> list[Local]:
        """Return all that `name` can mean: twins of one scope stand in branches of an #if."""
        best = self.local(name, offset)
        if best is None:
            return []
        return [
            local
            for local in self._by_name[name]
            if local.end == best.end
            and local.start <= offset
            and (local.parameter < 0) == (best.parameter < 0)
        ]

    @cached_property
    def parameter_nodes(self) -> list[Node]:
        """What declares the function's parameters, in order."""
        return _parameters(self.node)

    @cached_property
    def parameters(self) -> list[str]:
        """Names of the function's parameters in order; empty where there is none."""
        names = []
        for node in self.parameter_nodes:
            found = declarator_name(node.child_by_field_name("declarator") or node)
            names.append(node_text(found) if found is not None else "")
        return names

    def assignments(self, name: str) -> Sequence[Node]:
        """Return the right sides of the assignments to a local name, its initializers too."""
        found = self._right_sides.get(name)
        if found is None:
            found = self._right_sides[name] = self._assignments(name)
        return found

    def _assignments(self, name: str) -> list[Node]:
        found = [v.value for v in self._by_name.get(name, ()) if v.value is not None]
        for node in self.occurrences(name):
            parent = node.parent
            if parent is not None and parent.type == "assignment_expression":
                left = parent.child_by_field_name("left")
                right = parent.child_by_field_name("right")
                if left is not None and right is not None and left.id == node.id:
                    found.append(right)
        return found


def locals_in(root: Node) -> list[Local]:
    """Return what is declared in a piece of code, wherever that stands."""
    return [
        _local(name, name.name.start_byte, root.end_byte, -1)
        for node in captured(_query("(declaration) @declaration"), root, "declaration")
        if (base := specified(node)) is not None
        for declarator in declarators(node)
        if (name := declared(base, declarator)) is not None
    ]


def _local(name: Declared, start: int, end: int, position: int) -> Local:
    return Local(node_text(name.name), name.type, name.value, start, end, position)


_QUERIES: dict[str, Query] = {}


def _query(source: str) -> Query:
    if source not in _QUERIES:
        _QUERIES[source] = Query(language(), source)
    return _QUERIES[source]


def _parameters(function: Node) -> list[Node]:
    node = function.child_by_field_name("declarator")
    while node is not None and node.type != "function_declarator":
        node = node.child_by_field_name("declarator")
    # `int (*f(void))(int)`: the innermost function declarator holds the parameters.
    while node is not None:
        inner = node.child_by_field_name("declarator")
        while inner is not None and inner.type in (
            "parenthesized_declarator",
            "pointer_declarator",
        ):
            inner = next((c for c in inner.named_children if c.type.endswith("declarator")), None)
        if inner is None or inner.type != "function_declarator":
            break
        node = inner
    listed = node.child_by_field_name("parameters") if node is not None else None
    if listed is None:
        return []
    return [c for c in listed.named_children if c.type in ("parameter_declaration", "identifier")]


def views(
    corpus: Corpus, path: str, item: Item, offered: Offered, pieces: Sequence[Piece]
) -> list[View]:
    """Return the views of an item: as written, or with the macros expanded if it uses any.

    A macro with several definitions (under #if and #else) gives a view for each, up to a bound.
    pieces: the item's text.
    """
    if not any(uses(piece.text, Chosen(offered, 0)) for piece in pieces):
        text = corpus.unit(path).turned(item.turn).text
        return [View(corpus, path, item, text, None)]
    made: list[View] = []
    for index in range(_MOST_DEFINITIONS):
        if index >= max(map(len, offered.asked.values())):
            break
        expansion = expand_all(pieces, Chosen(offered, index))
        if expansion.cut:
            corpus.doubts.setdefault((path, item.start), TOO_MUCH)
        plain = readable(expansion.text)
        root = parse(plain).root_node
        # Of a struct the item leaves the semicolon out.
        broken = root.has_error and parse(plain + b";").root_node.has_error
        if broken and not item.node.has_error and _TELLING.search(plain):
            corpus.doubts.setdefault((path, item.start), _NOT_PARSED)
        for inner in outline([root]):
            made.append(View(corpus, path, inner, plain, expansion, item))
    name, found = max(offered.asked.items(), key=lambda one: len(one[1]))
    if len(found) > _MOST_DEFINITIONS:
        why = f"{name} is defined {len(found)} times; {_MOST_DEFINITIONS} of them were looked into"
        corpus.doubts.setdefault((path, item.start), why)
    return made
