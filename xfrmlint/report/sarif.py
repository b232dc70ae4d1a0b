"""Findings as SARIF 2.1.0, as GitHub's code scanning reads it.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/ (section numbers below);
https://docs.github.com/code-security/reference/code-scanning/sarif-files/sarif-support.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xfrmlint import __version__
from xfrmlint.findings import Finding, Hop, Report, Unknown, identity, worst_of_each
from xfrmlint.report import json
from xfrmlint.report.checkpatch import steps
from xfrmlint.report.home import home, page_of
from xfrmlint.report.rulepage import what
from xfrmlint.report.text import before, uri
from xfrmlint.rules import Rule

if TYPE_CHECKING:
    from xfrmlint.report.edits import Fixes, Mended

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {"ERROR": "error", "WARNING": "warning", "CHECK": "note"}
# GitHub's own words for the same.
_SEVERITIES = {"ERROR": "error", "WARNING": "warning", "CHECK": "recommendation"}
_ROOT = "%SRCROOT%"
_NOT_ANALYSED = "NOT_ANALYSED"
_UNKNOWN = "A place that could not be analysed: what is wrong there was not found."
_DESCRIPTIONS = ("shortDescription", "fullDescription", "help")
# GitHub's limit of a description.
_LONGEST = 1024


def render(
    report: Report, shown: Sequence[Finding], rules: Sequence[Rule], fixes: "Fixes | None" = None
) -> Iterator[str]:
    """Yield the lines of one log of one run; rules: all there are, for their texts.

    fixes: what mends findings, by their identity.
    """
    numbers = {rule.type: number for number, rule in enumerate(rules)}
    driver = {
        "name": "xfrmlint",
        "version": __version__,
        "semanticVersion": __version__,
        **({"informationUri": home()} if home() else {}),
        "rules": [_rule(rule) for rule in rules],
        "notifications": [{"id": _NOT_ANALYSED, **dict.fromkeys(_DESCRIPTIONS, _text(_UNKNOWN))}],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "xfrmlint/"},
        "originalUriBaseIds": {_ROOT: {"description": _text("the top of the kernel tree")}},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_unknown(row) for row in sorted(report.unknown)],
            }
        ],
        "results": [_result(finding, numbers, fixes or {}) for finding in worst_of_each(shown)],
        "properties": {"treeVersion": report.version, "contract": report.contract},
    }
    yield from json.portable({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: Rule) -> dict[str, Any]:
    reference = " ".join(rule.reference.split())
    paragraphs = [f"Fix: {rule.fix}.", rule.why, f"Reference: {reference}" if reference else ""]
    more = f"xfrmlint explain {rule.type} shows examples."
    return {
        "id": rule.type,
        "shortDescription": _short(what(rule)),
        "fullDescription": _short(rule.why or what(rule)),
        "help": _text("\n\n".join(filter(None, [*paragraphs, more]))),
        **({"helpUri": page_of(rule.type)} if page_of(rule.type) else {}),
        "defaultConfiguration": {"level": _LEVELS[rule.level]},
        "properties": {
            "problem.severity": _SEVERITIES[rule.level],
            "tags": ["ipsec", "linux-kernel"],
        },
    }


def _result(finding: Finding, numbers: Mapping[str, int], fixes: "Fixes") -> dict[str, Any]:
    chains = [chain for chain in (finding.chain, *finding.more_chains) if chain]
    found: dict[str, Any] = {
        "ruleId": finding.type,
        "level": _LEVELS[finding.level],
        "message": {"text": _said(finding)},
        "locations": [_main_place(finding)],
        # GitHub computes primaryLocationLineHash itself.
        "partialFingerprints": {"xfrmlint/v1": finding.fingerprint},
        "properties": {
            "confidence": finding.confidence,
            "driver": finding.driver,
            "parser": finding.parser,
        },
    }
    if finding.type in numbers:
        found["ruleIndex"] = numbers[finding.type]
    if chains:
        found["codeFlows"] = [_flow(chain, finding) for chain in chains]
    if finding.related:
        found["relatedLocations"] = [
            {"id": number, **_place(place.path, place.line), "message": _text(place.text)}
            for number, place in enumerate(finding.related, 1)
        ]
    mended = fixes.get(identity(finding))
    if mended is not None:
        found["fixes"] = [_fix(mended)]
    return found


def _fix(mended: "Mended") -> dict[str, Any]:
    """Return a fix (3.55); its regions count code points, as all of the run does."""
    from xfrmlint.report.edits import columns, replacements

    changes = []
    for path, some in replacements(mended):
        replaced = [
            {
                "deletedRegion": {
                    "startLine": one.line,
                    "startColumn": first,
                    "endLine": one.last,
                    "endColumn": last,
                },
                "insertedContent": {"text": one.text},
            }
            for one, (first, last) in zip(some, columns(some, True), strict=True)
        ]
        changes.append({"artifactLocation": _artifact(path), "replacements": replaced})
    return {"description": _text(mended[0].does), "artifactChanges": changes}


def _main_place(finding: Finding) -> dict[str, Any]:
    """Return where a finding is, from its column to the end of the line."""
    region = {
        "startLine": max(finding.line, 1),
        "startColumn": len(before(finding.source, finding.column)) + 1,
        "endLine": max(finding.line, 1),
        "endColumn": len(finding.source) + 1,
        "snippet": {"text": finding.source},
    }
    place = {"physicalLocation": {"artifactLocation": _artifact(finding.path), "region": region}}
    return {**place, **_function(finding.function)}


def _flow(chain: Sequence[Hop], finding: Finding) -> dict[str, Any]:
    places = [
        {**_place(hop.path, hop.line), "message": _text(text)}
        for hop, text in zip(chain, steps(chain), strict=True)
    ]
    places.append({**_main_place(finding), "message": _text(finding.message)})
    return {"threadFlows": [{"locations": [{"location": place} for place in places]}]}


def _unknown(row: Unknown) -> dict[str, Any]:
    said: dict[str, Any] = {
        "descriptor": {"id": _NOT_ANALYSED, "index": 0},
        "level": "warning",
        "message": _text(row.reason),
    }
    if row.path:
        said["locations"] = [{**_place(row.path, row.line), **_function(row.function)}]
    return said


def _place(path: str, line: int) -> dict[str, Any]:
    """Return a line of a file; line 0: all of it."""
    place: dict[str, Any] = {"artifactLocation": _artifact(path)}
    if line > 0:
        place["region"] = {"startLine": line}
    return {"physicalLocation": place}


def _artifact(path: str) -> dict[str, str]:
    return {"uri": uri(path), "uriBaseId": _ROOT}


def _function(name: str) -> dict[str, Any]:
    return {"logicalLocations": [{"name": name, "kind": "function"}]} if name else {}


def _said(finding: Finding) -> str:
    """Return a finding's message, then links to the related places: GitHub shows only linked ones.

    3.11.6: a link is [text](id), and brackets in its text are escaped.
    """
    text = _doubled(finding.message)
    if "](" in text:
        # C like ops[0](skb) must not become one.
        text = _escaped(text)
    links = [
        f"[{_escaped(_doubled(place.text))}]({number})"
        for number, place in enumerate(finding.related, 1)
    ]
    return f"{text} (see {', '.join(links)})" if links else text


def _short(text: str) -> dict[str, str]:
    return {"text": textwrap.shorten(_doubled(text), _LONGEST, placeholder=" ...")}


def _text(text: str) -> dict[str, str]:
    return {"text": _doubled(text)}


def _doubled(text: str) -> str:
    """Return text without placeholders: 3.11.5, a brace is written twice."""
    return text.replace("{", "{{").replace("}", "}}")


def _escaped(text: str) -> str:
    return re.sub(r"[\\\[\]]", r"\\\g<0>", text)
