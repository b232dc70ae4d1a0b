"""One parsed file: its blanked text, its syntax tree and its outline of top-level items."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from tree_sitter import Node, Parser, Range, Tree

from xfrmlint.c.blanking import Blanked, Branch, blank
from xfrmlint.c.features import Named
from xfrmlint.c.nodes import language, node_text, parse
from xfrmlint.c.text import without_comments
from xfrmlint.kernel.release import Release
from xfrmlint.tree.lines import line_text

# A driver's largest source has 1.8 MB; beyond this the parser's time and memory run away.
LARGEST = 4 * 1024 * 1024
# A merge that nobody has resolved.
_CONFLICT = re.compile(rb"^<{7} .*?^={7}\r?$.*?^>{7} ", re.M | re.S)
_MARKER = re.compile(rb"^(?:[<>]{7} |={7}\r?$)", re.M)
# Behind it another item begins: two words, or a macro.
_END = re.compile(
    rb"^(\}[ \t;]*)\n\s*(?<=\n)(?!(?:else|while|if|for|switch|return|goto|case)\b)"
    rb"(?:[A-Za-z_]\w*[\s*]+[A-Za-z_]|[A-Z][A-Z0-9_]+[ \t]*\()",
    re.M,
)


class Item(NamedTuple):
    """A top-level piece of a file.

    kind: function, declaration, type or other. name: the function's, else empty.
    start, end: byte offsets. turn: of the unit that it is an item of.
    """

    kind: str
    name: str
    start: int
    end: int
    node: Node
    turn: int = 0


class Place(NamedTuple):
    """A point of a file: path, line from 1, column from 1 (bytes)."""

    path: str
    line: int
    column: int


class Unread(NamedTuple):
    """Why a file is not parsed at all. line: 0 for the whole of it."""

    line: int
    reason: str


class Unit:
    """A file as the parser sees it; nothing is seen of one that is `unread`.

    path: relative to the tree's root. data: the bytes on disk. words, release, turn, features: see
    `blank`.
    like: the same file, of which everything can be taken over.
    """

    def __init__(
        self,
        path: str,
        data: bytes,
        words: re.Pattern[bytes] | None = None,
        like: "Unit | None" = None,
        release: Release | None = None,
        turn: int = 0,
        features: tuple[tuple[str, Named], ...] = (),
    ) -> None:
        self.path = path
        self.release = release
        self.features = features
        self.turn = turn
        self._words = words
        self._turned: dict[int, Unit] = {}
        self.unread = _unread(data)
        self.data = b"" if self.unread else data
        self._like = like
        self.blanked: Blanked = (
            blank(self.data, words, release, turn, features) if like is None else like.blanked
        )
        self.text = self.blanked.text

    def turned(self, turn: int) -> "Unit":
        """Return the file with other branches where it has a choice of one (see Blanked)."""
        if turn == self.turn:
            return self
        if turn not in self._turned:
            like = self._like.turned(turn) if self._like is not None else None
            self._turned[turn] = Unit(
                self.path, self.data, self._words, like, self.release, turn, self.features
            )
        return self._turned[turn]

    @cached_property
    def tree(self) -> Tree:
        return parse(self.text) if self._like is None else self._like.tree

    @property
    def parsed(self) -> bool:
        """Whether the syntax tree was asked for (a file can be read for a struct's text alone)."""
        return "tree" in self.__dict__

    @cached_property
    def _newlines(self) -> list[int]:
        return [m.start() for m in re.finditer(rb"\n", self.data)]

    def line(self, offset: int) -> int:
        """Return the line (from 1) of a byte offset."""
        # The newline that ends a line belongs to it.
        at = bisect_right(self._newlines, offset)
        if at and self._newlines[at - 1] == offset:
            at -= 1
        return at + 1

    def place(self, offset: int) -> Place:
        """Return path, line and column of a byte offset."""
        line = self.line(offset)
        start = self._newlines[line - 2] + 1 if line > 1 else 0
        return Place(self.path, line, offset - start + 1)

    def offset(self, line: int, column: int) -> int:
        """Return the byte offset of a line and column, both from 1; the end for one behind it."""
        if line - 2 >= len(self._newlines):
            return len(self.data)
        start = self._newlines[line - 2] + 1 if line > 1 else 0
        return start + max(column, 1) - 1

    def line_text(self, line: int) -> str:
        """Return one line of the file, undecodable bytes replaced."""
        if line > len(self._newlines) + 1:
            return ""
        start = self._newlines[line - 2] + 1 if line > 1 else 0
        end = self._newlines[line - 1] if line <= len(self._newlines) else len(self.data)
        return line_text(self.data[start:end], 1)

    @cached_property
    def tops(self) -> list[Node]:
        """What stands at the top of the file, see top_nodes()."""
        # This file counts as parsed, whoever did it.
        root = self.tree.root_node
        return top_nodes(root) if self._like is None else self._like.tops

    @cached_property
    def items(self) -> list[Item]:
        """Top-level items in order of start; wrappers (extern "C", error nodes) are opened."""
        tops = self.tops
        return outline(tops, self.turn) if self._like is None else self._like.items

    @cached_property
    def _starts(self) -> list[int]:
        return [item.start for item in self.items]

    def item_at(self, offset: int) -> Item | None:
        """Return the top-level item that holds a byte offset."""
        at = bisect_right(self._starts, offset) - 1
        if at >= 0 and offset < self.items[at].end:
            return self.items[at]
        return None

    def functions(self, name: str) -> list[Item]:
        """Return the definitions of a function (several where an #else has a stub)."""
        return self._functions.get(name, [])

    @cached_property
    def _functions(self) -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = {}
        for item in self.items:
            if item.kind == "function":
                found.setdefault(item.name, []).append(item)
        for turn in range(1, self.blanked.turns):
            for item in self.turned(turn).items:
                if item.kind == "function" and item.name not in found:
                    found[item.name] = [item]
        return found

    def condition(self, offset: int) -> str:
        """Return the innermost conditional around an offset as text, or an empty string."""
        branch = self.branch(offset)
        return branch.condition if branch is not None else ""

    def branch(self, offset: int) -> Branch | None:
        """Return the innermost branch around an offset that need not be compiled."""
        starts, branches = self._innermost
        return branches[bisect_right(starts, offset) - 1]

    @cached_property
    def _innermost(self) -> tuple[list[int], list[Branch | None]]:
        """Return from where on which branch is the innermost one."""
        found: list[tuple[int, Branch | None]] = [(0, None)]
        around: list[Branch] = []
        for branch in self.blanked.branches:
            while around and around[-1].end <= branch.start:
                end = around.pop().end
                found.append((end, around[-1] if around else None))
            if not branch.compiled and branch.start < branch.end:
                around.append(branch)
                found.append((branch.start, branch))
        while around:
            end = around.pop().end
            found.append((end, around[-1] if around else None))
        return [start for start, _ in found], [branch for _, branch in found]

    @cached_property
    def defines(self) -> frozenset[int]:
        """Where the #defines of live code begin."""
        return frozenset(at for kind, at, _ in self.blanked.directives if kind == "define")

    @cached_property
    def errors(self) -> list[int]:
        """Lines at which the parser had to give up and start again."""
        return sorted({self.line(start) for start in errors_in(self.tops)})


def _unread(data: bytes) -> Unread | None:
    if len(data) > LARGEST:
        return Unread(0, "larger than 4 MiB; not parsed")
    found = _CONFLICT.search(data) if b"<<<<<<< " in data else None
    if found is None or not _MARKER.search(without_comments(data)):
        return None
    line = data.count(b"\n", 0, found.start()) + 1
    return Unread(line, f"conflict markers at line {line}; not parsed")


def below(node: Node) -> Iterator[Node]:
    """Yield a node and all that have a name below it, in the order of the text."""
    stack = [node]
    while stack:
        one = stack.pop()
        yield one
        stack += reversed(one.named_children)


def errors_in(tops: Iterable[Node]) -> list[int]:
    """Return the offsets at which the parser had to give up and start again."""
    found = []
    stack = [node for node in tops if node.has_error]
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            found.append(node.start_byte)
            continue
        stack += [child for child in _not_understood(node) if child.has_error]
    return found


def _not_understood(node: Node) -> list[Node]:
    """Return the children of a node without those whose form is known, whatever the parser says.

    That is `static DEFINE_X(a, b);`, which it takes for a type, and its arguments for types (see
    declared_argument()).
    """
    children = node.children
    if node.type == "declaration" and any(map(_is_macro_use, children)):
        return [child for child in children if not _is_macro_use(child) and not child.is_missing]
    return children


def _is_macro_use(node: Node) -> bool:
    """Tell whether a node is NAME(a, b, c) where a type is looked for."""
    if node.type != "macro_type_specifier":
        return False
    names = [c for child in node.children for c in (child.children if child.is_error else [child])]
    return all(c.type in ("identifier", "(", ")", ",", "type_descriptor") for c in names)


def declarator_name(node: Node | None) -> Node | None:
    """Return the identifier that a declarator declares."""
    while node is not None:
        if node.type in ("identifier", "field_identifier", "type_identifier"):
            return node
        inner = node.child_by_field_name("declarator")
        if inner is None and node.type in ("parenthesized_declarator", "attributed_declarator"):
            inner = next(
                (c for c in node.named_children if "declarator" in c.type or "ident" in c.type),
                None,
            )
        node = inner
    return None


_WRAPPERS = {"ERROR", "linkage_specification", "declaration_list", "translation_unit"}


def is_same(item: Item, other: Item) -> bool:
    """Tell whether two turns of a file have these items in place of each other."""
    named = item.kind == other.kind and item.name == other.name
    return named and item.start < other.end and other.start < item.end


def top_nodes(root: Node) -> list[Node]:
    """Return the nodes at the top of a tree.

    Behind what it does not understand the parser can take the rest of a file for one function: such
    a one is parsed again in pieces, up to each brace at the start of a line.
    """
    found: list[Node] = []
    for node in [root] if root.is_error else root.children:
        ends = _ends_within(node) if node.has_error else []
        found += _pieces(node, ends) if ends else [node]
    return found


def _ends_within(node: Node) -> list[int]:
    """Return the offsets in a node at which an item ends and another one begins."""
    if node.type == "linkage_specification":
        return []
    return [node.start_byte + match.end(1) for match in _END.finditer(node.text or b"")]


def _point(text: bytes, offset: int) -> tuple[int, int]:
    return text.count(b"\n", 0, offset), offset - text.rfind(b"\n", 0, offset) - 1


def _pieces(node: Node, ends: Sequence[int]) -> Iterator[Node]:
    """Yield the roots of the trees of a node's text, parsed in pieces that end at some offsets."""
    # Each stands at its place.
    whole = node.text or b""
    text = bytes(node.start_byte) + whole
    start, first = node.start_byte, (node.start_point.row, node.start_point.column)
    for end in (*ends, node.end_byte):
        piece = text[start:end]
        rows, columns = _point(piece, len(piece))
        last = (first[0] + rows, columns if rows else first[1] + columns)
        yield (
            Parser(language(), included_ranges=[Range(first, last, start, end)])
            .parse(text)
            .root_node
        )
        start, first = end, last


def outline(tops: Iterable[Node], turn: int = 0) -> list[Item]:
    """Return the items that some nodes at the top are, wrappers opened, in order of start."""
    items: list[Item] = []
    stack = [*tops]
    while stack:
        node = stack.pop()
        if node.type in _WRAPPERS:
            stack += node.named_children
            continue
        items.append(_item(node, turn))
    items.sort(key=lambda item: item.start)
    return items


def _item(node: Node, turn: int) -> Item:
    kind, name = "other", ""
    if node.type == "function_definition":
        found = declarator_name(node.child_by_field_name("declarator"))
        kind, name = "function", node_text(found) if found is not None else ""
    elif node.type == "declaration":
        kind = "declaration"
    elif node.type in ("type_definition", "struct_specifier", "union_specifier", "enum_specifier"):
        kind = "type"
    return Item(kind, name, node.start_byte, node.end_byte, node, turn)
