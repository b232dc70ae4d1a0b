"""Torn reads: what the explorer finds, against an enumeration of all merges."""

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfrmlint.model.interleave import (
    FIELDS,
    SCENARIOS,
    Field,
    Order,
    Scenario,
    Schedule,
    Step,
    decision,
    lines,
    shortest,
    torn,
    written,
)
from xfrmlint.model.reference import State, resolve

# RFC 1/4, xfrm_dev_state_lower_handle(): the three READ_ONCE, from above.
RFC_ORDER: Order = ("pinned", "owner", "handle")


def waiting(scenario: Scenario) -> Scenario:
    """Return a scenario with a synchronize_net() where pinned was set to NULL: not bonding's."""
    wait = Step("waits for all readers", waits=True)

    def after(step: Step) -> tuple[Step, ...]:
        return (step, wait) if step.text == "pinned = NULL" else (step,)

    writers = {
        name: tuple(one for step in steps for one in after(step))
        for name, steps in scenario.writers.items()
    }
    return scenario._replace(name=f"{scenario.name} that waits", writers=writers)


WAITING = [waiting(scenario) for scenario in SCENARIOS if "failover" in scenario.name]
# Every order in which the resolver can read each field once.
ORDERS: tuple[Order, ...] = tuple(permutations(FIELDS))
# Not the RFC's: pinned is read again last, and the handle not trusted if it has changed.
READ_AGAIN: Order = ("pinned", "owner", "handle", "pinned")


def survey(
    orders: Sequence[Order] = ORDERS, scenarios: Sequence[Scenario] = SCENARIOS
) -> dict[Order, dict[str, Schedule | None]]:
    """Return, for each order of reads, the shortest bad schedule under each scenario's name."""
    return {order: {s.name: torn(order, s) for s in scenarios} for order in orders}


def safe_orders(
    orders: Sequence[Order] = ORDERS, scenarios: Sequence[Scenario] = SCENARIOS
) -> list[Order]:
    """Return the orders that have no bad schedule in any scenario."""
    return [order for order, row in survey(orders, scenarios).items() if not any(row.values())]


NAMED = {scenario.name: scenario for scenario in (*SCENARIOS, *WAITING)}
QUIET = [s.name for s in SCENARIOS if "failover" not in s.name]
HANDLE_LAST = [o for o in ORDERS if o.index("pinned") < o.index("handle")]


@pytest.mark.parametrize("name", QUIET)
@pytest.mark.parametrize("order", ORDERS)
def test_add_delete_and_free_cannot_tear(name: str, order: Order) -> None:
    assert torn(order, NAMED[name]) is None


def test_six_orders_the_rfcs_among_them() -> None:
    assert len(set(ORDERS)) == 6
    assert RFC_ORDER in ORDERS


