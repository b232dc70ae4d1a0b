"""Paths through a driver: C in, the events of every way through out."""

from collections.abc import Mapping

import pytest

from tests.asked import analysis_of
from tests.trees import FOO, HEAD, tree
from xfrmlint.flow.events import Device, Kind, Path, Sa, Source
from xfrmlint.flow.paths import Traced

HEADER = "drivers/net/foo/foo.h"
# What a driver declares and nobody sees may test a handle; the kernel's own functions don't.
KERNELS = {"include/linux/give.h": "void give(unsigned long h);\nvoid drop(struct sk_buff *skb);\n"}
STRUCTS = """\
#include <linux/give.h>
struct sa { u32 index; u32 flags; struct net_device *dev; };
struct desc { __le32 sa; __le32 len; };
struct md { u32 a; unsigned long h; };
struct ring {
	struct net_device *netdev;
	struct desc *desc;
	unsigned long last;
	unsigned long per_queue[8];
	u32 table[16];
	int next;
	struct sk_buff *skb;
	struct md md;
};
struct priv {
	struct ring *ring;
	struct net_device *upper;
	struct xfrm_state *last_x;
	struct sa sas[16];
};
bool busy(void);
"""
OPS = """
static int add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *e)
{
	x->xso.offload_handle = 1;
	return 0;
}
static const struct net_device_ops foo_netdev = { .ndo_start_xmit = tx };
static const struct xfrmdev_ops foo_xfrmdev = {
	.xdo_dev_state_add = add,
	.flags = XFRMDEV_OPS_F_LOWER_HANDLE,
};
void init(struct net_device *dev)
{
	struct priv *p = netdev_priv(dev);

	p->ring->netdev = dev;
	dev->netdev_ops = &foo_netdev;
	dev->xfrmdev_ops = &foo_xfrmdev;
}
"""
X = "struct xfrm_state *x = xfrm_input_state(skb);\n"
H = f"{X}\tunsigned long h = xfrm_dev_state_lower_handle(x, dev);\n"


def traced(files: Mapping[str, str]) -> Traced:
    """Follow the packets of the driver foo."""
    found = analysis_of(tree({"drivers/net/foo/Makefile": "obj-m += foo.o\n", **KERNELS, **files}))
    return found.traced["foo"]


def driver(statements: str, outside: str = "") -> dict[str, str]:
    """Return a driver whose tx(skb, dev), which transmits, has these statements."""
    xmit = "static netdev_tx_t tx(struct sk_buff *skb, struct net_device *dev)\n{\n"
    text = f"{HEAD}{STRUCTS}{outside}{xmit}\t{statements}\n\treturn NETDEV_TX_OK;\n}}\n{OPS}"
    return {FOO: text, HEADER: ""}


def said(path: Path) -> str:
    """Return a path in short: `ask` and `read` get a handle; `0` and `!0` are tests of it."""
    words = []
    several = len({e.handle for e in path if e.handle >= 0}) > 1
    for event in path:
        word = {
            Kind.READ: "kept" if event.source is Source.STORED else "read",
            Kind.RESOLVE: "ask",
            Kind.TEST: "!0" if event.nonzero else "0",
            Kind.COMPARE: "compare",
            Kind.SAME: "",
            Kind.RETURN: "",
        }.get(event.kind, str(event.kind))
        if several and event.handle >= 0:
            word += f"#{event.handle}"
        if event.kind is Kind.RESOLVE and event.device is not Device.OWN:
            word += f"({event.device})"
        if event.kind in (Kind.READ, Kind.RESOLVE) and event.sa is not Sa.THIS:
            word += f"[{event.sa}]"
        if event.kind in (Kind.USE, Kind.STORE, Kind.CUT):
            word += f" {event.text}"
        words.append(word)
    last = path[-1].text
    ending = "" if last in ("NETDEV_TX_OK", "") else f" -> {last}"
    return ", ".join(w for w in words if w) + ending


def ways(statements: str, outside: str = "") -> set[str]:
    """Return what the paths of such a driver come to; those without a handle are left out."""
    return {said(path.events) for path in traced(driver(statements, outside)).paths} - {""}


TESTED = {"ask, 0", "ask, !0, use given to give()"}
LEADING = """struct foo_sa { struct list_head node; u32 sa; };
static struct list_head *foo_last;
#define to_sa(n) container_of(n, struct foo_sa, node)
#define SA(n) to_sa(n)->sa
#define KEEP(n, h) to_sa(n)->sa = (h)
"""
DROP = "{ drop(skb); return NETDEV_TX_OK; }"


@pytest.mark.parametrize(
    ("statements", "settled"),
    [
        (X + "if (x) give(x->xso.offload_handle);", []),
        (X + "if (dev) give(x->xso.offload_handle);", []),
        # The state's device is compared with nothing of this packet's.
        (X + "if (x->xso.real_dev) give(x->xso.offload_handle);", []),
        (X + "if (x->xso.real_dev == dev) give(x->xso.offload_handle);", ["xso.real_dev"]),
        (X + "if (dev != READ_ONCE(x->xso.dev)) give(x->xso.offload_handle);", ["not xso.dev"]),
        (
            X + "struct net_device *of = x->xso.real_dev;\n"
            "if (of == dev) give(x->xso.offload_handle);",
            ["xso.real_dev"],
        ),
    ],
)
def test_whether_the_own_device_is_one_that_the_state_names(
    statements: str, settled: list[str]
) -> None:
    found = []
    for path in traced(driver(statements)).paths:
        kinds = [event.kind for event in path.events]
        if Kind.READ in kinds:
            before = path.events[: kinds.index(Kind.READ)]
            same = [event for event in before if event.kind is Kind.SAME]
            found.append([f"{'' if e.nonzero else 'not '}{e.device}" for e in same])
    assert settled in found
    assert {tuple(one) for one in found} == {tuple(settled)}


