"""What callbacks of a lower driver do that they must not: C in, what is found or open out."""

import pytest

from tests.trees import FOO, HEAD, tree
from xfrmlint.analysis.analyse import analyse

BEFORE = """\
struct mutex { int owner; };
struct rcu_head { int next; };
struct foo_sa { u32 hw; int refs; void *key; struct rcu_head rcu; bool used; };
struct foo_hw;
struct foo_ops { void (*drop)(struct foo_hw *hw, u32 n); void (*never_set)(struct foo_hw *hw); };
struct foo_hw { const struct foo_ops *ops; };
struct priv {
	struct mutex lock;
	struct foo_hw *hw;
	struct foo_sa *sas[64];
	struct foo_sa table[64];
	unsigned long map[2];
	unsigned long ids;
	u32 next;
};
"""
AFTER = """
void foo_init(struct net_device *dev)
{
	dev->xfrmdev_ops = &foo_xfrmdev;
}
"""
DELETE = """
static void foo_del(struct net_device *dev, struct xfrm_state *x)
{
	struct priv *p = netdev_priv(dev);
	BODY
}
static const struct xfrmdev_ops foo_xfrmdev = { .xdo_dev_state_delete = foo_del };
"""
ADD = """
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct priv *p = netdev_priv(dev);
	BODY
	return 0;
}
static const struct xfrmdev_ops foo_xfrmdev = { .xdo_dev_state_add = foo_add };
"""
XMIT = """
static int foo_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct priv *p = netdev_priv(dev);
	BODY
	return 0;
}
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	return 0;
}
static const struct net_device_ops foo_netdev = { .ndo_start_xmit = foo_xmit };
static const struct xfrmdev_ops foo_xfrmdev = { .xdo_dev_state_add = foo_add };
void foo_probe(struct net_device *dev) { dev->netdev_ops = &foo_netdev; }
"""
MAKEFILE = {"drivers/net/foo/Makefile": "obj-m += foo.o\n"}


def rows(sql: str, text: str, more: dict[str, str] | None = None) -> list[str]:
    found = analyse(tree({**MAKEFILE, **(more or {}), FOO: HEAD + BEFORE + text + AFTER}))
    return [" ".join(map(str, row)) for row in found.store.query(sql)[1]]


def sleeps(body: str, outside: str = "", core: str = "") -> list[str]:
    more = {"net/xfrm/xfrm_state.c": core} if core else {}
    return rows(
        "SELECT what FROM sleep ORDER BY line", outside + DELETE.replace("BODY", body), more
    )


def open_sleeps(body: str, outside: str = "", core: str = "") -> list[str]:
    more = {"net/xfrm/xfrm_state.c": core} if core else {}
    asked = "SELECT reason FROM unknown WHERE path LIKE '%.c' ORDER BY line"
    return rows(asked, outside + DELETE.replace("BODY", body), more)


def freed(body: str, outside: str = "") -> list[str]:
    return rows("SELECT what, function FROM freed", outside + DELETE.replace("BODY", body))


def zeros(body: str, outside: str = "") -> list[str]:
    return rows("SELECT why FROM zero_handle", outside + ADD.replace("BODY", body))


def only_secpath(body: str, outside: str = "") -> list[str]:
    asked = "SELECT function FROM site WHERE asked = 'secpath'"
    return rows(asked, outside + XMIT.replace("BODY", body))


OPS = """
static void foo_drop(struct foo_hw *hw, u32 n) { msleep(n); }
static const struct foo_ops foo_hw_ops = { .drop = foo_drop };
void foo_hw_init(struct foo_hw *hw) { hw->ops = &foo_hw_ops; }
"""
RELEASE = "static void foo_let_go(struct xfrm_state *x) { spin_unlock_bh(&x->lock); }\n"


