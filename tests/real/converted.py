"""Real drivers converted to the resolver, as a person would: every edit finds its place by a regex.

Each conversion asks for, tests and uses its handle in a style of its own, so that together they are
what a maintainer may be sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.real.ported import Ported

Change = tuple[str, str]
Edits = Mapping[str, Sequence[Change]]

# Of the headers those that a driver's datapath is written in: every search reads all there are.
_CORE = (
    "include/asm-generic",
    "include/linux",
    "include/net",
    "include/uapi/linux",
    "net/core",
    "net/xfrm",
)

_INTEL = "drivers/net/ethernet/intel"
IXGBE = f"{_INTEL}/ixgbe/ixgbe_ipsec.c"
IXGBE_H = f"{_INTEL}/ixgbe/ixgbe.h"
IXGBEVF = f"{_INTEL}/ixgbevf/ipsec.c"
IXGBEVF_H = f"{_INTEL}/ixgbevf/ixgbevf.h"
MLX5 = "drivers/net/ethernet/mellanox/mlx5/core"
MLX5_OPS = f"{MLX5}/en_accel/ipsec.c"
MLX5_OPS_H = f"{MLX5}/en_accel/ipsec.h"
MLX5_TX = f"{MLX5}/en_accel/ipsec_rxtx.c"
MLX5_TX_H = f"{MLX5}/en_accel/ipsec_rxtx.h"
NFP = "drivers/net/ethernet/netronome/nfp"
NFP_OPS = f"{NFP}/crypto/ipsec.c"
NFP_OPS_H = f"{NFP}/crypto/crypto.h"
OTX2 = "drivers/net/ethernet/marvell/octeontx2/nic"
CN10K = f"{OTX2}/cn10k_ipsec.c"
NSIM = "drivers/net/netdevsim/ipsec.c"
NSIM_H = "drivers/net/netdevsim/netdevsim.h"
_CHELSIO = "drivers/net/ethernet/chelsio"
CXGB4 = f"{_CHELSIO}/cxgb4/cxgb4_main.c"
CH_IPSEC = f"{_CHELSIO}/inline_crypto/ch_ipsec/chcr_ipsec.c"
CH_IPSEC_H = f"{_CHELSIO}/inline_crypto/ch_ipsec/chcr_ipsec.h"


class Conversion(NamedTuple):
    """One driver of one kernel. folders: what Kbuild links it of."""

    kernel: str
    driver: str
    folders: tuple[str, ...]
    edits: Edits

    @property
    def name(self) -> str:
        return f"{self.kernel} {self.driver}"


def laid(kernel: Path, conversion: Conversion, root: Path) -> Ported:
    """Lay the core and one driver out, port the interfaces and convert the driver."""
    tree = Ported(kernel, root, (*_CORE, *conversion.folders))
    tree.port()
    for path, changes in conversion.edits.items():
        tree.edit(path, *changes)
    return tree


@contextmanager
def edited(tree: Ported, edits: Edits) -> Iterator[None]:
    """Edit a tree further, and put everything back in the end."""
    before = {path: (tree.root / path).read_text("utf-8") for path in edits}
    try:
        for path, changes in edits.items():
            tree.edit(path, *changes)
        yield
    finally:
        for path, text in before.items():
            tree.write(path, text)


def line_of(tree: Ported, path: str, marker: str) -> int:
    """Return the line on which a text ends that occurs once in a file."""
    text = (tree.root / path).read_text("utf-8")
    assert text.count(marker) == 1, f"{path}: {marker!r} occurs {text.count(marker)} times"
    return text.count("\n", 0, text.index(marker) + len(marker.rstrip("\n"))) + 1


def flag(table: str) -> Change:
    """Return the change that sets the flag in a table's initializer."""
    head = f"struct xfrmdev_ops {table} = {{"
    return head.replace("{", r"\{"), f"{head}\n\t.flags = XFRMDEV_OPS_F_LOWER_HANDLE,"


def _before(place: str, text: str) -> Change:
    """Return the change that puts lines in front of the line that a regex matches."""
    return rf"^(?={place})", text


# -- ixgbe: returns 0 from its hook, and the caller drops the packet

_IXGBE_DECLARED = (
    r"(?<=ixgbe_ipsec_tx_data \*itd\)\n\{\n)",
    "\tunsigned long handle;\n",
)
_IXGBE_READ = r"itd->sa_idx = xs->xso\.offload_handle -"
_IXGBE_PRINTED = (r"itd->sa_idx, xs->xso\.offload_handle\)", "itd->sa_idx, handle)")

