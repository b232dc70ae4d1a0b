"""Templates, headers and Makefiles: the same code read as what includes it defines it."""

import pytest

from tests.whole.around import BASE, HEAD, TAIL, TESTED, driver, laid, reported

COMPAT = """
#ifdef HAVE_RESOLVER
#define ex_handle(x, dev) xfrm_dev_state_lower_handle(x, dev)
#else
static inline u32 ex_handle(struct xfrm_state *x, struct net_device *dev)
{
	return x->xso.offload_handle;
}
#endif
"""


@pytest.mark.parametrize(
    ("makefile", "more", "types"),
    [
        ("ccflags-y += -DHAVE_RESOLVER\n", {}, []),
        ("CFLAGS_example.o := -DHAVE_RESOLVER\n", {}, []),
        ("CFLAGS_other.o := -DHAVE_RESOLVER\n", {}, ["DIRECT_OFFLOAD_HANDLE"]),
        ("", {}, ["DIRECT_OFFLOAD_HANDLE"]),
        ("ccflags-$(CONFIG_X) += -DHAVE_RESOLVER\n", {}, ["DIRECT_OFFLOAD_HANDLE"]),
        # The header means something else to a source of another module, or of this one.
        (
            "ccflags-y += -DHAVE_RESOLVER\nobj-m += sub/\n",
            {"sub/more.c": '#include "../compat.h"\n', "sub/Makefile": "obj-m += more.o\n"},
            [],
        ),
        (
            "CFLAGS_example.o := -DHAVE_RESOLVER\nexample-y := example.o more.o\n",
            {"more.c": '#include "compat.h"\n'},
            ["DIRECT_OFFLOAD_HANDLE"],
        ),
        # A Makefile speaks for all that it links.
        (
            "ccflags-y += -DHAVE_RESOLVER\nexample-y := example.o sub/more.o\n",
            {"sub/more.c": '#include "../compat.h"\n'},
            [],
        ),
    ],
)
def test_what_makefiles_define_is_defined(
    makefile: str, more: dict[str, str], types: list[str]
) -> None:
    body = f"h = ex_handle(x, dev);\n\t{TESTED}"
    text = driver('\n#include "compat.h"\n', body)
    files = {"example.c": text, "compat.h": COMPAT, **more}
    found = reported(files, makefile)
    assert [kind for kind, _ in found] == types


@pytest.mark.parametrize(
    ("makefile", "more", "types"),
    [
        ("ccflags-y += -include $(src)/told.h\n", {"told.h": "#define HAVE_RESOLVER\n"}, []),
        (
            "ccflags-y += -include $(src)/told.h\n",
            {"told.h": '#include "more.h"\n', "more.h": "#define HAVE_RESOLVER\n"},
            [],
        ),
        (
            "CFLAGS_other.o += -include $(src)/told.h\n",
            {"told.h": "#define HAVE_RESOLVER\n"},
            ["DIRECT_OFFLOAD_HANDLE"],
        ),
        (
            "ccflags-$(CONFIG_X) += -include $(src)/told.h\n",
            {"told.h": "#define HAVE_RESOLVER\n"},
            ["DIRECT_OFFLOAD_HANDLE"],
        ),
        (
            "ccflags-y += -include $(src)/told.h\n",
            {"told.h": "#define HAVE_OTHERS\n"},
            ["DIRECT_OFFLOAD_HANDLE"],
        ),
    ],
)
def test_what_is_included_before_a_source_is_defined(
    makefile: str, more: dict[str, str], types: list[str]
) -> None:
    text = driver(COMPAT, f"h = ex_handle(x, dev);\n\t{TESTED}")
    found = reported({"example.c": text, **more}, makefile)
    assert [kind for kind, _ in found] == types


@pytest.mark.parametrize(
    ("flags", "types"),
    [
        ("XFRMDEV_OPS_F_LOWER_HANDLE", []),
        ("0", ["LOWER_HANDLE_FLAG_MISSING"]),
    ],
)
def test_a_makefile_tells_the_flags(flags: str, types: list[str]) -> None:
    text = driver("", f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}")
    files = {"example.c": text.replace(".flags = XFRMDEV_OPS_F_LOWER_HANDLE", ".flags = EX_FLAGS")}
    report = BASE.check(laid(files, f"obj-m += example.o\nccflags-y += -DEX_FLAGS={flags}\n"))
    assert [f.type for f in report.findings] == types
    assert [row.reason for row in report.unknown] == []


