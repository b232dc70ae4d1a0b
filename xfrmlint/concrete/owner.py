"""An owner's own code: its callbacks, and what joins, leaves and moves its ports."""

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import integer
from xfrmlint.c.reader import Reader
from xfrmlint.c.text import without_comments
from xfrmlint.c.view import View
from xfrmlint.concrete.bodies import Bodies, owners_files, reached, reaching
from xfrmlint.concrete.names import Source, parameters
from xfrmlint.concrete.sources import LONGEST, Sources
from xfrmlint.contract.words import (
    ADD,
    DELETE,
    DEVICE,
    ESN,
    EXTACK,
    FREE,
    NETDEV_OPS,
    OPS,
    RESOLVE,
    SHARE,
    Contract,
)
from xfrmlint.kernel.functions import run_named

_TWO_POINTERS = re.compile(rb"^[^{;,]*\([^{;,]*\bstruct\s+\w+\s*\*[^{;,]*,[^{;,]*\*[^{;,]*\)\s*\{")
_PRIVATE = re.compile(rb"\bstruct\s+(\w+)\s*\*\s*\w+\s*=\s*netdev_priv\s*\(")
_SEVERAL = re.compile(
    rb"^[^{;]*\(\s*[^{;]*\bstruct\s+net_device\s*(?:\*\s*(?:const\s*)?\*|\*\s*\w+\s*\[)[^{;]*\{"
)
_SIZED = re.compile(
    rb"[^{;]*\(\s*[^{;]*\bstruct\s+net_device\s*\*\s*(?:const\s+)?\w+\s*\[\s*(\w+)\s*\][^{;]*\{"
)
_INDEX = b"ifindex"
_INSTALLS = re.compile(rb"(?:->|\.)\s*%s\s*=(?!=)" % NETDEV_OPS.encode())


class Owner(NamedTuple):
    """The functions of an owner by what they are for; one that was not found is missing.

    callbacks: by the slot's name, those that are run. slots: all that are filled. joins, leaves:
    ndo_add_slave and ndo_del_slave. creates: what makes the device, and is told its ports: an array
    of devices, and how many; or a newlink, which looks them up. tables: the only one that there is,
    by its struct. by_index: it asks for an ifindex somewhere. moves: what moves the states to
    another port, called with the owner's private data and the port's; other: code besides the
    callbacks and what is run for one that joins hands states on, found or not. blamed: of that code
    the innermost that both takes a state from a port and puts it on another. transmits:
    ndo_start_xmit. tests_promise: it may look at what other devices' tables promise, somewhere.
    frees: there are lowers that have to be told when a state is freed: its code calls them, or a
    table of the tree has such a callback.
    """

    name: str
    path: str
    callbacks: Mapping[str, Source]
    slots: frozenset[str]
    joins: Source | None
    leaves: Source | None
    creates: Source | None
    moves: Source | None
    other: bool
    blamed: Source | None
    transmits: Source | None
    tests_promise: bool = True
    frees: bool = False
    tables: Mapping[str, str] = MappingProxyType({})
    by_index: bool = False

    def run(self) -> list[str]:
        """Return the names of what is run besides the callbacks."""
        found = (self.joins, self.leaves, self.creates, self.moves)
        return [one.name for one in found if one is not None]


def owner_of(
    reader: Reader, sources: Sources, path: str, callbacks: Mapping[str, str], bodies: Bodies
) -> Owner:
    """Return an owner by its ops table: the file it stands in, and the functions in its slots.

    bodies: the functions of its C files.
    """
    # The others are there to be seen, and not run.
    run = {sources.contract.slot(role) for role in (ADD, DELETE, ESN, FREE, RESOLVE)}
    found = {slot: sources.function(callbacks[slot], path) for slot in callbacks.keys() & run}
    known = {slot: source for slot, source in found.items() if source is not None}
    files = owners_files(reader, path)
    ndos = {
        slot: _filled(sources, bodies, reader, files, f"ndo_{slot}")
        for slot in ("add_slave", "del_slave", "start_xmit")
    }
    others = {source.name for source in ndos.values() if source is not None}
    others.update(callbacks.values())
    joining = _run_only_by(ndos["add_slave"], bodies, reader, files)
    moves, blamed = _movers(sources, bodies, others | joining)
    creates = _creator(sources, bodies) or _linking(sources, bodies, reader, files)
    return Owner(
        reader.universe.module(path),
        path,
        known,
        frozenset(callbacks),
        ndos["add_slave"],
        ndos["del_slave"],
        None if ndos["add_slave"] is not None else creates,
        moves,
        _hands_on_elsewhere(sources.contract, bodies, known, joining),
        blamed,
        ndos["start_xmit"],
        _may_test_promise(reader, path),
        _has_lowers_that_free(reader, path, bodies),
        {struct: _table(reader, files, struct) for struct in sources.contract.tables},
        any(_INDEX in reader.corpus.data(one) for one in reader.universe.files(path)),
    )


