"""The kernel's functions that are not read from the tree: a rule for each, or for each word."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import BOOL, INT, ULONG, Int
from xfrmlint.c.syntax import Address, Call, Member, uncast
from xfrmlint.concrete.containers import Containers, end_of
from xfrmlint.concrete.kernel import Deed, Event, Kernel
from xfrmlint.concrete.values import (
    NULL,
    Open,
    Pointer,
    Struct,
    Unknown,
    Value,
    Void,
)
from xfrmlint.kernel.functions import guard_sleeps

# A size without blanks: of the members from one on up to another, that with it, or all there are.
_PART = re.compile(
    r"\(*(?:offsetof(?P<until>end)?\((?:struct)?|sizeof\()(?P<ends>[^(),]*)(?:,(?P<last>\w+))?\)"
    r"-offsetof\((?:struct)?(?P<begins>\w+),(?P<first>\w+)\)+"
)


class Builtins(Containers):
    """A machine that knows the kernel's own functions."""

    def _builtin(self, call: Call, word: str) -> Value:
        """Do what a function does. word: of functions.toml."""
        if word in _CONSTANT:
            return _CONSTANT[word]
        if not call.arguments and word != "waits":
            raise self._outside(f"{call.name}() with too few arguments", call.start)
        value: Value | None = None
        if self.kernel is not None and word in _IN_WORLDS:
            value = _IN_WORLDS[word](self, self.kernel, call)
        elif call.name in _BUILTINS:
            value = _BUILTINS[call.name](self, call)
        if value is None:
            raise self._outside(f"{call.name}() used in this way", call.start)
        return value

    # In a world

    def _waited(self, kernel: Kernel, call: Call) -> Value:
        kernel.events.append(Event(Deed.WAITS))
        return Void()

    def _queued(self, kernel: Kernel, call: Call) -> Value:
        """Work is done later, and by nobody here."""
        kernel.events.append(Event(Deed.QUEUES))
        return Int(1, INT)

    def _allocated(self, kernel: Kernel, call: Call) -> Value:
        made = Struct("allocated memory", raw=True, fresh="malloc" in call.name)
        if "calloc" in call.name or call.name.endswith("_array"):
            made.row = {}
        kernel.made.append(made)
        return Pointer(made)

    def _counted(self, kernel: Kernel, call: Call) -> Value:
        array = self._lvalue(call.arguments[0])
        if not isinstance(array, Struct) or array.element is None:
            raise self._outside("the size of what is no array", call.start)
        return Int(array.count, ULONG)

    def _extreme(self, kernel: Kernel, call: Call) -> Value:
        values = [kernel.settled(self._value(argument)) for argument in call.arguments]
        numbers = [value for value in values if isinstance(value, Int)]
        if len(numbers) == len(values):
            choose = min if call.name.endswith("min") else max
            return choose(numbers, key=lambda number: number.value)
        if all(isinstance(value, Int | Open) for value in values):
            return Open(f"what {call.name}() gives", set(), derived=True)
        raise self._outside(f"{call.name}() of what is no number", call.start)

    # Wherever code is run

    def _guarded(self, call: Call) -> Value | None:
        never = self.kernel is not None or guard_sleeps(call.arguments[0].text) == "never"
        if len(call.arguments) == 1 and never:
            return Void()
        raise self._outside("a guard", call.start)

    def _exchanged(self, call: Call) -> Value | None:
        loads, stores = call.name != "smp_store_release", call.name != "smp_load_acquire"
        if len(call.arguments) < 1 + stores:
            return None
        place = self._pointed(self._value(call.arguments[0]), call, False)
        old = self._load(place, call.start, True) if loads else Void()
        if stores:
            self._store(place, self._value(call.arguments[1]), call.start)
        return old

    def _swapped(self, call: Call) -> Value | None:
        """swap(a, b), of two lvalues: include/linux/minmax.h."""
        if len(call.arguments) != 2:
            return None
        one, other = map(self._lvalue, call.arguments)
        first, second = (self._load(place, call.start) for place in (one, other))
        self._store(one, second, call.start)
        self._store(other, first, call.start)
        return Void()

    def _expected(self, call: Call) -> Value | None:
        return self._converted(self._value(call.arguments[0]), CType("long"), call.start)

    def _enabled(self, call: Call) -> Value | None:
        option = call.arguments[0].text
        found = self.names.enabled(option)
        if found is not None:
            return Int(int(found), INT)
        if self.choose is not None:
            return Unknown()
        raise self._outside(f"{option} may be on or off", call.start)

    def _is_on(self, call: Call) -> Value | None:
        key = call.arguments[0].text.replace(" ", "").removeprefix("&")
        found = self.names.is_on(key)
        if found is not None:
            return Int(int(found), BOOL)
        if self.choose is not None:
            return Unknown()
        raise self._outside(f"whether {key} is on", call.start)

    def _is_error(self, call: Call) -> Value | None:
        value = self._value(call.arguments[0])
        # No pointer of the model is an error.
        return value if isinstance(value, Unknown) else Int(0, BOOL)

    def _container(self, call: Call) -> Value | None:
        if len(call.arguments) != 3:
            return None
        value = self._value(call.arguments[0])
        target = value.target if isinstance(value, Pointer) else None
        tag, member = call.arguments[1].text.split()[-1], call.arguments[2].text
        if isinstance(target, Struct) and target.parent is not None:
            if target.member == member and target.parent.kind == f"struct {tag}":
                return Pointer(target.parent)
        if isinstance(target, Struct) and self.kernel is not None:
            if self.kernel.heads.get(id(target)) is target:
                return end_of(target, member)
        open_ = isinstance(value, Unknown) or self.choose is not None
        return Unknown() if open_ else None

    def _cleared(self, call: Call) -> Value | None:
        """memset(p, 0, sizeof(*p)), its forms with `&` and of an array, and of members in a row."""
        texts = ["".join(one.text.split()) for one in call.arguments]
        if len(texts) != 3 or texts[1] != "0":
            return None
        whole = texts[0][1:] if texts[0][:1] == "&" else "*" + texts[0]
        value = self._value(call.arguments[0])
        target = value.target if isinstance(value, Pointer) else value
        if isinstance(target, Struct) and target.element is not None:
            if texts[2] not in (f"sizeof({texts[0]})", f"sizeof{texts[0]}"):
                return None
            self._zero(target, target.fields, call.start)
            return value
        if isinstance(target, Struct) and texts[2] in (
            f"sizeof({whole})",
            f"sizeof{whole}",
            f"sizeof({target.kind.replace(' ', '')})",
        ):
            self._zero(target, target.fields, call.start)
            return value
        start = uncast(call.arguments[0])
        member = uncast(start.of) if isinstance(start, Address) else start
        if not isinstance(start, Address) or not isinstance(member, Member):
            return None
        held = self._value(member.of) if member.arrow else self._lvalue(member.of)
        of = held.target if isinstance(held, Pointer) else held
        if not isinstance(of, Struct):
            return None
        spelled = ("*" if member.arrow else "") + "".join(member.of.text.split())
        names = self._cleared_names(of, member.name, texts[2], spelled)
        for name in names:
            if name not in of.fields and not of.open and self.kernel is not None:
                self.grown(of, name, call)
        self._zero(of, names, call.start)
        return value if names else None

    def _cleared_names(self, of: Struct, first: str, size: str, spelled: str) -> Sequence[str]:
        """Return the members from one on that a size without blanks covers; none if it is no such.

        spelled: what the struct itself is written as.
        """
        match = _PART.fullmatch(size)
        tag = of.kind.removeprefix("struct ")
        if match is None or (match["begins"], match["first"]) != (tag, first):
            return ()
        names = list(self.names.members(CType(of.kind), self._path))
        last, ends = match["last"], match["ends"] or tag
        known = (first, last) if last else (first,)
        if ends not in (tag, f"struct{tag}", *(() if last else (spelled,))):
            return ()
        if not {*known} <= {*names}:
            return ()
        end = names.index(last) + (match["until"] is not None) if last else len(names)
        return names[names.index(first) : end]

    def _zero(self, struct: Struct, names: Iterable[str], at: int) -> None:
        for found in (struct.fields.get(name) for name in names):
            if isinstance(found, Struct):
                self._zero(found, found.fields, at)
            elif found is not None and isinstance(found.value, Int):
                self._store(found, Int(0, found.value.type), at)
            elif found is not None and isinstance(found.value, Pointer):
                self._store(found, NULL, at)


