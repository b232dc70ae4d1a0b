"""Which contract a tree has is read from its headers by shape, what its core does from its C."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.asked import report_on
from tests.laid import FIXTURES, difference, expected, lay, lay_fixture, trees
from tests.ran import run
from tests.trees import Memory
from tests.whole.test_fixtures import places
from xfrmlint.analysis.parts import contract_in, reader_of
from xfrmlint.contract.behaviour import core_says
from xfrmlint.contract.document import contract_of, document_of
from xfrmlint.contract.revisions import NO_NAMES, Names
from xfrmlint.contract.revisions import known as revisions
from xfrmlint.contract.words import (
    ABSENT,
    ASKED,
    MARK,
    OWN_STATES,
    PACKET_DEVICE,
    Contract,
    what_there_is,
    worth_reading,
)
from xfrmlint.tree.folder import Folder

pytestmark = pytest.mark.slow

NETDEVICE, XFRM = "include/linux/netdevice.h", "include/net/xfrm.h"
STATE_C, OUTPUT_C = "net/xfrm/xfrm_state.c", "net/xfrm/xfrm_output.c"
NEAR = """\
#define XDP_WAKEUP_RX (1 << 0)
#define XDP_WAKEUP_TX (1 << 1)
struct netlink_ext_ack;
struct net_device { int ifindex; const struct xfrmdev_ops *xfrmdev_ops; };
struct sk_buff { struct net_device *dev; };
"""
# Revision 2, with names that nobody else uses; the owner stands behind the pinned one.
OPS_2 = """\
#ifdef CONFIG_XFRM_OFFLOAD
enum {
	SEC_ASKS	= 1 << 0,
	SEC_SHARES	= 1 << 1,
};

struct xfrmdev_ops {
	int	(*sec_new)(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *e);
	void	(*sec_end)(struct net_device *dev, struct xfrm_state *x);
	void	(*sec_gone)(struct net_device *dev, struct xfrm_state *x);
	bool	(*sec_fits)(struct sk_buff *skb, struct xfrm_state *x);
	void	(*sec_esn)(struct xfrm_state *x);
	bool	(*sec_alike)(struct net_device *dev, struct net_device *peer);
	int	(*sec_send)(struct sock *sk, struct sk_buff *skb, struct xfrm_state *x);
	unsigned long (*sec_key)(struct net_device *dev, struct xfrm_state *x,
				 struct net_device *port);
	void	(*sec_odd)(int);
	unsigned int promised;
};
#endif
"""
XSO_2 = """\
#include <linux/netdevice.h>
struct hw_sec {
	struct net_device		*chosen;
	const struct xfrmdev_ops	*chosen_ops;
	struct net_device		*boss;
	const struct xfrmdev_ops	*boss_ops;
	unsigned long			key;
	refcount_t			users;
	unsigned char			dir : 2;
};
struct xfrm_state { spinlock_t lock; struct hw_sec xso; };
struct dst_entry { struct xfrm_state *xfrm; };
#ifdef CONFIG_XFRM_OFFLOAD
int hw_new(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *e);
void hw_end(struct xfrm_state *x);
void hw_gone(struct xfrm_state *x);
static inline unsigned long hw_key(struct xfrm_state *x, struct net_device *port)
{
	struct net_device *chosen = READ_ONCE(x->xso.chosen);
	struct net_device *boss = READ_ONCE(x->xso.boss);
	const struct xfrmdev_ops *ops = READ_ONCE(x->xso.boss_ops);
	unsigned long key = READ_ONCE(x->xso.key);

	if (!boss || !port)
		return 0;
	if (key && (boss == port || chosen == port))
		return key;
	return ops && ops->sec_key ? ops->sec_key(boss, x, port) : 0;
}
#define HW_KEY_OF_SKB(x, skb) hw_key(x, (skb)->dev)
static inline bool hw_routed(const struct dst_entry *dst)
{
	return dst->xfrm && dst->xfrm->xso.key;
}
#else
static inline unsigned long hw_key(struct xfrm_state *x, struct net_device *port) { return 0; }
#endif
"""
CORE_2 = """\
#include <net/xfrm.h>
static struct xfrm_state *hw_find(struct net_device *dev)
{
	struct xfrm_state *x = hw_made();

