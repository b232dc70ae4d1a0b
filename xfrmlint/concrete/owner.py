"""An owner's own code: its callbacks, and what joins, leaves and moves its ports."""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple

from xfrmlint.c.ctype import CType
from xfrmlint.c.reader import Reader
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.sources import Sources
from xfrmlint.contract.words import ADD, DELETE, DEVICE, FREE, Contract

_CALLED = re.compile(rb"\b([A-Za-z_]\w*)\s*\(")
_TWO_POINTERS = re.compile(rb"^[^{;,]*\([^{;,]*\bstruct\s+\w+\s*\*[^{;,]*,[^{;,]*\*[^{;,]*\)\s*\{")
_DEEPEST = 4
# Bytes of a function that makes a device a port; what is longer has never come to its end.
_LONGEST = 8000


class Owner(NamedTuple):
    """The functions of an owner by what they are for; one that was not found is missing.

    callbacks: by the slot's name. joins, leaves: ndo_add_slave and ndo_del_slave. moves: what moves
    the states to another port, called with the owner's private data and the port's; other: code
    besides the callbacks hands states on, found or not. blamed: of that code the innermost that
    both takes a state from a port and puts it on another. transmits: ndo_start_xmit.
    """

    name: str
    path: str
    callbacks: Mapping[str, Source]
    joins: Source | None
    leaves: Source | None
    moves: Source | None
    other: bool
    blamed: Source | None
    transmits: Source | None


def owner_of(reader: Reader, sources: Sources, path: str, callbacks: Mapping[str, str]) -> Owner:
    """Return an owner by its ops table: the file it stands in, and the functions in its slots."""
    found = {slot: sources.function(name, path) for slot, name in callbacks.items()}
    known = {slot: source for slot, source in found.items() if source is not None}
    files = [one for one in reader.universe.files(path) if one.endswith(".c")] or [path]
    bodies = _bodies_of(reader, files)
    ndos = {
        slot: _filled(sources, bodies, reader, files, f"ndo_{slot}")
        for slot in ("add_slave", "del_slave", "start_xmit")
    }
    others = {source.name for source in (*known.values(), *ndos.values()) if source is not None}
    moves, blamed = _movers(sources, bodies, others)
    return Owner(
        reader.universe.module(path),
        path,
        known,
        ndos["add_slave"],
        ndos["del_slave"],
        moves,
        _hands_on_elsewhere(sources.contract, bodies, known),
        blamed,
        ndos["start_xmit"],
    )


def _filled(
    sources: Sources, bodies: "_Bodies", reader: Reader, files: Sequence[str], slot: str
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
    return None if body is None or len(body.text) > _LONGEST else sources.function(name, path)


class _Body(NamedTuple):
    """A function's file and text, and whom it calls by name."""

    path: str
    text: bytes
    calls: tuple[str, ...]


_Bodies = Mapping[str, _Body]


def _bodies_of(reader: Reader, files: Sequence[str]) -> _Bodies:
    """Return the functions of some files by name."""
    found: dict[str, _Body] = {}
    for path in files:
        unit = reader.corpus.unit(path)
        for item in unit.items:
            if item.kind == "function":
                text = unit.text[item.start : item.end]
                calls = dict.fromkeys(m.group(1).decode() for m in _CALLED.finditer(text))
                found[item.name] = _Body(path, text, tuple(calls))
    return found


def _movers(
    sources: Sources, bodies: _Bodies, others: Container[str]
) -> tuple[Source | None, Source | None]:
    """Return the function that moves the states to another port, and the one that it does so by.

    The first reaches a lower's add and its delete or free, is none of the callbacks, and is told
    the new port: by a struct with a net_device, or by the net_device itself. The other one is the
    innermost that reaches both.
    """
    both = {
        name
        for name in bodies
        if _hands_on(b"".join(_reached(name, bodies, 0, set())), sources.contract)
    }
    told = []
    for name in sorted(both):
        # Its head first: to prepare a function takes longer.
        likely = name not in others and _TWO_POINTERS.search(bodies[name].text) is not None
        source = sources.function(name, bodies[name].path) if likely else None
        if source is not None and _told_port(source, sources):
            told.append(source)
    lowest = [s for s in told if not any(_calls(s.name, o.name, bodies) for o in told)]
    if len(lowest) != 1:
        return None, None
    inside = {n for n in both if n == lowest[0].name or _calls(lowest[0].name, n, bodies)}
    inner = [n for n in inside if not any(_calls(n, other, bodies) for other in inside)]
    blamed = sources.function(inner[0], bodies[inner[0]].path) if len(inner) == 1 else None
    return lowest[0], blamed


def _hands_on_elsewhere(
    contract: Contract, bodies: _Bodies, callbacks: Mapping[str, Source]
) -> bool:
    """Tell whether something calls a lower's add that the owner's own add does not reach."""
    own = callbacks.get(contract.slot(ADD))
    reached: set[str] = set()
    if own is not None:
        list(_reached(own.name, bodies, 0, reached))
    slot = contract.slot(ADD).encode()
    return any(
        re.search(rb"(->|\.)%s\s*\(" % slot, text) is not None
        for name, (_, text, _) in bodies.items()
        if name not in reached
    ) or any(
        _calls(name, inner, bodies)
        for name in bodies
        for inner in reached
        if name not in reached and _adds(inner, bodies, slot)
    )


def _adds(name: str, bodies: _Bodies, slot: bytes) -> bool:
    text = bodies[name].text if name in bodies else b""
    return re.search(rb"(->|\.)%s\s*\(" % slot, text) is not None


def _hands_on(text: bytes, contract: Contract) -> bool:
    def called(role: str) -> bool:
        slot = contract.slot(role).encode()
        return bool(slot) and re.search(rb"(->|\.)%s\s*\(" % slot, text) is not None

    return called(ADD) and (called(DELETE) or called(FREE))


def _reached(name: str, bodies: _Bodies, depth: int, seen: set[str]) -> Iterator[bytes]:
    """Yield the texts of a function and of what it calls in the same files."""
    if name in seen or depth > _DEEPEST or name not in bodies:
        return
    seen.add(name)
    yield bodies[name].text
    for called in bodies[name].calls:
        yield from _reached(called, bodies, depth + 1, seen)


def _calls(name: str, other: str, bodies: _Bodies) -> bool:
    """Tell whether a function calls another one, itself or through others."""
    seen: set[str] = set()
    list(_reached(name, bodies, 0, seen))
    return other in seen and name != other


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


def parameters(source: Source) -> list[CType]:
    """Return the types of a function's parameters in order."""
    found = [(v.parameter, v.type) for v in source.view.locals if v.parameter >= 0]
    return [kind for _, kind in sorted(found, key=lambda one: one[0])]


def _told_port(source: Source, sources: Sources) -> bool:
    """Tell whether a function is told the owner and then a port."""
    kinds = parameters(source)
    if len(kinds) != 2 or not port_of(kinds[1], sources, source.path):
        return False
    return kinds[0].pointers == 1 and kinds[0].base.startswith("struct ")
