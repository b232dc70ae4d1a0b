"""Forms of C that are written seldom, each right and wrong: they are understood, or admitted."""

import pytest

from tests.asked import Base
from tests.laid import EXAMPLE, files_of

BASE = Base(files_of("base/rfc"))
HEAD = """\
#include <linux/io.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <net/xfrm.h>

struct example;
struct example_ops {
	u32 (*get)(struct xfrm_state *x, struct net_device *dev);
	void (*out)(struct example *p, u32 h);
};

struct example {
	int n;
	u32 __iomem *io;
	const struct example_ops *ops;
};

static u32 example_last[8];

static u32 example_get(struct xfrm_state *x, struct net_device *dev)
{
	return xfrm_dev_state_lower_handle(x, dev);
}
"""
XMIT = """
static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct net_device *d = netdev_master_upper_dev_get_rcu(dev), *e = dev;
	struct example *p = netdev_priv(dev);
	struct xfrm_state *x = xfrm_input_state(skb);
	u32 h;

	BODY
	return NETDEV_TX_OK;
}
"""
TAIL = """
static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}

static const struct net_device_ops example_netdev_ops = {
	.ndo_start_xmit = example_xmit,
};

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add = example_add,
	.flags = XFRMDEV_OPS_F_LOWER_HANDLE,
};

void example_init(struct net_device *dev)
{
	INIT
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
OUT = """
static void example_out(struct example *p, u32 h)
{
	USE
}
"""
OPS = "static const struct example_ops example_ops = { .get = example_get, .out = example_out };\n"
TWO = "static const struct example_ops example_many[] = { {}, { example_get, example_out } };\n"
SET = "((struct example *)netdev_priv(dev))->ops = &example_ops;"
UNTESTED = "writel(h, p->io); /* here */"
TESTED = "if (h) writel(h, p->io);"
FILL = "static void example_fill(u32 v[2], u32 h)\n{\n\tv[1] = h;\n}\n"

# What stands outside, in example_xmit() and where the device is set up; USE is right, or wrong.
USES = {
    "a pointer's call in a pointer's call": (
        OUT + OPS,
        "p->ops->out(p, p->ops->get(x, dev));",
        SET,
    ),
    "of an array": (OUT + TWO, "example_many[p->n].out(p, example_many[p->n].get(x, dev));", ""),
    "of a copy": (OUT + OPS, "struct example_ops o = example_ops; o.out(p, o.get(x, dev));", ""),
    "what a pointer's call returned": (
        OUT + OPS,
        "h = p->ops->get(x, dev);\n\tUSE",
        SET,
    ),
    "an element that a function fills": (
        FILL,
        "u32 v[2] = {};\n\n\texample_fill(v, example_get(x, dev)); h = v[1];\n\tUSE",
        "",
    ),
}


def driver(outside: str, body: str, init: str = "") -> str:
    return HEAD + outside + XMIT.replace("BODY", body) + TAIL.replace("INIT", init)


def laid(files: dict[str, str], makefile: str = "obj-m += example.o\n") -> dict[str, bytes]:
    """Return a driver's files where they lie in a tree."""
    folder = EXAMPLE.rpartition("/")[0]
    named = {f"{folder}/{name}": text for name, text in files.items()}
    makefiles = {f"{folder}/Makefile": makefile, "drivers/net/Makefile": "obj-m += example/\n"}
    return {path: text.encode() for path, text in {**named, **makefiles}.items()}


def reported(files: dict[str, str], makefile: str = "") -> list[tuple[str, str]]:
    """Return the types that are reported for a driver, each with its line.

    makefile: what its Makefile says besides.
    """
    tree = laid(files, f"obj-m += example.o\n{makefile}")
    return [
        (f.type, tree[f.path].decode().splitlines()[f.line - 1].strip())
        for f in BASE.check(tree).findings
        if f.path in tree
    ]


def said(outside: str, body: str, init: str = "") -> list[tuple[str, str]]:
    return reported({"example.c": driver(outside, body, init)})


@pytest.mark.parametrize("parts", USES.values(), ids=USES)
def test_a_handle_is_followed_to_its_use(parts: tuple[str, str, str]) -> None:
    right, wrong = ([p.replace("USE", use) for p in parts] for use in (TESTED, UNTESTED))
    assert said(*right) == []
    assert said(*wrong) == [("UNCHECKED_LOWER_HANDLE", UNTESTED)]


@pytest.mark.parametrize(("device", "types"), [("d", []), ("e", ["WRONG_LOWER_DEV"])])
def test_what_is_swapped_is_swapped(device: str, types: list[str]) -> None:
    body = f"swap(d, e); h = xfrm_dev_state_lower_handle(x, {device});\n\t{TESTED}"
    assert [kind for kind, _ in said("", body)] == types


@pytest.mark.parametrize(("ends", "found"), [("h != 0", []), ("true", ["UNCHECKED_LOWER_HANDLE"])])
def test_a_flag_holds_behind_the_loop_that_it_ends(ends: str, found: list[str]) -> None:
    loop = f"bool ok = false;\n\n\twhile (!ok) {{ h = example_get(x, dev); ok = {ends}; }}"
    assert [kind for kind, _ in said("", f"{loop}\n\twritel(h, p->io);")] == found


