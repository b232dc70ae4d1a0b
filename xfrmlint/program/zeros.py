"""Whether a driver's add can return handle 0, which the contract takes for "none".

What is stored in the field is followed backwards, and each number on the way is asked whether it
can be 0: a constant, the first element that a loop or a bitmap finds, the least number that an
allocator hands out. With

    for (i = 0; i < 64; i++) if (!t[i].used) return i;          handle = idx + BASE;

the handle can be 0 if BASE is. A test that keeps 0 away says no, and what is not understood is not
known. Pointers are not asked: they are tested where they are made.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.expression import arguments_of, called, without_casts
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.mention import slot_of
from xfrmlint.c.unit import Place, captured, node_text
from xfrmlint.c.view import View
from xfrmlint.contract.words import DELETE, ESN, FREE, HANDLE
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.access import Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.conditions import Asked, bits_of, keeps_zero
from xfrmlint.program.limits import first_of_limit
from xfrmlint.program.outside import CALLS
from xfrmlint.program.sites import Site
from xfrmlint.valueflow.sources import reaching, returned

_DEEPEST = 10
_SUMS = ("+", "|")
_COMPARES = ("==", "!=", "<", ">", "<=", ">=")
_PARTS = ("subscript_expression", "parenthesized_expression")
_ERROR = re.compile(r"-\s*E[A-Z0-9]+")
# One bit, whose number is a variable's.
_ONE_BIT = re.compile(rb"\(*(?:BIT(?:_ULL)?\(\s*|1[UuLl]*\s*<<\s*)[a-z_]\w*\s*\)*")
# include/net/xfrm.h: what of a state its packets carry.
_ID = "struct xfrm_id"
# By a word that stands in them: where element 0 of what is called %s is taken, and where one of a
# number is.
_TAKEN = {
    b"XA_FLAGS_ALLOC1": rb"\b%s[^;]*\bXA_FLAGS_ALLOC1\b",
    b"DEFINE_XARRAY_ALLOC1": rb"\bDEFINE_XARRAY_ALLOC1\s*\(\s*%s\b",
    b"bitmap_fill": rb"\bbitmap_fill\s*\([^;]*\b%s\b",
}
_NUMBERED = {
    b"[": rb"\b%s\s*\[\s*(\w+)\s*\]",
    b"set_bit": rb"\b(?:__)?set_bit\s*\(\s*(\w+)\s*,[^;]*\b%s\b",
    b"bitmap_set": rb"\bbitmap_set\s*\([^;,]*\b%s\b[^;,]*,\s*(\w+)\s*,",
}


class Zero(Enum):
    """Whether a number can be 0."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Answer(NamedTuple):
    """Whether an expression can be 0, and where that shows."""

    zero: Zero
    place: Place | None = None
    why: str = ""


class ZeroHandle(NamedTuple):
    """A store by which add returns a handle that can be 0. because: what can be 0, and where."""

    site: Site
    because: Place
    why: str


_NO = Answer(Zero.NO)
_UNKNOWN = Answer(Zero.UNKNOWN)


def find_zeros(graph: CallGraph, sites: Iterable[Site]) -> tuple[list[ZeroHandle], list[Doubt]]:
    """Return the stores of handles that can be 0, and those of which nobody knows."""
    finder = _Finder(graph)
    contract = graph.reader.contract
    others = [contract.slot(role) for role in (DELETE, FREE, ESN) if contract.slot(role)]
    found: list[ZeroHandle] = []
    doubts: list[Doubt] = []
    for site in sites:
        if site.member != HANDLE or site.access != "write" or site.cleared or not site.under_add:
            continue
        if _is_put_for_a_lower(site.view, site, others):
            continue
        answer = finder.stored(site)
        if answer.zero is Zero.YES:
            place = answer.place or site.place
            found.append(ZeroHandle(site, place, answer.why))
        elif answer.zero is Zero.UNKNOWN:
            reason = "whether the handle that is returned here can be 0 is not known"
            doubts.append(Doubt(site.place, site.function.name, reason))
    return found, doubts


