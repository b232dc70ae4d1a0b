"""Where a driver's add says that it took a state, and has stored no handle on the ways there.

    if (x->xso.dir == XFRM_DEV_OFFLOAD_IN)
            return 0;
    x->xso.offload_handle = (unsigned long)sa;
    return 0;

The first return leaves 0 in the field, which means "none". An add that nowhere stores a handle says
nothing here, nor does a return behind a call that may store one, or behind a look at the field; a
state that is only being asked for (acquire) sends nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import arguments_of, bare, called
from xfrmlint.c.graph import Does, Graph, graph_of
from xfrmlint.c.jumps import conditions_to
from xfrmlint.c.nodes import captured, node_text
from xfrmlint.c.unit import Place, below
from xfrmlint.c.view import View
from xfrmlint.contract.words import ADD, HANDLE, STATE
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.drivers import Driver
from xfrmlint.program.outside import CALLS
from xfrmlint.program.sites import Site

_NONE = "no handle is stored on the ways to this return"
_CLEARED = "0 is stored on the ways to this return"
_ACQUIRE = "_ACQ"


class Unstored(NamedTuple):
    """A return by which add takes a state without a handle. because: where 0 is stored, or it."""

    place: Place
    function: str
    driver: str
    because: Place
    why: str


class _Stores(NamedTuple):
    """The steps of a function that may store a handle, and those that store 0."""

    handle: set[int]
    zero: dict[int, Site]


def find_unstored(
    graph: CallGraph, drivers: Iterable[Driver], sites: Iterable[Site]
) -> Iterator[Unstored]:
    """Yield the returns by which lower drivers' adds take a state without a handle."""
    slot = graph.reader.contract.slot(ADD)
    writes = [s for s in sites if s.member == HANDLE and s.access == "write" and s.under_add]
    for driver in drivers if writes else ():
        names = {one.target for one in driver.table.callbacks if one.field == slot}
        for name in sorted(names) if driver.role == "lower" else ():
            for view in graph.reader.definitions(name, driver.table.place.path):
                yield from _Add(graph, view, writes).unstored(driver.module)


class _Add:
    """Answers about one add. writes: the stores of handles in its driver's adds."""

    def __init__(self, graph: CallGraph, view: View, writes: Sequence[Site]) -> None:
        self._graph = graph
        self._word = graph.reader.contract.word(HANDLE)
        function = graph.known(view)
        self._own = [site for site in writes if site.function == function]
        self._view = self._own[0].view if self._own else view
        under = [one for one in writes if function in one.reached.functions and not one.cleared]
        # Itself, too, if it stores anything.
        self._storing = {f.name for one in under for f in one.reached.functions}

    def unstored(self, driver: str) -> Iterator[Unstored]:
        """Yield the returns of 0 that no handle is stored before."""
        if not self._storing or self._view.body is None:
            return
        steps = graph_of(self._view, self._view.body.named_children)
        stores = self._found(steps)
        stored = steps.reached(stores.zero, stores.handle) if stores.handle else set[int]()
        for index in sorted(steps.reached(()) - stored):
            step = steps.steps[index]
            if step.does is not Does.RETURN or step.node is None or self._is_asked(step.node):
                continue
            if [node_text(bare(value)) for value in step.node.named_children] == ["0"]:
                place = self._view.place(step.node.start_byte)
                behind = (s for at, s in stores.zero.items() if index in steps.reached((), [at]))
                zero = next(behind, None)
                told = (zero.place, _CLEARED) if zero is not None else (place, _NONE)
                yield Unstored(place, self._view.item.name, driver, *told)

    def _found(self, steps: Graph) -> _Stores:
        found = _Stores(set(), {})
        own = {site.place: site for site in self._own}
        for node in self._view.occurrences(self._word) if own else ():
            site = own.get(self._view.place(node.start_byte))
            if site is not None and site.cleared:
                found.zero[steps.step_of(node)] = site
            elif site is not None:
                found.handle.add(steps.step_of(node))
        for call in captured(CALLS, self._view.node, "call"):
            if self._may_store(call):
                found.handle.add(steps.step_of(call))
        return found

    def _may_store(self, call: Node) -> bool:
        """Tell whether a call stores a handle, or is given the state where nobody sees into it."""
        name = called(call)
        if name in self._storing or function_named(name).known:
            return name in self._storing
        named = (n for one in arguments_of(call) for n in below(one) if n.type == "identifier")
        locals_ = (self._view.local(node_text(one), one.start_byte) for one in named)
        kinds = {local.type.base for local in locals_ if local is not None}
        given = not kinds.isdisjoint((STATE, self._graph.reader.contract.offload))
        return given and not self._graph.reader.definitions(name, self._view.path)

    def _is_asked(self, node: Node) -> bool:
        """Tell whether a way to a node asks for the field, or for an acquire state."""
        asked = [node_text(one.node) for one in conditions_to(node)]
        return any(word in text for text in asked for word in (self._word, _ACQUIRE))