@pytest.mark.parametrize(
    ("body", "outside"),
    [
        ("if (mutex_trylock(&p->lock)) mutex_unlock(&p->lock);", ""),
        ("spin_lock_bh(&p->lock); p->next--; spin_unlock_bh(&p->lock);", ""),
        ("kfree(kmalloc(8, GFP_ATOMIC));", ""),
        ("schedule_work(&p->next);", "static void foo_work(void) { mutex_lock(0); }\n"),
        ("call_rcu(&p->next, foo_later);", "static void foo_later(void *r) { msleep(1); }\n"),
        ("if (!in_softirq()) msleep(1);", ""),
        ("readl_poll_timeout_atomic(p->hw, p->next, !p->next, 1, 100);", ""),
        (
            "foo_wait(p, false);",
            "static void foo_wait(struct priv *p, bool s) { if (s) msleep(1); }\n",
        ),
        ('/* msleep(1); */ pr_err("msleep(1) mutex_lock(x)");', ""),
        ("p->hw->ops->drop(p->hw, 1);", OPS.replace("msleep(n)", "hw->ops = 0")),
    ],
)
def test_what_does_not_sleep(body: str, outside: str) -> None:
    assert not sleeps(body, outside)
    assert not open_sleeps(body, outside)


@pytest.mark.parametrize(
    ("body", "outside", "what"),
    [
        ("mutex_lock(&p->lock);", "", "mutex_lock()"),
        ("mutex_lock(&p->lock); spin_lock(&p->lock); spin_unlock(&p->lock);", "", "mutex_lock()"),
        ("kfree(kmalloc(8, GFP_KERNEL));", "", "kmalloc() with GFP_KERNEL"),
        ("wait_for_completion(&p->next);", "", "wait_for_completion()"),
        ("readl_poll_timeout(p->hw, p->next, !p->next, 10, 100);", "", "readl_poll_timeout()"),
        ("p->hw->ops->drop(p->hw, 1);", OPS, "msleep()"),
        (
            "FOO_WAIT(p);",
            "#define FOO_WAIT(p) do { if ((p)->next) msleep(1); } while (0)\n",
            "msleep()",
        ),
        (
            "foo_wait(p, true);",
            "static void foo_wait(struct priv *p, bool s) { if (s) msleep(1); }\n",
            "msleep()",
        ),
        ("guard(mutex)(&p->lock);", "", "guard(mutex)"),
        ("spin_lock(&p->lock); spin_unlock(&p->lock); msleep(1);", "", "msleep()"),
    ],
)
def test_what_sleeps(body: str, outside: str, what: str) -> None:
    assert sleeps(body, outside) == [what]


@pytest.mark.parametrize(
    ("body", "outside", "reason"),
    [
        ("if (in_task()) msleep(1);", "", "hangs on what in_task() says"),
        ("if (irqs_disabled()) return; msleep(1);", "", "hangs on what irqs_disabled() says"),
        (
            "spin_unlock_bh(&x->lock); msleep(1); spin_lock_bh(&x->lock);",
            "",
            "lock that is given up",
        ),
        ("foo_let_go(x); msleep(1); spin_lock_bh(&x->lock);", RELEASE, "foo_let_go() gives up"),
        ("foo_elsewhere(p);", "", "what foo_elsewhere() does is not seen"),
        ("p->hw->ops->never_set(p->hw);", "", "what ->never_set() does is not seen"),
    ],
)
def test_what_may_sleep_for_all_that_is_seen(body: str, outside: str, reason: str) -> None:
    assert not sleeps(body, outside)
    assert any(reason in one for one in open_sleeps(body, outside)), open_sleeps(body, outside)


CORE = """\
#include <net/xfrm.h>
static void xfrm_dev_state_delete(struct xfrm_state *x)
{
	x->xso.dev->xfrmdev_ops->xdo_dev_state_delete(x->xso.dev, x);
}
int __xfrm_state_delete(struct xfrm_state *x)
{
	xfrm_dev_state_delete(x);
	return 0;
}
int xfrm_state_delete(struct xfrm_state *x)
{
	LOCK
	__xfrm_state_delete(x);
	UNLOCK
	return 0;
}
"""


