"""What a statement is lowered to: C in, instructions out, as text."""

import pytest

from tests.trees import reader
from xfrmlint.c import lower
from xfrmlint.c.constants import Constants
from xfrmlint.c.graph import graph_of
from xfrmlint.c.integers import IntType
from xfrmlint.c.lower import Inside, Instruction, Lowered
from xfrmlint.c.syntax import (
    Address,
    Before,
    Binary,
    Call,
    Cast,
    Compound,
    Deref,
    Entry,
    Expression,
    Index,
    Initializer,
    Literal,
    Member,
    Name,
    Opaque,
    Temporary,
    Truth,
    Unary,
)

PATH = "drivers/net/foo/foo.c"
HEAD = """\
typedef unsigned int u32;
struct pair { int one; int two; };
struct outer { struct pair in; };
#define list_for_each_entry(p, head, m) for (p = (head)->next; p; p = p->next)
"""


class Listing:
    """Instructions as text: temporaries and lines are numbered as they are come to."""

    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.names: dict[Temporary, str] = {}
        self.lines: list[str] = []

    def step(self, index: int, prefix: str = "") -> None:
        code = self.lowered.code(index)
        order: list[int] = []
        stack = [code.start]
        while stack:
            at = stack.pop()
            if at >= 0 and at not in order:
                order.append(at)
                stack += reversed(self.following(code.instructions[at]))
        number = {at: n for n, at in enumerate(order)}
        inside = []
        for n, at in enumerate(order):
            instruction = code.instructions[at]
            ways = [
                f"{prefix}{number[way]}" if way >= 0 else _EXITS[way]
                for way in self.following(instruction)
            ]
            arrow = f" -> {', '.join(ways)}" if ways and ways != [f"{prefix}{n + 1}"] else ""
            self.lines.append(f"{prefix}{n}: {self.instruction(instruction)}{arrow}")
            if isinstance(instruction, Inside):
                inside.append(instruction.step)
        if code.start < 0:
            self.lines.append("nothing")
        for first in inside:
            self._spliced(first, prefix + "'")

    def following(self, one: Instruction) -> list[int]:
        match one:
            case lower.Test():
                return [one.true, one.false]
            case lower.Fork():
                return list(one.ways)
            case lower.Select() | lower.Return() | lower.Stop():
                return []
        return [one.next]

    def _spliced(self, first: int, prefix: str) -> None:
        """List the steps of a statement expression behind the step that it is in."""
        stack, seen = [first], set()
        while stack:
            index = stack.pop()
            if index in seen or index in self.lowered.back:
                continue
            seen.add(index)
            self.step(index, prefix)
            stack += reversed(self.lowered.steps[index].next)

    def instruction(self, one: Instruction) -> str:
        match one:
            case lower.Evaluate():
                return self.text(one.value)
            case lower.Keep():
                return f"{self.text(one.to)} = {self.text(one.value)}"
            case lower.Decide():
                return f"{self.text(one.to)} = whether {self.text(one.condition)}"
            case lower.Assign():
                kept = f"{self.text(one.result)} = " if one.result is not None else ""
                return f"{kept}{self.text(one.to)} {one.operator}= {self.text(one.value)}"
            case lower.Declare():
                value = one.declaration.value
                given = f" = {self.text(value)}" if value is not None else ""
                return f"declare {one.declaration.target.name}{given}"
            case lower.Count():
                kept = f"{self.text(one.result)} = " if one.result is not None else ""
                sign = one.update.operator
                target = self.text(one.update.target)
                return kept + (f"{target}{sign}{sign}" if one.update.before else sign * 2 + target)
            case lower.Enter():
                return f"{self.text(one.result)} = {self.text(one.call)}"
            case lower.Test():
                return f"test {self.text(one.condition)}"
            case lower.Fork():
                return "fork"
            case lower.Select():
                return f"switch {self.text(one.value)}"
            case lower.Return():
                return "return" + (f" {self.text(one.value)}" if one.value is not None else "")
            case Inside():
                return "inside"
        return "stop"

    def text(self, one: Expression) -> str:
        match one:
            case Temporary():
                return self.names.setdefault(one, f"%{len(self.names)}")
            case Name():
                return one.name
            case Literal():
                return one.written
            case Member():
                return f"{self.text(one.of)}{'->' if one.arrow else '.'}{one.name}"
            case Index():
                return f"{self.text(one.of)}[{self.text(one.index)}]"
            case Deref():
                return f"*{self.text(one.of)}"
            case Address():
                return f"&{self.text(one.of)}"
            case Cast():
                kind = one.type
                named = f"{kind.bits} bits" if isinstance(kind, IntType) else kind and kind.base
                return f"({named})({self.text(one.of)})"
            case Unary():
                return f"{one.operator}{self.text(one.of)}"
            case Binary():
                return f"({self.text(one.left)} {one.operator} {self.text(one.right)})"
            case Truth():
                return f"truth of {self.text(one.of)}"
            case Entry():
                return f"an entry of {self.text(one.of)}"
            case Call():
                return f"{self.text(one.callee)}({', '.join(map(self.text, one.arguments))})"
            case Initializer():
                return "{" + ", ".join(f"{n}: {self.text(v)}" for n, v in one.items) + "}"
            case Compound():
                return f"literal {self.text(one.value)}"
            case Before():
                return f"what was in {self.text(one.of)}"
            case Opaque():
                inside = "".join(f" [{self.text(part)}]" for part in one.parts)
                return f"<{one.why}>{inside}"
        raise AssertionError(one)