	x->xso.boss = dev;
	if (dev->xfrmdev_ops->sec_new(dev, x, 0))
		x->xso.boss = NULL;
	return x;
}
int hw_new(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *e)
{
	int err;

	x->xso.boss = dev;
	x->xso.boss_ops = dev->xfrmdev_ops;
	err = x->xso.boss_ops->sec_new(dev, x, e);
	if (err) {
		x->xso.boss_ops = NULL;
		x->xso.boss = NULL;
	}
	return err;
}
static void hw_forget(struct hw_sec *xso) { xso->key = 0; }
void hw_gone(struct xfrm_state *x)
{
	struct net_device *dev = READ_ONCE(x->xso.boss);

	x->xso.boss_ops->sec_gone(dev, x);
	WRITE_ONCE(x->xso.boss, NULL);
	x->xso.boss_ops = NULL;
	hw_forget(&x->xso);
}
void hw_end(struct xfrm_state *x)
{
	x->xso.boss_ops->sec_end(x->xso.boss, x);
}
static int hw_kill(struct xfrm_state *x)
{
	hw_end(x);
	return 0;
}
int hw_remove(struct xfrm_state *x)
{
	int err;

	spin_lock_bh(&x->lock);
	err = hw_kill(x);
	spin_unlock_bh(&x->lock);
	return err;
}
static void hw_count(struct xfrm_state *x) { x->xso.boss_ops->sec_esn(x); }
int hw_input(struct sk_buff *skb, struct xfrm_state *x)
{
	spin_lock(&x->lock);
	spin_unlock(&x->lock);
	hw_count(x);
	return 0;
}
"""
OUTPUT_2 = """\
#include <net/xfrm.h>
int hw_output(struct sock *sk, struct sk_buff *skb, struct xfrm_state *x)
{
	/* before */
	return x->xso.boss_ops->sec_send(sk, skb, x);
}
"""
SHARED = {
    NETDEVICE: NEAR + OPS_2,
    XFRM: XSO_2,
    STATE_C: CORE_2,
    OUTPUT_C: OUTPUT_2,
}
# Linux 4.19 and 5.4, as far as the contract speaks of them.
OLD_OPS = """\
struct xfrmdev_ops {
	int	(*xdo_dev_state_add) (struct xfrm_state *x);
	void	(*xdo_dev_state_delete) (struct xfrm_state *x);
	void	(*xdo_dev_state_free) (struct xfrm_state *x);
	bool	(*xdo_dev_offload_ok) (struct sk_buff *skb, struct xfrm_state *x);
	void	(*xdo_dev_state_advance_esn) (struct xfrm_state *x);
};
"""
OLD_XSO = """\
#include <linux/netdevice.h>
struct xfrm_state_offload {
	struct net_device	*dev;
%s	unsigned long		offload_handle;
	unsigned int		num_exthdrs;
	u8			flags;
};
struct xfrm_state { struct xfrm_state_offload xso; };
static inline void xfrm_dev_state_delete(struct xfrm_state *x)
{
	struct xfrm_state_offload *xso = &x->xso;

	if (xso->dev)
		xso->dev->xfrmdev_ops->xdo_dev_state_delete(x);
}
static inline void xfrm_dev_state_free(struct xfrm_state *x)
{
	struct xfrm_state_offload *xso = &x->xso;
	struct net_device *dev = xso->dev;

	if (dev && dev->xfrmdev_ops) {
		if (dev->xfrmdev_ops->xdo_dev_state_free)
			dev->xfrmdev_ops->xdo_dev_state_free(x);
		xso->dev = NULL;
		dev_put(dev);
	}
}
"""


def tree_of(files: Mapping[str, str]) -> Memory:
    made = {"Makefile": "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n", **files}
    return Memory({path: text.encode() for path, text in made.items()})


def changed(files: Mapping[str, str], *pieces: tuple[str, str, str]) -> Memory:
    made = dict(files)
    for path, old, new in pieces:
        assert old in made[path]
        made[path] = made[path].replace(old, new)
    return tree_of(made)


def names(contract: Contract) -> dict[str, str]:
    return {f"{kind}.{role}": name for kind, role, name, _ in contract.named()}


MAINLINE = {
    "member.owner": "dev",
    "member.pinned": "real_dev",
    "member.handle": "offload_handle",
    "slot.add": "xdo_dev_state_add",
    "slot.delete": "xdo_dev_state_delete",
    "slot.free": "xdo_dev_state_free",
    "slot.offload_ok": "xdo_dev_offload_ok",
    "slot.esn": "xdo_dev_state_advance_esn",
    "slot.stats": "xdo_dev_state_update_stats",
    "slot.policy_add": "xdo_dev_policy_add",
    "slot.policy_delete": "xdo_dev_policy_delete",
    "slot.policy_free": "xdo_dev_policy_free",
    "function.counts": "xfrm_dst_offload_ok",
}
REVISION_1 = {
    **MAINLINE,
    "member.private": "upper_priv",
    "slot.resolve": "xdo_dev_state_lower_handle",
    "promise.resolve": "XFRMDEV_OPS_F_LOWER_HANDLE",
    "function.resolve": "xfrm_dev_state_lower_handle",
    "function.add": "xfrm_dev_state_add",
    "function.delete": "xfrm_dev_state_delete",
    "function.free": "xfrm_dev_state_free",
    "core.resolver": "xfrm_dev_state_lower_handle",
    "core.stub": "xfrm_dev_state_lower_handle",
}
REVISION_2 = {
    "member.owner": "boss",
    "member.pinned": "chosen",
    "member.handle": "key",
    "member.owner_callbacks": "boss_ops",
    "member.lower_callbacks": "chosen_ops",
    "slot.add": "sec_new",
    "slot.delete": "sec_end",
    "slot.free": "sec_gone",
    "slot.offload_ok": "sec_fits",
    "slot.esn": "sec_esn",
    "slot.share": "sec_alike",
    "slot.xmit": "sec_send",
    "slot.resolve": "sec_key",
    "promise.resolve": "SEC_ASKS",
    "promise.share": "SEC_SHARES",
    "function.add": "hw_new",
    "function.delete": "hw_end",
    "function.free": "hw_gone",
    "function.esn": "hw_count",
    "function.xmit": "hw_output",
    "function.resolve": "hw_key",
    "function.counts": "hw_routed",
    "core.resolver": "hw_key",
    "core.stub": "hw_key",
}


@pytest.mark.parametrize(
    ("base", "revision", "wanted", "takes_device"),
    [
        ("mainline", "absent", MAINLINE, True),
        ("v6.12", "absent", MAINLINE, False),
        ("rfc", "revision 1", REVISION_1, True),
    ],
)
def test_miniature_kernels_have_their_contract(
    base: str, revision: str, wanted: dict[str, str], takes_device: bool
) -> None:
    found = contract_in(Folder(FIXTURES / "base" / base))
    assert (found.revision, found.shape, found.state) == (revision, revision, "xfrm_dev_offload")
    assert names(found) == wanted
    assert found.add_takes_device == takes_device
    assert (found.counters, found.others, found.wrappers) == ((), (), ())


def test_the_miniature_of_revision_2_is_that() -> None:
    found = contract_in(Folder(FIXTURES / "base" / "shared"))
    (known,) = (one for one in revisions() if one.revision == "revision 2")
    assert (found.revision, found.shape) == ("revision 2", "revision 2")
    usual = {(kind.removesuffix("s"), role): name for kind, role, name in known.names.listed()}
    named = {(kind, role): name for kind, role, name, _ in found.named()}
    assert usual.items() <= named.items()
    assert "private" not in found.members


@pytest.mark.parametrize("pinned", ["", "\tstruct net_device\t*real_dev;\n"])
def test_trees_before_5_19_have_theirs(pinned: str) -> None:
    found = contract_in(tree_of({NETDEVICE: NEAR + OLD_OPS, XFRM: OLD_XSO % pinned}))
    assert (found.revision, found.state) == ("absent", "xfrm_state_offload")
    assert found.fields == ("offload_handle", "dev", *(["real_dev"] if pinned else []))
    assert found.callbacks == tuple(re.findall(r"\*(xdo\w+)", OLD_OPS))
    assert not found.add_takes_device
    assert found.promises == {}
    assert {role: one.name for role, one in found.functions.items()} == {
        "delete": "xfrm_dev_state_delete",
        "free": "xfrm_dev_state_free",
    }


def test_headers_that_are_not_there_leave_the_names_that_are_usual() -> None:
    found = contract_in(tree_of({}))
    assert (found.revision, found.members, found.slots) == ("absent", ABSENT.members, ABSENT.slots)
    assert found.resolver is None


def test_every_word_has_its_place() -> None:
    tree = Folder(FIXTURES / "base" / "rfc")
    for _, _, name, (path, line) in contract_in(tree).named():
        assert re.search(rf"\b{name}\b", tree.read(path).decode().splitlines()[line - 1]), name


def test_the_later_revision_is_recognised_by_shape_alone() -> None:
    found = contract_in(tree_of(SHARED))
    assert (found.revision, found.shape, found.state) == ("unnamed", "revision 2", "hw_sec")
    assert names(found) == REVISION_2
    assert [(one.name, one.type) for one in found.counters] == [("users", "refcount_t")]
    assert [one.name for one in found.others] == ["sec_odd"]
    assert [(one.name, one.kind) for one in found.wrappers] == [("HW_KEY_OF_SKB", "macro")]
    assert found.flags is not None
    assert found.flags.name == "promised"
    assert {role: one.bit for role, one in found.promises.items()} == {"resolve": 0, "share": 1}


RENAMED_2 = {
    "boss": "dev",
    "chosen": "real_dev",
    "key": "offload_handle",
    "boss_ops": "state_ops",
    "chosen_ops": "real_ops",
    "sec_key": "xdo_dev_state_lower_handle",
    "sec_alike": "xdo_dev_state_lag_compatible",
    "sec_send": "xdo_dev_packet_xmit",
    "SEC_ASKS": "XFRMDEV_OPS_F_LOWER_HANDLE",
    "SEC_SHARES": "XFRMDEV_OPS_F_LAG_SHARED_STATE",
    "hw_key": "xfrm_dev_state_lower_handle",
}


def renamed(text: str, words: Mapping[str, str]) -> str:
    return re.sub(rf"\b({'|'.join(words)})\b", lambda word: words[word.group()], text)


def test_names_decide_only_what_the_shape_is_called() -> None:
    tree = tree_of({path: renamed(text, RENAMED_2) for path, text in SHARED.items()})
    found = contract_in(tree)
    assert found.revision == "revision 2"
    assert names(found) == {what: RENAMED_2.get(name, name) for what, name in REVISION_2.items()}


ALIKE = "\tbool\t(*sec_alike)(struct net_device *dev, struct net_device *peer);\n"
KEY = """unsigned long (*sec_key)(struct net_device *dev, struct xfrm_state *x,
				 """
DELETE_LAST = (
    "void	(*sec_end)(struct net_device *dev, struct xfrm_state *x);\n\tvoid	(*sec_gone)",
    "void	(*sec_gone)(struct net_device *dev, struct xfrm_state *x);\n\tvoid	(*sec_end)",
)


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        pytest.param([(NETDEVICE, *DELETE_LAST)], REVISION_2, id="free before delete"),
        pytest.param(
            [(NETDEVICE, "enum {", "#define SEC_ASKS BIT(0)\n#define SEC_SHARES 0x2u\nenum {"),
             (NETDEVICE, "SEC_ASKS	= 1 << 0,\n\tSEC_SHARES	= 1 << 1,\n", "OTHER_3 = 3,\n")],
            REVISION_2,
            id="promises as macros",
        ),
        pytest.param(
            [(NETDEVICE, "enum {\n\tSEC_ASKS	= 1 << 0,\n\tSEC_SHARES	= 1 << 1,\n};\n", ""),
             (NETDEVICE, "\tunsigned int promised;\n",
              "#define SEC_ASKS BIT(0)\n#define SEC_SHARES BIT(1)\n\tunsigned int promised;\n")],
            REVISION_2,
            id="promises in the struct",
        ),
        pytest.param(
            [(XFRM, "static inline unsigned long hw_key(struct xfrm_state *x, struct net_device "
              "*port)\n{\n\tstruct net_device *chosen",
              "static inline unsigned long hw_key_not(struct xfrm_state *x, struct net_device "
              "*port)\n{ return hw_key(x, port); }\nstatic inline unsigned long hw_key(struct "
              "xfrm_state *x, struct net_device *port)\n{\n\tstruct net_device *chosen")],
            REVISION_2,
            id="a wrapper in front",
        ),
        pytest.param(
            [(NETDEVICE, KEY, "unsigned long (*sec_key)(const struct xfrm_state *x,\n\t\t\t\t "),
             (XFRM, "ops->sec_key(boss, x, port)", "ops->sec_key(x, port)")],
            REVISION_2,
            id="a callback that is not told the owner",
        ),
        pytest.param(
            [(NETDEVICE, KEY, "unsigned long (*sec_key)(const struct xfrm_state *x,\n\t\t\t\t "),
             (XFRM, "ops && ops->sec_key ? ops->sec_key(boss, x, port) : 0", "0")],
            {w: n for w, n in REVISION_2.items() if not w.endswith(".resolve")
             or w.startswith("promise")},
            id="what gives a number and no resolver calls",
        ),
        pytest.param(
            [(NETDEVICE, "\tunsigned int promised;\n", "")],
            {w: n for w, n in REVISION_2.items() if not w.startswith("promise")},
            id="no flags",
        ),
        pytest.param(
            [(NETDEVICE, ALIKE, "")],
            {w: n for w, n in REVISION_2.items() if not w.endswith("share")},
            id="no sharing test",
        ),
    ],
)  # fmt: skip
def test_roles_follow_the_shape(pieces: list[tuple[str, str, str]], wanted: dict[str, str]) -> None:
    assert names(contract_in(changed(SHARED, *pieces))) == wanted


BODY = XSO_2[XSO_2.index("static inline unsigned long hw_key") : XSO_2.index("#define HW_KEY")]


@pytest.mark.parametrize(
    ("pieces", "kind", "path"),
    [
        pytest.param(
            [(XFRM, BODY, "unsigned long hw_key(struct xfrm_state *x, struct net_device *port);\n"),
             (STATE_C, "int hw_new(", BODY.replace("static inline ", "") + "int hw_new(")],
            "function", STATE_C, id="in a source",
        ),
        pytest.param(
            [(XFRM, BODY, "#define hw_key(x, d) ((x)->xso.boss_ops->sec_key(0, x, d))\n")],
            "macro", XFRM, id="a macro",
        ),
    ],
)  # fmt: skip
def test_a_resolver_stands_elsewhere(
    pieces: list[tuple[str, str, str]], kind: str, path: str
) -> None:
    found = contract_in(changed(SHARED, *pieces)).resolver
    assert found is not None
    assert (found.name, found.kind, found.place.path) == ("hw_key", kind, path)


SEEN = """\
struct hw_seen {
	struct net_device *chosen, *boss;
	const struct xfrmdev_ops *by;
	unsigned long key;
};
static inline struct hw_seen hw_look(const struct hw_sec *xso)
{
	struct hw_seen seen = {
		.by = READ_ONCE(xso->boss_ops), .key = READ_ONCE(xso->key),
		.boss = READ_ONCE(xso->boss), .chosen = READ_ONCE(xso->chosen),
	};

	return seen;
}
static inline unsigned long hw_ask(PARAMETERS)
{
	return seen->by && seen->by->sec_key ? seen->by->sec_key(seen->boss, x, port) : 0;
}
static inline unsigned long hw_key(struct xfrm_state *x, struct net_device *port)
{
	const struct hw_seen seen = hw_look(&x->xso);

	if (!port || !seen.boss)
		return 0;
	if (seen.key && (seen.boss == port || seen.chosen == port))
		return seen.key;
	return hw_ask(ARGUMENTS);
}
"""


@pytest.mark.parametrize(
    ("parameters", "arguments"),
    [
        ("const struct hw_seen *seen, struct xfrm_state *x, struct net_device *port",
         "&seen, x, port"),
        ("struct xfrm_state *x, struct net_device *port, const struct hw_seen *seen",
         "x, port, &seen"),
        ("const struct hw_seen *seen, struct hw_query *x, void *port", "&seen, x, port"),
    ],
)  # fmt: skip
def test_parts_of_a_resolver_are_no_resolvers(parameters: str, arguments: str) -> None:
    body = SEEN.replace("PARAMETERS", parameters).replace("ARGUMENTS", arguments)
    found = contract_in(changed(SHARED, (XFRM, BODY, body)))
    assert found.resolver is not None
    assert (found.resolver.name, found.resolver.takes) == (
        "hw_key",
        ("struct xfrm_state", "struct net_device"),
    )
    assert names(found) == {**REVISION_2, "function.resolve": "hw_ask"}


def test_parts_of_a_resolver_are_run_with_it(tmp_path: Path) -> None:
    tree = lay("shared", tmp_path / "linux")
    text = (tree / XFRM).read_text("utf-8")
    begin = text.index("static inline unsigned long\nxfrm_dev_state_lower_handle(")
    end = text.index("\n}\n", begin) + 3
    arguments = "const struct hw_seen *seen, struct xfrm_state *x, struct net_device *port"
    words = {**RENAMED_2, "hw_sec": "xfrm_dev_offload"}
    body = SEEN.replace("PARAMETERS", arguments).replace("ARGUMENTS", "&seen, x, port")
    (tree / XFRM).write_text(
        text[:begin]
        + renamed(body, words)
        .replace("seen.real_dev", "seen.pin")
        .replace("*real_dev, *dev", "*pin, *dev")
        .replace(".real_dev =", ".pin =")
        + text[end:],
        "utf-8",
    )
    found = run("resolver", tree, cwd=tmp_path)
    assert "equals the reference of revision 2 in all 351 states" in found.out


def said(tree: Memory) -> dict[str, tuple[str, str]]:
    contract = contract_in(tree)
    found = core_says(reader_of(tree, contract=contract), contract)
    texts = {path: tree.read(path).decode().splitlines() for path in (STATE_C, OUTPUT_C)}
    return {
        question: (
            one.says,
            texts[one.place.path][one.place.line - 1].strip() if one.place[1] else "",
        )
        for question, one in found.items()
    }


def test_the_core_says_what_it_does() -> None:
    assert said(tree_of(SHARED)) == {
        "free clears": ("boss, boss_ops", "void hw_gone(struct xfrm_state *x)"),
        "a failed add clears": (
            "boss_ops, boss",
            "int hw_new(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *e)",
        ),
        "delete runs": ("under a lock", "spin_lock_bh(&x->lock);"),
        "esn runs": ("per packet", "hw_count(x);"),
        PACKET_DEVICE: ("no", "return x->xso.boss_ops->sec_send(sk, skb, x);"),
        OWN_STATES: ("yes", ""),
    }


def test_what_the_core_hands_on_is_named_and_left_open() -> None:
    tree = tree_of(SHARED)
    contract = contract_in(tree)
    found = core_says(reader_of(tree, contract=contract), contract)["free clears"]
    assert found.reason == "unless hw_forget() clears more"


@pytest.mark.parametrize(
    ("pieces", "question", "answer"),
    [
        pytest.param(
            [(OUTPUT_C, "/* before */", "skb->dev = x->xso.boss;")], PACKET_DEVICE, "yes",
            id="stored before",
        ),
        pytest.param(
            [(OUTPUT_C, "/* before */", "if (skb->dev == x->xso.boss) return 0;")],
            PACKET_DEVICE, "no", id="compared before",
        ),
        pytest.param(
            [(STATE_C, "\tspin_lock_bh(&x->lock);\n\terr", "\terr")],
            "delete runs", "unknown", id="no lock",
        ),
        pytest.param(
            [(STATE_C, "hw_kill(x);\n\tspin_unlock_bh(&x->lock);",
              "0;\n\tspin_unlock_bh(&x->lock);\n\thw_kill(x);")],
            "delete runs", "unknown", id="behind the lock",
        ),
        pytest.param(
            [(STATE_C, "hw_count(x);\n\treturn", "return")], "esn runs", "unknown", id="no caller",
        ),
        pytest.param(
            [(STATE_C, ", struct xfrm_state *x)\n{\n\tspin", ", struct nlattr **a)\n{\n\tspin")],
            "esn runs", "unknown", id="a netlink handler's message is no packet",
        ),
        pytest.param(
            [(STATE_C, "hw_count(x);\n\treturn 0", "hw_count(x);\n\treturn nla_put(skb, 1, 1, x)")],
            "esn runs", "unknown", id="a message that is built is no packet",
        ),
        pytest.param(
            [(STATE_C, "int hw_remove", "int hw_drop(struct sk_buff *s, struct xfrm_state *x)\n"
              "{\n\treturn hw_kill(x);\n}\nint hw_remove")],
            "delete runs", "under a lock", id="a lock goes before a packet",
        ),
        pytest.param(
            [(STATE_C, "int hw_remove", "struct hw_replay hw_plain = { .left = hw_kill };\n"
              "int hw_remove"), (STATE_C, "err = hw_kill(x)", "err = x->replay->left(x)")],
            "delete runs", "under a lock", id="through a table",
        ),
        pytest.param(
            [(STATE_C, "int hw_remove", "struct hw_replay hw_plain = { .left = hw_kill };\n"
              "int hw_remove"), (STATE_C, "err = hw_kill(x)", "err = x->replay->right(x)")],
            "delete runs", "unknown", id="through another slot",
        ),
    ],
)  # fmt: skip
def test_the_core_says_it_by_its_code(
    pieces: list[tuple[str, str, str]], question: str, answer: str
) -> None:
    assert said(changed(SHARED, *pieces))[question][0] == answer


HELPER = "static void hw_to(struct sk_buff *s, struct xfrm_state *x)\n{\n\tBODY\n}\n\n"
SET = "s->dev = x->xso.boss;"
OUTER = """
static int hw_outer(struct sock *sk, struct sk_buff *skb, struct xfrm_state *x)
{
	MORE
	return hw_output(sk, skb, x);
}
"""


@pytest.mark.parametrize(
    ("before", "helper", "outer", "answer"),
    [
        ("hw_to(skb, x);", SET, "", "yes"),
        ("", SET, "hw_to(skb, x);", "yes"),
        ("", "", "skb->dev = x->xso.boss;", "yes"),
        ("if (!skb->dev) skb->dev = x->xso.boss;", "", "", "yes"),
        ("if (sk) skb->dev = x->xso.boss; else hw_to(skb, x);", SET, "", "yes"),
        ("if (!sk) return 0; skb->dev = x->xso.boss;", "", "", "yes"),
        ("if (sk) goto out; skb->dev = x->xso.boss; out:", "", "", "unknown"),
        ("if (sk) skb->dev = x->xso.boss;", "", "", "no"),
        ("if (sk) hw_to(skb, x);", SET, "", "no"),
        ("if (sk) hw_to(skb, x);", SET, "skb->dev = x->xso.boss;", "yes"),
        ("hw_to(skb, x);", "if (s->dev == x->xso.boss) return;", "", "no"),
        # One condition can hold where the other does.
        ("if (sk) skb->dev = x->xso.boss; if (!sk) return 0;", "", "", "unknown"),
        ("hw_to(skb, x);", f"if (!x) return; {SET}", "", "unknown"),
        ("", SET, "if (sk) hw_to(skb, x);", "no"),
    ],
)
def test_a_packets_device_is_stored_by_whoever_is_called_or_calls(
    before: str, helper: str, outer: str, answer: str
) -> None:
    text = HELPER.replace("BODY", helper) + OUTPUT_2.partition("\n")[2].replace(
        "/* before */", before
    )
    text += OUTER.replace("MORE", outer) if outer else ""
    tree = changed(SHARED, (OUTPUT_C, OUTPUT_2, "#include <net/xfrm.h>\n" + text))
    assert said(tree)[PACKET_DEVICE][0] == answer


def test_a_driver_that_calls_the_slot_decides_as_the_core_does() -> None:
    owner = OUTPUT_2.replace("hw_output", "bond_send")
    stored = (OUTPUT_C, "/* before */", "skb->dev = x->xso.boss;")
    tree = changed({**SHARED, "drivers/net/bonding/bond.c": owner}, stored)
    contract = contract_in(tree)
    assert contract.core[PACKET_DEVICE].says == "no"
    assert contract.core[PACKET_DEVICE].place.path == "drivers/net/bonding/bond.c"
    assert contract.stores_device("sec_send") == "no"
    assert contract.stores_device("sec_fits") == "yes"


def test_a_slot_is_a_door_by_its_shape() -> None:
    new = (
        "\tvoid	(*sec_odd)(int);",
        "\tvoid	(*sec_odd)(int);\n\tvoid	(*sec_new2)(struct sk_buff *s);",
    )
    contract = contract_in(changed(SHARED, (NETDEVICE, *new)))
    doors: dict[str, set[str]] = {}
    for name in (*contract.callbacks, "sec_nowhere"):
        doors.setdefault(contract.door(name), set()).add(name)
    assert doors == {
        "datapath": {"sec_fits", "sec_send", "sec_new2"},
        "control": {"sec_new", "sec_end", "sec_gone", "sec_esn", "sec_alike", "sec_key"},
        "": {"sec_odd", "sec_nowhere"},
    }


@pytest.mark.parametrize("files", [SHARED, {}])
def test_a_document_holds_all_of_a_contract(files: Mapping[str, str]) -> None:
    contract = contract_in(tree_of(files))
    again = contract_of(json.loads(json.dumps(document_of(contract))))
    assert again == contract
    assert repr(again) == repr(contract)


def test_lines_that_move_change_no_key() -> None:
    one = contract_in(tree_of(SHARED))
    moved = contract_in(changed(SHARED, (XFRM, "struct hw_sec {", "\n\nstruct hw_sec {")))
    assert moved != one
    assert moved.key == one.key
    other = contract_in(changed(SHARED, (XFRM, "hw_routed", "hw_sent")))
    assert other.key != one.key


def test_a_tree_with_the_usual_names_is_searched_once() -> None:
    for base in ("mainline", "rfc", "v6.12"):
        contract = contract_in(Folder(FIXTURES / "base" / base))
        assert f"{worth_reading(contract)}|{MARK}" == ASKED
    words = worth_reading(contract_in(tree_of(SHARED)))
    for name in ("hw_sec", "key", "sec_send", "SEC_SHARES", "hw_key", "HW_KEY_OF_SKB"):
        assert re.search(words, f"f({name})"), name
    assert not re.search(words, "keys sec_sender hw_key_of boss chosen")


def test_what_there_is_is_what_rules_can_need() -> None:
    def of(contract: Contract) -> frozenset[str]:
        return what_there_is((kind, role) for kind, role, _, _ in contract.named())

    assert of(contract_in(Folder(FIXTURES / "base" / "mainline"))) == {"pinned"}
    one = {"callback", "pinned", "private", "promise", "resolver"}
    assert of(contract_in(Folder(FIXTURES / "base" / "rfc"))) == one
    two = {"callback", "captured", "pinned", "promise", "resolver", "sharing"}
    assert of(contract_in(tree_of(SHARED))) == two


LOWER = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>
static int low_new(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *e)
{
	x->xso.key = 1;
	return 0;
}
static void low_end(struct net_device *dev, struct xfrm_state *x)
{
	end(x);
}
static void low_gone(struct net_device *dev, struct xfrm_state *x)
{
	gone(x);
}
static const struct xfrmdev_ops low_ops = {
	.sec_new = low_new, .sec_end = low_end, .sec_gone = low_gone,
};
void low_start(struct net_device *dev)
{
	dev->xfrmdev_ops = &low_ops;
}
"""
LOWER_C = "drivers/net/low/low.c"


def findings(files: Mapping[str, str], *pieces: tuple[str, str, str]) -> list[tuple[str, str]]:
    """Return type and line of what is found in a tree of revision 2 with a lower driver."""
    with_driver = {**files, LOWER_C: LOWER, "drivers/net/low/Makefile": "obj-m += low.o\n"}
    tree = changed(with_driver, *pieces)
    report = report_on(tree)
    lines = {path: tree.read(path).decode().splitlines() for path in with_driver}
    return [(f.type, lines[f.path][f.line - 1].strip()) for f in report.findings]


CLEARED = "\thw_forget(&x->xso);\n"
ALL_CLEARED = (
    STATE_C,
    CLEARED,
    "\tx->xso.key = 0;\n\tx->xso.chosen = NULL;\n\tx->xso.chosen_ops = NULL;\n",
)


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        pytest.param([], [], id="right"),
        pytest.param([(LOWER_C, "gone(x);", "x->xso.key = 0;")], [], id="free zeroes the handle"),
        pytest.param(
            [(LOWER_C, "gone(x);", "WRITE_ONCE(x->xso.key, 0);")], [], id="free zeroes it once"
        ),
        pytest.param(
            [(LOWER_C, "gone(x);", "x->xso.key = 7;")],
            [("OFFLOAD_HANDLE_WRITE", "x->xso.key = 7;")],
            id="free stores another handle",
        ),
        pytest.param(
            [(LOWER_C, "end(x);", "x->xso.key = 0;")],
            [("OFFLOAD_HANDLE_WRITE", "x->xso.key = 0;")],
            id="delete zeroes it",
        ),
        pytest.param(
            [(LOWER_C, "end(x);", "x->xso.chosen = NULL;")],
            [("UPPER_PRIV_ACCESS", "x->xso.chosen = NULL;")],
            id="the pinned device is written",
        ),
        pytest.param(
            [(LOWER_C, "end(x);", "x->xso.chosen_ops = NULL;")],
            [("UPPER_PRIV_ACCESS", "x->xso.chosen_ops = NULL;")],
            id="the lower's callbacks are written",
        ),
        pytest.param(
            [(LOWER_C, "end(x);", "WRITE_ONCE(x->xso.boss_ops, NULL);")],
            [("UPPER_PRIV_ACCESS", "WRITE_ONCE(x->xso.boss_ops, NULL);")],
            id="the owner's callbacks are written",
        ),
        pytest.param(
            [(LOWER_C, "end(x);", "use(x->xso.chosen_ops);")], [], id="callbacks are read"
        ),
        pytest.param(
            [(LOWER_C, "end(x);", "use(x->xso.chosen);")],
            [("OFFLOAD_DEV_ACCESS", "use(x->xso.chosen);")],
            id="the pinned device is read",
        ),
        pytest.param(
            [(STATE_C, "\tx->xso.chosen = NULL;\n", "")],
            [("UPPER_PRIV_NOT_CLEARED", "void hw_gone(struct xfrm_state *x)")],
            id="the pinned device stays",
        ),
        pytest.param(
            [(STATE_C, "\tx->xso.key = 0;\n", "")],
            [("UPPER_PRIV_NOT_CLEARED", "void hw_gone(struct xfrm_state *x)")],
            id="the handle stays",
        ),
    ],
)
def test_rules_go_by_what_the_tree_has(
    pieces: list[tuple[str, str, str]], wanted: list[tuple[str, str]]
) -> None:
    old, new = ALL_CLEARED[1:]
    assert old in CORE_2
    files = {**SHARED, STATE_C: CORE_2.replace(old, new)}
    found = [one for one in findings(files, *pieces) if one[0] != "RESOLVER_MISMATCH"]
    assert found == wanted


