"""What an owner does to its lower devices: quiet where it is right, and told where it is not."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.asked import analysis_of
from tests.laid import FIXTURES, lay
from xfrmlint.tree.folder import Folder

TEAMS = FIXTURES / "upper-teams/drivers/net"
Change = tuple[str, str]
TEST = "	if (!ff_asks(port))\n		return -EOPNOTSUPP;\n".replace("ff", "jasper")
PUT = "	x->xso.offload_handle = slot->handle;\n"
UNDO = "	if (err)\n		while (--i >= 0)\n			jasper_del_slot(&b->slot[i], x);\n"
ADD = "		err = b->slot[i].dev->xfrmdev_ops->xdo_dev_state_add(b->slot[i].dev, x, ea);\n"
JOINS = " .ndo_add_slave = jasper_enslave"
DELETE = "	slot->dev->xfrmdev_ops->xdo_dev_state_delete(slot->dev, x);\n"
FREES = """	if (slot->dev->xfrmdev_ops->xdo_dev_state_free)
		slot->dev->xfrmdev_ops->xdo_dev_state_free(slot->dev, x);
"""
TABLE = "	.xdo_dev_state_delete = jasper_del,\n"
HANDLE = "static unsigned long jasper_handle("
OWNERS_FREE = """static void jasper_free(struct net_device *dev, struct xfrm_state *x)
{
	struct jasper *b = netdev_priv(dev);
	int i;

	for (i = 0; i < ARRAY_SIZE(b->slot) && b->slot[i].dev; i++)
		if (b->slot[i].dev->xfrmdev_ops->xdo_dev_state_free)
			b->slot[i].dev->xfrmdev_ops->xdo_dev_state_free(b->slot[i].dev, x);
}

"""
CALLS_ADD = ["kept: xdo_dev_state_add(b->slot[i].dev, x, ea);"]
# A lower driver that has something left to do when a state is freed.
ONYX = """#include <linux/netdevice.h>
#include <net/xfrm.h>

static void onyx_free(struct net_device *dev, struct xfrm_state *x)
{
}

static const struct xfrmdev_ops onyx_ops = {
	.xdo_dev_state_free = onyx_free,
};
"""


def told(
    driver: str, tmp_path: Path, *changes: Change, lower: str = "", base: str = "rfc"
) -> tuple[list[str], list[str]]:
    """Return what is wrong with a driver of the fixture, changed: kinds with lines; the doubts.

    lower: the text of another driver of the tree. base: what it is laid over.
    """
    tree = lay(base, tmp_path / "linux")
    if lower:
        (tree / "drivers/net/onyx").mkdir()
        (tree / "drivers/net/onyx/onyx_main.c").write_text(lower, "utf-8")
    shutil.copytree(TEAMS / driver, tree / "drivers/net" / driver)
    (tree / "drivers/net/Makefile").write_text(f"obj-m += {driver}/\n", "utf-8")
    path = tree / "drivers/net" / driver / f"{driver}_main.c"
    text = path.read_text("utf-8")
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    lines = text.split("\n")
    store = analysis_of(Folder(tree)).store
    _, rows = store.query("SELECT kind, line, column, supposed FROM misdeed ORDER BY kind, line")
    kinds = [
        f"{row['kind']}{'?' * row['supposed']}: {lines[row['line'] - 1][row['column'] - 1 :]}"
        for row in rows
    ]
    _, rows = store.query("SELECT reason FROM unknown WHERE driver <> ''")
    return kinds, [row["reason"] for row in rows]


@pytest.mark.parametrize("driver", ["beryl", "halite", "jasper", "topaz", "zircon"])
def test_an_owner_that_does_it_right_is_left_alone(driver: str, tmp_path: Path) -> None:
    assert told(driver, tmp_path) == ([], [])


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        pytest.param(
            ((ADD, f"		x->xso.offload_handle = 0;\n{ADD}"),), [], id="emptied before"
        ),
        pytest.param(
            (
                (UNDO, ""),
                ("			break;\n", "			continue;\n"),
                ("	return err;", "	return 0;"),
            ),
            [],
            id="who refuses is left out",
        ),
        pytest.param(
            ((TEST, ""),), ["unpromised: offload_handle;"], id="whoever comes is taken in"
        ),
        pytest.param(
            ((PUT, ""),),
            ["stale: xdo_dev_state_delete(slot->dev, x);"],
            id="what the field holds is nobody's",
        ),
        pytest.param(
            (("		x->xso.offload_handle = b->slot[i].handle;\n", ""),),
            ["stale: xdo_dev_state_advance_esn(x);"],
            id="the sequence number of whoever was last",
        ),
        pytest.param(
            ((UNDO, ""),),
            ["kept: xdo_dev_state_add(b->slot[i].dev, x, ea);"],
            id="nothing is undone",
        ),
        pytest.param(
            (("--i >= 0", "--i > 0"),),
            ["kept: xdo_dev_state_add(b->slot[i].dev, x, ea);"],
            id="the first one is forgotten",
        ),
        pytest.param(
            ((ADD, f"		x->xso.real_dev = b->slot[i].dev;\n{ADD}"),),
            ["left: real_dev = b->slot[i].dev;"],
            id="a device that never took the state is named",
        ),
    ],
)
def test_what_an_owner_does_wrong(
    changes: Sequence[Change], wanted: list[str], tmp_path: Path
) -> None:
    found, doubts = told("jasper", tmp_path, *changes)
    assert [one.replace("x->xso.", "") for one in found] == wanted
    assert doubts == []


LOOP = "		if (err)\n			break;\n		b->slot[i].handle = x->xso.offload_handle;\n"
DECLARED = "	int i, err = 0;\n"
MASK = """	for (i = 0; err && i < 4; i++)
		if (done & BIT(i))
			jasper_del_slot(&b->slot[i], x);
