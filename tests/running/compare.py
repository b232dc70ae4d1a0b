"""What was seen beside the judge's word."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.ran import run
from tests.running.console import Seen
from tests.running.differences import reason
from tests.running.revisions import Revision
from xfrmlint.model.judge import Outcome, severity, worst

#: What each handle of a driver comes to in each topology, by the driver's name.
Words = Mapping[str, Mapping[str, Sequence[Outcome]]]


#: What was seen of a driver in a topology; None where it was not.
Outcomes = Mapping[tuple[str, str], Outcome | None]


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
    return {one["driver"]: _by_topology(one.get("handles", ())) for one in document["drivers"]}


def _by_topology(handles: Iterable[Mapping[str, Any]]) -> dict[str, list[Outcome]]:
    words: dict[str, list[Outcome]] = {}
    for handle in handles:
        for topology, word in handle["outcomes"].items():
            words.setdefault(topology, []).append(Outcome(word))
    return words


def word_for(words: Sequence[Outcome], seen: Outcome | None) -> Outcome | None:
    """Return the judge's word for a packet: the worst of what the handles come to that it may get.

    Where all are fine they are as good as each other: a packet for which the first handle is 0 can
    have another one. Then it is what was seen, if that is among them; a driver that reaches no
    handle has none to give. None if he has no word.
    """
    told = worst(words) if words else None
    if told is Outcome.NOT_REACHED:
        return Outcome.ZERO_TESTED
    if told is not None and severity(told) == 0 and seen in words:
        return seen
    return told


def compare(revision: Revision, outcomes: Outcomes, words: Words) -> list[Row]:
    """Return a row for each scenario that was played."""
    rows = []
    for (driver, topology), outcome in outcomes.items():
        told = word_for(words.get(driver, {}).get(topology, ()), outcome)
        why = reason(revision, driver, topology, outcome, told)
        rows.append(Row(driver, topology, outcome, told, why))
    return rows


def outcomes_of(revision: Revision, seen: Iterable[Seen]) -> Outcomes:
    """Return what was seen in the judge's words."""
    return {(one.play.driver, revision.scenarios[one.play.scenario]): one.outcome() for one in seen}


def remember(revision: Revision, outcomes: Outcomes) -> None:
    """Write what was seen where it is held against the judge without a running kernel."""
    lines = (f"{driver}\t{topology}\t{seen}\n" for (driver, topology), seen in outcomes.items())
    revision.remembered.write_text("driver\ttopology\tseen\n" + "".join(lines), "utf-8")


def remembered(revision: Revision) -> Outcomes:
    """Return what the last run that was written down has seen."""
    _, *lines = revision.remembered.read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return {(driver, topology): Outcome(seen) for driver, topology, seen in rows}


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
