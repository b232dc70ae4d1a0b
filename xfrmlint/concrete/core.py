"""Whether the functions around the resolver keep their part of the contract.

Kernel names: include/net/xfrm.h and net/xfrm/xfrm_state.c; the RFC's patch 1/4.
"""

import re
from collections.abc import Callable, Sequence
from errno import EINVAL, EOPNOTSUPP
from itertools import product
from typing import NamedTuple

from xfrmlint.c.configuration import OFF, ON, OPTION
from xfrmlint.c.integers import INT, Int
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.concrete.choices import MOST_RUNS, Settled, choices
from xfrmlint.concrete.cores import core_definitions
from xfrmlint.concrete.evaluate import evaluate
from xfrmlint.concrete.faults import Fault, Outside
from xfrmlint.concrete.handles import handle_value
from xfrmlint.concrete.names import Source, parameters
from xfrmlint.concrete.resolver import resolver_source, value_text
from xfrmlint.concrete.runs import Runs
from xfrmlint.concrete.sources import Sources, core_files
from xfrmlint.concrete.states import open_device, open_state, owners_own, states
from xfrmlint.concrete.trace import StepKind, Trace
from xfrmlint.concrete.values import (
    NULL,
    Function,
    Pointer,
    Struct,
    Unknown,
    Value,
    Void,
)
from xfrmlint.contract.core import bodies_in, callers
from xfrmlint.contract.owned import cleared_by_owners
from xfrmlint.contract.packets import calls_of
from xfrmlint.contract.words import (
    ADD,
    COUNTS,
    DEVICE,
    FREE,
    HANDLE,
    KEPT,
    LOWER_CALLBACKS,
    MEMBERS,
    NETDEV_OPS,
    OWNER,
    OWNER_CALLBACKS,
    PINNED,
    STATE,
    XFRM,
    XSO,
    Contract,
)

_RETURNED = re.compile(r"\breturn\s*(?:\([\w\s]+\)\s*)?(\w+)\s*;")


class Answer(NamedTuple):
    """Whether a function keeps its part of the contract: None if that can't be told.

    path, line: where a finding would stand. reason: why it doesn't, or why it can't be told.
    """

    ok: bool | None
    path: str
    line: int
    reason: str


def core_function(reader: Reader, role: str) -> tuple[Source, Sources] | None:
    """Return the core's function for a role, and what it is run with; None if there is none."""
    function = reader.contract.functions.get(role)
    if function is None:
        return None
    sources = Sources(reader, ON, (XFRM, "net/xfrm/"))
    found = core_definitions(reader, sources, function.name)
    return (found[0], sources) if found else None


def stub(reader: Reader) -> Answer | None:
    """Tell whether a stub that returns 0 exists for !CONFIG_XFRM_OFFLOAD; None without resolver."""
    real = resolver_source(reader)
    if real is None:
        return None
    sources = Sources(reader, OFF)
    # What a driver calls has to be there: where a wrapper is exported, that.
    for name in reversed(reader.contract.askers):
        found = core_definitions(reader, sources, name, headers=True)
        macro = _stub_macro(reader, sources, name) if not found else None
        if found or macro is not None:
            return macro or _gives_nothing(found[0], sources)
    return Answer(False, real.path, real.line, f"no stub for !{OPTION}")


def _gives_nothing(source: Source, sources: Sources) -> Answer:
    """Tell whether a stub returns 0 in every state."""
    place = (source.path, source.line)
    runs = Runs(source, sources)
    for case in states():
        try:
            value = runs.result(case).value
        except Outside as error:
            given = _given(source.view)
            ok = False if given else None
            return Answer(ok, *place, f"the stub gives {given}" if given else error.reason)
        if not isinstance(value, Int) or value.value != 0:
            return Answer(False, *place, f"the stub gives {value_text(value)}")
    return Answer(True, *place, "")


