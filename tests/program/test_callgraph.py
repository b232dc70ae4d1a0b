"""Who reaches target(), from which door of the driver, and through what."""

from collections.abc import Mapping

import pytest

from tests.trees import FOO, HEAD, graph
from xfrmlint.kernel.doors import argument_door, is_packet_handler, registered_door, slot_door
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.reach import Reached, reached

HEADER = "drivers/net/foo/foo.h"
BAR = "drivers/net/foo/bar.c"
TARGET = "static int target(struct xfrm_state *x) { return x->props.mode; }\n"
XMIT = "static netdev_tx_t tx(struct sk_buff *skb, struct net_device *dev)\n{\n"
NDO = "static const struct net_device_ops foo_netdev = { .ndo_start_xmit = tx };\n"
TX = "ndo_start_xmit: tx"


def reach(files: Mapping[str, str], path: str = FOO) -> tuple[CallGraph, Reached]:
    """Walk upwards from target(), which `path` or another file of its module defines."""
    found = graph(files)
    view = found.reader.definitions("target", path)[0]
    return found, reached(found, found.known(view))


def chains(found: Reached) -> list[str]:
    """Return the chains as text: `entry: a > b` is a plain call, `a -via-> b` through something."""
    lines = []
    for chain in found.chains:
        text = f"{chain[0].via}: {chain[0].function}"
        for hop in chain[1:]:
            text += f" -{hop.via}-> {hop.function}" if hop.via else f" > {hop.function}"
        lines.append(text)
    return lines


def ways(files: Mapping[str, str], path: str = FOO) -> list[str]:
    """Return the chains to target(), then the control doors."""
    _, found = reach(files, path)
    lines = chains(found)
    assert (found.context == "datapath") == bool(lines)
    return lines + sorted({f"control: {e.name}" for e in found.entries if e.context == "control"})


def sending(statements: str, outside: str = "") -> list[str]:
    """Return the ways if tx(), which transmits, has these statements."""
    text = f"{HEAD}{TARGET}{outside}{XMIT}\t{statements}\n\treturn 0;\n}}\n{NDO}"
    return ways({FOO: text, HEADER: "", BAR: ""})


@pytest.mark.parametrize(
    ("statements", "outside"),
    [
        pytest.param("other(x);", "", id="another function"),
        pytest.param("my_target(x); target_of(x);", "", id="longer names"),
        pytest.param("skb->target = 1;", "", id="a field of that name"),
        pytest.param("int target = 1;\n\tother(target);", "", id="a local of that name"),
        pytest.param("int (*target)(void) = other;\n\ttarget();", "", id="a local that is called"),
        pytest.param("goto target;\ntarget:\n\tother();", "", id="a label of that name"),
        pytest.param("/* target(x); */", "", id="comment"),
        pytest.param('other("target(x)");', "", id="string"),
        pytest.param("#if 0\n\ttarget(0);\n#endif\n\t;", "", id="dead text"),
        pytest.param(
            "other(sizeof(target(0)));",
            "",
            id="sizeof",
        ),
        pytest.param("", "static int unused(void) { return target(0); }\n", id="caller uncalled"),
        pytest.param("", "static int target(struct xfrm_state *x);\n", id="prototype"),
        pytest.param("", "#define RUN(x) target(x)\n", id="macro nobody uses"),
        pytest.param("other(target == other);", "", id="compared"),
        pytest.param("other(target != 0);", "", id="tested"),
        pytest.param(
            "int (*f)(struct xfrm_state *) = target;\n\t(void)f;", "", id="local, not called"
        ),
    ],
)
def test_no_way(statements: str, outside: str) -> None:
    assert sending(statements, outside) == []


@pytest.mark.parametrize(
    ("filled", "wanted"),
    [
        pytest.param("struct net_device_ops o = { .ndo_open = {f} }", "ndo_open", id="ndo_open"),
        pytest.param(
            "struct net_device_ops o = { .ndo_set_features = {f} }", "ndo_set_features", id="f"
        ),
        pytest.param(
            "struct xfrmdev_ops o = { .xdo_dev_state_add = {f} }", "xdo_dev_state_add", id="add"
        ),
        pytest.param(
            "struct xfrmdev_ops o = { .xdo_dev_state_advance_esn = {f} }",
            "xdo_dev_state_advance_esn",
            id="advance_esn",
        ),
        pytest.param(
            "struct xfrmdev_ops o = { .xdo_dev_policy_add = {f} }", "xdo_dev_policy_add", id="p"
        ),
        pytest.param(
            "struct xfrmdev_ops o = { .xdo_dev_state_lower_handle = {f} }",
            "xdo_dev_state_lower_handle",
            id="resolver",
        ),
    ],
)
def test_control_doors(filled: str, wanted: str) -> None:
    text = f"{HEAD}{TARGET}static int door(struct xfrm_state *x) {{ return target(x); }}\n"
    assert ways({FOO: f"{text}static const {filled.replace('{f}', 'door')};\n"}) == [
        f"control: {wanted}"
    ]
    assert ways({FOO: f"{HEAD}{TARGET}static const {filled.replace('{f}', 'target')};\n"}) == [
        f"control: {wanted}"
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "static int door(void) { return target(0); }\nmodule_init(door);\n", id="init"
        ),
        pytest.param(
            "static void door(struct work_struct *w) { target(0); }\n"
            "static void f(struct foo *p) { INIT_WORK(&p->work, door); }\n",
            id="work",
        ),
        pytest.param(
            "static int door(int irq, void *p) { return target(p); }\n"
            "static void f(struct foo *p) { request_irq(1, door, 0, p->name, p); }\n",
            id="interrupt",
        ),
        pytest.param(
            "static int door(int irq, void *p) { return target(p); }\n"
            "static struct notifier_block foo_nb = { .notifier_call = door };\n"
            "static void f(void) { register_netevent_notifier(&foo_nb); }\n",
            id="notifier",
        ),
        pytest.param(
            "static void door(struct foo *p) { target(0); }\n"
            "static const struct mbox_ops foo_mbox = { .recv_msg = door };\n",
            id="mailbox",
        ),
    ],
)
def test_other_doors_are_control(text: str) -> None:
    found = ways({FOO: HEAD + TARGET + text})
    assert all(line.startswith("control: ") for line in found)


