"""What callbacks of a lower driver do that they must not: C in, what is found or open out."""

import pytest

from tests.asked import analysis_of, report_on
from tests.trees import FOO, HEAD, tree

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
	struct foo_sa table[64], others[64];
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
    found = analysis_of(tree({**MAKEFILE, **(more or {}), FOO: HEAD + BEFORE + text + AFTER}))
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
OWN_FREE = """
#define __free(name) __cleanup(__free_##name)
#define DEFINE_FREE(name, type, free) \\
static void __free_##name(void *p) { type _T = *(type *)p; free; }
DEFINE_FREE(foo, struct priv *, PUT)
"""
FREED = "struct priv *q __free(foo) = p; q->next++;"
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
        (FREED, OWN_FREE.replace("PUT", "_T->next--")),
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
        (FREED, OWN_FREE.replace("PUT", "msleep(1)"), "msleep()"),
    ],
)
def test_what_sleeps(body: str, outside: str, what: str) -> None:
    assert sleeps(body, outside) == [what]


HOW = "enum foo_how { FOO_POLL, FOO_SLEEP = 4 };\n#define FOO_F_WAIT 0x2\n"
POLL = HOW + "static void foo_cmd(struct priv *p, int how) { BODY }\n"
MESSAGE = """
struct foo_msg { int op; bool wait; };
static void foo_send(struct priv *p, struct foo_msg *m) { BODY }
static void foo_queue(struct priv *p, struct foo_msg *m) { foo_send(p, m); }
"""
BY_SWITCH = "switch (how) { case FOO_SLEEP: msleep(1); break; case FOO_POLL: udelay(1); }"


@pytest.mark.parametrize(
    ("body", "outside", "told"),
    [
        ("foo_cmd(p, HOW);", POLL, "if (how == FOO_SLEEP) msleep(1);"),
        ("foo_cmd(p, HOW);", POLL, "if (how != FOO_SLEEP) { udelay(1); } else { msleep(1); }"),
        ("foo_cmd(p, HOW);", POLL, "if (how != FOO_SLEEP) return; msleep(1);"),
        ("foo_cmd(p, HOW);", POLL, "if (how) { msleep(1); } else { return; } msleep(2);"),
        ("foo_cmd(p, HOW);", POLL, BY_SWITCH),
        ("foo_cmd(p, HOW);", POLL, "switch (how) { case FOO_POLL: return; } msleep(1);"),
        ("foo_cmd(p, HOW);", POLL, "switch (how) { case 0: break; default: msleep(1); }"),
        ("foo_cmd(p, HOW);", POLL, "if (how && p->next) msleep(1);"),
        ("foo_cmd(p, HOW);", POLL, "if (how && wait_for_completion(&p->next)) p->next = 0;"),
        ("foo_cmd(p, HOW);", POLL, "while (how && p->next) msleep(1);"),
        ("foo_cmd(p, HOW);", POLL, "if (how) guard(mutex)(&p->lock);"),
        ("foo_cmd(p, HOW);", POLL, "if (how) scoped_guard(mutex, &p->lock) { p->next = 1; }"),
        ("foo_cmd(p, 1 | HOW >> 1);", POLL, "if (how & FOO_F_WAIT) msleep(1);"),
        ("int how = HOW; foo_cmd(p, how);", POLL, "if (unlikely(how)) msleep(1);"),
        (
            "foo_cmd(p, HOW);",
            "static void foo_wait(struct priv *p, bool s) { if (s) msleep(1); }\n" + POLL,
            "foo_wait(p, how == FOO_SLEEP);",
        ),
        (
            "struct foo_msg m = { .op = 1, .wait = HOW }; foo_queue(p, &m);",
            HOW + MESSAGE,
            "if (m->wait) msleep(1);",
        ),
        (
            "foo_queue(p, &(struct foo_msg){ .wait = HOW });",
            HOW + MESSAGE,
            "if (m->wait) msleep(1);",
        ),
        (
            "foo_cmd(p, foo_waits);",
            HOW + "static const bool foo_waits = HOW;\n" + POLL.removeprefix(HOW),
            "if (foo_waits && how) msleep(1);",
        ),
        (
            "foo_cmd(p, 0);",
            "#define FOO_WAITS HOW\n" + POLL,
            "if (FOO_WAITS) msleep(1);",
        ),
        (
            "struct foo_msg m = {}; m.wait = HOW; foo_queue(p, &m);",
            HOW + MESSAGE,
            "if (!m->wait) return; msleep(1);",
        ),
    ],
)
def test_what_a_caller_writes_decides(body: str, outside: str, told: str) -> None:
    text = outside.replace("BODY", told)
    polls, waits = (text.replace(" HOW", f" {how}") for how in ("FOO_POLL", "FOO_SLEEP"))
    assert not sleeps(body.replace("HOW", "FOO_POLL"), polls)
    assert not open_sleeps(body.replace("HOW", "FOO_POLL"), polls)
    assert sleeps(body.replace("HOW", "FOO_SLEEP"), waits)


@pytest.mark.parametrize(
    ("body", "outside"),
    [
        ("foo_cmd(p, 0);", POLL.replace("BODY", "if (how) { goto out; } msleep(1); out: return;")),
        ("foo_cmd(p, 1);", POLL.replace("BODY", "if (how) goto out; p->next = 1; out: msleep(1);")),
        (
            "foo_cmd(p, 0);",
            POLL.replace("BODY", "switch (how) { case 0: p->next = 1; case 1: msleep(1); }"),
        ),
        (
            "struct foo_msg m = { .wait = 0 }; m.wait = p->next; foo_queue(p, &m);",
            MESSAGE.replace("BODY", "if (m->op > 64) return; msleep(1);"),
        ),
    ],
)
def test_what_a_caller_writes_does_not_decide(body: str, outside: str) -> None:
    assert sleeps(body, outside) == ["msleep()"]


@pytest.mark.parametrize(
    ("body", "outside", "reason"),
    [
        (
            "p->next = 1; foo_cmd(p, 0);",
            POLL.replace("BODY", "if (!p->next) msleep(1);"),
            "depends on next, which is set before",
        ),
        (
            "struct foo_msg m = { .op = 1 }; foo_queue(p, &m);",
            MESSAGE.replace("BODY", "if (m->wait) msleep(1);"),
            "depends on wait, which is set before",
        ),
    ],
)
def test_what_a_caller_sets_before_may_decide(body: str, outside: str, reason: str) -> None:
    assert not sleeps(body, outside)
    assert any(reason in one for one in open_sleeps(body, outside)), open_sleeps(body, outside)


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
        (FREED, OWN_FREE.replace("PUT", "foo_elsewhere(_T)"), "what foo_elsewhere() does is not"),
        ("p->hw->ops->never_set(p->hw);", "", "what ->never_set() does is not seen"),
        (
            "p->hw->ops->drop(p->hw, 1);",
            "void foo_use(struct foo_ops *o, void (*f)(struct foo_hw *, u32)) { o->drop = f; }\n",
            "what ->drop() does is not seen",
        ),
    ],
)
def test_what_may_sleep_for_all_that_is_seen(body: str, outside: str, reason: str) -> None:
    assert not sleeps(body, outside)
    assert any(reason in one for one in open_sleeps(body, outside)), open_sleeps(body, outside)


# A branch of an #if ends the call, and the lines are indented by spaces.
SPLIT = """
static int foo_bind(struct priv *p, int op)
{
        switch (op) {
        case 1:
                return foo_register(p,
#ifdef FOO_NEW
                                    p, op);
#else
                                    p);
#endif
                if (op > 8) {
                        msleep(1);
                }
                list_for_each_foo(p) {
                        foo_elsewhere(p);
                }
        }
        return 0;
}
"""


