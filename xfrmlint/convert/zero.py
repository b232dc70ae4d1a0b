"""Adds that may return handle 0: converted, the driver would drop the packets of such a state.

    x->xso.offload_handle = find_first_zero_bit(...);       the first state's handle is 0

Who reads the field takes 0 for an index; who asks the resolver takes it for no handle. What add
returns for the other direction alone is not asked for.
"""

from collections.abc import Iterator, Sequence

from xfrmlint.contract.words import HANDLE
from xfrmlint.convert.devices import TRANSMITS
from xfrmlint.convert.edits import Reason
from xfrmlint.kernel.doors import CONTROL
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.flows import IN, directions_at
from xfrmlint.program.sites import RESOLVE, Site
from xfrmlint.program.zeros import find_zeros


def zero_handles(graph: CallGraph, sites: Sequence[Site]) -> Iterator[Reason]:
    """Yield the stores of handles that can be 0, if packets can ask for them. sites: a driver's."""
    asked = [
        s for s in sites if s.reached.context == "datapath" and s.member in (HANDLE, RESOLVE, "")
    ]
    doors = [e for s in asked for e in s.reached.entries if e.context != CONTROL]
    transmits = all(door.name in TRANSMITS for door in doors)
    for one in find_zeros(graph, sites)[0] if asked else ():
        site, because = one.site, one.because
        nodes = [
            node
            for node in site.view.occurrences(site.field)
            if site.view.place(node.start_byte) == site.place
        ]
        received = bool(nodes) and all(directions_at(node)[0] == {IN} for node in nodes)
        if received and transmits:
            continue
        at = f"{because.path}:{because.line}"
        text = (
            f"{site.function.name}(): the handle can be 0, which the resolver says for none: "
            f"{one.why} ({at}); let handles begin at 1 first"
        )
        yield Reason(site.place.path, site.place.line, text)
