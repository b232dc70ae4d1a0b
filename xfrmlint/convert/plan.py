"""What there is to convert in a driver: the edits, or every reason against it."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from xfrmlint.analysis.analyse import Analysis
from xfrmlint.analysis.tabulate import Analysed
from xfrmlint.c.expansion import Macro
from xfrmlint.c.nodes import node_text
from xfrmlint.contract.words import HANDLE, OWNER, PINNED
from xfrmlint.convert.against import misplaced, zero_handles
from xfrmlint.convert.deferred import Deferred, deferred
from xfrmlint.convert.edits import Edit, Reason, Refused
from xfrmlint.convert.fate import Context, Fate
from xfrmlint.convert.leftover import left_over
from xfrmlint.convert.ownership import Turned, turned, unset_pins
from xfrmlint.convert.promise import promised
from xfrmlint.convert.resolving import Converted, converted
from xfrmlint.convert.through import macro_at, reads_of, without_use
from xfrmlint.convert.written import Written, written
from xfrmlint.program.access import Accesses
from xfrmlint.program.devices import Devices
from xfrmlint.program.sites import RESOLVE, Site

S = TypeVar("S")
T = TypeVar("T")


class Plan(NamedTuple):
    """A driver's conversion. does: its edits, in words. reasons: why it can't be converted.

    devices: the functions that ask the resolver, each with what for. asking: those that ask where
    another one has read the field for them. With neither edits nor reasons there is nothing to do.
    """

    driver: str
    devices: tuple[tuple[str, str], ...]
    edits: tuple[Edit, ...]
    does: tuple[str, ...]
    reasons: tuple[Reason, ...]
    asking: Mapping[str, Collection[str]] = MappingProxyType({})


class Piece(NamedTuple):
    """A part of a conversion that stands alone: a function's reads, or a table's promise."""

    function: str
    is_flag: bool
    edits: tuple[Edit, ...]
    does: str


def names_of_drivers(analysis: Analysis) -> tuple[list[str], list[str]]:
    """Return the lower drivers and the uppers of a tree, by the module on the net_device."""
    lower = {one.group for one in analysis.drivers if one.role == "lower"}
    return sorted(lower), sorted({one.group for one in analysis.drivers} - lower)


def drivers_at(analysis: Analysis, path: str) -> list[str]:
    """Return the drivers, by the module on the net_device, that have files at or below a path."""
    found = set()
    for part in analysis.parts:
        for one in part.drivers:
            own = one.table.place.path
            files = [own, *part.graph.reader.universe.files(own)]
            if any(file == path or file.startswith(f"{path}/") for file in files):
                found.add(one.group)
    return sorted(found)


def plan_of(
    analysis: Analysis, driver: str, without: frozenset[tuple[str, str]] = frozenset()
) -> Plan:
    """Return what converts one lower driver. without: see Context."""
    part = next(p for p in analysis.parts if any(d.group == driver for d in p.drivers))
    return _Planner(part, analysis, driver, without).plan()


def pieces_of(analysis: Analysis, driver: str) -> tuple[Context, list[Piece]]:
    """Return the parts of a driver's conversion that stand alone, whatever is against the rest."""
    part = next(p for p in analysis.parts if any(d.group == driver for d in p.drivers))
    planner = _Planner(part, analysis, driver, frozenset())
    return planner.context, planner.pieces()


