"""Trees that nobody has published: other prototypes, promises and places than those of the RFC."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.asked import analysis_of, report_on
from tests.laid import FIXTURES, lay, lay_fixture
from tests.ran import run
from xfrmlint.analysis.judgement import judgements, topologies
from xfrmlint.analysis.parts import contract_in
from xfrmlint.findings import Report
from xfrmlint.tree.folder import Folder

XFRM, NETDEVICE = "include/net/xfrm.h", "include/linux/netdevice.h"
OAK, OAK_TX = "drivers/net/oak/oak_ipsec.c", "drivers/net/oak/oak_tx.c"
HAZE = "drivers/net/haze/haze_ipsec.c"
STATES = "net/xfrm/xfrm_state.c"
HEAD = "xfrm_dev_state_lower_handle(struct xfrm_state *x, struct net_device *lower_dev)"
CALL = r"xfrm_dev_state_lower_handle\((\w+), (\w+(?:->\w+)*)\)"
Changes = Mapping[str, Sequence[tuple[str, str]]]

TURNED: Changes = {
    XFRM: [
        (
            HEAD,
            "xfrm_dev_state_lower_handle(struct net_device *lower_dev, struct xfrm_state *x)",
        )
    ],
    OAK_TX: [(CALL, r"xfrm_dev_state_lower_handle(\2, \1)")],
}
BY_STRUCT: Changes = {
    XFRM: [
        (
            f"static inline unsigned long\n{HEAD}\n{{\n	unsigned long handle",
            "struct xfrm_query {\n	struct xfrm_state *x;\n	struct net_device *lower_dev;\n};\n\n"
            "static inline unsigned long xfrm_dev_state_lower_handle(const struct xfrm_query *q)\n"
            "{\n	struct net_device *lower_dev = q->lower_dev;\n	struct xfrm_state *x = q->x;\n"
            "	unsigned long handle",
        ),
        (
            f"static inline unsigned long\n{HEAD}\n",
            "struct xfrm_query;\n"
            "static inline unsigned long xfrm_dev_state_lower_handle(const struct xfrm_query *q)\n",
        ),
    ],
    OAK_TX: [(CALL, r"xfrm_dev_state_lower_handle(&(struct xfrm_query){ \1, \2 })")],
}
FEATURE: Changes = {
    NETDEVICE: [
        ("	u32	flags;\n};\n#endif", "};\n#endif"),
        (
            "#define XFRMDEV_OPS_F_LOWER_HANDLE	BIT(0)",
            "#define NETIF_F_XFRM_LOWER	(1UL << 40)",
        ),
    ],
    HAZE: [
        (
            "!(ops->flags & XFRMDEV_OPS_F_LOWER_HANDLE)",
            "!(slave->dev->features & NETIF_F_XFRM_LOWER)",
        )
    ],
    OAK: [
        (r"	\.flags\s*= XFRMDEV_OPS_F_LOWER_HANDLE,\n", ""),
        ("features |= NETIF_F_HW_ESP", "features |= NETIF_F_HW_ESP | NETIF_F_XFRM_LOWER"),
    ],
}
HAZE_SOURCE = [(r"xso(\.|->)(offload_handle|real_dev)", r"xso\1seat.\2")]
# What belongs to the lower lies in a struct of its own.
SEATED: Changes = {
    XFRM: [
        (
            "struct xfrm_dev_offload {",
            "struct xfrm_seat {\n	struct net_device	*real_dev;\n"
            "	unsigned long		offload_handle;\n};\n\nstruct xfrm_dev_offload {",
        ),
        (
            "	struct net_device	*real_dev;\n	unsigned long		offload_handle;\n	/*",
            "	struct xfrm_seat	seat;\n	/*",
        ),
        (r"xso\.(offload_handle|real_dev)", r"xso.seat.\1"),
    ],
    HAZE: HAZE_SOURCE,
    OAK: [(r"(xso|xdo)\.offload_handle", r"\1.seat.offload_handle")],
}
# And in one that has no tag.
NESTED: Changes = {
    **SEATED,
    XFRM: [
        (
            "	struct net_device	*real_dev;\n	unsigned long		offload_handle;\n	/*",
            "	struct {\n		struct net_device	*real_dev;\n"
            "		unsigned long		offload_handle;\n	} seat;\n	/*",
        ),
        SEATED[XFRM][-1],
    ],
}
IN_A_STRUCT = pytest.mark.parametrize("seated", [SEATED, NESTED])
SINGLE: Changes = {
    NETDEVICE: [("	u32	flags;\n};\n#endif", "	u8	asks : 1;\n};\n#endif")],
    HAZE: [("!(ops->flags & XFRMDEV_OPS_F_LOWER_HANDLE)", "!ops->asks")],
    OAK: [(r"\.flags\s*= XFRMDEV_OPS_F_LOWER_HANDLE,", ".asks = 1,")],
}
# The promise lies in a struct in the table, behind another number.
CAPS: Changes = {
    NETDEVICE: [
        ("BIT(0)", "BIT(XFRMDEV_OPS_BIT)"),
        (
            "struct xfrmdev_ops {",
            "enum {\n	XFRMDEV_OPS_BIT,\n	XFRMDEV_OPS_END,\n};\n\n"
            "struct xfrmdev_caps {\n	u32 most;\n	u32 flags;\n};\n\nstruct xfrmdev_ops {",
        ),
        ("	u32	flags;\n};\n#endif", "	struct xfrmdev_caps caps;\n};\n#endif"),
    ],
    HAZE: [("ops->flags", "ops->caps.flags")],
    OAK: [
        (r"\.flags\s*= XFRMDEV_OPS_F_LOWER_HANDLE,", ".caps.flags = XFRMDEV_OPS_F_LOWER_HANDLE,")
    ],
}
# And in one that has no tag.
CAPS_NESTED: Changes = {
    **CAPS,
    NETDEVICE: [
        (
            "	u32	flags;\n};\n#endif",
            "	struct {\n		u32 most;\n		u32 flags;\n	} caps;\n};\n#endif",
        )
    ],
}
WRONG = ("return real == lower_dev ? handle : 0", "return handle")


def laid(path: Path, changes: Changes) -> Path:
    tree = lay("rfc", path / "linux")
    for name in ("upper-with-resolver", "rfc-converted"):
        shutil.copytree(FIXTURES / name, tree, dirs_exist_ok=True)
    return changed(tree, changes)


def changed(tree: Path, changes: Changes) -> Path:
    for name, pairs in changes.items():
        text = (tree / name).read_text("utf-8")
        for old, new in pairs:
            text, count = re.subn(old if "\\" in old else re.escape(old), new, text)
            assert count, old
        (tree / name).write_text(text, "utf-8")
    return tree


def checked(tree: Path) -> Report:
    return report_on(Folder(tree))


def test_the_resolvers_arguments_can_stand_the_other_way_round(tmp_path: Path) -> None:
    tree = laid(tmp_path, TURNED)
    report = checked(tree)
    assert [(f.type, f.path) for f in report.findings] == []
    assert [u.reason for u in report.unknown] == []
    (judged,) = judgements(analysis_of(Folder(tree)).store, lambda *_: "")
    assert {"right", "0 tested"} == {str(outcome) for outcome in judged.outcomes}


def test_a_wrong_resolver_with_arguments_the_other_way_round_is_found(tmp_path: Path) -> None:
    report = checked(laid(tmp_path, {**TURNED, XFRM: [*TURNED[XFRM], WRONG]}))
    assert [(f.type, f.path) for f in report.findings] == [("RESOLVER_MISMATCH", XFRM)]


def test_a_resolver_that_takes_a_struct_is_unknown(tmp_path: Path) -> None:
    report = checked(laid(tmp_path, BY_STRUCT))
    assert report.findings == ()
    reasons = {u.path: u.reason for u in report.unknown}
    assert "takes 1 arguments: struct xfrm_query" in reasons[XFRM]
    assert "gives its handle in a way that is not followed" in reasons[OAK_TX]


def test_a_promise_that_is_no_flag_of_the_table_is_unknown(tmp_path: Path) -> None:
    report = checked(laid(tmp_path, FEATURE))
    assert report.findings == ()
    (reason,) = [u.reason for u in report.unknown if u.path == NETDEVICE]
    assert "no flag by which a driver promises" in reason


def test_a_promise_that_is_a_feature_can_be_named(tmp_path: Path) -> None:
    tree = laid(tmp_path, FEATURE)
    file = tmp_path / "names.toml"
    file.write_text('[promises]\nresolve = "NETIF_F_XFRM_LOWER"\n', "utf-8")
    ran = run("check", "--contract", file, tree, cwd=tmp_path)
    assert (ran.status, "not analysed" in ran.err) == (0, False)
    assert "oak: opted in" in run("judge", "--contract", file, tree, cwd=tmp_path).out
    (tree / OAK).write_text((tree / OAK).read_text("utf-8").replace(" | NETIF_F_XFRM_LOWER", ""))
    ran = run("check", "--contract", file, tree, cwd=tmp_path)
    assert "oak_xfrmdev_ops lacks NETIF_F_XFRM_LOWER" in ran.out


def test_a_callback_without_a_resolver_is_told(tmp_path: Path) -> None:
    tree = laid(tmp_path, {})
    text = (tree / XFRM).read_text("utf-8")
    begin, end = text.index("/* The handle under"), text.index("static inline bool xfrm_dst")
    text = text[:begin] + text[end:]
    (tree / XFRM).write_text(text[: text.index("#else")] + "#endif\n\n#endif\n", "utf-8")
    reasons = [u.reason for u in checked(tree).unknown if u.path == NETDEVICE]
    assert len(reasons) == 1
    assert "no resolver was recognised" in reasons[0]


@IN_A_STRUCT
def test_the_handle_can_lie_in_a_struct_of_the_offload_struct(
    seated: Changes, tmp_path: Path
) -> None:
    tree = laid(tmp_path, seated)
    report = checked(tree)
    assert [(f.type, f.path) for f in report.findings] == []
    assert [u.reason for u in report.unknown] == []
    (judged,) = judgements(analysis_of(Folder(tree)).store, lambda *_: "")
    assert {"right", "0 tested"} == {str(outcome) for outcome in judged.outcomes}


@IN_A_STRUCT
def test_a_wrong_resolver_of_a_handle_in_a_struct_is_found(seated: Changes, tmp_path: Path) -> None:
    report = checked(laid(tmp_path, {**seated, XFRM: [*seated[XFRM], WRONG]}))
    assert [(f.type, f.path) for f in report.findings] == [("RESOLVER_MISMATCH", XFRM)]


DIRECT = "sa = (struct oak_sa *)xfrm_dev_state_lower_handle(x, priv->netdev);"


@pytest.mark.parametrize(
    "read",
    [
        "sa = (struct oak_sa *)x->xso.seat.offload_handle;",
        "struct xfrm_seat *seat = &x->xso.seat; sa = (struct oak_sa *)seat->offload_handle;",
        "struct xfrm_seat seat = x->xso.seat; sa = (struct oak_sa *)seat.offload_handle;",
        "sa = (struct oak_sa *)READ_ONCE((&x->xso)->seat.offload_handle);",
    ],
)
def test_a_direct_read_of_a_handle_in_a_struct_is_found(read: str, tmp_path: Path) -> None:
    report = checked(laid(tmp_path, {**SEATED, OAK_TX: [(DIRECT, f"{DIRECT} {read}")]}))
    found = [(f.type, f.path, f.level) for f in report.findings]
    assert found == [("DIRECT_OFFLOAD_HANDLE", OAK_TX, "ERROR")]


@IN_A_STRUCT
def test_a_member_of_a_struct_in_xso_has_its_own_line(seated: Changes, tmp_path: Path) -> None:
    tree = laid(tmp_path, seated)
    pinned = contract_in(Folder(tree)).members["pinned"]
    line = (tree / XFRM).read_text("utf-8").splitlines()[pinned.place.line - 1]
    assert (pinned.name, "*real_dev;" in line) == ("seat.real_dev", True)


@pytest.mark.parametrize(
    "read",
    [
        "sa = (struct oak_sa *)x->xso.seat.offload_handle;",
        "sa = (struct oak_sa *)READ_ONCE((&x->xso)->seat.offload_handle);",
    ],
)
def test_a_direct_read_of_a_handle_in_a_struct_without_a_tag_is_found(
    read: str, tmp_path: Path
) -> None:
    report = checked(laid(tmp_path, {**NESTED, OAK_TX: [(DIRECT, f"{DIRECT} {read}")]}))
    found = [(f.type, f.path, f.level) for f in report.findings]
    assert found == [("DIRECT_OFFLOAD_HANDLE", OAK_TX, "ERROR")]


def test_a_seat_that_is_no_states_is_nothing(tmp_path: Path) -> None:
    own = "struct xfrm_seat own = { .offload_handle = 3 }; *sa_index = own.offload_handle;"
    report = checked(laid(tmp_path, {**SEATED, OAK_TX: [(DIRECT, f"{DIRECT} {own}")]}))
    assert [(f.type, f.path) for f in report.findings] == []


@IN_A_STRUCT
def test_a_map_that_mixes_handles_in_a_struct_up_is_found(seated: Changes, tmp_path: Path) -> None:
    mixed = (
        "			handle = map->entries[i].handle;",
        "			handle = map->entries[0].handle;",
    )
    report = checked(laid(tmp_path, {**seated, HAZE: [*HAZE_SOURCE, mixed]}))
    assert [(f.type, f.path) for f in report.findings] == [("RESOLVER_MISMATCH", HAZE)]


@pytest.mark.parametrize(
    "store",
    [
        "x->xso.seat = (struct xfrm_seat){ .offload_handle = 3 };",
        "struct xfrm_seat own = { 0 }; x->xso.seat = own;",
        "memset(&x->xso.seat, 0, sizeof(x->xso.seat));",
    ],
)
def test_a_store_of_the_whole_struct_is_one_of_the_handle(store: str, tmp_path: Path) -> None:
    report = checked(laid(tmp_path, {**SEATED, OAK_TX: [(DIRECT, f"{DIRECT} {store}")]}))
    assert "OFFLOAD_HANDLE_WRITE" in [f.type for f in report.findings if f.path == OAK_TX]


def test_no_member_that_holds_the_handle_is_told(tmp_path: Path) -> None:
    hidden = (
        "	unsigned long		offload_handle;\n	/*",
        "	atomic_long_t offload_handle;\n	/*",
    )
    report = checked(laid(tmp_path, {XFRM: [hidden]}))
    assert report.findings == ()
    (reason,) = [u.reason for u in report.unknown if u.path == NETDEVICE]
    assert "no member of struct xfrm_dev_offload was recognised" in reason


def test_a_promise_can_be_a_bit_field(tmp_path: Path) -> None:
    tree = laid(tmp_path, SINGLE)
    report = checked(tree)
    assert [(f.type, f.path) for f in report.findings] == []
    assert [u.reason for u in report.unknown] == []
    kept = {**SINGLE, OAK: [(r"	\.flags\s*= XFRMDEV_OPS_F_LOWER_HANDLE,\n", "")]}
    report = checked(laid(tmp_path / "without", kept))
    assert [f.type for f in report.findings] == ["LOWER_HANDLE_FLAG_MISSING"]


FLAGS_OF_OAK = r"\.flags\s*= XFRMDEV_OPS_F_LOWER_HANDLE,"
IN_CAPS = pytest.mark.parametrize("caps", [CAPS, CAPS_NESTED])


@IN_CAPS
@pytest.mark.parametrize(
    "filled",
    [
        ".caps.flags = XFRMDEV_OPS_F_LOWER_HANDLE,",
        ".caps = { .flags = BIT(0) },",
        ".caps = { 8, XFRMDEV_OPS_F_LOWER_HANDLE },",
        ".caps = { .most = 8, .flags = XFRMDEV_OPS_F_LOWER_HANDLE },",
    ],
)
def test_a_promise_can_lie_in_a_struct_in_the_table(
    caps: Changes, filled: str, tmp_path: Path
) -> None:
    tree = laid(tmp_path, {**caps, OAK: [(FLAGS_OF_OAK, filled)]})
    report = checked(tree)
    assert [(f.type, f.path) for f in report.findings] == []
    assert [u.reason for u in report.unknown] == []
    (judged,) = judgements(analysis_of(Folder(tree)).store, lambda *_: "")
    assert {"right", "0 tested"} == {str(outcome) for outcome in judged.outcomes}


@IN_CAPS
@pytest.mark.parametrize(
    "filled", ["", ".caps.most = 1,", ".caps = { .flags = 2 },", ".caps = { 1 },"]
)
def test_a_promise_that_a_struct_in_the_table_lacks(
    caps: Changes, filled: str, tmp_path: Path
) -> None:
    report = checked(laid(tmp_path, {**caps, OAK: [(FLAGS_OF_OAK, filled)]}))
    assert [f.type for f in report.findings] == ["LOWER_HANDLE_FLAG_MISSING"]


@IN_CAPS
def test_whether_a_struct_that_is_copied_into_the_table_promises_is_unknown(
    caps: Changes, tmp_path: Path
) -> None:
    report = checked(laid(tmp_path, {**caps, OAK: [(FLAGS_OF_OAK, ".caps = OAK_CAPS,")]}))
    assert [f.type for f in report.findings] == []
    told = "whether oak_xfrmdev_ops gets XFRMDEV_OPS_F_LOWER_HANDLE here is not known"
    assert [u.reason for u in report.unknown] == [told]


def test_an_owner_that_tests_no_promise_in_a_struct_is_found(tmp_path: Path) -> None:
    untested = ("!(ops->flags & XFRMDEV_OPS_F_LOWER_HANDLE)", "!ops->xdo_dev_state_add")
    report = checked(laid(tmp_path, {**CAPS, HAZE: [untested]}))
    assert "UPPER_IGNORES_LOWER_FLAG" in [f.type for f in report.findings]


# What asks for a packet's state stands behind the resolver and its stub.
OF_PACKET = """
static inline unsigned long xfrm_handle_for(struct net_device *dev, struct sk_buff *skb)
{
	return xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev);
}
"""
ASKED = "sa = (struct oak_sa *)xfrm_handle_for(priv->netdev, skb);"
BY_INLINE: Changes = {
    XFRM: [("#endif\n\n#endif", f"#endif\n{OF_PACKET}\n#endif")],
    OAK_TX: [(DIRECT, ASKED)],
}
TWICE = (
    "static inline void *xfrm_sa_for(struct net_device *dev, struct sk_buff *skb)\n"
    "{\n	return (void *)xfrm_handle_for(dev, skb);\n}\n"
)
BY_TWO: Changes = {
    XFRM: [("#endif\n\n#endif", f"#endif\n{OF_PACKET}\n{TWICE}\n#endif")],
    OAK_TX: [(DIRECT, "sa = xfrm_sa_for(priv->netdev, skb);")],
}
BY_MACRO: Changes = {
    XFRM: [
        (
            "#endif\n\n#endif",
            "#endif\n#define xfrm_handle_for(dev, skb) \\\\\n"
            "	xfrm_dev_state_lower_handle(xfrm_input_state(skb), (dev))\n\n#endif",
        )
    ],
    OAK_TX: BY_INLINE[OAK_TX],
}


@pytest.mark.parametrize("changes", [BY_INLINE, BY_TWO, BY_MACRO])
def test_the_header_can_wrap_the_resolver(changes: Changes, tmp_path: Path) -> None:
    tree = laid(tmp_path, changes)
    report = checked(tree)
    assert [(f.type, f.path) for f in report.findings] == []
    # What a macro of a header does besides is not looked at.
    assert [u.reason for u in report.unknown if "must not sleep" not in u.reason] == []
    (judged,) = judgements(analysis_of(Folder(tree)).store, lambda *_: "")
    assert {"right", "0 tested"} == {str(outcome) for outcome in judged.outcomes}


@pytest.mark.parametrize("changes", [BY_INLINE, BY_TWO, BY_MACRO])
def test_what_is_wrong_of_a_wrapped_call_is_found_in_the_driver(
    changes: Changes, tmp_path: Path
) -> None:
    untested: Changes = {**changes, OAK_TX: [*changes[OAK_TX], ("if (!sa)", "if (!skb)")]}
    found = [(f.type, f.path) for f in checked(laid(tmp_path / "a", untested)).findings]
    assert found == [("UNCHECKED_LOWER_HANDLE", OAK_TX)]
    owner = ("priv->netdev, skb", "x->xso.dev, skb")
    others: Changes = {**changes, OAK_TX: [*changes[OAK_TX], owner]}
    found = [(f.type, f.path) for f in checked(laid(tmp_path / "b", others)).findings]
    assert ("WRONG_LOWER_DEV", OAK_TX) in found


def test_a_header_that_wraps_the_resolver_serves_who_calls_it_alone(tmp_path: Path) -> None:
    changes: Changes = {**BY_INLINE, OAK_TX: [(re.escape(DIRECT) + " *\\n", "sa = NULL;\n")]}
    assert [f.type for f in checked(laid(tmp_path, changes)).findings] == [
        "LOWER_HANDLE_NOT_RESOLVED"
    ]


def test_an_exported_wrapper_that_takes_a_packet_is_unknown(tmp_path: Path) -> None:
    tree = laid(tmp_path, {OAK_TX: BY_INLINE[OAK_TX]})
    header, core = tree / XFRM, tree / "net/xfrm/xfrm_state.c"
    declared = "unsigned long xfrm_handle_for(struct net_device *dev, struct sk_buff *skb);"
    text = header.read_text("utf-8")
    header.write_text(text.replace("#endif\n\n#endif", f"#endif\n{declared}\n\n#endif"), "utf-8")
    exported = OF_PACKET.replace("static inline ", "") + "EXPORT_SYMBOL_GPL(xfrm_handle_for);\n"
    core.write_text(core.read_text("utf-8") + exported, "utf-8")
    report = checked(tree)
    assert [(f.type, f.path) for f in report.findings] == []
    (reason,) = [u.reason for u in report.unknown if u.path == OAK_TX]
    assert "asks the resolver, and is not followed" in reason


FLAGGED: Changes = {
    NETDEVICE: [
        (
            "	    struct net_device *lower_dev);",
            "	    struct net_device *lower_dev, u32 how);",
        )
    ],
    XFRM: [
        (HEAD, HEAD[:-1] + ", u32 how)"),
        ("(owner, x, lower_dev)", "(owner, x, lower_dev, how)"),
    ],
    HAZE: [("struct net_device *lower_dev)", "struct net_device *lower_dev, u32 how)")],
    OAK_TX: [(CALL, r"xfrm_dev_state_lower_handle(\1, \2, 0)")],
}


def test_the_resolver_can_take_flags_besides(tmp_path: Path) -> None:
    tree = laid(tmp_path, FLAGGED)
    report = checked(tree)
    assert [(f.type, f.path) for f in report.findings] == []
    assert [u.reason for u in report.unknown] == []
    (judged,) = judgements(analysis_of(Folder(tree)).store, lambda *_: "")
    assert {"right", "0 tested"} == {str(outcome) for outcome in judged.outcomes}


def test_a_wrong_resolver_with_flags_is_found(tmp_path: Path) -> None:
    report = checked(laid(tmp_path, {**FLAGGED, XFRM: [*FLAGGED[XFRM], WRONG]}))
    assert [(f.type, f.path) for f in report.findings] == [("RESOLVER_MISMATCH", XFRM)]


def test_flags_that_decide_are_unknown(tmp_path: Path) -> None:
    asks = ("unsigned long handle = READ", "unsigned long handle = how & 1 ? 0 : READ")
    report = checked(laid(tmp_path, {**FLAGGED, XFRM: [*FLAGGED[XFRM], asks]}))
    assert [(f.type, f.path) for f in report.findings] == []
    assert [u.path for u in report.unknown if u.path == XFRM]


STOAT, BOND = "drivers/net/stoat/stoat_ipsec.c", "drivers/net/bonding/bond_ipsec.c"
FLAGS = r"\.flags(\s*=) XFRMDEV_OPS_F_LOWER_HANDLE \|\n\s*XFRMDEV_OPS_F_LAG_SHARED_STATE,"
# Each promise is a member of the table.
MEMBERS: Changes = {
    NETDEVICE: [
        ("	u32	flags;\n};\n#endif", "	bool	asks;\n	bool	shares;\n};\n#endif")
    ],
    BOND: [("(ops->flags & flags) == flags", "ops->asks && (!(flags & 2) || ops->shares)")],
}


@pytest.mark.parametrize(
    ("changes", "promises", "outcome"),
    [
        ({}, r".flags\1 XFRMDEV_OPS_F_LOWER_HANDLE | XFRMDEV_OPS_F_LAG_SHARED_STATE,", "right"),
        ({}, r".flags\1 XFRMDEV_OPS_F_LOWER_HANDLE,", "not handed on"),
        (MEMBERS, r".asks\1 true, .shares\1 true,", "right"),
        (MEMBERS, r".asks\1 true, .shares\1 false,", "not handed on"),
        (MEMBERS, r".asks\1 true,", "not handed on"),
    ],
)
def test_who_does_not_promise_to_share_gets_no_shared_state(
    changes: Changes, promises: str, outcome: str, tmp_path: Path
) -> None:
    tree = changed(lay("shared", tmp_path / "linux"), {**changes, STOAT: [(FLAGS, promises)]})
    assert not any("gets" in one.reason for one in checked(tree).unknown)
    used = [one.name for one in topologies()]
    (judged,) = judgements(analysis_of(Folder(tree)).store, lambda *_: "")
    rows = dict(zip(used, map(str, judged.outcomes), strict=True))
    assert rows["LAG, lower A"] == outcome
    assert rows["active-backup, active lower"] == "right"


PROTOTYPE = (
    "	unsigned long (*xdo_dev_state_lower_handle)(struct net_device *dev,\n"
    "						    struct xfrm_state *x,\n"
    "						    struct net_device *lower_dev);\n"
)
FILLED = "	.xdo_dev_state_lower_handle	= haze_xdo_lower_handle,\n};\n"
TABLE = "const struct xfrmdev_ops *xfrmdev_ops;\n"
UPPER = "const struct xfrm_upper_ops haze_upper_ops = { .at = haze_xdo_lower_handle };\n"
INSTALLS = "	netdev->xfrmdev_ops = &oak_xfrmdev_ops;\n"


def standing(kind: str, member: str, slot: str, filled: str) -> Changes:
    """Let the owner's callback stand in another struct than the ops table."""
    declared = PROTOTYPE.replace("xdo_dev_state_lower_handle", slot)
    into = ("struct net_device_ops {\n", f"struct net_device_ops {{\n{declared}")
    if kind != "net_device_ops":
        into = ("struct net_device_ops {\n", f"struct {kind} {{\n{declared}}};\n\n{into[0]}")
    hung = (TABLE, f"{TABLE}	const struct {kind} *{member};\n")
    return {
        NETDEVICE: [(PROTOTYPE, ""), into, *([hung] if member != "netdev_ops" else [])],
        XFRM: [
            ("const struct xfrmdev_ops *ops;", f"const struct {kind} *ops;"),
            ("owner->xfrmdev_ops", f"owner->{member}"),
            ("ops->xdo_dev_state_lower_handle", f"ops->{slot}"),
        ],
        HAZE: [(FILLED, f"}};\n\n{filled}")],
    }


