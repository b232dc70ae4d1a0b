"""The values of the evaluator and the objects that hold them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import Int
from xfrmlint.concrete.faults import Fault
from xfrmlint.concrete.names import Source


class Void(NamedTuple):
    """The result of what has none."""


class Unknown(NamedTuple):
    """A value nobody can tell; exists only where the caller allows it by a `choose`."""


class Uninitialized(NamedTuple):
    """What a local variable holds before its first store."""


@dataclass(eq=False)
class Function:
    """A function a pointer can point to: a callable of the caller's, or one of the tree.

    call: gets the arguments; a `Fault` that it returns ends the evaluation.
    """

    name: str
    call: "Callable[[Sequence[Value]], Value | Fault] | None" = None
    source: "Source | None" = None


@dataclass(eq=False)
class Open:
    """A number of the owner's own that a world leaves open, until something asks what it is.

    name: how it was first written. excluded: what it is not. decided: what it is. derived: it was
    computed of one: what it is would say something of that, too.
    """

    name: str
    excluded: set[int]
    decided: int | None = None
    derived: bool = False


@dataclass(eq=False)
class Cell:
    """Storage of one scalar (or, for a local variable, of a struct).

    owner: the name of the struct it is a field of; empty for a local variable. type: None if it
    takes what it is given. kind: that struct's. array: that it is an element of, or the end of.
    """

    name: str
    value: "Value"
    type: CType | None = None
    owner: str = ""
    kind: str = ""
    array: "Struct | None" = None


@dataclass(eq=False)
class Link(Cell):
    """What leads from a list's head or entry to the next one: as it is now, and only to be read."""


@dataclass(eq=False)
class Struct:
    """A struct object: cells, and structs embedded in it.

    kind: `struct tag`, compared with the types of pointers to it unless empty. open: fields that it
    has not are made on demand, with an unknown value, and types of pointers don't matter. raw: what
    it is is told by the first pointer that it is converted to. born: it is an owner's own data, of
    which nobody has said what its numbers are. fresh: nothing was stored in it yet, and it is not
    zeroed. count: of elements, if it is an array. row: those behind it, if it is the first of
    several that were allocated together.
    """

    name: str
    kind: str = ""
    open: bool = False
    raw: bool = False
    born: bool = False
    fresh: bool = False
    # The type of an array's elements; how a struct is declared that has no name of its own.
    element: CType | None = None
    layout: CType | None = None
    count: int = 0
    # What a pointer behind the last element points to.
    end: Cell | None = None
    row: "dict[int, Struct] | None" = None
    fields: "dict[str, Cell | Struct]" = field(default_factory=dict)
    parent: "Struct | None" = None
    member: str = ""

    def put(self, name: str, value: "Value", type: CType | None = None) -> "Struct":
        """Add a field; a struct is embedded. Return the struct itself."""
        if isinstance(value, Struct):
            value.parent, value.member = self, name
            self.fields[name] = value
        else:
            if type is None and isinstance(value, Int):
                type = CType(value.type.name)
            self.fields[name] = Cell(name, value, type, self.name, self.kind)
        return self

    def put_at(self, path: str, value: "Value", type: CType | None = None) -> "Struct":
        """Add a field of a struct in it, as `lower.id`: its cell keeps that name, and the owner."""
        part, _, name = path.rpartition(".")
        if not part:
            return self.put(name, value, type)
        inner = self.at(part) or self.put(part, Struct(part)).at(part)
        if isinstance(inner, Struct):
            inner.fields[name] = Cell(path, value, type, self.name, self.kind)
        return self

    def at(self, path: str) -> "Cell | Struct | None":
        """Return a field, or that of a struct in it, if it is there."""
        found: Cell | Struct | None = self
        for name in path.split("."):
            found = found.fields.get(name) if isinstance(found, Struct) else None
        return found

    def value(self, path: str) -> "Value":
        """Return what a field holds, or that of a struct in it. Raises KeyError."""
        found = self.fields.get(path) or self.at(path)
        if found is None:
            raise KeyError(path)
        return found.value if isinstance(found, Cell) else found

    def within(self, name: str) -> "Struct":
        """Return a struct that is embedded in it. Raises KeyError."""
        found = self.fields[name]
        if not isinstance(found, Struct):
            raise KeyError(name)
        return found

    def copy(self, name: str) -> "Struct":
        """Return a struct of the same contents."""
        made = Struct(name, self.kind, self.open, fresh=self.fresh)
        made.layout, made.element, made.count = self.layout, self.element, self.count
        for key, found in self.fields.items():
            if isinstance(found, Struct):
                made.put(key, found.copy(f"{name}.{key}"))
            else:
                made.put(key, found.value, found.type)
        return made

    def roots(self) -> "Iterator[Struct]":
        """Yield the struct and those it is embedded in."""
        now: Struct | None = self
        while now is not None:
            yield now
            now = now.parent


def place_in_array(target: "Struct | Cell | Function | None") -> tuple[Struct, int] | None:
    """Return the array that a pointer's target is an element of, or the end, and which."""
    if isinstance(target, Cell) and target.array is not None:
        return target.array, int(target.name)
    if isinstance(target, Struct) and target.parent is not None:
        if target.parent.element is not None and target.member.isdigit():
            return target.parent, int(target.member)
    return None


class Pointer(NamedTuple):
    """A pointer; to nothing if it is NULL."""

    target: Struct | Cell | Function | None


class Address(NamedTuple):
    """A pointer that was made a number: it can be kept, tested and made a pointer again."""

    of: Pointer


NULL = Pointer(None)


class Lazy:
    """A value that is asked for whenever something wants to know what it is.

    To store it again as of the type that it has asks nothing.
    """

    kind: CType
    ask: Callable[[], Any]

    def asking(self, kind: CType, ask: Callable[[], Any]) -> Self:
        """Say of which type it is, and who says what it is."""
        self.kind, self.ask = kind, ask
        return self


class LazyPointer(Lazy, Pointer):
    """A pointer of which it is asked where it leads."""

    ask: Callable[[], Struct | Cell | Function | None]

    @property
    def target(self) -> Struct | Cell | Function | None:
        return self.ask()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pointer) and self.target is other.target

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(Pointer(self.target))


class LazyInt(Lazy, Int):
    """A number that is asked for."""

    ask: Callable[[], int]

    @property
    def value(self) -> int:
        return self.ask()

    def __eq__(self, other: object) -> bool:
        return Int(self.value, self.type) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(Int(self.value, self.type))


Value = Int | Pointer | Address | Struct | Void | Unknown | Uninitialized | Open


def overlap(one: Struct | Cell | Function | None, other: Struct | Cell | Function | None) -> bool:
    """Tell whether two different objects can have one address: a struct and a part of it."""
    for outer, inner in ((one, other), (other, one)):
        if not isinstance(outer, Struct):
            continue
        if isinstance(inner, Struct) and outer in inner.roots():
            return True
        if isinstance(inner, Cell):
            for found in outer.fields.values():
                if found is inner or (isinstance(found, Struct) and overlap(found, inner)):
                    return True
    return False
