"""Drivers: ops tables grouped by net_device, their role, and whether they opted in."""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, bare, call_of, without_casts
from xfrmlint.c.mention import Slot, slot_files, slot_of, use_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Words
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import DEVICE, NETDEV_OPS, OPS, STATE
from xfrmlint.program.access import Accesses
from xfrmlint.program.callgraph import CallGraph, Entry
from xfrmlint.program.devices import Devices, Whose
from xfrmlint.program.ops import Table
from xfrmlint.program.privates import Privates
from xfrmlint.program.reach import reached
from xfrmlint.valueflow.uses import Step

# The device that a callback runs for.
_ASKED = {Whose.OWN, Whose.GIVEN, Whose.OWNER}


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


class _Handing(NamedTuple):
    """A function that hands states on. called: the table whose callback it calls by its name."""

    function: FunctionName
    called: int = 0


def drivers_of(graph: CallGraph, tables: Sequence[Table]) -> list[Driver]:
    """Settle group, role and opt-in of every ops table."""
    universe = graph.reader.universe
    modules = {id(t): universe.module(t.place.path) for t in tables}
    uppers, called = _calling(graph, tables)
    seated = {modules[id(t)] for t in tables if _is_on_netdev(t)}
    carriers: dict[int, str] = {}
    for table in tables:
        own = modules[id(table)]
        if _is_on_netdev(table):
            continue
        hung = [m for m in _forwarders(graph, table) if m != own and m in modules.values()]
        named = sorted(called.get(id(table), set()) & seated)
        if hung or named:
            carriers[id(table)] = (hung or named)[0]
    found = []
    for table in tables:
        own = modules[id(table)]
        group = carriers.get(id(table), own)
        on_netdev = id(table) not in carriers
        # Two tables of one module for two kinds of device opt in each for itself.
        opting = [table] if on_netdev else [t for t in tables if modules[id(t)] == group]
        opted_in = any(t.flags for t in opting if id(t) not in carriers)
        role = "upper" if id(table) in uppers else "lower"
        found.append(Driver(table, own, group, role, on_netdev, opted_in))
    return found


def _is_on_netdev(table: Table) -> bool:
    return any(slot.struct == DEVICE for slot in table.slots)


def _forwarders(graph: CallGraph, table: Table) -> list[str]:
    """Return the modules that call a table which hangs in a struct of theirs, not on a netdev."""
    found: dict[str, None] = {}

    def is_on_its_way(step: Step) -> bool:
        use = step.use
        if use.read is not None and use.view.kind == "function":
            if slot_of(graph.reader, use.view, use.read).field in graph.reader.contract.callbacks:
                modules = graph.reader.universe.modules(use.view.path)
                found.update((module.name, None) for module in modules)
        return use.slot is None or use.slot.struct != DEVICE

    for slot in table.slots:
        if not slot.struct.startswith("struct "):
            continue
        files, key, kernels = slot_files(graph.reader, slot, table.place.path)
        if not kernels:
            named = graph.reader.occurrences(slot.field, files, key)
            uses = (use_of(graph.reader, *one) for one in named)
            graph.uses.follow(map(Step, uses), is_on_its_way)
    return list(found)


