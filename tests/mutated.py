"""Small changes to a C source that change a form and not the meaning.

An operator is a template for one kind of place: what stands there is taken apart into words (see
`_Reader`), and the template is what is written instead. `outside` is written before the function.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from typing import NamedTuple

import tree_sitter
import tree_sitter_c
from tree_sitter import Node

_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))
Words = Mapping[str, str]


class Operator(NamedTuple):
    """One change. kind: of the place. unless: a pattern of what it would make wrong."""

    name: str
    kind: str
    text: str
    outside: str = ""
    unless: str = ""


class Mutant(NamedTuple):
    """A source with one change. name: says where, without a line number. write: returns it."""

    name: str
    write: Callable[[], str]


OPERATORS = (
    Operator("WRITE_ONCE", "assign", "WRITE_ONCE(LEFT, RIGHT);", unless="{"),
    Operator("smp_store_release", "assign", "smp_store_release(&LEFT, RIGHT);", unless="{"),
    Operator("(a) = (b)", "assign", "(LEFT) = (RIGHT);"),
    Operator("comma", "assign", "LEFT = ((void)0, RIGHT);"),
    Operator("= ({ })", "assign", "LEFT = ({ RIGHT; });"),
    Operator("*& of the left", "assign", "*&LEFT = RIGHT;"),
    Operator("GNU ?:", "assign", "LEFT = RIGHT ?: 0;", unless=r"[{*]"),
    Operator(
        "?: of both", "assign", "LEFT = __builtin_expect(1, 1) ? RIGHT : RIGHT;", unless=r"\+\+"
    ),
    Operator("typed temporary", "assign", "{ typeof(LEFT) mutant = RIGHT; LEFT = mutant; }"),
    Operator("__auto_type", "assign", "{ __auto_type mutant = RIGHT; LEFT = mutant; }"),
    Operator(
        "t = a = b", "assign", "{ typeof(LEFT) mutant; mutant = LEFT = RIGHT; (void)mutant; }"
    ),
    Operator("a = t = b", "assign", "{ typeof(LEFT) mutant; LEFT = mutant = RIGHT; }"),
    Operator("cast", "assign", "LEFT = (typeof(LEFT))(RIGHT);", unless="{"),
    Operator(
        "memcpy",
        "assign",
        "{ typeof(LEFT) mutant = RIGHT; memcpy(&LEFT, &mutant, sizeof(LEFT)); }",
    ),
    Operator("pointer to it", "assign", "{ typeof(LEFT) *mutant = &LEFT; *mutant = RIGHT; }"),
    Operator(
        "setter macro",
        "assign",
        "MUTANT(LEFT, RIGHT);",
        "#define MUTANT(a, b)\t((a) = (b))\n",
        unless="{",
    ),
    Operator(
        "setter macro statement",
        "assign",
        "MUTANT(LEFT, RIGHT);",
        "#define MUTANT(a, b)\tdo { (a) = (b); } while (0)\n",
        unless="{",
    ),
    Operator("(f)(x)", "call", "(NAME)(PASSED)"),
    Operator("(*f)(x)", "call", "(*NAME)(PASSED)"),
    Operator("(&f)(x)", "call", "(&NAME)(PASSED)"),
    Operator("({ f; })(x)", "call", "({ NAME; })(PASSED)"),
    Operator("({ f(x); })", "call", "({ WHOLE; })"),
    Operator("(f(x))", "call", "(WHOLE)"),
    Operator("comma callee", "call", "((void)0, NAME)(PASSED)"),
    Operator("?: callee", "call", "(__builtin_expect(1, 1) ? NAME : NAME)(PASSED)"),
    Operator("local pointer", "call", "({ typeof(NAME) *mutant = NAME; mutant(PASSED); })"),
    Operator("alias macro", "call", "mutant(PASSED)", "#define mutant\tNAME\n"),
    Operator("call macro", "call", "MUTANT(PASSED)", "#define MUTANT(...)\tNAME(__VA_ARGS__)\n"),
    Operator("macro of the call", "call", "MUTANT(WHOLE)", "#define MUTANT(e)\t(e)\n"),
    Operator(
        "static pointer", "call", "mutant(PASSED)", "static typeof(NAME) *const mutant = NAME;\n"
    ),
    Operator(
        "helper that asks",
        "xfrm_dev_state_lower_handle",
        "mutant(PASSED)",
        "static unsigned long mutant(struct xfrm_state *s, struct net_device *d)\n{\n"
        "\treturn xfrm_dev_state_lower_handle(s, d);\n}\n\n",
    ),
    Operator(
        "helper with an out parameter",
        "xfrm_dev_state_lower_handle",
        "({ unsigned long mutant_h; mutant(PASSED, &mutant_h); mutant_h; })",
        "static void mutant(struct xfrm_state *s, struct net_device *d, unsigned long *h)\n{\n"
        "\t*h = xfrm_dev_state_lower_handle(s, d);\n}\n\n",
    ),
    Operator(
        "helper that finds the state",
        "xfrm_input_state",
        "mutant(PASSED)",
        "static struct xfrm_state *mutant(struct sk_buff *packet)\n{\n"
        "\treturn xfrm_input_state(packet);\n}\n\n",
    ),
    Operator(
        "helper that finds private data",
        "netdev_priv",
        "mutant(PASSED)",
        "static inline void *mutant(struct net_device *d)\n{\n\treturn netdev_priv(d);\n}\n\n",
    ),
    Operator("(*x).y", "member", "(*OBJECT).NAME"),
    Operator("(&*x)->y", "member", "(&*OBJECT)->NAME"),
    Operator("x[0].y", "member", "OBJECT[0].NAME"),
    Operator("(x)->y", "member", "(OBJECT)->NAME"),
    Operator("cast of x in x->y", "member", "((typeof(OBJECT))OBJECT)->NAME"),
    Operator("({ x; })->y", "member", "({ OBJECT; })->NAME"),
    Operator("macro of x->y", "member", "MUTANT(OBJECT)->NAME", "#define MUTANT(p)\t(p)\n"),
    Operator("macro of y", "member", "OBJECT->MUTANT", "#define MUTANT\tNAME\n"),
    Operator("(&a)->b", "dot", "(&OBJECT)->NAME"),
    Operator("(a).b", "dot", "(OBJECT).NAME"),
    Operator("READ_ONCE", "value", "READ_ONCE(WHOLE)"),
    Operator("*& of a value", "value", "(*&WHOLE)"),
    Operator("({ x->y; })", "value", "({ WHOLE; })"),
    Operator("((x->y))", "value", "((WHOLE))"),
    Operator("cast to its own type", "value", "((typeof(WHOLE))WHOLE)"),
    Operator("comma before a value", "value", "((void)0, WHOLE)"),
    Operator("macro of a value", "value", "MUTANT(OBJECT)", "#define MUTANT(p)\t((p)->NAME)\n"),
    Operator("GNU ?: of a value", "value", "(WHOLE ?: 0)"),
    Operator("if (e == 0)", "not", "ENTITY == 0"),
    Operator("if (0 == e)", "not", "0 == ENTITY"),
    Operator("if (unlikely(!e))", "not", "unlikely(!ENTITY)"),
    Operator("if (!(e != 0))", "not", "!(ENTITY != 0)"),
    Operator("if (e ? 0 : 1)", "not", "ENTITY ? 0 : 1"),
    Operator("if (WARN_ON(!e))", "not", "WARN_ON(!ENTITY)"),
    Operator(
        "predicate",
        "not",
        "mutant((unsigned long)ENTITY)",
        "static bool mutant(unsigned long value)\n{\n\treturn !value;\n}\n\n",
    ),
    Operator("predicate macro", "not", "MUTANT(ENTITY)", "#define MUTANT(e)\t(!(e))\n"),
    Operator("if ((c))", "if", "if ((COND)) BODY"),
    Operator("if (!!(c))", "if", "if (!!(COND)) BODY"),
    Operator("if (likely(c))", "if", "if (likely(COND)) BODY"),
    Operator("if (({ c; }))", "if", "if (({ COND; })) BODY"),
    Operator("if (c ? 1 : 0)", "if", "if ((COND) ? 1 : 0) BODY"),
    Operator("if (0, c)", "if", "if (((void)0, COND)) BODY"),
    Operator("bool of a condition", "if", "{ bool mutant = COND; if (mutant) BODY }"),
    Operator("bool assigned", "if", "{ bool mutant; mutant = COND; if (mutant) BODY }"),
    Operator("int ?: of a condition", "if", "{ int mutant = (COND) ? 1 : 0; if (mutant) BODY }"),
    Operator("macro of a condition", "if", "if (MUTANT(COND)) BODY", "#define MUTANT(c)\t(c)\n"),
    Operator("turned round", "if", "if (!(COND)) { } else BODY", unless=r"\belse\b"),
    Operator("goto around", "if", "if (!(COND)) goto mutant;\nBODY\nmutant: ;", unless=r"\belse\b"),
    Operator(
        "goto into", "if", "if (COND) goto mutant;\nif (0) {\nmutant:\nBODY\n}", unless=r"\belse\b"
    ),
    Operator(
        "switch (!!c)",
        "if",
        "switch (!!(COND)) { case 1: BODY }",
        unless=r"\b(else|break|continue)\b",
    ),
    Operator("while for an if that leaves", "if leaves", "while (COND) BODY"),
    Operator("if (c) { return; } else", "if leaves", "if (COND) BODY else { }"),
    Operator("declared, then assigned", "declare", "TYPE DECLARATOR; NAME = VALUE;"),
    Operator("parenthesised declarator", "declare", "TYPE STARS(NAME) = VALUE;"),
    Operator("= (value)", "declare", "TYPE DECLARATOR = (VALUE);"),
    Operator("= ({ value; })", "declare", "TYPE DECLARATOR = ({ VALUE; });"),
    Operator("= (0, value)", "declare", "TYPE DECLARATOR = ((void)0, VALUE);"),
    Operator("= value ?: 0", "declare", "TYPE DECLARATOR = VALUE ?: 0;"),
    Operator(
        "declared through a temporary",
        "declare",
        "TYPE STARS mutant = VALUE; TYPE DECLARATOR = mutant;",
        unless="sizeof",
    ),
    Operator(
        "declaration macro",
        "declare",
        "MUTANT(NAME, VALUE);",
        "#define MUTANT(n, v)\tTYPE STARS n = v\n",
    ),
    Operator("auto", "declare known", "auto NAME = VALUE;"),
    Operator("__auto_type for a type", "declare known", "__auto_type NAME = VALUE;"),
    Operator("typeof for a type", "declare known", "typeof(VALUE) NAME = VALUE;"),
    Operator("return (e)", "return", "return (VALUE);"),
    Operator("return a local", "return", "{ __auto_type mutant = VALUE; return mutant; }"),
    Operator("return ({ e; })", "return", "return ({ VALUE; });"),
    Operator("goto a return", "return", "goto mutant; mutant: return VALUE;"),
    Operator(
        "#ifdef, the same in #else",
        "statement",
        "\n#ifdef CONFIG_MUTANT\nWHOLE\n#else\nWHOLE\n#endif\n",
    ),
    Operator("#ifndef", "statement", "\n#ifndef CONFIG_MUTANT\nWHOLE\n#else\nWHOLE\n#endif\n"),
    Operator("#if 1", "statement", "\n#if 1\nWHOLE\n#endif\n"),
    Operator("do { } while (0)", "statement", "do { WHOLE } while (0);"),
    Operator("{ }", "statement", "{ WHOLE }"),
    Operator("if (1)", "statement", "if (1) WHOLE"),
    Operator("for once", "statement", "for (int mutant = 0; mutant < 1; mutant++) { WHOLE }"),
    Operator(
        "macro of a statement", "statement", "MUTANT(WHOLE)", "#define MUTANT(...)\t__VA_ARGS__\n"
    ),
    Operator("macro that is a statement", "statement", "MUTANT", "#define MUTANT\tFLAT\n"),
    Operator("comment inside", "statement", "/* a */ WHOLE /* b */"),
    Operator("over several lines", "member", "OBJECT\n\t\t->\n\t\tNAME"),
    Operator("assigned one by one", "filled", "TYPE NAME = { 0 }; ASSIGNED"),
    Operator("compound literal", "filled", "TYPE NAME; NAME = (TYPE){ LIST };"),
    Operator("copy of another", "filled", "TYPE mutant = { LIST }, NAME = mutant;"),
    Operator(
        "memcpy of another",
        "filled",
        "TYPE mutant = { LIST }, NAME; memcpy(&NAME, &mutant, sizeof(NAME));",
    ),
    Operator("what the label leads to", "goto", "{ REST }"),
    Operator("goto by another label", "goto", "goto mutant; if (0) { mutant: goto LABEL; }"),
    Operator("old designator", "designated", "NAME: VALUE"),
    Operator(".f = (v)", "designated", ".NAME = (VALUE)", unless="^{"),
    Operator(".f = &v", "designated function", ".NAME = &VALUE"),
    Operator("cast of a callback", "designated function", ".NAME = (typeof(&VALUE))VALUE"),
    Operator(
        "macro of a callback",
        "designated function",
        ".NAME = MUTANT(VALUE)",
        "#define MUTANT(f)\tf\n",
    ),
    Operator(
        "macro of a designator",
        "designated",
        "MUTANT(NAME, VALUE)",
        "#define MUTANT(m, v)\t.m = v\n",
    ),
    Operator(
        "for as while", "for", "{ INITIAL; while (COND) { BODY STEP; } }", unless=r"\bcontinue\b"
    ),
    Operator(
        "for (;;)",
        "for",
        "{ INITIAL; for (;;) { if (!(COND)) break; BODY STEP; } }",
        unless=r"\bcontinue\b",
    ),
    Operator("while as for", "while", "for (; COND; ) BODY"),
    Operator("while (1)", "while", "while (1) { if (!(COND)) break; BODY }"),
    Operator("static inline", "static", "static inline"),
    Operator("static noinline", "static", "static noinline"),
    Operator("inline static", "static", "inline static"),
    Operator("attribute", "static", "static __attribute__((unused))"),
    Operator("__maybe_unused", "static", "static __maybe_unused"),
    Operator("a block in the body", "body", "{ WHOLE }"),
    Operator("do in the body", "body", "{ do WHOLE while (0); }"),
)


class _Place(NamedTuple):
    """Where an operator may write: what stands there, and the function or table around it.

    inner: a statement that is no block's own: several need a block.
    """

    kind: str
    node: Node
    top: Node
    words: Words
    inner: bool


def mutants(path: str, text: str, functions: frozenset[str]) -> dict[str, list[Mutant]]:
    """Return what each operator makes of a source: by the operator's name.

    functions: names that the headers declare as functions, not as macros.
    """
    reader = _Reader(text, functions)
    found: dict[str, list[Mutant]] = {operator.name: [] for operator in OPERATORS}
    named: set[str] = set()
    for place in reader.places():
        whole = reader.text(place.node)
        for operator in OPERATORS:
            name = (
                f"{operator.name} | {path} {reader.name_of(place.top)}: {_flat(whole)[:30].strip()}"
            )
            if operator.kind != place.kind or name in named:
                continue
            if operator.unless and re.search(operator.unless, whole):
                continue
            named.add(name)
            found[operator.name].append(Mutant(name, partial(reader.mutate, operator, place)))
    return found


def choose(made: Mapping[str, list[Mutant]], most: int) -> list[Mutant]:
    """Return so many mutants of each operator, always the same ones; first where it matters."""

    def rank(one: Mutant) -> tuple[bool, bytes]:
        return _MATTERS.search(one.name) is None, sha256(one.name.encode()).digest()

    return [mutant for some in made.values() for mutant in sorted(some, key=rank)[:most]]


# Said of what stands in the place: most places of a driver have nothing to do with a packet.
_MATTERS = re.compile(
    r": .*(xso|handle|lower|real_dev|xfrm_|peer|ops\b|->x\b|napi|xmit|queue|\bsa\b|skb)"
)


class _Reader:
    """A source, and the places in it."""

    def __init__(self, text: str, functions: frozenset[str]) -> None:
        self._data = text.encode()
        self._root = _PARSER.parse(self._data).root_node
        own = (self.name_of(n) for n in self._root.children if n.type == "function_definition")
        self._functions = functions.union(own)

    def text(self, node: Node | None) -> str:
        """Return a node's text, nothing for none."""
        return self._data[node.start_byte : node.end_byte].decode() if node is not None else ""

    def name_of(self, top: Node) -> str:
        """Return the name that a function or a declaration gives to something."""
        node: Node | None = top
        while node is not None and node.type != "identifier":
            node = node.child_by_field_name("declarator")
        return self.text(node)

    def mutate(self, operator: Operator, place: _Place) -> str:
        """Return the source with what an operator writes at a place."""
        words = {**place.words, "WHOLE": self.text(place.node)}
        new = _fill(operator.text, words)
        flat = {key: _flat(word) for key, word in words.items()}
        outside = _fill(operator.outside, {**flat, "FLAT": flat["WHOLE"]})
        pieces = (
            self._data[: place.top.start_byte].decode(),
            outside,
            self._data[place.top.start_byte : place.node.start_byte].decode(),
            f"{{ {new} }}" if place.inner else new,
            self._data[place.node.end_byte :].decode(),
        )
        return "".join(pieces)

    def places(self) -> Iterator[_Place]:
        """Yield every place of every kind, in the order of the text."""
        todo: list[tuple[Node, Node | None]] = [(self._root, None)]
        while todo:
            node, top = todo.pop()
            if node.type == "ERROR":
                continue
            if top is None and node.type in ("function_definition", "declaration"):
                top = node
            if top is not None and not node.has_error:
                yield from self._places(node, top)
            todo += [(child, top) for child in reversed(node.children)]

    def _places(self, node: Node, top: Node) -> Iterator[_Place]:
        read = _READ.get(node.type)
        if read is None or (top.type == "declaration" and node.type != "initializer_pair"):
            return
        inner = node.type.endswith(("statement", "declaration")) and (
            node.parent is None or node.parent.type != "compound_statement"
        )
        for kind, words in read(self, node):
            yield _Place(kind, node, top, words, inner)

    def _field(self, node: Node, name: str) -> str:
        return self.text(node.child_by_field_name(name))

    def _statement(self, node: Node) -> Iterator[tuple[str, Words]]:
        yield "statement", {}
        made = node.named_children[0] if node.named_children else None
        if made is None or made.type != "assignment_expression":
            return
        left = made.child_by_field_name("left")
        if self._field(made, "operator") != "=" or left is None:
            return
        if left.type in ("field_expression", "subscript_expression", "pointer_expression"):
            yield "assign", {"LEFT": self.text(left), "RIGHT": self._field(made, "right")}

    def _call(self, node: Node) -> Iterator[tuple[str, Words]]:
        name, passed = self._field(node, "function"), self._field(node, "arguments")[1:-1]
        if name not in self._functions:
            return
        words = {"NAME": name, "PASSED": passed}
        yield "call", words
        if name in _HELPERS:
            yield name, words

    def _member(self, node: Node) -> Iterator[tuple[str, Words]]:
        object_, name = self._field(node, "argument"), self._field(node, "field")
        arrow = self._field(node, "operator") == "->"
        yield ("member" if arrow else "dot"), {"OBJECT": object_, "NAME": name}
        if arrow and name not in _NO_VALUES and _is_read(node):
            yield "value", {"OBJECT": object_, "NAME": name}

    def _if(self, node: Node) -> Iterator[tuple[str, Words]]:
        condition = node.child_by_field_name("condition")
        assert condition is not None
        asked = self.text(condition)[1:-1]
        body = self._data[condition.end_byte : node.end_byte].decode().strip()
        yield "if", {"COND": asked, "BODY": body}
        then, other = (node.child_by_field_name(n) for n in ("consequence", "alternative"))
        last = then.named_children[-1] if then is not None and then.named_children else then
        if then is not None and then.type in _LEAVES:
            last = then
        if other is None and last is not None and last.type in _LEAVES:
            yield "if leaves", {"COND": asked, "BODY": body}

    def _not(self, node: Node) -> Iterator[tuple[str, Words]]:
        entity = self._field(node, "argument")
        if self._field(node, "operator") == "!" and node.parent is not None:
            if node.parent.type == "parenthesized_expression":
                yield "not", {"ENTITY": entity}

    def _declaration(self, node: Node) -> Iterator[tuple[str, Words]]:
        made = node.child_by_field_name("declarator")
        if made is None or made.type != "init_declarator" or node.parent is None:
            return
        declared, value = (made.child_by_field_name(name) for name in ("declarator", "value"))
        several = len(node.children_by_field_name("declarator")) > 1
        stored = any(child.type == "storage_class_specifier" for child in node.children)
        if several or stored or node.parent.type != "compound_statement" or value is None:
            return
        declarator = self.text(declared)
        name = declarator.lstrip("* ")
        words = {
            "TYPE": self._data[node.start_byte : made.start_byte].decode().strip(),
            "DECLARATOR": declarator,
            "STARS": declarator[: len(declarator) - len(name)],
            "NAME": name,
            "VALUE": self.text(value),
        }
        if not re.fullmatch(r"\w+", name):
            return
        if value.type == "initializer_list":
            pairs = [child for child in value.named_children if child.type == "initializer_pair"]
            if pairs and len(pairs) == len(value.named_children):
                one = [(self.text(p.named_children[0]), self._field(p, "value")) for p in pairs]
                assigned = " ".join(f"{name}{member} = {text};" for member, text in one)
                yield "filled", {**words, "LIST": words["VALUE"][1:-1], "ASSIGNED": assigned}
            return
        yield "declare", words
        known = ("xfrm_input_state(", "&")
        if words["VALUE"].startswith(known) or (
            name == "handle" and "unsigned long" in words["TYPE"]
        ):
            yield "declare known", words

    def _return(self, node: Node) -> Iterator[tuple[str, Words]]:
        if node.named_children:
            yield "return", {"VALUE": self.text(node.named_children[0])}

    def _goto(self, node: Node) -> Iterator[tuple[str, Words]]:
        label = self._field(node, "label")
        body = node.parent
        while body is not None and (
            body.parent is None or body.parent.type != "function_definition"
        ):
            body = body.parent
        if body is None:
            return
        for child in body.named_children:
            if child.type == "labeled_statement" and self._field(child, "label") == label:
                rest = self._data[child.start_byte : body.named_children[-1].end_byte].decode()
                leaves = body.named_children[-1].type == "return_statement"
                if leaves and not re.search(r"^\w+:(?!:)", rest[len(label) + 1 :], re.M):
                    yield "goto", {"LABEL": label, "REST": rest[len(label) + 1 :].strip()}

    def _pair(self, node: Node) -> Iterator[tuple[str, Words]]:
        designator, value = node.named_children[0], self._field(node, "value")
        if designator.type != "field_designator" or len(node.named_children) != 2:
            return
        words = {"NAME": self.text(designator)[1:], "VALUE": value}
        yield "designated", words
        if value in self._functions:
            yield "designated function", words

    def _for(self, node: Node) -> Iterator[tuple[str, Words]]:
        words = {
            "INITIAL": self._field(node, "initializer").rstrip(";"),
            "COND": self._field(node, "condition"),
            "STEP": self._field(node, "update"),
            "BODY": self._field(node, "body"),
        }
        if words["COND"] and words["STEP"]:
            yield "for", words

    def _while(self, node: Node) -> Iterator[tuple[str, Words]]:
        yield (
            "while",
            {"COND": self._field(node, "condition")[1:-1], "BODY": self._field(node, "body")},
        )

    def _storage(self, node: Node) -> Iterator[tuple[str, Words]]:
        if self.text(node) == "static" and node.parent is not None:
            if node.parent.type == "function_definition":
                yield "static", {}

    def _block(self, node: Node) -> Iterator[tuple[str, Words]]:
        if node.parent is not None and node.parent.type == "function_definition":
            yield "body", {}


