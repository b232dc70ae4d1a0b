"""What the core does with a state's offload, asked of its code: each answer with its place.

Answered is what the text of net/xfrm and of the headers shows; where it does not, the answer is
unknown, with the reason.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.contract.answer import answers_of
from xfrmlint.contract.core import Bodies, Body, Call, bodies_in, callers
from xfrmlint.contract.packets import calls_of, core_paths, packet_device
from xfrmlint.contract.words import (
    ADD,
    DELETE,
    ESN,
    FREE,
    NO,
    OFFLOAD_OK,
    OWN_STATES,
    OWNER,
    OWNER_CALLBACKS,
    PACKET_DEVICE,
    STATE,
    STATS,
    UNKNOWN,
    XFRM,
    XMIT,
    XSO,
    YES,
    Contract,
    Said,
    Where,
)
from xfrmlint.kernel.doors import takes_packet
from xfrmlint.kernel.functions import guard_sleeps
from xfrmlint.kernel.places import is_core

LOCKED, PER_PACKET = "under a lock", "per packet"
_LOCK = re.compile(
    rb"\b(?:guard|scoped_guard|(?:raw_)?(?:spin|read|write)_(?:un)?(?:try)?lock\w*)\s*\("
)
_GUARD = re.compile(rb"(?:scoped_)?guard\s*\(\s*(\w+)")
_RCU = re.compile(rb"\brcu_read_((?:un)?lock)\s*\(")
# A function that makes, or reads, a netlink message in its struct sk_buff.
_MESSAGE = re.compile(rb"\b(?:nla|nlmsg|genlmsg|netlink)_\w+\s*\(|\bNETLINK_CB\b")
_DEEPEST = 6


def core_says(reader: Reader, contract: Contract) -> dict[str, Said]:
    """Return the answers to all questions about a tree, by question."""
    asked = _Asked(reader, contract)
    said = {
        "free clears": asked.cleared(FREE),
        "a failed add clears": asked.cleared(ADD),
    }
    for role in (DELETE, ESN, STATS):
        if role in contract.slots:
            said[f"{role} runs"] = asked.runs(role)
    said |= answers_of(reader, contract)
    if XMIT in contract.slots:
        said[PACKET_DEVICE] = packet_device(reader, contract)
    if OFFLOAD_OK in contract.slots:
        paths = reader.corpus.tree.search(contract.slot(OFFLOAD_OK), ["drivers"])
        said[OWN_STATES] = own_states(reader, contract, paths)
    return said


def runs(reader: Reader, role: str) -> Said:
    """Tell whether a tree's core calls a slot under a lock, or for each packet."""
    return _Asked(reader, reader.contract).runs(role)


def called_for_acquires(reader: Reader) -> Where | None:
    """Return where the core calls add in an RCU read-side critical section, if it does.

    So xfrm_state_find() does for a larval state of a policy that a device has
    (net/xfrm/xfrm_state.c, since 6.2), for a packet that waits for its key.
    """
    for body, call in calls_of(reader, reader.contract, reader.contract.slot(ADD), ()):
        before = body.view.text[body.view.node.start_byte : call.node.start_byte]
        words = _RCU.findall(before)
        if words and words[-1] == b"lock":
            return call.where
    return None


def own_states(reader: Reader, contract: Contract, paths: Iterable[str]) -> Said:
    """Tell whether the slot that is asked for each packet is asked of a state's own device alone.

    That is so where no driver forwards the question, and the core, where it is seen to ask, asks
    the owner's. paths: the drivers' files that name what the contract speaks of.
    """
    slot = contract.slot(OFFLOAD_OK)
    bodies = bodies_in(reader, contract, [slot])
    asked = list(calls_of(reader, contract, slot, ())) if slot else []
    if not slot or not all(_asks_owner(bodies, contract, *one) for one in asked):
        return Said(UNKNOWN, Where(), f"whom the core asks by {slot}() is not seen")
    called = re.compile(rb"(?:->|\.)\s*%s\s*\(" % re.escape(slot.encode()))
    for path in paths:
        match = None if is_core(path) else called.search(reader.corpus.data(path))
        if match is not None:
            where = Where(path, reader.corpus.unit(path).line(match.start()))
            return Said(NO, where, "a driver hands the question on")
    if not asked:
        return Said(YES, Where(), "no driver hands the question on")
    return Said(YES, asked[0][1].where)


def _asks_owner(bodies: Bodies, contract: Contract, body: Body, call: Call) -> bool:
    """Tell whether a slot is called through the ops of a state's owner."""
    captured = contract.member(OWNER_CALLBACKS)
    if captured and call.through == captured:
        return True
    function = call.node.child_by_field_name("function")
    ops = function.child_by_field_name("argument") if function is not None else None
    if ops is not None and ops.type == "identifier":
        values = body.view.assignments(node_text(ops))
        ops = values[0] if len(values) == 1 else None
    device = ops.child_by_field_name("argument") if ops is not None else None
    if device is None:
        return False
    name = node_text(device)
    values = body.view.assignments(name) if device.type == "identifier" else [device]
    owner = contract.member(OWNER)
    return bool(values) and all(bodies.member(body.view, value) == owner for value in values)


class _Way(NamedTuple):
    """A function on the way upwards, and the one that it calls."""

    callee: str
    chain: tuple[str, ...]


