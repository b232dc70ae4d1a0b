"""Whose net_device the resolver is asked for: the own one on evidence, else another, or unknown."""

from collections.abc import Sequence

import pytest

from tests.whole.around import BASE, TESTED, driver, said

NOT_KNOWN = "which device the resolver is asked for is not known"
CARD = """
struct ring { struct net_device *netdev; u32 __iomem *io; };
struct card { u32 __iomem *io; struct net_device *netdev; struct port *ports[2]; };
struct port { struct net_device *netdev; struct card *card; struct ring ring; struct ring *used; };

static struct net_device *port_create(struct card *card, int i)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct port));
	struct port *p = netdev_priv(dev);

	p->netdev = dev;
	p->card = card;
	p->ring.netdev = dev;
	p->used = &p->ring;
	card->ports[i] = p;
	MORE
	return dev;
}
"""
ONE = "int card_probe(struct card *card)\n{\n\treturn !port_create(card, 0);\n}\n"
KEPT = "void card_probe(struct card *card)\n{\n\tcard->netdev = port_create(card, 0);\n}\n"
LOOP = """
int card_probe(struct card *card)
{
	int i;

	for (i = 0; i < 2; i++)
		if (!port_create(card, i))
			return -ENOMEM;
	return 0;
}
"""
EACH_ITS_OWN = """
int cards_probe(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct card *card = kzalloc(sizeof(*card), GFP_KERNEL);

		if (!card || !port_create(card, 0))
			return -ENOMEM;
	}
	return 0;
}
"""
TWICE = """
int card_probe(struct card *card)
{
	if (!port_create(card, 0))
		return -ENOMEM;
	return port_create(card, 1) ? 0 : -ENOMEM;
}
"""
EITHER = """
int card_probe(struct card *card)
{
	if (card->io)
		return !port_create(card, 0);
	else
		return !port_create(card, 1);
}
"""
OUTER = """
int card_probe(struct card *card);
int card_found(void)
{
	return card_probe(kzalloc(sizeof(struct card), GFP_KERNEL));
}
"""
CHOSEN = "void card_choose(struct card *c, struct port *p)\n{\n\tc->netdev = p->netdev;\n}\n"
SOME = """
static const struct xfrmdev_ops example_xfrmdev_ops;
void port_offers(struct net_device *dev, int i)
{
	if (!i)
		dev->xfrmdev_ops = &example_xfrmdev_ops;
}
"""
MANY = """
struct box { struct card card[2]; int n; };
static struct card example_cards[2];
int cards_probe(struct box *box)
{
	struct card *card = box->card;
	int i;

	MADE
	return 0;
}
"""
OTHERS = "void *port_load(struct card *card)\n{\n\treturn port_create(card, 1);\n}\n"


@pytest.mark.parametrize(
    ("asked", "more", "made", "whose"),
    [
        ("o->card->netdev", "card->netdev = dev;", ONE, "own"),
        ("o->card->netdev", "card->netdev = dev;", EACH_ITS_OWN, "own"),
        ("o->card->netdev", "", KEPT, "own"),
        ("o->ring.netdev", "", LOOP, "own"),
        ("o->used->netdev", "", LOOP, "own"),
        # Who came last, the first, one of two.
        ("o->card->netdev", "card->netdev = dev;", LOOP, "another"),
        ("o->card->netdev", "if (!i) card->netdev = dev;", LOOP, "another"),
        ("o->card->netdev", "card->netdev = dev;", TWICE, "another"),
        ("o->card->netdev", "if (!card->netdev) card->netdev = dev;", OUTER + LOOP, "another"),
        # One of two, or what somebody changes; one of them is made, or offers anything.
        ("o->card->netdev", "", KEPT + OTHERS, "open"),
        ("o->card->netdev", "card->netdev = dev;", LOOP + CHOSEN, "open"),
        ("o->card->netdev", "card->netdev = dev;", EITHER, "open"),
        ("o->card->netdev", "card->netdev = dev;", LOOP + SOME, "open"),
        # Another port's ring, or a copy of it.
        ("o->used->netdev", "if (i) p->used = &card->ports[0]->ring;", LOOP, "open"),
        ("o->ring.netdev", "if (i) p->ring = card->ports[0]->ring;", LOOP, "open"),
        (
            "o->ring.netdev",
            "if (i) memcpy(&p->ring, &card->ports[0]->ring, sizeof(p->ring));",
            LOOP,
            "open",
        ),
        ("o->ring.netdev", "p->ring.netdev = i ? card->ports[0]->netdev : dev;", LOOP, "another"),
    ],
)
def test_what_devices_have_in_common_is_no_ones_own(
    asked: str, more: str, made: str, whose: str
) -> None:
    body = f"struct port *o = netdev_priv(dev);\n\n\th = xfrm_dev_state_lower_handle(x, {asked});"
    text = driver(CARD.replace("MORE", more) + made, f"{body}\n\t{TESTED}")
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == ["WRONG_LOWER_DEV"] * (whose == "another")
    reasons = [row.reason for row in report.unknown]
    assert any(reason.startswith(NOT_KNOWN) for reason in reasons) == (whose == "open")


# One function makes the uplink, another one the representors that transmit through its queue.
UPLINK = """
struct queue { struct net_device *netdev; u32 __iomem *io; };
struct hub { struct queue queue; struct queue queues[4]; struct net_device *uplink; };
struct rep { struct net_device *own; struct hub *hub; struct queue *queue; };
struct hub *hub_of(struct hub *hub, int i);

static int uplink_create(struct hub *hub)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct rep));
	struct rep *rep = netdev_priv(dev);

	rep->own = dev;
	rep->hub = hub;
	rep->queue = &hub->queue;
	hub->queue.netdev = dev;
	hub->uplink = dev;
	return register_netdev(dev);
}

static int rep_create(struct hub *hub, int i)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct rep));
	struct rep *rep = netdev_priv(dev);

	rep->own = dev;
	rep->hub = hub;
	rep->queue = QUEUE;
	MORE
	return register_netdev(dev);
}

int hub_probe(struct hub *hub)
{
	int i, err = uplink_create(hub);

	for (i = 0; !err && i < 3; i++)
		err = rep_create(HUB, i);
	return err;
}
"""


@pytest.mark.parametrize(
    ("asked", "changes", "whose"),
    [
        ("o->own", (), "own"),
        (
            "o->queue->netdev",
            (("QUEUE", "&hub->queues[i]"), ("MORE", "rep->queue->netdev = dev;")),
            "own",
        ),
        ("o->queue->netdev", (), "another"),
        ("o->hub->queue.netdev", (), "another"),
        ("o->hub->uplink", (), "another"),
        ("o->queue->netdev", (("hub->queue.netdev = dev;", ""),), "open"),
        ("o->hub->uplink", (("HUB", "hub_of(hub, i)"),), "own"),
    ],
)
def test_what_representors_find_at_their_uplink_is_no_ones_own(
    asked: str, changes: Sequence[tuple[str, str]], whose: str
) -> None:
    made = UPLINK
    for old, new in (*changes, ("QUEUE", "&hub->queue"), ("MORE", ""), ("HUB", "hub")):
        made = made.replace(old, new)
    asks = f"h = xfrm_dev_state_lower_handle(x, {asked});\n\t{TESTED}"
    text = driver(made, f"struct rep *o = netdev_priv(dev);\n\n\t{asks}")
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == ["WRONG_LOWER_DEV"] * (whose == "another")
    reasons = [row.reason for row in report.unknown]
    assert any(reason.startswith(NOT_KNOWN) for reason in reasons) == (whose == "open")


