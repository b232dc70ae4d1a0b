"""What can sleep below a resolver callback: C in, the calls or the doubts out."""

import pytest

from tests.asked import analysis_of
from tests.trees import FOO, HEAD, tree

BEFORE = """\
#include <linux/thing.h>
struct mutex { int owner; };
struct priv {
	struct mutex lock;
	int mode;
	gfp_t gfp;
	void (*hook)(struct priv *p);
};
void mutex_lock(struct mutex *lock);
int mutex_trylock(struct mutex *lock);
void spin_lock_bh(struct mutex *lock);
"""
# What the kernel's headers have for a driver.
THING = """\
typedef unsigned int gfp_t;
#define GFP_KERNEL 2u
#define GFP_ATOMIC 1u
struct mutex;
void mutex_lock(struct mutex *lock);
void *kzalloc(unsigned long size, gfp_t gfp);
#define __second(a, b, ...) b
#define gfp_or(...) __second(, ##__VA_ARGS__, GFP_KERNEL)
#define thing_new(what, ...) ((__typeof__(what) *)kzalloc(sizeof(what), gfp_or(__VA_ARGS__)))
#define THING_SLOW (GFP_KERNEL | 4)
#define THING_FAST GFP_ATOMIC
#define thing_wait(c) do { if (c) msleep(1); } while (0)
#define thing_odd(c) (c) msleep(
#define thing_mode(c) ((c) + 1)
int thing_export(int x);
static inline int thing_more(int x) { return x ? thing_more(x - 1) : 0; }
static inline int thing_calls(int x) { return thing_export(x); }
static inline int thing_hook(int (*f)(int)) { return f(0); }
static inline void thing_take(struct mutex *m) { mutex_lock(m); }
static inline void thing_lock(struct mutex *m, bool s) { if (s) thing_take(m); }
static inline void thing_many(struct mutex *m, int n) { if (n > m->owner) mutex_lock(m); }
static inline void *thing_get(gfp_t gfp) { return kzalloc(8, gfp | 8); }
static inline gfp_t thing_slow(void) { return GFP_KERNEL; }
static inline gfp_t thing_fast(void) { return GFP_ATOMIC; }
#ifdef CONFIG_THING
int thing_option(int x);
#else
static inline int thing_option(int x) { return 0; }
#endif
"""
CALLBACK = """
static unsigned long answer(struct net_device *dev, struct xfrm_state *x, struct net_device *lower)
{
	struct priv *p = netdev_priv(dev);
	BODY
	return 0;
}
static const struct xfrmdev_ops foo_xfrmdev = { .xdo_dev_state_lower_handle = answer };
void init(struct net_device *dev)
{
	dev->xfrmdev_ops = &foo_xfrmdev;
}
"""


def asked(sql: str, body: str, outside: str) -> list[str]:
    text = HEAD + BEFORE + outside + CALLBACK.replace("BODY", body)
    files = {"include/linux/thing.h": THING, "drivers/net/foo/Makefile": "obj-m += foo.o\n"}
    found = analysis_of(tree({**files, FOO: text}))
    return [" ".join(map(str, row)) for row in found.store.query(sql)[1]]


def sleeps(body: str, outside: str = "") -> list[str]:
    """Return what sleeps, and the function that it stands in."""
    return asked("SELECT what, function FROM sleep ORDER BY line", body, outside)


def doubts(body: str, outside: str = "") -> list[str]:
    return asked("SELECT reason FROM unknown WHERE function <> ''", body, outside)


LOCK = "static void lock(struct priv *p, bool sleep) { if (sleep) mutex_lock(&p->lock); }\n"
EARLY = "static void lock(struct priv *p, bool s) { if (!s) return; mutex_lock(&p->lock); }\n"
MAKE = "static void *make(struct priv *p, unsigned int gfp) { return kzalloc(8, gfp); }\n"


