"""How a tree is cut for analysis. The cutting itself is in parts.py."""

import posixpath
from typing import NamedTuple

HEADERS = "include"


class Part(NamedTuple):
    """What is analysed together. folders: where it lies; several where a Makefile links across.

    paths: the files in which something that the contract speaks of is named, sorted.
    """

    folders: tuple[str, ...]
    paths: tuple[str, ...]


class Plan(NamedTuple):
    """How a tree is cut. offload: the type of a state's xso.

    shared: headers below include/ that wrap the resolver, and so belong to the drivers that include
    them.
    """

    offload: str
    shared: tuple[str, ...]
    parts: tuple[Part, ...]


def vendor(path: str) -> str:
    """Return the folder of related modules: drivers/net/ethernet/NAME or drivers/net/NAME."""
    parts = posixpath.dirname(path).split("/")
    depth = 4 if parts[:3] == ["drivers", "net", "ethernet"] else 3
    return "/".join(parts[:depth]) or "."


def part_of(path: str) -> str:
    """Return the folder of the part that a file belongs to."""
    return HEADERS if path.startswith("include/") else vendor(path)
