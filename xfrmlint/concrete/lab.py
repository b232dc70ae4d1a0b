"""Runs an owner's own code through the model's stories, and asks the tree's resolver what is left.

The core's add, delete and free are the tree's where they can be run; else the members' roles say
what they leave. A lower device is the model's: its add writes a handle of its own into the field,
and it takes down who was asked for what. Whatever can't be run ends the story without an answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import INT, ULONG, Int
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.concrete.bodies import bodies_of, owners_files
from xfrmlint.concrete.choices import choices
from xfrmlint.concrete.configuration import ALL_ON, ON
from xfrmlint.concrete.core import may_clear_where_add_fails
from xfrmlint.concrete.evaluate import ENDLESS, Result, evaluate
from xfrmlint.concrete.faults import Fault, FaultKind, Outside
from xfrmlint.concrete.handles import as_number, handle_type, handle_value
from xfrmlint.concrete.kernel import (
    NOWHERE,
    Event,
    Kernel,
    Spot,
    Unscripted,
    does_nothing,
    kernels_own,
)
from xfrmlint.concrete.kernel import Deed as Done
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.owner import LONGEST, Owner, owner_of, parameters, port_of, ports_in
from xfrmlint.concrete.primitives import known
from xfrmlint.concrete.question import ask
from xfrmlint.concrete.resolver import in_worlds
from xfrmlint.concrete.slices import Slices
from xfrmlint.concrete.sources import Sources, core_definitions
from xfrmlint.concrete.states import xso_of
from xfrmlint.concrete.trace import StepKind
from xfrmlint.concrete.values import NULL, Address, Cell, Function, Pointer, Struct, Value, Void
from xfrmlint.contract.words import (
    ADD,
    DELETE,
    DEVICE,
    ESN,
    FREE,
    HANDLE,
    NETDEV_OPS,
    OPS,
    OWNER,
    OWNER_CALLBACKS,
    PACKET,
    PINNED,
    RESOLVE,
    SHARE,
    STATE,
    XSO,
    Contract,
)
from xfrmlint.kernel.places import is_core
from xfrmlint.model.predicates import Broken, broken
from xfrmlint.model.stories import Deed, Step, Story, stories
from xfrmlint.model.worlds import A, B, C, D, Mode, U, World

_MOST_RUNS = 32
# Times that a story is run again with more of the owner's code.
_MOST_WANTED = 3
_LONG = (Deed.FAIL_OVER, Deed.LEAVE)
# What an owner does while packets come.
_MOVING = (Deed.FAIL_OVER, Deed.LEAVE, Deed.JOIN)
_OFFLOADS = "NETIF_F_HW_ESP"
# include/uapi/linux/if.h: IFF_UP and IFF_RUNNING.
_UP = 0x41
# IFF_SLAVE: what made it a port was not run.
_SLAVE = 0x800
# What a state and devices are when a state is added: it is valid, leaves the machine, they are up.
_GIVEN = {"x.km.state": "XFRM_STATE_VALID", "x->xso.dir": "XFRM_DEV_OFFLOAD_OUT"}


# A number that no add returns.
NO_HANDLE = -1


class Blamed(NamedTuple):
    """The function that an answer, or the state behind it, is owed to."""

    name: str
    path: str
    line: int


class Answer(NamedTuple):
    """What a device gets. value: None where that can't be told, for `reason`.

    read_at: where the owner's code read the handle's member for it.
    """

    asking: str
    value: int | None
    reason: str
    by_callback: bool
    read_at: Spot = NOWHERE


class Scene(NamedTuple):
    """How a story ends.

    handed: the owner took the state and handed it on. assumed: what the owner's own numbers are in
    it. broken: what breaks P1 to P4. events: what happened, by step. supposed: why it may go
    otherwise. reader: how what was moved is read, if it was. refused: the owner's add failed.
    joined: its ports were made ports by its own code. unset: a pointer that nobody is seen to store
    leads to a port. missed: what was supposed may rest on these members, which code stores that was
    not run. looked: the lowers whose promises the owner read on the way. rewritten: members of the
    owner's own that tell whose handle it is, which the last step changed where the callback reads.
    """

    story: Story
    assumed: tuple[str, ...]
    world: World
    handed: bool
    answers: tuple[Answer, ...]
    broken: tuple[tuple[Broken, Blamed], ...]
    events: tuple[tuple[Event, ...], ...]
    supposed: tuple[str, ...]
    reader: "Reading | None" = None
    refused: bool = False
    joined: bool = False
    unset: bool = False
    missed: frozenset[tuple[str, str]] = frozenset()
    looked: frozenset[str] = frozenset()
    rewritten: tuple[str, ...] = ()


class Reading(NamedTuple):
    """How the resolver and the callback behind it read what an owner moves.

    members: the names of xso's members in the order in which they are read, some of them twice.
    handle: what comes of values that were read one by one; None where that can't be told.
    """

    members: tuple[str, ...]
    handle: Callable[[Sequence[str | int | None], str], int | None]


class Untold(NamedTuple):
    """A story that could not be run to its end, and why.

    missed: members that were read, and stored by code that was not run; with their structs.
    """

    story: Story
    reason: str
    path: str
    line: int
    missed: frozenset[tuple[str, str]] = frozenset()


class Ran(NamedTuple):
    """An owner in all stories. answers: it has the resolver callback. total: how many there are."""

    owner: Owner
    answers: bool
    scenes: tuple[Scene, ...]
    untold: tuple[Untold, ...]
    total: int


def run_owner(reader: Reader, path: str, callbacks: Mapping[str, str]) -> Ran | None:
    """Run an owner through all stories; None if the tree has no resolver, or one that is wrong.

    Where the contract has none, nobody is asked, and only an add that fails says something.

    path: of its ops table. callbacks: the names of the functions in its slots.
    """
    contract = reader.contract
    bodies = bodies_of(reader, owners_files(reader, path))
    slices = Slices(reader, path, bodies, callbacks.values())
    sources = Sources(
        reader,
        ON,
        kept=lambda name: known(name) or kernels_own(name),
        longest=LONGEST,
        nothing=does_nothing,
        home=path,
        own=ALL_ON,
        slices=slices,
    )
    resolvers = core_definitions(reader, sources, contract.asks) if contract.present else []
    if contract.present and not resolvers:
        return None
    heads = _heads(sources)
    core = _core(sources, heads)
    owner = owner_of(reader, sources, path, callbacks, bodies)
    given = _given(sources, resolvers[0].path if resolvers else path)
    cleared = may_clear_where_add_fails(reader, heads.get(ADD))
    code = _Code(sources, next(iter(resolvers), None), core, owner, given, cleared, [])
    slices.run(owner.run())
    if not _can_be_joined(code):
        code = code._replace(owner=owner._replace(joins=None, creates=None))
        slices.run(code.owner.run())
    scenes: list[Scene] = []
    untold: list[Untold] = []
    hopeless: dict[Deed, Untold] = {}
    total = 0
    for story in stories(SHARE in sources.contract.slots):
        if not _concerns(story, owner, sources) or not (resolvers or _fails(story)):
            continue
        total += 1
        gone = next((hopeless[s.deed] for s in story.steps if s.deed in hopeless), None)
        if gone is not None:
            untold.append(gone._replace(story=story))
            continue
        told = _told_with_all(code, story)
        lost = [one for one in told if isinstance(one, Untold)]
        untold += lost[:1]
        ended = [one for one in told if isinstance(one, Scene)]
        if not ended:
            # What comes to an end in no way here will not in the next story.
            endless = lost[0].reason.startswith(ENDLESS)
            hopeless.update((s.deed, lost[0]) for s in story.steps if endless or s.deed in _LONG)
        scenes += ended
        if not lost:
            open_ = [a.reason for one in ended for a in one.answers if a.value is None]
            open_ += [reason for one in ended for reason in one.supposed]
            untold += [Untold(story, reason, path, 0) for reason in open_[:1]]
    if any(scene.broken for scene in scenes):
        alone = in_worlds(resolvers[0], sources)
        if alone.broken:
            # Nobody's answers are right then.
            return None
        if alone.unanswered:
            # Whether it is right by itself is not known: what it gives is wrong.
            scenes = [_blamed_on(resolvers[0], owner, contract, scene) for scene in scenes]
    answers = sources.contract.slot(RESOLVE) in owner.slots
    return Ran(owner, answers, tuple(scenes), tuple(untold), total)


def _blamed_on(resolver: Source, owner: Owner, contract: Contract, scene: Scene) -> Scene:
    """Return a scene of which what is owed to no callback is owed to the resolver."""
    callback = owner.callbacks.get(contract.slot(RESOLVE))
    own = Blamed(resolver.name, resolver.path, resolver.line)
    spared = callback.name if callback is not None else ""
    found = [(one, blamed if blamed.name == spared else own) for one, blamed in scene.broken]
    return scene._replace(broken=tuple(found))


class _Code(NamedTuple):
    """What is run. core: by the slot that each calls.

    cleared: members that the core may clear where an add fails, if its own code is not run. sends:
    whether what transmits can be run, as soon as that was tried.
    """

    sources: Sources
    resolver: Source | None
    core: Mapping[str, Source]
    owner: Owner
    given: Mapping[str, int]
    cleared: frozenset[str]
    sends: list[bool]


def _given(sources: Sources, path: str) -> Mapping[str, int]:
    """Return what is not 0 in a world's objects at its beginning."""
    found = {f"{name}.flags": _UP for name in (U, A, B, C, D)}
    for member, constant in (*_GIVEN.items(), (_OFFLOADS, _OFFLOADS)):
        value = sources.constant(constant, path)
        if value is not None:
            found[member] = value.value
    return found