class Doors:
    """Tells whose doors are whose, where one module has ops tables for several kinds of devices."""

    def __init__(self, graph: CallGraph) -> None:
        self._graph = graph
        self._privates = Privates(graph.reader)
        self._kinds: dict[int, frozenset[str]] = {}

    def behind(self, function: FunctionName, tables: Sequence[Table]) -> frozenset[int]:
        """Return by whose doors a function is reached, of some tables: callbacks say it first."""
        doors = reached(self._graph, function).doors
        callbacks = self._graph.reader.contract.callbacks
        filled = [door for door in doors if door[0].name in callbacks]
        return frozenset().union(*(self.of(*door, tables) for door in filled or doors))

    def of(self, entry: Entry, start: FunctionName, tables: Sequence[Table]) -> frozenset[int]:
        """Return those of some tables whose door one can be."""
        named = (entry.name, start.name)
        filled = [
            id(table)
            for table in tables
            for one in table.callbacks
            if (one.field, one.target) == named and one.place.path == entry.place.path
        ]
        return frozenset(filled) or self.alike(start, tables)

    def alike(self, function: FunctionName, tables: Sequence[Table]) -> frozenset[int]:
        """Return those of some tables whose callbacks share the most structs with a function.

        Where several share the same ones, those that have no more than these.
        """
        own = self._structs(function)
        shared = {id(table): own & self._of_table(table) for table in tables}
        most = max(map(len, shared.values()))
        found = [table for table in tables if most and len(shared[id(table)]) == most]
        if len({shared[id(table)] for table in found}) == 1:
            found = [one for one in found if self._of_table(one) <= own] or found
        return frozenset(map(id, found))

    def _of_table(self, table: Table) -> frozenset[str]:
        if id(table) not in self._kinds:
            reader, path = self._graph.reader, table.place.path
            views = [v for one in table.callbacks for v in reader.definitions(one.target, path)]
            structs = [self._structs(self._graph.known(view)) for view in views]
            self._kinds[id(table)] = frozenset(chain.from_iterable(structs))
        return self._kinds[id(table)]

    def _structs(self, function: FunctionName) -> frozenset[str]:
        """Return the structs of private data that a function has among its variables."""
        view, resolved = self._graph.view(function), self._graph.reader.types.resolved
        locals_ = view.locals if view is not None else ()
        found = {resolved(local.type, function.path).base for local in locals_}
        return self._privates.structs(function.path) & found


def _calling(graph: CallGraph, tables: Sequence[Table]) -> tuple[set[int], dict[int, set[str]]]:
    """Return the tables of those that hand states on to the ops of another net_device.

    And, of each table whose callbacks are called by its name for the same one, by which modules.
    """
    uppers: set[int] = set()
    called: dict[int, set[str]] = {}
    modules: dict[str, list[Table]] = {}
    for table in tables:
        modules.setdefault(graph.reader.universe.module(table.place.path), []).append(table)
    for name, own in modules.items():
        judge = _Delegation(graph)
        handing = set(judge.handing_by_name(own) if len(own) > 1 else ())
        for view, field, call in judge.calls(own[-1].place.path):
            if judge.hands_on(view, field, call):
                handing.add(_Handing(graph.known(view)))
                continue
            named = [t for t in tables if t.symbol == judge.table_named(view, field)]
            for one in [t for t in named if t.place.path == view.path] or named:
                called.setdefault(id(one), set()).add(name)
        uppers |= _uppers(graph, handing, own)
    return uppers, called


def _uppers(graph: CallGraph, handing: Collection[_Handing], own: Sequence[Table]) -> set[int]:
    """Return whose functions hand states on, of a module's tables: all where nobody tells that."""
    doors = Doors(graph)
    found = {
        one
        for function, called in (handing if len(own) > 1 else ())
        for one in doors.behind(function, own)
        if one != called
    }
    return found or {id(table) for table in own if any(not one.called for one in handing)}


