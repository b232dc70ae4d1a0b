"""How the resolver and an owner's callback are asked: what they take, and where their answer is.

Either returns the handle, or it returns whether there is one and puts it where it is told to.
"""

from collections.abc import Callable, Sequence

from xfrmlint.c.integers import INT, ULONG, Int
from xfrmlint.concrete.choices import choices
from xfrmlint.concrete.evaluate import Result, evaluate
from xfrmlint.concrete.faults import Fault, FaultKind, Outside
from xfrmlint.concrete.handles import (
    answered,
    as_number,
    handle_type,
    handle_value,
    pointed_at,
)
from xfrmlint.concrete.kernel import NOWHERE, Kernel
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.sources import Sources
from xfrmlint.concrete.trace import Step, StepKind
from xfrmlint.concrete.values import Cell, Pointer, Struct, Uninitialized, Unknown, Value
from xfrmlint.contract.words import BOOLEANS, DEVICE, RESOLVE, STATE, Contract

_NONE = -2


def ask(
    source: Source, sources: Sources, state: Value, device: Value, kernel: Kernel | None = None
) -> Result:
    """Ask a resolver for a device's handle; where it gives none, the value is 0. Raises Outside.

    What it gives may not depend on a static key that is on at times.
    """
    first: Result | None = None
    for choose in choices():
        sources.decide, sources.decided = choose, {}
        try:
            result = _asked(source, sources, state, device, kernel)
        finally:
            sources.decide = None
        first = first or result
        if first.value != result.value:
            reason = f"{source.name}() gives another handle as {', '.join(sources.decided)} is on"
            raise Outside(reason, source.path, source.line)
    assert first is not None
    return first


def _asked(
    source: Source, sources: Sources, state: Value, device: Value, kernel: Kernel | None
) -> Result:
    resolver = sources.contract.resolver
    takes = resolver.takes if resolver is not None and resolver.takes else (STATE, DEVICE)
    cell = Cell("handle", Uninitialized(), handle_type(sources.contract))
    returned = sources.contract.returns_handle
    numbers = [kind for kind in takes if not kind.startswith("struct ")]
    if sorted(takes) != sorted((STATE, DEVICE, *numbers)) or (len(numbers) > 1 and not returned):
        reason = f"{source.name}() takes {len(takes)} arguments: {', '.join(takes)}"
        raise Outside(reason, source.path, source.line)
    # Of what it takes besides nobody knows what callers give: where it decides, that is outside.
    other: Value = Unknown() if returned else Pointer(cell)
    given = [{STATE: state, DEVICE: device}.get(kind, other) for kind in takes]
    result = evaluate(source, given, sources, kernel=kernel)
    if isinstance(result.value, Struct):
        raise Outside(f"{source.name}() gives a struct", source.path, source.line)
    if returned and resolver is not None and resolver.result.endswith("*"):
        return _looked_into(result, source, sources.contract, kernel)
    if returned or not isinstance(result.value, Int):
        return result
    truth = resolver is not None and resolver.result in BOOLEANS
    if bool(result.value.value) != truth:
        return result._replace(value=Int(0, ULONG))
    if isinstance(cell.value, Uninitialized):
        fault = Fault(FaultKind.UNINITIALIZED, "a handle is promised, and none is stored")
        return result._replace(value=fault)
    return result._replace(value=cell.value)


def _looked_into(
    result: Result, source: Source, contract: Contract, kernel: Kernel | None
) -> Result:
    """Return the handle that a pointer is, or that who asked reads where it leads to.

    Raises Outside where it leads to nothing of the kind.
    """
    cell = pointed_at(contract, result.value)
    if cell is None:
        number, given = as_number(result.value), source.view.result
        if isinstance(number, Pointer) and given != handle_type(contract):
            reason = f"{source.name}() gives a pointer, and not to a handle that is known"
            raise Outside(reason, source.path, source.line)
        return result._replace(value=number)
    if kernel is None:
        return result._replace(value=as_number(cell.value))
    step = Step(StepKind.READ, cell.owner, cell.name, True, "", 0)
    return Result(as_number(kernel.read(cell, NOWHERE)), (*result.trace, step))


def callback_of(
    contract: Contract, answer: Callable[[Sequence[Value | None]], int | Fault]
) -> Callable[[Sequence[Value]], Value | Fault]:
    """Return an owner's callback by what it answers to an owner (or none), a state and a device.

    Its prototype is that of the tree's slot; one that is not understood is outside.
    """
    slot = contract.slots[RESOLVE]

    def call(values: Sequence[Value]) -> Value | Fault:
        if not slot.gives or len(values) != len(slot.takes):
            raise Outside(f"what {slot.name}() takes is not understood", *slot.place)
        by_kind = list(zip(slot.takes, values, strict=True))
        devices = [value for kind, value in by_kind if kind == DEVICE]
        states = [value for kind, value in by_kind if kind == STATE]
        if len(devices) not in (1, 2) or len(states) != 1:
            raise Outside(f"what {slot.name}() takes is not understood", *slot.place)
        found = answer([devices[0] if devices[1:] else None, states[0], devices[-1]])
        if isinstance(found, Fault) or slot.gives == "returned":
            return found if isinstance(found, Fault) else answered(contract, slot, found)
        into = next(v for kind, v in by_kind if not kind.startswith("struct "))
        if not isinstance(into, Pointer) or not isinstance(into.target, Cell):
            return Fault(FaultKind.ARGUMENT, f"{slot.name}() is told no place for its handle")
        if found:
            into.target.value = handle_value(contract, found)
        failed = _NONE if slot.result == "int" else 0
        return Int(failed if not found else int(slot.result != "int"), INT)

    return call
