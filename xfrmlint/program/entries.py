"""Where the kernel enters a driver, and which of these doors packets come through.

The datapath list is that of the contract; a table defined in include/ whose field is not in the
list is a control entry.
"""

import re

DATAPATH_SLOTS = {
    ("struct net_device_ops", "ndo_start_xmit"),
    ("struct net_device_ops", "ndo_features_check"),
    ("struct net_device_ops", "ndo_select_queue"),
    ("struct net_device_ops", "ndo_xdp_xmit"),
    ("struct net_device_ops", "ndo_xsk_wakeup"),
    ("struct xfrmdev_ops", "xdo_dev_offload_ok"),
    ("struct napi_struct", "poll"),
    ("struct packet_type", "func"),
    ("struct net_device", "rx_handler"),
}
_BY_NAME = {field for _, field in DATAPATH_SLOTS if field.startswith(("ndo_", "xdo_"))}

# Functions that take a per-packet callback: name pattern -> (argument's index, entry's name).
_DATAPATH_ARGUMENTS = (
    (re.compile(r"^netif_(threaded_)?napi_add\w*$"), 2, "napi_poll"),
    (re.compile(r"^init_dummy_netdev_napi\w*$"), 2, "napi_poll"),
    (re.compile(r"^netdev_rx_handler_register$"), 1, "rx_handler"),
)
# include/linux/static_call.h: the second argument becomes the target of static_call(first).
STATIC_CALLS = ("DEFINE_STATIC_CALL", "DEFINE_STATIC_CALL_RET0", "static_call_update")
_HANDLER = re.compile(r"(^|_)(rx|tx|xmit|recv|receive)(_|$)", re.I)
_CONTROL_HANDLER = re.compile(r"(^|_)(mbox|mbx|ctrl|cmd|msg|event|evt|timestamp|timeout)", re.I)


def slot_entry(struct: str, field: str, in_kernel_header: bool) -> tuple[str, str] | None:
    """Return (name, context) if a slot is an entry of the kernel's own, else None.

    in_kernel_header: the struct is defined under include/.
    """
    if (struct, field) in DATAPATH_SLOTS or (not struct and field in _BY_NAME):
        return ("napi_poll" if field == "poll" else field), "datapath"
    if in_kernel_header or (not struct and field.startswith(("ndo_", "xdo_"))):
        return field, "control"
    return None


def argument_entry(callee: str, index: int) -> str | None:
    """Return the entry's name if a function passed as this argument runs per packet."""
    for pattern, position, name in _DATAPATH_ARGUMENTS:
        if position == index and pattern.match(callee):
            return name
    return None


def is_packet_handler(names: tuple[str, ...], takes_skb: bool) -> bool:
    """Tell whether a table of function pointers handles packets, by the names of its parts.

    names: struct type, field and variable. takes_skb: the function has a struct sk_buff argument.
    """
    text = " ".join(names)
    if any(_CONTROL_HANDLER.search(name) for name in names):
        return False
    named = any(_HANDLER.search(name.removeprefix("struct ")) for name in names)
    return named and (takes_skb or "handle" in text)
