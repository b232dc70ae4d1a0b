"""`xfrmlint convert`: reasons where there is doubt, patches where there is none."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.laid import EXAMPLE, lay, lay_example, lay_fixture
from tests.ran import run

pytestmark = pytest.mark.slow

_HEAD = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

struct example_sa {
	bool used;
	u32 iova;
};

struct example {
	struct net_device *netdev;
	struct example_sa sa[8];
	unsigned long last;
	u32 __iomem *hw;
	spinlock_t lock;
};

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	struct example *ex = netdev_priv(dev);

	x->xso.offload_handle = ++ex->last;
	return 0;
}

static void example_delete(struct net_device *dev, struct xfrm_state *x)
{
	struct example *ex = netdev_priv(dev);

	ex->last--;
}

"""
_TAIL = """\

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
	.xdo_dev_state_delete	= example_delete,
};

static const struct net_device_ops example_netdev_ops = {
	.ndo_start_xmit	= example_xmit,
};

int example_probe(struct net_device *dev)
{
	struct example *ex = netdev_priv(dev);

	ex->netdev = dev;
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
	return 0;
}
"""
_XMIT = """
static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct example *ex = netdev_priv(dev);

	if (!example_tx(ex, skb))
		goto drop;
	writel(skb->len, ex->hw + 1);
	return NETDEV_TX_OK;

drop:
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}
"""
# What makes a member hold another device, too.
_JOIN = """\
void example_join(struct example *ex, struct net_device *dev)
{
	ex->netdev = netdev_master_upper_dev_get(dev);
}

"""
_FLAG = "+	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,"


class Case(NamedTuple):
    """A driver's datapath, and what is said of it: the changed lines, or the reasons."""

    what: str
    datapath: str
    said: str


def example_tx(body: str, declared: str = "") -> str:
    """Return a function that is given packets with a state, and a transmit function."""
    head = "static bool example_tx(struct example *ex, struct sk_buff *skb)\n{\n"
    state = "\tstruct xfrm_state *x = xfrm_input_state(skb);\n"
    return f"{head}{state}{declared}\n{body}}}\n{_XMIT}"


# One that has an exit for packets without a state, and what becomes of it.
_SIMPLE_TX = example_tx(
    "\tif (!x)\n\t\treturn false;\n\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
)
_SIMPLE_CONVERTED = """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	writel(handle, ex->hw);
"""


def xmit(body: str, declared: str = "") -> str:
    """Return a transmit function that has a packet's state."""
    head = "static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)\n{\n"
    state = "\tstruct xfrm_state *x = xfrm_input_state(skb);\n"
    return f"{head}{state}\tstruct example *ex = netdev_priv(dev);\n{declared}\n{body}}}\n"


def begun(datapath: str) -> str:
    """Return a datapath that has counted a packet before it looks at its state.

    What it does then has to be undone wherever it leaves.
    """
    return datapath.replace("\n\n\t", "\n\tu32 seq = ex->last++;\n\n\t", 1)


def _ordered(before: str, after: str) -> str:
    """Return one function that ends a packet without a handle, and one that lets it go on."""
    state = "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\n"
    return (
        "static bool example_drop(struct example *ex, struct sk_buff *skb)\n{\n"
        f"{state}\tif (!x->xso.offload_handle)\n\t\treturn false;\n"
        "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n}\n\n"
        "static void example_mark(struct example *ex, struct sk_buff *skb)\n{\n"
        f"{state}\tif (x->xso.offload_handle)\n\t\twritel(1, ex->hw + 2);\n}}\n\n"
        "static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)\n{\n"
        f"\tstruct example *ex = netdev_priv(dev);\n\n{before}"
        "\t\tif (!example_drop(ex, skb)) {\n\t\t\tdev_kfree_skb_any(skb);\n"
        f"\t\t\treturn NETDEV_TX_OK;\n\t\t}}\n{after}"
        "\twritel(skb->len, ex->hw + 1);\n\treturn NETDEV_TX_OK;\n}\n"
    )


def _errors(value: str, tested: str, label: str) -> str:
    """Return a function that returns a value where there is no state, and a caller that tests."""
    return (
        "static int example_post(struct example *ex, struct sk_buff *skb)\n{\n"
        "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\n"
        f"\tif (!x)\n\t\treturn {value};\n"
        "\twritel(x->xso.offload_handle, ex->hw);\n\treturn 1;\n}\n\n"
        "static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)\n{\n"
        "\tstruct example *ex = netdev_priv(dev);\n\tint ret;\n\n"
        f"\tret = example_post(ex, skb);\n\tif ({tested})\n\t\tgoto {label};\n"
        "\tif (!ret)\n\t\tgoto drop;\nplain:\n"
        "\twritel(skb->len, ex->hw + 1);\n\treturn NETDEV_TX_OK;\n\n"
        "drop:\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n}\n"
    )


