"""What the judge makes of paths: the quiet cases, the wrong ones, and what holds for any path."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfrmlint.flow.events import Device, Event, Kind, Path, Sa, Source
from xfrmlint.model.judge import (
    FINE,
    Outcome,
    judge,
    judge_path,
    severity,
    verdict,
    worst,
)
from xfrmlint.model.reference import State, resolve
from xfrmlint.model.topology import TOPOLOGIES, A, B, Topology
from xfrmlint.model.topology import topologies as topologies_as

OTHER, STALE, ZERO_USED, _, UNKNOWN, ZERO_TESTED, RIGHT, _, NOT_REACHED = Outcome
NAMED = {topology.name: topology for topology in TOPOLOGIES}
NIC = "owner is the NIC"
ACTIVE = "active-backup, active lower"
BACKUP = "active-backup, other lower"
LAG_A = "LAG, lower A"
LAG_B = "LAG, lower B"
LAG_C = "LAG, lower not in the map"
FREED = "state freed"
NO_LOWER = "lower is NULL"
NO_OPS = "owner without ops"
TWO_NICS = "two NICs of one driver"
ON_VLAN = "VLAN above a bond"


def event(kind: Kind, handle: int = -1, **more: Any) -> Event:
    return Event(kind, "drivers/net/a/tx.c", 1, 1, "a_xmit", handle, **more)


def read(handle: int = 0, sa: Sa = Sa.THIS, source: Source = Source.DIRECT) -> Event:
    return event(Kind.READ, handle, source=source, sa=sa)


def ask(device: Device = Device.OWN, handle: int = 0, sa: Sa = Sa.THIS) -> Event:
    return event(Kind.RESOLVE, handle, source=Source.RESOLVED, device=device, sa=sa)


def branch(nonzero: bool, handle: int = 0) -> Event:
    return event(Kind.TEST, handle, nonzero=nonzero)


def use(handle: int = 0) -> Event:
    return event(Kind.USE, handle, text="dereferenced")


def same(device: Device, held: bool = True) -> Event:
    return event(Kind.SAME, device=device, nonzero=held)


RETURN = event(Kind.RETURN, text="NETDEV_TX_OK")
CUT = event(Kind.CUT, text="too many paths")

CONVERTED: tuple[Path, ...] = (
    (ask(), branch(True), use(), RETURN),
    (ask(), branch(False), RETURN),
)
UNCHECKED: tuple[Path, ...] = ((ask(), use(), RETURN),)
UNCONVERTED: tuple[Path, ...] = ((read(), use(), RETURN),)


def asking(device: Device) -> tuple[Path, ...]:
    return ((ask(device), branch(True), use()), (ask(device), branch(False), RETURN))


# Where the device at work has no handle, or none that it could ask for.
NONE = (BACKUP, LAG_C, FREED, NO_LOWER)
# Where offload_handle is another device's.
FOREIGN = (BACKUP, LAG_A, LAG_C, TWO_NICS, ON_VLAN)


def row(default: Outcome, **but: tuple[str, ...]) -> dict[str, Outcome]:
    """Return a row of the table: an outcome for all topologies but those named by another."""
    found = dict.fromkeys(NAMED, default)
    for outcome, names in but.items():
        found.update(dict.fromkeys(names, Outcome[outcome]))
    return found


# Columns: topologies. Named are those that differ from the most.
TABLE: dict[str, tuple[Iterable[Path], Mapping[str, Outcome]]] = {
    "nothing": ((), row(NOT_REACHED)),
    "a packet without IPsec": (((RETURN,),), row(NOT_REACHED)),
    "converted": (CONVERTED, row(RIGHT, ZERO_TESTED=NONE)),
    "converted, only the path with the use": (CONVERTED[:1], row(RIGHT, ZERO_TESTED=NONE)),
    "converted, only the path without": (CONVERTED[1:], row(NOT_REACHED, ZERO_TESTED=NONE)),
    "resolved and not used": (((ask(), RETURN),), row(NOT_REACHED)),
    "unchecked": (UNCHECKED, row(RIGHT, ZERO_USED=NONE)),
    "tested too late": (
        ((ask(), use(), branch(True), use()), (ask(), use(), branch(False), RETURN)),
        row(RIGHT, ZERO_USED=NONE),
    ),
    "tested and used all the same": (
        ((ask(), branch(True), use()), (ask(), branch(False), use())),
        row(RIGHT, ZERO_USED=NONE),
    ),
    "another handle tested": (
        ((read(1), branch(True, 1), ask(), use()), (read(1), branch(False, 1), RETURN)),
        row(RIGHT, ZERO_USED=NONE),
    ),
    # real_dev is the own device where a bond has the state on one lower, and may have been just
    # before; both are NULL where the driver has no device.
    "read where real_dev is the own device": (
        ((same(Device.REAL_DEV), read(), use()), (same(Device.REAL_DEV, held=False), RETURN)),
        row(
            NOT_REACHED,
            RIGHT=(ACTIVE, NO_LOWER, NO_OPS),
            OTHER=(BACKUP,),
            STALE=(FREED,),
        ),
    ),
    "read where the owner is not the own device": (
        ((same(Device.OWNER, held=False), read(), use()), (same(Device.OWNER), RETURN)),
        row(OTHER, NOT_REACHED=(NIC,), RIGHT=(ACTIVE, LAG_B, NO_LOWER, NO_OPS), STALE=(FREED,)),
    ),
    "kept by the device itself": (
        ((read(source=Source.STORED)._replace(device=Device.OWN), use()),),
        row(RIGHT, STALE=(BACKUP, LAG_C, FREED)),
    ),
    "compared with something that may exclude 0": (
        ((ask(), event(Kind.COMPARE, 0), use(), RETURN),),
        row(RIGHT, UNKNOWN=NONE),
    ),
    "unconverted": (UNCONVERTED, row(RIGHT, OTHER=FOREIGN, STALE=(FREED,))),
    "unconverted, tested": (
        ((read(), branch(True), use()), (read(), branch(False), RETURN)),
        row(RIGHT, OTHER=FOREIGN, STALE=(FREED,)),
    ),
    "half converted": (
        (*CONVERTED, *UNCONVERTED),
        row(RIGHT, ZERO_TESTED=(NO_LOWER,), OTHER=FOREIGN, STALE=(FREED,)),
    ),
    "asked for the owner": (
        asking(Device.OWNER),
        row(RIGHT, ZERO_TESTED=(FREED,), OTHER=FOREIGN),
    ),
    "asked for real_dev": (
        asking(Device.REAL_DEV),
        row(ZERO_TESTED, RIGHT=(ACTIVE, NO_OPS), OTHER=(BACKUP,)),
    ),
    "asked for the master": (
        asking(Device.MASTER),
        row(RIGHT, ZERO_TESTED=(NIC, FREED, NO_LOWER), OTHER=FOREIGN),
    ),
    "asked for a VLAN's real device": (
        asking(Device.VLAN_REAL),
        row(UNKNOWN, OTHER=(ON_VLAN,)),
    ),
    "asked for NULL": (asking(Device.NULL), row(ZERO_TESTED)),
    "asked for a saved device": (asking(Device.SAVED), row(ZERO_TESTED, OTHER=(TWO_NICS,))),
    "asked for who knows what": (asking(Device.UNKNOWN), row(UNKNOWN)),
    "kept from an earlier packet": (
        ((read(source=Source.STORED), use()),),
        row(RIGHT, STALE=(BACKUP, LAG_C, FREED), OTHER=(TWO_NICS,)),
    ),
    "another SA's": (
        ((ask(sa=Sa.OTHER), branch(True), use()),),
        row(OTHER, ZERO_TESTED=(NO_LOWER,)),
    ),
    "who knows whose": (((read(sa=Sa.UNKNOWN), use()),), row(UNKNOWN)),
    "0 by hand": (
        ((event(Kind.READ, 0, source=Source.CONSTANT, text="0"), use()),),
        row(ZERO_USED),
    ),
    "another constant": (
        ((event(Kind.READ, 0, source=Source.CONSTANT, text="A_IPSEC_SLOT"), use()),),
        row(UNKNOWN),
    ),
    "from nowhere": (((use(),),), row(UNKNOWN)),
    "cut": (((CUT,),), row(UNKNOWN)),
    "cut after a use": (((ask(), use(), CUT),), row(UNKNOWN, ZERO_USED=NONE)),
    "cut beyond the test": (((ask(), branch(True), CUT),), row(UNKNOWN, ZERO_TESTED=NONE)),
    "cut before a use": (((ask(), CUT, use()),), row(UNKNOWN)),
}


@pytest.mark.parametrize("paths", TABLE)
def test_table(paths: str) -> None:
    given_paths, expected = TABLE[paths]
    assert judge(given_paths) == expected


def test_every_topology_of_the_contract_is_there() -> None:
    contract = [NIC, ACTIVE, BACKUP, LAG_A, LAG_B, LAG_C, FREED, NO_LOWER, NO_OPS, TWO_NICS]
    assert [topology.name for topology in TOPOLOGIES] == [*contract, ON_VLAN]


def test_sentences_are_one() -> None:
    for topology in TOPOLOGIES:
        assert topology.sentence.endswith(".")
        assert ". " not in topology.sentence


@pytest.mark.parametrize("name", NAMED)
def test_own_device_is_owed_its_handle_or_0(name: str) -> None:
    topology = NAMED[name]
    assert resolve(topology.state, topology.seen[Device.OWN]) in (0, topology.wanted)


def test_uses_are_judged_one_by_one() -> None:
    path = (ask(), read(1), use(1), branch(True), use(), use(1), ask(), use())
    judged = judge_path(path, NAMED[LAG_A])
    assert [(u.value, u.outcome) for u in judged.uses] == [
        (0xB1, OTHER),
        (0xA1, RIGHT),
        (0xB1, OTHER),
        (0xA1, RIGHT),
    ]
    judged = judge_path(path, NAMED[LAG_C])
    # The test stops the path; the first use stands. What is resolved anew was not what was tested.
    assert [(u.value, u.outcome) for u in judged.uses] == [
        (0xB1, OTHER),
        (None, ZERO_TESTED),
        (None, NOT_REACHED),
        (None, NOT_REACHED),
    ]
    assert judged.outcome is OTHER


def test_an_unknown_handle_is_what_the_branch_says() -> None:
    asked = ask(Device.UNKNOWN)
    for topology in TOPOLOGIES:
        assert judge_path((asked, branch(False), use()), topology).outcome is ZERO_USED
        contradiction = (asked, branch(True), branch(False), use())
        assert judge_path(contradiction, topology).outcome is NOT_REACHED
        anew = (asked, branch(True), asked, branch(False), RETURN)
        assert judge_path(anew, topology).outcome is ZERO_TESTED
        contradiction = (asked, branch(False), branch(True), use())
        assert judge_path(contradiction, topology).outcome is ZERO_TESTED


def test_a_kind_that_does_not_fit_its_source_is_unknown() -> None:
    for odd in (
        event(Kind.READ, 0, source=Source.RESOLVED, device=Device.OWN),
        event(Kind.RESOLVE, 0, source=Source.DIRECT, device=Device.OWN),
        event(Kind.RESOLVE, 0, device=Device.OWN),
        event(Kind.READ, 0),
    ):
        assert set(judge([(odd, use())]).values()) == {UNKNOWN}


def test_verdict_counts() -> None:
    found = verdict((*CONVERTED, *UNCONVERTED, (CUT,)))
    assert (found.paths, found.uses, found.cut) == (4, 2, 1)
    rows = {r.topology: r for r in found.rows}
    assert list(rows) == list(NAMED)
    assert rows[NIC].outcome is UNKNOWN
    assert rows[NIC].paths == ((UNKNOWN, 1), (RIGHT, 2), (NOT_REACHED, 1))
    assert rows[LAG_A].paths == ((OTHER, 1), (UNKNOWN, 1), (RIGHT, 1), (NOT_REACHED, 1))
    assert found.worst() is OTHER
    assert verdict(CONVERTED).worst() in FINE
    assert verdict(()).worst() is NOT_REACHED


def test_order() -> None:
    assert [severity(outcome) for outcome in Outcome] == [5, 4, 3, 2, 1, 0, 0, 0, 0]
    assert worst((RIGHT, UNKNOWN, ZERO_USED, STALE, OTHER)) is OTHER
    assert worst((RIGHT, UNKNOWN, ZERO_USED)) is ZERO_USED
    assert worst((RIGHT, ZERO_TESTED)) is ZERO_TESTED


@pytest.mark.parametrize(
    ("held", "revoked", "field", "stored"),
    [
        ({A: 1, B: 1}, {}, 1, 0),
        ({A: 1}, {A: 1}, 1, 0),
        ({A: 0}, {}, 0, 0),
        ({A: 1}, {}, 2, 0),
        ({A: 1}, {}, 1, 2),
    ],
)
def test_handles_that_could_pass_for_another(
    held: dict[str, int], revoked: dict[str, int], field: int, stored: int
) -> None:
    with pytest.raises(ValueError, match="handle"):
        Topology("bad", "Bad.", State(A, None, field), A, held, revoked, {}, stored)


# Random device graphs, states and paths.

NICS = ("A", "B", "C", "D")


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Draw any arrangement, owners' callbacks that look up the wrong handle included."""
    nics = NICS[: draw(st.integers(1, 4))]
    numbers = iter(draw(st.permutations(range(1, 9))))
    held = {nic: next(numbers) for nic in nics if draw(st.booleans())}
    revoked = {nic: next(numbers) for nic in nics if draw(st.booleans())}
    device = st.sampled_from((*nics, "bond0"))
    handle = st.sampled_from((0, *held.values(), *revoked.values()))
    state = State(
        owner=draw(st.none() | device),
        pinned=draw(st.none() | device),
        handle=draw(handle),
        owner_has_ops=draw(st.booleans()),
        callback=draw(st.none() | st.dictionaries(device, handle)),
    )
    known: list[Device] = [d for d in Device if d is not Device.UNKNOWN]
    seen = draw(st.dictionaries(st.sampled_from(known), st.none() | device))
    return Topology(
        "drawn", "Drawn.", state, draw(st.sampled_from(nics)), held, revoked, seen, draw(handle)
    )


