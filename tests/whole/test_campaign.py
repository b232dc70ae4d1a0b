"""Hundreds of drivers that mean what others mean: the same findings, or it is said what is lost.

What is changed, and how, is in tests/mutated.py.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from functools import cache
from typing import NamedTuple

import pytest

from tests.asked import Base
from tests.laid import EXAMPLE, files_of, is_core
from tests.mutated import OPERATORS, Mutant, choose, mutants
from xfrmlint.findings import Report
from xfrmlint.rules import ABOUT_COMMENTS, load_rules, rules_folder

pytestmark = pytest.mark.slow

# So many mutants of each operator are tried, of the drivers of this file and of the others.
_MOST_OWN = 5
_MOST_OTHERS = 4
# One worker needn't try all.
_PARTS = 6

_FIXTURES = """
demo entries-control entries-handlers entries-napi entries-ndo lookalikes-names lookalikes-policy
lower-own-ops lower-touches-owner mainline-before mainline-upper optin-array optin-assigned
optin-copied optin-flags-direct optin-flags-macro optin-ifdef optin-macro-paste optin-runtime
optin-tested-or-cleared pointers-same-field read-forms-indirect read-forms-plain read-state-paths
resolve-elsewhere resolve-one-form resolve-wrappers rfc-converted stub-macros uld-flag-on-core
uld-flag-on-uld uld-wrong-index upper-vlan upper-with-resolver upper-wrong v6.12-before write-forms
""".split()

# A converted driver as drivers are: rings, a list of SAs, a way out at the end.
_RIGHT = """\
#include <linux/io.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/xfrm.h>

struct kite_sa {
	struct list_head node;
	struct xfrm_state *x;
	u16 index;
};

struct kite_desc {
	__le32 sa, len;
};

struct kite_ring {
	struct net_device *netdev;
	struct napi_struct napi;
	struct kite_desc *descs;
	u32 __iomem *bell;
	struct sk_buff *done[64];
	u16 next, tail;
};

struct kite_priv {
	struct kite_ring ring;
	struct list_head sas;
	u16 in_use;
};

struct kite_meta {
	unsigned long handle;
	u32 len;
};

static int kite_handle(struct kite_ring *ring, struct xfrm_state *x, unsigned long *handle)
{
	*handle = xfrm_dev_state_lower_handle(x, ring->netdev);
	if (!*handle)
		return -ENOENT;
	return 0;
}

static void kite_send(struct kite_ring *ring, const struct kite_meta *meta)
{
	struct kite_desc desc = { .sa = meta->handle, .len = meta->len };

	ring->descs[ring->next++ & 63] = desc;
	writel(ring->next, ring->bell);
}

static netdev_tx_t kite_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct kite_priv *priv = netdev_priv(dev);
	struct xfrm_state *x = xfrm_input_state(skb);
	struct kite_meta meta = { .len = skb->len, .handle = 0 };

	if (skb->len > 9000)
		goto drop;
	if (kite_handle(&priv->ring, x, &meta.handle))
		goto drop;
	kite_send(&priv->ring, &meta);
	return NETDEV_TX_OK;
drop:
	dev->stats.tx_dropped++;
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

static int kite_poll(struct napi_struct *napi, int budget)
{
	struct kite_ring *ring = container_of(napi, struct kite_ring, napi);
	int done = 0;

	while (done < budget) {
		struct sk_buff *skb = ring->done[ring->tail++ & 63];
		struct xfrm_state *x = xfrm_input_state(skb);
		unsigned long handle = xfrm_dev_state_lower_handle(x, ring->netdev);

		if (handle == 0)
			break;
		skb->queue_mapping = ((struct kite_sa *)handle)->index;
		napi_gro_receive(napi, skb);
		done++;
	}
	return done;
}

static int kite_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct kite_priv *priv = netdev_priv(dev);
	struct kite_sa *sa = kzalloc(sizeof(*sa), GFP_KERNEL);

	if (!sa)
		return -ENOMEM;
	sa->x = x;
	sa->index = ++priv->in_use;
	list_add_tail(&sa->node, &priv->sas);
	x->xso.offload_handle = (unsigned long)sa;
	return 0;
}

static void kite_delete(struct net_device *dev, struct xfrm_state *x)
{
	struct kite_priv *priv = netdev_priv(dev);
	struct kite_sa *sa;

	list_for_each_entry(sa, &priv->sas, node) {
		if (sa->x == x)
			break;
	}
	list_del(&sa->node);
}

static const struct net_device_ops kite_netdev_ops = {
	.ndo_start_xmit		= kite_xmit,
};

static const struct xfrmdev_ops kite_xfrmdev_ops = {
	.xdo_dev_state_add	= kite_add,
	.xdo_dev_state_delete	= kite_delete,
	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,
};

