"""What of an owner's code can matter to the states that it hands on; the rest is not run.

Code about states is what calls the lower devices' slots or speaks of xso, and all that it calls.
What that reads is what matters: a statement does that stores such a member, or one of the
function's own variables, calls code about states, makes a device a port or none, or leaves the
function. `slave->backup = 1;` does not where no code about states reads a slave's `backup`, and
`if (mode == 4) lacp_told(slave);` does not where lacp_told() stores no more than such members. What
is left out may have stored other members: what they hold is not known from then on.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.reader import Reader
from xfrmlint.c.text import spaces
from xfrmlint.concrete.bodies import CALLED, Bodies, OwnMacros, bodies_of, reached
from xfrmlint.concrete.primitives import changes_world, is_given, stores_nothing
from xfrmlint.contract.words import DEVICE, OPS, PACKET, STATE, XFRM, XSO
from xfrmlint.kernel.functions import function_named
from xfrmlint.kernel.places import HEADERS

_WORDS = frozenset({"if", "for", "while", "switch", "return", "sizeof", "do", "else", "typeof"})
_MEMBER = rb"(?:(?<![\w.>)\]])([A-Za-z_]\w*)|[\w)\]])\s*(?:->|\.)\s*([A-Za-z_]\w*)"
_READ = re.compile(_MEMBER)
_SET = rb"[\s)]*(?:\[[^\]]*\]\s*)?(?:(?:[-+*/%&|^]|<<|>>)?=(?!=)|\+\+|--)"
_STORED = re.compile(_MEMBER + _SET)
_COUNTED = re.compile(rb"(?:\+\+|--)\s*[^;,()]*?" + _MEMBER)
_GIVEN = re.compile(rb"[(,=?:]\s*&\s*[^;,]*?" + _MEMBER + rb"(?=\s*[,)\[])")
# One of the function's own variables, or what it points to.
_OWN = re.compile(rb"(?<![\w.>])([A-Za-z_]\w*)" + _SET + rb"|(?:\+\+|--)\s*(\w+)\s*[;,)]")
_OWN_GIVEN = re.compile(rb"[(,=?:]\s*&\s*([A-Za-z_]\w*)(?=\s*[,)])")
_NEW = re.compile(rb"(?<!\belse)(?<!\bdo)(?<=\w)[ *]+(\w+) ?[=;\[]")
_LEAVES = re.compile(rb"\b(?:return|goto|break|continue|case|default)\b|(?:^|[;{}])\s*\w+\s*:(?!:)")
_POINTED = re.compile(rb"(?:->|\.)\s*\w+(?:\[[^\]]*\])?\s*\(|\(\s*\*\s*\w[^()]*\)\s*\(")
_DECLARED = re.compile(rb"\bstruct\s+(\w+)\s*\*+\s*(?:const\s+|__\w+\s+)*(\w+)")
_NEXT = re.compile(
    rb"\s*(?:=[^,;()]*(?:\([^;()]*(?:\([^;()]*\)[^;()]*)*\)[^,;()]*)*)?,\s*\*+\s*(\w+)"
)
_LOOPS = re.compile(rb"\bwhile\s*\(([^;{}]*?,[^;{}]*?)\)\s*[^\s)&|,]")
_SHARED = re.compile(rb"(?m)^(?:\w+[ \t]+)*struct\s+\w+[^;(){}]*?\*[^;(){}]*[;=]")
_POINTER = re.compile(rb"\*\s*(?:__\w+\s*|const\s+)*(\w+)\s*[,;=]")
_WORD = re.compile(rb",\s*(\w+)\s*(?=,|$)")
_BLOCKS = frozenset(
    {"if_statement", "for_statement", "while_statement", "do_statement", "switch_statement"}
)


# Members that may have been stored, with the tags of their structs; None: that is not seen.
Lost = dict[str, set[str | None]]


class _Member(NamedTuple):
    """A member by its name, of a struct by its tag; None where that is not seen."""

    name: str
    tag: str | None


class Slices:
    """The code of one owner: what of it matters.

    lost: the members that what was left out so far may have stored.
    """

    def __init__(self, reader: Reader, path: str, bodies: Bodies, callbacks: Iterable[str]) -> None:
        self.lost: Lost = {}
        self._reader = reader
        told = re.compile(rb"\b%s\b" % XSO.encode())
        roots = {*callbacks} & bodies.keys()
        roots |= {n for n, one in bodies.items() if one.slots or told.search(one.meant)}
        self._roots = frozenset().union(*(reached(name, bodies) for name in roots))
        self._run = self._roots
        self._bodies = bodies
        self._macros = OwnMacros(reader, {path, *(body.path for body in bodies.values())})
        self._wanted = self._read_by(bodies)
        # The core calls what stands in these, and finds it through a device.
        for slot in reader.contract.slots.values():
            self._wanted |= {slot.name: {None}, slot.hangs: {None}}
        # Pointers of the owner's files lead to what is read: to name one is to touch it.
        named = {
            name for one in {body.path for body in bodies.values()} for name in self._named(one)
        }
        self._wanted |= {name.decode(): {None} for name in named}
        self._pointers = re.compile(rb"(?<![\w.>])(?:%s)\b" % b"|".join(sorted(named) or [b"(?!)"]))
        # What a header of the owner's defines besides its structs is its code, too.
        self._bodies = {**bodies_of(reader, self._headers(path, bodies)), **bodies}
        self._more: set[_Member] = set()
        # Each is asked again and again.
        self._effect_of = cache(self._what_does)
        self._effect_in = cache(self._what_all_does)
        self._touches = cache(self._touches_below)
        self._touches_itself = cache(self._touches_directly)
        self._is_the_cores = cache(self._is_in_the_cores_header)
        self._stored_by = cache(self._all_stored_by)

    def want(self, members: Iterable[tuple[str, str]]) -> None:
        """Count some members among what matters, besides what always does: names, and structs.

        A decision about states rests on them.
        """
        self._more = {_Member(name, kind.partition(" ")[2] or None) for name, kind in members}
        self.lost = {}
        self._touches_itself.cache_clear()
        self._touches.cache_clear()

    def _read_by(self, bodies: Bodies) -> Lost:
        found: dict[str, set[str | None]] = {}
        for text in (*(bodies[name].meant for name in self._roots), *self._loops_used(bodies)):
            for match in _READ.finditer(text):
                one = _member(match, text)
                # Whatever stores to xso is among the roots.
                if not text[: match.start(2)].rstrip(b"->. ").endswith(XSO.encode()):
                    found.setdefault(one.name, set()).add(one.tag)
            for match in _LOOPS.finditer(text):
                # What links the entries of a list.
                for word in _WORD.findall(match.group(1)):
                    found.setdefault(word.decode(), set()).add(None)
        return found

    def _named(self, path: str) -> Iterator[bytes]:
        """Yield the pointers to structs that are variables of a file."""
        for match in _SHARED.finditer(self._reader.corpus.unit(path).text):
            yield from _POINTER.findall(match.group())

    def _loops_used(self, bodies: Bodies) -> Iterator[bytes]:
        """Yield what code about states loops over ports by, where that is a macro."""
        for name in sorted({loop for root in self._roots for loop in bodies[root].loops}):
            for macro in self._macros.defined.get(name, ()):
                yield self._macros.expanded(macro.body)

    def _headers(self, path: str, bodies: Bodies) -> list[str]:
        """Return the kernel's headers that declare a struct that the code about states reads."""
        tags = {tag for found in self._wanted.values() for tag in found if tag is not None}
        corpus = self._reader.corpus
        offload = self._reader.contract.offload
        common = {word.split()[-1] for word in (OPS, PACKET, DEVICE, STATE, offload)}
        heads = [b"struct %s {" % tag.encode() for tag in sorted(tags - common)]
        return [
            one
            for one in corpus.includes(path)
            if one.startswith(HEADERS) and any(head in corpus.data(one) for head in heads)
        ]

    # What is left of a function

    def cuts(self, name: str) -> bool:
        """Tell whether something of a function may be left out."""
        return name in self._bodies and name not in self._roots

    def run(self, names: Iterable[str]) -> None:
        """Take down what is run besides the code about states."""
        self._run = self._roots.union(*(reached(name, self._bodies) for name in names))

    def runs(self, name: str) -> bool:
        """Tell whether a function is run, before a state is added or with one."""
        return name in self._run

    def file_of(self, name: str) -> str:
        """Return the file of the owner's, or its header, that defines a function; or nothing."""
        found = self._bodies.get(name)
        return found.path if found is not None else ""

    def of(self, name: str, path: str, text: bytes, node: Node) -> bytes:
        """Return the text of a file in which what can't matter of one function is blank."""
        body = node.child_by_field_name("body")
        head = text[node.start_byte : body.start_byte] if body is not None else b""
        packet = PACKET.encode() in b" ".join(head.split())
        if body is None or packet or not self.cuts(name) or self._bodies[name].path != path:
            return text
        whole = text[node.start_byte : node.end_byte]
        left = bytearray(text)
        for statement in self._idle(body, text, whole):
            start, end = statement.start_byte, statement.end_byte
            left[start:end] = b";" + spaces(bytes(left[start + 1 : end]))
            for one in self._all_stored(text[start:end], whole):
                self.lost.setdefault(one.name, set()).add(one.tag)
        return bytes(left)

    def _idle(self, block: Node, text: bytes, whole: bytes) -> Iterator[Node]:
        """Yield the outermost statements of a block that don't matter."""
        for child in block.named_children:
            if child.type == "compound_statement":
                yield from self._idle(child, text, whole)
            elif child.type == "expression_statement" or child.type in _BLOCKS:
                written = text[child.start_byte : child.end_byte]
                if not self._matters(written, whole):
                    yield child
                elif child.type in _BLOCKS:
                    yield from self._idle(child, text, whole)
            elif child.type in ("else_clause", "labeled_statement", "case_statement"):
                yield from self._idle(child, text, whole)

    # What matters

    def _matters(self, written: bytes, whole: bytes) -> bool:
        """Tell whether a statement may matter. whole: the function, which declares variables."""
        effect = self._effect_of(written, whole)
        return (
            effect.inside
            or self._touches_by(effect)
            or any(map(self._calls_what_matters, effect.calls))
        )

    def _what_does(self, written: bytes, whole: bytes) -> "_Effect":
        written = self._macros.expanded(written)
        effect = _effect(written, whole)
        shared = (_Member(name.decode(), None) for name in self._pointers.findall(written))
        return effect._replace(stores=(*effect.stores, *shared))

    def _touches_by(self, effect: "_Effect") -> bool:
        """Tell whether some code itself stores what matters, or calls by a pointer."""
        return effect.pointed or any(map(self._is_wanted, effect.stores))

    def _is_wanted(self, one: _Member) -> bool:
        if any(
            (more.name == one.name and None in (one.tag, more.tag)) or more == one
            for more in self._more
        ):
            return True
        tags = self._wanted.get(one.name)
        return tags is not None and (one.tag is None or None in tags or one.tag in tags)

    def _calls_what_matters(self, name: str) -> bool:
        """Tell whether a call of a name may matter, whatever it is told."""
        if name in self._bodies:
            return self._touches(name)
        return changes_world(name) or self._is_the_cores(name)

    def _is_in_the_cores_header(self, name: str) -> bool:
        """Tell whether a function is one of the xfrm core's, which may be about states."""
        header, word = self._reader.corpus.data(XFRM), name.encode()
        if word not in header or is_given(name):
            return False
        declared = rb"^(?:[A-Za-z_][\w \t*]*[ \t*])?%s\s*\(" % re.escape(word)
        return re.search(declared, header, re.M) is not None

    def _touches_below(self, name: str) -> bool:
        return any(map(self._touches_itself, sorted(reached(name, self._bodies))))

    def _touches_directly(self, name: str) -> bool:
        effect = self._effect_in(name)
        outside = [one for one in effect.calls if one not in self._bodies]
        return (
            name in self._roots
            or self._touches_by(effect)
            or any(map(self._calls_what_matters, outside))
        )

    def _what_all_does(self, name: str) -> "_Effect":
        """Return what a whole function does."""
        whole = self._bodies[name].text
        return self._effect_of(whole[whole.find(b"{") :], whole)

    # What is stored

    def _all_stored(self, written: bytes, whole: bytes) -> Iterator[_Member]:
        """Yield the members that a statement stores, itself or by what it calls."""
        effect = self._effect_of(written, whole)
        yield from effect.stores
        for name in effect.calls:
            yield from self._stored_by(name)

    def _all_stored_by(self, name: str) -> frozenset[_Member]:
        below = reached(name, self._bodies)
        return frozenset(one for b in below for one in self._effect_in(b).stores)


