"""Steps out of a git repository: commits, what is staged, what the folder has beyond a revision."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from xfrmlint.errors import InputError
from xfrmlint.series import step_of
from xfrmlint.step import BUILT_FROM, Step
from xfrmlint.tree import Tree
from xfrmlint.tree.commit import Repository, Revision
from xfrmlint.tree.compare import compared
from xfrmlint.tree.folder import Folder
from xfrmlint.tree.overlay import laid
from xfrmlint.tree.patch import series_of
from xfrmlint.tree.worktree import before as folder_before


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
    before = repository.tree(revision.parent or repository.nothing)
    after = repository.tree(revision.commit)
    label = f'Commit {revision.commit[:12]} ("{revision.subject}")'
    try:
        data = repository.patch(revision.commit)
        if data is not None:
            (patch, *_) = series_of(data, revision.commit)
            # The trees are git's own; the patch says which line is which.
            found = laid(before, [patch], False)._replace(after=after)
            return step_of(patch, found, label)._replace(title=revision.subject)
    except InputError:
        # A commit of nothing, or one that no mail can carry.
        pass
    changed = repository.changed(revision.parent, revision.commit)
    files = [
        (one.before, one.after) for one in changed if BUILT_FROM.search(one.after or one.before)
    ]
    return _compared(label, revision.subject, before, after, files)._replace(name=revision.commit)


def staged(repository: Repository) -> Step:
    """Return what is staged as a step from HEAD."""
    changed = repository.staged()
    before, after = repository.tree(repository.head()), repository.staged_tree(changed)
    return _compared("The index", "", before, after, changed)


def since(repository: Repository, tree: Folder, revision: str) -> Step:
    """Return the folder as it is as a step from a revision; HEAD may have no commit yet."""
    head = revision == "HEAD"
    base = repository.head() if head else repository.commit(revision)
    before, paths = folder_before(repository, tree, base)
    files = [(path, path) for path in paths]
    return _compared("The work tree", "", before, tree, files)


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
