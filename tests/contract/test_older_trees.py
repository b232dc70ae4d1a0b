"""Trees in which the struct of a state's xso had not its name yet, or no real_dev."""

import json
from pathlib import Path

import pytest

from tests.laid import EXAMPLE, lay
from tests.ran import run

pytestmark = pytest.mark.slow

HEADER = "include/net/xfrm.h"
NEW, OLD, THIRD = "struct xfrm_dev_offload", "struct xfrm_state_offload", "struct vendor_xso"
# v6.12 and older: add takes no device, and a lower driver knows its own by real_dev.
OWN_OPS = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

struct sa {
	struct xfrm_state *x;
	u32 index;
};

static int sa_add(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct sa *sa = netdev_priv(x->xso.real_dev);

	sa->x = x;
	x->xso.offload_handle = (unsigned long)sa;
	return 0;
}

static void sa_delete(struct xfrm_state *x)
{
	struct sa *sa = (struct sa *)x->xso.offload_handle;

	sa->x = NULL;
}

static const struct xfrmdev_ops sa_ops = {
	.xdo_dev_state_add	= sa_add,
	.xdo_dev_state_delete	= sa_delete,
};

void sa_restore(struct sa *sa)
{
	struct xfrm_state *x = sa->x;

	x->xso.real_dev->xfrmdev_ops->xdo_dev_state_add(x, NULL);
}

void sa_attach(struct net_device *dev)
{
	dev->xfrmdev_ops = &sa_ops;
}
"""
OWNER = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

static int own_add(struct xfrm_state *x)
{
	x->xso.offload_handle = (unsigned long)netdev_priv(x->xso.dev);
	return 0;
}

static const struct xfrmdev_ops own_ops = { .xdo_dev_state_add = own_add };

void own_attach(struct net_device *dev)
{
	dev->xfrmdev_ops = &own_ops;
}
"""


READS = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

static int own_add(struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 3;
	return 0;
}

static void own_delete(struct xfrm_state *x)
{
	printk("%lu", x->xso.offload_handle);
}

static const struct xfrmdev_ops own_ops = {
	.xdo_dev_state_add = own_add,
	.xdo_dev_state_delete = own_delete,
};

void own_attach(struct net_device *dev)
{
	dev->xfrmdev_ops = &own_ops;
}
"""


def laid(base: str, root: Path, text: str, *changes: tuple[str, str]) -> Path:
    """Lay a tree with a driver `example`, and change pieces of its headers and sources."""
    lay(base, root)
    source = root / EXAMPLE
    source.parent.mkdir(parents=True)
    source.write_text(text)
    (source.parent / "Makefile").write_text("obj-m += example.o\n")
    (root / "drivers/net/Makefile").write_text("obj-m += example/\n")
    for file in (path for path in root.rglob("*.[ch]") if path.is_file()):
        for old, new in changes:
            file.write_text(file.read_text().replace(old, new))
    return root


@pytest.mark.parametrize("name", [NEW, OLD, THIRD])
def test_a_lower_driver_that_calls_its_own_ops_is_no_upper(name: str, tmp_path: Path) -> None:
    tree = laid("v6.12", tmp_path / "linux", OWN_OPS, (NEW, name))
    told = run("drivers", tree, "--format", "json", cwd=tmp_path).out
    (driver,) = json.loads(told)["drivers"]
    assert driver["role"] == "lower"
    ran = run("check", "--strict", "--terse", "--show-types", tree, cwd=tmp_path)
    found = [line.split(": ")[:2] for line in ran.out.splitlines()[:-1]]
    assert found == [[f"linux/{EXAMPLE}:20", "CHECK:CONTROL_OFFLOAD_HANDLE"]]


@pytest.mark.parametrize(
    ("changes", "risk"),
    [
        (
            [("\tstruct net_device\t*real_dev;\n", "")],
            "it is the device's own as long as no device",
        ),
        ([], "the owner may have stored another device's handle"),
    ],
)
def test_whose_the_field_is_depends_on_whether_states_are_handed_on(
    changes: list[tuple[str, str]], risk: str, tmp_path: Path
) -> None:
    tree = laid("v6.12", tmp_path / "linux", READS, *changes)
    assert f"in a control path; {risk}" in run("check", "--strict", tree, cwd=tmp_path).out


@pytest.mark.parametrize("name", [NEW, OLD, THIRD])
def test_a_resolver_equals_the_reference_whatever_its_struct_is_named(
    name: str, tmp_path: Path
) -> None:
    through = ("READ_ONCE(x->xso.real_dev)", f"READ_ONCE((({name} *)&x->xso)->real_dev)")
    tree = laid("rfc", tmp_path / "linux", "", (NEW, name), through)
    assert f"(({name} *)" in (tree / HEADER).read_text()
    ran = run("resolver", tree, cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert "  equals the reference of revision 1 in all 351 states\n" in ran.out
    assert "\n  reads offload_handle, real_dev, dev\n" in ran.out
    assert ": NO" not in ran.out
    assert "can't be told" not in ran.out


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param([("\tstruct net_device\t*real_dev;\n", "")], [], id="no real_dev"),
        pytest.param([], [f"linux/{EXAMPLE}:6"], id="real_dev"),
        pytest.param([(NEW, OLD)], [f"linux/{EXAMPLE}:6"], id="real_dev, by the old name"),
        pytest.param(
            [(NEW, OLD), ("\tstruct net_device\t*real_dev;\n", "")], [], id="no real_dev, old name"
        ),
    ],
)
def test_xso_dev_is_its_own_where_no_device_hands_states_on(
    changes: list[tuple[str, str]], found: list[str], tmp_path: Path
) -> None:
    tree = laid("v6.12", tmp_path / "linux", OWNER, *changes)
    ran = run("check", "--terse", "--types", "OFFLOAD_DEV_ACCESS", tree, cwd=tmp_path)
    assert [line.split(": ")[0] for line in ran.out.splitlines() if EXAMPLE in line] == found


SENDS = """
static netdev_tx_t own_xmit(struct sk_buff *skb, struct net_device *dev)
{
	skb->queue_mapping = xfrm_input_state(skb)->xso.offload_handle;
	return NETDEV_TX_OK;
}

static const struct net_device_ops own_netdev_ops = { .ndo_start_xmit = own_xmit };

void own_open(struct net_device *dev)
{
	dev->netdev_ops = &own_netdev_ops;
}
"""


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        pytest.param(
            [("\tstruct net_device\t*real_dev;\n", "")], "not handed on", id="no real_dev"
        ),
        pytest.param([], "another device's handle", id="real_dev"),
    ],
)
def test_no_state_is_handed_on_where_it_has_no_place_for_a_lower(
    changes: list[tuple[str, str]], outcome: str, tmp_path: Path
) -> None:
    tree = laid("v6.12", tmp_path / "linux", OWNER + SENDS, *changes)
    told = run("judge", tree, cwd=tmp_path).out
    rows = dict(line.strip().split("  ", 1) for line in told.splitlines() if "  " in line.strip())
    for row in ("active-backup, other lower", "LAG, lower A", "VLAN above a bond"):
        assert rows[row].strip() == outcome
    assert rows["owner is the NIC"].strip() == "right"
