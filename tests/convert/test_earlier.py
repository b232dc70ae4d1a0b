"""`xfrmlint convert`: handles that are asked for earlier than they are read, or behind a name."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.convert.test_convert import changed_in, example_tx, source_of, xmit
from tests.laid import lay_example
from tests.ran import run

pytestmark = pytest.mark.slow

_TABLE = """\
static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
	.xdo_dev_state_delete	= example_delete,
};
"""
_FLAG = "+	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,"
_DROP = "\tdev_kfree_skb_any(skb);\n\treturn NETDEV_TX_OK;\n"
# It takes an element of a ring.
_HELPER = """\
static struct example_sa *example_get(struct example *ex)
{
	ex->last++;
	return &ex->sa[ex->last & 7];
}

"""


_ASKED = """\
+	unsigned long handle = 0;
+
+	if (xfrm_offload(skb)) {
+		handle = xfrm_dev_state_lower_handle(xfrm_input_state(skb),
+						     dev);
+		if (!handle) {
+			dev->stats.tx_dropped++;
+			dev_kfree_skb_any(skb);
+			return NETDEV_TX_OK;
+		}
+	}
-		writel(xfrm_input_state(skb)->xso.offload_handle, ex->hw);
+		writel(handle, ex->hw);
+	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,"""
_ASKED_BEHIND = """\
+	unsigned long handle;
+
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
-	writel(x->xso.offload_handle, ex->hw);
+	writel(handle, ex->hw);
+	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,"""


class Case(NamedTuple):
    """A driver's datapath, and what is said of it: the changed lines, or the reasons."""

    what: str
    source: str
    said: str


def _send(body: str, declared: str = "") -> str:
    """Return a driver whose transmit function has no state of its own."""
    state = "\tstruct xfrm_state *x = xfrm_input_state(skb);\n"
    return source_of(_HELPER + xmit(body, declared).replace(state, "", 1))


def _table(table: str) -> str:
    """Return a driver with another ops table."""
    tested = "\tif (!x)\n\t\tgoto drop;\n\twritel(x->xso.offload_handle, ex->hw);\n"
    plain = source_of(xmit(f"{tested}\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}"))
    assert _TABLE in plain
    return plain.replace(_TABLE, table)


_RUNS = """\
static struct xfrmdev_ops example_xfrmdev_ops;

void example_fill(struct example *ex)
{
	example_xfrmdev_ops.xdo_dev_state_add = example_add;
	example_xfrmdev_ops.xdo_dev_state_delete = example_delete;
	example_xfrmdev_ops.flags = 0;
}
"""
_LOOPED = (
    "\tstruct sec_path *sp = skb_sec_path(skb);\n",
    "\tfor (i = 0; i < sp->len; i++) {\n"
    "\t\tsa = &ex->sa[sp->xvec[i]->xso.offload_handle & 7];\n"
    "\t\tif (!sa->used)\n\t\t\tgoto drop;\n\t\twritel(sa->iova, ex->hw);\n\t}\n"
    f"\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}",
)

_SA = "\tstruct example_sa *sa;\n"
_PATH = f"{_SA}\tstruct sec_path *sp = skb_sec_path(skb);\n"
_NO_LINE = "the handle is read where no statement can be put before it"
_SENT = "\twritel(sa->iova, ex->hw);\n\treturn NETDEV_TX_OK;\n"
_OFFLOADED = (
    "\tif (xfrm_offload(skb))\n\t\twritel(xfrm_input_state(skb)->xso.offload_handle, ex->hw);\n"
)
_READ = "\twritel(xfrm_input_state(skb)->xso.offload_handle, ex->hw);\n"


def _between(what: str, declared: str = _SA) -> str:
    """Return a driver that does something between where it takes an element and where it reads."""
    return _send(
        f"\tsa = example_get(ex);\n{what}\tif (xfrm_offload(skb))\n\t{_READ}{_SENT}", declared
    )


_CALLED = "\texample_prep(ex, skb);\n"
_PLAINLY = "\tif (!xfrm_offload(skb))\n\t\treturn;\n"


def _tells(
    first: str = _PLAINLY, other: str = "", called: str = _CALLED, last: str = "", more: str = ""
) -> str:
    """Return a driver with a function that returns nothing, and reads the handle.

    other: what stands before it. last: its last statement. more: what stands behind it.
    """
    send = xmit(
        f"\tif (skb_cow_head(skb, 4))\n\t\tgoto drop;\n{called}"
        f"\twritel(1, ex->hw);\n\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}"
    ).replace("\tstruct xfrm_state *x = xfrm_input_state(skb);\n", "")
    return source_of(
        f"{other}static void example_prep(struct example *ex, struct sk_buff *skb)\n{{\n"
        f"\tstruct xfrm_state *x;\n\n{first}\tx = xfrm_input_state(skb);\n"
        f"\twritel(x->xso.offload_handle, ex->hw);\n{last}}}\n{more}\n{send}"
    )


def _told(
    first: str = "-\t\treturn;\n+\t\treturn true;\n",
    last: str = "+\n+\treturn true;\n",
    before: str = "",
    behind: str = "",
) -> str:
    """Return the lines that change where it tells. before, behind: those around the function."""
    return (
        before + "-static void example_prep(struct example *ex, struct sk_buff *skb)\n"
        "+static bool example_prep(struct example *ex, struct sk_buff *skb)\n"
        f"+\tunsigned long handle;\n{first}"
        "-\twritel(x->xso.offload_handle, ex->hw);\n"
        "+\thandle = xfrm_dev_state_lower_handle(x, ex->netdev);\n"
        "+\tif (!handle)\n+\t\treturn false;\n+\n+\twritel(handle, ex->hw);\n"
        f"{last}{behind}-\texample_prep(ex, skb);\n"
        f"+\tif (!example_prep(ex, skb))\n+\t\tgoto drop;\n{_FLAG}"
    )


_STUB = "static void example_prep(struct example *ex, struct sk_buff *skb)"
_BOOL = _STUB.replace("void", "bool")
_TAKES = "(struct example *ex, struct sk_buff *skb)"
_NOTE = "static void example_note(struct example *ex)\n{\n\tex->last++;\n}\n\n"


