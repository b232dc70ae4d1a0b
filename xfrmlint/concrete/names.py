"""What the evaluator wants of the tree: functions, types and options by name."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import Int
from xfrmlint.c.macros import Macro
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import Function


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


class Declared(NamedTuple):
    """How a struct declares a member. size: how many elements, 0 for one that is no array."""

    type: CType
    size: int


class Names(Protocol):
    """What the evaluator asks the tree. path: the file in which the question comes up."""

    constants: Constants

    def does(self, name: str) -> Function:
        """Return what a macro or function of the kernel's does that has no effect but that."""
        ...

    def function(self, name: str, path: str) -> Source | None:
        """Return a function's definition; None if there is none that could be evaluated."""
        ...

    def loop_macro(self, name: str, path: str) -> Macro | None:
        """Return the one definition of a macro as its file has it; None if it isn't plain."""
        ...

    def is_set(self, name: str, path: str) -> bool:
        """Tell whether a variable of a file gets another value than its first one."""
        ...

    def made_by(self, name: str, path: str) -> str | None:
        """Return the function that gives what a pointer of a file is before any state is added.

        Empty: it is NULL then. None: that is not seen.
        """
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

    def is_on(self, key: str) -> bool | None:
        """Tell whether a static key of the core's is on; None if there is none that is plain."""
        ...

    def member(self, struct: CType, name: str, path: str) -> "Declared | None":
        """Return how a struct declares a member; None if that can't be read."""
        ...

    def members(self, struct: CType, path: str) -> Mapping[str, CType]:
        """Return the members of a struct; none if they can't be read."""
        ...

    def variable(self, name: str, path: str) -> CType | None:
        """Return the type of a variable of a file; None if there is none of that name."""
        ...

    def constant(self, text: str, path: str) -> Int | None:
        """Return the value of a constant expression; None if it is none."""
        ...

    def begins_with_zero(self, name: str, path: str) -> bool:
        """Tell whether the code around `path` keeps nothing but handles, or counts, in a member."""
        ...

    def key_member(self, name: str, path: str) -> str:
        """Return the member that an rhashtable's parameters say is the key; empty if unseen."""
        ...

    def own_device(self, name: str, path: str) -> bool:
        """Tell whether the code around `path` keeps a net_device in its own private data there."""
        ...
