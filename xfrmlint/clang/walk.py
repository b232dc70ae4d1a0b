"""What stands in one item of a parsed file: members, calls, filled slots, declarations."""

import re
from collections.abc import Collection, Mapping

from xfrmlint.c.regions import Region, mentions
from xfrmlint.c.text import without_comments
from xfrmlint.clang import kinds
from xfrmlint.clang.library import (
    ASSIGN,
    Cursor,
    Parsed,
    Spot,
    children,
    initializer,
    kind,
    operator,
)
from xfrmlint.clang.owners import Owners, field_of, record_of
from xfrmlint.clang.vocabulary import (
    SKIPPED,
    Call,
    Declared,
    Filled,
    Member,
    Named,
    Seen,
)

_WORD = re.compile(rb"[A-Za-z_]\w*")
_USE = re.compile(rb"\w+(?:\s*\()?")
_BRACKET = re.compile(rb"[][(){}]")
# Bytes of a macro's use.
_LONGEST_USE = 10_000
_QUALIFIERS = re.compile(r"\b(const|volatile|restrict)\b\s*")


class Walk:
    """Looks at items of one source. texts: by full path. fields: names of members to report.

    offload: the struct whose owners are wanted. root: what full paths of the tree begin with.
    naming: report functions that are named anywhere.
    """

    def __init__(
        self,
        parsed: Parsed,
        texts: Mapping[str, bytes],
        fields: Collection[str],
        offload: str,
        root: str,
        naming: bool = False,
    ) -> None:
        self._parsed = parsed
        self._texts = texts
        self._fields = frozenset(fields)
        self.offload = offload
        self.naming = naming
        self._root = root
        self._errors = parsed.errors()
        self._owners = Owners(parsed, texts)
        self._tops: dict[str, list[tuple[int, int, Cursor]]] | None = None

    def seen(self, region: Region) -> Seen:
        """Return what stands in a region."""
        full = f"{self._root}/{region.path}"
        errors = tuple(
            spot.line
            for spot in self._errors
            if spot.path == full and region.start <= spot.offset < region.end
        )
        skipped = tuple(
            (start, end)
            for start, end in self._parsed.skipped(full)
            if start < region.end and end > region.start
        )
        clean = not self._errors
        items = self._items(full, region)
        if not items:
            return Seen(self._why_not(full, region, errors), errors, clean, skipped=skipped)
        item = _Item(self, self._owners)
        for cursor in items:
            item.visit(cursor, cursor, "")
        return Seen(
            "",
            errors,
            clean,
            tuple(item.declared),
            tuple(dict.fromkeys(item.members)),
            tuple(dict.fromkeys(item.calls)),
            tuple(dict.fromkeys(item.filled)),
            skipped,
            tuple(dict.fromkeys(item.named)),
        )

    def regions(self, path: str) -> list[Region]:
        """Return the items of a file that libclang sees by itself: functions and objects."""
        full = f"{self._root}/{path}"
        listed = self._by_file().get(full, [])
        return list(dict.fromkeys(self._region(path, *item) for item in listed if _is_item(item)))

    def mentioning(self, path: str, names: frozenset[bytes]) -> list[Region]:
        """Return the items of a file in which one of some names stands."""
        full = f"{self._root}/{path}"
        found: dict[Region, None] = {}
        end = 0
        for offset in mentions(without_comments(self._texts.get(full, b"")), names):
            if offset < end:
                continue
            cursor = self._item_at(full, offset)
            if cursor is not None:
                first, last = self._parsed.extent(cursor)
                items = [(first.offset, last.offset, cursor)]
            else:
                # The name of a macro: what it becomes is no cursor's beginning.
                items = [i for i in self._by_file().get(full, []) if i[0] <= offset < i[1]]
            for item in items:
                if _is_item(item):
                    found[self._region(path, *item)] = None
                    end = max(end, item[1])
        return list(found)

    def _region(self, path: str, start: int, end: int, cursor: Cursor) -> Region:
        name = self._parsed.spot(cursor)
        same = name.path == f"{self._root}/{path}"
        return Region(path, start, end, name.offset if same else start)

    def _why_not(self, full: str, region: Region, errors: tuple[int, ...]) -> str:
        if not self._parsed.reads(full):
            return "not included by the source that was parsed"
        for start, end in self._parsed.skipped(full):
            if start <= region.start < end:
                return SKIPPED
        return "parse errors there" if errors else "libclang sees nothing there"

    def _item_at(self, full: str, offset: int) -> Cursor | None:
        """Return the function or object, of those at the top, in which an offset lies."""
        cursor = self._parsed.at(full, offset)
        while cursor is not None and kind(cursor) not in (kinds.FUNCTION, kinds.VARIABLE):
            above = cursor.semantic_parent
            cursor = above if above is not None and above != cursor else None
        # A local variable is no item: its function is.
        while cursor is not None and cursor.semantic_parent is not None:
            if kind(cursor.semantic_parent) != kinds.FUNCTION:
                break
            cursor = cursor.semantic_parent
        if cursor is None:
            return None
        start, end = self._parsed.extent(cursor)
        return cursor if start.path == full and start.offset <= offset < end.offset else None

    def _items(self, full: str, region: Region) -> list[Cursor]:
        cursor = self._item_at(full, region.name)
        if cursor is not None:
            return [cursor]
        return [
            cursor
            for start, end, cursor in self._by_file().get(full, [])
            if start < region.end and end > region.start
        ]

    def _by_file(self) -> dict[str, list[tuple[int, int, Cursor]]]:
        if self._tops is None:
            self._tops = {}
            for cursor in self._parsed.top():
                start, end = self._parsed.extent(cursor)
                self._tops.setdefault(start.path, []).append((start.offset, end.offset, cursor))
        return self._tops

    def place(self, cursor: Cursor, name: str) -> tuple[Spot, str]:
        """Return where a name stands (path relative to the tree), and the macro that holds it."""
        spot = self._parsed.spot(cursor)
        written = _WORD.match(self._texts.get(spot.path, b""), spot.offset)
        text = written.group().decode("utf-8", "surrogateescape") if written else ""
        relative = spot.path.removeprefix(f"{self._root}/")
        return spot._replace(path=relative), "" if text == name else text or "?"

    def until(self, spot: Spot) -> int:
        """Return where the use of a macro ends. spot: where its name stands."""
        text = self._texts.get(f"{self._root}/{spot.path}", b"")
        name = _USE.match(text, spot.offset)
        if name is None or not name.group().endswith(b"("):
            return name.end() if name is not None else spot.offset + 1
        depth = 1
        for match in _BRACKET.finditer(text, name.end(), name.end() + _LONGEST_USE):
            depth += 1 if match.group() in b"([{" else -1
            if not depth:
                return match.end()
        return name.end()

    def wants(self, field: str) -> bool:
        return field in self._fields


