"""What a call, or a statement, does to others than a function's own variables.

A function of the kernel's is told by its row (functions.toml, [[effect]]), one of the driver's own
by its body, with those that it calls:

    static void example_drop(struct example_ring *ring, struct sk_buff *skb)
    {
            ring->dropped++;                adds
            dev_kfree_skb_any(skb);         drops
    }

What neither tells, a function pointer, another module's function, is not known.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expansion import Macro
from xfrmlint.c.expression import arguments_of, bare, called_by, without_casts
from xfrmlint.c.header import declared_function, declared_macros, expanded_text
from xfrmlint.c.nodes import node_text, parse
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import PACKET
from xfrmlint.kernel.functions import effect_named, function_named

_DEEPEST = 8
# What can have an effect that is looked for.
CHANGES = ("call_expression", "assignment_expression", "update_expression", "gnu_asm_expression")
# What stands around a member, a part of which is meant.
_AROUND = ("subscript_expression", "parenthesized_expression", "pointer_expression")
# What is a call by its looks.
_OPERATORS = ("sizeof", "typeof", "__typeof__", "defined", "offsetof", "alignof")
# Where the bytes of a packet are (struct sk_buff).
_BYTES = "data"
_INDEX = re.compile(r"\[[^\[\]]*\]")
HARMLESS = frozenset({"nothing", "prepares"})
ENDS = frozenset({"drops", "consumes"})
# What gives back what was taken.
UNDOES = frozenset({"unlocks", "unmaps", "gives back", "puts", "frees", "releases"})


class Effect(NamedTuple):
    """does: a word of functions.toml, nothing if unknown; or what an assignment does to memory of
    others: "adds" to a number, "sets" it, "keeps" a packet or what is in it.

    who: the function that does it; what is not known of an unknown one. of: the structure whose
    member is assigned to, or is the first argument; else the type of what is.
    """

    does: str
    who: str
    of: str = ""


_ASSEMBLY = Effect("sends", "assembly")


class Effects:
    """Answers for the calls of a driver; each of its functions is looked at once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._bodies: dict[FunctionName, frozenset[Effect]] = {}
        # What each leaves to be undone by who calls it.
        self.left: dict[FunctionName, frozenset[Effect]] = {}

    def of(self, view: View, node: Node) -> frozenset[Effect]:
        """Return what the calls and the assignments in a piece of a function do."""
        return frozenset(self._below(view, node, 0))

    def of_call(self, view: View, call: Node) -> frozenset[Effect]:
        """Return what one call does; those among its arguments are others."""
        return frozenset(self._called(view, call, 0))

    def done_by(self, view: View, node: Node) -> frozenset[Effect]:
        """Return what a call, an assignment or assembly does itself, without its parts."""
        match node.type:
            case "call_expression":
                return self.of_call(view, node)
            case "gnu_asm_expression":
                return frozenset([_ASSEMBLY])
        return frozenset(self._stored(view, node, -1))

    def words(self, view: View, node: Node) -> frozenset[str]:
        """Return the words of what a piece of a function does."""
        return frozenset(effect.does for effect in self.of(view, node))

    def ends_packet(self, view: View, call: Node, depth: int = 0) -> str:
        """Return whether a call drops or consumes a packet on each way; empty if not."""
        found = {effect.does for effect in self.of_call(view, call)} & ENDS
        if not found or depth > _DEEPEST:
            return ""
        bodies = self.bodies_of(view, call)
        if not bodies:
            return next(iter(found)) if len(found) == 1 else ""
        told = {self._ended_in(body, depth) for body in bodies}
        return told.pop() if len(told) == 1 else ""

    def _ended_in(self, body: View, depth: int) -> str:
        """Return what a function does with its packet in a statement that each way comes to."""
        block = body.body
        packets = packets_in(body)
        for statement in block.named_children if block is not None else ():
            call = statement.named_children[0] if statement.named_child_count else None
            if statement.type not in ("expression_statement", "declaration"):
                if any(n.type in ("return_statement", "goto_statement") for n in below(statement)):
                    return ""
                continue
            if call is None or call.type != "call_expression":
                continue
            if any(node_text(one) in packets for one in arguments_of(call)):
                found = self.ends_packet(body, call, depth + 1)
                if found:
                    return found
        return ""

    def _below(self, view: View, node: Node, depth: int, at: int = -1) -> Iterator[Effect]:
        for one in below(node):
            match one.type:
                case "call_expression":
                    yield from self._called(view, one, depth, at)
                case "assignment_expression" | "update_expression":
                    yield from self._stored(view, one, at)
                case "gnu_asm_expression":
                    yield _ASSEMBLY

    def _called(self, view: View, call: Node, depth: int, at: int = -1) -> Iterator[Effect]:
        function, name = call.child_by_field_name("function"), called_by(call)
        if function is None or function.type != "identifier":
            yield Effect("", f"which function {name}() is, is not known")
            return
        if name in _OPERATORS or name in self._reader.contract.askers:
            return
        if view.local(name, call.start_byte if at < 0 else at) is not None:
            yield Effect("", f"which function {name}() is, is not known")
            return
        unknown = Effect("", f"what {name}() does is not known")
        bodies = self.bodies_of(view, call)
        if depth > _DEEPEST:
            yield unknown
        elif bodies:
            for body in bodies:
                yield from self._body(body, depth)
        elif effect_named(name):
            given = arguments_of(call) if effect_named(name) == "changes" and at < 0 else ()
            yield Effect(effect_named(name), name, self._whose(view, given[0]) if given else "")
        else:
            macros = declared_macros(self._reader, name, view.path)
            for macro in macros:
                yield from self._macro(view, call, macro, depth, call.start_byte if at < 0 else at)
            if not macros:
                yield unknown

    def bodies_of(self, view: View, call: Node) -> list[View]:
        """Return the driver's own definitions of what a call calls, or a header's inline."""
        name = called_by(call)
        own = self._reader.definitions(name, view.path)
        if own or effect_named(name):
            return own
        declared = declared_function(self._reader, name, view.path)
        return list(declared.bodies) if declared is not None and not declared.elsewhere else []

    def _body(self, body: View, depth: int) -> frozenset[Effect]:
        key = body.function
        if key not in self._bodies:
            # Until it is known: of a call of itself.
            self._bodies[key] = frozenset()
            self._bodies[key] = frozenset(self._below(body, body.body or body.node, depth + 1))
        return self._bodies[key]

    def _macro(self, view: View, call: Node, macro: Macro, depth: int, at: int) -> Iterator[Effect]:
        def wanted(name: str) -> bool:
            return not effect_named(name) and view.local(name, at) is None

        text = expanded_text(self._reader, view.path, call.text or b"", macro, wanted)
        made = parse(b"void f(void) { " + text + b"; }").root_node
        if made.has_error:
            yield Effect("", f"what the macro {macro.name}() does is not understood")
            return
        inner = [one for one in below(made) if called_by(one) == macro.name]
        if inner:
            yield Effect("", f"what the macro {macro.name}() does is not known")
            return
        yield from self._below(view, made, depth + 1, at)

    def _stored(self, view: View, node: Node, at: int) -> Iterator[Effect]:
        """Yield what an assignment does, if not to a variable of the function alone."""
        target = node.child_by_field_name("left") or node.child_by_field_name("argument")
        if target is None or is_own(view, target, at):
            return
        # What a macro writes has no place in the view.
        of = self._whose(view, target) if at < 0 else ""
        value, sign = node.child_by_field_name("right"), node.child_by_field_name("operator")
        if value is None or (sign is not None and node_text(sign) != "="):
            yield Effect("adds", node_text(target), of)
            return
        yield Effect("sets", node_text(target), of)
        for one in (bare(value), *below(value)):
            if one.type == "field_expression" and node_text(one.named_children[-1]) == _BYTES:
                one = one.named_children[0]
            elif one.id != bare(value).id:
                continue
            start = one.start_byte if at < 0 else at
            local = view.local(node_text(one), start) if one.type == "identifier" else None
            if local is not None and local.type.base == PACKET:
                yield Effect("keeps", node_text(target))

    def _whose(self, view: View, target: Node) -> str:
        """Return the structure that something is a member of; else its own type."""
        member = target
        while member.type in _AROUND and member.named_child_count:
            member = member.child_by_field_name("argument") or member.named_children[-1]
        if member.type == "field_expression":
            held = member.child_by_field_name("argument") or member
            kind = self._reader.types.of(held, view)
            inside = held.type == "identifier" and self._leads_into_packet(view, held)
            return PACKET if inside else kind.base if kind is not None else ""
        kind = self._reader.types.of(target, view)
        return f"{kind.base} {'*' * kind.pointers}".strip() if kind is not None else ""

    def _leads_into_packet(self, view: View, local: Node) -> bool:
        """Tell whether all that a variable is set to points into the bytes of a packet."""
        values = [without_casts(value) for value in view.assignments(node_text(local))]
        return bool(values) and all(
            function_named(called_by(value)).is_("bytes")
            or (
                node_text(value.child_by_field_name("field") or value) == _BYTES
                and self._whose(view, value) == PACKET
            )
            for value in values
        )


def packets_in(view: View) -> set[str]:
    """Return the packets that a function is given, by name."""
    return {one.name for one in view.locals if one.type.base == PACKET and one.parameter >= 0}


def target_of(text: str) -> str:
    """Return a variable's name, or a member's behind a dot, whatever it is reached through."""
    while (less := _INDEX.sub("", text)) != text:
        text = less
    *above, last = re.split(r"->|\.", text.strip("&*() "))
    return f".{last}" if above else last


def is_own(view: View, target: Node, at: int = -1) -> bool:
    """Tell whether what is assigned to is a variable of a function, or a part of one.

    at: where in the view that is, if the node is not of its tree.
    """
    while target.type in ("field_expression", "parenthesized_expression"):
        sign = target.child_by_field_name("operator")
        if sign is not None and node_text(sign) == "->":
            return False
        target = target.child_by_field_name("argument") or target.named_children[0]
    if target.type != "identifier":
        return False
    return view.local(node_text(target), target.start_byte if at < 0 else at) is not None
