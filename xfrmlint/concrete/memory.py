"""The machine's storage: variables and structs, with every access written down and checked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import BOOL, INT, Int, IntType, integer, wrapped
from xfrmlint.c.unit import Place, node_text
from xfrmlint.concrete.body import Body
from xfrmlint.concrete.faults import Fault, Faulted, FaultKind, Outside
from xfrmlint.concrete.kernel import Kernel, Spot
from xfrmlint.concrete.names import Names
from xfrmlint.concrete.trace import Step, StepKind
from xfrmlint.concrete.values import (
    NULL,
    Cell,
    Open,
    Pointer,
    Struct,
    Uninitialized,
    Unknown,
    Value,
)
from xfrmlint.contract.words import DEVICE


@dataclass
class Frame:
    """One call under way."""

    body: Body
    cells: dict[int, Cell] = field(default_factory=dict)
    # What the loops under way that a macro makes have still to come to, by the loop's node.
    turns: dict[int, Iterator[Value]] = field(default_factory=dict)


@dataclass
class Log:
    """What an operand touched."""

    reads: set[Cell] = field(default_factory=set)
    writes: set[Cell] = field(default_factory=set)


class Memory:
    """The frames of the calls under way, the trace, and what may be stored where."""

    def __init__(
        self, names: Names, choose: Callable[[], bool] | None, kernel: Kernel | None = None
    ) -> None:
        self.names = names
        self.choose = choose
        self.kernel = kernel
        self.supposed: Mapping[str, Value] = {}
        self.trace: list[Step] = []
        self._frames: list[Frame] = []
        self._bodies: dict[int, Body] = {} if kernel is None else kernel.bodies
        self._steps = 0
        self._log: Log | None = None

    # Where, and why not

    def _place(self, node: Node) -> Place:
        return self._frames[-1].body.view.place(node.start_byte)

    def _spot(self, node: Node) -> Spot:
        return Spot(*self._place(node), self._frames[-1].body.source.name)

    def _outside(self, reason: str, node: Node) -> Outside:
        place = self._place(node)
        return Outside(reason, place.path, place.line)

    def _fault(self, kind: FaultKind, text: str, node: Node) -> Faulted:
        place = self._place(node)
        return Faulted(Fault(kind, text, place.path, place.line))

    def _step(
        self, kind: StepKind, node: Node, object: str = "", field: str = "", once: bool = False
    ) -> None:
        if self.kernel is not None:
            # What is run in a world is asked whom it called, and told what it wrote.
            self.trace.append(Step(kind, object, field, once, "", 0))
            return
        place = self._place(node)
        self.trace.append(Step(kind, object, field, once, place.path, place.line))

    # Storage

    def _variable(self, node: Node) -> Cell | None:
        frame = self._frames[-1]
        slot = frame.body.slot(node_text(node), node.start_byte)
        if slot is None:
            return None
        found = frame.cells.get(slot)
        if found is None:
            raise self._outside(f"{node_text(node)} is used outside its block", node)
        return found

    def _load(self, place: Cell | Struct, node: Node, once: bool = False) -> Value:
        if isinstance(place, Struct):
            return place
        if place.owner:
            self._step(StepKind.READ, node, place.owner, place.name, once)
            if self.kernel is not None and place.owner == self.kernel.watched.name:
                self.kernel.read(place, self._spot(node))
        if self._log is not None:
            self._log.reads.add(place)
        if isinstance(place.value, Uninitialized):
            text = f"{place.name} is read before anything is stored in it"
            raise self._fault(FaultKind.UNINITIALIZED, text, node)
        if isinstance(place.value, Open) and place.value.decided is not None:
            return Int(place.value.decided, INT)
        return place.value

    def _read_whole(self, struct: Struct, node: Node) -> None:
        for name, found in struct.fields.items():
            if isinstance(found, Struct):
                self._read_whole(found, node)
            else:
                self._step(StepKind.READ, node, struct.name, name)
                if self._log is not None:
                    self._log.reads.add(found)

    def _store(self, place: Cell | Struct, value: Value, node: Node) -> Value:
        if isinstance(place, Struct):
            if not isinstance(value, Struct) or value.kind != place.kind:
                raise self._outside("a struct is stored to", node)
            self._read_whole(value, node)
            for name, found in value.copy(place.name).fields.items():
                kept = place.fields.get(name)
                if self.kernel is not None and kept is None and isinstance(found, Cell):
                    kept = place.put(name, found.value, found.type).fields[name]
                if isinstance(kept, Cell) and isinstance(found, Cell):
                    kept.value = found.value
                    if self._log is not None:
                        self._log.writes.add(kept)
                else:
                    raise self._outside("a struct that holds structs is copied", node)
            return place
        if place.type is not None:
            value = self._converted(value, place.type, node)
        if isinstance(value, Struct):
            self._read_whole(value, node)
            value = value.copy(place.name)
        if place.owner:
            self._step(StepKind.WRITE, node, place.owner, place.name)
        if self._log is not None:
            self._log.writes.add(place)
        place.value = value
        if self.kernel is not None and place.owner == self.kernel.watched.name:
            self.kernel.wrote(place, self._spot(node))
        return value

    def _scalar(self, kind: CType, node: Node) -> IntType | None:
        """Return the integer type, or None for a pointer; anything else is outside."""
        found = integer(kind)
        if found is not None:
            return found
        if kind.pointers:
            return None
        path = self._frames[-1].body.source.path
        kind = self.names.resolved(kind, path)
        found = integer(kind)
        if found is None and not kind.pointers:
            if self.kernel is not None and kind.base.startswith("enum"):
                return INT
            raise self._outside(f"the type `{kind.base or '?'}`", node)
        return found

    def _converted(self, value: Value, kind: CType, node: Node) -> Value:
        """Convert a value as an assignment to an object of type `kind` does."""
        if kind.base in ("auto", "__auto_type", "auto_") and not kind.pointers:
            # Blanking writes `auto_` for typeof(expression), which may be of another type.
            if kind.base == "auto_" and isinstance(value, Int):
                raise self._outside("typeof", node)
            return value
        if isinstance(value, Unknown) and kind.pointers == 1:
            return self.supposed.get(kind.base, value)
        if isinstance(value, Unknown | Open):
            return value
        if isinstance(value, Struct):
            if kind.pointers or (value.kind and kind.base != value.kind):
                raise self._outside(f"a struct where `{kind.base}` is wanted", node)
            return value
        wanted = self._scalar(kind, node)
        if wanted is not None:
            if isinstance(value, Int):
                return wrapped(value.value, wanted)
            if isinstance(value, Pointer) and wanted is BOOL:
                return Int(int(value.target is not None), BOOL)
            raise self._outside("a pointer used as a number", node)
        return self._as_pointer(value, kind, node)

    def _as_pointer(self, value: Value, kind: CType, node: Node) -> Value:
        """Convert a value as an assignment to a pointer does."""
        if isinstance(value, Int) and value.value == 0:
            return NULL
        if isinstance(value, Int) and self.kernel is not None and kind == CType("void", 1):
            # A map keeps a number as it keeps a pointer.
            return value
        if not isinstance(value, Pointer):
            raise self._outside("a number used as a pointer", node)
        value = self._reshaped(value, kind)
        self._pointable(value, kind, node)
        return value

    def _reshaped(self, value: Pointer, kind: CType) -> Pointer:
        """Return a pointer to data of which the first use says that it is a scalar."""
        target = value.target
        if self.kernel is None or not isinstance(target, Struct):
            return value
        number = integer(kind.pointed(-1)) if kind.pointers == 1 else None
        if target.raw and kind == CType(DEVICE, 2):
            target.raw, target.kind = False, kind.base
            target.put("*", self.kernel.port_in(target.name), CType(DEVICE, 1))
        elif target.raw and number is not None:
            target.raw, target.kind = False, kind.base
            first = Open(target.name, set()) if target.born else Int(0, number)
            target.put("*", first, kind.pointed(-1))
        cell = target.fields.get("*")
        return Pointer(cell) if isinstance(cell, Cell) else value

    def _pointable(self, value: Pointer, kind: CType, node: Node) -> None:
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
                    raise self._outside(reason, node)
        elif isinstance(target, Cell):
            held = target.type
            if held is None or held.pointers or integer(held) is None:
                same = held is not None and kind == held.pointed()
                if same or (self.choose is not None and (held is None or kind.pointers > 1)):
                    return
            elif kind.pointers == 1 and integer(kind.pointed(-1)) == integer(held):
                return
            raise self._outside("the address of a variable changes its type", node)

    # Operands that C leaves unordered

    def _logged(self, work: Callable[[], Value]) -> tuple[Value, Log]:
        outer = self._log
        inner = self._log = Log()
        try:
            value = work()
        finally:
            self._log = outer
        if outer is not None:
            outer.reads |= inner.reads
            outer.writes |= inner.writes
        return value, inner

    def _ordered(self, logs: Sequence[Log], node: Node) -> None:
        for index, one in enumerate(logs):
            for other in logs[index + 1 :]:
                if (
                    one.writes & other.writes
                    or one.writes & other.reads
                    or (one.reads & other.writes)
                ):
                    raise self._outside("the result depends on the order of evaluation", node)
