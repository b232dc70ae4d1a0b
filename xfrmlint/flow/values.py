"""Abstract values, and the state in which a path stands between two statements.

A location is a root and the members on the way: ("=1", "md", "sa") is `md.sa` of the second frame's
locals; "*" is what a pointer points to, "[]" an element that can't be told from the others. Roots:
`=N` a frame's locals; `skb` the packet; `own` the private data of the device at work; `other` that
of another one, which is named; `netdev` the device itself; `sa` what a handle leads to; `xs` the
SA; `global`, `argument` (of an entry) and `call` (what a function outside returned).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

from xfrmlint.c.integers import ULONG, Int, IntType
from xfrmlint.c.unit import Place
from xfrmlint.flow.events import Device, Kind, Sa, Source

Location = tuple[str, ...]
# What made a handle: places, outermost call first; or what it is a read of.
HandleId = tuple[Place | str, ...]
# In a location, of an element: by another number than the device's own; by another one than one of
# which nothing is known. In a Field: a table that was read so.
ANOTHERS, TURNED = "!", "?"
# Of such an element it is not known whose it is; why stands behind it.
OPEN = "?"
# Assumptions that stay when a function is left: by #if, and which devices are the same.
CONFIGURED, SAME = "#", "#same"


class Field(NamedTuple):
    """A member of a driver's struct, and a file that reads it.

    shared: the struct hangs on a pointer, so that several devices can have the same. holder: the
    member that the struct was read from, if there is one. root: the member of the private data of
    the device at work that leads there through pointers, if one does. private: that data's struct,
    if it was seen. fixed: a table that devices share, of which the element is always the same, or
    not the own one. near: the member of that data that is, or points to, what holds the member.
    link: struct and member by which a driver's struct leads there last. element: one of a
    table, or of a list.
    """

    struct: str
    field: str
    path: str
    shared: bool
    holder: str = ""
    root: str = ""
    private: str = ""
    fixed: str = ""
    near: str = ""
    link: tuple[str, str] = ("", "")
    element: bool = False


# What a packet's layers keep in it.
CONTROL_BLOCK: Location = ("skb", "cb")
# Private data in one list with the device's own.
NEIGHBOUR: Location = ("other", str(Device.UNKNOWN))
# Ends the location of what a struct's members hold in which nothing was stored.
REST = "="
# Begins the location of what was allocated on a way.
MADE = "made"
# And, behind "skb", that of what is led.
LED = "led"
# Begins the location of what a caller gives on a way that was not followed.
GIVEN = "given"
# Of a packet that was kept before anybody has given it a device.
NO_DEVICE = "bare"
# Of one of which nobody is seen to have given it to those who kept it.
SOME_DEVICE = "kept"

# What the resolver returns where there is none; and all the bits that a handle can have.
NO_HANDLE = Int(0, ULONG)
ALL_BITS = (1 << ULONG.bits) - 1


class Form(IntEnum):
    """What became of a handle's number."""

    FULL = -1  # never 0: a bit was set in it
    COMPUTED = 0  # other handles can give the number that 0 gives
    EXACT = 1  # no other handle gives the number that 0 gives
    HEEDED = 2  # an error's, which was asked for: then it is no handle


@dataclass(frozen=True, slots=True)
class Handle:
    """A handle, or a number made from one.

    zero: the number where the handle is 0, as C computes it; None where that is not known. bits:
    those of the number that depend on the handle; with a sign, if that does.
    """

    id: HandleId
    form: Form = Form.EXACT
    zero: Int | None = NO_HANDLE
    bits: int = ALL_BITS


@dataclass(frozen=True, slots=True)
class Netdev:
    """A struct net_device pointer. member: where it is kept, if that still has to be looked at.

    why: what is not known of it.
    """

    device: Device
    member: Field | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class XfrmState:
    """A struct xfrm_state pointer. there: whether it is one; None where NULL was not asked for."""

    sa: Sa
    there: bool | None = None


@dataclass(frozen=True, slots=True)
class Offload:
    """An xfrm_state's xso, or a pointer to it, or a copy."""

    sa: Sa


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant as written. zero: None where its number is not known.

    place, function: where it stands. number: what was computed of it; else its text says it.
    """

    text: str
    zero: bool | None
    place: Place
    function: str
    number: Int | None = None


def is_error(value: "Value") -> bool:
    """Tell whether a value is an error by its name: -ENOENT."""
    return isinstance(value, Constant) and value.text.startswith("-E")


@dataclass(frozen=True, slots=True)
class Bits:
    """A set of flags that was 0 once; names: of the bits that were set since."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Span:
    """A number between two, and it can be either: a counter's, of which a loop knows no more."""

    low: int
    high: int
    type: IntType


