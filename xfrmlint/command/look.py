"""What a tree holds, and what comes of it: drivers, query, resolver, judge."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xfrmlint.command.complete import complete_drivers
from xfrmlint.command.page import Asked, Made, graph_of, page_of
from xfrmlint.command.shared import (
    CLEAN,
    FINDINGS,
    Progressing,
    below,
    cache_option,
    contract_option,
    likely,
    lines_of,
    models_option,
    names_of_contract,
    paged,
    printed,
    rules_of,
    session_of,
    take_models,
    tree_and_paths,
    tree_around_named,
)
from xfrmlint.errors import InputError

if TYPE_CHECKING:
    from xfrmlint.facts.store import Store
    from xfrmlint.program.access import Doubt


@click.command()
@click.argument("tree", required=False, type=click.Path())
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@cache_option
@models_option
@contract_option
def drivers(
    tree: str | None, form: str, cached: bool, models: Sequence[Path], contract: Path | None
) -> int:
    """List every ops table: role, opted in, what its datapath uses, what is missing.

    TREE can be a file or folder in it: the ops tables there.
    """
    from xfrmlint.change.scope import folders_of
    from xfrmlint.check import check_tree
    from xfrmlint.report import drivers as rendering

    taken = take_models(models)
    where, within = tree_and_paths([tree] if tree is not None else [])
    names = names_of_contract(where, contract)
    with Progressing(False) as progress, session_of(where, cached, False, taken, names) as session:
        report = check_tree(where, rules_of(()), progress, session, folders_of(within))
    if within:
        report = report._replace(
            drivers=tuple(row for row in report.drivers if below(row.path, within)),
            unknown=tuple(row for row in report.unknown if below(row.path, within)),
        )
        if not report.drivers:
            raise InputError(f"{tree}: no ops table is defined there")
    if form == "json":
        printed([rendering.as_json(report).removesuffix("\n")])
    else:
        width = _terminal_width()
        printed(rendering.render(report, width))
    return CLEAN


_QUERIES = """\b
Examples:
  xfrmlint query "SELECT driver, role, opted_in FROM ops_table"
  xfrmlint query "SELECT path, line, function, context FROM site WHERE member = 'handle'"
  xfrmlint query "SELECT path, line, text FROM handled WHERE kind = 'use' AND known = 'nonzero'"
"""


@click.command(epilog=_QUERIES)
@click.argument("sql", required=False)
@click.argument("tree", required=False, type=click.Path())
@click.option("--schema", is_flag=True, help="Print the tables, and what they hold.")
@click.option("--format", "form", type=click.Choice(["tsv", "json"]), default="tsv")
@cache_option
@models_option
def query(
    sql: str | None,
    tree: str | None,
    schema: bool,
    form: str,
    cached: bool,
    models: Sequence[Path],
) -> int:
    """Ask the facts of a tree a question in SQL (one SELECT; --schema shows the tables)."""
    import sqlite3

    if schema:
        from xfrmlint.facts.store import schema_text

        paged(schema_text())
        return CLEAN
    if sql is None or not sql.strip():
        raise click.UsageError("a question is missing; --schema shows what there is to ask about")

    from xfrmlint.memory.gather import gathered
    from xfrmlint.report.json import dump
    from xfrmlint.report.terminal import printable

    taken = take_models(models)
    where = tree_around_named(tree)
    own = names_of_contract(where, None)
    with Progressing(False) as progress, session_of(where, cached, False, taken, own) as session:
        store = gathered(where, session, progress).store
    try:
        names, rows = store.query(sql)
    except sqlite3.Error as error:
        raise InputError(f"query: {error}") from None
    if form == "json":
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            said = ", ".join(twice)
            raise InputError(f"query: two columns are called {said}; name them apart with AS")
        try:
            text = dump({"rows": [dict(zip(names, row, strict=True)) for row in rows]})
        except ValueError as error:
            # SQL has an infinity, JSON hasn't.
            raise InputError(f"query: {error}") from None
        printed([text.removesuffix("\n")])
    else:
        lines = [names, *([("" if v is None else str(v)) for v in row] for row in rows)]
        printed("\t".join(map(printable, line)) for line in lines if names)
    return CLEAN


@click.command()
@click.argument("tree", required=False, type=click.Path())
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@contract_option
def resolver(tree: str | None, form: str, contract: Path | None) -> int:
    """Run the tree's own resolver over every state and compare it with the reference."""
    from xfrmlint.analysis.core import core_of
    from xfrmlint.report import resolver as rendering
    from xfrmlint.rules import words_in

    where = tree_around_named(tree)
    names = names_of_contract(where, contract)
    with Progressing(False) as progress:
        core = core_of(where, progress, names)
    if form == "json":
        printed([rendering.as_json(core).removesuffix("\n")])
    else:
        printed(map(words_in(core.contract).said, rendering.render(core)))
    return CLEAN if rendering.kept(core) else FINDINGS


