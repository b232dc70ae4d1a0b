"""The type of an expression, as far as the file's own includes tell it."""

import pytest

from tests.trees import FOO, HEAD, reader
from xfrmlint.c.ctype import CType

HEADER = "drivers/net/foo/foo.h"
FOO_H = """\
#include <linux/netdevice.h>
struct foo_sa {
	struct xfrm_state *x;
	struct xfrm_state own;
	struct foo_sa *next;
	unsigned long handle;
	struct xfrm_dev_offload *xso;
	struct list_head node;
	union {
		struct net_device *inside;
		struct {
			struct sk_buff *deep;
		};
	};
	union {
		struct foo_ring *ring;
		int number;
	} named;
	struct foo_sa *table[4];
	struct foo_sa grid[2][3];
	struct foo_sa **list;
	struct foo_sa *(*lookup)(struct foo_priv *p, int i);
	void (*done)(struct foo_sa *sa);
	foo_sa_t *typed;
	u32 flags : 2;
};
struct foo_ring {
	struct net_device *netdev;
	struct foo_priv *priv;
};
struct foo_priv {
	struct foo_sa *sa;
	struct foo_ring rings[8];
	const struct foo_ops *ops;
};
struct foo_ops {
	struct foo_sa *(*find)(struct foo_priv *p);
};
typedef struct foo_sa foo_sa_t;
typedef struct foo_ring *foo_ring_p;
typedef foo_sa_t foo_sa_tt;
typedef struct {
	struct xfrm_state *x;
} foo_anon_t;
typedef struct foo_sa *(*foo_find_t)(struct foo_priv *p);
struct foo_sa *foo_find(struct foo_priv *p, int i);
struct foo_sa foo_copy(void);
static inline struct foo_ring *foo_ring(struct foo_priv *p)
{
	return &p->rings[0];
}
extern struct foo_priv *foo_global;
#define foo_priv_of(dev) ((struct foo_priv *)netdev_priv(dev))
#define foo_sa_of(p) ((p)->sa)
#define FOO_FIRST foo_global->sa
#define FOO_HELD(n, v) struct foo_sa *n = v
#define FOO_ASKED(n, v) probed(n, v)
#define FOO_SA sa
#define FOO_SAME FOO_SA
#define FOO_NUMBER 3
"""


def shown(kind: CType | None) -> str:
    if kind is None:
        return "?"
    text = kind.base + "*" * kind.pointers
    return f"{text} -> {shown(kind.result)}" if kind.base == "fn" else text


