"""Torn reads: what the resolver returns if the state changes between its reads.

The resolver reads three fields without a lock, each once, and decides afterwards. Here a reader
runs against the code that changes the fields, in every order in which their steps can follow each
other (sequential consistency: one memory, nobody's steps swapped; a weakly ordered CPU allows all
of this and more). What is looked for: a device gets a handle that another device's add returned.
The device's own handle, a moment after it was revoked, is not counted: RCU and the driver's free
have to see to that, and no order of reads could.

Without callback only. Behind the callback each lower has an entry of its own, which can't be torn.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from xfrmlint.model.reference import State, resolve
from xfrmlint.model.topology import BOND, A, B

Field = Literal["owner", "pinned", "handle"]
FIELDS: tuple[Field, ...] = ("owner", "pinned", "handle")
# As they are called where no tree says it: by their roles.
_BY_ROLE: Mapping[Field, str] = {f: f for f in FIELDS}

Order = tuple[Field, ...]
# In what order either revision reads what an owner writes one by one: the RFC's patch 1/4.
READS: Order = ("pinned", "owner", "handle")


class Step(NamedTuple):
    """One atomic step of a writer. field: what it changes, None if nothing the resolver sees.

    waits: it is a grace period, and ends when no reader is between its first read and its decision.
    """

    text: str
    field: Field | None = None
    value: str | int | None = None
    waits: bool = False


class Scenario(NamedTuple):
    """Writers and the state they start from. issuer: which device's add returned a handle.

    The writers run at the same time; locks are not modelled, so writers that exclude each other
    belong into one program, in turn. shared: the other devices on which a handle is valid. names:
    what the fields are called.
    """

    name: str
    state: State
    writers: Mapping[str, tuple[Step, ...]]
    issuer: Mapping[int, str]
    shared: Mapping[int, frozenset[str]] = MappingProxyType({})
    names: Mapping[Field, str] = _BY_ROLE

    def is_foreign(self, handle: int, device: str) -> bool:
        """Tell whether a handle picks another SA where a device uses it."""
        issuer = self.issuer.get(handle)
        return issuer != device and device not in self.shared.get(handle, ())


class Move(NamedTuple):
    """A step of a schedule: who does what, and the state after it."""

    actor: str
    text: str
    state: State


class Schedule(NamedTuple):
    """How a reader comes to a handle: device: the one that asks. The last move is the decision."""

    order: Order
    device: str
    handle: int
    moves: tuple[Move, ...]
    names: Mapping[Field, str] = _BY_ROLE


def _empty(field: Field) -> Step:
    return Step(f"{_BY_ROLE[field]} = NULL", field, None)


def _set(field: Field, device: str) -> Step:
    return Step(f"{_BY_ROLE[field]} = {device}", field, device)


def _add(device: str, handle: int) -> Step:
    return Step(f"{device}'s add: handle = {handle:#x}", "handle", handle)


def _delete(device: str) -> Step:
    return Step(f"{device}'s delete")


def _free(device: str) -> Step:
    return Step(f"{device}'s free")


def _failover(old: str, new: str, handle: int) -> tuple[Step, ...]:
    # bond_ipsec_del_sa_all(), then bond_ipsec_add_sa_all(): drivers/net/bonding/bond_main.c, 7.3.
    return (
        _empty("pinned"),
        _delete(old),
        _free(old),
        _add(new, handle),
        _set("pinned", new),
    )


# What A's and B's adds return, A's first and second.
_A1, _B1, _A2 = 0xA1, 0xB1, 0xA2
_ISSUER = {_A1: A, _B1: B, _A2: A}
_NOWHERE = State(None, None, 0)
_ON_NIC = State(A, None, _A1)
_ON_BOND = State(BOND, A, _A1)

# net/xfrm/xfrm_device.c, xfrm_dev_state_add(); net/xfrm/xfrm_state.c, xfrm_dev_state_delete() and
# xfrm_dev_state_free(); bond_main.c, bond_ipsec_add_sa(), bond_ipsec_del_sa(),
# bond_ipsec_free_sa(): kernel 7.3.
SCENARIOS = (
    Scenario("add on a NIC", _NOWHERE, {"add": (_set("owner", A), _add(A, _A1))}, _ISSUER),
    Scenario("delete on a NIC", _ON_NIC, {"delete": (_delete(A),)}, _ISSUER),
    Scenario("free on a NIC", _ON_NIC, {"free": (_free(A), _empty("owner"))}, _ISSUER),
    Scenario(
        "add on a bond",
        _NOWHERE,
        {"add": (_set("owner", BOND), _add(A, _A1), _set("pinned", A))},
        _ISSUER,
    ),
    Scenario("delete on a bond", _ON_BOND, {"delete": (_delete(A),)}, _ISSUER),
    Scenario(
        "free on a bond",
        _ON_BOND,
        {"free": (_empty("pinned"), _free(A), _empty("owner"))},
        _ISSUER,
    ),
    Scenario("failover", _ON_BOND, {"failover": _failover(A, B, _B1)}, _ISSUER),
    Scenario(
        "failover and back",
        _ON_BOND,
        {"failover": _failover(A, B, _B1) + _failover(B, A, _A2)},
        _ISSUER,
    ),
)


def spoken(scenario: Scenario, names: Mapping[Field, str]) -> Scenario:
    """Return one of the scenarios in a tree's own names of the fields."""

    def said(step: Step) -> Step:
        if step.field is None:
            return step
        usual = scenario.names[step.field]
        return step._replace(text=step.text.replace(usual, names[step.field]))

    writers = {name: tuple(map(said, steps)) for name, steps in scenario.writers.items()}
    return scenario._replace(writers=writers, names=names)