@pytest.mark.parametrize(
    ("statements", "outside"),
    [
        pytest.param(H + f"if (!h) {DROP}\ngive(h);", "", id="if not"),
        pytest.param(H + f"if (h == 0) {DROP}\ngive(h);", "", id="eq 0"),
        pytest.param(H + f"if (!h--) {DROP}\ngive(h);", "", id="not, and one less"),
        pytest.param(
            H + f"if (gone(!h)) {DROP}\ngive(h);",
            "static bool gone(bool none)\n{\n\tif (none)\n\t\treturn true;\n\treturn false;\n}\n",
            id="a helper is told",
        ),
        pytest.param(H + f"if (0 == h) {DROP}\ngive(h);", "", id="yoda"),
        pytest.param(H + "if (h > 0) give(h);", "", id="gt"),
        pytest.param(H + "if (h >= 1) give(h);", "", id="ge1"),
        pytest.param(H + f"if (h < 1) {DROP}\ngive(h);", "", id="lt1"),
        pytest.param(H + f"if (unlikely(!h)) {DROP}\ngive(h);", "", id="unlikely"),
        pytest.param(
            f"{H}__be64 w = BE(h);\nif (!w) {DROP}\ngive(w);",
            "#define BE(v) ((__be64)__builtin_bswap64(v))\n",
            id="swapped before",
        ),
        pytest.param(
            X
            + (
                "unsigned long h;\nif (!(h = xfrm_dev_state_lower_handle(x, dev))) "
                f"{DROP}\ngive(h);"
            ),
            "",
            id="assign in cond",
        ),
        pytest.param(
            X
            + (
                "unsigned long h;\nif (x && (h = xfrm_dev_state_lower_handle(x, "
                "dev)) != 0) give(h);"
            ),
            "",
            id="and",
        ),
        pytest.param(H + "if (!h) goto out;\ngive(h);\nout:\n", "", id="goto"),
        pytest.param(H + "h ? give(h) : drop(skb);", "", id="ternary"),
        pytest.param(H + "give(h ?: 7);", "", id="gnu"),
        pytest.param(H + "if (__extension__ (h)) give(__extension__ (h));", "", id="extension"),
        pytest.param(H + "if (h) (dev ? give : give)(h);", "", id="choice of callees"),
        pytest.param(H + "if (({ ({ busy(); h; }); })) give(h);", "", id="({ ({ }) })"),
        pytest.param(
            H + "if (({ int i; for (i = 0; i < 3; i++) busy(); h; })) give(h);",
            "",
            id="loop in ({ })",
        ),
        pytest.param(H + f"if (({{ if (!h) {DROP} 1; }})) give(h);", "", id="return in ({ })"),
        pytest.param(
            H + "struct outer o = { { 0, h }, 1 };\nif (o.md.h) give(o.md.h);",
            "struct outer { struct md md; int one; };\n",
            id="positional in positional",
        ),
        pytest.param(
            H + "struct outer o = (struct outer){ { 0, h }, 1 };\nif (o.md.h) give(o.md.h);",
            "struct outer { struct md md; int one; };\n",
            id="positional in a compound literal",
        ),
        pytest.param(
            H + f"if (h) give(h | {' | '.join(['BIT(1)'] * 300)});", "", id="three hundred terms"
        ),
        pytest.param(H + f"switch (h) {{ case 0: {DROP} default: give(h); }}", "", id="switch"),
        pytest.param(H + f"while (!h) {DROP}\ngive(h);", "", id="while"),
        pytest.param(H + f"if (WARN_ON_ONCE(!h)) {DROP}\ngive(h);", "", id="warn"),
        pytest.param(
            X
            + (
                "unsigned long h = xfrm_dev_state_lower_handle(x, skb->dev);\nif "
                f"(!h) {DROP}\ngive(h);"
            ),
            "",
            id="skb->dev",
        ),
        pytest.param(
            X
            + (
                "struct priv *p = netdev_priv(dev);\nunsigned long h = "
                f"xfrm_dev_state_lower_handle(x, p->ring->netdev);\nif (!h) {DROP}\n"
                "give(h);"
            ),
            "",
            id="ring dev",
        ),
        pytest.param(
            X + f"unsigned long h = get(x, dev);\nif (!h) {DROP}\ngive(h);",
            (
                "static unsigned long get(struct xfrm_state *x, struct net_device "
                "*d) { return xfrm_dev_state_lower_handle(x, d); }\n"
            ),
            id="wrapper",
        ),
        pytest.param(
            X + f"unsigned long h = GET(x, dev);\nif (!h) {DROP}\ngive(h);",
            "#define GET(x, d) xfrm_dev_state_lower_handle((x), (d))\n",
            id="macro",
        ),
        pytest.param(
            H + "DROP_IF_ZERO(h);\ngive(h);",
            ("#define DROP_IF_ZERO(h) do { if (!(h)) return NETDEV_TX_OK; } while (0)\n"),
            id="macro drop",
        ),
        pytest.param(
            X + f"unsigned long h;\nif (get(x, dev, &h)) {DROP}\ngive(h);",
            (
                "static int get(struct xfrm_state *x, struct net_device *d, "
                "unsigned long *h) { *h = xfrm_dev_state_lower_handle(x, d); "
                "return *h ? 0 : -ENOENT; }\n"
            ),
            id="out",
        ),
        pytest.param(
            X + (f"unsigned long h;\nint err = get(x, dev, &h);\nif (err < 0) {DROP}\ngive(h);"),
            (
                "static int get(struct xfrm_state *x, struct net_device *d, "
                "unsigned long *h) { *h = xfrm_dev_state_lower_handle(x, d); if "
                "(!*h) return -ENOENT; return 0; }\n"
            ),
            id="err",
        ),
        pytest.param(
            H + f"if (!ok(h)) {DROP}\ngive(h);",
            "static bool ok(unsigned long h) { return h != 0; }\n",
            id="pred",
        ),
        pytest.param(
            H + "send(skb, h);",
            (
                "static void send(struct sk_buff *skb, unsigned long h) { if (!h) "
                "{ drop(skb); return; } give(h); }\n"
            ),
            id="callee tests",
        ),
        pytest.param(
            X + f"struct md m; fill(&m, x, dev); if (!m.h) {DROP}\nemit(&m);",
            (
                "static void fill(struct md "
                "*m, struct xfrm_state *x, struct net_device *d) { m->h = "
                "xfrm_dev_state_lower_handle(x, d); }\nstatic void emit(struct md "
                "*m) { give(m->h); }\n"
            ),
            id="stack struct",
        ),
        pytest.param(
            X + f"struct md m = make(x, dev); if (!m.h) {DROP}\nemit(m);",
            (
                "static struct md "
                "make(struct xfrm_state *x, struct net_device *d) { struct md m = "
                "{ .h = xfrm_dev_state_lower_handle(x, d) }; return m; }\nstatic "
                "void emit(struct md m) { give(m.h); }\n"
            ),
            id="by value",
        ),
        pytest.param(
            H + f"CB(skb)->h = h; if (!CB(skb)->h) {DROP}\ngive(CB(skb)->h);",
            ("struct cb { unsigned long h; };\n#define CB(skb) ((struct cb *)(skb)->cb)\n"),
            id="cb",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = 0; bool ipsec = false;\nif (x) { h = "
                f"xfrm_dev_state_lower_handle(x, dev); if (!h) {DROP} ipsec = true; }}\nif "
                "(ipsec) give(h);"
            ),
            "",
            id="flag",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = 0;\nif (x) { h = xfrm_dev_state_lower_handle(x, "
                f"dev); if (!h) {DROP} }}\nif (x) give(h);"
            ),
            "",
            id="twice",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = ({ unsigned long t = "
                f"xfrm_dev_state_lower_handle(x, dev); if (!t) {DROP} t; }});\ngive(h);"
            ),
            "",
            id="stmt",
        ),
        pytest.param(
            X
            + (
                "unsigned long h;\n#ifdef CONFIG_A\nh = "
                "xfrm_dev_state_lower_handle(x, dev);\n#else\nh = 3;\n#endif\n#ifdef "
                f"CONFIG_A\nif (!h) {DROP}\n#endif\ngive(h);"
            ),
            "",
            id="config",
        ),
    ],
)
def test_a_handle_that_is_tested(statements: str, outside: str) -> None:
    assert ways(statements, outside) == TESTED


@pytest.mark.parametrize(
    ("statements", "outside", "paths"),
    [
        pytest.param(
            H + f"if (!x || !h) {DROP}\ngive(h);",
            "",
            {"ask", "ask, !0, use given to give()", "ask, 0"},
            id="or",
        ),
        pytest.param(
            H + "switch (h) { case 0: drop(skb); default: give(h); }",
            "",
            {"ask, !0, use given to give()", "ask, 0, use given to give()"},
            id="switch nofall",
        ),
        pytest.param(
            H + "WARN_ON_ONCE(!h);\ngive(h);",
            "",
            {"ask, !0, use given to give()", "ask, 0, use given to give()"},
            id="warn only",
        ),
        pytest.param(H + "BUG_ON(!h);\ngive(h);", "", {"ask, !0, use given to give()"}, id="bug"),
        pytest.param(
            X
            + (
                "struct sa *sa = (struct sa *)xfrm_dev_state_lower_handle(x, dev);\n"
                "if (IS_ERR_OR_NULL(sa)) return NETDEV_TX_OK;\nskb->len = sa->index;"
            ),
            "",
            {"ask, 0", "ask, !0, use dereferenced"},
            id="isnull",
        ),
        pytest.param(H + "give(h);", "", {"ask, use given to give()"}, id="no test"),
        pytest.param(
            H + f"give(h);\nif (!h) {DROP}",
            "",
            {"ask, use given to give(), !0", "ask, use given to give(), 0"},
            id="after",
        ),
        pytest.param(
            H + f"unsigned long g = 1; if (!g) {DROP}\ngive(h);",
            "",
            {"ask, use given to give()"},
            id="other var",
        ),
        pytest.param(
            H + f"if (busy()) {{ if (!h) {DROP} }}\ngive(h);",
            "",
            {"ask, !0, use given to give()", "ask, 0", "ask, use given to give()"},
            id="one branch",
        ),
        pytest.param(
            H + 'if (!h) pr_err("no\\n");\ngive(h);',
            "",
            {"ask, !0, use given to give()", "ask, 0, use given to give()"},
            id="log only",
        ),
        pytest.param(
            H + f"if (h >= 16) {DROP}\ngive(h);",
            "",
            {"ask, !0", "ask, !0, use given to give()", "ask, 0, use given to give()"},
            id="bounds",
        ),
        pytest.param(
            H + f"if (h >= skb->len) {DROP}\ngive(h);",
            "",
            {"ask, compare", "ask, use given to give()"},
            id="bounds var",
        ),
        pytest.param(
            H + "if (h > skb->len) give(h);",
            "",
            {"ask, 0", "ask, !0", "ask, !0, use given to give()"},
            id="above var",
        ),
        pytest.param(
            H + f"if (!(h & 0xff)) {DROP}\ngive(h);",
            "",
            {"ask, 0", "ask, !0", "ask, !0, use given to give()"},
            id="masked test",
        ),
        pytest.param(
            X
            + (
                "struct sa *sa = (void *)xfrm_dev_state_lower_handle(x, dev);\n"
                "skb->len = sa->index;"
            ),
            "",
            {"ask, use dereferenced"},
            id="deref",
        ),
        pytest.param(
            H + "struct priv *p = netdev_priv(dev); skb->len = p->sas[h].index;",
            "",
            {"ask, use used as index of p->sas"},
            id="index",
        ),
        pytest.param(
            H + "union held u; u.raw = h; skb->len = u.sa->index;",
            "union held { unsigned long raw; struct sa *sa; };\n",
            {"ask, use dereferenced"},
            id="the other member of a union",
        ),
        pytest.param(
            H
            + (
                "struct priv *p = netdev_priv(dev); "
                "p->ring->desc[p->ring->next].sa = cpu_to_le32(h);"
            ),
            "",
            {"ask, use stored in p->ring->desc[p->ring->next].sa"},
            id="desc",
        ),
        pytest.param(
            H
            + (
                "struct priv *p = netdev_priv(dev); struct desc d = { .len = 0 }; "
                "d.sa = cpu_to_le32(h); p->ring->desc[p->ring->next] = d;"
            ),
            "",
            {"ask, use stored in p->ring->desc[p->ring->next]"},
            id="desc, whole",
        ),
        pytest.param(
            H + "struct queue *q = netdev_priv(dev); struct word w = {}; u32 at = q->next++ % 8;\n"
            "w.hi = h; q->at[at] = w;",
            "struct word { struct { u32 lo, at; } head; u32 hi; };\n"
            "struct queue { struct word *at; u32 next; };\n",
            {"ask, use stored in q->at[at]"},
            id="desc of plain integers, whole",
        ),
        pytest.param(
            H + "struct queue *q = netdev_priv(dev); struct word w = {};\n"
            f"if (!h) {DROP}\nw.hi = h; q->at[skb->len % 8] = w;",
            "struct word { u32 lo, hi; };\nstruct queue { struct word *at; u32 next; };\n",
            {"ask, 0", "ask, !0, store stored in q->at[skb->len % 8]"},
            id="a table of plain integers, whole",
        ),
        pytest.param(
            H + "struct queue *q = netdev_priv(dev); struct word w = {}; u32 at = q->next++ % 8;\n"
            f"if (!h) {DROP}\nw.hi = h; q->at[at] = w;",
            "struct word { struct sk_buff *skb; u32 hi; };\n"
            "struct queue { struct word *at; u32 next; };\n",
            {"ask, 0", "ask, !0"},
            id="what is kept beside a packet, whole",
        ),
        pytest.param(
            H + "struct queue *q = netdev_priv(dev); struct word w = {}; u32 at = q->next++ % 8;\n"
            f"if (!h) {DROP}\nw.hi = h; q->at[at] = w;",
            "struct word { struct sa *sa; u32 hi; };\n"
            "struct queue { struct word *at; u32 next; };\n",
            {"ask, 0", "ask, !0, store stored in q->at[at]"},
            id="what is kept beside an SA, whole",
        ),
        pytest.param(
            H + f"struct priv *p = netdev_priv(dev); if (!h) {DROP}\np->ring->last = h;",
            "",
            {"ask, 0", "ask, !0, store stored in p->ring->last"},
            id="ring store",
        ),
        pytest.param(
            H
            + (
                f"struct priv *p = netdev_priv(dev); if (!h) {DROP}\n"
                "p->ring->per_queue[skb->len] = h;"
            ),
            "",
            {"ask, 0", "ask, !0, store stored in p->ring->per_queue[skb->len]"},
            id="ring array",
        ),
        pytest.param(
            H + f"if (!h) {DROP}\nlast = h;",
            "static unsigned long last;\n",
            {"ask, 0", "ask, !0, store stored in last"},
            id="global",
        ),
        pytest.param(
            (
                "static unsigned long last;\nstruct xfrm_state *x = "
                "xfrm_input_state(skb);\n\tunsigned long h = "
                f"xfrm_dev_state_lower_handle(x, dev);\nif (!h) {DROP}\nlast = h;"
            ),
            "",
            {"ask, 0", "ask, !0, store stored in last"},
            id="static",
        ),
        pytest.param(
            H
            + (
                f"struct priv *p = netdev_priv(dev); give(p->ring->last); if (!h) {DROP}\n"
                "p->ring->last = h;"
            ),
            "",
            {
                "ask#0, kept#1, use#1 given to give(), !0#0, store#0 stored in p->ring->last",
                "ask#0, kept#1, use#1 given to give(), 0#0",
            },
            id="kept",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = xfrm_dev_state_lower_handle(x, x->xso.dev);\nif "
                f"(!h) {DROP}\ngive(h);"
            ),
            "",
            {"ask(xso.dev), !0, use given to give()", "ask(xso.dev), 0"},
            id="xso.dev",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = xfrm_dev_state_lower_handle(x, "
                f"x->xso.real_dev);\nif (!h) {DROP}\ngive(h);"
            ),
            "",
            {"ask(xso.real_dev), !0, use given to give()", "ask(xso.real_dev), 0"},
            id="real_dev",
        ),
        pytest.param(
            X
            + (
                f"unsigned long h = xfrm_dev_state_lower_handle(x, NULL);\nif (!h) {DROP}\ngive(h);"
            ),
            "",
            {"ask(NULL), !0, use given to give()", "ask(NULL), 0"},
            id="null",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = xfrm_dev_state_lower_handle(x, "
                f"netdev_master_upper_dev_get_rcu(dev));\nif (!h) {DROP}\ngive(h);"
            ),
            "",
            {"ask(master), !0, use given to give()", "ask(master), 0"},
            id="master",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = xfrm_dev_state_lower_handle(x, saved);\nif (!h) "
                f"{DROP}\ngive(h);"
            ),
            "static struct net_device *saved;\n",
            {"ask(saved), !0, use given to give()", "ask(saved), 0"},
            id="saved",
        ),
        pytest.param(
            X
            + (
                "struct priv *p = netdev_priv(dev);\nunsigned long h = "
                f"xfrm_dev_state_lower_handle(x, p->upper);\nif (!h) {DROP}\ngive(h);"
            ),
            ("static void note(struct priv *p, struct xfrm_state *x) { p->upper = x->xso.dev; }\n"),
            {"ask(saved), !0, use given to give()", "ask(saved), 0"},
            id="member of upper",
        ),
        pytest.param(
            X
            + (
                "struct net_device *d = dev;\nunsigned long h;\nif (busy()) d = "
                f"x->xso.dev;\nh = xfrm_dev_state_lower_handle(x, d);\nif (!h) {DROP}\n"
                "give(h);"
            ),
            "",
            {
                "ask(xso.dev), !0, use given to give()",
                "ask(xso.dev), 0",
                "ask, !0, use given to give()",
                "ask, 0",
            },
            id="one branch dev",
        ),
        pytest.param(
            X + f"unsigned long h = get(x, dev), g = get(x, dev);\nif (!g) {DROP}\ngive(h);",
            (
                "static unsigned long get(struct xfrm_state *x, struct net_device "
                "*d) { return xfrm_dev_state_lower_handle(x, d); }\n"
            ),
            {"ask#0, ask#1, !0#1, use#0 given to give()", "ask#0, ask#1, 0#1"},
            id="two of a wrapper",
        ),
        pytest.param(
            X + "unsigned long h;\nget(x, dev, &h);\ngive(h);",
            (
                "static int get(struct xfrm_state *x, struct net_device *d, "
                "unsigned long *h) { *h = xfrm_dev_state_lower_handle(x, d); "
                "return *h ? 0 : -ENOENT; }\n"
            ),
            {"ask, !0, use given to give()", "ask, 0, use given to give()"},
            id="out ignored",
        ),
        pytest.param(
            H + f"send(skb, h); if (!h) {DROP}",
            ("static void send(struct sk_buff *skb, unsigned long h) { give(h); }\n"),
            {"ask, use given to give(), !0", "ask, use given to give(), 0"},
            id="callee uses",
        ),
        pytest.param(
            X + "unsigned long h; int n = 3;\n"
            "\twhile (!(h = xfrm_dev_state_lower_handle(x, dev))) "
            "{ if (!--n) return NETDEV_TX_OK; busy(); }\n\tgive(h);",
            "",
            {
                "ask, !0, use given to give()",
                "ask, 0, ask",
                "ask, 0, ask, !0, use given to give()",
            },
            id="asked again in the condition",
        ),
        pytest.param(
            H + "int i;\nfor (i = 0; i < 3; i++) { if (!h) break; give(h); }",
            "",
            {"ask", "ask, !0, use given to give()", "ask, 0"},
            id="loop",
        ),
        pytest.param(
            X
            + (
                "unsigned long h;\nfor (;;) { h = xfrm_dev_state_lower_handle(x, "
                "dev); if (h) break; if (busy()) return NETDEV_TX_OK; }\ngive(h);"
            ),
            "",
            {
                "ask, !0, use given to give()",
                "ask, 0",
                "ask, 0, ask",
                "ask, 0, ask, !0, use given to give()",
            },
            id="loop ask",
        ),
        pytest.param(
            H + "if (!h) return NETDEV_TX_BUSY;\ngive(h);",
            "",
            {"ask, !0, use given to give()", "ask, 0 -> NETDEV_TX_BUSY"},
            id="busy",
        ),
        pytest.param(
            H
            + (
                "int ret = NETDEV_TX_OK; if (!h) { ret = NETDEV_TX_BUSY; goto out; "
                "}\ngive(h);\nout: return ret;"
            ),
            "",
            {"ask, !0, use given to give()", "ask, 0 -> NETDEV_TX_BUSY"},
            id="busy ret",
        ),
        pytest.param(
            X + "return NETDEV_TX_OK; give(xfrm_dev_state_lower_handle(x, dev));",
            "",
            set(),
            id="dead",
        ),
        pytest.param(X + "if (0) give(xfrm_dev_state_lower_handle(x, dev));", "", set(), id="if 0"),
        pytest.param(X + "xfrm_dev_state_lower_handle(x, dev);", "", {"ask"}, id="thrown"),
        pytest.param(
            H + f"{{ unsigned long h = 1; if (!h) {DROP} }}\ngive(h);",
            "",
            {"ask, use given to give()"},
            id="shadow",
        ),
    ],
)
def test_what_comes_of_a_handle(statements: str, outside: str, paths: set[str]) -> None:
    assert ways(statements, outside) == paths


