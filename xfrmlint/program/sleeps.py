"""What can sleep below a resolver callback, which runs for every packet in softirq context.

Sources: include/linux/{mutex,rwsem,semaphore,delay,sched,wait,completion,rcupdate,workqueue,gfp,
uaccess,kernel,cleanup}.h, Documentation/kernel-hacking/locking.rst (which functions may sleep).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tree_sitter import Node, Query

from xfrmlint.c.blanking import without_comments
from xfrmlint.c.unit import Place, captured, language, node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract import CALLBACK
from xfrmlint.kernel.functions import function_named, guard_sleeps
from xfrmlint.program.access import Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.ops import Table
from xfrmlint.program.pointers import targets_of
from xfrmlint.program.reach import Hop

_ALLOCATES = re.compile(r"\bGFP_(KERNEL|NOIO|NOFS|USER|HIGHUSER)\w*")
_GUARDS = re.compile(rb"\b(?:scoped_)?(?:cond_)?guard\s*\(\s*(\w+)")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_CALLS = Query(language(), "(call_expression) @call")
_LITERALS = {"true": True, "false": False, "1": True, "0": False, "NULL": False}
_ASKING = ("if_statement", "conditional_expression", "switch_statement")
_DEEPEST = 8
_MOST = 400


class Sleep(NamedTuple):
    """A call that can sleep. chain: from the callback to the function that it stands in."""

    place: Place
    function: FunctionName
    what: str
    table: Table
    callback: str
    filled: Place
    chain: tuple[Hop, ...]


def find_sleeps(graph: CallGraph, tables: Iterable[Table]) -> tuple[list[Sleep], list[Doubt]]:
    """Return the calls that can sleep below the callbacks of some tables, and what stays open."""
    sleeps: dict[tuple[Place, str], Sleep] = {}
    doubts: dict[Doubt, None] = {}
    for table in tables:
        for callback in table.callbacks:
            if callback.field != CALLBACK:
                continue
            head = Hop(callback.target, callback.place.path, callback.place.line, CALLBACK)
            for view in graph.reader.definitions(callback.target, table.place.path):
                for place, function, what, chain in _below(graph, view, (head,), doubts):
                    key = (place, table.symbol)
                    sleeps.setdefault(
                        key,
                        Sleep(place, function, what, table, callback.target, callback.place, chain),
                    )
    return list(sleeps.values()), list(doubts)


class _Entered(NamedTuple):
    """A function on the way. bound: what its parameters are, as far as a caller wrote it out."""

    view: View
    chain: tuple[Hop, ...]
    bound: tuple[tuple[str, str], ...]


def _below(
    graph: CallGraph, start: View, chain: tuple[Hop, ...], doubts: dict[Doubt, None]
) -> list[tuple[Place, FunctionName, str, tuple[Hop, ...]]]:
    found = []
    queue = [_Entered(start, chain, ())]
    seen: set[tuple[FunctionName, tuple[tuple[str, str], ...]]] = set()
    for entered in queue:
        function = graph.known(entered.view)
        mark = (function, entered.bound)
        if mark in seen or len(seen) > _MOST or len(entered.chain) > _DEEPEST:
            continue
        seen.add(mark)
        found += [(place, function, what, entered.chain) for place, what in _guards(entered.view)]
        for view in graph.reader.expanded(entered.view.path, entered.view.written, {}):
            for call in captured(_CALLS, view.node, "call"):
                if _excluded(call, dict(entered.bound)):
                    continue
                place = view.place(call.start_byte)
                targets, through = _targets(graph, view, call)
                what = "" if targets else _sleeping(view, call, _called(call), dict(entered.bound))
                if what and _in_doubt(call, dict(entered.bound)):
                    reason = f"whether {what} is called depends on an argument"
                    doubts[Doubt(place, function.name, reason)] = None
                elif what:
                    found.append((place, function, what, entered.chain))
                elif targets is None:
                    reason = "a resolver callback calls a function pointer: it may sleep"
                    doubts[Doubt(place, function.name, reason)] = None
                for target in targets or ():
                    hop = Hop(target.item.name, place.path, place.line, through)
                    bound = _bound(view, call, target, dict(entered.bound))
                    queue.append(_Entered(target, (*entered.chain, hop), bound))
    return found


def _targets(graph: CallGraph, view: View, call: Node) -> tuple[list[View] | None, str]:
    """Return the driver's functions that a call enters, None for a pointer that is not followed."""
    name = _called(call)
    if name and view.local(name, call.start_byte) is None:
        return graph.reader.definitions(name, view.path), ""
    called = call.child_by_field_name("function") or call
    if called.type == "call_expression":
        # guard(mutex)(&lock): what counts is inside.
        return [], ""
    named = {node_text(value) for value in view.assignments(node_text(called))}
    if any(function_named(n).sleeps == "always" for n in named):
        return [], node_text(called)
    views = [graph.view(target) for target in targets_of(graph, view, called)]
    found = [v for v in views if v is not None]
    return (found or None), node_text(called)