@pytest.mark.parametrize(
    ("lock", "unlock", "found"),
    [
        ("spin_lock_bh(&x->lock);", "spin_unlock_bh(&x->lock);", ["mutex_lock()"]),
        ("guard(spinlock_bh)(&x->lock);", "", ["mutex_lock()"]),
        ("", "", []),
        ("guard(mutex)(&x->lock);", "", []),
    ],
)
def test_the_core_says_where_delete_runs(lock: str, unlock: str, found: list[str]) -> None:
    core = CORE.replace("UNLOCK", unlock).replace("LOCK", lock)
    assert sleeps("mutex_lock(&p->lock);", core=core) == found
    if not found:
        assert any("is not known" in one for one in open_sleeps("mutex_lock(&p->lock);", core=core))


SA = "struct foo_sa *sa = (struct foo_sa *)x->xso.offload_handle; "
PUT = "static void foo_put(struct priv *p, struct foo_sa *sa) { kfree(sa); }\n"


@pytest.mark.parametrize(
    ("body", "outside"),
    [
        (SA + "kfree_rcu(sa, rcu);", ""),
        (
            SA + "call_rcu(&sa->rcu, foo_free);",
            "static void foo_free(struct rcu_head *r) { kfree(r); }\n",
        ),
        (SA + "synchronize_rcu(); kfree(sa);", ""),
        (SA + "void *copy = kmemdup(sa, 8, GFP_ATOMIC); kfree(copy);", ""),
        (SA + "void *m = kmalloc(sa->hw, GFP_ATOMIC); kfree(m);", ""),
        (SA + "void *m __free(kfree) = kmalloc(sa->hw, GFP_ATOMIC);", ""),
        (SA + "struct foo_sa *s __free(kfree) = sa; synchronize_rcu();", ""),
        (SA + "if (refcount_dec_and_test(&sa->refs)) kfree(sa);", ""),
        (SA + "if (!refcount_dec_and_test(&sa->refs)) return; kfree(sa);", ""),
        ("memset(&p->table[x->xso.offload_handle], 0, 8);", ""),
        (
            SA + "foo_command(p, sa->hw);",
            "static void foo_command(struct priv *p, u32 n) { kfree(kmalloc(n, GFP_ATOMIC)); }\n",
        ),
    ],
)
def test_what_packets_keep(body: str, outside: str) -> None:
    assert not freed(body, outside)


@pytest.mark.parametrize(
    ("body", "outside"),
    [
        ("kfree(sa);", ""),
        ("foo_put(p, sa);", PUT),
    ],
)
def test_what_is_counted_may_be_kept(body: str, outside: str) -> None:
    counted = f"{SA}if (refcount_dec_and_test(&sa->refs)) {body}"
    assert not freed(counted, outside)
    asked = "SELECT reason FROM unknown WHERE reason LIKE '%do packets hold it?'"
    (reason,) = rows(asked, outside + DELETE.replace("BODY", counted))
    assert "is counted and freed" in reason


@pytest.mark.parametrize(
    "body",
    [
        "struct foo_sa *s __free(kfree) = sa; if (sa->used) s = NULL;",
        "struct foo_sa *s __free(kfree) = sa; if (sa->used) foo_keep(no_free_ptr(s));",
        "struct foo_sa *s __free(foo_put) = sa;",
    ],
)
def test_whether_a_variable_still_frees_at_its_end_may_be_open(body: str) -> None:
    assert not freed(SA + body)
    asked = "SELECT reason FROM unknown WHERE reason LIKE 'whether __free%'"
    (reason,) = rows(asked, DELETE.replace("BODY", SA + body))
    assert reason.endswith(" frees s here is not known")