@pytest.mark.parametrize("body", ["if (p->next) p->next = 1;", "list_for_each_foo(p) p->next = 1;"])
def test_no_statement_of_another_function_is_what_is_called(body: str) -> None:
    assert not sleeps(body, SPLIT)
    assert not [one for one in open_sleeps(body, SPLIT) if "elsewhere" in one]


INLINES = """
static inline u32 quiet_mark(u32 mark) { return mark & 1; }
static inline void quiet_send(struct priv *p) { if (quiet_mark(p->next)) writel(1, p); }
#define QUIET_BOTH(p) do { quiet_send(p); quiet_send(p); } while (0)
static inline void quiet_loop(struct priv *p) { quiet_loop(p); }
static inline void loud_wait(struct priv *p) { mutex_lock(&p->lock); }
static inline void loud_below(struct priv *p) { loud_wait(p); }
static inline void loud_through(struct priv *p) { p->hw->ops->drop(p->hw, 1); }
static inline void loud_stub(struct priv *p) { }
void loud_stub(struct priv *p);
void loud_elsewhere(struct priv *p);
static inline void loud_outward(struct priv *p) { loud_elsewhere(p); }
"""


@pytest.mark.parametrize(
    ("call", "is_seen"),
    [
        ("quiet_mark(1)", True),
        ("quiet_send(p)", True),
        ("QUIET_BOTH(p)", True),
        ("quiet_loop(p)", False),
        ("loud_wait(p)", False),
        ("loud_below(p)", False),
        ("loud_through(p)", False),
        ("loud_stub(p)", False),
        ("loud_outward(p)", False),
    ],
)
def test_what_a_header_does_is_seen(call: str, is_seen: bool) -> None:
    more = {"include/linux/give.h": INLINES}
    text = "#include <linux/give.h>\n" + DELETE.replace("BODY", f"{call};")
    told = rows("SELECT reason FROM unknown WHERE path LIKE '%.c'", text, more)
    name = call.partition("(")[0]
    assert told == (
        [] if is_seen else [f"foo_del() must not sleep, and what {name}() does is not seen"]
    )


OUTWARD = """
#define GIVE_OFF(x) ((x) & 7)
#define give_cmd(p, ...) ({ foo_cmd(p, GIVE_OFF(1)); })
#define give_twice(p) do { give_cmd(p); give_cmd(p, 2); } while (0)
"""


@pytest.mark.parametrize(
    ("does", "found"),
    [
        ("p->next = how;", []),
        ("msleep(how);", ["msleep()"]),
        ("msleep(how); mutex_lock(&p->lock); foo_more(p);", ["msleep()"]),
        ("foo_more(p);", ["mutex_lock()"]),
    ],
)
@pytest.mark.parametrize("call", ["give_cmd(p)", "give_twice(p)"])
def test_what_a_macro_of_a_header_leads_to_is_told_once(
    call: str, does: str, found: list[str]
) -> None:
    more = {"include/linux/give.h": OUTWARD}
    own = "static void foo_more(struct priv *p) { mutex_lock(&p->lock); }\n"
    own += f"static void foo_cmd(struct priv *p, int how) {{ {does} }}\n"
    text = "#include <linux/give.h>\n" + own + DELETE.replace("BODY", f"{call};")
    assert rows("SELECT what FROM sleep", text, more) == found
    assert rows("SELECT reason FROM unknown WHERE path LIKE '%.c'", text, more) == []


@pytest.mark.parametrize(
    "body",
    [
        'asm volatile("nop" : : "r" (p));',
        'asm goto("jz %l0" : : : : no); no: return;',
        "p->n++;\n#if ASKS(1) && \\\n  ASKED_FOR(2)\n#elif ASKS(2)\np->n--;\n#endif\n",
    ],
)
def test_instructions_and_conditions_are_no_calls(body: str) -> None:
    assert not sleeps(body)
    assert not open_sleeps(body, "")


OTHER_FILE = """
#include <linux/netdevice.h>
struct foo_hw;
struct foo_ops { void (*drop)(struct foo_hw *hw, u32 n); };
struct foo_hw { const struct foo_ops *ops; };
static void foo_wait(u32 n) { msleep(n); }
static void foo_drop(struct foo_hw *hw, u32 n) { foo_wait(n); }
const struct foo_ops foo_hw_ops = { .drop = foo_drop };
"""


def test_what_sleeps_in_another_file_behind_a_pointer() -> None:
    more = {"drivers/net/foo/Makefile": "obj-m += foo.o\nfoo-y := main.o hw.o\n"}
    more["drivers/net/foo/hw.c"] = OTHER_FILE
    main = BEFORE + DELETE.replace("BODY", "p->hw->ops->drop(p->hw, 1);") + AFTER
    found = analysis_of(tree({**more, "drivers/net/foo/main.c": HEAD + main}))
    asked = found.store.query("SELECT path, what, function FROM sleep")[1]
    assert [tuple(row) for row in asked] == [("drivers/net/foo/hw.c", "msleep()", "foo_wait")]


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


@pytest.mark.parametrize(
    ("core", "why"),
    [
        ({}, "no function of the core is seen to call xdo_dev_state_delete()"),
        (
            {"net/xfrm/xfrm_state.c": CORE[: CORE.index("int __xfrm_state_delete")]},
            "nobody is seen to call xfrm_dev_state_delete()",
        ),
    ],
)
def test_what_the_contract_says_where_the_core_does_not_show_it(
    core: dict[str, str], why: str
) -> None:
    text = DELETE.replace("BODY", "mutex_lock(&p->lock);")
    assert rows("SELECT runs FROM sleep", text, core) == [
        f"with the state's lock held (so the contract says; {why})"
    ]


SA = "struct foo_sa *sa = (struct foo_sa *)x->xso.offload_handle; "
PUT = "static void foo_put(struct priv *p, struct foo_sa *sa) { kfree(sa); }\n"
END = """static void foo_end(struct priv *p, struct foo_sa *sa, bool whole)
{
	if (!whole)
		return;
	kfree(sa);
}
"""
SLOT = (
    PUT
    + """struct foo_sa_ops { void (*end)(struct priv *p, struct foo_sa *sa); };
static const struct foo_sa_ops foo_sa_ops = { .end = foo_put };
"""
)
DOWN = PUT + "".join(
    f"static void foo_down{n}(struct priv *p, struct foo_sa *sa)\n"
    f"{{ {f'foo_down{n - 1}' if n else 'foo_put'}(p, sa); }}\n"
    for n in range(9)
)


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
        (SA + "if (refcount_dec_and_test(&sa->refs)) foo_put(p, sa);", PUT),
        (SA + "foo_end(p, sa, false);", END),
        ("memset(&p->table[x->xso.offload_handle], 0, 8);", ""),
        (
            SA + "foo_command(p, sa->hw);",
            "static void foo_command(struct priv *p, u32 n) { kfree(kmalloc(n, GFP_ATOMIC)); }\n",
        ),
    ],
)
def test_what_packets_keep(body: str, outside: str) -> None:
    assert not freed(body, outside)