@pytest.mark.parametrize(
    ("device", "lent", "whose"),
    [
        ("dev", "&p->lanes[i & 1]", "own"),
        ("dev", "p->lane", "own"),
        ("o->hub->uplink", "&p->lanes[i & 1]", "another"),
        ("o->hub->uplink", "p->lane", "another"),
        ("o->hub->uplink", "p->lent", "open"),
    ],
)
@pytest.mark.parametrize(
    "call", ["lane_get(LANE, x)", "({ struct lane *n = LANE; lane_get(n, x); })"]
)
def test_a_queue_in_another_devices_private_data(
    device: str, lent: str, whose: str, call: str
) -> None:
    made = UPLINK.replace("struct queue *queue;", "struct queue *queue; LANES").replace(
        "LANES", "struct lane lanes[2], *lane, *lent;"
    )
    sets = """rep->lane = &rep->lanes[0];
	rep->lane->netdev = dev;
	rep->lanes[1].netdev = dev;
	rep->lent = hub->lane;
	"""
    for old, new in (
        ("hub->uplink = dev;", f"hub->uplink = dev;\n\t{sets}"),
        ("struct queue queue;", "struct lane *lane; struct queue queue;"),
        ("QUEUE", "&hub->queue"),
        ("MORE", sets),
        ("HUB", "hub"),
    ):
        made = made.replace(old, new)
    lanes = f"""
static struct lane *lane_of(struct net_device *dev, int i)
{{
	struct rep *p = netdev_priv(dev);

	return {lent};
}}

static u32 lane_get(struct lane *n, struct xfrm_state *x)
{{
	return xfrm_dev_state_lower_handle(x, n->netdev);
}}
"""
    head = "struct lane { struct net_device *netdev; u32 __iomem *io; };\n"
    asks = f"h = {call.replace('LANE', f'lane_of({device}, 1)')};\n\t{TESTED}"
    text = driver(head + made + lanes, f"struct rep *o = netdev_priv(dev);\n\n\t{asks}")
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == ["WRONG_LOWER_DEV"] * (whose == "another")
    reasons = [row.reason for row in report.unknown]
    assert any(reason.startswith(NOT_KNOWN) for reason in reasons) == (whose == "open")


@pytest.mark.parametrize(
    ("uplink", "rep", "whose"),
    [
        # What transmits is an operation of the uplink's alone, of all, of representors.
        ("example_init(dev);", "", "own"),
        ("example_init(dev);", "example_init(dev);", "another"),
        ("", "example_init(dev);", "another"),
        ("example_init(hub->uplink);", "", "open"),
        ("example_init(dev); twin.ops = &example_netdev_ops;", "", "open"),
    ],
)
@pytest.mark.parametrize("asked", ["o->queue->netdev", "o->hub->uplink"])
def test_one_that_others_find_is_its_own(asked: str, uplink: str, rep: str, whose: str) -> None:
    made = UPLINK.replace("hub->uplink = dev;", f"hub->uplink = dev;\n\t{uplink}")
    for old, new in (("QUEUE", "&hub->queue"), ("MORE", rep), ("HUB", "hub")):
        made = made.replace(old, new)
    declared = """void example_init(struct net_device *dev);
static const struct net_device_ops example_netdev_ops;
static struct { const struct net_device_ops *ops; } twin;
"""
    asks = f"h = xfrm_dev_state_lower_handle(x, {asked});\n\t{TESTED}"
    text = driver(declared + made, f"struct rep *o = netdev_priv(dev);\n\n\t{asks}")
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == ["WRONG_LOWER_DEV"] * (whose == "another")
    reasons = [row.reason for row in report.unknown]
    assert any(reason.startswith(NOT_KNOWN) for reason in reasons) == (whose == "open")


@pytest.mark.parametrize(
    ("made", "whose"),
    [
        ("for (i = 0; i < 2; i++) port_create(&example_cards[i], i);", "own"),
        ("for (i = 0; i < 2; i++) port_create(example_cards + i, i);", "own"),
        ("for (i = 0; i < 2; i++) port_create(&box->card[i], i);", "own"),
        ("for (i = 0; i < 2; i++) port_create(card++, i);", "own"),
        ("while (i--) port_create(&card[i], 0);", "own"),
        ("port_create(&example_cards[0], 0); port_create(&example_cards[1], 1);", "open"),
        ("for (i = 0; i < 2; i++) port_create(&example_cards[0], i);", "another"),
        ("for (i = 0; i < 2; i++) port_create(example_cards, i);", "another"),
        ("for (i = 0; i < 2; i++) port_create(&box->card[box->n], i);", "another"),
        ("for (i = 0; i < 2; i++) { box->n++; port_create(box->card, i); }", "another"),
        ("for (i = 0; i < 2; i++) port_create(card, i);", "another"),
        ("port_create(&example_cards[0], 0); port_create(&example_cards[0], 1);", "another"),
    ],
)
def test_of_several_cards_one_can_be_each_ones_own(made: str, whose: str) -> None:
    card = CARD.replace("MORE", "card->netdev = dev;") + MANY.replace("MADE", made)
    asks = "h = xfrm_dev_state_lower_handle(x, o->card->netdev);"
    body = f"struct port *o = netdev_priv(dev);\n\n\t{asks}"
    report = BASE.check_example(driver(card, f"{body}\n\t{TESTED}"))
    assert [f.type for f in report.findings] == ["WRONG_LOWER_DEV"] * (whose == "another")
    reasons = [row.reason for row in report.unknown]
    assert any(reason.startswith(NOT_KNOWN) for reason in reasons) == (whose == "open")


YOKE = """
struct yoke { struct net_device *own, *other; struct yoke *twin; };
int yoke_pair(struct net_device *dev, struct net_device *conduit)
{
	struct yoke *y = netdev_priv(dev);

	y->own = dev;
	y->other = conduit;
	y->twin = netdev_priv(conduit);
	return register_netdev(dev);
}
"""
ALONE = """
int yoke_alone(struct net_device *dev, int n)
{
	struct yoke *y = netdev_priv(dev);

	y->other = STORED;
	return CALLED;
}
"""


