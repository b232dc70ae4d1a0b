"""A tree's facts, part by part: what still holds is remembered, the rest is analysed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xfrmlint.cache import Cache
from xfrmlint.facts.merged import Rows, merged
from xfrmlint.facts.rows import TABLES, UnknownRow
from xfrmlint.facts.store import Store
from xfrmlint.part import Part, Plan
from xfrmlint.tree import Tree
from xfrmlint.tree.watched import Seen, Watched

# What analyses is imported where it is needed: a run that remembers everything is done sooner.
if TYPE_CHECKING:
    from xfrmlint.frontend.corpus import Memo

Progress = Callable[[str], None]
_TYPES = {name: kind for kind, name in TABLES.items()}


def quietly(_: str) -> None:
    """Show no progress."""


@dataclass
class Session:
    """What runs over several trees share. memo: what was made of files' texts."""

    cache: Cache
    memo: "Memo | None" = None


def gathered(
    tree: Tree, session: Session, progress: Progress = quietly, under: Sequence[str] = ()
) -> Store:
    """Return the facts of a tree. under: only of what lies in these folders, and of the headers."""
    progress("searching the tree")
    whole = _plan(tree, session, under)
    # The tree itself and the core's functions are the one without a part.
    jobs = {"core": None, **{repr((whole.offload, whole.shared, p)): p for p in whole.parts}}
    found = {key: _rows(session.cache.recall(key, tree)) for key in jobs}
    missing = [key for key in jobs if found[key] is None]
    made = _analysed(tree, session, whole, [jobs[key] for key in missing], progress)
    for key, (seen, document) in zip(missing, made, strict=True):
        session.cache.remember(key, seen, document)
        found[key] = _rows(document)
    problems: Rows = [
        UnknownRow(path, 0, "", f"not read: {why}") for path, why in tree.problems.items()
    ]
    return merged([*(rows for rows in found.values() if rows is not None), problems])


def _plan(tree: Tree, session: Session, under: Sequence[str]) -> Plan:
    key = repr(("plan", *under))
    known = _as_plan(session.cache.recall(key, tree))
    if known is None:
        from xfrmlint.parts import plan

        watched = Watched(tree)
        known = plan(watched, under)
        session.cache.remember(key, watched.seen, known)
    return known


def _as_plan(document: Any) -> Plan | None:
    """Return the plan of a document, None if it is none."""
    try:
        offload, shared, parts = document
        return Plan(
            offload,
            tuple(shared),
            tuple(Part(tuple(folders), tuple(paths)) for folders, paths in parts),
        )
    except (TypeError, ValueError):
        return None


def _analysed(
    tree: Tree,
    session: Session,
    whole: Plan,
    parts: Sequence[Part | None],
    progress: Progress,
) -> Iterator[tuple[Seen, Any]]:
    """Yield for each part what it was made of, and its facts as a document."""
    if not parts:
        return
    from xfrmlint.analyse import analysed, core_facts
    from xfrmlint.frontend.corpus import Memo
    from xfrmlint.tabulate import rows_of

    session.memo = memo = session.memo or Memo()
    for part in parts:
        watched = Watched(tree)
        if part is None:
            rows = core_facts(watched, memo, progress)
        else:
            rows = rows_of(analysed(watched, part, whole, memo, progress))
        yield watched.seen, _document(rows)


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