def type_of(expression: str, before: str = "", outside: str = "") -> str:
    """Return the type of an expression where many names are declared.

    before: statements in front of it. outside: text at file level.
    """
    source = f"""{HEAD}#include "foo.h"
static struct foo_sa foo_static;
{outside}
static void here(struct foo_priv *p, struct foo_sa *sa, struct xfrm_state *x, struct sk_buff *skb,
		 struct net_device *dev, void *data, struct unknown *u, foo_sa_t *t, int n)
{{
	struct xfrm_dev_offload *xso = &x->xso;
	{before}
	probe({expression});
}}
"""
    made = reader({FOO: source, HEADER: FOO_H})
    (view,) = made.definitions("here", FOO)
    (name,) = view.occurrences("probe")
    assert name.parent is not None
    listed = name.parent.child_by_field_name("arguments")
    assert listed is not None
    return shown(made.types.of(listed.named_children[0], view))


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        # What is not known is said to be unknown.
        pytest.param("nowhere", "?", id="no such name"),
        pytest.param("nowhere()", "?", id="no such function"),
        pytest.param("nowhere->x", "?", id="field of an unknown name"),
        pytest.param("u->x", "?", id="field of an unknown struct"),
        pytest.param("sa->nowhere", "?", id="no such field"),
        pytest.param("data->x", "?", id="field of void"),
        pytest.param("n->x", "?", id="field of a number"),
        pytest.param("u", "struct unknown*", id="pointer to an unknown struct"),
        # Names.
        pytest.param("x", "struct xfrm_state*", id="parameter"),
        pytest.param("xso", "struct xfrm_dev_offload*", id="local"),
        pytest.param("foo_static", "struct foo_sa", id="file level"),
        pytest.param("foo_global", "struct foo_priv*", id="in an own header"),
        pytest.param("data", "void*", id="void"),
        pytest.param("n", "int", id="number"),
        pytest.param("(x)", "struct xfrm_state*", id="parentheses"),
        pytest.param("((x))", "struct xfrm_state*", id="more parentheses"),
        # Fields.
        pytest.param("sa->x", "struct xfrm_state*", id="arrow"),
        pytest.param("foo_static.x", "struct xfrm_state*", id="dot"),
        pytest.param("(*sa).x", "struct xfrm_state*", id="star and dot"),
        pytest.param("(&foo_static)->x", "struct xfrm_state*", id="address and arrow"),
        pytest.param("sa->own", "struct xfrm_state", id="a struct in a struct"),
        pytest.param("x->xso", "struct xfrm_dev_offload", id="a state's xso"),
        pytest.param("x->xso.dev", "struct net_device*", id="xso.dev"),
        pytest.param("x->xso.upper_priv", "void*", id="a field with __rcu"),
        pytest.param("x->xso.offload_handle", "unsigned long", id="handle"),
        pytest.param("sa->next->next->next->x", "struct xfrm_state*", id="long chain"),
        pytest.param("sa->inside", "struct net_device*", id="anonymous union"),
        pytest.param("sa->deep", "struct sk_buff*", id="anonymous struct in a union"),
        pytest.param("sa->named.ring", "struct foo_ring*", id="named union"),
        pytest.param("sa->named.ring->netdev", "struct net_device*", id="through a named union"),
        pytest.param("x->props.mode", "unsigned char", id="a struct defined in place"),
        pytest.param("sa->flags", "u32", id="bit field"),
        # Pointers and arrays.
        pytest.param("&x->xso", "struct xfrm_dev_offload*", id="address"),
        pytest.param("*x", "struct xfrm_state", id="star"),
        pytest.param("*&x", "struct xfrm_state*", id="star of an address"),
        pytest.param("&*x", "struct xfrm_state*", id="address of a star"),
        pytest.param("sa->table", "struct foo_sa**", id="array of pointers"),
        pytest.param("sa->table[0]", "struct foo_sa*", id="element"),
        pytest.param("sa->table[n]->x", "struct xfrm_state*", id="through an element"),
        pytest.param("sa->grid[0][1].x", "struct xfrm_state*", id="two dimensions"),
        pytest.param("*sa->table", "struct foo_sa*", id="star of an array"),
        pytest.param("(*sa->list)->x", "struct xfrm_state*", id="pointer to pointer"),
        pytest.param("p->rings[n].netdev", "struct net_device*", id="array of structs"),
        pytest.param("(&p->rings[n])->netdev", "struct net_device*", id="address of an element"),
        pytest.param("&p->rings[n]", "struct foo_ring*", id="address of an element alone"),
        pytest.param("sa + 1", "struct foo_sa*", id="sum"),
        pytest.param("1 + sa", "struct foo_sa*", id="sum the other way"),
        pytest.param("(sa + n)->x", "struct xfrm_state*", id="through a sum"),
        pytest.param(
            "sa->next - sa",
            "int",
            id="difference",
        ),
        pytest.param(
            "sa == sa->next",
            "int",
            id="comparison",
        ),
        pytest.param("sa++", "struct foo_sa*", id="increment"),
        # Operators.
        pytest.param("1", "int", id="literal"),
        pytest.param("n + 1", "int", id="sum of numbers"),
        pytest.param("!x", "int", id="not"),
        pytest.param("sizeof(*x)", "int", id="sizeof"),
        pytest.param("n ? x : NULL", "struct xfrm_state*", id="conditional"),
        pytest.param("n ? NULL : x", "struct xfrm_state*", id="conditional, first NULL"),
        pytest.param("sa->x ?: x", "struct xfrm_state*", id="conditional without a middle"),
        pytest.param("(n, x)", "struct xfrm_state*", id="comma"),
        pytest.param("(sa = sa->next)", "struct foo_sa*", id="assignment"),
        pytest.param("(sa = foo_find(p, n))->x", "struct xfrm_state*", id="through an assignment"),
        # Casts.
        pytest.param("(struct foo_sa *)data", "struct foo_sa*", id="cast"),
        pytest.param("((struct foo_sa *)data)->x", "struct xfrm_state*", id="field of a cast"),
        pytest.param("((struct foo_sa **)data)[n]->x", "struct xfrm_state*", id="two stars"),
        pytest.param("(unsigned long)x", "unsigned long", id="cast to a number"),
        pytest.param("((const struct foo_sa *)data)->x", "struct xfrm_state*", id="const"),
        pytest.param("(foo_ring_p)data", "foo_ring_p", id="cast to a typedef"),
        pytest.param("((foo_ring_p)data)->netdev", "struct net_device*", id="field of that"),
        pytest.param("(struct foo_sa){ .x = x }", "struct foo_sa", id="compound literal"),
        pytest.param("&(struct foo_sa){ .x = x }", "struct foo_sa*", id="its address"),
        # Typedefs.
        pytest.param("t->x", "struct xfrm_state*", id="typedef of a struct"),
        pytest.param("sa->typed->x", "struct xfrm_state*", id="a field with a typedef"),
        pytest.param("((foo_sa_tt *)data)->x", "struct xfrm_state*", id="typedef of a typedef"),
        pytest.param("((foo_anon_t *)data)->x", "struct xfrm_state*", id="of a nameless struct"),
        # Calls.
        pytest.param("foo_find(p, n)", "struct foo_sa*", id="prototype"),
        pytest.param("foo_find(p, n)->x->xso", "struct xfrm_dev_offload", id="through a call"),
        pytest.param("foo_copy().x", "struct xfrm_state*", id="a struct returned"),
        pytest.param("foo_ring(p)->netdev", "struct net_device*", id="inline"),
        pytest.param("netdev_priv(dev)", "void*", id="the kernel's"),
        pytest.param("xfrm_input_state(skb)->xso", "struct xfrm_dev_offload", id="input state"),
        pytest.param("skb_sec_path(skb)->xvec[0]->xso", "struct xfrm_dev_offload", id="secpath"),
        pytest.param("sa->lookup(p, n)", "struct foo_sa*", id="function pointer"),
        pytest.param("sa->lookup(p, n)->x", "struct xfrm_state*", id="through a function pointer"),
        pytest.param("(*sa->lookup)(p, n)->x", "struct xfrm_state*", id="with a star"),
        pytest.param("p->ops->find(p)->x", "struct xfrm_state*", id="ops"),
        pytest.param("sa->done(sa)", "void", id="nothing returned"),
        # Macros and functions that hand their argument through.
        pytest.param("READ_ONCE(sa->x)", "struct xfrm_state*", id="READ_ONCE"),
        pytest.param("READ_ONCE(sa->x)->xso.dev", "struct net_device*", id="field of READ_ONCE"),
        pytest.param("rcu_dereference(sa->x)->xso", "struct xfrm_dev_offload", id="rcu"),
        pytest.param(
            "rcu_dereference_protected(sa->x, lockdep_is_held(&p->lock))->xso",
            "struct xfrm_dev_offload",
            id="rcu with a condition",
        ),
        pytest.param("likely(x)", "struct xfrm_state*", id="likely"),
        pytest.param(
            "xchg(&sa->x, NULL)",
            "struct xfrm_state*",
            id="xchg",
        ),
        pytest.param(
            "smp_load_acquire(&sa->x)",
            "struct xfrm_state*",
            id="acquire",
        ),
        # Containers.
        pytest.param(
            "container_of(xso, struct xfrm_state, xso)", "struct xfrm_state*", id="container_of"
        ),
        pytest.param(
            "list_first_entry(&sa->node, struct foo_sa, node)->x", "struct xfrm_state*", id="list"
        ),
        pytest.param(
            "list_entry(sa->node.next, foo_sa_t, node)->x",
            "struct xfrm_state*",
            id="container with a typedef",
        ),
        pytest.param(
            "list_entry(sa->node.next, typeof(*sa), node)->x",
            "struct xfrm_state*",
            id="container with typeof",
        ),
        # Macros of the driver.
        pytest.param("FOO_NUMBER", "int", id="a number"),
        pytest.param("FOO_FIRST->x", "struct xfrm_state*", id="object-like"),
        pytest.param("foo_sa_of(p)->x", "struct xfrm_state*", id="function-like"),
        pytest.param("p->FOO_SA", "struct foo_sa*", id="a member's name"),
        pytest.param("p->FOO_SAME->x", "struct xfrm_state*", id="another name of that"),
        pytest.param("p->FOO_NUMBER", "?", id="no member's name"),
        pytest.param("foo_priv_of(dev)->sa", "struct foo_sa*", id="with a cast"),
        pytest.param("({ n++; sa; })", "struct foo_sa*", id="statement expression"),
    ],
)
def test_type_of_an_expression(expression: str, wanted: str) -> None:
    assert type_of(expression) == wanted