@pytest.mark.parametrize(
    ("asked", "stored", "called", "types", "why"),
    [
        ("y->own", "", "", [], ""),
        ("y->other", "", "", ["WRONG_LOWER_DEV"], ""),
        ("(skb->dev = y->other, skb->dev)", "", "", ["WRONG_LOWER_DEV"], ""),
        # It can be the device at work again.
        ("y->twin->other", "", "", [], "struct yoke.other holds another device"),
        ("y->other", "dev", "0", [], "struct yoke.other holds another device, too"),
        ("y->other", "vendor_find(n)", "0", [], "struct yoke.other holds another device"),
        ("y->other", "NULL", "yoke_pair(dev, dev)", [], ""),
        ("y->other", "NULL", "yoke_pair(dev, vendor_find(n))", [], "n) comes from is not known"),
    ],
)
def test_the_second_device_that_a_set_up_is_given_is_another(
    asked: str, stored: str, called: str, types: list[str], why: str
) -> None:
    alone = ALONE.replace("STORED", stored).replace("CALLED", called) if stored else ""
    body = f"struct yoke *y = netdev_priv(dev);\n\n\th = xfrm_dev_state_lower_handle(x, {asked});"
    report = BASE.check_example(driver(YOKE + alone, f"{body}\n\t{TESTED}"))
    assert [f.type for f in report.findings] == types
    reasons = [row.reason for row in report.unknown if row.reason.startswith(NOT_KNOWN)]
    assert len(reasons) == bool(why)
    assert [reason for reason in reasons if not reason.endswith(why)] == []


GOT = """
struct device { struct device *parent; };
struct platform_device { int id; struct device dev; };
struct ring { struct net_device *netdev; u32 __iomem *io; };
struct card { struct list_head list; int id; struct net_device *netdev; struct port *ports[2]; };
struct port { struct net_device *netdev; struct card *card; };
static LIST_HEAD(example_cards);
static struct card *example_card;

static struct card *example_find(int id)
{
	struct card *card;

	list_for_each_entry(card, &example_cards, list)
		if (card->id == id)
			return card;
	return NULL;
}

static struct card *example_made(struct platform_device *pdev)
{
	struct card *card = kzalloc(sizeof(*card), GFP_KERNEL);

	return card;
}

int port_probe(struct platform_device *pdev)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct port));
	struct port *p = netdev_priv(dev);
	struct card *card = GET;

	p->netdev = dev;
	p->card = card;
	card->netdev = dev;
	return 0;
}
"""


@pytest.mark.parametrize(
    ("get", "known"),
    [
        ("kzalloc(sizeof(*card), GFP_KERNEL)", True),
        ("devm_kzalloc(&pdev->dev, sizeof(*card), GFP_KERNEL)", True),
        ("platform_get_drvdata(pdev)", True),
        ("dev_get_drvdata(&pdev->dev)", True),
        ("dev_get_drvdata(pdev->dev.parent)", False),
        ("list_first_entry(&example_cards, struct card, list)", False),
        ("example_card", False),
        ("example_find(pdev->id)", False),
        ("example_made(pdev)", True),
    ],
)
def test_what_a_probe_gets_from_others_is_not_the_devices_alone(get: str, known: bool) -> None:
    asks = "h = xfrm_dev_state_lower_handle(x, o->card->netdev);"
    body = f"struct port *o = netdev_priv(dev);\n\n\t{asks}"
    report = BASE.check_example(driver(GOT.replace("GET", get), f"{body}\n\t{TESTED}"))
    assert [f.type for f in report.findings] == []
    reasons = [row.reason for row in report.unknown]
    assert any(reason.startswith(NOT_KNOWN) for reason in reasons) != known


@pytest.mark.parametrize(
    ("device", "types"),
    [
        ("example_table[skb->len & 1]->netdev", []),
        ("example_only", ["WRONG_LOWER_DEV"]),
    ],
)
def test_a_files_table_of_ports_gives_their_devices(device: str, types: list[str]) -> None:
    outside = (CARD.replace("MORE", "example_table[i] = p;\n\texample_only = dev;") + LOOP).replace(
        "static struct net_device *port_create",
        "static struct port *example_table[2];\nstatic struct net_device *example_only;\n"
        "static struct net_device *port_create",
    )
    body = f"h = xfrm_dev_state_lower_handle(x, {device});\n\t{TESTED}"
    assert [kind for kind, _ in said(outside, body)] == types


@pytest.mark.parametrize("port", ["o->card->ports[o->n]", "o->card->ports[skb->len & 1]"])
@pytest.mark.parametrize(
    ("stored", "known"),
    [
        ("card->ports[i] = p;", True),
        ("rcu_assign_pointer(card->ports[i], p);", True),
        ("struct port **at = &card->ports[i]; *at = p;", True),
        ("struct port *ports[2]; ports[i] = p; card->ports[i] = ports[i];", True),
        ("", False),
        ("card->ports[i] = NULL;", False),
        ("vendor_keep(card, i, p);", False),
    ],
)
def test_of_an_element_that_nobody_is_seen_to_store_nobody_knows_whose_it_is(
    port: str, stored: str, known: bool
) -> None:
    card = CARD.replace("struct ring *used;", "struct ring *used; u8 n;").replace("MORE", "")
    card = card.replace("card->ports[i] = p;", f"p->n = i; {stored}")
    body = f"struct port *o = netdev_priv(dev), *a = {port};\n\n\t"
    text = driver(card + LOOP, f"{body}h = xfrm_dev_state_lower_handle(x, a->netdev);\n\t{TESTED}")
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == []
    why = f"{NOT_KNOWN}: nobody is seen to store an element of ports"
    assert [row.reason for row in report.unknown if row.reason == why] == [why] * (not known)


@pytest.mark.parametrize(
    ("port", "types"),
    [
        ("example_table[skb->len & 1]", []),
        ("example_table[0]", ["WRONG_LOWER_DEV"]),
        ("example_others[skb->len & 1]", None),
        ("o->card->others[!o->n]", None),
        ("o->card->others[0]", None),
    ],
)
def test_so_it_is_with_any_table(port: str, types: list[str] | None) -> None:
    card = CARD.replace("struct ring *used;", "struct ring *used; u8 n;")
    card = card.replace("struct port *ports[2];", "struct port *ports[2], *others[2];")
    card = card.replace("MORE", "p->n = i; example_table[i] = p;").replace(
        "static struct net_device *port_create",
        "static struct port *example_table[2], *example_others[2];\n"
        "static struct net_device *port_create",
    )
    body = f"struct port *o = netdev_priv(dev), *a = {port};\n\n\tif (!o) return NETDEV_TX_OK;\n\t"
    text = driver(card + LOOP, f"{body}h = xfrm_dev_state_lower_handle(x, a->netdev);\n\t{TESTED}")
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == (types or [])
    assert any(row.reason.startswith(NOT_KNOWN) for row in report.unknown) == (types is None)


@pytest.mark.parametrize(
    ("device", "types"),
    [
        ("p->netdev", []),
        ("x->xso.dev", ["OFFLOAD_DEV_ACCESS", "WRONG_LOWER_DEV"]),
        ("x->xso.real_dev", ["OFFLOAD_DEV_ACCESS", "WRONG_LOWER_DEV"]),
    ],
)
def test_a_callback_asks_for_no_device_of_the_states(device: str, types: list[str]) -> None:
    esn = """
struct port { struct net_device *netdev; u32 __iomem *io; };
static void example_esn(struct xfrm_state *x)
{
	struct port *p = x->data;
	unsigned long h = xfrm_dev_state_lower_handle(x, DEVICE);

	if (h)
		writel(h, p->io);
}
"""
    text = driver(esn.replace("DEVICE", device), f"h = example_get(x, dev);\n\t{TESTED}")
    text = text.replace("\t.flags", "\t.xdo_dev_state_advance_esn = example_esn,\n\t.flags")
    assert sorted(f.type for f in BASE.check_example(text).findings) == types