@dataclass(frozen=True, slots=True)
class Pointer:
    """The address of a location."""

    to: Location


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct as a value: what lies at a location."""

    to: Location


@dataclass(frozen=True, slots=True)
class Packet:
    """A struct sk_buff pointer. made: where, if it is not the one that the entry was given.

    Of one that was made only the device is told apart; all else is taken for the same packet.
    there: see XfrmState, of one that was made.
    """

    made: str = ""
    there: bool | None = None

    @property
    def device(self) -> Location:
        """Where its net_device is kept."""
        return ("skb", f"dev of {self.made}" if self.made else "dev")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything else. packet: it was made from the packet. led: by a driver, nobody knows how."""

    packet: bool = False
    led: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What the resolver returned beside a handle that it put where it was told to.

    truth: it is true where there is one; else it is 0 then, and an error's number where there is
    none. sure: where it says that there is one, that is not 0. exact: it was not computed with.
    """

    id: HandleId
    truth: bool
    sure: bool
    exact: bool = True


# Private data of the device at work, and that of another one.
PRIVATE, APART = Pointer(("own",)), Pointer(("other", str(Device.SAVED)))

Value = (
    Handle
    | Told
    | Netdev
    | XfrmState
    | Offload
    | Constant
    | Bits
    | Span
    | Pointer
    | Struct
    | Packet
    | Unknown
)
# What goes by the name of a handle.
NAMED = (Handle, Told)
UNKNOWN = Unknown()


class Named(NamedTuple):
    """Where the device that the resolver is asked for was named.

    parameter: it came in by that one; where from its caller says.
    """

    place: Place
    function: str
    parameter: int


class Mark(NamedTuple):
    """An event as flow keeps it: with the handle's identity, and what was known of it then.

    known: zero, nonzero, compared (with something that may exclude 0) or empty. put: a STORE into
    memory of unknown lifetime: a use, unless a later test excludes 0; OPEN and why: a doubt. at:
    where a STORE that outlives the packet puts it. named: of a RESOLVE. member: the driver's member
    that the device of a RESOLVE is kept in.
    """

    kind: Kind
    place: Place
    function: str
    handle: HandleId | None = None
    source: Source = Source.UNKNOWN
    device: Device = Device.UNKNOWN
    sa: Sa = Sa.THIS
    nonzero: bool = False
    text: str = ""
    known: str = ""
    put: str = ""
    at: Location = ()
    named: "Named | None" = None
    member: Field | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What holds on a path at one point. The mappings are never written to.

    known: of handles, see Mark. assumed: conditions that a branch was taken on, by frame and text.
    used: handles whose first use is noted, with what is known of them now.
    """

    memory: Mapping[Location, Value]
    known: Mapping[HandleId, str]
    assumed: Mapping[tuple[str, str], bool]
    used: frozenset[HandleId] = frozenset()
    trail: tuple[Mark, ...] = ()

    @property
    def size(self) -> int:
        """Return how much a state holds: a new one copies it."""
        kept = len(self.memory) + len(self.known) + len(self.assumed)
        return kept + len(self.used) + len(self.trail)

    def key(self) -> tuple[object, ...]:
        """Return something hashable that is equal for equal states."""
        return (*self.context(), self.trail)

    def context(self) -> tuple[object, ...]:
        """Return the same without the past."""
        return (
            frozenset(self.memory.items()),
            frozenset(self.known.items()),
            frozenset(self.assumed.items()),
            self.used,
        )

    def marked(self, mark: Mark) -> "State":
        """Return the state with an event more.

        Of the uses of a handle the first is noted, and in a loop the same event not for ever.
        """
        making = mark.kind in (Kind.READ, Kind.RESOLVE)
        used = self.used
        open_ = mark.put.startswith(OPEN)
        if mark.handle in used and (mark.kind is Kind.USE or (mark.put and not open_)):
            return self
        if mark.handle is not None and (making or mark.kind is Kind.USE):
            used = used - {mark.handle} if making else used | {mark.handle}
        before = self.trail.count(mark)
        if mark.member is not None:
            before += self.trail.count(mark._replace(member=None))
        if before >= (2 if making else 1):
            return replace(self, used=used)
        return replace(self, used=used, trail=(*self.trail, mark))

    def given(self, member: Field | None) -> "State":
        """Return the state in which one is done with a packet, or gives it a member's device.

        Where that is one of several ports', it is not known for whom the resolver was asked.
        """
        trail = list(self.trail)
        for at, mark in enumerate(trail):
            asked = mark.member
            if asked is None:
                continue
            trail[at] = mark._replace(member=None)
            same = (*asked[:2], True) == (*member[:2], asked.element) if member else True
            if member is not None and member.element and not same and mark.device is Device.OWN:
                why = f"the packet is given that of {member.struct}.{member.field}"
                trail[at] = trail[at]._replace(device=Device.UNKNOWN, text=why)
        return self if tuple(trail) == self.trail else replace(self, trail=tuple(trail))

    def knowing(self, handle: HandleId, known: str) -> "State":
        """Return the state in which this is known of a handle."""
        facts = dict(self.known)
        facts.pop(handle, None)
        if known:
            facts[handle] = known
        return replace(self, known=facts, used=self.used - {handle})

    def doubted(self, untested: bool = False) -> "State":
        """Return the state in which no handle is surely 0: what is asked can depend on it.

        untested: nor one that was not tested.
        """
        known = {k: "compared" if fact == "zero" else fact for k, fact in self.known.items()}
        if untested:
            held = {v.id for v in self.memory.values() if isinstance(v, NAMED)}
            known = dict.fromkeys(held, "compared") | known
        return self if known == self.known else replace(self, known=known)

    def stored(self, at: Location, value: Value) -> "State":
        """Return the state with a value at a location; a struct's members are copied."""
        size = len(at)
        memory = {k: v for k, v in self.memory.items() if k[:size] != at}
        if isinstance(value, Struct):
            for inner, held in self.below(value.to):
                memory[at + inner] = held
        elif not isinstance(value, Unknown) or value.packet:
            memory[at] = value
        else:
            memory[at] = UNKNOWN
        return replace(self, memory=memory)

    def zeroed(self, at: Location, zero: Value | None) -> "State":
        """Return the state in which nothing but zeroes lies somewhere. zero: one, of a struct."""
        made = self.stored(at, Struct(("zeroed",)))
        return made.holding({(*at, REST): zero}) if zero is not None else made

    def rest(self, at: Location) -> Value:
        """Return what a member holds in which nothing was stored since its struct was made."""
        for end in range(len(at) - 1, 0, -1):
            if not at[end].isidentifier() or at[:end] in self.memory:
                break
            if (*at[:end], REST) in self.memory:
                return self.memory[*at[:end], REST]
        return UNKNOWN

    def holding(self, values: Mapping[Location, Value]) -> "State":
        """Return the state with values at locations under which nothing else is held."""
        return replace(self, memory={**self.memory, **values}) if values else self

    def superseded(self, handle: HandleId) -> "State":
        """Return the state in which what was made at a place before is another handle."""
        if not any(isinstance(v, NAMED) and v.id == handle for v in self.memory.values()):
            return self
        earlier: HandleId = ("earlier", *handle)
        memory = {
            k: replace(v, id=earlier) if isinstance(v, NAMED) and v.id == handle else v
            for k, v in self.memory.items()
        }
        facts = {k: v for k, v in self.known.items() if k != earlier}
        if handle in facts:
            facts[earlier] = facts.pop(handle)
        return replace(self, memory=memory, known=facts, used=self.used - {handle})

    def collected(self) -> "State":
        """Return the state without what is known of handles that nothing holds any more."""
        alive = {v.id for v in self.memory.values() if isinstance(v, NAMED)}
        return replace(
            self,
            known={k: v for k, v in self.known.items() if k in alive},
            used=self.used & alive,
        )

    def below(self, at: Location) -> Iterator[tuple[Location, Value]]:
        """Yield what is held at a location and under it, with the members from there on."""
        for where, value in self.memory.items():
            if where[: len(at)] == at:
                yield where[len(at) :], value

    def handles_below(self, at: Location) -> list[Handle]:
        """Return the handles held at a location and under it."""
        return [v for _, v in self.below(at) if isinstance(v, Handle)]


class Exit(NamedTuple):
    """One way out of a function: what holds then, and what it returns."""

    state: State
    value: Value
