"""The whole way from a tree to facts: search, ops tables, drivers, sites, rows."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from xfrmlint.analysis.part import (
    Facts,
    Part,
    Plan,
    Progress,
    lost_rows,
    problem_rows,
    quietly,
    shortened,
)
from xfrmlint.analysis.parts import plan, reader_of, whole_reader
from xfrmlint.analysis.tabulate import Analysed, core_rows, rows_of
from xfrmlint.c.corpus import Memo
from xfrmlint.c.reader import Reader
from xfrmlint.contract.revisions import NO_NAMES, Names
from xfrmlint.contract.words import HANDLE, NETDEVICE, PINNED, SHARE, Contract, Where
from xfrmlint.contract.words import RESOLVE as RESOLVE_ROLE
from xfrmlint.errors import TOO_DEEP
from xfrmlint.facts.merged import Rows, merged
from xfrmlint.facts.rows import CoreFunctionRow, TreeRow, UnknownRow, WordRow
from xfrmlint.facts.store import Store
from xfrmlint.flow.callbacks import Callback, callbacks_of
from xfrmlint.flow.paths import Traced, trace
from xfrmlint.git.overlay import Overlay
from xfrmlint.kernel.release import version
from xfrmlint.program.access import Doubt
from xfrmlint.program.adding import may_have_to_undo
from xfrmlint.program.asked import Asking
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.drivers import Driver, drivers_of
from xfrmlint.program.flows import Flows, is_of_a_flow
from xfrmlint.program.freed import find_freed
from xfrmlint.program.namewalk import NameWalk
from xfrmlint.program.ops import find_tables
from xfrmlint.program.sites import RESOLVE, Site, find_sites
from xfrmlint.program.sleeps import find_sleeps
from xfrmlint.program.unstored import find_unstored
from xfrmlint.program.zeros import find_zeros
from xfrmlint.tree import Tree

# What runs code is imported where there is some to be run: most drivers have none.
if TYPE_CHECKING:
    from xfrmlint.concrete.lab import Ran
    from xfrmlint.concrete.tears import Tear

_NOT_RUN = (
    "what this owner does with its lower devices was not looked at: the tree's own resolver is "
    "wrong, or could not be run"
)


class Analysis(NamedTuple):
    """A tree's facts, and the parts that they were made of."""

    facts: Facts
    parts: tuple[Analysed, ...]
    # Of the whole tree; each part has one of its own.
    reader: Reader
    offload: str
    # Files of the parts that are nested too deeply: nothing below says anything of them.
    lost: tuple[str, ...] = ()

    @property
    def store(self) -> Store:
        """The facts that can be asked about."""
        return self.facts.store

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """Every ops table, with what is known of the driver behind it."""
        return tuple(chain.from_iterable(part.drivers for part in self.parts))

    @property
    def sites(self) -> tuple[Site, ...]:
        """Every access of a state's xso, and every resolver call."""
        return tuple(chain.from_iterable(part.found.sites for part in self.parts))

    @property
    def traced(self) -> dict[str, Traced]:
        """What was followed, by the driver's group."""
        return {group: one for part in self.parts for group, one in part.traced.items()}

    @property
    def owners(self) -> "tuple[Ran, ...]":
        """The uppers' own code, run through the model's stories."""
        return tuple(chain.from_iterable(part.owners for part in self.parts))

    @property
    def tears(self) -> "tuple[Tear, ...]":
        """What a reader can get while an owner's code moves a state."""
        return tuple(chain.from_iterable(part.tears for part in self.parts))

    @property
    def callbacks(self) -> tuple[Callback, ...]:
        """The owners' resolver callbacks."""
        return tuple(chain.from_iterable(part.callbacks for part in self.parts))


