"""The tree's own resolver: asked in every world, and held against its revision's reference.

Kernel names: include/net/xfrm.h and net/xfrm/xfrm_state.c; the RFC's patch 1/4.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple, TypeGuard

from xfrmlint.c.configuration import ON, Configuration
from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import Int
from xfrmlint.c.reader import Reader
from xfrmlint.concrete.cores import core_definitions
from xfrmlint.concrete.evaluate import Result
from xfrmlint.concrete.faults import Fault, FaultKind, Outside
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.runs import Runs
from xfrmlint.concrete.sources import Sources
from xfrmlint.concrete.states import Case, states
from xfrmlint.concrete.trace import StepKind, Trace
from xfrmlint.concrete.values import Value
from xfrmlint.contract.words import (
    DEVICE,
    LOWER_CALLBACKS,
    OWNER_CALLBACKS,
    PINNED,
    PRIVATE,
    RESOLVE,
    SHARE,
    XSO,
    Contract,
)
from xfrmlint.model.predicates import Broken, broken
from xfrmlint.model.reference import State, resolve, resolve_shared
from xfrmlint.model.worlds import World, by_roles


class Verdict(StrEnum):
    """How the tree's resolver compares with the reference."""

    EQUAL = "equal"
    KEEPS = "keeps"  # P1 to P4 in every world; no revision's shape
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
    """The tree's own resolver, judged.

    path, line: its definition (empty and 0 if absent). revision: the one whose reference it is held
    against; empty if it has the shape of none. case: the smallest state that differs. returned:
    what the tree's gives there, as text. wanted: what the reference gives. differing, total:
    numbers of states. broken: what breaks P1 to P4, the first in each world. worlds, unanswered:
    how many there are, and for how many something could not be evaluated. reason, reason_path,
    reason_line: why and where the first one was outside. reads: the fields of x->xso in the order
    in which they are read, each once.
    """

    verdict: Verdict
    path: str
    line: int
    revision: str
    case: Case | None
    returned: str
    wanted: int
    differing: int
    total: int
    broken: tuple[Broken, ...]
    worlds: int
    unanswered: int
    reason: str
    reason_path: str
    reason_line: int
    reads: tuple[str, ...]
    notes: tuple[Note, ...]


_ABSENT = Comparison(Verdict.ABSENT, "", 0, "", None, "", 0, 0, 0, (), 0, 0, "", "", 0, (), ())


def resolver_source(reader: Reader, configuration: Configuration = ON) -> Source | None:
    """Return the tree's resolver ready to be evaluated."""
    sources = Sources(reader, configuration)
    found = core_definitions(reader, sources, reader.contract.asks)
    return found[0] if found else None


def compare(reader: Reader) -> Comparison:
    """Ask the tree's resolver in every world, and compare it with its revision's reference."""
    sources = Sources(reader, ON)
    found = core_definitions(reader, sources, reader.contract.asks)
    if not found:
        return _ABSENT
    source = found[0]
    if reader.contract.apart:
        reason = f"{source.name}() finds the handle in a {reader.contract.apart}, apart from xso"
        at = _ABSENT._replace(path=source.path, line=source.line, verdict=Verdict.OUTSIDE)
        return at._replace(reason=reason, reason_path=source.path, reason_line=source.line)
    asked = _Asked(source, sources)
    made = _in_worlds(asked)
    made = _against_reference(asked, made)
    if asked.outside is not None:
        reason, path, line = asked.outside
        if made.verdict is not Verdict.DIFFERS:
            made = made._replace(verdict=Verdict.OUTSIDE)
        made = made._replace(reason=reason, reason_path=path, reason_line=line)
        if made.verdict is Verdict.DIFFERS:
            note = Note(NoteKind.OUTSIDE, "", path, line, f"in other states: {reason}")
            return made._replace(notes=(*_notes(asked.traces), note), reads=_order(asked.traces))
    return made._replace(notes=tuple(_notes(asked.traces)), reads=_order(asked.traces))


class _Asked:
    """A resolver that answers questions; keeps what was outside first."""

    def __init__(self, source: Source, sources: Sources) -> None:
        self.sources = sources
        self.source = source
        self.runs = Runs(source, sources)
        self.outside: tuple[str, str, int] | None = None

    @property
    def traces(self) -> list[Trace]:
        """Each way that an answer was come to by."""
        return [one.trace for one in self.runs.results if not _is_foreign(one.value)]

    def answer(self, case: Case) -> Result | None:
        """Return what the resolver gives; None if that can't be evaluated."""
        try:
            result = self.runs.result(case)
        except Outside as error:
            self.outside = self.outside or (error.reason, error.path, error.line)
            return None
        value = result.value
        if _is_foreign(value):
            self.outside = self.outside or (value.text, value.path, value.line)
            return None
        return result


