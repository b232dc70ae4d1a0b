"""What names are where a file begins: told by Makefiles, or by the headers that it includes.

    /* Makefile: ccflags-y += -DFOO_ESP=1 */          #include "compat.h"
                                                       #ifdef HAVE_RESOLVER
                                                       #if FOO_ESP

Which branches the file has is up to compat.h, and to the Makefile. Few drivers ask for what can be
told: no header is read for others. What headers that include each other leave is open. A name that
is weighed against the tree's version, and that nothing in the tree defines, is not defined.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from xfrmlint.c.conditionals import VERSIONED
from xfrmlint.c.configuration import ON, branch_truth
from xfrmlint.c.features import OPEN, Named, defined_by, merged
from xfrmlint.c.foreign import asking_versions, beside_version
from xfrmlint.kernel.places import COMMON, HEADERS, SHARED, vendor

if TYPE_CHECKING:
    # It reads the headers, whose own beginnings are asked for here.
    from xfrmlint.c.corpus import Corpus

_CONDITION = re.compile(rb"#[ \t]*(?:el)?if(?:n?def)?\b((?:[^\n\\]|\\\r?\n?)*)")
_TESTED = re.compile(rb"(?:#[ \t]*(?:el)?ifn?def\b|\bdefined\b[ \t]*\(?)[ \t]*(\w+)")
_DEFAULT = re.compile(rb"#[ \t]*ifndef[ \t]+(\w+)[^\n]*\s+#[ \t]*define[ \t]+\1\b")
_GUARD = re.compile(_DEFAULT.pattern + rb"[ \t]*1?[ \t]*$", re.M)
_ASKING = (b"defined", b"IS_ENABLED", b"IS_BUILTIN", b"IS_REACHABLE", b"KERNEL_VERSION")
_OF_THE_BUILD = (b"CONFIG_", b"__", VERSIONED)
_OF_ARCHITECTURES = ("arch/", "include/asm-generic/", "include/uapi/asm-generic/")
_WORDS = re.compile(rb"[A-Za-z_]\w*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_GENERATED = re.compile(rb"#[ \t]*define\s+(\w+)")
# What another distributor's kernel defines, and this tree does not.
NOT_HERE = Named(False, settled=True)
# Names, and what they are.
Settled = tuple[tuple[str, Named], ...]


class Asked(NamedTuple):
    """How often a file asks for a name but to give a default, and whether if it is defined."""

    times: int
    tested: bool


class Beginnings:
    """Answers about the files of one corpus."""

    def __init__(self, corpus: "Corpus") -> None:
        self._corpus = corpus
        self._settling: set[str] = set()
        self._reached: frozenset[str] = frozenset()
        self._asking: dict[str, bool] = {}
        self._asked: dict[str, dict[bytes, Asked]] = {}
        # What a file includes for each architecture.
        self._anyhow: dict[str, frozenset[str]] = {}
        # What names are that a file's headers leave, whether it asks for them or not.
        self._before: dict[str, dict[str, Named]] = {}

    def names(self, path: str) -> Settled:
        """Return the names that a file's directives lead to, and what they are."""
        if path.startswith(SHARED) or path in self._settling or b"#" not in self._corpus.data(path):
            return ()
        outermost = not self._settling
        given = self._corpus.given(path)
        near = self._corpus.local(path)
        settles = self._settles(path)
        # Few drivers ask for what can be told: then there is nothing to read a header for.
        if not given and not settles:
            return ()
        if outermost:
            self._reached = frozenset(self._telling(near))
        self._settling.add(path)
        if outermost:
            # The far ones first: a row of headers is as long as somebody likes, the stack is not.
            for header in reversed(near[1:]):
                if header in self._reached:
                    self._corpus.unit(header)
        found = {name: Named(True, None, text, True) for name, text in given.items()}
        for header in self._corpus.includes(path):
            if header in self._reached and header not in self._settling:
                after = dict(self._corpus.unit(header).blanked.features)
                after = {**self._before.get(header, {}), **after}
                after = {name: one for name, one in after.items() if one != Named(False)}
                met = after.keys() & found.keys()
                found = after | found | {name: merged(found[name], after[name]) for name in met}
        self._settling.discard(path)
        self._before[path] = found
        wanted = {name.decode() for name in self._asked_for(path)} - found.keys()
        plain = {name: one for name in wanted if (one := self._plainly(name, path)) is not None}
        found |= plain
        words = {word.decode() for word in _WORDS.findall(self._directive_text(path))}
        leads = words
        while leads:
            leads = {w for n in leads & found.keys() for w in _NAME.findall(found[n].body)} - words
            words |= leads
        told = {name: found[name] for name in words & found.keys()}
        unsure = ({one.decode() for one in self._asked_for(path)} | told.keys()) - plain.keys()
        told = self._not_yet(path) | told
        if settles:
            told |= dict.fromkeys(self._foreign(path, near) - told.keys(), NOT_HERE)
        if settles and (unsure := unsure - given.keys()):
            told |= dict.fromkeys(self._open_names(path, near, unsure), OPEN)
        return tuple(sorted(told.items()))

    def _telling(self, near: Sequence[str]) -> Iterator[str]:
        """Yield the headers among some files that tell what one of these asks for."""
        asked = {n for one in near for n, how in self._asked_for(one).items() if how.times}
        for header in near[1:]:
            tells = VERSIONED in self._corpus.data(header) or not asked.isdisjoint(
                self._corpus.defines(header)
            )
            if tells and self._settles(header):
                yield header

    def _settles(self, path: str) -> bool:
        return any(map(self._asks, self._corpus.local(path)))

    def _asks(self, path: str) -> bool:
        """Tell whether a file asks for the version, or for a name that it or a header defines."""
        if path not in self._asking:
            version = VERSIONED in self._corpus.data(path) and VERSIONED in self._directive_text(
                path
            )
            self._asking[path] = version or any(
                place != path or asked.times
                for name, asked in self._asked_for(path).items()
                for place in self._definers(name, path)
            )
        return self._asking[path]

    def _definers(self, name: bytes, path: str) -> Iterator[str]:
        """Yield the files that define a name; the kernel's only if it is asked whether one does."""
        asked = self._asked_for(path).get(name)
        if asked is None or asked.tested:
            return self._corpus.defining(name, path)
        return (place for place in self._corpus.local(path) if name in self._corpus.defines(place))

    def _asked_for(self, path: str) -> dict[bytes, Asked]:
        """Return the names in a file's conditions that no configuration decides."""
        if path not in self._asked:
            data = self._corpus.data(path)
            words = Counter(w for line in _CONDITION.findall(data) for w in _WORDS.findall(line))
            tested = {*_TESTED.findall(data)}
            words.subtract(_DEFAULT.findall(data))
            for word in (*_GUARD.findall(data), *_ASKING):
                del words[word]
            self._asked[path] = {
                word: Asked(times, word in tested)
                for word, times in words.items()
                if not word.startswith(_OF_THE_BUILD)
            }
        return self._asked[path]

    def _not_yet(self, path: str) -> dict[str, Named]:
        """Return the names that a file asks for and defines: what they are where it begins."""
        asked = self._asked_for(path)
        own = {
            name.decode() for name in asked.keys() & self._corpus.defines(path) if asked[name].times
        }
        found = dict.fromkeys(own, Named(False))
        for name in own if not path.endswith(".c") else ():
            # Who includes a header can define it before.
            if {*self._corpus.tree.search(rf"define[ \t]+{name}\b", [vendor(path)])} != {path}:
                found[name] = OPEN
        return found

    def _plainly(self, name: str, path: str) -> Named | None:
        """Return what a name is that a header defines, whatever is configured and wherever."""
        word = name.encode()
        headers = [one for one in self._definers(word, path) if one != path]
        for header in headers:
            if header in self._settling or not self._sees(path, header):
                continue
            lines = self._corpus.definitions_of(word, header)
            unit = self._corpus.unit(header)
            branches = [b for b in unit.blanked.branches if not branch_truth(unit, b, ON)]
            guards = [
                f"#ifndef {one.decode()}" for one in _GUARD.findall(self._corpus.data(header))[:1]
            ]
            kinds = {kind for kind, _, _ in lines}
            for _, at, line in lines if kinds == {"define"} else ():
                around = [branch for branch in branches if branch.start <= at < branch.end]
                default = [branch for branch in around if branch.condition not in guards]
                if all(branch.condition == f"#ifndef {name}" for branch in default):
                    alone = len(headers) == len(lines) == 1 and not default
                    return defined_by(line) if alone else Named(True, None, name, settled=True)
        return None

    def _sees(self, path: str, header: str) -> bool:
        """Tell whether a file includes a header, or may, whatever the architecture is."""
        if not header.startswith(SHARED) or header in COMMON:
            return True
        if path not in self._anyhow:
            walked = {path: None}
            stack = [path]
            while stack:
                fresh = [one for one in self._corpus.includes(stack.pop()) if one not in walked]
                stack += [one for one in fresh if not one.startswith(_OF_ARCHITECTURES)]
                walked |= dict.fromkeys(fresh)
            self._anyhow[path] = frozenset(
                one for one in walked if not one.startswith(_OF_ARCHITECTURES)
            )
        return header in self._anyhow[path]

    def _directive_text(self, path: str) -> bytes:
        return b"\n".join(
            (*_CONDITION.findall(self._corpus.data(path)), self._corpus.define_text(path))
        )

    def _open_names(self, path: str, near: Sequence[str], wanted: set[str]) -> set[str]:
        """Return the driver's names that somebody else can define, too, or a header not read."""
        names = {name.encode() for name in wanted}
        own = {header: live for header in near if (live := names & self._corpus.defines(header))}
        found = {
            name
            for name in set().union(*own.values())
            if name in self._generated
            or any(place.startswith(SHARED) for place in self._corpus.defining(name, path))
        }
        for header, defined in own.items():
            unit = self._corpus.known(header)
            if unit is not None:
                said = {name.encode() for name, _ in unit.blanked.features}
                defined = {
                    one for one in defined - said if self._corpus.definitions_of(one, header)
                }
            found |= defined if header != path else set()
        options = self._corpus.kbuild.options(path)
        forced = (self._corpus.defines(one) for one in options.maybe if one)
        found |= names & frozenset().union(*forced)
        return {name.decode() for name in found} | options.optional & wanted

    def _foreign(self, path: str, near: Sequence[str]) -> set[str]:
        """Return the names that a file weighs against the version, if nothing can define them."""
        asking = set().union(*(asking_versions(self._corpus.define_text(one)) for one in near))
        if VERSIONED not in self._corpus.data(path) and not asking:
            return set()
        names = beside_version(self._corpus.plain(path), asking) & self._asked_for(path).keys()
        names = {n for n in names - self._generated if not any(self._definers(n, path))}
        if not names or not self._corpus.release_for(VERSIONED) or not self._sees_all(path, near):
            return set()
        told = [options for file in near for options in self._corpus.told(file)]
        if any("" in one.maybe for one in told):
            return set()
        found = {name.decode() for name in names}
        found -= set().union(*(one.defines.keys() | one.optional for one in told))
        either = "|".join(sorted(found))
        places = [vendor(path), HEADERS]
        users = self._corpus.tree.search(rf"define[ \t]+({either})\b", places) if found else ()
        return {
            name
            for name in found
            if not any(name.encode() in self._corpus.defines(user) for user in users)
        }

    def _sees_all(self, path: str, near: Sequence[str]) -> bool:
        """Tell whether the tree has all that a file and its headers include of the driver's own."""
        return all(
            self._corpus.resolved(one, name, quoted)
            for one in near
            for name, quoted in self._corpus.named(one)
            if quoted
        )

    @cached_property
    def _generated(self) -> frozenset[bytes]:
        """What the top Makefile defines in a header that it writes (linux/version.h)."""
        text = self._corpus.data("Makefile") if self._corpus.tree.is_file("Makefile") else b""
        return frozenset(n for n in _GENERATED.findall(text) if not n.startswith(VERSIONED))
