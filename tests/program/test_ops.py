"""Which ops tables there are, whose they are, and which of them have opted in."""

from collections.abc import Mapping

import pytest

from tests.asked import analysis_of
from tests.trees import FOO, HEAD, tree
from xfrmlint.analysis.analyse import Analysis

HEADER = "drivers/net/foo/foo.h"
BAR = "drivers/net/foo/bar.c"
FLAG = "XFRMDEV_OPS_F_LOWER_HANDLE"
ADD = """\
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	return 0;
}
static void foo_del(struct net_device *dev, struct xfrm_state *x)
{
}
"""
FIRMWARE = """\
struct firmware {
	int (*xdo_dev_state_add)(struct net_device *d, struct xfrm_state *x, struct netlink_ext_ack *e);
	u32 flags;
};
"""
OTHER = "static int foo_other(struct net_device *d, struct xfrm_state *x) { return 0; }\n"
TABLE = "static const struct xfrmdev_ops foo_ops = { .xdo_dev_state_add = foo_add };\n"
SETUP = "static void foo_setup(struct net_device *dev) { dev->xfrmdev_ops = &foo_ops; }\n"


def analysed(text: str, more: Mapping[str, str] | None = None) -> Analysis:
    return analysis_of(tree({FOO: HEAD + ADD + text, **(more or {})}))


def tables(analysis: Analysis) -> list[str]:
    """Return `symbol role`, with the module it is carried by and `opted in` where it is so."""
    _, rows = analysis.store.query("SELECT * FROM ops_table ORDER BY path, line, symbol")
    found = []
    for row in rows:
        text = f"{row['symbol']} {row['role']}"
        if not row["on_netdev"]:
            text += f", carried by {row['group_name']}"
        found.append(text + (", opted in" if row["opted_in"] else ""))
    return found


def callbacks(analysis: Analysis) -> list[str]:
    _, rows = analysis.store.query(
        "SELECT t.symbol, c.field, c.target FROM callback c JOIN ops_table t ON t.id = c.ops_table"
        " ORDER BY c.path, c.line, c.column"
    )
    return [
        f"{row['symbol']}.{row['field'].removeprefix('xdo_dev_')} = {row['target']}" for row in rows
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="no table"),
        pytest.param("static const struct xfrmdev_ops *foo_ops;\n", id="a pointer"),
        pytest.param("extern const struct xfrmdev_ops foo_ops;\n", id="a declaration"),
        pytest.param("static struct xfrmdev_ops foo_ops;\n", id="an empty one"),
        pytest.param("static struct xfrmdev_ops foo_ops = { };\n", id="an empty initializer"),
        pytest.param(
            "static struct xfrmdev_ops foo_ops = { .xdo_dev_state_add = NULL };\n", id="only NULL"
        ),
        pytest.param(
            f"static struct xfrmdev_ops foo_ops = {{ .flags = {FLAG} }};\n", id="only the flag"
        ),
        pytest.param(f"#if 0\n{TABLE}#endif\n", id="dead text"),
        pytest.param(f"/*\n{TABLE}*/\n", id="comment"),
        pytest.param(
            "struct other { int (*add)(void); };\nstatic struct other o = { .add = foo_add };\n",
            id="o",
        ),
        pytest.param(
            f"{FIRMWARE}static struct firmware f = {{ .xdo_dev_state_add = foo_add }};\n",
            id="another struct with a slot's name",
        ),
        pytest.param("enum { FOO_XFRMDEV_OPS, xfrmdev_ops };\n", id="enumerators"),
        pytest.param(
            "struct foo_hw { int (*init)(void); struct xfrmdev_ops *xops; };\n"
            "static struct foo_hw hw = { foo_add };\n",
            id="a struct that points to one, positional",
        ),
        pytest.param(
            "static void f(struct net_device *dev) { "
            "if (dev->xfrmdev_ops) dev->xfrmdev_ops = 0; }\n",
            id="tested and cleared",
        ),
        pytest.param(
            "static int f(struct net_device *dev, struct xfrm_state *x)\n"
            "{ return dev->xfrmdev_ops->xdo_dev_state_add(dev, x, 0); }\n",
            id="called",
        ),
        pytest.param(
            "static int f(struct net_device *d) { "
            "return d->xfrmdev_ops->xdo_dev_state_add == 0; }\n",
            id="compared",
        ),
    ],
)
def test_no_table(text: str) -> None:
    assert tables(analysed(text)) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(TABLE, ["foo_ops.state_add = foo_add"], id="designated"),
        pytest.param(
            "static NOBODYS_TYPE foo_ops = { .xdo_dev_state_add = foo_add };\n",
            ["foo_ops.state_add = foo_add"],
            id="of a type that is not found",
        ),
        pytest.param(
            "static struct { struct xfrmdev_ops xdo; void (*xdo_dev_state_delete)(void); } p = {\n"
            "\t.xdo.xdo_dev_state_add = foo_add,\n\t.xdo_dev_state_delete = foo_del,\n};\n",
            ["p.xdo.state_add = foo_add"],
            id="beside a member with a slot's name",
        ),
        pytest.param(
            "const struct xfrmdev_ops foo_ops = {\n\t.xdo_dev_state_add = foo_add,\n"
            "\t.xdo_dev_state_delete = foo_del,\n};\n",
            ["foo_ops.state_add = foo_add", "foo_ops.state_delete = foo_del"],
            id="two",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops = { foo_add, foo_del };\n",
            ["foo_ops.state_add = foo_add", "foo_ops.state_delete = foo_del"],
            id="positional",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops = { NULL, foo_del };\n",
            ["foo_ops.state_delete = foo_del"],
            id="positional, the first NULL",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops = { .xdo_dev_state_delete = foo_del, foo_del };\n",
            ["foo_ops.state_delete = foo_del", "foo_ops.state_free = foo_del"],
            id="positional behind a designator",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops = { .xdo_dev_state_add = &foo_add };\n",
            ["foo_ops.state_add = foo_add"],
            id="address",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops = { .xdo_dev_state_add = (void *)foo_add };\n",
            ["foo_ops.state_add = foo_add"],
            id="cast",
        ),
        pytest.param(
            "static int on;\nstatic struct xfrmdev_ops foo_ops;\n"
            "static void f(void) { foo_ops.xdo_dev_state_add = on ? foo_add : NULL; }\n",
            ["foo_ops.state_add = foo_add"],
            id="one or none",
        ),
        pytest.param(
            f"{OTHER}static int on;\nstatic struct xfrmdev_ops foo_ops;\n"
            "static void f(void) { foo_ops.xdo_dev_state_add = on ? foo_add : foo_other; }\n",
            ["foo_ops.state_add = foo_add", "foo_ops.state_add = foo_other"],
            id="one of two",
        ),
        pytest.param(
            f"{OTHER}enum {{ FOO_OLD, FOO_NEW }};\nstatic struct xfrmdev_ops foo_ops[] = {{\n"
            "\t[FOO_NEW] = { .xdo_dev_state_add = foo_add },\n};\n"
            "static void f(void) { foo_ops[1].xdo_dev_state_add = foo_other; }\n",
            ["foo_ops[FOO_NEW].state_add = foo_add", "foo_ops[FOO_NEW].state_add = foo_other"],
            id="an element by its name and by its number",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops;\n"
            "static void f(void) { foo_ops.xdo_dev_state_add = foo_add; }\n",
            ["foo_ops.state_add = foo_add"],
            id="assigned",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops;\nstatic void f(void)\n{\n"
            "\tstruct xfrmdev_ops *o = &foo_ops;\n\to->xdo_dev_state_add = foo_add;\n}\n",
            ["foo_ops.state_add = foo_add"],
            id="assigned through a pointer",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops;\n"
            "static void fill(struct xfrmdev_ops *o) { o->xdo_dev_state_add = foo_add; }\n"
            "static void f(void) { fill(&foo_ops); }\n",
            ["foo_ops.state_add = foo_add"],
            id="assigned by a helper",
        ),
        pytest.param(
            "#define OPS .xdo_dev_state_add = foo_add\n"
            "static struct xfrmdev_ops foo_ops = { OPS };\n",
            ["foo_ops.state_add = foo_add"],
            id="macro",
        ),
        pytest.param(
            "#define OPS(f) .xdo_dev_state_##f = foo_##f\n"
            "static struct xfrmdev_ops foo_ops = { OPS(add) };\n",
            ["foo_ops.state_add = foo_add"],
            id="pasted",
        ),
        pytest.param(
            "#define TABLE(n) static struct xfrmdev_ops n##_ops = { "
            ".xdo_dev_state_add = n##_add }\n"
            "TABLE(foo);\n",
            ["foo_ops.state_add = foo_add"],
            id="a macro makes the table",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops = {\n#ifdef A\n\t.xdo_dev_state_add = foo_add,\n"
            "#endif\n};\n",
            ["foo_ops.state_add = foo_add"],
            id="under a condition",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops[2] = { { .xdo_dev_state_add = foo_add } };\n",
            ["foo_ops[0].state_add = foo_add"],
            id="array",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops[2] = { [1] = { .xdo_dev_state_add = foo_add } };\n",
            ["foo_ops[1].state_add = foo_add"],
            id="array with an index",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops[2] = { [1].xdo_dev_state_add = foo_add };\n",
            ["foo_ops[1].state_add = foo_add"],
            id="array with an index, in one",
        ),
        pytest.param(
            "struct foo_hw { int id; struct xfrmdev_ops xops; };\n"
            "static struct foo_hw hw = { .xops = { .xdo_dev_state_add = foo_add } };\n",
            ["hw.xops.state_add = foo_add"],
            id="member",
        ),
        pytest.param(
            "struct foo_hw { int id; struct xfrmdev_ops xops; };\n"
            "static struct foo_hw hw = { .xops.xdo_dev_state_add = foo_add };\n",
            ["hw.xops.state_add = foo_add"],
            id="member in one",
        ),
        pytest.param(
            "typedef struct xfrmdev_ops ops_t;\n"
            "static ops_t foo_ops = { .xdo_dev_state_add = foo_add };\n",
            ["foo_ops.state_add = foo_add"],
            id="typedef",
        ),
        pytest.param(
            "typedef const struct xfrmdev_ops ops_t;\nstatic ops_t foo_ops = { NULL, foo_del };\n",
            ["foo_ops.state_delete = foo_del"],
            id="typedef, positional",
        ),
        pytest.param(
            "struct foo_hw { int id; struct xfrmdev_ops xops; };\n"
            "static struct foo_hw hw = { 1, { foo_add, foo_del } };\n",
            ["hw.xops.state_add = foo_add", "hw.xops.state_delete = foo_del"],
            id="member, positional",
        ),
        pytest.param(
            "typedef struct { int id; struct { struct xfrmdev_ops xops; } sa; } foo_hw_t;\n"
            "struct foo_chip { foo_hw_t hw[2]; };\n"
            "static struct foo_chip chip = { .hw = { { 1, { { foo_add } } } } };\n",
            ["chip.hw[0].sa.xops.state_add = foo_add"],
            id="member's member, positional",
        ),
    ],
)
def test_callbacks(text: str, wanted: list[str]) -> None:
    assert callbacks(analysed(text)) == wanted


