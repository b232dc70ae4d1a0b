"""An owner's own code in worlds: what comes of it, and what is said where it can't be run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.asked import analysis_of
from tests.laid import lay, lay_fixture
from tests.slow import but_first
from xfrmlint.concrete.lab import Ran
from xfrmlint.concrete.scene import Scene
from xfrmlint.tree.folder import Folder

IPSEC = "drivers/net/bonding/bond_ipsec.c"
MAIN = "drivers/net/bonding/bond_main.c"
BACKUP = "bonding.params.mode is 1"
LAG = "bonding.params.mode is not 1"


def ran(tree: Path) -> Ran:
    """Return the one owner of a tree."""
    (found,) = analysis_of(Folder(tree)).owners
    return found


def told(found: Ran) -> list[tuple[str, str, str | None, str]]:
    """Return what is wrong: the function, the predicate, who asked, and what it got."""
    return [
        (blamed.name, one.name, one.asking, one.reason)
        for scene in found.scenes
        for one, blamed in scene.broken
    ]


def scene(found: Ran, *parts: str) -> Scene:
    """Return the one scene whose name has some parts and ends with the last one."""
    (one,) = [
        s
        for s in found.scenes
        if all(part in s.world.name for part in parts) and s.world.name.endswith(parts[-1])
    ]
    return one


def got(one: Scene) -> dict[str, str]:
    """Return whose add the handle is of that each device gets; `-` for none."""
    return {
        answer.asking: one.world.issued[answer.value] if answer.value else "-"
        for answer in one.answers
    }


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The bond that shares, done right."""
    return ran(lay("shared", tmp_path_factory.mktemp("trees") / "linux"))


def test_the_owners_own_code_is_run_to_the_end_of_every_story(right: Ran) -> None:
    assert right.untold == ()
    assert told(right) == []
    assert {s.assumed for s in right.scenes} == {(BACKUP,), (LAG,)}
    assert right.total == len({s.story.name for s in right.scenes})


@pytest.mark.parametrize(
    ("parts", "handed", "wanted"),
    [
        (("A and B of one chip adds", BACKUP), True, "A---"),
        (("A and B of one chip adds", LAG), True, "AA--"),
        (("A and C of two chips adds", BACKUP), True, "A---"),
        (("A and C of two chips adds", LAG), False, "----"),
        (("adds, A refuses", LAG), False, "----"),
        (("B does not promise to share a state, adds", BACKUP), True, "A---"),
        (("B does not promise to share a state, adds", LAG), False, "----"),
        (("A does not promise to ask the resolver, adds", BACKUP), False, "----"),
        (("adds; then B refuses the sharing test", LAG), True, "A---"),
        (("adds; then B has its offload switched off", LAG), True, "A---"),
        (("adds; B leaves", LAG), True, "A---"),
        (("adds; A leaves", LAG), True, "-B--"),
        (("adds; A leaves", BACKUP), True, "-B--"),
        (("adds; it fails over to B", BACKUP), True, "-B--"),
        (("adds; it fails over to C", BACKUP), True, "--C-"),
        (("fails over to C, which refuses", BACKUP), True, "----"),
        (("adds, deletes and frees", LAG), True, "----"),
    ],
)
def test_what_each_lower_gets(right: Ran, parts: Sequence[str], handed: bool, wanted: str) -> None:
    first, last = parts
    one = scene(right, f"{first}, {last}")
    assert one.handed == handed
    assert "".join(got(one).values()) == wanted


def test_a_lag_bond_transmits_through_all_and_a_backup_one_through_one(right: Ran) -> None:
    assert scene(right, f"A and B of one chip adds, {LAG}").world.carries == {"A", "B"}
    assert scene(right, f"A and B of one chip adds, {BACKUP}").world.carries == {"A"}


def changed(tree: Path, path: str, old: str, new: str) -> Path:
    """Replace a piece of a file that stands in it once."""
    text = (tree / path).read_text("utf-8")
    assert text.count(old) == 1
    (tree / path).write_text(text.replace(old, new), "utf-8")
    return tree