@pytest.mark.parametrize(
    ("entry", "filled"),
    [
        pytest.param(entry, f"struct net_device_ops o = {{ .{entry} = door }}", id=entry)
        for entry in (
            "ndo_start_xmit",
            "ndo_features_check",
            "ndo_select_queue",
            "ndo_xdp_xmit",
            "ndo_xsk_wakeup",
        )
    ]
    + [
        pytest.param(
            "xdo_dev_offload_ok", "struct xfrmdev_ops o = { .xdo_dev_offload_ok = door }", id="ok"
        ),
    ],
)
def test_datapath_doors(entry: str, filled: str) -> None:
    text = f"{HEAD}{TARGET}static int door(struct xfrm_state *x) {{ return target(x); }}\n"
    assert ways({FOO: f"{text}static const {filled};\n"}) == [f"{entry}: door > target"]
    direct = f"{HEAD}{TARGET}static const {filled.replace('door', 'target')};\n"
    assert ways({FOO: direct}) == [f"{entry}: target"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "static struct net_device_ops ops;\nstatic void f(void) { ops.ndo_start_xmit = tx; }\n",
            id="assigned",
        ),
        pytest.param(
            "static void f(struct net_device_ops *ops) { ops->ndo_start_xmit = tx; }\n",
            id="assigned through a pointer",
        ),
        pytest.param("static const struct net_device_ops ops = { 0, tx };\n", id="positional"),
        pytest.param(
            "static const struct net_device_ops ops[] = { { .ndo_start_xmit = tx } };\n", id="array"
        ),
        pytest.param(
            "#define OPS(f) .ndo_start_xmit = f\n"
            "static const struct net_device_ops ops = { OPS(tx) };\n",
            id="macro",
        ),
        pytest.param(
            "#define OPS .ndo_start_xmit = tx\nstatic const struct net_device_ops ops = { OPS };\n",
            id="macro with the name",
        ),
        pytest.param(
            "static const struct net_device_ops ops = {\n#ifdef A\n\t.ndo_start_xmit = tx,\n"
            "#endif\n};\n",
            id="under a condition",
        ),
        pytest.param(
            "static const struct net_device_ops ops = { .ndo_start_xmit = &tx };\n", id="&"
        ),
        pytest.param(
            "struct drv { struct net_device_ops ops; };\n"
            "static struct drv drv = { .ops = { .ndo_start_xmit = tx } };\n",
            id="nested",
        ),
        pytest.param(
            "struct drv { struct net_device_ops ops; };\n"
            "static struct drv drv = { .ops.ndo_start_xmit = tx };\n",
            id="nested in one",
        ),
        pytest.param(
            "static void f(struct net_device_ops *o, int a)\n"
            "{\n\to->ndo_start_xmit = a ? tx : 0;\n}\n",
            id="one of two",
        ),
    ],
)
def test_forms_of_filling_a_door(text: str) -> None:
    source = f"{HEAD}{TARGET}{XMIT}\treturn target(0);\n}}\n{text}"
    assert ways({FOO: source}) == [f"{TX} > target"]


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        pytest.param("napi_schedule(&p->napi);", [], id="no registration"),
        pytest.param("netif_napi_add(d, &p->napi, poll);", ["napi_poll: poll > target"], id="add"),
        pytest.param(
            "netif_napi_add_weight(d, &p->napi, poll, 64);", ["napi_poll: poll > target"], id="w"
        ),
        pytest.param(
            "netif_napi_add_tx(d, &p->napi, poll);", ["napi_poll: poll > target"], id="tx"
        ),
        pytest.param(
            "netif_napi_add_tx_weight(d, &p->napi, poll, 64);",
            ["napi_poll: poll > target"],
            id="tx weight",
        ),
        pytest.param(
            "netif_napi_add_config(d, &p->napi, poll, 1);",
            ["napi_poll: poll > target"],
            id="config",
        ),
        pytest.param(
            "netif_napi_add_locked(d, &p->napi, poll);", ["napi_poll: poll > target"], id="locked"
        ),
        pytest.param(
            "netif_threaded_napi_add(d, &p->napi, poll);",
            ["napi_poll: poll > target"],
            id="threaded",
        ),
        pytest.param(
            "netif_napi_add(d, &p->napi, &poll);", ["napi_poll: poll > target"], id="address"
        ),
        pytest.param(
            "netif_napi_add(d, &p->napi, a ? poll : idle);",
            ["napi_poll: poll > target"],
            id="one of two",
        ),
        pytest.param(
            "int (*fn)(struct napi_struct *, int) = poll;\n\tnetif_napi_add(d, &p->napi, fn);",
            ["napi_poll (local fn): poll > target"],
            id="local",
        ),
        pytest.param("p->napi.poll = poll;", ["napi_poll: poll > target"], id="assigned"),
        pytest.param(
            "add(d, p, poll);", ["napi_poll (argument of add()): poll > target"], id="own function"
        ),
        pytest.param("ADD(d, p, poll);", ["napi_poll: poll > target"], id="own macro"),
    ],
)
def test_napi(call: str, wanted: list[str]) -> None:
    text = f"""{HEAD}{TARGET}
struct foo {{ struct napi_struct napi; }};
#define ADD(d, p, f) netif_napi_add(d, &(p)->napi, f)
static int poll(struct napi_struct *napi, int budget) {{ return target(0); }}
static int idle(struct napi_struct *napi, int budget) {{ return 0; }}
static void add(struct net_device *d, struct foo *p, int (*fn)(struct napi_struct *, int))
{{
	netif_napi_add(d, &p->napi, fn);
}}
static void up(struct net_device *d, struct foo *p, int a)
{{
	{call}
}}
"""
    assert ways({FOO: text}) == wanted


