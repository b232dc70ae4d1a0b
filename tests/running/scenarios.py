"""The scenarios that are played, one for each of the judge's topologies."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.running.variants import PEERS, variant

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
    """Return each scenario with each driver, but those that a driver can't come into."""
    wanted = tuple(scenarios)
    return [Play(one, scenario) for one in drivers for scenario in wanted if can(one, scenario)]


def can(driver: str, scenario: str) -> bool:
    """Tell whether a driver can come into a scenario."""
    if driver == NETDEVSIM:
        return scenario in SIMULATED
    # The device that a transmit function is given is never NULL.
    return scenario != "null" or not variant(driver).given


def peer(driver: str) -> str:
    """Return the driver of the other ports: another one, whose handles are of the same kind."""
    return PEERS[driver != NETDEVSIM and variant(driver).pointer].name


NETDEVSIM = "netdevsim"
#: The kernel's own driver as `xfrmlint convert` leaves it, can't be held; it plays these.
SIMULATED = ("own", "active", "lag_a", "lag_b", "two")
