"""Memory of what was made for a while, given back: collecting is off in a run (see cli.main)."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def given_back() -> Iterator[None]:
    """Give back the memory of what was made here and is not used any more."""
    # Readers and graphs refer to each other in circles. What was there before is not looked at:
    # then it takes a hundredth of the time.
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
