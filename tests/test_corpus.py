"""Short cuts through the text of headers find what a plain search finds."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trees import FOO, Memory
from xfrmlint.c.corpus import Corpus, Memo, definition_in, stands_in
from xfrmlint.c.macros import Macros
from xfrmlint.c.modules import Universe
from xfrmlint.tree.watched import Watched

WORDS = re.compile(rb"xso")
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
    made = ([*one] for one in (memo.units, memo.named, memo.defines, memo.define_texts))
    assert [sorted(key[0] for key in one) for one in made] == [[FOO, "include/a.h"]] * 4
    memo.forget_drivers()
    left = ([*one] for one in (memo.units, memo.named, memo.defines, memo.define_texts))
    assert [[key[0] for key in one] for one in left] == [["include/a.h"]] * 4
