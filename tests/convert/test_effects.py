"""`xfrmlint convert`: what a call on the way out does is told by what it does, not by its name."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.convert.test_convert import begun, changed_in, example_tx, source_of, xmit
from tests.laid import EXAMPLE, lay_example
from tests.ran import run
from xfrmlint.kernel.functions import Models, effect_named, read_models

pytestmark = pytest.mark.slow

_READ = "\twritel(x->xso.offload_handle, ex->hw);\n"
_SENT = _READ + "\treturn NETDEV_TX_OK;\n"
_DONE = "\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n"
_DROP = "\ndrop:\n" + _DONE
_FLAG = "+	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,"
_EXIT = """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle) {
"""
_USE = """\
+		return NETDEV_TX_OK;
+	}
+
+	writel(handle, ex->hw);
"""
# Resolved behind the exit, and not where it is used.
_BEHIND = """\
+	unsigned long handle;
+
+	handle = xfrm_dev_state_lower_handle(x, {device});
+	if (!handle)
+		{leaving}
+
-	writel(x->xso.offload_handle, ex->hw);
+	writel(handle, ex->hw);
"""


class Case(NamedTuple):
    """A driver's datapath, and what is said of it: the changed lines, or the reasons."""

    what: str
    datapath: str
    said: str


def _helper(name: str, body: str, result: str = "void") -> str:
    head = f"static {result} {name}(struct example *ex, struct sk_buff *skb)"
    return f"{head}\n{{\n{body}}}\n\n"


def _without_state(call: str) -> str:
    return xmit(
        f"\tif (!x) {{\n\t\t{call};\n\t{_DONE.replace(chr(10), chr(10) + chr(9), 1)}\t}}\n{_SENT}"
    )


def _drops_itself(call: str) -> str:
    return xmit(f"\tif (!x) {{\n\t\t{call};\n\t\treturn NETDEV_TX_OK;\n\t}}\n{_SENT}")


def _pointers(value: str, tested: str) -> str:
    """Return a function that returns a pointer, or a value where the state is another's."""
    return (
        "static struct example_sa *example_sa_of(struct example *ex, unsigned long handle)\n{\n"
        "\treturn &ex->sa[handle & 7];\n}\n\n"
        "static struct example_sa *example_sa(struct example *ex, struct sk_buff *skb)\n{\n"
        "\tstruct xfrm_state *x;\n\n\tif (!xfrm_offload(skb))\n\t\treturn NULL;\n\n"
        "\tx = xfrm_input_state(skb);\n"
        f"\tif (x->props.family != AF_INET)\n\t\treturn {value};\n\n"
        "\treturn example_sa_of(ex, x->xso.offload_handle);\n}\n\n"
        "static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)\n{\n"
        "\tstruct example *ex = netdev_priv(dev);\n\tstruct example_sa *sa;\n\n"
        f"\tsa = example_sa(ex, skb);\n\tif ({tested}) {{\n\t\tdev_kfree_skb_any(skb);\n"
        "\t\treturn NETDEV_TX_OK;\n\t}\n\tif (sa)\n\t\twritel(sa->iova, ex->hw);\n"
        "\twritel(skb->len, ex->hw + 1);\n\treturn NETDEV_TX_OK;\n}\n"
    )


_IOVA = "ex->sa[skb->len & 7].iova"
_NOT_HAD = "is for what could not be had there"
_MAPPED = "dma_map_single(&dev->dev, skb->data, skb->len, DMA_TO_DEVICE)"
_MAP_FAILED = f"dma_mapping_error(&dev->dev, {_IOVA})"


def _asked_for(taken: str, tested: str, before: str = "") -> str:
    """Return a function that leaves where a test of what is taken just before its read fails."""
    return before + begun(
        xmit(f"{taken}\tif ({tested})\n\t\tgoto drop;\n{_SENT}{_DROP}", "\tu32 addr;\n")
    )


def _tested(taken: str, exit_: str, tested: str = "!sa") -> str:
    """Return a function that tests the handle itself, behind what is taken."""
    return xmit(
        f"{taken}\tsa = (struct example_sa *)x->xso.offload_handle;\n"
        f"\tif ({tested})\n\t\tgoto out;\n\twritel(sa->iova, ex->hw);\n"
        f"\tspin_unlock(&ex->lock);\n\treturn NETDEV_TX_OK;\n\nout:\n{exit_}{_DONE}",
        "\tstruct example_sa *sa;\n\tdma_addr_t addr;\n",
    )