# add returns a foo_sa, which a list or an xarray has by its state.
BY_STATE = """
struct foo_log { struct xfrm_state *x; };
struct foo_entry { struct xfrm_state *x; struct foo_sa *next; };
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct foo_entry *e = kzalloc(sizeof(*e), GFP_KERNEL);

	x->xso.offload_handle = (unsigned long)no_free_ptr(e);
	return 0;
}
static const struct xfrmdev_ops foo_adds = { .xdo_dev_state_add = foo_add };
static struct foo_entry *foo_get(struct priv *p, struct xfrm_state *x)
{
	struct foo_entry *e;

	list_for_each_entry(e, &p->ids, next)
		if (e->x == x)
			return e;
	return NULL;
}
"""
QUIET = "static void foo_quiet(void) { synchronize_net(); }\n"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("struct foo_entry *e = foo_get(p, x); if (e) kfree_rcu(e, rcu);", []),
        (
            "struct foo_entry *e = xchg(&p->sas[x->xso.offload_handle], NULL); kfree_rcu(e, rcu);",
            [],
        ),
        (
            "struct foo_entry *e = xchg(&p->sas[x->xso.offload_handle], NULL); kfree(e);",
            ["kfree(e) foo_del"],
        ),
        # Of which table that is can't be told.
        ("struct foo_entry *e = xchg(foo_slot(p, x), NULL); kfree(e);", []),
        ("struct foo_entry *f = foo_get(p, x), *e = xchg(f, NULL); kfree(e);", []),
        ("struct foo_log *l = xa_erase(&p->ids, (unsigned long)x); kfree(l);", []),
        ("struct foo_log *l __free(kfree) = xa_erase(&p->ids, (unsigned long)x);", []),
        ("struct foo_entry *e __free(kfree) = kzalloc(8, GFP_ATOMIC); foo_get(p, x);", []),
        ("struct foo_entry *e __free(put_e) = foo_get(p, x); p->next = 1;", []),
        ("struct foo_entry *e = foo_get(p, x); list_del(&e->next); foo_quiet(); kfree(e);", []),
        (
            "struct foo_entry *e __free(kfree) = xa_erase(&p->ids, (unsigned long)x); foo_quiet();",
            [],
        ),
        ("struct foo_entry *e = foo_get(p, x); kfree(e);", ["kfree(e) foo_del"]),
        (
            "struct foo_entry *e = xa_erase(&p->ids, (unsigned long)x); kfree(e);",
            ["kfree(e) foo_del"],
        ),
        (
            "struct foo_entry *e __free(kfree) = foo_get(p, x);",
            ["__free(kfree) of e foo_del"],
        ),
        (
            "struct foo_entry *e __free(drop_e) = foo_get(p, x);",
            ["kfree(_T) __free_drop_e"],
        ),
        (
            "struct foo_entry *e; foo_quiet(); e = foo_get(p, x); list_del(&e->next); kfree(e);",
            ["kfree(e) foo_del"],
        ),
        (
            "struct foo_entry *e = foo_get(p, x); if (p->next) foo_quiet(); kfree(e);",
            ["kfree(e) foo_del"],
        ),
    ],
)
def test_what_is_found_by_the_state(body: str, found: list[str]) -> None:
    classes = (
        "DEFINE_FREE(put_e, struct foo_entry *, if (_T) kfree_rcu(_T, rcu))\n"
        "DEFINE_FREE(drop_e, struct foo_entry *, if (_T) kfree(_T))\n"
    )
    assert freed(body, classes + BY_STATE + QUIET) == found


LOOP = "struct foo_entry *e, *n;\n\tlist_for_each_entry_safe(e, n, &p->ids, next) { %s } "
BY_NUMBER = """
struct foo_numbered { u32 id; __be32 spi; struct foo_numbered *next; };
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct foo_numbered *e = kzalloc(sizeof(*e), GFP_KERNEL);

	x->xso.offload_handle = e->id;
	return 0;
}
static const struct xfrmdev_ops foo_adds = { .xdo_dev_state_add = foo_add };
static struct foo_numbered *foo_by_spi(struct priv *p, __be32 spi)
{
	struct foo_numbered *e;

	hlist_for_each_entry(e, &p->ids, next)
		if (e->spi == spi)
			break;
	return e;
}
"""
BY_SPI = BY_NUMBER.replace("= e->id;", "= (unsigned long)e;")
NUMBERED = LOOP.replace("foo_entry", "foo_numbered")


@pytest.mark.parametrize(
    ("body", "outside", "found"),
    [
        (LOOP % "if (e->x != x) continue; kfree_rcu(e, rcu);", BY_STATE, []),
        (LOOP % "if (e->x == x) continue; kfree(e);", BY_STATE, []),
        (LOOP % "if (e->x == x) p->next = 1; else kfree(e);", BY_STATE, []),
        (LOOP % "if (e->x == x) { p->next = 1; break; } kfree(e);", BY_STATE, []),
        (LOOP % "if (e->x != p->hw) continue; kfree(e);", BY_STATE, []),
        (NUMBERED % "if (e->id == p->next) kfree(e);", BY_NUMBER, []),
        # A number that leads packets to the hardware alone.
        (NUMBERED % "if (e->spi == x->id.spi) kfree(e);", BY_NUMBER, []),
        (LOOP % "if (e->x == x) kfree(e);", BY_STATE, ["kfree(e) foo_del"]),
        (LOOP % "if (e->x != x) continue; kfree(e);", BY_STATE, ["kfree(e) foo_del"]),
        (LOOP % "if (!(e->x == x)) goto next; kfree(e); next: ;", BY_STATE, ["kfree(e) foo_del"]),
        (LOOP % "if (e->x == x) break;" + "kfree(e);", BY_STATE, ["kfree(e) foo_del"]),
        (
            LOOP % "if (e->x == x) goto found;" + "return; found: kfree(e);",
            BY_STATE,
            ["kfree(e) foo_del"],
        ),
        (
            LOOP % "if (p->next && x == e->x) { got = e; }" + "kfree(got);",
            BY_STATE + "static struct foo_entry *got;\n",
            [],
        ),
        (
            "struct foo_entry *got = NULL;" + LOOP % "if (x == e->x) got = e;" + "kfree(got);",
            BY_STATE,
            ["kfree(got) foo_del"],
        ),
        (
            "struct foo_entry *e = p->hw; while (e && e->x != x) e = e->next; kfree(e);",
            BY_STATE,
            ["kfree(e) foo_del"],
        ),
        (
            NUMBERED % "if (e->id != x->xso.offload_handle) continue; kfree(e);",
            BY_NUMBER,
            ["kfree(e) foo_del"],
        ),
        (
            "u32 id = x->xso.offload_handle;" + NUMBERED % "if (e->id == (u32)id) kfree(e);",
            BY_NUMBER,
            ["kfree(e) foo_del"],
        ),
        (
            NUMBERED % "if (e->spi != x->id.spi || e->next) continue; kfree(e);",
            BY_SPI,
            ["kfree(e) foo_del"],
        ),
        (
            "kfree(foo_by_spi(p, x->id.spi));",
            BY_SPI,
            ["kfree(foo_by_spi(p, x->id.spi)) foo_del"],
        ),
        ("kfree(foo_by_spi(p, p->next));", BY_SPI, []),
    ],
)
def test_what_a_comparison_lets_by(body: str, outside: str, found: list[str]) -> None:
    assert freed(body, outside) == found


MOVE = "struct foo_entry *e = foo_get(p, x); list_move(&e->next, &p->map); "
PURGE = """
static void foo_drop(struct foo_entry *e) { kfree(e); }
static void foo_purge(struct list_head *list)
{
	struct foo_entry *e, *n;

	list_for_each_entry_safe(e, n, list, next) {
		list_del(&e->next);
		foo_drop(e);
	}
}
static void foo_retire(struct priv *p, struct foo_entry *e)
{
	list_del(&e->next);
	list_add_tail(&e->next, &p->map);
}
static void foo_later(struct work_struct *w) { foo_purge(&foo_of(w)->map); }
"""
EACH = "struct foo_entry *o, *n;\n\tlist_for_each_entry_safe(o, n, &p->map, next) "
FIRST = "struct foo_entry *o; while (!list_empty(&p->map)) "
TAKE = "{ o = list_first_entry(&p->map, struct foo_entry, next); kfree(o); }"
KEPT = BY_STATE.replace(
    "\n\tx->xso", "\n\tlist_add(&e->next, &((struct priv *)dev)->ids);\n\tx->xso"
)


