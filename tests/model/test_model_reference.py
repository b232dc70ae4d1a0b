"""The reference semantics against tables written from the contract, not from the code."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfrmlint.model.reference import State, resolve

FIELD, ENTRY = 7, 9

# Rows: the owner's ops. Columns: real_dev. The owner is not the lower device that asks.
NO_OPS, NO_CALLBACK, IN_MAP, NOT_IN_MAP = "no ops", "no callback", "in map", "not in map"
TABLE = {
    #             lower  other  NULL
    NO_OPS: (FIELD, 0, 0),
    NO_CALLBACK: (FIELD, 0, 0),
    IN_MAP: (ENTRY, ENTRY, ENTRY),
    NOT_IN_MAP: (0, 0, 0),
}
REAL_DEVS = ("eth0", "eth1", None)
EVERY = list(product(REAL_DEVS, TABLE))
CELLS = [
    (ops, real_dev, cell)
    for ops, row in TABLE.items()
    for real_dev, cell in zip(REAL_DEVS, row, strict=True)
]


def state(owner: str | None, real_dev: str | None, ops: str) -> State:
    callback = {IN_MAP: {"eth0": ENTRY, "eth1": 11}, NOT_IN_MAP: {"eth1": 11}}.get(ops)
    return State(owner, real_dev, FIELD, ops != NO_OPS, callback)


@pytest.mark.parametrize(("real_dev", "ops"), EVERY)
def test_no_owner_no_handle(real_dev: str | None, ops: str) -> None:
    assert resolve(state(None, real_dev, ops), "eth0") == 0


@pytest.mark.parametrize("owner", ["eth0", "bond0", None])
@pytest.mark.parametrize(("real_dev", "ops"), EVERY)
def test_no_lower_no_handle(owner: str | None, real_dev: str | None, ops: str) -> None:
    # NULL is never "the same device" as an owner or a real_dev that is NULL.
    assert resolve(state(owner, real_dev, ops), None) == 0


@pytest.mark.parametrize(("real_dev", "ops"), EVERY)
def test_the_owner_itself_gets_the_field(real_dev: str | None, ops: str) -> None:
    # Before the callback is looked at: the direct device is the fast path.
    assert resolve(state("eth0", real_dev, ops), "eth0") == FIELD


@pytest.mark.parametrize(("ops", "real_dev", "handle"), CELLS)
def test_a_lower_of_another_owner(ops: str, real_dev: str | None, handle: int) -> None:
    assert resolve(state("bond0", real_dev, ops), "eth0") == handle


def test_ops_that_are_not_there_have_no_callback() -> None:
    left_over = State("bond0", None, FIELD, owner_has_ops=False, callback={"eth0": ENTRY})
    assert resolve(left_over, "eth0") == 0


names = st.sampled_from(["bond0", "eth0", "eth1", "eth2"])
handles = st.integers(0, 2**64 - 1)
states = st.builds(
    State,
    owner=st.none() | names,
    pinned=st.none() | names,
    handle=handles,
    owner_has_ops=st.booleans(),
    callback=st.none() | st.dictionaries(names, handles),
)


@given(states, st.none() | names)
def test_agrees_with_the_table(some: State, lower: str | None) -> None:
    if some.owner is None or lower is None:
        expected = 0
    elif some.owner == lower:
        expected = some.handle
    else:
        entries = dict(some.callback or {})
        if not some.owner_has_ops:
            ops = NO_OPS
        elif some.callback is None:
            ops = NO_CALLBACK
        else:
            ops = IN_MAP if lower in entries else NOT_IN_MAP
        column = 0 if some.pinned == lower else 1 if some.pinned else 2
        cell = TABLE[ops][column]
        expected = {0: 0, FIELD: some.handle, ENTRY: entries.get(lower, 0)}[cell]
    assert resolve(some, lower) == expected


@given(states, names)
def test_depends_on_real_dev_only_where_nothing_else_decides(some: State, lower: str) -> None:
    if some.owner == lower or (some.owner_has_ops and some.callback is not None):
        for real_dev in (None, "eth0", "bond0"):
            assert resolve(some._replace(pinned=real_dev), lower) == resolve(some, lower)
