"""Where a flow is handed to hardware, the resolver is asked for the device that it goes through."""

from pathlib import Path

import pytest

from tests.asked import report_on
from tests.laid import lay
from xfrmlint.tree.folder import Folder

FLOW = "drivers/net/stoat/stoat_flow.c"
BODY = """\
	if (x->xso.dir == XFRM_DEV_OFFLOAD_OUT)
		return xfrm_dev_state_lower_handle(x, stoat_flow_out(rule));
	return xfrm_dev_state_lower_handle(x, dev);
"""
OUT = "xfrm_dev_state_lower_handle(x, stoat_flow_out(rule))"
IN = "xfrm_dev_state_lower_handle(x, dev)"
ADD = "	/* 0 is no handle. */\n"


def told(tree: Path) -> tuple[list[str], list[str]]:
    report = report_on(Folder(tree))
    findings = [f.type for f in report.findings if f.path == FLOW]
    return findings, [u.reason for u in report.unknown if u.path == FLOW]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BODY, id="by the state's direction"),
        pytest.param(
            f"	if (x->xso.dir == XFRM_DEV_OFFLOAD_IN)\n		return {IN};\n	return {OUT};\n",
            id="inbound has left",
        ),
        pytest.param(
            f"	if (x->xso.dir != XFRM_DEV_OFFLOAD_IN) {{\n		return {OUT};\n	}} else {{\n"
            f"		return {IN};\n	}}\n",
            id="not inbound",
        ),
        pytest.param(
            "	struct net_device *at = x->xso.dir == XFRM_DEV_OFFLOAD_IN ? dev :\n"
            "				stoat_flow_out(rule);\n\n"
            "	return xfrm_dev_state_lower_handle(x, at);\n",
            id="a conditional expression",
        ),
        pytest.param(
            "	u8 dir = x->xso.dir;\n	struct net_device *at = dev;\n\n"
            "	if (rule && dir == XFRM_DEV_OFFLOAD_OUT)\n		at = stoat_flow_out(rule);\n"
            "	return xfrm_dev_state_lower_handle(x, at);\n",
            id="one variable",
        ),
        pytest.param(f"	return {IN};\n", id="the device that it came in by"),
    ],
)
def test_the_device_of_the_flow_is_silent(body: str, tmp_path: Path) -> None:
    assert told(_laid(tmp_path, body)) == ([], [])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"	return {OUT};\n", id="nobody asks for the direction"),
        pytest.param(
            f"	if (x->xso.dir == XFRM_DEV_OFFLOAD_IN)\n		return {OUT};\n	return {IN};\n",
            id="the wrong way round",
        ),
        pytest.param(
            f"	if (!(x->xso.dir == XFRM_DEV_OFFLOAD_OUT) && rule)\n		return {OUT};\n"
            f"	return {IN};\n",
            id="not outbound",
        ),
        pytest.param(
            "	struct net_device *at = x->xso.dir == XFRM_DEV_OFFLOAD_OUT ? dev :\n"
            "				stoat_flow_out(rule);\n\n"
            "	return xfrm_dev_state_lower_handle(x, at);\n",
            id="a conditional expression",
        ),
    ],
)
def test_the_device_that_an_inbound_flow_leaves_by_is_wrong(body: str, tmp_path: Path) -> None:
    assert told(_laid(tmp_path, body)) == (["WRONG_LOWER_DEV"], [])


@pytest.mark.parametrize(
    ("body", "add", "reason"),
    [
        pytest.param(
            f"	if (rule->action.num_entries == STOAT_IN)\n		return {OUT};\n	return {IN};\n",
            "",
            "comes in or leaves encrypted",
            id="another direction",
        ),
        pytest.param(
            f"	return {OUT};\n",
            "	if (x->xso.dir != XFRM_DEV_OFFLOAD_OUT)\n		return -EINVAL;\n",
            "comes in or leaves encrypted",
            id="add may refuse inbound",
        ),
        pytest.param(
            "	return xfrm_dev_state_lower_handle(x, stoat_found(rule));\n",
            "",
            "which device the resolver is asked for is not known",
            id="another device",
        ),
    ],
)
def test_what_is_not_told_is_unknown(body: str, add: str, reason: str, tmp_path: Path) -> None:
    findings, unknown = told(_laid(tmp_path, body, add))
    assert findings == []
    assert len(unknown) == 1
    assert reason in unknown[0]


CHECKED = "	if (!handle)\n		return -ENOENT;\n"
WRITTEN = (
    "	writel(handle, port->chip->regs + STOAT_FLOW_SA + stoat_slot_of(flow->cookie) * 4);\n"
)
KEPT = """\
struct stoat_flow { unsigned long cookie, sa; struct list_head list; };
struct stoat_entry { __le32 sa; __le32 info; };
static LIST_HEAD(stoat_flows);

int stoat_setup_tc("""


@pytest.mark.parametrize(
    ("checked", "written", "types"),
    [
        (CHECKED, WRITTEN, []),
        (
            CHECKED,
            "	e.sa = cpu_to_le32(handle);\n	memcpy_toio(port->chip->regs, &e, 8);\n",
            [],
        ),
        ("", WRITTEN, ["UNCHECKED_LOWER_HANDLE"]),
        (CHECKED, "	port->sa = handle;\n", ["HANDLE_OUTLIVES_PACKET"]),
        (
            CHECKED,
            "	f = kzalloc(sizeof(*f), GFP_KERNEL);\n	f->sa = handle;\n"
            "	list_add(&f->list, &stoat_flows);\n",
            ["HANDLE_OUTLIVES_PACKET"],
        ),
    ],
)
def test_a_flows_handle_is_tested_and_not_kept(
    checked: str, written: str, types: list[str], tmp_path: Path
) -> None:
    tree = _laid(tmp_path, BODY)
    _replace(tree / FLOW, "int stoat_setup_tc(", KEPT)
    _replace(tree / FLOW, CHECKED + WRITTEN, checked + written)
    variables = "	unsigned long handle;\n"
    more = "	struct stoat_flow *f;\n	struct stoat_entry e;\n"
    _replace(tree / FLOW, variables, variables + more)
    assert told(tree) == (types, [])


def _laid(path: Path, body: str, add: str = "") -> Path:
    tree = lay("shared", path / "linux")
    _replace(tree / FLOW, BODY, body)
    _replace(tree / "drivers/net/stoat/stoat_ipsec.c", ADD, add + ADD)
    return tree


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