# Every name of the contract as somebody else would have it, but for the state's device, which many
# a struct of a driver has by the same name.
OTHERWISE = {
    "xfrm_dev_state_lower_handle": "xfrm_port_key",
    "xdo_dev_state_lower_handle": "op_key_of",
    "XFRMDEV_OPS_F_LOWER_HANDLE": "OPS_ASKS_FOR_KEY",
    "offload_handle": "hw_key",
    "real_dev": "chosen",
    "upper_priv": "boss_data",
    "xfrm_dev_offload": "xfrm_hw",
    "xfrm_state_offload": "xfrm_hw",
    "xdo_dev_state_add": "op_sa_new",
    "xdo_dev_state_delete": "op_sa_gone",
    "xdo_dev_state_free": "op_sa_free",
    "xdo_dev_offload_ok": "op_fits",
    "xdo_dev_state_advance_esn": "op_esn",
    "xdo_dev_state_update_stats": "op_count",
    "xdo_dev_policy_add": "op_policy_new",
    "xdo_dev_policy_delete": "op_policy_gone",
    "xdo_dev_policy_free": "op_policy_free",
    "xfrm_dev_state_add": "hw_sa_new",
    "xfrm_dev_state_delete": "hw_sa_gone",
    "xfrm_dev_state_free": "hw_sa_free",
    "xfrm_dst_offload_ok": "hw_routed",
    "state_ops": "boss_calls",
    "real_ops": "chosen_calls",
    "xdo_dev_state_lag_compatible": "op_alike",
    "xdo_dev_packet_xmit": "op_send",
    "XFRMDEV_OPS_F_LAG_SHARED_STATE": "OPS_LENDS_ITS_KEY",
}


