"""Macros expanded, with every token's origin kept."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from xfrmlint.c.text import without_comments

_TOKEN = re.compile(
    rb"""[A-Za-z_]\w*|\.?\d(?:[\w.]|'\w)*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|##|->|\+\+|--|<<=?|>>=?|"""
    rb"""[-+*/%&|^=!<>]=|&&|\|\||\.\.\.|\\["']|\S"""
)
_WORD = re.compile(rb"[A-Za-z_]\w*")
# How deep macros may be in each other, and how many tokens may be looked at: the largest expansion
# of a network driver looks at a few thousand.
_DEEPEST = 150
_MOST_TOKENS = 60_000
TOO_MUCH = "macros expand to more than is looked into; they were left as they are written"


class Macro(NamedTuple):
    """A #define. parameters: None for an object-like one.

    start: the body's byte offset. define: the directive's. path: empty for one of the kernel's that
    is known without its header: what it brings forth stands where it is used.
    """

    name: str
    parameters: tuple[str, ...] | None
    body: bytes
    path: str
    start: int
    define: int


class Token(NamedTuple):
    """A preprocessing token, where it came from, and whether white space stood before it.

    painted: it is the name of a macro that it came from, and no longer expanded.
    """

    text: bytes
    path: str
    offset: int
    spaced: bool
    painted: bool = False


class Piece(NamedTuple):
    """C text that stands at an offset of a file."""

    text: bytes
    path: str
    offset: int


class Known(Protocol):
    """What a name that is a macro's stands for: a mapping from names to macros is one."""

    def get(self, name: str, /) -> Macro | None:
        """Return the macro of a name, None if it is none that is to be expanded."""


class Expansion(NamedTuple):
    """Expanded text; `starts[i]` is where the token with origin `origins[i]` begins in it.

    copied: the indexes of those that are no tokens, but longer text as it is in the file.
    cut: whether that would have been too much, and the text is as it was.
    """

    text: bytes
    starts: list[int]
    origins: list[tuple[str, int]]
    copied: frozenset[int] = frozenset()
    cut: bool = False

    def origin(self, offset: int) -> tuple[str, int]:
        """Return path and byte offset from which the token at `offset` came."""
        at = max(0, bisect_right(self.starts, offset) - 1)
        path, start = self.origins[at]
        return path, start + (offset - self.starts[at] if at in self.copied else 0)


def tokens(text: bytes, path: str, offset: int) -> list[Token]:
    """Split C text (comments blanked here) into tokens; `offset` is that of its first byte."""
    text = without_comments(text)
    found = []
    last = 0
    for match in _TOKEN.finditer(text):
        found.append(Token(match.group(), path, offset + match.start(), match.start() > last))
        last = match.end()
    return found


def uses(text: bytes, macros: Known) -> bool:
    """Tell whether a macro's name occurs in `text` as a word."""
    return any(macros.get(match.group().decode()) is not None for match in _WORD.finditer(text))


def expand(text: bytes, path: str, offset: int, macros: Known) -> Expansion:
    """Expand `macros` (and no others) in C text that stands at `offset` of `path`."""
    return expand_all([Piece(text, path, offset)], macros)


def expand_all(parts: Iterable[Piece], macros: Known) -> Expansion:
    """Expand `macros` (and no others) in C text that is put together from several places.

    All of them or, where that would be too much, none.
    """
    line = [token for part in parts for token in tokens(*part)]
    cut = False
    try:
        out = _expand(list(line), macros, frozenset(), _Left(_MOST_TOKENS))
    except _TooMuchError:
        out, cut = line, True
    pieces: list[bytes] = []
    starts: list[int] = []
    origins: list[tuple[str, int]] = []
    at = 0
    for before, token in zip((None, *out), out, strict=False):
        if token.spaced or (before is not None and _grows_together(before, token)):
            pieces.append(b" ")
            at += 1
        starts.append(at)
        origins.append((token.path, token.offset))
        pieces.append(token.text)
        at += len(token.text)
    return Expansion(b"".join(pieces), starts, origins, cut=cut)


def _grows_together(before: Token, token: Token) -> bool:
    """Tell whether two tokens that did not stand side by side would be read as others."""
    if token.path == before.path and token.offset == before.offset + len(before.text):
        return False
    first = _TOKEN.match(before.text + token.text)
    return first is None or first.end() != len(before.text)


class _TooMuchError(Exception):
    """Macros are too deep in each other, or grow too much."""


