"""Adds that may return handle 0: converted, the driver would drop the packets of such a state.

    x->xso.offload_handle = find_first_zero_bit(...);       the first state's handle is 0

Who reads the field takes 0 for an index; who asks the resolver takes it for no handle. What add
returns for the other direction alone is not asked for.
"""

from collections.abc import Iterator, Sequence

from xfrmlint.c.unit import Place
from xfrmlint.contract.words import HANDLE
from xfrmlint.convert.devices import TRANSMITS
from xfrmlint.convert.edits import Reason
from xfrmlint.kernel.doors import CONTROL
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.flows import IN, directions_at
from xfrmlint.program.sites import RESOLVE, Site
from xfrmlint.program.zeros import find_zeros


def zero_handles(graph: CallGraph, sites: Sequence[Site]) -> Iterator[Reason]:
    """Yield the stores of handles that can be 0, or may be, if packets can ask for them.

    sites: a driver's.
    """
    asked = [
        s for s in sites if s.reached.context == "datapath" and s.member in (HANDLE, RESOLVE, "")
    ]
    doors = [e for s in asked for e in s.reached.entries if e.context != CONTROL]
    transmits = all(door.name in TRANSMITS for door in doors)
    zeros, doubts = find_zeros(graph, sites) if asked else ([], [])
    found: list[tuple[Site, str, Place | None]] = [
        (one.site, f"the handle can be 0, which the resolver says for none: {one.why}", one.because)
        for one in zeros
    ]
    known = {site.place for site, _, _ in found}
    open_ = {doubt.place for doubt in doubts} - known
    found += [
        (site, "whether the handle can be 0, which the resolver says for none, is not known", None)
        for site in sites
        if site.place in open_ and site.access == "write"
    ]
    for site, why, because in found:
        nodes = [
            node
            for node in site.view.occurrences(site.field)
            if site.view.place(node.start_byte) == site.place
        ]
        received = bool(nodes) and all(directions_at(node)[0] == {IN} for node in nodes)
        if received and transmits:
            continue
        at = f" ({because.path}:{because.line})" if because is not None else ""
        text = f"{site.function.name}(): {why}{at}; let handles begin at 1 first"
        yield Reason(site.place.path, site.place.line, text)