def analyse(
    tree: Tree,
    progress: Progress = quietly,
    under: Sequence[str] = (),
    names: Names = NO_NAMES,
) -> Analysis:
    """Read everything that the contract speaks of in a tree. progress: is told what is next.

    under: only what lies in these folders, and the headers. names: what somebody says that things
    are called.
    """
    progress("searching the tree")
    memo = Memo()
    whole = plan(tree, under, names=names)
    rows = [core_facts(tree, memo, progress, whole.contract)]
    parts: list[Analysed] = []
    lost: list[str] = []
    for part in whole.parts:
        # Rows now: what a later part does with a file that both read is not this one's.
        made, own = analysed_or_lost(tree, part, whole, memo, progress)
        if made is None:
            lost += part.paths
        else:
            parts.append(made)
        rows.append(own)
    facts = Facts(merged([*rows, problem_rows(tree)]), whole)
    reader = whole_reader(tree, whole, memo)
    return Analysis(facts, tuple(parts), reader, whole.offload, tuple(lost))


def analysed_or_lost(
    tree: Tree, part: Part, whole: Plan, memo: Memo, progress: Progress = quietly
) -> tuple[Analysed | None, Rows]:
    """Return one part of a tree, and its rows.

    One that is nested too deeply is lost, and its files are listed; the others are not.
    """
    try:
        made = analysed(tree, part, whole, memo, progress)
        return made, rows_of(made)
    except RecursionError:
        return None, lost_rows(part)


def analysed(
    tree: Tree, part: Part, whole: Plan, memo: Memo, progress: Progress = quietly
) -> Analysed:
    """Read everything that the contract speaks of in one part of a tree.

    memo: what was made of files that other parts read, too.
    """
    part, left_out = shortened(part)
    if part.without:
        tree = Overlay(tree, dict.fromkeys(part.without), tree.name)
    reader = reader_of(tree, memo, whole.contract)
    reader.universe.shared, reader.universe.users = whole.shared, part.folders
    reader.universe.home = part.folders
    graph = CallGraph(reader)
    sources = [path for path in part.paths if not path.startswith("include/")]
    # Asked for all first: a Makefile can link sources of another folder.
    for path in sources:
        reader.corpus.kbuild.modules_of(path)
    progress(f"reading {part.folders[0]}")
    tables, unclear = find_tables(graph, sources)
    drivers = drivers_of(graph, tables)
    paths = part.paths if not sources else [*part.paths, *whole.shared]
    found = find_sites(graph, drivers, paths, whole.offload, progress, left_out)
    traced = _traced(graph, whole.offload, found.sites, progress)
    walk = NameWalk(reader)
    sleeps, open_calls = find_sleeps(graph, walk, tables, found.sites)
    freed, open_frees = find_freed(graph, walk, tables, found.sites)
    zeros, open_stores = find_zeros(graph, found.sites)
    asking = Asking(graph, walk)
    asked = tuple(asking.of(site) for site in found.sites)
    callbacks = tuple(callbacks_of(graph, whole.offload, tables))
    owners, torn, not_run = _owners(reader, drivers)
    misasked, untold = Flows(graph, whole.offload).wrong(found.sites)
    found = found._replace(doubts=[*found.doubts, *untold])
    return Analysed(
        graph,
        tuple(drivers),
        found,
        asked,
        traced,
        tuple(sleeps),
        tuple(freed),
        tuple(zeros),
        tuple(find_unstored(graph, drivers, found.sites)),
        callbacks,
        owners,
        torn,
        misasked,
        (*unclear, *open_calls, *open_frees, *open_stores, *asking.doubts, *not_run),
        left_out,
    )


def _owners(
    reader: Reader, drivers: Sequence[Driver]
) -> "tuple[tuple[Ran, ...], tuple[Tear, ...], list[Doubt]]":
    """Run the uppers' own code in worlds; without a resolver, those that have an add to undo.

    And return those of which nothing was run.
    """
    contract = reader.contract
    uppers = [one.table for one in drivers if one.role == "upper" and one.on_netdev]
    if HANDLE not in contract.members or contract.apart:
        return (), (), []
    if not contract.present:
        uppers = [one for one in uppers if may_have_to_undo(reader, one)]
    if not uppers:
        return (), (), []
    from xfrmlint.concrete.lab import run_owner
    from xfrmlint.concrete.tears import tears

    named = ({filled.field: filled.target for filled in table.callbacks} for table in uppers)
    paths = (table.place.path for table in uppers)
    ran = [run_owner(reader, path, own) for path, own in zip(paths, named, strict=True)]
    owners = tuple(one for one in ran if one is not None)
    not_run = [
        Doubt(table.place, "", _NOT_RUN)
        for table, one in zip(uppers, ran, strict=True)
        if one is None
    ]
    return owners, tuple(tear for one in owners for tear in tears(reader, one)), not_run