@pytest.mark.parametrize(
    ("statements", "outside", "paths"),
    [
        pytest.param(
            X
            + (
                "unsigned long h = 0, flags = 0;\nif (busy()) flags |= 2;\nif (x) { "
                "h = xfrm_dev_state_lower_handle(x, dev); if (h) flags |= 1; }\nif "
                "(flags & 1) give(h);"
            ),
            "",
            TESTED,
            id="flag bits",
        ),
        pytest.param(
            X
            + (
                "unsigned long h;\n\tskb_list_walk_safe(skb, a, b) { h = "
                "xfrm_dev_state_lower_handle(x, dev); if (!h) continue; give(h); }"
            ),
            "",
            {
                "ask, !0, use given to give()",
                "ask, 0",
                "ask, 0, ask",
                "ask, 0, ask, !0, use given to give()",
            },
            id="loop macro",
        ),
        pytest.param(
            X
            + (
                "unsigned long last = 0, h;\nwhile (busy()) { h = "
                "xfrm_dev_state_lower_handle(x, dev); if (last) give(h); last = h; "
                "}"
            ),
            "",
            {
                "ask",
                "ask#0, ask#0, !0#1, use#0 given to give()",
                "ask#0, ask#0, !0#1, use#0 given to give(), 0#1",
                "ask#0, ask#0, 0#1",
            },
            id="previous one tested",
        ),
        pytest.param(
            X
            + (
                "unsigned long h; bool first = true;\nwhile (busy()) { h = "
                "xfrm_dev_state_lower_handle(x, dev); if (first && !h) return "
                "NETDEV_TX_OK; first = false; give(h); }"
            ),
            "",
            {
                "ask, !0, use given to give()",
                "ask, !0, use given to give(), ask, use given to give()",
                "ask, 0",
            },
            id="first only",
        ),
        pytest.param(
            X + "skb->len = sa_of(x, dev)->index;",
            (
                "static struct sa *sa_of(struct xfrm_state *x, struct net_device "
                "*d) { unsigned long h = xfrm_dev_state_lower_handle(x, d); if "
                "(!h) return NULL; return (struct sa *)h; }\n"
            ),
            {"ask, !0, use dereferenced", "ask, 0, use dereferenced"},
            id="null from helper",
        ),
        pytest.param(
            H + f"struct sa *s;\nif (out(h, &s)) {DROP}\nskb->len = s->index;",
            (
                "static int out(unsigned long h, struct sa **s) { *s = (void *)h; "
                "if (!h) return -2; return 0; }\n"
            ),
            {"ask, !0, use dereferenced", "ask, 0"},
            id="out with code",
        ),
        pytest.param(
            H + f"struct priv *p = netdev_priv(dev);\nif (!h) {DROP}\np->ring->skb->len = h;",
            "",
            {"ask, 0", "ask, !0, use stored in p->ring->skb->len"},
            id="a packet that hangs on the ring",
        ),
        pytest.param(
            H + ("struct sa *s = container_of((u32 *)h, struct sa, index);\nskb->len = s->flags;"),
            "",
            {"ask, use dereferenced"},
            id="container",
        ),
        pytest.param(
            H + "u32 *index = &((struct sa *)h)->index;\nskb->len = *index;",
            "",
            {"ask, use dereferenced"},
            id="member address",
        ),
        pytest.param(
            X
            + (
                "struct sa *s = (void *)xfrm_dev_state_lower_handle(x, dev);\nif "
                f"(IS_ERR(s)) {DROP}\nif (!s) {DROP}\nskb->len = s->index;"
            ),
            "",
            {"ask", "ask, !0, use dereferenced", "ask, 0"},
            id="is_err",
        ),
        pytest.param(
            X
            + (
                "unsigned long h = xfrm_dev_state_lower_handle(x, dev) | 1;\nif "
                f"(!h) {DROP}\ngive(h);"
            ),
            "",
            {"ask, use given to give()"},
            id="never 0",
        ),
        pytest.param(
            X + (f"long h = xfrm_dev_state_lower_handle(x, dev);\nif (h < 0) {DROP}\ngive(h);"),
            "",
            {"ask, !0", "ask, !0, use given to give()", "ask, 0, use given to give()"},
            id="below 0",
        ),
        pytest.param(
            X + (f"u16 i = xfrm_dev_state_lower_handle(x, dev) - 1;\nif (i < 0) {DROP}\ngive(i);"),
            "",
            {"ask, use given to give()"},
            id="unsigned below 0",
        ),
        pytest.param(
            H + f"struct ops *o = &table;\nif (!h) {DROP}\no->send(h);",
            (
                "struct ops { void (*send)(unsigned long); };\nstatic void "
                "send(unsigned long h) { give(h); }\nstatic struct ops table = { "
                ".send = send };\n"
            ),
            TESTED,
            id="table of steps",
        ),
        pytest.param(
            H
            + (
                "struct priv *p = netdev_priv(dev); struct md m = { .h = h };\nif "
                f"(!h) {DROP}\np->ring->md = m;"
            ),
            "",
            {"ask, !0, store stored in p->ring->md", "ask, 0"},
            id="struct copy into the ring",
        ),
        pytest.param(
            H + (f"struct priv *p = netdev_priv(dev);\nif (!h) {DROP}\nput(&p->ring->last, h);"),
            "static void put(unsigned long *at, unsigned long h) { *at = h; }\n",
            {"ask, !0, store stored in *at", "ask, 0"},
            id="kept through a pointer",
        ),
        pytest.param(
            X
            + (
                "struct priv *p = netdev_priv(dev);\nunsigned long h = "
                f"xfrm_dev_state_lower_handle(x, mine(p));\nif (!h) {DROP}\ngive(h);"
            ),
            ("static struct net_device *mine(struct priv *p) { return p->ring->netdev; }\n"),
            TESTED,
            id="device from a helper",
        ),
        pytest.param(
            X
            + (
                "struct net_device *d;\nunsigned long h;\nfind(dev, &d);\nh = "
                f"xfrm_dev_state_lower_handle(x, d);\nif (!h) {DROP}\ngive(h);"
            ),
            (
                "static void find(struct net_device *dev, struct net_device **d) { "
                "*d = netdev_master_upper_dev_get_rcu(dev); }\n"
            ),
            {"ask(master), !0, use given to give()", "ask(master), 0"},
            id="device by pointer",
        ),
        pytest.param(
            X
            + (
                "unsigned long h;\nskb->dev = x->xso.dev;\nh = "
                f"xfrm_dev_state_lower_handle(x, skb->dev);\nif (!h) {DROP}\ngive(h);"
            ),
            "",
            {"ask(xso.dev), !0, use given to give()", "ask(xso.dev), 0"},
            id="device of the packet changed",
        ),
        pytest.param(
            X
            + (
                "struct net_device *d = x->xso.real_dev;\nunsigned long h;\nif (d != "
                f"dev) d = dev;\nh = xfrm_dev_state_lower_handle(x, d);\nif (!h) {DROP}\n"
                "give(h);"
            ),
            "",
            TESTED,
            id="device compared",
        ),
        pytest.param(
            X
            + (
                "struct priv *p = netdev_priv(dev);\nunsigned long h = "
                "xfrm_dev_state_lower_handle(x, busy() ? p->ring->netdev : "
                f"p->upper);\nif (!h) {DROP}\ngive(h);"
            ),
            ("static void note(struct priv *p, struct xfrm_state *x) { p->upper = x->xso.dev; }\n"),
            {
                "ask(saved), !0, use given to give()",
                "ask(saved), 0",
                "ask, !0, use given to give()",
                "ask, 0",
            },
            id="either device",
        ),
        pytest.param(
            (
                "struct priv *p = netdev_priv(dev); struct xfrm_state *x = "
                "p->last_x;\nunsigned long h = xfrm_dev_state_lower_handle(x, dev);\n"
                f"if (!h) {DROP}\ngive(h);"
            ),
            "",
            {"ask[another], !0, use given to give()", "ask[another], 0"},
            id="lost SA",
        ),
        pytest.param(
            "struct xfrm_state *x;\n#ifdef A\n\tif (busy()) {\n\t\tx = xfrm_input_state(skb);\n"
            "#else\n\tif (dev) {\n\t\tx = xfrm_input_state(skb);\n#endif\n"
            "\t\tgive(x->xso.offload_handle);\n\t}",
            "",
            {"read, use given to give()"},
            id="a block that two branches begin",
        ),
        pytest.param(
            "#ifdef A\n\tstruct xfrm_state *y = xfrm_input_state(skb);\n#endif\n"
            "\tstruct xfrm_state *x;\n#ifdef A\n\tif (y) {\n\t\tx = y;\n"
            "#else\n\tif (dev) {\n\t\tx = xfrm_input_state(skb);\n#endif\n"
            "\t\tgive(x->xso.offload_handle);\n\t}",
            "",
            {"read, use given to give()"},
            id="what a branch uses is there if it is",
        ),
        pytest.param(
            "struct priv *p = netdev_priv(dev);\n\tstruct xfrm_state *x;\n"
            "#ifdef A\n\tif (busy()) {\n\t\tx = p->last_x;\n"
            "#else\n\tif (dev) {\n\t\tx = xfrm_input_state(skb);\n#endif\n"
            "\t\tgive(x->xso.offload_handle);\n\t}",
            "",
            {"read, use given to give()", "read[another], use given to give()"},
            id="each of the two branches counts",
        ),
        pytest.param(
            "struct xfrm_state *x = xfrm_input_state(skb);\n"
            "#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)\n"
            "\tgive(x->xso.offload_handle);\n#else\n\tdrop(x->xso.offload_handle);\n#endif",
            "",
            {"read, use given to drop()"},
            id="another version's",
        ),
    ],
)
def test_what_looks_like_something_else(statements: str, outside: str, paths: set[str]) -> None:
    assert ways(statements, outside) == paths


LEAVES = "{ busy(); goto drop; }"


def arms(one: str, other: str | None = None, then: str = "#else") -> str:
    rest = f"{then}\n{other}\n" if other is not None else ""
    return f"\n#ifdef A\n{one}\n{rest}#endif\n"


@pytest.mark.parametrize(
    ("statements", "right"),
    [
        ("if (!h)" + arms(LEAVES, "goto drop;"), True),
        ("if (!h)" + arms("goto drop;", LEAVES), True),
        ("if (!h)" + arms(LEAVES, LEAVES, "#elif defined(B)") + "goto drop;", True),
        ("if (!h)" + arms(LEAVES) + "goto drop;", True),
        ("if (h)\nbusy();\nelse" + arms(LEAVES, "goto drop;"), True),
        ("if (h)\nbusy();" + arms("else " + LEAVES, "else goto drop;"), True),
        ("if (h)\nbusy();" + arms("else if (dev) goto drop;") + "else goto drop;", True),
        ("while (!h)" + arms(LEAVES, "goto drop;"), True),
        ("for (; !h;)" + arms(LEAVES, "goto drop;"), True),
        ("do" + arms(f"{{ if (!h) {LEAVES} }}", "if (!h) goto drop;") + "while (0);", True),
        (
            "unsigned long g = 1;\nif (!h)"
            + arms("g = 0;", "goto drop;")
            + arms("if (!g) goto drop;"),
            True,
        ),
        ("if (!h)" + arms(LEAVES, LEAVES, "#elif defined(B)") + "busy();", False),
        ("if (!h)" + arms(LEAVES) + "busy();", False),
        ("if (!h)" + arms(LEAVES, ";"), False),
        ("if (h)\nbusy();" + arms("else " + LEAVES), False),
        ("if (h)\nbusy();" + arms("else if (dev) busy();") + "else goto drop;", False),
        ("do" + arms(f"{{ if (!h) {LEAVES} }}", "busy();") + "while (0);", False),
        (arms("if (h)") + "{ give(h); return 0; }\ngoto drop;", False),
        (arms("if (!h) goto drop; else") + "give(h);\nreturn 0;", False),
        # What the first of several texts has says the opposite twice: it is still followed.
        (arms("if (busy())") + "busy();" + arms("", "if (busy())") + "busy();", False),
    ],
)
def test_what_an_if_leaves_of_a_statement(statements: str, right: bool) -> None:
    end = "\ngive(h);\nreturn 0;\ndrop:\ndrop(skb);\nreturn 0;"
    found = {one.removesuffix(" -> 0") for one in ways(H + statements + end)}
    assert (found <= {"ask, 0", "ask, !0", "ask, !0, use given to give()"}) is right


HEADS = """static unsigned long
#ifdef A
get_counted(struct xfrm_state *x, struct net_device *d)
#else
get(struct xfrm_state *x, struct net_device *d)
#endif
{ return xfrm_dev_state_lower_handle(x, d); }
#ifdef A
#define get(x, d) get_counted(x, d)
#endif
"""


@pytest.mark.parametrize(("other", "right"), [("goto drop;", True), ("busy();", False)])
def test_a_function_with_two_heads_is_called_by_either(other: str, right: bool) -> None:
    test = f"if (!h){arms(LEAVES, other)}give(h);\nreturn 0;\ndrop:\ndrop(skb);\nreturn 0;"
    found = ways(f"{X}unsigned long h = get(x, dev);\n{test}", HEADS)
    assert ("ask, 0, use given to give() -> 0" not in found) is right


COOKIE = """\
struct cookie { struct { u32 slot; bool live; } sa; u32 len; bool on; };
static bool usable(const struct cookie *c) { return c->sa.live; }
static void fill(struct cookie *c, struct xfrm_state *x, struct net_device *dev)
{
	c->sa.slot = xfrm_dev_state_lower_handle(x, dev);
	c->on = x != NULL;
	if (c->sa.slot)
		c->sa.live = true;
}
static struct cookie get(struct xfrm_state *x, struct net_device *dev, struct sk_buff *skb)
{
	struct cookie c = { .len = skb->len };

	c.sa.slot = xfrm_dev_state_lower_handle(x, dev);
	if (c.sa.slot)
		c.sa.live = true;
	return c;
}
static void mark(struct cookie *c, u32 n) { c->sa.live = n; }
void unseen(struct cookie *c);
"""
ASKED_FOR = "xfrm_dev_state_lower_handle(x, dev)"
FILLED = "fill(&c, x, dev);"
MARKED = "c.sa.slot = xfrm_dev_state_lower_handle(x, dev); if (c.sa.slot) c.sa.live = true;"
LIVE = f"if (!c.sa.live) {DROP} give(c.sa.slot);"
# A handle's lower half can be 0 as well.
CORRELATED = {"ask, 0", "ask, !0", "ask, !0, use given to give()"}
ALWAYS = {"ask, 0, use given to give()", "ask, !0, use given to give()"}
EITHER = CORRELATED | ALWAYS


@pytest.mark.parametrize(
    ("statements", "paths"),
    [
        (f"struct cookie c = get(x, dev, skb); {LIVE}", CORRELATED),
        (f"struct cookie c; c = get(x, dev, skb); if (!usable(&c)) {DROP} give(c.sa.slot);",
         CORRELATED),
        (f"struct cookie c = {{}}; {FILLED} {LIVE}", CORRELATED),
        (f"struct cookie c = {{ .sa.live = false, .len = 1 }}; {FILLED} {LIVE}", CORRELATED),
        (f"struct cookie c; memset(&c, 0, sizeof(c)); {FILLED} {LIVE}", CORRELATED),
        (f"struct cookie c; c = (struct cookie){{ .len = 1 }}; {FILLED} {LIVE}", CORRELATED),
        # Nobody has said what it was before, or it was true.
        (f"struct cookie c; {FILLED} {LIVE}", EITHER),
        (f"struct cookie c; memset(&c, 1, sizeof(c)); {FILLED} {LIVE}", EITHER),
        (f"struct cookie c; memset(&c, 0, skb->len); {FILLED} {LIVE}", EITHER),
        (f"struct cookie c = {{ .sa.live = true }}; {FILLED} {LIVE}", ALWAYS),
        # Another member says nothing of it.
        (f"struct cookie c = {{}}; {FILLED} if (!c.on) {DROP} give(c.sa.slot);", EITHER),
        # It can have been set in between, or before, by whoever was given its address.
        (f"struct cookie c = {{}}; unseen(&c); {MARKED} {LIVE}", EITHER),
        (f"struct cookie c = {{}}; {MARKED} mark(&c, skb->len); {LIVE}", EITHER),
        (f"struct cookie c = {{}}; mark(&c, skb->len); {MARKED} {LIVE}", EITHER),
        (f"struct cookie c = {{}}; bool *b = &c.sa.live; {MARKED} *b = skb->len; {LIVE}", EITHER),
    ],
)  # fmt: skip
def test_a_flag_beside_a_handle_in_a_struct(statements: str, paths: set[str]) -> None:
    assert ways(X + statements, COOKIE) == paths


