"""Where a word stands in a text."""

import re
from collections.abc import Iterator

_LETTER = re.compile(rb"\w")


def has_word(data: bytes, word: bytes, start: int = 0, end: int | None = None) -> bool:
    """Tell whether a word stands in a text as a whole one."""
    return next(words(data, word, start, end), None) is not None


def words(data: bytes, word: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Yield where a word stands as a whole one."""
    # A pattern for each word would take longer to make than this.
    stop = len(data) if end is None else end
    at = data.find(word, start, stop) if word else -1
    while at >= 0:
        behind = at + len(word)
        if not (_LETTER.match(data, at - 1) if at else None) and not _LETTER.match(data, behind):
            yield at
        at = data.find(word, behind, stop)
