"""Findings of two states of a tree, matched by what a change leaves alone; others are new or fixed.

The same code is recognised by type, file, function and the line's text, wherever the
file went; by the line itself, if its function was renamed; by its text alone, if it was moved.
"""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from xfrmlint.findings import LEVELS, Finding, Unknown
from xfrmlint.git.overlay import Change

Changes = Mapping[str, Change]
_Key = Callable[[Finding], Hashable | None]

_DIGITS = re.compile(r"\d+")


class Matched(NamedTuple):
    """new: indexes into the findings after; fixed: findings that were there before only."""

    new: frozenset[int]
    fixed: tuple[Finding, ...]


def matched(before: Sequence[Finding], after: Sequence[Finding], former: Changes) -> Matched:
    """Match the findings of two states.

    former: how files differ, by their path before; files not named there are the same. A finding
    whose level got worse is new, and the one that it was is not fixed.
    """

    def now(finding: Finding) -> tuple[str | None, int | None]:
        """Return where a finding's line is after the change."""
        change = former.get(finding.path)
        if change is None:
            return finding.path, finding.line
        return change.new, change.new_line(finding.line)

    def in_place(finding: Finding) -> Hashable | None:
        path, line = now(finding)
        return path and line and (path, line, *_text(finding))

    def in_file(finding: Finding) -> Hashable | None:
        path, _ = now(finding)
        return path and (path, *_text(finding))

    def on_line(finding: Finding) -> Hashable | None:
        path, line = now(finding)
        return path and line and (path, line, finding.type)

    # A line that stands twice in a function is first of all itself.
    passes: list[tuple[_Key, _Key]] = [
        (in_place, lambda f: (f.path, f.line, *_text(f))),
        (in_file, lambda f: (f.path, *_text(f))),
        (on_line, lambda f: (f.path, f.line, f.type)),
        (_text, _text),
    ]
    olds, news = dict(enumerate(before)), dict(enumerate(after))
    worse = set()
    for of_old, of_new in passes:
        for old, new in list(_pairs(olds, news, of_old, of_new)):
            was, is_now = olds.pop(old), news.pop(new)
            if LEVELS.index(is_now.level) < LEVELS.index(was.level):
                worse.add(new)
    return Matched(frozenset(news) | worse, tuple(olds.values()))


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


def _text(finding: Finding) -> tuple[str, str, str]:
    return finding.type, finding.function, " ".join(finding.source.split())


def _reason(row: Unknown, path: str | None) -> Hashable:
    # Reasons name lines, and lines move.
    return path, row.function, _DIGITS.sub("0", row.reason)


def _pairs(
    olds: Mapping[int, Finding], news: Mapping[int, Finding], of_old: _Key, of_new: _Key
) -> Iterator[tuple[int, int]]:
    """Yield the numbers of findings that have the same key, each once, in their order."""
    waiting: dict[Hashable, deque[int]] = defaultdict(deque)
    for number, finding in olds.items():
        key = of_old(finding)
        if key is not None:
            waiting[key].append(number)
    for number, finding in news.items():
        found = waiting.get(of_new(finding))
        if found:
            yield found.popleft(), number
