"""Which functions below a callback are worth following, told by the names in their text.

To parse what a callback calls, and to follow it, costs more than most other questions about a
driver, and most callbacks reach nothing that could sleep, or that frees. So the raw text is asked
first: with

    static void del(...) { writel(0, p); drop(p); }     static void drop(...) { mutex_lock(...); }

drop() and mutex_lock() are worth a look below del(), and writel() is not. What is found here is no
answer: it says which calls have to be followed, and which nobody sees into.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from xfrmlint.c.arguments import closing
from xfrmlint.c.blanking import without_comments
from xfrmlint.c.cleanups import OF_A_CLASS, Class, classes_for
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.contract.words import STATE
from xfrmlint.kernel.functions import function_named, guard_sleeps

_CALL = re.compile(rb"(->\s*|\.\s*)?(?<![\w])([A-Za-z_]\w*)\s*(\()")
_POINTER = re.compile(rb"\(\s*\*[^()]*\)\s*\(")
_STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*"')
_NOT_CALLED = frozenset(
    b"if for while switch return sizeof do else case defined __attribute__ typeof __typeof__ asm"
    b" __asm__ alignof _Alignof container_of".split()
)
_ATOMIC = re.compile(rb"\bGFP_(?:ATOMIC|NOWAIT)\b")
_GUARDS = (b"guard", b"scoped_guard", b"scoped_cond_guard", b"ACQUIRE", b"CLASS")
_STATES = re.compile(STATE.replace(" ", r"\s+").encode() + rb"\s*\*\s*(?:const\s+)?(\w+)")
_LOCKS = re.compile(
    rb"\b(?:raw_)?(?:spin|read|write)_(un|try)?lock\w*\s*\(\s*&\s*(\w+)\s*->\s*lock\b"
)
_ASSIGNED = re.compile(rb"(\w+)\s*=\s*(\w+)\s*\(")
_SECPATH = re.compile(rb"\bSKB_EXT_SEC_PATH\b")
# What a name can be that is called: see Body.
_KINDS = ("calls", "pointers", "sleeping", "freeing", "unseen")
_HEAD = 400
# So far down what a packet is asked is looked for: a function, and its helper's helper.
_ROUNDS = 2
_MOST = 400


class Body(NamedTuple):
    """A function's or a macro's text. calls: what it calls, by name. pointers: members called.

    sleeping: names of what may sleep, and is not the driver's; freeing: of what frees. unseen: of
    which nobody knows. releases: it gives up a state's lock that it did not take.
    """

    path: str
    name: str
    calls: frozenset[str]
    pointers: frozenset[str]
    sleeping: frozenset[str]
    freeing: frozenset[str]
    unseen: tuple[str, ...]
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
    that itself. freeing: the same of what frees. unseen: what is called and nobody sees into, in
    the order in which it was met.
    releases: functions that give up a state's lock.
    """

    names: frozenset[str]
    freeing: frozenset[str]
    unseen: tuple[str, ...]
    releases: frozenset[str]