TAG = """\
union tag { u32 raw; struct { u32 sa : 20; u32 rsvd : 11; u32 on : 1; }; };
static union tag get(struct xfrm_state *x, struct net_device *dev)
{
	const u32 sa = xfrm_dev_state_lower_handle(x, dev);

	return (union tag){ .sa = sa, .on = x != NULL };
}
static union tag sure(struct xfrm_state *x, struct net_device *dev)
{
	const u32 sa = xfrm_dev_state_lower_handle(x, dev);

	return (union tag){ .sa = sa, .on = sa != 0 };
}
struct both { union { u32 raw; struct { u32 sa : 20; u32 on : 1; }; }; u32 h; };
union words { unsigned long raw; u32 half[2], *to; };
"""
UNTESTED = {"ask", "ask, use given to give()"}


@pytest.mark.parametrize(
    ("statements", "paths"),
    [
        (f"union tag t = get(x, dev); if (!t.on) {DROP} give(t.raw);", UNTESTED),
        (f"union tag t = get(x, dev); if (!t.on) {DROP} give(t.sa);", UNTESTED),
        (f"union tag t = sure(x, dev); if (!t.on) {DROP} give(t.raw);", CORRELATED),
        (f"union tag t = sure(x, dev); if (!t.sa) {DROP} give(t.raw);", CORRELATED),
        (f"union tag t = {{}}; t.sa = {ASKED_FOR}; if (!t.raw) {DROP} give(t.sa);", CORRELATED),
        (f"union tag t; t.raw = {ASKED_FOR}; if (!t.sa) {DROP} give(t.raw);", CORRELATED),
        # With another bit set the word says nothing that is sure.
        (f"union tag t = {{}}; t.sa = {ASKED_FOR}; t.on = 1; if (!t.raw) {DROP} give(t.sa);",
         {"ask, compare", "ask, compare, use given to give()"}),
        (f"union tag t = {{}}; t.raw = {ASKED_FOR}; t.on = x != NULL; if (!t.on) {DROP}"
         "give(t.raw);", UNTESTED),
        # A word of which nothing is known lies where the flag does.
        (f"struct both b = {{}}; if (skb->mark) b.on = 1; b.raw = skb->len; b.h = {ASKED_FOR};"
         f"if (!b.on) {DROP} give(b.h);", UNTESTED),
        # An element of an array is a part of the number, what a pointer leads to is none.
        (f"union words w = {{ .raw = {ASKED_FOR} }}; if (!w.half[0]) {DROP} give(w.raw);",
         {"ask, 0", "ask, !0", "ask, !0, use given to give()"}),
        (f"union words w; w.raw = {ASKED_FOR}; give(w.half[1]);", {"ask, use given to give()"}),
        (f"union words w; w.raw = {ASKED_FOR}; skb->len = w.to[1];", {"ask, use dereferenced"}),
        (f"union {{ unsigned long raw; u32 half[2]; }} w = {{ .raw = {ASKED_FOR} }};"
         "give(w.half[1]);", {"ask, use given to give()"}),
    ],
)  # fmt: skip
def test_where_a_unions_members_lie(statements: str, paths: set[str]) -> None:
    assert ways(X + statements, TAG) == paths


FILL = """\
struct txd { __le32 len; __le16 sa[3]; };
"""
EACH = (
    "struct txd *txd = (void *)netdev_priv(dev); struct sec_path *sp = skb_sec_path(skb);"
    "int left = sp->len, n = 0; u16 sa = 0; while (left--) {"
    "sa = xfrm_dev_state_lower_handle(sp->xvec[left], dev); %s } %s txd->len = n;"
)


@pytest.mark.parametrize("put", ["txd->sa[n++] = cpu_to_le16(sa);", "txd->sa[n] = sa; n++;"])
def test_the_last_of_several_handles_is_tested(put: str) -> None:
    first = f"ask, use stored in {put.partition(' =')[0]}"
    assert any(way.startswith(first) for way in ways(EACH % (put, f"if (!sa) {DROP}"), FILL))
    found = ways(EACH % (f"if (!sa) {DROP} {put}", ""), FILL)
    assert found
    assert not any("ask, use" in way or "ask, 0, use" in way for way in found)


AROUND = """\
struct chan { u32 id; u16 credits; };
struct flow { struct list_head link; struct chan chan; };
struct first { struct chan chan; u32 descr; };
struct odd { union { struct chan chan; u32 descr; }; u32 more; };
"""
NEVER = {"ask, use dereferenced"}
FOUND = {"ask, 0", "ask, !0, use dereferenced"}
OPEN = {"ask, compare", "ask, compare, use dereferenced"}


@pytest.mark.parametrize(
    ("statements", "paths"),
    [
        ("struct chan *c = (void *)h; struct {0} *f = container_of(c, struct {0}, chan);"
         "if (!f) return NETDEV_TX_OK; give(c->id);", {"flow": NEVER, "first": FOUND, "odd": OPEN}),
        ("struct chan *c = (void *)h; struct {0} *f = container_of_safe(c, struct {0}, chan);"
         "if (!f) return NETDEV_TX_OK; give(c->id);", {"flow": FOUND | {"ask, !0"}}),
        ("struct {0} *f = (void *)h; struct chan *c = &f->chan;"
         "if (!c) return NETDEV_TX_OK; give(c->id);", {"flow": NEVER, "first": FOUND, "odd": OPEN}),
        # A small number below 0 is an error's.
        ("struct chan *c = (void *)h; struct {0} *f = container_of(c, struct {0}, chan);"
         "if (IS_ERR_OR_NULL(f)) return NETDEV_TX_OK; give(c->id);",
         {"flow": OPEN, "first": FOUND}),
    ],
)  # fmt: skip
def test_the_address_of_a_member_is_null_only_if_it_comes_first(
    statements: str, paths: dict[str, set[str]]
) -> None:
    for name, expected in paths.items():
        assert ways(H + statements.replace("{0}", name), AROUND) == expected, name


NUMBERS = """\
#define BASE 64
#define MAX (BASE / 2)
#define ENOENT 2
#define FULL ((u8)-1)
#define BOTH (GENMASK(3, 2) | BIT(0))
enum result { SENT, DROPPED = 0x10, FULL_RING, };
enum first { none_yet, FIRST_SA = none_yet + 1 };
"""
# What a handle that is 0 comes to, and one that is not: dropped or given.
ZERO_DROPPED = "ask, 0"
ZERO_GIVEN = "ask, 0, use given to give()"
DROPPED = "ask, !0"
GIVEN = "ask, !0, use given to give()"
BOTH_WAYS = {ZERO_GIVEN, DROPPED, GIVEN}


