"""Drivers: ops tables grouped by net_device, their role, and whether they opted in."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import bare
from xfrmlint.c.mention import use_of
from xfrmlint.c.offload import offload_of
from xfrmlint.c.reader import Words
from xfrmlint.c.unit import node_text
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import Operand, function_named
from xfrmlint.program.access import returned
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.ops import OPS, Table, add_takes_device

_NETDEV_FIELD = "xfrmdev_ops"


class Driver(NamedTuple):
    """An ops table with what is known of the driver behind it.

    module: the Kbuild module that defines the table. group: the module of the table that sits on
    the net_device (another one for a table that is only forwarded to). role: upper or lower.
    """

    table: Table
    module: str
    group: str
    role: str
    on_netdev: bool
    opted_in: bool


def drivers_of(graph: CallGraph, tables: Sequence[Table]) -> list[Driver]:
    """Settle group, role and opt-in of every ops table."""
    universe = graph.reader.universe
    modules = {id(t): universe.module(t.place.path) for t in tables}
    uppers = _uppers(graph, tables)
    carried = {id(t): _forwarders(graph, t) for t in tables}
    groups: dict[int, str] = {}
    for table in tables:
        own = modules[id(table)]
        others = [m for m in carried[id(table)] if m != own and m in modules.values()]
        groups[id(table)] = others[0] if others else own
    found = []
    for table in tables:
        own, group = modules[id(table)], groups[id(table)]
        on_netdev = group == own
        opted_in = any(
            t.flags and groups[id(t)] == group and modules[id(t)] == group for t in tables
        )
        # Two tables of one module for two kinds of device opt in each for itself.
        if on_netdev:
            opted_in = bool(table.flags)
        role = "upper" if own in uppers else "lower"
        found.append(Driver(table, own, group, role, on_netdev, opted_in))
    return found


def _forwarders(graph: CallGraph, table: Table) -> list[str]:
    """Return the modules that call a table which hangs in a struct of theirs, not on a netdev."""
    if any(slot.struct == "struct net_device" for slot in table.slots):
        return []
    found: dict[str, None] = {}
    for slot in table.slots:
        if not slot.struct.startswith("struct "):
            continue
        files, key, kernels = graph.slot_files(slot, table.place.path)
        if kernels:
            continue
        for view, node in graph.reader.occurrences(slot.field, files, key):
            field = node.parent
            outer = field.parent if field is not None else None
            if outer is None or outer.type != "field_expression" or view.kind != "function":
                continue
            name = outer.child_by_field_name("field")
            if name is not None and node_text(name).startswith("xdo_"):
                for module in graph.reader.universe.modules(view.path):
                    found[module.name] = None
    return list(found)


def _uppers(graph: CallGraph, tables: Sequence[Table]) -> set[str]:
    """Return the modules that hand states on to the ops of another net_device."""
    found = set()
    for module in {graph.reader.universe.module(t.place.path): t for t in tables}.items():
        name, table = module
        files = graph.reader.universe.files(table.place.path)
        judge = _Delegation(graph, [t for t in tables if t.place.path in files])
        if any(judge.hands_on(*call) for call in judge.calls(table.place.path)):
            found.add(name)
    return found


class _Delegation:
    """Tells calls of another device's ops from a driver's calls of its own."""

    def __init__(self, graph: CallGraph, tables: Sequence[Table]) -> None:
        self.graph = graph
        self.reader = graph.reader
        self.callbacks = {c.target for t in tables for c in t.callbacks}
        self.own_fields: dict[tuple[str, str, str], bool] = {}
        self.add_takes_device = add_takes_device(graph.reader)
        self.offload = offload_of(graph.reader)

    def calls(self, path: str) -> list[tuple[View, Node, Node]]:
        """Return (view, callback's field expression, call) where a driver calls state callbacks."""
        found = []
        fields = self.reader.types.fields_named(OPS, "include/linux/netdevice.h")
        names = [name for name in fields if name.startswith("xdo_dev_state_")]
        files, key = self.reader.universe.files(path), self.reader.universe.key(path)
        macros = self.reader.macros(files, key).hiding([*names, _NETDEV_FIELD])
        words = Words([*names, *macros])
        for file in files:
            for view in self.reader.views_with(words, file, macros):
                if view.kind == "function":
                    for name in names:
                        for node in view.occurrences(name):
                            found += self.calls_through(view, node)
        return found

    def calls_through(self, view: View, node: Node) -> list[tuple[View, Node, Node]]:
        field = node.parent
        if field is None or field.type != "field_expression":
            return []
        use = use_of(self.reader, view, node)
        if use.kind in ("called", "argument"):
            return [(view, field, _call_around(field))]
        if use.kind != "local":
            return []
        # `add = slave->dev->xfrmdev_ops->xdo_dev_state_add; add(slave->dev, x, e)`
        return [
            (view, field, _call_around(inner))
            for inner in view.occurrences(use.name)
            if use_of(self.reader, view, inner).kind == "called"
        ]

    def hands_on(self, view: View, field: Node, call: Node) -> bool:
        """Tell whether a call goes to another net_device than the one it was called for."""
        device = self.device_of_ops(view, field)
        if device is None:
            # The ops hang in a struct of the driver's own: then the device argument tells.
            listed = call.child_by_field_name("arguments")
            first = listed.named_children[0] if listed and listed.named_child_count else None
            kind = self.reader.types.of(first, view) if first is not None else None
            if first is None or kind is None or kind.base != "struct net_device":
                return False
            device = first
        return not self.is_own(view, device, 0)

    def device_of_ops(self, view: View, field: Node) -> Node | None:
        """Return E of the E->xfrmdev_ops whose callback is meant, if E is a net_device."""
        ops = field.child_by_field_name("argument")
        for _ in range(3):
            if ops is None:
                return None
            while ops.type in ("parenthesized_expression", "cast_expression"):
                ops = ops.child_by_field_name("value") or ops.named_children[-1]
            if ops.type == "field_expression":
                base = ops.child_by_field_name("argument")
                name = ops.child_by_field_name("field")
                kind = self.reader.types.of(base, view)
                netdev = kind is None or kind.base == "struct net_device"
                if name is not None and node_text(name) == _NETDEV_FIELD and netdev:
                    return base
                return None
            if ops.type != "identifier":
                return None
            values = view.assignments(node_text(ops))
            ops = values[0] if values else None
        return None

    def is_own(self, view: View, device: Node, depth: int) -> bool:
        """Tell whether an expression is the device that the callback runs for."""
        device = bare(device, subscripts=True)
        if depth > 5:
            return False
        if device.type == "identifier":
            return self.name_is_own(view, device, depth)
        if device.type == "call_expression":
            # What probe left with the bus device is this driver's own net_device.
            called = device.child_by_field_name("function")
            name = node_text(called) if called is not None else ""
            made = [
                self.is_own(inner, value, depth + 1)
                for inner in self.reader.definitions(name, view.path)
                for value in returned(inner)
                if node_text(value) != "NULL"
            ]
            return all(made) if made else function_named(name).device == "own"
        if device.type == "field_expression":
            base = device.child_by_field_name("argument")
            field = node_text(device.child_by_field_name("field") or device)
            kind = self.reader.types.of(base, view)
            if kind is None:
                return False
            if kind.base == self.offload:
                # Before add took a device, real_dev was how a lower driver knew its own.
                return field == "dev" or not self.add_takes_device
            return self.field_is_own(view, kind.base, field)
        return False

    def name_is_own(self, view: View, device: Node, depth: int) -> bool:
        name = node_text(device)
        local = view.local(name, device.start_byte)
        if local is None:
            return False
        values = view.assignments(name)
        if values:
            return all(self.is_own(view, v, depth + 1) for v in values)
        if local.parameter < 0:
            return False
        if view.function.name in self.callbacks:
            return True
        passed = self.graph.passed(self.graph.known(view), local.parameter)
        if passed:
            return all(self.is_own(v, a, depth + 1) for v, a in passed)
        incoming = self.graph.incoming(view.function)
        if incoming.edges or any(e.name.endswith("()") for e in incoming.entries):
            # Handed to a walker (netdev_walk_all_lower_dev()): that chooses the device.
            return False
        # Only the kernel calls this: its first net_device is the one it runs for (ndo_open), a
        # second one is another (ndo_add_slave).
        devices = [
            other.parameter
            for other in view.locals
            if other.parameter >= 0 and other.type.base == "struct net_device"
        ]
        return local.parameter == min(devices, default=-1)

    def field_is_own(self, view: View, struct: str, field: str) -> bool:
        """A member that holds the net_device whose private data the struct is, or one made here."""
        key = (self.reader.universe.module(view.path), struct, field)
        if key not in self.own_fields:
            # A field that is looked at already (a list of devices copied around) adds nothing.
            self.own_fields[key] = False
            stored = [
                self.stores_own(where, node, struct)
                for where, node in self.reader.near(field, view.path)
            ]
            known = [own for own in stored if own is not None]
            self.own_fields[key] = any(known)
        return self.own_fields[key]

    def stores_own(self, view: View, node: Node, struct: str) -> bool | None:
        """Tell whether a member is set to an own device here; None where it is not set."""
        member = node.parent
        if member is None:
            return None
        if member.type == "field_designator" and member.parent is not None:
            value = member.parent.child_by_field_name("value")
            use = use_of(self.reader, view, value) if value is not None else None
            slot = use.slot if use is not None else None
            if slot is None or slot.struct != struct or value is None:
                return None
            return self.is_own(view, value, 3)
        if member.type != "field_expression":
            return None
        up = member
        while up.parent is not None and up.parent.type == "subscript_expression":
            up = up.parent
        right = _stored_in(up)
        base = member.child_by_field_name("argument")
        kind = self.reader.types.of(base, view) if right is not None else None
        if right is None or base is None or kind is None or kind.base != struct:
            return None
        if node_text(right) == "NULL":
            return None
        if right.type == "identifier" and base.type == "identifier":
            private = re.compile(rf"priv\w*\s*\(\s*{re.escape(node_text(right))}\s*\)")
            values = view.assignments(node_text(base))
            if any(private.search(node_text(value)) for value in values):
                return True
        return self.is_own(view, right, 3)


def _stored_in(member: Node) -> Node | None:
    """Return what is stored in a member by =, WRITE_ONCE() or rcu_assign_pointer()."""
    parent = member.parent
    if parent is not None and parent.type == "assignment_expression":
        left = parent.child_by_field_name("left")
        return parent.child_by_field_name("right") if left and left.id == member.id else None
    if parent is None or parent.type != "argument_list" or parent.parent is None:
        return None
    called = parent.parent.child_by_field_name("function")
    arguments = parent.named_children
    if called is None or len(arguments) != 2 or arguments[0].id != member.id:
        return None
    stored = function_named(node_text(called)).stored_in(Operand(0))
    return arguments[1] if stored == Operand(1) else None


def _call_around(node: Node) -> Node:
    """Return the call whose function `node` is."""
    while node.type != "call_expression" and node.parent is not None:
        node = node.parent
    return node
