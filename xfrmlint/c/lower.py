"""Instructions: a function's steps taken apart until evaluating an expression has no effects.

Calls, `?:`, && and ||, assignments and `({ })` inside an expression become instructions that leave
a temporary behind. With

    if (!h || f(h = g(x)) > 2)

the step asks `h`, and where that holds calls g, assigns, calls f, and asks whether its temporary
is greater than 2. An instruction's `next` is another one of its step, or (negative) an exit: of a
test 0 is true and 1 false, all others have the exit 0 alone.

A step is lowered when it is asked for: most are of no interest to anybody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from xfrmlint.c.constants import Constants
from xfrmlint.c.graph import Does, Graph, Step, left_for
from xfrmlint.c.integers import BOOLS, COMPARISONS
from xfrmlint.c.loops import loop_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reading import Syntax
from xfrmlint.c.syntax import (
    UNEVALUATED,
    Assignment,
    Before,
    Binary,
    Block,
    Call,
    Choice,
    Comma,
    Conditional,
    Declaration,
    Entry,
    Expression,
    Initializer,
    Literal,
    Member,
    Name,
    Opaque,
    Stops,
    Temporary,
    Truth,
    Unary,
    Update,
    bared,
    inside,
    parts_of,
    source_of,
    with_parts,
)
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import Function, function_named

_SHORT = ("&&", "||")
_JOINING = {"|": "||", "&": "&&", "+": "||"}
# What has effects, which come in no order.
_DONE = Call | Assignment | Update | Choice | Block
# What leaves a temporary behind, as conditions do.
_KEPT = Call | Assignment | Update | Choice | Conditional


@dataclass(frozen=True, slots=True, eq=False)
class Evaluate:
    """Evaluate an expression for what happens on the way."""

    value: Expression
    next: int


@dataclass(frozen=True, slots=True, eq=False)
class Keep:
    """Keep a value in a temporary."""

    to: Temporary
    value: Expression
    next: int


@dataclass(frozen=True, slots=True, eq=False)
class Decide:
    """Keep in a temporary whether a condition holds: 1, 0, or not known."""

    to: Temporary
    condition: Expression
    next: int


@dataclass(frozen=True, slots=True, eq=False)
class Assign:
    """Assign, with an operator or without; result: the value, if it is wanted."""

    to: Expression
    operator: str
    value: Expression
    result: Temporary | None
    next: int


@dataclass(frozen=True, slots=True, eq=False)
class Declare:
    """Declare a variable, with its first value if it has one."""

    declaration: Declaration
    next: int


@dataclass(frozen=True, slots=True, eq=False)
class Count:
    """Add 1 to a variable, or subtract it."""

    update: Update
    result: Temporary | None
    next: int


@dataclass(frozen=True, slots=True, eq=False)
class Enter:
    """Call a function. call: with arguments that have no effects."""

    call: Call
    result: Temporary
    next: int


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """Ask whether something holds."""

    condition: Expression
    true: int
    false: int


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """Go on in each of several ways."""

    ways: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """A switch: the exits are its cases."""

    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Return:
    """Leave the function."""

    value: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Inside:
    """Go on at a step of a statement expression; its end leads to `next`."""

    step: int
    next: int


@dataclass(frozen=True, slots=True, eq=False)
class Stop:
    """Go nowhere: what stands here does not come back."""

    at: Stops


Instruction = (
    Evaluate
    | Keep
    | Decide
    | Assign
    | Declare
    | Count
    | Enter
    | Test
    | Fork
    | Select
    | Return
    | Inside
    | Stop
)
_Then = Callable[[Expression], int]


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """A step's instructions. start: where it begins, perhaps at an exit at once."""

    instructions: Sequence[Instruction]
    start: int


def leave(number: int) -> int:
    """Return what leads to an exit."""
    return -1 - number