OWN_STRUCT = standing("xfrm_upper_ops", "upper_ops", "at", UPPER)
BY_POSITION = standing(
    "xfrm_upper_ops",
    "upper_ops",
    "at",
    "const struct xfrm_upper_ops haze_upper_ops = { haze_xdo_lower_handle };\n",
)
BY_ASSIGNMENT = standing(
    "xfrm_upper_ops",
    "upper_ops",
    "at",
    "void haze_own(struct xfrm_upper_ops *ops)\n{\n	ops->at = haze_xdo_lower_handle;\n}\n",
)
AN_NDO = standing(
    "net_device_ops",
    "netdev_ops",
    "ndo_handle",
    "const struct net_device_ops haze_ndos = { .ndo_handle = haze_xdo_lower_handle };\n",
)
UNTESTED = ("if (ops && ops->ndo_handle)", "if (ops->ndo_handle)")
SLOT_UNTESTED = ("if (ops && ops->at)", "if (ops)")
TABLE_UNTESTED = ("if (ops && ops->at)", "if (ops->at)")
# What an upper has there besides it may be all that it has there.
MORE_THERE = ("struct xfrm_upper_ops {\n", "struct xfrm_upper_ops {\n	void (*told)(int);\n")
OF_FIRST = (
    "			handle = map->entries[i].handle;",
    "			handle = map->entries[0].handle;",
)
SLEEPS = ("	rcu_read_lock();\n	map", "	mutex_lock(&haze_lock);\n	map")
FILLS = (
    "static unsigned long oak_at(struct net_device *d, struct xfrm_state *x, struct net_device *l)"
)
LOWER_FILLS = (
    "void oak_ipsec_init(",
    f"{FILLS}\n{{\n	return 0;\n}}\n\n"
    "const struct xfrm_upper_ops oak_upper_ops = { .at = oak_at };\n\nvoid oak_ipsec_init(",
)
# Another struct with a member of that name is none.
LOWER_HAS_ITS_OWN = (
    "void oak_ipsec_init(",
    f"struct oak_places {{ unsigned long (*at)(int); }};\n\n{FILLS}\n{{\n	return 0;\n}}\n\n"
    "const struct oak_places oak_places = { .at = oak_at };\n\nvoid oak_ipsec_init(",
)


