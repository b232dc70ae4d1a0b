"""The kernel around code that is run in a world: its devices, and what happened to them.

What a function of the kernel does with the objects of a world is said in devices.py, containers.py
and builtins.py, not read from the tree: its own code goes down to the allocator and the scheduler.
Memory is never short. A function that is not among these and that the tree's files near the code
don't define is outside.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import INT, Int
from xfrmlint.concrete.handles import as_number
from xfrmlint.concrete.values import NULL, Cell, Open, Pointer, Struct, Value
from xfrmlint.contract.words import DEVICE, OPS

HLIST_NODE = "struct hlist_node"
LINKS = ("struct list_head", "struct hlist_head", HLIST_NODE)
# Numbers of its own that an owner asks for in one run: so many are decided, each by so many
# questions.
_MOST_DECIDED = 2
_MOST_ASKED = 3


class Deed(StrEnum):
    """What an event of a run is."""

    READS = "reads"  # a member of x->xso
    WRITES = "writes"
    ADD = "add"
    DELETE = "delete"
    FREE = "free"
    ESN = "advance_esn"
    WAITS = "waits for all readers"
    QUEUES = "queues work"


class Spot(NamedTuple):
    """Where something is done, and the function around it."""

    path: str = ""
    line: int = 0
    column: int = 0
    function: str = ""


NOWHERE = Spot()


@dataclass(frozen=True)
class Event:
    """One event: of a lower device, or of a member of xso.

    value: what is written; to a lower's callback, what the handle's member holds when it is called.
    """

    deed: Deed
    device: str = ""
    member: str = ""
    value: str | int | None = None
    refused: bool = False
    at: Spot = field(default=NOWHERE, compare=False)


class Unscripted(Exception):
    """Code reads what no script says. Its text: the member."""


@dataclass
class Kernel:
    """One world's kernel.

    devices: by name. owner: the upper. choose: says how a question goes that the world leaves open.
    watched: the struct whose members that change are events. masters: the upper of each port, by
    name and in order. linked: what each was linked with, if that was seen. private: what
    netdev_priv() is, by the device's name. active: the port that an owner's own pointer leads to,
    where its code that would store it was not run. populated: that code was run. assumed: what was
    decided of the owner's own numbers, in words. lost: what members may hold that code stored which
    was not run, by name; of structs with these tags (None: with any). missed: those of them that
    were read, and their structs. looked: the members of ops tables that were read, by the tables'
    names. supposed: what was supposed of them besides. decided: of how many of these questions were
    decided both ways. unset: pointers to a device that nobody was seen to store. sent: the devices
    that a packet was queued on. files: variables of a file. given: what members of the world's
    objects are that are not 0, by the object's name and the member's. script: what is read of the
    watched struct's members that are `scripted`, by name and in order. written: what else was
    written. called_at: where the callback under way was called. creates: the owner's device is
    still to be made. offered: the ports that its newlink has still to look up; None in no newlink.
    made: what was allocated, and structs that are variables of calls. seen: the cells that were
    read, by their ids, where that is asked for. lists: the links of the entries of a list or a
    table, by its head's id; heads: these. entered: the ids of what was ever an entry's. unstored:
    pointers of the devices that no model says and nobody was seen to store, by their ids.
    """

    devices: Mapping[str, Struct]
    owner: Pointer
    choose: Callable[[], bool]
    watched: Struct
    masters: dict[str, str] = field(default_factory=dict)
    linked: dict[str, Value] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    private: dict[str, Struct] = field(default_factory=dict)
    active: str = ""
    populated: bool = False
    unset: list[str] = field(default_factory=list)
    supposed: list[str] = field(default_factory=list)
    decided: int = 0
    assumed: list[str] = field(default_factory=list)
    lists: dict[int, list[Struct]] = field(default_factory=dict)
    heads: dict[int, Struct] = field(default_factory=dict)
    entered: set[int] = field(default_factory=set)
    filled: set[int] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    script: list[tuple[str, Value]] | None = None
    scripted: frozenset[str] = frozenset()
    written: dict[int, Cell] = field(default_factory=dict)
    files: dict[str, Cell | Struct] = field(default_factory=dict)
    given: Mapping[str, int] = field(default_factory=dict)
    numbered: dict[int, dict[int, Value]] = field(default_factory=dict)
    lost: Mapping[str, set[str | None]] = field(default_factory=dict)
    missed: set[tuple[str, str]] = field(default_factory=set)
    looked: set[tuple[str, str]] = field(default_factory=set)
    called_at: Spot = NOWHERE
    creates: bool = False
    offered: list[str] | None = None
    made: list[Struct] = field(default_factory=list)
    seen: set[int] | None = None
    unstored: set[int] = field(default_factory=set)
    entries: dict[tuple[str, str], Struct] = field(default_factory=dict)

    # Numbers that are open

    def settled(self, value: Value) -> Value:
        """Return the number that an open one was decided to be, or what it was."""
        if isinstance(value, Open) and value.decided is not None:
            return Int(value.decided, INT)
        return value

    def supposes(self, reason: str) -> bool:
        """Answer no to a question about numbers that are open, and say that this is supposed.

        To go both ways at each would take too long, and two answers need not go together: nothing
        wrong is told of such a run. reason: why it is not known.
        """
        if reason not in self.supposed:
            self.supposed.append(reason)
        return False

    def is_number(self, value: Open, number: int) -> bool:
        """Tell whether an open number is this one: as it was decided, or as it is decided now."""
        if value.decided is not None:
            return value.decided == number
        if number in value.excluded:
            return False
        fresh = not value.excluded
        if (
            value.derived
            or (fresh and self.decided == _MOST_DECIDED)
            or len(value.excluded) == _MOST_ASKED
        ):
            return self.supposes(f"whether {value.name} is {number} is not known")
        self.decided += fresh
        if self.choose():
            value.decided = number
            self.assumed.append(f"{value.name} is {number}")
            return True
        value.excluded.add(number)
        self.assumed.append(f"{value.name} is not {number}")
        return False

    def is_lost(self, place: Cell | Struct) -> bool:
        """Tell whether code that was not run may have stored what a member holds."""
        if isinstance(place, Struct):
            member = (place.member, place.parent.kind if place.parent is not None else "")
        else:
            member = (place.name, place.kind)
        tags = self.lost.get(member[0])
        if tags is None or not (None in tags or member[1].partition(" ")[2] in tags):
            return False
        self.missed.add(member)
        return True

    # Memory

    def read(self, place: Cell, at: Spot) -> Value:
        """Return what is read of a place: of the watched struct what a script says, if there is.

        Of that struct it is an event where there is no script.
        Raises Unscripted where the code reads otherwise than the script, or what was changed since.
        """
        if self.script is None:
            if self.seen is not None:
                self.seen.add(id(place))
                if id(place) in self.unstored:
                    self.supposed.append(f"what stores {place.owner}.{place.name} is not seen")
            if place.kind == OPS:
                self.looked.add((place.owner, place.name))
            if place.owner == self.watched.name:
                self.events.append(Event(Deed.READS, member=place.name, at=at))
            return place.value
        if place.owner != self.watched.name:
            if id(place) in self.written:
                raise Unscripted(place.name)
            return place.value
        if place.name not in self.scripted:
            return place.value
        if not self.script or self.script[0][0] != place.name:
            raise Unscripted(place.name)
        return self.script.pop(0)[1]

    def wrote(self, place: Cell, at: Spot) -> None:
        """Take down that a member of the watched struct was written."""
        if place.owner != self.watched.name:
            self.unstored.discard(id(place))
            if self.script is None:
                # What reads by a script finds what it has itself written.
                self.written[id(place)] = place
            return
        value = place.value
        told: str | int | None = None
        if isinstance(value, Int):
            told = value.value
        elif isinstance(value, Pointer):
            handle = as_number(value) if value != NULL else None
            name = self.name_of(value) or getattr(value.target, "name", None)
            told = handle.value if isinstance(handle, Int) else name
        self.events.append(Event(Deed.WRITES, member=place.name, value=told, at=at))

    def name_of(self, value: Value) -> str | None:
        """Return the name of the device that a pointer points to; None for NULL and all else."""
        target = value.target if isinstance(value, Pointer) else None
        return next((name for name, one in self.devices.items() if one is target), None)

    def private_of(self, name: str) -> Struct:
        """Return a device's private data, of a type that the first use tells."""
        if name not in self.private:
            self.private[name] = Struct(f"{name}'s private data", raw=True, born=True)
        return self.private[name]

    # Lists

    def entries_of(self, head: Struct) -> list[Struct]:
        """Return what links the entries of a list or a table, in order."""
        self.heads[id(head)] = head
        return self.lists.setdefault(id(head), [])

    def beside(self, link: Struct, name: str) -> Value | None:
        """Return what a member of a list's head or of an entry's link leads to; None if unknown.

        Source: include/linux/list.h: a list_head leads round, an hlist ends in NULL.
        """
        back = name == "prev"
        if name == "pprev":
            return None
        for head, found in self.lists.items():
            at = next((i for i, one in enumerate(found) if one is link), None)
            if at is not None:
                row, at = ([*reversed(found)], len(found) - 1 - at) if back else (found, at)
                end = NULL if link.kind == HLIST_NODE else Pointer(self.heads[head])
                return Pointer(row[at + 1]) if at + 1 < len(row) else end
        if id(link) in self.entered:
            return None
        entries = self.entries_of(link)
        empty = Pointer(link) if name != "first" else NULL
        return Pointer(entries[-1 if back else 0]) if entries else empty

    def unlink(self, entry: Struct) -> None:
        """Take an entry out of all lists."""
        for found in self.lists.values():
            found[:] = [one for one in found if one is not entry]

    # What nobody was seen to store

    def port_in(self, member: str) -> Value:
        """Return the port that a pointer of the owner's own is supposed to lead to, one by one.

        Nobody was seen to store it, so that no claim may rest on it.
        """
        self.unset.append(member)
        ports = [self.active, *(name for name in self.masters if name != self.active)]
        at = len(self.unset) - 1
        return Pointer(self.devices[ports[at]]) if at < len(ports) else NULL

    def entry_of(self, kind: str, port: str, members: Mapping[str, CType]) -> Struct | None:
        """Return an owner's own struct for a port: one with a net_device; None if it has none.

        members: of that struct.
        """
        if not kind.startswith("struct ") or kind == DEVICE:
            return None
        holds = [n for n, one in members.items() if (one.base, one.pointers) == (DEVICE, 1)]
        if not holds:
            return None
        if (kind, port) not in self.entries:
            made = Struct(f"{kind.split()[-1]} of {port}", kind, born=True)
            made.put(holds[0], Pointer(self.devices[port]), members[holds[0]])
            self.entries[kind, port] = made
        return self.entries[kind, port]
