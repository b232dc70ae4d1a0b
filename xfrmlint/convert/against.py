"""What speaks against a driver's conversion as a whole: where its tables are, and handles of 0.

The promise is made by the table on the net_device. One that hangs in a struct for another module to
forward to promises nothing; one that is put on a VLAN's device, too, promises for states whose
packets come by the port.

    x->xso.offload_handle = find_first_zero_bit(...);       the first state's handle is 0

Who reads the field takes 0 for an index; who asks the resolver takes it for no handle, and would
drop the packets of such a state. What add returns for the other direction alone is not asked for.
"""

from collections.abc import Iterator, Sequence

from tree_sitter import Node

from xfrmlint.c.expression import assigned_in
from xfrmlint.c.nodes import node_text
from xfrmlint.c.unit import Place
from xfrmlint.c.view import View
from xfrmlint.contract.words import DEVICE, HANDLE, NETDEV_OPS
from xfrmlint.convert.devices import TRANSMITS
from xfrmlint.convert.edits import Reason
from xfrmlint.kernel.doors import CONTROL
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.devices import Devices, Whose
from xfrmlint.program.drivers import Driver
from xfrmlint.program.flows import IN, directions_at
from xfrmlint.program.sites import RESOLVE, Site
from xfrmlint.program.zeros import find_zeros

_OWN = {Whose.OWN, Whose.GIVEN}


def misplaced(devices: Devices, tables: Sequence[Driver]) -> list[Reason]:
    """Return what is wrong with the places of a driver's tables."""
    found: dict[Reason, None] = {}
    for one in tables:
        path, line, _ = one.table.place
        if not any(slot.struct == DEVICE for slot in one.table.slots):
            text = f"nobody is seen to put {one.table.symbol} on a net_device: it promises nothing"
            found[Reason(path, line, text)] = None
        for view, node in devices.reader.near(NETDEV_OPS, path):
            device = _installed_on(view, node)
            whose = devices.of(view, device).whose - _OWN if device is not None else ()
            if device is not None and whose:
                place = view.place(node.start_byte)
                kinds = ", ".join(sorted(str(kind) for kind in whose))
                text = (
                    f"{view.item.name}(): the table is put on {node_text(device)} ({kinds}), which "
                    "is not the driver's own: packets of its states may come by another device"
                )
                found[Reason(place.path, place.line, text)] = None
    return list(found)


def _installed_on(view: View, node: Node) -> Node | None:
    """Return E of `E->xfrmdev_ops = table`."""
    member = node.parent
    made = assigned_in(member.parent) if member is not None else None
    if made is None or made.target != member or node_text(made.value) in ("NULL", "0"):
        return None
    return made.target.child_by_field_name("argument")


def zero_handles(graph: CallGraph, sites: Sequence[Site]) -> Iterator[Reason]:
    """Yield the stores of handles that can be 0, or may be, if packets can ask for them.

    sites: a driver's.
    """
    asked = [
        s for s in sites if s.reached.context == "datapath" and s.member in (HANDLE, RESOLVE, "")
    ]
    doors = [e for s in asked for e in s.reached.entries if e.context != CONTROL]
    transmits = all(door.name in TRANSMITS for door in doors)
    zeros, doubts = find_zeros(graph, sites) if asked else ([], [])
    found: list[tuple[Site, str, Place | None]] = [
        (one.site, f"the handle can be 0, which the resolver says for none: {one.why}", one.because)
        for one in zeros
    ]
    known = {site.place for site, _, _ in found}
    open_ = {doubt.place for doubt in doubts} - known
    found += [
        (site, "whether the handle can be 0, which the resolver says for none, is not known", None)
        for site in sites
        if site.place in open_ and site.access == "write"
    ]
    for site, why, because in found:
        received = bool(site.nodes) and all(directions_at(n)[0] == {IN} for n in site.nodes)
        if received and transmits:
            continue
        at = f" ({because.path}:{because.line})" if because is not None else ""
        text = f"{site.function.name}(): {why}{at}; let handles begin at 1 first"
        yield Reason(site.place.path, site.place.line, text)
