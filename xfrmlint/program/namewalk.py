"""Which functions below a callback are worth following, told by the names in their text.

To parse what a callback calls, and to follow it, costs more than most other questions about a
driver, and most callbacks reach nothing that could sleep, or that frees. So the raw text is asked
first: with

    static void del(...) { writel(0, p); drop(p); }     static void drop(...) { mutex_lock(...); }

drop() and mutex_lock() are worth a look below del(), and writel() is not. What is found here is no
answer: it says which calls have to be followed, and which nobody sees into.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from xfrmlint.c.arguments import closing
from xfrmlint.c.cleanups import OF_A_CLASS, Class, classes_for
from xfrmlint.c.expansion import Macro
from xfrmlint.c.header import declared_function
from xfrmlint.c.index import words
from xfrmlint.c.macros import named
from xfrmlint.c.reader import Reader
from xfrmlint.c.text import without_comments
from xfrmlint.c.unit import Place
from xfrmlint.c.view import View
from xfrmlint.contract.words import PACKET, STATE
from xfrmlint.kernel.functions import function_named, guard_sleeps

_CALL = re.compile(rb"(->\s*|\.\s*)?(?<![\w])([A-Za-z_]\w*)\s*(\()")
_POINTER = re.compile(rb"\((?<!\bif \()(?<!\bwhile \()\s*\*[^()]*\)\s*\(")
# What is called where a variable ends.
_ENDS = re.compile(rb"\b__cleanup(?:__)?\s*\(\s*(\w+)\s*\)")
_STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*"')
_CONDITION = re.compile(rb"#[ \t]*(?:el)?if\b(?:[^\n\\]|\\\r?\n?)*")
_NOT_CALLED = frozenset(
    b"if for while switch return sizeof do else case defined __attribute__ typeof __typeof__"
    b" asm __asm__ goto volatile alignof _Alignof container_of void int bool char long unsigned"
    b" signed".split()
)
_ATOMIC = re.compile(rb"\bGFP_(?:ATOMIC|NOWAIT)\b")
# The lines of the outermost level, and of macros, up to their last parenthesis.
_OUTERMOST = re.compile(rb"\n[^\t\n][^\n]*\(")
_BEFORE = re.compile(rb"(\w+)\s*(?=\()")
_GUARDS = (b"guard", b"scoped_guard", b"scoped_cond_guard", b"ACQUIRE", b"CLASS")
_STATES, _PACKETS = (
    re.compile(kind.replace(" ", r"\s+").encode() + rb"\s*\*\s*(?:const\s+)?(\w+)")
    for kind in (STATE, PACKET)
)
_LOCKS = re.compile(
    rb"\b(?:raw_)?(?:spin|read|write)_(un|try)?lock\w*\s*\(\s*&\s*(\w+)\s*->\s*lock\b"
)
_ASSIGNED = re.compile(rb"(\w+)\s*=\s*(\w+)\s*\(")
_LEAVES = re.compile(rb"\b(?:return|goto)\b")
_SECPATH = re.compile(rb"\bSKB_EXT_SEC_PATH\b")
# Where a packet has it as a member (before 5.0). What is stored there is not asked.
_MEMBER = re.compile(rb"\b(\w+)\s*->\s*sp\b(?!\s*=[^=])")
# How many of a secpath's states are offloads, as xfrm_offload() asks it: read, and no index.
_OFFLOADS = re.compile(rb"->\s*olen\b(?![^][]*\]|\s*(?:\+\+|--|[-+]?=[^=]))")
# What a name can be that is called: see Body.
_KINDS = ("calls", "pointers", "sleeping", "freeing", "unknown")
_HEAD = 400
# So far down what a header's functions call is looked for in headers.
_DEEPEST = 4
_WORD = re.compile(rb"\w+")
_VARIABLE = re.compile(rb"\b(\w+)\s*=[^=]")
_TAG = re.compile(rb"\bstruct\s+\w+")
_DECLARED = re.compile(rb"\*\s*$")
# What a function can be called; constants are written otherwise.
_NAMES = re.compile(rb"\b[a-z_]\w*")
_MOST = 400


class Body(NamedTuple):
    """A function's or a macro's text. calls: what it calls, by name. pointers: members called.

    sleeping: names of what may sleep, and is not the driver's; freeing: of what frees; unknown: of
    which no table knows. indirect: it calls through a pointer that has no name. releases: it gives
    up a state's lock that it did not take.
    """

    path: str
    name: str
    calls: frozenset[str]
    pointers: frozenset[str]
    sleeping: frozenset[str]
    freeing: frozenset[str]
    unknown: tuple[str, ...]
    indirect: bool
    releases: bool


class _Where(NamedTuple):
    """Where a function's or a macro's text is: head: what stands before it, from there on."""

    path: str
    name: str
    head: int
    start: int
    end: int


class Below(NamedTuple):
    """What is worth a look below a function.

    names: functions, macros and members through which something that may sleep is reached, and
    that itself. freeing: the same of what frees. unseen: what is called and may be what nobody
    sees into, in the order in which it was met; if all of a header's text of that name is known, as
    a file sees it, it is not.
    releases: functions that give up a state's lock.
    """

    names: frozenset[str]
    freeing: frozenset[str]
    unseen: tuple["Unseen", ...]
    releases: frozenset[str]


class Unseen(NamedTuple):
    """What is called, in words. name: of what can be a header's; path: the file that sees it."""

    words: str
    name: str = ""
    path: str = ""


