"""The command line: parse, call, print, and the exit status.

0 clean, 1 findings at or above --fail-on, 2 could not run, 130 interrupted, 141 closed pipe.
"""

import errno
import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from xfrmlint import __version__
from xfrmlint.errors import InputError

if TYPE_CHECKING:
    from xfrmlint.analysis.gather import Session
    from xfrmlint.change.asked import Asked
    from xfrmlint.change.judged import ChangeReport
    from xfrmlint.findings import Finding
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
CLEAN, FINDINGS, FAILED, INTERRUPTED, CLOSED_PIPE = 0, 1, 2, 130, 141

_rules_option = click.option(
    "--rules",
    "rule_folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Add the rules (*.toml) of a folder; one of the same type replaces a bundled one.",
)


_cache_option = click.option(
    "--cache/--no-cache",
    "cached",
    default=True,
    help="Remember what was found out (see xfrmlint cache), or don't.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="xfrmlint %(version)s")
def cli() -> None:
    """Check kernel drivers for the xfrm offload lower-handle contract."""


@cli.command()
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
@click.option("--types", multiple=True, metavar="TYPE(,TYPE)", help="Show only these types.")
@click.option("--ignore", multiple=True, metavar="TYPE(,TYPE)", help="Show all but these types.")
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
    help="Show what a change brings (alone: since HEAD), or all that is there after it.",
)
@click.option("--mailback", is_flag=True, help="Print nothing if there is nothing to mend.")
@click.option("-f", "--file", is_flag=True, help="Accepted as checkpatch does: PATHs are files.")
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
    type=click.Choice(["tree-sitter", "both"]),
    default="tree-sitter",
    help="both: print where tree-sitter and libclang differ, instead of findings.",
)
@click.option(
    "--compile-commands",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A build's compile_commands.json: flags for --confirm and --parser both.",
)
@_cache_option
@_rules_option
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
    no_config: bool,
    baseline: Path | None,
    write_baseline: Path | None,
    confirm: bool,
    parser: str,
    compile_commands: Path | None,
    cached: bool,
    rule_folders: Sequence[Path],
) -> int:
    """Check a kernel tree, or what a change brings to it.

    PATHS: the tree, found from the working directory upwards if it is not named; then files or
    folders in it, to which what is printed is limited (from the working directory, else from the
    tree's top). - among them is --patch -.
    """
    from xfrmlint.change.asked import STDIN, asked_of
    from xfrmlint.change.judged import joined
    from xfrmlint.check import check_tree
    from xfrmlint.report import checkpatch

    rules = _rules(rule_folders)
    colored = not no_color and (color == "always" or (color == "auto" and sys.stdout.isatty()))
    if list_types:
        _print(checkpatch.list_types(rules, show_why=False, color=colored))
        return CLEAN
    if compile_commands is not None and not confirm and parser != "both":
        raise click.UsageError("--compile-commands wants --confirm or --parser both")
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
    )
    from xfrmlint.change.scope import folders_of
    from xfrmlint.triage import applied as triage
    from xfrmlint.triage.baseline import read_baseline
    from xfrmlint.triage.config import Config, load_config

    if STDIN in paths:
        patches = [*patches, STDIN]
        paths = [path for path in paths if path != STDIN]
    asked = asked_of(patches, revisions, staged, base, bool(new_only))
    if asked is not None and parser == "both":
        raise InputError("--parser both takes a whole tree, not a change")
    if asked is not None and write_baseline:
        raise InputError("--write-baseline takes a whole tree, not a change")
    tree, within = _tree_and_paths(paths, asked is not None)
    known = read_baseline(baseline) if baseline else ()
    named = {rule.type for rule in rules}
    wanted = options.types or ()

    def config_of(where: "Tree") -> Config:
        return Config() if no_config else load_config(where, named)

    def inside(path: str) -> bool:
        return not within or _below(path, within)

    def shown(findings: "Iterable[Finding]") -> "list[Finding]":
        return checkpatch.shown(findings, options)

    changes: list[ChangeReport] | None = None
    with (
        _Progress(bool(quiet) or terse) as progress,
        _session(tree, cached, bool(quiet) or terse) as session,
        ExitStack() as held,
    ):
        if parser == "both":
            return _print_differences(tree, compile_commands, inside, progress)
        if asked is None:
            config = config_of(tree)
            if confirm:
                from xfrmlint.confirmation.run import check_confirmed

                report = check_confirmed(tree, rules, compile_commands, progress)
            else:
                report = check_tree(tree, rules, progress, session, folders_of(within))
        else:
            only_new = new_only is not False
            judged = _changes(asked, tree, held, rules, only_new, mailback, progress, session)
            if not judged:
                return CLEAN
            _refuse_unknown(within, tree, judged)
            # A change's own copy of the settings never loosens its own check.
            config = config_of(judged[0].step.before)
            changes = [one.settled(config_of(one.step.before), known, wanted) for one in judged]
            if confirm:
                changes = [_confirmed(change, compile_commands, progress) for change in changes]
    if changes is None:
        report = triage.limited(triage.triaged(report, config, known, wanted), inside)
        if write_baseline:
            everything = replace(options, strict=True)
            report = triage.accepted(
                report, write_baseline, lambda some: checkpatch.shown(some, everything)
            )
    else:
        changes = [
            one.only(lambda some: shown(f for f in some if inside(f.path))) for one in changes
        ]
        report = triage.limited(joined(changes), inside)
    report = triage.narrowed(report, shown)
    found = checkpatch.shown(report.findings, options)
    name = _FORMATS[form]
    # What a format wants besides the report; most want the findings alone.
    wants: dict[str, tuple[Any, ...]] = {
        "checkpatch": (options, changes),
        "sarif": (found, rules),
        "json": (found, changes),
    }
    rendering = import_module(f"xfrmlint.report.{name}")
    _print(rendering.render(report, *wants.get(name, (found,))))
    least = (fail_on or config.fail_on or "WARNING").upper()
    counted = _LEVELS[: _LEVELS.index(least) + 1]
    return FINDINGS if any(f.level in counted for f in found) else CLEAN


