"""The scenarios that are played, one for each of the judge's topologies."""

from collections.abc import Mapping
from typing import NamedTuple

#: What /init calls a scenario: the judge's topology.
SCENARIOS: Mapping[str, str] = {
    "own": "owner is the NIC",
    "active": "active-backup, active lower",
    "other": "active-backup, other lower",
    "lag_a": "LAG, lower A",
    "lag_b": "LAG, lower B",
    "lag_out": "LAG, lower not in the map",
    "freed": "state freed",
    "null": "lower is NULL",
    "bare": "owner without ops",
    "two": "two NICs of one driver",
    "vlan": "VLAN above a bond",
}
#: The same where a state is on one port and the others of its chip use it. No bond hands anything
#: on to a driver that does not promise to ask: what is freed is the NIC's own.
SHARED_SCENARIOS: Mapping[str, str] = {
    **{
        {"lag_out": "lag_left"}.get(scenario, scenario): topology
        for scenario, topology in SCENARIOS.items()
    },
    "freed_own": SCENARIOS["freed"],
}
#: The kernel's own driver, as `xfrmlint convert` leaves it, can't be held; it plays these.
SIMULATED = ("own", "active", "lag_a", "lag_b", "two")


class Play(NamedTuple):
    """One scenario with one driver."""

    driver: str
    scenario: str
