"""The control-flow graph of one function, from its syntax tree.

A node is a whole statement or condition. What happens inside an expression (short circuits,
conditional expressions, statement expressions, calls) is the evaluator's.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property, partial

from tree_sitter import Node, Query

from xfrmlint.c.blanking import Branch
from xfrmlint.c.cleanups import Cleanups, Scope
from xfrmlint.c.dialect import COMPUTED, ONCE, RANGE
from xfrmlint.c.nodes import captured, language, node_text
from xfrmlint.c.unit import below
from xfrmlint.c.view import View

_ADDRESSES = Query(language(), '(pointer_expression "&" argument: (identifier) @of)')
_COMPUTED_GOTO = re.compile(rf"{COMPUTED}(?!\w)")
_STATEMENTS = ("_statement", "_clause", "declaration")


class Does(StrEnum):
    """What a node of the graph does."""

    EVALUATE = "evaluate"  # a statement or an expression; several successors: asm goto
    TEST = "test"  # a condition; successors: true, false
    SWITCH = "switch"  # a value; the successors are in `cases`
    CONFIGURED = "configured"  # branches of an #if; `labels` beside the successors
    RETURN = "return"  # ends the function with the value of its expression, if it has one
    END = "end"  # the closing brace
    CUT = "cut"  # a jump that can't be followed


@dataclass
class Step:
    """A node of the graph. next: indexes of its successors.

    cases: SWITCH: a label's text (None for default) and index. labels: CONFIGURED: condition and
    whether it holds, for each successor. again: a loop comes back to this one. cleanup: RETURN:
    what is done behind its expression, where scopes end. begins: what follows is the first turn of
    a loop made by a macro. misread: the parser does not understand what stands here.
    """

    does: Does
    node: Node | None
    next: list[int] = field(default_factory=list)
    cases: list[tuple[str | None, int]] = field(default_factory=list)
    labels: list[tuple[str, bool]] = field(default_factory=list)
    again: bool = False
    cleanup: Sequence[Node] = ()
    begins: bool = False
    misread: bool = False


@dataclass(frozen=True)
class Graph:
    """steps: the nodes. start: where the function begins. labels: where those of its own stand.

    made: steps of what is not written there, as a destructor's call is not: what stands where they
    say can be another's.
    """

    steps: Sequence[Step]
    start: int
    labels: Mapping[str, int] = field(default_factory=dict)
    made: Container[int] = ()

    def step_of(self, node: Node) -> int:
        """Return the innermost step in which a node stands; -1 for none."""
        found = [
            (step.node.end_byte - step.node.start_byte, i)
            for i, step in enumerate(self.steps)
            if step.node is not None
            and i not in self.made
            and step.node.start_byte <= node.start_byte < step.node.end_byte
        ]
        return min(found, default=(0, -1))[1]

    def reached(self, without: Container[int], behind: Iterable[int] = ()) -> set[int]:
        """Return the steps that control comes to without having gone through some.

        behind: from these on; else from where the function begins.
        """
        starts = {to for index in behind for to in self._onward(index)}
        seen, queue = set[int](), [*starts] if behind else [self.start]
        while queue:
            index = queue.pop()
            if index not in seen and index not in without:
                seen.add(index)
                queue += self._onward(index)
        return seen

    def _onward(self, index: int) -> list[int]:
        step = self.steps[index]
        return [*step.next, *(to for _, to in step.cases)]


def graph_of(view: View, statements: Sequence[Node]) -> Graph:
    """Return the control-flow graph of the statements of a body (or a statement expression)."""
    builder = _Builder(view)
    end = builder.add(Step(Does.END, None))
    start = builder.listed(statements, end, _Jumps())
    for chosen in builder.branches.chosen():
        start = builder.add(Step(Does.CONFIGURED, None, [start], labels=[chosen]))
    builder.leave()
    for label, index in builder.labels.items():
        if builder.steps[index].next == []:
            # A goto to a label that is not here: it leaves the statement expression.
            builder.steps[index] = Step(Does.CUT, builder.gotos[label])
    labels = {n: i for n, i in builder.labels.items() if builder.steps[i].does is not Does.CUT}
    return Graph(builder.steps, start, labels, builder.made)


def labels_in(view: View) -> frozenset[str]:
    """Return the labels of a function."""
    named = (node for node in below(view.node) if node.type == "labeled_statement")
    return frozenset(node_text(node.child_by_field_name("label") or node) for node in named)


def left_for(step: Step) -> str:
    """Return the label to which a jump leaves a statement expression, or nothing."""
    if step.does is not Does.CUT or step.node is None or step.node.type != "goto_statement":
        return ""
    label = step.node.child_by_field_name("label")
    return node_text(label) if label is not None and not step.node.has_error else ""


@dataclass(frozen=True)
class _Jumps:
    """Where break and continue lead, and the switch that case labels belong to.

    scopes: those that a return ends, the outermost first.
    """

    on_break: int = -1
    on_continue: int = -1
    switch: int = -1
    scopes: tuple[Scope, ...] = ()


# Builds statements, given what follows them.
_Build = Callable[[int, _Jumps], int]


class _Builder:
    """Builds backwards: each statement is given what follows it."""

    def __init__(self, view: View) -> None:
        self.steps: list[Step] = []
        self.labels: dict[str, int] = {}
        self.gotos: dict[str, Node] = {}
        self.view = view
        self.branches = _Branches(view)
        self.cleanups = Cleanups(view)
        self.outer = -1
        self.made: set[int] = set()
        # The scopes in which labels stand, and jumps to them.
        self.homes: dict[str, tuple[Scope, ...]] = {}
        self.jumping: list[tuple[int, str, tuple[Scope, ...]]] = []

    def add(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1

    def block(self, node: Node, after: int, jumps: _Jumps) -> int:
        return self.listed(node.named_children, after, jumps)

    def listed(self, nodes: Sequence[Node], after: int, jumps: _Jumps, outer: int = -1) -> int:
        """Build statements in a row; those of an #if's branches stand side by side.

        outer: where the branch begins that holds them all; those inside it begin behind it.
        """
        start = self.outer
        self.outer = max(outer, start)
        after = self._listed(nodes, after, jumps)
        self.outer = start
        return after

    def _listed(self, nodes: Sequence[Node], after: int, jumps: _Jumps) -> int:
        start = self.outer
        at = len(nodes)
        # What is declared in a branch of an #if lives longer than that.
        for number, node in enumerate(nodes if start < 0 else ()):
            scope = self.cleanups.of(node)
            if scope is not None:
                behind = partial(self._listed, nodes[number + 1 :])
                inner = self.scoped(scope, behind, after, jumps)
                # guard(lock)(l) itself is nothing else.
                if node.type == "declaration":
                    inner = self._statement(node, inner, jumps)
                return self._listed(nodes[:number], inner, jumps)
        while at:
            branch = self.branches.within(nodes[at - 1], start)
            if branch is None:
                at -= 1
                after = self.statement(nodes[at], after, jumps)
                continue
            group, complete = self.branches.group(branch)
            fork = Step(Does.CONFIGURED, None)
            rest = after
            while at and (own := self.branches.within(nodes[at - 1], start)) in group:
                first = at - 1
                while first and self.branches.within(nodes[first - 1], start) == own:
                    first -= 1
                assert own is not None
                fork.next.append(self.listed(nodes[first:at], rest, jumps, own.start))
                fork.labels.append(self.branches.label(own))
                at = first
            if not complete or len(fork.next) < len(group):
                fork.next.append(rest)
                fork.labels.append(self.branches.otherwise(group))
            after = self.add(fork)
        return after

    def scoped(self, scope: Scope, build: _Build, after: int, jumps: _Jumps) -> int:
        """Build what stands in a scope, from what is done where it begins to where it ends."""

        def ended(target: int) -> int:
            return self.done(scope.last, target) if target >= 0 else target

        within = replace(
            jumps,
            on_break=ended(jumps.on_break),
            on_continue=ended(jumps.on_continue),
            scopes=(*jumps.scopes, scope),
        )
        return self.done(scope.first, build(ended(after), within))

    def done(self, nodes: Sequence[Node], after: int) -> int:
        """Build what is done where a scope begins, or ends."""
        first = len(self.steps)
        for node in reversed(nodes):
            after = self._statement(node, after, _Jumps())
        self.made.update(range(first, len(self.steps)))
        return after

    def leave(self) -> None:
        """Let jumps end the scopes that they leave."""
        for index, name, scopes in self.jumping:
            target = self.labels[name]
            for scope in scopes:
                if scope not in self.homes.get(name, ()):
                    target = self.done(scope.last, target)
            self.steps[index].next = [target]

    def statement(self, node: Node, after: int, jumps: _Jumps) -> int:
        scope = self.cleanups.around(node)
        if scope is not None:
            inside = self.scoped(scope, partial(self._statement, node), after, jumps)
            return self.add(Step(Does.EVALUATE, None, [inside, after])) if scope.skipped else inside
        start = self._statement(node, after, jumps)
        if not _is_misread(node):
            return start
        return self.add(Step(Does.EVALUATE, None, [start], misread=True))

    def _statement(self, node: Node, after: int, jumps: _Jumps) -> int:
        kind = node.type
        if kind == "compound_statement":
            return self.block(node, after, jumps)
        if kind == "if_statement":
            other = node.child_by_field_name("alternative")
            then = node.child_by_field_name("consequence")
            return self.test(
                node.child_by_field_name("condition"),
                self.inside(then, after, jumps),
                self.inside(other, after, jumps),
            )
        if kind == "else_clause":
            return self.listed(node.named_children, after, jumps)
        if kind in ("while_statement", "do_statement", "for_statement"):
            return self.loop(node, after, jumps)
        if kind == "switch_statement":
            return self.switch(node, after, jumps)
        if kind == "case_statement":
            return self.case(node, after, jumps)
        if kind == "labeled_statement":
            name = node_text(node.child_by_field_name("label") or node)
            inside = [c for c in node.named_children if c.type != "statement_identifier"]
            if name == ONCE:
                left = replace(jumps, on_break=after, on_continue=after)
                return self.listed(inside, after, left)
            index = self.label(name, node)
            self.homes[name] = jumps.scopes
            entry = self.listed(inside, after, jumps)
            self.steps[index].next = [entry]
            return index
        if kind == "goto_statement":
            label = node.child_by_field_name("label")
            if label is None or node.has_error:
                return self.add(Step(Does.CUT, node))
            return self.jump(node_text(label), node, jumps)
        if kind == "return_statement":
            ends = [one for scope in reversed(jumps.scopes) for one in scope.last]
            return self.add(Step(Does.RETURN, node, cleanup=ends))
        if kind == "break_statement":
            return jumps.on_break if jumps.on_break >= 0 else after
        if kind == "continue_statement":
            return jumps.on_continue if jumps.on_continue >= 0 else after
        if kind in ("comment", "type_definition", "function_definition"):
            return after
        if self.computes and _COMPUTED_GOTO.match(node_text(node)):
            ways = [self.jump(label, node, jumps) for label in self.taken]
            return self.add(Step(Does.EVALUATE if ways else Does.CUT, node, ways))
        # asm goto can go on at each of its labels.
        labels = [self.label(node_text(label), node) for label in _asm_labels(node)]
        return self.add(Step(Does.EVALUATE, node, [after, *labels]))

    def jump(self, label: str, node: Node, jumps: _Jumps) -> int:
        """Build a jump to a label, which ends the scopes that it leaves."""
        index = self.label(label, node)
        if not self.steps[index].next:
            # What stands behind it is built first: it leads back.
            self.steps[index].again = True
        if not jumps.scopes:
            return index
        self.jumping.append((self.add(Step(Does.EVALUATE, None)), label, jumps.scopes))
        return self.jumping[-1][0]

    @cached_property
    def computes(self) -> bool:
        """Whether the function may have a goto to what it computes."""
        return COMPUTED.encode() in self.view.text

    @cached_property
    def taken(self) -> list[str]:
        """The labels whose address is taken."""
        named = {node_text(one) for one in captured(_ADDRESSES, self.view.node, "of")}
        return sorted(named & labels_in(self.view))

    def inside(self, node: Node | None, after: int, jumps: _Jumps) -> int:
        return self.statement(node, after, jumps) if node is not None else after

    def test(self, condition: Node | None, true: int, false: int) -> int:
        return self.add(Step(Does.TEST, condition, [true, false]))

    def label(self, name: str, node: Node) -> int:
        if name not in self.labels:
            self.labels[name] = self.add(Step(Does.EVALUATE, None))
            self.gotos[name] = node
        return self.labels[name]

    def loop(self, node: Node, after: int, jumps: _Jumps) -> int:
        condition = node.child_by_field_name("condition")
        body = node.child_by_field_name("body")
        endless = condition is None
        head = (
            self.add(Step(Does.EVALUATE, None)) if endless else self.test(condition, after, after)
        )
        again = head
        if node.type == "for_statement":
            update = node.child_by_field_name("update")
            if update is not None:
                again = self.add(Step(Does.EVALUATE, update, [head]))
        inner = self.inside(body, again, replace(jumps, on_break=after, on_continue=again))
        self.steps[head].next = [inner] if endless else [inner, after]
        self.steps[head].again = True
        if node.type == "do_statement":
            return inner
        first = node.child_by_field_name("initializer")
        if node.type == "while_statement" and _has_comma(condition):
            return self.add(Step(Does.EVALUATE, None, [head], begins=True))
        return self.add(Step(Does.EVALUATE, first, [head])) if first is not None else head

    def switch(self, node: Node, after: int, jumps: _Jumps) -> int:
        index = self.add(Step(Does.SWITCH, node.child_by_field_name("condition")))
        self.inside(
            node.child_by_field_name("body"), after, replace(jumps, on_break=after, switch=index)
        )
        cases = self.steps[index].cases
        cases.reverse()
        if all(label is not None for label, _ in cases):
            cases.append((None, after))
        self.steps[index].next = [target for _, target in cases]
        return index

    def case(self, node: Node, after: int, jumps: _Jumps) -> int:
        colon = next((at for at, c in enumerate(node.children) if c.type == ":"), 0)
        inside = [c for c in node.children[colon + 1 :] if c.is_named]
        entry = self.listed(inside, after, jumps)
        if jumps.switch >= 0:
            label = " ".join(node_text(c) for c in node.children[1:colon])
            label = label.replace(RANGE, "...")
            self.steps[jumps.switch].cases.append((label or None, entry))
        return entry


def _is_misread(node: Node) -> bool:
    """Tell whether the parser does not understand a statement, those inside it aside."""
    inside = (c for c in node.children if not c.type.endswith(_STATEMENTS))
    return node.is_error or any(c.has_error or c.is_missing for c in inside)


def _has_comma(condition: Node | None) -> bool:
    """Tell whether a condition is what a loop macro's arguments look like."""
    inside = condition.named_children[:1] if condition is not None else []
    return any(one.type == "comma_expression" for one in inside)