def _bound(
    view: View, call: Node, target: View, known: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return what a callee's parameters are: literals, GFP flags, and what the caller got so."""
    listed = call.child_by_field_name("arguments")
    found = []
    arguments = listed.named_children if listed is not None else []
    for name, given in zip(target.parameters, arguments, strict=False):
        argument = _chosen(given, known)
        texts = {known.get(node_text(argument), node_text(argument))}
        if argument.type == "identifier":
            texts |= {node_text(value) for value in view.assignments(node_text(argument))}
        if argument.type == "identifier" and len(texts) > 1:
            texts.discard(node_text(argument))
        flags = sorted(t for t in texts if _ALLOCATES.search(t))
        literal = texts if len(texts) == 1 and texts <= _LITERALS.keys() else set()
        atomic = {t for t in texts if t.startswith("GFP_")}
        telling = [*flags, *literal, *sorted(atomic)]
        if name and telling and not _rewritten(target, name):
            found.append((name, telling[0]))
    return tuple(found)


def _rewritten(view: View, name: str) -> bool:
    """Tell whether a function changes a parameter of its own."""
    word = name.encode("utf-8", "surrogateescape")
    text = view.text[view.node.start_byte : view.node.end_byte]
    return re.search(rb"(?<![\w.>])" + re.escape(word) + rb"\s*[-+|&^]?=(?!=)", text) is not None


def _excluded(node: Node, bound: dict[str, str]) -> bool:
    """Tell whether a call stands where a constant, or a parameter that is one, keeps it from."""
    while node.parent is not None:
        parent = node.parent
        if parent.type in ("if_statement", "conditional_expression"):
            holds = _holds(parent, bound)
            then = parent.child_by_field_name("consequence")
            other = parent.child_by_field_name("alternative")
            if holds is False and then is not None and then.id == node.id:
                return True
            if holds is True and other is not None and other.id == node.id:
                return True
        if parent.type == "compound_statement":
            for earlier in parent.named_children:
                if earlier.start_byte >= node.start_byte:
                    break
                if earlier.type == "if_statement" and _holds(earlier, bound) and _leaves(earlier):
                    return True
        node = parent
    return False


def _in_doubt(node: Node, bound: dict[str, str]) -> bool:
    """Tell whether a condition before a call asks for a bound parameter in a way not settled."""
    while bound and node.parent is not None:
        parent = node.parent
        conditions = [parent] if parent.type in _ASKING else []
        if parent.type == "compound_statement":
            conditions += [
                c
                for c in parent.named_children
                if c.start_byte < node.start_byte and c.type == "if_statement" and _leaves(c)
            ]
        for one in conditions:
            condition = one.child_by_field_name("condition")
            words = set(re.findall(r"\w+", node_text(condition))) if condition else set()
            if words & bound.keys() and _holds(one, bound) is None:
                return True
        node = parent
    return False


def _holds(node: Node, bound: dict[str, str]) -> bool | None:
    """Return whether a condition holds, where it is a constant or a parameter that is one."""
    condition = node.child_by_field_name("condition")
    text = node_text(condition).strip("() ") if condition is not None else ""
    negated = text.startswith("!")
    inner = text.lstrip("!( ")
    value = _LITERALS.get(bound.get(inner, inner))
    return None if value is None else value != negated


def _leaves(node: Node) -> bool:
    """Tell whether what an if does ends the function, or leaves for a label."""
    then = node.child_by_field_name("consequence")
    if then is not None and then.type == "compound_statement" and then.named_child_count:
        then = then.named_children[-1]
    return then is not None and then.type in ("return_statement", "goto_statement")


def _called(call: Node) -> str:
    called = call.child_by_field_name("function")
    while called is not None and called.type == "call_expression":
        # guard(mutex)(&lock): what counts is inside.
        called = called.child_by_field_name("function")
    return node_text(called) if called is not None and called.type == "identifier" else ""


def _chosen(node: Node, bound: dict[str, str]) -> Node:
    """Return the side of a conditional expression that a constant chooses."""
    if node.type != "conditional_expression":
        return node
    holds = _holds(node, bound)
    side = {True: "consequence", False: "alternative", None: ""}[holds]
    return (node.child_by_field_name(side) if side else None) or node


def _guards(view: View) -> list[tuple[Place, str]]:
    """Return the guards of a function that take a lock which sleeps (include/linux/cleanup.h)."""
    item, unit = view.written, view.corpus.unit(view.path)
    text = without_comments(unit.data[item.start : item.end])
    return [
        (unit.place(item.start + match.start()), f"guard({match.group(1).decode()})")
        for match in _GUARDS.finditer(text)
        if guard_sleeps(match.group(1).decode())
    ]


def _sleeping(view: View, call: Node, name: str, bound: dict[str, str]) -> str:
    """Return what makes a call sleep, or nothing."""
    for one in (name, *(node_text(value) for value in view.assignments(name) if name)):
        if function_named(one).sleeps == "always":
            return f"{one}()"
    listed = call.child_by_field_name("arguments")
    for argument in listed.named_children if listed is not None else ():
        values = [argument]
        if argument.type == "identifier":
            values += view.assignments(node_text(argument))
        for value in values:
            value = _chosen(value, bound)
            text = bound.get(node_text(value), node_text(value))
            flags = _ALLOCATES.search(_STRING.sub("", text))
            if flags is not None and value.type != "call_expression":
                return f"{name}() with {flags.group()}"
    return ""
