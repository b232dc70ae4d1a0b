"""A driver as flow sees it: its functions as graphs, and what its names and members are."""

import re
from collections.abc import Iterable

from xfrmlint.c.constants import Constants
from xfrmlint.c.ctype import CType
from xfrmlint.c.expansion import Macro
from xfrmlint.c.integers import INT, Int, IntType
from xfrmlint.c.view import FunctionName, Local, View
from xfrmlint.contract.words import HANDLE, XFRM, XSO
from xfrmlint.flow.devices import Members
from xfrmlint.flow.relevance import Body
from xfrmlint.flow.tables import Tables
from xfrmlint.flow.values import Constant, Value, is_error
from xfrmlint.kernel import structs
from xfrmlint.kernel.functions import is_kernels
from xfrmlint.program.access import Accesses
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.devices import Devices


class Driver:
    """Answers about one driver; what is asked twice is looked up once.

    reached: the functions on the ways from entries to sites. offload: the offload struct's name.
    """

    def __init__(self, graph: CallGraph, offload: str, reached: Iterable[FunctionName]) -> None:
        self.graph = graph
        self.reader = graph.reader
        self.contract = graph.reader.contract
        self.offload = offload
        self.accesses = Accesses(self.reader, offload, graph.handed)
        devices = Devices(graph, self.accesses)
        self.members = Members(self.reader, devices)
        self.constants = Constants(self.reader.types)
        self.tables = Tables(self.reader, self.constants)
        self.reached = frozenset(reached)
        self.names: dict[str, list[FunctionName]] = {}
        for function in sorted(self.reached):
            self.names.setdefault(function.name, []).append(function)
        self._home = next((f.path for f in sorted(self.reached) if f.path.endswith(".c")), "")
        self._bodies: dict[FunctionName, list[Body]] = {}
        self._views: dict[FunctionName, list[View]] = {}
        self._own: dict[tuple[str, str], list[FunctionName]] = {}
        self._macros: dict[str, dict[str, list[Macro]]] = {}
        self._integers: dict[tuple[str, int, str], IntType | None] = {}

    def views(self, function: FunctionName) -> list[View]:
        """Return the views of a function, the driver's own macros expanded."""
        if function not in self._views:
            noted = self.graph.view(function)
            found: list[View] = []
            if noted is not None:
                made = self.reader.expanded(noted.path, noted.written, self._hiding(noted.path))
                found = [v for v in made if v.item.name == function.name and v.kind == "function"]
                found = [v for v in found if v.body is not None]
            self._views[function] = found
        return self._views[function]

    def _hiding(self, path: str) -> dict[str, list[Macro]]:
        universe = self.reader.universe
        # A header is asked for as the driver's source that uses it: which those are is known.
        path = path if path.endswith(".c") else self._home or path
        key = universe.key(path)
        if key not in self._macros:
            tags = [struct.split()[-1] for struct in self.contract.structs]
            handle = [one for one in self.contract.telling if one == self.contract.member(HANDLE)]
            words = [*handle, XSO, *tags, *self.contract.askers]
            self._macros[key] = self.reader.macros(universe.files(path), key).hiding(words)
        return self._macros[key]

    def bodies(self, function: FunctionName) -> list[Body]:
        """Return a function's bodies, one for each of its views."""
        if function not in self._bodies:
            self._bodies[function] = [Body(v, self.constants) for v in self.views(function)]
        return self._bodies[function]

    def own(self, name: str, path: str) -> list[FunctionName]:
        """Return the driver's functions of a name that a file can call."""
        if is_kernels(name):
            return []
        key = (name, path)
        if key not in self._own:
            views = self.reader.functions(name, path) or self.reader.definitions(name, path)
            # A function of the core can only stand in a header: it is known by what it does.
            shared = self.reader.universe.shared
            asking = {one.name for one in self.contract.inlines}
            views = [
                view
                for view in views
                if not view.path.startswith("include/")
                or (view.path in shared and (view.path != XFRM or view.item.name in asking))
            ]
            views = [v for v in views if not v.static or self._sees(path, v.path)]
            self._own[key] = list(dict.fromkeys(self.graph.known(v) for v in views))
        return self._own[key]

    def _sees(self, path: str, where: str) -> bool:
        """Tell whether a file can call another one's static functions: one #includes the other."""
        local = self.reader.corpus.local
        return where.endswith(".h") or where in local(path) or path in local(where)

    def is_static(self, view: View, local: Local) -> bool:
        """Tell whether a local variable outlives its function."""
        if local.parameter >= 0:
            return False
        start = max(view.text.rfind(mark, 0, local.start) for mark in (b";", b"{", b"}"))
        return re.search(rb"\bstatic\b", view.text[start + 1 : local.start]) is not None

    def number_of(self, value: Value, view: View) -> Int | None:
        """Return the number that a constant stands for, if it can be read."""
        if not isinstance(value, Constant):
            return None
        known = value.number or self.constants.value(value.text, view.path)
        if known is None and is_error(value):
            error = structs.ERRORS.get(value.text[1:])
            return Int(-error, INT) if error is not None else None
        return known

    def integer(self, kind: CType | None, view: View) -> IntType | None:
        """Return the integer type that a type comes to."""
        if kind is None:
            return None
        key = (kind.base, kind.pointers, view.path)
        if key not in self._integers:
            self._integers[key] = self.constants.type(kind, view.path)
        return self._integers[key]
