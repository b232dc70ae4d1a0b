"""What can sleep below a resolver callback: C in, the calls or the doubts out."""

import pytest

from tests.trees import FOO, HEAD, tree
from xfrmlint.analysis.analyse import analyse

BEFORE = """\
struct mutex { int owner; };
struct priv {
	struct mutex lock;
	int mode;
	void (*hook)(struct priv *p);
};
void mutex_lock(struct mutex *lock);
int mutex_trylock(struct mutex *lock);
void spin_lock_bh(struct mutex *lock);
void *kzalloc(unsigned long size, unsigned int gfp);
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
    found = analyse(tree({"drivers/net/foo/Makefile": "obj-m += foo.o\n", FOO: text}))
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
        pytest.param("guard(mutex)(&p->lock);", "", ["guard(mutex) answer"], id="a guard"),
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
            "static void lock(struct priv *p, int m)\n{ if (m > 3) mutex_lock(&p->lock); }\n",
            "whether mutex_lock() is called depends on an argument",
            id="an argument that is asked otherwise",
        ),
    ],
)
def test_what_stays_open(body: str, outside: str, reason: str) -> None:
    assert sleeps(body, outside) == []
    assert doubts(body, outside) == [reason]