@pytest.mark.parametrize(
    ("body", "outside", "what"),
    [
        (SA + "kfree(sa);", "", "kfree(sa) foo_del"),
        (SA + "x->xso.offload_handle = 0; kfree(sa);", "", "kfree(sa) foo_del"),
        (SA + "foo_put(p, sa);", PUT, "kfree(sa) foo_put"),
        (SA + "struct foo_sa *s __free(kfree) = sa;", "", "__free(kfree) of s foo_del"),
        (
            SA + "struct foo_sa *s __free(foo_sa) = sa;",
            "DEFINE_FREE(foo_sa, struct foo_sa *, if (_T) kfree(_T))\n",
            "kfree(_T) __free_foo_sa",
        ),
        (
            SA + "CLASS(foo_sa, s)(sa);",
            PUT + "DEFINE_CLASS(foo_sa, struct foo_sa *, foo_put(NULL, _T), s, struct foo_sa *s)\n",
            "kfree(sa) foo_put",
        ),
        ("foo_put(p, p->sas[x->xso.offload_handle - 1]);", PUT, "kfree(sa) foo_put"),
        (
            "kfree(xa_erase(&p->ids, x->xso.offload_handle));",
            "",
            "kfree(xa_erase(&p->ids, x->xso.offload_handle)) foo_del",
        ),
        (
            "kfree(foo_sa_of(x));",
            "static void *foo_sa_of(struct xfrm_state *x)\n"
            "{ return (void *)x->xso.offload_handle; }\n",
            "kfree(foo_sa_of(x)) foo_del",
        ),
    ],
)
def test_what_is_freed_under_packets(body: str, outside: str, what: str) -> None:
    assert freed(body, outside) == [what]


HANDLE = "x->xso.offload_handle = "
FIND = """
static int foo_find(struct priv *p)
{
	int i;

	for (i = FIRST; i < 64; i++)
		if (!p->table[i].used)
			return i;
	return -28;
}
"""
INDEX = "int ret = foo_find(p); u32 idx; if (ret < 0) return ret; idx = ret; "
RESERVED = "void foo_reserve(struct priv *p) { __set_bit(0, p->map); p->table[0].used = 1; }\n"


@pytest.mark.parametrize(
    ("body", "outside"),
    [
        (HANDLE + "1;", ""),
        (INDEX + HANDLE + "idx + 1;", FIND.replace("FIRST", "0")),
        (
            INDEX + HANDLE + "idx + FOO_BASE;",
            "#define FOO_BASE 1024\n" + FIND.replace("FIRST", "0"),
        ),
        (INDEX + HANDLE + "idx | 0x80000000;", FIND.replace("FIRST", "0")),
        (INDEX + HANDLE + "idx;", FIND.replace("FIRST", "1")),
        (INDEX + HANDLE + "idx;", RESERVED + FIND.replace("FIRST", "0")),
        (INDEX + "if (!idx) return -28; " + HANDLE + "idx;", FIND.replace("FIRST", "0")),
        (INDEX + "if (idx == 0) return -28; " + HANDLE + "idx;", FIND.replace("FIRST", "0")),
        (INDEX + "if (idx > 0) " + HANDLE + "idx; else return -28;", FIND.replace("FIRST", "0")),
        (
            "int id = ida_alloc_min(&p->ids, 1, GFP_KERNEL); if (id < 0) return id; "
            + HANDLE
            + "id;",
            "",
        ),
        ("int id = ida_alloc_range(&p->ids, 1, 9, GFP_KERNEL); " + HANDLE + "id;", ""),
        ("int id = idr_alloc(&p->ids, x, 1, 0, GFP_KERNEL); " + HANDLE + "id;", ""),
        ("u32 id; xa_alloc(&p->ids, &id, x, XA_LIMIT(1, 9), GFP_KERNEL); " + HANDLE + "id;", ""),
        (
            "u32 id; xa_alloc(&p->ids, &id, x, xa_limit_32b, GFP_KERNEL); " + HANDLE + "id;",
            "void foo_xa(struct priv *p) { xa_init_flags(&p->ids, XA_FLAGS_ALLOC1); }\n",
        ),
        (HANDLE + "++p->next ?: 0;", ""),
        # What it is compared with can be 0.
        (
            "int b = find_first_zero_bit(p->map, 64); if (b == FOO_SKIP) return -28; "
            + HANDLE
            + "b;",
            "",
        ),
        (
            "int b = find_first_zero_bit(p->map, 64); if (b == p->next) return -28; "
            + HANDLE
            + "b;",
            "",
        ),
        ("int b = find_first_zero_bit(p->map, 64); " + HANDLE + "b + 1;", ""),
        ("int b = find_first_zero_bit(p->map, 64); " + HANDLE + "b;", RESERVED),
        (
            "int b = find_first_zero_bit(p->map, 64); " + HANDLE + "b;",
            "#define FOO_PLAIN 0\n" + RESERVED.replace("(0", "(FOO_PLAIN"),
        ),
        (
            "struct foo_sa *sa = kzalloc(8, GFP_KERNEL); if (!sa) return -12; "
            + HANDLE
            + "(unsigned long)sa;",
            "",
        ),
        (HANDLE + "++p->next;", ""),
        (HANDLE + "p->next;", ""),
        (
            "int err = foo_find(p); if (err) return err; " + HANDLE + "7;",
            FIND.replace("FIRST", "0"),
        ),
    ],
)
def test_handles_that_are_not_0(body: str, outside: str) -> None:
    assert not zeros(body, outside)