def _given(view: View) -> str:
    """Return the argument that a function returns as it came in, if it does."""
    returned = _RETURNED.findall(node_text(view.body)) if view.body is not None else []
    return next((n for n in returned if n in view.parameters and not view.assignments(n)), "")


def _stub_macro(reader: Reader, sources: Sources, name: str) -> Answer | None:
    for path in core_files(reader, name):
        if not path.endswith(".h"):
            continue
        if sources.may_define(name, path):
            return Answer(None, path, 1, f"whether {name}() is defined for !{OPTION} is open")
        macro = sources.macro(name, path)
        if macro is not None and macro.path == path:
            line = reader.corpus.unit(path).line(macro.define)
            # (void)(x), (void)(dev), 0UL and ({ (void)(x); 0UL; })
            body = re.sub(rb"[(){}\s]|unsigned long|\bvoid\b", b"", macro.body)
            if re.fullmatch(rb"(\w+[,;])*0[uU]?[lL]*;?", body):
                return Answer(True, path, line, "")
            return Answer(None, path, line, "a macro that can't be read")
    return None


def cleared_by_free(contract: Contract) -> list[str]:
    """Return the members that must not outlive a state's offload.

    The owner's own always; where callbacks are captured, these and all that goes with them.
    """
    captured = OWNER_CALLBACKS in contract.members or LOWER_CALLBACKS in contract.members
    more = (OWNER, PINNED, HANDLE) if captured else ()
    wanted = map(contract.member, (OWNER_CALLBACKS, LOWER_CALLBACKS, *more))
    return [*(one.name for one in contract.own), *filter(None, wanted)]


def free_clears(reader: Reader) -> Answer | None:
    """Tell whether the core's free clears what it has to on every path that frees.

    A path frees if it calls the owner's callback, puts the device or clears the state's device.
    None if the tree has no such member or function.
    """
    contract = reader.contract
    found = _clears(reader, cleared_by_free(contract))
    kept = {one.name for one in contract.owned.get(KEPT, ())}
    if found is None or found.ok is not False or not kept:
        return found
    # A pointer left behind leads to what is freed; of these some may do no harm.
    counting = core_function(reader, COUNTS)
    counted = (
        bodies_in(reader, contract, ()).body(counting[0].view).reads if counting is not None else {}
    )
    spared = (kept - counted.keys()) | (kept & cleared_by_owners(reader))
    others = [name for name in cleared_by_free(contract) if name not in spared]
    rest = _clears(reader, others) if others else None
    if rest is not None and rest.ok is not True:
        return rest
    reason = f"{_listed(spared)} may be left behind: who clears it, or looks at it, is not known"
    return found._replace(ok=None, reason=reason)


def clears_handle(reader: Reader) -> bool:
    """Tell whether the core's free is sure to leave no handle behind."""
    handles = filter(None, [reader.contract.member(HANDLE)])
    answer = _clears(reader, list(handles))
    return answer is not None and answer.ok is True


def add_clears(reader: Reader) -> Answer | None:
    """Tell whether the core's add, where the owner's callback fails, leaves none of its stores.

    And whether what such a callback itself has left is cleared on each way to the end, if on one.
    One way to the callback is followed. None if the tree has no such function.
    """
    contract = reader.contract
    function = contract.functions.get(ADD)
    defined = core_function(reader, ADD)
    if function is None or not function.place.path or defined is None:
        return None
    source, sources = defined
    place = (source.path, source.line)
    failed = 0
    cleared: set[str] = set()
    left: set[str] = set()
    handed: set[str] = set()
    asked = Settled()
    for count, choose in enumerate(choices(asked)):
        attempt = _Attempt(sources, asked)
        try:
            trace = attempt.run(source, sources, choose)
        except Outside as error:
            return Answer(None, *place, f"{error.reason} (line {error.line})")
        if attempt.own is not None:
            failed += 1
            kept = attempt.left()
            handed |= _handed(trace, contract.slot(ADD)) if kept else set()
            if kept & attempt.own:
                names = _listed(kept & attempt.own)
                text = f"{function.name}() leaves {names} where it fails"
                return _left_behind(place, kept & attempt.own, handed, text)
            left |= kept
            cleared |= attempt.others - kept
        if left & cleared:
            names = _listed(left & cleared)
            text = f"{function.name}() leaves {names} on one way on which it fails, not on another"
            return _left_behind(place, left & cleared, handed, text)
        if count > MOST_RUNS:
            return Answer(None, *place, f"{function.name}() has too many paths")
    if not failed:
        return Answer(None, *place, f"no way through {function.name}() to the owner was followed")
    forgotten = left & _with_the_pinned(contract, cleared)
    if forgotten:
        text = f"{function.name}() clears {_listed(cleared)} where it fails, and leaves"
        return _left_behind(place, forgotten, handed, f"{text} {_listed(forgotten)} behind")
    return Answer(True, *place, "")