@pytest.mark.parametrize(
    ("body", "found", "doubts"),
    [
        (MOVE + "synchronize_net(); foo_purge(&p->map);", [], 0),
        (MOVE + "synchronize_net();" + EACH + "{ list_del(&o->next); kfree(o); }", [], 0),
        (MOVE + "INIT_WORK(&p->next, foo_later); schedule_work(&p->next);", [], 0),
        (MOVE + "struct foo_log *o;\n\tlist_for_each_entry(o, &p->map, next) kfree(o);", [], 0),
        (MOVE + EACH + "{ list_del(&o->next); kfree(o); }", ["kfree(o) foo_del"], 0),
        (MOVE + EACH + "if (o) kfree(o);", ["kfree(o) foo_del"], 0),
        (MOVE + FIRST + TAKE, ["kfree(o) foo_del"], 0),
        (MOVE + "foo_purge(&p->map);", ["kfree(e) foo_drop"], 0),
        ("foo_retire(p, foo_get(p, x)); foo_purge(&p->map);", ["kfree(e) foo_drop"], 0),
        ("foo_purge(&p->ids);", ["kfree(e) foo_drop"], 0),
        (
            MOVE + "LIST_HEAD(all); list_splice_init(&p->map, &all); foo_purge(&all);",
            ["kfree(e) foo_drop"],
            0,
        ),
        # What was put there before, and what somebody else chooses.
        ("foo_purge(&p->map);" + MOVE, [], 1),
        ("foo_purge(&p->map);", [], 1),
        (MOVE + "list_del(&e->next); foo_purge(&p->map);", [], 1),
        (MOVE + EACH + "if (!o->x) kfree(o);", [], 1),
        (MOVE + EACH + "{ kfree(o); if (!--p->next) break; }", [], 1),
        (MOVE + "struct foo_entry *o; if (p->next) " + TAKE, [], 1),
    ],
)
def test_what_a_list_is_emptied_of(body: str, found: list[str], doubts: int) -> None:
    assert freed(body, KEPT + PURGE) == found
    asked = "SELECT reason FROM unknown WHERE reason LIKE '%is what the handle leads to%'"
    assert len(rows(asked, KEPT + PURGE + DELETE.replace("BODY", body))) == doubts


def test_what_may_be_handed_on() -> None:
    body = (
        "struct foo_entry *e __free(kfree) = foo_get(p, x); "
        "if (p->next) p->sas[0] = no_free_ptr(e);"
    )
    assert not freed(body, BY_STATE)
    reason = "whether __free(kfree) frees e here is not known"
    assert reason in open_sleeps(body, BY_STATE)


COUNTED = """
struct kref { int n; };
struct foo_used { struct kref users; int refs; struct rcu_head rcu; };
static void foo_end(struct kref *r)
{
	struct foo_used *sa = container_of(r, struct foo_used, users);

	FREE(sa);
}
static void foo_late(struct kref *r)
{
	struct foo_used *sa = container_of(r, struct foo_used, users);

	kfree_rcu(sa, rcu);
}
static void foo_put_used(struct foo_used *sa) { kref_put(&sa->users, foo_end); }
struct foo_chip { void (*end)(struct kref *), (*late)(struct kref *), (*other)(struct kref *); };
static const struct foo_chip foo_chip = { .end = foo_end, .late = foo_late };
static const struct foo_chip *foo_chip_of(struct priv *p) { return &foo_chip; }
static void foo_put_by(struct foo_used *sa, void (*end)(struct kref *))
{
	kref_put(&sa->users, end);
}
static int foo_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct priv *p = netdev_priv(dev);
	struct xfrm_state *x = xfrm_input_state(skb);
	struct foo_used *sa = (struct foo_used *)x->xso.offload_handle, *other = p->hw;

	PACKET
	return 0;
}
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct foo_used *sa = kzalloc(sizeof(*sa), GFP_KERNEL);

	BEGIN
	x->xso.offload_handle = (unsigned long)sa;
	return 0;
}
static const struct net_device_ops foo_netdev = { .ndo_start_xmit = foo_xmit };
static const struct xfrmdev_ops foo_adds = { .xdo_dev_state_add = foo_add };
void foo_probe(struct net_device *dev) { dev->netdev_ops = &foo_netdev; }
"""
USED = "struct foo_used *sa = (struct foo_used *)x->xso.offload_handle; "
PUTS = USED + "foo_put_used(sa);"
TESTS = USED + "if (refcount_dec_and_test(&sa->refs)) kfree(sa);"
KREF = "kref_init(&sa->users);"
BY_CHIP = USED + "const struct foo_chip *c = foo_chip_of(p); kref_put(&sa->users, "
BY_END = BY_CHIP.replace("kref_put", "void (*end)(struct kref *) = foo_end; kref_put") + "end);"


@pytest.mark.parametrize(
    ("body", "begin", "packet", "free", "found", "doubts"),
    [
        (PUTS, KREF, "", "kfree", ["kfree(sa) foo_end"], 0),
        (PUTS, KREF, "", "kfree_rcu", [], 0),
        (USED + "foo_end(&sa->users);", "", "", "kfree", ["kfree(sa) foo_end"], 0),
        # What is called where it ends is chosen by a table, a variable or the caller.
        (BY_CHIP + "c->end);", KREF, "", "kfree", ["kfree(sa) foo_end"], 0),
        (BY_CHIP + "c->late);", KREF, "", "kfree", [], 0),
        (BY_END.replace("foo_end", "c->end"), KREF, "", "kfree", ["kfree(sa) foo_end"], 0),
        (BY_END, KREF, "", "kfree", ["kfree(sa) foo_end"], 0),
        (BY_END.replace("foo_end", "foo_late"), KREF, "", "kfree", [], 0),
        (USED + "foo_put_by(sa, foo_end);", KREF, "", "kfree", ["kfree(sa) foo_end"], 0),
        (USED + "foo_put_by(sa, foo_late);", KREF, "", "kfree", [], 0),
        (TESTS, "refcount_set(&sa->refs, 1);", "", "", ["kfree(sa) foo_del"], 0),
        (
            USED + "if (!atomic_dec_and_test(&sa->refs)) return; kfree(sa);",
            "atomic_set(&sa->refs, 1);",
            "",
            "",
            ["kfree(sa) foo_del"],
            0,
        ),
        # A packet that comes by way of the handle asks an object that is gone.
        (PUTS, KREF, "kref_get(&sa->users);", "kfree", ["kfree(sa) foo_end"], 0),
        ("x->xso.offload_handle = 0;" + PUTS, KREF, "kref_get(&sa->users);", "kfree", [], 1),
        (PUTS, KREF, "kref_get(&other->users);", "kfree", [], 0),
        # Another may have been taken for the state.
        (PUTS, KREF + "kref_get(&sa->users);", "", "kfree", [], 1),
        (TESTS, "refcount_set(&sa->refs, 2);", "", "", [], 1),
        (TESTS, KREF, "", "", [], 1),
        (PUTS, KREF + "foo_keep(&sa->users);", "", "kfree", [], 1),
    ],
)
def test_what_is_counted(
    body: str, begin: str, packet: str, free: str, found: list[str], doubts: int
) -> None:
    outside = COUNTED.replace("BEGIN", begin).replace("PACKET", packet)
    outside = outside.replace("FREE(sa)", f"{free or 'kfree_rcu'}(sa)")
    body = body.replace("x->xso.offload_handle = 0;" + USED, USED + "x->xso.offload_handle = 0;")
    assert freed(body, outside) == found
    asked = "SELECT reason FROM unknown WHERE reason LIKE '%is counted and freed%'"
    assert len(rows(asked, outside + DELETE.replace("BODY", body))) == doubts


def test_what_is_called_where_a_counter_ends_may_be_open() -> None:
    outside = COUNTED.replace("BEGIN", KREF).replace("PACKET", "")
    body = BY_CHIP + "c->other);"
    assert not freed(body, outside)
    asked = "SELECT reason FROM unknown WHERE reason LIKE '%what is called is not known%'"
    (reason,) = rows(asked, outside + DELETE.replace("BODY", body))
    assert reason.startswith("kref_put(&sa->users, c->other)")