@pytest.mark.parametrize(
    ("body", "outside"),
    [
        pytest.param("spin_lock_bh(&p->lock);", "", id="a spinlock"),
        pytest.param("mutex_trylock(&p->lock);", "", id="trylock"),
        pytest.param("kzalloc(8, GFP_ATOMIC);", "", id="atomic"),
        pytest.param('pr_debug("not GFP_KERNEL, no mutex_lock()");', "", id="words in a string"),
        pytest.param("lock(p, false);", LOCK, id="a branch that false excludes"),
        pytest.param("lock(p, 0);", EARLY, id="left early"),
        pytest.param("make(p, GFP_ATOMIC);", MAKE, id="flags given"),
        pytest.param("make(p, 0 ? GFP_KERNEL : GFP_ATOMIC);", MAKE, id="flags chosen"),
        pytest.param("if (0) mutex_lock(&p->lock);", "", id="if 0"),
        pytest.param("kzalloc_obj(*p, GFP_ATOMIC);", "", id="an object, atomic"),
        pytest.param("kmalloc_objs(*p, 3, GFP_NOWAIT);", "", id="objects, atomic"),
        pytest.param("kvzalloc_flex(*p, tail, 3, GFP_ATOMIC);", "", id="with a tail, atomic"),
        pytest.param("thing_new(*p, GFP_ATOMIC);", "", id="a header's macro, atomic"),
        pytest.param("kzalloc(8, THING_FAST);", "", id="a header's constant"),
        pytest.param("kzalloc(8, thing_fast());", "", id="flags of an inline function"),
        pytest.param("thing_get(GFP_ATOMIC);", "", id="flags through an inline function"),
        pytest.param("kzalloc(8, GFP_KERNEL & ~__GFP_DIRECT_RECLAIM);", "", id="masked"),
        pytest.param("kzalloc(8, gfp_any());", "", id="flags by the context"),
        pytest.param("kzalloc(8, in_softirq() ? GFP_ATOMIC : GFP_KERNEL);", "", id="by softirq"),
        pytest.param(
            "kzalloc(8, p->gfp);",
            "void set(struct priv *p) { p->gfp = GFP_ATOMIC; }\n",
            id="a member",
        ),
        pytest.param("if (in_interrupt()) return 0; msleep(1);", "", id="left in interrupt"),
        pytest.param("readl_poll_timeout(p, p->mode, p->mode, 0, 9);", "", id="polling, no delay"),
        pytest.param("readl_poll_timeout_atomic(p, p->mode, p->mode, 5, 9);", "", id="polling"),
        pytest.param("timer_delete_sync(&p->lock); cancel_work(&p->lock);", "", id="no work's end"),
        pytest.param("mutex_unlock(&p->lock); netdev_priv(dev); xa_load(0, 1);", "", id="harmless"),
        pytest.param("guard(rcu)(); guard(spinlock_bh)(&p->lock);", "", id="guards"),
        pytest.param("\n#if 0\nguard(mutex)(&p->lock);\n#endif\n", "", id="a guard left out"),
        pytest.param("thing_more(3);", "", id="an inline function that calls itself"),
        pytest.param("thing_lock(&p->lock, false);", "", id="a branch of an inline function"),
        pytest.param("thing_mode(p->mode);", "", id="a header's macro"),
        pytest.param(
            "call_rcu(&p->lock, later);",
            "static void later(struct priv *p) { mutex_lock(&p->lock); }\n",
            id="called later",
        ),
        pytest.param("", "void add(struct priv *p) { mutex_lock(&p->lock); }\n", id="elsewhere"),
    ],
)
def test_what_does_not_sleep(body: str, outside: str) -> None:
    assert sleeps(body, outside) == []
    assert doubts(body, outside) == []