@pytest.mark.parametrize(
    ("path", "old", "new", "wanted"),
    but_first(
        [
            pytest.param(
                IPSEC,
                "	return handle;\n}",
                "	return dev == lower_dev ? handle : 0;\n}",
                ("bond_ipsec_lower_handle", "P2", "B", "although the owner transmits through it"),
                id="only the pinned one is answered",
            ),
            pytest.param(
                IPSEC,
                "(bond_ipsec_accepts(dev, peer_dev) && bond_ipsec_accepts(peer_dev, dev))",
                "bond_ipsec_accepts(dev, peer_dev)",
                ("bond_ipsec_lower_handle", "P4", "B", "refuses the sharing test"),
                id="one direction of the sharing test",
            ),
            pytest.param(
                IPSEC,
                "&& bond_ipsec_accepts(peer_dev, dev))",
                "&& bond_ipsec_accepts(dev, peer_dev))",
                ("bond_ipsec_lower_handle", "P4", "B", "refuses the sharing test"),
                id="the sharing test asked twice of one side",
            ),
            pytest.param(
                IPSEC,
                "(dev->features & NETIF_F_HW_ESP) && ",
                "",
                ("bond_ipsec_lower_handle", "P4", "B", "has its offload switched off"),
                id="the feature is not asked",
            ),
            pytest.param(
                IPSEC,
                "	if (!dev || BOND_MODE(bond) == BOND_MODE_ACTIVEBACKUP)\n\t\treturn 0;",
                "	return handle;",
                ("bond_ipsec_lower_handle", "P1", "C", "A's handle"),
                id="whoever asks",
            ),
            pytest.param(
                "net/xfrm/xfrm_state.c",
                "	WRITE_ONCE(x->xso.dev, NULL);\n",
                "",
                ("xfrm_dev_state_free", "P3", "A", "a freed state"),
                id="free forgets the owner and the bond the field",
            ),
            pytest.param(
                IPSEC,
                "	WRITE_ONCE(x->xso.real_dev, dev);\n\treturn 0;",
                "	return 0;",
                ("bond_ipsec_lower_handle", "P2", "A", "its add returned one"),
                id="add does not say where it is",
            ),
        ],
        4,
    ),
)
def test_a_break_is_told_of_the_function_that_made_it(
    path: str, old: str, new: str, wanted: tuple[str, str, str, str], tmp_path: Path
) -> None:
    tree = changed(lay("shared", tmp_path / "linux"), path, old, new)
    if path.startswith("net/"):
        kept = "	bond_ipsec_forget(x);\n	list_for_each"
        changed(tree, IPSEC, kept, "	WRITE_ONCE(x->xso.real_dev, dev);\n	list_for_each")
        changed(tree, "net/xfrm/xfrm_state.c", "	WRITE_ONCE(x->xso.real_dev, NULL);\n", "")
        changed(tree, "net/xfrm/xfrm_state.c", "	WRITE_ONCE(x->xso.offload_handle, 0);\n", "")
    function, name, asking, said = wanted
    found = told(ran(tree))
    assert any((one[:3], said in one[3]) == ((function, name, asking), True) for one in found), (
        found
    )


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("upper-with-resolver", "AB--"), ("upper-wrong", "AB--")],
)
def test_a_map_of_handles_is_looked_up(name: str, wanted: str, tmp_path: Path) -> None:
    tree = lay_fixture(name, tmp_path / "linux")
    for found in analysis_of(Folder(tree)).owners:
        if not found.answers:
            continue
        assert "".join(got(scene(found, "U with A and B adds")).values()) == wanted
        assert (told(found), found.untold) == ([], ())
        # Nothing of it moves states, so that there is no failover to tell of.
        assert not any("fails over" in s.story.name for s in found.scenes)


OWNER = """\
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include <net/xfrm.h>

struct port {
	struct list_head list;
	struct net_device *dev;
};

struct handle {
	unsigned long value;
};

struct owner {
	struct net_device *self;
	struct list_head ports;
	struct xarray handles;
	int kind;
};

static int owner_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct owner *owner = netdev_priv(dev);
	struct handle *handle;
	struct port *port;

	list_for_each_entry(port, &owner->ports, list) {
		if (port->dev->xfrmdev_ops->xdo_dev_state_add(port->dev, x, extack))
			return -EINVAL;
		handle = kzalloc(sizeof(*handle), GFP_KERNEL);
		handle->value = x->xso.offload_handle;
		xa_store(&owner->handles, port->dev->ifindex, handle, GFP_KERNEL);
	}
	return 0;
}

static void owner_delete(struct net_device *dev, struct xfrm_state *x)
{
}

static unsigned long owner_lower_handle(struct net_device *dev, struct xfrm_state *x,
					struct net_device *lower_dev)
{
	struct owner *owner = netdev_priv(dev);
	struct handle *handle = xa_load(&owner->handles, lower_dev->ifindex);

	return handle ? handle->value : 0;
}

static const struct xfrmdev_ops owner_ops = {
	.xdo_dev_state_add		= owner_add,
	.xdo_dev_state_delete		= owner_delete,
	.xdo_dev_state_lower_handle	= owner_lower_handle,
};

int owner_create(struct net_device *dev)
{
	struct owner *owner = netdev_priv(dev);

	owner->self = dev;
	dev->xfrmdev_ops = &owner_ops;
	return register_netdev(dev);
}
"""


