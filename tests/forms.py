"""Forms of C that mean the same: data for tests/whole/test_forms.py.

A form is a text in which words stand for what a question (tests/questions.py) puts there:

PLACE, POINTER, MEMBER, STRUCT  the object: `p->go`, `p`, `go`, `struct example`
VALUE, OTHER, NIL               what is stored, a harmless value of the type, none
FUNCTION, IDLE, ARGUMENTS       what is called, a harmless function of the type, with what
USE, TAIL, EXIT                 what wants a handle (an expression), what follows, what leaves
DECLARE(name), TYPE             the declaration of a name of the type; the type alone
"""

from typing import NamedTuple


class Form(NamedTuple):
    """One way to write a thing. outside: what it needs in front of the functions.

    find, place: how what was stored is found again, where that is not POINTER and PLACE. tags: what
    the question's type must be: function, pointer, number, or what is said in its name.
    """

    name: str
    text: str
    outside: str = ""
    find: str = ""
    place: str = "PLACE"
    tags: str = ""


_ALLOCATED = "STRUCT *e = kzalloc(sizeof(*e), GFP_ATOMIC); e->MEMBER = VALUE; "
_FOUND = "STRUCT *e;\n\t"

# The first one is the plain one. "lasting": it stores elsewhere than in what POINTER leads to.
STORES = (
    Form("=", "PLACE = VALUE;"),
    Form("a = b = v", "DECLARE(other); PLACE = other = VALUE;"),
    Form("b = a = v", "DECLARE(other); other = PLACE = VALUE;"),
    Form("(a) = (v)", "(PLACE) = (VALUE);"),
    Form("*&a", "*&PLACE = VALUE;"),
    Form("(*p).m", "(*POINTER).MEMBER = VALUE;"),
    Form("(&*p)->m", "(&*POINTER)->MEMBER = VALUE;"),
    Form("p[0].m", "POINTER[0].MEMBER = VALUE;"),
    Form("cast", "PLACE = (TYPE)(VALUE);"),
    Form("cast twice", "PLACE = (TYPE)(unsigned long)(VALUE);"),
    Form("comma", "PLACE = (POINTER->n++, VALUE);"),
    Form("comma statement", "POINTER->n++, PLACE = VALUE;"),
    Form("?:", "PLACE = POINTER->n ? VALUE : OTHER;"),
    Form("GNU ?:", "PLACE = VALUE ?: OTHER;"),
    Form("({ })", "PLACE = ({ VALUE; });"),
    Form("({ local })", "PLACE = ({ DECLARE(v) = VALUE; v; });"),
    Form("__builtin_choose_expr", "PLACE = __builtin_choose_expr(1, VALUE, OTHER);"),
    Form("if", "if (POINTER->n) PLACE = VALUE; else PLACE = OTHER;"),
    Form("in a condition", "if ((PLACE = VALUE)) POINTER->n++;"),
    Form("in a for head", "for (PLACE = VALUE; POINTER->n; POINTER->n--) ;"),
    Form("READ_ONCE", "PLACE = READ_ONCE(VALUE);", tags="lvalue"),
    Form("local", "DECLARE(v) = VALUE; PLACE = v;"),
    Form("local assigned", "DECLARE(v); v = VALUE; PLACE = v;"),
    Form("local ?:", "DECLARE(v) = POINTER->n ? VALUE : OTHER; PLACE = v;"),
    Form("auto", "auto v = VALUE; PLACE = v;"),
    Form("__auto_type", "__auto_type v = VALUE; PLACE = v;"),
    Form("typeof", "typeof(PLACE) v = VALUE; PLACE = v;"),
    Form("pointer to the member", "DECLARE(*at) = &PLACE; *at = VALUE;"),
    Form("pointer to the struct", "STRUCT *q = POINTER; q->MEMBER = VALUE;"),
    Form("WRITE_ONCE", "WRITE_ONCE(PLACE, VALUE);", tags="macro"),
    Form("smp_store_release", "smp_store_release(&PLACE, VALUE);", tags="macro"),
    Form("smp_store_mb", "smp_store_mb(PLACE, VALUE);", tags="macro"),
    Form("rcu_assign_pointer", "rcu_assign_pointer(PLACE, VALUE);", tags="macro pointer"),
    Form("RCU_INIT_POINTER", "RCU_INIT_POINTER(PLACE, VALUE);", tags="macro pointer"),
    Form(
        "rcu_replace_pointer",
        "DECLARE(old) = rcu_replace_pointer(PLACE, VALUE, 1); (void)old;",
        tags="macro pointer object",
    ),
    Form("xchg", "xchg(&PLACE, VALUE);", tags="macro"),
    Form("xchg kept", "DECLARE(old) = xchg(&PLACE, VALUE); (void)old;", tags="macro"),
    Form("cmpxchg", "cmpxchg(&PLACE, NIL, VALUE);", tags="macro"),
    Form(
        "try_cmpxchg",
        "DECLARE(old) = NIL; if (!try_cmpxchg(&PLACE, &old, VALUE)) POINTER->n++;",
        tags="macro",
    ),
    Form("__atomic_store_n", "__atomic_store_n(&PLACE, VALUE, __ATOMIC_RELEASE);"),
    Form("struct initializer", "STRUCT s = { .MEMBER = VALUE }; *POINTER = s;"),
    Form("positional initializer", "STRUCT s = { 1, VALUE }; *POINTER = s;"),
    Form("old designator", "STRUCT s = { MEMBER: VALUE }; *POINTER = s;"),
    Form("compound literal", "*POINTER = (STRUCT){ .MEMBER = VALUE };"),
    Form("positional literal", "*POINTER = (STRUCT){ 1, VALUE };"),
    Form("struct copy", "STRUCT s; s.MEMBER = VALUE; *POINTER = s;"),
    Form(
        "struct copy by pointer",
        "STRUCT s = { .n = 1 }, *q = &s; q->MEMBER = VALUE; *POINTER = *q;",
    ),
    Form("memcpy of the struct", "STRUCT s = { .MEMBER = VALUE }; memcpy(POINTER, &s, sizeof(s));"),
    Form("memcpy of a literal", "memcpy(POINTER, &(STRUCT){ .MEMBER = VALUE }, sizeof(STRUCT));"),
    Form(
        "memcpy by pointer",
        "STRUCT s = { .n = 1 }, *q = &s; q->MEMBER = VALUE; memcpy(POINTER, q, sizeof(*q));",
    ),
    Form("struct copy twice", "STRUCT r, s = { .MEMBER = VALUE }; r = s; *POINTER = r;"),
    Form("struct copy to an element", "STRUCT s = { .MEMBER = VALUE }; POINTER[0] = s;"),
    Form(
        "nested struct",
        "struct { STRUCT in; } s = { .in = { .MEMBER = VALUE } }; *POINTER = s.in;",
    ),
    Form(
        "nested array",
        "STRUCT s[2] = { { .MEMBER = VALUE } }; *POINTER = s[0];",
    ),
    Form("memcpy of the member", "DECLARE(v) = VALUE; memcpy(&PLACE, &v, sizeof(v));"),
    Form(
        "setter",
        "example_set(POINTER, VALUE);",
        "static void example_set(STRUCT *q, DECLARE(v))\n{\n\tq->MEMBER = v;\n}\n",
    ),
    Form(
        "out parameter",
        "example_put(&PLACE, VALUE);",
        "static void example_put(DECLARE(*to), DECLARE(v))\n{\n\t*to = v;\n}\n",
    ),
    Form(
        "out parameter of a local",
        "DECLARE(w) = NIL; example_put(&w, VALUE); PLACE = w;",
        "static void example_put(DECLARE(*to), DECLARE(v))\n{\n\t*to = v;\n}\n",
    ),
    Form(
        "out parameter with WRITE_ONCE",
        "example_put(&PLACE, VALUE);",
        "static void example_put(DECLARE(*to), DECLARE(v))\n{\n\tWRITE_ONCE(*to, v);\n}\n",
        tags="macro",
    ),
    Form(
        "returned",
        "PLACE = example_same(VALUE);",
        "static DECLARE(example_same(DECLARE(v)))\n{\n\treturn v;\n}\n",
    ),
    Form(
        "returned pointer to the member",
        "*example_at(POINTER) = VALUE;",
        "static DECLARE(*example_at(STRUCT *q))\n{\n\treturn &q->MEMBER;\n}\n",
    ),
    Form(
        "returned pointer to the member, kept",
        "DECLARE(*at) = example_at(POINTER); *at = VALUE;",
        "static DECLARE(*example_at(STRUCT *q))\n{\n\treturn &q->MEMBER;\n}\n",
    ),
    Form(
        "element of a returned pointer",
        "example_at(POINTER)[0] = VALUE;",
        "static DECLARE(*example_at(STRUCT *q))\n{\n\treturn &q->MEMBER;\n}\n",
    ),
    Form(
        "setter of the struct",
        "STRUCT s = { .MEMBER = VALUE }; example_fill(POINTER, &s);",
        "static void example_fill(STRUCT *q, const STRUCT *s)\n{\n\t*q = *s;\n}\n",
    ),
    Form(
        "returned pointer to the struct",
        "example_of(POINTER)->MEMBER = VALUE;",
        "static STRUCT *example_of(STRUCT *q)\n{\n\treturn q;\n}\n",
    ),
    Form(
        "returned struct",
        "*POINTER = example_made(VALUE);",
        "static STRUCT example_made(DECLARE(v))\n{\n\tSTRUCT s = { .MEMBER = v };\n\n"
        "\treturn s;\n}\n",
    ),
    Form(
        "macro",
        "EXAMPLE_SET(POINTER, VALUE);",
        "#define EXAMPLE_SET(q, v)\t((q)->MEMBER = (v))\n",
    ),
    Form(
        "macro that is a statement",
        "EXAMPLE_SET(POINTER, VALUE);",
        "#define EXAMPLE_SET(q, v)\tdo { (q)->MEMBER = (v); } while (0)\n",
    ),
    Form(
        "macro of the place",
        "EXAMPLE_PLACE(POINTER) = VALUE;",
        "#define EXAMPLE_PLACE(q)\t((q)->MEMBER)\n",
    ),
    Form(
        "macro of the member",
        "POINTER->EXAMPLE_MEMBER = VALUE;",
        "#define EXAMPLE_MEMBER\tMEMBER\n",
    ),
    Form("#ifdef", "#ifdef CONFIG_EXAMPLE\n\tPLACE = VALUE;\n#else\n\tPLACE = VALUE;\n#endif"),
    Form("#ifdef, nothing else", "#ifdef CONFIG_EXAMPLE\n\tPLACE = VALUE;\n#endif"),
    Form(
        "global",
        "example_one = VALUE;",
        "static DECLARE(example_one);\n",
        place="example_one",
        tags="lasting shared",
    ),
    Form(
        "global struct",
        "example_kept.MEMBER = VALUE;",
        "static STRUCT example_kept;\n",
        place="example_kept.MEMBER",
        tags="lasting shared",
    ),
    Form(
        "global array",
        "example_many[POINTER->n & 3] = VALUE;",
        "static DECLARE(example_many[4]);\n",
        place="example_many[POINTER->n & 3]",
        tags="lasting shared",
    ),
    Form(
        "list_add_tail",
        _ALLOCATED + "list_add_tail(&e->node, &POINTER->all);",
        find=_FOUND + "list_for_each_entry(e, &POINTER->all, node)",
        place="e->MEMBER",
        tags="lasting",
    ),
    Form(
        "list_add_tail_rcu",
        _ALLOCATED + "list_add_tail_rcu(&e->node, &POINTER->all);",
        find=_FOUND + "list_for_each_entry_rcu(e, &POINTER->all, node)",
        place="e->MEMBER",
        tags="lasting",
    ),
    Form(
        "list_first_entry",
        _ALLOCATED + "list_add_tail(&e->node, &POINTER->all);",
        find=_FOUND + "e = list_entry(POINTER->all.next, STRUCT, node);",
        place="e->MEMBER",
        tags="lasting",
    ),
    Form(
        "link of a list",
        _ALLOCATED + "list_add_tail(&e->node, &POINTER->all);",
        find=_FOUND + "struct list_head *l = POINTER->all.next;\n\n"
        "\te = list_entry(l->next, STRUCT, node);",
        place="e->MEMBER",
        tags="lasting",
    ),
    Form(
        "xa_store",
        _ALLOCATED + "xa_store(&POINTER->table, 1, e, GFP_ATOMIC);",
        find=_FOUND + "e = xa_load(&POINTER->table, 1);",
        place="e->MEMBER",
        tags="lasting",
    ),
    Form(
        "xa_store of the value",
        "xa_store(&POINTER->table, 1, VALUE, GFP_ATOMIC);",
        find="DECLARE(v) = xa_load(&POINTER->table, 1);",
        place="v",
        tags="lasting pointer",
    ),
    Form(
        "static table",
        "example_kept = &example_ops;",
        "static const STRUCT example_ops = {\n\t.MEMBER = VALUE,\n};\n"
        "static const STRUCT *example_kept;\n",
        place="example_kept->MEMBER",
        tags="lasting function",
    ),
    Form(
        "positional static table",
        "example_kept = &example_ops;",
        "static const STRUCT example_ops = { 1, VALUE };\nstatic const STRUCT *example_kept;\n",
        place="example_kept->MEMBER",
        tags="lasting function",
    ),
    Form(
        "static table stored by WRITE_ONCE",
        "WRITE_ONCE(example_kept, &example_ops);",
        "static const STRUCT example_ops = {\n\t.MEMBER = VALUE,\n};\n"
        "static const STRUCT *example_kept;\n",
        place="READ_ONCE(example_kept)->MEMBER",
        tags="lasting function macro",
    ),
    Form(
        "static table with an old designator",
        "example_kept = &example_ops;",
        "static const STRUCT example_ops = {\n\tMEMBER: VALUE,\n};\n"
        "static const STRUCT *example_kept;\n",
        place="example_kept->MEMBER",
        tags="lasting function",
    ),
    Form(
        "copy of a static table",
        "*POINTER = example_ops;",
        "static const STRUCT example_ops = {\n\t.MEMBER = VALUE,\n};\n",
        tags="function",
    ),
    Form(
        "static array",
        "POINTER->n = 1;",
        "static DECLARE(const example_steps[]) = { OTHER, VALUE };\n",
        place="example_steps[POINTER->n]",
        tags="lasting function",
    ),
    Form(
        "static array with designators",
        "POINTER->n = 1;",
        "static DECLARE(const example_steps[]) = {\n\t[0] = OTHER,\n\t[1] = VALUE,\n};\n",
        place="example_steps[POINTER->n]",
        tags="lasting function",
    ),
    Form(
        "table that a function returns",
        "POINTER->n = 1;",
        "static const STRUCT example_ops = {\n\t.MEMBER = VALUE,\n};\n"
        "static const STRUCT *example_ops_of(STRUCT *q)\n{\n\treturn &example_ops;\n}\n",
        place="example_ops_of(POINTER)->MEMBER",
        tags="lasting function",
    ),
    Form(
        "static_call_update",
        "static_call_update(example_step, VALUE);",
        "DEFINE_STATIC_CALL(example_step, OTHER);\n",
        place="static_call(example_step)",
        tags="lasting function macro",
    ),
    Form("address of the function", "PLACE = &VALUE;", tags="function"),
    Form("*function", "PLACE = *VALUE;", tags="function"),
)

