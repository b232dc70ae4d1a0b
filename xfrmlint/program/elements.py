"""Which element of a table of devices an index leads to: the own one, or another's.

    card->port[p->nr ^ 1]->netdev

is another's, if port[nr] is where each one is stored; if it is port[nr ^ 1], it is the own one. Of
a number from elsewhere, a descriptor's, nobody knows how it was meant.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.expression import LOOPS, around, bare
from xfrmlint.c.jumps import Condition, conditions_to
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.reading import Syntax
from xfrmlint.c.syntax import (
    Binary,
    Call,
    Expression,
    Index,
    Literal,
    Member,
    Name,
    Truth,
    Unary,
    bared,
    root_of,
    source_of,
)
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.program.privates import Privates
from xfrmlint.valueflow.forms import Forms, Passed
from xfrmlint.valueflow.sources import returned_by

_DEEPEST = 4


class _Number(NamedTuple):
    """A number, where it is read. turned: an index is another one than it."""

    view: View
    one: Expression
    turned: bool


class _Filled(NamedTuple):
    """An index by which an element of a table is filled, and with what if that is seen."""

    view: View
    at: Node
    value: Node | None


class Elements:
    """Answers about one driver; each table is looked at once."""

    def __init__(self, reader: Reader, forms: Forms, privates: Privates, passed: Passed) -> None:
        self._reader = reader
        self._forms = forms
        self._privates = privates
        self._passed = passed
        self._constants = Constants(reader.types)
        self._known: dict[tuple[str, str], list[_Filled]] = {}

    def fills_several(self, table: str, path: str) -> bool:
        """Tell whether a driver fills more than one element of a table."""
        found: set[str] = set()
        for view, index, _ in self._filled(table, path):
            text = node_text(index)
            found |= {text} if self._constants.value(text, view.path) else {text, ""}
        return len(found) > 1

    def filling(self, table: str, view: View) -> dict[str, str]:
        """Return the indexes by which a function puts something into a table, with what it puts."""
        return {
            node_text(index): node_text(value)
            for where, index, value in self._filled(table, view.path)
            if where.function == view.function and value is not None
        }

    def is_own(self, view: View, one: Expression) -> bool:
        """Tell whether a number is a member of private data: the device's own."""
        return self._is_own(view, source_of(one), 0)

    def unseen(self, view: View, one: Index) -> str:
        """Return why it is not known what an element of a table is, if nobody is seen to store it.

        Whose one is that is no pointer its members say.
        """
        table, kind = bared(one.of), self._reader.types.of(one.node, view)
        local = isinstance(table, Name) and view.local(table.name, table.start) is not None
        if local or not isinstance(table, Member | Name) or kind is None or not kind.pointers:
            return ""
        seen = self._filled(table.name, view.path)
        return "" if seen else f"nobody is seen to store an element of {table.name}"

    def is_anothers(self, view: View, index: Expression, table: str) -> bool | None:
        """Tell whether an index leads to another one's element; None where that is open."""
        number = self._number(view, index)
        if _is_counted(view, index.node):
            pairs = self.comparisons(view, index, "!=")
            others = [other for asked, other in pairs if asked.text == index.text]
            own = [
                one
                for one in others
                if self._is_own(view, one, 0) and self._fills(view, one, table)
            ]
            number = _Number(view, own[0], True) if own else number
        if self._constants.value(index.text, view.path) is not None:
            return False
        stored = self._crossed(table, view.path)
        if len(stored) > 1:
            return None
        crossed = True in stored
        if not self._is_own(number.view, number.one, 0):
            # By a number from elsewhere the own one is looked for.
            return None if number.turned and not crossed else False
        turned = number.turned or self._is_kept_of_another(number, table)
        return turned != crossed

    def _is_kept_of_another(self, number: _Number, table: str) -> bool:
        """Tell whether a number that private data keeps is made from that of its own element."""
        one = number.one
        struct = (
            self._reader.types.base_of(one.of.node, number.view) if isinstance(one, Member) else ""
        )
        if not isinstance(one, Member) or not struct:
            return False
        return any(
            self.is_made_from_own(table, stored.view, node_text(stored.value))
            for stored in self._forms.stores_of_member(struct, one.name, number.view.path)
            if stored.value is not None
        )

    def is_made_from_own(self, table: str, view: View, number: str) -> bool:
        """Tell whether a number is another one than those by which a function fills a table.

        It is made from one of them: i - 1, where what is filled is [i].
        """
        filling = self.filling(table, view)
        return number not in filling and any(
            re.search(rf"(?<![\w>.]){re.escape(one)}\b", number) is not None for one in filling
        )

    def others_than(self, view: View, one: Name | Index) -> list[Expression]:
        """Return what a port that is looked for is not, or what a member of it is not."""
        if not _is_looked_for(view, one):
            return []
        return [
            other
            for asked, other in self.comparisons(view, one, "!=")
            if not _is_looked_for(view, root_of(other))
            if asked.text == one.text
            or (
                isinstance(asked, Member)
                and asked.of.text == one.text
                and (not isinstance(other, Member) or other.name == asked.name)
            )
        ]

    def comparisons(
        self, view: View, at: Expression, sign: str
    ) -> Iterator[tuple[Expression, Expression]]:
        """Yield what is equal, or is not, where an expression stands, in both orders."""
        syntax = Syntax(view, self._constants)
        words = re.findall(r"\w+", at.text)
        stores = [one for word in words for one in view.assignments(word)]
        for condition in (*conditions_to(at.node), *_left_by(at.node)):
            if any(condition.node.end_byte < one.start_byte < at.start for one in stores):
                continue
            asked = [(syntax.of(condition.node), condition.held)]
            while asked:
                part, held = asked.pop()
                match part:
                    case Truth():
                        asked.append((part.of, held))
                    case Unary(operator="!") if held is not None:
                        asked.append((part.of, not held))
                    case Binary(operator="&&" | "||" as joint) if held is (joint == "&&"):
                        asked += [(part.left, held), (part.right, held)]
                    case Binary(operator="!=" | "==" as other) if held is (sign == other):
                        yield from ((part.left, part.right), (part.right, part.left))

    def _number(self, view: View, index: Expression) -> _Number:
        """Return the number that an index is, or is another one than."""
        index = source_of(index)
        other = _turned(index)
        if other is not None:
            return _Number(view, other, True)
        if isinstance(index, Call):
            made = returned_by(self._reader, index.name, view.path)
            inner, value = made[0] if len(made) == 1 else (view, None)
            other = _turned(Syntax(inner, self._constants).of(value)) if value else None
            local = inner.local(other.name, other.start) if isinstance(other, Name) else None
            if local is not None and 0 <= local.parameter < len(index.arguments):
                return _Number(view, source_of(index.arguments[local.parameter]), True)
        return _Number(view, index, False)

    def _is_own(self, view: View, one: Expression, depth: int) -> bool:
        """Tell whether a number is a member of private data: the device's own."""
        node = bare(one.node)
        if isinstance(one, Name):
            local = view.local(one.name, one.start)
            values = view.assignments(one.name)
            if local is not None and local.parameter >= 0 and not values and depth < _DEEPEST:
                callers = self._passed(view.function, local.parameter)
                read = [(v, source_of(Syntax(v, self._constants).of(n))) for v, n in callers]
                return bool(read) and all(self._is_own(v, n, depth + 1) for v, n in read)
            node = bare(values[0]) if len(values) == 1 else node
        of = node.child_by_field_name("argument") if node.type == "field_expression" else None
        return self._reader.types.base_of(of, view) in self._privates.structs(view.path)

    def _fills(self, view: View, number: Expression, table: str) -> bool:
        """Tell whether elements are put into a table by what a member is, or is made there."""
        name = number.name if isinstance(number, Member) else ""
        return any(
            node_text(index).endswith(f"->{name}")
            or any(
                stored.value is not None and node_text(stored.value) == node_text(index)
                for node in where.occurrences(name)
                for stored in self._forms.stores_at(where, node)
            )
            for where, index, _ in (self._filled(table, view.path) if name else ())
        )

    def _crossed(self, table: str, path: str) -> frozenset[bool]:
        """Return whether what is put into a table is put into another one's place."""
        return frozenset(
            self._number(view, Syntax(view, self._constants).of(index)).turned
            for view, index, _ in self._filled(table, path)
        )

    def _filled(self, table: str, path: str) -> list[_Filled]:
        """Return where, and by which indexes, a driver puts anything into a table."""
        key = (table, self._reader.universe.key(path))
        if key not in self._known:
            self._known[key] = [
                _Filled(view, index, stored.value)
                for view, node in self._reader.near(table, path)
                if (index := _index_of(node)) is not None
                for stored in self._forms.stores_at(view, node)[:1]
                if stored.value is None or node_text(stored.value) != "NULL"
            ]
        return self._known[key]


