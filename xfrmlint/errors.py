"""The one kind of error that a user can mend."""

from collections.abc import Iterator
from contextlib import contextmanager

# Of code and data that take more calls in each other than the interpreter makes.
TOO_DEEP = "nested too deeply to be followed"


class InputError(Exception):
    """Something is wrong with what the user named; the text says what to do (exit status 2)."""


@contextmanager
def nesting_named(what: str) -> Iterator[None]:
    """Raise InputError, with a name of what is read, where that is nested too deeply."""
    try:
        yield
    except RecursionError:
        raise InputError(f"{what}: {TOO_DEEP}") from None