_PICKS = """\
static void example_pick(struct example *ex, struct xfrm_state **to)
{
	if (ex->last & 1)
		*to = ex->second;
}

"""
_POPS = """\
static void example_pop(struct sk_buff *skb)
{
	struct sec_path *sp = skb_sec_path(skb);

	if (sp->len > 1)
		sp->len--;
}

static void example_count(struct example *ex, struct sk_buff *skb)
{
	ex->last += skb_sec_path(skb)->len;
}

"""
_NEXT = """\
static bool example_next(struct sec_path *sp, int *i, struct xfrm_state **x)
{
	if (++*i >= sp->len)
		return false;
	*x = sp->xvec[*i];
	return true;
}

"""
_TEMPLATE = """\
static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
	.xdo_dev_state_delete	= example_delete,
};

void example_copy(struct example *ex)
{
	FILL
	ex->netdev->xfrmdev_ops = &ex->ops;
}
"""


def _picking(body: str, declared: str = "") -> str:
    """Return a driver that keeps a second state, and has functions that choose one."""
    state = "\tstruct xfrm_state *x = xfrm_input_state(skb);\n"
    tx = _PICKS + _POPS + _NEXT + xmit(body, declared).replace(state, "", 1)
    return source_of(_HELPER + tx).replace(
        "\tunsigned long last;\n", "\tunsigned long last;\n\tstruct xfrm_state *second;\n"
    )


def _behind_exit(between: str, state: str = "x") -> str:
    """Return a driver that does something between an exit and the read."""
    return source_of(
        _PICKS
        + _POPS
        + example_tx(
            f"\tif (skb->len < 8)\n\t\treturn false;\n{between}"
            f"\twritel({state}->xso.offload_handle, ex->hw);\n\treturn true;\n"
        )
    ).replace("\tunsigned long last;\n", "\tunsigned long last;\n\tstruct xfrm_state *second;\n")


def _copied(fill: str) -> str:
    """Return a driver that has a copy of a table on its net_device."""
    return (
        _table(_TEMPLATE.replace("FILL", fill))
        .replace("\tspinlock_t lock;\n", "\tspinlock_t lock;\n\tstruct xfrmdev_ops ops;\n", 1)
        .replace("\tdev->xfrmdev_ops = &example_xfrmdev_ops;\n", "\texample_copy(ex);\n")
    )


# A slot of a ring, which is then reserved, or an error.
_RESERVES = """\
static int example_reserve(struct example *ex)
{
	if (ex->sa[1].used)
		return -ENOSPC;
	ex->sa[1].used = true;
	return 0;
}

"""
_PREP = (
    "static void example_prep(struct example *ex, struct sk_buff *skb)\n{\n"
    "\tstruct xfrm_state *x;\n\n\tif (!xfrm_offload(skb))\n\t\treturn;\n"
    "\tx = xfrm_input_state(skb);\n\twritel(x->xso.offload_handle, ex->hw);\n}\n\n"
)


def _prepared(before: str) -> str:
    """Return a transmit function that calls example_prep() behind something else."""
    sent = "\texample_prep(ex, skb);\n\twritel(1, ex->hw);\n\treturn NETDEV_TX_OK;\n\n"
    made = xmit(f"{before}{sent}drop:\n{_DROP}", "\tint err = 0;\n")
    return made.replace("\tstruct xfrm_state *x = xfrm_input_state(skb);\n", "")


