"""A conversion, laid over its tree in memory and judged: what is still said against it."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from xfrmlint.analysis.analyse import Analysis, analyse
from xfrmlint.analysis.judgement import Judgement, judgements
from xfrmlint.check import report_of
from xfrmlint.contract.revisions import NO_NAMES, Names
from xfrmlint.convert.edits import Reason, files_of
from xfrmlint.convert.plan import Plan, plan_of
from xfrmlint.errors import TOO_DEEP
from xfrmlint.facts.store import Store
from xfrmlint.findings import Finding
from xfrmlint.git.overlay import Overlay
from xfrmlint.model.judge import FINE
from xfrmlint.program.sites import Site
from xfrmlint.rules import Rule
from xfrmlint.tree import Tree
from xfrmlint.tree.lines import line_text

_MOST = 8
_WRONG = "WRONG_LOWER_DEV"
# What a driver that promises to resolve must not do; a conversion is about these. What else is said
# of a driver is no reason to leave it unconverted, if it was said of it before.
_PROMISED = frozenset(
    {
        "DIRECT_OFFLOAD_HANDLE",
        "HANDLE_OUTLIVES_PACKET",
        "LOWER_DEFINES_RESOLVER",
        "LOWER_HANDLE_FLAG_MISSING",
        "LOWER_HANDLE_NOT_RESOLVED",
        "OFFLOAD_DEV_ACCESS",
        "OFFLOAD_HANDLE_WRITE",
        "UNCHECKED_LOWER_HANDLE",
        "UPPER_PRIV_ACCESS",
        _WRONG,
        "ZERO_HANDLE_TX_BUSY",
    }
)


class Proof(NamedTuple):
    """A plan with what comes of it. reads: what the datapath does today.

    before, after: the judgements; after is None where nothing was judged. files: path -> before and
    after. left: the findings that stay. wrong: the functions that would ask for another device.
    """

    plan: Plan
    reads: tuple[Site, ...]
    before: Judgement | None
    after: Judgement | None
    files: dict[str, tuple[bytes, bytes]]
    left: tuple[Finding, ...]
    reasons: tuple[Reason, ...]
    wrong: frozenset[str] = frozenset()


def proven(
    tree: Tree, analysis: Analysis, driver: str, rules: Sequence[Rule], names: Names = NO_NAMES
) -> Proof:
    """Plan a driver's conversion and judge it; where a device is found wrong, with another one.

    analysis: of the tree. names: see analyse(). A driver that is nested too deeply for that is
    refused.
    """
    try:
        return _proven(tree, analysis, driver, rules, names)
    except RecursionError:
        refused = Plan(driver, (), (), (), (Reason("", 0, f"its code is {TOO_DEEP}"),))
        return Proof(refused, (), None, None, {}, (), refused.reasons)


def _proven(
    tree: Tree, analysis: Analysis, driver: str, rules: Sequence[Rule], names: Names
) -> Proof:
    without: frozenset[tuple[str, str]] = frozenset()
    while True:
        plan = plan_of(analysis, driver, without)
        proof = _proof(tree, analysis, plan, rules, names)
        wrong = {one for one in plan.devices if one[0] in proof.wrong}
        if not wrong or wrong <= without or len(without) > _MOST:
            return proof
        without |= wrong


def _proof(
    tree: Tree, analysis: Analysis, plan: Plan, rules: Sequence[Rule], names: Names
) -> Proof:
    """Judge a plan."""
    before = _judgement(analysis, tree, plan.driver)
    places = {handle.place for handle in before.handles} if before is not None else set()
    reads = tuple(site for site in analysis.sites if site.place in places)
    part = next(p for p in analysis.parts if any(d.group == plan.driver for d in p.drivers))
    modules = {d.module for d in part.drivers if d.group == plan.driver}
    if plan.reasons or not plan.edits:
        against = list(plan.reasons)
        if not against:
            # What has nothing to convert need not be right.
            own = [one for one in findings_of(analysis, tree, rules) if one.driver in modules]
            against = list(_found(own, own, "stands there"))
        return Proof(plan, reads, before, None, {}, (), tuple(against[:_MOST]))
    try:
        files = files_of(tree, plan.edits)
    except ValueError as error:
        reason = Reason(plan.edits[0].path, 0, f"the edits can't be laid together: {error}")
        return Proof(plan, reads, before, None, {}, (), (reason,))
    over = Overlay(tree, {path: after for path, (_, after) in files.items()}, tree.name)
    made = analyse(over, under=part.graph.reader.universe.home, names=names)
    after = _judgement(made, over, plan.driver, analysis.store)
    found = findings_of(made, over, rules)
    own = [one for one in found if one.driver in modules or one.path in files]
    against = [
        *_judged(before, after, plan.asking),
        *_found(own, findings_of(analysis, tree, rules), "would stand there"),
        *_unknown(analysis, made, files),
    ]
    wrong = frozenset(one.function for one in own if one.type == _WRONG)
    return Proof(plan, reads, before, after, files, tuple(own), tuple(against[:_MOST]), wrong)


def _judgement(
    analysis: Analysis, tree: Tree, driver: str, whole: Store | None = None
) -> Judgement | None:
    def line(path: str, number: int) -> str:
        return line_text(tree.read(path), number)

    return next(iter(judgements(analysis.store, line, driver, whole)), None)


def _judged(
    before: Judgement | None, after: Judgement | None, asking: Mapping[str, Collection[str]]
) -> Iterator[Reason]:
    """Yield what a judgement says against a patch.

    asking: the functions that ask from now on where another one has read the field.
    """
    if after is None:
        yield Reason("", 0, "converted, it gets no handle on its datapath that can be judged")
        return
    kept = {handle.function for handle in after.handles}
    for handle in before.handles if before is not None else ():
        if not kept.issuperset(asking.get(handle.function, [handle.function])):
            yield Reason(
                *handle.place[:2], f"{handle.function}() would not be seen to ask any more"
            )
    for handle in after.handles:
        place = (handle.place.path, handle.place.line)
        if not handle.asks:
            yield Reason(*place, f"{handle.function}() would still read the shared field")
        elif handle.note:
            yield Reason(*place, f"no path is seen to use the handle of {handle.function}()")
        elif handle.worst() not in FINE:
            said = f"{handle.function}() would get or use: {handle.worst()}"
            yield Reason(*place, said)
    if not after.opted_in:
        yield Reason("", 0, "converted, it would still not be seen to promise to resolve")
    for doubt in after.doubts:
        # What a whole file is linked with is no function's.
        text = f"{doubt.function}(): {doubt.reason}" if doubt.function else doubt.reason
        yield Reason(doubt.place.path, doubt.place.line, text)


def findings_of(
    analysis: Analysis, tree: Tree, rules: Sequence[Rule], without: str = ""
) -> Sequence[Finding]:
    """Return what is said of a tree. without: a level that is left out."""
    found = report_of(analysis.facts, tree, rules).findings
    return [one for one in found if one.level != without]


def gets_right(analysis: Analysis, tree: Tree, driver: str, function: str) -> bool:
    """Tell whether a function asks the resolver and is judged right in every topology."""
    judgement = _judgement(analysis, tree, driver)
    own = [one for one in judgement.handles if one.function == function] if judgement else []
    return bool(own) and all(one.asks and not one.note and one.worst() in FINE for one in own)


def _found(findings: Sequence[Finding], before: Sequence[Finding], where: str) -> Iterator[Reason]:
    """Yield the findings that speak against a patch. before: what is said of the tree as it is."""
    stood = Counter((one.type, one.path, one.function) for one in before)
    for one in findings:
        mark = (one.type, one.path, one.function)
        stood[mark] -= 1
        is_new = one.type in _PROMISED or stood[mark] < 0
        if is_new and one.level != "CHECK":
            yield Reason(one.path, one.line, f"{one.type} {where}: {one.message}")


def _unknown(before: Analysis, after: Analysis, paths: Collection[str]) -> Iterator[Reason]:
    """Yield what can't be analysed any more in the files that were edited."""
    asked = "SELECT path, line, function, reason FROM unknown"
    known = {(r["path"], r["function"], _plain(r["reason"])) for r in before.store.query(asked)[1]}
    for row in after.store.query(asked)[1]:
        mark = (row["path"], row["function"], _plain(row["reason"]))
        if row["path"] in paths and mark not in known:
            yield Reason(row["path"], row["line"], row["reason"])


def _plain(reason: str) -> str:
    """Return a reason without the numbers of lines, which have moved."""
    return re.sub(r"\d+", "", reason)
