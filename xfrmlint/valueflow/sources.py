"""Where a value comes from: one backward engine for all questions.

From an expression the engine goes to what it can be (Forms.alternatives), from a local variable
to what is assigned to it, from a parameter to what callers pass, from a member to all that is
stored in it, from a call to what is returned, until the asker's `classify` takes an expression for
an answer. With

    struct net_device *low = c ? p->low : dev;

`low` comes from all that is stored in p->low, and from what callers pass as dev. What can be
followed no further and is no answer is a doubt: then the answers are not all there are.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from tree_sitter import Node

from xfrmlint.c.expression import LOOPS, arguments_of, called_by
from xfrmlint.c.jumps import block_of
from xfrmlint.c.mention import slot_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import Place, below
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.valueflow.forms import Forms, Passed, Stored, Value, plain

T = TypeVar("T")
_MOST = 300
# What an expression points into is what this operand of it does.
_WITHIN = {
    "subscript_expression": "argument",
    "pointer_expression": "argument",
    "binary_expression": "left",
}
_NOTHING = ("null", "number_literal")


class Sources(NamedTuple, Generic[T]):
    """The answers, each with the place of the expression that gave it, and what stayed open."""

    answers: dict[T, Place]
    doubts: tuple[tuple[Place, str], ...]


class Tracer(Generic[T]):
    """Follows values backwards in one driver.

    classify: the answer that an expression is, None for one to be followed. stored: the same for a
    store of which more than the value is known.
    """

    def __init__(
        self,
        reader: Reader,
        passed: Passed,
        classify: Callable[[View, Node], T | None],
        stored: Callable[[Stored], T | None] = lambda _: None,
    ) -> None:
        self.reader = reader
        self.passed = passed
        self.forms = Forms(reader, passed)
        self.classify = classify
        self.stored = stored

    def of(self, view: View, node: Node) -> Sources[T]:
        """Return what an expression can come from."""
        return self._follow([Value(view, node)])

    def of_member(self, struct: str, name: str, path: str, holder: str = "") -> Sources[T]:
        """Return what a member of a struct type can hold.

        holder: the member by which the struct is reached, if one is known; stores in structs that
        are reached by another one don't count, if there are any others.
        """
        answers: dict[T, Place] = {}
        stores = self.forms.stores_of_member(struct, name, path)
        stores = [s for s in stores if not holder or _holder(s) in ("", holder)] or stores
        values, doubts = self._split(stores, answers)
        if not values and not answers and not doubts:
            doubts = [(Place(path, 0, 0), f"nobody is seen to store {struct}.{name}")]
        return self._follow(values, answers, doubts)

    def _follow(
        self,
        start: Iterable[Value],
        answers: dict[T, Place] | None = None,
        doubts: list[tuple[Place, str]] | None = None,
    ) -> Sources[T]:
        found: dict[T, Place] = dict(answers or {})
        open_: dict[tuple[Place, str], None] = dict.fromkeys(doubts or ())
        queue = [leaf for value in start for leaf in self.forms.alternatives(value)]
        seen: set[tuple[str, str, int]] = set()
        for view, node in queue:
            mark = (f"{view.path} {view.function}", node_text(node), node.start_byte)
            if mark in seen or node.type in _NOTHING or node_text(node) == "NULL":
                continue
            seen.add(mark)
            answer = self.classify(view, node)
            if answer is not None:
                found.setdefault(answer, view.place(node.start_byte))
                continue
            place = view.place(node.start_byte)
            if len(seen) > _MOST:
                open_[place, "it comes from too many places"] = None
                break
            values = self._expanded(view, node, found, open_)
            if values is None:
                text = " ".join(node_text(node).split())[:60]
                open_[place, f"where {text} comes from is not known"] = None
                continue
            queue += [leaf for value in values for leaf in self.forms.alternatives(value)]
        return Sources(found, tuple(open_))

    def _split(
        self, stores: Sequence[Stored], answers: dict[T, Place]
    ) -> tuple[list[Value], list[tuple[Place, str]]]:
        """Return the values of stores to follow, and what is written that nobody shows."""
        values: list[Value] = []
        doubts: list[tuple[Place, str]] = []
        for stored in stores:
            answer = self.stored(stored)
            place = stored.view.place(stored.at.start_byte)
            if answer is not None:
                answers.setdefault(answer, place)
            elif stored.value is None:
                doubts.append((place, f"what is written to {node_text(stored.at)} is not known"))
            else:
                values.append(Value(stored.view, stored.value))
        return values, doubts

    def _expanded(
        self,
        view: View,
        node: Node,
        answers: dict[T, Place],
        doubts: dict[tuple[Place, str], None],
    ) -> list[Value] | None:
        """Return what an expression's value is one of; None where that can't be told."""
        if node.type in _WITHIN:
            inner = node.child_by_field_name(_WITHIN[node.type])
            return [Value(view, inner)] if inner is not None else None
        if node.type == "identifier":
            return self._of_name(view, node, answers, doubts)
        if node.type == "field_expression":
            slot = slot_of(self.reader, view, node)
            kind, _, tag = slot.struct.partition(" ")
            home = self.reader.corpus.find(kind, tag, view.path) if tag.isidentifier() else None
            if not slot.struct or (home is not None and _is_everybodys(home.path)):
                return None
            stores = self.forms.stores_of_member(slot.struct, slot.field, view.path)
            return self._values(stores, answers, doubts)
        if node.type == "call_expression":
            called = node.child_by_field_name("function")
            around = _container(node)
            if around is not None:
                return [Value(view, around)]
            if function_named(called_by(node)).static_call == "call":
                return self._values(self.forms.stores_of_static_call(view, node), answers, doubts)
            names = self.forms.alternatives(Value(view, called)) if called is not None else []
            texts = (node_text(name.node) for name in names)
            found = [value for text in texts for value in returned_by(self.reader, text, view.path)]
            return found or None
        return None

    def _values(
        self,
        stores: Sequence[Stored],
        answers: dict[T, Place],
        doubts: dict[tuple[Place, str], None],
    ) -> list[Value] | None:
        """Return the values of some stores; None if there are none."""
        values, open_ = self._split(stores, answers)
        doubts.update(dict.fromkeys(open_))
        return values if stores else None

    def _of_name(
        self,
        view: View,
        node: Node,
        answers: dict[T, Place],
        doubts: dict[tuple[Place, str], None],
    ) -> list[Value] | None:
        name = node_text(node)
        local = view.local(name, node.start_byte) if view.kind == "function" else None
        if local is None:
            stores = [
                stored
                for where, other in self.reader.near(name, view.path)
                if other.type == "identifier" and where.local(name, other.start_byte) is None
                for stored in self._of_global(where, other)
            ]
            return self._values(stores, answers, doubts)
        found = [Value(view, value) for value in reaching(view.assignments(name), node, view)]
        found += self._values(self.forms.stores_of_local(view, name), answers, doubts) or []
        if local.parameter >= 0:
            callers = self.passed(view.function, local.parameter)
            found += [Value(*caller) for caller in callers]
        return found or None

    def _of_global(self, view: View, node: Node) -> list[Stored]:
        """Return what is stored in a file's variable where it stands; its initializer, too."""
        parent = node.parent
        while parent is not None and parent.type.endswith("declarator"):
            if parent.type == "init_declarator":
                value = parent.child_by_field_name("value")
                return [Stored(view, value, None, node)] if value is not None else []
            parent = parent.parent
        return self.forms.stores_at(view, node)


