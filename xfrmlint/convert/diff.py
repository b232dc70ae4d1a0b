"""Changed files as git diff writes them."""

import difflib
import re
from collections.abc import Iterator, Mapping

from xfrmlint.tree.digest import blob_name

_CONTEXT = 3
_HEADS = re.compile(rb"^[A-Za-z_$]")
_SHORT = 12


def diff_of(files: Mapping[str, tuple[bytes, bytes]]) -> bytes:
    """Return a diff of files that keep their names. files: path -> before and after."""
    return b"".join(part for path in sorted(files) for part in _file(path, *files[path]))


def stat_of(files: Mapping[str, tuple[bytes, bytes]]) -> list[str]:
    """Return what git diff --stat says of them."""
    counts = {path: _counts(*texts) for path, texts in sorted(files.items())}
    width = max(map(len, counts), default=0)
    lines = [
        f" {path.ljust(width)} | {more + less} {'+' * min(more, 30)}{'-' * min(less, 30)}"
        for path, (more, less) in counts.items()
    ]
    added = sum(more for more, _ in counts.values())
    removed = sum(less for _, less in counts.values())
    number = len(counts)
    said = f" {number} file{'s' * (number != 1)} changed"
    said += f", {added} insertion{'s' * (added != 1)}(+)" if added else ""
    said += f", {removed} deletion{'s' * (removed != 1)}(-)" if removed else ""
    return [*lines, said]


def _counts(before: bytes, after: bytes) -> tuple[int, int]:
    lines = list(_hunks(before, after))
    more = sum(line.startswith(b"+") for line in lines)
    return more, sum(line.startswith(b"-") for line in lines)


def _file(path: str, before: bytes, after: bytes) -> Iterator[bytes]:
    name = path.encode("utf-8", "surrogateescape")
    old, new = blob_name(before)[:_SHORT], blob_name(after)[:_SHORT]
    yield b"diff --git a/%s b/%s\n" % (name, name)
    yield f"index {old}..{new} 100644\n".encode()
    yield b"--- a/%s\n+++ b/%s\n" % (name, name)
    yield from _hunks(before, after)


def _hunks(before: bytes, after: bytes) -> Iterator[bytes]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    # Text, one character a byte: difflib compares lines of either kind.
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        first, last = group[0], group[-1]
        head = next((one for one in reversed(old[: first[1]]) if _HEADS.match(one)), b"")
        said = b" " + head.rstrip()[:80] if head else b""
        counted = (first[1] + 1, last[2] - first[1], first[3] + 1, last[4] - first[3])
        yield b"@@ -%d,%d +%d,%d @@%s\n" % (*counted, said)
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (_ended(b" ", one) for one in old[i1:i2])
                continue
            yield from (_ended(b"-", one) for one in old[i1:i2])
            yield from (_ended(b"+", one) for one in new[j1:j2])


def _ended(sign: bytes, line: bytes) -> bytes:
    whole = line.endswith(b"\n")
    return sign + line + (b"" if whole else b"\n\\ No newline at end of file\n")
