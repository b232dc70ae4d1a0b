"""Which changes a command line asks for, and their steps."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xfrmlint.errors import InputError

# What reads changes is imported where there is one.
if TYPE_CHECKING:
    from xfrmlint.change.step import Step
    from xfrmlint.git.patch import Patch
    from xfrmlint.git.repository import Repository
    from xfrmlint.tree.folder import Folder

STDIN = "-"


class Asked(NamedTuple):
    """What --patch, --git, --staged and --base say; base is a revision, or empty."""

    patches: tuple[str, ...] = ()
    revisions: tuple[str, ...] = ()
    staged: bool = False
    base: str = ""


def asked_of(
    patches: Sequence[str], revisions: Sequence[str], staged: bool, base: str | None, new: bool
) -> Asked | None:
    """Return what is asked for, None if that is no change; new: whether --new-only was given.

    Raises InputError for ways that exclude each other.
    """
    given = {"--patch": patches, "--git": revisions, "--staged": staged, "--base": base is not None}
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        raise InputError(f"{' and '.join(names)} exclude each other")
    if base == "":
        raise InputError("--base: no such commit")
    if not names and new:
        base = "HEAD"
    elif not names:
        return None
    return Asked(tuple(patches), tuple(revisions), staged, base or "")


def steps_of(asked: Asked, tree: "Folder", open_while: ExitStack) -> "Iterable[Step]":
    """Return the steps asked for, in their order.

    open_while: holds open what their trees are read from. Raises InputError for patches that can't
    be read or don't fit, NoPatch where there is none, and for what git doesn't know.
    """
    from xfrmlint.change import history, series

    if asked.patches:

        def repository() -> "Repository | None":
            try:
                return open_while.enter_context(history.repository_of(tree.root))
            except InputError:
                return None

        return series.steps_of(tree, list(_patches(asked.patches)), repository)
    git = open_while.enter_context(history.repository_of(tree.root))
    if asked.revisions:
        return history.commits(git, asked.revisions)
    return [history.staged(git) if asked.staged else history.since(git, tree, asked.base)]


def _patches(named: Sequence[str]) -> "Iterable[Patch]":
    from xfrmlint.git.patch import NoPatch, series_at, series_of

    names = list(dict.fromkeys(named))
    for name in names:
        try:
            yield from series_of(_stdin(), STDIN) if name == STDIN else series_at(Path(name))
        except NoPatch as error:
            # *.patch is the cover letter, too.
            if not error.is_cover or len(names) == 1:
                raise


def _stdin() -> bytes:
    from xfrmlint.git.mail import LARGEST
    from xfrmlint.git.patch import unpacked

    if sys.stdin is None:
        raise InputError("standard input is closed")
    return unpacked(sys.stdin.buffer.read(LARGEST + 1))
