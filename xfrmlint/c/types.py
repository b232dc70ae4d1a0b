"""What type an expression has: locals, struct fields, function results, typedefs, macros.

Only names that the file itself can see through its #include lines are used; what can't be found
is None, and the caller counts it as unknown.
"""

import re
from collections.abc import Iterator, Sequence

from tree_sitter import Node

from xfrmlint.c.arguments import closing
from xfrmlint.c.corpus import Corpus
from xfrmlint.c.ctype import (
    INT,
    CType,
    abstract,
    declarators,
    declared,
    specified,
    type_of_specifier,
)
from xfrmlint.c.dialect import AUTO, GROUP, TYPEOF, without_type_arguments
from xfrmlint.c.expansion import Macro, expand
from xfrmlint.c.expression import arguments_of, around, callees, is_choice
from xfrmlint.c.macros import kernels_making, named
from xfrmlint.c.nodes import node_text, parse
from xfrmlint.c.outline import Outlines
from xfrmlint.c.text import in_directive
from xfrmlint.c.unit import Place, below
from xfrmlint.c.view import Local, View, locals_in
from xfrmlint.kernel.functions import Operand, function_named

_NAMELESS = ("struct", "union", "enum")
_BASIC = ("fn", "int", "void", "char", "bool", "long", "short", *AUTO)
_YES_OR_NO = ("==", "!=", "<", ">", "<=", ">=", "&&", "||")
_DEEPEST = 40
# Structs without a name in each other; kernels have three.
_MOST_ANONYMOUS = 50
_MOST_MACROS = 24
_MOST_ALIASES = 4
_STATEMENTS = {"if", "for", "while", "switch", "return", "sizeof"}
_TYPEOF = re.compile(rb"(?:__)?typeof(?:__|_unqual)?[ \t]*\(")
_CALLED = re.compile(rb"\b([A-Za-z_]\w*)\s*\(")

Fields = dict[str, CType]