HUB = """
struct hub { struct net_device *user[4], *up, *of_sa[16]; struct spoke *spoke[4]; };
struct spoke { u8 nr; };
static struct hub *example_hub, example_one;
static struct net_device *example_users[4];
int hub_join(struct hub *hub, struct net_device *user, u8 nr)
{
	struct spoke *s = netdev_priv(user);

	s->nr = nr;
	hub->user[nr] = user;
	hub->up = user;
	example_hub = hub;
	example_one.user[nr] = user;
	example_users[nr] = user;
	return 0;
}
static void hub_keep(struct net_device *dev, int sa)
{
	example_hub->of_sa[sa] = dev;
	example_one.of_sa[sa] = dev;
}
static struct sk_buff *hub_rcv(struct sk_buff *skb, struct net_device *conduit)
{
	struct hub *hub = example_hub;
	u8 nr = skb->data[1] & 3;
	unsigned long h;

	skb->dev = USER;
	h = xfrm_dev_state_lower_handle(xfrm_input_state(skb), ASKED);
	return h ? skb : NULL;
}
static const struct dsa_device_ops hub_ops = { .rcv = hub_rcv };
"""


@pytest.mark.parametrize(
    ("user", "asked", "whose"),
    [
        ("hub->user[nr]", "hub->user[nr]", "own"),
        ("example_hub->user[nr]", "skb->dev", "own"),
        ("example_one.user[nr]", "skb->dev", "own"),
        ("hub->user[nr]", "hub->user[0]", "another"),
        ("hub->user[nr]", "hub->up", "another"),
        ("hub->user[nr]", "example_users[2]", "another"),
        ("hub->user[nr]", "hub->of_sa[skb->data[2]]", "another"),
        ("hub->user[nr]", "example_one.of_sa[skb->data[2]]", "another"),
        ("example_users[nr]", "skb->dev", "open"),
    ],
)
def test_a_table_of_ports_can_hang_on_a_variable_of_the_file(
    user: str, asked: str, whose: str
) -> None:
    hub = HUB.replace("USER", user).replace("ASKED", asked)
    text = driver(hub, f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}")
    text = text.replace("\tx->xso.off", "\thub_keep(dev, 1);\n\tx->xso.off")
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == ["WRONG_LOWER_DEV"] * (whose == "another")
    open_ = any(row.reason.startswith(NOT_KNOWN) for row in report.unknown)
    assert open_ == (whose == "open")


PORTS = """
struct rack;
struct berth { struct net_device *own, *asked; struct rack *rack; u32 nr; };
struct rack { struct berth *berth[4], *first; };

int berth_load(struct rack *rack, u32 nr)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct berth));
	struct berth *b = netdev_priv(dev);

	b->own = dev;
	b->rack = rack;
	b->nr = nr;
	STORE
	return 0;
}
"""


@pytest.mark.parametrize(
    ("store", "types", "open_"),
    [
        ("rack->berth[nr] = b; b->asked = rack->berth[nr]->own;", [], False),
        ("rack->berth[0] = b; b->asked = rack->berth[0]->own;", [], False),
        ("rack->berth[nr] = b; b->asked = rack->berth[0]->own;", ["WRONG_LOWER_DEV"], False),
        (
            "struct berth *zero = rack->berth[0]; rack->berth[nr] = b; b->asked = zero->own;",
            ["WRONG_LOWER_DEV"],
            False,
        ),
        ("rack->berth[nr] = b; b->asked = rack->berth[nr ^ 1]->own;", ["WRONG_LOWER_DEV"], False),
        ("rack->first = rack->first ?: b; b->asked = rack->first->own;", [], True),
    ],
)
def test_a_device_of_another_port_is_not_the_one_at_work(
    store: str, types: list[str], open_: bool
) -> None:
    """Private data that a table of the card's holds can be that of each of its devices."""
    asks = "h = xfrm_dev_state_lower_handle(x, b->asked);"
    text = driver(
        PORTS.replace("STORE", store), f"struct berth *b = netdev_priv(dev);\n{asks}{TESTED}"
    )
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == types
    assert any(row.reason.startswith(NOT_KNOWN) for row in report.unknown) == open_


@pytest.mark.parametrize(
    ("port", "types"),
    [
        ("o->card->ports[o->n]", []),
        ("o->card->ports[skb->len & 1]", []),
        ("o->card->ports[!o->n]", ["WRONG_LOWER_DEV"]),
        ("o->card->ports[o->n ^ 1]", ["WRONG_LOWER_DEV"]),
        ("o->card->ports[1 - o->n]", ["WRONG_LOWER_DEV"]),
        ("o->card->ports[(o->n + 1) % 2]", ["WRONG_LOWER_DEV"]),
        ("o->card->ports[0]", ["WRONG_LOWER_DEV"]),
        ("(o->card->ports + o->n)[0]", []),
        ("(o->card->ports + !o->n)[0]", ["WRONG_LOWER_DEV"]),
        ("(*(o->card->ports + 1 - o->n))", ["WRONG_LOWER_DEV"]),
        # Ports that the hardware counts otherwise: who knows.
        ("o->card->ports[(skb->len & 1) ^ 1]", []),
        ("o->card->ports[!skb->len]", []),
        ("o->card->ports[1 - (skb->len & 1)]", []),
    ],
)
def test_another_ports_ring_is_not_the_own_one(port: str, types: list[str]) -> None:
    card = CARD.replace("struct ring *used;", "struct ring *used; u8 n;").replace(
        "MORE", "p->n = i;"
    )
    body = (
        f"struct port *o = netdev_priv(dev);\n\tstruct ring *r = &{port}->ring;\n\n"
        "\th = xfrm_dev_state_lower_handle(x, r->netdev);"
    )
    assert [kind for kind, _ in said(card + LOOP, f"{body}\n\t{TESTED}")] == types


WIRED = """
#include <linux/if_vlan.h>
struct wired { struct net_device *own, *above; struct vlan_dev_priv vlan; };

void wired_init(struct net_device *dev, struct net_device *real)
{
	struct wired *w = netdev_priv(dev);

	w->own = dev;
	w->above = netdev_master_upper_dev_get(dev);
	w->vlan.real_dev = real;
}
"""


@pytest.mark.parametrize(
    ("device", "types"),
    [
        ("w->own ?: dev", []),
        ("dev ?: w->above", []),
        ("w->own ?: NULL", []),
        ("w->vlan.real_dev", ["WRONG_LOWER_DEV"]),
        ("w->vlan.real_dev ?: dev", ["WRONG_LOWER_DEV"]),
        ("w->above ?: w->own", ["WRONG_LOWER_DEV"]),
        # What is kept beside another device's private data is that device; or nobody knows.
        ("((struct wired *)netdev_priv(dev))->own", []),
        ("((struct wired *)netdev_priv(w->own))->own", []),
        ("((struct wired *)netdev_priv(w->above))->above", []),
        ("((struct wired *)netdev_priv(w->above))->own", ["WRONG_LOWER_DEV"]),
    ],
)
def test_of_one_device_or_else_another_each_counts(device: str, types: list[str]) -> None:
    body = f"struct wired *w = netdev_priv(dev);\n\th = xfrm_dev_state_lower_handle(x, {device});"
    assert [kind for kind, _ in said(WIRED, f"{body}\n\t{TESTED}")] == types