def test_where_a_table_stands() -> None:
    made = analysed(f"\n\n{TABLE}")
    _, rows = made.store.query("SELECT path, line, column FROM ops_table")
    (row,) = rows
    line = (HEAD + ADD).count("\n") + 3
    assert (row["path"], row["line"], row["column"]) == (FOO, line, TABLE.index("foo_ops") + 1)


def test_tables_that_a_macro_makes_stand_where_it_is_used() -> None:
    made = analysed(
        "#define OPS(n)\t\t\t\t\t\\\n\tstatic struct xfrmdev_ops n##_ops = {\t\t\\\n"
        "\t\t.xdo_dev_state_add = foo_add }\nOPS(foo);\n\nOPS(bar);\n" + SETUP
    )
    _, rows = made.store.query("SELECT symbol, line FROM ops_table ORDER BY line")
    head = (HEAD + ADD).count("\n")
    wanted = [("foo_ops", head + 4), ("bar_ops", head + 6)]
    assert [(row["symbol"], row["line"]) for row in rows] == wanted


def opting(flags: str, before: str = "", behind: str = "", header: str = "") -> Analysis:
    """Analyse a table with `.flags = flags` (none if empty)."""
    entry = f", .flags = {flags}" if flags else ""
    text = (
        f"{before}static struct xfrmdev_ops foo_ops = {{ .xdo_dev_state_add = foo_add{entry} }};\n"
    )
    return analysed(f'#include "foo.h"\n{text}{SETUP}{behind}', {HEADER: header})


@pytest.mark.parametrize(
    ("flags", "more"),
    [
        pytest.param("", "", id="no flags"),
        pytest.param("0", "", id="zero"),
        pytest.param("BIT(1)", "", id="another bit"),
        pytest.param("FOO_FLAG", "#define FOO_FLAG BIT(1)\n", id="another macro"),
        pytest.param(f"~{FLAG}", "", id="inverted"),
        pytest.param(f"0xff & ~{FLAG}", "", id="masked out"),
        pytest.param(f"FOO_{FLAG}", "", id="a longer name"),
        pytest.param(f"0 /* {FLAG} */", "", id="comment"),
        pytest.param(f"\n#if 0\n\t{FLAG}\n#else\n\t0\n#endif\n", "", id="dead text"),
        pytest.param("", f"static int f(void) {{ return foo_ops.flags & {FLAG}; }}\n", id="tested"),
        pytest.param(
            "", f"static int f(void) {{ return foo_ops.flags == {FLAG}; }}\n", id="compared"
        ),
        pytest.param("", f"static void f(void) {{ foo_ops.flags &= ~{FLAG}; }}\n", id="cleared"),
        pytest.param("", f"static void f(void) {{ foo_ops.flags &= {FLAG}; }}\n", id="masked"),
        pytest.param(
            "",
            f"static struct xfrmdev_ops other;\nstatic void f(void) {{ other.flags |= {FLAG}; }}\n",
            id="in another object",
        ),
        pytest.param(
            "",
            f"struct foo {{ u32 flags; }};\nstatic void f(struct foo *p) {{ "
            f"p->flags |= {FLAG}; }}\n",
            id="in another struct",
        ),
    ],
)
def test_not_opted_in(flags: str, more: str) -> None:
    before, behind = (more, "") if more.startswith("#define") else ("", more)
    assert tables(opting(flags, before, behind)) == ["foo_ops lower"]


