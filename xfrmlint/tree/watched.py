"""A tree that remembers what was asked of it: what was made of the answers holds while they do.

Whatever sees a tree only through this and is given the same answers again comes out the same. (The
idea is that of verifying traces: Mokhov, Mitchell, Peyton Jones, "Build systems à la carte", 4.2.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from xfrmlint.tree import Tree, Unreadable

_HEADERS = ("include/", "arch/")

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass
class Seen:
    """The questions that were put to a tree, and its answers.

    texts: path -> its content's digest, or `!` and why it can't be read. files: path -> whether it
    is one. folders: path -> the names in it. searches: (expression, folders) -> paths.
    changed: the tree gave two answers to one question, and so will never give both again.
    """

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, bool] = field(default_factory=dict)
    folders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    searches: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = field(default_factory=dict)
    changed: bool = False

    def may_hold(self, tree: Tree) -> bool:
        """Tell whether a tree gives the same answers, the searches apart: they take longest."""
        return (
            not self.changed
            and all(_digest(tree, path) == digest for path, digest in self.texts.items())
            and all(tree.is_file(path) == there for path, there in self.files.items())
            and all(tuple(tree.folder(path)) == names for path, names in self.folders.items())
        )

    def found_alike(self, tree: Tree) -> bool:
        """Tell whether searches of a tree find the same."""
        return all(tuple(tree.search(*asked)) == paths for asked, paths in self.searches.items())


class Watched:
    """A tree that notes in `seen` what is asked of another one.

    texts: the kernel's own headers with their digests, as they were read first; shared by those who
    watch one tree, each on its own account.
    """

    def __init__(self, below: Tree, texts: dict[str, tuple[bytes, str]] | None = None) -> None:
        self._below = below
        self._texts = texts if texts is not None else {}
        self.seen = Seen()

    @property
    def name(self) -> str:
        return self._below.name

    @property
    def problems(self) -> Mapping[str, str]:
        return self._below.problems

    def read(self, path: str) -> bytes:
        known = self._texts.get(path)
        if known is None:
            try:
                known = self._below.read(path), self._below.digest(path)
            except Unreadable as error:
                self._note(self.seen.texts, path, f"!{error}")
                raise
            if path.startswith(_HEADERS):
                self._texts[path] = known
        self._note(self.seen.texts, path, known[1])
        return known[0]

    def digest(self, path: str) -> str:
        self._note(self.seen.texts, path, _digest(self._below, path))
        return self._below.digest(path)

    def is_file(self, path: str) -> bool:
        found = self.seen.files.get(path)
        if found is None:
            found = self.seen.files[path] = self._below.is_file(path)
        return found

    def folder(self, path: str) -> Sequence[str]:
        found = self._below.folder(path)
        self._note(self.seen.folders, path, tuple(found))
        return found

    def search(self, pattern: str, under: Sequence[str] = ()) -> Sequence[str]:
        found = self._below.search(pattern, under)
        self._note(self.seen.searches, (pattern, tuple(under)), tuple(found))
        return found

    def _note(self, answers: dict[Question, Answer], question: Question, answer: Answer) -> None:
        if answers.setdefault(question, answer) != answer:
            self.seen.changed = True


def _digest(tree: Tree, path: str) -> str:
    try:
        return tree.digest(path)
    except Unreadable as error:
        return f"!{error}"


def as_data(seen: Seen) -> dict[str, Any]:
    """Return what was seen as JSON can hold it; seen_of() makes it what it was."""
    # What could be read is a file; a digest has no `!`.
    files = {
        path: there
        for path, there in seen.files.items()
        if not there or seen.texts.get(path, "!").startswith("!")
    }
    searches = [[text, under, paths] for (text, under), paths in seen.searches.items()]
    return {
        "texts": seen.texts,
        "files": files,
        "folders": seen.folders,
        "searches": searches,
        "changed": seen.changed,
    }


def seen_of(data: Any) -> Seen:
    """Return what as_data() was made of; raises TypeError, KeyError and the like for others."""
    return Seen(
        data["texts"],
        data["files"],
        {path: tuple(names) for path, names in data["folders"].items()},
        {(text, tuple(under)): tuple(paths) for text, under, paths in data["searches"]},
        data["changed"],
    )