REFUSED = (
    Case(
        "what the read sets is counted where the exit leads to",
        xmit(
            "\tif (sa->used)\n\t\tgoto drop;\n\twritel(sa->iova, ex->hw);\n"
            "\treturn NETDEV_TX_OK;\n\ndrop:\n\tsa->iova++;\n\tdev_kfree_skb_any(skb);\n"
            "\treturn NETDEV_TX_OK;\n",
            "\tstruct example_sa *sa = (struct example_sa *)x->xso.offload_handle;\n",
        ),
        "uses sa, which has no value there yet",
    ),
    Case(
        "what is set behind the read is counted where the exit leads to",
        xmit(
            "\tsa = (struct example_sa *)x->xso.offload_handle;\n\tlen = skb->len;\n"
            "\tif (sa->used)\n\t\tgoto drop;\n\twritel(sa->iova, ex->hw);\n"
            "\treturn NETDEV_TX_OK;\n\ndrop:\n\tex->last += len;\n\tdev_kfree_skb_any(skb);\n"
            "\treturn NETDEV_TX_OK;\n",
            "\tstruct example_sa *sa;\n\tu32 len;\n",
        ),
        "uses len, which has no value there yet",
    ),
    Case(
        "what is NULL before the read is followed where the exit leads to",
        xmit(
            "\tif (!x)\n\t\tgoto drop;\n\tsa = (struct example_sa *)x->xso.offload_handle;\n"
            "\twritel(sa->iova, ex->hw);\n\treturn NETDEV_TX_OK;\n\ndrop:\n"
            "\tex->last += sa->iova;\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n",
            "\tstruct example_sa *sa = NULL;\n",
        ),
        "uses sa, which has no value there yet",
    ),
    *(
        Case(
            f"the handle is followed under {name}, and nothing leaves from there",
            example_tx(
                f"\tif (!x)\n\t\treturn false;\n\t{lock}\n"
                "\tsa = (struct example_sa *)x->xso.offload_handle;\n\twritel(sa->iova, ex->hw);\n"
                f"\t{unlock}\n\treturn true;\n",
                "\tstruct example_sa *sa;\n",
            ),
            "what has to be undone here need not be what was in line",
        )
        for name, lock, unlock in (
            ("a lock", "spin_lock_bh(&ex->lock);", "spin_unlock_bh(&ex->lock);"),
            ("RCU", "rcu_read_lock();", "rcu_read_unlock();"),
            ("a guard", "guard(spinlock_bh)(&ex->lock);", ";"),
            ("what is not known", "vendor_enter(ex);", "vendor_leave(ex);"),
        )
    ),
    *(
        Case(
            f"the caller has {what}, and its exit does not undo that",
            _SIMPLE_TX.replace("\tif (!example_tx(ex, skb))", f"{done}\tif (!example_tx(ex, skb))"),
            f"{who}() is not undone where its caller leaves",
        )
        for what, done, who in (
            (
                "mapped the packet",
                "\tdma_map_single(NULL, skb->data, skb->len, DMA_TO_DEVICE);\n",
                "dma_map_single",
            ),
            (
                "told the queue of it",
                "\tnetdev_tx_sent_queue(netdev_get_tx_queue(dev, 0), skb->len);\n",
                "netdev_tx_sent_queue",
            ),
            ("taken a lock", "\tspin_lock(&ex->lock);\n", "spin_lock"),
        )
    ),
    *(
        Case(
            f"the caller has {what} by a {by} of its own, and its exit does not undo that",
            own
            + _SIMPLE_TX.replace(
                "\tif (!example_tx(ex, skb))", f"{done}\tif (!example_tx(ex, skb))"
            ),
            f"{said} is not undone where its caller leaves",
        )
        for what, by, own, done, said in (
            (
                "mapped the packet",
                "function",
                "static int example_map(struct example *ex, struct sk_buff *skb)\n{\n"
                "\tex->last = dma_map_single(NULL, skb->data, skb->len, DMA_TO_DEVICE);\n"
                "\treturn ex->last ? 0 : -ENOMEM;\n}\n\n",
                "\tif (example_map(ex, skb))\n\t\tgoto drop;\n",
                "example_map()",
            ),
            (
                "locked",
                "function that can fail",
                "static bool example_begin(struct example *ex)\n{\n\tspin_lock(&ex->lock);\n"
                "\tif (!ex->last) {\n\t\tspin_unlock(&ex->lock);\n\t\treturn false;\n\t}\n"
                "\treturn true;\n}\n\n",
                "\tif (!example_begin(ex))\n\t\treturn NETDEV_TX_BUSY;\n",
                "example_begin()",
            ),
            (
                "locked",
                "macro",
                "#define example_lock(ex) spin_lock(&(ex)->lock)\n\n",
                "\texample_lock(ex);\n",
                "example_lock()",
            ),
            ("counted", "member", "", "\tex->last--;\n", "ex->last"),
            ("kept the packet", "member", "", "\tex->last = (unsigned long)skb;\n", "ex->last"),
            (
                "begun a section",
                "call",
                "",
                "\tu64_stats_update_begin(NULL);\n",
                "u64_stats_update_begin()",
            ),
            (
                "counted the packet as sent",
                "call",
                "",
                "\tdev_sw_netstats_tx_add(dev, 1, skb->len);\n",
                "dev_sw_netstats_tx_add()",
            ),
        )
    ),
    Case(
        "what was taken for a state stays where there is a state without a handle",
        xmit(
            "\tif (x)\n\t\tex->last++;\n\tif (!x)\n\t\tgoto drop;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn NETDEV_TX_OK;\n\n"
            "drop:\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n"
        ),
        "does not undo ex->last (done on some ways alone)",
    ),
    Case(
        "another of two errors has the packet dropped",
        _errors("-EINVAL", "ret == -ENOMEM", "drop"),
        "the packet may have been sent: writel() is given it",
    ),
    Case(
        "the function goes on where it has no state",
        begun(xmit("\twritel(x->xso.offload_handle, ex->hw);\n\treturn NETDEV_TX_OK;\n")),
        "example_xmit(): the function has no exit for a packet without a state",
    ),
    Case(
        "the caller goes on with the packet",
        _SIMPLE_TX.replace("if (!example_tx(ex, skb))\n\t\tgoto drop;", "example_tx(ex, skb);"),
        "the packet may have been sent: writel() is given it",
    ),
    Case(
        "the test has the packet queued again, and no label frees it",
        xmit(
            "\tif (!x->xso.offload_handle)\n\t\treturn NETDEV_TX_BUSY;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn NETDEV_TX_OK;\n"
        ),
        "a handle of 0 makes the packet be queued again for ever",
    ),
    Case(
        "the exit has the packet queued again",
        begun(
            xmit(
                "\tif (!x)\n\t\treturn NETDEV_TX_BUSY;\n"
                "\twritel(x->xso.offload_handle, ex->hw);\n\treturn NETDEV_TX_OK;\n"
            )
        ),
        "is no end of the packet",
    ),
    Case(
        "the caller drops some of the packets alone",
        _SIMPLE_TX.replace(
            "\tif (!example_tx", "\tok = example_tx(ex, skb);\n\tif (skb->len > 99 && !ok"
        )
        .replace("!ok(ex, skb))", "!ok)")
        .replace("netdev_priv(dev);\n", "netdev_priv(dev);\n\tbool ok;\n"),
        "what the caller does with false is not known",
    ),
    Case(
        "the handle is kept across packets",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n\tex->last = x->xso.offload_handle;\n\treturn true;\n"
        ),
        "HANDLE_OUTLIVES_PACKET",
    ),
    Case(
        "two states",
        example_tx(
            "\tif (!x || !y)\n\t\treturn false;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n"
            "\twritel(y->xso.offload_handle, ex->hw);\n\treturn true;\n",
            "\tstruct xfrm_state *y = skb_sec_path(skb)->xvec[0];\n",
        ),
        "the handles of two states are read",
    ),
    Case(
        "the state is set anew between the reads",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n"
            "\tx = skb_sec_path(skb)->xvec[0];\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
        ),
        "x is set anew between the reads of the handle",
    ),
    Case(
        "a lock is held that was not where the function leaves",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n\tspin_lock(&ex->lock);\n\tif (skb->len > 8)\n"
            "\t\twritel(x->xso.offload_handle, ex->hw);\n"
            "\tspin_unlock(&ex->lock);\n\treturn true;\n"
        ),
        "the handle is read where no statement can be put before it",
    ),
    Case(
        "a descriptor is taken since, and the state is another",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n\tex->last++;\n"
            "\tx = skb_sec_path(skb)->xvec[0];\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
        ),
        "what has to be undone here need not be what was in line",
    ),
    Case(
        "a packet without a state is sent in plain, and freed as the device has copied it",
        xmit(
            "\tif (!x)\n\t\tgoto plain;\n\twritel(x->xso.offload_handle, ex->hw);\nplain:\n"
            "\twritel(skb->len, ex->hw + 1);\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n"
        ),
        "the packet may have been sent: writel() is given it",
    ),
    Case(
        "a packet without a state is consumed",
        begun(
            xmit(
                "\tif (!x) {\n\t\tdev_consume_skb_any(skb);\n\t\treturn NETDEV_TX_OK;\n\t}\n"
                "\twritel(x->xso.offload_handle, ex->hw);\n\treturn NETDEV_TX_OK;\n"
            )
        ),
        "dev_consume_skb_any() frees what was sent",
    ),
    Case(
        "the packet is freed, and its caller frees it again",
        begun(
            example_tx(
                "\tif (!x) {\n\t\tdev_kfree_skb_any(skb);\n\t\treturn false;\n\t}\n"
                "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
            )
        ),
        "the packet is freed, and its caller goes on with it",
    ),
    Case(
        "the packet is freed, and its caller goes on with it",
        example_tx(
            "\tif (!x) {\n\t\tdev_kfree_skb_any(skb);\n\t\treturn false;\n\t}\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
        ).replace("if (!example_tx(ex, skb))\n\t\tgoto drop;", "example_tx(ex, skb);"),
        "the packet is freed, and its caller goes on with it",
    ),
    Case(
        "the packet is freed, and what the caller makes of it is not to be seen",
        example_tx(
            "\tif (!x) {\n\t\tdev_kfree_skb_any(skb);\n\t\treturn false;\n\t}\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
        ).replace("if (!example_tx(ex, skb))", "if (example_tx(ex, skb) == !!ex->last)"),
        "what its caller does with false is not known",
    ),
    Case(
        "the state is held",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\txfrm_state_put(x);\n\treturn true;\n"
        ),
        "x may be held where the function leaves: xfrm_state_put()",
    ),
    Case(
        "a full ring has the packet queued again, too",
        xmit(
            "\tif (!x->xso.offload_handle || !ex->last)\n\t\treturn NETDEV_TX_BUSY;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn NETDEV_TX_OK;\n"
        ),
        "a handle of 0 makes the packet be queued again for ever",
    ),
    Case(
        "what the exit names has its value later",
        begun(
            example_tx(
                "\tid = x->xso.offload_handle;\n\tif (id >= 8) {\n"
                "\t\tex->sa[id & 7].used = false;\n\t\treturn false;\n\t}\n"
                "\twritel(id, ex->hw);\n\treturn true;\n",
                "\tu32 id;\n",
            )
        ),
        "uses id, which has no value there yet",
    ),
    Case(
        "what is dropped is dropped too late",
        _ordered("\texample_mark(ex, skb);\n\tif (xfrm_offload(skb)) {\n", "\t}\n"),
        "example_mark(): the test of the handle has no exit: a packet goes on without its handle",
    ),
    Case(
        "another function has asked before, and may have had another answer",
        _ordered("\tif (xfrm_offload(skb)) {\n", "\t}\n\texample_mark(ex, skb);\n"),
        "example_mark(): the test of the handle has no exit: a packet goes on without its handle",
    ),
    Case(
        "what is dropped is some of the packets",
        _ordered("\tif (skb_is_gso(skb)) {\n", "\t}\n\texample_mark(ex, skb);\n"),
        "example_mark(): the test of the handle has no exit: a packet goes on without its handle",
    ),
    Case(
        "the exit stops the queue",
        xmit(
            "\tif (!x) {\n\t\tnetif_stop_queue(dev);\n\t\tdev_kfree_skb_any(skb);\n"
            "\t\treturn NETDEV_TX_OK;\n\t}\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn NETDEV_TX_OK;\n"
        ),
        "netif_stop_queue() ends more than the packet",
    ),
    Case(
        "a jump leads past the place",
        xmit(
            "\tif (skb->len < 60)\n\t\tgoto fast;\n\tif (!x)\n\t\tgoto drop;\n\tex->last++;\n"
            "fast:\n\twritel(1, ex->hw);\n"
            "\twritel(x->xso.offload_handle, ex->hw + 1);\n\treturn NETDEV_TX_OK;\n\n"
            "drop:\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n"
        ),
        "what has to be undone here need not be what was in line",
    ),
    Case(
        "a jump leads to the place itself",
        xmit(
            "\tif (skb->len < 60)\n\t\tgoto fast;\n\tif (!x)\n\t\tgoto drop;\n"
            "fast:\n\twritel(x->xso.offload_handle, ex->hw + 1);\n\treturn NETDEV_TX_OK;\n\n"
            "drop:\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n"
        ),
        "a jump leads past the place where the handle would be resolved",
    ),
    Case(
        "turn after turn of a loop",
        xmit(
            "\tfor (i = 0; i < 4; i++) {\n\t\tif (!x) {\n\t\t\tdev_kfree_skb_any(skb);\n"
            "\t\t\treturn NETDEV_TX_OK;\n\t\t}\n"
            "\t\twritel(x->xso.offload_handle, ex->hw + i);\n\t}\n\treturn NETDEV_TX_OK;\n",
            "\tint i;\n",
        ),
        "the handle is read in a loop: what an earlier turn has done is not undone",
    ),
    Case(
        "0 is no error to the caller",
        begun(_errors("0", "ret < 0", "drop").replace("\tif (!ret)\n\t\tgoto drop;\n", "")),
        "the packet may have been sent: writel() is given it",
    ),
    Case(
        "one error is none to the caller",
        _errors("-ENOENT", "ret == -ENOENT", "plain"),
        "the packet may have been sent: writel() is given it",
    ),
    Case(
        "whose state it is",
        example_tx(
            "\tif (!x || x->xso.dev != ex->netdev)\n\t\treturn false;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
        ),
        "xso.dev is compared: whose state it is does not matter to a packet any more",
    ),
    Case(
        "delete lets another state have the number",
        "static void example_gone(struct net_device *dev, struct xfrm_state *x)\n{\n"
        "\tstruct example *ex = netdev_priv(dev);\n\tstruct example_sa *sa;\n\n"
        "\tsa = (struct example_sa *)x->xso.offload_handle;\n\tex->sa[sa->iova].used = false;\n"
        "\tx->xso.offload_handle = 0;\n\tkfree(sa);\n}\n\n" + _SIMPLE_TX,
        "example_gone(): xso.offload_handle is written outside of add",
    ),
    Case(
        "the caller asks of each packet, whether it is to be offloaded or not",
        "static bool example_prepare(struct example *ex, struct sk_buff *skb)\n{\n"
        "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\n"
        "\tif (!x)\n\t\treturn false;\n"
        "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n}\n\n"
        + example_tx(
            "\tipsec = example_prepare(ex, skb);\n\tif (skb->len < 8)\n\t\treturn false;\n"
            "\tif (ipsec)\n\t\twritel(1, ex->hw);\n\treturn true;\n",
            "\tbool ipsec;\n",
        ),
        "what the caller does with false is not known",
    ),
    Case(
        "half converted",
        example_tx(
            "\tunsigned long h;\n\n\tif (!x)\n\t\treturn false;\n"
            "\th = xfrm_dev_state_lower_handle(x, ex->netdev);\n"
            "\tif (!h)\n\t\th = x->xso.offload_handle;\n"
            "\twritel(h, ex->hw);\n\treturn true;\n"
        ),
        "example_tx() asks the resolver, and reads xso.offload_handle, too",
    ),
    Case(
        "converted, and wrong",
        example_tx(
            "\tunsigned long h;\n\n\tif (!x)\n\t\treturn false;\n"
            "\th = xfrm_dev_state_lower_handle(x, NULL);\n"
            "\tif (!h)\n\t\treturn false;\n"
            "\twritel(h, ex->hw);\n\treturn true;\n"
        ),
        "WRONG_LOWER_DEV",
    ),
    Case(
        "a copy of xso",
        example_tx(
            "\tstruct xfrm_dev_offload xso = x->xso;\n\n"
            "\twritel(xso.offload_handle, ex->hw);\n\treturn true;\n"
        ),
        "xso.offload_handle is reached through a pointer to xso, or a copy of it",
    ),
    Case(
        "in a macro",
        "#define SA_OF(x) ({ ex->last++; (x)->xso.offload_handle; })\n"
        + example_tx("\tif (!x)\n\t\treturn false;\n\twritel(SA_OF(x), ex->hw);\n\treturn true;\n"),
        "xso.offload_handle is written in a macro",
    ),
    Case(
        "a branch of an #if",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n#ifdef CONFIG_EXAMPLE\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n#endif\n\treturn true;\n"
        ),
        "the handle is read in a branch of an #if of its function",
    ),
    Case(
        "a test without an exit",
        example_tx("\tif (x->xso.offload_handle)\n\t\twritel(1, ex->hw);\n\treturn true;\n"),
        "a packet goes on without its handle",
    ),
    Case(
        "the member is nobody's for sure, and nothing else is in reach",
        _JOIN + "bool example_tx(struct example *ex, struct xfrm_state *x)\n{\n"
        "\tif (!x)\n\t\treturn false;\n"
        "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n}\n"
        + _XMIT.replace("example_tx(ex, skb)", "example_tx(ex, xfrm_input_state(skb))")
        + "bool (*example_hook)(struct example *ex, struct xfrm_state *x) = example_tx;\n",
        "which net_device is at work is not known: ex->netdev is",
    ),
    Case(
        "delete writes the field",
        "static void example_gone(struct net_device *dev, struct xfrm_state *x)\n{\n"
        "\tx->xso.offload_handle = 0;\n}\n\n" + _SIMPLE_TX,
        "example_gone(): xso.offload_handle is written outside of add",
    ),
    Case(
        "what is NULL before the read is asked for where the exit leads to",
        xmit(
            "\tif (!x)\n\t\tgoto drop;\n\tsa = (struct example_sa *)x->xso.offload_handle;\n"
            "\twritel(sa->iova, ex->hw);\n\treturn NETDEV_TX_OK;\n\ndrop:\n"
            "\tif (sa)\n\t\tsa->iova++;\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n",
            "\tstruct example_sa *sa = NULL;\n",
        ),
        "uses sa, which has no value there yet",
    ),
)

