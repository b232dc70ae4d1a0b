"""The numbers that names stand for: macros, enumerators and the expressions behind them."""

import re
from collections.abc import Iterable, Sequence
from functools import partial

from tree_sitter import Node

from xfrmlint.c.arguments import split_arguments
from xfrmlint.c.arithmetic import value_of
from xfrmlint.c.ctype import CType
from xfrmlint.c.expansion import Macro, expand
from xfrmlint.c.expression import arguments_of
from xfrmlint.c.index import words
from xfrmlint.c.integers import (
    INT,
    POINTER,
    ULLONG,
    ULONG,
    Int,
    IntType,
    integer,
    number,
    signed,
    wrapped,
)
from xfrmlint.c.macros import named
from xfrmlint.c.nodes import node_text, parse
from xfrmlint.c.types import Types, written_type

_WORD = re.compile(rb"[A-Za-z_]\w*")
_TRUTHS = {"true": Int(1, INT), "false": Int(0, INT), "NULL": Int(0, ULONG)}
_ENUM = re.compile(rb"\benum\b[^;{}()]*\{")
_BEFORE = re.compile(rb"[{,]\s*$")
IN_PARENTHESES = ("parenthesized_expression", "argument_list")
_MOST = 60
# include/linux/bits.h and bitfield.h, whose own texts check their arguments with builtins.
BITS = re.compile(r"^((BIT|GENMASK)(_ULL)?|FIELD_(PREP|GET))$")


class Constants:
    """Answers about one corpus; every name is looked up once."""

    def __init__(self, types: Types) -> None:
        self.types = types
        self._values: dict[tuple[str, str], Int | None] = {}
        self._names: dict[tuple[str, str, bool], Int | None] = {}

    def value(self, text: str, path: str) -> Int | None:
        """Return the value of a constant expression that stands in a file, or None."""
        plain = number(text) or _TRUTHS.get(text)
        if plain is not None:
            return plain
        key = (text, path)
        if key not in self._values:
            self._values[key] = None
            self._values[key] = self._evaluated(text.encode("utf-8", "surrogateescape"), path)
        return self._values[key]

    def _evaluated(self, text: bytes, path: str) -> Int | None:
        macros: dict[str, Macro] = {}
        wanted = _WORD.findall(text)
        while wanted and len(macros) < _MOST:
            name = wanted.pop().decode()
            seen = name in macros or name in _TRUTHS or BITS.match(name)
            macro = self.types.macro(name, path) if not seen else None
            if macro is None:
                continue
            if name in self.types.corpus.given(path):
                return None
            if len({m.body.strip() for m in named(self.types.corpus, name, macro.path)}) > 1:
                # Which of them holds is up to the configuration.
                return None
            macros[name] = macro
            wanted += _WORD.findall(macro.body)
        made = text
        if macros:
            expansion = expand(b" ".join(text.split()), path, 0, macros)
            if expansion.cut:
                return None
            made = expansion.text
        root = parse(b"int _ = " + made.replace(b"\\\n", b" ") + b";").root_node
        declared = root.named_children[0] if root.named_child_count == 1 else None
        if root.has_error or declared is None or declared.type != "declaration":
            return None
        inside = declared.child_by_field_name("declarator")
        return self._of(inside.child_by_field_name("value") if inside else None, path)

    def _of(self, node: Node | None, path: str, depth: int = 0) -> Int | None:
        return value_of(node, partial(self._known, path), depth)

    def _known(self, path: str, node: Node, depth: int) -> Int | None:
        """Return what a name, a cast or a call is worth."""
        match node.type:
            case "identifier" | "true" | "false" | "null":
                name, corpus = node_text(node), self.types.corpus
                if name in corpus.given(path):
                    given = corpus.given(path)[name]
                    return self.value(given, path) if given != name else None
                return _TRUTHS.get(name) or self._enumerator(name, path, corpus.closure(path))
            case "binary_expression":
                # `(u32)-1` is taken for a subtraction.
                kind = self.cast_in(node.child_by_field_name("left"), path)
                right = node.child_by_field_name("right") if kind is not None else None
                inner = self._of(right, path, depth + 1)
                sign = node.child_by_field_name("operator")
                made = signed(sign.type, inner) if sign is not None and inner is not None else None
                return wrapped(made.value, kind) if made is not None and kind is not None else None
            case "cast_expression":
                inner = self._of(node.child_by_field_name("value"), path, depth + 1)
                wide = self.cast_to(node, path)
                return wrapped(inner.value, wide) if inner is not None and wide else None
            case "call_expression":
                return self._call(node, path, depth)
        return None

    def cast_to(self, node: Node, path: str) -> IntType | None:
        """Return the type of a cast; an address is as wide as an unsigned long."""
        written = node.child_by_field_name("type")
        cast = written_type(written) if written is not None else None
        return self.type(cast, path) if cast is not None else None

    def type(self, kind: CType, path: str) -> IntType | None:
        """Return the integer type that a type comes to in a file; None for structs and the like."""
        if kind.pointers:
            return POINTER
        # The kernel's own names are known: their typedefs stand behind hundreds of headers.
        known = integer(kind)
        if known is not None or kind.base.startswith("struct "):
            return known
        kind = self.types.resolved(kind, path)
        return POINTER if kind.pointers else integer(kind)

    def cast_in(self, node: Node | None, path: str) -> IntType | None:
        """Return the type in parentheses that the parser took for an operand or a function."""
        if node is None or node.type not in IN_PARENTHESES or node.named_child_count != 1:
            return None
        inside = node.named_children[0]
        if inside.type not in ("identifier", "type_identifier"):
            return None
        return self.type(CType(node_text(inside)), path)

    def _call(self, node: Node, path: str, depth: int) -> Int | None:
        called = node.child_by_field_name("function")
        values = [self._of(one, path, depth + 1) for one in arguments_of(node)]
        known = [one for one in values if one is not None]
        if called is None or not known or len(known) < len(values):
            return None
        kind = self.cast_in(called, path)
        if kind is not None:
            return wrapped(known[-1].value, kind)
        return bits(node_text(called), known)

    def is_constant(self, name: str, path: str) -> bool:
        """Tell whether a driver has an enumerator of this name, or the compiler is told of it."""
        if name in self.types.corpus.given(path):
            return True
        return self._enumerator(name, path, self.types.corpus.local(path)) is not None

    def _enumerator(self, name: str, path: str, places: Iterable[str]) -> Int | None:
        key = (name, path, isinstance(places, list))
        if key not in self._names:
            self._names[key] = None
            word = name.encode("utf-8", "surrogateescape")
            for place in places:
                data = self.types.corpus.data(place)
                if word in data and b"enum" in data and _may_list(data, word):
                    found = self._among(word, place, path)
                    if found is not None:
                        self._names[key] = found
                        break
        return self._names[key]

    def _among(self, word: bytes, place: str, path: str) -> Int | None:
        """Return the value of an enumerator of a file that `path` sees."""
        text = self.types.corpus.unit(place).text
        for at in words(text, word):
            if _BEFORE.search(text, max(0, text.rfind(b"\n", 0, max(0, at - 200))), at) is None:
                continue
            opened = _opened(text, at)
            if opened < 0 or b"}" in text[opened:at]:
                continue
            return self._counted(
                split_arguments(text[opened : text.find(b"}", at)] + b")"), word, path
            )
        return None

    def _counted(self, listed: Iterable[bytes], word: bytes, path: str) -> Int | None:
        base: Int | None = Int(0, INT)
        since = 0
        for one in listed:
            name, _, value = one.partition(b"=")
            if value.strip():
                given = self.value(value.strip().decode("utf-8", "surrogateescape"), path)
                # Those behind one that is not known count on from it.
                base, since = given, 0
            if name.strip() == word:
                return Int(base.value + since, base.type) if base is not None else None
            since += 1
        return None


