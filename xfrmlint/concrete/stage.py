"""One story run once: an owner's own code, the core's, and lower devices that are the model's.

The core's add, delete and free are the tree's where they can be run; else the members' roles say
what they leave. A lower device's add writes a handle of its own into the field, and it takes down
who was asked for what. Whatever can't be run ends the story without an answer.
"""

from collections.abc import Callable, Iterator, Sequence

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import INT, ULONG, Int
from xfrmlint.concrete.asking import Asking, Code
from xfrmlint.concrete.evaluate import Result, evaluate
from xfrmlint.concrete.faults import Fault, Outside
from xfrmlint.concrete.handles import as_number
from xfrmlint.concrete.kernel import Deed as Done
from xfrmlint.concrete.kernel import (
    Event,
    Kernel,
)
from xfrmlint.concrete.lowers import Lowers
from xfrmlint.concrete.names import Source, parameters
from xfrmlint.concrete.owner import port_of, ports_in, takes_ports
from xfrmlint.concrete.scene import Answer, Blamed, Scene
from xfrmlint.concrete.states import xso_of
from xfrmlint.concrete.values import NULL, Cell, Function, Pointer, Struct, Value, Void
from xfrmlint.contract.words import (
    ADD,
    DELETE,
    DEVICE,
    ESN,
    EXTACK,
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
    Slot,
)
from xfrmlint.model.predicates import Broken, broken
from xfrmlint.model.stories import Deed, Step, Story
from xfrmlint.model.worlds import Mode, U, World

# What an owner does while packets come.
_MOVING = (Deed.FAIL_OVER, Deed.LEAVE, Deed.JOIN)
# IFF_SLAVE: what made it a port was not run.
_SLAVE = 0x800


class Stage:
    """One run of one story."""

    def __init__(self, code: Code, story: Story, choose: Callable[[], bool]) -> None:
        self.code = code
        self.story = story
        self.contract = code.sources.contract
        names = (*(one.name for one in story.devices), U)
        self.devices = {name: Struct(name, DEVICE) for name in names}
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
        self.asking = Asking(code, self.kernel, self.x)
        self.lowers = Lowers(self.contract, story, self.kernel)
        self.promises = self.lowers.promises
        self.refused = False
        self.freed = False
        self.steps: list[tuple[Event, ...]] = []
        self.last = code.resolver
        if code.owner.joins is None and code.owner.creates is None:
            for name in story.ports:
                flags = code.given.get(f"{name}.flags", 0) | _SLAVE
                self.devices[name].put("flags", Int(flags, INT), CType("unsigned int"))
        ops = self._owner_ops()
        self.devices[U].put(NETDEV_OPS, Pointer(ops), CType(OPS, 1))
        tables = {OPS: ops}
        if (slot := self.contract.elsewhere) is not None:
            tables[slot.struct] = [self._hang(name, slot) for name in self.devices][-1]
        named = code.owner.tables.items()
        self.kernel.files.update({name: tables[one] for one, name in named if name})
        for number, device in enumerate(self.devices.values(), 1):
            device.put("ifindex", Int(number * story.apart, INT), CType("int"))

    # What there is

    def _owner_ops(self) -> Struct:
        ops = Struct(f"{U}'s {NETDEV_OPS}", OPS)
        for slot in sorted(self.code.owner.slots):
            self._fill(ops, slot)
        return ops

    def _fill(self, ops: Struct, slot: str) -> None:
        source = self.code.owner.callbacks.get(slot)
        kind = CType("fn", 1, source.view.result) if source is not None else CType("fn", 1)
        ops.put(slot, Pointer(Function(slot, source=source)), kind)

    def _hang(self, name: str, slot: Slot) -> Struct:
        """Give a device the struct besides its ops in which the owner's callback stands."""
        other = Struct(f"{name}'s {slot.hangs}", slot.struct)
        filled = name == U and slot.name in self.code.owner.slots
        if filled:
            self._fill(other, slot.name)
        there = Pointer(other) if filled or slot.always else NULL
        self.devices[name].put(slot.hangs, there, CType(slot.struct, 1))
        return other

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
        answers = [self.asking.answer(asking) for asking in self.promises] if asks else []
        rewritten = self._rewritten(self.kernel.seen) if not self.refused else ()
        self.kernel.seen = None
        world = self._world(carries)
        handed = self.lowers.asked and not self.refused
        moved = any(step.deed is Deed.FAIL_OVER for step in self.story.steps)
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
            self.asking.reading(tuple(self.promises)) if handed and moved else None,
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
            makes = self._create if takes_ports(creates.view, self.code.sources) else self._link
            makes(creates)
        elif joins is not None:
            for port in self.story.ports:
                self._join(joins, port)
        self.kernel.events.clear()

    def _link(self, creates: Source) -> None:
        """Have the owner's newlink look up the story's ports; those that it does not are none."""
        self.kernel.offered = list(self.story.ports)
        arguments: list[Value] = []
        for one in parameters(creates.view):
            if (one.base, one.pointers) == (DEVICE, 1):
                arguments.append(self.kernel.owner)
            else:
                told = one.pointers == 1 and one.base != EXTACK
                arguments.append(Pointer(Struct("params", one.base)) if told else NULL)
        value = self._done(creates, arguments)
        if isinstance(value, Int) and value.value:
            raise Outside("it is made of other ports", creates.path, creates.line)
        for port in self.kernel.offered:
            self._unlink(port)
        self.kernel.offered = None

    def _unlink(self, port: str) -> None:
        """Let a device be no port."""
        self.kernel.masters.pop(port, None)
        self.promises[port] = self.promises[port]._replace(master=None)

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
                self._unlink(port)

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
            self.lowers.promise(step.device)
        elif step.deed is Deed.ADD:
            self._add_state()
        elif step.deed is Deed.ESN:
            self._call_back(owner.callbacks.get(self.contract.slot(ESN)))
        elif step.deed is Deed.DELETE:
            self._core(DELETE)
        elif step.deed is Deed.FREE:
            self._core(FREE)
            self.freed = True
        elif step.deed is Deed.JOIN:
            if owner.joins is None:
                raise Outside("what lets a port join can't be run", owner.path, 0)
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
        self._unlink(port)

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
        if not self.lowers.asked and expected and (self.kernel.unset or not self.refused):
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
