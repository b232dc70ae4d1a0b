"""Handles that add can return as 0: what a loop has counted before."""

import pytest

from tests.asked import Base
from tests.laid import files_of

BASE = Base(files_of("base/rfc"))
DRIVER = """
#include <linux/netdevice.h>
#include <net/xfrm.h>

#define EXAMPLE_MAX 64

struct example_priv { bool used[EXAMPLE_MAX]; };

static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	struct example_priv *priv = netdev_priv(dev);
	int i = 0;

	LOOP
	if (i >= EXAMPLE_MAX)
		return -ENOSPC;
	x->xso.offload_handle = i;
	return 0;
}

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
};

void example_init(struct net_device *dev)
{
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""


@pytest.mark.parametrize(
    ("loop", "types"),
    [
        ("while (++i < EXAMPLE_MAX) { if (!priv->used[i]) break; }", []),
        ("for (; ++i < EXAMPLE_MAX && priv->used[i];) ;", []),
        ("for (i++; i < EXAMPLE_MAX && priv->used[i]; i++) ;", []),
        ("while (i < EXAMPLE_MAX && priv->used[i]) i++;", ["ADD_RETURNS_ZERO"]),
        ("for (; i < EXAMPLE_MAX && priv->used[i]; i++) ;", ["ADD_RETURNS_ZERO"]),
    ],
)
def test_what_a_loop_begins_with_and_asks_is_run_all_the_same(loop: str, types: list[str]) -> None:
    report = BASE.check_example(DRIVER.replace("LOOP", loop))
    assert [f.type for f in report.findings] == types


PARTS = """
#include <linux/netdevice.h>
#include <linux/bitmap.h>
#include <linux/jhash.h>
#include <linux/xarray.h>
#include <net/xfrm.h>

#define EXAMPLE_MAX 64
#define EXAMPLE_VALID BIT(15)

struct example_sa { struct xfrm_state *x; u32 id; };
struct example_priv {
	unsigned long map[1];
	struct xarray sas;
	struct example_sa tbl[EXAMPLE_MAX];
	u32 used;
};

HELPER
static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	struct example_priv *priv = netdev_priv(dev);
	struct example_sa *sa;
	unsigned long h;
	u32 slot;
	int i = 0;

	BODY
}

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
};

