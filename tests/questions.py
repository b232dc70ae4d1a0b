"""Drivers in which it matters how a thing is written: each form of it in each question."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.forms import CALLS, READS, STORES, TESTS, Form

HEADERS = """\
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/indirect_call_wrapper.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/static_call.h>
#include <linux/string.h>
#include <linux/xarray.h>
#include <net/xfrm.h>
"""

# As the kernel's own, with what they check left in as calls: an assignment is deep inside.
MACROS = {
    "include/linux/compiler.h": """\
#ifndef _LINUX_COMPILER_H
#define _LINUX_COMPILER_H
#include <linux/compiler_types.h>
#define likely(cond)		__builtin_expect(!!(cond), 1)
#define unlikely(cond)		__builtin_expect(!!(cond), 0)
#define barrier()		__asm__ __volatile__("" : : : "memory")
#define compiletime_assert_rwonce_type(t) do { } while (0)
#define __READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define READ_ONCE(x)							\\
({									\\
	compiletime_assert_rwonce_type(x);				\\
	__READ_ONCE(x);							\\
})
#define __WRITE_ONCE(x, val)						\\
do {									\\
	*(volatile __typeof__(x) *)&(x) = (val);			\\
} while (0)
#define WRITE_ONCE(x, val)						\\
do {									\\
	compiletime_assert_rwonce_type(x);				\\
	__WRITE_ONCE(x, val);						\\
} while (0)
#endif
""",
    "include/linux/atomic.h": """\
#ifndef _LINUX_ATOMIC_H
#define _LINUX_ATOMIC_H
#include <linux/compiler.h>
#define smp_store_release(p, v)						\\
do {									\\
	barrier();							\\
	WRITE_ONCE(*p, v);						\\
} while (0)
#define smp_store_mb(var, value)					\\
do {									\\
	WRITE_ONCE(var, value);						\\
	barrier();							\\
} while (0)
#define smp_load_acquire(p)						\\
({									\\
	__typeof__(*p) ___p1 = READ_ONCE(*p);				\\
	barrier();							\\
	(__typeof__(*p))___p1;						\\
})
#define xchg(ptr, v)							\\
({									\\
	__typeof__(ptr) __ai_ptr = (ptr);				\\
	(__typeof__(*(ptr)))__arch_xchg((unsigned long)(v), __ai_ptr, sizeof(*__ai_ptr)); \\
})
#define cmpxchg(ptr, o, n)						\\
({									\\
	__typeof__(ptr) __ai_ptr = (ptr);				\\
	(__typeof__(*(ptr)))__arch_cmpxchg(__ai_ptr, (unsigned long)(o),	\\
					   (unsigned long)(n), sizeof(*__ai_ptr)); \\
})
#define try_cmpxchg(ptr, oldp, n)					\\
({									\\
	__typeof__(*(ptr)) *___op = (oldp), ___o = *___op, ___r;	\\
	___r = cmpxchg((ptr), ___o, (n));				\\
	if (unlikely(___r != ___o))					\\
		*___op = ___r;						\\
	likely(___r == ___o);						\\
})
unsigned long __arch_xchg(unsigned long x, volatile void *ptr, int size);
unsigned long __arch_cmpxchg(volatile void *ptr, unsigned long old, unsigned long new, int size);
#endif
""",
    "include/linux/rcupdate.h": """\
