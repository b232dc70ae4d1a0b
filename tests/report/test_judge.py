"""`xfrmlint judge`: what a person reads, what a machine reads, and the page."""

import json
import re
from pathlib import Path

import pytest

from tests.asked import analysis_of
from tests.flow.test_flow import driver
from tests.laid import lay, lay_example, lay_fixture
from tests.ran import run
from tests.slow import but_first
from tests.trees import tree
from xfrmlint.analysis.judgement import judgements
from xfrmlint.model.topology import TOPOLOGIES
from xfrmlint.report.judge import described

MAKEFILE = "drivers/net/foo/Makefile"
LAG_A = "LAG, lower A"
FOREIGN = "another device's handle"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with two opted-in drivers: moonset keeps the contract, sunrise forgot one read."""
    return lay_fixture("demo", tmp_path_factory.mktemp("trees") / "demo")


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with a bond that keeps a map."""
    return lay_fixture("upper-with-resolver", tmp_path_factory.mktemp("trees") / "owner")


def test_a_driver_that_keeps_the_contract_ends_with_0(demo: Path) -> None:
    ran = run("judge", demo, "moonset", cwd=demo.parent)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("moonset: opted in, 2 handles on the datapath")
    assert FOREIGN not in ran.out


def test_a_direct_read_gets_another_devices_handle(demo: Path) -> None:
    ran = run("judge", "sunrise", cwd=demo)
    assert ran.status == 1
    line = next(line for line in ran.out.splitlines() if line.startswith(f"  {LAG_A} "))
    assert [cell.strip() for cell in re.split(r"\s{2,}", line.strip())] == [
        LAG_A,
        FOREIGN,
        "right",
    ]
    assert "chain: drivers/net/sunrise/sunrise_main.c:10: ndo_start_xmit = " in ran.out
    assert "path:  drivers/net/sunrise/sunrise_ipsec.c:30: reads xso.offload_handle: " in ran.out
    assert "expect" not in ran.out


def test_json_says_the_same(demo: Path) -> None:
    data = json.loads(run("judge", demo, "--format", "json", cwd=demo.parent).out)
    assert data["tree"] == {"version": "7.4.0", "contract": "present", "commit": ""}
    assert [t["name"] for t in data["topologies"]] == [t.name for t in TOPOLOGIES]
    outcomes = {one["driver"]: one["outcome"] for one in data["drivers"]}
    assert outcomes == {"moonset": "0 tested", "sunrise": FOREIGN}
    direct = next(
        handle
        for one in data["drivers"]
        for handle in one["handles"]
        if handle["outcomes"][LAG_A] == FOREIGN
    )
    assert (direct["asks"], direct["line"]) == (False, 30)
    assert [event["kind"] for event in direct["events"]] == ["read", "test", "use", "return"]
    assert not any(one["unknown"] for one in data["drivers"])


def test_an_owners_callback_is_shown(owner: Path) -> None:
    ran = run("judge", owner, cwd=owner.parent)
    assert ran.status == 0
    assert "haze: owner: right" in ran.out
    assert "0 of 12 worlds not answered" in ran.out
    assert cells(ran.out, "U with A and B adds  ") == ["right", "right", "0", "0"]
    assert cells(ran.out, "U with A and B adds, A refuses ") == ["not handed on"] * 4
    assert "unknown" not in ran.out
    page = run("judge", owner, "--format", "html", cwd=owner.parent).out
    assert ">U with A and B adds; B leaves</th>" in page
    data = json.loads(run("judge", owner, "--format", "json", cwd=owner.parent).out)
    (shown,) = data["owners"]
    assert (shown["outcome"], shown["unanswered"], shown["unknown"]) == ("right", 0, [])
    assert shown["worlds"][0]["outcomes"] == dict.fromkeys("AB", "right") | dict.fromkeys(
        "CD", "0 tested"
    )


def cells(text: str, row: str) -> list[str]:
    """Return the cells of the one row of a table that begins so."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"  {row}")]
    return [cell.strip() for cell in re.split(r"\s{2,}", line[2 + len(row) :].strip())]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with a bond that shares one state, and a driver of several ports."""
    return lay("shared", tmp_path_factory.mktemp("trees") / "shared")


