"""A resolver that puts its handle where it is told to: its result tells whether there is one."""

import pytest

from tests.asked import report_on
from tests.flow.test_flow import HEADER, driver, said, traced
from tests.trees import FOO, tree
from xfrmlint.analysis.parts import reader_of
from xfrmlint.contract.words import RESULT, ZEROED

XFRM, NETDEVICE = "include/net/xfrm.h", "include/linux/netdevice.h"
NAME = "xfrm_dev_state_lower_handle"
RETURNS = f"""\
static inline unsigned long
{NAME}(struct xfrm_state *x, struct net_device *lower_dev)
{{
	return lower_dev ? READ_ONCE(x->xso.offload_handle) : 0;
}}
"""
SLOT = """\
	unsigned long (*xdo_dev_state_lower_handle)(struct net_device *dev, struct xfrm_state *x,
						    struct net_device *lower_dev);
"""
ASK = "ops->xdo_dev_state_lower_handle(x->xso.dev, x, port, handle)"
OWN = "	unsigned long own = READ_ONCE(x->xso.offload_handle);\n"
OPS = "	const struct xfrmdev_ops *ops = READ_ONCE(x->xso.dev)->xfrmdev_ops;\n"
SAYS = f"""{OWN}{OPS}
	*handle = 0;
	if (!port)
		return false;
	if (port != x->xso.dev && ops->xdo_dev_state_lower_handle)
		return {ASK};
	*handle = own;
	return own != 0;
"""
FAILS = f"""{OWN}{OPS}
	if (!port)
		return -ENODEV;
	if (port != x->xso.dev && ops->xdo_dev_state_lower_handle)
		return {ASK};
	if (!own)
		return -ENOENT;
	*handle = own;
	return 0;
"""


def headers(body: str, result: str) -> dict[str, str]:
    """Return the headers of a kernel whose resolver has a body that answers through a pointer."""
    base = tree({})
    asked = f"""\
static inline {result}
{NAME}(struct net_device *port, struct xfrm_state *x, unsigned long *handle)
{{
{body}}}
"""
    slot = (
        f"	{result} (*xdo_dev_state_lower_handle)(struct net_device *dev, struct xfrm_state *x,\n"
        "		struct net_device *lower_dev, unsigned long *handle);\n"
    )
    xfrm, netdevice = base.read(XFRM).decode(), base.read(NETDEVICE).decode()
    assert RETURNS in xfrm
    assert SLOT in netdevice
    return {XFRM: xfrm.replace(RETURNS, asked), NETDEVICE: netdevice.replace(SLOT, slot)}


X = "struct xfrm_state *x = xfrm_input_state(skb);\n\tunsigned long h;\n\tint err;\n\t"
ASKED = f"{NAME}(dev, x, &h)"
DROP = "{ drop(skb); return NETDEV_TX_OK; }"
BOOL, INT = headers(SAYS, "bool"), headers(FAILS, "int")
TESTED = {"ask, 0", "ask, !0, use given to give()"}
LATE = {"ask, use given to give(), 0", "ask, use given to give(), !0"}
UNCHECKED = {"ask, use given to give()"}
WRAPPED = f"""\
static bool find(struct net_device *port, struct xfrm_state *x, unsigned long *h)
{{
	return {NAME}(port, x, h);
}}
"""
FETCHED = f"""\
static int fetch(struct net_device *port, struct xfrm_state *x, unsigned long *h)
{{
	unsigned long found;

	if (!{NAME}(port, x, &found))
		return -ENOENT;
	*h = found;
	return 0;
}}
"""
DROPS = """\
static bool dropped(struct sk_buff *skb, bool ok)
{
	if (!ok)
		drop(skb);
	return !ok;
}
"""
STORED = f"""\
static bool keep(struct net_device *port, struct xfrm_state *x, struct ring *ring)
{{
	return {NAME}(port, x, &ring->last);
}}
"""


