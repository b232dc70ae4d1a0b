"""C types as far as the contract needs them: a base name, levels of pointers, function results."""

from typing import NamedTuple, Optional

from tree_sitter import Node

from xfrmlint.c.nodes import node_text


class CType(NamedTuple):
    """A type. base: `struct foo`, a typedef's name, `int`, or `fn` for a function.

    pointers: levels of `*` and `[]`. result: what a function (pointer) returns. node: the body,
    where a struct is defined in place.
    """

    base: str
    pointers: int = 0
    result: Optional["CType"] = None
    node: Node | None = None

    def pointed(self, levels: int = 1) -> "CType":
        """Return the type with more (or, negative, fewer) levels of pointers."""
        return self._replace(pointers=max(0, self.pointers + levels))


class Declared(NamedTuple):
    """A declared name: its identifier, its type, and its initializer if it has one."""

    name: Node
    type: CType
    value: Node | None


INT = CType("int")


def specified(node: Node) -> CType | None:
    """Return the type that a declaration's specifiers name, without its declarators."""
    written = node.child_by_field_name("type")
    if written is None:
        return None
    return type_of_specifier(written)


def type_of_specifier(written: Node) -> CType:
    """Return the type that a type specifier node names."""
    if written.type in ("struct_specifier", "union_specifier", "enum_specifier"):
        kind = written.type.split("_")[0]
        name = written.child_by_field_name("name")
        body = written.child_by_field_name("body")
        return CType(f"{kind} {node_text(name) if name is not None else ''}".strip(), node=body)
    return CType(node_text(written))


def declarators(node: Node) -> list[Node]:
    """Return the declarator nodes of a declaration, a field or a parameter."""
    return node.children_by_field_name("declarator")


def declared(base: CType, declarator: Node) -> Declared | None:
    """Apply a declarator to a base type: the name it declares, and that name's type."""
    current = base
    value: Node | None = None
    node: Node | None = declarator
    while node is not None:
        kind = node.type
        if kind in ("identifier", "field_identifier", "type_identifier"):
            return Declared(node, current, value)
        if kind == "init_declarator":
            value = node.child_by_field_name("value")
        elif kind in ("pointer_declarator", "array_declarator"):
            current = current.pointed()
        elif kind == "function_declarator":
            current = CType("fn", 0, current)
        inner = node.child_by_field_name("declarator")
        if inner is None:
            inner = next(
                (
                    c
                    for c in node.named_children
                    if c.type.endswith("declarator") or c.type.endswith("identifier")
                ),
                None,
            )
        node = inner
    return None


def abstract(base: CType, declarator: Node | None) -> CType:
    """Apply an abstract declarator (of a cast) to a base type."""
    current = base
    node = declarator
    while node is not None:
        if node.type in ("abstract_pointer_declarator", "abstract_array_declarator"):
            current = current.pointed()
        elif node.type == "abstract_function_declarator":
            current = CType("fn", 0, current)
        inner = node.child_by_field_name("declarator")
        if inner is None:
            inner = next((c for c in node.named_children if "abstract" in c.type), None)
        node = inner
    return current