numbers = st.integers(0, 2)
binds = st.one_of(
    st.builds(ask, st.sampled_from(Device), numbers, st.sampled_from(Sa)),
    st.builds(ask, st.just(Device.OWN), numbers),
    st.builds(read, numbers, st.sampled_from(Sa), st.sampled_from(Source)),
    st.builds(read, numbers),
)
events = st.one_of(
    binds,
    st.builds(branch, st.booleans(), numbers),
    st.builds(use, numbers),
    st.sampled_from((RETURN, CUT)),
)
paths = st.lists(events, max_size=10).map(tuple)
all_topologies = topologies() | st.sampled_from(TOPOLOGIES)


def handed_out(path: Path, topology: Topology) -> list[tuple[set[int], bool]]:
    """Return for each USE what numbers it can get, and if it is reached. By sets.

    The independent reading: a handle is the set of numbers it can be, a test is an intersection.
    Numbers of other SAs are negative.
    """
    everything = {-2, -1, 0, *range(1, 9), *topology.held.values(), topology.state.handle}
    everything |= {topology.stored, *topology.revoked.values()}
    everything |= {*(topology.state.callback or {}).values()}
    can: dict[int, set[int]] = {}
    reached = True
    found: list[tuple[set[int], bool]] = []
    for e in path:
        if e.kind is Kind.CUT:
            reached = False
        elif e.kind in (Kind.READ, Kind.RESOLVE):
            can[e.handle] = everything
            number: int | None = None
            if (e.kind, e.source) == (Kind.READ, Source.DIRECT):
                number = topology.state.handle
            elif (e.kind, e.source) == (Kind.READ, Source.STORED):
                number = topology.stored
            elif (e.kind, e.source) == (Kind.RESOLVE, Source.RESOLVED):
                if e.device in topology.seen:
                    number = resolve(topology.state, topology.seen[e.device])
            if number is not None:
                nobody = e.kind is Kind.RESOLVE and topology.seen.get(e.device) is None
                if e.sa is Sa.THIS or nobody:
                    can[e.handle] = {number}
                elif e.sa is Sa.OTHER:
                    can[e.handle] = {0, -1}
        elif e.kind is Kind.TEST:
            now = can.get(e.handle, everything)
            can[e.handle] = {n for n in now if bool(n) is e.nonzero}
            reached = reached and bool(can[e.handle])
        elif e.kind is Kind.USE:
            found.append((can.get(e.handle, everything), reached))
    return found