def _index_of(table: Node) -> Node | None:
    """Return the index by which an element of a table, a member or a file's, is taken."""
    member = table.type == "field_identifier"
    around = table.parent.parent if member and table.parent is not None else table.parent
    return around.child_by_field_name("index") if around is not None else None


def _turned(index: Expression) -> Expression | None:
    """Return the number that an index is another one than: n in !n, n ^ 1, 1 - n, (n + 1) & 1."""
    match index:
        case Unary(operator="!", of=of):
            return source_of(of)
        case Binary(operator="^", left=of) | Binary(operator="-", left=Literal(), right=of):
            return source_of(of)
        case Binary(operator="%" | "&", left=Binary(operator="+", left=of)):
            return source_of(of)
    return None


def _left_by(node: Node) -> Iterator[Condition]:
    """Yield what holds behind a loop that was left by its only break."""
    up = node
    while up.parent is not None and up.type != "function_definition":
        for loop in up.parent.named_children:
            if loop.type in LOOPS and loop.end_byte <= up.start_byte:
                breaks = [one for one in below(loop) if one.type == "break_statement"]
                asked = around(breaks[0], "if_statement", *LOOPS) if len(breaks) == 1 else None
                condition = asked.child_by_field_name("condition") if asked is not None else None
                if asked is not None and condition is not None and asked.type == "if_statement":
                    yield Condition(asked, condition, True)
        up = up.parent


def _is_looked_for(view: View, port: Expression) -> bool:
    """Tell whether a port is one after the other of a table, or of a list."""
    if isinstance(port, Index):
        return _is_counted(view, port.index.node)
    local = view.local(port.text, port.start)
    values = [one for one in view.assignments(port.text) if node_text(one) != "NULL"]
    taken = [[n for n in below(one) if n.type == "subscript_expression"] for one in values]
    return (
        local is not None
        and local.parameter < 0
        and all(taken)
        and all(_is_counted(view, n.child_by_field_name("index")) for one in taken for n in one)
    )


def _is_counted(view: View, index: Node | None) -> bool:
    """Tell whether an index is a loop's, and no number that a descriptor has."""
    named = index is not None and index.type == "identifier"
    places = view.occurrences(node_text(index)) if index is not None and named else ()
    return any(one.parent is not None and one.parent.type == "update_expression" for one in places)