@click.command("contract")
@click.argument("tree", required=False, type=click.Path())
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@contract_option
def show_contract(tree: str | None, form: str, contract: Path | None) -> int:
    """Show which contract a tree has, by its declarations, and what its core does."""
    from xfrmlint.analysis.parts import contract_in, reader_of
    from xfrmlint.contract.behaviour import core_says
    from xfrmlint.kernel.release import version
    from xfrmlint.report import contract as rendering

    where = tree_around_named(tree)
    names = names_of_contract(where, contract)
    found = contract_in(where, names=names)
    said = core_says(reader_of(where, contract=found), found)
    if form == "json":
        printed([rendering.as_json(found, said, version(where)).removesuffix("\n")])
    else:
        printed(rendering.render(found, said))
    return CLEAN


@click.command()
@click.argument("tree", required=False, shell_complete=complete_drivers)
@click.argument("driver", required=False, shell_complete=complete_drivers)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "html", "dot"]), default="text"
)
@click.option(
    "--source-url",
    metavar="TEMPLATE",
    help="html, dot: link places to an address with {path} and {line}, and {version}, {tag} or "
    "{commit}: https://elixir.bootlin.com/linux/{tag}/source/{path}#L{line}",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="html: show beside this run another one, which judge --format json printed.",
)
@click.option("--date", metavar="TEXT", default="", help="html: the day of the run, to be shown.")
@cache_option
@models_option
@contract_option
def judge(
    tree: str | None,
    driver: str | None,
    form: str,
    source_url: str | None,
    against: Path | None,
    date: str,
    cached: bool,
    models: Sequence[Path],
    contract: Path | None,
) -> int:
    """Tell what each lower driver's hardware is given, in each topology.

    TREE can be left out: a name that is no kernel tree is a driver's. It can be a file or folder in
    the tree: the drivers that have code there.
    """
    from xfrmlint.analysis.judgement import judgements, left_open, owners, topologies_of
    from xfrmlint.memory.gather import gathered
    from xfrmlint.model.judge import Outcome, severity
    from xfrmlint.report import judge as rendering
    from xfrmlint.rules import words_of

    asked = Asked(source_url, against, date)
    asked.refuse_for(form)
    if tree and driver is None and _is_driver(tree):
        tree, driver = None, tree
    taken = take_models(models)
    where, within = tree_and_paths([tree] if tree is not None else [])
    own = names_of_contract(where, contract)
    with Progressing(False) as progress, session_of(where, cached, False, taken, own) as session:
        store = gathered(where, session, progress).store
    wanted = [driver] if driver is not None else _drivers_at(store, str(tree), within)
    # A module below another's ops table is judged with the one on the net_device.
    groups = {one: _group(store, one) for one in wanted}
    group = next(iter(groups.values())) if len(groups) == 1 else None
    found, callbacks = judgements(store, lines_of(where), group), owners(store)
    if wanted:
        found = [one for one in found if one.driver in groups.values()]
        callbacks = [one for one in callbacks if one.driver in wanted]
    unplaced = left_open(store)
    seen = {one.driver for one in found}
    others = [
        line
        for one in wanted
        if groups[one] not in seen
        for line in _without_handle(store, one, unplaced)
    ]
    others += map(_in_words, unplaced)
    version, present = store.query("SELECT version, contract FROM tree")[1][0]
    if form == "json":
        from xfrmlint.command.page import commit_of

        of = {"version": version, "contract": present, "commit": commit_of(where)}
        said = words_of(store).said
        text = rendering.as_json(found, callbacks, of, topologies_of(store), unplaced, said)
        printed([text.removesuffix("\n")])
    elif form in ("html", "dot"):
        made = Made(found, callbacks, others, version, present, group, topologies_of(store))
        lines = (page_of if form == "html" else graph_of)(where, made, asked)
        printed(map(words_of(store).said, lines))
    else:
        printed(map(words_of(store).said, rendering.render(found, callbacks, others)))
    # What can't be told is no fault.
    outcomes = [*(one.worst() for one in found), *(one.worst() for one in callbacks)]
    worst = max(map(severity, outcomes), default=0)
    return FINDINGS if worst > severity(Outcome.UNKNOWN) else CLEAN