@pytest.mark.parametrize(
    ("before", "expression", "wanted"),
    [
        pytest.param("{ int x; }", "x", "struct xfrm_state*", id="a block that has ended"),
        pytest.param("for (int x = 0; x; x++) { }", "x", "struct xfrm_state*", id="a loop's own"),
        pytest.param("struct foo_sa *a, b, **c;", "a", "struct foo_sa*", id="first of several"),
        pytest.param("struct foo_sa *a, b, **c;", "b", "struct foo_sa", id="second of several"),
        pytest.param("struct foo_sa *a, b, **c;", "(*c)->x", "struct xfrm_state*", id="third"),
        pytest.param("struct foo_sa *a[4];", "a[0]->x", "struct xfrm_state*", id="array"),
        pytest.param("const struct foo_sa *a;", "a", "struct foo_sa*", id="const"),
        pytest.param("static struct foo_sa *a;", "a", "struct foo_sa*", id="static"),
        pytest.param("struct foo_sa * const a = sa;", "a", "struct foo_sa*", id="const pointer"),
        pytest.param("struct foo_sa __rcu *a;", "a->x", "struct xfrm_state*", id="attribute"),
        pytest.param("typeof(sa) a = sa;", "a->x", "struct xfrm_state*", id="typeof, from value"),
        pytest.param("__auto_type a = sa;", "a->x", "struct xfrm_state*", id="GNU auto"),
        pytest.param("const auto a = sa;", "a->x", "struct xfrm_state*", id="C23 auto"),
        pytest.param(
            "typeof(struct foo_sa *) a = data;", "a->x", "struct xfrm_state*", id="typeof a type"
        ),
        pytest.param(
            "struct foo_sa *a; auto b = alloc_percpu(struct foo_sa);",
            "b->x",
            "struct xfrm_state*",
            id="allocated by its type",
        ),
        pytest.param(
            "auto a = kzalloc_obj(*sa);", "a->x", "struct xfrm_state*", id="allocated by a variable"
        ),
        pytest.param(
            "typeof(*sa) *a = data;",
            "a->x",
            "struct xfrm_state*",
            id="typeof, from its expression",
        ),
        pytest.param("struct { struct xfrm_state *x; } a;", "a.x", "struct xfrm_state*", id="own"),
        pytest.param(
            "struct foo_sa *(*a)(void) = NULL;", "a()->x", "struct xfrm_state*", id="pointer called"
        ),
        pytest.param("foo_find_t a = NULL;", "a(p)->x", "struct xfrm_state*", id="typedef called"),
        pytest.param("if (n) { struct foo_sa *q; q++; }", "q", "?", id="seen only in its block"),
        pytest.param("FOO_HELD(a, p->sa);", "a->x", "struct xfrm_state*", id="by a macro"),
        pytest.param("FOO_ASKED(a, p->sa);", "a", "?", id="a macro that declares nothing"),
    ],
)
def test_type_of_a_local(before: str, expression: str, wanted: str) -> None:
    assert type_of(expression, before) == wanted


