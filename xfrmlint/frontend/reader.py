"""The one question everything else is made of: where, in which item, does a word occur?"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.frontend.corpus import Corpus
from xfrmlint.frontend.macros import Macro, hiding, pasting
from xfrmlint.frontend.types import Types
from xfrmlint.frontend.unit import Item
from xfrmlint.frontend.universe import Universe
from xfrmlint.frontend.view import View, views
from xfrmlint.tree import Tree


class Occurrence(NamedTuple):
    """A word in an item: the item's view and the leaf node."""

    view: View
    node: Node


class Reader:
    """A corpus with its types and modules. words: see Corpus."""

    def __init__(self, tree: Tree, words: re.Pattern[bytes]) -> None:
        self.corpus = Corpus(tree, words)
        self.types = Types(self.corpus)
        self.universe = Universe(self.corpus)
        self._found: dict[tuple[str, str], list[Occurrence]] = {}
        self._views: dict[tuple[str, int, tuple[str, ...]], list[View]] = {}
        self.views_made: dict[tuple[str, int], list[View]] = {}

    def occurrences(self, word: str, files: Sequence[str], key: str) -> list[Occurrence]:
        """Return every occurrence of a word in live code, those hidden in macros expanded.

        key: names the list of files (a word is looked up in it once).
        """
        if (word, key) not in self._found:
            self._found[word, key] = self._look(word, files)
        return self._found[word, key]

    def _look(self, word: str, files: Sequence[str]) -> list[Occurrence]:
        macros = hiding(self.corpus, files, [word])
        for name, pasted in pasting(self.corpus, files, word).items():
            macros.setdefault(name, []).extend(m for m in pasted if m not in macros.get(name, []))
        for name in list(macros):
            for outer, found in hiding(self.corpus, files, [name]).items():
                macros.setdefault(outer, []).extend(
                    m for m in found if m not in macros.get(outer, [])
                )
        result: list[Occurrence] = []
        seen: set[tuple[str, int, int]] = set()
        for path in files:
            for view in self.views_with([word, *macros], path, macros):
                for node in view.occurrences(word):
                    place = view.place(node.start_byte)
                    # A macro with alternatives gives several views of the same text.
                    mark = (view.path, view.item.start if not view.expanded else -1, node.start_byte)
                    if view.expanded:
                        mark = (f"{place.path}:{place.line}:{view.function}", node.start_byte, -2)
                    if mark not in seen:
                        seen.add(mark)
                        result.append(Occurrence(view, node))
        return result

    def views_with(
        self, names: Sequence[str], path: str, macros: dict[str, list[Macro]]
    ) -> list[View]:
        """Return the views of a file's items in which one of `names` stands."""
        encoded = [n.encode("utf-8", "surrogateescape") for n in names]
        data = self.corpus.data(path)
        if not any(n in data for n in encoded):
            return []
        unit = self.corpus.unit(path)
        pattern = re.compile(rb"(?<!\w)(?:" + b"|".join(map(re.escape, encoded)) + rb")(?!\w)")
        items: dict[int, Item] = {}
        for match in pattern.finditer(unit.text):
            item = unit.item_at(match.start())
            if item is not None:
                items[item.start] = item
        return [view for item in items.values() for view in self.views(path, item, macros)]

    def views(self, path: str, item: Item, macros: dict[str, list[Macro]]) -> list[View]:
        """Return an item's views, each made once."""
        text = self.corpus.unit(path).text[item.start : item.end]
        used = {name for name in macros if name.encode() in text} if macros else set()
        key = (path, item.start, tuple(sorted(used)))
        if key not in self._views:
            self._views[key] = views(self.corpus, path, item, macros if used else {})
            self.views_made.setdefault((path, item.start), self._views[key])
        return self._views[key]
