"""Findings as reviewdog's DiagnosticResult.

Source: https://github.com/reviewdog/reviewdog, proto/rdf/reviewdog.proto, as protobuf writes JSON.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from xfrmlint.findings import Finding, Report, identity, in_order
from xfrmlint.report import json
from xfrmlint.report.checkpatch import details, steps
from xfrmlint.report.home import home, page_of

if TYPE_CHECKING:
    from xfrmlint.report.edits import Fixes, Mended

_SEVERITIES = {"ERROR": "ERROR", "WARNING": "WARNING", "CHECK": "INFO"}


def render(report: Report, shown: Sequence[Finding], fixes: "Fixes | None" = None) -> Iterator[str]:
    """Yield the lines of one JSON object; it has no room for what stayed unknown.

    fixes: what mends findings, by their identity.
    """
    fixes = fixes or {}
    yield from json.portable(
        {
            "source": {"name": "xfrmlint", **({"url": home()} if home() else {})},
            "diagnostics": [
                _diagnostic(finding, fixes.get(identity(finding))) for finding in in_order(shown)
            ],
        }
    )


def _diagnostic(finding: Finding, mended: "Mended | None") -> dict[str, Any]:
    chain = zip(finding.chain, steps(finding.chain), strict=True)
    places = [
        *((hop.path, hop.line, text) for hop, text in chain),
        *((place.path, place.line, place.text) for place in finding.related),
    ]
    return {
        "message": finding.message,
        "location": _location(finding.path, {"line": finding.line, "column": finding.column}),
        "severity": _SEVERITIES[finding.level],
        "code": {
            "value": finding.type,
            **({"url": page_of(finding.type)} if page_of(finding.type) else {}),
        },
        # What `reviewdog -reporter=local` prints.
        "original_output": details(finding),
        "related_locations": [
            {"message": text, "location": _location(path, {"line": line})}
            for path, line, text in places
        ],
        **_suggested(finding, mended),
    }


def _suggested(finding: Finding, mended: "Mended | None") -> dict[str, Any]:
    """Return whole lines to replace: a suggestion is of the diagnostic's own file."""
    from xfrmlint.report.edits import joined

    found = joined(mended) if mended is not None else None
    if found is None or found[0] != finding.path:
        return {}
    one = found[1]
    start = {"line": one.line, "column": len(one.start) + 1}
    end = {"line": one.last, "column": len(one.stop) + 1}
    return {"suggestions": [{"range": {"start": start, "end": end}, "text": one.text}]}


def _location(path: str, start: dict[str, int]) -> dict[str, Any]:
    # No end: what is at fault goes on to no column that is known.
    return {"path": path, "range": {"start": start}}
