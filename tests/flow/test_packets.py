"""Whose device a packet has: the one that the entry got, and those that are made on the way."""

import re

import pytest

from tests.asked import Base
from tests.laid import files_of

BASE = Base(files_of("base/rfc"))
DRIVER = """\
#include <linux/etherdevice.h>
#include <linux/io.h>
#include <linux/netdevice.h>
#include <net/xfrm.h>

struct sk_buff *vendor_next(struct example *p);
struct sk_buff *vendor_changed(struct sk_buff *s);
int example_poll(struct napi_struct *napi, int budget);

struct example {
	int n;
	struct napi_struct napi;
	u32 __iomem *io;
};

static void example_to(struct sk_buff *s, struct net_device *d)
{
	s->dev = d;
}

static void example_on(struct sk_buff *s, struct net_device *d)
{
	example_to(s, d);
}

static void example_once(struct sk_buff *s, struct net_device *d)
{
	WRITE_ONCE(s->dev, d);
}

static struct sk_buff *example_made(struct net_device *d)
{
	struct sk_buff *s = alloc_skb(9, GFP_ATOMIC);

	if (s)
		s->dev = d;
	return s;
}

static struct sk_buff *example_bare(void)
{
	struct sk_buff *s = alloc_skb(9, GFP_ATOMIC);

	return s;
}

static u32 example_asked(struct sk_buff *s)
{
	return xfrm_dev_state_lower_handle(xfrm_input_state(s), s->dev);
}

static u32 example_further(struct sk_buff *s)
{
	return example_asked(s);
}

static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct net_device *d, *master = netdev_master_upper_dev_get_rcu(dev);
	struct xfrm_state *x = xfrm_input_state(skb);
	struct example *p = netdev_priv(dev);
	struct sk_buff *n;
	u32 h;

	BODY
	if (h)
		writel(h, p->io);
	return NETDEV_TX_OK;
}

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
	struct example *p = netdev_priv(dev);

	netif_napi_add(dev, &p->napi, example_poll);
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
OWN = {
    "the packet's own": "ASK(skb->dev);",
    "alloc_skb, then given one": "ALLOC; n->dev = dev; ASK(n->dev);",
    "given one by a function": "ALLOC; example_to(n, dev); ASK(n->dev);",
    "made with one by a function": "n = example_made(dev); ASK(n->dev);",
    "netdev_alloc_skb": "n = netdev_alloc_skb(dev, 9); ASK(n->dev);",
    "napi_alloc_skb": "n = napi_alloc_skb(&p->napi, 9); ASK(n->dev);",
    "xdp_build_skb_from_frame": "n = xdp_build_skb_from_frame(f, dev); ASK(n->dev);",
    "a driver's that is given one": "n = vendor_changed(skb); ASK(n->dev);",
    "eth_type_trans": "n = build_skb(p, 9); n->protocol = eth_type_trans(n, dev); ASK(n->dev);",
    "skb_clone": "n = skb_clone(skb, GFP_ATOMIC); ASK(n->dev);",
    "the other packet is asked": "ALLOC; n->dev = master; ASK(skb->dev);",
    "sent on to the same": "example_on(skb, dev); ASK(skb->dev);",
    "sent on, and back": "example_on(skb, master); skb->dev = dev; ASK(skb->dev);",
    "kept before": "d = skb->dev; skb->dev = master; ASK(d);",
}
ANOTHERS = {
    "alloc_skb": "ALLOC; ASK(n->dev);",
    "build_skb": "n = build_skb(p, 9); skb_put(n, 2); ASK(n->dev);",
    "napi_build_skb": "n = napi_build_skb(p, 9); ASK(n->dev);",
    "xdp_build_skb_from_frame": "n = xdp_build_skb_from_frame(f, master); ASK(n->dev);",
    "made without one by a function": "n = example_bare(); ASK(n->dev);",
    "one or the other": "n = skb; if (p->n) ALLOC; ASK(n->dev);",
    "netdev_alloc_skb of another": "n = netdev_alloc_skb(master, 9); ASK(n->dev);",
    "sent on": "skb->dev = master; ASK(skb->dev);",
    "sent on by a function": "example_to(skb, master); ASK(skb->dev);",
    "by a function that stores once": "example_once(skb, master); ASK(skb->dev);",
    "by a function of a function": "example_on(skb, master); ASK(skb->dev);",
    "eth_type_trans of another": "skb->protocol = eth_type_trans(skb, master); ASK(skb->dev);",
    "read into a variable": "skb->dev = master; d = skb->dev; ASK(d);",
}
WORDS = {
    "ALLOC": "n = alloc_skb(9, GFP_ATOMIC)",
    "ASK(": "h = xfrm_dev_state_lower_handle(x, ",
}


def reported(body: str) -> tuple[list[str], list[str]]:
    """Return the types that are reported, and what is not known but of sleeping."""
    for word, text in WORDS.items():
        body = body.replace(word, text)
    report = BASE.check_example(DRIVER.replace("BODY", body))
    reasons = [u.reason for u in report.unknown if "must not sleep" not in u.reason]
    return [f.type for f in report.findings], reasons


@pytest.mark.parametrize("body", OWN.values(), ids=OWN)
def test_the_device_at_work_may_be_asked_for(body: str) -> None:
    assert reported(body) == ([], [])


@pytest.mark.parametrize("body", ANOTHERS.values(), ids=ANOTHERS)
def test_another_device_may_not(body: str) -> None:
    assert reported(body)[0] == ["WRONG_LOWER_DEV"]


@pytest.mark.parametrize(
    "body",
    [
        "ALLOC; vendor_own(n, dev); ASK(n->dev);",
        # Nobody knows where it comes from, either.
        "n = vendor_next(p); ASK(n->dev);",
        "n = skb; while (p->n--) n = vendor_next(p); ASK(n->dev);",
    ],
)
def test_what_nobody_knows_may_have_given_it_one(body: str) -> None:
    found, unknown = reported(body)
    assert found == []
    assert unknown == ["which device the resolver is asked for is not known"]


@pytest.mark.parametrize(
    ("body", "types"),
    [
        ("h = example_further(skb); skb->dev = master;", []),
        ("skb->dev = master; h = example_further(skb);", ["WRONG_LOWER_DEV"]),
    ],
)
def test_what_is_called_further_down_asks_for_what_the_packet_has(
    body: str, types: list[str]
) -> None:
    before, _, after = DRIVER.partition("static netdev_tx_t example_xmit")
    inside, ends, after = after.partition("\n}\n")
    # Nothing in the function itself reads a member of that name.
    inside = re.sub(r"\bdev([,)])", r"netdev\1", inside).replace("BODY", body)
    report = BASE.check_example(f"{before}static netdev_tx_t example_xmit{inside}{ends}{after}")
    assert [f.type for f in report.findings] == types


@pytest.mark.parametrize(
    ("filled", "types"),
    [
        ("p->kept[0] = netdev_alloc_skb(d, 9);", []),
        ("s = dev_alloc_skb(9); s->dev = d; p->kept[0] = s;", []),
        ("s = dev_alloc_skb(9); example_to(s, d); p->kept[0] = s;", []),
        ("p->kept[0] = dev_alloc_skb(9); p->kept[1] = s;", []),
        ("p->kept = kcalloc(9, sizeof(s), GFP_KERNEL);", []),
        ("p->kept[0] = dev_alloc_skb(9);", ["WRONG_LOWER_DEV"]),
        ("s = build_skb(p, 9); skb_put(s, 9); p->kept[p->n++] = s;", ["WRONG_LOWER_DEV"]),
        (
            "p->kept = kcalloc(9, sizeof(s), GFP_KERNEL); p->kept[0] = dev_alloc_skb(9);",
            ["WRONG_LOWER_DEV"],
        ),
    ],
)
def test_a_packet_that_was_kept_has_what_it_was_given(filled: str, types: list[str]) -> None:
    fill = "void example_fill(struct example *p, struct net_device *d, struct sk_buff *s)"
    text = DRIVER.replace("\tint n;\n", "\tint n;\n\tstruct sk_buff **kept;\n", 1)
    body = "n = p->kept[p->n]; h = xfrm_dev_state_lower_handle(x, n->dev);"
    text = text.replace("BODY", body) + f"\n{fill}\n{{\n\t{filled}\n}}\n"
    assert [f.type for f in BASE.check_example(text).findings] == types
    given = text.replace("h = xfrm", "n->dev = dev; h = xfrm")
    assert [f.type for f in BASE.check_example(given).findings] == []


@pytest.mark.parametrize(
    ("filled", "open_"),
    [
        ("p->kept[0] = netdev_alloc_skb(d, 9);", False),
        ("p->kept[0] = s;", False),
        # Nobody is seen to put any there; some have none.
        ("p->kept[0] = p->kept[0]->next;", True),
        ("p->kept[0] = vendor_next(p);", True),
        ("p->kept[0] = dev_alloc_skb(9); p->kept[1] = s;", True),
        ("p->kept[0] = dev_alloc_skb(9); p->kept[1] = vendor_next(p);", True),
    ],
)
def test_of_a_packet_that_nobody_kept_nothing_is_known(filled: str, open_: bool) -> None:
    fill = "void example_fill(struct example *p, struct net_device *d, struct sk_buff *s)"
    text = DRIVER.replace("\tint n;\n", "\tint n;\n\tstruct sk_buff **kept;\n", 1)
    body = "n = p->kept[p->n]; h = xfrm_dev_state_lower_handle(x, n->dev);"
    report = BASE.check_example(text.replace("BODY", body) + f"\n{fill}\n{{\n\t{filled}\n}}\n")
    reasons = [u.reason for u in report.unknown if "must not sleep" not in u.reason]
    assert not report.findings
    assert reasons == ["which device the resolver is asked for is not known"] * open_
