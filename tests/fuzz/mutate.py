"""Text that is nearly what it should be."""

from collections.abc import Sequence
from random import Random

# Numbers at the edges of what programs count with, and what opens, ends or cuts things.
_NUMBERS = [b"0", b"-1", b"1", b"65536", b"2147483648", b"18446744073709551616", b"9" * 40]
_BYTES = [b"\0", b"\xff", b"\xc3", b"\r\n", b"\n", b"\t", b" ", b"\\", b'"', b"'", b"\x1b"]


def mutated(dice: Random, text: bytes, chunks: Sequence[bytes], most: int = 6) -> bytes:
    """Return a text with pieces left out, doubled, moved, swapped or put in."""
    for _ in range(dice.randint(1, most)):
        start = dice.randint(0, len(text))
        end = min(len(text), start + dice.choice([1, 4, 30, 200, 2000]))
        if dice.random() < 0.5:
            # Whole lines stay whole.
            start, end = text.rfind(b"\n", 0, start) + 1, text.find(b"\n", end) + 1 or len(text)
        text = _changed(dice, text, start, max(start, end), chunks)
    return text


def _changed(dice: Random, text: bytes, start: int, end: int, chunks: Sequence[bytes]) -> bytes:
    piece, to = text[start:end], dice.randint(0, len(text))
    match dice.randrange(8):
        case 0:
            return text[:start] + text[end:]
        case 1:
            return text[:end] + piece * dice.choice([1, 1, 2, 50]) + text[end:]
        case 2:
            rest = text[:start] + text[end:]
            return rest[:to] + piece + rest[to:]
        case 3:
            return text[:to] + dice.choice(_BYTES) + text[to:]
        case 4:
            return text[:to] + dice.choice(_NUMBERS) + text[to:]
        case 5 if text:
            at = dice.randrange(len(text))
            return text[:at] + bytes([text[at] ^ (1 << dice.randrange(8))]) + text[at + 1 :]
        case 6:
            return text[: dice.randint(len(text) // 2, len(text))]
        case _:
            return text[:to] + dice.choice(chunks) + text[to:]
