"""What a driver's sharing test goes by: whether it can tell two devices of different chips apart.

It can if it looks behind both of them, into their private data or at their parents. One that asks
no more than whose driver they are, or whether they are one device, says yes of another chip, too.
"""

from enum import StrEnum

from tree_sitter import Node, Query

from xfrmlint.c.expression import Given, bare, given_to
from xfrmlint.c.nodes import captured, language, node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View

_RETURNS = Query(language(), "(return_statement) @return")
_NO = ("false", "0")
# A table of functions is the driver's, not the device's.
_OF_THE_DRIVER = "_ops"
_AROUND = ("parenthesized_expression", "cast_expression")
_DEEPEST = 3


class SharingTest(StrEnum):
    """What a sharing test does: TELLS stands for one that can't be read, too."""

    TELLS = "tells"
    BLIND = "blind"  # it says yes, and looks behind no more than one of the devices
    REFUSES = "refuses"  # always


def sharing_test(reader: Reader, name: str, path: str) -> SharingTest:
    """Return what the function of a driver in the slot of the sharing test does."""
    views = reader.definitions(name, path)
    if views and all(map(_refuses, views)):
        return SharingTest.REFUSES
    blind = [view for view in views if not all(_looked_behind(reader, view))]
    return SharingTest.BLIND if blind else SharingTest.TELLS


def _refuses(view: View) -> bool:
    given = [bare(one.named_children[0]) for one in _returned(view) if one.named_child_count]
    return bool(given) and all(node_text(one) in _NO for one in given)


def _returned(view: View) -> list[Node]:
    return captured(_RETURNS, view.node, "return")


def _looked_behind(reader: Reader, view: View) -> list[bool]:
    return [_is_looked_behind(reader, view, name, 0) for name in view.parameters[:2]]


def _is_looked_behind(reader: Reader, view: View, name: str, depth: int) -> bool:
    """Tell whether a function looks at more of a device than whose driver it is of."""
    return any(_looks(reader, view, node, depth) for node in view.occurrences(name))


def _looks(reader: Reader, view: View, node: Node, depth: int) -> bool:
    around = node.parent
    while around is not None and around.type in _AROUND:
        node, around = around, around.parent
    match around.type if around is not None else "":
        case "parameter_declaration" | "pointer_declarator":
            return False
        case "field_expression":
            return not _member(around).endswith(_OF_THE_DRIVER)
        case "binary_expression":
            return False
        case "argument_list":
            return _passes(reader, view, given_to(node), depth)
    return True


def _member(node: Node | None) -> str:
    field = node.child_by_field_name("field") if node is not None else None
    return node_text(field) if field is not None else ""


def _passes(reader: Reader, view: View, given: Given | None, depth: int) -> bool:
    """Tell whether a device is looked behind by the function that it is given to.

    One that is not the driver's own, as netdev_priv(), does.
    """
    if given is None or depth == _DEEPEST:
        return True
    callees = reader.definitions(given.name, view.path)
    return not callees or any(
        given.position >= len(callee.parameters)
        or _is_looked_behind(reader, callee, callee.parameters[given.position], depth + 1)
        for callee in callees
    )
