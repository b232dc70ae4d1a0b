"""What libclang said of a report, remembered for as long as a tree gives the same answers."""

from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xfrmlint.analysis.part import Facts, Plan, Progress, quietly
from xfrmlint.check import report_of
from xfrmlint.confirmation.said import marked, told
from xfrmlint.errors import InputError
from xfrmlint.findings import Confirmation, Finding, Report, Unknown, identity
from xfrmlint.kernel.places import is_core
from xfrmlint.memory.gather import Session, gathered
from xfrmlint.rules import Rule
from xfrmlint.tree import Tree
from xfrmlint.tree.watched import Watched

if TYPE_CHECKING:
    from xfrmlint.clang.compiler import Clang

# Reasons that a quieter machine need not give again.
_PASSING = "not parsed"


def check_confirmed(
    tree: Tree,
    rules: Sequence[Rule],
    progress: Progress,
    session: Session,
    under: Sequence[str] = (),
    commands: Path | None = None,
) -> Report:
    """Check a tree as check_tree() does, then ask libclang about what was found.

    commands: a build's compile_commands.json. Raises InputError if libclang can't be loaded.
    """
    with Asking(tree, commands, session) as asking:
        # What has to be analysed has to be confirmed, too.
        facts = gathered(tree, session, progress, under, asking.begin)
        return asking.confirmed(facts, report_of(facts, tree, rules), progress)


class Asking:
    """A libclang over one tree, loaded when it is needed; use it as a context manager.

    commands: a build's compile_commands.json. What is said is kept in the session's cache.
    """

    def __init__(self, tree: Tree, commands: Path | None, session: Session) -> None:
        self._tree = tree
        self.watched = Watched(tree)
        self._commands = commands
        self._cache = session.cache
        self._held = ExitStack()
        self._clang: Clang | None = None

    def __enter__(self) -> "Asking":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def begin(self, whole: Plan) -> None:
        """Let libclang prepare itself beside the analysis."""
        paths = [path for part in whole.parts for path in part.paths]
        self.clang([p for p in paths if p.endswith(".c") and not is_core(p)]).begin()

    def clang(self, likely: Sequence[str] = ()) -> "Clang":
        """Return libclang; raises InputError where it can't be loaded. likely: see Clang."""
        if self._clang is None:
            # A run that remembers needs nothing of it.
            from xfrmlint.clang.compiler import Clang

            made = Clang(self.watched, likely, self._commands, self._cache.file)
            self._clang = self._held.enter_context(made)
        return self._clang

    def confirmed(self, facts: Facts, report: Report, progress: Progress = quietly) -> Report:
        """Return a report of the tree with what libclang says of it."""
        key = _key(facts, report, self._commands)
        known = self._cache.recall(key, self._tree)
        found = _applied(report, known) if known is not None else None
        if found is not None:
            return found
        from xfrmlint.confirmation.run import confirmed

        found = confirmed(self.watched, facts, report, self.clang(), progress)
        said = _document(report, found)
        if not any(reason.startswith(_PASSING) for _, reason in said["findings"]):
            self._cache.remember(key, self.watched.seen, said)
        return found


def _key(facts: Facts, report: Report, commands: Path | None) -> str:
    """Return what the answers depend on besides what is read of the tree."""
    told = blake2b(repr((facts.whole, [one[:-1] for one in report.findings])).encode())
    for table in ("item", "site", "ops_table", "callback", "sleep"):
        _, rows = facts.store.query(f"SELECT * FROM {table}")
        told.update(repr([tuple(row) for row in rows]).encode())
    return repr(("confirmed", _libclang(), _told(commands), told.hexdigest()))


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
