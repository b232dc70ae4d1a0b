// SPDX-License-Identifier: GPL-2.0
/* A bond that has each state on all of its ports, and keeps each port's handle. */
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <net/bonding.h>
#include <net/xfrm.h>
#include "bond_map.h"

#define BOND_MAP_PORTS	8

struct bond_map_entry {
	struct net_device *port;
	unsigned long handle;
};

struct bond_map {
	struct rcu_head rcu;
	struct list_head node;
	struct net_device *bond_dev;
	struct xfrm_state *x;
	int count;
	struct bond_map_entry on[BOND_MAP_PORTS];
};

static LIST_HEAD(bond_maps);
static DEFINE_MUTEX(bond_maps_lock);

static bool bond_map_usable(const struct net_device *port)
{
	const struct xfrmdev_ops *ops = port->xfrmdev_ops;

	return ops && ops->xdo_dev_state_add && (ops->flags & XFRMDEV_OPS_F_LOWER_HANDLE);
}

static void bond_map_delete_entry(struct xfrm_state *x, const struct bond_map_entry *entry)
{
	x->xso.offload_handle = entry->handle;
	entry->port->xfrmdev_ops->xdo_dev_state_delete(entry->port, x);
}

static void bond_map_free_entry(struct xfrm_state *x, const struct bond_map_entry *entry)
{
	x->xso.offload_handle = entry->handle;
	if (entry->port->xfrmdev_ops->xdo_dev_state_free)
		entry->port->xfrmdev_ops->xdo_dev_state_free(entry->port, x);
}

/* Note the ports of a bond, and hold them. */
static int bond_map_ports(struct net_device *bond_dev, struct bond_map *map)
{
	struct bonding *bond = netdev_priv(bond_dev);
	struct list_head *iter;
	struct slave *slave;
	int count = 0;

	rcu_read_lock();
	bond_for_each_slave_rcu(bond, slave, iter) {
		if (count == BOND_MAP_PORTS)
			break;
		dev_hold(slave->dev);
		map->on[count++].port = slave->dev;
	}
	rcu_read_unlock();
	return count;
}

static int bond_map_fill(struct bond_map *map, struct xfrm_state *x, int count,
			 struct netlink_ext_ack *extack)
{
	int err = 0;

	while (map->count < count) {
		struct bond_map_entry *entry = &map->on[map->count];

		err = -EOPNOTSUPP;
		if (bond_map_usable(entry->port))
			err = entry->port->xfrmdev_ops->xdo_dev_state_add(entry->port, x, extack);
		if (err)
			goto undo;
		entry->handle = x->xso.offload_handle;
		map->count++;
	}
	return count ? 0 : -ENODEV;
undo:
	while (map->count) {
		map->count--;
		bond_map_delete_entry(x, &map->on[map->count]);
		bond_map_free_entry(x, &map->on[map->count]);
	}
	x->xso.offload_handle = 0;
	return err;
}

static int bond_map_add(struct net_device *bond_dev, struct xfrm_state *x,
			struct netlink_ext_ack *extack)
{
	struct bond_map *map;
	int i, count, err;

	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return -ENOMEM;
	map->bond_dev = bond_dev;
	map->x = x;
	mutex_lock(&bond_maps_lock);
	count = bond_map_ports(bond_dev, map);
	err = bond_map_fill(map, x, count, extack);
	for (i = 0; i < count; i++)
		dev_put(map->on[i].port);
	if (err) {
		kfree(map);
	} else {
		list_add(&map->node, &bond_maps);
		rcu_assign_pointer(x->xso.upper_priv, map);
	}
	mutex_unlock(&bond_maps_lock);
	return err;
}

static void bond_map_delete(struct net_device *bond_dev, struct xfrm_state *x)
{
	const struct bond_map *map;
	int i;

	rcu_read_lock();
	map = rcu_dereference(x->xso.upper_priv);
	for (i = 0; map && i < map->count; i++)
		bond_map_delete_entry(x, &map->on[i]);
	rcu_read_unlock();
}

static void bond_map_free(struct net_device *bond_dev, struct xfrm_state *x)
{
	struct bond_map *map;
	int i;

	mutex_lock(&bond_maps_lock);
	map = rcu_dereference_protected(x->xso.upper_priv, lockdep_is_held(&bond_maps_lock));
	RCU_INIT_POINTER(x->xso.upper_priv, NULL);
	if (map) {
		list_del(&map->node);
		for (i = 0; i < map->count; i++)
			bond_map_free_entry(x, &map->on[i]);
		kfree_rcu(map, rcu);
	}
	mutex_unlock(&bond_maps_lock);
}

static unsigned long bond_map_handle(struct net_device *bond_dev, struct xfrm_state *x,
				     struct net_device *lower_dev)
{
	const struct bond_map *map;
	unsigned long handle = 0;
	int i;

	rcu_read_lock();
	map = rcu_dereference(x->xso.upper_priv);
	for (i = 0; map && i < map->count; i++)
		if (map->on[i].port == lower_dev)
			handle = map->on[i].handle;
	rcu_read_unlock();
	return handle;
}

/*
 * Take one port out of a state's map, and the state from the port. The field is lent to the port for
 * that; it then holds again what the last add has written.
 */
static void bond_map_leave_one(struct bond_map *map, int at)
{
	struct bond_map *less = kmemdup(map, sizeof(*map), GFP_KERNEL);
	struct xfrm_state *x = map->x;
	unsigned long before = x->xso.offload_handle;

	if (!less)
		return;
	less->count--;
	less->on[at] = less->on[less->count];
	list_replace(&map->node, &less->node);
	rcu_assign_pointer(x->xso.upper_priv, less);
	synchronize_rcu();
	spin_lock_bh(&x->lock);
	bond_map_delete_entry(x, &map->on[at]);
	spin_unlock_bh(&x->lock);
	bond_map_free_entry(x, &map->on[at]);
	x->xso.offload_handle = before;
	kfree(map);
}

void bond_map_leave(struct net_device *bond_dev, struct net_device *port)
{
	struct bond_map *map, *next;
	int i;

	mutex_lock(&bond_maps_lock);
	list_for_each_entry_safe(map, next, &bond_maps, node) {
		for (i = 0; map->bond_dev == bond_dev && i < map->count; i++) {
			if (map->on[i].port == port) {
				bond_map_leave_one(map, i);
				break;
			}
		}
	}
	mutex_unlock(&bond_maps_lock);
}

const struct xfrmdev_ops bond_map_xfrmdev_ops = {
	.xdo_dev_state_add = bond_map_add,
	.xdo_dev_state_delete = bond_map_delete,
	.xdo_dev_state_free = bond_map_free,
	.xdo_dev_state_lower_handle = bond_map_handle,
};
