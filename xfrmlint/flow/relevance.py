"""Which statements of a function matter to handles: a slice, before anything is evaluated.

A statement matters if it names something that can carry a handle, calls a function on the way to a
site, asks for the result of such a call or for a flag, or assigns what such a statement uses. All
others are skipped; their branches count as both ways.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from heapq import heappop, heappush
from typing import NamedTuple

from xfrmlint.c.constants import Constants
from xfrmlint.c.ctype import CType
from xfrmlint.c.graph import Does, Graph, graph_of
from xfrmlint.c.integers import BOOL, BOOLS, IntType
from xfrmlint.c.lower import Lowered
from xfrmlint.c.syntax import (
    Address,
    Assignment,
    Binary,
    Call,
    Declaration,
    Deref,
    Expression,
    Index,
    Initializer,
    Member,
    Name,
    Truth,
    Unary,
    bared,
    inside,
    pointed,
    root_of,
    uncast,
)
from xfrmlint.c.types import Types
from xfrmlint.c.view import View
from xfrmlint.contract.words import XSO
from xfrmlint.flow.carried import Carried, Carriers, Seeds, carries, sides, word_of
from xfrmlint.flow.naming import names_of
from xfrmlint.flow.onward import (
    joining_steps,
    near_steps,
    next_that_matter,
    next_without_loops,
    onward_steps,
)
from xfrmlint.flow.questions import questions_in
from xfrmlint.kernel.functions import function_named

_STRUCT = re.compile(r"(?:struct|union)\b")
# What may be no number; what joins conditions.
_VARIABLE = re.compile(r"\b(?!true\b|false\b|likely\b|unlikely\b)[a-z_]\w*")
_JOINTS = re.compile(r"&&|\|\|")
_WORD = re.compile(r"[A-Za-z_]\w*")
_SMALL = 60
_ENDS = (Does.RETURN, Does.END, Does.CUT)
_STATE = CType("struct xfrm_state", 1)
_PACKET = CType("struct sk_buff", 1)
_MACRO = re.compile(r"^[A-Z][A-Z0-9_]*\s*\(")


class Slice(NamedTuple):
    """graph: the function's. onward: for each step, those that matter next. joins: the steps that
    several lead to: only there can two paths be in the same state.

    correlated: what is asked more than once, where one answer decides about a handle.
    """

    graph: Graph
    onward: Mapping[int, tuple[int, ...]]
    correlated: frozenset[str]
    joins: frozenset[int]


class Body:
    """A function's graph with the names in each step, made once."""

    def __init__(self, view: View, constants: Constants) -> None:
        self.view = view
        assert view.body is not None
        self.graph = graph_of(view, view.body.named_children)
        self.lowered = Lowered(view, self.graph, constants)
        steps = self.graph.steps
        written = [self.lowered.text(i) for i in range(len(steps))]
        self.names = [names_of(text, self.lowered.statement(i)) for i, text in enumerate(written)]
        # The steps that name each word.
        self.naming: dict[str, list[int]] = {}
        for i, names in enumerate(self.names):
            for word in names.words:
                self.naming.setdefault(word, []).append(i)
        # A macro as a statement of its own can leave the function.
        self.macros = {i for i, text in enumerate(written) if _MACRO.match(text)}
        typed = [(v.name, constants.types.of_local(v, view)) for v in view.locals]
        known = [(name, kind) for name, kind in typed if kind is not None]
        self.structs = {name for name, kind in known if not kind.pointers and " " in kind.base}
        self.devices = {name for name, kind in known if kind.base == "struct net_device"}
        self.pointers = {n for n, kind in known if kind.pointers == 1 and " " in kind.base}
        self.packets = {name for name, kind in known if kind == _PACKET} - {*view.parameters}
        self.states = {name for name, kind in known if kind == _STATE}
        self.scalars = {name for name, kind in known if not kind.pointers} - self.structs
        self.bools = {name for name, kind in known if not kind.pointers and kind.base in BOOLS}
        self.counters = self._counters(known, written, constants)
        # Where a variable is made a constant, or counted on.
        self.constants: dict[str, set[int]] = {}
        for i, names in enumerate(self.names):
            # What a loop counts from is no flag, unless it is asked for elsewhere, too.
            flags = names.constant if written[i].endswith(";") else frozenset[str]()
            for name in flags | (names.constant | names.changed) & {*self.counters}:
                self.constants.setdefault(name, set()).add(i)
        self.flags = frozenset(self.constants)
        self._pairs: dict[int, list[Expression]] = {}
        self.aliases = self._aliases()
        # Where the evaluator found each name to lie: a frame's, or a static variable's.
        self.places: dict[int, tuple[bool, str] | None] = {}
        # Whose each element of a table is, see Frame.element().
        self.elements: dict[int, str] = {}
        # What each port that is looked for is not, see Frame.others_than().
        self.apart: dict[tuple[int, str], Sequence[Expression]] = {}
        # Whether each member is one of a union.
        self.unions: dict[int, bool] = {}

    def _counters(
        self, known: Sequence[tuple[str, CType]], written: Sequence[str], constants: Constants
    ) -> dict[str, IntType]:
        """Return the integers that are counted on, and not asked for by loops alone."""
        counted = set().union(*(names.changed for names in self.names))
        steps = zip(self.graph.steps, self.names, written, strict=True)
        asking = [
            names.words
            for step, names, text in steps
            if (step.does in (Does.TEST, Does.SWITCH) and not step.again) or "?" in text
        ]
        kinds = {pair for pair in known if pair[0] in counted.intersection(set().union(*asking))}
        times = Counter(name for name, _ in kinds)
        typed = {name: constants.type(kind, self.view.path) for name, kind in kinds}
        return {n: kind for n, kind in typed.items() if kind and kind != BOOL and times[n] == 1}

    def pairs(self, index: int) -> list[Expression]:
        """Return a step's assignments, initializers and calls."""
        if index not in self._pairs:
            wanted = Assignment | Declaration | Call | Initializer
            parts = inside(self.lowered.statement(index))
            self._pairs[index] = [part for part in parts if isinstance(part, wanted)]
        return self._pairs[index]

    def _aliases(self) -> dict[str, str]:
        """Return the variables that are made pointers to structs among the variables: to which."""
        found = {}
        for index, text in enumerate(self.names):
            for one in self.pairs(index) if text.taken & self.structs else ():
                if not isinstance(one, Assignment | Declaration):
                    continue
                to, value = one.target, one.value
                if isinstance(to, Name) and isinstance(value, Address):
                    if isinstance(value.of, Name) and value.of.name in self.structs:
                        found[to.name] = value.of.name
        return found

    def given(self, index: int) -> set[str]:
        """Return the members that are read in the arguments of a step's calls, or stored behind."""
        found = set()
        for one in self.pairs(index):
            read = list(one.arguments) if isinstance(one, Call) else []
            target = one.target if isinstance(one, Assignment) else None
            if isinstance(target, Member) and target.arrow:
                # cb->flow->sa = h: where it leads was stored in a member.
                read.append(target.of)
            found |= {part.name for part in read if isinstance(part, Member)}
        return found

    def carried(self, seeds: Seeds, given: Iterable[str]) -> Carried:
        """Return what carries a handle. given: parameters that do."""
        found = Carriers(set(given))
        returns = False
        # Each step is looked at again for names that came since; those with few names first, so
        # that one with many is not looked at for each of them.
        waiting = [(0, -1)]
        queued = {-1}
        fresh = [*given, *(word for word in seeds.words if word in self.naming)]
        while waiting:
            _, index = heappop(waiting)
            queued.discard(index)
            if index >= 0:
                if self.graph.steps[index].does is Does.RETURN:
                    value = self.lowered.statement(index)
                    returns = returns or any(carries(n, seeds, found) for n in value)
                for pair in self.pairs(index):
                    self._pair(pair, seeds, found)
                fresh, found.fresh = found.fresh, []
            for name in fresh:
                for i in self.naming.get(name, ()):
                    if i not in queued:
                        queued.add(i)
                        heappush(waiting, (len(self.names[i].words), i))
        parameters = self.view.parameters
        return Carried(
            frozenset(found.names),
            frozenset(found.members),
            returns,
            frozenset(i for i, name in enumerate(parameters) if name in found.fills),
            frozenset((name, frozenset(at)) for name, at in found.handed.items()),
        )

    def _pair(self, one: Expression, seeds: Seeds, found: Carriers) -> None:
        match one:
            case Call():
                for callee in sides(one):
                    self._called(word_of(callee), one.arguments, seeds, found)
            case Initializer():
                for name, value in one.items:
                    if not name.startswith("#") and carries(value, seeds, found):
                        found.member(name)
            case Assignment() | Declaration():
                if one.value is not None and carries(one.value, seeds, found):
                    self._assigned(one.target, found)

    def _assigned(self, target: Expression, found: Carriers, fills: bool = True) -> None:
        through = isinstance(target, Address | Deref | Index)
        target = bared(target, subscripts=True)
        if isinstance(target, Name):
            found.name(target.name)
            if through and fills:
                found.fills.add(target.name)
        elif isinstance(target, Member):
            found.member(target.name)
            root = root_of(target).text
            if root in self.structs:
                found.name(root)
            elif root in self.aliases:
                # Either of them is the struct that holds it then.
                found.name(root)
                found.name(self.aliases[root])

    def _called(
        self, name: str, arguments: Sequence[Expression], seeds: Seeds, found: Carriers
    ) -> None:
        stores = {s.value.position: s.target.position for s in function_named(name).stores}
        for position, argument in enumerate(arguments):
            inner = bared(argument)
            if name in seeds.words and isinstance(argument, Address):
                # A function on the way fills it, or its members.
                if isinstance(inner, Name) and inner.name in self.structs:
                    found.name(inner.name)
            held = isinstance(inner, Name) and inner.name in self.structs
            leads = held and inner.text in found.names
            if (name, position) in seeds.filling:
                self._assigned(argument, found, fills=False)
                if isinstance(uncast(argument), Name):
                    # A parameter that is handed on, or a pointer to another variable.
                    found.fills.add(inner.text)
                    for pointee in self._pointees(inner.text):
                        found.name(pointee)
            elif leads or carries(argument, seeds, found):
                # Also the address of a struct that holds a handle.
                found.handed.setdefault(name, set()).add(position)
                if stores.get(position, -1) in range(len(arguments)):
                    self._assigned(arguments[stores[position]], found, fills=False)

    def _pointees(self, pointer: str) -> Iterator[str]:
        """Yield the variables whose address a variable is given."""
        for index in self.naming.get(pointer, ()):
            for one in self.pairs(index) if pointer in self.names[index].assigned else ():
                if isinstance(one, Assignment | Declaration) and isinstance(one.value, Address):
                    if bared(one.target).text == pointer and isinstance(one.value.of, Name):
                        yield one.value.of.name

    def slice(self, seeds: Seeds, carried: Carried, stays: bool) -> Slice:
        """Return what matters. stays: it matters for how long a handle stays where it is put."""
        steps = self.graph.steps
        carriers = seeds.words | carried.names | carried.members
        first = {i for i, text in enumerate(self.names) if text.words & carriers}
        if first and stays:
            held = seeds.members | carried.members
            clearing = {name for name, member in seeds.clearing if member in held | {""}}
            first |= {i for i in range(len(steps)) if self._lets_go(i, clearing, held)}
        matters = set(first)
        if first:
            # What is handed out beside a handle, an error's number say, decides at the caller's.
            parameters = frozenset(self.view.parameters)
            matters |= {i for i, text in enumerate(self.names) if text.through & parameters}
            # So does a flag that is put beside one in a caller's struct.
            filled = parameters & {
                root_of(one.target).text
                for i in first
                for one in (self.pairs(i) if self.names[i].members & carried.members else ())
                if isinstance(one, Assignment)
            }
            beside = {i for name in filled for i in self.naming.get(name, ())}
            matters |= {i for i in beside if not self.names[i].members - seeds.flags}
        # What a call on the way returned decides where the path goes.
        results = set().union(*(self.names[i].assigned | self.names[i].taken for i in matters))
        begun = first | self._spread(results)
        decided: dict[str, set[int]] = {}
        matters |= {
            i
            for i, step in enumerate(steps)
            if step.does in _ENDS
            or step.again
            or step.misread
            or i in self.macros
            or (step.does in (Does.TEST, Does.SWITCH) and self._asks(i, results, begun, decided))
        }
        correlated = self._correlated(first or set(range(len(steps))), seeds.flags)
        matters |= {i for text in correlated for i in self.questions[text]}
        told = set().union(*map(_WORD.findall, correlated))
        if not first and len(steps) <= _SMALL:
            # A helper that was entered for the device or the SA that it returns or fills in.
            first = set(range(len(steps)))
            matters |= first
        ahead, behind = near_steps(steps, first) if first else (set(range(len(steps))), set())
        near = ahead | behind
        # Behind the last of them only what decides about the way out is left.
        matters = {
            i
            for i in matters
            if steps[i].does in _ENDS or i in ahead or (i in behind and not steps[i].again)
        }
        # A packet that is given a device behind them tells whose it is.
        matters |= {i for i in behind if self._gives_device(i)}
        # Whether the own device is one that the state names: in some topologies it never is.
        naming = [i for i in range(len(steps)) if self._names_device(i, seeds.named)]
        named_by_state = set().union(*(self.names[i].assigned for i in naming))
        naming = [i for i in naming if steps[i].does is Does.TEST]
        inputs: set[str] = set()
        # What a call on the way is given can be a member that was written before: skb->dev.
        given = set().union(*(self.given(i) for i in first))
        fresh = set(matters)
        while fresh:
            inputs.update(*(self.names[i].words for i in fresh))
            deciding = told | inputs & (results | self.flags)
            wanted = (inputs - self.scalars) | deciding
            fresh = {
                i
                for i, text in enumerate(self.names)
                if i not in matters
                and i in near
                and (
                    (text.assigned | text.taken) & (wanted if i in ahead else deciding)
                    or text.members & (told | given if i in ahead else told)
                )
            }
            asked = [*self._tests(self.devices & (inputs | named_by_state), inputs), *naming]
            if "dev" in inputs or seeds.moving:
                # What is called further down can ask for the packet's device.
                asked += [i for i in ahead if self._moves(i, seeds)]
            fresh |= {i for i in asked if i in ahead and i not in matters}
            matters |= fresh
        matters |= {i for i in near if steps[i].does is Does.CONFIGURED}
        onward = onward_steps(steps, matters)
        return Slice(self.graph, onward, correlated, joining_steps(steps, onward))

    def _spread(self, results: set[str]) -> set[int]:
        """Add the variables that are computed from some to them; return the steps that do so."""
        found: set[int] = set()
        fresh = set(results)
        while fresh:
            naming = {i for name in fresh for i in self.naming.get(name, ())} - found
            made = {i: name for i in naming for name in self._computed(i, fresh)}
            found.update(made)
            fresh = {*made.values()} - results
            results |= fresh
        return found

    def _computed(self, index: int, names: set[str]) -> Iterator[str]:
        """Yield the variables that a step computes from some, and from nothing that is called."""
        for one in self.pairs(index) if self.names[index].assigned else ():
            if not isinstance(one, Assignment | Declaration) or one.value is None:
                continue
            target, parts = uncast(one.target), list(inside((one.value,)))
            if isinstance(target, Name) and not any(isinstance(p, Call) for p in parts):
                if any(isinstance(p, Name) and p.name in names for p in parts):
                    yield target.name

    def _lets_go(self, index: int, clearing: Set[str], members: frozenset[str]) -> bool:
        """Tell whether a step clears what holds one of some members, or takes it out of a list.

        clearing: functions that do so.
        """
        types, path = self.lowered.syntax.constants.types, self.view.path
        for call in self.pairs(index):
            does = function_named(call.name) if isinstance(call, Call) else None
            if does is None or not isinstance(call, Call) or not call.arguments:
                continue
            if does.removes == "entry" or call.name in clearing:
                return True
            kind = types.of(pointed(call.arguments[0]).node, self.view) if does.clears else None
            if kind is not None and holds_a_member(types, kind, path, members, {}):
                return True
        return False

    @cached_property
    def questions(self) -> dict[str, set[int]]:
        """What is asked, and in which steps."""
        found: dict[str, set[int]] = {}
        for i, step in enumerate(self.graph.steps):
            for text in questions_in(step, self.lowered.statement(i)):
                found.setdefault(text, set()).add(i)
        return found

    def _correlated(self, first: set[int], flags: frozenset[str]) -> frozenset[str]:
        """Return what is asked where one answer leads to a step and another does not, and again.

        A bool, and a member that is a flag, can be asked elsewhere; where it is stored is seen.
        """
        known = next_without_loops(self.graph.steps, set(first))
        found = set()
        for text, asking in self.questions.items():
            words = _WORD.findall(text)
            if text in self.bools:
                used = {i for i in self.naming[text] if not self.names[i].ends(text)}
                again, told = len(used | asking) > 1, True
            else:
                told = "." in text and words[0] in self.structs and words[-1] in flags
                again = told or len(asking) > 1
            if again and (told or self._holds(words)):
                if any(i in first or self._parts(i, first, known) for i in asking):
                    found.add(text)
        return frozenset(found)

    def _parts(self, index: int, first: set[int], known: Mapping[int, tuple[int, ...]]) -> bool:
        """Tell whether not all ways from a step lead to the same of some steps."""
        steps = self.graph.steps
        ways = {frozenset(next_that_matter(steps, first, n, known)) for n in steps[index].next}
        return len(ways) > 1

    def _holds(self, words: Sequence[str]) -> bool:
        """Tell whether what is asked of variables stays so: none gets a value more than once.

        A constant, which is seen to be one, is none.
        """
        return all(self._values[word] <= 1 for word in words)

    @cached_property
    def _values(self) -> Counter[str]:
        """How often each variable gets a value, or can get one."""
        found = Counter(self.view.parameters)
        for names in self.names:
            for several in (names.assigned - names.constant, names.taken, names.changed):
                found.update(several)
        return found

    def _names_device(self, index: int, members: frozenset[str]) -> bool:
        """Tell whether a step reads a net_device that a state names."""
        words = self.names[index].words
        return XSO in words and not members.isdisjoint(words)

    def _moves(self, index: int, seeds: Seeds) -> bool:
        """Tell whether a step can give a packet another device, whatever the packet is called."""
        text = self.names[index]
        if "dev" in text.members or text.words & seeds.moving:
            return True
        return self._gives_device(index, self.packets)

    def _gives_device(self, index: int, packets: Set[str] = frozenset()) -> bool:
        """Tell whether a step calls what gives a packet a device. packets: that it may be given."""
        calls = [one for one in self.pairs(index) if isinstance(one, Call)]
        return any(
            does.packet_device is not None
            or (not does.known and any(bared(one).text in packets for one in call.arguments))
            for call in calls
            if (does := function_named(call.name))
        )

    def _tests(self, devices: set[str], inputs: set[str]) -> list[int]:
        """Return the conditions that name net_devices, or ask whether there is a state."""
        states = self.states & inputs
        found = []
        for i, step in enumerate(self.graph.steps):
            words = self.names[i].words if step.does is Does.TEST else frozenset()
            asked = self.lowered.statement(i) if words & states else ()
            if words & devices or any(states.intersection(_asked(one)) for one in asked):
                found.append(i)
        return found

    def _asks(
        self, index: int, results: set[str], first: set[int], decided: dict[str, set[int]]
    ) -> bool:
        """Tell whether a condition asks for a result, or for nothing but flags; or is settled.

        first: the steps with results. decided: what _having() has found of names.
        """
        words = self.names[index].words
        if not words - {"true", "false"} or self._is_settled(index):
            return True
        others = {w for w in words - self.flags if not w.isupper()} - {"likely", "unlikely"}
        asked = words & (results | {*self.counters}) | (set() if others else words & self.flags)
        for name in asked - {*decided}:
            decided[name] = self._having(name, first)
        return any(index in decided[name] for name in asked)

    def _having(self, name: str, first: set[int]) -> set[int]:
        """Return the steps at which a name can have a result, or a flag's constant.

        Behind `err = unmap(skb)` it has neither: both ways are open, whatever it was before.
        """
        begins = first | self.constants.get(name, set())
        stack = [i for i in begins if name in self.names[i].assigned | self.names[i].taken]
        stack += [self.graph.start] if name in self.view.parameters else []
        found: set[int] = set()
        while stack:
            for following in self.graph.steps[stack.pop()].next:
                if following not in found:
                    found.add(following)
                    stack += [following] if not self.names[following].ends(name) else []
        return found

    def _is_settled(self, index: int) -> bool:
        """Tell whether a condition is the same on all paths: a macro's number decides."""
        constants, path = self.lowered.syntax.constants, self.view.path
        given, text = constants.types.corpus.given(path), self.lowered.text(index)
        # To look everywhere for what a variable is called takes long: a part without one decides.
        parts = (_VARIABLE.findall(part) for part in _JOINTS.split(text))
        numbers = any(all(word in given for word in part) for part in parts)
        return numbers and constants.value(text, path) is not None


def holds_a_member(
    types: Types,
    kind: CType,
    path: str,
    names: frozenset[str],
    known: dict[tuple[str, str, frozenset[str]], bool],
) -> bool:
    """Tell whether a struct, or one that lies in it, has a member of one of some names."""
    key = (kind.base, path, names)
    if kind.node is None and key in known:
        return known[key]
    # Until it is known: no C has a struct that lies in itself, but a tree may.
    known[key] = False
    fields = types.fields(kind, path)
    if fields is None:
        return False
    # A typedef is a number's, nearly always, and far to look for; the kernel's hold no driver's.
    own = not fields[1].startswith("include/")
    inner = [one for one in fields[0].values() if own and not one.pointers]
    inner = [one for one in inner if _STRUCT.match(one.base)]
    held = not names.isdisjoint(fields[0]) or any(
        holds_a_member(types, one, path, names, known) for one in inner
    )
    known[key] = held
    return held


def _asked(one: Expression) -> list[str]:
    """Return the names whose truth a condition asks for."""
    match one:
        case Name():
            return [one.name]
        case Truth() | Unary():
            return _asked(one.of)
        case Binary():
            return [*_asked(one.left), *_asked(one.right)]
    return []