@pytest.mark.parametrize(
    ("flags", "before", "behind", "header"),
    [
        pytest.param(FLAG, "", "", "", id="flag"),
        pytest.param(f"({FLAG})", "", "", "", id="parentheses"),
        pytest.param(f"(u32){FLAG}", "", "", "", id="cast"),
        pytest.param(f"BIT(1) | {FLAG}", "", "", "", id="with another"),
        pytest.param(f"{FLAG} | BIT(1)", "", "", "", id="before another"),
        pytest.param(f"A ? {FLAG} : 0", "", "", "", id="one of two"),
        pytest.param(f"IS_ENABLED(CONFIG_A) * {FLAG}", "", "", "", id="product"),
        pytest.param("MINE", f"#define MINE {FLAG}\n", "", "", id="macro"),
        pytest.param(
            "MINE", f"#define ONE {FLAG}\n#define MINE (ONE | BIT(1))\n", "", "", id="two macros"
        ),
        pytest.param("MINE", "", "", f"#define MINE {FLAG}\n", id="macro of the header"),
        pytest.param(
            "MINE(LOWER)", "#define MINE(n) XFRMDEV_OPS_F_##n##_HANDLE\n", "", "", id="pasted"
        ),
        pytest.param("MINE", f"enum {{ MINE = {FLAG} }};\n", "", "", id="enumerator"),
        pytest.param(
            "MINE", "", "", f"enum {{ OTHER, MINE = {FLAG} | 2 }};\n", id="header's enumerator"
        ),
        pytest.param(f"\n#ifdef A\n\t{FLAG}\n#else\n\t0\n#endif\n", "", "", "", id="ifdef"),
        pytest.param(
            "MINE",
            f"#ifdef A\n#define MINE {FLAG}\n#else\n#define MINE 0\n#endif\n",
            "",
            "",
            id="ifdef, macro",
        ),
        pytest.param(
            "MINE",
            f"#ifndef A\n#define MINE 0\n#else\n#define MINE {FLAG}\n#endif\n",
            "",
            "",
            id="else, macro",
        ),
        pytest.param("", "", f"static void f(void) {{ foo_ops.flags |= {FLAG}; }}\n", "", id="or"),
        pytest.param(
            "", "", f"static void f(void) {{ foo_ops.flags = {FLAG}; }}\n", "", id="assigned"
        ),
        pytest.param(
            "",
            "",
            f"static void f(void) {{ foo_ops.flags = foo_ops.flags | {FLAG}; }}\n",
            "",
            id="a = a | b",
        ),
        pytest.param(
            "",
            "",
            f"static void f(int a) {{ if (a) {{ foo_ops.flags |= {FLAG}; }} }}\n",
            "",
            id="under an if",
        ),
        pytest.param(
            "",
            "",
            f"static void f(void)\n{{\n\tstruct xfrmdev_ops *o = &foo_ops;\n"
            f"\to->flags |= {FLAG};\n}}\n",
            "",
            id="through a pointer",
        ),
        pytest.param(
            "",
            "",
            f"static void mark(struct xfrmdev_ops *o) {{ o->flags |= {FLAG}; }}\n"
            "static void f(void) { mark(&foo_ops); }\n",
            "",
            id="by a helper",
        ),
        pytest.param(
            "",
            "",
            f"static void f(void)\n{{\n\tconst u32 lower = {FLAG};\n"
            f"\tfoo_ops.flags |= lower;\n}}\n",
            "",
            id="by a local constant",
        ),
        pytest.param(
            "",
            "",
            "static void f(void) { foo_ops.flags |= MINE; }\n",
            f"#define MINE {FLAG}\n",
            id="or macro",
        ),
        pytest.param(
            "",
            f"#define OPT_IN(o) ((o)->flags |= {FLAG})\n",
            "static void f(void) { OPT_IN(&foo_ops); }\n",
            "",
            id="a macro that sets it",
        ),
        pytest.param(
            "",
            "",
            "static void f(struct net_device *dev)\n{\n\tstruct xfrmdev_ops *o = &foo_ops;\n\n"
            f"\to->flags = {FLAG};\n\tdev->xfrmdev_ops = o;\n}}\n",
            "",
            id="through a pointer that is installed",
        ),
    ],
)
def test_opted_in(flags: str, before: str, behind: str, header: str) -> None:
    assert tables(opting(flags, before, behind, header)) == ["foo_ops lower, opted in"]


