"""What the evaluator wants of the tree: functions, types and options by name."""

from typing import NamedTuple, Protocol

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.view import View


class Source(NamedTuple):
    """A function ready to be evaluated.

    view: its text, macros expanded. problem: why it can't be evaluated at all, else empty.
    """

    name: str
    path: str
    line: int
    view: View
    problem: str = ""
    problem_line: int = 0


class Names(Protocol):
    """What the evaluator asks the tree. path: the file in which the question comes up."""

    def function(self, name: str, path: str) -> Source | None:
        """Return a function's definition; None if there is none that could be evaluated."""
        ...

    def resolved(self, kind: CType, path: str) -> CType:
        """Return a type with typedefs followed."""
        ...

    def declared(self, view: View, node: Node) -> CType | None:
        """Return the type of a field, or of what a field calls, from the struct's declaration."""
        ...

    def enabled(self, option: str) -> bool | None:
        """Tell whether CONFIG_... is on; None if that is open."""
        ...

    def rewritten(self, view: View, node: Node) -> bool:
        """Tell whether a loop is not in the file as the parser saw it (blanking renames some)."""
        ...