def laid(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    tree = lay("rfc", tmp_path / "linux")
    text = OWNER
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder = tree / "drivers/net/example"
    folder.mkdir()
    (folder / "example.c").write_text(text, "utf-8")
    (folder / "Makefile").write_text("obj-m += example.o\n", "utf-8")
    with open(tree / "drivers/net/Makefile", "a", encoding="utf-8") as file:
        file.write("obj-m += example/\n")
    return tree


SELF = "	if (netdev_master_upper_dev_get_rcu(lower_dev) != owner->self)\n		return 0;\n"
RETURN = "	return handle ? handle->value : 0;"
LOOP = "list_for_each_entry(port, &owner->ports, list)"
OWN_LOOP = (
    "static int owner_add(",
    "#define my_for_each(owner, port) \\\n"
    "\tlist_for_each_entry(port, &(owner)->ports, list)\n\n"
    "static int owner_add(",
)
# A number as the kernel's headers write it for C and for an assembler, pasted for C alone.
FLAGS = """#ifdef __ASSEMBLY__
#define PASTED(number, suffix) number
#else
#define JOINED(number, suffix) (number##suffix)
#define PASTED(number, suffix) JOINED(number, suffix)
#endif

static int owner_add("""


# The owner keeps rows of an array, and finds them by pointers into it.
ROWS = (
    ("struct owner {\n", "struct row {\n\tstruct net_device *dev;\n\tunsigned long value;\n};\n\n"
     "struct owner {\n\tstruct row rows[4];\n\tint used;\n"),
    ("		handle = kzalloc(sizeof(*handle), GFP_KERNEL);\n"
     "		handle->value = x->xso.offload_handle;\n"
     "		xa_store(&owner->handles, port->dev->ifindex, handle, GFP_KERNEL);\n",
     "		row->dev = port->dev;\n		(row++)->value = x->xso.offload_handle;\n"),
    ("	struct handle *handle;\n", "	struct row *row = owner->rows;\n"),
    ("	struct handle *handle = xa_load(&owner->handles, lower_dev->ifindex);\n",
     "	struct row *row, *end = owner->rows + ARRAY_SIZE(owner->rows);\n"),
    (RETURN, "	for (row = &owner->rows[0]; row < end; row++)\n		if (row->dev == lower_dev)\n"
     "			return row->value;\n	return 0;"),
)  # fmt: skip


def shared_map(begins: str, declared: str = "*owner_map") -> Sequence[tuple[str, str]]:
    """Return the owner with its map behind a variable of the file. begins: what sets that."""
    return (
        ("&owner->handles", "&owner_map->handles"),
        (
            "static int owner_add(",
            f"struct map {{\n\tstruct xarray handles;\n}};\nstatic struct map {declared};\n"
            "static int owner_add(",
        ),
        ("	owner->self = dev;\n", f"	owner->self = dev;\n	{begins}\n"),
    )


ALLOCATED = "owner_map = kzalloc(sizeof(*owner_map), GFP_KERNEL);"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        pytest.param(ROWS, "AB--", id="pointers into an array"),
        pytest.param(shared_map(ALLOCATED), "AB--", id="a map of the file's, made at first"),
        pytest.param(
            shared_map("rcu_assign_pointer(owner_map, kzalloc(sizeof(*owner_map), GFP_KERNEL));"),
            "AB--",
            id="a map that is published",
        ),
        pytest.param(
            (
                *shared_map("owner_map = NULL;"),
                (
                    "	struct port *port;\n\n",
                    f"	struct port *port;\n\n	if (!owner_map)\n		{ALLOCATED}\n",
                ),
            ),
            "AB--",
            id="a map of the file's, made where it is first used",
        ),
        pytest.param((), "AB--", id="an xarray, and a list that nobody is seen to fill"),
        pytest.param(((RETURN, SELF + RETURN),), "AB--", id="its own device is kept"),
        pytest.param(
            ((RETURN, f"	list_add(&owner->ports, &owner->ports);\n{RETURN}"),),
            "AB--",
            id="what the callback does to a list",
        ),
        pytest.param(
            ((RETURN, "	guard(rcu)();\n	return handle ? READ_ONCE(handle->value) : 0;"),),
            "AB--",
            id="guards and accessors",
        ),
        pytest.param(
            (OWN_LOOP, (LOOP, "my_for_each(owner, port)")), "AB--", id="a loop macro of its own"
        ),
        pytest.param(
            (
                ("static int owner_add(", FLAGS),
                ("GFP_KERNEL);\n\t\thandle", "PASTED(1, UL));\n\t\thandle"),
            ),
            "AB--",
            id="a header that an assembler reads, too",
        ),
        pytest.param(
            (("return -EINVAL;", "return -EWOULDBLOCK;"),), "AB--", id="an error that has two names"
        ),
        pytest.param(
            (("handle->value = x->xso", "handle[0].value = x[0].xso"),),
            "AB--",
            id="what a pointer points to, by its index",
        ),
    ],
)
def test_what_the_kernel_does_is_done(
    changes: Sequence[tuple[str, str]], wanted: str, tmp_path: Path
) -> None:
    found = ran(laid(tmp_path, *changes))
    assert found.untold == ()
    assert "".join(got(scene(found, "U with A and B adds")).values()) == wanted
    assert told(found) == []


