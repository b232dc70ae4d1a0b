"""The scenarios that are played, one for each of the judge's topologies."""

from collections.abc import Iterable, Mapping
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


class Play(NamedTuple):
    """One scenario with one driver."""

    driver: str
    scenario: str


def plays(drivers: Iterable[str], scenarios: Iterable[str] = tuple(SCENARIOS)) -> list[Play]:
    """Return each scenario with each driver."""
    wanted = tuple(scenarios)
    return [Play(driver, scenario) for driver in drivers for scenario in wanted]


NETDEVSIM = "netdevsim"
#: The kernel's own driver as `xfrmlint convert` leaves it, can't be held; it plays these.
SIMULATED = ("own", "active", "lag_a", "lag_b", "two")
