"""Findings as checkpatch.pl prints them, so that whatever reads the one reads the other.

Source: scripts/checkpatch.pl of Linux 7.3, report(), list_types(), hash_show_words(), the end of
process() and of the main loop. Where it checks files one by one this speaks of the whole tree: one
summary, one verdict. Patches and commits are told one by one, as it does.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from xfrmlint.findings import LEVELS, Finding, Hop, Related, Report, in_order
from xfrmlint.report.terminal import colored, printable
from xfrmlint.rules import Rule

if TYPE_CHECKING:
    from xfrmlint.change.judged import ChangeReport, Told

# Where checkpatch turns --strict on by itself.
_STRICT_FOLDERS = ("drivers/net/", "net/", "drivers/staging/")

# b4 takes a line with this anywhere in it for an error. At the end too: a colon may follow there.
_MARK = re.compile(r"ERROR(?=:|\Z)")


@dataclass(frozen=True)
class Options:
    """checkpatch's switches. quiet: how many -q. types, ignore: names of rules, in any case.

    chains: whether the call chains and related places are printed, which checkpatch hasn't.
    unknown: list all that could not be analysed, rather than what matters. named: returns what a
    path is called in lines that open a file, for --terse and --emacs.
    mailback: say nothing at all where there is nothing to mend.
    """

    terse: bool = False
    emacs: bool = False
    showfile: bool = False
    show_types: bool = False
    summary: bool = True
    quiet: int = 0
    color: bool = False
    strict: bool = False
    types: frozenset[str] | None = None
    ignore: frozenset[str] = frozenset()
    chains: bool = True
    mailback: bool = False
    unknown: bool = False
    named: Callable[[str], str] = str


def shown(findings: Iterable[Finding], options: Options) -> list[Finding]:
    """Return the findings that are printed and count for the exit status, by path, line, type.

    As in checkpatch a CHECK wants --strict or a path under drivers/net/, net/ or drivers/staging/,
    and --types makes it forget --ignore.
    """
    types = _upper(options.types or ())
    ignore = _upper(options.ignore)
    found = [
        finding
        for finding in findings
        if (finding.type in types if types else finding.type not in ignore)
        and (finding.level != "CHECK" or options.strict or _is_strict(finding.path))
    ]
    return in_order(found)


def render(
    report: Report, options: Options, changes: "Sequence[ChangeReport] | None" = None
) -> Iterator[str]:
    """Yield the lines of a run's output, none of which holds a newline.

    changes: where changes were judged, what each of them brings; they are told one by one.
    """
    if changes is not None:
        yield from _changes(changes, report, options)
        return
    quiet = options.quiet + options.terse
    findings = shown(report.findings, options)
    if options.mailback and not findings:
        return
    for finding in findings:
        yield from _entry(finding, options)
    if options.summary and (findings or not quiet):
        paths = [row.path for rows in (report.findings, report.drivers) for row in rows]
        yield _total(findings, paths, report.lines, options)
    if not quiet or options.unknown:
        yield from _unknown_notes(report, options)
    if quiet:
        return
    yield from _set_aside(report)
    yield ""
    yield _verdict(_tree(report), bool(findings), report)
    yield from _notes(report, findings, options)


def list_types(rules: Sequence[Rule], show_why: bool, color: bool = False) -> Iterator[str]:
    """Yield the rules' types as checkpatch --list-types prints its own, numbered from 1.

    show_why: add what each is for, as --verbose does.
    """
    yield "#\tMessage type"
    yield ""
    if color:
        levels = " | ".join(colored(level, level) for level in LEVELS)
        yield f" ( Color coding: {levels} | Multiple levels / Undetermined )"
        yield ""
    for number, rule in enumerate(rules, 1):
        level = rule.level if rule.level == rule.level_not_opted_in else ""
        name = printable(rule.type)
        yield f"{number}\t{colored(level, name) if color else name}"
        if show_why:
            for line in rule.why.split("\n"):
                yield f"\t{printable(line)}".rstrip()
            yield ""


def chain_lines(finding: Finding) -> Iterator[str]:
    """Yield how packets get to a finding: one hop a line, each to be seen at its path and line.

    Further chains follow, without the end they share with the first, then the related places.
    """
    yield from _labelled("chain", _hops(finding.chain))
    for chain in finding.more_chains:
        own = _own_part(chain, finding.chain)
        lines = _hops(chain[:own])
        if own < len(chain):
            lines.append(f"then as above, from {printable(chain[own - 1].function)}()")
        yield from _labelled("also", lines)
    places = [f"{_place(r.path, r.line)}: {printable(r.text)}" for r in finding.related]
    yield from _labelled("see", places)


def details(finding: Finding) -> str:
    """Return all there is to say of a finding, as lines without the empty one at the end."""
    lines = "\n".join(_entry(finding, Options(showfile=True, show_types=True))).rstrip("\n")
    return "\n".join([lines, *fix_lines(finding)])


def fix_lines(finding: Finding) -> Iterator[str]:
    """Yield what to do about a finding, a line if that is known."""
    yield from _labelled("fix", [_unmarked(finding.fix)] if finding.fix else [])


def fixes(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a line a type that says what to do about it, sorted by type."""
    for kind, fix in sorted({finding.type: finding.fix for finding in findings}.items()):
        if fix:
            name = printable(kind)
            yield f"{name}: {_unmarked(fix)}; xfrmlint explain {name}"


