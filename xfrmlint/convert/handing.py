"""A net_device handed down to a static function by its callers, as a parameter.

    static struct sa *sa_of(struct xfrm_state *x)
 -> static struct sa *sa_of(struct net_device *dev, struct xfrm_state *x)

Where a caller has none in reach it is handed one itself, three calls up at most. A function whose
address is taken keeps its type: nothing is handed through a pointer.
"""

from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.unit import declarator_name
from xfrmlint.c.view import FunctionName, View
from xfrmlint.convert.devices import device_in, given
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.fate import Fate
from xfrmlint.convert.layout import columns, free_name, line_start
from xfrmlint.convert.written import below
from xfrmlint.kernel.doors import CONTROL
from xfrmlint.program.devices import Devices
from xfrmlint.program.reach import Reached, reached

_NAMES = ("dev", "netdev", "ndev", "lower_dev")
_MOST = 3
_WIDTH = 80


class Handed(NamedTuple):
    """The new parameter's name, and the edits that hand it down."""

    name: str
    edits: tuple[Edit, ...]


def handed_down(
    devices: Devices,
    fate: Fate,
    view: View,
    function: FunctionName,
    way: Reached,
    instead: str = "",
    depth: int = 0,
) -> Handed | None:
    """Return the edits that give a function the device at work; None if they can't be made.

    instead: a variable that the parameter takes the place of.
    """
    incoming = fate.graph.incoming(function)
    if not view.static or depth >= _MOST or way.doubts:
        return None
    if incoming.entries or incoming.doubts or not incoming.edges or not incoming.complete:
        return None
    name = instead or free_name(view, _NAMES)
    head = _parameter(view, name) if name else None
    calls = [called for _, called in fate.calls(function)]
    mentioned = fate.graph.mentions(function)
    if head is None or len(mentioned) != len(calls):
        return None
    edits = [head]
    for one in calls:
        if one is None or one.view.path != view.path:
            return None
        caller = one.view.function
        their = reached(fate.graph, caller)
        start = one.node.start_byte
        text = _device(devices, one.view, start, their)
        if not text:
            more = handed_down(devices, fate, one.view, caller, their, depth=depth + 1)
            if more is None:
                return None
            text = more.name
            edits += more.edits
        argument = _argument(one.view, one.node, text)
        if argument is None:
            return None
        edits.append(argument)
    return Handed(name, tuple(dict.fromkeys(edits)))


def _device(devices: Devices, view: View, before: int, way: Reached) -> str:
    """Return the device in reach of a caller; what a callback is given is its own."""
    text = given(devices, view) if way.context == CONTROL else ""
    return text or device_in(devices, view, before, way).text


def _parameter(view: View, name: str) -> Edit | None:
    """Return the edit that puts a parameter in front of a function's others."""
    declarator = view.node.child_by_field_name("declarator")
    named = declarator_name(declarator)
    if named is None or named.parent is None or named.parent.type != "function_declarator":
        return None
    listed = named.parent.child_by_field_name("parameters")
    if listed is None or not view.parameters or not view.parameters[0]:
        return None
    return _put(view, listed, f"struct net_device *{name}")


def _argument(view: View, call: Node, text: str) -> Edit | None:
    listed = call.child_by_field_name("arguments")
    if listed is None or not listed.named_child_count:
        return None
    if any(one.type == "comment" for one in below(listed)):
        return None
    return _put(view, listed, text)


def _put(view: View, listed: Node, text: str) -> Edit:
    """Return the edit that puts one more in front of a list, on a line of its own if need be."""
    first = listed.named_children[0]
    start = line_start(view.text, first.start_byte)
    stop = view.text.find(b"\n", first.start_byte)
    line = view.text[start:stop].decode("utf-8", "replace")
    before = view.text[start : first.start_byte].decode("utf-8", "replace")
    if columns(f"{line}{text}, ") <= _WIDTH:
        return Edit(view.path, first.start_byte, first.start_byte, f"{text}, ".encode())
    width = columns(before)
    margin = "\t" * (width // 8) + " " * (width % 8)
    made = f"{text},\n{margin}"
    return Edit(view.path, first.start_byte, first.start_byte, made.encode())
