"""What an analysis found, as rows of facts."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from xfrmlint.analysis.part import left_out_rows
from xfrmlint.analysis.unread import unread_rows
from xfrmlint.c.reader import Reader
from xfrmlint.c.regions import Region, offset_of, region_of, regions_at
from xfrmlint.c.unit import Place
from xfrmlint.contract.words import RESOLVE, SHARE, Contract
from xfrmlint.facts.merged import Rows
from xfrmlint.facts.rows import (
    AnswerRow,
    CallbackRow,
    CallRow,
    CoreFunctionRow,
    EntryRow,
    EventRow,
    FileRow,
    FreedRow,
    HopRow,
    ItemRow,
    OpsTableRow,
    PathRow,
    SiteRow,
    SleepRow,
    SlotRow,
    TreeRow,
    UnknownRow,
    WordRow,
    ZeroHandleRow,
)
from xfrmlint.flow.callbacks import Answer, Callback
from xfrmlint.flow.paths import Traced
from xfrmlint.kernel.places import is_core
from xfrmlint.program.access import Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.drivers import Driver
from xfrmlint.program.freed import Freed
from xfrmlint.program.ops import Callback as Filled
from xfrmlint.program.sharing import SharingTest
from xfrmlint.program.sites import Found, Site
from xfrmlint.program.sleeps import Sleep
from xfrmlint.program.unseen import unseen as unseen_in
from xfrmlint.program.unstored import Unstored
from xfrmlint.program.zeros import ZeroHandle

if TYPE_CHECKING:
    from xfrmlint.concrete.lab import Ran
    from xfrmlint.concrete.tears import Tear


class Analysed(NamedTuple):
    """One part of a tree, read. traced: by the driver's group. doubts: of sleeping.

    asked: of each site, what alone a packet was asked on the way. callbacks: the owners' resolver
    callbacks. owners: the uppers' own code, run through the model's stories. tears: what a reader
    in between can get of it. misasked: what resolver calls off the datapath ask for that is
    wrong there, see Flows. left_out: sources that were not analysed.
    """

    graph: CallGraph
    drivers: tuple[Driver, ...]
    found: Found
    asked: tuple[str, ...]
    traced: Mapping[str, Traced]
    sleeps: tuple[Sleep, ...]
    freed: tuple[Freed, ...]
    zeros: tuple[ZeroHandle, ...]
    unstored: tuple[Unstored, ...]
    callbacks: tuple[Callback, ...]
    owners: "tuple[Ran, ...]"
    tears: "tuple[Tear, ...]"
    misasked: Mapping[Place, str]
    doubts: tuple[Doubt, ...]
    left_out: tuple[str, ...]


def rows_of(part: Analysed) -> Rows:
    """Return all there is to know of a part."""
    graph, sites = part.graph, part.found.sites
    reader = graph.reader
    unseen = dict(_unseen(part))
    return [
        *_driver_rows(reader.contract, part.drivers, unseen),
        *_site_rows(sites, part.asked, part.traced, part.misasked),
        *_path_rows(part),
        *_graph_rows(graph, sites),
        *_answer_rows(part.callbacks),
        *_sleep_rows(reader, part.sleeps, len(sites)),
        *_freed_rows(reader, part.freed, len(sites) + len(part.sleeps)),
        *_zero_rows(part.zeros, part.unstored),
        *_item_rows(part),
        *_owner_rows(part),
        *_file_rows(reader),
        *unread_rows(reader, _on_the_way(sites)),
        *(_unknown(doubt, group, 1) for (group, _), doubt in unseen.items()),
        *_unknown_rows(part),
        *left_out_rows(part.left_out),
    ]


def core_rows(
    reader: Reader,
    tree: TreeRow,
    words: Iterable[WordRow],
    functions: Iterable[CoreFunctionRow],
) -> Rows:
    """Return what is to know of the tree itself and of the core's functions."""
    told = list(functions)
    return [
        tree,
        *words,
        *told,
        *_file_rows(reader),
        *unread_rows(reader),
        *(UnknownRow(f.path, f.line, f.function, f.detail, "", 1) for f in told if f.ok is None),
    ]


def _owner_rows(part: Analysed) -> Iterable[tuple[object, ...]]:
    if not part.owners:
        return ()
    from xfrmlint.analysis.owners import owner_rows

    return owner_rows(part.owners, part.tears, part.graph.reader.contract)


def _unseen(part: Analysed) -> Iterator[tuple[tuple[str, Filled], Doubt]]:
    """Yield what no one sees into, of drivers whose packets are not seen to get a handle."""
    contract = part.graph.reader.contract
    for driver in part.drivers:
        asked = driver.role == "lower" and driver.group not in part.traced
        for one in driver.table.callbacks if asked else ():
            role = contract.slot_role(one.field)
            # The resolver's is an owner's: no packet of this driver comes there.
            asking = role not in ("", RESOLVE)
            if asking and (reason := unseen_in(part.graph, driver.table, one)):
                yield (driver.group, one), Doubt(one.place, one.target, reason)