TEMPLATE = """
#define JOIN_(a, b) example_##a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define FN(name) JOIN(KIND, name)
static u32 FN(get)(struct xfrm_state *x, struct net_device *dev)
{
	return OF;
}
static netdev_tx_t FN(xmit)(struct sk_buff *skb, struct net_device *dev)
{
	struct example *p = netdev_priv(dev);
	u32 h = FN(get)(xfrm_input_state(skb), dev);

	if (h)
		writel(h, p->io);
	return NETDEV_TX_OK;
}
#undef FN
#undef JOIN
#undef JOIN_
#undef KIND
"""


@pytest.mark.parametrize(
    ("of", "types"),
    [
        ("xfrm_dev_state_lower_handle(x, dev)", []),
        ("x->xso.offload_handle", ["DIRECT_OFFLOAD_HANDLE", "LOWER_HANDLE_NOT_RESOLVED"]),
    ],
)
def test_a_template_makes_its_names_itself(of: str, types: list[str]) -> None:
    kinds = ("".join(f'#define KIND {k}\n#include "kind.h"\n' for k in ("slow", "fast")),)
    text = HEAD.replace("xfrm_dev_state_lower_handle(x, dev)", "0") + kinds[0]
    tail = TAIL.replace("INIT", "").replace("= example_xmit", "= example_slow_xmit")
    files = {"example.c": text + tail, "kind.h": TEMPLATE.replace("OF", of)}
    assert sorted(kind for kind, _ in reported(files)) == types


@pytest.mark.parametrize(
    ("of", "types"),
    [
        ("xfrm_dev_state_lower_handle(x, dev)", []),
        ("x->xso.offload_handle", ["DIRECT_OFFLOAD_HANDLE", "LOWER_HANDLE_NOT_RESOLVED"]),
    ],
)
def test_a_template_that_is_included_once(of: str, types: list[str]) -> None:
    """Its functions' names begin in the file that includes it."""
    kind = TEMPLATE.replace("OF", of).replace("example_##a##_##b", "a##_##b")
    text = HEAD.replace("xfrm_dev_state_lower_handle(x, dev)", "0")
    text += '#define KIND example\n#include "kind.h"\n' + TAIL.replace("INIT", "")
    found = reported({"example.c": text.replace("u32 example_get", "u32 get"), "kind.h": kind})
    assert sorted(kind for kind, _ in found) == types


TWICE = """
static netdev_tx_t FN(xmit)(struct sk_buff *skb, struct net_device *dev)
{
	struct example *p = netdev_priv(dev);
	u32 h = xfrm_dev_state_lower_handle(xfrm_input_state(skb), ASKED);

	if (h)
		writel(h, p->io);
	return NETDEV_TX_OK;
}
#undef FN
#undef ASKED
"""


@pytest.mark.parametrize(
    ("asked", "types"),
    [("skb->dev", []), ("netdev_master_upper_dev_get_rcu(dev)", ["WRONG_LOWER_DEV"])],
)
def test_a_template_is_included_twice_by_one_file(asked: str, types: list[str]) -> None:
    text = HEAD.replace("xfrm_dev_state_lower_handle(x, dev)", "0")
    for name, device in (("example", "dev"), ("slow", asked)):
        text += f'#define FN(n) {name}_##n\n#define ASKED {device}\n#include "xmit.h"\n'
    tail = TAIL.replace("INIT", "").replace(
        "\t.ndo_start_xmit = example_xmit,",
        "\t.ndo_start_xmit = example_xmit,\n};\n"
        "const struct net_device_ops slow_ops = {\n\t.ndo_start_xmit = slow_xmit,",
    )
    report = BASE.check(laid({"example.c": text + tail, "xmit.h": TWICE}))
    assert [f.type for f in report.findings] == types
    assert [row.reason for row in report.unknown] == []


