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


# A port that joins is given the state, and what it was given is taken back if it fails.
GIVES = (
    (
        "static int slate_enslave(",
        """static int slate_give(struct slate *s, struct net_device *port)
{
	const struct xfrmdev_ops *ops = port->xfrmdev_ops;
	struct slate_keys *keys = s->keys;
	int at = 0, err;

	while (at < SLATE_PORTS && s->port[at])
		at++;
	if (at == SLATE_PORTS)
		return -ENOSPC;
	if (keys) {
		if (!ops || !slate_takes(ops->flags))
			return -EOPNOTSUPP;
		err = ops->xdo_dev_state_add(port, keys->x, NULL);
		if (err) {
			slate_take_back(s, at);
			return err;
		}
		keys->of[at] = keys->x->xso.offload_handle;
		keys->x->xso.offload_handle = 0;
	}
	WRITE_ONCE(s->port[at], port);
	return 0;
}

static int slate_enslave(""",
    ),
    (
        """	for (at = 0; at < SLATE_PORTS; at++)
		if (!s->port[at]) {
			WRITE_ONCE(s->port[at], port);
			return 0;
		}
	return -ENOSPC;
""",
        "	at = slate_give(s, port);\n	return at;\n",
    ),
    ("for (at = 0; keys && at", "for (at = 0; keys && !handle && at"),
)
LOSES = ("		keys->of[at] = keys->x->xso.offload_handle;\n", "")
COMES = "U with A adds; B joins"
ALSO = (
    "int slate_init(",
    "int slate_again(struct slate *s)\n{\n	return slate_give(s, s->port[1]);\n}\n\n"
    "int slate_init(",
)
ONCE_MORE = {
    ("U with A and B adds; it fails over to B", "P1", "B"),
    ("U with A and C adds; it fails over to C", "P1", "C"),
    ("U with A and C adds; it fails over to C and back", "P1", "A"),
    ("U with A and C adds; it fails over to C and back", "P1", "C"),
}
HELD = (
    "int slate_init(",
    "static int (*slate_later)(struct slate *s, struct net_device *port) = slate_give;\n\n"
    "int slate_init(",
)


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
        pytest.param(GIVES, set(), set(), id="who joins is given the state"),
        pytest.param((*GIVES, LOSES), {(COMES, "P2", "B"), (JOINS, "P2", "C")}, set(), id="lost"),
        pytest.param((*GIVES, MASK), set(), {"unpromised"}, id="given by a wrong mask"),
        # What else calls it may move the states by it.
        pytest.param((*GIVES, ALSO), ONCE_MORE, set(), id="given to one that is a port already"),
        pytest.param((*GIVES, HELD), ONCE_MORE, set(), id="given by a pointer, too"),
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


EACH = (
    "#define SLATE_PORTS 4\n",
    "#define SLATE_PORTS 4\n"
    "#define for_each_slot(s, at) for ((at) = 0; (at) < (s)->full; (at)++)\n",
)
COUNTED = ("struct slate_keys *keys; };", "struct slate_keys *keys; int full; };")
FILLS = (
    """	for (at = 0; at < SLATE_PORTS; at++)
		if (!s->port[at]) {
			WRITE_ONCE(s->port[at], port);
			return 0;
		}
	return -ENOSPC;
""",
    """	at = s->full;
	if (at == SLATE_PORTS)
		return -ENOSPC;
	WRITE_ONCE(s->port[at], port);
	s->full++;
	return 0;
""",
)
STAYS = (
    """	for (at = 0; at < SLATE_PORTS; at++)
		if (s->port[at] == port) {
			slate_take_back(s, at);
			WRITE_ONCE(s->port[at], NULL);
			return 0;
		}
	return -ENOENT;
""",
    "	return -EBUSY;\n",
)
ASKED = (
    """	for (at = 0; keys && at < SLATE_PORTS; at++)
		if (READ_ONCE(s->port[at]) == port)
""",
    """	for_each_slot(s, at)
		if (keys && READ_ONCE(s->port[at]) == port)
""",
)
LOOPING = (EACH, COUNTED, FILLS, STAYS, ASKED)


