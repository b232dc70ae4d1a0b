"""What libclang makes of C that was never configured, and what it says of findings."""

import difflib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.asked import analysis_of, report_on
from tests.laid import FIXTURES, lay, lay_fixture, trees
from tests.ran import run, run_json
from tests.trees import Memory
from xfrmlint.analysis.part import Facts, quietly
from xfrmlint.c.regions import Region
from xfrmlint.check import report_of
from xfrmlint.clang import library
from xfrmlint.clang.compilation import Build
from xfrmlint.clang.compiler import Asked, Clang
from xfrmlint.clang.vocabulary import Seen
from xfrmlint.clang.workers import Workers
from xfrmlint.confirmation.compare import compared
from xfrmlint.confirmation.compiled import check_compiled
from xfrmlint.confirmation.remembered import check_confirmed
from xfrmlint.confirmation.run import confirmed
from xfrmlint.errors import InputError
from xfrmlint.facts.rows import TABLES, SiteRow
from xfrmlint.facts.store import Store
from xfrmlint.findings import Report
from xfrmlint.git.overlay import Overlay
from xfrmlint.git.repository import Repository
from xfrmlint.memory.cache import Cache, place
from xfrmlint.memory.gather import Session
from xfrmlint.report import comparison
from xfrmlint.rules import load_rules, rules_folder
from xfrmlint.tree import Tree
from xfrmlint.tree.folder import Folder

pytestmark = pytest.mark.slow

RULES = load_rules([rules_folder()])
OFFLOAD = "struct xfrm_dev_offload"
TELLING = ("offload_handle", "upper_priv")
FIELDS = (*TELLING, "dev", "real_dev")
STATE, POLICY = "struct xfrm_state.xso", "struct xfrm_policy.xdo"
FOO = "drivers/net/foo/foo.c"
HEAD = "#include <linux/netdevice.h>\n#include <linux/string.h>\n#include <net/xfrm.h>\n"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def kernel(files: Mapping[str, str]) -> Memory:
    """Return the fixtures' kernel with the resolver, and a driver in it, in memory."""
    base = FIXTURES / "base/rfc"
    found = {p.relative_to(base).as_posix(): p.read_bytes() for p in base.rglob("*") if p.is_file()}
    found["drivers/net/foo/Makefile"] = b"obj-$(CONFIG_FOO) += foo.o\n"
    return Memory({**found, **{path: text.encode() for path, text in files.items()}})


def seen(text: str, function: str = "f", head: str = HEAD, **more: str) -> Seen:
    """Return what libclang sees in one function (or object) of a driver's only source."""
    data = head + text
    tree = kernel({FOO: data, **more})
    with Clang(tree) as clang:
        asked = {FOO: Asked((), (FOO,), True)}
        answer = clang.ask(asked, [*FIELDS, "flags"], OFFLOAD, TELLING)[FOO]
    assert answer.reason == ""
    found = [s for s in answer.seen.values() if any(d.name == function for d in s.declared)]
    assert len(found) == 1
    return found[0]


# -- whose member it is

NOT_A_STATES = {
    "a policy's": ("return xp->xdo.offload_handle;", {POLICY}),
    "through an alias of a policy's": (
        "struct xfrm_dev_offload *xso = &xp->xdo; return xso->offload_handle;",
        {POLICY},
    ),
    "an alias that others can fill": (
        "struct xfrm_dev_offload *o = &xp->xdo; fill(&o); return o->offload_handle;",
        {POLICY, "?address"},
    ),
    "a driver's own pointer": ("return own->kept->offload_handle;", {"struct own.kept"}),
    "a parameter, whoever calls": ("return p->offload_handle;", {"?parameter"}),
}
A_STATES = {
    "plainly": "return x->xso.offload_handle;",
    "cast": "return (unsigned long)(void *)x->xso.offload_handle;",
    "READ_ONCE": "return READ_ONCE(x->xso.offload_handle);",
    "an alias": "struct xfrm_dev_offload *o = &x->xso; return o->offload_handle;",
    "an alias assigned later": (
        "struct xfrm_dev_offload *o; o = n ? &x->xso : NULL; return o->offload_handle;"
    ),
    "a GNU statement expression": (
        "return ({ struct xfrm_dev_offload *o_ = &x->xso; o_; })->offload_handle;"
    ),
    "a cast to typeof": "return ((__typeof__(x->xso) *)&x->xso)->offload_handle;",
    "GNU's ?: without a middle": "return x->xso.offload_handle ?: n;",
    "container_of": ("return container_of(p, struct xfrm_state, xso)->xso.offload_handle;"),
    "a function of the source": "return xso_of(x)->offload_handle;",
    "an array of states": "return own->states[n]->xso.offload_handle;",
}
_BODY = """
struct own {{
	struct xfrm_dev_offload *kept;
	struct xfrm_state *states[4];
}};
void fill(struct xfrm_dev_offload **o);
static struct xfrm_dev_offload *xso_of(struct xfrm_state *x)
{{
	return &x->xso;
}}
unsigned long f(struct xfrm_state *x, struct xfrm_policy *xp, struct xfrm_dev_offload *p,
		struct own *own, unsigned long n)
{{
	{}
}}
"""


@pytest.mark.parametrize("name", NOT_A_STATES)
def test_another_owner(name: str) -> None:
    text, owners = NOT_A_STATES[name]
    found = [m for m in seen(_BODY.format(text)).members if m.field == "offload_handle"]
    assert [(m.record, set(m.owners)) for m in found] == [(OFFLOAD, owners)]


@pytest.mark.parametrize("name", A_STATES)
def test_a_states_owner(name: str) -> None:
    found = [m for m in seen(_BODY.format(A_STATES[name])).members if m.field == "offload_handle"]
    assert len(found) == 1
    assert found[0].record == OFFLOAD
    assert STATE in found[0].owners


