"""Doors: where the kernel enters a driver, and which of them packets come through (doors.toml).

A door is known by its registration, a slot of a kernel struct or an argument of a kernel function,
or by its shape: a function that takes a packet runs for each. A door that is neither is unknown.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from xfrmlint.kernel.tables import Names, Numbers, Row, Schema, checked_rows, name_pattern

DATAPATH, CONTROL, DEFERRED, UNKNOWN = "datapath", "control", "deferred", "unknown"
_CONTEXTS = (DATAPATH, CONTROL, DEFERRED)
_SCHEMAS: Mapping[str, Schema] = {
    "packet": {"types": list, "messages": list, "source": str},
    "flow": {"names": list, "source": str},
    "slot": {
        "structs": list,
        "members": list,
        "context": _CONTEXTS,
        "atomic": bool,
        "entry": str,
        "source": str,
    },
    "argument": {
        "names": list,
        "positions": Numbers,
        "context": _CONTEXTS,
        "atomic": bool,
        "entry": str,
        "source": str,
    },
}
_HANDLER = re.compile(r"(^|_)(rx|tx|xmit|recv|receive)(_|$)", re.I)
_CONTROL_HANDLER = re.compile(r"(^|_)(mbox|mbx|ctrl|cmd|msg|event|evt|timestamp|timeout)", re.I)


def _pattern(names: list[str]) -> re.Pattern[str]:
    return re.compile(name_pattern(names))


class _Slot(NamedTuple):
    structs: re.Pattern[str]
    members: re.Pattern[str]
    row: Row


class Door(NamedTuple):
    """A door's name, and what comes through: datapath, control, deferred or unknown.

    atomic: whether nothing may sleep behind it; None where that is not known.
    """

    name: str
    context: str
    atomic: bool | None = None


class _Doors:
    def __init__(self, document: Mapping[str, list[Row]]) -> None:
        self.packets = frozenset(t for row in document["packet"] for t in row["types"])
        self.messages = frozenset(t for row in document["packet"] for t in row["messages"])
        self.flows = re.compile(
            "|".join(
                re.escape(name).replace(r"\*", r"\w*")
                for row in document["flow"]
                for name in row["names"]
            )
        )
        self.slots = [
            _Slot(_pattern(row["structs"]), _pattern(row["members"]), row)
            for row in document["slot"]
        ]
        self.arguments = document["argument"]
        self.names = Names(self.arguments)


@cache
def _doors() -> _Doors:
    text = Path(__file__).with_name("doors.toml").read_text("utf-8")
    document = tomllib.loads(text)
    checked_rows(document, _SCHEMAS, "doors.toml")
    return _Doors(document)


def is_packet(kind: str) -> bool:
    """Tell whether a type is one of those that are packets."""
    return kind in _doors().packets


def offloads_flows(door: str) -> bool:
    """Tell whether flows are handed to hardware behind a door, by its name."""
    return _doors().flows.fullmatch(door) is not None


def takes_packet(kinds: frozenset[str]) -> bool:
    """Tell whether a function with parameters of these types runs for a packet, by their shape."""
    doors = _doors()
    return bool(kinds & doors.packets) and not kinds & doors.messages


def slot_door(struct: str, member: str, kinds: frozenset[str], kernels: bool) -> Door | None:
    """Return the door that a slot is; None for a slot of a struct that is not the kernel's.

    struct: its tag, empty if it is not known. kinds: the types of the function's parameters.
    kernels: the struct is defined below include/.
    """
    tag = struct.removeprefix("struct ")
    if not tag:
        # Nothing else has members by such names.
        tag = {"ndo_": "net_device_ops"}.get(member[:4], "")
        if not tag:
            return None
        kernels = True
    for slot in _doors().slots:
        if slot.structs.fullmatch(tag) and slot.members.fullmatch(member):
            return Door(slot.row.get("entry", member), slot.row["context"], slot.row.get("atomic"))
    if not kernels:
        return None
    return Door(member, DATAPATH if takes_packet(kinds) else UNKNOWN)


def argument_door(callee: str, position: int) -> Door | None:
    """Return the door that an argument of a kernel function is, if a row speaks of it."""
    doors = _doors()
    for number in doors.names.rows_of(callee):
        row = doors.arguments[number]
        if position in row.get("positions", [position]):
            return Door(row.get("entry", f"{callee}()"), row["context"], row.get("atomic"))
    return None


def registered_door(callee: str, kinds: frozenset[str]) -> Door:
    """Return the door that a function nobody knows opens for what it is given."""
    packets = takes_packet(kinds) and not _CONTROL_HANDLER.search(callee)
    return Door(f"{callee}()", DATAPATH if packets else UNKNOWN)


def is_packet_handler(names: tuple[str, ...], takes_skb: bool) -> bool:
    """Tell whether a table of function pointers handles packets, by the names of its parts.

    names: struct type, field and variable. takes_skb: the function has a struct sk_buff argument.
    """
    text = " ".join(names)
    if any(_CONTROL_HANDLER.search(name) for name in names):
        return False
    named = any(_HANDLER.search(name.removeprefix("struct ")) for name in names)
    return named and (takes_skb or "handle" in text)