void kite_init(struct net_device *dev)
{
	struct kite_priv *priv = netdev_priv(dev);

	priv->ring.netdev = dev;
	dev->netdev_ops = &kite_netdev_ops;
	dev->xfrmdev_ops = &kite_xfrmdev_ops;
	netif_napi_add(dev, &priv->ring.napi, kite_poll);
}
"""

# A conversion gone wrong in most ways there are.
_WRONG = """\
#include <linux/io.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <net/xfrm.h>

struct crow_priv;

struct crow_ops {
	bool (*prepare)(struct crow_priv *priv, struct sk_buff *skb);
	void (*finish)(struct crow_priv *priv, struct sk_buff *skb);
};

struct crow_priv {
	const struct crow_ops *ops;
	struct net_device *peer;
	struct napi_struct napi;
	struct sk_buff *done;
	u32 __iomem *bell;
	u16 queues[64];
	unsigned long last;
};

struct crow_meta {
	struct net_device *lower;
	unsigned long handle;
};

/* Reads the field itself. */
static bool crow_prepare(struct crow_priv *priv, struct sk_buff *skb)
{
	struct xfrm_state *x = xfrm_input_state(skb);
	struct xfrm_dev_offload *xso = &x->xso;

	if (!xso->offload_handle)
		return false;
	skb->queue_mapping = xso->offload_handle;
	return true;
}

/* Asks for another device. */
static void crow_finish(struct crow_priv *priv, struct sk_buff *skb)
{
	struct xfrm_state *x = xfrm_input_state(skb);
	struct crow_meta meta = { .lower = priv->peer, .handle = 0 };

	meta.handle = xfrm_dev_state_lower_handle(x, meta.lower);
	if (meta.handle)
		writel(meta.handle, priv->bell);
}

static const struct crow_ops crow_ops = {
	.prepare	= crow_prepare,
	.finish		= crow_finish,
};

/* Keeps the handle, and is busy for ever without one. */
static netdev_tx_t crow_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct crow_priv *priv = netdev_priv(dev);
	struct xfrm_state *x = xfrm_input_state(skb);
	unsigned long handle = xfrm_dev_state_lower_handle(x, dev);

	if (!handle)
		goto busy;
	priv->last = handle;
	if (priv->ops->prepare(priv, skb))
		priv->ops->finish(priv, skb);
	return NETDEV_TX_OK;
busy:
	dev->stats.tx_errors++;
	return NETDEV_TX_BUSY;
}

/* Tests something else. */
static int crow_poll(struct napi_struct *napi, int budget)
{
	struct crow_priv *priv = container_of(napi, struct crow_priv, napi);
	struct xfrm_state *x = xfrm_input_state(priv->done);
	unsigned long handle = xfrm_dev_state_lower_handle(x, napi->dev);

	if (!priv->bell)
		return 0;
	priv->done->queue_mapping = priv->queues[handle];
	napi_gro_receive(napi, priv->done);
	return 1;
}

static int crow_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{
	struct crow_priv *priv = netdev_priv(dev);

	priv->peer = x->xso.real_dev;
	x->xso.offload_handle = ++priv->last;
	return 0;
}

static void crow_delete(struct net_device *dev, struct xfrm_state *x)
{
	struct crow_priv *priv = netdev_priv(dev);

	writel(x->xso.offload_handle, priv->bell);
	x->xso.offload_handle = 0;
}

static const struct net_device_ops crow_netdev_ops = {
	.ndo_start_xmit		= crow_xmit,
};

static const struct xfrmdev_ops crow_xfrmdev_ops = {
	.xdo_dev_state_add	= crow_add,
	.xdo_dev_state_delete	= crow_delete,
	.flags			= XFRMDEV_OPS_F_LOWER_HANDLE,
};