@pytest.mark.parametrize(
    ("packet", "found"),
    [("kref_get(&sa->users);", []), ("p->next = sa->refs;", ["kfree(sa) foo_end"])],
)
def test_what_is_counted_and_found_by_a_number(packet: str, found: list[str]) -> None:
    outside = COUNTED.replace("BEGIN", KREF).replace("PACKET", packet).replace("FREE", "kfree")
    outside = outside.replace("= (unsigned long)sa;", "= p->next;")
    outside = outside.replace("(struct foo_used *)x->", "xa_load(&p->ids, x->").replace(
        "handle, *other", "handle), *other"
    )
    body = "foo_put_used(xa_erase(&p->ids, x->xso.offload_handle));"
    assert freed(body, outside) == found


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
        (SA + "(foo_put)(p, sa);", PUT, "kfree(sa) foo_put"),
        (SA + "foo_drop(p, sa);", PUT + "#define foo_drop foo_put\n", "kfree(sa) foo_put"),
        (SA + "foo_sa_ops.end(p, sa);", SLOT, "kfree(sa) foo_put"),
        (SA + "foo_down8(p, sa);", DOWN, "kfree(sa) foo_put"),
        (SA + "foo_end(p, sa, true);", END, "kfree(sa) foo_end"),
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


BY_NUMBER = """
struct slot { u32 nr; struct xfrm_state *x; struct rcu_head rcu; };
static struct slot *slots[64], *logged[64];
static void foo_drop(struct slot **at)
{
	kfree(*at);
	*at = NULL;
}
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct slot *s = kzalloc(sizeof(*s), GFP_KERNEL);
	u32 i;

	for (i = 1; i < 64 && slots[i]; i++)
		;
	s->x = x;
	s->nr = i;
	PUT
	return 0;
}
static int foo_xmit(struct sk_buff *skb, struct net_device *dev)
{
	unsigned long h = xfrm_dev_state_lower_handle(xfrm_input_state(skb), dev);

	return h ? slots[h]->nr : 0;
}
static void foo_del(struct net_device *dev, struct xfrm_state *x)
{
	struct slot *s;
	u32 i;

	for (i = 1; i < 64; i++) {
		BODY
	}
}
static const struct net_device_ops foo_netdev = { .ndo_start_xmit = foo_xmit };
static const struct xfrmdev_ops foo_xfrmdev = {
	.xdo_dev_state_add = foo_add,
	.xdo_dev_state_delete = foo_del,
	.flags = XFRMDEV_OPS_F_LOWER_HANDLE,
};
void foo_probe(struct net_device *dev) { dev->netdev_ops = &foo_netdev; }
"""
AT_I = "slots[i] = s; x->xso.offload_handle = i;"
NOT_THIS = "if (!slots[i] || slots[i]->x != x) continue; "


@pytest.mark.parametrize(
    ("put", "body", "found"),
    [
        (AT_I, NOT_THIS + "slots[i] = NULL;", []),
        (AT_I, NOT_THIS + "kfree_rcu(slots[i], rcu); slots[i] = NULL;", []),
        (AT_I, NOT_THIS + "s = slots[i]; slots[i] = NULL; synchronize_net(); kfree(s);", []),
        # What packets never look for, or what is another state's.
        (
            "logged[i] = s; x->xso.offload_handle = i;",
            "if (logged[i] && logged[i]->x == x) kfree(logged[i]);",
            [],
        ),
        (AT_I, "if (slots[i] && slots[i]->x != x) kfree(slots[i]);", []),
        (AT_I, NOT_THIS + "kfree(slots[i]); slots[i] = NULL;", ["kfree(slots[i])"]),
        (AT_I, NOT_THIS + "s = slots[i]; slots[i] = NULL; kfree(s);", ["kfree(s)"]),
        (AT_I, "s = slots[i]; if (s && s->x == x) { kfree(s); break; }", ["kfree(s)"]),
        (AT_I, NOT_THIS + "foo_drop(&slots[i]);", ["kfree(*at)"]),
        (
            "slots[i - 1] = s; x->xso.offload_handle = i;",
            NOT_THIS + "kfree(slots[i]);",
            ["kfree(slots[i])"],
        ),
        (
            "slots[i] = s; x->xso.offload_handle = s->nr;",
            NOT_THIS + "kfree(slots[i]);",
            ["kfree(slots[i])"],
        ),
    ],
)
def test_what_a_table_has_under_the_handle_is_freed(put: str, body: str, found: list[str]) -> None:
    text = BY_NUMBER.replace("PUT", put).replace("BODY", body)
    assert rows("SELECT what FROM freed", text) == found


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
BITS = (
    "int i; for (i = 0; i < 64; i++) { if (p->next & BIT(i)) continue; p->next |= BIT(i); break; } "
)
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
        ("u32 i = 0; while (!i || p->table[i].used) i++; " + HANDLE + "i;", ""),
        ("u32 i = 0; do i++; while (p->table[i].used); " + HANDLE + "i;", ""),
        (
            "int i; for (i = 63; i > 0; i--) if (!p->table[i].used) break; if (!i) return -28; "
            + HANDLE
            + "i;",
            "",
        ),
        (
            "u32 id; xa_alloc(&p->ids, &id, x, XA_LIMIT(0, 9), GFP_KERNEL); id++; "
            + HANDLE
            + "id;",
            "",
        ),
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
        # Somebody begins it, or has counted it on.
        (HANDLE + "p->next++;", "void foo_init(struct priv *p) { p->next = 1; }\n"),
        (HANDLE + "p->next++;", "void foo_init(struct priv *p) { p->next++; }\n"),
        (HANDLE + "p->next++;", "void foo_init(struct priv *p) { foo_read(&p->next); }\n"),
        ("p->next++; " + HANDLE + "p->next;", ""),
        (HANDLE + "p->next++ | 0x8000;", ""),
        (BITS + HANDLE + "i;", "void foo_init(struct priv *p) { p->next = 1; }\n"),
        (BITS.replace("i = 0", "i = 1") + HANDLE + "i;", ""),
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
        (HANDLE + "p->next++;", "", "next begins at 0"),
        (HANDLE + "p->next++ & 63;", "", "next begins at 0"),
        ("u32 id = p->next; p->next++; " + HANDLE + "id;", "", "next begins at 0"),
        (BITS + HANDLE + "i;", "", "i begins at 0"),
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
            "u32 i = 0; while (i < 64 && p->table[i].used) i++; if (i == 64) return -28; "
            + HANDLE
            + "i;",
            "",
            "i begins at 0",
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


SLOT = "struct foo_sa *sa = &p->table[idx]; "
NEXT = "int b = find_next_zero_bit(p->map, 64, %s); if (b >= 64) return -28; "
AT = INDEX + SLOT