void example_init(struct net_device *dev)
{
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
TAKES = """static int example_take(struct example_priv *priv, u32 *slot)
{
	unsigned long nr = find_first_zero_bit(priv->map, EXAMPLE_MAX);

	if (nr >= EXAMPLE_MAX)
		return -ENOSPC;
	*slot = nrMORE;
	return 0;
}
"""
TAKEN = """if (example_take(priv, &slot))
		return -ENOSPC;
	x->xso.offload_handle = slot;
	return 0;"""
PUTS = """static int example_put(struct example_priv *priv, struct example_sa *sa)
{
	return xa_alloc(&priv->sas, &sa->id, sa, XA_LIMIT(LEAST, EXAMPLE_MAX), GFP_KERNEL);
}
"""
PUT = """sa = &priv->tbl[0];
	if (example_put(priv, sa))
		return -ENOSPC;
	slot = sa->id << 4;
	x->xso.offload_handle = sa->id;
	return 0;"""
HASHES = """static u32 example_bucket(struct xfrm_state *x)
{
	return jhash_1word(x->id.spi, 0) % EXAMPLE_MAX;
}
"""
BUCKET = """slot = example_bucket(x);
	while (priv->tbl[slot].x) {
		slot = (slot + 1) % EXAMPLE_MAX;
	}
	x->xso.offload_handle = &priv->tbl[slot] - priv->tbl;
	return 0;"""
FLAGS = """h = FIRST | x->id.daddr.a4;
	if (x->xso.dir == XFRM_DEV_OFFLOAD_IN)
		h |= SECOND;
	x->xso.offload_handle = h;
	return 0;"""
COUNTS = """while (COUNT) {
		if (priv->tbl[i].x)
			continue;
		x->xso.offload_handle = i;
		return 0;
	}
	return -ENOSPC;"""
USED = """if (priv->used + 1 >= EXAMPLE_MAX)
		return -ENOSPC;
	COUNT
	x->xso.offload_handle = priv->used;
	return 0;"""
GUARD = "DEFINE_GUARD(example_tbl, struct example_priv *, example_lock(_T), example_unlock(_T))\n"
GUARDED = "x->xso.offload_handle = ++priv->used;\n	return 0;"
GIVES_BACK = """for (i = 0; i < 4; i++) {
		x->xso.offload_handle = priv->tbl[i].id;
		CALL
	}
	return 0;"""
SWAPPED = """#define HANDLE_TO(v) ((__be64)__builtin_bswap64(v))
"""
WORD = """h = WORD;
	x->xso.offload_handle = HANDLE_TO(h);
	return 0;"""
DELETES = "dev->xfrmdev_ops->xdo_dev_state_delete(dev, x);"
ZERO, UNKNOWN = "ADD_RETURNS_ZERO", "unknown"


@pytest.mark.parametrize(
    ("helper", "body", "told"),
    [
        (TAKES.replace("MORE", ""), TAKEN, ZERO),
        (TAKES.replace("MORE", " + 1"), TAKEN, ""),
        (TAKES.replace("MORE", ";\n	if (!nr)\n		return -ENOSPC"), TAKEN, UNKNOWN),
        (TAKES.replace("*slot = nrMORE;", ""), TAKEN, UNKNOWN),
        (
            TAKES.replace("MORE", ""),
            TAKEN.replace("	x->", "	if (!slot)\n		return -1;\n	x->"),
            "",
        ),
        (PUTS.replace("LEAST", "0"), PUT, ZERO),
        (PUTS.replace("LEAST", "1"), PUT, ""),
        (HASHES, BUCKET, ZERO),
        (HASHES.replace("% EXAMPLE_MAX", "| 1"), BUCKET, UNKNOWN),
        (HASHES, "priv->tbl[0].x = x;\n	" + BUCKET, UNKNOWN),
        ("", FLAGS.replace("FIRST", "EXAMPLE_VALID").replace("SECOND", "BIT(14)"), ""),
        ("", FLAGS.replace("FIRST", "EXAMPLE_VALID").replace("SECOND", "x->id.proto"), ""),
        ("", FLAGS.replace("FIRST", "0").replace("SECOND", "BIT(14)"), UNKNOWN),
        ("", FLAGS.replace("FIRST | x->id.daddr.a4", "0").replace("SECOND", "BIT(14)"), ZERO),
        (SWAPPED, WORD.replace("WORD", "(u64)(priv->used | BIT(31)) << 32 | i"), ""),
        (SWAPPED, WORD.replace("WORD", "(u64)(priv->used | 0) << 32 | i"), UNKNOWN),
        (SWAPPED, WORD.replace("WORD", "(u64)(i) << 32 | i"), ZERO),
        (SWAPPED, WORD.replace("WORD", "FIELD_PREP(EXAMPLE_VALID, 1) | FIELD_PREP(7, i)"), ""),
        (SWAPPED, WORD.replace("WORD", "FIELD_PREP(EXAMPLE_VALID, 2) | FIELD_PREP(7, i)"), ZERO),
        ("", COUNTS.replace("COUNT", "++i < EXAMPLE_MAX"), ""),
        ("", COUNTS.replace("COUNT", "i < EXAMPLE_MAX && ++i"), UNKNOWN),
        ("", "i = -1;\n	" + COUNTS.replace("COUNT", "++i < EXAMPLE_MAX"), UNKNOWN),
        ("", "i++;\n	x->xso.offload_handle = i;\n	return 0;", ""),
        (
            "",
            "if (x->id.proto)\n		i++;\n	x->xso.offload_handle = i;\n	return 0;",
            UNKNOWN,
        ),
        ("", USED.replace("COUNT", "priv->used++;"), ""),
        ("", USED.replace("COUNT", "if (x->id.proto)\n		priv->used++;"), UNKNOWN),
        ("", USED.replace("COUNT", "").replace("priv->used;", "priv->used++;"), ZERO),
        (GUARD, f"guard(example_tbl)(priv);\n	{GUARDED}", ""),
        (GUARD, f"CLASS(example_tbl, held)(priv);\n	{GUARDED}", ""),
        (GUARD, f"scoped_guard(example_tbl, priv) {{ {GUARDED} }}", ""),
        (GUARD, f"guard(example_tbl)(priv);\n	{GUARDED.replace('++priv->used', 'i')}", ZERO),
        ("", GIVES_BACK.replace("CALL", DELETES), ""),
        ("", GIVES_BACK.replace("CALL", f"if (x->id.proto)\n			{DELETES}"), UNKNOWN),
        ("", GIVES_BACK.replace("CALL", ""), UNKNOWN),
    ],
)
def test_what_a_handle_is_made_of(helper: str, body: str, told: str) -> None:
    report = BASE.check_example(PARTS.replace("HELPER", helper).replace("BODY", body))
    doubts = {UNKNOWN for one in report.unknown if one.reason.startswith("whether the handle")}
    assert {f.type for f in report.findings} | doubts == ({told} if told else set())