@given(paths, all_topologies)
def test_right_is_only_ones_own_handle(path: Path, topology: Topology) -> None:
    judged = judge_path(path, topology)
    handed = handed_out(path, topology)
    assert len(judged.uses) == len(handed)
    for got, (can, reached) in zip(judged.uses, handed, strict=True):
        if not reached:
            assert got.outcome in (NOT_REACHED, ZERO_TESTED)
        elif got.outcome is RIGHT:
            assert can == {topology.held[topology.device]}
        elif got.outcome is ZERO_USED:
            assert can == {0}
        elif got.outcome is STALE:
            assert can == {topology.revoked[topology.device]}
        elif got.outcome is OTHER:
            own = {topology.held.get(topology.device), topology.revoked.get(topology.device)}
            assert can - {0}
            assert not can & own
        else:
            assert got.outcome is UNKNOWN
            assert len(can) > 2


@given(paths, all_topologies)
def test_the_path_is_no_better_than_its_worst_use(path: Path, topology: Topology) -> None:
    judged = judge_path(path, topology)
    reached = [u.outcome for u in judged.uses if u.outcome is not NOT_REACHED]
    assert severity(judged.outcome) >= max(map(severity, reached), default=0)
    if judged.outcome is RIGHT:
        assert RIGHT in reached


