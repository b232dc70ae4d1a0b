"""The types of operands that are not evaluated, and types as they are written."""

from tree_sitter import Node

from xfrmlint.c.ctype import CType, abstract, type_of_specifier
from xfrmlint.c.integers import (
    COMPARISONS,
    INT,
    INTEGERS,
    LONG,
    ULONG,
    Int,
    IntType,
    common,
    number,
    promoted,
)
from xfrmlint.c.unit import node_text
from xfrmlint.concrete.containers import XARRAY
from xfrmlint.concrete.memory import Memory
from xfrmlint.concrete.primitives import LIKELY, ONCE, SAME, WARNS
from xfrmlint.concrete.syntax import child, operator_of
from xfrmlint.concrete.values import Cell, Pointer, Struct


class Operands(Memory):
    """A machine that knows the type of what it doesn't run."""

    def _static(self, node: Node) -> IntType | None:
        """Return the integer type of an expression; None for a pointer."""
        kind = node.type
        if kind == "parenthesized_expression" and len(node.named_children) == 1:
            return self._static(node.named_children[0])
        if kind == "compound_statement" and node.named_child_count:
            last = node.named_children[-1]
            if last.type == "expression_statement" and last.named_child_count:
                return self._static(last.named_children[0])
        if kind == "number_literal":
            found = number(node_text(node))
            if found is not None:
                return found.type
        if kind in ("true", "false", "char_literal"):
            return INT
        if kind == "null":
            return None
        if kind == "identifier":
            cell = self._variable(node)
            if cell is not None and isinstance(cell.value, Int):
                return cell.value.type
            if cell is not None and isinstance(cell.value, Pointer):
                return None
            if cell is not None and cell.type is not None:
                return self._scalar(cell.type, node)
        if kind == "binary_expression":
            operator = operator_of(node)
            if operator in COMPARISONS or operator in ("&&", "||"):
                return INT
            cast = self._type_name(child(node, "left"))
            left = (
                self._scalar(cast, node) if cast is not None else self._static(child(node, "left"))
            )
            if cast is not None:
                return left
            if operator in ("<<", ">>") and left is not None:
                return promoted(left)
            right = self._static(child(node, "right"))
            if left is not None and right is not None:
                return common(left, right)
        if kind == "unary_expression":
            if operator_of(node) == "!":
                return INT
            inner = self._static(child(node, "argument"))
            if inner is not None:
                return promoted(inner)
        if kind == "cast_expression":
            return self._scalar(self._written_type(child(node, "type"), node), node)
        if kind == "sizeof_expression":
            return ULONG
        if kind in ("assignment_expression", "update_expression"):
            return self._static(child(node, "left" if kind[0] == "a" else "argument"))
        if kind == "comma_expression":
            return self._static(child(node, "right"))
        if kind == "pointer_expression" and operator_of(node) == "&":
            return None
        if kind == "conditional_expression":
            first = node.child_by_field_name("consequence")
            sides = [first or child(node, "condition"), child(node, "alternative")]
            kinds = [self._static(side) for side in sides]
            if kinds[0] is not None and kinds[1] is not None:
                return common(kinds[0], kinds[1])
            return None
        if kind == "subscript_expression":
            of = child(node, "argument")
            if of.type == "field_expression":
                held = self.names.declared(self._frames[-1].body.view, of)
                if held is not None and held.pointers:
                    return self._scalar(held.pointed(-1), node)
        if kind == "field_expression":
            return self._static_field(node_text(child(node, "field")), node, False)
        if kind == "call_expression":
            return self._static_call(node)
        raise self._outside("the type of an operand that is not evaluated", node)

    def _static_field(self, name: str, node: Node, called: bool) -> IntType | None:
        """Type a field by its name among the structs in reach; they have to agree."""
        found: list[CType] = []
        seen: set[int] = set()
        stack: list[object] = [c.value for f in self._frames for c in f.cells.values()]
        while stack:
            now = stack.pop()
            if isinstance(now, Pointer):
                now = now.target
            if isinstance(now, Cell):
                now = now.value
            if not isinstance(now, Struct) or id(now) in seen:
                continue
            seen.add(id(now))
            for key, cell in now.fields.items():
                if isinstance(cell, Struct):
                    stack.append(cell)
                    continue
                stack.append(cell.value)
                if key == name and cell.type is not None:
                    found.append(cell.type)
        kinds = {self._called(k) if called else k for k in found}
        if len(kinds) == 1:
            return self._scalar(kinds.pop(), node)
        declared = self.names.declared(self._frames[-1].body.view, node) if not kinds else None
        if declared is not None:
            return self._scalar(declared, node)
        raise self._outside("the type of an operand that is not evaluated", node)

    def _called(self, kind: CType) -> CType:
        return kind.result if kind.base == "fn" and kind.result is not None else kind

    def _static_call(self, node: Node) -> IntType | None:
        called = child(node, "function")
        arguments = self._arguments(node)
        if called.type == "field_expression":
            return self._static_field(node_text(child(called, "field")), node, True)
        cast = self._type_name(called)
        if cast is not None:
            return self._scalar(cast, node)
        name = node_text(called)
        if called.type == "identifier" and self._variable(called) is None:
            if (ONCE.fullmatch(name) or name in SAME) and arguments:
                return self._static(arguments[0])
            if name in LIKELY or name == "__builtin_expect":
                return LONG
            if name in WARNS or name == "IS_ENABLED":
                return INT
            if self.kernel is not None and XARRAY.fullmatch(name):
                return ULONG if name == "xa_to_value" else None
            source = self.names.function(name, self._frames[-1].body.source.path)
            if source is not None and source.view.result is not None:
                return self._scalar(source.view.result, node)
        elif called.type == "identifier":
            cell = self._variable(called)
            if cell is not None and cell.type is not None and cell.type.result is not None:
                return self._scalar(cell.type.result, node)
        raise self._outside("the type of a call that is not evaluated", node)

    def _arguments(self, node: Node) -> list[Node]:
        listed = node.child_by_field_name("arguments")
        found = listed.named_children if listed is not None else []
        return [c for c in found if c.type != "comment"]

    # Types as they are written

    def _type_name(self, node: Node) -> CType | None:
        """Return the type that a name in parentheses is, if it is an integer's."""
        if node.type == "parenthesized_expression" and len(node.named_children) == 1:
            inner = node.named_children[0]
            if inner.type == "identifier" and node_text(inner) in INTEGERS:
                if self._variable(inner) is None:
                    return CType(node_text(inner))
        return None

    def _written_type(self, written: Node, node: Node) -> CType:
        inner = written.child_by_field_name("type")
        if inner is None:
            raise self._outside("a type that can't be read", node)
        return abstract(type_of_specifier(inner), written.child_by_field_name("declarator"))
