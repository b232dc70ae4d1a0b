"""Every read and write of a state's xso is found, whatever it is spelled like, and nothing else."""

from collections.abc import Mapping

import pytest

from tests.asked import analysis_of
from tests.trees import FOO, HEAD, tree
from xfrmlint.analysis.analyse import Analysis

HEADER = "drivers/net/foo/foo.h"
BAR = "drivers/net/foo/bar.c"
# An ops table makes the module a driver; it stands behind the text a test is about.
TAIL = """
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	return 0;
}
static const struct xfrmdev_ops foo_ops = { .xdo_dev_state_add = foo_add };
"""
MAKEFILE = {"drivers/net/foo/Makefile": "obj-m += drv.o\ndrv-y := foo.o bar.o\n"}


def analysed(text: str, more: Mapping[str, str] | None = None) -> Analysis:
    return analysis_of(tree({FOO: HEAD + text + TAIL, BAR: "", **MAKEFILE, **(more or {})}))


def sites(analysis: Analysis) -> list[str]:
    """Return the sites as `line field access accessor`; HEAD has no line numbers."""
    _, rows = analysis.store.query(
        "SELECT path, line, field, access, accessor FROM site"
        " WHERE role = 'lower' ORDER BY 1, 2, 3, 4"
    )
    found = []
    for row in rows:
        own = row["path"] == FOO
        line = row["line"] - HEAD.count("\n") if own else row["line"]
        where = str(line) if own else f"{row['path'].rpartition('/')[2]}:{line}"
        text = f"{where} {row['field']} {row['access']} {row['accessor']}"
        found.append(text.strip())
    return found


def modes(text: str) -> list[str]:
    """Return how each site uses its field, and whether it clears it."""
    found = [site for site in analysed(text).sites if site.role == "lower"]
    return [site.access + " 0" * site.cleared for site in found]


def unknown(analysis: Analysis) -> list[str]:
    _, rows = analysis.store.query("SELECT reason FROM unknown ORDER BY path, line")
    return [row["reason"] for row in rows]


def accesses(statements: str, outside: str = "") -> list[str]:
    """Return the sites in a function of these statements; its first statement is on line 1."""
    lines = outside.count("\n") + 1
    text = (
        f"{outside}static long f(struct xfrm_state *x, struct xfrm_policy *p, struct foo *foo) {{\n"
    )
    found = sites(analysed(f"{text}{statements}\n}}\n"))
    return [
        f"{int(line) - lines} {rest}"
        for line, _, rest in (site.partition(" ") for site in found)
        if int(line) > lines
    ]


NONE: list[str] = []


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param("return x->props.mode;", id="another field of the state"),
        pytest.param("x->xso.flags = 1; return x->xso.dir;", id="another field of xso"),
        pytest.param("return p->xdo.offload_handle;", id="a policy's"),
        pytest.param(
            "p->xdo.dev = 0; return READ_ONCE(p->xdo.offload_handle);", id="a policy's, 2"
        ),
        pytest.param(
            "struct xfrm_dev_offload *o = &p->xdo;\nreturn o->offload_handle;", id="alias"
        ),
        pytest.param(
            "struct xfrm_dev_offload *xso = &p->xdo;\nreturn xso->dev != 0;", id="a name lies"
        ),
        pytest.param(
            "struct xfrm_dev_offload c = p->xdo;\nreturn c.offload_handle;", id="its copy"
        ),
        pytest.param("return foo->offload_handle;", id="a field of the driver's own"),
        pytest.param("return foo->dev == foo->real_dev;", id="devices of the driver's own"),
        pytest.param("return foo->xso.offload_handle;", id="a member of the driver's named xso"),
        pytest.param("unsigned long offload_handle = 1;\nreturn offload_handle;", id="a local"),
        pytest.param(
            "int upper_priv = 0;\nupper_priv++;\nreturn upper_priv;", id="upper_priv, local"
        ),
        pytest.param("return sizeof(x->xso.offload_handle);", id="sizeof"),
        pytest.param("return sizeof x->xso.offload_handle;", id="sizeof without parentheses"),
        pytest.param("return offsetof(struct xfrm_state, xso.offload_handle);", id="offsetof"),
        pytest.param("typeof(x->xso.offload_handle) h = 0;\nreturn h;", id="typeof"),
        pytest.param(
            "return sizeof_field(struct xfrm_dev_offload, offload_handle);", id="sizeof_field"
        ),
        pytest.param("BUILD_BUG_ON(sizeof(x->xso.offload_handle) != 8);", id="BUILD_BUG_ON"),
        pytest.param("/* x->xso.offload_handle */ return 0;", id="a comment"),
        pytest.param('return g("x->xso.offload_handle");', id="a string"),
        pytest.param("#if 0\nx->xso.offload_handle = 0;\n#endif", id="dead text"),
        pytest.param(
            "struct xfrm_dev_offload *o = &x->xso;\nreturn o != 0;", id="only the address"
        ),
        pytest.param("return xfrm_dev_offload_handle(x);", id="a longer name"),
    ],
)
def test_no_access(statements: str) -> None:
    outside = """struct own { unsigned long offload_handle; struct net_device *dev, *real_dev; };
struct foo {
	unsigned long offload_handle; struct net_device *dev, *real_dev; struct own xso; };
"""
    assert accesses(statements, outside) == NONE


