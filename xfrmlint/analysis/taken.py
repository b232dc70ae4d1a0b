"""Whether each net_device has its own driver's ops table, or takes over that of another one.

    vlan_dev->xfrmdev_ops = real_dev->xfrmdev_ops;

in the driver of a VLAN lets the callbacks of any driver's table run for a device that is not that
driver's: its packets come by the other one.
"""

import re
from collections.abc import Iterable

from tree_sitter import Node

from xfrmlint.c.mention import slot_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.contract.words import ADD, DEVICE, NETDEV_OPS, NO, YES, Said, Where
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.valueflow.sources import Tracer

# What is put on a device is neither a table by its name nor nothing; and such a member is read.
_PUT = re.compile(rb"(?:->|\.)\s*%s\s*[=,](?!=)(?!\s*(?:&|NULL\b|0\b))" % NETDEV_OPS.encode())
_READ = re.compile(rb"(?:->|\.)\s*%s\b(?!\s*=[^=])" % NETDEV_OPS.encode())


def own_tables(reader: Reader, paths: Iterable[str]) -> Said:
    """Tell whether devices have their own driver's table. paths: files that may put one on them.

    A driver with a table is asked about its own devices alone where its part is analysed.
    """
    add = rb"\.\s*%s\b" % reader.contract.slot(ADD).encode()
    graph = CallGraph(reader)
    for path in paths:
        data = reader.corpus.data(path)
        if not (_PUT.search(data) and _READ.search(data)):
            continue
        files = reader.universe.files(path)
        if any(re.search(add, reader.corpus.data(one)) for one in files):
            continue
        for view, node in reader.occurrences(NETDEV_OPS, [path], reader.universe.key(path)):
            below = _device_below(graph, view, node)
            if below:
                why = f"a device takes over the {NETDEV_OPS} of {below}"
                return Said(NO, Where(path, view.place(node.start_byte).line), why)
    return Said(YES)


def _device_below(graph: CallGraph, view: View, node: Node) -> str:
    """Return the other net_device whose ops are stored where some are named; nothing if none."""
    member = node.parent
    if member is None or _device_of(graph.reader, view, member) is None:
        return ""
    tracer = Tracer(
        graph.reader, graph.handed, lambda where, one: _device_of(graph.reader, where, one)
    )
    for stored in graph.forms.stores_at(view, node):
        own = node_text(stored.base) if stored.base is not None else ""
        value = stored.value
        found = tracer.of(stored.view, value).answers if value is not None else ()
        other = next((one for one in sorted(found) if one != own), "")
        if other:
            return other
    return ""


def _device_of(reader: Reader, view: View, node: Node) -> str | None:
    """Return E of E->xfrmdev_ops, if E is a net_device; None where it is to be followed further."""
    if node.type != "field_expression":
        return None
    slot = slot_of(reader, view, node)
    base = node.child_by_field_name("argument")
    own = (slot.struct, slot.field) == (DEVICE, NETDEV_OPS) and base is not None
    return node_text(base) if own and base is not None else None