class Lowered:
    """A function's steps, and their instructions on demand.

    steps: the graph's (so many are its own), then those of its statement expressions. back: where
    the end of one of these leads to: a step, and what of it comes next. known: see Syntax.
    """

    def __init__(
        self,
        view: View,
        graph: Graph,
        constants: Constants,
        known: Callable[[str], Function] = function_named,
    ) -> None:
        self.view = view
        self.graph = graph
        self.steps: list[Step] = list(graph.steps)
        self.own = len(graph.steps)
        self.back: dict[int, tuple[int, int]] = {}
        self.syntax = Syntax(view, constants, known)
        self._statements: dict[int, Sequence[Expression]] = {}
        self._codes: dict[int, Code] = {}

    def statement(self, index: int) -> Sequence[Expression]:
        """Return what is evaluated in a step, as it is written."""
        if index not in self._statements:
            self._statements[index] = self.syntax.statement(self.steps[index])
        return self._statements[index]

    def text(self, index: int) -> str:
        """Return a step as it is written."""
        step = self.steps[index]
        written = [step.node] if step.node is not None else []
        return " ".join(map(node_text, (*written, *step.cleanup)))

    def code(self, index: int) -> Code:
        """Return a step's instructions."""
        if index not in self._codes:
            self._codes[index] = _Builder(self, index).code()
        return self._codes[index]

    def is_inside(self, index: int) -> bool:
        """Tell whether a step is one of a statement expression."""
        return index >= self.own

    def anywhere(self, index: int) -> Expression:
        """Return something to name a step by."""
        node = self.steps[index].node or self.view.node
        return Opaque(node, node.start_byte, "a place")

    def splice(self, block: Block, step: int, after: int) -> int:
        """Add the steps of a statement expression; return the first. after: what comes behind."""
        offset = len(self.steps)
        for number, (one, statement) in enumerate(
            zip(block.graph.steps, block.statements, strict=True)
        ):
            moved = replace(
                one,
                next=[n + offset for n in one.next],
                cases=[(label, n + offset) for label, n in one.cases],
            )
            outside = self.graph.labels.get(left_for(one))
            if outside is not None:
                moved = Step(Does.EVALUATE, None, [outside])
            self.steps.append(moved)
            self._statements[offset + number] = statement
            if one.does is Does.END:
                self.back[offset + number] = (step, after)
        return offset + block.graph.start


