"""Whether a packet that has no handle is dropped before a function would let it go on.

    if (!prepare(skb))              /* drops it */
        return NETDEV_TX_OK;
    describe(skb);                  /* marks it for IPsec if it has a handle, and goes on if not */

If describe() came first, or prepare() only for some of its packets, one could leave in plain.
"""

from tree_sitter import Node

from xfrmlint.c.expression import called_by
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below, node_text
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.reach import Hop
from xfrmlint.program.sites import Site

_STATE = "struct xfrm_state"
_DEEPEST = 3
_UNSURE = ("for_statement", "while_statement", "switch_statement", "else_clause")


def is_dropped_before(reader: Reader, late: Site, early: Site) -> bool:
    """Tell whether on each way to one site a function that ends the packet comes first.

    early: the site of a function that ends packets which have no handle.
    """
    ways = early.reached.chains
    return bool(late.reached.chains) and all(
        any(_comes_first(reader, way, early, chain, late) for way in ways)
        for chain in late.reached.chains
    )


def _comes_first(
    reader: Reader, first: tuple[Hop, ...], early: Site, then: tuple[Hop, ...], late: Site
) -> bool:
    common = 0
    while common < min(len(first), len(then)) and first[common] == then[common]:
        common += 1
    if not common:
        return False
    one = _place(first, common, early)
    other = _place(then, common, late)
    if one[0] != other[0] or one[1] >= other[1]:
        return False
    return all(
        _is_for_all(reader, hop, other[1] if n == 0 else 0) for n, hop in enumerate(first[common:])
    )


def _place(way: tuple[Hop, ...], common: int, site: Site) -> tuple[str, int]:
    """Return where two ways part: the call in the last function of both, or the site itself."""
    if common < len(way):
        return way[common].path, way[common].line
    return site.place.path, site.place.line


def _is_for_all(reader: Reader, hop: Hop, other: int) -> bool:
    """Tell whether a call is made for each packet that is to be offloaded.

    other: a line of the same function; a condition around both does not part them.
    """
    unit = reader.corpus.unit(hop.path)
    view: View | None = None
    item = unit.item_at(unit.offset(hop.line, 1))
    calls = [
        one
        for one in (below(item.node) if item is not None else ())
        if one.type == "call_expression"
        and one.start_point[0] + 1 <= hop.line <= one.end_point[0] + 1
    ]
    named = [one for one in calls if called_by(one) == hop.function]
    node = next(iter([*named, *calls]), None)
    if node is None:
        return False
    inner, up = node, node.parent
    while up is not None and up.type != "function_definition":
        around = up.start_point[0] + 1 <= other <= up.end_point[0] + 1
        if up.type in _UNSURE and not around:
            return False
        condition = up.child_by_field_name("condition") if up.type == "if_statement" else None
        if condition is not None and condition.id != inner.id and not around:
            if view is None and item is not None:
                view = View(reader.corpus, hop.path, item, unit.text, None)
            if view is None or not _asks(reader, view, condition):
                return False
        inner, up = up, up.parent
    return True


def _asks(reader: Reader, view: View, node: Node, depth: int = 0) -> bool:
    """Tell whether an expression asks if a packet is to be offloaded: none else has a handle.

    It calls what the kernel has for that, or a function of the driver's that does; or it looks at a
    variable that was set from one, or at a state.
    """
    for one in below(node) if depth < _DEEPEST else ():
        name = node_text(one)
        if one.type == "call_expression":
            does = function_named(called_by(one))
            if does.asks or does.is_("state"):
                return True
            bodies = reader.definitions(called_by(one), view.path)
            if any(_asks(reader, body, body.body or body.node, depth + 1) for body in bodies):
                return True
        elif one.type == "identifier":
            local = view.local(name, one.start_byte)
            if local is not None and local.type.base == _STATE:
                return True
            if any(_asks(reader, view, v, depth + 1) for v in view.assignments(name)):
                return True
    return False
