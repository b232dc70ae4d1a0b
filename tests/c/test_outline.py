"""Macros that are more than expressions are seen for what they are, or named as unknown."""

from collections.abc import Mapping

import pytest

from tests.asked import analysis_of
from tests.flow.test_flow import TESTED, H, X, ways
from tests.trees import FOO, HEAD, reader, tree
from xfrmlint.analysis.analyse import Analysis
from xfrmlint.analysis.tabulate import rows_of
from xfrmlint.c.shape import shapes_of
from xfrmlint.facts.rows import UnknownRow

HEADER = "drivers/net/foo/foo.h"
XMIT = "static netdev_tx_t foo_tx(struct sk_buff *skb, struct net_device *dev)"
ASK = "struct xfrm_state *x = xfrm_input_state(skb);"
READ = "return x->xso.offload_handle != 0;"
BODY = f"""
{{
	{ASK}
	{READ}
}}
"""
TX = XMIT + BODY
NETDEV = "static const struct net_device_ops foo_netdev = { .ndo_start_xmit = foo_tx };\n"
XFRMDEV = (
    "static const struct xfrmdev_ops foo_xfrmdev = { .xdo_dev_state_add = foo_add, "
    ".flags = XFRMDEV_OPS_F_LOWER_HANDLE };\n"
)
ADD = """
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *e)
{
	x->xso.offload_handle = 1;
	return 0;
}
"""
INIT = """
void foo_init(struct net_device *dev)
{
	dev->netdev_ops = &foo_netdev;
	dev->xfrmdev_ops = &foo_xfrmdev;
}
"""


