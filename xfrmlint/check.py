"""One run over a tree: facts, then rules, then what is reported."""

import posixpath
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from xfrmlint.analysis.part import Facts, Progress, quietly
from xfrmlint.contract.words import MARK
from xfrmlint.facts.store import Store
from xfrmlint.findings import DriverLine, Finding, Report, Unknown, in_order
from xfrmlint.kernel.kbuild import Kbuild
from xfrmlint.kernel.places import is_core
from xfrmlint.memory.cache import Cache
from xfrmlint.memory.gather import Session, gathered
from xfrmlint.rules import ABOUT_COMMENTS, Rule, run_rules, words_of
from xfrmlint.tree import Tree, Unreadable
from xfrmlint.tree.lines import line_text


def check_tree(
    tree: Tree,
    rules: Sequence[Rule],
    progress: Progress = quietly,
    session: Session | None = None,
    under: Sequence[str] = (),
) -> Report:
    """Gather a tree's facts and run the rules over them.

    session: shared with other runs. under: only what lies in these folders, and the headers.
    """
    facts = gathered(tree, session or Session(Cache(None)), progress, under)
    return report_of(facts, tree, rules)


def report_of(facts: Facts, tree: Tree, rules: Sequence[Rule]) -> Report:
    """Run the rules over facts and add drivers and what stayed unknown.

    tree: what the facts are of, for the text of lines.
    """
    store = facts.store
    texts: dict[str, bytes] = {}

    def text(path: str) -> bytes:
        if path not in texts:
            try:
                texts[path] = tree.read(path)
            except Unreadable:
                # It could be read a moment ago.
                texts[path] = b""
        return texts[path]

    def source(path: str, line: int) -> str:
        return line_text(text(path), line)

    _, trees = store.query("SELECT version, contract FROM tree")
    words = words_of(store)
    release, present = trees[0]
    contract = present == "present"
    first = [rule for rule in rules if rule.type not in ABOUT_COMMENTS]
    unanswered: list[str] = []
    findings = run_rules(first, store, words, source, unanswered)
    # A source that has another name than *.c or *.h was not searched.
    paths = sorted({*facts.whole.commented, *(finding.path for finding in findings)})
    commented = [path for path in paths if MARK.encode() in text(path)]
    about: list[Finding] = []
    suppressed: list[Finding] = []
    if commented:
        from xfrmlint.analysis.parts import unit_of
        from xfrmlint.kernel.release import release as release_of
        from xfrmlint.triage.silence import silenced

        kbuild = Kbuild(tree)
        known = release_of(tree)
        whole = facts.whole.contract
        units = [unit_of(path, text(path), known, whole) for path in commented]
        findings, about, suppressed = silenced(
            findings, units, rules, store, words, partial(_module, kbuild), source
        )
    _, rows = store.query(
        "SELECT path, line, function, reason, max(matters) FROM unknown "
        "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
    )
    _, sums = store.query("SELECT count(*) AS files, coalesce(sum(lines), 0) AS lines FROM file")
    return Report(
        release,
        present,
        tuple(in_order([*findings, *about])),
        tuple(_drivers(store, findings, contract)),
        (
            *_unanswered(store, unanswered),
            *(Unknown(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows),
        ),
        sums[0]["files"],
        sums[0]["lines"],
        tuple(suppressed),
    )


def _unanswered(store: Store, types: Sequence[str]) -> Iterator[Unknown]:
    """Yield what is said of rules that would have taken too long: any driver can break them."""
    if not types:
        return
    _, rows = store.query("SELECT DISTINCT path FROM ops_table ORDER BY path")
    reason = f"more than is looked through for {', '.join(types)}: that was not asked"
    for path in [row["path"] for row in rows] or ["."]:
        yield Unknown(path, 0, "", reason, True)


def _module(kbuild: Kbuild, path: str) -> str:
    # Whose a header is takes a search of the tree.
    if not path.endswith(".c") or is_core(path):
        return ""
    found = kbuild.modules_of(path)
    return found[0].name if found else posixpath.basename(posixpath.dirname(path))


def _drivers(store: Store, findings: Sequence[Finding], contract: bool) -> list[DriverLine]:
    _, rows = store.query(
        """
        SELECT t.*,
          (SELECT count(*) FROM datapath_read d WHERE d.driver = t.driver) AS direct,
          (SELECT count(*) FROM resolved_use r WHERE r.driver = t.driver) AS resolved,
          (SELECT count(*) FROM lower_site s WHERE s.driver = t.driver AND s.context = 'control'
             AND s.member = 'handle' AND s.access <> 'write' AND NOT s.read_back) AS control,
          (SELECT count(*) FROM datapath_read d WHERE d.group_name = t.group_name) AS group_direct,
          (SELECT count(*) FROM resolved_use r WHERE r.group_name = t.group_name) AS group_resolved,
          t.group_name IN (SELECT group_name FROM undecided) AS undecided
        FROM ops_table t ORDER BY t.driver, t.symbol
        """
    )
    found = []
    for row in rows:
        found.append(
            DriverLine(
                row["driver"],
                row["symbol"],
                row["path"],
                row["line"],
                row["role"],
                bool(row["on_netdev"]),
                bool(row["opted_in"]),
                row["direct"],
                row["resolved"],
                row["control"],
                _verdict(row, contract),
                missing_of(row["driver"], findings),
                row["flag_path"],
                row["flag_line"],
            )
        )
    return found


def missing_of(driver: str, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return what there is to convert in a driver, in words."""
    own = Counter(f.type for f in findings if f.driver == driver)
    return tuple(f"{count} {kind}" for kind, count in sorted(own.items()))


def _verdict(row: sqlite3.Row, contract: bool) -> str:
    direct, resolved = row["group_direct"], row["group_resolved"]
    if row["role"] == "upper":
        return "upper"
    if row["opted_in"]:
        return "converted" if resolved and not direct else "broken promise"
    if resolved and not direct and contract:
        return "promise unknown" if row["promise_unknown"] else "flag missing"
    if direct or resolved:
        return "not converted"
    return "unknown" if row["undecided"] else "no datapath use"
