"""Input that nobody wrote in good faith: no crash, no endless run, nothing lost in silence."""

import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.laid import EXAMPLE, FIXTURES, lay, lay_example
from tests.ran import run, run_json
from xfrmlint.check import check_tree
from xfrmlint.errors import InputError
from xfrmlint.report.json import render
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree.folder import Folder

pytestmark = pytest.mark.slow

RULES = load_rules([rules_folder()])
SECONDS = 30
MEMORY = 3 << 30
KIND = "DIRECT_OFFLOAD_HANDLE"
HEADERS = "#include <linux/netdevice.h>\n#include <linux/skbuff.h>\n#include <net/xfrm.h>\n"
DRIVER = """\
static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct xfrm_state *x = xfrm_input_state(skb);

	return x->xso.offload_handle ? NETDEV_TX_BUSY : NETDEV_TX_OK;
}

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add = example_add,
};

static const struct net_device_ops example_netdev_ops = {
	.ndo_start_xmit = example_xmit,
};

void example_setup(struct net_device *dev)
{
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
SOURCE = HEADERS + DRIVER
LINE = SOURCE[: SOURCE.index("return x->xso")].count("\n") + 1


def lay_bytes(data: bytes, destination: Path) -> Path:
    """Lay the driver `example` with these bytes as its only source."""
    tree = lay_example("", destination)
    (tree / EXAMPLE).write_bytes(data)
    return tree


def contained(tree: Path) -> Any:
    """Return a run's JSON document; the run has SECONDS and MEMORY in a process of its own."""
    written = tree.parent / "report.json"
    child = os.fork()
    if child == 0:
        status = 2
        try:
            # Nobody catches the alarm: it ends a loop in C, too.
            signal.alarm(SECONDS)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            report = check_tree(Folder(tree), RULES)
            written.write_text("\n".join(render(report, report.findings)))
            status = 0
        except InputError as error:
            written.write_text(json.dumps({"refused": str(error)}))
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    assert ended == 0
    return json.loads(written.read_text())


def lines(document: Any) -> list[int]:
    return [f["line"] for f in document["findings"] if f["type"] == KIND and f["path"] == EXAMPLE]


def test_the_driver_of_these_tests_has_one_finding(tmp_path: Path) -> None:
    document = run_json(cwd=lay_bytes(SOURCE.encode(), tmp_path / "linux"))
    assert lines(document) == [LINE]
    assert document["unknown"] == []