def _sets_own(text: bytes) -> bool:
    """Tell whether a statement sets, or gives away, a variable that it does not declare itself."""
    names = {match.group(1) or match.group(2) for match in _OWN.finditer(text)}
    names |= {match.group(1) for match in _OWN_GIVEN.finditer(text)}
    return bool(names) and not names <= {*_NEW.findall(b" ".join(text.split()))}


class _Effect(NamedTuple):
    """What some code does. inside: something of its function's own. pointed: it calls by a pointer.

    stores: members, or members whose address it gives away. calls: functions and macros by name.
    """

    inside: bool
    pointed: bool
    stores: Sequence[_Member]
    calls: Sequence[str]


def _effect(written: bytes, whole: bytes) -> _Effect:
    text = _evaluated(b" ".join(written.split()))
    inside = _LEAVES.search(text) is not None or _sets_own(text)
    stores = tuple(dict.fromkeys(_stores(text, whole)))
    return _Effect(inside, _POINTED.search(text) is not None, stores, _called(text))


def _called(text: bytes) -> Sequence[str]:
    return [name for found in set(CALLED.findall(text)) if (name := found.decode()) not in _WORDS]


def _evaluated(text: bytes) -> bytes:
    """Return some text without calls of what stores nothing."""
    left = bytearray(text)
    at = 0
    while (match := CALLED.search(left, at)) is not None:
        at = match.end()
        if stores_nothing(match.group(1).decode()):
            end = _closed(left, match.end())
            left[match.start() : end] = b"0" + b" " * (end - match.start() - 1)
    return bytes(left)