def _has_lowers_that_free(reader: Reader, path: str, bodies: Bodies) -> bool:
    """Tell whether an owner calls a lower's free, or a lower of the tree has one."""
    free, add = (re.escape(reader.contract.slot(role)) for role in (FREE, ADD))
    if not free or any(FREE in body.slots for body in bodies.values()):
        return bool(free)
    fills = re.compile(rb"(?:->|\.)\s*%s\s*=(?!=|\s*NULL)" % free.encode())
    # Who hands states on is an owner, too.
    hands_on = re.compile(rb"(?:->|\.)\s*%s\s*\(" % add.encode())
    own = owners_files(reader, path)
    for file in reader.corpus.tree.search(rf"\b{free}\s*=", ["drivers"]):
        text = without_comments(reader.corpus.data(file)) if file not in own else b""
        if fills.search(text) and not hands_on.search(text):
            return True
    return False


def _may_test_promise(reader: Reader, path: str) -> bool:
    """Tell whether code of an owner, or what the kernel's headers offer it, reads a promise.

    Told by the flags' member, and by the promise's name: in a table's initializer neither counts.
    """
    contract = reader.contract
    name, flags = contract.promise(RESOLVE).encode(), contract.flags
    if not name or flags is None:
        return True
    defined = rb"#\s*define\s+%s\b.*|\b%s\s*\|?=[^=,;}]*" % (name, flags.word.encode())
    files = dict.fromkeys([*reader.universe.files(path), *reader.universe.shared])
    for file in files:
        data = reader.corpus.data(file)
        if name in data and name in re.sub(defined, b"", reader.corpus.unit(file).text):
            return True
    key = reader.universe.key(path)
    for view, node in reader.occurrences(flags.word, reader.universe.files(path), key):
        field = node.parent
        if field is not None and field.type == "field_expression":
            of = field.child_by_field_name("argument")
            kind = reader.types.of(of, view) if of is not None else None
            around = field.parent
            stored = around is not None and around.child_by_field_name("left") == field
            if kind is None or (kind.base == (flags.struct or OPS) and not stored):
                return True
    return False


def _filled(
    sources: Sources, bodies: Bodies, reader: Reader, files: Sequence[str], slot: str
) -> Source | None:
    """Return the one function that the files put into a slot by its name."""
    written = re.compile(rb"\.%s\s*=\s*(\w+)" % slot.encode())
    found = {
        (match.group(1).decode(), path)
        for path in files
        if slot.encode() in reader.corpus.data(path)
        for match in written.finditer(reader.corpus.unit(path).text)
    }
    if len(found) != 1:
        return None
    name, path = found.pop()
    body = bodies.get(name)
    return None if body is None or len(body.text) > LONGEST else sources.function(name, path)


def _table(reader: Reader, files: Sequence[str], struct: str) -> str:
    """Return the table that some files define, if there is one alone. struct: its type."""
    table = re.compile(rb"\bstruct\s+%s\s+(\w+)\s*=" % struct.split()[-1].encode())
    found = {name for path in files for name in table.findall(reader.corpus.unit(path).text)}
    return found.pop().decode() if len(found) == 1 else ""


def _creator(sources: Sources, bodies: Bodies) -> Source | None:
    """Return the one function that installs an ops table on a device and is told its ports."""
    found = set()
    for name, body in bodies.items():
        # Its head alone, as below.
        if _SEVERAL.search(body.text) is None or len(body.text) > LONGEST:
            continue
        if any(_INSTALLS.search(bodies[one].text) for one in reached(name, bodies)):
            head = sources.head(name, body.path)
            if head is not None and takes_ports(head, sources):
                found.add(name)
    outer = found - {below for name in found for below in reached(name, bodies) - {name}}
    name = outer.pop() if len(outer) == 1 else ""
    return sources.function(name, bodies[name].path) if name else None


def _linking(
    sources: Sources, bodies: Bodies, reader: Reader, files: Sequence[str]
) -> Source | None:
    """Return an owner's newlink if it looks up devices: they are its ports."""
    found = _filled(sources, bodies, reader, files, "newlink")
    below = reached(found.name, bodies) if found is not None else ()
    called = {name for one in below for name in bodies[one].calls}
    return found if any(run_named(name) == "names device" for name in called) else None


