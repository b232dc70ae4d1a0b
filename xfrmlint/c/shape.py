"""Which macros stand for more than an expression: statements, heads, braces, attributes, types.

`#define TX(name) static int name##_tx(struct sk_buff *skb)` is a function's head; no parser can
tell that from its use. What is an expression, or do { } while (0), is a call wherever it stands.
"""

import re
from itertools import pairwise
from typing import NamedTuple

from xfrmlint.c.blanking import readable
from xfrmlint.c.text import without_comments

# Numbers, masks and shifts, as most defines of a driver are, are passed over by the search itself.
_DEFINE = re.compile(
    rb"#[ \t]*define[ \t]+(\w++)(?:\(([^)\n]*(?:\\\r?\n[^)\n]*)*)\))?+"
    rb"(?![ \t]+(?:\(*[ \t]*[-~]?\d|\(\(|\"|[A-Z][A-Z0-9_]*\(\d\w*\))[^;{}#\n\\]*$)"
    rb"((?:[^\n\\]++|\\(?:\r?\n)?)*+)",
    re.M,
)
_TOKEN = re.compile(
    rb"""[A-Za-z_]\w*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\.?\d[\w.']*|"""
    rb"""\+\+|--|->|&&|\|\||##|\.\.\.|\\["']|\S"""
)
_SEVERAL = re.compile(rb"(\w*)\s*\.\.\.\s*$")
_WHOLE = re.compile(rb"do\b.*\bwhile\s*\(\s*0\s*\)$|\(\s*\{.*\}\s*\)$", re.S)
_CAST = re.compile(
    rb"\(\s*(?:const\s+|volatile\s+)*(?:(?:struct|union|enum)\s+\w+|(?:(?:unsigned|signed|long|short|"
    rb"int|char|void|bool|size_t)\b\s*)+|_*[su]\d+|\w+_t\b|\w+(?=\s*\*))[\s*]*(?:const\s*)?\)$"
)
_BEGINS = frozenset(
    b"if else for while do switch case default return goto break continue static extern inline "
    b"const volatile register typedef struct union enum unsigned signed int long short char void "
    b"bool auto asm __asm__ __attribute__ __inline __inline__ scoped_guard "
    b"scoped_cond_guard".split()
)
_CONTROL = frozenset(b"if for while switch return sizeof case else typeof do goto".split())
_NEVER_FIRST = frozenset(b"| / % ^ = < > ? : , . -> ) ] } && ||".split())
_NEVER_LAST = frozenset(b"| / % ^ = < > ? : , . -> + - * & ! ~ ( [ && ||".split())


class Shapes(NamedTuple):
    """The macros of a text that are no expressions, and those that are what another one is.

    pasting: those that put names together. aliases: for others the words that they begin and end
    with.
    """

    structural: frozenset[bytes]
    pasting: frozenset[bytes]
    aliases: dict[bytes, frozenset[bytes]]


def shapes_of(defines: bytes) -> Shapes:
    """Tell the #defines of a text apart."""
    structural: set[bytes] = set()
    pasting: set[bytes] = set()
    aliases: dict[bytes, frozenset[bytes]] = {}
    for match in _DEFINE.finditer(defines):
        name, parameters, body = match.groups()
        text = without_comments(body.replace(b"\\\n", b" \n").replace(b"\\\r\n", b" \r\n")).strip()
        tokens = _TOKEN.findall(text)
        if b"##" in tokens:
            pasting.add(name)
        named = frozenset(re.findall(rb"\w+", parameters or b""))
        if _is_structural(named, text, tokens) or _lists(parameters or b"", tokens):
            structural.add(name)
        elif tokens[0][:1].isalpha() or tokens[0][:1] == b"_" or len(tokens) == 1:
            aliases[name] = frozenset((tokens[0], tokens[-1]))
    return Shapes(frozenset(structural), frozenset(pasting), aliases)


def _lists(parameters: bytes, tokens: list[bytes]) -> bool:
    """Tell whether the arguments are an initializer's list: `.member = value` is no expression."""
    several = _SEVERAL.search(parameters)
    name = several[1] or b"__VA_ARGS__" if several is not None else b""
    around: list[bytes] = []
    for token, behind in pairwise(tokens if name else ()):
        if token in (b"(", b"[", b"{"):
            around.append(token)
        elif token in (b")", b"]", b"}"):
            around = around[:-1]
        elif token == name and around[-1:] == [b"{"] and behind in (b",", b"}"):
            return True
    return False


def _is_structural(parameters: frozenset[bytes], text: bytes, tokens: list[bytes]) -> bool:
    if not tokens or not readable(text).strip():
        return True
    if _WHOLE.match(text):
        return False
    if tokens[0] in _BEGINS or tokens[0] in _NEVER_FIRST or tokens[-1] in _NEVER_LAST:
        return True
    listed = tokens[0] == b"{" and tokens[-1] == b"}" and b";" not in tokens
    depth = 0
    before = b""
    for at, token in enumerate(tokens):
        if depth == 0 and not listed:
            if token in (b";", b"{"):
                return True
            word = token[:1].isalpha() or token[:1] == b"_"
            named = before[:1].isalpha() or before[:1] == b"_"
            # Two operands side by side: a declaration, an attribute, several calls.
            if word and named and before not in _CONTROL:
                return True
            if word and before == b")" and tokens[0] != b"(":
                return True
            # What a parameter stands for can be anything.
            if token == b"(" and before in parameters and at == 1:
                return True
        if token in (b"(", b"[", b"{"):
            depth += 1
        elif token in (b")", b"]", b"}"):
            depth -= 1
            if depth < 0:
                return True
        before = token
    return depth != 0 or _CAST.match(text) is not None