@pytest.mark.parametrize(
    "text",
    [
        "return sizeof(x->xso.offload_handle);",
        "__typeof__(x->xso.offload_handle) y = n; return y;",
        "return offsetof(struct xfrm_state, xso.offload_handle);",
        "return _Generic(x->xso.offload_handle, default: n);",
    ],
)
def test_what_is_not_evaluated_is_no_access(text: str) -> None:
    assert seen(_BODY.format(text)).members == ()


def test_callers_of_a_static_function_are_known_if_all_are_calls() -> None:
    text = """
static unsigned long of(struct xfrm_dev_offload *o)
{
	return o->offload_handle;
}
unsigned long one(struct xfrm_policy *xp)
{
	return of(&xp->xdo);
}
"""
    more = "void *two(void)\n{\n\treturn of;\n}\n"
    assert [m.owners for m in seen(text, "of").members] == [(POLICY,)]
    assert [m.owners for m in seen(text + more, "of").members] == [("?parameter", POLICY)]


def test_an_access_that_only_a_macro_shows_stands_at_the_macro() -> None:
    text = """
#define FIELD(x, kind) ((x)->xso.offload_##kind)
unsigned long f(struct xfrm_state *x)
{
	return FIELD(x, handle);
}
"""
    [member] = seen(text).members
    assert (member.field, member.owners, member.macro) == ("offload_handle", (STATE,), "FIELD")
    assert (HEAD + text)[member.offset :].startswith("FIELD(x, handle)")


def test_a_name_that_a_macro_is_given_stands_where_it_is_written() -> None:
    text = """
#define FIELD(x, name) ((x)->xso.name)
unsigned long f(struct xfrm_state *x)
{
	return FIELD(x, offload_handle);
}
"""
    [member] = seen(text).members
    assert member.macro == ""
    assert (HEAD + text)[member.offset :].startswith("offload_handle);")


# -- what a slot holds

_CALLBACKS = """
int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack);
void foo_del(struct net_device *dev, struct xfrm_state *x);
"""
SLOTS = {
    "designated": "const struct xfrmdev_ops f = { .xdo_dev_state_add = foo_add };",
    "by position": "const struct xfrmdev_ops f = { foo_add, foo_del };",
    "by position behind a designator": (
        "const struct xfrmdev_ops f = { .xdo_dev_state_add = foo_add, foo_del };"
    ),
    "cast": "const struct xfrmdev_ops f = { .xdo_dev_state_add = (void *)&foo_add };",
    "in an array": ("const struct xfrmdev_ops f[2] = { [1] = { .xdo_dev_state_add = foo_add } };"),
    "in a struct": (
        "struct hw { int n; struct xfrmdev_ops ops; } f = { .ops.xdo_dev_state_add = foo_add };"
    ),
    "made by a macro": (
        "#define TABLE(name) \\\n"
        "	const struct xfrmdev_ops name = { .xdo_dev_state_add = foo_##add }\n"
        "TABLE(f);"
    ),
    "assigned": ("void f(struct xfrmdev_ops *ops)\n{\n\tops->xdo_dev_state_add = foo_add;\n}\n"),
    "a literal": (
        "void f(struct xfrmdev_ops *o)\n{\n"
        "	*o = (struct xfrmdev_ops){ .xdo_dev_state_add = foo_add };\n}\n"
    ),
}


@pytest.mark.parametrize("name", SLOTS)
def test_what_a_slot_holds(name: str) -> None:
    found = seen(_CALLBACKS + SLOTS[name]).filled
    held = {(f.record, f.field): f.targets for f in found if f.record == "struct xfrmdev_ops"}
    assert held["struct xfrmdev_ops", "xdo_dev_state_add"] == ("foo_add",)
    if "foo_del" in SLOTS[name]:
        assert held["struct xfrmdev_ops", "xdo_dev_state_delete"] == ("foo_del",)


def test_calls_and_what_they_go_through() -> None:
    text = """
struct ops {
	int (*run)(int n);
	int (*runs[2])(int n);
};
static int plain(int n)
{
	return n;
}
static int (*const table[])(int n) = { plain };
#define CALL(n) plain(n)
int f(struct ops *o)
{
	return plain(1) + o->run(2) + o->runs[1](3) + table[0](4) + (*o->run)(5) + CALL(6);
}
"""
    found = [(c.function, c.slot, c.macro) for c in seen(text).calls]
    assert found == [
        ("plain", "", ""),
        ("", "struct ops.run", ""),
        ("", "struct ops.runs", ""),
        ("", "table", ""),
        ("", "struct ops.run", ""),
        ("plain", "", "CALL"),
    ]


# -- what is configured

CONFIGURED = {
    "what gates the object": ("#ifdef CONFIG_FOO", True),
    "what speaks of IPsec": ("#if IS_ENABLED(CONFIG_FOO_IPSEC)", True),
    "what the symbol selects": ("#ifdef CONFIG_HELPER", True),
    "what the symbol depends on": ("#ifdef CONFIG_NEEDED", True),
    "another option": ("#ifdef CONFIG_FOO_FAST", False),
    "debugging": ("#ifdef CONFIG_FOO_IPSEC_DEBUG", False),
    "never": ("#if 0", False),
}


@pytest.mark.parametrize("name", CONFIGURED)
def test_what_is_compiled(name: str) -> None:
    condition, compiled = CONFIGURED[name]
    text = f"""
unsigned long f(struct xfrm_state *x)
{{
{condition}
	return x->xso.offload_handle;
#endif
	return 0;
}}
"""
    kconfig = (
        'config FOO\n\ttristate "Foo"\n\tdepends on NEEDED && PCI\n\tselect HELPER\n'
        "\tselect OTHER if FOO_FAST\n\thelp\n\t  Foo.\n"
    )
    found = seen(text, **{"drivers/net/foo/Kconfig": kconfig})
    assert bool(found.members) is compiled
    assert bool(found.skipped) is not compiled