@pytest.mark.parametrize(
    ("outside", "expression", "wanted"),
    [
        pytest.param("struct foo_sa;", "sa->x", "struct xfrm_state*", id="a forward declaration"),
        pytest.param("static int x;", "x", "struct xfrm_state*", id="hidden by a parameter"),
        pytest.param("static struct foo_sa table[2];", "table[0].x", "struct xfrm_state*", id="[]"),
        pytest.param(
            "static struct foo_sa *\nmine(void)\n{\n\treturn 0;\n}",
            "mine()->x",
            "struct xfrm_state*",
            id="a result on the line before",
        ),
        pytest.param(
            "struct late { struct xfrm_state *x; };\nstatic struct late late;",
            "late.x",
            "struct xfrm_state*",
            id="struct and variable",
        ),
        pytest.param(
            "static struct { struct xfrm_state *x; } once;",
            "once.x",
            "struct xfrm_state*",
            id="once",
        ),
        pytest.param(
            "static struct foo_sa first, *second;", "second->x", "struct xfrm_state*", id="2nd"
        ),
        pytest.param(
            "enum foo_kind { FOO_A };\nstatic enum foo_kind kind;",
            "kind",
            "enum foo_kind",
            id="enum",
        ),
        pytest.param(
            "#if 0\nstatic int mine(void);\n#endif\nstatic struct foo_sa *mine(void);",
            "mine()",
            "struct foo_sa*",
            id="a dead prototype",
        ),
        pytest.param(
            "#define mine(p, i) foo_find(p, i)->x",
            "mine(p, 0)->xso",
            "struct xfrm_dev_offload",
            id="macro",
        ),
        pytest.param(
            "#define sa_of(n) container_of(n, struct foo_sa, node)",
            "sa_of(data)->x",
            "struct xfrm_state*",
            id="macro of container_of",
        ),
        pytest.param(
            "#define sa_of(p) ({ struct foo_sa *_s = (p)->sa; _s; })",
            "sa_of(p)->x",
            "struct xfrm_state*",
            id="macro with a local of its own",
        ),
        pytest.param(
            "struct q {\n#ifdef A\n\tstruct foo_sa *a;\n#else\n\tint b;\n#endif\n};\n"
            "static struct q q;",
            "q.a->x",
            "struct xfrm_state*",
            id="a field under a condition",
        ),
        pytest.param(
            "struct q {\n\tDECLARE_BITMAP(m, 8);\n\tstruct foo_sa *a;\n};\nstatic struct q q;",
            "q.a->x",
            "struct xfrm_state*",
            id="a field behind a macro",
        ),
        pytest.param(
            "struct q {\n\tstruct_group(g,\n\t\tint n;\n\t\tstruct foo_sa *a;\n\t);\n};\n"
            "static struct q q;",
            "q.a->x",
            "struct xfrm_state*",
            id="a field in a struct_group",
        ),
        pytest.param(
            "struct q {\n\tstruct_group(g,\n\t\tstruct foo_sa *a;\n\t\tint n;\n\t);\n};\n"
            "static struct q q;",
            "q.a->x",
            "struct xfrm_state*",
            id="the first field in a struct_group",
        ),
        pytest.param(
            "struct q {\n\tstruct_group(g,\n\t\tstruct foo_sa *a;\n\t\tint n;\n\t);\n};\n"
            "static struct q q;",
            "q.g.a->x",
            "struct xfrm_state*",
            id="a field of a struct_group, by the group",
        ),
        pytest.param(
            "struct q {\n\tstruct_group_tagged(g_tag, g, struct foo_sa *a;);\n};\n"
            "static struct g_tag q;",
            "q.a->x",
            "struct xfrm_state*",
            id="a field of a struct_group, by its tag",
        ),
        pytest.param(
            "struct q {\n\tstruct_group(g, int n; struct foo_sa *a;);\n};\nstatic struct q q;",
            "q.g.g",
            "?",
            id="a struct_group is no field of itself",
        ),
        pytest.param(
            "struct q {\n\tstruct_group_attr(g, __aligned(4), int n; struct foo_sa *a;);\n};\n"
            "static struct q q;",
            "q.a->x",
            "struct xfrm_state*",
            id="a field of a struct_group_attr",
        ),
        pytest.param(
            "#define inner(p) ((p)->sa)\n#define mine(p) inner(p)->x",
            "mine(p)->xso",
            "struct xfrm_dev_offload",
            id="macro of a macro",
        ),
    ],
)
def test_type_of_what_stands_at_file_level(outside: str, expression: str, wanted: str) -> None:
    assert type_of(expression, outside=outside) == wanted


