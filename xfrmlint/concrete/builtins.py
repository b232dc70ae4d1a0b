"""The evaluation of the kernel's primitives: accesses, hints, warnings, stores."""

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.integers import BOOL, INT, LONG, Int
from xfrmlint.c.unit import node_text
from xfrmlint.concrete.expressions import Expressions
from xfrmlint.concrete.faults import FaultKind
from xfrmlint.concrete.primitives import GUARDS, LIKELY, NOTHING, ONCE, SAME, STORES, WARNS
from xfrmlint.concrete.syntax import last_word, short
from xfrmlint.concrete.values import NULL, Cell, Pointer, Struct, Unknown, Value, Void


class Builtins(Expressions):
    """A machine that knows the kernel's primitives."""

    def _builtin(self, name: str, arguments: list[Node], node: Node) -> Value:
        if NOTHING.fullmatch(name):
            return Void()
        if name == "guard":
            of_lock = self.kernel is not None
            if len(arguments) == 1 and (of_lock or node_text(arguments[0]) in GUARDS):
                return Void()
            raise self._outside("a guard", node)
        least = 2 if name in STORES | {"xchg", "smp_store_release", "rcu_replace_pointer"} else 1
        if len(arguments) < least:
            raise self._outside(f"{name}() with too few arguments", node)
        first = arguments[0]
        if ONCE.fullmatch(name):
            # A condition behind it is for lockdep.
            return self._load(self._lvalue(first), last_word(first), True)
        if name in SAME:
            return self._value(first)
        if name in LIKELY:
            value = self._value(first)
            if isinstance(value, Unknown):
                return value
            return Int(int(self._truth(value, first)), LONG)
        if name == "__builtin_expect":
            return self._converted(self._value(first), CType("long"), node)
        if name in WARNS:
            value = self._value(first)
            if isinstance(value, Unknown):
                return value
            return Int(int(self._truth(value, first)), INT)
        if name == "DEBUG_NET_WARN_ON_ONCE":
            self._value(first)
            return Void()
        if name == "BUG_ON":
            if self._condition(first):
                raise self._fault(FaultKind.BUG, f"BUG_ON({short(first)})", node)
            return Void()
        if name in STORES:
            return self._written(self._lvalue(first), arguments[1], node)
        if name in ("rcu_replace_pointer", "xchg", "smp_load_acquire", "smp_store_release"):
            return self._exchanged(name, arguments, node)
        if name == "IS_ENABLED":
            found = self.names.enabled(node_text(first))
            if found is not None:
                return Int(int(found), INT)
            if self.choose is not None:
                return Unknown()
            raise self._outside(f"{node_text(first)} may be on or off", node)
        if name in ("IS_ERR", "IS_ERR_OR_NULL"):
            value = self._value(first)
            if isinstance(value, Unknown):
                return value
            truth = self._truth(value, first)
            # No pointer of the model is an error.
            return Int(int(name != "IS_ERR" and not truth), BOOL)
        if name.startswith("container_of") and len(arguments) == 3:
            value = self._value(first)
            target = value.target if isinstance(value, Pointer) else None
            member = node_text(arguments[2])
            tag = node_text(arguments[1]).split()[-1]
            if isinstance(target, Struct) and target.parent is not None:
                if target.member == member and target.parent.kind == f"struct {tag}":
                    return Pointer(target.parent)
            if isinstance(value, Unknown) or self.choose is not None:
                return Unknown()
        if name == "memset":
            return self._cleared(arguments, node)
        raise self._outside(f"{name}() used in this way", node)

    def _written(self, place: Cell | Struct, written: Node, node: Node) -> Value:
        self._store(place, self._value(written), node)
        return Void()

    def _exchanged(self, name: str, arguments: list[Node], node: Node) -> Value:
        if name == "rcu_replace_pointer":
            place = self._lvalue(arguments[0])
        else:
            place = self._pointed(self._value(arguments[0]), node, False)
        if name == "smp_store_release":
            return self._written(place, arguments[1], node)
        old = self._load(place, node, True)
        if name != "smp_load_acquire":
            self._written(place, arguments[1], node)
        return old

    def _cleared(self, arguments: list[Node], node: Node) -> Value:
        """memset(p, 0, sizeof(*p)) and its form with `&`."""
        texts = ["".join(node_text(a).split()) for a in arguments]
        if len(texts) == 3 and texts[1] == "0":
            whole = texts[0][1:] if texts[0][:1] == "&" else "*" + texts[0]
            value = self._value(arguments[0])
            target = value.target if isinstance(value, Pointer) else None
            if isinstance(target, Struct) and texts[2] in (
                f"sizeof({whole})",
                f"sizeof{whole}",
                f"sizeof({target.kind.replace(' ', '')})",
            ):
                self._zero(target, node)
                return value
        raise self._outside("memset() used in this way", node)

    def _zero(self, struct: Struct, node: Node) -> None:
        for found in struct.fields.values():
            if isinstance(found, Struct):
                self._zero(found, node)
            elif isinstance(found.value, Int):
                self._store(found, Int(0, found.value.type), node)
            elif isinstance(found.value, Pointer):
                self._store(found, NULL, node)
