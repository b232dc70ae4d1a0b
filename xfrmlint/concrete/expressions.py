"""The evaluation of expressions, all but calls."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import (
    INT,
    ULONG,
    Int,
    IntType,
    common,
    integer,
    number,
    promoted,
    wrapped,
)
from xfrmlint.c.unit import node_text
from xfrmlint.concrete.faults import FaultKind
from xfrmlint.concrete.instructions import Code
from xfrmlint.concrete.kernel import Kernel
from xfrmlint.concrete.operands import Operands
from xfrmlint.concrete.operators import Operators
from xfrmlint.concrete.syntax import child, is_struct, operator_of, short
from xfrmlint.concrete.trace import StepKind
from xfrmlint.concrete.values import (
    NULL,
    Cell,
    Function,
    Open,
    Pointer,
    Struct,
    Uninitialized,
    Unknown,
    Value,
    Void,
)
from xfrmlint.contract.words import DEVICE, OPS


class Expressions(Operands, Operators, ABC):
    """A machine that evaluates expressions."""

    @abstractmethod
    def _run(self, code: Code) -> Value:
        """Run a list of instructions; return the value of a statement expression."""

    @abstractmethod
    def _call(self, node: Node) -> Value:
        """Evaluate a call."""

    def _value(self, node: Node) -> Value:
        if node.type == "call_expression":
            return self._call(node)
        handler = _HANDLERS.get(node.type)
        if handler is None:
            raise self._outside(f"an expression that isn't covered ({node.type})", node)
        return handler(self, node)

    # Conditions, and operands that C leaves unordered

    def _condition(self, node: Node) -> bool:
        self._step(StepKind.TEST, node)
        at = len(self.trace) - 1
        truth = self._truth(self._value(node), node)
        # The reads of the condition come before the test.
        self.trace.append(self.trace.pop(at))
        return truth

    def _unordered(self, nodes: Sequence[Node]) -> list[Value]:
        body = self._frames[-1].body
        if len(nodes) < 2 or not any(body.has_effects(n) for n in nodes):
            return [self._value(n) for n in nodes]
        logs = []
        values = []
        for node in nodes:
            value, log = self._logged(lambda node=node: self._value(node))  # type: ignore[misc]
            values.append(value)
            logs.append(log)
        self._ordered(logs, nodes[0])
        return values

    # Constants

    def _parenthesized(self, node: Node) -> Value:
        inside = [c for c in node.named_children if c.type != "comment"]
        if len(inside) != 1:
            raise self._outside("parentheses that can't be read", node)
        if inside[0].type == "compound_statement":
            return self._run(self._frames[-1].body.code(inside[0], True))
        return self._value(inside[0])

    def _number(self, node: Node) -> Value:
        found = number(node_text(node))
        if found is None:
            raise self._outside(f"the number {node_text(node)}", node)
        return found

    def _character(self, node: Node) -> Value:
        match = re.fullmatch(r"'([ -&(-\[\]-~])'", node_text(node))
        if match is None:
            raise self._outside(f"the character {node_text(node)}", node)
        return Int(ord(match.group(1)), INT)

    def _true(self, node: Node) -> Value:
        # linux/stddef.h: an enum's constants, which are ints.
        return Int(1, INT)

    def _false(self, node: Node) -> Value:
        return Int(0, INT)

    def _null(self, node: Node) -> Value:
        return NULL

    # Places

    def _identifier(self, node: Node) -> Value:
        name = node_text(node)
        if self._variable(node) is None:
            source = self.names.function(name, self._frames[-1].body.source.path)
            if source is not None:
                return Pointer(Function(name, None, source))
        return self._load(self._lvalue(node), node)

    def _lvalue(self, node: Node, address: bool = False) -> Cell | Struct:
        """Return what an expression designates. address: only its address is wanted."""
        while node.type == "parenthesized_expression" and len(node.named_children) == 1:
            node = node.named_children[0]
        if node.type == "identifier":
            found = self._variable(node)
            if found is not None:
                return found.value if isinstance(found.value, Struct) else found
            if self.choose is not None:
                return Cell(node_text(node), Unknown())
            path = self._frames[-1].body.source.path
            if self.kernel is not None and node_text(node) == "jiffies":
                return Cell("jiffies", Open("jiffies", set()))
            number = self.names.constant(node_text(node), path) if self.kernel else None
            if number is not None:
                return Cell(node_text(node), number)
            shared = self._of_file(node_text(node), path)
            if shared is not None:
                return shared
            raise self._outside(f"{node_text(node)} is not defined in a plain way", node)
        if node.type == "field_expression":
            return self._field(node, address)
        if node.type == "pointer_expression" and operator_of(node) == "*":
            inner = child(node, "argument")
            return self._pointed(self._value(inner), node, address)
        if self.choose is not None and node.type == "subscript_expression":
            return Cell(node_text(node), Unknown())
        if self.kernel is not None and node.type == "subscript_expression":
            return self._element(node)
        raise self._outside(f"storage that isn't covered ({node.type})", node)

    def _pointed(self, value: Value, node: Node, address: bool) -> Cell | Struct:
        if isinstance(value, Unknown):
            return Cell(node_text(node), value)
        if not isinstance(value, Pointer):
            raise self._outside("a dereference of what is no pointer", node)
        if value.target is None:
            if address:
                raise self._outside("an address computed from NULL", node)
            text = f"`{short(node)}` dereferences NULL"
            raise self._fault(FaultKind.NULL, text, node)
        if isinstance(value.target, Function):
            raise self._outside("a function is used as data", node)
        return value.target

    def _field(self, node: Node, address: bool) -> Cell | Struct:
        base = child(node, "argument")
        written = child(node, "field")
        if operator_of(node) == "->":
            place = self._pointed(self._value(base), node, address)
        else:
            place = self._lvalue(base, address)
        name = node_text(written)
        if isinstance(place, Cell) and isinstance(place.value, Unknown):
            return Cell(name, Unknown())
        if not isinstance(place, Struct):
            raise self._outside("a field of what is no struct", node)
        found = place.fields.get(name)
        if found is None:
            if self.kernel is not None:
                return self.grown(place, name, written)
            if not place.open:
                text = f"{place.name} has no field {name} in the model"
                raise self._fault(FaultKind.FIELD, text, written)
            place.put(name, Unknown())
            found = place.fields[name]
        return found

    def _of_file(self, name: str, path: str) -> Struct | None:
        """Return a struct that is a variable of a file: a list's head, a lock, zeroed at birth."""
        kind = self.names.variable(name, path) if self.kernel is not None else None
        if self.kernel is None or kind is None or kind.pointers:
            return None
        if not kind.base.startswith("struct ") or kind.base == OPS:
            return None
        return self.kernel.files.setdefault(name, Struct(name, kind.base))

    # What a world has not made yet

    def grown(self, struct: Struct, name: str, node: Node) -> Cell | Struct:
        """Return a member of a struct of the tree's, made by its declaration if it is not there."""
        found = struct.fields.get(name)
        if found is not None:
            return found
        path = self._frames[-1].body.source.path
        layout = struct.layout or CType(struct.kind)
        declared = self.names.member(layout, name, path) if struct.kind else None
        if declared is None:
            raise self._outside(f"what {struct.kind or struct.name} has as {name}", node)
        kind = declared.type
        if declared.size:
            made = Struct(f"{struct.name}.{name}", "[]", born=struct.born, fresh=struct.fresh)
            made.element, made.count = kind.pointed(-1), declared.size
            struct.put(name, made)
        else:
            struct.put(name, self._at_birth(struct, name, kind, node), kind)
        return struct.fields[name]

    def _at_birth(self, struct: Struct, name: str, kind: CType, node: Node) -> Value:
        """Return what a member of zeroed memory is; of an owner's own, a number is open."""
        path = self._frames[-1].body.source.path
        plain = kind if kind.pointers else self.names.resolved(kind, path)
        scalar = plain.pointers or plain.base == "fn" or integer(plain) is not None
        if struct.fresh and (scalar or plain.base.startswith("enum")):
            return Uninitialized()
        if plain.pointers or plain.base == "fn":
            if self.kernel is None or not struct.born or kind.pointers != 1:
                return NULL
            return self._kept(self.kernel, struct, name, kind, node)
        if integer(plain) is not None or plain.base.startswith("enum"):
            member = struct.member if struct.element is not None else name
            if struct.born and not self.names.keeps_handle(member, path):
                return Open(f"{struct.name}.{name}", set())
            given = self.kernel.given if self.kernel is not None else {}
            return wrapped(given.get(f"{struct.name}.{name}", 0), integer(plain) or INT)
        made = Struct(f"{struct.name}.{name}", kind.base, born=struct.born, fresh=struct.fresh)
        made.layout = kind
        return made

    def _kept(self, kernel: Kernel, struct: Struct, name: str, kind: CType, node: Node) -> Value:
        """Return what a pointer in an owner's private data is before anything was stored there."""
        path = self._frames[-1].body.source.path
        own = kernel.private.get(kernel.name_of(kernel.owner) or "") is struct
        if own and kind.base == DEVICE and self.names.own_device(name, path):
            return kernel.owner
        if kernel.populated or kind.base == struct.kind:
            # To one of its own kind: the next one of a list, which ends here.
            return NULL
        if kind.base == DEVICE:
            return kernel.port_in(f"{struct.kind.split()[-1]}.{name}")
        entry = kernel.entry(self, kind.base, kernel.active, node)
        return Pointer(entry) if entry is not None else NULL

    def _element(self, node: Node) -> Cell | Struct:
        """Return an element of an array."""
        base = child(node, "argument")
        index = self._value(child(node, "index"))
        array: object = self._value(base)
        if isinstance(array, Pointer):
            array = array.target
        if isinstance(array, Struct) and array.row is not None and isinstance(index, Int):
            if not index.value:
                return array
            behind = Struct(f"{array.name}[{index.value}]", array.kind, fresh=array.fresh)
            return array.row.setdefault(index.value, behind)
        if not isinstance(array, Struct) or array.element is None or not isinstance(index, Int):
            raise self._outside("an element of what is no array", node)
        if not 0 <= index.value < array.count:
            raise self._outside(f"element {index.value} of {array.count}", node)
        key = str(index.value)
        if key not in array.fields:
            kind = array.element
            array.put(key, self._at_birth(array, key, kind, node), kind)
        return array.fields[key]

    # What the kernel asks

    def value_of(self, node: Node) -> Value:
        return self._value(node)

    def place_of(self, node: Node) -> Cell | Struct:
        return self._lvalue(node)

    def variable_type(self, node: Node) -> CType | None:
        found = self._variable(node) if node.type == "identifier" else None
        return found.type if found is not None else None

    def members_of(self, struct: str) -> Mapping[str, CType]:
        return self.names.members(CType(struct), self._frames[-1].body.source.path)

    def key_member(self, node: Node) -> str:
        return self.names.key_member(node_text(node), self._frames[-1].body.source.path)

    def refuse(self, reason: str, node: Node) -> Exception:
        return self._outside(reason, node)

    def _subscript(self, node: Node) -> Value:
        return self._load(self._lvalue(node), node)

    def _field_value(self, node: Node) -> Value:
        return self._load(self._field(node, False), child(node, "field"))

    def _pointer(self, node: Node) -> Value:
        inner = child(node, "argument")
        if operator_of(node) == "*":
            value = self._value(inner)
            if isinstance(value, Pointer) and isinstance(value.target, Function):
                return value
            return self._load(self._pointed(value, node, False), node)
        plain = inner
        while plain.type == "parenthesized_expression" and len(plain.named_children) == 1:
            plain = plain.named_children[0]
        if plain.type == "identifier" and self._variable(plain) is None:
            source = self.names.function(node_text(plain), self._frames[-1].body.source.path)
            if source is not None:
                return Pointer(Function(node_text(plain), None, source))
        if plain.type == "pointer_expression" and operator_of(plain) == "*":
            # `&*p` is p, NULL or not.
            return self._value(child(plain, "argument"))
        return Pointer(self._lvalue(inner, True))

    # Operators

    def _unary(self, node: Node) -> Value:
        return self._signed(operator_of(node), self._value(child(node, "argument")), node)

    def _signed(self, operator: str, value: Value, node: Node) -> Value:
        if isinstance(value, Unknown):
            return value
        if operator == "!":
            return Int(int(not self._truth(value, node)), INT)
        if not isinstance(value, Int):
            raise self._outside(f"`{operator}` on what is no number", node)
        kind = promoted(value.type)
        if operator == "-":
            return wrapped(-value.value, kind)
        if operator == "~":
            return wrapped(~value.value, kind)
        if operator == "+":
            return wrapped(value.value, kind)
        raise self._outside(f"the operator `{operator}`", node)

    def _binary(self, node: Node) -> Value:
        operator = operator_of(node)
        left, right = child(node, "left"), child(node, "right")
        cast = self._type_name(left)
        if cast is not None and operator == "-" and right.type != "binary_expression":
            # `(u32)-1` is a subtraction to the parser.
            value = self._computed("-", Int(0, INT), self._value(right), node)
            return self._converted(value, cast, node)
        if operator in ("&&", "||"):
            if self._condition(left) == (operator == "||"):
                return Int(int(operator == "||"), INT)
            return Int(int(self._condition(right)), INT)
        one, other = self._unordered([left, right])
        return self._computed(operator, one, other, node)

    def _conditional(self, node: Node) -> Value:
        condition = child(node, "condition")
        first = node.child_by_field_name("consequence")
        second = child(node, "alternative")
        if first is None:
            # `a ?: b`: a is evaluated once.
            self._step(StepKind.TEST, condition)
            at = len(self.trace) - 1
            value = self._value(condition)
            taken = self._truth(value, condition)
            self.trace.append(self.trace.pop(at))
            chosen, unused = (value, second) if taken else (self._value(second), condition)
        elif self._condition(condition):
            chosen, unused = self._value(first), second
        else:
            chosen, unused = self._value(second), first
        if isinstance(chosen, Int):
            kind = self._static(unused)
            if isinstance(kind, IntType):
                return wrapped(chosen.value, common(chosen.type, kind))
            if chosen.value == 0:
                # `c ? p : 0` is a pointer.
                return NULL
            if self.kernel is not None:
                # A number that a map keeps as a pointer.
                return chosen
            raise self._outside("`?:` of a number and something else", node)
        return chosen

    def _comma(self, node: Node) -> Value:
        self._value(child(node, "left"))
        return self._value(child(node, "right"))

    def _assignment(self, node: Node) -> Value:
        operator = operator_of(node)
        left, right = child(node, "left"), child(node, "right")
        places: list[Cell | Struct] = []

        def target() -> Value:
            places.append(self._lvalue(left))
            return Void()

        _, one = self._logged(target)
        value, other = self._logged(lambda: self._value(right))
        self._ordered([one, other], node)
        place = places[0]
        if isinstance(place, Cell) and place in other.writes:
            raise self._outside("the result depends on the order of evaluation", node)
        if operator != "=":
            old = self._load(place, left)
            value = self._computed(operator[:-1], old, value, node)
        return self._store(place, value, node)

    def _update(self, node: Node) -> Value:
        inner = child(node, "argument")
        if inner.type == "unary_expression" and node.children[0].id == inner.id:
            # `!n--` is `(!n)--` to the parser.
            changed = self._changed(node, child(inner, "argument"))
            return self._signed(operator_of(inner), changed, inner)
        return self._changed(node, inner)

    def _changed(self, node: Node, inner: Node) -> Value:
        """Count up or down; return what the place holds then, or held before."""
        place = self._lvalue(inner)
        old = self._load(place, inner)
        operator = operator_of(node)
        new = self._computed(operator[0], old, Int(1, INT), node)
        stored = self._store(place, new, node)
        return stored if node.children[0].type == operator else old

    def _cast(self, node: Node) -> Value:
        kind = self._written_type(child(node, "type"), node)
        value = self._value(child(node, "value"))
        if kind.base == "void" and not kind.pointers:
            return Void()
        if isinstance(value, Int) and kind.pointers and value.value == 0:
            return NULL
        if isinstance(value, Pointer) and value.target is None and not kind.pointers:
            wanted = self._scalar(kind, node)
            if wanted is not None:
                return wrapped(0, wanted)
        return self._converted(value, kind, node)

    @abstractmethod
    def _fill(self, struct: Struct, written: Node) -> None:
        """Store what an initializer gives to the members that it names."""

    def _literal_struct(self, node: Node) -> Value:
        kind, written = self._written_type(child(node, "type"), node), child(node, "value")
        if self.kernel is None or not is_struct(kind, written):
            raise self._outside("a compound literal that can't be read", node)
        made = Struct(kind.base, kind.base)
        self._fill(made, written)
        return made

    def _sizeof(self, node: Node) -> Value:
        written = node.child_by_field_name("type")
        if written is not None:
            kind = self._written_type(written, node)
            found = self._scalar(kind, node)
        else:
            static = self._static(child(node, "value"))
            found = static if isinstance(static, IntType) else None
        return Int(8 if found is None else max(1, found.bits // 8), ULONG)


_HANDLERS: dict[str, Callable[[Expressions, Node], Value]] = {
    "parenthesized_expression": Expressions._parenthesized,
    "number_literal": Expressions._number,
    "char_literal": Expressions._character,
    "true": Expressions._true,
    "false": Expressions._false,
    "null": Expressions._null,
    "identifier": Expressions._identifier,
    "subscript_expression": Expressions._subscript,
    "field_expression": Expressions._field_value,
    "pointer_expression": Expressions._pointer,
    "unary_expression": Expressions._unary,
    "binary_expression": Expressions._binary,
    "conditional_expression": Expressions._conditional,
    "comma_expression": Expressions._comma,
    "assignment_expression": Expressions._assignment,
    "update_expression": Expressions._update,
    "cast_expression": Expressions._cast,
    "sizeof_expression": Expressions._sizeof,
    "compound_literal_expression": Expressions._literal_struct,
}