# -- findings


class Case(NamedTuple):
    """A driver, and its findings: (line's text, status, reason); None: withdrawn."""

    text: str
    wanted: Sequence[tuple[str, str | None, str]]


_DRIVER = """
#include <linux/skbuff.h>
{before}
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{{
	x->xso.offload_handle = 1;
	return 0;
}}
static void foo_del(struct net_device *dev, struct xfrm_state *x)
{{
	{body}
}}
static const struct xfrmdev_ops foo_xfrmdev_ops = {{
	.xdo_dev_state_add = foo_add,
	.xdo_dev_state_delete = foo_del,
}};
void foo_setup(struct net_device *dev)
{{
	dev->xfrmdev_ops = &foo_xfrmdev_ops;
}}
"""
_WITHDRAWN = "withdrawn: CONTROL_OFFLOAD_HANDLE: libclang"
CASES = {
    "a plain read": Case(
        _DRIVER.format(before="", body="dev->features = x->xso.offload_handle;"),
        [("dev->features = x->xso.offload_handle;", "confirmed", "")],
    ),
    "in a macro": Case(
        _DRIVER.format(
            before="#define HANDLE(x) ((x)->xso.offload_handle)", body="dev->features = HANDLE(x);"
        ),
        [("#define HANDLE(x) ((x)->xso.offload_handle)", "confirmed", "")],
    ),
    "in a macro that nobody compiles": Case(
        _DRIVER.format(
            before="#define HANDLE(x) ((x)->xso.offload_handle)",
            body="\n#ifdef CONFIG_FOO_FAST\n	dev->features = HANDLE(x);\n#endif\n",
        ),
        [
            (
                "#define HANDLE(x) ((x)->xso.offload_handle)",
                "unconfirmed",
                "libclang sees no member offload_handle there",
            )
        ],
    ),
    "put together by a macro": Case(
        _DRIVER.format(
            before="#define XSO(x, a, b) ((x)->xso.a##_##b)",
            body="dev->features = XSO(x, offload, handle);",
        ),
        [("dev->features = XSO(x, offload, handle);", "confirmed", "")],
    ),
    "what sleeps": Case(
        """
void mutex_lock(void *lock);
void *kzalloc(unsigned long size, unsigned int flags);
enum { GFP_KERNEL = 1 };
static unsigned long foo_lower(struct xfrm_state *x, struct net_device *dev)
{
	mutex_lock(dev);
	void *entry = kzalloc(8, GFP_KERNEL);
	return (unsigned long)entry;
}
static const struct xfrmdev_ops foo_ops = {
	.xdo_dev_state_lower_handle = foo_lower,
};
void foo_setup(struct net_device *dev)
{
	dev->xfrmdev_ops = &foo_ops;
}
""",
        [
            ("mutex_lock(dev);", "confirmed", ""),
            ("void *entry = kzalloc(8, GFP_KERNEL);", "confirmed", ""),
            (".xdo_dev_state_lower_handle = foo_lower,", "confirmed", ""),
        ],
    ),
    "under a false #if": Case(
        _DRIVER.format(
            before="",
            body="\n#ifdef CONFIG_FOO_FAST\n	dev->features = x->xso.offload_handle;\n#endif\n",
        ),
        [("	dev->features = x->xso.offload_handle;", "unconfirmed", "under a false #if")],
    ),
    "in a function under a false #if": Case(
        _DRIVER.format(
            before="#ifdef CONFIG_FOO_FAST\n"
            "static unsigned long fast(struct xfrm_state *x)\n{\n"
            "	return x->xso.offload_handle;\n}\n#else\n"
            "static unsigned long fast(struct xfrm_state *x)\n{\n	return 0;\n}\n#endif\n",
            body="dev->features = fast(x);",
        ),
        [("	return x->xso.offload_handle;", "unconfirmed", "under a false #if")],
    ),
    "by the tree's version": Case(
        "#include <linux/version.h>\n"
        + _DRIVER.format(
            before="#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 0, 0) && LINUX_VERSION_MAJOR == 7\n"
            "#define FOO_NEW 1\n#endif\n",
            body="\n#if FOO_NEW\n	dev->features = x->xso.offload_handle;\n#else\n"
            "	dev->features = x->xso.offload_handle + 1;\n#endif\n",
        ),
        [
            ("dev->features = x->xso.offload_handle;", "confirmed", ""),
        ],
    ),
    "in a branch of another version": Case(
        "#include <linux/version.h>\n"
        + _DRIVER.format(
            before="",
            body="\n#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 0, 0)\n"
            "	dev->features = x->xso.offload_handle;\n#else\n"
            "	dev->features = x->xso.offload_handle + 1;\n#endif\n",
        ),
        [("dev->features = x->xso.offload_handle;", "confirmed", "")],
    ),
    "by macros that ask for the version": Case(
        "#include <linux/version.h>\n"
        + _DRIVER.format(
            before="#ifndef VENDOR\n#define VENDOR 0\n#endif\n"
            "#define SINCE(a, b, ...) \\\n"
            "\t(LINUX_VERSION_CODE >= KERNEL_VERSION(a, b, (0, ##__VA_ARGS__)))\n"
            "#define OF_VENDOR(a, b) (!VENDOR && SINCE(a, b))\n"
            "#if SINCE(9, 0)\n#undef OF_VENDOR\n#define OF_VENDOR(a, b) 0\n#endif\n",
            body="\n#if OF_VENDOR(5, 9) && !SINCE(9, 0, 1)\n"
            "	dev->features = x->xso.offload_handle;\n#else\n"
            "	dev->features = x->xso.offload_handle + 1;\n#endif\n",
        ),
        [("dev->features = x->xso.offload_handle;", "confirmed", "")],
    ),
    "beside a parse error": Case(
        _DRIVER.format(
            before="struct missing *the_missing;",
            body="the_missing->n = 1; dev->features = x->xso.offload_handle;",
        ),
        [("the_missing->n = 1; dev->features = x->xso.offload_handle;", "confirmed", "")],
    ),
    "where the type is not known": Case(
        _DRIVER.format(
            before="struct missing *the_missing;",
            body="\n	dev->features = the_missing->xso.offload_handle;",
        ),
        [
            (
                "	dev->features = the_missing->xso.offload_handle;",
                "unconfirmed",
                "parse errors there (line 15)",
            )
        ],
    ),
    "another struct's xso": Case(
        _DRIVER.format(
            before="struct own { struct { unsigned long offload_handle; } xso; };\n"
            "struct all { struct own *own; };\n"
            "struct all *all[2];",
            body="\n	dev->features = 1[all]->own->xso.offload_handle;",
        ),
        [
            (
                "	dev->features = 1[all]->own->xso.offload_handle;",
                None,
                f"{_WITHDRAWN}: offload_handle is a member of an unnamed struct",
            )
        ],
    ),
    "kept in a struct of its own": Case(
        _DRIVER.format(
            before="struct own { struct xfrm_dev_offload *kept; };",
            body="struct own o;\n	o.kept = &x->xso;\n	dev->features = o.kept->offload_handle;",
        ),
        [
            (
                "	dev->features = o.kept->offload_handle;",
                "unconfirmed",
                "libclang can't tell whose offload_handle it is (struct own.kept)",
            )
        ],
    ),
}


