"""Trees that nobody has published: other prototypes, promises and places than those of the RFC."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.asked import analysis_of, report_on
from tests.laid import FIXTURES, lay
from tests.ran import run
from xfrmlint.analysis.judgement import judgements, topologies
from xfrmlint.findings import Report
from xfrmlint.tree.folder import Folder

XFRM, NETDEVICE = "include/net/xfrm.h", "include/linux/netdevice.h"
OAK, OAK_TX = "drivers/net/oak/oak_ipsec.c", "drivers/net/oak/oak_tx.c"
HAZE = "drivers/net/haze/haze_ipsec.c"
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
WRONG = ("return real == lower_dev ? handle : 0", "return handle")


def laid(path: Path, changes: Changes) -> Path:
    tree = lay("rfc", path / "linux")
    for name in ("upper-with-resolver", "rfc-converted"):
        shutil.copytree(FIXTURES / name, tree, dirs_exist_ok=True)
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


@pytest.mark.parametrize(
    ("promises", "outcome"),
    [
        (
            "XFRMDEV_OPS_F_LOWER_HANDLE |\n					  XFRMDEV_OPS_F_LAG_SHARED_STATE",
            "right",
        ),
        ("XFRMDEV_OPS_F_LOWER_HANDLE", "not handed on"),
    ],
)
def test_who_does_not_promise_to_share_gets_no_shared_state(
    promises: str, outcome: str, tmp_path: Path
) -> None:
    tree = lay("shared", tmp_path / "linux")
    ops = tree / "drivers/net/stoat/stoat_ipsec.c"
    text = ops.read_text("utf-8")
    both = "XFRMDEV_OPS_F_LOWER_HANDLE |\n					  XFRMDEV_OPS_F_LAG_SHARED_STATE"
    assert both in text
    ops.write_text(text.replace(both, promises), "utf-8")
    used = [one.name for one in topologies()]
    (judged,) = judgements(analysis_of(Folder(tree)).store, lambda *_: "")
    rows = dict(zip(used, map(str, judged.outcomes), strict=True))
    assert rows["LAG, lower A"] == outcome
    assert rows["active-backup, active lower"] == "right"
