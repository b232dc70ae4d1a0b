"""Sites: every access of a state's xso and every resolver call, with the ways that lead there."""

import posixpath
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.ctype import declarators, declared, specified
from xfrmlint.c.expansion import Macro
from xfrmlint.c.expression import around
from xfrmlint.c.index import words
from xfrmlint.c.jumps import block_of
from xfrmlint.c.mention import unevaluated, use_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader, Words
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract.words import (
    ADD,
    DELETE,
    FREE,
    HANDLE,
    OWNER_CALLBACKS,
    PRIVATE,
    XFRM,
    XSO,
    Contract,
)
from xfrmlint.kernel.doors import CONTROL, DATAPATH, UNKNOWN
from xfrmlint.kernel.places import is_core
from xfrmlint.program.access import Access, Accesses, Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.drivers import Doors, Driver
from xfrmlint.program.reach import DEAD, MOST_FUNCTIONS, Reached, reached

RESOLVE = "resolve"


class Site(NamedTuple):
    """A place where a driver touches xso or calls the resolver (access is then `resolve`).

    member: the role of xso's field. cleared: 0 or NULL is stored. driver: None for core code.
    removed: see _removed(). misplaced: of a store, see _is_misplaced(). read_back: a read after the
    store by which add returns the handle.
    """

    place: Place
    function: FunctionName
    field: str
    member: str
    access: str
    accessor: str
    by_name: bool
    driver: Driver | None
    role: str
    reached: Reached
    under_add: bool
    under_free: bool
    under_removal: bool
    own_states: bool
    cleared: bool
    removed: str
    misplaced: bool
    read_back: bool
    view: View

    @property
    def nodes(self) -> list[Node]:
        """Where the member's name stands that makes this place one: more than once by a macro."""
        named = self.view.occurrences(self.field)
        return [node for node in named if self.view.place(node.start_byte) == self.place]


class Found(NamedTuple):
    """The sites of a tree and the places that could not be settled."""

    sites: list[Site]
    doubts: list[Doubt]


def find_sites(
    graph: CallGraph,
    drivers: Sequence[Driver],
    paths: Iterable[str],
    offload: str,
    progress: Callable[[str], None],
    left_out: Iterable[str] = (),
) -> Found:
    """Return the sites in the modules of `paths`, each once; none of the files left out."""
    finder = _Finder(graph, drivers, offload)
    finder.read.update(left_out)
    for path in paths:
        progress(f"following {path}")
        finder.read_module(path)
    doubts = [*finder.doubts, *finder.accesses.doubts.values()]
    found = list(finder.sites.values())
    # A macro that packets reach from one of its uses is on the datapath.
    packets = {(s.place, s.field) for s in found if s.reached.context == "datapath"}
    kept = [
        s for s in found if s.reached.context == "datapath" or (s.place, s.field) not in packets
    ]
    ordered = sorted(kept, key=lambda s: (s.place, s.field, s.access))
    return Found(ordered, list(dict.fromkeys(doubts)))