@pytest.mark.parametrize(
    ("statements", "outside", "wanted"),
    [
        # Plain calls.
        pytest.param("target(0);", "", [f"{TX} > target"], id="direct"),
        pytest.param("return target(0) ? 1 : 0;", "", [f"{TX} > target"], id="in an expression"),
        pytest.param(
            "if (skb && target(0)) return 1;", "", [f"{TX} > target"], id="in a condition"
        ),
        pytest.param("(target)(0);", "", [f"{TX} > target"], id="in parentheses"),
        pytest.param("(*target)(0);", "", [f"{TX} > target"], id="with a star"),
        pytest.param("other(target(0));", "", [f"{TX} > target"], id="as an argument"),
        pytest.param(
            "list_for_each(a, b) { target(0); }", "", [f"{TX} > target"], id="in a loop macro"
        ),
        pytest.param(
            "mid();",
            "static void mid(void) { target(0); }\n",
            [f"{TX} > mid > target"],
            id="two steps",
        ),
        pytest.param(
            "a();",
            "static void b(void) { target(0); }\nstatic void a(void) { b(); }\n",
            [f"{TX} > a > b > target"],
            id="three steps",
        ),
        pytest.param(
            "a();",
            "static void a(void) { a(); target(0); }\n",
            [f"{TX} > a > target"],
            id="recursion",
        ),
        pytest.param(
            "a();",
            "static void b(void);\nstatic void a(void) { b(); }\n"
            "static void b(void) { a(); target(0); }\n",
            [f"{TX} > a > b > target"],
            id="recursion of two",
        ),
        pytest.param(
            "a(); target(0);",
            "static void a(void) { target(0); }\n",
            [f"{TX} > target"],
            id="shortest",
        ),
        pytest.param(
            "target(0);",
            "static int add(struct net_device *d, struct xfrm_state *x) { return target(x); }\n"
            "static const struct xfrmdev_ops o = { .xdo_dev_state_add = add };\n",
            [f"{TX} > target", "control: xdo_dev_state_add"],
            id="from both sides",
        ),
        pytest.param(
            "target(0);",
            "static int ok(struct sk_buff *skb, struct xfrm_state *x) { return target(x); }\n"
            "static const struct xfrmdev_ops o = { .xdo_dev_offload_ok = ok };\n",
            ["xdo_dev_offload_ok: ok > target", f"{TX} > target"],
            id="two doors",
        ),
        pytest.param(
            "#ifdef A\n\ttarget(0);\n#else\n\tother();\n#endif",
            "",
            [f"{TX} > target"],
            id="condition",
        ),
        pytest.param(
            "if (static_branch_unlikely(&foo_key))\n\t\ttarget(0);",
            "",
            [f"{TX} > target"],
            id="branch",
        ),
        # Macros.
        pytest.param("RUN(0);", "#define RUN(x) target(x)\n", [f"{TX} > target"], id="macro"),
        pytest.param("RUN;", "#define RUN target(0)\n", [f"{TX} > target"], id="object-like macro"),
        pytest.param(
            "CALL(target, 0);",
            "#define CALL(f, x) f(x)\n",
            [f"{TX} > target"],
            id="passed to a macro",
        ),
        pytest.param(
            "RUN(get);", "#define RUN(x) tar##x(0)\n", [f"{TX} > target"], id="pasted by a macro"
        ),
        pytest.param(
            "RUN_IT(0);",
            "#define RUN(x) target(x)\n#define RUN_IT(x) RUN(x)\n",
            [f"{TX} > target"],
            id="macro of a macro",
        ),
        pytest.param(
            "OUTER(0);",
            "#define INNER(x) target(x)\n#define OUTER(x) INNER(x)\n",
            [f"{TX} > target"],
            id="macro of a macro, other names",
        ),
        pytest.param(
            "INDIRECT_CALL_1(f, target, 0);",
            "#define INDIRECT_CALL_1(f, f1, ...) \\\n"
            "\t(likely(f == f1) ? f1(__VA_ARGS__) : f(__VA_ARGS__))\n",
            [f"{TX} > target"],
            id="indirect call macro",
        ),
        # Locals.
        pytest.param(
            "int (*fn)(struct xfrm_state *) = target;\n\tfn(0);",
            "",
            [f"{TX} -local fn-> target"],
            id="local pointer",
        ),
        pytest.param(
            "int (*fn)(struct xfrm_state *);\n\tfn = skb ? target : 0;\n\tfn(0);",
            "",
            [f"{TX} -local fn-> target"],
            id="local pointer, assigned",
        ),
        pytest.param(
            "int (*fn)(struct xfrm_state *) = &target;\n\t(*fn)(0);",
            "",
            [f"{TX} -local fn-> target"],
            id="local pointer, with & and *",
        ),
        pytest.param(
            "int (*fn[2])(struct xfrm_state *) = { 0, target };\n\tfn[1](0);",
            "",
            [f"{TX} -local fn-> target"],
            id="local array",
        ),
        # Structs.
        pytest.param(
            "o->run(0);",
            "struct ops { int (*run)(struct xfrm_state *x); };\n"
            "static struct ops ops = { .run = target };\n"
            "static struct ops *o = &ops;\n",
            [f"{TX} -ops.run-> target"],
            id="field of a struct",
        ),
        pytest.param(
            "ops.run(0);",
            "struct ops { int (*stop)(void); int (*run)(struct xfrm_state *x); };\n"
            "static struct ops ops = { 0, target };\n",
            [f"{TX} -ops.run-> target"],
            id="positional initializer",
        ),
        pytest.param(
            "ops[skb->len].run(0);",
            "struct ops { int (*run)(struct xfrm_state *x); };\n"
            "static struct ops ops[] = { { target }, { 0 } };\n",
            [f"{TX} -ops.run-> target"],
            id="array of structs",
        ),
        pytest.param(
            "o->run(0);",
            "struct ops { int (*run)(struct xfrm_state *x); };\nstatic struct ops *o;\n"
            "static void f(void) { o->run = target; }\n",
            [f"{TX} -ops.run-> target"],
            id="field assigned",
        ),
        pytest.param(
            "int (*fn)(struct xfrm_state *) = o->run;\n\tfn(0);",
            "struct ops { int (*run)(struct xfrm_state *x); };\nstatic struct ops *o;\n"
            "static void f(void) { o->run = target; }\n",
            [f"{TX} -ops.run-> target"],
            id="field read into a local",
        ),
        pytest.param(
            "READ_ONCE(o->run)(0);",
            "struct ops { int (*run)(struct xfrm_state *x); };\nstatic struct ops *o;\n"
            "static void f(void) { o->run = target; }\n",
            [f"{TX} -ops.run-> target"],
            id="field read with READ_ONCE",
        ),
        pytest.param(
            "if (o->run)\n\t\to->run(0);",
            "struct ops { int (*run)(struct xfrm_state *x); };\nstatic struct ops *o;\n"
            "static void f(void) { o->run = target; }\n",
            [f"{TX} -ops.run-> target"],
            id="field tested first",
        ),
        pytest.param(
            "b->run(0);",
            "struct a { int (*run)(struct xfrm_state *x); };\n"
            "struct b { int (*run)(struct xfrm_state *x); };\n"
            "static struct a a = { .run = target };\nstatic struct b *b;\n"
            "static int go(struct a *a) { return a->run(0); }\n",
            [],
            id="the same field of another struct",
        ),
        pytest.param(
            "o->dp->ops->run(0);",
            "struct ops { int (*run)(struct xfrm_state *x); };\nstruct dp { "
            "const struct ops *ops; };\n"
            "struct foo { struct dp *dp; };\nstatic struct foo *o;\n"
            "static const struct ops ops = { .run = target };\n"
            "static void f(struct dp *dp) { dp->ops = &ops; }\n",
            [f"{TX} -ops.run-> target"],
            id="three structs on the way",
        ),
        # Arrays.
        pytest.param(
            "table[skb->len](0);",
            "static int (*const table[])(struct xfrm_state *x) = { 0, target };\n",
            [f"{TX} -table-> target"],
            id="array",
        ),
        pytest.param(
            "table[skb->len](0);",
            "static int (*const table[])(struct xfrm_state *x) = { [3] = target };\n",
            [f"{TX} -table-> target"],
            id="array with an index",
        ),
        pytest.param(
            "one(0);",
            "static int (*one)(struct xfrm_state *x) = target;\n",
            [f"{TX} -one-> target"],
            id="global pointer",
        ),
        pytest.param(
            "one(0);",
            "static int (*one)(struct xfrm_state *x);\nstatic void f(void) { one = target; }\n",
            [f"{TX} -one-> target"],
            id="global pointer, assigned",
        ),
        pytest.param(
            "struct ops o = { .run = target };\n\tother(&o);",
            "struct ops { int (*run)(void), (*stop)(void); };\n"
            "static int go(struct ops *o) { return o->stop(); }\n",
            [],
            id="a field that nobody here reads",
        ),
        pytest.param(
            "table[FOO_A](0);",
            "enum { FOO_A, FOO_B };\n"
            "static int (*const table[])(struct xfrm_state *x) = { [FOO_B] = target };\n",
            [],
            id="array, another constant",
        ),
        pytest.param(
            "table[0](0);",
            "static int (*const table[])(struct xfrm_state *x) = { 0, target };\n",
            [],
            id="array, another number",
        ),
        pytest.param(
            "p->fn[FOO_A](0);",
            "enum { FOO_A, FOO_B };\nstruct foo { int (*fn[2])(struct xfrm_state *x); };\n"
            "static struct foo *p;\nstatic void f(void) { p->fn[FOO_B] = target; }\n",
            [],
            id="array in a struct, another constant",
        ),
        pytest.param(
            "p->fn[1](0);",
            "struct foo { int (*fn[2])(struct xfrm_state *x); };\n"
            "static struct foo foo = { .fn = { target } }, *p = &foo;\n",
            [],
            id="array in a struct, initialized, another number",
        ),
        pytest.param(
            "p->fn[FOO_B](0);",
            "enum { FOO_A, FOO_B };\nstruct foo { int (*fn[2])(struct xfrm_state *x); };\n"
            "static struct foo *p;\nstatic void f(void) { p->fn[FOO_B] = target; }\n",
            [f"{TX} -foo.fn-> target"],
            id="array in a struct, the same constant",
        ),
        pytest.param(
            "copy.run(0);",
            "struct ops { int (*run)(struct xfrm_state *x); };\n"
            "static struct ops ops = { .run = target }, copy;\n"
            "static void f(void) { copy = ops; }\n",
            [f"{TX} -ops.run-> target"],
            id="a copy of the struct",
        ),
        pytest.param(
            "o->run(0);",
            "struct ops { int (*run)(struct xfrm_state *x); };\nstatic struct ops *o;\n"
            "static void set(int (*fn)(struct xfrm_state *)) { o->run = fn; }\n"
            "static void f(void) { set(target); }\n",
            [f"{TX} -ops.run-> target"],
            id="stored by a setter",
        ),
        pytest.param(
            "mid(0);",
            "static int mid(int a)\n#ifdef A\n{\n\treturn target(0);\n}\n#else\n{\n\treturn 0;\n}\n"
            "#endif\n",
            [f"{TX} > mid > target"],
            id="two bodies of one function",
        ),
        # Callbacks and results.
        pytest.param(
            "pick()(0);",
            "static int (*pick(void))(struct xfrm_state *x) { return target; }\n",
            [f"{TX} -pick()-> target"],
            id="returned pointer, called at once",
        ),
        pytest.param(
            "int (*fn)(struct xfrm_state *x) = pick();\n\tfn(0);",
            "typedef int (*fn_t)(struct xfrm_state *x);\nstatic fn_t pick(void) { "
            "return target; }\n",
            [f"{TX} -pick()-> target"],
            id="returned pointer, by a local",
        ),
        pytest.param(
            "run(&(struct ops){ .run = target });",
            "struct ops { int (*run)(struct xfrm_state *x); };\n"
            "static void run(struct ops *o) { o->run(0); }\n",
            [f"{TX} > run -ops.run-> target"],
            id="compound literal",
        ),
        pytest.param(
            "struct ops o = { .run = target };\n\trun(&o);",
            "struct ops { int (*run)(struct xfrm_state *x); };\n"
            "static void run(struct ops *o) { o->run(0); }\n",
            [f"{TX} > run -ops.run-> target"],
            id="local struct passed",
        ),
        pytest.param(
            "two(0);",
            'int two(struct xfrm_state *x) __attribute__((alias("target")));\n',
            [f"{TX} > target"],
            id="by another name",
        ),
        pytest.param(
            "two(0);",
            "static int two(struct xfrm_state *x)\n\t__alias(target);\n",
            [f"{TX} > target"],
            id="by another name, in the kernel's words",
        ),
        pytest.param(
            "run->two = 0;\n\trun->run(0);",
            "struct ops { int two; int (*run)(struct xfrm_state *x); };\n"
            "extern int two(struct xfrm_state *x) __alias(target);\n"
            "static struct ops ops = { .run = two }, *run = &ops;\n",
            [f"{TX} -ops.run-> target"],
            id="its address, by another name",
        ),
        pytest.param(
            "two(0);",
            'int two(struct xfrm_state *x) __attribute__((alias("other")));\n',
            [],
            id="another one's other name",
        ),
        pytest.param(
            "two(0);",
            "int two(struct xfrm_state *x); /* __alias(target); */\n",
            [],
            id="another name in a comment",
        ),
    ],
)
def test_ways(statements: str, outside: str, wanted: list[str]) -> None:
    assert sending(statements, outside) == wanted


