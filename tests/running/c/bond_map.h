/* SPDX-License-Identifier: GPL-2.0 */
/* A bond that has each state on all of its ports, and keeps each port's handle. */
#ifndef BOND_MAP_H
#define BOND_MAP_H

struct net_device;
struct xfrmdev_ops;

extern const struct xfrmdev_ops bond_map_xfrmdev_ops;

/* A port's offload has been switched off, or the port is about to leave. */
void bond_map_leave(struct net_device *bond_dev, struct net_device *port);

#endif