class _Finder:
    def __init__(self, graph: CallGraph, drivers: Sequence[Driver], offload: str) -> None:
        self.graph = graph
        self.reader: Reader = graph.reader
        self.contract = self.reader.contract
        self.offload = offload
        self.accesses = Accesses(self.reader, offload, graph.handed)
        self.doubts: list[Doubt] = []
        self.sites: dict[tuple[Place, FunctionName, str, str, str], Site] = {}
        self.by_module: dict[str, list[Driver]] = {}
        for driver in drivers:
            self.by_module.setdefault(driver.module, []).append(driver)
        self.doors = Doors(graph)
        self.ways: dict[FunctionName, Reached] = {}
        self.read: set[str] = set()

    def read_module(self, path: str) -> None:
        if is_core(path) and not self.drivers_at(path):
            self.read_core(path)
            return
        files = self.reader.universe.files(path)
        fresh = [f for f in files if f not in self.read and not f.startswith("include/")]
        self.read.update(fresh)
        if not fresh:
            return
        tags = [struct.split()[-1] for struct in self.contract.structs]
        words = [*self.contract.telling, XSO, *tags, *self.contract.askers]
        macros = self.reader.macros(files, self.reader.universe.key(path)).hiding(words)
        names = Words([*words, *macros, *self.carriers(files, tags)])
        for file in fresh:
            self.unparsed(file, self.contract.telling)
            for view in self.reader.views_with(names, file, macros, own=True):
                if view.kind == "function":
                    self.settle(view, self.accesses.of(view))
                    self.doubts += _strange_names(view, self.contract.telling)
        self.read_resolves(path)
        self.unused(macros, files)

    def read_core(self, path: str) -> None:
        """Core code owns xso; only how it treats what is the owner's own is looked at."""
        private = [one.word for one in self.contract.owned.get(PRIVATE, ())]
        if not any(word.encode() in self.reader.corpus.data(path) for word in private):
            return
        accesses = Accesses(self.reader, self.offload, self.graph.handed, private)
        for view in self.reader.views_with(Words(private), path, {}):
            if view.kind == "function":
                for access in accesses.of(view):
                    # Nobody looked for callers.
                    self.add(access, None, "core", Reached((), (), frozenset(), (), False), False)

    def carriers(self, files: Sequence[str], tags: Sequence[str]) -> list[str]:
        """Return own names by which an offload struct is reached: members, functions, typedefs."""
        found: dict[str, None] = {}
        words = [tag.encode() for tag in tags]
        for path in files:
            data = self.reader.corpus.data(path)
            if path.startswith("include/") or not any(word in data for word in words):
                continue
            unit = self.reader.corpus.unit(path)
            for item in self.reader.outlines.items(path):
                if not any(word in unit.text[item.start : item.end] for word in words):
                    continue
                for node in _declarations(item.node):
                    base = specified(node)
                    for declarator in declarators(node):
                        made = declared(base, declarator) if base is not None else None
                        if made is None:
                            continue
                        kind = made.type.result if made.type.base == "fn" else made.type
                        if kind is not None and kind.base in self.contract.structs:
                            found[node_text(made.name)] = None
        return list(found)

    def unparsed(self, path: str, words: Sequence[str]) -> None:
        """Note words that stand where no item could be made out."""
        for word in words:
            encoded = word.encode()
            if encoded not in self.reader.corpus.data(path):
                continue
            unit = self.reader.corpus.unit(path)
            for start, end in unit.blanked.dropped:
                if encoded in unit.data[start:end]:
                    place = unit.place(start + unit.data[start:end].index(encoded))
                    reason = f"{word} in a branch of an #if that can't be parsed with the others"
                    self.doubts.append(Doubt(place, "", reason))

    def unused(self, macros: dict[str, list[Macro]], files: Sequence[str]) -> None:
        """Note macros that hold a site but are used nowhere: their text was not analysed."""
        handle = self.contract.word(HANDLE).encode()
        for name, found in macros.items():
            own = [m for m in found if handle in m.body and not m.path.startswith("include/")]
            used = bool(own) and self._is_used(name.encode(), files, len(found))
            for macro in own:
                if not used:
                    place = self.reader.corpus.unit(macro.path).place(macro.start)
                    self.doubts.append(Doubt(place, name, "macro is not used in this driver"))

    def _is_used(self, macro: bytes, files: Sequence[str], definitions: int) -> bool:
        """Tell whether a macro's name stands anywhere but in its definitions."""
        corpus = self.reader.corpus
        places = chain.from_iterable(words(corpus.data(file), macro) for file in files)
        return next(islice(places, definitions, None), None) is not None

    def drivers_at(self, path: str) -> list[Driver]:
        found: dict[int, Driver] = {}
        for module in self.reader.universe.modules(path):
            for driver in self.by_module.get(module.name, []):
                if self.reader.universe.module(driver.table.place.path) == module.name:
                    found[id(driver)] = driver
        # A lower's first: what nobody settles is listed for the one whose rules would speak.
        return sorted(found.values(), key=lambda driver: driver.role)

    def read_resolves(self, path: str) -> None:
        """Add the resolver's calls in a driver, through pointers to it as well."""
        for resolver in self.contract.askers:
            known: set[Place] = set()
            edges = self.graph.calls_of(FunctionName(XFRM, resolver, 0), path)
            for edge in edges if self.contract.is_followed else ():
                known.add(edge.place)
                view = self.graph.view(edge.caller)
                if view is not None:
                    self.settle(view, [_resolving(edge.caller, edge.place, resolver, view)])
            for view, node in self.reader.near(resolver, path):
                place = view.place(node.start_byte)
                if place not in known and _is_strange(self.reader, view, node, bool(known)):
                    self.strange(view, place, resolver)
        for wrapper in self.contract.unfollowed:
            for view, node in self.reader.near(wrapper.name, path):
                if _is_strange(self.reader, view, node, False):
                    takes = ", ".join(wrapper.takes)
                    why = f"{wrapper.name}({takes}) asks the resolver, and is not followed"
                    self.unsettled(view, view.place(node.start_byte), wrapper.name, why)

    def strange(self, view: View, place: Place, resolver: str) -> None:
        """Note that the resolver is named where it can be asked for all that was understood."""
        why = f"{resolver} stands in a form of C that was not understood"
        if not self.contract.is_followed:
            takes = ", ".join(self.contract.resolver.takes if self.contract.resolver else ())
            why = f"{resolver}({takes}) gives its handle in a way that is not followed"
        self.unsettled(view, place, resolver, why)

    def unsettled(self, view: View, place: Place, resolver: str, why: str) -> None:
        """Note a call of the resolver of which is not known what becomes of the handle."""
        self.doubts.append(Doubt(place, view.function.name, why))
        access = _resolving(view.function, place, resolver, view)
        for driver in self.drivers_at(view.path):
            self.add(access, driver, driver.role, _unseen(place, why), False)

    def settle(self, view: View, accesses: Sequence[Access]) -> None:
        """Add accesses of one function with the ways that lead to it."""
        if not accesses:
            return
        function = self.graph.known(view)
        if function not in self.ways:
            self.ways[function] = reached(self.graph, function)
        way = self.ways[function]
        owners = self.owners(view, way)
        if not owners:
            self.note_unowned(view, accesses, way)
            return
        ways = [self.settle_for(drivers, function, accesses, way) for drivers in owners]
        # Packets that come all the way need no other callers.
        for path in [view.path] if way.chains else sorted({f.path for f in way.functions}):
            unclear = self.reader.universe.doubt(path)
            if unclear:
                reason = f"{unclear}: callers in other folders were looked for by name"
                self.doubts.append(Doubt(Place(path, 0, 0), "", reason))
        if len(way.functions) >= MOST_FUNCTIONS:
            place = view.place(view.node.start_byte)
            self.doubts.append(
                Doubt(place, function.name, "too many callers; the rest was cut off")
            )
        for own in ways:
            if own.context in (UNKNOWN, DEAD):
                self.note_unjudged(accesses, own)

    def settle_for(
        self,
        drivers: Sequence[Driver],
        function: FunctionName,
        accesses: Sequence[Access],
        way: Reached,
    ) -> Reached:
        """Add accesses of one function to the driver of a module's that they are, and return the
        ways that lead there for it."""
        told, way = self.reached_by(drivers, function, way)
        lower = [d for d in told or drivers if d.role == "lower"] or told
        # With tables for several devices the stricter one speaks.
        driver = next((d for d in lower if d.opted_in), lower[0])
        under_add = _only_under(way, self.contract) == self.contract.slot(ADD)
        stores = [a.offset for a in accesses if a.member == HANDLE and "write" in a.access]
        for access in accesses:
            if told or _gets_handle(access):
                back = under_add and any(offset < access.offset for offset in stores)
                self.add(access, driver, driver.role, way, back)
        return way

    def reached_by(
        self, drivers: Sequence[Driver], function: FunctionName, way: Reached
    ) -> tuple[Sequence[Driver], Reached]:
        """Return those of a module's drivers through whose doors a function is reached, and how.

        The lowers' rules speak where one of their doors leads there, for that one. No driver where
        nobody can tell whose the doors are of a module that has uppers and lowers.
        """
        roles = {id(driver.table): driver.role for driver in drivers}
        if len(set(roles.values())) == 1:
            return drivers, way
        tables = [driver.table for driver in drivers]
        beside = self.doors.alike(function, tables)
        of = {
            door: _one_of(roles[one] for one in self.doors.of(*door, tables) or beside)
            for door in way.doors
        }
        sure = {*(of.values() or [_one_of(roles[one] for one in beside)])}
        told = next((role for role in ("lower", "upper") if role in sure), "")
        asked = [
            (entry.place, f"whether {entry.name} is an upper's door or a lower's is not known")
            for (entry, _), role in of.items()
            if not role and (entry.context != CONTROL or not told)
        ]
        if asked and told != "lower":
            told = ""
        others = {(e.place, start) for (e, start), role in of.items() if not told or role != told}
        if others:
            way = reached(self.graph, function, others)
            way = way._replace(doubts=(*way.doubts, *asked))
        return [driver for driver in drivers if driver.role == told], way

    def note_unjudged(self, accesses: Iterable[Access], way: Reached) -> None:
        """Note the accesses of which it matters who comes there, where that is not known."""
        for access in accesses:
            if access.member != HANDLE and access.access != RESOLVE:
                continue
            if access.access == "write" and _is_misplaced(way, access.cleared, self.contract):
                continue
            if way.context == DEAD and access.access == RESOLVE:
                # A call that is never made: that much is known.
                continue
            what = f"nobody calls the function of {_name_of(access)}: it was not judged"
            if way.context == UNKNOWN:
                why = way.doubts[0][1] if way.doubts else "too many callers"
                what = f"whether packets reach {_name_of(access)} is not known: {why}"
            self.doubts.append(Doubt(access.place, access.function.name, what))

    def note_unowned(self, view: View, accesses: Sequence[Access], way: Reached) -> None:
        """Note the accesses of a function that no driver is seen to have."""
        for access in accesses:
            if access.access == RESOLVE:
                self.add_beside(view, access, way)
                continue
            reason = f"access of xso.{access.field} in a module without an ops table"
            self.doubts.append(Doubt(access.place, access.function.name, reason))

    def add_beside(self, view: View, access: Access, way: Reached) -> None:
        """Add a call that nobody is seen to make to the drivers beside its module.

        It may be theirs, by a way that is not seen: nothing can be said of a driver without one.
        """
        if way.context in (CONTROL, DEAD):
            return
        folder = posixpath.dirname(view.path)
        near = [
            driver
            for driver in chain.from_iterable(self.by_module.values())
            if posixpath.dirname(driver.table.place.path) == folder or self.names(driver, way)
        ]
        why = "its module has no ops table, and no driver is seen to call it"
        what = f"whether packets reach {_name_of(access)} is not known: {why}"
        for driver in near:
            self.doubts.append(Doubt(access.place, access.function.name, what))
            self.add(access, driver, driver.role, _unseen(access.place, why), False)

    def names(self, driver: Driver, way: Reached) -> bool:
        """Tell whether a driver's files name a function on a way: it may call that, unseen."""
        words = {one.name.encode("utf-8", "surrogateescape") for one in way.functions}
        files = self.reader.universe.files(driver.table.place.path)
        return any(self.reader.corpus.names(file, word) for file in files for word in words)

    def owners(self, view: View, way: Reached) -> list[list[Driver]]:
        """Return the drivers that a function belongs to, by module that links it."""
        found = self.drivers_at(view.path) if view.path != XFRM else []
        groups = {driver.group for driver in found}
        # Of a library module, or the core's header, the drivers are those that call it, too.
        callers = {f.path: None for f in sorted(way.functions) if f.path != XFRM}
        calling = [d for path in callers for d in self.drivers_at(path)]
        found += [driver for driver in calling if driver.group not in groups]
        by_module: dict[str, list[Driver]] = {}
        for driver in found:
            by_module.setdefault(driver.module, []).append(driver)
        return list(by_module.values())

    def add(
        self,
        access: Access,
        driver: Driver | None,
        role: str,
        way: Reached,
        read_back: bool,
    ) -> None:
        core = access.place.path.startswith(("include/", "net/"))
        if role == "lower" and core and access.access != RESOLVE:
            return
        only = _only_under(way, self.contract)
        module = driver.module if driver is not None else ""
        key = (access.place, access.function, access.field, access.access, module)
        self.sites.setdefault(
            key,
            Site(
                access.place,
                access.function,
                access.field,
                access.member,
                access.access,
                access.accessor,
                access.by_name,
                driver,
                role,
                way,
                only == self.contract.slot(ADD),
                only == self.contract.slot(FREE),
                _under_removal_alone(way, self.contract),
                _sees_own_states_alone(way, self.contract),
                access.cleared,
                _removed(access, way, self.contract),
                "write" in access.access and _is_misplaced(way, access.cleared, self.contract),
                read_back,
                access.view,
            ),
        )