@pytest.mark.parametrize(
    ("before", "handle", "first", "why"),
    [
        (INDEX, "(idx << 1) | (x->xso.dir == FOO_IN)", 0, "i begins at 0"),
        (INDEX, "(idx << 1) | (x->xso.dir == FOO_IN)", 1, ""),
        (INDEX, "(idx << 1) | x->xso.dir", 0, ""),
        (INDEX, "(idx + 1) * 2", 0, ""),
        (INDEX, "idx * p->next", 1, None),
        (INDEX, "(idx << 1) & p->next", 1, None),
        (AT, "sa - p->table", 0, "i begins at 0"),
        (AT, "sa - p->table", 1, ""),
        (AT, "sa - p->table + 1", 0, ""),
        (AT, "sa - p->others", 0, None),
        (AT.replace("&p->table[idx]", "p->table + idx"), "sa - p->table", 0, "i begins at 0"),
        (AT.replace("&p->table[idx]", "p->table + idx"), "sa - p->table", 1, ""),
        (AT + "sa++; ", "sa - p->table", 0, None),
        ("struct foo_sa *sa = NULL; " + INDEX, "sa - p->table", 0, None),
        (INDEX, "idx - 1", 1, None),
        (
            "struct foo_sa *sa; for (sa = p->table; sa->used; sa++) ; ",
            "sa - p->table",
            0,
            "p->table begins there",
        ),
        # A search begins where it is told to.
        (NEXT % "FOO_IN", "b", 0, ""),
        (NEXT % "FOO_IN + 1", "b", 0, ""),
        (NEXT % "p->next + FOO_IN", "b", 0, ""),
        (NEXT % "0", "b", 0, "find_next_zero_bit() hands out 0, too"),
        (NEXT % "p->next", "b", 0, None),
        (NEXT % "FOO_IN - 1", "b", 0, None),
    ],
)
def test_what_is_computed_of_an_index(
    before: str, handle: str, first: int, why: str | None
) -> None:
    """why: where it can be 0; None where that is not known."""
    outside = "#define FOO_IN 1\n" + FIND.replace("FIRST", str(first))
    body = f"{before}{HANDLE}{handle};"
    assert zeros(body, outside) == ([why] if why else [])
    reasons = rows("SELECT reason FROM unknown", outside + ADD.replace("BODY", body))
    assert any("can be 0 is not known" in one for one in reasons) is (why is None)


XARRAY = """
struct xa_limit { u32 max; u32 min; };
#define XA_LIMIT(_min, _max) (struct xa_limit) { .min = _min, .max = _max }
struct foo_entry { u32 id; struct xfrm_state *x; };
static const struct xa_limit foo_limit = { .max = 31, .min = FIRST };
#define FOO_FIRST FIRST
#define FOO_RANGE XA_LIMIT(FOO_FIRST, 254)
"""
ENTRY = (
    "struct foo_entry *e = kzalloc(8, GFP_KERNEL); int err = xa_alloc(&p->ids, &e->id, e, %s, 0); "
    "if (err) return err; "
)


@pytest.mark.parametrize(
    ("limit", "macro"),
    [
        ("FOO_RANGE", ""),
        ("foo_limit", ""),
        ("FOO_LIMIT", "#define FOO_LIMIT ((struct xa_limit){ .min = FOO_FIRST, .max = 9 })\n"),
        ("FOO_LIMIT", "#define FOO_LIMIT (struct xa_limit){ 254, FOO_FIRST }\n"),
        ("XA_LIMIT(FIRST, 7)", ""),
    ],
)
def test_the_first_number_of_a_limit(limit: str, macro: str) -> None:
    body = ENTRY % limit + HANDLE + "e->id;"
    one, none = ((XARRAY + macro).replace("FIRST", n).replace(f"FOO_{n}", "FOO_N") for n in "10")
    assert not zeros(body.replace("FIRST", "1"), one)
    assert zeros(body.replace("FIRST", "0"), none) == ["xa_alloc() hands out 0, too"]


@pytest.mark.parametrize(
    ("behind", "outside"),
    [
        ("if (!e->id) return -28; ", ""),
        ("e->id++; ", ""),
        ("e->id = e->id + 1; ", ""),
        ("foo_number(e); ", "static void foo_number(struct foo_entry *e) { e->id += 8; }\n"),
    ],
)
def test_a_member_that_is_not_left_at_0(behind: str, outside: str) -> None:
    body = ENTRY % "XA_LIMIT(0, 7)" + behind + HANDLE + "e->id;"
    assert not zeros(body, XARRAY.replace("FIRST", "0").replace("FOO_0", "FOO_N") + outside)


def test_a_limit_that_nobody_shows() -> None:
    body = ENTRY % "p->limit" + HANDLE + "e->id;"
    outside = XARRAY.replace("FIRST", "0").replace("FOO_0", "FOO_N")
    assert not zeros(body, outside)
    reasons = rows("SELECT reason FROM unknown", outside + ADD.replace("BODY", body))
    assert "whether the handle that is returned here can be 0 is not known" in reasons


STORE = "x->xso.offload_handle = 1;"
CLEAR = "x->xso.offload_handle = 0;"
PUT = """
int foo_unseen(struct xfrm_state *x);
static void foo_put(struct xfrm_state *x) { x->xso.offload_handle = 1; }
static void foo_look(struct xfrm_state *x) { foo_unseen(NULL); }
"""
UNSTORED = ["no handle is stored on the ways to this return"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (f"if (x->xso.dir == XFRM_DEV_OFFLOAD_IN) {{ p->next = 1; return 0; }} {STORE}", UNSTORED),
        (f"if (!p->next) goto out; {STORE} return 0; out: p->next = 3;", UNSTORED),
        ("if (!p->next) return 0; foo_put(x);", UNSTORED),
        (f"if (!p->next) {{ foo_look(x); return 0; }} {STORE}", UNSTORED),
        (
            f"if (!p->next) {{ {CLEAR} return 0; }} {STORE}",
            ["0 is stored on the ways to this return"],
        ),
        (
            f"{CLEAR} if (!p->next) return 0; {STORE}",
            ["0 is stored on the ways to this return"],
        ),
        # Nobody says that this driver has handles, and here not all ways are without one.
        ("p->next = 1;", []),
        (f"if (p->next) {STORE}", []),
        (f"{STORE} if (p->next) return 0;", []),
        (f"if (p->next) return -EINVAL; {STORE}", []),
        (f"{CLEAR} if (p->next) return -EINVAL; {STORE}", []),
        # It may be stored where nobody looks, or have been before.
        (f"if (p->next) {{ foo_put(x); return 0; }} {STORE}", []),
        (f"if (p->next) {{ foo_unseen(x); return 0; }} {STORE}", []),
        (f"if (x->xso.offload_handle) return 0; {STORE}", []),
        (f"if (x->xso.flags & XFRM_DEV_OFFLOAD_FLAG_ACQ) return 0; {STORE}", []),
    ],
)
def test_adds_that_take_a_state_without_a_handle(body: str, told: list[str]) -> None:
    assert zeros(body, PUT) == told


GET = "struct xfrm_state *x = xfrm_input_state(skb); p->next = x->xso.offload_handle; "
SA_OF = """
static int foo_sa(struct priv *p, struct sk_buff *skb)
{
	struct xfrm_state *x = xfrm_input_state(skb);
	struct xfrm_offload *xo;
	u32 h = x->xso.offload_handle;

	%s
	return h ? 0 : -2;
}
"""
WANTED_LATE = "xo = xfrm_offload(skb); if (!xo) return 0;"
TOO_LATE = "if (!h) return -2; xo = xfrm_offload(skb); if (xo && xo->flags) p->next = 1;"
HAS = "static bool foo_has(struct sk_buff *skb) { return skb_sec_path(skb) != 0; }\n"
SP = "struct sec_path *sp = skb_sec_path(skb); "
MEANT = "static bool foo_meant(const struct sec_path *sp) { return sp->len == sp->olen; }\n"
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
        ("p->next = skb->sp->len; " + GET, ""),
        ("if (skb->sp && xfrm_offload(skb)) { " + GET + "}", ""),
        ("skb->sp = 0; " + GET, ""),
        # Another struct's member of that name.
        ("if (!p->sp) return 0; " + GET, ""),
        # As xfrm_offload() itself asks.
        (SP + "if (!sp || !sp->olen || sp->len != sp->olen) return 0; " + GET, ""),
        ("if (skb_sec_path(skb) && foo_meant(skb_sec_path(skb))) { " + GET + "}", MEANT),
        # Before anything is made of it.
        ("if (!skb_sec_path(skb)) return 0; " + GET + "if (!xfrm_offload(skb)) return 0;", ""),
        ("if (skb_sec_path(skb) && foo_sa(p, skb)) kfree(skb);", SA_OF % WANTED_LATE),
    ],
)
def test_packets_that_are_asked(body: str, outside: str) -> None:
    assert not only_secpath(body, outside)


