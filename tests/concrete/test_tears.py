"""P5: what the tree's own resolver can read while the tree's own owner moves a state."""

from pathlib import Path

import pytest

from tests.asked import analysis_of
from tests.laid import lay, lay_fixture
from xfrmlint.concrete.tears import Tear, order_of
from xfrmlint.contract.words import HANDLE, OWNER, PINNED, Contract, Member
from xfrmlint.model.interleave import lines
from xfrmlint.tree.folder import Folder

HEADER = "include/net/xfrm.h"
IPSEC = "drivers/net/bonding/bond_ipsec.c"


def tears(tree: Path) -> tuple[Tear, ...]:
    return analysis_of(Folder(tree)).tears


def changed(tree: Path, path: str, *changes: tuple[str, str]) -> Path:
    """Replace pieces of a file that stand in it once."""
    text = (tree / path).read_text("utf-8")
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tree / path).write_text(text, "utf-8")
    return tree


def test_whoever_waits_for_readers_tears_nothing(tmp_path: Path) -> None:
    assert tears(lay("shared", tmp_path / "linux")) == ()


def test_an_owner_that_moves_nothing_tears_nothing(tmp_path: Path) -> None:
    assert tears(lay_fixture("upper-with-resolver", tmp_path / "linux")) == ()


HANDLE_READ = "	unsigned long handle = READ_ONCE(x->xso.offload_handle);\n\n	if (!owner"
REAL_READ = (
    "	struct net_device *real_dev = READ_ONCE(x->xso.real_dev);\n	struct net_device *owner"
)
HANDLE_FIRST = (
    (HANDLE_READ, "\n	if (!owner"),
    (REAL_READ, HANDLE_READ.split("\n")[0] + "\n" + REAL_READ),
)
CLEAR_EARLY = (
    "	synchronize_net();\n",
    "	WRITE_ONCE(x->xso.offload_handle, 0);\n	synchronize_net();\n",
)


def test_the_order_of_reads_and_that_of_writes_decide_together(tmp_path: Path) -> None:
    tree = changed(lay("shared", tmp_path / "linux"), HEADER, *HANDLE_FIRST)
    found = tears(tree)
    assert found
    # As its revision reads, these writes do no harm.
    assert {tear.blamed.name for tear in found} == {"xfrm_dev_state_lower_handle"}
    assert any("hands C A's handle" in line for line in lines(found[0].schedule))
    assert tears(changed(tree, IPSEC, CLEAR_EARLY)) == ()


def test_a_member_that_is_read_twice_is_the_resolvers_fault_too(tmp_path: Path) -> None:
    """The owner's callback reads as well: what its own reads give is the same in both orders."""
    owned, pinned = (f"READ_ONCE(x->xso.{name}) == lower_dev" for name in ("dev", "real_dev"))
    late = (
        (REAL_READ, "	struct net_device *owner"),
        ("owner == lower_dev || real_dev == lower_dev", f"{owned} || {pinned}"),
    )
    tree = changed(lay("shared", tmp_path / "linux"), HEADER, *late)
    assert {tear.blamed.name for tear in tears(tree)} == {"xfrm_dev_state_lower_handle"}


def test_writes_that_either_order_tears_are_the_owners(tmp_path: Path) -> None:
    tree = changed(lay_fixture("shared-torn", tmp_path / "linux"), HEADER, *HANDLE_FIRST)
    found = tears(tree)
    assert found
    assert not {"xfrm_dev_state_lower_handle"} & {tear.blamed.name for tear in found}


def test_the_resolvers_order_of_reads_is_told_at_its_definition(tmp_path: Path) -> None:
    tree = changed(lay("shared", tmp_path / "linux"), HEADER, *HANDLE_FIRST)
    _, rows = analysis_of(Folder(tree)).store.query(
        "SELECT function, path, driver, detail FROM core_function WHERE question = 'torn'"
        " AND ok = 0"
    )
    (told,) = rows
    assert (told["function"], told["path"]) == ("xfrm_dev_state_lower_handle", HEADER)
    wanted = "reads in the order offload_handle, real_dev, dev, and not real_dev, dev, "
    assert told["detail"].startswith(wanted)


