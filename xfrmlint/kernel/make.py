"""The words that GNU make gets out of a Makefile's variables and functions, asking the tree alone.

What that can't tell stays a word with a `$`: `$(shell)` for any command, `$(X)` for a variable that
nobody sets. Of conditionals all branches count as taken, so `:=` below one replaces nothing.
"""

import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from xfrmlint.kernel.places import vendor
from xfrmlint.tree import ABSENT, Tree, Unreadable

# What a name begins with that counts from the tree's top; no file's own name has it.
_TOP = "\0"
NAMES = ("Kbuild", "Makefile")

_ASSIGN = re.compile(
    r"[ \t]*(?:(?:export|override|private)[ \t]+)*"
    r"((?:[^\s:=+?!#$]|\$[({](?:[^(){}]|[({][^(){}]*[)}])*[)}])+)"
    r"[ \t]*(\+=|:{0,3}=|\?=|!=)[ \t]*(.*)"
)
_INCLUDE = re.compile(r"[ \t]*([-s]?)include[ \t]+(.+)")
_CONDITIONAL = re.compile(r"[ \t]*(?:(if(?:n?eq|n?def))|endif)\b")
_RULE = re.compile(r"[^\s=#][^=#]*:(?!=)")
# A line of its own that can make any variable.
_MAKING = re.compile(r"[ \t]*\$[({](?:eval|call|foreach|if|shell)[ \t]")
_DEFINITION = re.compile(r"[ \t]*(?:override[ \t]+)?define\b[ \t]*([\w.-]*)")
# `$(eval $(call name,a,b))`: lines that a definition holds, with arguments put in.
_EVALUATED = re.compile(r"[ \t]*\$\(eval[ \t]+\$\(call[ \t]+([\w.-]+)[ \t]*,?(.*)\)\)[ \t]*", re.S)
_ARGUMENT = re.compile(r"\$(?:(\d)|[({](\d)[)}]|(\$))")
_DEFINED = re.compile(r"[ \t]*endef\b")
# `name-$(CONFIG_X)` and `name-m` count as `name-y`.
_CHOSEN = re.compile(r"-(?:\$[({](?:[^(){}]|[({][^(){}]*[)}])*[)}]|m)$")
_FUNCTION = re.compile(r"([a-z][a-z-]*)[ \t]+(.*)", re.S)
_PAIRS = {"(": re.compile(r"[()]"), "{": re.compile(r"[{}]")}

# A name that the build sets, or may.
_PLACE = re.compile(r"\$[({](\w+)[)}]")
_OUTER = ("M", "KBUILD_EXTMOD", "PWD", "CURDIR")
_INCLUDE_DEPTH = 4
_MOST_ARGUMENTS = 9
_DEEPEST = 40
# Characters and references of a whole Makefile; variables that name each other grow without end.
_MOST = 1 << 20
_COST = 32


class _Part(NamedTuple):
    """What one assignment gives to a variable. name: as it is written. adds: by +=.

    evaluated: when it was read. where: the Makefile and its line. certain: what is written there,
    if it counts whatever is configured.
    """

    name: str
    text: str
    adds: bool
    evaluated: bool
    where: str
    certain: str


