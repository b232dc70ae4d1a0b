"""Where a struct, a typedef or a function is defined, found in a file's text without parsing it."""

import re

from xfrmlint.c.arguments import closing
from xfrmlint.c.index import words

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
_SPECIFIERS = re.compile(rb"[\w\s*]*")
_INSIDE = re.compile(rb"(?<=\w)")
_STATEMENTS = (b"return", b"else", b"goto", b"case", b"do", b"if", b"while", b"typedef")


def may_define(data: bytes, start: int, end: int, kind: str) -> bool:
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
