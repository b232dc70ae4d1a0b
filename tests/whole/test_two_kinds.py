"""A module that makes ports and a trunk over them has two drivers, each with its own doors."""

import re

import pytest

from tests.laid import EXAMPLE
from tests.whole.around import BASE

PORTS = """\
#include <linux/io.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/xfrm.h>

struct port { struct net_device *dev; struct napi_struct napi; struct sk_buff *ready; void *io; };
struct trunk { struct net_device *port[2]; };
struct pipes { unsigned long handle[2]; };

static unsigned long field_of(struct xfrm_state *x)
{
	return x->xso.offload_handle; /* shared */
}

static netdev_tx_t port_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct xfrm_state *x = xfrm_input_state(skb);
	struct port *port = netdev_priv(dev);
	unsigned long h = xfrm_dev_state_lower_handle(x, dev);

	if (h)
		writel(h, port->io);
	PORT_XMIT
	return NETDEV_TX_OK;
}

static int port_poll(struct napi_struct *napi, int budget)
{
	struct port *port = container_of(napi, struct port, napi);
	struct xfrm_state *x = xfrm_input_state(port->ready);

	PORT_POLL
	return x ? 1 : 0;
}

static int port_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct port *port = netdev_priv(dev);

	x->xso.offload_handle = 1;
	return port->io ? 0 : -ENOMEM;
}

static void port_delete(struct net_device *dev, struct xfrm_state *x)
{
	PORT_DELETE
}

static const struct xfrmdev_ops port_xfrm = {
	.xdo_dev_state_add = port_add,
	.xdo_dev_state_delete = port_delete,
	.flags = XFRMDEV_OPS_F_LOWER_HANDLE,
};
static const struct net_device_ops port_netdev = { .ndo_start_xmit = port_xmit };
"""
TRUNK = """
static unsigned long trunk_handle(struct net_device *dev, struct xfrm_state *x,
				  struct net_device *lower_dev)
{
	struct trunk *trunk = netdev_priv(dev);
	const struct pipes *pipes;
	unsigned long handle = 0;

	rcu_read_lock();
	pipes = rcu_dereference(x->xso.upper_priv);
	if (pipes && trunk->port[0] == lower_dev)
		handle = pipes->handle[0];
	rcu_read_unlock();
	return handle;
}

static int trunk_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct pipes *pipes = kzalloc(sizeof(*pipes), GFP_KERNEL);
	struct trunk *trunk = netdev_priv(dev);
	struct net_device *lower = trunk->port[0];
	int err = -EOPNOTSUPP;

	if (!pipes)
		return -ENOMEM;
	if (lower->xfrmdev_ops->flags & XFRMDEV_OPS_F_LOWER_HANDLE)
		err = lower->xfrmdev_ops->xdo_dev_state_add(lower, x, extack);
	if (err) {
		kfree(pipes);
		return err;
	}
	pipes->handle[0] = x->xso.offload_handle;
	TRUNK_ADD
	x->xso.offload_handle = 0;
	rcu_assign_pointer(x->xso.upper_priv, pipes);
	return 0;
}

static void trunk_delete(struct net_device *dev, struct xfrm_state *x)
{
	struct pipes *pipes = rcu_dereference_protected(x->xso.upper_priv, 1);
	struct trunk *trunk = netdev_priv(dev);
	struct net_device *lower = trunk->port[0];

	if (!pipes)
		return;
	x->xso.offload_handle = pipes->handle[0];
	lower->xfrmdev_ops->xdo_dev_state_delete(lower, x);
	x->xso.offload_handle = 0;
}

static const struct xfrmdev_ops trunk_xfrm = {
	.xdo_dev_state_add = trunk_add,
	.xdo_dev_state_delete = trunk_delete,
	.xdo_dev_state_lower_handle = trunk_handle,
	TRUNK_FLAGS
};

static netdev_tx_t trunk_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct trunk *trunk = netdev_priv(dev);

	TRUNK_XMIT
	skb->dev = trunk->port[0];
	dev_queue_xmit(skb);
	return NETDEV_TX_OK;
}
static const struct net_device_ops trunk_netdev = { .ndo_start_xmit = trunk_xmit };

int make(struct net_device *dev, struct net_device *lower)
{
	struct trunk *trunk = netdev_priv(dev);
	struct port *port = netdev_priv(lower);

	port->dev = lower;
	lower->netdev_ops = &port_netdev;
	lower->xfrmdev_ops = &port_xfrm;
	netif_napi_add(lower, &port->napi, port_poll);
	trunk->port[0] = lower;
	dev->netdev_ops = &trunk_netdev;
	dev->xfrmdev_ops = &trunk_xfrm;
	return 0;
}
"""
PLACES = ("PORT_XMIT", "PORT_POLL", "PORT_DELETE", "TRUNK_ADD", "TRUNK_FLAGS", "TRUNK_XMIT")
READS = "writel(x->xso.offload_handle, port->io);"
SHARED = "writel(field_of(x), port->io);"
OF_TRUNK = "writel(field_of(xfrm_input_state(skb)), trunk);"
PLAINLY = "if (x->xso.upper_priv) return;"