def rename(tree: Path) -> Path:
    for path in tree.rglob("*.[ch]"):
        if path.is_file():
            text = path.read_text("utf-8", "surrogateescape")
            path.write_text(renamed(text, OTHERWISE), "utf-8", "surrogateescape")
    return tree


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in trees()
        if (FIXTURES / name / "base").is_file()
        and (FIXTURES / name / "base").read_text().strip() in ("rfc", "shared")
    ],
)  # fmt: skip
def test_renamed_throughout_a_tree_has_the_same_findings(name: str, tmp_path: Path) -> None:
    tree = rename(lay_fixture(name, tmp_path / "linux"))
    report = report_on(Folder(tree))
    assert report.contract == "present"
    assert not difference(places(report.findings), expected(tree))
    for finding in report.findings:
        assert not set(OTHERWISE) & set(re.findall(r"\w+", finding.message)), finding.message


def test_renamed_the_resolver_is_compared_as_before(tmp_path: Path) -> None:
    plain = run("resolver", lay("rfc", tmp_path / "plain"), cwd=tmp_path)
    other = run("resolver", rename(lay("rfc", tmp_path / "other")), cwd=tmp_path)
    assert "equals the reference of revision 1 in all 351 states" in plain.out
    assert "Torn reads" in plain.out
    # Columns are as wide as the names.
    assert other.out.split() == renamed(plain.out, OTHERWISE).split()


