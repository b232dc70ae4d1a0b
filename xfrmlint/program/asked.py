"""What a packet was asked before a handle is got for it, on the ways that transmit it.

A packet has a secpath when it came in through a state, too, even one of software alone; that the
stack wants it offloaded only xfrm_offload() says.
"""

from xfrmlint.c.unit import Place
from xfrmlint.contract.words import HANDLE
from xfrmlint.program.namewalk import NameWalk
from xfrmlint.program.reach import Hop
from xfrmlint.program.sites import RESOLVE, Site

TRANSMIT = "ndo_start_xmit"
SECPATH, OFFLOAD = "secpath", "offload"


def asked_of(names: NameWalk, site: Site) -> str:
    """Return "secpath" where that alone is asked on some way that transmits, else nothing."""
    gets = site.access == RESOLVE or (site.member == HANDLE and site.access != "write")
    if site.role != "lower" or not gets:
        return ""
    for chain in site.reached.chains:
        if chain[0].via.partition(" ")[0] == TRANSMIT and _asked_on(names, chain, site.place) == {
            SECPATH
        }:
            return SECPATH
    return ""


def _asked_on(names: NameWalk, chain: tuple[Hop, ...], place: Place) -> set[str]:
    found: set[str] = set()
    # What is asked when the handle is got, or when the next function has been called, is late.
    until = [*(Place(hop.path, hop.line, 1) for hop in chain[1:]), place]
    # Mostly one of the functions on the way asks by itself.
    for way in (None, frozenset(hop.function for hop in chain)):
        for hop, end in zip(chain, until, strict=True):
            asks = names.asks(hop.function, hop.path, end, way)
            # What is not seen can ask anything.
            found |= {OFFLOAD} if asks is None else asks
        if OFFLOAD in found:
            break
    return found
