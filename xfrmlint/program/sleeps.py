"""What can sleep below a resolver callback, which runs for every packet in softirq context.

Sources: include/linux/{mutex,rwsem,semaphore,delay,sched,wait,completion,rcupdate,workqueue,gfp,
uaccess,kernel,cleanup}.h, Documentation/kernel-hacking/locking.rst (which functions may sleep).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tree_sitter import Node, Query, QueryCursor

from xfrmlint.frontend.access import Doubt
from xfrmlint.frontend.blanking import without_comments
from xfrmlint.frontend.unit import Place, language, node_text
from xfrmlint.frontend.view import FunctionName, View
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.ops import Table
from xfrmlint.program.pointers import targets_of
from xfrmlint.program.reach import Hop

CALLBACK = "xdo_dev_state_lower_handle"
_SLEEPS = re.compile(
    r"^(mutex_lock\w*|ww_mutex_lock\w*|rtnl_(net_)?lock\w*|netdev_lock\w*|rt_mutex_lock\w*|"
    r"down|down_(read|write|interruptible|killable|timeout)(_\w+)?|"
    r"msleep\w*|ssleep|usleep_range\w*|fsleep|schedule|schedule_timeout\w*|io_schedule\w*|yield|"
    r"wait_event\w*|wait_for_completion\w*|wait_on_bit\w*|wait_woken|"
    r"synchronize_(rcu|net|srcu|irq|sched)\w*|rcu_barrier\w*|"
    r"flush_(work|workqueue|delayed_work|scheduled_work)|drain_workqueue|cancel_\w*work_sync|"
    r"copy_(from|to)_user|_?copy_(from|to)_user_inatomic_nocache|get_user|put_user|"
    r"might_(sleep|fault)\w*|cond_resched\w*|v[mz]alloc\w*|request_(firmware|module)\w*|"
    r"kthread_stop|napi_(disable|synchronize)|cpus_read_lock|devl_lock|device_lock|"
    r"pm_runtime_get_sync|pci_set_power_state)$"
)
_NEVER = re.compile(r"trylock|_atomic$|inatomic")
_ALLOCATES = re.compile(r"\bGFP_(KERNEL|NOIO|NOFS|USER|HIGHUSER)\w*")
_GUARDS = re.compile(
    rb"\b(?:scoped_)?(?:cond_)?guard\s*\(\s*(mutex|rwsem_\w+|rtnl\w*|netdev_\w*lock)\b"
)
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_CALLS = Query(language(), "(call_expression) @call")
_LITERALS = {"true": True, "false": False, "1": True, "0": False, "NULL": False}
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
            for call in QueryCursor(_CALLS).captures(view.node).get("call", []):
                if _excluded(call, dict(entered.bound)):
                    continue
                place = view.place(call.start_byte)
                targets, through = _targets(graph, view, call)
                what = "" if targets else _sleeping(view, call, _called(call), dict(entered.bound))
                if what:
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
    for name, argument in zip(target.parameters, arguments, strict=False):
        texts = {known.get(node_text(argument), node_text(argument))}
        if argument.type == "identifier":
            texts |= {node_text(value) for value in view.assignments(node_text(argument))}
        telling = [t for t in sorted(texts) if t in _LITERALS or t.startswith("GFP_")]
        # One that can sleep says more than one that can't.
        telling.sort(key=lambda t: _ALLOCATES.search(t) is None)
        if name and telling:
            found.append((name, telling[0]))
    return tuple(found)


def _excluded(node: Node, bound: dict[str, str]) -> bool:
    """Tell whether a call stands in a branch that a parameter's constant excludes."""
    while bound and node.parent is not None:
        parent = node.parent
        if parent.type in ("if_statement", "conditional_expression"):
            condition = parent.child_by_field_name("condition")
            text = node_text(condition).strip("() ") if condition is not None else ""
            negated = text.startswith("!")
            value = _LITERALS.get(bound.get(text.lstrip("!( "), ""))
            then = parent.child_by_field_name("consequence")
            other = parent.child_by_field_name("alternative")
            holds = None if value is None else value != negated
            if holds is False and then is not None and then.id == node.id:
                return True
            if holds is True and other is not None and other.id == node.id:
                return True
        node = parent
    return False


def _called(call: Node) -> str:
    called = call.child_by_field_name("function")
    while called is not None and called.type == "call_expression":
        # guard(mutex)(&lock): what counts is inside.
        called = called.child_by_field_name("function")
    return node_text(called) if called is not None and called.type == "identifier" else ""


def _guards(view: View) -> list[tuple[Place, str]]:
    """Return the guards of a function that take a lock which sleeps (include/linux/cleanup.h)."""
    item, unit = view.written, view.corpus.unit(view.path)
    text = without_comments(unit.data[item.start : item.end])
    return [
        (unit.place(item.start + match.start()), f"guard({match.group(1).decode()})")
        for match in _GUARDS.finditer(text)
    ]


def _sleeping(view: View, call: Node, name: str, bound: dict[str, str]) -> str:
    """Return what makes a call sleep, or nothing."""
    if _SLEEPS.match(name) and not _NEVER.search(name):
        return f"{name}()"
    listed = call.child_by_field_name("arguments")
    for argument in listed.named_children if listed is not None else ():
        values = [argument]
        if argument.type == "identifier":
            values += view.assignments(node_text(argument))
        for value in values:
            text = bound.get(node_text(value), node_text(value))
            flags = _ALLOCATES.search(_STRING.sub("", text))
            if flags is not None and value.type != "call_expression":
                return f"{name}() with {flags.group()}"
    return ""