@pytest.mark.parametrize(
    ("statements", "wanted"),
    [
        # Reads.
        pytest.param("return x->xso.offload_handle;", ["1 offload_handle read"], id="arrow, dot"),
        pytest.param("return x->xso.upper_priv != 0;", ["1 upper_priv read"], id="upper_priv"),
        pytest.param(
            "unsigned long *h = ({ &x->xso.offload_handle; });\n*h = 1;",
            ["1 offload_handle write"],
            id="its address, from a block",
        ),
        pytest.param(
            "unsigned long *h = (0, &x->xso.offload_handle);\nreturn *h;",
            ["1 offload_handle read"],
            id="its address, behind a comma",
        ),
        pytest.param("return x->xso.dev != 0;", ["1 dev read"], id="dev"),
        pytest.param("return x->xso.real_dev != 0;", ["1 real_dev read"], id="real_dev"),
        pytest.param("return (*x).xso.offload_handle;", ["1 offload_handle read"], id="star"),
        pytest.param("return (&x->xso)->offload_handle;", ["1 offload_handle read"], id="address"),
        pytest.param("return (x)->xso . offload_handle;", ["1 offload_handle read"], id="spaces"),
        pytest.param("return x->xso\n\t.offload_handle;", ["2 offload_handle read"], id="own line"),
        pytest.param("return (u32)x->xso.offload_handle;", ["1 offload_handle read"], id="cast"),
        pytest.param(
            "return ((struct own *)x->xso.offload_handle)->a;",
            ["1 offload_handle read"],
            id="cast to a pointer, used",
        ),
        pytest.param("return x->xso.dev->name[0];", ["1 dev read"], id="a field of the device"),
        pytest.param("x->xso.dev->ml_priv = 0;", ["1 dev read"], id="a write to the device"),
        pytest.param("if (x->xso.offload_handle) return 1;", ["1 offload_handle read"], id="test"),
        pytest.param("return !x->xso.offload_handle;", ["1 offload_handle read"], id="not"),
        pytest.param(
            "return *&x->xso.offload_handle;", ["1 offload_handle read"], id="star, address"
        ),
        pytest.param("g(x->xso.offload_handle);", ["1 offload_handle read"], id="argument"),
        pytest.param(
            'pr_debug("%lx", x->xso.offload_handle);', ["1 offload_handle read"], id="print"
        ),
        pytest.param("WARN_ON(x->xso.offload_handle);", ["1 offload_handle read"], id="WARN_ON"),
        pytest.param(
            "return READ_ONCE(x->xso.offload_handle);", ["1 offload_handle read"], id="once"
        ),
        pytest.param(
            "return x->xso.offload_handle + x->xso.offload_handle;",
            ["1 offload_handle read"] * 2,
            id="twice on a line",
        ),
        pytest.param(
            "struct xfrm_state *y = x;\nreturn y->xso.offload_handle;",
            ["2 offload_handle read"],
            id="another name of the state",
        ),
        pytest.param(
            "return ((struct xfrm_state *)foo)->xso.dev != 0;", ["1 dev read"], id="a cast state"
        ),
        pytest.param(
            "struct xfrm_state y = *x;\nreturn y.xso.offload_handle;",
            ["2 offload_handle read"],
            id="a copy of the state",
        ),
        pytest.param(
            "struct xfrm_state *y[2] = { x };\nreturn y[0]->xso.offload_handle;",
            ["2 offload_handle read"],
            id="an array of states",
        ),
        pytest.param(
            "return xfrm_input_state(0)->xso.offload_handle;",
            ["1 offload_handle read"],
            id="result",
        ),
        pytest.param(
            "return skb_sec_path(0)->xvec[0]->xso.offload_handle;",
            ["1 offload_handle read"],
            id="secpath",
        ),
        # Aliases and copies.
        pytest.param(
            "struct xfrm_dev_offload *o = &x->xso;\nreturn o->offload_handle;",
            ["2 offload_handle read"],
            id="alias",
        ),
        pytest.param(
            "struct xfrm_dev_offload *o;\no = &x->xso;\nreturn o->offload_handle;",
            ["3 offload_handle read"],
            id="alias by assignment",
        ),
        pytest.param(
            "struct xfrm_dev_offload *o = &x->xso, *q = o;\nreturn q->offload_handle;",
            ["2 offload_handle read"],
            id="alias of an alias",
        ),
        pytest.param(
            "struct xfrm_dev_offload *o = foo ? &x->xso : &p->xdo;\nreturn o->offload_handle;",
            ["2 offload_handle read"],
            id="one of two",
        ),
        pytest.param(
            "struct xfrm_dev_offload o = x->xso;\nreturn o.offload_handle;",
            ["2 offload_handle read"],
            id="copy",
        ),
        pytest.param(
            "struct xfrm_dev_offload o;\no = x->xso;\nreturn o.offload_handle;",
            ["3 offload_handle read"],
            id="copy by assignment",
        ),
        pytest.param(
            "struct xfrm_dev_offload o;\nmemcpy(&o, &x->xso, sizeof(o));\nreturn o.offload_handle;",
            ["3 offload_handle read"],
            id="copy by memcpy",
        ),
        pytest.param(
            "typeof(x->xso) *o = &x->xso;\nreturn o->offload_handle;",
            ["2 offload_handle read"],
            id="alias with typeof",
        ),
        pytest.param(
            "unsigned long *h = &x->xso.offload_handle;\nreturn *h;",
            ["1 offload_handle read"],
            id="address of the field",
        ),
        # Writes.
        pytest.param("x->xso.offload_handle = 1;", ["1 offload_handle write"], id="store"),
        pytest.param("(x->xso.offload_handle) = 1;", ["1 offload_handle write"], id="parentheses"),
        pytest.param("x->xso.dev = 0;", ["1 dev write"], id="store of dev"),
        pytest.param("x->xso.real_dev = 0;", ["1 real_dev write"], id="store of real_dev"),
        pytest.param("x->xso.upper_priv = 0;", ["1 upper_priv write"], id="store of upper_priv"),
        pytest.param("x->xso.offload_handle |= 1;", ["1 offload_handle readwrite"], id="or"),
        pytest.param("x->xso.offload_handle += 1;", ["1 offload_handle readwrite"], id="plus"),
        pytest.param("x->xso.offload_handle++;", ["1 offload_handle readwrite"], id="behind"),
        pytest.param("--x->xso.offload_handle;", ["1 offload_handle readwrite"], id="before"),
        pytest.param(
            "*&x->xso.offload_handle = 1;", ["1 offload_handle write"], id="star, address"
        ),
        pytest.param(
            "WRITE_ONCE(x->xso.offload_handle, 1);", ["1 offload_handle write"], id="once"
        ),
        pytest.param(
            "smp_store_release(&x->xso.offload_handle, 1);",
            ["1 offload_handle write"],
            id="release",
        ),
        pytest.param(
            "return smp_load_acquire(&x->xso.offload_handle);",
            ["1 offload_handle read"],
            id="acquire",
        ),
        pytest.param(
            "return xchg(&x->xso.offload_handle, 0);", ["1 offload_handle readwrite"], id="xchg"
        ),
        pytest.param(
            "cmpxchg(&x->xso.offload_handle, 0, 1);", ["1 offload_handle readwrite"], id="cmpxchg"
        ),
        pytest.param(
            "swap(x->xso.dev, x->xso.real_dev);",
            ["1 dev readwrite", "1 real_dev readwrite"],
            id="swap",
        ),
        pytest.param(
            "x->xso.offload_handle = y->xso.offload_handle;",
            ["1 offload_handle read", "1 offload_handle write"],
            id="from one to another",
        ),
        pytest.param(
            "x->xso.dev = x->xso.real_dev = 0;",
            ["1 dev write", "1 real_dev write"],
            id="two at once",
        ),
        pytest.param(
            "return x->xso.offload_handle = 1;", ["1 offload_handle write"], id="store and return"
        ),
        pytest.param(
            "unsigned long *h = &x->xso.offload_handle;\n*h = 1;",
            ["1 offload_handle write"],
            id="through a pointer",
        ),
        pytest.param(
            "unsigned long *h;\nh = &x->xso.offload_handle;\n*h = 1;",
            ["2 offload_handle write"],
            id="through a pointer, assigned",
        ),
        pytest.param(
            "memset(&x->xso.offload_handle, 0, 8);", ["1 offload_handle write"], id="memset"
        ),
        pytest.param(
            "struct xfrm_dev_offload *o = &x->xso;\no->offload_handle = 0;",
            ["2 offload_handle write"],
            id="through an alias",
        ),
        pytest.param(
            "x->xso = (struct xfrm_dev_offload){ .offload_handle = 1, .dev = 0 };",
            ["1 dev write", "1 offload_handle write"],
            id="compound literal",
        ),
        pytest.param(
            "x->xso = (struct xfrm_dev_offload){};", ["1 offload_handle write"], id="all of it"
        ),
        pytest.param(
            "memset(&x->xso, 0, sizeof(x->xso));", ["1 offload_handle write"], id="cleared"
        ),
        pytest.param(
            "struct xfrm_dev_offload o = x->xso;\nmemcpy(&o, &x->xso, sizeof(o));",
            [],
            id="copied from",
        ),
        pytest.param(
            "struct xfrm_state y = { .xso = { .offload_handle = 1 } };\ng(&y);",
            ["1 offload_handle write"],
            id="designated",
        ),
        pytest.param(
            "struct xfrm_state y = { .xso.offload_handle = 1 };\ng(&y);",
            ["1 offload_handle write"],
            id="designated in one",
        ),
        # RCU.
        pytest.param(
            "return rcu_dereference(x->xso.upper_priv) != 0;",
            ["1 upper_priv read rcu_dereference"],
            id="rcu_dereference",
        ),
        pytest.param(
            "return rcu_access_pointer(x->xso.upper_priv) != 0;",
            ["1 upper_priv read rcu_access_pointer"],
            id="rcu_access_pointer",
        ),
        pytest.param(
            "return rcu_dereference_protected(x->xso.upper_priv, 1) != 0;",
            ["1 upper_priv read rcu_dereference_protected"],
            id="rcu_dereference_protected",
        ),
        pytest.param(
            "return rtnl_dereference(x->xso.upper_priv) != 0;",
            ["1 upper_priv read rtnl_dereference"],
            id="rtnl_dereference",
        ),
        pytest.param(
            "rcu_assign_pointer(x->xso.upper_priv, 0);",
            ["1 upper_priv write rcu_assign_pointer"],
            id="rcu_assign_pointer",
        ),
        pytest.param(
            "RCU_INIT_POINTER(x->xso.upper_priv, 0);",
            ["1 upper_priv write RCU_INIT_POINTER"],
            id="RCU_INIT_POINTER",
        ),
        pytest.param(
            "rcu_replace_pointer(x->xso.upper_priv, 0, 1);",
            ["1 upper_priv readwrite rcu_replace_pointer"],
            id="rcu_replace_pointer",
        ),
        pytest.param(
            "unrcu_pointer(xchg(&x->xso.upper_priv, 0));",
            ["1 upper_priv readwrite unrcu_pointer"],
            id="xchg in unrcu_pointer",
        ),
        pytest.param(
            "xchg(&x->xso.upper_priv, 0);",
            ["1 upper_priv readwrite"],
            id="xchg without an accessor",
        ),
    ],
)
def test_accesses(statements: str, wanted: list[str]) -> None:
    outside = "struct own { int a; };\nstatic struct xfrm_state *y;\nvoid g();\n"
    assert accesses(statements, outside) == wanted