@pytest.mark.parametrize(
    ("changes", "more", "wanted"),
    [
        (OWN_STRUCT, {}, []),
        (BY_POSITION, {}, []),
        (BY_ASSIGNMENT, {}, []),
        (AN_NDO, {}, []),
        (AN_NDO, {XFRM: [UNTESTED]}, []),
        (OWN_STRUCT, {OAK: [LOWER_HAS_ITS_OWN]}, []),
        (OWN_STRUCT, {XFRM: [SLOT_UNTESTED]}, []),
        (OWN_STRUCT, {NETDEVICE: [MORE_THERE]}, []),
        (
            OWN_STRUCT,
            {NETDEVICE: [MORE_THERE], XFRM: [SLOT_UNTESTED]},
            [("RESOLVER_MISMATCH", XFRM)],
        ),
        (OWN_STRUCT, {XFRM: [TABLE_UNTESTED]}, [("RESOLVER_MISMATCH", XFRM)]),
        (OWN_STRUCT, {HAZE: [OF_FIRST]}, [("RESOLVER_MISMATCH", HAZE)]),
        (BY_POSITION, {HAZE: [OF_FIRST]}, [("RESOLVER_MISMATCH", HAZE)]),
        (AN_NDO, {HAZE: [OF_FIRST]}, [("RESOLVER_MISMATCH", HAZE)]),
        (AN_NDO, {HAZE: [SLEEPS]}, [("RESOLVER_MAY_SLEEP", HAZE)]),
        (BY_ASSIGNMENT, {HAZE: [SLEEPS]}, [("RESOLVER_MAY_SLEEP", HAZE)]),
        (OWN_STRUCT, {OAK: [LOWER_FILLS]}, [("LOWER_DEFINES_RESOLVER", OAK)]),
    ],
)
def test_the_owners_callback_can_stand_in_another_struct(
    changes: Changes, more: Changes, wanted: list[tuple[str, str]], tmp_path: Path
) -> None:
    both = {path: [*changes.get(path, ()), *more.get(path, ())] for path in {**changes, **more}}
    report = checked(laid(tmp_path, both))
    assert [(f.type, f.path) for f in report.findings] == wanted
    assert [u.reason for u in report.unknown if u.path == XFRM] == []


