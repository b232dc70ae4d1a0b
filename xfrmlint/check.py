"""One run over a tree: facts, then rules, then what is reported."""

from collections import Counter
from collections.abc import Sequence

from xfrmlint.cache import Cache
from xfrmlint.facts.store import Store
from xfrmlint.findings import DriverLine, Finding, Report, Unknown
from xfrmlint.gather import Progress, Session, gathered, quietly
from xfrmlint.lines import line_text
from xfrmlint.rules import Rule, run_rules
from xfrmlint.tree import Tree, Unreadable


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
    store = gathered(tree, session or Session(Cache(None)), progress, under)
    return report_of(store, tree, rules)


def report_of(store: Store, tree: Tree, rules: Sequence[Rule]) -> Report:
    """Run the rules over facts and add drivers and what stayed unknown.

    tree: what the facts are of, for the text of lines.
    """
    units: dict[str, bytes] = {}

    def source(path: str, line: int) -> str:
        if path not in units:
            try:
                units[path] = tree.read(path)
            except Unreadable:
                # It could be read a moment ago.
                units[path] = b""
        return line_text(units[path], line)

    _, trees = store.query("SELECT version, contract FROM tree")
    release, present = trees[0]
    contract = present == "present"
    findings = run_rules(rules, store, contract, source)
    _, rows = store.query("SELECT path, line, function, reason FROM unknown ORDER BY 1, 2, 3, 4")
    _, sums = store.query("SELECT count(*), coalesce(sum(lines), 0) FROM file")
    return Report(
        release,
        present,
        tuple(findings),
        tuple(_drivers(store, findings, contract)),
        tuple(Unknown(*row) for row in rows),
        *sums[0],
    )


def _drivers(store: Store, findings: Sequence[Finding], contract: bool) -> list[DriverLine]:
    _, rows = store.query(
        """
        SELECT t.*,
          (SELECT count(*) FROM datapath_read d WHERE d.driver = t.driver) AS direct,
          (SELECT count(*) FROM resolved_use r WHERE r.driver = t.driver) AS resolved,
          (SELECT count(*) FROM lower_site s WHERE s.driver = t.driver AND s.context = 'control'
             AND s.field = 'offload_handle' AND s.access <> 'write' AND NOT s.read_back) AS control,
          (SELECT count(*) FROM datapath_read d WHERE d.group_name = t.group_name) AS group_direct,
          (SELECT count(*) FROM resolved_use r WHERE r.group_name = t.group_name) AS group_resolved
        FROM ops_table t ORDER BY t.driver, t.symbol
        """
    )
    found = []
    for row in rows:
        own = Counter(f.type for f in findings if f.driver == row["driver"])
        missing = tuple(f"{count} {kind}" for kind, count in sorted(own.items()))
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
                _verdict(
                    row["role"],
                    bool(row["opted_in"]),
                    row["group_direct"],
                    row["group_resolved"],
                    contract,
                ),
                missing,
                row["flag_path"],
                row["flag_line"],
            )
        )
    return found


def _verdict(role: str, opted_in: bool, direct: int, resolved: int, contract: bool) -> str:
    if role == "upper":
        return "upper"
    if opted_in:
        return "converted" if resolved and not direct else "broken promise"
    if resolved and not direct and contract:
        return "flag missing"
    return "not converted" if direct or resolved else "no datapath use"