@pytest.mark.parametrize(
    ("uses", "wanted"),
    [
        pytest.param("", ["read"], id="nobody's"),
        pytest.param("*slot(x) = 1;", ["write"], id="written"),
        pytest.param("*slot(x) = 0;", ["write 0"], id="cleared"),
        pytest.param("*slot(x) = 1; WRITE_ONCE(*slot(x), 0);", ["write 0"], id="both"),
        pytest.param("*slot(x) = 1; g(*slot(x));", ["read"], id="read, too"),
        pytest.param("unsigned long *h = slot(x);\n*h = 0;", ["write 0"], id="kept"),
        pytest.param("put(slot(x), 1);", ["write"], id="given on"),
        pytest.param("*again(x) = 1;", ["write"], id="returned again"),
        # That is followed no further, and told.
        pytest.param("*mine(x) = 1;", [], id="by itself"),
        pytest.param("g(slot);", ["read"], id="its address"),
    ],
)
def test_returned_address(uses: str, wanted: list[str]) -> None:
    text = (
        "unsigned long *slot(struct xfrm_state *x)\n{\n\treturn &x->xso.offload_handle;\n}\n"
        "static void put(unsigned long *h, unsigned long n) { *h = n; }\n"
    )
    if "again" in uses:
        text += "static unsigned long *again(struct xfrm_state *x) { return slot(x); }\n"
    if "mine" in uses:
        text += "unsigned long *mine(struct xfrm_state *x) { return mine(x) ?: slot(x); }\n"
    assert modes(f"{text}void g();\nvoid f(struct xfrm_state *x)\n{{\n{uses}\n}}\n") == wanted