def _asm_labels(statement: Node) -> list[Node]:
    inside = statement.named_children[0] if statement.named_child_count else None
    if inside is None or inside.type != "gnu_asm_expression":
        return []
    last = inside.named_children[-1]
    return last.named_children if last.type == "gnu_asm_goto_list" else []


class _Branches:
    """The branches of conditionals in the file, asked by nodes of a view."""

    def __init__(self, view: View) -> None:
        self.view = view
        item = view.written
        blanked = view.corpus.unit(view.path).turned(item.turn).blanked
        self.found = [
            branch
            for branch in blanked.branches
            if item.start <= branch.start < item.end and not branch.dead and not view.settled
        ]
        self.left_out = frozenset(blanked.left_out)
        self.dropped = frozenset(blanked.dropped)
        self.choices = frozenset(blanked.choices)
        self._starts = [branch.start for branch in self.found]
        # For each the last one before it that does not end before it.
        self._around: list[int] = []
        open_: list[int] = []
        for at, branch in enumerate(self.found):
            while open_ and self.found[open_[-1]].end <= branch.start:
                open_.pop()
            self._around.append(open_[-1] if open_ else -1)
            open_.append(at)
        self._groups: dict[Branch, list[Branch]] = {}

    def within(self, node: Node, start: int) -> Branch | None:
        """Return the outermost branch that holds a node and begins behind `start`."""
        if not self.found:
            return None
        path, offset = self.view.origin(node.start_byte)
        if path != self.view.path:
            return None
        # Of branches that open a block each only one is left: what it opens ends behind it.
        last = max(offset, self.view.origin(max(node.start_byte, node.end_byte - 1))[1])
        outermost = None
        at = bisect_right(self._starts, offset) - 1
        while at >= 0 and (branch := self.found[at]).start > start:
            if last < branch.end:
                outermost = branch
            at = self._around[at]
        return outermost

    def group(self, branch: Branch) -> tuple[list[Branch], bool]:
        """Return the branches that stand beside a branch, and whether one of them always does.

        Those that this view leaves out are another view's.
        """
        if not self._groups:
            self._link()
        found = self._groups[branch]
        shown = [b for b in found if (b.start, b.end) not in self.left_out]
        chosen = (found[0].start, found[-1].end) in self.choices
        return shown, chosen or len(shown) < len(found) or any(b.last for b in found)

    def chosen(self) -> Iterable[tuple[str, bool]]:
        """Return the conditions under which this view's body is what it is where one has to stay.

        Where none of the views has some, or one has what asks otherwise, all could be compiled.
        """
        found: dict[str, set[bool]] = {}
        body = self.view.body if self.choices else None
        begin = self.view.origin(body.start_byte)[1] if body is not None else 0
        for branch in self.found if body is not None else ():
            shown, _ = self.group(branch)
            group = self._groups[branch]
            # What heads a function is told by its name.
            if branch.start < begin or (branch.start, group[-1].end) not in self.choices:
                continue
            text, holds = self.label(shown[0]) if shown else self.otherwise(group)
            seen = self.dropped.isdisjoint((b.start, b.end) for b in group)
            found.setdefault(text, set()).update({holds} if seen else {holds, not holds})
        return [(text, holds) for text, (holds, *more) in found.items() if not more]

    def _link(self) -> None:
        """Find out which branches stand beside one another."""
        for branch in self.found:
            group = self._groups.setdefault(branch, [branch])
            later = self._next(branch)
            if later is not None and later not in self._groups:
                group.append(later)
                self._groups[later] = group

    def _next(self, branch: Branch) -> Branch | None:
        at = bisect_left(self._starts, branch.end)
        first = self.found[at] if at < len(self.found) else None
        if first is None or not first.condition.startswith("#el"):
            return None
        # Nothing but the directive stands between them.
        between = self.view.corpus.unit(self.view.path).data[branch.end : first.start]
        return first if between.lstrip()[:1] == b"#" else None

    def label(self, branch: Branch) -> tuple[str, bool]:
        """Return the condition under which a branch is compiled, and whether it has to hold."""
        return _condition(branch.condition)

    def otherwise(self, group: Iterable[Branch]) -> tuple[str, bool]:
        """Return the condition under which none of the branches is compiled."""
        text, holds = _condition(next(iter(group)).condition)
        return text, not holds


def _condition(label: str) -> tuple[str, bool]:
    """`#ifndef X`, `#else of #ifdef X` -> ("X", False)."""
    holds = True
    if label.startswith("#else of "):
        holds = False
        label = label.removeprefix("#else of ")
    word, _, rest = label.partition(" ")
    if word == "#ifndef":
        holds = not holds
    for spelled in ("!", "defined"):
        if rest.startswith(spelled):
            rest = rest.removeprefix(spelled).strip()
            holds = holds != (spelled == "!")
    return rest.strip("() "), holds
