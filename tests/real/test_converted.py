"""Real drivers, converted rightly, in which nothing is found; and ways to break a conversion."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from tests.real.converted import (
    CH_IPSEC,
    CH_IPSEC_H,
    CN10K,
    CONVERSIONS,
    CXGB4,
    IXGBE,
    IXGBE_H,
    IXGBEVF,
    IXGBEVF_H,
    MLX5,
    MLX5_OPS,
    MLX5_OPS_H,
    MLX5_TX,
    MLX5_TX_H,
    NFP,
    NFP_OPS,
    NFP_OPS_H,
    NSIM,
    NSIM_H,
    OTX2,
    Change,
    Conversion,
    Edits,
    edited,
    flag,
)
from tests.real.ported import Ported
from xfrmlint.check import check_tree
from xfrmlint.findings import Finding, Report, Unknown
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree.folder import Folder

pytestmark = [pytest.mark.real, pytest.mark.slow]

RULES = load_rules([rules_folder()])

# A type, a path, and the text on whose line it is to be found, or that line.
Expected = tuple[str, str, str]
Place = tuple[str, str, int]
Converted = Callable[[Conversion], Ported]

UNCHECKED = "UNCHECKED_LOWER_HANDLE"
# What these drivers do besides, converted or not: expected/*/callbacks.tsv has it.
_BESIDES = (
    "ADD_RETURNS_ZERO",
    "CALLBACK_MAY_SLEEP",
    "HANDLE_FREED_ON_DELETE",
    "TX_WITHOUT_XFRM_OFFLOAD",
)
WRONG = "WRONG_LOWER_DEV"
DEVICE = "OFFLOAD_DEV_ACCESS"
DIRECT = "DIRECT_OFFLOAD_HANDLE"
KEPT = "HANDLE_OUTLIVES_PACKET"
BUSY = "ZERO_HANDLE_TX_BUSY"
UNRESOLVED = "LOWER_HANDLE_NOT_RESOLVED"
UNFLAGGED = "LOWER_HANDLE_FLAG_MISSING"
WRITE = "OFFLOAD_HANDLE_WRITE"


class Way(NamedTuple):
    """What somebody did to a conversion, and what is to be found then, and nothing else."""

    how: str
    edits: Edits
    expected: tuple[Expected, ...]


def _unflagged(path: str, table: str) -> Way:
    there = (r"^\t\.flags = XFRMDEV_OPS_F_LOWER_HANDLE,\n", "")
    return Way(
        "the flag is left out",
        {path: (there,)},
        ((UNFLAGGED, path, f"struct xfrmdev_ops {table} = {{"),),
    )


def _member(struct: str) -> Change:
    """Return the change that gives a struct a member for a handle."""
    return rf"^struct {struct} \{{\n", f"struct {struct} {{\n\tunsigned long ipsec_handle;\n"


# `return 0` where the handle is 0 or out of bounds, in both Intel drivers.
_TESTED = (r"^\tif \(.*handle.*\)\n\t\treturn 0;\n\n", "")
_BOUNDED = (r"^\tif \(unlikely\(.*sa_idx >= IXGBE_IPSEC_MAX_SA_COUNT\)\) \{\n(?:.*\n){3}\t\}\n", "")
_USED = "tsa = &ipsec->tx_tbl[itd->sa_idx];"
_USED_VF = "tsa = &ipsec->tx_tbl[sa_idx];"

_IXGBE_7 = (
    _unflagged(IXGBE, "ixgbe_xfrmdev_ops"),
    Way(
        "no test at all",
        {IXGBE: (_TESTED, _BOUNDED)},
        ((UNCHECKED, IXGBE, _USED),),
    ),
    Way(
        "the test stands behind the use",
        {
            IXGBE: (
                _TESTED,
                _BOUNDED,
                (
                    r"^\tfirst->tx_flags \|= IXGBE_TX_FLAGS_IPSEC",
                    "\tif (!handle)\n\t\treturn 0;\n\n\tfirst->tx_flags |= IXGBE_TX_FLAGS_IPSEC",
                ),
            )
        },
        ((UNCHECKED, IXGBE, _USED),),
    ),
    Way(
        "asked twice, tested once",
        {
            IXGBE: (
                (
                    r"^\thandle = (xfrm_.*);\n\tif \(!handle\)\n\t\treturn 0;\n",
                    "\tif (!xfrm_dev_state_lower_handle(xs, tx_ring->netdev))\n"
                    "\t\treturn 0;\n"
                    "\thandle = xfrm_dev_state_lower_handle(xs, tx_ring->netdev);\n",
                ),
                _BOUNDED,
            )
        },
        ((UNCHECKED, IXGBE, _USED),),
    ),
    Way(
        "falls back to the field",
        {
            IXGBE: (
                (
                    r"^\tif \(!handle\)\n\t\treturn 0;\n",
                    "\tif (!handle)\n\t\thandle = xs->xso.offload_handle; /* old bond */\n",
                ),
            )
        },
        ((DIRECT, IXGBE, "xs->xso.offload_handle; /* old bond */"),),
    ),
    Way(
        # The index is a u16: 0 less the base is far out of bounds.
        "only the bounds are checked, and 0 is out of them",
        {IXGBE: (_TESTED,)},
        (),
    ),
    Way(
        "the owner is asked",
        {IXGBE: ((r"lower_handle\(xs, tx_ring->netdev\)", "lower_handle(xs, xs->xso.dev)"),)},
        ((WRONG, IXGBE, "xs->xso.dev"), (DEVICE, IXGBE, "xs->xso.dev")),
    ),
    Way(
        "one direct read is left, in a message",
        {IXGBE: ((r"itd->sa_idx, handle\)", "itd->sa_idx, xs->xso.offload_handle)"),)},
        ((DIRECT, IXGBE, "itd->sa_idx, xs->xso.offload_handle)"),),
    ),
    Way(
        "kept in the ring",
        {
            IXGBE_H: (_member("ixgbe_ring"),),
            IXGBE: ((r"^(?=\titd->sa_idx = handle)", "\ttx_ring->ipsec_handle = handle;\n"),),
        },
        ((KEPT, IXGBE, "tx_ring->ipsec_handle = handle;"),),
    ),
    Way(
        "the answer is thrown away",
        {
            IXGBE: (
                (
                    r"^\thandle = (.*)\n\tif \(!handle\)\n\t\treturn 0;\n\n\titd->sa_idx = handle",
                    "\txfrm_dev_state_lower_handle(xs, tx_ring->netdev);\n"
                    "\titd->sa_idx = xs->xso.offload_handle",
                ),
                (r"itd->sa_idx, handle\)", "itd->sa_idx, xs->xso.offload_handle)"),
            )
        },
        (
            (UNRESOLVED, IXGBE, "struct xfrmdev_ops ixgbe_xfrmdev_ops = {"),
            (DIRECT, IXGBE, "itd->sa_idx = xs->xso.offload_handle"),
            (DIRECT, IXGBE, "itd->sa_idx, xs->xso.offload_handle)"),
        ),
    ),
)

_IXGBEVF_ASKED = r"lower_handle\(xs, dev\)"

_IXGBEVF_7 = (
    _unflagged(IXGBEVF, "ixgbevf_xfrmdev_ops"),
    Way(
        "what the getter says is ignored",
        {
            IXGBEVF: (
                (
                    r"if \(ixgbevf_ipsec_handle\(xs, tx_ring->netdev, &handle\)\)\n\t\treturn 0;",
                    "ixgbevf_ipsec_handle(xs, tx_ring->netdev, &handle);",
                ),
                _BOUNDED,
            )
        },
        ((UNCHECKED, IXGBEVF, _USED_VF),),
    ),
    Way(
        "the getter tests the pointer, not what it points to",
        {IXGBEVF: ((r"return \*handle \?", "return handle ?"), _BOUNDED)},
        ((UNCHECKED, IXGBEVF, _USED_VF),),
    ),
    Way(
        "the bond's active slave is asked",
        {IXGBEVF: ((_IXGBEVF_ASKED, "lower_handle(xs, xs->xso.real_dev)"),)},
        ((WRONG, IXGBEVF, "xs->xso.real_dev"), (DEVICE, IXGBEVF, "xs->xso.real_dev")),
    ),
    Way(
        "no device is asked",
        {IXGBEVF: ((_IXGBEVF_ASKED, "lower_handle(xs, NULL)"),)},
        ((WRONG, IXGBEVF, "lower_handle(xs, NULL)"),),
    ),
    Way(
        "kept in a static variable",
        {IXGBEVF: ((r"^\tunsigned long handle;", "\tstatic unsigned long handle;"),)},
        ((KEPT, IXGBEVF, "*handle = xfrm_dev_state_lower_handle(xs, dev);"),),
    ),
    Way(
        "the field is read all the same",
        {IXGBEVF: ((r"sa_idx = handle -", "sa_idx = xs->xso.offload_handle -"),)},
        ((DIRECT, IXGBEVF, "return 0;\n\n\tsa_idx = xs->xso.offload_handle -"),),
    ),
)

_MLX5_USED = "sa_entry->set_iv_op(skb, x, xo);"

_MLX5_7 = (
    _unflagged(MLX5_OPS, "mlx5e_ipsec_xfrmdev_ops"),
    Way(
        "the test is forgotten",
        {MLX5_TX: ((r"unlikely\(!handle \|\|\n\s+\(", "unlikely(("),)},
        ((UNCHECKED, MLX5_TX, _MLX5_USED),),
    ),
    Way(
        "a warning, and on it goes",
        {
            MLX5_TX: (
                (
                    r"if \(unlikely\(!handle \|\|\n\s+\(",
                    "WARN_ON_ONCE(!handle);\n\tif (unlikely((",
                ),
            )
        },
        ((UNCHECKED, MLX5_TX, _MLX5_USED),),
    ),
    Way(
        "the header's read is left",
        {MLX5_TX_H: ((r"!mlx5e_ipsec_lower_handle\(x, netdev\)", "!x->xso.offload_handle"),)},
        ((DIRECT, MLX5_TX_H, "!x->xso.offload_handle"),),
    ),
    Way(
        "the master is asked",
        {
            MLX5_TX: (
                (
                    r"handle = mlx5e_ipsec_lower_handle\(x, netdev\)",
                    "handle = mlx5e_ipsec_lower_handle(x,\n"
                    "\t\tnetdev_master_upper_dev_get_rcu(netdev))",
                ),
            )
        },
        ((WRONG, MLX5_TX, "handle = mlx5e_ipsec_lower_handle(x,"),),
    ),
    Way(
        "kept in the SA",
        {
            MLX5_OPS_H: (_member("mlx5e_ipsec_sa_entry"),),
            MLX5_TX: (
                (
                    r"^\tsa_entry->set_iv_op",
                    "\tsa_entry->ipsec_handle = handle;\n\tsa_entry->set_iv_op",
                ),
            ),
        },
        ((KEPT, MLX5_TX, "sa_entry->ipsec_handle = handle;"),),
    ),
    Way(
        "the packet is to be sent again",
        {
            f"{MLX5}/en_tx.c": (
                (
                    r"(?<=accel_tx_begin\(dev, sq, skb, &accel\)\)\)\n)\t\treturn NETDEV_TX_OK;",
                    "\t\treturn NETDEV_TX_BUSY;",
                ),
            )
        },
        ((BUSY, f"{MLX5}/en_tx.c", "NETDEV_TX_BUSY"),),
    ),
)

_NFP_USED = tuple(
    (UNCHECKED, f"{NFP}/{kind}/dp.c", "put_unaligned_be32(offload_info.handle - 1, data);")
    for kind in ("nfd3", "nfdk")
)

_NFP_7 = (
    _unflagged(NFP_OPS, "nfp_net_ipsec_xfrmdev_ops"),
    Way(
        "a warning, and on it goes",
        {
            NFP_OPS: (
                (r"if \((WARN_ON_ONCE\(!handle\))\)\n\t\treturn false;", "WARN_ON_ONCE(!handle);"),
            )
        },
        _NFP_USED,
    ),
    Way(
        "another variable is tested",
        {NFP_OPS: ((r"WARN_ON_ONCE\(!handle\)", "WARN_ON_ONCE(!x)"),)},
        _NFP_USED,
    ),
    Way(
        "copied to the packet",
        {
            NFP_OPS: ((r"if \(WARN_ON_ONCE\(!handle\)\)\n\t\treturn false;\n", "\n"),),
            f"{NFP}/nfd3/dp.c": (
                (
                    r"put_unaligned_be32\(offload_info\.handle - 1, data\);",
                    "memcpy(data, &offload_info.handle, sizeof(u32));",
                ),
            ),
        },
        (
            (UNCHECKED, f"{NFP}/nfd3/dp.c", "memcpy(data, &offload_info.handle, sizeof(u32));"),
            _NFP_USED[1],
        ),
    ),
    Way(
        "the macro is asked for the master",
        {
            NFP_OPS: (
                (
                    r"lower_handle\(x, netdev\)",
                    "lower_handle(x, netdev_master_upper_dev_get_rcu(netdev))",
                ),
            )
        },
        ((WRONG, NFP_OPS, "netdev_master_upper_dev_get_rcu"),),
    ),
    Way(
        "the macro asks the bond's active slave",
        {NFP_OPS_H: ((r"\(x\), \(netdev\)\)", "(x), (x)->xso.real_dev)"),)},
        ((WRONG, NFP_OPS_H, "(x)->xso.real_dev"), (DEVICE, NFP_OPS_H, "(x)->xso.real_dev")),
    ),
    Way(
        "kept in the device",
        {
            f"{NFP}/nfp_net.h": (_member("nfp_net"),),
            NFP_OPS: (
                (
                    r"^(?=\toffload_info->handle = handle;)",
                    "\t((struct nfp_net *)netdev_priv(netdev))->ipsec_handle = handle;\n",
                ),
            ),
        },
        ((KEPT, NFP_OPS, "->ipsec_handle = handle;"),),
    ),
    Way(
        "the packet is to be sent again",
        {
            f"{NFP}/nfd3/dp.c": (
                (
                    r"^\tif \(unlikely\(md_bytes < 0\)\)\n",
                    "\tif (md_bytes == -EINVAL)\n"
                    "\t\treturn NETDEV_TX_BUSY; /* no handle yet */\n"
                    "\tif (unlikely(md_bytes < 0))\n",
                ),
            )
        },
        ((BUSY, f"{NFP}/nfd3/dp.c", "NETDEV_TX_BUSY; /* no handle yet */"),),
    ),
    Way(
        "the owner's features are looked at",
        {f"{NFP}/nfdk/ipsec.c": ((r"skb->dev->features", "x->xso.dev->features"),)},
        ((DEVICE, f"{NFP}/nfdk/ipsec.c", "x->xso.dev"),),
    ),
)

_CN10K_DROPPED = r"^\tif \(unlikely\(!handle\)\)\n\t\tgoto drop;\n"
_CN10K_USED = (UNCHECKED, CN10K, "inst->cptr = sa_info->iova;")
_CN10K_ASKED = r"lower_handle\(x, txq->dev\)"

_OCTEONTX2_7 = (
    _unflagged(CN10K, "cn10k_ipsec_xfrmdev_ops"),
    Way("the test is forgotten", {CN10K: ((_CN10K_DROPPED, ""),)}, (_CN10K_USED,)),
    Way(
        "the field is tested instead",
        {CN10K: ((_CN10K_DROPPED, "\tif (!x->xso.offload_handle)\n\t\tgoto drop;\n"),)},
        (_CN10K_USED, (DIRECT, CN10K, "if (!x->xso.offload_handle)")),
    ),
    Way(
        "a dropped packet is to be sent again",
        {CN10K: ((r"(?<=dev_kfree_skb_any\(skb\);\n\treturn )true;\n\}", "false;\n}"),)},
        tuple(
            (BUSY, f"{OTX2}/{name}", "netif_tx_wake_queue(txq);\n\n\t\treturn NETDEV_TX_BUSY;")
            for name in ("otx2_pf.c", "otx2_vf.c", "rep.c")
        ),
    ),
    Way(
        "the master is asked",
        {CN10K: ((_CN10K_ASKED, "lower_handle(x, netdev_master_upper_dev_get_rcu(txq->dev))"),)},
        ((WRONG, CN10K, "netdev_master_upper_dev_get_rcu"),),
    ),
    Way(
        "kept in the queue",
        {
            f"{OTX2}/otx2_txrx.h": (_member("otx2_snd_queue"),),
            CN10K: (
                (
                    r"^(?=\tcn10k_ipsec_set_cptr\(&inst)",
                    "\tsq->ipsec_handle = handle;\n",
                ),
            ),
        },
        ((KEPT, CN10K, "sq->ipsec_handle = handle;"),),
    ),
    Way(
        "the field is cleared on delete",
        {
            CN10K: (
                (
                    r"^(?=\t/\* If no more SA's)",
                    "\tx->xso.offload_handle = 0;\n",
                ),
            )
        },
        ((WRITE, CN10K, "x->xso.offload_handle = 0;"),),
    ),
)

_NSIM_USED = (UNCHECKED, NSIM, "tsa = &ipsec->sa[sa_idx];")
_NSIM_DIRECTLY = "sa_idx = xs->xso.offload_handle & ~NSIM_IPSEC_VALID; /* ! */"

_NETDEVSIM_7 = (
    _unflagged(NSIM, "nsim_xfrmdev_ops"),
    Way(
        "only the bounds are checked, and 0 is within them",
        {
            NSIM: (
                (
                    r"sa_idx = handle \? .*",
                    "sa_idx = handle & ~NSIM_IPSEC_VALID;",
                ),
            )
        },
        (_NSIM_USED,),
    ),
    Way(
        "the answer is thrown away",
        {
            NSIM: (
                (
                    r"handle = (xfrm.*)\n\tsa_idx = handle \? .*",
                    f"xfrm_dev_state_lower_handle(xs, ns->netdev);\n\t{_NSIM_DIRECTLY}",
                ),
            )
        },
        (
            (UNRESOLVED, NSIM, "struct xfrmdev_ops nsim_xfrmdev_ops = {"),
            (DIRECT, NSIM, _NSIM_DIRECTLY),
        ),
    ),
    Way(
        "a VLAN's real device is asked",
        {NSIM: ((r"(?<=lower_handle\(xs, )ns->netdev", "vlan_dev_real_dev(ns->netdev)"),)},
        ((WRONG, NSIM, "vlan_dev_real_dev"),),
    ),
    Way(
        "kept in a static variable",
        {NSIM: ((r"^\tunsigned long handle;", "\tstatic unsigned long handle;"),)},
        ((KEPT, NSIM, "handle = xfrm_dev_state_lower_handle(xs, ns->netdev);"),),
    ),
    Way(
        "the packet is to be sent again",
        {
            "drivers/net/netdevsim/netdev.c": (
                (
                    r"^\tif \(!nsim_ipsec_tx\(ns, skb\)\)\n.*",
                    "\tif (!nsim_ipsec_tx(ns, skb)) {\n"
                    "\t\trcu_read_unlock();\n"
                    "\t\treturn NETDEV_TX_BUSY;\n"
                    "\t}\n",
                ),
            )
        },
        ((BUSY, "drivers/net/netdevsim/netdev.c", "return NETDEV_TX_BUSY;"),),
    ),
)

# A line that occurs more than once, with what makes it the one in calc_tx_sec_flits().
_CH_USED = "int aadivlen;\n\tint hdrlen;\n\n\tkctx_len = sa_entry->kctx_len;"

_CHELSIO_7 = (
    _unflagged(CXGB4, "cxgb4_xfrmdev_ops"),
    Way(
        "the flag is set where no net_device has the table",
        {
            CXGB4: ((r"^\t\.flags = XFRMDEV_OPS_F_LOWER_HANDLE,\n", ""),),
            CH_IPSEC: (flag("ch_ipsec_xfrmdev_ops"),),
        },
        (
            (UNFLAGGED, CXGB4, "struct xfrmdev_ops cxgb4_xfrmdev_ops = {"),
            (UNFLAGGED, CH_IPSEC, ".flags = XFRMDEV_OPS_F_LOWER_HANDLE"),
        ),
    ),
    Way(
        "the packet is to be sent again",
        {
            CH_IPSEC: (
                (
                    r"^\t\tgoto out_free;\n\n\tsp =",
                    "\t\treturn NETDEV_TX_BUSY; /* no handle yet */\n\n\tsp =",
                ),
            )
        },
        ((BUSY, CH_IPSEC, "NETDEV_TX_BUSY; /* no handle yet */"),),
    ),
    Way(
        "the test is forgotten",
        {CH_IPSEC: ((r"^\tif \(unlikely\(!sa_entry\)\)\n\t\tgoto out_free;\n", ""),)},
        ((UNCHECKED, CH_IPSEC, _CH_USED),),
    ),
    Way(
        "the test stands behind the use",
        {
            CH_IPSEC: (
                (r"^\tif \(unlikely\(!sa_entry\)\)\n\t\tgoto out_free;\n", ""),
                (
                    r"^\tndesc = flits_to_desc\(flits\);\n",
                    "\tif (!sa_entry)\n\t\tgoto out_free;\n\tndesc = flits_to_desc(flits);\n",
                ),
            )
        },
        ((UNCHECKED, CH_IPSEC, _CH_USED),),
    ),
    Way(
        "the owner is asked",
        {CH_IPSEC: ((r"= ch_ipsec_sa_of\(x, dev\)", "= ch_ipsec_sa_of(x, x->xso.dev)"),)},
        ((WRONG, CH_IPSEC, "x->xso.dev"), (DEVICE, CH_IPSEC, "x->xso.dev")),
    ),
    Way(
        "kept in the queue",
        {
            "drivers/net/ethernet/chelsio/cxgb4/cxgb4.h": (
                (
                    r"^struct sge_eth_txq \{.*\n",
                    "struct sge_eth_txq {\n\tvoid *ipsec_sa;\n",
                ),
            ),
            CH_IPSEC: (
                (
                    r"^\tcxgb4_reclaim_completed_tx\(adap, &q->q, true\);\n",
                    "\tq->ipsec_sa = sa_entry;\n",
                ),
            ),
        },
        ((KEPT, CH_IPSEC, "q->ipsec_sa = sa_entry;"),),
    ),
)

_IXGBE_6 = (
    _unflagged(IXGBE, "ixgbe_xfrmdev_ops"),
    Way(
        "what the getter says is ignored",
        {
            IXGBE: (
                (
                    r"if \(unlikely\(!(ixgbe_ipsec_handle.*)\)\)\n\t\treturn 0;",
                    "ixgbe_ipsec_handle(tx_ring, xs, &handle);",
                ),
                _BOUNDED,
            )
        },
        ((UNCHECKED, IXGBE, _USED),),
    ),
    Way(
        "the getter is never wrong",
        {IXGBE: ((r"return \*handle != 0;", "return true;"), _BOUNDED)},
        ((UNCHECKED, IXGBE, _USED),),
    ),
    Way(
        "the owner is asked",
        {IXGBE: ((r"lower_handle\(xs, ring->netdev\)", "lower_handle(xs, xs->xso.dev)"),)},
        ((WRONG, IXGBE, "xs->xso.dev"), (DEVICE, IXGBE, "xs->xso.dev")),
    ),
    Way(
        "kept in the ring",
        {
            IXGBE_H: (_member("ixgbe_ring"),),
            IXGBE: (
                (r"&handle\)", "&tx_ring->ipsec_handle)"),
                (r"itd->sa_idx = handle", "itd->sa_idx = tx_ring->ipsec_handle"),
            ),
        },
        ((KEPT, IXGBE, "*handle = xfrm_dev_state_lower_handle(xs, ring->netdev);"),),
    ),
)

_IXGBEVF_6 = (
    _unflagged(IXGBEVF, "ixgbevf_xfrmdev_ops"),
    Way(
        "a warning, and on it goes",
        {
            IXGBEVF: (
                (r"if \((WARN_ON_ONCE\(!handle\))\)\n\t\treturn 0;", "WARN_ON_ONCE(!handle);"),
                _BOUNDED,
            )
        },
        ((UNCHECKED, IXGBEVF, _USED_VF),),
    ),
    Way(
        "the macro asks no device",
        {IXGBEVF_H: ((r"\(xs\), \(ring\)->netdev\)", "(xs), NULL)"),)},
        ((WRONG, IXGBEVF_H, "(xs), NULL)"),),
    ),
    Way(
        "kept from packet to packet",
        {
            IXGBEVF: (
                (r"^\tunsigned long handle;", "\tstatic unsigned long handle;"),
                (
                    r"^\thandle = ixgbevf_lower_handle\(xs, tx_ring\);",
                    "\tif (!handle)\n\t\thandle = ixgbevf_lower_handle(xs, tx_ring);",
                ),
            )
        },
        ((KEPT, IXGBEVF, "handle = ixgbevf_lower_handle(xs, tx_ring);"),),
    ),
    Way(
        "the field is read all the same",
        {IXGBEVF: ((r"sa_idx = handle -", "sa_idx = xs->xso.offload_handle -"),)},
        ((DIRECT, IXGBEVF, "return 0;\n\n\tsa_idx = xs->xso.offload_handle -"),),
    ),
)

_MLX5_6 = (
    _unflagged(MLX5_OPS, "mlx5e_ipsec_xfrmdev_ops"),
    Way(
        "the test is forgotten",
        {MLX5_TX: ((r"unlikely\(!sa_entry \|\|\n\s+\(", "unlikely(("),)},
        ((UNCHECKED, MLX5_TX, _MLX5_USED),),
    ),
    Way(
        "the test stands behind the use",
        {
            MLX5_TX: (
                (r"unlikely\(!sa_entry \|\|\n\s+\(", "unlikely(("),
                (
                    r"^\tmlx5e_ipsec_set_state\(priv, skb",
                    "\tif (!sa_entry)\n\t\tgoto drop;\n\tmlx5e_ipsec_set_state(priv, skb",
                ),
            )
        },
        ((UNCHECKED, MLX5_TX, _MLX5_USED),),
    ),
    Way(
        # Before 6.16 a driver may read it, but not ask it.
        "the bond's active slave is asked",
        {MLX5_TX_H: ((r"lower_handle\(x, skb->dev\)", "lower_handle(x, x->xso.real_dev)"),)},
        ((WRONG, MLX5_TX_H, "x->xso.real_dev"),),
    ),
    Way(
        "one direct read is left",
        {MLX5_TX: ((r"!mlx5e_ipsec_sa_of\(skb->dev, x\)", "!x->xso.offload_handle"),)},
        ((DIRECT, MLX5_TX, "!x->xso.offload_handle"),),
    ),
    Way(
        "kept in the device",
        {
            MLX5_OPS_H: (
                (r"^struct mlx5e_ipsec \{\n", "struct mlx5e_ipsec {\n\tvoid *last_sa;\n"),
            ),
            MLX5_TX: (
                (
                    r"^\tsa_entry->set_iv_op",
                    "\tpriv->ipsec->last_sa = sa_entry;\n\tsa_entry->set_iv_op",
                ),
            ),
        },
        ((KEPT, MLX5_TX, "priv->ipsec->last_sa = sa_entry;"),),
    ),
)

_NFP_6 = (
    _unflagged(NFP_OPS, "nfp_net_ipsec_xfrmdev_ops"),
    Way(
        "one of two tests is forgotten",
        {f"{NFP}/nfd3/dp.c": ((r"^\t\tif \(!handle\)\n\t\t\treturn -EINVAL;\n", ""),)},
        _NFP_USED[:1],
    ),
    Way(
        "one of two asks no device",
        {f"{NFP}/nfdk/dp.c": ((r"_handle\(skb, dp->netdev\)", "_handle(skb, NULL)"),)},
        ((WRONG, f"{NFP}/nfdk/dp.c", "_handle(skb, NULL)"),),
    ),
    Way(
        "kept in a static variable",
        {
            NFP_OPS: (
                (
                    r"^\treturn x \? (.*) : 0;",
                    "\tstatic unsigned long last;\n"
                    "\n"
                    "\tif (x)\n"
                    "\t\tlast = xfrm_dev_state_lower_handle(x, netdev);\n"
                    "\treturn x ? last : 0;",
                ),
            )
        },
        ((KEPT, NFP_OPS, "last = xfrm_dev_state_lower_handle(x, netdev);"),),
    ),
    Way(
        "the packet is to be sent again",
        {
            f"{NFP}/nfdk/dp.c": (
                (
                    r"^\tif \(unlikely\(\(int\)metadata < 0\)\)\n",
                    "\tif ((int)metadata == -EINVAL)\n"
                    "\t\treturn NETDEV_TX_BUSY; /* no handle yet */\n"
                    "\tif (unlikely((int)metadata < 0))\n",
                ),
            )
        },
        ((BUSY, f"{NFP}/nfdk/dp.c", "NETDEV_TX_BUSY; /* no handle yet */"),),
    ),
    Way(
        "the helper reads the field all the same",
        {
            NFP_OPS: (
                (
                    r"offload_info->handle = handle;",
                    "offload_info->handle = x->xso.offload_handle;",
                ),
            )
        },
        ((DIRECT, NFP_OPS, "offload_info->handle = x->xso.offload_handle;"),),
    ),
)

_NETDEVSIM_6 = (
    _unflagged(NSIM, "nsim_xfrmdev_ops"),
    Way(
        "only the bounds are checked, and 0 is within them",
        {NSIM: ((r"^\tif \(!handle\)\n\t\tgoto drop;\n\n", ""),)},
        (_NSIM_USED,),
    ),
    Way(
        "another variable is tested",
        {NSIM: ((r"if \(!handle\)", "if (!xs)"),)},
        (_NSIM_USED,),
    ),
    Way(
        "the wrapper asks the owner",
        {NSIM_H: ((r"lower_handle\(xs, ns->netdev\)", "lower_handle(xs, xs->xso.dev)"),)},
        ((WRONG, NSIM_H, "xs->xso.dev"), (DEVICE, NSIM_H, "xs->xso.dev")),
    ),
    Way(
        "the answer is thrown away",
        {
            NSIM: (
                (
                    r"handle = nsim_ipsec_handle\(ns, xs\);\n\tif \(!handle\)\n\t\tgoto drop;\n",
                    "nsim_ipsec_handle(ns, xs);\n",
                ),
                (r"sa_idx = handle & ~NSIM_IPSEC_VALID;", _NSIM_DIRECTLY),
            )
        },
        (
            (UNRESOLVED, NSIM, "struct xfrmdev_ops nsim_xfrmdev_ops = {"),
            (DIRECT, NSIM, _NSIM_DIRECTLY),
        ),
    ),
)

_CHELSIO_6 = (
    _unflagged(CXGB4, "cxgb4_xfrmdev_ops"),
    Way(
        "the packet is to be sent again",
        {
            CH_IPSEC: (
                (
                    r"^\tif \(!handle\) \{\n(?:.*\n){2}\t\}\n",
                    "\tif (!handle)\n\t\treturn NETDEV_TX_BUSY; /* no handle yet */\n",
                ),
            )
        },
        ((BUSY, CH_IPSEC, "NETDEV_TX_BUSY; /* no handle yet */"),),
    ),
    Way(
        "the test is forgotten",
        {CH_IPSEC: ((r"^\tif \(!handle\) \{\n(?:.*\n){2}\t\}\n", ""),)},
        ((UNCHECKED, CH_IPSEC, _CH_USED),),
    ),
    Way(
        "the bond's active slave is asked",
        {CH_IPSEC_H: ((r"lower_handle\(x, skb->dev\)", "lower_handle(x, x->xso.real_dev)"),)},
        ((WRONG, CH_IPSEC_H, "x->xso.real_dev"),),
    ),
    Way(
        "kept in the SA",
        {
            CH_IPSEC_H: (_member("ipsec_sa_entry"),),
            CH_IPSEC: (
                (
                    r"^\tsp = skb_sec_path",
                    "\tsa_entry->ipsec_handle = handle;\n\tsp = skb_sec_path",
                ),
            ),
        },
        ((KEPT, CH_IPSEC, "sa_entry->ipsec_handle = handle;"),),
    ),
    Way(
        "the field is read all the same",
        {
            CH_IPSEC: (
                (
                    r"sa_entry = \(struct ipsec_sa_entry \*\)handle;",
                    "sa_entry = (struct ipsec_sa_entry *)x->xso.offload_handle; /* ! */",
                ),
            )
        },
        ((DIRECT, CH_IPSEC, "x->xso.offload_handle; /* ! */"),),
    ),
)

_ASKED = (
    r"^\thandle = (xfrm_.*)\n\tif \(!handle\)\n\t\treturn 0;\n\n\titd->sa_idx = handle - \w+;\n"
)
_IXGBE_ABOVE = r"^(?=/\*\*\n \* ixgbe_ipsec_tx -)"

# Right in other ways; the bounds check goes where it could stand in for the test.
STYLES = {
    "7.3 ixgbe": (
        Way(
            "an index or an error",
            {
                IXGBE: (
                    (
                        _ASKED,
                        "\tret = ixgbe_ipsec_index(xs, tx_ring->netdev);\n"
                        "\tif (ret < 0)\n"
                        "\t\treturn 0;\n"
                        "\titd->sa_idx = ret;\n",
                    ),
                    _BOUNDED,
                    (r"^\tunsigned long handle;\n", "\tint ret;\n"),
                    (
                        _IXGBE_ABOVE,
                        "static int ixgbe_ipsec_index(struct xfrm_state *xs,\n"
                        "\t\t\t     struct net_device *dev)\n"
                        "{\n"
                        "\tunsigned long handle = xfrm_dev_state_lower_handle(xs, dev);\n"
                        "\n"
                        "\treturn handle ? handle - IXGBE_IPSEC_BASE_TX_INDEX : -ENOENT;\n"
                        "}\n"
                        "\n",
                    ),
                )
            },
            (),
        ),
        Way(
            "a macro that returns",
            {
                IXGBE: (
                    (
                        _ASKED,
                        "\tIXGBE_IPSEC_HANDLE(handle, xs, tx_ring->netdev);\n"
                        "\titd->sa_idx = handle - IXGBE_IPSEC_BASE_TX_INDEX;\n",
                    ),
                    _BOUNDED,
                    (
                        _IXGBE_ABOVE,
                        "#define IXGBE_IPSEC_HANDLE(h, x, dev) do {\t\t\t\\\n"
                        "\t(h) = xfrm_dev_state_lower_handle((x), (dev));\t\\\n"
                        "\tif (unlikely(!(h)))\t\t\t\t\t\\\n"
                        "\t\treturn 0;\t\t\t\t\t\\\n"
                        "} while (0)\n"
                        "\n",
                    ),
                )
            },
            (),
        ),
        Way(
            "asked again a few times",
            {
                IXGBE: (
                    (
                        _ASKED,
                        "\twhile (!(handle = xfrm_dev_state_lower_handle(xs, tx_ring->netdev))) {\n"
                        "\t\tif (!--tries)\n"
                        "\t\t\treturn 0;\n"
                        "\t\tcpu_relax();\n"
                        "\t}\n"
                        "\titd->sa_idx = handle - IXGBE_IPSEC_BASE_TX_INDEX;\n",
                    ),
                    _BOUNDED,
                    (r"^\tunsigned long handle;\n", "\tunsigned long handle;\n\tint tries = 3;\n"),
                )
            },
            (),
        ),
        Way(
            "the packet's own device, under a guard",
            {
                IXGBE: (
                    (
                        r"^\thandle = xfrm_dev_state_lower_handle\(xs, tx_ring->netdev\);\n",
                        "\tscoped_guard(rcu)\n"
                        "\t\thandle = xfrm_dev_state_lower_handle(xs, first->skb->dev);\n",
                    ),
                    _BOUNDED,
                )
            },
            (),
        ),
    ),
    "7.3 mlx5_core": (
        Way(
            "kept with the packet",
            {
                MLX5_TX_H: (_member("mlx5e_accel_tx_ipsec_state"),),
                MLX5_TX: (
                    (
                        r"^\thandle = mlx5e_ipsec_lower_handle\(x, netdev\);\n",
                        "\tipsec_st->ipsec_handle = mlx5e_ipsec_lower_handle(x, netdev);\n"
                        "\thandle = ipsec_st->ipsec_handle;\n",
                    ),
                ),
            },
            (),
        ),
    ),
    "7.3 nfp": (
        Way(
            "the helper's answer is the test",
            {
                NFP_OPS: (
                    (r"if \(WARN_ON_ONCE\(!handle\)\)\n\t\treturn false;\n", "\n"),
                    (
                        r"(?<=offload_info->handle = handle;\n\n)\treturn true;",
                        "\treturn !!handle;",
                    ),
                )
            },
            (),
        ),
    ),
    "7.3 octeontx2": (
        Way(
            "the helper tests what it is given",
            {
                CN10K: (
                    (_CN10K_DROPPED, ""),
                    (r"static void cn10k_ipsec_set_cptr", "static bool cn10k_ipsec_set_cptr"),
                    (
                        r"^\tinst->cptr = sa_info->iova;\n",
                        "\tif (!sa_info)\n"
                        "\t\treturn false;\n"
                        "\tinst->cptr = sa_info->iova;\n"
                        "\treturn true;\n",
                    ),
                    (
                        r"^\tcn10k_ipsec_set_cptr\(&inst, handle\);",
                        "\tif (!cn10k_ipsec_set_cptr(&inst, handle))\n\t\tgoto drop;",
                    ),
                )
            },
            (),
        ),
    ),
    "7.3 netdevsim": (
        Way(
            "a bit that every handle has",
            {
                NSIM: (
                    (
                        r"^\tsa_idx = handle \? .*",
                        "\tif (!(handle & NSIM_IPSEC_VALID))\n"
                        "\t\treturn false;\n"
                        "\tsa_idx = handle & ~NSIM_IPSEC_VALID;",
                    ),
                )
            },
            (),
        ),
    ),
    "7.3 chelsio": (
        Way(
            "a pointer or an error",
            {
                CH_IPSEC: (
                    (
                        r"^\treturn \(struct ipsec_sa_entry \*\)(xfrm_.*)",
                        "\tunsigned long handle = xfrm_dev_state_lower_handle(x, dev);\n"
                        "\n"
                        "\tif (!handle)\n"
                        "\t\treturn ERR_PTR(-ENOENT);\n"
                        "\treturn (struct ipsec_sa_entry *)handle;",
                    ),
                    (r"if \(unlikely\(!sa_entry\)\)", "if (IS_ERR(sa_entry))"),
                )
            },
            (),
        ),
    ),
}

_RIGHT = Way("as it should be", {}, ())
BROKEN = {
    "7.3 ixgbe": _IXGBE_7,
    "7.3 ixgbevf": _IXGBEVF_7,
    "7.3 mlx5_core": _MLX5_7,
    "7.3 nfp": _NFP_7,
    "7.3 octeontx2": _OCTEONTX2_7,
    "7.3 netdevsim": _NETDEVSIM_7,
    "7.3 chelsio": _CHELSIO_7,
    "6.12 ixgbe": _IXGBE_6,
    "6.12 ixgbevf": _IXGBEVF_6,
    "6.12 mlx5_core": _MLX5_6,
    "6.12 nfp": _NFP_6,
    "6.12 netdevsim": _NETDEVSIM_6,
    "6.12 chelsio": _CHELSIO_6,
}
_STYLE_CASES = [(c, way) for c in CONVERSIONS for way in STYLES.get(c.name, ())]


def places_of(findings: Sequence[Finding]) -> frozenset[Place]:
    """Return where something is found that these drivers do not do besides."""
    told = (f for f in findings if f.level != "CHECK" and f.type not in _BESIDES)
    return frozenset((f.type, f.path, f.line) for f in told)


def _checked(tree: Ported, way: Way) -> Report:
    with edited(tree, way.edits):
        return check_tree(Folder(tree.root), RULES)


def test_no_two_ways_have_one_name() -> None:
    for conversion in CONVERSIONS:
        ways = (_RIGHT, *STYLES.get(conversion.name, ()), *BROKEN[conversion.name])
        assert len({way.how for way in ways}) == len(ways)


def _unknown(report: Report) -> list[Unknown]:
    # Of a whole file it may only be said that the parser stumbled somewhere in it; of a callback
    # that it is not seen whether it sleeps: that stood there before.
    return [
        u
        for u in report.unknown
        if (u.function or not u.reason.startswith("parse errors"))
        and "must not sleep" not in u.reason
    ]


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda c: c.name)
def test_a_right_conversion(converted: Converted, conversion: Conversion) -> None:
    report = _checked(converted(conversion), _RIGHT)
    assert places_of(report.findings) == frozenset()
    assert "converted" in {driver.verdict for driver in report.drivers}
    assert _unknown(report) == []


@pytest.mark.parametrize(
    ("conversion", "way"), _STYLE_CASES, ids=[f"{c.name}: {w.how}" for c, w in _STYLE_CASES]
)
def test_a_right_conversion_in_another_style(
    converted: Converted, conversion: Conversion, way: Way
) -> None:
    report = _checked(converted(conversion), way)
    assert places_of(report.findings) == frozenset()
    assert _unknown(report) == []