#ifndef _LINUX_RCUPDATE_H
#define _LINUX_RCUPDATE_H
#include <linux/atomic.h>
void rcu_read_lock(void);
void rcu_read_unlock(void);
#define RCU_INITIALIZER(v)	(__typeof__(*(v)) *)(v)
#define rcu_check_sparse(p, space)
#define rcu_access_pointer(p)						\\
({									\\
	__typeof__(*p) *__local = (__typeof__(*p) *)READ_ONCE(p);	\\
	rcu_check_sparse(p, __rcu);					\\
	((__typeof__(*p) *)(__local));					\\
})
#define rcu_dereference_check(p, c)					\\
({									\\
	__typeof__(*p) *__local = (__typeof__(*p) *)READ_ONCE(p);	\\
	(void)(c);							\\
	((__typeof__(*p) *)(__local));					\\
})
#define rcu_dereference_protected(p, c)					\\
({									\\
	(void)(c);							\\
	((__typeof__(*p) *)(p));					\\
})
#define rcu_dereference(p)	rcu_dereference_check(p, 0)
#define rcu_dereference_bh(p)	rcu_dereference_check(p, 0)
#define rtnl_dereference(p)	rcu_dereference_protected(p, 1)
#define RCU_INIT_POINTER(p, v)						\\
do {									\\
	rcu_check_sparse(p, __rcu);					\\
	WRITE_ONCE(p, RCU_INITIALIZER(v));				\\
} while (0)
#define rcu_assign_pointer(p, v)					\\
do {									\\
	unsigned long _r_a_p__v = (unsigned long)(v);			\\
	rcu_check_sparse(p, __rcu);					\\
	if (__builtin_constant_p(v) && (_r_a_p__v) == (unsigned long)NULL) \\
		WRITE_ONCE((p), (__typeof__(p))(_r_a_p__v));		\\
	else								\\
		smp_store_release(&p, RCU_INITIALIZER((__typeof__(p))_r_a_p__v)); \\
} while (0)
#define rcu_replace_pointer(rcu_ptr, ptr, c)				\\
({									\\
	__typeof__(ptr) __tmp = rcu_dereference_protected((rcu_ptr), (c));	\\
	rcu_assign_pointer((rcu_ptr), (ptr));				\\
	__tmp;								\\
})
#endif
""",
    "include/linux/err.h": """\
#ifndef _LINUX_ERR_H
#define _LINUX_ERR_H
#include <linux/types.h>
#define MAX_ERRNO	4095
#define IS_ERR_VALUE(x) unlikely((unsigned long)(void *)(x) >= (unsigned long)-MAX_ERRNO)
static inline bool IS_ERR(const void *ptr)
{
	return IS_ERR_VALUE((unsigned long)ptr);
}
static inline bool IS_ERR_OR_NULL(const void *ptr)
{
	return unlikely(!ptr) || IS_ERR_VALUE((unsigned long)ptr);
}
#endif
""",
    "include/linux/indirect_call_wrapper.h": """\
#ifndef _LINUX_INDIRECT_CALL_WRAPPER_H
#define _LINUX_INDIRECT_CALL_WRAPPER_H
#define INDIRECT_CALL_1(f, f1, ...)					\\
	({								\\
		likely(f == f1) ? f1(__VA_ARGS__) : f(__VA_ARGS__);	\\
	})
#define INDIRECT_CALL_2(f, f2, f1, ...)					\\
	({								\\
		likely(f == f2) ? f2(__VA_ARGS__) :			\\
				  INDIRECT_CALL_1(f, f1, __VA_ARGS__);	\\
	})
#endif
""",
    "include/linux/static_call.h": """\
#ifndef _LINUX_STATIC_CALL_H
#define _LINUX_STATIC_CALL_H
struct static_call_key {
	void *func;
};
#define STATIC_CALL_KEY(name)	__SCK__##name
#define STATIC_CALL_TRAMP(name)	__SCT__##name
#define DEFINE_STATIC_CALL(name, _func)					\\
	extern __typeof__(_func) STATIC_CALL_TRAMP(name);		\\
	struct static_call_key STATIC_CALL_KEY(name) = {		\\
		.func = _func,						\\
	}
#define DEFINE_STATIC_CALL_NULL(name, _func)				\\
	extern __typeof__(_func) STATIC_CALL_TRAMP(name);		\\
	struct static_call_key STATIC_CALL_KEY(name) = {		\\
		.func = NULL,						\\
	}
#define static_call(name)						\\
	((__typeof__(STATIC_CALL_TRAMP(name)) *)(STATIC_CALL_KEY(name).func))