_IXGBE_DIRECT = Conversion(
    "7.3",
    "ixgbe",
    (f"{_INTEL}/ixgbe",),
    {
        IXGBE: (
            flag("ixgbe_xfrmdev_ops"),
            # Nobody looks at the made-up state's device: the add callback is given it.
            (r"^\txs->xso\.dev = adapter->netdev;\n", ""),
            _IXGBE_DECLARED,
            (
                _IXGBE_READ,
                "handle = xfrm_dev_state_lower_handle(xs, tx_ring->netdev);\n"
                "\tif (!handle)\n"
                "\t\treturn 0;\n"
                "\n"
                "\titd->sa_idx = handle -",
            ),
            _IXGBE_PRINTED,
        )
    },
)

_IXGBE_POINTER = Conversion(
    "6.12",
    "ixgbe",
    (f"{_INTEL}/ixgbe",),
    {
        IXGBE: (
            flag("ixgbe_xfrmdev_ops"),
            (r"^\txs->xso\.dev = (?=adapter->netdev;)", "\txs->xso.real_dev = "),
            _before(
                r"/\*\*\n \* ixgbe_ipsec_tx -",
                "static bool ixgbe_ipsec_handle(struct ixgbe_ring *ring, struct xfrm_state *xs,\n"
                "\t\t\t       unsigned long *handle)\n"
                "{\n"
                "\t*handle = xfrm_dev_state_lower_handle(xs, ring->netdev);\n"
                "\n"
                "\treturn *handle != 0;\n"
                "}\n"
                "\n",
            ),
            _IXGBE_DECLARED,
            (
                _IXGBE_READ,
                "if (unlikely(!ixgbe_ipsec_handle(tx_ring, xs, &handle)))\n"
                "\t\treturn 0;\n"
                "\n"
                "\titd->sa_idx = handle -",
            ),
            _IXGBE_PRINTED,
        )
    },
)

# -- ixgbevf: the same

_IXGBEVF_DECLARED = (
    r"(?<=ixgbevf_ipsec_tx_data \*itd\)\n\{\n)",
    "\tunsigned long handle;\n",
)
_IXGBEVF_READ = r"sa_idx = xs->xso\.offload_handle - (?=\w+;\n\tif \(unlikely\()"
_IXGBEVF_PRINTED = (
    r"(?<=__func__, )sa_idx, xs->xso\.offload_handle\)",
    "sa_idx, handle)",
)

_IXGBEVF_POINTER = Conversion(
    "7.3",
    "ixgbevf",
    (f"{_INTEL}/ixgbevf",),
    {
        IXGBEVF: (
            flag("ixgbevf_xfrmdev_ops"),
            _before(
                r"/\*\*\n \* ixgbevf_ipsec_tx -",
                "static int ixgbevf_ipsec_handle(struct xfrm_state *xs, struct net_device *dev,\n"
                "\t\t\t\tunsigned long *handle)\n"
                "{\n"
                "\t*handle = xfrm_dev_state_lower_handle(xs, dev);\n"
                "\n"
                "\treturn *handle ? 0 : -ENOENT;\n"
                "}\n"
                "\n",
            ),
            _IXGBEVF_DECLARED,
            (
                _IXGBEVF_READ,
                "if (ixgbevf_ipsec_handle(xs, tx_ring->netdev, &handle))\n"
                "\t\treturn 0;\n"
                "\n"
                "\tsa_idx = handle - ",
            ),
            _IXGBEVF_PRINTED,
        )
    },
)

_IXGBEVF_MACRO = Conversion(
    "6.12",
    "ixgbevf",
    (f"{_INTEL}/ixgbevf",),
    {
        IXGBEVF_H: (
            _before(
                r"#ifdef CONFIG_IXGBEVF_IPSEC\n",
                "#define ixgbevf_lower_handle(xs, ring) \\\n"
                "\txfrm_dev_state_lower_handle((xs), (ring)->netdev)\n"
                "\n",
            ),
        ),
        IXGBEVF: (
            flag("ixgbevf_xfrmdev_ops"),
            _IXGBEVF_DECLARED,
            (
                _IXGBEVF_READ,
                "handle = ixgbevf_lower_handle(xs, tx_ring);\n"
                "\tif (WARN_ON_ONCE(!handle))\n"
                "\t\treturn 0;\n"
                "\n"
                "\tsa_idx = handle - ",
            ),
            _IXGBEVF_PRINTED,
        ),
    },
)