POLL = """
static int example_poll(struct napi_struct *napi, int budget)
{
	struct port *p = container_of(napi, struct port, napi);
	struct xfrm_state *x = xfrm_state_lookup_byspi(budget, 2);
	struct card *c = p->card;
	u32 h = x ? xfrm_dev_state_lower_handle(x, ASKED) : 0;

	if (h)
		writel(h, c->io);
	return 0;
}
"""


@pytest.mark.parametrize(
    ("asked", "types"),
    [
        ("p->netdev", []),
        ("c->ports[budget & 1]->netdev", []),
        ("c->devs[budget & 1]", []),
        ("c->netdev", ["WRONG_LOWER_DEV"]),
    ],
)
def test_a_poll_function_comes_to_what_ports_have_in_common(asked: str, types: list[str]) -> None:
    card = CARD.replace("struct ring *used;", "struct ring *used; struct napi_struct napi;")
    card = card.replace(
        "struct port *ports[2];", "struct port *ports[2]; struct net_device *devs[2];"
    )
    more = "card->netdev = card->devs[i] = dev; netif_napi_add(dev, &p->napi, example_poll);"
    text = POLL.replace("ASKED", asked)
    head, create, rest = card.replace("MORE", more).partition("static struct net_device *port_cre")
    body = f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}"
    assert [kind for kind, _ in said(head + text + create + rest + LOOP, body)] == types


LOOKED_FOR = """
static struct port *port_found(struct port *me, struct sk_buff *skb)
{
	struct port *q;
	int i;

	BODY
}
"""
EACH = "for (i = 0; i < 2; i++)"


@pytest.mark.parametrize("same", ["!=", "=="])
@pytest.mark.parametrize(
    "loop",
    [
        "EACH if (me->card->ports[i] IS me) return me->card->ports[i]; return me;",
        "EACH if (me->card->ports[i] && !(me NOT me->card->ports[i])) "
        "return me->card->ports[i]; return me;",
        "EACH if (me->card->ports[i]->netdev IS me->netdev) return me->card->ports[i]; return me;",
        "EACH if (me->card->ports[i]->n IS me->n) return me->card->ports[i]; return me;",
        "EACH if (i IS me->n) return me->card->ports[i]; return me;",
        "EACH { if (me->card->ports[i] NOT me) continue; return me->card->ports[i]; } return me;",
        "EACH { q = me->card->ports[i]; if (q && q IS me) return q; } return me;",
        "EACH { q = me->card->ports[i]; if (q IS me) break; } return q;",
        "EACH if (me->card->ports[i] IS me) break; return me->card->ports[i];",
    ],
)
@pytest.mark.parametrize("polls", [False, True])
def test_who_is_not_the_own_one_by_comparison_is_another(loop: str, same: str, polls: bool) -> None:
    other = "==" if same == "!=" else "!="
    found = LOOKED_FOR.replace("BODY", loop.replace("EACH", EACH))
    found = found.replace(" IS ", f" {same} ").replace(" NOT ", f" {other} ")
    assert whose_is_found(found, polls) == ["WRONG_LOWER_DEV"] * (same == "!=")


def whose_is_found(found: str, polls: bool) -> list[str]:
    """Return what is said where a transmit, or poll, function asks for the port that is found."""
    card = CARD.replace("struct ring *used;", "struct ring *used; struct napi_struct napi; u8 n;")
    card = card.replace("MORE", "p->n = i; netif_napi_add(dev, &p->napi, example_poll);")
    head, create, rest = card.partition("static struct net_device *port_create")
    asked = "a->netdev" if polls else "p->netdev"
    poll = POLL.replace("napi);\n", "napi), *a = port_found(p, NULL);\n", 1).replace("ASKED", asked)
    asked = "dev" if polls else "a->netdev"
    body = "struct port *o = netdev_priv(dev), *a = port_found(o, skb);\n\n\t"
    body += f"h = xfrm_dev_state_lower_handle(x, {asked});{TESTED}"
    return [kind for kind, _ in said(head + found + poll + create + rest + LOOP, body)]


@pytest.mark.parametrize(
    "loop",
    [
        # By a descriptor's number its port is looked for, and not another one.
        "i = skb->len & 1; if (me->card->ports[i] != me) return me->card->ports[i]; return me;",
        "q = me->card->ports[skb->len & 1]; if (q != me) return q; return me;",
        # What is asked says nothing of the port, or of another one by then.
        "EACH if (me->card->ports[i]->n != me->used->io) return me->card->ports[i]; return me;",
        "EACH if (i != me->other) return me->card->ports[i]; return me;",
        "EACH if (i == me->n || me->card->ports[i] != me) return me->card->ports[i]; return me;",
        "EACH { q = me->card->ports[i]; if (q != me) { q = me; return q; } } return me;",
        "EACH if (me->card->ports[i] != me) { i = me->n; return me->card->ports[i]; } return me;",
        "EACH if (me->card->ports[i] != me) continue; return me;",
    ],
)
def test_another_one_is_what_is_looked_for_and_told_apart(loop: str) -> None:
    found = LOOKED_FOR.replace("BODY", loop.replace("EACH", EACH))
    assert whose_is_found(found.replace("me->other", "me->card->netdev->mtu"), False) == []


@pytest.mark.parametrize(
    ("stored", "read", "types"),
    [
        ("i", "o->n", []),
        ("i ^ 1", "o->n ^ 1", []),
        ("example_other(i)", "example_other(o->n)", []),
        ("example_other(i)", "o->n ^ 1", []),
        ("i", "example_other(o->n)", ["WRONG_LOWER_DEV"]),
        ("i ^ 1", "o->n", ["WRONG_LOWER_DEV"]),
        ("example_other(i)", "o->n", ["WRONG_LOWER_DEV"]),
        # By a descriptor's number the own one is looked for.
        ("i ^ 1", "skb->len & 1", []),
        ("i ^ 1", "(skb->len & 1) ^ 1", []),
    ],
)
def test_an_element_is_whose_number_it_was_stored_by(
    stored: str, read: str, types: list[str]
) -> None:
    card = CARD.replace("struct ring *used;", "struct ring *used; u8 n;").replace("MORE", "")
    card = card.replace("card->ports[i] = p;", f"p->n = i; card->ports[{stored}] = p;")
    other = "static inline int example_other(int n)\n{\n\treturn n ^ 1;\n}\n"
    # What another element holds is not what was read first.
    body = (
        f"struct port *o = netdev_priv(dev), *self = o->card->ports[skb->len & 1];\n"
        f"\tstruct port *a = o->card->ports[{read}];\n\n\tif (!self) return NETDEV_TX_OK;\n"
        "\th = xfrm_dev_state_lower_handle(x, a->netdev);"
    )
    assert [kind for kind, _ in said(other + card + LOOP, f"{body}\n\t{TESTED}")] == types


