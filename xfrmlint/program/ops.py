"""Objects of type struct xfrmdev_ops: where they are defined, filled, flagged and installed."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.ctype import declarators
from xfrmlint.c.expression import arguments_of, around, bare, called_by
from xfrmlint.c.mention import Slot, Use, slot_files, slot_of, use_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader, Words
from xfrmlint.c.unit import Place, below, declarator_name
from xfrmlint.c.view import View
from xfrmlint.contract.words import DEVICE, OPS, RESOLVE, SHARE
from xfrmlint.kernel.functions import function_named
from xfrmlint.program.access import Doubt
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.objects import MADE, Key, Objects, assignment_of
from xfrmlint.program.pointers import targets_of
from xfrmlint.program.promised import Holder, Promised
from xfrmlint.program.put import values_put
from xfrmlint.program.sharing import SharingTest, sharing_test
from xfrmlint.valueflow.uses import Step, Uses


class Callback(NamedTuple):
    """A filled callback: the field, the function's name, where it is written."""

    field: str
    target: str
    place: Place


@dataclass
class Table:
    """An ops table while it is being collected.

    flags: the places that set the flag. unclear: those that may. test: it promises to share a
    state, too, and what its sharing test does; None if it doesn't promise, or has no test.
    """

    key: Key
    symbol: str
    place: Place
    callbacks: list[Callback] = field(default_factory=list)
    flags: list[Place] = field(default_factory=list)
    unclear: list[Place] = field(default_factory=list)
    test: SharingTest | None = None
    slots: set[Slot] = field(default_factory=set)

    def fill(self, callback: Callback) -> None:
        """Note a callback that it is filled with."""
        if callback not in self.callbacks:
            self.callbacks.append(callback)

    def promise(self, place: Place, known: bool) -> None:
        """Note a place that sets the flag, or may."""
        (self.flags if known else self.unclear).append(place)


class Flagged(NamedTuple):
    """A place that sets the flag in an object that is filled elsewhere. known: it surely does.

    key: None where nobody knows in which.
    """

    key: Key | None
    place: Place
    known: bool


class Tables(NamedTuple):
    """The ops tables that files fill, in order of path and line, and what was not understood."""

    found: list[Table]
    doubts: list[Doubt]


def find_tables(graph: CallGraph, paths: Iterable[str]) -> Tables:
    """Return the ops tables that the files fill."""
    paths = list(paths)
    finder = _read(graph, paths, RESOLVE)
    if SHARE in graph.reader.contract.promises:
        shared = _read(graph, paths, SHARE)
        sharing = shared.tables
        finder.doubts.update(shared.doubts)
        test = graph.reader.contract.slot(SHARE)
        for key, table in finder.tables.items():
            named = [one for one in table.callbacks if one.field == test]
            if named and key in sharing and sharing[key].flags:
                table.test = sharing_test(graph.reader, named[-1].target, table.place.path)
    # An object that is only copied into is no table of its own.
    found = [t for t in finder.tables.values() if t.callbacks]
    return Tables(sorted(found, key=lambda t: t.place), list(finder.doubts))


def _read(graph: CallGraph, paths: Iterable[str], promise: str) -> "_Finder":
    finder = _Finder(graph, promise)
    for path in paths:
        finder.read(path)
    finder.settle()
    finder.doubt_promises()
    return finder


