"""Findings as workflow commands, which GitHub shows beside the changed lines of a pull request.

Source: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands;
the escapes: escapeData() and escapeProperty() of @actions/core, lib/command.js.
"""

from collections.abc import Iterator, Sequence

from xfrmlint.findings import Finding, Report, in_order
from xfrmlint.report.checkpatch import chain_lines, fix_lines, not_analysed
from xfrmlint.report.home import page_of
from xfrmlint.report.terminal import printable
from xfrmlint.report.text import before

_COMMANDS = {"ERROR": "error", "WARNING": "warning", "CHECK": "notice"}


def render(report: Report, shown: Sequence[Finding]) -> Iterator[str]:
    """Yield a command a finding. Everything is made printable: the runner shows it in its log."""
    for finding in in_order(shown):
        column = len(before(finding.source, finding.column)) + 1
        # The runner strips the whole list: a path with a blank at its end must not be last.
        place = f"file={_property(finding.path)},line={finding.line},col={column}"
        said = [printable(finding.message), *chain_lines(finding), *fix_lines(finding)]
        if page := page_of(finding.type):
            said.append(page)
        text = "\n".join(said)
        command = _COMMANDS[finding.level]
        yield f"::{command} title={_property(finding.type)},{place}::{_data(text)}"
    if report.unknown:
        yield f"::notice title=xfrmlint::{_data(chr(10).join(not_analysed(report)))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
