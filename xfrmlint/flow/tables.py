"""What stands in tables that nobody writes: `static const netdev_tx_t verdict[] = { ... }`."""

import re
from collections.abc import Sequence

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.reader import Reader
from xfrmlint.c.reading import Syntax
from xfrmlint.c.syntax import Expression, Initializer
from xfrmlint.c.view import View
from xfrmlint.flow.values import Location

_CONST = re.compile(rb"\bconst\b")


class Tables:
    """Initializers of one driver's constant variables; each is looked up once."""

    def __init__(self, reader: Reader, constants: Constants) -> None:
        self.reader = reader
        self.constants = constants
        self._known: dict[tuple[str, str], Expression | None] = {}

    def held(self, at: Location, view: View) -> Expression | None:
        """Return what the initializer says of a global location that a function reads."""
        key = (view.path, at[1])
        if key not in self._known:
            self._known[key] = self._initializer(at[1], view.path)
        return self._inside(self._known[key], at[2:], view.path)

    def _inside(self, one: Expression | None, way: Sequence[str], path: str) -> Expression | None:
        while isinstance(one, Initializer):
            if not way:
                return None
            index, way = _first(way)
            one = self._item(one, index, path)
        return one if not way else None

    def _item(self, one: Initializer, index: str, path: str) -> Expression | None:
        for name, value in reversed(one.items):
            if name == index:
                return value
            if name.startswith("#") and index.startswith("#"):
                number = self.constants.value(name[1:], path)
                if number is None:
                    # A range, or what nobody can count.
                    return None
                if f"#{number.value}" == index:
                    return value
        return None

    def _initializer(self, name: str, path: str) -> Expression | None:
        function, _, word = name.rpartition(".")
        for view, node in self.reader.inside(word, path):
            within = view.function.name if view.kind == "function" else ""
            if within != function:
                continue
            value = _given(node, view)
            if value is not None:
                return Syntax(view, self.constants).of(value)
        return None


def _given(node: Node, view: View) -> Node | None:
    """Return the initializer of the constant that a name declares."""
    up = node.parent
    while up is not None and up.type in ("array_declarator", "pointer_declarator"):
        up = up.parent
    if up is None or up.type != "init_declarator" or up.parent is None:
        return None
    if not _CONST.search(view.text[up.parent.start_byte : node.start_byte]):
        return None
    return up.child_by_field_name("value")


def _first(way: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the member or the element that a location goes on with, and the rest."""
    if way[0] != "*":
        return way[0], way[1:]
    if len(way) > 1 and (way[1].isdigit() or way[1] == "[]"):
        return f"#{way[1]}", way[2:]
    return "#0", way[1:]