@pytest.mark.parametrize(
    ("changes", "done"), [((), set()), ((MASK,), {"unpromised"})], ids=["right", "a wrong mask"]
)
def test_what_a_loop_macro_of_the_owners_reads_counts(
    changes: tuple[tuple[str, str], ...], done: set[str], tmp_path: Path
) -> None:
    """Who joins is counted in a member that the macro alone reads."""
    found = analysed(tmp_path, *LOOPING, *changes)
    (owner,) = found.owners
    assert owner.untold == ()
    assert {scene.joined for scene in owner.scenes} == {True}
    assert (wrong(found), misdeeds(found)) == (set(), done)


# Made with its ports, and never joined by another one.
NO_JOINS = ("	.ndo_add_slave = slate_enslave,\n	.ndo_del_slave = slate_release,\n", "")
BY_ARRAY = (
    """int slate_init(struct net_device *dev)
{
""",
    """struct net_device *slate_make(struct net_device **ports, unsigned int count)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct slate));
	struct slate *s;
	int at;

	if (!dev || count > SLATE_PORTS)
		return NULL;
	s = netdev_priv(dev);
	for (at = 0; at < count; at++)
		s->port[at] = ports[at];
""",
)
MADE = ("	return register_netdev(dev);\n", "	return register_netdev(dev) ? NULL : dev;\n")
GIVEN = (
    "int slate_init(struct net_device *dev)\n{\n",
    """int slate_init(struct net_device *dev, struct net_device *ports[], u8 count)
{
	struct slate *s = netdev_priv(dev);
	u8 at = 0;

	while (at < count) {
		s->port[at] = *ports++;
		at++;
	}
""",
)
LAST = (
    "	for (at = 0; at < SLATE_PORTS; at++)\n		slate_take_back(s, at);\n	s->keys",
    "	while (--at > 0)\n		slate_take_back(s, at);\n	s->keys",
)


@pytest.mark.parametrize(
    ("changes", "done"),
    [
        pytest.param((NO_JOINS, BY_ARRAY, MADE), set(), id="makes the device"),
        pytest.param((NO_JOINS, GIVEN), set(), id="is told the device"),
        pytest.param((NO_JOINS, BY_ARRAY, MADE, LAST), {"kept"}, id="keeps the first"),
        pytest.param((NO_JOINS, GIVEN, LAST), {"kept"}, id="is told, and keeps the first"),
        pytest.param((NO_JOINS, BY_ARRAY, MADE, MASK), {"unpromised"}, id="a wrong mask"),
    ],
)
def test_an_owner_that_is_made_with_its_ports(
    changes: tuple[tuple[str, str], ...], done: set[str], tmp_path: Path
) -> None:
    found = analysed(tmp_path, *changes)
    (owner,) = found.owners
    assert owner.untold == ()
    assert {scene.joined for scene in owner.scenes} == {True}
    assert (wrong(found), misdeeds(found)) == (set(), done)


LOOKED_UP = (
    "int slate_init(struct net_device *dev)\n{\n",
    """struct net;
struct slate_params { struct net *net; int first, second; };
struct slate_link_ops {
	int (*newlink)(struct net_device *dev, struct slate_params *p, struct netlink_ext_ack *ea);
};
struct net_device *__dev_get_by_index(struct net *net, int ifindex);

static int slate_newlink(struct net_device *dev, struct slate_params *p,
			 struct netlink_ext_ack *ea)
{
	struct slate *s = netdev_priv(dev);

	s->port[0] = __dev_get_by_index(p->net, p->first);
	s->port[1] = __dev_get_by_index(p->net, p->second);
	if (!s->port[0] || !s->port[1])
		return -ENODEV;
""",
)
LINKED = (
    "MODULE_LICENSE",
    "struct slate_link_ops slate_link_ops = { .newlink = slate_newlink };\nMODULE_LICENSE",
)
LINKING = (NO_JOINS, LOOKED_UP, LINKED)
ELSE_SECOND = (
    "		if (READ_ONCE(s->port[at]) == port)\n",
    "		if (at == 1 || READ_ONCE(s->port[at]) == port)\n",
)
TESTS_LATE = (
    "	rcu_read_lock();\n	keys",
    "	if (!slate_takes(port->xfrmdev_ops->flags))\n		return 0;\n	rcu_read_lock();\n	keys",
)
TAKES_ALL = ("!ops || !slate_takes(ops->flags)", "!ops")