class Until(NamedTuple):
    """A place in a function, and the beginnings and ends of branches that are on no way to it."""

    place: Place
    beside: tuple[tuple[Place, Place], ...] = ()


class NameWalk:
    """Answers about one driver's texts; each function is looked at once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._places: dict[tuple[str, str], list[_Where]] = {}
        self._names: dict[str, frozenset[bytes]] = {}
        self._visible: dict[str, Mapping[bytes, Sequence[str]]] = {}
        self._drivers: dict[str, Mapping[bytes, Sequence[str]]] = {}
        self._bodies: dict[_Where, Body] = {}
        self._below: dict[tuple[str, str], Below] = {}
        self._through: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        # The macros of headers that call functions of the driver's, with what they use; and which
        # of them calls one.
        self.macros: dict[str, dict[str, list[Macro]]] = {}
        self.reached_by: dict[str, str] = {}
        self._asked_of: dict[bytes, str] = {}
        # What functions call besides a way, by its words; what each of these asks.
        self._calls: dict[tuple[_Where, frozenset[str]], dict[bytes, str]] = {}
        self._asked_below: dict[tuple[str, frozenset[str]], dict[bytes, frozenset[str]]] = {}
        self._asking: dict[
            tuple[str, str, Until, frozenset[str] | None], frozenset[str] | None
        ] = {}
        self._quiet: dict[tuple[str, str], bool] = {}
        self._members: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}

    def below(self, name: str, path: str) -> Below:
        """Return what is worth a look below a function that a file of a driver names."""
        if (name, path) not in self._below:
            self._below[name, path] = self._walked(name, path)
        return self._below[name, path]

    def _walked(self, name: str, path: str) -> Below:
        callers: dict[str, set[str]] = {}
        sleeping: set[str] = set()
        freeing: set[str] = set()
        unseen: dict[str, Unseen] = {}

        def open_(words: str) -> None:
            unseen.setdefault(words, Unseen(words))

        releases: set[str] = set()
        queue = list(self._own(name, path))
        seen = set(queue)
        for where in queue:
            body = self._body(where)
            if len(seen) > _MOST:
                open_(f"what {body.name}() calls")
                break
            if body.releases:
                releases.add(body.name)
            sleeping |= body.sleeping
            freeing |= body.freeing
            for one in (*body.sleeping, *body.freeing):
                callers.setdefault(one, set()).add(body.name)
            further = [(one, "", body.path) for one in sorted(body.calls)]
            for one in body.unknown:
                unseen.setdefault(f"{one}()", Unseen(f"{one}()", one, body.path))
                callers.setdefault(one, set()).add(body.name)
                further += self._through_macro(one, body.path)
            if body.indirect:
                open_(f"a function pointer of {body.name}()")
            for member in sorted(body.pointers):
                callers.setdefault(member, set()).add(body.name)
                targets = self._targets(member, body.path)
                if not targets:
                    open_(f"->{member}()")
                further += [(one, member, path) for one, path in targets]
            for one, through, path in further:
                callers.setdefault(one, set()).add(through or body.name)
                own = self._own(one, path)
                if through and not own and _sleeps(one, b"") is not False:
                    # A variable, or another module's function.
                    open_(f"->{through}()")
                fresh = [inner for inner in own if inner not in seen]
                seen.update(fresh)
                queue += fresh
        return Below(
            frozenset(_upwards(sleeping, callers)),
            frozenset(_upwards(freeing, callers)),
            tuple(unseen.values()),
            frozenset(releases),
        )

    def _through_macro(self, name: str, path: str) -> list[tuple[str, str, str]]:
        """Return the driver's own functions that a header's macro calls, with that and the file."""
        if (name, path) not in self._through:
            under = self._reader.types.macros_under(name, path)
            bodies = [one.body for macros in under.values() for one in macros]
            called = {m.group(2).decode() for body in bodies for m in _CALL.finditer(body)}
            found = sorted(one for one in called - under.keys() if self._own(one, path))
            self._through[name, path] = [(one, name, path) for one in found]
            for one in found:
                self.macros[name], self.reached_by[one] = under, name
        return self._through[name, path]

    def unseen(self, below: Below) -> list[str]:
        """Return what nobody sees into below a function, in words.

        It takes long: macros and inline functions are looked for in all headers.
        """
        return [
            one.words
            for one in below.unseen
            if not one.name or not self._is_quiet(one.name, one.path)
        ]

    def asks(
        self, name: str, path: str, until: Until, way: frozenset[str] | None
    ) -> frozenset[str] | None:
        """Return what of a packet a function asks before a place; None if it is not seen.

        What stands behind, and before a statement that leaves, counts as before. way: the functions
        on the way; what others ask that it calls counts in, too, which takes much longer to look
        at. None: leave them out.
        """
        key = (name, path, until, way)
        if key not in self._asking:
            self._asking[key] = self._all_asked(name, path, until, way)
        return self._asking[key]

    def _all_asked(
        self, name: str, path: str, until: Until, way: frozenset[str] | None
    ) -> frozenset[str] | None:
        queue = list(self._own(name, path))
        if not queue:
            return None
        found: set[str] = set()
        for where in queue:
            text = self._text_until(where, until)
            found.update(self._asks(where, text))
            if way is None:
                continue
            body = self._body(where)
            if (where, way) not in self._calls:
                self._calls[where, way] = {one.encode(): one for one in body.calls - way}
            calls = self._calls[where, way]
            # Many places of one function are asked for: what a callee asks is looked at once.
            known = self._asked_below.setdefault((body.path, way), {})
            named = calls.keys() & _WORD.findall(text)
            for one in named - known.keys():
                known[one] = self._asked_by(calls[one], body.path, way)
            found.update(*[known[one] for one in named])
        return frozenset(found)

    def _asked_by(self, name: str, path: str, way: frozenset[str]) -> frozenset[str]:
        """Return what of a packet a function and what it calls ask."""
        # A copy: it grows while it is looked through.
        queue = list(self._own(name, path))
        seen = set(queue)
        for where in queue:
            if len(seen) > _MOST:
                break
            calls = sorted(self._body(where).calls - way)
            inner = (one for call in calls for one in self._own(call, where.path))
            fresh = [one for one in dict.fromkeys(inner) if one not in seen]
            seen.update(fresh)
            queue += fresh
        return frozenset(asked for one in seen for asked in self._asks(one, self._text(one)))

    def _asks(self, where: _Where, text: bytes) -> frozenset[str]:
        """Return what of a packet a text asks; what is only read through the pointer is not."""
        if _MEMBER.search(text):
            data = self._reader.corpus.data(where.path)
            packets = {*_PACKETS.findall(data[where.head : where.end])}
            text = _MEMBER.sub(
                lambda m: b"skb_sec_path(%s)" % m[1] if m[1] in packets else m[0], text
            )
        words = {*_NAMES.findall(_TAG.sub(b"", text))}.difference(_VARIABLE.findall(text))
        for word in words - self._asked_of.keys():
            self._asked_of[word] = function_named(word.decode()).asks
        found = {"secpath"} if _SECPATH.search(text) else set()
        if _OFFLOADS.search(text):
            found.add("offload")
        names = [word for word in words if self._asked_of[word]]
        # What is named and not called is called by another name.
        found |= {self._asked_of[word] for word in {*names}.difference(_BEFORE.findall(text))}
        calls = _calls_of(tuple(sorted(names))).finditer(text) if names else ()
        for match in calls:
            if match.group(1):
                continue
            if text.startswith(b"->", closing(text, match.start(3)) or 0):
                continue
            kept = [
                one.group(1)
                for one in _ASSIGNED.finditer(text, max(0, match.start() - 80), match.end(3))
                if one.end() == match.end(3)
            ]
            if not kept or _is_asked(text, kept[0]):
                found.add(self._asked_of[match.group(2)])
        return frozenset(found)

    def _text_until(self, where: _Where, until: Until) -> bytes:
        """Return a function's text up to a place in it; all of it for another place."""
        if until.place.path != where.path:
            return self._text(where)
        corpus = self._reader.corpus
        offset = corpus.unit(where.path).offset
        at = offset(*until.place[1:])
        if not where.start <= at < where.end:
            return self._text(where)
        text = without_comments(corpus.data(where.path)[where.start : where.end])
        for places in until.beside:
            first, last = (max(offset(*one[1:]) - where.start, 0) for one in places)
            text = text[:first] + b" " * (last - first) + text[max(first, last) :]
        leaves = _LEAVES.search(text, at - where.start)
        end = leaves.start() if leaves is not None else len(text)
        return _STRING.sub(b'""', text[:end])

    def _own(self, name: str, path: str) -> list[_Where]:
        """Return what a file of a driver means by a name: functions or macros of its own."""
        if (name, path) not in self._places:
            self._places[name, path] = list(self._found(name, path))
        return self._places[name, path]

    def _found(self, name: str, path: str) -> Iterator[_Where]:
        corpus, word = self._reader.corpus, name.encode()
        near = self._near(path).get(word, ())
        own = [*self._in(near, name)]
        for where in near:
            for macro in named(corpus, name, where) if word in corpus.defines(where) else ():
                # A constant calls nothing.
                if macro.parameters is not None or _NAMES.search(macro.body):
                    start, end = macro.start, macro.start + len(macro.body)
                    own.append(_Where(where, name, start, start, end))
        yield from own
        if any(one.path == path for one in own):
            return
        # Another file's function, of which a header's inline may be the stub.
        local = corpus.local(path)
        files = [one for one in self._driver(path).get(word, ()) if one not in local]
        others = [
            one
            for one in self._in(files, name)
            if not _is_static(corpus.data(one.path), word, one.start)
        ]
        yield from others
        if own or others:
            return
        target = self._reader.aliases(path).get(name, "")
        for one in self._own(target, path) if target else ():
            yield one._replace(name=name)
        beside = self._reader.universe.beside(name, path)
        yield from self._in([beside] if beside else [], name)

    def _in(self, paths: Iterable[str], name: str) -> Iterator[_Where]:
        """Yield the functions of a name in some files."""
        corpus, word = self._reader.corpus, name.encode()
        for path in paths:
            data = corpus.data(path)
            for at in _bodies(data, word, words(data, word)):
                yield _function(path, name, data, at)

    def _near(self, path: str) -> Mapping[bytes, Sequence[str]]:
        """Return in which of a file and the driver's headers that it sees names may be defined."""
        if path not in self._visible:
            self._visible[path] = self._listed(self._reader.corpus.local(path))
        return self._visible[path]

    def _driver(self, path: str) -> Mapping[bytes, Sequence[str]]:
        """Return in which files of a driver names may be defined."""
        key = self._reader.universe.key(path)
        if key not in self._drivers:
            self._drivers[key] = self._listed(self._reader.universe.files(path))
        return self._drivers[key]

    def _listed(self, paths: Iterable[str]) -> Mapping[bytes, Sequence[str]]:
        found: dict[bytes, list[str]] = {}
        for path in paths:
            for word in self._outermost(path):
                found.setdefault(word, []).append(path)
        return found

    def _outermost(self, path: str) -> frozenset[bytes]:
        """Return the names before a parenthesis in a file's lines that a tab does not begin.

        What is defined, or declared, is among them.
        """
        if path not in self._names:
            lines = _OUTERMOST.findall(b"\n" + self._reader.corpus.data(path))
            made = self._reader.corpus.defines(path)
            self._names[path] = made.union(_BEFORE.findall(b"".join(lines)))
        return self._names[path]

    def _body(self, where: _Where) -> Body:
        if where not in self._bodies:
            head = self._reader.corpus.data(where.path)[where.head : where.start]
            self._bodies[where] = self._looked(where, self._text(where), head)
        return self._bodies[where]

    def _text(self, where: _Where) -> bytes:
        """Return a function's text, without comments, what strings say and what #if lines ask."""
        data = self._reader.corpus.data(where.path)
        text = _STRING.sub(b'""', without_comments(data[where.start : where.end]))
        return _CONDITION.sub(b"", text)

    def _looked(self, where: _Where, text: bytes, head: bytes) -> Body:
        path, name = where.path, where.name
        met: dict[str, dict[str, None]] = {kind: {} for kind in _KINDS}
        for one in self._classes_in(text, path):
            # What is done where its variables begin and end is not written there.
            text += b" " + one.text
            made = dict.fromkeys(one.functions)
            met["sleeping"] |= made
            met["freeing"] |= made
        for kind, called in self._named_in(text, path):
            met[kind][called] = None
        text = _ENDS.sub(rb"\1()", text) if b"__cleanup" in text else text
        for match in _CALL.finditer(text):
            if match.group(2) in _NOT_CALLED:
                continue
            called = match.group(2).decode()
            if match.group(1):
                # The slots of an ops table are another device's: judged where they are filled.
                if called not in self._reader.contract.callbacks:
                    met["pointers"][called] = None
            elif match.group(2) in _GUARDS:
                if guard_sleeps(_first_word(text, match.end(3))) != "never":
                    met["sleeping"][called] = None
            elif called == "__free":
                # What that names is called where the variable ends.
                met["freeing"][called] = None
            elif called not in (self._reader.contract.asks, name):
                for kind in self._kinds(called, path, _given(text, match.start(3))):
                    met[kind][called] = None
        sets = {kind: frozenset(met[kind]) for kind in _KINDS if kind != "unknown"}
        indirect, releases = _POINTER.search(text) is not None, _releases(head + text)
        unknown = tuple(met["unknown"])
        return Body(path, name, unknown=unknown, indirect=indirect, releases=releases, **sets)

    def _named_in(self, text: bytes, path: str) -> Iterator[tuple[str, str]]:
        """Yield what a text names, and what that is: it is called, or stands for what is."""
        words = {*_WORD.findall(text)}
        # A driver's own __free(NAME) calls what its DEFINE_FREE(NAME) says (see _classes_in()).
        near = (words & self._near(path).keys()) - _NOT_CALLED - {b"__free"}
        yield from (("calls", one.decode()) for one in sorted(near))
        # Each is held against many patterns.
        for one in sorted({*_NAMES.findall(text)}.difference(_VARIABLE.findall(text))):
            does = function_named(one.decode())
            if max(does.frees, does.ends) >= 0:
                yield "freeing", one.decode()
            elif does.sleeps == "always":
                yield "sleeping", one.decode()

    def _classes_in(self, text: bytes, path: str) -> list[Class]:
        """Return the classes of a driver's own of which a text has variables or guards."""
        used = [(m.group(1), m.group(2).decode()) for m in OF_A_CLASS.finditer(text)]
        known = classes_for(self._reader.corpus, path) if used else {}
        names = {f"__free_{name}" if how == b"__free" else name for how, name in used}
        # What extends a class has its name, and more.
        return [one for key, one in known.items() if any(n.startswith(key) for n in names)]

    def _kinds(self, name: str, path: str, given: bytes) -> Iterator[str]:
        """Yield what a function is that is called by a name. given: the text of its arguments."""
        does = function_named(name)
        if max(does.frees, does.ends) >= 0:
            yield "freeing"
        if self._own(name, path):
            yield "calls"
            return
        said = _sleeps(name, given)
        if said is not False:
            yield "sleeping" if said else "unknown"

    def _is_quiet(self, name: str, path: str, depth: int = 0) -> bool:
        """Tell whether a name is a header's, and nothing that may sleep stands in its text."""
        if (name, path) not in self._quiet:
            # Until it is known: of what calls itself it stays unknown.
            self._quiet[name, path] = False
            texts = self._header_texts(name, path) if depth < _DEEPEST else []
            self._quiet[name, path] = bool(texts) and all(
                self._is_quiet_text(text, path, depth) for text in texts
            )
        return self._quiet[name, path]

    def _header_texts(self, name: str, path: str) -> list[bytes]:
        """Return the texts of a header's macro or inline function; none if it may be elsewhere."""
        macro = self._reader.types.macro(name, path)
        if macro is not None:
            return [macro.body]
        known = declared_function(self._reader, name, path)
        bodies = known.bodies if known is not None and not known.elsewhere else ()
        return [one.text[one.body.start_byte : one.body.end_byte] for one in bodies if one.body]

    def _is_quiet_text(self, text: bytes, path: str, depth: int) -> bool:
        if _POINTER.search(text):
            return False
        for match in _CALL.finditer(text):
            if match.group(2) in _NOT_CALLED and not match.group(1):
                continue
            if match.group(1) or match.group(2) in _GUARDS:
                return False
            called = match.group(2).decode()
            said = _sleeps(called, _given(text, match.start(3)))
            if self._own(called, path):
                # It is followed.
                continue
            if said or (said is None and not self._is_quiet(called, path, depth + 1)):
                return False
        return True

    def _targets(self, member: str, path: str) -> tuple[tuple[str, str], ...]:
        """Return the names that are stored in members of a name, each with the file."""
        key = (member, self._reader.universe.key(path))
        if key not in self._members:
            word = member.encode()
            stored = re.compile(rb"(?:\.|->)\s*%s\s*=\s*&?\s*(\w+)\s*[,;}\n]" % re.escape(word))
            found: dict[tuple[str, str], None] = {}
            for where in self._reader.universe.files(path):
                data = self._reader.corpus.data(where)
                if word in data:
                    met = (match.group(1) for match in stored.finditer(data))
                    found.update(((n.decode(), where), None) for n in met if n != b"NULL")
            self._members[key] = tuple(found)
        return self._members[key]