def test_a_callback_that_is_not_understood_is_no_finding_of_the_resolver(tmp_path: Path) -> None:
    asks: Changes = {
        **OWN_STRUCT,
        NETDEVICE: [
            *OWN_STRUCT[NETDEVICE],
            (r"\(\*at\)\(struct net_device \*dev,\s*struct xfrm_state \*x,", "(*at)(void *x,"),
        ],
        XFRM: [*OWN_STRUCT[XFRM], ("ops->at(owner, x, lower_dev)", "ops->at(x, lower_dev)")],
    }
    report = checked(laid(tmp_path, asks))
    assert [(f.type, f.path) for f in report.findings] == []
    assert any("upper_ops" in u.reason for u in report.unknown if u.path == XFRM)


DEVICES = "	struct net_device	*real_dev;\n"
PINNED_NOWHERE = [
    (DEVICES, ""),
    ("	struct net_device *real = READ_ONCE(x->xso.real_dev);\n", ""),
    ("return real == lower_dev ? handle : 0;", "return 0;"),
]
GIVES_IT_ALL = ("return 0;\n}\n\nstatic inline bool", "return handle;\n}\n\nstatic inline bool")
CALLS_FIRST = [
    ("	if (owner == lower_dev)\n		return handle;\n\n	ops", "	ops"),
    ("return 0;\n}\n\nstatic", "return owner == lower_dev ? handle : 0;\n}\n\nstatic"),
]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        pytest.param(PINNED_NOWHERE, [], id="right"),
        pytest.param([*PINNED_NOWHERE, *CALLS_FIRST], [], id="the callback is asked first"),
        pytest.param(
            [*PINNED_NOWHERE, GIVES_IT_ALL], [("RESOLVER_MISMATCH", XFRM)], id="to everybody"
        ),
        pytest.param(
            PINNED_NOWHERE[2:], [("RESOLVER_MISMATCH", XFRM)], id="a member, which nobody reads"
        ),
    ],
)
def test_a_state_that_names_no_lower_is_answered_for_by_a_callback_alone(
    changes: Sequence[tuple[str, str]], wanted: list[tuple[str, str]], tmp_path: Path
) -> None:
    report = checked(laid(tmp_path, {XFRM: changes}))
    assert [(f.type, f.path) for f in report.findings] == wanted


