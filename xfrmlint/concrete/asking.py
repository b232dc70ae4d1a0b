"""What a device gets in a world: the tree's resolver is asked, and through it the owner."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from xfrmlint.c.integers import Int
from xfrmlint.concrete.evaluate import Result
from xfrmlint.concrete.faults import Fault, Outside
from xfrmlint.concrete.handles import handle_value
from xfrmlint.concrete.kernel import NOWHERE, Deed, Event, Kernel, Unscripted
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.owner import Owner
from xfrmlint.concrete.question import ask
from xfrmlint.concrete.scene import Answer, Reading
from xfrmlint.concrete.sources import Sources
from xfrmlint.concrete.trace import StepKind
from xfrmlint.concrete.values import NULL, Address, Pointer, Struct, Value
from xfrmlint.contract.words import HANDLE, OWNER, PINNED, RESOLVE
from xfrmlint.kernel.places import is_core

# A number that no add returns.
NO_HANDLE = -1


class Code(NamedTuple):
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


class Asking:
    """One world, in which each device can ask. x: the state."""

    def __init__(self, code: Code, kernel: Kernel, x: Struct) -> None:
        self.code = code
        self.kernel = kernel
        self.x = x
        self.contract = code.sources.contract

    def reading(self, devices: Sequence[str]) -> Reading | None:
        """Return how the resolver reads a state that was moved, through the owner's callback."""
        if self.contract.slot(RESOLVE) not in self.code.owner.slots:
            return None
        named = [self.contract.member(role) for role in (OWNER, PINNED, HANDLE)]
        longest: tuple[str, ...] = ()
        for device in devices:
            try:
                trace = self._asked(device).trace
            except Outside:
                continue
            read = [
                s.field
                for s in trace
                if s.kind is StepKind.READ and s.object == self.kernel.watched.name
            ]
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
            return Pointer(self.kernel.devices[value])
        return NULL if value is None else handle_value(self.contract, value)

    def _asked(self, asking: str) -> Result:
        device, resolver = Pointer(self.kernel.devices[asking]), self.code.resolver
        if resolver is None:
            raise Outside("there is no resolver", self.code.owner.path, 0)
        return ask(resolver, self.code.sources, Pointer(self.x), device, self.kernel)

    def answer(self, asking: str) -> Answer:
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
        read = event.deed is Deed.READS and event.member == self.contract.member(HANDLE)
        return read and not is_core(event.at.path)
