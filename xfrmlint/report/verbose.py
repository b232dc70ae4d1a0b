"""What -v says of a run: what was searched, which drivers there are, how long it took."""

from collections.abc import Iterator, Sequence

from xfrmlint.findings import Report
from xfrmlint.report.terminal import printable


def render(
    report: Report, root: str, folders: Sequence[str] | None, seconds: float
) -> Iterator[str]:
    """Yield the lines.

    root: the tree's top. folders: where facts were looked for besides the headers; empty for the
    whole tree, None where a change can touch no driver. seconds: since the start.
    """
    release = f"Linux {report.version}, " if report.version else ""
    if folders is None:
        where = "nothing: no driver can be touched"
    else:
        where = printable(", ".join(folders)) or "the whole tree"
    yield f"tree: {printable(root)} ({release}resolver {report.contract})"
    yield f"searched: {where}"
    drivers = sorted({(row.driver, row.role) for row in report.drivers})
    named = ", ".join(f"{printable(name)} ({role})" for name, role in drivers)
    yield f"drivers: {named or 'none'}"
    yield f"files looked into: {report.parsed}; places not analysed: {len(report.unknown)}"
    yield f"time: {seconds:.2f} s"