LINKS = """struct hlist_node {
	struct hlist_node *next, **pprev;
};
struct hlist_head {
	struct hlist_node *first;
};

"""


def linked(
    loop: str, head: str = "list_head", node: str = "list_head", adds: str = "list_add_tail"
) -> Sequence[tuple[str, str]]:
    """Return the owner with a list of handles for each state. loop: in the callback, over it."""
    entry = "container_of(at, struct handle, link)"
    return (
        ("struct port {\n", f"{LINKS}struct port {{\n"),
        (
            "struct handle {\n",
            f"struct map {{\n\tstruct {head} all;\n}};\n\n"
            f"struct handle {{\n\tstruct {node} link;\n\tstruct net_device *dev;\n",
        ),
        (
            "	struct handle *handle;\n",
            "	struct handle *handle;\n	struct map *map = MADE;\n",
        ),
        ("MADE", "kzalloc(sizeof(*map), GFP_KERNEL)"),
        (
            "xa_store(&owner->handles, port->dev->ifindex, handle, GFP_KERNEL);",
            f"handle->dev = port->dev;\n\t\t{adds}(&handle->link, &map->all);",
        ),
        (
            "	}\n	return 0;\n",
            "	}\n	rcu_assign_pointer(x->xso.upper_priv, map);\n	return 0;\n",
        ),
        (
            "	struct handle *handle = xa_load(&owner->handles, lower_dev->ifindex);\n",
            "	struct map *map = rcu_dereference(x->xso.upper_priv);\n"
            f"	struct {node} *at;\n	struct handle *handle;\n",
        ),
        (
            RETURN,
            f"	{loop}\n		if ({entry}->dev == lower_dev)\n"
            f"			return {entry}->value;\n	return 0;",
        ),
    )


ROUND = "for (at = map->all.next; at != &map->all; at = at->next)"
BACK = "for (at = map->all.prev; at != &map->all; at = at->prev)"
ENTRY = (
    "for (handle = container_of(map->all.next, struct handle, link); &handle->link != &map->all;"
    " handle = container_of(at->next, struct handle, link))\n		if ((at = &handle->link))"
)
FIRST = "for (at = map->all.first; at; at = at->next)"
HLIST = ("hlist_head", "hlist_node", "hlist_add_head")


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        pytest.param(linked(ROUND), "AB--", id="round"),
        pytest.param(linked(BACK), "AB--", id="backwards"),
        pytest.param(linked(ENTRY), "AB--", id="by its entries"),
        pytest.param(linked(FIRST, *HLIST), "AB--", id="to its end"),
        pytest.param(linked(ROUND.replace("all.next;", "all.next->next;")), "-B--", id="the rest"),
        pytest.param(linked(FIRST.replace("at; at =", "0; at ="), *HLIST), "----", id="none"),
    ],
)
def test_a_list_is_what_it_is_where_its_links_are_read(
    changes: Sequence[tuple[str, str]], wanted: str, tmp_path: Path
) -> None:
    found = ran(laid(tmp_path, *changes))
    assert found.untold == ()
    assert "".join(got(scene(found, "U with A and B adds")).values()) == wanted
    assert (told(found) == []) is (wanted == "AB--")


