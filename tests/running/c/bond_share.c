// SPDX-License-Identifier: GPL-2.0
/*
 * A bond that has each state on one of its ports, real_dev. In active-backup that is the active one.
 * In round-robin each port transmits, so all have to be able to use what is installed on the first.
 */
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/bonding.h>
#include <net/xfrm.h>
#include "bond_share.h"

static bool bond_share_usable(struct net_device *port, u32 promises)
{
	const struct xfrmdev_ops *ops = port->xfrmdev_ops;

	return ops && ops->xdo_dev_state_add && (ops->flags & promises) == promises &&
	       (port->features & NETIF_F_HW_ESP) && !netif_is_bond_master(port);
}

static bool bond_share_accepts(struct net_device *port, struct net_device *peer)
{
	const struct xfrmdev_ops *ops = port->xfrmdev_ops;

	return ops->xdo_dev_state_lag_compatible && ops->xdo_dev_state_lag_compatible(port, peer);
}

/* Both promise to use one state, and each accepts the other. */
static bool bond_share_together(struct net_device *port, struct net_device *peer)
{
	u32 promises = XFRMDEV_OPS_F_LOWER_HANDLE | XFRMDEV_OPS_F_LAG_SHARED_STATE;

	if (!bond_share_usable(port, promises) || !bond_share_usable(peer, promises))
		return false;
	return port == peer || (bond_share_accepts(port, peer) && bond_share_accepts(peer, port));
}

/* The port that the states are to be on; NULL if there is none. */
static struct net_device *bond_share_pick(struct bonding *bond)
{
	struct net_device *first = NULL;
	struct list_head *iter;
	struct slave *slave;

	if (BOND_MODE(bond) == BOND_MODE_ACTIVEBACKUP) {
		slave = rtnl_dereference(bond->curr_active_slave);
		if (!slave || !bond_share_usable(slave->dev, XFRMDEV_OPS_F_LOWER_HANDLE))
			return NULL;
		return slave->dev;
	}
	if (BOND_MODE(bond) != BOND_MODE_ROUNDROBIN)
		return NULL;
	bond_for_each_slave(bond, slave, iter) {
		if (!first)
			first = slave->dev;
		if (!bond_share_together(first, slave->dev))
			return NULL;
	}
	return first;
}

static void bond_share_forget(struct xfrm_state *x)
{
	WRITE_ONCE(x->xso.real_dev, NULL);
	WRITE_ONCE(x->xso.real_ops, NULL);
	WRITE_ONCE(x->xso.offload_handle, 0);
}

static int bond_share_install(struct xfrm_state *x, struct net_device *port,
			      struct netlink_ext_ack *extack)
{
	const struct xfrmdev_ops *ops = port->xfrmdev_ops;
	int err;

	WRITE_ONCE(x->xso.real_ops, ops);
	err = ops->xdo_dev_state_add(port, x, extack);
	if (!err && !x->xso.offload_handle)
		err = -EINVAL;
	if (err) {
		bond_share_forget(x);
		return err;
	}
	spin_lock_bh(&x->lock);
	/* It may have died meanwhile; what has been installed is freed with it. */
	if (x->km.state == XFRM_STATE_DEAD)
		ops->xdo_dev_state_delete(port, x);
	WRITE_ONCE(x->xso.real_dev, port);
	spin_unlock_bh(&x->lock);
	return 0;
}

static void bond_share_remove(struct xfrm_state *x)
{
	const struct xfrmdev_ops *ops = x->xso.real_ops;
	struct net_device *port = x->xso.real_dev;

	if (!port)
		return;
	spin_lock_bh(&x->lock);
	WRITE_ONCE(x->xso.real_dev, NULL);
	spin_unlock_bh(&x->lock);
	/* Who has seen real_dev has seen its handle, too, before another one's is written. */
	synchronize_net();
	spin_lock_bh(&x->lock);
	if (x->km.state != XFRM_STATE_DEAD)
		ops->xdo_dev_state_delete(port, x);
	spin_unlock_bh(&x->lock);
	if (ops->xdo_dev_state_free)
		ops->xdo_dev_state_free(port, x);
	bond_share_forget(x);
}

