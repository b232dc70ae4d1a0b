"""Who calls a function: directly, through a macro, or through whatever holds its address."""

import re
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import arguments_of, around, call_of, given_to
from xfrmlint.c.index import words
from xfrmlint.c.mention import (
    CONSTANT,
    Slot,
    Use,
    declared_argument,
    indexes_behind,
    is_other_element,
    slot_files,
    slot_of,
    use_beside,
    use_of,
)
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Occurrence, Reader
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View
from xfrmlint.kernel.doors import (
    DATAPATH,
    UNKNOWN,
    Door,
    argument_door,
    is_packet,
    is_packet_handler,
    registered_door,
    slot_door,
    takes_packet,
)
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.cleanups import Cleanups
from xfrmlint.program.holders import Holder, Holders
from xfrmlint.valueflow.forms import Forms
from xfrmlint.valueflow.uses import DEEPEST, Step, Uses

_CALLED = re.compile(rb"\b([A-Za-z_]\w*)\s*\(")


class Edge(NamedTuple):
    """A call: who calls, where, and through what (empty for a plain call)."""

    caller: FunctionName
    place: Place
    via: str


class Entry(NamedTuple):
    """A door of the driver: its name, its context (kernel/doors.py), and where it is filled.

    atomic: whether nothing may sleep behind it; None where that is not known.
    """

    name: str
    context: str
    place: Place
    via: str
    atomic: bool | None = None


class Incoming(NamedTuple):
    """All ways into a function; `doubts` are uses that could not be followed.

    No way and no doubt: its name stands nowhere else. complete: nobody else can be meant by those
    who name it. inner: where functions call it, or pass it on, that it is passed to; the edge is
    that of who names it.
    """

    edges: tuple[Edge, ...]
    entries: tuple[Entry, ...]
    doubts: tuple[tuple[Place, str], ...]
    complete: bool
    inner: tuple[tuple[FunctionName, Place], ...] = ()


class Filled(NamedTuple):
    """A function pointer slot that was seen being filled."""

    slot: Slot
    target: FunctionName
    place: Place


class _Read(NamedTuple):
    """A read of a function pointer member: its use, its slot, what holds the struct (if known)."""

    use: Use
    slot: Slot
    holders: frozenset[Holder] | None