def steps(chain: Sequence[Hop]) -> list[str]:
    """Return a chain in words, a sentence a hop: the door first, then who calls whom."""
    return [
        _call(chain[number - 1].function, hop) if number else _door(hop)
        for number, hop in enumerate(chain)
    ]


# Of what matters so many places are named.
_MOST_NAMED = 20


def not_analysed(report: Report, everything: bool = False) -> Iterator[str]:
    """Yield what stayed unknown: by name what matters, or everything, and what more there is."""
    rows = sorted(row for row in report.unknown if everything or row.matters)
    named = rows if everything else rows[:_MOST_NAMED]
    for row in named:
        place = _place(row.path, row.line) if row.line else printable(row.path)
        function = f"{printable(row.function)}(): " if row.function else ""
        yield f"not analysed: {place}: {function}{_unmarked(row.reason)}"
    rest = len(report.unknown) - len(named)
    if rest:
        yield (
            f"{rest} {'more ' if named else ''}place{'s' * (rest != 1)} could not be analysed "
            "(xfrmlint check --show-unknown lists them)"
        )


def _unknown_notes(report: Report, options: Options) -> Iterator[str]:
    yield from (f"note: {text}" for text in not_analysed(report, options.unknown))


def _upper(names: Iterable[str]) -> set[str]:
    return {name.upper() for name in names}


def _is_strict(path: str) -> bool:
    return path.startswith(_STRICT_FOLDERS)


def _place(path: str, line: int) -> str:
    return f"{printable(path)}:{line}"


def _unmarked(text: str) -> str:
    return _MARK.sub(r"ERRO\\x52", printable(text))


def _changes(changes: "Sequence[ChangeReport]", whole: Report, options: Options) -> Iterator[str]:
    quiet = options.quiet + options.terse
    found = [told.finding for change in changes for told in change.told]
    for change in changes:
        if options.mailback and not change.told and not change.unseen:
            continue
        yield from _change(change, len(changes) > 1, options)
    if not quiet and (found or not options.mailback):
        yield from _notes(whole, found, options)


def _change(change: "ChangeReport", headed: bool, options: Options) -> Iterator[str]:
    quiet = options.quiet + options.terse
    label = printable(change.step.label)
    if headed and not quiet:
        yield from ("-" * len(label), label, "-" * len(label))
    for told in change.told:
        yield from _told(told, change.step.name, options)
    findings = [told.finding for told in change.told]
    # That a finding can't be seen any more is told, however quiet.
    if change.unseen or (options.summary and (findings or not quiet)):
        fixed = f", {len(change.fixed)} fixed" if change.fixed else ""
        unseen = f", {len(change.unseen)} no longer known" if change.unseen else ""
        paths = [*change.step.changed, *(finding.path for finding in findings)]
        yield _total(findings, paths, change.step.lines, options) + fixed + unseen
    if change.unseen or not quiet or options.unknown:
        yield from _unknown_notes(change.report, options)
    if quiet:
        return
    yield from _set_aside(change.report)
    yield ""
    yield _verdict(label, bool(findings), change.report)


class _Spot(NamedTuple):
    """A line of a patch's text."""

    name: str
    line: int


def _told(told: "Told", patch: str, options: Options) -> Iterator[str]:
    """Yield a finding of a change, at the patch's line; without one, where the tree has it."""
    finding, spot = told.finding, _Spot(patch, told.line) if told.line else None
    if told.since:
        line = Related(patch, told.since, "the line of the patch that says so")
        finding = finding._replace(related=(*finding.related, line))
    lines = list(_entry(finding, options, spot))
    if told.was is not None and not options.terse and options.chains:
        was = told.was
        place = f"{_place(was.path, was.line)}: before this change: {printable(was.source.strip())}"
        lines[-1:-1] = _labelled("was", [place])
    yield from lines