@pytest.mark.parametrize(
    ("statements", "outside", "via"),
    [
        pytest.param(
            "each(target);",
            "static void each(int (*fn)(struct xfrm_state *x)) { fn(0); }\n",
            "argument of each()",
            id="argument",
        ),
        pytest.param(
            "outer(target);",
            "static void each(int (*fn)(struct xfrm_state *x)) { fn(0); }\n"
            "static void outer(int (*f)(struct xfrm_state *x)) { each(f); }\n",
            "argument of outer()",
            id="argument handed on",
        ),
        pytest.param(
            "foo_for_each(target);",
            "static void foo_for_each(int (*fn)(struct xfrm_state *x)) { fn(0); }\n",
            "argument of foo_for_each()",
            id="argument of a for_each function",
        ),
        pytest.param(
            "call(&o->run);",
            "struct ops { int (*run)(struct xfrm_state *x); };\nstatic struct ops *o;\n"
            "static void call(int (**fn)(struct xfrm_state *x)) { (*fn)(0); }\n"
            "static void f(void) { o->run = target; }\n",
            "ops.run",
            id="a field's address",
        ),
    ],
)
def test_a_callback(statements: str, outside: str, via: str) -> None:
    """Whether the function that calls it is a hop of its own is left open."""
    (way,) = sending(statements, outside)
    assert way.startswith(TX)
    assert way.endswith(f" -{via}-> target")


def test_a_callback_that_another_caller_passes() -> None:
    outside = """static void each(int (*fn)(struct xfrm_state *x)) { fn(0); }
static int up(struct net_device *dev) { each(target); return 0; }
static const struct net_device_ops o = { .ndo_open = up };
"""
    assert sending("each(other);", outside) == ["control: ndo_open"]


@pytest.mark.parametrize(
    ("call", "outside"),
    [
        pytest.param(
            "o.run(0);",
            "static struct { int (*run)(struct xfrm_state *x); } o = { .run = target };\n",
            id="variable",
        ),
        pytest.param(
            "o[skb->len].run(0);",
            "static const struct { int a; int (*run)(struct xfrm_state *x); "
            "} o[] = { { 1, target } };\n",
            id="array",
        ),
        pytest.param(
            "o.run(0);",
            "typedef struct { int (*run)(struct xfrm_state *x); } ops_t;\n"
            "static ops_t o = { .run = target };\n",
            id="typedef",
        ),
        pytest.param(
            "p.ops.run(0);",
            "struct priv { struct { int (*run)(struct xfrm_state *x); } ops; };\n"
            "static struct priv p = { .ops = { .run = target } };\n",
            id="member",
        ),
    ],
)
def test_a_nameless_struct(call: str, outside: str) -> None:
    (way,) = sending(call, outside)
    assert way.startswith(TX)
    assert way.endswith("-> target")


