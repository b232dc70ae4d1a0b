"""The parser's nodes become typed syntax, statement by statement, when that is asked for."""

from collections.abc import Callable, Mapping, Sequence

from tree_sitter import Node

from xfrmlint.c.constants import IN_PARENTHESES, Constants
from xfrmlint.c.ctype import CType, declared, specified
from xfrmlint.c.dialect import AUTO
from xfrmlint.c.expression import arguments_of
from xfrmlint.c.graph import Does, Graph, Step, graph_of
from xfrmlint.c.integers import BOOLS, IntType
from xfrmlint.c.nodes import node_text
from xfrmlint.c.syntax import (
    UNEVALUATED,
    Address,
    Assignment,
    Before,
    Binary,
    Block,
    Call,
    Cast,
    Choice,
    Comma,
    Compound,
    Conditional,
    Declaration,
    Deref,
    Expression,
    Index,
    Initializer,
    Literal,
    Member,
    Name,
    Opaque,
    Stops,
    Truth,
    Unary,
    Update,
    bared,
    pointed,
)
from xfrmlint.c.types import written_type
from xfrmlint.c.unit import declarator_name
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import Function, function_named

_NAMED = ("identifier", "type_identifier")
_PARENTHESES = ("parenthesized_expression", "extension_expression", "expression_statement")
_PREFIXES = ("+", "-", "*", "&")