def _handed(trace: Trace, behind: str = "") -> set[str]:
    """Return what nobody sees into and is given the state. behind: after what is called so."""
    calls = [step for step in trace if step.kind is StepKind.CALL]
    begins = [at for at, step in enumerate(calls) if step.object == behind]
    later = calls[begins[0] + 1 :] if begins else calls
    return {one.object for one in later if {*one.field.split()} & {"x", f"x->{XSO}"}}


def _left_behind(place: tuple[str, int], names: set[str], handed: set[str], text: str) -> Answer:
    """Return that members are left behind, for a reason, unless what was handed the state sees to
    it."""
    if handed:
        reason = f"{_listed(names)} is left behind unless {min(handed)}() clears it"
        return Answer(None, *place, reason)
    return Answer(False, *place, text)


def _with_the_pinned(contract: Contract, cleared: set[str]) -> set[str]:
    """Return what goes where the core forgets the lower that an owner has pinned.

    It may leave all of it to the owner, who knows what it has left; half of it is of no use.
    """
    captured = LOWER_CALLBACKS in contract.members
    pinned = {contract.member(role) for role in (PINNED, LOWER_CALLBACKS) if captured}
    return pinned | {contract.member(HANDLE)} if pinned & cleared else set()


class _Attempt:
    """One run of the core's add with an owner that refuses the state, and leaves all it can.

    own: the members that the core has stored to before; None if the owner was not asked. others:
    those that the owner has left.
    """

    def __init__(self, sources: Sources, asked: Settled) -> None:
        self.contract = contract = sources.contract
        self.asked = asked
        self.own: set[str] | None = None
        self.others: set[str] = set()
        self.choose: Callable[[], bool] = bool
        refuse = Pointer(Function(contract.slot(ADD), self._refuse))
        device = open_device({contract.slot(ADD): refuse})
        self.device, self.ops = Pointer(device), device.value(NETDEV_OPS)
        nothing = {**dict.fromkeys(MEMBERS, NULL), HANDLE: handle_value(contract, 0)}
        own = owners_own(sources, is_set=False)
        self.x = open_state(contract, nothing, own)
        self.left_by_owner = owners_own(sources, is_set=True)
        self.xso = self.x.within(XSO)
        placed = (contract.member(role) for role in MEMBERS if role in contract.members)
        self.names = list(dict.fromkeys((*placed, *own)))

    def run(self, source: Source, sources: Sources, choose: Callable[[], bool]) -> Trace:
        """Run it. Raises Outside."""
        self.choose = choose
        supposed = {DEVICE: self.device, STATE: Pointer(self.x)}
        arguments: list[Value] = [
            supposed.get(kind.base, Unknown()) if kind.pointers == 1 else Unknown()
            for kind in parameters(source.view)
        ]
        return evaluate(source, arguments, sources, choose, supposed=supposed).trace

    def _refuse(self, _: Sequence[Value]) -> Value:
        self.asked.here()
        if self.own is None:
            self.own = self.left()
            for name in self.names:
                if name not in self.own:
                    self.others.add(name)
                    handle = name == self.contract.member(HANDLE)
                    left = handle_value(self.contract, 7) if handle else self.ops
                    self.xso.put_at(name, self.left_by_owner.get(name, left))
        # The core goes on without offload after the first of these.
        return Int(-EOPNOTSUPP if self.choose() else -EINVAL, INT)

    def left(self) -> set[str]:
        """Return the members that are not clear; of what nobody can tell, nothing is said."""
        values = {name: self.xso.value(name) for name in self.names}
        return {
            name
            for name, value in values.items()
            if not isinstance(value, Unknown) and not _is_clear(value)
        }


