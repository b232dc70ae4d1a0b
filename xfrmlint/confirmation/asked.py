"""Every fact of a tree put to libclang: sites, ops tables, filled slots and the calls of chains."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from xfrmlint.analysis.part import Facts, Progress
from xfrmlint.analysis.parts import whole_reader
from xfrmlint.c.regions import Region, offset_of, regions_at
from xfrmlint.clang.compiler import Clang
from xfrmlint.clang.vocabulary import SKIPPED, Seen
from xfrmlint.confirmation.claims import Claim, Claims
from xfrmlint.confirmation.run import Questions
from xfrmlint.confirmation.verdict import REFUTED
from xfrmlint.contract.words import worth_reading
from xfrmlint.facts.store import Store
from xfrmlint.findings import CONFIRMED
from xfrmlint.kernel.places import is_core
from xfrmlint.program.reach import Hop
from xfrmlint.tree import Tree


class Step(NamedTuple):
    """A hop of a site's chain. caller: whose call it is, empty for the door."""

    site: int
    chain: int
    caller: str
    hop: Hop


class Asked:
    """What tree-sitter says of a tree, and what libclang says to it."""

    def __init__(self, tree: Tree, facts: Facts, clang: Clang, progress: Progress) -> None:
        self.offload = facts.whole.offload
        self.reader = whole_reader(tree, facts.whole)
        self.claims = Claims(facts.store, self.reader)
        self.slots = [self._slot(*row) for row in facts.store.query(_SLOTS)[1]]
        self.steps = list(_steps(facts.store))
        self.questions = Questions(self.reader, self.offload)
        claims = [*self.claims.everything(), *self.slots]
        self.questions.add(region for claim in claims for region in claim.regions)
        for hop in dict.fromkeys(step.hop for step in self.steps):
            self.questions.add(self._at(hop.path, hop.line)[0])
        for path in tree.search(worth_reading(facts.whole.contract)):
            if not is_core(path):
                self.questions.list(path)
        progress("asking libclang")
        self.questions.ask(clang, everything=True)

    def _at(self, path: str, line: int) -> tuple[tuple[Region, ...], int]:
        offset = offset_of(self.reader, path, line, 1)
        return regions_at(self.reader, path, offset), offset

    def _slot(self, field: str, target: str, path: str, line: int) -> Claim:
        regions, at = self._at(path, line)
        return Claim(SLOT, regions, path, at, line, field, target)

    def against(self, claim: Claim) -> str:
        """Return why libclang does not see what is claimed; empty if it does."""
        if claim.kind == SLOT:
            found = ((region, self.questions.seen(region)) for region in claim.regions)
            return _best(
                _hidden(claim.path, claim.offset, region, seen) or _slot(claim, seen)
                for region, seen in found
            )
        judged = self.questions.verdict(claim)
        return "" if judged.status == CONFIRMED else judged.reason

    def absent(self, claim: Claim) -> str:
        """Return why a compiler does not get to see what is claimed; empty if it can."""
        if claim.kind == SLOT:
            reason = self.against(claim)
            return reason if reason == SKIPPED else ""
        judged = self.questions.verdict(claim)
        return judged.reason if judged.absent or judged.status == REFUTED else ""

    def against_call(self, step: Step) -> str:
        """Return why libclang does not see a call; empty if it does."""
        path = step.hop.path
        regions, at = self._at(path, step.hop.line)
        found = ((region, self.questions.seen(region)) for region in regions)
        return _best(
            _hidden(path, at, region, seen) or _call(step.caller, step.hop, seen)
            for region, seen in found
        )


SLOT = "slot"
_SLOTS = "SELECT DISTINCT field, target, path, line FROM slot"
_HOPS = """
SELECT h.site, h.chain, h.position, h.function, h.path, h.line, h.via
FROM hop h JOIN site s ON s.id = h.site
ORDER BY h.site, h.chain, h.position
"""


def _steps(store: Store) -> Iterator[Step]:
    caller = ""
    for site, chain, position, *hop in store.query(_HOPS)[1]:
        found = Hop(*hop)
        yield Step(site, chain, caller if position else "", found)
        caller = f"{found.function}()"


def _best(reasons: Iterable[str]) -> str:
    """Return no reason if one of the places has none, else the first."""
    found = list(reasons)
    return "" if "" in found else next(iter(found), "outside of functions and declarations")


def _hidden(path: str, offset: int, region: Region, seen: Seen) -> str:
    """Return that a place is under a false #if; a macro's text is in no region."""
    return SKIPPED if region.path == path and seen.skips(offset) else ""


def _slot(claim: Claim, seen: Seen) -> str:
    """Return why libclang does not see that a function pointer is filled; empty if it does."""
    if seen.reason:
        return seen.reason
    named = [f for f in seen.filled if claim.target in (*f.targets, *f.names)]
    if any(f.field == claim.name for f in named):
        return ""
    return f"libclang sees no {claim.name} that holds {claim.target}()"


def _call(caller: str, hop: Hop, seen: Seen) -> str:
    """Return why libclang does not see a hop; empty if it does."""
    if seen.reason:
        return seen.reason
    if not caller:
        door, _, through = hop.via.partition(" (")
        door = door.removeprefix("handler table ")
        if through.startswith("argument of ") and any(c.line == hop.line for c in seen.calls):
            # The function that is named there is a parameter.
            return ""
        if any((n.line, n.name) == (hop.line, hop.function) for n in seen.named):
            return ""
        return f"libclang sees no {door} that holds {hop.function}()"
    here = [c for c in seen.calls if c.line == hop.line]
    if any(c.function == hop.function for c in here):
        return ""
    if hop.via and any(c.slot.removeprefix("struct ") == hop.via for c in here):
        return ""
    errors = f", parse errors at line {seen.errors[0]}" if seen.errors else ""
    return f"libclang sees no such call there{errors}"