@pytest.mark.parametrize(
    ("loop", "wanted"), [(ROUND, "AB--"), (ROUND.replace("all.next;", "all.next->next;"), "-B--")]
)
def test_a_callback_that_is_not_told_the_owner(loop: str, wanted: str, tmp_path: Path) -> None:
    tree = laid(
        tmp_path,
        *linked(loop),
        ("owner_lower_handle(struct net_device *dev, ", "owner_lower_handle("),
        ("	struct owner *owner = netdev_priv(dev);\n	struct map", "	struct map"),
    )
    changed(
        tree,
        "include/linux/netdevice.h",
        "(*xdo_dev_state_lower_handle)(struct net_device *dev,\n",
        "(*xdo_dev_state_lower_handle)(\n",
    )
    changed(tree, "include/net/xfrm.h", "handle(owner, x, lower_dev)", "handle(x, lower_dev)")
    found = ran(tree)
    assert found.untold == ()
    assert "".join(got(scene(found, "U with A and B adds")).values()) == wanted
    assert (told(found) == []) is (wanted == "AB--")


def test_a_number_of_the_owners_own_is_tried_both_ways(tmp_path: Path) -> None:
    found = ran(laid(tmp_path, (RETURN, f"	if (owner->kind == 3)\n		return 0;\n{RETURN}")))
    assert "".join(got(scene(found, "U with A and B adds, owner.kind is 3")).values()) == "----"
    assert ("owner_lower_handle", "P2", "A", "none, although its add returned one") in told(found)
    kept = scene(found, "U with A and B adds, owner.kind is not 3")
    assert "".join(got(kept).values()) == "AB--"
    assert not kept.broken


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            ((RETURN, f"	strange(owner);\n{RETURN}"),),
            "strange() is not defined",
            id="a function",
        ),
        pytest.param(
            ((RETURN, "	owner->kind = 0;\n" * 400 + RETURN),),
            "owner_lower_handle() is too long",
            id="a long function",
        ),
        pytest.param(
            ((RETURN, f"	if (owner->kind > 3)\n		return 0;\n{RETURN}"),),
            "`>` on what is not known (owner.kind)",
            id="an order of numbers",
        ),
        pytest.param(
            ((LOOP, "my_for_each(port, owner, list)"),),
            "a loop made by a macro (my_for_each)",
            id="a loop",
        ),
        pytest.param(
            (("xdo_dev_state_add(port->dev, x", "xdo_dev_state_add(dev, x"),),
            "a lower's add is called for U, which is none of the lower devices",
            id="a lower's add that is told the owner's device",
        ),
        pytest.param(
            (
                ("	struct list_head ports;\n", "	struct list_head ports, others;\n"),
                (RETURN, f"	if (owner->others.next)\n		return 0;\n{RETURN}"),
            ),
            "where owner.others.next leads",
            id="the first of a list that nobody is seen to fill",
        ),
        pytest.param(
            linked(f"map->all.next = map->all.next->next;\n	{ROUND}"),
            "a list whose links are stored one by one",
            id="a list that is changed by hand",
        ),
        pytest.param(
            linked(f"at = map->all.next;\n	list_del(at);\n	at = at->next;\n	{ROUND}"),
            "link.next leads",
            id="an entry that was taken out of its list",
        ),
        pytest.param(
            shared_map("owner_map = dev->ml_priv;"),
            "owner_map is not defined in a plain way",
            id="a pointer of the file's that somebody else made",
        ),
        pytest.param(
            shared_map("owner_fill(&owner_map);"),
            "owner_map is not defined in a plain way",
            id="a pointer of the file's that is set by its address",
        ),
        pytest.param(
            shared_map("", "owner_map[1]"),
            "owner_map is not defined in a plain way",
            id="an array of the file's",
        ),
        pytest.param(
            (
                ("	struct net_device *self;", "	struct net_device *self, *port;"),
                (RETURN, f"	if (owner->port == lower_dev)\n		return 0;\n{RETURN}"),
            ),
            "what sets owner.port is not seen",
            id="a claim that rests on a pointer that nobody stored",
        ),
    ],
)
def test_what_is_not_run_is_said_and_nothing_claimed(
    changes: Sequence[tuple[str, str]], said: str, tmp_path: Path
) -> None:
    found = ran(laid(tmp_path, *changes))
    lost = [one.reason for one in found.untold]
    assert any(said in reason for reason in lost), lost
    assert told(found) == []


