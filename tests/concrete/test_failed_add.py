"""What the core's add clears where the owner refuses a state that it has already pinned."""

from pathlib import Path

import pytest

from tests.laid import lay_example
from xfrmlint.analysis.parts import reader_of
from xfrmlint.concrete.core import add_clears
from xfrmlint.tree.folder import Folder

EXAMPLE = """\
/* over shared */
/* net/xfrm/xfrm_device.c */
#include <linux/netdevice.h>
#include <net/xfrm.h>

static void xfrm_dev_forget(struct xfrm_dev_offload *xso)
{
%s}

int xfrm_dev_state_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	const struct xfrmdev_ops *ops = dev->xfrmdev_ops;
	int err;

	if (!ops || !ops->xdo_dev_state_add)
		return -EINVAL;
	WRITE_ONCE(x->xso.dev, dev);
	WRITE_ONCE(x->xso.state_ops, ops);
	err = ops->xdo_dev_state_add(dev, x, extack);
	if (err)
		xfrm_dev_forget(&x->xso);
	return err;
}
"""


@pytest.mark.parametrize(
    ("cleared", "reason"),
    [
        ("dev state_ops", ""),
        # The owner knows what it has left, and the field alone says that there is a handle.
        ("dev state_ops offload_handle", ""),
        ("dev state_ops offload_handle real_dev real_ops", ""),
        ("dev state_ops offload_handle real_dev", "and leaves real_ops behind"),
        ("dev state_ops offload_handle real_ops", "and leaves real_dev behind"),
        ("dev state_ops real_dev real_ops", "and leaves offload_handle behind"),
        ("dev offload_handle real_dev real_ops", "leaves state_ops where it fails"),
    ],
)
def test_what_is_forgotten(cleared: str, reason: str, tmp_path: Path) -> None:
    stores = "".join(f"\tWRITE_ONCE(xso->{name}, 0);\n" for name in cleared.split())
    lay_example(EXAMPLE % stores, tmp_path)
    found = add_clears(reader_of(Folder(tmp_path)))
    assert found is not None
    assert found.ok is not bool(reason)
    assert found.reason.endswith(reason)


OWN = "WRITE_ONCE(x->xso.dev, NULL); WRITE_ONCE(x->xso.state_ops, NULL);"
FORGET = "xfrm_dev_forget(&x->xso);"
BEFORE = "WRITE_ONCE(x->xso.dev, dev);"
ALL = "offload_handle real_dev real_ops"


@pytest.mark.parametrize(
    ("calls", "cleared", "ok", "reason"),
    [
        (f"{FORGET} {OWN}", ALL, True, ""),
        (f"{FORGET} {OWN}", "offload_handle real_dev", False, "and leaves real_ops behind"),
        # Nobody sees into these.
        (
            f"xfrm_unseen(x); x->xso.real_dev = NULL; {OWN}",
            "",
            None,
            "unless xfrm_unseen() clears it",
        ),
        (f"xfrm_unseen(dev); x->xso.real_dev = NULL; {OWN}", "", False, "real_ops behind"),
        (f"x->xso.real_dev = NULL; {OWN}", "", False, "real_ops behind"),
    ],
)
def test_a_helper_can_stand_in_another_file_of_the_core(
    calls: str, cleared: str, ok: bool | None, reason: str, tmp_path: Path
) -> None:
    head = "void xfrm_dev_forget(struct xfrm_dev_offload *xso)"
    stores = "".join(f" WRITE_ONCE(xso->{name}, 0);" for name in cleared.split())
    example = (
        EXAMPLE[: EXAMPLE.index("static")] + EXAMPLE[EXAMPLE.index("int xfrm_dev_state_add") :]
    )
    example = example.replace(f"\t\t{FORGET}", f"\t{{ {calls} }}")
    lay_example(example.replace(BEFORE, f"xfrm_seen_before(x); {BEFORE}"), tmp_path)
    for path, more in (("include/net/xfrm.h", ";"), ("net/xfrm/xfrm_state.c", f"\n{{{stores} }}")):
        text = (tmp_path / path).read_text("utf-8")
        (tmp_path / path).write_text(f"{text}\n{head}{more}\n", "utf-8")
    found = add_clears(reader_of(Folder(tmp_path)))
    assert found is not None
    assert (found.ok, found.reason.endswith(reason)) == (ok, True), found
