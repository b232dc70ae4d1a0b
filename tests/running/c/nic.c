// SPDX-License-Identifier: GPL-2.0
/* @WHAT@ */
#include <linux/etherdevice.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/xfrm.h>
#include "hardware.h"

struct @NAME@ {
	struct net_device *netdev;
	struct hardware hw;
@MEMBERS@};

@BEFORE@static int @NAME@_add(struct net_device *dev, struct xfrm_state *x,
	struct netlink_ext_ack *extack)
{
	struct @NAME@ *nic = netdev_priv(dev);
	u32 id = hardware_install(&nic->hw, be32_to_cpu(x->id.spi));

	if (!id)
		return -ENOSPC;
@ADD@	return 0;
}

static void @NAME@_delete(struct net_device *dev, struct xfrm_state *x)
{
}

static void @NAME@_free(struct net_device *dev, struct xfrm_state *x)
{
	struct @NAME@ *nic = netdev_priv(dev);

	hardware_remove(&nic->hw, be32_to_cpu(x->id.spi));
}

@SHARING@static const struct xfrmdev_ops @NAME@_xfrmdev_ops = {
@FLAGS@	.xdo_dev_state_add = @NAME@_add,
	.xdo_dev_state_delete = @NAME@_delete,
	.xdo_dev_state_free = @NAME@_free,
};

@DATAPATH@
static const struct net_device_ops @NAME@_netdev_ops = {
	.ndo_open = hardware_open,
	.ndo_stop = hardware_stop,
	.ndo_start_xmit = @NAME@_xmit,
	.ndo_set_mac_address = eth_mac_addr,
};

static void @NAME@_setup(struct net_device *dev)
{
	struct @NAME@ *nic = netdev_priv(dev);

	nic->netdev = dev;
@SETUP@	dev->netdev_ops = &@NAME@_netdev_ops;
	dev->xfrmdev_ops = &@NAME@_xfrmdev_ops;
}

static struct variant @NAME@_variant = {
	.name = "@NAME@",
	.size = sizeof(struct @NAME@),
	.hw = offsetof(struct @NAME@, hw),
	.own = offsetof(struct @NAME@, netdev),
	.sleeps = @SLEEPS@,
	.setup = @NAME@_setup,
};

static int __init @NAME@_init(void)
{
	hardware_offer(&@NAME@_variant);
	return 0;
}
module_init(@NAME@_init);
MODULE_DESCRIPTION("@WHAT@");
MODULE_LICENSE("GPL");
