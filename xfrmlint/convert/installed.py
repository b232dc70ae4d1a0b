"""Ops tables that are put on other net_devices than the driver's own, or on none.

The promise is made by the table on the net_device. One that hangs in a struct for another module to
forward to promises nothing; one that is put on a VLAN's device, too, promises for states whose
packets come by the port.
"""

from collections.abc import Sequence

from tree_sitter import Node

from xfrmlint.c.unit import node_text
from xfrmlint.c.view import View
from xfrmlint.contract.words import DEVICE, NETDEV_OPS
from xfrmlint.convert.edits import Reason
from xfrmlint.program.devices import Devices, Whose
from xfrmlint.program.drivers import Driver

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
    assigned = member.parent if member is not None else None
    if member is None or assigned is None or assigned.type != "assignment_expression":
        return None
    left, right = assigned.child_by_field_name("left"), assigned.child_by_field_name("right")
    if left is None or left.id != member.id or right is None or node_text(right) in ("NULL", "0"):
        return None
    return member.child_by_field_name("argument")