def _holder(stored: Stored) -> str:
    """Return the member that the struct of a store is read from, or nothing."""
    base = plain(stored.base) if stored.base is not None else None
    field = base.child_by_field_name("field") if base is not None else None
    return node_text(field) if field is not None else ""


def _is_everybodys(path: str) -> bool:
    """Tell whether a struct's header is the whole kernel's; include/linux/VENDOR/ is a driver's."""
    return path.startswith("include/") and path.count("/") < 3


def _container(call: Node) -> Node | None:
    """Return p for container_of(&p->member, struct s, member)."""
    arguments = arguments_of(call)
    if function_named(called_by(call)).struct < 0 or not arguments:
        return None
    member = plain(arguments[0])
    return member.child_by_field_name("argument") if member.type == "field_expression" else None


def reaching(values: Sequence[Node], use: Node, view: View) -> list[Node]:
    """Return the assigned values that a use can see: those from the last sure one on.

    An assignment is sure if it is run whenever its block is, which encloses the use, and if no goto
    jumps past it.
    """
    before = [v for v in values if v.start_byte < use.start_byte]
    around = set()
    # What stands behind a use comes before it where control goes back.
    loop_end = max((a for a, label in view.jumps if label <= use.start_byte < a), default=0)
    up = use.parent
    while up is not None:
        if up.type == "compound_statement":
            around.add(up.id)
        if up.type in LOOPS:
            loop_end = max(loop_end, up.end_byte)
        up = up.parent
    sure = [
        v
        for v in before
        if getattr(block_of(v), "id", 0) in around
        and not _conditional(v, use, view)
        and not any(a < v.start_byte < label <= use.start_byte for a, label in view.jumps)
    ]
    start = sure[-1].start_byte if sure else 0
    return [v for v in values if start <= v.start_byte < max(use.start_byte, loop_end)]


def _conditional(value: Node, use: Node, view: View) -> bool:
    """Tell whether an assignment stands under an #if that the use does not."""
    if view.expanded:
        return False
    unit = view.corpus.unit(view.path)
    own = unit.condition(value.start_byte)
    return own != "" and own != unit.condition(use.start_byte)


def returned(view: View) -> list[Node]:
    """Return the expressions that a function returns."""
    left = (node for node in below(view.node) if node.type == "return_statement")
    return [value for node in left for value in node.named_children[:1]]


def returned_by(reader: Reader, name: str, path: str) -> list[Value]:
    """Return what a driver's functions of a name return."""
    found = reader.definitions(name, path)
    return [Value(view, value) for view in found for value in returned(view)]
