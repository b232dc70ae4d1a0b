"""A tree's facts, part by part: what still holds is remembered, the rest is analysed."""

import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from xfrmlint.analysis.part import Facts, Part, Plan, Progress, problem_rows, quietly
from xfrmlint.contract.document import contract_of, document_of
from xfrmlint.contract.revisions import NO_NAMES, Names
from xfrmlint.contract.words import ASKED
from xfrmlint.facts.merged import Rows, merged
from xfrmlint.facts.rows import TABLES
from xfrmlint.garbage import given_back
from xfrmlint.kernel.places import is_core
from xfrmlint.memory.cache import Cache, Held
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder
from xfrmlint.tree.watched import Seen, Watched, as_data, seen_of

# What analyses is imported where it is needed: a run that remembers everything is done sooner.
if TYPE_CHECKING:
    from xfrmlint.c.corpus import Memo

# Bytes of the files that name what the contract speaks of: a driver has tens of thousands, a kernel
# two millions. Below, starting a process costs as much as it saves.
_PAYS = 400_000
_MOST_PROCESSES = 8
_TYPES = {name: kind for kind, name in TABLES.items()}


@dataclass
class Session:
    """What runs over several trees share. memo: what was made of files' texts.

    names: what somebody says that things of the contract are called.
    """

    cache: Cache
    names: Names = NO_NAMES
    memo: "Memo | None" = None


def gathered(
    tree: Tree,
    session: Session,
    progress: Progress = quietly,
    under: Sequence[str] = (),
    planned: Callable[[Plan], object] = lambda _: None,
) -> Facts:
    """Return the facts of a tree. under: only of what lies in these folders, and of the headers.

    planned: is told how the tree is cut, before what is missing is analysed.
    """
    progress("searching the tree")
    expected = _expected(tree, session, under)
    at_hand = [likely.rows for likely in expected.values() if likely is not None]
    # Put together while the whole tree is searched: mostly it turns out that nothing changed.
    early = merged(at_hand) if at_hand and len(at_hand) == len(expected) else None
    texts: dict[str, tuple[bytes, str]] = {}
    whole = _plan(tree, session, under, texts)
    jobs = _jobs(whole)
    found = {
        key: likely.rows
        for key, likely in expected.items()
        if key in jobs and likely is not None and session.cache.holds(likely.held, tree)
    }
    if early is not None and list(jobs) == list(expected) == list(found) and not tree.problems:
        return Facts(early, whole)
    for key in jobs:
        # What nothing was likely of has nothing that holds.
        if key not in found and (key not in expected or expected[key] is not None):
            rows = _rows(session.cache.recall(key, tree))
            if rows is not None:
                found[key] = rows
    missing = [key for key in jobs if key not in found]
    if missing:
        planned(whole)
    made = _analysed(tree, session, whole, [jobs[key] for key in missing], texts, progress)
    for key, (seen, document) in zip(missing, made, strict=True):
        session.cache.remember(key, seen, document)
        found[key] = _rows(document) or []
    store = merged([*(found[key] for key in jobs), problem_rows(tree)])
    return Facts(store, whole)


class _Likely(NamedTuple):
    """Rows that hold unless a search has another result now."""

    held: Held
    rows: Rows


def _expected(tree: Tree, session: Session, under: Sequence[str]) -> dict[str, _Likely | None]:
    """Return what is known of the parts that a tree had, and let the search for them begin."""
    if not isinstance(tree, Folder):
        return {}
    if not under:
        tree.look()
    plan = session.cache.likely(_plan_key(under, session.names), tree)
    if plan is None:
        return {}
    for asked in plan.seen.searches:
        tree.begin(*asked)
    whole = _as_plan(plan.document)
    found: dict[str, _Likely | None] = {}
    for key in _jobs(whole) if whole else ():
        held = session.cache.likely(key, tree)
        rows = _rows(held.document) if held is not None else None
        found[key] = _Likely(held, rows) if held is not None and rows is not None else None
    return found


def _jobs(whole: Plan) -> dict[str, Part | None]:
    """Return what there is to do by its key."""
    # The tree itself and the core's functions are the one without a part.
    contract = whole.contract
    parts = {repr((contract.key, whole.shared, part)): part for part in whole.parts}
    return {repr(("core", contract)): None, **parts}


def _plan_key(under: Sequence[str], names: Names) -> str:
    return repr(("plan", sorted(names.listed()), *under))


