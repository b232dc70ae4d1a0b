"""The words of a text with their places, for one that many are looked for in."""

import re
from collections.abc import Iterator, Mapping, Sequence

_WORD = re.compile(rb"\w+")
_LETTER = re.compile(rb"\w")
# A plain search is faster till a text was asked about so often. Some kernel files are: thirty.
_OFTEN = 200
# Of so many texts the questions are counted, and so many bytes of them have an index.
_MOST_COUNTED = 4096
_MOST_INDEXED = 8 << 20


class Indexes:
    """The indexes of the texts that were asked about often."""

    def __init__(self) -> None:
        self._asked: dict[bytes, int] = {}
        self._found: dict[bytes, Mapping[bytes, Sequence[int]]] = {}
        self._left = _MOST_INDEXED

    def of(self, text: bytes, words: int = 1) -> Mapping[bytes, Sequence[int]] | None:
        """Return where each word of a text stands; None as long as that does not pay.

        words: how many are looked for now.
        """
        found = self._found.get(text)
        if found is not None:
            return found
        asked = self._asked.get(text, 0) + words
        if len(self._asked) > _MOST_COUNTED:
            self._asked.clear()
        self._asked[text] = asked
        if asked < _OFTEN or len(text) > self._left:
            return None
        self._left -= len(text)
        made: dict[bytes, list[int]] = {}
        for match in _WORD.finditer(text):
            made.setdefault(match.group(), []).append(match.start())
        self._found[text] = made
        return made


def is_word(name: bytes) -> bool:
    """Tell whether a name can be a word of an index."""
    return _WORD.fullmatch(name) is not None


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