@pytest.mark.parametrize(
    ("statements", "paths"),
    [
        # 0 - BASE is a huge number in what is unsigned, and below MAX in what is signed.
        (f"if (h - BASE >= MAX) {DROP}\ngive(h);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"u32 i = h - BASE; if (i >= MAX) {DROP}\ngive(i);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"int i = h - BASE; if (i >= MAX) {DROP}\ngive(i);", {ZERO_GIVEN, DROPPED, GIVEN}),
        (f"int i = h - BASE; if (i < 0) {DROP}\ngive(i);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"u8 i = h; if (i - 1 < 0) {DROP}\ngive(i);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"u8 i = h - 1; if (i == FULL) {DROP}\ngive(i);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"if (h - 1 == ~0UL) {DROP}\ngive(h);", {ZERO_DROPPED, GIVEN}),
        (f"if ((u32)h == (u32)~0) {DROP}\ngive(h);", {ZERO_GIVEN, DROPPED, GIVEN}),
        (f"if (h - 1 >= skb->len) {DROP}\ngive(h);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"h -= BASE; if (h > MAX) {DROP}\ngive(h);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"if (h + 1 < FIRST_SA + 1) {DROP}\ngive(h);", {ZERO_DROPPED, DROPPED, GIVEN}),
        # ~0 is not 0.
        ("if (~h) give(h);", {ZERO_GIVEN, DROPPED, GIVEN}),
        ("if (h && ~0) give(h);", {ZERO_DROPPED, GIVEN}),
        # One that is not 0 can be 0 in fewer bits; in a pointer or a truth it is not.
        (f"u16 s = h; if (!s) {DROP}\ngive(h);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"if (!(u32)h) {DROP}\ngive(h);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"if (!(void *)h) {DROP}\ngive(h);", {ZERO_DROPPED, GIVEN}),
        (f"bool ok = h; if (!ok) {DROP}\ngive(h);", {ZERO_DROPPED, GIVEN}),
        (f"u64 wide = h; if (wide == 0) {DROP}\ngive(h);", {ZERO_DROPPED, GIVEN}),
        (f"if (!(h & BOTH)) {DROP}\ngive(h);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"if ((h | BIT(4)) == 0x10) {DROP}\ngive(h);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"if (h < FIRST_SA) {DROP}\ngive(h);", {ZERO_DROPPED, GIVEN}),
        # A byte in another order is the same byte.
        (f"__be32 w = cpu_to_be32((u32)h | BIT(31)); if (!w) {DROP}\ngive(h);", BOTH_WAYS),
        (f"__le32 w = cpu_to_le32((u32)h | BIT(31)); if (!w) {DROP}\ngive(h);", BOTH_WAYS),
        (f"u16 w = swab16((u16)h | 1); if (w & 0xff) {DROP}\ngive(h);", BOTH_WAYS),
        # A label is a number, however it is written.
        (f"switch (h) {{ case none_yet: {DROP} }}\ngive(h);", {ZERO_DROPPED, GIVEN}),
        (f"switch (h) {{ case 00: {DROP} }}\ngive(h);", {ZERO_DROPPED, GIVEN}),
        (f"switch (h) {{ case 0 ... 7: {DROP} }}\ngive(h);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (
            f"switch (h) {{ case 1 ... BASE - 1: give(h); break; default: {DROP} }}",
            {ZERO_DROPPED, DROPPED, GIVEN},
        ),
        (
            "int r = h ? FULL_RING : DROPPED; switch (r) { case 16: break; case 0x11: give(h); }",
            {ZERO_DROPPED, GIVEN},
        ),
        # An error is a number.
        (f"int err = h ? 0 : -ENOENT; if (err == -2) {DROP}\ngive(h);", {ZERO_DROPPED, GIVEN}),
        (f"int err = h ? 0 : -ENOENT; if (err < 0) {DROP}\ngive(h);", {ZERO_DROPPED, GIVEN}),
        (f"u32 err = h ? 0 : -ENOENT; if (err < 0) {DROP}\ngive(h);", {ZERO_GIVEN, GIVEN}),
        ("int r = h ? SENT : DROPPED; if (r == SENT) give(h);", {ZERO_DROPPED, GIVEN}),
        (f"int r = h ? SENT : DROPPED; if (r > 15) {DROP}\ngive(h);", {ZERO_DROPPED, GIVEN}),
    ],
)
def test_numbers_are_those_of_c(statements: str, paths: set[str]) -> None:
    assert ways(H + statements, NUMBERS) == paths


INDEX = "ask, use used as index of p->sas"
MAYBE = {"ask, 0, compare", "ask, 0, compare, use given to give()", DROPPED, GIVEN}


@pytest.mark.parametrize(
    ("number", "index", "paths"),
    [
        # What lies beside the handle is none.
        ("(u64)skb->len << 32 | (h & 0xffffffff)", "(m >> 32) & 3", {"ask"}),
        ("(u64)skb->len << 32 | BIT_ULL(63) | (u32)h", "(m >> 32) & 3", {"ask"}),
        ("((u64)skb->len << 32) + (u32)h", "(m >> 32) & 3", {"ask"}),
        ("h << 16 | skb->len", "(u16)m", {"ask"}),
        ("(u64)h << 32 | skb->len", "m & skb->len & 0xffff", {"ask"}),
        (
            "FIELD_PREP(GENMASK(9, 8), skb->len) | FIELD_PREP(0xff, h)",
            "FIELD_GET(0x300, m)",
            {"ask"},
        ),
        ("(u64)skb->len << 32 | lower_32_bits(h)", "upper_32_bits(m)", {"ask"}),
        # A bit of it is.
        ("(u64)skb->len << 32 | h", "(m >> 32) & 3", {INDEX}),
        ("(u64)skb->len << 32 | (h & 0xffffffff)", "(m >> 31) & 3", {INDEX}),
        ("(u64)skb->len << 32 | (h & 0xffffffff)", "m & 15", {INDEX}),
        ("(u64)skb->len << 32 | (s32)h", "(m >> 40) & 3", {INDEX}),
        ("h << 16 | skb->len", "(u32)m >> 4", {INDEX}),
        ("h << skb->len", "m & 3", {INDEX}),
        (
            "FIELD_PREP(GENMASK(9, 8), skb->len) | FIELD_PREP(0xff, h)",
            "FIELD_GET(0x180, m)",
            {INDEX},
        ),
        ("(u64)skb->len << 32 | lower_32_bits(h)", "lower_32_bits(m)", {INDEX}),
    ],
)
def test_where_a_handle_lies_in_a_number(number: str, index: str, paths: set[str]) -> None:
    statements = f"u64 m = {number}; skb->len = p->sas[{index}].index;"
    assert ways(f"struct priv *p = netdev_priv(dev);\n{H}{statements}") == paths


@pytest.mark.parametrize(
    ("number", "asked", "paths"),
    [
        # A bit that says that there is one; where others may have set it, that is not known.
        ("(u64)!!h << 62 | (u32)h", "m & BIT_ULL(62)", {ZERO_DROPPED, GIVEN}),
        ("BIT_ULL(40) | (u64)(h != 0) << 62 | (u32)h", "m >> 62 & 1", {ZERO_DROPPED, GIVEN}),
        ("(h ? BIT_ULL(62) : 0) | (u32)h", "m & BIT_ULL(62)", {ZERO_DROPPED, GIVEN}),
        ("(u64)skb->len << 32 | (h ? BIT_ULL(62) : 0) | (u32)h", "m & BIT_ULL(62)", MAYBE),
        # One that is always set says nothing.
        ("BIT_ULL(63) | (u32)h", "m & BIT_ULL(63)", {"ask, use given to give()"}),
    ],
)
def test_a_bit_beside_a_handle(number: str, asked: str, paths: set[str]) -> None:
    assert ways(f"{H}u64 m = {number}; if ({asked}) give((u32)m);") == paths


READ = "ask, !0, use dereferenced"
ZERO_READ = "ask, 0, use dereferenced"
PLACES = """\
#define NO_SA 0x3ff
#define greater(a, b) ((a) > (b) ? (a) : (b))
#define lesser(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define between(a, low, high) lesser(u32, greater(a, low), high)
#define once(a, b) ({ typeof(a) _a = (a), _b = (b); _a < _b ? _b : _a; })
static struct sa *sa_of(unsigned long h)
{
	return h ? (struct sa *)h : ERR_PTR(-ENOENT);
}
static int index(unsigned long h)
{
	return h ? h - 1 : -1;
}
static long found(unsigned long h)
{
	if (!h)
		return -ENOENT;
	return h;
}
"""


@pytest.mark.parametrize(
    ("statements", "paths"),
    [
        # An error in a handle's place is asked for, or is a handle that was not.
        (f"long a = found(h); if (a < 0) {DROP}\ngive(a);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"int a = found(h); if (a == -ENOENT) {DROP}\ngive(a);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"long a = h ? h : -ENOENT; if (a <= 0) {DROP}\ngive(a);", {ZERO_DROPPED, DROPPED, GIVEN}),
        ("long a = found(h); give(a);", {ZERO_GIVEN, GIVEN}),
        (f"long a = found(h); if (!a) {DROP}\ngive(a);", {ZERO_GIVEN, GIVEN}),
        (f"int a = found(h); if (a == -EBUSY) {DROP}\ngive(a);", {ZERO_GIVEN, DROPPED, GIVEN}),
        (f"long a = h ? h : -ENOENT; if (a > MAX) {DROP}\ngive(a);", {ZERO_GIVEN, DROPPED, GIVEN}),
        ("int a = h; if (!a) a = -ENOENT; give(a);", {ZERO_GIVEN, DROPPED, GIVEN}),
        (
            f"int a = h - 1; if (!h) a = -1; if (a < 0) {DROP}\ngive(a);",
            {ZERO_DROPPED, DROPPED, GIVEN},
        ),
        ("int a = index(h); give(a);", {ZERO_GIVEN, GIVEN}),
        (f"int a = index(h); if (a < 0) {DROP}\ngive(a);", {ZERO_DROPPED, DROPPED, GIVEN}),
        # Who has asked for it may count it.
        (
            f"int a = found(h); if (a < 0) {{ give(-a); {DROP} }}\ngive(a);",
            {ZERO_GIVEN, GIVEN},
        ),
        # An error can be a pointer.
        (
            f"struct sa *s = sa_of(h); if (IS_ERR(s)) {DROP}\ngive(s->index);",
            {ZERO_DROPPED, DROPPED, READ},
        ),
        (
            f"struct sa *s = sa_of(h); if (IS_ERR_OR_NULL(s)) {DROP}\ngive(s->index);",
            {ZERO_DROPPED, READ},
        ),
        (
            f"struct sa *s = sa_of(h); int e = PTR_ERR_OR_ZERO(s); if (e) {DROP}\ngive(s->index);",
            {ZERO_DROPPED, DROPPED, READ},
        ),
        ("struct sa *s = sa_of(h); give(s->index);", {ZERO_READ, READ}),
        (f"struct sa *s = sa_of(h); if (!s) {DROP}\ngive(s->index);", {ZERO_READ, READ}),
        # What is no error was chosen because 0 was asked for.
        ("u32 a = h ? h : NO_SA; give(a);", {ZERO_DROPPED, GIVEN}),
        ("if (!h) h = NO_SA; give(h);", {ZERO_DROPPED, GIVEN}),
        # The greater or the lesser of two numbers is computed, and no test.
        (f"if (!h) {DROP}\nu32 a = between(h, 1, MAX); give(a);", {ZERO_DROPPED, DROPPED, GIVEN}),
        (f"h = greater(h, BASE); if (h == BASE) {DROP}\ngive(h);", {ZERO_DROPPED, DROPPED, GIVEN}),
        ("give(greater(h, BASE));", {ZERO_GIVEN, DROPPED, GIVEN}),
        ("give(once(h, 1));", {ZERO_GIVEN, GIVEN}),
        ("u32 a = between(h, 1, MAX); give(a);", {ZERO_GIVEN, DROPPED, GIVEN}),
        ("give(lesser(u32, h, MAX));", {ZERO_GIVEN, DROPPED, GIVEN}),
        ("give(max(h, 1UL));", {"ask, use given to give()"}),
    ],
)
def test_what_stands_in_a_handles_place(statements: str, paths: set[str]) -> None:
    assert ways(H + statements, NUMBERS + PLACES) == paths


@pytest.mark.parametrize(
    ("statements", "paths"),
    [
        ("bool ok = true; ok &= h != 0; ok &= busy(); if (ok) give(h);", {ZERO_DROPPED, GIVEN}),
        ("bool bad = !h; bad |= busy(); if (!bad) give(h);", {ZERO_DROPPED, GIVEN}),
        ("bool ok = busy(); ok |= h != 0; if (ok) give(h);", {ZERO_GIVEN, ZERO_DROPPED, GIVEN}),
        ("bool ok = h; ok = busy(); if (ok) give(h);", {"ask, use given to give()"}),
        ("int bad = 0; if (!h) bad++; if (!bad) give(h);", {ZERO_DROPPED, GIVEN}),
        ("int bad = 0; bad += !h; if (!bad) give(h);", {ZERO_DROPPED, GIVEN}),
        ("int bad = ~0; if (!h) bad++; if (!bad) give(h);", {ZERO_GIVEN}),
    ],
)
def test_a_flag_is_summed_up(statements: str, paths: set[str]) -> None:
    found = ways(H + statements, NUMBERS)
    assert found - {"ask", DROPPED} == paths


KEPT = "struct priv *p = netdev_priv(dev); "
KEPT_NEXT = "ask, !0, store stored in p->ring->next"
ERROR = "cut whether a handle or an error's number is stored in p->ring->{} is not known"


@pytest.mark.parametrize(
    ("statements", "paths"),
    [
        (
            "int e = (int)h; if (e < 0) p->ring->next = e; else if (e) give(e);",
            {"ask, !0, " + ERROR.format("next"), GIVEN, DROPPED, ZERO_DROPPED},
        ),
        (
            "u32 k = h; int e = k; if (e >= 0) return NETDEV_TX_OK;\np->ring->last = k;",
            {"ask, !0, " + ERROR.format("last"), DROPPED, ZERO_DROPPED},
        ),
        (
            "if (IS_ERR_VALUE(h)) { p->ring->last = h; return NETDEV_TX_OK; }\nif (h) give(h);",
            {"ask, " + ERROR.format("last"), GIVEN, ZERO_DROPPED},
        ),
        # What is not below 0 is none, nor is what was not asked.
        ("int e = (int)h; if (e > 0) p->ring->next = e;", {KEPT_NEXT, DROPPED, ZERO_DROPPED}),
        ("int e = (int)h; if (e) p->ring->next = e;", {KEPT_NEXT, DROPPED, ZERO_DROPPED}),
        ("int e = (int)h; if (e > 0) return NETDEV_TX_OK;\ngive(e);", {DROPPED, ZERO_GIVEN, GIVEN}),
    ],
)
def test_a_negative_number_that_is_kept_can_be_an_error(statements: str, paths: set[str]) -> None:
    assert ways(H + KEPT + statements, NUMBERS) == paths


RETRIED = X + "\tunsigned long h = 0; int i; int tries = 3; u8 few = 4; bool ok = false;\n\t"
ASK = "h = xfrm_dev_state_lower_handle(x, dev);"
ONCE = f"{{ {ASK} if (h) break; }}"
RETRIES = f"for (i = 0; i < 3; i++) {ONCE}\n\t"
DOUBTED = {"compared"}


@pytest.mark.parametrize(
    ("statements", "known"),
    [
        (f"{RETRIES}if (i == 3) {DROP}\ngive(h);", set()),
        (f"{RETRIES}if (i < 3) give(h);", set()),
        (f"{RETRIES}if (2 < i) {DROP}\ngive(h);", set()),
        (f"{RETRIES}switch (i) {{ case 3: return NETDEV_TX_OK; }}\ngive(h);", set()),
        (f"{RETRIES}return i == 3 ? NETDEV_TX_OK : (give(h), NETDEV_TX_OK);", set()),
        (f"for (i = 0; i < 6; i += 2) {ONCE}\nif (i >= 6) {DROP}\ngive(h);", set()),
        (f"for (i = 0; i != NO_SA; i++) {ONCE}\nif (i == NO_SA) {DROP}\ngive(h);", set()),
        (
            f"for (i = 0;;) {{ if (i++ >= 3) break; {ASK} if (h) break; }} if (i < 4) give(h);",
            set(),
        ),
        (f"while (--tries) {ONCE}\nif (!tries) {DROP}\ngive(h);", set()),
        (f"while (tries--) {ONCE}\nif (tries < 0) {DROP}\ngive(h);", set()),
        (f"while (few--) {ONCE}\nif (few == 255) {DROP}\ngive(h);", set()),
        (f"do {{ {ASK} }} while (!h && --tries);\nif (!tries) {DROP}\ngive(h);", set()),
        (f"i = 0; again: {ASK} if (!h && ++i < 3) goto again;\nif (i < 3) give(h);", set()),
        (
            f"for (i = 0; i < 3; i++) {{ {ASK} if (h) {{ ok = true; break; }} }}\nif (ok) give(h);",
            set(),
        ),
        (f"for (i = 0; i < 3 && !ok; i++) {{ {ASK} ok = h; }}\nif (ok) give(h);", set()),
        # One asks for another number, or the loop alone asks.
        (f"{RETRIES}if (i == 4) {DROP}\ngive(h);", {"zero"}),
        (f"{RETRIES}if (i == 2) {DROP}\ngive(h);", {"zero"}),
        (f"while (tries--) {ONCE}\nif (!tries) {DROP}\ngive(h);", {"zero"}),
        (f"{RETRIES}give(h);", {"zero"}),
        # Where it stops is not known, or not what was asked for.
        (f"for (i = 0; i < skb->len; i++) {ONCE}\nif (i < skb->len) give(h);", DOUBTED),
        (
            f"for (i = 0; tries; i++) {{ {ASK} if (h) break; tries--; }} if (i != 3) give(h);",
            DOUBTED,
        ),
        (f"for (i = 0; i + 1 < 4; i++) {ONCE}\nif (i + 1 != 4) give(h);", DOUBTED),
    ],
)
def test_a_counter_tells_that_there_is_none(statements: str, known: set[str]) -> None:
    paths = traced(driver(RETRIED + statements, "enum { NO_SA = 7 };\n")).paths
    found = {
        facts
        for path in paths
        for event, facts in zip(path.events, path.known, strict=True)
        if event.kind is Kind.USE
    }
    assert found == {"nonzero"} | known


SLOW = {"ask, 0", "ask, !0, use given to give()"}
FAST = {"ask, use given to give()"}


@pytest.mark.parametrize(
    ("condition", "outside", "flags", "paths"),
    [
        ("FAST", "#define FAST 0\n", "", SLOW),
        ("FAST", "#define FAST 1\n", "", FAST),
        ("FAST && skb->len", "#define FAST 0\n", "", SLOW),
        ("skb->len || FAST", "#define FAST 1\n", "", FAST),
        ("FAST", "", "-DFAST=0", SLOW),
        ("fast", "", "-Dfast=0", SLOW),
        ("FAST && skb->len", "", "-DFAST=0", SLOW),
        ("FAST", "", "-DFAST", FAST),
        ("FAST == 3", "", "-DFAST=3", FAST),
        ("FAST", "#ifndef FAST\n#define FAST 0\n#endif\n", "-DFAST=1", FAST),
        # Which number it is is up to the configuration, or it decides nothing alone.
        ("FAST", "", "", SLOW | FAST),
        ("FAST && skb->len", "", "-DFAST=1", SLOW | FAST),
        ("FAST", "", "-DFAST=0\nccflags-$(CONFIG_FAST) += -DFAST=1", SLOW | FAST),
        ("FAST", "#ifdef A\n#define FAST 0\n#else\n#define FAST 1\n#endif\n", "", SLOW | FAST),
    ],
)
def test_a_macros_number_decides(condition: str, outside: str, flags: str, paths: set[str]) -> None:
    text = driver(f"{H}if ({condition}) give(h); else if (h) give(h);", outside)
    make = f"obj-m += foo.o\nccflags-y += {flags}\n"
    found = traced({**text, "drivers/net/foo/Makefile": make}).paths
    assert {said(path.events) for path in found} - {""} == paths


UNREADABLE = (
    "switch (skb->len) case 1: busy();",
    "switch (!!h) case 1: busy();",
    "if skb->len busy();",
    "busy() busy();",
    "@ odd @;",
    "int 5x = 3;",
    "if (busy() { }",
    "case 3 4: busy();",
    "= 3;",
    "do busy(); until (3);",
)


@pytest.mark.parametrize("unreadable", UNREADABLE)
@pytest.mark.parametrize(
    ("statements", "surely"),
    [
        ("{}\nif (!h) return NETDEV_TX_OK;\ngive(h);", set()),
        ("if (!h) {{\n{}\nreturn NETDEV_TX_OK; }}\ngive(h);", set()),
        ("if (!h) return NETDEV_TX_OK;\n{}\ngive(h);", set()),
        ("if (!h) busy();\n{}\ngive(h);", set()),
        ("{}\ngive(h);", set()),
        # What stands behind the use changes nothing.
        ("give(h);\n{}", {""}),
    ],
)
def test_what_cant_be_read_can_be_a_test(
    statements: str, surely: set[str], unreadable: str
) -> None:
    paths = traced(driver(H + statements.format(unreadable))).paths
    found = {
        facts
        for path in paths
        for event, facts in zip(path.events, path.known, strict=True)
        if event.kind is Kind.USE
    }
    assert found - {"nonzero", "compared"} == surely


MEMORY = """\
struct flow { u32 hash; u32 hits; u32 sa; struct list_head node; };
struct plain { u32 hash; u32 sa; };
struct kept { struct net_device *of; struct desc d; };
struct buffer { struct sk_buff *skb; u32 sa; };
struct padded { u32 sa; u32 rest[3]; };
union either { struct plain p; u64 words[2]; };
struct leading { u32 sa; void *to[2]; };
struct tx {
	struct port *port;
	u64 *d;
	u32 head;
	u32 own[8];
	struct desc *descs;
	struct kept k;
	struct plain *ring;
	struct plain *table;
	struct plain last[8];
	struct buffer sent[8];
	struct padded *padded;
	union either *either;
	struct leading *leading;
};
static struct plain *next(struct tx *t)
{
	return &t->ring[t->head++ % 8];
}
struct nested {
	struct list_head node;
	u32 key;
	struct { u32 seen, sa; } ctx;
};
struct port {
	struct net_device *nd;
	struct xarray flows;
	struct list_head list;
	struct plain quick[8];
	struct plain *more;
	struct tx txq[4];
	u32 *of_queue;
	struct nested *slots[8], one;
	struct list_head free, busy;
	struct llist_head idle;
	struct { struct sk_buff *skb; u32 sa; } sending;
	struct batch batch;
	struct sk_buff *now;
	u32 of_now;
	struct held held[8];
	struct plain __percpu *scratch;
	struct inner *inner[8];
};
static struct nested *listed(struct port *p, u32 hash)
{
	struct nested *found;

	list_for_each_entry(found, &p->list, node)
		if (found->key == hash)
			return found;
	return NULL;
}
static struct nested *slot(struct port *p, u32 hash)
{
	struct nested *found = p->slots[hash & 7];

	return found && found->key == hash ? found : NULL;
}
static struct nested *only(struct port *p) { return &p->one; }
static struct nested *made(struct port *p, u32 hash)
{
	struct nested *found = kzalloc(sizeof(*found), GFP_ATOMIC);

	if (found)
		found->key = hash;
	return found;
}
static void remember(struct port *p, unsigned long h)
{
	struct nested *f = kzalloc(sizeof(*f), GFP_ATOMIC);

	f->ctx.sa = h;
	list_add_tail(&f->node, &p->list);
}
static struct nested *listed_or_made(struct port *p, u32 hash)
{
	struct nested *found = listed(p, hash);

	return found ? found : made(p, hash);
}
#define for_each_flow(f, p) list_for_each_entry(f, &(p)->list, node)
struct plain *own_find(struct port *p, u32 hash);
static struct plain *looked_up(struct port *p, u32 hash)
{
	struct plain *found = xa_load(&p->flows, hash);
	return found;
}
struct waiting { struct list_head node; struct sk_buff *skb; u32 sa; };
struct command { struct list_head node; u32 sa, len; };
struct spare { struct llist_node node; u32 sa; };
struct held { struct sk_buff *skb; struct xfrm_state *x; u32 sa; };
struct batch { struct sk_buff *head, **tail; u32 sa; };
struct cb { struct plain *flow; u32 sa; };
static struct waiting *taken(struct list_head *from)
{
	struct waiting *found = list_first_entry(from, struct waiting, node);

	list_del_init(&found->node);
	return found;
}
static void sent(struct port *p) { p->now = NULL; p->of_now = 0; }
static void clear(struct port *p) { memset(&p->one.ctx, 0, sizeof(p->one.ctx)); }
struct knot { struct knot itself; struct flow f; };
static struct knot *tied(struct port *p, u32 hash) { return xa_load(&p->flows, hash); }
struct inner { u32 key; };
struct outer { struct inner in; struct net_device *nd; u32 sa; };
#define to_outer(n) container_of(n, struct outer, in)
static struct inner *inner_of(struct port *p, struct sk_buff *skb)
{
	return p->inner[skb->len & 7];
}
static void *behind(struct sk_buff *skb) { return skb->cb; }
struct inner *own_inner(struct port *p, const struct sk_buff *skb);
"""
PORT = "struct port *p = netdev_priv(dev); struct tx *t = &p->txq[skb->len & 3];\n"
GOES_ON = f"{PORT}{H}if (!h) {DROP}\n"
ENTRY = "struct waiting *w = list_entry(n, struct waiting, node); "
FIRST = "struct waiting *w = list_first_entry(&p->free, struct waiting, node); "
SPARE = (
    "struct llist_node *n = llist_del_first(&p->idle);\n"
    "struct spare *w = llist_entry(n, struct spare, node); w->sa = h;"
)
LATER_SENT = (
    "struct waiting *w = kzalloc(sizeof(*w), GFP_ATOMIC); w->skb = skb; w->sa = h;\n"
    "list_add_tail(&w->node, &p->busy);"
)
CB = "struct cb *cb = (struct cb *)skb->cb; "


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        # A ring is hardware, whatever its integers are called.
        ("t->d[t->head] = h;", "use"),
        ("t->d[t->head++ & 7] = h;", "use"),
        ("u32 at = t->head & 7; t->d[at] = h;", "use"),
        ("t->d[0] = h;", "use"),
        ("t->descs[t->head].sa = cpu_to_le32(h);", "use"),
        # So is one whose whole elements are copied to it, where it stands.
        ("struct plain e = { .sa = h }; t->ring[t->head++ % 8] = e;", "use"),
        ("struct plain e = { .sa = h }; *next(t) = e;", "use"),
        ("struct plain e = { .sa = h }, *d = next(t); memcpy(d, &e, sizeof(e));", "use"),
        # An array is no pointer: a descriptor can hold one.
        ("t->padded[skb->len].sa = h;", "use"),
        ("union either e = { .p = { .sa = h } }; t->either[t->head++ % 8] = e;", "use"),
        ("t->leading[skb->len].sa = h;", "store"),
        ("struct plain e = { .sa = h }; t->last[t->head++ % 8] = e;", "store"),
        ("struct buffer e = { .skb = skb, .sa = h }; t->sent[t->head++ % 8] = e;", ""),
        ("struct plain e = { .sa = h }; t->table[skb->len] = e;", "store"),
        # A descriptor that is kept beside pointers is none that hardware reads.
        ("t->k.d.sa = cpu_to_le32(h);", "store"),
        # What is looked up, iterated over or an array's own element was there before the packet.
        ("t->own[skb->len] = h;", "store"),
        ("p->of_queue[skb->len] = h;", "store"),
        ("p->quick[skb->len & 7].sa = h;", "store"),
        ("struct plain *q = &p->quick[skb->len & 7]; q->sa = h;", "store"),
        ("struct plain *q = xa_load(&p->flows, skb->len); q->sa = h;", "store"),
        ("struct plain *q = looked_up(p, skb->len); q->sa = h;", "store"),
        ("struct flow *f;\n\tlist_for_each_entry(f, &p->list, node) { f->sa = h; }", "store"),
        (
            "struct flow *f, *n;\n\tlist_for_each_entry_safe(f, n, &p->list, node) { f->sa = h; }",
            "store",
        ),
        (
            "struct plain *q; unsigned long i;\n\txa_for_each(&p->flows, i, q) { q->sa = h; }",
            "store",
        ),
        ("struct flow *f;\n\tfor_each_flow(f, p) { f->sa = h; }", "store"),
        ("struct nested *q = listed(p, skb->len); q->ctx.sa = h;", "store"),
        ("struct nested *q = slot(p, skb->len); q->ctx.sa = h;", "store"),
        ("struct nested *q = only(p); q->ctx.sa = h;", "store"),
        ("struct nested *q = listed_or_made(p, skb->len); q->ctx.sa = h;", "store open"),
        # No compiler takes a struct that lies in itself.
        ("struct knot *q = tied(p, skb->len); q->f.sa = h;", "store"),
        ("remember(p, h);", "store"),
        # What was taken out of a list goes with the packet that lies in it, or can.
        (FIRST + "list_del(&w->node); w->sa = h;", ""),
        (FIRST + "w->sa = h; list_move_tail(&w->node, &p->busy);", ""),
        ("struct waiting *w = taken(&p->free); w->sa = h;", ""),
        ("struct list_head *n = p->free.next; list_del(n);\n" + ENTRY + "w->sa = h;", ""),
        (FIRST.replace("waiting", "command") + "list_del(&w->node); w->sa = h;", "open"),
        (SPARE, "open"),
        (FIRST + "w->sa = h;", "store"),
        (FIRST.replace("waiting", "command") + "w->sa = h;", "store"),
        (FIRST + "w->sa = h; list_move_tail(&w->node, &p->free);", "store"),
        (LATER_SENT, ""),
        # A packet can lie there with its handle; what lies beside a chain of packets is for all.
        ("p->sending.sa = h;", "open"),
        ("u32 *sa = &p->sending.sa; *sa = h;", "open"),
        ("p->now = skb; p->of_now = h;", "open"),
        ("p->of_now = h;", "store"),
        ("struct batch *b = &p->batch; b->sa = h;", "store"),
        ("p->batch.sa = h;", "store"),
        ("p->held[t->head++ & 7].sa = h;", "open"),
        # What is cleared again before the packet's way ends does not outlive it.
        ("p->of_now = h; give(p->of_now); p->of_now = 0;", ""),
        ("p->one.ctx.sa = h; memset(&p->one.ctx, 0, sizeof(p->one.ctx));", ""),
        ("struct nested *q = only(p); q->ctx.sa = h; memset(&q->ctx, 0, sizeof(q->ctx));", ""),
        ("p->one.ctx.sa = h; clear(p);", ""),
        ("p->of_now = h; give(p->of_now); sent(p);", ""),
        ("p->of_now = h; if (busy()) p->of_now = 0;", "store"),
        ("p->one.ctx.sa = h; if (busy()) return 0; memset(&p->one.ctx, 0, 8);", "store"),
        ("p->quick[skb->len & 7].sa = h; p->quick[skb->len & 7].sa = 0;", "open"),
        ("struct plain *q = this_cpu_ptr(p->scratch); q->sa = h; memset(q, 0, 8);", "open"),
        ("struct plain *q = this_cpu_ptr(p->scratch); q->sa = h;", "store"),
        # The control block is the packet's; what a pointer in it leads to need not be.
        (CB + "cb->sa = h;", ""),
        (CB + "cb->flow->sa = h;", "open"),
        (CB + "cb->flow = xa_load(&p->flows, skb->len); cb->flow->sa = h;", "store"),
        # What a look-up that is given the packet returns is not in the packet, unless it is.
        ("struct cb *cb = behind(skb); cb->sa = h;", ""),
        ("void *cb = behind(skb); ((struct cb *)cb)->sa = h;", ""),
        ("void *cb = skb_push(skb, 8); ((struct cb *)cb)->sa = h;", ""),
        ("struct inner *n = behind(skb); to_outer(n)->sa = h;", ""),
        ("struct inner *n = inner_of(p, skb); to_outer(n)->sa = h;", "store"),
        ("struct inner *n = inner_of(p, skb); ((struct outer *)n)->sa = h;", "store"),
        ("void *n = inner_of(p, skb); struct outer *o = n; o->sa = h;", "store"),
        ("struct inner *n = inner_of(p, skb); struct outer *o = to_outer(n); o->sa = h;", "store"),
        ("to_outer(inner_of(p, skb))->sa = h;", "store"),
        ("struct inner *n = own_inner(p, skb); to_outer(n)->sa = h;", "open"),
        # What is made for the packet need not outlive it.
        ("struct nested *q = made(p, skb->len); q->ctx.sa = h;", "use"),
        ("struct flow *q = kmalloc(sizeof(*q), GFP_ATOMIC); q->sa = h;", "use"),
        ("struct leading *q = kzalloc(sizeof(*q), GFP_ATOMIC); q->p->sa = h;", "use"),
        # Memory that nothing is known of: tested before, it is used.
        ("p->more[skb->len].sa = h;", "use"),
        ("own_find(p, skb->len)->sa = h;", "use"),
    ],
)
def test_where_a_handle_is_put(statements: str, kind: str) -> None:
    found = traced(driver(GOES_ON + statements, MEMORY))
    events = [event for path in found.paths for event in path.events]
    handled = {str(e.kind) for e in events if e.text[:6] == "stored"}
    handled |= {"open" for e in events if "outlives the packet is not known" in e.text}
    # What goes with the packet is none of these.
    assert handled == set(kind.split())


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        # What is given can lie on the stack of who calls; private data does not.
        ("info->sa = h;", "open"),
        ("p->now.sa = h;", "store"),
        ("struct info *i = netdev_priv(dev); i->sa = h;", "store"),
    ],
)
def test_where_a_handler_that_nobody_is_seen_to_call_puts_it(statements: str, kind: str) -> None:
    outside = f"""struct info {{ u32 sa, flags; void *p; }};
struct port {{ struct info now; struct napi_struct napi; }};
struct tx_ops {{ int (*tx_info)(struct net_device *dev, struct sk_buff *skb, struct info *info); }};
static int tx_info(struct net_device *dev, struct sk_buff *skb, struct info *info)
{{
	struct port *p = netdev_priv(dev);
	{GOES_ON}{statements}
	return 0;
}}
const struct tx_ops tx_ops = {{ .tx_info = tx_info }};
"""
    found = traced(driver("skb->len = 0;", outside))
    events = [event for path in found.paths for event in path.events]
    handled = {str(e.kind) for e in events if e.text[:6] == "stored"}
    handled |= {"open" for e in events if "outlives the packet is not known" in e.text}
    assert handled == {kind}


