"""What the analysis deals in: parts of a tree, and what is known of all of them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from xfrmlint.contract.words import Contract
from xfrmlint.errors import TOO_DEEP
from xfrmlint.facts.merged import Rows
from xfrmlint.facts.rows import UnknownRow
from xfrmlint.facts.store import Store
from xfrmlint.tree import Tree

# Is told what is next.
Progress = Callable[[str], None]


def quietly(_: str) -> None:
    """Show no progress."""


class Part(NamedTuple):
    """What is analysed together. folders: where it lies; several where a Makefile links across.

    paths: the files in which something that the contract speaks of is named, sorted. without: files
    of these folders that it has nothing to do with, as if they were not there.
    """

    folders: tuple[str, ...]
    paths: tuple[str, ...]
    without: tuple[str, ...] = ()


class Plan(NamedTuple):
    """How a tree is cut. contract: as the tree has it.

    shared: headers below include/ that wrap the resolver, and so belong to the drivers that include
    them. commented: files with a comment for xfrmlint.
    """

    contract: Contract
    shared: tuple[str, ...]
    parts: tuple[Part, ...]
    commented: tuple[str, ...]

    @property
    def offload(self) -> str:
        """The type of a state's xso."""
        return self.contract.offload


class Facts(NamedTuple):
    """What is known of a tree, in a sealed store, and how the tree was cut."""

    store: Store
    whole: Plan


def not_read(path: str, reason: str) -> UnknownRow:
    """Return what is said of a file that can't be read."""
    return UnknownRow(path, 0, "", f"not read: {reason}", matters=1)


# Sources of one part in which the contract is spoken of; those of mlx5 are two dozen.
_MOST_SOURCES = 100


def shortened(part: Part) -> tuple[Part, tuple[str, ...]]:
    """Return a part with as many sources as are analysed together, and those that are left out.

    Each can name what any other defines: what that costs grows by the square.
    """
    sources = [path for path in part.paths if path.endswith(".c")]
    out = frozenset(sources[_MOST_SOURCES:])
    return part._replace(paths=tuple(p for p in part.paths if p not in out)), tuple(sorted(out))


def left_out_rows(paths: Iterable[str]) -> Rows:
    """Return what is said of sources that were left out."""
    reason = f"not analysed: {_MOST_SOURCES} other sources of this folder or module were"
    return [UnknownRow(path, 0, "", reason, matters=1) for path in paths]


def lost_rows(part: Part) -> Rows:
    """Return what is said of a part whose code is nested too deeply to be analysed."""
    reason = f"not analysed: this, or what it is read with, is {TOO_DEEP}"
    return [UnknownRow(path, 0, "", reason, matters=1) for path in part.paths]


def problem_rows(tree: Tree) -> Rows:
    """Return the files that no search could read."""
    return [not_read(path, reason) for path, reason in sorted(tree.problems.items())]
