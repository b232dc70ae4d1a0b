"""Forms of C that are written seldom, each right and wrong: they are understood, or admitted."""

import pytest

from tests.laid import EXAMPLE
from tests.whole.around import BASE, HEAD, TAIL, TESTED, UNTESTED, XMIT, driver, reported, said

OUT = """
static void example_out(struct example *p, u32 h)
{
	USE
}
"""
OPS = "static const struct example_ops example_ops = { .get = example_get, .out = example_out };\n"
TWO = "static const struct example_ops example_many[] = { {}, { example_get, example_out } };\n"
SET = "((struct example *)netdev_priv(dev))->ops = &example_ops;"
FILL = "static void example_fill(u32 v[2], u32 h)\n{\n\tv[1] = h;\n}\n"

# What stands outside, in example_xmit() and where the device is set up; USE is right, or wrong.
USES = {
    "a pointer's call in a pointer's call": (
        OUT + OPS,
        "p->ops->out(p, p->ops->get(x, dev));",
        SET,
    ),
    "of an array": (OUT + TWO, "example_many[p->n].out(p, example_many[p->n].get(x, dev));", ""),
    "of a copy": (OUT + OPS, "struct example_ops o = example_ops; o.out(p, o.get(x, dev));", ""),
    "what a pointer's call returned": (
        OUT + OPS,
        "h = p->ops->get(x, dev);\n\tUSE",
        SET,
    ),
    "an element that a function fills": (
        FILL,
        "u32 v[2] = {};\n\n\texample_fill(v, example_get(x, dev)); h = v[1];\n\tUSE",
        "",
    ),
}


@pytest.mark.parametrize("parts", USES.values(), ids=USES)
def test_a_handle_is_followed_to_its_use(parts: tuple[str, str, str]) -> None:
    right, wrong = ([p.replace("USE", use) for p in parts] for use in (TESTED, UNTESTED))
    assert said(*right) == []
    assert said(*wrong) == [("UNCHECKED_LOWER_HANDLE", UNTESTED)]


@pytest.mark.parametrize(("device", "types"), [("d", []), ("e", ["WRONG_LOWER_DEV"])])
def test_what_is_swapped_is_swapped(device: str, types: list[str]) -> None:
    body = f"swap(d, e); h = xfrm_dev_state_lower_handle(x, {device});\n\t{TESTED}"
    assert [kind for kind, _ in said("", body)] == types


@pytest.mark.parametrize(("ends", "found"), [("h != 0", []), ("true", ["UNCHECKED_LOWER_HANDLE"])])
def test_a_flag_holds_behind_the_loop_that_it_ends(ends: str, found: list[str]) -> None:
    loop = f"bool ok = false;\n\n\twhile (!ok) {{ h = example_get(x, dev); ok = {ends}; }}"
    assert [kind for kind, _ in said("", f"{loop}\n\twritel(h, p->io);")] == found


@pytest.mark.parametrize(
    ("to", "found"), [("&own", []), ("&example_last[1]", ["HANDLE_OUTLIVES_PACKET"])]
)
def test_a_files_array_lasts(to: str, found: list[str]) -> None:
    body = f"u32 own, *at = {to};\n\n\th = example_get(x, dev); if (h) *at = h;"
    assert [kind for kind, _ in said("", body)] == found


@pytest.mark.parametrize(("use", "found"), [(TESTED, []), (UNTESTED, ["UNCHECKED_LOWER_HANDLE"])])
@pytest.mark.parametrize("included", ["callee", "caller"])
def test_an_included_source_is_one_with_the_other(
    use: str, found: list[str], included: str
) -> None:
    out = OUT.replace("USE", use)
    xmit = XMIT.replace("BODY", "example_out(p, example_get(x, dev));")
    line = '#include "inner.c"\n'
    parts = (line + xmit, out) if included == "callee" else (out + line, xmit)
    files = {"example.c": HEAD + parts[0] + TAIL.replace("INIT", ""), "inner.c": parts[1]}
    assert [kind for kind, _ in reported(files)] == found


def test_an_included_sources_site_has_its_callers() -> None:
    get = "\nstatic u32 example_own(struct xfrm_state *x)\n{\n\treturn x->xso.offload_handle;\n}\n"
    xmit = XMIT.replace("BODY", "h = example_own(x) + example_get(x, dev);")
    outer = HEAD + get + '#include "inner.c"\n' + TAIL.replace("INIT", "")
    found = reported({"example.c": outer, "inner.c": xmit})
    assert ("DIRECT_OFFLOAD_HANDLE", "return x->xso.offload_handle;") in found