def _cells(struct: Struct) -> Iterator[Cell]:
    """Yield the cells of a struct, and of those in it and behind it in a row."""
    queue = [struct]
    for one in queue:
        queue += (one.row or {}).values()
        for found in one.fields.values():
            if isinstance(found, Cell):
                yield found
            else:
                queue.append(found)


def _is_set(cell: Cell) -> bool:
    """Tell whether a cell holds a number, or a handle, that is not 0."""
    number = as_number(cell.value)
    return isinstance(number, Int) and number.value != 0


def _heads(sources: Sources) -> Mapping[str, View]:
    """Return the core's add, delete and free as they are written."""
    functions = sources.contract.functions
    named = {role: functions[role] for role in (ADD, DELETE, FREE) if role in functions}
    heads = {
        role: sources.head(one.name, one.place.path)
        for role, one in named.items()
        if one.place.path
    }
    return {role: head for role, head in heads.items() if head is not None}


def _core(sources: Sources, heads: Mapping[str, View]) -> Mapping[str, Source]:
    """Return those of the core's functions that can be called here.

    What takes more than the state, and the device before it, nobody can.
    """
    return {
        role: found[0][0]
        for role, head in heads.items()
        if [kind.base for kind in parameters(head)][:2] in ([DEVICE, STATE], [STATE])
        and (found := sources.definitions(head.item.name, head.path))
    }


