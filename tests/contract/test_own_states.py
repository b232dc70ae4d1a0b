"""A lower's offload_ok is judged by who calls it: for its own states alone, or for others'."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.asked import analysis_of, report_on
from tests.laid import EXAMPLE, lay_example
from xfrmlint.analysis.judgement import judgements
from xfrmlint.tree.folder import Folder

DRIVER = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}

static bool example_offload_ok(struct sk_buff *skb, struct xfrm_state *x)
{
	struct net_device *dev = x->xso.dev;

	if (!xfrm_dev_state_lower_handle(x, dev))
		return false;
	return x->xso.offload_handle < 64;
}

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
	.xdo_dev_offload_ok	= example_offload_ok,
	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,
};

void example_init(struct net_device *dev)
{
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
CORE = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

bool xfrm_dev_offload_ok(struct sk_buff *skb, struct xfrm_state *x)
{
	struct net_device *dev = x->xso.dev;

	if (!dev)
		return true;
	return dev->xfrmdev_ops->xdo_dev_offload_ok(skb, x);
}
"""
BOND = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

static bool bond_offload_ok(struct sk_buff *skb, struct xfrm_state *x)
{
	struct net_device *slave = x->xso.real_dev;

	return slave && slave->xfrmdev_ops->xdo_dev_offload_ok(skb, x);
}

const struct xfrmdev_ops bond_xfrmdev_ops = {
	.xdo_dev_offload_ok	= bond_offload_ok,
};
"""
CORE_PATH, BOND_PATH = "net/xfrm/xfrm_device.c", "drivers/net/bonding/bond_main.c"
OWN = {CORE_PATH: CORE}


@pytest.mark.parametrize(
    ("files", "levels"),
    [
        pytest.param(
            OWN,
            {"OFFLOAD_DEV_ACCESS": "CHECK", "DIRECT_OFFLOAD_HANDLE": "CHECK"},
            id="the core asks the owner",
        ),
        pytest.param(
            {**OWN, BOND_PATH: BOND},
            {
                "OFFLOAD_DEV_ACCESS": "WARNING",
                "DIRECT_OFFLOAD_HANDLE": "ERROR",
                "WRONG_LOWER_DEV": "ERROR",
            },
            id="a bond forwards it",
        ),
        pytest.param(
            {CORE_PATH: CORE.replace("= x->xso.dev", "= skb->dev")},
            {
                "OFFLOAD_DEV_ACCESS": "WARNING",
                "DIRECT_OFFLOAD_HANDLE": "ERROR",
                "WRONG_LOWER_DEV": "ERROR",
            },
            id="the core asks the packet's device",
        ),
        pytest.param(
            {},
            {"OFFLOAD_DEV_ACCESS": "CHECK", "DIRECT_OFFLOAD_HANDLE": "CHECK"},
            id="nobody is seen to ask",
        ),
        pytest.param(
            {BOND_PATH: BOND},
            {
                "OFFLOAD_DEV_ACCESS": "WARNING",
                "DIRECT_OFFLOAD_HANDLE": "ERROR",
                "WRONG_LOWER_DEV": "ERROR",
            },
            id="a bond alone is seen to ask",
        ),
    ],
)
def test_levels(files: Mapping[str, str], levels: Mapping[str, str], tmp_path: Path) -> None:
    tree = laid(tmp_path, files)
    report = report_on(Folder(tree))
    assert {f.type: f.level for f in report.findings if f.path == EXAMPLE} == levels


def test_what_a_folder_alone_shows_is_what_the_tree_shows(tmp_path: Path) -> None:
    tree = laid(tmp_path, {**OWN, BOND_PATH: BOND})
    part = analysis_of(Folder(tree), under=["drivers/net/example"])
    whole = report_on(Folder(tree))
    assert part.facts.whole.contract.core == analysis_of(Folder(tree)).facts.whole.contract.core
    assert any(f.level == "ERROR" for f in whole.findings)


def test_no_upper_s_state_gets_there(tmp_path: Path) -> None:
    tree = laid(tmp_path, OWN)
    (judged,) = judgements(analysis_of(Folder(tree)).store, lambda *_: "")
    rows = {str(outcome) for outcome in judged.outcomes}
    assert rows <= {"right", "0 tested", "not reached", "stale"}
    assert "right" in rows


def laid(path: Path, files: Mapping[str, str]) -> Path:
    tree = lay_example(DRIVER, path / "linux")
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text, "utf-8")
    return tree
