"""A report confirmed: every finding asked about, what is refuted taken out, what is new noted."""

from collections.abc import Iterable, Iterator, Mapping

from xfrmlint.analysis.part import Facts, Progress, quietly
from xfrmlint.analysis.parts import whole_reader
from xfrmlint.c.reader import Reader
from xfrmlint.c.regions import Region, macro_at
from xfrmlint.clang.compiler import Answer, Asked, Clang
from xfrmlint.clang.vocabulary import Member, Seen
from xfrmlint.confirmation.claims import Claim, Claims
from xfrmlint.confirmation.places import source_of
from xfrmlint.confirmation.said import marked, told
from xfrmlint.confirmation.verdict import (
    REFUTED,
    UNCONFIRMED,
    Verdict,
    is_states,
    verdict,
)
from xfrmlint.contract.words import RESOLVE
from xfrmlint.findings import CONFIRMED, Confirmation, Finding, Report, Unknown
from xfrmlint.kernel.places import is_core
from xfrmlint.tree import Tree


class Questions:
    """What to ask of which source, and the answers once they are there."""

    def __init__(self, reader: Reader, offload: str) -> None:
        self._reader = reader
        self.offload = offload
        self._regions: dict[str, dict[Region, None]] = {}
        self._listed: dict[str, dict[str, None]] = {}
        self._sources: dict[str, str | None] = {}
        self._answers: Mapping[str, Answer] = {}

    def add(self, regions: Iterable[Region]) -> None:
        """Note items to ask about."""
        # Sources first: a header is asked about through one that is parsed anyway.
        for region in sorted(set(regions), key=lambda r: (not r.path.endswith(".c"), r)):
            source = self.source(region.path)
            if source is not None:
                self._regions.setdefault(source, {})[region] = None

    def list(self, path: str) -> None:
        """Note a file whose items are all to be gone through."""
        source = self.source(path)
        if source is not None:
            self._regions.setdefault(source, {})
            self._listed.setdefault(source, {})[path] = None

    def source(self, path: str) -> str | None:
        """Return the source through which a file is looked at."""
        if path not in self._sources:
            self._sources[path] = source_of(self._reader, path, self._regions)
        return self._sources[path]

    def ask(self, clang: Clang, everything: bool = False) -> None:
        """Ask. everything: about every item of the sources, else where macros can hide a site."""
        asked = {
            source: Asked(tuple(regions), tuple(self._listed.get(source, ())), everything)
            for source, regions in self._regions.items()
        }
        contract = self._reader.contract
        # Besides a state's fields: where the opt-in is set.
        members = [*contract.fields, *filter(None, [contract.holder(RESOLVE)])]
        self._answers = clang.ask(asked, members, self.offload, contract.telling)

    def verdict(self, claim: Claim) -> Verdict:
        """Return what becomes of a claim: the best of what its regions say."""
        seen = [self.seen(region) for region in claim.regions]
        parts = self._reader.contract.parts
        if any(m.record in parts and m.field == claim.name for one in seen for m in one.members):
            return Verdict(UNCONFIRMED, f"libclang is not asked whose {claim.name} it is")
        found = [verdict(claim, one, self.offload) for one in seen]
        sure = [one for one in found if one.status == CONFIRMED]
        return next(iter([*sure, *found]), _NOWHERE)

    def seen(self, region: Region) -> Seen:
        """Return what was seen in an item, or why it was not."""
        source = self.source(region.path)
        if source is None:
            return Seen("no source that includes it was found")
        answer = self._answers.get(source)
        if answer is None:
            return Seen("not asked")
        return answer.seen.get(region) or Seen(answer.reason or "libclang said nothing of it")

    def answers(self) -> Mapping[str, Answer]:
        """Return all answers by their source."""
        return self._answers


def confirmed(
    tree: Tree, facts: Facts, report: Report, clang: Clang, progress: Progress = quietly
) -> Report:
    """Return a tree's report in which every finding is confirmed, unconfirmed or withdrawn.

    What is withdrawn, and what libclang found by itself, is listed as unknown.
    """
    reader = whole_reader(tree, facts.whole)
    claims = Claims(facts.store, reader)
    by_finding = [(finding, claims.of(finding)) for finding in report.findings]
    questions = Questions(reader, facts.whole.offload)
    # What only macros show can stand beside any site, whether that is a finding or not.
    for path in dict.fromkeys(
        [region.path for site in claims.sites for region in site.claim.regions]
        + [table.place.path for table in claims.tables]
    ):
        if not is_core(path):
            questions.list(path)
    questions.add(r for _, listed in by_finding for claim in listed for r in claim.regions)
    progress("asking libclang")
    questions.ask(clang)
    kept: list[Finding] = []
    unknown: list[Unknown] = []
    for finding, listed in by_finding:
        found = _worst(listed, questions)
        if found.status == REFUTED:
            unknown.append(
                Unknown(
                    finding.path,
                    finding.line,
                    finding.function,
                    f"withdrawn: {finding.type}: {found.reason}",
                )
            )
        else:
            kept.append(marked(finding, Confirmation(found.status, found.reason)))
    return told(report, kept, [*unknown, *unseen(reader, questions, claims)])


def _worst(claims: Iterable[Claim], questions: Questions) -> Verdict:
    found = [questions.verdict(claim) for claim in claims]
    for status in (REFUTED, UNCONFIRMED):
        for one in found:
            if one.status == status:
                return one
    return Verdict(CONFIRMED) if found else Verdict(UNCONFIRMED, "nothing there to ask about")


def alone(reader: Reader, questions: Questions, claims: Claims) -> Iterator[tuple[Member, Seen]]:
    """Yield the accesses that libclang sees and tree-sitter did not, with the items they are in."""
    known = Known(reader, claims)
    for answer in questions.answers().values():
        for region, seen in answer.seen.items():
            if not is_core(region.path):
                for member in seen.members:
                    if is_states(member, questions.offload) and not known.has(member):
                        yield member, seen


def unseen(reader: Reader, questions: Questions, claims: Claims) -> Iterator[Unknown]:
    """Yield the same as what is unknown."""
    for member, seen in alone(reader, questions, claims):
        name = seen.declared[0].name if seen.declared else ""
        through = f" through the macro {member.macro}" if member.macro else ""
        reason = f"libclang alone sees an access of xso.{member.field}{through}"
        line = reader.corpus.unit(member.path).line(member.offset)
        yield Unknown(member.path, line, name, reason)


_NOWHERE = Verdict(UNCONFIRMED, "outside of functions and declarations")


class Known:
    """The accesses that tree-sitter found: by place, and those in macros by the macros' names."""

    def __init__(self, reader: Reader, claims: Claims) -> None:
        self._fields = frozenset(reader.contract.fields)
        self._places: dict[str, set[tuple[str, int]]] = {}
        self._macros: set[tuple[str, str]] = set()
        for site in claims.sites:
            claim = site.claim
            self._places.setdefault(site.field, set()).add((claim.path, claim.offset))
            name = macro_at(reader, claim.path, claim.offset) if claim.macro else ""
            for path in {region.path for region in claim.regions} if name else ():
                files, key = reader.universe.files(path), reader.universe.key(path)
                names = {name, *reader.macros(files, key).hiding([name])}
                self._macros.update((each, site.field) for each in names)

    def has(self, member: Member) -> bool:
        """Tell whether a member that libclang sees is one of them, or is none that counts."""
        if member.copy or member.field not in self._fields:
            return True
        if (member.macro, member.field) in self._macros:
            return True
        # A name that a macro puts together stands where its pieces do.
        return any(member.covers(*place) for place in self._places.get(member.field, ()))
