"""Headers that mean something else each time they are included: the macros set around them.

    #define FN(name) fast_##name
    #include "queue.h"
    #undef FN
    #define FN(name) slow_##name
    #include "queue.h"

queue.h has two settings here: its functions are read twice.
"""

import re
from collections.abc import Collection, Iterable, Iterator

from xfrmlint.c.corpus import Corpus
from xfrmlint.c.expansion import Macro
from xfrmlint.c.macros import in_force, named

_NAME = re.compile(rb"[A-Za-z_]\w*")
_INCLUDED = re.compile(rb"[ \t]*#[ \t]*include[ \t]*(?:([<\"])([^>\"\n]+)[>\"]|(\w+))")

_DIRECTIVE = re.compile(rb"^[ \t]*#", re.M)
# A second inclusion is empty: who has the first one makes no difference.
_GUARD = re.compile(
    rb"[ \t]*#[ \t]*(?:ifndef[ \t]+(\w+)\s+#[ \t]*define[ \t]+\1[ \t]*(?:/[/*][^\n]*)?\r?\n|"
    rb"if[ \t]+!|pragma[ \t]+once)"
)
_MOST = 8

Setting = dict[str, list[Macro]]


def is_template(path: str, data: bytes, linked: bool) -> bool:
    """Tell whether a file of a driver can be included more than once. linked: by a Makefile."""
    if linked or path.startswith("include/"):
        return False
    first = _DIRECTIVE.search(data)
    return first is None or _GUARD.match(data, first.start()) is None


def lists(corpus: Corpus, path: str) -> list[str]:
    """Return the files that a file includes to take what they list: no headers, no sources."""
    return [
        found
        for name, quoted in corpus.named(path)
        if not name.endswith((b".h", b".c"))
        and (found := corpus.resolved(path, name, quoted)) is not None
    ]


def settings(corpus: Corpus, path: str, files: Iterable[str]) -> list[Setting]:
    """Return the macros that a header gets from the files that include it, for each inclusion.

    path: is_template(). files: those that can include it. Where it means what it says: none.
    """
    users = [file for file in files if file != path and path in corpus.includes(file)]
    used = {*_NAME.findall(corpus.data(path))} - corpus.defines(path)
    if all(used.isdisjoint(corpus.defines(file)) for file in users):
        return []
    found: list[Setting] = []
    for file in users:
        for offset in _inclusions(corpus, file, path):
            setting = _setting(corpus, path, file, offset)
            if setting not in found:
                found.append(setting)
    if len(found) > _MOST:
        corpus.doubts[path, 0] = f"included with more than {_MOST} settings; the rest is not seen"
    return found[:_MOST] if any(found) else []


def _inclusions(corpus: Corpus, file: str, path: str) -> Iterator[int]:
    """Yield the offsets of a file's #include lines that mean another file."""
    for kind, offset, line in corpus.unit(file).blanked.directives:
        match = _INCLUDED.match(line) if kind == "include" else None
        if match is None:
            continue
        if match.group(3):
            meant = corpus.named_by(match.group(3), file)
        else:
            meant = [corpus.resolved(file, match.group(2), match.group(1) == b'"') or ""]
        if path in meant:
            yield offset


def _setting(corpus: Corpus, path: str, file: str, offset: int) -> Setting:
    """Return what a file has defined above an offset of what another one uses."""
    defined = corpus.defines(file) - corpus.defines(path)
    found: Setting = {}
    texts = [corpus.data(path)]
    while texts:
        for name in {*_NAME.findall(texts.pop())} & defined:
            word = name.decode()
            if word not in found:
                found[word] = in_force(corpus, word, file, offset)
                texts += [macro.body for macro in found[word]]
    set_ = {word: macros for word, macros in found.items() if macros}
    return set_ | _depending(corpus, path, {word.encode() for word in set_})


def _depending(corpus: Corpus, path: str, set_: Collection[bytes]) -> Setting:
    """Return a header's own macros that hold what is set around it, and those in their bodies.

    A header can make its functions' names itself: #define FN(name) JOIN(PREFIX, name).
    """
    own = {word: named(corpus, word.decode(), path) for word in corpus.defines(path)}
    words = {w: {n for m in own[w] for n in _NAME.findall(m.body)} for w in own}
    found: set[bytes] = set()
    fresh = {word for word in own if not words[word].isdisjoint(set_)}
    while fresh:
        found |= fresh
        users = {word for word in own if not words[word].isdisjoint(fresh)}
        used = {name for word in fresh for name in words[word] if name in own}
        fresh = (users | used) - found
    return {word.decode(): own[word] for word in sorted(found) if own[word]}
