"""A function's body: its instructions, step by step, and what its names mean."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import around, called_by
from xfrmlint.c.graph import Does, graph_of
from xfrmlint.c.loops import arguments_of, head_of
from xfrmlint.c.lower import Instruction, Lowered
from xfrmlint.c.nodes import node_text
from xfrmlint.c.syntax import (
    Assignment,
    Binary,
    Block,
    Call,
    Declaration,
    Expression,
    Index,
    Name,
    Update,
    inside,
)
from xfrmlint.c.view import Local
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.primitives import reads_once

if TYPE_CHECKING:
    from xfrmlint.concrete.sources import Sources

_SEQUENCED = ("&&", "||")


class Unordered(NamedTuple):
    """Operands that C may evaluate in any order, by where they begin and end.

    own: where an assignment itself is noted, which comes behind both; -1 for all else.
    """

    ranges: tuple[tuple[int, int], ...]
    own: int


class Prepared(NamedTuple):
    """A step ready to be run.

    number: its own. start: its first instruction, or an exit. single: what is evaluated where no
    instruction is needed for it. loop: the macro that makes a loop of it. begins: the loop whose
    first turn comes next. unordered: what the order of evaluation may not decide. inside: where it
    stands, or -1.
    """

    number: int
    does: Does
    next: Sequence[int]
    cases: Sequence[tuple[str | None, int]]
    offset: int
    code: Sequence[Instruction]
    start: int
    single: Expression | None
    loop: str
    arguments: Sequence[Expression]
    begins: int
    unordered: tuple[Unordered, ...]
    inside: int


class Body:
    """A source's instructions and variables, made once and when they are come to."""

    def __init__(self, source: Source, names: "Sources") -> None:
        self.source = source
        self.view = source.view
        statements = self.view.body.named_children if self.view.body is not None else []
        self.lowered = Lowered(
            self.view, graph_of(self.view, statements), names.constants, names.does
        )
        # `(void)` is a parameter to the parser.
        self.count = len(self.view.parameters)
        declarator = self.view.node.child_by_field_name("declarator")
        if self.count == 1 and declarator is not None:
            self.count -= re.search(r"\(\s*void\s*\)\s*$", node_text(declarator)) is not None
        self.parameters = [local for local in self.view.locals if local.parameter >= 0]
        # Each is made, or looked for, once.
        self.step = cache(self._prepared)
        self.local = cache(self._local)
        self.is_once = cache(self._is_once)
        self.refused = cache(_refused)

    def _prepared(self, index: int) -> Prepared:
        """Return a step."""
        step = self.lowered.steps[index]
        node = step.node
        offset = node.start_byte if node is not None else self.view.node.start_byte
        loop = ""
        arguments: Sequence[Expression] = ()
        above = node.parent if node is not None and step.does is Does.TEST else None
        if above is not None and above.type == "while_statement":
            loop = head_of(offset, self.view)
            arguments = arguments_of(self.lowered.statement(index)[0])
        code = self.lowered.code(index)
        statement = self.lowered.statement(index)
        # Where asm goto leads, or whether a lock is had, nobody can say.
        open_ = step.does is Does.EVALUATE and len(step.next) > 1
        unordered = () if self.lowered.is_inside(index) else tuple(_unordered(statement))
        return Prepared(
            index,
            Does.CUT if open_ else step.does,
            step.next,
            step.cases,
            offset,
            code.instructions,
            code.start,
            statement[0] if code.start < 0 and len(statement) == 1 else None,
            loop if loop != "while" else "",
            arguments,
            step.next[0] if step.begins else -1,
            unordered,
            node.start_byte if node is not None else -1,
        )

    @cached_property
    def blocks(self) -> Mapping[int, tuple[int, int]]:
        """The range of the block that each variable lives in, if it is not the whole function's."""
        found = {}
        body = self.view.body
        for local in self.view.locals if body is not None else ():
            node = self.view.node.descendant_for_byte_range(local.start, local.start)
            node = around(node, "compound_statement", "for_statement")
            if local.parameter < 0 and node is not None and node != body:
                found[slot(local)] = node.start_byte, node.end_byte
        return found

    def _local(self, one: Name) -> Local | None:
        """Return the variable that a name means."""
        return self.view.local(one.name, one.start)

    def _is_once(self, one: Expression) -> bool:
        """Tell whether something is read by READ_ONCE() or a relative of it."""
        node = one.node.parent
        while node is not None and node.type == "parenthesized_expression":
            node = node.parent
        call = node.parent if node is not None and node.type == "argument_list" else None
        return call is not None and reads_once(called_by(call))


def _refused(made: Declaration) -> str:
    """Return why a declaration declares no plain variable of the function's own, or nothing."""
    whole = made.node.parent
    words = [node_text(c) for c in whole.children if c.type != "init_declarator"] if whole else []
    if ("static" in words and "const" not in words) or "extern" in words:
        return "a variable that isn't the function's own"
    inner: Node | None = made.target.node
    while inner is not None and inner != whole:
        if inner.type == "array_declarator":
            return "an array"
        inner = inner.parent
    return ""


def slot(local: Local) -> int:
    """Return the key of a variable: where it is declared."""
    return -1 - local.parameter if local.parameter >= 0 else local.start


def _unordered(statement: Sequence[Expression]) -> Iterator[Unordered]:
    """Yield the operands of a statement whose order may matter: one of them stores something."""
    for one in inside(statement):
        operands: Sequence[Expression] = ()
        own = -1
        match one:
            case Binary() if one.operator not in _SEQUENCED:
                operands = (one.left, one.right)
            case Index():
                operands = (one.of, one.index)
            case Call():
                operands = (one.callee, *one.arguments)
            case Assignment():
                operands, own = (one.target, one.value), one.target.node.end_byte
        if len(operands) > 1 and any(isinstance(p, _STORING) for p in inside(operands)):
            yield Unordered(tuple((p.node.start_byte, p.node.end_byte) for p in operands), own)


_STORING = Assignment | Update | Call | Block
