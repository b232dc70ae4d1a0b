"""Where a value goes: one forward engine for all questions.

What is done with a value where it is named is a Use (c/mention.py). From there the engine goes on:
from a local variable to its other mentions, from an argument to the parameter it becomes, from a
member to the reads that can see it, through a pointer to the members it can point to, from a return
to the calls. With

    static void set(struct ops *o, handler_t f) { o->run = f; }
    ...
    set(&mine, foo);

`foo` is an argument, then the parameter f, which is stored in ops.run and goes where that is read.
Each asker decides at each use whether that is the end of the way.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, bare, called_by
from xfrmlint.c.mention import Slot, Use, slot_of, stored_in, stored_through, use_beside, use_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Occurrence, Reader
from xfrmlint.c.view import View
from xfrmlint.kernel.functions import function_named
from xfrmlint.valueflow.forms import Passed

DEEPEST = 12
# A pointer that is itself given from function to function.
_POINTED = 3


def _another(node: Node, than: Node) -> bool:
    return node.type == "identifier" and node.start_byte != than.start_byte


class Step(NamedTuple):
    """A use on a value's way.

    via: through what it got here, for a chain's text; empty where it is named by itself. giver: the
    use by which it was passed as an argument to the function in which it is now. depth: how far it
    came.
    """

    use: Use
    via: str = ""
    giver: Use | None = None
    depth: int = 0


class Uses:
    """Follows values forwards in one driver.

    passed: see valueflow/forms.py. mentions: where the function of a view is named. reads: the uses
    of a member that can see what was stored in a slot (path: where it was). mention: the use that a
    node is.
    """

    def __init__(
        self,
        reader: Reader,
        passed: Passed,
        mentions: Callable[[View], Sequence[Occurrence]],
        reads: Callable[[Slot, str], Sequence[Use]],
        mention: Callable[[View, Node], Use] | None = None,
    ) -> None:
        self.reader = reader
        self.passed = passed
        self.mentions = mentions
        self.reads = reads
        self.mention = mention or (lambda view, node: use_of(reader, view, node))

    def follow(self, start: Iterable[Step], visit: Callable[[Step], bool]) -> bool:
        """Follow steps as long as `visit` says so; tell whether all that it wanted was followed."""
        complete = True
        seen: set[tuple[str, object, int, str]] = set()
        stack = list(start)[::-1]
        while stack:
            step = stack.pop()
            use = step.use
            mark = (use.view.path, use.view.function, use.at.id, use.kind)
            if mark in seen:
                continue
            seen.add(mark)
            beside = use_beside(self.reader, use)
            if beside is not None:
                stack.append(step._replace(use=beside))
            if not visit(step):
                continue
            further = self.onward(step) if step.depth < DEEPEST else None
            complete = complete and further is not None
            stack += (further or [])[::-1]
        return complete

    def onward(self, step: Step) -> list[Step] | None:
        """Return the uses to which a use leads; None where that can't be told."""
        use = step.use
        match use.kind:
            case "local":
                nodes = [n for n in use.view.occurrences(use.name) if _another(n, use.at)]
                return self._at(step, use.view, nodes, f"local {use.name}")
            case "through":
                slots = self.pointed(use.view, use.name, use.at)
                found = [use._replace(view=where, kind="slot", slot=slot) for where, slot in slots]
                return [step._replace(use=one) for one in found] or None
            case "global":
                return self._of_global(step)
            case "slot" if use.slot is not None:
                if not use.slot.field:
                    return None
                text = f"{use.slot.struct.removeprefix('struct ')}.{use.slot.field}".lstrip(".")
                return [
                    Step(read, step.via or text, None, step.depth + 1)
                    for read in self.reads(use.slot, use.view.path)
                ]
            case "returned":
                name = f"{use.view.function.name}()"
                return [
                    Step(self.mention(view, call), step.via or name, None, step.depth + 1)
                    for view, node in self.mentions(use.view)
                    if (call := node.parent) is not None and call.type == "call_expression"
                ]
            case "argument":
                return self._of_argument(step)
        return []

    def _at(
        self, step: Step, view: View, nodes: Iterable[Node], via: str, giver: Use | None = None
    ) -> list[Step]:
        made = Step(step.use, step.via or via, giver or step.giver, step.depth + 1)
        return [made._replace(use=self.mention(view, node)) for node in nodes]

    def _of_global(self, step: Step) -> list[Step] | None:
        use = step.use
        found = []
        others = self.reader.in_other_modules(use.name, use.view.path)
        if others is None:
            return None
        for view, node in [*self.reader.everywhere(use.name, use.view.path), *others]:
            if node.type != "identifier" or view.local(use.name, node.start_byte) is not None:
                continue
            if node.parent is not None and node.parent.type.endswith("declarator"):
                continue
            found.append(Step(self.mention(view, node), step.via or use.name, None, step.depth + 1))
        return found

    def _of_argument(self, step: Step) -> list[Step] | None:
        use = step.use
        call = use.callee.parent if use.callee is not None else None
        does = function_named(use.name)
        if does.is_("unevaluated"):
            return []
        if does.static_call == "store":
            return self._of_static_call(step, call)
        if call is not None and any(s.value.position >= 0 for s in does.stores):
            return self._of_store(step, call)
        if does.is_("copies") and call is not None:
            return self._at(step, use.view, [call], f"{use.name}()")
        definitions = self.reader.definitions(use.name, use.view.path)
        if definitions:
            return [
                inner
                for view in definitions
                if use.position < len(view.parameters) and view.parameters[use.position]
                for inner in self._at(
                    step,
                    view,
                    (
                        node
                        for node in view.occurrences(view.parameters[use.position])
                        if node.type == "identifier"
                    ),
                    f"argument of {use.name}()",
                    step.giver or use,
                )
            ]
        return self._in_macro(step)

    def _of_store(self, step: Step, call: Node) -> list[Step]:
        """Return where a function stores what it is given."""
        use, given = step.use, arguments_of(call)
        found = []
        for value, (position, pointed) in function_named(use.name).stores:
            if value.position == use.position and 0 <= position < len(given):
                store = stored_through if pointed else stored_in
                found.append(store(self.reader, use.view, use.at, given[position]))
        return [step._replace(use=one._replace(callee=use.callee)) for one in found]

    def _in_macro(self, step: Step) -> list[Step] | None:
        """Return what a macro does with its argument."""
        use = step.use
        macros = self.reader.types.macros_under(use.name, use.view.path)
        if not macros:
            return None
        word = node_text(use.at)
        again = [
            self.mention(view, node)
            for view in self.reader.expanded(use.view.path, use.view.written, macros)
            for node in view.occurrences(word)
        ]
        return [
            step._replace(use=one, depth=step.depth + 1) for one in again if one.name != use.name
        ]

    def _of_static_call(self, step: Step, call: Node | None) -> list[Step] | None:
        """Go from DEFINE_STATIC_CALL(n, f), static_call_update(n, f) to static_call(n)()."""
        named = arguments_of(call)[:1] if call is not None else []
        if not named:
            return None
        name = node_text(named[0])
        found = []
        for view, node in self.reader.near(name, step.use.view.path):
            around = node.parent.parent if node.parent is not None else None
            if around is not None and function_named(called_by(around)).static_call == "call":
                use = self.mention(view, around)
                found.append(Step(use, f"static_call {name}", None, step.depth + 1))
        return found

    def pointed(self, view: View, name: str, at: Node, depth: int = 0) -> list[tuple[View, Slot]]:
        """Return the members that a pointer to a member can point to."""
        local = view.local(name, at.start_byte)
        values = [(view, value) for value in view.assignments(name)]
        if local is not None and local.parameter >= 0:
            values += self.passed(view.function, local.parameter)
        found = []
        for where, value in values:
            indexes: list[str] = []
            value = bare(value)
            while value.type == "subscript_expression":
                index = value.child_by_field_name("index")
                indexes.insert(0, node_text(index) if index is not None else "")
                value = value.child_by_field_name("argument") or value.named_children[0]
            if value.type == "field_expression":
                found.append((where, slot_of(self.reader, where, value, indexes)))
            elif value.type == "identifier" and depth < _POINTED:
                found += self.pointed(where, node_text(value), value, depth + 1)
        return found
