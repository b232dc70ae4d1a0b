"""One change of a tree, and where its lines stand in the text that brought it."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from xfrmlint.change.scope import Scope
from xfrmlint.git.overlay import Change
from xfrmlint.git.patch import Hunk, Patch
from xfrmlint.tree import Tree

# What a kernel is built from, as far as it is looked into.
BUILT_FROM = re.compile(r"\.[ch]$|(?:^|/)(?:Makefile|Kbuild)$")


class Step(NamedTuple):
    """One change of a tree: a patch, a commit, what is staged.

    name: as checkpatch's prefix has it, the patch's file, - or the commit's full name; empty for
    what is neither. label: what a message calls it. title: its subject. changed, former: how files
    differ, by their path after and before. has_text: whether their Places are lines of a patch;
    places: such a line, + or context, by the path and number that it has after the change. lines:
    how many lines changed, with those around them in a patch. scope: what it can touch, where that
    is known. beside: the same change against a merge's other parents; it brings what is new to all.
    """

    name: str
    label: str
    title: str
    before: Tree
    after: Tree
    changed: Mapping[str, Change]
    former: Mapping[str, Change]
    has_text: bool
    places: Mapping[tuple[str, int], int]
    lines: int
    scope: Scope | None = None
    beside: "tuple[Step, ...]" = ()

    @property
    def differs(self) -> bool:
        """Whether any file is another one after it."""
        return bool(self.changed or self.former)


def places_of(patch: Patch, changed: Mapping[str, Change]) -> dict[tuple[str, int], int]:
    """Return which + or context line of a patch's text a line after it is: (path, line) -> line.

    changed: what overlay.laid() made of this patch alone.
    """
    found: dict[tuple[str, int], int] = {}
    for file in patch.files:
        change = changed.get(file.new or "")
        if change is None or file.new is None:
            continue
        # Where a hunk came to lie its changed lines tell, whatever its header says.
        new_of = {place.line: number for number, place in change.added.items()}
        old_of = {place.line: number for number, place in change.removed.items()}
        for hunk in file.hunks or ():
            for text, number in _numbered(hunk, "+", new_of):
                found.setdefault((file.new, number), text)
            for text, number in _numbered(hunk, "-", old_of):
                now = change.new_line(number)
                if now is not None:
                    found.setdefault((file.new, now), text)
    return found


def _numbered(hunk: Hunk, sign: str, known: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Yield (line of the patch, line of the file) for the lines of a hunk's new or old side.

    sign: + for the new side, - for the old. known: the same for lines with that sign.
    """
    side = [line.line for line in hunk.lines if line.sign in (" ", sign)]
    first = next((known[line] - at for at, line in enumerate(side) if line in known), None)
    if first is not None:
        yield from ((line, first + at) for at, line in enumerate(side))


def place_now(change: Change, number: int) -> tuple[str, int]:
    """Return where a line that is gone had its place; in a file that is gone, its own."""
    if change.new is None:
        return change.old or "", number
    above = max((s for s in change.same if s.old <= number), default=None)
    return change.new, above.new + above.length - 1 if above is not None else 1


def lines_of(patch: Patch) -> int:
    """Return how many lines checkpatch counts in a patch: those of its hunks."""
    return sum(len(hunk.lines) for file in patch.files for hunk in file.hunks or ())
