"""Revision 2 in a real kernel: its interfaces, a core that captures callbacks, a bond that shares.

Written for this project after the contract's words, as fixtures/base/shared is in small.
"""

from pathlib import Path

from tests.real.ported import Ported
from tests.running.mapped import BONDING

_HERE = Path(__file__).parent / "c"
_FLAGS = """
#define XFRMDEV_OPS_F_LOWER_HANDLE BIT(0)
#define XFRMDEV_OPS_F_LAG_SHARED_STATE BIT(1)

struct sock;
struct xfrmdev_ops {
	unsigned long (*xdo_dev_state_lower_handle)(struct net_device *dev,
						    struct xfrm_state *x,
						    struct net_device *lower_dev);
	bool (*xdo_dev_state_lag_compatible)(struct net_device *dev,
					     struct net_device *peer_dev);
	int (*xdo_dev_packet_xmit)(struct sock *sk, struct sk_buff *skb,
				   struct xfrm_state *x);
	u32 flags;
"""

_RESOLVER = """#ifdef CONFIG_XFRM_OFFLOAD
static inline unsigned long
xfrm_dev_state_lower_handle(struct xfrm_state *x, struct net_device *lower_dev)
{
	struct xfrm_dev_offload *xdo = &x->xso;
	struct net_device *real_dev = READ_ONCE(xdo->real_dev);
	struct net_device *dev = READ_ONCE(xdo->dev);
	const struct xfrmdev_ops *state_ops = READ_ONCE(xdo->state_ops);
	unsigned long offload_handle = READ_ONCE(xdo->offload_handle);

	if (!dev || !lower_dev)
		return 0;
	if (offload_handle && (dev == lower_dev || real_dev == lower_dev))
		return offload_handle;
	if (state_ops && state_ops->xdo_dev_state_lower_handle)
		return state_ops->xdo_dev_state_lower_handle(dev, x, lower_dev);
	return 0;
}
#else
static inline unsigned long
xfrm_dev_state_lower_handle(struct xfrm_state *x, struct net_device *lower_dev)
{
	return 0;
}
#endif

"""

_CLEARED = """WRITE_ONCE(xso->offload_handle, 0);
@WRITE_ONCE(xso->real_dev, NULL);
@WRITE_ONCE(xso->real_ops, NULL);
@WRITE_ONCE(xso->state_ops, NULL);
"""

_PACKET_XMIT = """		state_ops = READ_ONCE(x->xso.state_ops);
		if (state_ops && state_ops->xdo_dev_packet_xmit) {
			/* The device that the route leads to is the one at work. */
			skb->dev = skb_dst(skb)->dev;
			return state_ops->xdo_dev_packet_xmit(sk, skb, x);
		}

"""

EDITED = ("net/xfrm/xfrm_device.c", "net/xfrm/xfrm_output.c")


def port(tree: Ported) -> None:
    """Lay revision 2 into a kernel; what its bond does with states is another bond's."""
    _port_headers(tree)
    _port_core(tree)
    _lay_bond(tree)


def _port_headers(tree: Ported) -> None:
    tree.edit("include/linux/netdevice.h", (r"^struct xfrmdev_ops \{\n", _FLAGS))
    tree.edit(
        "include/net/xfrm.h",
        (
            r"^\tstruct net_device\s+\*dev;\n(?=\tnetdevice_tracker)",
            "\tstruct net_device\t*dev;\n\tconst struct xfrmdev_ops *state_ops;\n",
        ),
        (
            r"(unsigned long\s+offload_handle;)",
            "const struct xfrmdev_ops *real_ops;\n"
            "\tunsigned long offload_handle;\n"
            "\trefcount_t active_refs;",
        ),
        *(change for slot in ("update_stats", "advance_esn") for change in _captured(slot)),
        (r"^(?=void xfrm_state_insert\()", _RESOLVER),
    )


