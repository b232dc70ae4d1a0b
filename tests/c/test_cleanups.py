"""What is done where a scope ends: releases are followed on every path, like other calls."""

import pytest

from tests.asked import Base
from tests.laid import EXAMPLE, files_of

BASE = Base(files_of("base/rfc"))
HEAD = """\
#include <linux/cleanup.h>
#include <linux/io.h>
#include <linux/netdevice.h>
#include <linux/spinlock.h>
#include <net/xfrm.h>

struct example {
	int n;
	u32 __iomem *io;
	spinlock_t lock;
};
"""
TAIL = """
static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}

static const struct net_device_ops example_netdev_ops = {
	.ndo_start_xmit = example_xmit,
};

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add = example_add,
	.flags = XFRMDEV_OPS_F_LOWER_HANDLE,
};

void example_init(struct net_device *dev)
{
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
PUT = """
#define EXAMPLE_HANDLE(name, value) u32 name __cleanup(example_put) = (value)
#define EXAMPLE_VALUE(kind, name, end) kind __attribute__((cleanup(end))) name

static void example_put(u32 *h)
{
	writel(*h, (u32 __iomem *)0x10); /* released */
}

static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct example *p = netdev_priv(dev);
	BODY
}
"""
MD = """
struct example_md {
	u32 sa;
	u32 __iomem *io;
};

static void example_send(struct example_md *md)
{
	writel(md->sa, md->io); /* released */
}

static void example_none(struct example_md *md)
{
	md->sa = 0;
}

static netdev_tx_t example_drop(struct example_md *md)
{
	return NETDEV_TX_OK;
}

static int example_try(struct example_md *md)
{
	return md->io != NULL;
}

DEFINE_FREE(example_send, struct example_md *, if (_T) example_send(_T))
DEFINE_CLASS(example, struct example_md *, if (_T) example_send(_T), m, struct example_md *m)
EXTEND_CLASS(example, _on, m + 0 * n, struct example_md *m, int n)
DEFINE_GUARD(example_ring, struct example_md *, example_none(_T), example_send(_T))
DEFINE_GUARD_COND(example_ring, _soon, example_try(_T))
#define EXAMPLE_MD(name, of) struct example_md *name __free(example_send) = (of)