_EXITS = {-1: "out", -2: "false"}


def lowered(statement: str, around: str = "void f(void)") -> list[str]:
    """Return the instructions of a statement's first step, and of what is inside."""
    made = reader({PATH: f"{HEAD}{around}\n{{\n\t{statement}\n}}\n"})
    view = next(v for v in made.functions("f", PATH))
    body = view.node.child_by_field_name("body")
    assert body is not None
    lowered = Lowered(view, graph_of(view, body.named_children), Constants(made.types))
    listing = Listing(lowered)
    listing.step(lowered.graph.start)
    return listing.lines


CASES = {
    # What needs nothing but itself.
    "x;": [
        "nothing",
    ],
    "x = y;": [
        "0: x = y -> out",
    ],
    "x = p->one + q[2].two;": [
        "0: x = (p->one + q[2].two) -> out",
    ],
    "return p->one;": [
        "0: return p->one",
    ],
    "struct pair p = { .two = h };": [
        "0: declare p = {two: h} -> out",
    ],
    "if (h) ;": [
        "0: test h -> out, false",
    ],
    # The same, spelled in another way.
    "(x) = ((y));": [
        "0: x = y -> out",
    ],
    "*&x = *&y;": [
        "0: x = y -> out",
    ],
    "(*p).one = (*&q)->two;": [
        "0: p->one = q->two -> out",
    ],
    "(&p)->one = 1;": [
        "0: p.one = 1 -> out",
    ],
    "WRITE_ONCE(p->h, h);": [
        "0: p->h = h -> out",
    ],
    "x = READ_ONCE(p->h);": [
        "0: x = p->h -> out",
    ],
    "atomic64_set(&p->h, g(h));": [
        "0: %0 = g(h)",
        "1: p->h = %0 -> out",
    ],
    "x = xchg(&p->h, h);": [
        "0: %0 = p->h",
        "1: p->h = h",
        "2: x = %0 -> out",
    ],
    "x = no_free_ptr(p);": [
        "0: %0 = p",
        "1: p = NULL",
        "2: x = %0 -> out",
    ],
    "x = smp_load_acquire(&p->h);": [
        "0: x = p->h -> out",
    ],
    "x = __extension__ y;": [
        "0: x = y -> out",
    ],
    "x = (u32)(y);": [
        "0: x = (32 bits)(y) -> out",
    ],
    "x = (u64)(u32)(y);": [
        "0: x = (64 bits)((32 bits)(y)) -> out",
    ],
    "x = (handle_t)(u64)(u32)(y);": [
        "0: x = (None)((64 bits)((32 bits)(y))) -> out",
    ],
    "x = (u32)-y;": [
        "0: x = (32 bits)(-y) -> out",
    ],
    "x = (u32)*y;": [
        "0: x = (32 bits)(*y) -> out",
    ],
    "x = (typeof(y))(z);": [
        "0: x = (None)(z) -> out",
    ],
    "x = sizeof(f());": [
        "0: x = <an operand that is not evaluated> -> out",
    ],
    "x = offsetof(struct pair, two);": [
        "0: x = <an operand that is not evaluated> -> out",
    ],
    # What is asked.
    "if (!h || f(h = g(x)) > 2) ;": [
        "0: test h -> 1, out",
        "1: %0 = g(x)",
        "2: %1 = h = %0",
        "3: %2 = f(%1)",
        "4: test (%2 > 2) -> out, false",
    ],
    "if (likely(h)) ;": [
        "0: test h -> out, false",
    ],
    "if (IS_ERR_OR_NULL(p)) ;": [
        "0: test (None)(p) -> false, out",
    ],
    "if (!(x = f())) ;": [
        "0: %0 = f()",
        "1: %1 = x = %0",
        "2: test %1 -> false, out",
    ],
    "if (a, f(b)) ;": [
        "0: %0 = f(b)",
        "1: test %0 -> out, false",
    ],
    "while (f(x)) ;": [
        "0: %0 = f(x)",
        "1: test %0 -> out, false",
    ],
    "switch (f(x)) { case 1: break; }": [
        "0: %0 = f(x)",
        "1: switch %0",
    ],
    "BUG_ON(!h);": [
        "0: test h -> out, 1",
        "1: stop",
    ],
    "BUG();": [
        "0: stop",
    ],
    # What is worth whether something holds, or one of several things.
    "x = !h;": [
        "0: %0 = whether !h",
        "1: x = %0 -> out",
    ],
    "x = a == b;": [
        "0: %0 = whether (a == b)",
        "1: x = %0 -> out",
    ],
    "x = a && f(b);": [
        "0: test a -> 1, 5",
        "1: %0 = f(b)",
        "2: test %0 -> 3, 5",
        "3: %1 = 1",
        "4: x = %1 -> out",
        "5: %1 = 0 -> 4",
    ],
    "x = likely(a && b);": [
        "0: test a -> 1, 4",
        "1: test b -> 2, 4",
        "2: %0 = 1",
        "3: x = %0 -> out",
        "4: %0 = 0 -> 3",
    ],
    "x = !(a || b);": [
        "0: test a -> 1, 3",
        "1: %0 = 0",
        "2: x = %0 -> out",
        "3: test b -> 1, 4",
        "4: %0 = 1 -> 2",
    ],
    # Both sides are read, and then asked one after the other.
    "if (!a | *b) f();": [
        "0: %0 = *b",
        "1: test a -> 2, out",
        "2: test %0 -> out, false",
    ],
    "if (a & *b) f();": ["0: test (a & *b) -> out, false"],
    "x = c ? f(1) : 2;": [
        "0: test c -> 1, 4",
        "1: %0 = f(1)",
        "2: %1 = %0",
        "3: x = %1 -> out",
        "4: %1 = 2 -> 3",
    ],
    "x = h ?: g();": [
        "0: %0 = h",
        "1: test %0 -> 2, 4",
        "2: %1 = %0",
        "3: x = %1 -> out",
        "4: %2 = g()",
        "5: %1 = (%0 ?: %2) -> 3",
    ],
    "return f(x) ? 1 : 0;": [
        "0: %0 = f(x)",
        "1: test %0 -> 2, 4",
        "2: %1 = 1",
        "3: return %1",
        "4: %1 = 0 -> 3",
    ],
    "x = _Generic(y, int: a, long: b);": [
        "0: fork -> 1, 3",
        "1: %0 = a",
        "2: x = %0 -> out",
        "3: %0 = b -> 2",
    ],
    "x = __builtin_choose_expr(1, a, b);": [
        "0: fork -> 1, 3",
        "1: %0 = a",
        "2: x = %0 -> out",
        "3: %0 = b -> 2",
    ],
    # Calls.
    "f(), g();": [
        "0: %0 = f()",
        "1: %1 = g() -> out",
    ],
    "f(p->h, g(), &q);": [
        "0: %0 = p->h",
        "1: %1 = g()",
        "2: %2 = f(%0, %1, &q) -> out",
    ],
    "x = f()->a[g()];": [
        "0: %0 = f()",
        "1: %1 = %0->a",
        "2: %2 = g()",
        "3: x = %1[%2] -> out",
    ],
    "(c ? f : g)(x);": [
        "0: test c -> 1, 2",
        "1: %0 = f(x) -> out",
        "2: %0 = g(x) -> out",
    ],
    "(0, f)(x);": [
        "0: %0 = f(x) -> out",
    ],
    "(*fp)(x);": [
        "0: %0 = *fp(x) -> out",
    ],
    "x = (unknown_t)(y);": [
        "0: %0 = unknown_t(y)",
        "1: x = %0 -> out",
    ],
    "f(c ? a : b, !d);": [
        "0: test c -> 1, 4",
        "1: %0 = a",
        "2: %1 = whether !d",
        "3: %2 = f(%0, %1) -> out",
        "4: %0 = b -> 2",
    ],
    # Assignments and counting inside.
    "a = b = f();": [
        "0: %0 = f()",
        "1: %1 = b = %0",
        "2: a = %1 -> out",
    ],
    "x |= f();": [
        "0: %0 = f()",
        "1: x |= %0 -> out",
    ],
    "a[i++] = p->h;": [
        "0: %0 = p->h",
        "1: %1 = i++",
        "2: a[%1] = %0 -> out",
    ],
    "*p++ = h;": [
        "0: %0 = h",
        "1: %1 = p++",
        "2: *%1 = %0 -> out",
    ],
    "x = (a = b, c);": [
        "0: a = b",
        "1: x = c -> out",
    ],
    # Initializers.
    "struct pair p = { 1, f() };": [
        "0: %0 = f()",
        "1: declare p = {one: 1, two: %0} -> out",
    ],
    "take((struct pair){ .one = f() });": [
        "0: %0 = f()",
        "1: %1 = literal {one: %0}",
        "2: %2 = take(%1) -> out",
    ],
    "struct pair p[2] = { { f(), 1 }, { .two = 2 } };": [
        "0: %0 = f()",
        "1: declare p = {#0: {one: %0, two: 1}, #1: {two: 2}} -> out",
    ],
    "struct outer p = { { 1, 2 }, .in = { h } };": [
        "0: declare p = {in: {one: 1, two: 2}, in: {one: h}} -> out",
    ],
    # Statement expressions.
    "x = ({ int t = g(); t + 1; });": [
        "0: inside",
        "1: x = (t + 1) -> out",
        "'0: %0 = g()",
        "'1: declare t = %0 -> out",
    ],
    "x = ({ if (a) b = 1; b; });": [
        "0: inside",
        "1: x = b -> out",
        "'0: test a -> out, false",
        "'0: b = 1 -> out",
    ],
    "x = ({ if (a) return 1; 2; });": [
        "0: inside",
        "1: x = 2 -> out",
        "'0: test a -> out, false",
        "'0: return 1",
    ],
    "f(({ ({ a; }) + 1; }));": [
        "0: inside",
        "1: inside",
        "2: %0 = a",
        "3: %1 = (%0 + 1)",
        "4: %2 = f(%1) -> out",
    ],
    # What has no meaning here.
    'asm("nop" : : "r" (p->h));': [
        '0: <a form that is not followed: gnu_asm_expression> ["nop"]'
        " [<a form that is not followed: gnu_asm_output_operand_list>]"
        " [<a form that is not followed: gnu_asm_input_operand_list>"
        " [<a form that is not followed: gnu_asm_input_operand>"
        ' ["r"] [p->h]]] -> out',
    ],
}


@pytest.mark.parametrize(("statement", "wanted"), CASES.items(), ids=CASES)
def test_a_statement_is_taken_apart(statement: str, wanted: list[str]) -> None:
    assert lowered(statement) == wanted