"""
NO_PROMISE = """		if (!jasper_asks(b->slot[i].dev)) {
			err = -EOPNOTSUPP;
			break;
		}
"""
COPY = """	struct xfrm_dev_offload xso = x->xso;

	xso.offload_handle = slot->handle;
"""
ADDS = (
    "	for (i = 0; i < ARRAY_SIZE(b->slot) && b->slot[i].dev; i++) {\n"
    + ADD
    + LOOP
    + "	}\n"
    + UNDO
)
ADD_HEAD = "static int jasper_add(struct net_device *dev"
ITSELF = """static int jasper_put(struct jasper *b, int i, struct xfrm_state *x,
		      struct netlink_ext_ack *ea)
{
	int err;

	if (i == 4 || !b->slot[i].dev)
		return 0;
	err = b->slot[i].dev->xfrmdev_ops->xdo_dev_state_add(b->slot[i].dev, x, ea);
	if (err)
		return err;
	b->slot[i].handle = x->xso.offload_handle;
	err = jasper_put(b, i + 1, x, ea);
	if (err)
		jasper_del_slot(&b->slot[i], x);
	return err;
}

"""
LAST = "		if (!err)\n			b->slot[i].handle = x->xso.offload_handle;\n"
ANY = "b->slot[0].handle || b->slot[1].handle || b->slot[2].handle"
WHO_TAKES = ["unpromised: offload_handle;"]
WHO_DELETES = ["stale: xdo_dev_state_delete(slot->dev, x);"]


def masked(operator: str) -> Sequence[Change]:
    """Return jasper with a mask of those that took the state, by how one more is put there."""
    return (
        (DECLARED, f"	unsigned long done = 0;\n{DECLARED}"),
        (LOOP, f"{LOOP}		done {operator} BIT(i);\n"),
        (UNDO, MASK),
    )


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        pytest.param(masked("|="), [], id="a mask of those that took it"),
        pytest.param(masked("="), CALLS_ADD, id="a mask of the last that took it"),
        pytest.param(
            ((ADD_HEAD, ITSELF + ADD_HEAD), (ADDS, "	err = jasper_put(b, 0, x, ea);\n")),
            [],
            id="who is further on is put first, and all go back",
        ),
        pytest.param(((LOOP, LAST), (UNDO, "")), CALLS_ADD, id="the last one's error is returned"),
        pytest.param(
            ((LOOP, LAST), (UNDO, ""), ("	return err;", f"	return {ANY} ? 0 : err;")),
            [],
            id="an error is returned if nobody took it",
        ),
        pytest.param(
            ((TEST, '	if (!jasper_asks(port))\n		netdev_warn(port, "no");\n'),),
            WHO_TAKES,
            id="who does not promise is only told of",
        ),
        pytest.param(
            ((TEST, "	if (!(port->features & NETIF_F_HW_ESP))\n		return -EOPNOTSUPP;\n"),),
            WHO_TAKES,
            id="a feature is no promise",
        ),
        pytest.param(
            ((TEST, TEST.replace("jasper_asks(port)", "jasper_asks(dev)")),),
            [],
            id="a master that promises nothing takes in nobody",
        ),
        pytest.param(
            (
                (TEST, ""),
                (ADD, NO_PROMISE + ADD),
            ),
            [],
            id="who does not promise ends the add",
        ),
        pytest.param(
            ((PUT, "	swap(x->xso.offload_handle, slot->handle);\n"),), [], id="two are swapped"
        ),
        pytest.param(
            ((PUT, "	x->xso.offload_handle = xchg(&slot->handle, 0);\n"),),
            [],
            id="it is taken out",
        ),
        pytest.param(
            ((PUT, ""), (DELETE, f"{DELETE}	swap(x->xso.offload_handle, slot->handle);\n")),
            WHO_DELETES,
            id="two are swapped too late",
        ),
        pytest.param(
            ((PUT, f"	if (!x->xso.offload_handle)\n	{PUT}"),),
            WHO_DELETES,
            id="only if there is none",
        ),
        pytest.param(
            ((PUT, COPY),),
            WHO_DELETES,
            id="into a copy",
        ),
    ],
)
def test_the_same_is_told_whatever_the_style(
    changes: Sequence[Change], wanted: list[str], tmp_path: Path
) -> None:
    found, doubts = told("jasper", tmp_path, *changes)
    assert [one.replace("x->xso.", "") for one in found] == wanted
    assert doubts == []


@pytest.mark.parametrize(
    ("lower", "changes", "wanted"),
    [
        pytest.param("", (), [], id="no lower has a free"),
        pytest.param(f"/* {ONYX.replace('*/', '')} */", (), [], id="only a comment has one"),
        pytest.param(
            ONYX.replace("= onyx_free", "= NULL"), (), [], id="a lower says that it has none"
        ),
        pytest.param(ONYX, ((DELETE, DELETE + FREES),), [], id="each is deleted and freed"),
        pytest.param(ONYX, (), CALLS_ADD, id="each is deleted alone"),
        pytest.param(
            "",
            (
                (TABLE, f"	.xdo_dev_state_free = jasper_free,\n{TABLE}"),
                (HANDLE, f"{OWNERS_FREE}{HANDLE}"),
            ),
            CALLS_ADD,
            id="the owner frees what is deleted, and not what is rolled back",
        ),
        pytest.param(ONYX, ((DELETE, FREES),), CALLS_ADD, id="each is freed alone"),
    ],
)
def test_a_lower_that_took_a_state_is_told_to_delete_it_and_to_free_it(
    lower: str, changes: Sequence[Change], wanted: list[str], tmp_path: Path
) -> None:
    found, doubts = told("jasper", tmp_path, *changes, lower=lower)
    assert [one for one in found if one.startswith("kept")] == wanted
    assert doubts == []


def test_what_queued_work_undoes_is_not_known(tmp_path: Path) -> None:
    queues = "	if (err)\n		schedule_work(&jasper_undo);\n"
    found, doubts = told("jasper", tmp_path, (UNDO, queues))
    assert found == []
    assert [one.partition(":")[0] for one in doubts] == ["what queued work undoes is not seen"]


def test_what_joins_and_is_not_run_can_test_the_promise(tmp_path: Path) -> None:
    found, doubts = told("jasper", tmp_path, (JOINS, " .ndo_stop = NULL"))
    assert found == []
    assert any(reason.startswith("what makes a device its port was not run") for reason in doubts)


def test_pointers_that_nobody_stores_are_supposed_to_lead_to_ports(tmp_path: Path) -> None:
    found, _ = told("jasper", tmp_path, (JOINS, " .ndo_stop = NULL"), (PUT, ""))
    assert found == ["stale?: xdo_dev_state_delete(slot->dev, x);"]


def test_the_core_clears_what_an_owner_leaves(tmp_path: Path) -> None:
    changes = ((ADD, f"		x->xso.real_dev = b->slot[i].dev;\n{ADD}"),)
    core = tmp_path / "linux/net/xfrm/xfrm_state.c"
    assert told("jasper", tmp_path, *changes)[0]
    text = core.read_text("utf-8")
    failed = "		x->xso.dev = NULL;\n"
    assert text.count(failed) == 1
    core.write_text(text.replace(failed, f"{failed}		x->xso.real_dev = NULL;\n"), "utf-8")
    assert analysis_of(Folder(tmp_path / "linux")).store.query("SELECT * FROM misdeed")[1] == []


# As it is where there is no resolver: nobody promises to ask it, and there is nothing to fill.
PLAIN = (
    (" && dev->xfrmdev_ops->flags & XFRMDEV_OPS_F_LOWER_HANDLE", ""),
    ("	.xdo_dev_state_lower_handle = jasper_handle,\n", ""),
)
CORE = """#include <linux/netdevice.h>
#include <net/xfrm.h>

