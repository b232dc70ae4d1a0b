"""What was seen beside the judge's word."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.ran import run
from tests.running.console import Seen
from tests.running.differences import reason
from tests.running.scenarios import SCENARIOS
from xfrmlint.model.judge import Outcome

#: A driver's outcome in each topology, by the driver's name.
Words = Mapping[str, Mapping[str, str]]


class Row(NamedTuple):
    """A driver in a topology. seen, judged: None where there is no answer. why: of a difference."""

    driver: str
    topology: str
    seen: Outcome | None
    judged: Outcome | None
    why: str

    @property
    def agrees(self) -> bool:
        """Whether both are there and are the same."""
        return self.seen is not None and self.seen is self.judged

    @property
    def unknown(self) -> bool:
        """Whether the judge says that he doesn't know."""
        return self.judged in (None, Outcome.UNKNOWN)


def judged(tree: Path) -> Words:
    """Return what `xfrmlint judge` says of a tree's drivers."""
    ran = run("judge", tree, "--no-cache", "--format", "json", cwd=tree, timeout=600)
    if ran.status not in (0, 1):
        raise RuntimeError(ran.err)
    document = json.loads(ran.out)
    return {one["driver"]: one.get("outcomes") or {} for one in document["drivers"]}


def compare(seen: Iterable[Seen], words: Words) -> list[Row]:
    """Return a row for each scenario."""
    rows = []
    for one in seen:
        driver = one.play.driver
        topology = SCENARIOS[one.play.scenario]
        word = words.get(driver, {}).get(topology)
        told = Outcome(word) if word is not None else None
        why = reason(driver, topology, one.outcome(), told)
        rows.append(Row(driver, topology, one.outcome(), told, why))
    return rows


def differing(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of which the judge says something else than was seen."""
    return [row for row in rows if not row.agrees and not row.unknown]


def summary(rows: Sequence[Row]) -> str:
    """Return the counts in a sentence."""
    different = differing(rows)
    named = sum(bool(row.why) for row in different)
    unknown = sum(row.unknown for row in rows)
    return (
        f"{len(rows)} rows: {sum(row.agrees for row in rows)} the same, {unknown} unknown to the "
        f"judge, {len(different)} different, {named} of these with a reason"
    )
