"""How a tree is cut for analysis. The cutting itself is in parts.py."""

from typing import NamedTuple


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
