"""What functions and macros of the kernel do with a handle, a device or an SA given to them.

Sources: include/linux/{printk,netdevice,byteorder/generic,bitfield,compiler,err,if_vlan,xarray}.h,
include/net/xfrm.h.
"""

import re

# They print: a handle in their arguments is not used.
PRINTS = re.compile(
    r"^(_?printk\w*|pr_\w+|\w+_(err|warn|warning|dbg|debug|notice|alert|crit|emerg|vdbg)"
    r"(_once|_ratelimited|_rl)?|(dev|netdev|netif|pci)_info\w*|net_\w+_ratelimited|trace_\w+|"
    r"v?s[cn]*printf|seq_\w+|dump_stack|print_hex_dump\w*|NL_SET_\w+)$"
)
# Their value is the argument's in another form, and 0 exactly if that is.
KEEPS = re.compile(
    r"^((__)?cpu_to_[bl]e\d+|(__)?[bl]e\d+_to_cpu|hton[sl]|ntoh[sl]|(__)?swab\d+|"
    r"array_index_nospec|ERR_PTR|PTR_ERR|ERR_CAST|u64_to_user_ptr|uintptr_t)$"
)
# Their value is computed from the argument; of the first ones it is 0 if the argument is.
MASKS = re.compile(
    r"^(lower_\d+_bits|upper_\d+_bits|FIELD_(PREP|GET)\w*|field_(prep|get)|\w+_encode_bits|"
    r"\w+_get_bits|min(_t|3)?|abs|ALIGN\w*|round_(up|down)|round(up|down)|fls\w*|ffs|"
    r"DIV_ROUND_UP\w*)$"
)
COMPUTES = re.compile(
    r"^(max(_t|3)?|clamp\w*|BIT(_ULL)?|GENMASK\w*|ilog2|test_bit|hash_\w+|jhash\w*)$"
)
# They look at their argument, and follow it nowhere.
LOOKS = re.compile(r"^(IS_ERR(_VALUE)?|virt_addr_valid|is_vmalloc_addr|prefetchw?|IS_ALIGNED)$")
# They keep what they are given: (function, argument's index).
KEEPERS = re.compile(
    r"^(xa_store\w*|xa_insert\w*|xa_cmpxchg\w*|radix_tree_insert|idr_alloc\w*|idr_replace|"
    r"(__|raw_)?this_cpu_(write|xchg)|rhashtable_insert\w*|list_add\w*|hlist_add\w*|kfifo_\w+)$"
)
# The second argument is assigned to the first, or to what the first points to.
ASSIGNS = re.compile(r"^(WRITE_ONCE|smp_store_release|rcu_assign_pointer|RCU_INIT_POINTER)$")
ASSIGNS_THROUGH = re.compile(r"^(atomic(64|_long)?_set\w*|(cmp)?xchg\w*|smp_store_mb)$")
COPIES = re.compile(r"^(__builtin_)?(mem(cpy|move)|unsafe_memcpy)$")
CLEARS = re.compile(r"^((__builtin_)?memset|memzero_explicit|bzero|memset_after|memset_startat)$")
# If the condition holds, they don't return.
STOPS = re.compile(r"^(BUG_ON|VM_BUG_ON|ASSERT|assert)$")
NEVER_RETURN = re.compile(r"^(BUG|panic|unreachable|__builtin_unreachable|do_exit)$")
WARNS = re.compile(
    r"^(WARN_ON(_ONCE)?|WARN(_ONCE|_RATELIMIT|_TAINT)?|DEBUG_NET_WARN_ON_ONCE|VM_WARN_ON\w*|"
    r"netdev_WARN(_ONCE)?|net_warn_on\w*|DEBUG_NET_WARN_ONCE|likely|unlikely|__builtin_expect)$"
)
OTHERS = re.compile(r"^((__)?(put|get)_unaligned\w*|memcmp|write[bwlq]\w*|iowrite\w+)$")
NULL_OR_ERROR = "IS_ERR_OR_NULL"

MASTER = re.compile(r"^(netdev_master_upper_dev_get\w*|l3mdev_master_\w*dev\w*)$")
VLAN_REAL = re.compile(r"^vlan_dev_(real_dev|get_real_dev\w*)$")
PRIVATE = re.compile(r"^(netdev_priv|macsec_priv)$")
VLAN_PRIVATE = "vlan_dev_priv"
FROM_PRIVATE = re.compile(r"^netdev_from_priv$")
PACKETS_STATE = re.compile(r"^(xfrm_input_state|xfrm_state_(lookup\w*|find))$")
CONTAINERS = re.compile(r"^container_of(_const)?$")

# Members of the kernel's own structs that hold the device at work.
OWN_MEMBERS = {
    ("struct sk_buff", "dev"),
    ("struct napi_struct", "dev"),
    ("struct netdev_queue", "dev"),
    ("struct netdev_rx_queue", "dev"),
    ("struct xdp_rxq_info", "dev"),
    ("struct xdp_txq_info", "dev"),
}
# Types in which a descriptor is laid out for hardware to read.
FOR_HARDWARE = re.compile(r"^__(le|be)(16|32|64)$")
# Members that tell a struct of one packet, and a struct that lives as long as its queue.
OF_A_PACKET = re.compile(r"^(struct (sk_buff|page|xdp_frame|xdp_buff)|dma_addr_t|netmem_ref)$")
OF_A_QUEUE = re.compile(
    r"^(struct (net_device|napi_struct|netdev_queue|device|pci_dev|u64_stats_sync|xfrm_state|"
    r"rcu_head|list_head|hlist_node|mutex|completion|work_struct)|spinlock_t|refcount_t)$"
)
# Results of the transmit function (include/linux/netdevice.h, enum netdev_tx).
ENUMERATORS = {"NETDEV_TX_OK": True, "NETDEV_TX_BUSY": False}


def is_kernels(name: str) -> bool:
    """Tell whether a function is one of the kernel's own that are known here by name."""
    lists = (PRINTS, KEEPS, MASKS, COMPUTES, LOOKS, KEEPERS, COPIES, CLEARS, OTHERS)
    return any(pattern.match(name) for pattern in lists)
