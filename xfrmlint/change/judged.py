"""A change judged on its own: the trees before and after it, and what is found in one only."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from xfrmlint.analysis.part import Progress, quietly
from xfrmlint.analysis.parts import contract_in
from xfrmlint.change.broken import broken_functions
from xfrmlint.change.cause import Causes
from xfrmlint.change.matching import Matched, matched, no_longer_known, unknown_since
from xfrmlint.change.scope import EVERYWHERE, NOWHERE, Scope, scope_of
from xfrmlint.change.step import Step
from xfrmlint.check import check_tree
from xfrmlint.contract.revisions import Names
from xfrmlint.contract.words import NEEDS
from xfrmlint.findings import Finding, Known, Report, Unknown, identity
from xfrmlint.kernel.places import HEADERS
from xfrmlint.kernel.release import version
from xfrmlint.memory.cache import Cache
from xfrmlint.memory.gather import Session
from xfrmlint.rules import Rule
from xfrmlint.tree import Tree
from xfrmlint.triage.applied import triaged
from xfrmlint.triage.config import Config, configured

# Of a change that was not analysed: whether its tree has the resolver.
NOT_ASKED = "unknown"


class Told(NamedTuple):
    """A finding as a change's report tells it.

    line: of the patch's text; 0 where that hasn't it. since: there, of what brought it then. was:
    what it was before, if the change wrote its line anew.
    """

    finding: Finding
    new: bool
    line: int
    since: int = 0
    was: Finding | None = None


Check = Callable[[Tree, Sequence[Rule], Progress, Session, Sequence[str]], Report]


class ChangeReport(NamedTuple):
    """What one change brings.

    told: the findings after it, those that are new or stand on lines that it wrote, unless all were
    asked for. fixed: those that it took away. unseen: those that may still be there, in what it
    made unknown. report: of the tree after it, with those findings and with what is newly unknown.
    scope: where they were looked for.
    """

    step: Step
    told: tuple[Told, ...]
    fixed: tuple[Finding, ...]
    report: Report
    scope: Scope
    unseen: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """What documents call the change: the step's name, or its label."""
        return self.step.name or self.step.label

    def settled(
        self, config: Config, baseline: Sequence[Known], asked: Collection[str]
    ) -> "ChangeReport":
        """Return the report without what settings ignore and a baseline knows; see triaged()."""
        report = triaged(self.report, config, baseline, asked)
        fixed, unseen = (
            configured(self.report._replace(findings=some), config, asked).findings
            for some in (self.fixed, self.unseen)
        )
        # Only a part of the tree was looked at.
        return self.telling(report._replace(gone=()))._replace(fixed=fixed, unseen=unseen)

    def telling(self, report: Report) -> "ChangeReport":
        """Return this with another report, of some of its findings."""
        told = {identity(one.finding): one for one in self.told}
        return self._replace(
            told=tuple(told[identity(f)]._replace(finding=f) for f in report.findings),
            report=report,
        )

    def brought(self) -> "ChangeReport":
        """Return the report with what is new alone."""
        new = tuple(one.finding for one in self.told if one.new)
        return self.telling(self.report._replace(findings=new))

    def only(self, choose: Callable[[Sequence[Finding]], Sequence[Finding]]) -> "ChangeReport":
        """Return the report with the findings chosen, in the order in which they are chosen."""
        told = {one.finding: one for one in self.told}
        findings = tuple(choose([one.finding for one in self.told]))
        return self._replace(
            told=tuple(told[finding] for finding in findings),
            fixed=tuple(choose(self.fixed)),
            unseen=tuple(choose(self.unseen)),
            report=self.report._replace(findings=findings),
        )


def judged(
    step: Step,
    rules: Sequence[Rule],
    only_new: bool = True,
    progress: Progress = quietly,
    session: Session | None = None,
    check: Check | None = None,
) -> ChangeReport:
    """Return what a change brings, or with only_new=False all that is found after it.

    A change that can touch no driver is not analysed. session: shared with other runs. check: what
    makes the reports, with check_tree()'s arguments.
    """
    changed = (*step.changed, *step.former)
    scope = step.scope or scope_of(step.before, step.after, changed) if only_new else EVERYWHERE
    if step.beside and only_new:
        own, *others = (
            judged(one._replace(scope=scope, beside=()), rules, True, progress, session, check)
            for one in (step, *step.beside)
        )
        return _new_to_all(own, others)
    if scope == NOWHERE:
        nothing = Report(version(step.after), NOT_ASKED, (), (), (), 0, 0)
        return ChangeReport(step, (), (), nothing, scope)
    session = session or Session(Cache(None))
    before, after = (
        (check or check_tree)(tree, rules, progress, session, scope.folders)
        for tree in (step.before, step.after)
    )

    def compared(olds: Sequence[Finding], news: Sequence[Finding]) -> Matched:
        return matched(olds, news, step.former, step.changed)

    found = compared(before.findings, after.findings)
    causes = Causes(
        step, after, *(_contract_of(step, rules, session.names) if found.new else ({}, {}))
    )
    told = []
    for number, finding in enumerate(after.findings):
        new = number in found.new
        if new:
            told.append(_told(step, causes, finding))
        elif number in found.came or not only_new:
            line = step.places.get((finding.path, finding.line), 0)
            told.append(Told(finding, False, line, was=found.came.get(number)))
    since = _with_broken(step, unknown_since(before.unknown, after.unknown, step.former))
    unknown = since if only_new else _with_broken(step, after.unknown)
    # What a comment hides since is not mended, and what one hid before is not told anew.
    gone = compared(found.fixed, after.suppressed).fixed
    unseen = no_longer_known(gone, since, step.former, step.changed)
    fixed = tuple(finding for finding in gone if finding not in unseen)
    hidden = after.suppressed
    if only_new:
        new_hidden = compared(before.suppressed, after.suppressed).new
        hidden = tuple(f for nth, f in enumerate(after.suppressed) if nth in new_hidden)
    report = after._replace(
        findings=tuple(one.finding for one in told),
        unknown=unknown,
        suppressed=hidden,
    )
    return ChangeReport(step, tuple(told), fixed, report, scope, unseen)


