"""Which expression in reach of a function is the net_device at work, on evidence."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import assigned_in
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import Local, View
from xfrmlint.contract.words import DEVICE, PACKET
from xfrmlint.kernel.structs import OWN_MEMBERS
from xfrmlint.program.devices import Devices, Found, Whose
from xfrmlint.program.reach import Reached

_XMIT = "ndo_start_xmit"
# Doors that are given a packet whose device is the one that was asked.
TRANSMITS = ("ndo_start_xmit", "ndo_features_check", "ndo_select_queue")


class Candidate(NamedTuple):
    """An expression that is a net_device, and whose that can be."""

    text: str
    found: Found


class Choice(NamedTuple):
    """The expression that is the device at work; or why there is none."""

    text: str
    why: str


def device_in(
    devices: Devices,
    view: View,
    before: int,
    way: Reached,
    without: Collection[str] = (),
) -> Choice:
    """Return the device at work, as it can be written before an offset of a function.

    A parameter comes first, then what the kernel itself keeps, then the driver's own members; that
    of the packet is the last, and only where the doors say that it is set. without: expressions of
    which the judge has said that they are another device.
    """
    tried: list[Candidate] = []
    for candidate in _candidates(devices, view, before, way):
        if candidate.text in without:
            continue
        if candidate.found.whose == {Whose.OWN} and not candidate.found.why:
            return Choice(candidate.text, "")
        tried.append(candidate)
    for candidate in tried if without else ():
        # In some of the structs of that type; whether in this, the judge tells by who passes it.
        if Whose.OWN in candidate.found.whose and not candidate.found.why:
            return Choice(candidate.text, "")
    if not tried:
        return Choice("", "no net_device is in reach")
    said = [f"{one.text}{_said(one.found)}" for one in tried[:3]]
    return Choice("", "which net_device is at work is not known: " + "; ".join(said))


def _said(found: Found) -> str:
    others = sorted(str(one) for one in found.whose - {Whose.OWN})
    if others:
        return f" is not its own alone ({', '.join(others)})"
    if not found.why:
        return " is of nobody that is known"
    place, why = found.why[0]
    return f": {why} ({place.path}:{place.line})" if place.line else f": {why}"


def _candidates(devices: Devices, view: View, before: int, way: Reached) -> Iterator[Candidate]:
    known = [local for local in view.locals if _is_set(view, local, before)]
    if _shares_queues(way):
        # The queue of one device may send for another, whose packet says whose it is.
        yield from _of_packet(devices, known, way)
        return
    yield from _named(devices, view, known)
    held = [local for local in known if local.type.pointers == 1 and local.type.base != DEVICE]
    for local in held:
        for name in _devices_of(devices, view, local.type):
            if (local.type.base, name) in OWN_MEMBERS and local.type.base != PACKET:
                yield Candidate(f"{local.name}->{name}", Found(frozenset({Whose.OWN}), ()))
    yield from _members(devices, view, held)
    yield from _of_packet(devices, held, way)


def _shares_queues(way: Reached) -> bool:
    """Tell whether packets of several kinds of devices come by: each has its transmit function."""
    return len({function for entry, function in way.doors if entry.name == _XMIT}) > 1


def _of_packet(devices: Devices, known: Sequence[Local], way: Reached) -> Iterator[Candidate]:
    """Yield the device that the stack has stored in a packet, if the driver stores no other."""
    # Through a table of the driver's own comes what came through another door.
    doors = [entry.name for entry in way.entries if entry.via != "handler table"]
    if not doors or not all(door in TRANSMITS for door in doors):
        return
    # Of several doors of a kind way.chains has one.
    if any(_stores_device(devices, caller.path, caller.name) for caller in way.functions):
        return
    for local in known:
        if (local.type.base, local.type.pointers) == (PACKET, 1) and local.parameter >= 0:
            yield Candidate(f"{local.name}->dev", Found(frozenset({Whose.OWN}), ()))


def _stores_device(devices: Devices, path: str, name: str) -> bool:
    """Tell whether a function gives a packet another device."""
    for view in devices.reader.definitions(name, path):
        for made in filter(None, map(assigned_in, below(view.node))):
            field = made.target.child_by_field_name("field")
            if field is None or node_text(field) != "dev":
                continue
            kind = devices.reader.types.of(made.target.child_by_field_name("argument"), view)
            if kind is None or kind.base == PACKET:
                return True
    return False


def _members(devices: Devices, view: View, held: Sequence[Local]) -> Iterator[Candidate]:
    """Yield members of the driver's structs; first those that the function names already."""
    found = []
    for local in held:
        kind = devices.reader.types.resolved(local.type, view.path)
        for name in _devices_of(devices, view, local.type):
            if (kind.base, name) not in OWN_MEMBERS:
                found.append((f"{local.name}->{name}", kind.base, name))
    texts = {node_text(node) for node in below(view.node) if node.type == "field_expression"}
    for text, struct, name in sorted(found, key=lambda one: one[0] not in texts):
        yield Candidate(text, devices.of_member(struct, name, view.path))


def _devices_of(devices: Devices, view: View, kind: CType) -> list[str]:
    types = devices.reader.types
    resolved = types.resolved(kind, view.path)
    if resolved.pointers != 1 or not resolved.base.startswith("struct "):
        return []
    fields = types.fields(resolved.pointed(-1), view.path)
    members = fields[0] if fields is not None else {}
    return [n for n, member in members.items() if (member.base, member.pointers) == (DEVICE, 1)]


def _is_set(view: View, local: Local, before: int) -> bool:
    """Tell whether a name has its one value at an offset, whatever way led there."""
    if not local.name or not local.start <= before < local.end:
        return False
    values = view.assignments(local.name)
    if local.parameter >= 0:
        return not values
    return len(values) == 1 and local.value is not None and values[0].end_byte <= before


def _named(devices: Devices, view: View, known: Sequence[Local]) -> Iterator[Candidate]:
    """Yield the variables that are a net_device."""
    for local in known:
        if (local.type.base, local.type.pointers) == (DEVICE, 1):
            uses = [node for node in view.occurrences(local.name) if node.type == "identifier"]
            if uses:
                yield Candidate(local.name, devices.of(view, uses[-1]))


def given(devices: Devices, view: View) -> str:
    """Return the parameter by which a callback is told its device."""
    known = [one for one in view.locals if one.parameter >= 0 and not view.assignments(one.name)]
    for text, found in _named(devices, view, known):
        if found.whose and found.whose <= {Whose.OWN, Whose.GIVEN} and not found.why:
            return text
    return ""
