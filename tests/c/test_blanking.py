"""Blanked text has the length and the lines of what was read, and parses as C."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xfrmlint.c.arguments import closing
from xfrmlint.c.blanking import Blanked, Covered, blank
from xfrmlint.c.nodes import parse
from xfrmlint.c.text import without_comments
from xfrmlint.kernel.release import Release

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


def blanked(
    text: str, words: str | None = None, release: Release | None = None, turn: int = 0
) -> Blanked:
    """Blank some C; its length and lines are checked wherever a test asks for anything."""
    data = text.encode()
    found = blank(data, re.compile(words.encode()) if words else None, release, turn)
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
    ("text", "words", "turns", "dropped"),
    [
        pytest.param(
            "#ifdef A\nif (a) { x; }\n#else\nif (b) { y; }\n#endif",
            None,
            ["if (a) { x; } if (b) { y; }"],
            [],
            id="balanced branches all stay",
        ),
        pytest.param(
            "#ifdef A\nif (a) {\n#endif\nx;\n#ifdef A\n}\n#endif",
            None,
            ["if (a) { x; }"],
            [],
            id="one branch that opens, one that closes",
        ),
        pytest.param(
            "#ifdef A\ns = \"{\";\n#else\ns = '}';\n#endif",
            None,
            ["s = \"{\"; s = '}';"],
            [],
            id="braces in strings don't count",
        ),
        pytest.param(
            "#ifdef A\nMACRO(a)\n#else\nMACRO(b)\n#endif\nint c;",
            None,
            ["MACRO(a) MACRO(b) int c;"],
            [],
            id="macros without a semicolon",
        ),
        pytest.param(
            "#if 0\nif (a) {\n#else\nif (b) {\n#endif\nx; }",
            None,
            ["if (b) { x; }"],
            [],
            id="a dead branch is no choice",
        ),
        pytest.param(
            "#ifdef A\n#else\nif (b) {\n#endif\nx; }",
            None,
            ["if (b) { x; }"],
            [],
            id="an empty branch is none",
        ),
        pytest.param(
            "#ifdef A\nif (a) {\n#else\nif (b) {\n#endif\nx; }",
            None,
            ["if (a) { x; }", "if (b) { x; }"],
            [],
            id="both open a block: each in its turn",
        ),
        pytest.param(
            "#ifdef A\nif (a) {\n#else\nif (xso) {\n#endif\nx; }",
            "xso",
            ["if (xso) { x; }", "if (a) { x; }"],
            [],
            id="the branch with the word first",
        ),
        pytest.param(
            "#if A\nif (a) {\n#elif B\nif (b) {\n#else\nif (xso) {\n#endif\nx; }",
            "xso",
            ["if (xso) { x; }", "if (a) { x; }", "if (b) { x; }"],
            [],
            id="three",
        ),
        pytest.param(
            "".join(f"#{'el' * (n > 0)}if A{n}\nif (a{n}) {{\n" for n in range(6)) + "#endif\nx; }",
            None,
            [f"if (a{n}) {{ x; }}" for n in range(4)],
            ["if (a4) {", "if (a5) {"],
            id="no more than four",
        ),
        pytest.param(
            "#ifdef A\nif (a) {\n#else\nif (b) { {\n#endif\nx; }",
            None,
            ["if (a) { x; }"],
            ["if (b) { {"],
            id="one that opens more does not fit",
        ),
        pytest.param(
            "#ifdef A\nif (a) {\n#ifdef B\ny;\n#endif\n#else\nif (b) {\n#endif\nx; }",
            None,
            ["if (a) { y; x; }", "if (b) { x; }"],
            [],
            id="a balanced one inside",
        ),
        pytest.param(
            "#ifdef A\n#ifdef B\nif (a) {\n#else\nif (b) {\n#endif\nx; }\n#else\ny;\n#endif",
            None,
            ["if (a) { x; } y;", "if (b) { x; } y;"],
            [],
            id="settled inside, balanced outside",
        ),
        pytest.param(
            "#ifdef A\nif (a) {\n#else\nif (b) {\n#endif\nx;\n"
            "#ifdef A\n} while (c);\n#else\n} while (xso);\n#endif",
            "xso",
            ["if (b) { x; } while (xso);", "if (a) { x; } while (c);"],
            [],
            id="one condition has one answer",
        ),
        pytest.param(
            "#ifdef A\nint f(int a)\n#else\nint f(void)\n#endif\n{ x; }",
            None,
            ["int f(int a) { x; }", "int f(void) { x; }"],
            [],
            id="two heads of a function",
        ),
        pytest.param(
            "int f(void)\n#ifdef A\n{ x; }\n#else\n{ y; }\n#endif",
            None,
            ["int f(void) { x; }", "int f(void) { y; }"],
            [],
            id="two bodies of a function",
        ),
        pytest.param(
            "#ifdef A\nif (a)\n#else\nif (b)\n#endif\nx;",
            None,
            ["if (a) x;", "if (b) x;"],
            [],
            id="two heads of an if",
        ),
        pytest.param(
            "if (a &&\n#ifdef A\nb)\n#else\nc)\n#endif\nx;",
            None,
            ["if (a && b) x;", "if (a && c) x;"],
            [],
            id="two ends of a condition",
        ),
        pytest.param(
            "#ifdef A\na =\n#else\nb =\n#endif\nx;",
            None,
            ["a = x;", "b = x;"],
            [],
            id="two left sides",
        ),
        pytest.param(
            "if (a)\n#ifdef A\n{ x; }\n#else\ny;\n#endif\nz;",
            None,
            ["if (a) { x; } z;", "if (a) y; z;"],
            [],
            id="two statements of an if",
        ),
        pytest.param(
            "else\n#if A\nx;\n#elif B\ny;\n#endif\nz;",
            "y",
            ["else y; z;", "else z;", "else x; z;"],
            [],
            id="or the one behind them",
        ),
        pytest.param(
            "\tfor_each_cpu(i)\n#ifdef A\nx;\n#endif\nz;",
            None,
            ["while (i) x; z;", "while (i) z;"],
            [],
            id="of a loop",
        ),
        pytest.param(
            "f(a)\n#ifdef A\nx;\n#endif\nz;", None, ["f(a) x; z;"], [], id="behind no head"
        ),
        pytest.param(
            "if (a\n#ifdef A\n&& x\n#endif\n) z;", None, ["if (a && x ) z;"], [], id="amid a head"
        ),
        pytest.param(
            "#ifdef A\nif (a) x; else\n#endif\nz;",
            None,
            ["if (a) x; else z;", "z;"],
            [],
            id="an else, or none",
        ),
        pytest.param(
            "if (a) x;\n#ifdef A\nelse y;\n#else\nelse z;\n#endif",
            None,
            ["if (a) x; else y;", "if (a) x; else z;"],
            [],
            id="two elses",
        ),
        pytest.param(
            "#ifdef NEVER\n{\n#endif\nx;", None, ["x;"], ["{"], id="what nothing closes is dropped"
        ),
        pytest.param(
            "#ifdef NEVER\n(\n#else\n#endif\nx;", None, ["x;"], ["("], id="beside an empty branch"
        ),
    ],
)
def test_unbalanced_branches(
    text: str, words: str | None, turns: list[str], dropped: list[str]
) -> None:
    found = blanked(text, words)
    assert found.turns == len(turns)
    shown = [blanked(text, words, turn=turn) for turn in range(found.turns)]
    assert [squeezed(one.text) for one in shown] == turns
    for one in shown:
        assert bodies(text, one.dropped) == dropped
        gone = [squeezed(one.text[start:end]) for start, end in one.left_out]
        assert gone == [""] * len(gone)
        assert set(one.dropped) <= set(one.left_out)


V = "LINUX_VERSION_CODE"


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        pytest.param("A", "a; b;", id="not the version's"),
        pytest.param("FOO_VERSION >= KERNEL_VERSION(7, 4, 0)", "a; b;", id="a vendor's version"),
        pytest.param(f"{V} >= RHEL_RELEASE_VERSION(8, 4)", "a; b;", id="against a vendor's"),
        pytest.param(f"{V} >= KERNEL_VERSION(7, 4)", "a; b;", id="two arguments"),
        pytest.param(f"{V} >=", "a; b;", id="no expression"),
        pytest.param(f"{V} >= KERNEL_VERSION(A, B, C)", "a; b;", id="names as arguments"),
        pytest.param(f"{V} > KERNEL_VERSION(6, 0, 0) && A", "a; b;", id="true, and another"),
        pytest.param(f"{V} < KERNEL_VERSION(6, 0, 0) || A", "a; b;", id="false, or another"),
        pytest.param(f"{'(' * 500}{V}{')' * 500}", "a; b;", id="too deep"),
        pytest.param(f"1 << {V} << {V}", "a; b;", id="a number that is too large"),
        pytest.param(f"{V} >= KERNEL_VERSION(7, 4, 0)", "a;", id="of this version"),
        pytest.param(f"{V} >= KERNEL_VERSION(7,4,1)", "b;", id="of a later one"),
        pytest.param(f"KERNEL_VERSION(7, 4, 1) > {V}", "a;", id="the other way round"),
        pytest.param(f"({V} < KERNEL_VERSION(6, 16, 0))", "b;", id="in brackets"),
        pytest.param(f"!({V} < KERNEL_VERSION(6, 16, 0))", "a;", id="not"),
        pytest.param(f"{V} < KERNEL_VERSION(6, 0, 0) && A", "b;", id="false, whatever A is"),
        pytest.param(f"A && \\\n\t{V} < KERNEL_VERSION(6, 0, 0)", "b;", id="over two lines"),
        pytest.param(f"{V} > KERNEL_VERSION(6, 0, 0) || A(b, (c))", "a;", id="true, whatever A is"),
        pytest.param(f"defined({V}) && {V} > KERNEL_VERSION(7, 0, 0)", "a;", id="defined"),
        pytest.param(f"defined {V} && {V} < KERNEL_VERSION(7, 0, 0)", "b;", id="defined, false"),
        pytest.param(f"{V} >= 0x070400", "a;", id="a number"),
        pytest.param(f"{V} >> 16 == 7 && ({V} & 0xff) + 1 == 1", "a;", id="arithmetic"),
        pytest.param("LINUX_VERSION_MAJOR > 6", "a;", id="major"),
        pytest.param(
            "LINUX_VERSION_PATCHLEVEL == 3 || LINUX_VERSION_SUBLEVEL", "b;", id="the rest"
        ),
    ],
)
def test_the_trees_version(condition: str, wanted: str) -> None:
    text = f"#if {condition}\na;\n#else\nb;\n#endif"
    assert squeezed(blanked(text, release=Release(7, 4, 0)).text) == wanted
    assert squeezed(blanked(text).text) == "a; b;"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("#ifndef V\na;\n#endif", "a;", id="whether it is defined is left open"),
        pytest.param("#if A\na;\n#elif V < 7\nb;\n#else\nc;\n#endif", "a; c;", id="false"),
        pytest.param("#if A\na;\n#elif V > 7\nb;\n#else\nc;\n#endif", "a; b;", id="true"),
        pytest.param("#if V > 7\na;\n#elif A\nb;\n#else\nc;\n#endif", "a;", id="true first"),
        pytest.param("#if V < 7\na;\n#elif A\nb;\n#else\nc;\n#endif", "b; c;", id="false first"),
        pytest.param(
            "#if V < 7\nint f(int a)\n{\n#else\nint f(void)\n{\n#endif\nx; }",
            "int f(void) { x; }",
            id="a head",
        ),
    ],
)
def test_conditionals_that_ask_for_the_version(text: str, wanted: str) -> None:
    text = text.replace("V", V).replace("7", "KERNEL_VERSION(7, 0, 0)")
    found = blanked(text, release=Release(7, 4, 0))
    assert squeezed(found.text) == wanted
    assert found.turns == 1


_NEW = f"#if {V} >= KERNEL_VERSION(7, 0, 0)\n#define NEW 1\n#else\n#define OLD\n#endif\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("#define A\n#ifdef A\na;\n#else\nb;\n#endif", "a; b;", id="of no version"),
        pytest.param("#ifdef A\n#define B\n#endif\n#ifdef B\na;\n#endif", "a;", id="of an option"),
        pytest.param(_NEW + "#if NEW && A\na;\n#else\nb;\n#endif", "a; b;", id="and an option"),
        pytest.param(
            _NEW + "#undef NEW\n#ifdef NEW\na;\n#else\nb;\n#endif", "a; b;", id="undefined again"
        ),
        pytest.param(
            _NEW + "#define OLD\n#ifdef OLD\na;\n#else\nb;\n#endif", "a;", id="in any case"
        ),
        pytest.param(_NEW + "#ifdef NEW\na;\n#else\nb;\n#endif", "a;", id="defined"),
        pytest.param(_NEW + "#ifndef NEW\na;\n#else\nb;\n#endif", "b;", id="not undefined"),
        pytest.param(_NEW + "#ifdef OLD\na;\n#else\nb;\n#endif", "b;", id="never defined"),
        pytest.param(_NEW + "#if NEW\na;\n#else\nb;\n#endif", "a;", id="its value"),
        pytest.param(_NEW + "#if defined(OLD) && A\na;\n#else\nb;\n#endif", "b;", id="in any"),
        pytest.param(
            f"#ifndef H\n#define H\n{_NEW}#endif\n#if defined(NEW)\na;\n#else\nb;\n#endif",
            "a;",
            id="in a header's guard",
        ),
        pytest.param(
            _NEW + "#ifdef NEW\n#define MORE\n#endif\n#ifdef MORE\na;\n#else\nb;\n#endif",
            "a;",
            id="one of another",
        ),
        pytest.param(
            "#define A 1\n#if V >= 9\n#undef A\n#endif\n#ifdef A\na;\n#else\nb;\n#endif",
            "a;",
            id="never undefined",
        ),
        pytest.param(
            _NEW + "#if V >= 9\n#undef NEW\n#endif\n#ifdef NEW\na;\n#else\nb;\n#endif",
            "a;",
            id="never undefined, and of a version",
        ),
        pytest.param(
            _NEW + "#ifdef X\n#undef NEW\n#endif\n#ifdef NEW\na;\n#else\nb;\n#endif",
            "a; b;",
            id="undefined by an option",
        ),
        pytest.param(
            "#if V == 9\n#ifdef X\n#undef V\n#define V 10\n#endif\n#endif\n#if V < 9\na;\n#endif",
            "a;",
            id="the version, never",
        ),
        pytest.param(
            "#ifdef X\n#undef V\n#define V 10\n#endif\n#if V < 9\na;\n#else\nb;\n#endif",
            "a; b;",
            id="the version, by an option",
        ),
        pytest.param(
            "#define N 1\n#ifdef X\n#undef N\n#define N 2\n#endif\n"
            "#if V > 6 && N == 1\na;\n#else\nb;\n#endif",
            "a; b;",
            id="one of two",
        ),
    ],
)
def test_names_that_the_version_settles(text: str, wanted: str) -> None:
    text = re.sub(r"\bV\b", V, re.sub(r"\b[69]\b|\b10\b", r"KERNEL_VERSION(\g<0>, 0, 0)", text))
    assert squeezed(blanked(text, release=Release(7, 4, 0)).text) == wanted


@pytest.mark.parametrize(
    ("defines", "condition", "wanted"),
    [
        pytest.param("#define A (V >= K(5, 9, 0))", "A", "a;", id="an object"),
        pytest.param("#define A (V >= K(5, 9, 0))", "defined(A)", "a;", id="defined at all"),
        pytest.param("#define A B\n#define B (V < K(5, 9, 0))", "A", "b;", id="of another"),
        pytest.param("#define GE(a, b) (V >= K(a, b, 0))", "GE(7, 3)", "a;", id="a function"),
        pytest.param("#define GE(a, b) (V >= K((a), (b), 0))", "!GE(7, 5)", "a;", id="in brackets"),
        pytest.param(
            "#define GE(a, b, ...) \\\n\t(V >= K(a, b, (0, ##__VA_ARGS__)))",
            "GE(7, 4, 0) && !GE(7, 4, 1) && GE(7, 4)",
            "a;",
            id="more arguments",
        ),
        pytest.param("#define GE(c...) (V >= K(c))", "GE(7, 4, 0)", "a;", id="all of them"),
        pytest.param(
            "#ifndef R\n#define R 0\n#endif\n#define GE(a) (!R && V >= K(a, 0, 0))",
            "GE(7)",
            "a;",
            id="what is 0 unless it is defined",
        ),
        pytest.param("#ifndef R\n#define R 0\n#endif", "R", "a; b;", id="without the version"),
        pytest.param("#define HAS(c) (V > 0 && defined(A))", "HAS(1)", "a; b;", id="another's"),
        pytest.param("#define A B\n#define B A", "V > 0 && A", "a; b;", id="of itself"),
        pytest.param("#define A (V > 0) +", "A", "a; b;", id="no expression"),
        pytest.param("#define GE(a) (V >= K(a, 0, 0))", "GE(x)", "a; b;", id="of what is open"),
        pytest.param("#define GE(a) (V >= K(a, 0, 0))", "GE", "a; b;", id="not called"),
        pytest.param(
            "#ifdef X\n#define GE(a) (V >= K(a, 0, 0))\n#else\n#define GE(a) 0\n#endif",
            "GE(7)",
            "a; b;",
            id="one of two",
        ),
        pytest.param(
            "#if V < K(7, 0, 0)\n#define GE(a) (V >= K(a, 0, 0))\n#else\n#define GE(a) 0\n#endif",
            "GE(7)",
            "b;",
            id="one of two, by the version",
        ),
    ],
)
def test_macros_that_ask_for_the_version(defines: str, condition: str, wanted: str) -> None:
    text = f"{defines}\n#if {condition}\na;\n#else\nb;\n#endif"
    text = re.sub(r"\bV\b", V, re.sub(r"\bK\b", "KERNEL_VERSION", text))
    assert squeezed(blanked(text, release=Release(7, 4, 0)).text) == wanted


def test_the_numbers_of_the_version_came_with_5_12() -> None:
    text = "#if LINUX_VERSION_MAJOR < 5\na;\n#else\nb;\n#endif"
    assert squeezed(blanked(text, release=Release(5, 11, 0)).text) == "a; b;"
    assert squeezed(blanked(text, release=Release(5, 12, 0)).text) == "b;"


def test_a_sublevel_above_255_counts_as_255() -> None:
    text = f"#if {V} > KERNEL_VERSION(4, 9, 256)\na;\n#else\nb;\n#endif"
    assert squeezed(blanked(text, release=Release(4, 9, 300)).text) == "b;"


@pytest.mark.parametrize(
    ("text", "wanted", "unclosed"),
    [
        pytest.param("int a __attribute__((x));", "int a ;", [], id="closed"),
        pytest.param(
            "int a __attribute__((\n#ifdef A\nx\n#else\ny\n#endif\n));",
            "int a ;",
            [],
            id="around an #if",
        ),
        pytest.param(
            "#ifdef A\nint a __aligned(8);\n#endif\nb;", "int a ; b;", [], id="closed in a branch"
        ),
        pytest.param("int a __attribute__((x", "int a", [6], id="by nothing"),
        pytest.param(
            "__attribute__((\nint a;\nint b;", "int a; int b;", [0], id="no more than a line"
        ),
        pytest.param(
            "#if A\n__attribute__((\n#else\n#endif\nint a; f(b);",
            "int a; f(b);",
            [6],
            id="in a branch",
        ),
        pytest.param(
            "#if A\ntypeof(\n#else\nx;\n#endif\nf(b);",
            "f(b);",
            [6],
            id="typeof, beside another branch",
        ),
        pytest.param(
            "#if A\n__aligned(\n#endif\nint a;\n#if A\n)\n#endif",
            "int a; )",
            [6],
            id="by another branch",
        ),
        pytest.param("#if A\n\tscoped_guard(\n#endif\nx;", "x;", [7], id="scoped_guard"),
        pytest.param(
            "#if A\nDEFINE_PER_CPU(\n#endif\nx, y);",
            "DEFINE_PER_CPU( x, y);",
            [6],
            id="a per-CPU variable",
        ),
        pytest.param("int a __aligned(" + "x" * 4000 + ");", "int a", [6], id="too far"),
        pytest.param("#if A\n{\n#endif\nx;", "x;", [6], id="a brace"),
    ],
)
def test_what_is_not_closed(text: str, wanted: str, unclosed: list[int]) -> None:
    found = blanked(text)
    assert squeezed(found.text) == wanted
    assert list(found.unclosed) == unclosed


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
    [("()", 0, 2), ("a(b(c)d)e", 1, 8), ("a(b(c)d)e", 3, 6), ("(", 0, None), ("((a)", 0, None)],
)
def test_closing(text: str, start: int, wanted: int | None) -> None:
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