def _concerns(story: Story, owner: Owner, sources: Sources) -> bool:
    """Tell whether an owner has code for each step: one without delete deletes nothing."""
    deeds = {step.deed for step in story.steps}
    if story.apart > 1 and not owner.by_index:
        return False
    if Deed.FAIL_OVER in deeds and not owner.other:
        return False
    if Deed.JOIN in deeds and (owner.joins is None or (Deed.LEAVE in deeds and not owner.leaves)):
        # What nothing is seen to take out leaves no place for another one.
        return False
    # What it does for a port that a shared state was installed on is more than that it is gone.
    if Step(Deed.LEAVE, story.ports[0]) in story.steps and owner.leaves is None:
        return SHARE not in sources.contract.slots
    wanted = {Deed.DELETE: (DELETE,), Deed.ESN: (ESN, RESOLVE)}
    slots = [sources.contract.slot(role) for deed in deeds for role in wanted.get(deed, ())]
    return all(slot in owner.slots for slot in slots)


def _fails(story: Story) -> bool:
    """Tell whether a story is of an add that a lower refuses, and of nothing else."""
    return bool(story.refuses) and story.steps == (Step(Deed.ADD),)


def _can_be_joined(code: _Code) -> bool:
    """Tell whether what makes a device a port can be run; else ports are made by their shape."""
    story = next(stories(SHARE in code.sources.contract.slots))
    for choose in choices():
        try:
            _Stage(code, story, choose).join()
        except Outside:
            return False
    return True


def _told_with_all(code: _Code, story: Story) -> list[Scene | Untold]:
    """Run a story with as much of the owner's code as it turns out to need."""
    told = list(_told(code, story, told_all=False))
    wanted = frozenset[tuple[str, str]]()
    for left in reversed(range(_MOST_WANTED)):
        missed = frozenset().union(*(one.missed for one in told))
        if not missed:
            break
        # Not known is what was not run: so it is run, too.
        wanted |= missed
        code.sources.want(wanted)
        told = list(_told(code, story, told_all=not left))
    code.sources.want()
    return told


def _told(code: _Code, story: Story, told_all: bool = True) -> Iterator[Scene | Untold]:
    """Run a story once for each way in which what is open can go.

    told_all: also where it turns out that more of the owner's code has to be run.
    """
    for count, choose in enumerate(choices()):
        if count == _MOST_RUNS:
            yield Untold(story, "too many ways", code.owner.path, 0)
            return
        stage = _Stage(code, story, choose)
        try:
            scene = stage.play()
            yield scene
            if scene.missed and not told_all:
                return
        except Outside as error:
            missed = frozenset(stage.kernel.missed)
            yield Untold(story, error.reason, error.path, error.line, missed)
            if missed and not told_all:
                return
            if error.reason.startswith(ENDLESS):
                return


