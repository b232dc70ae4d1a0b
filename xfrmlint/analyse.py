"""The whole way from a tree to facts: search, ops tables, drivers, sites, rows."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from xfrmlint.facts.rows import (
    CallbackRow,
    CallRow,
    CoreFunctionRow,
    EntryRow,
    EventRow,
    FileRow,
    FunctionRow,
    HopRow,
    LocalRow,
    MacroRow,
    OpsTableRow,
    PathRow,
    SiteRow,
    SleepRow,
    SlotRow,
    StructFieldRow,
    TreeRow,
    UnknownRow,
)
from xfrmlint.facts.store import Store
from xfrmlint.flow.callbacks import Callback, callbacks_of
from xfrmlint.flow.paths import Traced, trace
from xfrmlint.frontend.access import Doubt
from xfrmlint.frontend.macros import macros_in
from xfrmlint.frontend.reader import Reader
from xfrmlint.interpreter.core import Answer, frees_upper_priv, offload_ok_looks_at_upper, stub
from xfrmlint.interpreter.resolver import Comparison, Verdict, compare
from xfrmlint.interpreter.states import described
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.drivers import Driver, drivers_of, is_core
from xfrmlint.program.ops import FLAG, add_takes_device, find_tables
from xfrmlint.program.sites import RESOLVE, RESOLVER, Found, Site, find_sites
from xfrmlint.program.sleeps import Sleep, find_sleeps
from xfrmlint.tree import Tree
from xfrmlint.tree.kbuild import version

# The resolver is called here, not declared.
_WRAPS = re.compile(
    rb"(?:\breturn|[=(,?:&|]|#[ \t]*define[^\n]*\))\s*" + RESOLVER.encode() + rb"\s*\("
)
_XFRM = "include/net/xfrm.h"
_OFFLOAD = "struct xfrm_dev_offload"


class Analysis(NamedTuple):
    """A sealed store of facts, and the reader that made it (for the text of lines).

    drivers, sites, traced: what the facts were made of; traced by the driver's group.
    callbacks: the owners' resolver callbacks. offload: the struct type of a state's xso.
    """

    store: Store
    reader: Reader
    contract: bool
    version: str
    drivers: tuple[Driver, ...]
    sites: tuple[Site, ...]
    traced: Mapping[str, Traced]
    callbacks: tuple[Callback, ...]
    offload: str = _OFFLOAD


class Core(NamedTuple):
    """The comparison, and the answers about the functions around it, by a sentence for each."""

    comparison: Comparison
    answers: Mapping[str, Answer | None]


def pattern(offload: str) -> str:
    """Return the regular expression of the words that make a file a candidate."""
    tag = offload.split()[-1]
    return rf"xfrmdev_ops|offload_handle|upper_priv|{RESOLVER}|{FLAG}|{tag}|\bxso\b|xdo_dev_"


Progress = Callable[[str], None]


def quietly(_: str) -> None:
    """Show no progress."""


def analyse(tree: Tree, progress: Progress = quietly) -> Analysis:
    """Read everything that the contract speaks of in a tree. progress: is told what is next."""
    progress("searching the tree")
    reader = Reader(tree, re.compile(pattern(_OFFLOAD).encode()))
    kind = reader.types.fields_named("struct xfrm_state", _XFRM).get("xso")
    # Its name was struct xfrm_state_offload until 5.19.
    offload = kind.base if kind is not None else _OFFLOAD
    paths = list(tree.search(pattern(offload)))
    # A driver can wrap the resolver in a header of its own below include/.
    reader.universe.shared = tuple(
        path
        for path in paths
        if path.startswith("include/") and path != _XFRM and _WRAPS.search(reader.corpus.data(path))
    )
    graph = CallGraph(reader)
    # Asked for all first: a Makefile can link sources of another folder.
    for path in paths:
        reader.corpus.kbuild.modules_of(path)
    progress("reading ops tables")
    tables = find_tables(graph, [p for p in paths if not p.startswith("include/")])
    drivers = drivers_of(graph, tables)
    found = find_sites(graph, drivers, paths, offload, progress)
    contract = reader.corpus.find("function", RESOLVER, _XFRM) is not None
    release = version(tree)
    store = Store()
    store.add(
        [TreeRow(release, "present" if contract else "absent", int(add_takes_device(reader)))]
    )
    store.add(_driver_rows(drivers))
    traced = _traced(graph, offload, found.sites, progress)
    store.add(_site_rows(found.sites, traced))
    store.add(_path_rows(reader, traced))
    store.add(_graph_rows(graph, found.sites))
    sleeps, open_calls = find_sleeps(graph, tables)
    store.add(_sleep_rows(reader, sleeps, len(found.sites)))
    core: list[CoreFunctionRow] = []
    if contract:
        progress("running the tree's own resolver")
        core = list(_core_rows(reader))
    store.add(core)
    store.add(_file_rows(reader))
    callbacks = tuple(callbacks_of(graph, offload, tables))
    followed = [*(doubt for one in traced.values() for doubt in one.doubts), *open_calls]
    store.add(_unknown_rows(reader, graph, found, core, followed))
    store.seal()
    return Analysis(
        store,
        reader,
        contract,
        release,
        tuple(drivers),
        tuple(found.sites),
        traced,
        callbacks,
        offload,
    )


def _traced(
    graph: CallGraph, offload: str, sites: list[Site], progress: Progress
) -> dict[str, Traced]:
    """Follow the packets of every lower driver that touches a handle on its datapath."""
    groups: dict[str, list[Site]] = {}
    for site in sites:
        if site.driver is None or site.role != "lower" or site.reached.context != "datapath":
            continue
        if site.access == RESOLVE or (site.field == "offload_handle" and site.access != "write"):
            groups.setdefault(site.driver.group, []).append(site)
    found = {}
    for group, own in groups.items():
        progress(f"following the packets of {group}")
        found[group] = trace(graph, offload, own)
    return found


def _core_rows(reader: Reader) -> Iterator[CoreFunctionRow]:
    """What the core's own functions do, held against the contract."""
    found = compare(reader)
    ok = {Verdict.EQUAL: 1, Verdict.DIFFERS: 0}.get(found.verdict)
    detail = found.reason
    if found.case is not None:
        detail = f"returns {found.returned} instead of {found.wanted} for {described(found.case)}"
    yield CoreFunctionRow("resolves", RESOLVER, found.path, found.line, ok, detail)
    for question, (name, _, ask) in _QUESTIONS.items():
        answer = ask(reader)
        if answer is not None:
            told = None if answer.ok is None else int(answer.ok)
            yield CoreFunctionRow(question, name, answer.path, answer.line, told, answer.reason)