DONE = """\
struct sent { struct sk_buff *skb; u32 sa; };
struct cb { u32 spi, sa; };
struct port {
	struct net_device *nd;
	struct napi_struct napi;
	struct sent ring[8], last;
	struct cb hint;
	u32 head, tail, sa;
	DECLARE_KFIFO(fifo, struct sent, 8);
};
static int poll(struct napi_struct *napi, int budget)
{
	struct port *p = container_of(napi, struct port, napi);
	struct sent *s = &p->ring[p->tail++ & 7], got;
	struct cb *cb = (struct cb *)s->skb->cb;

	{}
	return 0;
}
"""
CB_FILLED = "((struct cb *)skb->cb)->sa = h;"
QUEUED = "struct sent s = { .skb = skb, .sa = h }; kfifo_put(&p->fifo, s);"


@pytest.mark.parametrize(
    ("left", "done", "said"),
    [
        ("p->ring[p->head++ & 7].sa = h;", "give(s->sa);", False),
        ("p->ring[p->head++ & 7].sa = h;", "got = *s; give(got.sa);", False),
        ("p->ring[p->head++ & 7].sa = h;", "p->head = s->sa ? 1 : 0;", False),
        ("give(h);", "p->sa = s->sa;", False),
        ("p->ring[p->head++ & 7].sa = h;", "p->sa = s->sa;", True),
        ("p->ring[p->head++ & 7].sa = h;", "p->last = *s;", True),
        (CB_FILLED, "give(cb->sa);", False),
        (CB_FILLED, "p->hint = (struct cb){ .sa = 0 };", False),
        (CB_FILLED, "p->hint = *cb;", True),
        (CB_FILLED, "p->sa = READ_ONCE(cb->sa);", True),
        (QUEUED, "kfifo_get(&p->fifo, &got); give(got.sa);", False),
        (QUEUED, "kfifo_get(&p->fifo, &got); p->last = got;", True),
    ],
)
def test_what_went_with_a_packet_can_be_kept_when_it_is_done(
    left: str, done: str, said: bool
) -> None:
    start = f"struct port *p = netdev_priv(dev);\n{H}if (!h) {DROP}\n"
    reasons = [one.reason for one in traced(driver(start + left, DONE.replace("{}", done))).doubts]
    assert any("a handle that is kept here" in reason for reason in reasons) == said


