"""What names are while a file is read: those that some kernels only define, and then ask for.

    #if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 4, 0)
    #define HAVE_RESOLVER
    #endif
    #ifdef HAVE_RESOLVER

is true in 7.4, here and in all that includes this file; in 7.3 it is false. So is what stands for
such a question: `#define SINCE(a, b) (LINUX_VERSION_CODE >= KERNEL_VERSION(a, b, 0))`. What is
defined whatever is configured, here or in a header of the kernel, decides as well.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from xfrmlint.c.conditionals import VERSIONED, Known, known_in, truth
from xfrmlint.c.expansion import Macro, expand

_NAMED = re.compile(r"\s*(?:#|%:)\s*(define|undef)\s+(\w+)(?:\(([^)]*)\))?(.*)", re.S)
_FIRST = re.compile(r"\s*(\w+)")
_WORD = re.compile(r"[A-Za-z_]\w*")
_CONSTANT = re.compile(rb"^[ \t]*\(?[ \t]*([01])[ \t]*\)?\s*$")


class Named(NamedTuple):
    """What a name is. defined: None if that, or as what, is open.

    settled: whether that is so because of the tree's version, of what the compiler is told, or of
    nothing at all. What is not defined and not settled may be, by a file that is not seen.
    """

    defined: bool | None
    parameters: tuple[str, ...] | None = None
    body: str = ""
    settled: bool = False


OPEN = Named(None)


def defined_by(line: bytes) -> Named:
    """Return what the name of a #define is behind it."""
    features = Features(known_in(None), {})
    features.note(line, ())
    return next(iter(features.named.values()), OPEN)


def merged(one: Named | None, other: Named) -> Named:
    """Return what a name is behind two headers."""
    if one is None or one == other or (one.defined is False and other.defined is not None):
        return other
    return one if other.defined is False and one.defined else OPEN


class Features:
    """What is known of names so far, while a file is read from top to bottom.

    named: what they are in the headers. known: what is known of all other names.
    """

    def __init__(self, known: Known, named: Mapping[str, Named]) -> None:
        self._others = known
        self.named = dict(named)
        self._guard = ""

    def holds(self, kind: str, rest: bytes) -> bool | None:
        """Tell whether the condition of an #if, #ifdef or the like holds; None if that is open."""
        constant = _CONSTANT.match(rest) if kind in ("if", "elif") else None
        if constant is not None:
            return constant.group(1) == b"1"
        if VERSIONED not in rest and not self.named:
            return None
        text = rest.decode("utf-8", "replace")
        if kind in ("if", "elif"):
            return truth(self._expanded(text), self._known) if self._speaks_of(text) else None
        name = _FIRST.match(text)
        if name is None or name[1] not in self.named or not self._speaks_of(name[1]):
            return None
        defined = self._known("defined", name[1])
        return None if defined is None else bool(defined) != kind.endswith("ndef")

    def note(self, line: bytes, around: Iterable[tuple[str, bool | None]]) -> None:
        """Note a #define or #undef. around: the branches it stands in, and if they are compiled."""
        match = _NAMED.match(line.decode("utf-8", "replace").replace("\\\n", " "))
        if match is None:
            return
        kind, name, parameters, body = match.groups()
        found = self.named.get(name)
        branches = list(around)
        default = f"#ifndef {name}"
        if branches and branches[0][0] == default:
            # Who includes the file a second time has all of it already.
            self._guard = default
        if branches and branches[0][0] == self._guard:
            del branches[0]
        if default in (self._guard, *(label for label, _ in branches)) and found is not None:
            # It was defined before, or that is open.
            if found.defined is not False:
                return
        compiled = [one for label, one in branches if label != default]
        if False in compiled:
            known = found is not None or self._others("defined", name)
            settled = any(self._speaks_of(label) for label, _ in branches)
            if settled and kind == "define" and not known:
                self.named[name] = Named(False, settled=True)
        elif None in compiled or kind == "undef":
            self.named[name] = OPEN
        else:
            names = None if parameters is None else tuple(map(str.strip, parameters.split(",")))
            self.named[name] = Named(True, names, body.strip() or "1", settled=True)

    def _within(self, text: str) -> dict[str, Named]:
        """Return the names in a text, and in what they stand for."""
        found: dict[str, Named] = {}
        wanted = _WORD.findall(text)
        while wanted:
            word = wanted.pop()
            if word in self.named and word not in found:
                found[word] = self.named[word]
                wanted += _WORD.findall(found[word].body)
        return found

    def _speaks_of(self, text: str) -> bool:
        """Tell whether the tree's version, or what else is settled, has a say in a condition."""
        version = VERSIONED.decode()
        found = self._within(text).values() if version not in text else ()
        return version in text or any(one.settled or version in one.body for one in found)

    def _expanded(self, text: str) -> str:
        macros = {
            name: Macro(name, one.parameters, one.body.encode(), "", 0, 0)
            for name, one in self._within(text).items()
            if one.defined
        }
        return expand(text.encode(), "", 0, macros).text.decode("utf-8", "replace")

    def _known(self, asking: str, name: str) -> int | None:
        found = self.named.get(name)
        if found is None or asking not in ("", "defined"):
            return self._others(asking, name)
        said = bool(asking) or not found.defined
        return int(found.defined) if said and found.settled and found.defined is not None else None
