"""Comments that silence findings: `/* xfrmlint: ignore[TYPE, TYPE] reason */`.

One holds for its own line; one without code on its line, for the line below. Where a comment has
several lines its last one counts. Without a reason it silences nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import NamedTuple

from xfrmlint.c.blanking import Covered
from xfrmlint.c.comments import Comment, comments_with
from xfrmlint.c.unit import Unit
from xfrmlint.contract.words import MARK
from xfrmlint.facts.rows import SuppressionRow
from xfrmlint.findings import Finding

_IGNORE = re.compile(r"ignore ?\[([^\]]*)\](.*)")
_UNREADABLE = "something else than ignore[TYPE] reason"


class Suppression(NamedTuple):
    """One comment for xfrmlint. types: as written, in capitals. reason: empty where it has none.

    readable: it is an ignore[...]. comment, path: where it stands. judged: what is found around it
    would have been; False where that code was not analysed.
    """

    path: str
    comment: Comment
    readable: bool
    types: tuple[str, ...]
    reason: str
    judged: bool = True

    @property
    def lines(self) -> range:
        """The lines that it holds for."""
        line = self.comment.line
        return range(line, line + 1 + self.comment.alone)


class Split(NamedTuple):
    """Findings that stay, those that comments silence, and (number of a comment, type) used."""

    kept: list[Finding]
    suppressed: list[Finding]
    used: set[tuple[int, str]]


def suppressions_in(unit: Unit) -> Iterator[Suppression]:
    """Yield the comments for xfrmlint in a file, in order."""
    dead = [(b.start, b.end) for b in unit.blanked.branches if b.dead]
    inside = Covered(sorted([*unit.blanked.dropped, *dead]))
    for comment in comments_with(unit, MARK.encode()):
        if not comment.text.startswith(MARK):
            continue
        match = _IGNORE.match(comment.text.removeprefix(MARK).lstrip())
        named, reason = match.groups() if match else ("", "")
        yield Suppression(
            unit.path,
            comment,
            match is not None,
            tuple(dict.fromkeys(t.strip().upper() for t in named.split(",") if t.strip())),
            reason.strip() if re.search(r"\w", reason) else "",
            not inside(comment.start),
        )


def split(findings: Iterable[Finding], suppressions: Iterable[Suppression]) -> Split:
    """Tell the findings that comments silence from the others."""
    at: dict[tuple[str, int, str], list[int]] = {}
    for number, one in enumerate(suppressions):
        for line in one.lines if one.reason else ():
            for kind in one.types:
                at.setdefault((one.path, line, kind), []).append(number)
    found = Split([], [], set())
    for finding in findings:
        numbers = at.get((finding.path, finding.line, finding.type), [])
        (found.suppressed if numbers else found.kept).append(finding)
        found.used.update((number, finding.type) for number in numbers)
    return found


def problems(
    suppressions: Iterable[Suppression],
    used: Set[tuple[int, str]],
    types: Mapping[str, bool],
    doubtful: Set[tuple[str, int]],
    units: Mapping[str, tuple[Unit, str]],
) -> Iterator[SuppressionRow]:
    """Yield what is wrong with comments, for the rules that report it.

    used: see Split. types: all there are -> whether something was looked for. doubtful: places that
    were not analysed: nothing is unused there. units: a comment's path -> the file, its module.
    """
    for number, one in enumerate(suppressions):
        for problem, named in _problems(one, number, used, types, doubtful):
            unit, module = units[one.path]
            item = unit.item_at(one.comment.start)
            function = item.name if item is not None and item.kind == "function" else ""
            place = (one.path, one.comment.line, one.comment.column)
            yield SuppressionRow(*place, function, module, problem, named)


def _problems(
    one: Suppression,
    number: int,
    used: Set[tuple[int, str]],
    types: Mapping[str, bool],
    doubtful: Set[tuple[str, int]],
) -> Iterator[tuple[str, str]]:
    if not one.readable:
        yield "type", _UNREADABLE
        return
    strange = [kind for kind in one.types if kind not in types]
    if strange or not one.types:
        yield "type", ", ".join(strange) or "nothing"
    if not one.reason:
        yield "reason", ", ".join(one.types)
    elif one.judged and not any((one.path, line) in doubtful for line in one.lines):
        unused = [k for k in one.types if types.get(k) and (number, k) not in used]
        if unused:
            yield "unused", ", ".join(unused)
