"""The names that the known revisions use, one data file each."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

from xfrmlint.contract.words import ABSENT, Contract, Revision

_FILES = ("revision1.toml", "revision2.toml")


class Names(NamedTuple):
    """Names by what has a role, and by role. core: resolver, stub and the core's functions."""

    members: Mapping[str, str] = MappingProxyType({})
    slots: Mapping[str, str] = MappingProxyType({})
    promises: Mapping[str, str] = MappingProxyType({})
    core: Mapping[str, str] = MappingProxyType({})

    def listed(self) -> Iterator[tuple[str, str, str]]:
        """Yield kind, role and name of each."""
        for kind, named in zip(self._fields, self, strict=True):
            for role, name in named.items():
                yield kind, role, name


class Known(NamedTuple):
    """A revision that is known. titled: in words."""

    revision: Revision
    titled: str
    names: Names


@cache
def known() -> tuple[Known, ...]:
    """Return the bundled revisions, the oldest first."""
    return tuple(map(_read, _FILES))


def _read(name: str) -> Known:
    data: dict[str, Any] = tomllib.loads((files(__package__) / name).read_text("utf-8"))
    names = Names(*(data.get(kind, {}) for kind in Names._fields))
    return Known(data["name"], data["titled"], names)


def usual_names() -> dict[tuple[str, str], str]:
    """Return what things are called where nobody renamed them, by kind and role."""
    found = {(kind, role): name for kind, role, name, _ in ABSENT.named()}
    for one in known():
        for kind, role, name in one.names.listed():
            found.setdefault((kind.removesuffix("s"), role), name)
    return found


def revision_of(contract: Contract) -> Revision:
    """Return which revision a tree has: its shape and its names are those of one that is known."""
    if not contract.present:
        return "absent"
    for one in known():
        names = one.names
        same = (
            {role: member.name for role, member in contract.members.items()} == names.members
            and names.slots.items() <= {r: s.name for r, s in contract.slots.items()}.items()
            and names.core["resolver"] == contract.asks
            and contract.shape == one.revision
        )
        if same:
            return one.revision
    return "unnamed"