void bond_share_settle(struct bonding *bond)
{
	struct net_device *port = bond_share_pick(bond);
	struct bond_ipsec *ipsec;

	mutex_lock(&bond->ipsec_lock);
	list_for_each_entry(ipsec, &bond->ipsec_list, list) {
		if (ipsec->xs->xso.real_dev == port)
			continue;
		bond_share_remove(ipsec->xs);
		if (port)
			bond_share_install(ipsec->xs, port, NULL);
	}
	mutex_unlock(&bond->ipsec_lock);
}

static int bond_share_add(struct net_device *bond_dev, struct xfrm_state *x,
			  struct netlink_ext_ack *extack)
{
	struct bonding *bond = netdev_priv(bond_dev);
	struct bond_ipsec *ipsec;
	struct net_device *port;
	int err = -EOPNOTSUPP;

	if ((x->props.flags & XFRM_STATE_ESN) || (x->xso.flags & XFRM_DEV_OFFLOAD_FLAG_ACQ))
		return -EOPNOTSUPP;
	ipsec = kzalloc(sizeof(*ipsec), GFP_KERNEL);
	if (!ipsec)
		return -ENOMEM;
	ipsec->xs = x;
	rtnl_lock();
	port = bond_share_pick(bond);
	if (port)
		err = bond_share_install(x, port, extack);
	if (err) {
		kfree(ipsec);
	} else {
		mutex_lock(&bond->ipsec_lock);
		list_add_tail(&ipsec->list, &bond->ipsec_list);
		mutex_unlock(&bond->ipsec_lock);
	}
	rtnl_unlock();
	return err;
}

/* x->lock is held. A state that is being moved has no real_dev, and its mover sees that it died. */
static void bond_share_delete(struct net_device *bond_dev, struct xfrm_state *x)
{
	struct net_device *port = x->xso.real_dev;

	if (port)
		x->xso.real_ops->xdo_dev_state_delete(port, x);
}

static void bond_share_free(struct net_device *bond_dev, struct xfrm_state *x)
{
	struct bonding *bond = netdev_priv(bond_dev);
	struct bond_ipsec *ipsec, *next;
	const struct xfrmdev_ops *ops;
	struct net_device *port;

	mutex_lock(&bond->ipsec_lock);
	ops = x->xso.real_ops;
	port = x->xso.real_dev;
	if (port && ops->xdo_dev_state_free)
		ops->xdo_dev_state_free(port, x);
	bond_share_forget(x);
	list_for_each_entry_safe(ipsec, next, &bond->ipsec_list, list) {
		if (ipsec->xs == x) {
			list_del(&ipsec->list);
			kfree(ipsec);
		}
	}
	mutex_unlock(&bond->ipsec_lock);
}

/* Without a port to be on, a state's packets are encrypted in software. */
static bool bond_share_offload_ok(struct sk_buff *skb, struct xfrm_state *x)
{
	return READ_ONCE(x->xso.real_dev);
}

static unsigned long bond_share_handle(struct net_device *bond_dev, struct xfrm_state *x,
				       struct net_device *lower_dev)
{
	struct net_device *port = READ_ONCE(x->xso.real_dev);
	unsigned long handle = READ_ONCE(x->xso.offload_handle);
	struct bonding *bond = netdev_priv(bond_dev);

	if (!port || BOND_MODE(bond) == BOND_MODE_ACTIVEBACKUP)
		return 0;
	rcu_read_lock();
	if (netdev_master_upper_dev_get_rcu(lower_dev) != bond_dev ||
	    !bond_share_together(port, lower_dev))
		handle = 0;
	rcu_read_unlock();
	return handle;
}

const struct xfrmdev_ops bond_share_xfrmdev_ops = {
	.xdo_dev_state_add = bond_share_add,
	.xdo_dev_state_delete = bond_share_delete,
	.xdo_dev_state_free = bond_share_free,
	.xdo_dev_offload_ok = bond_share_offload_ok,
	.xdo_dev_state_lower_handle = bond_share_handle,
};