_LOCK, _UNLOCK = "\tspin_lock(&ex->lock);\n", "\tspin_unlock(&ex->lock);\n"
_ADDR = f"\taddr = {_MAPPED};\n"
_UNMAP = "\tdma_unmap_single(&dev->dev, addr, skb->len, DMA_TO_DEVICE);\n"
_ASKED_FOR = """\
-	sa = (struct example_sa *)x->xso.offload_handle;
+	sa = (struct example_sa *)xfrm_dev_state_lower_handle(x, dev);
"""

CONVERTED = (
    Case(
        "a member that is only computed is tested",
        _asked_for(f"\t{_IOVA} = skb->len;\n", f"{_IOVA} > 9000"),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle)
+		goto drop;
+
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "the test of the handle gives back what was taken",
        _tested(_LOCK + _ADDR, _UNMAP + _UNLOCK),
        _ASKED_FOR + _FLAG,
    ),
    Case(
        "a helper of the driver's own drops the packet",
        _helper("example_toss", "\tex->netdev->stats.tx_dropped++;\n\tdev_kfree_skb_any(skb);\n")
        + _drops_itself("example_toss(ex, skb)"),
        _EXIT + "+		example_toss(ex, skb);\n" + _USE + _FLAG,
    ),
    Case(
        "what is called a release counts",
        _helper("example_release", "\tex->netdev->stats.tx_dropped++;\n")
        + _without_state("example_release(ex, skb)"),
        _EXIT
        + "+		example_release(ex, skb);\n+		dev_kfree_skb_any(skb);\n"
        + _USE
        + _FLAG,
    ),
    Case(
        "what is called a count takes a descriptor",
        _helper("example_count", "\tex->last++;\n")
        + example_tx(
            f"\tif (!x)\n\t\treturn false;\n\texample_count(ex, skb);\n{_READ}\treturn true;\n"
        ),
        _BEHIND.format(device="ex->netdev", leaving="return false;") + _FLAG,
    ),
    Case(
        "a macro in capitals takes one",
        "#define EXAMPLE_SIZE(e) ((e)->last = 1)\n\n"
        + example_tx(f"\tif (!x)\n\t\treturn false;\n\tEXAMPLE_SIZE(ex);\n{_READ}\treturn true;\n"),
        _BEHIND.format(device="ex->netdev", leaving="return false;") + _FLAG,
    ),
    Case(
        "the packet is dropped for another reason",
        xmit(f"\tif (skb->len > 9000)\n\t\tgoto drop;\n{_SENT}{_DROP}"),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle)
+		goto drop;
+
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "an error in a pointer is told from none, which means plain",
        _pointers("ERR_PTR(-EINVAL)", "IS_ERR(sa)"),
        """\
+	unsigned long handle;
-	return example_sa_of(ex, x->xso.offload_handle);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return ERR_PTR(-EINVAL);
+
+	return example_sa_of(ex, handle);
"""
        + _FLAG,
    ),
    Case(
        "memory is taken behind the exit",
        xmit(
            "\tif (!x)\n\t\tgoto drop;\n\tex->last = (unsigned long)kmalloc(8, GFP_ATOMIC);\n"
            f"{_READ}\treturn NETDEV_TX_OK;\n{_DROP}"
        ),
        _BEHIND.format(device="dev", leaving="goto drop;") + _FLAG,
    ),
    Case(
        "a declaration gets shorter than that of the handle",
        example_tx(
            "\tif (id >= 8)\n\t\treturn false;\n\twritel(id, ex->hw);\n\treturn true;\n",
            "\tu16 id = example_id(x->xso.offload_handle);\n",
        ).replace(
            "static bool example_tx",
            "static u16 example_id(unsigned long handle)\n{\n\treturn handle - 1;\n}\n\n"
            "static bool example_tx",
        ),
        """\
-	u16 id = example_id(x->xso.offload_handle);
+	unsigned long handle;
+	u16 id;
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	id = example_id(handle);
"""
        + _FLAG,
    ),
)