class Makefile:
    """The Makefile of a folder. doubts: why more can be in any list than is known."""

    def __init__(self, tree: Tree, folder: str) -> None:
        self.folder = folder
        self.doubts: list[str] = []
        self.found = False
        self._tree = tree
        self._values: dict[str, list[_Part]] = {}
        self._open: set[str] = set()
        self._definitions: dict[str, list[str]] = {}
        self._left = _MOST
        self._given = {"src": _TOP + folder, "obj": _TOP + folder, "srctree": _TOP}
        for name in NAMES:
            path = posixpath.join(folder, name)
            try:
                text = os.fsdecode(tree.read(path))
            except Unreadable as error:
                if str(error) != ABSENT:
                    self.doubts.append(f"{path} can't be read ({error})")
                continue
            self.found = True
            self._given["MAKEFILE_LIST"] = _TOP + path
            self._read(text, path, 0, maybe=False)
            break

    def _outermost(self) -> str:
        """Return the folder that a vendor gives to `make M=`: the highest one with a Makefile."""
        top, folder = vendor(f"{self.folder}/"), self.folder
        highest = folder
        while folder.startswith(f"{top}/"):
            folder = posixpath.dirname(folder)
            if any(self._tree.is_file(posixpath.join(folder, name)) for name in NAMES):
                highest = folder
        return _TOP + highest

    def names(self) -> list[str]:
        """Return the variables that are set."""
        return list(self._values)

    def words(self, name: str) -> list[str]:
        """Return the words of a variable."""
        return [word for words, _ in self.assigned(name) for word in words]

    def assigned(self, name: str) -> list[tuple[list[str], str]]:
        """Return what each assignment of a variable gives it: its words, and where it stands."""
        return [(self._part(part, 0).split(), part.where) for part in self._values.get(name, ())]

    def certain(self, name: str) -> list[str]:
        """Return the words that a variable has whatever is configured, where the tree is put in."""
        parts = self._values.get(name, ())
        if any(not (part.adds or part.certain) for part in parts):
            # One that replaces them, if it counts.
            return []
        return [word for part in parts for word in _PLACE.sub(self._place, part.certain).split()]

    def _place(self, reference: re.Match[str]) -> str:
        """Return what a reference to a place of the tree stands for; another one as it is."""
        name = reference.group(1)
        known = name in self._given or (name in _OUTER and name not in self._values)
        return self._value(name, 0) if known else reference.group()

    def path(self, word: str) -> str:
        """Return the path of what a word of this Makefile names."""
        return self.below_top(word if _TOP in word else f"{self.folder}/{word}")

    def below_top(self, word: str) -> str:
        """Return the path of what a word names that counts from the tree's top."""
        return posixpath.normpath(word.rpartition(_TOP)[2].lstrip("/"))

    def _read(self, text: str, path: str, depth: int, maybe: bool) -> None:
        lines = [(f"{path}:{number}", line) for number, line in _logical_lines(text)]
        self._read_lines(lines, depth, maybe)

    def _read_lines(self, lines: Iterable[tuple[str, str]], depth: int, maybe: bool) -> None:
        """Read lines, each with where it stands."""
        inside, recipe = 0, False
        defining: list[str] | None = None
        for where, line in lines:
            if defining is not None:
                if _DEFINED.match(line):
                    defining = None
                else:
                    defining.append(line)
            elif (definition := _DEFINITION.match(line)) is not None:
                defining = self._lines_of(definition.group(1), maybe or inside > 0)
            elif recipe and line.startswith("\t"):
                continue
            elif (condition := _CONDITIONAL.match(line)) is not None:
                inside += 1 if condition.group(1) else -1
            elif (include := _INCLUDE.match(line)) is not None:
                optional = include.group(1) != ""
                self._include(include.group(2), where, optional, depth, maybe or inside > 0)
            elif (assignment := _ASSIGN.fullmatch(line)) is not None:
                self._assign(assignment, where, maybe or inside > 0)
                recipe = False
            elif self._evaluates(line, where, depth):
                continue
            elif _MAKING.match(line):
                self.doubts.append(f"{where} is not evaluated: {_short(line)}")
            elif _RULE.match(line):
                recipe = True

    def _lines_of(self, name: str, maybe: bool) -> list[str]:
        """Return what takes the lines of a definition, behind those that another branch has."""
        if not maybe:
            self._definitions.pop(name, None)
        return self._definitions.setdefault(name, [])

    def _evaluates(self, line: str, where: str, depth: int) -> bool:
        """Read what a line makes of a definition; tell whether it is one of these."""
        match = _EVALUATED.fullmatch(line)
        body = self._definitions.get(match.group(1)) if match is not None else None
        if match is None or body is None or depth == _INCLUDE_DEPTH or self._left < 0:
            return False
        given = [match.group(1), *_split(match.group(2), _MOST_ARGUMENTS)]

        def put(reference: re.Match[str]) -> str:
            number = int(reference.group(1) or reference.group(2) or 0)
            # What is written with two dollars is left for the reading.
            return reference.group(3) or (given[number] if number < len(given) else "")

        made = [_ARGUMENT.sub(put, one) for one in body]
        self._left -= sum(map(len, made)) + _COST
        self._read_lines([(where, one) for one in made], depth + 1, maybe=True)
        return True

    def _include(self, text: str, where: str, optional: bool, depth: int, maybe: bool) -> None:
        for word in self._expand(text, 0).split():
            try:
                if "$" in word or depth == _INCLUDE_DEPTH or self._left < 0:
                    raise Unreadable("not evaluated")
                inner = os.fsdecode(self._tree.read(self.path(word)))
                self._left -= len(inner) + _COST
            except Unreadable as error:
                if not (optional and str(error) == ABSENT):
                    name = word.replace(_TOP, "")
                    self.doubts.append(f"{where} includes {name}, which can't be read ({error})")
                continue
            self._read(inner, self.path(word), depth + 1, maybe)

    def _assign(self, assignment: re.Match[str], where: str, maybe: bool) -> None:
        written, sign, text = assignment.groups()
        certain = "" if maybe or "$" in written or sign == "?=" else text
        name = self._expand(_CHOSEN.sub("-y", written), 0)
        parts = self._values.setdefault(name, [])
        evaluated = sign.startswith(":") or (sign == "+=" and bool(parts) and parts[-1].evaluated)
        if sign == "!=":
            text = "$(shell)"
        elif evaluated:
            text = self._expand(text, 0)
        adds = sign == "+="
        self._left -= len(parts)
        if not (adds or maybe or sign == "?=" or self._left < 0):
            parts[:] = [part for part in parts if part.name != written]
        parts.append(_Part(written, text, adds, evaluated or sign == "!=", where, certain))

    def _part(self, part: _Part, depth: int) -> str:
        return part.text if part.evaluated else self._expand(part.text, depth)

    def _value(self, name: str, depth: int) -> str:
        name = _CHOSEN.sub("-y", name)
        if name in self._given:
            return self._given[name]
        if name in _OUTER:
            return self._outermost()
        self._left -= _COST
        if name not in self._values and name.endswith(("-y", "-objs")):
            # A list to which only options add that nothing has.
            return ""
        if name not in self._values or name in self._open or depth > _DEEPEST or self._left < 0:
            return f"$({name})"
        self._open.add(name)
        text = " ".join([self._part(part, depth) for part in self._values[name]])
        self._open.discard(name)
        self._left -= len(text)
        return text

    def _expand(self, text: str, depth: int) -> str:
        """Return a text with what stands for something else replaced by that."""
        pieces: list[str] = []
        at = 0
        while (sign := text.find("$", at)) >= 0:
            end = _closing(text, sign + 1)
            if end < 0 or depth > _DEEPEST:
                break
            pieces.append(text[at:sign])
            at = end + 1
            if end == sign + 1:
                pieces.append(text[sign:at])
                continue
            # A word of which only a part can be one or the other is neither.
            alone = not (text[sign - 1 : sign].strip() or text[at : at + 1].strip())
            pieces.append(self._reference(text[sign + 2 : end], alone, depth + 1))
        return "".join([*pieces, text[at:]])

    def _reference(self, inner: str, alone: bool, depth: int) -> str:
        call = _FUNCTION.match(inner)
        if call is not None:
            return self._call(call.group(1), call.group(2), depth)
        name, _, change = self._expand(inner, depth).partition(":")
        old, sign, new = (text.strip() for text in change.partition("="))
        value = self._value(name, depth)
        if sign:
            wild = "" if "%" in old else "%"
            return _patsubst(wild + old, wild + new, value)
        several = not alone and len(value.split()) > 1
        if several and sum(not part.adds for part in self._values.get(name, ())) > 1:
            return f"$({name})"
        return value

    def _call(self, name: str, rest: str, depth: int) -> str:
        if name == "shell" and rest.strip() == "pwd":
            return self._outermost()
        if name == "wildcard":
            return " ".join(map(self._wildcard, self._expand(rest, depth).split()))
        if name == "foreach" and len(parts := _split(rest, 3)) == 3:
            variable, words, text = parts
            return self._foreach(self._expand(variable, depth).strip(), words, text, depth)
        if name == "if":
            return " ".join(self._expand(part, depth) for part in _split(rest, 3)[1:])
        if name in _FUNCTIONS:
            count, function = _FUNCTIONS[name]
            arguments = [self._expand(part, depth).strip() for part in _split(rest, count)]
            size = len(arguments[-1]) * max(map(len, arguments[:-1]), default=1)
            if len(arguments) == count and size < _MOST and self._left > 0:
                result = function(*arguments)
                self._left -= len(result)
                return result
        return f"$({name})"

    def _foreach(self, variable: str, words: str, text: str, depth: int) -> str:
        before = self._given.get(variable)
        pieces = []
        for word in self._expand(words, depth).split():
            if self._left < 0:
                pieces.append("$(foreach)")
                break
            self._given[variable] = word
            pieces.append(self._expand(text, depth))
            self._left -= len(pieces[-1]) + _COST
        self._given.pop(variable, None)
        if before is not None:
            self._given[variable] = before
        return " ".join(pieces)

    def _wildcard(self, pattern: str) -> str:
        """Return the files of the tree that a pattern names, as it names them."""
        folder, slash, last = pattern.rpartition("/")
        # A pattern can name folders, too; and of files in unknown folders only sources are found.
        unclear = "*" in folder and not last.endswith((".c", ".h"))
        if "$" in pattern or "." not in last or "[" in pattern or unclear:
            return "$(wildcard)"
        if "*" not in folder and "?" not in folder:
            path = self.path(folder or ".")
            return " ".join(
                folder + slash + name for name in self._tree.folder(path) if fnmatchcase(name, last)
            )
        fixed = re.split(r"[^/]*[*?]", folder, maxsplit=1)[0]
        top = self.path(fixed or ".")
        # A search goes where it is sent: not out of the tree, nor through a link, nor to nothing.
        around = posixpath.commonpath([top, self.folder])
        if not around or not f"{around}/".startswith(f"{vendor(f'{self.folder}/')}/"):
            return "$(wildcard)"
        wanted = pattern[len(fixed) :].split("/")
        found = []
        for path in self._tree.search(r"\w", [around]):
            below = posixpath.relpath(path, top).split("/")
            if len(below) == len(wanted) and all(map(fnmatchcase, below, wanted)):
                found.append(fixed + "/".join(below))
        return " ".join(found)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines with what continues them, without comments, and where they begin."""
    pieces: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        pieces.append(line)
        if not line.endswith("\\"):
            yield number + 1 - len(pieces), " ".join(pieces).partition("#")[0]
            pieces = []
        else:
            pieces[-1] = line[:-1]
    if pieces:
        yield number + 1 - len(pieces), " ".join(pieces).partition("#")[0]


def _closing(text: str, at: int) -> int:
    """Return where a reference ends whose first character behind the `$` is at `at`, else -1."""
    pair = _PAIRS.get(text[at : at + 1])
    if pair is None:
        return at if at < len(text) else -1
    level = 0
    for match in pair.finditer(text, at):
        level += 1 if match.group() in "({" else -1
        if level == 0:
            return match.start()
    return -1


def _split(text: str, most: int) -> list[str]:
    """Return a function's arguments; the last one of `most` may hold commas."""
    found: list[str] = []
    level = start = 0
    for match in re.finditer(r"[(){},]", text):
        sign = match.group()
        if sign != ",":
            level += 1 if sign in "({" else -1
        elif level == 0 and len(found) < most - 1:
            found.append(text[start : match.start()])
            start = match.end()
    return [*found, text[start:]]