def _upwards(sleeping: Iterable[str], callers: dict[str, set[str]]) -> set[str]:
    """Return some names, and all that calls them."""
    found = set(sleeping)
    queue = list(found)
    for one in queue:
        for caller in callers.get(one, ()):
            if caller not in found:
                found.add(caller)
                queue.append(caller)
    return found


def _sleeps(name: str, given: bytes) -> bool | None:
    """Tell whether a call can sleep, by the table and the text of its arguments; None: unseen."""
    does = function_named(name)
    if does.sleeps == "never":
        return False
    if does.sleeps == "always":
        return True
    if _ATOMIC.search(given):
        return False
    if does.sleeps or b"GFP_" in given:
        return True
    return False if does.known else None


def _given(text: bytes, opening: int) -> bytes:
    """Return the text of a call's arguments; nothing where the statement has no GFP flag."""
    # Where the arguments end takes long to find in calls that are in each other.
    behind = text.find(b";", opening)
    if b"GFP_" not in text[opening : behind if behind >= 0 else len(text)]:
        return b""
    end = closing(text, opening)
    return text[opening : end if end is not None else opening + 200]


def _first_word(text: bytes, at: int) -> str:
    match = re.compile(rb"\s*(\w+)").match(text, at)
    return match.group(1).decode() if match is not None else ""