@pytest.mark.parametrize(
    ("kernel", "statements", "outside", "wanted"),
    [
        (BOOL, f"if (!{ASKED}) {DROP} give(h);", "", TESTED),
        (BOOL, f"if ({ASKED}) give(h);", "", TESTED),
        (BOOL, f"bool ok = {ASKED}; if (!ok) {DROP} give(h);", "", TESTED),
        (BOOL, f"if ({ASKED} == false) {DROP} give(h);", "", TESTED),
        (BOOL, f"if (x && {ASKED} && h > 4) give(h);", "", TESTED | {"ask, !0"}),
        (BOOL, f"if (!find(dev, x, &h)) {DROP} give(h);", WRAPPED, TESTED),
        (BOOL, f"if (unlikely(!{ASKED})) goto out; give(h);\nout:", "", TESTED),
        (BOOL, f"struct md md = {{}}; if ({NAME}(dev, x, &md.h)) give(md.h);", "", TESTED),
        (BOOL, f"if (fetch(dev, x, &h)) {DROP} give(h);", FETCHED, TESTED),
        (BOOL, f"if (dropped(skb, {ASKED})) return NETDEV_TX_OK; give(h);", DROPS, TESTED),
        (BOOL, f"unsigned long *p = &h; if (!{NAME}(dev, x, p)) {DROP} give(h);", "", TESTED),
        (BOOL, f"unsigned long *p = &h; {NAME}(dev, x, p); give(*p);", "", UNCHECKED),
        (INT, f"err = busy() ? -EBUSY : {ASKED}; if (err) {DROP} give(h);", "", TESTED),
        (INT, f"err = {ASKED}; switch (err) {{ case 0: give(h); }}", "", TESTED),
        # What was computed with the result says nothing that is known.
        (
            BOOL,
            f"bool ok = busy(); ok &= {ASKED}; if (!ok) {DROP} give(h);",
            "",
            {"ask, compare", "ask, compare, use given to give()"},
        ),
        # What it stores where there is none is 0.
        (BOOL, f"{ASKED}; if (h) give(h);", "", TESTED),
        (BOOL, f"{ASKED}; give(h);", "", UNCHECKED),
        (BOOL, f"bool ok = {ASKED}; give(h); if (!ok) {DROP}", "", LATE),
        # The wrong way round.
        (BOOL, f"if ({ASKED}) {DROP} give(h);", "", {"ask, !0", "ask, 0, use given to give()"}),
        (INT, f"if ({ASKED}) {DROP} give(h);", "", TESTED),
        (INT, f"err = {ASKED}; if (err < 0) {DROP} give(h);", "", TESTED),
        (INT, f"err = {ASKED}; if (err != 0) {DROP} give(h);", "", TESTED),
        (INT, f"err = {ASKED}; if (err == 0) give(h);", "", TESTED),
        (INT, f"err = {ASKED}; if (!err) give(h);", "", TESTED),
        (
            INT,
            f"err = {ASKED}; if (err == -ENODEV) {DROP} give(h);",
            "",
            {"ask, 0", "ask, 0, use given to give()", "ask, !0, use given to give()"},
        ),
        (INT, f"h = 0; {ASKED}; if (h) give(h);", "", TESTED),
        # Nobody has stored anything where there is none.
        (
            INT,
            f"{ASKED}; if (h) give(h);",
            "",
            {"ask, compare", "ask, compare, use given to give()"},
        ),
        (INT, f"if (!{ASKED}) {DROP} give(h);", "", {"ask, !0", "ask, 0, use given to give()"}),
        (
            BOOL,
            f"if (!{NAME}(x->xso.real_dev, x, &h)) {DROP} give(h);",
            "",
            {"ask(xso.real_dev), 0", "ask(xso.real_dev), !0, use given to give()"},
        ),
        (
            BOOL,
            "struct priv *p = netdev_priv(dev); keep(dev, x, p->ring);",
            STORED,
            {"ask, store stored in ring->last"},
        ),
    ],
)
def test_the_result_tells_whether_there_is_a_handle(
    kernel: dict[str, str], statements: str, outside: str, wanted: set[str]
) -> None:
    found = traced({**driver(X + statements, outside), **kernel, HEADER: ""})
    ways = {said(path.events) for path in found.paths} - {""}
    assert ways == wanted