class _Finder:
    def __init__(self, graph: CallGraph, promise: str) -> None:
        self.graph = graph
        self.reader: Reader = graph.reader
        self.tables: dict[Key, Table] = {}
        self.doubts: dict[Doubt, None] = {}
        # The objects that are seen to be assigned to alone, and whether the file declares them.
        self.assigned: dict[Key, bool] = {}
        self.flagged: list[Flagged] = []
        # Callbacks that stand in another struct than an ops table.
        self.in_others: list[Callback] = []
        # Where a feature of a device is set that is the promise.
        self.features: list[Place] = []
        self.objects = Objects(graph)
        self.uses = Uses(self.reader, graph.passed, lambda _: (), self.reads, self.mention)
        contract = self.reader.contract
        self.fields = contract.callbacks
        self.flag_name = contract.promise(promise)
        self.flags_name = contract.holder(promise)
        kept = contract.flags
        inner = (kept.struct, kept.part) if kept is not None and kept.struct else ()
        self.holder = Holder(self.flags_name, *inner)
        self.promised = Promised(graph, self.flag_name, self.holder)

    def read(self, path: str) -> None:
        files, key = self.reader.universe.files(path), self.reader.universe.key(path)
        structs = self.holding(files, key)
        words = [*self.fields, *structs, *filter(None, [self.flag_name])]
        macros = self.reader.macros(files, key).hiding(words)
        wanted = Words([*words, *macros])
        for view in self.reader.views_with(wanted, path, macros, own=True):
            for name in self.fields:
                for node in view.occurrences(name):
                    self.filled(view, node, name)
            for struct in structs:
                for node in view.occurrences(struct):
                    if node.type == "type_identifier":
                        self.positional(view, node)
            self.flags_in(view)
            if self.flag_name and not self.flags_name:
                named = filter(_is_stored, view.occurrences(self.flag_name))
                self.features += [view.place(node.start_byte) for node in named]

    def holding(self, files: Sequence[str], key: str) -> list[str]:
        """Return the names of the types that are an ops table, or have one in them."""
        found = [struct.split()[-1] for struct in self.reader.contract.tables]
        for name in found:
            for _, node in self.reader.occurrences(name, files, key):
                found += [one for one in _types_with(_specifier(node)) if one not in found]
        return found

    def filled(self, view: View, node: Node, name: str) -> None:
        parent = node.parent
        if parent is None:
            return
        struct = self.reader.contract.struct_of(name)
        if parent.type == "field_designator":
            entry = _entry_of(parent)
            if entry is not None and parent.id == entry.last.id:
                own = struct == OPS and self.typed_ops(view, entry.value) is not False
                if own or (struct != OPS and struct == self.struct_of(view, entry.value)):
                    table = self.table_of_list(view, entry.listed, entry.pair) if own else None
                    self.callback(table, view, entry.value, name, view.place(node.start_byte))
            return
        if parent.type == "argument_list" and parent.parent is not None and struct == OPS:
            self.doubt(view, parent.parent, f"does with {name}")
            return
        if parent.type != "field_expression" or not self.is_in(struct, view, parent):
            return
        for put in values_put(self.graph.forms, view, node):
            if put is None:
                self.untold(view, node, f"what is put into {name} here is not known")
            elif not _is_nothing(put.node):
                for assigned in self.tables_of_base(view, parent) if struct == OPS else [None]:
                    self.callback(assigned, put.view, put.node, name, view.place(node.start_byte))

    def struct_of(self, view: View, value: Node) -> str:
        """Return the struct that a value of an initializer is put into."""
        slot = use_of(self.reader, view, value).slot
        return slot.struct if slot is not None else ""

    def callback(
        self, table: Table | None, view: View, value: Node, name: str, place: Place
    ) -> None:
        """Note a callback. table: None for one of another struct, which is all tables' near it."""
        if _is_nothing(value):
            return
        if bare(value).type == "call_expression":
            self.doubt(view, bare(value), f"puts into {name}")
        for target in self.targets(view, value, node_text(bare(value))):
            if table is None:
                self.in_others.append(Callback(name, target, place))
            else:
                table.fill(Callback(name, target, place))

    def targets(self, view: View, value: Node, text: str) -> list[str]:
        """Return the functions that a slot's value can be; its text where none is seen."""
        if bare(value).type == "identifier" and self.reader.definitions(text, view.path):
            return [text]
        return [one.name for one in targets_of(self.graph, view, value)] or [text]

    def doubt(self, view: View, call: Node, does: str) -> None:
        """Note that nobody defines what fills a table here."""
        name = called_by(call)
        if not name.isidentifier() or function_named(name).known:
            return
        types = self.reader.types
        if types.macro(name, view.path) or self.reader.definitions(name, view.path):
            return
        self.untold(view, call, f"what {name}() {does} is not known: it is defined nowhere")

    def untold(self, view: View, node: Node, reason: str) -> None:
        """Note what can't be told of a place."""
        function = view.item.name if view.kind == "function" else ""
        self.doubts[Doubt(view.place(node.start_byte), function, reason)] = None

    def is_in(self, struct: str, view: View, expression: Node) -> bool:
        slot = slot_of(self.reader, view, expression)
        return slot.struct in (struct, "")

    def positional(self, view: View, node: Node) -> None:
        """`static const struct xfrmdev_ops foo_ops = { foo_add, foo_del };`"""
        declaration = _specifier(node).parent
        if declaration is None or declaration.type != "declaration":
            return
        lists = (one for one in below(declaration) if one.type == "initializer_list")
        for listed, entry in ((one, entry) for one in lists for entry in one.named_children):
            slot = None
            if entry.type not in ("initializer_list", "initializer_pair"):
                slot = use_of(self.reader, view, entry).slot
            if slot is None or not slot.field:
                continue
            if self.holder.part and self.is_held(slot):
                self.promise(self.table_of_part(view, listed, None), view, entry, entry)
            elif slot.struct != OPS:
                if slot.struct == self.reader.contract.struct_of(slot.field):
                    self.callback(None, view, entry, slot.field, view.place(entry.start_byte))
            elif slot.field == self.flags_name:
                self.promise(self.table_of_list(view, listed), view, entry, entry)
            else:
                table = self.table_of_list(view, listed)
                self.callback(table, view, entry, slot.field, view.place(entry.start_byte))

    def is_held(self, slot: Slot) -> bool:
        """Tell whether a member is the one that holds the promise."""
        within = f"{OPS}.{self.holder.part}" if self.holder.part else slot.within
        return (slot.struct, slot.field, slot.within) == (
            self.holder.struct,
            self.holder.name,
            within,
        )

    def table_of_part(self, view: View, listed: Node, pair: Node | None) -> Table:
        """Return the table in which a list fills the part that holds the promise.

        `.caps.flags = F`, `.caps = { .flags = F }` or `{ add, { F } }`.
        """
        if pair is not None and len(pair.children_by_field_name("designator")) > 1:
            return self.table_of_list(view, listed, pair, 2)
        up = listed.parent
        if up is not None and up.type == "initializer_pair" and up.parent is not None:
            return self.table_of_list(view, up.parent, up)
        return self.table_of_list(view, up if up is not None else listed)

    def table_of_list(
        self, view: View, listed: Node, pair: Node | None = None, own: int = 1
    ) -> Table:
        """Return the table that an initializer list, or an entry of it, fills.

        own: how many of the entry's designators name what is filled in the table.
        """
        key, name, at = self.objects.initialized(view, listed, pair, own)
        self.assigned.pop(key, None)
        table = self.table(key, name, view.place_in_item(at.start_byte))
        table.slots |= self.members(view, listed, pair if own == 1 else None)
        return table

    def members(self, view: View, listed: Node, pair: Node | None) -> set[Slot]:
        """Return the member that an initialized table is of a bigger object, if it is one."""
        whole = use_of(self.reader, view, listed).slot
        if pair is not None and len(pair.children_by_field_name("designator")) > 1:
            value = pair.child_by_field_name("value")
            inner = use_of(self.reader, view, value).slot if value is not None else None
            struct, _, field = inner.within.rpartition(".") if inner is not None else ("", "", "")
            whole = Slot(struct, field)
        return {Slot(whole.struct, whole.field)} if whole is not None and whole.field else set()

    def table(self, key: Key, symbol: str, place: Place) -> Table:
        if key not in self.tables:
            self.tables[key] = Table(key, symbol, place)
        return self.tables[key]

    def tables_of_base(self, view: View, expression: Node) -> list[Table]:
        """Return the tables that an expression of a member of theirs can mean."""
        base = expression.child_by_field_name("argument")
        if base is None:
            return []
        found = []
        for key in self.objects.all_of(view, base):
            if key not in self.tables:
                declared = self.objects.declared_at(view, key)
                place = declared or view.place(expression.start_byte)
                made = key.name.startswith(MADE)
                self.table(key, node_text(bare(base)) if made else key.name, place)
                self.assigned[key] = declared is not None
            found.append(self.tables[key])
        if not found:
            text = " ".join(node_text(base).split())
            self.untold(view, expression, f"which ops table {text} is here is not known")
        return found

    def flags_in(self, view: View) -> None:
        """Note where a view fills what holds the flag, or all of the struct that does."""
        for node in view.occurrences(self.flags_name) if self.flag_name else ():
            self.flag(view, node)
        for node in view.occurrences(self.holder.part) if self.holder.part else ():
            self.part(view, node)

    def part(self, view: View, node: Node) -> None:
        """Note where a struct is copied to where the flag is in an ops table: it may have that."""
        parent = node.parent
        if parent is None or not self.flag_name:
            return
        place = view.place(node.start_byte)
        if parent.type == "field_designator":
            entry = _entry_of(parent)
            if (
                entry is None
                or entry.last.id != parent.id
                or entry.value.type == "initializer_list"
            ):
                return
            slot = use_of(self.reader, view, entry.value).slot
            if slot is not None and slot.struct == OPS:
                self.table_of_list(view, entry.listed, entry.pair).promise(place, False)
            return
        slot = slot_of(self.reader, view, parent) if parent.type == "field_expression" else None
        base = parent.child_by_field_name("argument")
        stored = slot is not None and slot.struct == OPS and self.graph.forms.stores_at(view, node)
        if stored and base is not None:
            self.flagged += [Flagged(key, place, False) for key in self.objects.all_of(view, base)]

    def flag(self, view: View, node: Node) -> None:
        """Note where `.flags` gets the flag, in an initializer or by = and |=."""
        parent = node.parent
        if parent is None:
            return
        if parent.type == "field_designator":
            entry = _entry_of(parent)
            if entry is None:
                return
            owner, value = entry.listed, entry.value
            if self.holder.part:
                slot = use_of(self.reader, view, value).slot
                if slot is None or not self.is_held(slot):
                    return
            else:
                typed = self.typed_ops(view, value)
                if typed is False or (typed is None and not self.holds_callbacks(owner)):
                    return
            # Of two designators for one field the last one counts.
            named = "".join(map(node_text, entry.pair.children_by_field_name("designator")))
            later = [c for c in owner.named_children if c.start_byte > value.start_byte]
            if any(node_text(c).startswith(named) for c in later):
                return
            found = self.table_of_part if self.holder.part else self.table_of_list
            self.promise(found(view, owner, entry.pair), view, node, value)
            return
        if parent.type != "field_expression" or not self.is_in(self.holder.struct, view, parent):
            return
        base = self.holder.table_of(parent)
        for one in values_put(self.graph.forms, view, node):
            sets = self.sets_flag(*one) if one is not None else None
            if sets is not False:
                place = view.place(node.start_byte)
                told = self.objects.all_of(view, base) if base is not None else []
                keys: list[Key | None] = [*told] or [None]
                flagged = [Flagged(key, place, sets is True) for key in keys]
                self.flagged += [one for one in flagged if one not in self.flagged]

    def promise(self, table: Table, view: View, node: Node, value: Node) -> None:
        """Note what a table's flags are initialized with."""
        sets = self.sets_flag(view, value)
        if sets is not False:
            table.promise(view.place(node.start_byte), sets is True)

    def typed_ops(self, view: View, value: Node) -> bool | None:
        """Tell whether a value initializes a member of an ops table; None for a type not found."""
        slot = use_of(self.reader, view, value).slot
        if slot is None or slot.struct == OPS:
            return None if slot is None else True
        fields = self.reader.types.fields_named(slot.struct, view.path)
        return False if "@" in slot.struct or slot.field in fields else None

    def sets_flag(self, view: View, value: Node) -> bool | None:
        """Tell whether a value holds the flag; None if that can't be told.

        Of a promise that is a member of its own: whether the value is not 0.
        """
        if self.flag_name == self.flags_name:
            return node_text(value) not in ("false", "0", "NULL")
        return self.promised.holds(view, value)

    def settle(self) -> None:
        """Give flags set at run time to the tables that are, or flow into, the flagged object."""
        for callback in self.in_others:
            for table in self.near(callback.place):
                table.fill(callback)
        for table in list(self.tables.values()):
            self.flags_by_name(table)
            table.slots |= self.destinations(table)
        self.give_back()
        for place in self.features:
            for table in self.near(place):
                table.flags.append(place)
        for key, place, known in self.flagged:
            for table in self.near(place) if key is None else self.meant(key, place):
                table.promise(place, known and key is not None)

    def give_back(self) -> None:
        """Count what is put into a copy of a table, or through a pointer to it, as that table's.

        `hw->ops = template; hw->ops.xdo_dev_state_free = f;` is the template with another slot.
        """
        sources = {}
        for key in self.assigned:
            found = self.meant(key, self.tables[key].place)
            sources[key] = [table for table in found if table.key != key]
        templates = {key: _templates(key, sources) for key in self.assigned}
        for key, found in templates.items():
            copy = self.tables.pop(key) if found else self.tables[key]
            for table in found:
                table.slots |= copy.slots
                for one in copy.callbacks:
                    table.fill(one)

    def near(self, place: Place) -> list[Table]:
        """Return the tables of a place's module."""
        module_of = self.reader.universe.module
        module = module_of(place.path)
        return [t for t in self.tables.values() if module_of(t.place.path) == module]

    def meant(self, key: Key, place: Place) -> list[Table]:
        """Return the tables that an object is, is a copy of, or points to."""
        own = self.tables.get(key)
        if own is None or not own.callbacks or not self.assigned.get(key, True):
            own = self.elsewhere(key, place) or own
        found = [own] if own is not None and own.callbacks else []
        # A net_device's ops pointer is every driver's: only the own tables can be meant.
        near = [t for t in self.near(place) if t is not own]
        array = [t for t in near if _element_of(t.key, key)]
        flowing = [t for t in near if any(_is_at(slot, key) for slot in t.slots)]
        return found + (array or flowing)

    def doubt_promises(self) -> None:
        """Note the tables of which nobody knows whether they promise anything."""
        for table in self.tables.values():
            for place in table.unclear if table.callbacks and not table.flags else ():
                reason = f"whether {table.symbol} gets {self.flag_name} here is not known"
                self.doubts[Doubt(place, "", reason)] = None

    def elsewhere(self, key: Key, place: Place) -> Table | None:
        """Return the table of another source of the module that a file knows as extern."""
        files = self.reader.universe.files(place.path)
        others = (
            table
            for other, table in self.tables.items()
            if other.name == key.name and other != key and {other.scope, key.scope} <= {*files}
        )
        return next(others, None)

    def flags_by_name(self, table: Table) -> None:
        """Look where a table is flagged by a value that does not name the flag."""
        if table.key.scope.startswith("struct "):
            return
        root = re.split(r"[.\[]", table.symbol)[0]
        for view in {id(o.view): o.view for o in self.reader.near(root, table.place.path)}.values():
            if view.kind == "function":
                self.flags_in(view)

    def holds_callbacks(self, listed: Node) -> bool:
        """Tell whether an initializer names slots of an ops table."""
        designators = tuple(f".{name}" for name in self.fields)
        return any(
            child.type == "initializer_pair"
            and re.split(r"[\s=]", node_text(child).lstrip(), maxsplit=1)[0] in designators
            for child in listed.named_children
        )

    def destinations(self, table: Table) -> set[Slot]:
        """Return the slots into which a table (its value or its address) is put."""
        member = table.key.scope.startswith("struct ")
        name = table.key.name if member else re.split(r"[.\[]", table.symbol)[0]
        wanted = "field_identifier" if member else "identifier"
        found: set[Slot] = set()
        start = [
            Step(self.mention(view, node))
            for view, node in self.reader.near(name, table.place.path)
            if node.type == wanted
        ]
        self.uses.follow(start, lambda step: self.goes_on(step.use, found))
        return found

    def mention(self, view: View, node: Node) -> Use:
        """Return what is done with the table that a node names, or that a member of it is."""
        if node.type == "field_identifier" and node.parent is not None:
            node = node.parent
        # A member of a bigger object carries the table along: &hw.xops.
        while node.parent is not None and node.parent.type == "field_expression":
            kind = self.reader.types.of(node.parent, view)
            if kind is None or kind.base != OPS:
                break
            node = node.parent
        return use_of(self.reader, view, node)

    def goes_on(self, use: Use, found: set[Slot]) -> bool:
        """Add the slot into which a use puts a table, and tell whether it goes on from there."""
        copied = _copied_through(use.at)
        if use.callee is not None and use.kind != "argument" and use.callee.parent is not None:
            copied = arguments_of(use.callee.parent)[0]
        elif copied is None and use.kind == "global":
            # `own_ops = template;`, `own_ops = &template;`
            given = assignment_of(use.at)
            copied = given.child_by_field_name("left") if given is not None else None
        if copied is not None:
            found |= {Slot(*key) for key in self.objects.all_of(use.view, copied)}
            return False
        if use.kind == "slot" and use.slot is not None:
            if use.slot in found:
                return False
            found.add(use.slot)
            return use.slot.struct != DEVICE
        if use.kind == "local":
            local = use.view.local(use.name, use.at.start_byte)
            if local is not None and not local.type.pointers:
                found.add(Slot(str(use.view.function), use.name))
        return use.kind in ("local", "argument")

    def reads(self, slot: Slot, path: str) -> list[Use]:
        """Return the uses of a member that holds a table."""
        files, key, kernels = slot_files(self.graph.reader, slot, path)
        if kernels or not slot.field:
            return []
        return [
            self.mention(where, inner)
            for where, inner in self.reader.occurrences(slot.field, files, key)
            if inner.type == "field_identifier" and inner.parent is not None
            if slot_of(self.reader, where, inner.parent).struct == slot.struct
        ]