def _short(line: str) -> str:
    text = " ".join(line.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _each(change: Callable[[str], str], words: str) -> str:
    return " ".join(map(change, words.split()))


def _patsubst(old: str, new: str, words: str) -> str:
    return _each(lambda word: _replaced(word, old, new), words)


def _replaced(word: str, old: str, new: str) -> str:
    """Return a word as patsubst gives it: `%` of `old` stands where `%` of `new` does."""
    stem = _stem(word, old)
    return word if stem is None else new.replace("%", stem, 1)


def _stem(word: str, pattern: str) -> str | None:
    """Return what the `%` of a pattern stands for in a word, None if the pattern doesn't fit."""
    before, wild, after = pattern.partition("%")
    if not wild:
        return "%" if word == pattern else None
    fits = len(word) >= len(before) + len(after) and word.startswith(before)
    return word[len(before) : len(word) - len(after)] if fits and word.endswith(after) else None


def _filtered(patterns: str, words: str, *, kept: bool) -> str:
    # What is not known stays: it may be what is asked for.
    return " ".join(
        word
        for word in words.split()
        if "$" in word or any(_stem(word, p) is not None for p in patterns.split()) == kept
    )


def _dir(word: str) -> str:
    folder, slash, _ = word.rpartition("/")
    return folder + slash if slash else "./"


def _basename(word: str) -> str:
    return posixpath.splitext(word)[0]


# Name -> how many arguments, and what is made of them.
_FUNCTIONS: dict[str, tuple[int, Callable[..., str]]] = {
    "addprefix": (2, lambda prefix, words: _each(lambda word: prefix + word, words)),
    "addsuffix": (2, lambda suffix, words: _each(lambda word: word + suffix, words)),
    "patsubst": (3, _patsubst),
    "subst": (3, lambda old, new, text: text.replace(old, new) if old else text),
    "filter": (2, lambda patterns, words: _filtered(patterns, words, kept=True)),
    "filter-out": (2, lambda patterns, words: _filtered(patterns, words, kept=False)),
    "notdir": (1, lambda words: _each(lambda word: word.rpartition("/")[2], words)),
    "dir": (1, lambda words: _each(_dir, words)),
    "basename": (1, lambda words: _each(_basename, words)),
    "firstword": (1, lambda words: " ".join(words.split()[:1])),
    "lastword": (1, lambda words: " ".join(words.split()[-1:])),
    **dict.fromkeys(("sort", "strip", "abspath", "realpath"), (1, lambda words: words)),
}