NOT_YET = ("yes", "no")
STORE = "\t*handle = own;\n"


@pytest.mark.parametrize(
    ("result", "body", "wanted"),
    [
        ("bool", SAYS, ("yes", "yes")),
        ("int", FAILS, ("yes", "no")),
        ("bool", f"{OWN}{STORE}\treturn true;\n", ("no", "no")),
        ("bool", f"{OWN}{STORE}\treturn own;\n", ("yes", "no")),
        ("bool", f"{OWN}{STORE}\treturn !!*handle;\n", ("yes", "no")),
        ("bool", f"{OWN}{STORE}\treturn own != 4;\n", ("unknown", "no")),
        ("int", f"{OWN}{STORE}\treturn own ? 0 : -ENOENT;\n", ("yes", "no")),
        ("int", f"{OWN}{STORE}\treturn 0;\n", ("no", "no")),
        # 1 is no error.
        ("int", f"{OWN}{STORE}\treturn own ? 1 : 0;\n", ("unknown", "no")),
        ("int", f"{OWN}\tif (port || !own)\n\t\treturn -1;\n{STORE}\treturn 0;\n", ("yes", "no")),
        ("int", f"{OWN}\tif (port && !own)\n\t\treturn -1;\n{STORE}\treturn 0;\n", ("no", "no")),
        # Only where it comes first there is always something in it.
        (
            "bool",
            f"{OWN}\tif (port)\n\t\treturn false;\n\t*handle = 0;\n\treturn false;\n",
            NOT_YET,
        ),
    ],
)
def test_what_the_result_tells_is_read_off_the_resolver(
    result: str, body: str, wanted: tuple[str, str]
) -> None:
    contract = reader_of(tree(headers(body, result))).contract
    assert contract.answer_at == 2
    assert (contract.says(RESULT), contract.says(ZEROED)) == wanted


LOST = f"{OWN}{OPS}\n\tif (!port)\n\t\treturn {ASK};\n\t*handle = own;\n\treturn true;\n"


@pytest.mark.parametrize(
    ("kernel", "statements", "types"),
    [
        (BOOL, f"if (!{ASKED}) {DROP} give(h);", []),
        (INT, f"if ({ASKED}) {DROP} give(h);", []),
        (BOOL, f"{ASKED}; give(h);", ["UNCHECKED_LOWER_HANDLE"]),
        (INT, f"if (!{ASKED}) {DROP} give(h);", ["UNCHECKED_LOWER_HANDLE"]),
        (BOOL, f"if (!{ASKED}) return NETDEV_TX_BUSY; give(h);", ["ZERO_HANDLE_TX_BUSY"]),
        (
            BOOL,
            f"if ({NAME}(x->xso.dev, x, &h)) give(h);",
            ["OFFLOAD_DEV_ACCESS", "WRONG_LOWER_DEV"],
        ),
        (INT, f"if (!{NAME}(NULL, x, &h)) give(h);", ["WRONG_LOWER_DEV"]),
        (
            BOOL,
            f"struct priv *p = netdev_priv(dev); if ({NAME}(dev, x, &p->ring->last)) drop(skb);",
            ["HANDLE_OUTLIVES_PACKET"],
        ),
        # Whether the handle that it says there is can be 0 is not known: neither is this.
        (headers(LOST, "bool"), f"if (!{ASKED}) {DROP} give(h);", []),
    ],
)
def test_findings_of_a_driver_that_asks_so(
    kernel: dict[str, str], statements: str, types: list[str]
) -> None:
    report = report_on(
        tree({"drivers/net/foo/Makefile": "obj-m += foo.o\n", **driver(X + statements), **kernel})
    )
    found = [f.type for f in report.findings if f.path == FOO]
    assert [one for one in found if one not in OTHERS] == types
    unclear = [one.reason for one in report.unknown if one.path == FOO]
    assert any("excludes 0" in reason for reason in unclear) == ("return true" in kernel[XFRM])


# What the driver around the statements has anyway.
OTHERS = {"TX_WITHOUT_XFRM_OFFLOAD"}
