"""Small trees checked in this process, and whether what is said of one is what is right."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from tests.laid import EXAMPLE, FIXTURES
from tests.trees import Memory
from xfrmlint.check import check_tree
from xfrmlint.findings import Report, Unknown
from xfrmlint.memory.cache import Cache
from xfrmlint.memory.gather import Session
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree.watched import Seen

_RULES = load_rules([rules_folder()])
_FUNCTION = re.compile(r"^(?:static )?[^\n;=#]*?\b(\w+)\([^;{}]*\)\n\{\n.*?^\}$", re.M | re.S)

Kinds = frozenset[tuple[str, str]]


class _Core(Cache):
    """Remembers what was made of headers and core: all drivers of a base have it in common."""

    def remember(self, key: str, seen: Seen, document: Any) -> None:
        if not ("drivers/" in key or "plan" in key):
            super().remember(key, seen, document)


class Base:
    """A kernel that many drivers are checked in, one at a time."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)
        self._session = Session(_Core(None))

    def check(self, files: Mapping[str, bytes]) -> Report:
        """Check the tree that has these files besides."""
        return check_tree(Memory({**self._files, **files}), _RULES, session=self._session)

    def check_example(self, text: str) -> Report:
        """Check the tree that has a driver `example` of one file."""
        return self.check(
            {
                EXAMPLE: text.encode(),
                "drivers/net/example/Makefile": b"obj-m += example.o\n",
                "drivers/net/Makefile": b"obj-m += example/\n",
            }
        )


@cache
def files_of(folder: str) -> Mapping[str, bytes]:
    """Return what lies in a folder of fixtures/, by path."""
    top = FIXTURES / folder
    files = (path for path in sorted(top.rglob("*")) if path.is_file())
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in files}


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