@pytest.mark.parametrize(
    ("body", "outside", "found"),
    [
        pytest.param("mutex_lock(&p->lock);", "", ["mutex_lock() answer"], id="itself"),
        pytest.param("lock(p, true);", LOCK, ["mutex_lock() lock"], id="in a callee"),
        pytest.param("lock(p, p->mode);", LOCK, ["mutex_lock() lock"], id="perhaps"),
        pytest.param("lock(p, 1);", EARLY, ["mutex_lock() lock"], id="not left early"),
        pytest.param(
            "bool s = false; if (p->mode) s = true; lock(p, s);",
            LOCK,
            ["mutex_lock() lock"],
            id="a flag that is not always false",
        ),
        pytest.param(
            "lock(p, false);",
            "static void lock(struct priv *p, bool s)\n"
            "{ s |= p->mode; if (s) mutex_lock(&p->lock); }\n",
            ["mutex_lock() lock"],
            id="a parameter that changes",
        ),
        pytest.param("kzalloc(8, GFP_KERNEL);", "", ["kzalloc() with GFP_KERNEL answer"], id="gfp"),
        pytest.param(
            "make(p, GFP_KERNEL);", MAKE, ["kzalloc() with GFP_KERNEL make"], id="gfp given"
        ),
        pytest.param(
            "unsigned int gfp = GFP_KERNEL; make(p, gfp);",
            MAKE,
            ["kzalloc() with GFP_KERNEL make"],
            id="gfp in a variable",
        ),
        pytest.param(
            "kzalloc_obj(*p);",
            "",
            ["kzalloc_obj() with GFP_KERNEL, its default answer"],
            id="an object",
        ),
        pytest.param(
            "kmalloc_objs(*p, 3);",
            "",
            ["kmalloc_objs() with GFP_KERNEL, its default answer"],
            id="objects",
        ),
        pytest.param(
            "kvzalloc_flex(*p, tail, 3, GFP_NOIO);",
            "",
            ["kvzalloc_flex() with GFP_NOIO answer"],
            id="with a tail",
        ),
        pytest.param(
            "NEW(p);",
            "#define NEW(p) kzalloc_obj(*(p))\n",
            ["kzalloc_obj() with GFP_KERNEL, its default answer"],
            id="through a macro of its own",
        ),
        pytest.param(
            "thing_new(*p);",
            "",
            ["kzalloc() with GFP_KERNEL in thing_new() answer"],
            id="a header's macro with a default",
        ),
        pytest.param(
            "kzalloc(8, THING_SLOW);",
            "",
            ["kzalloc() with GFP_KERNEL answer"],
            id="a header's constant",
        ),
        pytest.param(
            "kzalloc(8, thing_slow());",
            "",
            ["kzalloc() with GFP_KERNEL answer"],
            id="flags of an inline function",
        ),
        pytest.param(
            "kzalloc(8, slow);",
            "static const gfp_t slow = GFP_KERNEL;\n",
            ["kzalloc() with GFP_KERNEL answer"],
            id="a variable of the file",
        ),
        pytest.param(
            "kzalloc(8, p->gfp);",
            "void set(struct priv *p) { p->gfp = GFP_KERNEL; }\n",
            ["kzalloc() with GFP_KERNEL answer"],
            id="a member",
        ),
        pytest.param(
            "make(p, p->gfp);",
            MAKE + "void set(struct priv *p) { p->gfp = GFP_KERNEL; }\n",
            ["kzalloc() with GFP_KERNEL make"],
            id="a member, given",
        ),
        pytest.param(
            "thing_get(GFP_KERNEL);",
            "",
            ["thing_get() with GFP_KERNEL answer"],
            id="flags through an inline function",
        ),
        pytest.param("if (in_softirq()) msleep(1);", "", ["msleep() answer"], id="in softirq"),
        pytest.param(
            "readl_poll_timeout(p, p->mode, p->mode, 5, 9);",
            "",
            ["readl_poll_timeout() answer"],
            id="polling",
        ),
        pytest.param("rcu_barrier();", "", ["rcu_barrier() answer"], id="of a harmless family"),
        pytest.param(
            "thing_lock(&p->lock, true);",
            "",
            ["mutex_lock() in thing_take() in thing_lock() answer"],
            id="in inline functions",
        ),
        pytest.param(
            "thing_wait(p->mode);",
            "",
            ["msleep() in thing_wait() answer"],
            id="in a header's macro",
        ),
        pytest.param(
            "guard(foo)(p);",
            "DEFINE_GUARD(foo, struct priv *, mutex_lock(&_T->lock), mutex_unlock(&_T->lock));\n",
            ["guard(foo) answer"],
            id="a guard of its own",
        ),
        pytest.param("guard(mutex)(&p->lock);", "", ["guard(mutex) answer"], id="a guard"),
        pytest.param(
            "ACQUIRE(mutex_intr, l)(&p->lock); if (ACQUIRE_ERR(mutex_intr, &l)) return 0;",
            "",
            ["guard(mutex_intr) answer"],
            id="a guard that can fail",
        ),
        pytest.param(
            "scoped_guard(foo_soon, p) { p->mode++; }",
            "DEFINE_GUARD(foo, struct priv *, spin_lock(&_T->lock), spin_unlock(&_T->lock))\n"
            "DEFINE_GUARD_COND(foo, _soon, mutex_lock_interruptible(&_T->lock), _RET == 0)\n",
            ["guard(foo_soon) answer"],
            id="a guard of its own that can fail",
        ),
        pytest.param(
            "CLASS(foo, q)(p); return q->mode;",
            "static struct priv *foo_get(struct priv *p) { mutex_lock(&p->lock); return p; }\n"
            "DEFINE_CLASS(foo, struct priv *, (void)_T, foo_get(p), struct priv *p)\n",
            ["mutex_lock() foo_get"],
            id="what makes a class",
        ),
        pytest.param(
            "CLASS(foo, q)(p); return q->mode;",
            "static void foo_put(struct priv *p) { mutex_lock(&p->lock); }\n"
            "DEFINE_CLASS(foo, struct priv *, foo_put(_T), p, struct priv *p)\n",
            ["mutex_lock() foo_put"],
            id="what ends a class",
        ),
        pytest.param(
            "struct priv *q __free(foo_put) = p; return q->mode;",
            "static void foo_put(struct priv *p) { mutex_lock(&p->lock); }\n"
            "DEFINE_FREE(foo_put, struct priv *, if (_T) foo_put(_T))\n",
            ["mutex_lock() foo_put"],
            id="what frees a variable",
        ),
        pytest.param(
            "scoped_guard(mutex, &p->lock) { p->mode++; }", "", ["guard(mutex) answer"], id="scoped"
        ),
        pytest.param(
            "p->hook(p);",
            "static void hook(struct priv *p) { mutex_lock(&p->lock); }\n"
            "void set(struct priv *p) { p->hook = hook; }\n",
            ["mutex_lock() hook"],
            id="through a pointer",
        ),
    ],
)
def test_what_sleeps(body: str, outside: str, found: list[str]) -> None:
    assert sleeps(body, outside) == found