def _gets_handle(access: Access) -> bool:
    return access.access == RESOLVE or (access.member == HANDLE and access.access != "write")


def _one_of(roles: Iterable[str]) -> str:
    """Return the role that all are of; nothing if there are two of them, or none."""
    found = {*roles}
    return found.pop() if len(found) == 1 else ""


def _resolving(function: FunctionName, place: Place, resolver: str, view: View) -> Access:
    return Access(function, place, resolver, "", RESOLVE, "", False, 0, False, view)


def _unseen(place: Place, why: str) -> Reached:
    """Return the ways to a call of which is only known why none is seen."""
    return Reached((), (), frozenset(), ((place, why),), False)


def _is_strange(reader: Reader, view: View, node: Node, called: bool) -> bool:
    """Tell whether a function is named where it is not declared, and may be called.

    called: a call of it was found. Whoever has its address may be the one that calls it.
    """
    used = use_of(reader, view, node).kind != "none"
    if (used and called) or unevaluated(view, node):
        return False
    up = around(node, "function_declarator", "compound_statement", "ERROR")
    # A prototype stands at file level: in a function it is a call, for all that is known.
    declared_here = up is not None and up.type == "function_declarator"
    return not declared_here or around(node, "compound_statement") is not None


def _strange_names(view: View, words: Iterable[str]) -> list[Doubt]:
    """Return the doubts about members of xso that are named, but not as members."""
    return [
        Doubt(
            view.place(node.start_byte),
            view.function.name,
            f"{word} stands in a form of C that was not understood",
        )
        for word in words
        for node in view.occurrences(word)
        if node.type not in ("field_identifier", "string_content")
        and view.local(word, node.start_byte) is None
        and not unevaluated(view, node)
    ]