CALLER = f'{HEAD}#include "foo.h"\n{XMIT}\treturn target(0);\n}}\n{NDO}'
INLINE = "static inline int target(struct xfrm_state *x) { return x->props.mode; }\n"
STUB = "static inline int target(struct xfrm_state *x) { return 0; }\n"
GLOBAL = f"{HEAD}int target(struct xfrm_state *x) {{ return x->props.mode; }}\n"
TWO = {"drivers/net/foo/Makefile": "obj-m += drv.o\ndrv-y := foo.o bar.o\n"}
APART = {"drivers/net/foo/Makefile": "obj-m += foo.o bar.o\n"}


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        pytest.param({HEADER: INLINE, FOO: HEAD + '#include "foo.h"\n'}, [], id="inline, unused"),
        pytest.param({FOO: CALLER, HEADER: INLINE}, [f"{TX} -header inline-> target"], id="inline"),
        pytest.param(
            {FOO: CALLER, HEADER: f"#ifdef A\n{INLINE}#else\n{STUB}#endif\n"},
            [f"{TX} -header inline-> target"],
            id="stub under #else",
        ),
        pytest.param(
            {FOO: CALLER, HEADER: f"#ifndef A\n{STUB}#else\n{INLINE}#endif\n"},
            [f"{TX} -header inline-> target"],
            id="stub first",
        ),
        pytest.param(
            {
                FOO: CALLER,
                BAR: GLOBAL,
                HEADER: f"#ifdef A\nint target(void *x);\n#else\n{STUB}#endif\n",
                **TWO,
            },
            [f"{TX} > target"],
            id="another source, stub in the header",
        ),
        pytest.param(
            {FOO: CALLER, BAR: GLOBAL, HEADER: "int target(struct xfrm_state *x);\n", **TWO},
            [f"{TX} > target"],
            id="another source",
        ),
        pytest.param(
            {
                FOO: CALLER.replace("target(0)", "mid(0)"),
                HEADER: f"{INLINE}static inline int mid(struct xfrm_state *x) {{ "
                f"return target(x); }}\n",
            },
            [f"{TX} -header inline-> mid -header inline-> target"],
            id="inline calls inline",
        ),
        pytest.param(
            {
                FOO: CALLER.replace("target(0)", "RUN(0)"),
                HEADER: f"{INLINE}#define RUN(x) target(x)\n",
            },
            [f"{TX} -header inline-> target"],
            id="macro of the header",
        ),
        pytest.param(
            {FOO: CALLER.replace("foo.h", "bar.h"), HEADER: INLINE, "drivers/net/foo/bar.h": STUB},
            [],
            id="a header that is not included",
        ),
        pytest.param(
            {
                FOO: CALLER,
                HEADER: "",
                BAR: GLOBAL.replace("int target", "static int target"),
                **TWO,
            },
            [],
            id="static in another source",
        ),
    ],
)
def test_ways_between_files(files: Mapping[str, str], wanted: list[str]) -> None:
    home = next(p for p, text in files.items() if "int target(struct xfrm_state *x) {" in text)
    found = graph(files)
    view = next(
        v
        for v in found.reader.definitions("target", home)
        if b"mode" in v.text[v.item.start : v.item.end]
    )
    assert chains(reached(found, found.known(view))) == wanted


def test_two_files_have_a_static_function_of_one_name() -> None:
    calls = f"{HEAD}{TARGET}{XMIT}\treturn target(0);\n}}\n{NDO}"
    control = f"{HEAD}{TARGET}static int up(void *d) {{ return target(d); }}\n"
    control += "static const struct net_device_ops o = { .ndo_open = up };\n"
    files = {FOO: calls, BAR: control, **TWO}
    found = graph(files)
    contexts = {}
    for view in (one for p in (FOO, BAR) for one in found.reader.definitions("target", p)):
        contexts[view.path] = reached(found, found.known(view)).context
    assert contexts == {FOO: "datapath", BAR: "control"}


def test_two_sources_have_a_struct_of_one_name() -> None:
    mine = (
        "struct ops { int (*run)(struct xfrm_state *x); };\nstatic struct ops ops = { target };\n"
    )
    mine += "static int go(void) { return ops.run(0); }\n"
    other = "struct ops { int a; int (*run)(int b); };\nstatic struct ops *o;\n"
    other += f"{XMIT}\treturn o->run(0);\n}}\n{NDO}"
    assert ways({FOO: HEAD + TARGET + mine, BAR: HEAD + other, **TWO}) == []


EXPORTED = f"{GLOBAL}EXPORT_SYMBOL_GPL(target);\n"


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        pytest.param({FOO: EXPORTED}, [], id="nobody uses it"),
        pytest.param(
            {FOO: EXPORTED, BAR: f"{HEAD}{TARGET}{XMIT}\treturn target(0);\n}}\n{NDO}"},
            [],
            id="the other module has its own",
        ),
        pytest.param({FOO: GLOBAL, BAR: CALLER, HEADER: ""}, [], id="not exported"),
        pytest.param({FOO: EXPORTED, BAR: CALLER, HEADER: ""}, [f"{TX} > target"], id="exported"),
        pytest.param(
            {FOO: EXPORTED.replace("_GPL", ""), BAR: CALLER, HEADER: ""},
            [f"{TX} > target"],
            id="plain",
        ),
        pytest.param(
            {
                FOO: EXPORTED.replace("(target)", '_NS(target, "FOO")').replace("_GPL", ""),
                BAR: CALLER,
                HEADER: "",
            },
            [f"{TX} > target"],
            id="with a name space",
        ),
    ],
)
def test_another_module(files: Mapping[str, str], wanted: list[str]) -> None:
    # The export itself may count as a control door: only the chains matter here.
    found = ways({**files, **APART})
    assert [line for line in found if not line.startswith("control: ")] == wanted


EXPORTS = "#define EXPORT_SYMBOL_GPL(symbol)\n"
OF_ALL = "include/linux/target.h"
INLINE = """\
int target(struct xfrm_state *x);
static inline int target_of(struct xfrm_state *x) { return target(x); }
"""
AWAY = "drivers/net/away/away.c"
BY_HEADER = f"{HEAD}#include <linux/target.h>\n{XMIT}\treturn target_of(0);\n}}\n{NDO}"
DIRECTLY = BY_HEADER.replace("target_of", "target")
GIVEN = f"{HEAD}{EXPORTS}{EXPORTED}"


@pytest.mark.parametrize(
    ("files", "wanted", "context"),
    [
        pytest.param({FOO: GIVEN}, [], "unknown", id="nobody"),
        pytest.param({FOO: GIVEN, OF_ALL: INLINE}, [], "unknown", id="an inline that nobody calls"),
        pytest.param(
            {FOO: GIVEN, OF_ALL: INLINE, AWAY: BY_HEADER},
            [f"{TX} -header inline-> target_of > target"], "datapath", id="an inline",
        ),
        pytest.param(
            {FOO: GIVEN, OF_ALL: INLINE, AWAY: DIRECTLY}, [f"{TX} > target"], "datapath",
            id="another folder's",
        ),
        pytest.param(
            {FOO: GIVEN, OF_ALL: INLINE, AWAY: BY_HEADER.replace("<linux/target.h>", '"target.h"')},
            [], "unknown", id="an inline of another header",
        ),
        pytest.param(
            {FOO: GIVEN, AWAY: f"{HEAD}{TARGET}{XMIT}\treturn target(0);\n}}\n{NDO}"},
            [], "unknown", id="one of its own",
        ),
        pytest.param({FOO: HEAD + GLOBAL, AWAY: DIRECTLY}, [], "unknown", id="not exported"),
    ],
)  # fmt: skip
def test_who_lies_elsewhere_calls_what_is_exported(
    files: dict[str, str], wanted: list[str], context: str
) -> None:
    _, found = reach({BAR: "", HEADER: "", AWAY: HEAD, OF_ALL: "", **files})
    assert chains(found) == wanted
    assert found.context == context


HOOK = "int (*hook)(struct xfrm_state *x) __read_mostly;\n"
CALLS_HOOK = f"{XMIT}\treturn hook ? hook(0) : 0;\n}}\n{NDO}"
HOOKED = [f"{TX} -hook-> target"]


