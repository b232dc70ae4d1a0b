"""What an owner hands on where a lower joins later, or the one state there is moves to another."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.asked import analysis_of
from tests.laid import lay
from xfrmlint.tree.folder import Folder

MICA = """#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/xfrm.h>

struct mica_leg { struct net_device *dev; unsigned long handle; };
struct mica_map { int n; struct mica_leg leg[4]; };
struct mica { struct mica_leg port[4]; int n; struct xfrm_state *x; };

static bool mica_asks(const struct net_device *dev)
{
	return dev->xfrmdev_ops && dev->xfrmdev_ops->flags & XFRMDEV_OPS_F_LOWER_HANDLE;
}

static int mica_put(struct mica_map *map, struct net_device *low, struct xfrm_state *x)
{
	if (map->n == 4 || low->xfrmdev_ops->xdo_dev_state_add(low, x, NULL))
		return -ENODEV;
	map->leg[map->n].dev = low;
	map->leg[map->n].handle = x->xso.offload_handle;
	map->n++;
	x->xso.offload_handle = 0;
	return 0;
}

static int mica_join(struct net_device *dev, struct net_device *port, struct netlink_ext_ack *ea)
{
	struct mica *b = netdev_priv(dev);
	struct mica_map *map;

	b->port[b->n++].dev = port;
	if (!b->xREPLAY)
		return 0;
	map = kzalloc(sizeof(*map), GFP_KERNEL);
	*map = *(struct mica_map *)rcu_dereference_protected(b->x->xso.upper_priv, 1);
	mica_put(map, port, b->x);
	rcu_assign_pointer(b->x->xso.upper_priv, map);
	return 0;
}

static int mica_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *ea)
{
	struct mica *b = netdev_priv(dev);
	struct mica_map *map = kzalloc(sizeof(*map), GFP_KERNEL);
	int i;

	for (i = 0; i < b->n; i++)
		if (mica_asks(b->port[i].dev))
			mica_put(map, b->port[i].dev, x);
	rcu_assign_pointer(x->xso.upper_priv, map);
	b->x = x;
	return 0;
}

static unsigned long mica_handle(struct net_device *dev, struct xfrm_state *x,
				 struct net_device *low)
{
	const struct mica_map *map = rcu_dereference(x->xso.upper_priv);
	int i;

	for (i = 0; map && i < map->n; i++)
		if (map->leg[i].dev == low)
			return map->leg[i].handle;
	return 0;
}

static const struct xfrmdev_ops mica_ops = {
	.xdo_dev_state_add = mica_add,
	.xdo_dev_state_lower_handle = mica_handle,
};

static const struct net_device_ops mica_netdev_ops = { .ndo_add_slave = mica_join };

int mica_init(struct net_device *dev)
{
	dev->netdev_ops = &mica_netdev_ops;
	dev->xfrmdev_ops = &mica_ops;
	return register_netdev(dev);
}
"""


def misdeeds(tree: Path) -> list[str]:
    """Return what is told of an owner: the kind, and the text that it is owed to."""
    query = "SELECT kind, path, line, column FROM misdeed ORDER BY kind, line"
    return [
        f"{row['kind']}: "
        + (tree / row["path"]).read_text("utf-8").split("\n")[row["line"] - 1][row["column"] - 1 :]
        for row in analysis_of(Folder(tree)).store.query(query)[1]
    ]


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        (" || !mica_asks(port)", []),
        ("", ["unpromised: offload_handle;"]),
        (" || !port->xfrmdev_ops", ["unpromised: offload_handle;"]),
    ],
)
def test_a_port_that_joins_gets_the_states_there_are(
    test: str, wanted: Sequence[str], tmp_path: Path
) -> None:
    tree = lay("rfc", tmp_path)
    (tree / "drivers/net/mica").mkdir()
    (tree / "drivers/net/Makefile").write_text("obj-m += mica/\n", "utf-8")
    (tree / "drivers/net/mica/Makefile").write_text("obj-m += mica.o\n", "utf-8")
    (tree / "drivers/net/mica/mica.c").write_text(MICA.replace("REPLAY", test), "utf-8")
    assert misdeeds(tree) == wanted


FORGETS = "	if (err) {\n		bond_ipsec_forget(x);\n		return err;\n	}\n"
RETURNS = "	if (err)\n		return err;\n"
NO_OPS = "	if (err) {\n		WRITE_ONCE(x->xso.real_ops, NULL);\n		return err;\n	}\n"
PINS = "	WRITE_ONCE(x->xso.real_dev, dev);\n"
OPS = "	WRITE_ONCE(x->xso.real_ops, ops);\n"
PICKED = "	struct net_device *dev = bond_ipsec_pick(bond);\n	struct bond_ipsec *ipsec;\n\n"
ACTIVE = PICKED.replace("bond_ipsec_pick(bond)", "rtnl_dereference(bond->curr_active_slave)->dev")
CHECKED = ACTIVE + "	if (!bond_ipsec_usable(dev, XFRMDEV_OPS_F_LOWER_HANDLE))\n		return;\n"
FREED = "	WRITE_ONCE(x->xso.real_dev, NULL);\n	if (dev && ops->xdo_dev_state_free)\n"
ADDS = "xdo_dev_state_add(dev, x, extack);"


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        pytest.param("", "", [], id="right"),
        pytest.param(FORGETS, RETURNS, [f"left: {ADDS}"], id="the ops of who refuses stay"),
        pytest.param(
            f"{FORGETS}{PINS}",
            f"{PINS}{FORGETS}",
            [],
            id="named whatever it says, and forgotten",
        ),
        pytest.param(
            f"{FORGETS}{PINS}",
            f"{PINS}{NO_OPS}",
            ["left: x->xso.real_dev, dev);"],
            id="named whatever it says, and not forgotten",
        ),
        pytest.param(
            PICKED + "	mutex", ACTIVE + "	mutex", [f"unpromised: {ADDS}"], id="moved unasked"
        ),
        pytest.param(PICKED + "	mutex", CHECKED + "	mutex", [], id="moved to who promises"),
        pytest.param(
            FREED,
            f"	bond_ipsec_forget(x);\n{FREED}",
            ["stale: xdo_dev_state_free(dev, x);"],
            id="forgotten before it is freed",
        ),
    ],
)
def test_the_one_state_there_is(old: str, new: str, wanted: Sequence[str], tmp_path: Path) -> None:
    tree = lay("shared", tmp_path)
    path = tree / "drivers/net/bonding/bond_ipsec.c"
    text = path.read_text("utf-8")
    assert not old or text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")
    assert misdeeds(tree) == wanted
