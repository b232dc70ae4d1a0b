"""A function's body: its instructions, and its variables by block."""

import re

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.unit import node_text
from xfrmlint.concrete.instructions import Code
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.primitives import HARMLESS


class Body:
    """A source's code and its variables by block."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.view = source.view
        # `(void)` is a parameter to the parser.
        self.count = len(self.view.parameters)
        declarator = self.view.node.child_by_field_name("declarator")
        if self.count == 1 and declarator is not None:
            self.count -= re.search(r"\(\s*void\s*\)\s*$", node_text(declarator)) is not None
        self.declared: dict[int, list[tuple[int, str, CType]]] = {}
        self.parameters: list[tuple[int, str, CType]] = []
        self._codes: dict[int, Code] = {}
        self._slots: dict[tuple[str, int], int] = {}
        self._effects: dict[int, bool] = {}
        self._automatic: dict[int, bool] = {}
        for local in self.view.locals:
            if local.parameter >= 0:
                self.parameters.append((local.parameter, local.name, local.type))
                continue
            node = self.view.node.descendant_for_byte_range(local.start, local.start + 1)
            while node is not None and node.type not in ("compound_statement", "for_statement"):
                node = node.parent
            if node is not None:
                self.declared.setdefault(node.id, []).append((local.start, local.name, local.type))

    def code(self, body: Node, expression: bool) -> Code:
        """Return a block as instructions; expression: of a statement expression."""
        if body.id not in self._codes:
            self._codes[body.id] = Code(body, expression)
        return self._codes[body.id]

    def slot(self, name: str, offset: int) -> int | None:
        """Return the key of the variable that a name means: where it is declared."""
        key = (name, offset)
        if key not in self._slots:
            local = self.view.local(name, offset)
            if local is None:
                return None
            self._slots[key] = -1 - local.parameter if local.parameter >= 0 else local.start
        return self._slots[key]

    def is_automatic(self, node: Node) -> bool:
        """Tell whether what a declaration declares is the function's own, or a constant."""
        if node.id not in self._automatic:
            words = {node_text(c) for c in node.children if c.type != "init_declarator"}
            shared = ("static" in words and "const" not in words) or "extern" in words
            self._automatic[node.id] = not shared
        return self._automatic[node.id]

    def has_effects(self, node: Node) -> bool:
        """Tell whether evaluating an expression can store something."""
        if node.id not in self._effects:
            self._effects[node.id] = _stores(node)
        return self._effects[node.id]


_STORING = ("assignment_expression", "update_expression", "call_expression", "compound_statement")


def _stores(node: Node) -> bool:
    stack = [node]
    while stack:
        node = stack.pop()
        if node.type in _STORING:
            called = node.child_by_field_name("function")
            if called is None or node_text(called) not in HARMLESS:
                return True
        stack += node.named_children
    return False
