"""The contract's two revisions, each with a kernel, a bond, drivers and scenarios of its own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.real.ported import Ported
from tests.running import mapped, shared
from tests.running.scenarios import SCENARIOS, SHARED_SCENARIOS, SIMULATED, Play
from tests.running.sharing import CONVERTED_SHARING, SHARING
from tests.running.variants import RIGHT, UNCONVERTED, VARIANTS, WRONG, Variant, to_convert

SERIES = "7.3"
NETDEVSIM = "netdevsim"
_HERE = Path(__file__).parent


class Revision(NamedTuple):
    """One revision. number: 1 or 2. title: what the page calls it. folder: its kernel's.

    port: lays it into a kernel. edited: what that writes, beside what both do. drivers: of the test
    NIC. converted: those of them that `xfrmlint convert` writes. scenarios: what /init calls them,
    by the judge's topologies. simulated: what netdevsim plays.
    """

    number: int
    title: str
    folder: str
    port: Callable[[Ported], None]
    edited: tuple[str, ...]
    drivers: tuple[Variant, ...]
    converted: tuple[Variant, ...]
    scenarios: Mapping[str, str]
    simulated: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """All drivers by name, in the page's order."""
        return [*(one.name for one in self.drivers), NETDEVSIM]

    def driver(self, name: str) -> Variant:
        """Return a driver of the test NIC. Raises KeyError."""
        return {one.name: one for one in self.drivers}[name]

    def plays(self, drivers: Sequence[str], scenarios: Sequence[str]) -> list[Play]:
        """Return each scenario with each driver, but those that a driver can't come into."""
        return [
            Play(driver, scenario)
            for driver in self.names
            if driver in drivers
            for scenario in self.scenarios
            if scenario in scenarios and self._can(driver, scenario)
        ]

    def _can(self, driver: str, scenario: str) -> bool:
        if driver == NETDEVSIM:
            return scenario in self.simulated
        made = self.driver(driver)
        handed = self.number == 1 or made.flag or made in self.converted
        if scenario in ("freed", "freed_own"):
            return handed == (scenario == "freed")
        # The device that a transmit function is given is never NULL.
        return scenario != "null" or not made.given

    def line(self, play: Play) -> str:
        """Return what /init reads of a scenario: see there."""
        if play.driver == NETDEVSIM:
            return f"{play.driver} {play.scenario} {RIGHT[0].name} {RIGHT[0].name} apart"
        driver = self.driver(play.driver)
        # Another driver's NIC stands beside one whose handles are numbers, too, or pointers.
        peer = RIGHT[2 if driver.pointer else 0].name
        port = peer if self.number == 1 else driver.name
        chips = "apart" if self.number == 1 or driver.apart else "one"
        return f"{play.driver} {play.scenario} {peer} {port} {chips}"

    @property
    def remembered(self) -> Path:
        """What the last run that was written down has seen."""
        return _HERE / f"seen{self.number}.tsv"


_CONVERTED = to_convert(
    {
        "converted_register": UNCONVERTED[0],
        "converted_pointer": UNCONVERTED[1],
        "converted_tested": WRONG[1],
    }
)

ONE = Revision(
    1,
    "Revision 1: a bond that keeps a map",
    f"running-{SERIES}",
    mapped.port,
    (),
    (*VARIANTS, *_CONVERTED),
    _CONVERTED,
    SCENARIOS,
    SIMULATED,
)
TWO = Revision(
    2,
    "Revision 2: a bond that shares one state",
    f"running-{SERIES}-shared",
    shared.port,
    shared.EDITED,
    (*SHARING, *CONVERTED_SHARING),
    CONVERTED_SHARING,
    SHARED_SCENARIOS,
    # It does not promise to share: under a LAG the core encrypts, and netdevsim tells nothing.
    SIMULATED[:2],
)
REVISIONS = (ONE, TWO)