class NameWalk:
    """Answers about one driver's texts; each function is looked at once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._places: dict[tuple[str, str], list[_Where]] = {}
        self._bodies: dict[_Where, Body] = {}
        self._below: dict[tuple[str, str], Below] = {}
        self._asking: dict[tuple[str, str, bool], frozenset[str] | None] = {}
        self._members: dict[tuple[str, str], tuple[str, ...]] = {}

    def below(self, name: str, path: str) -> Below:
        """Return what is worth a look below a function that a file of a driver names."""
        if (name, path) not in self._below:
            self._below[name, path] = self._walked(name, path)
        return self._below[name, path]

    def _walked(self, name: str, path: str) -> Below:
        callers: dict[str, set[str]] = {}
        sleeping: set[str] = set()
        freeing: set[str] = set()
        unseen: dict[str, None] = {}
        releases: set[str] = set()
        queue = list(self._own(name, path))
        seen = set(queue)
        for where in queue:
            body = self._body(where)
            if len(seen) > _MOST:
                unseen[f"what {body.name}() calls"] = None
                break
            if body.releases:
                releases.add(body.name)
            sleeping |= body.sleeping
            freeing |= body.freeing
            for one in (*body.sleeping, *body.freeing):
                callers.setdefault(one, set()).add(body.name)
            unseen.update((f"{one}()", None) for one in body.unseen)
            further: list[tuple[str, str]] = [(one, "") for one in sorted(body.calls)]
            for member in sorted(body.pointers):
                callers.setdefault(member, set()).add(body.name)
                targets = self._targets(member, body.path)
                if not targets:
                    unseen[f"->{member}()"] = None
                further += [(one, member) for one in targets]
            for one, through in further:
                callers.setdefault(one, set()).add(through or body.name)
                fresh = [inner for inner in self._own(one, body.path) if inner not in seen]
                seen.update(fresh)
                queue += fresh
        return Below(
            frozenset(_upwards(sleeping, callers)),
            frozenset(_upwards(freeing, callers)),
            tuple(unseen),
            frozenset(releases),
        )

    def asks(self, name: str, path: str, helpers: bool) -> frozenset[str] | None:
        """Return what of a packet a function asks; None if it is not seen.

        helpers: count what it calls in, too, which takes much longer to look at.
        """
        key = (name, path, helpers)
        if key not in self._asking:
            self._asking[key] = self._all_asked(name, path, helpers)
        return self._asking[key]

    def _all_asked(self, name: str, path: str, helpers: bool) -> frozenset[str] | None:
        # What is called through a pointer need not be declared there.
        queue = list(self._own(name, path) or self._anywhere(name, path))
        if not queue:
            return None
        found = {asked for where in queue for asked in _asks(self._text(where))}
        seen = set(queue)
        for _ in range(_ROUNDS if helpers else 0):
            calls: list[_Where] = []
            for body in map(self._body, queue):
                calls += [one for name in sorted(body.calls) for one in self._own(name, body.path)]
            queue = [one for one in dict.fromkeys(calls) if one not in seen]
            seen.update(queue)
            found.update(asked for where in queue for asked in _asks(self._text(where)))
        return frozenset(found)

    def _own(self, name: str, path: str) -> list[_Where]:
        """Return what a file of a driver means by a name: functions or macros of its own."""
        if (name, path) not in self._places:
            self._places[name, path] = list(self._found(name, path))
        return self._places[name, path]

    def _found(self, name: str, path: str) -> Iterator[_Where]:
        corpus, word = self._reader.corpus, name.encode()
        local = corpus.local(path)
        declared = False
        for where in local:
            data = corpus.data(where)
            named = [*_behind(data, word, corpus.places(data, word))]
            found = [_function(where, name, data, at) for at in _heads(data, named)]
            found += [_macro(where, name, data, at) for at in _defined(data, named)]
            yield from found
            declared = declared or _is_declared(data, named)
            if found and (where == path or not declared):
                return
        # Another file's function has to be declared before it can be called; a header's inline
        # beside a declaration is its stub.
        if not declared:
            return
        for where in self._reader.universe.files(path):
            data = corpus.data(where)
            if where not in local:
                for at in _heads(data, _behind(data, word, corpus.places(data, word))):
                    yield _function(where, name, data, at)

    def _anywhere(self, name: str, path: str) -> Iterator[_Where]:
        """Yield the functions of a name in all files of a driver."""
        corpus, word = self._reader.corpus, name.encode()
        for where in self._reader.universe.files(path):
            data = corpus.data(where)
            for at in _heads(data, _behind(data, word, corpus.places(data, word))):
                yield _function(where, name, data, at)

    def _body(self, where: _Where) -> Body:
        if where not in self._bodies:
            head = self._reader.corpus.data(where.path)[where.head : where.start]
            self._bodies[where] = self._looked(where, self._text(where), head)
        return self._bodies[where]

    def _text(self, where: _Where) -> bytes:
        """Return a function's text, without comments and what strings say."""
        data = self._reader.corpus.data(where.path)
        return _STRING.sub(b'""', without_comments(data[where.start : where.end]))

    def _looked(self, where: _Where, text: bytes, head: bytes) -> Body:
        path, name = where.path, where.name
        met: dict[str, dict[str, None]] = {kind: {} for kind in _KINDS}
        for one in self._classes_in(text, path):
            # What is done where its variables begin and end is not written there.
            text += b" " + one.text
            made = dict.fromkeys(one.functions)
            met["sleeping"] |= made
            met["freeing"] |= made
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
        if _POINTER.search(text):
            met["unseen"][f"a function pointer of {name}"] = None
        sets = {kind: frozenset(met[kind]) for kind in _KINDS if kind != "unseen"}
        releases = _releases(head + text)
        return Body(path, name, unseen=tuple(met["unseen"]), releases=releases, **sets)

    def _classes_in(self, text: bytes, path: str) -> list[Class]:
        """Return the classes of a driver's own of which a text has variables or guards."""
        used = [(m.group(1), m.group(2).decode()) for m in OF_A_CLASS.finditer(text)]
        known = classes_for(self._reader.corpus, path) if used else {}
        names = {f"__free_{name}" if how == b"__free" else name for how, name in used}
        # What extends a class has its name, and more.
        return [one for key, one in known.items() if any(n.startswith(key) for n in names)]

    def _kinds(self, name: str, path: str, given: bytes) -> Iterator[str]:
        """Yield what a function is that is called by a name. given: the text of its arguments."""
        if self._own(name, path):
            yield "calls"
            return
        if function_named(name).frees >= 0:
            yield "freeing"
        said = _sleeps(name, given)
        if said or (said is None and not self._calls_nothing(name, path)):
            yield "sleeping" if said else "unseen"

    def _calls_nothing(self, name: str, path: str) -> bool:
        """Tell whether a name is a macro of a header that only computes."""
        macro = self._reader.types.macro(name, path)
        if macro is None:
            return False
        return not _CALL.search(macro.body) and not _POINTER.search(macro.body)

    def _targets(self, member: str, path: str) -> tuple[str, ...]:
        """Return the names that are stored in members of a name."""
        key = (member, self._reader.universe.key(path))
        if key not in self._members:
            word = member.encode()
            stored = re.compile(rb"(?:\.|->)\s*%s\s*=\s*&?\s*(\w+)\s*[,;}\n]" % re.escape(word))
            found: dict[str, None] = {}
            for where in self._reader.universe.files(path):
                data = self._reader.corpus.data(where)
                if word in data:
                    found.update((m.group(1).decode(), None) for m in stored.finditer(data))
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
    end = data.find(b"\n}", at)
    head = max(0, data.rfind(b"\n}", 0, at), at - _HEAD)
    return _Where(path, name, head, at, end if end >= 0 else len(data))


