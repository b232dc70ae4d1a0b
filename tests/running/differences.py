"""Where the running kernel and the judge differ, and why that is as it should be."""

from typing import NamedTuple

from tests.running.revisions import Revision
from xfrmlint.model.judge import Outcome


class Difference(NamedTuple):
    """A reason, and where it holds. drivers: empty for all. revisions: their numbers."""

    why: str
    topologies: frozenset[str]
    seen: frozenset[Outcome]
    drivers: frozenset[str] = frozenset()
    revisions: frozenset[int] = frozenset({1, 2})

    def concerns(self, revision: Revision, driver: str) -> bool:
        """Tell whether it holds for a driver of a revision."""
        return revision.number in self.revisions and (not self.drivers or driver in self.drivers)


_LAG = frozenset(
    {"LAG, lower A", "LAG, lower B", "LAG, lower not in the map", "two NICs of one driver"}
)

NAMED: tuple[Difference, ...] = (
    Difference(
        "This core encrypts in software what comes from a VLAN above a bond that owns the state: "
        "xfrm_dev_offload_ok() wants the route's device to be the state's, and a VLAN has no "
        "xfrmdev_ops. The judge says what the path would give there.",
        frozenset({"VLAN above a bond"}),
        frozenset({Outcome.NOT_HANDED}),
    ),
    Difference(
        "The bond with the map hands nothing on to a driver that does not promise to ask, the "
        "bond without it does; the judge takes one answer for both.",
        _LAG,
        frozenset({Outcome.NOT_HANDED}),
        frozenset({"unconverted_register", "unconverted_pointer"}),
        frozenset({1}),
    ),
    Difference(
        "The judge takes the ports of a LAG as being of one chip. Of ports of two chips it says in "
        "the owner's stories what was seen: its bond hands nothing on.",
        _LAG,
        frozenset({Outcome.NOT_HANDED}),
        frozenset({"two_chips"}),
        frozenset({2}),
    ),
    Difference(
        "C has left the bond here, and no device is above it; the judge takes it for a port yet.",
        frozenset({"LAG, lower not in the map"}),
        frozenset({Outcome.ZERO_TESTED}),
        frozenset({"asks_master"}),
        frozenset({2}),
    ),
)


def reason(
    revision: Revision,
    driver: str,
    topology: str,
    seen: Outcome | None,
    judged: Outcome | None,
) -> str:
    """Return why a driver is seen otherwise than it is judged; an empty string if unknown."""
    if seen is judged or seen is None:
        return ""
    for one in NAMED:
        if topology in one.topologies and seen in one.seen and one.concerns(revision, driver):
            return one.why
    return ""
