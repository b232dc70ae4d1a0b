"""What libclang is asked, and what it says."""

from typing import NamedTuple

# Why nothing can be said of what an #if leaves out.
SKIPPED = "under a false #if"


class Failed(Exception):
    """libclang could not make anything of a file; the text says why."""


class Member(NamedTuple):
    """A use of a member. path, offset: of its name in the file, or of the macro that holds it.

    record: the struct whose member it is. owners: of what the base expression is a part
    (`struct xfrm_state.xso`); `?` and a word why where it could not be told. macro: the name is
    not in the file itself, but comes from the macro at that offset; until: where the use of that
    ends, 0 without one. copy: the base is a variable that is a struct itself.
    """

    path: str
    offset: int
    field: str
    record: str
    owners: tuple[str, ...]
    macro: str
    copy: bool = False
    until: int = 0

    def covers(self, path: str, offset: int) -> bool:
        """Tell whether it is written at a place, or in a macro that is used around that."""
        inside = self.offset <= offset < max(self.until, self.offset + 1)
        return self.path == path and inside


class Call(NamedTuple):
    """A call. function: its name, or empty if it goes through a pointer.

    slot: `struct x.field` if that pointer is a member, the name of a variable that holds it, else
    empty. macro: as in Member.
    """

    path: str
    offset: int
    line: int
    function: str
    slot: str
    macro: str


class Filled(NamedTuple):
    """A member that gets a value, in an initializer or by an assignment.

    targets: the functions whose addresses are in the value. names: whatever else is named in it.
    """

    path: str
    offset: int
    record: str
    field: str
    targets: tuple[str, ...]
    names: tuple[str, ...]
    macro: str


class Named(NamedTuple):
    """A function's name, in a call or anywhere else."""

    path: str
    line: int
    name: str


class Declared(NamedTuple):
    """What an item declares. type: canonical, without qualifiers; `function` for one."""

    path: str
    offset: int
    name: str
    type: str


class Seen(NamedTuple):
    """What libclang has to say of a region.

    reason: why nothing could be said; empty if the item was seen. errors: lines of errors within
    it. clean: no error anywhere in what was read. skipped: bytes that conditionals leave out.
    named: only where everything was asked for.
    """

    reason: str = ""
    errors: tuple[int, ...] = ()
    clean: bool = True
    declared: tuple[Declared, ...] = ()
    members: tuple[Member, ...] = ()
    calls: tuple[Call, ...] = ()
    filled: tuple[Filled, ...] = ()
    skipped: tuple[tuple[int, int], ...] = ()
    named: tuple[Named, ...] = ()

    def skips(self, offset: int) -> bool:
        """Tell whether a conditional leaves an offset of the region's file out."""
        return any(start <= offset < end for start, end in self.skipped)
