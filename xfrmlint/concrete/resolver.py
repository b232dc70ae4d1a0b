"""The tree's own resolver against the reference, state by state.

Kernel names: include/net/xfrm.h and net/xfrm/xfrm_state.c; the RFC's patch 1/4.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from xfrmlint.c.integers import Int
from xfrmlint.c.reader import Reader
from xfrmlint.concrete.configuration import ON, Configuration
from xfrmlint.concrete.evaluate import Result, evaluate
from xfrmlint.concrete.faults import Fault, FaultKind, Outside
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.sources import Sources, core_definitions
from xfrmlint.concrete.states import Case, objects, states
from xfrmlint.concrete.trace import StepKind, Trace
from xfrmlint.concrete.values import Value
from xfrmlint.contract.words import XSO
from xfrmlint.model.reference import resolve


class Verdict(StrEnum):
    """How the tree's resolver compares with the reference."""

    EQUAL = "equal"
    DIFFERS = "differs"
    OUTSIDE = "outside"
    ABSENT = "absent"


class NoteKind(StrEnum):
    """What is worth a word although no value differs."""

    REREAD = "read more than once"
    LATE = "read after the first test"
    PLAIN = "read without READ_ONCE"
    OUTSIDE = "outside"


class Note(NamedTuple):
    """A remark about one read. field: of x->xso."""

    kind: NoteKind
    field: str
    path: str
    line: int
    text: str


class Comparison(NamedTuple):
    """The tree's resolver against the reference.

    path, line: its definition (empty and 0 if absent). case: the smallest state that differs.
    returned: what the tree's gives there, as text. wanted: what the reference gives. differing,
    total: numbers of states. reason, reason_path, reason_line: why and where it was outside. reads:
    the fields of x->xso in the order in which they are read, each once.
    """

    verdict: Verdict
    path: str
    line: int
    case: Case | None
    returned: str
    wanted: int
    differing: int
    total: int
    reason: str
    reason_path: str
    reason_line: int
    reads: tuple[str, ...]
    notes: tuple[Note, ...]


_ABSENT = Comparison(Verdict.ABSENT, "", 0, None, "", 0, 0, 0, "", "", 0, (), ())


def resolver_source(reader: Reader, configuration: Configuration = ON) -> Source | None:
    """Return the tree's resolver ready to be evaluated."""
    sources = Sources(reader, configuration)
    found = core_definitions(reader, sources, reader.contract.asks)
    return found[0] if found else None


def run(source: Source, case: Case, sources: Sources) -> Result:
    """Ask the tree's resolver one question. Raises Outside."""
    made = objects(case, sources.contract)
    return evaluate(source, [made.state, made.lower], sources)


def compare(reader: Reader) -> Comparison:
    """Compare the tree's resolver with the reference in every state."""
    sources = Sources(reader, ON)
    found = core_definitions(reader, sources, reader.contract.asks)
    if not found:
        return _ABSENT
    source = found[0]
    made = _ABSENT._replace(verdict=Verdict.EQUAL, path=source.path, line=source.line)
    cases = states()
    outside: tuple[str, str, int] | None = None
    traces: list[Trace] = []
    differing: list[tuple[Case, str]] = []
    for case in cases:
        try:
            result = run(source, case, sources)
        except Outside as error:
            outside = outside or (error.reason, error.path, error.line)
            if source.problem:
                break
            continue
        value = result.value
        if isinstance(value, Fault) and value.kind is FaultKind.FIELD:
            outside = outside or (value.text, value.path, value.line)
            continue
        traces.append(result.trace)
        wanted = resolve(case.state, case.lower)
        if not isinstance(value, Int) or value.value != wanted:
            differing.append((case, value_text(value)))
    notes = _notes(traces)
    made = made._replace(total=len(cases), differing=len(differing), reads=_order(traces))
    if outside is not None:
        reason, path, line = outside
        made = made._replace(
            verdict=Verdict.OUTSIDE, reason=reason, reason_path=path, reason_line=line
        )
        if differing:
            notes.append(Note(NoteKind.OUTSIDE, "", path, line, f"in other states: {reason}"))
    if differing:
        case, returned = differing[0]
        made = made._replace(
            verdict=Verdict.DIFFERS,
            case=case,
            returned=returned,
            wanted=resolve(case.state, case.lower),
        )
    return made._replace(notes=tuple(notes))


def value_text(value: Value | Fault) -> str:
    """Return what a resolver gave, in words."""
    if isinstance(value, Fault):
        return f"{value.text} (line {value.line})"
    if isinstance(value, Int):
        return str(value.value)
    return "no number"


def _order(traces: Iterable[Trace]) -> tuple[str, ...]:
    """Return the fields of x->xso in the order of the runs that read most of them."""
    best: tuple[str, ...] = ()
    for trace in traces:
        reads = dict.fromkeys(s.field for s in trace if _shared(s.kind, s.object))
        if len(reads) > len(best):
            best = tuple(reads)
    return best


def _shared(kind: StepKind, object: str) -> bool:
    return kind is StepKind.READ and object == f"x->{XSO}"


def _notes(traces: Iterable[Trace]) -> list[Note]:
    found: dict[tuple[NoteKind, str], Note] = {}
    for trace in traces:
        seen: set[str] = set()
        tested = False
        for step in trace:
            tested = tested or step.kind is StepKind.TEST
            if not _shared(step.kind, step.object):
                continue
            kinds = []
            if step.field in seen:
                kinds.append(NoteKind.REREAD)
            elif tested:
                kinds.append(NoteKind.LATE)
            if not step.once:
                kinds.append(NoteKind.PLAIN)
            seen.add(step.field)
            for kind in kinds:
                text = f"x->{XSO}.{step.field} is {kind}"
                note = Note(kind, step.field, step.path, step.line, text)
                old = found.setdefault((kind, step.field), note)
                if note.line < old.line and note.path == old.path:
                    found[kind, step.field] = note
    return sorted(found.values(), key=lambda n: (n.path, n.line, n.kind))
