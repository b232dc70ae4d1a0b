"""Short cuts through the text of headers find what a plain search finds."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trees import FOO, Memory
from xfrmlint.c.corpus import Corpus, Memo, stands_in
from xfrmlint.c.definitions import definition_in
from xfrmlint.c.macros import Macros
from xfrmlint.c.modules import Universe
from xfrmlint.c.reader import Reader
from xfrmlint.tree.watched import Watched

WORDS = re.compile(rb"xso")
BESIDE = "drivers/net/foo/b.h"
PIECES = st.sampled_from(
    [
        "#define ", "# define\t", "#  define", "#undef", "#include <a.h>", '#include "b.h"', "  ",
        "# include\t<c/d.h>", "#include <", ">", '"', "\n", "\n", "\r\n", "\\\n", "\\\r\n",
        "\\", "\\\\\n", "\r", "\t", "/* ", " */", "// ", "A", "B(x)", "xso", " xso ", "axso", "(x)",
        "\\\n\n", "##", "a##b", "foo(", ";", "int ", "#", "\0", "é",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=40).map("".join)


def corpus(text: str) -> Corpus:
    return Corpus(Memory({FOO: text.encode(), "include/a.h": b"", "include/c/d.h": b""}), WORDS)


@given(TEXTS)
def test_includes_are_those_at_the_start_of_a_line(text: str) -> None:
    plain = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
    wanted = [(m.group(2), m.group(1) == b'"') for m in plain.finditer(text.encode())]
    assert corpus(text).named(FOO) == wanted


@given(TEXTS)
def test_defines_are_those_at_the_start_of_a_line(text: str) -> None:
    plain = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.M)
    assert corpus(text).defines(FOO) == frozenset(plain.findall(text.encode()))


TAGS = st.sampled_from(["struct ", "mystruct ", "union\t", "\n", " ", "A {", "A", "A{", "{", "; *"])


@given(st.lists(TAGS, max_size=12).map("".join))
def test_a_struct_begins_with_its_keyword(text: str) -> None:
    plain = re.search(rb"\bstruct\s+A\s*\{", text.encode())
    found = definition_in(text.encode(), "struct", b"A")
    assert (found and found[0]) == (plain and plain.start())


@pytest.mark.parametrize(
    ("home", "asked"), [(("include",), False), (("include", "drivers/net/foo"), True)]
)
def test_a_header_that_only_headers_can_include_is_not_searched_for(
    home: tuple[str, ...], asked: bool
) -> None:
    tree = Watched(Memory({"include/net/a.h": b"", FOO: b"#include <net/a.h>\n"}))
    universe = Universe(Corpus(tree, WORDS))
    universe.home = home
    assert [module.name for module in universe.modules("include/net/a.h")] == [
        "foo" if asked else "net"
    ]
    assert bool(tree.seen.searches) == asked


@given(TEXTS)
def test_no_macro_is_lost(text: str) -> None:
    class Whole(Corpus):
        """Without the short cut."""

        def define_text(self, path: str) -> bytes:
            return self.data(path)

    tree = Memory({FOO: text.encode()})
    found = Macros(corpus(text), [FOO])
    wanted = Macros(Whole(tree, WORDS), [FOO])
    for words in (["xso"], ["A", "B"], ["ab"]):
        assert found.hiding(words) == wanted.hiding(words)


@given(TEXTS, st.sampled_from([rb"\bxso\s*\(?", rb"(?<!\w)xso\b", rb"\bA\s*(?:__\w+\s*)?[);,\[]"]))
def test_a_pattern_stands_where_its_word_does(text: str, pattern: bytes) -> None:
    compiled = re.compile(pattern)
    word = b"A" if b"A" in pattern else b"xso"
    found = stands_in(text.encode(), word, compiled)
    assert found == (compiled.search(text.encode()) is not None)


def test_what_drivers_read_alone_is_forgotten() -> None:
    memo = Memo()
    tree = Memory({FOO: b"#include <a.h>\n#define A xso\n", "include/a.h": b"int a;\n"})
    read = Corpus(tree, WORDS, memo)
    for path in read.closure(FOO):
        read.unit(path)
        read.defines(path)
        read.define_text(path)
    made = ([*one] for one in (memo.units, memo.included, memo.defines, memo.define_texts))
    assert [sorted(key[0] for key in one) for one in made] == [[FOO, "include/a.h"]] * 4
    memo.forget_drivers()
    left = ([*one] for one in (memo.units, memo.included, memo.defines, memo.define_texts))
    assert [[key[0] for key in one] for one in left] == [["include/a.h"]] * 4


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        pytest.param({FOO: "#define A\n#include <a.h>\n"}, ["include/a.h"], id="no macro"),
        pytest.param({FOO: '// #include A\n#define A "b.h"\n'}, [], id="in a comment"),
        pytest.param({FOO: '#define A "b.h"\n#include A\n'}, [BESIDE], id="in quotes"),
        pytest.param({FOO: "#define A <a.h>\n#include A\n"}, ["include/a.h"], id="in brackets"),
        pytest.param(
            {FOO: '#ifdef X\n#define A "b.h"\n#else\n#define A <a.h>\n#endif\n# include A\n'},
            [BESIDE, "include/a.h"],
            id="one of two",
        ),
        pytest.param(
            {
                FOO: '#include "c.h"\n#include A\n',
                BESIDE.replace("b.h", "c.h"): '#define A "b.h"\n',
            },
            [BESIDE.replace("b.h", "c.h"), BESIDE],
            id="defined in a header",
        ),
        pytest.param({FOO: "#include A\n"}, ["?"], id="defined nowhere"),
        pytest.param({FOO: "#define A B(x)\n#include A\n"}, ["?"], id="no name"),
        pytest.param({FOO: '#define A "gone.h"\n#include A\n'}, ["?"], id="no such file"),
    ],
)
def test_an_include_by_a_macro(files: dict[str, str], wanted: list[str]) -> None:
    read = Corpus(
        Memory(
            {BESIDE: b"", "include/a.h": b"", **{p: text.encode() for p, text in files.items()}}
        ),
        WORDS,
    )
    assert read.includes(FOO) + ["?"] * len(read.doubts) == wanted


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        (["arch/x86/include/asm/a.h", "include/asm-generic/a.h"], "arch/x86/include/asm/a.h"),
        (["include/asm-generic/a.h", "include/uapi/asm-generic/a.h"], "include/asm-generic/a.h"),
        (["include/uapi/asm-generic/a.h"], "include/uapi/asm-generic/a.h"),
        (["arch/arm/include/asm/a.h", "include/a.h"], None),
    ],
)
def test_what_the_architecture_has_not_is_generic(there: list[str], wanted: str | None) -> None:
    read = Corpus(Memory({FOO: b"#include <asm/a.h>\n", **dict.fromkeys(there, b"")}), WORDS)
    assert read.includes(FOO) == ([wanted] if wanted else [])


def test_a_version_is_asked_for_by_whom_it_matters_to() -> None:
    memo = Memo()
    text = b"#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)\nint a;\n#else\nint b;\n#endif\n"
    seen = []
    for number in (b"5", b"6", b"6", b""):
        tree = Watched(Memory({FOO: text, BESIDE: b"int c;\n", "Makefile": b"VERSION = " + number}))
        read = Corpus(tree, WORDS, memo)
        assert read.unit(BESIDE).text == b"int c;\n"
        assert "Makefile" not in tree.seen.texts
        seen.append(read.unit(FOO).text.split())
        assert "Makefile" in tree.seen.texts
    assert seen == [[b"int", b"a;"], *[[b"int", b"b;"]] * 2, [b"int", b"a;", b"int", b"b;"]]
    assert len(memo.units) == 4


SINCE = "#define SINCE(a) (LINUX_VERSION_CODE >= KERNEL_VERSION(a, 0, 0))\n"
DEFAULT = "#ifndef R\n#define R 0\n#endif\n#define SINCE_R(a) (!R && SINCE(a))\n"
NEVER = (
    "#if !SINCE(9)\nint c;\n#else\n"
    "#undef LINUX_VERSION_CODE\n#define LINUX_VERSION_CODE KERNEL_VERSION(5, 0, 0)\n#endif\n"
)
ANOTHERS = (
    "#ifdef Q\n#if Q > 8\n#define N\n#endif\n#else\n"
    "#if LINUX_VERSION_CODE >= KERNEL_VERSION({}, 0, 0)\n#define N\n#endif\n#endif\n"
)
OLD = "#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 0, 0)\n#define OLD\n#endif\n"


KERNELS = (
    "#ifndef _K_H\n#define _K_H\n#include <asm/k.h>\n#define R 8\n#define OLD\n#define K f(1)\n"
    "#ifdef CONFIG_XFRM_OFFLOAD\n#define S\n#endif\n#ifdef CONFIG_O\n#define O\n#endif\n#endif\n"
)


@pytest.mark.parametrize(
    ("headers", "condition", "wanted"),
    [
        pytest.param({"c.h": SINCE}, "SINCE(6)", "a", id="a macro"),
        pytest.param({"c.h": SINCE}, "SINCE(9)", "b", id="of a later version"),
        pytest.param({"c.h": SINCE + DEFAULT}, "SINCE_R(6)", "a", id="a default"),
        pytest.param(
            {"c.h": "#include <k.h>\n" + SINCE + DEFAULT}, "SINCE_R(6)", "ab", id="in a kernel"
        ),
        pytest.param(
            {"c.h": SINCE + DEFAULT, "Makefile": "ccflags-$(CONFIG_R) += -DR=8\n"},
            "SINCE_R(6)",
            "ab",
            id="by an option",
        ),
        pytest.param(
            {"c.h": SINCE + DEFAULT, "Makefile": "ccflags-y += -DR=8\n"},
            "SINCE_R(6)",
            "b",
            id="told",
        ),
        pytest.param(
            {"c.h": SINCE + DEFAULT, "/Makefile": "VERSION = 7\nvendor = echo '#define R 8'\n"},
            "SINCE_R(6)",
            "ab",
            id="by a vendor's kernel",
        ),
        pytest.param(
            {"c.h": SINCE + NEVER + "#if 0\n#define SINCE(a) 0\n#endif\n"},
            "SINCE(6)",
            "a",
            id="again where it is never compiled",
        ),
        pytest.param({"c.h": '#include "d.h"\n', "d.h": SINCE}, "SINCE(6)", "a", id="two headers"),
        pytest.param(
            {"c.h": '#include "d.h"\n#define NEW SINCE(6)\n', "d.h": SINCE},
            "NEW",
            "a",
            id="by another",
        ),
        pytest.param(
            {"c.h": SINCE, "d.h": "#define SINCE(a) 0\n"}, "SINCE(6)", "ab", id="one of two"
        ),
        pytest.param({"c.h": SINCE, "d.h": SINCE}, "SINCE(6)", "a", id="twice the same"),
        pytest.param({"c.h": OLD}, "defined(OLD)", "b", id="never defined"),
        pytest.param(
            {"c.h": OLD, "d.h": "#define OLD\n"}, "defined(OLD)", "ab", id="defined elsewhere"
        ),
        pytest.param(
            {"c.h": OLD, "d.h": "#include <k.h>\n"}, "defined(OLD)", "ab", id="by the kernel"
        ),
        pytest.param({"c.h": ANOTHERS.format(6)}, "defined(N)", "a", id="not another kernel's"),
        pytest.param({"c.h": ANOTHERS.format(9)}, "defined(N)", "b", id="nor a later one's"),
        pytest.param(
            {"c.h": ANOTHERS.format(6)}, "SINCE(6) && !defined(OWN)", "ab", id="SINCE is none"
        ),
        pytest.param(
            {"c.h": SINCE}, "SINCE(6) && !defined(OWN)", "a", id="beside what asks for the version"
        ),
        pytest.param({"c.h": SINCE}, "SINCE(6) || OWN > 3", "a", id="or a number beside it"),
        pytest.param({"c.h": SINCE}, "SINCE(9) || OWN > 3", "b", id="which nobody has"),
        pytest.param({"c.h": SINCE}, "defined(OWN)", "ab", id="an option of its own"),
        pytest.param({"c.h": SINCE}, "SINCE(6) && !defined(CONFIG_O)", "ab", id="the kernel's"),
        pytest.param(
            {"c.h": ANOTHERS.format(6), "include/q.h": "#define Q 8\n"},
            "defined(N)",
            "ab",
            id="the tree has one",
        ),
        pytest.param(
            {"c.h": ANOTHERS.format(6), "/Makefile": "VERSION = 7\nx = echo '#define Q 8'\n"},
            "defined(N)",
            "ab",
            id="it writes one",
        ),
        pytest.param(
            {"c.h": ANOTHERS.format(6), "Makefile": "ccflags-$(CONFIG_R) += -DQ=9\n"},
            "defined(N)",
            "ab",
            id="it can be told",
        ),
        pytest.param(
            {"c.h": ANOTHERS.format(6), "Makefile": "ccflags-y += $(shell ./flags)\n"},
            "defined(N)",
            "ab",
            id="what is told is not known",
        ),
        pytest.param(
            {"c.h": ANOTHERS.format(6), "d.h": '#include "generated.h"\n'},
            "SINCE(6) && defined(N)",
            "ab",
            id="a header is lost",
        ),
        pytest.param(
            {"c.h": '#include "generated.h"\n' + ANOTHERS.format(6)},
            "defined(N)",
            "ab",
            id="one that could define it",
        ),
        pytest.param({"c.h": "#define N 0\n"}, "N", "b", id="a number"),
        pytest.param({"c.h": "#define N PAGE_SIZE\n"}, "N > 5", "ab", id="of what is not known"),
        pytest.param({"c.h": "#define N 0\n", "d.h": "#define N 1\n"}, "N", "ab", id="two numbers"),
        pytest.param(
            {"c.h": "#ifdef CONFIG_N\n#define N 0\n#endif\n"}, "N", "ab", id="by an option alone"
        ),
        pytest.param(
            {"c.h": "#define N 0\n", "d.h": "#ifdef X\n#undef N\n#endif\n"},
            "N",
            "b",
            id="undefined before it is defined",
        ),
        pytest.param(
            {"c.h": "#define N 0\n#ifdef X\n#undef N\n#endif\n"}, "N", "ab", id="and undefined"
        ),
        pytest.param(
            {"c.h": "#ifndef N\n#define N 0\n#endif\n"}, "N", "ab", id="unless it was before"
        ),
        pytest.param({"c.h": "#include <k.h>\n"}, "defined(K)", "a", id="a kernel's"),
        pytest.param({"c.h": "#include <k.h>\n"}, "!defined(K)", "b", id="a kernel's, not"),
        pytest.param({"c.h": "#include <k.h>\n"}, "K", "ab", id="as what, in a kernel"),
        pytest.param({"c.h": "#include <k.h>\n"}, "defined(S)", "a", id="with the offload"),
        pytest.param({"c.h": "#include <k.h>\n"}, "defined(O)", "ab", id="with an option"),
        pytest.param({"c.h": "#include <k.h>\n"}, "defined(A)", "ab", id="an architecture's"),
        pytest.param({"c.h": "#include <k.h>\n"}, "defined(NONE)", "ab", id="nobody's"),
        pytest.param({"c.h": ""}, "defined(K)", "ab", id="not included"),
        pytest.param(
            {"c.h": "#include <k.h>\n#ifdef K\n#define N\n#endif\n"},
            "defined(N)",
            "a",
            id="where a kernel has another",
        ),
    ],
)
def test_what_headers_define_decides(headers: dict[str, str], condition: str, wanted: str) -> None:
    files = {"include/k.h": KERNELS, "arch/x86/include/asm/k.h": "#define A\n"} | headers
    files.setdefault("/Makefile", "VERSION = 7\n")
    files = {
        name.lstrip("/") if "/" in name else f"drivers/net/foo/{name}": text
        for name, text in files.items()
    }
    text = "".join(f'#include "{name}"\n' for name in headers if name.endswith(".h"))
    text += f"#if {condition}\nint a;\n#else\nint b;\n#endif\n"
    files[FOO] = text
    read = Corpus(Memory({path: text.encode() for path, text in files.items()}), WORDS)
    assert "".join(re.findall(r"int (.)", read.unit(FOO).text.decode())) == wanted


@pytest.mark.parametrize(
    ("before", "condition", "wanted"),
    [
        ("#define N 0\n", "#if N", "b"),
        ("#define N (1 << 2)\n", "#if N", "a"),
        ("#define N\n", "#ifdef N", "a"),
        ("#ifndef N\n#define N 0\n#endif\n", "#if N", "b"),
        ("#define N 0\n", "#if N || M", "ab"),
        ("#define N f()\n", "#if N", "ab"),
        ("#ifdef M\n#define N 0\n#else\n#define N 1\n#endif\n", "#if N", "ab"),
        ("#define N 0\n#undef N\n", "#if N", "ab"),
        ("", "#ifdef N", "ab"),
    ],
)
def test_what_a_file_defines_decides(before: str, condition: str, wanted: str) -> None:
    text = f"{before}{condition}\nint a;\n#else\nint b;\n#endif\n#define N 3\n"
    read = Corpus(Memory({FOO: text.encode()}), WORDS)
    assert "".join(re.findall(r"int (.)", read.unit(FOO).text.decode())) == wanted


TEMPLATE = "drivers/net/foo/queue.h"


def names(files: dict[str, str]) -> list[list[str]]:
    """Return the functions that a header means, by inclusion."""
    made = {path: text.encode() for path, text in files.items()}
    reader = Reader(Memory({"drivers/net/foo/Makefile": b"obj-m += foo.o\n", **made}), WORDS)
    (item,) = reader.corpus.unit(TEMPLATE).items
    functions = [view.item.name for view in reader.views(TEMPLATE, item, {})]
    found = [v.item.name for n in functions for v in reader.definitions(n, FOO)]
    return [functions, found]


@pytest.mark.parametrize(
    ("source", "header", "wanted"),
    [
        pytest.param("", "int f(void) { return 0; }\n", ["f"], id="no macro"),
        pytest.param(
            "#define N f\n{0}#undef N\n#define N g\n{0}",
            "int N(void) { return 0; }\n",
            ["f", "g"],
            id="a name",
        ),
        pytest.param(
            "#define F(x) f_##x\n{0}#undef F\n#define F(x) g_##x\n{0}",
            "int F(a)(void) { return 0; }\n",
            ["f_a", "g_a"],
            id="a name put together",
        ),
        pytest.param(
            "#define J(a, b) a##b\n#define F(x) J(f_, x)\n{0}#undef F\n#define F(x) J(g_, x)\n{0}",
            "int F(a)(void) { return 0; }\n",
            ["f_a", "g_a"],
            id="a name put together by another macro",
        ),
        pytest.param(
            "#define N f\n{0}#undef N\n#define N g\n{0}",
            "#ifndef Q\n#define Q\nint N(void) { return 0; }\n#endif\n",
            ["N"],
            id="a guard",
        ),
        pytest.param(
            "#define N f\n{0}{0}", "int N(void) { return 0; }\n", ["f"], id="the same both times"
        ),
    ],
)
@pytest.mark.parametrize("include", ['#include "queue.h"\n', "#include Q\n"])
def test_a_header_that_is_included_twice(
    source: str, header: str, wanted: list[str], include: str
) -> None:
    text = '#define Q "queue.h"\n' + source.format(include)
    assert names({FOO: text, TEMPLATE: header})[0] == wanted


def test_a_function_of_a_template_is_found_by_its_name() -> None:
    text = '#define N f\n#include "queue.h"\n#undef N\n#define N g\n#include "queue.h"\n'
    assert names({FOO: text, TEMPLATE: "int N(void) { return 0; }\n"}) == [["f", "g"]] * 2


def test_more_settings_than_are_read_are_a_doubt() -> None:
    text = "".join(f'#undef N\n#define N f{n}\n#include "queue.h"\n' for n in range(9))
    reader = Reader(Memory({FOO: text.encode(), TEMPLATE: b"int N(void) { return 0; }\n"}), WORDS)
    assert len(reader.settings(TEMPLATE)) == 8
    assert [path for path, _ in reader.corpus.doubts] == [TEMPLATE]