class _Left:
    """How many tokens may still be looked at, and how deep the macros are."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.depth = 0

    def take(self, tokens: int) -> None:
        """Note that some are looked at; raises _TooMuchError."""
        self.tokens -= tokens
        if self.tokens < 0 or self.depth > _DEEPEST:
            raise _TooMuchError


def _expand(line: list[Token], macros: Known, hidden: frozenset[str], left: _Left) -> list[Token]:
    left.depth += 1
    if left.depth > 1:
        left.take(len(line))
    out: list[Token] = []
    at = 0
    while at < len(line):
        token = line[at]
        at += 1
        if token.text == b"defined":
            # What it asks for is the name itself.
            behind = at + (2 if at < len(line) and line[at].text == b"(" else 1)
            out += [token, *line[at:behind]]
            at = behind
            continue
        macro = macros.get(token.text.decode("utf-8", "replace"))
        if macro is None or macro.name in hidden or token.painted:
            out.append(token if macro is None else token._replace(painted=True))
            continue
        arguments: list[list[Token]] = []
        if macro.parameters is not None:
            if at >= len(line) or line[at].text != b"(":
                out.append(token)
                continue
            arguments, at = _arguments(line, at, left)
        body = _substitute(macro, arguments, macros, hidden, left)
        if not macro.path:
            body = [t if t.path else t._replace(path=token.path, offset=token.offset) for t in body]
        fresh = _expand(body, macros, hidden | {macro.name}, left)
        while fresh and at < len(line) and line[at].text == b"(":
            # What it became can be the name of a function-like macro, its arguments still ahead.
            inner = macros.get(fresh[-1].text.decode("utf-8", "replace"))
            if inner is None or inner.parameters is None or inner.name in hidden | {macro.name}:
                break
            arguments, at = _arguments(line, at, left)
            body = _substitute(inner, arguments, macros, hidden, left)
            fresh[-1:] = _expand(body, macros, hidden | {macro.name, inner.name}, left)
        if fresh:
            fresh[0] = fresh[0]._replace(spaced=True)
        # A macro's result must not grow together with what follows.
        if at < len(line):
            line[at] = line[at]._replace(spaced=True)
        out += fresh
    left.depth -= 1
    return out


def _arguments(line: list[Token], at: int, left: _Left) -> tuple[list[list[Token]], int]:
    """Return the arguments behind the `(` at index `at`, and the index behind the `)`."""
    found: list[list[Token]] = [[]]
    depth = 0
    for index in range(at, len(line)):
        text = line[index].text
        if text == b"(":
            depth += 1
            if depth == 1:
                continue
        elif text == b")":
            depth -= 1
            if depth == 0:
                left.take(index - at)
                return found, index + 1
        if text == b"," and depth == 1:
            found.append([])
        else:
            found[-1].append(line[index])
    left.take(len(line) - at)
    return found, len(line)


def _is_of(macro: Macro, token: Token) -> bool:
    """Tell whether a token stands in a macro's body, and is not one of its arguments."""
    return token.path == macro.path and 0 <= token.offset - macro.start < len(macro.body)


@lru_cache(maxsize=1 << 12)
def _body(macro: Macro) -> tuple[Token, ...]:
    return tuple(tokens(macro.body, macro.path, macro.start))


def _with_options(body: Sequence[Token], kept: bool, left: _Left) -> list[Token]:
    """Return a macro's body with what stands in __VA_OPT__(), or without it."""
    out: list[Token] = []
    at = 0
    while at < len(body):
        token, at = body[at], at + 1
        if token.text != b"__VA_OPT__" or at == len(body) or body[at].text != b"(":
            out.append(token)
            continue
        end = _arguments(list(body), at, left)[1]
        out += body[at + 1 : end - 1] if kept else ()
        at = end
    return out


def _substitute(
    macro: Macro,
    arguments: list[list[Token]],
    macros: Known,
    hidden: frozenset[str],
    left: _Left,
) -> list[Token]:
    body: Sequence[Token] = _body(macro)
    bound: dict[bytes, list[Token]] = {}
    rest: list[Token] = []
    names = macro.parameters or ()
    for index, name in enumerate(names):
        if name.endswith("..."):
            key = name[:-3].strip() or "__VA_ARGS__"
            for argument in arguments[index:]:
                if rest:
                    rest.append(Token(b",", macro.path, macro.start, False))
                rest += argument
            bound[key.encode()] = rest
        else:
            bound[name.encode()] = arguments[index] if index < len(arguments) else []
    if names and names[-1].endswith("...") and b"__VA_OPT__" in macro.body:
        body = _with_options(body, bool(_expand(list(rest), macros, hidden, left)), left)
    out: list[Token] = []
    at = 0
    while at < len(body):
        token = body[at]
        following = body[at + 1].text if at + 1 < len(body) else b""
        if token.text == b"#" and following in bound:
            text = b"".join(b" " * t.spaced + t.text for t in bound[following]).strip()
            quoted = b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
            out.append(token._replace(text=quoted))
            at += 2
            continue
        if token.text == b"##" and out and following:
            right = bound.get(following, [body[at + 1]])
            if not right and out[-1].text == b",":
                # GNU: `, ## __VA_ARGS__` takes the comma away if there are no arguments.
                out.pop()
            if right:
                joined = out[-1].text + right[0].text
                if out[-1].text == b",":
                    out += right
                else:
                    # A pasted name is nowhere as a whole: its first fixed piece stands for it,
                    # unless that only joins others.
                    fixed = _is_of(macro, out[-1]) or following in bound
                    fixed = fixed or not right[0].text.strip(b"_")
                    out[-1] = (out[-1] if fixed else right[0])._replace(
                        text=joined, spaced=out[-1].spaced
                    )
                    out += right[1:]
            at += 2
            continue
        if token.text in bound:
            pasted = following == b"##"
            value = bound[token.text]
            fresh = list(value) if pasted else _expand(list(value), macros, hidden, left)
            if fresh:
                fresh[0] = fresh[0]._replace(spaced=token.spaced)
            elif pasted:
                fresh = [Token(b"", token.path, token.offset, token.spaced)]
            out += fresh
        else:
            out.append(token)
        at += 1
    return [t for t in out if t.text]
