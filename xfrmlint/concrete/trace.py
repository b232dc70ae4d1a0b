"""The way an evaluation took: what was read, written, tested and called, in order."""

from enum import StrEnum
from typing import NamedTuple


class StepKind(StrEnum):
    """What a step of a trace is."""

    READ = "read"
    WRITE = "write"
    TEST = "test"
    CALL = "call"


class Step(NamedTuple):
    """One step: a field read or written, a condition tested, a function called.

    object, field: which field; for a call `object` is the function's name, and `field` the names of
    the structs that one without a definition is handed. once: by READ_ONCE or a relative of it.
    """

    kind: StepKind
    object: str
    field: str
    once: bool
    path: str
    line: int


Trace = tuple[Step, ...]