def _port_core(tree: Ported) -> None:
    """Let the core call what it has captured, and clear all of it."""
    tree.edit(
        "net/xfrm/xfrm_state.c",
        (r"\tdev->xfrmdev_ops->xdo_dev_state_delete\(", "\txso->state_ops->xdo_dev_state_delete("),
        (r"if \(dev && dev->xfrmdev_ops\) \{", "if (dev && xso->state_ops) {"),
        (
            r"if \(dev->xfrmdev_ops->xdo_dev_state_free\)\n\t\t\tdev->xfrmdev_ops->",
            "if (xso->state_ops->xdo_dev_state_free)\n\t\t\txso->state_ops->",
        ),
        (
            r"^\t\tWRITE_ONCE\(xso->dev, NULL\);\n",
            _cleared(2) + "\t\tWRITE_ONCE(xso->dev, NULL);\n",
        ),
        # A state that a packet has asked for.
        (
            r"^\t\t\txso->dev = dev;\n",
            "\t\t\txso->dev = dev;\n\t\t\txso->state_ops = dev->xfrmdev_ops;\n",
        ),
        (
            r"^\t\t\t\tnetdev_put\(dev, &xso->dev_tracker\);\n\t\t\t\txso->dev = NULL;\n",
            _cleared(4) + "\t\t\t\tnetdev_put(dev, &xso->dev_tracker);\n\t\t\t\txso->dev = NULL;\n",
        ),
    )
    tree.edit(
        "net/xfrm/xfrm_device.c",
        (
            r"^\txso->dev = dev;\n",
            "\txso->dev = dev;\n\txso->state_ops = dev->xfrmdev_ops;\n"
            "\trefcount_set(&xso->active_refs, 1);\n",
        ),
        (
            r"^\tif \(err\) \{\n\t\txso->dev = NULL;\n\t\txso->dir = 0;\n",
            "\tif (err) {\n" + _cleared(2) + "\t\txso->dev = NULL;\n\t\txso->dir = 0;\n",
        ),
        (
            r"if \(dev->xfrmdev_ops->xdo_dev_offload_ok\)\n\t\treturn dev->xfrmdev_ops->",
            "if (x->xso.state_ops->xdo_dev_offload_ok)\n\t\treturn x->xso.state_ops->",
        ),
    )
    tree.edit(
        "net/xfrm/xfrm_output.c",
        (
            r"^(int xfrm_output\(struct sock \*sk, struct sk_buff \*skb\)\n\{\n)",
            "int xfrm_output(struct sock *sk, struct sk_buff *skb)\n{\n"
            "\tconst struct xfrmdev_ops *state_ops;\n",
        ),
        (r"^(?=\t\t/\* Exclusive direct xmit for tunnel mode)", _PACKET_XMIT),
    )


def _cleared(depth: int) -> str:
    return "\t" * depth + _CLEARED.replace("@", "\t" * depth)


def _captured(slot: str) -> tuple[tuple[str, str], ...]:
    """Return how a header's inline comes to call what was captured."""
    name = f"xdo_dev_state_{slot}"
    inline = rf"^static inline void xfrm_dev_state_{slot}\(struct xfrm_state \*x\)\n\{{\n[^}}]*\}}"
    return (
        (
            inline,
            f"static inline void xfrm_dev_state_{slot}(struct xfrm_state *x)\n"
            "{\n"
            "\tconst struct xfrmdev_ops *ops = READ_ONCE(x->xso.state_ops);\n\n"
            f"\tif (ops && ops->{name})\n"
            f"\t\tops->{name}(x);\n"
            "}",
        ),
    )


def _lay_bond(tree: Ported) -> None:
    for name in ("bond_share.c", "bond_share.h"):
        tree.write(f"{BONDING}/{name}", (_HERE / name).read_text("utf-8"))
    tree.edit(f"{BONDING}/Makefile", (r"bonding-objs := ", "bonding-objs := bond_share.o "))
    tree.edit(
        f"{BONDING}/bond_main.c",
        (r"^#include <net/xfrm\.h>\n", '#include <net/xfrm.h>\n#include "bond_share.h"\n'),
        (
            r"^#ifdef CONFIG_XFRM_OFFLOAD\n/\*\*\n \* bond_ipsec_dev (.*\n)*?"
            r"#endif /\* CONFIG_XFRM_OFFLOAD \*/\n(?=\n/\*-+ Link status)",
            "",
        ),
        (r"^#ifdef CONFIG_XFRM_OFFLOAD\n\tbond_ipsec_del_sa_all\(bond\);\n#endif.*\n", ""),
        (r"^\tbond_ipsec_add_sa_all\(bond\);\n", _SETTLE),
        (r"^\tbond_set_carrier\(bond\);\n", _SETTLE + "\tbond_set_carrier(bond);\n"),
        (
            r"^(?=\n\tif \(bond_mode_can_use_xmit_hash\(bond\) \|\|\n"
            r"\t    BOND_MODE\(bond\) == BOND_MODE_BROADCAST\)\n"
            r"\t\tbond_update_slave_arr\(bond, slave\);)",
            _SETTLE,
        ),
        (r"^\tcase NETDEV_FEAT_CHANGE:\n", "\tcase NETDEV_FEAT_CHANGE:\n\t" + _SETTLE),
        (r"= &bond_xfrmdev_ops;", "= &bond_share_xfrmdev_ops;"),
    )
    tree.edit(
        f"{BONDING}/bond_options.c",
        (
            r"if \(BOND_MODE\(bond\) == BOND_MODE_ACTIVEBACKUP\)\n"
            r"(?=\t\tbond->dev->wanted_features)",
            "if (BOND_MODE(bond) == BOND_MODE_ACTIVEBACKUP ||\n"
            "\t    BOND_MODE(bond) == BOND_MODE_ROUNDROBIN)\n",
        ),
    )


_SETTLE = "\tbond_share_settle(bond);\n"