def _releases(text: bytes) -> bool:
    """Tell whether a function gives up a state's lock before it has taken it."""
    states = set(_STATES.findall(text))
    first: dict[bytes, bytes] = {}
    for kind, state in _LOCKS.findall(text):
        if state in states:
            first.setdefault(state, kind)
    return b"un" in first.values()


def _function(path: str, name: str, data: bytes, at: int) -> _Where:
    """Return where a function is whose body begins at an offset."""
    line = data[at : data.find(b"\n", at) + 1]
    short = line.count(b"{") == line.count(b"}") > 0
    end = at + len(line) if short else data.find(b"\n}", at)
    head = max(0, data.rfind(b"\n}", 0, at), at - _HEAD)
    return _Where(path, name, head, at, end if end >= 0 else len(data))


@lru_cache
def _calls_of(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Return what finds the calls of some functions."""
    return re.compile(rb"(->\s*|\.\s*)?(?<!\w)(%s)\s*(\()" % b"|".join(names))


def _is_asked(text: bytes, name: bytes) -> bool:
    """Tell whether a pointer, or a copy of it, is used otherwise than to read what it points to."""
    copies, met = [name], {name}
    for one in copies:
        word = re.escape(one)
        plain = re.compile(rb"(?<![\w.>])%s\b(?!\s*->)(?!\s*=[^=])(?!\s*[;,]\s*$)" % word, re.M)
        if any(not _DECLARED.search(text, 0, m.start()) for m in plain.finditer(text)):
            return True
        taken = re.findall(rb"(\w+)\s*=\s*%s\s*[;,]" % word, text)
        copies += dict.fromkeys(other for other in taken if other not in met)
        met.update(taken)
    return False


def gives_up(view: View, at: int) -> bool:
    """Tell whether a state's lock that a function did not take is given up at an offset of it."""
    text = view.text[view.node.start_byte : at]
    states = set(_STATES.findall(text))
    last = {state: kind for kind, state in _LOCKS.findall(text) if state in states}
    return b"un" in last.values()


def _bodies(data: bytes, word: bytes, places: Iterable[int]) -> Iterator[int]:
    """Yield where the bodies of a function's definitions begin. places: where its name stands."""
    for at in places:
        behind = at + len(word)
        while data[behind : behind + 1] in (b" ", b"\t", b"\n"):
            behind += 1
        if data[behind : behind + 1] != b"(" or data[max(0, at - 9) : at].rstrip().endswith(
            (b"->", b".", b"(", b",", b"=", b"return", b"#define")
        ):
            continue
        line = data.rfind(b"\n", 0, at) + 1
        if data.startswith((b"\t", b"    ", b"#"), line):
            # What stands in a block is called there, or declared.
            continue
        end = closing(data, behind)
        opening = data.find(b"{", end) if end is not None else -1
        if end is not None and opening >= 0 and not data[end:opening].strip():
            yield opening


def _is_static(data: bytes, word: bytes, body: int) -> bool:
    """Tell whether a function is static whose body begins at an offset."""
    named = data.rfind(word, 0, body)
    behind = max(data.rfind(end, 0, named) for end in (b"}", b";", b"*/", b"\n\n"))
    return b"static" in data[max(behind, 0) : named]