def test_the_schedule_is_of_what_the_owner_wrote(tmp_path: Path) -> None:
    found = tears(lay_fixture("shared-torn", tmp_path / "linux"))
    moves = found[0].schedule.moves
    writes = [move.text for move in moves if move.actor == "owner"]
    assert writes[0] == "real_dev = NULL"
    assert writes[-1] == "C's add: offload_handle = 0x301"
    assert moves[-1].text == "hands A C's handle 0x301"


READS = """\
	struct net_device *dev = READ_ONCE(x->xso.real_dev);
	unsigned long handle = READ_ONCE(x->xso.offload_handle);
	struct bonding *bond = netdev_priv(bond_dev);

	if (!dev || BOND_MODE(bond) == BOND_MODE_ACTIVEBACKUP)
		return 0;

	rcu_read_lock();
	if (netdev_master_upper_dev_get_rcu(lower_dev) != bond_dev ||
	    !bond_ipsec_shares(dev, lower_dev))
		handle = 0;
	rcu_read_unlock();
	return handle;
"""
DEVICE_READ = "	struct net_device *dev = READ_ONCE(x->xso.real_dev);\n"
FIELD_READ = "	unsigned long handle = READ_ONCE(x->xso.offload_handle);\n"
ANSWER = "\n	return dev == lower_dev ? handle : 0;\n"


def test_what_the_callback_reads_by_itself_can_be_torn(tmp_path: Path) -> None:
    right = lay("shared", tmp_path / "right")
    assert tears(changed(right, IPSEC, (READS, DEVICE_READ + FIELD_READ + ANSWER))) == ()
    wrong = lay("shared", tmp_path / "wrong")
    # The resolver's own order of reads is as it was.
    found = tears(changed(wrong, IPSEC, (READS, FIELD_READ + DEVICE_READ + ANSWER)))
    assert found
    schedule = found[0].schedule
    assert len([move for move in schedule.moves if move.text.startswith("reads real_dev")]) == 2
    assert schedule.moves[-1].text == "hands C A's handle 0x101"


def test_what_the_callback_asks_that_is_changed_meanwhile_tears_nothing(tmp_path: Path) -> None:
    header = "include/net/bonding.h"
    member = ("	struct mutex ipsec_lock;\n", "	struct mutex ipsec_lock;\n	bool moving;\n")
    tree = changed(lay("shared", tmp_path / "linux"), header, member)
    guarded = ANSWER.replace("return ", "return bond->moving ? 0 : ")
    body = (
        FIELD_READ + DEVICE_READ + "	struct bonding *bond = netdev_priv(bond_dev);\n" + guarded
    )
    moves = (
        "	mutex_lock(&bond->ipsec_lock);\n"
        "	list_for_each_entry(ipsec, &bond->ipsec_list, list) {\n"
        "		if (ipsec->xs->xso.real_dev == dev)"
    )
    changed(tree, IPSEC, (READS, body), (moves, "	bond->moving = true;\n" + moves))
    ends = (
        "			bond_ipsec_install(ipsec->xs, dev, NULL);\n	}\n"
        "	mutex_unlock(&bond->ipsec_lock);\n"
    )
    changed(tree, IPSEC, (ends, ends + "	bond->moving = false;\n"))
    assert tears(tree) == ()


MEMBERS = {OWNER: Member("dev", ""), PINNED: Member("real_dev", ""), HANDLE: Member("handle", "")}


@pytest.mark.parametrize(
    ("reads", "wanted"),
    [
        (("real_dev", "dev", "ops", "handle"), ("pinned", "owner", "handle")),
        (("handle", "real_dev", "dev"), ("handle", "pinned", "owner")),
        (("real_dev", "dev"), None),
        ((), None),
    ],
)
def test_an_order_names_each_of_the_three_once(
    reads: tuple[str, ...], wanted: tuple[str, ...] | None
) -> None:
    assert order_of(reads, Contract(members=MEMBERS)) == wanted