def checked(places: dict[str, str], text: str = PORTS + TRUNK) -> tuple[list[str], list[str]]:
    """Return the types found, and why it is not known whether packets come somewhere."""
    for place in PLACES:
        text = text.replace(place, places.get(place, ""))
    report = BASE.check_example(text)
    found = [one.type for one in report.findings if one.path == EXAMPLE]
    reasons = [row.reason or "" for row in report.unknown]
    unknown = [reason for reason in reasons if reason.startswith("whether packets reach")]
    return [one for one in found if one != "RESOLVER_TORN"], unknown


@pytest.mark.parametrize(
    ("places", "types"),
    [
        pytest.param({}, [], id="both right"),
        pytest.param({"TRUNK_XMIT": OF_TRUNK}, [], id="the trunk's packets come to the field"),
        pytest.param({"TRUNK_ADD": "field_of(x);"}, [], id="the trunk's add reads it elsewhere"),
        pytest.param({"PORT_XMIT": READS}, ["DIRECT_OFFLOAD_HANDLE"], id="a port's packet"),
        pytest.param({"PORT_POLL": READS}, ["DIRECT_OFFLOAD_HANDLE"], id="a port's NAPI"),
        pytest.param(
            {"PORT_POLL": SHARED, "TRUNK_ADD": "field_of(x);"},
            ["DIRECT_OFFLOAD_HANDLE"],
            id="a port's packet, and the trunk's add",
        ),
        pytest.param(
            {"PORT_DELETE": "field_of(x);", "TRUNK_XMIT": OF_TRUNK},
            ["CONTROL_OFFLOAD_HANDLE"],
            id="a port's delete, and the trunk's packet",
        ),
        pytest.param({"PORT_DELETE": PLAINLY}, ["UPPER_PRIV_ACCESS"], id="a port, the owner's own"),
        pytest.param(
            {"TRUNK_ADD": "if (x->xso.upper_priv) return 0;"},
            ["UPPER_PRIV_RCU"],
            id="the trunk, its own",
        ),
        pytest.param(
            {"TRUNK_FLAGS": ".flags = XFRMDEV_OPS_F_LOWER_HANDLE,"},
            ["UPPER_SETS_LOWER_FLAG"],
            id="the trunk promises",
        ),
    ],
)
def test_each_answers_for_what_its_own_doors_lead_to(
    places: dict[str, str], types: list[str]
) -> None:
    assert checked(places) == (types, [])


@pytest.mark.parametrize(("polls", "types"), [("", []), (READS, ["DIRECT_OFFLOAD_HANDLE"])])
def test_a_trunk_can_call_its_ports_callbacks_by_name(polls: str, types: list[str]) -> None:
    text = re.sub(r"lower->xfrmdev_ops->xdo_dev_state_(\w+)\(", r"port_\1(", PORTS + TRUNK)
    # What a port calls for itself makes no upper of it.
    text = text.replace(
        "{\n	PORT_DELETE", "{\n	if (!x)\n		port_delete(dev, x);\n	PORT_DELETE"
    )
    assert checked({"PORT_POLL": polls}, text) == (types, [])


def test_whose_door_it_is_is_not_known_where_both_keep_the_same() -> None:
    text = (PORTS + TRUNK).replace("struct port *port", "struct trunk *port")
    text = text.replace("struct trunk {", "struct trunk { struct napi_struct napi; void *io;")
    text = text.replace("container_of(napi, struct port", "container_of(napi, struct trunk")
    text = text.replace("port->ready", "NULL").replace("port->dev = lower;", "")
    why = "whether ndo_start_xmit is an upper's door or a lower's is not known"
    assert checked({"TRUNK_XMIT": OF_TRUNK.replace("trunk)", "NULL)")}, text) == (
        [],
        [
            f"whether packets reach this {what} is not known: {why}"
            for what in ("access of xso.offload_handle", "call of xfrm_dev_state_lower_handle()")
        ],
    )