@pytest.mark.parametrize(
    ("own", "others", "wanted"),
    [
        pytest.param(f"extern {HOOK}", f"{HOOK}{CALLS_HOOK}", [], id="of one that exports nothing"),
        pytest.param(
            f"extern {HOOK}", f"static {HOOK}EXPORT_SYMBOL(hooks);\n{CALLS_HOOK}", [], id="its own"
        ),
        pytest.param(
            f"static {HOOK}", f"{HOOK}EXPORT_SYMBOL(hook);\n{CALLS_HOOK}", [], id="one of each"
        ),
        pytest.param(
            f"extern {HOOK}", f"{HOOK}EXPORT_SYMBOL(hook);\n{CALLS_HOOK}", HOOKED, id="the other's"
        ),
        pytest.param(
            f"{HOOK}EXPORT_SYMBOL_GPL(hook);\n", f"extern {HOOK}{CALLS_HOOK}", HOOKED, id="the own"
        ),
    ],
)
def test_a_pointer_that_a_module_exports(own: str, others: str, wanted: list[str]) -> None:
    sets = "void init(void) { hook = target; }\n"
    files = {FOO: f"{HEAD}{TARGET}{own}{sets}", HEADER: "", BAR: "", AWAY: HEAD + others}
    _, found = reach(files)
    assert chains(found) == wanted
    assert found.context == ("datapath" if wanted else "unknown")


ULD = """\
struct uld_info { int (*tx)(struct sk_buff *skb, struct net_device *dev); int (*ctl)(void); };
struct adapter { struct uld_info uld[4]; };
enum uld { ULD_CRYPTO, ULD_KTLS, ULD_IPSEC };
int register_uld(enum uld type, const struct uld_info *p);
"""
CORE = f"""{HEAD}#include "foo.h"
static struct adapter *adap;
int register_uld(enum uld type, const struct uld_info *p)
{{
	adap->uld[type] = *p;
	return 0;
}}
EXPORT_SYMBOL(register_uld);
{XMIT}	return adap->uld[ULD_IPSEC].tx(skb, dev);
}}
{NDO}"""


@pytest.mark.parametrize(
    ("constant", "wanted"),
    [
        pytest.param("ULD_KTLS", [], id="another constant"),
        pytest.param("ULD_IPSEC", [f"{TX} -uld_info.tx-> run > target"], id="the same constant"),
        pytest.param("type", [f"{TX} -uld_info.tx-> run > target"], id="a variable fits all"),
    ],
)
def test_a_table_registered_under_a_constant(constant: str, wanted: list[str]) -> None:
    module = f"""{HEAD}#include "foo.h"
{TARGET}static int run(struct sk_buff *skb, struct net_device *dev) {{ return target(0); }}
static const struct uld_info info = {{ .tx = run }};
static int start(int type) {{ return register_uld({constant}, &info); }}
"""
    files = {HEADER: ULD, FOO: module, BAR: CORE, **APART}
    _, found = reach(files)
    real = [line for line in chains(found) if not line.startswith("handler")]
    assert real == wanted


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        pytest.param("FOO_TLS", [], id="another constant"),
        pytest.param("FOO_IPSEC", [f"{TX} -ops.run-> target"], id="the same constant"),
        pytest.param("skb->len", [f"{TX} -ops.run-> target"], id="a variable index"),
    ],
)
def test_an_array_of_structs_indexed_by_a_constant(index: str, wanted: list[str]) -> None:
    outside = """enum { FOO_TLS, FOO_IPSEC };
struct ops { int (*run)(struct xfrm_state *x); };
static const struct ops ops[] = { [FOO_IPSEC] = { .run = target } };
static int go(int i) { return ops[i].run(0); }
"""
    # go() has no caller: it only keeps the slot from being unread.
    assert sending(f"ops[{index}].run(0);", outside) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            "struct mbox { int (*handler)(struct foo *p, struct sk_buff *skb); };\n"
            "static const struct mbox table[] = { { door } };\n",
            [],
            id="neither name says so",
        ),
        pytest.param(
            "struct cmd { int (*rx)(struct foo *p, struct sk_buff *skb); };\n"
            "static const struct cmd cmd_table[] = { { door } };\n",
            [],
            id="a table of commands",
        ),
        pytest.param(
            "struct foo_rx { int (*handle)(struct foo *p, struct sk_buff *skb); };\n"
            "static const struct foo_rx handlers[] = { { door } };\n",
            ["handler table handle: door > target"],
            id="rx table",
        ),
        pytest.param(
            "struct foo_ops { int (*tx_handler)(struct foo *p, struct sk_buff *skb); };\n"
            "static const struct foo_ops foo_ops = { .tx_handler = door };\n",
            ["handler table tx_handler: door > target"],
            id="tx handler",
        ),
        pytest.param(
            "static int (*const rx_handlers[])(struct foo *p, struct sk_buff *skb) = { door };\n",
            ["handler table rx_handlers: door > target"],
            id="array of functions",
        ),
    ],
)
def test_handler_tables(text: str, wanted: list[str]) -> None:
    door = "static int door(struct foo *p, struct sk_buff *skb) { return target(0); }\n"
    assert ways({FOO: HEAD + TARGET + door + text}) == wanted


def test_a_real_door_is_told_rather_than_a_handler_table() -> None:
    outside = """struct foo_rx { int (*handle)(struct sk_buff *skb); };
static int door(struct sk_buff *skb) { return target(0); }
static const struct foo_rx rx_table[] = { { door } };
"""
    assert sending("rx_table[0].handle(skb);", outside) == [f"{TX} -foo_rx.handle-> door > target"]


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [
        ("p->crypto = NULL;", []),
        ("p->crypto = d->spare;", []),
        ("p->crypto = d->crypto;", [f"{TX} -ops.run-> target"]),
    ],
)
def test_a_table_that_another_module_takes_from_a_struct(kept: str, wanted: list[str]) -> None:
    header = """struct ops { int (*run)(struct xfrm_state *x); };
struct shared { const struct ops *crypto, *spare; };
"""
    core = f"""{HEAD}#include "foo.h"
static int target(struct xfrm_state *x) {{ return x->props.mode; }}
static const struct ops core_ops = {{ .run = target }};
void core_add(struct shared *d) {{ d->crypto = &core_ops; }}
"""
    user = f"""{HEAD}#include "foo.h"
struct port {{ const struct ops *crypto; }};
static void take(struct port *p, struct shared *d) {{ {kept} }}
static void probe(struct port *p, struct shared *d) {{ take(p, d); }}
{XMIT}	struct port *p = netdev_priv(dev);
	return p->crypto->run(0);
}}
{NDO}"""
    _, found = reach({BAR: core, FOO: user, HEADER: header, **APART}, BAR)
    assert chains(found) == wanted


def test_one_field_has_two_targets() -> None:
    outside = """struct ops { int (*xmit)(struct xfrm_state *x); };
static int one(struct xfrm_state *x) { return target(x); }
static int two(struct xfrm_state *x) { return target(x); }
static const struct ops first = { .xmit = one }, second = { .xmit = two };
static const struct ops *o;
static void pick(int a) { o = a ? &first : &second; }
"""
    assert sending("o->xmit(0);", outside) == [
        f"{TX} -ops.xmit-> one > target",
        f"{TX} -ops.xmit-> two > target",
    ]


def test_a_hop_says_where_the_call_stands() -> None:
    text = f"{HEAD}{TARGET}{XMIT}\n\treturn target(0);\n}}\n{NDO}"
    _, found = reach({FOO: text})
    (chain,) = found.chains
    lines = text.split("\n")
    assert [(h.function, h.path, lines[h.line - 1].strip()) for h in chain] == [
        ("tx", FOO, NDO.strip()),
        ("target", FOO, "return target(0);"),
    ]


def test_a_call_through_an_unknown_pointer_is_a_doubt() -> None:
    text = f"{HEAD}{TARGET}{XMIT}\treturn skb->walk(target);\n}}\n{NDO}"
    made, found = reach({FOO: text})
    (function,) = found.functions
    assert not found.chains
    reasons = [reason for _, reason in made.incoming(function).doubts]
    assert reasons == ["target() is passed through a function pointer"]