# `find` stands before the value is asked for, `text` is the value; what POINTER leads to holds it.
READS = (
    Form("p->m", "PLACE"),
    Form("(p->m)", "(PLACE)"),
    Form("(*p).m", "(*POINTER).MEMBER"),
    Form("(&*p)->m", "(&*POINTER)->MEMBER"),
    Form("p[0].m", "POINTER[0].MEMBER"),
    Form("*&p->m", "(*&PLACE)"),
    Form("cast", "((TYPE)PLACE)"),
    Form("cast pointer", "((STRUCT *)POINTER)->MEMBER"),
    Form("comma", "(skb->len++, PLACE)"),
    Form("({ })", "({ PLACE; })"),
    Form("({ local })", "({ DECLARE(v) = PLACE; v; })"),
    Form("?: with itself", "(skb->len ? PLACE : PLACE)"),
    Form("GNU ?:", "(PLACE ?: PLACE)"),
    Form("READ_ONCE", "READ_ONCE(PLACE)", tags="macro"),
    Form("smp_load_acquire", "smp_load_acquire(&PLACE)", tags="macro"),
    Form("rcu_dereference", "rcu_dereference(PLACE)", tags="macro pointer"),
    Form("rcu_dereference_bh", "rcu_dereference_bh(PLACE)", tags="macro pointer"),
    Form("rcu_dereference_protected", "rcu_dereference_protected(PLACE, 1)", tags="macro pointer"),
    Form("rcu_dereference_check", "rcu_dereference_check(PLACE, 1)", tags="macro pointer"),
    Form("rtnl_dereference", "rtnl_dereference(PLACE)", tags="macro pointer"),
    Form("rcu_access_pointer", "rcu_access_pointer(PLACE)", tags="macro pointer"),
    Form("xchg", "xchg(&PLACE, NIL)", tags="macro once"),
    Form("__atomic_load_n", "__atomic_load_n(&PLACE, __ATOMIC_ACQUIRE)"),
    Form("local", "v", find="DECLARE(v) = PLACE;"),
    Form("local assigned", "v", find="DECLARE(v); v = PLACE;"),
    Form("auto", "v", find="auto v = PLACE;"),
    Form("__auto_type", "v", find="__auto_type v = PLACE;"),
    Form("typeof", "v", find="typeof(PLACE) v = PLACE;"),
    Form("local READ_ONCE", "v", find="DECLARE(v) = READ_ONCE(PLACE);", tags="macro"),
    Form("two locals", "w", find="DECLARE(v) = PLACE, w = v;", tags="number"),
    Form("local ({ })", "v", find="DECLARE(v) = ({ PLACE; });"),
    Form("pointer to the struct", "q->MEMBER", find="STRUCT *q = POINTER;"),
    Form("pointer to the member", "(*at)", find="DECLARE(*at) = &PLACE;"),
    Form("pointer to pointer", "(*at)->MEMBER", find="STRUCT *q = POINTER, **at = &q;"),
    Form("struct copy", "s.MEMBER", find="STRUCT s = *POINTER;"),
    Form("struct copy assigned", "s.MEMBER", find="STRUCT s; s = *POINTER;"),
    Form("memcpy of the struct", "s.MEMBER", find="STRUCT s; memcpy(&s, POINTER, sizeof(s));"),
    Form("memcpy of the member", "v", find="DECLARE(v); memcpy(&v, &PLACE, sizeof(v));"),
    Form(
        "getter",
        "example_get(POINTER)",
        "static DECLARE(example_get(STRUCT *q))\n{\n\treturn q->MEMBER;\n}\n",
    ),
    Form(
        "inline getter",
        "example_get(POINTER)",
        "static inline DECLARE(example_get(const STRUCT *q))\n"
        "{\n\treturn READ_ONCE(q->MEMBER);\n}\n",
    ),
    Form(
        "getter of a getter",
        "example_got(POINTER)",
        "static DECLARE(example_get(STRUCT *q))\n{\n\treturn q->MEMBER;\n}\n"
        "static DECLARE(example_got(STRUCT *q))\n{\n\treturn example_get(q);\n}\n",
    ),
    Form(
        "getter of the struct",
        "example_of(POINTER)->MEMBER",
        "static STRUCT *example_of(STRUCT *q)\n{\n\treturn q;\n}\n",
    ),
    Form(
        "getter of a copy",
        "example_copy(POINTER).MEMBER",
        "static STRUCT example_copy(STRUCT *q)\n{\n\treturn *q;\n}\n",
    ),
    Form(
        "getter through a pointer",
        "example_get(&PLACE)",
        "static DECLARE(example_get(DECLARE(*at)))\n{\n\treturn *at;\n}\n",
    ),
    Form(
        "out parameter",
        "v",
        "static void example_get(STRUCT *q, DECLARE(*to))\n{\n\t*to = q->MEMBER;\n}\n",
        find="DECLARE(v) = NIL; example_get(POINTER, &v);",
    ),
    Form(
        "out parameter, a struct",
        "s.MEMBER",
        "static void example_get(STRUCT *q, STRUCT *to)\n{\n\t*to = *q;\n}\n",
        find="STRUCT s; example_get(POINTER, &s);",
    ),
    Form("macro", "EXAMPLE_GET(POINTER)", "#define EXAMPLE_GET(q)\t((q)->MEMBER)\n"),
    Form(
        "macro with a block",
        "EXAMPLE_GET(POINTER)",
        "#define EXAMPLE_GET(q)\t({ STRUCT *__q = (q); __q->MEMBER; })\n",
    ),
    Form("macro of the member", "POINTER->EXAMPLE_MEMBER", "#define EXAMPLE_MEMBER\tMEMBER\n"),
    Form(
        "macro of struct and member",
        "EXAMPLE_GET(POINTER, MEMBER)",
        "#define EXAMPLE_GET(q, rest)\t((q)->rest)\n",
    ),
    Form("container_of", "container_of(&POINTER->NODE, STRUCT, NODE)->MEMBER"),
    Form(
        "container_of, local",
        "q->MEMBER",
        find="STRUCT *q = container_of(&POINTER->NODE, STRUCT, NODE);",
    ),
    Form(
        "array of pointers",
        "many[skb->len & 1]->MEMBER",
        find="STRUCT *many[] = { POINTER, POINTER };",
    ),
    Form(
        "array element", "many[skb->len & 1]", find="DECLARE(many[2]); many[0] = many[1] = PLACE;"
    ),
    Form("array initializer", "many[skb->len & 1]", find="DECLARE(many[]) = { PLACE, PLACE };"),
    Form("struct of another type", "o.v", find="struct { DECLARE(v); } o = { .v = PLACE };"),
    Form("struct of another type, assigned", "o.v", find="struct { DECLARE(v); } o; o.v = PLACE;"),
    Form("union", "u.v", find="union { DECLARE(v); unsigned long bits; } u = { .v = PLACE };"),
    Form("void pointer", "((STRUCT *)q)->MEMBER", find="void *q = POINTER;"),
    Form("void pointer to typed", "q->MEMBER", find="void *any = POINTER; STRUCT *q = any;"),
    Form(
        "unsigned long", "((STRUCT *)q)->MEMBER", find="unsigned long q = (unsigned long)POINTER;"
    ),
    Form("conditional local", "v", find="DECLARE(v); if (skb->len) v = PLACE; else v = PLACE;"),
    Form(
        "#ifdef",
        "v",
        find="#ifdef CONFIG_EXAMPLE\n\tDECLARE(v) = PLACE;\n#else\n\tDECLARE(v) = PLACE;\n#endif",
    ),
    Form("for head", "v", find="DECLARE(v); for (v = PLACE; skb->len > 9000; skb->len--) ;"),
)

