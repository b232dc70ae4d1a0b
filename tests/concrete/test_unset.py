"""A number in an owner's private data that nobody sets is 0; one that somebody may set is open."""

from pathlib import Path

import pytest

from tests.asked import report_on
from tests.laid import FIXTURES, lay
from xfrmlint.tree.folder import Folder

HAZE = "drivers/net/haze"
MEMBER = "	struct mutex ipsec_lock;\n};"
FIRST = (
    "	rcu_read_lock();\n	map = rcu_dereference(x->xso.upper_priv);\n	for (i = 0; map &&"
)
INIT = "	INIT_LIST_HEAD(&bond->slaves);\n"
BUSY = "	if (READ_ONCE(bond->busy))\n		return 0;\n"
CALLED = "	if (haze_busy(bond))\n		return 0;\n"
HELPER = "static bool haze_busy(const struct haze_bond *b) { return b->busy > 2; }\n"
OTHER = "struct haze_timer { int busy; };\nvoid f(struct haze_timer *t) { t->busy = 1; }\n"


def findings(
    path: Path, asked: str, before: str = "", set_up: str = "", more: str = ""
) -> list[str]:
    """Return what is found where the resolver asks the owner for `busy` first."""
    tree = lay("rfc", path / "linux", FIXTURES / "upper-with-resolver")
    header, core, main = (tree / HAZE / f"haze{end}" for end in (".h", "_ipsec.c", "_main.c"))
    for file, old, new in (
        (header, MEMBER, MEMBER.replace("};", "	int busy;\n	u8 bytes[8];\n};")),
        (core, FIRST, f"{asked}{FIRST}"),
        (
            core,
            "	unsigned long handle = 0;\n",
            "	unsigned long handle = 0;\n	struct haze_bond *bond = netdev_priv(bond_dev);\n",
        ),
        (core, "static unsigned long haze_xdo_low", f"{before}static unsigned long haze_xdo_low"),
        (main, INIT, f"{INIT}{set_up}"),
        (main, "static int __init", f"{more}static int __init"),
    ):
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))
    return [f.type for f in report_on(Folder(tree)).findings]


@pytest.mark.parametrize(
    ("asked", "before", "set_up", "more"),
    [
        (BUSY, "", "", ""),
        ("	if (bond->busy > 2)\n		return 0;\n", "", "", ""),
        (CALLED, HELPER, "", ""),
        (BUSY, "", "", OTHER),
        (BUSY, "", "	memcpy(bond->bytes, dev->name, 8);\n", ""),
        (BUSY, "", '	pr_info("%d", bond->busy);\n', ""),
    ],
)
def test_a_number_that_nobody_sets_is_0(
    asked: str, before: str, set_up: str, more: str, tmp_path: Path
) -> None:
    assert findings(tmp_path, asked, before, set_up, more) == []


@pytest.mark.parametrize(
    ("set_up", "more"),
    [
        ("	bond->busy = 1;\n", ""),
        ("	bond->busy |= 1;\n", ""),
        ("	bond->busy++;\n", "static void g(struct haze_bond *b) { b->busy = 7; }\n"),
        ("	WRITE_ONCE(bond->busy, 1);\n", ""),
        ("	haze_mark(&bond->busy);\n", ""),
        ("	HAZE_MARK(bond);\n", "#define HAZE_MARK(b) ((b)->busy = 1)\n"),
        ("	HAZE_SET(bond, busy);\n", "#define HAZE_SET(b, m) ((b)->m = 1)\n"),
        ("	memcpy(bond, dev->name, sizeof(*bond));\n", ""),
        ("	memset(bond, 1, sizeof(*bond));\n", ""),
        ("	haze_unseen(bond);\n", ""),
        ("	haze_fill(bond);\n", "static void haze_fill(void *p) { memset(p, 1, 64); }\n"),
        ("	*bond = haze_first;\n", "extern struct haze_bond haze_first;\n"),
        ("	*(struct haze_bond *)netdev_priv(dev) = (struct haze_bond){ .dev = dev };\n", ""),
        ("", "<<<<<<< HEAD\n=======\n>>>>>>> theirs\n"),
    ],
)
def test_a_number_that_may_be_set_is_open(set_up: str, more: str, tmp_path: Path) -> None:
    assert findings(tmp_path, BUSY, "", set_up, more) == ["RESOLVER_MISMATCH"]