def test_what_callers_pass() -> None:
    text = f"{HEAD}{TARGET}{XMIT}\ttarget(a);\n\ttarget(b->c);\n\treturn 0;\n}}\n{NDO}"
    made = graph({FOO: text})
    view = made.reader.definitions("target", FOO)[0]
    passed = made.passed(made.known(view), 0)
    assert [(where.function.name, (node.text or b"").decode()) for where, node in passed] == [
        ("tx", "a"),
        ("tx", "b->c"),
    ]
    assert made.passed(made.known(view), 1) == []


SA = "drivers/net/foo/sa/sa.c"
MAIN = "drivers/net/foo/main/main.c"
OPS = f'{HEAD}#include "foo.h"\n'
OPS_HEADER = "struct foo_sa_ops { int (*send)(struct xfrm_state *x); };\n"
SENDS = "\treturn foo_ops->send(0);\n}\n"


@pytest.mark.parametrize(
    ("files", "wanted", "context"),
    [
        pytest.param({SA: GLOBAL, "drivers/net/bar/bar.c": CALLER}, [], "unknown", id="another's"),
        pytest.param({SA: GLOBAL, FOO: CALLER + STUB}, [], "unknown", id="the caller's own"),
        pytest.param(
            {SA: GLOBAL, MAIN: CALLER, "drivers/net/foo/main/t.c": GLOBAL},
            [],
            "unknown",
            id="one of the caller's folder",
        ),
        pytest.param(
            {SA: GLOBAL.replace("int t", "static int t"), FOO: CALLER}, [], "dead", id="static"
        ),
        pytest.param(
            {
                SA: GLOBAL,
                FOO: CALLER,
                "drivers/net/foo/sa/Makefile": "obj-m += sa.o\n",
                "drivers/net/foo/Makefile": "obj-m += foo.o\n",
            },
            [],
            "unknown",
            id="modules of their own",
        ),
        pytest.param({SA: GLOBAL, FOO: CALLER}, [f"{TX} > target"], "datapath", id="above"),
        pytest.param({SA: GLOBAL, MAIN: CALLER}, [f"{TX} > target"], "datapath", id="beside"),
        pytest.param(
            {
                SA: GLOBAL,
                FOO: CALLER,
                "drivers/net/foo/Makefile": "obj-m += foo.o\nfoo-y := $(shell ls) foo.o\n",
            },
            [f"{TX} > target"],
            "datapath",
            id="a Makefile that asks a shell",
        ),
        pytest.param(
            {
                SA: GLOBAL,
                MAIN: CALLER.replace("(0)", "_of(0)"),
                FOO: "int target_of(void *x)\n{\n\treturn target(x);\n}\n",
            },
            [f"{TX} > target_of > target"],
            "datapath",
            id="over a third folder",
        ),
        pytest.param(
            {
                SA: f"{OPS}{GLOBAL}const struct foo_sa_ops sa_ops = {{ .send = target }};\n",
                FOO: f"{OPS}extern const struct foo_sa_ops sa_ops;\n"
                f"static const struct foo_sa_ops *foo_ops;\n{XMIT}{SENDS}{NDO}"
                "void foo_init(void)\n{\n\tfoo_ops = &sa_ops;\n}\n",
                HEADER: OPS_HEADER,
            },
            [f"{TX} -foo_sa_ops.send-> target"],
            "datapath",
            id="through a table, its header by name alone",
        ),
        pytest.param(
            {SA: GLOBAL, FOO: CALLER, "drivers/net/foo/sb/sb.c": GLOBAL}, [], "unknown", id="two"
        ),
        pytest.param(
            {SA: GLOBAL, "drivers/net/foo/sa/main.c": CALLER, "drivers/net/foo/sa/sb.c": GLOBAL},
            [],
            "unknown",
            id="two in one folder",
        ),
    ],
)
def test_without_a_makefile_names_lead_to_callers(
    files: Mapping[str, str], wanted: list[str], context: str
) -> None:
    made, found = reach(files, SA)
    assert (chains(found), found.context) == (wanted, context)
    doubts = [reason for f in found.functions for _, reason in made.incoming(f).doubts]
    assert bool(doubts) == (context == "unknown")


def test_without_a_makefile_the_only_definition_is_called() -> None:
    calls = f"{HEAD}int target(void *x);\n{XMIT}\treturn target(0);\n}}\n"
    other = {"drivers/net/foo/sb/sb.c": GLOBAL}
    for files, wanted in (
        ({FOO: calls}, []),
        ({FOO: calls, SA: GLOBAL}, [SA]),
        ({FOO: calls, SA: GLOBAL.replace("int t", "static int t")}, []),
        ({FOO: calls, SA: GLOBAL, **other}, []),
        ({FOO: calls, SA: GLOBAL, "drivers/net/foo/Makefile": "obj-m += foo.o\n"}, []),
    ):
        assert [view.path for view in graph(files).reader.definitions("target", FOO)] == wanted


def open_ends(text: str) -> tuple[str, list[str]]:
    """Return target()'s context where packets do not reach it, and why it is not known."""
    _, found = reach({FOO: f"{HEAD}{text}", HEADER: "", BAR: ""})
    return found.context, [why for _, why in found.doubts]


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        pytest.param({}, "dead", id="named nowhere"),
        pytest.param({"include/x.h": "int target(void *x);\n"}, "dead", id="a prototype elsewhere"),
        pytest.param(
            {"drivers/net/z/z.c": "int z(void) { return target(0); }\n"}, "unknown",
            id="named elsewhere",
        ),
        pytest.param(
            {"drivers/net/foo/Makefile": "obj-m += drv.o\ndrv-y := foo.o away.o\n"}, "unknown",
            id="a source that is not there",
        ),
    ],
)  # fmt: skip
def test_who_is_in_another_file_can_name_what_is_not_static(
    files: dict[str, str], wanted: str
) -> None:
    text = HEAD + TARGET.removeprefix("static ")
    _, found = reach({FOO: text, HEADER: "", BAR: "", **files})
    assert found.context == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(TARGET, ("dead", []), id="static, named nowhere"),
        pytest.param(
            f"static int target(struct xfrm_state *x);\n{TARGET}", ("dead", []), id="declared, too"
        ),
        pytest.param(
            f"{TARGET}static void f(int a)\n{{\n\tx y z;\n}}\n",
            (
                "unknown",
                [
                    "target() may be called where drivers/net/foo/foo.c is not understood: "
                    "parse errors at line 6"
                ],
            ),
            id="beside a parse error",
        ),
        pytest.param(
            f"{TARGET}static void f(int a)\n{{\n\ttarget(0);\n}}\n"
            "static void g(int a) { x y z; }\n",
            (
                "unknown",
                [
                    f"{name}() may be called where drivers/net/foo/foo.c is not understood: "
                    "parse errors at line 8"
                    for name in ("target", "f")
                ],
            ),
            id="its caller is",
        ),
        pytest.param(
            f"{TARGET}static const struct ethtool_ops e = {{ .get_link = target }};\n",
            ("control", []),
            id="a door that is known",
        ),
        pytest.param(
            f"{TARGET}static int v __attribute__((cleanup(target)));\n",
            ("unknown", ["nobody is seen to call target(), store it or register it"]),
            id="an attribute names it",
        ),
        pytest.param(TARGET.removeprefix("static "), ("dead", []), id="not static, named nowhere"),
        pytest.param(
            f"{TARGET.removeprefix('static ')}EXPORT_SYMBOL_GPL(target);\n",
            ("unknown", ["when EXPORT_SYMBOL_GPL calls target() is not known"]),
            id="exported",
        ),
        pytest.param(
            f"{TARGET}void init(void) {{ vendor_register(target); }}\n",
            ("unknown", ["when vendor_register calls target() is not known"]),
            id="given to a function that is not here",
        ),
        pytest.param(
            f"{TARGET}extern int (*hook)(struct xfrm_state *x);\n"
            "void init(void) { hook = target; }\n",
            ("unknown", ["who calls target() through hook is not known"]),
            id="a variable of another module",
        ),
        pytest.param(
            f"{TARGET}struct ops {{ int (*run)(struct xfrm_state *x); }};\n"
            "static const struct ops ops = { .run = target };\n",
            ("unknown", ["who calls target() through ops.run is not known"]),
            id="a member that nobody reads",
        ),
        pytest.param(
            f"{TARGET}void init(void (*give)(void *)) {{ give(target); }}\n",
            ("unknown", ["target() is passed through a function pointer"]),
            id="through a pointer",
        ),
    ],
)
def test_what_is_not_known_is_no_control_path(text: str, wanted: tuple[str, list[str]]) -> None:
    assert open_ends(text) == wanted


