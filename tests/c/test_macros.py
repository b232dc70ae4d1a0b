"""Macros are expanded as the C preprocessor does it, and every token knows where it was written."""

import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.asked import report_on
from tests.laid import EXAMPLE, lay_example
from tests.trees import FOO, reader
from xfrmlint.c import expansion
from xfrmlint.c.expansion import Expansion, Macro, expand, tokens, uses
from xfrmlint.c.macros import in_force, macros_in
from xfrmlint.tree.folder import Folder

COMPILER = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler to compare with")


def defined(text: str) -> dict[str, Macro]:
    """Return the macros that a file's text defines, the last of a name."""
    return {macro.name: macro for macro in macros_in(reader({FOO: text}).corpus, FOO)}


def expanded(defines: str, text: str) -> Expansion:
    return expand(text.encode(), FOO, 0, defined(defines))


def words(text: bytes) -> list[str]:
    """Return the tokens of C text: white space between them does not count."""
    return [token.text.decode() for token in tokens(text, "", 0)]


@functools.cache
def preprocessed(text: str) -> bytes | None:
    """Return what the compiler's preprocessor makes of a text; None if it refuses it."""
    assert COMPILER is not None
    command = [COMPILER, "-E", "-P", "-undef", "-nostdinc", "-std=gnu11", "-w", "-x", "c", "-"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    return None if done.returncode else done.stdout


@needs_compiler
@pytest.mark.parametrize(
    ("defines", "text"),
    [
        pytest.param("", "a = b;", id="no macros"),
        pytest.param("#define A 1", "AA a _A A_ x.AB;", id="only a part of a word"),
        pytest.param("#define A 1", '"A" \'A\' f("A");', id="in a string"),
        pytest.param("#define F(x) x", "F; F + 1; (F)(1); p = F;", id="a name without parentheses"),
        pytest.param("#define F(x) x", "F", id="a name without parentheses at the end"),
        pytest.param("#define A", "x A y;", id="empty"),
        pytest.param("#define A 1", "x = A;", id="object-like"),
        pytest.param("#define A x->xso.offload_handle", "h = A;", id="object-like, tokens"),
        pytest.param("#define A (1)", "x = A;", id="object-like that starts with ("),
        pytest.param("#define A(x) (x)", "y = A(1);", id="function-like"),
        pytest.param("#define A(x) (x)", "y = A (1);", id="a space before ("),
        pytest.param("#define A(x) (x)", "y = A\n(1);", id="a new line before ("),
        pytest.param("#define A(x) (x)", "y = A(\n1\n);", id="arguments on several lines"),
        pytest.param("#define A() 1", "y = A();", id="no parameters"),
        pytest.param("#define A() 1", "y = A;", id="no parameters, no parentheses"),
        pytest.param("#define A( x , y ) x y", "A(1,2);", id="spaces around parameters"),
        pytest.param("#define A(x,y) y x", "A(a, b);", id="two parameters"),
        pytest.param("#define A(x) x x", "A(a);", id="a parameter twice"),
        pytest.param("#define A(x) 1", "A(a);", id="a parameter unused"),
        pytest.param("#define A(x) xx x_ x", "A(a);", id="a parameter in longer words"),
        pytest.param('#define A(x) "x" x', "A(a);", id="a parameter in a string"),
        pytest.param(
            "#define A(x) -x",
            "-A(-1);",
            id="signs don't grow together",
        ),
        pytest.param("#define A -1", "x = -A;", id="signs don't grow together, object-like"),
        # Nesting.
        pytest.param("#define A B\n#define B 1", "A B;", id="chain"),
        pytest.param("#define B 1\n#define A B", "A B;", id="chain in the other order"),
        pytest.param("#define A(x) B(x)\n#define B(x) (x)", "A(1);", id="function-like chain"),
        pytest.param("#define A(x) [x]", "A(A(1));", id="within its own argument"),
        pytest.param("#define A(x) [x]\n#define B 1", "A(B);", id="a macro as the argument"),
        pytest.param("#define A(x, y) x y\n#define B(x) x", "A(B(1), B(2));", id="two arguments"),
        pytest.param("#define A(f) f(1)\n#define B(x) [x]", "A(B);", id="a macro's name passed"),
        pytest.param("#define A(x, f) f(x)\n#define B(x) #x", "A(a, B);", id="a name with #"),
        pytest.param("#define L (\n#define F(x) [x]", "F L 1);", id="a parenthesis from a macro"),
        pytest.param(
            "#define A F\n#define F(x) [x]",
            "A(1);",
            id="a macro that gives a name",
        ),
        pytest.param(
            "#define A(x) F\n#define F(x) [x]",
            "A(0)(1);",
            id="a function-like macro that gives a name",
        ),
        pytest.param(
            "#define A(x) x\n#define F(x) [x]",
            "A(F)(1);",
            id="a name handed through",
        ),
        # Recursion.
        pytest.param("#define A A", "A;", id="itself"),
        pytest.param("#define A x.A", "A;", id="itself as a field"),
        pytest.param("#define A B\n#define B A", "A B;", id="each other"),
        pytest.param("#define A B + 1\n#define B A + 2", "A; B;", id="each other, with more"),
        pytest.param("#define A(x) A(x + 1)", "A(0);", id="function-like itself"),
        pytest.param(
            "#define A(x) B(x)\n#define B(x) A(x)", "A(0); B(1);", id="function-like pair"
        ),
        pytest.param("#define A(x) x + A", "A(1)(2);", id="itself without parentheses"),
        pytest.param(
            "#define A A + 1\n#define F(x) x",
            "F(A);",
            id="painted in an argument",
        ),
        pytest.param(
            "#define A(x) x A(x)\n#define F(x) [x]",
            "F(A(1));",
            id="painted in an argument, function-like",
        ),
        # Arguments.
        pytest.param("#define A(x) [x]", "A();", id="empty argument"),
        pytest.param("#define A(x, y) [x][y]", "A(,); A(1,); A(,2);", id="empty of two"),
        pytest.param("#define A(x) [x]\n#define E", "A(E);", id="argument that becomes empty"),
        pytest.param("#define A(x, y) x y", "A((a, b), c);", id="comma in parentheses"),
        pytest.param("#define A(x) x", "A(f(a, g(b, c)));", id="commas two deep"),
        pytest.param("#define A(x, y) x y", "A(\"a,b\", ',');", id="comma in a string"),
        pytest.param("#define A(x) x", "A(')') A(\"(\");", id="parenthesis in a string"),
        pytest.param("#define C a, b\n#define A(x) [x]", "A(C);", id="a comma from a macro"),
        pytest.param(
            "#define A(x, y) x; y",
            "A(p[a, b]);",
            id="comma in brackets",
        ),
        pytest.param(
            "#define A(x, y) x; y",
            "A({ a, b });",
            id="comma in braces",
        ),
        # Variadic.
        pytest.param("#define A(...) [__VA_ARGS__]", "A(); A(1); A(1, 2);", id="only variable"),
        pytest.param("#define A(x, ...) x [__VA_ARGS__]", "A(1, 2, 3);", id="one fixed"),
        pytest.param("#define A(x, ...) x [__VA_ARGS__]", "A(1);", id="none of the variable"),
        pytest.param("#define A(args...) [args]", "A(); A(1, 2);", id="named"),
        pytest.param("#define A(x, args...) x [args]", "A(1, 2, (3, 4));", id="fixed and named"),
        pytest.param("#define A(x, args ...) x [args]", "A(1, 2);", id="named, with a space"),
        pytest.param("#define B 1\n#define A(...) [__VA_ARGS__]", "A(B, B);", id="macros in them"),
        pytest.param(
            "#define A(...) B(__VA_ARGS__)\n#define B(x, y) y x", "A(1, 2);", id="handed on"
        ),
        pytest.param(
            "#define A(...) #__VA_ARGS__",
            "A(a, b);",
            id="as a string",
        ),
        pytest.param("#define A(f, ...) p(f, ##__VA_ARGS__)", "A(1, 2, 3);", id="comma, some"),
        pytest.param("#define A(f, a...) p(f, ## a)", "A(1, 2, 3);", id="comma, some, named"),
        pytest.param(
            "#define A(f, ...) p(f, ##__VA_ARGS__)",
            "A(1);",
            id="comma, none",
        ),
        pytest.param(
            "#define A(f, a...) p(f, ## a)",
            "A(1);",
            id="comma, none, named",
        ),
        pytest.param(
            "#define B 2\n#define A(f, ...) p(f, ##__VA_ARGS__)", "A(1, B);", id="comma, a macro"
        ),
        *(
            pytest.param(
                "#define E\n#define A(x, ...) p(x __VA_OPT__(, [(q)] r) __VA_ARGS__)",
                f"A({arguments});",
                id=f"optional, of {arguments}",
            )
            for arguments in ("1", "1, 2", "1,", "1, E", "1, (2), 3")
        ),
        pytest.param(
            "#define A(x, ...) p(#x __VA_OPT__(, x##_) B(__VA_ARGS__))\n"
            "#define B(...) __VA_OPT__(z)",
            "A(1); A(1, 2);",
            id="optional, with # and ##",
        ),
        # # and ##.
        pytest.param("#define A(x) #x", "A(a);", id="string of a word"),
        pytest.param("#define A(x) # x", "A(a b);", id="string of two words"),
        pytest.param("#define A(x) #x", "A();", id="string of nothing"),
        pytest.param("#define A(x) #x\n#define B 1", "A(B);", id="string of a macro's name"),
        pytest.param(
            "#define A(x) S(x)\n#define S(x) #x\n#define B 1", "A(B);", id="string, inner"
        ),
        pytest.param("#define A(x) #x", r'A("a\n");', id="string of a string"),
        pytest.param("#define A(x) #x", r"A('\0');", id="string of a character"),
        pytest.param("#define A #x", "A;", id="# in an object-like macro"),
        pytest.param(
            "#define A(x) #x",
            "A(a+b);",
            id="string of an expression",
        ),
        pytest.param(
            "#define A(x) #x",
            "A(x->xso.dev);",
            id="string of a field",
        ),
        pytest.param("#define A(x) x##_h", "A(a);", id="paste behind"),
        pytest.param("#define A(x) h_##x", "A(a);", id="paste before"),
        pytest.param("#define A(x, y) x##y", "A(a, b); A(a, 1);", id="paste two"),
        pytest.param("#define A(x, y) x ## y", "A(a, b);", id="paste with spaces"),
        pytest.param("#define A(x, y, z) x##_##y##_##z", "A(a, b, c);", id="paste five"),
        pytest.param("#define A off##load", "A;", id="paste in an object-like macro"),
        pytest.param("#define A(x, y) x##y", "A(a,); A(,b); A(,);", id="paste with nothing"),
        pytest.param("#define A(x, y) p x##y q", "A(,);", id="paste nothing with nothing"),
        pytest.param("#define A(x, y, z) x##y##z", "A(a,,c); A(,,c); A(,b,);", id="gaps of three"),
        pytest.param(
            "#define A(x) x##_h\n#define B 1", "A(B);", id="what is pasted is not expanded"
        ),
        pytest.param("#define A(x) x##B x\n#define B 1", "A(B);", id="pasted and expanded"),
        pytest.param("#define A(x) B_##x\n#define B_1 ok", "A(1);", id="a pasted name is a macro"),
        pytest.param(
            "#define A(x) B_##x(2)\n#define B_1(y) [y]",
            "A(1);",
            id="a pasted name is function-like",
        ),
        pytest.param(
            "#define A(x, y) x##y\n#define C(x, y) A(x, y)\n#define D 1",
            "C(a, D); A(a, D);",
            id="cat",
        ),
        pytest.param("#define A(x) a x##b c", "A(p q);", id="the last of several"),
        pytest.param("#define A(x) a b##x c", "A(p q);", id="the first of several"),
        pytest.param("#define A(x) x->xso.offload_##x", "A(handle);", id="a field's name"),
        pytest.param("#define A(x) s.f_##x = s.g_##x", "A(a);", id="twice"),
        # Layout.
        pytest.param("#define A(x) \\\n\tx + \\\n\t1", "A(2);", id="continued body"),
        pytest.param("#define A(x, \\\n\t  y) x y", "A(1, 2);", id="continued parameters"),
        pytest.param("#define A \\\n\t1", "A;", id="continued before the body"),
        pytest.param("#define A(x) \\\n\\\n\tx", "A(2);", id="an empty continued line"),
        pytest.param("#define A 1 /* one */", "A;", id="comment behind the body"),
        pytest.param("#define A(x) x /* y */ x // z", "A(1);", id="comments in the body"),
        pytest.param(
            "#define A(x) x /* y \\\n z */ x",
            "A(1);",
            id="comment over two lines",
        ),
        pytest.param("#define\tA\t1", "A;", id="tabs"),
        pytest.param("  #  define A 1", "A;", id="indented"),
        pytest.param("#define A(x) x", "A(/* a */ 1 /* , */);", id="comments in the arguments"),
        pytest.param('#define A "/* no */"', "A;", id="a comment's mark in a string"),
        pytest.param(
            "#define A(x /* one */, y /* two */) x y", "A(1, 2);", id="comments at the parameters"
        ),
        pytest.param(
            "#define A /* one\n two */ 1",
            "A;",
            id="comment with a plain newline",
        ),
        # As drivers write them.
        pytest.param(
            "#define for_each_sa(p, i) \\\n\tfor ((i) = 0; (i) < (p)->n; (i)++)",
            "for_each_sa(priv, i) f(priv->sa[i]);",
            id="loop",
        ),
        pytest.param(
            "#define R(x) ({ typeof(x) _v = (x); _v; })", "h = R(s->xso.offload_handle);", id="stmt"
        ),
        pytest.param(
            "#define XSO(x) (&(x)->xso)\n#define H(x) (XSO(x)->offload_handle)",
            "h = H(s);",
            id="xso",
        ),
    ],
)
def test_as_the_preprocessor_does(defines: str, text: str) -> None:
    wanted = preprocessed(f"{defines}\n{text}\n")
    assert wanted is not None, "not C"
    assert words(expanded(defines, text).text) == words(wanted)


@st.composite
def macro_sets(draw: st.DrawFn) -> tuple[str, str]:
    """Draw #defines that only use earlier ones, and a text that uses them all.

    Calls are complete, and # is not drawn: what is known to differ stands in the table.
    """
    made: list[tuple[str, int | None]] = []

    def expression(parameters: list[str], depth: int) -> str:
        pieces = []
        for _ in range(draw(st.integers(0 if depth else 1, 3))):
            choice = draw(st.integers(0, 4))
            if choice == 0 and made and depth < 3:
                name, count = draw(st.sampled_from(made))
                listed = [expression(parameters, depth + 1) for _ in range(count or 0)]
                pieces.append(name if count is None else f"{name}({', '.join(listed)})")
            elif choice == 1 and parameters:
                pieces.append(draw(st.sampled_from(parameters)))
            elif choice == 2 and parameters and depth == 0:
                pieces.append(f"h_##{draw(st.sampled_from(parameters))}")
            elif choice == 3:
                pieces.append(f"({draw(st.sampled_from(['a, b', 'a', 'f(a, b)', '']))})")
            else:
                pieces.append(draw(st.sampled_from(["a", "1", "->m", "+", "-", '"s"', "x", "y"])))
        return " ".join(pieces)

    lines = []
    for index in range(draw(st.integers(1, 5))):
        count = draw(st.sampled_from([None, 0, 1, 2]))
        parameters = ["x", "y"][: count or 0]
        listed = "" if count is None else f"({', '.join(parameters)})"
        body = expression(parameters, 0)
        joint = draw(st.sampled_from([" ", " \\\n\t"]))
        lines.append(f"#define M{index}{listed} {body.replace(' ', joint, 1)}")
        made.append((f"M{index}", count))
    text = " ".join(expression([], 0) for _ in range(3))
    return "\n".join(lines), text


@pytest.mark.slow
@needs_compiler
@settings(deadline=None, max_examples=150, derandomize=True)
@given(macro_sets())
def test_as_the_preprocessor_does_with_drawn_macros(drawn: tuple[str, str]) -> None:
    defines, text = drawn
    wanted = preprocessed(f"{defines}\n{text}\n")
    # Some pasted pieces are no token: then the preprocessor refuses.
    assume(wanted is not None)
    assert wanted is not None
    assert words(expanded(defines, text).text) == words(wanted)


@pytest.mark.parametrize(
    ("defines", "text", "asked", "origin"),
    [
        pytest.param("", "a = b;", "b", "b;", id="no macros"),
        pytest.param("#define A 1", "a = b + A;", "b", "b + A;", id="outside of a macro"),
        pytest.param("#define A(p) p.f", "A(a);", "a", "a);", id="an argument is the user's"),
        pytest.param("#define A(p) p.f", "A(a);", "f", "f\n", id="a body's token"),
        pytest.param("#define A x->f", "A;", "x", "x->f\n", id="a body's first token"),
        pytest.param("#define A(p) \\\n\t(p)->f", "A(a);", "f", "f\n", id="on a continued line"),
        pytest.param("#define A(p) /* f */ p.f", "A(a);", "f", "f\n", id="behind a comment"),
        pytest.param(
            "#define A(p) B(p)\n#define B(p) p->f", "A(a);", "f", "f\n", id="the innermost body"
        ),
        pytest.param(
            "#define A(p) p + B\n#define B f", "A(a);", "f", "f\n", id="object-like inside"
        ),
        pytest.param(
            "#define A(p) B(p)\n#define B(p) p->f", "A(a);", "a", "a);", id="an argument handed on"
        ),
        pytest.param(
            "#define A(p) p##_h",
            "A(a);",
            "a_h",
            "_h\n",
            id="pasted: the fixed piece",
        ),
        pytest.param("#define A(p) h_##p", "A(a);", "h_a", "h_##p\n", id="pasted: fixed, first"),
        pytest.param("#define A(p) p", "A(b); f(A(a));", "a", "a));", id="the second use"),
    ],
)
def test_origins(defines: str, text: str, asked: str, origin: str) -> None:
    """`origin`: what the file reads from the offset on that `asked` came from."""
    source = f"{defines}\n{text}\n"
    start = len(defines) + 1
    found = expand(text.encode(), FOO, start, defined(source))
    at = next(
        start
        for start, end in zip(found.starts, [*found.starts[1:], len(found.text)], strict=True)
        if found.text[start:end].strip() == asked.encode()
    )
    path, offset = found.origin(at)
    assert path == FOO
    assert source[offset:].startswith(origin)


def test_the_origin_of_a_macro_in_a_header_is_the_header() -> None:
    header = "/* a header */\n#define A(p) \\\n\t((p)->f)\n"
    files = {FOO: '#include "foo.h"\nx = A(b);\n', "drivers/net/foo/foo.h": header}
    corpus = reader(files).corpus
    macros = {m.name: m for m in macros_in(corpus, "drivers/net/foo/foo.h")}
    found = expand(b"x = A(b);", FOO, 17, macros)
    path, offset = found.origin(found.text.index(b"f"))
    assert (path, header[offset:]) == ("drivers/net/foo/foo.h", "f)\n")
    assert corpus.unit(path).place(offset).line == 3
    path, offset = found.origin(found.text.index(b"b"))
    assert (path, offset) == (FOO, 17 + 6)


@needs_compiler
@settings(deadline=None, max_examples=60, derandomize=True)
@given(macro_sets())
def test_an_origin_reads_as_its_token(drawn: tuple[str, str]) -> None:
    defines, text = drawn
    assume("##" not in defines)
    source = f"{defines}\n{text}\n".encode()
    found = expand(text.encode(), FOO, len(defines) + 1, defined(source.decode()))
    for at, (path, offset) in zip(found.starts, found.origins, strict=True):
        token = tokens(found.text[at:], "", 0)[0].text
        assert path == FOO
        assert source[offset:].startswith(token)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("int a;", [], id="none"),
        pytest.param("#undef A\n#include <a.h>\n", [], id="other directives"),
        pytest.param("#if 0\n#define A 1\n#endif\n", [], id="dead"),
        pytest.param("/*\n#define A 1\n*/\n", [], id="in a comment"),
        pytest.param("#define A\n", ["A ="], id="empty"),
        pytest.param("#define A 1\n", ["A = 1"], id="object-like"),
        pytest.param("#define A (x)\n", ["A = (x)"], id="a body in parentheses"),
        pytest.param("#define A() 1\n", ["A() = 1"], id="no parameters"),
        pytest.param("#define A(x, y) x\n", ["A(x, y) = x"], id="two parameters"),
        pytest.param("#define A(x, ...) x\n", ["A(x, ...) = x"], id="variadic"),
        pytest.param("#define A(x, y...) x\n", ["A(x, y...) = x"], id="named variadic"),
        pytest.param("#define A(x) a \\\n\tb\n", ["A(x) = a b"], id="continued"),
        pytest.param(
            "#ifdef X\n#define A 1\n#else\n#define A 2\n#endif\n", ["A = 1", "A = 2"], id="both"
        ),
    ],
)
def test_macros_in(text: str, wanted: list[str]) -> None:
    found = []
    for macro in macros_in(reader({FOO: text}).corpus, FOO):
        listed = "" if macro.parameters is None else f"({', '.join(macro.parameters)})"
        body = " ".join(macro.body.decode().split())
        found.append(f"{macro.name}{listed} = {body}".strip())
        assert text.encode()[macro.define :].lstrip().startswith(b"#define")
        first = macro.body.split()[:1]
        assert not first or first[0] in text.encode()[macro.start :].replace(b"\\", b" ")
    assert found == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("#define A 1\n#undef A\n", "", id="no longer"),
        pytest.param("#define A 1\n#undef A\n#define A 2\n", "2", id="another one"),
        pytest.param("#define A 1\n#if 0\n#undef A\n#endif\n", "1", id="never undefined"),
        pytest.param("#define A 1\n#ifdef X\n#undef A\n#endif\n", "1", id="undefined by an option"),
        pytest.param(
            "#define A 1\n#ifdef X\n#undef A\n#define A 2\n#endif\n",
            "12",
            id="another by an option",
        ),
        pytest.param(
            "#ifdef X\n#define A 1\n#undef A\n#define A 2\n#else\n#define A 3\n#endif\n",
            "23",
            id="another in a branch",
        ),
        pytest.param(
            "#ifndef H\n#define A 1\n#undef A\n#define A 2\n#endif\n", "2", id="in a guard"
        ),
        pytest.param(
            "#ifdef X\n#define A 1\n#endif\n#undef A\n#define A 2\n", "2", id="by no option"
        ),
        pytest.param(
            "#define A 1\n#ifndef A\n#define A 2\n#endif\n", "12", id="unless there is one"
        ),
    ],
)
def test_what_a_macro_can_be_behind_conditionals(text: str, wanted: str) -> None:
    found = in_force(reader({FOO: text}).corpus, "A", FOO, len(text))
    assert "".join(macro.body.decode().strip() for macro in found) == wanted