# What must change nothing but the line: text before the driver, and how many lines that adds.
HARMLESS: dict[str, bytes] = {
    "byte order mark": b"\xef\xbb\xbf",
    "form feeds": b"\f\nint a;\f\n\f\f\n",
    "vertical tabs and separators": b"\v\x1c\x1d\x1e\n\xc2\x85\xe2\x80\xa8\n",
    "carriage returns alone": b"/* a\rb\rc */\n",
    "NUL in a comment": b"/* a\0b */\n",
    "Latin-1 comment": b"/* J\xf6rg M\xfcller */\n// \xe9\xe8\n",
    "broken UTF-8": b"/* \xff\xfe\xc0\x80\xed\xa0\x80 */\n",
    "bidi override": "/* \u202e } \u2066 */\n".encode(),
    "endif without if": b"#endif\n#else\n#elif 1\n#endif\n",
    "define without name": b"#define\n#define \n# \n#\n#define (x) y\n#define 1 2\n",
    "strange directives": b'#pragma once\n#error no\n#warning hm\n#line 7 "x.c"\n#ident\n',
    "trigraph and digraph": b"??=define A\n%:define B\n",
    "macro that is its own": b"#define A B\n#define B A\n#define C C + C\nint v = A + C;\n",
    "macro that grows": b"#define E(x) E(x, x)\nint w[] = { E(1) };\n",
    "open argument list": b"#define F(a) a\n#define G F(\nint g = 1;\n",
    "define at a continued end": b"#define H 1 \\\n\nint h = H;\n",
    "10,000 continued lines": b"#define L 1 " + b"+ 1 \\\n" * 10_000 + b"+ 1\n",
    "name of 100,000 letters": b"int " + b"n" * 100_000 + b";\n",
    "macro of 100,000 letters": b"#define " + b"M" * 100_000 + b" 1\n",
    "string of 200,000 letters": b'const char *s = "' + b"s" * 200_000 + b'";\n',
    "100,000 macros": b"".join(b"#define M%d M%d\n" % (n, n + 1) for n in range(100_000)),
    "include of nothing": b'#include\n#include ""\n#include <>\n#include "\n#include MACRO\n',
    "include of far places": (
        b'#include "/etc/passwd"\n#include "../../../../../../../../etc/passwd"\n'
        b'#include "."\n#include ".."\n#include "a/"\n#include <..//..//x.h>\n'
    ),
    "include with NUL": b'#include "a\0b.h"\n#include "a\0/b.h"\n#include <\0>\n',
    "include with a long name": b'#include "' + b"a" * 5_000 + b'/b.h"\n',
    "include that is no UTF-8": b'#include "\xff\xfe/\xe9.h"\n',
    "#if 0 with a quote": b"#if 0\ndon't read \"this\n#endif\n",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_stands_before_moves_the_line_only(name: str, tmp_path: Path) -> None:
    before = HARMLESS[name]
    tree = lay_bytes(before + SOURCE.encode(), tmp_path / "linux")
    assert lines(contained(tree)) == [LINE + before.count(b"\n")]


def test_line_ends_of_another_system(tmp_path: Path) -> None:
    tree = lay_bytes(SOURCE.replace("\n", "\r\n").encode(), tmp_path / "linux")
    assert lines(run_json(cwd=tree)) == [LINE]


def test_a_source_line_can_not_act_on_a_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e\r"
    text = SOURCE.replace("? NETDEV_TX_BUSY", f"/* {evil} */ ? NETDEV_TX_BUSY")
    ran = run("check", cwd=lay_bytes(text.encode(), tmp_path / "linux"))
    assert ran.status == 1
    assert "\\x1b]0;title\\x07" in ran.out
    assert not set(ran.out) & {"\x1b", "\x07", "\x9b", "\u202e", "\r"}


def bomb(levels: int) -> str:
    """Return macros of which the last stands for 2 to the power of `levels` reads."""
    doubling = "".join(f"#define B{n} (B{n - 1} + B{n - 1})\n" for n in range(1, levels + 1))
    return f"#define B0 x->xso.offload_handle\n{doubling}"


def calls(count: int, target: Callable[[int], int]) -> str:
    """Return a chain or net of functions before the driver; the first reads the handle."""
    first = "static long f0(struct xfrm_state *x) { return x->xso.offload_handle; }\n"
    names = "".join(f"static long f{n}(struct xfrm_state *x);\n" for n in range(count))
    rest = "".join(
        f"static long f{n}(struct xfrm_state *x) {{ return f{target(n)}(x); }}\n"
        for n in range(1, count)
    )
    return names + first + rest


# The finding must stay, or `unknown` must say what was lost.
DEEP: dict[str, str] = {
    **{
        f"{count} {what}": text
        for count in (5_000, 50_000)
        for what, text in {
            "parentheses": f"int p = {'(' * count}1{')' * count};\n",
            "open parentheses": f"int p = {'(' * count};\n",
            "braces": f"void b(void) {'{' * count}{'}' * count}\n",
            "open braces": f"void b(void) {'{' * count}\n",
            "closing braces": "}" * count + "\n",
            "brackets": f"int a{'[1]' * count};\n",
            "initializers": f"int i[] = {'{' * count}1{'}' * count};\n",
            "open conditionals": "#if A\n" * count + "int c;\n",
            "conditionals in a row": "#if A\nint c;\n#else\nint d;\n#endif\n" * count,
            "casts": f"int c = {'(int)' * count}1;\n",
            "stars": f"int {'*' * count}s;\n",
            "members": f"long m(struct xfrm_state *x) {{ return x{'->a' * count}; }}\n",
            "additions": f"long s(struct xfrm_state *x) {{ return 1{' + 1' * count}; }}\n",
            "else ifs": f"void e(void) {{ if (1) ; {'else if (1) ; ' * count} }}\n",
            "structs": f"{'struct { ' * count}int i;{' } s;' * count}\n",
            "declarators": f"int {'(*' * count}d{')(void)' * count};\n",
            "attributes": f"{'__attribute__((' * count}x{'))' * count} int a;\n",
            "labels": "void l(void) {" + "".join(f"l{n}: " for n in range(count)) + "; }\n",
        }.items()
    },
    # What takes time by the square of its length has sizes that end.
    "5,000 nested conditionals": "#if A\n" * 5_000 + "int c;\n" + "#endif\n" * 5_000,
    "5,000 else branches": "#if A\n" + "#elif B\nint f(void) {\n" * 5_000 + "#endif\n",
    "500 unbalanced conditionals": "#if A\nint f(void) {\n#else\n" * 500 + "#endif\n" * 500,
    "1,000 typeof": f"{'typeof(' * 1_000}1{')' * 1_000} t;\n",
    "unterminated string": 'char *s = "never closed;\n',
    "unterminated character": "char c = 'n;\n",
    "nothing but quotes": "'\"" * 20_000 + "\n",
    "nothing but hashes": "#" * 50_000 + "\n",
    "nothing but backslashes": "\\\n" * 50_000 + "\n",
    "nothing but spaces": " " * 1_000_000 + "\n",
    "nothing but spaces and tabs": " \t" * 500_000 + "\n",
    "nothing but newlines": "\n" * 1_000_000,
    "nothing but words": "struct " * 50_000 + "\n",
    "nothing but commas": "," * 50_000 + "\n",
    "for_each": "\tfor_each(\n" * 20_000,
    "attribute names": "__attribute__ __aligned " * 20_000 + "\n",
    "container_of": "container_of(p, struct a, b " * 10_000 + "\n",
    "xso": "x->xso.offload_handle; " * 5_000 + "\n",
    "xfrmdev_ops": "struct xfrmdev_ops " * 500 + ";\n",
    "macro bomb": bomb(30) + "long m(struct xfrm_state *x) { return B30; }\n",
    "macro bomb in its argument": (
        "#define D(y) y y\nlong m(struct xfrm_state *x) { return "
        + "D(" * 8
        + "x->xso.offload_handle"
        + ")" * 8
        + "; }\n"
    ),
    "1,000 macros of one name": "#define R x->xso.offload_handle\n" * 1_000
    + "long r(struct xfrm_state *x) { return R; }\n",
    "20,000 functions that nobody calls": calls(20_000, lambda n: n + 1),
    "1,000 functions in a row": calls(1_000, lambda n: n - 1),
    "1,000 functions in a circle": calls(1_000, lambda n: (n + 1) % 1_000),
    "1,000 functions call one": calls(1_000, lambda n: 0),
    "mutual recursion": calls(3, lambda n: 3 - n),
    "2,000 reads in one function": (
        "long many(struct xfrm_state *x)\n{\n\tlong n = 0;\n"
        + "\tn += x->xso.offload_handle;\n" * 2_000
        + "\treturn n;\n}\n"
    ),
    "1,000 tables": "".join(
        f"static const struct xfrmdev_ops t{n} = {{ .xdo_dev_state_add = example_add }};\n"
        for n in range(1_000)
    ),
    "2,000 aliases": (
        "long alias(struct xfrm_state *x)\n{\n\tstruct xfrm_state *x0 = x;\n"
        + "".join(f"\tstruct xfrm_state *x{n} = x{n - 1};\n" for n in range(1, 2_000))
        + "\treturn x1999->xso.offload_handle;\n}\n"
    ),
    "aliases in a circle": (
        "long circle(void)\n{\n\tstruct xfrm_state *a, *b;\n"
        "\ta = b;\n\tb = a;\n\treturn a->xso.offload_handle;\n}\n"
    ),
    "typedefs in a circle": "typedef t1 t0;\ntypedef t0 t1;\nlong t(t0 *x) { return x->xso.a; }\n",
    "struct in itself": "struct s { struct s xso; };\nlong s(struct s *x) { return x->xso.a; }\n",
    "initializer of an unknown struct": (
        "static long o(struct xfrm_state *x) { return x->xso.offload_handle; }\n"
        "static const struct odd odd = { o };\n"
    ),
    "more initializers than members": (
        "struct odd { int a; };\n"
        "static long o(struct xfrm_state *x) { return x->xso.offload_handle; }\n"
        "static const struct odd odd = { 1, o };\n"
    ),
}


@pytest.mark.parametrize("name", DEEP)
def test_nothing_is_lost_in_silence(name: str, tmp_path: Path) -> None:
    tree = lay_bytes((HEADERS + DEEP[name] + DRIVER).encode(), tmp_path / "linux")
    document = contained(tree)
    line = LINE + DEEP[name].count("\n")
    assert line in lines(document) or document["unknown"]


# Lines that a compiler never gets to see, or can make nothing of; the driver's finding must stay.
OPEN = [
    "__attribute__((",
    "typeof(",
    "\tscoped_guard(",
    "struct_group(",
    "{",
    "(",
    "int a[] = {",
    "f(__aligned(",
]


@pytest.mark.parametrize("text", OPEN)
@pytest.mark.parametrize(
    "around",
    [
        "#ifdef NEVER\n{}\n#endif\n",
        "#ifdef NEVER\n{}\n#else\n#endif\n",
        "#if A\n#else\n{}\n#endif\n",
    ],
)
def test_an_open_bracket_in_a_branch_is_told_and_ends_there(
    text: str, around: str, tmp_path: Path
) -> None:
    before = around.format(text)
    tree = lay_bytes((HEADERS + before + DRIVER).encode(), tmp_path / "linux")
    document = contained(tree)
    assert lines(document) == [LINE + before.count("\n")]
    line = HEADERS.count("\n") + before[: before.index(text)].count("\n") + 1
    assert [(u["path"], u["line"]) for u in document["unknown"]] == [(EXAMPLE, line)]


@pytest.mark.parametrize("text", ["__attribute__((", "int a __aligned(8;", "typeof("])
def test_an_open_attribute_ends_with_its_line(text: str, tmp_path: Path) -> None:
    tree = lay_bytes(f"{HEADERS}{text}\n{DRIVER}".encode(), tmp_path / "linux")
    document = contained(tree)
    assert lines(document) == [LINE + 1]
    assert document["unknown"]


@pytest.mark.parametrize("before", ["int a;\n/* never closed\n", "/*\n" * 1_000])
def test_an_open_comment_is_told(before: str, tmp_path: Path) -> None:
    tree = lay_bytes((HEADERS + before + DRIVER).encode(), tmp_path / "linux")
    assert contained(tree)["unknown"]


OURS, THEIRS = "<<<<<<< HEAD\n%s||||||| base\n=======\n", ">>>>>>> theirs\n"


@pytest.mark.parametrize("text", [OURS % "" + THEIRS, "Words\n=======\n", "<<<<<<< HEAD\n"])
def test_what_is_no_conflict(text: str, tmp_path: Path) -> None:
    before = f"/*\n{text} */\n"
    tree = lay_bytes((HEADERS + before + DRIVER).encode(), tmp_path / "linux")
    assert lines(contained(tree)) == [LINE + before.count("\n")]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("at", ["\treturn x->xso", "static const struct xfrmdev_ops", "\t.xdo_dev"])
def test_a_conflict_is_told_in_one_sentence(at: str, end: str, tmp_path: Path) -> None:
    text = SOURCE.replace(at, OURS % "\tint a = 1;\n" + THEIRS + at, 1)
    tree = lay_bytes(text.replace("\n", end).encode(), tmp_path / "linux")
    document = contained(tree)
    line = SOURCE[: SOURCE.index(at)].count("\n") + 1
    told = (EXAMPLE, line, f"conflict markers at line {line}; not parsed")
    assert lines(document) == []
    assert [(u["path"], u["line"], u["reason"]) for u in document["unknown"]] == [told]


def test_what_a_conflict_may_call_is_not_known(tmp_path: Path) -> None:
    helper = "void help(struct xfrm_state *x) { writel(x->xso.offload_handle, 0); }\n"
    control = "static int example_open(struct net_device *dev) { help(dev->foo); return 0; }\n"
    ops = ".ndo_start_xmit = example_xmit,"
    text = SOURCE.replace(ops, f"{ops} .ndo_open = example_open,")
    text = text.replace("static const", control + "static const", 1)
    tree = lay_bytes(text.encode(), tmp_path / "linux")
    folder = (tree / EXAMPLE).parent
    (folder / "help.c").write_text(HEADERS + helper)
    (folder / "Makefile").write_text("obj-m += a.o\na-y := example.o help.o b.o\n")
    for more, context in (("", "control"), (OURS % "help(x);\n" + THEIRS, "unknown")):
        (folder / "b.c").write_text(more)
        asked = "SELECT context FROM site WHERE function = 'help'"
        assert run("query", asked, cwd=tree).out.split() == ["context", context]


def test_ten_megabytes_on_one_line_are_skipped(tmp_path: Path) -> None:
    data = SOURCE.encode() + b"int a[] = {" + b"1," * 5_000_000 + b"};\n"
    tree = lay_bytes(data, tmp_path / "linux")
    document = run_json(cwd=tree, timeout=10, memory=MEMORY)
    assert [(u["path"], u["reason"]) for u in document["unknown"]] == [
        (EXAMPLE, "larger than 4 MiB; not parsed")
    ]


def test_a_sparse_file_is_not_read(tmp_path: Path) -> None:
    tree = lay_bytes(SOURCE.encode(), tmp_path / "linux")
    with open(tree / EXAMPLE, "ab") as file:
        file.truncate(1 << 30)
    document = run_json(cwd=tree, timeout=SECONDS, memory=MEMORY)
    assert [(u["path"], u["reason"]) for u in document["unknown"]] == [
        (EXAMPLE, "not read: larger than 64 MiB")
    ]


# Headers beside the driver, each included by it; the driver's finding must stay.
INCLUDES: dict[str, dict[str, str]] = {
    "itself": {"a.h": '#include "a.h"\nint a;\n'},
    "a circle": {"a.h": '#include "b.h"\n', "b.h": '#include "c.h"\n', "c.h": '#include "a.h"\n'},
    "the source": {"a.h": '#include "example.c"\n'},
    "each other, 60 of them": {
        f"{'a' if n == 0 else f'h{n}'}.h": "".join(f'#include "h{m}.h"\n' for m in range(60))
        for n in range(60)
    },
    "a row of 4,000": {
        f"{'a' if n == 0 else f'h{n}'}.h": f'#include "h{n + 1}.h"\n' for n in range(4_000)
    },
    "nothing": {"a.h": ""},
    "garbage": {"a.h": "}}}}\x00((((#if 1\n"},
    "an open comment": {"a.h": "/*\n"},
    "an open conditional": {"a.h": "#if 1\n#ifndef A\n"},
}


@pytest.mark.parametrize("name", INCLUDES)
def test_headers_that_include(name: str, tmp_path: Path) -> None:
    tree = lay_bytes(('#include "a.h"\n' + SOURCE).encode(), tmp_path / "linux")
    for header, text in INCLUDES[name].items():
        (tree / EXAMPLE).with_name(header).write_text(text)
    assert lines(contained(tree)) == [LINE + 1]


def test_a_makefile_whose_variables_explode(tmp_path: Path) -> None:
    tree = lay_bytes(SOURCE.encode(), tmp_path / "linux")
    doubling = "".join(f"V{n} = $(V{n + 1}) $(V{n + 1})\n" for n in range(60))
    wide = "W = " + "$(X)" * 20_000 + "\nX = " + "x.o " * 20_000 + "\n"
    parts = "".join(f"c{n}-y := c{n + 1}.o c{n + 1}.o d{n}.o\n" for n in range(5_000))
    names = "obj-" + "$(" * 50_000 + " += a.o\n"
    (tree / EXAMPLE).with_name("Makefile").write_text(
        f"obj-m += example.o c0.o $(V0) $(W)\n{doubling}{wide}{parts}{names}"
    )
    assert lines(contained(tree)) == [LINE]


@pytest.mark.parametrize(
    "path",
    ["include/net/xfrm.h", "include/linux/netdevice.h", "include/linux/skbuff.h", "Makefile"],
)
@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 1000, b"\xff" * 1000, b"struct xfrm_state {\n", b"(" * 20_000, b"/*", b"#if\n"],
    ids=["empty", "NULs", "no text", "open", "deep", "comment", "if"],
)
def test_what_everything_rests_on_is_garbage(path: str, data: bytes, tmp_path: Path) -> None:
    tree = lay_bytes(SOURCE.encode(), tmp_path / "linux")
    (tree / path).write_bytes(data)
    found = contained(tree)
    # What declares no state, or no ops table, is no kernel's header.
    told = found.get("refused", "")
    refused = told.startswith(f"{path}: neither it nor what it includes declares struct xfrm")
    assert refused or (found.get("schema") == 1 and not told)