LENT = """
struct dock;
struct lane { struct napi_struct napi; struct dock *home, *user; };
struct dock { struct net_device *own; struct lane lane[4]; u32 __iomem *io; };
struct pier { struct dock *dock[2]; };

static int lane_poll(struct napi_struct *napi, int budget)
{
	struct lane *l = container_of(napi, struct lane, napi);
	struct xfrm_state *x = xfrm_state_lookup_byspi(budget, 2);
	struct sk_buff *s = napi_alloc_skb(napi, 9);
	u32 h = x ? xfrm_dev_state_lower_handle(x, ASKED) : 0;

	if (h)
		writel(h, l->user->io);
	s->protocol = eth_type_trans(s, GIVEN);
	return 0;
}

void lane_lend(struct pier *p, int n, int to)
{
	struct lane *l = &p->dock[0]->lane[n];

	l->user = TO;
}

int dock_create(struct pier *p, int i)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct dock));
	struct dock *d = netdev_priv(dev);

	d->own = dev;
	p->dock[i] = d;
	d->lane[1].home = d;
	d->lane[1].user = d;
	netif_napi_add(dev, &d->lane[1].napi, lane_poll);
	return register_netdev(dev);
}
"""


@pytest.mark.parametrize(
    ("asked", "given", "to", "types"),
    [
        ("l->user->own", "l->user->own", "p->dock[to]", []),
        ("l->home->own", "l->home->own", "p->dock[to]", []),
        ("l->home->own", "l->user->own", "l->home", []),
        ("l->home->own", "l->user->own", "NULL", []),
        ("l->home->own", "l->user->own", "p->dock[to]", ["WRONG_LOWER_DEV"]),
        ("l->user->own", "l->home->own", "p->dock[to]", []),
    ],
)
def test_a_queue_that_is_lent_works_for_whom_its_packets_are(
    asked: str, given: str, to: str, types: list[str]
) -> None:
    lent = LENT.replace("ASKED", asked).replace("GIVEN", given).replace("TO;", f"{to};")
    body = f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}"
    assert [kind for kind, _ in said(lent, body)] == types


@pytest.mark.parametrize(
    ("port", "types", "open_"),
    [
        ("o", [], False),
        ("list_next_entry(o, list)", [], True),
        ("o->self", [], False),
        ("o->card->ports[(o->n + 1) & 1]", ["WRONG_LOWER_DEV"], False),
    ],
)
def test_who_stands_beside_the_device_is_another(port: str, types: list[str], open_: bool) -> None:
    card = CARD.replace("struct ring *used;", "struct ring *used; u8 n; struct list_head list;")
    card = card.replace("u8 n;", "u8 n; struct port *self;").replace("MORE", "p->self = p;")
    body = f"struct port *o = netdev_priv(dev), *a = {port};\n\n\t"
    text = driver(card + LOOP, f"{body}h = xfrm_dev_state_lower_handle(x, a->netdev);\n\t{TESTED}")
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == types
    assert any(row.reason.startswith(NOT_KNOWN) for row in report.unknown) == open_


GOTTEN = """
struct gate { struct net_device *own; struct gate *next; u32 room; };
struct wall { struct net_device *dev; struct gate __percpu *each; struct gate *gates[4], *first; };
static struct gate *gate_find(struct wall *w, u32 room)
{
	int i;

	for (i = 0; i < 4; i++)
		if (w->gates[i] && w->gates[i]->room == room)
			return w->gates[i];
	return NULL;
}

static struct gate *gate_roomy(struct gate *gate)
{
	while (!gate->room && gate->next)
		gate = gate->next;
	return gate;
}

int wall_create(int n)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct wall));
	struct wall *w = netdev_priv(dev);
	struct gate *gate = kzalloc(sizeof(*gate), GFP_KERNEL);

	w->dev = dev;
	w->each = alloc_percpu(struct gate);
	per_cpu_ptr(w->each, n)->own = dev;
	gate->own = STORED;
	gate->next = w->first;
	w->first = gate;
	w->gates[n] = gate;
	return register_netdev(dev);
}
"""


@pytest.mark.parametrize("stored", ["dev", "netdev_master_upper_dev_get_rcu(dev)"])
@pytest.mark.parametrize(
    ("before", "asked"),
    [
        ("", "this_cpu_ptr(w->each)->own"),
        ("struct gate *g = this_cpu_ptr(w->each);", "g->own"),
        ("struct gate *g = gate_find(w, skb->len);", "g->own"),
        ("struct gate *g = gate_find(w, skb->len); if (!g) return 0;", "g->own"),
        ("", "gate_find(w, skb->len)->own"),
        ("struct gate *g = gate_roomy(w->first);", "g->own"),
        ("", "gate_roomy(w->first)->own"),
    ],
)
def test_the_way_to_a_device_is_followed(before: str, asked: str, stored: str) -> None:
    body = f"struct wall *w = netdev_priv(dev); {before}\n\t"
    text = driver(
        GOTTEN.replace("STORED", stored),
        f"{body}h = xfrm_dev_state_lower_handle(x, {asked});\n\t{TESTED}",
    )
    report = BASE.check_example(text)
    assert [f.type for f in report.findings] == ["WRONG_LOWER_DEV"] * (stored != "dev")
    assert not [row.reason for row in report.unknown]


PILOTED = """
struct pilot { struct hull *hull; uintptr_t owner; struct net_device *of; };
struct hull { struct net_device *own; struct pilot pilot; u32 __iomem *io; };
struct dinghy { struct pilot pilot; struct net_device *own; };

static void pilot_init(struct pilot *pilot, struct hull *hull, struct net_device *of)
{
	pilot->hull = hull;
	pilot->owner = (uintptr_t)of;
	pilot->of = FROM;
}

static netdev_tx_t dinghy_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct dinghy *d = netdev_priv(dev);
	struct xfrm_state *x = xfrm_input_state(skb);
	struct pilot *pilot = &d->pilot;
	u32 h = xfrm_dev_state_lower_handle(x, ASKED); /* dinghy */

	if (h)
		writel(h, pilot->hull->io);
	return NETDEV_TX_OK;
}
static const struct net_device_ops dinghy_ops = { .ndo_start_xmit = dinghy_xmit };

int dinghy_create(struct hull *hull)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct dinghy));
	struct dinghy *d = netdev_priv(dev);

	d->own = dev;
	dev->netdev_ops = &dinghy_ops;
	DINGHY;
	return register_netdev(dev);
}

int hull_create(void)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct hull));
	struct hull *h = netdev_priv(dev);

	h->own = dev;
	HULL;
	return register_netdev(dev);
}
"""
IN_HULL = "pilot_init(&h->pilot, h, dev)"
IN_DINGHY = "pilot_init(&d->pilot, hull, hull->own)"
DINGHY = [("WRONG_LOWER_DEV", "dinghy")]


