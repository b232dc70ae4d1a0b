/* SPDX-License-Identifier: GPL-2.0 */
/* A bond that has each state on one of its ports, and lets the others of that chip use it. */
#ifndef BOND_SHARE_H
#define BOND_SHARE_H

struct bonding;
struct xfrmdev_ops;

extern const struct xfrmdev_ops bond_share_xfrmdev_ops;

/* The active port, the ports, or what they promise have changed; rtnl is held. */
void bond_share_settle(struct bonding *bond);

#endif
