"""What `xfrmlint resolver` prints: the tree's own resolver held against the reference."""

from collections.abc import Iterator
from typing import Any

from xfrmlint.analysis.core import Core
from xfrmlint.concrete.resolver import Comparison, Verdict
from xfrmlint.concrete.states import described
from xfrmlint.contract.words import HANDLE, OWNER, PINNED, Contract
from xfrmlint.model.interleave import FIELDS, SCENARIOS, Field, Order, Schedule, lines, spoken, torn
from xfrmlint.model.predicates import Broken, sentence
from xfrmlint.report.json import dump
from xfrmlint.report.judge import CAST
from xfrmlint.report.terminal import printable

# The model's fields by the roles of xso's members.
_FIELD: dict[str, Field] = {OWNER: "owner", PINNED: "pinned", HANDLE: "handle"}


def kept(core: Core) -> bool:
    """Tell whether nothing contradicts the contract (what can't be told does not)."""
    answers = [answer for answer in core.answers.values() if answer is not None]
    return core.comparison.verdict is not Verdict.DIFFERS and all(
        a.ok is not False for a in answers
    )


def order_of(core: Core) -> Order | None:
    """Return the order in which the tree reads the three fields; None if it reads one twice."""
    order = tuple(_FIELD.get(core.contract.role_of(name)) for name in core.comparison.reads)
    fields = tuple(field for field in order if field in FIELDS)
    return fields if sorted(fields) == sorted(FIELDS) else None


def schedules(core: Core) -> dict[str, Schedule]:
    """Return, by scenario, the shortest schedule in which a device gets another's handle.

    The writes are those of bonding in Linux 7.3; what a tree's own owner writes, `judge` looks at.
    They say nothing of a tree whose owners capture callbacks.
    """
    order = order_of(core)
    if order is None or core.comparison.revision != "revision 1":
        return {}
    names = {field: core.contract.member(role) for role, field in _FIELD.items()}
    found = {one.name: torn(order, spoken(one, names)) for one in SCENARIOS}
    return {name: schedule for name, schedule in found.items() if schedule is not None}


def render(core: Core) -> Iterator[str]:
    """Yield the page's lines."""
    found = core.comparison
    if found.verdict is Verdict.ABSENT:
        yield "This tree has no resolver."
        return
    yield f"{core.contract.asks}(): {printable(found.path)}:{found.line}"
    yield from _verdict(found, core.contract)
    yield f"  reads {', '.join(found.reads)}"
    for note in found.notes:
        yield f"  note: {printable(note.path)}:{note.line}: {printable(note.text)}"
    yield ""
    for question, answer in core.answers.items():
        if answer is not None:
            told = {True: "yes", False: "NO", None: "can't be told"}[answer.ok]
            reason = f" ({printable(answer.reason)})" if answer.reason else ""
            yield f"{question}: {told}, {printable(answer.path)}:{answer.line}{reason}"
    torn_reads = schedules(core)
    if torn_reads:
        name, schedule = min(torn_reads.items(), key=lambda item: len(item[1].moves))
        yield ""
        yield f"Torn reads: in this order of reads a {name} can hand a device another's handle:"
        yield from (f"  {line}" for line in lines(schedule))


def _verdict(found: Comparison, contract: Contract) -> Iterator[str]:
    """Yield the headline, the worlds that are wrong, and why some have no answer."""
    answered = f"{found.unanswered} of {found.worlds} worlds not answered"
    if found.broken:
        yield f"  breaks the contract in {len(found.broken)} of {found.worlds} worlds; {answered}"
        yield f"  ({CAST}):"
        yield from (f"  - {printable(sentence(one))}" for one in found.broken)
    elif found.unanswered == found.worlds:
        yield f"  {answered}"
    else:
        yield f"  keeps the contract in {found.worlds - found.unanswered} worlds; {answered}"
    if found.verdict is Verdict.EQUAL:
        yield f"  equals the reference of {found.revision} in all {found.total} states"
    elif found.case is not None:
        count = f"{found.differing} of {found.total} states"
        yield f"  differs from the reference of {found.revision} in {count}; the smallest:"
        yield f"  {described(found.case, contract)}:"
        yield f"  returns {printable(found.returned)} instead of {found.wanted}"
    if found.reason:
        place = f"{printable(found.reason_path)}:{found.reason_line}"
        yield f"  can't be told: {printable(found.reason)} ({place})"


def as_json(core: Core) -> str:
    """Return all of it as JSON."""
    found = core.comparison
    answers: dict[str, Any] = {
        question: None if answer is None else answer._asdict()
        for question, answer in core.answers.items()
    }
    return dump(
        {
            "schema": 1,
            "verdict": str(found.verdict),
            "path": found.path,
            "line": found.line,
            "revision": found.revision,
            "worlds": found.worlds,
            "unanswered": found.unanswered,
            "broken": [_broken(one) for one in found.broken],
            "states": found.total,
            "differing": found.differing,
            "smallest": None
            if found.case is None
            else {
                "state": described(found.case, core.contract),
                "returned": found.returned,
                "wanted": found.wanted,
            },
            "reason": found.reason,
            "reads": list(found.reads),
            "notes": [{**note._asdict(), "kind": str(note.kind)} for note in found.notes],
            "answers": answers,
            "torn_reads": {name: list(lines(s)) for name, s in schedules(core).items()},
        }
    )


def _broken(one: Broken) -> dict[str, Any]:
    return {
        "predicate": one.name,
        "world": one.world.name,
        "asking": one.asking,
        "answer": one.answer,
        "reason": one.reason,
    }