# The map hangs on the state, and the resolver itself looks into it: there is no callback.
MAP = (
    "struct xfrm_entry {\n	struct net_device *dev;\n	unsigned long handle;\n};\n\n"
    "struct xfrm_map {\n	struct rcu_head rcu;\n	unsigned int count;\n"
    "	struct xfrm_entry entries[8];\n};\n\nstruct xfrm_dev_offload {"
)
LOOKS = (
    "	map = rcu_dereference(x->xso.lowers);\n	for (i = 0; map && i < map->count; i++)\n"
    "		if (map->entries[i].dev == lower_dev)\n			return map->entries[i].handle;\n"
)
ON_STATE: Changes = {
    NETDEVICE: [(PROTOTYPE, "")],
    XFRM: [
        ("struct xfrm_dev_offload {", MAP),
        (r"void __rcu\s*\*upper_priv", "struct xfrm_map __rcu *lowers"),
        (r"\bupper_priv\b", "lowers"),
        (r"const struct xfrmdev_ops \*ops;", "const struct xfrm_map *map;\n	unsigned int i;"),
        (r"	ops = owner->xfrmdev_ops;\n.*\n.*lower_dev\);\n", LOOKS),
    ],
    STATES: [(r"\bupper_priv\b", "lowers")],
    HAZE: [
        (r"\bupper_priv\b", "lowers"),
        (r"\bstruct haze_map\b", "struct xfrm_map"),
        (FILLED, "};\n"),
    ],
}


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("x->xso.offload_handle = 0;", "x->xso.offload_handle = 0;", []),
        (
            "		x->xso.offload_handle = map->entries[i].handle;\n",
            "",
            [("UPPER_STALE_HANDLE", HAZE)],
        ),
        (
            "		x->xso.offload_handle = map->entries[i].handle;\n",
            "		x->xso.offload_handle = map->entries[0].handle;\n",
            [("UPPER_STALE_HANDLE", HAZE)],
        ),
    ],
)
def test_a_map_can_hang_on_the_state(
    old: str, new: str, wanted: list[tuple[str, str]], tmp_path: Path
) -> None:
    tree = laid(tmp_path, ON_STATE)
    text = (tree / HAZE).read_text("utf-8")
    assert old in text
    (tree / HAZE).write_text(text.replace(old, new), "utf-8")
    assert [(f.type, f.path) for f in checked(tree).findings] == wanted


FREED = "	RCU_INIT_POINTER(x->xso.upper, NULL);\n"