REFUSED = (
    Case(
        "the state is put where it is read from behind what was done",
        _send(
            "\tsa = example_get(ex);\n\tfirst->x = xfrm_input_state(skb);\n"
            f"\twritel(first->x->xso.offload_handle, ex->hw);\n{_SENT}",
            f"\tstruct example_first *first = &example_ring[0];\n{_SA}",
        ).replace(
            "static struct example_sa *example_get",
            "static struct example_first {\n\tstruct xfrm_state *x;\n} example_ring[8];\n\n"
            "static struct example_sa *example_get",
        ),
        "the function has no exit",
    ),
    Case(
        "packets in plain leave between",
        _send(
            "\tsa = example_get(ex);\n\tif (!xfrm_offload(skb)) {\n\t\twritel(sa->iova, ex->hw);\n"
            f"\t\treturn NETDEV_TX_OK;\n\t}}\n{_READ}\treturn NETDEV_TX_OK;\n",
            _SA,
        ),
        "does more than to drop the packet",
    ),
    Case(
        "what is sent in another way leaves between",
        _between(
            "\tif (ex->sa[1].used) {\n\t\twritel(sa->iova, ex->hw);\n"
            "\t\treturn NETDEV_TX_OK;\n\t}\n"
        ),
        _NO_LINE,
    ),
    Case(
        "what is asked is the driver's own, and can be another then",
        _send(f"\tsa = example_get(ex);\n\tif (ex->sa[1].used)\n\t{_READ}{_SENT}", _SA),
        _NO_LINE,
    ),
    Case(
        "an else",
        _send(
            "\tsa = example_get(ex);\n\tif (!xfrm_offload(skb))\n\t\twritel(0, ex->hw);\n"
            f"\telse\n\t{_READ}{_SENT}",
            _SA,
        ),
        _NO_LINE,
    ),
    Case(
        "the packet loses its states",
        _between("\tif (skb->len > 99)\n\t\tsecpath_reset(skb);\n"),
        _NO_LINE,
    ),
    Case("the packet is another", _between("\tskb = skb_unshare(skb, GFP_ATOMIC);\n"), _NO_LINE),
    Case(
        "what is done is not known",
        _between("\tother(ex);\n"),
        _NO_LINE,
    ),
    Case(
        "a jump leads back",
        _send(
            f"\tsa = example_get(ex);\nagain:\n\tex->last++;\n\tif (xfrm_offload(skb))\n\t{_READ}"
            f"\tskb = skb->next;\n\tif (skb)\n\t\tgoto again;\n{_SENT}",
            _SA,
        ),
        _NO_LINE,
    ),
    Case(
        "one case of a switch is for packets in plain",
        _send(
            f"\tsa = example_get(ex);\n\tswitch (skb->len & 1) {{\n\tcase 0:\n\t{_READ}\t\tbreak;\n"
            f"\tdefault:\n\t\twritel(0, ex->hw);\n\t\tbreak;\n\t}}\n{_SENT}",
            _SA,
        ),
        "the function has no exit",
    ),
    Case(
        "its caller gives back what the function had taken by then",
        source_of(
            "static int example_put(struct example *ex, struct sk_buff *skb)\n{\n"
            f"\tex->last++;\n{_READ}\treturn 0;\n}}\n\n"
            + xmit(
                "\tif (example_put(ex, skb)) {\n\t\tex->last--;\n\t\tdev_kfree_skb_any(skb);\n"
                "\t\treturn NETDEV_TX_OK;\n\t}\n\twritel(1, ex->hw);\n\treturn NETDEV_TX_OK;\n"
            )
        ),
        "the function has no exit",
    ),
    *(
        Case(
            f"a void function whose caller leaves for a slot that it could not have: {what}",
            source_of(_RESERVES + _PREP + _prepared(f"{asked}\tif ({tested})\n\t\tgoto drop;\n")),
            "no end of the packet",
        )
        for what, asked, tested in (
            ("asked at once", "", "example_reserve(ex)"),
            ("in a member", "\tex->sa[0].iova = example_reserve(ex);\n", "ex->sa[0].iova"),
            ("in a variable", "\terr = example_reserve(ex);\n", "err"),
        )
    ),
    Case(
        "a void function whose caller leaves with the lock",
        source_of(
            _PREP + _prepared("\tspin_lock(&ex->lock);\n\tif (skb->len > 9)\n\t\tgoto drop;\n")
        ),
        "no end of the packet",
    ),
    Case(
        "a void function whose caller leaves for what it could not have",
        source_of(
            f"static void example_prep(struct example *ex, struct sk_buff *skb)\n{{\n{_READ}}}\n\n"
            + xmit(
                "\tp = kmalloc(8, GFP_ATOMIC);\n\tif (!p)\n\t\tgoto drop;\n"
                "\texample_prep(ex, skb);\n\twritel(*p, ex->hw);\n\treturn NETDEV_TX_OK;\n\n"
                f"drop:\n{_DROP}",
                "\tu32 *p;\n",
            )
        ),
        "the function has no exit",
    ),
    Case(
        "an element was taken, and nothing before it leaves",
        _send(
            "\tif (xfrm_offload(skb))\n"
            "\t\twritel(xfrm_input_state(skb)->xso.offload_handle, ex->hw);\n"
            "\twritel(sa->iova, ex->hw);\n\treturn NETDEV_TX_OK;\n",
            "\tstruct example_sa *sa = example_get(ex);\n",
        ),
        "the handle is read where no statement can be put before it",
    ),
    Case(
        "where the packets are that wait for a kick nobody knows",
        _send(
            "\tif (xfrm_offload(skb))\n"
            "\t\twritel(xfrm_input_state(skb)->xso.offload_handle, ex->hw);\n"
            "\tif (!netdev_xmit_more())\n\t\twritel(1, ex->hw + 1);\n\treturn NETDEV_TX_OK;\n"
        ),
        "the handle is read where no statement can be put before it",
    ),
    Case(
        "turn after turn another packet",
        _send(
            "\tsa = example_get(ex);\n\tskb_list_walk_safe(skb, seg, next) {\n"
            "\t\tx = xfrm_input_state(seg);\n\t\twritel(x->xso.offload_handle, ex->hw);\n"
            "\t\twritel(sa->iova, ex->hw);\n\t}\n\treturn NETDEV_TX_OK;\n",
            f"\tstruct sk_buff *seg = skb, *next;\n\tstruct xfrm_state *x;\n{_SA}",
        ),
        "the handle is read in a loop",
    ),
    Case(
        "what the handle leads to is there for as long as a section",
        _send(
            "\tspin_lock(&ex->lock);\n\tif (xfrm_offload(skb))\n"
            "\t\tex->sa[0].iova = ((struct example_sa *)\n"
            "\t\t\txfrm_input_state(skb)->xso.offload_handle)->iova;\n"
            "\tspin_unlock(&ex->lock);\n\twritel(1, ex->hw);\n\treturn NETDEV_TX_OK;\n"
        ),
        "the handle is read where no statement can be put before it",
    ),
    Case(
        "a macro that does more than to look",
        source_of(
            "#define SA_OF(x) ({ ex->last++; (x)->xso.offload_handle; })\n"
            + example_tx(
                "\tif (!x)\n\t\treturn false;\n\twritel(SA_OF(x), ex->hw);\n\treturn true;\n"
            )
        ),
        "xso.offload_handle is written in a macro",
    ),
    Case(
        "a branch that the version settles",
        _send(
            "#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 0, 0)\n"
            "\tu32 id = x->xso.offload_handle;\n#else\n\tu32 id = 0;\n#endif\n\n"
            "\twritel(id, ex->hw);\n\treturn NETDEV_TX_OK;\n",
            "\tstruct xfrm_state *x = xfrm_input_state(skb);\n",
        )
        .replace("\n\n#if", "\n#if")
        .replace("#include <net", "#include <linux/version.h>\n#include <net"),
        "the handle is read in a branch of an #if",
    ),
    Case(
        "a void function of a loop",
        source_of(
            "static void example_prep(struct example *ex, struct sk_buff *skb)\n{\n"
            "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n}\n\n"
            + xmit(
                "\tfor (i = 0; i < 4; i++) {\n\t\tif (!x)\n\t\t\tgoto drop;\n"
                "\t\texample_prep(ex, skb);\n\t}\n\treturn NETDEV_TX_OK;\n\n"
                f"drop:\n{_DROP}",
                "\tint i;\n",
            )
        ),
        "the function has no exit",
    ),
    *(
        Case(f"a void function {what}", source, "example_prep(): ")
        for what, source in (
            (
                "that a macro leaves",
                _tells(
                    "\tEXAMPLE_BAIL(!xfrm_offload(skb));\n",
                    "#define EXAMPLE_OUT\treturn\n"
                    "#define EXAMPLE_BAIL(c) do { if (c) EXAMPLE_OUT; } while (0)\n\n",
                ),
            ),
            (
                "that returns a void expression",
                _tells(last="\treturn example_note(ex);\n", other=_NOTE),
            ),
            ("that returns what is cast to void", _tells(last="\treturn (void)ex;\n")),
            (
                "that another of its definitions leaves by a macro",
                _tells(
                    other="#define EXAMPLE_OUT\treturn\n#ifdef CONFIG_EXAMPLE\n",
                    more=f"#else\n{_STUB}\n{{\n\tEXAMPLE_OUT;\n}}\n#endif\n",
                ),
            ),
            (
                "of which there is a stub that is a macro",
                _tells(
                    other="#ifdef CONFIG_EXAMPLE\n",
                    more="#else\n#define example_prep(ex, skb) do { } while (0)\n#endif\n",
                ),
            ),
            (
                "that is declared with another",
                _tells(other=f"{_STUB}, example_two(struct example *ex);\n\n"),
            ),
            (
                "that is declared by a typedef",
                _tells(
                    other="typedef void example_fn(struct example *ex, struct sk_buff *skb);\n"
                    "static example_fn example_prep;\n\n"
                ),
            ),
            (
                "whose address is taken",
                _tells(more=f"\nvoid (*example_hook){_TAKES} = example_prep;\n"),
            ),
            (
                "that has an alias",
                _tells(
                    more=f'\nvoid example_two{_TAKES} __attribute__((alias("example_prep")));\n'
                ),
            ),
            (
                "that has an alias by a macro",
                _tells(more=f"\nvoid example_two{_TAKES} __alias(example_prep);\n"),
            ),
            ("that is exported", _tells(more="EXPORT_SYMBOL_GPL(example_prep);\n")),
            (
                "that calls itself",
                _tells(last="\tif (ex->last++ < 4) {\n\t\texample_prep(ex, skb);\n\t}\n"),
            ),
            (
                "that is called by a macro",
                _tells(
                    other="#define example_go(ex, skb) example_prep(ex, skb)\n\n",
                    called="\texample_go(ex, skb);\n",
                ),
            ),
            *(
                (f"that is called as {what}", _tells(called=called))
                for what, called in (
                    ("one of two", "\texample_prep(ex, skb), ex->last++;\n"),
                    ("a choice", "\tskb->len ? example_prep(ex, skb) : (void)0;\n"),
                    (
                        "what a loop begins with",
                        "\tfor (example_prep(ex, skb); ex->last;)\n\t\t;\n",
                    ),
                    ("a branch", "\tif (skb->len)\n\t\texample_prep(ex, skb);\n"),
                    ("what is cast", "\t(void)example_prep(ex, skb);\n"),
                )
            ),
        )
    ),
    Case(
        "who is told where the state is kept may choose another",
        _picking(
            "\tx = xfrm_input_state(skb);\n\tsa = example_get(ex);\n\texample_pick(ex, &x);\n"
            "\tif (xfrm_offload(skb))\n\t\twritel(x->xso.offload_handle, ex->hw);\n" + _SENT,
            f"{_SA}\tstruct xfrm_state *x;\n",
        ),
        _NO_LINE,
    ),
    Case(
        "each turn of a loop is told another state",
        _picking(
            "\twhile (example_next(sp, &i, &x)) {\n\t\tsa = example_get(ex);\n"
            "\t\twritel(x->xso.offload_handle, ex->hw);\n\t}\n" + _SENT,
            f"{_SA}\tstruct xfrm_state *x = xfrm_input_state(skb);\n"
            "\tstruct sec_path *sp = skb_sec_path(skb);\n\tint i = -1;\n",
        ),
        "the handle is read in a loop: what an earlier turn has done is not undone",
    ),
    Case(
        "another state may be chosen behind an exit",
        _behind_exit("\texample_pick(ex, &x);\n"),
        "what has to be undone here need not be what was in line",
    ),
    Case(
        "somebody keeps where the state is kept",
        _picking(
            "\tsa = example_get(ex);\n\t*at = sa->used ? ex->second : x;\n"
            "\tif (xfrm_offload(skb))\n\t\twritel(x->xso.offload_handle, ex->hw);\n" + _SENT,
            f"{_SA}\tstruct xfrm_state *x = xfrm_input_state(skb);\n"
            "\tstruct xfrm_state **at = &x;\n",
        ),
        _NO_LINE,
    ),
    Case(
        "another state may be chosen between two reads",
        _picking(
            "\tif (!x)\n\t\tgoto drop;\n\twritel(x->xso.offload_handle, ex->hw);\n"
            "\texample_pick(ex, &x);\n\twritel(x->xso.offload_handle, ex->hw + 1);\n"
            f"\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}",
            "\tstruct xfrm_state *x = xfrm_input_state(skb);\n",
        ),
        "x may be another state at a later read of the handle",
    ),
    Case(
        "a function that nobody sees is given the packet between two reads",
        source_of(
            xmit(
                f"\tif (!skb->len)\n\t\tgoto drop;\n{_READ}\tother(skb);\n"
                f"{_READ}\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}"
            )
        ),
        "xfrm_input_state(skb) may be another state at a later read of the handle",
    ),
    *(
        Case(
            f"the packet's states are others: {what.split()[0]}", _between(what, declared), _NO_LINE
        )
        for what, declared in (
            ("\tskb_sec_path(skb)->len--;\n", _SA),
            ("\tif (sp->len > 1)\n\t\tsp->len -= 1;\n", _PATH),
            ("\tsp->xvec[1] = sp->xvec[0];\n", _PATH),
            ("\tmemmove(&sp->xvec[0], &sp->xvec[1], sizeof(sp->xvec[0]));\n", _PATH),
            ("\tswap(sp->xvec[0], sp->xvec[1]);\n", _PATH),
        )
    ),
    Case(
        "a function of the driver's own takes a state from the packet",
        _picking(f"\tsa = example_get(ex);\n\texample_pop(skb);\n{_OFFLOADED}{_SENT}", _SA),
        _NO_LINE,
    ),
    Case(
        "a function of the driver's own takes a state from the packet behind an exit",
        _behind_exit("\texample_pop(skb);\n", "xfrm_input_state(skb)"),
        "what has to be undone here need not be what was in line",
    ),
    Case(
        "a function that nobody sees is given the packet behind an exit",
        _behind_exit("\tother(skb);\n", "xfrm_input_state(skb)"),
        "what other() does is not known",
    ),
    *(
        Case(
            f"a table that is copied, {how}",
            _copied(fill),
            "example_xfrmdev_ops is copied: with its flags, or not?",
        )
        for how, fill in (
            ("as it is", "ex->ops = example_xfrmdev_ops;"),
            ("without its flags", "ex->ops = example_xfrmdev_ops;\n\tex->ops.flags = 0;"),
            ("by memcpy()", "memcpy(&ex->ops, &example_xfrmdev_ops, sizeof(ex->ops));"),
        )
    ),
    Case(
        "a const state",
        source_of(
            example_tx(
                "\tif (skb->len < 8)\n\t\treturn false;\n"
                "\twritel(x->xso.offload_handle, ex->hw);\n\treturn true;\n"
            ).replace("\tstruct xfrm_state *x", "\tconst struct xfrm_state *x", 1)
        ),
        "x is const, and the resolver takes a state that is not",
    ),
    Case(
        "a void function whose caller has an exit in an #ifdef",
        source_of(
            "static void example_prep(struct example *ex, struct sk_buff *skb)\n{\n"
            "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\n"
            "\twritel(x->xso.offload_handle, ex->hw);\n}\n\n"
            + xmit(
                "#ifdef CONFIG_EXAMPLE\n\tif (!x)\n\t\tgoto drop;\n#endif\n"
                "\texample_prep(ex, skb);\n\treturn NETDEV_TX_OK;\n\n"
                f"#ifdef CONFIG_EXAMPLE\ndrop:\n{_DROP}#endif\n"
            )
        ),
        "the function has no exit",
    ),
    Case(
        "an exit that is one for each turn of a loop",
        _send(_LOOPED[1], _LOOPED[0] + "\tstruct example_sa *sa;\n\tint i;\n"),
        "the handle is read in a loop: what an earlier turn has done is not undone",
    ),
    Case(
        "positions",
        _table("static struct xfrmdev_ops example_xfrmdev_ops = { example_add };\n"),
        "example_xfrmdev_ops is not filled by an initializer that names its members",
    ),
    Case(
        "as code runs",
        _table(_RUNS),
        "example_xfrmdev_ops is not filled by an initializer that names its members",
    ),
    Case(
        "in front of a switch each of whose cases needs it",
        _send(
            "\tsa = example_get(ex);\n\tswitch (x->props.mode) {\n\tcase 0:\n"
            "\t\twritel(x->xso.offload_handle, ex->hw);\n\t\tbreak;\n\tcase 1:\n"
            "\t\twritel(x->xso.offload_handle >> 1, ex->hw);\n\t\tbreak;\n\tdefault:\n"
            "\t\tex->last--;\n\t\tgoto drop;\n\t}\n\twritel(sa->iova, ex->hw);\n"
            f"\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}",
            "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\tstruct example_sa *sa;\n",
        ),
        "the handle is read in another block than in line",
    ),
    Case(
        "a pointer to xso, and a number computed among the declarations",
        _send(
            "\tif (skb->len < 8)\n\t\tgoto drop;\n\twritel(id, ex->hw);\n"
            f"\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}",
            "\tstruct xfrm_state *x = xfrm_input_state(skb);\n"
            "\tconst struct xfrm_dev_offload *xso = &x->xso;\n"
            "\tunsigned long sa = READ_ONCE(xso->offload_handle);\n\tu32 id = sa - 1;\n",
        ),
        "sa is used among the declarations",
    ),
    Case(
        "who chooses a queue goes on as without a state",
        source_of(
            "static u16 example_queue(struct net_device *dev, struct sk_buff *skb,\n"
            "\t\t\t struct net_device *sb_dev)\n{\n\tif (xfrm_offload(skb))\n"
            "\t\treturn xfrm_input_state(skb)->xso.offload_handle & 3;\n"
            "\treturn netdev_pick_tx(dev, skb, sb_dev);\n}\n\n"
            + xmit(
                "\tif (!x)\n\t\tgoto drop;\n\twritel(x->xso.offload_handle, ex->hw);\n"
                f"\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}"
            )
        ).replace(
            "\t.ndo_start_xmit\t=",
            "\t.ndo_select_queue\t= example_queue,\n\t.ndo_start_xmit\t=",
        ),
        "the handle is read where no statement can be put before it",
    ),
    Case(
        "a void function tells, behind a member that each packet sets",
        source_of(
            "static int example_note(struct example *ex, struct sk_buff *skb)\n{\n"
            "\tif (skb_cow_head(skb, 0))\n\t\treturn -ENOMEM;\n\tex->last |= 1;\n\treturn 0;\n}\n\n"
            + _PREP
            + _prepared(
                "\tex->last = 0;\n\terr = example_note(ex, skb);\n\tif (err < 0)\n\t\tgoto drop;\n"
            )
        ),
        "no end of the packet",
    ),
)

