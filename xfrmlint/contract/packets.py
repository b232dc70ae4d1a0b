"""Whether a packet has its device where the core, or an owner, hands it to a driver's slot.

Looked at is what stands in front of the call, what is called there, and who calls it: in

    static void route(struct sk_buff *skb) { skb->dev = skb_dst(skb)->dev; }
    int output(struct sk_buff *skb) { route(skb); return ops->slot(skb); }

the slot is called with a device that somebody has stored.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, around, bare, call_of, given_to
from xfrmlint.c.graph import Does, graph_of
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import below
from xfrmlint.c.view import View
from xfrmlint.contract.core import SOURCES, Body, Call, bodies_in
from xfrmlint.contract.words import NO, PACKET, UNKNOWN, XFRM, XMIT, YES, Contract, Said, Where
from xfrmlint.kernel.functions import Operand, function_named

_DEEPEST = 6
_ENDS = (Does.RETURN, Does.END)


def packet_device(reader: Reader, contract: Contract) -> Said:
    """Tell whether every caller of the slot that is given packets stores skb->dev before."""
    slot = contract.slot(XMIT)
    stores = _Stores(reader)
    found = list(calls_of(reader, contract, slot, ()))
    if not found:
        return Said(UNKNOWN, Where(), f"nobody is seen to call {slot}()")
    said = [stores.before(contract, *one) for one in found]
    if all(one.says == YES for one in said):
        # Then a driver decides that calls it, too.
        more = calls_of(reader, contract, slot, ("drivers",))
        said += [stores.before(contract, *one) for one in more]
    return next(one for wanted in (NO, UNKNOWN, YES) for one in said if one.says == wanted)


def calls_of(
    reader: Reader, contract: Contract, slot: str, more: Sequence[str]
) -> Iterator[tuple[Body, Call]]:
    """Yield the calls of a slot in the core, and below some folders."""
    bodies = bodies_in(reader, contract, [slot])
    paths = [*core_paths(reader), *(reader.corpus.tree.search(slot, more) if more else ())]
    for path in paths:
        if slot.encode() in reader.corpus.data(path):
            for body in bodies.of(path):
                yield from ((body, call) for call in body.calls)


def core_paths(reader: Reader) -> list[str]:
    """Return the files in which the core is."""
    names = reader.corpus.tree.folder(SOURCES)
    return [XFRM, *(posixpath.join(SOURCES, name) for name in names if name.endswith(".c"))]


class _Stores:
    """Answers about the functions of one tree."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._core = core_paths(reader)

    def before(self, contract: Contract, body: Body, call: Call) -> Said:
        """Tell whether the packet of a call has been given a device."""
        arguments, at = arguments_of(call.node), contract.slots[XMIT].takes.index(PACKET)
        packet = node_text(bare(arguments[at])) if at < len(arguments) else ""
        answer = self._on_the_way(body.view, packet, call.node, (body.name,))
        why = {YES: "", NO: f"{body.name}() does not", UNKNOWN: f"{body.name}() need not"}
        return Said(answer, call.where, why[answer])

    def _on_the_way(self, view: View, packet: str, use: Node, chain: tuple[str, ...]) -> str:
        """Tell whether a packet has got a device where it is used, here or by a caller."""
        local = view.local(packet, use.start_byte)
        here = self._in(view, packet, use, chain)
        if here == YES or local is None or local.parameter < 0 or len(chain) > _DEEPEST:
            return here
        callers = {
            self._on_the_way(where, handed, call, (*chain, where.item.name))
            for where, handed, call in self._callers(view, local.parameter)
            if where.item.name not in chain
        }
        if not callers:
            return here
        if callers == {YES}:
            return YES
        return NO if NO in callers and here == NO else UNKNOWN

    def _in(self, view: View, packet: str, use: Node | None, chain: tuple[str, ...]) -> str:
        """Tell whether a function has given a packet a device before a use, or where it ends."""
        if view.body is None:
            return UNKNOWN
        steps = graph_of(view, view.body.named_children)
        ends = [i for i, step in enumerate(steps.steps) if step.does in _ENDS]
        at = steps.step_of(use) if use is not None else -1
        wanted = {at} if at >= 0 else set(ends)
        stores: dict[str, dict[int, Node]] = {YES: {}, UNKNOWN: {}}
        for node in view.occurrences(packet):
            step = steps.step_of(node)
            behind = use is not None and step == at and node.start_byte >= use.start_byte
            certain = NO if behind else self._stored_at(view, node, chain)
            if certain != NO:
                stores[certain][step] = node
        if not wanted & steps.reached(set(stores[YES])):
            return YES
        every = stores[YES] | stores[UNKNOWN]
        asked = _asked(use, packet)
        alike = any(asked & _asked(node, packet) for node in stores[YES].values())
        if use is None or alike:
            return UNKNOWN if every else NO
        return NO if wanted & steps.reached(set(every)) else UNKNOWN

    def _stored_at(self, view: View, node: Node, chain: tuple[str, ...]) -> str:
        """Tell whether a packet is given a device where it is named, or by what it is given to."""
        member = node.parent
        if member is not None and member.type == "field_expression":
            return YES if _is_stored(member, node_text(node)) else NO
        given = given_to(node)
        if given is None or given.name in chain or len(chain) > _DEEPEST:
            return NO
        target = function_named(given.name).packet_device
        if target is not None and target.target.position == given.position:
            return YES
        answers = {
            self._in(inner, inner.parameters[given.position], None, (*chain, given.name))
            for inner in self._functions(given.name, view.path)
            if given.position < len(inner.parameters)
        }
        return answers.pop() if len(answers) == 1 else UNKNOWN if answers else NO

    def _functions(self, name: str, path: str) -> Iterator[View]:
        """Yield the functions of a name that a file, or the core, has."""
        for where in dict.fromkeys((path, *self._core)):
            unit = self._reader.corpus.unit(where)
            for item in unit.functions(name):
                yield View(self._reader.corpus, where, item, unit.text, None)

    def _callers(self, view: View, position: int) -> Iterator[tuple[View, str, Node]]:
        """Yield the calls of a function in its file, or the core, and which packet is given."""
        name = view.item.name
        for path in dict.fromkeys((view.path, *self._core)):
            unit = self._reader.corpus.unit(path)
            if name.encode() not in self._reader.corpus.data(path):
                continue
            for item in unit.items:
                if item.kind != "function" or name.encode() not in unit.text[item.start : item.end]:
                    continue
                where = View(self._reader.corpus, path, item, unit.text, None)
                for node in where.occurrences(name):
                    call = call_of(node)
                    arguments = arguments_of(call) if call is not None else []
                    if call is not None and position < len(arguments):
                        yield where, node_text(bare(arguments[position])), call


def _is_stored(member: Node, packet: str) -> bool:
    """Tell whether `skb->dev` is written, or is asked for being there, where it stands."""
    if node_text(member.child_by_field_name("field") or member) != "dev":
        return False
    parent = member.parent
    if parent is not None and parent.type == "assignment_expression":
        return parent.child_by_field_name("left") == member
    given = given_to(member)
    if given is not None:
        return function_named(given.name).stored_in(Operand(given.position)) is not None
    condition = around(member, "parenthesized_expression")
    asked = "" if condition is None else re.sub(r"[\s()!]", "", node_text(condition))
    up = condition.parent if condition is not None else None
    return up is not None and up.type == "if_statement" and asked == f"{packet}->dev"


def _asked(node: Node | None, packet: str) -> set[str]:
    """Return what is asked on the way to a node: members, and variables by themselves."""
    conditions = conditions_to(node) if node is not None else ()
    return {
        node_text(leaf)
        for condition in conditions
        for leaf in below(condition.node)
        if leaf.type == "field_identifier" or (leaf.type == "identifier" and _is_whole(leaf))
    } - {packet}


def _is_whole(name: Node) -> bool:
    return name.parent is None or name.parent.type != "field_expression"