_READ: Mapping[str, Callable[[_Reader, Node], Iterator[tuple[str, Words]]]] = {
    "expression_statement": _Reader._statement,
    "call_expression": _Reader._call,
    "field_expression": _Reader._member,
    "if_statement": _Reader._if,
    "unary_expression": _Reader._not,
    "declaration": _Reader._declaration,
    "return_statement": _Reader._return,
    "goto_statement": _Reader._goto,
    "initializer_pair": _Reader._pair,
    "for_statement": _Reader._for,
    "while_statement": _Reader._while,
    "storage_class_specifier": _Reader._storage,
    "compound_statement": _Reader._block,
}
_HELPERS = ("xfrm_dev_state_lower_handle", "xfrm_input_state", "netdev_priv")
_LEAVES = ("return_statement", "goto_statement")
# Arrays, structs and bit-fields of the headers: what they hold is not one value with an address.
_NO_VALUES = ("xso", "cb", "xvec", "encapsulation", "dir", "type", "name")
_WORD = re.compile(r"\b[A-Z_]+\b")


def _is_read(node: Node) -> bool:
    """Tell whether a member is used for its value, and not as a place or a part of one."""
    parent = node.parent
    while parent is not None and parent.type == "parenthesized_expression":
        node, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type == "assignment_expression":
        return parent.child_by_field_name("left") != node
    if parent.type == "field_expression":
        return parent.children[1].type == "->"
    if parent.type == "argument_list" and parent.parent is not None:
        # What is read once has to have an address.
        called = parent.parent.child_by_field_name("function")
        return called is None or called.text is None or not called.text.isupper()
    if parent.type == "call_expression":
        return False
    if parent.type == "pointer_expression":
        return parent.children[0].type != "&"
    return parent.type not in ("update_expression", "subscript_expression", "sizeof_expression")


def _fill(text: str, words: Words) -> str:
    return _WORD.sub(lambda found: words.get(found[0], found[0]), text)


def _flat(text: str) -> str:
    return " ".join(text.split())