@pytest.mark.parametrize(
    ("statements", "wanted"),
    [
        pytest.param("*h = 0;", ["write 0"], id="stored"),
        pytest.param("WRITE_ONCE(*h, 0);", ["write 0"], id="WRITE_ONCE"),
        pytest.param("*h = 0;\n*h = x->id.spi;", ["write"], id="another number behind it"),
        pytest.param("*h |= 0;", ["readwrite"], id="or"),
        pytest.param("g(*h); *h = 0;", ["readwrite"], id="read before"),
        pytest.param("zero(h);", ["write 0"], id="by a function"),
        pytest.param("if (x) zero(h);\nelse *h = 1;", ["write"], id="or another number"),
        pytest.param("set(h, 1);", ["write"], id="by a function, to what it is given"),
        pytest.param("(*h) = (0);", ["write 0"], id="in parentheses"),
        pytest.param("*&*h = 0;", ["write 0"], id="and back"),
        pytest.param("unsigned long *q = &*h;\n*q = 0;", ["write 0"], id="by another pointer"),
        pytest.param("unsigned long *q = h;\ng(*q);", ["read"], id="read by another pointer"),
        pytest.param("smp_store_release(&*h, 0);", ["write 0"], id="smp_store_release"),
        pytest.param("SET(*h, 0);", ["write 0"], id="by a macro"),
        pytest.param("SAME(*h);", ["read"], id="a macro that reads"),
    ],
)
def test_cleared_through_a_pointer(statements: str, wanted: list[str]) -> None:
    text = (
        "#define SET(a, b) do { (a) = (b); } while (0)\n#define SAME(a) (a)\n"
        "static void zero(unsigned long *h) { *h = 0; }\n"
        "static void set(unsigned long *h, unsigned long n) { if (n) *h = n; else zero(h); }\n"
        "void g();\nvoid f(struct xfrm_state *x)\n{\n"
        f"unsigned long *h = &x->xso.offload_handle;\n{statements}\n}}\n"
    )
    assert modes(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("#define H(x) ((x)->xso.offload_handle)\n", [], id="a macro nobody uses"),
        pytest.param(
            "#define H(p) ((p)->xdo.offload_handle)\n"
            "static long f(struct xfrm_policy *p) { return H(p); }\n",
            [],
            id="a macro for policies",
        ),
        pytest.param(
            "#define H(x) ((x)->xso.offload_handle)\n"
            "static long f(struct xfrm_state *x) { return H(x); }\n",
            ["1 offload_handle read"],
            id="macro",
        ),
        pytest.param(
            "#define H(x) \\\n\t((x)->xso \\\n\t.offload_handle)\n"
            "static long f(struct xfrm_state *x) { return H(x); }\n",
            ["3 offload_handle read"],
            id="macro of three lines",
        ),
        pytest.param(
            "#define XSO(x) (&(x)->xso)\n"
            "static long f(struct xfrm_state *x)\n{\n\treturn XSO(x)->offload_handle;\n}\n",
            ["4 offload_handle read"],
            id="macro of the struct",
        ),
        pytest.param(
            "#define GET(x, f) ((x)->xso.f)\n"
            "static long f(struct xfrm_state *x)\n{\n\treturn GET(x, offload_handle);\n}\n",
            ["4 offload_handle read"],
            id="the field's name is the argument",
        ),
        pytest.param(
            "#define SET(x, v) do { (x)->xso.offload_handle = (v); } while (0)\n"
            "static void f(struct xfrm_state *x)\n{\n\tSET(x, 1);\n}\n",
            ["1 offload_handle write"],
            id="a macro that stores",
        ),
        pytest.param(
            "#define H(x) ((x)->xso.offload_##handle)\n"
            "static long f(struct xfrm_state *x) { return H(x); }\n",
            ["1 offload_handle read"],
            id="pasted",
        ),
        pytest.param(
            "#define H(x) ((x)->xso.offload_handle)\n"
            "#define OUTER(x) H(x)\n"
            "static long f(struct xfrm_state *x) { return OUTER(x); }\n",
            ["1 offload_handle read"],
            id="macro of a macro",
        ),
        pytest.param(
            "#define READ H\n#define H(x) ((x)->xso.offload_handle)\n"
            "static long f(struct xfrm_state *x) { return READ(x); }\n",
            ["2 offload_handle read"],
            id="another name of a macro",
        ),
        pytest.param(
            "#ifdef A\n#define H(x) ((x)->xso.offload_handle)\n#else\n#define H(x) 0\n#endif\n"
            "static long f(struct xfrm_state *x) { return H(x); }\n",
            ["2 offload_handle read"],
            id="under a condition",
        ),
        pytest.param(
            "static long g(struct xfrm_dev_offload *o)\n{\n\treturn o->offload_handle;\n}\n"
            "static long f(struct xfrm_state *x) { return g(&x->xso); }\n",
            ["3 offload_handle read"],
            id="passed by address",
        ),
        pytest.param(
            "static long g(struct xfrm_dev_offload *o)\n{\n\treturn o->offload_handle;\n}\n"
            "static long f(struct xfrm_policy *p) { return g(&p->xdo); }\n",
            [],
            id="passed by address, a policy's",
        ),
        pytest.param(
            "static long g(struct xfrm_dev_offload *o)\n{\n\treturn o->offload_handle;\n}\n"
            "static long f(struct xfrm_policy *p) { return g(&p->xdo); }\n"
            "static long h(struct xfrm_state *x) { return g(&x->xso); }\n",
            ["3 offload_handle read"],
            id="passed by address, both",
        ),
        pytest.param(
            "static long g(struct xfrm_dev_offload o)\n{\n\treturn o.offload_handle;\n}\n"
            "static long f(struct xfrm_state *x) { return g(x->xso); }\n",
            ["3 offload_handle read"],
            id="passed by value",
        ),
        pytest.param(
            "static int g(unsigned long *h) { *h = next(); use(*h); return *h > 8; }\n"
            "static int f(struct xfrm_state *x) { return g(&x->xso.offload_handle); }\n",
            ["2 offload_handle write"],
            id="stored through a pointer, and read back",
        ),
        pytest.param(
            "static int g(unsigned long *h) { use(*h); *h = next(); return 0; }\n"
            "static int f(struct xfrm_state *x) { return g(&x->xso.offload_handle); }\n",
            ["2 offload_handle readwrite"],
            id="read, then stored through a pointer",
        ),
        pytest.param(
            "static int g(unsigned long *h) { *h = 1; keep(h); return 0; }\n"
            "static int f(struct xfrm_state *x) { return g(&x->xso.offload_handle); }\n",
            ["2 offload_handle readwrite"],
            id="stored through a pointer that is handed on",
        ),
        pytest.param(
            "static void g(unsigned long *h) { *h = 1; }\n"
            "static void f(struct xfrm_state *x) { g(&x->xso.offload_handle); }\n",
            ["2 offload_handle write"],
            id="the field's address passed to a writer",
        ),
        pytest.param(
            "static long g(unsigned long *h) { return *h; }\n"
            "static long f(struct xfrm_state *x) { return g(&x->xso.offload_handle); }\n",
            ["2 offload_handle read"],
            id="the field's address passed to a reader",
        ),
        pytest.param(
            "static void g(unsigned long *h) { ++*h; }\n"
            "static void f(struct xfrm_state *x) { g(&x->xso.offload_handle); }\n",
            ["2 offload_handle readwrite"],
            id="passed to one that counts",
        ),
        pytest.param(
            "static void g(unsigned long *h) { WRITE_ONCE(*h, 1); }\n"
            "static void f(struct xfrm_state *x) { g(&x->xso.offload_handle); }\n",
            ["2 offload_handle write"],
            id="passed to one that uses WRITE_ONCE",
        ),
        pytest.param(
            "static void h(unsigned long *p) { *p = 1; }\n"
            "static void g(unsigned long *p) { h(p); }\n"
            "static void f(struct xfrm_state *x) { g(&x->xso.offload_handle); }\n",
            ["3 offload_handle write"],
            id="passed on to a writer",
        ),
        pytest.param(
            "static struct xfrm_dev_offload kept;\n"
            "static void f(struct xfrm_state *x) { kept = x->xso; }\n"
            "static long g(void) { return kept.offload_handle; }\n",
            ["3 offload_handle read"],
            id="copied to a variable of the file",
        ),
        pytest.param(
            "static void g(struct xfrm_state *x, struct xfrm_dev_offload **o) { *o = &x->xso; }\n"
            "static long f(struct xfrm_state *x)\n{\n\tstruct xfrm_dev_offload *o;\n\n\tg(x, &o);\n"
            "\treturn o->offload_handle;\n}\n",
            ["7 offload_handle read"],
            id="given back through a parameter",
        ),
        pytest.param(
            "struct ops { long (*run)(struct xfrm_dev_offload *o); };\n"
            "static long g(struct xfrm_dev_offload *o) { return o->offload_handle; }\n"
            "static const struct ops ops = { .run = g };\n"
            "static long f(struct xfrm_state *x) { return ops.run(&x->xso); }\n",
            ["2 offload_handle read"],
            id="passed through a function pointer",
        ),
        pytest.param(
            "#ifdef A\nstatic long f(struct xfrm_state *x)\n#else\n"
            "static int f(struct xfrm_state *x, int a)\n#endif\n{\n"
            "\treturn x->xso.offload_handle;\n}\n",
            ["7 offload_handle read"],
            id="two heads of one function",
        ),
        pytest.param(
            "static long f(struct xfrm_state *x)\n{\n\tscoped_guard(spinlock, &x->lock) {\n"
            "\t\treturn x->xso.offload_handle;\n\t}\n\treturn 0;\n}\n",
            ["4 offload_handle read"],
            id="in a scoped guard",
        ),
        pytest.param(
            "DECLARE_FOO(x)\nMY_STATIC long __my f(struct xfrm_state *x)\n{\n"
            "\treturn x->xso.offload_handle;\n}\n",
            ["4 offload_handle read"],
            id="behind unknown macros",
        ),
        pytest.param(
            "#define DEF(n) static long n(struct xfrm_state *x) { return x->xso.offload_handle; }\n"
            "DEF(one)\nDEF(two)\n",
            ["1 offload_handle read"] * 2,
            id="in functions that a macro makes",
        ),
        pytest.param(
            "static long f(struct xfrm_state *x)\n{\n\tif (!x) {\n\t\treturn 0;\n#ifdef A\n"
            "\t} else if (x->xso.offload_handle) {\n\t\treturn 2;\n#endif\n\t}\n"
            "\treturn x->xso.offload_handle;\n}\n",
            ["6 offload_handle read", "10 offload_handle read"],
            id="an else under a condition",
        ),
        pytest.param(
            "static struct xfrm_dev_offload *g(struct xfrm_state *x) { return &x->xso; }\n"
            "static long f(struct xfrm_state *x) { return g(x)->offload_handle; }\n",
            ["2 offload_handle read"],
            id="returned",
        ),
        pytest.param(
            "static struct xfrm_dev_offload *g(struct xfrm_policy *p) { return &p->xdo; }\n"
            "static long f(struct xfrm_policy *p) { return g(p)->offload_handle; }\n",
            [],
            id="returned, a policy's",
        ),
        pytest.param(
            "struct sa { struct xfrm_dev_offload *o; };\n"
            "static void f(struct sa *s, struct xfrm_state *x) { s->o = &x->xso; }\n"
            "static long g(struct sa *s) { return s->o->offload_handle; }\n",
            ["3 offload_handle read"],
            id="kept in a struct",
        ),
        pytest.param(
            "struct sa { struct xfrm_dev_offload *o; };\n"
            "static void f(struct sa *s, struct xfrm_policy *p) { s->o = &p->xdo; }\n"
            "static long g(struct sa *s) { return s->o->offload_handle; }\n",
            [],
            id="kept in a struct, a policy's",
        ),
        pytest.param(
            "struct sa { struct xfrm_dev_offload o; };\n"
            "static void f(struct sa *s, struct xfrm_state *x) { s->o = x->xso; }\n"
            "static long g(struct sa *s) { return s->o.offload_handle; }\n",
            ["3 offload_handle read"],
            id="copied to a struct",
        ),
        pytest.param(
            "typedef struct xfrm_state sa_t;\n"
            "static long f(sa_t *x) { return x->xso.offload_handle; }\n",
            ["2 offload_handle read"],
            id="typedef of the state",
        ),
        pytest.param(
            "typedef struct xfrm_dev_offload off_t;\n"
            "static long f(struct xfrm_state *x)\n{\n\toff_t *o = &x->xso;\n"
            "\treturn o->offload_handle;\n}\n",
            ["5 offload_handle read"],
            id="typedef of the offload struct",
        ),
        pytest.param(
            "static long f(struct xfrm_dev_offload *xso)\n{\n"
            "\tstruct xfrm_state *x = container_of(xso, struct xfrm_state, xso);\n"
            "\treturn x->xso.offload_handle;\n}\n",
            ["4 offload_handle read"],
            id="container_of",
        ),
        pytest.param(
            "static long f(struct xfrm_state *x)\n{\n#ifdef A\n\tif (x) {\n#else\n"
            "\tif (x->xso.offload_handle) {\n#endif\n\t\treturn 1;\n\t}\n\treturn 0;\n}\n",
            ["6 offload_handle read"],
            id="in one of two unbalanced branches",
        ),
        pytest.param(
            "static long f(struct xfrm_state *x)\n{\n#ifdef A\n"
            "\tif (x->xso.offload_handle) {\n#else\n"
            "\tif (!x->xso.offload_handle) {\n#endif\n\t\treturn x->xso.offload_handle;\n\t}\n"
            "\treturn 0;\n}\n",
            ["4 offload_handle read", "6 offload_handle read", "8 offload_handle read"],
            id="in two unbalanced branches, and behind them",
        ),
        pytest.param(
            "#ifdef A\nstatic long f(int a, struct xfrm_state *x)\n#else\n"
            "static long f(struct xfrm_state *x)\n#endif\n{\n\treturn x->xso.offload_handle;\n}\n",
            ["7 offload_handle read"],
            id="in a function with two heads",
        ),
        pytest.param(
            "static long\nf(struct xfrm_state *x)\n{\n\treturn x->xso.offload_handle;\n}\n",
            ["4 offload_handle read"],
            id="a result on its own line",
        ),
        pytest.param(
            "static long f(struct hlist_head *h, u32 spi)\n{\n\tstruct xfrm_state *x;\n"
            "\thash_for_each_possible(h, x, data, spi) {\n"
            "\t\tif (x->xso.offload_handle)\n\t\t\treturn 1;\n\t}\n\treturn 0;\n}\n",
            ["5 offload_handle read"],
            id="in a loop macro",
        ),
        pytest.param(
            "struct foo { struct xfrm_state *x; };\n"
            "static long f(struct foo *p)\n{\n"
            "\treturn rcu_dereference(p->x)->xso.offload_handle;\n}\n",
            ["4 offload_handle read"],
            id="a state from rcu_dereference",
        ),
        pytest.param(
            "struct foo { struct xfrm_state *x; };\n"
            "static long f(struct foo *p)\n{\n"
            "\treturn xchg(&p->x, NULL)->xso.offload_handle;\n}\n",
            ["4 offload_handle read"],
            id="a state from xchg",
        ),
    ],
)
def test_ways_to_an_access(text: str, wanted: list[str]) -> None:
    assert sites(analysed(text)) == wanted


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        pytest.param(
            {
                HEADER: "static inline long h(struct xfrm_policy *p)\n{ "
                "return p->xdo.offload_handle; }\n"
            },
            [],
            id="header inline, a policy's",
        ),
        pytest.param(
            {
                HEADER: "static inline long h(struct xfrm_state *x)\n{ "
                "return x->xso.offload_handle; }\n"
            },
            ["foo.h:2 offload_handle read"],
            id="header inline",
        ),
        pytest.param(
            {HEADER: "#define H(x) ((x)->xso.offload_handle)\n"},
            ["foo.h:1 offload_handle read"],
            id="header macro",
        ),
        pytest.param(
            {
                HEADER: "#ifdef A\nstatic inline long h(struct xfrm_state *x)\n"
                "{ return x->xso.offload_handle; }\n#else\n"
                "static inline long h(struct xfrm_state *x) { return 0; }\n#endif\n"
            },
            ["foo.h:3 offload_handle read"],
            id="header inline with a stub",
        ),
        pytest.param(
            {
                BAR: "#include <net/xfrm.h>\nlong b(struct xfrm_state *x)\n"
                "{ return x->xso.offload_handle; }\n"
            },
            ["bar.c:3 offload_handle read"],
            id="another source of the module",
        ),
        pytest.param(
            {
                HEADER: "struct sa { struct xfrm_dev_offload *o; };\n",
                BAR: '#include <net/xfrm.h>\n#include "foo.h"\nlong b(struct sa *s)\n'
                "{ return s->o->offload_handle; }\nvoid c(struct sa *s, struct xfrm_state *x)\n"
                "{ s->o = &x->xso; }\n",
            },
            ["bar.c:4 offload_handle read"],
            id="a member declared in the header",
        ),
    ],
)
def test_other_files_of_the_driver(files: Mapping[str, str], wanted: list[str]) -> None:
    text = '#include "foo.h"\nstatic long f(struct xfrm_state *x) { return h(x) + H(x); }\n'
    assert sites(analysed(text, {HEADER: "", **files})) == wanted


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("net/xfrm/xfrm_device.c", "x->xso.offload_handle = 0;", id="net"),
        pytest.param("include/net/foo.h", "x->xso.offload_handle = 0;", id="include"),
    ],
)
def test_core_code_has_no_sites_of_a_lower_driver(path: str, text: str) -> None:
    files = {path: f"{HEAD}static inline void f(struct xfrm_state *x)\n{{ {text} }}\n"}
    assert sites(analysed("", files)) == []