def _confirmed(tree: Tree) -> Report:
    with Clang(tree, beside=place()) as clang:
        facts = analysis_of(tree).facts
        return confirmed(tree, facts, report_of(facts, tree, RULES), clang)


@pytest.mark.parametrize("name", CASES)
def test_findings_are_confirmed_or_not(name: str) -> None:
    case = CASES[name]
    report = _confirmed(kernel({FOO: HEAD + case.text}))
    found: list[tuple[str, str | None, str]] = [
        (f.source.strip(), f.confirmation.status, f.confirmation.reason)
        for f in report.findings
        if f.confirmation is not None
    ]
    lines = (HEAD + case.text).split("\n")
    for row in report.unknown:
        if row.reason.startswith("withdrawn: "):
            found.append((lines[row.line - 1].strip(), None, row.reason))
    assert found == [(text.strip(), status, reason) for text, status, reason in case.wanted]


def test_what_is_withdrawn_is_no_longer_missing_in_its_driver() -> None:
    report = _confirmed(kernel({FOO: HEAD + CASES["another struct's xso"].text}))
    assert [d.missing for d in report.drivers] == [()]
    report = _confirmed(kernel({FOO: HEAD + CASES["a plain read"].text}))
    assert [d.missing for d in report.drivers] == [("1 CONTROL_OFFLOAD_HANDLE",)]


def test_a_macro_with_a_site_is_known_wherever_it_is_used() -> None:
    # On the datapath from one of its uses: the others are not reported beside it.
    text = _DRIVER.format(
        before="#define HANDLE(x) ((x)->xso.offload_handle)\n#define OUTER(x) HANDLE(x)\n"
        "static netdev_tx_t foo_xmit(struct sk_buff *skb, struct net_device *dev)\n{\n"
        "	dev->features = HANDLE(xfrm_input_state(skb));\n	return NETDEV_TX_OK;\n}\n"
        "static const struct net_device_ops foo_ops = { .ndo_start_xmit = foo_xmit };\n",
        body="dev->netdev_ops = &foo_ops;\n	dev->features = HANDLE(x) + OUTER(x);",
    )
    report = _confirmed(kernel({FOO: HEAD + text}))
    assert [(f.type, f.line) for f in report.findings] == [("DIRECT_OFFLOAD_HANDLE", 6)]
    assert [status for _, _, status in _statuses(report)] == ["confirmed"]
    assert [u.reason for u in report.unknown] == []


def test_confirmed_findings_say_who_confirmed_them() -> None:
    text = _DRIVER.format(before="", body="dev->features = x->xso.offload_handle;")
    [finding] = _confirmed(kernel({FOO: HEAD + text})).findings
    assert (finding.parser, finding.confidence) == ("tree-sitter+libclang", "high")


def test_what_libclang_alone_sees_is_noted() -> None:
    # Macros of the kernel's headers are not expanded for every driver that could use them.
    header = (FIXTURES / "base/rfc/include/net/xfrm.h").read_text()
    macro = "#define xfrm_handle(x) ((x)->xso.offload_handle)\n"
    text = _DRIVER.format(before="", body="dev->features = xfrm_handle(x);")
    report = _confirmed(kernel({FOO: HEAD + text, "include/net/xfrm.h": header + macro}))
    reason = "libclang alone sees an access of xso.offload_handle through the macro xfrm_handle"
    assert [(u.line, u.function) for u in report.unknown if u.reason == reason] == [(14, "foo_del")]


# What libclang can't confirm of the miniature kernels: the other branch of an #if, and states that
# come by ways it doesn't follow (a callee of other sources, a memcpy(), a driver's own structs).
OPEN = {
    # libclang's rows have members by name: a store of the whole struct has none.
    ("known-misses", "drivers/net/plover/plover_main.c", 27),
    # An older libclang does not know `auto m = f(x);`.
    ("c-dialects", "drivers/net/mudstone/mudstone_main.c", 62),
    ("lookalikes-policy", "drivers/net/yucca/yucca_policy.c", 7),
    ("optin-ifdef", "drivers/net/harbor/harbor_ipsec.c", 67),
    ("read-forms-indirect", "drivers/net/vortex/vortex_ipsec.c", 91),
    ("read-state-paths", "drivers/net/willow/willow_ipsec.c", 50),
    ("read-state-paths", "drivers/net/willow/willow_ipsec.c", 75),
    ("write-forms", "drivers/net/nettle/nettle_hw.c", 17),
}