@pytest.mark.parametrize(
    ("body", "outside"),
    [
        ("if (foo_has(skb) && foo_sa(p, skb)) kfree(skb);", HAS + SA_OF % TOO_LATE),
        ("if (!skb_sec_path(skb) || foo_sa(p, skb)) return 0; foo_wants(skb);", WANTS + SA_OF % ""),
    ],
)
def test_packets_that_are_asked_too_late(body: str, outside: str) -> None:
    assert only_secpath(body, outside) == ["foo_sa"]


@pytest.mark.parametrize(
    "body",
    [
        "if (!skb_sec_path(skb)) return 0; " + GET,
        "if (secpath_exists(skb)) { " + GET + "}",
        "struct sec_path *sp = skb_sec_path(skb); if (!sp) return 0; " + GET,
        # As kernels before 5.0 have it.
        "if (!skb->sp) return 0; " + GET,
        "if (skb->sp && skb->sp->len) { " + GET + "}",
        "struct sec_path *sp = skb->sp; if (!sp) return 0; " + GET,
        "struct xfrm_offload *xo = xfrm_offload(skb); "
        "if (!skb_sec_path(skb)) return 0; p->next = xo->flags; " + GET,
        SP + "if (!sp || sp->len != 1) return 0; " + GET,
        SP + "if (!sp) return 0; sp->olen++; p->next = sp->ovec[sp->olen - 1].flags; " + GET,
    ],
)
def test_packets_of_which_only_the_secpath_is_asked(body: str) -> None:
    assert only_secpath(body) == ["foo_xmit"]


SECPATH = "skb_sec_path(skb)"
BRANCHED = (
    ("if (p->next) {{ if ({asked}) {get} }} else if (xfrm_offload(skb)) {get}"),
    ("if (xfrm_offload(skb)) kfree(skb); else if (p->next && {asked}) {get}"),
    ("if (!p->next) {{ if (xfrm_offload(skb)) {get} }} else {{ if ({asked}) {get} }}"),
    (
        "switch (p->next) {{ case 1: if (xfrm_offload(skb)) {get} break; "
        "case 2: if ({asked}) {get} break; default: if (!xfrm_offload(skb)) return 0; }}"
    ),
    ("if (p->next) foo_plain(p, skb); else foo_tagged(p, skb);"),
)
TWO_CALLERS = """
static void foo_plain(struct priv *p, struct sk_buff *skb)
{ if (xfrm_offload(skb)) foo_sa(p, skb); }
static void foo_tagged(struct priv *p, struct sk_buff *skb) { if (%s) foo_sa(p, skb); }
"""


@pytest.mark.parametrize("body", BRANCHED)
@pytest.mark.parametrize("asked", [SECPATH, f"{SECPATH} && xfrm_offload(skb)", "p->next > 7"])
def test_what_another_branch_asks_of_a_packet_is_not_asked_here(body: str, asked: str) -> None:
    outside = SA_OF % "" + TWO_CALLERS % asked
    # The condition of an if is asked on both of its sides.
    alone = asked == SECPATH and not body.startswith("if (xfrm_offload")
    told = body.format(asked=asked, get="foo_sa(p, skb);")
    assert only_secpath(told, outside) == (["foo_sa"] if alone else [])


@pytest.mark.parametrize(
    ("ends", "found"), [("", []), ("break;", ["foo_xmit"]), ("return 0;", ["foo_xmit"])]
)
def test_what_is_asked_in_a_case_that_falls_through(ends: str, found: list[str]) -> None:
    body = (
        f"switch (p->next) {{ case 1: if (!xfrm_offload(skb)) return 0; {ends} "
        f"case 2: if (!{SECPATH}) return 0; {{ {GET} }} }}"
    )
    assert only_secpath(body) == found


PACKETS = """
static void foo_wait(struct priv *p, bool s) { BODY }
static int foo_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct priv *p = netdev_priv(dev);
	struct xfrm_state *x = xfrm_input_state(skb);

	if (!xfrm_offload(skb))
		return 0;
	p->next = x->xso.offload_handle;
	foo_wait(p, false);
	return 0;
}
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	foo_wait(netdev_priv(dev), true);
	x->xso.offload_handle = 1;
	return 0;
}
static const struct xfrmdev_ops foo_xfrmdev = { .xdo_dev_state_add = foo_add };
"""
XMIT_DOOR = """
static const struct net_device_ops foo_netdev = { .ndo_start_xmit = foo_xmit };
void foo_probe(struct net_device *dev) { dev->netdev_ops = &foo_netdev; }
"""
# Packets are queued, and a work item transmits them.
WORK_DOOR = """
struct work_struct { int pending; };
static struct work_struct foo_work;
static void foo_work_fn(struct work_struct *w)
{
	struct sk_buff *skb = skb_dequeue(w);
	foo_xmit(skb, skb->dev);
}
void foo_probe(struct net_device *dev) { INIT_WORK(&foo_work, foo_work_fn); }
"""
TASKLET_DOOR = """
struct tasklet_struct { int state; };
static struct tasklet_struct foo_tasklet;
static void foo_tasklet_fn(struct tasklet_struct *t)
{
	struct sk_buff *skb = skb_dequeue(t);
	foo_xmit(skb, skb->dev);
}
void foo_probe(struct net_device *dev) { tasklet_setup(&foo_tasklet, foo_tasklet_fn); }
"""


@pytest.mark.parametrize(
    ("door", "body", "found"),
    [
        (XMIT_DOOR, "if (s) msleep(1);", []),
        (XMIT_DOOR, "schedule_work(&p->next);", []),
        (WORK_DOOR, "guard(mutex)(&p->lock); p->next = 1;", []),
        (XMIT_DOOR, "guard(mutex)(&p->lock); p->next = 1;", ["guard(mutex) foo_xmit"]),
        (XMIT_DOOR, "if (!s) msleep(1);", ["msleep() foo_xmit"]),
        (TASKLET_DOOR, "mutex_lock(&p->lock);", ["mutex_lock() foo_tasklet_fn"]),
    ],
)
def test_packets_with_a_handle_do_not_sleep(door: str, body: str, found: list[str]) -> None:
    told = rows("SELECT what, callback FROM sleep", PACKETS.replace("BODY", body) + door)
    assert told == found


def test_a_door_of_which_nobody_knows_the_context() -> None:
    door = """
struct thing_ops { void (*deliver)(struct sk_buff *skb, struct net_device *dev); };
static void foo_deliver(struct sk_buff *skb, struct net_device *dev) { foo_xmit(skb, dev); }
void foo_probe(void) { register_thing(foo_deliver); }
"""
    text = PACKETS.replace("BODY", "mutex_lock(&p->lock);") + door
    assert not rows("SELECT what FROM sleep", text)
    reasons = rows("SELECT reason FROM unknown", text)
    assert any("whether register_thing() may is not known" in one for one in reasons), reasons


@pytest.mark.parametrize(
    ("others", "slept", "doubts"),
    [
        pytest.param({"bar": "msleep(1);"}, ["msleep()"], 0, id="it sleeps"),
        pytest.param({"bar": "hw->ops = 0;"}, [], 0, id="it does not"),
        pytest.param({"bar": "bar_more(hw);"}, ["mutex_lock()"], 0, id="what it calls does"),
        pytest.param({"bar": "msleep(1);", "baz": "msleep(1);"}, [], 1, id="one of two"),
        pytest.param({}, [], 1, id="it is nowhere"),
    ],
)
@pytest.mark.parametrize("exports", ["EXPORT_SYMBOL_GPL(bar_wait);", ""])
def test_what_another_module_of_the_folder_exports_is_followed(
    others: dict[str, str], slept: list[str], doubts: int, exports: str
) -> None:
    more = {
        f"drivers/net/foo/{name}.c": f"{HEAD}{BEFORE}static struct mutex m;\n"
        f"static void bar_more(struct foo_hw *hw) {{ mutex_lock(&m); }}\n"
        f"void bar_wait(struct foo_hw *hw) {{ {body} }}\n{exports}\n"
        for name, body in others.items()
    }
    more |= {"drivers/net/foo/Makefile": "obj-m += foo.o bar.o baz.o\n"}
    text = "void bar_wait(struct foo_hw *hw);\n" + DELETE.replace("BODY", "bar_wait(p->hw);")
    reasons = rows("SELECT reason FROM unknown WHERE reason LIKE '%bar_wait%'", text, more)
    assert rows("SELECT what FROM sleep", text, more) == (slept if exports else [])
    assert len(reasons) == (doubts if exports else 1), reasons


