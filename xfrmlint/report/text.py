r"""Text of unknown origin as machine formats can carry it.

What a format has no way to write becomes \xff or \ufffe; unlike printable() these leave all else
alone, so that names come back as they are.
"""

import re
from urllib.parse import quote

from xfrmlint.report.terminal import printable

_SURROGATE = re.compile("[\ud800-\udfff]")
# XML 1.0 (https://www.w3.org/TR/xml/#charsets), Char: not even a reference may name another.
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def utf8(text: str) -> str:
    r"""Return text that UTF-8 can carry: a byte that was no UTF-8 (a surrogate) becomes \xff."""
    return _SURROGATE.sub(lambda found: printable(found[0]), text)


def xml(text: str) -> str:
    r"""Return text that XML 1.0 can carry, as an attribute or between tags: others become \x1b."""
    return _NO_XML.sub(_escaped, text)


def uri(path: str) -> str:
    """Return a relative path as a URI reference (RFC 3986), percent-encoded from its bytes."""
    # No file name holds another surrogate than those that stand for bytes (PEP 383).
    whole = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", path)
    return quote(whole.encode("utf-8", "surrogateescape"))


def before(source: str, column: int) -> str:
    """Return what stands before a column (bytes, from 1) of a line.

    U+FFFD counts as one byte: it stands where one was no UTF-8.
    """
    size = 1
    for number, character in enumerate(source):
        if size >= column:
            return source[:number]
        size += 1 if character == "\ufffd" else len(character.encode("utf-8", "surrogatepass"))
    return source


def _escaped(found: re.Match[str]) -> str:
    text = printable(found[0])
    return text if text != found[0] else f"\\u{ord(text):04x}"
