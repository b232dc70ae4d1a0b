/* SPDX-License-Identifier: GPL-2.0 */
/* NICs that are memory: what their drivers write is read back, and told on the console. */
#ifndef RUNNING_HARDWARE_H
#define RUNNING_HARDWARE_H

#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/types.h>
#include <linux/wait.h>

/* Registers. */
#define HARDWARE_SA		0x10
#define HARDWARE_SIZE		0x40

#define HARDWARE_DESCRIPTORS	4

struct descriptor {
	__le32 sa;
	__le32 length;
};

/* chip: what is installed by one device of a chip is there for all of its devices. */
struct hardware {
	struct list_head node;
	struct net_device *port;
	const struct variant *variant;
	void __iomem *regs;
	struct descriptor *ring;
	u32 chip;
	/* Packets that were dropped since it was last told. */
	u32 none;
	/* What the command "hold" puts aside, and the packets that wait until "release". */
	const struct net_device_ops *own_ops;
	struct net_device_ops held_ops;
	struct sk_buff_head waiting;
	bool held;
	bool sleeps;
	wait_queue_head_t released;
};

/*
 * A driver, as the command "new" of debugfs' running/command makes devices of it. hw, own: where in
 * its private data the hardware lies, and what it takes for its own device.
 */
struct variant {
	struct list_head node;
	const char *name;
	size_t size;
	size_t hw;
	size_t own;
	bool sleeps;
	void (*setup)(struct net_device *dev);
};

void hardware_offer(struct variant *variant);

int hardware_open(struct net_device *dev);
int hardware_stop(struct net_device *dev);

/* Put an SA into the table. Return its number, which is never given again; 0 if there is no room. */
u32 hardware_install(struct hardware *hw, u32 spi);
void hardware_remove(struct hardware *hw, u32 spi);

/* Send a packet under the SA that stands in the register, or in a descriptor. */
void hardware_send(struct hardware *hw, struct sk_buff *skb);
void hardware_send_described(struct hardware *hw, struct sk_buff *skb, struct descriptor *by);
/* Send a packet that needs no SA. */
void hardware_send_plain(struct hardware *hw, struct sk_buff *skb);
/* Count a packet for which there is no SA, and which the driver drops. */
static inline void hardware_none(struct hardware *hw)
{
	hw->none++;
}

/* Wait here, between two reads, as long as the scenario holds the device. */
void hardware_between(struct hardware *hw);

#endif
