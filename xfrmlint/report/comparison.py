"""Where two parsers differ, a line each."""

from collections.abc import Iterable, Iterator

from xfrmlint.confirmation.compare import Difference
from xfrmlint.report.terminal import printable


def render(found: Iterable[Difference]) -> Iterator[str]:
    """Yield a line for each difference, with path and line as compilers give them."""
    for one in found:
        why = f" ({printable(one.reason)})" if one.reason else ""
        place = f"{printable(one.path)}:{one.line}"
        yield f"{place}: {one.kind}: {printable(one.what)}: {one.only} alone{why}"