def test_the_fields_that_a_macro_of_the_drivers_declares() -> None:
    group = "#define GROUP(n, m...) union { struct { m }; struct { m } n; }\n"
    made = reader({FOO: f"{group}struct q {{\n\tGROUP(g, int a; int b;);\n}};\n"})
    assert made.outlines.errors(FOO) == ()
    assert list(made.types.fields_named("struct q", FOO)) == ["a", "b"]


def test_the_fields_of_a_struct_in_their_order() -> None:
    made = reader({FOO: HEAD + '#include "foo.h"\n', HEADER: FOO_H})
    fields = made.types.fields_named("struct foo_ring", FOO)
    assert [f"{name}: {shown(kind)}" for name, kind in fields.items()] == [
        "netdev: struct net_device*",
        "priv: struct foo_priv*",
    ]
    assert list(made.types.fields_named("struct xfrm_dev_offload", FOO)) == [
        "dev",
        "real_dev",
        "offload_handle",
        "upper_priv",
        "dir",
        "flags",
    ]
    assert made.types.fields_named("struct nowhere", FOO) == {}


def test_two_files_have_a_struct_of_one_name() -> None:
    other = "drivers/net/bar/bar.c"
    text = (
        HEAD
        + "struct pair {{ {kind} first; }};\nstatic void f(struct pair *p) {{ probe(p->first); }}\n"
    )
    made = reader({FOO: text.format(kind="int"), other: text.format(kind="struct sk_buff *")})
    assert shown(made.types.fields_named("struct pair", FOO)["first"]) == "int"
    assert shown(made.types.fields_named("struct pair", other)["first"]) == "struct sk_buff*"


def test_a_header_that_is_not_included_tells_nothing() -> None:
    made = reader({FOO: "struct foo_sa *sa;\n", HEADER: FOO_H})
    assert made.types.fields_named("struct foo_sa", FOO) == {}
