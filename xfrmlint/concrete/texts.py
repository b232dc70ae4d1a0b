"""What the text of a tree says of members and variables that no path of a function tells."""

import re
from collections.abc import Iterator, Sequence
from functools import cache, partial

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import arguments_of, around, called_by, given_to, without_casts
from xfrmlint.c.index import words
from xfrmlint.c.integers import INT, Int
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.types import Fields
from xfrmlint.c.view import View
from xfrmlint.concrete.names import Declared
from xfrmlint.concrete.slices import Slices
from xfrmlint.concrete.unset import is_never_set
from xfrmlint.contract.words import HANDLE
from xfrmlint.kernel import structs
from xfrmlint.kernel.functions import function_named
from xfrmlint.kernel.places import HEADERS

# What is done to a member, behind its name and before it.
_STORED = re.compile(rb"(?:\[[^;=]*\])?\s*=([^=;][^;]*);")
_COUNTED = re.compile(rb"\s*(?:\+\+|--|[-+]=)")
_COUNTING = re.compile(rb"(?:\+\+|--)\s*[\w.>()-]*$")
_ZERO = re.compile(rb"[\s(]*(?:0[uUlL]*|NULL)[)\s]*$")
_PRIVATE = re.compile(rb"\b(\w+)->$")
_FROM_NAME = re.compile(rb"\s*=\s*(\w+)\s*;")
_FAR = 100
# Elements of an array whose size can't be read.
_UNSAID = 64


