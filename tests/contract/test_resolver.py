"""`xfrmlint resolver`: what it says of a tree's own resolver."""

import json
import re
from pathlib import Path

import pytest

from tests.laid import lay
from tests.ran import run
from tests.slow import but_first

HEADER = "include/net/xfrm.h"
STATE = "net/xfrm/xfrm_state.c"


def changed(tree: Path, path: str, old: str, new: str) -> Path:
    """Replace a piece of a file that stands in it once."""
    text = (tree / path).read_text("utf-8")
    assert text.count(old) == 1
    (tree / path).write_text(text.replace(old, new), "utf-8")
    return tree


def test_a_tree_without_resolver_keeps_the_contract(tmp_path: Path) -> None:
    ran = run("resolver", str(lay("mainline", tmp_path / "linux")), cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "This tree has no resolver.\n"


def test_the_reference_equals_itself(tmp_path: Path) -> None:
    ran = run("resolver", str(lay("rfc", tmp_path / "linux")), cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert "  equals the reference of revision 1 in all 351 states\n" in ran.out
    assert "NO" not in ran.out


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        pytest.param(
            HEADER,
            "return real == lower_dev ? handle : 0;",
            "return handle;",
            "instead of 0",
            id="any device gets the handle",
        ),
        pytest.param(
            STATE,
            "\tRCU_INIT_POINTER(x->xso.upper_priv, NULL);\n",
            "",
            "xfrm_dev_state_free() clears upper_priv: NO, net/xfrm/xfrm_state.c:",
            id="upper_priv stays",
        ),
        pytest.param(
            HEADER,
            "offloaded = x->xso.offload_handle || rcu_access_pointer(x->xso.upper_priv);",
            "offloaded = x->xso.offload_handle;",
            "xfrm_dst_offload_ok() counts a state with upper_priv: NO",
            id="upper_priv does not count",
        ),
    ],
)
def test_a_difference_is_told(path: str, old: str, new: str, said: str, tmp_path: Path) -> None:
    tree = changed(lay("rfc", tmp_path / "linux"), path, old, new)
    ran = run("resolver", str(tree), cwd=tmp_path)
    assert (ran.status, ran.err) == (1, "")
    assert said in ran.out


FUNCTION = """static inline unsigned long
xfrm_dev_state_lower_handle(struct xfrm_state *x, struct net_device *lower_dev)
{"""
MACRO = """
#define xfrm_dev_state_lower_handle(x, dev)		\\
({							\\
	struct net_device *__dev = (dev);		\\
							\\
	BODY;						\\
})
"""
PARTS = "unsigned long xfrm_lower(struct xfrm_dev_offload *xso, struct xfrm_state *x, TAKES"


@pytest.mark.parametrize("out_of_line", [False, True])
@pytest.mark.parametrize(
    ("last", "stub", "status", "said"),
    [
        ("real == lower_dev ? handle : 0", "0UL", 0, ["equals the reference of revision 1"]),
        (
            "real == lower_dev ? handle : 0",
            "({ (void)(x); (void)(dev); 0UL; })",
            0,
            ["equals the reference of revision 1", "a stub returns 0 without", ": yes"],
        ),
        ("real == lower_dev ? handle : 0", "1UL", 1, ["NO, include/net/xfrm.h"]),
        ("handle", "0UL", 1, ["breaks the contract in 5 of 19 worlds"]),
    ],
)
def test_a_macro_is_asked_like_a_function(
    last: str, stub: str, status: int, said: list[str], out_of_line: bool, tmp_path: Path
) -> None:
    """A macro around a function of three parameters, in the header or exported by the core."""
    tree = lay("rfc", tmp_path / "linux")
    text = (tree / HEADER).read_text("utf-8")
    takes = "struct net_device *lower_dev)"
    start = text.index(FUNCTION)
    end = text.index("}\n", start) + 2
    body = text[start + len(FUNCTION) : end].replace("x->xso.", "xso->")
    body = body.replace("real == lower_dev ? handle : 0", last)
    function = PARTS.replace("TAKES", takes)
    whole = f"{function}\n{{{body}"
    macro = MACRO.replace("BODY", "xfrm_lower(&(x)->xso, (x), __dev)")
    inside = f"{function};\n" if out_of_line else f"static inline {whole}"
    text = text[:start] + inside + macro + text[end:]
    stubbed = re.compile(re.escape(FUNCTION) + r"\s*return 0;\s*}\n")
    text, changes = stubbed.subn(f"#define xfrm_dev_state_lower_handle(x, dev) {stub}\n", text)
    assert changes == 1
    (tree / HEADER).write_text(text, "utf-8")
    if out_of_line:
        source = (tree / STATE).read_text("utf-8")
        (tree / STATE).write_text(f"{source}\n#ifdef CONFIG_XFRM_OFFLOAD\n{whole}#endif\n", "utf-8")
    ran = run("resolver", str(tree), cwd=tmp_path)
    assert (ran.status, ran.err) == (status, "")
    assert [words for words in said if words not in ran.out] == []