BLOCK = """\
struct cb { unsigned long sa; u16 pad; };
union cbs { struct cb own; struct sa *at; };
#define CB(skb) ((struct cb *)((skb)->cb))
static inline struct cb *cb_of(struct sk_buff *skb) { return (struct cb *)skb->cb; }
"""
UNASKED = "cut a handle goes with the packet without a test"


@pytest.mark.parametrize(
    ("member", "rest", "paths"),
    [
        ("CB(skb)->sa", "TEST give(CB(skb)->sa);", TESTED),
        ("cb_of(skb)->sa", "TEST CB(skb)->pad = 1; give(cb_of(skb)->sa);", TESTED),
        ("*(unsigned long *)skb->cb", "TEST give(CB(skb)->sa);", TESTED),
        ("*(unsigned long *)skb->cb", "TEST give(*(unsigned long *)skb->cb);", TESTED),
        ("((unsigned long *)skb->cb)[0]", "TEST give(((unsigned long *)skb->cb)[0]);", TESTED),
        ("((union cbs *)skb->cb)->own.sa", "TEST give(((union cbs *)skb->cb)->own.sa);", TESTED),
        ("((union cbs *)skb->cb)->at", "TEST give((long)((union cbs *)skb->cb)->at);", TESTED),
        ("CB(skb)->sa", "CB(skb)->pad = 1;", {f"ask, {UNASKED}"}),
        ("((unsigned long *)skb->cb)[1]", "CB(skb)->pad = 1;", {f"ask, {UNASKED}"}),
        ("CB(skb)->sa", "give(CB(skb)->sa);", {f"ask, use given to give(), {UNASKED}"}),
        (
            "((union cbs *)skb->cb)->at",
            "give(((union cbs *)skb->cb)->at->index);",
            {f"ask, use dereferenced, {UNASKED}"},
        ),
    ],
)
def test_a_handle_in_the_control_block_makes_no_handle_of_the_block(
    member: str, rest: str, paths: set[str]
) -> None:
    asked = "xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev)"
    cast = "(struct sa *)" if member.endswith("at") else ""
    body = f"{member} = {cast}{asked};\n{rest.replace('TEST', f'if (!{member}) {DROP}')}"
    header = {"include/linux/skbuff.h": "struct sk_buff { unsigned int len; char cb[48]; };\n"}
    files = driver(body, BLOCK)
    files[FOO] = "#include <linux/skbuff.h>\n" + files[FOO]
    assert {said(path.events) for path in traced(files | header).paths} - {""} == paths


VERDICTS = """\
enum verdict { SEND, SKIP, AGAIN };
static enum verdict esp(struct sk_buff *skb, struct net_device *dev)
{
	unsigned long h;

	if (!xfrm_offload(skb))
		return SEND;
	if (skb->len > 9000)
		return SKIP;
	h = xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev);
	if (!h)
		return NONE;
	give(h);
	return SEND;
}
static enum verdict room(struct sk_buff *skb, struct net_device *dev) { return busy(); }
static enum verdict (*const preps[])(struct sk_buff *, struct net_device *) = { room, esp };
static enum verdict prepare(struct sk_buff *skb, struct net_device *dev)
{
	enum verdict verdict = SEND;
	int i;

	LOOP
	return verdict;
}
"""
AN_ESP, A_PREP = "verdict = esp(skb, dev);", "verdict = preps[i](skb, dev);"
WHILE = "for (i = 0; i < 2 && verdict == SEND; i++) "
SWITCH = """switch (prepare(skb, dev)) {
	case SEND: break;
	case SKIP: drop(skb); return NETDEV_TX_OK;
	case AGAIN: return NETDEV_TX_BUSY;
	}"""


@pytest.mark.parametrize(
    ("loop", "none", "busy"),
    [
        (WHILE + AN_ESP, "AGAIN", True),
        (WHILE + A_PREP, "AGAIN", True),
        ("while (verdict == SEND && busy()) " + AN_ESP, "AGAIN", True),
        ("do " + AN_ESP + " while (verdict == SEND && busy());", "AGAIN", True),
        (WHILE + A_PREP, "SKIP", False),
        ("while (verdict == SEND && busy()) " + AN_ESP, "SKIP", False),
    ],
)
def test_what_ends_a_loop_is_known_behind_it(loop: str, none: str, busy: bool) -> None:
    found = ways(SWITCH, VERDICTS.replace("LOOP", loop).replace("NONE", none))
    ends = {way.rpartition(" -> ")[2] == "NETDEV_TX_BUSY" for way in found if ", 0" in way}
    assert ends == {busy}


def test_an_sa_that_a_list_is_searched_for_is_this_packets() -> None:
    search = (
        "struct entry *e; struct xfrm_state *x = NULL; unsigned long h;\n"
        "\tlist_for_each_entry(e, &sas, node) { if (e->spi == skb->len) { x = e->x; break; } }\n"
        f"\tif (!x) {DROP}\n\th = xfrm_dev_state_lower_handle(x, dev);\n\tif (h) give(h);"
    )
    outside = (
        "struct entry { struct list_head node; u32 spi; struct xfrm_state *x; };\n"
        "static struct list_head sas;\n"
    )
    assert ways(search, outside) == TESTED


LATER = "unsigned long h = 0;\n\t"
ASKED = "h = xfrm_dev_state_lower_handle(x, dev);\n\t"


@pytest.mark.parametrize(
    ("statements", "paths"),
    [
        # Without a state there is no handle, and none is asked for.
        (f"if (x) {ASKED} if (x && !h) {DROP}\nif (x) give(h);", TESTED),
        (f"if (x) skb->len = 3;\n{ASKED} if (!h) {DROP}\ngive(h);", TESTED),
        (f"if (x) {ASKED} if (x == NULL) {DROP}\nif (!h) {DROP}\ngive(h);", TESTED),
        (f"if (likely(x != NULL)) {ASKED} if (!x || !h) {DROP}\ngive(h);", TESTED),
        (f"if (!x) drop(skb);\n{ASKED} if (!h) {DROP}\ngive(h);", TESTED),
        (
            f"if (x) {ASKED} if (busy()) x = NULL;\nif (!x) {DROP}\nif (h) give(h);",
            {*TESTED, "ask"},
        ),
        # Of two states one says nothing about the other.
        (
            f"struct xfrm_state *y = other(skb);\nif (y) {ASKED} if (x && !h) {DROP}\n"
            "if (x) give(h);",
            {*TESTED, "ask"},
        ),
        (f"if (x) {ASKED} if (!x) {DROP}\ngive(h);", {"ask, use given to give()"}),
    ],
)
def test_a_path_without_a_state_does_not_use_it(statements: str, paths: set[str]) -> None:
    assert ways(X + LATER + statements, "struct xfrm_state *other(struct sk_buff *skb);\n") == paths


ESP = "bool esp = xfrm_offload(skb); "
XO = "struct xfrm_offload *xo = xfrm_offload(skb); "
FIRE = """\
bool busy_with(struct sk_buff *skb);
static void fire(bool esp, unsigned long h)
{
	if (esp && !h)
		return;
	give(h);
}
static bool get(struct sk_buff *skb, struct net_device *dev, unsigned long *h)
{
	bool esp = xfrm_offload(skb);

	if (esp)
		*h = xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev);
	return esp;
}
struct mark { bool esp; unsigned long h; };
static void send(struct mark *m)
{
	if (!m->h && m->esp)
		return;
	give(m->h);
}
"""
NOT_ASKED = {"ask, use given to give()"}


@pytest.mark.parametrize(
    ("statements", "paths"),
    [
        (f"{ESP}if (esp) {ASKED} if (esp && !h) {DROP} give(h);", TESTED),
        (f"{ESP}if (esp) {ASKED} if (!h && esp) {DROP} give(h);", TESTED),
        (f"{ESP}if (esp) {ASKED} if (!esp || h) give(h);", TESTED),
        (f"{ESP}h = esp ? {ASKED_FOR} : 0; if (esp & !h) {DROP} give(h);", TESTED),
        (f"{ESP}if (esp) {ASKED} bool bad = esp && !h; if (bad) {DROP} give(h);", TESTED),
        (f"bool esp; if ((esp = busy())) {ASKED} if (esp && !h) {DROP} give(h);", TESTED),
        (
            "bool esp = false; if (busy()) esp = busy();\n"
            f"if (esp) {ASKED} if (esp && !h) {DROP} give(h);",
            TESTED,
        ),
        (f"{XO}if (xo) {ASKED} if (xo && !h) {DROP} give(h);", TESTED),
        (f"{XO}if (xo != NULL) {ASKED} if (h == 0 && xo) {DROP} give(h);", TESTED),
        (f"{XO}bool esp = xo; if (xo) {ASKED} if (esp && !h) {DROP} give(h);", TESTED),
        (f"{XO}bool plain = !xo; if (xo) {ASKED} if (!(plain || h)) {DROP} give(h);", TESTED),
        (f"if (xfrm_offload(skb)) {ASKED} if (xfrm_offload(skb) && !h) {DROP} give(h);", TESTED),
        (f"u32 f = skb->len; if (f & 2) {ASKED} if ((f & 2) && !h) {DROP} give(h);", TESTED),
        (f"u32 n = skb->len; if (n > 2) {ASKED} if (n <= 2 || h) give(h);", TESTED),
        (
            f"u32 n = skb->len; switch (n) {{ case 3: {ASKED} }} if (3 == n && !h) {DROP} give(h);",
            TESTED,
        ),
        (f"{ESP}if (esp) {ASKED} fire(esp, h);", TESTED),
        (f"bool esp = get(skb, dev, &h); if (esp && !h) {DROP} give(h);", TESTED),
        (
            f"struct mark m = {{}}; m.esp = !!xfrm_offload(skb); if (m.esp) m.{ASKED} send(&m);",
            TESTED,
        ),
        # Another question, the other answer, or another value by then.
        (f"{ESP}if (esp) {ASKED} if (busy() && !h) {DROP} give(h);", TESTED | NOT_ASKED),
        (f"{ESP}if (esp) {ASKED} if (!esp && !h) {DROP} give(h);", NOT_ASKED),
        (f"{ESP}if (esp) {ASKED} if (!h && !esp) {DROP} give(h);", ALWAYS),
        (f"{ESP}if (esp) {ASKED} fire(!esp, h);", NOT_ASKED),
        (f"{ESP}if (esp) {ASKED} if (esp && busy() && !h) {DROP} give(h);", TESTED | NOT_ASKED),
        (f"{ESP}if (esp) {ASKED} esp = busy(); if (esp && !h) {DROP} give(h);", TESTED | NOT_ASKED),
        (
            f"u32 f = skb->len; if (f & 2) {ASKED} if ((f & 4) && !h) {DROP} give(h);",
            TESTED | NOT_ASKED,
        ),
        (f"{XO}bool plain = !xo; if (xo) {ASKED} if (plain && !h) {DROP} give(h);", NOT_ASKED),
    ],
)
def test_what_is_asked_twice_has_one_answer(statements: str, paths: set[str]) -> None:
    assert ways(X + LATER + statements, FIRE) - {"ask"} == paths


def test_what_is_called_twice_can_answer_otherwise() -> None:
    asked = f"{X}{LATER}if (busy_with(skb)) {ASKED}if (busy_with(skb) && !h) {DROP}\n\tgive(h);"
    doubts = [doubt.reason for doubt in traced(driver(asked, FIRE)).doubts]
    assert doubts == ["whether the comparison before this use excludes 0 is not known"]


GET = """\
static unsigned long get(struct xfrm_state *x, struct net_device *d)
{
	return xfrm_dev_state_lower_handle(x, d);
}
"""


def test_a_call_that_no_path_reaches_is_dead_and_one_unused_is_thrown_away() -> None:
    found = traced(driver(f"{X}\tget(x, dev);\n\tif (0)\n\t\tother(x, dev);", GET + OTHER))
    assert [place.line for place in sorted(found.dead)] == [_line(GET + OTHER, "return 1 + xfrm")]
    assert [place.line for place in found.thrown] == [_line(GET + OTHER, "return xfrm")]


OTHER = GET.replace("get", "other").replace("return", "return 1 +")


def _line(outside: str, words: str) -> int:
    text = driver("", outside)[FOO]
    return 1 + text[: text.index(words)].count("\n")


@pytest.mark.parametrize(
    ("statements", "line", "text"),
    [
        pytest.param("return dev->mtu;", "return dev->mtu;", "", id="the one return"),
        pytest.param(
            "if (dev->mtu) return dev->mtu; return skb->len;", "}\n\nstatic int add", "",
            id="one of several",
        ),
        pytest.param(
            "return (unsigned long)-EINPROGRESS;", "return (", "-EINPROGRESS", id="an error, cast"
        ),
    ],
)  # fmt: skip
def test_where_a_path_ends_and_with_what(statements: str, line: str, text: str) -> None:
    files = driver(f"{H}\tif (h) give(h);\n\t{statements}")
    source = files[FOO].replace("\treturn NETDEV_TX_OK;\n", "", 1)
    ends = {path.events[-1] for path in traced({**files, FOO: source}).paths}
    assert {(end.line, end.text) for end in ends} == {
        (1 + source[: source.index(line)].count("\n"), text)
    }


def test_what_is_cut_off_is_said() -> None:
    again = (
        "static void again(struct sk_buff *skb, unsigned long h, int n)\n"
        "{ if (n) again(skb, h, n - 1); else give(h); }\n"
    )
    found = traced(driver(f"{H}\tagain(skb, h, 3);", again))
    assert [doubt.reason for doubt in found.doubts] == ["again() calls itself, or too deep"]


def test_a_handle_through_a_pointer_that_leads_nowhere_is_said() -> None:
    found = traced(
        driver(f"{H}\tvoid (*f)(unsigned long) = hook;\n\tf(h);", "extern void *hook;\n")
    )
    reason = "a handle is given to a function pointer that was not followed"
    assert [doubt.reason for doubt in found.doubts] == [reason]


PASSED = """
typedef unsigned long (*get_t)(struct xfrm_state *x, struct net_device *dev);
static unsigned long none(struct xfrm_state *x, struct net_device *dev) { return dev->mtu; }
static unsigned long own(struct xfrm_state *x, struct net_device *dev)
{ return xfrm_dev_state_lower_handle(x, dev); }
static unsigned long wrong(struct xfrm_state *x, struct net_device *dev)
{ return xfrm_dev_state_lower_handle(x, x->xso.dev); }
static __always_inline void send(struct sk_buff *skb, struct net_device *dev, get_t get, int n)
{
	unsigned long h = get(xfrm_input_state(skb), dev);

	if (h || !n) give(h);
}
static void onward(struct sk_buff *skb, struct net_device *dev, get_t get)
{ send(skb, dev, get, 1); }
"""
OTHER_ENTRY = """
static netdev_tx_t other_tx(struct sk_buff *skb, struct net_device *dev)
{ %s return NETDEV_TX_OK; }
static const struct net_device_ops other_netdev = { .ndo_start_xmit = other_tx };
"""