def _driver_rows(
    contract: Contract, drivers: Sequence[Driver], unseen: Container[tuple[str, Filled]]
) -> Iterator[tuple[object, ...]]:
    for number, driver in enumerate(drivers):
        table = driver.table
        flag = min(table.flags) if table.flags else None
        yield OpsTableRow(
            number,
            table.symbol,
            table.place.path,
            table.place.line,
            table.place.column,
            driver.module,
            driver.group,
            driver.role,
            int(driver.on_netdev),
            int(driver.opted_in),
            int(bool(table.unclear) and not driver.opted_in),
            int(table.test is not None),
            str(table.test or ""),
            flag.path if flag else "",
            flag.line if flag else 0,
            flag.column if flag else 0,
        )
        for callback in table.callbacks:
            place = callback.place
            role = contract.slot_role(callback.field)
            yield CallbackRow(
                number,
                callback.field,
                role,
                callback.target,
                *place,
                int((driver.group, callback) in unseen),
            )


def _site_rows(
    sites: Sequence[Site],
    asked: Sequence[str],
    traced: Mapping[str, Traced],
    misasked: Mapping[Place, str],
) -> Iterator[tuple[object, ...]]:
    for number, site in enumerate(sites):
        one = traced.get(site.driver.group) if site.driver else None
        flow = misasked.get(site.place, "")
        if one is not None and site.reached.context == "datapath":
            flow = "dead" if site.place in one.dead else ""
            flow = "thrown" if site.place in one.thrown else flow
        yield SiteRow(
            number,
            site.place.path,
            site.place.line,
            site.place.column,
            site.function.name,
            site.driver.module if site.driver else "",
            site.driver.group if site.driver else "",
            site.role,
            int(bool(site.driver and site.driver.opted_in)),
            site.field,
            site.member,
            site.access,
            site.reached.context,
            "+".join(sorted({entry.name for entry in site.reached.entries})),
            int(site.under_removal),
            int(site.own_states),
            int(site.misplaced),
            int(site.read_back),
            site.accessor,
            int(site.by_name),
            flow,
            asked[number],
            site.removed,
        )
        for nth, chain in enumerate(site.reached.chains):
            for position, hop in enumerate(chain):
                yield HopRow(number, nth, position, hop.function, hop.path, hop.line, hop.via)


def _sleep_rows(
    reader: Reader, sleeps: Sequence[Sleep], first: int
) -> Iterator[tuple[object, ...]]:
    for number, sleep in enumerate(sleeps, first):
        module = reader.universe.module(sleep.table.place.path)
        yield SleepRow(
            number,
            *sleep.place,
            sleep.function.name,
            module,
            sleep.what,
            sleep.table.symbol,
            sleep.callback,
            sleep.filled.path,
            sleep.filled.line,
            sleep.role,
            sleep.runs,
        )
        for position, hop in enumerate(sleep.chain):
            yield HopRow(number, 0, position, hop.function, hop.path, hop.line, hop.via)


def _freed_rows(reader: Reader, freed: Sequence[Freed], first: int) -> Iterator[tuple[object, ...]]:
    for number, one in enumerate(freed, first):
        module = reader.universe.module(one.table.place.path)
        filled = (one.filled.path, one.filled.line)
        symbol = one.table.symbol
        yield FreedRow(
            number, *one.place, one.function.name, module, one.what, symbol, one.callback, *filled
        )
        for position, hop in enumerate(one.chain):
            yield HopRow(number, 0, position, hop.function, hop.path, hop.line, hop.via)


def _zero_rows(
    zeros: Iterable[ZeroHandle], unstored: Iterable[Unstored]
) -> Iterator[ZeroHandleRow]:
    for one in zeros:
        driver = one.site.driver.module if one.site.driver is not None else ""
        because = (one.because.path, one.because.line)
        yield ZeroHandleRow(*one.site.place, one.site.function.name, driver, one.why, *because)
    for left in unstored:
        because = (left.because.path, left.because.line)
        yield ZeroHandleRow(*left.place, left.function, left.driver, left.why, *because)


def _answer_rows(callbacks: Iterable[Callback]) -> Iterator[AnswerRow]:
    for one in callbacks:
        function, place = one.function, one.place
        # One that is never seen to return has an answer that nobody knows.
        lost = (Answer.NOT_FOLLOWED, Place(function.path, function.line, 1))
        for answer, where in one.answers or (lost,):
            yield AnswerRow(
                one.module, function.name, place.path, place.line, answer, where.path, where.line
            )