@pytest.mark.parametrize(
    ("body", "slept"), [("msleep(1);", ["msleep()"]), ("hw->ops = 0;", [])], ids=["sleeps", "quiet"]
)
def test_another_name_of_a_function_is_followed(body: str, slept: list[str]) -> None:
    text = (
        f"static void foo_one(struct foo_hw *hw) {{ {body} }}\n"
        'static void foo_two(struct foo_hw *hw) __attribute__((alias("foo_one")));\n'
    ) + DELETE.replace("BODY", "foo_two(p->hw);")
    assert rows("SELECT what FROM sleep", text) == slept
    assert rows("SELECT reason FROM unknown WHERE reason LIKE '%foo_two%'", text) == []


@pytest.mark.parametrize(
    ("end", "slept"),
    [("if (*hw)\n\t\t(*hw)->ops = 0;", []), ("msleep(1);", ["msleep()"])],
    ids=["quiet", "sleeps"],
)
def test_what_ends_a_variable_is_followed(end: str, slept: list[str]) -> None:
    text = f"static void foo_end(struct foo_hw **hw) {{ {end} }}\n"
    text += DELETE.replace("BODY", "struct foo_hw *hw __cleanup(foo_end) = p->hw;")
    assert rows("SELECT what FROM sleep", text) == slept
    assert rows("SELECT reason FROM unknown WHERE reason LIKE '%is not seen'", text) == []


KEYED = """
static void foo_forget(void *key) { kfree(key); }
static void foo_hash(struct sk_buff *skb, struct foo_sa *s) { foo_fill(skb, s->key); }
static int foo_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct xfrm_state *x = xfrm_input_state(skb);
	struct foo_sa *sa = (struct foo_sa *)x->xso.offload_handle, *last = foo_last(dev);
	READS
	return 0;
}
static const struct net_device_ops foo_netdev = { .ndo_start_xmit = foo_xmit };
void foo_probe(struct net_device *dev) { dev->netdev_ops = &foo_netdev; }
"""


@pytest.mark.parametrize(
    ("reads", "body", "found", "admitted"),
    [
        ("foo_fill(skb, sa->key);", "kfree(sa->key);", ["kfree(sa->key) foo_del"], 0),
        ("foo_fill(skb, sa->key);", "kfree(sa->key); sa->key = 0;", ["kfree(sa->key) foo_del"], 0),
        ("foo_fill(skb, sa->key);", "foo_forget(sa->key);", ["kfree(key) foo_forget"], 0),
        (
            "foo_hash(skb, sa);",
            "kfree(sa->key); kfree_rcu(sa, rcu);",
            ["kfree(sa->key) foo_del"],
            0,
        ),
        # Where packets read it is not found by the handle.
        ("foo_fill(skb, last->key);", "kfree(sa->key);", [], 1),
        ("foo_fill(skb, last->key);", "foo_forget(sa->key);", [], 1),
        ("foo_fill(skb, sa->key);", "kfree(sa->key); kfree(sa);", ["kfree(sa) foo_del"], 0),
        # They read another member, or none; or wait, or are waited for.
        ("foo_fill(skb, sa->hw);", "kfree(sa->key);", [], 0),
        ("sa->key = 0;", "kfree(sa->key);", [], 0),
        ("foo_fill(skb, sa->key);", "kfree_rcu(sa->key, rcu);", [], 0),
        ("foo_fill(skb, sa->key);", "synchronize_net(); kfree(sa->key);", [], 0),
    ],
)
def test_what_packets_read_in_what_the_handle_leads_to(
    reads: str, body: str, found: list[str], admitted: int
) -> None:
    outside = KEYED.replace("READS", reads)
    if "foo_hash(skb" not in reads:
        outside = outside.replace("foo_fill(skb, s->key)", "foo_fill(skb, s->hw)")
    assert freed(SA + body, outside) == found
    asked = "SELECT reason FROM unknown WHERE reason LIKE '%do packets read it?'"
    assert len(rows(asked, outside + DELETE.replace("BODY", SA + body))) == admitted


STORE = """
static void foo_drop(struct xfrm_state *x) { x->xso.offload_handle = 0; }
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	x->xso.offload_handle = 1;
	ADD
	return 0;
}
static void foo_del(struct net_device *dev, struct xfrm_state *x) { DELETE }
static const struct xfrmdev_ops foo_xfrmdev = {
	.xdo_dev_state_add = foo_add, .xdo_dev_state_delete = foo_del,
};
"""
# What nobody knows when it is called: `foo_event` is given to a function that is not here.
EVENT = """
static void foo_event(struct xfrm_state *x) { foo_drop(x); }
void foo_listen(void) { vendor_register(foo_event); }
"""
TOLD = "WARNING: foo_drop() writes xso.offload_handle"
OPEN = "whether packets reach this access of xso.offload_handle is not known"


@pytest.mark.parametrize(
    ("add", "delete", "more", "wanted"),
    [
        pytest.param("foo_drop(x);", "", "", [], id="add alone"),
        pytest.param("", "foo_drop(x);", "", [TOLD], id="delete alone"),
        pytest.param("foo_drop(x);", "foo_drop(x);", "", [TOLD], id="add and delete"),
        pytest.param("", "foo_drop(x);", EVENT, [TOLD], id="delete, and who knows"),
        pytest.param("foo_drop(x);", "", EVENT, [OPEN], id="add, and who knows"),
        pytest.param("", "", EVENT, [OPEN], id="who knows"),
        pytest.param(
            "", "foo_drop(x);", "void foo_gone(struct xfrm_state *x) { foo_drop(x); }\n", [TOLD],
            id="delete, and what nobody can call",
        ),
        pytest.param(
            "", "", "void foo_gone(struct xfrm_state *x) { foo_drop(x); }\n",
            ["nobody calls the function of this access of xso.offload_handle: it was not judged"],
            id="what nobody can call",
        ),
    ],
)  # fmt: skip
def test_a_store_is_told_whatever_else_leads_to_it(
    add: str, delete: str, more: str, wanted: list[str]
) -> None:
    text = STORE.replace("ADD", add).replace("DELETE", delete)
    found = report_on(tree({**MAKEFILE, FOO: HEAD + BEFORE + text + more + AFTER}))
    told = [f"{one.level}: {one.message}" for one in found.findings if one.function == "foo_drop"]
    told += [one.reason for one in found.unknown if one.function == "foo_drop"]
    assert [line[: len(start)] for line, start in zip(told, wanted, strict=True)] == wanted


@pytest.mark.parametrize("door", ["", EVENT.replace("foo_drop", "foo_look")])
def test_what_is_wrong_for_whoever_comes_is_not_open_too(door: str) -> None:
    look = "static void foo_look(struct xfrm_state *x) { netdev_priv(x->xso.dev); }\n"
    found = report_on(tree({**MAKEFILE, FOO: HEAD + BEFORE + STORE + look + door + AFTER}))
    assert [one.type for one in found.findings if one.path == FOO] == ["OFFLOAD_DEV_ACCESS"]
    assert [one.reason for one in found.unknown if one.function == "foo_look"] == []
