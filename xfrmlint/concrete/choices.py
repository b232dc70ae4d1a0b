"""Every way in which the open questions of a run can go."""

from collections.abc import Callable, Iterator

# Runs of one of the core's functions: one that has more ways is not told of.
MOST_RUNS = 512


def choices() -> Iterator[Callable[[], bool]]:
    """Yield a `choose` for each run: together they give all sequences of answers that are asked.

    Each has to be used up before the next one is drawn.
    """
    pending: list[tuple[bool, ...]] = [()]
    while pending:
        prefix = pending.pop()
        given: list[bool] = []

        def choose(prefix: tuple[bool, ...] = prefix, given: list[bool] = given) -> bool:
            answer = prefix[len(given)] if len(given) < len(prefix) else True
            given.append(answer)
            return answer

        yield choose
        pending += [(*given[:at], False) for at in range(len(prefix), len(given))]
