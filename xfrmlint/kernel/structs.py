"""What members and types of the kernel's own structs mean.

Sources: include/linux/{netdevice,skbuff,byteorder/generic}.h, include/net/xdp.h.
"""

import errno
import re

# Members of the kernel's own structs that hold the device at work.
OWN_MEMBERS = {
    ("struct sk_buff", "dev"),
    ("struct napi_struct", "dev"),
    ("struct netdev_queue", "dev"),
    ("struct netdev_rx_queue", "dev"),
    ("struct xdp_rxq_info", "dev"),
    ("struct xdp_txq_info", "dev"),
}
NAPI = "struct napi_struct"
# They tell it a net_device, their first argument.
ADDING_NAPI = (
    *("netif_napi_add", "netif_napi_add_weight", "netif_napi_add_config", "netif_napi_add_tx"),
    *("netif_napi_add_tx_weight", "netif_tx_napi_add", "netif_threaded_napi_add"),
)
# They make a net_device with private data of the size that is their first argument
# (include/linux/etherdevice.h, include/linux/netdevice.h).
MAKING_DEVICES = (
    *("alloc_etherdev", "alloc_etherdev_mq", "alloc_etherdev_mqs"),
    *("devm_alloc_etherdev", "devm_alloc_etherdev_mqs"),
    *("alloc_netdev", "alloc_netdev_mq", "alloc_netdev_mqs"),
)
# Members that hold the device below the one at work.
LOWER_MEMBERS = {
    ("struct vlan_dev_priv", "real_dev"),
    ("struct macvlan_dev", "lowerdev"),
    ("struct netdev_adjacent", "dev"),
}
# Members that hold the device above the one of an event (include/linux/netdevice.h).
UPPER_MEMBERS = {("struct netdev_notifier_changeupper_info", "upper_dev")}
# Members that hold the device that a flow leaves by (include/net/flow_offload.h).
EGRESS_MEMBERS = {("struct flow_action_entry", "dev")}
# The member by which a device leads to the one that it is a child of, among others
# (include/linux/device.h).
PARENT = ("struct device", "parent")
# Types in which a descriptor is laid out for hardware to read.
FOR_HARDWARE = re.compile(r"^__(le|be)(16|32|64)$")
# Members that tell a struct of one packet, and a struct that lives as long as its queue.
OF_A_PACKET = re.compile(r"^(struct (sk_buff|page|xdp_frame|xdp_buff)|dma_addr_t|netmem_ref)$")
A_PACKET = re.compile(r"^struct (sk_buff|xdp_frame|xdp_buff)$")
OF_A_QUEUE = re.compile(
    r"^(struct (net_device|napi_struct|netdev_queue|device|pci_dev|u64_stats_sync|xfrm_state|"
    r"rcu_head|list_head|hlist_node|mutex|completion|work_struct)|spinlock_t|refcount_t)$"
)
# Those of them that what waits for its packet's end has as well.
BESIDE_A_PACKET = ("struct xfrm_state", "struct list_head", "struct hlist_node")
# Lists and what hangs on them (include/linux/types.h, llist.h), and the links from one to the next.
LISTS = (
    "struct list_head",
    "struct hlist_head",
    "struct hlist_node",
    "struct llist_head",
    "struct llist_node",
)
LINKS = ("next", "prev", "first")
# Results of the transmit function (include/linux/netdevice.h, enum netdev_tx).
ENUMERATORS = {"NETDEV_TX_OK": True, "NETDEV_TX_BUSY": False}
# include/uapi/asm-generic/errno.h: it is reached through asm/, which a build makes.
# Not by errno.errorcode: of two names for one number it has one, EOPNOTSUPP not among them.
ERRORS = {name: getattr(errno, name) for name in dir(errno) if name[0] == "E"} | {"ENOTSUPP": 524}