@pytest.mark.parametrize(
    ("slot", "entries"),
    [
        pytest.param("xdo_run", ["get_link", "xdo_run"], id="of its table"),
        pytest.param("xdo_made", ["get_link", "xdo_made"], id="that a macro may make there"),
        pytest.param("xdo_old", ["get_link"], id="that it has not"),
    ],
)
def test_what_a_slot_of_the_kernels_table_calls(slot: str, entries: list[str]) -> None:
    table = "struct xfrmdev_ops { int (*xdo_run)(struct xfrm_state *x); KEPT(xdo_made); };\n"
    text = (
        f"{HEAD}{TARGET}static const struct xfrmdev_ops o = {{ .{slot} = target }};\n"
        "static const struct ethtool_ops e = { .get_link = target };\n"
    )
    _, found = reach({FOO: text, HEADER: "", BAR: "", "include/linux/netdevice.h": table})
    assert sorted(entry.name for entry in found.entries) == entries
    open_ = [f"when {slot} calls target() is not known"] if slot == "xdo_made" else []
    assert [why for _, why in found.doubts] == open_
    assert found.context == ("unknown" if open_ else "control")


@pytest.mark.parametrize(
    ("work", "wanted"),
    [
        pytest.param("target(0);", "control", id="no packet in sight"),
        pytest.param(
            "struct sk_buff *skb = skb_dequeue(&queue); target(xfrm_input_state(skb));",
            "datapath",
            id="it takes packets from a queue",
        ),
    ],
)
def test_what_runs_later(work: str, wanted: str) -> None:
    text = (
        f"{HEAD}{TARGET}static void later(struct work_struct *w)\n{{\n\t{work}\n}}\n"
        "void init(struct work_struct *w) { INIT_WORK(w, later); }\n"
    )
    _, found = reach({FOO: text, HEADER: "", BAR: ""})
    assert found.context == wanted


SKB, NETLINK = "struct sk_buff", "struct netlink_callback"


@pytest.mark.parametrize(
    ("struct", "field", "takes", "kernels", "wanted"),
    [
        pytest.param("foo_ops", "ndo_start_xmit", [SKB], False, None, id="a driver's own table"),
        pytest.param("foo_ops", "poll", [], False, None, id="its own poll"),
        pytest.param("", "poll", [], False, None, id="poll of an unknown struct"),
        pytest.param("ethtool_ops", "get_link", [], True, "control", id="kernel's"),
        pytest.param("net_device_ops", "ndo_open", [], True, "control", id="open"),
        pytest.param("net_device_ops", "ndo_fdb_dump", [SKB, NETLINK], True, "control", id="dump"),
        pytest.param("", "ndo_open", [], False, "control", id="ndo_open by its name"),
        pytest.param("new_ops", "dump", [SKB, NETLINK], True, "unknown", id="a new message"),
        pytest.param("new_ops", "process", [], True, "unknown", id="a new slot"),
        pytest.param("new_ops", "process", [SKB], True, "datapath", id="a new slot takes packets"),
        pytest.param("xfrmdev_ops", "xdo_new", [SKB], True, "datapath", id="a new callback, too"),
        pytest.param("net_device_ops", "ndo_start_xmit", [SKB], True, "datapath", id="xmit"),
        pytest.param("", "ndo_start_xmit", [], False, "datapath", id="xmit by its name"),
        pytest.param("napi_struct", "poll", [], True, "datapath", id="poll"),
        pytest.param("nf_hook_ops", "hook", [SKB], True, "datapath", id="netfilter"),
        pytest.param("xfrm_type_offload", "input_tail", [SKB], True, "datapath", id="ESP"),
        pytest.param("offload_callbacks", "gro_receive", [SKB], True, "datapath", id="GRO"),
        pytest.param("dsa_device_ops", "rcv", [SKB], True, "datapath", id="a tagger"),
        pytest.param("work_struct", "func", [], True, "deferred", id="work"),
    ],
)
def test_slot_door(
    struct: str, field: str, takes: list[str], kernels: bool, wanted: str | None
) -> None:
    found = slot_door(struct and f"struct {struct}", field, frozenset(takes), kernels)
    assert (found and found.context) == wanted


@pytest.mark.parametrize(
    ("callee", "index", "wanted"),
    [
        ("netif_napi_del", 2, None),
        ("my_netif_napi_add", 2, None),
        ("netif_napi_add", 1, None),
        ("netif_napi_add", 2, ("napi_poll", "datapath")),
        ("netif_tx_napi_add", 2, ("napi_poll", "datapath")),
        ("netif_napi_add_config", 2, ("napi_poll", "datapath")),
        ("netif_threaded_napi_add", 2, ("napi_poll", "datapath")),
        ("netdev_rx_handler_register", 1, ("rx_handler", "datapath")),
        ("request_irq", 1, ("request_irq()", "deferred")),
        ("module_init", 0, ("module_init()", "control")),
    ],
)
def test_argument_door(callee: str, index: int, wanted: tuple[str, str] | None) -> None:
    found = argument_door(callee, index)
    assert (found and found[:2]) == wanted


@pytest.mark.parametrize(
    ("callee", "takes", "wanted"),
    [
        ("foo_register", [], "unknown"),
        ("foo_register_dump", [SKB, NETLINK], "unknown"),
        ("foo_register_mbox", [SKB], "unknown"),
        ("foo_register", [SKB], "datapath"),
    ],
)
def test_a_function_nobody_knows(callee: str, takes: list[str], wanted: str) -> None:
    assert registered_door(callee, frozenset(takes)).context == wanted


@pytest.mark.parametrize(
    ("names", "skb", "wanted"),
    [
        (("struct foo", "run", "table"), True, False),
        (("struct foo", "prefix", "table"), True, False),
        (("struct foo", "rx", "table"), False, False),
        (("struct foo", "rx", "mbox_table"), True, False),
        (("struct foo", "rx", "table"), True, True),
        (("struct foo", "tx_handler", "table"), False, True),
        (("struct foo_rx_handlers", "fn", ""), False, True),
    ],
)
def test_is_packet_handler(names: tuple[str, ...], skb: bool, wanted: bool) -> None:
    assert is_packet_handler(names, skb) is wanted
