"""Kernels that have been fetched, for tests: these download nothing."""

from pathlib import Path

import pytest

from tests.real import kernels


def kernel_at_hand(version: str) -> Path:
    """Return a kernel; where it can't be had the test that asks is skipped."""
    try:
        # python -m tests.real.kernels fetches it.
        return kernels.kernel(version, fetch=False)
    except kernels.Unavailable as error:
        pytest.skip(error.reason)
