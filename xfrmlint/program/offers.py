"""Devices that never have an SA: of one kind of private data, where another kind's offer it.

A switch's conduit and its user ports are made by one driver, and only what is given an ops table
is asked to take a state.
"""

import re
from collections.abc import Iterator

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, call_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.view import View
from xfrmlint.contract.words import NETDEV_OPS
from xfrmlint.kernel import structs
from xfrmlint.program.privates import Privates, private_of
from xfrmlint.valueflow.forms import Forms, plain

_SIZE = re.compile(r"^sizeof\s*\(?\s*(?:(struct\s+\w+)|\*\s*(\w+))\s*\)?$")


class Offers:
    """Answers about one driver, looked up once. None: not everything was understood."""

    def __init__(self, forms: Forms, privates: Privates) -> None:
        self._reader = privates.reader
        self._forms = forms
        self._privates = privates
        self._known: dict[str, frozenset[str] | None] = {}

    def lacks(self, struct: str, path: str) -> bool:
        """Tell whether a device with such private data is never given an ops table."""
        key = self._reader.universe.key(path)
        if key not in self._known:
            self._known[key] = self._lacking(path)
        return struct in (self._known[key] or ())

    def is_of_lacking(self, view: View, device: Node) -> bool:
        """Tell whether a variable of a function is such a device."""
        found = self._beside(view, device)
        return bool(found) and all(self.lacks(one, view.path) for one in found)

    def _lacking(self, path: str) -> frozenset[str] | None:
        made, offering = set[str](), set[str]()
        for word in structs.MAKING_DEVICES:
            for view, node in self._reader.near(word, path):
                call = call_of(node)
                struct = self._sized(view, arguments_of(call)[0]) if call is not None else ""
                if not struct:
                    return None
                made.add(struct)
        for view, node in self._reader.near(NETDEV_OPS, path):
            for stored in self._forms.stores_at(view, node):
                found = self._beside(stored.view, stored.base) if stored.base is not None else None
                if not found:
                    return None
                offering |= found
        return frozenset(made - offering) if offering and offering <= made else None

    def _sized(self, view: View, size: Node) -> str:
        """Return the struct whose size an expression is, or nothing."""
        match = _SIZE.match(" ".join(node_text(size).split()))
        local = view.local(match[2], size.start_byte) if match and match[2] else None
        if local is not None and local.type.pointers == 1:
            return self._reader.types.resolved(local.type, view.path).base
        return match[1] or "" if match else ""

    def _beside(self, view: View, device: Node) -> set[str]:
        """Return the structs for which a function takes a device's private data."""
        device = plain(device)
        if device.type == "field_expression":
            base = self._reader.types.base_of(device.child_by_field_name("argument"), view)
            return {base} & self._privates.structs(view.path)
        return set(self._taken(view, node_text(device)))

    def _taken(self, view: View, device: str) -> Iterator[str]:
        for local in view.locals:
            if any(private_of(value) == device for value in view.assignments(local.name)):
                yield self._reader.types.resolved(local.type, view.path).base