@pytest.mark.parametrize(
    ("changes", "broken", "done"),
    [
        pytest.param((), set(), set(), id="right"),
        pytest.param((ELSE_SECOND,), {"P1"}, set(), id="whoever it is gets the second's"),
        pytest.param((MASK,), set(), {"unpromised"}, id="a wrong mask"),
        pytest.param((TESTS_LATE,), set(), set(), id="tests the promise twice"),
        pytest.param((TESTS_LATE, TAKES_ALL), set(), {"unpromised"}, id="tests it when asked"),
    ],
)
def test_an_owner_whose_newlink_looks_its_ports_up(
    changes: tuple[tuple[str, str], ...],
    broken: set[str],
    done: set[str],
    tmp_path: Path,
) -> None:
    found = analysed(tmp_path, *LINKING, *changes)
    (owner,) = found.owners
    assert owner.untold == ()
    assert {scene.joined for scene in owner.scenes} == {True}
    assert ({name for _, name, _ in wrong(found)}, misdeeds(found)) == (broken, done)


OF_TWO = (
    "int slate_init(struct net_device *dev)\n{\n",
    """int slate_init(struct net_device *dev, struct net_device *ports[2],
	       struct netlink_ext_ack *ea)
{
	struct slate *s = netdev_priv(dev);
	int at;

	for (at = 0; at < 2; at++)
		s->port[at] = ports[at];
""",
)


@pytest.mark.parametrize(
    ("changes", "done"),
    [
        pytest.param((), set(), id="right"),
        pytest.param((MASK,), {"unpromised"}, id="a wrong mask"),
    ],
)
def test_a_head_says_how_many_ports_there_are(
    changes: tuple[tuple[str, str], ...], done: set[str], tmp_path: Path
) -> None:
    found = analysed(tmp_path, NO_JOINS, OF_TWO, *changes)
    (owner,) = found.owners
    assert {scene.joined for scene in owner.scenes} == {True}
    assert {one.reason for one in owner.untold} == {"it is made of 2 ports"}
    assert (wrong(found), misdeeds(found)) == (set(), done)


KEPT_AS_NUMBER = (
    "			handle = keys->of[at];",
    """		{
			unsigned long where = (unsigned long)&keys->of[at];

			handle = where ? *(unsigned long *)where : 0;
		}""",
)


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        pytest.param(KEPT_AS_NUMBER, False, id="read through"),
        pytest.param(
            (
                "			handle = keys->of[at];",
                "			handle = (unsigned long)&keys->of[at];",
            ),
            True,
            id="given",
        ),
        pytest.param(
            ("			handle = keys->of[at];", "			handle = (unsigned long)keys;"),
            True,
            id="of the map",
        ),
    ],
)
def test_where_a_handle_lies_is_no_handle(
    change: tuple[str, str], broken: bool, tmp_path: Path
) -> None:
    found = analysed(tmp_path, change)
    (owner,) = found.owners
    assert owner.untold == ()
    assert {name for _, name, _ in wrong(found)} == ({"P1"} if broken else set())


def test_nothing_is_computed_with_where_something_lies(tmp_path: Path) -> None:
    found = analysed(
        tmp_path,
        ("			handle = keys->of[at];", "			handle = (unsigned long)keys & ~1UL;"),
    )
    (owner,) = found.owners
    assert not wrong(found)
    # Nor is it known whether that is a handle.
    assert any("no number" in (one.reason or "") for s in owner.scenes for one in s.answers) or any(
        "no number" in one.reason for one in owner.untold
    )


STRICT = (
    """static bool slate_takes(unsigned int flags)
{
	return (flags & XFRMDEV_OPS_F_LOWER_HANDLE) != 0;
""",
    """static %sbool slate_strict%s;
static bool slate_takes(unsigned int flags)
{
	return !slate_strict || (flags & XFRMDEV_OPS_F_LOWER_HANDLE);
""",
)
SETS = (
    "MODULE_LICENSE",
    "void slate_set(bool strict)\n{\n	slate_strict = strict;\n}\nMODULE_LICENSE",
)
PARAMETER = ("MODULE_LICENSE", "module_param(slate_strict, bool, 0444);\nMODULE_LICENSE")