static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct example *p = netdev_priv(dev);
	struct example_md m = { .sa = 1, .io = p->io };
	BODY
}
"""
ASK = "xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev)"

# What stands in example_xmit(); the plain use that it is held against is the release itself.
QUIET = {
    "something else was stored": (
        "u32 g = ASK;\n\tu32 h __cleanup(example_put) = 1;\n\n\tif (g)\n\t\th = g;\n\treturn 0;"
    ),
    "the scope goes on behind a loop in it": (
        "u32 h __cleanup(example_put) = ASK;\n"
        "\n"
        "\tif (!h) h = 1;\n"
        "\twhile (p->n--) {\n"
        "\t\tif (p->n & 1)\n"
        "\t\t\tcontinue;\n"
        "\t\tif (p->n & 2)\n"
        "\t\t\tbreak;\n"
        "\t}\n"
        "\treturn 0;"
    ),
    "a goto in the scope": (
        "u32 h __cleanup(example_put) = ASK;\n"
        "\n"
        "\tif (!h)\n"
        "\t\tgoto none;\n"
        "\treturn 0;\n"
        "none:\n"
        "\th = 1;\n"
        "\treturn 0;"
    ),
    "a goto out of the scope, backwards": (
        "again:\n"
        "\t{\n"
        "\t\tu32 h __cleanup(example_put) = ASK;\n"
        "\n"
        "\t\tif (!h) {\n"
        "\t\t\th = 2;\n"
        "\t\t\tgoto again;\n"
        "\t\t}\n"
        "\t\treturn 0;\n"
        "\t}"
    ),
    "two variables, tested": (
        "u32 one = 1, h __cleanup(example_put) = ASK, *two;\n\n\tif (!h)\n\t\th = 1;\n\treturn one;"
    ),
    "declared in a branch of an #if": (
        "#ifdef CONFIG_EXAMPLE\n"
        "\tu32 h __cleanup(example_put) = ASK;\n"
        "#else\n"
        "\tu32 h = 1;\n"
        "#endif\n"
        "\n"
        "\tif (!h)\n"
        "\t\th = 1;\n"
        "\treturn 0;"
    ),
    "declared by a macro": ("EXAMPLE_HANDLE(h, ASK);\n\n\tif (!h)\n\t\th = 1;\n\treturn 0;"),
    "each turn ends it": (
        "for (;;) {\n"
        "\t\tu32 h __cleanup(example_put) = ASK;\n"
        "\n"
        "\t\tif (h)\n"
        "\t\t\treturn 0;\n"
        "\t\th = 3;\n"
        "\t}"
    ),
}
LOUD = {
    "at the end of the function": ("u32 h __cleanup(example_put) = ASK;\n\n\treturn 0;"),
    "several attributes": (
        "u32 h __attribute__((unused, cleanup(example_put))) = ASK;\n\n\treturn 0;"
    ),
    "declared by a macro": ("EXAMPLE_HANDLE(h, ASK);\n\n\treturn 0;"),
    "named to a macro": ("EXAMPLE_VALUE(u32, h, example_put) = ASK;\n\n\treturn 0;"),
    "stored in a return": (
        "u32 h __cleanup(example_put) = 1;\n\n\treturn p->n ? (h = ASK, 0) : 1;"
    ),
    "a break ends it": (
        "while (p->n--) {\n"
        "\t\tu32 h __cleanup(example_put) = ASK;\n"
        "\n"
        "\t\tif (!h)\n"
        "\t\t\tbreak;\n"
        "\t\twritel(h, p->io);\n"
        "\t}\n"
        "\treturn 0;"
    ),
    "a break of a switch ends it": (
        "switch (p->n) {\n"
        "\tcase 1: {\n"
        "\t\tu32 h __cleanup(example_put) = ASK;\n"
        "\n"
        "\t\tif (!h) break;\n"
        "\t\treturn 1;\n"
        "\t}\n"
        "\t}\n"
        "\treturn 0;"
    ),
    "a goto out of the scope": (
        "{\n"
        "\t\tu32 h __cleanup(example_put) = ASK;\n"
        "\n"
        "\t\tif (!h)\n"
        "\t\t\tgoto none;\n"
        "\t\treturn 0;\n"
        "\t}\n"
        "none:\n"
        "\treturn 1;"
    ),
    "two variables": (
        "u32 one = 1, h __cleanup(example_put) = ASK, *two;\n"
        "\n"
        "\tif (!h)\n"
        "\t\tone = 1;\n"
        "\treturn one;"
    ),
    "in a statement expression": (
        "u32 g = ({ u32 h __cleanup(example_put) = ASK; 1; });\n\n\treturn g;"
    ),
}
MD_QUIET = {
    "__free: no longer there": (
        "struct example_md *md __free(example_send) = &m;\n"
        "\n"
        "\tmd->sa = ASK;\n"
        "\tif (!md->sa)\n"
        "\t\tmd = NULL;\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "__free: given away": (
        "struct example_md *md __free(example_send) = &m;\n"
        "\n"
        "\tmd->sa = ASK;\n"
        "\tif (!md->sa)\n"
        "\t\tno_free_ptr(md);\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "__free: given away in a return": (
        "struct example_md *md __free(example_send) = &m;\n"
        "\n"
        "\tmd->sa = ASK;\n"
        "\tif (!md->sa)\n"
        "\t\treturn example_drop(no_free_ptr(md));\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "__free: declared by a macro": (
        "EXAMPLE_MD(md, &m);\n"
        "\n"
        "\tmd->sa = ASK;\n"
        "\tif (!md->sa)\n"
        "\t\tmd = NULL;\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "CLASS: no longer there": (
        "CLASS(example, md)(&m);\n"
        "\n"
        "\tmd->sa = ASK;\n"
        "\tif (!md->sa)\n"
        "\t\tmd = NULL;\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "CLASS: of another of that name": (
        "struct example_md md = { .sa = ASK };\n"
        "\n"
        "\t{\n"
        "\t\tCLASS(example, md)(&m);\n"
        "\t\tp->n++;\n"
        "\t}\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "scoped_guard of a lock that can fail: tested in it": (
        "u32 h = ASK;\n"
        "\n"
        "\tscoped_guard(example_ring_soon, &m) {\n"
        "\t\tif (!h)\n"
        "\t\t\treturn NETDEV_TX_OK;\n"
        "\t\twritel(h, p->io);\n"
        "\t}\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "scoped_cond_guard: left without the lock": (
        "u32 h = ASK;\n"
        "\n"
        "\tscoped_cond_guard(example_ring_soon, return NETDEV_TX_OK, &m)\n"
        "\t\tif (!h)\n"
        "\t\t\treturn NETDEV_TX_OK;\n"
        "\twritel(h, p->io);\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "guard: locked before": ("m.sa = ASK;\n\tguard(example_ring)(&m);\n\treturn NETDEV_TX_OK;"),
    "scoped_guard: behind it": (
        "scoped_guard(example_ring, &m) {\n\t\tp->n++;\n\t}\n\tm.sa = ASK;\n\treturn NETDEV_TX_OK;"
    ),
    "a lock of the kernel's": (
        "u32 h;\n"
        "\n"
        "\tguard(spinlock)(&p->lock);\n"
        "\th = ASK;\n"
        "\tif (!h)\n"
        "\t\treturn NETDEV_TX_OK;\n"
        "\tscoped_guard(spinlock, &p->lock)\n"
        "\t\twritel(h, p->io);\n"
        "\treturn NETDEV_TX_OK;"
    ),
}
MD_LOUD = {
    "__free": (
        "struct example_md *md __free(example_send) = &m;\n"
        "\n"
        "\tmd->sa = ASK;\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "__free: declared by a macro": (
        "EXAMPLE_MD(md, &m);\n\n\tmd->sa = ASK;\n\treturn NETDEV_TX_OK;"
    ),
    "guard": ("guard(example_ring)(&m);\n\tm.sa = ASK;\n\treturn NETDEV_TX_OK;"),
    "scoped_guard": (
        "scoped_guard(example_ring, &m) {\n\t\tm.sa = ASK;\n\t}\n\treturn NETDEV_TX_OK;"
    ),
    "CLASS": ("CLASS(example, md)(&m);\n\n\tmd->sa = ASK;\n\treturn NETDEV_TX_OK;"),
    "CLASS: extended": ("CLASS(example_on, md)(&m, 1);\n\n\tmd->sa = ASK;\n\treturn NETDEV_TX_OK;"),
    "CLASS_INIT": ("CLASS_INIT(example, md, &m);\n\n\tmd->sa = ASK;\n\treturn NETDEV_TX_OK;"),
    "guard of a lock that can fail": (
        "guard(example_ring_soon)(&m);\n\tm.sa = ASK;\n\treturn NETDEV_TX_OK;"
    ),
    "scoped_guard of a lock that can fail": (
        "scoped_guard(example_ring_soon, &m)\n\t\tm.sa = ASK;\n\treturn NETDEV_TX_OK;"
    ),
    "scoped_cond_guard": (
        "scoped_cond_guard(example_ring_soon, return NETDEV_TX_OK, &m) {\n"
        "\t\tm.sa = ASK;\n"
        "\t}\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "scoped_cond_guard with a block": (
        "scoped_cond_guard(example_ring_soon, { p->n++; return NETDEV_TX_OK; }, &m)\n"
        "\t\tm.sa = ASK;\n"
        "\treturn NETDEV_TX_OK;"
    ),
    "scoped_guard of a statement": (
        "scoped_guard(example_ring, &m)\n\t\tm.sa = ASK;\n\treturn NETDEV_TX_OK;"
    ),
}


def reported(frame: str, body: str) -> list[tuple[str, str]]:
    """Return the types that are reported, with the lines where."""
    text = HEAD + frame.replace("BODY", body.replace("ASK", ASK)) + TAIL
    lines = text.splitlines()
    report = BASE.check_example(text)
    return [(f.type, lines[f.line - 1].strip()) for f in report.findings if f.path == EXAMPLE]


@pytest.mark.parametrize("body", QUIET.values(), ids=QUIET)
def test_a_release_sees_what_the_variable_holds_then(body: str) -> None:
    assert reported(PUT, body) == []


@pytest.mark.parametrize("body", LOUD.values(), ids=LOUD)
def test_a_release_uses_a_handle(body: str) -> None:
    found = reported(PUT, body)
    assert found == [("UNCHECKED_LOWER_HANDLE", "writel(*h, (u32 __iomem *)0x10); /* released */")]


@pytest.mark.parametrize("body", MD_QUIET.values(), ids=MD_QUIET)
def test_a_class_does_nothing_to_what_was_taken_from_it(body: str) -> None:
    assert reported(MD, body) == []


@pytest.mark.parametrize("body", MD_LOUD.values(), ids=MD_LOUD)
def test_a_class_of_the_drivers_own_uses_a_handle(body: str) -> None:
    found = reported(MD, body)
    assert found == [("UNCHECKED_LOWER_HANDLE", "writel(md->sa, md->io); /* released */")]


@pytest.mark.parametrize("lock", ["mutex_try", "example_ring_soon"])
def test_what_a_lock_guards_that_can_fail_may_be_left_out(lock: str) -> None:
    body = (
        f"u32 h = ASK;\n\n\tscoped_guard({lock}, &m) {{\n\t\tif (!h)\n\t\t\treturn NETDEV_TX_OK;\n"
        "\t}\n\twritel(h, p->io); /* behind */\n\treturn NETDEV_TX_OK;"
    )
    assert reported(MD, body) == [("UNCHECKED_LOWER_HANDLE", "writel(h, p->io); /* behind */")]
    assert reported(MD, body.replace(lock, "spinlock")) == []


def test_what_defines_and_declares_is_no_parse_error() -> None:
    body = (
        "struct xfrm_state *x __free(example_x) = xfrm_input_state(skb);\n\n\treturn NETDEV_TX_OK;"
    )
    text = HEAD + MD.replace("BODY", body) + TAIL
    text += (
        "DEFINE_LOCK_GUARD_0(example_all, example_stop(), example_start())\n"
        "DEFINE_LOCK_GUARD_1(example_irq, spinlock_t, spin_lock_irqsave(_T->lock, _T->flags),\n"
        "\t\t    spin_unlock_irqrestore(_T->lock, _T->flags), unsigned long flags)\n"
        "DEFINE_LOCK_GUARD_1_COND(example_irq, _try, spin_trylock(_T->lock))\n"
        "DEFINE_FREE(example_x, struct xfrm_state *, if (_T) note(_T->xso.offload_handle))\n"
    )
    report = BASE.check_example(text)
    found = {f.type: text.splitlines()[f.line - 1] for f in report.findings}
    assert "DEFINE_FREE" in found["DIRECT_OFFLOAD_HANDLE"]
    assert not [one for one in report.unknown if "parse errors" in one.reason]


SENDS = """
struct example_tx { struct xfrm_state *x; u32 __iomem *io; };

