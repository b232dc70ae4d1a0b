"""What several commands take, and how they print."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xfrmlint.errors import InputError

if TYPE_CHECKING:
    from xfrmlint.contract.revisions import Names
    from xfrmlint.memory.gather import Session
    from xfrmlint.rules import Rule
    from xfrmlint.tree.folder import Folder

# The exit statuses.
CLEAN, FINDINGS, FAILED, INTERRUPTED, CLOSED_PIPE = 0, 1, 2, 130, 141

STATUSES = {
    CLEAN: "clean",
    FINDINGS: "findings at or above --fail-on (default: WARNING)",
    FAILED: "could not run",
    INTERRUPTED: "interrupted",
    CLOSED_PIPE: "the pipe that is written to was closed",
}


class Grouped(click.Command):
    """A command whose options are shown in groups. groups: a title, and its options' names."""

    def __init__(self, *arguments: Any, groups: Mapping[str, Sequence[str]], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.groups = groups

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options below the titles of their groups; what is in none stands last."""
        records = {
            param.name: record
            for param in self.get_params(ctx)
            if isinstance(param, click.Option)
            and (record := param.get_help_record(ctx)) is not None
        }
        named = {name for names in self.groups.values() for name in names}
        rest = [name for name in records if name not in named]
        for title, names in {**self.groups, "Other": rest}.items():
            rows = [records[name] for name in names if name in records]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


rules_option = click.option(
    "--rules",
    "rule_folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Add the rules (*.toml) of a folder; one of the same type replaces a bundled one.",
)


cache_option = click.option(
    "--cache/--no-cache",
    "cached",
    default=True,
    help="Remember what was found out (see xfrmlint cache), or don't.",
)


models_option = click.option(
    "--models",
    "models",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Add what a vendor's own functions do (as xfrmlint/kernel/functions.toml has it).",
)


contract_option = click.option(
    "--contract",
    "contract",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take the names of a file for what the tree calls the contract's members and slots.",
)


def names_of_contract(
    tree: "Folder", file: Path | None, no_config: bool = False, changes: bool = False
) -> "Names":
    """Return the names that a file and the tree's own settings give to what has a role.

    The file wins. changes: to the tree are judged, which can bring what is named: whether the
    headers have it is asked later. Raises InputError for a name that the tree's headers don't have.
    """
    from xfrmlint.contract.revisions import NO_NAMES, names_of
    from xfrmlint.triage.config import load_names

    named, own = NO_NAMES, NO_NAMES
    if file is not None:
        try:
            named = names_of(file.read_bytes())
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}") from error
        except InputError as error:
            raise InputError(f"{file}: {error}") from None
    if not no_config:
        own = load_names(tree)
    names = named.over(own)
    if names != NO_NAMES and not changes:
        from xfrmlint.analysis.parts import refuse_strange

        refuse_strange([tree], names)
    return names


def take_models(files: Sequence[Path]) -> str:
    """Use the rows of a vendor's files in this run; return what tells it from runs with others."""
    if not files:
        return ""
    from hashlib import blake2b

    from xfrmlint.kernel.functions import read_models, use_models

    texts = []
    for file in files:
        try:
            texts.append(file.read_text("utf-8"))
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: no UTF-8 at byte {error.start}") from error
    use_models(*map(read_models, texts, map(str, files)))
    return blake2b(repr(texts).encode(), digest_size=16).hexdigest()


@contextmanager
def session_of(
    tree: "Folder", cached: bool, quiet: bool, models: str = "", names: "Names | None" = None
) -> "Iterator[Session]":
    """Give what runs over a tree share; what is new is kept for the next one.

    models: see take_models(). names: see names_of_contract().
    """
    from xfrmlint.contract.revisions import NO_NAMES
    from xfrmlint.memory.cache import Cache, place_outside
    from xfrmlint.memory.gather import Session
    from xfrmlint.report.terminal import printable

    def warn(text: str) -> None:
        if not quiet:
            sys.stderr.write(f"xfrmlint: {printable(text)}\n")

    with Cache(place_outside(tree.root) if cached else None, warn, models) as kept:
        kept.know(tree)
        yield Session(kept, names or NO_NAMES)


def rules_of(folders: Sequence[Path]) -> "list[Rule]":
    from xfrmlint.rules import load_rules, rules_folder

    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    return load_rules([rules_folder(), *folders])


def tree_and_paths(named: Sequence[str], gone: bool = False) -> "tuple[Folder, list[str]]":
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
            raise InputError(
                f"{path}: not in the kernel tree {tree.root} (patches are named with --patch)"
            )
        within.append(str(full.relative_to(tree.root)))
    return tree, within


def name_from_here(tree: "Folder") -> "Callable[[str], str]":
    """Return what calls a tree's files by names that open from the working directory.

    A tree that lies apart from it is called by its whole name.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return lambda path: str(tree.root / path)
    root = str(tree.root)
    near = Path(here).is_relative_to(root) or Path(root).is_relative_to(here)
    return lambda path: os.path.relpath(tree.root / path, here) if near else f"{root}/{path}"


def tree_around_named(named: str | None) -> "Folder":
    """Return the tree that is named, or the one around what is named; else around the folder."""
    return tree_and_paths([named] if named is not None else [])[0]


def lines_of(tree: "Folder") -> "Callable[[str, int], str]":
    """Return what gives the code on a line of a tree's file; nothing of one that can't be read."""
    from functools import cache

    from xfrmlint.c.text import without_comments
    from xfrmlint.tree import Unreadable
    from xfrmlint.tree.lines import line_text

    @cache
    def text(path: str) -> bytes:
        try:
            return without_comments(tree.read(path).replace(b"\0", b" "))
        except Unreadable:
            return b""

    return lambda path, line: line_text(text(path), line)


def below(path: str, within: Iterable[str]) -> bool:
    return any(w == "." or path == w or path.startswith(f"{w}/") for w in within)


class Progressing:
    """A line on a terminal once a run takes longer than a second; nothing anywhere else."""

    def __init__(self, quiet: bool) -> None:
        self._wanted = not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
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


def likely(name: str, known: Iterable[str]) -> str:
    """Return which of the names that exist was meant, as a question in parentheses; or nothing."""
    from difflib import get_close_matches

    names = list(known)
    meant = get_close_matches(name, names, 1) or [
        one for one in names if len(name) > 3 and name in one
    ]
    return f" (did you mean {meant[0]}?)" if meant else ""


def paged(text: str) -> None:
    """Print a text, page by page where somebody sits at a terminal that can do it."""
    if sys.stdout.isatty() and sys.stdin is not None and sys.stdin.isatty():
        click.echo_via_pager(text)
    else:
        printed([text.removesuffix("\n")])


def printed(lines: Iterable[str]) -> None:
    out = sys.stdout
    for line in lines:
        out.write(line + "\n")
    out.flush()
