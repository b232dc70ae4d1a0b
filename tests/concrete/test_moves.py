"""An owner with one lower at a time: what its callback answers, and what a move tears."""

from pathlib import Path

import pytest

from tests.asked import analysis_of
from tests.laid import lay_example
from xfrmlint.tree.folder import Folder

AGATE = """#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/xfrm.h>
struct agate_sa { struct list_head l; struct xfrm_state *x; };
struct agate { struct net_device __rcu *cur; struct list_head sas; };
static struct net_device *agate_cur;

static int agate_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *ea)
{
	struct agate *b = netdev_priv(dev);
	struct net_device *low = rcu_dereference_protected(b->cur, 1);
	struct agate_sa *sa;
	int err;

	if (!low || !low->xfrmdev_ops)
		return -EOPNOTSUPP;
TEST	sa = kzalloc(sizeof(*sa), GFP_KERNEL);
	if (!sa)
		return -ENOMEM;
	err = low->xfrmdev_ops->xdo_dev_state_add(low, x, ea);
	if (err) {
		kfree(sa);
		return err;
	}
	x->xso.real_dev = low;
	sa->x = x;
	list_add(&sa->l, &b->sas);
	return 0;
}

static void agate_del(struct net_device *dev, struct xfrm_state *x)
{
	struct net_device *low = x->xso.real_dev;

	if (low)
		low->xfrmdev_ops->xdo_dev_state_delete(low, x);
}

static void agate_free(struct net_device *dev, struct xfrm_state *x)
{
	struct agate *b = netdev_priv(dev);
	struct net_device *low = x->xso.real_dev;
	struct agate_sa *sa;

	x->xso.real_dev = NULL;
	if (low && low->xfrmdev_ops->xdo_dev_state_free)
		low->xfrmdev_ops->xdo_dev_state_free(low, x);
	list_for_each_entry(sa, &b->sas, l) {
		if (sa->x == x) {
			list_del(&sa->l);
			kfree(sa);
			break;
		}
	}
}

static unsigned long agate_handle(struct net_device *dev, struct xfrm_state *x,
				  struct net_device *low)
{
ANSWER}
static void agate_move(struct agate *b, struct net_device *new)
{
	struct net_device *old = rcu_dereference_protected(b->cur, 1);
	struct agate_sa *sa;

	rcu_assign_pointer(b->cur, new);
	list_for_each_entry(sa, &b->sas, l) {
		struct xfrm_state *x = sa->x;

MOVE	}
}

static int agate_enslave(struct net_device *dev, struct net_device *port,
			 struct netlink_ext_ack *ea)
{
	struct agate *b = netdev_priv(dev);

	if (!rcu_access_pointer(b->cur))
		rcu_assign_pointer(b->cur, port);
	return 0;
}

static const struct xfrmdev_ops agate_ops = {
	.xdo_dev_state_add = agate_add,
	.xdo_dev_state_delete = agate_del,
	.xdo_dev_state_free = agate_free,
	.xdo_dev_state_lower_handle = agate_handle,
};

static const struct net_device_ops agate_ndo = { .ndo_add_slave = agate_enslave };

static int agate_event(struct notifier_block *nb, unsigned long ev, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);

	agate_move(netdev_priv(netdev_master_upper_dev_get(dev)), dev);
	return NOTIFY_DONE;
}

static struct notifier_block agate_nb = { .notifier_call = agate_event };
int agate_init(struct net_device *dev)
{
	struct agate *b = netdev_priv(dev);

	INIT_LIST_HEAD(&b->sas);
	dev->netdev_ops = &agate_ndo;
	dev->xfrmdev_ops = &agate_ops;
	register_netdevice_notifier(&agate_nb);
	return register_netdev(dev);
}
"""
ASKS = "low->xfrmdev_ops->flags & XFRMDEV_OPS_F_LOWER_HANDLE"
TEST = f"	if (!({ASKS}))\n		return -EOPNOTSUPP;\n"
FIELD = "x->xso.offload_handle"
OWN = f"	return READ_ONCE(x->xso.real_dev) == low ? READ_ONCE({FIELD}) : 0;\n"
EMPTIES = "		WRITE_ONCE(x->xso.real_dev, NULL);\n"
ZEROES = f"		WRITE_ONCE({FIELD}, 0);\n"
WAITS = "		synchronize_rcu();\n"
TAKES = """		old->xfrmdev_ops->xdo_dev_state_delete(old, x);
		if (old->xfrmdev_ops->xdo_dev_state_free)
			old->xfrmdev_ops->xdo_dev_state_free(old, x);
"""
PUTS = """		if (new->xfrmdev_ops->xdo_dev_state_add(new, x, NULL))
			continue;
		WRITE_ONCE(x->xso.real_dev, new);
"""
HANDLE_FIRST = f"""	unsigned long handle = READ_ONCE({FIELD});

	smp_rmb();
	return READ_ONCE(x->xso.real_dev) == low ? handle : 0;
"""
# What is read in it need not be what was tested.
TWICE = f"""	if (x->xso.real_dev != low || !{FIELD})
		return 0;
	return {FIELD};
"""


