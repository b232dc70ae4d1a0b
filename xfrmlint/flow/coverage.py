"""Which of many paths need not be gone to the end, because others show all that they would."""

from collections import Counter
from collections.abc import Iterator

from xfrmlint.flow.values import HandleId, Mark, State

# So many states are followed from one point before any is weighed.
_FEW = 64


class Coverage:
    """What has been followed from the points of a function.

    No rule looks at two handles at once. Where two states go on alike, a path whose handles all
    have a past that was seen there, each on some path, shows nothing new: ten calls one after
    another that end in one of two ways each have twenty outcomes to be seen, not a thousand.
    """

    def __init__(self) -> None:
        self._arrived: Counter[object] = Counter()
        self._followed: set[object] = set()

    def adds(self, point: object, state: State) -> bool:
        """Tell whether a state shows something new from a point on; it counts as followed then."""
        self._arrived[point] += 1
        if self._arrived[point] <= _FEW:
            return True
        ahead = (point, state.collected().context())
        fresh = {(ahead, past) for past in _pasts(state.trail)} - self._followed
        self._followed |= fresh
        return bool(fresh)


def _pasts(trail: tuple[Mark, ...]) -> Iterator[tuple[Mark, ...]]:
    """Yield the events of each handle, and those of none, which may be none."""
    found: dict[HandleId | None, list[Mark]] = {None: []}
    for mark in trail:
        found.setdefault(mark.handle, []).append(mark)
    yield from map(tuple, found.values())