def core_facts(
    tree: Tree, memo: Memo, progress: Progress = quietly, contract: Contract | None = None
) -> Rows:
    """Return what is to be known of the tree itself and of the core's own functions."""
    reader = reader_of(tree, memo, contract)
    contract = reader.contract
    clears, functions = False, list[CoreFunctionRow]()
    if contract.present:
        from xfrmlint.analysis.core import core_functions
        from xfrmlint.concrete.core import clears_handle

        clears = clears_handle(reader)
        progress("running the tree's own resolver")
        try:
            functions = core_functions(reader)
        except RecursionError:
            at = contract.resolver.place if contract.resolver is not None else Where()
            told = f"it, or what it calls, is {TOO_DEEP}"
            functions = [CoreFunctionRow("resolves", contract.asks, *at, None, told)]
    own = TreeRow(
        version(tree),
        "present" if contract.present else "absent",
        contract.revision,
        int(contract.add_takes_device),
        int(PINNED in contract.members),
        int(SHARE in contract.slots),
        int(clears),
    )
    doubts = [
        UnknownRow(*where, "", reason, matters=1) for where, reason in _not_recognised(reader)
    ]
    words = (WordRow(kind, role, name, *place) for kind, role, name, place in contract.named())
    return [*core_rows(reader, own, words, functions), *doubts]


def _not_recognised(reader: Reader) -> Iterator[tuple[Where, str]]:
    """Yield what a tree with a resolver, or the owners' callback, is seen to lack, and where."""
    contract = reader.contract
    if contract.taken is not None:
        yield (
            contract.taken.place,
            f"{contract.taken.reason}: callbacks of a driver may run for a device that is not its "
            "own, whose packets come by another one",
        )
    if contract.present and HANDLE not in contract.members:
        yield (
            Where(NETDEVICE),
            f"no member of {contract.offload} was recognised as the one that holds the handle, nor "
            "one of a struct in it: no driver's reads of it are seen, and no owner's code is run",
        )
    elif contract.apart:
        yield (
            contract.members[HANDLE].place,
            f"{contract.member(HANDLE)} leads to the handle, which lies in a {contract.apart}: no "
            "owner's code is run",
        )
    for one in contract.unplaced:
        named = "" if contract.own else "; it can be named by members.private under [contract]"
        yield (
            one.place,
            f"what {one.name} is for was not recognised: if it is the owner's own, who reads "
            f"and clears it was not looked at{named}",
        )
    if contract.present and RESOLVE_ROLE not in contract.promises:
        yield (
            Where(NETDEVICE),
            "no flag by which a driver promises to ask the resolver was recognised: it can be "
            "named by promises.resolve under [contract]",
        )
    told = contract.slot(RESOLVE_ROLE) or contract.promise(RESOLVE_ROLE)
    if not contract.present and told:
        yield (
            Where(NETDEVICE),
            f"there is a {told}, and no resolver was recognised: it can be named by core.resolver "
            "under [contract]",
        )


def _traced(
    graph: CallGraph, offload: str, sites: list[Site], progress: Progress
) -> dict[str, Traced]:
    """Follow the packets, and flows, of every lower driver that touches a handle for them."""
    groups: dict[str, list[Site]] = {}
    for site in sites:
        asks, reads = site.access == RESOLVE, site.member == HANDLE and site.access != "write"
        packets = site.reached.context == "datapath"
        if site.driver is None or site.role != "lower":
            continue
        if (packets and (asks or reads)) or (asks and is_of_a_flow(site)):
            groups.setdefault(site.driver.group, []).append(site)
    found = {}
    for group, own in groups.items():
        progress(f"following the packets of {group}")
        found[group] = trace(graph, offload, own)
    return found