_RUN = "static RETURN example_run(DECLARE(step), PARAMETERS)\n{\n\treturn step(PASSED);\n}\n"

# `find` stands before the call, `text` is the call.
CALLS = (
    Form("f(x)", "FUNCTION(ARGUMENTS)"),
    Form("(f)(x)", "(FUNCTION)(ARGUMENTS)"),
    Form("(*f)(x)", "(*FUNCTION)(ARGUMENTS)"),
    Form("(**f)(x)", "(**FUNCTION)(ARGUMENTS)"),
    Form("(&f)(x)", "(&FUNCTION)(ARGUMENTS)"),
    Form("cast callee", "((TYPE)FUNCTION)(ARGUMENTS)"),
    Form("({ f; })(x)", "({ FUNCTION; })(ARGUMENTS)"),
    Form("({ f(x); })", "({ FUNCTION(ARGUMENTS); })"),
    Form("comma callee", "(p->n, FUNCTION)(ARGUMENTS)"),
    Form("comma", "(p->n++, FUNCTION(ARGUMENTS))"),
    Form("?: callee", "(p->n ? FUNCTION : IDLE)(ARGUMENTS)"),
    Form("?: callee, last", "(p->n ? IDLE : FUNCTION)(ARGUMENTS)"),
    Form("?: of calls", "(p->n ? FUNCTION(ARGUMENTS) : IDLE(ARGUMENTS))"),
    Form("__builtin_choose_expr", "__builtin_choose_expr(1, FUNCTION, IDLE)(ARGUMENTS)"),
    Form("_Generic", "_Generic(x, struct xfrm_state *: FUNCTION, default: IDLE)(ARGUMENTS)"),
    Form("macro", "EXAMPLE_CALL(ARGUMENTS)", "#define EXAMPLE_CALL(...)\tFUNCTION(__VA_ARGS__)\n"),
    Form("macro that is a name", "example_other(ARGUMENTS)", "#define example_other\tFUNCTION\n"),
    Form(
        "macro of the callee",
        "EXAMPLE_CALL(FUNCTION, ARGUMENTS)",
        "#define EXAMPLE_CALL(f, ...)\tf(__VA_ARGS__)\n",
    ),
    Form(
        "macro by ##",
        "EXAMPLE_CALL(REST)(ARGUMENTS)",
        "#define EXAMPLE_CALL(rest)\texample_##rest\n",
    ),
    Form("local pointer", "f(ARGUMENTS)", find="DECLARE(f) = FUNCTION;"),
    Form("local pointer, &", "f(ARGUMENTS)", find="DECLARE(f) = &FUNCTION;"),
    Form("local pointer, (*f)", "(*f)(ARGUMENTS)", find="DECLARE(f) = FUNCTION;"),
    Form("local pointer, assigned", "f(ARGUMENTS)", find="DECLARE(f); f = FUNCTION;"),
    Form("local pointer, if", "f(ARGUMENTS)", find="DECLARE(f) = IDLE; if (p->n) f = FUNCTION;"),
    Form("local pointer, auto", "f(ARGUMENTS)", find="auto f = FUNCTION;"),
    Form("local pointer, typeof", "f(ARGUMENTS)", find="typeof(FUNCTION) *f = FUNCTION;"),
    Form(
        "local pointer, a = b = f", "f(ARGUMENTS)", find="DECLARE(g); DECLARE(f); f = g = FUNCTION;"
    ),
    Form(
        "local pointer, READ_ONCE",
        "READ_ONCE(f)(ARGUMENTS)",
        find="DECLARE(f) = FUNCTION;",
        tags="macro",
    ),
    Form(
        "pointer to pointer", "(*at)(ARGUMENTS)", find="DECLARE(f) = FUNCTION; DECLARE(*at) = &f;"
    ),
    Form("local struct", "o.f(ARGUMENTS)", find="struct { DECLARE(f); } o = { FUNCTION };"),
    Form("local array", "many[p->n & 1](ARGUMENTS)", find="DECLARE(many[]) = { IDLE, FUNCTION };"),
    Form(
        "static array",
        "example_many[p->n & 1](ARGUMENTS)",
        "static DECLARE(const example_many[]) = { IDLE, FUNCTION };\n",
    ),
    Form("static pointer", "example_step(ARGUMENTS)", "static DECLARE(example_step) = FUNCTION;\n"),
    Form(
        "typedef", "f(ARGUMENTS)", "typedef DECLARE(example_fn);\n", find="example_fn f = FUNCTION;"
    ),
    Form(
        "returned pointer",
        "example_pick(p->n)(ARGUMENTS)",
        "static DECLARE(example_pick(int n))\n{\n\treturn n ? FUNCTION : IDLE;\n}\n",
    ),
    Form("void pointer", "((TYPE)f)(ARGUMENTS)", find="void *f = FUNCTION;"),
    Form("callback", "example_run(FUNCTION, ARGUMENTS)", _RUN),
    Form("callback, ?:", "example_run(p->n ? FUNCTION : IDLE, ARGUMENTS)", _RUN),
    Form(
        "wrapper",
        "example_wrap(ARGUMENTS)",
        "static RETURN example_wrap(PARAMETERS)\n{\n\treturn FUNCTION(PASSED);\n}\n",
    ),
    Form(
        "inline wrapper",
        "example_wrap(ARGUMENTS)",
        "static inline RETURN example_wrap(PARAMETERS)\n{\n\treturn FUNCTION(PASSED);\n}\n",
    ),
    Form(
        "INDIRECT_CALL_1",
        "INDIRECT_CALL_1(f, FUNCTION, ARGUMENTS)",
        find="DECLARE(f) = FUNCTION;",
        tags="macro",
    ),
    Form(
        "INDIRECT_CALL_1 of another",
        "INDIRECT_CALL_1(f, IDLE, ARGUMENTS)",
        find="DECLARE(f) = FUNCTION;",
        tags="macro",
    ),
    Form(
        "INDIRECT_CALL_2",
        "INDIRECT_CALL_2(f, IDLE, FUNCTION, ARGUMENTS)",
        find="DECLARE(f) = FUNCTION;",
        tags="macro",
    ),
    Form(
        "static_call",
        "static_call(example_step)(ARGUMENTS)",
        "DEFINE_STATIC_CALL(example_step, FUNCTION);\n",
        tags="macro",
    ),
    Form(
        "static_call that is updated",
        "static_call(example_step)(ARGUMENTS)",
        "DEFINE_STATIC_CALL(example_step, IDLE);\n"
        "void example_board(int n)\n{\n\tif (n)\n"
        "\t\tstatic_call_update(example_step, FUNCTION);\n}\n",
        tags="macro",
    ),
    Form(
        "static_call that was nothing",
        "static_call(example_step)(ARGUMENTS)",
        "DEFINE_STATIC_CALL_NULL(example_step, IDLE);\n"
        "void example_board(int n)\n{\n\tstatic_call_update(example_step, FUNCTION);\n}\n",
        tags="macro",
    ),
    Form(
        "table of a local struct",
        "o.f(ARGUMENTS)",
        find="struct { DECLARE(f); } o; o.f = FUNCTION;",
    ),
    Form(
        "#ifdef",
        "example_other(ARGUMENTS)",
        "#ifdef CONFIG_EXAMPLE\n#define example_other\tFUNCTION\n"
        "#else\n#define example_other\tFUNCTION\n#endif\n",
    ),
)