def test_what_can_not_be_settled_is_said() -> None:
    made = analysed("static long f(struct opaque *o) { return o->xfrm->offload_handle; }\n")
    assert sites(made) == []
    assert unknown(made) == ["what o->xfrm points to is not known"]


def test_an_xso_of_an_unknown_type_is_taken_by_its_name() -> None:
    made = analysed("static long f(struct opaque *o) { return o->x->xso.offload_handle; }\n")
    assert sites(made) == ["1 offload_handle read"]
    _, rows = made.store.query("SELECT by_name FROM site")
    assert [row["by_name"] for row in rows] == [1]


def test_a_site_in_a_branch_that_was_dropped_is_said() -> None:
    made = analysed(
        "static long f(struct xfrm_state *x)\n{\n#ifdef A\n\tif (x->xso.offload_handle) {\n#else\n"
        "\tif (!x->xso.offload_handle) { {\n#endif\n\t\treturn 1;\n\t}\n\treturn 0;\n}\n"
    )
    assert len(sites(made)) == 1
    assert any("branch of an #if" in reason for reason in unknown(made))


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("typeof(((struct xfrm_policy *)0)->xdo)", []),
        ("const __typeof__(((struct xfrm_state *)0)->xso)", ["2 offload_handle read"]),
    ],
)
def test_a_parameter_has_the_type_of_a_typeof(kind: str, wanted: list[str]) -> None:
    member = "p->xdo" if "policy" in kind else "x->xso"
    text = f"static long peek({kind} *o)\n{{ return o->offload_handle; }}\n"
    text += "long f(struct xfrm_state *x, struct xfrm_policy *p)\n{ return peek(&MEMBER); }\n"
    assert sites(analysed(text.replace("MEMBER", member))) == wanted