SET = "static void set(u32 *word, u32 bits) { *word |= bits; }\n"
TWO = (
    "static struct xfrmdev_ops a_ops = { .xdo_dev_state_add = foo_add };\n"
    "static struct xfrmdev_ops b_ops = { .xdo_dev_state_add = foo_add };\n"
)
MADE = (
    "static void adds(struct xfrmdev_ops *o) { o->xdo_dev_state_add = foo_add; }\n"
    "static void deletes(struct xfrmdev_ops *o) { o->xdo_dev_state_delete = foo_del; }\n"
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            f"static struct xfrmdev_ops foo_ops = {{ "
            f"foo_add, foo_del, 0, 0, 0, 0, 0, {FLAG} }};\n{SETUP}",
            ["foo_ops lower, opted in"],
            id="positional",
        ),
        pytest.param(
            "static struct xfrmdev_ops ops[2] = { { .xdo_dev_state_add = foo_add },\n"
            f"\t{{ .xdo_dev_state_add = foo_add, .flags = {FLAG} }} }};\n",
            ["ops[0] lower", "ops[1] lower, opted in"],
            id="one of an array",
        ),
        pytest.param(
            "static struct xfrmdev_ops ops[2] = { { .xdo_dev_state_add = foo_add },\n"
            "\t{ .xdo_dev_state_add = foo_add } };\n"
            f"static void f(int i) {{ ops[i].flags |= {FLAG}; }}\n",
            ["ops[0] lower, opted in", "ops[1] lower, opted in"],
            id="all of an array",
        ),
        pytest.param(
            "static struct xfrmdev_ops ops[2] = { { .xdo_dev_state_add = foo_add },\n"
            "\t{ .xdo_dev_state_add = foo_add } };\n"
            f"static void f(void) {{ ops[1].flags |= {FLAG}; }}\n",
            ["ops[0] lower", "ops[1] lower, opted in"],
            id="one of an array, at run time",
        ),
        pytest.param(
            "static const struct xfrmdev_ops a_ops = { .xdo_dev_state_add = foo_add };\n"
            f"static const struct xfrmdev_ops b_ops = {{ "
            f".xdo_dev_state_add = foo_add, .flags = {FLAG} }};\n"
            "static void f(struct net_device *dev, int b) { "
            "dev->xfrmdev_ops = b ? &b_ops : &a_ops; }\n",
            ["a_ops lower", "b_ops lower, opted in"],
            id="one of two tables",
        ),
        pytest.param(
            f"{TABLE}struct foo {{ struct xfrmdev_ops xops; }};\n"
            "static void f(struct net_device *dev, struct foo *p)\n{\n\tp->xops = foo_ops;\n"
            f"\tp->xops.flags |= {FLAG};\n\tdev->xfrmdev_ops = &p->xops;\n}}\n",
            ["foo_ops lower, opted in"],
            id="in a copy",
        ),
        pytest.param(
            f"{TABLE}static void f(struct net_device *dev, struct xfrmdev_ops *o)\n{{\n"
            f"\to = kmemdup(&foo_ops, sizeof(*o), 0);\n\to->flags |= {FLAG};\n"
            f"\tdev->xfrmdev_ops = o;\n}}\n",
            ["foo_ops lower, opted in"],
            id="in a duplicate",
        ),
        pytest.param(
            f"{TABLE}static void f(struct net_device *dev, struct device *parent)\n{{\n"
            "\tstruct xfrmdev_ops *o = devm_kmemdup(parent, &foo_ops, sizeof(*o), 0);\n\n"
            f"\to->flags |= {FLAG};\n\tdev->xfrmdev_ops = o;\n}}\n",
            ["foo_ops lower, opted in"],
            id="in a duplicate that the device frees",
        ),
        pytest.param(
            f"{TABLE}static struct xfrmdev_ops copy;\nstatic void f(struct net_device *dev)\n{{\n"
            f"\tmemcpy(&copy, &foo_ops, sizeof(copy));\n\tcopy.flags |= {FLAG};\n"
            "\tdev->xfrmdev_ops = &copy;\n}\n",
            ["foo_ops lower, opted in"],
            id="in a copy by memcpy",
        ),
        pytest.param(
            f"{TABLE}static struct xfrmdev_ops copy;\nstatic void f(struct net_device *dev)\n{{\n"
            f"\tcopy = foo_ops;\n\tcopy.flags |= {FLAG};\n\tdev->xfrmdev_ops = &copy;\n}}\n",
            ["foo_ops lower, opted in"],
            id="in a copy by assignment",
        ),
        pytest.param(
            f"struct foo_hw {{ struct xfrmdev_ops xops; }};\n"
            f"static struct foo_hw hw = {{ .xops = {{\n"
            f"\t.xdo_dev_state_add = foo_add, .flags = {FLAG} }} }};\n",
            ["hw.xops lower, opted in"],
            id="member",
        ),
        pytest.param(
            "struct foo_hw { struct xfrmdev_ops xops; };\nstatic struct foo_hw hw = { .xops = {\n"
            f"\t.xdo_dev_state_add = foo_add }} }};\nstatic void f(void) {{ "
            f"hw.xops.flags |= {FLAG}; }}\n",
            ["hw.xops lower, opted in"],
            id="member, at run time",
        ),
        pytest.param(
            "struct foo { struct xfrmdev_ops xops; };\nstatic void f(struct foo *p)\n{\n"
            f"\tp->xops.xdo_dev_state_add = foo_add;\n\tp->xops.flags = {FLAG};\n}}\n",
            ["xops lower, opted in"],
            id="member of what a pointer points to",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops;\nstatic void f(void)\n{\n"
            f"\tfoo_ops.xdo_dev_state_add = foo_add;\n\tfoo_ops.flags = {FLAG};\n}}\n",
            ["foo_ops lower, opted in"],
            id="all assigned",
        ),
        pytest.param(
            "static struct xfrmdev_ops foo_ops = {\n\t.xdo_dev_state_add = foo_add,\n#ifdef A\n"
            f"\t.flags = {FLAG},\n#endif\n}};\n",
            ["foo_ops lower, opted in"],
            id="the whole entry under a condition",
        ),
        pytest.param(
            f"{SET}{TWO}static void f(void)\n{{\n"
            f"\tset(&a_ops.flags, 2);\n\tset(&b_ops.flags, {FLAG});\n}}\n",
            ["a_ops lower", "b_ops lower, opted in"],
            id="a function that or's into what it points to",
        ),
        pytest.param(
            f"{SET}{TWO}static void f(void)\n{{\n"
            f"\tu32 *at = &b_ops.flags;\n\n\tset(at, {FLAG});\n}}\n",
            ["a_ops lower", "b_ops lower, opted in"],
            id="by a pointer to the flags",
        ),
        pytest.param(
            "static void cut(u32 *word, u32 bits) { *word &= bits; }\n"
            f"{TWO}static void f(void) {{ cut(&b_ops.flags, {FLAG}); }}\n",
            ["a_ops lower", "b_ops lower"],
            id="a function that masks what it points to",
        ),
        pytest.param(
            f"{MADE}static void f(struct net_device *dev)\n{{\n"
            f"\tstruct xfrmdev_ops *o = kzalloc(sizeof(*o), GFP_KERNEL);\n\n"
            f"\tadds(o);\n\tdeletes(o);\n\to->flags = {FLAG};\n\tdev->xfrmdev_ops = o;\n}}\n",
            ["o lower, opted in"],
            id="allocated, and filled by two functions",
        ),
        pytest.param(
            f"static void f(struct net_device *dev, struct net_device *other)\n{{\n"
            f"\tstruct xfrmdev_ops *p = kzalloc(sizeof(*p), GFP_KERNEL);\n"
            f"\tstruct xfrmdev_ops *q = kzalloc(sizeof(*q), GFP_KERNEL);\n\n"
            f"\tp->xdo_dev_state_add = foo_add;\n\tq->xdo_dev_state_delete = foo_del;\n"
            f"\tq->flags = {FLAG};\n\tdev->xfrmdev_ops = p;\n\tother->xfrmdev_ops = q;\n}}\n",
            ["p lower", "q lower, opted in"],
            id="two allocated",
        ),
        pytest.param(
            f"{MADE}static void f(struct net_device *dev, struct net_device *other)\n{{\n"
            f"\tstruct xfrmdev_ops *p = kzalloc(sizeof(*p), GFP_KERNEL);\n"
            f"\tstruct xfrmdev_ops *q = kzalloc(sizeof(*q), GFP_KERNEL);\n\n"
            f"\tadds(p);\n\tdeletes(p);\n\tadds(q);\n\tdeletes(q);\n\tq->flags = {FLAG};\n"
            f"\tdev->xfrmdev_ops = p;\n\tother->xfrmdev_ops = q;\n}}\n",
            ["o lower", "o lower, opted in"],
            id="two allocated that one function fills",
        ),
        pytest.param(
            "struct foo { struct xfrmdev_ops *xops; };\n"
            "static struct xfrmdev_ops *make(void)\n{\n"
            f"\tstruct xfrmdev_ops *o = kzalloc(sizeof(*o), GFP_KERNEL);\n\n"
            "\to->xdo_dev_state_add = foo_add;\n\treturn o;\n}\n"
            "static void f(struct net_device *dev, struct foo *p)\n{\n\tp->xops = make();\n"
            f"\tp->xops->xdo_dev_state_delete = foo_del;\n\tp->xops->flags = {FLAG};\n"
            "\tdev->xfrmdev_ops = p->xops;\n}\n",
            ["o lower, opted in"],
            id="allocated, and kept in a member",
        ),
        pytest.param(
            f"#define TABLE(n, f) static struct xfrmdev_ops n = {{ "
            f".xdo_dev_state_add = foo_add, .flags = f }}\n"
            f"TABLE(a_ops, 0);\nTABLE(b_ops, {FLAG});\n",
            ["a_ops lower", "b_ops lower, opted in"],
            id="a macro makes the tables",
        ),
    ],
)
def test_opting_in_elsewhere(text: str, wanted: list[str]) -> None:
    assert tables(analysed(text)) == wanted