REFUSED = (
    Case(
        "a mapping that a member keeps",
        _asked_for(f"\t{_IOVA} = {_MAPPED};\n", _MAP_FAILED),
        _NOT_HAD,
    ),
    Case(
        "a mapping that a member keeps, and a variable is tested",
        _asked_for(
            f"\t{_IOVA} = {_MAPPED};\n\taddr = {_IOVA};\n",
            "dma_mapping_error(&dev->dev, addr)",
        ),
        _NOT_HAD,
    ),
    Case(
        "a mapping that a function keeps in a member",
        _asked_for(
            "\texample_map(ex, skb);\n",
            _MAP_FAILED,
            _helper("example_map", f"\t{_IOVA} = {_MAPPED.replace('dev->', 'ex->netdev->', 1)};\n"),
        ),
        _NOT_HAD,
    ),
    Case(
        "what another module's function is given to fill",
        _asked_for(f"\tvendor_map(ex, &{_IOVA});\n", f"!{_IOVA}"),
        _NOT_HAD,
    ),
    Case(
        "a lock whose success a member keeps",
        _asked_for("\tex->sa[0].used = spin_trylock(&ex->lock);\n", "!ex->sa[0].used"),
        _NOT_HAD,
    ),
    Case(
        "an entry that a function of the driver's reserves, kept in a member",
        _asked_for(
            "\tex->sa[0].iova = example_get(ex, skb);\n",
            "!ex->sa[0].iova",
            _helper(
                "example_get",
                "\tif (ex->sa[1].used)\n\t\treturn 0;\n\tex->sa[1].used = true;\n\treturn 1;\n",
                "u32",
            ),
        ),
        _NOT_HAD,
    ),
    Case(
        "a credit that is counted down",
        _asked_for("\tex->sa[0].iova--;\n", "!ex->sa[0].iova"),
        _NOT_HAD,
    ),
    Case(
        "the test of the handle leaves with the lock",
        _tested(_LOCK, ""),
        "spin_lock() is not undone where the test of the handle leaves",
    ),
    Case(
        "the test of the handle leaves with a lock of the driver's own",
        _helper("example_begin", _LOCK) + _tested("\texample_begin(ex, skb);\n", ""),
        "example_begin() is not undone where the test of the handle leaves",
    ),
    Case(
        "the test of the handle gives back the lock alone",
        _tested(_LOCK + _ADDR, _UNLOCK),
        "dma_map_single() is not undone where the test of the handle leaves",
    ),
    Case(
        "the test of the handle gives back the mapping alone",
        _tested(_LOCK + _ADDR, _UNMAP),
        "spin_lock() is not undone where the test of the handle leaves",
    ),
    Case(
        "the test of the handle gives back another mapping than the packet's",
        _tested(_LOCK + _ADDR, "\tkunmap_local(skb->data);\n" + _UNLOCK),
        "dma_map_single() is not undone where the test of the handle leaves",
    ),
    Case(
        "a lock is taken in a loop that is left with it",
        xmit(
            f"\tfor (;;) {{\n\t{_LOCK}\t\tbreak;\n\t}}\n\tif (skb->len > 9000)\n"
            f"\t\tgoto drop;\n{_SENT}{_DROP}"
        ),
        "does not undo spin_lock()",
    ),
    Case(
        "the handle is tested in a macro of the driver's own, with the lock",
        "#define EXAMPLE_RARE(c) (c)\n\n" + _tested(_LOCK, "", "EXAMPLE_RARE(!sa)"),
        "does not undo spin_lock()",
    ),
    Case(
        "behind the exit a packet goes its way that needs no handle",
        xmit(
            "\tif (skb->len > 9000)\n\t\tgoto drop;\n\tex->last++;\n\tif (!xfrm_offload(skb))\n"
            f"\t\tgoto plain;\n{_READ}plain:\n\twritel(1, ex->hw);\n\treturn NETDEV_TX_OK;\n{_DROP}"
        ),
        "what has to be undone here need not be what was in line",
    ),
    Case(
        "a pointer that is none means plain",
        _pointers("NULL", "IS_ERR(sa)"),
        "the packet may have been sent: writel() is given it",
    ),
    Case(
        "an allocation that failed is another exit than one that did not",
        begun(
            xmit(
                "\tp = kmalloc(8, GFP_ATOMIC);\n\tif (!p)\n\t\tgoto drop;\n"
                f"\twritel(*p, ex->hw);\n{_SENT}{_DROP}",
                "\tu32 *p;\n",
            )
        ),
        "is for what could not be had there",
    ),
    Case(
        "what is taken on some ways is given back by their exit",
        begun(
            xmit(
                "\tif (ex->hw)\n\t\tspin_lock(&ex->lock);\n\tif (ex->hw && skb->len > 9)\n"
                f"\t\tgoto unlock;\n{_SENT}\nunlock:\n\tspin_unlock(&ex->lock);\n{_DONE}"
            )
        ),
        "spin_lock() (done on some ways alone)",
    ),
    Case(
        "a short packet is copied and freed",
        xmit(
            "\tif (skb->len < 90) {\n\t\tmemcpy(ex->sa, skb->data, skb->len);\n"
            f"\t\twritel(1, ex->hw);\n\t\tdev_kfree_skb_any(skb);\n\t\treturn NETDEV_TX_OK;\n\t}}\n"
            f"{_SENT}"
        ),
        "does more than to drop the packet",
    ),
    Case(
        "a packet without a state is copied and freed",
        xmit(
            "\tif (!x) {\n\t\tmemcpy(ex->sa, skb->data, skb->len);\n"
            f"\t\twritel(1, ex->hw);\n\t\tdev_kfree_skb_any(skb);\n\t\treturn NETDEV_TX_OK;\n\t}}\n"
            f"{_SENT}"
        ),
        "the packet may have been sent: memcpy() is given it",
    ),
    Case(
        "what is called a free sends",
        _helper("example_free", "\twritel(skb->len, ex->hw + 4);\n")
        + _without_state("example_free(ex, skb)"),
        "the packet may have been sent: writel() is given it",
    ),
    Case(
        "what is called a count keeps the packet",
        "static struct sk_buff *example_last;\n\n"
        + _helper("example_count", "\texample_last = skb;\n")
        + _without_state("example_count(ex, skb)"),
        "the packet is kept (example_last)",
    ),
    Case(
        "what is called an error stops the queue",
        _helper("example_err", "\tnetif_stop_queue(ex->netdev);\n")
        + _without_state("example_err(ex, skb)"),
        "netif_stop_queue() ends more than the packet",
    ),
    Case(
        "a function pointer is called",
        "static void (*example_undo)(struct example *ex, struct sk_buff *skb);\n\n"
        + _without_state("example_undo(ex, skb)"),
        "what example_undo() does is not known",
    ),
    Case(
        "another module's function is called",
        "void other_undo(struct example *ex, struct sk_buff *skb);\n\n"
        + _without_state("other_undo(ex, skb)"),
        "what other_undo() does is not known",
    ),
    Case(
        "a helper drops some of the packets",
        begun(
            _helper("example_drop", "\tif (skb->len & 1)\n\t\treturn;\n\tdev_kfree_skb_any(skb);\n")
            + _drops_itself("example_drop(ex, skb)")
        ),
        "whether the packet is freed depends on more than the exit",
    ),
    Case(
        "the exit drops some of the packets",
        begun(_drops_itself("if (skb->len & 1)\n\t\t\tdev_kfree_skb_any(skb)")),
        "whether the packet is freed depends on more than the exit",
    ),
    Case(
        "another packet is freed",
        begun(
            xmit(
                "\tif (next && skb->len > 8) {\n\t\tdev_kfree_skb_any(next);\n"
                f"\t\treturn NETDEV_TX_OK;\n\t}}\n{_SENT}",
                "\tstruct sk_buff *next = skb->next;\n",
            )
        ),
        "whether the packet is freed depends on more than the exit",
    ),
    Case(
        "a look-up of the driver's own holds the state",
        "static struct xfrm_state *example_get(struct sk_buff *skb)\n{\n"
        "\tstruct xfrm_state *y = xfrm_input_state(skb);\n\n"
        "\tif (y)\n\t\txfrm_state_hold(y);\n\treturn y;\n}\n\n"
        + example_tx(
            f"\tx = example_get(skb);\n\tif (!x)\n\t\treturn false;\n{_READ}\treturn true;\n"
        ),
        "x may be held where the function leaves: xfrm_state_hold",
    ),
    Case(
        "what the exit undoes is done later",
        begun(
            example_tx(
                "\tid = x->xso.offload_handle;\n\tex->last++;\n\tif (id >= 8) {\n\t\tex->last--;\n"
                "\t\treturn false;\n\t}\n\twritel(id, ex->hw);\n\treturn true;\n",
                "\tu32 id;\n",
            )
        ),
        "may undo what is not yet done where the handle is read",
    ),
    Case(
        "some of the packets use no handle",
        xmit(
            "\tif (!x)\n\t\tgoto drop;\n\tid = skb->len > 99 ? x->xso.offload_handle : 7;\n"
            f"\twritel(id, ex->hw);\n\treturn NETDEV_TX_OK;\n{_DROP}",
            "\tu32 id;\n",
        ),
        "the handle is read for some of the packets that come to the test",
    ),
    Case(
        "the hardware is given the field's address",
        "void example_gather(struct example *ex, void *at);\n\n"
        + xmit(
            "\tif (!x)\n\t\tgoto drop;\n\texample_gather(ex, &x->xso.offload_handle);\n"
            f"\treturn NETDEV_TX_OK;\n{_DROP}"
        ),
        "the address of xso.offload_handle is taken: who keeps it?",
    ),
    Case(
        "the first state has handle 0",
        "static int example_other(struct net_device *dev, struct xfrm_state *x,\n"
        "\t\t\t struct netlink_ext_ack *extack)\n{\n"
        "\tstruct example *ex = netdev_priv(dev);\n\tunsigned long i;\n\n"
        "\ti = find_first_zero_bit(&ex->last, 8);\n\tif (i >= 8)\n\t\treturn -ENOSPC;\n"
        "\tset_bit(i, &ex->last);\n\tx->xso.offload_handle = i;\n\treturn 0;\n}\n\n"
        + xmit(f"\tif (!x)\n\t\tgoto drop;\n{_SENT}{_DROP}"),
        "example_other(): the handle can be 0, which the resolver says for none",
    ),
    Case(
        "whether a handle can be 0 is not known",
        "static int example_other(struct net_device *dev, struct xfrm_state *x,\n"
        "\t\t\t struct netlink_ext_ack *extack)\n{\n"
        "\tstruct example *ex = netdev_priv(dev);\n\tunsigned long i;\n\n"
        "\tx->xso.offload_handle = vendor_id(x);\n\treturn 0;\n}\n\n"
        + xmit(f"\tif (!x)\n\t\tgoto drop;\n{_SENT}{_DROP}"),
        "example_other(): whether the handle can be 0, which the resolver says for none, is not",
    ),
    Case(
        "the exit stands in an #if",
        xmit(
            "#ifdef CONFIG_EXAMPLE\n\tif (skb->len > 9000)\n\t\tgoto drop;\n#endif\n"
            f"{_SENT}#ifdef CONFIG_EXAMPLE\n{_DROP}#endif\n"
        ),
        "the function has no exit for a packet without a state, or with a bad index",
    ),
)