def _macro(path: str, name: str, data: bytes, at: int) -> _Where:
    """Return where a macro's text is that begins at an offset."""
    end = data.find(b"\n", at)
    while end > 0 and data[end - 1 : end] == b"\\":
        end = data.find(b"\n", end + 1)
    return _Where(path, name, at, at, end if end >= 0 else len(data))


def _asks(text: bytes) -> frozenset[str]:
    """Return what of a packet a text asks; what is only read through the pointer is not asked."""
    found = {"secpath"} if _SECPATH.search(text) else set()
    for match in _CALL.finditer(text):
        asks = function_named(match.group(2).decode()).asks
        if not asks or match.group(1):
            continue
        if text.startswith(b"->", closing(text, match.start(3)) or 0):
            continue
        kept = [
            one.group(1)
            for one in _ASSIGNED.finditer(text, max(0, match.start() - 80), match.end(3))
            if one.end() == match.end(3)
        ]
        if not kept or _is_asked(text, kept[0]):
            found.add(asks)
    return frozenset(found)


def _is_asked(text: bytes, name: bytes) -> bool:
    """Tell whether a pointer is used in another way than to read what it points to."""
    word = re.escape(name)
    plain = re.compile(rb"(?<![\w.>])%s\b(?!\s*->)(?!\s*=[^=])(?!\s*[;,]\s*$)" % word, re.M)
    declared = re.compile(rb"\*\s*$")
    return any(not declared.search(text, 0, m.start()) for m in plain.finditer(text))


def gives_up(view: View, at: int) -> bool:
    """Tell whether a state's lock that a function did not take is given up at an offset of it."""
    text = view.text[view.node.start_byte : at]
    states = set(_STATES.findall(text))
    last = {state: kind for kind, state in _LOCKS.findall(text) if state in states}
    return b"un" in last.values()


def _heads(data: bytes, named: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Yield where the bodies of a function's definitions begin. named: see _behind()."""
    for at, behind in named:
        if data[behind : behind + 1] != b"(" or data[max(0, at - 9) : at].rstrip().endswith(
            (b"->", b".", b"(", b",", b"=", b"return", b"#define")
        ):
            continue
        line = data.rfind(b"\n", 0, at) + 1
        if data[line : line + 1] in (b"\t", b"#"):
            # What stands in a block is called there, or declared.
            continue
        end = closing(data, behind)
        opening = data.find(b"{", end) if end is not None else -1
        if end is not None and opening >= 0 and not data[end:opening].strip():
            yield opening


def _is_declared(data: bytes, named: Iterable[tuple[int, int]]) -> bool:
    """Tell whether a function's prototype stands in a file, at its outermost level."""
    for at, behind in named:
        line = data.rfind(b"\n", 0, at) + 1
        if data[behind : behind + 1] != b"(" or data[line : line + 1] in (b"#",):
            continue
        end = closing(data, behind)
        before = data[line:at].strip()
        outer = data[line : line + 1] not in (b"\t", b" ") or not before
        if end is not None and outer and not before.endswith((b"=", b"return", b"(", b",")):
            if data[end : end + 40].lstrip()[:1] in (b";", b"_"):
                return True
    return False


def _defined(data: bytes, named: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Yield where the texts of a macro that takes arguments begin."""
    for at, behind in named:
        line = data.rfind(b"\n", 0, at) + 1
        before = data[line:at].replace(b" ", b"").replace(b"\t", b"")
        if before == b"#define" and data[behind : behind + 1] == b"(":
            end = closing(data, behind)
            if end is not None:
                yield end


def _behind(data: bytes, word: bytes, places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield where a word begins, and where what follows it does. places: where it stands."""
    for at in places:
        behind = at + len(word)
        while data[behind : behind + 1] in (b" ", b"\t", b"\n"):
            behind += 1
        yield at, behind