static void example_send(struct example_tx *tx)
{
	writel(tx->x->xso.offload_handle, tx->io);
}

DEFINE_FREE(example_tx, struct example_tx *, example_send(_T))
MACROS
static void example_begin(struct example *p, struct xfrm_state *x)
{
	struct example_tx t = { .x = x, .io = p->io };

	BEGIN
	p->n++;
}

static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	XMIT;
	return NETDEV_TX_OK;
}

static void __exit example_exit(void)
{
	STOP;
}
module_exit(example_exit);
"""
TX = "#define EXAMPLE_TX(name) struct example_tx name __cleanup(example_send)\n"


@pytest.mark.parametrize(
    ("macros", "begin"),
    [
        ("", "struct example_tx tx __cleanup(example_send) = t;"),
        (TX, "EXAMPLE_TX(tx) = t;"),
        (TX.replace("name)", "name, end)", 1).replace("example_send", "end"), "EXAMPLE_TX(tx, E);"),
        (
            TX.replace("name __cleanup(example_send)", "*name __free(example_tx)"),
            "EXAMPLE_TX(tx) = &t;",
        ),
    ],
    ids=["written out", "by a macro", "named to a macro", "__free"],
)
@pytest.mark.parametrize("packets", [False, True])
def test_what_ends_a_variable_runs_where_that_is_declared(
    macros: str, begin: str, packets: bool
) -> None:
    frame = SENDS.replace("MACROS", macros).replace("BEGIN", begin.replace("E)", "example_send)"))
    call = "example_begin({}, NULL)"
    frame = frame.replace("XMIT", call.format("netdev_priv(dev)") if packets else "")
    frame = frame.replace("STOP", "" if packets else call.format("NULL"))
    wanted = ("DIRECT_OFFLOAD_HANDLE", "writel(tx->x->xso.offload_handle, tx->io);")
    assert (wanted in reported(frame, "")) is packets