CONVERTED = (
    Case(
        "the table's address is asked for",
        "static const struct xfrmdev_ops example_xfrmdev_ops;\n\n"
        "bool example_is_port(struct net_device *dev)\n{\n"
        "\treturn dev->xfrmdev_ops == &example_xfrmdev_ops;\n}\n\n" + _SIMPLE_TX,
        _SIMPLE_CONVERTED + _FLAG,
    ),
    Case(
        "the exit gives the packet its mark back",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n\tskb->mark = 7;\n"
            "\tif (!x->xso.offload_handle) {\n\t\tskb->mark = mark;\n\t\treturn false;\n\t}\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n",
            "\tu32 mark = skb->mark;\n",
        ),
        """\
+	unsigned long handle;
-	if (!x->xso.offload_handle) {
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle) {
-	writel(x->xso.offload_handle, ex->hw);
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "what no device takes goes the software's way",
        "static bool example_ok(struct sk_buff *skb, struct xfrm_state *x)\n{\n"
        "\tstruct example *ex = netdev_priv(skb->dev);\n\n"
        "\tif (!x->xso.offload_handle)\n\t\treturn false;\n"
        "\treturn x->xso.offload_handle <= ex->last;\n}\n\n" + _SIMPLE_TX,
        """\
+	unsigned long handle;
-	if (!x->xso.offload_handle)
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
-	return x->xso.offload_handle <= ex->last;
+	return handle <= ex->last;
"""
        + _SIMPLE_CONVERTED
        + _FLAG,
    ),
    Case(
        "a test is added, by the exit for no state",
        example_tx(
            '\tif (!x) {\n\t\tpr_err("no state\\n");\n\t\treturn false;\n\t}\n\n'
            "\twritel(x->xso.offload_handle & 0xff, ex->hw);\n\treturn true;\n"
        ),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle & 0xff, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	writel(handle & 0xff, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "by the exit for a bad index, and a message has the local",
        example_tx(
            "\tindex = x->xso.offload_handle - 1;\n"
            "\tif (unlikely(index >= 8)) {\n"
            '\t\tpr_err("bad %lu\\n", x->xso.offload_handle);\n\t\treturn false;\n\t}\n'
            "\twritel(ex->sa[index].iova, ex->hw);\n\treturn true;\n",
            "\tu32 index;\n",
        ),
        """\
+	unsigned long handle;
-	index = x->xso.offload_handle - 1;
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	index = handle - 1;
-		pr_err("bad %lu\\n", x->xso.offload_handle);
+		pr_err("bad %lu\\n", handle);
"""
        + _FLAG,
    ),
    Case(
        "the driver's own test is turned, and a cast is kept",
        example_tx(
            "\tif (unlikely(!x->xso.offload_handle || skb->len < 8))\n\t\treturn false;\n"
            "\tsa = (struct example_sa *)READ_ONCE(x->xso.offload_handle);\n"
            "\twritel(sa->iova, ex->hw);\n\treturn true;\n",
            "\tstruct example_sa *sa;\n",
        ),
        """\
+	unsigned long handle;
-	if (unlikely(!x->xso.offload_handle || skb->len < 8))
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (unlikely(!handle || skb->len < 8))
-	sa = (struct example_sa *)READ_ONCE(x->xso.offload_handle);
+	sa = (struct example_sa *)handle;
"""
        + _FLAG,
    ),
    Case(
        "the test asks for the state as well",
        example_tx(
            "\tif (!x || !x->xso.offload_handle)\n\t\treturn false;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
        ),
        """\
+	unsigned long handle;
-	if (!x || !x->xso.offload_handle)
+	handle = x ? xfrm_dev_state_lower_handle(x, ex->netdev) : 0;
+	if (!x || !handle)
-	writel(x->xso.offload_handle, ex->hw);
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "a variable that the handle initializes, with the pointer's own test",
        example_tx(
            "\tif (!sa)\n\t\treturn false;\n\twritel(sa->iova, ex->hw);\n\treturn true;\n",
            "\tstruct example_sa *sa = (struct example_sa *)x->xso.offload_handle;\n",
        ),
        """\
-	struct example_sa *sa = (struct example_sa *)x->xso.offload_handle;
+	struct example_sa *sa;
+	sa = (struct example_sa *)xfrm_dev_state_lower_handle(x, ex->netdev);
"""
        + _FLAG,
    ),
    Case(
        "an index, with its own test among others",
        example_tx(
            "\tid = x->xso.offload_handle;\n\tif (unlikely(!id || id >= 8))\n\t\treturn false;\n"
            "\twritel(id, ex->hw);\n\treturn true;\n",
            "\tu32 id;\n",
        ),
        """\
-	id = x->xso.offload_handle;
+	id = xfrm_dev_state_lower_handle(x, ex->netdev);
"""
        + _FLAG,
    ),
    Case(
        "an error is one to the caller",
        _errors("-ENOENT", "ret < 0", "drop"),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return -ENOENT;
+
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "an error in a number without a sign is one to the caller",
        _errors("-ENOENT", "(int)ret < 0", "drop"),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return -ENOENT;
+
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "the exit is that of another packet since",
        xmit(
            "\tif (!x)\n\t\tgoto drop;\n\tif (next)\n\t\tskb = next;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn NETDEV_TX_OK;\n\n"
            "drop:\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n",
            "\tstruct sk_buff *next = skb->next;\n",
        ),
        """\
+	unsigned long handle;
+
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle)
+		goto drop;
+
-	writel(x->xso.offload_handle, ex->hw);
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "fewer features for a packet without a handle",
        "static netdev_features_t example_features(struct sk_buff *skb, struct net_device *dev,\n"
        "\t\t\t\t\t  netdev_features_t features)\n{\n"
        "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\n"
        "\tif (x && !x->xso.offload_handle)\n\t\treturn features & ~NETIF_F_HW_ESP;\n"
        "\treturn features;\n}\n\n"
        "static const struct net_device_ops example_more_ops = {\n"
        "\t.ndo_features_check\t= example_features,\n};\n\n"
        "void example_use(struct net_device *dev)\n{\n\tdev->netdev_ops = &example_more_ops;\n}\n\n"
        "static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)\n{\n"
        "\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n}\n",
        """\
-	if (x && !x->xso.offload_handle)
+	if (x && !xfrm_dev_state_lower_handle(x, dev))
"""
        + _FLAG,
    ),
    Case(
        "what was received",
        "static int example_poll(struct napi_struct *napi, int budget)\n{\n"
        "\tstruct example *ex = netdev_priv(napi->dev);\n"
        "\tstruct sk_buff *skb = napi_get_frags(napi);\n"
        "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\n"
        "\tif (!x) {\n\t\tkfree_skb(skb);\n\t\treturn 0;\n\t}\n"
        "\tif (x->xso.offload_handle != ex->last) {\n\t\tkfree_skb(skb);\n\t\treturn 0;\n\t}\n"
        "\tnapi_gro_receive(napi, skb);\n\treturn 1;\n}\n\n"
        "void example_poll_for(struct example *ex, struct napi_struct *napi)\n{\n"
        "\tnetif_napi_add(ex->netdev, napi, example_poll);\n}\n\n"
        "static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)\n{\n"
        "\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n}\n",
        """\
+	unsigned long handle;
-	if (x->xso.offload_handle != ex->last) {
+	handle = xfrm_dev_state_lower_handle(x, napi->dev);
+	if (!handle) {
+		kfree_skb(skb);
+		return 0;
+	}
+
+	if (handle != ex->last) {
"""
        + _FLAG,
    ),
    Case(
        "what its caller has taken is given back there",
        _SIMPLE_TX.replace(
            "\tif (!example_tx(ex, skb))", "\tex->last--;\n\tif (!example_tx(ex, skb))"
        ).replace("drop:\n", "drop:\n\tex->last++;\n"),
        _SIMPLE_CONVERTED + _FLAG,
    ),
    *(
        Case(
            f"what its caller has written into the packet goes with it: {by}",
            _SIMPLE_TX.replace(
                "\tif (!example_tx(ex, skb))",
                f"\tstruct example *head = {made};\n\n\thead->last = 1;\n"
                "\tif (!example_tx(ex, skb))",
            ),
            _SIMPLE_CONVERTED + _FLAG,
        )
        for by, made in (
            ("a header", "(struct example *)skb_mac_header(skb)"),
            ("its data", "(struct example *)skb->data"),
        )
    ),
    Case(
        "what its caller has counted stays so for other reasons, too",
        _SIMPLE_TX.replace(
            "\tif (!example_tx(ex, skb))",
            "\tex->last++;\n\tif (skb->len > 9000)\n\t\tgoto drop;\n\tif (!example_tx(ex, skb))",
        ),
        _SIMPLE_CONVERTED + _FLAG,
    ),
    Case(
        "an exit that counts another reason is not taken",
        xmit(
            "\tif (skb->len > 9000)\n\t\tgoto too_long;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn NETDEV_TX_OK;\n\n"
            "too_long:\n\tex->last++;\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n"
        ),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle) {
+		dev->stats.tx_dropped++;
+		dev_kfree_skb_any(skb);
+		return NETDEV_TX_OK;
+	}
+
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "behind the exit, before anything is taken",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n\tex->last++;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
        ),
        """\
+	unsigned long handle;
+
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
-	writel(x->xso.offload_handle, ex->hw);
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "a packet that was freed is not told as to be sent again",
        example_tx(
            "\tif (!x)\n\t\tgoto drop;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n\n"
            "drop:\n\tdev_kfree_skb_any(skb);\n\treturn false;\n"
        )
        .replace(
            "\t\tgoto drop;\n\twritel(skb->len", "\t\treturn NETDEV_TX_BUSY;\n\twritel(skb->len"
        )
        .replace("\n\ndrop:\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n", "\n")
        .replace("\twritel(skb->len, ex->hw + 1);\n", ""),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		goto drop;
+
+	writel(handle, ex->hw);
-	return false;
+	return true;
"""
        + _FLAG,
    ),
    Case(
        "a helper of add is handed the device",
        "static u32 example_number(struct xfrm_state *x)\n{\n"
        "\tstruct net_device *dev = x->xso.dev;\n\tstruct example *ex = netdev_priv(dev);\n\n"
        "\treturn ++ex->last;\n}\n\n"
        "static int example_other(struct net_device *dev, struct xfrm_state *x,\n"
        "\t\t\t struct netlink_ext_ack *extack)\n{\n"
        "\tif (example_number(x) > 8)\n\t\treturn -ENOSPC;\n"
        "\treturn example_add(dev, x, extack);\n}\n\n"
        + example_tx(
            "\tif (!x->xso.offload_handle)\n\t\treturn false;\n"
            "\twritel(1, ex->hw);\n\treturn true;\n"
        ),
        """\
-static u32 example_number(struct xfrm_state *x)
+static u32 example_number(struct net_device *dev, struct xfrm_state *x)
-	struct net_device *dev = x->xso.dev;
-	if (example_number(x) > 8)
+	if (example_number(dev, x) > 8)
-	if (!x->xso.offload_handle)
+	if (!xfrm_dev_state_lower_handle(x, ex->netdev))
"""
        + _FLAG,
    ),
    Case(
        "what delete frees is freed with the state",
        "static void example_gone(struct net_device *dev, struct xfrm_state *x)\n{\n"
        "\tstruct example *ex = netdev_priv(dev);\n\tstruct example_sa *sa;\n\n"
        "\tif (x->xso.dir == XFRM_DEV_OFFLOAD_IN)\n\t\treturn;\n\n"
        "\tsa = (struct example_sa *)x->xso.offload_handle;\n\twritel(sa->iova, ex->hw);\n\n"
        "\tx->xso.offload_handle = 0;\n\tkfree(sa);\n}\n\n"
        + example_tx(
            "\tif (!x->xso.offload_handle)\n\t\treturn false;\n"
            "\twritel(1, ex->hw);\n\treturn true;\n"
        ),
        """\
+}
-	x->xso.offload_handle = 0;
+static void example_gone_free(struct net_device *dev, struct xfrm_state *x)
+{
+	struct example_sa *sa;
+
+	if (x->xso.dir == XFRM_DEV_OFFLOAD_IN)
+		return;
+
+	sa = (struct example_sa *)x->xso.offload_handle;
-	if (!x->xso.offload_handle)
+	if (!xfrm_dev_state_lower_handle(x, ex->netdev))
+	.xdo_dev_state_free	= example_gone_free,
"""
        + _FLAG,
    ),
    Case(
        "never queued again: the label that frees the packet",
        xmit(
            "\tif (!x->xso.offload_handle)\n\t\treturn NETDEV_TX_BUSY;\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n\tif (skb->len > 9000)\n\t\tgoto drop;\n"
            "\treturn NETDEV_TX_OK;\n\ndrop:\n\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n"
        ),
        """\
+	unsigned long handle;
-	if (!x->xso.offload_handle)
-		return NETDEV_TX_BUSY;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle)
+		goto drop;
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "a helper that returns the handle is handed the device",
        "static struct example_sa *example_sa_of(struct xfrm_state *x)\n{\n"
        "\treturn (struct example_sa *)x->xso.offload_handle;\n}\n\n"
        + example_tx(
            "\tsa = example_sa_of(x);\n\tif (!sa)\n\t\treturn false;\n"
            "\twritel(sa->iova, ex->hw);\n\treturn true;\n",
            "\tstruct example_sa *sa;\n",
        ),
        """\
-static struct example_sa *example_sa_of(struct xfrm_state *x)
+static struct example_sa *example_sa_of(struct net_device *dev,
+					struct xfrm_state *x)
-	return (struct example_sa *)x->xso.offload_handle;
+	return (struct example_sa *)xfrm_dev_state_lower_handle(x, dev);
-	sa = example_sa_of(x);
+	sa = example_sa_of(ex->netdev, x);
"""
        + _FLAG,
    ),
    Case(
        "the packet's own device where the driver's member can hold another",
        _JOIN
        + example_tx(
            "\tif (!x->xso.offload_handle)\n\t\treturn false;\n"
            "\twritel(1, ex->hw);\n\treturn true;\n"
        ),
        """\
-	if (!x->xso.offload_handle)
+	if (!xfrm_dev_state_lower_handle(x, skb->dev))
"""
        + _FLAG,
    ),
    Case(
        "callers that go on get a test, and leave as they do",
        "static bool example_prepare(struct example *ex, struct sk_buff *skb)\n{\n"
        "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\n"
        "\tif (!x)\n\t\treturn false;\n"
        "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n}\n\n"
        "static int example_meta(struct example *ex, struct sk_buff *skb, bool *ipsec)\n{\n"
        "\tif (xfrm_offload(skb))\n\t\t*ipsec = example_prepare(ex, skb);\n"
        "\tif (skb->len < 8)\n\t\treturn -ENOMEM;\n\treturn 0;\n}\n"
        + _XMIT.replace(
            "if (!example_tx(ex, skb))", "if (example_meta(ex, skb, &ipsec) < 0)"
        ).replace("netdev_priv(dev);\n", "netdev_priv(dev);\n\tbool ipsec = false;\n"),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	writel(handle, ex->hw);
-	if (xfrm_offload(skb))
+	if (xfrm_offload(skb)) {
+		if (!*ipsec)
+			return -EINVAL;
+	}
"""
        + _FLAG,
    ),
    Case(
        "the resolver was asked for the state's device, and there is a better one",
        example_tx(
            "\tunsigned long h;\n\n\tif (!x)\n\t\treturn false;\n"
            "\th = xfrm_dev_state_lower_handle(x, x->xso.dev);\n"
            "\tif (!h)\n\t\treturn false;\n"
            "\twritel(h, ex->hw);\n\treturn true;\n"
        ),
        """\
-	h = xfrm_dev_state_lower_handle(x, x->xso.dev);
+	h = xfrm_dev_state_lower_handle(x, ex->netdev);
"""
        + _FLAG,
    ),
    Case(
        "a variable goes with its last use",
        example_tx(
            "\tif (!x->xso.offload_handle)\n\t\treturn false;\n"
            "\tif (example_csum(skb))\n\t\twritel(1, ex->hw);\n\treturn true;\n"
        ).replace(
            "static bool example_tx",
            "static bool example_csum(struct sk_buff *skb)\n{\n"
            "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\n"
            "\treturn x->xso.dev->features & NETIF_F_HW_ESP_TX_CSUM;\n}\n\n"
            "static bool example_tx",
        ),
        """\
-	struct xfrm_state *x = xfrm_input_state(skb);
-
-	return x->xso.dev->features & NETIF_F_HW_ESP_TX_CSUM;
+	return skb->dev->features & NETIF_F_HW_ESP_TX_CSUM;
-	if (!x->xso.offload_handle)
+	if (!xfrm_dev_state_lower_handle(x, ex->netdev))
"""
        + _FLAG,
    ),
    Case(
        "all is done but for the promise",
        example_tx(
            "\tunsigned long h;\n\n\tif (!x)\n\t\treturn false;\n"
            "\th = xfrm_dev_state_lower_handle(x, ex->netdev);\n"
            "\tif (!h)\n\t\treturn false;\n"
            "\twritel(h, ex->hw);\n\treturn true;\n"
        ),
        _FLAG,
    ),
    Case(
        "an exit is taken that does not use what the read sets",
        xmit(
            "\tif (skb->len > 9000)\n\t\tgoto plain;\n"
            "\tsa = (struct example_sa *)x->xso.offload_handle;\n"
            "\tif (sa->used)\n\t\tgoto drop;\n\twritel(sa->iova, ex->hw);\n"
            "\treturn NETDEV_TX_OK;\n\ndrop:\n\tsa->iova++;\nplain:\n"
            "\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n",
            "\tstruct example_sa *sa;\n",
        ),
        "+	unsigned long handle;\n"
        "-	sa = (struct example_sa *)x->xso.offload_handle;\n"
        "+	handle = xfrm_dev_state_lower_handle(x, dev);\n"
        "+	if (!handle)\n+		goto plain;\n+\n+	sa = (struct example_sa *)handle;\n"
        + _FLAG,
    ),
    Case(
        "a section that has an exit is left by that",
        example_tx(
            "\tif (!x)\n\t\treturn false;\n\trcu_read_lock();\n"
            "\tsa = (struct example_sa *)x->xso.offload_handle;\n"
            "\tif (sa->used) {\n\t\trcu_read_unlock();\n\t\treturn false;\n\t}\n"
            "\twritel(sa->iova, ex->hw);\n\trcu_read_unlock();\n\treturn true;\n",
            "\tstruct example_sa *sa;\n",
        ),
        "+	unsigned long handle;\n"
        "-	sa = (struct example_sa *)x->xso.offload_handle;\n"
        "+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);\n"
        "+	if (!handle) {\n+		rcu_read_unlock();\n+		return false;\n+	}\n+\n"
        "+	sa = (struct example_sa *)handle;\n" + _FLAG,
    ),
    Case(
        "the caller undoes what it has done",
        _SIMPLE_TX.replace(
            "\tif (!example_tx(ex, skb))", "\tspin_lock(&ex->lock);\n\tif (!example_tx(ex, skb))"
        )
        .replace("\twritel(skb->len", "\tspin_unlock(&ex->lock);\n\twritel(skb->len")
        .replace("drop:\n", "drop:\n\tspin_unlock(&ex->lock);\n"),
        "+	unsigned long handle;\n"
        "-	writel(x->xso.offload_handle, ex->hw);\n"
        "+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);\n"
        "+	if (!handle)\n+		return false;\n+\n+	writel(handle, ex->hw);\n" + _FLAG,
    ),
    Case(
        "of two tests the second is for the exit's value",
        _errors("-EINVAL", "ret == -ENOMEM", "plain").replace("if (!ret)", "if (ret < 0)"),
        "+	unsigned long handle;\n"
        "-	writel(x->xso.offload_handle, ex->hw);\n"
        "+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);\n"
        "+	if (!handle)\n+		return -EINVAL;\n+\n+	writel(handle, ex->hw);\n" + _FLAG,
    ),
    Case(
        "the second test is for 0",
        _errors("0", "ret < 0", "drop"),
        "+	unsigned long handle;\n"
        "-	writel(x->xso.offload_handle, ex->hw);\n"
        "+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);\n"
        "+	if (!handle)\n+		return 0;\n+\n+	writel(handle, ex->hw);\n" + _FLAG,
    ),
)


def _name(case: Case) -> str:
    return case.what


def source_of(datapath: str) -> str:
    """Return a driver with a datapath, and with what of its callbacks that brings."""
    delete = "example_gone" if "example_gone" in datapath else "example_delete"
    add = "example_other" if "example_other" in datapath else "example_add"
    tail = _TAIL.replace("= example_delete", f"= {delete}").replace("= example_add", f"= {add}")
    if "example_ok" in datapath:
        tail = tail.replace(
            "= example_add,", "= example_add,\n\t.xdo_dev_offload_ok\t= example_ok,"
        )
    return _HEAD + datapath + tail


def changed_in(mail: str) -> str:
    """Return the changed lines of a mail."""
    _, _, diff = mail.partition("\ndiff --git ")
    diff, _, _ = diff.partition("\n-- \n")
    lines = [
        line for line in diff.split("\n") if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    return "\n".join(line for line in lines if line)


@pytest.mark.parametrize("case", REFUSED, ids=_name)
def test_where_anything_is_in_doubt_the_reason_is_all(case: Case, tmp_path: Path) -> None:
    tree = lay_example(source_of(case.datapath), tmp_path / "t")
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("example: not converted\n")
    assert case.said in ran.err
    assert f"  {EXAMPLE}:" in ran.err


@pytest.mark.parametrize("case", CONVERTED, ids=_name)
def test_what_is_changed(case: Case, tmp_path: Path) -> None:
    tree = lay_example(source_of(case.datapath), tmp_path / "t")
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert changed_in(ran.out) == case.said


@pytest.mark.parametrize("case", CONVERTED, ids=_name)
def test_git_takes_the_mail_and_then_there_is_nothing_to_do(case: Case, tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.fail("git is needed to see whether it takes a mail")
    tree = lay_example(source_of(case.datapath), tmp_path / "t")
    mails = run("convert", tree, "example", "-o", tmp_path / "out", cwd=tmp_path).out.split("\n")
    for command in (
        ("init", "-q"),
        ("add", "."),
        ("commit", "-qm", "base"),
        ("am", "-q", mails[0]),
    ):
        name = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *name, *command], cwd=tree, check=True, capture_output=True)
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.out, ran.err) == (0, "", "example: nothing to convert\n")
    found = run("check", tree, "--terse", "--show-types", "--no-cache", cwd=tmp_path)
    assert [
        line for line in found.out.split("\n") if ": ERROR" in line or ": WARNING" in line
    ] == []


_HEADER = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

struct example_sa {
	u32 iova;
};

#ifdef CONFIG_XFRM_OFFLOAD
struct example_sa *example_sa_of(struct xfrm_state *x);
#else
static inline struct example_sa *example_sa_of(struct xfrm_state *x)
{
	return NULL;
}
#endif
"""
_SOURCE = """\
#include "example.h"

struct example_sa *example_sa_of(struct xfrm_state *x)
{
	return (struct example_sa *)x->xso.offload_handle;
}
"""
_MAIN = """\
#include "example.h"

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}

static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct xfrm_state *x = xfrm_input_state(skb);
	struct example_sa *sa;

	sa = example_sa_of(x);
	if (!sa) {
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
	writel(sa->iova, netdev_priv(dev));
	return NETDEV_TX_OK;
}

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
};

static const struct net_device_ops example_netdev_ops = {
	.ndo_start_xmit	= example_xmit,
};

void example_probe(struct net_device *dev)
{
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""


def _module(tmp_path: Path, source: str = _SOURCE) -> Path:
    """Lay a driver of two files and a header."""
    tree = lay_example(_MAIN, tmp_path / "t")
    folder = (tree / EXAMPLE).parent
    (folder / "example.c").rename(folder / "main.c")
    (folder / "example.h").write_text(_HEADER, "utf-8")
    (folder / "ipsec.c").write_text(source, "utf-8")
    (folder / "Makefile").write_text("obj-m += example.o\nexample-y := main.o ipsec.o\n", "utf-8")
    return tree


def test_a_device_is_handed_down_across_the_files_of_a_module(tmp_path: Path) -> None:
    tree = _module(tmp_path)
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert (
        changed_in(ran.out)
        == """\
-struct example_sa *example_sa_of(struct xfrm_state *x);
+struct example_sa *example_sa_of(struct net_device *dev, struct xfrm_state *x);
-static inline struct example_sa *example_sa_of(struct xfrm_state *x)
+static inline struct example_sa *example_sa_of(struct net_device *dev,
+					       struct xfrm_state *x)
-struct example_sa *example_sa_of(struct xfrm_state *x)
+struct example_sa *example_sa_of(struct net_device *dev, struct xfrm_state *x)
-	return (struct example_sa *)x->xso.offload_handle;
+	return (struct example_sa *)xfrm_dev_state_lower_handle(x, dev);
-	sa = example_sa_of(x);
+	sa = example_sa_of(dev, x);
"""
        + _FLAG
    )


_GENERATIONS = {
    "example.h": """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

struct example {
	struct net_device *netdev;
	const struct example_dp_ops *ops;
	u32 *hw;
};

struct example_dp_ops {
	netdev_tx_t (*xmit)(struct sk_buff *skb, struct example *ex);
};

extern const struct example_dp_ops example_first, example_second;

static inline bool example_prep(struct example *ex, struct sk_buff *skb, u32 *id)
{
	struct xfrm_state *x = xfrm_input_state(skb);

	if (!x)
		return false;
	*id = x->xso.offload_handle;
	return true;
}
""",
    "first.c": """\
#include "example.h"

static netdev_tx_t example_first_xmit(struct sk_buff *skb, struct example *ex)
{
	u32 id;

	if (xfrm_offload(skb) && !example_prep(ex, skb, &id)) {
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
	writel(id, ex->hw);
	return NETDEV_TX_OK;
}

const struct example_dp_ops example_first = { .xmit = example_first_xmit };
""",
    "second.c": """\
#include "example.h"

static netdev_tx_t example_second_xmit(struct sk_buff *skb, struct example *ex)
{
	u32 id;
	bool ok;

	ok = example_prep(ex, skb, &id);
	if (unlikely(!ok))
		goto drop;
	writel(id, ex->hw + 1);
	return NETDEV_TX_OK;

drop:
	ex->netdev->stats.tx_dropped++;
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

const struct example_dp_ops example_second = { .xmit = example_second_xmit };
""",
    "main.c": """\
#include "example.h"

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}

static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct example *ex = netdev_priv(dev);

	return ex->ops->xmit(skb, ex);
}

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
};

static const struct net_device_ops example_netdev_ops = {
	.ndo_start_xmit	= example_xmit,
};

void example_probe(struct net_device *dev, bool old)
{
	struct example *ex = netdev_priv(dev);

	ex->netdev = dev;
	ex->ops = old ? &example_first : &example_second;
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
""",
}


def _generations(tmp_path: Path, old: str = "", new: str = "") -> Path:
    """Lay a driver of two generations that prepare packets in an inline; old is replaced by new."""
    tree = lay_example("", tmp_path / "t")
    folder = (tree / EXAMPLE).parent
    (folder / "example.c").unlink()
    for name, text in _GENERATIONS.items():
        (folder / name).write_text(text.replace(old, new) if old else text, "utf-8")
    objects = "obj-m += example.o\nexample-y := main.o first.o second.o\n"
    (folder / "Makefile").write_text(objects, "utf-8")
    return tree


def test_an_inline_of_two_generations_is_converted_where_both_drop(tmp_path: Path) -> None:
    ran = run("convert", _generations(tmp_path), "example", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert (
        changed_in(ran.out)
        == """\
+	unsigned long handle;
-	*id = x->xso.offload_handle;
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	*id = handle;
"""
        + _FLAG
    )


def test_one_generation_that_goes_on_is_enough_against_it(tmp_path: Path) -> None:
    tree = _generations(tmp_path, "\tif (unlikely(!ok))\n\t\tgoto drop;\n", "\tif (ok)\n")
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert "the packet is not freed, and nobody is seen to notice" in ran.err
    assert "main.c" in ran.err


@pytest.mark.parametrize(
    "more",
    [
        "EXPORT_SYMBOL_GPL(example_sa_of);\n",
        "struct example_sa *(*example_getter)(struct xfrm_state *x) = example_sa_of;\n",
        "#define example_get(x) example_sa_of(x)\n",
    ],
)
def test_nothing_is_handed_to_a_function_that_is_more_than_called(
    more: str, tmp_path: Path
) -> None:
    tree = _module(tmp_path, _SOURCE + "\n" + more)
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert "example_sa_of(): no net_device is in reach" in ran.err


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("drivers/net/example/more.c", _SOURCE),
        (
            "include/net/example_lib.h",
            "struct xfrm_state;\nstruct example_sa *example_sa_of(struct xfrm_state *x);\n",
        ),
    ],
)
def test_nothing_is_handed_to_a_function_that_others_see(
    where: str, text: str, tmp_path: Path
) -> None:
    tree = _module(tmp_path, _SOURCE.replace("\n", "\n#include <net/example_lib.h>\n", 1))
    (tree / where).write_text(text, "utf-8")
    with (tree / EXAMPLE).with_name("Makefile").open("a", encoding="utf-8") as makefile:
        makefile.write("obj-m += more.o\n")
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert "example_sa_of(): no net_device is in reach" in ran.err


def test_another_module_s_own_function_of_that_name_is_no_other_use(tmp_path: Path) -> None:
    tree = _module(tmp_path)
    own = "static int example_sa_of(int x)\n{\n\treturn x;\n}\n"
    (tree / EXAMPLE).with_name("more.c").write_text(own, "utf-8")
    with (tree / EXAMPLE).with_name("Makefile").open("a", encoding="utf-8") as makefile:
        makefile.write("obj-m += more.o\n")
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert "more.c" not in ran.out


_PREP = """\
#include "example.h"

void example_prep(struct net_device *dev, struct sk_buff *skb)
{
	if (!xfrm_offload(skb))
		return;
	writel(xfrm_input_state(skb)->xso.offload_handle, netdev_priv(dev));
}
"""


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("{\n}\n", "+\treturn true;\n"),
        ("{\n\tif (!skb)\n\t\treturn;\n\tskb->mark = 0;\n}\n", "+\t\treturn true;\n"),
        ("{\n\treturn (void)skb;\n}\n", ""),
    ],
)
def test_a_weak_definition_of_another_file_tells_too(other: str, told: str, tmp_path: Path) -> None:
    tree = _module(tmp_path, _PREP)
    folder = (tree / EXAMPLE).parent
    head = "void example_prep(struct net_device *dev, struct sk_buff *skb)"
    include = "#include <linux/netdevice.h>\n#include <net/xfrm.h>\n\n"
    (folder / "example.h").write_text(f"{include}{head};\n", "utf-8")
    weak = head.replace("void", "void __attribute__((weak))")
    (folder / "weak.c").write_text(f'#include "example.h"\n\n{weak}\n{other}', "utf-8")
    (folder / "Makefile").write_text(
        "obj-m += example.o\nexample-y := main.o ipsec.o weak.o\n", "utf-8"
    )
    begins = _MAIN.index("\tstruct xfrm_state *x = ")
    ends = _MAIN.index("static const struct xfrmdev_ops")
    (folder / "main.c").write_text(
        _MAIN[:begins] + "\tif (skb_cow_head(skb, 4))\n\t\tgoto drop;\n\texample_prep(dev, skb);\n"
        "\twritel(1, netdev_priv(dev));\n\treturn NETDEV_TX_OK;\n\ndrop:\n"
        "\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n}\n\n" + _MAIN[ends:],
        "utf-8",
    )
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, bool(ran.out)) == ((0, True) if told else (1, False)), ran.err
    assert told in ran.out.partition("+++ b/drivers/net/example/weak.c")[2]


def test_a_driver_that_keeps_the_contract_has_nothing_to_do(tmp_path: Path) -> None:
    tree = lay_fixture("rfc-converted", tmp_path / "t")
    ran = run("convert", tree, "--all", cwd=tmp_path)
    assert (ran.status, ran.out) == (0, "")
    assert "nothing to convert" in ran.err


def test_a_promise_that_stands_is_not_said_to_be_made(tmp_path: Path) -> None:
    flag = "\t.xdo_dev_state_add\t= example_add,\n"
    text = source_of(CONVERTED[0].datapath)
    promising = text.replace(flag, f"{flag}\t.flags\t\t\t= XFRMDEV_OPS_F_LOWER_HANDLE,\n")
    for source, said in (
        (text, "and promise so with XFRMDEV"),
        (promising, "as it promises already with XFRMDEV"),
    ):
        tree = lay_example(source, tmp_path / said.split()[0])
        ran = run("convert", tree, "example", cwd=tmp_path)
        assert (ran.status, ran.err) == (0, "")
        assert said in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("filled", "line"),
    [
        ("", "+\t.caps.flags\t\t= XFRMDEV_OPS_F_LOWER_HANDLE,"),
        ("\t.caps.flags = 0,\n", "+\t.caps.flags = XFRMDEV_OPS_F_LOWER_HANDLE,"),
        ("\t.caps = {\n\t\t.most = 8,\n\t},\n", "+\t\t.flags = XFRMDEV_OPS_F_LOWER_HANDLE,"),
        ("\t.caps = CAPS,\n", ""),
    ],
)
def test_a_promise_that_lies_in_a_struct_in_the_table(
    filled: str, line: str, tmp_path: Path
) -> None:
    add = "\t.xdo_dev_state_add\t= example_add,\n"
    text = source_of(CONVERTED[0].datapath)
    tree = lay_example(text.replace(add, f"{add}{filled}"), tmp_path / "t")
    header = tree / "include/linux/netdevice.h"
    flat = "	u32	flags;\n};\n#endif"
    assert flat in header.read_text()
    apart = "	struct { u32 most; u32 flags; } caps;\n};\n#endif"
    header.write_text(header.read_text().replace(flat, apart))
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, bool(ran.out)) == ((0, True) if line else (1, False)), ran.err
    assert line in ran.out.splitlines() or not line


def test_a_patch_that_can_t_be_written_is_named_and_not_left_behind(tmp_path: Path) -> None:
    tree = lay_example(source_of(CONVERTED[0].datapath), tmp_path / "t")
    name = run("convert", tree, "example", "-o", tmp_path / "o", cwd=tmp_path).out.strip()
    Path(name).unlink()
    Path(name).symlink_to("/dev/full")
    ran = run("convert", tree, "example", "-o", tmp_path / "o", cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert f"{name}: No space left on device" in ran.err
    assert not Path(name).is_symlink()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name drivers, or give --all"),
        (["nobody"], "nobody: no such driver; there are"),
        (["include/net"], "include/net: no such driver; there are"),
        (["example", "--all"], "name drivers, or give --all"),
    ],
)
def test_what_can_t_be_run_says_why(arguments: list[str], said: str, tmp_path: Path) -> None:
    tree = lay_example(source_of(CONVERTED[0].datapath), tmp_path / "t")
    ran = run("convert", tree, *arguments, cwd=tmp_path)
    assert ran.status == 2
    assert said in ran.err


@pytest.mark.parametrize("path", [EXAMPLE, str(Path(EXAMPLE).parent), "drivers/net/"])
def test_a_path_means_the_drivers_that_have_files_there(path: str, tmp_path: Path) -> None:
    tree = lay_example(source_of(CONVERTED[0].datapath), tmp_path / "t")
    named = run("convert", tree, "example", cwd=tmp_path)
    assert named.status == 0
    assert run("convert", tree, path, "example", cwd=tmp_path) == named
    assert run("convert", path, cwd=tree) == named
    assert run("convert", tree / path, cwd=tmp_path) == named


def test_a_tree_without_the_resolver_is_refused(tmp_path: Path) -> None:
    tree = lay_fixture("mainline-before", tmp_path / "t")
    ran = run("convert", tree, "--all", cwd=tmp_path)
    assert ran.status == 2
    assert "has no resolver; lay the series that brings it --on" in ran.err


def test_a_series_is_laid_first_and_the_tree_stays(tmp_path: Path) -> None:
    tree = lay_example(source_of(CONVERTED[0].datapath), tmp_path / "t")
    patch = tmp_path / "first.patch"
    patch.write_text(
        f"diff --git a/{EXAMPLE} b/{EXAMPLE}\n--- a/{EXAMPLE}\n+++ b/{EXAMPLE}\n"
        "@@ -1,2 +1,3 @@\n #include <linux/netdevice.h>\n+#include <linux/skbuff.h>\n"
        " #include <net/xfrm.h>\n",
        "utf-8",
    )
    before = (tree / EXAMPLE).read_bytes()
    plain = run("convert", tree, "example", cwd=tmp_path)
    laid = run("convert", tree, "example", "--on", patch, cwd=tmp_path)
    assert (laid.status, laid.err) == (0, "")
    assert changed_in(laid.out) == changed_in(plain.out)
    assert laid.out != plain.out
    assert (tree / EXAMPLE).read_bytes() == before


def test_the_mail_says_what_changes_and_is_signed_off_if_asked(tmp_path: Path) -> None:
    tree = lay_example(source_of(CONVERTED[0].datapath), tmp_path / "t")
    who = {"GIT_AUTHOR_NAME": "A Developer", "GIT_AUTHOR_EMAIL": "dev@example.org"}
    mail = run("convert", tree, "example", cwd=tmp_path, env=who).out
    assert mail.startswith(f"From {'0' * 40} Mon Sep 17 00:00:00 2001\nFrom: A Developer <dev@")
    assert "\nSubject: [PATCH] example: " in mail
    assert "ndo_start_xmit: example_xmit() -> example_tx()" in mail
    assert "active-backup, other lower  another device's handle  0 tested" in mail
    assert "Signed-off-by" not in mail
    assert "and promise so with XFRMDEV_OPS_F_LOWER_HANDLE, for" in " ".join(mail.split())
    signed = run("convert", tree, "example", "--signoff", cwd=tmp_path, env=who).out
    assert "\nSigned-off-by: A Developer <dev@example.org>\n---\n" in signed
    message, _, _ = signed.partition("\n---\n")
    assert max(map(len, message.split("\n"))) <= 75


def test_what_was_said_before_and_is_about_something_else_is_no_reason(tmp_path: Path) -> None:
    source = source_of(CONVERTED[0].datapath).replace(
        "static int example_add(",
        "/* xfrmlint: ignore[NO_SUCH_TYPE] */\nstatic int example_add(",
        1,
    )
    tree = lay_example(source, tmp_path / "t")
    said = run("check", tree, "--terse", "--show-types", "--no-cache", cwd=tmp_path).out
    assert "SUPPRESSION_WITHOUT_TYPE" in said
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert changed_in(ran.out) == CONVERTED[0].said


_BOND = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

struct top {
	struct net_device *active;
};

static int top_add(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct top *top = netdev_priv(x->xso.dev);
	struct net_device *lower = top->active;
	int err;

	%s
	return err;
}

static void top_delete(struct xfrm_state *x)
{
	%s
	x->xso.real_dev->xfrmdev_ops->xdo_dev_state_delete(x);
}

static const struct xfrmdev_ops top_xfrmdev_ops = {
	.xdo_dev_state_add	= top_add,
	.xdo_dev_state_delete	= top_delete,
};

void top_init(struct net_device *dev)
{
	dev->xfrmdev_ops = &top_xfrmdev_ops;
}
"""
_PINS = "x->xso.real_dev = lower;"
_ADDS = "err = lower->xfrmdev_ops->xdo_dev_state_add(x, extack);"


@pytest.mark.parametrize(
    ("add", "delete", "said"),
    [
        (_PINS + "\n\t" + _ADDS, "", ()),
        (_ADDS + "\n\t" + _PINS, "", ("example_add", "xdo_dev_state_add")),
        (
            _PINS + "\n\t" + _ADDS,
            "x->xso.real_dev = NULL;",
            ("example_delete", "xdo_dev_state_delete"),
        ),
    ],
)
def test_a_promise_needs_an_owner_that_tells_each_callback_its_device(
    add: str, delete: str, said: tuple[str, ...], tmp_path: Path
) -> None:
    source = source_of(_SIMPLE_TX).replace("(struct net_device *dev, struct xfrm", "(struct xfrm")
    source = source.replace("netdev_priv(dev);\n\n\tx->", "netdev_priv(x->xso.real_dev);\n\n\tx->")
    source = source.replace(
        "netdev_priv(dev);\n\n\tex->last--", "netdev_priv(x->xso.real_dev);\n\n\tex->last--"
    )
    assert source.count("real_dev") == 2
    tree = lay_example(source, tmp_path / "t")
    header = tree / "include/linux/netdevice.h"
    text = header.read_text("utf-8")
    for slot in ("add", "delete", "free"):
        text = text.replace(f"{slot})(struct net_device *dev, struct", f"{slot})(struct")
    header.write_text(text, "utf-8")
    (tree / "drivers/net/top").mkdir()
    (tree / "drivers/net/top/top.c").write_text(_BOND % (add, delete), "utf-8")
    (tree / "drivers/net/top/Makefile").write_text("obj-m += top.o\n", "utf-8")
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert ran.status == (1 if said else 0), ran.err
    for word in said:
        assert word in ran.err
    assert ("where xso.real_dev is not set to it" in ran.err) == bool(said)


def test_the_mail_says_what_the_tree_s_own_bond_hands_on(tmp_path: Path) -> None:
    tree = lay("shared", tmp_path / "t")
    for path, old, new in (
        (
            "bonding/bond_ipsec.c",
            "	.xdo_dev_state_lower_handle	= bond_ipsec_lower_handle,\n",
            "",
        ),
        (
            "stoat/stoat_main.c",
            "xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev);",
            "xfrm_input_state(skb)->xso.offload_handle;",
        ),
    ):
        file = tree / "drivers/net" / path
        text = file.read_text("utf-8")
        assert text.count(old) == 1
        file.write_text(text.replace(old, new), "utf-8")
    ran = run("convert", tree, "stoat", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert "LAG, lower B another device's handle 0 tested" in " ".join(ran.out.split())