@pytest.mark.parametrize(
    ("to", "found"), [("&own", []), ("&example_last[1]", ["HANDLE_OUTLIVES_PACKET"])]
)
def test_a_files_array_lasts(to: str, found: list[str]) -> None:
    body = f"u32 own, *at = {to};\n\n\th = example_get(x, dev); if (h) *at = h;"
    assert [kind for kind, _ in said("", body)] == found


@pytest.mark.parametrize(("use", "found"), [(TESTED, []), (UNTESTED, ["UNCHECKED_LOWER_HANDLE"])])
@pytest.mark.parametrize("included", ["callee", "caller"])
def test_an_included_source_is_one_with_the_other(
    use: str, found: list[str], included: str
) -> None:
    out = OUT.replace("USE", use)
    xmit = XMIT.replace("BODY", "example_out(p, example_get(x, dev));")
    line = '#include "inner.c"\n'
    parts = (line + xmit, out) if included == "callee" else (out + line, xmit)
    files = {"example.c": HEAD + parts[0] + TAIL.replace("INIT", ""), "inner.c": parts[1]}
    assert [kind for kind, _ in reported(files)] == found


def test_an_included_sources_site_has_its_callers() -> None:
    get = "\nstatic u32 example_own(struct xfrm_state *x)\n{\n\treturn x->xso.offload_handle;\n}\n"
    xmit = XMIT.replace("BODY", "h = example_own(x) + example_get(x, dev);")
    outer = HEAD + get + '#include "inner.c"\n' + TAIL.replace("INIT", "")
    found = reported({"example.c": outer, "inner.c": xmit})
    assert ("DIRECT_OFFLOAD_HANDLE", "return x->xso.offload_handle;") in found


@pytest.mark.parametrize(
    ("base", "offset"),
    [
        ("&x->xso", "struct xfrm_dev_offload, offload_handle"),
        ("x", "struct xfrm_state, xso.offload_handle"),
    ],
)
def test_a_member_by_its_offset_is_admitted(base: str, offset: str) -> None:
    body = f"h = *(unsigned long *)((u8 *){base} + offsetof({offset}));"
    text = driver("", f"{body} (void)example_get(x, dev);")
    reasons = [row.reason for row in BASE.check_example(text).unknown]
    assert "the offset of offload_handle is taken, and what is done with it is not known" in reasons


@pytest.mark.parametrize(("length", "parsed"), [("8", True), ("8 ] = [ 0", False)])
def test_what_macros_make_in_a_struct_is_parsed(length: str, parsed: bool) -> None:
    outside = (
        f"#define LENGTH {length}\nstruct kept {{ struct xfrmdev_ops *ops; u32 t[LENGTH]; }};\n"
    )
    report = BASE.check_example(driver(outside, f"h = example_get(x, dev);\n\t{TESTED}"))
    assert any("could not be parsed" in row.reason for row in report.unknown) != parsed


def test_a_function_is_declared_by_a_macro() -> None:
    outside = (
        "\nINDIRECT_CALLABLE_DECLARE(u32 example_get(struct xfrm_state *, struct net_device *));\n"
    )
    report = BASE.check_example(driver(outside, f"h = example_get(x, dev);\n\t{TESTED}"))
    assert [row.reason for row in report.unknown] == []


def test_a_choice_by_type_is_no_call() -> None:
    outside = (
        "\n#define example_of(s) _Generic((s), struct xfrm_state *: (s)->xso.offload_handle)\n"
    )
    report = BASE.check_example(driver(outside, f"h = example_of(x);\n\t{TESTED}"))
    assert report.findings[0].type == "DIRECT_OFFLOAD_HANDLE"
    assert [row.reason for row in report.unknown] == []


READS = """
typedef u32 (*example_read_t)(struct xfrm_state *x);
#define example_put(place, value) (*(volatile __typeof__(place) *)&(place) = (value))
struct example_reads { example_read_t read; };
static struct example_reads example_reads;

static u32 example_read(struct xfrm_state *x)
{
	return x->xso.offload_handle; /* here */
}
static u32 example_none(struct xfrm_state *x)
{
	return 0;
}
"""
STORES = (
    "WRITE_ONCE(example_reads.read, example_read);",
    "WRITE_ONCE(example_reads.read, dev->mtu > 1 ? example_none : dev->mtu ? 0 : example_read);",
    "smp_store_release(&example_reads.read, example_read);",
    "__atomic_store_n(&example_reads.read, example_read, __ATOMIC_RELEASE);",
    "rcu_assign_pointer(example_reads.read, example_read);",
    "*&example_reads.read = example_read;",
    "*(example_read_t *)&example_reads.read = example_read;",
    "example_put(example_reads.read, example_read);",
    "example_reads.read = symbol_get(example_read);",
)


@pytest.mark.parametrize("store", STORES)
def test_what_is_stored_is_called(store: str) -> None:
    """However it is stored: who reads the member calls it."""
    found = said(READS, "h = example_reads.read(x) + example_get(x, dev);", store)
    assert ("DIRECT_OFFLOAD_HANDLE", "return x->xso.offload_handle; /* here */") in found


BOTH = """
#define example_offload(o) _Generic((o), \\
	struct xfrm_policy *: &((struct xfrm_policy *)(o))->xdo, \\
	struct xfrm_state *: &((struct xfrm_state *)(o))->xso)
static struct xfrm_policy *example_policy;
static u32 example_of(const struct xfrm_dev_offload *off)
{
	return off->offload_handle;
}
"""


