"""Every way in which the open questions of a run can go."""

from collections.abc import Callable, Iterator

# Runs of one of the core's functions: one that has more ways is not told of.
MOST_RUNS = 512


class Settled:
    """Where what is asked stops to be of interest: `here` is called there, in the run under way."""

    def __init__(self) -> None:
        self.given: list[bool] = []
        self.at = -1

    def here(self) -> None:
        """Take the answers up to now for settled: from now on only later ones are varied."""
        if self.at < 0:
            self.at = len(self.given)


def choices(settled: Settled | None = None) -> Iterator[Callable[[], bool]]:
    """Yield a `choose` for each run: together they give all sequences of answers that are asked.

    Each has to be used up before the next one is drawn. settled: of answers before that point one
    sequence is enough.
    """
    pending: list[tuple[bool, ...]] = [()]
    while pending:
        prefix = pending.pop()
        given: list[bool] = []
        before = settled.at if settled is not None else -1
        if settled is not None:
            settled.given = given

        def choose(prefix: tuple[bool, ...] = prefix, given: list[bool] = given) -> bool:
            answer = prefix[len(given)] if len(given) < len(prefix) else True
            given.append(answer)
            return answer

        yield choose
        first = len(prefix)
        if settled is not None and before < 0 <= settled.at:
            pending.clear()
            first = max(first, settled.at)
        pending += [(*given[:at], False) for at in range(first, len(given))]