def bits(name: str, values: Sequence[Int]) -> Int | None:
    """Return what BIT(), GENMASK(), FIELD_PREP() and FIELD_GET() make of numbers; None else."""
    if not BITS.match(name):
        return None
    numbers = [one.value for one in values]
    if name.startswith("FIELD") and len(numbers) == 2 and numbers[0]:
        mask, given = numbers
        low = (mask & -mask).bit_length() - 1
        made = given << low & mask if name == "FIELD_PREP" else (given & mask) >> low
        return wrapped(made, values[0].type)
    if any(not 0 <= one < 64 for one in numbers):
        return None
    wide = ULLONG if name.endswith("_ULL") else ULONG
    match name[:3], numbers:
        case "BIT", [at]:
            return Int(1 << at, wide)
        case "GEN", [high, low] if high >= low:
            return Int((1 << (high + 1)) - (1 << low), wide)
    return None


def _opened(text: bytes, at: int) -> int:
    """Return where the list of the last enum before an offset begins; -1 if there is none."""
    start = text.rfind(b"enum", 0, at)
    while start >= 0:
        match = _ENUM.search(text, max(0, start - 1), at)
        if match is not None:
            return match.end()
        start = text.rfind(b"enum", 0, start)
    return -1


def _may_list(data: bytes, word: bytes) -> bool:
    """Tell whether a word can stand in a list, by what is before it in its line."""
    before = (data[data.rfind(b"\n", 0, at) + 1 : at].rstrip() for at in words(data, word))
    # A comment may stand between.
    return any(one[-1:] in (b"", b"{", b",", b"/") for one in before)