@pytest.mark.parametrize("macro", [False, True])
@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("#else", "yes"),
        ("#endif\n#ifndef CONFIG_XFRM_OFFLOAD", "yes"),
        ("#endif\n#if !IS_ENABLED(CONFIG_XFRM_OFFLOAD)", "yes"),
        ("#endif\n#if !defined(CONFIG_XFRM) || !defined(CONFIG_XFRM_OFFLOAD)", "yes"),
        ("#endif\n#ifndef CONFIG_XFRM", "NO"),
        ("#endif\n#ifdef CONFIG_XFRM_OFFLOAD", "NO"),
        ("#endif\n#ifndef CONFIG_BONDING", "can't be told"),
    ],
)
def test_the_stub_is_there_wherever_the_resolver_is_not(
    condition: str, said: str, macro: bool, tmp_path: Path
) -> None:
    tree = lay("rfc", tmp_path / "linux")
    text = (tree / HEADER).read_text("utf-8")
    stub = f"{FUNCTION}\n	return 0;\n}}\n"
    assert text.count(f"#else\n{stub}") == 1
    put = "#define xfrm_dev_state_lower_handle(x, dev) 0UL\n" if macro else stub
    text = text.replace(f"#else\n{stub}", f"{condition}\n{put}")
    (tree / HEADER).write_text(text, "utf-8")
    out = run("resolver", str(tree), cwd=tmp_path).out
    (line,) = [line for line in out.splitlines() if "a stub returns 0 without" in line]
    assert f": {said}" in line


def test_what_is_outside_the_subset_is_said(tmp_path: Path) -> None:
    tree = changed(
        lay("rfc", tmp_path / "linux"),
        HEADER,
        "return real == lower_dev ? handle : 0;",
        'asm volatile("" ::: "memory");\n\treturn real == lower_dev ? handle : 0;',
    )
    ran = run("resolver", str(tree), cwd=tmp_path)
    assert ran.status == 0
    assert "can't be told" in ran.out


def test_json_holds_the_schedule(tmp_path: Path) -> None:
    tree = lay("rfc", tmp_path / "linux")
    ran = run("resolver", str(tree), "--format", "json", cwd=tmp_path)
    document = json.loads(ran.out)
    assert (document["schema"], document["verdict"]) == (1, "equal")
    assert document["torn_reads"]["failover"][-1].split("  ")[0].endswith("resolver")


RIGHT = "if (handle && (owner == lower_dev || real_dev == lower_dev))"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    but_first(
        [
            pytest.param(
                "if (!owner || !lower_dev)",
                "if (!lower_dev)",
                "what was on A left behind: A gets a handle of a freed state (P3)",
                id="no test of the owner",
            ),
            pytest.param(
                RIGHT,
                "if (handle)",
                "B gets A's handle (P1)",
                id="whoever asks",
            ),
            pytest.param(
                RIGHT,
                "if (handle && owner == lower_dev)",
                "U has the state on A: A gets none, although its add returned one (P2)",
                id="the pinned one is forgotten",
            ),
            pytest.param(
                "if (ops && ops->xdo_dev_state_lower_handle)",
                "if (ops && !handle && ops->xdo_dev_state_lower_handle)",
                "although the owner transmits through it (P2)",
                id="the callback is asked without a handle alone",
            ),
            pytest.param(
                "if (!owner || !lower_dev)\n\t\treturn 0;",
                "if (!lower_dev)\n\t\treturn handle;\n\tif (!owner)\n\t\treturn handle;",
                "and its handle left behind: A gets a handle of a freed state (P3)",
                id="freed",
            ),
            pytest.param(
                "ops->xdo_dev_state_lower_handle(owner, x, lower_dev);",
                "ops->xdo_dev_state_lower_handle(lower_dev, x, lower_dev);",
                "no answer: ",
                id="the callback is given another owner",
            ),
        ],
        2,
    ),
)
def test_a_break_of_the_later_form_is_told_with_its_world(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    tree = lay("shared", tmp_path / "linux")
    right = run("resolver", str(tree), cwd=tmp_path)
    assert (right.status, right.err) == (0, "")
    assert "  keeps the contract in 16 worlds; 0 of 16 worlds not answered\n" in right.out
    assert "  equals the reference of revision 2 in all 351 states\n" in right.out
    wrong = run("resolver", str(changed(tree, HEADER, old, new)), cwd=tmp_path)
    assert (wrong.status, wrong.err) == (1, "")
    assert said in wrong.out
    cast = "  (U is the owner; A, B and D are of one chip, C of another):\n"
    assert (cast in wrong.out) == ("breaks the contract in" in wrong.out)


def test_worlds_without_an_answer_are_counted(tmp_path: Path) -> None:
    tree = changed(
        lay("shared", tmp_path / "linux"),
        HEADER,
        "if (ops && ops->xdo_dev_state_lower_handle)",
        "if (ops && ops->xdo_dev_state_lower_handle && !strange(owner))",
    )
    ran = run("resolver", str(tree), cwd=tmp_path)
    assert ran.status == 0
    assert re.search(
        r"keeps the contract in \d+ worlds; [1-9]\d* of 16 worlds not answered", ran.out
    )
    assert "strange() is not defined" in ran.out