# What is asked of the functions around the resolver: the function, the question in words.
_QUESTIONS: dict[str, tuple[str, str, Callable[[Reader], Answer | None]]] = {
    "stub": (RESOLVER, "a stub returns 0 without CONFIG_XFRM_OFFLOAD", stub),
    "clears": (
        "xfrm_dev_state_free",
        "xfrm_dev_state_free() clears upper_priv",
        frees_upper_priv,
    ),
    "counts": (
        "xfrm_dst_offload_ok",
        "xfrm_dst_offload_ok() counts a state with upper_priv",
        offload_ok_looks_at_upper,
    ),
}


def core_of(tree: Tree, progress: Progress = quietly) -> Core:
    """Compare the tree's own resolver with the reference, and ask about the functions around it."""
    progress("running the tree's own resolver")
    reader = Reader(tree, re.compile(pattern(_OFFLOAD).encode()))
    answers = {words: ask(reader) for _, words, ask in _QUESTIONS.values()}
    return Core(compare(reader), answers)


def _driver_rows(drivers: list[Driver]) -> Iterator[tuple[object, ...]]:
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
            flag.path if flag else "",
            flag.line if flag else 0,
            flag.column if flag else 0,
        )
        for callback in table.callbacks:
            place = callback.place
            yield CallbackRow(
                number, callback.field, callback.target, place.path, place.line, place.column
            )


def _site_rows(sites: list[Site], traced: Mapping[str, Traced]) -> Iterator[tuple[object, ...]]:
    for number, site in enumerate(sites):
        one = traced.get(site.driver.group) if site.driver else None
        flow = ""
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
            site.access,
            site.reached.context,
            "+".join(sorted({entry.name for entry in site.reached.entries})),
            int(site.under_add),
            int(site.read_back),
            site.accessor,
            int(site.by_name),
            flow,
        )
        for nth, chain in enumerate(site.reached.chains):
            for position, hop in enumerate(chain):
                yield HopRow(number, nth, position, hop.function, hop.path, hop.line, hop.via)