def takes_ports(head: View, sources: Sources) -> bool:
    """Tell whether a function takes an array of devices, how many, and at most one device more.

    How many there are its head may say, too.
    """
    count: Counter[str] = Counter()
    for kind in parameters(head):
        if kind.base == DEVICE:
            count["ports" if kind.pointers == 2 else "device"] += 1
        elif kind.base != EXTACK:
            plain = sources.resolved(kind, head.path)
            count["other" if kind.pointers or integer(plain) is None else "number"] += 1
    told = count["number"] == 1 or (not count["number"] and ports_in(head, sources) > 0)
    return told and (count["ports"], count["other"]) == (1, 0) and count["device"] < 2


def ports_in(head: View, sources: Sources) -> int:
    """Return how many devices a function's head says that its array has; 0 if it is told."""
    if any(kind.base not in (DEVICE, EXTACK) for kind in parameters(head)):
        return 0
    text = head.text[head.item.start : head.item.end]
    match = _SIZED.match(text)
    size = sources.constant(match.group(1).decode(), head.path) if match is not None else None
    return size.value if size is not None else 0


def _movers(
    sources: Sources, bodies: Bodies, others: Container[str]
) -> tuple[Source | None, Source | None]:
    """Return the function that moves the states to another port, and the one that it does so by.

    The first reaches a lower's add and its delete or free, is none of the callbacks, and is told
    the new port: by a struct with a net_device, or by the net_device itself. The other one is the
    innermost that reaches both.
    """
    both = reaching(ADD, bodies) & (reaching(DELETE, bodies) | reaching(FREE, bodies))
    below = {name: reached(name, bodies) - {name} for name in both}
    private = {tag for body in bodies.values() for tag in _PRIVATE.findall(body.text)}
    told = []
    for name in sorted(both):
        # Its head alone: to prepare a function takes longer.
        likely = name not in others and _TWO_POINTERS.search(bodies[name].text) is not None
        head = sources.head(name, bodies[name].path) if likely else None
        if head is not None and _told_port(head, sources, private):
            told.append(name)
    lowest = [one for one in told if not below[one] & {*told}]
    if len(lowest) != 1:
        return None, None
    inside = both & (below[lowest[0]] | {lowest[0]})
    inner = [name for name in inside if not below[name] & inside]
    blamed = sources.function(inner[0], bodies[inner[0]].path) if len(inner) == 1 else None
    return sources.function(lowest[0], bodies[lowest[0]].path), blamed


def _hands_on_elsewhere(
    contract: Contract, bodies: Bodies, callbacks: Mapping[str, Source], joining: set[str]
) -> bool:
    """Tell whether something reaches a lower's add that the owner's own add does not reach.

    joining: what is run only for a port that joins; of which no story tells where states are
    shared.
    """
    own = callbacks.get(contract.slot(ADD))
    below = reached(own.name, bodies) if own is not None else set()
    told = joining if SHARE not in contract.slots else set()
    return bool(reaching(ADD, bodies) - below - told)


def _run_only_by(
    source: Source | None, bodies: Bodies, reader: Reader, files: Sequence[str]
) -> set[str]:
    """Return what hands states on and that function alone runs, itself or through others.

    Nobody else names it: no other function does, and no variable of the files holds its address.
    """
    found = {source.name} if source is not None else set()
    named = {
        one: {user for user, body in bodies.items() if user != one and word.search(body.meant)}
        for one in (reaching(ADD, bodies) if found else ())
        for word in [re.compile(rb"\b%s\b" % one.encode())]
    }
    while fresh := {
        one
        for one, users in named.items()
        if one not in found and users and users <= found and not _is_held(one, reader, files)
    }:
        found |= fresh
    return found


def _is_held(name: str, reader: Reader, files: Sequence[str]) -> bool:
    """Tell whether a variable of some files holds a function's address from the start."""
    # A name that a parenthesis follows is declared there.
    held = re.compile(rb"\b%s\b(?!\s*\()" % name.encode())
    for path in files:
        unit = reader.corpus.unit(path)
        for match in held.finditer(unit.text):
            item = unit.item_at(match.start())
            if item is None or item.kind != "function":
                return True
    return False


def port_of(kind: CType, sources: Sources, path: str) -> str:
    """Return what a parameter can carry: the device, an owner's struct for it, or neither."""
    if kind.pointers != 1 or not kind.base.startswith("struct "):
        return ""
    if kind.base == DEVICE:
        return "device"
    held = [
        one
        for one in sources.members(kind, path).values()
        if (one.base, one.pointers) == (DEVICE, 1)
    ]
    return "entry" if held else ""


def _told_port(head: View, sources: Sources, private: Container[bytes]) -> bool:
    """Tell whether a function is told the owner and then a port.

    private: the tags of the structs that owners' private data are, as far as that is seen.
    """
    kinds = parameters(head)
    if len(kinds) != 2 or not port_of(kinds[1], sources, head.path):
        return False
    first = kinds[0]
    told = first.base == DEVICE or first.base.partition(" ")[2].encode() in private
    return first.pointers == 1 and first.base.startswith("struct ") and told
