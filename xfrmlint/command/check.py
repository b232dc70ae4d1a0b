"""xfrmlint check."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xfrmlint.command.complete import complete_types
from xfrmlint.command.shared import (
    CLEAN,
    FINDINGS,
    Grouped,
    Progressing,
    below,
    cache_option,
    contract_option,
    likely,
    models_option,
    name_from_here,
    names_of_contract,
    printed,
    rules_of,
    rules_option,
    session_of,
    take_models,
    tree_and_paths,
)
from xfrmlint.errors import InputError

if TYPE_CHECKING:
    from xfrmlint.change.asked import Asked
    from xfrmlint.change.judged import ChangeReport, Check
    from xfrmlint.change.scope import Scope
    from xfrmlint.contract.revisions import Names
    from xfrmlint.findings import Finding, Report, Unknown
    from xfrmlint.memory.gather import Session
    from xfrmlint.report.checkpatch import Options
    from xfrmlint.report.edits import Fixes
    from xfrmlint.rules import Rule
    from xfrmlint.tree import Tree
    from xfrmlint.tree.folder import Folder

_LEVELS = ("ERROR", "WARNING", "CHECK")
# What `check --format` can be, and the module in xfrmlint.report that renders it.
_FORMATS = {
    "checkpatch": "checkpatch",
    "terse": "checkpatch",
    "emacs": "checkpatch",
    "gcc": "gcc",
    "json": "json",
    "sarif": "sarif",
    "github": "github",
    "gitlab": "gitlab",
    "rdjson": "rdjson",
    "junit": "junit",
    "b4-review": "b4review",
}
# What findings stand in: C, and what is included where C is meant.
_CODE = re.compile(r"\.(?:[ch]|inc|def)$")
# The formats that carry edits; what they are of is a whole tree.
_WITH_FIXES = ("sarif", "rdjson")

_GROUPS = {
    title: names.split()
    for title, names in {
        "What is checked": "patches revisions staged base new_only file",
        "Which findings": "types ignore strict fail_on fail_on_unknown baseline write_baseline"
        " no_config rule_folders",
        "What is printed": "form terse emacs showfile show_types summary quiet verbose show_unknown"
        " mailback color no_color list_types",
        "How it is found out": "confirm parser compile_commands models contract cached",
    }.items()
}
_EPILOG = """\b
Examples:
  xfrmlint check                                  the tree around the working directory
  xfrmlint check linux drivers/net/netdevsim      one driver of a tree
  xfrmlint check --patch 0001-fix.patch           what a patch brings; - is standard input
  xfrmlint check --git origin/main..HEAD          what commits bring, each on its own
  xfrmlint check --staged                         what is staged

\b
Exit status:
  0  clean
  1  findings at or above --fail-on (default: WARNING)
  2  could not run
  130, 141  interrupted; the pipe that is written to was closed
