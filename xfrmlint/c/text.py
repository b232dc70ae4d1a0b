"""C text as it is written: its comments, strings, directives and logical lines."""

import re
from collections.abc import Iterator

_COMMENT_OR_STRING = re.compile(
    rb"""/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/)?|//(?:\\\r?\n|[^\n])*|"""
    # No character is 1'000.
    rb""""(?:\\.|[^"\\\n])*+"|'(?<![0-9a-fA-F]')(?:\\.|[^'\\\n])*'"""
    # A quote behind a backslash begins nothing: else the end of each would be looked for.
    rb"""|\\["']""",
    re.S,
)
_BLANKS = bytes(byte if byte == ord("\n") else ord(" ") for byte in range(256))
_LINE_END = re.compile(rb"([ \t\r]*)\n")


def spaces(text: bytes) -> bytes:
    """Return white space of the same length with the same newlines."""
    return text.translate(_BLANKS)


def comments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the byte range of each comment; one that never ends goes to the end of the data."""
    for match in _COMMENT_OR_STRING.finditer(data):
        if data[match.start()] == ord("/"):
            yield match.span()


def without_comments(data: bytes) -> bytes:
    """Return `data` with comments blanked; strings and character constants stay."""

    def replace(match: re.Match[bytes]) -> bytes:
        found = match.group()
        if found[:1] != b"/":
            return found
        if b"\n" in found and in_directive(data, match.start()):
            # The comment is one space: the directive goes on behind it.
            return _LINE_END.sub(_joined, spaces(found))
        return spaces(found)

    return _COMMENT_OR_STRING.sub(replace, data)


def without_literals(data: bytes) -> bytes:
    """Return `data` without its comments, strings and character constants."""
    return _COMMENT_OR_STRING.sub(b"", data)


def open_comment(data: bytes, text: bytes) -> int:
    """Return where a comment begins that the file's end cuts off, or -1.

    text: the data with its comments blanked.
    """
    at = data.rfind(b"/*")
    while at >= 0 and text[at : at + 2] == b"/*":
        # In a string.
        at = data.rfind(b"/*", 0, at)
    return at if at >= 0 and data.find(b"*/", at + 2) < 0 else -1


def _joined(match: re.Match[bytes]) -> bytes:
    blanks = match.group(1)
    return blanks[:-1] + b"\\\n" if blanks else b"\n"


def in_directive(data: bytes, offset: int) -> bool:
    """Tell whether an offset lies in a preprocessor's line."""
    return data[logical_line(data, offset) : offset].lstrip()[:1] == b"#"


def logical_line(data: bytes, offset: int) -> int:
    """Return the start of the line (continuations joined) that holds an offset."""
    start = data.rfind(b"\n", 0, offset) + 1
    while start > 1 and data[max(0, start - 3) : start].rstrip(b"\r\n")[-1:] == b"\\":
        start = data.rfind(b"\n", 0, start - 1) + 1
    return start


def in_string(text: bytes, offset: int) -> bool:
    """Tell whether an offset lies in a string literal, by what stands before it in its line."""
    start = text.rfind(b"\n", 0, offset) + 1
    before = text[start:offset]
    return (before.count(b'"') - before.count(b'\\"')) % 2 == 1
