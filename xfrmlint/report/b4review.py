"""Findings as `b4 review` wants them of an external check (b4.review-perpatch-check-cmd).

Source: b4 0.16.0, src/b4/review/checks.py, _run_external_cmd().
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from xfrmlint.findings import Finding, Report, in_order
from xfrmlint.report import json
from xfrmlint.report.checkpatch import details, not_analysed
from xfrmlint.report.home import home

_NOUNS = {"ERROR": "error", "WARNING": "warning", "CHECK": "check"}


def render(report: Report, shown: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of a JSON array of one result, a clean run's too: nothing looks like no run.

    What b4 shows on a terminal is made printable.
    """
    counts = Counter(finding.level for finding in shown)
    said = [
        f"{counts[level]} {noun}{'s' * (counts[level] != 1)}"
        for level, noun in _NOUNS.items()
        if counts[level]
    ]
    unknown = ["\n".join(not_analysed(report))] if report.unknown else []
    missed = sum(row.matters for row in report.unknown)
    if missed:
        said.append(f"{missed} place{'s' * (missed != 1)} not analysed")
    yield from json.portable(
        [
            {
                "tool": "xfrmlint",
                "status": "fail" if counts["ERROR"] else "warn" if said else "pass",
                "summary": ", ".join(said) or "passed all checks",
                "url": home(),
                "details": "\n\n".join([*map(details, in_order(shown)), *unknown]),
            }
        ]
    )