@pytest.mark.parametrize(
    ("asked", "of", "hull", "dinghy", "found"),
    [
        ("pilot->of", "of", IN_HULL, "pilot_init(&d->pilot, hull, dev)", []),
        ("pilot->of", "of", IN_HULL, "d->pilot.of = d->own", []),
        ("pilot->of", "of", IN_HULL, IN_DINGHY, DINGHY),
        ("(struct net_device *)pilot->owner", "of", IN_HULL, IN_DINGHY, DINGHY),
        ("pilot->of", "hull->own", IN_HULL, "pilot_init(&d->pilot, hull, dev)", DINGHY),
        ("pilot->of", "of", IN_HULL, "d->pilot.of = hull->own", DINGHY),
        ("pilot->of", "of", "", IN_DINGHY, DINGHY),
        # What nobody is seen to put there.
        ("pilot->of", "of", IN_HULL, "d->pilot.of = hull_of(dev)", []),
    ],
)
def test_what_lies_in_private_data_is_what_is_put_there(
    asked: str, of: str, hull: str, dinghy: str, found: list[tuple[str, str]]
) -> None:
    text = PILOTED.replace("FROM", of).replace("ASKED", asked)
    text = text.replace("HULL;", f"{hull};").replace("DINGHY;", f"{dinghy};")
    body = "struct hull *o = netdev_priv(dev);\n\n\t"
    kinds = said(text, f"{body}h = xfrm_dev_state_lower_handle(x, o->pilot.of);\n\t{TESTED}")
    assert [(kind, line.rpartition("/* ")[2][:6]) for kind, line in kinds] == found


CONDUIT = """
struct conduit { struct net_device *own; struct user *user[4]; struct napi_struct napi; };
struct user { struct net_device *own; struct conduit *conduit; u32 __iomem *io; };
static const struct xfrmdev_ops example_xfrmdev_ops;

static int conduit_poll(struct napi_struct *napi, int budget)
{
	struct conduit *c = container_of(napi, struct conduit, napi);
	struct xfrm_state *x = xfrm_state_lookup_byspi(budget, 2);
	struct user *u = c->user[budget & 3];
	u32 h = x ? xfrm_dev_state_lower_handle(x, ASKED) : 0;

	GIVES
	if (h)
		writel(h, u->io);
	return 0;
}

int conduit_create(int size)
{
	struct conduit *c;
	struct net_device *dev = alloc_etherdev(SIZE);

	c = netdev_priv(dev);
	c->own = dev;
	netif_napi_add(dev, &c->napi, conduit_poll);
	BESIDES
	return register_netdev(dev);
}

int user_create(struct conduit *c, int i)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct user));
	struct user *u = netdev_priv(dev);

	u->own = dev;
	u->conduit = c;
	c->user[i] = u;
	dev->xfrmdev_ops = &example_xfrmdev_ops;
	return register_netdev(dev);
}
"""
OFFERED = "dev->xfrmdev_ops = &example_xfrmdev_ops;"


@pytest.mark.parametrize(
    ("asked", "size", "besides", "types"),
    [
        ("u->own", "sizeof(*c)", "", []),
        ("c->own", "sizeof(*c)", OFFERED, []),
        ("napi->dev", "sizeof(*c)", OFFERED, []),
        # It can be a user's, or both at once.
        ("c->own", "size", "", []),
        ("c->own", "sizeof(*c)", "", ["WRONG_LOWER_DEV"]),
        ("napi->dev", "sizeof(struct conduit)", "", ["WRONG_LOWER_DEV"]),
    ],
)
def test_a_device_that_offers_nothing_has_no_handle(
    asked: str, size: str, besides: str, types: list[str]
) -> None:
    text = CONDUIT.replace("ASKED", asked).replace("SIZE", size).replace("BESIDES", besides)
    body = f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}"
    # The one table that the example has belongs to the users.
    text = driver(text.replace("GIVES", ""), body).replace(
        "\tdev->xfrmdev_ops = &example_xfrmdev_ops;\n}\n", "}\n"
    )
    assert [f.type for f in BASE.check_example(text).findings] == types


@pytest.mark.parametrize(
    ("added", "types", "open_"),
    [
        ("netif_napi_add(dev, &p->napi, example_poll)", [], False),
        ("napi_ready(dev, &p->napi, example_poll)", [], False),
        ("p->poll = example_poll; netif_napi_add(dev, &p->napi, p->poll)", [], False),
        ("netif_napi_add(card->ports[i]->netdev, &card->napi, example_poll)", [], False),
        (
            "netif_napi_add(card->ports[0]->netdev, &card->napi, example_poll)",
            ["WRONG_LOWER_DEV"],
            False,
        ),
        # For what it is added is not seen.
        ("p->napi.poll = example_poll", [], True),
        ("vendor_napi_add(dev, &p->napi, example_poll)", [], True),
        (
            "netif_napi_add(dev, &p->napi, example_poll); p->napi.poll = example_poll",
            [],
            True,
        ),
        ("netif_napi_add(card->some, &card->napi, example_poll)", [], True),
    ],
)
def test_what_napi_was_added_for_is_one_of_several_ports(
    added: str, types: list[str], open_: bool
) -> None:
    kept = "struct napi_struct napi; struct port *ports[2]; struct net_device *some;"
    card = CARD.replace("struct port *ports[2];", kept)
    card = card.replace(
        "struct ring *used;",
        "struct ring *used; struct napi_struct napi; int (*poll)(struct napi_struct *, int);",
    )
    poll = """
static void napi_ready(struct net_device *d, struct napi_struct *n,
		       int (*poll)(struct napi_struct *, int))
{
	netif_napi_add(d, n, poll);
}

static int example_poll(struct napi_struct *napi, int budget)
{
	struct xfrm_state *x = xfrm_state_lookup_byspi(budget, 2);
	u32 h = x ? xfrm_dev_state_lower_handle(x, napi->dev) : 0;

	if (h)
		writel(h, NULL);
	return 0;
}
"""
    text = poll + card.replace("MORE", f"{added};") + LOOP
    report = BASE.check_example(
        driver(text, f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}")
    )
    assert [f.type for f in report.findings] == types
    assert any(row.reason.startswith(NOT_KNOWN) for row in report.unknown) == open_


@pytest.mark.parametrize(
    ("asked", "given", "open_"),
    [
        ("c->own", "c->own", False),
        ("u->own", "u->own", False),
        ("u->own", "c->own", False),
        ("c->own", "u->own", True),
        ("c->user[0]->own", "u->own", True),
    ],
)
def test_a_packet_is_given_the_device_that_was_asked_for(
    asked: str, given: str, open_: bool
) -> None:
    text = CONDUIT.replace("ASKED", asked).replace("SIZE", "size").replace("BESIDES", OFFERED)
    text = text.replace("GIVES", f"eth_type_trans(build_skb(c, 9), {given});")
    body = f"h = xfrm_dev_state_lower_handle(x, dev);\n\t{TESTED}"
    report = BASE.check_example(driver(text, body))
    assert [f.type for f in report.findings] == []
    why = "the packet is given that of struct user.own"
    assert any(row.reason.endswith(why) for row in report.unknown) == open_


NOTIFIED = """
#include <linux/notifier.h>
struct unit { struct net_device *own, *seen; struct notifier_block nb; };
static const struct net_device_ops example_netdev_ops;

static int unit_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct netdev_notifier_changeupper_info *info = ptr;
	struct net_device *d = netdev_notifier_info_to_dev(ptr);
	struct unit *u = container_of(nb, struct unit, nb);

	BODY
	return NOTIFY_DONE;
}

int unit_create(void)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct unit));
	struct unit *u = netdev_priv(dev);

	u->own = dev;
	u->nb.notifier_call = unit_event;
	return register_netdevice_notifier(&u->nb);
}
"""


