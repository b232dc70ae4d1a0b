"""Adds of states that wait for their key, from where nothing may sleep: C in, the doubts out."""

from pathlib import Path

import pytest

from tests.asked import analysis_of
from tests.laid import lay
from xfrmlint.tree.folder import Folder

ADD = """#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/xfrm.h>

struct onyx_sa { int spi; };

static int onyx_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *ea)
{
	struct onyx_sa *sa = kzalloc(sizeof(*sa), FLAGS);

	x->xso.offload_handle = (unsigned long)sa;
	return sa ? 0 : -ENOMEM;
}

static int onyx_policy_add(struct xfrm_policy *x, struct netlink_ext_ack *ea)
{
	return 0;
}

static const struct xfrmdev_ops onyx_ops = {
	.xdo_dev_state_add = onyx_add,
	POLICIES
};

void onyx_init(struct net_device *dev)
{
	dev->xfrmdev_ops = &onyx_ops;
}
"""
# As the core does for a packet of a policy that a device has.
FIND = """
struct xfrm_state *xfrm_state_find(struct net_device *dev, struct xfrm_state *x)
{
	rcu_read_lock();
	x->xso.dev = dev;
	if (dev->xfrmdev_ops->xdo_dev_state_add(dev, x, NULL))
		x = NULL;
	rcu_read_unlock();
	return x;
}
"""
POLICIES = ".xdo_dev_policy_add = onyx_policy_add,"
ASKS = "x->xso.flags & XFRM_DEV_OFFLOAD_FLAG_ACQ ? GFP_ATOMIC : GFP_KERNEL"


def doubts(tmp_path: Path, flags: str, policies: str = POLICIES, find: str = FIND) -> list[str]:
    """Return the reasons of what is not known of a driver, by the flags that it allocates with."""
    tree = lay("mainline", tmp_path / "linux")
    core = tree / "net/xfrm/xfrm_state.c"
    core.write_text(core.read_text("utf-8") + find, "utf-8")
    (tree / "drivers/net/onyx").mkdir()
    text = ADD.replace("FLAGS", flags).replace("POLICIES", policies)
    (tree / "drivers/net/onyx/onyx_main.c").write_text(text, "utf-8")
    (tree / "drivers/net/onyx/Makefile").write_text("obj-m += onyx_main.o\n", "utf-8")
    store = analysis_of(Folder(tree)).store
    assert store.query("SELECT * FROM sleep")[1] == []
    rows = store.query("SELECT reason FROM unknown WHERE function = 'onyx_add'")[1]
    return [row["reason"] for row in rows]


@pytest.mark.parametrize(
    ("flags", "policies", "find"),
    [
        pytest.param("GFP_ATOMIC", POLICIES, FIND, id="nothing sleeps"),
        pytest.param(ASKS, POLICIES, FIND, id="it asks"),
        pytest.param("GFP_KERNEL", "", FIND, id="the device has no policies"),
        pytest.param("GFP_KERNEL", POLICIES, "", id="the core does not"),
        pytest.param(
            "GFP_KERNEL",
            POLICIES,
            FIND.replace("	rcu_read_unlock();\n", "").replace(
                "	if (dev", "	rcu_read_unlock();\n	if (dev"
            ),
            id="the core does so behind it",
        ),
    ],
)
def test_an_add_that_may_do_what_it_does(
    flags: str, policies: str, find: str, tmp_path: Path
) -> None:
    assert doubts(tmp_path, flags, policies, find) == []


def test_an_add_that_sleeps_whatever_is_added(tmp_path: Path) -> None:
    (reason,) = doubts(tmp_path, "GFP_KERNEL")
    assert reason.startswith(
        "kzalloc() with GFP_KERNEL may sleep, and whether the core adds acquire"
    )
    assert "net/xfrm/xfrm_state.c:" in reason