unrelated = st.one_of(
    st.builds(ask, st.sampled_from(Device), st.just(9)),
    st.builds(read, st.just(9)),
    st.sampled_from(
        (RETURN, event(Kind.STORE, 0, text="sa->handle"), event(Kind.TEST), event(Kind.TEST, -1))
    ),
)


@given(paths, all_topologies, unrelated, st.integers(0, 10))
def test_an_unrelated_event_changes_nothing(
    path: Path, topology: Topology, inserted: Event, at: int
) -> None:
    more = judge_path((*path[:at], inserted, *path[at:]), topology)
    plain = judge_path(path, topology)
    assert (more.outcome, more.uses) == (plain.outcome, plain.uses)


@given(paths, all_topologies, st.data())
def test_removing_a_test_improves_nothing(
    path: Path, topology: Topology, data: st.DataObject
) -> None:
    # A zero test of an unknown handle is what proves that 0 is used: it may not be missed.
    tests = [i for i, e in enumerate(path) if e.kind is Kind.TEST and e.nonzero]
    if tests:
        at = data.draw(st.sampled_from(tests))
        less = judge_path((*path[:at], *path[at + 1 :]), topology)
        assert severity(less.outcome) >= severity(judge_path(path, topology).outcome)


BLINDFOLDS: tuple[dict[str, Any], ...] = (
    {"source": Source.UNKNOWN},
    {"sa": Sa.UNKNOWN},
    {"kind": Kind.RESOLVE, "device": Device.UNKNOWN},
)