MARK = (
    f"static void mark(struct xfrmdev_ops *o) {{ o[0].flags |= {FLAG}; }}\n"
    "static void (*const kept)(struct xfrmdev_ops *o) = mark;\n"
)


@pytest.mark.parametrize(
    ("call", "opted_in"),
    [
        ("mark(&b_ops);", True),
        ("(mark)(&b_ops);", True),
        ("(*mark)(&b_ops);", True),
        ("((void)0, mark)(&b_ops);", True),
        ("(a ? mark : mark)(&b_ops);", True),
        ("({ mark; })(&b_ops);", True),
        ("void (*m)(struct xfrmdev_ops *o) = mark; m(&b_ops);", True),
        ("kept(&b_ops);", True),
        ("(a ? mark : mark)(&c_ops);", False),
        ("kept(&c_ops);", False),
    ],
)
def test_who_is_flagged_by_a_function(call: str, opted_in: bool) -> None:
    made = analysed(f"{TWO}struct xfrmdev_ops c_ops;\n{MARK}static void f(int a) {{ {call} }}\n")
    wanted = ", opted in" if opted_in else ""
    assert tables(made) == ["a_ops lower", f"b_ops lower{wanted}"]


@pytest.mark.parametrize(
    "stored",
    [
        "p->xops = (LITERAL);",
        "(p->xops) = (LITERAL);",
        "p->xops = ((void)0, LITERAL);",
        "p->xops = ({ LITERAL; });",
        "p->xops = a ? LITERAL : LITERAL;",
        "struct xfrmdev_ops one; p->xops = one = LITERAL;",
    ],
)
def test_a_table_is_assigned(stored: str) -> None:
    stored = stored.replace("LITERAL", "(struct xfrmdev_ops){ .xdo_dev_state_add = foo_add }")
    made = analysed(
        "struct foo { struct xfrmdev_ops xops; };\nstatic void f(struct foo *p, int a)\n{\n"
        f"\t{stored}\n\tp->xops.flags |= {FLAG};\n}}\n"
    )
    assert [one.partition(" ")[2] for one in tables(made)] == ["lower, opted in"]


TEMPLATE = TABLE.replace("foo_add }", f"foo_add, .flags = {FLAG} }}")
OWN = "struct hw { int id; struct xfrmdev_ops ops; const struct xfrmdev_ops *at; };\n"
DELETES = "static void deletes(struct xfrmdev_ops *o) { o->xdo_dev_state_delete = foo_del; }\n"
CHANGED = ["foo_ops.state_add = foo_add", "foo_ops.state_delete = foo_del"]


@pytest.mark.parametrize(
    ("copied", "changed"),
    [
        ("hw->ops = foo_ops;", "hw->ops.xdo_dev_state_delete = foo_del;"),
        ("hw->ops = foo_ops;", "deletes(&hw->ops);"),
        ("hw->ops = (typeof(hw->ops))(foo_ops);", "deletes(&hw->ops);"),
        ("struct xfrmdev_ops one; hw->ops = one = foo_ops;", "deletes(&hw->ops);"),
        ("hw->ops = foo_ops;", "o = &hw->ops; *(&o->xdo_dev_state_delete) = foo_del;"),
        ("hw->ops = foo_ops;", "WRITE_ONCE(hw->ops.xdo_dev_state_delete, foo_del);"),
        ("hw->ops = foo_ops;", "slot = &hw->ops.xdo_dev_state_delete; *slot = foo_del;"),
        ("memcpy(&hw->ops, &foo_ops, sizeof(hw->ops));", "deletes(&hw->ops);"),
        ("own[id] = foo_ops;", "own[id].xdo_dev_state_delete = foo_del;"),
        ("hw->at = &foo_ops;", "deletes((struct xfrmdev_ops *)hw->at);"),
        ("dev->xfrmdev_ops = &foo_ops;", "deletes((struct xfrmdev_ops *)dev->xfrmdev_ops);"),
        ("o = kzalloc(sizeof(*o), GFP_KERNEL); *o = foo_ops;", "deletes(o);"),
        ("o = kmemdup(&foo_ops, sizeof(*o), GFP_KERNEL);", "deletes(o);"),
        ("struct xfrmdev_ops one = foo_ops;", "deletes(&one); hw->ops = one; deletes(&hw->ops);"),
    ],
)
def test_what_is_put_into_a_copy_is_the_table_s(copied: str, changed: str) -> None:
    made = analysed(
        f"{TEMPLATE}{OWN}{DELETES}static struct xfrmdev_ops own[2];\n"
        "static void f(struct net_device *dev, struct hw *hw, int id)\n{\n"
        "\tvoid (**slot)(struct net_device *dev, struct xfrm_state *x);\n"
        f"\tstruct xfrmdev_ops *o;\n\n\t{copied}\n\t{changed}\n}}\n"
    )
    assert tables(made) == ["foo_ops lower, opted in"]
    assert sorted(callbacks(made)) == CHANGED


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("static void f(void) { deletes(&a_ops); deletes(&b_ops); }", ["a_ops", "b_ops"]),
        ("static void f(int b) { deletes(b ? &b_ops : &a_ops); }", ["a_ops", "b_ops"]),
        ("static void f(void) { deletes(&b_ops); }", ["b_ops"]),
        ("", []),
    ],
)
def test_a_store_through_a_pointer_is_in_what_it_can_point_to(told: str, wanted: list[str]) -> None:
    made = analysed(f"{TWO}{DELETES}{told}\n")
    found = [one.partition(".")[0] for one in callbacks(made) if "state_delete" in one]
    assert (tables(made), found) == (["a_ops lower", "b_ops lower"], wanted)
    _, rows = made.store.query("SELECT reason FROM unknown")
    assert [row["reason"] for row in rows] == (
        [] if wanted else ["which ops table o is here is not known"]
    )


