"""The machine's storage: variables and structs, with every access written down and checked."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import BOOL, INT, Int, IntType, integer, wrapped
from xfrmlint.c.syntax import Name, Temporary
from xfrmlint.c.unit import Place
from xfrmlint.c.view import Local
from xfrmlint.concrete.body import Body, Unordered, slot
from xfrmlint.concrete.faults import Fault, Faulted, FaultKind, Outside
from xfrmlint.concrete.kernel import NOWHERE, Kernel, Spot
from xfrmlint.concrete.trace import Step, StepKind
from xfrmlint.concrete.values import (
    NULL,
    Address,
    Cell,
    Lazy,
    Link,
    Open,
    Pointer,
    Struct,
    Uninitialized,
    Unknown,
    Value,
    Void,
)
from xfrmlint.contract.words import DEVICE

if TYPE_CHECKING:
    from xfrmlint.concrete.sources import Sources

# Of a number that holds a pointer.
_BITS = 64
_AUTO = ("auto", "__auto_type", "auto_")
_OPEN = (Unknown, Open)


@dataclass
class Frame:
    """One call under way.

    blocks: the ranges of the blocks in which those of the cells live that end earlier than it.
    held: the temporaries. turns: what the loops under way that a macro makes have still to come to,
    by their steps. before: what was where something was stored last.
    returned: what the function returns.
    """

    body: Body
    cells: dict[int, Cell] = field(default_factory=dict)
    blocks: dict[int, tuple[int, int]] = field(default_factory=dict)
    held: dict[Temporary, Value] = field(default_factory=dict)
    turns: dict[int, Iterator[Value]] = field(default_factory=dict)
    before: Value = field(default_factory=Uninitialized)
    returned: Value = field(default_factory=Void)


class Touched(NamedTuple):
    """A cell that was read or written. at: by which part of a step's text."""

    at: int
    cell: Cell
    written: bool


