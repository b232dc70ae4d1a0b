"""Findings as GitLab's Code Quality report, shown in merge requests.

Source: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format; what is read
of it: app/validators/json_schemas/codeclimate.json and
lib/gitlab/ci/reports/codequality_reports.rb of GitLab.
"""

from collections.abc import Iterator, Sequence

from xfrmlint.findings import Finding, Report, worst_of_each
from xfrmlint.report import json

_SEVERITIES = {"ERROR": "major", "WARNING": "minor", "CHECK": "info"}


def render(report: Report, shown: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of a JSON array; it has no room for what stayed unknown."""
    yield from json.portable(
        [
            {
                "description": finding.message,
                "check_name": finding.type,
                "fingerprint": finding.fingerprint,
                "severity": _SEVERITIES[finding.level],
                "location": {"path": finding.path, "lines": {"begin": finding.line}},
            }
            for finding in worst_of_each(shown)
        ]
    )