class _Planner:
    def __init__(
        self, part: Analysed, analysis: Analysis, driver: str, without: frozenset[tuple[str, str]]
    ) -> None:
        self.part = part
        self.driver = driver
        graph = part.graph
        self.reader = graph.reader
        self.contract = graph.reader.contract
        devices = Devices(graph, Accesses(graph.reader, analysis.offload, graph.handed))
        self.context = Context(self.contract, devices, Fate(graph), without, _pins(analysis))
        self.reasons: list[Reason] = []
        self.asking: dict[str, set[str]] = {}
        self.macros: dict[Macro, set[tuple[str, int]]] = {}

    def plan(self) -> Plan:
        sites = [s for s in self.part.found.sites if s.driver and s.driver.group == self.driver]
        later = [found for site in sites if (found := self._later(site)) is not None]
        functions = self._functions(sites)
        turns = self._turned(sites)
        tables = [d for d in self.part.drivers if d.group == self.driver and d.on_netdev]
        flags = [d for d in tables if not d.opted_in]
        edits = [edit for one in functions for edit in one.edits]
        edits += [edit for one in turns for edit in one.edits]
        edits += [edit for one in later for edit in one.edits]
        edits += chain.from_iterable(self._all(turns, lambda one: _left_over(one, edits)))
        edits += without_use(self.context, self.macros)
        edits += self._all(flags, lambda d: promised(self.reader, self.contract, d))
        does = [one.does for one in functions] + [one.does for one in turns]
        does += [one.does for one in later]
        does += [f"{table.table.symbol} promises it" for table in flags]
        asked = any(s.access == RESOLVE and s.reached.context == "datapath" for s in sites)
        if flags and not functions and not asked and not self.reasons:
            # A promise about nothing.
            return Plan(self.driver, (), (), (), ())
        if edits:
            self.reasons += zero_handles(self.part.graph, sites)
            self.reasons += misplaced(self.context.devices, tables)
            if (taken := self.contract.taken) is not None:
                path, line = taken.place
                text = f"{taken.reason}: states of that one have no handle for the driver's own"
                self.reasons.append(Reason(path, line, text))
            self.reasons += unset_pins(self.context, sites)
        reasons = tuple(dict.fromkeys(self.reasons))
        asking = tuple((one.function, one.device) for one in functions)
        said = tuple(dict.fromkeys(does))
        made = tuple(dict.fromkeys(edits))
        return Plan(self.driver, asking, made, said, reasons, self.asking)

    def pieces(self) -> list[Piece]:
        """Return what of the plan stands alone."""
        sites = [s for s in self.part.found.sites if s.driver and s.driver.group == self.driver]
        found = [
            Piece(one.function, False, one.edits, one.does)
            for one in self._functions(sites)
            if one.left is None
        ]
        for table in self.part.drivers:
            if table.group == self.driver and table.on_netdev and not table.opted_in:
                does = f"{table.table.symbol} promises it"
                for edit in self._all([table], lambda d: promised(self.reader, self.contract, d)):
                    found.append(Piece("", True, (edit,), does))
        return found

    def _later(self, site: Site) -> Deferred | None:
        """Return what makes a store to the handle needless; else note what nobody converts."""
        why = ""
        if site.reached.context == "unknown" and (site.access == RESOLVE or site.member == HANDLE):
            doubt = site.reached.doubts[0] if site.reached.doubts else None
            how = f": {doubt[1]} ({doubt[0].path}:{doubt[0].line})" if doubt else ""
            why = f"whether packets reach it is not known{how}"
        elif site.member == HANDLE and "write" in site.access and not site.under_add:
            if not (site.under_free and site.cleared and self.contract.shape == "revision 2"):
                drivers = [d for d in self.part.drivers if d.group == self.driver]
                for one in self._all([site], lambda s: written(self.reader, s)):
                    found = deferred(self.context, one, drivers)
                    if found is not None:
                        return found
                why = f"xso.{site.field} is written outside of add: another device's handle is lost"
        elif site.member not in ("", HANDLE, OWNER, PINNED) and site.access != RESOLVE:
            why = f"xso.{site.field} is its owner's"
        if why:
            text = f"{site.function.name}(): {why}"
            self.reasons.append(Reason(site.place.path, site.place.line, text))
        return None

    def _functions(self, sites: Sequence[Site]) -> list[Converted]:
        """Return each function of the datapath that reads the handle, converted."""
        by_function: dict[tuple[str, int], dict[int, Written]] = {}
        reads = [
            s
            for s in sites
            if s.member == HANDLE and s.access != "write" and s.reached.context == "datapath"
        ]
        resolving = {s.function for s in sites if s.access == RESOLVE}
        for site in reads:
            if site.function in resolving:
                text = f"{site.function.name}() asks the resolver, and reads xso.{site.field}, too"
                self.reasons.append(Reason(site.place.path, site.place.line, text))
        for one in chain.from_iterable(self._all(reads, self._reads_of)):
            key = (one.path, one.view.node.start_byte)
            by_function.setdefault(key, {})[one.node.start_byte] = one
        groups = [list(some.values()) for some in by_function.values()]
        found = self._all(groups, lambda group: converted(self.context, group))
        self._refuse_open(found)
        return found

    def _reads_of(self, site: Site) -> list[Written]:
        found = reads_of(self.context, site)
        self.asking[site.function.name] = {one.site.function.name for one in found}
        macro = macro_at(self.context, site)
        if macro is not None:
            uses = {(one.path, one.node.start_byte) for one in found}
            self.macros[macro] = self.macros.get(macro, set()) | uses
        return found

    def _refuse_open(self, found: Sequence[Converted]) -> None:
        """A function that goes on without a handle lets a packet out that must not leave.

        That another one has asked for it before, and found one, does not help: it may be gone now.
        """
        for one in found:
            if one.left is not None:
                text = f"{one.left.text}: a packet goes on without its handle"
                self.reasons.append(one.left._replace(text=text))

    def _turned(self, sites: Sequence[Site]) -> list[Turned]:
        """Return each access of xso's devices that the contract warns of, turned."""
        warned = {OWNER} if not self.contract.add_takes_device else {OWNER, PINNED}
        if PINNED not in self.contract.members:
            return []
        found = [s for s in sites if s.member in warned and s.access != RESOLVE]
        reads = any("read" in s.access for s in found)
        seen = {site.place: site for site in reversed(found)}
        placed = self._all(reversed(seen.values()), lambda site: written(self.reader, site))
        return self._all(placed, lambda one: turned(self.context, one, reads))

    def _all(self, some: Iterable[S], make: Callable[[S], T]) -> list[T]:
        made = []
        for one in some:
            try:
                made.append(make(one))
            except Refused as refused:
                self.reasons.append(refused.reason)
        return made


def _pins(analysis: Analysis) -> tuple[Site, ...]:
    """Return where the owners of a tree write the member that holds the device of a state."""
    writes = (s for s in analysis.sites if s.member == PINNED and "write" in s.access)
    return tuple(s for s in writes if s.driver is not None and s.driver.role != "lower")


def _left_over(one: Turned, edits: Sequence[Edit]) -> list[Edit]:
    """Return what takes away the state's variable, if nothing else asked it for anything."""
    names = re.findall(r"[A-Za-z_]\w*", node_text(one.one.state))
    inside = one.one.view.node
    own = [
        e
        for e in edits
        if e.path == one.one.path and inside.start_byte <= e.start < inside.end_byte
    ]
    return left_over(one.one.view, own, names)
