"""Where the core calls a callback that must not sleep: as its code says, or the contract."""

import re
from typing import NamedTuple

from xfrmlint.c.reader import Reader
from xfrmlint.contract.behaviour import LOCKED, PER_PACKET, called_for_acquires, runs
from xfrmlint.contract.words import (
    ADD,
    DELETE,
    ESN,
    OFFLOAD_OK,
    POLICY_ADD,
    RESOLVE,
    SHARE,
    STATS,
    XMIT,
)
from xfrmlint.program.ops import Table

# What the contract says of them where the core does not show it.
_SUPPOSED = {
    DELETE: "with the state's lock held",
    ESN: "with the state's lock held",
    STATS: "with the state's lock held",
    SHARE: "where nothing may sleep",
}
_WITH_PACKET = (OFFLOAD_OK, XMIT, RESOLVE)
# How a driver tells a state apart that only waits for its key (include/net/xfrm.h).
_ACQUIRE = re.compile(rb"\bXFRM_(?:DEV_OFFLOAD_FLAG|STATE)_ACQ\b|\bxso\s*(?:\.|->)\s*flags\b")
MUST_NOT_SLEEP = frozenset((DELETE, ESN, STATS, OFFLOAD_OK, XMIT, SHARE))


class Context(NamedTuple):
    """Where a callback runs. text: the rest of `it is called`; known: it must not sleep there.

    If that is not known, text is a sentence that says why.
    """

    text: str
    known: bool = True


class Contexts:
    """Answers about one tree; the core is asked once for each role, and only if that matters."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[str, Context] = {}

    def of(self, role: str) -> Context:
        """Return where the callback of a slot's role runs."""
        if role not in self._known:
            self._known[role] = self._asked(role)
        return self._known[role]

    def acquires(self, table: Table) -> str:
        """Return where a table's add is called for states that wait for a key; empty if it asks.

        The core does so for policies that the device has itself, from where nothing may sleep.
        """
        roles = {self._reader.contract.slot_role(one.field) for one in table.callbacks}
        if not {ADD, POLICY_ADD} <= roles:
            return ""
        files = self._reader.universe.files(table.place.path)
        if any(_ACQUIRE.search(self._reader.corpus.unit(path).text) for path in files):
            return ""
        where = called_for_acquires(self._reader)
        return f"{where.path}:{where.line}" if where is not None else ""

    def _asked(self, role: str) -> Context:
        if role in _WITH_PACKET:
            return Context("for every packet")
        if role == SHARE:
            return Context(f"{_SUPPOSED[role]}, as the contract says")
        said = runs(self._reader, role)
        where = f"{said.place.path}:{said.place.line}"
        if said.says == LOCKED:
            return Context(f"with a lock held ({where})")
        if said.says == PER_PACKET:
            return Context(f"for every packet ({where})")
        if not said.place.path:
            return Context(f"{_SUPPOSED[role]} (so the contract says; {said.reason})")
        return Context(
            f"whether {role} runs where that is wrong is not known: {said.reason}", False
        )