def test_a_flag_set_through_a_pointer_nobody_knows_may_be_any_table_s() -> None:
    made = analysed(f"{TABLE}{SETUP}void f(struct xfrmdev_ops *o) {{ o->flags |= {FLAG}; }}\n")
    _, rows = made.store.query("SELECT promise_unknown FROM lower_driver")
    assert (tables(made), [row["promise_unknown"] for row in rows]) == (["foo_ops lower"], [1])


@pytest.mark.parametrize("does", ["{ foo_ops.xdo_dev_state_delete = foo_del; }", "{ }"])
def test_what_another_source_puts_into_a_table_is_its_own(does: str) -> None:
    files = {
        "drivers/net/foo/Makefile": "obj-m += drv.o\ndrv-y := foo.o bar.o\n",
        HEADER: "extern struct xfrmdev_ops foo_ops;\n"
        "void foo_del(struct net_device *dev, struct xfrm_state *x);\n",
        BAR: f'{HEAD}#include "foo.h"\nvoid bar(void) {does}\n',
    }
    made = analysed('#include "foo.h"\n' + TEMPLATE.replace("static const ", "") + SETUP, files)
    assert tables(made) == ["foo_ops lower, opted in"]
    assert sorted(callbacks(made)) == CHANGED[: 2 if "del" in does else 1]


def test_the_flag_is_found_in_another_source_of_the_driver() -> None:
    files = {
        "drivers/net/foo/Makefile": "obj-m += drv.o\ndrv-y := foo.o bar.o\n",
        HEADER: "extern struct xfrmdev_ops foo_ops;\n",
        BAR: f'{HEAD}#include "foo.h"\nvoid bar(void) {{ foo_ops.flags |= {FLAG}; }}\n',
    }
    made = analysed('#include "foo.h"\n' + TABLE.replace("static const ", "") + SETUP, files)
    assert tables(made) == ["foo_ops lower, opted in"]


CAPS = "struct caps { u32 flags; };\nstatic struct caps caps;\n"
KEPT = (
    "static u32 k(const struct xfrmdev_ops *o) { return o->flags & %s; }\n"
    "static u32 g(struct net_device *d) { return k(d->xfrmdev_ops); }\n"
)


@pytest.mark.parametrize(
    ("before", "value", "wanted"),
    [
        pytest.param("", "0", "no", id="none"),
        pytest.param("", "FOO_OTHER", "no", id="another flag"),
        pytest.param("", "1", "yes", id="the flag's number"),
        pytest.param("", "BIT(0)", "yes", id="the flag's bit"),
        pytest.param("", "FOO_OTHER | BIT(0)", "yes", id="with another flag"),
        pytest.param("", "foo_mask() & ~" + FLAG, "no", id="taken away"),
        pytest.param(CAPS, "caps.flags", "open", id="a member that nobody is seen to store"),
        pytest.param("", "foo_flags()", "open", id="a function that nobody defines"),
        pytest.param("", "0; foo_mark(&foo_ops.flags)", "open", id="its address is given away"),
        pytest.param(CAPS, "FOO_OTHER | caps.flags", "open", id="one side is open"),
        pytest.param(CAPS, "caps.flags | FOO_OTHER", "open", id="the other side is open"),
        pytest.param(CAPS, "caps.flags & ~FOO_OTHER", "open", id="a mask that leaves it"),
        pytest.param("", "(FOO_OTHER | BIT(0)) & ~FOO_OTHER", "yes", id="what a mask leaves"),
        pytest.param(CAPS, "caps.flags & FOO_OTHER", "no", id="a mask without it"),
        pytest.param("", "1 << 3", "no", id="another bit"),
        pytest.param("", "~0U", "open", id="all that there is"),
        pytest.param("", "foo_mode() == 2", "open", id="a truth as a number"),
        pytest.param(
            CAPS + "static void g(bool on) { caps.flags = on ? " + FLAG + " : 0; }\n",
            "caps.flags",
            "yes",
            id="a member that holds it",
        ),
        pytest.param(
            CAPS + "static void g(void) { caps.flags = FOO_OTHER; }\n",
            "caps.flags",
            "no",
            id="a member that holds something else",
        ),
        pytest.param(
            "static u32 g(struct net_device *d) { return d->xfrmdev_ops->flags; }\n",
            "g(dev)",
            "yes",
            id="what another device's table promises",
        ),
        pytest.param(
            KEPT % "(BIT(0) | BIT(2))",
            "g(dev)",
            "yes",
            id="what a mask leaves of what another device's table promises",
        ),
        pytest.param(
            KEPT % "FOO_OTHER",
            "g(dev)",
            "no",
            id="what another device's table says besides",
        ),
        pytest.param(
            "u32 g(const struct xfrmdev_ops *o) { return o->flags & BIT(0); }\n",
            "g(foo_find())",
            "open",
            id="what a table that nobody knows promises",
        ),
        pytest.param(
            "static u32 g(bool on) { u32 f = 0; if (on) f |= " + FLAG + "; return f; }\n",
            "g(true)",
            "yes",
            id="what a function puts together",
        ),
    ],
)
def test_what_a_value_says_of_the_promise(before: str, value: str, wanted: str) -> None:
    before = "#define FOO_OTHER (1 << 3)\n" + before
    table = TABLE.replace("static const ", "static ")
    made = analysed(f"{before}{table}void h(void) {{ foo_ops.flags = {value}; }}\n{SETUP}")
    _, rows = made.store.query("SELECT opted_in, promise_unknown FROM ops_table")
    _, doubts = made.store.query("SELECT reason FROM unknown WHERE reason LIKE 'whether foo_ops %'")
    (row,) = rows
    told = "yes" if row["opted_in"] else "open" if row["promise_unknown"] else "no"
    assert (told, len(doubts)) == (wanted, int(wanted == "open"))


def test_the_place_of_the_flag() -> None:
    made = opting("", "", f"static void f(void)\n{{\n\tfoo_ops.flags |= {FLAG};\n}}\n")
    _, rows = made.store.query("SELECT flag_path, flag_line FROM ops_table")
    lines = (made.parts[0].graph.reader.corpus.data(FOO)).decode().split("\n")
    assert rows[0]["flag_path"] == FOO
    assert lines[rows[0]["flag_line"] - 1].strip() == f"foo_ops.flags |= {FLAG};"


BOND = """\
struct bond { struct net_device *active; };
static int enslave(struct net_device *dev, struct net_device *slave)
{
	struct bond *bond = netdev_priv(dev);

	bond->active = slave;
	return 0;
}
static const struct net_device_ops bond_netdev = { .ndo_add_slave = enslave };
"""

CAPTURED = """\
struct engine { void (*gone)(struct net_device *dev, struct xfrm_state *x); };
struct leg { struct net_device *port; struct engine engine; };
static int join(struct net_device *dev, struct net_device *port)
{
	struct leg *leg = netdev_priv(dev);

	leg->port = port;
	leg->engine.gone = port->xfrmdev_ops->xdo_dev_state_delete;
	return 0;
}
static const struct net_device_ops leg_netdev = { .ndo_add_slave = join };
"""


