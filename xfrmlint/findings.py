"""What a run says: findings, drivers, and what could not be analysed."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

LEVELS = ("ERROR", "WARNING", "CHECK")


class Hop(NamedTuple):
    """A step of a call chain: the function entered, where it is called, and through what.

    The first hop's place is where the entry is filled, and its via names the entry.
    """

    function: str
    path: str
    line: int
    via: str


class Related(NamedTuple):
    """A second place that a finding speaks of."""

    path: str
    line: int
    text: str


# What a second parser makes of a finding, and both parsers' name together.
CONFIRMED = "confirmed"
BOTH = "tree-sitter+libclang"


class Confirmation(NamedTuple):
    """What a second parser says of a finding. status: confirmed, or unconfirmed with a reason."""

    status: str
    reason: str = ""


class Finding(NamedTuple):
    """One violation at one place. chain: from a datapath entry to the function; may be empty.

    more_chains: other ways to the same place. confidence: high, or medium where a type was only
    known by its member's name. source: the text of the line. confirmation: None if none was asked
    for. fix: what to do, in a line; the same for all findings of a type in a tree.
    """

    type: str
    level: str
    path: str
    line: int
    column: int
    function: str
    driver: str
    message: str
    chain: tuple[Hop, ...]
    more_chains: tuple[tuple[Hop, ...], ...]
    related: tuple[Related, ...]
    confidence: str
    parser: str
    source: str
    fingerprint: str
    confirmation: Confirmation | None = None
    fix: str = ""


class DriverLine(NamedTuple):
    """One ops table as `xfrmlint drivers` shows it. missing: what there is to convert, in words.

    flag_path, flag_line: where it opts in, line 0 where it doesn't.
    """

    driver: str
    table: str
    path: str
    line: int
    role: str
    on_netdev: bool
    opted_in: bool
    direct: int
    resolved: int
    control: int
    verdict: str
    missing: tuple[str, ...]
    flag_path: str = ""
    flag_line: int = 0


class Unknown(NamedTuple):
    """Something that could not be analysed. line 0: the whole file.

    matters: it stands on a way to a handle, or in what a change touches: a finding can be missing.
    """

    path: str
    line: int
    function: str
    reason: str
    matters: bool = False


class Known(NamedTuple):
    """A finding as a baseline remembers it. times: how many findings have that fingerprint."""

    path: str
    function: str
    type: str
    level: str
    fingerprint: str
    times: int


class Report(NamedTuple):
    """Everything one run has to say. parsed: files looked into, lines: how long they are.

    suppressed, ignored, baselined: findings that a comment, the tree's configuration, a baseline
    keeps from being shown. gone: what the baseline has and the tree no longer. idle: entries of
    the tree's settings that ignore nothing.
    """

    version: str
    contract: str
    findings: tuple[Finding, ...]
    drivers: tuple[DriverLine, ...]
    unknown: tuple[Unknown, ...]
    parsed: int
    lines: int
    suppressed: tuple[Finding, ...] = ()
    ignored: tuple[Finding, ...] = ()
    baselined: tuple[Finding, ...] = ()
    gone: tuple[Known, ...] = ()
    idle: tuple[str, ...] = ()


def identity(finding: Finding) -> tuple[object, ...]:
    """Return what of a finding neither settings nor a second parser change."""
    return finding.type, finding.path, finding.line, finding.column, finding.fingerprint


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings as every format shows them: by path, line, type."""
    return sorted(findings, key=lambda f: (f.path, f.line, f.type, f.column, f.fingerprint))


def worst_of_each(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings in order, of those with one fingerprint the worst alone, or the last.

    A series can bring one and make it worse; who reads fingerprints takes the two for one.
    """
    found: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = finding.type, finding.fingerprint
        if LEVELS.index(finding.level) <= LEVELS.index(found.get(key, finding).level):
            found[key] = finding
    return in_order(found.values())


def fingerprint(kind: str, path: str, function: str, source: str, nth: int) -> str:
    """Return 16 hex digits that survive moved lines: type, file, function, the line's text.

    nth: the how manieth of equal findings in that function this is, from 0.
    """
    text = "\0".join((kind, path, function, " ".join(source.split()), str(nth)))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]
