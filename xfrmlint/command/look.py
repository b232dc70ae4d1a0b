"""What a tree holds, and what comes of it: drivers, query, resolver, judge."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xfrmlint.command.shared import (
    CLEAN,
    FINDINGS,
    Progressing,
    cache_option,
    contract_option,
    models_option,
    names_of_contract,
    printed,
    rules_of,
    session_of,
    take_models,
    tree_and_paths,
)
from xfrmlint.errors import InputError

if TYPE_CHECKING:
    pass


@click.command()
@click.argument("tree", required=False, type=click.Path())
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@cache_option
@models_option
@contract_option
def drivers(
    tree: str | None, form: str, cached: bool, models: Sequence[Path], contract: Path | None
) -> int:
    """List every ops table: role, opted in, what its datapath uses, what is missing."""
    from xfrmlint.check import check_tree
    from xfrmlint.report import drivers as rendering
    from xfrmlint.tree.folder import find_tree

    taken = take_models(models)
    where = find_tree(tree)
    names = names_of_contract(where, contract)
    with Progressing(False) as progress, session_of(where, cached, False, taken, names) as session:
        report = check_tree(where, rules_of(()), progress, session)
    if form == "json":
        printed([rendering.as_json(report).removesuffix("\n")])
    else:
        width = _terminal_width()
        printed(rendering.render(report, width))
    return CLEAN


@click.command()
@click.argument("sql")
@click.argument("tree", required=False, type=click.Path())
@click.option("--format", "form", type=click.Choice(["tsv", "json"]), default="tsv")
@cache_option
@models_option
def query(sql: str, tree: str | None, form: str, cached: bool, models: Sequence[Path]) -> int:
    """Ask the facts of a tree a question in SQL (one SELECT; see facts/schema.sql)."""
    import sqlite3

    from xfrmlint.memory.gather import gathered
    from xfrmlint.report.json import dump
    from xfrmlint.report.terminal import printable
    from xfrmlint.tree.folder import find_tree

    taken = take_models(models)
    where = find_tree(tree)
    own = names_of_contract(where, None)
    with Progressing(False) as progress, session_of(where, cached, False, taken, own) as session:
        store = gathered(where, session, progress).store
    try:
        names, rows = store.query(sql)
    except sqlite3.Error as error:
        raise InputError(f"query: {error}") from None
    if form == "json":
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
    from xfrmlint.analysis.analyse import core_of
    from xfrmlint.report import resolver as rendering

    where, _ = tree_and_paths([tree] if tree else [])
    names = names_of_contract(where, contract)
    with Progressing(False) as progress:
        core = core_of(where, progress, names)
    if form == "json":
        printed([rendering.as_json(core).removesuffix("\n")])
    else:
        printed(rendering.render(core))
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

    where, _ = tree_and_paths([tree] if tree else [])
    names = names_of_contract(where, contract)
    found = contract_in(where, names=names)
    said = core_says(reader_of(where, contract=found), found)
    if form == "json":
        printed([rendering.as_json(found, said, version(where)).removesuffix("\n")])
    else:
        printed(rendering.render(found, said))
    return CLEAN


@click.command()
@click.argument("tree", required=False, type=click.Path())
@click.argument("driver", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text")
@models_option
@contract_option
def judge(
    tree: str | None,
    driver: str | None,
    form: str,
    models: Sequence[Path],
    contract: Path | None,
) -> int:
    """Tell what each lower driver's hardware is given, in each topology.

    TREE can be left out: a name that is no kernel tree is a driver's.
    """
    from xfrmlint.analysis.analyse import analyse
    from xfrmlint.analysis.judgement import judgements, owners
    from xfrmlint.model.judge import Outcome, severity
    from xfrmlint.report import judge as rendering
    from xfrmlint.report import judgepage
    from xfrmlint.tree.folder import is_tree

    if tree and driver is None and not is_tree(Path(tree)) and not os.path.lexists(tree):
        tree, driver = None, tree
    take_models(models)
    where, _ = tree_and_paths([tree] if tree else [])
    own = names_of_contract(where, contract)
    with Progressing(False) as progress:
        analysis = analyse(where, progress, names=own)
    found, callbacks = judgements(analysis), owners(analysis)
    version, present = analysis.store.query("SELECT version, contract FROM tree")[1][0]
    if driver is not None:
        names = sorted({*(one.driver for one in found), *(one.driver for one in callbacks)})
        found = [one for one in found if one.driver == driver]
        callbacks = [one for one in callbacks if one.driver == driver]
        if not found and not callbacks:
            raise InputError(f"{driver}: no such driver; there are {', '.join(names) or 'none'}")
    if form == "json":
        text = rendering.as_json(found, callbacks, version, present)
        printed([text.removesuffix("\n")])
    elif form == "html":
        printed(judgepage.page(found, callbacks, version))
    else:
        printed(rendering.render(found, callbacks))
    # What can't be told is no fault.
    outcomes = [*(one.worst() for one in found), *(one.worst() for one in callbacks)]
    worst = max(map(severity, outcomes), default=0)
    return FINDINGS if worst > severity(Outcome.UNKNOWN) else CLEAN


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 120