def typed(member: str) -> Changes:
    """Return the changes by which the owner's own is called upper, and declared otherwise."""
    pair = (r"\bupper_priv\b", "upper")
    return {
        XFRM: [
            ("void __rcu		*upper_priv;", member),
            pair,
            ("struct xfrm_dev_offload {", "struct xfrm_upper { int refs; };\n\n" + OFFLOAD),
        ],
        STATES: [pair],
        HAZE: [pair, ("x->xso.upper, map)", "x->xso.upper, (void *)map)")],
    }


OFFLOAD = "struct xfrm_dev_offload {"
OWNS = "struct xfrm_upper __rcu *upper;"


@pytest.mark.parametrize(
    ("path", "old", "new", "wanted"),
    [
        (STATES, "", "", []),
        (STATES, FREED, "", [("UPPER_PRIV_NOT_CLEARED", STATES)]),
        (STATES, FREED, "	x->xso.upper = NULL;\n", [("UPPER_PRIV_RCU", STATES)]),
        (XFRM, " || rcu_access_pointer(x->xso.upper)", "", [("OFFLOAD_OK_IGNORES_UPPER", XFRM)]),
        (
            OAK_TX,
            "	if (!sa)\n",
            "	if (!sa || rcu_access_pointer(x->xso.upper))\n",
            [("UPPER_PRIV_ACCESS", OAK_TX)],
        ),
    ],
)
def test_the_owners_own_can_have_a_type(
    path: str, old: str, new: str, wanted: list[tuple[str, str]], tmp_path: Path
) -> None:
    tree = laid(tmp_path, typed(OWNS))
    text = (tree / path).read_text("utf-8")
    assert old in text
    (tree / path).write_text(text.replace(old, new, 1), "utf-8")
    report = checked(tree)
    assert [(f.type, f.path) for f in report.findings] == wanted
    assert not any("was not recognised" in one.reason for one in report.unknown)


# Whoever stores there besides an owner, nobody knows what it is for.
LOWERS_TOO = ("	*sa_index = ", "	WRITE_ONCE(x->xso.upper, 1);\n	*sa_index = ")
STORED = ("rcu_assign_pointer(x->xso.upper, (void *)map)", "list_add(&map->list, &x->xso.upper)")


@pytest.mark.parametrize(
    ("member", "more"),
    [
        ("struct list_head upper;", {HAZE: [STORED]}),
        ("unsigned long upper;", {OAK_TX: [LOWERS_TOO]}),
        # Nor where the core does nothing about it.
        (
            "unsigned long upper;",
            {STATES: [(FREED, "")], XFRM: [(" || rcu_access_pointer(x->xso.upper)", "")]},
        ),
    ],
)
def test_what_may_be_the_owners_own_is_told(member: str, more: Changes, tmp_path: Path) -> None:
    report = checked(changed(laid(tmp_path, typed(member)), more))
    named = [one for one in report.unknown if "was not recognised" in one.reason]
    assert [one.reason.split()[1] for one in named] == ["upper"]
    assert all(one.path == XFRM and one.line for one in named)
    assert "UPPER_PRIV_ACCESS" not in {one.type for one in report.findings}


OUT = "	rcu_assign_pointer(x->xso.upper_out, map);\n"
# An owner keeps two pointers, each for one direction.
TWO: Changes = {
    XFRM: [
        (
            "	void __rcu		*upper_priv;\n",
            "	void __rcu *upper_out;\n	void __rcu *upper_priv;\n",
        ),
        ("(x->xso.upper_priv);", "(x->xso.upper_priv) || rcu_access_pointer(x->xso.upper_out);"),
    ],
    STATES: [
        (
            "	RCU_INIT_POINTER(x->xso.upper_priv, NULL);\n",
            "	RCU_INIT_POINTER(x->xso.upper_priv, NULL);\n"
            "	RCU_INIT_POINTER(x->xso.upper_out, NULL);\n",
        )
    ],
    HAZE: [
        (
            "		rcu_assign_pointer(x->xso.upper_priv, map);\n",
            "		haze_publish(x, map);\n",
        ),
        (
            "static int haze_xdo_add(",
            "static void haze_publish(struct xfrm_state *x, struct haze_map *map)\n{\n"
            f"{OUT}	rcu_assign_pointer(x->xso.upper_priv, map);\n}}\n\nstatic int haze_xdo_add(",
        ),
    ],
}


@pytest.mark.parametrize("name", ["upper_priv", "upper_out"])
@pytest.mark.parametrize(
    ("path", "old", "new", "wanted"),
    [
        (STATES, "", "", []),
        (STATES, "	RCU_INIT_POINTER(x->xso.NAME, NULL);\n", "", ["UPPER_PRIV_NOT_CLEARED"]),
        (HAZE, "rcu_assign_pointer(x->xso.NAME, map)", "x->xso.NAME = map", ["UPPER_PRIV_RCU"]),
        (OAK_TX, "if (!sa)", "if (!sa || rcu_access_pointer(x->xso.NAME))", ["UPPER_PRIV_ACCESS"]),
    ],
)
def test_an_owner_can_keep_two_pointers_of_its_own(
    path: str, old: str, new: str, wanted: list[str], name: str, tmp_path: Path
) -> None:
    old, new = (one.replace("NAME", name) for one in (old, new))
    report = checked(changed(laid(tmp_path, TWO), {path: [(old, new)]} if old else {}))
    assert [(f.type, f.path) for f in report.findings] == [(one, path) for one in wanted]
    assert [one.reason for one in report.unknown] == []


# An owner of one lower device, which keeps no pointer in the state.
SINGLE_OWNER = """// SPDX-License-Identifier: GPL-2.0
#include "haze.h"

static int haze_xdo_add(struct net_device *dev, struct xfrm_state *x,
			struct netlink_ext_ack *extack)
{
	struct haze_bond *bond = netdev_priv(dev);
	struct haze_slave *slave = rtnl_dereference(bond->active);
	const struct xfrmdev_ops *ops = slave ? slave->dev->xfrmdev_ops : NULL;
	int err;

	if (!ops || !(ops->flags & XFRMDEV_OPS_F_LOWER_HANDLE))
		return -EOPNOTSUPP;
	err = ops->xdo_dev_state_add(slave->dev, x, extack);
	if (err)
		return err;
	x->xso.real_dev = slave->dev;
	SETS;
	return 0;
}

static unsigned long haze_xdo_lower_handle(struct net_device *dev, struct xfrm_state *x,
					   struct net_device *lower_dev)
{
	return READ_ONCE(x->xso.real_dev) == lower_dev ? READ_ONCE(x->xso.offload_handle) : 0;
}

const struct xfrmdev_ops haze_xfrmdev_ops = {
	.xdo_dev_state_add		= haze_xdo_add,
	.xdo_dev_state_lower_handle	= haze_xdo_lower_handle,
};
"""
CLEARS = "	CLEARED;\n"