def _entry(finding: Finding, options: Options, spot: _Spot | None = None) -> Iterator[str]:
    yield _head(finding, options, spot)
    if options.terse:
        return
    if not options.showfile:
        line = spot.line if spot else finding.line
        yield f"#{line}: FILE: {_place(finding.path, finding.line)}:"
    yield "+" + printable(finding.source, keep_tabs=True)
    if options.chains:
        yield from chain_lines(finding)
    if finding.confirmation is not None and finding.confirmation.reason:
        confirmation = finding.confirmation
        yield f"  {confirmation.status}: {printable(confirmation.reason)}"
    yield ""


def _head(finding: Finding, options: Options, spot: _Spot | None) -> str:
    prefix = ""
    if spot and not options.showfile and (options.terse or options.emacs):
        prefix = f"{_unmarked(spot.name)}:{spot.line}: "
    elif options.showfile:
        prefix = f"{_unmarked(finding.path)}:{finding.line}: "
    elif options.terse or options.emacs:
        prefix = f"{_unmarked(options.named(finding.path))}:{finding.line}: "
    level = f"{prefix}{finding.level}:"
    kind = f"{printable(finding.type)}:" if options.show_types else ""
    head = colored(finding.level, level, kind) if options.color else level + kind
    return f"{head} {_unmarked(finding.message)}"


def _labelled(label: str, lines: Iterable[str]) -> Iterator[str]:
    start = f"{label:>7}: "
    for line in lines:
        yield start + line
        start = " " * len(start)


def _hops(chain: Sequence[Hop]) -> list[str]:
    texts = zip(chain, steps(chain), strict=True)
    return [f"{_place(hop.path, hop.line)}: {printable(text)}" for hop, text in texts]


def _door(hop: Hop) -> str:
    name, through, holder = hop.via.partition(" (")
    if name.startswith("handler table "):
        return f"{hop.via} holds {hop.function}()"
    end = f" through {holder.removesuffix(')')}" if through else ""
    return f"{name} = {hop.function}(){end}"


def _call(caller: str, hop: Hop) -> str:
    if hop.via == "header inline":
        return f"{caller}() calls {hop.function}(), a header inline"
    end = f" through {hop.via}" if hop.via else ""
    return f"{caller}() calls {hop.function}(){end}"


def _own_part(chain: Sequence[Hop], first: Sequence[Hop]) -> int:
    """Return how many hops of a chain stand before the end that it shares with the first.

    The door always does: it is what makes this another way.
    """
    shared = 0
    limit = min(len(chain), len(first)) - 1
    while (
        shared < limit
        and chain[-1 - shared] == first[-1 - shared]
        and chain[-2 - shared].function == first[-2 - shared].function
    ):
        shared += 1
    # A pointer to a single line would take as much room as the line.
    return len(chain) - (shared if shared > 1 else 0)


def _total(findings: Sequence[Finding], paths: Iterable[str], lines: int, options: Options) -> str:
    counts = Counter(finding.level for finding in findings)
    strict = options.strict or any(map(_is_strict, paths))
    checks = f"{counts['CHECK']} checks, " if strict else ""
    return (
        f"total: {counts['ERROR']} errors, {counts['WARNING']} warnings, "
        f"{checks}{lines} lines checked"
    )


def _set_aside(report: Report) -> Iterator[str]:
    counts = [
        (len(report.suppressed), "by comments"),
        (len(report.ignored), "by the tree's .xfrmlint.toml"),
        (len(report.baselined), "by the baseline"),
    ]
    said = ", ".join(f"{count} {why}" for count, why in counts if count)
    if said:
        yield f"note: not shown: {said}"
    for entry in report.idle:
        yield f"note: .xfrmlint.toml: {printable(entry)} matches nothing"
    if report.gone:
        yield f"note: gone from the tree: {sum(one.times for one in report.gone)} of the baseline"


def _tree(report: Report) -> str:
    return f"Linux {printable(report.version)}" if report.version else "This tree"


def _verdict(name: str, dirty: bool, report: Report) -> str:
    if dirty:
        return f"{name} has xfrm offload problems, please review."
    if any(row.matters for row in report.unknown):
        return f"{name} could not be analysed where it matters, please review those places."
    return f"{name} has no obvious xfrm offload problems."


def _notes(report: Report, found: Sequence[Finding], options: Options) -> Iterator[str]:
    for number, text in enumerate(fixes(found)):
        if not number:
            yield ""
        yield f"NOTE: {text}"
    for word, names in (("Used", options.types or ()), ("Ignored", options.ignore)):
        if names:
            yield ""
            yield f"NOTE: {word} message types: {printable(' '.join(sorted(_upper(names))))}"
    if report.contract == "absent":
        yield ""
        yield f"NOTE: {_tree(report)} has no resolver for lower devices: the rules that need it"
        yield "      were not run (xfrmlint rules)."
    if found:
        yield ""
        yield "NOTE: If any of the errors are false positives, please report"
        yield "      them to the maintainers of xfrmlint."