def test_what_an_owner_that_shares_gives_is_told_world_by_world(shared: Path) -> None:
    ran = run("judge", shared, "bonding", cwd=shared.parent)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("bonding: owner: right\n")
    one, lag = "U with A and B of one chip", "bonding.params.mode is not 1 "
    assert cells(ran.out, f"{one} adds, {lag}") == ["right", "right", "0", "0"]
    assert (
        cells(ran.out, f"{one}, B refuses the sharing test, adds, {lag}") == ["not handed on"] * 4
    )
    assert cells(ran.out, f"{one} adds; A leaves ") == ["0", "right", "0", "0"]
    assert "torn reads" not in ran.out


def test_what_was_taken_of_the_owners_numbers_is_told_in_words(shared: Path) -> None:
    ran = run("judge", shared, "bonding", "--format", "json", cwd=shared.parent)
    (owner,) = json.loads(ran.out)["owners"]
    assert {one["assumed"] for one in owner["worlds"]} == {
        "",
        "bonding.params.mode is 1",
        "bonding.params.mode is not 1",
    }


def test_what_an_owner_gets_wrong_is_told_and_the_order_that_tears(tmp_path: Path) -> None:
    ran = run("judge", lay_fixture("shared-left-port", tmp_path / "a"), "bonding", cwd=tmp_path)
    assert ran.status == 1
    row = "U with A and B of one chip adds, bonding.params.mode is not 1 "
    assert cells(ran.out, row) == ["right", "right", "0", FOREIGN]
    ran = run("judge", lay_fixture("shared-torn", tmp_path / "b"), "bonding", cwd=tmp_path)
    assert "torn reads: U with A and C of two chips adds; it fails over to C" in ran.out
    assert "hands A C's handle 0x301" in ran.out


def test_a_state_that_a_bond_shares_is_right_on_each_of_its_devices(shared: Path) -> None:
    ran = run("judge", shared, "stoat", cwd=shared.parent)
    assert (ran.status, ran.err) == (0, "")
    assert cells(ran.out, "LAG, lower B ")[1] == "right"
    assert cells(ran.out, "LAG, lower not in the map ")[1] == "0 tested"


def stoat(tree: Path, *changes: tuple[str, str, str]) -> str:
    """Return what judge says of the driver after some changes."""
    for file, old, new in changes:
        path = tree / f"drivers/net/stoat/{file}"
        text = path.read_text("utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), "utf-8")
    return run("judge", tree, "stoat", cwd=tree.parent).out


READ = (
    "stoat_main.c",
    "handle = xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev);",
    "handle = xfrm_input_state(skb)->xso.offload_handle;",
)
UNASKING = (
    "stoat_ipsec.c",
    "	.flags				= XFRMDEV_OPS_F_LOWER_HANDLE |\n"
    "					  XFRMDEV_OPS_F_LAG_SHARED_STATE,\n",
    "",
)


HELPERS = """static struct stoat_chip *stoat_chip_of(struct net_device *dev)
{
	return ((struct stoat_port *)netdev_priv(dev))->chip;
}

static bool stoat_is_port(const struct net_device *dev)
{
	return dev->xfrmdev_ops == &stoat_xfrmdev_ops;
}

static bool stoat_xdo_lag_compatible("""
TEST = re.compile(r"(?<=\*peer_dev\)\n\{\n).*?(?=^\})", re.M | re.S)


@pytest.mark.parametrize(
    ("test", "on_a", "on_b"),
    but_first(
        [
            ("stoat_chip_of(dev) == stoat_chip_of(peer_dev)", "right", "right"),
            # Of another chip's port it would be true, too.
            ("peer_dev->xfrmdev_ops == dev->xfrmdev_ops", "right", "unknown"),
            ("(false)", "not handed on", "not handed on"),
            ("dev->dev.parent == peer_dev->dev.parent", "right", "right"),
            ("stoat_is_port(peer_dev) && dev->chip == peer_dev->chip", "right", "right"),
            ("dev == peer_dev || stoat_is_port(peer_dev)", "right", "unknown"),
            ("stoat_is_port(dev) && stoat_chip_of(peer_dev)", "right", "unknown"),
            ("true", "right", "unknown"),
        ],
        3,
    ),
)
def test_a_shared_state_is_right_where_the_sharing_test_tells_chips_apart(
    test: str, on_a: str, on_b: str, tmp_path: Path
) -> None:
    tree = lay("shared", tmp_path / "linux")
    path = tree / "drivers/net/stoat/stoat_ipsec.c"
    text = path.read_text("utf-8").replace("static bool stoat_xdo_lag_compatible(", HELPERS)
    path.write_text(TEST.sub(f"\treturn {test};\n", text, count=1), "utf-8")
    told = run("judge", tree, "stoat", cwd=tree.parent).out
    assert cells(told, "LAG, lower A ")[1] == on_a
    assert cells(told, "LAG, lower B ")[1] == on_b
    assert cells(told, "LAG, lower not in the map ")[1] == "0 tested"
    assert ("whether both are of one chip is not known" in told) == (on_b == "unknown")


def test_a_core_that_clears_the_field_leaves_0_and_nothing_stale(tmp_path: Path) -> None:
    tree = lay("shared", tmp_path / "linux")
    assert cells(stoat(tree, READ), "state freed ")[1] == "0 tested"
    path = tree / "net/xfrm/xfrm_state.c"
    text = path.read_text("utf-8")
    path.write_text(text.replace("	WRITE_ONCE(x->xso.offload_handle, 0);\n", ""), "utf-8")
    assert cells(stoat(tree), "state freed ")[1] == "stale"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        ("x->xso.offload_handle = 0;", "0 tested"),
        ("if (!sa) return; WRITE_ONCE(x->xso.offload_handle, 0);", "0 tested"),
        ("if (sa > 7) x->xso.offload_handle = 0;", "unknown"),
        ("stoat_forget(x);", "unknown"),
        ("x->xso.flags = 0;", "stale"),
    ],
)
def test_a_driver_whose_free_clears_the_field_finds_0_in_it(
    statements: str, told: str, tmp_path: Path
) -> None:
    tree = lay("shared", tmp_path / "linux")
    path = tree / "net/xfrm/xfrm_state.c"
    text = path.read_text("utf-8")
    path.write_text(text.replace("	WRITE_ONCE(x->xso.offload_handle, 0);\n", ""), "utf-8")
    forgets = "static void stoat_forget(struct xfrm_state *x) { x->xso.offload_handle = 0; }\n\n"
    used = "	port->chip->used[sa] = 0;\n"
    free = "static void stoat_xdo_free("
    changes = (("stoat_ipsec.c", used, used + statements), ("stoat_ipsec.c", free, forgets + free))
    out = stoat(tree, READ, *changes)
    assert cells(out, "state freed ")[1] == told
    assert ("taken out of each state that is freed" in out) == (told == "unknown")