@dataclass
class _Lowers:
    """The model's lower devices.

    held: the handle under which each has the state now. deleted: those that delete was called for.
    """

    issued: dict[int, str] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)

    def new(self, device: str) -> int:
        """Return the handle of another add: the device's own hundred, counted."""
        count = sum(name == device for name in self.issued.values())
        handle = 0x100 * (ord(device[0]) - 0x40) + count + 1
        self.issued[handle] = device
        return handle


class _Stage:
    """One run of one story."""

    def __init__(self, code: _Code, story: Story, choose: Callable[[], bool]) -> None:
        self.code = code
        self.story = story
        self.contract = code.sources.contract
        self.lowers = _Lowers()
        self.promises = {one.name: one for one in story.devices}
        self.devices = {name: Struct(name, DEVICE) for name in (*self.promises, U)}
        self.x = Struct("x", STATE)
        self.xso = xso_of(self.contract)
        for one in self.contract.members.values():
            if one.struct:
                value = NULL if one.type.endswith("*") else Int(0, ULONG)
                self.xso.put_at(one.name, value, CType(one.type.rstrip(" *"), one.type.count("*")))
        self.x.put(XSO, self.xso)
        self.kernel = Kernel(
            self.devices,
            Pointer(self.devices[U]),
            choose,
            self.xso,
            masters=dict.fromkeys(story.ports, U),
            active=story.ports[0],
            given=code.given,
            lost=code.sources.lost,
        )
        self.refused = False
        self.asked = False
        self.freed = False
        self.steps: list[tuple[Event, ...]] = []
        self.last = code.resolver
        for name in self.promises:
            self._equip(name)
        if code.owner.joins is None and code.owner.creates is None:
            for name in story.ports:
                flags = code.given.get(f"{name}.flags", 0) | _SLAVE
                self.devices[name].put("flags", Int(flags, INT), CType("unsigned int"))
        ops = self._owner_ops()
        self.devices[U].put(NETDEV_OPS, Pointer(ops), CType(OPS, 1))
        if code.owner.table:
            self.kernel.files[code.owner.table] = ops
        for number, device in enumerate(self.devices.values(), 1):
            device.put("ifindex", Int(number * story.apart, INT), CType("int"))

    # What there is

    def _owner_ops(self) -> Struct:
        ops = Struct(f"{U}'s {NETDEV_OPS}", OPS)
        for slot in sorted(self.code.owner.slots):
            source = self.code.owner.callbacks.get(slot)
            kind = CType("fn", 1, source.view.result) if source is not None else CType("fn", 1)
            ops.put(slot, Pointer(Function(slot, source=source)), kind)
        return ops

    def _equip(self, name: str) -> None:
        """Give a lower device its ops, its flags and its features."""
        ops = Struct(f"{name}'s {NETDEV_OPS}", OPS)

        def put(role: str, call: Callable[[Sequence[Value]], Value | Fault], result: str) -> None:
            slot = self.contract.slot(role)
            if slot:
                ops.put(
                    slot, Pointer(Function(f"{name}'s {role}", call)), CType("fn", 1, CType(result))
                )

        put(ADD, self._add, "int")
        put(DELETE, lambda values: self._note(Done.DELETE, values), "void")
        put(FREE, lambda values: self._note(Done.FREE, values), "void")
        put(ESN, lambda _: self._called(Done.ESN, name), "void")
        put(SHARE, self._accepts, "bool")
        self.devices[name].put(NETDEV_OPS, Pointer(ops), CType(OPS, 1))
        self._promise(name)

    def _promise(self, name: str) -> None:
        """Set a device's flags and features as its promises are now."""
        promised = self.promises[name]
        target = self.devices[name].value(NETDEV_OPS)
        ops = target.target if isinstance(target, Pointer) else None
        promises = ((RESOLVE, promised.asks), (SHARE, promised.shares))
        kept = self.contract.kept([role for role, is_so in promises if is_so])
        if isinstance(ops, Struct):
            for member, bits in kept.items():
                ops.put(member, Int(bits, INT), CType("u32"))
        feature = self.code.given.get(_OFFLOADS)
        if feature is not None:
            set_ = (feature if promised.offloads else 0) | kept.get("", 0)
            self.devices[name].put("features", Int(set_, ULONG), CType("u64"))

    # The lower devices' callbacks

    def _add(self, values: Sequence[Value]) -> Value | Fault:
        name = self._device_of(values)
        if name is None:
            return Fault(FaultKind.ARGUMENT, "a lower's add is called without its device")
        self.asked = True
        if name in self.story.refuses:
            self.kernel.events.append(Event(Done.ADD, name, refused=True, at=self.kernel.called_at))
            return Int(-22, INT)
        handle = self.lowers.new(name)
        self.lowers.held[name] = handle
        value, kind = handle_value(self.contract, handle), handle_type(self.contract)
        self.xso.put_at(self.contract.member(HANDLE), value, kind)
        member, at = self.contract.member(HANDLE), self.kernel.called_at
        self.kernel.events.append(Event(Done.ADD, name, member=member, value=handle, at=at))
        return Int(0, INT)

    def _note(self, deed: Done, values: Sequence[Value]) -> Value | Fault:
        name = self._device_of(values)
        if name is None:
            return Fault(FaultKind.ARGUMENT, f"a lower's {deed} is called without its device")
        return self._called(deed, name)

    def _called(self, deed: Done, name: str) -> Value:
        """Take down that a lower's callback is called, and what it finds in the handle's member."""
        cell = self.xso.at(self.contract.member(HANDLE))
        held = cell.value if isinstance(cell, Cell) else Int(0, ULONG)
        number = as_number(held)
        found = number.value if isinstance(number, Int) else None
        self.kernel.events.append(Event(deed, name, value=found, at=self.kernel.called_at))
        if deed is Done.FREE:
            self.lowers.held.pop(name, None)
        elif deed is Done.DELETE and name in self.lowers.held:
            self.lowers.deleted.add(self.lowers.held[name])
        return Void()

    def _accepts(self, values: Sequence[Value]) -> Value | Fault:
        name, peer = self._device_of(values), self._device_of(values[1:])
        if name not in self.promises or peer not in self.promises:
            return Int(0, INT)
        one, other = self.promises[name], self.promises[peer]
        # Whatever it refuses, with itself it shares.
        accepts = one.accepts and one.chip == other.chip
        return Int(int(name == peer or accepts), INT)

    def _device_of(self, values: Sequence[Value]) -> str | None:
        """Return the device that a callback is told, or that the state names if it is told none."""
        name = self.kernel.name_of(values[0]) if values else None
        if name or self.contract.add_takes_device:
            return name
        return self.kernel.name_of(self.xso.value(self.contract.member(PINNED)))

    # The story

    def play(self) -> Scene:
        """Run it and ask. Raises Outside."""
        self.join()
        for step in self.story.steps:
            before = len(self.kernel.events)
            # What is changed while a state is moved is not what it was before, or is after.
            self.kernel.written.clear()
            self.kernel.made.clear()
            self._take(step)
            self.steps.append(tuple(self.kernel.events[before:]))
            if self.refused:
                break
        looked = frozenset(name for name in self.promises if self._looked_at(name))
        carries = frozenset[str]() if self.refused else self._carries()
        self.kernel.seen = set()
        asks = self.code.resolver is not None
        answers = [self._ask(asking) for asking in self.promises] if asks else []
        rewritten = self._rewritten(self.kernel.seen) if not self.refused else ()
        self.kernel.seen = None
        world = self._world(carries)
        handed = self.asked and not self.refused
        found = [told for answer in answers for told in self._wrong(world, answer)]
        if found and self.kernel.unset:
            raise self._supposed()
        if found and self.kernel.supposed:
            last = self.last or found[0][1]
            raise Outside(self.kernel.supposed[0], last.path, last.line)
        return Scene(
            self.story,
            tuple(dict.fromkeys(self.kernel.assumed)),
            world,
            handed,
            tuple(answers),
            tuple(found),
            tuple(self.steps),
            tuple(self.kernel.supposed),
            self._reading() if handed else None,
            self.refused,
            self.kernel.populated,
            bool(self.kernel.unset),
            frozenset(self.kernel.missed if self.kernel.supposed else ()),
            looked,
            rewritten,
        )

    def _rewritten(self, seen: set[int]) -> tuple[str, ...]:
        """Return what of the owner's own tells whose handle it is, and was changed in its place.

        That is a device that the callback compares with, while a handle is changed, too: a packet
        that comes in between can get the one with the other. What the last step has allocated was
        seen by nobody. seen: what was read for the answers.
        """
        if self.story.steps[-1].deed not in _MOVING:
            return ()
        fresh = {id(cell) for made in self.kernel.made for cell in _cells(made)}
        changed = [
            cell
            for key, cell in self.kernel.written.items()
            if key in seen and key not in fresh
            if cell.owner or self.kernel.files.get(cell.name) is cell
        ]
        devices = [one for one in changed if self.kernel.name_of(one.value) is not None]
        member = self.contract.member(HANDLE)
        handles = any(map(_is_set, changed)) or any(
            event.member == member and event.deed is not Done.READS for event in self.steps[-1]
        )
        names = (f"{one.kind or one.owner}.{one.name}".lstrip(".") for one in devices)
        return tuple(names) if handles else ()

    def _looked_at(self, name: str) -> bool:
        """Tell whether the owner read what a lower promises."""
        promise = self.contract.promises.get(RESOLVE)
        flags = self.contract.flags
        if promise is None or flags is None:
            return False
        return (f"{name}'s {NETDEV_OPS}", flags.name) in self.kernel.looked

    def _reading(self) -> Reading | None:
        """Return how the resolver reads a state that was moved, through the owner's callback."""
        moved = any(step.deed is Deed.FAIL_OVER for step in self.story.steps)
        if not moved or self.contract.slot(RESOLVE) not in self.code.owner.slots:
            return None
        named = [self.contract.member(role) for role in (OWNER, PINNED, HANDLE)]
        longest: tuple[str, ...] = ()
        for device in self.promises:
            try:
                trace = self._asked(device).trace
            except Outside:
                continue
            read = [s.field for s in trace if s.kind is StepKind.READ and s.object == self.xso.name]
            longest = max(longest, tuple(name for name in read if name in named), key=len)

        def handle(values: Sequence[str | int | None], device: str) -> int | None:
            self.kernel.scripted = frozenset(named)
            self.kernel.script = [
                (name, self._value_of(value)) for name, value in zip(longest, values, strict=True)
            ]
            try:
                found = self._asked(device).value
            except (Outside, Unscripted):
                return None
            finally:
                self.kernel.script = None
            return found.value if isinstance(found, Int) else None

        return Reading(longest, handle)

    def _value_of(self, value: str | int | None) -> Value:
        if isinstance(value, str):
            return Pointer(self.devices[value])
        return NULL if value is None else handle_value(self.contract, value)

    def _asked(self, asking: str) -> Result:
        device, resolver = Pointer(self.devices[asking]), self.code.resolver
        if resolver is None:
            raise Outside("there is no resolver", self.code.owner.path, 0)
        return ask(resolver, self.code.sources, Pointer(self.x), device, self.kernel)

    def _run(self, source: Source, arguments: Sequence[Value]) -> Result:
        current = self.code.sources.current(source)
        return evaluate(current, arguments, self.code.sources, kernel=self.kernel)

    def _done(self, source: Source, arguments: Sequence[Value]) -> Value:
        """Run one of the tree's functions to its end. Raises Outside, after a fault too."""
        result = self._run(source, arguments)
        if isinstance(result.value, Fault):
            fault = result.value
            raise Outside(fault.text, fault.path or source.path, fault.line or source.line)
        return result.value

    def join(self) -> None:
        """Make the story's ports ports of the owner, by its own code if it has some."""
        joins, creates = self.code.owner.joins, self.code.owner.creates
        if joins is None and creates is None:
            return
        self.kernel.populated = True
        if joins is None and creates is not None:
            self._create(creates)
        elif joins is not None:
            for port in self.story.ports:
                self._join(joins, port)
        self.kernel.events.clear()

    def _create(self, creates: Source) -> None:
        """Have the owner's device made of the story's ports; it may take none of them."""
        wanted = ports_in(creates.view, self.code.sources)
        if wanted and wanted != len(self.story.ports):
            raise Outside(f"it is made of {wanted} ports", creates.path, creates.line)
        kind = CType(DEVICE, 1)
        array = Struct("the ports", "[]")
        array.element, array.count = kind, len(self.story.ports)
        for at, port in enumerate(self.story.ports):
            array.put(str(at), Pointer(self.devices[port]), kind)
        for cell in array.fields.values():
            if isinstance(cell, Cell):
                cell.array = array
        first = array.fields["0"]
        arguments: list[Value] = []
        for one in parameters(creates.view):
            if one.base == DEVICE:
                arguments.append(Pointer(first) if one.pointers == 2 else self.kernel.owner)
            else:
                arguments.append(NULL if one.pointers else Int(array.count, INT))
        self.kernel.creates = True
        value = self._done(creates, arguments)
        made = value == self.kernel.owner or isinstance(value, Void)
        if not made and not (isinstance(value, Int) and value.value == 0):
            for port in self.story.ports:
                self.kernel.masters.pop(port, None)
                self.promises[port] = self.promises[port]._replace(master=None)

    def _join(self, joins: Source, port: str) -> None:
        """Make a device a port of the owner; it may take no such device."""
        self.kernel.masters.setdefault(port, U)
        arguments = [Pointer(self.devices[U]), Pointer(self.devices[port]), NULL]
        value = self._done(joins, arguments[: len(parameters(joins.view))])
        refused = isinstance(value, Int) and value.value != 0
        if refused:
            self.kernel.masters.pop(port, None)
        self.promises[port] = self.promises[port]._replace(master=None if refused else U)

    def _take(self, step: Step) -> None:
        owner = self.code.owner
        if step.changed is not None:
            self.promises[step.device] = step.changed
            self._promise(step.device)
        elif step.deed is Deed.ADD:
            self._add_state()
        elif step.deed is Deed.ESN:
            self._call_back(owner.callbacks.get(self.contract.slot(ESN)))
        elif step.deed is Deed.DELETE:
            self._core(DELETE)
        elif step.deed is Deed.FREE:
            self._core(FREE)
            self.freed = True
        elif step.deed is Deed.JOIN and owner.joins is not None:
            self._join(owner.joins, step.device)
        elif step.deed is Deed.LEAVE:
            self._leave(step.device)
        elif owner.moves is None:
            raise Outside("what moves its states was not found", owner.path, 0)
        else:
            self.kernel.active = step.device
            self._done(
                owner.moves, [self._owners(owner.moves), self._port(owner.moves, step.device)]
            )
            self.last = owner.blamed or owner.moves

    def _leave(self, port: str) -> None:
        """Take a port from the owner, which may not let it go."""
        owner = self.code.owner
        if owner.leaves is not None:
            left = self._done(owner.leaves, [self.kernel.owner, Pointer(self.devices[port])])
            self.last = owner.blamed or owner.leaves
            if isinstance(left, Int) and left.value:
                if self.kernel.populated:
                    return
                reason = f"{owner.leaves.name}() lets no port leave that it does not know"
                raise Outside(reason, owner.leaves.path, owner.leaves.line)
        self.promises[port] = self.promises[port]._replace(master=None)
        self.kernel.masters.pop(port, None)

    def _owners(self, source: Source) -> Value:
        first = parameters(source.view)[0]
        return self.kernel.owner if first.base == DEVICE else Pointer(self.kernel.private_of(U))

    def _port(self, source: Source, name: str) -> Value:
        """Return what tells a function a port: the device, or the owner's struct for it."""
        kind = parameters(source.view)[1]
        if port_of(kind, self.code.sources, source.path) == "device":
            return Pointer(self.devices[name])
        for linked in self.kernel.lists.values():
            for entry in linked:
                found = entry.parent
                if found is None or found.kind != kind.base:
                    continue
                devices = [c.value for c in found.fields.values() if not isinstance(c, Struct)]
                if any(self.kernel.name_of(value) == name for value in devices):
                    return Pointer(found)
        members = self.code.sources.members(kind, source.path)
        made = self.kernel.entry_of(kind.base, name, members)
        if made is None:
            raise Outside(f"no {kind.base} of {name} is seen", source.path, source.line)
        return Pointer(made)

    def _add_state(self) -> None:
        """Hand the state to the core, which hands it to the owner."""
        source = self.code.core.get(ADD)
        arguments = [self.kernel.owner, Pointer(self.x), NULL]
        if source is not None and [k.base for k in parameters(source.view)[:2]] == [DEVICE, STATE]:
            value = self._done(source, arguments)
        else:
            value = self._add_by_roles(arguments)
        self.refused = isinstance(value, Int) and value.value != 0
        add = self.code.owner.callbacks.get(self.contract.slot(ADD))
        self.last = (source if self.refused else add) or self.last
        # Nobody needs to be asked where one lacks the promise.
        expected = all(one.asks for one in self.promises.values())
        if not self.asked and expected and (self.kernel.unset or not self.refused):
            raise self._supposed()

    def _supposed(self) -> Outside:
        unset = self.kernel.unset[:1] or ["its ports"]
        return Outside(f"what sets {unset[0]} is not seen", self.code.owner.path, 0)

    def _add_by_roles(self, arguments: Sequence[Value]) -> Value:
        add = self.code.owner.callbacks.get(self.contract.slot(ADD))
        if add is None:
            raise Outside("its add was not found", self.code.owner.path, 0)
        self._own(U)
        if not self.contract.add_takes_device:
            self.xso.put_at(self.contract.member(PINNED), self.kernel.owner, CType(DEVICE, 1))
        captured = self.contract.member(OWNER_CALLBACKS)
        if captured:
            self.xso.put_at(captured, self.devices[U].value(NETDEV_OPS), CType(OPS, 1))
        takes = parameters(add.view)
        told = list(arguments)[takes[:1] == [CType(STATE, 1)] :][: len(takes)]
        value = self._done(add, told)
        if isinstance(value, Int) and value.value:
            self._own(None)
            for member in self.code.cleared:
                self.kernel.events.append(Event(Done.WRITES, member=member))
        return value

    def _own(self, name: str | None) -> None:
        """Let a state have an owner, or none, as the core's own code would."""
        member = self.contract.member(OWNER)
        owner = NULL if name is None else Pointer(self.devices[name])
        self.xso.put_at(member, owner, CType(DEVICE, 1))
        self.kernel.events.append(Event(Done.WRITES, member=member, value=name))

    def _core(self, role: str) -> None:
        """Run the core's delete or free; by the roles, the owner's callback and who is cleared."""
        source = self.code.core.get(role)
        if source is not None:
            self.last = source
            self._done(source, [Pointer(self.x)])
            return
        self._call_back(self.code.owner.callbacks.get(self.contract.slot(role)))
        if role == FREE:
            self._own(None)

    def _call_back(self, callback: Source | None) -> None:
        """Call one of the owner's callbacks that takes a state, and the device before it."""
        if callback is not None:
            takes = len(parameters(callback.view))
            self._done(callback, [self.kernel.owner, Pointer(self.x)][-takes:])

    # The end

    def _world(self, carries: frozenset[str]) -> World:
        lowers = self.lowers
        assumed = list(dict.fromkeys(self.kernel.assumed))
        name = self.story.name + (f", {', '.join(assumed)}" if assumed else "")
        return World(
            name,
            Mode.SHARED if SHARE in self.contract.slots else Mode.MAP,
            tuple(self.promises.values()),
            None if self.freed or self.refused else U,
            dict(lowers.issued),
            frozenset(lowers.held.values()),
            frozenset(lowers.deleted),
            carries=carries,
            settled=not self.refused and self.story.steps[-1].deed is not Deed.DELETE,
            freed=self.freed or self.refused,
        )

    def _carries(self) -> frozenset[str]:
        """Return the devices that the owner queues packets on; none if that can't be run."""
        transmits = self.code.owner.transmits
        if (
            transmits is None
            or self.code.sends == [False]
            or [k.base for k in parameters(transmits.view)] != [PACKET, DEVICE]
        ):
            return frozenset()
        self.kernel.sent.clear()
        before = len(self.kernel.events)
        for queue in range(len(self.story.ports)):
            skb = Struct("skb", PACKET)
            skb.put("queue_mapping", Int(queue, INT), CType("u16"))
            skb.put("dev", self.kernel.owner, CType(DEVICE, 1))
            try:
                self._done(transmits, [Pointer(skb), self.kernel.owner])
            except Outside:
                self.kernel.sent.clear()
                break
        if not self.code.sends:
            # What can't be run in the first story is tried in no other.
            self.code.sends.append(bool(self.kernel.sent))
        del self.kernel.events[before:]
        return frozenset(self.kernel.sent)

    def _ask(self, asking: str) -> Answer:
        """Ask the tree's resolver for a device."""
        before = len(self.kernel.events)
        try:
            result = self._asked(asking)
        except Outside as error:
            where = f" ({error.path}:{error.line})" if error.path else ""
            return Answer(asking, None, f"{error.reason}{where}", False)
        value = result.value
        read = [e.at for e in self.kernel.events[before:] if self._owner_reads_handle(e)]
        del self.kernel.events[before:]
        read_at = read[-1] if read else NOWHERE
        callback = self.contract.slot(RESOLVE)
        called = any(s.kind is StepKind.CALL and s.object == callback for s in result.trace)
        if isinstance(value, Address | Pointer):
            # Where something lies is no lower's handle.
            return Answer(asking, NO_HANDLE, "", called, read_at)
        if not isinstance(value, Int):
            reason = value.text if isinstance(value, Fault) else "no number"
            return Answer(asking, None, reason, called)
        return Answer(asking, value.value, "", called, read_at)

    def _owner_reads_handle(self, event: Event) -> bool:
        read = event.deed is Done.READS and event.member == self.contract.member(HANDLE)
        return read and not is_core(event.at.path)

    def _wrong(self, world: World, answer: Answer) -> Iterator[tuple[Broken, Blamed]]:
        """Yield what an answer breaks, and the function that it is owed to."""
        if answer.value is None or self.code.resolver is None:
            return
        found = broken(world, answer.asking, answer.value, answer.by_callback)
        if found is None:
            return
        callback = self.code.owner.callbacks.get(self.contract.slot(RESOLVE))
        source = callback if answer.by_callback else self.last
        source = source or self.code.resolver
        yield found, Blamed(source.name, source.path, source.line)
