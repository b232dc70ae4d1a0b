"""Findings as GCC prints its diagnostics, for whatever reads compilers.

Source: GNU Coding Standards, 4.4 Formatting Error Messages
(https://www.gnu.org/prep/standards/html_node/Errors.html); GCC manual, 3.8 Options to Control
Diagnostic Messages Formatting: -fdiagnostics-show-option, -fdiagnostics-column-unit, -ftabstop.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence

from xfrmlint.findings import Finding, Report, in_order
from xfrmlint.report.checkpatch import not_analysed, steps
from xfrmlint.report.terminal import printable
from xfrmlint.report.text import before

_KINDS = {"ERROR": "error", "WARNING": "warning", "CHECK": "note"}


def render(
    report: Report,
    shown: Sequence[Finding],
    everything: bool = False,
    named: Callable[[str], str] = str,
) -> Iterator[str]:
    """Yield a line a finding, its first chain and related places as notes below it.

    What to do is a note, too, below the first finding of a type. everything: list all that could
    not be analysed, rather than what matters. named: returns what a file is to be called.
    """
    told: set[str] = set()
    for finding in in_order(shown):
        column = _width(before(finding.source, finding.column)) + 1
        kind = _KINDS[finding.level]
        place = f"{printable(named(finding.path))}:{finding.line}:{column}"
        yield f"{place}: {kind}: {printable(finding.message)} [-W{printable(finding.type)}]"
        notes = [
            (h.path, h.line, s) for h, s in zip(finding.chain, steps(finding.chain), strict=True)
        ]
        notes += finding.related
        if finding.fix and finding.type not in told:
            told.add(finding.type)
            notes.append((finding.path, finding.line, f"fix: {finding.fix}"))
        for path, line, text in notes:
            yield f"{printable(named(path))}:{line}: note: {printable(text)}"
    for text in not_analysed(report, everything):
        yield f"xfrmlint: note: {text}"


def _width(text: str) -> int:
    """Return how many columns a text takes where tabs stop every 8."""
    width = 0
    for character in text:
        if character == "\t":
            width += 8 - width % 8
        elif unicodedata.category(character) not in ("Mn", "Me", "Cf"):
            width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return width