@pytest.mark.parametrize("name", trees())
def test_findings_in_the_miniature_kernels(name: str, tmp_path: Path) -> None:
    tree = Folder(lay_fixture(name, tmp_path / "linux"))
    facts = analysis_of(tree).facts
    before = report_of(facts, tree, RULES)
    with Clang(tree) as clang:
        report = confirmed(tree, facts, before, clang)
    assert len(report.findings) == len(before.findings)
    assert report.unknown == before.unknown
    told = [f.confirmation for f in report.findings if f.confirmation is not None]
    assert len(told) == len(report.findings)
    assert all(one.reason for one in told if one.status == "unconfirmed")
    found = {(name, path, line) for path, line, s in _statuses(report) if s == "unconfirmed"}
    assert found == {place for place in OPEN if place[0] == name}


# -- every kind of tree


def _statuses(report: Report) -> list[tuple[str, int, str]]:
    return [
        (f.path, f.line, f.confirmation.status)
        for f in report.findings
        if f.confirmation is not None
    ]


def _everything(folder: Path) -> dict[Path, tuple[int, int]]:
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def _git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_folder_a_commit_and_an_overlay_say_the_same(tmp_path: Path) -> None:
    root = lay_fixture("read-forms-plain", tmp_path / "linux")
    before = _everything(root)
    folder = Folder(root)
    wanted = _statuses(_confirmed(folder))
    assert len(wanted) > 5
    assert {status for _, _, status in wanted} == {"confirmed"}
    assert _everything(root) == before

    changed = wanted[0][0]
    bare = Overlay(folder, {changed: None}, "bare")
    assert _statuses(_confirmed(Overlay(bare, {changed: folder.read(changed)}, "laid"))) == wanted

    _git(tmp_path, "init", "-q", str(root))
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", "tree")
    with Repository(root) as repository:
        assert _statuses(_confirmed(repository.tree(repository.commit("HEAD")))) == wanted


def test_a_header_laid_over_counts(tmp_path: Path) -> None:
    root = lay_fixture("read-forms-plain", tmp_path / "linux")
    text = (root / "include/net/xfrm.h").read_bytes()
    renamed = text.replace(b"offload_handle;", b"offload_handle_of_old;")
    assert renamed != text
    overlay = Overlay(Folder(root), {"include/net/xfrm.h": renamed}, "laid")
    assert "confirmed" not in {status for _, _, status in _statuses(_confirmed(overlay))}


# -- what is kept


def _kept(tmp_path: Path, suffix: str) -> list[Path]:
    return sorted((tmp_path / "cache/xfrmlint/clang").glob(f"*.{suffix}"))


def test_answers_are_kept_until_something_that_decides_them_changes(tmp_path: Path) -> None:
    tree = kernel({FOO: HEAD + CASES["a plain read"].text})
    first = _confirmed(tree)
    kept = {path: path.read_bytes() for path in _kept(tmp_path, "json")}
    assert len(kept) == len(_kept(tmp_path, "pch")) == 1
    assert _confirmed(tree) == first
    assert {path: path.read_bytes() for path in _kept(tmp_path, "json")} == kept

    _confirmed(kernel({FOO: HEAD + "\n" + CASES["a plain read"].text}))
    assert len(_kept(tmp_path, "json")) == 2
    header = (FIXTURES / "base/rfc/include/linux/string.h").read_text() + "int more;\n"
    changed = {FOO: HEAD + CASES["a plain read"].text, "include/linux/string.h": header}
    _confirmed(kernel(changed))
    assert len(_kept(tmp_path, "json")) == 3


@pytest.mark.parametrize("text", [b"", b"{}", b"[[1, 2]]", b"\xff", b"[[[], []]]"])
def test_a_broken_answer_is_asked_for_again(text: bytes, tmp_path: Path) -> None:
    tree = kernel({FOO: HEAD + CASES["a plain read"].text})
    first = _confirmed(tree)
    [path] = _kept(tmp_path, "json")
    path.write_bytes(text)
    assert _confirmed(tree) == first


def test_a_function_of_a_precompiled_header_is_compiled_if_it_is_asked_about() -> None:
    header = (FIXTURES / "base/rfc/include/net/xfrm.h").read_text()
    function = (
        "static inline unsigned long own_handle(struct xfrm_state *x)\n{\n"
        "	return x->xso.offload_handle;\n}\n"
    )
    path = "include/net/xfrm.h"
    region = Region(path, len(header), len(header + function), (header + function).index("own_h"))
    tree = kernel({FOO: HEAD, path: header + function})
    with Clang(tree) as clang:
        answer = clang.ask({FOO: Asked((region,))}, FIELDS, OFFLOAD, TELLING)[FOO]
    assert [member.field for member in answer.seen[region].members] == ["offload_handle"]


@pytest.mark.parametrize("likely", [(), (FOO,), ("drivers/net/bar/bar.c",)])
def test_what_a_source_needs_is_set_whichever_were_likely(likely: tuple[str, ...]) -> None:
    text = "#ifdef CONFIG_%s_IPSEC\nint %s;\n#endif\n"
    bar = "drivers/net/bar/bar.c"
    tree = kernel({FOO: text % ("FOO", "foo"), bar: text % ("BAR", "bar")})
    asked = {path: Asked((), (path,), True) for path in (FOO, bar)}
    with Clang(tree, likely) as clang:
        answers = clang.ask(asked, FIELDS, OFFLOAD, TELLING)
    found = {path: [s.declared[0].name for s in answers[path].seen.values()] for path in asked}
    assert found == {FOO: ["foo"], bar: ["bar"]}


