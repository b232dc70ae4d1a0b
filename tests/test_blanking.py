"""Blanked text has the length and the lines of what was read, and parses as C."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfrmlint.c.blanking import Blanked, Covered, blank, closing, without_comments
from xfrmlint.c.unit import parse

# What a kernel source is made of, the awkward pieces first.
FRAGMENTS = r"""
/*|*/|//|"|'|\|\\|\"|#if 0|#if 1|#if A|#ifdef A|#ifndef A|#elif B|#else|#endif|#define M(a) a|
# define M|#undef M|#include <a.h>|#include "b.h"|#error don't|%:if X|#|##|{|}|(|)|[|]|;|,|=|
int f(void)|if (a)|return 0|struct foo|struct foo,|, struct foo, m)|container_of(p, struct foo, m)|
typeof(x) y|__typeof__(a)|typeof(|__user|__rcu|__attribute__((aligned(8)))|__aligned(8)|
__attribute__((|__printf(1, 2)|noinline|INDIRECT_CALLABLE_SCOPE|list_for_each_entry(a, b, c)|
for_each_cpu(|x->xso.offload_handle|"__user"|'"'|'\''|"//"|"/*"|0|a|é
""".replace("\n", "").split("|")
GAPS = ["", " ", "\t", "\n", "\n\t", "\r\n", "\\\n", "\\\r\n", "\0", "\x0c"]
sources = st.lists(st.tuples(st.sampled_from(FRAGMENTS), st.sampled_from(GAPS)), max_size=40).map(
    lambda pieces: "".join(f"{a}{b}" for a, b in pieces).encode()
)


def newlines(text: bytes) -> list[int]:
    return [match.start() for match in re.finditer(rb"\n", text)]


def squeezed(text: bytes) -> str:
    return " ".join(text.decode().split())


def blanked(text: str, words: str | None = None) -> Blanked:
    """Blank some C; its length and lines are checked wherever a test asks for anything."""
    data = text.encode()
    found = blank(data, re.compile(words.encode()) if words else None)
    assert len(found.text) == len(data)
    assert newlines(found.text) == newlines(data)
    return found


def bodies(text: str, ranges: tuple[tuple[int, int], ...]) -> list[str]:
    return [squeezed(text.encode()[start:end]) for start, end in ranges]


@settings(deadline=None)
@given(sources)
def test_length_and_lines_stay(data: bytes) -> None:
    for words in (None, re.compile(rb"offload_handle")):
        found = blank(data, words)
        assert len(found.text) == len(data)
        assert newlines(found.text) == newlines(data)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_length_and_lines_stay_whatever_the_bytes(data: bytes) -> None:
    assert len(blank(data).text) == len(data)
    assert newlines(blank(data).text) == newlines(data)


@settings(deadline=None)
@given(sources)
def test_comments_leave_length_and_lines(data: bytes) -> None:
    text = without_comments(data)
    assert len(text) == len(data)
    assert newlines(text) == newlines(data)
    # What stays, stays where it was; a directive goes on behind a comment's line end.
    continued = {at - 1 for at in newlines(data)}
    assert all(
        new in (old, 32) or (new == 92 and at in continued)
        for at, (new, old) in enumerate(zip(text, data, strict=True))
    )


@settings(deadline=None)
@given(sources)
def test_what_is_reported_lies_in_the_text(data: bytes) -> None:
    found = blank(data)
    for branch in found.branches:
        assert 0 <= branch.start <= branch.end <= len(data)
    assert [b.start for b in found.branches] == sorted(b.start for b in found.branches)
    for start, end in found.dropped:
        assert data[start:end].strip(), "an empty branch is no loss"
        assert not found.text[start:end].strip()
    for kind, offset, line in found.directives:
        assert offset + len(line) <= len(data)
        assert kind.encode() in line


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("int a;", "int a;", id="nothing to do"),
        pytest.param("", "", id="empty"),
        pytest.param('s = "/* no */";', 's = "/* no */";', id="comment in a string"),
        pytest.param('s = "// no";', 's = "// no";', id="line comment in a string"),
        pytest.param("c = '\"'; d = 1;", "c = '\"'; d = 1;", id="quote as a character"),
        pytest.param(r"c = '\''; d = 1;", r"c = '\''; d = 1;", id="escaped apostrophe"),
        pytest.param(r'c = "\\"; d = "/*";', r'c = "\\"; d = "/*";', id="escaped backslash"),
        pytest.param(r'c = "\""; d = 1;', r'c = "\""; d = 1;', id="escaped quote"),
        pytest.param("a = b / *c; */ d;", "a = b / *c; */ d;", id="division, then a pointer"),
        pytest.param("int a; /* b */ int c;", "int a; int c;", id="comment"),
        pytest.param("int a;/**/int b;", "int a; int b;", id="empty comment"),
        pytest.param("int a; /*/ b */ int c;", "int a; int c;", id="comment that starts as /*/"),
        pytest.param("int a; /* b /* c */ int d;", "int a; int d;", id="comments don't nest"),
        pytest.param("int a; /* b\n * c\n */ int d;", "int a; int d;", id="comment of three lines"),
        pytest.param("int a; /* b", "int a;", id="comment that never ends"),
        pytest.param("int a; // b\nint c;", "int a; int c;", id="line comment"),
        pytest.param(
            "int a; // b \\\nint c;\nint d;", "int a; int d;", id="continued line comment"
        ),
        pytest.param(
            "int a; // b \\\r\nint c;\r\nint d;", "int a; int d;", id="the same, with CR LF"
        ),
        pytest.param("int a; // it's \"\nint b;", "int a; int b;", id="quotes in a line comment"),
        pytest.param("int a; /* it's \" */ int b;", "int a; int b;", id="quotes in a comment"),
        pytest.param('a = "x" /* b */ "y";', 'a = "x" "y";', id="comment between strings"),
        pytest.param(
            "#error don't\nint a; /* b's */ int c;", "int a; int c;", id="lone apostrophe"
        ),
    ],
)
def test_comments_and_strings(text: str, wanted: str) -> None:
    assert squeezed(blanked(text).text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("#if 1\na;\n#endif\nb;", "a; b;", id="if 1"),
        pytest.param("#if 1\na;\n#else\nb;\n#endif\nc;", "a; c;", id="if 1, else"),
        pytest.param("#ifdef A\na;\n#endif\nb;", "a; b;", id="unknown condition"),
        pytest.param("#ifdef A\na;\n#else\nb;\n#endif", "a; b;", id="both branches of an unknown"),
        pytest.param("#if A\na;\n#elif B\nb;\n#else\nc;\n#endif", "a; b; c;", id="three branches"),
        pytest.param("#if 10\na;\n#else\nb;\n#endif", "a; b;", id="10 is not read as 1"),
        pytest.param("#if 0 || A\na;\n#endif\nb;", "a; b;", id="an expression that starts with 0"),
        pytest.param("#if 0\na;\n#endif\nb;", "b;", id="if 0"),
        pytest.param("#if 0 /* why */\na;\n#endif\nb;", "b;", id="if 0 with a comment"),
        pytest.param("#if (0)\na;\n#endif\nb;", "b;", id="if (0)"),
        pytest.param("# if 0\na;\n# endif\nb;", "b;", id="space behind the sign"),
        pytest.param("  #if 0\na;\n  #endif\nb;", "b;", id="indented"),
        pytest.param(
            "#if 0\r\na;\r\n#endif\r\nb;",
            "b;",
            id="if 0 with CR LF",
        ),
        pytest.param("#if 0\na;\n#else\nb;\n#endif", "b;", id="if 0, else"),
        pytest.param("#if 0\na;\n#elif B\nb;\n#else\nc;\n#endif", "b; c;", id="if 0, elif, else"),
        pytest.param("#if A\na;\n#elif 1\nb;\n#else\nc;\n#endif", "a; b;", id="else of elif 1"),
        pytest.param("#if A\na;\n#elif 0\nb;\n#else\nc;\n#endif", "a; c;", id="elif 0"),
        pytest.param("#if 0\n#if 1\na;\n#endif\nb;\n#endif\nc;", "c;", id="if 1 within if 0"),
        pytest.param(
            "#ifdef A\n#if 0\na;\n#else\nb;\n#endif\nc;\n#endif\nd;", "b; c; d;", id="if 0 inside"
        ),
        pytest.param("#if 0\n{ it's\n#endif\nb;", "b;", id="text that is not C"),
        pytest.param("/*\n#if 0\n*/\na;\n/*\n#endif\n*/", "a;", id="directives in comments"),
        pytest.param("#if A && \\\n    B\na;\n#endif", "a;", id="continued condition"),
        pytest.param("a;\n#endif\nb;\n#else\nc;", "a; b; c;", id="stray else and endif"),
        pytest.param(
            "a;\n#if 0\nb;",
            "a;",
            id="if 0 that never ends",
        ),
        pytest.param("a;\n#pragma x\nb;\n#error y\n#line 3\nc;", "a; b; c;", id="other directives"),
        pytest.param("#define A(x) \\\n\tx;\n\nb;", "b;", id="define of two lines"),
    ],
)
def test_conditionals(text: str, wanted: str) -> None:
    found = blanked(text)
    assert squeezed(found.text) == wanted
    assert found.dropped == ()


@pytest.mark.parametrize(
    ("text", "words", "kept", "dropped"),
    [
        pytest.param(
            "#ifdef A\nif (a) { x; }\n#else\nif (b) { y; }\n#endif",
            None,
            "if (a) { x; } if (b) { y; }",
            [],
            id="balanced branches all stay",
        ),
        pytest.param(
            "#ifdef A\nif (a) {\n#endif\nx;\n#ifdef A\n}\n#endif",
            None,
            "if (a) { x; }",
            [],
            id="one branch that opens, one that closes",
        ),
        pytest.param(
            "#ifdef A\ns = \"{\";\n#else\ns = '}';\n#endif",
            None,
            "s = \"{\"; s = '}';",
            [],
            id="braces in strings don't count",
        ),
        pytest.param(
            "#if 0\nif (a) {\n#else\nif (b) {\n#endif\nx; }",
            None,
            "if (b) { x; }",
            [],
            id="a dead branch is no loss",
        ),
        pytest.param(
            "#ifdef A\nif (a) {\n#else\nif (b) {\n#endif\nx; }",
            None,
            "if (a) { x; }",
            ["if (b) {"],
            id="the first branch without words",
        ),
        pytest.param(
            "#ifdef A\nif (a) {\n#else\nif (xso) {\n#endif\nx; }",
            "xso",
            "if (xso) { x; }",
            ["if (a) {"],
            id="the branch with the word",
        ),
        pytest.param(
            "#ifdef A\nif (xso) {\n#else\nif (b) {\n#endif\nx; }",
            "xso",
            "if (xso) { x; }",
            ["if (b) {"],
            id="the branch with the word comes first",
        ),
        pytest.param(
            "#ifdef A\n#elif B\nif (b) {\n#else\nif (c) {\n#endif\nx; }",
            None,
            "if (b) { x; }",
            ["if (c) {"],
            id="an empty branch is the least",
        ),
        pytest.param(
            "#if A\nif (a) {\n#elif B\nif (b) {\n#else\nif (xso) {\n#endif\nx; }",
            "xso",
            "if (xso) { x; }",
            ["if (a) {", "if (b) {"],
            id="two of three dropped",
        ),
        pytest.param(
            "#ifdef A\nif (a) {\n#ifdef B\ny;\n#endif\n#else\nif (b) {\n#endif\nx; }",
            None,
            "if (a) { y; x; }",
            ["if (b) {"],
            id="a balanced one inside",
        ),
        pytest.param(
            "#ifdef A\n#ifdef B\nif (a) {\n#else\nif (b) {\n#endif\nx; }\n#else\ny;\n#endif",
            None,
            "if (a) { x; } y;",
            ["if (b) {"],
            id="settled inside, balanced outside",
        ),
    ],
)
def test_unbalanced_branches(text: str, words: str | None, kept: str, dropped: list[str]) -> None:
    found = blanked(text, words)
    assert squeezed(found.text) == kept
    assert bodies(text, found.dropped) == dropped


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("a;", [], id="none"),
        pytest.param("#define A\n#include <a.h>\n", [], id="no conditional"),
        pytest.param("#ifdef A\na;\n#endif", ["#ifdef A: a;"], id="ifdef"),
        pytest.param(
            "#if  A   &&  B\na;\n#else\nb;\n#endif",
            ["#if A && B: a;", "#else of #if A && B: b;"],
            id="else names its if",
        ),
        pytest.param(
            "#if 0\na;\n#elif B\nb;\n#endif", ["#if 0: a; dead", "#elif B: b;"], id="if 0 is dead"
        ),
        pytest.param(
            "#if 1\na;\n#else\nb;\n#endif", ["#if 1: a;", "#else of #if 1: b; dead"], id="else of 1"
        ),
        pytest.param(
            "#ifdef A\na;\n#ifdef B\nb;\n#endif\n#endif",
            ["#ifdef A: a; #ifdef B b; #endif", "#ifdef B: b;"],
            id="outer before inner",
        ),
    ],
)
def test_branches(text: str, wanted: list[str]) -> None:
    found = [
        f"{b.condition}: {squeezed(text.encode()[b.start : b.end])}{' dead' if b.dead else ''}"
        for b in blanked(text).branches
    ]
    assert found == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("int a;", [], id="none"),
        pytest.param(
            's = "\\\n#define A 1";',
            [],
            marks=pytest.mark.xfail(strict=True, reason="a continued string's line is a directive"),
            id="within a string",
        ),
        pytest.param("/*\n#define A 1\n*/", [], id="within a comment"),
        pytest.param("#if 0\n#define A 1\n#include <a.h>\n#endif", [], id="in dead text"),
        pytest.param("#define A 1\n", [("define", 0, "#define A 1")], id="define"),
        pytest.param("a;\n# define A 1\n", [("define", 3, "# define A 1")], id="with a space"),
        pytest.param("#include <a.h>\n", [("include", 0, "#include <a.h>")], id="include"),
        pytest.param(
            "#define A(x) \\\n\tx\nint a;\n",
            [("define", 0, "#define A(x) \\\n\tx")],
            id="two lines",
        ),
        pytest.param(
            "#ifdef X\n#define A 1\n#else\n#define A 2\n#endif\n",
            [("define", 9, "#define A 1"), ("define", 27, "#define A 2")],
            id="both of an unknown condition",
        ),
        pytest.param(
            "#if 0\n#define A 1\n#else\n#define A 2\n#endif\n",
            [("define", 24, "#define A 2")],
            id="the live one",
        ),
        pytest.param(
            "/* a */ #define A 1\n", [("define", 0, "        #define A 1")], id="behind a comment"
        ),
    ],
)
def test_directives(text: str, wanted: list[tuple[str, int, str]]) -> None:
    found = blanked(text).directives
    assert [(kind, offset, line.decode()) for kind, offset, line in found] == wanted


def test_a_comment_of_two_lines_in_a_define() -> None:
    found = blanked("#define A /* one\n two */ 1\nint a;\n")
    assert squeezed(found.text) == "int a;"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("int users; a__user = b;", "int users; a__user = b;", id="part of a word"),
        pytest.param("__user_ptr(a);", "__user_ptr(a);", id="a longer word"),
        pytest.param("void __rcu *p;", "void *p;", id="a word"),
        pytest.param("static noinline int f(void)", "static int f(void)", id="noinline"),
        pytest.param(
            "noinline_for_stack int f(void)", "int f(void)", id="the longer of two that fit"
        ),
        pytest.param(
            "INDIRECT_CALLABLE_SCOPE int f(void)", "int f(void)", id="indirect callable scope"
        ),
        pytest.param("int a __aligned(8);", "int a ;", id="with an argument"),
        pytest.param("int a __aligned(sizeof(long));", "int a ;", id="nested parentheses"),
        pytest.param(
            "int a __attribute__((aligned(sizeof(struct foo)), packed));",
            "int a ;",
            id="three deep",
        ),
        pytest.param("int f(void) __must_hold(&a->b) ;", "int f(void) ;", id="must hold"),
        pytest.param("void f(char *, ...) __printf(1, 2);", "void f(char *, ...) ;", id="printf"),
        pytest.param("int a __attribute__\n((packed));", "int a ;", id="over two lines"),
        pytest.param("struct a { int b; } __packed;", "struct a { int b; } ;", id="packed"),
        pytest.param("u8 d[] __counted_by(n);", "u8 d[] ;", id="counted_by"),
        pytest.param("void *p __free(kfree) = q;", "void *p = q;", id="free"),
        pytest.param("int a __attribute__((x", "int a", id="never closed"),
    ],
)
def test_attributes(text: str, wanted: str) -> None:
    assert squeezed(blanked(text).text) == wanted


def test_an_attribute_in_a_string() -> None:
    text = 'void f(void) { pr_info("no __aligned( here"); g(); }'
    assert squeezed(blanked(text).text) == text


def test_typeof_in_a_string() -> None:
    text = 'void f(void) { pr_info("no typeof( here"); g(); }'
    assert squeezed(blanked(text).text) == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("for_each_x(a) b;", "for_each_x(a) b;", id="at the margin: a definition"),
        pytest.param("\tfor (;;) b;", "for (;;) b;", id="a plain loop"),
        pytest.param("\tlist_for_each_entry(a, b, c) {", "while (a, b, c) {", id="loop"),
        pytest.param("\tfor_each_possible_cpu(cpu) f(cpu);", "while (cpu) f(cpu);", id="no braces"),
        pytest.param("\txa_for_each (&a, i, e) {", "while (&a, i, e) {", id="space before ("),
        pytest.param(
            "\tif (a)\n\t\thash_for_each_possible(a,\n\t\t\tb, c) x;",
            "if (a) while (a, b, c) x;",
            id="over two lines",
        ),
    ],
)
def test_loop_macros(text: str, wanted: str) -> None:
    assert squeezed(blanked(text).text) == wanted


def test_a_for_each_function_stays_a_call() -> None:
    text = "\tbus_for_each_dev(bus, NULL, data, foo_one);\n"
    assert squeezed(blanked(text).text) == text.strip()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("typeof_member(a, b) c;", "typeof_member(a, b) c;", id="a longer word"),
        pytest.param("my_typeof(a) c;", "my_typeof(a) c;", id="the end of a word"),
        pytest.param("typeof(x) y = z;", "auto_ y = z;", id="typeof"),
        pytest.param("__typeof__(x) y = z;", "auto_ y = z;", id="__typeof__"),
        pytest.param("typeof(*x) *y = z;", "auto_ *y = z;", id="pointer"),
        pytest.param("typeof(f(a, (b))) y = z;", "auto_ y = z;", id="nested parentheses"),
        pytest.param("typeof (x) y = z;", "auto_ y = z;", id="a space before ("),
    ],
)
def test_typeof(text: str, wanted: str) -> None:
    assert squeezed(blanked(text).text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("f(struct foo *p, int a);", "f(struct foo *p, int a);", id="a parameter"),
        pytest.param("sizeof(struct foo)", "sizeof(struct foo)", id="sizeof"),
        pytest.param("struct foo a, b;", "struct foo a, b;", id="a declaration"),
        pytest.param(
            "container_of(p, struct foo, m)", "container_of(p, foo, m)", id="container_of"
        ),
        pytest.param(
            "list_first_entry(&a->b,\n\t\tstruct foo, m)",
            "list_first_entry(&a->b, foo, m)",
            id="line",
        ),
        pytest.param("offsetof(struct foo, m)", "offsetof( foo, m)", id="first argument"),
        pytest.param(
            "container_of(container_of(p, struct foo, m), struct bar, n)",
            "container_of(container_of(p, foo, m), bar, n)",
            id="two",
        ),
    ],
)
def test_struct_as_an_argument(text: str, wanted: str) -> None:
    assert squeezed(blanked(text).text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("static int __init f(void) { return 0; }", id="attribute"),
        pytest.param("struct a { void __rcu *b; } __packed __aligned(4);", id="struct"),
        pytest.param("void f(void) {\n\tlist_for_each_entry(a, b, c) { g(a); }\n}", id="loop"),
        pytest.param("void f(void) { typeof(a) b = a; g(b); }", id="typeof"),
        pytest.param("void f(void) { a = container_of(p, struct foo, m); }", id="container_of"),
        pytest.param(
            "void f(void) {\n#ifdef A\nif (a) {\n#else\nif (b) {\n#endif\ng(); } }", id="branches"
        ),
        pytest.param("#define M(a) do { \\\n\ta; \\\n} while (0)\nint a;", id="define"),
        pytest.param("int f(int a) __must_hold(&a) { return a; }", id="context attribute"),
        pytest.param(
            "void f(void) { a = container_of(p, const struct foo, m); }",
            id="container_of, const",
        ),
        pytest.param(
            "void f(void) { a = container_of(p, union foo, m); }",
            id="container_of, union",
        ),
        pytest.param(
            "void f(void) { a = kzalloc_obj(struct foo); }",
            id="a type alone",
        ),
    ],
)
def test_the_result_parses(text: str) -> None:
    assert not parse(blanked(text).text).root_node.has_error


@pytest.mark.parametrize(
    ("text", "start", "wanted"),
    [("()", 0, 2), ("a(b(c)d)e", 1, 8), ("a(b(c)d)e", 3, 6), ("(", 0, 1), ("((a)", 0, 4)],
)
def test_closing(text: str, start: int, wanted: int) -> None:
    assert closing(text.encode(), start) == wanted


@pytest.mark.parametrize(
    ("ranges", "inside"),
    [
        ([], []),
        ([(1, 3)], [1, 2]),
        ([(1, 3), (5, 6)], [1, 2, 5]),
        ([(1, 7), (2, 3)], [1, 2, 3, 4, 5, 6]),
        ([(1, 3), (3, 5)], [1, 2, 3, 4]),
    ],
)
def test_covered(ranges: list[tuple[int, int]], inside: list[int]) -> None:
    covered = Covered(ranges)
    assert [offset for offset in range(9) if covered(offset)] == inside