@pytest.mark.parametrize(
    ("of", "types"), [("example_policy", []), ("x", ["DIRECT_OFFLOAD_HANDLE"])]
)
def test_a_macro_for_both_is_about_what_it_is_given(of: str, types: list[str]) -> None:
    body = f"(void)example_of(example_offload({of})); h = example_get(x, dev); {TESTED}"
    assert [kind for kind, _ in said(BOTH, body)] == types


EACH = """
#define example_for_each_handle(h, n, sp, d) \\
	for ((n) = 0; (n) < (sp)->len; (n)++) \\
		if (!((h) = xfrm_dev_state_lower_handle((sp)->xvec[n], (d)))) \\
			continue; \\
		else
"""


@pytest.mark.parametrize(("device", "types"), [("e", []), ("d", ["WRONG_LOWER_DEV"])])
def test_a_loop_macro_can_hold_the_call(device: str, types: list[str]) -> None:
    loop = f"example_for_each_handle(h, i, skb_sec_path(skb), {device})\n\t\t{UNTESTED}"
    body = f"int i;\n\n\tif (!xfrm_offload(skb)) return NETDEV_TX_OK;\n\t{loop}"
    assert [kind for kind, _ in said(EACH, body)] == types


JUDGES = """
struct example_packet { u32 sa, len; };
bool example_live(unsigned long h);
int example_send(struct example *p, u32 h);
void example_post(struct example *p, struct example_packet packet);
void example_quirk(struct example *p, struct example_packet *packet);
"""
PACKET = "struct example_packet packet = { .len = skb->len, .sa = h };\n\n\t"
NOT_SEEN = "which is not seen and may test it"


@pytest.mark.parametrize(
    ("body", "admitted"),
    [
        (
            "if (!example_live(h)) return NETDEV_TX_OK; writel(h, p->io);",
            "whether the comparison before this use excludes 0 is not known",
        ),
        (
            "if (h > 8 || !example_live(h)) return NETDEV_TX_OK; writel(h, p->io);",
            "whether the comparison before this use excludes 0 is not known",
        ),
        ("if (example_send(p, h)) return NETDEV_TX_OK; writel(h, p->io);", NOT_SEEN),
        (f"{PACKET}example_post(p, packet);", NOT_SEEN),
        (f"{PACKET}if (!h) p->n++; example_post(p, packet);", NOT_SEEN),
        (f"{PACKET}example_quirk(p, &packet); writel(packet.sa, p->io);", NOT_SEEN),
        (f"{PACKET}example_quirk(p, &packet); if (packet.sa) writel(packet.sa, p->io);", NOT_SEEN),
        (f"{PACKET}if (h) example_post(p, packet);", ""),
    ],
)
def test_a_function_that_nobody_sees_may_test(body: str, admitted: str) -> None:
    report = BASE.check_example(driver(JUDGES, f"h = example_get(x, dev);\n\t{body}"))
    assert list(report.findings) == []
    reasons = [row.reason for row in report.unknown if "sleep" not in row.reason]
    assert [admitted in reason for reason in reasons] == [True] * bool(admitted)


def test_a_function_that_nobody_sees_tests_for_itself_alone() -> None:
    body = f"h = example_get(x, dev);\n\t{PACKET}example_post(p, packet); {UNTESTED}"
    assert said(JUDGES, body) == [("UNCHECKED_LOWER_HANDLE", body.splitlines()[-1].strip())]


ERROR = "int i = example_get(x, dev);\n\n\tif (!i) i = -ENOENT;\n\t"


@pytest.mark.parametrize(
    ("asked", "types"), [("i < 0", []), ("i > 63", ["UNCHECKED_LOWER_HANDLE"])]
)
def test_an_error_that_was_asked_for_is_no_handle(asked: str, types: list[str]) -> None:
    """Whether what it is given to is hardware, or counts errors, can't be told."""
    body = f"{ERROR}if ({asked}) {{ writel(-i, p->io); return NETDEV_TX_OK; }} writel(i, p->io);"
    report = BASE.check_example(driver("", body))
    assert [f.type for f in report.findings] == types
    admitted = "whether the comparison before this use excludes 0 is not known"
    assert [admitted for row in report.unknown if row.reason == admitted] == [admitted] * (
        not types
    )


