"""A driver around a few lines of C, and what is said of it."""

from tests.asked import Base
from tests.laid import EXAMPLE, files_of

BASE = Base(files_of("base/rfc"))
HEAD = """\
#include <linux/io.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <net/xfrm.h>

struct example;
struct example_ops {
	u32 (*get)(struct xfrm_state *x, struct net_device *dev);
	void (*out)(struct example *p, u32 h);
};

struct example {
	int n;
	u32 __iomem *io;
	const struct example_ops *ops;
};

static u32 example_last[8];

static u32 example_get(struct xfrm_state *x, struct net_device *dev)
{
	return xfrm_dev_state_lower_handle(x, dev);
}
"""
XMIT = """
static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct net_device *d = netdev_master_upper_dev_get_rcu(dev), *e = dev;
	struct example *p = netdev_priv(dev);
	struct xfrm_state *x = xfrm_input_state(skb);
	u32 h;

	BODY
	return NETDEV_TX_OK;
}
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
	INIT
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
UNTESTED = "writel(h, p->io); /* here */"
TESTED = "if (h) writel(h, p->io);"


def driver(outside: str, body: str, init: str = "") -> str:
    return HEAD + outside + XMIT.replace("BODY", body) + TAIL.replace("INIT", init)


def laid(files: dict[str, str], makefile: str = "obj-m += example.o\n") -> dict[str, bytes]:
    """Return a driver's files where they lie in a tree."""
    folder = EXAMPLE.rpartition("/")[0]
    named = {f"{folder}/{name}": text for name, text in files.items()}
    makefiles = {f"{folder}/Makefile": makefile, "drivers/net/Makefile": "obj-m += example/\n"}
    return {path: text.encode() for path, text in {**named, **makefiles}.items()}


def reported(files: dict[str, str], makefile: str = "") -> list[tuple[str, str]]:
    """Return the types that are reported for a driver, each with its line.

    makefile: what its Makefile says besides.
    """
    tree = laid(files, f"obj-m += example.o\n{makefile}")
    return [
        (f.type, tree[f.path].decode().splitlines()[f.line - 1].strip())
        for f in BASE.check(tree).findings
        if f.path in tree
    ]


def said(outside: str, body: str, init: str = "") -> list[tuple[str, str]]:
    return reported({"example.c": driver(outside, body, init)})