class _Item:
    """Collects while it goes through one item."""

    def __init__(self, walk: Walk, owners: Owners) -> None:
        self._walk = walk
        self._owners = owners
        self.declared: list[Declared] = []
        self.members: list[Member] = []
        self.calls: list[Call] = []
        self.filled: list[Filled] = []
        self.named: list[Named] = []

    def visit(self, cursor: Cursor, function: Cursor, owner: str) -> None:
        """Go through what is evaluated below a cursor. owner: the member a list initializes."""
        number = kind(cursor)
        if number == kinds.SIZEOF:
            return
        if number in (kinds.FUNCTION, kinds.VARIABLE, kinds.PARAMETER):
            self._declaration(cursor, number, function)
            return
        if number == kinds.INIT_LIST:
            self._listed(cursor, function, owner)
            return
        if number == kinds.MEMBER:
            self._member(cursor, function)
        elif number == kinds.CALL:
            self._call(cursor)
        elif number == kinds.DECL_REF and self._walk.naming:
            target = cursor.referenced
            if target is not None and kind(target) == kinds.FUNCTION:
                spot, _ = self._walk.place(cursor, "")
                self.named.append(Named(spot.path, spot.line, str(cursor.spelling)))
        elif number == kinds.COMPOUND_ASSIGNMENT or (
            number == kinds.BINARY and operator(cursor) == ASSIGN
        ):
            self._assigned(cursor, function)
        for child in evaluated(cursor, number):
            self.visit(child, function, owner if number in _PASSING else "")

    def _declaration(self, cursor: Cursor, number: int, function: Cursor) -> None:
        if number == kinds.FUNCTION:
            below = children(cursor)
            if below and kind(below[-1]) == kinds.COMPOUND_STATEMENT:
                self._declare(cursor, "function")
                self.visit(below[-1], cursor, "")
            return
        if number == kinds.PARAMETER:
            return
        if cursor == function:
            self._declare(cursor, plain_type(cursor.type))
        value = initializer(cursor)
        if value is not None:
            self.visit(value, function, "")

    def _declare(self, cursor: Cursor, kind_of: str) -> None:
        name = str(cursor.spelling)
        spot, _ = self._walk.place(cursor, name)
        self.declared.append(Declared(spot.path, spot.offset, name, kind_of))

    def _member(self, cursor: Cursor, function: Cursor) -> None:
        name = str(cursor.spelling)
        if not self._walk.wants(name):
            return
        field = cursor.referenced
        if field is None or kind(field) != kinds.FIELD:
            return
        base = next(iter(children(cursor)), None)
        owners: tuple[str, ...] = ()
        record = record_of(field)
        if base is not None and record == self._walk.offload:
            owners = tuple(sorted(self._owners.of(base, function)))
        spot, macro = self._walk.place(cursor, name)
        copy = base is not None and is_copy(base)
        until = self._walk.until(spot) if macro else 0
        self.members.append(
            Member(spot.path, spot.offset, name, record, owners, macro, copy, until)
        )

    def _call(self, cursor: Cursor) -> None:
        callee = _unwrapped(next(iter(children(cursor)), None))
        if callee is None:
            return
        number = kind(callee)
        function, slot, name = "", "", str(callee.spelling)
        if number == kinds.DECL_REF:
            target = callee.referenced
            if target is not None and kind(target) == kinds.FUNCTION:
                function = name
            else:
                slot = name
        elif number == kinds.MEMBER:
            target = callee.referenced
            if target is not None and kind(target) == kinds.FIELD:
                slot = f"{record_of(target)}.{name}"
        spot, macro = self._walk.place(callee, name)
        self.calls.append(Call(spot.path, spot.offset, spot.line, function, slot, macro))

    def _assigned(self, cursor: Cursor, function: Cursor) -> None:
        sides = children(cursor)
        if len(sides) != 2:
            return
        left, right = _unwrapped(sides[0]), sides[1]
        if left is not None and kind(left) == kinds.MEMBER:
            field = left.referenced
            if field is not None and kind(field) == kinds.FIELD:
                self._fill(left, field, right)

    def _fill(self, at: Cursor, field: Cursor, value: Cursor) -> None:
        name = str(field.spelling)
        targets, names = named_in(value)
        if not targets and not self._walk.wants(name):
            return
        spot, macro = self._walk.place(at, name)
        self.filled.append(
            Filled(spot.path, spot.offset, record_of(field), name, targets, names, macro)
        )

    def _listed(self, cursor: Cursor, function: Cursor, owner: str) -> None:
        """An initializer list: designated entries, and positional ones of a struct."""
        fields: list[Cursor] | None = None
        at = 0
        for child in children(cursor):
            parts = children(child) if kind(child) == kinds.UNEXPOSED else []
            designators = [p for p in parts[:-1] if kind(p) == kinds.MEMBER_REF]
            if not designators:
                if fields is None:
                    fields = list(cursor.type.get_canonical().get_fields())
                inner = ""
                if at < len(fields):
                    self._fill(child, fields[at], child)
                    inner = field_of(fields[at])
                at += 1
                self.visit(child, function, inner)
                continue
            above = owner
            for designator in designators:
                field = designator.referenced
                if field is None:
                    continue
                name = str(field.spelling)
                if self._walk.wants(name):
                    spot, macro = self._walk.place(designator, name)
                    owners = (above,) if above else ("?literal",)
                    self.members.append(
                        Member(spot.path, spot.offset, name, record_of(field), owners, macro)
                    )
                above = field_of(field)
            field = designators[-1].referenced
            if field is not None:
                self._fill(designators[-1], field, parts[-1])
                names = [str(f.spelling) for f in cursor.type.get_canonical().get_fields()]
                first = designators[0].spelling
                if fields is None and first in names:
                    fields = list(cursor.type.get_canonical().get_fields())
                at = names.index(first) + 1 if first in names else at
            self.visit(parts[-1], function, above)