@pytest.mark.parametrize(
    ("written", "more", "done"),
    [
        (("", ""), (SETS,), {"unpromised"}),
        (("", " = true"), (PARAMETER,), {"unpromised"}),
        # What nobody sets is what it is from the beginning, which is not looked at.
        (("", " = true"), (), set()),
        (("const ", " = true"), (), set()),
    ],
)
def test_a_variable_that_somebody_sets_is_open(
    written: tuple[str, str],
    more: tuple[tuple[str, str], ...],
    done: set[str],
    tmp_path: Path,
) -> None:
    found = analysed(tmp_path, (STRICT[0], STRICT[1] % written), *more)
    (owner,) = found.owners
    assert {one.reason for one in owner.untold} == (
        set() if done else {"slate_strict is not defined in a plain way"}
    )
    assert (wrong(found), misdeeds(found)) == (set(), done)


LOUD = (
    "	return (flags & XFRMDEV_OPS_F_LOWER_HANDLE) != 0;\n",
    "	if (slate_strict)\n		return flags & XFRMDEV_OPS_F_LOWER_HANDLE;\n"
    "	return (flags & XFRMDEV_OPS_F_LOWER_HANDLE) != 0;\n",
)


def test_a_variable_that_decides_nothing_is_no_matter(tmp_path: Path) -> None:
    found = analysed(
        tmp_path,
        LOUD,
        ("static bool slate_takes", "static bool slate_strict;\nstatic bool slate_takes"),
        SETS,
    )
    (owner,) = found.owners
    assert owner.untold == ()
    assert (wrong(found), misdeeds(found)) == (set(), set())


# One place for each number that is left of an ifindex.
KEY = (
    "#define SLATE_PORTS 4\n",
    "#define SLATE_PORTS 4\n#define slot_of(p) ((p)->ifindex & (SLATE_PORTS - 1))\n",
)
KEYED = (
    KEY,
    (
        "	if (!port || !keys || !keys->of[at])\n		return;\n",
        "	if (!port || !keys)\n		return;\n	at = slot_of(port);\n"
        "	if (!keys->of[at])\n		return;\n",
    ),
    ("			keys->of[at] = x", "			keys->of[slot_of(s->port[at])] = x"),
    ("			handle = keys->of[at];", "			handle = keys->of[slot_of(port)];"),
)
TAKEN = (
    "		err = ops->xdo_dev_state_add(s->port[at], x, ea);\n",
    """		if (keys->of[slot_of(s->port[at])]) {
			err = -EBUSY;
			break;
		}
		err = ops->xdo_dev_state_add(s->port[at], x, ea);
""",
)
FAR = "U with A and B, whose ifindex differ by 65536, adds"


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        pytest.param((*KEYED, TAKEN), set(), id="a place that is taken"),
        pytest.param(KEYED, {(FAR, "P1", "A")}, id="two in one place"),
    ],
)
def test_an_ifindex_of_which_some_is_left_out(
    changes: tuple[tuple[str, str], ...],
    broken: set[tuple[str, str, str | None]],
    tmp_path: Path,
) -> None:
    assert wrong(analysed(tmp_path, *changes)) == broken


# Who comes gets the state at once.
SERVED = (
    """			WRITE_ONCE(s->port[at], port);
			return 0;
""",
    """			FIRST
			if (s->keys) {
				struct xfrm_state *x = s->keys->x;

				if (!port->xfrmdev_ops || !slate_takes(port->xfrmdev_ops->flags))
					return -EOPNOTSUPP;
				if (port->xfrmdev_ops->xdo_dev_state_add(port, x, ea))
					return -EIO;
				s->keys->of[at] = x->xso.offload_handle;
				x->xso.offload_handle = 0;
			}
			THEN
			return 0;
""",
)
PUT = "WRITE_ONCE(s->port[at], port);"


def unknown(found: Analysis) -> list[str]:
    _, rows = found.store.query("SELECT reason FROM unknown")
    return [str(row["reason"]) for row in rows]


@pytest.mark.parametrize("first", [True, False], ids=["named first", "named last"])
def test_what_is_kept_beside_the_state_may_be_read_half_changed(
    first: bool, tmp_path: Path
) -> None:
    """Which order of the owner's own stores does harm is not looked at, and that is said."""
    text = SERVED[1].replace("FIRST", PUT if first else "").replace("THEN", "" if first else PUT)
    found = analysed(tmp_path, (SERVED[0], text))
    assert wrong(found) == set()
    (reason,) = [one for one in unknown(found) if "half changed" in one]
    assert "B joins" in reason


def test_who_joins_without_a_state_changes_no_handle(tmp_path: Path) -> None:
    assert not [one for one in unknown(analysed(tmp_path)) if "half changed" in one]