def _closed(text: bytes | bytearray, at: int) -> int:
    """Return where the bracket closes behind whose opening one `at` is."""
    depth = 1
    while at < len(text) and depth:
        depth += {0x28: 1, 0x29: -1}.get(text[at], 0)
        at += 1
    return at


def _stores(text: bytes, whole: bytes) -> Iterator[_Member]:
    """Yield the members that some text stores, or gives somebody the address of."""
    for pattern in (_STORED, _COUNTED, _GIVEN):
        for match in pattern.finditer(text):
            yield _member(match, whole)
    for match in CALLED.finditer(text):
        if function_named(match.group(1).decode()).stores:
            told = text[match.end() : _closed(text, match.end())]
            for found in _READ.finditer(told):
                yield _member(found, whole)


def _member(match: re.Match[bytes], whole: bytes) -> _Member:
    base, name = match.groups()
    return _Member(name.decode(), _pointers_in(whole).get(base) if base else None)


@lru_cache(maxsize=64)
def _pointers_in(whole: bytes) -> Mapping[bytes, str | None]:
    """Return the tags of the structs that a function's variables point to; None for several."""
    found: dict[bytes, str | None] = {}
    for match in _DECLARED.finditer(whole):
        tag, name = match.groups()
        end = match.end()
        while name:
            found[name] = tag.decode() if found.get(name, tag.decode()) == tag.decode() else None
            following = _NEXT.match(whole, end)
            name, end = (following.group(1), following.end()) if following else (b"", end)
    return found
