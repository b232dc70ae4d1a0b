"""Which line of a change made a finding new that stands on a line which the change left alone."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from xfrmlint.c.text import without_comments
from xfrmlint.change.broken import block_around, block_name, closing_lines
from xfrmlint.change.step import Step, place_now
from xfrmlint.contract.words import MARK, WORDS
from xfrmlint.findings import Finding, Related, Report
from xfrmlint.git.overlay import Place
from xfrmlint.tree import Unreadable

# What the contract speaks of.
_WORDS = re.compile(WORDS)
_WORD = re.compile(
    r"\b(?!(?:if|else|for|while|do|return|goto|struct|static|const|unsigned|int|long)\b)[A-Za-z_]\w*"
)


# A function by its file and name; of what stands outside of functions the name is empty.
_Item = tuple[str, str]


class Cause(NamedTuple):
    """The line of a change, as a related place. line: of the patch's text."""

    related: Related
    line: int


class _Line(NamedTuple):
    """A changed line. path, line: where to look for it after the change, if the file is left.

    around: what it is in. net: its words that this has more often since, or less. speaks: of these
    some are the contract's, or a function of the change's files that speaks of it.
    """

    path: str
    line: int
    text: str
    place: Place
    removed: bool
    around: _Item = ("", "")
    net: frozenset[str] = frozenset()
    speaks: bool = False


class Causes:
    """What made findings new. after: the report of the tree after the change.

    brought: what of the contract the change brought, by the types of the rules that need it: where
    that is declared. needed: the names of what they need.
    """

    def __init__(
        self,
        step: Step,
        after: Report,
        brought: Mapping[str, Sequence[tuple[str, int]]],
        needed: Mapping[str, frozenset[str]],
    ) -> None:
        self._step = step
        self._after = after
        self._brought = brought
        self._needed = needed
        self._texts: dict[tuple[bool, str], list[bytes]] = {}
        self._ends: dict[tuple[bool, str], tuple[list[int], dict[int, str]]] = {}

    def of(self, finding: Finding, touched: bool = False) -> Cause | None:
        """Return the line that brought a finding; None where none is seen to.

        That is what of the contract its rule waited for, if the change brought that; else the first
        added line on the finding's way, or the one that sets its driver's flag; else one that
        speaks of the same in the finding's function, or in those on its way; of a table one that
        names what the rule needs. touched: the finding's own line is the change's; what it lost
        can have brought it all the same.
        """
        ways = () if touched else self._ways(finding)
        found = next(filter(None, (self._added(*place) for place in ways)), None)
        if found is None:
            about = self._about_function if finding.function else self._about_table
            lines = [line for line in about(finding) if line.removed or not touched]
            found = min(lines, key=lambda line: _rank(finding, line), default=None)
        if found is None:
            return None
        title = self._step.title
        since = f'since "{title}"' if title else "since this change"
        gone = " (removed)" if found.removed else ""
        said = f"{since}{gone}: {found.text}"
        return Cause(Related(found.path, found.line, said), found.place.line)

    def _about_table(self, finding: Finding) -> Iterator[_Line]:
        """Yield the lines of a driver that name what a rule about its table needs."""
        near = {finding.path, *(r.path for r in self._after.drivers if r.driver == finding.driver)}
        folders = {posixpath.dirname(path) for path in near}
        needed = self._needed.get(finding.type, frozenset())
        for line in self._lines:
            if posixpath.dirname(line.path) in folders and needed & line.net:
                yield line

    def _about_function(self, finding: Finding) -> Iterator[_Line]:
        """Yield what a finding's function, and those on its way, say otherwise than before.

        In its own that can also be a word of the finding's line: the test of a variable.
        """
        own = self._around(True, finding.path, finding.line)
        ways = {own, *(self._around(True, hop.path, hop.line) for hop in finding.chain[1:])}
        words = set(_WORD.findall(finding.source))
        for line in self._lines if own[1] else ():
            same = line.around == own and (line.net & words or MARK in line.text)
            if same or (line.speaks and line.around in ways):
                yield line

    def _around(self, after: bool, path: str, line: int) -> _Item:
        """Return what a line is in, before or after the change."""
        ends, names = self._blocks(after, path)
        return path, names.get(block_around(ends, line)[0], "")

    def _blocks(self, after: bool, path: str) -> tuple[list[int], dict[int, str]]:
        """Return where the items of a file end, and by where they begin the functions' names."""
        if (after, path) not in self._ends:
            lines = self._lines_of(after, path)
            ends = closing_lines(lines)
            firsts = [1, *(end + 1 for end in ends)]
            names = {
                a: block_name(b"\n".join(lines[a - 1 : b]))
                for a, b in zip(firsts, ends, strict=False)
            }
            self._ends[after, path] = ends, names
        return self._ends[after, path]

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
        speaking: set[str] = set()
        for change in [*self._step.changed.values(), *deleted]:
            old, new = change.old or "", change.new or ""
            for number, place in change.added.items():
                text, around = self._text(True, new, number), self._around(True, new, number)
                found.append(_Line(new, number, text, place, False, around))
            for number, place in change.removed.items():
                text, (_, name) = self._text(False, old, number), self._around(False, old, number)
                around = (new or old, name)
                found.append(_Line(*place_now(change, number), text, place, True, around))
            speaking |= {*self._speaking(True, new), *self._speaking(False, old)}
        count: Counter[tuple[_Item, str]] = Counter()
        for line in found:
            for word in _WORD.findall(line.text):
                count[line.around, word] += -1 if line.removed else 1
        # A comment brings nothing, and neither does a line that was only written otherwise.
        return [_weighed(line, count, speaking) for line in found if line.text]

    def _speaking(self, after: bool, path: str) -> Iterator[str]:
        """Yield the functions of a file that speak of the contract."""
        lines = self._lines_of(after, path)
        ends, names = self._blocks(after, path)
        for first, last in zip(names, ends, strict=True):
            if _WORDS.search(b"\n".join(lines[first - 1 : last]).decode("utf-8", "replace")):
                yield names[first]

    def _text(self, after: bool, path: str, number: int) -> str:
        """Return the code on a line, or a comment for xfrmlint: its going brings findings."""
        lines = self._lines_of(after, path)
        line = lines[number - 1] if number <= len(lines) else b""
        return " ".join(line.decode("utf-8", "replace").split())

    def _lines_of(self, after: bool, path: str) -> list[bytes]:
        if (after, path) not in self._texts:
            tree = self._step.after if after else self._step.before
            try:
                self._texts[after, path] = _code(tree.read(path)) if path else []
            except Unreadable:
                self._texts[after, path] = []
        return self._texts[after, path]


def _code(data: bytes) -> list[bytes]:
    """Return the lines of a file without comments, but for those with a word for xfrmlint."""
    data = data.replace(b"\0", b" ")
    pairs = zip(data.split(b"\n"), without_comments(data).split(b"\n"), strict=True)
    return [line if MARK.encode() in line else code for line, code in pairs]


def _weighed(line: _Line, count: Mapping[tuple[_Item, str], int], speaking: set[str]) -> _Line:
    """Return a line with what of it the change brings or takes away."""
    sign = -1 if line.removed else 1
    words = _WORD.findall(line.text)
    net = frozenset(word for word in words if count[line.around, word] * sign > 0)
    return line._replace(net=net, speaks=any(w in speaking or _WORDS.search(w) for w in net))


def _rank(finding: Finding, line: _Line) -> tuple[bool, bool, int]:
    """Return what is smaller the likelier a changed line is the cause; of equals the first is."""
    here = line.path == finding.path
    return not line.speaks, not here, abs(line.line - finding.line) if here else 0
