"""Handles that add can return as 0: what a loop has counted before."""

import pytest

from tests.asked import Base
from tests.laid import files_of

BASE = Base(files_of("base/rfc"))
DRIVER = """
#include <linux/netdevice.h>
#include <net/xfrm.h>

#define EXAMPLE_MAX 64

struct example_priv { bool used[EXAMPLE_MAX]; };

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	struct example_priv *priv = netdev_priv(dev);
	int i = 0;

	LOOP
	if (i >= EXAMPLE_MAX)
		return -ENOSPC;
	x->xso.offload_handle = i;
	return 0;
}

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
};

void example_init(struct net_device *dev)
{
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""


@pytest.mark.parametrize(
    ("loop", "types"),
    [
        ("while (++i < EXAMPLE_MAX) { if (!priv->used[i]) break; }", []),
        ("for (; ++i < EXAMPLE_MAX && priv->used[i];) ;", []),
        ("for (i++; i < EXAMPLE_MAX && priv->used[i]; i++) ;", []),
        ("while (i < EXAMPLE_MAX && priv->used[i]) i++;", ["ADD_RETURNS_ZERO"]),
        ("for (; i < EXAMPLE_MAX && priv->used[i]; i++) ;", ["ADD_RETURNS_ZERO"]),
    ],
)
def test_what_a_loop_begins_with_and_asks_is_run_all_the_same(loop: str, types: list[str]) -> None:
    report = BASE.check_example(DRIVER.replace("LOOP", loop))
    assert [f.type for f in report.findings] == types