#define static_call_update(name, func)					\\
({									\\
	__typeof__(&STATIC_CALL_TRAMP(name)) __F = (func);		\\
	__static_call_update(&STATIC_CALL_KEY(name), __F);		\\
})
void __static_call_update(struct static_call_key *key, void *func);
#endif
""",
}

# What the base lacks besides.
EXTRA = {
    "include/linux/rculist.h": "#include <linux/list.h>\n"
    "void list_add_tail_rcu(struct list_head *entry, struct list_head *head);\n"
}

# The same kernel whose macros lie in a header that nobody sees.
BARE: dict[str, str] = dict.fromkeys(MACROS, "#include <linux/compiler_types.h>\n")

DRIVER = (
    HEADERS
    + """
struct example_sa {
	u16 queue;
};
struct example {
	int n;
	MEMBERS
	struct list_head node;
	struct list_head all;
	struct xarray table;
	u16 queues[64];
	struct sk_buff *skb;
};

TARGETS
OUTSIDE
static int example_add(struct net_device *dev, struct xfrm_state *x,
		       struct netlink_ext_ack *extack)
{
	struct example *p = netdev_priv(dev);

	ADD
	x->xso.offload_handle = 1;
	return 0;
}

static void example_delete(struct net_device *dev, struct xfrm_state *x)
{
	struct example *p = netdev_priv(dev);
	struct sk_buff *skb = p->skb;

	DELETE
	p->n = 0;
}

static int example_policy_add(struct xfrm_policy *pol, struct netlink_ext_ack *extack)
{
	struct example *p = netdev_priv(pol->xdo.dev);

	POLICY
	p->n = 1;
	return 0;
}

static netdev_tx_t example_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct example *p = netdev_priv(dev);
	struct xfrm_state *x = xfrm_input_state(skb);
	u32 __iomem *bell = dev->priv;

	XMIT
	return NETDEV_TX_OK;
}

static const struct net_device_ops example_netdev_ops = {
	.ndo_start_xmit		= example_xmit,
};

static const struct xfrmdev_ops example_xfrmdev_ops = {
	.xdo_dev_state_add	= example_add,
	.xdo_dev_state_delete	= example_delete,
	.xdo_dev_policy_add	= example_policy_add,
	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,
};

void example_init(struct net_device *dev)
{
	dev->netdev_ops = &example_netdev_ops;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
)


_ASK = (
    "unsigned long own = xfrm_dev_state_lower_handle(x, dev);\n\n\tif (own) writel(own, bell);\n\t"
)
_STATE_READ = "x->curlft.bytes = GOT->xso.offload_handle;"
_XSO_READ = "x->curlft.bytes = GOT->offload_handle;"
_RESOLVED = "xfrm_dev_state_lower_handle(x, dev)"
_LEAVE = "return NETDEV_TX_OK;"
_LOCAL = "struct example m = { .n = skb->len }, *mine = &m;\n\t"
_IDLE = "static void example_idle(struct xfrm_state *x, struct net_device *dev)\n{\n}\n"
_HW = (
    "static void example_hw(struct xfrm_state *x, struct net_device *dev)\n{\n"
    "\tx->curlft.bytes = x->xso.offload_handle;\n}\n"
)
_ASKS = (
    "static void example_hw(struct xfrm_state *x, struct net_device *dev)\n{\n"
    "\tunsigned long h = xfrm_dev_state_lower_handle(x, dev);\n\n"
    "\tif (h) writel(h, dev->priv);\n}\n"
)

DIRECT = ("DIRECT_OFFLOAD_HANDLE", "ERROR")
CONTROL = ("CONTROL_OFFLOAD_HANDLE", "CHECK")
WRONG = ("WRONG_LOWER_DEV", "ERROR")
DEVICE = ("OFFLOAD_DEV_ACCESS", "WARNING")
UNCHECKED = ("UNCHECKED_LOWER_HANDLE", "ERROR")
OUTLIVES = ("HANDLE_OUTLIVES_PACKET", "WARNING")
BUSY = ("ZERO_HANDLE_TX_BUSY", "WARNING")

Kinds = frozenset[tuple[str, str]]