class _Builder:
    """Builds a step's instructions backwards: each is given what follows it."""

    def __init__(self, lowered: Lowered, index: int) -> None:
        self.lowered = lowered
        self.index = index
        self.instructions: list[Instruction] = []
        self._effects: dict[Expression, bool] = {}

    def code(self) -> Code:
        step = self.lowered.steps[self.index]
        statement = self.lowered.statement(self.index)
        if step.does is Does.RETURN:
            start = self._returned(step, statement)
        elif step.does is Does.TEST and statement:
            start = self._tested(step, statement[0])
        elif step.does is Does.SWITCH and statement:
            start = self.value(statement[0], lambda value: self.add(Select(value)))
        else:
            start = leave(0)
            for one in reversed(statement):
                start = self.effects(one, start)
        return Code(tuple(self.instructions), start)

    def _returned(self, step: Step, statement: Sequence[Expression]) -> int:
        block = statement[-1] if step.cleanup else None
        if len(statement) == (block is not None):
            return self._ended(block, self.add(Return(None)))
        one = statement[0]
        if block is None:
            return self.value(one, lambda value: self.add(Return(value)))
        # What is returned is what it was before the scopes end.
        to = Temporary(one.node, one.start, one)
        return self.into(to, one, self._ended(block, self.add(Return(to))))

    def _ended(self, block: Expression | None, after: int) -> int:
        if not isinstance(block, Block):
            return after
        return self.add(Inside(self.lowered.splice(block, self.index, after), after))

    def _tested(self, step: Step, condition: Expression) -> int:
        view, types = self.lowered.view, self.lowered.syntax.constants.types
        start = step.node.start_byte if step.node is not None else condition.start
        loop = loop_of(start, condition, view, types)
        if loop is None:
            return self.condition(condition, leave(0), leave(1))
        node, start = loop.variable.node, loop.variable.start
        over = loop.over if loop.over is not None else Opaque(node, start, "a hidden list")
        entered = Assignment(node, start, loop.variable, "", Entry(node, start, over))
        return self.add(Fork((self.effects(entered, leave(0)), leave(1))))

    def add(self, instruction: Instruction) -> int:
        self.instructions.append(instruction)
        return len(self.instructions) - 1

    def has_effects(self, one: Expression) -> bool:
        """Tell whether an expression needs instructions of its own."""
        if one not in self._effects:
            # Parts stand behind the whole: each is asked once, however deep they are nested.
            for part in reversed(list(inside((one,)))):
                inner = any(self._effects[p] for p in parts_of(part))
                self._effects[part] = inner or _is_effect(part)
        return self._effects[one]

    def effects(self, one: Expression, after: int) -> int:
        """Evaluate an expression of which the value is not wanted."""
        match one:
            case Assignment():
                return self._assigned(one, None, after)
            case Update():
                return self._counted(one, None, after)
            case Declaration():
                return self._declared(one, after)
            case Comma():
                # What was there before is not wanted.
                return self.effects(one.left, self.effects(one.right, after))
        return self.value(one, lambda value: self._evaluated(value, after))

    def _evaluated(self, value: Expression, after: int) -> int:
        quiet = isinstance(value, Temporary | Name | Literal | Before)
        if quiet or (isinstance(value, Opaque) and not value.parts):
            return after
        return self.add(Evaluate(value, after))

    def value(self, one: Expression, then: _Then) -> int:
        """Evaluate an expression; `then` makes what follows of a value without effects."""
        if not self.has_effects(one):
            return then(one)
        if isinstance(one, _KEPT) or _is_truth(one):
            to = Temporary(one.node, one.start, one)
            return self.into(to, one, then(to))
        match one:
            case Comma(right=Before() as before):
                to = Temporary(before.node, before.start, before.of)
                return self.into(to, before.of, self.effects(one.left, then(to)))
            case Comma():
                return self.effects(one.left, self.value(one.right, then))
            case Block():
                return self._block(one, then)
            case Stops():
                return self._stopped(one, then)
            case Initializer():
                return self._initialized(one, then)
            case Binary():
                chain = _chain(one)
                return self.operands(
                    [chain[0].left, *(link.right for link in chain)],
                    lambda terms: then(_chained(chain, terms)),
                )
        return self.operands(parts_of(one), lambda parts: then(with_parts(one, parts)))

    def into(self, to: Temporary, one: Expression, after: int) -> int:
        """Evaluate an expression, and keep what it is worth."""
        match one:
            case Choice():
                return self.add(Fork(tuple(self.into(to, value, after) for value in one.values)))
            case Conditional():
                return self._conditional(to, one, after)
            case Call():
                return self._called(to, one, after)
            case Assignment():
                return self._assigned(one, to, after)
            case Update():
                return self._counted(one, to, after)
        if _is_truth(one):
            return self._decided(to, one, after)
        return self.value(one, lambda value: self.add(Keep(to, value, after)))

    def _stopped(self, one: Stops, then: _Then) -> int:
        if one.of is None:
            return self.add(Stop(one))
        after = then(Opaque(one.node, one.start, "what is checked is worth nothing"))
        return self.condition(one.of, self.add(Stop(one)), after)

    def _decided(self, to: Temporary, one: Expression, after: int) -> int:
        """Evaluate a condition as a value."""
        asked: Expression = one
        while isinstance(asked, Truth):
            asked = asked.of
        inner = asked
        while isinstance(inner, Truth) or (isinstance(inner, Unary) and inner.operator == "!"):
            inner = inner.of
        if isinstance(inner, Binary) and inner.operator in _SHORT:
            yes, no = (Literal(one.node, one.start, text) for text in "10")
            return self.condition(one, self.into(to, yes, after), self.into(to, no, after))
        return self._leaf(asked, lambda pure: self.add(Decide(to, pure, after)))

    def _leaf(self, one: Expression, then: _Then) -> int:
        """Evaluate the operands of a condition, but not what it asks."""
        if isinstance(one, Unary) and one.operator == "!":
            return self._leaf(one.of, lambda pure: then(with_parts(one, [pure])))
        if _is_truth(one):
            return self.operands(parts_of(one), lambda parts: then(with_parts(one, parts)))
        return self.value(one, then)

    def condition(self, one: Expression, true: int, false: int) -> int:
        """Ask whether an expression holds."""
        match one:
            case Truth():
                return self.condition(one.of, true, false)
            case Unary() if one.operator == "!":
                return self.condition(one.of, false, true)
            case Binary() if one.operator == "&&":
                return self.condition(one.left, self.condition(one.right, true, false), false)
            case Binary() if one.operator == "||":
                return self.condition(one.left, true, self.condition(one.right, true, false))
            case Binary() if operator := self._joining(one):
                # Both sides are evaluated: what the right one reads is read in any case.
                kept = Temporary(one.right.node, one.right.start, one.right)
                joined = replace(one, operator=operator, right=kept)
                return self.into(kept, one.right, self.condition(joined, true, false))
            case Comma() if not isinstance(one.right, Before):
                return self.effects(one.left, self.condition(one.right, true, false))
        return self._leaf(one, lambda pure: self.add(Test(pure, true, false)))

    def _joining(self, one: Binary) -> str:
        """Return the operator that asks the same of both sides' values; nothing if none does.

        a | b is not 0 where one of them is not; of truths, a & b is a && b, and a + b is a || b.
        """
        joining = _JOINING.get(one.operator, "")
        if not joining or any(isinstance(part, _DONE) for part in inside((one.left, one.right))):
            return ""
        if one.operator == "|":
            return joining
        # What a variable is costs more to learn than what an operator makes.
        sides = sorted((one.left, one.right), key=lambda side: isinstance(side, Name | Member))
        return joining if all(map(self._is_0_or_1, sides)) else ""

    def _is_0_or_1(self, one: Expression) -> bool:
        """Tell whether an expression is worth no more than 1: a truth, a bool, or & of such."""
        one = source_of(one)
        if _is_truth(one):
            return True
        match one:
            case Binary() if one.operator in "&|^":
                return self._is_0_or_1(one.left) and self._is_0_or_1(one.right)
            case Name() | Member():
                kind = self.lowered.syntax.constants.types.of(one.node, self.lowered.view)
                return kind is not None and not kind.pointers and kind.base in BOOLS
        return False

    def operands(
        self, parts: Sequence[Expression], then: Callable[[Sequence[Expression]], int]
    ) -> int:
        """Evaluate expressions one after the other."""
        with_effects = [at for at, part in enumerate(parts) if self.has_effects(part)]
        if not with_effects:
            return then(parts)
        if len(parts) == 1:
            return self.value(parts[0], lambda part: then([part]))
        used = list(parts)
        kept: list[tuple[Temporary, Expression]] = []
        for at in range(with_effects[-1] + 1):
            part = parts[at]
            # What is read before a call is what it was then.
            if at in with_effects or not _stays(part):
                used[at] = to = Temporary(part.node, part.start, part)
                kept.append((to, part))
        return self._all_into(kept, then(used))

    def _all_into(self, kept: Sequence[tuple[Temporary, Expression]], after: int) -> int:
        for to, part in reversed(kept):
            after = self.into(to, part, after)
        return after

    def _initialized(self, one: Initializer, then: _Then) -> int:
        kept: list[tuple[Temporary, Expression]] = []
        return self._all_into(kept, then(self._emptied(one, kept)))

    def _emptied(self, one: Initializer, kept: list[tuple[Temporary, Expression]]) -> Initializer:
        """Return an initializer with temporaries for what has effects, which goes to `kept`."""
        items: list[tuple[str, Expression]] = []
        for name, value in one.items:
            used = value
            if isinstance(value, Initializer):
                used = self._emptied(value, kept)
            elif self.has_effects(value):
                used = to = Temporary(value.node, value.start, value)
                kept.append((to, value))
            items.append((name, used))
        return replace(one, items=tuple(items))

    def _block(self, one: Block, then: _Then) -> int:
        after = (
            then(Opaque(one.node, one.start, "statements that are worth nothing"))
            if one.value is None
            else (self.value(one.value, then))
        )
        return self._ended(one, after)

    def _conditional(self, to: Temporary, one: Conditional, after: int) -> int:
        if one.then is not None:
            return self.condition(
                one.condition, self._side(to, one.then, after), self._side(to, one.other, after)
            )
        # `a ?: b`: a is evaluated once.
        first = Temporary(one.condition.node, one.condition.start, one.condition)
        other = self.value(
            one.other,
            lambda value: self.add(
                Keep(to, Binary(one.node, one.start, "?:", first, value), after)
            ),
        )
        asked = self.add(Test(first, self.add(Keep(to, first, after)), other))
        return self.into(first, one.condition, asked)

    def _side(self, to: Temporary, side: Expression, after: int) -> int:
        """Keep one side of a `?:`, of which the value is converted to the type of both."""
        if not self.has_effects(side):
            return self.add(Keep(to, side, after))
        own = Temporary(side.node, side.start, side)
        return self.into(own, side, self.add(Keep(to, own, after)))

    def _assigned(self, one: Assignment, result: Temporary | None, after: int) -> int:
        def stored(value: Expression) -> int:
            return self.value(
                one.target,
                lambda target: self.add(Assign(target, one.operator, value, result, after)),
            )

        # The value first: what a call in it leaves behind is then there.
        if not self.has_effects(one.target) or isinstance(one.value, Literal):
            return self.value(one.value, stored)
        to = Temporary(one.value.node, one.value.start, one.value)
        return self.into(to, one.value, stored(to))

    def _counted(self, one: Update, result: Temporary | None, after: int) -> int:
        def counted(target: Expression) -> int:
            made = Update(one.node, one.start, target, one.operator, one.before)
            return self.add(Count(made, result, after))

        return self.value(one.target, counted)

    def _declared(self, one: Declaration, after: int) -> int:
        if one.value is None:
            return self.add(Declare(one, after))
        return self.value(
            one.value,
            lambda value: self.add(
                Declare(Declaration(one.node, one.start, one.target, value), after)
            ),
        )

    def _called(self, to: Temporary, one: Call, after: int) -> int:
        def entered(callee: Expression, given: Sequence[Expression]) -> int:
            name = self.lowered.syntax.called(callee)
            made = Call(one.node, one.start, callee, tuple(given), name, one.in_parentheses)
            return self.add(Enter(made, to, after))

        if isinstance(one.callee, Choice):
            callee = one.callee.of or one.callee
            return self.operands(
                one.arguments,
                lambda given: self._chosen(callee, lambda side: entered(side, given)),
            )
        return self.operands(
            (one.callee, *one.arguments), lambda parts: entered(parts[0], parts[1:])
        )

    def _chosen(self, callee: Expression, entered: _Then) -> int:
        """Go to the call of each that a called expression can be worth."""
        callee = bared(callee)
        match callee:
            case Conditional(condition=asked, then=Expression() as then):
                other = self._chosen(callee.other, entered)
                return self.condition(asked, self._chosen(then, entered), other)
            case Choice():
                return self.add(Fork(tuple(self._chosen(s, entered) for s in callee.values)))
            case Comma():
                return self.effects(callee.left, self._chosen(callee.right, entered))
            case Block():
                return self._block(callee, lambda side: self._chosen(side, entered))
        return entered(callee)


def _chain(one: Binary) -> list[Binary]:
    """Return the operations of `a + b + c`, the first one first."""
    found = [one]
    while isinstance(left := found[-1].left, Binary) and not _is_truth(left):
        found.append(left)
    return found[::-1]


def _chained(chain: Sequence[Binary], terms: Sequence[Expression]) -> Expression:
    one = terms[0]
    for link, right in zip(chain, terms[1:], strict=True):
        one = Binary(link.node, link.start, link.operator, one, right)
    return one


def _stays(one: Expression) -> bool:
    """Tell whether an expression needs no temporary before a call: that changes nothing of it."""
    unread = isinstance(one, Opaque) and one.why == UNEVALUATED
    return unread or isinstance(one, Literal | Name)


def _is_truth(one: Expression) -> bool:
    """Tell whether an expression is worth whether something holds."""
    match one:
        case Truth():
            return True
        case Unary():
            return one.operator == "!"
        case Binary():
            return one.operator in _SHORT or one.operator in COMPARISONS
    return False


def _is_effect(one: Expression) -> bool:
    return isinstance(one, _KEPT | Comma | Declaration | Block | Stops) or _is_truth(one)
