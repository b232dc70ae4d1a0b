"""What can sleep below a resolver callback, which runs for every packet in softirq context.

Sources: include/linux/{mutex,rwsem,semaphore,delay,sched,wait,completion,rcupdate,workqueue,gfp,
uaccess,kernel,cleanup}.h, Documentation/kernel-hacking/locking.rst (which functions may sleep).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tree_sitter import Node, Query, QueryCursor

from xfrmlint.frontend.access import Doubt
from xfrmlint.frontend.unit import Place, language, node_text
from xfrmlint.frontend.view import FunctionName, View
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.ops import Table
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
_GUARDS = re.compile(r"^(scoped_)?(cond_)?guard\s*\(\s*(mutex|rwsem_\w+|rtnl\w*|netdev_\w*lock)\b")
_CALLS = Query(language(), "(call_expression) @call")
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


def _below(
    graph: CallGraph, start: View, chain: tuple[Hop, ...], doubts: dict[Doubt, None]
) -> list[tuple[Place, FunctionName, str, tuple[Hop, ...]]]:
    found = []
    queue: list[tuple[View, tuple[Hop, ...]]] = [(start, chain)]
    seen: set[FunctionName] = set()
    for view, way in queue:
        function = graph.known(view)
        if function in seen or len(seen) > _MOST or len(way) > _DEEPEST:
            continue
        seen.add(function)
        for expanded in graph.reader.expanded(view.path, view.written, {}):
            for call in QueryCursor(_CALLS).captures(expanded.node).get("call", []):
                place = expanded.place(call.start_byte)
                name = _called(call)
                what = _sleeping(call, name)
                if what:
                    found.append((place, function, what, way))
                elif name and expanded.local(name, call.start_byte) is None:
                    hop = Hop(name, place.path, place.line, "")
                    for inner in graph.reader.definitions(name, view.path):
                        queue.append((inner, (*way, hop)))
                elif not name.startswith("guard"):
                    reason = "a resolver callback calls a function pointer: it may sleep"
                    doubts[Doubt(place, function.name, reason)] = None
    return found


def _called(call: Node) -> str:
    called = call.child_by_field_name("function")
    while called is not None and called.type == "call_expression":
        # guard(mutex)(&lock): what counts is inside.
        called = called.child_by_field_name("function")
    return node_text(called) if called is not None and called.type == "identifier" else ""


def _sleeping(call: Node, name: str) -> str:
    """Return what makes a call sleep, or nothing."""
    if _SLEEPS.match(name) and not _NEVER.search(name):
        return f"{name}()"
    guard = _GUARDS.match(node_text(call))
    if guard is not None:
        return f"guard({guard.group(3)})"
    listed = call.child_by_field_name("arguments")
    for argument in listed.named_children if listed is not None else ():
        flags = (
            _ALLOCATES.search(node_text(argument)) if argument.type != "call_expression" else None
        )
        if flags is not None:
            return f"{name}() with {flags.group()}"
    return ""
