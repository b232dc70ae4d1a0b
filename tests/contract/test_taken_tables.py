"""A device that takes over another one's ops table, whose callbacks then run for it, too."""

from pathlib import Path

import pytest

from tests.asked import analysis_of, report_on
from tests.laid import EXAMPLE, lay_example
from tests.ran import run
from xfrmlint.tree.folder import Folder

DRIVER = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

struct example {
	struct net_device *netdev;
	void *hw;
};

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}

static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct xfrm_state *x = xfrm_input_state(skb);
	struct example *ex = netdev_priv(dev);
	unsigned long handle;

	handle = HANDLE;
	if (!handle) {
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
	writel(handle, ex->hw);
	return NETDEV_TX_OK;
}

static const struct net_device_ops example_netdev_ops = {
	.ndo_start_xmit		= example_xmit,
};

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
FLAG};

void example_init(struct net_device *dev)
{
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
FLAG = "	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,\n"
VLAN = """\
#include <linux/netdevice.h>

struct vlan { struct net_device *real, *dev; const struct xfrmdev_ops *saved; };
static const struct xfrmdev_ops vlan_ops;
BEFORE
static void vlan_set_up(struct net_device *dev)
{
	struct vlan *vlan = netdev_priv(dev);
	struct net_device *real = vlan->real;

	BODY
}
"""
INHERIT = """\
static void inherit(struct net_device *dev, const struct xfrmdev_ops *ops)
{
	dev->xfrmdev_ops = ops;
}
"""
ASKS = "xfrm_dev_state_lower_handle(x, %s)"
TAKEN = "dev->xfrmdev_ops = real->xfrmdev_ops;"


def laid(path: Path, body: str, before: str = "", handle: str = ASKS % "dev") -> Path:
    text = DRIVER.replace("HANDLE", handle, 1)
    tree = lay_example(
        text.replace("FLAG}", (FLAG if "lower_handle" in handle else "") + "}"), path
    )
    (tree / "net/8021q").mkdir()
    vlan = VLAN.replace("BODY", body).replace("BEFORE", before)
    (tree / "net/8021q/vlan_dev.c").write_text(vlan)
    return tree


def told(tree: Path) -> list[str]:
    report = report_on(Folder(tree))
    assert not report.findings
    return [f"{u.path} {u.reason}" for u in report.unknown]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "dev->xfrmdev_ops = NULL;",
        "dev->xfrmdev_ops = &vlan_ops; if (real->xfrmdev_ops) dev->features |= 1;",
        "const struct xfrmdev_ops *ops = dev->xfrmdev_ops; dev->xfrmdev_ops = ops;",
        "const struct xfrmdev_ops *ops = real->xfrmdev_ops; if (ops) dev->features |= 1;",
        "/* dev->xfrmdev_ops = real->xfrmdev_ops; */",
    ],
)
def test_each_device_has_its_own_table(body: str, tmp_path: Path) -> None:
    assert told(laid(tmp_path, body)) == []


@pytest.mark.parametrize(
    ("body", "before"),
    [
        (TAKEN, ""),
        ("dev->xfrmdev_ops = vlan->real->xfrmdev_ops;", ""),
        ("const struct xfrmdev_ops *ops = real->xfrmdev_ops; if (ops) dev->xfrmdev_ops = ops;", ""),
        ("dev->xfrmdev_ops = real->features ? real->xfrmdev_ops : NULL;", ""),
        ("WRITE_ONCE(dev->xfrmdev_ops, READ_ONCE(real->xfrmdev_ops));", ""),
        ("inherit(dev, real->xfrmdev_ops);", INHERIT),
    ],
)
def test_a_table_that_is_taken_over_is_told(body: str, before: str, tmp_path: Path) -> None:
    (one,) = told(laid(tmp_path, body, before))
    assert one.startswith("net/8021q/vlan_dev.c a device takes over the xfrmdev_ops of ")


def test_a_folder_alone_shows_what_the_tree_shows(tmp_path: Path) -> None:
    tree = laid(tmp_path, TAKEN)
    whole, part = (
        analysis_of(Folder(tree), under=under).facts.whole.contract.taken
        for under in ([], ["drivers/net/example"])
    )
    assert whole == part is not None


@pytest.mark.parametrize(("body", "status"), [("", 0), (TAKEN, 1)])
def test_no_driver_is_converted_whose_table_another_device_takes(
    body: str, status: int, tmp_path: Path
) -> None:
    tree = laid(tmp_path / "t", body, handle="x->xso.offload_handle")
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, EXAMPLE in ran.out) == (status, not status), ran.err
    assert ("a device takes over the xfrmdev_ops of real" in ran.err) == bool(status)
