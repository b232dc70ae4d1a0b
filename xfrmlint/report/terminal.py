"""Text of unknown origin made fit for a terminal, and the colours that checkpatch uses.

Paths, source lines and names come from whoever wrote the tree: printed as they are they could
move the cursor, rename the window, or show code in another order than the compiler reads it.
"""

import unicodedata

RED, GREEN, YELLOW, BLUE, RESET = (f"\033[{code}m" for code in (31, 32, 33, 34, 0))
LEVEL_COLOURS = {"ERROR": RED, "WARNING": YELLOW, "CHECK": GREEN}

# Controls, formats (bidi, zero width, tags), surrogates, private use, line and paragraph ends.
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def printable(text: str, keep_tabs: bool = False) -> str:
    r"""Return text as one line that a terminal shows and can't act on, and UTF-8 can carry.

    Control characters become \x1b, a byte that was no UTF-8 (a surrogate escape) \xff, anything
    else without a visible form \u202e or \U000e0041. keep_tabs: leave tabs alone, for source lines.
    """
    if text.isprintable():
        return text
    return "".join(_shown(c) if not (keep_tabs and c == "\t") else c for c in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    # U+0080 to U+009F aren't written \x80: that is a byte.
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def colored(level: str, text: str, tail: str = "") -> str:
    """Return text in the colour of a level, then tail in blue, as checkpatch colours its prefix.

    level: ERROR, WARNING, CHECK; text in any other is left without colour.
    """
    colour = LEVEL_COLOURS.get(level)
    if colour is None:
        return text + tail
    return f"{colour}{text}{BLUE + tail if tail else ''}{RESET}"
