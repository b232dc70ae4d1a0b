"""Drivers of the test NIC: each is c/nic.c with a datapath of its own, right or wrong in one way.

The text that is compiled into the kernel is the text that xfrmlint judges.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_TEMPLATE = Path(__file__).parent / "c" / "nic.c"

_INDEX = "\tx->xso.offload_handle = id;\n"

_XMIT = """static netdev_tx_t @NAME@_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct @NAME@ *nic = netdev_priv(dev);
	struct xfrm_state *x;
@LOCALS@
	if (!xfrm_offload(skb)) {
		hardware_send_plain(&nic->hw, skb);
		return NETDEV_TX_OK;
	}
	x = xfrm_input_state(skb);
@BODY@	return NETDEV_TX_OK;
}
"""

# The transmit function queues, and a work item does the rest.
_DEFERRED = """static void @NAME@_send(struct @NAME@ *nic, struct sk_buff *skb)
{
	struct xfrm_state *x;
@LOCALS@
	if (!xfrm_offload(skb)) {
		hardware_send_plain(&nic->hw, skb);
		return;
	}
	x = xfrm_input_state(skb);
@BODY@}

static void @NAME@_work(struct work_struct *work)
{
	struct @NAME@ *nic = container_of(work, struct @NAME@, work);
	struct sk_buff *skb;

	while ((skb = skb_dequeue(&nic->queue)))
		@NAME@_send(nic, skb);
}

static netdev_tx_t @NAME@_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct @NAME@ *nic = netdev_priv(dev);

	skb_queue_tail(&nic->queue, skb);
	schedule_work(&nic->work);
	return NETDEV_TX_OK;
}
"""
_DEFERRED_MEMBERS = "\tstruct sk_buff_head queue;\n\tstruct work_struct work;\n"
_DEFERRED_SETUP = "\tskb_queue_head_init(&nic->queue);\n\tINIT_WORK(&nic->work, @NAME@_work);\n"

_SHARING = """static bool @NAME@_lag_compatible(struct net_device *dev, struct net_device *peer_dev)
{
@TEST@}

"""
_SHARES = """	.flags = XFRMDEV_OPS_F_LOWER_HANDLE | XFRMDEV_OPS_F_LAG_SHARED_STATE,
	.xdo_dev_state_lag_compatible = @NAME@_lag_compatible,
