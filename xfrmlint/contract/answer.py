"""What the return value says of a resolver that stores its handle through a pointer.

Read off its own code: each of its return statements says that there is no handle, or that there is
one. Whether that one can be 0 is asked of what was stored, and of the conditions on the way.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, bare, called_by, without_casts
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.contract.words import (
    BOOLEANS,
    NO,
    RESOLVE,
    RESULT,
    UNKNOWN,
    YES,
    ZEROED,
    Contract,
    Said,
    Where,
)

_ZERO = re.compile(r"0[uUlL]*|false")
_ERROR = re.compile(r"-\s*(?:E[A-Z0-9]+|[1-9]\d*)")
_DEEPEST = 3


class _Says(Enum):
    NONE = auto()  # there is no handle
    FOUND = auto()  # there is one, and it is not 0
    MAYBE = auto()  # there is one, and nothing says that it is not 0
    OPEN = auto()


def answers_of(reader: Reader, contract: Contract) -> dict[str, Said]:
    """Return what the code of a resolver that puts its handle somewhere says to two questions."""
    resolver = contract.resolver
    if resolver is None or contract.answer_at < 0:
        return {}
    path, line = resolver.place
    views = [v for v in reader.functions(resolver.name, path) if v.function.line == line]
    views = [v for v in views if v.body is not None]
    if not views:
        said = Said(UNKNOWN, resolver.place, f"the code of {resolver.name}() is not seen")
        return {RESULT: said, ZEROED: said}
    read = [_Answer(view, contract) for view in views]
    results, zeroed = [one.result() for one in read], [one.zeroed() for one in read]
    worst = (UNKNOWN, NO, YES)
    return {
        RESULT: min(results, key=lambda said: worst.index(said.says)),
        ZEROED: min(zeroed, key=lambda said: worst.index(said.says)),
    }


class _Answer:
    """One reading of the resolver's code. out: the parameter that says where the handle goes."""

    def __init__(self, view: View, contract: Contract) -> None:
        self.view = view
        self.slot = contract.slots.get(RESOLVE)
        resolver = contract.resolver
        assert resolver is not None
        self.truth = resolver.result in BOOLEANS
        self.out = view.parameters[contract.answer_at]
        self.stores = list(self._stores())

    def result(self) -> Said:
        """Tell whether the result is the test for 0: it says so exactly where the handle is."""
        assert self.view.body is not None
        for node in below(self.view.body):
            if node.type != "return_statement" or not node.named_children:
                continue
            said = {one for value in _choices(node.named_children[0]) for one in self._of(value, 0)}
            if said & {_Says.OPEN, _Says.MAYBE}:
                open_ = _Says.OPEN in said
                what = "is not understood" if open_ else "nothing excludes 0 here"
                return Said(UNKNOWN if open_ else NO, self._where(node), what)
        return Said(YES, self._where(self.view.node))

    def zeroed(self) -> Said:
        """Tell whether 0 is stored before anything else is done."""
        assert self.view.body is not None
        for store in self.stores:
            statement = store.parent
            first = statement is not None and statement.parent == self.view.body
            value = store.child_by_field_name("right")
            if first and value is not None and _ZERO.fullmatch(node_text(without_casts(value))):
                before = self.view.body.named_children
                earlier = [one for one in before if one.start_byte < store.start_byte]
                returns = [n for one in earlier for n in below(one) if n.type == "return_statement"]
                if not returns:
                    return Said(YES, self._where(store))
        return Said(NO, self._where(self.view.node))

    def _where(self, node: Node) -> Where:
        place = self.view.place(node.start_byte)
        return Where(place.path, place.line)

    def _stores(self) -> Iterator[Node]:
        for named in self.view.occurrences(self.out):
            through = named.parent
            while through is not None and through.type == "parenthesized_expression":
                through = through.parent
            store = through.parent if through is not None else None
            if through is None or node_text(through).replace(" ", "") != f"*{self.out}":
                continue
            if store is not None and store.type == "assignment_expression":
                if store.child_by_field_name("left") == through:
                    yield store

    def _of(self, value: Node, depth: int) -> Iterator[_Says]:
        """Yield what a value that is returned says."""
        text = node_text(value)
        if value.type == "call_expression":
            yield _Says.FOUND if self._is_callback(value) else _Says.OPEN
        elif (self.truth and _ZERO.fullmatch(text)) or (not self.truth and _ERROR.fullmatch(text)):
            yield _Says.NONE
        elif text in (("true", "1") if self.truth else ("0",)):
            yield _Says.FOUND if self._is_guarded(value) else _Says.MAYBE
        elif self.truth and self._is_asked(value, text):
            yield _Says.FOUND
        elif value.type == "identifier" and depth < _DEEPEST:
            values = self.view.assignments(text)
            if not values:
                yield _Says.OPEN
            for one in values:
                for other in _choices(one):
                    yield from self._of(other, depth + 1)
        else:
            yield _Says.OPEN

    def _is_callback(self, call: Node) -> bool:
        """Tell whether the owner is asked, who answers in the same way."""
        given = [node_text(bare(one)) for one in arguments_of(call)]
        slot = self.slot
        if slot is None or slot.gives != "pointed":
            return False
        called = [called_by(call), *map(node_text, self.view.assignments(called_by(call)))]
        if not any(re.search(rf"(?:->|\.)\s*{slot.name}\s*\)*$", one) for one in called):
            return False
        return self.out in given and (slot.result in BOOLEANS) == self.truth

    def _stored(self, at: int) -> str:
        """Return what was stored last before a place, as it is written."""
        before = [one for one in self.stores if one.start_byte < at]
        value = before[-1].child_by_field_name("right") if before else None
        return node_text(without_casts(value)) if value is not None else ""

    def _handles(self, at: int) -> tuple[str, ...]:
        """Return what the handle can be asked by at a place."""
        stored = self._stored(at)
        named = (stored,) if re.fullmatch(r"\w+", stored) and not stored.isdigit() else ()
        once = tuple(name for name in named if len(self.view.assignments(name)) == 1)
        return (f"*{self.out}", *once)

    def _is_asked(self, value: Node, text: str) -> bool:
        """Tell whether a value is true exactly where the handle is not 0."""
        return _bared(text) in _nonzero(self._handles(value.start_byte))

    def _is_guarded(self, node: Node) -> bool:
        """Tell whether a condition on the way to a place excludes that the handle is 0."""
        handles = self._handles(node.start_byte)
        for condition in conditions_to(node):
            text = node_text(without_casts(condition.node))
            sign, wanted = ("&&", _nonzero(handles)) if condition.held else ("||", _zero(handles))
            mixed = "||" if sign == "&&" else "&&"
            parts = [_bared(part) for part in text.split(sign)]
            if condition.held is not None and mixed not in text and wanted & {*parts}:
                return True
        return False


def _bared(text: str) -> str:
    text = "".join(text.split())
    while text.startswith("(") and text.endswith(")") and ")" not in text[1:-1]:
        text = text[1:-1]
    return text


def _nonzero(handles: tuple[str, ...]) -> set[str]:
    return {form for one in handles for form in (one, f"!!{one}", f"{one}!=0", f"{one}>0")}


def _zero(handles: tuple[str, ...]) -> set[str]:
    return {form for one in handles for form in (f"!{one}", f"{one}==0")}


def _choices(value: Node) -> Iterator[Node]:
    """Yield what an expression can be: the two sides of ?:, else itself."""
    while value.type == "parenthesized_expression" and value.named_child_count == 1:
        value = value.named_children[0]
    if value.type != "conditional_expression":
        yield value
        return
    for side in ("consequence", "alternative"):
        inner = value.child_by_field_name(side)
        if inner is not None:
            yield from _choices(inner)