# -- mlx5: handle_tx_skb() frees the packet, the others leave it to software

_MLX5_STATS = (r"dev_net\(x->xso\.dev\)", "xs_net(x)")
_MLX5_PRIVATE = r"\tstruct mlx5e_priv \*priv = netdev_priv\(netdev\);\n\tstruct xfrm_offload"

_MLX5_INLINE = Conversion(
    "7.3",
    "mlx5_core",
    (MLX5,),
    {
        MLX5_OPS: (flag("mlx5e_ipsec_xfrmdev_ops"), _MLX5_STATS),
        MLX5_TX_H: (
            _before(
                r"static inline netdev_features_t\nmlx5e_ipsec_feature_check",
                "static inline unsigned long\n"
                "mlx5e_ipsec_lower_handle(struct xfrm_state *x, struct net_device *netdev)\n"
                "{\n"
                "\treturn xfrm_dev_state_lower_handle(x, netdev);\n"
                "}\n"
                "\n",
            ),
            (
                r"^mlx5e_ipsec_feature_check\(struct sk_buff \*skb, (?=.*\n\{\n)",
                "mlx5e_ipsec_feature_check(struct sk_buff *skb, struct net_device *netdev,\n"
                "\t\t\t  ",
            ),
            (
                r"^mlx5e_ipsec_feature_check\(struct sk_buff \*skb, (?=.*\n\{ return)",
                "mlx5e_ipsec_feature_check(struct sk_buff *skb, struct net_device *netdev,\n"
                "\t\t\t  ",
            ),
            (
                r"if \(!x \|\| !x->xso\.offload_handle\)",
                "if (!x || !mlx5e_ipsec_lower_handle(x, netdev))",
            ),
        ),
        f"{MLX5}/en_main.c": (
            (
                r"mlx5e_ipsec_feature_check\(skb, features\)",
                "mlx5e_ipsec_feature_check(skb, priv->netdev, features)",
            ),
        ),
        MLX5_TX: (
            (
                r"!x->xso\.offload_handle \|\|",
                "!mlx5e_ipsec_lower_handle(x, priv->netdev) ||",
            ),
            _before(_MLX5_PRIVATE, "\tunsigned long handle;\n"),
            (
                r"if \(unlikely\(!x->xso\.offload_handle \|\|",
                "handle = mlx5e_ipsec_lower_handle(x, netdev);\n\tif (unlikely(!handle ||",
            ),
            (r"x->xso\.offload_handle(?=;)", "handle"),
        ),
    },
)

_MLX5_HELPER = Conversion(
    "6.12",
    "mlx5_core",
    (MLX5,),
    {
        MLX5_OPS: (flag("mlx5e_ipsec_xfrmdev_ops"), _MLX5_STATS),
        MLX5_TX_H: (
            (
                r"if \(!x \|\| !x->xso\.offload_handle\)",
                "if (!x || !xfrm_dev_state_lower_handle(x, skb->dev))",
            ),
        ),
        MLX5_TX: (
            _before(
                r"void mlx5e_ipsec_tx_build_eseg",
                "static struct mlx5e_ipsec_sa_entry *\n"
                "mlx5e_ipsec_sa_of(struct net_device *netdev, struct xfrm_state *x)\n"
                "{\n"
                "\treturn (struct mlx5e_ipsec_sa_entry *)xfrm_dev_state_lower_handle(x, netdev);\n"
                "}\n"
                "\n",
            ),
            (
                r"!x->xso\.offload_handle \|\|",
                "!mlx5e_ipsec_sa_of(skb->dev, x) ||",
            ),
            (
                r"if \(unlikely\(!x->xso\.offload_handle \|\|",
                "sa_entry = mlx5e_ipsec_sa_of(netdev, x);\n\tif (unlikely(!sa_entry ||",
            ),
            (r"^\tsa_entry = \(.*\)x->xso\.offload_handle;\n", ""),
        ),
    },
)

# -- nfp: prep_tx_meta() fails, and both transmit functions drop the packet