class _Finder:
    """Asks about the numbers of one driver."""

    def __init__(self, graph: CallGraph) -> None:
        self.graph = graph
        self.constants = Constants(graph.reader.types)

    def stored(self, site: Site) -> Answer:
        """Tell whether what a store puts into the field can be 0."""
        view = site.view
        answers = []
        for node in site.nodes:
            for stored in self.graph.forms.stores_at(view, node):
                if stored.value is None:
                    return _UNKNOWN
                answers.append(self.of(stored.view, stored.value, 0))
        if _is_tested_behind(view, site.field, site.place):
            return _UNKNOWN if answers and _worst(answers).zero is Zero.YES else _worst(answers)
        return _worst(answers)

    def of(self, view: View, node: Node, depth: int) -> Answer:
        """Tell whether an expression can be 0."""
        node = without_casts(node)
        if depth > _DEEPEST:
            return _UNKNOWN
        if self._is_pointer(view, node):
            return _NO
        constant = self._constant(view, node)
        if constant is not None:
            return _NO if constant else Answer(Zero.YES, view.place(node.start_byte), "it is 0")
        match node.type:
            case "identifier":
                return self._of_name(view, node, depth)
            case "binary_expression":
                return self._of_operation(view, node, depth)
            case "conditional_expression":
                if node.child_by_field_name("consequence") is None:
                    return self._of_either(view, node, depth)
                sides = [node.child_by_field_name(s) for s in ("consequence", "alternative")]
                return _worst(self.of(view, s, depth + 1) for s in sides if s is not None)
            case "call_expression":
                return self._of_call(view, node, depth)
            case "update_expression":
                # What was counted on is above 0, until it wraps.
                counted = node.child_by_field_name("argument")
                if node_text(node).startswith("++") or counted is None:
                    return _NO if counted is not None else _UNKNOWN
                return self._of_counter(view, counted)
            case "field_expression":
                return self._of_member(view, node, depth)
        return _UNKNOWN

    def _of_either(self, view: View, node: Node, depth: int) -> Answer:
        """Tell whether `a ?: b` can be 0: it is b only where a is 0."""
        first, other = (node.child_by_field_name(s) for s in ("condition", "alternative"))
        if first is None or other is None:
            return _UNKNOWN
        asked, instead = (self.of(view, one, depth + 1) for one in (first, other))
        if Zero.NO in (asked.zero, instead.zero):
            return _NO
        return instead if asked.zero is Zero.YES else _UNKNOWN

    def _is_pointer(self, view: View, node: Node) -> bool:
        if node.type == "identifier":
            local = view.local(node_text(node), node.start_byte)
            if local is not None:
                return local.type.pointers > 0
        if node.type == "pointer_expression":
            return node.children[0].type == "&"
        if node.type not in ("identifier", "field_expression", "call_expression"):
            # The operands are asked.
            return False
        kind = self.graph.reader.types.of(node, view)
        return kind is not None and kind.pointers > 0

    def _of_member(self, view: View, node: Node, depth: int) -> Answer:
        """Tell whether a member can be 0: by what is stored in it here.

        A state's SPI can't be (RFC 4303, 2.1), and its direction is none (include/net/xfrm.h).
        """
        base = node.child_by_field_name("argument")
        kind = self.graph.reader.types.of(base, view) if base is not None else None
        offload = self.graph.reader.contract.offload
        field = node_text(node).rpartition(".")[2].rpartition("->")[2]
        if kind is not None and (kind.base, field) in ((_ID, "spi"), (offload, "dir")):
            return _NO
        if base is None or view.local(node_text(base), node.start_byte) is None:
            return self._of_counter(view, node)
        name = node_text(node)
        values = _stored_in(view, name)
        answers = [
            self._assigned(view, name, value, node, depth) for value in reaching(values, node, view)
        ]
        answers += self._handed_out(view, name, values, node, depth)
        below = self._written_below(view, node, base, field, depth)
        if not answers and not below:
            # What was counted on is above 0, until it wraps.
            counted = _is_counted_first(view, name, view.node.start_byte, node)
            return _NO if counted else self._of_counter(view, node)
        if not answers:
            return _worst(below)
        return _UNKNOWN if below else _worst(answers)

    def _of_counter(self, view: View, node: Node) -> Answer:
        """Tell whether a member that a function counts on can be 0 where it is read, as it began.

        It is if nobody else stores there, the driver's memory being zeroed when it is taken.
        """
        slot = slot_of(self.graph.reader, view, node)
        if node.type != "field_expression" or not slot.struct or not slot.field:
            return _UNKNOWN
        counts = 0
        for where, mention in self.graph.reader.near(slot.field, view.path):
            member = mention.parent
            if member is None or mention.type != "field_identifier":
                continue
            if member.type == "field_designator":
                return _UNKNOWN
            if member.type != "field_expression":
                continue
            if slot_of(self.graph.reader, where, member).struct not in ("", slot.struct):
                continue
            if not _is_counted_on(member):
                if _is_written_at(member):
                    return _UNKNOWN
                continue
            before = where.place(member.start_byte) < view.place(node.start_byte)
            if before or where.function != view.function:
                # It was counted on before.
                return _UNKNOWN
            counts += 1
        place = view.place(node.start_byte)
        return Answer(Zero.YES, place, f"{slot.field} begins at 0") if counts else _UNKNOWN

    def _written_below(
        self, view: View, node: Node, base: Node, field: str, depth: int
    ) -> list[Answer]:
        """Return what functions of the driver that get a struct before put into a member of it."""
        found: list[Answer] = []
        word = re.escape(field.encode())
        written = re.compile(
            rb"(?:->|\.)\s*%s\s*(?:[-+|&^]?=[^=]|\+\+|--)|&[^;&|]*\b%s\b" % (word, word)
        )
        name = node_text(base)
        for call in captured(CALLS, view.node, "call"):
            given = [node_text(one).strip("&() ") for one in arguments_of(call)]
            if call.start_byte > node.start_byte or name not in given:
                continue
            for target in self.graph.reader.definitions(called(call), view.path):
                if written.search(target.text, target.node.start_byte, target.node.end_byte):
                    asked = Asked(self.constants, view, node_text(node))
                    kept = keeps_zero(asked, call.end_byte, node)
                    told = list(self._filled(view, call, given.index(name), field, depth))
                    found += (told or [_UNKNOWN]) if kept is None else [_NO if kept else _UNKNOWN]
                    break
        return found

    def _constant(self, view: View, node: Node) -> int | None:
        name = node_text(node)
        if node.type == "identifier" and view.local(name, node.start_byte) is not None:
            return None
        if _ERROR.fullmatch(name):
            # To look for the number takes a walk through all headers.
            return -1
        if node.type not in ("identifier", "number_literal", "unary_expression"):
            if node.type != "call_expression" or not called(node).isupper():
                return None
        value = self.constants.value(name, view.path)
        return value.value if value is not None else None

    def _of_operation(self, view: View, node: Node, depth: int) -> Answer:
        operator = node.child_by_field_name("operator")
        sides = [node.child_by_field_name(side) for side in ("left", "right")]
        if operator is None or None in sides:
            return _UNKNOWN
        parts = [without_casts(side) for side in sides if side is not None]
        if operator.type in _COMPARES:
            return self._of_comparison(view, node, parts)
        # `a |= b` is `a | b`.
        sign = operator.type.rstrip("=")
        if sign == "-" and all(self._is_pointer(view, side) for side in parts):
            return self._of_distance(view, parts[0], node_text(parts[1]), depth)
        left, right = (self.of(view, side, depth + 1) for side in parts)
        if sign in _SUMS:
            if Zero.NO in (left.zero, right.zero):
                return _NO
            both = left.zero is Zero.YES and right.zero is Zero.YES
            told = right if left.why == "it is 0" else left
            return told if both else _UNKNOWN
        if sign in ("<<", "*", "&", "%", ">>", "/"):
            # What a constant makes more of is not 0 for that.
            more = sign in ("<<", "*") and (self._constant(view, parts[1]) or 0) > 0
            return left if left.zero is Zero.YES or (more and left.zero is Zero.NO) else _UNKNOWN
        if sign == "-" and right.why == "it is 0":
            return left
        return _UNKNOWN

    def _of_comparison(self, view: View, node: Node, sides: Sequence[Node]) -> Answer:
        """Tell whether a comparison can fail: that of a member with a constant can."""
        member = any(side.type == "field_expression" for side in sides)
        if not member or all(self._constant(view, side) is None for side in sides):
            return _UNKNOWN
        return Answer(Zero.YES, view.place(node.start_byte), f"{node_text(node)} can fail")

    def _of_distance(self, view: View, node: Node, table: str, depth: int) -> Answer:
        """Tell whether a pointer can be a table's first element: by the index that it was made of.

        table: as it is written.
        """
        if node_text(node) == table:
            return Answer(Zero.YES, view.place(node.start_byte), f"{table} begins there")
        if node.type == "identifier" and depth < _DEEPEST:
            values = reaching(view.assignments(node_text(node)), node, view)
            if any(_is_changed(view, node_text(node), value, node) for value in values):
                return _UNKNOWN
            bare = [without_casts(value) for value in values]
            return _worst(self._of_distance(view, one, table, depth + 1) for one in bare)
        # `&table[i]`, or `table + i`.
        names = ("argument", "index") if node.type == "pointer_expression" else ("left", "right")
        of = node.named_children[0] if node.type == "pointer_expression" else node
        first, index = (of.child_by_field_name(name) for name in names)
        if first is None or index is None or node_text(first) != table:
            return _UNKNOWN
        if of.type != "subscript_expression" and node_text(of.children[1]) != "+":
            return _UNKNOWN
        return self.of(view, index, depth + 1)

    def _of_name(self, view: View, node: Node, depth: int) -> Answer:
        name = node_text(node)
        local = view.local(name, node.start_byte)
        if local is None:
            return _UNKNOWN
        values = reaching(view.assignments(name), node, view)
        answers = [self._assigned(view, name, value, node, depth) for value in values]
        answers += self._handed_out(view, name, values, node, depth)
        if local.parameter >= 0 and not answers:
            asked = keeps_zero(Asked(self.constants, view, name), 0, node)
            if asked is not None:
                return _NO if asked else _UNKNOWN
            passed = self.graph.passed(view.function, local.parameter)
            answers = [self.of(where, given, depth + 1) for where, given in passed]
        return _worst(answers)

    def _assigned(self, view: View, name: str, value: Node, use: Node, depth: int) -> Answer:
        """Tell whether a variable that is assigned a value can be 0 where it is used."""
        changed = _is_changed(view, name, value, use)
        if changed and _is_counted_first(view, name, value.end_byte, use):
            begins = self._constant(view, without_casts(value))
            return _NO if begins is not None and begins >= 0 else _UNKNOWN
        asked = keeps_zero(Asked(self.constants, view, name), value.end_byte, use)
        if asked is not None:
            return _NO if asked else _UNKNOWN
        if changed:
            return _UNKNOWN
        parent = value.parent
        sign = parent.child_by_field_name("operator") if parent is not None else None
        if parent is not None and parent.type == "assignment_expression" and sign is not None:
            if sign.type != "=":
                return self._of_operation(view, parent, depth)
        answer = self.of(view, value, depth + 1)
        if answer.zero is Zero.YES and self._is_reserved(view, name, use):
            return _UNKNOWN
        if answer.why == "it is 0" and answer.zero is Zero.YES:
            return Answer(Zero.YES, view.place(value.start_byte), f"{name} begins at 0")
        return answer

    def _of_call(self, view: View, call: Node, depth: int) -> Answer:
        name = called(call)
        targets = self.graph.reader.definitions(name, view.path) if name else []
        if targets:
            values = [(target, value) for target in targets for value in returned(target)]
            return _worst(self.of(target, value, depth + 1) for target, value in values)
        does = function_named(name)
        arguments = arguments_of(call)
        if does.number not in ("", "computed") and arguments:
            # FIELD_PREP(mask, value)
            of = self.of(view, arguments[-1], depth + 1)
            return of if does.number == "same" or of.zero is Zero.YES else _UNKNOWN
        if does.least and does.least_in < 0:
            return self._least(view, call, depth)
        if does.returned is not None and does.returned.position < len(arguments):
            return self.of(view, arguments[does.returned.position], depth + 1)
        return _UNKNOWN

    def _least(self, view: View, call: Node, depth: int) -> Answer:
        """Tell whether the number that an allocator hands out can be 0."""
        name, arguments = called(call), arguments_of(call)
        does = function_named(name)
        kind, _, which = does.least.rpartition(" ")
        place = view.place(call.start_byte)
        yes = Answer(Zero.YES, place, f"{name}() hands out 0, too")
        if not arguments or self._is_container_reserved(view, arguments[0]):
            return _UNKNOWN
        if not kind:
            return yes if which == "0" else _NO
        if int(which) >= len(arguments):
            return _UNKNOWN
        given = arguments[int(which)]
        if kind == "argument":
            least = self.of(view, given, depth + 1)
            if least.zero is Zero.NO:
                return _NO
            return yes if least.why == "it is 0" else _UNKNOWN
        first = first_of_limit(self.graph.reader, self.constants, view, given)
        return _UNKNOWN if first is None else yes if first == 0 else _NO

    def _handed_out(
        self, view: View, name: str, values: Sequence[Node], use: Node, depth: int
    ) -> Iterator[Answer]:
        """Yield what calls put into a variable that they are given the address of.

        values: what is assigned to it besides.
        """
        for call in captured(CALLS, view.node, "call"):
            if call.start_byte > use.start_byte:
                continue
            for at, one in enumerate(arguments_of(call)):
                if one.type != "pointer_expression" or node_text(one).strip("& ") != name:
                    continue
                does = function_named(called(call))
                stored = any(call.end_byte < v.start_byte < use.start_byte for v in values)
                if stored or _is_changed(view, name, call, use):
                    yield _UNKNOWN
                    continue
                asked = keeps_zero(Asked(self.constants, view, name), call.end_byte, use)
                if asked is not None:
                    yield _NO if asked else _UNKNOWN
                elif does.least_in == at:
                    yield self._least(view, call, depth)
                else:
                    yield _worst(self._filled(view, call, at, "*", depth))

    def _filled(self, view: View, call: Node, at: int, member: str, depth: int) -> Iterator[Answer]:
        """Yield what the driver's functions put behind a pointer that a call gives them.

        member: "*", or a member of the struct that it points to.
        """
        for target in self.graph.reader.definitions(called(call), view.path):
            given = next((one.name for one in target.locals if one.parameter == at), "")
            name = f"*{given}" if member == "*" else f"{given}->{member}"
            values = _stored_in(target, name)
            texts = [name, *map(node_text, values)]
            since = target.place(values[0].start_byte if values else target.node.start_byte)
            if any(_is_tested_behind(target, text, since) for text in texts):
                yield _UNKNOWN
                continue
            yield from (self.of(target, value, depth + 1) for value in values)
            if target.body is not None:
                end = target.body.children[-1]
                yield from self._handed_out(target, name, values, end, depth + 1)

    def _is_container_reserved(self, view: View, node: Node) -> bool:
        """Tell whether 0 is taken in a bitmap or an xarray before anybody asks."""
        word = re.findall(r"\w+", node_text(node))
        return bool(word) and self._takes_first(view, word[-1])

    def _is_reserved(self, view: View, name: str, use: Node) -> bool:
        """Tell whether the first element of a table that a variable counts through is taken."""
        indexed = re.compile(rb"(\w+)\s*\[\s*%s\s*\]" % re.escape(name.encode()))
        text = view.text[view.node.start_byte : view.node.end_byte]
        if any(self._takes_first(view, word.decode()) for word in indexed.findall(text)):
            return True
        return any(self._is_set_otherwise(view, word) for word in bits_of(text, name))

    def _is_set_otherwise(self, view: View, word: bytes) -> bool:
        """Tell whether a word of bits is stored to but to set or clear one that a variable says."""
        stored = re.compile(rb"\b%s\s*[|^]?=(?!=)\s*([^;]*);|&[^;&|]*\b%s\b" % (word, word))
        for path in self.graph.reader.universe.files(view.path):
            for value in stored.findall(self.graph.reader.corpus.data(path)):
                if not _ONE_BIT.fullmatch(value) and value != b"0":
                    return True
        return False

    def _takes_first(self, view: View, word: str) -> bool:
        """Tell whether the driver takes element 0 of what a word names by itself."""
        encoded = word.encode()
        taken, numbered = _patterns(_TAKEN, encoded), _patterns(_NUMBERED, encoded)
        for path in self.graph.reader.universe.files(view.path):
            data = self.graph.reader.corpus.data(path)
            if encoded not in data:
                continue
            if any(hint in data and one.search(data) for hint, one in taken):
                return True
            numbers = {n for hint, one in numbered if hint in data for n in one.findall(data)}
            if any(self._is_zero(one.decode(), path) for one in numbers):
                return True
        return False

    def _is_zero(self, number: str, path: str) -> bool:
        """Tell whether a number that is written out, or a constant's name, is 0."""
        if not number[0].isdigit() and not number.isupper():
            return False
        value = self.constants.value(number, path)
        return value is not None and value.value == 0