@pytest.mark.parametrize(
    ("base", "offset"),
    [
        ("&x->xso", "struct xfrm_dev_offload, offload_handle"),
        ("x", "struct xfrm_state, xso.offload_handle"),
    ],
)
def test_a_member_by_its_offset_is_admitted(base: str, offset: str) -> None:
    body = f"h = *(unsigned long *)((u8 *){base} + offsetof({offset}));"
    text = driver("", f"{body} (void)example_get(x, dev);")
    reasons = [row.reason for row in BASE.check_example(text).unknown]
    assert "the offset of offload_handle is taken, and what is done with it is not known" in reasons


@pytest.mark.parametrize(("length", "parsed"), [("8", True), ("8 ] = [ 0", False)])
def test_what_macros_make_in_a_struct_is_parsed(length: str, parsed: bool) -> None:
    outside = (
        f"#define LENGTH {length}\nstruct kept {{ struct xfrmdev_ops *ops; u32 t[LENGTH]; }};\n"
    )
    report = BASE.check_example(driver(outside, f"h = example_get(x, dev);\n\t{TESTED}"))
    assert any("could not be parsed" in row.reason for row in report.unknown) != parsed


def test_a_function_is_declared_by_a_macro() -> None:
    outside = (
        "\nINDIRECT_CALLABLE_DECLARE(u32 example_get(struct xfrm_state *, struct net_device *));\n"
    )
    report = BASE.check_example(driver(outside, f"h = example_get(x, dev);\n\t{TESTED}"))
    assert [row.reason for row in report.unknown] == []


def test_a_choice_by_type_is_no_call() -> None:
    outside = (
        "\n#define example_of(s) _Generic((s), struct xfrm_state *: (s)->xso.offload_handle)\n"
    )
    report = BASE.check_example(driver(outside, f"h = example_of(x);\n\t{TESTED}"))
    assert report.findings[0].type == "DIRECT_OFFLOAD_HANDLE"
    assert [row.reason for row in report.unknown] == []


READS = """
typedef u32 (*example_read_t)(struct xfrm_state *x);
#define example_put(place, value) (*(volatile __typeof__(place) *)&(place) = (value))
struct example_reads { example_read_t read; };
static struct example_reads example_reads;

static u32 example_read(struct xfrm_state *x)
{
	return x->xso.offload_handle; /* here */
}
static u32 example_none(struct xfrm_state *x)
{
	return 0;
}
"""
STORES = (
    "WRITE_ONCE(example_reads.read, example_read);",
    "WRITE_ONCE(example_reads.read, dev->mtu > 1 ? example_none : dev->mtu ? 0 : example_read);",
    "smp_store_release(&example_reads.read, example_read);",
    "__atomic_store_n(&example_reads.read, example_read, __ATOMIC_RELEASE);",
    "rcu_assign_pointer(example_reads.read, example_read);",
    "*&example_reads.read = example_read;",
    "*(example_read_t *)&example_reads.read = example_read;",
    "example_put(example_reads.read, example_read);",
    "example_reads.read = symbol_get(example_read);",
)


@pytest.mark.parametrize("store", STORES)
def test_what_is_stored_is_called(store: str) -> None:
    """However it is stored: who reads the member calls it."""
    found = said(READS, "h = example_reads.read(x) + example_get(x, dev);", store)
    assert ("DIRECT_OFFLOAD_HANDLE", "return x->xso.offload_handle; /* here */") in found


BOTH = """
#define example_offload(o) _Generic((o), \\
	struct xfrm_policy *: &((struct xfrm_policy *)(o))->xdo, \\
	struct xfrm_state *: &((struct xfrm_state *)(o))->xso)
static struct xfrm_policy *example_policy;
static u32 example_of(const struct xfrm_dev_offload *off)
{
	return off->offload_handle;
}
"""


@pytest.mark.parametrize(
    ("of", "types"), [("example_policy", []), ("x", ["DIRECT_OFFLOAD_HANDLE"])]
)
def test_a_macro_for_both_is_about_what_it_is_given(of: str, types: list[str]) -> None:
    body = f"(void)example_of(example_offload({of})); h = example_get(x, dev); {TESTED}"
    assert [kind for kind, _ in said(BOTH, body)] == types