def test_a_call_in_a_module_beside_the_drivers_is_not_missing() -> None:
    """It may be the driver's, by a way that is not seen: then nothing is said."""
    folder = EXAMPLE.rpartition("/")[0]
    own = HEAD.replace("xfrm_dev_state_lower_handle(x, dev)", "0")
    own += XMIT.replace("BODY", "h = 0;") + TAIL.replace("INIT", "")
    beside = HEAD.replace("static u32 example_get", "u32 example_get")
    files = {
        "drivers/net/Makefile": "obj-m += example/\n",
        f"{folder}/Makefile": "obj-m += example.o beside.o\n",
        EXAMPLE: own,
    }
    alone = BASE.check({path: text.encode() for path, text in files.items()})
    assert [f.type for f in alone.findings] == ["LOWER_HANDLE_NOT_RESOLVED"]
    files[f"{folder}/beside.c"] = beside
    both = BASE.check({path: text.encode() for path, text in files.items()})
    assert list(both.findings) == []
    assert any("no driver is seen to call it" in row.reason for row in both.unknown)


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
        ("", {}, ["DIRECT_OFFLOAD_HANDLE"]),
        ("ccflags-$(CONFIG_X) += -DHAVE_RESOLVER\n", {}, ["DIRECT_OFFLOAD_HANDLE"]),
        # The header means something else to a source that is told nothing.
        (
            "ccflags-y += -DHAVE_RESOLVER\nexample-y := example.o sub/more.o\n",
            {"sub/more.c": '#include "../compat.h"\n'},
            ["DIRECT_OFFLOAD_HANDLE"],
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
def test_a_template_holds_the_tables_of_two_kinds_of_devices(
    device: str, store: str, types: list[str], known: bool
) -> None:
    files = {
        "kinds.h": KINDS_OF + "struct net_device *ex_peer(struct port *port);\n",
        "kind.h": KINDS,
        "port.c": '#include "kinds.h"\nint ex_rep_create(struct port *port);\n' + PORT_OF,
        "rep.c": '#include "kinds.h"\n'
        "static struct net_device *ex_netdev(struct port *p) { return p->netdev; }\n"
        "static struct net_device *ex_own(struct rep *r) { return r->netdev; }\n"
        "struct rep *ex_next(struct port *port);\n"
        + REP_OF.replace("DEVICE", device).replace("STORE", store),
    }
    report = BASE.check(laid(files, "obj-m += example.o\nexample-y := port.o rep.o\n"))
    assert [f.type for f in report.findings] == types
    asked = "which device the resolver is asked for is not known"
    assert any(row.reason.startswith(asked) for row in report.unknown) != known


CARD = """
struct ring { struct net_device *netdev; u32 __iomem *io; };
struct card { u32 __iomem *io; struct net_device *netdev; struct port *ports[2]; };
struct port { struct net_device *netdev; struct card *card; struct ring ring; struct ring *used; };

static struct net_device *port_create(struct card *card, int i)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct port));
	struct port *p = netdev_priv(dev);

	p->netdev = dev;
	p->card = card;
	p->ring.netdev = dev;
	p->used = &p->ring;
	card->ports[i] = p;
	MORE
	return dev;
}
"""
ONE = "int card_probe(struct card *card)\n{\n\treturn !port_create(card, 0);\n}\n"
KEPT = "void card_probe(struct card *card)\n{\n\tcard->netdev = port_create(card, 0);\n}\n"
LOOP = """
int card_probe(struct card *card)
{
	int i;

	for (i = 0; i < 2; i++)
		if (!port_create(card, i))
			return -ENOMEM;
	return 0;
}
"""
EACH_ITS_OWN = """
int cards_probe(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct card *card = kzalloc(sizeof(*card), GFP_KERNEL);

		if (!card || !port_create(card, 0))
			return -ENOMEM;
	}
	return 0;
}
"""
TWICE = """
int card_probe(struct card *card)
{
	if (!port_create(card, 0))
		return -ENOMEM;
	return port_create(card, 1) ? 0 : -ENOMEM;
}
"""
EITHER = """
int card_probe(struct card *card)
{
	if (card->io)
		return !port_create(card, 0);
	else
		return !port_create(card, 1);
}
"""
OUTER = """
int card_probe(struct card *card);
int card_found(void)
{
	return card_probe(kzalloc(sizeof(struct card), GFP_KERNEL));
}
"""
CHOSEN = "void card_choose(struct card *c, struct port *p)\n{\n\tc->netdev = p->netdev;\n}\n"
SOME = """
static const struct xfrmdev_ops example_xfrmdev_ops;
void port_offers(struct net_device *dev, int i)
{
	if (!i)
		dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
OTHERS = "void *port_load(struct card *card)\n{\n\treturn port_create(card, 1);\n}\n"


@pytest.mark.parametrize(
    ("asked", "more", "made", "whose"),
    [
        ("o->card->netdev", "card->netdev = dev;", ONE, "own"),
        ("o->card->netdev", "card->netdev = dev;", EACH_ITS_OWN, "own"),
        ("o->card->netdev", "", KEPT, "own"),
        ("o->ring.netdev", "", LOOP, "own"),
        ("o->used->netdev", "", LOOP, "own"),
        # Who came last, the first, one of two.
        ("o->card->netdev", "card->netdev = dev;", LOOP, "another"),
        ("o->card->netdev", "if (!i) card->netdev = dev;", LOOP, "another"),
        ("o->card->netdev", "card->netdev = dev;", TWICE, "another"),
        ("o->card->netdev", "if (!card->netdev) card->netdev = dev;", OUTER + LOOP, "another"),
        # One of two, or what somebody changes; one of them is made, or offers anything.
        ("o->card->netdev", "", KEPT + OTHERS, "open"),
        ("o->card->netdev", "card->netdev = dev;", LOOP + CHOSEN, "open"),
        ("o->card->netdev", "card->netdev = dev;", EITHER, "open"),
        ("o->card->netdev", "card->netdev = dev;", LOOP + SOME, "open"),
        # Another port's ring, or a copy of it.
        ("o->used->netdev", "if (i) p->used = &card->ports[0]->ring;", LOOP, "open"),
        ("o->ring.netdev", "if (i) p->ring = card->ports[0]->ring;", LOOP, "open"),
        (
            "o->ring.netdev",
            "if (i) memcpy(&p->ring, &card->ports[0]->ring, sizeof(p->ring));",
            LOOP,
            "open",
        ),
        ("o->ring.netdev", "p->ring.netdev = i ? card->ports[0]->netdev : dev;", LOOP, "open"),
    ],
)
def test_what_devices_have_in_common_is_no_ones_own(
    asked: str, more: str, made: str, whose: str
) -> None:
    body = f"struct port *o = netdev_priv(dev);\n\n\th = xfrm_dev_state_lower_handle(x, {asked});"
    text = driver(CARD.replace("MORE", more) + made, f"{body}\n\t{TESTED}")
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == ["WRONG_LOWER_DEV"] * (whose == "another")
    reasons = [row.reason for row in report.unknown]
    told = "which device the resolver is asked for is not known"
    assert any(reason.startswith(told) for reason in reasons) == (whose == "open")


GOT = """
struct device { struct device *parent; };
struct platform_device { int id; struct device dev; };
struct ring { struct net_device *netdev; u32 __iomem *io; };
struct card { struct list_head list; int id; struct net_device *netdev; struct port *ports[2]; };
struct port { struct net_device *netdev; struct card *card; };
static LIST_HEAD(example_cards);
static struct card *example_card;

static struct card *example_find(int id)
{
	struct card *card;

	list_for_each_entry(card, &example_cards, list)
		if (card->id == id)
			return card;
	return NULL;
}

static struct card *example_made(struct platform_device *pdev)
{
	struct card *card = kzalloc(sizeof(*card), GFP_KERNEL);

	return card;
}

int port_probe(struct platform_device *pdev)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct port));
	struct port *p = netdev_priv(dev);
	struct card *card = GET;

	p->netdev = dev;
	p->card = card;
	card->netdev = dev;
	return 0;
}
"""


@pytest.mark.parametrize(
    ("get", "known"),
    [
        ("kzalloc(sizeof(*card), GFP_KERNEL)", True),
        ("devm_kzalloc(&pdev->dev, sizeof(*card), GFP_KERNEL)", True),
        ("platform_get_drvdata(pdev)", True),
        ("dev_get_drvdata(&pdev->dev)", True),
        ("dev_get_drvdata(pdev->dev.parent)", False),
        ("list_first_entry(&example_cards, struct card, list)", False),
        ("example_card", False),
        ("example_find(pdev->id)", False),
        ("example_made(pdev)", True),
    ],
)
def test_what_a_probe_gets_from_others_is_not_the_devices_alone(get: str, known: bool) -> None:
    asks = "h = xfrm_dev_state_lower_handle(x, o->card->netdev);"
    body = f"struct port *o = netdev_priv(dev);\n\n\t{asks}"
    report = BASE.check_example(driver(GOT.replace("GET", get), f"{body}\n\t{TESTED}"))
    assert [f.type for f in report.findings] == []
    reasons = [row.reason for row in report.unknown]
    told = "which device the resolver is asked for is not known"
    assert any(reason.startswith(told) for reason in reasons) != known


@pytest.mark.parametrize(
    ("device", "types"),
    [
        ("example_table[skb->len & 1]->netdev", []),
        ("example_only", ["WRONG_LOWER_DEV"]),
    ],
)
def test_a_files_table_of_ports_gives_their_devices(device: str, types: list[str]) -> None:
    outside = (CARD.replace("MORE", "example_table[i] = p;\n\texample_only = dev;") + LOOP).replace(
        "static struct net_device *port_create",
        "static struct port *example_table[2];\nstatic struct net_device *example_only;\n"
        "static struct net_device *port_create",
    )
    body = f"h = xfrm_dev_state_lower_handle(x, {device});\n\t{TESTED}"
    assert [kind for kind, _ in said(outside, body)] == types


@pytest.mark.parametrize(
    ("device", "types"),
    [
        ("p->netdev", []),
        ("x->xso.dev", ["OFFLOAD_DEV_ACCESS", "WRONG_LOWER_DEV"]),
        ("x->xso.real_dev", ["OFFLOAD_DEV_ACCESS", "WRONG_LOWER_DEV"]),
    ],
)
def test_a_callback_asks_for_no_device_of_the_states(device: str, types: list[str]) -> None:
    esn = """
