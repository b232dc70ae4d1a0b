"""What a run does grows with its input as the input does: counted in calls, at two sizes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from tests.laid import EXAMPLE, lay, lay_example
from tests.trees import Memory
from tests.whole.test_hostile import SOURCE
from xfrmlint.analysis.parts import plan
from xfrmlint.c.graph import Does, Step
from xfrmlint.c.text import without_comments
from xfrmlint.check import check_tree
from xfrmlint.flow.onward import onward_steps
from xfrmlint.git.overlay import laid
from xfrmlint.git.patch import series_of
from xfrmlint.kernel.kbuild import Kbuild
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree.folder import Folder

pytestmark = pytest.mark.slow

RULES = load_rules([rules_folder()])
# Four times the input may cost five times as much: a logarithm, what is begun for the first time.
MOST = 5.0
ADD = "\tx->xso.offload_handle = 1;\n"
XMIT = "\treturn x->xso.offload_handle ?"


def in_add(text: str) -> str:
    return SOURCE.replace(ADD, f"{ADD}{text}")


def in_xmit(text: str) -> str:
    return SOURCE.replace(XMIT, f"{text}{XMIT}")


def each(count: int, line: str) -> str:
    return "".join(line.replace("@+", str(n + 1)).replace("@", str(n)) for n in range(count))


READ = "\th = x->xso.offload_handle;\n"
C: dict[str, tuple[int, Callable[[int], str]]] = {
    "reads in a function": (50, lambda n: in_xmit(READ * n)),
    "reads in a control path": (50, lambda n: in_add(READ * n)),
    "cases": (200, lambda n: in_xmit("switch (a) {\n" + each(n, f"case @:{READ}break;\n") + "}\n")),
    "else ifs": (50, lambda n: in_xmit("if (a) ;\n" + f"else if (b) {{ {READ} }}\n" * n)),
    "labels": (50, lambda n: in_xmit(each(n, f"l@:{READ}"))),
    "elifs": (200, lambda n: in_xmit("#if A\n" + each(n, f"#elif A@\n{READ}") + "#endif\n")),
    "conditionals": (50, lambda n: in_xmit(each(n, f"#ifdef A@\n{READ}#else\n\th = 0;\n#endif\n"))),
    "conditionals in each other": (
        50,
        lambda n: in_xmit(each(n, "#ifdef A@\n") + READ + "#endif\n" * n),
    ),
    "functions with reads": (
        50,
        lambda n: SOURCE + each(n, f"long f@(struct xfrm_state *x)\n{{\n{READ}\treturn h;\n}}\n"),
    ),
    "functions in a row": (
        50,
        lambda n: (
            SOURCE
            + each(n, "long f@(struct xfrm_state *x)\n{\n\treturn f@+(x);\n}\n")
            + f"long f{n}(struct xfrm_state *x)\n{{\n{READ}\treturn h;\n}}\n"
        ),
    ),
    "macros with reads": (
        50,
        lambda n: (
            each(n, "#define M@(x) ((x)->xso.offload_handle)\n")
            + in_xmit(each(n, "\th = M@(x);\n"))
        ),
    ),
    "macros in a row": (
        30,
        lambda n: each(n, "#define L@+ L@\n") + in_xmit(f"\th = L{n};\n"),
    ),
    "one macro again and again": (
        50,
        lambda n: each(n, "#define M x->xso.offload_handle + @\n") + in_xmit("\th = M;\n"),
    ),
    "calls in each other": (50, lambda n: in_xmit("\th = " + "f(" * n + "x" + ")" * n + ";\n")),
    "casts": (50, lambda n: in_xmit("\th = " + "(long)" * n + "x->xso.offload_handle;\n")),
    "parentheses": (50, lambda n: in_xmit("\th = " + "(" * n + "1" + ")" * n + ";\n")),
    "brackets": (50, lambda n: in_xmit("\th = " + "a[" * n + "1" + "]" * n + ";\n")),
    "structs without a name in each other": (
        30,
        lambda n: (
            "struct big {\n"
            + "struct {\n" * n
            + "struct xfrm_state *x;\n"
            + "};\n" * (n + 1)
            + in_xmit("\tstruct big *b; h = b->x->xso.offload_handle;\n")
        ),
    ),
    "locals": (50, lambda n: in_xmit(each(n, "\tlong v@ = a(v@);\n"))),
    "aliases": (
        150,
        lambda n: in_xmit("\tlong v0 = x->xso.offload_handle;\n" + each(n, "\tlong v@+ = v@;\n")),
    ),
    "a flag that is asked for": (
        100,
        lambda n: in_xmit(f"\tlong g = 0;\n{READ}" + each(n, "\tif (g == @)\n\t\tg = h;\n")),
    ),
    "functions that call ten": (
        10,
        lambda n: (
            SOURCE
            + "".join(
                f"long f{m}_{k}(struct xfrm_state *x)\n{{\n\treturn "
                + (
                    " + ".join(f"f{m + 1}_{i}(x)" for i in range(10))
                    if m < n
                    else "x->xso.offload_handle"
                )
                + ";\n}\n"
                for m in range(n + 1)
                for k in range(10)
            )
        ),
    ),
    "tables": (
        50,
        lambda n: (
            SOURCE
            + each(
                n, "static const struct xfrmdev_ops t@ = { .xdo_dev_state_add = example_add };\n"
            )
        ),
    ),
    "blanks": (500, lambda n: in_xmit("\th = " + " " * n + "x->xso.offload_handle;\n")),
    "quotes": (200, lambda n: SOURCE + 'char *s = "' + '\\"' * n + '";\n'),
    "for_each words": (100, lambda n: in_xmit("\t" + "for_each" * n + " ;\n")),
}


class Counted:
    """How many calls were made."""

    calls = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        self.calls += event in ("call", "c_call")


@contextmanager
def counting() -> Iterator[Counted]:
    counted = Counted()
    sys.setprofile(counted)
    try:
        yield counted
    finally:
        sys.setprofile(None)


def calls_of(text: str, folder: Path) -> int:
    tree = lay_example("", folder)
    (tree / EXAMPLE).write_text(text)
    with counting() as counted:
        check_tree(Folder(tree), RULES)
    return counted.calls


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> int:
    """What a run costs whatever it finds; the first one imports what it needs."""
    calls_of(SOURCE, tmp_path_factory.mktemp("first") / "linux")
    return calls_of(SOURCE, tmp_path_factory.mktemp("base") / "linux")


@pytest.mark.parametrize("name", C)
def test_c(name: str, base: int, tmp_path: Path) -> None:
    count, make = C[name]
    small = calls_of(make(count), tmp_path / "small") - base
    large = calls_of(make(4 * count), tmp_path / "large") - base
    assert large <= MOST * max(small, base // 20)


CORE = "include/net/xfrm.h"


def test_calls_in_each_other_in_the_core(base: int, tmp_path: Path) -> None:
    def calls(count: int) -> int:
        tree = lay_example("", tmp_path / f"{count}")
        head, end, rest = (tree / CORE).read_text().rpartition("#endif")
        nested = "f(" * count + "x->xso.offload_handle" + ")" * count
        own = f"static inline long core(struct xfrm_state *x)\n{{\n\treturn {nested};\n}}\n"
        (tree / CORE).write_text(f"{head}{own}{end}{rest}")
        with counting() as counted:
            check_tree(Folder(tree), RULES)
        return counted.calls - base

    assert calls(400) <= MOST * max(calls(100), base // 20)


@pytest.mark.parametrize("where", ["drivers/net/example/c@.c", "drivers/net/e@/c.c"])
def test_sources_that_no_makefile_links(where: str, base: int, tmp_path: Path) -> None:
    def calls(count: int) -> int:
        tree = lay_example("", tmp_path / f"{count}")
        for number in range(count):
            path = tree / where.replace("@", str(number))
            path.parent.mkdir(exist_ok=True)
            path.write_text(SOURCE)
        with counting() as counted:
            plan(Folder(tree))
        return counted.calls

    # What is analysed of them at once has a bound; what they are cut into parts for has none.
    assert calls(400) <= MOST * max(calls(100), base // 20)


FOLLOWING: dict[str, Callable[[int, int], list[int]]] = {
    "one": lambda i, n: [i + 1],
    "two": lambda i, n: [i + 1, min(n, i + 2)],
    "a switch": lambda i, n: [*range(1, n)] if i == 0 else [n],
}


@pytest.mark.parametrize("some", [1, 3, 10_000])
@pytest.mark.parametrize("links", FOLLOWING)
def test_what_follows_a_step_is_found_once(links: str, some: int) -> None:
    def calls(count: int) -> int:
        steps = [Step(Does.TEST, None, FOLLOWING[links](i, count)) for i in range(count)]
        steps.append(Step(Does.END, None))
        with counting() as counted:
            found = onward_steps(steps, {*range(0, count, some), count})
        assert found[count] == (count,)
        return counted.calls + sum(map(len, {id(one): one for one in found.values()}.values()))

    assert calls(2000) <= MOST * calls(500)


def patches(count: int) -> bytes:
    """Return a mailbox in which each patch adds a line to one file."""
    made = []
    for number in range(count):
        hunk = f"@@ -{number + 1},1 +{number + 1},2 @@\n line {number}\n+line {number + 1}\n"
        made.append(
            "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
            f"From: A <a@b>\nSubject: [PATCH {number + 1}/{count}] x\nMessage-Id: <{number}@b>\n\n"
            f"---\n--- a/f.c\n+++ b/f.c\n{hunk}-- \n2\n\n"
        )
    return "".join(made).encode()


def calls_of_series(count: int) -> int:
    tree = Memory({"f.c": b"line 0\n"})
    series = series_of(patches(count), "p")
    around = tree
    with counting() as counted:
        for patch in series:
            around = laid(around, [patch], False).after  # type: ignore[assignment]
            around.search("line")
            around.read("f.c")
            around.digest("other.c") if around.is_file("other.c") else None
    return counted.calls


def test_a_series_of_patches() -> None:
    # Each patch is laid over a file that has grown with them.
    assert calls_of_series(80) <= MOST * calls_of_series(20) * 1.6


HEADER = "--- a/x.c{}y\n+++ b/x.c{}y\n@@ -1 +1 @@\n-a\n+b\n"


@pytest.mark.parametrize("filler", [" ", "\t2", " 2020-01-01 00:00:00", "-", '\\"'])
def test_a_name_s_length_costs_no_calls(filler: str) -> None:
    def calls(count: int) -> int:
        with counting() as counted:
            series_of(HEADER.replace("{}", filler * count).encode(), "p")
        return counted.calls

    assert calls(4000) <= calls(1000) + 100


MAKE: dict[str, Callable[[int], str]] = {
    "variables in a row": lambda n: each(n, "A@+ = $(A@)\n") + f"example-y += $(A{n})\n",
    "variables that double": lambda n: each(n, "A@+ = $(A@) $(A@)\n") + f"example-y += $(A{n})\n",
    "assignments of one": lambda n: "example-y += a.o\n" * n,
    "immediate assignments of one": lambda n: "example-y := $(example-y) a.o\n" * n,
    "open references": lambda n: "example-y += " + "$(" * n + "\n",
    "substitutions": lambda n: "example-y += " + "$(subst a,aa," * n + "a" + ")" * n + "\n",
    "blank lines": lambda n: "\n" * n,
    "continued lines": lambda n: "example-y += " + "\\\n" * n + "a.o\n",
    "parts of parts": lambda n: each(n, "c@-y := c@+.o d@.o\n") + "example-y += c0.o\n",
}


@pytest.mark.parametrize("name", MAKE)
def test_makefiles(name: str) -> None:
    def calls(count: int) -> int:
        text = f"obj-m += example.o\n{MAKE[name](count)}"
        tree = Memory({EXAMPLE: b"", EXAMPLE.replace("example.c", "Makefile"): text.encode()})
        with counting() as counted:
            Kbuild(tree).modules_of(EXAMPLE)
        return counted.calls

    assert calls(2000) <= MOST * max(calls(500), 1000)


def test_the_base_is_laid(tmp_path: Path) -> None:
    assert (lay("rfc", tmp_path / "linux") / "include/net/xfrm.h").is_file()


def test_an_escaped_quote_outside_a_string_begins_none() -> None:
    text = b'x \\" /* a */ \\" "b /* c */" /* d */ "e'
    assert without_comments(text) == b'x \\"         \\" "b /* c */"         "e'