def _patterns(
    kinds: Mapping[bytes, bytes], word: bytes
) -> Sequence[tuple[bytes, re.Pattern[bytes]]]:
    return [(hint, re.compile(kind % re.escape(word))) for hint, kind in kinds.items()]


def _worst(answers: Iterable[Answer]) -> Answer:
    """Return YES if any is, else UNKNOWN if any is, or if there is none."""
    found = list(answers)
    for zero in (Zero.YES, Zero.UNKNOWN):
        for one in found:
            if one.zero is zero:
                return one
    return _NO if found else _UNKNOWN


def _is_counted_on(member: Node) -> bool:
    """Tell whether 1, or more, is added to a member."""
    parent = member.parent
    sign = parent.child_by_field_name("operator") if parent is not None else None
    if parent is None or sign is None:
        return False
    if parent.type == "assignment_expression":
        return sign.type == "+=" and parent.child_by_field_name("left") == member
    return parent.type == "update_expression" and sign.type == "++"


def _is_written_at(member: Node) -> bool:
    """Tell whether a member is stored to, or can be by who is told where it is."""
    inner = member
    while inner.parent is not None and inner.parent.type in _PARTS:
        inner = inner.parent
    up = inner.parent
    if up is None:
        return False
    if up.type == "pointer_expression":
        return up.children[0].type == "&"
    if up.type == "assignment_expression":
        return up.child_by_field_name("left") == inner
    return up.type == "update_expression"