class _Delegation:
    """Tells calls of another device's ops from a driver's calls of its own."""

    def __init__(self, graph: CallGraph) -> None:
        self.graph = graph
        self.reader = graph.reader
        self.contract = graph.reader.contract
        accesses = Accesses(graph.reader, self.contract.offload, graph.handed)
        self.devices = Devices(graph, accesses)

    def calls(self, path: str) -> list[tuple[View, Node, Node]]:
        """Return (view, callback's field expression, call) where a driver calls state callbacks."""
        found = []
        slots = (*self.contract.slots.values(), *self.contract.others)
        names = [slot.name for slot in slots if STATE in slot.takes and not slot.packet]
        files, key = self.reader.universe.files(path), self.reader.universe.key(path)
        macros = self.reader.macros(files, key).hiding([*names, NETDEV_OPS])
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
        if use.kind == "slot" and use.slot is not None:
            return self.calls_captured(view, use.slot)
        if use.kind != "local":
            return []
        # `add = slave->dev->xfrmdev_ops->xdo_dev_state_add; add(slave->dev, x, e)`
        return [
            (view, field, _call_around(inner))
            for inner in view.occurrences(use.name)
            if use_of(self.reader, view, inner).kind == "called"
        ]

    def calls_captured(self, view: View, slot: Slot) -> list[tuple[View, Node, Node]]:
        """Return the calls of a callback that was kept in a struct of the driver's own."""
        # What an ops table is filled with is found by that slot's name.
        if not slot.struct.startswith("struct ") or slot.struct == OPS:
            return []
        return [
            (use.view, field, _call_around(field))
            for use in self.graph.reads_of(slot, view.path)
            if use.kind == "called" and (field := use.at.parent) is not None
        ]

    def hands_on(self, view: View, field: Node, call: Node) -> bool:
        """Tell whether a call goes to another net_device than the one it was called for."""
        device = self.device_of_ops(view, field)
        if device is None:
            # The ops hang in a struct of the driver's own: then the device argument tells.
            first = next(iter(arguments_of(call)), None)
            kind = self.reader.types.of(first, view) if first is not None else None
            if first is None or kind is None or kind.base != DEVICE:
                return False
            device = first
        return not self.is_own(view, device)

    def handing_by_name(self, tables: Sequence[Table]) -> Iterator[_Handing]:
        """Yield what calls a callback of a module's own tables by its name for another device."""
        filled: dict[tuple[str, str], list[Table]] = {}
        for table in tables:
            for one in table.callbacks:
                filled.setdefault((one.target, table.place.path), []).append(table)
        for (target, path), own in filled.items():
            for function in self._calling_for_another(target, path):
                yield from (_Handing(function, id(table)) for table in own)

    def _calling_for_another(self, target: str, path: str) -> Iterator[FunctionName]:
        """Yield the functions that call a callback by its name, with another device than theirs."""
        for called in self.reader.definitions(target, path):
            for view, node in self.graph.mentions(self.graph.known(called)):
                call = call_of(node)
                first = next(iter(arguments_of(call)), None) if call is not None else None
                kind = self.reader.types.of(first, view) if first is not None else None
                if first is not None and kind is not None and kind.base == DEVICE:
                    if self.devices.of(view, first).whose - _ASKED:
                        yield self.graph.known(view)

    def device_of_ops(self, view: View, field: Node) -> Node | None:
        """Return E of the E->xfrmdev_ops whose callback is meant, if E is a net_device."""
        ops = self.ops_of(view, field)
        if ops is None or ops.type != "field_expression":
            return None
        base = ops.child_by_field_name("argument")
        name = ops.child_by_field_name("field")
        kind = self.reader.types.of(base, view)
        netdev = kind is None or kind.base == DEVICE
        return base if name is not None and node_text(name) == NETDEV_OPS and netdev else None

    def table_named(self, view: View, field: Node) -> str:
        """Return the name of the ops table whose callback is meant; nothing if it has none."""
        ops = self.ops_of(view, field)
        return node_text(ops) if ops is not None and ops.type == "identifier" else ""

    def ops_of(self, view: View, field: Node) -> Node | None:
        """Return what the ops are whose callback is meant, behind local variables."""
        ops = field.child_by_field_name("argument")
        for _ in range(3):
            inner = bare(ops) if ops is not None else None
            if inner is None or inner.type != "identifier":
                return inner
            values = view.assignments(node_text(inner))
            if not values:
                return inner
            ops = values[0]
        return None

    def is_own(self, view: View, device: Node) -> bool:
        """Tell whether an expression is sure to be the device that the callback runs for."""
        if self._is_embedded(view, device):
            return True
        # The state's own device is the one that was asked; only the pinned one can be another.
        whose = self.devices.of(view, device).whose
        return bool(whose) and whose <= _ASKED

    def _is_embedded(self, view: View, device: Node) -> bool:
        """Tell whether a net_device lies in a struct: another driver's is only pointed to."""
        device = without_casts(device)
        inner = device.child_by_field_name("argument")
        if device.type == "pointer_expression" and inner is not None:
            device = without_casts(inner)
        kind = self.reader.types.of(device, view)
        whole = kind is not None and kind.base == DEVICE and not kind.pointers
        return whole and device.type == "field_expression"


def _call_around(node: Node) -> Node:
    """Return the call whose function `node` is."""
    while node.type != "call_expression" and node.parent is not None:
        node = node.parent
    return node