"""

_LOCAL = "\tunsigned long handle;\n"
_DROP = """	if (!handle) {
		hardware_none(&nic->hw);
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
"""
_GOTO_DROP = """	return NETDEV_TX_OK;
drop:
	hardware_none(&nic->hw);
	dev_kfree_skb_any(skb);
"""
_WRITE = "\twritel(handle, nic->hw.regs + HARDWARE_SA);\n\thardware_send(&nic->hw, skb);\n"


class Variant(NamedTuple):
    """One driver. what: in words, how it comes to its handle. flag: it promises to ask.

    body: what the datapath does with a state's packet. locals, before, members, setup: what that
    needs. add: how a handle is returned. deferred: a work item transmits. sleeps: it waits between
    two reads of its own, not in front of the transmit function, while a scenario holds it. given:
    it asks for the device that the transmit function is given. pointer: its handles are pointers.
    sharing: what its sharing test does; without one it does not promise to share. apart: each of
    its ports is a chip of its own.
    """

    name: str
    what: str
    body: str
    locals: str = _LOCAL
    before: str = ""
    members: str = ""
    setup: str = ""
    add: str = _INDEX
    flag: bool = True
    deferred: bool = False
    sleeps: bool = False
    given: bool = False
    pointer: bool = False
    sharing: str = ""
    apart: bool = False

    @property
    def text(self) -> str:
        """The driver's source."""
        text = _TEMPLATE.read_text("utf-8")
        parts = {
            "DATAPATH": _DEFERRED if self.deferred else _XMIT,
            "SETUP": self.setup + (_DEFERRED_SETUP if self.deferred else ""),
            "MEMBERS": self.members + (_DEFERRED_MEMBERS if self.deferred else ""),
            "BODY": self.body.replace("return NETDEV_TX_OK", "return")
            if self.deferred
            else self.body,
            "LOCALS": self.locals,
            "BEFORE": self.before,
            "ADD": self.add,
            "FLAGS": self._flags(),
            "SHARING": _SHARING.replace("@TEST@", self.sharing) if self.sharing else "",
            "SLEEPS": "true" if self.sleeps else "false",
            "WHAT": self.what,
            "NAME": self.name,
        }
        for word, part in parts.items():
            text = text.replace(f"@{word}@", part)
        return text

    def _flags(self) -> str:
        if self.sharing:
            return _SHARES
        return "\t.flags = XFRMDEV_OPS_F_LOWER_HANDLE,\n" if self.flag else ""


def _asks(lower: str, state: str = "x") -> str:
    return f"\thandle = xfrm_dev_state_lower_handle({state}, {lower});\n"


# A handle that is a pointer, as many drivers have it.
_ENTRY = "struct @NAME@_sa {\n\tu32 id;\n\tu32 spi;\n};\n\n"
_ENTRY_ADD = """	sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	if (!sa) {
		hardware_remove(&nic->hw, be32_to_cpu(x->id.spi));
		return -ENOMEM;
	}
	sa->id = id;
	sa->spi = be32_to_cpu(x->id.spi);
	/* It stays: what becomes of a packet that finds it later is to be seen. */
	x->xso.offload_handle = (unsigned long)sa;
"""


def _pointer(name: str, what: str, body: str, flag: bool = True, given: bool = False) -> Variant:
    return Variant(
        name,
        what,
        body,
        locals="\tstruct @NAME@_sa *sa;\n",
        before=_ENTRY,
        add="\tstruct @NAME@_sa *sa;\n\n" + _ENTRY_ADD,
        flag=flag,
        given=given,
        pointer=True,
    )


_DROP_POINTER = _DROP.replace("!handle", "!sa")
_WRITE_POINTER = _WRITE.replace("handle", "sa->id", 1)

RIGHT = (
    Variant(
        "right_register", "asks, tests, writes a register", _asks("nic->netdev") + _DROP + _WRITE
    ),
    Variant(
        "right_descriptor",
        "asks for the transmit function's device, writes a descriptor",
        "\tdesc = &nic->hw.ring[0];\n"
        + _asks("dev")
        + "\tif (unlikely(handle == 0))\n\t\tgoto drop;\n"
        "\tdesc->sa = cpu_to_le32((u32)handle);\n"
        "\tdesc->length = cpu_to_le32(skb->len);\n"
        "\thardware_send_described(&nic->hw, skb, desc);\n" + _GOTO_DROP,
        locals="\tstruct descriptor *desc;\n" + _LOCAL,
        given=True,
    ),
    _pointer(
        "right_pointer",
        "the handle is a pointer; asks for skb->dev",
        "\tsa = (struct @NAME@_sa *)xfrm_dev_state_lower_handle(x, skb->dev);\n"
        + _DROP_POINTER
        + _WRITE_POINTER,
        given=True,
    ),
    Variant(
        "right_helper",
        "a function asks, and returns whether there is a handle",
        "\tif (!@NAME@_handle(nic, x, &handle)) {\n"
        "\t\thardware_none(&nic->hw);\n"
        "\t\tdev_kfree_skb_any(skb);\n"
        "\t\treturn NETDEV_TX_OK;\n"
        "\t}\n" + _WRITE,
        before="static bool @NAME@_handle(struct @NAME@ *nic, struct xfrm_state *x,\n"
        "\tunsigned long *handle)\n"
        "{\n"
        "\t*handle = xfrm_dev_state_lower_handle(x, nic->netdev);\n"
        "\treturn *handle != 0;\n"
        "}\n\n",
    ),
    Variant(
        "right_work",
        "a work item asks",
        _asks("nic->netdev") + _DROP + _WRITE,
        deferred=True,
    ),
)

UNCONVERTED = (
    Variant(
        "unconverted_register",
        "reads the field, and does not promise anything",
        "\tif (unlikely(!x))\n\t\tgoto drop;\n"
        "\thandle = x->xso.offload_handle;\n" + _WRITE + _GOTO_DROP,
        flag=False,
    ),
    _pointer(
        "unconverted_pointer",
        "reads the field, tests the pointer, and does not promise anything",
        "\tsa = (struct @NAME@_sa *)x->xso.offload_handle;\n" + _DROP_POINTER + _WRITE_POINTER,
        flag=False,
    ),
)

# Whose handle each asks for, or how it tests, keeps and reads.
WRONG = (
    Variant("direct_register", "reads the field", "\thandle = x->xso.offload_handle;\n" + _WRITE),
    Variant(
        "direct_tested",
        "reads the field, and tests it",
        "\thandle = READ_ONCE(x->xso.offload_handle);\n" + _DROP + _WRITE,
    ),
    _pointer(
        "direct_pointer",
        "reads the field, which is a pointer",
        "\tsa = (struct @NAME@_sa *)x->xso.offload_handle;\n" + _DROP_POINTER + _WRITE_POINTER,
    ),
    Variant("asks_owner", "asks for xso.dev", _asks("x->xso.dev") + _DROP + _WRITE),
    Variant("asks_real_dev", "asks for xso.real_dev", _asks("x->xso.real_dev") + _DROP + _WRITE),
    Variant("asks_null", "asks for no device", _asks("NULL") + _DROP + _WRITE),
    Variant(
        "asks_master",
        "asks for the device above",
        _asks("netdev_master_upper_dev_get_rcu(dev)") + _DROP + _WRITE,
    ),
    Variant(
        "asks_saved",
        "asks for the device that the last add came by",
        _asks("@NAME@_last") + _DROP + _WRITE,
        before="static struct net_device *@NAME@_last;\n\n",
        add=_INDEX + "\t@NAME@_last = dev;\n",
    ),
    Variant("no_test", "uses what it is answered", _asks("nic->netdev") + _WRITE),
    _pointer(
        "no_test_pointer",
        "follows the pointer that it is answered",
        "\tsa = (struct @NAME@_sa *)xfrm_dev_state_lower_handle(x, nic->netdev);\n"
        + _WRITE_POINTER,
    ),
    Variant(
        "tests_state",
        "tests the state instead",
        _asks("nic->netdev") + _DROP.replace("!handle", "!x") + _WRITE,
    ),
    Variant(
        "tests_number",
        "tests against another number",
        _asks("nic->netdev") + _DROP.replace("!handle", "handle == ~0UL") + _WRITE,
    ),
    Variant(
        "tests_late",
        "tests after the use",
        _asks("nic->netdev")
        + _WRITE
        + '\tif (!handle)\n\t\tnetdev_dbg(nic->netdev, "no SA\\n");\n',
    ),
    Variant(
        "counts_only",
        "counts what it is not answered, and goes on",
        _asks("nic->netdev") + "\tif (!handle)\n\t\tdev->stats.tx_errors++;\n" + _WRITE,
    ),
    Variant(
        "falls_back",
        "takes the field where it is answered 0",
        _asks("nic->netdev")
        + "\tif (!handle)\n\t\thandle = x->xso.offload_handle;\n"
        + _DROP
        + _WRITE,
    ),
    Variant(
        "kept_by_add",
        "keeps the handle that add returned, by SPI, for all of its NICs",
        "\thandle = @NAME@_kept[be32_to_cpu(x->id.spi) & 4095];\n" + _DROP + _WRITE,
        before="static unsigned long @NAME@_kept[4096];\n\n",
        add=_INDEX + "\t@NAME@_kept[be32_to_cpu(x->id.spi) & 4095] = x->xso.offload_handle;\n",
    ),
    Variant(
        "kept_by_packet",
        "keeps for good what the first packet was answered",
        "\tif (!nic->kept)\n"
        "\t\tnic->kept = xfrm_dev_state_lower_handle(x, nic->netdev);\n"
        "\thandle = nic->kept;\n" + _DROP + _WRITE,
        members="\tunsigned long kept;\n",
    ),
    Variant(
        "other_state",
        "asks for the state that was added last",
        _asks("nic->netdev", "nic->last") + _DROP + _WRITE,
        members="\tstruct xfrm_state *last;\n",
        add=_INDEX + "\tnic->last = x;\n",
    ),
    Variant(
        "torn_pair",
        "reads whose state it is, and the handle later",
        "\towner = READ_ONCE(x->xso.dev);\n"
        "\treal_dev = READ_ONCE(x->xso.real_dev);\n"
        "\thardware_between(&nic->hw);\n"
        "\thandle = 0;\n"
        "\tif (owner == nic->netdev || real_dev == nic->netdev)\n"
        "\t\thandle = READ_ONCE(x->xso.offload_handle);\n" + _DROP + _WRITE,
        locals="\tstruct net_device *owner, *real_dev;\n" + _LOCAL,
        deferred=True,
        sleeps=True,
    ),
    Variant(
        "torn_answer",
        "reads whether it is the owner, and the handle later; else asks",
        "\town = READ_ONCE(x->xso.real_dev) == nic->netdev;\n"
        "\thardware_between(&nic->hw);\n"
        "\tif (own)\n"
        "\t\thandle = READ_ONCE(x->xso.offload_handle);\n"
        "\telse\n"
        "\t\thandle = xfrm_dev_state_lower_handle(x, nic->netdev);\n" + _DROP + _WRITE,
        locals="\tbool own;\n" + _LOCAL,
        deferred=True,
        sleeps=True,
    ),
)

VARIANTS = (*RIGHT, *UNCONVERTED, *WRONG)


def to_convert(names: Mapping[str, Variant]) -> tuple[Variant, ...]:
    """Return drivers that are wrong here and built, by new names, as `xfrmlint convert` does."""
    return tuple(
        one._replace(name=name, what="converted by xfrmlint: " + one.what, given=True)
        for name, one in names.items()
    )