def test_a_message_says_what_the_tree_calls_things(tmp_path: Path) -> None:
    tree = rename(lay_fixture("read-forms-plain", tmp_path / "linux"))
    report = report_on(Folder(tree))
    assert any("reads xso.hw_key on the datapath" in f.message for f in report.findings)


def test_names_are_taken_where_no_shape_tells() -> None:
    files = {**SHARED, NETDEVICE: NEAR + "#define SEC_LATE 4\n" + OPS_2}
    given = Names(
        members={"pinned": "boss", "owner": "chosen"},
        slots={"delete": "sec_gone"},
        promises={"share": "SEC_LATE"},
        core={"resolver": "hw_key"},
    )
    found = names(contract_in(tree_of(files), names=given))
    assert (found["member.owner"], found["member.pinned"]) == ("chosen", "boss")
    assert found["slot.delete"] == "sec_gone"
    assert "slot.free" not in found
    assert (found["promise.resolve"], found["promise.share"]) == ("SEC_ASKS", "SEC_LATE")


def test_names_that_nothing_has_change_nothing() -> None:
    given = Names({"private": "none"}, {"share": "none"}, {"resolve": "NONE"}, {"resolver": "none"})
    assert contract_in(tree_of(SHARED), names=given) == contract_in(tree_of(SHARED))


