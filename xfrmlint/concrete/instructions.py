"""A function's statements as a list of instructions with jumps."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tree_sitter import Node

from xfrmlint.c.unit import node_text
from xfrmlint.concrete.syntax import child


@dataclass
class Op:
    """One instruction. target: where it goes on (a branch: if the condition is false)."""

    kind: str
    node: Node
    target: int = -1
    cases: list[tuple[Node, int]] = field(default_factory=list)
    reset: tuple[Node, ...] = ()


@dataclass
class _Label:
    """A place to jump to, and the blocks around it."""

    at: int = -1
    blocks: tuple[Node, ...] = ()


@dataclass
class _Target:
    """The innermost loop or switch while it is compiled: ops that leave it or go on with it."""

    breaks: list[Op] = field(default_factory=list)
    continues: list[Op] | None = None
    cases: list[tuple[Node | None, int, tuple[Node, ...]]] | None = None


class Code:
    """A function's body, or a statement expression, as a list of instructions.

    blocks: the variables that each block declares, by the block's id.
    """

    def __init__(self, body: Node, expression: bool) -> None:
        self.ops: list[Op] = []
        self._labels: dict[str, _Label] = {}
        self._gotos: list[tuple[Op, str, tuple[Node, ...]]] = []
        self._around: list[Node] = []
        self._targets: list[_Target] = []
        last = body.named_children[-1] if expression and body.named_child_count else None
        self._value = last.id if last is not None and last.type == "expression_statement" else -1
        self._statement(body)
        for op, name, blocks in self._gotos:
            label = self._labels.get(name)
            if label is None:
                op.kind = "outside"
            else:
                op.target = label.at
                op.reset = tuple(b for b in label.blocks if b not in blocks)

    def _add(self, kind: str, node: Node, target: int = -1) -> Op:
        op = Op(kind, node, target)
        self.ops.append(op)
        return op

    def _statement(self, node: Node) -> None:
        handler = getattr(self, f"_{node.type}", None)
        if handler is None:
            self._add("outside", node)
        else:
            handler(node)

    def _all(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            if node.type != "comment":
                self._statement(node)

    def _body(self, node: Node | None) -> None:
        if node is not None:
            self._statement(node)

    def _compound_statement(self, node: Node) -> None:
        self._add("enter", node)
        self._around.append(node)
        self._all(node.named_children)
        self._around.pop()

    def _expression_statement(self, node: Node) -> None:
        if not node.named_child_count:
            return
        if node.named_children[0].type == "identifier" and node_text(node) == "fallthrough;":
            return
        self._add("value" if node.id == self._value else "expression", node.named_children[0])

    def _declaration(self, node: Node) -> None:
        self._add("declaration", node)

    def _else_clause(self, node: Node) -> None:
        self._all(node.named_children)

    def _if_statement(self, node: Node) -> None:
        branch = self._add("branch", child(node, "condition"))
        self._body(node.child_by_field_name("consequence"))
        alternative = node.child_by_field_name("alternative")
        if alternative is not None:
            skip = self._add("jump", node)
            branch.target = len(self.ops)
            self._statement(alternative)
            skip.target = len(self.ops)
        else:
            branch.target = len(self.ops)

    def _loop(self, node: Node) -> _Target:
        target = _Target(continues=[])
        self._targets.append(target)
        self._body(node.child_by_field_name("body"))
        self._targets.pop()
        return target

    def _aim(self, ops: list[Op] | None) -> None:
        for op in ops or []:
            op.target = len(self.ops)

    def _while_statement(self, node: Node) -> None:
        self._add("begin", node)
        start = len(self.ops)
        loop = self._add("loop", node)
        branch = self._add("branch", child(node, "condition"))
        target = self._loop(node)
        self._aim(target.continues)
        self._add("jump", node, start)
        branch.target = loop.target = len(self.ops)
        self._aim(target.breaks)

    def _do_statement(self, node: Node) -> None:
        start = len(self.ops)
        target = self._loop(node)
        self._aim(target.continues)
        branch = self._add("branch", child(node, "condition"))
        self._add("jump", node, start)
        branch.target = len(self.ops)
        self._aim(target.breaks)

    def _for_statement(self, node: Node) -> None:
        self._add("enter", node)
        self._around.append(node)
        first = node.child_by_field_name("initializer")
        if first is not None:
            self._add("declaration" if first.type == "declaration" else "expression", first)
        start = len(self.ops)
        condition = node.child_by_field_name("condition")
        branch = self._add("branch", condition) if condition is not None else None
        target = self._loop(node)
        self._aim(target.continues)
        update = node.child_by_field_name("update")
        if update is not None:
            self._add("expression", update)
        self._add("jump", node, start)
        if branch is not None:
            branch.target = len(self.ops)
        self._aim(target.breaks)
        self._around.pop()

    def _switch_statement(self, node: Node) -> None:
        op = self._add("switch", child(node, "condition"))
        around = tuple(self._around)
        target = _Target(cases=[])
        self._targets.append(target)
        self._body(node.child_by_field_name("body"))
        self._targets.pop()
        op.target = len(self.ops)
        for value, at, blocks in target.cases or []:
            # A jump into a block makes its variables, as entering it does.
            entered = tuple(b for b in blocks if b not in around)
            op.reset += tuple(b for b in entered if b not in op.reset)
            if value is None:
                op.target = at
            else:
                op.cases.append((value, at))
        self._aim(target.breaks)

    def _case_statement(self, node: Node) -> None:
        found = [t for t in self._targets if t.cases is not None]
        value = node.child_by_field_name("value")
        if not found or found[-1].cases is None:
            self._add("outside", node)
            return
        found[-1].cases.append((value, len(self.ops), tuple(self._around)))
        self._all([c for c in node.named_children if value is None or c.id != value.id])

    def _break_statement(self, node: Node) -> None:
        op = self._add("jump", node)
        if self._targets:
            self._targets[-1].breaks.append(op)
        else:
            op.kind = "outside"

    def _continue_statement(self, node: Node) -> None:
        op = self._add("jump", node)
        loops = [t.continues for t in self._targets if t.continues is not None]
        if loops:
            loops[-1].append(op)
        else:
            op.kind = "outside"

    def _goto_statement(self, node: Node) -> None:
        label = node.child_by_field_name("label")
        op = self._add("jump", node)
        name = node_text(label) if label is not None else ""
        self._gotos.append((op, name, tuple(self._around)))

    def _labeled_statement(self, node: Node) -> None:
        label = child(node, "label")
        self._labels[node_text(label)] = _Label(len(self.ops), tuple(self._around))
        self._all([c for c in node.named_children if c.id != label.id])

    def _return_statement(self, node: Node) -> None:
        self._add("return", node)
