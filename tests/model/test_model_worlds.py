"""Worlds and the predicates P1 to P5: examples by hand, and what holds of all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfrmlint.model.predicates import (
    broken,
    outlived,
    sentence,
    torn,
    unpromised,
    unsafe,
    useless,
)
from xfrmlint.model.reference import State, resolve, resolve_shared
from xfrmlint.model.worlds import (
    A,
    B,
    C,
    D,
    Device,
    Mode,
    U,
    World,
    by_roles,
    share,
    valid_on,
    with_cast,
)

HA, HB = 0xA1, 0xB1
PORTS = (Device(A, "1", U), Device(B, "1", U), Device(C, "2", U), Device(D, "1", None))
SHARED = World(
    "shared",
    Mode.SHARED,
    PORTS,
    U,
    {HA: A, HB: B},
    frozenset({HA}),
    carries=frozenset({A, B, C}),
    state=State(U, A, HA, callback={A: HA, B: HA}),
)


def with_b(changed: Device) -> World:
    """Return the shared world with another B."""
    return SHARED._replace(devices=(PORTS[0], changed, *PORTS[2:]))


@pytest.mark.parametrize(
    ("asking", "answer"), [(A, HA), (B, HA), (A, 0), (C, 0), (D, 0), (None, 0)]
)
def test_what_a_device_may_get_is_safe(asking: str | None, answer: int) -> None:
    assert not unsafe(SHARED, asking, answer)
    assert not outlived(SHARED, asking, answer)
    assert not unpromised(SHARED, asking, answer)


@pytest.mark.parametrize(
    ("asking", "answer", "name", "said"),
    [
        pytest.param(C, HA, "P1", "A's handle", id="of another chip"),
        pytest.param(D, HA, "P1", "A's handle", id="not a port of the upper"),
        pytest.param(A, HB, "P1", "B's handle, which was freed", id="freed"),
        pytest.param(A, 7, "P1", "no add has returned", id="a number from nowhere"),
        pytest.param(A, 0, "P2", "its add returned one", id="the one that added gets none"),
        pytest.param(B, 0, "P2", "transmits through it", id="one that transmits gets none"),
        pytest.param(None, HA, "P3", "no device", id="nobody asks"),
    ],
)
def test_the_first_break_is_told(asking: str | None, answer: int, name: str, said: str) -> None:
    found = broken(SHARED, asking, answer, by_callback=False)
    assert found is not None
    assert found.name == name
    assert said in found.reason
    assert sentence(found).startswith("shared: ")
    assert sentence(found).endswith(f"({name})")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (PORTS[1]._replace(asks=False), "promise to ask"),
        (PORTS[1]._replace(shares=False), "promise to share"),
        (PORTS[1]._replace(accepts=False), "refuses"),
        (PORTS[1]._replace(offloads=False), "switched off"),
    ],
)
def test_a_missing_promise_is_0_of_the_owners_callback(changed: Device, said: str) -> None:
    world = with_b(changed)
    found = broken(world, B, HA, by_callback=True)
    assert found is not None
    assert (found.name, said in found.reason) == ("P4", True)
    assert broken(world, B, 0, by_callback=True) is None
    # What its own add returned it may use; and P1 speaks of it where the resolver itself answers.
    own = world._replace(live=frozenset({HA, HB}))
    assert broken(own, B, HB, by_callback=True) is None
    told = broken(world, B, HA, by_callback=False)
    assert told is not None
    assert told.name == "P1"


def test_a_handle_of_a_device_that_lacks_a_promise_is_nobody_elses() -> None:
    world = SHARED._replace(devices=(PORTS[0]._replace(shares=False), *PORTS[1:]))
    assert "a handle of a device that" in unpromised(world, B, HA)


def test_a_freed_state_is_0_for_all() -> None:
    for gone in (SHARED._replace(freed=True), SHARED._replace(owner=None)):
        assert outlived(gone, A, HA) == "a handle of a freed state"
        assert not outlived(gone, A, 0)
        assert not useless(SHARED._replace(freed=True), A, 0)


def test_nothing_is_owed_while_a_state_is_being_changed() -> None:
    assert useless(SHARED, A, 0)
    assert not useless(SHARED._replace(settled=False), A, 0)


def test_nothing_is_owed_to_who_does_not_ask() -> None:
    silent = SHARED.device(A)._replace(asks=False)
    rest = tuple(one for one in SHARED.devices if one.name != A)
    assert not useless(SHARED._replace(devices=(silent, *rest)), A, 0)


def test_torn_is_another_class_and_not_ones_own_a_moment_late() -> None:
    late = SHARED._replace(live=frozenset())
    assert not torn(late, A, HA)
    assert not torn(late, B, HA)
    assert torn(late, C, HA) == "A's handle"
    assert torn(late, A, 7)


devices = st.builds(
    Device,
    name=st.sampled_from([A, B, C, D]),
    chip=st.sampled_from("12"),
    master=st.sampled_from([None, U, "other"]),
    asks=st.booleans(),
    shares=st.booleans(),
    accepts=st.booleans(),
    offloads=st.booleans(),
)


@given(devices, devices)
def test_sharing_is_mutual_and_a_device_shares_with_itself(one: Device, other: Device) -> None:
    assert share(one, other) == share(other, one)
    assert share(one, one)


@given(
    st.lists(devices, min_size=1, max_size=4, unique_by=lambda d: d.name),
    st.data(),
)
def test_an_answer_that_nothing_forbids_is_valid_where_it_is_used(
    found: list[Device], data: st.DataObject
) -> None:
    names = [one.name for one in found]
    issuer = data.draw(st.sampled_from(names))
    asking = data.draw(st.sampled_from(names))
    live = frozenset(data.draw(st.sets(st.just(HA))))
    world = World("", Mode.SHARED, tuple(found), U, {HA: issuer}, live)
    if broken(world, asking, HA, by_callback=True) is None:
        assert asking in valid_on(world, HA)
        assert HA in live
    assert broken(world, asking, 0, by_callback=True) is None or live


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("shares", [True, False])
def test_the_worlds_of_the_roles_are_told_apart(private: bool, shares: bool) -> None:
    found = list(by_roles(private, shares))
    assert len({world.name for world in found}) == len(found)
    assert any(world.mode is Mode.SHARED for world in found) == shares
    for world in found:
        handles = {world.state.handle, *(world.state.callback or {}).values()} - {0}
        assert handles <= set(world.issued)
        assert world.live <= set(world.issued)
        assert (world.owner is None) == world.freed


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize(
    ("answer", "shares"),
    [(resolve, True), (resolve, False), (resolve_shared, True), (resolve_shared, False)],
)
def test_each_reference_is_right_in_the_worlds_of_its_members(
    answer: object, shares: bool, private: bool
) -> None:
    assert callable(answer)
    told = [
        sentence(found)
        for world in by_roles(private, shares)
        for asking in (A, B, C, D, None)
        if (found := broken(world, asking, answer(world.state, asking), True)) is not None
    ]
    # An owner with a map of its own may pin any lower: then the field is not that one's.
    wrong = answer is resolve_shared and private
    assert bool(told) == wrong, told


def test_without_a_member_for_it_no_lower_is_pinned() -> None:
    found = list(by_roles(True, False, pins=False))
    assert {world.state.pinned for world in found} == {None}
    assert len({world.name for world in found}) == len(found)
    assert {"U has the state on A", "U has the state on A and then on B"} & {
        world.name for world in found
    } == {"U has the state on A and then on B"}


@pytest.mark.parametrize(
    ("state", "lower", "wanted"),
    [
        (State(None, A, 7), A, 0),
        (State(U, A, 7), None, 0),
        (State(A, None, 7), A, 7),
        (State(U, A, 7), A, 7),
        (State(U, A, 7, callback={A: 9, B: 8}), A, 7),
        (State(U, A, 0, callback={A: 9, B: 8}), A, 9),
        (State(U, A, 7, callback={B: 8}), B, 8),
        (State(U, A, 7, callback={}), B, 0),
        (State(U, A, 7), B, 0),
        (State(U, A, 0, owner_has_ops=False, callback={A: 9}), A, 0),
    ],
)
def test_revision_2_branch_by_branch(state: State, lower: str | None, wanted: int) -> None:
    assert resolve_shared(state, lower) == wanted


@pytest.mark.parametrize(
    ("said", "cast"),
    [
        ("U with A and B adds, B refuses", " (U is the owner, A and B its lower devices)"),
        ("U with A, B and C adds", " (U is the owner, A, B and C its lower devices)"),
        ("U has the state on A", " (U is the owner, A its lower device)"),
        ("A owns the state", ""),
        ("UDP and ABI", ""),
    ],
)
def test_who_is_in_a_world_is_said_with_it(said: str, cast: str) -> None:
    assert with_cast(said) == said + cast