def may_clear_where_add_fails(reader: Reader, add: View | None) -> frozenset[str]:
    """Return the members that the core's add may clear once the owner's callback has failed.

    These that it clears behind the call, whatever it tests. add: its own, where the contract says
    which that is, else what calls the slot; all members, if nothing is seen to.
    """
    contract = reader.contract
    names = frozenset(one.name for one in (*contract.members.values(), *contract.own))
    slot = contract.slot(ADD)
    if add is not None:
        body = bodies_in(reader, contract, [slot]).body(add)
    else:
        found = [body for body, _ in calls_of(reader, contract, slot, ())]
        if not found:
            return names
        body = callers(found, slot, reader.corpus.data(XFRM))[0]
    begins = [call.node.start_byte for call in body.calls]
    return frozenset(
        write.member
        for write in body.writes
        if write.cleared and write.member in names and any(at < write.at for at in begins)
    )


def _clears(reader: Reader, wanted: Sequence[str]) -> Answer | None:
    contract = reader.contract
    defined = core_function(reader, FREE) if wanted else None
    if defined is None:
        return None
    source, sources = defined
    puts = {"netdev_put", "dev_put", contract.slot(FREE)}
    place = (source.path, source.line)
    freed = 0
    for has_callback, pinned in product((True, False), (True, False)):
        try:
            for count, choose in enumerate(choices()):
                x = _freeable(has_callback, pinned, sources)
                result = evaluate(source, [Pointer(x)], sources, choose)
                called = {s.object for s in result.trace if s.kind is StepKind.CALL}
                xso = x.within(XSO)
                frees = called & puts or xso.value(contract.member(OWNER)) == NULL
                if frees and not isinstance(result.value, Fault):
                    freed += 1
                    left = {name for name in wanted if not _is_clear(xso.value(name))}
                    if left:
                        handed = _handed(result.trace)
                        text = f"{source.name}() leaves {_listed(left)} behind"
                        return _left_behind(place, left, handed, text)
                if count > MOST_RUNS:
                    return Answer(None, *place, f"{source.name}() has too many paths")
        except Outside as error:
            return Answer(None, *place, f"{error.reason} (line {error.line})")
    if not freed:
        return Answer(None, *place, f"{source.name}() frees on no path that can be followed")
    return Answer(True, *place, "")


def _is_clear(value: Value | None) -> bool:
    if isinstance(value, Struct):
        return all(_is_clear(value.value(name)) for name in value.fields)
    return value == NULL or (isinstance(value, Int) and value.value == 0)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _freeable(has_callback: bool, pinned: bool, sources: Sources) -> Struct:
    """Return a state that its owner has. pinned: a lower device has it, and its handle is there."""
    contract = sources.contract
    slot = contract.slot(FREE)
    free = Pointer(Function(slot, lambda _: Void()))
    device = open_device({slot: free if has_callback else NULL})
    held: dict[str, Value] = {
        OWNER: Pointer(device),
        PINNED: Pointer(device) if pinned else NULL,
        HANDLE: handle_value(contract, 7 if pinned else 0),
        OWNER_CALLBACKS: device.value(NETDEV_OPS),
        LOWER_CALLBACKS: device.value(NETDEV_OPS),
    }
    own = owners_own(sources, is_set=True)
    return open_state(contract, held, own).put("data", Unknown())