@given(paths, all_topologies)
def test_what_a_device_got_is_as_bad_as_any_use_of_it(path: Path, topology: Topology) -> None:
    judged = judge_path(path, topology)
    got = worst(outcome for _, outcome in judged.got)
    assert worst((got, *(use.outcome for use in judged.uses))) is got


@given(paths, all_topologies, st.sampled_from(BLINDFOLDS))
def test_not_knowing_proves_nothing_but_0(
    path: Path, topology: Topology, less: dict[str, Any]
) -> None:
    blind = tuple(e._replace(**less) if e.kind in (Kind.READ, Kind.RESOLVE) else e for e in path)
    judged = judge_path(blind, topology)
    for outcome in (judged.outcome, *(u.outcome for u in judged.uses)):
        assert outcome not in (RIGHT, STALE, OTHER)


@pytest.mark.slow
@given(paths, all_topologies, st.sampled_from(BLINDFOLDS), st.data())
def test_knowing_less_about_one_handle_makes_nothing_right(
    path: Path, topology: Topology, less: dict[str, Any], data: st.DataObject
) -> None:
    where = [i for i, e in enumerate(path) if e.kind in (Kind.READ, Kind.RESOLVE)]
    if where:
        at = data.draw(st.sampled_from(where))
        blind = judge_path((*path[:at], path[at]._replace(**less), *path[at + 1 :]), topology)
        reached = dict(enumerate(judge_path(path, topology).uses))
        for number, now in enumerate(blind.uses):
            if now.outcome is RIGHT:
                # Of another handle; or it lies behind a test that now may let it through.
                assert reached[number].outcome in (RIGHT, NOT_REACHED, ZERO_TESTED)


