"""Whether a call of a function that is not the driver's can sleep.

The kernel's table tells it, or the body of an inline function or macro of a header; what another
module does is not seen.
"""

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import NamedTuple

from tree_sitter import Node, Query

from xfrmlint.c.cleanups import Cleanups
from xfrmlint.c.expansion import Macro
from xfrmlint.c.expression import arguments_of, called
from xfrmlint.c.header import declared_function, declared_macros, expanded_text
from xfrmlint.c.nodes import captured, language, node_text, parse
from xfrmlint.c.view import FunctionName, View
from xfrmlint.kernel.functions import function_named
from xfrmlint.kernel.places import is_core
from xfrmlint.program.allocation import Flags, flags_of, is_flag
from xfrmlint.program.bound import PLAIN, bound_of, can_be_flags
from xfrmlint.program.branches import Bound, Where, excluded, in_doubt
from xfrmlint.program.callgraph import CallGraph

CALLS = Query(language(), "(call_expression) @call")
_ZERO = re.compile(r"0[uUlL]*")
_ATOMIC = re.compile(r"\bGFP_(?:ATOMIC|NOWAIT)\b")
_DEEPEST = 6
_MOST = 200


class Verdict(NamedTuple):
    """what: the call that can sleep; reason: why that is not known. Both empty: it can't."""

    what: str = ""
    reason: str = ""


_AWAKE = Verdict()


class Outside:
    """Answers for the calls below one callback; what a header's function does is asked once."""

    def __init__(self, graph: CallGraph) -> None:
        self._graph = graph
        self._inside: dict[tuple[FunctionName, tuple[tuple[str, str], ...]], Verdict] = {}

    def verdict(self, view: View, call: Node, bound: Bound) -> Verdict:
        """Tell whether a call can sleep. bound: what is known of the caller's parameters."""
        return self._verdict(view, call, bound, call.start_byte, 0)

    def _verdict(self, view: View, call: Node, bound: Bound, at: int, depth: int) -> Verdict:
        name = called(call)
        does = function_named(name)
        given = arguments_of(call)

        def flags(nodes: Sequence[Node]) -> Flags:
            found = (flags_of(self._graph, view, node, bound, at) for node in nodes)
            return frozenset().union(*found)

        # The resolver runs for every packet, too.
        if does.sleeps == "never" or name in self._graph.reader.contract.askers:
            return _AWAKE
        if does.sleeps == "always":
            waits = given[does.unless_zero : does.unless_zero + 1] if does.unless_zero >= 0 else []
            zero = [node for node in waits if _is_zero(node, bound)]
            return _AWAKE if zero else Verdict(f"{name}()")
        telling = given[does.gfp : does.gfp + 1] if does.gfp >= 0 else []
        if does.sleeps == "default" and not telling:
            return Verdict(f"{name}() with GFP_KERNEL, its default")
        found = flags(telling or self._plain(view, given, bound))
        for flag in sorted(filter(None, found)):
            return Verdict(f"{name}() with {flag}")
        if does.sleeps:
            unseen = not found or None in found if telling else not _atomic(given)
            reason = f"the flags that {name}() is given are not known: it may sleep"
            return Verdict("", reason) if unseen else _AWAKE
        # Whoever is given flags keeps to them.
        if does.known or _atomic(given):
            return _AWAKE
        return self._declared(view, call, name, bound, at, depth)

    def _plain(self, view: View, given: Sequence[Node], bound: Bound) -> list[Node]:
        """Return those arguments that can be flags though no row says which is."""
        return [
            node
            for node in given
            if node.type in PLAIN and can_be_flags(self._graph, view, node, bound, None)
        ]

    def _declared(
        self, view: View, call: Node, name: str, bound: Bound, at: int, depth: int
    ) -> Verdict:
        """Look at what the headers have by a name."""
        reader = self._graph.reader
        unseen = Verdict("", f"{name}() of another module may sleep")
        if depth > _DEEPEST or len(self._inside) > _MOST:
            return unseen
        known = declared_function(reader, name, view.path)
        macros = declared_macros(reader, name, view.path) if known is None else []
        if known is not None:
            verdicts = [self._body(view, call, body, bound, at, depth) for body in known.bodies]
            found = _worst([*verdicts, unseen] if known.elsewhere else verdicts)
        elif macros:
            found = _worst([self._macro(view, call, one, bound, at, depth) for one in macros])
        else:
            return unseen
        return found._replace(what=f"{found.what} in {name}()") if found.what else found

    def _body(
        self, view: View, call: Node, body: View, bound: Bound, at: int, depth: int
    ) -> Verdict:
        inner = bound_of(self._graph, view, call, body, bound, at)
        key = (body.function, tuple(sorted(inner.items())))
        if key not in self._inside:
            # Until it is known: of a call of itself.
            self._inside[key] = _AWAKE
            self._inside[key] = _worst(self._calls(body, body.node, inner, None, depth))
        return self._inside[key]

    def _macro(
        self, view: View, call: Node, macro: Macro, bound: Bound, at: int, depth: int
    ) -> Verdict:
        def wanted(name: str) -> bool:
            known = is_flag(name) or function_named(name).known
            return not known and view.local(name, at) is None

        text = expanded_text(self._graph.reader, view.path, call.text or b"", macro, wanted)
        body = parse(b"void f(void) { " + text + b"; }").root_node
        if body.has_error:
            return Verdict("", f"what the macro {macro.name}() does is not understood")
        # What stands among its arguments is a call of its own.
        own = {node_text(inner) for inner in captured(CALLS, call, "call")}
        return _worst(self._calls(view, body, bound, at, depth, own))

    def _calls(
        self,
        view: View,
        root: Node,
        bound: Bound,
        at: int | None,
        depth: int,
        without: Set[str] = frozenset(),
    ) -> Iterator[Verdict]:
        """Yield what is to be said of the calls in a piece of code. at: see flags_of()."""
        for call in captured(CALLS, root, "call"):
            name, offset = called(call), call.start_byte if at is None else at
            where = Where(view, bound, self._graph.constants, at)
            if node_text(call) in without or excluded(where, call):
                continue
            if not name or view.local(name, offset) is not None:
                yield Verdict("", "a function pointer is called in a header: it may sleep")
            elif not is_core(view.path) and self._graph.reader.definitions(name, view.path):
                yield Verdict("", f"a macro of a header calls {name}(): it may sleep")
            else:
                found = self._verdict(view, call, bound, offset, depth + 1)
                yield doubtful(found.what) if found.what and in_doubt(where, call) else found


def doubtful(what: str) -> Verdict:
    """Return what is said of a call that an argument decides about."""
    return Verdict("", f"whether {what} is called depends on an argument")


def calls_in(view: View) -> Iterator[Node]:
    """Yield the calls of a function, and those that are made where its variables end."""
    for root in (view.node, *Cleanups(view).ends()):
        yield from captured(CALLS, root, "call")


def _is_zero(node: Node, bound: Bound) -> bool:
    text = bound.get(node_text(node), node_text(node))
    return _ZERO.fullmatch(text.strip("() ")) is not None


def _atomic(nodes: Sequence[Node]) -> bool:
    return any(_ATOMIC.search(node_text(node)) for node in nodes)


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    found = list(verdicts)
    return next(
        (one for one in found if one.what), next((one for one in found if one.reason), _AWAKE)
    )
