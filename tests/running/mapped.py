"""Revision 1 in a real kernel: the RFC's interfaces, and bonding with a map for round-robin."""

from pathlib import Path

from tests.real.ported import Ported

BONDING = "drivers/net/bonding"
_HERE = Path(__file__).parent / "c"


def port(tree: Ported) -> None:
    """Lay revision 1 into a kernel; its own bond stays what it is in active-backup."""
    tree.port()
    for name in ("bond_map.c", "bond_map.h"):
        tree.write(f"{BONDING}/{name}", (_HERE / name).read_text("utf-8"))
    tree.edit(f"{BONDING}/Makefile", (r"bonding-objs := ", "bonding-objs := bond_map.o "))
    tree.edit(
        f"{BONDING}/bond_main.c",
        (r"^#include <net/xfrm\.h>\n", '#include <net/xfrm.h>\n#include "bond_map.h"\n'),
        (
            r"^#endif /\* CONFIG_XFRM_OFFLOAD \*/\n(?=\n/\*-+ Link status)",
            _CHOICE + "#endif /* CONFIG_XFRM_OFFLOAD */\n",
        ),
        (r"^\tcase NETDEV_FEAT_CHANGE:\n", _OFFLOAD_OFF),
    )
    tree.edit(
        f"{BONDING}/bond_options.c",
        (
            r"^(?=static bool bond_set_xfrm_features)",
            "void bond_choose_xfrmdev_ops(struct bonding *bond);\n\n",
        ),
        (
            r"if \(BOND_MODE\(bond\) == BOND_MODE_ACTIVEBACKUP\)\n"
            r"(?=\t\tbond->dev->wanted_features)",
            "bond_choose_xfrmdev_ops(bond);\n"
            "\tif (BOND_MODE(bond) == BOND_MODE_ACTIVEBACKUP ||\n"
            "\t    BOND_MODE(bond) == BOND_MODE_ROUNDROBIN)\n",
        ),
    )


_CHOICE = """
void bond_choose_xfrmdev_ops(struct bonding *bond);

void bond_choose_xfrmdev_ops(struct bonding *bond)
{
	if (BOND_MODE(bond) == BOND_MODE_ROUNDROBIN)
		bond->dev->xfrmdev_ops = &bond_map_xfrmdev_ops;
	else
		bond->dev->xfrmdev_ops = &bond_xfrmdev_ops;
}
"""
_OFFLOAD_OFF = """	case NETDEV_FEAT_CHANGE:
		if (!(slave_dev->features & NETIF_F_HW_ESP))
			bond_map_leave(bond_dev, slave_dev);
"""