class _Asked:
    """Answers about one tree."""

    def __init__(self, reader: Reader, contract: Contract) -> None:
        self.reader = reader
        self.contract = contract
        self._bodies = bodies_in(reader, contract, contract.callbacks)

    def cleared(self, role: str) -> Said:
        """Return which members the core's function around a slot stores 0 or NULL to.

        Of add: what it stores behind the call, for then the call has failed.
        """
        slot = self.contract.slot(role)
        body = self._body(role)
        if body is None:
            return Said(UNKNOWN, Where(), f"no function of the core is seen to call {slot}()")
        called = min((c.node.start_byte for c in body.calls if c.slot == slot), default=0)
        after = called if role == ADD else 0
        names = [w.member for w in body.writes if w.cleared and w.at >= after]
        given = [name for name in sorted(body.called) if self._is_given(body, name)]
        reason = f"unless {', '.join(given)}() clears more" if given else ""
        return Said(", ".join(dict.fromkeys(names)) or "nothing", body.where, reason)

    def _is_given(self, body: Body, name: str) -> bool:
        """Tell whether a function of the core's own is given the state whose members it writes."""
        if not self._own(name):
            return False
        text = body.view.text[body.view.node.start_byte : body.view.node.end_byte]
        states = [v.name for v in body.view.locals if v.type.base in (STATE, self.contract.offload)]
        words = "|".join([XSO, *map(re.escape, states)])
        call = rb"\b%s\s*\([^;]*\b(?:%s)\b" % (name.encode(), words.encode())
        return re.search(call, text) is not None

    def _own(self, name: str) -> bool:
        """Tell whether a function writes members of xso, as far as one look into it shows."""
        for path in core_paths(self.reader):
            if name.encode() not in self.reader.corpus.data(path):
                continue
            for item in self.reader.corpus.unit(path).functions(name):
                text = self.reader.corpus.unit(path).text
                view = View(self.reader.corpus, path, item, text, None)
                if self._bodies.body(view).writes:
                    return True
        return False

    def _body(self, role: str) -> Body | None:
        """Return the core's function that calls a slot; of several one that a header declares."""
        slot = self.contract.slot(role)
        header = self.reader.corpus.data(XFRM)
        found = [
            body
            for path in core_paths(self.reader)
            if slot and slot.encode() in self.reader.corpus.data(path)
            for body in self._bodies.of(path)
        ]
        return next(iter(callers(found, slot, header)), None)

    def runs(self, role: str) -> Said:
        """Tell whether the core calls a slot under a lock, or else for each packet.

        Unknown, with a place, if its callers show neither.
        """
        start = self._body(role)
        slot = self.contract.slot(role)
        if start is None:
            return Said(UNKNOWN, Where(), f"no function of the core is seen to call {slot}()")
        held = self._locked(start.view, min(c.node.start_byte for c in start.calls))
        if held is not None:
            return Said(LOCKED, held)
        queue = [_Way(start.name, (start.name,))]
        seen = {start.name}
        packets: list[Said] = []
        for callee, chain in queue:
            for view, at in self._callers(callee):
                name = view.item.name
                held = self._locked(view, at)
                shown = " <- ".join((*chain, name))
                if held is not None:
                    return Said(LOCKED, held, shown)
                if _handles_packet(view):
                    place = view.place(at)
                    packets.append(Said(PER_PACKET, Where(place.path, place.line), shown))
                if name not in seen and len(chain) < _DEEPEST:
                    seen.add(name)
                    queue.append(_Way(name, (*chain, name)))
        if packets:
            return packets[0]
        if len(seen) == 1:
            return Said(UNKNOWN, Where(), f"nobody is seen to call {start.name}()")
        return Said(UNKNOWN, start.where, "no caller is seen to hold a lock or to have a packet")

    def _callers(self, name: str) -> Iterator[tuple[View, int]]:
        """Yield the core's functions that call one, or the slot it is put into, each with where."""
        word = re.escape(name.encode())
        put = re.compile(rb"\.(\w+)\s*=\s*&?%s\b" % word)
        files = [(path, self.reader.corpus.data(path)) for path in core_paths(self.reader)]
        named = [path for path, data in files if name.encode() in data]
        slots = {m for path in named for m in put.findall(self.reader.corpus.unit(path).text)}
        through = [rb"(?:->|\.)\s*%s" % slot for slot in sorted(slots)]
        calls = re.compile(rb"(?:%s)\s*\(" % b"|".join([rb"\b%s" % word, *through]))
        for path, data in files:
            if path not in named and not any(slot in data for slot in slots):
                continue
            unit = self.reader.corpus.unit(path)
            for item in unit.items:
                if item.kind != "function" or item.name == name:
                    continue
                for match in calls.finditer(unit.text, item.start, item.end):
                    yield View(self.reader.corpus, path, item, unit.text, None), match.start()

    def _locked(self, view: View, at: int) -> Where | None:
        """Return where the lock is taken that is held at an offset of a function, if one is."""
        held: list[int] = []
        for match in _LOCK.finditer(view.text, view.node.start_byte, at):
            guarded = _GUARD.match(view.text, match.start())
            if guarded is not None and guard_sleeps(guarded.group(1).decode()) == "always":
                # Who holds a mutex may sleep.
                continue
            if b"unlock" not in match.group():
                held.append(match.start())
            elif held:
                held.pop()
        if not held:
            return None
        place = view.place(held[-1])
        return Where(place.path, place.line)


def _handles_packet(view: View) -> bool:
    """Tell whether a function is given a packet: none that is a netlink message."""
    given = frozenset(one.type.base for one in view.locals if one.parameter >= 0)
    text = view.text[view.node.start_byte : view.node.end_byte]
    return takes_packet(given) and _MESSAGE.search(text) is None