@cli.command()
@click.argument("tree", required=False, type=click.Path())
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@_cache_option
def drivers(tree: str | None, form: str, cached: bool) -> int:
    """List every ops table: role, opted in, what its datapath uses, what is missing."""
    from xfrmlint.check import check_tree
    from xfrmlint.report import drivers as rendering
    from xfrmlint.tree.folder import find_tree

    where = find_tree(tree)
    with _Progress(False) as progress, _session(where, cached, False) as session:
        report = check_tree(where, _rules(()), progress, session)
    if form == "json":
        _print([rendering.as_json(report).removesuffix("\n")])
    else:
        width = _terminal_width()
        _print(rendering.render(report, width))
    return CLEAN


@cli.command()
@click.argument("sql")
@click.argument("tree", required=False, type=click.Path())
@click.option("--format", "form", type=click.Choice(["tsv", "json"]), default="tsv")
@_cache_option
def query(sql: str, tree: str | None, form: str, cached: bool) -> int:
    """Ask the facts of a tree a question in SQL (one SELECT; see facts/schema.sql)."""
    import sqlite3

    from xfrmlint.analysis.gather import gathered
    from xfrmlint.report.json import dump
    from xfrmlint.report.terminal import printable
    from xfrmlint.tree.folder import find_tree

    where = find_tree(tree)
    with _Progress(False) as progress, _session(where, cached, False) as session:
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
        _print([text.removesuffix("\n")])
    else:
        lines = [names, *([("" if v is None else str(v)) for v in row] for row in rows)]
        _print("\t".join(map(printable, line)) for line in lines if names)
    return CLEAN


@cli.command()
@click.argument("tree", required=False, type=click.Path())
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def resolver(tree: str | None, form: str) -> int:
    """Run the tree's own resolver over every state and compare it with the reference."""
    from xfrmlint.analysis.analyse import core_of
    from xfrmlint.report import resolver as rendering

    where, _ = _tree_and_paths([tree] if tree else [])
    with _Progress(False) as progress:
        core = core_of(where, progress)
    if form == "json":
        _print([rendering.as_json(core).removesuffix("\n")])
    else:
        _print(rendering.render(core))
    return CLEAN if rendering.kept(core) else FINDINGS