def test_a_bond_without_the_callback_has_one_lowers_handle(tmp_path: Path) -> None:
    tree = lay("shared", tmp_path / "linux")
    path = tree / "drivers/net/bonding/bond_ipsec.c"
    text = path.read_text("utf-8")
    filled = "	.xdo_dev_state_lower_handle	= bond_ipsec_lower_handle,\n"
    path.write_text(text.replace(filled, ""), "utf-8")
    out = stoat(tree)
    for row, told in (("A", "right"), ("B", "0 tested"), ("not in the map", "0 tested")):
        assert cells(out, f"LAG, lower {row} ")[1] == told
    assert cells(out, "two NICs of one driver ")[1] == "right"
    assert cells(stoat(tree, READ), "LAG, lower B ")[1] == FOREIGN


def test_what_the_trees_owner_never_hands_on_is_said(tmp_path: Path) -> None:
    out = stoat(lay("shared", tmp_path / "linux"), READ, UNASKING)
    for row in ("active-backup, active lower", "LAG, lower A", "VLAN above a bond"):
        assert cells(out, f"{row} ")[1] == "not handed on"
    assert cells(out, "owner is the NIC ")[1] == "right"


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (
            "if (HANDLE > skb->len) drop(skb);",
            None,
        ),
        (
            "if (HANDLE >= skb->len) skb->len = HANDLE;",
            "whether this comparison excludes 0 is not known",
        ),
        (
            "skb->len = xfrm_dev_state_lower_handle(STATE, find(3));",
            "which device the resolver is asked for is not known",
        ),
        (
            "skb->len = xfrm_dev_state_lower_handle(STATE, xchg(&kept, dev));",
            None,  # A global one is another's, as where it is read without xchg().
        ),
        (
            "skb->len = xfrm_dev_state_lower_handle(STATE, vlan_dev_real_dev(dev));",
            "which device is below the VLAN that the resolver is asked for is not known",
        ),
        (
            "skb->len = xfrm_dev_state_lower_handle(find_state(3), dev);",
            "whose SA the handle is of is not known",
        ),
        (
            "skb->len = find_state(3)->xso.offload_handle;",
            "whose SA the handle is of is not known",
        ),
        (
            "void (*f)(unsigned long) = hook; f(HANDLE);",
            "a handle is given to a function pointer that was not followed",
        ),
    ],
)
def test_every_unknown_has_its_reason(statements: str, reason: str | None) -> None:
    text = statements.replace("HANDLE", "xfrm_dev_state_lower_handle(STATE, dev)")
    text = text.replace("STATE", "xfrm_input_state(skb)")
    outside = (
        "struct net_device *find(int n);\nstruct xfrm_state *find_state(int n);\n"
        "extern void *hook;\nextern struct net_device *kept;\n"
    )
    whole = tree({MAKEFILE: "obj-m += foo.o\n", **driver(text, outside)})
    (found,) = judgements(analysis_of(whole).store, lambda path, line: "")
    unknown = {outcome for handle in found.handles for outcome in handle.outcomes} & {"unknown"}
    assert bool(unknown) == (reason is not None)
    assert {doubt.reason for doubt in found.doubts} == ({reason} if reason else set())


