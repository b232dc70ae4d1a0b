"""What an owner does to its lower devices: quiet where it is right, and told where it is not."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.laid import FIXTURES, lay
from xfrmlint.analysis.analyse import analyse
from xfrmlint.tree.folder import Folder

TEAMS = FIXTURES / "upper-teams/drivers/net"
Change = tuple[str, str]
TEST = "	if (!ff_asks(port))\n		return -EOPNOTSUPP;\n".replace("ff", "jasper")
PUT = "	x->xso.offload_handle = slot->handle;\n"
UNDO = "	if (err)\n		while (--i >= 0)\n			jasper_del_slot(&b->slot[i], x);\n"
ADD = "		err = b->slot[i].dev->xfrmdev_ops->xdo_dev_state_add(b->slot[i].dev, x, ea);\n"
JOINS = " .ndo_add_slave = jasper_enslave"


def told(driver: str, tmp_path: Path, *changes: Change) -> tuple[list[str], list[str]]:
    """Return what is wrong with a driver of the fixture, changed: kinds with lines; the doubts."""
    tree = lay("rfc", tmp_path / "linux")
    shutil.copytree(TEAMS / driver, tree / "drivers/net" / driver)
    (tree / "drivers/net/Makefile").write_text(f"obj-m += {driver}/\n", "utf-8")
    path = tree / "drivers/net" / driver / f"{driver}_main.c"
    text = path.read_text("utf-8")
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    lines = text.split("\n")
    store = analyse(Folder(tree)).store
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
    assert analyse(Folder(tmp_path / "linux")).store.query("SELECT * FROM misdeed")[1] == []