class Question(NamedTuple):
    """What is asked of an object that a form stores, or reads.

    declare: of a name of the member's type. stored: the value, its harmless like, none. at: in
    which function it is stored. use: what is done with GOT in use_at. before: what comes first in
    that function. object: POINTER, STRUCT, MEMBER and another member NODE, where it is not the
    driver's own. tags: of the type, see Form.
    """

    name: str
    wanted: Kinds
    declare: str
    stored: tuple[str, str, str]
    use: str
    tags: str = "pointer object lasting"
    at: str = "ADD"
    use_at: str = "XMIT"
    before: str = _ASK
    targets: str = ""
    object: tuple[str, str, str, str] = ("p", "struct example", "kept", "node")


_FN = "void (*{})(struct xfrm_state *x, struct net_device *dev)"
_DEV = "struct net_device *{}"
_ASKED = f"unsigned long h = xfrm_dev_state_lower_handle(x, GOT); if (!h) {_LEAVE} writel(h, bell);"
_GO = ("example_hw", "example_idle", "NULL")
_MINE = ("mine", "struct example", "kept", "node")

QUESTIONS = (
    Question(
        "function",
        frozenset({DIRECT}),
        _FN,
        _GO,
        "GOT(x, dev);",
        tags="pointer lasting function",
        targets=_IDLE + _HW,
    ),
    Question(
        "function, control",
        frozenset({CONTROL}),
        _FN,
        _GO,
        "GOT(x, dev);",
        tags="pointer lasting function",
        use_at="DELETE",
        before="",
        targets=_IDLE + _HW,
    ),
    Question(
        "function that asks",
        frozenset(),
        _FN,
        _GO,
        "GOT(x, dev);",
        tags="pointer lasting function",
        before="",
        targets=_IDLE + _ASKS,
    ),
    Question(
        "device of the state",
        frozenset({WRONG, DEVICE}),
        _DEV,
        ("x->xso.real_dev", "dev", "NULL"),
        _ASKED,
        tags="pointer object lasting lvalue",
        before="",
    ),
    Question(
        "own device",
        frozenset(),
        _DEV,
        ("dev", "dev", "NULL"),
        _ASKED,
        tags="pointer object lasting own",
        before="",
    ),
    Question(
        "state", frozenset({DIRECT}), "struct xfrm_state *{}", ("x", "x", "NULL"), _STATE_READ
    ),
    Question(
        "xso",
        frozenset({DIRECT}),
        "struct xfrm_dev_offload *{}",
        ("&x->xso", "&x->xso", "NULL"),
        _XSO_READ,
    ),
    Question(
        "policy's xdo",
        frozenset(),
        "struct xfrm_dev_offload *{}",
        ("&pol->xdo", "&pol->xdo", "NULL"),
        _XSO_READ,
        at="POLICY",
    ),
    Question(
        "handle",
        frozenset({UNCHECKED}),
        "unsigned long {}",
        (_RESOLVED, "0", "0"),
        "writel(GOT, bell);",
        tags="number object",
        at="XMIT",
        before=_LOCAL,
        object=_MINE,
    ),
    Question(
        "handle tested",
        frozenset(),
        "unsigned long {}",
        (_RESOLVED, "0", "0"),
        f"if (!GOT) {_LEAVE} writel(GOT, bell);",
        tags="number object",
        at="XMIT",
        before=_LOCAL,
        object=_MINE,
    ),
)
_KEPT = Question(
    "handle kept",
    frozenset({OUTLIVES}),
    "unsigned long {}",
    ("own", "own", "0"),
    "",
    tags="number object lasting",
    at="XMIT",
    before=f"unsigned long own = {_RESOLVED};\n\n\tif (!own) {_LEAVE}\n\t",
)
_SITES = (
    Question(
        "member of xso",
        frozenset({DIRECT}),
        "unsigned long {}",
        ("", "", "0"),
        "x->curlft.bytes = GOT;",
        tags="number object site",
        before=_ASK + "struct xfrm_dev_offload *xso = &x->xso;\n\t",
        object=("xso", "struct xfrm_dev_offload", "offload_handle", "dev_tracker"),
    ),
    Question(
        "dev of xso",
        frozenset({DEVICE}),
        _DEV,
        ("", "", "NULL"),
        "if (GOT == dev) p->n++;",
        tags="pointer object site",
        before=_ASK + "struct xfrm_dev_offload *xso = &x->xso;\n\t",
        object=("xso", "struct xfrm_dev_offload", "dev", "dev_tracker"),
    ),
    Question(
        "member of a policy's xdo",
        frozenset(),
        "unsigned long {}",
        ("", "", "0"),
        "p->n = GOT;",
        tags="number object site",
        use_at="POLICY",
        before="struct xfrm_dev_offload *xso = &pol->xdo;\n\tstruct sk_buff *skb = p->skb;\n\t",
        object=("xso", "struct xfrm_dev_offload", "offload_handle", "dev_tracker"),
    ),
)


