"""The one kind of error that a user can mend."""


class InputError(Exception):
    """Something is wrong with what the user named; the text says what to do (exit status 2)."""