EACH = """
#define example_for_each_handle(h, n, sp, d) \\
	for ((n) = 0; (n) < (sp)->len; (n)++) \\
		if (!((h) = xfrm_dev_state_lower_handle((sp)->xvec[n], (d)))) \\
			continue; \\
		else
"""


@pytest.mark.parametrize(("device", "types"), [("e", []), ("d", ["WRONG_LOWER_DEV"])])
def test_a_loop_macro_can_hold_the_call(device: str, types: list[str]) -> None:
    loop = f"example_for_each_handle(h, i, skb_sec_path(skb), {device})\n\t\t{UNTESTED}"
    body = f"int i;\n\n\tif (!xfrm_offload(skb)) return NETDEV_TX_OK;\n\t{loop}"
    assert [kind for kind, _ in said(EACH, body)] == types


JUDGES = """
struct example_packet { u32 sa, len; };
bool example_live(unsigned long h);
int example_send(struct example *p, u32 h);
void example_post(struct example *p, struct example_packet packet);
void example_quirk(struct example *p, struct example_packet *packet);
"""
PACKET = "struct example_packet packet = { .len = skb->len, .sa = h };\n\n\t"
NOT_SEEN = "which is not seen and may test it"


@pytest.mark.parametrize(
    ("body", "admitted"),
    [
        (
            "if (!example_live(h)) return NETDEV_TX_OK; writel(h, p->io);",
            "whether the comparison before this use excludes 0 is not known",
        ),
        (
            "if (h > 8 || !example_live(h)) return NETDEV_TX_OK; writel(h, p->io);",
            "whether the comparison before this use excludes 0 is not known",
        ),
        ("if (example_send(p, h)) return NETDEV_TX_OK; writel(h, p->io);", NOT_SEEN),
        (f"{PACKET}example_post(p, packet);", NOT_SEEN),
        (f"{PACKET}if (!h) p->n++; example_post(p, packet);", NOT_SEEN),
        (f"{PACKET}example_quirk(p, &packet); writel(packet.sa, p->io);", NOT_SEEN),
        (f"{PACKET}example_quirk(p, &packet); if (packet.sa) writel(packet.sa, p->io);", NOT_SEEN),
        (f"{PACKET}if (h) example_post(p, packet);", ""),
    ],
)
def test_a_function_that_nobody_sees_may_test(body: str, admitted: str) -> None:
    report = BASE.check_example(driver(JUDGES, f"h = example_get(x, dev);\n\t{body}"))
    assert list(report.findings) == []
    reasons = [row.reason for row in report.unknown if "sleep" not in row.reason]
    assert [admitted in reason for reason in reasons] == [True] * bool(admitted)


def test_a_function_that_nobody_sees_tests_for_itself_alone() -> None:
    body = f"h = example_get(x, dev);\n\t{PACKET}example_post(p, packet); {UNTESTED}"
    assert said(JUDGES, body) == [("UNCHECKED_LOWER_HANDLE", body.splitlines()[-1].strip())]


ERROR = "int i = example_get(x, dev);\n\n\tif (!i) i = -ENOENT;\n\t"


@pytest.mark.parametrize(
    ("asked", "types"), [("i < 0", []), ("i > 63", ["UNCHECKED_LOWER_HANDLE"])]
)
def test_an_error_that_was_asked_for_is_no_handle(asked: str, types: list[str]) -> None:
    """Whether what it is given to is hardware, or counts errors, can't be told."""
    body = f"{ERROR}if ({asked}) {{ writel(-i, p->io); return NETDEV_TX_OK; }} writel(i, p->io);"
    report = BASE.check_example(driver("", body))
    assert [f.type for f in report.findings] == types
    admitted = "whether the comparison before this use excludes 0 is not known"
    assert [admitted for row in report.unknown if row.reason == admitted] == [admitted] * (
        not types
    )