class Memory:
    """The frames of the calls under way, the trace, and what may be stored where."""

    def __init__(
        self, names: "Sources", choose: Callable[[], bool] | None, kernel: Kernel | None = None
    ) -> None:
        self.names = names
        self.choose = choose
        self.kernel = kernel
        self.supposed: Mapping[str, Value] = {}
        self.trace: list[Step] = []
        self._frames: list[Frame] = []
        self._steps = 0
        # What the step at work touched, if that matters; and for which call in it, if for one.
        self._touched: list[Touched] | None = None
        self._calling = -1

    # Where, and why not

    def _place(self, at: int) -> Place:
        return self._frames[-1].body.view.place(at)

    def _spot(self, at: int) -> Spot:
        return Spot(*self._place(at), self._frames[-1].body.source.name)

    def _outside(self, reason: str, at: int) -> Outside:
        place = self._place(at)
        return Outside(reason, place.path, place.line)

    def _fault(self, kind: FaultKind, text: str, at: int) -> Faulted:
        place = self._place(at)
        return Faulted(Fault(kind, text, place.path, place.line))

    def _step(
        self, kind: StepKind, at: int, object: str = "", field: str = "", once: bool = False
    ) -> None:
        if self.kernel is not None:
            # What is run in a world is asked whom it called, and told what it wrote.
            self.trace.append(Step(kind, object, field, once, "", 0))
            return
        place = self._place(at)
        self.trace.append(Step(kind, object, field, once, place.path, place.line))

    @property
    def _path(self) -> str:
        return self._frames[-1].body.source.path

    # Storage

    def _variable(self, one: Name) -> Cell | None:
        frame = self._frames[-1]
        local = frame.body.local(one)
        if local is None:
            return None
        # A jump into its block went past where it is declared.
        return frame.cells.get(slot(local)) or self._begun(local)

    def _begun(self, local: Local) -> Cell:
        """Return the cell of a variable that begins."""
        frame, key = self._frames[-1], slot(local)
        cell = frame.cells[key] = Cell(local.name, Uninitialized(), local.type)
        if key in frame.body.blocks:
            frame.blocks[key] = frame.body.blocks[key]
        return cell

    def _leave_blocks(self, frame: Frame, at: int) -> None:
        """End the variables of blocks in which an offset is not."""
        ended = [key for key, (start, end) in frame.blocks.items() if not start <= at < end]
        for key in ended:
            del frame.blocks[key]
            # Who still points there reads nothing.
            frame.cells.pop(key).value = Uninitialized()

    def _touch(self, cell: Cell, at: int, written: bool = False) -> None:
        if self._touched is not None:
            at = at if self._calling < 0 else self._calling
            self._touched.append(Touched(at, cell, written))

    def _load(self, place: Cell | Struct, at: int, once: bool = False) -> Value:
        if isinstance(place, Struct):
            return place
        if place.owner:
            self._step(StepKind.READ, at, place.owner, place.name, once)
        self._touch(place, at)
        value = place.value if self.kernel is None else self._read_in(self.kernel, place, at)
        if isinstance(value, Uninitialized):
            text = f"{place.name} is read before anything is stored in it"
            raise self._fault(FaultKind.UNINITIALIZED, text, at)
        if isinstance(value, Open) and value.decided is not None:
            return Int(value.decided, INT)
        return value

    def _read_in(self, kernel: Kernel, place: Cell, at: int) -> Value:
        """Return what a world's place holds."""
        watched = place.owner == kernel.watched.name
        value = kernel.read(place, self._spot(at) if watched else NOWHERE)
        lost = kernel.lost and place.owner and kernel.is_lost(place)
        return self._lost(place, value, at) if lost else value

    def _lost(self, place: Cell, value: Value, at: int) -> Value:
        """Return what a member holds that code may have stored which was not run."""
        if isinstance(value, Int | Open):
            return Open(f"{place.owner}.{place.name}", set(), derived=True)
        raise self._outside(
            f"{place.owner}.{place.name} may have been stored by what is not run", at
        )

    def _read_whole(self, struct: Struct, at: int) -> None:
        for name, found in struct.fields.items():
            if isinstance(found, Struct):
                self._read_whole(found, at)
            else:
                self._step(StepKind.READ, at, struct.name, name)
                self._touch(found, at)

    def _copy_into(self, place: Struct, value: Struct, at: int, noted: int) -> None:
        """Store a struct's members in another one of its type, those of structs in it, too."""
        for name, found in value.fields.items():
            kept = place.fields.get(name)
            if kept is None:
                inner = found if isinstance(found, Struct) else found.value
                place.put(name, inner, found.type if isinstance(found, Cell) else None)
                kept = place.fields[name]
            if isinstance(kept, Struct) and isinstance(found, Struct):
                self._copy_into(kept, found, at, noted)
            elif isinstance(kept, Cell) and isinstance(found, Cell):
                kept.value = found.value
                self._touch(kept, noted, True)
            else:
                raise self._outside("a struct that holds structs is copied", at)

    def _store(self, place: Cell | Struct, value: Value, at: int, own: int = -1) -> Value:
        """Store a value; return it as it is stored. own: where this is noted, if not at `at`."""
        noted = at if own < 0 else own
        if isinstance(place, Struct):
            if not isinstance(value, Struct) or value.kind != place.kind:
                raise self._outside("a struct is stored to", at)
            self._read_whole(value, at)
            if self.kernel is not None and place.fields.keys() - value.fields.keys():
                # What was never looked at in one may be any in the other.
                raise self._outside("a struct that holds more is stored to", at)
            self._copy_into(place, value.copy(place.name), at, noted)
            return place
        if isinstance(place, Link) and value != place.value:
            raise self._outside("a list whose links are stored one by one", at)
        if place.type is not None:
            value = self._converted(value, place.type, at)
        if isinstance(value, Struct):
            self._read_whole(value, at)
            value = value.copy(place.name)
        if place.owner:
            self._step(StepKind.WRITE, at, place.owner, place.name)
        self._touch(place, noted, True)
        place.value = value
        if self.kernel is not None:
            watched = place.owner == self.kernel.watched.name
            self.kernel.wrote(place, self._spot(at) if watched else NOWHERE)
        return value

    def _scalar(self, kind: CType, at: int) -> IntType | None:
        """Return the integer type, or None for a pointer; anything else is outside."""
        found = integer(kind)
        if found is not None:
            return found
        if kind.pointers:
            return None
        kind = self.names.resolved(kind, self._path)
        found = integer(kind)
        if found is None and not kind.pointers:
            if self.kernel is not None and kind.base.startswith("enum"):
                return INT
            raise self._outside(f"the type `{kind.base or '?'}`", at)
        return found

    def _converted(self, value: Value, kind: CType, at: int) -> Value:
        """Convert a value as an assignment to an object of type `kind` does."""
        if kind.base in _AUTO and not kind.pointers:
            # Blanking writes `auto_` for typeof(expression), which may be of another type.
            if kind.base == "auto_" and isinstance(value, Int):
                raise self._outside("typeof", at)
            return value
        if isinstance(value, Lazy) and value.kind == kind:
            return value
        if isinstance(value, Unknown) and kind.pointers == 1:
            return self.supposed.get(kind.base, value)
        if isinstance(value, _OPEN):
            return value
        if isinstance(value, Struct):
            if kind.pointers and value.element is not None:
                return self._as_pointer(self._first_of(value, at), kind, at)
            if kind.pointers or (value.kind and kind.base != value.kind):
                raise self._outside(f"a struct where `{kind.base}` is wanted", at)
            return value
        wanted = self._scalar(kind, at)
        if wanted is None:
            return self._as_pointer(value, kind, at)
        if isinstance(value, Int):
            return wrapped(value.value, wanted)
        return self._of_address(value, wanted, at)

    def _of_address(self, value: Value, wanted: IntType, at: int) -> Value:
        """Convert a pointer as an assignment to a number does."""
        if isinstance(value, Pointer | Address) and wanted is BOOL:
            return Int(int(value != NULL), BOOL)
        if self.kernel is not None and wanted.bits == _BITS:
            if isinstance(value, Address):
                return value
            if isinstance(value, Pointer):
                return Int(0, wanted) if value == NULL else Address(value)
        raise self._outside("a pointer used as a number", at)

    def _first_of(self, array: Struct, at: int) -> Pointer:
        """Return what an array is where a pointer is wanted."""
        return Pointer(self._element_at(array, 0, at))

    def _element_at(self, array: Struct, index: int, at: int) -> Cell | Struct:
        """Return an element of an array."""
        raise NotImplementedError

    def _as_pointer(self, value: Value, kind: CType, at: int) -> Value:
        """Convert a value as an assignment to a pointer does."""
        value = value.of if isinstance(value, Address) else value
        if isinstance(value, Int) and value.value == 0:
            return NULL
        if isinstance(value, Int) and self.kernel is not None and kind == CType("void", 1):
            # A map keeps a number as it keeps a pointer.
            return value
        if not isinstance(value, Pointer):
            raise self._outside("a number used as a pointer", at)
        value = self._reshaped(value, kind)
        self._pointable(value, kind, at)
        return value

    def _reshaped(self, value: Pointer, kind: CType) -> Pointer:
        """Return a pointer to data of which the first use says that it is a scalar."""
        if self.kernel is None or not isinstance(value.target, Struct):
            return value
        target = value.target
        if target.raw and kind == CType(DEVICE, 2):
            target.raw, target.kind = False, kind.base
            target.put("*", self.kernel.port_in(target.name), CType(DEVICE, 1))
        elif target.raw and kind.pointers == 1:
            number = integer(kind.pointed(-1))
            if number is not None:
                target.raw, target.kind = False, kind.base
                first = Open(target.name, set()) if target.born else Int(0, number)
                target.put("*", first, kind.pointed(-1))
        cell = target.fields.get("*")
        return Pointer(cell) if isinstance(cell, Cell) else value

    def _pointable(self, value: Pointer, kind: CType, at: int) -> None:
        """Refuse a pointer to one type where one to another is wanted."""
        target = value.target
        if isinstance(target, Struct):
            if target.raw and kind.pointers == 1 and kind.base.startswith("struct "):
                target.raw, target.kind = False, kind.base
                target.name = kind.base.split()[-1] if target.born else target.name
            if self.choose is not None or target.open or not target.kind:
                return
            if kind.base == "void" and kind.pointers == 1:
                return
            if kind.base != target.kind or kind.pointers != 1:
                if " " in kind.base or kind.pointers != 1 or integer(CType(kind.base)) is not None:
                    stars = "*" * kind.pointers
                    reason = f"a pointer to {target.kind} used as `{kind.base} {stars}`"
                    raise self._outside(reason, at)
        elif isinstance(target, Cell) and not self._is_pointed_at(target, kind):
            raise self._outside("the address of a variable changes its type", at)

    def _is_pointed_at(self, target: Cell, kind: CType) -> bool:
        """Tell whether a pointer of a type can lead to a variable, or to an array's element."""
        held = target.type
        if target.array is not None and target is target.array.end:
            held = target.array.element
            if held is not None and kind == held.pointed():
                return True
        if held is None or held.pointers or integer(held) is None:
            same = held is not None and kind == held.pointed()
            return same or (self.choose is not None and (held is None or kind.pointers > 1))
        return kind.pointers == 1 and integer(kind.pointed(-1)) == integer(held)

    # Operands that C leaves unordered

    def _check_order(self, unordered: Unordered, touched: list[Touched], at: int) -> None:
        """Refuse what another order of evaluation would have changed."""
        operands = [[t for t in touched if a <= t.at < b] for a, b in unordered.ranges]
        clash = any(
            one.cell is other.cell and (one.written or other.written)
            for index, first in enumerate(operands)
            for second in operands[index + 1 :]
            for one in first
            for other in second
        )
        stored = {t.cell for t in touched if t.at == unordered.own and t.written}
        if clash or any(t.written and t.cell in stored for t in operands[-1]):
            raise self._outside("the result depends on the order of evaluation", at)