CONVERTED = (
    Case(
        "behind a full ring, and before the packet is told as sent",
        _send(
            "\tif (ex->last > 7) {\n\t\tnetif_stop_queue(dev);\n\t\treturn NETDEV_TX_BUSY;\n\t}\n\n"
            f"\tnetdev_sent_queue(dev, skb->len);\n\tif (xfrm_offload(skb))\n\t{_READ}"
            "\treturn NETDEV_TX_OK;\n"
        ),
        """\
+	unsigned long handle = 0;
+	if (xfrm_offload(skb)) {
+		handle = xfrm_dev_state_lower_handle(xfrm_input_state(skb),
+						     dev);
+		if (!handle) {
+			dev->stats.tx_dropped++;
+			dev_kfree_skb_any(skb);
+			return NETDEV_TX_OK;
+		}
+	}
+
-		writel(xfrm_input_state(skb)->xso.offload_handle, ex->hw);
+		writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "a helper of delete's, too, that its caller tests",
        source_of(
            "static struct example_sa *example_of(struct xfrm_state *x)\n{\n"
            "\treturn (void *)x->xso.offload_handle;\n}\n\n"
            "static void example_gone(struct net_device *dev, struct xfrm_state *x)\n{\n"
            "\texample_of(x)->used = false;\n}\n\n"
            + example_tx(
                "\tsa = example_of(x);\n\tif (!sa || sa->used)\n\t\treturn false;\n"
                "\twritel(sa->iova, ex->hw);\n\treturn true;\n",
                _SA,
            )
        ),
        """\
-	sa = example_of(x);
+	sa = (struct example_sa *)xfrm_dev_state_lower_handle(x, ex->netdev);
"""
        + _FLAG,
    ),
    Case(
        "a helper of delete's, too, that cuts the number",
        source_of(
            "static u8 example_index(struct xfrm_state *x)\n{\n"
            "\treturn x->xso.offload_handle - 1;\n}\n\n"
            "static void example_gone(struct net_device *dev, struct xfrm_state *x)\n{\n"
            "\tstruct example *ex = netdev_priv(dev);\n\n\twritel(example_index(x), ex->hw);\n}\n\n"
            + example_tx(
                "\tif (skb->len < 8)\n\t\treturn false;\n"
                "\twritel(example_index(x) * 4, ex->hw);\n\treturn true;\n"
            )
        ),
        """\
+	unsigned long handle;
-	writel(example_index(x) * 4, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	writel(((u8)(handle - 1)) * 4, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "another exit gives back what a helper takes later",
        _send(
            "\tsa = example_get(ex);\n\tif (sa->used)\n\t\tgoto drop;\n\tsa->used = true;\n"
            "\tif (xfrm_offload(skb))\n"
            "\t\twritel(xfrm_input_state(skb)->xso.offload_handle, ex->hw);\n"
            f"\twritel(sa->iova, ex->hw);\n\treturn NETDEV_TX_OK;\n\ndrop:\n\tex->last++;\n{_DROP}",
            "\tstruct example_sa *sa;\n",
        ),
        """\
+	unsigned long handle = 0;
+
+	if (xfrm_offload(skb)) {
+		handle = xfrm_dev_state_lower_handle(xfrm_input_state(skb),
+						     dev);
+		if (!handle) {
+			dev->stats.tx_dropped++;
+			dev_kfree_skb_any(skb);
+			return NETDEV_TX_OK;
+		}
+	}
-		writel(xfrm_input_state(skb)->xso.offload_handle, ex->hw);
+		writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "behind where the packets leave that have no state",
        _send(
            "\tif (!skb_sec_path(skb))\n\t\tgoto drop;\n\tsa = example_get(ex);\n"
            "\twritel(xfrm_input_state(skb)->xso.offload_handle, ex->hw);\n"
            f"\twritel(sa->iova, ex->hw);\n\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}",
            "\tstruct example_sa *sa;\n",
        ),
        """\
+	unsigned long handle;
+
+	handle = xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev);
+	if (!handle)
+		goto drop;
+
-	writel(xfrm_input_state(skb)->xso.offload_handle, ex->hw);
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "all on one line",
        _table(
            "static const struct xfrmdev_ops example_xfrmdev_ops = "
            "{ .xdo_dev_state_add = example_add };\n"
        ),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle)
+		goto drop;
+
+	writel(handle, ex->hw);
-static const struct xfrmdev_ops example_xfrmdev_ops = { .xdo_dev_state_add = example_add };
+static const struct xfrmdev_ops example_xfrmdev_ops = { .xdo_dev_state_add = example_add,
+	.flags = XFRMDEV_OPS_F_LOWER_HANDLE };""",
    ),
    Case(
        "no flags yet",
        _table(_TABLE.replace("};", "\t.flags\t\t\t= 0,\n};")),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle)
+		goto drop;
+
+	writel(handle, ex->hw);
-	.flags			= 0,
"""
        + _FLAG,
    ),
    Case(
        "other flags",
        _table(_TABLE.replace("};", "\t.flags\t\t\t= BIT(4) | 2,\n};")),
        """\
+	unsigned long handle;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle)
+		goto drop;
+
+	writel(handle, ex->hw);
-	.flags			= BIT(4) | 2,
+	.flags			= BIT(4) | 2 | XFRMDEV_OPS_F_LOWER_HANDLE,""",
    ),
    Case(
        "an element was taken by then, and the state is an expression",
        _send(
            "\tsa = example_get(ex);\n\tsa->used = true;\n\tif (xfrm_offload(skb))\n"
            "\t\twritel(xfrm_input_state(skb)->xso.offload_handle, ex->hw), sa->used = false;\n"
            "\telse\n\t\tsa->iova = 0;\n\twritel(sa->iova, ex->hw);\n\treturn NETDEV_TX_OK;\n",
            "\tstruct example_sa *sa;\n",
        ),
        """\
+	unsigned long handle = 0;
+
+	if (xfrm_offload(skb)) {
+		handle = xfrm_dev_state_lower_handle(xfrm_input_state(skb),
+						     dev);
+		if (!handle) {
+			dev->stats.tx_dropped++;
+			dev_kfree_skb_any(skb);
+			return NETDEV_TX_OK;
+		}
+	}
-		writel(xfrm_input_state(skb)->xso.offload_handle, ex->hw), sa->used = false;
+		writel(handle, ex->hw), sa->used = false;
"""
        + _FLAG,
    ),
    Case(
        "nothing was done by then: on the same condition, and an exit of the driver's own",
        _send(
            "\tif (skb_cow_head(skb, 4))\n\t\tgoto drop;\n\tif (xfrm_offload(skb))\n"
            "\t\tid = xfrm_input_state(skb)->xso.offload_handle & 7;\n"
            f"\twritel(id, ex->hw);\n\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}",
            "\tu32 id = 0;\n",
        ),
        """\
+	unsigned long handle = 0;
+	if (xfrm_offload(skb)) {
+		handle = xfrm_dev_state_lower_handle(xfrm_input_state(skb),
+						     dev);
+		if (!handle)
+			goto drop;
+	}
+
-		id = xfrm_input_state(skb)->xso.offload_handle & 7;
+		id = handle & 7;
"""
        + _FLAG,
    ),
    Case(
        "an index that is read in a section, and a state that is looked up there",
        _send(
            "\tspin_lock(&ex->lock);\n\tif (xfrm_offload(skb)) {\n"
            "\t\tx = xfrm_input_state(skb);\n\t\twritel(x->xso.offload_handle, ex->hw);\n\t}\n"
            "\twritel(1, ex->hw);\n\tspin_unlock(&ex->lock);\n\treturn NETDEV_TX_OK;\n",
            "\tstruct xfrm_state *x;\n",
        ),
        """\
-	struct xfrm_state *x;
+	unsigned long handle = 0;
+
+	if (xfrm_offload(skb)) {
+		handle = xfrm_dev_state_lower_handle(xfrm_input_state(skb),
+						     dev);
+		if (!handle) {
+			dev->stats.tx_dropped++;
+			dev_kfree_skb_any(skb);
+			return NETDEV_TX_OK;
+		}
+	}
-		x = xfrm_input_state(skb);
-		writel(x->xso.offload_handle, ex->hw);
+		writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "a choice among the declarations",
        _send(
            "\twritel(id, ex->hw);\n\treturn NETDEV_TX_OK;\n",
            "\tstruct xfrm_state *x = xfrm_offload(skb) ? xfrm_input_state(skb) : NULL;\n"
            "\tu32 id = x ? x->xso.offload_handle : 0;\n",
        ),
        """\
-	u32 id = x ? x->xso.offload_handle : 0;
+	unsigned long handle = 0;
+	u32 id;
+	if (x) {
+		handle = xfrm_dev_state_lower_handle(x, dev);
+		if (!handle) {
+			dev->stats.tx_dropped++;
+			dev_kfree_skb_any(skb);
+			return NETDEV_TX_OK;
+		}
+	}
+
+	id = x ? handle : 0;
"""
        + _FLAG,
    ),
    Case(
        "in front of the loop in which it is the same",
        _send(
            "\tfor (i = 0; i < 4; i++) {\n\t\tsa = example_get(ex);\n"
            "\t\twritel(x->xso.offload_handle, ex->hw);\n\t\twritel(sa->iova, ex->hw);\n\t}\n"
            "\treturn NETDEV_TX_OK;\n",
            "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\tstruct example_sa *sa;\n\tint i;\n",
        ),
        """\
+	unsigned long handle;
+
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle) {
+		dev->stats.tx_dropped++;
+		dev_kfree_skb_any(skb);
+		return NETDEV_TX_OK;
+	}
-		writel(x->xso.offload_handle, ex->hw);
+		writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "a helper of delete's, too, whose result is converted",
        source_of(
            "static u16 example_index(const struct xfrm_state *x)\n{\n"
            "\treturn x->xso.offload_handle & 7;\n}\n\n"
            "static void example_gone(struct net_device *dev, struct xfrm_state *x)\n{\n"
            "\tstruct example *ex = netdev_priv(dev);\n\n\twritel(example_index(x), ex->hw);\n}\n\n"
            + example_tx(
                "\tif (skb->len < 8)\n\t\treturn false;\n"
                "\twritel(ex->sa[example_index(x)].iova, ex->hw);\n\treturn true;\n"
            )
        ),
        """\
+	unsigned long handle;
-	writel(ex->sa[example_index(x)].iova, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	writel(ex->sa[(u16)(handle & 7)].iova, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "a macro of delete's, too, used twice",
        source_of(
            "/* The entry of a state */\n"
            "#define SA_OF(x) ((struct example_sa *)(x)->xso.offload_handle)\n\n"
            "static void example_gone(struct net_device *dev, struct xfrm_state *x)\n{\n"
            "\tSA_OF(x)->used = false;\n}\n\n"
            + example_tx(
                "\tif (skb->len < 8)\n\t\treturn false;\n\twritel(SA_OF(x)->iova, ex->hw);\n"
                "\treturn SA_OF(x)->used;\n"
            )
        ),
        """\
+	unsigned long handle;
-	writel(SA_OF(x)->iova, ex->hw);
-	return SA_OF(x)->used;
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	writel(((struct example_sa *)handle)->iova, ex->hw);
+	return ((struct example_sa *)handle)->used;
"""
        + _FLAG,
    ),
    Case(
        "a macro that nobody else uses",
        source_of(
            "/* The entry of a state */\n"
            "#define SA_OF(x) ((struct example_sa *)(x)->xso.offload_handle)\n\n"
            + example_tx(
                "\tif (skb->len < 8)\n\t\treturn false;\n\twritel(SA_OF(x)->iova, ex->hw);\n"
                "\treturn true;\n"
            )
        ),
        """\
-/* The entry of a state */
-#define SA_OF(x) ((struct example_sa *)(x)->xso.offload_handle)
-
+	unsigned long handle;
-	writel(SA_OF(x)->iova, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	writel(((struct example_sa *)handle)->iova, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "a void function tells, behind a slot that is only looked at",
        source_of(_PREP + _prepared("\tif (ex->sa[1].used)\n\t\tgoto drop;\n")),
        """\
-static void example_prep(struct example *ex, struct sk_buff *skb)
+static bool example_prep(struct example *ex, struct sk_buff *skb)
+	unsigned long handle;
-		return;
+		return true;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	writel(handle, ex->hw);
+
+	return true;
-	example_prep(ex, skb);
+	if (!example_prep(ex, skb))
+		goto drop;
"""
        + _FLAG,
    ),
    Case(
        "a void function tells",
        source_of(
            "static void example_prep(struct example *ex, struct sk_buff *skb)\n{\n"
            "\tstruct xfrm_state *x;\n\n\tif (!xfrm_offload(skb))\n\t\treturn;\n"
            "\tx = xfrm_input_state(skb);\n\twritel(x->xso.offload_handle, ex->hw);\n}\n\n"
            + xmit(
                "\tif (skb_cow_head(skb, 4))\n\t\tgoto drop;\n\texample_prep(ex, skb);\n"
                f"\twritel(1, ex->hw);\n\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}",
            ).replace(
                "\tstruct xfrm_state *x = xfrm_input_state(skb);\n",
                "",
            )
        ),
        """\
-static void example_prep(struct example *ex, struct sk_buff *skb)
+static bool example_prep(struct example *ex, struct sk_buff *skb)
+	unsigned long handle;
-		return;
+		return true;
-	writel(x->xso.offload_handle, ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, ex->netdev);
+	if (!handle)
+		return false;
+
+	writel(handle, ex->hw);
+
+	return true;
-	example_prep(ex, skb);
+	if (!example_prep(ex, skb))
+		goto drop;
"""
        + _FLAG,
    ),
    Case(
        "a check of features whose test leads on",
        source_of(
            "static netdev_features_t example_features(struct sk_buff *skb,\n"
            "\tstruct net_device *dev, netdev_features_t features)\n{\n"
            "\tstruct xfrm_state *x = xfrm_input_state(skb);\n\n"
            "\tif (x->xso.offload_handle) {\n"
            "\t\tif (((struct example_sa *)x->xso.offload_handle)->used)\n"
            "\t\t\tfeatures &= ~NETIF_F_GSO_MASK;\n\t\treturn features;\n\t}\n"
            "\treturn features & ~NETIF_F_CSUM_MASK;\n}\n\n"
            + xmit(
                "\tif (!x)\n\t\tgoto drop;\n\twritel(x->xso.offload_handle, ex->hw);\n"
                f"\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}"
            )
        ).replace(
            "\t.ndo_start_xmit\t=",
            "\t.ndo_features_check\t= example_features,\n\t.ndo_start_xmit\t=",
        ),
        """\
+	unsigned long handle;
-	if (x->xso.offload_handle) {
-		if (((struct example_sa *)x->xso.offload_handle)->used)
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (handle) {
+		if (((struct example_sa *)handle)->used)
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
    *(
        Case(
            f"a void function tells, {what} too",
            _tells(other="#ifdef CONFIG_EXAMPLE\n", more=f"#else\n{_STUB}{body}\n#endif\n"),
            _told(behind=f"-{_STUB}{head}\n+{_BOOL}{told}"),
        )
        for what, body, head, told in (
            ("a stub of it", "\n{\n}", "", "\n+\treturn true;\n"),
            ("a stub of it in one line", " { }", " { }", " { return true; }\n"),
            ("a stub of it without a blank", " {}", " {}", " { return true; }\n"),
            ("a stub of it that returns", " { return; }", " { return; }", " { return true; }\n"),
            ("a stub of it with a comment", "\n{\n\t/* return */\n}", "", "\n+\treturn true;\n"),
            (
                "another definition of it",
                "\n{\n\tif (skb->len)\n\t\treturn;\n\tex->last++;\n}",
                "",
                "\n-\t\treturn;\n+\t\treturn true;\n+\n+\treturn true;\n",
            ),
        )
    ),
    Case(
        "a void function tells, and is declared before",
        _tells(other=f"{_STUB};\n\n"),
        _told(before=f"-{_STUB};\n+{_BOOL};\n"),
    ),
    Case(
        "a void function tells that uses a macro which returns nowhere",
        _tells(
            f"\tEXAMPLE_NOTE(ex);\n{_PLAINLY}",
            "#define EXAMPLE_NOTE(ex) do { if ((ex)->last) break; } while (0)\n\n",
        ),
        _told(),
    ),
    Case(
        "a void function tells that returns behind a label",
        _tells("\tif (!xfrm_offload(skb))\n\t\tgoto out;\n", last="out:\n\treturn;\n"),
        _told("", "-\treturn;\n+\treturn true;\n"),
    ),
    Case(
        "a void function tells that returns in a configuration alone",
        _tells(last="#ifdef CONFIG_EXAMPLE\n\treturn;\n#endif\n"),
        _told(last="-\treturn;\n+\treturn true;\n+\n+\treturn true;\n"),
    ),
    *(
        Case(
            f"what is done between is about no state: {what.split(';')[0].strip()}", source, _ASKED
        )
        for what, source in (
            (what, _picking(f"\tsa = example_get(ex);\n{what}{_OFFLOADED}{_SENT}", declared))
            for what, declared in (
                ("\tex->last = sp->len;\n", _PATH),
                ("\texample_count(ex, skb);\n", _SA),
                ("\tmemcpy(sa, skb->data, sizeof(*sa));\n", _SA),
            )
        )
    ),
    Case(
        "a pointer to xso",
        _send(
            "\tif (skb->len < 8)\n\t\tgoto drop;\n"
            "\twritel(READ_ONCE(xso->offload_handle), ex->hw);\n"
            f"\treturn NETDEV_TX_OK;\n\ndrop:\n{_DROP}",
            "\tstruct xfrm_state *x = xfrm_input_state(skb);\n"
            "\tconst struct xfrm_dev_offload *xso = &x->xso;\n",
        ),
        """\
-	const struct xfrm_dev_offload *xso = &x->xso;
+	unsigned long handle;
-	writel(READ_ONCE(xso->offload_handle), ex->hw);
+	handle = xfrm_dev_state_lower_handle(x, dev);
+	if (!handle)
+		goto drop;
+
+	writel(handle, ex->hw);
"""
        + _FLAG,
    ),
    Case(
        "a variable keeps its state whatever becomes of the packet's others",
        _behind_exit("\texample_pop(skb);\n"),
        _ASKED_BEHIND,
    ),
    Case(
        "another variable's state is chosen behind an exit",
        _behind_exit("\texample_pick(ex, &ex->second);\n"),
        _ASKED_BEHIND,
    ),
)


def _name(case: Case) -> str:
    return case.what


@pytest.mark.parametrize("case", REFUSED, ids=_name)
def test_where_no_place_is_right_the_reason_is_all(case: Case, tmp_path: Path) -> None:
    ran = run("convert", lay_example(case.source, tmp_path / "t"), "example", cwd=tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert case.said in ran.err


@pytest.mark.parametrize("case", CONVERTED, ids=_name)
def test_what_is_changed(case: Case, tmp_path: Path) -> None:
    ran = run("convert", lay_example(case.source, tmp_path / "t"), "example", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert changed_in(ran.out) == case.said