def _is_item(item: tuple[int, int, Cursor]) -> bool:
    return kind(item[2]) in (kinds.FUNCTION, kinds.VARIABLE)


_WRAPPING = (kinds.UNEXPOSED, kinds.PAREN, kinds.UNARY, kinds.CAST)
# What is named in these is not what is stored.
_NO_VALUE = (kinds.SIZEOF, kinds.INIT_LIST, kinds.STATEMENT_EXPRESSION, kinds.CALL)
_PASSING = (kinds.UNEXPOSED, kinds.PAREN, kinds.CAST, kinds.COMPOUND_LITERAL)


def _unwrapped(cursor: Cursor | None) -> Cursor | None:
    """Take casts, parentheses, & and * away, and the index of an element."""
    while cursor is not None and kind(cursor) in (*_WRAPPING, kinds.SUBSCRIPT):
        cursor = next(iter(evaluated(cursor, kind(cursor))), None)
    return cursor


def evaluated(cursor: Cursor, number: int) -> list[Cursor]:
    """Return the children of a cursor that are evaluated: not what is only in a type."""
    found = children(cursor)
    if number in (kinds.CAST, kinds.COMPOUND_LITERAL):
        # typeof(expression) in the type comes before the operand.
        return found[-1:]
    return found[1:] if number == kinds.GENERIC_SELECTION else found


def named_in(value: Cursor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the functions, and the other names, in an expression that is stored."""
    functions: dict[str, None] = {}
    others: dict[str, None] = {}
    stack = [value]
    while stack:
        cursor = stack.pop()
        number = kind(cursor)
        if number == kinds.DECL_REF:
            target = cursor.referenced
            is_function = target is not None and kind(target) == kinds.FUNCTION
            (functions if is_function else others)[str(cursor.spelling)] = None
        elif number in _NO_VALUE:
            continue
        stack += reversed(evaluated(cursor, number))
    return tuple(functions), tuple(others)


def is_copy(base: Cursor) -> bool:
    """Tell whether a member's base is a local variable that is a struct, not a pointer to one."""
    while kind(base) in (kinds.UNEXPOSED, kinds.PAREN):
        inner = next(iter(children(base)), None)
        if inner is None:
            return False
        base = inner
    return kind(base) == kinds.DECL_REF and not plain_type(base.type).endswith("*")


def plain_type(kind_of: Cursor) -> str:
    """Return a type's canonical name without qualifiers."""
    return _QUALIFIERS.sub("", str(kind_of.get_canonical().spelling)).strip()
