"""Names of macros that can hold a word, by the text of their #defines alone."""

import re
from collections.abc import Iterable, Mapping

_DEFINE = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)((?:\\\r?\n|[^\n])*)", re.M)
_IDENTIFIER = re.compile(rb"[A-Za-z_]\w*")


class Hiding:
    """Answers for many sources; each file's #defines are read once."""

    def __init__(self) -> None:
        self._defines: dict[str, list[tuple[bytes, frozenset[bytes]]]] = {}

    def names(
        self, texts: Mapping[str, bytes], kernels: Mapping[str, bytes], words: Iterable[str]
    ) -> frozenset[bytes]:
        """Return the words, and the macros whose text leads to one; those that paste count, too.

        texts: the driver's own, by full path. kernels: the kernel's headers, whose pasting is their
        own affair.
        """
        found = {*(word.encode() for word in words), b"##"}
        defines = [one for path, text in texts.items() for one in self._of(path, text)]
        for path, text in kernels.items():
            defines += [(name, held - {b"##"}) for name, held in self._of(path, text)]
        grown = True
        while grown:
            fresh = {
                name for name, held in defines if name not in found and not found.isdisjoint(held)
            }
            found |= fresh
            grown = bool(fresh)
        return frozenset(found - {b"##"})

    def _of(self, path: str, text: bytes) -> list[tuple[bytes, frozenset[bytes]]]:
        if path not in self._defines:
            listed = []
            for match in _DEFINE.finditer(text):
                body = match.group(2)
                held = set(_IDENTIFIER.findall(body))
                # A pasted name can be any: ## stands for one of the words.
                if b"##" in body:
                    held.add(b"##")
                if held:
                    listed.append((match.group(1), frozenset(held)))
            self._defines[path] = listed
        return self._defines[path]