def _plan(
    tree: Tree, session: Session, under: Sequence[str], texts: dict[str, tuple[bytes, str]]
) -> Plan:
    """Return how a tree is cut. texts: see Watched."""
    key = _plan_key(under, session.names)
    known = _as_plan(session.cache.recall(key, tree))
    if known is None:
        if isinstance(tree, Folder):
            tree.begin(ASKED, under)
        # While the tree is searched all that analyses is imported, and begins.
        import xfrmlint.analysis.analyse  # noqa: F401
        from xfrmlint.analysis.parts import plan, read_ahead
        from xfrmlint.c.corpus import Memo

        session.memo = session.memo or Memo()
        watched = Watched(tree, texts)
        with given_back():
            if isinstance(tree, Folder) and not under and not tree.known.files:
                read_ahead(Watched(tree, texts), session.memo)
            known = plan(watched, under, session.memo, session.names)
            session.memo.forget_drivers()
        session.cache.remember(key, watched.seen, _document_of_plan(known))
    return known


def _document_of_plan(whole: Plan) -> Any:
    return [document_of(whole.contract), whole.shared, whole.parts, whole.commented]


def _as_plan(document: Any) -> Plan | None:
    """Return the plan of a document, None if it is none."""
    try:
        contract, shared, parts, commented = document
        return Plan(
            contract_of(contract),
            tuple(shared),
            tuple(Part(*map(tuple, part)) for part in parts),
            tuple(commented),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _analysed(
    tree: Tree,
    session: Session,
    whole: Plan,
    parts: Sequence[Part | None],
    texts: dict[str, tuple[bytes, str]],
    progress: Progress,
) -> Iterator[tuple[Seen, Any]]:
    """Yield for each part what it was made of, and its facts as a document."""
    if not parts:
        return
    from xfrmlint.analysis.analyse import analysed_or_lost, core_facts
    from xfrmlint.c.corpus import Memo

    session.memo = memo = session.memo or Memo()

    def made(part: Part | None, progress: Progress) -> tuple[Seen, Any]:
        watched = Watched(tree, texts)
        with given_back():
            if part is None:
                rows = core_facts(watched, memo, progress, whole.contract)
            else:
                # What it was made of is not held here: that is to be given back.
                rows = analysed_or_lost(watched, part, whole, memo, progress)[1]
            memo.forget_drivers()
        return watched.seen, _document(rows)

    elsewhere = _in_processes(tree, parts, made, progress)
    for number, part in enumerate(parts):
        yield elsewhere.get(number) or made(part, progress)


def _in_processes(
    tree: Tree,
    parts: Sequence[Part | None],
    made: Callable[[Part | None, Progress], tuple[Seen, Any]],
    progress: Progress,
) -> dict[int, tuple[Seen, Any]]:
    """Return what processes made of parts, by their numbers; nothing if they would not pay."""
    processes = min(len(os.sched_getaffinity(0)), len(parts), _MOST_PROCESSES)
    # What else is a tree can be a pipe to git, which two can't talk through.
    if processes < 2 or not isinstance(tree, Folder):
        return {}
    if sum(tree.size(path) for part in parts if part for path in part.paths) < _PAYS:
        return {}
    from xfrmlint.processes import shared_out

    own = os.getpid()
    order = sorted(range(len(parts)), key=lambda number: -_cost(tree, parts[number]))

    def make(job: int) -> tuple[object, Any]:
        told = progress if os.getpid() == own else quietly
        seen, document = made(parts[order[job]], told)
        return as_data(seen), document

    returned = shared_out(len(order), make, tree.lesson, processes)
    for lesson in returned.told:
        tree.learn(lesson)
    return {order[job]: (seen_of(s), d) for job, (s, d) in returned.results.items()}


def _cost(tree: Folder, part: Part | None) -> int:
    """Return about how much there is to read: of drivers the sources beside theirs and above."""
    if part is None:
        return 0
    folders = {posixpath.dirname(path) for path in part.paths if not is_core(path)}
    folders |= {posixpath.dirname(folder) for folder in folders - set(part.folders)}
    sources = {
        posixpath.join(folder, name)
        for folder in folders
        for name in tree.folder(folder)
        if name.endswith(".c")
    }
    return sum(map(tree.size, sources | set(part.paths)))


def _document(rows: Rows) -> dict[str, list[Sequence[object]]]:
    found: dict[str, list[Sequence[object]]] = {}
    for row in rows:
        found.setdefault(TABLES[type(row)], []).append(row)
    return found


def _rows(document: Any) -> Rows | None:
    """Return the rows of a document, None if it is none."""
    try:
        return [_TYPES[table](*values) for table, rows in document.items() for values in rows]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
