"""The facts of what a compiler gets to see: what `check --parser clang` goes by."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from xfrmlint.analysis.part import Progress
from xfrmlint.c.unit import Place
from xfrmlint.check import report_of
from xfrmlint.clang.vocabulary import SKIPPED
from xfrmlint.confirmation.asked import Asked
from xfrmlint.confirmation.remembered import Asking
from xfrmlint.confirmation.run import unseen
from xfrmlint.facts.rows import (
    TABLES,
    CallbackRow,
    EventRow,
    HopRow,
    OpsTableRow,
    PathRow,
    SiteRow,
    SleepRow,
    SlotRow,
    UnknownRow,
)
from xfrmlint.facts.store import Store
from xfrmlint.findings import BOTH, Report
from xfrmlint.memory.gather import Session, gathered
from xfrmlint.rules import Rule
from xfrmlint.tree import Tree


def check_compiled(
    tree: Tree,
    rules: Sequence[Rule],
    progress: Progress,
    session: Session,
    under: Sequence[str] = (),
    commands: Path | None = None,
) -> Report:
    """Check a tree as check_tree() does, by what is compiled of it in one configuration.

    Where libclang sees something and can't tell what it is, tree-sitter's word counts.
    commands: a build's compile_commands.json. Raises InputError if libclang can't be loaded.
    """
    facts = gathered(tree, session, progress, under)
    with Asking(tree, commands, session) as asking:
        asked = Asked(asking.watched, facts, asking.clang(), progress)
    report = report_of(facts._replace(store=_compiled(facts.store, asked)), tree, rules)
    findings = [
        f._replace(parser=BOTH) if _is_seen(asked, Place(f.path, f.line, f.column)) else f
        for f in report.findings
    ]
    return report._replace(findings=tuple(findings))


def _is_seen(asked: Asked, place: Place) -> bool:
    claims = asked.claims.at(place)
    return bool(claims) and not any(asked.against(claim) for claim in claims)


def _compiled(store: Store, asked: Asked) -> Store:
    """Return the facts that are compiled; why the others are not is told as unknown."""
    rows = {
        kind: [kind(*row) for row in store.query(f"SELECT * FROM {table}")[1]]
        for kind, table in TABLES.items()
    }
    broken = _broken(asked)
    reasons = _reasons(rows, asked, broken)
    flags = _flags(rows[OpsTableRow], asked)
    found = Store()
    for kept in _kept(rows, reasons, flags, broken).values():
        found.add(kept)
    unknown = [_unknown(row, getattr(row, "function", ""), why) for row, why in reasons.items()]
    unknown += [_unknown(place, "", why) for place, why in flags.items()]
    unknown += [
        UnknownRow(*one[:4], "", int(one.matters))
        for one in unseen(asked.reader, asked.questions, asked.claims)
    ]
    found.add(dict.fromkeys(unknown))
    found.seal()
    return found


def _unknown(place: Any, function: str, reason: str) -> UnknownRow:
    told = reason if reason.startswith("libclang") else f"libclang: {reason}"
    return UnknownRow(place.path, place.line, function, told)


def _reasons(
    rows: Mapping[type, Sequence[Any]], asked: Asked, broken: Mapping[tuple[int, int], str]
) -> dict[Any, str]:
    """Return the rows that are not compiled, and why."""
    sites = {
        (*site.place, site.function, site.access, site.field): asked.absent(site.claim)
        for site in asked.claims.sites
    }
    slots = {(c.path, c.line, c.name, c.target): asked.absent(c) for c in asked.slots}
    ways: dict[int, list[str]] = {}
    for (site, _), reason in broken.items():
        ways.setdefault(site, []).append(reason)
    found: dict[Any, str] = {}
    for row in rows[SiteRow]:
        place = row.path, row.line, row.column
        found[row] = sites[*place, row.function, row.access, row.field]
        if not found[row] and row.id in ways and "" not in ways[row.id]:
            found[row] = f"no way that packets take: {ways[row.id][0]}"
    for kind in (OpsTableRow, CallbackRow, SleepRow):
        found.update({row: _absent(asked, row) for row in rows[kind]})
    for row in rows[SlotRow]:
        found[row] = slots[row.path, row.line, row.field, row.target]
    return {row: reason for row, reason in found.items() if reason}


def _broken(asked: Asked) -> dict[tuple[int, int], str]:
    """Return why a call of a chain is not compiled, by site and chain; empty if it is."""
    found: dict[tuple[int, int], str] = {}
    for step in asked.steps:
        key = step.site, step.chain
        reason = asked.against_call(step)
        found[key] = found.get(key) or (reason if reason == SKIPPED else "")
    return found


def _absent(asked: Asked, row: Any) -> str:
    claims = asked.claims.at(Place(row.path, row.line, row.column))
    return asked.absent(claims[0]) if claims else ""


def _flags(tables: Sequence[Any], asked: Asked) -> dict[Place, str]:
    """Return where drivers opt in and it is not compiled, and why."""
    places = [Place(table.flag_path, table.flag_line, table.flag_column) for table in tables]
    found = {at: asked.absent(claim) for at in places for claim in asked.claims.at(at)}
    return {place: reason for place, reason in found.items() if reason}


def _kept(
    rows: Mapping[type, Sequence[Any]],
    gone: Mapping[Any, str],
    flags: Collection[Place],
    broken: Mapping[tuple[int, int], str],
) -> dict[type, list[Any]]:
    """Return the rows without some, and without those that hang on them."""
    sites = {row.id for kind in (SiteRow, SleepRow) for row in rows[kind] if row in gone}
    places = {(row.path, row.line, row.column) for row in rows[SiteRow] if row in gone}
    ways = {e.path_id for e in rows[EventRow] if (e.path, e.line, e.column) in places}
    tables = {row.id for row in rows[OpsTableRow] if row in gone}
    hangs: dict[type, Callable[[Any], object]] = {
        CallbackRow: lambda row: row.ops_table in tables,
        PathRow: lambda row: row.id in ways,
        EventRow: lambda row: row.path_id in ways,
        HopRow: lambda row: row.site in sites or broken.get((row.site, row.chain), ""),
    }
    found = {
        kind: [r for r in of if r not in gone and not hangs.get(kind, lambda _: False)(r)]
        for kind, of in rows.items()
    }
    # Who opts in where that is not compiled, doesn't.
    out = {
        table.group_name
        for table in rows[OpsTableRow]
        if (table.flag_path, table.flag_line, table.flag_column) in flags
    }
    for kind, changes in (
        (OpsTableRow, {"opted_in": 0, "flag_line": 0}),
        (SiteRow, {"opted_in": 0}),
    ):
        found[kind] = [
            row._replace(**changes) if row.group_name in out else row for row in found[kind]
        ]
    return found