CONFIG = '[contract.members]\nprivate = "upper_priv"\n[contract.core]\nresolver = "{resolver}"\n'


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    return lay("rfc", tmp_path / "linux")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[members]\nprivate = "uper_priv"\n',
         "contract: members.private: uper_priv is no member of struct xfrm_dev_offload; "
         "the nearest is upper_priv"),
        ('[slots]\nresolve = "xdo_dev_lower_handle"\n',
         "contract: slots.resolve: xdo_dev_lower_handle is no member of struct xfrmdev_ops; "
         "the nearest is xdo_dev_state_lower_handle"),
        ('[promises]\nresolve = "XFRMDEV_LOWER_HANDLE"\n',
         "contract: promises.resolve: XFRMDEV_LOWER_HANDLE is not a flag in "
         "include/linux/netdevice.h; the nearest is XFRMDEV_OPS_F_LOWER_HANDLE"),
        ('[core]\nresolver = "xfrm_state_lower_handle"\n',
         "contract: core.resolver: xfrm_state_lower_handle is not a function or macro in "
         "include/net/xfrm.h; the nearest is xfrm_dev_state_lower_handle"),
        ('[members]\nprivat = "upper_priv"\n',
         "names.toml: members: unknown role privat; the nearest is private"),
        ('[member]\nprivate = "upper_priv"\n',
         "names.toml: unknown key member; the nearest is members"),
        ('[members]\nprivate = "a b"\n', "names.toml: members.private is no name of C"),
        ("members = 3\n", "names.toml: members is no table of ROLE = NAME"),
        ("[members\n", "names.toml: "),
    ],
)  # fmt: skip
def test_a_wrong_name_is_refused_with_the_nearest(
    text: str, error: str, linux: Path, tmp_path: Path
) -> None:
    file = tmp_path / "names.toml"
    file.write_text(text, "utf-8")
    ran = run("contract", linux, "--contract", file, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert error in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "drivers", "judge"])
