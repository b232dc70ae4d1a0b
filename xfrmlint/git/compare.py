"""Two texts of a file compared where no patch says what changed."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO

from xfrmlint.errors import InputError
from xfrmlint.git.overlay import Change, Place, Same
from xfrmlint.tree import Tree, Unreadable


def compared(before: Tree, after: Tree, renamed: Iterable[tuple[str, str]]) -> list[Change]:
    """Return how files differ between two trees; those that don't are left out.

    renamed: old and new path of each, empty where it isn't there. A line's Place is its own file
    and number. Raises InputError for a file that is there and can't be read.
    """
    found = []
    for old, new in renamed:
        old_lines, new_lines = _lines(before, old), _lines(after, new)
        if (old_lines is None and new_lines is None) or (old == new and old_lines == new_lines):
            continue
        same = same_lines(old_lines or [], new_lines or [])
        kept = {s.new + n for s in same for n in range(s.length)}
        left = {s.old + n for s in same for n in range(s.length)}
        added = {n: Place(new, n) for n in range(1, len(new_lines or []) + 1) if n not in kept}
        removed = {n: Place(old, n) for n in range(1, len(old_lines or []) + 1) if n not in left}
        here = new if new_lines is not None else None
        there = old if old_lines is not None else None
        found.append(Change(there, here, same, added, removed))
    return found


def read(tree: Tree, path: str) -> bytes | None:
    """Return a file's text; None where there is none.

    Raises InputError for one that is there and can't be read: what it says would not be judged.
    """
    try:
        return tree.read(path) if path else None
    except Unreadable as error:
        if tree.is_file(path):
            raise InputError(f"{path}: {tree.name} has it, but it can't be read: {error}") from None
        return None


def _lines(tree: Tree, path: str) -> list[bytes] | None:
    data = read(tree, path)
    return None if data is None else BytesIO(data).readlines()


def same_lines(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[Same, ...]:
    """Return runs of lines that two texts share, in order (patience diff, one level).

    Lines that stand once in both tie the texts together; from those the runs grow both ways. What
    lies between without such a line counts as changed, so that no text takes long.
    """
    start = _common(old, new, 0, 0, 1, min(len(old), len(new)))
    rest = min(len(old), len(new)) - start
    end = _common(old, new, len(old) - 1, len(new) - 1, -1, rest)
    last = (len(old) - end, len(new) - end)
    runs = [Same(1, 1, start)] if start else []
    at_old = at_new = start
    for one, other in [*_ties(old, new, start, last), last]:
        if one < at_old or other < at_new:
            continue
        ahead = _common(old, new, at_old, at_new, 1, min(one - at_old, other - at_new))
        runs.append(Same(at_old + 1, at_new + 1, ahead))
        at_old, at_new = at_old + ahead, at_new + ahead
        behind = _common(old, new, one - 1, other - 1, -1, min(one - at_old, other - at_new))
        tie = int((one, other) != last)
        runs.append(Same(one - behind + 1, other - behind + 1, behind + tie))
        at_old, at_new = one + tie, other + tie
    runs.append(Same(last[0] + 1, last[1] + 1, end))
    return tuple(_joined(run for run in runs if run.length))


def _common(
    old: Sequence[bytes], new: Sequence[bytes], one: int, other: int, step: int, most: int
) -> int:
    """Return how many lines are equal from two places on."""
    count = 0
    while count < most and old[one + step * count] == new[other + step * count]:
        count += 1
    return count


def _ties(
    old: Sequence[bytes], new: Sequence[bytes], start: int, last: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the longest ascending list of pairs of lines that stand once in both middles."""
    counts = Counter(old[start : last[0]]), Counter(new[start : last[1]])
    where = {old[n]: n for n in range(start, last[0]) if counts[0][old[n]] == 1}
    pairs = [
        (where[new[n]], n)
        for n in range(start, last[1])
        if counts[1][new[n]] == 1 and new[n] in where
    ]
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for number, (one, _) in enumerate(pairs):
        at = bisect_left(tails, one)
        before.append(ends[at - 1] if at else -1)
        tails[at : at + 1] = [one]
        ends[at : at + 1] = [number]
    found = []
    number = ends[-1] if ends else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]


def _joined(runs: Iterable[Same]) -> Iterator[Same]:
    last: Same | None = None
    for run in runs:
        if last and (run.old - last.old, run.new - last.new) == (last.length, last.length):
            last = last._replace(length=last.length + run.length)
            continue
        if last:
            yield last
        last = run
    if last:
        yield last