def test_a_call_in_a_module_beside_the_drivers_is_not_missing() -> None:
    """It may be the driver's, by a way that is not seen: then nothing is said."""
    folder = EXAMPLE.rpartition("/")[0]
    own = HEAD.replace("xfrm_dev_state_lower_handle(x, dev)", "0")
    own += XMIT.replace("BODY", "h = 0;") + TAIL.replace("INIT", "")
    beside = HEAD.replace("static u32 example_get", "u32 example_get")
    files = {
        "drivers/net/Makefile": "obj-m += example/\n",
        f"{folder}/Makefile": "obj-m += example.o beside.o\n",
        EXAMPLE: own,
    }
    alone = BASE.check({path: text.encode() for path, text in files.items()})
    assert [f.type for f in alone.findings] == ["LOWER_HANDLE_NOT_RESOLVED"]
    files[f"{folder}/beside.c"] = beside
    dead = BASE.check({path: text.encode() for path, text in files.items()})
    assert [f.type for f in dead.findings] == ["LOWER_HANDLE_NOT_RESOLVED"]
    files[f"{folder}/beside.c"] = beside + "EXPORT_SYMBOL_GPL(example_get);\n"
    both = BASE.check({path: text.encode() for path, text in files.items()})
    assert list(both.findings) == []
    assert any("no driver is seen to call it" in row.reason for row in both.unknown)


def test_a_call_that_a_parse_error_swallowed_is_not_missing() -> None:
    """A function whose whole body is a macro's argument runs into the next one."""
    swallowed = """
#define WITH_LOCK(p, ...)	do { (p)->n++; __VA_ARGS__ (p)->n--; } while (0)
#define WHOLE(body)	{ body }

static int example_mark(struct example *p)
WHOLE(
	WITH_LOCK(p, {
		const struct example *q, *none = NULL;

		q = p->n ? none : p;
		p->n = q ? q->n : 0;
	});
	return 0;
)

static int example_post(struct example *p, struct xfrm_state *x, struct net_device *dev)
{
	unsigned long h = xfrm_dev_state_lower_handle(x, dev);

	if (!h)
		return -ENOENT;
	writel(h, p->io);
	return 0;
}
"""
    body = "if (!example_mark(p) && example_post(p, x, dev)) {\n\t\tkfree_skb(skb); }"
    text = driver(swallowed, body).replace(HEAD[HEAD.index("static u32 example_get") :], "", 1)
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == []
    assert any("parse errors" in row.reason for row in report.unknown)


SLOTS = """
struct slot { bool taken; u32 key; };
static struct slot example_slots[8];

static struct slot *example_slot(void)
{
	struct slot *slot = NULL;
	int i;

	for (i = 0; i < 8; i++) {
		if (!example_slots[i].taken) {
			slot = &example_slots[i];
			slot->taken = true;
			break;
		}
	}
	return slot;
}

static int example_submit(struct example *p, struct xfrm_state *x, struct net_device *dev)
{
	u32 h = xfrm_dev_state_lower_handle(x, dev);
	struct slot *slot;

	TEST
	slot = example_slot();
	if (!slot)
		return -EBUSY;
	slot->key = h; /* kept */
	writel(h, p->io);
	return 0;
}
"""


@pytest.mark.parametrize(
    ("test", "types"),
    [
        ("if (!h) return -EINVAL;", ["HANDLE_OUTLIVES_PACKET"]),
        ("", ["HANDLE_OUTLIVES_PACKET", "UNCHECKED_LOWER_HANDLE", "UNCHECKED_LOWER_HANDLE"]),
    ],
)
def test_a_loop_in_a_callee_forgets_no_test(test: str, types: list[str]) -> None:
    """The callee does not see the handle, which its caller's local variable holds."""
    body = "if (example_submit(p, x, dev)) kfree_skb(skb);"
    assert sorted(kind for kind, _ in said(SLOTS.replace("TEST", test), body)) == types


@pytest.mark.parametrize(
    ("body", "types"),
    [
        ('asm goto("jz %l1" : : "r" (h) : : none); writel(h, p->io);\nnone: return 0;', []),
        ('asm("setnz %0" : "=r" (p->n) : "r" (h)); if (p->n) writel(h, p->io);', []),
        ('asm volatile("nop" : : "r" (h)); writel(h, p->io);', ["UNCHECKED_LOWER_HANDLE"]),
    ],
)
def test_an_instruction_that_says_what_it_found_may_be_the_test(
    body: str, types: list[str]
) -> None:
    report = BASE.check_example(driver("", f"h = example_get(x, dev);\n\t{body}"))
    assert [f.type for f in report.findings] == types
    admitted = "whether the comparison before this use excludes 0 is not known"
    assert (admitted in [row.reason for row in report.unknown]) == (not types)
