"""Where a bound is hit, or something is not followed, what hangs on it is told, and no finding is.

A driver is told as it is up to the bound; beyond it a finding is lost only with a reason.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import pytest

from tests.laid import EXAMPLE, example_files
from tests.trees import Memory
from tests.whole.around import BASE, HEAD, TAIL, XMIT, laid
from xfrmlint.check import check_tree
from xfrmlint.findings import Report
from xfrmlint.rules import load_rules, rules_folder

RULES = {rule.type: rule for rule in load_rules([rules_folder()])}
FOLDER = EXAMPLE.rpartition("/")[0]
RIGHT = "h = example_get(x, dev);\n\tif (h)\n\t\twritel(h, p->io);"
SLOTS = ".xdo_dev_state_add = example_add,"
CALLBACKS = """
static void example_delete(struct net_device *dev, struct xfrm_state *x)
{
	DELETE
}

static void example_free(struct net_device *dev, struct xfrm_state *x)
{
	FREE
}
"""


def source(
    outside: str = "", body: str = RIGHT, delete: str = "", free: str = "", add: str = ""
) -> str:
    """Return a driver with these statements in its functions."""
    callbacks = CALLBACKS.replace("DELETE", delete).replace("FREE", free)
    both = "\n\t.xdo_dev_state_delete = example_delete,\n\t.xdo_dev_state_free = example_free,"
    tail = TAIL.replace(SLOTS, SLOTS + both).replace("INIT", "")
    if add:
        tail = tail.replace("x->xso.offload_handle = 1;", add)
    return f"#include <linux/slab.h>\n{HEAD}{outside}{callbacks}{XMIT.replace('BODY', body)}{tail}"


def helpers(count: int, kind: str, takes: str, does: str, gives: str) -> str:
    """Return a function that does something, and as many that lead down to it."""
    back = "" if kind == "void" else "return "
    made = f"static {kind} down0({takes})\n{{\n\t{does}\n}}\n"
    for n in range(1, count + 1):
        made += f"static {kind} down{n}({takes})\n{{\n\t{back}down{n - 1}({gives});\n}}\n"
    return made


def copies(count: int, kind: str, first: str, last: str) -> str:
    """Return as many variables, each the one before; LAST in the statement behind is the last."""
    made = "".join(f"\t{kind}v{n} = v{n - 1};\n" for n in range(1, count + 1))
    return f"{kind}v0 = {first};\n{made}\t{last.replace('LAST', f'v{count}')}"


def _results(count: int) -> str:
    does = "return &x->xso.offload_handle;"
    return helpers(count, "unsigned long *", "struct xfrm_state *x", does, "x")


READ = "static u32 example_read(struct xfrm_state *x)\n{\n\treturn x->xso.offload_handle;\n}\n"
THROUGH = ("u32", "u32 (*f)(struct xfrm_state *), struct xfrm_state *x", "return f(x);", "f, x")


def _through(count: int) -> str:
    body = f"h = down{count}(example_read, x);\n\tif (h)\n\t\twritel(h, p->io);"
    return source(READ + helpers(count, *THROUGH), body, delete="example_read(x);")


def _tested(count: int) -> str:
    outside = helpers(count, "int", "u32 a", "return !a;", "a")
    body = f"h = example_get(x, dev);\n\tif (down{count}(h))\n\t\treturn NETDEV_TX_OK;"
    return source(outside, f"{body}\n\twritel(h, p->io);")


class Far(NamedTuple):
    """A driver by how far something lies, and what is said of it: near by, and else why not."""

    made: Callable[[int], str]
    near: int
    far: int
    told: frozenset[str]
    why: str


FAR = {
    "what delete frees, over variables": Far(
        lambda n: source(
            delete=copies(n, "void *", "(void *)x->xso.offload_handle", "kfree(LAST);")
        ),
        5,
        8,
        frozenset({"HANDLE_FREED_ON_DELETE"}),
        "kfree(v8): whether it is what the handle leads to is not followed so far",
    ),
    "a write through helpers": Far(
        lambda n: source(
            helpers(n, "void", "unsigned long *a", "*a = 3;", "a"),
            free=f"down{n}(&x->xso.offload_handle);",
        ),
        3,
        7,
        frozenset({"OFFLOAD_HANDLE_WRITE"}),
        "the address of offload_handle is given further than is followed",
    ),
    "a write through what is returned": Far(
        lambda n: source(_results(n), free=f"*down{n}(x) = 3;"),
        3,
        7,
        frozenset({"OFFLOAD_HANDLE_WRITE"}),
        "the address of offload_handle is given further than is followed",
    ),
    "a write of all of xso through helpers": Far(
        lambda n: source(
            helpers(n, "void", "struct xfrm_dev_offload *a", "memset(a, 0, sizeof(*a));", "a"),
            free=f"down{n}(&x->xso);",
        ),
        3,
        7,
        frozenset({"OFFLOAD_HANDLE_WRITE"}),
        "the address of xso is given further than is followed",
    ),
    "a packet's caller through a pointer, beside one of delete": Far(
        _through,
        2,
        30,
        frozenset({"DIRECT_OFFLOAD_HANDLE", "LOWER_HANDLE_NOT_RESOLVED"}),
        "example_read() is passed on further than is followed",
    ),
    "a test in helpers": Far(
        _tested,
        2,
        30,
        frozenset(),
        "whether the comparison before this use excludes 0 is not known",
    ),
}


def _types(report: Report) -> set[str]:
    return {found.type for found in report.findings if found.path.startswith(FOLDER)}


@pytest.mark.parametrize("name", FAR)
def test_what_lies_too_far_is_told_and_nothing_is_said_of_it(name: str) -> None:
    case = FAR[name]
    usual = _types(BASE.check(laid({"example.c": source(READ)})))
    near = BASE.check(laid({"example.c": case.made(case.near)}))
    assert _types(near) - usual - {"CONTROL_OFFLOAD_HANDLE"} == case.told
    far = BASE.check(laid({"example.c": case.made(case.far)}))
    assert case.why in {row.reason for row in far.unknown}
    assert case.why not in {row.reason for row in near.unknown}
    # That no packet asks the resolver stays as true as it was.
    said = {"LOWER_HANDLE_NOT_RESOLVED"} & case.told
    assert _types(far) - usual - said == _types(near) - usual - case.told


# A bound, what it is lowered to, a rule, and which of its examples hits it then.
LOWERED: list[tuple[str, int, str, str, int]] = [
    ("program.asked:_MOST", 0, "TX_WITHOUT_XFRM_OFFLOAD", "bad", 1),
    ("program.sleeps:_DEEPEST", 1, "CALLBACK_MAY_SLEEP", "bad", 1),
    ("program.sleeps:_MOST", 1, "RESOLVER_MAY_SLEEP", "bad", 1),
    ("program.zeros:_DEEPEST", 0, "ADD_RETURNS_ZERO", "bad", 0),
    ("program.ofstate:_DEEPEST", 0, "HANDLE_FREED_ON_DELETE", "bad", 0),
    ("program.ofstate:_DEEPEST", 0, "HANDLE_FREED_ON_DELETE", "bad", 1),
    ("program.reach:MOST_FUNCTIONS", 1, "DIRECT_OFFLOAD_HANDLE", "bad", 0),
    ("valueflow.sources:_MOST", 1, "OFFLOAD_DEV_ACCESS", "bad", 1),
    ("flow.paths:_MOST_EVENTS", 3, "WRONG_LOWER_DEV", "good", 1),
    ("flow.paths:_MOST_EVENTS", 3, "ZERO_HANDLE_TX_BUSY", "bad", 1),
    ("flow.run:_DEEPEST", 0, "HANDLE_OUTLIVES_PACKET", "good", 1),
    ("flow.run:_DEEPEST", 0, "UNCHECKED_LOWER_HANDLE", "bad", 2),
    ("flow.run:_MOST_STEPS", 5, "WRONG_LOWER_DEV", "bad", 1),
    ("concrete.evaluate:_MOST_STEPS", 10, "UPPER_STALE_HANDLE", "bad", 0),
    ("concrete.evaluate:_DEEPEST_CALL", 0, "UPPER_ADD_NOT_ROLLED_BACK", "bad", 0),
    ("concrete.sources:_MOST_EXPANSIONS", 0, "UPPER_IGNORES_LOWER_FLAG", "bad", 0),
]


def _told(report: Report) -> Iterator[tuple[Any, ...]]:
    yield from ((f.type, f.path, f.line) for f in report.findings)


@pytest.mark.parametrize(("bound", "to", "rule", "which", "number"), LOWERED)
def test_a_bound_that_is_hit_loses_nothing_in_silence(
    bound: str, to: int, rule: str, which: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = RULES[rule].bad if which == "bad" else RULES[rule].good
    tree = Memory(example_files(examples[number]))
    rules = [*RULES.values()]
    before = check_tree(tree, rules)
    module, _, name = bound.partition(":")
    monkeypatch.setattr(import_module(f"xfrmlint.{module}"), name, to)
    after = check_tree(tree, rules)
    assert {*_told(after)} <= {*_told(before)}
    assert {row for row in after.unknown if row.path == EXAMPLE} - {*before.unknown}


EXPORT = "#define EXPORT_SYMBOL_GPL(symbol)\n"
OTHER = """\
#include <linux/netdevice.h>
#include <net/xfrm.h>
u32 example_read(struct xfrm_state *x);
static netdev_tx_t other_xmit(struct sk_buff *skb, struct net_device *dev)
{
	skb->queue_mapping = example_read(xfrm_input_state(skb));
	return NETDEV_TX_OK;
}
static const struct net_device_ops other_netdev_ops = {
	.ndo_start_xmit = other_xmit,
};
"""
_SHOWN = {"DIRECT_OFFLOAD_HANDLE": "datapath", "CONTROL_OFFLOAD_HANDLE": "control"}


@pytest.mark.parametrize(
    ("where", "wanted"),
    [("", "control"), ("drivers/net/other/", "datapath"), (f"{FOLDER}/other/", "datapath")],
)
def test_who_calls_what_is_exported_is_looked_for_beside_callers_at_home(
    where: str, wanted: str
) -> None:
    exported = READ.replace("static ", "") + "EXPORT_SYMBOL_GPL(example_read);\n"
    files = laid({"example.c": source(EXPORT + exported, delete="example_read(x);")})
    if where:
        files[f"{where}other.c"] = OTHER.encode()
        files[f"{where}Makefile"] = b"obj-m += other.o\n"
    assert [_SHOWN[one] for one in _types(BASE.check(files)) if one in _SHOWN] == [wanted]


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("skb->len = 1;", ["control"]),
        # The function that packets come by is not understood, and does not name the other one.
        ("a b c;", ["control"]),
        ("a b c example_read(x) d e;", []),
        ("skb->len = example_read(x);", ["datapath"]),
    ],
)
def test_a_caller_that_is_not_understood_may_be_one_for_packets(
    statement: str, wanted: list[str]
) -> None:
    text = source(READ, f"{RIGHT}\n\t{statement}", delete="example_read(x);")
    report = BASE.check(laid({"example.c": text}))
    assert [_SHOWN[one] for one in _types(report) if one in _SHOWN] == wanted
    why = "example_read() may be called where"
    assert any(why in row.reason for row in report.unknown) == (not wanted)


LATER = "x->xso.offload_handle = h;"


@pytest.mark.parametrize(
    ("add", "zero"),
    [
        ("u32 h = 0; h = 5;", False),
        ("u32 h = 0; if (dev->mtu) goto out; h = 5; out:", True),
        ("u32 h = 0; if (dev->mtu) goto out; out: h = 5;", False),
        ("u32 h = 1; again: if (dev->mtu) goto out; h = 0; goto again; out:", True),
        ("u32 h, i; for (h = 0, i = 0; i < dev->mtu; h = 5, i++) ;", True),
        ("u32 h, i; for (h = 5, i = 0; i < dev->mtu; i++) ;", False),
        ("u32 h = 0; while (dev->mtu) h = 5;", True),
        ("u32 h = 0; do h = 5; while (dev->mtu);", False),
        ("u32 h = 0; dev->mtu && (h = 5);", True),
    ],
)
def test_an_assignment_that_need_not_be_run_hides_none_before_it(add: str, zero: bool) -> None:
    report = BASE.check(laid({"example.c": source(add=f"{add} {LATER}")}))
    assert ("ADD_RETURNS_ZERO" in _types(report)) == zero