def _is_driver(name: str) -> bool:
    """Tell whether a lone argument of judge is a driver's name, rather than a tree.

    A file or folder of that name changes nothing, if there is a tree around the working directory.
    """
    from xfrmlint.tree.folder import is_tree, tree_around

    if os.sep in name or name in (os.curdir, os.pardir) or is_tree(Path(name)):
        return False
    if not os.path.lexists(name):
        return True
    try:
        return tree_around(Path.cwd()) is not None
    except FileNotFoundError:
        return False


def _drivers_at(store: "Store", named: str, within: Sequence[str]) -> list[str]:
    """Return the drivers that have an ops table or a site in some paths; raises InputError."""
    _, rows = store.query(
        "SELECT driver, path FROM ops_table UNION SELECT driver, path FROM site WHERE driver <> ''"
    )
    found = sorted({row["driver"] for row in rows if below(row["path"], within)})
    if within and not found:
        raise InputError(f"{named}: no driver has code there that the contract speaks of")
    return found


def _group(store: "Store", driver: str) -> str:
    _, rows = store.query("SELECT driver, group_name FROM ops_table")
    groups: dict[str, str] = {row["driver"]: row["group_name"] for row in rows}
    return groups.get(driver, driver)


def _in_words(doubt: "Doubt") -> str:
    line = f":{doubt.place.line}" if doubt.place.line else ""
    function = f"{doubt.function}(): " if doubt.function else ""
    return f"unknown: {doubt.place.path}{line}: {function}{doubt.reason}"


def _without_handle(store: "Store", driver: str, unplaced: "Sequence[Doubt]") -> Iterator[str]:
    """Yield what there is to say of a driver that gets no handle on its datapath.

    unplaced: what hides one, maybe. Raises InputError if there is no such driver.
    """
    from xfrmlint.analysis.judgement import doubts_of, is_undecided, judged_drivers

    _, rows = store.query("SELECT DISTINCT driver, role FROM ops_table ORDER BY driver")
    roles = {row["driver"]: row["role"] for row in rows}
    if driver not in roles:
        names = sorted({*roles, *judged_drivers(store)})
        said = likely(driver, names) or f"; there are {', '.join(names) or 'none'}"
        beside = f"; {_in_words(unplaced[0])}" if unplaced else ""
        raise InputError(f"{driver}: no such driver{said}{beside}")
    if roles[driver] == "upper":
        yield f"{driver}: an upper driver: it hands states on, and has no hardware to give a handle"
        return
    if is_undecided(store, driver):
        yield f"{driver}: whether this lower driver gets a handle on its datapath is not known"
    else:
        yield f"{driver}: a lower driver that gets no handle on its datapath"
    yield from (f"  {_in_words(doubt)}" for doubt in doubts_of(store, driver))


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 120