class Syntax:
    """Reads the expressions of one view. known: what a function or macro of the kernel's does."""

    def __init__(
        self, view: View, constants: Constants, known: Callable[[str], Function] = function_named
    ) -> None:
        self.view = view
        self.constants = constants
        self._does = known

    def statement(self, step: Step) -> tuple[Expression, ...]:
        """Return what is evaluated in a node of the control-flow graph."""
        node = step.node
        if node is None or step.does in (Does.END, Does.CUT, Does.CONFIGURED):
            return ()
        if step.does is Does.RETURN:
            return tuple(self.of(one) for one in node.named_children[:1]) + self._ends(step, node)
        if step.does is Does.SWITCH:
            return tuple(self.of(one) for one in node.named_children[-1:])
        if node.type == "declaration":
            return self._declared(node)
        if node.type == "expression_statement":
            return tuple(self.of(one) for one in node.named_children[:1])
        return (self.of(node),)

    def _ends(self, step: Step, node: Node) -> tuple[Expression, ...]:
        """Return what is done behind the expression of a return, as one block."""
        if not step.cleanup:
            return ()
        return (self._made(node, graph_of(self.view, step.cleanup), None),)

    def _made(self, node: Node, graph: Graph, value: Expression | None) -> Block:
        read = tuple(self.statement(step) for step in graph.steps)
        return Block(node, node.start_byte, graph, read, value)

    def of(self, node: Node) -> Expression:
        """Return an expression."""
        reads = _READS.get(node.type)
        return reads(self, node) if reads is not None else self._opaque(node)

    def _field(self, node: Node, name: str) -> Expression:
        found = node.child_by_field_name(name)
        return self.of(found) if found is not None else Opaque(node, node.start_byte, "no operand")

    def _opaque(self, node: Node) -> Expression:
        # What was made out of an error can be anything.
        inside_ = tuple(self.of(one) for one in node.named_children if not node.is_error)
        return Opaque(node, node.start_byte, f"a form that is not followed: {node.type}", inside_)

    def _unevaluated(self, node: Node) -> Expression:
        return Opaque(node, node.start_byte, UNEVALUATED)

    def _parentheses(self, node: Node) -> Expression:
        inner = _unparenthesized(node)
        return self._opaque(inner) if inner.type in _PARENTHESES else self.of(inner)

    def _block(self, node: Node) -> Expression:
        statements = node.named_children
        last = statements[-1] if statements else None
        valued = last is not None and last.type == "expression_statement"
        graph = graph_of(self.view, statements[:-1] if valued else statements)
        value = None
        if valued and last is not None and last.named_child_count:
            value = self.of(last.named_children[0])
        return self._made(node, graph, value)

    def _name(self, node: Node) -> Expression:
        return Name(node, node.start_byte, node_text(node))

    def _literal(self, node: Node) -> Expression:
        is_text = node.type in ("string_literal", "concatenated_string", "char_literal")
        return Literal(node, node.start_byte, node_text(node), is_text)

    def _member(self, node: Node) -> Expression:
        of = self._field(node, "argument")
        field = node.child_by_field_name("field") or node
        arrow = _sign(node) != "."
        if not arrow and isinstance(of, Deref):
            of, arrow = of.of, True
        elif arrow and isinstance(of, Address):
            of, arrow = of.of, False
        name = self.constants.types.member_name(field, self.view.path)
        return Member(node, node.start_byte, of, name, arrow, field.start_byte)

    def _index(self, node: Node) -> Expression:
        of, index = self._field(node, "argument"), self._field(node, "index")
        return Index(node, node.start_byte, of, index)

    def _pointer(self, node: Node) -> Expression:
        of = self._field(node, "argument")
        if _sign(node) == "&":
            return of.of if isinstance(of, Deref) else Address(node, node.start_byte, of)
        return of.of if isinstance(of, Address) else Deref(node, node.start_byte, of)

    def _cast(self, node: Node) -> Expression:
        written = node.child_by_field_name("type")
        kind = written_type(written) if written is not None else None
        return Cast(node, node.start_byte, self._field(node, "value"), kind)

    def _unary(self, node: Node) -> Expression:
        return Unary(node, node.start_byte, _sign(node), self._field(node, "argument"))

    def _binary(self, node: Node) -> Expression:
        # A macro can become a thousand terms: they hang on each other by their left sides.
        terms: list[tuple[Node, Node]] = []
        while node.type == "binary_expression":
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            if left is None or right is None:
                break
            kind = self._type_in(left) if _sign(node) in _PREFIXES else None
            if kind is not None:
                break
            terms.append((node, right))
            node = _unparenthesized(left)
        one = self._first_term(node) if node.type == "binary_expression" else self.of(node)
        for term, right in reversed(terms):
            one = Binary(term, term.start_byte, _sign(term), one, self.of(right))
        return one

    def _first_term(self, node: Node) -> Expression:
        """Return `(u32)-x`, which the parser takes for a subtraction."""
        sign, left = _sign(node), node.child_by_field_name("left")
        right = node.child_by_field_name("right")
        kind = self._type_in(left) if left is not None else None
        if right is None or kind is None:
            return self._opaque(node)
        of = self.of(right)
        signed: Expression = Unary(node, right.start_byte, sign, of)
        if sign in ("&", "*"):
            signed = (Address if sign == "&" else Deref)(node, right.start_byte, of)
        return Cast(node, node.start_byte, signed, kind)

    def _conditional(self, node: Node) -> Expression:
        then = node.child_by_field_name("consequence")
        condition, other = self._field(node, "condition"), self._field(node, "alternative")
        middle = self.of(then) if then is not None else None
        return Conditional(node, node.start_byte, condition, middle, other)

    def _comma(self, node: Node) -> Expression:
        return Comma(node, node.start_byte, self._field(node, "left"), self._field(node, "right"))

    def _generic(self, node: Node) -> Expression:
        values = tuple(self.of(one) for one in node.named_children[2::2])
        return Choice(node, node.start_byte, values)

    def _assignment(self, node: Node) -> Expression:
        sign = _sign(node).removesuffix("=")
        target, value = self._field(node, "left"), self._field(node, "right")
        given = value if sign else self._given(target, value)
        return Assignment(node, node.start_byte, target, sign, given)

    def _update(self, node: Node) -> Expression:
        sign = _sign(node)
        before = node.children[0].type != sign
        target = node.child_by_field_name("argument")
        prefixes: list[Node] = []
        while before and target is not None and target.type == "unary_expression":
            # `!h--` is !(h--); tree-sitter binds the sign in front tighter.
            prefixes.append(target)
            target = target.child_by_field_name("argument")
        of = self.of(target) if target is not None else self._opaque(node)
        made: Expression = Update(node, of.start, of, sign[:1], before)
        for prefix in reversed(prefixes):
            made = Unary(prefix, prefix.start_byte, _sign(prefix), made)
        return made

    def _compound(self, node: Node) -> Expression:
        written, value = node.child_by_field_name("type"), node.child_by_field_name("value")
        if value is None or value.type != "initializer_list":
            return self._opaque(node)
        kind = written_type(written) if written is not None else None
        return Compound(node, node.start_byte, self._initializer(value, kind))

    def _initializer(self, node: Node, kind: CType | None = None) -> Initializer:
        """Read an initializer list. kind: of what it is for, if that is known."""
        members = self._members(node, kind)
        names = list(members)
        items: list[tuple[str, Expression]] = []
        for position, child in enumerate(node.named_children):
            name = names[position] if position < len(names) else f"#{position}"
            value: Node | None = child
            inner: Sequence[str] = ()
            if child.type == "initializer_pair":
                value = child.child_by_field_name("value")
                designators = child.children_by_field_name("designator")
                name, *inner = [_designated(one) for one in designators] or [name]
            if value is None:
                continue
            if value.type == "initializer_list":
                element = kind.pointed(-1) if kind is not None and kind.pointers else None
                made = self._initializer(value, None if inner else members.get(name, element))
                items.append((name, self._within(child, inner, None, made)))
            else:
                of = self._typed(kind, name) if inner else None
                items.append((name, self._within(child, inner, of, self.of(value))))
        return Initializer(node, node.start_byte, tuple(items), self._is_union(kind))

    def _within(
        self, node: Node, names: Sequence[str], kind: CType | None, value: Expression
    ) -> Expression:
        """Return what `.sa.slot = 1` stores in sa: { .slot = 1 }."""
        if not names:
            return value
        inner = self._within(node, names[1:], self._typed(kind, names[0]), value)
        items = ((names[0], inner),)
        return Initializer(node, node.start_byte, items, self._is_union(kind))

    def _typed(self, kind: CType | None, name: str) -> CType | None:
        return self.constants.types.field(kind, name, self.view.path)

    def _is_union(self, kind: CType | None) -> bool:
        if kind is None or kind.pointers:
            return False
        return self.constants.types.resolved(kind, self.view.path).base.startswith("union")

    def _members(self, node: Node, kind: CType | None) -> Mapping[str, CType]:
        """Return the members that an initializer list can be for, if their names are not there."""
        if kind is None or kind.pointers:
            return {}
        children = node.named_children
        if all(c.type == "initializer_pair" for c in children) and not any(
            c.named_children[-1].type == "initializer_list" for c in children
        ):
            return {}
        known = self.constants.types.fields(kind, self.view.path)
        return known[0] if known is not None else {}

    def _declared(self, node: Node) -> tuple[Expression, ...]:
        found: list[Expression] = []
        base = specified(node)
        for declarator in node.children_by_field_name("declarator"):
            name = declarator_name(declarator)
            value = declarator.child_by_field_name("value")
            if name is None:
                continue
            given = self.of(value) if value is not None else None
            if value is not None and value.type == "initializer_list":
                made = declared(base, declarator) if base is not None else None
                given = self._initializer(value, made.type if made is not None else None)
            target = Name(name, name.start_byte, node_text(name))
            given = self._given(target, given) if given is not None else None
            found.append(Declaration(declarator, declarator.start_byte, target, given))
        return tuple(found)

    def _given(self, target: Expression, value: Expression) -> Expression:
        """Return what a variable is given: a bool the truth of another one."""
        if not isinstance(target, Name) or not isinstance(value, Name | Member):
            return value
        local = self.view.local(target.name, target.start)
        truth = local is not None and not local.type.pointers and local.type.base in BOOLS
        return Truth(value.node, value.start, value) if truth else value

    def _type_in(self, node: Node) -> IntType | None:
        """Return the type in parentheses that the parser took for an operand or a function."""
        only = node.named_children if node.type in IN_PARENTHESES else []
        # What a variable is called is not looked up among the types.
        if len(only) != 1 or only[0].type not in _NAMED or self._is_variable(only[0]):
            return None
        return self.constants.cast_in(node, self.view.path)

    def _is_variable(self, node: Node) -> bool:
        return self.view.local(node_text(node), node.start_byte) is not None

    def _call(self, node: Node) -> Expression:
        called = node.child_by_field_name("function")
        arguments = arguments_of(node)
        if called is None:
            return self._unevaluated(node)
        in_parentheses = called.type == "parenthesized_expression"
        cast = self._cast_of(node, called, arguments[0]) if len(arguments) == 1 else None
        if cast is not None:
            return cast
        callee = self.of(called)
        sides = _sides(callee)
        if len(sides) > 1:
            choice = Choice(called, called.start_byte, tuple(sides), callee)
            return Call(node, node.start_byte, choice, tuple(map(self.of, arguments)), "")
        if isinstance(sides[0], Name) and _is_only(callee):
            callee, in_parentheses = sides[0], False
        name = self.called(callee)
        known = self._known(node, name, arguments) if name else None
        if known is not None:
            return known
        given = tuple(map(self.of, arguments))
        return Call(node, node.start_byte, callee, given, name, in_parentheses)

    def called(self, callee: Expression) -> str:
        """Return the name of what is called, unless it is a local variable or an expression."""
        if not isinstance(callee, Name) or self._is_variable(callee.node):
            return ""
        return callee.name

    def _cast_of(self, node: Node, called: Node, argument: Node) -> Expression | None:
        """Return the cast that `(u32)(x)` or `(typeof(y))(x)` is, which is parsed as a call.

        `(u64)(u32)(x)` is parsed as x given to what `(u64)(u32)` returns.
        """
        kinds: list[IntType | None] = []
        while called.type == "call_expression":
            listed, inner = called.child_by_field_name("arguments"), called.named_children[0]
            kinds.append(self._type_in(listed) if listed is not None else None)
            called = inner
        if called.type != "parenthesized_expression" or None in kinds:
            return None
        kind = self._type_in(called)
        # What typeof() names is blanked. Nothing but a cast can be before another one.
        if kind is None and not kinds and node_text(called).strip("() ") not in AUTO:
            return None
        one = self.of(argument)
        for written in (*kinds, kind):
            one = Cast(node, node.start_byte, one, written)
        return one

    def _known(self, node: Node, name: str, arguments: Sequence[Node]) -> Expression | None:
        """Return what a macro of the kernel's is that is more than a function; None for others."""
        start = node.start_byte
        if name == "__builtin_choose_expr":
            return Choice(node, start, tuple(map(self.of, arguments[1:])))
        does = self._does(name)
        if does.stops == "always":
            return Stops(node, start, None)
        if not arguments:
            return None
        if does.stops:
            return Stops(node, start, self.of(arguments[0]))
        if does.static_call == "call":
            return Opaque(node, start, "the target of a static call")
        if 0 < does.calls <= len(arguments):
            given = tuple(map(self.of, arguments))
            callees = Choice(node, start, given[: does.calls])
            return Call(node, start, callees, given[does.calls :], "")
        if does.truth == 0:
            return Truth(node, start, self.of(arguments[0]))
        if does.is_("unevaluated"):
            return self._unevaluated(node)
        return self._written(node, does, arguments) or self._passed(node, does, arguments)

    def _written(self, node: Node, does: Function, arguments: Sequence[Node]) -> Expression | None:
        """Return the store that a macro is, and what that is worth."""
        start = node.start_byte
        stores = [s for s in does.stores if s.value.position >= 0 and not s.value.pointed]
        stores = [s for s in stores if max(s.value.position, s.target.position) < len(arguments)]
        if not stores and not does.is_("empties"):
            # Of arguments that are read twice, those in each other are read 2^n times.
            return None
        given = [self.of(one) for one in arguments]
        returned = bool(stores) and does.returned == stores[0].target
        if stores:
            # atomic64_set(&p->f, h), but also atomic_set(v, i).
            target, value = (
                pointed(given[stores[0].target.position]),
                given[stores[0].value.position],
            )
            if len(stores) > 1:
                # swap(a, b) is a = xchg(&b, a).
                other = Assignment(node, start, value, "", target)
                value = Comma(node, start, other, Before(node, start, value))
        else:
            target, value, returned = given[0], Literal(node, start, "NULL"), True
        worth: Expression = Opaque(node, start, "a store is worth nothing")
        if returned:
            worth = Before(node, start, target)
        return Comma(node, start, Assignment(node, start, target, "", value), worth)

    def _passed(self, node: Node, does: Function, arguments: Sequence[Node]) -> Expression | None:
        """Return the argument that a macro is worth, or whether it is NULL."""
        if does.is_("error_too"):
            # The cast is no conversion: by its node it is known that an error was asked for, too.
            asked = Cast(node, node.start_byte, self.of(arguments[0]), None)
            return Unary(node, node.start_byte, "!", asked)
        if does.passes and not does.copies_memory and not does.is_("copies"):
            first = self.of(arguments[0])
            taken = does.returned is not None and does.returned.pointed
            # smp_load_acquire(&p->f) is p->f.
            return pointed(first) if taken else first
        return None


