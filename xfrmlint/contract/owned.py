"""What an owner keeps of its own in a state's xso: told by who stores there, whatever its type.

An owner hands states on: its module calls add through an ops table. What it alone stores, and the
core at most clears, is its own. Whatever else an owner stores there is for nobody knows what.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from xfrmlint.c.ctype import CType
from xfrmlint.c.reader import Reader
from xfrmlint.contract.core import Bodies, Body, bodies_in
from xfrmlint.contract.packets import core_paths
from xfrmlint.contract.words import ADD, DEVICE, OPS

_WHERE = ("drivers", "net")


class Owned(NamedTuple):
    """Members by name, as they are declared. under_rcu: pointers to what an owner allocates.

    others: numbers, arrays and the like. open: an owner stores there, and perhaps not for itself.
    """

    under_rcu: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


def owned(
    reader: Reader, bodies: Bodies, add: str, fields: Mapping[str, CType], pointers: Container[str]
) -> Owned:
    """Tell what an owner's own is of members that have no role.

    add: the slot by which a state is handed on. fields: these members. pointers: those of them that
    can be read under RCU.
    """
    core, own = core_paths(reader), _owners_files(reader, add)
    by_owners = _Uses.of(reader, bodies, own, fields)
    if not by_owners.stored:
        return Owned()
    by_core = _Uses.of(reader, bodies, core, fields)
    words = "|".join(sorted({re.escape(name.rpartition(".")[2]) for name in by_owners.stored}))
    strange = reader.corpus.tree.search(rf"\b({words})\b", _WHERE)
    others = [path for path in strange if path not in core and path not in own]
    by_others = _Uses.of(reader, bodies, others, fields)
    told = by_owners.stored - by_core.stored - by_others.stored
    # What the core never looks at nor clears may be there for the lower devices.
    told = frozenset(name for name in told if name in pointers or name in by_core.named)
    left = by_owners.stored - by_core.stored - told
    return Owned(
        tuple(name for name in fields if name in told and name in pointers),
        tuple(name for name in fields if name in told and name not in pointers),
        tuple(name for name in fields if name in left),
    )


def cleared_by_owners(reader: Reader) -> frozenset[str]:
    """Return what owners themselves clear of their own in xso."""
    contract = reader.contract
    fields = {one.name: CType(one.type) for one in contract.own}
    bodies = bodies_in(reader, contract, ())
    return _Uses.of(reader, bodies, _owners_files(reader, contract.slot(ADD)), fields).cleared


def _owners_files(reader: Reader, add: str) -> list[str]:
    """Return the sources of the modules that hand states on. add: the slot by which they do."""
    hands_on = rf"(->|\.)\s*{re.escape(add)}\s*\("
    core = core_paths(reader)
    found = [path for path in reader.corpus.tree.search(hands_on, _WHERE) if path not in core]
    files = {file for path in found for file in reader.universe.files(path)} | {*found}
    return [path for path in sorted(files) if not path.startswith("include/")]


class _Uses(NamedTuple):
    """Members that some files name, that they store something else to than 0, that they clear."""

    named: frozenset[str]
    stored: frozenset[str]
    cleared: frozenset[str]

    @classmethod
    def of(
        cls, reader: Reader, bodies: Bodies, paths: Iterable[str], fields: Mapping[str, CType]
    ) -> "_Uses":
        named, stored, cleared = set[str](), set[str](), set[str]()
        for body in _bodies(reader, bodies, paths, fields):
            named |= body.reads.keys()
            for write in body.writes:
                (cleared if write.cleared else stored).add(write.member)
        found = (named | cleared | stored, stored, cleared)
        return cls(*(frozenset(one & fields.keys()) for one in found))


def _bodies(
    reader: Reader, bodies: Bodies, paths: Iterable[str], fields: Mapping[str, CType]
) -> Iterator[Body]:
    words = [name.rpartition(".")[2] for name in fields]
    for path in paths:
        if any(word.encode() in reader.corpus.data(path) for word in words):
            yield from bodies.of(path, words)


def may_be_owned(fields: Mapping[str, CType], taken: Iterable[str]) -> dict[str, CType]:
    """Return the members that an owner could keep something of its own in. taken: by others."""
    without = {*taken}
    return {
        name: kind
        for name, kind in fields.items()
        if name not in without and (kind.pointers or not kind.base.startswith("struct "))
        if not (kind.base in (DEVICE, OPS) and kind.pointers)
    }
