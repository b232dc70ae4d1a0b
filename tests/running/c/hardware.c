// SPDX-License-Identifier: GPL-2.0
/* NICs that are memory: what their drivers write is read back, and told on the console. */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/io.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/esp.h>
#include "hardware.h"

#define MOST_INSTALLED	16384
#define FIRST_OWN_CHIP	(1 << 20)

struct installed {
	char port[IFNAMSIZ];
	struct hardware *hw;
	u32 chip;
	u32 spi;
	bool live;
};

static LIST_HEAD(variants);
static LIST_HEAD(all);
/*
 * By their numbers, which no two chips share. What is removed stays, so that the use of an old number
 * can be told.
 */
static struct installed installed[MOST_INSTALLED];
static u32 newest;
static u32 chips;
/* What the command "bare" has taken from a device. */
static const struct xfrmdev_ops *taken;

void hardware_offer(struct variant *variant)
{
	list_add_tail(&variant->node, &variants);
}

static struct hardware *hardware_of(const struct variant *variant, struct net_device *dev)
{
	return netdev_priv(dev) + variant->hw;
}

static struct net_device **own_of(struct hardware *hw)
{
	return netdev_priv(hw->port) + hw->variant->own;
}

int hardware_open(struct net_device *dev)
{
	netif_start_queue(dev);
	return 0;
}

int hardware_stop(struct net_device *dev)
{
	netif_stop_queue(dev);
	return 0;
}

u32 hardware_install(struct hardware *hw, u32 spi)
{
	u32 id = newest + 1;

	if (id >= MOST_INSTALLED)
		return 0;
	newest = id;
	strscpy(installed[id].port, hw->port->name, IFNAMSIZ);
	installed[id].hw = hw;
	installed[id].chip = hw->chip;
	installed[id].spi = spi;
	installed[id].live = true;
	pr_info("running: add port=%s spi=%x handle=%x\n", hw->port->name, spi, id);
	return id;
}

void hardware_remove(struct hardware *hw, u32 spi)
{
	u32 id;

	for (id = newest; id; id--) {
		if (installed[id].hw == hw && installed[id].spi == spi && installed[id].live) {
			installed[id].live = false;
			pr_info("running: free port=%s spi=%x handle=%x\n", hw->port->name, spi,
				id);
			return;
		}
	}
	pr_info("running: free port=%s spi=%x handle=none\n", hw->port->name, spi);
}

static u32 spi_of(const struct sk_buff *skb)
{
	const struct iphdr *ip = (const struct iphdr *)(skb->data + ETH_HLEN);
	const struct ip_esp_hdr *esp;

	if (eth_hdr(skb)->h_proto != htons(ETH_P_IP) || ip->protocol != IPPROTO_ESP)
		return 0;
	esp = (const struct ip_esp_hdr *)((const u8 *)ip + ip->ihl * 4);
	return ntohl(esp->spi);
}

static void sent(struct hardware *hw, struct sk_buff *skb, u32 id)
{
	const struct installed *by = id && id < MOST_INSTALLED ? &installed[id] : NULL;

	if (!by || !by->hw)
		pr_info("running: sent port=%s spi=%x handle=%x\n", hw->port->name, spi_of(skb),
			id);
	else
		pr_info("running: sent port=%s spi=%x handle=%x by=%s for=%x live=%d chip=%d\n",
			hw->port->name, spi_of(skb), id, by->port, by->spi, by->live,
			by->chip == hw->chip);
	dev_consume_skb_any(skb);
}

void hardware_send(struct hardware *hw, struct sk_buff *skb)
{
	u32 id = readl(hw->regs + HARDWARE_SA);

	writel(0, hw->regs + HARDWARE_SA);
	sent(hw, skb, id);
}

void hardware_send_described(struct hardware *hw, struct sk_buff *skb, struct descriptor *by)
{
	sent(hw, skb, le32_to_cpu(by->sa));
	memset(by, 0, sizeof(*by));
}

void hardware_send_plain(struct hardware *hw, struct sk_buff *skb)
{
	pr_info("running: plain port=%s spi=%x\n", hw->port->name, spi_of(skb));
	dev_consume_skb_any(skb);
}

void hardware_between(struct hardware *hw)
{
	wait_event_timeout(hw->released, !hw->held, 5 * HZ);
}

/* While the device is held, packets lie in its ring; its driver comes to them later. */
static netdev_tx_t lay_into_ring(struct sk_buff *skb, struct net_device *dev)
{
	struct hardware *hw;

	list_for_each_entry(hw, &all, node)
		if (hw->port == dev)
			break;
	skb_queue_tail(&hw->waiting, skb);
	return NETDEV_TX_OK;
}