KINDS = """
#define JOIN_(a, b, c) a##b##c
#define JOIN(a, b, c) JOIN_(a, b, c)
#define FN(name) JOIN(ex_, KIND, _##name)
static u32 FN(get)(struct PRIVATE *p, struct xfrm_state *x)
{
	return xfrm_dev_state_lower_handle(x, ASKED(p));
}
static netdev_tx_t FN(xmit)(struct sk_buff *skb, struct net_device *dev)
{
	struct PRIVATE *p = netdev_priv(dev);
	u32 h = FN(get)(p, xfrm_input_state(skb));

	if (h)
		writel(h, p->io);
	return NETDEV_TX_OK;
}
static int FN(add)(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}
static const struct net_device_ops FN(netdev_ops) = { .ndo_start_xmit = FN(xmit) };
static const struct xfrmdev_ops FN(xfrmdev_ops) = {
	.xdo_dev_state_add = FN(add),
	.flags = XFRMDEV_OPS_F_LOWER_HANDLE,
};
"""
KINDS_OF = """\
#include <linux/io.h>
#include <linux/netdevice.h>
#include <net/xfrm.h>

struct port { struct net_device *netdev; u32 __iomem *io; };
struct rep { struct net_device *netdev, *up; u32 __iomem *io; };
"""
PORT_OF = """
#define KIND port
#define PRIVATE port
#define ASKED(p) (p)->netdev
#include "kind.h"
int ex_port_probe(void)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct port));
	struct port *port = netdev_priv(dev);

	port->netdev = dev;
	dev->netdev_ops = &ex_port_netdev_ops;
	dev->xfrmdev_ops = &ex_port_xfrmdev_ops;
	return ex_rep_create(port);
}
"""
REP_OF = """
#define KIND rep
#define PRIVATE rep
#define ASKED(p) (p)->DEVICE
#include "kind.h"
int ex_rep_create(struct port *port)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct rep)), *up = port->netdev;
	struct rep *rep = netdev_priv(dev);

	rep->netdev = dev;
	STORE
	dev->netdev_ops = &ex_rep_netdev_ops;
	dev->xfrmdev_ops = &ex_rep_xfrmdev_ops;
	return 0;
}
"""


@pytest.mark.parametrize(
    ("device", "store", "types", "known"),
    [
        ("netdev", "rep->up = port->netdev;", [], True),
        ("up", "rep->up = dev;", [], True),
        ("up", "rep->up = port->netdev;", ["WRONG_LOWER_DEV"], True),
        ("up", "rep->up = up;", ["WRONG_LOWER_DEV"], True),
        ("up", "rep->up = ex_netdev(port);", ["WRONG_LOWER_DEV"], True),
        ("up", "rep->up = ex_own(rep);", [], True),
        ("up", "rep->up = ex_own(ex_next(port));", [], False),
        ("up", "rep->up = ex_peer(port);", [], False),
    ],
)
@pytest.mark.parametrize("name", ["kind.h", "kind.c"])
def test_a_template_holds_the_tables_of_two_kinds_of_devices(
    device: str, store: str, types: list[str], known: bool, name: str
) -> None:
    files = {
        "kinds.h": KINDS_OF + "struct net_device *ex_peer(struct port *port);\n",
        name: KINDS,
        "port.c": '#include "kinds.h"\nint ex_rep_create(struct port *port);\n' + PORT_OF,
        "rep.c": '#include "kinds.h"\n'
        "static struct net_device *ex_netdev(struct port *p) { return p->netdev; }\n"
        "static struct net_device *ex_own(struct rep *r) { return r->netdev; }\n"
        "struct rep *ex_next(struct port *port);\n"
        + REP_OF.replace("DEVICE", device).replace("STORE", store),
    }
    files = {one: text.replace('"kind.h"', f'"{name}"') for one, text in files.items()}
    report = BASE.check(laid(files, "obj-m += example.o\nexample-y := port.o rep.o\n"))
    assert [f.type for f in report.findings] == types
    asked = "which device the resolver is asked for is not known"
    assert any(row.reason.startswith(asked) for row in report.unknown) != known


MAKING = """
#define EX_XMIT(name, of)						\\
static netdev_tx_t example_##name(struct sk_buff *skb, struct net_device *dev)	\\
{									\\
	struct example *p = netdev_priv(dev);				\\
	struct xfrm_state *x = xfrm_input_state(skb);			\\
	u32 h = of;							\\
									\\
	if (h)								\\
		writel(h, p->io);					\\
	return NETDEV_TX_OK;						\\
}
"""


@pytest.mark.parametrize("name", ["xmit", "name"])
@pytest.mark.parametrize(
    ("of", "types"),
    [
        ("xfrm_dev_state_lower_handle(x, dev)", []),
        ("x->xso.offload_handle", ["DIRECT_OFFLOAD_HANDLE", "LOWER_HANDLE_NOT_RESOLVED"]),
    ],
)
def test_a_header_has_a_macro_that_makes_functions(of: str, types: list[str], name: str) -> None:
    text = HEAD.replace("xfrm_dev_state_lower_handle(x, dev)", "0") + '#include "make.h"\n'
    text += f"EX_XMIT({name}, {of})\n" + TAIL.replace("INIT", "")
    files = {"example.c": text.replace("= example_xmit", f"= example_{name}"), "make.h": MAKING}
    report = BASE.check(laid(files))
    assert sorted(f.type for f in report.findings) == types
    assert [row.reason for row in report.unknown] == []
