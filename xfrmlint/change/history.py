"""Steps out of a git repository: commits, what is staged, what the folder has beyond a revision."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from xfrmlint.change.scope import scope_of
from xfrmlint.change.series import step_of
from xfrmlint.change.step import BUILT_FROM, Step
from xfrmlint.contract.words import WORDS
from xfrmlint.errors import InputError
from xfrmlint.findings import Unknown
from xfrmlint.git.compare import compared, read
from xfrmlint.git.index import entries
from xfrmlint.git.overlay import Laid, laid
from xfrmlint.git.patch import Patch, series_of
from xfrmlint.git.repository import Changed, Repository, Revision
from xfrmlint.git.sparse import left_out
from xfrmlint.git.worktree import before_and_after
from xfrmlint.kernel.places import vendor
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder

_DRIVERS = "drivers/net"


def repository_of(root: Path) -> Repository:
    """Return the repository of which a folder is the top; raises InputError if there is none."""
    try:
        repository = Repository(root)
    except InputError as error:
        raise InputError(f"{root}: {error}") from None
    if repository.top.resolve() != root:
        repository.close()
        raise InputError(f"{root}: not the top of its git work tree, {repository.top}")
    return repository


def commits(repository: Repository, asked: Iterable[str]) -> Iterator[Step]:
    """Yield a step for each commit that REV, A..B or REV-COUNT mean, oldest first, each once."""
    seen = set()
    for revision in [one for text in asked for one in repository.revisions(text)]:
        if revision.commit not in seen:
            seen.add(revision.commit)
            yield _commit(repository, revision)


def _commit(repository: Repository, revision: Revision) -> Step:
    if not revision.parent and repository.has_parents(revision.commit):
        raise InputError(
            f"{revision.commit[:12]}: a shallow clone without its parent; git fetch --deepen=1"
        )
    label = f'Commit {revision.commit[:12]} ("{revision.subject}")'
    if revision.others and revision.in_range:
        return _merge(repository, revision, label)
    before = repository.tree(revision.parent or repository.nothing)
    after = repository.tree(revision.commit)
    files = _built_from(repository, revision.parent, revision.commit)
    if revision.others:
        label += ", a merge, against its first parent,"
    found = _laid(repository.patch(revision.commit), revision.commit, before)
    if found is not None and _is_same(found[1], after, files):
        patch, laid_over = found
        # The trees are git's own; the patch says which line is which.
        step = step_of(patch, laid_over._replace(after=after), label)
        return step._replace(title=revision.subject)
    return _compared(label, revision.subject, before, after, files)._replace(name=revision.commit)


def _built_from(repository: Repository, before: str, after: str) -> list[Changed]:
    changed = repository.changed(before, after)
    return [one for one in changed if any(map(BUILT_FROM.search, one))]


def _merge(repository: Repository, revision: Revision, label: str) -> Step:
    """Return what a merge brings by itself: to each of its parents, whose commits are judged, too.

    Nothing of it lies where one of them is as the merge: the smallest difference says where.
    """
    after = repository.tree(revision.commit)
    parents = [revision.parent, *revision.others]
    files = {one: _built_from(repository, one, revision.commit) for one in parents}
    least = min(parents, key=lambda one: len(files[one]))
    scope = scope_of(repository.tree(least), after, [p for one in files[least] for p in one if p])

    def inside(some: Iterable[Changed]) -> list[Changed]:
        return [c for c in some if scope.everywhere or {vendor(p) for p in c} & {*scope.folders}]

    step, *others = [
        _compared(label, revision.subject, repository.tree(one), after, inside(files[one]))
        for one in parents
    ]
    label += ", a merge, what it brings itself,"
    return step._replace(name=revision.commit, label=label, scope=scope, beside=tuple(others))


def _laid(data: bytes | None, commit: str, before: Tree) -> tuple[Patch, Laid] | None:
    """Return a commit's patch laid over its parent; None for one that says nothing, or too much."""
    try:
        (patch,) = series_of(data or b"", commit)
        return patch, laid(before, [patch], False)
    except (InputError, ValueError):
        return None


def _is_same(found: Laid, after: Tree, files: Iterable[tuple[str, str]]) -> bool:
    """Tell whether a patch does what its commit does: a message can hold a diff, too."""
    names = {name for one in files for name in one if name}
    told = {name for name in (*found.changed, *found.former) if BUILT_FROM.search(name)}
    return told <= names and all(read(found.after, name) == read(after, name) for name in names)


def staged(repository: Repository) -> Step:
    """Return what is staged as a step from HEAD."""
    changed = repository.staged()
    before, after = repository.tree(repository.head()), repository.staged_tree(changed)
    return _compared("The index", "", before, after, changed)


def since(repository: Repository, tree: Folder, revision: str) -> Step:
    """Return the folder as it is as a step from a revision; HEAD may have no commit yet."""
    base = repository.head() if revision == "HEAD" else repository.commit(revision)
    return _compared("The work tree", "", *before_and_after(repository, tree, base))


def not_checked_out(folder: Folder) -> Iterator[Unknown]:
    """Yield a row for each driver's folder that a sparse checkout lacks, or lacks files of.

    Only of those that speak of the contract, where git has their text.
    """
    try:
        repository = repository_of(folder.root)
    except InputError:
        return
    with repository:
        missing = left_out(folder, dict(entries(repository)))
        drivers = {path for path in missing if path.startswith(f"{_DRIVERS}/")}
        # A partial clone has the names alone.
        with suppress(InputError):
            index = repository.staged_tree(repository.staged())
            drivers.intersection_update(index.search(WORDS, [_DRIVERS]))
    for path in sorted({vendor(path) for path in drivers}):
        yield Unknown(path, 0, "", f"not checked out: git sparse-checkout add {path}", True)
    if rest := len(missing) - len(drivers):
        yield Unknown(".", 0, "", f"{rest} more files are not checked out (a sparse checkout)")


def _compared(
    label: str, title: str, before: Tree, after: Tree, files: Iterable[tuple[str, str]]
) -> Step:
    """Return a step without a patch. files: old and new path of what may differ, or empty."""
    changes = compared(before, after, files)
    return Step(
        "",
        label,
        title,
        before,
        after,
        {change.new: change for change in changes if change.new is not None},
        {change.old: change for change in changes if change.old is not None},
        False,
        {},
        sum(len(change.added) + len(change.removed) for change in changes),
    )
