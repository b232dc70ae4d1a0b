"""A few inputs of each kind that tests/fuzz makes; `python -m tests.fuzz` makes any number."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.kinds import KINDS, run


# The first one of each kind in every run; repositories take long, and tests/git has some.
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow) if kind == "repository" else kind
        for kind in sorted(KINDS)
    ],
)
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]
)
def test_no_input_breaks_a_run(kind: str, seed: int, tmp_path: Path) -> None:
    run(kind, seed, tmp_path / "input")


def test_the_long_run_tells_what_it_did() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--kind", "config", "--count", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout) == (0, "2 config: 0 failed\n")
