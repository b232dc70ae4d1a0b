"""A kernel tree inside a git repository: a commit, or the index, read from git's objects.

Running git in a repository that somebody else wrote runs what its configuration says (fsmonitor,
filters, textconv, gpg). So the repository itself is only asked where its objects are and what a
revision means, which runs nothing; everything else is asked of an empty repository of our own (in
empty/) that borrows those objects and has no configuration at all. git itself is found outside the
tree, gets a deadline for every answer, and ends with us.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from xfrmlint.errors import InputError
from xfrmlint.git.index import entries, unedited
from xfrmlint.git.mail import LARGEST
from xfrmlint.git.objects import Missing, Objects
from xfrmlint.git.place import refuse_devices
from xfrmlint.programs import Answering, output_of, program
from xfrmlint.tree import Unreadable
from xfrmlint.tree.digest import blob_name
from xfrmlint.tree.search import files_with

_SAFE = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    *("-c", "log.showSignature=false", "-c", "protocol.allow=never"),
    # What is larger is not read to be compared.
    *("-c", "core.bigFileThreshold=64m"),
    "--no-optional-locks",
    "--no-replace-objects",
)
_COUNTED = re.compile(r"^(?P<revision>.+?)-(?P<count>\d+)$")
_UNMERGED = re.compile(rb"(?:^|\0):[^\0]* U\0([^\0]+)")
_LARGEST = 64 << 20
# Of a commit's or a tree's object: the largest folder of a kernel has 100 KB.
_LARGEST_TREE = 4 << 20
_FEW = 500
# Bytes of a list of files; that of a kernel has ten millions.
_LARGEST_LIST = 64 << 20
# Seconds that git has: to say what a name means, to give an object, to compare two trees.
_SOON = 20
_LATER = 30
_LATEST = 120
_DAMAGED = "git can't read it (is it damaged?)"
_EMPTY = Path(__file__).parent / "empty"


BARE = "a bare repository has no files; git worktree add ../linux HEAD makes a folder with them"


class Changed(NamedTuple):
    """A path that differs between two trees. before: its old name, empty if it is new.

    after: its name now, empty if it was deleted.
    """

    before: str
    after: str


class Revision(NamedTuple):
    """A commit by its full name, its first parent's (empty for a root), and its subject.

    others: a merge's other parents. in_range: whether what these brought is asked for, too.
    """

    commit: str
    parent: str
    subject: str
    others: tuple[str, ...] = ()
    in_range: bool = False


class Repository:
    """A git repository around a folder; use it as a context manager.

    top: of its work tree. Raises InputError where there is none, or git refuses it.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        self._folder = folder
        git = program("git", os.path.realpath(folder))
        if git is None:
            raise InputError("git is not installed; it is needed for --git and --staged")
        self._git = [git, *_SAFE]
        refuse_devices(folder)
        lines = self._asked(
            "rev-parse",
            "--path-format=absolute",
            "--show-toplevel",
            "--git-path",
            "objects",
            "--git-path",
            "shallow",
            "--git-path",
            "index",
            "--show-object-format",
        ).splitlines()
        if len(lines) != 5:
            raise InputError("git says something else than where its repository is")
        top, objects, shallow, index, self._format = lines
        self.top = Path(top)
        # git commit PATH runs hooks with an index of its own.
        self.index = Path(self._environment.get("GIT_INDEX_FILE") or index)
        if not self.index.is_absolute():
            self.index = self.top / self.index
        self._empty = _EMPTY / self._format
        self._objects = objects
        self._shallow = shallow if os.path.exists(shallow) else ""
        self._readers: dict[str, Answering] = {}
        self._checked_out: dict[str, dict[str, str]] = {}
        self._in_folder: dict[tuple[str, tuple[str, ...]], frozenset[str]] = {}
        self._listings: dict[str, list[tuple[str, str]]] = {}
        # (expression, object) -> whether it is in there.
        self.searched: dict[tuple[str, str], bool] = {}

    def __enter__(self) -> "Repository":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes that read objects."""
        for reader in self._readers.values():
            reader.end()
        self._readers.clear()

    def _plain(self) -> dict[str, str]:
        """Return the environment without anything that would redirect git."""
        kept = {k: v for k, v in self._environment.items() if not k.startswith("GIT_")}
        return {
            **kept,
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }

    def _borrowing(self) -> dict[str, str]:
        found = {
            **self._plain(),
            "GIT_DIR": str(self._empty),
            "GIT_OBJECT_DIRECTORY": self._objects,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        if self._shallow:
            found["GIT_SHALLOW_FILE"] = self._shallow
        return found

    def _asked(self, *arguments: str) -> str:
        """Ask the repository itself: only what runs nothing of it."""
        return self._run(arguments, self._plain(), self._folder, _SOON).decode(
            "utf-8", "surrogateescape"
        )

    def _borrowed(self, *arguments: str, **more: str) -> bytes:
        """Ask the empty repository."""
        return self._run(arguments, {**self._borrowing(), **more}, self._empty, _LATEST)

    def _run(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float
    ) -> bytes:
        command = [*self._git, *arguments]
        try:
            found = output_of(command, environment, folder, seconds, _LARGEST_LIST)
        except InputError as error:
            raise InputError(
                BARE if "must be run in a work tree" in str(error) else error
            ) from None
        if found is None:
            what = f"git {arguments[0]} says more than {_LARGEST_LIST >> 20} MiB"
            raise InputError(f"{what}: more than a kernel has")
        return found

    # -- revisions

    def commit(self, revision: str) -> str:
        """Return a revision's full commit name; raises InputError for one that is none."""
        ask = ("rev-parse", "--verify", "--end-of-options")
        try:
            # The text of `:/text` goes on to the end.
            found = self._asked(*ask, revision).strip() if ":/" in revision else revision
            return self._asked(*ask, f"{found}^{{commit}}").strip()
        except InputError as error:
            why = "" if "Needed a single revision" in str(error) else f" ({error})"
            raise InputError(f"{revision}: no such commit{why}") from None

    def revisions(self, asked: str) -> list[Revision]:
        """Return the commits that REV, A..B or REV-COUNT mean, oldest first.

        REV-COUNT leaves merges out, as in checkpatch. One that is named is what it brings to its
        first parent.
        """
        try:
            return self._revisions(asked)
        except InputError as error:
            raise InputError(f"{error}; --git takes REV, A..B or REV-COUNT") from None

    def _revisions(self, asked: str) -> list[Revision]:
        counted = _COUNTED.match(asked)
        # A^!: A without its parents.
        asked = asked.removesuffix("^!")
        if ".." in asked and not asked.startswith(":/"):
            first, _, last = asked.partition("..")
            span = [f"^{self.commit(first or 'HEAD')}", self.commit(last.lstrip(".") or "HEAD")]
            limits = []
        elif counted is not None and not self._is_commit(asked):
            # As checkpatch -g takes it: the last COUNT commits.
            span = [self.commit(counted["revision"])]
            limits = ["--no-merges", f"--max-count={counted['count']}"]
        else:
            span = [self.commit(asked)]
            limits = ["--max-count=1"]
        listed = self._borrowed("rev-list", "--reverse", "--parents", *limits, *span).decode()
        found = []
        for line in listed.splitlines():
            name, *parents = line.split()
            first, others = parents[0] if parents else "", tuple(parents[1:])
            found.append(Revision(name, first, self.subject(name), others, not limits))
        if not found:
            raise InputError(f"{asked}: no commits in there")
        return found

    def _is_commit(self, revision: str) -> bool:
        try:
            self.commit(revision)
        except InputError:
            return False
        return True

    def subject(self, commit: str) -> str:
        """Return the first line of a commit's message."""
        message = self.object(commit).partition(b"\n\n")[2]
        return message.partition(b"\n")[0].decode("utf-8", "surrogateescape")

    def has_parents(self, commit: str) -> bool:
        """Tell whether a commit says that it has parents; a shallow clone lacks them."""
        head = self.object(commit).partition(b"\n\n")[0]
        return re.search(rb"^parent ", head, re.M) is not None

    # -- what changed

    def changed(self, before: str, after: str) -> list[Changed]:
        """Return the files that differ between two commits; before: empty for the empty tree."""
        if not before:
            raw = self._borrowed(
                "diff-tree", "-r", "--root", "--no-commit-id", "-z", "--raw", after
            )
        else:
            raw = self._borrowed("diff-tree", "-r", "-M", "-z", "--raw", before, after)
        return list(_raw(raw))

    def staged(self, since: str = "") -> list[Changed]:
        """Return the files that differ between a commit (else HEAD, if there is one) and the index.

        Raises InputError for an index with conflicts.
        """
        raw = self._borrowed(
            *("diff-index", "--cached", "-M", "-z", "--raw", since or self.head(), "--"),
            GIT_INDEX_FILE=str(self.index),
        )
        if (conflict := _UNMERGED.search(raw)) is not None:
            raise InputError(f"{os.fsdecode(conflict.group(1))}: not merged; resolve it first")
        return list(_raw(raw))

    def head(self) -> str:
        """Return HEAD's commit, or the empty tree where there is none yet."""
        try:
            return self.commit("HEAD")
        except InputError:
            return self.nothing

    @property
    def nothing(self) -> str:
        """The name of the empty tree."""
        return hashlib.new(self._format, b"tree 0\0").hexdigest()

    def patch(self, commit: str) -> bytes | None:
        """Return a commit as `checkpatch -g` reads it; None if it is larger than any patch.

        What the repository says of attributes and drivers has no say in it.
        """
        command = ("format-patch", "-M", "--stdout", "--text", "--no-ext-diff", "--no-textconv")
        try:
            return output_of(
                [*self._git, *command, "-1", commit],
                self._borrowing(),
                self._empty,
                _LATEST,
                LARGEST,
            )
        except InputError as error:
            raise InputError(
                f"{error}; are all objects here (no partial clone)? "
                "git fetch --refetch --no-filter gets them"
            ) from None

    def listed(self, *arguments: str) -> bytes:
        """Return what `git ls-files` says of the index; nothing of the work tree is looked at."""
        return self._borrowed(
            *("ls-files", *arguments),
            GIT_INDEX_FILE=str(self.index),
            GIT_WORK_TREE=str(self._empty),
        )

    def name_of(self, data: bytes) -> str:
        """Return the name of a file's object."""
        return blob_name(data, self._format)

    def tree(self, commit: str) -> Objects:
        """Return the tree of a commit; of `nothing` the empty one."""
        return Objects(self, f"{commit}^{{tree}}", commit[:12])

    def staged_tree(self, changed: Sequence[Changed]) -> Objects:
        """Return HEAD's tree with what is staged in place of what it changes."""
        staged = Objects(self, f"{self.head()}^{{tree}}", "the index")
        names = {c.after for c in changed if c.after}
        if not names:
            # No name at all would mean all of them.
            for change in changed:
                staged.remove(change.before)
            return staged
        # More than a command line holds are picked out of all.
        few = sorted(names) if len(names) <= _FEW else []
        listed = self.listed("--stage", "-z", "--", *(f":(literal){name}" for name in few))
        for record in listed.split(b"\0"):
            meta, _, path = record.partition(b"\t")
            if os.fsdecode(path) in names:
                mode, name, _stage = meta.decode().split()
                staged.replace(os.fsdecode(path), int(mode, 8), name)
        for change in changed:
            if change.before and change.before != change.after:
                staged.remove(change.before)
        return staged

    # -- objects

    @property
    def width(self) -> int:
        """How many bytes an object's name has."""
        return 20 if self._format == "sha1" else 32

    def checked_out(self, top: str) -> dict[str, str]:
        """Return what lies in the folder and is, by its stat data, what the index says.

        top: only files below this; empty for all. Path -> object.
        """
        if top not in self._checked_out:
            self._checked_out[top] = {
                path: entry.name
                for path, entry in entries(self, top)
                if path.endswith((".c", ".h")) and unedited(self.top, path, entry)
            }
        return self._checked_out[top]

    def in_folder(self, pattern: str, under: tuple[str, ...]) -> frozenset[str]:
        """Return what of the folder, as it lies there, holds an expression."""
        if (pattern, under) not in self._in_folder:
            found = files_with(self.top, pattern, under)
            self._in_folder[pattern, under] = frozenset(found.paths)
        return self._in_folder[pattern, under]

    def listing(self, name: str) -> list[tuple[str, str]]:
        """Return the C files and headers below a tree object: path from there, object."""
        if name not in self._listings:
            found = []
            for record in self._borrowed("ls-tree", "-r", "-z", name).split(b"\0"):
                meta, _, path = record.partition(b"\t")
                if path.endswith((b".c", b".h")) and meta.startswith(b"100"):
                    found.append((os.fsdecode(path), meta.split()[2].decode()))
            self._listings[name] = found
        return self._listings[name]

    def object(self, name: str) -> bytes:
        """Return an object's content; raises Unreadable where there is none, or too much of it."""
        if "\n" in name:
            raise Unreadable("a name with a line break")
        # What an object unpacks to is asked first: 9 MB can be 2 GiB.
        try:
            kind, size = self._head("--batch-check", name)
        except EOFError:
            self._readers.pop("--batch-check").end()
            raise Unreadable(_DAMAGED) from None
        most = _LARGEST if kind == "blob" else _LARGEST_TREE
        if size > most:
            raise Unreadable(f"larger than {most >> 20} MiB")
        try:
            if self._head("--batch", name) == (kind, size):
                return self._readers["--batch"].exactly(size + 1)[:-1]
        except EOFError:
            self._readers.pop("--batch").end()
        raise Unreadable(_DAMAGED)

    def _head(self, form: str, name: str) -> tuple[str, int]:
        """Return an object's kind and size, as `git cat-file` says them in one of its forms."""
        if form not in self._readers:
            command = [*self._git, "cat-file", form]
            self._readers[form] = Answering(command, self._borrowing(), self._empty, _LATER)
        reader = self._readers[form]
        reader.ask(os.fsencode(name) + b"\n")
        words = reader.line().split()
        if len(words) != 3 or not words[2].isdigit():
            raise Missing("no such object")
        return words[1].decode("ascii", "replace"), int(words[2])


def _raw(data: bytes) -> Iterator[Changed]:
    """Parse `git diff-tree -z --raw`."""
    fields = iter(data.split(b"\0"))
    for head in fields:
        if not head.startswith(b":"):
            continue
        status = head.split()[-1][:1]
        first = os.fsdecode(next(fields))
        if status in (b"R", b"C"):
            second = os.fsdecode(next(fields))
            yield Changed(first if status == b"R" else "", second)
        elif status == b"A":
            yield Changed("", first)
        elif status == b"D":
            yield Changed(first, "")
        else:
            yield Changed(first, first)