Decide = Callable[[State, str], int]


def decision(order: Order, read: Sequence[Any], device: str, decide: Decide = resolve) -> int:
    """Return the resolver's answer from what was read. A field that changed meanwhile makes it 0.

    order: names each field at least once. read: the values, in that order. decide: what a resolver
    answers in a state.
    """
    seen: dict[str, Any] = {}
    for field, value in zip(order, read, strict=True):
        if seen.setdefault(field, value) != value:
            return 0
    return decide(State(**seen), device)


class _Node(NamedTuple):
    state: State
    read: tuple[str | int | None, ...]
    done: tuple[int, ...]  # steps of each writer


# What comes of the values that were read, in the order of reads.
Outcome = Callable[[tuple[str | int | None, ...], str], int]


def shortest(
    order: Order,
    scenario: Scenario,
    device: str,
    decide: Decide = resolve,
    outcome: Outcome | None = None,
) -> Schedule | None:
    """Return a shortest schedule by which `device` gets another device's handle, if there is one.

    order: the reader's reads. decide: what it answers in a state; outcome: the same by the values
    that it has read, each as it was then. Breadth first over all interleavings; writers move before
    the reader where schedules are equally long.
    """
    names = tuple(scenario.writers)
    start = _Node(scenario.state, (), (0,) * len(names))
    came: dict[_Node, tuple[_Node, Move] | None] = {start: None}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        if len(node.read) == len(order):
            read = node.read
            handle = outcome(read, device) if outcome else decision(order, read, device, decide)
            if handle and scenario.is_foreign(handle, device):
                text = f"hands {device} {scenario.issuer[handle]}'s handle {handle:#x}"
                last = Move("resolver", text, node.state)
                return Schedule(order, device, handle, (*_moves(came, node), last), scenario.names)
            continue
        for move, successor in _successors(node, order, scenario, names):
            if successor not in came:
                came[successor] = (node, move)
                queue.append(successor)
    return None


def _successors(
    node: _Node, order: Order, scenario: Scenario, names: tuple[str, ...]
) -> Iterator[tuple[Move, _Node]]:
    state, read, done = node
    for number, name in enumerate(names):
        if done[number] < len(scenario.writers[name]):
            step = scenario.writers[name][done[number]]
            if step.waits and read:
                continue
            after = written(state, step)
            counts = (*done[:number], done[number] + 1, *done[number + 1 :])
            yield Move(name, step.text, after), _Node(after, read, counts)
    field = order[len(read)]
    value: str | int | None = getattr(state, field)
    text = f"reads {scenario.names[field]}: {_shown(value)}"
    yield Move("resolver", text, state), _Node(state, (*read, value), done)


def written(state: State, step: Step) -> State:
    """Return the state after a writer's step."""
    if step.field is None:
        return state
    change: dict[str, Any] = {step.field: step.value}
    return state._replace(**change)


def _moves(came: Mapping[_Node, tuple[_Node, Move] | None], node: _Node) -> list[Move]:
    moves = []
    origin = came[node]
    while origin is not None:
        node, move = origin
        moves.append(move)
        origin = came[node]
    return moves[::-1]


def torn(
    order: Order, scenario: Scenario, decide: Decide = resolve, outcome: Outcome | None = None
) -> Schedule | None:
    """Return the shortest schedule by which either device gets the other's handle, if any."""
    devices = sorted(set(scenario.issuer.values()))
    schedules = (shortest(order, scenario, device, decide, outcome) for device in devices)
    found = [schedule for schedule in schedules if schedule is not None]
    return min(found, key=lambda s: len(s.moves), default=None)


def lines(schedule: Schedule) -> Iterator[str]:
    """Yield a schedule as text, a line a move: who, what, and the three fields afterwards."""
    actor = max(len(move.actor) for move in schedule.moves)
    text = max(len(move.text) for move in schedule.moves)
    width = len(str(len(schedule.moves)))
    for number, move in enumerate(schedule.moves, 1):
        fields = " ".join(f"{schedule.names[f]}={_shown(getattr(move.state, f))}" for f in FIELDS)
        yield f"{number:{width}}. {move.actor:{actor}}  {move.text:{text}}  {fields}"


def _shown(value: str | int | None) -> str:
    if value is None:
        return "NULL"
    return f"{value:#x}" if isinstance(value, int) else value