@pytest.mark.parametrize(
    ("text", "role"),
    [
        pytest.param("", "lower", id="calls nobody"),
        pytest.param(
            "static unsigned long foo_map(struct net_device *d, struct xfrm_state *x,\n"
            "\t\t\t     struct net_device *l) { return 1; }\n"
            "static const struct xfrmdev_ops more = { .xdo_dev_state_lower_handle = foo_map };\n",
            "lower",
            id="fills the resolver",
        ),
        pytest.param(
            "static void f(struct net_device *dev, struct xfrm_state *x)\n"
            "{ dev->xfrmdev_ops->xdo_dev_state_free(dev, x); }\n",
            "lower",
            id="calls its own device's ops",
        ),
        pytest.param(
            "struct foo { struct net_device *dev; };\n"
            "static void f(struct net_device *dev)\n{\n\tstruct foo *p = netdev_priv(dev);\n\n"
            "\tp->dev = dev;\n}\n"
            "static void g(struct foo *p, struct xfrm_state *x)\n"
            "{ p->dev->xfrmdev_ops->xdo_dev_state_free(p->dev, x); }\n",
            "lower",
            id="calls its own device's ops, kept in a struct",
        ),
        pytest.param(
            "static void f(struct xfrm_state *x)\n"
            "{ x->xso.dev->xfrmdev_ops->xdo_dev_state_free(x->xso.dev, x); }\n",
            "lower",
            id="calls the owner's",
        ),
        pytest.param(
            "struct foo { struct net_device *of; };\n"
            "static int f(struct foo *p, struct xfrm_state *x)\n"
            "{ p->of = x->xso.dev; return 0; }\n"
            "static void g(struct foo *p, struct xfrm_state *x)\n"
            "{ p->of->xfrmdev_ops->xdo_dev_state_free(p->of, x); }\n",
            "lower",
            id="calls the owner's, kept in a struct",
        ),
        pytest.param(
            "struct foo { struct net_device *of; };\n"
            "static int f(struct foo *p, struct xfrm_state *x)\n"
            "{ p->of = x->xso.real_dev; return 0; }\n"
            "static void g(struct foo *p, struct xfrm_state *x)\n"
            "{ p->of->xfrmdev_ops->xdo_dev_state_free(p->of, x); }\n",
            "upper",
            id="calls the chosen one's, kept in a struct",
        ),
        pytest.param(
            "struct foo { struct net_device netdev; };\n"
            "static void f(struct foo *p, struct xfrm_state *x)\n"
            "{ p->netdev.xfrmdev_ops->xdo_dev_state_free(&p->netdev, x); }\n",
            "lower",
            id="calls the ops of a device in its own struct",
        ),
        pytest.param(
            "struct foo { struct net_device netdev; const struct xfrmdev_ops *ops; };\n"
            "static void f(struct foo *p, struct xfrm_state *x)\n"
            "{ p->ops->xdo_dev_state_free(&p->netdev, x); }\n",
            "lower",
            id="calls kept ops for a device in its own struct",
        ),
        pytest.param(
            "struct foo { struct net_device *port; };\n"
            "static void f(struct foo *p, struct xfrm_state *x)\n"
            "{ (*p->port).xfrmdev_ops->xdo_dev_state_free(&*p->port, x); }\n",
            "upper",
            id="calls the ops of what its struct points to",
        ),
        pytest.param(
            "static int f(struct net_device *real) { return real->xfrmdev_ops != 0; }\n",
            "lower",
            id="looks at another's ops",
        ),
        pytest.param(
            BOND + "static int up_add(struct net_device *dev, struct xfrm_state *x, void *e)\n{\n"
            "\tstruct bond *bond = netdev_priv(dev);\n\tstruct net_device *real = bond->active;\n\n"
            "\treturn real->xfrmdev_ops->xdo_dev_state_add(real, x, e);\n}\n"
            "static const struct xfrmdev_ops up_ops = { .xdo_dev_state_add = up_add };\n",
            "upper",
            id="hands on to a slave",
        ),
        pytest.param(
            BOND + "static int up_add(struct net_device *dev, struct xfrm_state *x, void *e)\n{\n"
            "\tstruct bond *bond = netdev_priv(dev);\n"
            "\tconst struct xfrmdev_ops *o = bond->active->xfrmdev_ops;\n\n"
            "\treturn o->xdo_dev_state_add(bond->active, x, e);\n}\n"
            "static const struct xfrmdev_ops up_ops = { .xdo_dev_state_add = up_add };\n",
            "upper",
            id="hands on by a local pointer",
        ),
        pytest.param(
            CAPTURED + "static void up_delete(struct net_device *dev, struct xfrm_state *x)\n{\n"
            "\tstruct leg *leg = netdev_priv(dev);\n\n"
            "\tleg->engine.gone(leg->port, x);\n}\n"
            "static const struct xfrmdev_ops up_ops = { .xdo_dev_state_delete = up_delete };\n",
            "upper",
            id="hands on by callbacks that it has captured",
        ),
        pytest.param(
            CAPTURED + "static void up_delete(struct net_device *dev, struct xfrm_state *x)\n{\n"
            "\tstruct leg *leg = netdev_priv(dev);\n\n"
            "\tleg->engine.gone(dev, x);\n}\n"
            "static const struct xfrmdev_ops up_ops = { .xdo_dev_state_delete = up_delete };\n",
            "lower",
            id="calls what it has captured for its own device",
        ),
        pytest.param(
            CAPTURED + "struct other { void (*gone)(struct net_device *d, struct xfrm_state *x); "
            "};\nstatic void up_delete(struct net_device *dev, struct xfrm_state *x,\n"
            "\t\t\tstruct other *other)\n{\n"
            "\tstruct leg *leg = netdev_priv(dev);\n\n"
            "\tother->gone(leg->port, x);\n}\n",
            "lower",
            id="calls what another struct calls so",
        ),
    ],
)
def test_roles(text: str, role: str) -> None:
    made = analysed(TABLE + SETUP + text)
    _, rows = made.store.query("SELECT role FROM ops_table ORDER BY line DESC")
    # Beside one that hands states on, a table that does not is a lower's.
    assert [row["role"] for row in rows] == [role, *["lower"] * (len(rows) - 1)]


ULD = """\
struct uld_info { const struct xfrmdev_ops *xops; int (*tx)(struct sk_buff *skb); };
struct adapter { struct uld_info uld[4]; };
int register_uld(int type, const struct uld_info *p);
"""


def carried(core_flags: str, uld_flags: str, call: str) -> Analysis:
    """Analyse two modules: core's table is on the netdev, and forwards to the one of uld."""
    core = f"""{HEAD}#include "foo.h"
static struct adapter *adap;
int register_uld(int type, const struct uld_info *p)
{{
	adap->uld[type] = *p;
	return 0;
}}
EXPORT_SYMBOL(register_uld);
static int core_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *e)
{{
	{call}
}}
static const struct xfrmdev_ops core_ops = {{
	.xdo_dev_state_add = core_add, .flags = {core_flags},
}};
static void setup(struct net_device *dev) {{ dev->xfrmdev_ops = &core_ops; }}
"""
    uld = f"""#include "foo.h"
static const struct xfrmdev_ops uld_ops = {{ .xdo_dev_state_add = foo_add, .flags = {uld_flags} }};
static const struct uld_info info = {{ .xops = &uld_ops }};
static int start(void) {{ return register_uld(1, &info); }}
"""
    makefile = "obj-m += core.o foo.o\n"
    files = {"drivers/net/foo/core.c": core, HEADER: ULD, "drivers/net/foo/Makefile": makefile}
    return analysed(uld, files)


