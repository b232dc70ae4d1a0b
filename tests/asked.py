"""Small trees checked in this process, and whether what is said of one is what is right."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

from tests.laid import EXAMPLE
from tests.trees import Memory
from xfrmlint.analysis import analyse
from xfrmlint.analysis.analyse import Analysis
from xfrmlint.analysis.part import Progress
from xfrmlint.analysis.parts import plan
from xfrmlint.c.corpus import Memo
from xfrmlint.check import check_tree
from xfrmlint.contract.words import Contract
from xfrmlint.facts.merged import Rows
from xfrmlint.findings import Report, Unknown
from xfrmlint.memory.cache import Cache
from xfrmlint.memory.gather import Session
from xfrmlint.rules import Rule, load_rules, rules_folder
from xfrmlint.tree import Tree
from xfrmlint.tree.watched import Seen, Watched

RULES = load_rules([rules_folder()])
_FUNCTION = re.compile(r"^(?:static )?[^\n;=#]*?\b(\w+)\([^;{}]*\)\n\{\n.*?^\}$", re.M | re.S)

Kinds = frozenset[tuple[str, str]]


class _Core(Cache):
    """Remembers what was made of headers and core: all drivers of a base have it in common.

    Of a driver's folder only what it was like first: mostly another one is changed by a test.
    """

    def remember(self, key: str, seen: Seen, document: Any) -> None:
        if not ("plan" in key or ("drivers/" in key and key in self._fresh)):
            super().remember(key, seen, document)


# What all tests of a process find out of headers and cores, each once; not for one that changes
# what the program does or knows.
SESSION = Session(_Core(None))
_MEMO = Memo()
_CORES = Cache(None)
_CORE_FACTS = analyse.core_facts


def report_on(tree: Tree, rules: Sequence[Rule] = RULES) -> Report:
    """Check a tree; what earlier tests found out of the same headers and the same core holds."""
    return check_tree(tree, rules, session=SESSION)


def analysis_of(tree: Tree, under: Sequence[str] = ()) -> Analysis:
    """Analyse a tree; what earlier tests found out of the same headers and the same core holds."""
    with remembering():
        return analyse.analyse(tree, under=under)


@contextmanager
def remembering() -> Iterator[None]:
    """Let whoever analyses a tree have what earlier tests found out of its headers and its core."""
    shared: dict[str, Any] = {
        "core_facts": _core,
        "Memo": lambda: _MEMO,
        "plan": partial(plan, memo=_MEMO),
    }
    with patch.multiple(analyse, **shared):
        yield
    _MEMO.forget_drivers()


def _core(tree: Tree, memo: Memo, progress: Progress, contract: Contract) -> Rows:
    rows: Rows | None = _CORES.recall(repr(contract), tree)
    if rows is None:
        watched = Watched(tree)
        rows = _CORE_FACTS(watched, memo, progress, contract)
        _CORES.remember(repr(contract), watched.seen, rows)
    return rows


class Base:
    """A kernel that many drivers are checked in, one at a time."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)
        self._session = Session(_Core(None))

    def check(self, files: Mapping[str, bytes]) -> Report:
        """Check the tree that has these files besides."""
        return check_tree(Memory({**self._files, **files}), RULES, session=self._session)

    def check_example(self, text: str) -> Report:
        """Check the tree that has a driver `example` of one file."""
        return self.check(
            {
                EXAMPLE: text.encode(),
                "drivers/net/example/Makefile": b"obj-m += example.o\n",
                "drivers/net/Makefile": b"obj-m += example/\n",
            }
        )


def kinds(report: Report) -> Kinds:
    """Return which types are reported, at which level."""
    return frozenset((finding.type, finding.level) for finding in report.findings)


class Verdict(NamedTuple):
    """What a report is worth. said: what it says instead of what is right, and what it admits."""

    same: bool
    admitted: bool
    said: str

    @property
    def right(self) -> bool:
        return self.same or self.admitted


def judge(report: Report, wanted: Kinds, before: Report, functions: frozenset[str]) -> Verdict:
    """Compare findings with what is right, if need be with what a report admits not to know.

    before: the report of the plain form, whose unknowns say nothing of this one. functions: those
    of which not to know something is an excuse.
    """
    found = kinds(report)
    known = {_reason(row) for row in before.unknown}
    excuses = [
        row
        for row in report.unknown
        if row.path == EXAMPLE and row.reason and row.function in functions
        if _reason(row) not in known
    ]
    claimed, lost = found - wanted, wanted - found
    said = [
        f"{'+' if some is claimed else '-'}{kind}:{level}"
        for some in (claimed, lost)
        for kind, level in sorted(some)
    ]
    said += [f"unknown {row.function}: {row.reason}" for row in excuses]
    return Verdict(found == wanted, bool(not claimed and excuses), "; ".join(said))


def _reason(row: Unknown) -> tuple[str, str, str]:
    return row.path, row.function, row.reason


def functions_of(text: str) -> frozenset[str]:
    """Return the names of the functions that a source defines in kernel style."""
    return frozenset(match.group(1) for match in _FUNCTION.finditer(text))
