"""The edits that mend single findings, each laid over the tree alone and judged before it is told.

A driver that convert refuses as a whole can have them, too: one read that is converted, a test, the
promise.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from xfrmlint.analysis.analyse import Analysis, analyse
from xfrmlint.analysis.tabulate import Analysed
from xfrmlint.c.expression import arguments_of, called_by
from xfrmlint.c.nodes import node_text
from xfrmlint.contract.revisions import NO_NAMES, Names
from xfrmlint.convert.edits import Edit, Refused, files_of
from xfrmlint.convert.exits import following, variable_of
from xfrmlint.convert.fate import Context
from xfrmlint.convert.layout import line_start
from xfrmlint.convert.leaving import branch_of
from xfrmlint.convert.plan import Piece, pieces_of
from xfrmlint.convert.proof import findings_of, gets_right
from xfrmlint.convert.tested import exit_of
from xfrmlint.convert.written import Reads, Written, indent_of, node_at, statement_of
from xfrmlint.findings import Finding, identity
from xfrmlint.git.overlay import Overlay
from xfrmlint.program.sites import RESOLVE, Site
from xfrmlint.rules import Rule
from xfrmlint.tree import Tree

_READ = "DIRECT_OFFLOAD_HANDLE"
_FLAG = "LOWER_HANDLE_FLAG_MISSING"
_UNTESTED = "UNCHECKED_LOWER_HANDLE"
MENDED = frozenset({_READ, _FLAG, _UNTESTED})


class Fix(NamedTuple):
    """What mends a finding. does: in words."""

    edits: tuple[Edit, ...]
    does: str


def fixes_of(
    tree: Tree, findings: Sequence[Finding], rules: Sequence[Rule], names: Names = NO_NAMES
) -> dict[tuple[object, ...], tuple[Fix, dict[str, tuple[bytes, bytes]]]]:
    """Return what mends findings, by their identity, with the files before and after.

    Empty for a tree without the resolver.
    """
    asked = [one for one in findings if one.type in MENDED]
    if not asked:
        return {}
    analysis = analyse(tree, names=names)
    if not analysis.reader.contract.present:
        return {}
    found = {}
    for part in analysis.parts:
        groups = {d.module: d.group for d in part.drivers if d.role == "lower"}
        own = [one for one in asked if one.driver in groups]
        if own:
            judge = _Judge(tree, analysis, part, rules, names)
            for one in own:
                # A finding whose driver can't be converted, for whatever reason, has no fix.
                with suppress(RecursionError):
                    fix = judge.fix(one, groups[one.driver])
                    if fix is not None:
                        found[identity(one)] = fix
    return found


class _Judge:
    def __init__(
        self,
        tree: Tree,
        analysis: Analysis,
        part: Analysed,
        rules: Sequence[Rule],
        names: Names,
    ) -> None:
        self.tree, self.analysis, self.part = tree, analysis, part
        self.rules, self.names = rules, names
        self.before = Counter(map(_mark, findings_of(analysis, tree, rules, "CHECK")))
        self.pieces: dict[str, tuple[Context, list[Piece]]] = {}
        self.judged: dict[Fix, dict[str, tuple[bytes, bytes]] | None] = {}

    def fix(
        self, finding: Finding, group: str
    ) -> tuple[Fix, dict[str, tuple[bytes, bytes]]] | None:
        if group not in self.pieces:
            self.pieces[group] = pieces_of(self.analysis, group)
        context, pieces = self.pieces[group]
        for fix in self._candidates(context, pieces, finding):
            if fix not in self.judged:
                self.judged[fix] = self._laid(fix, finding, group)
            files = self.judged[fix]
            if files is not None:
                return fix, files
        return None

    def _candidates(
        self, context: Context, pieces: Sequence[Piece], finding: Finding
    ) -> Iterator[Fix]:
        if finding.type == _UNTESTED:
            for site in self.part.found.sites:
                same = (site.function.name, site.place.path) == (finding.function, finding.path)
                if same and site.access == RESOLVE:
                    test = _test(context, site)
                    if test is not None:
                        yield Fix((test,), "test the handle right behind the call")
            return
        for piece in pieces:
            paths = {edit.path for edit in piece.edits}
            named = piece.function == finding.function if finding.type == _READ else True
            if named and piece.is_flag == (finding.type == _FLAG) and finding.path in paths:
                yield Fix(piece.edits, piece.does)

    def _laid(
        self, fix: Fix, finding: Finding, group: str
    ) -> dict[str, tuple[bytes, bytes]] | None:
        """Return the files with a fix; None unless the finding goes, and nothing else comes."""
        try:
            files = files_of(self.tree, fix.edits)
        except ValueError:
            return None
        over = Overlay(self.tree, {p: after for p, (_, after) in files.items()}, self.tree.name)
        home = self.part.graph.reader.universe.home
        made = analyse(over, under=home, names=self.names)
        after = Counter(map(_mark, findings_of(made, over, self.rules, "CHECK")))
        more = {mark[0] for mark in after - self.before}
        if made.lost:
            # What is not found any more need not be gone.
            return None
        if after[_mark(finding)] >= self.before[_mark(finding)] or not more <= {_FLAG}:
            return None
        if finding.type == _READ and not gets_right(made, over, group, finding.function):
            return None
        return files


def _mark(finding: Finding) -> tuple[str, str, str]:
    return finding.type, finding.path, finding.function


def _test(context: Context, site: Site) -> Edit | None:
    """Return the edit that puts a test behind a call of the resolver, with the function's exit."""
    view = context.fate.view_of(site.function)
    call = node_at(view, site.place, "call_expression") if view is not None else None
    if view is None or call is None or len(arguments_of(call)) != 2:
        return None
    if called_by(call) != context.contract.asks:
        return None
    kept, statement = variable_of(call), statement_of(call)
    at = following(statement)
    if not kept or at is None:
        return None
    if statement.type not in ("declaration", "expression_statement"):
        return None
    state, device = map(node_text, arguments_of(call))
    one = Written(site, view, call, arguments_of(call)[0])
    try:
        leaving = exit_of(context, Reads((one,), statement, state, device, ()))
    except Refused:
        return None
    if leaving.edits:
        return None
    indent = indent_of(view, at).decode()
    text = f"{indent}if (!{kept})" + branch_of(leaving.kept, indent) + "\n\n"
    start = line_start(view.text, at.start_byte)
    return Edit(view.path, start, start, text.encode("utf-8", "surrogateescape"))
