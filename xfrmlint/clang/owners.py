"""Of what an expression is a part: whose member an offload struct, or a pointer to it, is."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from xfrmlint.c.text import without_comments
from xfrmlint.clang import kinds
from xfrmlint.clang.library import (
    ADDRESS,
    ASSIGN,
    Cursor,
    Parsed,
    children,
    is_static,
    kind,
    operand,
    operator,
)

_DEEPEST = 8


class Owners:
    """Follows expressions back within one source. texts: by full path."""

    def __init__(self, parsed: Parsed, texts: Mapping[str, bytes]) -> None:
        self._parsed = parsed
        self._texts = texts
        self._parts: dict[int, _Parts] = {}
        self._callers: dict[str, _Callers] = {}

    def of(self, expression: Cursor, function: Cursor) -> set[str]:
        """Return the members (`struct xfrm_state.xso`) that an expression is, or points to.

        function: the one it stands in. What can't be told is `?` and a word.
        """
        return self._of(expression, function, 0, frozenset())

    def _of(self, cursor: Cursor, function: Cursor, depth: int, seen: frozenset[int]) -> set[str]:
        if depth > _DEEPEST:
            return {"?deep"}
        number = kind(cursor)
        inner = children(cursor)
        below = depth + 1
        if number == kinds.MEMBER:
            field = cursor.referenced
            return {field_of(field)} if field is not None else {"?member"}
        if number == kinds.DECL_REF:
            target = cursor.referenced
            return self._variable(target, function, below, seen) if target else {"?name"}
        if number == kinds.CALL:
            return self._called(cursor, inner, below, seen)
        if number == kinds.CONDITIONAL and len(inner) == 3:
            return self._any(inner[1:], function, below, seen)
        if number == kinds.STATEMENT_EXPRESSION and inner:
            last = children(inner[-1])[-1:]
            return self._any(last, function, below, seen)
        if number == kinds.BINARY and len(inner) == 2:
            # p + n points where p does; a comma or an assignment is worth its right side.
            right = operator(cursor) in (ASSIGN, _COMMA)
            return self._of(inner[1 if right else 0], function, below, seen)
        if number in (kinds.CAST, kinds.COMPOUND_LITERAL, kinds.UNEXPOSED, kinds.PAREN):
            return self._any(inner[-1:], function, below, seen)
        if number in (kinds.UNARY, kinds.SUBSCRIPT):
            return self._any(inner[:1], function, below, seen)
        if number in _CONSTANTS:
            return set()
        return {"?expression"}

    def _any(
        self, cursors: list[Cursor], function: Cursor, depth: int, seen: frozenset[int]
    ) -> set[str]:
        found: set[str] = set()
        for cursor in cursors:
            found |= self._of(cursor, function, depth, seen)
        return found if cursors else {"?expression"}

    def _variable(
        self, target: Cursor, function: Cursor, depth: int, seen: frozenset[int]
    ) -> set[str]:
        if target.hash in seen:
            return set()
        seen = seen | {target.hash}
        parts = self._parts_of(function)
        found: set[str] = set()
        if target.hash in parts.addressed:
            # Whoever has its address can put something else there.
            found.add("?address")
        for value in parts.values.get(target.hash, []):
            found |= self._of(value, function, depth, seen)
        if kind(target) == kinds.PARAMETER:
            found |= self._passed(target, function, depth, seen)
        return found or {"?variable"}

    def _passed(
        self, parameter: Cursor, function: Cursor, depth: int, seen: frozenset[int]
    ) -> set[str]:
        """Return what the callers in the same source pass."""
        names = [a.hash for a in function.get_arguments()]
        if parameter.hash not in names:
            return {"?parameter"}
        index = names.index(parameter.hash)
        known = self._calls_of(str(function.spelling), function)
        # Other sources can call it, or whoever is given its address.
        found = set() if known.all else {"?parameter"}
        for caller, call in known.calls:
            arguments = list(call.get_arguments())
            if index < len(arguments):
                found |= self._of(arguments[index], caller, depth, seen)
        return found or {"?parameter"}

    def _calls_of(self, name: str, function: Cursor) -> "_Callers":
        if name not in self._callers:
            path = self._parsed.spot(function).path
            word = re.compile(rb"(?<!\w)" + re.escape(name.encode()) + rb"(?!\w)")
            callers: dict[int, Cursor] = {}
            for match in word.finditer(self._texts.get(path, b"")):
                at = self._parsed.at(path, match.start())
                above = at.semantic_parent if at is not None else None
                if above is not None and kind(above) == kinds.FUNCTION:
                    callers[above.hash] = above
            calls = [
                (caller, call)
                for caller in callers.values()
                for called, call in self._parts_of(caller).calls
                if called == name
            ]
            own = is_static(function) and path.endswith(".c")
            mentions = len(word.findall(without_comments(self._texts.get(path, b""))))
            # Its definition mentions it once more than it is called.
            self._callers[name] = _Callers(calls, own and mentions == len(calls) + 1)
        return self._callers[name]

    def _called(
        self, call: Cursor, inner: list[Cursor], depth: int, seen: frozenset[int]
    ) -> set[str]:
        target = call.referenced
        definition = target.get_definition() if target is not None else None
        if definition is None or definition.hash in seen:
            return {"?call"}
        found: set[str] = set()
        for value in self._parts_of(definition).returned:
            found |= self._of(value, definition, depth, seen | {definition.hash})
        return found or {"?call"}

    def _parts_of(self, function: Cursor) -> "_Parts":
        if function.hash not in self._parts:
            self._parts[function.hash] = _Parts(function)
        return self._parts[function.hash]


class _Callers(NamedTuple):
    """Calls of a function, each with its caller. all: there can be no others."""

    calls: list[tuple[Cursor, Cursor]]
    all: bool


class _Parts:
    """What a function assigns, calls and returns. values, addressed: by the variable's hash."""

    def __init__(self, function: Cursor) -> None:
        self.addressed: set[int] = set()
        self.values: dict[int, list[Cursor]] = {}
        self.calls: list[tuple[str, Cursor]] = []
        self.returned: list[Cursor] = []
        stack = [function]
        while stack:
            cursor = stack.pop()
            number = kind(cursor)
            inner = children(cursor)
            if number == kinds.VARIABLE and inner:
                if kinds.FIRST_EXPRESSION <= kind(inner[-1]) <= kinds.LAST_EXPRESSION:
                    self.values.setdefault(cursor.hash, []).append(inner[-1])
            elif number == kinds.BINARY and operator(cursor) == ASSIGN and len(inner) == 2:
                target = inner[0].referenced
                if kind(inner[0]) == kinds.DECL_REF and target is not None:
                    self.values.setdefault(target.hash, []).append(inner[1])
            elif number == kinds.CALL:
                self.calls.append((str(cursor.spelling), cursor))
            elif number == kinds.UNARY and operand(cursor) == ADDRESS and inner:
                target = inner[0].referenced
                if kind(inner[0]) == kinds.DECL_REF and target is not None:
                    self.addressed.add(target.hash)
            elif number == kinds.RETURN:
                self.returned += inner[:1]
            stack += inner


_COMMA = 33
# Numbers and NULL: they point to nothing.
_CONSTANTS = (106, 107, 109, 110)


def record_of(field: Cursor) -> str:
    """Return the struct (or union) that a field is declared in: `struct xfrm_state`."""
    above = field.semantic_parent
    if above is None:
        return ""
    word, name = "union" if kind(above) == kinds.UNION else "struct", str(above.spelling)
    # libclang names it by its place: `own::(unnamed at foo.c:3:14)`.
    return f"{word} {name}" if name.isidentifier() else f"an unnamed {word}"


def field_of(field: Cursor) -> str:
    """Return a field with its struct: `struct xfrm_state.xso`."""
    return f"{record_of(field)}.{field.spelling}"