@pytest.mark.parametrize(
    ("member", "sets", "clears", "counts"),
    [
        ("bool upper;", "WRITE_ONCE(x->xso.upper, true)", "WRITE_ONCE(x->xso.upper, false)", ""),
        ("u32 upper;", "x->xso.upper = bond->ids", "x->xso.upper = 0", ""),
        (
            "unsigned long upper[2];",
            "WRITE_ONCE(x->xso.upper[1], x->xso.offload_handle)",
            "memset(x->xso.upper, 0, sizeof(x->xso.upper))",
            "[1]",
        ),
        ("struct xfrm_upper *upper;", "x->xso.upper = bond->upper", "x->xso.upper = NULL", ""),
    ],
)
@pytest.mark.parametrize(
    ("path", "old", "new", "wanted"),
    [
        (STATES, "", "", []),
        (STATES, CLEARS, "", ["UPPER_PRIV_NOT_CLEARED"]),
        (XFRM, " || READ_ONCE(x->xso.upperAT)", "", ["OFFLOAD_OK_IGNORES_UPPER"]),
        (OAK_TX, "if (!sa)", "if (!sa || x->xso.upperAT)", ["UPPER_PRIV_ACCESS"]),
    ],
)
def test_what_an_owner_keeps_of_its_own_need_be_no_pointer_under_rcu(
    path: str,
    old: str,
    new: str,
    wanted: list[str],
    member: str,
    sets: str,
    clears: str,
    counts: str,
    tmp_path: Path,
) -> None:
    told = {"AT": counts, CLEARS: f"	{clears};\n"}
    old, new = (told.get(one, one).replace("AT", counts) for one in (old, new))
    tree = lay("rfc", tmp_path / "linux")
    for name in ("upper-with-resolver", "rfc-converted"):
        shutil.copytree(FIXTURES / name, tree, dirs_exist_ok=True)
    (tree / HAZE).write_text(SINGLE_OWNER.replace("SETS", sets), "utf-8")
    changes: Changes = {
        XFRM: [
            ("void __rcu		*upper_priv;", member),
            ("rcu_access_pointer(x->xso.upper_priv)", f"READ_ONCE(x->xso.upper{counts})"),
        ],
        STATES: [("	RCU_INIT_POINTER(x->xso.upper_priv, NULL);\n", f"	{clears};\n")],
    }
    tree = changed(changed(tree, changes), {path: [(old, new)]} if old else {})
    report = checked(tree)
    assert [(f.type, f.path) for f in report.findings] == [(one, path) for one in wanted]
    reasons = [one.reason for one in report.unknown if one.path in (XFRM, STATES)]
    assert reasons == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # The owner clears it itself.
        (
            "const struct xfrmdev_ops haze",
            "static void haze_xdo_free(struct net_device *dev, struct xfrm_state *x)\n"
            "{\n	x->xso.upper = 0;\n}\n\nconst struct xfrmdev_ops haze",
        ),
        # Whoever finds it looks at the lower device alone.
        (" || READ_ONCE(x->xso.upper);", ";"),
    ],
)
def test_a_number_that_may_do_no_harm_may_be_left_behind(
    old: str, new: str, tmp_path: Path
) -> None:
    tree = lay("rfc", tmp_path / "linux")
    for name in ("upper-with-resolver", "rfc-converted"):
        shutil.copytree(FIXTURES / name, tree, dirs_exist_ok=True)
    (tree / HAZE).write_text(SINGLE_OWNER.replace("SETS", "x->xso.upper = 1"), "utf-8")
    changes: Changes = {
        XFRM: [
            ("void __rcu		*upper_priv;", "u32 upper;"),
            ("rcu_access_pointer(x->xso.upper_priv)", "READ_ONCE(x->xso.upper)"),
            ("(!owner || !lower_dev)", "(!owner || !lower_dev || READ_ONCE(x->xso.upper) > 9)"),
        ],
        STATES: [("	RCU_INIT_POINTER(x->xso.upper_priv, NULL);\n", "")],
    }
    path = XFRM if "READ_ONCE" in old else HAZE
    report = checked(changed(changed(tree, changes), {path: [(old, new)]}))
    assert "UPPER_PRIV_NOT_CLEARED" not in {f.type for f in report.findings}
    assert any("upper may be left behind" in one.reason for one in report.unknown)


TAKES_HANDLE = "	if (!owner || !lower_dev)\n		return 0;\n"
ONLY_THEN = "	if (ops && static_branch_unlikely(&xfrm_uppers) && ops->"
IS_SET = "\nvoid xfrm_upper_begins(void)\n{\n	static_branch_inc(&xfrm_uppers);\n}\n"


@pytest.mark.parametrize(
    ("begins", "more", "old", "new", "findings", "reason"),
    [
        ("TRUE", "", "	if (ops && ops->", ONLY_THEN, [], ""),
        ("FALSE", "", "	if (ops && ops->", ONLY_THEN, [("RESOLVER_MISMATCH", XFRM)], ""),
        ("FALSE", IS_SET, "	if (ops && ops->", ONLY_THEN, [], "as xfrm_uppers is on"),
        # Whatever it is, the answer is the same.
        (
            "FALSE",
            IS_SET,
            TAKES_HANDLE,
            f"	if (!static_branch_likely(&xfrm_uppers) && !owner)\n		return 0;\n"
            f"{TAKES_HANDLE}",
            [],
            "",
        ),
    ],
)
def test_a_static_key_of_the_core_is_as_it_begins_or_either(
    begins: str,
    more: str,
    old: str,
    new: str,
    findings: list[tuple[str, str]],
    reason: str,
    tmp_path: Path,
) -> None:
    tree = laid(tmp_path, {XFRM: [(old, new)]})
    state = tree / "net/xfrm/xfrm_state.c"
    key = f"\nDEFINE_STATIC_KEY_{begins}(xfrm_uppers);\n{more}"
    state.write_text(state.read_text("utf-8") + key, "utf-8")
    report = checked(tree)
    assert [(f.type, f.path) for f in report.findings] == findings
    reasons = [u.reason for u in report.unknown if u.path == XFRM]
    assert [reason in one for one in reasons] == [True] * bool(reason)


ENTRY = "const struct xfrm_dev_handle *"
# Who asks gets a pointer to what holds the handle, or NULL; the core keeps the list.
LISTED: Changes = {
    XFRM: [
        (r"unsigned long\n(xfrm_dev_state_lower)_handle", rf"{ENTRY}\n\1"),
        (r"one->handle;\n\treturn 0", "one;\n	return NULL"),
        (r"(lower_dev\)\n\t\treturn|\{\n\treturn) 0;", r"\1 NULL;"),
    ],
    OAK_TX: [
        (r"sa = .*_handle\(", "one = xfrm_dev_state_lower("),
        ("	struct oak_sa *sa;", f"	{ENTRY}one;"),
        ("if (!sa)", "if (!one)"),
        ("= sa->hw_index", "= ((struct oak_sa *)one->handle)->hw_index"),
    ],
}
TESTED = "	if (!one)\n		return false;\n"


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("", "", []),
        (TESTED, "", ["UNCHECKED_LOWER_HANDLE"]),
        ("(x, priv->netdev)", "(x, x->xso.dev)", ["OFFLOAD_DEV_ACCESS", "WRONG_LOWER_DEV"]),
        ("	*sa_index", "	priv->last = one;\n	*sa_index", ["HANDLE_OUTLIVES_PACKET"]),
    ],
)
def test_the_resolver_can_give_the_struct_that_holds_the_handle(
    old: str, new: str, wanted: list[str], tmp_path: Path
) -> None:
    tree = changed(lay_fixture("handles-listed", tmp_path / "linux"), LISTED)
    report = checked(changed(tree, {OAK_TX: [(old, new)]} if old else {}))
    assert [(f.type, f.path) for f in report.findings] == [(one, OAK_TX) for one in wanted]
    reasons = " ".join(one.reason for one in report.unknown if one.path == XFRM)
    assert "finds the handle in a struct xfrm_dev_handle, apart from xso" in reasons


