"""Names that are defined for some kernels only, and then asked for.

    #if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 4, 0)
    #define HAVE_RESOLVER
    #endif
    #ifdef HAVE_RESOLVER

is true in 7.4, here and in all that includes this file; in 7.3 it is false.
"""

import re
from collections.abc import Iterable, Mapping

from xfrmlint.c.conditionals import VERSIONED, Known, truth

_NAMED = re.compile(rb"\s*#\s*\w+\s+(\w+)(?:[ \t]+(\d+)[ \t]*$)?")
_FIRST = re.compile(r"\s*(\w+)")
_WORD = re.compile(r"[A-Za-z_]\w*")
_CONSTANT = re.compile(rb"^[ \t]*\(?[ \t]*([01])[ \t]*\)?\s*$")
# What a name is worth that is not defined.
UNDEFINED = -1


class Features:
    """The names that were settled so far, while a file is read from top to bottom.

    settled: those of the headers, with their values. known: what is known of all other names.
    """

    def __init__(self, known: Known, settled: Mapping[str, int]) -> None:
        self._others = known
        self.settled = dict(settled)
        self._open: set[str] = set()
        self._guard = ""

    def holds(self, kind: str, rest: bytes) -> bool | None:
        """Tell whether the condition of an #if, #ifdef or the like holds; None if that is open."""
        constant = _CONSTANT.match(rest) if kind in ("if", "elif") else None
        if constant is not None:
            return constant.group(1) == b"1"
        if VERSIONED not in rest and not self.settled:
            return None
        text = rest.decode("utf-8", "replace")
        if kind in ("if", "elif"):
            return truth(text, self._known) if self._speaks_of(text) else None
        name = _FIRST.match(text)
        value = self.settled.get(name.group(1)) if name is not None else None
        return None if value is None else (value != UNDEFINED) != kind.endswith("ndef")

    def note(self, line: bytes, around: Iterable[tuple[str, bool | None]]) -> None:
        """Note a #define or #undef. around: the branches it stands in, and if they are compiled."""
        match = _NAMED.match(line)
        if match is None:
            return
        name = match.group(1).decode()
        branches = list(around)
        outermost = branches[0][0] if branches else ""
        if outermost == f"#ifndef {name}":
            # Who includes the file a second time has all of it already.
            self._guard = outermost
        if outermost and outermost == self._guard:
            del branches[0]
        compiled = [one for _, one in branches]
        if not any(self._speaks_of(label) for label, _ in branches):
            self._open.add(name)
            self.settled.pop(name, None)
        elif False in compiled:
            if name not in self._open:
                self.settled.setdefault(name, UNDEFINED)
        elif None in compiled or not line.lstrip(b" \t#").startswith(b"define"):
            self._open.add(name)
            self.settled.pop(name, None)
        else:
            self.settled[name] = int(match.group(2) or 1)

    def _speaks_of(self, text: str) -> bool:
        if VERSIONED.decode() in text:
            return True
        return any(word in self.settled for word in _WORD.findall(text))

    def _known(self, asking: str, name: str) -> int | None:
        if name not in self.settled or asking not in ("", "defined"):
            return self._others(asking, name)
        value = self.settled[name]
        return int(value != UNDEFINED) if asking else max(value, 0)
