"""Whether it can be ruled out that packets get a handle: C in, verdict and doubts out."""

import pytest

from tests.asked import analysis_of
from tests.trees import FOO, HEAD, tree
from xfrmlint.analysis.judgement import doubts_of, is_undecided

TABLE = "static const struct xfrmdev_ops foo_ops = { .xdo_dev_state_delete = del };\n"
DEL = "void del(struct net_device *dev, struct xfrm_state *x)"
OPS = "struct ops { void (*del)(struct net_device *dev, struct xfrm_state *x); };\n"
HOOK = "static void (*hook)(struct net_device *dev, struct xfrm_state *x);\n"
READ = "static long get(struct xfrm_state *x) { return x->xso.offload_handle; }\n"
GIVEN = "int nobody(void *f);\nint init(void) { return nobody(get); }\n"
OWN = f"static {DEL}\n{{\n}}\n"
POINTED = "as xdo_dev_state_delete it calls {}, and what that points to is not known"


def doubted(text: str) -> tuple[bool, list[str]]:
    """Return whether a driver is undecided, and what is open of its callback."""
    found = analysis_of(tree({FOO: HEAD + text, "drivers/net/foo/Makefile": "obj-m += foo.o\n"}))
    reasons = [one.reason for one in doubts_of(found.store, "foo") if one.function == "del"]
    return is_undecided(found.store, "foo"), reasons


def hook(more: str) -> str:
    return f"{HOOK}static {DEL}\n{{\n\tif (hook)\n\t\thook(dev, x);\n}}\n{more}{TABLE}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(OWN + TABLE, id="nothing is called"),
        pytest.param(
            f"void core(struct net_device *dev);\nstatic {DEL}\n{{\n\tcore(dev);\n}}\n{TABLE}",
            id="what the kernel has is called",
        ),
        pytest.param(
            hook(
                f"static {DEL.replace('del', 'real')} {{ }}\nvoid init(void) {{ hook = real; }}\n"
            ),
            id="a pointer that the driver fills",
        ),
    ],
)
def test_what_is_seen(text: str) -> None:
    assert doubted(text) == (False, [])


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        pytest.param(OWN + TABLE + READ + GIVEN, [], id="who calls what reads it is not known"),
        pytest.param(
            f"extern {DEL};\n{TABLE}",
            ["what it does as xdo_dev_state_delete is not seen: no file of the driver defines it"],
            id="a callback that others define",
        ),
        pytest.param(hook(""), [POINTED.format("hook")], id="a pointer that nobody fills"),
        pytest.param(
            f"{OPS}static {DEL}\n{{\n\tstruct ops *o = netdev_priv(dev);\n\n\to->del(dev, x);\n}}\n"
            + TABLE,
            [POINTED.format("o->del")],
            id="a member that nobody fills",
        ),
    ],
)
def test_what_is_not_seen(text: str, reasons: list[str]) -> None:
    assert doubted(text) == (True, reasons)
