"""The judge's word about drivers of which it was seen what their hardware is given."""

import json
from pathlib import Path

import pytest

from tests.ran import run
from tests.real.at_hand import kernel_at_hand
from tests.running import compare, page
from tests.running.boot import see
from tests.running.differences import NAMED
from tests.running.edited import lay_links
from tests.running.kernel import alone, build, source
from tests.running.needed import Missing
from tests.running.revisions import REVISIONS, SERIES, TWO, Revision

pytestmark = [pytest.mark.real, pytest.mark.slow]

_FEW = {
    1: (["right_pointer", "no_test", "converted_register"], ["lag_a", "other"]),
    2: (["right_pointer", "no_test", "two_chips"], ["lag_b", "other"]),
}


def _is_handed_on(tree: Path, story: str) -> set[bool]:
    """Return what the judge says of a round-robin bond in a story of its own."""
    ran = run("judge", tree, "bonding", "--format", "json", cwd=tree, timeout=600)
    (owner,) = json.loads(ran.out)["owners"]
    told = [one for one in owner["worlds"] if one["world"] == story]
    return {one["handed_on"] for one in told if "mode is 0" in one["assumed"]}


def test_the_judge_says_what_a_running_kernel_has_shown(tmp_path: Path) -> None:
    tables = {}
    for revision in REVISIONS:
        tree = lay_links(revision, kernel_at_hand(SERIES), tmp_path / str(revision.number))
        words = compare.judged(tree)
        rows = compare.compare(revision, compare.remembered(revision), words)
        assert [row for row in compare.differing(rows) if not row.why] == []
        assert 10 * sum(row.unknown for row in rows) <= len(rows)
        tables[revision.number] = rows
        if revision is TWO:
            assert _is_handed_on(tree, "U with A and B of one chip adds") == {True}
            assert _is_handed_on(tree, "U with A and C of two chips adds") == {False}
    different = [row for rows in tables.values() for row in compare.differing(rows)]
    assert {row.why for row in different} == {one.why for one in NAMED}
    # python3 -m tests.running --write
    assert page.render(tables) == page.PAGE.read_text("utf-8")


@pytest.mark.parametrize("revision", REVISIONS, ids=["map", "share"])
def test_a_few_drivers_are_seen_in_the_running_kernel(revision: Revision) -> None:
    kernel = kernel_at_hand(SERIES)
    try:
        with alone(revision):
            # Some minutes the first time; then what has changed since.
            build(revision, kernel)
            seen = see(revision, revision.plays(*_FEW[revision.number]))
    except Missing as error:
        pytest.skip(error.reason)
    outcomes = compare.outcomes_of(revision, seen)
    assert outcomes == {key: compare.remembered(revision)[key] for key in outcomes}
    rows = compare.compare(revision, outcomes, compare.judged(source(revision)))
    assert [row for row in rows if not row.agrees and not row.why] == []