class _Entry(NamedTuple):
    """An entry with designators, the last of them, and the list that it stands in."""

    listed: Node
    pair: Node
    last: Node
    value: Node


def _entry_of(designator: Node) -> _Entry | None:
    """Return the entry of an initializer list that a designator belongs to."""
    pair = designator.parent
    listed = pair.parent if pair is not None else None
    value = pair.child_by_field_name("value") if pair is not None else None
    if pair is None or listed is None or value is None:
        return None
    return _Entry(listed, pair, pair.children_by_field_name("designator")[-1], value)


def _specifier(name: Node) -> Node:
    """Return the type specifier that a type's name is, or stands in."""
    up = name.parent
    return up if up is not None and up.type.endswith("_specifier") else name


def _types_with(specifier: Node | None) -> list[str]:
    """Return the types that are declared as what a specifier is, or with a member of it."""
    declared = specifier.parent if specifier is not None else None
    if declared is None or declared.type not in ("type_definition", "field_declaration"):
        return []
    names = [one for one in declarators(declared) if one.type != "pointer_declarator"]
    if declared.type == "type_definition":
        return [node_text(name) for name in map(declarator_name, names) if name is not None]
    holder = around(declared, "struct_specifier", "union_specifier")
    tag = holder.child_by_field_name("name") if holder is not None else None
    if not names and declarators(declared):
        return []
    return [node_text(tag)] if tag is not None else _types_with(holder)