@pytest.mark.parametrize(
    ("text", "word", "wanted"),
    [
        pytest.param("#define A a\n", "offload_handle", [], id="another word"),
        pytest.param("#define A my_offload_handle\n", "offload_handle", [], id="part of a word"),
        pytest.param("int offload_handle;\n", "offload_handle", [], id="no macro"),
        pytest.param("#if 0\n#define A xso\n#endif\n", "xso", [], id="dead"),
        pytest.param("#define A(x) x##_id\n", "xso_handle", [], id="pastes other words"),
        pytest.param("#define A(x, y) x##y\n", "xso", [], id="pastes anything"),
        pytest.param("#define A (x)->xso\n", "xso", ["A"], id="directly"),
        pytest.param("#define A(x) \\\n\t(x)->xso\n", "xso", ["A"], id="on a continued line"),
        pytest.param(
            "#define A(x) ((x)->xso)\n#define B(x) A(x).dev\n", "xso", ["A", "B"], id="two"
        ),
        pytest.param(
            "#define B(x) A(x)\n#define A(x) x->xso\n#define C B\n", "xso", list("ABC"), id="3"
        ),
        pytest.param("#define A(x) x->offload_##x\n", "offload_handle", ["A"], id="pasted"),
        pytest.param("#define A(x) x##_handle\n", "offload_handle", ["A"], id="pasted, fixed end"),
        pytest.param(
            "#ifdef X\n#define A 1\n#else\n#define A xso\n#endif\n", "xso", ["A"], id="else"
        ),
        pytest.param("#define A B\n#define B A xso\n", "xso", ["A", "B"], id="each other"),
    ],
)
def test_macros_that_hide_a_word(text: str, word: str, wanted: list[str]) -> None:
    found = reader({FOO: text}).macros([FOO], "foo").hiding([word])
    assert sorted(found) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", False), ("AB _A A1", False), ("x = A;", True), ("A(1)", True), ("a.A", True)],
)
def test_uses(text: str, wanted: bool) -> None:
    assert uses(text.encode(), {"A": Macro("A", None, b"1", "a.c", 0, 0)}) is wanted