_NFP_DROP = (
    (
        r"prep_tx_meta\(struct nfp_net_dp \*dp, ",
        "prep_tx_meta(struct nfp_net_dp *dp, struct net_device *netdev, ",
    ),
    (
        r"if \(xfrm_offload\(skb\)\)\n\t\t\*ipsec = .*\n",
        "if (xfrm_offload(skb)) {\n"
        "\t\t*ipsec = nfp_net_ipsec_tx_prep(netdev, skb, &offload_info);\n"
        "\t\tif (!*ipsec)\n"
        "\t\t\treturn -EINVAL;\n"
        "\t}\n",
    ),
    (r"prep_tx_meta\(dp, (?=skb|nn)", "prep_tx_meta(dp, netdev, "),
)
_NFP_DEVICE = (
    r"nfp_net_ipsec_tx_prep\(struct nfp_net_dp \*dp,",
    "nfp_net_ipsec_tx_prep(struct net_device *netdev,",
)
# The packet's own device, and not the state's.
_NFP_FEATURES = (
    r"if \(x->xso\.dev && \(x->xso\.dev->features & NETIF_F_HW_ESP_TX_CSUM\)\)",
    "if (skb->dev->features & NETIF_F_HW_ESP_TX_CSUM)",
)
_NFP_STORED = r"offload_info->handle = x->xso\.offload_handle;"

_NFP_MACRO = Conversion(
    "7.3",
    "nfp",
    (NFP,),
    {
        NFP_OPS_H: (
            _before(
                r"/\* IPsec related structures",
                "#define nfp_ipsec_lower_handle(x, netdev) \\\n"
                "\txfrm_dev_state_lower_handle((x), (netdev))\n"
                "\n",
            ),
            _NFP_DEVICE,
        ),
        NFP_OPS: (
            flag("nfp_net_ipsec_xfrmdev_ops"),
            _NFP_DEVICE,
            (
                r"(?<=struct nfp_ipsec_offload \*offload_info\)\n\{\n)",
                "\tunsigned long handle;\n",
            ),
            (
                r"^\toffload_info->seq_hi =",
                "\thandle = nfp_ipsec_lower_handle(x, netdev);\n"
                "\tif (WARN_ON_ONCE(!handle))\n"
                "\t\treturn false;\n"
                "\n"
                "\toffload_info->seq_hi =",
            ),
            (_NFP_STORED, "offload_info->handle = handle;"),
        ),
        f"{NFP}/nfd3/dp.c": _NFP_DROP,
        f"{NFP}/nfdk/dp.c": _NFP_DROP,
        f"{NFP}/nfd3/ipsec.c": (_NFP_FEATURES,),
        f"{NFP}/nfdk/ipsec.c": (_NFP_FEATURES,),
    },
)

_NFP_GIVEN = (
    r"if \(xfrm_offload\(skb\)\)\n\t\t\*ipsec = .*\n",
    "if (xfrm_offload(skb)) {\n"
    "\t\tunsigned long handle = nfp_net_ipsec_handle(skb, dp->netdev);\n"
    "\n"
    "\t\tif (!handle)\n"
    "\t\t\treturn -EINVAL;\n"
    "\t\t*ipsec = nfp_net_ipsec_tx_prep(dp, skb, &offload_info, handle);\n"
    "\t}\n",
)
_NFP_PARAMETER = (
    r"struct nfp_ipsec_offload \*offload_info\)",
    "struct nfp_ipsec_offload *offload_info, unsigned long handle)",
)

_NFP_ARGUMENT = Conversion(
    "6.12",
    "nfp",
    (NFP,),
    {
        NFP_OPS_H: (
            _before(
                r"bool nfp_net_ipsec_tx_prep",
                "unsigned long nfp_net_ipsec_handle(struct sk_buff *skb,\n"
                "\t\t\t\t   struct net_device *netdev);\n",
            ),
            _NFP_PARAMETER,
        ),
        NFP_OPS: (
            flag("nfp_net_ipsec_xfrmdev_ops"),
            _before(
                r"bool nfp_net_ipsec_tx_prep",
                "unsigned long nfp_net_ipsec_handle(struct sk_buff *skb,\n"
                "\t\t\t\t   struct net_device *netdev)\n"
                "{\n"
                "\tstruct xfrm_state *x = xfrm_input_state(skb);\n"
                "\n"
                "\treturn x ? xfrm_dev_state_lower_handle(x, netdev) : 0;\n"
                "}\n"
                "\n",
            ),
            _NFP_PARAMETER,
            (_NFP_STORED, "offload_info->handle = handle;"),
        ),
        f"{NFP}/nfd3/dp.c": (_NFP_GIVEN,),
        f"{NFP}/nfdk/dp.c": (_NFP_GIVEN,),
        f"{NFP}/nfd3/ipsec.c": (_NFP_FEATURES,),
        f"{NFP}/nfdk/ipsec.c": (_NFP_FEATURES,),
    },
)