class _Callee(NamedTuple):
    """What is asked of a call. call: with GOT for the call; in use_at, behind before."""

    name: str
    wanted: Kinds
    target: str
    idle: str
    returns: str
    parameters: str
    passed: str
    arguments: str
    use: str = "GOT;"
    use_at: str = "XMIT"
    before: str = _ASK


def _function(returns: str, name: str, parameters: str, *lines: str) -> str:
    body = "".join(f"\t{line}\n" for line in lines)
    return f"static {returns} example_{name}({parameters})\n{{\n{body}}}\n"


_X_DEV = "struct xfrm_state *x, struct net_device *dev"
_H = f"unsigned long h = {_RESOLVED};"
_RESOLVE = _function("unsigned long", "hw", _X_DEV, f"return {_RESOLVED};")
_NO_HANDLE = _function("unsigned long", "idle", _X_DEV, "return 0;")
_BELL = "unsigned long h, u32 __iomem *bell"
_KEEP = "struct example *p, unsigned long h"
_TESTED = f"{_H} if (!h) {_LEAVE}\n\t"

CALLEES = (
    _Callee("function", frozenset({DIRECT}), _HW, _IDLE, "void", _X_DEV, "x, dev", "x, dev"),
    _Callee(
        "function, control",
        frozenset({CONTROL}),
        _HW,
        _IDLE,
        "void",
        _X_DEV,
        "x, dev",
        "x, dev",
        use_at="DELETE",
        before="",
    ),
    _Callee(
        "function that asks",
        frozenset(),
        _ASKS,
        _IDLE,
        "void",
        _X_DEV,
        "x, dev",
        "x, dev",
        before="",
    ),
    _Callee(
        "device of the state",
        frozenset({WRONG, DEVICE}),
        _ASKS,
        _IDLE,
        "void",
        _X_DEV,
        "x, dev",
        "x, x->xso.real_dev",
        before="",
    ),
    _Callee(
        "handle returned",
        frozenset({UNCHECKED}),
        _RESOLVE,
        _NO_HANDLE,
        "unsigned long",
        _X_DEV,
        "x, dev",
        "x, dev",
        use="writel(GOT, bell);",
        before="",
    ),
    _Callee(
        "handle returned, tested",
        frozenset(),
        _RESOLVE,
        _NO_HANDLE,
        "unsigned long",
        _X_DEV,
        "x, dev",
        "x, dev",
        f"unsigned long h = GOT; if (!h) {_LEAVE} writel(h, bell);",
        before="",
    ),
    _Callee(
        "handle passed",
        frozenset({UNCHECKED}),
        _function("void", "hw", _BELL, "writel(h, bell);"),
        _function("void", "idle", _BELL),
        "void",
        _BELL,
        "h, bell",
        "h, bell",
        before=f"{_H}\n\n\t",
    ),
    _Callee(
        "handle passed, tested there",
        frozenset(),
        _function("void", "hw", _BELL, "if (!h)", "\treturn;", "writel(h, bell);"),
        _function("void", "idle", _BELL),
        "void",
        _BELL,
        "h, bell",
        "h, bell",
        before=f"{_H}\n\n\t",
    ),
    _Callee(
        "handle kept",
        frozenset({OUTLIVES}),
        _function("void", "hw", _KEEP, "p->kept = h;"),
        _function("void", "idle", _KEEP),
        "void",
        _KEEP,
        "p, h",
        "p, h",
        before=_TESTED,
    ),
)


