"""The evaluation of the kernel's primitives that are more than functions.toml can say."""

from collections.abc import Callable, Sequence

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import BOOL, INT, Int
from xfrmlint.c.syntax import Address, Call, Member, uncast
from xfrmlint.concrete.expressions import Expressions
from xfrmlint.concrete.primitives import GUARDS, does_nothing
from xfrmlint.concrete.ranges import members_from, members_in
from xfrmlint.concrete.values import NULL, Cell, Pointer, Struct, Unknown, Value, Void


class Builtins(Expressions):
    """A machine that knows the kernel's primitives."""

    def _builtin(self, call: Call) -> Value:
        if does_nothing(call.name):
            return Void()
        if not call.arguments:
            raise self._outside(f"{call.name}() with too few arguments", call.start)
        rule = _BUILTINS.get(call.name)
        value = rule(self, call) if rule is not None else None
        if value is None:
            raise self._outside(f"{call.name}() used in this way", call.start)
        return value

    def _guarded(self, call: Call) -> Value | None:
        of_lock = self.kernel is not None
        if len(call.arguments) == 1 and (of_lock or call.arguments[0].text in GUARDS):
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
        one, other = map(self.place_of, call.arguments)
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
        open_ = isinstance(value, Unknown) or self.choose is not None
        return Unknown() if open_ else None

    def _cleared(self, call: Call) -> Value | None:
        """memset(p, 0, sizeof(*p)), its form with `&`, and those of a range of members."""
        texts = ["".join(one.text.split()) for one in call.arguments]
        if len(texts) != 3 or texts[1] != "0":
            return None
        whole = texts[0][1:] if texts[0][:1] == "&" else "*" + texts[0]
        value = self._value(call.arguments[0])
        target = value.target if isinstance(value, Pointer) else None
        if isinstance(target, Struct) and texts[2] in (
            f"sizeof({whole})",
            f"sizeof{whole}",
            f"sizeof({target.kind.replace(' ', '')})",
        ):
            self._zero(target, call.start)
            return value
        start = uncast(call.arguments[0])
        member = uncast(start.of) if isinstance(start, Address) else start
        if not isinstance(start, Address) or not isinstance(member, Member):
            return None
        of = self._holder(member)
        names = self._names_in(of)
        spelled = ("*" if member.arrow else "") + "".join(member.of.text.split())
        kind = of.kind if of is not None else ""
        inside = members_in(texts[2], kind, names, member.name, spelled)
        return self._zero_range(of, inside, call)

    def _cleared_from(self, call: Call) -> Value | None:
        """memset_after(p, 0, member) and memset_startat(p, 0, member)."""
        if len(call.arguments) != 3 or call.arguments[1].text != "0":
            return None
        value = self._value(call.arguments[0])
        of = value.target if isinstance(value, Pointer) else None
        of = of if isinstance(of, Struct) else None
        inside = members_from(call.name, self._names_in(of), call.arguments[2].text)
        return self._zero_range(of, inside, call)

    def _holder(self, one: Member) -> Struct | None:
        """Return the struct that a member is of."""
        if one.arrow:
            value = self._value(one.of)
            place = value.target if isinstance(value, Pointer) else None
        else:
            place = self.place_of(one.of)
        return place if isinstance(place, Struct) else None

    def _names_in(self, struct: Struct | None) -> Sequence[str]:
        return list(self.members_of(struct.kind)) if struct is not None and struct.kind else ()

    def _zero_range(
        self, of: Struct | None, inside: Sequence[str] | None, call: Call
    ) -> Value | None:
        if of is None or inside is None:
            return None
        for name in inside:
            found = of.fields.get(name)
            if found is None and not of.open and self.kernel is not None:
                found = self.grown(of, name, call)
            self._zero_field(found, call.start)
        return Pointer(of)

    def _zero(self, struct: Struct, at: int) -> None:
        for found in struct.fields.values():
            self._zero_field(found, at)

    def _zero_field(self, found: Cell | Struct | None, at: int) -> None:
        if isinstance(found, Struct):
            self._zero(found, at)
        elif found is not None and isinstance(found.value, Int):
            self._store(found, Int(0, found.value.type), at)
        elif found is not None and isinstance(found.value, Pointer):
            self._store(found, NULL, at)


_BUILTINS: dict[str, Callable[[Builtins, Call], Value | None]] = {
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
    "memset_after": Builtins._cleared_from,
    "memset_startat": Builtins._cleared_from,
}
