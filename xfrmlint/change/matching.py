"""Findings of two states of a tree, matched by what a change leaves alone; others are new or fixed.

The same code is recognised by type, file, function and the line's text, wherever the
file went; by the line itself, if its function was renamed; by its text alone, if it was moved; by
its place and the member, if it is as bad in another way. What stands on a line that the change
wrote, where one went that said the same of the same function, its caller or a helper of it, came
from that one.
"""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

from xfrmlint.contract.words import XSO
from xfrmlint.findings import LEVELS, Finding, Unknown
from xfrmlint.git.overlay import Change
from xfrmlint.kernel.places import is_core, vendor

Changes = Mapping[str, Change]
_Key = Callable[[Finding], Hashable | None]

_DIGITS = re.compile(r"\d+")
_MEMBER = re.compile(rf"\b{XSO}\.\w+")


class Matched(NamedTuple):
    """new: indexes into the findings after; fixed: findings that were there before only.

    came: those of lines that the change wrote anew, and the finding that each was before.
    """

    new: frozenset[int]
    fixed: tuple[Finding, ...]
    came: Mapping[int, Finding]


def matched(
    before: Sequence[Finding], after: Sequence[Finding], former: Changes, changed: Changes
) -> Matched:
    """Match the findings of two states.

    former, changed: how files differ, by their path before and after; files not named there are the
    same. A finding whose level got worse is new, and the one that it was is not fixed.
    """
    olds = {number: _moved(finding, former) for number, finding in enumerate(before)}
    news = dict(enumerate(after))
    # A line that stands twice in a function is first of all itself.
    same = (_in_place, _in_file, _on_line, _text, _at_member)
    pairs = [pair for key in same for pair in _taken(olds, news, key, key)]
    gone = {number: finding for number, finding in olds.items() if not finding.line}
    written = {number: one for number, one in news.items() if _is_written(one, changed)}
    # In its function, in a helper of it, in its caller.
    successors = ((_whose, _whose), (_whose, _callers), (_callers, _whose))
    later = [pair for keys in successors for pair in _taken(gone, written, *keys)]
    pairs += later
    worse = {new for old, new in pairs if _rank(after[new]) < _rank(before[old])}
    known = {new for _, new in pairs} - worse
    left = {old for old, _ in pairs}
    return Matched(
        frozenset(range(len(after))) - known,
        tuple(finding for number, finding in enumerate(before) if number not in left),
        {new: before[old] for old, new in later if new in known},
    )


def unknown_since(
    before: Sequence[Unknown], after: Sequence[Unknown], former: Changes
) -> tuple[Unknown, ...]:
    """Return what could not be analysed after a change, and could before."""
    known: dict[Hashable, int] = defaultdict(int)
    for row in before:
        change = former.get(row.path)
        known[_reason(row, row.path if change is None else change.new)] += 1
    found = []
    for row in after:
        key = _reason(row, row.path)
        if known[key]:
            known[key] -= 1
        else:
            found.append(row)
    return tuple(found)


def no_longer_known(
    gone: Sequence[Finding], unknown: Sequence[Unknown], former: Changes, changed: Changes
) -> tuple[Finding, ...]:
    """Return which of the findings that are gone may still be there, unseen.

    unknown: what can be analysed no longer. Where the line of a finding stays, whatever is unknown
    of its driver or of the core can hide it; a line that went can be what is unknown of its
    function, or of a line that the change wrote.
    """
    rows = [row for row in unknown if row.matters]
    found = []
    for finding in gone if rows else ():
        now = _moved(finding, former)
        for row in rows:
            change = changed.get(row.path)
            near = is_core(row.path) or vendor(row.path) == vendor(now.path or finding.path)
            inside = (row.path, row.function) == (now.path, finding.function)
            written = change is not None and row.line in change.added
            if near and (now.line or inside or written):
                found.append(finding)
                break
    return tuple(found)


def _moved(finding: Finding, former: Changes) -> Finding:
    """Return a finding where it is now: without its file no path, without its line 0."""
    change = former.get(finding.path)
    if change is None:
        return finding
    return finding._replace(path=change.new or "", line=change.new_line(finding.line) or 0)


def _is_written(finding: Finding, changed: Changes) -> bool:
    change = changed.get(finding.path)
    return change is not None and finding.line in change.added


def _rank(finding: Finding) -> int:
    return LEVELS.index(finding.level)


def _text(finding: Finding) -> Hashable:
    return finding.type, finding.function, " ".join(finding.source.split())


def _in_place(finding: Finding) -> Hashable | None:
    return finding.line and (finding.path, finding.line, _text(finding))


def _in_file(finding: Finding) -> Hashable | None:
    return finding.path and (finding.path, _text(finding))


def _on_line(finding: Finding) -> Hashable | None:
    return finding.line and (finding.path, finding.line, finding.type)


def _at_member(finding: Finding) -> Hashable | None:
    member = _member(finding)
    return finding.line and member and (finding.path, finding.line, finding.column, member)


def _member(finding: Finding) -> str:
    """Return which member of a state's xso a finding is about, if it is about one."""
    found = _MEMBER.search(finding.message)
    return found[0] if found is not None else ""


def _whose(finding: Finding) -> Hashable | None:
    what = (finding.driver, finding.type, _member(finding))
    return (*what, finding.function) if finding.function else None


def _callers(finding: Finding) -> Hashable | None:
    what = (finding.driver, finding.type, _member(finding))
    return (*what, finding.chain[-2].function) if len(finding.chain) > 1 else None


def _reason(row: Unknown, path: str | None) -> Hashable:
    # Reasons name lines, and lines move.
    return path, row.function, _DIGITS.sub("0", row.reason)


def _taken(
    olds: dict[int, Finding], news: dict[int, Finding], of_old: _Key, of_new: _Key
) -> list[tuple[int, int]]:
    """Take the findings that have the same key, each once, in their order; return their numbers."""
    waiting: dict[Hashable, deque[int]] = defaultdict(deque)
    for number, finding in olds.items():
        if key := of_old(finding):
            waiting[key].append(number)
    found = []
    for number, finding in news.items():
        if numbers := waiting.get(of_new(finding)):
            found.append((numbers.popleft(), number))
    for old, new in found:
        del olds[old], news[new]
    return found
