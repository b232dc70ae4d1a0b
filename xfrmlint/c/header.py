"""What a name means that a file has from its headers: inline functions, prototypes, macros."""

import re
from collections.abc import Callable
from typing import NamedTuple

from xfrmlint.c.blanking import readable
from xfrmlint.c.expansion import Macro, expand
from xfrmlint.c.macros import named
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import Item, Unit, declarator_name
from xfrmlint.c.view import View

_ROUNDS = 8
# What can be a macro: a call, or a constant in capitals.
_NAMES = re.compile(rb"\b(?:[A-Za-z_]\w*(?=\s*\()|[A-Z_][A-Z0-9_]+\b)")


class Declared(NamedTuple):
    """A function of a header. bodies: its inline definitions; elsewhere: it can be another one."""

    bodies: tuple[View, ...]
    elsewhere: bool


def declared_function(reader: Reader, name: str, path: str) -> Declared | None:
    """Return the function that a file sees declared in its headers, None if there is none."""
    found = reader.corpus.find("function", name, path)
    if found is None:
        return None
    unit = reader.corpus.unit(found.path)
    items = unit.functions(name)
    bodies = [view for item in items for view in reader.views(found.path, item, {})]
    # An inline stub stands beside the prototype for when an option is off.
    prototype = any(_declares(unit, item, name) for item in unit.items)
    return Declared(tuple(bodies), prototype or not bodies)


def _declares(unit: Unit, item: Item, name: str) -> bool:
    text = unit.text[item.start : item.end]
    if item.kind != "declaration" or name.encode() not in text or text.startswith(b"static"):
        return False
    found = declarator_name(item.node.child_by_field_name("declarator"))
    return found is not None and node_text(found) == name


def declared_macros(reader: Reader, name: str, path: str) -> list[Macro]:
    """Return the #defines of a name in the first file that has some of what a file includes."""
    word = name.encode("utf-8", "surrogateescape")
    corpus = reader.corpus
    for place in corpus.closure(path):
        # To look for the word takes a tenth of the time of a list of names.
        if word in corpus.data(place) and word in corpus.defines(place):
            found = named(corpus, name, place)
            if found:
                return found
    return []


def expanded_text(
    reader: Reader, path: str, text: bytes, first: Macro, wanted: Callable[[str], bool]
) -> bytes:
    """Return a text with a macro expanded, and those macros of headers that it comes to.

    Types that the parser does not understand are taken out of it. wanted: tells of a name whether
    it is worth a look.
    """
    used = {first.name: first}
    made = text
    asked: set[str] = set()
    for _ in range(_ROUNDS):
        made = expand(text, path, 0, used).text
        names = {n.decode("utf-8", "replace") for n in _NAMES.findall(made)} - asked
        asked |= names
        fresh = {
            name: macros[0]
            for name in sorted(names - used.keys())
            if wanted(name) and (macros := declared_macros(reader, name, path))
        }
        if not fresh:
            break
        used.update(fresh)
    return readable(made)
