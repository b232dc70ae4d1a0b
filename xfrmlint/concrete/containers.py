"""The kernel's maps in a world: xarrays, hash tables, rhashtables, by what was stored in them.

A hash table is the sequence of its entries, as all buckets are of one list; which of them a loop
over one bucket meets besides those of its key is left open by the kernel, so it meets all. Of an
rhashtable's parameters what counts is which member is the key.
"""

import re
from collections.abc import Iterator, Sequence
from errno import EBUSY
from typing import Protocol

from xfrmlint.c.integers import BOOL, INT, ULONG, Int
from xfrmlint.c.syntax import Expression
from xfrmlint.concrete.values import NULL, Cell, Open, Pointer, Struct, Value, Void

XARRAY = re.compile(
    r"xa_(load|store|erase|insert|destroy|err|is_err|empty|mk_value|to_value|is_value)(_bh|_irq)?"
)
HASHED = re.compile(
    r"hash_(add|del)(_rcu)?|hash_init|hash_empty|"
    r"rhashtable_(init|destroy|free_and_destroy|insert_fast|lookup_insert_fast|lookup(_fast)?|remove_fast)"
)
# What these return, by their names: numbers of a type, and pointers.
NUMBERS = {
    "xa_to_value": ULONG,
    "xa_is_value": BOOL,
    "xa_empty": BOOL,
    "xa_is_err": BOOL,
    **dict.fromkeys(("xa_err", "xa_insert", "xa_insert_bh", "xa_insert_irq"), INT),
}
POINTERS = re.compile(r"xa_(load|store|erase|mk_value)(_bh|_irq)?")
LOOPS = re.compile(r"hash_for_each(_possible)?(_rcu|_safe)?|xa_for_each")


class Evaluating(Protocol):
    """What a map asks of the machine that runs the code."""

    def value_of(self, node: Expression) -> Value:
        """Evaluate an expression."""
        ...

    def place_of(self, node: Expression) -> Cell | Struct:
        """Return what an expression designates."""
        ...

    def key_member(self, node: Expression) -> str:
        """Return which member is the key by an rhashtable's parameters; empty if unseen."""
        ...

    def refuse(self, reason: str, node: Expression) -> Exception:
        """Return why this can't be evaluated, to be raised."""
        ...