struct port { struct net_device *netdev; u32 __iomem *io; };
static void example_esn(struct xfrm_state *x)
{
	struct port *p = x->data;
	unsigned long h = xfrm_dev_state_lower_handle(x, DEVICE);

	if (h)
		writel(h, p->io);
}
"""
    text = driver(esn.replace("DEVICE", device), f"h = example_get(x, dev);\n\t{TESTED}")
    text = text.replace("\t.flags", "\t.xdo_dev_state_advance_esn = example_esn,\n\t.flags")
    assert sorted(f.type for f in BASE.check_example(text).findings) == types


PORTS = """
struct rack;
struct berth { struct net_device *own, *asked; struct rack *rack; u32 nr; };
struct rack { struct berth *berth[4], *first; };

int berth_load(struct rack *rack, u32 nr)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct berth));
	struct berth *b = netdev_priv(dev);

	b->own = dev;
	b->rack = rack;
	b->nr = nr;
	STORE
	return 0;
}
"""


@pytest.mark.parametrize(
    ("store", "types", "open_"),
    [
        ("rack->berth[nr] = b; b->asked = rack->berth[nr]->own;", [], False),
        ("rack->berth[0] = b; b->asked = rack->berth[0]->own;", [], False),
        ("rack->berth[nr] = b; b->asked = rack->berth[0]->own;", ["WRONG_LOWER_DEV"], False),
        (
            "struct berth *zero = rack->berth[0]; rack->berth[nr] = b; b->asked = zero->own;",
            ["WRONG_LOWER_DEV"],
            False,
        ),
        ("rack->berth[nr] = b; b->asked = rack->berth[nr ^ 1]->own;", [], True),
        ("rack->first = rack->first ?: b; b->asked = rack->first->own;", [], True),
    ],
)
def test_a_device_of_another_port_is_not_the_one_at_work(
    store: str, types: list[str], open_: bool
) -> None:
    """Private data that a table of the card's holds can be that of each of its devices."""
    asks = "h = xfrm_dev_state_lower_handle(x, b->asked);"
    text = driver(
        PORTS.replace("STORE", store), f"struct berth *b = netdev_priv(dev);\n{asks}{TESTED}"
    )
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == types
    asked = "which device the resolver is asked for is not known"
    assert any(row.reason.startswith(asked) for row in report.unknown) == open_