/* chip: its number; a device without one is a chip of its own. */
static int new_device(const char *kind, const char *name, u32 chip)
{
	struct variant *variant;
	struct net_device *dev;
	struct hardware *hw;
	int err;

	list_for_each_entry(variant, &variants, node)
		if (!strcmp(variant->name, kind))
			break;
	if (list_entry_is_head(variant, &variants, node))
		return -ENOENT;
	dev = alloc_etherdev(variant->size);
	if (!dev)
		return -ENOMEM;
	strscpy(dev->name, name, IFNAMSIZ);
	eth_hw_addr_random(dev);
	hw = hardware_of(variant, dev);
	hw->port = dev;
	hw->variant = variant;
	/* Where a scenario numbers its chips, it does so from 1 on. */
	hw->chip = chip ?: FIRST_OWN_CHIP + chips++;
	hw->sleeps = variant->sleeps;
	hw->regs = (void __iomem *)kzalloc(HARDWARE_SIZE, GFP_KERNEL);
	hw->ring = kcalloc(HARDWARE_DESCRIPTORS, sizeof(*hw->ring), GFP_KERNEL);
	init_waitqueue_head(&hw->released);
	skb_queue_head_init(&hw->waiting);
	dev->features |= NETIF_F_HW_ESP;
	dev->hw_features |= NETIF_F_HW_ESP;
	dev->hw_enc_features |= NETIF_F_HW_ESP;
	variant->setup(dev);
	err = register_netdev(dev);
	if (err) {
		free_netdev(dev);
		return err;
	}
	netif_carrier_on(dev);
	list_add(&hw->node, &all);
	return 0;
}

static void remove_device(struct hardware *hw)
{
	struct net_device *dev = hw->port;

	list_del(&hw->node);
	unregister_netdev(dev);
	kfree((void __force *)hw->regs);
	kfree(hw->ring);
	free_netdev(dev);
}

static void hold(struct hardware *hw)
{
	hw->held = true;
	if (hw->sleeps)
		return;
	hw->own_ops = hw->port->netdev_ops;
	hw->held_ops = *hw->own_ops;
	hw->held_ops.ndo_start_xmit = lay_into_ring;
	hw->port->netdev_ops = &hw->held_ops;
}

static void release(struct hardware *hw)
{
	struct sk_buff *skb;

	hw->held = false;
	wake_up_all(&hw->released);
	if (hw->sleeps)
		return;
	hw->port->netdev_ops = hw->own_ops;
	rcu_read_lock_bh();
	while ((skb = skb_dequeue(&hw->waiting)))
		hw->own_ops->ndo_start_xmit(skb, hw->port);
	rcu_read_unlock_bh();
}

/* As `ethtool -K DEV esp-hw-offload off` does. */
static void switch_off(struct hardware *hw)
{
	rtnl_lock();
	hw->port->wanted_features &= ~NETIF_F_HW_ESP;
	netdev_update_features(hw->port);
	rtnl_unlock();
}

static int strip(const char *name, bool bare)
{
	struct net_device *dev = dev_get_by_name(&init_net, name);

	if (!dev)
		return -ENODEV;
	if (bare)
		taken = dev->xfrmdev_ops;
	dev->xfrmdev_ops = bare ? NULL : taken;
	dev_put(dev);
	return 0;
}

/* What was dropped before the next word is said was dropped before it. */
static void tell_dropped(void)
{
	struct hardware *hw;

	list_for_each_entry(hw, &all, node)
		for (; hw->none; hw->none--)
			pr_info("running: none port=%s\n", hw->port->name);
}

static int order(const char *word, const char *first, const char *second, u32 number)
{
	struct hardware *hw;

	if (!strcmp(word, "say")) {
		tell_dropped();
		pr_info("running: %s %s\n", first, second);
		return 0;
	}
	if (!strcmp(word, "new"))
		return new_device(first, second, number);
	if (!strcmp(word, "bare") || !strcmp(word, "dressed"))
		return strip(first, word[0] == 'b');
	list_for_each_entry(hw, &all, node)
		if (!strcmp(hw->port->name, first))
			break;
	if (list_entry_is_head(hw, &all, node))
		return -ENODEV;
	if (!strcmp(word, "remove"))
		remove_device(hw);
	else if (!strcmp(word, "hold"))
		hold(hw);
	else if (!strcmp(word, "release"))
		release(hw);
	else if (!strcmp(word, "off"))
		switch_off(hw);
	else if (!strcmp(word, "null"))
		*own_of(hw) = NULL;
	else if (!strcmp(word, "own"))
		*own_of(hw) = hw->port;
	else
		return -EINVAL;
	return 0;
}

static ssize_t command_write(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	char word[16] = "", first[48] = "", second[48] = "";
	char *line = memdup_user_nul(from, count);
	u32 number = 0;
	int err;

	if (IS_ERR(line))
		return PTR_ERR(line);
	if (sscanf(line, "%15s %47s %47s %u", word, first, second, &number) < 2)
		err = -EINVAL;
	else
		err = order(word, first, second, number);
	if (err)
		pr_info("running: error %d: %s\n", err, line);
	kfree(line);
	return err ? err : count;
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.write = command_write,
};

static int __init hardware_init(void)
{
	struct dentry *folder = debugfs_create_dir("running", NULL);

	debugfs_create_file("command", 0200, folder, NULL, &command_fops);
	return 0;
}
module_init(hardware_init);
MODULE_DESCRIPTION("NICs that are memory");
MODULE_LICENSE("GPL");