def test_20_000_exported_functions(tmp_path: Path) -> None:
    exported = "".join(
        f"void example_exported_{n}(void) {{}}\nEXPORT_SYMBOL(example_exported_{n});\n"
        for n in range(20_000)
    )
    reading = (
        "long example_read(struct xfrm_state *x) { return x->xso.offload_handle; }\n"
        "EXPORT_SYMBOL(example_read);\n"
    )
    tree = lay_bytes((SOURCE + reading + exported).encode(), tmp_path / "linux")
    assert LINE in lines(contained(tree))


SEEDS = [
    path.read_bytes()
    for name in (
        "demo",
        "resolve-wrappers",
        "optin-macro-paste",
        "read-forms-indirect",
        "upper-wrong",
    )
    for path in sorted((FIXTURES / name).rglob("*.c"))
    if b"xso" in path.read_bytes()
]
CHUNKS = [
    b"{",
    b"}",
    b"(",
    b")",
    b";",
    b"#if 0\n",
    b"#endif\n",
    b"#else\n",
    b"/*",
    b"*/",
    b'"',
    b"\0",
]
CHUNKS += [b"\\\n", b"struct xfrm_state *", b"->xso.", b"offload_handle", b"##", b"\xff", b","]
CHUNKS += [b"#define A ", b"static const struct xfrmdev_ops t = {", b"=", b"[", b"]", b"&", b"."]
quick = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a source of the fixtures with chunks deleted, doubled, moved and put in."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 200)))
        to = draw(st.integers(0, len(data)))
        chunk = data[start:end]
        match draw(st.sampled_from(["delete", "double", "move", "insert"])):
            case "delete":
                data = data[:start] + data[end:]
            case "double":
                data = data[:end] + chunk + data[end:]
            case "move":
                rest = data[:start] + data[end:]
                data = rest[:to] + chunk + rest[to:]
            case _:
                data = data[:to] + draw(st.sampled_from(CHUNKS)) + data[to:]
    return data


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_bytes(b"", tmp_path_factory.mktemp("hostile") / "linux")