@pytest.mark.parametrize(
    ("port", "types"),
    [
        ("o->card->ports[o->n]", []),
        ("o->card->ports[skb->len & 1]", []),
        ("o->card->ports[!o->n]", ["WRONG_LOWER_DEV"]),
        ("o->card->ports[o->n ^ 1]", ["WRONG_LOWER_DEV"]),
        ("o->card->ports[1 - o->n]", ["WRONG_LOWER_DEV"]),
        ("o->card->ports[(o->n + 1) % 2]", ["WRONG_LOWER_DEV"]),
        ("o->card->ports[0]", ["WRONG_LOWER_DEV"]),
        # Ports that the hardware counts otherwise: who knows.
        ("o->card->ports[(skb->len & 1) ^ 1]", []),
        ("o->card->ports[!skb->len]", []),
        ("o->card->ports[1 - (skb->len & 1)]", []),
    ],
)
def test_another_ports_ring_is_not_the_own_one(port: str, types: list[str]) -> None:
    card = CARD.replace("struct ring *used;", "struct ring *used; u8 n;").replace(
        "MORE", "p->n = i;"
    )
    body = (
        f"struct port *o = netdev_priv(dev);\n\tstruct ring *r = &{port}->ring;\n\n"
        "\th = xfrm_dev_state_lower_handle(x, r->netdev);"
    )
    assert [kind for kind, _ in said(card + LOOP, f"{body}\n\t{TESTED}")] == types


def test_a_call_that_a_parse_error_swallowed_is_not_missing() -> None:
    """A function whose whole body is a macro's argument runs into the next one."""
    swallowed = """
#define WITH_LOCK(p, ...)	do { (p)->n++; __VA_ARGS__ (p)->n--; } while (0)
#define WHOLE(...)	{ __VA_ARGS__ }

static int example_mark(struct example *p)
WHOLE(
	WITH_LOCK(p, {
		const struct example *q, *none = NULL;

		q = p->n ? none : p;
		p->n = q ? q->n : 0;
	});
	return 0;
)

static int example_post(struct example *p, struct xfrm_state *x, struct net_device *dev)
{
	unsigned long h = xfrm_dev_state_lower_handle(x, dev);

	if (!h)
		return -ENOENT;
	writel(h, p->io);
	return 0;
}
"""
    body = "if (!example_mark(p) && example_post(p, x, dev)) {\n\t\tkfree_skb(skb); }"
    text = driver(swallowed, body).replace(HEAD[HEAD.index("static u32 example_get") :], "", 1)
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == []
    assert any("parse errors" in row.reason for row in report.unknown)


WIRED = """
#include <linux/if_vlan.h>
struct wired { struct net_device *own, *above; struct vlan_dev_priv vlan; };

void wired_init(struct net_device *dev, struct net_device *real)
{
	struct wired *w = netdev_priv(dev);

	w->own = dev;
	w->above = netdev_master_upper_dev_get(dev);
	w->vlan.real_dev = real;
}
"""


@pytest.mark.parametrize(
    ("device", "types"),
    [
        ("w->own ?: dev", []),
        ("dev ?: w->above", []),
        ("w->own ?: NULL", []),
        ("w->vlan.real_dev", ["WRONG_LOWER_DEV"]),
        ("w->vlan.real_dev ?: dev", ["WRONG_LOWER_DEV"]),
        ("w->above ?: w->own", ["WRONG_LOWER_DEV"]),
        # What is kept beside another device's private data is that device; or nobody knows.
        ("((struct wired *)netdev_priv(dev))->own", []),
        ("((struct wired *)netdev_priv(w->own))->own", []),
        ("((struct wired *)netdev_priv(w->above))->above", []),
        ("((struct wired *)netdev_priv(w->above))->own", ["WRONG_LOWER_DEV"]),
    ],
)
def test_of_one_device_or_else_another_each_counts(device: str, types: list[str]) -> None:
    body = f"struct wired *w = netdev_priv(dev);\n\th = xfrm_dev_state_lower_handle(x, {device});"
    assert [kind for kind, _ in said(WIRED, f"{body}\n\t{TESTED}")] == types