@pytest.mark.parametrize(
    ("body", "outside", "why"),
    [
        (INDEX + HANDLE + "idx;", FIND.replace("FIRST", "0"), "i begins at 0"),
        (
            INDEX + HANDLE + "idx + FOO_BASE;",
            "#define FOO_BASE 0\n" + FIND.replace("FIRST", "0"),
            "i begins at 0",
        ),
        (INDEX + HANDLE + "idx << 4;", FIND.replace("FIRST", "0"), "i begins at 0"),
        (
            "int i; for (i = 0; i < 64; i++) if (!p->table[i].used) break; "
            "if (i == 64) return -28; " + HANDLE + "i;",
            "",
            "i begins at 0",
        ),
        (
            "int id = ida_alloc(&p->ids, GFP_KERNEL); if (id < 0) return id; " + HANDLE + "id;",
            "",
            "ida_alloc() hands out 0, too",
        ),
        (
            "int id = idr_alloc(&p->ids, x, 0, 0, GFP_KERNEL); if (id < 0) return id; "
            + HANDLE
            + "id;",
            "",
            "idr_alloc() hands out 0, too",
        ),
        (
            "u32 id; if (xa_alloc(&p->ids, &id, x, xa_limit_32b, GFP_KERNEL)) return -12; "
            + HANDLE
            + "id;",
            "",
            "xa_alloc() hands out 0, too",
        ),
        (
            "int b = find_first_zero_bit(p->map, 64); if (b >= 64) return -28; " + HANDLE + "b;",
            "",
            "find_first_zero_bit() hands out 0, too",
        ),
        (
            "int b = find_first_zero_bit(p->map, 64); " + HANDLE + "b;",
            "#define FOO_PLAIN 1\n" + RESERVED.replace("(0", "(FOO_PLAIN").replace("[0]", "[1]"),
            "find_first_zero_bit() hands out 0, too",
        ),
    ],
)
def test_handles_that_can_be_0(body: str, outside: str, why: str) -> None:
    assert zeros(body, outside) == [why]


GET = "struct xfrm_state *x = xfrm_input_state(skb); p->next = x->xso.offload_handle; "
WANTS = "static bool foo_wants(struct sk_buff *skb) { return xfrm_offload(skb) != 0; }\n"


@pytest.mark.parametrize(
    ("body", "outside"),
    [
        (GET, ""),
        ("if (!xfrm_offload(skb)) return 0; " + GET, ""),
        ("if (skb_sec_path(skb) && xfrm_offload(skb)) { " + GET + "}", ""),
        ("if (skb_sec_path(skb) && foo_wants(skb)) { " + GET + "}", WANTS),
        (
            "struct xfrm_offload *xo = xfrm_offload(skb); if (!xo || !skb_sec_path(skb)) return 0; "
            + GET,
            "",
        ),
        ("p->next = skb_sec_path(skb)->len; " + GET, ""),
    ],
)
def test_packets_that_are_asked(body: str, outside: str) -> None:
    assert not only_secpath(body, outside)


@pytest.mark.parametrize(
    "body",
    [
        "if (!skb_sec_path(skb)) return 0; " + GET,
        "if (secpath_exists(skb)) { " + GET + "}",
        "struct sec_path *sp = skb_sec_path(skb); if (!sp) return 0; " + GET,
        "struct xfrm_offload *xo = xfrm_offload(skb); "
        "if (!skb_sec_path(skb)) return 0; p->next = xo->flags; " + GET,
    ],
)
def test_packets_of_which_only_the_secpath_is_asked(body: str) -> None:
    assert only_secpath(body) == ["foo_xmit"]