def _name_of(access: Access) -> str:
    """Return what an access is, as a message names it."""
    if access.access == RESOLVE:
        return f"this call of {access.field}()"
    return f"this access of xso.{access.field}"


def _only_under(way: Reached, contract: Contract) -> str:
    """Return the one callback of the table that leads here, on the control path: add, free.

    Nothing else's store to the field is how a handle is returned.
    """
    callbacks = {e.name for e in way.entries} & {*contract.callbacks}
    return callbacks.pop() if len(callbacks) == 1 and way.context == "control" else "?"


def _is_misplaced(way: Reached, cleared: bool, contract: Contract) -> bool:
    """Tell whether a store to the handle is certain to be made by more than add.

    That is so whatever else leads there. Where the core captures the owner's callbacks, free may
    clear it.
    """
    clears = cleared and contract.member(OWNER_CALLBACKS)
    may = {contract.slot(ADD), contract.slot(FREE) if clears else ""}
    known = {e.name for e in way.entries if e.context != UNKNOWN} & {*contract.callbacks}
    by_others = way.context == CONTROL and not known
    return way.context == DATAPATH or by_others or not known <= may


def _under_removal_alone(way: Reached, contract: Contract) -> bool:
    """Tell whether nothing but the callbacks lead here by which a state is taken away."""
    removal = {contract.slot(DELETE), contract.slot(FREE)}
    return way.context == "control" and {entry.name for entry in way.entries} <= removal


def _removed(access: Access, way: Reached, contract: Contract) -> str:
    """Tell whether delete or free takes the handle out of the state: surely, maybe, or nothing."""
    removal = {contract.slot(DELETE), contract.slot(FREE)}
    doors = [function for entry, function in way.doors if entry.name in removal]
    if not doors or not access.cleared or access.member != HANDLE:
        return ""
    named = access.view.occurrences(access.field)
    nodes = [one for one in named if access.view.place(one.start_byte) == access.place]
    outermost = any(block_of(one) == access.view.body for one in nodes)
    return "surely" if outermost and access.function in doors else "maybe"


def _sees_own_states_alone(way: Reached, contract: Contract) -> bool:
    """Tell whether packets get there through a slot alone that a state's own device is asked by."""
    doors = [entry for entry in way.entries if entry.context != "control"]
    return bool(doors) and all(contract.own_states_alone(entry.name) for entry in doors)


def _declarations(root: Node) -> list[Node]:
    found = []
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type in (
            "declaration",
            "field_declaration",
            "function_definition",
            "type_definition",
        ):
            found.append(node)
        if node.type not in ("compound_statement", "parameter_list"):
            stack += node.named_children
    return found