def test_worlds_of_an_owner_that_are_not_answered_are_counted(tmp_path: Path) -> None:
    changes = (LOOP, "my_for_each(port, owner, list)")
    facts = analysis_of(Folder(laid(tmp_path, changes))).store
    reasons = [row[0] for row in facts.query("SELECT reason FROM unknown")[1]]
    assert (
        "11 of 11 worlds of this owner not answered: a loop made by a macro (my_for_each)"
        in reasons
    )


def test_that_an_owner_without_the_callback_was_run_in_no_world_is_told(tmp_path: Path) -> None:
    no_callback = ("	.xdo_dev_state_lower_handle	= owner_lower_handle,\n", "")
    join = (
        "static void owner_delete(",
        "static int owner_join(struct net_device *dev, struct net_device *lower)\n{\n"
        "	struct owner *owner = netdev_priv(dev);\n"
        "	struct port *port = kzalloc(sizeof(*port), GFP_KERNEL);\n\n"
        "	port->dev = lower;\n	list_add_tail(&port->list, &owner->ports);\n"
        "	return 0;\n}\n\n"
        "static const struct net_device_ops ndo = { .ndo_add_slave = owner_join };\n\n"
        "static void owner_delete(",
    )
    for said, loop in ((False, LOOP), (True, "my_for_each(port, owner, list)")):
        made = laid(tmp_path / str(said), no_callback, join, (LOOP, loop))
        reasons = analysis_of(Folder(made)).store.query("SELECT reason FROM unknown")[1]
        assert any("worlds of this owner not answered" in row[0] for row in reasons) == said


def test_an_owner_that_takes_no_state_in_any_world_is_told(tmp_path: Path) -> None:
    first = "	list_for_each_entry(port, &owner->ports, list) {"
    made = laid(tmp_path, (first, f"	if (dev)\n		return -ENODEV;\n{first}"))
    facts = analysis_of(Folder(made)).store
    reasons = [row[0] for row in facts.query("SELECT reason FROM unknown WHERE matters")[1]]
    assert any("refuses the state in each of" in reason for reason in reasons), reasons


def test_an_add_alone_is_run_and_nobody_asked_where_the_resolver_is_absent(tmp_path: Path) -> None:
    found = ran(lay_fixture("mainline-upper", tmp_path / "linux"))
    assert [one.refused for one in found.scenes] == [False, True, True]
    assert not any(one.answers for one in found.scenes)
    assert (len(found.scenes), found.untold) == (found.total, ())


@pytest.mark.parametrize(
    "asked",
    [
        "!(port->dev->flags & 1)",
        "x->km.state != 2",
        "x->xso.dir != XFRM_DEV_OFFLOAD_OUT",
    ],
)
def test_a_state_is_valid_and_its_devices_are_up(asked: str, tmp_path: Path) -> None:
    add = "		if (port->dev->xfrmdev_ops->xdo_dev_state_add(port->dev, x, extack))"
    tree = laid(tmp_path, (add, f"		if ({asked})\n			return -EINVAL;\n{add}"))
    header = tree / "include/net/xfrm.h"
    text = header.read_text("utf-8")
    text = text.replace(
        "struct xfrm_state {\n",
        "enum {\n	XFRM_STATE_VOID,\n	XFRM_STATE_ACQ,\n	XFRM_STATE_VALID,\n};\n\n"
        "struct xfrm_state {\n	struct {\n		u8 state;\n	} km;\n",
    )
    header.write_text(text, "utf-8")
    header = tree / "include/linux/netdevice.h"
    text = header.read_text("utf-8")
    header.write_text(
        text.replace("	int ifindex;\n", "	int ifindex;\n	unsigned int flags;\n")
    )
    found = ran(tree)
    assert found.untold == ()
    assert scene(found, "U with A and B adds").handed
