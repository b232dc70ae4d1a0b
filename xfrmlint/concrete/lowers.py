"""The model's lower devices: their promises, their callbacks, and who has which handle."""

from collections.abc import Callable, Sequence

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import INT, ULONG, Int
from xfrmlint.concrete.faults import Fault, FaultKind
from xfrmlint.concrete.handles import as_number, handle_type, handle_value
from xfrmlint.concrete.kernel import Deed, Event, Kernel
from xfrmlint.concrete.values import Cell, Function, Pointer, Struct, Value, Void
from xfrmlint.contract.words import (
    ADD,
    DELETE,
    ESN,
    FREE,
    HANDLE,
    NETDEV_OPS,
    OPS,
    PINNED,
    RESOLVE,
    SHARE,
    Contract,
)
from xfrmlint.model.stories import Story

# The feature of a device that offloads.
OFFLOADS = "NETIF_F_HW_ESP"


class Lowers:
    """The lower devices of one run. promises: as they are now.

    held: the handle under which each has the state now. deleted: those that delete was called for.
    asked: an add was called, whatever it returned.
    """

    def __init__(self, contract: Contract, story: Story, kernel: Kernel) -> None:
        self.contract = contract
        self.story = story
        self.kernel = kernel
        self.promises = {one.name: one for one in story.devices}
        self.issued: dict[int, str] = {}
        self.held: dict[str, int] = {}
        self.deleted: set[int] = set()
        self.asked = False
        for name in self.promises:
            self._equip(name)

    def _new(self, device: str) -> int:
        """Return the handle of another add: the device's own hundred, counted."""
        count = sum(name == device for name in self.issued.values())
        handle = 0x100 * (ord(device[0]) - 0x40) + count + 1
        self.issued[handle] = device
        return handle

    def _equip(self, name: str) -> None:
        """Give a lower device its ops, its flags and its features."""
        ops = Struct(f"{name}'s {NETDEV_OPS}", OPS)

        def put(role: str, call: Callable[[Sequence[Value]], Value | Fault], result: str) -> None:
            slot = self.contract.slot(role)
            if slot:
                ops.put(
                    slot, Pointer(Function(f"{name}'s {role}", call)), CType("fn", 1, CType(result))
                )

        put(ADD, lambda values: self._add(values, name), "int")
        put(DELETE, lambda values: self._note(Deed.DELETE, values, name), "void")
        put(FREE, lambda values: self._note(Deed.FREE, values, name), "void")
        put(ESN, lambda _: self._called(Deed.ESN, name), "void")
        put(SHARE, self._accepts, "bool")
        self.kernel.devices[name].put(NETDEV_OPS, Pointer(ops), CType(OPS, 1))
        self.promise(name)

    def promise(self, name: str) -> None:
        """Set a device's flags and features as its promises are now."""
        promised = self.promises[name]
        target = self.kernel.devices[name].value(NETDEV_OPS)
        ops = target.target if isinstance(target, Pointer) else None
        promises = ((RESOLVE, promised.asks), (SHARE, promised.shares))
        kept = self.contract.kept([role for role, is_so in promises if is_so])
        if isinstance(ops, Struct):
            for member, bits in kept.items():
                ops.put_at(member, Int(bits, INT), CType("u32"))
        feature = self.kernel.given.get(OFFLOADS)
        if feature is not None:
            set_ = (feature if promised.offloads else 0) | kept.get("", 0)
            self.kernel.devices[name].put("features", Int(set_, ULONG), CType("u64"))

    def _add(self, values: Sequence[Value], own: str) -> Value | Fault:
        name = self._told(values, own)
        if name not in self.promises:
            return _deviceless(Deed.ADD, name)
        self.asked = True
        if name in self.story.refuses:
            self.kernel.events.append(Event(Deed.ADD, name, refused=True, at=self.kernel.called_at))
            return Int(-22, INT)
        handle = self._new(name)
        self.held[name] = handle
        value, kind = handle_value(self.contract, handle), handle_type(self.contract)
        self.kernel.watched.put_at(self.contract.member(HANDLE), value, kind)
        member, at = self.contract.member(HANDLE), self.kernel.called_at
        self.kernel.events.append(Event(Deed.ADD, name, member=member, value=handle, at=at))
        return Int(0, INT)

    def _note(self, deed: Deed, values: Sequence[Value], own: str) -> Value | Fault:
        name = self._told(values, own)
        if name not in self.promises:
            return _deviceless(deed, name)
        return self._called(deed, name)

    def _called(self, deed: Deed, name: str) -> Value:
        """Take down that a lower's callback is called, and what it finds in the handle's member."""
        cell = self.kernel.watched.at(self.contract.member(HANDLE))
        held = cell.value if isinstance(cell, Cell) else Int(0, ULONG)
        number = as_number(held)
        found = number.value if isinstance(number, Int) else None
        self.kernel.events.append(Event(deed, name, value=found, at=self.kernel.called_at))
        if deed is Deed.FREE:
            self.held.pop(name, None)
        elif deed is Deed.DELETE and name in self.held:
            self.deleted.add(self.held[name])
        return Void()

    def _accepts(self, values: Sequence[Value]) -> Value | Fault:
        name, peer = self._device_of(values), self._device_of(values[1:])
        if name not in self.promises or peer not in self.promises:
            return Int(0, INT)
        one, other = self.promises[name], self.promises[peer]
        # Whatever it refuses, with itself it shares.
        accepts = one.accepts and one.chip == other.chip
        return Int(int(name == peer or accepts), INT)

    def _told(self, values: Sequence[Value], own: str) -> str | None:
        """Return the device that a callback runs for. own: the one in whose ops it stands.

        Before 6.16 the state names it, and where that does not name a lower device yet, as in
        bonding's add of 6.12, it is the one whose ops are called.
        """
        name = self._device_of(values)
        unnamed = name is not None and name not in self.promises
        return own if unnamed and not self.contract.add_takes_device else name

    def _device_of(self, values: Sequence[Value]) -> str | None:
        """Return the device that a callback is told, or that the state names if it is told none."""
        name = self.kernel.name_of(values[0]) if values else None
        if name or self.contract.add_takes_device:
            return name
        return self.kernel.name_of(self.kernel.watched.value(self.contract.member(PINNED)))


def _deviceless(deed: Deed, name: str | None) -> Fault:
    """Return why a lower does not know its device. name: whom it is told, or the state names."""
    told = f"for {name}, which is none of the lower devices" if name else "without its device"
    return Fault(FaultKind.ARGUMENT, f"a lower's {deed} is called {told}")