class Types:
    """Answers about one corpus; every struct is read once."""

    def __init__(self, corpus: Corpus, outlines: Outlines) -> None:
        self.corpus = corpus
        self.outlines = outlines
        # The structs whose structs without a tag are called by them and by what they are there.
        self.holders: frozenset[str] = frozenset()
        self._fields: dict[tuple[str, str], tuple[Fields, str] | None] = {}
        self._variables: dict[str, Fields] = {}
        self._seen_macros: dict[tuple[str, str], Macro | None] = {}
        self._seen_variables: dict[tuple[str, str], CType | None] = {}
        self._results: dict[tuple[str, str], CType | None] = {}

    def resolved(self, kind: CType, path: str) -> CType:
        """Follow typedefs until a struct, a function or a basic type is left."""
        for _ in range(8):
            if " " in kind.base or kind.base in _BASIC or kind.base in _NAMELESS:
                return kind
            named = None
            for node in self._declaring("typedef", kind.base, path):
                if node.type == "type_definition":
                    base = specified(node)
                    for declarator in declarators(node):
                        name = declared(base, declarator) if base is not None else None
                        if name is not None and node_text(name.name) == kind.base:
                            named = name.type
            if named is None or named.base == kind.base:
                return kind
            kind = named._replace(pointers=named.pointers + kind.pointers)
        return kind

    def fields(self, kind: CType, path: str) -> tuple[Fields, str] | None:
        """Return a struct's fields by name, in order, and the path of its definition."""
        kind = self.resolved(kind, path)
        key = (kind.base, path)
        if kind.node is not None or key not in self._fields:
            body = self._body(kind, path)
            found = (self._members(body[0]), body[1]) if body is not None else None
            if found is not None and kind.base in self.holders:
                found = (_tagged(kind.base, found[0]), found[1])
            if kind.node is not None:
                return found
            self._fields[key] = found
        return self._fields[key]

    def _body(self, kind: CType, path: str) -> tuple[Node, str] | None:
        """Return the node of a struct's members, and the path of its definition."""
        word, _, tag = kind.base.partition(" ")
        if word not in ("struct", "union"):
            return None
        if kind.node is not None:
            return kind.node, path
        outer, _, inner = tag.partition(".")
        if inner:
            within = self.fields_named(f"{word} {outer}", path).get(inner)
            return self._body(within, path) if within is not None and within.node else None
        found = self.corpus.find(word, tag, path) if tag else None
        body = _first(self.corpus.snippet(found), "field_declaration_list") if found else None
        return (body, found.path) if body is not None and found is not None else None

    def overlapping(self, kind: CType, path: str) -> frozenset[str]:
        """Return the members of a struct or a union in whose place others lie as well."""
        kind = self.resolved(kind, path)
        body = self._body(kind, path)
        union = kind.base.startswith("union")
        return frozenset(self._overlapping(body[0], union)) if body is not None else frozenset()

    def _overlapping(self, body: Node, union: bool) -> Iterator[str]:
        for node in body.named_children:
            base = specified(node) if node.type == "field_declaration" else None
            if base is not None and base.node is not None and not declarators(node):
                within = base.base.startswith("union")
                yield from self._members(base.node) if within else ()
                yield from self._overlapping(base.node, within)
            elif base is not None and union:
                made = (declared(base, one) for one in declarators(node))
                yield from (node_text(one.name) for one in made if one is not None)

    def begins_with(self, kind: CType, member: str, path: str) -> bool | None:
        """Tell whether a member lies where its struct begins; None where that is not known."""
        kind, name = self.resolved(kind, path), member.partition(".")[0]
        body, fields = self._body(kind, path), self.fields(kind, path)
        nodes = body[0].named_children if body is not None else []
        base = specified(nodes[0]) if nodes and nodes[0].type == "field_declaration" else None
        if base is None or base.base == GROUP or fields is None or name not in fields[0]:
            return None
        made = [declared(base, one) for one in declarators(nodes[0])[:1]]
        if not made or made[0] is None or "[0]" in node_text(nodes[0]):
            return None
        begins = kind.base.startswith("union") or node_text(made[0].name) == name
        return begins if name == member or not begins else None

    def fields_named(self, struct: str, path: str) -> Fields:
        """Return the fields of a struct by its name; none if it can't be found."""
        known = self.fields(CType(struct), path)
        return known[0] if known is not None else {}

    def _members(self, body: Node, depth: int = 0) -> Fields:
        found: Fields = {}
        stack = list(reversed(body.named_children))
        while stack:
            node = stack.pop()
            if node.type != "field_declaration":
                # A macro such as struct_group() around members, or a parse error: look inside.
                if node.type in ("ERROR", "field_declaration_list"):
                    stack += reversed(node.named_children)
                continue
            base = specified(node)
            if base is None:
                continue
            names = declarators(node)
            if base.base == GROUP and names:
                # What struct_group() begins with: the group is a member of what it stands in, too.
                if depth:
                    found.setdefault(node_text(names[0]), type_of_specifier(body.parent or body))
                continue
            if not names and base.node is not None and base.base.split(" ")[0] != "enum":
                # What is deeper has members that nobody knows.
                inside = self._members(base.node, depth + 1) if depth < _MOST_ANONYMOUS else {}
                for name, kind in inside.items():
                    found.setdefault(name, kind)
            for declarator in names:
                made = declared(base, declarator)
                if made is not None:
                    found.setdefault(node_text(made.name), made.type)
        return found

    def field(self, kind: CType | None, name: str, path: str) -> CType | None:
        """Return the type of a field of a struct (or of what a pointer to one points to)."""
        if kind is None:
            return None
        known = self.fields(kind, path)
        return known[0].get(name) if known is not None else None

    def of(self, node: Node | None, view: View, depth: int = 0) -> CType | None:
        """Return an expression's type, or None where it can't be known."""
        if node is None or depth > _DEEPEST:
            return None
        found = self._of(node, view, depth)
        return None if found is not None and found.base in AUTO else found

    def base_of(self, node: Node | None, view: View) -> str:
        """Return the struct, or basic type, that an expression is or points to; "" if unknown."""
        kind = self.of(node, view)
        return self.resolved(kind, view.path).base if kind is not None else ""

    def of_local(self, local: Local, view: View, depth: int = 0) -> CType | None:
        """Return a local variable's type, if need be that of what it begins with."""
        if local.type.base == TYPEOF:
            node = view.node.descendant_for_byte_range(local.start, local.start)
            if local.parameter >= 0:
                # It is seen from where its function begins.
                node = view.parameter_nodes[local.parameter]
            node = around(node, "declaration", "parameter_declaration")
            written = node.child_by_field_name("type") if node is not None else None
            found = self._operand(written, view, depth) if written is not None else None
            if found is not None:
                return found._replace(pointers=found.pointers + local.type.pointers)
        if local.type.base in AUTO:
            return self.of(local.value, view, depth + 1)
        return local.type

    def _operand(self, written: Node, view: View, depth: int) -> CType | None:
        """Return the type of the operand of a typeof(), which blanking took away."""
        path, start = view.origin(written.start_byte)
        data = self.corpus.data(path)
        begins = _TYPEOF.match(data, start)
        end = closing(data, begins.end() - 1) if begins is not None else None
        if begins is None or end is None or in_directive(data, start):
            return None
        operand = data[begins.end() : end - 1]
        return self._of_text(operand, view, written, depth)

    def _of(self, node: Node, view: View, depth: int) -> CType | None:
        kind = node.type
        while kind == "parenthesized_expression" and node.named_child_count:
            node = node.named_children[-1]
            kind = node.type
        if kind == "identifier":
            return self._of_identifier(node, view, depth)
        if kind == "field_expression":
            base = self.of(node.child_by_field_name("argument"), view, depth + 1)
            name = node.child_by_field_name("field")
            if name is None:
                return None
            return self.field(base, self.member_name(name, view.path), view.path)
        if kind == "subscript_expression":
            base = self.of(node.child_by_field_name("argument"), view, depth + 1)
            return self.resolved(base, view.path).pointed(-1) if base is not None else None
        if kind == "pointer_expression":
            inner = self.of(node.child_by_field_name("argument"), view, depth + 1)
            operator = node.child_by_field_name("operator")
            if inner is None or operator is None:
                return None
            if operator.type == "&":
                return inner.pointed()
            inner = self.resolved(inner, view.path)
            return inner if inner.base == "fn" and not inner.pointers else inner.pointed(-1)
        if kind in ("cast_expression", "compound_literal_expression"):
            written = node.child_by_field_name("type")
            named = written_type(written) if written is not None else None
            if written is not None and named is not None and named.base == TYPEOF:
                found = self._operand(written, view, depth)
                return found and found._replace(pointers=found.pointers + named.pointers)
            return named
        if kind == "call_expression":
            return self._of_call(node, view, depth)
        if kind == "conditional_expression":
            for side in ("consequence", "alternative"):
                found = self.of(node.child_by_field_name(side), view, depth + 1)
                if found is not None and (found.pointers or " " in found.base):
                    return found
            return self.of(node.child_by_field_name("condition"), view, depth + 1)
        if kind == "comma_expression":
            return self.of(node.child_by_field_name("right"), view, depth + 1)
        if kind == "binary_expression":
            return self._of_binary(node, view, depth)
        if kind == "assignment_expression":
            return self._of_sides(node, view, depth)
        if kind == "update_expression":
            return self.of(node.child_by_field_name("argument"), view, depth + 1)
        if kind == "compound_statement":
            last = node.named_children[-1] if node.named_child_count else None
            if last is not None and last.type == "expression_statement" and last.named_child_count:
                return self.of(last.named_children[0], view, depth + 1)
            return None
        if kind == "generic_expression":
            found = None
            for value in callees(node):
                found = found or self.of(value, view, depth + 1)
            return found
        if kind in ("number_literal", "sizeof_expression", "unary_expression", "char_literal"):
            return INT
        return None

    def _of_sides(self, node: Node, view: View, depth: int) -> CType:
        """Return the type of the side that is no number, the left one first."""
        for side in ("left", "right"):
            found = self.of(node.child_by_field_name(side), view, depth + 1)
            if found is not None and (found.pointers or " " in found.base):
                return found
        return INT

    def _of_binary(self, node: Node, view: View, depth: int) -> CType:
        operator = node.child_by_field_name("operator")
        if operator is not None and operator.type in _YES_OR_NO:
            return INT
        found = self._of_sides(node, view, depth)
        if operator is not None and operator.type == "-" and found.pointers:
            # Of two pointers it is a number.
            other = self.of(node.child_by_field_name("right"), view, depth + 1)
            return INT if other is not None and other.pointers else found
        return found

    def _of_identifier(self, node: Node, view: View, depth: int) -> CType | None:
        name = node_text(node)
        local = view.local(name, node.start_byte)
        if local is not None:
            return self.of_local(local, view, depth)
        found = self.variable(name, view.path)
        if found is not None:
            return found
        macro = self.macro(name, view.path)
        if macro is not None and macro.parameters is None:
            return self._of_text(macro.body, view, node, depth)
        return None

    def variable(self, name: str, path: str) -> CType | None:
        """Return the type of a variable declared at file level, here or in an own header."""
        key = (name, path)
        if key not in self._seen_variables:
            word = name.encode("utf-8", "surrogateescape")
            found = None
            for place in self.corpus.local(path):
                if found is None and word in self.corpus.data(place):
                    found = self._variables_of(place).get(name)
            self._seen_variables[key] = found
        return self._seen_variables[key]

    def _variables_of(self, path: str) -> Fields:
        if path not in self._variables:
            found: Fields = {}
            for item in self.outlines.items(path):
                base = specified(item.node) if item.kind == "declaration" else None
                for declarator in declarators(item.node) if base is not None else ():
                    made = declared(base, declarator) if base is not None else None
                    if made is not None:
                        found.setdefault(node_text(made.name), made.type)
            self._variables[path] = found
        return self._variables[path]

    def member_name(self, name: Node, path: str) -> str:
        """Return a member's name as it stands in its struct, where it is written as a macro."""
        written = node_text(name)
        for _ in range(_MOST_ALIASES):
            own = written.encode("utf-8", "surrogateescape") in self.outlines.own(path)
            macro = self.macro(written, path) if own else None
            body = macro.body.strip().decode("utf-8", "replace") if macro is not None else ""
            if macro is None or macro.parameters is not None or not body.isidentifier():
                break
            written = body
        return written

    def macro(self, name: str, path: str) -> Macro | None:
        """Return the definition of a macro that `path` sees."""
        key = (name, path)
        if key not in self._seen_macros:
            self._seen_macros[key] = self._macro(name, path)
        return self._seen_macros[key]

    def _macro(self, name: str, path: str) -> Macro | None:
        for place in self.corpus.defining(name.encode("utf-8", "surrogateescape"), path):
            for macro in named(self.corpus, name, place):
                return macro
        return None

    def macros_under(self, name: str, path: str) -> dict[str, list[Macro]]:
        """Return a function-like macro that `path` sees and the macros that its body uses."""
        found: dict[str, list[Macro]] = {}
        wanted = [name]
        while wanted and len(found) < _MOST_MACROS:
            current = wanted.pop()
            macro = self.macro(current, path) if current not in found else None
            if macro is None or (macro.parameters is None and current == name):
                continue
            found[current] = [macro]
            called = {m.decode() for m in _CALLED.findall(macro.body)}
            wanted += called - set(found) - _STATEMENTS
        return found

    def _of_call(self, node: Node, view: View, depth: int) -> CType | None:
        called = node.child_by_field_name("function")
        arguments = arguments_of(node)
        if called is None:
            return None
        sides = [called] if called.type == "identifier" else [called, *callees(called)]
        for side in sides:
            found = self._of_result(node, side, arguments, view, depth)
            if found is not None:
                return found
        return None

    def _of_result(
        self, node: Node, called: Node, arguments: list[Node], view: View, depth: int
    ) -> CType | None:
        if called.type != "identifier":
            kind = self.of(called, view, depth + 1)
            kind = self.resolved(kind, view.path) if kind is not None else None
            return kind.result if kind is not None and kind.base == "fn" else None
        name = node_text(called)
        if is_choice(node):
            values = (self.of(value, view, depth + 1) for value in arguments[1:])
            return next((kind for kind in values if kind is not None), None)
        kernels = function_named(name)
        if kernels.passes or kernels.like == 0:
            found = self.of(arguments[0], view, depth + 1) if arguments else None
            taken = found is not None and kernels.returned == Operand(0, True)
            return found.pointed(-1) if found is not None and taken else found
        if kernels.struct >= 0:
            at = kernels.struct
            return self._pointer_to(arguments[at], view) if len(arguments) > at else None
        if kernels.allocated == 0 and arguments:
            made = self.of(arguments[0], view, depth + 1)
            return (
                made.pointed()
                if made is not None
                else CType(f"struct {node_text(arguments[0])}", 1)
            )
        local = view.local(name, called.start_byte)
        if local is not None:
            kind = self.resolved(local.type, view.path)
            return kind.result if kind.base == "fn" else None
        # A name in capitals is a macro's: to look for a function takes a walk through all headers.
        found = self._of_expanded(node, name, view, depth) if name.isupper() else None
        found = found or self.result(name, view.path)
        if found is not None and kernels_making(found.base):
            return self.resolved(found, view.path)
        return found or self._of_expanded(node, name, view, depth)

    def _of_expanded(self, call: Node, name: str, view: View, depth: int) -> CType | None:
        """Type what a function-like macro makes of a call."""
        made = self.made_of(call, name, view) if depth < 12 else None
        return self.of(made[1], made[0], depth + 4) if made is not None else None

    def made_of(self, call: Node, name: str, view: View) -> tuple[View, Node] | None:
        """Return the expression that a function-like macro makes of a call, read in its place."""
        macro = self.macro(name, view.path)
        if macro is None or macro.parameters is None:
            return None
        expansion = expand(call.text or b"", view.path, 0, {name: macro})
        return _read(expansion.text, view, call)

    def _pointer_to(self, written: Node, view: View) -> CType | None:
        """Return the pointer to a type that is an argument: a tag, or a typedef's name."""
        if node_text(written) == TYPEOF:
            found = self._operand(written, view, 0)
            return found.pointed() if found is not None else None
        # Blanking took `struct` away in front of the tag.
        tag = node_text(written).split()[-1:]
        if not tag:
            return None
        kind = CType(f"struct {tag[0]}")
        if self.fields(kind, view.path) is None:
            other = self.resolved(CType(tag[0]), view.path)
            kind = other if other.base != tag[0] else kind
        return kind.pointed()

    def result(self, name: str, path: str) -> CType | None:
        """Return what a function that `path` sees returns."""
        key = (name, path)
        if key not in self._results:
            self._results[key] = None
            for node in self._declaring("function", name, path):
                base = specified(node)
                for declarator in declarators(node):
                    made = declared(base, declarator) if base is not None else None
                    if made is not None and made.type.base == "fn":
                        self._results[key] = made.type.result
        return self._results[key]

    def _declaring(self, kind: str, name: str, path: str) -> Sequence[Node]:
        """Return what declares a function or a type that `path` sees. kind: see Corpus.find()."""
        found = self.corpus.find(kind, name, path)
        if found is not None:
            return self.corpus.snippet(found).named_children
        makers = kernels_making(name)
        places = self.corpus.local(path) if makers else ()
        outlines = (
            self.outlines.of(place)
            for place in places
            if any(maker in self.corpus.data(place) for maker in makers)
        )
        parts = (p for found in outlines if found for made in found.made.values() for p in made)
        return [p.node for p in parts if kind == "typedef" or p.name == name]

    def _of_text(self, text: bytes, view: View, at: Node, depth: int) -> CType | None:
        """Type an expression given as text, its names meaning what they mean at `at`."""
        made = _read(text, view, at)
        return self.of(made[1], made[0], depth + 4) if made is not None else None


