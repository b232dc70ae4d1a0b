"""Whether the core counts a state as offloaded that has no handle but the owner's own data.

The function is run over a route whose state has a handle, the owner's own, or neither, and whose
device is the state's or another one (include/net/xfrm.h, xfrm_dst_offload_ok()).
"""

from xfrmlint.c.integers import Int
from xfrmlint.c.reader import Reader
from xfrmlint.concrete.choices import MOST_RUNS, choices
from xfrmlint.concrete.core import Answer, core_function
from xfrmlint.concrete.evaluate import evaluate
from xfrmlint.concrete.faults import Outside
from xfrmlint.concrete.handles import handle_value
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.resolver import value_text
from xfrmlint.concrete.sources import Sources
from xfrmlint.concrete.states import open_state, owners_own
from xfrmlint.concrete.values import NULL, Cell, Pointer, Struct, Uninitialized, Value
from xfrmlint.contract.words import (
    COUNTS,
    DEVICE,
    HANDLE,
    OWNER,
    PINNED,
    XSO,
)

_ROUTE, _WHOLE_ROUTE = "struct dst_entry", "struct xfrm_dst"
# include/net/xfrm.h: what a device does for a state, in xso.type.
_TYPE, _KINDS = "type", ("XFRM_DEV_OFFLOAD_CRYPTO", "XFRM_DEV_OFFLOAD_PACKET")


def counts_the_owners_own(reader: Reader) -> Answer | None:
    """Tell whether a state with the owner's own counts as one with a handle does.

    None if the tree has no such member or function.
    """
    contract = reader.contract
    asked = contract.own and HANDLE in contract.members
    defined = core_function(reader, COUNTS) if asked else None
    if defined is None:
        return None
    source, sources = defined
    kinds = [sources.constant(name, source.path) for name in _KINDS]
    known: list[Int | None] = [kind for kind in kinds if kind is not None]
    found = [_of_kind(source, sources, kind) for kind in known or [None]]
    answers = [answer for answer in found if answer is not None]
    if not answers:
        reason = f"{source.name}() looks at no {reader.contract.member(HANDLE)}"
        return Answer(None, source.path, source.line, reason)
    return min(answers, key=lambda one: _ORDER.index(one.ok))


# What is wrong for one kind of offload is wrong, and what is not known of one is not known.
_ORDER = (False, None, True)


def _of_kind(source: Source, sources: Sources, kind: Int | None) -> Answer | None:
    """Return the answer for one kind of offload, or any; None if no handle is looked at for it."""
    contract = sources.contract
    name = source.name
    place = (source.path, source.line)
    try:
        neither = _answers(source, sources, kind, handle=0, private=False)
        handle = _answers(source, sources, kind, handle=7, private=False)
        private = _answers(source, sources, kind, handle=0, private=True)
        both = _answers(source, sources, kind, handle=7, private=True)
    except Outside as error:
        return Answer(None, *place, f"{error.reason} (line {error.line})")
    if any(len(answers) > 1 for answers in (*neither, *handle, *private, *both)):
        return Answer(None, *place, f"{name}() asks what is not known here")
    if both != neither and private == handle == neither:
        return Answer(False, *place, f"{name}() wants a handle and the owner's own, too")
    if handle == neither:
        return None
    if private == handle:
        return Answer(True, *place, "")
    if private == neither:
        alone = f"looks at {contract.member(HANDLE)} alone"
        return Answer(False, *place, f"{name}() {alone}")
    reason = f"{name}() takes {contract.owns} for something else than a handle"
    return Answer(False, *place, reason)


def _answers(
    source: Source, sources: Sources, kind: Int | None, handle: int, private: bool
) -> list[set[str]]:
    """Return all that can be answered for a route through the state's device, and for another."""
    found: list[set[str]] = []
    for through_own in (True, False):
        answers: set[str] = set()
        for count, choose in enumerate(choices()):
            route = _route(sources, kind, handle, private, through_own)
            answers.add(value_text(evaluate(source, [Pointer(route)], sources, choose).value))
            if count > MOST_RUNS:
                raise Outside("too many paths", source.path, source.line)
        found.append(answers)
    return found


def _route(
    sources: Sources, kind: Int | None, handle: int, private: bool, through_own: bool
) -> Struct:
    """Return a route with a state, as the head of the whole one and as that itself."""
    contract = sources.contract
    owner, other = (Struct(name, DEVICE, open=True) for name in ("dev", "other"))
    held: dict[str, Value] = {
        OWNER: Pointer(owner),
        HANDLE: handle_value(contract, handle),
        # An owner with data of its own pins nothing.
        PINNED: NULL,
    }
    x = open_state(contract, held, owners_own(sources, private))
    if kind is not None:
        x.within(XSO).put(_TYPE, kind)
    # What the ESP module has registered.
    x.put("type_offload", Pointer(Cell("type_offload", Uninitialized())))
    device = Pointer(owner if through_own else other)
    below = Struct("child", _ROUTE, open=True)
    below.put("xfrm", NULL).put("dev", device)
    head, whole = Struct("dst", _ROUTE, open=True), Struct("xdst", _WHOLE_ROUTE, open=True)
    for route in (head, whole):
        route.put("xfrm", Pointer(x)).put("dev", device)
        route.put("child", Pointer(below)).put("path", Pointer(below))
    whole.put("dst", head)
    return head
