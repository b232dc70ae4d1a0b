"""Where tree-sitter and libclang differ: sites, filled slots, and the calls of chains."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from xfrmlint.analysis.part import Facts, Progress, quietly
from xfrmlint.analysis.parts import pattern, whole_reader
from xfrmlint.confirmation.claims import FILLED, Claim, Claims
from xfrmlint.confirmation.run import Known, Questions
from xfrmlint.confirmation.verdict import is_states
from xfrmlint.facts.store import Store
from xfrmlint.findings import CONFIRMED
from xfrmlint.frontend.clang.compiler import Clang
from xfrmlint.frontend.clang.vocabulary import Seen
from xfrmlint.frontend.regions import Region, offset_of, regions_at
from xfrmlint.program.ops import OPS
from xfrmlint.program.reach import Hop
from xfrmlint.tree import Tree
from xfrmlint.tree.places import is_core

TREE_SITTER, LIBCLANG = "tree-sitter", "libclang"


class Difference(NamedTuple):
    """Something that only one parser sees. kind: site, table, slot or call. only: which one.

    what: in words. reason: why the other does not, as far as that is known.
    """

    path: str
    line: int
    kind: str
    what: str
    only: str
    reason: str


def compared(
    tree: Tree, facts: Facts, clang: Clang, progress: Progress = quietly
) -> list[Difference]:
    """Return where the facts of a tree and libclang differ, by path and line."""
    asked = _Asked(tree, facts)
    progress("asking libclang")
    asked.questions.ask(clang, everything=True)
    found = [*asked.not_confirmed(), *asked.calls(), *asked.unseen()]
    return sorted(set(found))


class _Asked:
    """What tree-sitter says, and the questions that come of it."""

    def __init__(self, tree: Tree, facts: Facts) -> None:
        self._offload = facts.whole.offload
        self._reader = whole_reader(tree, facts.whole)
        claims = Claims(facts.store, self._reader)
        self._known = Known(self._reader, claims)
        self._claims: dict[Claim, tuple[str, str]] = {}
        for site in claims.sites:
            what = f"{site.access} of xso.{site.field} in {site.function}()"
            self._claims[site.claim] = ("site", what)
        for table in claims.tables:
            self._claims[table.claim] = ("table", table.symbol)
            for callback in table.callbacks.values():
                self._claims[callback] = ("slot", f"{callback.name} = {callback.target}")
        _, rows = facts.store.query("SELECT DISTINCT field, target, path, line FROM slot")
        for row in rows:
            regions, at = self._at(row["path"], row["line"])
            claim = Claim(_SLOT, regions, row["path"], at, row["line"], row["field"], row["target"])
            self._claims.setdefault(claim, ("slot", f"{row['field']} = {row['target']}"))
        self._hops = list(dict.fromkeys(_steps(facts.store)))
        self.questions = Questions(self._reader, self._offload)
        self.questions.add(region for claim in self._claims for region in claim.regions)
        for _, hop in self._hops:
            self.questions.add(self._at(hop.path, hop.line)[0])
        for path in tree.search(pattern(self._offload)):
            if not is_core(path):
                self.questions.list(path)

    def _at(self, path: str, line: int) -> tuple[tuple[Region, ...], int]:
        offset = offset_of(self._reader, path, line, 1)
        return regions_at(self._reader, path, offset), offset

    def not_confirmed(self) -> Iterator[Difference]:
        """Yield the sites, tables and slots that libclang does not see."""
        for claim, (kind, what) in self._claims.items():
            if claim.kind == _SLOT:
                reason = _best(_slot(claim, self.questions.seen(r)) for r in claim.regions)
            else:
                found = self.questions.verdict(claim)
                reason = "" if found.status == CONFIRMED else found.reason
            if reason:
                yield Difference(claim.path, claim.line, kind, what, TREE_SITTER, reason)

    def calls(self) -> Iterator[Difference]:
        """Yield the calls of chains that libclang does not see."""
        for caller, hop in self._hops:
            regions, _ = self._at(hop.path, hop.line)
            reason = _best(_call(caller, hop, self.questions.seen(r)) for r in regions)
            if reason:
                what = f"{caller or hop.via} calls {hop.function}()"
                yield Difference(hop.path, hop.line, "call", what, TREE_SITTER, reason)

    def unseen(self) -> Iterator[Difference]:
        """Yield the sites and slots of ops tables that tree-sitter does not see."""
        slots = {(c.path, c.offset, c.name) for c in self._claims if c.kind == FILLED}
        for answer in self.questions.answers().values():
            for region, seen in answer.seen.items():
                if is_core(region.path):
                    continue
                for member in seen.members:
                    if is_states(member, self._offload):
                        if not self._known.has(member):
                            through = f" through {member.macro}" if member.macro else ""
                            what = f"access of xso.{member.field}{through}"
                            yield self._alone(member.path, member.offset, "site", what)
                for slot in seen.filled:
                    if slot.record == OPS and slot.targets and not slot.macro:
                        if (slot.path, slot.offset, slot.field) not in slots:
                            what = f"{slot.field} = {', '.join(slot.targets)}"
                            yield self._alone(slot.path, slot.offset, "slot", what)

    def _alone(self, path: str, offset: int, kind: str, what: str) -> Difference:
        line = self._reader.corpus.unit(path).line(offset)
        return Difference(path, line, kind, what, LIBCLANG, "")


_SLOT = "slot"


def _best(reasons: Iterable[str]) -> str:
    """Return no reason if one of the places has none, else the first."""
    found = list(reasons)
    return "" if "" in found else next(iter(found), "outside of functions and declarations")


def _slot(claim: Claim, seen: Seen) -> str:
    """Return why libclang does not see that a function pointer is filled; empty if it does."""
    if seen.reason:
        return seen.reason
    if any(start <= claim.offset < end for start, end in seen.skipped):
        return "under a false #if"
    named = [f for f in seen.filled if claim.target in (*f.targets, *f.names)]
    if any(f.field == claim.name for f in named):
        return ""
    return f"libclang sees no {claim.name} that holds {claim.target}()"


def _steps(store: Store) -> Iterator[tuple[str, Hop]]:
    """Yield the caller (empty for the door) and the call, for each hop of the sites' chains."""
    caller = ""
    for position, *hop in store.query(_HOPS)[1]:
        found = Hop(*hop)
        caller = caller if position else ""
        yield caller, found
        caller = f"{found.function}()"


_HOPS = """
SELECT h.position, h.function, h.path, h.line, h.via FROM hop h JOIN site s ON s.id = h.site
ORDER BY h.site, h.chain, h.position
"""


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