@pytest.mark.parametrize(
    ("body", "answer", "status"),
    but_first(
        [
            ("return 0;", "0", 0),
            (
                "return lower == x->xso.real_dev ? x->xso.offload_handle : 0;",
                "xso.offload_handle, for the device that xso.real_dev or xso.dev is",
                0,
            ),
            ("return x->xso.offload_handle;", "xso.offload_handle, whichever device that is of", 1),
            ("return 7;", "a constant", 1),
            ("return map_of(x);", "something that does not depend on lower_dev", 1),
            ("return map_for(x, lower);", "what it looks up for lower_dev", 0),
        ],
        3,
    ),
)
def test_what_a_callback_may_return(body: str, answer: str, status: int, tmp_path: Path) -> None:
    tree = lay_example(OWNER.replace("BODY", body), tmp_path / "linux")
    ran = run("judge", tree, cwd=tmp_path)
    assert f"returns {answer}: " in ran.out
    assert ran.status == status


def test_a_driver_that_is_not_there_is_named(demo: Path) -> None:
    ran = run("judge", demo, "nobody", cwd=demo.parent)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "xfrmlint: nobody: no such driver; there are moonset, sunrise\n"
    ran = run("judge", demo, "sunset", cwd=demo.parent)
    assert ran.err == "xfrmlint: sunset: no such driver (did you mean sunrise?)\n"