# `find` stands before the test; h is the handle. `text` tests it.
TESTS = (
    Form("if (!h)", "if (!h) EXIT USE; TAIL"),
    Form("if (h == 0)", "if (h == 0) EXIT USE; TAIL"),
    Form("if (0 == h)", "if (0 == h) EXIT USE; TAIL"),
    Form("if (h == NULL)", "if (h == NULL) EXIT USE; TAIL", tags="pointer"),
    Form("if (NULL == h)", "if (NULL == h) EXIT USE; TAIL", tags="pointer"),
    Form("if (!(void *)h)", "if (!(void *)h) EXIT USE; TAIL"),
    Form("if (h < 1)", "if (h < 1) EXIT USE; TAIL", tags="number"),
    Form("if (1 > h)", "if (1 > h) EXIT USE; TAIL", tags="number"),
    Form("if (h <= 0)", "if (h <= 0) EXIT USE; TAIL", tags="number"),
    Form("if (h - 1 >= 63)", "if (h - 1 >= 63) EXIT USE; TAIL", tags="number"),
    Form("if (h)", "if (h) { USE; TAIL } EXIT"),
    Form("if (h) else", "if (h) { USE; } else { EXIT } TAIL"),
    Form("if (h != 0)", "if (h != 0) { USE; TAIL } EXIT"),
    Form("if (0 != h)", "if (0 != h) { USE; TAIL } EXIT"),
    Form("if (h > 0)", "if (h > 0) { USE; TAIL } EXIT", tags="number"),
    Form("if (h >= 1)", "if (h >= 1) { USE; TAIL } EXIT", tags="number"),
    Form("if (h == 0) else", "if (h == 0) { EXIT } else { USE; } TAIL"),
    Form("if ((!(h)))", "if ((!(h))) EXIT USE; TAIL"),
    Form("if (!!h)", "if (!!h) { USE; TAIL } EXIT"),
    Form("if (!!h == false)", "if (!!h == false) EXIT USE; TAIL"),
    Form("if (!h == true)", "if (!h == true) EXIT USE; TAIL"),
    Form("if (!h != 0)", "if (!h != 0) EXIT USE; TAIL"),
    Form("if (h ? 0 : 1)", "if (h ? 0 : 1) EXIT USE; TAIL"),
    Form("if (({ !h; }))", "if (({ !h; })) EXIT USE; TAIL"),
    Form("comma", "if (p->n++, !h) EXIT USE; TAIL"),
    Form("likely", "if (likely(h)) { USE; TAIL } EXIT", tags="macro"),
    Form("unlikely", "if (unlikely(!h)) EXIT USE; TAIL", tags="macro"),
    Form("unlikely(h == 0)", "if (unlikely(h == 0)) EXIT USE; TAIL", tags="macro"),
    Form("__builtin_expect", "if (__builtin_expect(!h, 0)) EXIT USE; TAIL"),
    Form("READ_ONCE", "if (!READ_ONCE(h)) EXIT USE; TAIL", tags="macro"),
    Form("?:", "h ? USE : (void)0; if (!h) EXIT TAIL"),
    Form("&&", "if (p->n && h) { USE; TAIL } EXIT"),
    Form("&& last", "if (h && p->n) { USE; TAIL } EXIT"),
    Form("&& expression", "if (!(h && (USE, 1))) EXIT TAIL"),
    Form("||", "if (!h || p->n) EXIT USE; TAIL"),
    Form("|| last", "if (p->n || !h) EXIT USE; TAIL"),
    Form("|| expression", "if (!h || (USE, 0)) EXIT TAIL"),
    Form("De Morgan", "if (!(h && p->n)) EXIT USE; TAIL"),
    Form("! |", "if (!h | !p->n) EXIT USE; TAIL"),
    Form("! | last", "if (p->n | !h) EXIT USE; TAIL"),
    Form("!! &", "if (!!h & !p->n) { USE; TAIL } EXIT"),
    Form("== 0 +", "if ((h == 0) + !p->n) EXIT USE; TAIL", tags="number"),
    Form("goto", "if (!h) goto out; USE; TAIL\nout:\n\tEXIT"),
    Form("goto the use", "if (h) goto use; EXIT\nuse:\n\tUSE; TAIL"),
    Form("goto twice", "if (!h) goto drop; USE; TAIL\ndrop:\n\tgoto out;\nout:\n\tEXIT"),
    Form("while", "while (h) { USE; TAIL } EXIT"),
    Form("while (!h)", "while (!h) EXIT USE; TAIL"),
    Form("for", "for (; h; ) { USE; TAIL } EXIT"),
    Form("do break", "do { if (!h) break; USE; TAIL } while (0); EXIT"),
    Form("for (;;)", "for (;;) { if (!h) break; USE; TAIL } EXIT"),
    Form("switch case 0", "switch (h) { case 0: EXIT default: break; } USE; TAIL", tags="number"),
    Form("switch default", "switch (h) { case 0: EXIT default: USE; } TAIL", tags="number"),
    Form("switch 0 last", "switch (h) { default: USE; break; case 0: EXIT } TAIL", tags="number"),
    Form("switch (!h)", "switch (!h) { case 1: EXIT } USE; TAIL"),
    Form("switch (!!h)", "switch (!!h) { case 0: EXIT case 1: USE; } TAIL"),
    Form("WARN_ON", "if (WARN_ON(!h)) EXIT USE; TAIL"),
    Form("WARN_ON_ONCE", "if (WARN_ON_ONCE(h == 0)) EXIT USE; TAIL"),
    Form("IS_ERR_OR_NULL", "if (IS_ERR_OR_NULL((void *)h)) EXIT USE; TAIL", tags="macro"),
    Form("bool", "if (!ok) EXIT USE; TAIL", find="bool ok = h;"),
    Form("bool, !!", "if (!ok) EXIT USE; TAIL", find="bool ok = !!h;"),
    Form("bool, != 0", "if (!ok) EXIT USE; TAIL", find="bool ok = h != 0;"),
    Form("bool, assigned", "if (!ok) EXIT USE; TAIL", find="bool ok; ok = h != 0;"),
    Form("bool, !", "if (none) EXIT USE; TAIL", find="bool none = !h;"),
    Form("int, ?:", "if (err) EXIT USE; TAIL", find="int err = h ? 0 : -ENOENT;"),
    Form("int, if", "if (err) EXIT USE; TAIL", find="int err = 0; if (!h) err = -ENOENT;"),
    Form("copy", "if (!copy) EXIT USE; TAIL", find="unsigned long copy = (unsigned long)h;"),
    Form(
        "copy in the condition",
        "if (!(copy = (unsigned long)h)) EXIT USE; TAIL",
        find="unsigned long copy;",
    ),
    Form(
        "predicate",
        "if (!example_has(h)) EXIT USE; TAIL",
        "static bool example_has(DECLARE(v))\n{\n\treturn v != 0;\n}\n",
    ),
    Form(
        "predicate with two returns",
        "if (!example_has(h)) EXIT USE; TAIL",
        "static bool example_has(DECLARE(v))\n{\n\tif (v)\n\t\treturn true;\n\treturn false;\n}\n",
    ),
    Form(
        "predicate, negative",
        "if (example_none(h)) EXIT USE; TAIL",
        "static inline bool example_none(DECLARE(v))\n{\n\treturn !v;\n}\n",
    ),
    Form(
        "predicate, error",
        "if (err) EXIT USE; TAIL",
        "static int example_check(DECLARE(v))\n{\n\tif (!v)\n\t\treturn -ENOENT;\n\treturn 0;\n}\n",
        find="int err = example_check(h);",
    ),
    Form(
        "predicate, error < 0",
        "if (example_check(h) < 0) EXIT USE; TAIL",
        "static int example_check(DECLARE(v))\n{\n\treturn v ? 0 : -ENOENT;\n}\n",
    ),
    Form(
        "predicate through a pointer",
        "if (!example_has(&h)) EXIT USE; TAIL",
        "static bool example_has(DECLARE(*v))\n{\n\treturn *v != 0;\n}\n",
    ),
    Form(
        "predicate macro",
        "if (!EXAMPLE_HAS(h)) EXIT USE; TAIL",
        "#define EXAMPLE_HAS(v)\t((v) != 0)\n",
    ),
    Form(
        "predicate macro with a block",
        "if (!EXAMPLE_HAS(h)) EXIT USE; TAIL",
        "#define EXAMPLE_HAS(v)\t({ bool __has = !!(v); __has; })\n",
    ),
    Form(
        "macro that leaves",
        "EXAMPLE_NEED(h) USE; TAIL",
        "#define EXAMPLE_NEED(v)\tif (!(v)) EXIT\n",
    ),
    Form(
        "#ifdef",
        "#ifdef CONFIG_EXAMPLE\n\tif (!h)\n#else\n\tif (h == 0)\n#endif\n\t\tEXIT\n\tUSE; TAIL",
    ),
    # A packet that meets these comes to the use with 0.
    Form("none", "USE; TAIL", tags="through"),
    Form("after the use", "USE; if (!h) EXIT TAIL", tags="through"),
    Form("another variable", "if (!p->n) EXIT USE; TAIL", tags="through"),
    Form("another number", "if (h == 5) EXIT USE; TAIL", tags="through number"),
    Form("!= another number", "if (h != 5) { USE; TAIL } EXIT", tags="through number"),
    Form("upper bound", "if (h >= 64) EXIT USE; TAIL", tags="through number"),
    Form(">= 0", "if (h >= 0) { USE; TAIL } EXIT", tags="through number"),
    Form("== ~0UL", "if (h == ~0UL) EXIT USE; TAIL", tags="through number"),
    Form("empty", "if (!h) { } USE; TAIL", tags="through"),
    Form("counts only", "if (!h) p->n++; USE; TAIL", tags="through"),
    Form("WARN_ON alone", "WARN_ON(!h); USE; TAIL", tags="through"),
    Form("IS_ERR", "if (IS_ERR((void *)h)) EXIT USE; TAIL", tags="through macro"),
    Form("|| another", "if (h || p->n) { USE; TAIL } EXIT", tags="through"),
    Form("&& another", "if (!h && p->n) EXIT USE; TAIL", tags="through"),
    Form("! & another", "if (!h & !p->n) EXIT USE; TAIL", tags="through"),
    Form("!(| another)", "if (!(h | p->n)) EXIT USE; TAIL", tags="through number"),
    Form("! + a number", "if (!h + p->n > 1) EXIT USE; TAIL", tags="through"),
    Form("address", "if (!&h) EXIT USE; TAIL", tags="through"),
    Form("sizeof", "if (!sizeof(h)) EXIT USE; TAIL", tags="through"),
    Form("bool of another", "if (!ok) EXIT USE; TAIL", find="bool ok = p->n;", tags="through"),
    Form("bool unused", "(void)ok; USE; TAIL", find="bool ok = h;", tags="through"),
    Form("goto the use, both", "if (!h) goto use; p->n++;\nuse:\n\tUSE; TAIL", tags="through"),
    Form("switch case 1", "switch (h) { case 1: EXIT } USE; TAIL", tags="through number"),
    Form(
        "switch falls through",
        "switch (h) { case 0: p->n++; fallthrough; default: USE; } TAIL",
        tags="through number",
    ),
    Form(
        "predicate of another",
        "if (!example_has(p)) EXIT USE; TAIL",
        "static bool example_has(struct example *q)\n{\n\treturn q->n != 0;\n}\n",
        tags="through",
    ),
    Form(
        "predicate unheeded",
        "example_has(h); USE; TAIL",
        "static bool example_has(DECLARE(v))\n{\n\treturn v != 0;\n}\n",
        tags="through",
    ),
)