# -- octeontx2: a dropped packet is done with, and must not be reported as still to be sent

_CN10K_ARGUMENT = Conversion(
    "7.3",
    "octeontx2",
    ("drivers/net/ethernet/marvell/octeontx2",),
    {
        CN10K: (
            flag("cn10k_ipsec_xfrmdev_ops"),
            (
                r"cn10k_outb_prepare_sa\(struct xfrm_state \*x,",
                "cn10k_outb_prepare_sa(struct net_device *netdev, struct xfrm_state *x,",
            ),
            (r"^\tstruct net_device \*netdev = x->xso\.dev;\n", ""),
            (r"cn10k_outb_prepare_sa\(x, ", "cn10k_outb_prepare_sa(dev, x, "),
            # The handle stays in the state after the delete: what it leads to has to stay, too.
            (r"^\tx->xso\.offload_handle = 0;\n\tqmem_free\(pf->dev, sa_info\);\n\n", ""),
            _before(
                r"static const struct xfrmdev_ops",
                "static void cn10k_ipsec_free_state(struct net_device *dev, struct xfrm_state *x)\n"
                "{\n"
                "\tstruct otx2_nic *pf = netdev_priv(dev);\n"
                "\n"
                "\tif (x->xso.dir == XFRM_DEV_OFFLOAD_OUT)\n"
                "\t\tqmem_free(pf->dev, (struct qmem *)x->xso.offload_handle);\n"
                "}\n"
                "\n",
            ),
            (
                r"^\t\.xdo_dev_state_delete\t= cn10k_ipsec_del_state,\n",
                "\t.xdo_dev_state_delete\t= cn10k_ipsec_del_state,\n"
                "\t.xdo_dev_state_free\t= cn10k_ipsec_free_state,\n",
            ),
            _before(
                r"bool cn10k_ipsec_transmit\(",
                "static void cn10k_ipsec_set_cptr(struct cpt_inst_s *inst, unsigned long handle)\n"
                "{\n"
                "\tstruct qmem *sa_info = (struct qmem *)handle;\n"
                "\n"
                "\tinst->cptr = sa_info->iova;\n"
                "}\n"
                "\n",
            ),
            (
                r"struct qmem \*sa_info;(?=\n\tdma_addr_t)",
                "unsigned long handle;",
            ),
            (
                r"sa_info = \(struct qmem \*\)x->xso\.offload_handle;\n\tif \(!sa_info\)",
                "handle = xfrm_dev_state_lower_handle(x, txq->dev);\n\tif (unlikely(!handle))",
            ),
            (r"inst\.cptr = sa_info->iova;", "cn10k_ipsec_set_cptr(&inst, handle);"),
            (r"(?<=dev_kfree_skb_any\(skb\);\n\treturn )false;\n\}", "true;\n}"),
        )
    },
)

# -- netdevsim: returns false from its hook, and the caller drops the packet

_NSIM_READ = r"sa_idx = xs->xso\.offload_handle & ~NSIM_IPSEC_VALID;(?=\n\tif \(unlikely)"
_NSIM_DECLARED = (
    r"(?<=nsim_ipsec_tx\(struct netdevsim \*ns, struct sk_buff \*skb\)\n\{\n)",
    "\tunsigned long handle;\n",
)

_NSIM_TERNARY = Conversion(
    "7.3",
    "netdevsim",
    ("drivers/net/netdevsim",),
    {
        NSIM: (
            flag("nsim_xfrmdev_ops"),
            _NSIM_DECLARED,
            (
                _NSIM_READ,
                "handle = xfrm_dev_state_lower_handle(xs, ns->netdev);\n"
                "\tsa_idx = handle ? handle & ~NSIM_IPSEC_VALID : NSIM_IPSEC_MAX_SA_COUNT;",
            ),
        )
    },
)