int xfrm_dev_state_add(struct net *net, struct xfrm_state *x, struct xfrm_user_offload *xuo,
		       struct netlink_ext_ack *extack)
{
	struct net_device *dev = dev_get_by_index(net, xuo->ifindex);
	int err;

	x->xso.dev = dev;
	err = dev->xfrmdev_ops->xdo_dev_state_add(dev, x, extack);
	if (err)
		x->xso.dev = NULL;
	return err;
}
"""
PINS = "x->xso.real_dev = b->slot[i].dev;\n"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        pytest.param((), [], id="right"),
        pytest.param(((UNDO, ""),), CALLS_ADD, id="nothing is undone"),
        pytest.param(
            ((ADD, f"		{PINS}{ADD}"),),
            ["left: real_dev = b->slot[i].dev;"],
            id="pinned before",
        ),
        pytest.param(((PUT, ""),), [], id="whose handle it was is nothing where nobody is asked"),
    ],
)
def test_an_add_that_fails_is_looked_at_where_there_is_no_resolver(
    changes: Sequence[Change], wanted: list[str], tmp_path: Path
) -> None:
    core = tmp_path / "linux/net/xfrm/xfrm_device.c"
    core.parent.mkdir(parents=True)
    core.write_text(CORE, "utf-8")
    found, doubts = told("jasper", tmp_path, *PLAIN, *changes, base="mainline")
    assert [one.replace("x->xso.", "") for one in found] == wanted
    assert doubts == []


CALL = "	err = b->slot[0].dev->xfrmdev_ops->xdo_dev_state_add(b->slot[0].dev, x, ea);\n"
PIN = "	x->xso.real_dev = b->slot[0].dev;\n"
DROP = "	jasper_del_slot(&b->slot[0], x);\n"


@pytest.mark.parametrize(
    ("body", "run"),
    [
        pytest.param(f"{CALL}	if (!err)\n	{PIN}", False, id="pinned where it succeeded"),
        pytest.param(f"{CALL}	if (err)\n		return err;\n{PIN}", False, id="pinned behind"),
        pytest.param(f"{CALL}{PIN}", True, id="pinned in any case"),
        pytest.param(f"{PIN}{CALL}", True, id="pinned before"),
        pytest.param(f"{CALL}	if (err)\n	{PIN}", True, id="pinned where it failed"),
        pytest.param(f"{CALL}	err = 0;\n	if (!err)\n	{PIN}", True, id="another error"),
        pytest.param(f"{CALL}	if (err)\n	{DROP}", True, id="code of its own"),
        pytest.param(f"{CALL}{CALL}", True, id="two lowers"),
        pytest.param(f"	while (i--)\n	{CALL}", True, id="all lowers"),
        pytest.param(f"again:\n{CALL}	if (!err)\n		goto again;\n", True, id="by a jump"),
    ],
)
def test_an_add_that_leaves_nothing_is_not_run_for_it(body: str, run: bool, tmp_path: Path) -> None:
    emptied = "	x->xso.offload_handle = 0;\n	return err;"
    changes = ((ADDS, body), (emptied, "	return err;"))
    told("jasper", tmp_path, *PLAIN, *changes, base="mainline")
    assert bool(analysis_of(Folder(tmp_path / "linux")).owners) is run