@pytest.mark.parametrize(
    ("body", "whose"),
    [
        ("if (d == u->own) u->seen = d;", "own"),
        ("if (u->own != d) return NOTIFY_DONE; u->seen = d;", "own"),
        ("u = netdev_priv(d); u->seen = d;", "own"),
        ("u->seen = d;", "another"),
        ("switch (event) { case NETDEV_REGISTER: u->seen = d; break; }", "another"),
        ("if (event != NETDEV_CHANGEUPPER) return NOTIFY_DONE; u->seen = d;", "another"),
        ("if (event == NETDEV_CHANGEUPPER) u->seen = info->upper_dev;", "another"),
        ("if (d == u->own) return NOTIFY_DONE; u->seen = d;", "another"),
        ("if (d != u->own && event == NETDEV_UP) u->seen = d;", "another"),
        ("if (d != u->own) return NOTIFY_DONE; else u->seen = d;", "own"),
        (
            "if (d->netdev_ops == &example_netdev_ops) return NOTIFY_DONE;\n"
            "	if (event == NETDEV_UP) rcu_assign_pointer(u->seen, d);\n"
            "	else if (u->seen == d) RCU_INIT_POINTER(u->seen, NULL);",
            "another",
        ),
        # One of the driver's, or of a kind: nobody knows which.
        ("if (d == u->own || !unit_wants(u, d)) return NOTIFY_DONE; u->seen = d;", "open"),
        ("if (d->netdev_ops == &example_netdev_ops) u->seen = d;", "open"),
        ("if (d->netdev_ops != &example_netdev_ops) return NOTIFY_DONE; u->seen = d;", "open"),
        ("if (unit_wants(u, d)) u->seen = d;", "open"),
        ("if (d == info->upper_dev) u->seen = d;", "open"),
    ],
)
def test_whose_device_an_event_is_about(body: str, whose: str) -> None:
    asks = "struct unit *u = netdev_priv(dev);\n\n\th = xfrm_dev_state_lower_handle(x, u->seen);"
    report = BASE.check_example(driver(NOTIFIED.replace("BODY", body), f"{asks}\n\t{TESTED}"))
    assert [f.type for f in report.findings] == ["WRONG_LOWER_DEV"] * (whose == "another")
    assert any(row.reason.startswith(NOT_KNOWN) for row in report.unknown) == (whose == "open")


SLOTS = """
struct frame { struct net_device *slot[4], *first; u32 up; };
struct blade { struct net_device *own, *asked; struct frame *frame; u32 nr, other; };
static struct net_device *example_slots[4];
HELPER
static int blade_load(struct frame *frame, u32 nr)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct blade));
	struct blade *b = netdev_priv(dev), *one;

	b->own = dev;
	b->frame = frame;
	b->nr = nr;
	frame->slot[nr] = dev;
	example_slots[nr] = dev;
	STORE
	return 0;
}
void frame_load(struct frame *frame)
{
	u32 i;

	for (i = 0; i < 4; i++)
		blade_load(frame, i);
	for (i = 0; i < 4; i++) {
		struct blade *b = netdev_priv(frame->slot[i]);

		b->nr = i;
		LATER
	}
}
"""
HELPERS = {
    "slot_of(": """
static struct net_device *slot_of(struct frame *frame, u32 nr)
{
	return frame->slot[nr];
}
""",
    "blade_ask(": """
static void blade_ask(struct blade *b, struct net_device *dev)
{
	b->asked = dev;
}
""",
    "blade_pair(": """
static void blade_pair(struct blade *b, struct frame *frame, u32 nr)
{
	b->asked = frame->slot[nr];
}
""",
}
OWN_ONE, ANOTHERS, NOBODY_KNOWS = range(3)


@pytest.mark.parametrize(
    ("store", "whose"),
    [
        ("b->asked = frame->slot[nr];", OWN_ONE),
        ("b->asked = frame->slot[b->nr];", OWN_ONE),
        ("b->asked = slot_of(frame, nr);", OWN_ONE),
        ("blade_ask(b, dev);", OWN_ONE),
        ("LATER b->asked = frame->slot[i];", OWN_ONE),
        ("one = netdev_priv(frame->slot[0]); one->asked = frame->slot[0];", OWN_ONE),
        ("b->asked = nr ? frame->slot[0] : NULL;", ANOTHERS),
        ("b->asked = example_slots[nr ^ 1];", ANOTHERS),
        ("if (nr) b->asked = frame->slot[nr - 1];", ANOTHERS),
        ("b->asked = slot_of(frame, 0);", ANOTHERS),
        ("struct net_device *first = frame->slot[0]; b->asked = first;", ANOTHERS),
        ("blade_ask(b, frame->slot[0]);", ANOTHERS),
        ("rcu_assign_pointer(b->asked, frame->slot[0]);", ANOTHERS),
        ("one = netdev_priv(frame->slot[nr ^ 1]); one->asked = dev;", ANOTHERS),
        ("LATER b->asked = frame->slot[0];", ANOTHERS),
        ("if (!nr) frame->first = dev; b->asked = frame->first;", ANOTHERS),
        # By a number that nobody knows more of.
        ("b->asked = frame->slot[frame->up];", NOBODY_KNOWS),
        ("blade_pair(b, frame, 0);", NOBODY_KNOWS),
    ],
)
def test_a_device_of_the_drivers_table_is_another_ones(store: str, whose: int) -> None:
    later = store.removeprefix("LATER ")
    card = SLOTS.replace("STORE", "" if later != store else store)
    card = card.replace("LATER", later if later != store else "")
    card = card.replace("HELPER", next((c for n, c in HELPERS.items() if n in store), ""))
    body = f"struct blade *b = netdev_priv(dev);\n\n\th = {ASK_B}"
    report = BASE.check_example(driver(card, f"{body}\n\t{TESTED}"))
    assert [f.type for f in report.findings] == ["WRONG_LOWER_DEV"] * (whose == ANOTHERS)
    open_ = any(row.reason.startswith(NOT_KNOWN) for row in report.unknown)
    assert open_ == (whose == NOBODY_KNOWS)


ASK_B = "xfrm_dev_state_lower_handle(x, b->asked);"


@pytest.mark.parametrize(
    ("other", "types"),
    [("nr", []), ("nr ^ 1", ["WRONG_LOWER_DEV"]), ("3 - nr", ["WRONG_LOWER_DEV"])],
)
def test_a_number_that_is_kept_can_be_another_ones(other: str, types: list[str]) -> None:
    card = SLOTS.replace("STORE", f"b->other = {other};").replace("LATER", "")
    card = card.replace("HELPER", "")
    asked = ASK_B.replace("b->asked", "b->frame->slot[b->other]")
    body = f"struct blade *b = netdev_priv(dev);\n\n\th = {asked}"
    report = BASE.check_example(driver(card, f"{body}\n\t{TESTED}"))
    assert [f.type for f in report.findings] == types
