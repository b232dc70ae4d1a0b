"""Patches as steps: each judged against the tree as the patches before it leave it."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from xfrmlint.change.step import Step, lines_of, places_of
from xfrmlint.errors import InputError
from xfrmlint.git.overlay import Laid, laid
from xfrmlint.git.patch import FLOWED, FileChange, Patch, series_of
from xfrmlint.git.repository import Repository, Revision
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder

# How far back the commit is looked for that a patch, which fits no longer, was made from.
_COMMITS = 200
_BRACKETS = re.compile(r"^(?:\s*\[[^\]]*\])+")


def steps_of(
    tree: Folder, series: Sequence[Patch], repository: Callable[[], Repository | None]
) -> list[Step]:
    """Return the steps of patches, in their order, laid over a tree or contained in it.

    repository: gives the tree's, if it is in one; it has to stay open as long as the steps do. A
    tree can contain the first ones of a series alone. A
    single patch that the tree contains can be one of a series whose later patches stand on top of
    it, and may have changed the same lines: its commit is then looked for among the last ones, and
    judged. Raises InputError for a patch that doesn't fit.
    """
    try:
        contained = _contained(tree, series)
    except InputError as error:
        git = repository()
        found = _committed(git, series[0]) if len(series) == 1 else None
        if found is None:
            reasons = "".join(f"; {reason}" for reason in _reasons(series, git))
            raise InputError(f"{error}{reasons}") from None
        return [found]
    if contained and len(series) == 1:
        # Later ones of its series may stand on top of it.
        found = _committed(repository(), series[0])
        if found is not None:
            return [found]
    # Of several patches each has trees of its own; the line maps are between those.
    steps: list[Step] = []
    around: Tree = tree
    for patch in reversed(series[:contained]):
        one = laid(around, [patch], True)
        around = one.before
        steps.insert(0, step_of(patch, one, _label(patch, series)))
    around = tree
    for patch in series[contained:]:
        one = laid(around, [patch], False)
        around = one.after
        steps.append(step_of(patch, one, _label(patch, series)))
    return steps


def _contained(tree: Tree, series: Sequence[Patch]) -> int:
    """Return how many of a series, from its first on, a tree contains; the others fit on it.

    Raises InputError where that is no number of them.
    """
    try:
        return len(series) if laid(tree, series).contained else 0
    except InputError:
        # As git am leaves it that stopped in the middle.
        for count in range(len(series) - 1, 0, -1):
            with suppress(InputError):
                laid(tree, series[:count], True)
                laid(tree, series[count:], False)
                return count
        raise


def _reasons(series: Sequence[Patch], repository: Repository | None) -> Iterator[str]:
    """Yield why patches may not fit a tree, the likeliest first."""
    if any(patch.flowed for patch in series):
        yield FLOWED.lstrip("; ")
    total = max(patch.total for patch in series)
    given = {patch.number for patch in series if patch.total}
    missing = [number for number in range(1, max(given, default=0)) if number not in given]
    if missing:
        named = ", ".join(f"{number}/{total}" for number in missing)
        yield f"what comes before it in its series is not given: {named}"
    base = next((patch.base for patch in series if patch.base), "")
    if not base:
        yield "was it made on another version of the tree? (it has no base-commit to tell)"
        return
    name = base[:12]
    if repository is not None and _has(repository, base):
        yield f"it was made on {name} (git worktree add ../base {name}, and check it there)"
    else:
        yield f"it was made on {name}, a commit that is not here"


def _has(repository: Repository, commit: str) -> bool:
    try:
        repository.commit(commit)
    except InputError:
        return False
    return True


def step_of(patch: Patch, found: Laid, label: str) -> Step:
    """Return the step of one patch that has been laid over a tree."""
    return Step(
        patch.name,
        label,
        patch.subject,
        found.before,
        found.after,
        found.changed,
        found.former,
        True,
        places_of(patch, found.changed),
        lines_of(patch),
    )


def _label(patch: Patch, series: Sequence[Patch]) -> str:
    """Return what a message calls a patch, as checkpatch does; a mailbox's are told apart."""
    if patch.name == "-":
        return f'"{patch.subject}"' if patch.subject else "Your patch"
    if patch.subject and sum(other.name == patch.name for other in series) > 1:
        return f'{patch.name} ("{patch.subject}")'
    return patch.name


def _committed(repository: Repository | None, patch: Patch) -> Step | None:
    """Return a patch as a step from the parent of the commit that it was made from."""
    if repository is None:
        return None
    try:
        revisions = repository.revisions(f"{repository.commit('HEAD')}-{_COMMITS}")
    except InputError:
        # There is no commit yet.
        return None
    for revision in reversed(revisions):
        if revision.parent and _is_commit_of(repository, revision, patch):
            found = laid(repository.tree(revision.parent), [patch], False)
            return step_of(patch, found, _label(patch, [patch]))
    return None


def _is_commit_of(repository: Repository, revision: Revision, patch: Patch) -> bool:
    start = " ".join(_BRACKETS.sub("", revision.subject).split())
    # A subject can go over several lines; what was sent has it in one.
    if not start or not patch.subject.startswith(start):
        return False
    try:
        (sent,) = series_of(repository.patch(revision.commit) or b"", revision.commit)
    except (InputError, ValueError):
        # A commit of nothing, or one that is too large to be sent.
        return False
    return sent.subject == patch.subject and _changed_lines(sent) == _changed_lines(patch)


def _changed_lines(patch: Patch) -> list[tuple[str | None, str | None, list[tuple[str, bytes]]]]:
    return [(file.old, file.new, list(_signed(file))) for file in patch.files]


def _signed(file: FileChange) -> Iterator[tuple[str, bytes]]:
    for hunk in file.hunks or ():
        yield from ((line.sign, line.text) for line in hunk.lines if line.sign != " ")
