"""The one question everything else is made of: where, in which item, does a word occur?"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import commonprefix
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.blanking import LOOP, is_loop
from xfrmlint.c.corpus import Corpus, Memo
from xfrmlint.c.definitions import definition_in
from xfrmlint.c.expansion import Macro
from xfrmlint.c.index import has_word, words
from xfrmlint.c.macros import Macros, Offered, in_force
from xfrmlint.c.modules import Universe
from xfrmlint.c.outline import Outlines
from xfrmlint.c.templates import Setting, is_template, settings
from xfrmlint.c.text import without_comments
from xfrmlint.c.types import Types
from xfrmlint.c.unit import Item
from xfrmlint.c.view import View, views
from xfrmlint.contract.words import ABSENT, OPS, Contract
from xfrmlint.kernel.places import vendor
from xfrmlint.tree import Tree

# From a function's name to its opening brace, comments included.
_HEAD = re.compile(rb"\s*\((?:[^;{}/]|/\*.*?\*/|//[^\n]*|/)*\{", re.S)
# The same where it is the argument of a macro.
_ARGUMENT = re.compile(rb"[^(){};]*\)\s*\{")
# `int f(int a) __attribute__((alias("g")));`, and the kernel's word for it.
_ALIAS = re.compile(rb'\b(?:__)?alias(?:__)?\s*\(\s*"?(\w+)"?\s*\)[\s)]*[;_]')
_DECLARED = re.compile(rb"\b(?!__attribute__\b)(\w+)\s*\([^;{}]*$")
_IDENTIFIER = re.compile(rb"[A-Za-z_]\w*")
# Files that name what a module exports; what more have is no hook.
_MOST_USERS = 40


class Occurrence(NamedTuple):
    """A word in an item: the item's view and the leaf node."""

    view: View
    node: Node


# The names that came up while an item was expanded, what those that are macros mean, the views.
_Made = tuple[frozenset[str], dict[str, list[Macro]], list[View]]