def _sleep_rows(reader: Reader, sleeps: list[Sleep], first: int) -> Iterator[tuple[object, ...]]:
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
        )
        for position, hop in enumerate(sleep.chain):
            yield HopRow(number, 0, position, hop.function, hop.path, hop.line, hop.via)


def _path_rows(reader: Reader, traced: Mapping[str, Traced]) -> Iterator[tuple[object, ...]]:
    number = 0
    for group, one in traced.items():
        for path in one.paths:
            number += 1
            yield PathRow(number, group, path.entry, path.function.name)
            for position, event in enumerate(path.events):
                core = is_core(event.path)
                named = path.named[position]
                yield EventRow(
                    number,
                    position,
                    event.kind,
                    event.path,
                    event.line,
                    event.column,
                    event.function,
                    group if core else reader.universe.module(event.path),
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
                )


def _graph_rows(graph: CallGraph, sites: list[Site]) -> Iterator[tuple[object, ...]]:
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
        for entry in incoming.entries:
            place = entry.place
            yield EntryRow(
                function.name, entry.name, entry.context, place.path, place.line, entry.via
            )
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
    seen = set()
    for site in sites:
        if site.function in seen:
            continue
        seen.add(site.function)
        for local in site.view.locals:
            kind = local.type.base + "*" * local.type.pointers
            line = site.view.place(local.start).line
            yield LocalRow(site.function.name, site.function.path, local.name, kind, line)


def _file_rows(reader: Reader) -> Iterator[tuple[object, ...]]:
    for unit in reader.corpus.units():
        if not unit.parsed:
            continue
        yield FileRow(unit.path, len(unit.data), len(unit.errors))
        for item in unit.items:
            if item.kind == "function":
                line = unit.line(item.start)
                head = unit.text[item.start : item.start + 200].split(b"{")[0]
                static = int(b"static" in head.split())
                yield FunctionRow(unit.path, item.name, line, unit.condition(item.start), static)
        for macro in macros_in(reader.corpus, unit.path):
            parameters = "" if macro.parameters is None else f"({', '.join(macro.parameters)})"
            yield MacroRow(macro.name, parameters, unit.path, unit.line(macro.start))
    for struct, path, fields in reader.types.looked_up():
        for name, kind in fields.items():
            yield StructFieldRow(struct, name, kind.base + "*" * kind.pointers, path)


def _unknown_rows(
    reader: Reader,
    graph: CallGraph,
    found: Found,
    core: list[CoreFunctionRow],
    followed: list[Doubt],
) -> Iterator[UnknownRow]:
    rows: dict[UnknownRow, None] = {}
    for path, reason in {**reader.corpus.tree.problems, **reader.corpus.unreadable}.items():
        rows[UnknownRow(path, 0, "", f"not read: {reason}")] = None
    for unit in reader.corpus.units():
        if unit.too_large:
            rows[UnknownRow(unit.path, 0, "", "larger than 4 MiB; not parsed")] = None
        elif unit.blanked.open_comment >= 0:
            line = unit.line(unit.blanked.open_comment)
            rows[UnknownRow(unit.path, line, "", "a comment that never ends hides the rest")] = None
        elif unit.parsed and not is_core(unit.path):
            if unit.errors:
                lines = ", ".join(map(str, unit.errors[:5]))
                more = ", ..." if len(unit.errors) > 5 else ""
                reason = f"parse errors at lines {lines}{more}; the rest was analysed"
                rows[UnknownRow(unit.path, unit.errors[0], "", reason)] = None
    for row in core:
        if row.ok is None:
            rows[UnknownRow(row.path, row.line, row.function, row.detail)] = None
    for doubt in [*found.doubts, *followed]:
        rows[UnknownRow(doubt.place.path, doubt.place.line, doubt.function, doubt.reason)] = None
    for function in sorted({f for site in found.sites for f in site.reached.functions}):
        for place, reason in graph.incoming(function).doubts:
            rows[UnknownRow(place.path, place.line, function.name, reason)] = None
    yield from sorted(rows)
