"""The reads of the shared handle in one function, and what they are converted with."""

from dataclasses import dataclass
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.contract.words import Contract
from xfrmlint.convert.edits import Edit
from xfrmlint.convert.fate import Fate
from xfrmlint.convert.written import Written
from xfrmlint.program.devices import Devices


class Context(NamedTuple):
    """What a driver is converted with. without: functions and devices that are wrong in them."""

    contract: Contract
    devices: Devices
    fate: Fate
    without: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Reads:
    """The reads of a function. statement: the one with the first. device: that is at work.

    handed: the edits by which callers hand that down.
    """

    reads: tuple[Written, ...]
    statement: Node
    state: str
    device: str
    handed: tuple[Edit, ...]

    @property
    def first(self) -> Written:
        return self.reads[0]