def _designated(designator: Node) -> str:
    """Return the member that a designator names, or the element, as `#2`."""
    text = node_text(designator)
    return "#" + text.strip("[] ") if text.startswith("[") else text.strip(". ")


def _unparenthesized(node: Node) -> Node:
    while node.type in _PARENTHESES and node.named_child_count:
        node = node.named_children[-1]
    return node


def _is_only(callee: Expression) -> bool:
    """Tell whether a called comma or statement expression does nothing but name what is called."""
    match callee:
        case Comma():
            return isinstance(callee.left, Name | Literal)
        case Block():
            return not any(callee.statements)
    return False


def _sides(callee: Expression) -> list[Expression]:
    """Return the expressions of which a called one is worth one."""
    bare = bared(callee)
    match bare:
        case Conditional(then=Expression()):
            inner = [bare.then, bare.other]
        case Comma():
            inner = [bare.right]
        case Block(value=Expression()):
            inner = [bare.value]
        case Choice():
            inner = list(bare.values)
        case _:
            return [bare]
    return [side for one in inner if one is not None for side in _sides(one)]


def _sign(node: Node) -> str:
    sign = node.child_by_field_name("operator")
    return sign.type if sign is not None else ""


_READS: dict[str, Callable[[Syntax, Node], Expression]] = {
    "parenthesized_expression": Syntax._parentheses,
    "compound_statement": Syntax._block,
    "expression_statement": Syntax._parentheses,
    "extension_expression": Syntax._parentheses,
    "identifier": Syntax._name,
    "number_literal": Syntax._literal,
    "char_literal": Syntax._literal,
    "string_literal": Syntax._literal,
    "concatenated_string": Syntax._literal,
    "true": Syntax._literal,
    "false": Syntax._literal,
    "null": Syntax._literal,
    "field_expression": Syntax._member,
    "subscript_expression": Syntax._index,
    "pointer_expression": Syntax._pointer,
    "cast_expression": Syntax._cast,
    "unary_expression": Syntax._unary,
    "binary_expression": Syntax._binary,
    "conditional_expression": Syntax._conditional,
    "comma_expression": Syntax._comma,
    "generic_expression": Syntax._generic,
    "assignment_expression": Syntax._assignment,
    "update_expression": Syntax._update,
    "compound_literal_expression": Syntax._compound,
    "initializer_list": Syntax._initializer,
    "call_expression": Syntax._call,
    "sizeof_expression": Syntax._unevaluated,
    "alignof_expression": Syntax._unevaluated,
    "offsetof_expression": Syntax._unevaluated,
    "type_descriptor": Syntax._unevaluated,
}
