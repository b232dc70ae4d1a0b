"""How an evaluation ends without a value: at a fault, or outside what is covered."""

from enum import StrEnum
from typing import NamedTuple


class FaultKind(StrEnum):
    """What went wrong."""

    NULL = "NULL dereference"
    FIELD = "unknown field"
    UNINITIALIZED = "uninitialized variable"
    DIVISION = "division by zero"
    BUG = "BUG"
    ARGUMENT = "wrong argument"


class Fault(NamedTuple):
    """An evaluation that ended without a value. path, line: of the C that did it."""

    kind: FaultKind
    text: str
    path: str = ""
    line: int = 0


class Faulted(Exception):
    """A fault on its way out of the evaluation."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


class Outside(Exception):
    """Something the evaluator doesn't cover. path, line: where."""

    def __init__(self, reason: str, path: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.line = line