_NSIM_GOTO = Conversion(
    "6.12",
    "netdevsim",
    ("drivers/net/netdevsim",),
    {
        NSIM_H: (
            (
                r"^bool nsim_ipsec_tx\(.*\n",
                "bool nsim_ipsec_tx(struct netdevsim *ns, struct sk_buff *skb);\n"
                "\n"
                "static inline unsigned long nsim_ipsec_handle(struct netdevsim *ns,\n"
                "\t\t\t\t\t      struct xfrm_state *xs)\n"
                "{\n"
                "\treturn xfrm_dev_state_lower_handle(xs, ns->netdev);\n"
                "}\n",
            ),
        ),
        NSIM: (
            flag("nsim_xfrmdev_ops"),
            _NSIM_DECLARED,
            (
                _NSIM_READ,
                "handle = nsim_ipsec_handle(ns, xs);\n"
                "\tif (!handle)\n"
                "\t\tgoto drop;\n"
                "\n"
                "\tsa_idx = handle & ~NSIM_IPSEC_VALID;",
            ),
            (
                r"ipsec->tx\+\+;\n\n\treturn true;\n",
                "ipsec->tx++;\n\n\treturn true;\n\ndrop:\n\treturn false;\n",
            ),
        ),
    },
)

# -- chelsio: the table on the net_device is cxgb4's, the datapath is ch_ipsec's

_CH_READ = (
    r"if \(!x->xso\.offload_handle\)\n\t\treturn NETDEV_TX_BUSY;\n\n"
    r"\tsa_entry = \(struct ipsec_sa_entry \*\)x->xso\.offload_handle;"
)
# ch_ipsec's does nothing. Without the callback states with ESN would be refused.
_CXGB4_ESN = (
    r"^(static void cxgb4_advance_esn_state\(.*\n\{\n)(?:.+\n|\n)*?\}\n",
    "static void cxgb4_advance_esn_state(struct xfrm_state *x)\n{\n}\n",
)
_CXGB4_LEARNED = (r"netdev2adap\(x->xso\.dev\)", "netdev2adap(x->xso.real_dev)")

_CHELSIO_HELPER = Conversion(
    "7.3",
    "chelsio",
    (_CHELSIO,),
    {
        CXGB4: (flag("cxgb4_xfrmdev_ops"), _CXGB4_ESN),
        CH_IPSEC: (
            _before(
                r"/\*\n \*      ch_ipsec_xmit called",
                "static struct ipsec_sa_entry *ch_ipsec_sa_of(struct xfrm_state *x,\n"
                "\t\t\t\t\t     struct net_device *dev)\n"
                "{\n"
                "\treturn (struct ipsec_sa_entry *)xfrm_dev_state_lower_handle(x, dev);\n"
                "}\n"
                "\n",
            ),
            (
                _CH_READ,
                "sa_entry = ch_ipsec_sa_of(x, dev);\n"
                "\tif (unlikely(!sa_entry))\n"
                "\t\tgoto out_free;",
            ),
        ),
    },
)

_CHELSIO_INLINE = Conversion(
    "6.12",
    "chelsio",
    (_CHELSIO,),
    {
        # Callbacks that are given no device have learned it from real_dev so far.
        CXGB4: (flag("cxgb4_xfrmdev_ops"), *([_CXGB4_LEARNED] * 5)),
        CH_IPSEC_H: (
            _before(
                r"#endif /\* __CHCR_IPSEC_H__ \*/",
                "static inline unsigned long ch_ipsec_handle(const struct sk_buff *skb,\n"
                "\t\t\t\t\t    struct xfrm_state *x)\n"
                "{\n"
                "\treturn xfrm_dev_state_lower_handle(x, skb->dev);\n"
                "}\n"
                "\n",
            ),
        ),
        CH_IPSEC: (
            (
                r"(?<=int ch_ipsec_xmit\(struct sk_buff \*skb, struct net_device \*dev\)\n\{\n)",
                "\tunsigned long handle;\n",
            ),
            (
                _CH_READ,
                "handle = ch_ipsec_handle(skb, x);\n"
                "\tif (!handle) {\n"
                "\t\tdev_kfree_skb_any(skb);\n"
                "\t\treturn NETDEV_TX_OK;\n"
                "\t}\n"
                "\n"
                "\tsa_entry = (struct ipsec_sa_entry *)handle;",
            ),
        ),
    },
)

CONVERSIONS = (
    _IXGBE_DIRECT,
    _IXGBEVF_POINTER,
    _MLX5_INLINE,
    _NFP_MACRO,
    _CN10K_ARGUMENT,
    _NSIM_TERNARY,
    _CHELSIO_HELPER,
    _IXGBE_POINTER,
    _IXGBEVF_MACRO,
    _MLX5_HELPER,
    _NFP_ARGUMENT,
    _NSIM_GOTO,
    _CHELSIO_INLINE,
)
