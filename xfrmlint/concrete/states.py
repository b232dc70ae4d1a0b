"""The states in which resolvers are compared, and each as the objects of an evaluation."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import UINT, ULONG, Int
from xfrmlint.concrete.faults import Fault, FaultKind
from xfrmlint.concrete.question import callback_of
from xfrmlint.concrete.values import NULL, Function, Pointer, Struct, Value
from xfrmlint.contract.words import (
    DEVICE,
    HANDLE,
    LOWER_CALLBACKS,
    NETDEV_OPS,
    OPS,
    OWNER,
    OWNER_CALLBACKS,
    PINNED,
    RESOLVE,
    STATE,
    XSO,
    Contract,
)
from xfrmlint.model.reference import State

# The devices: a lower, another lower, an upper.
A, B, U = "A", "B", "U"
_MAPPED = {A: 11, B: 13}
_NET_DEVICE = CType(DEVICE, 1)
_OPS = CType(OPS, 1)
_RESULT = CType("unsigned long")


class Case(NamedTuple):
    """One question to the resolver."""

    state: State
    lower: str | None


def states() -> tuple[Case, ...]:
    """Return every state of the model, the smallest (fewest parts that are not 0) first."""
    found = []
    kinds: list[tuple[bool, Mapping[str, int] | None]] = [
        (False, None),
        (True, None),
        (True, {}),
        (True, _MAPPED),
    ]
    for owner in (None, A, B, U):
        # Nobody's ops can't be told apart.
        for ops in kinds[: 1 if owner is None else len(kinds)]:
            for real in (None, A, B):
                for lower in (None, A, B):
                    for handle in (0, 7, 9):
                        found.append(Case(State(owner, real, handle, *ops), lower))
    return tuple(sorted(found, key=_size))


def _size(case: Case) -> int:
    state = case.state
    callback = 0 if state.callback is None else 2 if state.callback else 1
    parts = (state.owner, state.pinned, case.lower, state.handle)
    return sum(map(bool, parts)) + (state.owner_has_ops and state.owner is not None) + callback


def described(case: Case, contract: Contract) -> str:
    """Return a state in words. contract: the tree's, for what it calls things."""
    state = case.state
    callback = contract.slot(RESOLVE)
    words = [f"x->{XSO}.{contract.member(OWNER)} {state.owner or 'NULL'}"]
    if state.owner is not None:
        if not state.owner_has_ops:
            words.append(f"whose {NETDEV_OPS} is NULL")
        elif state.callback is None:
            words.append(f"without {callback}")
        else:
            pairs = [f"{d} to {h}" for d, h in sorted(state.callback.items())]
            words.append(f"with {callback} mapping {', '.join(pairs) or 'nothing'}")
    words += [
        f"{contract.member(PINNED)} {state.pinned or 'NULL'}",
        f"{contract.member(HANDLE)} {state.handle}",
        f"lower_dev {case.lower or 'NULL'}",
    ]
    return ", ".join(words)


class Objects(NamedTuple):
    """A state as objects: the arguments of the resolver, and every device."""

    state: Pointer
    lower: Pointer
    devices: Mapping[str, Struct]


def objects(case: Case, contract: Contract, names: Sequence[str] = (A, B, U)) -> Objects:
    """Return what the resolver is called with in a state.

    contract: what the members are called. names: of the devices that there are.
    """
    state = case.state
    slot = contract.slot(RESOLVE)
    x = Struct("x", STATE)
    devices = {name: Struct(name, DEVICE) for name in names}
    for name, device in devices.items():
        ops = Struct(f"{name}'s {NETDEV_OPS}", OPS)
        callback = NULL
        if name == state.owner and state.callback is not None and slot:
            answer = _callback(slot, device, x, devices, state.callback)
            callback = Pointer(Function(slot, callback_of(contract, answer)))
        kind = CType(contract.slots[RESOLVE].result) if RESOLVE in contract.slots else _RESULT
        if slot:
            ops.put(slot, callback, CType("fn", 1, kind))
        for member, bits in contract.kept(() if name == U else contract.promises).items():
            ops.put(member, Int(bits, UINT), CType("u32"))
        absent = name == state.owner and not state.owner_has_ops
        device.put(NETDEV_OPS, NULL if absent else Pointer(ops), _OPS)

    def pointer(name: str | None) -> Pointer:
        return NULL if name is None else Pointer(devices[name])

    def captured(name: str | None) -> Value:
        # As they were before the add: those that the device has.
        return NULL if name is None else devices[name].value(NETDEV_OPS)

    xso = xso_of(contract)
    values: dict[str, tuple[Value, CType]] = {
        OWNER: (pointer(state.owner), _NET_DEVICE),
        PINNED: (pointer(state.pinned), _NET_DEVICE),
        HANDLE: (Int(state.handle, ULONG), _RESULT),
        OWNER_CALLBACKS: (captured(state.owner), _OPS),
        LOWER_CALLBACKS: (captured(state.pinned), _OPS),
    }
    for role, (value, kind) in values.items():
        if contract.member(role):
            xso.put_at(contract.member(role), value, kind)
    x.put(XSO, xso)
    return Objects(Pointer(x), pointer(case.lower), devices)


def xso_of(contract: Contract, open: bool = False) -> Struct:
    """Return a state's xso, with the structs in it that count. open: more is made on demand."""
    xso = Struct(f"x->{XSO}", contract.offload, open=open)
    for struct, part in contract.parts.items():
        xso.put(part, Struct(f"x->{XSO}.{part}", struct, open=open))
    return xso


def _callback(
    slot: str, owner: Struct, x: Struct, devices: Mapping[str, Struct], handles: Mapping[str, int]
) -> Callable[[Sequence[Value]], int | Fault]:
    def call(arguments: Sequence[Value]) -> int | Fault:
        for argument, wanted, name in zip(arguments, (owner, x), ("owner", "state"), strict=False):
            if not isinstance(argument, Pointer) or argument.target is not wanted:
                text = f"{slot}() is called with another {name} than its own"
                return Fault(FaultKind.ARGUMENT, text)
        target = arguments[2].target if isinstance(arguments[2], Pointer) else None
        for name, device in devices.items():
            if target is device:
                return handles.get(name, 0)
        if target is None:
            return Fault(FaultKind.ARGUMENT, f"{slot}() is called with a lower_dev of NULL")
        return Fault(FaultKind.ARGUMENT, f"{slot}() is called with what is no device")

    return call