def _name(case: Case) -> str:
    return case.what


@pytest.mark.parametrize("case", REFUSED, ids=_name)
def test_what_is_done_on_the_way_out_speaks_against_it(case: Case, tmp_path: Path) -> None:
    tree = lay_example(source_of(case.datapath), tmp_path / "t")
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert case.said in ran.err
    assert f"  {EXAMPLE}:" in ran.err


@pytest.mark.parametrize("case", CONVERTED, ids=_name)
def test_what_is_done_on_the_way_out_is_right(case: Case, tmp_path: Path) -> None:
    tree = lay_example(source_of(case.datapath), tmp_path / "t")
    ran = run("convert", tree, "example", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert changed_in(ran.out) == case.said


_SHARED = """\

static bool example_tx(struct example *ex, struct sk_buff *skb)
{
	struct xfrm_state *x = xfrm_input_state(skb);

	if (!x)
		return false;
	writel(x->xso.offload_handle, ex->hw);
	return true;
}

static netdev_tx_t example_out(struct example *ex, struct sk_buff *skb)
{
	if (!example_tx(ex, skb))
		dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	return example_out(netdev_priv(dev), skb);
}

struct example_port {
	struct example *uplink;
};

static netdev_tx_t example_port_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct example_port *port = netdev_priv(dev);

	return example_out(port->uplink, skb);
}

static const struct net_device_ops example_port_ops = {
	.ndo_start_xmit	= example_port_xmit,
};
"""


def test_a_queue_of_another_device_does_not_tell_whose_the_packet_is(tmp_path: Path) -> None:
    shared = _SHARED.replace(
        "\tif (!example_tx(ex, skb))\n\t\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;",
        "\tif (!example_tx(ex, skb)) {\n\t\tdev_kfree_skb_any(skb);\n\t\treturn NETDEV_TX_OK;\n"
        "\t}\n\treturn NETDEV_TX_OK;",
    )
    ran = run("convert", lay_example(source_of(shared), tmp_path / "t"), "example", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert "+	handle = xfrm_dev_state_lower_handle(x, skb->dev);\n" in ran.out
    stored = shared.replace(
        "\treturn example_out(port->uplink",
        "\tskb->dev = port->uplink->netdev;\n\treturn example_out(port->uplink",
    )
    ran = run("convert", lay_example(source_of(stored), tmp_path / "s"), "example", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert "+	handle = xfrm_dev_state_lower_handle(x, dev);\n" in ran.out
    assert "+	return example_out(dev, port->uplink, skb);\n" in ran.out


@pytest.mark.parametrize(
    ("datapath", "said"),
    [
        (
            "void example_above(struct net_device *dev)\n{\n"
            "\tdev->xfrmdev_ops = netdev_master_upper_dev_get(dev)->xfrmdev_ops;\n}\n",
            "",
        ),
        (
            "static const struct xfrmdev_ops example_xfrmdev_ops;\n\n"
            "void example_event(struct net_device *dev)\n{\n"
            "\tstruct net_device *above = netdev_master_upper_dev_get(dev);\n\n"
            "\tabove->xfrmdev_ops = &example_xfrmdev_ops;\n}\n\n",
            "example_event(): the table is put on above (master), which is not the driver's own",
        ),
    ],
)
def test_a_table_on_another_s_device(datapath: str, said: str, tmp_path: Path) -> None:
    source = source_of(datapath + xmit(f"\tif (!x)\n\t\tgoto drop;\n{_SENT}{_DROP}"))
    ran = run("convert", lay_example(source, tmp_path / "t"), "example", cwd=tmp_path)
    assert said in ran.err
    assert (ran.status == 1) == bool(said)


@pytest.mark.parametrize(
    ("name", "does"),
    [
        ("skb_headlen", "nothing"),
        ("netdev_err", "nothing"),
        ("cpu_to_le32", "nothing"),
        ("u64_stats_update_begin", "locks"),
        ("u64_stats_update_end_irqrestore", "unlocks"),
        ("u64_stats_inc", "counts"),
        ("raw_write_seqcount_begin", "locks"),
        ("xa_lock_bh", "locks"),
        ("xa_unlock_irqrestore", "unlocks"),
        ("list_add_tail", "changes"),
        ("skb_push", "prepares"),
        ("spin_lock_irqsave", "locks"),
        ("spin_unlock_bh", "unlocks"),
        ("dma_unmap_single", "unmaps"),
        ("kunmap_local", "gives back"),
        ("xfrm_state_hold", "holds"),
        ("xfrm_state_put", "puts"),
        ("xfrm_input_state_lookup", "holds"),
        ("skb_frag_dma_map", "maps"),
        ("skb_frag_ref", "holds"),
        ("skb_frag_size", "nothing"),
        ("kfree", "frees"),
        ("kfree_rcu", "defers"),
        ("ida_free", "releases"),
        ("kfree_skb_reason", "drops"),
        ("dev_consume_skb_any", "consumes"),
        ("writel", "sends"),
        ("netif_tx_stop_queue", "halts"),
        ("example_free_count_err_stat", ""),
    ],
)
def test_what_a_function_of_the_kernel_s_does_is_a_row(name: str, does: str) -> None:
    assert effect_named(name) == does


def test_a_vendor_s_row_comes_behind_the_kernel_s() -> None:
    row = '[[effect]]\nnames = ["kfree", "v_*"]\nsource = "v.h"\ndoes = "halts"\n'
    models = Models([read_models(row, "own.toml")])
    assert (models.effect("kfree"), models.effect("v_x"), models.effect("w")) == ("halts",) * 2 + (
        "",
    )


def test_a_callback_that_is_given_no_device_is_named(tmp_path: Path) -> None:
    source = source_of(
        "static void example_esn(struct xfrm_state *x)\n{\n"
        "\tstruct example *ex = netdev_priv(x->xso.dev);\n\n\tex->last++;\n}\n\n"
        + xmit(f"\tif (!x)\n\t\tgoto drop;\n{_SENT}{_DROP}")
    ).replace(
        "\t.xdo_dev_state_delete",
        "\t.xdo_dev_state_advance_esn = example_esn,\n\t.xdo_dev_state_delete",
    )
    ran = run("convert", lay_example(source, tmp_path / "t"), "example", cwd=tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert "example_esn(): xso.dev is read, and xdo_dev_state_advance_esn (" in ran.err
    assert ") is given no net_device: add can keep its own with what the handle leads to" in ran.err