def _is_foreign(value: Value | Fault) -> TypeGuard[Fault]:
    """Tell whether a run ended where it looks at what no state has."""
    return isinstance(value, Fault) and value.kind is FaultKind.FIELD


def in_worlds(source: Source, sources: Sources) -> Comparison:
    """Ask a resolver in every world whose state the members' roles say, and in no other way."""
    return _in_worlds(_Asked(source, sources))


def _in_worlds(asked: _Asked) -> Comparison:
    contract = asked.sources.contract
    faults: list[Broken] = []
    count = unanswered = 0
    private, shares = PRIVATE in contract.members, SHARE in contract.slots
    answers = RESOLVE in contract.slots
    for world in by_roles(private, shares, answers, _may_pin(asked)):
        told: list[Broken] = []
        lost = False
        for asking in (*(one.name for one in world.devices), None):
            result = asked.answer(Case(world.state, asking))
            lost = lost or result is None
            if result is not None:
                told += _judged(world, asking, result, contract.slot(RESOLVE))
        count += 1
        unanswered += lost
        faults += told[:1]
    place = (asked.source.path, asked.source.line)
    verdict = Verdict.DIFFERS if faults else Verdict.KEEPS
    made = _ABSENT._replace(verdict=verdict, path=place[0], line=place[1])
    made = made._replace(broken=tuple(faults), worlds=count, unanswered=unanswered)
    return made._replace(reads=_order(asked.traces))


def _may_pin(asked: _Asked) -> bool:
    """Tell whether a state can name the lower device that its owner has chosen.

    Where xso has one device, its owner's, only the owner's callback can; without one, what names
    it is not known.
    """
    contract, path = asked.sources.contract, asked.source.path
    if PINNED in contract.members or RESOLVE not in contract.slots:
        return True
    kinds = [
        (kind.base, kind.pointers)
        for struct in contract.structs
        for kind in asked.sources.members(CType(struct), path).values()
    ]
    return kinds.count((DEVICE, 1)) != 1


def _judged(world: World, asking: str | None, result: Result, callback: str) -> Iterator[Broken]:
    """Yield what is wrong with one answer."""
    value = result.value
    if not isinstance(value, Int):
        yield Broken("P1", world, asking, 0, f"no answer: {value_text(value)}")
        return
    by_callback = any(s.kind is StepKind.CALL and s.object == callback for s in result.trace)
    found = broken(world, asking, value.value, by_callback)
    if found is not None:
        yield found


def _against_reference(asked: _Asked, made: Comparison) -> Comparison:
    """Compare with the reference of the revision whose shape the tree has, in every state."""
    known = _reference_of(asked.sources)
    if known is None:
        return made
    revision, resolve = known
    cases = states()
    differing: list[tuple[Case, str]] = []
    for case in cases:
        result = asked.answer(case)
        if result is None:
            continue
        value = result.value
        if not isinstance(value, Int) or value.value != resolve(case.state, case.lower):
            differing.append((case, value_text(value)))
    made = made._replace(revision=revision, total=len(cases), differing=len(differing))
    if not differing:
        equal = Verdict.EQUAL if made.verdict is Verdict.KEEPS else made.verdict
        return made._replace(verdict=equal)
    case, returned = differing[0]
    wanted = resolve(case.state, case.lower)
    return made._replace(verdict=Verdict.DIFFERS, case=case, returned=returned, wanted=wanted)


def _reference_of(sources: Sources) -> tuple[str, Callable[[State, str | None], int]] | None:
    """Return the revision that a tree has by its shape, and its reference; None if it has none's.

    Where the headers don't say what a state has, it is taken for revision 1's.
    """
    members = sources.contract.members
    read = any(member.place.path for member in members.values())
    captured = OWNER_CALLBACKS in members or LOWER_CALLBACKS in members
    if not captured and ({PRIVATE, PINNED} <= members.keys() or not read):
        return "revision 1", resolve
    if captured and SHARE in sources.contract.slots and PRIVATE not in members:
        return "revision 2", resolve_shared
    return None


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


def decides_on_what_can_change(found: Comparison, contract: Contract) -> str:
    """Return in words which deciding members are not read once before the first test, if any."""
    kinds = (NoteKind.REREAD, NoteKind.LATE, NoteKind.PLAIN)
    said = [
        note.text for note in found.notes if note.kind in kinds and contract.role_of(note.field)
    ]
    return ", ".join(dict.fromkeys(said))


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