@pytest.mark.parametrize(
    "depth",
    [pytest.param(10, id="ten levels"), pytest.param(60, id="more levels than are followed")],
)
def test_a_tower_of_macros_ends(depth: int) -> None:
    lines = [f"#define M{i}(x) M{i + 1}(x) M{i + 1}(x)" for i in range(depth)]
    found = expanded("\n".join(lines), "M0(a);")
    assert found.text.startswith(b" M") or found.text.startswith(b"M")


def chain(count: int, first: str = "x->xso.offload_handle") -> str:
    links = "".join(f"#define L{n + 1} L{n}\n" for n in range(count))
    return f"#define L0 {first}\n{links}"


def growing(count: int) -> str:
    lines = "".join(f"#define G{n + 1}(a) G{n}(a) + G{n}(G{n}(a))\n" for n in range(count))
    return f"#define G0(a) (a)\n{lines}"


READ = "long example_read(struct xfrm_state *x)\n{\n\treturn %s;\n}\n"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (chain(20) + READ % "L20", True),
        (chain(100) + READ % "L100", True),
        (chain(1000) + READ % "L1000", False),
        (growing(2) + READ % "G2(x->xso.offload_handle)", True),
        (growing(6) + READ % "G6(x->xso.offload_handle)", False),
        (growing(60) + READ % "G60(x->xso.offload_handle)", False),
        ("#define L(a) a\n" + READ % ("L(" * 90 + "x->xso.offload_handle" + ")" * 90), True),
        ("#define L(a) a\n" + READ % ("L(" * 900 + "x->xso.offload_handle" + ")" * 900), False),
    ],
)
def test_a_macro_is_expanded_or_named_as_unknown(text: str, seen: bool, tmp_path: Path) -> None:
    report = report_on(Folder(lay_example(text, tmp_path / "linux")))
    unknown = {(u.path, u.line) for u in report.unknown if "expand to more" in u.reason}
    start = text[: text.index("long")].count("\n") + 1
    assert unknown == (set() if seen else {(EXAMPLE, start)})


@pytest.mark.parametrize("make", [chain, growing])
def test_what_an_expansion_looks_at_is_bounded(
    make: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    take = expansion._Left.take

    def counted(left: expansion._Left, tokens: int) -> None:
        looked.append(tokens)
        take(left, tokens)

    monkeypatch.setattr(expansion._Left, "take", counted)
    use = "L200" if make is chain else "G200(1)"
    found = expanded(make(200), use)
    assert found.cut
    assert words(found.text) == words(use.encode())
    assert sum(looked[:-1]) <= expansion._MOST_TOKENS