"""


@click.command(cls=Grouped, groups=_GROUPS, epilog=_EPILOG)
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--terse", is_flag=True, help="One line per finding.")
@click.option("--emacs", is_flag=True, help="Emacs compile window format.")
@click.option("--showfile", is_flag=True, help="Begin each finding with its file and line.")
@click.option("--show-types", is_flag=True, help="Show the type of each finding.")
@click.option("--summary/--no-summary", default=True, help="Print the totals, or don't.")
@click.option("-q", "--quiet", count=True, help="Print no notes.")
@click.option(
    "--strict", "--subjective", is_flag=True, help="Show CHECKs outside drivers/net, too."
)
@click.option(
    "--types",
    multiple=True,
    metavar="TYPE(,TYPE)",
    shell_complete=complete_types,
    help="Show only these types.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="TYPE(,TYPE)",
    shell_complete=complete_types,
    help="Show all but these types.",
)
@click.option("--list-types", is_flag=True, help="List the types, and exit.")
@click.option(
    "--color",
    "--colour",
    type=click.Choice(["always", "never", "auto"]),
    is_flag=False,
    flag_value="always",
    default="auto",
    help="Use colour; auto: where standard output is a terminal.",
)
@click.option("--no-color", "--nocolor", is_flag=True, help="Use no colour.")
@click.option(
    "--patch",
    "patches",
    multiple=True,
    metavar="FILE",
    help="Judge a patch, a mailbox or a folder of patches; - is standard input.",
)
@click.option(
    "-g",
    "--git",
    "revisions",
    multiple=True,
    metavar="REV",
    help="Judge commits: REV, A..B or REV-COUNT.",
)
@click.option("--staged", is_flag=True, help="Judge what is staged.")
@click.option("--base", metavar="REV", help="Judge the tree as it lies there against a commit.")
@click.option(
    "--new-only/--no-new-only",
    " /--all",
    "new_only",
    default=None,
    help="Show what a change brings (alone: since HEAD) and nothing that it only wrote anew, or all"
    " that is there after it.",
)
@click.option("--mailback", is_flag=True, help="Print nothing if there is nothing to mend.")
@click.option("-f", "--file", is_flag=True, help="As in checkpatch: no PATH is a patch.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMATS)),
    default="checkpatch",
    help="What to print; terse and emacs are --terse and --emacs.",
)
@click.option(
    "--fail-on",
    type=click.Choice(_LEVELS, case_sensitive=False),
    help="Exit with 1 if there is a finding of this level or a worse one (default: WARNING).",
)
@click.option(
    "--fail-on-unknown",
    is_flag=True,
    help="Exit with 1 if anything that matters could not be analysed, too.",
)
@click.option("--show-unknown", is_flag=True, help="List all that could not be analysed.")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Tell what was searched, which drivers there are, and how long it took.",
)
@click.option("--no-config", is_flag=True, help="Leave the tree's .xfrmlint.toml out.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Show only what is not in this file, or got worse.",
)
@click.option(
    "--write-baseline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what is found to this file, and take it for known.",
)
@click.option(
    "--confirm",
    is_flag=True,
    help="Ask libclang about each finding; say which it could not confirm, and why.",
)
@click.option(
    "--parser",
    type=click.Choice(["tree-sitter", "clang", "both"]),
    default="tree-sitter",
    help="clang: only what a compiler gets to see; both: print where the two differ instead.",
)
@click.option(
    "--compile-commands",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A build's compile_commands.json: flags for libclang.",
)
@cache_option
@rules_option
@models_option
@contract_option
def check(
    paths: Sequence[str],
    terse: bool,
    emacs: bool,
    showfile: bool,
    show_types: bool,
    summary: bool,
    quiet: int,
    strict: bool,
    types: Sequence[str],
    ignore: Sequence[str],
    list_types: bool,
    color: str,
    no_color: bool,
    patches: Sequence[str],
    revisions: Sequence[str],
    staged: bool,
    base: str | None,
    new_only: bool | None,
    mailback: bool,
    file: bool,
    form: str,
    fail_on: str | None,
    show_unknown: bool,
    verbose: bool,
    fail_on_unknown: bool,
    no_config: bool,
    baseline: Path | None,
    write_baseline: Path | None,
    confirm: bool,
    parser: str,
    compile_commands: Path | None,
    cached: bool,
    rule_folders: Sequence[Path],
    models: Sequence[Path],
    contract: Path | None,
) -> int:
    """Check a kernel tree, or what a change brings to it.

    PATHS: the tree, found from the working directory upwards if it is not named; then files or
    folders in it, to which what is printed is limited (from the working directory, else from the
    tree's top). A patch among them, or -, is judged as with --patch.
    """
    from time import monotonic

    from xfrmlint.change.asked import STDIN, asked_of
    from xfrmlint.report import checkpatch

    started = monotonic()

    rules = rules_of(rule_folders)
    colored = not no_color and (color == "always" or (color == "auto" and _shows_colour()))
    if list_types:
        printed(checkpatch.list_types(rules, show_why=verbose, color=colored))
        return CLEAN
    if compile_commands is not None and not confirm and parser == "tree-sitter":
        raise click.UsageError("--compile-commands wants --confirm or --parser clang")
    if confirm and parser != "tree-sitter":
        raise click.UsageError(f"--confirm and --parser {parser} both ask libclang; leave one out")
    terse = terse or form == "terse"
    options = checkpatch.Options(
        terse=terse,
        emacs=emacs or form == "emacs",
        showfile=showfile,
        show_types=show_types,
        summary=summary,
        quiet=quiet,
        color=colored,
        strict=strict,
        types=_types(types, rules) or None,
        ignore=_types(ignore, rules),
        mailback=mailback,
        unknown=show_unknown,
    )
    from xfrmlint.change.scope import folders_of
    from xfrmlint.report.terminal import printable
    from xfrmlint.triage import applied as triage
    from xfrmlint.triage.baseline import read_baseline
    from xfrmlint.triage.config import Config, idle_ignores, load_config

    found = [path for path in paths if path == STDIN or (not file and _is_patch(path))]
    patches = [*patches, *found]
    paths = [path for path in paths if path not in found]
    asked = asked_of(patches, revisions, staged, base, bool(new_only))
    if asked is not None and parser == "both":
        raise InputError("--parser both takes a whole tree, not a change")
    if asked is not None and write_baseline:
        raise InputError("--write-baseline takes a whole tree, not a change")
    taken = take_models(models)
    tree, within = tree_and_paths(paths, asked is not None)
    options = replace(options, named=name_from_here(tree))
    names = names_of_contract(tree, contract, no_config, asked is not None)
    if not quiet and not terse:
        for path in filter(partial(_holds_no_code, tree), within):
            sys.stderr.write(f"xfrmlint: {printable(path)}: holds no C, so no finding either\n")
    known = read_baseline(baseline) if baseline else ()
    named = {rule.type for rule in rules}
    wanted = options.types or ()

    def config_of(where: "Tree") -> Config:
        return Config() if no_config else load_config(where, named)

    def inside(path: str) -> bool:
        return not within or below(path, within)

    def shown(findings: "Iterable[Finding]") -> "list[Finding]":
        return checkpatch.shown(findings, options)

    checked = _checking(parser, confirm and asked is None, compile_commands)
    changes: list[ChangeReport] | None = None
    with (
        Progressing(bool(quiet) or terse) as progress,
        session_of(tree, cached, bool(quiet) or terse, taken, names) as session,
        ExitStack() as held,
    ):
        if parser == "both":
            return _print_differences(tree, compile_commands, inside, progress, session)
        if asked is None:
            config = config_of(tree)
            report = checked(tree, rules, progress, session, folders_of(within))
        else:
            only_new = new_only is not False
            judged = _changes(
                asked, tree, held, rules, only_new, mailback, progress, session, checked
            )
            if not judged:
                return CLEAN
            if asked.staged and only_new and not judged[0].step.differs:
                if not quiet and not terse:
                    sys.stderr.write("xfrmlint: nothing is staged; git add says what is meant\n")
                if _FORMATS[form] in ("checkpatch", "gcc"):
                    return CLEAN
            _refuse_unknown(within, tree, judged)
            _refuse_strange(judged, names)
            # A change's own copy of the settings never loosens its own check.
            config = config_of(judged[0].step.before)
            changes = [one.settled(config_of(one.step.before), known, wanted) for one in judged]
            if new_only:
                changes = [one.brought() for one in changes]
            if confirm:
                changes = [
                    _confirmed(change, compile_commands, session, progress) for change in changes
                ]
    if changes is None:
        idle = () if within else idle_ignores(report.findings, config)
        report = report._replace(unknown=(*report.unknown, *_not_checked_out(tree, within)))
        report = triage.limited(triage.triaged(report, config, known, wanted), inside)
        report = report._replace(idle=idle)
        if write_baseline:
            everything = replace(options, strict=True)
            report = triage.accepted(
                report, write_baseline, lambda some: checkpatch.shown(some, everything)
            )
    else:
        from xfrmlint.change.judged import joined

        changes = [
            one.only(lambda some: shown(f for f in some if inside(f.path))) for one in changes
        ]
        report = triage.limited(joined(changes), inside)
    report = triage.narrowed(report, shown)
    if verbose:
        scopes = None if changes is None else [change.scope for change in changes]
        _tell(report, tree, folders_of(within) if scopes is None else _searched(scopes), started)
    least = (fail_on or config.fail_on or "WARNING").upper()
    fixes = None
    if changes is None and form in _WITH_FIXES:
        from xfrmlint.convert.fixes import fixes_of

        fixes = fixes_of(tree, checkpatch.shown(report.findings, options), rules, names)
    counted = _LEVELS[: _LEVELS.index(least) + 1]
    status = _print(report, changes, form, options, rules, counted, fixes)
    if status != CLEAN or not (fail_on_unknown and any(row.matters for row in report.unknown)):
        return status
    # Some formats have no room for the reason, and a quiet run prints no notes.
    if _FORMATS[form] in ("gitlab", "rdjson") or (
        (quiet or terse) and _FORMATS[form] == "checkpatch"
    ):
        for line in checkpatch.not_analysed(report):
            sys.stderr.write(f"xfrmlint: {line}\n")
    return FINDINGS


def _is_patch(path: str) -> bool:
    # What reads patches is imported where there may be one.
    if _CODE.search(path) or not os.path.isfile(path):
        return False
    from xfrmlint.git.patch import is_patch

    return is_patch(Path(path))


def _holds_no_code(tree: "Folder", path: str) -> bool:
    """Tell whether a file of the tree, or all below a folder, is none that findings stand in."""
    if tree.is_file(path):
        return not _CODE.search(path)
    walked = os.walk(tree.root / path)
    # What is gone, or comes with a change, is not known here.
    there = os.path.isdir(tree.root / path)
    return there and not any(_CODE.search(name) for _, _, names in walked for name in names)


def _not_checked_out(tree: "Folder", within: Sequence[str]) -> "list[Unknown]":
    """Return what a sparse checkout lacks of a tree, or of some paths in it."""
    from xfrmlint.tree.folder import is_sparse

    if not is_sparse(tree.root):
        return []
    from xfrmlint.change.history import not_checked_out

    rows = not_checked_out(tree)
    return [
        row
        for row in rows
        if not within or below(row.path, within) or any(below(path, [row.path]) for path in within)
    ]


def _refuse_strange(judged: "Sequence[ChangeReport]", names: "Names") -> None:
    """Raise InputError for a name that the headers have neither before nor after the changes."""
    from xfrmlint.analysis.parts import refuse_strange
    from xfrmlint.contract.revisions import NO_NAMES

    if names != NO_NAMES:
        refuse_strange([judged[-1].step.after, judged[0].step.before], names)


def _shows_colour() -> bool:
    """Tell whether standard output shows colours, and nobody said that he wants none.

    Source: https://no-color.org/; a terminal called dumb takes no escapes.
    """
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and sys.stdout.isatty()


def _searched(scopes: "Sequence[Scope]") -> Sequence[str] | None:
    """Return the folders in which changes were looked at, () for the whole tree, None for none."""
    if any(scope.everywhere for scope in scopes):
        return ()
    return sorted({folder for scope in scopes for folder in scope.folders}) or None


def _tell(report: "Report", tree: "Folder", folders: Sequence[str] | None, started: float) -> None:
    """Tell on standard error what a run did. folders: see report/verbose.py."""
    from time import monotonic

    from xfrmlint.report.verbose import render

    for line in render(report, str(tree.root), folders, monotonic() - started):
        sys.stderr.write(f"xfrmlint: {line}\n")


def _checking(parser: str, confirm: bool, commands: Path | None) -> "Check":
    """Return what makes a tree's report."""
    if parser == "clang":
        from xfrmlint.confirmation.compiled import check_compiled

        return partial(check_compiled, commands=commands)
    if confirm:
        from xfrmlint.confirmation.remembered import check_confirmed

        return partial(check_confirmed, commands=commands)
    from xfrmlint.check import check_tree

    return check_tree


def _print(
    report: "Report",
    changes: "list[ChangeReport] | None",
    form: str,
    options: "Options",
    rules: "Sequence[Rule]",
    counted: Sequence[str],
    fixes: "Fixes | None",
) -> int:
    """Print a report; the exit status tells whether it has findings of the levels that count."""
    from xfrmlint.report import checkpatch

    found = checkpatch.shown(report.findings, options)
    name = _FORMATS[form]
    # What a format wants besides the report; most want the findings alone.
    wants: dict[str, tuple[Any, ...]] = {
        "checkpatch": (options, changes),
        "sarif": (found, rules, fixes),
        "rdjson": (found, fixes),
        "json": (found, changes),
        "gcc": (found, options.unknown, options.named),
    }
    rendering = import_module(f"xfrmlint.report.{name}")
    printed(rendering.render(report, *wants.get(name, (found,))))
    return FINDINGS if any(f.level in counted for f in found) else CLEAN


def _changes(
    asked: "Asked",
    tree: "Folder",
    held: ExitStack,
    rules: "Sequence[Rule]",
    only_new: bool,
    mailback: bool,
    progress: "Callable[[str], None]",
    session: "Session",
    checked: "Check",
) -> "list[ChangeReport]":
    """Return what the changes asked for bring; none for a mail without, with mailback.

    held: keeps open what their trees are read from.
    """
    from xfrmlint.change.asked import steps_of
    from xfrmlint.change.judged import judged
    from xfrmlint.git.patch import NoPatch

    try:
        steps = steps_of(asked, tree, held)
    except NoPatch:
        if mailback:
            return []
        raise
    return [judged(step, rules, only_new, progress, session, checked) for step in steps]


def _print_differences(
    tree: "Folder",
    commands: Path | None,
    inside: "Callable[[str], bool]",
    progress: "Callable[[str], None]",
    session: "Session",
) -> int:
    """Print where tree-sitter and libclang differ."""
    from xfrmlint.confirmation.compare import compared
    from xfrmlint.confirmation.remembered import Asking
    from xfrmlint.memory.gather import gathered
    from xfrmlint.report.comparison import render

    with Asking(tree, commands, session) as asking:
        facts = gathered(tree, session, progress)
        differences = compared(tree, facts, asking.clang(), progress)
    found = [one for one in differences if inside(one.path)]
    printed(render(found))
    return FINDINGS if found else CLEAN


def _confirmed(
    change: "ChangeReport",
    commands: Path | None,
    session: "Session",
    progress: "Callable[[str], None]",
) -> "ChangeReport":
    """Ask libclang about what a change brings."""
    from xfrmlint.confirmation.remembered import Asking
    from xfrmlint.memory.gather import gathered

    if not change.told:
        return change
    after = change.step.after
    facts = gathered(after, session, progress, change.scope.folders)
    with Asking(after, commands, session) as asking:
        return change.telling(asking.confirmed(facts, change.report, progress))


def _types(named: Sequence[str], rules: "Sequence[Rule]") -> frozenset[str]:
    """Return the types of --types and --ignore; a type that does not exist is an error."""
    found = {name.strip().upper() for text in named for name in text.split(",") if name.strip()}
    strange = sorted(found - {rule.type for rule in rules})
    if strange:
        known = [rule.type for rule in rules]
        said = ", ".join(f"{name}{likely(name, known)}" for name in strange)
        raise InputError(f"{said}: no such type; xfrmlint check --list-types")
    return frozenset(found)


def _refuse_unknown(
    within: Iterable[str], tree: "Folder", changes: "Iterable[ChangeReport]"
) -> None:
    touched = {path for c in changes for path in (*c.step.changed, *c.step.former)}
    for path in within:
        there = os.path.lexists(tree.root / path)
        if not there and not any(below(one, [path]) for one in touched):
            raise InputError(f"{path}: no such file or folder")