POLL = """
static int example_poll(struct napi_struct *napi, int budget)
{
	struct port *p = container_of(napi, struct port, napi);
	struct xfrm_state *x = xfrm_state_lookup_byspi(budget, 2);
	struct card *c = p->card;
	u32 h = x ? xfrm_dev_state_lower_handle(x, ASKED) : 0;

	if (h)
		writel(h, c->io);
	return 0;
}
"""


@pytest.mark.parametrize(
    ("asked", "types"),
    [
        ("p->netdev", []),
        ("c->ports[budget & 1]->netdev", []),
        ("c->netdev", ["WRONG_LOWER_DEV"]),
    ],
)
def test_a_poll_function_comes_to_what_ports_have_in_common(asked: str, types: list[str]) -> None:
    card = CARD.replace("struct ring *used;", "struct ring *used; struct napi_struct napi;")
    more = "card->netdev = dev; netif_napi_add(dev, &p->napi, example_poll);"
    text = POLL.replace("ASKED", asked)
    head, create, rest = card.replace("MORE", more).partition("static struct net_device *port_cre")
    body = f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}"
    assert [kind for kind, _ in said(head + text + create + rest + LOOP, body)] == types


@pytest.mark.parametrize(
    ("stored", "read", "types"),
    [
        ("i", "o->n", []),
        ("i ^ 1", "o->n ^ 1", []),
        ("example_other(i)", "example_other(o->n)", []),
        ("example_other(i)", "o->n ^ 1", []),
        ("i", "example_other(o->n)", ["WRONG_LOWER_DEV"]),
        ("i ^ 1", "o->n", ["WRONG_LOWER_DEV"]),
        ("example_other(i)", "o->n", ["WRONG_LOWER_DEV"]),
        # By a descriptor's number the own one is looked for.
        ("i ^ 1", "skb->len & 1", []),
        ("i ^ 1", "(skb->len & 1) ^ 1", []),
    ],
)
def test_an_element_is_whose_number_it_was_stored_by(
    stored: str, read: str, types: list[str]
) -> None:
    card = CARD.replace("struct ring *used;", "struct ring *used; u8 n;").replace("MORE", "")
    card = card.replace("card->ports[i] = p;", f"p->n = i; card->ports[{stored}] = p;")
    other = "static inline int example_other(int n)\n{\n\treturn n ^ 1;\n}\n"
    # What another element holds is not what was read first.
    body = (
        f"struct port *o = netdev_priv(dev), *self = o->card->ports[skb->len & 1];\n"
        f"\tstruct port *a = o->card->ports[{read}];\n\n\tif (!self) return NETDEV_TX_OK;\n"
        "\th = xfrm_dev_state_lower_handle(x, a->netdev);"
    )
    assert [kind for kind, _ in said(other + card + LOOP, f"{body}\n\t{TESTED}")] == types


LENT = """
struct dock;
struct lane { struct napi_struct napi; struct dock *home, *user; };
struct dock { struct net_device *own; struct lane lane[4]; u32 __iomem *io; };
struct pier { struct dock *dock[2]; };

static int lane_poll(struct napi_struct *napi, int budget)
{
	struct lane *l = container_of(napi, struct lane, napi);
	struct xfrm_state *x = xfrm_state_lookup_byspi(budget, 2);
	struct sk_buff *s = napi_alloc_skb(napi, 9);
	u32 h = x ? xfrm_dev_state_lower_handle(x, ASKED) : 0;

	if (h)
		writel(h, l->user->io);
	s->protocol = eth_type_trans(s, GIVEN);
	return 0;
}

void lane_lend(struct pier *p, int n, int to)
{
	struct lane *l = &p->dock[0]->lane[n];

	l->user = TO;
}

int dock_create(struct pier *p, int i)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct dock));
	struct dock *d = netdev_priv(dev);

	d->own = dev;
	p->dock[i] = d;
	d->lane[1].home = d;
	d->lane[1].user = d;
	netif_napi_add(dev, &d->lane[1].napi, lane_poll);
	return register_netdev(dev);
}
"""


@pytest.mark.parametrize(
    ("asked", "given", "to", "types"),
    [
        ("l->user->own", "l->user->own", "p->dock[to]", []),
        ("l->home->own", "l->home->own", "p->dock[to]", []),
        ("l->home->own", "l->user->own", "l->home", []),
        ("l->home->own", "l->user->own", "NULL", []),
        ("l->home->own", "l->user->own", "p->dock[to]", ["WRONG_LOWER_DEV"]),
        ("l->user->own", "l->home->own", "p->dock[to]", []),
    ],
)
def test_a_queue_that_is_lent_works_for_whom_its_packets_are(
    asked: str, given: str, to: str, types: list[str]
) -> None:
    lent = LENT.replace("ASKED", asked).replace("GIVEN", given).replace("TO;", f"{to};")
    body = f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}"
    assert [kind for kind, _ in said(lent, body)] == types