def test_nothing_is_kept_where_nothing_may_be(tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    inside = {"XDG_CACHE_HOME": str(tree / "cache")}
    before = _everything(tree)
    for options, env in (
        (["--no-cache"], {"XDG_CACHE_HOME": str(tmp_path / "none")}),
        ([], inside),
        (["--no-cache"], inside),
    ):
        ran = run("check", "-q", "--confirm", *options, tree, cwd=tmp_path, env=env)
        assert (ran.status, ran.err) == (1, "")
    assert _everything(tree) == before
    assert not (tmp_path / "none").exists()


def test_a_broken_precompiled_header_is_not_used_again(tmp_path: Path) -> None:
    tree = kernel({FOO: HEAD + CASES["a plain read"].text})
    first = _confirmed(tree)
    [path] = _kept(tmp_path, "pch")
    for answer in _kept(tmp_path, "json"):
        answer.unlink()
    path.write_bytes(path.read_bytes()[:1000])
    assert _confirmed(tree) == first
    assert _kept(tmp_path, "pch") == []


def test_without_a_cache_folder_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    tree = kernel({FOO: HEAD + CASES["a plain read"].text})
    assert [status for _, _, status in _statuses(_confirmed(tree))] == ["confirmed"]


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache/xfrmlint/clang"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    _confirmed(kernel({FOO: HEAD + CASES["a plain read"].text}))
    assert list(folder.iterdir()) == []


# -- a build's own flags


def _commands(tree: Path, *flags: str, directory: Path | None = None) -> str:
    source = tree / FOO
    entry = {
        "directory": str(directory or tree),
        "file": str(source),
        "command": " ".join(["gcc", *flags, "-c", "-o", "x.o", str(source)]),
    }
    return json.dumps([entry])


_FLAGS = (
    *("-nostdinc", "-Iinclude", "-include", "include/linux/compiler_types.h", "-D__KERNEL__"),
    "-DCONFIG_XFRM_OFFLOAD=1",
)


def test_a_builds_flags_decide_what_is_compiled(tmp_path: Path) -> None:
    tree = lay("rfc", tmp_path / "linux")
    (tree / FOO).parent.mkdir(parents=True)
    (tree / FOO).write_text(HEAD + CASES["under a false #if"].text)
    (tree / FOO).with_name("Makefile").write_text("obj-m += foo.o\n")
    commands = tmp_path / "compile_commands.json"
    asked = ("--confirm", "--compile-commands", commands, tree)
    for flag, status in (("", "unconfirmed"), ("-DCONFIG_FOO_FAST=1", "confirmed")):
        commands.write_text(_commands(tree, *_FLAGS, flag))
        [finding] = run_json(*asked, cwd=tmp_path)["findings"]
        assert finding["confirmation"]["status"] == status


def test_of_a_builds_flags_only_those_that_say_what_the_text_means_are_taken(
    tmp_path: Path,
) -> None:
    tree = lay("rfc", tmp_path / "linux")
    (tree / FOO).parent.mkdir(parents=True)
    (tree / FOO).write_text("int a;\n")
    outside = tmp_path / "outside.h"
    outside.write_text("")
    plugins = ("-fplugin=./evil.so", "-Xclang", "-load", "-Xclang", "evil.so", "@args", "-o", "y")
    file = tmp_path / "compile_commands.json"
    file.write_text(
        _commands(tree, *_FLAGS, *plugins, "-include", str(outside), f"-I{tmp_path}", "-m64")
    )
    found = Build(file, Folder(tree)).of(FOO)
    assert found is not None
    assert found.arguments == (
        *("--target=x86_64-linux-gnu", "-I", "/nowhere/xfrmlint/tree/include"),
        *("-include", "/nowhere/xfrmlint/tree/include/linux/compiler_types.h"),
        *("-D__KERNEL__", "-DCONFIG_XFRM_OFFLOAD=1", "-m64"),
    )
    assert found.folders == ("/nowhere/xfrmlint/tree/include",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file or directory"),
        ("{", "not JSON"),
        ("{}", "not a list of compile commands"),
        ('[{"file": 1}]', "an entry without directory and file"),
        ('[{"directory": "/", "file": "/a/b.c"}]', "none of its files is in this tree"),
        ("[]", "none of its files is in this tree"),
    ],
)
def test_what_is_no_compile_commands_file_is_refused(
    text: str | None, said: str, tmp_path: Path
) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    file = tmp_path / "commands.json"
    if text is not None:
        file.write_text(text)
    ran = run("check", "--confirm", "--compile-commands", file, tree, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == f"xfrmlint: {file}: {said}\n"


def test_flags_that_nobody_would_use_are_refused(tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    for options, said in (
        (["--compile-commands", "x.json"], "--compile-commands wants --confirm or --parser clang"),
        (
            ["--confirm", "--parser", "clang"],
            "--confirm and --parser clang both ask libclang; leave one out",
        ),
    ):
        ran = run("check", *options, tree, cwd=tmp_path)
        assert ran == (2, "", f"xfrmlint: {said} (xfrmlint check --help)\n")


# -- what is printed


def test_an_unconfirmed_finding_says_so_in_its_block(tmp_path: Path) -> None:
    tree = lay_fixture("optin-ifdef", tmp_path / "linux")
    plain = run("check", "-q", "--no-summary", tree, cwd=tmp_path)
    ran = run("check", "-q", "--no-summary", "--confirm", tree, cwd=tmp_path)
    assert "unconfirmed" not in plain.out
    assert ran.out.count("  unconfirmed: under a false #if\n") == 1
    assert ran.out.replace("  unconfirmed: under a false #if\n", "") == plain.out
    assert ran.status == plain.status
    terse = run("check", "--terse", "--confirm", tree, cwd=tmp_path)
    assert terse.out == run("check", "--terse", tree, cwd=tmp_path).out


def test_json_has_a_confirmation_only_if_one_was_asked_for(tmp_path: Path) -> None:
    tree = lay_fixture("optin-ifdef", tmp_path / "linux")
    assert all("confirmation" not in f for f in run_json(tree, cwd=tmp_path)["findings"])
    found = run_json("--confirm", tree, cwd=tmp_path)["findings"]
    assert {(f["parser"], *f["confirmation"].values()) for f in found} == {
        ("tree-sitter+libclang", "confirmed", ""),
        ("tree-sitter", "unconfirmed", "under a false #if"),
    }


# By `--parser clang`: what an #if leaves out, or has no name, is not found, and opts in nowhere.
ABSENT = {
    ("optin-ifdef", "drivers/net/harbor/harbor_ipsec.c", 67, "DIRECT_OFFLOAD_HANDLE"),
    ("known-misses", "drivers/net/plover/plover_main.c", 27, "OFFLOAD_HANDLE_WRITE"),
}
FLAG = ("optin-ifdef", "drivers/net/ember/ember_ipsec.c", 66)
ALONE = {("optin-ifdef", "drivers/net/ember/ember_ipsec.c", 62, "LOWER_HANDLE_FLAG_MISSING")}


@pytest.mark.parametrize("name", trees())
def test_by_libclangs_rows_only_what_is_not_compiled_differs(name: str, tmp_path: Path) -> None:
    tree = Folder(lay_fixture(name, tmp_path / "linux"))
    plain = report_on(tree)
    compiled = check_compiled(tree, RULES, quietly, Session(Cache(None)))

    def found(report: Report) -> set[tuple[str, str, int, str]]:
        return {(name, f.path, f.line, f.type) for f in report.findings}

    lost = {one for one in ABSENT if one[0] == name}
    assert found(plain) - found(compiled) == lost
    assert found(compiled) - found(plain) == {one for one in ALONE if one[0] == name}
    told = {(name, u.path, u.line) for u in set(compiled.unknown) - set(plain.unknown)}
    flags = {FLAG} if name == FLAG[0] else set()
    assert told == {one[:3] for one in lost} | flags


_HIDING = (
    HEAD
    + """
static unsigned long foo_handle(struct xfrm_state *x)
{
	unsigned long handle = 0;
	handle = x->xso.offload_handle; /* the read */
	return handle;
}
static netdev_tx_t foo_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev->features = foo_handle(xfrm_input_state(skb)); /* the call */
	return NETDEV_TX_OK;
}
static const struct net_device_ops foo_netdev_ops = {
	.ndo_start_xmit = foo_xmit, /* the door */
};
static void foo_del(struct net_device *dev, struct xfrm_state *x)
{
}
static const struct xfrmdev_ops foo_ops = {
	.xdo_dev_state_delete = foo_del, /* the callback */
	.flags = XFRMDEV_OPS_F_LOWER_HANDLE, /* the flag */
};
void foo_setup(struct net_device *dev)
{
	dev->netdev_ops = &foo_netdev_ops;
	dev->xfrmdev_ops = &foo_ops;
}
"""
)
# What an #if hides -> level and type of what is found, what is unknown.
DIRECT, UNRESOLVED = "DIRECT_OFFLOAD_HANDLE", "ERROR LOWER_HANDLE_NOT_RESOLVED"
HIDDEN: dict[str, tuple[list[str], list[str]]] = {
    "nothing": ([f"ERROR {DIRECT}", UNRESOLVED], []),
    "the read": ([UNRESOLVED], ["foo_handle libclang: under a false #if"]),
    "the call": (
        [UNRESOLVED],
        ["foo_handle libclang: no way that packets take: under a false #if"],
    ),
    "the door": (
        [UNRESOLVED],
        [
            "foo_handle libclang: no way that packets take: under a false #if",
            " libclang: under a false #if",
        ],
    ),
    "the callback": ([f"ERROR {DIRECT}", UNRESOLVED], [" libclang: under a false #if"]),
    "the flag": ([f"WARNING {DIRECT}"], [" libclang: under a false #if"]),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_an_if_hides_is_not_there_by_libclangs_rows(name: str) -> None:
    line = next((line for line in _HIDING.split("\n") if f"/* {name} */" in line), None)
    text = _HIDING.replace(line, f"#ifdef CONFIG_FOO_FAST\n{line}\n#endif") if line else _HIDING
    report = check_compiled(kernel({FOO: text}), RULES, quietly, Session(Cache(None)))
    found = [f"{f.level} {f.type}" for f in report.findings if f.path == FOO]
    assert (found, [f"{u.function} {u.reason}" for u in report.unknown]) == HIDDEN[name]


def test_libclangs_rows_of_a_tree_and_of_a_change(tmp_path: Path) -> None:
    tree = lay_fixture("optin-ifdef", tmp_path / "linux")
    plain, clang = (
        {
            (f["path"], f["line"]): f["parser"]
            for f in run_json(*asked, tree, cwd=tmp_path)["findings"]
        }
        for asked in ((), ("--parser", "clang"))
    )
    hidden = ("drivers/net/harbor/harbor_ipsec.c", 67)
    assert set(plain) - set(clang) == {hidden}
    assert set(clang.values()) == {"tree-sitter+libclang"}
    patch = tmp_path / "a.patch"
    text = (tree / hidden[0]).read_text().split("\n")
    after = [*text[:66], text[66], *text[66:]]
    patch.write_text(
        "".join(
            difflib.unified_diff(
                [f"{line}\n" for line in text[:-1]],
                [f"{line}\n" for line in after[:-1]],
                f"a/{hidden[0]}",
                f"b/{hidden[0]}",
            )
        )
    )
    for parser, count in (("tree-sitter", 1), ("clang", 0)):
        found = run_json("--parser", parser, "--patch", patch, tree, cwd=tmp_path)["findings"]
        assert len(found) == count


def test_both_prints_where_the_parsers_differ(tmp_path: Path) -> None:
    same = lay_fixture("demo", tmp_path / "same")
    assert run("check", "--parser", "both", same, cwd=tmp_path) == (0, "", "")
    tree = lay_fixture("optin-ifdef", tmp_path / "linux")
    ran = run("check", "--parser", "both", tree, cwd=tmp_path)
    assert ran.status == 1
    assert ran.out == (
        "drivers/net/harbor/harbor_ipsec.c:67: site: read of xso.offload_handle in "
        "harbor_ipsec_tx(): tree-sitter alone (under a false #if)\n"
    )
    ran = run("check", "--parser", "both", tree, tree / "include", cwd=tmp_path)
    assert ran == (0, "", "")


def _resited(facts: Facts, change: Callable[[SiteRow], SiteRow | None]) -> Facts:
    """Return facts whose sites are changed, or left out."""
    store = Store()
    for kind, table in TABLES.items():
        rows = [kind(*row) for row in facts.store.query(f"SELECT * FROM {table}")[1]]
        store.add(row for row in (change(r) if kind is SiteRow else r for r in rows) if row)
    store.seal()
    return facts._replace(store=store)


DIFFER: dict[str, tuple[Callable[[SiteRow], SiteRow | None], str]] = {
    "a site that tree-sitter lost": (
        lambda site: site if site.field != "offload_handle" else None,
        "site: access of xso.offload_handle: libclang alone",
    ),
    "a site that is none": (
        lambda site: site._replace(field="real_dev"),
        "tree-sitter alone (libclang sees no member real_dev there)",
    ),
}


@pytest.mark.parametrize("name", DIFFER)
def test_a_difference_is_found(name: str, tmp_path: Path) -> None:
    change, wanted = DIFFER[name]
    tree = Folder(lay_fixture("demo", tmp_path / "linux"))
    facts = analysis_of(tree).facts
    with Clang(tree) as clang:
        assert compared(tree, facts, clang) == []
        lines = list(comparison.render(compared(tree, _resited(facts, change), clang)))
    assert [line for line in lines if wanted in line]


# -- robust


def test_libclang_is_not_loaded_unless_it_is_asked_for(tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    (tmp_path / "fake/clang").mkdir(parents=True)
    (tmp_path / "fake/clang/__init__.py").write_text("raise ImportError('no clang')\n")
    fake = {"PYTHONPATH": str(tmp_path / "fake")}
    assert run("check", tree, cwd=tmp_path, env=fake).status == 1
    for options in (["--confirm"], ["--parser", "both"]):
        ran = run("check", *options, tree, cwd=tmp_path, env=fake)
        said = "xfrmlint: libclang is not installed; install xfrmlint with pip\n"
        assert ran == (2, "", said)


def test_a_libclang_that_cannot_be_loaded_gives_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unloadable:
        @property
        def lib(self) -> None:
            raise OSError("libclang.so: cannot open. Then more is said")

    monkeypatch.setattr("xfrmlint.clang.library._cindex.conf", Unloadable())
    with pytest.raises(InputError, match=r"^libclang can't be loaded \(libclang.so: cannot open\)"):
        library.load()


HOSTILE = {
    "deep parentheses": "int n = " + "(" * 20000 + "1" + ")" * 20000 + ";\n",
    "a long chain of operators": "int f(int n)\n{\n\treturn " + "!" * 300000 + "n;\n}\n",
    "a sum without end": "int f(int n)\n{\n\treturn n" + "+n" * 200000 + ";\n}\n",
    "an include of itself": f'#include "{Path(FOO).name}"\n',
    "a device": '#include "/dev/zero"\n',
    "another file of the disk": '#include "/etc/passwd"\n',
    "no UTF-8": "int \udcff;\n",
    "a macro that doubles": "".join(f"#define A{n} A{n - 1} A{n - 1}\n" for n in range(1, 23))
    + "int n = A22;\n",
    "nothing closed": "struct {{{{{{ ((((\n#if 1\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_source_gives_reasons_not_a_crash(name: str) -> None:
    text = CASES["a plain read"].text
    files = {FOO: (HEAD + HOSTILE[name] + text).encode("utf-8", "surrogateescape")}
    tree = kernel({})
    tree._files.update(files)
    statuses = _statuses(_confirmed(tree))
    assert {status for _, _, status in statuses} <= {"confirmed", "unconfirmed"}


def _work(job: str) -> str:
    if job == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if job == "hang":
        time.sleep(60)
    if job == "deep":
        raise RecursionError
    if job == "wrong":
        raise ValueError("of some kind")
    return job.upper()


def test_what_happens_to_a_process_happens_to_its_job_alone() -> None:
    jobs = ["a", "crash", "b", "hang", "deep", "wrong", "c"]
    found = [tuple(one) for one in Workers(_work, jobs, timeout=1).run()]
    assert found == [
        ("A", ""),
        (None, "libclang crashed (SIGSEGV)"),
        ("B", ""),
        (None, "took over 1 seconds"),
        (None, "nested too deeply"),
        (None, "ValueError: of some kind"),
        ("C", ""),
    ]


def test_no_jobs_are_done_at_once() -> None:
    assert Workers(_work, []).run() == []


def test_what_was_said_is_remembered_while_the_tree_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lay_fixture("demo", tmp_path / "linux")
    file = tmp_path / "facts.sqlite"

    def told() -> Report:
        with Cache(file) as cache:
            return check_confirmed(Folder(folder), RULES, quietly, Session(cache))

    first = told()
    assert {f.confirmation.status for f in first.findings if f.confirmation} == {"confirmed"}

    def asked(*_: object) -> None:
        raise InputError("asked")

    monkeypatch.setattr("xfrmlint.clang.compiler.Clang", asked)
    assert told() == first
    source = folder / "drivers/net/sunrise/sunrise_tx.c"
    source.write_text(source.read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(InputError, match="asked"):
        told()
