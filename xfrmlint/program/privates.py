"""Which structs are a net_device's private data: two of them never belong to one device.

A representor's struct that points to its uplink's struct, both from netdev_priv(), leads from one
device to another, whatever the members are called.
"""

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import Goes, arguments_of, bare, called_by, destination, without_casts
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named

# Rows of the kernel's table are patterns; these are the names that are looked for in a driver.
_GIVING = ("netdev_priv", "macsec_priv")


class Privates:
    """Answers about one driver, looked up once."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._structs: dict[str, frozenset[str]] = {}

    def structs(self, path: str) -> frozenset[str]:
        """Return the structs that a driver takes private data of a net_device for."""
        key = self.reader.universe.key(path)
        if key not in self._structs:
            found = set()
            for word in _GIVING:
                for view, node in self.reader.near(word, path):
                    kind = self._taken_as(view, node)
                    if kind is not None and kind.pointers == 1:
                        found.add(self.reader.types.resolved(kind, view.path).base)
            self._structs[key] = frozenset(one for one in found if one.startswith("struct "))
        return self._structs[key]

    def holding(self, member: str, path: str) -> frozenset[str]:
        """Return those of them that have a member of this name."""
        types = self.reader.types
        return frozenset(s for s in self.structs(path) if member in types.fields_named(s, path))

    def pointing(self, struct: str, path: str) -> list[str]:
        """Return their members that point to a struct which is none of them."""
        structs = self.structs(path)
        if struct in structs:
            return []
        named = {n for one in structs for n in self.reader.types.fields_named(one, path)}
        return sorted(
            name
            for name in named
            if any(self.points_to(one, name, path) == struct for one in structs)
        )

    def points_to(self, struct: str, member: str, path: str) -> str:
        """Return the struct that a struct's member points to, or nothing."""
        kind = self.reader.types.fields_named(struct, path).get(member)
        if kind is None or kind.pointers != 1:
            return ""
        return self.reader.types.resolved(kind, path).base

    def _taken_as(self, view: View, node: Node) -> CType | None:
        """Return the type of what a call's result is put into, cast to, or returned as."""
        call = node.parent
        if call is None or call.type != "call_expression":
            return None
        up = call.parent
        if up is not None and up.type == "cast_expression":
            return self.reader.types.of(up, view)
        goes, name, target = destination(call)
        if goes is Goes.RETURNED:
            return view.result
        local = view.local(name, target.start_byte) if target is not None else None
        return local.type if local is not None else None


def private_of(value: Node) -> str:
    """Return the variable whose private data an expression is, or nothing."""
    call = without_casts(value)
    arguments = arguments_of(call)
    if len(arguments) != 1 or function_named(called_by(call)).private != "own":
        return ""
    return node_text(arguments[0]) if arguments[0].type == "identifier" else ""


def read_of(view: View, node: Node) -> Node:
    """Return what a local variable was read from, if it is given nothing else; else a node."""
    local = view.local(node_text(node), node.start_byte) if node.type == "identifier" else None
    values = view.assignments(local.name) if local is not None and local.parameter < 0 else ()
    read = bare(values[0]) if len(values) == 1 else node
    return read if read.type in ("field_expression", "subscript_expression") else node