@pytest.mark.parametrize(
    ("port", "types", "open_"),
    [
        ("o", [], False),
        ("list_next_entry(o, list)", [], True),
        ("o->self", [], False),
        ("o->card->ports[(o->n + 1) & 1]", ["WRONG_LOWER_DEV"], False),
    ],
)
def test_who_stands_beside_the_device_is_another(port: str, types: list[str], open_: bool) -> None:
    card = CARD.replace("struct ring *used;", "struct ring *used; u8 n; struct list_head list;")
    card = card.replace("u8 n;", "u8 n; struct port *self;").replace("MORE", "p->self = p;")
    body = f"struct port *o = netdev_priv(dev), *a = {port};\n\n\t"
    text = driver(card + LOOP, f"{body}h = xfrm_dev_state_lower_handle(x, a->netdev);\n\t{TESTED}")
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == types
    asked = "which device the resolver is asked for is not known"
    assert any(row.reason.startswith(asked) for row in report.unknown) == open_


CONDUIT = """
struct conduit { struct net_device *own; struct user *user[4]; struct napi_struct napi; };
struct user { struct net_device *own; struct conduit *conduit; u32 __iomem *io; };
static const struct xfrmdev_ops example_xfrmdev_ops;

static int conduit_poll(struct napi_struct *napi, int budget)
{
	struct conduit *c = container_of(napi, struct conduit, napi);
	struct xfrm_state *x = xfrm_state_lookup_byspi(budget, 2);
	struct user *u = c->user[budget & 3];
	u32 h = x ? xfrm_dev_state_lower_handle(x, ASKED) : 0;

	GIVES
	if (h)
		writel(h, u->io);
	return 0;
}

int conduit_create(int size)
{
	struct conduit *c;
	struct net_device *dev = alloc_etherdev(SIZE);

	c = netdev_priv(dev);
	c->own = dev;
	netif_napi_add(dev, &c->napi, conduit_poll);
	BESIDES
	return register_netdev(dev);
}

int user_create(struct conduit *c, int i)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct user));
	struct user *u = netdev_priv(dev);

	u->own = dev;
	u->conduit = c;
	c->user[i] = u;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
	return register_netdev(dev);
}
"""
OFFERED = "dev->xfrmdev_ops = &example_xfrmdev_ops;"


@pytest.mark.parametrize(
    ("asked", "size", "besides", "types"),
    [
        ("u->own", "sizeof(*c)", "", []),
        ("c->own", "sizeof(*c)", OFFERED, []),
        ("napi->dev", "sizeof(*c)", OFFERED, []),
        # It can be a user's, or both at once.
        ("c->own", "size", "", []),
        ("c->own", "sizeof(*c)", "", ["WRONG_LOWER_DEV"]),
        ("napi->dev", "sizeof(struct conduit)", "", ["WRONG_LOWER_DEV"]),
    ],
)
def test_a_device_that_offers_nothing_has_no_handle(
    asked: str, size: str, besides: str, types: list[str]
) -> None:
    text = CONDUIT.replace("ASKED", asked).replace("SIZE", size).replace("BESIDES", besides)
    body = f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}"
    # The one table that the example has belongs to the users.
    text = driver(text.replace("GIVES", ""), body).replace(
        "\tdev->xfrmdev_ops = &example_xfrmdev_ops;\n}\n", "}\n"
    )
    assert [f.type for f in BASE.check_example(text).findings] == types


@pytest.mark.parametrize(
    ("added", "types"),
    [
        ("dev, &p->napi", []),
        ("card->ports[i]->netdev, &card->napi", []),
        ("card->ports[0]->netdev, &card->napi", ["WRONG_LOWER_DEV"]),
    ],
)
def test_what_napi_was_added_for_is_one_of_several_ports(added: str, types: list[str]) -> None:
    kept = "struct napi_struct napi; struct port *ports[2];"
    card = CARD.replace("struct port *ports[2];", kept)
    card = card.replace("struct ring *used;", "struct ring *used; struct napi_struct napi;")
    poll = """
static int example_poll(struct napi_struct *napi, int budget)
{
	struct xfrm_state *x = xfrm_state_lookup_byspi(budget, 2);
	u32 h = x ? xfrm_dev_state_lower_handle(x, napi->dev) : 0;

	if (h)
		writel(h, NULL);
	return 0;
}
"""
    text = poll + card.replace("MORE", f"netif_napi_add({added}, example_poll);") + LOOP
    body = f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}"
    assert [kind for kind, _ in said(text, body)] == types


@pytest.mark.parametrize(
    ("asked", "given", "open_"),
    [
        ("c->own", "c->own", False),
        ("u->own", "u->own", False),
        ("u->own", "c->own", False),
        ("c->own", "u->own", True),
        ("c->user[0]->own", "u->own", True),
    ],
)
def test_a_packet_is_given_the_device_that_was_asked_for(
    asked: str, given: str, open_: bool
) -> None:
    text = CONDUIT.replace("ASKED", asked).replace("SIZE", "size").replace("BESIDES", OFFERED)
    text = text.replace("GIVES", f"eth_type_trans(build_skb(c, 9), {given});")
    body = f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}"
    report = BASE.check_example(driver(text, body))
    assert [f.type for f in report.findings] == []
    why = "the packet is given that of struct user.own"
    assert any(row.reason.endswith(why) for row in report.unknown) == open_