@pytest.mark.parametrize(
    ("body", "outside", "reason"),
    [
        pytest.param(
            "p->hook(p);",
            "",
            "a resolver callback calls a function pointer: it may sleep",
            id="a pointer that nobody fills",
        ),
        pytest.param(
            "lock(p, 1);",
            "static void lock(struct priv *p, int m)\n{ if (m > p->mode) mutex_lock(&p->lock); }\n",
            "whether mutex_lock() is called depends on an argument",
            id="an argument that is asked otherwise",
        ),
        pytest.param(
            "thing_many(&p->lock, 1);",
            "",
            "whether mutex_lock() is called depends on an argument",
            id="the same in a header",
        ),
        pytest.param(
            "thing_export(1);",
            "",
            "thing_export() of another module may sleep",
            id="another module",
        ),
        pytest.param(
            "thing_calls(1);",
            "",
            "thing_export() of another module may sleep",
            id="another module, through an inline function",
        ),
        pytest.param(
            "thing_option(1);",
            "",
            "thing_option() of another module may sleep",
            id="another module, or a stub",
        ),
        pytest.param(
            "nowhere(p);", "", "nowhere() of another module may sleep", id="declared nowhere"
        ),
        pytest.param(
            "thing_hook(0);",
            "",
            "a function pointer is called in a header: it may sleep",
            id="a pointer in a header",
        ),
        pytest.param(
            "thing_odd(1);",
            "",
            "what the macro thing_odd() does is not understood",
            id="a macro that is no expression",
        ),
        pytest.param(
            "kzalloc(8, p->gfp);",
            "",
            "the flags that kzalloc() is given are not known: it may sleep",
            id="flags that nobody sets",
        ),
        pytest.param(
            "guard(foo)(p);", "", "guard(foo) takes an unknown lock: it may sleep", id="a guard"
        ),
        pytest.param(
            "deep0(p);",
            "static void deep20(struct priv *p) { mutex_lock(&p->lock); }\n"
            + "".join(
                f"static void deep{n}(struct priv *p) {{ deep{n + 1}(p); }}\n"
                for n in reversed(range(20))
            ),
            "deep15() was not followed, so far below a resolver callback",
            id="too deep",
        ),
    ],
)
def test_what_stays_open(body: str, outside: str, reason: str) -> None:
    assert sleeps(body, outside) == []
    assert doubts(body, outside) == [reason]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        pytest.param("spin_lock_bh(&p->lock);", [], id="neither sleeps"),
        pytest.param("mutex_lock(&p->lock);", ["mutex_lock() drivers/net/foo/foo.c"], id="one"),
    ],
)
def test_two_files_of_a_module_name_table_and_callback_alike(body: str, wanted: list[str]) -> None:
    bar = HEAD + BEFORE + CALLBACK.replace("BODY", "spin_lock_bh(&p->lock);")
    foo = bar.replace("spin_lock_bh(&p->lock);", body).replace("void init", "void init_foo")
    make = "obj-m += drv.o\ndrv-y := foo.o bar.o\n"
    files = {"include/linux/thing.h": THING, "drivers/net/foo/Makefile": make}
    found = analysis_of(tree({**files, FOO: foo, FOO.replace("foo.c", "bar.c"): bar}))
    asked = "SELECT DISTINCT what, callback_path FROM sleep"
    assert [" ".join(row) for row in found.store.query(asked)[1]] == wanted