def _is_stored(node: Node) -> bool:
    """Tell whether a name stands on the right of `=` or `|=`, not inverted."""
    up: Node | None = node
    while up is not None and up.type not in ("assignment_expression", "compound_statement"):
        if up.type == "unary_expression" or up.type.endswith("call_expression"):
            return False
        child, up = up, up.parent
    if up is None or up.type != "assignment_expression":
        return False
    operator, right = (up.child_by_field_name(side) for side in ("operator", "right"))
    said = operator is not None and operator.type in ("=", "|=")
    return said and right is not None and right.id == child.id


def _element_of(key: Key, meant: Key) -> bool:
    """`ops[i].flags |= F` with a variable index means every element."""
    root, bracket, index = meant.name.partition("[")
    if index.rstrip("]").isdigit():
        return False
    return bool(bracket) and key.scope == meant.scope and key.name.startswith(f"{root}[")


def _is_at(slot: Slot, key: Key) -> bool:
    """Tell whether a slot into which a table is put is (in) an object."""
    named = f"{slot.struct}.{slot.field}" == key.name
    return named or key in ((slot.struct, slot.field), (slot.struct, slot.table))


def _templates(key: Key, sources: dict[Key, list[Table]]) -> list[Table]:
    """Return the tables of which an object is a copy, or a copy's copy; none if it is none."""
    found: list[Table] = []
    seen, stack = {key}, [key]
    while stack:
        for table in sources[stack.pop()]:
            if table.key in seen:
                continue
            seen.add(table.key)
            if sources.get(table.key):
                stack.append(table.key)
            else:
                found.append(table)
    return found


def _is_nothing(value: Node) -> bool:
    return node_text(bare(value)) in ("NULL", "0")


def _copied_through(node: Node) -> Node | None:
    """Return P if a table is copied by `*P = table`, or `*P = *table`."""
    given = assignment_of(node)
    left = given.child_by_field_name("left") if given is not None else None
    if left is None or left.type != "pointer_expression":
        return None
    return left.child_by_field_name("argument")