class CallGraph:
    """Answers `incoming` on demand; each function is asked once."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.filled: list[Filled] = []
        self._incoming: dict[FunctionName, Incoming] = {}
        # The calls that lead into a function, through pointers, too.
        self._through: dict[FunctionName, list[tuple[View, Node]]] = {}
        self._doors: dict[FunctionName, list[Use]] = {}
        self._views: dict[FunctionName, View] = {}
        self._registered: dict[tuple[str, str], frozenset[str]] = {}
        self._slot_reads: dict[tuple[str, str, str], list[_Read]] = {}
        self._fitting: dict[tuple[Slot, str], list[Use]] = {}
        self._namesakes: dict[FunctionName, frozenset[str]] = {}
        # By name and driver: what stands in files that define it, and in all others.
        self._by_file: dict[
            tuple[str, str],
            tuple[Mapping[str, Sequence[tuple[int, Occurrence]]], Sequence[tuple[int, Occurrence]]],
        ] = {}
        # Functions whose callers are looked for in the whole tree, whatever callers are known.
        self._all: set[FunctionName] = set()
        # Functions some of whose callers can mean another one, and why.
        self.torn: dict[FunctionName, str] = {}
        self.holders = Holders(reader, self.passed)
        self.uses = Uses(reader, self.passed, self._named, self.reads_of)
        self.cleanups = Cleanups(reader)
        self.forms = Forms(reader, self.passed)
        self.constants = Constants(reader.types)

    def known(self, view: View) -> FunctionName:
        """Note a function's view, so that its way upwards can be asked for."""
        self._views.setdefault(view.function, view)
        return view.function

    def view(self, function: FunctionName) -> View | None:
        """Return the view of a function met so far."""
        return self._views.get(function)

    def incoming(self, function: FunctionName) -> Incoming:
        """Return the edges and entries that lead into a function."""
        if function not in self._incoming:
            collector = _Collector(self, function)
            collector.collect()
            self._incoming[function] = collector.result()
            self._through[function] = collector.calls
            self._doors[function] = collector.doors
        return self._incoming[function]

    def finds_others(self, function: FunctionName) -> bool:
        """Tell whether drivers of other folders call a function, too; their ways count from now on.

        The whole tree is searched for it: only where all that is known are control paths.
        """
        view = self._views.get(function)
        static = view is None or view.static
        if function in self._all or not self.reader.universe.given_to_all(
            function.name, function.path, static
        ):
            return False
        self._all.add(function)
        before = self._incoming.pop(function, None)
        return self.incoming(function) != before

    def looks_everywhere(self, function: FunctionName) -> bool:
        """Tell whether a function's callers are looked for in the whole tree in any case."""
        return function in self._all

    def doors_of(self, function: FunctionName) -> Sequence[Use]:
        """Return the uses by which the kernel learns to call a function."""
        self.incoming(function)
        return self._doors[function]

    def handles_packets(self, function: FunctionName) -> bool:
        """Tell whether a function has a packet among its variables, or calls what handles one."""
        view = self._views.get(function)
        if view is None:
            return False
        if any(is_packet(v.type.base) for v in view.locals):
            return True
        called = _CALLED.findall(view.text, view.node.start_byte, view.node.end_byte)
        return any(function_named(name.decode()).is_("packet") for name in called)

    def calls_of(self, function: FunctionName, path: str) -> tuple[Edge, ...]:
        """Return the calls of a kernel function in the driver that a file belongs to."""
        collector = _Collector(self, function)
        for occurrence in self.reader.near(function.name, path):
            if self._means(occurrence, function, None):
                collector.follow(Step(use_of(self.reader, *occurrence)))
        return collector.result().edges

    def passed(self, function: FunctionName, index: int) -> list[tuple[View, Node]]:
        """Return what callers pass as a parameter: (caller's view, argument)."""
        calls = (
            (view, call)
            for view, node in self.mentions(function)
            if (call := call_of(node)) is not None
        )
        return _arguments(calls, index)

    def handed(self, function: FunctionName, index: int) -> list[tuple[View, Node]]:
        """Return the same of those that call it through a pointer, too, if no other is seen."""
        found = self.passed(function, index)
        if not found:
            for view in self.reader.functions(function.name, function.path):
                self.known(view)
            found = _arguments(self.calls_into(function), index)
        return found

    def calls_into(self, function: FunctionName) -> list[tuple[View, Node]]:
        """Return the calls that lead into a function, through pointers, too."""
        self.incoming(function)
        return self._through[function]

    def _named(self, view: View) -> list[Occurrence]:
        return self.mentions(self.known(view))

    def mentions(self, function: FunctionName) -> list[Occurrence]:
        """Return where a function's names mean this function (declarations left out)."""
        aliases = self.reader.aliases(function.path).items()
        others = [name for name, of in aliases if of == function.name]
        named = [function, *(function._replace(name=name) for name in others)]
        return [one for each in named for one in self._mentions(each)]

    def _mentions(self, function: FunctionName) -> list[Occurrence]:
        reader, path, name = self.reader, function.path, function.name
        view = self._views.get(function)
        if view is not None and view.static and reader.corpus.kbuild.modules_of(view.path):
            # Nobody else can name it (a source that is #included is linked into no module).
            included = [file for file in reader.corpus.includes(path) if file.endswith(".c")]
            own = [o for file in (path, *included) for o in reader.inside(name, file)]
            return [o for o in own if self._means(o, function, view)]
        found = self._near(name, path)
        if view is None or not view.static:
            exported = reader.universe.exported(name, path)
            if exported:
                found += reader.occurrences(name, exported, f"users of {name} in {path}")
        found = [o for o in found if self._means(o, function, view)]
        rivals = self._rivals(function)
        if not rivals:
            return found
        for user in {o.view.path for o in found} - {path}:
            files = reader.universe.files(user)
            if path in files or not rivals.intersection(files):
                self.torn[function] = f"{name}() is defined in {min(rivals)}, too"
        return [o for o in found if o.view.path == path]

    def elsewhere(self, function: FunctionName) -> list[Occurrence]:
        """Return where drivers of other folders name what any of them can call."""
        reader, path, name = self.reader, function.path, function.name
        view, universe = self._views.get(function), reader.universe
        if view is None or not universe.given_to_all(name, path, view.static):
            return []
        # The whole tree is searched last: that takes longest.
        named = reader.corpus.tree.search(rf"\b{re.escape(name)}\b")
        files = [file for file in named if file not in universe.files(path)]
        found = reader.occurrences(name, files, f"all users of {name} in {path}")
        meant = {f: {v.path for v in reader.definitions(name, f)} <= {path} for f in files}
        return [o for o in found if meant[o.view.path] and self._means(o, function, view)]

    def _near(self, name: str, path: str) -> list[Occurrence]:
        """Return a name's occurrences in a file's driver, without files that mean their own."""
        key = (name, self.reader.universe.key(path))
        if key not in self._by_file:
            files: dict[str, list[tuple[int, Occurrence]]] = {}
            for number, one in enumerate(self.reader.near(name, path)):
                files.setdefault(one.view.path, []).append((number, one))
            defines = {file for file in files if self.reader.outlines.functions(name, file)}
            others = [one for file in files if file not in defines for one in files[file]]
            self._by_file[key] = {file: files[file] for file in defines}, others
        defining, rest = self._by_file[key]
        found = sorted([*defining.get(path, ()), *rest], key=itemgetter(0))
        return [one for _, one in found]

    def _rivals(self, function: FunctionName) -> frozenset[str]:
        """Return which files define a function, too, if it isn't known who is linked with it."""
        reader, path, name = self.reader, function.path, function.name
        if function not in self._namesakes:
            view = self._views.get(function)
            files: list[str] = []
            if view is not None and not view.static and reader.universe.doubt(path):
                files = [*reader.universe.files(path), *reader.universe.exported(name, path)]
            defined = reader.defining(name, [file for file in files if file != path], path)
            self._namesakes[function] = frozenset(one.path for one in defined if not one.static)
        return self._namesakes[function]

    def _means(self, occurrence: Occurrence, function: FunctionName, defined: View | None) -> bool:
        view, node = occurrence
        if declared_argument(node) is not None:
            # What looks like a parameter's type is an argument: the name is a function's.
            return True
        if node.type != "identifier":
            return False
        parent = node.parent
        while parent is not None and parent.type.endswith("declarator"):
            if parent.type == "function_declarator":
                return False
            if parent.type == "init_declarator":
                break
            parent = parent.parent
        if view.kind == "function" and view.local(function.name, node.start_byte) is not None:
            return False
        here = view.path
        if here == function.path:
            return True
        if self.reader.outlines.functions(function.name, here):
            # The file has a function of its own by this name.
            return False
        if defined is not None and defined.static:
            corpus = self.reader.corpus
            if here in corpus.includes(function.path):
                return True
            # A header below include/ is everybody's.
            shared = function.path.startswith("include/")
            return function.path in (corpus.closure(here) if shared else corpus.local(here))
        return True

    def registered_as(self, table: str, path: str) -> frozenset[str]:
        """Return the constants that stand beside a table where it is passed to a function.

        `cxgb4_register_uld(CXGB4_ULD_IPSEC, &info)` registers `info` under CXGB4_ULD_IPSEC.
        """
        key = (table, path)
        if key not in self._registered:
            found: set[str] = set()
            for view, node in self.reader.everywhere(table, path):
                use = use_of(self.reader, view, node) if node.type == "identifier" else None
                call = use.callee.parent if use is not None and use.callee is not None else None
                texts = map(node_text, arguments_of(call)) if call is not None else ()
                found.update(t for t in texts if CONSTANT.match(t))
            self._registered[key] = frozenset(found)
        return self._registered[key]

    def reads_of(self, slot: Slot, path: str) -> list[Use]:
        """Return the uses of a function pointer member that can see what fills the slot."""
        key = (slot, path)
        if key not in self._fitting:
            constants = frozenset(i for i in slot.indexes if CONSTANT.match(i))
            if not constants and slot.table:
                constants = self.registered_as(slot.table, path)
            held = None
            if not slot.within and slot.table and self._is_object(slot.table, path):
                held = self.holders.of_table(slot.table, path)
            self._fitting[key] = [
                read.use
                for read in self._reads(slot, path)
                if self._fits(read, slot, constants, held, path)
            ]
        return self._fitting[key]

    def _reads(self, slot: Slot, path: str) -> list[_Read]:
        """Return the reads of all members by a slot's name in structs of its type."""
        files, name, _ = slot_files(self.reader, slot, path)
        key = (slot.struct, slot.field, name)
        if key not in self._slot_reads:
            found: list[_Read] = []
            for view, node in self.reader.occurrences(slot.field, files, name):
                for where, inner in self.as_member(view, node):
                    field = inner.parent
                    if field is None or field.type != "field_expression":
                        continue
                    other = slot_of(self.reader, where, field, indexes_behind(field))
                    if not slot.struct or not other.struct or slot.struct == other.struct:
                        use = use_of(self.reader, where, inner)
                        base = field.child_by_field_name("argument")
                        asking = self.holders.of_expression(base, where) if base else None
                        if use.kind not in ("none", "member"):
                            found.append(_Read(use, other, asking))
            self._slot_reads[key] = found
        return self._slot_reads[key]

    def as_member(self, view: View, node: Node) -> list[tuple[View, Node]]:
        """Return the member's nodes: itself, or what a macro makes of it that takes its name."""
        if node.type == "field_identifier":
            return [(view, node)]
        given = given_to(node) if node.type == "identifier" else None
        macros = self.reader.types.macros_under(given.name, view.path) if given is not None else {}
        word = node_text(node)
        return [
            (made, inner)
            for made in self.reader.expanded(view.path, view.written, macros)
            for inner in made.occurrences(word)
            if inner.type == "field_identifier"
        ]

    def _fits(
        self,
        read: _Read,
        slot: Slot,
        constants: frozenset[str],
        held: frozenset[Holder] | None,
        home: str,
    ) -> bool:
        """Tell whether a read of a member can be a read of the slot that was filled.

        constants: the indexes under which the table stands. held: the members that hold it, None
        if that is not known.
        """
        other = read.slot
        if slot.within and other.within and slot.within != other.within:
            # Two members of one struct type: the one is read, the other was filled.
            return self._copied_into(other.within, home)
        for numbers in (True, False):
            asked = {i for i in other.indexes if CONSTANT.match(i) and i.isdigit() == numbers}
            same_kind = {c for c in constants if c.isdigit() == numbers}
            if asked and same_kind and not same_kind & asked:
                return False
        return held is None or read.holders is None or bool(held & read.holders)

    def _copied_into(self, within: str, path: str) -> bool:
        """Tell whether a member that is a struct is ever written as a whole."""
        return any(
            self.forms.stores_at(view, node)
            for view, node in self.reader.near(within.rpartition(".")[2], path)
            if node.parent is not None and node.parent.type == "field_expression"
        )

    def _is_object(self, name: str, path: str) -> bool:
        kind = self.reader.types.variable(name, path)
        return kind is not None and " " in kind.base


