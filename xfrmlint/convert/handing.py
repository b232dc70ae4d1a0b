"""A net_device handed down to a function of a module by its callers, as a parameter.

    static struct sa *sa_of(struct xfrm_state *x)
 -> static struct sa *sa_of(struct net_device *dev, struct xfrm_state *x)

Where a caller has none in reach it is handed one itself, three calls up at most. Every place that
names the function is edited: its declarations, and a stub of it, get the parameter, too. A function
whose address is taken, or that another module uses, keeps its type.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.index import has_word, words
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import FunctionName, View
from xfrmlint.convert.devices import device_in, given
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.fate import Called, Context, Fate
from xfrmlint.convert.layout import columns, free_name, line_start
from xfrmlint.convert.written import Written
from xfrmlint.kernel.doors import CONTROL
from xfrmlint.kernel.places import vendor
from xfrmlint.program.devices import Devices
from xfrmlint.program.reach import Reached, reached

_NAMES = ("dev", "netdev", "ndev", "lower_dev")
_MOST = 3
_WIDTH = 80
_DECLARES = re.compile(
    rb"\bstruct net_device\b|"
    rb"#\s*include\s*(\"|<(linux/(netdevice|etherdevice|skbuff|if_vlan)|net/))"
)


class Handed(NamedTuple):
    """The new parameter's name, and the edits that hand it down."""

    name: str
    edits: tuple[Edit, ...]


def handed_down(
    devices: Devices,
    fate: Fate,
    view: View,
    way: Reached,
    instead: str = "",
    depth: int = 0,
) -> Handed | None:
    """Return the edits that give a function the device at work; None if they can't be made.

    instead: a variable that the parameter takes the place of.
    """
    name = instead or free_name(view, _NAMES)
    named = None if depth >= _MOST or way.doubts or not name else named_at(devices, fate, view)
    if named is None:
        return None
    edits = []
    for path, listed in named.parameters:
        if re.search(rf"\b{name}\b", node_text(listed)):
            return None
        head = _put(
            path, devices.reader.corpus.unit(path).text, listed, f"struct net_device *{name}"
        )
        edits.append(head)
    for one in named.calls:
        their = reached(fate.graph, one.view.function)
        start = one.node.start_byte
        text = _device(devices, one.view, start, their)
        if not text:
            more = handed_down(devices, fate, one.view, their, depth=depth + 1)
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


def device_at(context: Context, one: Written, before: int) -> tuple[Handed | None, str]:
    """Return the device at work as a function can write it before an offset; else why it can't.

    One that the judge has found wrong in the function is none.
    """
    way = one.site.reached
    wrong = {text for name, text in context.without if name == one.site.function.name}
    device = device_in(context.devices, one.view, before, way, wrong)
    if device.text:
        return Handed(device.text, ()), ""
    return handed_down(context.devices, context.fate, one.view, way), device.why


class Named(NamedTuple):
    """Where a function's name stands: its parameter lists, with their files, and its calls."""

    parameters: list[tuple[str, Node]]
    calls: list[Called]


def named_at(devices: Devices, fate: Fate, view: View) -> Named | None:
    """Find every place that names a function; None if one is neither declaration nor call.

    So it is for a function that somebody else calls, or that a call may mean that is not seen.
    """
    function = view.function
    incoming = fate.graph.incoming(function)
    if incoming.entries or incoming.doubts or not incoming.complete:
        return None
    calls = [called for _, called in fate.calls(function)]
    found = Named([], [called for called in calls if called is not None])
    known = {(one.view.path, one.node.start_byte) for one in found.calls}
    if len(found.calls) < len(calls) or not known:
        return None
    return found if known == _listed(devices, view, function, found) else None


def _listed(
    devices: Devices, view: View, function: FunctionName, found: Named
) -> set[tuple[str, int]] | None:
    """Note each parameter list of a function, and return its calls by file and offset."""
    universe, corpus = devices.reader.universe, devices.reader.corpus
    files = [function.path] if view.static else [*universe.files(function.path)]
    if not view.static and universe.exported(function.name, function.path):
        return None
    if function.path.endswith(".h"):
        files = [*dict.fromkeys([*files, *universe.files(function.path)])]
    made = set[tuple[str, int]]()
    word = function.name.encode("utf-8", "surrogateescape")
    searched = dict.fromkeys([function.path, *files])
    for path in searched:
        if word not in corpus.data(path):
            continue
        unit = corpus.unit(path)
        for offset in words(corpus.plain(path), word):
            item = unit.item_at(offset)
            node = item.node.descendant_for_byte_range(offset, offset + 1) if item else None
            parent = node.parent if node is not None else None
            if node is None or parent is None or node.type != "identifier":
                return None
            if parent.type == "call_expression" and parent.child_by_field_name("function") == node:
                made.add((path, parent.start_byte))
                continue
            listed = parent.child_by_field_name("parameters")
            if parent.type != "function_declarator" or listed is None:
                return None
            first = listed.named_children[0] if listed.named_child_count else None
            if first is None or first.type != "parameter_declaration":
                return None
            if not _is_known(corpus.data(path), offset):
                return None
            found.parameters.append((path, listed))
    if not view.static and _is_seen_elsewhere(devices, function, found, searched):
        return None
    return made


def _is_seen_elsewhere(
    devices: Devices, function: FunctionName, found: Named, files: Iterable[str]
) -> bool:
    """Tell whether a file that is not searched names a function, and sees it declared.

    That is another module that has such a function, too, or a header of all drivers'.
    """
    corpus, known = devices.reader.corpus, set(files)
    word = function.name.encode("utf-8", "surrogateescape")
    near = corpus.tree.search(rf"\b{re.escape(function.name)}\b", [vendor(function.path)])
    heads = {path for path, _ in found.parameters if path.endswith(".h")}
    others = [path for path in near if heads & set(corpus.closure(path))]
    others += [path for path in corpus.closure(function.path) if word in corpus.data(path)]
    return any(path not in known and has_word(corpus.plain(path), word) for path in others)


def _is_known(text: bytes, offset: int) -> bool:
    """Tell whether struct net_device is declared before an offset of a file."""
    return _DECLARES.search(text[:offset]) is not None


def _argument(view: View, call: Node, text: str) -> Edit | None:
    listed = call.child_by_field_name("arguments")
    if listed is None or not listed.named_child_count:
        return None
    if any(one.type == "comment" for one in below(listed)):
        return None
    return _put(view.path, view.text, listed, text)


def _put(path: str, whole: bytes, listed: Node, text: str) -> Edit:
    """Return the edit that puts one more in front of a list, on a line of its own if need be."""
    first = listed.named_children[0]
    start = line_start(whole, first.start_byte)
    stop = whole.find(b"\n", first.start_byte)
    line = whole[start:stop].decode("utf-8", "replace")
    before = whole[start : first.start_byte].decode("utf-8", "replace")
    if columns(f"{line}{text}, ") <= _WIDTH:
        return Edit(path, first.start_byte, first.start_byte, f"{text}, ".encode())
    width = columns(before)
    margin = "\t" * (width // 8) + " " * (width % 8)
    made = f"{text},\n{margin}"
    return Edit(path, first.start_byte, first.start_byte, made.encode())