void crow_init(struct net_device *dev)
{
	struct crow_priv *priv = netdev_priv(dev);

	priv->ops = &crow_ops;
	dev->netdev_ops = &crow_netdev_ops;
	dev->xfrmdev_ops = &crow_xfrmdev_ops;
	netif_napi_add(dev, &priv->napi, crow_poll);
}
"""


_DRIVERS = {"kite": _RIGHT, "crow": _WRONG}


class Subject(NamedTuple):
    """A source to be changed. base: the folder below fixtures/. files: what lies over it."""

    name: str
    base: str
    files: Mapping[str, bytes]
    path: str

    @property
    def text(self) -> str:
        return self.files[self.path].decode()


class Outcome(NamedTuple):
    """What came of a mutant. kind: equal, admitted, lost or false."""

    name: str
    kind: str
    said: str


def subjects() -> Iterator[Subject]:
    """Yield the drivers' sources of the fixtures, of the rules' examples and of this file."""
    for name in _FIXTURES:
        files = dict(files_of(name))
        base = files.pop("base", b"").decode().strip()
        for path in files:
            if path.startswith("drivers/") and path.endswith(".c"):
                yield Subject(f"{name}/{path.rpartition('/')[2][:-2]}", base, files, path)
    for name, text in _examples():
        makefiles = {
            "drivers/net/example/Makefile": b"obj-m += example.o\n",
            "drivers/net/Makefile": b"obj-m += example/\n",
        }
        yield Subject(name, "rfc", {EXAMPLE: text.encode(), **makefiles}, EXAMPLE)


def _examples() -> Iterator[tuple[str, str]]:
    yield from _DRIVERS.items()
    for rule in load_rules([rules_folder()]):
        if rule.type in ABOUT_COMMENTS:
            # They speak of lines, not of code.
            continue
        for word, texts in (("bad", rule.bad), ("good", rule.good)):
            for number, text in enumerate(texts, 1):
                if not is_core(text):
                    yield f"{rule.type.lower()} {word} {number}", text.lstrip()


@cache
def base_of(name: str) -> Base:
    return Base(files_of(f"base/{name}") if name else {})


@cache
def _header_functions() -> frozenset[str]:
    headers = b"".join(data for path, data in files_of("base/rfc").items() if path.endswith(".h"))
    text = headers.decode()
    words = {"sizeof", "typeof", "__typeof__", "if", "while", "for"}
    macros = set(re.findall(r"#define (\w+)\(", text)) | words
    return frozenset(set(re.findall(r"\b(\w+)\([^;{}#]*\)\s*[;{]", text)) - macros)


def outcome_of(subject: Subject, before: Report, mutant: Mutant) -> Outcome:
    """Check a mutant and compare with what was found in the source as it was."""
    text = mutant.write()
    assert text != subject.text
    files = {**subject.files, subject.path: text.encode()}
    after = base_of(subject.base).check(files)
    old, new = _line_map(subject.text, text)
    had, has = _places(before, subject.path, old), _places(after, subject.path, new)
    if set(had) == set(has) or _functions(before) == _functions(after):
        return Outcome(mutant.name, "equal", "")
    lost, more = set(had) - set(has), set(has) - set(had)
    said = "; ".join(
        f"{sign}{kind}:{level}:{line}"
        for sign, some in (("-", lost), ("+", more))
        for kind, level, _, line in sorted(some)
    )
    known = {(row.function, row.reason) for row in before.unknown}
    admits = [row for row in after.unknown if (row.function, row.reason) not in known]
    if more:
        return Outcome(mutant.name, "false", said)
    return Outcome(
        mutant.name,
        "admitted" if any(row.path == subject.path for row in admits) else "lost",
        said,
    )


def _line_map(old: str, new: str) -> tuple[dict[int, int], dict[int, int]]:
    """Return of both texts the lines that stayed: number -> number in the old one."""
    matcher = SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False)
    stayed = [
        (block.a + i + 1, block.b + i + 1)
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
    ]
    return {a: a for a, _ in stayed}, {b: a for a, b in stayed}


def _places(report: Report, path: str, lines: Mapping[int, int]) -> list[tuple[str, str, str, int]]:
    # A line that was changed is like any other that was.
    return [
        (f.type, f.level, f.path, lines.get(f.line, 0) if f.path == path else f.line)
        for f in report.findings
    ]


def _functions(report: Report) -> Counter[tuple[str, str, str, str]]:
    return Counter((f.type, f.level, f.path, f.function) for f in report.findings)


@cache
def _chosen() -> list[tuple[Subject, Mutant]]:
    """Return the mutants that are tried, each with what it was made of."""
    own: dict[str, list[Mutant]] = {}
    others: dict[str, list[Mutant]] = {}
    sources: dict[str, Subject] = {}
    for subject in subjects():
        made = own if subject.name in _DRIVERS else others
        for operator, some in mutants(subject.name, subject.text, _header_functions()).items():
            made.setdefault(operator, []).extend(some)
            sources.update((mutant.name, subject) for mutant in some)
    tried = [*choose(own, _MOST_OWN), *choose(others, _MOST_OTHERS)]
    return [(sources[mutant.name], mutant) for mutant in tried]


def test_each_operator_is_tried() -> None:
    assert {mutant.name.partition(" | ")[0] for _, mutant in _chosen()} == {
        one.name for one in OPERATORS
    }
    assert len(_chosen()) >= 300


@pytest.mark.parametrize("part", range(_PARTS))
def test_a_change_of_form_changes_no_finding(part: int, capsys: pytest.CaptureFixture[str]) -> None:
    before: dict[str, Report] = {}
    outcomes = []
    for subject, mutant in _chosen()[part::_PARTS]:
        if subject.name not in before:
            before[subject.name] = base_of(subject.base).check(subject.files)
        outcomes.append(outcome_of(subject, before[subject.name], mutant))
    counted = Counter(outcome.kind for outcome in outcomes)
    with capsys.disabled():
        print(
            f"\ncampaign {part + 1}/{_PARTS}: {len(outcomes)} mutants, {counted['equal']} equal, "
            f"{counted['admitted']} admitted, {counted['lost']} silently lost, "
            f"{counted['false']} false claims"
        )
    wrong = {o.name: f"{o.kind} {o.said}" for o in outcomes if o.kind in ("lost", "false")}
    assert wrong == {}