@pytest.mark.parametrize(
    ("statements", "other", "wanted"),
    [
        pytest.param("send(skb, dev, own, 1);", "", TESTED, id="tested where it is called"),
        pytest.param("onward(skb, dev, own);", "", TESTED, id="passed on"),
        pytest.param(
            "send(skb, dev, own, 1);", "send(skb, dev, none, 0);", TESTED, id="none by another"
        ),
        pytest.param(
            "send(skb, dev, own, 0);", "",
            {"ask, 0, use given to give()", "ask, !0, use given to give()"}, id="not tested",
        ),
        pytest.param(
            "onward(skb, dev, own);", "onward(skb, dev, wrong);",
            TESTED | {one.replace("ask", "ask(xso.dev)") for one in TESTED}, id="wrong by another",
        ),
    ],
)  # fmt: skip
def test_a_function_that_is_passed_is_followed(
    statements: str, other: str, wanted: set[str]
) -> None:
    files = driver(statements, PASSED + (OTHER_ENTRY % other if other else ""))
    found = traced(files)
    assert {said(path.events) for path in found.paths} - {""} == wanted
    assert not found.doubts
    # Each is followed behind those alone that pass it.
    assert all("wrong" not in str(p.events) for p in found.paths if p.function.name == "tx")


@pytest.mark.parametrize(
    ("asked", "on"),
    [
        ("find(3)", ""),
        ("skb->len ? dev : find(3)", ""),
        ("skb->len ? x->xso.dev : find(3)", " on other ways than the wrong one"),
    ],
)
def test_which_device_is_asked_for_is_said_where_it_is_not_known(asked: str, on: str) -> None:
    found = traced(driver(f"{X}\tgive(xfrm_dev_state_lower_handle(x, {asked}));"))
    reason = f"which device the resolver is asked for{on} is not known"
    assert [doubt.reason for doubt in found.doubts] == [reason]


@pytest.mark.parametrize(
    "statements",
    [
        f"{H}\tskb->len = {'~' * 6000}h;",
        f"{H}\t{'if (skb->len) {' * 3000}give(h);{'}' * 3000}",
    ],
    ids=["operators", "blocks"],
)
def test_what_is_nested_too_deeply_is_said(statements: str) -> None:
    found = traced(driver(statements))
    assert {doubt.reason for doubt in found.doubts} == {"nested too deeply to be followed"}
    assert not found.dead
    assert not found.thrown


def test_calls_in_a_row_are_each_seen_to_every_end() -> None:
    # Each can end in two ways: followed in every combination they would be a million.
    one = (
        "static void f{0}(struct sk_buff *skb, struct net_device *dev)\n{{\n\t"
        + H.replace("{", "{{").replace("}", "}}")
        + "\tif ({1}) give(h);\n}}\n"
    )
    tests = ["h"] * 20
    tests[13] = "skb->len"
    outside = "".join(one.format(number, test) for number, test in enumerate(tests))
    calls = "".join(f"f{number}(skb, dev);\n" for number in range(20))
    found = traced(driver(calls, outside))
    assert found.doubts == ()
    met = {
        (event.function, event.nonzero, known)
        for path in found.paths
        for event, known in zip(path.events, path.known, strict=True)
        if event.kind in (Kind.TEST, Kind.USE)
    }
    others = [f"f{number}" for number in range(20) if number != 13]
    assert met == {
        *((name, nonzero, "") for name in others for nonzero in (True, False)),
        *((name, False, "nonzero") for name in others),
        ("f13", False, ""),
    }


RX = """\
#ifndef RX
#define RX
struct rx {
	struct net_device *netdev;
	struct napi_struct napi;
	u32 flags;
	struct sk_buff *skb;
};
#endif
"""


def receiving(count: int, between: str) -> str:
    """Return a poll function whose loop has so many steps in front of the resolver, and behind."""
    steps = [between.format(number) for number in range(count)]
    return (
        RX + "static int poll(struct napi_struct *napi, int budget)\n{\n"
        "\tstruct rx *rx = container_of(napi, struct rx, napi);\n"
        "\tint done = 0, err = 0;\n\tbool ok = false;\n\tunsigned long h;\n"
        "\twhile (done < budget) {\n\t\tstruct sk_buff *skb = rx->skb;\n"
        + "".join(steps)
        + "\t\th = xfrm_dev_state_lower_handle(xfrm_input_state(skb), rx->netdev);\n"
        "\t\tif (!h) goto next;\n\t\tgive(h);\n"
        + "".join(steps)
        + "next:\n\t\tdone++;\n\t}\n\tif (ok) return done;\n\treturn err ? budget : 0;\n}\n"
        "void poll_on(struct net_device *dev)\n{\n\tstruct rx *rx = netdev_priv(dev);\n"
        "\trx->netdev = dev;\n\tnetif_napi_add(dev, &rx->napi, poll);\n}\n"
    )


def users(found: Traced) -> set[str]:
    return {e.function for path in found.paths for e in path.events if e.kind is Kind.USE}


def test_a_receive_loop_is_cut_to_what_can_reach_a_use() -> None:
    between = (
        "\t\tif (rx->flags & {0}) {{ err = step{0}(skb); if (err) goto next; }}\n"
        "\t\tif (skb->len == {0}) ok = true;\n"
    )
    found = traced(driver(f"{H}if (!h) {DROP}\ngive(h);", receiving(10, between)))
    assert found.doubts == ()
    assert users(found) == {"tx", "poll"}


@pytest.mark.parametrize(
    ("most", "reason"),
    [
        (60000, None),
        (1, "no path that was followed leads here, and others were cut off before their end"),
    ],
)
def test_a_place_that_nothing_leads_to_is_told_with_what_was_cut_off(
    most: int, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xfrmlint.flow.paths.MOST_IN_ALL", most)
    found = traced(driver(f"{H}if (!h) {DROP}\ngive(h);"))
    told = [doubt.reason for doubt in found.doubts if "leads here" in doubt.reason]
    assert told == ([] if reason is None else [reason])


def test_one_long_function_does_not_silence_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xfrmlint.flow.paths.MOST_IN_ALL", 1000)
    # Each time it is asked whether the same holds as before.
    outside = receiving(10, "\t\tif (rx->flags & {0}) give(h);\n")
    found = traced(driver(f"{H}give(h);", f"{outside}{receiving(1, '').replace('poll', 'zoll')}"))
    assert {"tx", "zoll"} <= users(found)
    cut = {(doubt.function, doubt.place.path, doubt.reason) for doubt in found.doubts}
    assert cut == {("poll", FOO, "too many paths; the rest was cut off")}
    first = outside.index("while")
    lines = [doubt.place.line for doubt in found.doubts]
    assert all(_line(outside, outside[first : first + 20]) <= line for line in lines)


@pytest.mark.parametrize(
    ("statement", "written"),
    [
        ("to_sa(foo_last)->sa = h;", "to_sa(foo_last)"),
        ("to_sa(foo_last)\n->sa = h;", "->sa = h"),
        ("SA(foo_last) = h;", "SA(foo_last)"),
        ("SA(foo_last) |= h;", "SA(foo_last)"),
        ("KEEP(foo_last, h);", "#define KEEP"),
    ],
)
def test_what_is_put_stands_where_that_is_written(statement: str, written: str) -> None:
    files = driver(f"{H}if (!h) {DROP}\n{statement}", LEADING)
    events = [event for path in traced(files).paths for event in path.events]
    lines = {e.line for e in events if e.kind is Kind.STORE}
    text = files[FOO]
    assert lines == {text[: text.index(written)].count("\n") + 1}


@pytest.mark.parametrize(
    ("statement", "written"),
    [
        ("give(\nLOW(h));", "LOW(h)"),
        ("give(\nBE(LOW(h)));", "BE(LOW(h))"),
        ("u32 w = BE(h);\ngive(w);", "give(w)"),
        ("skb->len = SA_OF(h)\n->sa;", "->sa;"),
        ("GIVE(h);", "GIVE(h)"),
        ("GIVE_H;", "#define GIVE_H"),
    ],
)
def test_a_use_stands_where_the_number_is_handed_to_a_macro(statement: str, written: str) -> None:
    macros = (
        "#define LOW(n) ((u32)((n) & 0xffffffff))\n#define BE(v) ((__be32)__builtin_bswap32(v))\n"
        "#define SA_OF(h) ((struct foo_sa *)(h))\n#define GIVE(h) give((u32)(h))\n"
        "#define GIVE_H give(h)\n"
    )
    files = driver(f"{H}{statement}", f"{LEADING}{macros}")
    events = [event for path in traced(files).paths for event in path.events]
    text = files[FOO]
    at = text.rindex(written)
    assert {e.line for e in events if e.kind is Kind.USE} == {text[:at].count("\n") + 1}


@pytest.mark.parametrize(
    ("use", "lost"),
    [
        ("if (h) give(h);", False),
        ("give(h);", False),
        ("struct kept k; k.all[skb->len] = h; give(k.first);", True),
    ],
)
def test_a_handle_that_is_lost_behind_a_wrapper_is_a_doubt(use: str, lost: bool) -> None:
    # Another caller of the wrapper, whose handle is followed, hides nothing.
    outside = (
        "struct kept { unsigned long first; unsigned long all[4]; };\n"
        "static unsigned long get(struct sk_buff *skb, struct net_device *dev)\n{\n"
        "\treturn xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev);\n}\n"
        "static void other(struct sk_buff *skb, struct net_device *dev)\n{\n"
        "\tunsigned long h = get(skb, dev);\n\tif (h) give(h);\n}\n"
    )
    found = traced(driver(f"unsigned long h = get(skb, dev);\n{use}\nother(skb, dev);", outside))
    doubts = [(doubt.function, doubt.reason) for doubt in found.doubts]
    wanted = ("tx", "what is done with this handle could not be followed")
    assert doubts == ([wanted] if lost else [])


def test_asm_goto_goes_on_at_each_of_its_labels() -> None:
    jump = 'asm goto("j %l0" : : : : use);\n'
    assert ways(f"{H}{jump}if (!h) return NETDEV_TX_OK;\nuse: give(h);") == {
        "ask, use given to give()",
        "ask, 0",
        "ask, !0, use given to give()",
    }


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        pytest.param(
            "goto *there[0];\nuse: if (h) give(h);",
            {"ask, 0", "ask, !0, use given to give()"},
            id="tested",
        ),
        pytest.param("goto *there[0];\nuse: give(h);", {"ask, use given to give()"}, id="used"),
        pytest.param(
            "if (!h) goto *(skb ? &&use : &&out);\nuse: give(h);\nout: return NETDEV_TX_OK;",
            {"ask, 0, use given to give()", "ask, 0", "ask, !0, use given to give()"},
            id="one of two",
        ),
        pytest.param(
            "goto *there[h];\nuse: return NETDEV_TX_OK;",
            {"ask, use used as index of there"},
            id="by the handle",
        ),
        pytest.param(
            "scoped_guard(spinlock, &l) { goto *there[0]; }\ngive(h);\nuse: if (h) give(h);",
            {"ask, 0", "ask, !0, use given to give()"},
            id="out of a scope",
        ),
        pytest.param(
            "got_it(skb);\nif (h) give(h);",
            {"ask, 0", "ask, !0, use given to give()"},
            id="a function that is called alike is none",
        ),
    ],
)
def test_a_computed_goto_leads_to_each_label_whose_address_is_taken(
    body: str, wanted: set[str]
) -> None:
    assert ways(f"{H}void *there[] = {{ &&use }};\n{body}") == wanted


def test_nobody_knows_where_a_goto_leads_that_no_label_was_taken_for() -> None:
    assert ways(f"{H}goto *skb->cb;\nuse: give(h);") == {
        "ask, cut a goto that could not be followed"
    }


EITHER_WAY = {"ask, 0, use given to give()", "ask, !0, use given to give()"}


@pytest.mark.parametrize("leave", ["break", "continue"])
@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        pytest.param("scoped_guard(spinlock, &l) { if (!h) LEAVE; give(h); }", TESTED, id="in it"),
        pytest.param("scoped_guard(spinlock, &l) if (!h) LEAVE; give(h);", EITHER_WAY, id="behind"),
        pytest.param(
            (
                "while (get()) { scoped_guard(spinlock, &l) { if (!h) LEAVE; } give(h);\n"
                "return NETDEV_TX_OK; }"
            ),
            {*EITHER_WAY, "ask"},
            id="in a loop",
        ),
        pytest.param(
            "switch (skb->len) { case 0: scoped_guard(spinlock, &l) { if (!h) LEAVE; } give(h); }",
            {*EITHER_WAY, "ask"},
            id="in a switch",
        ),
        pytest.param(
            "scoped_cond_guard(spinlock_try, LEAVE, &l) { if (!h) LEAVE; give(h); }",
            {*TESTED, "ask"},
            id="that can fail",
        ),
        pytest.param("LOCKED(&l) { if (!h) LEAVE; give(h); }", TESTED, id="by another name"),
        pytest.param(
            "scoped_seqlock_read(&l, ss_lock) { if (!h) LEAVE; give(h); }", TESTED, id="a seqlock"
        ),
    ],
)
def test_a_guard_is_a_loop_of_one_turn(body: str, wanted: set[str], leave: str) -> None:
    locked = "#define LOCKED(l) scoped_guard(spinlock, l)\n"
    assert ways(f"{H}{body}".replace("LEAVE", leave), locked) == wanted


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param("({ xfrm_dev_state_lower_handle; })(x, dev)", id="({ })"),
        pytest.param("(0, xfrm_dev_state_lower_handle)(x, dev)", id="comma"),
        pytest.param("(*&xfrm_dev_state_lower_handle)(x, dev)", id="address"),
        pytest.param(
            "_Generic(x, struct xfrm_state *: xfrm_dev_state_lower_handle)(x, dev)", id="_Generic"
        ),
        pytest.param(
            "_Generic(x, struct xfrm_state *: xfrm_dev_state_lower_handle(x, dev))",
            id="in _Generic",
        ),
        pytest.param(
            "__builtin_choose_expr(1, xfrm_dev_state_lower_handle(x, dev), 0)", id="choose"
        ),
    ],
)
def test_forms_of_a_callee(asked: str) -> None:
    assert ways(f"{X}unsigned long h = {asked};\nif (!h) {DROP}\ngive(h);") == TESTED