FORWARD = "return adap->uld[1].xops->xdo_dev_state_add(dev, x, e);"


@pytest.mark.parametrize(
    ("core", "uld", "wanted"),
    [
        pytest.param("0", "0", ["core_ops lower", "uld_ops lower, carried by core"], id="neither"),
        pytest.param(
            "0", FLAG, ["core_ops lower", "uld_ops lower, carried by core"], id="the carried"
        ),
        pytest.param(
            FLAG,
            "0",
            ["core_ops lower, opted in", "uld_ops lower, carried by core, opted in"],
            id="netdev",
        ),
    ],
)
def test_a_table_that_another_module_carries(core: str, uld: str, wanted: list[str]) -> None:
    assert tables(carried(core, uld, FORWARD)) == wanted


@pytest.mark.parametrize(
    ("call", "is_carried"),
    [
        ("(adap->uld[1].xops)->xdo_dev_state_add(dev, x, e)", True),
        ("(*adap->uld[1].xops).xdo_dev_state_add(dev, x, e)", True),
        ("(&*adap->uld[1].xops)->xdo_dev_state_add(dev, x, e)", True),
        ("adap->uld[1].xops[0].xdo_dev_state_add(dev, x, e)", True),
        ("({ adap->uld[1].xops; })->xdo_dev_state_add(dev, x, e)", True),
        ("SAME(adap->uld[1].xops)->xdo_dev_state_add(dev, x, e)", True),
        ("adap->uld[1].xops->ADDS(dev, x, e)", True),
        ("adap->ULD[1].xops->xdo_dev_state_add(dev, x, e)", True),
        ("({ HELD(o, adap->uld[1].xops); o->xdo_dev_state_add(dev, x, e); })", True),
        ("(adap->uld[1].xops)->flags", False),
        ("SAME(adap->uld[1].xops) != 0", False),
    ],
)
def test_how_a_table_is_forwarded_to(call: str, is_carried: bool) -> None:
    macros = (
        "#define SAME(p) (p)\n#define ADDS xdo_dev_state_add\n#define ULD uld\n"
        "#define HELD(n, v) const struct xfrmdev_ops *n = v\n"
    )
    made = tables(carried("0", "0", f"\n{macros}\treturn {call};"))
    assert made == ["core_ops lower", "uld_ops lower" + ", carried by core" * is_carried]


LIBRARY = """\
static int lib_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *e)
{
	return 0;
}
const struct xfrmdev_ops lib_ops = { .xdo_dev_state_add = lib_add };
unsigned long lib_xmit(struct sk_buff *skb, struct net_device *dev)
{
	return xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev);
}
EXPORT_SYMBOL_GPL(lib_xmit);
"""
USER = """\
static int user_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *e)
{
	BODY
}
static const struct xfrmdev_ops user_ops = { .xdo_dev_state_add = user_add, .flags = FLAGS };
static netdev_tx_t user_xmit(struct sk_buff *skb, struct net_device *dev)
{
	return lib_xmit(skb, dev) ? 0 : 1;
}
static const struct net_device_ops user_ndo = { .ndo_start_xmit = user_xmit };
static void user_setup(struct net_device *dev)
{
	dev->netdev_ops = &user_ndo;
	dev->xfrmdev_ops = &user_ops;
}
"""
DIRECT = "return lib_ops.xdo_dev_state_add(dev, x, e);"
POINTED = (
    "const struct xfrmdev_ops *base = &lib_ops;\n\n\treturn base->xdo_dev_state_add(dev, x, e);"
)
SEATED = "static void lib_setup(struct net_device *dev) { dev->xfrmdev_ops = &lib_ops; }\n"


@pytest.mark.parametrize(
    "makefile", ["obj-m += user.o lib.o\n", "obj-m += u.o\nu-y := user.o lib.o\n"]
)
@pytest.mark.parametrize(
    ("flags", "body", "more", "wanted"),
    [
        (FLAG, DIRECT, "", ["lib_ops lower, carried, opted in", "user_ops lower, opted in"]),
        ("0", DIRECT, "", ["lib_ops lower, carried", "user_ops lower"]),
        ("0", POINTED, "", ["lib_ops lower, carried", "user_ops lower"]),
        (FLAG, DIRECT, SEATED, ["lib_ops lower", "user_ops lower, opted in"]),
        (FLAG, "return 0;", "", ["lib_ops lower", "user_ops lower, opted in"]),
    ],
)
def test_a_table_that_another_calls_by_its_name(
    flags: str, body: str, more: str, wanted: list[str], makefile: str
) -> None:
    text = HEAD + USER.replace("BODY", body).replace("FLAGS", flags)
    header = "extern const struct xfrmdev_ops lib_ops;\n"
    header += "unsigned long lib_xmit(struct sk_buff *skb, struct net_device *dev);\n"
    files = {
        "drivers/net/foo/lib.c": f'{HEAD}#include "foo.h"\n{LIBRARY}{more}',
        "drivers/net/foo/user.c": text.replace(HEAD, f'{HEAD}#include "foo.h"\n'),
        HEADER: header,
        "drivers/net/foo/Makefile": makefile,
    }
    made = analysis_of(tree(files))
    module = makefile.split()[2].removesuffix(".o")
    assert [one.replace(f"carried by {module}", "carried") for one in tables(made)] == wanted
    _, rows = made.store.query("SELECT resolved FROM lower_driver WHERE symbol = 'user_ops'")
    assert [row["resolved"] for row in rows] == [1]


def test_a_table_that_is_registered_but_never_called() -> None:
    assert tables(carried(FLAG, "0", "return 0;")) == ["core_ops lower, opted in", "uld_ops lower"]


def test_two_drivers_opt_in_each_for_itself() -> None:
    other = "drivers/net/bar/bar.c"
    text = HEAD + ADD + TABLE.replace("foo_add }", f"foo_add, .flags = {FLAG} }}") + SETUP
    made = analysed(TABLE + SETUP, {other: text})
    assert tables(made) == ["foo_ops lower, opted in", "foo_ops lower"]


def test_a_macro_below_include_can_hold_the_flag() -> None:
    shared = "#define FOO_FLAGS XFRMDEV_OPS_F_LOWER_HANDLE\n"
    table = TABLE.replace("foo_add }", "foo_add, .flags = FOO_FLAGS }")
    made = analysed(f"#include <linux/foo.h>\n{table}{SETUP}", {"include/linux/foo.h": shared})
    assert tables(made) == ["foo_ops lower, opted in"]
