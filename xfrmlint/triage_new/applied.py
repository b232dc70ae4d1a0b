"""What of a report is new to its reader: a tree's settings and a baseline applied to it.

Comments in the code are applied before, by check_tree(): the findings about them are findings.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from xfrmlint.baseline import baseline_of, compared, write_baseline
from xfrmlint.config import Config, configured
from xfrmlint.findings import Finding, Known, Report


def triaged(
    report: Report,
    config: Config,
    baseline: Sequence[Known] = (),
    asked: Collection[str] = (),
) -> Report:
    """Return a report whose findings are those that are neither ignored nor known.

    config: the tree's, for a change that of the tree before it. asked: types that the user asked
    for by name, which a tree can't turn off.
    """
    report = configured(report, config, asked)
    return compared(report, baseline) if baseline else report


def limited(report: Report, within: Callable[[str], bool]) -> Report:
    """Return a report of some paths alone, with what is not shown of them."""
    return report._replace(
        findings=tuple(f for f in report.findings if within(f.path)),
        suppressed=tuple(f for f in report.suppressed if within(f.path)),
        ignored=tuple(f for f in report.ignored if within(f.path)),
        baselined=tuple(f for f in report.baselined if within(f.path)),
        gone=tuple(one for one in report.gone if within(one.path)),
    )


def accepted(
    report: Report, path: Path, chosen: Callable[[Iterable[Finding]], Iterable[Finding]]
) -> Report:
    """Write the chosen ones of all findings, those known already too, to a baseline.

    Returns the report with them as known; raises InputError if the file can't be written.
    """
    baseline = baseline_of(chosen([*report.findings, *report.baselined]))
    write_baseline(path, baseline)
    return compared(report, baseline)


def narrowed(report: Report, chosen: Callable[[Iterable[Finding]], Iterable[Finding]]) -> Report:
    """Return a report that counts as not shown only what would be chosen to be shown."""
    return report._replace(
        suppressed=tuple(chosen(report.suppressed)),
        ignored=tuple(chosen(report.ignored)),
        baselined=tuple(chosen(report.baselined)),
    )
