"""Newer and GNU forms of C are read as older ones, each letter that is left at its place."""

import pytest

from xfrmlint.c.arguments import Arguments
from xfrmlint.c.blanking import blank
from xfrmlint.c.dialect import plain
from xfrmlint.c.nodes import parse


def squeezed(text: bytes) -> str:
    return " ".join(text.decode().split())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("void f(void) { auto int a = 1; g(auto_, x.auto); }", id="auto as it was"),
        pytest.param("void f(void) { retry: g(); switch (a) { default: h(); } }", id="labels"),
        pytest.param("struct s { int a : 1, b : 2; int c : 3; };", id="bit-fields"),
        pytest.param("enum e f(void); struct { enum e g : 3; } x;", id="enums"),
        pytest.param("int f(struct a *, int (*g)(struct b *), long, struct c);", id="prototypes"),
        pytest.param("x = sizeof(struct a) + sizeof(unsigned int) + (struct b *)c;", id="operands"),
        pytest.param("x = a[b[0]] + c[d[1]];", id="indexes"),
        pytest.param("void f(void) { again: while (a) { b(); } }", id="a label before a block"),
        pytest.param("g(0, f)(a); x[(0)](b); (*f)(a); (f)(a); (u32)(&a);", id="other callees"),
        pytest.param("x = a ? b : c; y = a * b;", id="operators"),
        pytest.param("void f(void) { my_scoped_guard(a); struct_groups(b); }", id="like a macro"),
    ],
)
def test_what_tree_sitter_reads_stays(text: str) -> None:
    assert plain(text.encode(), Arguments()).decode() == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("auto x = g();", "aut_ x = g();", id="auto"),
        pytest.param("static const auto *x = g();", "static const aut_ *x = g();", id="auto *"),
        pytest.param("for (auto i = 0;;) ;", "for (aut_ i = 0;;) ;", id="auto in a for"),
        pytest.param("[[nodiscard]] int f([[maybe_unused]] int a);", "int f( int a);", id="[[]]"),
        pytest.param("int *p = nullptr;", "int *p = NULL ;", id="nullptr"),
        pytest.param("goto *t[i];", "got_ +t[i];", id="a computed goto"),
        pytest.param(
            "void *t[] = { &&a, x && y ? &&b : &&a }; goto *t[i];",
            "void *t[] = { &a, x && y ? &b : &a }; got_ +t[i];",
            id="addresses of labels",
        ),
        pytest.param("goto a; a: }", "goto a; a:;}", id="a label at the end of a block"),
        pytest.param("enum e : u8 { A };", "enum e { A };", id="an enum's type"),
        pytest.param(
            "struct o t = { a: f, b : { c: 1 } };",
            "struct o t = {.a= f,.b = {.c= 1 } };",
            id="old designators",
        ),
        pytest.param("x = (struct o){ a: f };", "x = (struct o){.a= f };", id="in a literal"),
        pytest.param(
            "struct_group(h, int a; int b;);", "struct{group h; int a; int b;};", id="struct_group"
        ),
        pytest.param(
            "struct_group_attr(h, __packed, int a;);",
            "struct{group h; int a;};",
            id="struct_group_attr",
        ),
        pytest.param(
            "struct_group_tagged(t, h, int a;);",
            "struct t{group h; int a;};",
            id="struct_group_tagged",
        ),
        pytest.param(
            "__struct_group(t, h, __packed, int a;);",
            "struct t{group h; int a;};",
            id="__struct_group",
        ),
        pytest.param("__struct_group( , h, , int a;);", "struct{group h; int a;};", id="no tag"),
        pytest.param("DECLARE_FLEX_ARRAY(struct a, b);", "struct a* b ;", id="flexible array"),
        pytest.param("DECLARE_BITMAP(a, 8);", "unsigned long a[ 8];", id="bitmap"),
        pytest.param("DECLARE_HASHTABLE(a, 8);", "struct hlist_head a[ ];", id="hash table"),
        pytest.param(
            "struct q { struct { int b; } c; DECLARE_KFIFO(a, struct d, 8); };",
            "struct q { struct { int b; } c; struct KFIFO a ; };",
            id="of a type that the macro makes",
        ),
        pytest.param(
            "void f(void) { DECLARE_WAITQUEUE(a, b); }",
            "void f(void) { DECLARE_WAITQUEUE(a, b); }",
            id="in no struct",
        ),
        pytest.param(
            "void f(int a) { switch (a) { case 1 ... 5: case 'a' ... B(2): b(); } }",
            "void f(int a) { switch (a) { case 1 ||+ 5: case 'a' ||+ B(2): b(); } }",
            id="ranges of cases",
        ),
        pytest.param(
            "u8 t[] = { [0 ... 3] = 1 };", "u8 t[] = { [0 ... 3] = 1 };", id="of elements"
        ),
        pytest.param("scoped_guard(mutex, &m) { a(); }", "once_: { a(); }", id="scoped_guard"),
        pytest.param(
            "if (x) scoped_guard(rcu) a();", "if (x) once_: a();", id="scoped_guard in an if"
        ),
        pytest.param(
            "scoped_cond_guard(mutex_intr, return -EINTR, &m) { a(); }",
            "once_:if ( mutex_intr) return -EINTR;else { a(); }",
            id="scoped_cond_guard",
        ),
        pytest.param("x = offsetof(t, a.b);", "x = offsetof(t, a.b);", id="offsetof a member"),
        pytest.param(
            "x = offsetof(t, a[f(i, 1)].b) + a[1];", "x = offsetof(t, a ) + a[1];", id="an element"
        ),
        pytest.param("x = ({ f; })(a);", "x = f (a);", id="a callee in a ({ })"),
        pytest.param("(0, f)(a); return (0, &f)(b);", "f (a); return f (b);", id="behind a comma"),
        pytest.param("if ((*&f)(a)) (&g)(b);", "if ( f (a)) g (b);", id="by its address"),
        pytest.param("x = alloc_percpu(struct a);", "x = alloc_percpu( a);", id="a tag"),
        pytest.param("x = f(a, struct b *);", "x = f(a, b );", id="a pointer to a tag"),
        pytest.param(
            "x = min_t(unsigned long, a, b);", "x = min_t(unsigned_long, a, b);", id="unsigned long"
        ),
        pytest.param("return va_arg(ap, u8 *);", "return va_arg(ap, u8 );", id="a pointer"),
        pytest.param(
            "p(container_of(a, const struct b, c));", "p(container_of(a, b, c));", id="const"
        ),
    ],
)
def test_what_is_written_instead(text: str, wanted: str) -> None:
    made = plain(text.encode(), Arguments())
    assert len(made) == len(text)
    assert squeezed(made) == wanted


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("int a = 1'000'000; /* it's */ int b = 0xFF'FF;", id="digit separators"),
        pytest.param(
            "int *p = nullptr; constexpr int a = 1; static constexpr bool b = true;",
            id="words of C23",
        ),
        pytest.param("int f(int, struct s *) { return 1; }", id="parameters without a name"),
        pytest.param("static int f(a, b) struct s *a; register int b; { return b; }", id="K&R"),
        pytest.param(
            'void f(void) { asm goto("j %l0" : : "r"(a) : : out); out: ; }', id="asm goto"
        ),
    ],
)
def test_what_parses(text: str) -> None:
    root = parse(blank(text.encode()).text).root_node
    assert not root.has_error
