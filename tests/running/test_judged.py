"""The judge's word about drivers of which it was seen what their hardware is given."""

from pathlib import Path

import pytest

from tests.real import kernels
from tests.running import compare, page
from tests.running.boot import see
from tests.running.differences import NAMED
from tests.running.kernel import SERIES, alone, build, lay_links, source
from tests.running.needed import Missing
from tests.running.scenarios import plays

pytestmark = [pytest.mark.real, pytest.mark.slow]


_FEW = ("right_pointer", "no_test", "converted_register")


def _kernel() -> Path:
    try:
        # A test run downloads nothing.
        return kernels.kernel(SERIES, fetch=False)
    except kernels.Unavailable as error:
        pytest.skip(error.reason)


def test_the_judge_says_what_a_running_kernel_has_shown(tmp_path: Path) -> None:
    lay_links(_kernel(), tmp_path)
    rows = compare.compare(compare.remembered(), compare.judged(tmp_path / "source"))
    different = compare.differing(rows)
    assert [row for row in different if not row.why] == []
    assert 10 * sum(row.unknown for row in rows) <= len(rows)
    assert {row.why for row in different} == {one.why for one in NAMED}
    # python3 -m tests.running --write
    assert page.render(rows) == page.PAGE.read_text("utf-8")


def test_a_few_drivers_are_seen_in_the_running_kernel() -> None:
    kernel = _kernel()
    try:
        with alone():
            # Some minutes the first time; then what has changed since.
            build(kernel)
            seen = see(
                plays(["right_pointer", "no_test", "converted_register"], ["lag_a", "other"])
            )
    except Missing as error:
        pytest.skip(error.reason)
    outcomes = compare.outcomes_of(seen)
    assert outcomes == {key: compare.remembered()[key] for key in outcomes}
    rows = compare.compare(outcomes, compare.judged(source()))
    assert [row for row in rows if not row.agrees] == []
