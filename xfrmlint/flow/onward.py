"""Of a function's steps those that matter, and which of them come next behind each step."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from xfrmlint.c.graph import Step

# So many steps follow one at once where what does not matter is left out; a switch has fewer.
_MOST_ONWARD = 100


def joining_steps(steps: Sequence[Step], onward: Mapping[int, tuple[int, ...]]) -> frozenset[int]:
    """Return the steps to which more than one way leads. onward: see onward_steps()."""
    met: dict[int, int] = {}
    for start in {n for step in steps for n in step.next}:
        for index in onward[start]:
            met[index] = met.get(index, 0) + 1
    return frozenset(index for index, count in met.items() if count > 1)


def next_that_matter(
    steps: Sequence[Step],
    matters: set[int],
    start: int,
    known: Mapping[int, tuple[int, ...]] = MappingProxyType({}),
) -> tuple[int, ...]:
    """Return the first steps that matter on the ways from a step. known: the same of others."""
    if start in known:
        return known[start]
    found: dict[int, None] = {}
    stack, seen = [start], {start}
    while stack:
        index = stack.pop()
        if index in matters:
            found[index] = None
            continue
        for following in reversed(steps[index].next):
            for one in reversed(known.get(following, (following,))):
                if one not in seen:
                    seen.add(one)
                    stack.append(one)
    return tuple(found)


def next_without_loops(steps: Sequence[Step], matters: set[int]) -> dict[int, tuple[int, ...]]:
    """Return what next_that_matter() gives for each step from which no loop leads back to it.

    The last ones come first: what they reach need not be walked through for each before them. A
    step that leads to many is gone through as one that matters: it is added to those.
    """
    found: dict[int, tuple[int, ...]] = {}
    earlier = earlier_steps(steps)
    # How many of those that follow are not known yet.
    open_ = [0 if i in matters else len(step.next) for i, step in enumerate(steps)]
    ready = [i for i, count in enumerate(open_) if not count]
    while ready:
        index = ready.pop()
        if index in matters:
            found[index] = (index,)
        else:
            ways = {found[following] for following in steps[index].next}
            found[index] = (
                ways.pop() if len(ways) == 1 else next_that_matter(steps, matters, index, found)
            )
            if len(found[index]) > _MOST_ONWARD:
                matters.add(index)
                found[index] = (index,)
        for one in earlier[index]:
            open_[one] -= 1
            if not open_[one] and one not in found:
                ready.append(one)
    return found


def earlier_steps(steps: Sequence[Step]) -> list[list[int]]:
    """Return the steps that lead to each."""
    found: list[list[int]] = [[] for _ in steps]
    for i, step in enumerate(steps):
        for following in step.next:
            found[following].append(i)
    return found


def near_steps(steps: Sequence[Step], first: Iterable[int]) -> tuple[set[int], set[int]]:
    """Return the steps from which one of some steps can be reached, and those one can reach."""
    found = []
    for links in (earlier_steps(steps), [step.next for step in steps]):
        stack, seen = list(first), set(first)
        while stack:
            for other in links[stack.pop()]:
                if other not in seen:
                    seen.add(other)
                    stack.append(other)
        found.append(seen)
    return found[0], found[1]


def onward_steps(steps: Sequence[Step], matters: set[int]) -> dict[int, tuple[int, ...]]:
    """Return the first steps that matter on the ways from each, or those that many ways go by."""
    matters = set(matters)
    known = next_without_loops(steps, matters)
    return {start: next_that_matter(steps, matters, start, known) for start in range(len(steps))}
