"""The names that the known revisions use, one data file each."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from xfrmlint.contract.words import (
    ABSENT,
    MEMBERS,
    RESOLVE,
    SHARE,
    SLOTS,
    Contract,
    Revision,
)
from xfrmlint.errors import InputError

_FILES = ("revision1.toml", "revision2.toml")
# tomllib takes a second for 16 KiB of dots, and half a minute for 64.
_LARGEST = 16 << 10
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.A)


class Names(NamedTuple):
    """Names by what has a role, and by role. core: resolver, stub and the core's functions."""

    members: Mapping[str, str] = MappingProxyType({})
    slots: Mapping[str, str] = MappingProxyType({})
    promises: Mapping[str, str] = MappingProxyType({})
    core: Mapping[str, str] = MappingProxyType({})

    def over(self, others: "Names") -> "Names":
        """Return these names, and of others what these have not."""
        return Names(*({**other, **own} for own, other in zip(self, others, strict=True)))

    def listed(self) -> Iterator[tuple[str, str, str]]:
        """Yield kind, role and name of each."""
        for kind, named in zip(self._fields, self, strict=True):
            for role, name in named.items():
                yield kind, role, name


NO_NAMES = Names()
# What a person can name: kinds and their roles. core: the resolver.
_ROLES: Mapping[str, Sequence[str]] = {
    "members": MEMBERS,
    "slots": SLOTS,
    "promises": (RESOLVE, SHARE),
    "core": ("resolver",),
}


def names_in(table: Mapping[str, Any]) -> Names:
    """Return the names of a table with the tables members, slots, promises and core.

    Raises InputError that says what is wrong, with what was probably meant.
    """
    for kind, named in table.items():
        if kind not in _ROLES:
            raise InputError(f"unknown key {kind}{nearest(kind, _ROLES)}")
        if not isinstance(named, dict):
            raise InputError(f"{kind} is no table of ROLE = NAME")
        for role, name in named.items():
            if role not in _ROLES[kind]:
                raise InputError(f"{kind}: unknown role {role}{nearest(role, _ROLES[kind])}")
            if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
                raise InputError(f"{kind}.{role} is no name of C")
    return Names(*(table.get(kind, {}) for kind in Names._fields))


def names_of(text: bytes) -> Names:
    """Return the names in a file like the bundled ones; raises InputError without its name."""
    if len(text) > _LARGEST:
        raise InputError(f"larger than {_LARGEST >> 10} KiB")
    try:
        data = tomllib.loads(text.decode("utf-8"))
    except RecursionError:
        raise InputError("nested too deeply") from None
    except ValueError as error:
        raise InputError(str(error)) from None
    # A tree's settings hold the same tables in one.
    data = data.get("contract", data)
    if not isinstance(data, dict):
        raise InputError("contract is no table")
    return names_in({key: named for key, named in data.items() if key not in ("name", "titled")})


def nearest(name: str, known: Iterable[str]) -> str:
    """Return which known name was probably meant, as the end of a message."""
    from difflib import get_close_matches

    found = get_close_matches(name, list(known), 1, 0.5)
    return f"; the nearest is {found[0]}" if found else ""


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
    # Not where they are not needed: a run that remembers everything is done sooner.
    from importlib.resources import files

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
            and names.promises == {r: p.name for r, p in contract.promises.items()}
            and names.core["resolver"] == contract.asks
            and contract.returns_handle
            and contract.slots[RESOLVE].gives == "returned"
            and (contract.arity, len(contract.slots[RESOLVE].takes)) == (2, 3)
            and contract.shape == one.revision
            and all(own.name in names.members.values() for own in contract.own)
        )
        if same:
            return one.revision
    return "unnamed"