@given(paths, all_topologies)
def test_a_cut_is_unknown_unless_worse_came_before(path: Path, topology: Topology) -> None:
    whole, cut = judge_path(path, topology), judge_path((*path, CUT), topology)
    assert cut.uses == whole.uses
    taken = all(reached for _, reached in handed_out((*path, use()), topology)[-1:])
    assert cut.outcome is (worst((whole.outcome, UNKNOWN)) if taken else whole.outcome)


@given(st.lists(paths, max_size=4), paths)
def test_another_path_improves_nothing(some: list[Path], more: Path) -> None:
    before, after = judge(some), judge((*some, more))
    for name in NAMED:
        assert severity(after[name]) >= severity(before[name])
    assert verdict((*some, more)).worst() is worst(after.values())


@given(topologies())
def test_converted_drivers_are_served_wherever_the_owner_is_honest(topology: Topology) -> None:
    """A lower that is right about itself gets its own handle, or none, from a truthful owner."""
    state, device = topology.state, topology.device
    seen: dict[Device, str | None] = {**topology.seen, Device.OWN: device}
    field = topology.held.get(device, 0) if state.pinned == device else state.handle
    callback = None if state.callback is None else dict(topology.held)
    truthful = state._replace(handle=field, callback=callback)
    if truthful.owner == device:
        truthful = truthful._replace(handle=topology.wanted)
    honest = Topology(
        topology.name, topology.sentence, truthful, device, topology.held, topology.revoked, seen, 0
    )
    assert set(judge(CONVERTED, [honest]).values()) <= FINE


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("clears", [False, True])
@pytest.mark.parametrize("answers", [False, True])
def test_topologies_of_a_tree_keep_their_names_and_order(
    shares: bool, clears: bool, answers: bool
) -> None:
    made = topologies_as(shares, clears, answers)
    assert [one.name for one in made] == [one.name for one in TOPOLOGIES]
    for one, plain in zip(made, TOPOLOGIES, strict=True):
        assert one.device == plain.device
        assert one.shared == (shares and answers and plain.lag)
        assert (one.state.callback is None) == (not plain.lag or not answers)
        freed = clears and not plain.held
        assert one.state.handle == (0 if freed else one.state.handle)
        if not one.shared and not freed and (answers or not plain.lag):
            assert one == plain


def test_a_direct_read_is_right_on_every_device_that_shares_the_state() -> None:
    path = (read(), event(Kind.USE, 0))
    by_name = {one.name: one for one in topologies_as(shares=True, clears=False)}
    for name in (LAG_A, LAG_B, TWO_NICS, ON_VLAN):
        assert judge_path(path, by_name[name]).outcome is RIGHT
    assert judge_path(path, by_name[LAG_C]).outcome is OTHER


def test_a_shared_state_names_the_port_that_it_was_installed_on() -> None:
    path = (ask(Device.REAL_DEV), use())
    by_name = {one.name: one for one in topologies_as(shares=True, clears=False)}
    told = {name: judge_path(path, by_name[name]).outcome for name in (LAG_A, LAG_B, LAG_C)}
    assert told == {LAG_A: RIGHT, LAG_B: RIGHT, LAG_C: OTHER}
    own = {name: by_name[name].may_be_own(Device.REAL_DEV) for name in (LAG_A, LAG_B, LAG_C)}
    # It was installed on the one that has left, before.
    assert own == {LAG_A: {True}, LAG_B: {False}, LAG_C: {True, False}}


def test_a_direct_read_of_a_field_that_free_cleared_is_0() -> None:
    path = (read(), event(Kind.USE, 0))
    by_name = {one.name: one for one in topologies_as(shares=False, clears=True)}
    assert judge_path(path, by_name[FREED]).outcome is ZERO_USED
    assert judge_path(path, NAMED[FREED]).outcome is STALE