class _Handle(NamedTuple):
    """How a handle is used, whose test a form is. declare: of h. leaves: what 0 ends in."""

    name: str
    declare: str
    use: str
    tags: str
    leaves: str = _LEAVE


HANDLES = (
    _Handle("number", "unsigned long {}", "writel(h, bell)", "number"),
    _Handle("index", "unsigned long {}", "(void)(skb->queue_mapping = p->queues[h])", "number"),
    _Handle("pointer", "struct example_sa *{}", "(void)(skb->queue_mapping = h->queue)", "pointer"),
    _Handle("busy", "unsigned long {}", "writel(h, bell)", "number busy", "return NETDEV_TX_BUSY;"),
)


class Case(NamedTuple):
    """A driver, the same in the plain form, and what is right.

    form: with its table. bare: the kernel's macros have no definition.
    """

    form: str
    question: str
    text: str
    plain: str
    wanted: Kinds
    bare: bool


def cases() -> Iterator[Case]:
    """Yield each form in each question that makes sense of it."""
    for question in (*QUESTIONS, _KEPT):
        forms = [form for form in STORES if _fits(form, question.tags)]
        made = [(form, _store_driver(question, form), question.wanted) for form in forms]
        yield from _cases_of("store", question.name, made)
    for question in (*QUESTIONS, *_SITES):
        if question.use_at == "DELETE":
            # Whether it runs per packet or not is decided by the store.
            continue
        forms = [form for form in READS if _fits(form, question.tags)]
        made = [(form, _read_driver(question, form), question.wanted) for form in forms]
        yield from _cases_of("read", question.name, made)
    for callee in CALLEES:
        made = [(form, _call_driver(callee, form), callee.wanted) for form in CALLS]
        yield from _cases_of("call", callee.name, made)
    for handle in HANDLES:
        forms = [form for form in TESTS if _fits(form, handle.tags)]
        made = [(form, _test_driver(handle, form), _wanted(handle, form)) for form in forms]
        yield from _cases_of("test", handle.name, made)


def _cases_of(table: str, asked: str, made: Sequence[tuple[Form, str, Kinds]]) -> Iterator[Case]:
    plain = made[0][1]
    for form, text, wanted in made:
        yield Case(f"{table} {form.name}", asked, text, plain, wanted, False)
        if "macro" in form.tags:
            yield Case(f"{table} {form.name}, bare", asked, text, plain, wanted, True)


# What a form's tags ask of a question. What is not one of them speaks of the form alone.
_ASKED_FOR = {"pointer", "number", "function", "object", "lvalue", "lasting"}


# An untested handle can't end in a busy queue; a read that empties the place is a write as well;
# what all devices of a driver share is not the device's own.
_APART = (("through", "busy"), ("once", "site"), ("shared", "own"))


def _fits(form: Form, tags: str) -> bool:
    asked, given = set(form.tags.split()), set(tags.split())
    if any(one in asked and other in given for one, other in _APART):
        return False
    return asked & _ASKED_FOR <= given


def _wanted(handle: _Handle, form: Form) -> Kinds:
    if "busy" in handle.tags:
        return frozenset({BUSY})
    return frozenset({UNCHECKED}) if "through" in form.tags else frozenset()


_NOTHING = dict.fromkeys(("ADD", "DELETE", "POLICY", "XMIT", "OUTSIDE"), "")


def _store_driver(question: Question, form: Form) -> str:
    found = question.use
    if form.find and question.use:
        found = f"{form.find}\n\t{{ {question.use} }}"
    words = _words(question)
    texts = {question.at: form.text, "OUTSIDE": form.outside}
    use = found.replace("GOT", form.place)
    return _driver(question, texts, words, use)