class Words:
    """Names that are looked for together."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = [n for n in dict.fromkeys(names) if n]
        self.encoded = [n.encode("utf-8", "surrogateescape") for n in self.names]
        # What has not got how all of them begin has none of them.
        self._begin = commonprefix(self.encoded) or b""

    def positions(self, text: bytes, written: bytes = b"") -> Iterator[int]:
        """Yield where one of the names stands as a whole word.

        written: the text as the file has it, in which loop macros still have their names.
        """
        # A plain search is ten times as fast as an alternation of words.
        for name in self.encoded:
            yield from words(text, name)
            if is_loop(name):
                yield from (at for at in words(written, name) if text.startswith(LOOP, at))

    def within(self, data: bytes) -> bool:
        """Tell whether one of the names can be in a file (as a part of a word, too)."""
        if self._begin not in data:
            return False
        for name in self.encoded:  # noqa: SIM110 (a generator takes twice the time)
            if name in data:
                return True
        return False


class Reader:
    """A corpus with its types and modules. words, memo: see Corpus. contract: the tree's own."""

    def __init__(
        self,
        tree: Tree,
        words: re.Pattern[bytes],
        memo: Memo | None = None,
        contract: Contract = ABSENT,
    ) -> None:
        self.contract = contract
        self.corpus = Corpus(tree, words, memo)
        self.outlines = Outlines(self.corpus)
        self.types = Types(self.corpus, self.outlines)
        self.types.holders = frozenset((contract.offload, OPS))
        self.universe = Universe(self.corpus)
        self._found: dict[tuple[str, str], list[Occurrence]] = {}
        self._views: dict[tuple[str, int, int, frozenset[str]], list[_Made]] = {}
        self._words: dict[tuple[str, int, int], frozenset[str]] = {}
        self._macros: dict[str, Macros] = {}
        self._outward: dict[tuple[str, str], list[View]] = {}
        self._aliases: dict[str, Mapping[str, str]] = {}
        self._templates: dict[str, list[View]] = {}
        self._settings: dict[str, list[Setting]] = {}
        self._definitions: dict[tuple[str, str], list[View]] = {}

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

    def everywhere(self, name: str, path: str) -> list[Occurrence]:
        """Return the occurrences of a file-level variable that a file of a driver defines."""
        found = self.near(name, path)
        if not self.universe.doubt(path):
            return found
        own = _defining(name)
        users = [
            user
            for user in self.universe.exported(name, path)
            if not own.search(self.corpus.data(user))
        ]
        return [*found, *self.occurrences(name, users, f"users of {name} in {path}")]

    def in_other_modules(self, name: str, path: str) -> list[Occurrence] | None:
        """Return where other modules name an exported variable, a driver's own or one of theirs.

        None: so many name it that they are not looked at.
        """
        own, key = _defining(name), ("other modules of", self.universe.key(path))
        files, data = self.universe.files(path), self.corpus.data
        word = name.encode("utf-8", "surrogateescape")
        naming = [file for file in files if word in data(file)]
        exports = any(self.universe.given_to_all(name, file, False) for file in naming)
        if not exports and any(own.search(data(file)) for file in naming):
            return []
        named = [f for f in self.corpus.tree.search(rf"\b{re.escape(name)}\b") if f not in files]
        others = [f for f in named if self.universe.given_to_all(name, f, False)]
        if not (exports or others):
            return []
        users = [f for f in named if f in others or not own.search(data(f))]
        if len(users) > _MOST_USERS:
            return None
        return self.occurrences(name, users, " ".join((*key, name)))

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
        make = self.expanded if own else self.views
        if self.settings(path):
            # What names its text makes is seen only in it as it is included.
            return [view for item in self.outlines.items(path) for view in make(path, item, macros)]
        if not words.within(self.corpus.data(path)):
            lists = self.outlines.lists(path)
            if not lists or not any(words.within(self.corpus.data(one)) for one in lists):
                return []
        items = self.outlines.holding(path, words.positions)
        return [view for item in items for view in make(path, item, macros)]

    def views(self, path: str, item: Item, macros: dict[str, list[Macro]]) -> list[View]:
        """Return an item's views; each is made once for all `macros` that expand to the same.

        What a text expands to depends on what the names mean that come up while it is expanded.
        """
        item = self.outlines.counterpart(path, item)
        shown = self.outlines.variants(path, item)
        standing = self._standing(path, item, shown) & macros.keys()
        # A function's definition is never its stub's use.
        used = {n: m for n, m in macros.items() if n != item.name} if standing else {}
        key = (path, item.start, item.turn, frozenset(standing))
        kept = self._views.setdefault(key, [])
        for asked, known, made in kept:
            if known == {name: used[name] for name in asked & used.keys()}:
                return made
        came_up: set[str] = set()
        made = [
            view
            for setting in self.settings(path) or [{}]
            for one in shown
            for view in self._shown(path, one, used, setting, came_up)
        ]
        for view in made if len(shown) > 1 else ():
            view.heads = self.outlines.heads(path, item)
        known = {name: used[name] for name in came_up & used.keys()}
        kept.append((frozenset(came_up), known, made))
        return made

    def _standing(self, path: str, item: Item, shown: Sequence[Item]) -> frozenset[str]:
        """Return the words of an item's text, loop macros by the names that they have there."""
        key = (path, item.start, item.turn)
        if key not in self._words:
            data = self.corpus.data(path)
            text = b" ".join(self.outlines.text(path, one) for one in shown)
            written = b" ".join(data[one.start : one.end] for one in shown)
            loops = {word for word in _IDENTIFIER.findall(written) if is_loop(word)}
            found = {*_IDENTIFIER.findall(text), *loops}
            self._words[key] = frozenset(word.decode() for word in found)
        return self._words[key]

    def _shown(
        self,
        path: str,
        item: Item,
        macros: dict[str, list[Macro]],
        setting: Setting,
        came_up: set[str],
    ) -> list[View]:
        """Return the views of an item in one turn and one setting.

        came_up: is added the names of which it was asked whether they are macros.
        """
        made = self.outlines.made(path, item)
        outline = self.outlines.of(path, item.turn)
        if outline is not None and made and not macros and not setting:
            return [
                View(self.corpus, path, part, outline.text, outline.expansion, item)
                for part in made
            ]
        within = self.outlines.macros_in(path, item) if made else {}

        def meanings(name: str) -> Sequence[Macro]:
            for known in (setting, within):
                if name in known:
                    return known[name]
            if name not in macros:
                return ()
            return in_force(self.corpus, name, path, item.start) or macros[name]

        offered = Offered(meanings)
        pieces = self.outlines.pieces(path, item, {*macros, *within})
        found = views(self.corpus, path, item, offered, pieces)
        came_up.update(offered.asked)
        return found

    def settings(self, path: str, files: Sequence[str] = ()) -> list[Setting]:
        """Return what a header of the driver's own means, if that is not the same everywhere.

        files: the driver's, if they are at hand.
        """
        if path not in self._settings:
            self._settings[path] = []
            linked = bool(self.corpus.kbuild.modules_of(path))
            if is_template(path, self.corpus.data(path), linked):
                files = files or self.universe.files(path)
                self._settings[path] = settings(self.corpus, path, files)
        return self._settings[path]

    def expanded(self, path: str, item: Item, macros: dict[str, list[Macro]]) -> list[View]:
        """Return an item's views with `macros` and all of the driver's own macros expanded.

        What a macro does with its argument (assign it, print it, drop it) is then seen.
        """
        wanted = dict(macros)
        shown = self.outlines.variants(path, item)
        texts = [piece.text for one in shown for piece in self.outlines.pieces(path, one)]
        own = self.outlines.own(path)
        looked: set[bytes] = set()
        while texts:
            for match in _IDENTIFIER.finditer(texts.pop()):
                if match.group() not in own or match.group() in looked:
                    continue
                looked.add(match.group())
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
            if m.path and has_word(self.corpus.unit(m.path).text, m.name.encode())
        )

    def functions(self, name: str, path: str) -> list[View]:
        """Return the views of a function's definitions in a file."""
        return [
            view
            for item in self.outlines.functions(name, path)
            for view in self.views(path, item, {})
            if view.item.name == name
        ]

    def definitions(self, name: str, path: str) -> list[View]:
        """Return the views of a function's definitions in the driver that a file belongs to."""
        if (name, path) not in self._definitions:
            self._definitions[name, path] = self._defined(name, path)
        return list(self._definitions[name, path])

    def _defined(self, name: str, path: str) -> list[View]:
        found = self.defining(name, self.universe.files(path), path) if name else []
        own = [view for view in found if view.path == path]
        if own and all(view.static for view in own):
            # Another file's function of that name is another one.
            return own
        if not found and name:
            found = [view for view in self._set_up(path) if view.item.name == name]
        if not found and name in (aliases := self.aliases(path)):
            found = self.defining(aliases[name], self.universe.files(path), path)
        if not found and name and (beside := self.universe.beside(name, path)):
            found = [view for view in self.defining(name, [beside], path) if not view.static]
        if not found and name and self.universe.doubt(path):
            return self._only_definition(name, path)
        return found

    def aliases(self, path: str) -> Mapping[str, str]:
        """Return the other names that a driver gives to functions, and what each of them means."""
        key = self.universe.key(path)
        if key not in self._aliases:
            found: dict[str, str] = {}
            for data in map(self.corpus.data, self.universe.files(path)):
                text = without_comments(data) if b"alias" in data else b""
                for match in _ALIAS.finditer(text):
                    begin = max(text.rfind(end, 0, match.start()) for end in (b";", b"}", b"\n\n"))
                    name = _DECLARED.search(text, begin + 1, match.start())
                    if name is not None:
                        found[name.group(1).decode()] = match.group(1).decode()
            # None leads to another one: a circle is none that can be compiled.
            self._aliases[key] = {name: of for name, of in found.items() if of not in found}
        return self._aliases[key]

    def defining(self, name: str, files: Sequence[str], path: str) -> list[View]:
        """Return the views of a function's definitions in some files, of the driver of `path`."""
        encoded = name.encode("utf-8", "surrogateescape")
        own = self.macros(self.universe.files(path), self.universe.key(path))
        makers = [macro.name.encode() for macro in own.pasting(name)]
        found: list[View] = []
        for where in files:
            data = self.corpus.data(where)
            named = [*words(data, encoded)]
            # A look at the raw text spares parsing every file that only calls it.
            if (
                any(_HEAD.match(data, at + len(encoded)) for at in named)
                or any(m in data and m in self.outlines.structural(where) for m in makers)
                or any(
                    _ARGUMENT.match(data, at + len(encoded)) and self._is_headed(where, data, at)
                    for at in named
                )
            ):
                found += self.functions(name, where)
        return found

    def _is_headed(self, path: str, text: bytes, argument: int) -> bool:
        """Tell whether what is named is the argument of a macro that can be a function's head."""
        line = text[text.rfind(b"\n", 0, argument) + 1 : argument]
        return any(
            word.group() in self.outlines.structural(path) for word in _IDENTIFIER.finditer(line)
        )

    def _set_up(self, path: str) -> list[View]:
        """Return the functions of the driver's headers that mean something else each time."""
        key = self.universe.key(path)
        if key not in self._templates:
            files = self.universe.files(path)
            self._templates[key] = [
                view
                for where in files
                if self.settings(where, files)
                for item in self.outlines.items(where)
                if item.kind == "function"
                for view in self.views(where, item, {})
            ]
        return self._templates[key]

    def _only_definition(self, name: str, path: str) -> list[View]:
        """Return the one definition that a vendor's folder has for others, none if it has more."""
        top = vendor(path)
        if (name, top) not in self._outward:
            declared = self.corpus.find("function", name, path)
            kernels = declared is not None and declared.path.startswith("include/")
            named = rf"\b{re.escape(name)}\s*\("
            users = [] if kernels else self.corpus.tree.search(named, [top])
            views = self.defining(name, [u for u in users if u.endswith(".c")], path)
            self._outward[name, top] = [view for view in views if not view.static]
        found = self._outward[name, top]
        return found if len({view.path for view in found}) == 1 else []


def _defining(name: str) -> re.Pattern[bytes]:
    """Return what matches where a file defines a variable, or a pointer to a function."""
    word = _escaped(name)
    return re.compile(
        rb"^(?!extern\b)\w[^\n;{}=]*\b%s\s*(?:\)\s*\([^;{}=]*\)\s*)?(?:[A-Za-z_]\w*\s*)?[=;\[]"
        % word,
        re.M,
    )


def _escaped(name: str) -> bytes:
    return re.escape(name.encode("utf-8", "surrogateescape"))
