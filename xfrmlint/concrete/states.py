"""The states in which resolvers are compared, and each as the objects of an evaluation."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import UINT, Int
from xfrmlint.concrete.faults import Fault, FaultKind
from xfrmlint.concrete.handles import asked_handle, handle_type
from xfrmlint.concrete.question import callback_of
from xfrmlint.concrete.sources import Sources
from xfrmlint.concrete.values import NULL, Function, LazyPointer, Pointer, Struct, Value
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
    XFRM,
    XSO,
    Contract,
)
from xfrmlint.model.reference import State
from xfrmlint.model.worlds import A, B, U

_NOTHING: Mapping[str, Value] = MappingProxyType({})
_MAPPED = {A: 11, B: 13}
_NET_DEVICE = CType(DEVICE, 1)
_OPS = CType(OPS, 1)


class Case(NamedTuple):
    """One question to the resolver."""

    state: State
    lower: str | None


@cache
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
    """A state as objects: the arguments of the resolver."""

    state: Pointer
    lower: Pointer


_Answer = TypeVar("_Answer", bound=str | int | None)
# What can be asked of a state: its answer is a name, a number or nothing.
Question = Callable[[Case], _Answer]
Looked = Callable[[Question[Any]], None]


_owner: Question[str | None] = attrgetter("state.owner")
_pinned: Question[str | None] = attrgetter("state.pinned")
_handle: Question[int] = attrgetter("state.handle")
_lower: Question[str | None] = attrgetter("lower")


def _ops_of(name: str | None, case: Case) -> str | None:
    """Return a device if it has ops."""
    return name if name != case.state.owner or case.state.owner_has_ops else None


def _owners_ops(case: Case) -> str | None:
    return _ops_of(case.state.owner, case)


def _pinned_ops(case: Case) -> str | None:
    return _ops_of(case.state.pinned, case)


def _with_callback(name: str, case: Case) -> str | None:
    """Return a device if its ops have the resolver callback."""
    return name if name == case.state.owner and case.state.callback is not None else None


def _with_other(name: str, alone: bool, case: Case) -> str | None:
    """Return a device if it has the struct besides its ops in which the callback stands.

    An upper without the callback has it for what else is in there.
    """
    if not alone and name == case.state.owner == U:
        return _ops_of(name, case)
    return _with_callback(name, case)


def _by_callback(lower: str, case: Case) -> int:
    return (case.state.callback or {}).get(lower, 0)


def objects(case: Case, contract: Contract, looked: Looked) -> Objects:
    """Return what the resolver is called with in a state; what nothing looks at is not made.

    contract: what the members are called. looked: is told what is asked of the state as soon as
    something looks at it; all else is the same in every state.
    """
    made = _Made(case, contract, looked)
    return Objects(Pointer(made.x), made.pointer(_NET_DEVICE, _lower, made.device))


class _Made:
    """The objects of one state: the devices, their ops and the callbacks in these by name."""

    def __init__(self, case: Case, contract: Contract, looked: Looked) -> None:
        self._case = case
        self._contract = contract
        self._looked = looked
        self._slot = contract.slot(RESOLVE)
        self.device = cache(self._new_device)
        self._table = cache(self._new_table)
        self._other = cache(self._new_other)
        self._callback = cache(self._new_callback)
        xso = xso_of(contract)
        handle = asked_handle(contract, partial(self._asked, _handle))
        values: dict[str, tuple[Value, CType]] = {
            OWNER: (self.pointer(_NET_DEVICE, _owner, self.device), _NET_DEVICE),
            PINNED: (self.pointer(_NET_DEVICE, _pinned, self.device), _NET_DEVICE),
            HANDLE: (handle, handle_type(contract)),
            # As they were before the add: those that the device has.
            OWNER_CALLBACKS: (self.pointer(_OPS, _owners_ops, self._table), _OPS),
            LOWER_CALLBACKS: (self.pointer(_OPS, _pinned_ops, self._table), _OPS),
        }
        for role, (value, kind) in values.items():
            if contract.member(role):
                xso.put_at(contract.member(role), value, kind)
        self.x = Struct("x", STATE).put(XSO, xso)

    def _asked(self, question: Question[_Answer]) -> _Answer:
        self._looked(question)
        return question(self._case)

    def pointer(
        self, kind: CType, question: Question[str | None], to: Callable[[str], Struct | Function]
    ) -> Pointer:
        """Return a pointer to what a question's answer names."""

        def target() -> Struct | Function | None:
            name = self._asked(question)
            return to(name) if name is not None else None

        return LazyPointer(None).asking(kind, target)

    def _new_device(self, name: str) -> Struct:
        ops = self.pointer(_OPS, partial(_ops_of, name), self._table)
        made = Struct(name, DEVICE).put(NETDEV_OPS, ops, _OPS)
        if (slot := self._contract.elsewhere) is not None:
            kind = CType(slot.struct, 1)
            has = partial(_with_other, name, slot.alone)
            other = self.pointer(kind, has, self._other)
            made.put(slot.hangs, Pointer(self._other(name)) if slot.always else other, kind)
        return made

    def _new_table(self, name: str) -> Struct:
        ops = Struct(f"{name}'s {NETDEV_OPS}", OPS)
        if self._slot and self._contract.elsewhere is None:
            self._fill(ops, name)
        promised = () if name == U else self._contract.promises
        for member, bits in self._contract.kept(promised).items():
            ops.put_at(member, Int(bits, UINT), CType("u32"))
        return ops

    def _new_other(self, name: str) -> Struct:
        """Return the struct of a device in which the callback stands, if it is another one."""
        slot = self._contract.slots[RESOLVE]
        return self._fill(Struct(f"{name}'s {slot.hangs}", slot.struct), name)

    def _fill(self, ops: Struct, name: str) -> Struct:
        gives = self._contract.slots[RESOLVE].result
        kind = CType("fn", 1, CType(gives.rstrip(" *"), gives.count("*")))
        called = self.pointer(kind, partial(_with_callback, name), self._callback)
        return ops.put(self._slot, called, kind)

    def _new_callback(self, name: str) -> Function:
        return Function(self._slot, callback_of(self._contract, partial(self._answer, name)))

    def _answer(self, name: str, arguments: Sequence[Value | None]) -> int | Fault:
        """Answer as a device's callback: with the handle that it keeps for a lower."""
        wanted = ((self.device(name), "owner"), (self.x, "state"))
        for argument, (own, word) in zip(arguments, wanted, strict=False):
            if argument is None:
                continue
            if not isinstance(argument, Pointer) or argument.target is not own:
                text = f"{self._slot}() is called with another {word} than its own"
                return Fault(FaultKind.ARGUMENT, text)
        lower = arguments[2].target if isinstance(arguments[2], Pointer) else None
        if isinstance(lower, Struct) and lower is self.device(lower.name):
            return self._asked(partial(_by_callback, lower.name))
        what = "a lower_dev of NULL" if lower is None else "what is no device"
        return Fault(FaultKind.ARGUMENT, f"{self._slot}() is called with {what}")


