"""Ports that come later, that leave, that promise nothing: an owner with a place for each port."""

from pathlib import Path

import pytest

from tests.asked import analysis_of
from tests.laid import lay
from xfrmlint.analysis.analyse import Analysis
from xfrmlint.tree.folder import Folder

OWNER = """\
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/xfrm.h>

#define SLATE_PORTS 4

struct slate_keys { struct xfrm_state *x; unsigned long of[SLATE_PORTS]; };
struct slate { struct net_device *port[SLATE_PORTS]; struct slate_keys *keys; };

static bool slate_takes(unsigned int flags)
{
	return (flags & XFRMDEV_OPS_F_LOWER_HANDLE) != 0;
}

static void slate_take_back(struct slate *s, int at)
{
	struct net_device *port = s->port[at];
	struct slate_keys *keys = s->keys;
	struct xfrm_state *x;

	if (!port || !keys || !keys->of[at])
		return;
	x = keys->x;
	x->xso.offload_handle = keys->of[at];
	port->xfrmdev_ops->xdo_dev_state_delete(port, x);
	x->xso.offload_handle = 0;
	keys->of[at] = 0;
}

static int slate_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *ea)
{
	struct slate_keys *keys = kzalloc(sizeof(*keys), GFP_KERNEL);
	struct slate *s = netdev_priv(dev);
	int at, err = 0;

	if (!keys)
		return -ENOMEM;
	keys->x = x;
	s->keys = keys;
	for (at = 0; at < SLATE_PORTS && !err; at++) {
		const struct xfrmdev_ops *ops;

		if (!s->port[at])
			continue;
		ops = s->port[at]->xfrmdev_ops;
		if (!ops || !slate_takes(ops->flags)) {
			err = -EOPNOTSUPP;
			break;
		}
		err = ops->xdo_dev_state_add(s->port[at], x, ea);
		if (!err)
			keys->of[at] = x->xso.offload_handle;
		x->xso.offload_handle = 0;
	}
	if (!err) {
		rcu_assign_pointer(x->xso.upper_priv, keys);
		return 0;
	}
	for (at = 0; at < SLATE_PORTS; at++)
		slate_take_back(s, at);
	s->keys = NULL;
	kfree(keys);
	return err;
}

static void slate_delete(struct net_device *dev, struct xfrm_state *x)
{
	struct slate *s = netdev_priv(dev);
	int at;

	for (at = 0; at < SLATE_PORTS; at++)
		slate_take_back(s, at);
}

static unsigned long slate_handle(struct net_device *dev, struct xfrm_state *x,
				  struct net_device *port)
{
	struct slate *s = netdev_priv(dev);
	unsigned long handle = 0;
	struct slate_keys *keys;
	int at;

	rcu_read_lock();
	keys = rcu_dereference(x->xso.upper_priv);
	for (at = 0; keys && at < SLATE_PORTS; at++)
		if (READ_ONCE(s->port[at]) == port)
			handle = keys->of[at];
	rcu_read_unlock();
	return handle;
}

static const struct xfrmdev_ops slate_ops = {
	.xdo_dev_state_add = slate_add,
	.xdo_dev_state_delete = slate_delete,
	.xdo_dev_state_lower_handle = slate_handle,
};

static int slate_enslave(struct net_device *dev, struct net_device *port,
			 struct netlink_ext_ack *ea)
{
	struct slate *s = netdev_priv(dev);
	int at;

	for (at = 0; at < SLATE_PORTS; at++)
		if (!s->port[at]) {
			WRITE_ONCE(s->port[at], port);
			return 0;
		}
	return -ENOSPC;
}

static int slate_release(struct net_device *dev, struct net_device *port)
{
	struct slate *s = netdev_priv(dev);
	int at;

	for (at = 0; at < SLATE_PORTS; at++)
		if (s->port[at] == port) {
			slate_take_back(s, at);
			WRITE_ONCE(s->port[at], NULL);
			return 0;
		}
	return -ENOENT;
}

static const struct net_device_ops slate_netdev_ops = {
	.ndo_add_slave = slate_enslave,
	.ndo_del_slave = slate_release,
};

int slate_init(struct net_device *dev)
{
	dev->netdev_ops = &slate_netdev_ops;
	dev->xfrmdev_ops = &slate_ops;
	return register_netdev(dev);
}
MODULE_LICENSE("GPL");
"""


def analysed(tmp_path: Path, *changes: tuple[str, str]) -> Analysis:
    """Analyse a tree of revision 1 with this owner, changed."""
    tree = lay("rfc", tmp_path / "linux")
    (tree / "drivers/net/slate").mkdir(parents=True)
    (tree / "drivers/net/Makefile").write_text("obj-m += slate/\n", "utf-8")
    (tree / "drivers/net/slate/Makefile").write_text("obj-m += slate.o\n", "utf-8")
    text = OWNER
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (tree / "drivers/net/slate/slate.c").write_text(text, "utf-8")
    return analysis_of(Folder(tree))


def wrong(found: Analysis) -> set[tuple[str, str, str | None]]:
    """Return what lowers get that is wrong: in which story, the predicate, who asked."""
    (owner,) = found.owners
    return {
        (scene.story.name, one.name, one.asking)
        for scene in owner.scenes
        for one, _ in scene.broken
    }


def misdeeds(found: Analysis) -> set[str]:
    _, rows = found.store.query("SELECT DISTINCT kind FROM misdeed")
    return {str(row["kind"]) for row in rows}


KEPT = ("	keys->of[at] = 0;\n", "")
BUSY = (
    "			slate_take_back(s, at);\n			WRITE_ONCE",
    "			if (s->keys && s->keys->of[at])\n\t\t\t\treturn -EBUSY;\n			WRITE_ONCE",
)
FORGETS = ("			slate_take_back(s, at);\n			WRITE_ONCE", "			WRITE_ONCE")
MASK = (
    "(flags & XFRMDEV_OPS_F_LOWER_HANDLE) != 0",
    "(flags & ~XFRMDEV_OPS_F_LOWER_HANDLE) == 0",
)
JOINS = "U with A and B adds; B leaves; C joins"


@pytest.mark.parametrize(
    ("changes", "broken", "done"),
    [
        pytest.param((), set(), set(), id="right"),
        # It stays a port then, and keeps its handle.
        pytest.param((BUSY,), set(), set(), id="a port with a state can't leave"),
        pytest.param(
            (KEPT,), {(JOINS, "P1", "C")}, set(), id="who comes gets the place and the handle"
        ),
        pytest.param(
            (FORGETS,), {(JOINS, "P1", "C")}, set(), id="who leaves takes the state along"
        ),
        pytest.param((MASK,), set(), {"unpromised"}, id="a mask the wrong way round"),
    ],
)
def test_ports_that_come_and_go(
    changes: tuple[tuple[str, str], ...],
    broken: set[tuple[str, str, str | None]],
    done: set[str],
    tmp_path: Path,
) -> None:
    found = analysed(tmp_path, *changes)
    (owner,) = found.owners
    assert owner.untold == ()
    assert (wrong(found), misdeeds(found)) == (broken, done)