def _read(text: bytes, view: View, at: Node) -> tuple[View, Node] | None:
    """Return an expression that is given as text, its names meaning what they mean at a node."""
    plain = without_type_arguments(text.strip().replace(b"\n", b" "))
    # What asks where it stands among other expressions gets the place of the node.
    begin = b"int _ ="
    root = parse(begin + b" " * (at.start_byte - len(begin)) + plain + b";").root_node
    value = _first(root, "init_declarator")
    inside = value.child_by_field_name("value") if value is not None else None
    if inside is None or root.has_error:
        return None
    return _Elsewhere(view, at.start_byte, inside), inside


class _Elsewhere(View):
    """A view whose names are all looked up at one offset of another view.

    root: text that is read there, and can declare names of its own.
    """

    def __init__(self, view: View, offset: int, root: Node) -> None:
        super().__init__(view.corpus, view.path, view.item, view.text, None)
        seen = [local for local in view.locals if local.start <= offset < local.end]
        self.__dict__["locals"] = [
            local._replace(start=0, end=1 << 40) for local in (*seen, *locals_in(root))
        ]
        self._place = view.place(offset)

    def place(self, offset: int) -> Place:
        """Return where the text stands for which this one is read."""
        return self._place


def _tagged(struct: str, fields: Fields) -> Fields:
    """Return the members of a struct, and those structs that have no tag with one of their own."""
    return {
        name: kind._replace(base=f"{struct}.{name}") if kind.base == "struct" else kind
        for name, kind in fields.items()
    }


def written_type(written: Node) -> CType | None:
    """Return the type that a cast's type descriptor names."""
    inner = written.child_by_field_name("type")
    if inner is None:
        return None
    return abstract(type_of_specifier(inner), written.child_by_field_name("declarator"))


def _first(root: Node, kind: str) -> Node | None:
    return next((node for node in below(root) if node.type == kind), None)