def told(
    tmp_path: Path,
    *,
    test: str = TEST,
    answer: str = OWN,
    move: str = EMPTIES + WAITS + TAKES + PUTS,
    takes: str = "",
    current: str = "b->cur",
) -> tuple[list[str], list[str]]:
    """Return the kinds of what an owner does wrong, with `torn`; and its unknowns' reasons.

    takes: what the core's add takes besides. current: where the owner keeps who is the lower.
    """
    text = AGATE.replace("TEST", test).replace("ANSWER", answer).replace("MOVE", move)
    text = text.replace("b->cur", current)
    tree = lay_example(text, tmp_path / "linux")
    for path in ("net/xfrm/xfrm_state.c", "include/net/xfrm.h"):
        head = "int xfrm_dev_state_add("
        core = (tree / path).read_text("utf-8")
        (tree / path).write_text(core.replace(head, head + takes), "utf-8")
    store = analysis_of(Folder(tree)).store
    _, rows = store.query("SELECT kind, line, column FROM misdeed")
    lines = text.split("\n")
    found = [f"{one['kind']}: {lines[one['line'] - 1][one['column'] - 1 :]}" for one in rows]
    _, rows = store.query("SELECT question, function FROM core_function WHERE ok = 0")
    found += [f"{one['question']}: {one['function']}" for one in rows]
    _, rows = store.query("SELECT reason FROM unknown WHERE driver <> ''")
    return found, [row["reason"] for row in rows]


@pytest.mark.parametrize(
    ("test", "answer"),
    [
        pytest.param(TEST, OWN, id="it is tested, and the field is its own"),
        # Who does not promise reads the field by itself, and finds its own handle there.
        pytest.param("", OWN, id="the field is its own"),
        pytest.param(
            "",
            f"	if (!({ASKS}))\n		return 0;\n{OWN}",
            id="who does not promise is answered nothing",
        ),
    ],
)
def test_the_field_is_answered_to_the_lower_that_is_there(
    test: str, answer: str, tmp_path: Path
) -> None:
    assert told(tmp_path, test=test, answer=answer) == ([], [])


@pytest.mark.parametrize(
    ("test", "answer", "line"),
    [
        pytest.param("", f"	return {FIELD};\n", "offload_handle;", id="whoever asks"),
        pytest.param(
            TEST, f"	return {FIELD};\n", "offload_handle;", id="only the first is tested"
        ),
        pytest.param(
            "",
            f"	return netdev_master_upper_dev_get_rcu(low) == dev ? {FIELD} : 0;\n",
            "offload_handle : 0;",
            id="any port",
        ),
    ],
)
def test_the_field_is_answered_to_another_lower(
    test: str, answer: str, line: str, tmp_path: Path
) -> None:
    found, doubts = told(tmp_path, test=test, answer=answer)
    assert f"unpromised: {line}" in [one.replace("x->xso.", "") for one in found]
    assert doubts == []


@pytest.mark.parametrize(
    ("answer", "move"),
    [
        pytest.param(OWN, EMPTIES + WAITS + TAKES + PUTS, id="who reads is waited for"),
        pytest.param(
            OWN, EMPTIES + ZEROES + WAITS + TAKES + PUTS, id="and there is no handle by then"
        ),
        pytest.param(
            HANDLE_FIRST,
            EMPTIES + ZEROES + WAITS + TAKES + PUTS,
            id="what is read first is nothing or the new one",
        ),
    ],
)
def test_a_move_that_is_whole(answer: str, move: str, tmp_path: Path) -> None:
    assert told(tmp_path, answer=answer, move=move) == ([], [])


@pytest.mark.parametrize(
    ("answer", "move"),
    [
        pytest.param(OWN, EMPTIES + TAKES + PUTS, id="nobody is waited for"),
        pytest.param(TWICE, EMPTIES + ZEROES + TAKES + PUTS, id="the handle is read twice"),
        pytest.param(
            HANDLE_FIRST,
            EMPTIES + WAITS + TAKES + PUTS,
            id="the old handle is read before, the new lower after",
        ),
    ],
)
def test_a_move_that_tears(answer: str, move: str, tmp_path: Path) -> None:
    assert told(tmp_path, answer=answer, move=move)[0] == ["torn: agate_move"]


def test_a_move_that_tears_where_the_core_can_not_be_run(tmp_path: Path) -> None:
    takes = "struct net *net, "
    assert told(tmp_path / "whole", takes=takes) == ([], [])
    found, _ = told(tmp_path / "torn", move=EMPTIES + TAKES + PUTS, takes=takes)
    assert found == ["torn: agate_move"]


@pytest.mark.parametrize("current", ["b->cur", "agate_cur"])
def test_who_is_the_lower_may_be_read_half_changed(current: str, tmp_path: Path) -> None:
    owners = "" if current == "agate_cur" else "	struct agate *b = netdev_priv(dev);\n\n"
    answer = f"{owners}	return READ_ONCE({current}) == low ? READ_ONCE({FIELD}) : 0;\n"
    _, doubts = told(tmp_path, answer=answer, current=current)
    name = current.replace("b->", "struct agate.")
    assert any(f"whether a packet can read {name} half changed" in one for one in doubts), doubts