# The resolver, and the owner's callback, give the struct in xso that holds the handle, or NULL.
SEAT = "const struct xfrm_seat *"
BY_SEAT: Changes = {
    NETDEVICE: [
        ("unsigned long (*xdo_dev_state_lower", f"{SEAT}(*xdo_dev_state_lower"),
        ("struct xfrmdev_ops {", "struct xfrm_seat;\n\nstruct xfrmdev_ops {"),
    ],
    XFRM: [
        *SEATED[XFRM],
        (rf"unsigned long\n({re.escape(HEAD)})", rf"{SEAT}\n\1"),
        (r"(lower_dev\)\n\t\treturn|\{\n\treturn) 0;", r"\1 NULL;"),
        ("		return handle;\n", "		return handle ? &x->xso.seat : NULL;\n"),
        ("real == lower_dev ? handle : 0", "handle && real == lower_dev ? &x->xso.seat : NULL"),
    ],
    HAZE: [
        (r"(entries\[\S+\]\.)handle", r"\1seat.offload_handle"),
        *HAZE_SOURCE,
        ("unsigned long haze_xdo", f"{SEAT}haze_xdo"),
        ("	unsigned long handle = 0;", f"	{SEAT}seat = NULL;"),
        ("	handle = map->entries[i].seat.offload_handle;", "	seat = &map->entries[i].seat;"),
        ("	return handle;", "	return seat;"),
    ],
    "drivers/net/haze/haze.h": [("unsigned long handle;", "struct xfrm_seat seat;")],
    OAK: SEATED[OAK],
    OAK_TX: [
        ("	struct oak_sa *sa;", f"	{SEAT}seat;\n	struct oak_sa *sa;"),
        ("sa = (struct oak_sa *)", "seat = "),
        (
            "	if (!sa)",
            "	sa = seat ? (struct oak_sa *)seat->offload_handle : NULL;\n	if (!sa)",
        ),
    ],
}
UNTYPED = {**BY_SEAT, XFRM: [*BY_SEAT[XFRM], (SEAT, "const void *")]}
IF_OWN = "handle ? &x->xso.seat : NULL"
IF_REAL = "handle && real == lower_dev ? &x->xso.seat : NULL"
KEPT = "seat = &map->entries[i].seat;"
# Or they give where the handle itself lies.
BY_PLACE: Changes = {
    NETDEVICE: [("unsigned long (*xdo_dev_state_lower", "unsigned long *(*xdo_dev_state_lower")],
    XFRM: [
        (rf"unsigned long\n({re.escape(HEAD)})", r"unsigned long *\n\1"),
        *BY_SEAT[XFRM][-3:-2],
        ("		return handle;\n", "		return handle ? &x->xso.offload_handle : NULL;\n"),
        (
            "real == lower_dev ? handle : 0",
            "handle && real == lower_dev ? &x->xso.offload_handle : NULL",
        ),
    ],
    HAZE: [
        ("unsigned long haze_xdo", "unsigned long *haze_xdo"),
        ("	unsigned long handle = 0;", "	unsigned long *handle = NULL;"),
        ("	handle = map", "	handle = &map"),
    ],
    OAK_TX: [
        ("	struct oak_sa *sa;", "	unsigned long *seat;\n	struct oak_sa *sa;"),
        ("sa = (struct oak_sa *)", "seat = "),
        ("	if (!sa)", "	sa = seat ? (struct oak_sa *)*seat : NULL;\n	if (!sa)"),
    ],
}


@pytest.mark.parametrize(
    ("given", "path", "old", "new", "wanted", "reason"),
    [
        (BY_SEAT, XFRM, "", "", [], ""),
        # It is read where it is used.
        (BY_SEAT, XFRM, IF_OWN, "&x->xso.seat", [], ""),
        (BY_SEAT, XFRM, IF_REAL, "&x->xso.seat", [("RESOLVER_MISMATCH", XFRM)], ""),
        (BY_SEAT, HAZE, KEPT, KEPT.replace("[i]", "[0]"), [("RESOLVER_MISMATCH", HAZE)], ""),
        # Whatever it leads to.
        (UNTYPED, XFRM, IF_OWN, "x", [], "gives a pointer, and not to a handle"),
        (BY_PLACE, XFRM, "", "", [], ""),
        (
            BY_PLACE,
            HAZE,
            "&map->entries[i].handle",
            "&map->entries[0].handle",
            [("RESOLVER_MISMATCH", HAZE)],
            "",
        ),
    ],
)
def test_the_resolver_can_give_where_in_xso_the_handle_lies(
    given: Changes,
    path: str,
    old: str,
    new: str,
    wanted: list[tuple[str, str]],
    reason: str,
    tmp_path: Path,
) -> None:
    report = checked(changed(laid(tmp_path, given), {path: [(old, new)]} if old else {}))
    assert [(f.type, f.path) for f in report.findings] == wanted
    reasons = [one.reason for one in report.unknown if one.path == XFRM]
    assert [reason in one for one in reasons] == [True] * bool(reason)


# Where the state is, and under which handle, hangs on it.
HUNG: Changes = {
    XFRM: [
        (
            "struct xfrm_dev_offload {",
            "struct xfrm_seat {\n	struct net_device	*dev;\n	unsigned long		handle;\n};\n\n"
            "struct xfrm_dev_offload {",
        ),
        (
            r"\tstruct net_device\t\*real_dev;\n\tunsigned long\t\toffload_handle;\n",
            "	struct xfrm_seat __rcu	*seat;\n",
        ),
        ("	void __rcu		*upper_priv;\n", ""),
        (
            r"\tunsigned long handle = READ_ONCE.*\n.*real_dev\);\n",
            "	struct xfrm_seat *seat = rcu_dereference(x->xso.seat);\n",
        ),
        (
            "		return handle;\n\n	ops",
            "		return seat ? seat->handle : 0;\n\n	ops",
        ),
        ("real == lower_dev ? handle : 0", "seat && seat->dev == lower_dev ? seat->handle : 0"),
        (
            "x->xso.offload_handle || rcu_access_pointer(x->xso.upper_priv)",
            "rcu_access_pointer(x->xso.seat)",
        ),
    ],
    NETDEVICE: [
        (
            r"(\(\*\w+_add\)\(struct net_device \*dev, struct xfrm_state \*x,)",
            r"\1 unsigned long *handle,",
        )
    ],
    OAK: [
        ("x->xso.offload_handle", "*handle"),
        (
            r"(_add\w*\(struct net_device \*dev, struct xfrm_state \*x,)",
            r"\1 unsigned long *handle,",
        ),
        ("xp->xdo.offload_handle", "0UL"),
    ],
}


@pytest.mark.parametrize("direct", [False, True])
def test_what_leads_to_the_handle_is_not_the_owners_own(direct: bool, tmp_path: Path) -> None:
    tree = lay_fixture("rfc-converted", tmp_path / "linux")
    read = (r"xfrm_dev_state_lower_handle\(.*\);", "rcu_dereference(x->xso.seat)->handle;")
    report = checked(changed(tree, {**HUNG, **({OAK_TX: [read]} if direct else {})}))
    types = [f.type for f in report.findings if f.path == OAK_TX]
    assert types == ["DIRECT_OFFLOAD_HANDLE"] * direct
    assert [f.path for f in report.findings if f.path.startswith(("include", "net/"))] == []
    reasons = " ".join(one.reason for one in report.unknown if one.path == XFRM)
    assert "seat leads to the handle, which lies in a struct xfrm_seat" in reasons