class Texts:
    """What one tree's text says. home, slices: see Sources."""

    def __init__(self, reader: Reader, home: str, slices: Slices | None) -> None:
        self.contract = reader.contract
        self.constants = Constants(reader.types)
        self._reader = reader
        self._corpus = reader.corpus
        self._home = home
        self._slices = slices
        self.begins_with_zero = cache(self._begins_with_zero)
        self.never_set = cache(partial(is_never_set, reader))
        self.own_device = cache(self._keeps_own_device)

    def _around(self, path: str) -> Sequence[str]:
        """Return the files of the module that a file is part of."""
        # Who includes a kernel's header is asked of the whole tree: here only the driver does.
        return self._reader.universe.files(self._home_of(path))

    def _home_of(self, path: str) -> str:
        """Return the driver's first file for a kernel's header, and each other file itself."""
        return self._home if self._home and path.startswith(HEADERS) else path

    def member(self, struct: CType, name: str, path: str) -> Declared | None:
        """Return how a struct declares a member; None if that can't be read."""
        kind = self.members(struct, path).get(name)
        count = 0
        word, _, tag = struct.base.partition(" ")
        found = self._corpus.find(word, tag, path) if tag else None
        if kind is None:
            table = rb"\bDECLARE_HASHTABLE\s*\(\s*%s\s*," % re.escape(name.encode())
            text = self._corpus.unit(found.path).text[found.start : found.end] if found else b""
            # linux/hashtable.h: an array of hlist_heads.
            return (
                Declared(CType("struct hlist_head", 1), _UNSAID) if re.search(table, text) else None
            )
        if found is not None and kind.pointers:
            text = self._corpus.unit(found.path).text[found.start : found.end]
            sized = re.search(rb"\b%s\s*\[([^\]]*)\]\s*[;,\[]" % re.escape(name.encode()), text)
            if sized is not None:
                number = self.constant(sized.group(1).decode().strip(), found.path)
                count = number.value if number is not None else _UNSAID
        return Declared(kind, count)

    def members(self, struct: CType, path: str) -> Fields:
        """Return the members of a struct; none if they can't be read."""
        found = self._reader.types.fields(struct, path)
        return found[0] if found is not None else {}

    def variable(self, name: str, path: str) -> CType | None:
        """Return the type of a variable of a file; None if there is none of that name."""
        found = self._reader.types.variable(name, path)
        if found is None or " " not in found.base:
            # `static LIST_HEAD(name);` declares what no type is seen of.
            made = re.compile(
                rb"\b(?:H?LIST_HEAD|DEFINE_(?:SPINLOCK|MUTEX|XARRAY\w*))\s*\(\s*%s\s*\)"
                % name.encode()
            )
            data = self._corpus.data(path)
            return CType("struct list_head") if made.search(data) else found
        return found

    def is_set(self, name: str, path: str) -> bool:
        """Tell whether a variable of a file gets another value than its first one."""
        stored = re.compile(
            rb"(?m)^[ \t]+%(name)b[ \t]*(?:[-+*/%%&|^]|<<|>>)?=(?!=)|\b%(name)b\s*(?:\+\+|--)"
            rb"|(?:\+\+|--)\s*%(name)b\b|\bmodule_param\w*\s*\(\s*%(name)b\b"
            % {b"name": name.encode()}
        )
        return any(
            stored.search(self._corpus.unit(file).text)
            for file in self._reader.universe.files(path)
            if name.encode() in self._corpus.data(file)
        )

    def made_by(self, name: str, path: str) -> str | None:
        """Return the function that gives what a pointer of a file is before any state is added.

        Empty: it is NULL then. None: that is not seen.
        """
        makers: set[str | None] = set()
        for view, node in self._reader.near(name, path):
            value = _stored_in(view, node)
            is_run = self._slices is not None and self._slices.runs(view.item.name)
            if value is None or is_run or node_text(value) in ("NULL", "0"):
                continue
            maker = without_casts(value)
            makers.add(called_by(maker) if maker.type == "call_expression" else None)
        return makers.pop() if len(makers) == 1 else None if makers else ""

    def constant(self, text: str, path: str) -> Int | None:
        """Return the value of a constant expression; None if it is none."""
        # No header that is looked through has them, and there are hundreds.
        if text in structs.ERRORS:
            return Int(structs.ERRORS[text], INT)
        return self.constants.value(text, self._home_of(path))

    def key_member(self, name: str, path: str) -> str:
        """Return the member that an rhashtable's parameters say is the key; empty if unseen."""
        written = rb"\b%s\s*=\s*\{[^;]*?\.key_offset\s*=\s*offsetof\([^,]+,\s*(\w+)\s*\)"
        for place in self._around(path):
            if name.encode() in self._corpus.data(place):
                asked = re.search(written % re.escape(name.encode()), self._corpus.unit(place).text)
                if asked is not None:
                    return asked.group(1).decode()
        return ""

    def _begins_with_zero(self, name: str, path: str) -> bool:
        """Tell whether the code around `path` keeps nothing but handles, or counts, in a member.

        Then it is 0 at birth, as all of a device's private data: no number that was set elsewhere.
        """
        handle = re.compile(rb"\b%s\b" % re.escape(self.contract.word(HANDLE).encode()))
        values: list[bytes] = []
        counted = False
        for text, start, end in self._uses(name, path):
            stored = _STORED.match(text, end)
            if stored is not None:
                values.append(stored.group(1))
            line = text[text.rfind(b"\n", 0, start) + 1 : start]
            counted = counted or bool(_COUNTED.match(text, end) or _COUNTING.search(line))
        kept = any(map(handle.search, values))
        told = (handle.search(value) or _ZERO.match(value) for value in values)
        return all(told) and (kept or counted)

    def _uses(self, name: str, path: str) -> Iterator[tuple[bytes, int, int]]:
        """Yield where the code around `path` uses a member: a text, the name's begin and end."""
        word = name.encode()
        for place in self._around(path):
            if word in self._corpus.data(place):
                text = self._corpus.unit(place).text
                for at in words(text, word):
                    if text[at - 1 : at] == b"." or text[at - 2 : at] == b"->":
                        yield text, at, at + len(word)

    def _keeps_own_device(self, name: str, path: str) -> bool:
        """Tell whether the code around `path` keeps a net_device in its own private data there.

        It does so as `p = netdev_priv(dev); p->name = dev;`, whatever these are called.
        """
        for text, start, end in self._uses(name, path):
            private = _PRIVATE.search(text, max(0, start - _FAR), start)
            device = _FROM_NAME.match(text, end)
            if private is not None and device is not None:
                asked = rb"\b%s\s*=\s*netdev_priv\(\s*%s\s*\)" % (private.group(1), device.group(1))
                if re.search(asked, text[: private.start()]):
                    return True
        return False


def _stored_in(view: View, node: Node) -> Node | None:
    """Return what is stored where a file's variable stands; the name itself if that is unseen."""
    if view.kind == "function" and view.local(node_text(node), node.start_byte) is not None:
        return None
    given = given_to(node)
    for store in function_named(given.name).stores if given is not None else ():
        if given is not None and store.target.position == given.position:
            return dict(enumerate(arguments_of(given.call))).get(store.value.position, node)
    declared = around(node.parent, "pointer_declarator") if view.kind != "function" else None
    left = declared or node
    up = left.parent
    if up is None or up.type in ("array_declarator", "update_expression"):
        return node
    if up.type in ("assignment_expression", "init_declarator"):
        stored = up.child_by_field_name("right") or up.child_by_field_name("value")
        return stored if stored != left else None
    return node if up.type == "pointer_expression" and node_text(up).startswith("&") else None