def _read_driver(question: Question, form: Form) -> str:
    words = _words(question)
    plain = "" if "site" in question.tags else STORES[0].text
    found = f"{form.find}\n\t{{ {question.use} }}" if form.find else question.use
    texts = {question.at: plain, "OUTSIDE": form.outside}
    return _driver(question, texts, words, found.replace("GOT", form.text))


def _driver(
    question: Question, texts: Mapping[str, str], words: Mapping[str, str], use: str
) -> str:
    """Return the driver in which texts stand in their functions, and then the use in its own."""
    whole = {**_NOTHING, **texts}
    whole[question.use_at] += f"\n\t{use}"
    whole = {key: _fill(text, words, question.declare) for key, text in whole.items()}
    whole[question.use_at] = question.before + whole[question.use_at]
    if question.use_at != "XMIT":
        whole["XMIT"] = _ASK
    members = "" if "site" in question.tags else f"{question.declare.format('kept')};"
    return _source(members, question.targets, whole)


def _call_driver(callee: _Callee, form: Form) -> str:
    declare = f"{callee.returns} (*{{}})({callee.parameters})"
    words = {
        "FUNCTION": "example_hw",
        "REST": "hw",
        "IDLE": "example_idle",
        "ARGUMENTS": callee.arguments,
        "PARAMETERS": callee.parameters,
        "PASSED": callee.passed,
        "RETURN": callee.returns,
    }
    use = callee.use.replace("GOT", form.text)
    text = f"{form.find}\n\t{{ {use} }}" if form.find else use
    whole = {**_NOTHING, "OUTSIDE": form.outside, callee.use_at: text}
    whole = {key: _fill(text, words, declare) for key, text in whole.items()}
    whole[callee.use_at] = callee.before + whole[callee.use_at]
    if callee.use_at != "XMIT":
        whole["XMIT"] = _ASK
    return _source("unsigned long kept;", callee.idle + callee.target, whole)


def _test_driver(handle: _Handle, form: Form) -> str:
    words = {"USE": handle.use, "EXIT": handle.leaves, "TAIL": _LEAVE}
    h = f"{handle.declare.format('h')} = ({handle.declare.format('').strip()}){_RESOLVED};\n\t"
    whole = {"XMIT": f"{h}{form.find}\n\t{form.text}", "OUTSIDE": form.outside}
    whole = {key: _fill(text, words, handle.declare) for key, text in whole.items()}
    return _source("", "", {**_NOTHING, **whole})


def _words(question: Question) -> dict[str, str]:
    pointer, struct, member, node = question.object
    value, other, nothing = question.stored
    return {
        "PLACE": f"{pointer}->{member}",
        "POINTER": pointer,
        "STRUCT": struct,
        "MEMBER": member,
        "NODE": node,
        "VALUE": value,
        "OTHER": other,
        "NIL": nothing,
    }


_DECLARE = re.compile(r"\bDECLARE\(")


def _fill(text: str, words: Mapping[str, str], declare: str) -> str:
    """Return a form's text with what stands for its words."""
    while found := list(_DECLARE.finditer(text)):
        # The last one holds no other.
        start, name = found[-1].span()
        end, depth = name, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = text[:start] + declare.format(text[name : end - 1]) + text[end:]
    text = re.sub(r"\bTYPE\b", declare.format("").strip(), text)
    return re.sub(
        r"\b(EXAMPLE_)?([A-Z]+)\b",
        lambda m: m[0] if m[1] else words.get(m[2], m[0]),
        text,
    )


def _source(members: str, targets: str, texts: Mapping[str, str]) -> str:
    words = {"MEMBERS": members, "TARGETS": targets, **texts}
    return re.sub(
        r"^(\t?)(MEMBERS|TARGETS|OUTSIDE|ADD|DELETE|POLICY|XMIT)$",
        lambda m: m[1] + words[m[2]].rstrip() if words[m[2]].strip() else "",
        DRIVER,
        flags=re.M,
    )
