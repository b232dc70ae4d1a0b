"""The evaluation of expressions without effects: what they are worth, and what they designate."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import (
    INT,
    POINTER,
    ULONG,
    Int,
    IntType,
    common,
    integer,
    number,
    wrapped,
)
from xfrmlint.c.syntax import (
    Address,
    Before,
    Binary,
    Cast,
    Compound,
    Conditional,
    Deref,
    Expression,
    Index,
    Initializer,
    Literal,
    Member,
    Name,
    Opaque,
    Temporary,
    Truth,
    Unary,
)
from xfrmlint.c.types import written_type
from xfrmlint.concrete.faults import FaultKind, Outside
from xfrmlint.concrete.kernel import LINKS, Kernel
from xfrmlint.concrete.operands import Operands, type_of_truth
from xfrmlint.concrete.operators import Operators
from xfrmlint.concrete.primitives import word_of
from xfrmlint.concrete.values import (
    NULL,
    Cell,
    Function,
    Link,
    Open,
    Pointer,
    Struct,
    Uninitialized,
    Unknown,
    Value,
    Void,
    place_in_array,
)
from xfrmlint.contract.words import DEVICE

# linux/stddef.h: true and false are an enum's constants, which are ints.
_WORDS: Mapping[str, Value] = {"true": Int(1, INT), "false": Int(0, INT), "NULL": NULL}
_CHARACTER = re.compile(r"'([ -&(-\[\]-~])'")


def short(one: Expression) -> str:
    """Return the text of an expression, cut for a message."""
    return " ".join(one.text.split())[:60]


class Expressions(Operands, Operators):
    """A machine that evaluates expressions."""

    def _value(self, one: Expression) -> Value:
        rule = _VALUES.get(type(one))
        if rule is None:
            raise self._uncovered(one)
        return rule(self, one)

    def _uncovered(self, one: Expression) -> Exception:
        return self._outside(f"an expression that isn't covered ({one.node.type})", one.start)

    def _temporary(self, one: Temporary) -> Value:
        return self._frames[-1].held[one]

    def _hold(self, to: Temporary | None, value: Value) -> None:
        """Keep a value in a temporary."""
        if to is not None:
            if isinstance(to.of, Truth) and isinstance(value, Int):
                value = wrapped(value.value, type_of_truth(to.of))
            self._frames[-1].held[to] = value

    def _side(self, of: Conditional, side: Expression) -> Value:
        """Return what a `?:` is worth of which one side was taken: it has the type of both."""
        value = self._value(side)
        if not isinstance(value, Int):
            return value
        taken = side.of if isinstance(side, Temporary) else side
        first = of.then or of.condition
        kind = self._static(first if taken is not first else of.other)
        if isinstance(kind, IntType):
            return wrapped(value.value, common(value.type, kind))
        if value.value == 0:
            # `c ? p : 0` is a pointer.
            return NULL
        if self.kernel is not None:
            # A number that a map keeps as a pointer.
            return value
        raise self._outside("`?:` of a number and something else", of.start)

    # Constants

    def _literal(self, one: Literal) -> Value:
        found = _WORDS.get(one.written) or number(one.written)
        if found is not None:
            return found
        match = _CHARACTER.fullmatch(one.written)
        if match is not None:
            return Int(ord(match.group(1)), INT)
        if one.node.type.endswith("string") or one.node.type == "string_literal":
            raise self._uncovered(one)
        kind = "character" if one.is_text else "number"
        raise self._outside(f"the {kind} {one.written}", one.start)

    def _opaque(self, one: Opaque) -> Value:
        if one.node.type == "sizeof_expression":
            try:
                return Int(self._size(one), ULONG)
            except Outside:
                if self.choose is None:
                    raise
                # How large a struct is.
                return Unknown()
        if one.node.type == "call_expression" and not one.parts:
            return Void()
        raise self._uncovered(one)

    # Places

    def _name(self, one: Name) -> Value:
        found = self._variable(one)
        if found is None:
            function = self._function(one)
            if function is not None:
                return function
        place = _held(found) if found is not None else self._foreign(one, False)
        return self._load(place, one.start, self._is_once(one))

    def _function(self, one: Name) -> Pointer | None:
        if one.name.isupper():
            # An enumerator, which is looked for in a thousand headers otherwise.
            return None
        source = self.names.function(one.name, self._path)
        return Pointer(Function(one.name, None, source)) if source is not None else None

    def _is_once(self, one: Expression) -> bool:
        return self.kernel is None and self._frames[-1].body.is_once(one)

    def _lvalue(self, one: Expression, address: bool = False) -> Cell | Struct:
        """Return what an expression designates. address: only its address is wanted."""
        match one:
            case Name():
                return self._named(one, address)
            case Member():
                return self._field(one, address)
            case Deref():
                return self._pointed(self._value(one.of), one, address)
            case Index() if self.choose is not None:
                return self._known_element(one)
            case Index() if self.kernel is not None:
                return self._element(one)
            case Temporary() | Compound():
                value = self._value(one)
                if isinstance(value, Struct):
                    return value
                if isinstance(value, Unknown):
                    return Cell(one.text, value)
        raise self._outside(f"storage that isn't covered ({one.node.type})", one.start)

    def _named(self, one: Name, address: bool) -> Cell | Struct:
        found = self._variable(one)
        return _held(found) if found is not None else self._foreign(one, address)

    def _foreign(self, one: Name, address: bool) -> Cell | Struct:
        """Return what a name designates that is no variable of the function's."""
        # A number has no address.
        if not address and (self.choose is not None or self.kernel is not None):
            number = self.names.constant(one.name, self._path)
            if number is not None:
                return Cell(one.name, number)
        if self.choose is not None:
            return Cell(one.name, Unknown())
        if self.kernel is not None:
            if one.name == "jiffies":
                return Cell("jiffies", Open("jiffies", set()))
            shared = self._of_file(self.kernel, one.name)
            if shared is not None:
                return shared
        raise self._outside(f"{one.name} is not defined in a plain way", one.start)

    def _pointed(self, value: Value, one: Expression, address: bool) -> Cell | Struct:
        if isinstance(value, Unknown):
            return Cell(one.text, value)
        if not isinstance(value, Pointer):
            raise self._outside("a dereference of what is no pointer", one.start)
        if value.target is None:
            if address:
                raise self._outside("an address computed from NULL", one.start)
            text = f"`{short(one)}` dereferences NULL"
            raise self._fault(FaultKind.NULL, text, one.start)
        if isinstance(value.target, Function):
            raise self._outside("a function is used as data", one.start)
        return value.target

    def _field(self, one: Member, address: bool) -> Cell | Struct:
        if one.arrow:
            place = self._pointed(self._value(one.of), one, address)
        else:
            place = self._lvalue(one.of, address)
        if isinstance(place, Cell) and isinstance(place.value, Unknown):
            return Cell(one.name, Unknown())
        if not isinstance(place, Struct):
            raise self._outside("a field of what is no struct", one.start)
        if self.kernel is not None and place.kind in LINKS:
            return self._link(self.kernel, place, one, address)
        found = place.fields.get(one.name)
        if found is not None:
            return found
        if self.kernel is not None:
            return self.grown(place, one.name, one)
        if not place.open:
            text = f"{place.name} has no field {one.name} in the model"
            raise self._fault(FaultKind.FIELD, text, one.named)
        place.put(one.name, Unknown())
        return place.fields[one.name]

    def _link(self, kernel: Kernel, link: Struct, one: Member, address: bool) -> Link:
        """Return what a list's head, or an entry's link, has as one of its members."""
        raise NotImplementedError

    def _of_file(self, kernel: Kernel, name: str) -> Cell | Struct | None:
        """Return a variable of a file: a struct, zeroed at birth, a pointer, or an open number."""
        if name not in kernel.files:
            kind = self.names.variable(name, self._path)
            made = self._begun_in_file(kernel, name, kind) if kind is not None else None
            if made is None:
                return None
            kernel.files[name] = made if isinstance(made, Struct) else Cell(name, made, kind)
        return kernel.files[name]

    def _begun_in_file(self, kernel: Kernel, name: str, kind: CType) -> Value | None:
        """Return what a variable of a file is at first; None where that is not seen."""
        if kind.pointers:
            maker = self.names.made_by(name, self._path) if kind.pointers == 1 else None
            return self._made_first(kernel, maker, name, kind) if maker is not None else None
        if integer(kind) is not None:
            return Open(name, set()) if self.names.is_set(name, self._path) else None
        held = kind.base.startswith("struct ") and kind.base not in self.names.contract.tables
        return Struct(name, kind.base) if held else None

    def _made_first(self, kernel: Kernel, maker: str, name: str, kind: CType) -> Value | None:
        """Return what a pointer leads to that a function stored before anything was run.

        maker: that function, if there is one. None where that is not known.
        """
        word = word_of(maker)
        if word == "makes" and kind.base == DEVICE:
            return kernel.owner
        if word == "allocates":
            return Pointer(Struct(name, kind.base, born=True))
        return None if maker else NULL

    # What a world has not made yet

    def grown(self, struct: Struct, name: str, node: Expression) -> Cell | Struct:
        """Return a member of a struct of the tree's, made by its declaration if it is not there."""
        found = struct.fields.get(name)
        if found is not None:
            return found
        layout = struct.layout or CType(struct.kind)
        declared = self.names.member(layout, name, self._path) if struct.kind else None
        if declared is None:
            raise self._outside(f"what {struct.kind or struct.name} has as {name}", node.start)
        kind = declared.type
        if declared.size:
            made = Struct(f"{struct.name}.{name}", "[]", born=struct.born, fresh=struct.fresh)
            made.element, made.count = kind.pointed(-1), declared.size
            struct.put(name, made)
        else:
            struct.put(name, self._at_birth(struct, name, kind), kind)
            if self.kernel is not None and kind.pointers:
                if self.kernel.devices.get(struct.name) is struct:
                    self.kernel.unstored.add(id(struct.fields[name]))
        return struct.fields[name]

    def _begun_struct(
        self, name: str, kind: CType, node: Expression, fresh: bool = False
    ) -> Struct:
        """Return a struct of zeroes; in no world it has all members from the beginning."""
        struct = Struct(name, kind.base, fresh=fresh)
        if self.kernel is None:
            self._whole(struct, kind, node)
        return struct

    def _whole(self, struct: Struct, kind: CType, node: Expression) -> None:
        members = self.names.members(kind, self._path)
        if not members:
            raise self._outside(f"what {kind.base} has", node.start)
        for member in members:
            made = self.grown(struct, member, node)
            if isinstance(made, Struct):
                self._whole(made, made.layout or CType(made.kind), node)

    def _at_birth(self, struct: Struct, name: str, kind: CType) -> Value:
        """Return what a member of zeroed memory is; of an owner's own, a number is open."""
        plain = kind if kind.pointers else self.names.resolved(kind, self._path)
        scalar = plain.pointers or plain.base == "fn" or integer(plain) is not None
        if struct.fresh and (scalar or plain.base.startswith("enum")):
            return Uninitialized()
        if plain.pointers or plain.base == "fn":
            if self.kernel is None or not struct.born or kind.pointers != 1:
                return NULL
            return self._kept(self.kernel, struct, name, kind)
        if integer(plain) is not None or plain.base.startswith("enum"):
            member = struct.member if struct.element is not None else name
            if struct.born and not self.names.begins_with_zero(member, self._path):
                if not self._is_private(struct) or not self.names.never_set(
                    struct.kind, name, self._path
                ):
                    return Open(f"{struct.name}.{name}", set())
            given = self.kernel.given if self.kernel is not None else {}
            return wrapped(given.get(f"{struct.name}.{name}", 0), integer(plain) or INT)
        made = Struct(f"{struct.name}.{name}", kind.base, born=struct.born, fresh=struct.fresh)
        made.layout = kind
        return made

    def _is_private(self, struct: Struct) -> bool:
        """Tell whether a struct is a device's private data, which begins zeroed."""
        known = self.kernel.private.values() if self.kernel is not None else ()
        return bool(struct.kind) and any(one is struct for one in known)

    def _kept(self, kernel: Kernel, struct: Struct, name: str, kind: CType) -> Value:
        """Return what a pointer in an owner's private data is before anything was stored there."""
        own = kernel.private.get(kernel.name_of(kernel.owner) or "") is struct
        if own and kind.base == DEVICE and self.names.own_device(name, self._path):
            return kernel.owner
        if kernel.populated or kind.base == struct.kind:
            # To one of its own kind: the next one of a list, which ends here.
            return NULL
        if kind.base == DEVICE:
            return kernel.port_in(f"{struct.kind.split()[-1]}.{name}")
        entry = self._entry(kernel, kind.base, kernel.active)
        return Pointer(entry) if entry is not None else NULL

    def _element(self, one: Index) -> Cell | Struct:
        """Return an element of an array."""
        given = self._value(one.of)
        array: object = given
        index = self._value(one.index)
        if isinstance(given, Pointer):
            array = given.target
            inside = isinstance(array, Struct) and (array.row, array.element) != (None, None)
            if not inside and isinstance(index, Int) and not index.value:
                return self._pointed(given, one, False)
        if isinstance(array, Struct) and array.row is not None and isinstance(index, Int):
            if not index.value:
                return array
            behind = Struct(f"{array.name}[{index.value}]", array.kind, fresh=array.fresh)
            return array.row.setdefault(index.value, behind)
        within = place_in_array(array) if isinstance(array, Struct | Cell) else None
        if within is not None and isinstance(index, Int):
            return self._element_at(within[0], within[1] + index.value, one.start)
        if not isinstance(array, Struct) or not isinstance(index, Int):
            raise self._outside("an element of what is no array", one.start)
        return self._element_at(array, index.value, one.start)

    def _known_element(self, one: Index) -> Cell | Struct:
        """Return an element of an array that is there, or what nobody knows."""
        try:
            array, index = self._value(one.of), self._value(one.index)
        except Outside:
            return Cell(one.text, Unknown())
        if isinstance(array, Struct) and array.element is not None and isinstance(index, Int):
            return self._element_at(array, index.value, one.start)
        return Cell(one.text, Unknown())

    def _element_at(self, array: Struct, index: int, at: int) -> Cell | Struct:
        if array.element is None:
            raise self._outside("an element of what is no array", at)
        if not 0 <= index < array.count:
            raise self._outside(f"element {index} of {array.count}", at)
        key = str(index)
        if key not in array.fields:
            array.put(key, self._at_birth(array, key, array.element), array.element)
        found = array.fields[key]
        if isinstance(found, Cell):
            found.array = array
        return found

    def _entry(self, kernel: Kernel, kind: str, port: str) -> Struct | None:
        """Return an owner's own struct for a port: one with a net_device; None if it has none."""
        return kernel.entry_of(kind, port, self.names.members(CType(kind), self._path))

    def _declared(self, one: Expression) -> CType | None:
        """Return the declared type of a variable."""
        found = self._variable(one) if isinstance(one, Name) else None
        return found.type if found is not None else None

    def _leave(self, variable: Expression, value: Value) -> None:
        """Let a variable hold what a loop leaves in it."""
        place = self._lvalue(variable)
        if isinstance(place, Cell):
            place.value = value

    # Reads

    def _indexed(self, one: Index) -> Value:
        return self._load(self._lvalue(one), one.start)

    def _member(self, one: Member) -> Value:
        return self._load(self._field(one, False), one.named, self._is_once(one))

    def _dereferenced(self, one: Deref) -> Value:
        value = self._value(one.of)
        if isinstance(value, Pointer) and isinstance(value.target, Function):
            return value
        return self._load(self._pointed(value, one, False), one.start, self._is_once(one))

    def _address(self, one: Address) -> Value:
        if isinstance(one.of, Name) and self._variable(one.of) is None:
            function = self._function(one.of)
            if function is not None:
                return function
        place = self._lvalue(one.of, True)
        if self.kernel is not None and self.kernel.lost and self.kernel.is_lost(place):
            raise self._outside(
                f"what is in {short(one.of)} may have been put there by what is not run", one.start
            )
        return Pointer(place)

    def _before(self, one: Before) -> Value:
        return self._frames[-1].before

    # Operators

    def _unary(self, one: Unary) -> Value:
        return self._signed(one.operator, self._value(one.of), one.start)

    def _truth_of(self, one: Truth) -> Value:
        value = self._value(one.of)
        if isinstance(value, Unknown):
            return value
        return Int(int(self._truth(value, one.start)), type_of_truth(one))

    def _binary(self, one: Binary) -> Value:
        left, right = self._value(one.left), self._value(one.right)
        return self._computed(one.operator, left, right, one.start)

    def _cast(self, one: Cast) -> Value:
        value = self._value(one.of)
        kind = one.type or CType("auto_")
        if isinstance(kind, IntType):
            kind = CType("void", 1) if kind is POINTER else CType(kind.name)
        if kind.base == "void" and not kind.pointers:
            return Void()
        if isinstance(value, Pointer) and value.target is None and not kind.pointers:
            wanted = self._scalar(kind, one.start)
            if wanted is not None:
                return wrapped(0, wanted)
        return self._converted(value, kind, one.start)

    # Structs that are written out

    def _compound(self, one: Compound) -> Value:
        written = one.node.child_by_field_name("type")
        kind = written_type(written) if written is not None else None
        if kind is None or kind.pointers or kind.base[:7] != "struct ":
            raise self._uncovered(one)
        return self._filled(self._begun_struct(short(one), kind, one), one.value)

    def _filled(self, struct: Struct, one: Initializer) -> Struct:
        """Store what an initializer has for a struct of zeroes."""
        for name, value in one.items:
            if isinstance(value, Literal) and value.written in ("0", "NULL"):
                continue
            place = self.grown(struct, name, value) if name.isidentifier() else None
            if place is None or one.union:
                raise self._uncovered(one)
            if isinstance(value, Initializer) and isinstance(place, Struct):
                self._filled(place, value)
            else:
                self._store(place, self._value(value), value.start)
        return struct


def _held(variable: Cell) -> Cell | Struct:
    """Return what a variable designates: a struct is itself what it holds."""
    return variable.value if isinstance(variable.value, Struct) else variable


_VALUES: dict[type[Expression], Callable[[Expressions, Any], Value]] = {
    Name: Expressions._name,
    Literal: Expressions._literal,
    Member: Expressions._member,
    Index: Expressions._indexed,
    Deref: Expressions._dereferenced,
    Address: Expressions._address,
    Cast: Expressions._cast,
    Unary: Expressions._unary,
    Truth: Expressions._truth_of,
    Binary: Expressions._binary,
    Temporary: Expressions._temporary,
    Before: Expressions._before,
    Compound: Expressions._compound,
    Opaque: Expressions._opaque,
}
