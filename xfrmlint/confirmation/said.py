"""What a second parser said, written into a report."""

from collections.abc import Iterable, Sequence

from xfrmlint.check import missing_of
from xfrmlint.findings import BOTH, CONFIRMED, Confirmation, Finding, Report, Unknown


def marked(finding: Finding, said: Confirmation) -> Finding:
    """Return a finding with what was said of it."""
    found = finding._replace(confirmation=said)
    if said.status == CONFIRMED:
        found = found._replace(parser=BOTH, confidence="high")
    return found


def told(report: Report, kept: Sequence[Finding], unknown: Iterable[Unknown]) -> Report:
    """Return a report of the findings that are left, with what else is unknown."""
    drivers = report.drivers
    if len(kept) < len(report.findings):
        drivers = tuple(row._replace(missing=missing_of(row.driver, kept)) for row in drivers)
    known = tuple(sorted({*report.unknown, *unknown}))
    return report._replace(findings=tuple(kept), drivers=drivers, unknown=known)
