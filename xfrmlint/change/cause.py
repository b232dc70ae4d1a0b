"""Which line of a change made a finding new that stands on a line which the change left alone."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from xfrmlint.c.blanking import without_comments
from xfrmlint.change.step import Step, place_now
from xfrmlint.contract.words import MARK, WORDS
from xfrmlint.findings import Finding, Related, Report
from xfrmlint.git.overlay import Place
from xfrmlint.tree import Unreadable

# What the contract speaks of; a line with such a word is a likelier cause than one without.
_WORDS = re.compile(WORDS)


class Cause(NamedTuple):
    """The line of a change, as a related place. line: of the patch's text."""

    related: Related
    line: int


class _Line(NamedTuple):
    """A changed line. path, line: where to look for it after the change, if the file is left."""

    path: str
    line: int
    text: str
    place: Place
    removed: bool


class Causes:
    """What made findings new. after: the report of the tree after the change.

    brought: what of the contract the change brought, by the types of the rules that need it: where
    that is declared.
    """

    def __init__(
        self, step: Step, after: Report, brought: Mapping[str, Sequence[tuple[str, int]]]
    ) -> None:
        self._step = step
        self._after = after
        self._brought = brought
        self._texts: dict[tuple[bool, str], list[bytes]] = {}

    def of(self, finding: Finding) -> Cause | None:
        """Return the line that most likely brought a finding; None where the change has none.

        That is what of the contract its rule waited for, if the change brought that; else the first
        added line on the finding's way; else the one that sets its driver's flag;
        else one in its driver's folders, which speaks of the offload if there is such a line.
        """
        found = next(filter(None, (self._added(*place) for place in self._ways(finding))), None)
        if found is None:
            near = _folders(finding, self._after)
            found = min(self._lines, key=lambda line: _rank(finding, near, line), default=None)
        if found is None:
            return None
        title = self._step.title
        since = f'since "{title}"' if title else "since this change"
        gone = " (removed)" if found.removed else ""
        said = f"{since}{gone}: {found.text}"
        return Cause(Related(found.path, found.line, said), found.place.line)

    def _ways(self, finding: Finding) -> Iterator[tuple[str, int]]:
        yield from self._brought.get(finding.type, ())
        for chain in (finding.chain, *finding.more_chains):
            yield from ((hop.path, hop.line) for hop in chain)
        yield from ((place.path, place.line) for place in finding.related)
        for row in self._after.drivers:
            if row.driver == finding.driver:
                yield row.flag_path, row.flag_line

    def _added(self, path: str, number: int) -> _Line | None:
        change = self._step.changed.get(path)
        place = change.added.get(number) if change is not None else None
        text = self._text(True, path, number) if place is not None else ""
        return _Line(path, number, text, place, False) if place is not None and text else None

    @cached_property
    def _lines(self) -> list[_Line]:
        """The lines that the change added and removed, file by file."""
        found = []
        deleted = [change for change in self._step.former.values() if change.new is None]
        for change in [*self._step.changed.values(), *deleted]:
            for number, place in change.added.items():
                path = change.new or ""
                found.append(_Line(path, number, self._text(True, path, number), place, False))
            for number, place in change.removed.items():
                text = self._text(False, change.old or "", number)
                found.append(_Line(*place_now(change, number), text, place, True))
        # A comment brings nothing.
        return [line for line in found if line.text]

    def _text(self, after: bool, path: str, number: int) -> str:
        """Return the code on a line, or a comment for xfrmlint: its going brings findings."""
        if (after, path) not in self._texts:
            tree = self._step.after if after else self._step.before
            try:
                self._texts[after, path] = _code(tree.read(path))
            except Unreadable:
                self._texts[after, path] = []
        lines = self._texts[after, path]
        line = lines[number - 1] if number <= len(lines) else b""
        return " ".join(line.decode("utf-8", "replace").split())


def _code(data: bytes) -> list[bytes]:
    """Return the lines of a file without comments, but for those with a word for xfrmlint."""
    data = data.replace(b"\0", b" ")
    pairs = zip(data.split(b"\n"), without_comments(data).split(b"\n"), strict=True)
    return [line if MARK.encode() in line else code for line, code in pairs]


def _folders(finding: Finding, after: Report) -> set[str]:
    """Return where a finding's driver lives."""
    paths = [finding.path, *(row.path for row in after.drivers if row.driver == finding.driver)]
    return {posixpath.dirname(path) for path in paths}


def _rank(finding: Finding, near: set[str], line: _Line) -> tuple[bool, bool, bool, int]:
    """Return what is smaller the likelier a changed line is the cause; of equals the first is."""
    here = line.path == finding.path
    return (
        posixpath.dirname(line.path) not in near,
        _WORDS.search(line.text) is None,
        not here,
        abs(line.line - finding.line) if here else 0,
    )
