"""How a tree is cut for analysis. The cutting itself is in parts.py."""

import posixpath
from typing import NamedTuple

HEADERS = "include"
_CORE = ("include/", "net/", "Documentation/", "tools/", "scripts/", "samples/", "arch/")


class Part(NamedTuple):
    """What is analysed together. folders: where it lies; several where a Makefile links across.

    paths: the files in which something that the contract speaks of is named, sorted.
    """

    folders: tuple[str, ...]
    paths: tuple[str, ...]


class Plan(NamedTuple):
    """How a tree is cut. offload: the type of a state's xso.

    shared: headers below include/ that wrap the resolver, and so belong to the drivers that include
    them. commented: files with a comment for xfrmlint.
    """

    offload: str
    shared: tuple[str, ...]
    parts: tuple[Part, ...]
    commented: tuple[str, ...]


def vendor(path: str) -> str:
    """Return the folder of related modules: drivers/net/ethernet/NAME or drivers/net/NAME."""
    parts = posixpath.dirname(path).split("/")
    depth = 4 if parts[:3] == ["drivers", "net", "ethernet"] else 3
    return "/".join(parts[:depth]) or "."


def part_of(path: str) -> str:
    """Return the folder of the part that a file belongs to."""
    return HEADERS if path.startswith("include/") else vendor(path)


def is_core(path: str) -> bool:
    """Tell whether the lower-driver rules have nothing to say about a file."""
    return path.startswith(_CORE)