def _stored_in(view: View, name: str) -> list[Node]:
    """Return what is assigned to what is called so in a function."""
    values = []
    for one in _mentions(view, name):
        up = one.parent
        right = up.child_by_field_name("right") if up is not None else None
        is_stored = up is not None and up.type == "assignment_expression"
        if is_stored and right is not None and right.id != one.id:
            values.append(right)
    return values


def _mentions(view: View, name: str) -> Sequence[Node]:
    """Return where a variable, a member of one, or what one points to stands in a function."""
    if name.startswith("*"):
        around = (one.parent for one in view.occurrences(name[1:]))
        return [one for one in around if one is not None and node_text(one) == name]
    *_, field = re.split(r"\s*(?:->|\.)\s*", name)
    if field == name:
        return view.occurrences(name)
    around = (one.parent for one in view.occurrences(field))
    return [one for one in around if one is not None and node_text(one) == name]


def _is_changed(view: View, name: str, value: Node, use: Node) -> bool:
    """Tell whether a variable is counted on between a value and a use, but by the loop around."""
    for node in _mentions(view, name):
        parent = node.parent
        if not value.end_byte <= node.start_byte < use.start_byte or parent is None:
            continue
        if parent.type == "update_expression" and not _is_in_a_loop_before(parent, use):
            return True
        if parent.type == "pointer_expression" and parent.children[0].type == "&":
            return True
    return False


