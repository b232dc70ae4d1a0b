"""What libclang said of a report, remembered for as long as a tree gives the same answers."""

from collections.abc import Sequence
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xfrmlint.analysis.gather import Session
from xfrmlint.analysis.part import Progress, quietly
from xfrmlint.check import check_tree
from xfrmlint.confirmation.said import marked, told
from xfrmlint.errors import InputError
from xfrmlint.findings import Confirmation, Finding, Report, Unknown, identity
from xfrmlint.rules import Rule
from xfrmlint.tree import Tree
from xfrmlint.tree.watched import Watched

# Reasons that a quieter machine need not give again.
_PASSING = "not parsed"


def check_confirmed(
    tree: Tree,
    rules: Sequence[Rule],
    commands: Path | None,
    session: Session,
    progress: Progress = quietly,
    under: Sequence[str] = (),
) -> Report:
    """Check a tree as check_tree() does, then ask libclang about what was found.

    commands: a build's compile_commands.json. Raises InputError if libclang can't be loaded.
    """
    report = check_tree(tree, rules, progress, session, under)
    return confirmed_of(tree, report, commands, session, progress, under)


def confirmed_of(
    tree: Tree,
    report: Report,
    commands: Path | None,
    session: Session,
    progress: Progress = quietly,
    under: Sequence[str] = (),
) -> Report:
    """Return a report of a tree with what libclang says of it; see check_confirmed()."""
    asked = [(one.fingerprint, one.line, one.column) for one in report.findings]
    key = repr(("confirmed", _libclang(), _told(commands), tuple(under), asked))
    known = session.cache.recall(key, tree)
    found = _applied(report, known) if known is not None else None
    if found is not None:
        return found
    # A run that remembers needs nothing of the front ends.
    from xfrmlint.analysis.analyse import analyse
    from xfrmlint.confirmation.run import confirmed
    from xfrmlint.frontend.clang.compiler import Clang

    watched = Watched(tree)
    with Clang(watched, commands) as clang:
        found = confirmed(analyse(watched, progress, under), report, clang, progress)
    said = _document(report, found)
    if not any(reason.startswith(_PASSING) for _, reason in said["findings"]):
        session.cache.remember(key, watched.seen, said)
    return found


def _libclang() -> tuple[str, int] | None:
    """Return which libclang there is, without loading it."""
    found = find_spec("clang")
    if found is None or found.origin is None:
        return None
    return found.origin, Path(found.origin).stat().st_mtime_ns


def _told(commands: Path | None) -> str:
    if commands is None:
        return ""
    try:
        return blake2b(commands.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{commands}: {error.strerror}") from None


def _document(report: Report, found: Report) -> dict[str, Any]:
    """Return what became of each finding, in order, and what else is unknown now."""
    left = {identity(one): one.confirmation for one in found.findings}
    said = [left.get(identity(one)) for one in report.findings]
    return {
        "findings": [(one.status, one.reason) if one else ("", "") for one in said],
        "unknown": sorted({*found.unknown} - {*report.unknown}),
    }


def _applied(report: Report, document: Any) -> Report | None:
    """Return a report with what was said of it; None if the document is none."""
    kept: list[Finding] = []
    try:
        for finding, (status, reason) in zip(report.findings, document["findings"], strict=True):
            if status:
                kept.append(marked(finding, Confirmation(str(status), str(reason))))
        unknown = [Unknown(*row) for row in document["unknown"]]
    except (KeyError, TypeError, ValueError):
        return None
    return told(report, kept, unknown)