def _item_rows(part: Analysed) -> Iterator[ItemRow]:
    reader = part.graph.reader
    for site in part.found.sites:
        around: tuple[Region, ...] = (region_of(site.view.path, site.view.written),)
        yield from _items(reader, "site", site.place, site.function.name, around)
    tables = [driver.table for driver in part.drivers]
    for kind, places in (
        ("table", [table.place for table in tables]),
        ("callback", [callback.place for table in tables for callback in table.callbacks]),
        ("flag", [place for table in tables for place in table.flags]),
        ("sleep", [sleep.place for sleep in part.sleeps]),
        ("freed", [freed.place for freed in part.freed]),
    ):
        for place in places:
            around = regions_at(reader, place.path, offset_of(reader, *place))
            yield from _items(reader, kind, place, "", around)


def _items(
    reader: Reader, kind: str, place: Place, function: str, around: Iterable[Region]
) -> Iterator[ItemRow]:
    offset = offset_of(reader, *place)
    for path, start, end, name in around:
        yield ItemRow(
            kind, place.path, place.line, place.column, function, offset, path, start, end, name
        )


def _path_rows(part: Analysed) -> Iterator[tuple[object, ...]]:
    universe = part.graph.reader.universe
    modules = {driver.module for driver in part.drivers}
    number = 0
    for group, one in part.traced.items():
        for path in one.paths:
            number += 1
            # What has neither an ops table nor this door belongs to the driver that enters it.
            apart = modules | {universe.module(path.function.path)}
            yield PathRow(number, group, path.entry, path.function.name)
            for position, event in enumerate(path.events):
                module = group if is_core(event.path) else universe.module(event.path)
                named = path.named[position]
                yield EventRow(
                    number,
                    position,
                    event.kind,
                    event.path,
                    event.line,
                    event.column,
                    event.function,
                    module if module in apart else group,
                    event.handle,
                    event.source,
                    event.device,
                    event.sa,
                    int(event.nonzero),
                    path.known[position],
                    event.text,
                    named.place.path if named is not None else "",
                    named.place.line if named is not None else 0,
                    named.place.column if named is not None else 0,
                    named.function if named is not None else "",
                    path.calls[position],
                )


def _graph_rows(graph: CallGraph, sites: Sequence[Site]) -> Iterator[tuple[object, ...]]:
    for function in sorted({f for site in sites for f in site.reached.functions}):
        incoming = graph.incoming(function)
        for edge in incoming.edges:
            yield CallRow(
                edge.caller.name,
                edge.caller.path,
                function.name,
                function.path,
                edge.place.path,
                edge.place.line,
                edge.via,
            )
    for entry, function in sorted({door for site in sites for door in site.reached.doors}):
        place = entry.place
        yield EntryRow(function.name, entry.name, entry.context, place.path, place.line, entry.via)
    for filled in sorted(set(graph.filled)):
        slot = filled.slot
        yield SlotRow(
            slot.struct,
            slot.field,
            ",".join(slot.indexes),
            slot.table,
            filled.target.name,
            filled.place.path,
            filled.place.line,
        )


def _file_rows(reader: Reader) -> Iterator[tuple[object, ...]]:
    for unit in reader.corpus.units():
        if not unit.parsed:
            continue
        yield FileRow(
            unit.path,
            len(unit.data),
            unit.data.count(b"\n"),
            len(reader.outlines.errors(unit.path)),
        )


def _on_the_way(sites: Sequence[Site]) -> frozenset[str]:
    """Return the names of the functions through which accesses are reached."""
    return frozenset(function.name for site in sites for function in site.reached.functions)


_BLIND = (
    "the sharing test looks behind no more than one of its devices: whether both are of one chip "
    "is not known"
)


def _unknown_rows(part: Analysed) -> Iterator[UnknownRow]:
    module = part.graph.reader.universe.module
    test = part.graph.reader.contract.slots.get(SHARE)
    for driver in part.drivers:
        blind = test is not None and driver.table.test is SharingTest.BLIND
        for filled in driver.table.callbacks if blind else ():
            if test is not None and filled.field == test.name:
                yield _unknown(Doubt(filled.place, filled.target, _BLIND), driver.group, 1)
    for group, one in part.traced.items():
        for doubt in one.doubts:
            yield _unknown(doubt, group, 1)
    for doubt in part.found.doubts:
        yield _unknown(doubt, module(doubt.place.path), 1)
    for doubt in part.doubts:
        yield _unknown(doubt, "", 0)
    for function in sorted({f for site in part.found.sites for f in site.reached.functions}):
        for place, reason in part.graph.incoming(function).doubts:
            yield _unknown(Doubt(place, function.name, reason), module(function.path), 1)


def _unknown(doubt: Doubt, driver: str, matters: int) -> UnknownRow:
    place = doubt.place
    return UnknownRow(place.path, place.line, doubt.function, doubt.reason, driver, matters)