def _new_to_all(own: ChangeReport, others: Sequence[ChangeReport]) -> ChangeReport:
    """Return of a merge's report what is new, or newly unknown, to its other parents, too."""
    told, unknown = list(own.told), list(own.report.unknown)
    for other in others:
        new = {identity(one.finding) for one in other.told if one.new}
        told = [one for one in told if one.new and identity(one.finding) in new]
        unknown = [row for row in unknown if row in other.report.unknown]
    report = own.report._replace(
        findings=tuple(one.finding for one in told), unknown=tuple(unknown), suppressed=()
    )
    return own._replace(told=tuple(told), report=report, fixed=(), unseen=())


def _contract_of(
    step: Step, rules: Sequence[Rule], names: Names
) -> tuple[Mapping[str, Sequence[tuple[str, int]]], Mapping[str, frozenset[str]]]:
    """Return what of the contract a change brought that rules need, by type: where it stands.

    The resolver first, if it is among that. Besides the names of all that they need.
    """
    after = list(contract_in(step.after, names=names).named())
    called = {(kind, role): name for kind, role, name, _ in after}
    needed = {
        rule.type: frozenset(called[NEEDS[need]] for need in rule.needs if NEEDS[need] in called)
        for rule in rules
    }
    if not any(path.startswith((HEADERS, "net/")) for path in step.changed):
        return {}, needed
    before = contract_in(step.before, names=names)
    there = {(kind, role) for kind, role, _, _ in before.named()}
    places = {
        (kind, role): (place.path, place.line)
        for kind, role, _, place in after
        if (kind, role) not in there and place.path
    }
    resolver = [places[what] for what in (NEEDS["resolver"],) if what in places]
    brought = {
        rule.type: [places[NEEDS[need]] for need in sorted(rule.needs) if NEEDS[need] in places]
        for rule in rules
    }
    return {kind: [*resolver, *found] for kind, found in brought.items() if found}, needed


def _told(step: Step, causes: Causes, finding: Finding) -> Told:
    line = step.places.get((finding.path, finding.line), 0)
    change = step.changed.get(finding.path)
    touched = change is not None and finding.line in change.added
    # A line of code is its own cause; a table's is not all that there is to the table.
    cause = causes.of(finding, touched) if not (touched and finding.function) else None
    if cause is None:
        return Told(finding, True, line)
    told = finding._replace(related=(*finding.related, cause.related))
    return Told(told, True, line, cause.line if step.has_text and not line else 0)


def _with_broken(step: Step, unknown: Sequence[Unknown]) -> tuple[Unknown, ...]:
    """Return what stayed unknown, and the functions of a change that are no C."""
    broken = tuple(broken_functions(step))
    told = {row.path for row in broken}
    # One of those is said of the whole file, too.
    left = [row for row in unknown if row.path not in told or "parse errors" not in row.reason]
    return (*(_touched(step, row) for row in left), *broken)


def _touched(step: Step, row: Unknown) -> Unknown:
    """Return what stayed unknown; on a line of the change it matters."""
    change = step.changed.get(row.path)
    return row._replace(matters=row.matters or (change is not None and row.line in change.added))


def joined(reports: Sequence[ChangeReport]) -> Report:
    """Return one report of several changes, for formats that know of one: the last tree's."""
    own = [one.report for one in reports]
    # A change that was not analysed knows nothing of drivers.
    last = next((report for report in reversed(own) if report.contract != NOT_ASKED), own[-1])
    return last._replace(
        findings=tuple(finding for report in own for finding in report.findings),
        unknown=tuple(dict.fromkeys(row for report in own for row in report.unknown)),
        parsed=sum(report.parsed for report in own),
        lines=sum(one.step.lines for one in reports),
        suppressed=tuple(finding for report in own for finding in report.suppressed),
        ignored=tuple(finding for report in own for finding in report.ignored),
        baselined=tuple(finding for report in own for finding in report.baselined),
    )