class _Collector:
    """Follows one function's address through variables, parameters and structs."""

    def __init__(self, graph: CallGraph, function: FunctionName) -> None:
        self.graph = graph
        self.reader = graph.reader
        self.function = function
        self.edges: dict[tuple[FunctionName, Place], Edge] = {}
        self.entries: dict[Entry, None] = {}
        self.doubts: dict[tuple[Place, str], None] = {}
        self.inner: dict[tuple[FunctionName, Place], None] = {}
        self.seen: set[object] = set()
        self.calls: list[tuple[View, Node]] = []
        self.doors: list[Use] = []

    def result(self) -> Incoming:
        complete = self.function not in self.graph.torn
        return Incoming(
            tuple(self.edges.values()),
            tuple(self.entries),
            tuple(self.doubts),
            complete,
            tuple(self.inner),
        )

    def collect(self) -> None:
        for view, node in self.graph.mentions(self.function):
            self.follow(Step(use_of(self.reader, view, node)))
        for release in self.graph.cleanups.releases(self.function):
            caller, place = self.graph.known(release.view), release.place
            self.edges.setdefault((caller, place), Edge(caller, place, release.through))
        own = self.graph.view(self.function)
        if own is not None and self.function in self.graph.torn:
            place = own.place(own.node.start_byte)
            self.doubts[place, self.graph.torn[self.function]] = None
        if self.graph.looks_everywhere(self.function) or not (
            self.edges or self.entries or self.doubts
        ):
            for view, node in self.graph.elsewhere(self.function):
                self.follow(Step(use_of(self.reader, view, node)))
        if not (self.edges or self.entries or self.doubts or self.is_never_named()):
            path, name, line = self.function
            why = f"nobody is seen to call {name}(), store it or register it"
            self.doubts[Place(path, line, 1), why] = None

    def is_never_named(self) -> bool:
        """Tell whether a function's name stands nowhere but in its declarations.

        Of one that is not static: nowhere in the tree; what any driver can call others may name.
        """
        path, name, _ = self.function
        view, corpus = self.graph.view(self.function), self.reader.corpus
        if view is None or not (view.static or self.is_linked_whole()):
            return False
        if self.reader.universe.given_to_all(name, path, view.static):
            return False
        near = dict.fromkeys([path, *corpus.local(path), *self.reader.universe.files(path)])
        if any(map(self.is_named_in, near)):
            return False
        files, key = self.reader.universe.files(path), self.reader.universe.key(path)
        if self.reader.macros(files, key).hiding([name]):
            return False
        # The whole tree is searched last: that takes longest.
        others = () if view.static else corpus.tree.search(rf"\b{re.escape(name)}\b")
        return not any(self.is_named_in(file) for file in others if file not in near)

    def is_named_in(self, file: str) -> bool:
        """Tell whether a file has the function's name elsewhere than in its declarations."""
        corpus, word = self.reader.corpus, self.function.name.encode("utf-8", "surrogateescape")
        if not corpus.names(file, word):
            return False
        unit = corpus.unit(file)
        # What is blanked for the parser (an attribute, a macro) can name it, too.
        items = ((unit.item_at(at), at) for at in words(corpus.plain(file), word))
        return any(item is None or not declares(item.node, at) for item, at in items)

    def is_linked_whole(self) -> bool:
        """Tell whether all sources are there that the function's file is linked with."""
        modules = self.reader.universe.modules(self.function.path)
        return all(self.reader.corpus.tree.is_file(s) for m in modules for s in m.sources)

    def takes(self) -> frozenset[str]:
        """Return the types of the function's parameters."""
        view = self.graph.view(self.function)
        locals_ = view.locals if view is not None else ()
        return frozenset(local.type.base for local in locals_ if local.parameter >= 0)

    def entry(self, door: Door, use: Use, via: str) -> None:
        place = use.view.place(use.at.start_byte)
        self.entries[Entry(door.name, door.context, place, via, door.atomic)] = None
        self.doors.append(use)
        if door.context == UNKNOWN:
            self.doubt(
                use,
                f"when {door.name.removesuffix('()')} calls {self.function.name}() is not known",
            )

    def doubt(self, use: Use, why: str) -> None:
        self.doubts[use.view.place(use.at.start_byte), why] = None

    def follow(self, step: Step) -> None:
        """Follow one use of the address, on behalf of the use by which it was passed, if it was."""
        use, giver = step.use, step.giver
        mark = (use.view.path, use.view.function, use.at.id, use.kind, giver and giver.at.id)
        if mark in self.seen:
            return
        if step.depth > DEEPEST:
            self.doubt(use, f"{self.function.name}() is passed on further than is followed")
            return
        self.seen.add(mark)
        beside = use_beside(self.graph.reader, use)
        if beside is not None:
            self.follow(step._replace(use=beside))
        if use.kind == "called":
            self.called(giver or use, step.via)
            self.passed_to(step)
            call = around(use.at, "call_expression")
            if call is not None:
                self.calls.append((use.view, call))
        elif use.kind == "argument":
            self.argument(step)
        elif use.kind == "slot" and use.slot is not None:
            self.slot(step, use.slot)
        elif use.kind == "global":
            self.variable(step)
        else:
            self.onward(step)

    def onward(self, step: Step) -> list[Step] | None:
        """Follow a use to where it leads, and return that; None where it can't be told."""
        further = self.graph.uses.onward(step)
        for one in further or ():
            self.follow(one)
        return further

    def called(self, use: Use, via: str) -> None:
        if use.view.kind != "function":
            return
        caller = self.graph.known(use.view)
        place = use.view.place(use.at.start_byte)
        if not via and self.function.path.endswith(".h"):
            via = "header inline"
        self.edges.setdefault((caller, place), Edge(caller, place, via))

    def passed_to(self, step: Step) -> None:
        """Note the function in which a parameter is used that the address was passed as."""
        use = step.use
        if step.giver is not None and use.view.kind == "function":
            self.inner[self.graph.known(use.view), use.view.place(use.at.start_byte)] = None

    def argument(self, step: Step) -> None:
        use = step.use
        if use.callee is not None and use.callee.type != "identifier":
            self.through_pointer(use)
            return
        known = argument_door(use.name, use.position)
        if known is not None:
            self.entry(known, use, step.via)
            return
        if use.view.local(use.name, use.at.start_byte) is not None:
            self.through_pointer(use)
            return
        further = self.onward(step)
        if further:
            self.passed_to(step)
        if further is None:
            self.entry(registered_door(use.name, self.takes()), use, step.via)

    def through_pointer(self, use: Use) -> None:
        # Passed to a function that is itself called through a pointer: who that is stays open.
        self.doubt(use, f"{self.function.name}() is passed through a function pointer")

    def variable(self, step: Step) -> None:
        use = step.use
        key = ("variable", use.name, use.view.path)
        if key in self.seen:
            return
        self.seen.add(key)
        handler = is_packet_handler((use.name,), takes_packet(self.takes()))
        if handler:
            self.entry(Door(use.name, DATAPATH), use, "handler table")
        before = len(self.edges) + len(self.entries) + len(self.doubts)
        for one in self.graph.uses.onward(step) or ():
            if not is_other_element(use.at, one.use.at):
                self.follow(one)
        if not handler and before == len(self.edges) + len(self.entries) + len(self.doubts):
            self.doubt(use, f"who calls {self.function.name}() through {use.name} is not known")

    def slot(self, step: Step, slot: Slot) -> None:
        use = step.use
        place = use.view.place(use.at.start_byte)
        self.graph.filled.append(Filled(slot, self.function, place))
        key = ("slot", slot)
        if key in self.seen:
            return
        self.seen.add(key)
        if not slot.field:
            self.doubt(use, f"where {self.function.name}() is stored is not known")
            return
        _, _, kernels = slot_files(self.reader, slot, use.view.path)
        takes = self.takes()
        contract = self.graph.reader.contract
        comes = contract.door(slot.field) if slot.struct in ("", *contract.tables) else ""
        known = slot_door(slot.struct, slot.field, takes, kernels)
        if comes:
            known = Door(slot.field, comes)
        if known is not None:
            if known.context != UNKNOWN or self.may_have(slot, use.view.path):
                self.entry(known, use, step.via)
            return
        handler = is_packet_handler((slot.struct, slot.field, slot.table), takes_packet(takes))
        if handler:
            self.entry(Door(slot.field, DATAPATH), use, "handler table")
        text = f"{slot.struct.removeprefix('struct ')}.{slot.field}".lstrip(".")
        if not self.onward(step._replace(via=text)) and not handler:
            self.doubt(use, f"who calls {self.function.name}() through {text} is not known")

    def may_have(self, slot: Slot, path: str) -> bool:
        """Tell whether a table may have a slot: what fills another one is for another kernel.

        It may have one that the file which defines the table names, by a macro, say.
        """
        tables, types = self.reader.contract.tables, self.reader.types
        found = types.fields(CType(slot.struct), path) if slot.struct in tables else None
        return found is None or self.reader.corpus.names(found[1], slot.field.encode())


def _arguments(calls: Iterable[tuple[View, Node]], index: int) -> list[tuple[View, Node]]:
    given = ((view, arguments_of(call)) for view, call in calls)
    return [(view, arguments[index]) for view, arguments in given if index < len(arguments)]


def declares(item: Node, offset: int) -> bool:
    """Tell whether what stands at an offset is the name in a function's declarator."""
    node = item.descendant_for_byte_range(offset, offset + 1)
    parent = node.parent if node is not None else None
    return parent is not None and parent.type == "function_declarator"