def check(tree: Path, data: bytes) -> None:
    (tree / EXAMPLE).write_bytes(data)
    report = check_tree(Folder(tree), RULES)
    count = data.count(b"\n") + 1
    for finding in report.findings:
        assert finding.path != EXAMPLE or 1 <= finding.line <= count


@quick
@given(data=st.binary(max_size=400))
def test_random_bytes(laid: Path, data: bytes) -> None:
    check(laid, data)


@quick
@given(pieces=st.lists(st.sampled_from([*CHUNKS, b" ", b"x", b"\n", *HEADERS.encode().split()])))
def test_random_tokens(laid: Path, pieces: list[bytes]) -> None:
    check(laid, SOURCE.encode() + b" ".join(pieces))


@quick
@given(data=mutated())
def test_a_damaged_source(laid: Path, data: bytes) -> None:
    check(laid, data)


@quick
@given(text=st.text(st.sampled_from("ojy-:+=$(){}CONFIG_.\\\n\t ma,%/#"), max_size=300))
def test_a_random_makefile(laid: Path, text: str) -> None:
    (laid / EXAMPLE).with_name("Makefile").write_text(text)
    check(laid, SOURCE.encode())


def test_bytes_of_many_kinds_through_the_real_command(tmp_path: Path) -> None:
    tree = lay("rfc", tmp_path / "linux")
    folder = tree / "drivers/net/garbage"
    folder.mkdir()
    for number in range(64):
        data = bytes((number * 7 + n * n) % 256 for n in range(512))
        (folder / f"g{number}.c").write_bytes(b"xso offload_handle xfrmdev_ops\n" + data)
    assert run("check", cwd=tree, timeout=SECONDS).status in (0, 1)
