"""The whole run as JSON, for programs: schema 1."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from xfrmlint import __version__
from xfrmlint.findings import DriverLine, Finding, Hop, Related, Report, in_order
from xfrmlint.report.text import utf8

if TYPE_CHECKING:
    from xfrmlint.change.judged import ChangeReport, Told

SCHEMA = 1


def render(
    report: Report, findings: Iterable[Finding], changes: "Sequence[ChangeReport] | None" = None
) -> Iterator[str]:
    """Yield the lines of one JSON document, all ASCII, the same for the same run.

    findings: those of the report that are to be told. changes: where changes were judged, what each
    of them brings; the findings are then theirs, and name their change. A byte of a name that is no
    UTF-8 stands as a lone surrogate, such as \\udcff, as Python decodes file names.
    """
    chosen = in_order(findings)
    counts = Counter(finding.level for finding in chosen)
    told = [_finding(finding) for finding in chosen]
    named = list(zip(changes or (), _names(changes or ()), strict=True))
    if changes is not None:
        told = [_told(one, name) for change, name in named for one in change.told]
    document = dump(
        {
            **head(report),
            **({} if changes is None else {"changes": [_change(*one) for one in named]}),
            "findings": told,
            "drivers": drivers(report),
            "unknown": unknown(report),
            "idle_ignores": list(report.idle),
            "summary": {
                "errors": counts["ERROR"],
                "warnings": counts["WARNING"],
                "checks": counts["CHECK"],
                "suppressed": len(report.suppressed),
                "ignored": len(report.ignored),
                "baselined": len(report.baselined),
                "gone": sum(one.times for one in report.gone),
                "unknown": len(report.unknown),
                "files_parsed": report.parsed,
                "lines": report.lines,
            },
        }
    )
    yield from document.splitlines()


def head(report: Report) -> dict[str, Any]:
    """Return what every document begins with: schema, tool, tree."""
    return {
        "schema": SCHEMA,
        "tool": {"name": "xfrmlint", "version": __version__},
        "tree": {"version": report.version, "contract": report.contract},
    }


def drivers(report: Report) -> list[dict[str, Any]]:
    """Return the ops tables as objects, by driver and place."""
    return [row._asdict() for row in sorted(report.drivers, key=driver_order)]


def driver_order(row: DriverLine) -> tuple[str, str, int, str]:
    """Return what ops tables are sorted by wherever they are shown."""
    return row.driver, row.path, row.line, row.table


def unknown(report: Report) -> list[dict[str, Any]]:
    """Return what could not be analysed, as objects."""
    return [row._asdict() for row in sorted(report.unknown)]


def portable(document: Any) -> Iterator[str]:
    r"""Yield the lines of a document in somebody else's format, all ASCII.

    A byte of a name that is no UTF-8 stands as \xff: what readers make of a lone surrogate can't be
    told (RFC 8259, 8.2).
    """
    yield from dump(_valid(document)).splitlines()


def dump(document: Any) -> str:
    """Return a document as text, in the order its fields were given."""
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, dict):
        return {name: _valid(held) for name, held in value.items()}
    return [_valid(held) for held in value] if isinstance(value, list) else value


def _finding(finding: Finding) -> dict[str, Any]:
    found = finding._asdict()
    if finding.confirmation is None:
        # Nobody asked for one.
        del found["confirmation"]
    else:
        found["confirmation"] = finding.confirmation._asdict()
    return {
        **found,
        "chain": _chain(finding.chain),
        "more_chains": [_chain(chain) for chain in finding.more_chains],
        "related": [place._asdict() for place in finding.related],
    }


def _names(changes: "Sequence[ChangeReport]") -> list[str]:
    """Return what each change is called; several of one mailbox by their subjects, too."""
    counts = Counter(change.name for change in changes)
    return [c.name if counts[c.name] == 1 else c.step.label for c in changes]


def _change(change: "ChangeReport", name: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": change.step.title,
        "new": sum(told.new for told in change.told),
        "fixed": len(change.fixed),
        "no_longer_known": len(change.unseen),
    }


def _told(told: "Told", change: str) -> dict[str, Any]:
    return {
        **_finding(told.finding),
        "change": change,
        "new": told.new,
        "patch_line": told.line or told.since or None,
        "was": told.was and Related(told.was.path, told.was.line, told.was.source)._asdict(),
    }


def _chain(chain: Iterable[Hop]) -> list[dict[str, Any]]:
    return [hop._asdict() for hop in chain]
