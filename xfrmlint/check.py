"""One run over a tree: facts, then rules, then what is reported."""

from collections import Counter
from collections.abc import Sequence

from xfrmlint.analyse import Analysis, Progress, analyse, quietly
from xfrmlint.facts.store import Store
from xfrmlint.findings import DriverLine, Finding, Report, Unknown
from xfrmlint.rules import Rule, run_rules
from xfrmlint.tree import Tree


def check_tree(tree: Tree, rules: Sequence[Rule], progress: Progress = quietly) -> Report:
    """Analyse a tree and run the rules over its facts."""
    return report_of(analyse(tree, progress), rules)


def report_of(analysis: Analysis, rules: Sequence[Rule]) -> Report:
    """Run the rules over facts and add drivers and what stayed unknown."""
    store, corpus = analysis.store, analysis.reader.corpus

    def source(path: str, line: int) -> str:
        return corpus.unit(path).line_text(line)

    findings = run_rules(rules, store, analysis.contract, source)
    _, rows = store.query("SELECT path, line, function, reason FROM unknown ORDER BY 1, 2, 4")
    _, files = store.query("SELECT path FROM file")
    lines = sum(corpus.data(row["path"]).count(b"\n") for row in files)
    return Report(
        analysis.version,
        "present" if analysis.contract else "absent",
        tuple(findings),
        tuple(_drivers(store, findings, analysis.contract)),
        tuple(Unknown(*row) for row in rows),
        len(files),
        lines,
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
                missing_of(row["driver"], findings),
            )
        )
    return found


def missing_of(driver: str, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return what there is to convert in a driver, in words."""
    own = Counter(f.type for f in findings if f.driver == driver)
    return tuple(f"{count} {kind}" for kind, count in sorted(own.items()))


def _verdict(role: str, opted_in: bool, direct: int, resolved: int, contract: bool) -> str:
    if role == "upper":
        return "upper"
    if opted_in:
        return "converted" if resolved and not direct else "broken promise"
    if resolved and not direct and contract:
        return "flag missing"
    return "not converted" if direct or resolved else "no datapath use"
