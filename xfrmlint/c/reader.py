"""The one question everything else is made of: where, in which item, does a word occur?"""

import re
from collections.abc import Iterable, Iterator, Sequence
from posixpath import commonprefix
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.corpus import Corpus, Memo, definition_in, stands_in, words
from xfrmlint.c.macros import Macro, Macros, in_force
from xfrmlint.c.modules import Universe
from xfrmlint.c.templates import Setting, is_template, settings
from xfrmlint.c.types import Types
from xfrmlint.c.unit import Item
from xfrmlint.c.view import View, views
from xfrmlint.tree import Tree

# From a function's name to its opening brace, comments included.
_HEAD = rb"\s*\((?:[^;{}/]|/\*.*?\*/|//[^\n]*|/)*\{"
_IDENTIFIER = re.compile(rb"[A-Za-z_]\w*")


class Occurrence(NamedTuple):
    """A word in an item: the item's view and the leaf node."""

    view: View
    node: Node


class Words:
    """Names that are looked for together."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = [n for n in dict.fromkeys(names) if n]
        self.encoded = [n.encode("utf-8", "surrogateescape") for n in self.names]
        # What has not got how all of them begin has none of them.
        self._begin = commonprefix(self.encoded) or b""

    def positions(self, text: bytes) -> Iterator[int]:
        """Yield where one of the names stands as a whole word."""
        # A plain search is ten times as fast as an alternation of words.
        for name in self.encoded:
            yield from words(text, name)

    def within(self, data: bytes) -> bool:
        """Tell whether one of the names can be in a file (as a part of a word, too)."""
        if self._begin not in data:
            return False
        for name in self.encoded:  # noqa: SIM110 (a generator takes twice the time)
            if name in data:
                return True
        return False


class Reader:
    """A corpus with its types and modules. words, memo: see Corpus."""

    def __init__(self, tree: Tree, words: re.Pattern[bytes], memo: Memo | None = None) -> None:
        self.corpus = Corpus(tree, words, memo)
        self.types = Types(self.corpus)
        self.universe = Universe(self.corpus)
        self._found: dict[tuple[str, str], list[Occurrence]] = {}
        self._views: dict[tuple[str, int, int, tuple[str, ...]], list[View]] = {}
        self._macros: dict[str, Macros] = {}
        self._own: dict[str, frozenset[bytes]] = {}
        self._templates: dict[str, list[View]] = {}
        self._settings: dict[str, list[Setting]] = {}

    def macros(self, files: Sequence[str], key: str) -> Macros:
        """Return the macros of some files. key: names the list of files."""
        if key not in self._macros:
            self._macros[key] = Macros(self.corpus, files)
        return self._macros[key]

    def occurrences(self, word: str, files: Sequence[str], key: str) -> list[Occurrence]:
        """Return every occurrence of a word in live code, those hidden in macros expanded.

        key: names the list of files (a word is looked up in it once).
        """
        if (word, key) not in self._found:
            macros = self.macros(files, key).hiding([word])
            self._found[word, key] = self._look(word, files, macros)
        return self._found[word, key]

    def near(self, word: str, path: str) -> list[Occurrence]:
        """Return the occurrences of a word in the driver that a file belongs to."""
        files = self.universe.files(path)
        return self.occurrences(word, files, self.universe.key(path))

    def inside(self, word: str, path: str) -> list[Occurrence]:
        """Return the occurrences of a word in one file, the macros of its own headers expanded."""
        key = f"in {path}"
        if (word, key) not in self._found:
            macros = self.macros(self.corpus.local(path), key).hiding([word])
            self._found[word, key] = self._look(word, [path], macros)
        return self._found[word, key]

    def _look(
        self, word: str, files: Sequence[str], macros: dict[str, list[Macro]]
    ) -> list[Occurrence]:
        words = Words([word, *macros])
        result: list[Occurrence] = []
        seen: set[tuple[str, int, int]] = set()
        for path in files:
            for view in self.views_with(words, path, macros):
                for node in view.occurrences(word):
                    mark = (view.path, -1, node.start_byte)
                    if view.expanded:
                        # A macro with alternatives gives several views of the same text.
                        place = view.place(node.start_byte)
                        mark = (f"{place}{view.function}", node.start_byte, -1)
                    if mark not in seen:
                        seen.add(mark)
                        result.append(Occurrence(view, node))
        return result

    def views_with(
        self, words: Words, path: str, macros: dict[str, list[Macro]], own: bool = False
    ) -> list[View]:
        """Return the views of a file's items in which one of `words` stands.

        own: expand the driver's own macros there, too.
        """
        if not words.within(self.corpus.data(path)):
            return []
        unit = self.corpus.unit(path)
        items: dict[int, Item] = {}
        for turn in range(unit.blanked.turns):
            shown = unit.turned(turn)
            for position in words.positions(shown.text):
                item = shown.item_at(position)
                if item is not None:
                    item = unit.counterpart(item)
                    items.setdefault(item.start, item)
        make = self.expanded if own else self.views
        return [view for _, item in sorted(items.items()) for view in make(path, item, macros)]

    def views(self, path: str, item: Item, macros: dict[str, list[Macro]]) -> list[View]:
        """Return an item's views, each made once."""
        unit = self.corpus.unit(path)
        item = unit.counterpart(item)
        shown = [item, *unit.variants(item)]
        text = b"".join(unit.turned(i.turn).text[i.start : i.end] for i in shown)
        # Macros that stand in other macros' bodies are needed as well: all or none.
        used = macros if any(n.encode() in text for n in macros) else {}
        if item.name in used:
            # A function's definition is never its stub's use.
            used = {n: m for n, m in used.items() if n != item.name}
        key = (path, item.start, item.turn, tuple(sorted(used)))
        if key not in self._views:
            self._views[key] = []
            for setting in self.settings(path) or [{}]:
                forced = {
                    n: in_force(self.corpus, n, path, item.start) or m for n, m in used.items()
                }
                for one in shown:
                    self._views[key] += views(self.corpus, path, one, {**forced, **setting})
        return self._views[key]

    def settings(self, path: str, files: Sequence[str] = ()) -> list[Setting]:
        """Return what a header of the driver's own means, if that is not the same everywhere.

        files: the driver's, if they are at hand.
        """
        if path not in self._settings:
            self._settings[path] = []
            if is_template(path, self.corpus.data(path)):
                files = files or self.universe.files(path)
                self._settings[path] = settings(self.corpus, path, files)
        return self._settings[path]

    def expanded(self, path: str, item: Item, macros: dict[str, list[Macro]]) -> list[View]:
        """Return an item's views with `macros` and all of the driver's own macros expanded.

        What a macro does with its argument (assign it, print it, drop it) is then seen.
        """
        wanted = dict(macros)
        unit = self.corpus.unit(path)
        shown = [item, *unit.variants(item)]
        texts = [unit.turned(i.turn).text[i.start : i.end] for i in shown]
        own = self._own_names(path)
        while texts:
            for match in _IDENTIFIER.finditer(texts.pop()):
                if match.group() not in own:
                    continue
                name = match.group().decode()
                if name not in wanted or name not in macros:
                    found = in_force(self.corpus, name, path, item.start)
                    if name not in macros and self._stands_in(found):
                        continue
                    if found and wanted.get(name) != found:
                        wanted[name] = found
                        texts += [m.body for m in found]
        return self.views(path, item, wanted)

    def _stands_in(self, found: list[Macro]) -> bool:
        """Tell whether a macro is the stub of a function for when an option is off."""
        # The prototype stands beside it; parsing the driver to be sure would cost too much.
        return any(
            definition_in(self.corpus.unit(m.path).text, "function", m.name.encode())
            for m in found
            if m.name.encode() in self.corpus.unit(m.path).text
        )

    def _own_names(self, path: str) -> frozenset[bytes]:
        if path not in self._own:
            local = self.corpus.local(path)
            self._own[path] = frozenset().union(*(self.corpus.defines(p) for p in local))
        return self._own[path]

    def definitions(self, name: str, path: str) -> list[View]:
        """Return the views of a function's definitions in the driver that a file belongs to."""
        encoded = name.encode("utf-8", "surrogateescape")
        # A look at the raw text spares parsing every file that only calls it.
        body = re.compile(rb"(?<!\w)" + re.escape(encoded) + _HEAD, re.S)
        found = []
        for where in self.universe.files(path) if name else ():
            data = self.corpus.data(where)
            if stands_in(data, encoded, body):
                for item in self.corpus.unit(where).functions(name):
                    found += self.views(where, item, {})
        if not found and name:
            found = [v for v in self._set_up(path) if v.item.name == name]
        return found

    def _set_up(self, path: str) -> list[View]:
        """Return the functions of the driver's headers that mean something else each time."""
        key = self.universe.key(path)
        if key not in self._templates:
            files = self.universe.files(path)
            self._templates[key] = [
                view
                for where in files
                if self.settings(where, files)
                for item in self.corpus.unit(where).items
                if item.kind == "function"
                for view in self.views(where, item, {})
            ]
        return self._templates[key]