def driver(
    pre: str = "",
    tx: str = TX,
    tables: str = NETDEV + XFRMDEV,
    files: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return a driver that reads the handle for each packet; any part of it can be replaced."""
    more = {f"drivers/net/foo/{name}": text for name, text in (files or {}).items()}
    return {FOO: HEAD + pre + ADD + tx + tables + INIT, HEADER: "", **more}


def analysed(files: Mapping[str, str]) -> Analysis:
    return analysis_of(tree({"drivers/net/foo/Makefile": "obj-m += foo.o\n", **files}))


def sites(found: Analysis) -> set[tuple[str, str]]:
    """Return what is done with the handle, and where, but for the store in foo_add()."""
    return {(s.access, s.reached.context) for s in found.sites if s.function.name != "foo_add"}


def reasons(found: Analysis) -> set[str]:
    return {doubt.reason for part in found.parts for doubt in (*part.found.doubts, *part.doubts)}


@pytest.mark.parametrize(
    ("statements", "outside"),
    [
        pytest.param(
            H + "TRACE\nif (!h) return NETDEV_TX_OK;\nTRACE\ngive(h);",
            '#define TRACE pr_info("x");\n',
            id="trace;",
        ),
        pytest.param(
            H + "TRACE\nif (!h) return NETDEV_TX_OK;\nTRACE\ngive(h);",
            "#define TRACE\n",
            id="empty",
        ),
        pytest.param(
            H + "TRACE(1)\nif (!h) return NETDEV_TX_OK;\nTRACE(2)\ngive(h);",
            "#define TRACE(x)\n",
            id="empty fn",
        ),
        pytest.param(
            H + "UNLESS(h) return NETDEV_TX_OK;\ngive(h);",
            "#define UNLESS(h) if (!(h))\n",
            id="if macro",
        ),
        pytest.param(
            H + "UNLESS(h) { drop(skb); return NETDEV_TX_OK; }\ngive(h);",
            "#define UNLESS(h) if (!(h))\n",
            id="if macro block",
        ),
        pytest.param(
            H + "IF h THEN give(h); ENDIF",
            "#define IF if (\n#define THEN ) {\n#define ENDIF }\n",
            id="if then",
        ),
        pytest.param(
            H + "RET_IF(!h)\ngive(h);",
            "#define RET_IF(c) if (c) return NETDEV_TX_OK;\n",
            id="ret if",
        ),
        pytest.param(
            H + "RET_IF(!h);\ngive(h);",
            "#define RET_IF(c) if (c) return NETDEV_TX_OK\n",
            id="ret if ;",
        ),
        pytest.param(
            H + "if (!h) DONE\ngive(h);",
            "#define DONE return NETDEV_TX_OK;\n",
            id="return macro",
        ),
        pytest.param(
            H + "if (!h) DONE;\ngive(h);",
            "#define DONE return NETDEV_TX_OK\n",
            id="return macro ;",
        ),
        pytest.param(
            H + "if (!h) GIVE_UP NETDEV_TX_OK;\ngive(h);",
            "#define GIVE_UP return\n",
            id="return macro head",
        ),
        pytest.param(
            H + "if (!h) BAIL;\ngive(h);\nout:\n",
            "#define BAIL goto out\n",
            id="goto macro",
        ),
        pytest.param(
            H + "BAIL_IF(!h)\ngive(h);\nout:\n",
            "#define BAIL_IF(c) if (c) goto out;\n",
            id="goto macro2",
        ),
        pytest.param(
            H + "if (!h) goto out;\ngive(h);\nOUT\n",
            "#define OUT out:\n",
            id="label macro",
        ),
        pytest.param(
            H + "if (!h) goto out;\ngive(h);\nOUT:\n",
            "#define OUT out\n",
            id="label macro:",
        ),
        pytest.param(
            H + "if (!h) goto out;\ngive(h);\nLABEL(out)\n",
            "#define LABEL(x) x:\n",
            id="label arg",
        ),
        pytest.param(
            H + "FOREVER { if (!h) break; give(h); break; }",
            "#define FOREVER for (;;)\n",
            id="loop macro",
        ),
        pytest.param(
            H + "ONCE if (!h) break; give(h); ENDONCE",
            "#define ONCE do {\n#define ENDONCE } while (0);\n",
            id="once macro",
        ),
        pytest.param(
            X
            + (
                "void *p = AS_PTR xfrm_dev_state_lower_handle(x, dev);\n"
                "if (!p) return NETDEV_TX_OK;\ngive((unsigned long)p);"
            ),
            "#define AS_PTR (void *)\n",
            id="cast macro",
        ),
        pytest.param(
            H + "if (!h) return NETDEV_TX_OK;\nMARK give(h);",
            "#define MARK (void)\n",
            id="void mark",
        ),
        pytest.param(
            H + "if (NOT h) return NETDEV_TX_OK;\ngive(h);",
            "#define NOT !\n",
            id="op macro",
        ),
        pytest.param(
            X
            + (
                "unsigned long h;\nh GETS xfrm_dev_state_lower_handle(x, dev);\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "#define GETS =\n",
            id="assign macro",
        ),
        pytest.param(
            X
            + (
                "DECL(h, xfrm_dev_state_lower_handle(x, dev))\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "#define DECL(n, v) unsigned long n = v;\n",
            id="decl macro",
        ),
        pytest.param(
            X
            + (
                "DECL(h, xfrm_dev_state_lower_handle(x, dev));\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "#define DECL(n, v) unsigned long n = v\n",
            id="decl macro ;",
        ),
        pytest.param(
            X
            + (
                "HANDLE h = xfrm_dev_state_lower_handle(x, dev);\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "#define HANDLE unsigned long\n",
            id="decl type macro",
        ),
        pytest.param(
            X
            + (
                "ATTR unsigned long h = xfrm_dev_state_lower_handle(x, dev);\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "#define ATTR __attribute__((unused))\n",
            id="attr macro",
        ),
        pytest.param(
            X
            + (
                "unsigned long h ATTR = xfrm_dev_state_lower_handle(x, dev);\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "#define ATTR __maybe_unused\n",
            id="attr after",
        ),
        pytest.param(
            X
            + (
                "unsigned long h ATTR(4) = xfrm_dev_state_lower_handle(x, dev);\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "#define ATTR(n) __aligned(n)\n",
            id="attr fn",
        ),
        pytest.param(
            H + ("SWITCH(h) CASE(0) return NETDEV_TX_OK; OTHERWISE give(h); ENDSWITCH"),
            (
                "#define SWITCH(x) switch (x) {\n#define CASE(n) case n:\n"
                "#define OTHERWISE default:\n#define ENDSWITCH }\n"
            ),
            id="switch",
        ),
        pytest.param(
            X
            + (
                "auto h = xfrm_dev_state_lower_handle(x, dev);\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "",
            id="auto",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = _Generic(x, struct xfrm_state *: "
                "xfrm_dev_state_lower_handle)(x, dev);\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "",
            id="generic callee",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = __builtin_choose_expr(1, "
                "xfrm_dev_state_lower_handle, busy)(x, dev);\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "",
            id="choose callee",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = __builtin_choose_expr(1, "
                "xfrm_dev_state_lower_handle(x, dev), 0);\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "",
            id="choose value",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = _Generic(x, struct xfrm_state *: "
                "xfrm_dev_state_lower_handle(x, dev));\n"
                "if (!h) return NETDEV_TX_OK;\ngive(h);"
            ),
            "",
            id="generic value",
        ),
        pytest.param(
            H + ("scoped_guard(spinlock, &l) { if (!h) return NETDEV_TX_OK; }\ngive(h);"),
            "",
            id="scoped_guard",
        ),
        pytest.param(
            H + ("scoped_guard(spinlock, &l)\n\t\tif (!h)\n\t\t\treturn NETDEV_TX_OK;\ngive(h);"),
            "",
            id="scoped_guard2",
        ),
        pytest.param(
            H + "guard(spinlock)(&l); if (!h) return NETDEV_TX_OK;\ngive(h);",
            "",
            id="guard",
        ),
        pytest.param(
            H + ("struct sa *s __free(kfree) = NULL; if (!h) return NETDEV_TX_OK;\ngive(h);"),
            "",
            id="free",
        ),
        pytest.param(
            H + "if (!ok(h)) return NETDEV_TX_OK;\ngive(h);",
            ("#define FN(name) static bool name(unsigned long h)\nFN(ok)\n{\n\treturn h;\n}\n"),
            id="head macro",
        ),
        pytest.param(
            H + "if (!is_ok(h)) return NETDEV_TX_OK;\ngive(h);",
            (
                "#define FN(name) static bool is_##name(unsigned long h)\n"
                "FN(ok)\n{\n\treturn h;\n}\n"
            ),
            id="head macro paste",
        ),
        pytest.param(
            H + "if (!is_ok(h)) return NETDEV_TX_OK;\ngive(h);",
            (
                "#define FN(name) static bool is_##name(unsigned long h) {\n"
                "#define END }\nFN(ok)\n\treturn h;\nEND\n"
            ),
            id="head+brace",
        ),
        pytest.param(
            H + "if (!is_ok(h)) return NETDEV_TX_OK;\ngive(h);",
            ("#define FN(name) static bool is_##name(unsigned long h) { return h; }\nFN(ok)\n"),
            id="whole fn macro",
        ),
        pytest.param(
            H + "if (!is_ok(h)) return NETDEV_TX_OK;\ngive(h);",
            ("#define FN(name) static bool is_##name(unsigned long h) { return h; }\nFN(ok);\n"),
            id="whole fn macro;",
        ),
        pytest.param(
            H + "if (!ok(h)) return NETDEV_TX_OK;\ngive(h);",
            (
                "#define HOT __attribute__((hot))\n"
                "static bool ok(unsigned long h) HOT\n{\n\treturn h;\n}\n"
            ),
            id="fn with attr before brace",
        ),
        pytest.param(
            H + "if (!ok(h)) return NETDEV_TX_OK;\ngive(h);",
            ("#define API static inline\nAPI bool ok(unsigned long h)\n{\n\treturn h;\n}\n"),
            id="fn with attr front",
        ),
        pytest.param(
            H + "if (!ok(h)) return NETDEV_TX_OK;\ngive(h);",
            ("UNKNOWN_API static bool ok(unsigned long h)\n{\n\treturn h;\n}\n"),
            id="fn attr unknown front",
        ),
        pytest.param(
            H + "if (!ok(h)) return NETDEV_TX_OK;\ngive(h);",
            ("static bool ok(unsigned long h) UNKNOWN_HOT\n{\n\treturn h;\n}\n"),
            id="fn attr unknown brace",
        ),
        pytest.param(
            H + "if (!ok(h)) return NETDEV_TX_OK;\ngive(h);",
            "static bool ok(h)\n\tunsigned long h;\n{\n\treturn h;\n}\n",
            id="kr",
        ),
        pytest.param(
            H + "if (!ok(dev, h)) return NETDEV_TX_OK;\ngive(h);",
            ("static bool ok(struct net_device *, unsigned long h)\n{\n\treturn h;\n}\n"),
            id="unnamed param",
        ),
        pytest.param(
            H + "if (LIST(X) 0) return NETDEV_TX_OK;\ngive(h);",
            "#define LIST(X) X(h)\n#define X(a) !a ||\n",
            id="list macro",
        ),
        pytest.param(
            H + "LIST(CHECK)\ngive(h);",
            ("#define LIST(X) X(h)\n#define CHECK(a) if (!a) return NETDEV_TX_OK;\n"),
            id="stmt list",
        ),
        pytest.param(
            H
            + (
                "#define CHECK(a) if (!a) return NETDEV_TX_OK;\nLIST(CHECK)\n#undef CHECK\ngive(h);"
            ),
            "#define LIST(X) X(h)\n",
            id="local x",
        ),
        pytest.param(
            H + "if (!SAME(h, h)) return NETDEV_TX_OK;\ngive(h);",
            "#define SAME(a, b) ((typeof(a))(b))\n",
            id="typeof macro",
        ),
        pytest.param(
            H + "if (!VAL(h)) return NETDEV_TX_OK;\ngive(h);",
            "#define VAL(a) ({ typeof(a) _a = (a); _a; })\n",
            id="stmt expr macro",
        ),
        pytest.param(
            H + "OUTER(h)\ngive(h);",
            ("#define INNER(h) if (!(h))\n#define OUTER(h) INNER(h) return NETDEV_TX_OK;\n"),
            id="nested macro",
        ),
        pytest.param(
            H + "OUTER(h) return NETDEV_TX_OK;\ngive(h);",
            "#define INNER(h) if (!(h))\n#define OUTER INNER\n",
            id="alias",
        ),
        pytest.param(
            H + "CHK(h)\ngive(h);",
            ("#define CHK(h) do { if (!(h)) return NETDEV_TX_OK; } while (0);\n"),
            id="do while no ;",
        ),
        pytest.param(
            H + "if (!h)\n\tTRACE\nelse\n\tgive(h);",
            '#define TRACE pr_info("x");\n',
            id="trace no semi in if",
        ),
        pytest.param(
            H + "if (!h) drop(skb); OTHERWISE give(h);",
            "#define OTHERWISE else\n",
            id="else macro",
        ),
        pytest.param(
            H + "UNLESS(\n\th)\n\treturn NETDEV_TX_OK;\ngive(h);",
            "#define UNLESS(h) \\\n\tif (!(h))\n",
            id="line-split args",
        ),
        pytest.param(
            H + "U(h) return NETDEV_TX_OK;\ngive(h);",
            "#define U(x)\n#undef U\n#define U(x) if (!(x))\n",
            id="redefined",
        ),
        pytest.param(
            H + "U(h) return NETDEV_TX_OK;\ngive(h);",
            ("#ifdef A\n#define U(x) if (!(x))\n#else\n#define U(x) if (unlikely(!(x)))\n#endif\n"),
            id="in #if",
        ),
        pytest.param(
            H + ('pr_info("TRACE here"); TRACE if (!h) return NETDEV_TX_OK;\ngive(h);'),
            '#define TRACE pr_info("x");\n',
            id="string",
        ),
    ],
)
def test_statements_that_test_a_handle(statements: str, outside: str) -> None:
    assert ways(statements, outside) == TESTED


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(driver(), id="nothing but C"),
        pytest.param(
            driver(
                pre=(
                    "#define OPS(n) static const struct net_device_ops "
                    "n##_netdev = { .ndo_start_xmit = n##_tx }\n"
                ),
                tables="OPS(foo);\n" + XFRMDEV,
            ),
            id="tables macro",
        ),
        pytest.param(
            driver(
                pre=(
                    "#define OPS(n) static const struct net_device_ops "
                    "n##_netdev = { .ndo_start_xmit = n##_tx };\n"
                ),
                tables="OPS(foo)\n" + XFRMDEV,
            ),
            id="tables macro no;",
        ),
        pytest.param(
            driver(
                pre=(
                    "#define OPS(n) static const struct net_device_ops "
                    "n##_netdev = { .ndo_start_xmit = n##_tx }; static const "
                    "struct xfrmdev_ops n##_xfrmdev = { .xdo_dev_state_add = "
                    "n##_add, .flags = XFRMDEV_OPS_F_LOWER_HANDLE }\n"
                ),
                tables="OPS(foo);\n",
            ),
            id="both",
        ),
        pytest.param(
            driver(
                pre="#define SLOT(s, f) .s = foo_##f,\n",
                tables=(
                    "static const struct net_device_ops foo_netdev = { "
                    "SLOT(ndo_start_xmit, tx) };\n"
                    "static const struct xfrmdev_ops foo_xfrmdev = { "
                    "SLOT(xdo_dev_state_add, add) .flags = "
                    "XFRMDEV_OPS_F_LOWER_HANDLE };\n"
                ),
            ),
            id="slot macro",
        ),
        pytest.param(
            driver(
                tables=(
                    "#define X(s, f) .s = f,\n"
                    "static const struct net_device_ops foo_netdev = {\n"
                    '#include "foo.def"\n};\n#undef X\n'
                )
                + XFRMDEV,
                files={"foo.def": "X(ndo_start_xmit, foo_tx)\n"},
            ),
            id="def",
        ),
        pytest.param(
            driver(
                tables=(
                    "#define X(s, f) .s = f,\n"
                    "static const struct net_device_ops foo_netdev = {\n"
                    '#include "foo_list.h"\n};\n#undef X\n'
                )
                + XFRMDEV,
                files={"foo_list.h": "X(ndo_start_xmit, foo_tx)\n"},
            ),
            id="def inc h",
        ),
        pytest.param(
            driver(
                tables=NETDEV
                + (
                    "#define X(s, f) .xdo_dev_##s = foo_##f,\n"
                    "static const struct xfrmdev_ops foo_xfrmdev = {\n"
                    '#include "foo.def"\n.flags = XFRMDEV_OPS_F_LOWER_HANDLE,\n'
                    "};\n#undef X\n"
                ),
                files={
                    "foo.def": ("/* a */\n#ifndef X\n#error\n#endif\nX(state_add, add)\n#undef X\n")
                },
            ),
            id="def xfrm",
        ),
        pytest.param(
            driver(
                tables=(
                    'static const struct net_device_ops foo_netdev = {\n#include "foo.def"\n};\n'
                )
                + XFRMDEV,
                files={"foo.def": ".ndo_start_xmit = foo_tx,\n"},
            ),
            id="def plain",
        ),
        pytest.param(
            driver(
                pre='#include "foo.h"\n',
                tables=(
                    "#define X(s, f) .s = f,\n"
                    "static const struct net_device_ops foo_netdev = { "
                    "FOO_LIST(X) };\n#undef X\n"
                )
                + XFRMDEV,
                files={"foo.h": "#define FOO_LIST(X) \\\n\tX(ndo_start_xmit, foo_tx)\n"},
            ),
            id="list macro in header",
        ),
        pytest.param(
            driver(
                pre='#include "foo.h"\n',
                tables=(
                    "#define X(s, f) .s = f,\n"
                    "static const struct net_device_ops foo_netdev = { FOO_LIST };\n"
                    "#undef X\n"
                )
                + XFRMDEV,
                files={"foo.h": "#define FOO_LIST \\\n\tX(ndo_start_xmit, foo_tx)\n"},
            ),
            id="list macro x builtin",
        ),
        pytest.param(
            driver(
                pre=(
                    "#define XMIT(n) static netdev_tx_t n##_tx(struct sk_buff "
                    "*skb, struct net_device *dev)\n"
                ),
                tx="XMIT(foo)" + BODY,
            ),
            id="head",
        ),
        pytest.param(
            driver(
                pre='#include "foo.h"\n',
                tx="XMIT(foo_tx)" + BODY,
                files={
                    "foo.h": (
                        "#define XMIT(n) static netdev_tx_t n(struct sk_buff *skb, "
                        "struct net_device *dev)\n"
                    )
                },
            ),
            id="head in header",
        ),
        pytest.param(
            driver(
                pre=(
                    "#define XMIT static netdev_tx_t foo_tx(struct sk_buff "
                    "*skb, struct net_device *dev)\n"
                ),
                tx="XMIT" + BODY,
            ),
            id="head obj",
        ),
        pytest.param(
            driver(
                pre="#define TXARGS struct sk_buff *skb, struct net_device *dev\n",
                tx="static netdev_tx_t foo_tx(TXARGS)" + BODY,
            ),
            id="args macro",
        ),
        pytest.param(
            driver(
                pre=(
                    "#define XMIT(n) netdev_tx_t n(struct sk_buff *skb, struct "
                    "net_device *dev)\nstatic XMIT(foo_tx);\n"
                ),
                tx="static XMIT(foo_tx)" + BODY,
            ),
            id="proto macro",
        ),
        pytest.param(
            driver(pre="#define HOT __attribute__((hot))\n", tx="HOT " + TX),
            id="attr front",
        ),
        pytest.param(
            driver(
                pre="#define HOT __attribute__((hot))\n",
                tx=("static HOT netdev_tx_t foo_tx(struct sk_buff *skb, struct net_device *dev)")
                + BODY,
            ),
            id="attr mid",
        ),
        pytest.param(
            driver(pre="#define SEC(x) __attribute__((section(x)))\n", tx='SEC("x") ' + TX),
            id="attr fn front",
        ),
        pytest.param(
            driver(pre="#define HOT __attribute__((hot))\n", tx=XMIT + " HOT" + BODY),
            id="attr brace",
        ),
        pytest.param(
            driver(pre="#define BEGIN\n#define END\n", tx="BEGIN\n" + TX + "END\n"),
            id="bare before fn",
        ),
        pytest.param(
            driver(
                pre=("#define PACKED __packed\nstruct foo_w { struct xfrm_state *x; } PACKED;\n"),
                tx=XMIT
                + (
                    "\n{\n\tstruct foo_w w = { xfrm_input_state(skb) };\n"
                    "\treturn w.x->xso.offload_handle != 0;\n}\n"
                ),
            ),
            id="struct attr",
        ),
        pytest.param(
            driver(
                pre=(
                    "#define AL __aligned(8)\n"
                    "struct foo_w { int a AL; AL struct xfrm_state *x AL; };\n"
                ),
                tx=XMIT
                + (
                    "\n{\n\tstruct foo_w w = { .x = xfrm_input_state(skb) };\n"
                    "\treturn w.x->xso.offload_handle != 0;\n}\n"
                ),
            ),
            id="struct attr member",
        ),
        pytest.param(
            driver(
                pre=(
                    "#define FIELD(t, n) t n;\n"
                    "struct foo_w { FIELD(int, a) FIELD(struct xfrm_state *, x) };\n"
                ),
                tx=XMIT
                + (
                    "\n{\n\tstruct foo_w w = { .x = xfrm_input_state(skb) };\n"
                    "\treturn w.x->xso.offload_handle != 0;\n}\n"
                ),
            ),
            id="field macro",
        ),
        pytest.param(
            driver(
                tx=(
                    "static netdev_tx_t foo_tx2(struct sk_buff *skb, struct "
                    "net_device *dev);\n"
                    "static netdev_tx_t foo_do(struct sk_buff *skb, struct "
                    "net_device *dev)"
                )
                + BODY
                + (
                    "#define FORWARD(a, b) static netdev_tx_t a(struct sk_buff "
                    "*skb, struct net_device *dev) { return b(skb, dev); }\n"
                    "FORWARD(foo_tx, foo_do)\n"
                )
            ),
            id="forwarder",
        ),
        pytest.param(
            driver(
                pre='#define TRACE pr_info("x");\n',
                tx=("static netdev_tx_t foo_do(struct sk_buff *skb, struct net_device *dev)")
                + BODY
                + XMIT
                + "\n{\n\tTRACE\n\tfoo_do(skb, dev);\n\treturn 0;\n}\n",
            ),
            id="forwarder bare",
        ),
        pytest.param(
            driver(
                pre="#define BEGIN_C {\n#define END_C }\n",
                tx=XMIT + "\nBEGIN_C\n\t" + ASK + "\n\treturn x->xso.offload_handle != 0;\nEND_C\n",
            ),
            id="brace pair",
        ),
    ],
)
def test_a_driver_that_reads_the_handle_for_each_packet(files: Mapping[str, str]) -> None:
    found = analysed(files)
    assert sites(found) == {("read", "datapath")}
    (own,) = found.drivers
    assert own.opted_in
    assert [(c.field, c.target) for c in own.table.callbacks] == [("xdo_dev_state_add", "foo_add")]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("TX(tx) {", id="a macro"),
        pytest.param("static netdev_tx_t foo_tx(struct sk_buff *skb, void *dev) {", id="no macro"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_function_with_several_heads_is_one(head: str, first: bool) -> None:
    heads = [head, XMIT + "\n{\n\tskb->priority++;"]
    one, other = heads if first else heads[::-1]
    made = "#define TX(name) static netdev_tx_t foo_##name(struct sk_buff *skb, void *dev)\n"
    text = f"#ifdef FOO_OLD\n{one}\n#else\n{other}\n#endif\n"
    body = f"\t{ASK}\n\treturn x->xso.offload_handle != 0;\n}}\n"
    found = analysed(driver(pre=made, tx=text + body))
    functions = [row[0] for row in found.store.query("select function from site")[1]]
    assert sorted(functions) == ["foo_add", "foo_tx"]
    assert sites(found) == {("read", "datapath")}
    assert not [why for why in reasons(found) if "must not sleep" not in why]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("VENDOR_TRACE\n\tfoo_do(skb, dev);", id="a line of its own"),
        pytest.param("VENDOR_TRACE(skb)\n\tfoo_do(skb, dev);", id="with arguments"),
        pytest.param("VENDOR_MARK foo_do(skb, dev);", id="in front of a call"),
        pytest.param("VENDOR_IF(skb)\n\t\tfoo_do(skb, dev);", id="a condition"),
        pytest.param("VENDOR_IF(skb) {\n\t\tfoo_do(skb, dev);\n\t}", id="a block"),
    ],
)
def test_macros_that_the_tree_does_not_define(body: str) -> None:
    do = TX.replace("foo_tx(", "foo_do(")
    found = analysed(driver(tx=f"{do}{XMIT}\n{{\n\t{body}\n\treturn 0;\n}}\n"))
    assert sites(found) == {("read", "datapath")}
    told = [row for part in found.parts for row in rows_of(part) if isinstance(row, UnknownRow)]
    assert [row.reason.split()[0] for row in told] == [body.partition("(")[0].split()[0]]


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param("\tVENDOR_UNLESS(h) return NETDEV_TX_OK;\n\tgive(h);", id="in one line"),
        pytest.param("\tVENDOR_UNLESS(h)\n\t\treturn NETDEV_TX_OK;\n\tgive(h);", id="in two"),
        pytest.param(
            "\tVENDOR_UNLESS(h) { drop(skb); return NETDEV_TX_OK; }\n\tgive(h);", id="a block"
        ),
    ],
)
def test_a_macro_that_the_tree_does_not_define_may_test_a_handle(statements: str) -> None:
    assert ways(H + statements, "") == {"ask, compare", "ask, compare, use given to give()"}


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("Vendor_trace\n\txfrm_dev_state_lower_handle(x, dev);", id="a declaration?"),
        pytest.param("vendor_let(h)\n\txfrm_dev_state_lower_handle(x, dev);", id="a call before"),
        pytest.param("h = VENDOR_ASK(xfrm_dev_state_lower_handle, x, dev);", id="an argument"),
    ],
)
def test_a_resolver_in_a_form_that_is_not_understood(statement: str) -> None:
    body = f"unsigned long h;\n\t{statement}\n\treturn h;"
    found = analysed(driver(tx=TX.replace(READ, body)))
    assert sites(found) == {("resolve", "unknown")}
    assert any("form of C that was not understood" in reason for reason in reasons(found))


def test_a_handle_in_a_form_that_is_not_understood() -> None:
    found = analysed(driver(tx=TX.replace(READ, "return VENDOR_GET(x, offload_handle);")))
    assert sites(found) == set()
    assert reasons(found) == {"offload_handle stands in a form of C that was not understood"}


def test_a_handle_that_a_string_names() -> None:
    shown = 'vendor_show("offload_handle", x->xso.offload_handle);'
    found = analysed(driver(tx=TX.replace(READ, f"{shown}\n\treturn 0;")))
    assert sites(found) == {("read", "datapath")}
    assert not any("form of C" in reason for reason in reasons(found))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        pytest.param("0x10", False, id="number"),
        pytest.param("(1 << 3)", False, id="shift"),
        pytest.param('"a" B "c"', False, id="strings"),
        pytest.param("(struct foo *)(x)", False, id="cast of something"),
        pytest.param("(u32)x & 3", False, id="cast and mask"),
        pytest.param("do { g(x); } while (0)", False, id="do while"),
        pytest.param("({ g(x); })", False, id="statement expression"),
        pytest.param("g(x, 1)", False, id="call"),
        pytest.param("x->xso.offload_handle", False, id="member"),
        pytest.param("sizeof(x)", False, id="sizeof"),
        pytest.param("{ 1, 2 }", False, id="initializer"),
        pytest.param("-x", False, id="sign"),
        pytest.param("FOO_##x", False, id="pasted name"),
        pytest.param("", True, id="empty"),
        pytest.param("__packed __aligned(8)", True, id="attributes"),
        pytest.param("if (x)", True, id="if"),
        pytest.param("else", True, id="else"),
        pytest.param("return -EINVAL", True, id="return"),
        pytest.param("out:", True, id="label"),
        pytest.param("(void)", True, id="cast to nothing"),
        pytest.param("(struct foo *)", True, id="cast to a pointer"),
        pytest.param("(u32)", True, id="cast to a number"),
        pytest.param("||", True, id="operator"),
        pytest.param("->xso.offload_handle", True, id="end of an expression"),
        pytest.param(".a = x,", True, id="designator"),
        pytest.param("g(x);", True, id="statement"),
        pytest.param("do { g(x); } while (0);", True, id="do while and a semicolon"),
        pytest.param("} while (0)", True, id="closing brace"),
        pytest.param("static int f(int a)", True, id="head of a function"),
        pytest.param("struct foo *", True, id="type"),
        pytest.param("x(a) x(b)", True, id="list"),
        pytest.param("g(x) __attribute__((used))", True, id="attribute behind a call"),
    ],
)
def test_which_macros_are_more_than_an_expression(body: str, wanted: bool) -> None:
    found = shapes_of(f"#define A(x) {body}\n#define B 1\n".encode())
    assert (b"A" in found.structural) is wanted


@pytest.mark.parametrize(
    ("define", "wanted"),
    [
        ("A(x, ...) g(x, __VA_ARGS__)", False),
        ("A(x, y) g(&(struct c){ x, y })", False),
        ("A(x, ...) g(&(struct c){ x, 1 })", False),
        ("A(x, ...) g(x, &(struct c){ __VA_ARGS__ })", True),
        ("A(x, y...) do { struct c c = { y }; g(x, &c); } while (0)", True),
    ],
)
def test_arguments_that_are_listed_are_no_expressions(define: str, wanted: bool) -> None:
    assert (b"A" in shapes_of(f"#define {define}\n#define B 1\n".encode()).structural) is wanted


@pytest.mark.parametrize(
    "define",
    [
        "CALL(n, ...) call(n, &(struct foo_call){ __VA_ARGS__ })",
        "CALL(n, v...) do { struct foo_call c = { v }; call(n, &c); } while (0)",
        "CALL(k, ...) call(k, &(struct foo_call){ .n = k __VA_OPT__(,) __VA_ARGS__ })",
    ],
)
@pytest.mark.parametrize(
    "call", ["CALL(1, 2);", "CALL(1, .n = 2);", "CALL(1,\n\t.n = 2,\n\t.sa = { .h = h });"]
)
def test_an_argument_can_be_a_designated_initializer(define: str, call: str) -> None:
    text = f"struct foo_call {{ int n; struct {{ int h; }} sa; }};\n#define {define}\n"
    tx = f"{XMIT}\n{{\n\t{H}\tif (!h)\n\t\treturn NETDEV_TX_OK;\n\t{call}\n\treturn h;\n}}\n"
    parts = analysed(driver(pre=text, tx=tx)).parts
    told = [row for part in parts for row in rows_of(part) if isinstance(row, UnknownRow)]
    assert not [row.reason for row in told if "parse" in row.reason]


def test_items_know_their_bytes() -> None:
    define = "#define FN(n) static int n##_a; static int n##_b(void)\n"
    text = f"{define}int before;\nFN(x)\n{{\n}}\nint after;\n"
    found = reader({FOO: text}).outlines
    at: dict[str, list[tuple[str, str]]] = {}
    for item in found.items(FOO):
        at.setdefault(text[item.start : item.end], []).append((item.kind, item.name))
    assert at == {
        "int before;": [("declaration", "")],
        "FN(x)\n{\n}": [("declaration", ""), ("function", "x_b")],
        "int after;": [("declaration", "")],
    }
    (item,) = found.functions("x_b", FOO)
    assert found.item_at(FOO, text.index("{")) is not None
    assert found.place(FOO, item, item.node).line == 1
