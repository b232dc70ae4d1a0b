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
from xfrmlint.c.expression import arguments_of, call_of, called, without_casts
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.mention import Slot, slot_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Occurrence
from xfrmlint.c.unit import Place
from xfrmlint.c.view import View
from xfrmlint.contract.words import DELETE, ESN, FREE, HANDLE
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.access import Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.conditions import Asked, bits_of, keeps_zero
from xfrmlint.program.limits import first_of_limit
from xfrmlint.program.put import address_given, values_put
from xfrmlint.program.sites import Site
from xfrmlint.valueflow.sources import reaching, returned_by

_DEEPEST = 10
_SUMS = ("+", "|")
_COMPARES = ("==", "!=", "<", ">", "<=", ">=")
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
                first = node_text(node).startswith("++")
                return _NO if first else self.of(view, node.named_children[0], depth + 1)
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
        slot = slot_of(self.graph.reader, view, node)
        offload = self.graph.reader.contract.offload
        if (slot.struct, slot.field) in ((_ID, "spi"), (offload, "dir")):
            return _NO
        name = node_text(node)
        named = self._named(slot, view.path)
        answers = self._of_place(view, name, node, depth)
        if answers:
            changed = any(self._is_changed_in(view, node, one) for one in named)
            return _UNKNOWN if changed else _worst(answers)
        # What was counted on is above 0, until it wraps.
        if _is_counted_first(view, name, view.node.start_byte, node):
            return _NO
        counts = [one for one in named if one.node.parent and _is_counted_on(one.node.parent)]
        answers = [
            one for at in named if at not in counts for one in self._put(at.view, at.node, depth)
        ]
        if counts and not answers and all(_is_behind(view, node, one) for one in counts):
            # Nobody else stores there: it is as it was when the driver's memory was taken.
            return Answer(Zero.YES, view.place(node.start_byte), f"{slot.field} begins at 0")
        asked = keeps_zero(Asked(self.constants, view, name), 0, node)
        if asked is not None:
            return _NO if asked else _UNKNOWN
        # Which of several stores it was is not known.
        same = len({answer.zero for answer in answers}) == 1
        return answers[0] if same else _UNKNOWN

    def _named(self, slot: Slot, path: str) -> list[Occurrence]:
        """Return where a driver names a member of a struct."""
        return [
            one
            for one in (self.graph.reader.near(slot.field, path) if slot.struct else ())
            if one.node.type == "field_identifier" and one.node.parent is not None
            if one.node.parent.type == "field_designator"
            or slot_of(self.graph.reader, one.view, one.node.parent).struct in ("", slot.struct)
        ]

    def _is_changed_in(self, view: View, use: Node, named: Occurrence) -> bool:
        """Tell whether a member is changed where it is named, by a function called before a use."""
        base = use.child_by_field_name("argument")
        member = named.node.parent
        if base is None or member is None or named.view.function == view.function:
            return False
        stored = _is_counted_on(member) or self.graph.forms.stores_at(named.view, named.node)
        calls = map(call_of, view.occurrences(named.view.function.name)) if stored else ()
        return any(
            call is not None
            and call.start_byte < use.start_byte
            and node_text(base) in (node_text(one).strip("&() ") for one in arguments_of(call))
            for call in calls
        )

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
        answers = self._of_place(view, name, node, depth)
        if local.parameter >= 0 and not answers:
            asked = keeps_zero(Asked(self.constants, view, name), 0, node)
            if asked is not None:
                return _NO if asked else _UNKNOWN
            passed = self.graph.passed(view.function, local.parameter)
            answers = [self.of(where, given, depth + 1) for where, given in passed]
        return _worst(answers)

    def _of_place(self, view: View, name: str, use: Node, depth: int) -> list[Answer]:
        """Return whether what a function puts into a variable, or a member of one, can be 0."""
        values = view.assignments(name) if name.isidentifier() else _stored_in(view, name)
        answers = [self._assigned(view, name, v, use, depth) for v in reaching(values, use, view)]
        return answers + list(self._handed_out(view, name, values, use, depth))

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
        name, given = called(call), arguments_of(call)
        function = call.child_by_field_name("function")
        if given and self.constants.cast_in(function, view.path) is not None:
            return self.of(view, given[-1], depth + 1)
        if name and self.graph.reader.definitions(name, view.path):
            values = returned_by(self.graph.reader, name, view.path)
            return _worst(self.of(*value, depth + 1) for value in values)
        does = function_named(name)
        if does.number not in ("", "computed") and given:
            # FIELD_PREP(mask, value)
            of = self.of(view, given[-1], depth + 1)
            return of if does.number == "same" or of.zero is Zero.YES else _UNKNOWN
        if does.least and does.least_in < 0:
            return self._least(view, call, depth)
        if does.returned is not None and does.returned.position < len(given):
            return self.of(view, given[does.returned.position], depth + 1)
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
        for node in _mentions(view, name):
            given = address_given(node)
            if given is None or node.start_byte > use.start_byte:
                continue
            end = given.call.end_byte
            stored = any(end < value.start_byte < use.start_byte for value in values)
            asked = keeps_zero(Asked(self.constants, view, name), end, use)
            if stored or _is_changed(view, name, given.call, use):
                yield _UNKNOWN
            elif asked is not None:
                yield _NO if asked else _UNKNOWN
            else:
                yield _worst(self._put(view, node, depth))

    def _put(self, view: View, node: Node, depth: int) -> list[Answer]:
        """Return whether what is put into a place where it is named can be 0."""
        given = address_given(node)
        if given is not None and function_named(given.name).least_in == given.position:
            return [self._least(view, given.call, depth)]
        found = []
        for value in values_put(self.graph.forms, view, node):
            answer = self.of(*value, depth + 1) if value is not None else _UNKNOWN
            if value is not None and value.view is not view:
                since = value.view.place(value.node.start_byte)
                tested = _is_tested_behind(value.view, node_text(value.node), since)
                answer = _UNKNOWN if tested else answer
            found.append(answer)
        return found

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


def _is_behind(view: View, node: Node, named: Occurrence) -> bool:
    """Tell whether a member is named in the function that reads it, and not before it does."""
    at = named.view.place(named.node.start_byte)
    return named.view.function == view.function and at >= view.place(node.start_byte)


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
    """Return where a variable, or a member of one, stands in a function."""
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