@pytest.mark.parametrize("where", ["drivers/net", "drivers/net/sunrise"])
def test_a_driver_is_one_where_a_file_or_folder_has_its_name(where: str, tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "demo")
    (tree / "drivers/net/sunrise/sunrise").write_text("a file")
    ran = run("judge", "sunrise", cwd=tree / where)
    assert (ran.status, ran.err) == (1, "")
    assert ran.out.startswith("sunrise: ")
    assert "moonset: " not in ran.out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("linux", "not a kernel tree"),
        ("./linux", "not a kernel tree"),
        ("sunrise", "not inside a kernel tree"),
        ("no/such", "no such file or folder"),
    ],
)
def test_a_name_where_there_is_no_tree(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "linux").mkdir()
    ran = run("judge", name, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize(
    "arguments", but_first(["judge", "drivers", "query 'SELECT version FROM tree'", "resolver"])
)
def test_a_folder_in_a_tree_means_the_tree(arguments: str, demo: Path) -> None:
    import shlex

    command = shlex.split(arguments)
    whole = run(*command, demo, cwd=demo.parent)
    assert whole.status in (0, 1)
    assert run(*command, cwd=demo / "drivers/net") == whole
    assert run(*command, demo / "drivers/net", cwd=demo.parent) == whole


def test_what_is_remembered_says_the_same(demo: Path, tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    first = run("judge", demo, cwd=demo.parent, env=env)
    assert run("judge", demo, cwd=demo.parent, env=env) == first
    assert run("judge", demo, "--no-cache", cwd=demo.parent) == first
    assert (tmp_path / "xfrmlint/facts.sqlite").is_file()


@pytest.mark.parametrize(
    ("fixture", "name", "said"),
    [
        ("mainline-upper", "hazel", "hazel: an upper driver: it hands states on, "),
        ("mainline-upper", "yew", "yew: a lower driver that gets no handle on its datapath\n"),
    ],
)
def test_a_driver_without_a_handle(fixture: str, name: str, said: str, tmp_path: Path) -> None:
    tree = lay_fixture(fixture, tmp_path / "linux")
    write_lower(tree, "yew")
    ran = run("judge", tree, name, cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(said)
    assert "no lower driver" not in ran.out


DEMO_READ = "*(u16 *)xfrm_input_state(skb)->xso.offload_handle"


def write_lower(tree: Path, name: str) -> None:
    """Add a driver whose datapath gets no handle."""
    folder = tree / "drivers/net" / name
    folder.mkdir()
    (folder / "Makefile").write_text(f"obj-m += {name}.o\n")
    (folder / f"{name}.c").write_text(EXAMPLE.replace(DEMO_READ, "0"))


# The path that is shown.


def shown(statements: str, outside: str = "") -> list[list[str]]:
    """Return for each handle of such a driver the steps that are shown of it, in words."""
    whole = tree({MAKEFILE: "obj-m += foo.o\n", **driver(statements, outside)})
    lines = whole.read("drivers/net/foo/foo.c").decode().split("\n")
    found = judgements(analysis_of(whole).store, lambda path, line: lines[line - 1])
    return [[described(s) for s in handle.steps] for one in found for handle in one.handles]


STATE_HANDLE = "unsigned long h = xfrm_input_state(skb)->xso.offload_handle;"


def test_a_path_is_shown_that_uses_the_handle() -> None:
    (steps,) = shown(
        f"{STATE_HANDLE}\n"
        "if (h > 7) {\ndrop(skb);\nreturn NETDEV_TX_OK;\n}\n"
        "if (skb->len) {\ngive(h);\nkfree_skb(skb);\nreturn NETDEV_TX_BUSY;\n}\n"
        "give(h);"
    )
    assert [step.split(":")[0] for step in steps] == [
        "reads xso.offload_handle",
        "goes on here with a handle that is not 0",
        "use",
        "return NETDEV_TX_OK",
    ]
    assert steps[1].endswith(": if (h > 7) {")
    assert steps[2] == "use: given to give(): give(h);"


def test_a_handle_read_back_from_a_ring_has_its_row() -> None:
    asked, kept = shown(
        "unsigned long h = xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev);\n"
        "struct priv *p = netdev_priv(dev);\n"
        "give(p->ring->last);\n"
        "if (!h)\nreturn NETDEV_TX_OK;\n"
        "p->ring->last = h;"
    )
    assert asked[0].startswith("asks the resolver for its own device: unsigned long h = xfrm_")
    assert kept[0].startswith("reads back a handle that was kept: ")
    assert [step for step in kept if step.startswith("use: given to give()")]


def test_the_chain_is_that_of_the_path() -> None:
    more = (
        "static void put(struct sk_buff *skb)\n{\n"
        "\tgive(xfrm_input_state(skb)->xso.offload_handle);\n}\n"
    )
    whole = tree({MAKEFILE: "obj-m += foo.o\n", **driver("put(skb);", more)})
    ((one,),) = [found.handles for found in judgements(analysis_of(whole).store, lambda p, n: "")]
    assert [hop.function for hop in one.chains[0]] == ["tx", "put"]
    assert one.steps[-1].event.function == "tx"


def test_a_tree_without_drivers_says_so(tmp_path: Path) -> None:
    tree = lay_example("int nothing;\n", tmp_path / "linux")
    ran = run("judge", tree, cwd=tmp_path)
    assert (ran.status, ran.out) == (0, "no lower driver gets a handle on its datapath\n")


EXAMPLE = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}

static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	skb->queue_mapping = *(u16 *)xfrm_input_state(skb)->xso.offload_handle;
	return NETDEV_TX_OK;
}

static const struct net_device_ops example_netdev_ops = {
	.ndo_start_xmit		= example_xmit,
};

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
};

void example_init(struct net_device *dev)
{
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
OWNER = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>

unsigned long map_of(struct xfrm_state *x);
unsigned long map_for(struct xfrm_state *x, struct net_device *lower);

struct example_bond {
	struct net_device *slave;
};

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	struct example_bond *bond = netdev_priv(dev);

	return bond->slave->xfrmdev_ops->xdo_dev_state_add(bond->slave, x, extack);
}

static unsigned long example_handle(struct net_device *dev, struct xfrm_state *x,
				    struct net_device *lower)
{
	BODY
}

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add		= example_add,
	.xdo_dev_state_lower_handle	= example_handle,
};

int example_add_slave(struct net_device *dev, struct net_device *slave)
{
	struct example_bond *bond = netdev_priv(dev);

	bond->slave = slave;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
	return 0;
}
"""