def _is_counted_first(view: View, name: str, since: int, use: Node) -> bool:
    """Tell whether a variable is counted on between an offset and a use, whatever way is taken.

    And nothing else is done to it.
    """
    surely = False
    for node in _mentions(view, name):
        up = node.parent
        if not since <= node.start_byte < use.start_byte or up is None:
            continue
        if up.type == "pointer_expression" or "--" in node_text(up):
            return False
        if up.type == "update_expression" and not _is_in_a_loop_before(up, use):
            surely |= not _conditions_but(up, use)
    return surely


def _conditions_but(node: Node, other: Node) -> list[Node]:
    """Return the conditions on the way to a node that are not on that to another one behind it."""
    known = {one.node.id for one in conditions_to(other) if one.of.type != "switch_statement"}
    whole = node
    while whole.parent is not None and whole.parent.type.endswith("_expression"):
        whole = whole.parent
    first = (whole.text or b"")[: node.start_byte - whole.start_byte]
    found = [one.node for one in conditions_to(node) if one.node.id not in known]
    # What stands to the right of these may not be asked.
    return [*found, whole] if b"&&" in first or b"||" in first else found


def _is_in_a_loop_before(node: Node, use: Node) -> bool:
    """Tell whether a node stands in a loop that ends before a use: it need not be run at all."""
    below, up = node, node.parent
    while up is not None and up.end_byte <= use.start_byte:
        if up.type in ("for_statement", "while_statement") and not _is_run_first(below, up):
            return True
        below, up = up, up.parent
    below, around = node, node.parent
    while around is not None and around.type == "comma_expression":
        below, around = around, around.parent
    is_loop = around is not None and around.type == "for_statement"
    return is_loop and around is not None and not _is_run_first(below, around)


def _is_run_first(part: Node, loop: Node) -> bool:
    """Tell whether a part of a loop is what it begins with, or its condition."""
    first = [loop.child_by_field_name(name) for name in ("initializer", "condition")]
    return any(one is not None and one.id == part.id for one in first)


def _is_tested_behind(view: View, name: str, place: Place) -> bool:
    """Tell whether a condition behind a place asks for a variable, or for a member."""
    for node in view.occurrences(re.split(r"\W+", name)[-1]):
        if view.place(node.start_byte) <= place:
            continue
        up = node.parent
        while up is not None and up.type not in ("compound_statement", "expression_statement"):
            if up.type == "if_statement":
                return True
            up = up.parent
    return False


def _is_put_for_a_lower(view: View, site: Site, slots: Iterable[str]) -> bool:
    """Tell whether a store is followed, whatever comes, by the call of one of another's slots."""
    return any(
        node.start_byte > store.start_byte
        and node.parent is not None
        and node.parent.parent is not None
        and node.parent.parent.child_by_field_name("function") == node.parent
        and all(slot in node_text(one) for one in _conditions_but(node, store))
        for slot in slots
        for node in view.occurrences(slot)
        for store in site.nodes
    )