def test_the_rfcs_order_tears_in_a_failover() -> None:
    found = torn(RFC_ORDER, NAMED["failover"])
    assert found is not None
    assert list(lines(found)) == [
        "1. resolver  reads pinned: A          owner=bond0 pinned=A handle=0xa1",
        "2. failover  pinned = NULL            owner=bond0 pinned=NULL handle=0xa1",
        "3. failover  A's delete               owner=bond0 pinned=NULL handle=0xa1",
        "4. failover  A's free                 owner=bond0 pinned=NULL handle=0xa1",
        "5. failover  B's add: handle = 0xb1   owner=bond0 pinned=NULL handle=0xb1",
        "6. resolver  reads owner: bond0       owner=bond0 pinned=NULL handle=0xb1",
        "7. resolver  reads handle: 0xb1       owner=bond0 pinned=NULL handle=0xb1",
        "8. resolver  hands A B's handle 0xb1  owner=bond0 pinned=NULL handle=0xb1",
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_no_order_of_three_reads_is_safe_in_a_failover(order: Order) -> None:
    found = torn(order, NAMED["failover"])
    assert found is not None
    # pinned first: the old lower gets the new one's handle. Handle first: the new one the old's.
    assert (found.device, len(found.moves)) == (("A", 8) if order in HANDLE_LAST else ("B", 9))


def test_reading_pinned_again_outlasts_one_failover_but_not_two() -> None:
    assert torn(READ_AGAIN, NAMED["failover"]) is None
    found = torn(READ_AGAIN, NAMED["failover and back"])
    assert found is not None
    assert (found.device, found.handle, len(found.moves)) == ("A", 0xB1, 15)


def test_a_failover_that_waits_is_safe_where_the_handle_is_read_after_pinned() -> None:
    assert safe_orders() == []
    quiet = [NAMED[name] for name in QUIET]
    assert safe_orders(scenarios=(*quiet, *WAITING)) == HANDLE_LAST
    assert RFC_ORDER in HANDLE_LAST
    assert safe_orders((READ_AGAIN,), (*quiet, *WAITING)) == [READ_AGAIN]


def test_survey_has_a_cell_for_each_order_and_scenario() -> None:
    table = survey()
    assert list(table) == list(ORDERS)
    for row in table.values():
        assert list(row) == [s.name for s in SCENARIOS]


def merges(reads: int, steps: int) -> Iterator[tuple[bool, ...]]:
    """Yield every merge of a reader and one writer: True where the writer moves."""
    for chosen in combinations(range(reads + steps), steps):
        yield tuple(n in chosen for n in range(reads + steps))


def bad_by_enumeration(order: Order, scenario: Scenario, device: str) -> int | None:
    """Return how many moves the shortest bad schedule has, the decision counted. No search."""
    (steps,) = scenario.writers.values()
    lengths = []
    for merge in merges(len(order), len(steps)):
        state, todo = scenario.state, list(steps)
        got: list[Any] = []
        for number, writes in enumerate(merge, 1):
            if not writes:
                got.append(getattr(state, order[len(got)]))
            elif todo[0].waits and got:
                break
            else:
                state = written(state, todo.pop(0))
            if len(got) == len(order):
                values: dict[str, Any] = {}
                same = all(values.setdefault(f, v) == v for f, v in zip(order, got, strict=True))
                answer = resolve(State(**values), device) if same else 0
                if answer and scenario.issuer[answer] != device:
                    lengths.append(number + 1)
                break
    return min(lengths, default=None)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("order", [*ORDERS, READ_AGAIN])
def test_agrees_with_enumeration(name: str, order: Order) -> None:
    for device in ("A", "B", "bond0"):
        found = shortest(order, NAMED[name], device)
        expected = bad_by_enumeration(order, NAMED[name], device)
        assert (None if found is None else len(found.moves)) == expected


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("order", [*ORDERS, READ_AGAIN])
def test_a_schedule_can_be_replayed(name: str, order: Order) -> None:
    scenario = NAMED[name]
    found = torn(order, scenario)
    if found is None:
        return
    (actor,) = scenario.writers
    state, todo = scenario.state, list(scenario.writers[actor])
    got: list[Any] = []
    for move in found.moves[:-1]:
        if move.actor == actor:
            state = written(state, todo.pop(0))
        else:
            got.append(getattr(state, order[len(got)]))
        assert move.state == state
    assert decision(order, got, found.device) == found.handle
    assert scenario.issuer[found.handle] != found.device


def test_two_writers_at_once() -> None:
    # The failover cut in two that do not exclude each other: the add alone is enough.
    away, back = (
        NAMED["failover"].writers["failover"][:3],
        NAMED["failover"].writers["failover"][3:],
    )
    scenario = NAMED["failover"]._replace(writers={"away": away, "back": back})
    found = torn(RFC_ORDER, scenario)
    assert found is not None
    # B's add, before the old pinned is even cleared.
    assert [move.actor for move in found.moves] == ["back", *["resolver"] * 4]


def test_nothing_tears_where_nothing_changes() -> None:
    for scenario in SCENARIOS:
        for order in ORDERS:
            assert torn(order, scenario._replace(writers={})) is None


orders = st.sampled_from(ORDERS)
states = st.builds(
    State,
    owner=st.sampled_from((None, "bond0", "A", "B")),
    pinned=st.sampled_from((None, "A", "B")),
    handle=st.sampled_from((0, 0xA1, 0xB1)),
    owner_has_ops=st.just(True),
    callback=st.none(),
)


@given(orders, states, st.sampled_from(("A", "B")))
def test_whole_reads_are_the_resolver(order: Order, state: State, device: str) -> None:
    read = [getattr(state, field) for field in order]
    assert decision(order, read, device) == resolve(state, device)


@given(orders, st.sampled_from(FIELDS), st.sampled_from(("A", "B")))
def test_a_field_that_changed_is_no_answer(order: Order, field: Field, device: str) -> None:
    state = State("bond0", device, 0xA1)
    again = (*order, field)
    read = [getattr(state, f) for f in order]
    assert decision(again, [*read, getattr(state, field)], device) == 0xA1
    assert decision(again, [*read, "changed"], device) == 0
