"""Where the running kernel and the judge differ, and why that is as it should be."""

from typing import NamedTuple

from xfrmlint.model.judge import Outcome


class Difference(NamedTuple):
    """A reason, and where it holds. drivers: empty for all."""

    why: str
    topologies: frozenset[str]
    seen: frozenset[Outcome]
    drivers: frozenset[str] = frozenset()


NAMED: tuple[Difference, ...] = ()


def reason(driver: str, topology: str, seen: Outcome | None, judged: Outcome | None) -> str:
    """Return why a driver is seen otherwise than it is judged; an empty string if unknown."""
    if seen is judged or seen is None:
        return ""
    for one in NAMED:
        if topology in one.topologies and seen in one.seen:
            if not one.drivers or driver in one.drivers:
                return one.why
    return ""