# By the words of functions.toml: what is given whatever a function is told.
_CONSTANT: Mapping[str, Value] = {
    **dict.fromkeys(("nothing", "idle", "clears bit"), Void()),
    "succeeds": Int(0, INT),
    "is so": Int(1, INT),
}
_IN_WORLDS: Mapping[str, Callable[[Builtins, Kernel, Call], Value]] = {
    "waits": Builtins._waited,
    "queues": Builtins._queued,
    "allocates": Builtins._allocated,
    "makes": Builtins._made,
    "names device": Builtins._port_looked_up,
    "sends": Builtins._sent,
    "bit": lambda *_: Open("a bit", set(), derived=True),
    "extreme": Builtins._extreme,
    "counts": Builtins._counted,
    "links": Builtins._links,
    "device": Builtins._of_device,
    "lists": Builtins._listing,
    "table": Builtins._listing,
    "empties": Builtins._emptied,
    "listed": Builtins._listed,
    "looked up": Builtins._looked_up,
    "xarray": Builtins._of_xarray,
}
_BUILTINS: Mapping[str, Callable[[Builtins, Call], Value | None]] = {
    "guard": Builtins._guarded,
    "xchg": Builtins._exchanged,
    "swap": Builtins._swapped,
    "smp_load_acquire": Builtins._exchanged,
    "smp_store_release": Builtins._exchanged,
    "__builtin_expect": Builtins._expected,
    "IS_ENABLED": Builtins._enabled,
    "static_branch_likely": Builtins._is_on,
    "static_branch_unlikely": Builtins._is_on,
    "static_key_enabled": Builtins._is_on,
    "IS_ERR": Builtins._is_error,
    "container_of": Builtins._container,
    "container_of_const": Builtins._container,
    "memset": Builtins._cleared,
}