@cli.command()
@click.argument("tree", required=False, type=click.Path())
@click.argument("driver", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text")
def judge(tree: str | None, driver: str | None, form: str) -> int:
    """Tell what each lower driver's hardware is given, in each topology.

    TREE can be left out: a name that is no kernel tree is a driver's.
    """
    from xfrmlint.analysis.analyse import analyse
    from xfrmlint.judgement import judgements, owners
    from xfrmlint.model.judge import Outcome, severity
    from xfrmlint.report import judge as rendering
    from xfrmlint.report import judgepage
    from xfrmlint.tree.folder import is_tree

    if tree and driver is None and not is_tree(Path(tree)) and not os.path.lexists(tree):
        tree, driver = None, tree
    where, _ = _tree_and_paths([tree] if tree else [])
    with _Progress(False) as progress:
        analysis = analyse(where, progress)
    found, callbacks = judgements(analysis), owners(analysis)
    version, contract = analysis.store.query("SELECT version, contract FROM tree")[1][0]
    if driver is not None:
        names = sorted({*(one.driver for one in found), *(one.driver for one in callbacks)})
        found = [one for one in found if one.driver == driver]
        callbacks = [one for one in callbacks if one.driver == driver]
        if not found and not callbacks:
            raise InputError(f"{driver}: no such driver; there are {', '.join(names) or 'none'}")
    if form == "json":
        text = rendering.as_json(found, callbacks, version, contract)
        _print([text.removesuffix("\n")])
    elif form == "html":
        _print(judgepage.page(found, callbacks, version))
    else:
        _print(rendering.render(found, callbacks))
    # What can't be told is no fault.
    outcomes = [*(one.worst() for one in found), *(one.worst() for one in callbacks)]
    worst = max(map(severity, outcomes), default=0)
    return FINDINGS if worst > severity(Outcome.UNKNOWN) else CLEAN


@cli.command()
@click.option("--format", "form", type=click.Choice(["table", "markdown"]), default="table")
@_rules_option
def rules(form: str, rule_folders: Sequence[Path]) -> int:
    """List the rules."""
    from xfrmlint.report import rulepage

    text = (rulepage.readme if form == "markdown" else rulepage.table)(_rules(rule_folders))
    _print([text.removesuffix("\n")])
    return CLEAN


@cli.command()
@click.argument("type", metavar="TYPE")
@_rules_option
def explain(type: str, rule_folders: Sequence[Path]) -> int:
    """Print what a type means, why it matters, and examples."""
    from xfrmlint.report.rulepage import page

    found = {rule.type: rule for rule in _rules(rule_folders)}
    if type.upper() not in found:
        raise InputError(f"{type}: no such type; xfrmlint rules lists them")
    _print([page(found[type.upper()]).removesuffix("\n")])
    return CLEAN


@cli.command()
@click.option("--clear", is_flag=True, help="Remove what is in it.")
def cache(clear: bool) -> int:
    """Tell where the cache is and how much is in it.

    It holds what is known of driver folders, as long as every file that was looked at is as it was.
    """
    from xfrmlint.facts.cache import clear as emptied
    from xfrmlint.facts.cache import place, state

    file = place()
    if file is None:
        raise InputError("there is no cache: neither XDG_CACHE_HOME nor HOME names a folder")
    if clear:
        emptied(file)
    found = state(file)
    _print([f"{file}: {found.entries} entries, {found.size} bytes"])
    return CLEAN


@cli.command(
    # -h can be a letter of one of the compiler's flags.
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def kbuild(flags: Sequence[str]) -> int:
    """Check what is compiled: make C=1 CHECK="xfrmlint kbuild".

    Prints to standard error what is found in that file, as gcc would, and never fails: another exit
    status would end the build.
    """
    from xfrmlint.checker import checked
    from xfrmlint.report.terminal import printable

    try:
        said = list(checked(flags, os.environ))
    except Exception as error:
        kind = "" if isinstance(error, InputError) else f"internal error: {type(error).__name__}: "
        said = [printable(f"xfrmlint: {kind}{error}")]
    if said:
        # In one piece: others compile beside.
        try:
            sys.stderr.write("".join(f"{line}\n" for line in said))
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return CLEAN


@contextmanager
def _session(tree: "Folder", cached: bool, quiet: bool) -> "Iterator[Session]":
    """Give what runs over a tree share; what is new is kept for the next one."""
    from xfrmlint.analysis.gather import Session
    from xfrmlint.facts.cache import Cache, place_outside
    from xfrmlint.report.terminal import printable

    def warn(text: str) -> None:
        if not quiet:
            sys.stderr.write(f"xfrmlint: {printable(text)}\n")

    with Cache(place_outside(tree.root) if cached else None, warn) as kept:
        kept.know(tree)
        yield Session(kept)


def _changes(
    asked: "Asked",
    tree: "Folder",
    held: ExitStack,
    rules: "Sequence[Rule]",
    only_new: bool,
    mailback: bool,
    progress: "Callable[[str], None]",
    session: "Session",
) -> "list[ChangeReport]":
    """Return what the changes asked for bring; none for a mail without, with mailback.

    held: keeps open what their trees are read from.
    """
    from xfrmlint.change.asked import steps_of
    from xfrmlint.change.judged import judged
    from xfrmlint.tree.patch import NoPatch

    try:
        steps = steps_of(asked, tree, held)
    except NoPatch:
        if mailback:
            return []
        raise
    return [judged(step, rules, only_new, progress, session) for step in steps]


def _print_differences(
    tree: "Folder",
    commands: Path | None,
    inside: "Callable[[str], bool]",
    progress: "Callable[[str], None]",
) -> int:
    """Print where tree-sitter and libclang differ."""
    from xfrmlint.confirmation.compare import differences
    from xfrmlint.report.comparison import render

    found = [one for one in differences(tree, commands, progress) if inside(one.path)]
    _print(render(found))
    return FINDINGS if found else CLEAN


def _confirmed(
    change: "ChangeReport", commands: Path | None, progress: "Callable[[str], None]"
) -> "ChangeReport":
    """Ask libclang about what a change brings."""
    from xfrmlint.confirmation.run import confirmed_of

    if not change.told:
        return change
    return change.telling(
        confirmed_of(change.step.after, change.report, commands, progress, change.scope.folders)
    )


def _rules(folders: Sequence[Path]) -> "list[Rule]":
    from xfrmlint.rules import load_rules, rules_folder

    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    return load_rules([rules_folder(), *folders])


def _types(named: Sequence[str], rules: "Sequence[Rule]") -> frozenset[str]:
    """Return the types of --types and --ignore; a type that does not exist is an error."""
    found = {name.strip().upper() for text in named for name in text.split(",") if name.strip()}
    strange = sorted(found - {rule.type for rule in rules})
    if strange:
        raise InputError(f"{', '.join(strange)}: no such type; xfrmlint check --list-types")
    return frozenset(found)


def _tree_and_paths(named: Sequence[str], gone: bool = False) -> "tuple[Folder, list[str]]":
    """Return the tree and the paths in it (relative to its root) that the arguments mean.

    gone: whether a path may be missing; a patch can bring it, a commit can have removed it.
    """
    from xfrmlint.tree.folder import find_tree, is_tree, tree_around

    rest = list(named)
    if rest and is_tree(Path(rest[0])):
        tree = find_tree(rest.pop(0))
    else:
        for path in rest:
            if not gone and not os.path.lexists(path):
                raise InputError(f"{path}: no such file or folder")
        root = tree_around(Path(rest[0]).absolute().parent) if rest else None
        # With no tree around, the folder named was meant as one: say what it lacks.
        tree = find_tree(str(root) if root else rest[0] if rest else None)
    within = []
    for path in rest:
        # `check linux drivers/net` means the folder of that tree.
        full = Path(path) if os.path.lexists(path) else tree.root / path
        if not os.path.lexists(full):
            if not gone:
                raise InputError(f"{path}: no such file or folder")
            here = Path(os.path.realpath(path))
            full = here if here.is_relative_to(tree.root) else full
        full = Path(os.path.realpath(full))
        if not full.is_relative_to(tree.root):
            raise InputError(f"{path}: not in the kernel tree {tree.root}")
        within.append(str(full.relative_to(tree.root)))
    return tree, within


def _refuse_unknown(
    within: Iterable[str], tree: "Folder", changes: "Iterable[ChangeReport]"
) -> None:
    touched = {path for c in changes for path in (*c.step.changed, *c.step.former)}
    for path in within:
        there = os.path.lexists(tree.root / path)
        if not there and not any(_below(one, [path]) for one in touched):
            raise InputError(f"{path}: no such file or folder")


def _below(path: str, within: Iterable[str]) -> bool:
    return any(w == "." or path == w or path.startswith(f"{w}/") for w in within)


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 120


class _Progress:
    """A line on a terminal once a run takes longer than a second; nothing anywhere else."""

    def __init__(self, quiet: bool) -> None:
        self._wanted = not quiet and sys.stderr.isatty()
        self._shown = False
        self._start = 0.0

    def __enter__(self) -> "Callable[[str], None]":
        import time

        self._start = time.monotonic()
        return self._show

    def _show(self, text: str) -> None:
        if self._wanted:
            import time

            if time.monotonic() - self._start > 1:
                self._shown = True
                sys.stderr.write(f"\r\x1b[Kxfrmlint: {text[:100]}")
                sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _print(lines: Iterable[str]) -> None:
    out = sys.stdout
    for line in lines:
        out.write(line + "\n")
    out.flush()


def _end(status: int, message: str = "") -> NoReturn:
    """Leave with a status; whatever is still buffered for a closed pipe is thrown away."""
    from xfrmlint.report.terminal import printable

    # A name in it may hold anything, a newline too.
    said = f"xfrmlint: {printable(message)}\n" if message else ""
    for stream, text in ((sys.stderr, said), (sys.stdout, "")):
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, stream.fileno())
            if status in (CLEAN, FINDINGS):
                status = FAILED
    sys.exit(status)


def _open_streams() -> None:
    """Let both streams take any text; one that was closed before the start takes it nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        reconfigure: Any = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status."""
    # What a run makes lives to its end: looking for cycles costs a twentieth of it for nothing.
    gc.disable()
    closed = sys.stdout is None
    _open_streams()
    if closed:
        _end(FAILED, "standard output is closed")
    try:
        status = cli.main(argv, prog_name="xfrmlint", standalone_mode=False)
    except SystemExit:
        # What click makes of a pipe that was closed, with a status that would look like findings.
        _end(CLOSED_PIPE)
    except click.exceptions.Exit as error:
        _end(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        _end(FAILED)
    except click.UsageError as error:
        where = f" {error.ctx.command.name}" if error.ctx and error.ctx.parent else ""
        _end(FAILED, f"{error.format_message()} (xfrmlint{where} --help)")
    except click.ClickException as error:
        _end(FAILED, error.format_message())
    except InputError as error:
        _end(FAILED, str(error))
    except (KeyboardInterrupt, click.Abort):
        _end(INTERRUPTED)
    except BrokenPipeError:
        _end(CLOSED_PIPE)
    except OSError as error:
        if error.errno == errno.EPIPE:
            _end(CLOSED_PIPE)
        _end(FAILED, f"{error.filename or 'output'}: {error.strerror}")
    except Exception as error:
        if os.environ.get("XFRMLINT_TRACEBACK"):
            import traceback

            traceback.print_exc()
        _end(
            FAILED,
            f"internal error: {type(error).__name__}: {error} "
            "(set XFRMLINT_TRACEBACK=1 to see where; please report it)",
        )
    _end(status if isinstance(status, int) else CLEAN)