def open_state(
    contract: Contract, held: Mapping[str, Value], own: Mapping[str, Value] = _NOTHING
) -> Struct:
    """Return a state of which no more is known than what members hold, by their roles.

    own: what the owner's own hold, by their names.
    """
    xso = xso_of(contract, open=True)
    named = {contract.member(role): value for role, value in held.items() if contract.member(role)}
    for name, value in {**named, **own}.items():
        xso.put_at(name, value)
    return Struct("x", STATE, open=True).put(XSO, xso)


def owners_own(sources: Sources, is_set: bool) -> dict[str, Value]:
    """Return what all that is an owner's own in xso holds while that has a state, or before."""
    found: dict[str, Value] = {}
    for one in sources.contract.own:
        struct = one.struct or sources.contract.offload
        declared = sources.member(CType(struct), one.word, XFRM)
        if declared is not None and declared.size:
            array = Struct(f"x->{XSO}.{one.name}", "[]")
            array.element, array.count = declared.type.pointed(-1), declared.size
            for at in range(array.count):
                array.put(str(at), _set(array.element.pointers > 0, is_set), array.element)
            found[one.name] = array
        else:
            found[one.name] = _set(one.type.endswith("*"), is_set)
    return found


def _set(is_pointer: bool, is_set: bool) -> Value:
    if is_pointer:
        return Pointer(Struct("private", "", open=True)) if is_set else NULL
    return Int(int(is_set), UINT)


def open_device(slots: Mapping[str, Value]) -> Struct:
    """Return a device of which no more is known than its ops table has in some slots."""
    ops = Struct("ops", OPS, open=True)
    for name, value in slots.items():
        ops.put(name, value)
    return Struct("dev", DEVICE, open=True).put(NETDEV_OPS, Pointer(ops))


def xso_of(contract: Contract, open: bool = False) -> Struct:
    """Return a state's xso, with the structs in it that count. open: more is made on demand."""
    xso = Struct(f"x->{XSO}", contract.offload, open=open)
    for struct, part in contract.parts.items():
        xso.put(part, Struct(f"x->{XSO}.{part}", struct, open=open))
    return xso