class Containers:
    """What was stored: under numbers in xarrays, one after the other in tables."""

    def __init__(self) -> None:
        self._numbered: dict[int, dict[int, Value]] = {}
        self._listed: dict[int, list[Struct]] = {}

    def call(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Value:
        """Do what a function of a map does."""
        if XARRAY.fullmatch(name):
            return self._of_xarray(machine, name, arguments, node)
        return self._of_table(machine, name, arguments, node)

    def _of_xarray(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Value:
        word = name.removeprefix("xa_").removesuffix("_bh").removesuffix("_irq")
        if word in ("err", "is_err"):
            # Memory is never short: what was there before is no error.
            machine.value_of(arguments[0])
            return Int(0, INT)
        if word.endswith("_value"):
            return _of_value(machine, word, arguments[0], node)
        stored = self._numbered.setdefault(id(_struct(machine, arguments[0], node)), {})
        if word == "destroy":
            stored.clear()
            return Void()
        if word == "empty":
            return Int(int(not stored), INT)
        index = machine.value_of(arguments[1])
        if not isinstance(index, Int):
            raise machine.refuse("an index that is no number", node)
        old = stored.get(index.value, NULL)
        if word == "insert" and old != NULL:
            return Int(-EBUSY, INT)
        if word in ("store", "insert"):
            stored[index.value] = machine.value_of(arguments[2])
        elif word == "erase":
            stored.pop(index.value, None)
        return Int(0, INT) if word == "insert" else old

    def _of_table(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Value:
        if name.startswith(("hash_del", "rhashtable_remove")):
            entry = _struct(machine, arguments[name.startswith("rhash")], node)
            for listed in self._listed.values():
                listed[:] = [one for one in listed if one is not entry]
            return Int(0, INT) if name.startswith("rhash") else Void()
        entries = self._listed.setdefault(id(_struct(machine, arguments[0], node)), [])
        if name in ("hash_init", "rhashtable_destroy", "rhashtable_free_and_destroy"):
            entries.clear()
            return Void()
        if name == "rhashtable_init":
            return Int(0, INT)
        if name == "hash_empty":
            return Int(int(not entries), INT)
        if "lookup" in name and "insert" not in name:
            return _found(machine, entries, arguments, node)
        entries.append(_struct(machine, arguments[1], node))
        return Int(0, INT) if name.startswith("rhash") else Void()

    def turns(
        self, machine: Evaluating, name: str, arguments: Sequence[Expression], node: Expression
    ) -> Iterator[Value]:
        """Yield what the variable of a loop over a map is in each turn."""
        of = id(_struct(machine, arguments[0], node))
        if name == "xa_for_each":
            for index, value in sorted(self._numbered.get(of, {}).items()):
                put(machine, arguments[1], Int(index, ULONG))
                yield value
        else:
            at = -2 if "possible" in name else -1
            member = arguments[at].text
            for one in list(self._listed.get(of, [])):
                if one.parent is None or one.member != member:
                    raise machine.refuse(f"a table whose entries are not linked by {member}", node)
                if at == -1:
                    put(machine, arguments[1], Open("a bucket", set(), derived=True))
                yield Pointer(one.parent)
        put(machine, variable_of(name, arguments), NULL)


def put(machine: Evaluating, variable: Expression, value: Value) -> None:
    """Let a variable hold what a loop leaves in it."""
    place = machine.place_of(variable)
    if isinstance(place, Cell):
        place.value = value


def variable_of(name: str, arguments: Sequence[Expression]) -> Expression:
    """Return the variable of a loop over a map that is set in each turn."""
    return arguments[1] if "possible" in name else arguments[2]


def _struct(machine: Evaluating, argument: Expression, node: Expression) -> Struct:
    """Return the struct, or the array, that an argument is or points to."""
    value: object = machine.value_of(argument)
    found = value.target if isinstance(value, Pointer) else value
    if not isinstance(found, Struct):
        raise machine.refuse("a map that can't be found", node)
    return found


def _of_value(machine: Evaluating, word: str, argument: Expression, node: Expression) -> Value:
    """include/linux/xarray.h: a number in an xarray is shifted, and its lowest bit set."""
    value = machine.value_of(argument)
    if word == "is_value" and isinstance(value, Pointer):
        return Int(0, INT)
    if word == "to_value" and value == NULL:
        return Int(0, ULONG)
    if not isinstance(value, Int):
        raise machine.refuse("an xarray's value that is no number", node)
    if word == "mk_value":
        return Int(value.value << 1 | 1, ULONG)
    return Int(value.value & 1, INT) if word == "is_value" else Int(value.value >> 1, ULONG)


def _found(
    machine: Evaluating,
    entries: Sequence[Struct],
    arguments: Sequence[Expression],
    node: Expression,
) -> Value:
    """Return the entry of an rhashtable whose key holds what another one holds."""
    member = machine.key_member(arguments[2])
    wanted = machine.value_of(arguments[1])
    if not member or not isinstance(wanted, Pointer) or wanted.target is None:
        raise machine.refuse("the key of a table that can't be read", node)
    for one in entries:
        key = one.parent.fields.get(member) if one.parent is not None else None
        if key is not None and _same(key, wanted.target):
            return Pointer(one.parent)
    return NULL


def _same(one: object, other: object) -> bool:
    """Tell whether two objects hold the same."""
    if isinstance(one, Cell) and isinstance(other, Cell):
        left, right = one.value, other.value
        if isinstance(left, Int) and isinstance(right, Int):
            return left.value == right.value
        return left == right
    if isinstance(one, Struct) and isinstance(other, Struct):
        names = one.fields.keys() | other.fields.keys()
        return all(_same(one.fields.get(n), other.fields.get(n)) for n in names)
    return False