def test_every_command_refuses_it(command: str, linux: Path, tmp_path: Path) -> None:
    file = tmp_path / "names.toml"
    file.write_text('[members]\nprivate = "uper_priv"\n', "utf-8")
    ran = run(command, linux, "--contract", file, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.endswith("the nearest is upper_priv\n")


def test_a_trees_own_settings_name_things_too(linux: Path) -> None:
    (linux / ".xfrmlint.toml").write_text(CONFIG.format(resolver="xfrm_dst_offload_ok"), "utf-8")
    ran = run("contract", linux, "--format", "json", cwd=linux)
    assert json.loads(ran.out)["resolver"]["name"] == "xfrm_dst_offload_ok"
    (linux / ".xfrmlint.toml").write_text(CONFIG.format(resolver="nowhere_to_be"), "utf-8")
    assert run("check", linux, cwd=linux).status == 2
    assert run("check", "--no-config", linux, cwd=linux).status == 0


def test_a_bundled_file_can_be_given(linux: Path) -> None:
    file = Path(__file__).parents[2] / "xfrmlint/contract/revision1.toml"
    plain = run("contract", linux, cwd=linux)
    assert run("contract", linux, "--contract", file, cwd=linux) == plain
    assert plain.out.startswith("contract: revision 1, the RFC of 20 May 2026\n")


def test_the_command_prints_each_word_with_its_place(linux: Path) -> None:
    ran = run("contract", linux, cwd=linux)
    assert ran.status == 0
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    for line in (
        "xso is a struct xfrm_dev_offload",
        "private upper_priv void * include/net/xfrm.h:41",
        "resolve XFRMDEV_OPS_F_LOWER_HANDLE bit 0 include/linux/netdevice.h:53",
        "free clears dev, upper_priv net/xfrm/xfrm_state.c:48",
    ):
        assert line in lines


def test_without_a_resolver_the_command_says_so(tmp_path: Path) -> None:
    linux = lay("mainline", tmp_path / "linux")
    ran = run("contract", linux, cwd=linux)
    assert ran.out.startswith("contract: absent: this tree has no resolver\n")
    assert "promises: none" in ran.out
    found = json.loads(run("contract", linux, "--format", "json", cwd=linux).out)
    assert (found["revision"], found["resolver"], found["promises"]) == ("absent", None, {})
    assert found["members"]["pinned"]["path"] == XFRM


def test_no_names_are_no_names() -> None:
    assert Names() == NO_NAMES
    assert list(Names().listed()) == []
