"""Where an xfrm_state's xso is read or written, in whatever form it is spelled."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence, Set
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.ctype import INT, declared
from xfrmlint.c.expression import (
    arguments_of,
    around,
    bare,
    designation,
    given_to,
    outward,
    without_casts,
)
from xfrmlint.c.mention import unevaluated, use_of
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, View
from xfrmlint.contract import words
from xfrmlint.contract.words import HANDLE, XDO, XSO
from xfrmlint.errors import TOO_DEEP
from xfrmlint.kernel.functions import Operand, function_named
from xfrmlint.valueflow.sources import Tracer

_DEEPEST = 6
_OFFSET = re.compile(rb"offsetof\s*\(\s*(?:struct\s+)?(\w+)\s*,\s*(?:\w+\s*\.\s*)?(\w+)\s*\)")

STATE, POLICY, OTHER, UNKNOWN = "state", "policy", "other", "unknown"
# A write of nothing but 0 or NULL through a pointer.
_CLEAR = "clear"
# What is done through a pointer that is passed on further than is followed.
_OPEN = "open"
_WRITES = ("write", _CLEAR)
_FOLLOWS = ("pointer_expression", "subscript_expression")
_DECLARES = ("declarator", "parameter_declaration")


class Access(NamedTuple):
    """One read or write of a field of a state's xso. member: its role in the contract.

    access: read, write or readwrite. accessor: the RCU accessor around it. by_name: the base's
    type could not be found, only its name says `xso`. offset: order within the function.
    cleared: 0 or NULL is stored.
    """

    function: FunctionName
    place: Place
    field: str
    member: str
    access: str
    accessor: str
    by_name: bool
    offset: int
    cleared: bool
    view: View


class Doubt(NamedTuple):
    """A place that could be an access but could not be settled."""

    place: Place
    function: str
    reason: str


class Accesses:
    """Finds accesses in views. passed: returns (view, argument) of each caller of a function."""

    def __init__(
        self,
        reader: Reader,
        offload: str,
        passed: Callable[[FunctionName, int], Sequence[tuple[View, Node]]],
        fields: Sequence[str] | None = None,
    ) -> None:
        self.reader = reader
        self.contract = reader.contract
        self.offload = offload
        self.passed = passed
        self.fields = self.contract.fields if fields is None else fields
        self.doubts: dict[Place, Doubt] = {}
        self.tracer: Tracer[str] = Tracer(reader, passed, self._origin)

    def of(self, view: View) -> list[Access]:
        """Return the accesses in one function (or macro-made item)."""
        found = []
        for field in self.fields:
            for node in view.occurrences(field):
                if node.type != "field_identifier":
                    continue
                if view.lies_too_deep(node):
                    if field in self.contract.telling:
                        self._doubt(view, node, f"{field} stands {TOO_DEEP}")
                elif node.parent is not None:
                    access = self._access(view, node, field)
                    if access is not None:
                        found.append(access)
        if self.contract.word(HANDLE) in self.fields:
            named = sorted(a.offset for a in found if a.member == HANDLE)
            found += self._whole(view, named)
        if view.holds(_OFFSET):
            self._offsets(view)
        return sorted(found, key=lambda a: a.offset)

    def _offsets(self, view: View) -> None:
        """Note where the offset of a member is taken: what is done with it is not followed."""
        start, end = view.node.start_byte, view.node.end_byte
        for match in _OFFSET.finditer(view.text, start, end):
            struct, field = f"struct {match.group(1).decode()}", match.group(2).decode()
            inside = bool(self.contract.role_in(struct, field)) and struct != self.offload
            if inside or (struct in (self.offload, words.STATE) and field in self.contract.telling):
                node = view.node.descendant_for_byte_range(match.start(), match.start() + 1)
                text = f"the offset of {field} is taken, and what is done with it is not known"
                self._doubt(view, node or view.node, text)

    def _whole(self, view: View, named: Sequence[int]) -> Iterator[Access]:
        """Yield the stores of the whole struct: each writes the handle, without its name.

        named: where the name stands, in order, perhaps in what is stored.
        """
        parts = self.contract.parts.values()
        for node in (one for name in (XSO, *parts) for one in view.occurrences(name)):
            if node.type != "field_identifier":
                continue
            if view.lies_too_deep(node):
                self._doubt(view, node, f"{node_text(node)} stands {TOO_DEEP}")
                continue
            member = node.parent
            if member is None:
                continue
            if member.type != "field_expression" or unevaluated(view, member):
                continue
            if node_text(node) != XSO and not self._is_part(view, member):
                continue
            stored = member.parent or member
            after = bisect_left(named, stored.start_byte)
            if after < len(named) and named[after] < stored.end_byte:
                continue
            mode = self._mode(view, member)[0] if HANDLE in self.contract.members else "read"
            if mode not in (*_WRITES, _OPEN):
                continue
            kind = self.reader.types.of(member, view)
            if kind is not None and kind.pointers:
                # A pointer to a state's is written, not what it points to.
                continue
            origin, by_name = self.base(member, view)
            if origin == STATE and mode == _OPEN:
                self._doubt(view, node, _passed_on(node_text(node)))
            elif origin == STATE:
                handle = self.contract.members[HANDLE]
                struct = handle.struct or self.offload
                yield self._made(view, node, struct, handle.word, "write", "", by_name)

    def _access(self, view: View, node: Node, field: str) -> Access | None:
        parent = node.parent
        assert parent is not None
        if parent.type == "field_designator":
            return self._designated(view, node, field)
        if parent.type != "field_expression" or unevaluated(view, parent):
            return None
        base = parent.child_by_field_name("argument")
        if base is None:
            return None
        origin, by_name = self.base(base, view)
        if origin == UNKNOWN:
            if field in self.contract.telling or not by_name:
                self._doubt(view, node, f"what {node_text(base)} points to is not known")
            return None
        if origin != STATE:
            return None
        mode, accessor = self._mode(view, parent)
        if mode == _OPEN:
            self._doubt(view, node, _passed_on(field))
            return None
        if mode in _WRITES and self._in_copy(base, view):
            return None
        return self._made(view, node, self._struct_of(base, view), field, mode, accessor, by_name)

    def _struct_of(self, base: Node, view: View) -> str:
        """Return the type of an offload struct, or of a struct in it, that an expression is."""
        struct = self.reader.types.base_of(base, view)
        return struct if struct in self.contract.parts else self.offload

    def _in_copy(self, base: Node, view: View) -> bool:
        """Tell whether a base is a local copy of an offload struct: a store there goes nowhere."""
        base = without_casts(base)
        local = view.local(node_text(base), base.start_byte) if base.type == "identifier" else None
        if local is None or local.type.pointers:
            return False
        return local.type.base in self.contract.structs

    def _made(
        self,
        view: View,
        node: Node,
        struct: str,
        field: str,
        mode: str,
        accessor: str,
        by_name: bool,
    ) -> Access:
        place = view.place(node.start_byte)
        member = self.contract.role_in(struct, field)
        return Access(
            view.function,
            place,
            field,
            member,
            "write" if mode == _CLEAR else mode,
            accessor,
            by_name,
            node.start_byte,
            _cleared(mode, node) == _CLEAR,
            view,
        )

    def _doubt(self, view: View, node: Node, reason: str) -> None:
        place = view.place(node.start_byte)
        self.doubts.setdefault(place, Doubt(place, view.function.name, reason))

    def _designated(self, view: View, node: Node, field: str) -> Access | None:
        """`.xso = { .handle = 1 }` and `(struct offload){ .dev = d }`."""
        pair = node.parent.parent if node.parent is not None else None
        value = pair.child_by_field_name("value") if pair is not None else None
        if pair is None or value is None or pair.type != "initializer_pair":
            return None
        use = use_of(self.reader, view, value)
        if use.slot is None or use.slot.field != field:
            return None
        if use.slot.struct in self.contract.parts:
            self._doubt(view, node, f"whose {field} is filled here is not known")
        if use.slot.struct != self.offload:
            return None
        whole = around(
            pair, "init_declarator", "expression_statement", "compound_literal_expression"
        )
        text = node_text(whole) if whole is not None else ""
        if re.search(rf"[.>]\s*{XDO}\b", text):
            return None
        return self._made(view, node, self.offload, field, "write", "", False)

    def base(self, node: Node, view: View) -> tuple[str, bool]:
        """Return whose offload struct an expression is, and whether only its name says so."""
        struct = self.reader.types.base_of(node, view)
        if not struct:
            return {XSO: STATE, XDO: POLICY}.get(_last_name(node), UNKNOWN), True
        if struct not in self.contract.structs:
            if node.type != "identifier" or not self._twin_is_offload(node, view):
                return OTHER, False
        origins = self.tracer.of(view, node)
        if STATE in origins.answers:
            return STATE, False
        sure = POLICY in origins.answers and not origins.doubts
        return (POLICY if sure else UNKNOWN), False

    def _twin_is_offload(self, node: Node, view: View) -> bool:
        """Tell whether a local of that name in another branch of an #if is an offload struct."""
        return any(
            self.reader.types.resolved(twin.type, view.path).base == self.offload
            for twin in view.locals_named(node_text(node), node.start_byte)
        )

    def _origin(self, view: View, node: Node) -> str | None:
        """Return whose offload struct an expression is by itself, None for one to be followed."""
        if node.type == "field_expression":
            return self._origin_of_member(view, node)
        if node.type == "compound_literal_expression":
            return OTHER
        called = node.child_by_field_name("function") if node.type == "call_expression" else node
        if called is None or called.type != "identifier":
            return None
        name = node_text(called)
        if view.kind == "function" and view.local(name, called.start_byte) is not None:
            return None
        if node.type == "call_expression" and self.reader.definitions(name, view.path):
            return None
        macro = self.reader.types.macro(name, view.path)
        if macro is None or XSO.encode() not in macro.body:
            return None
        # One that is for both, as by _Generic(), takes the offload struct of what it is given.
        both = XDO.encode() in macro.body
        return self._origin_of_argument(view, node) if both else STATE

    def _origin_of_argument(self, view: View, call: Node) -> str | None:
        """Return whose offload struct a macro takes, by the only object that it is given."""
        bases = {self.reader.types.base_of(argument, view) for argument in arguments_of(call)}
        given = bases & {words.STATE, words.POLICY}
        return {words.STATE: STATE, words.POLICY: POLICY}[given.pop()] if len(given) == 1 else None

    def _origin_of_member(self, view: View, node: Node) -> str | None:
        struct = self.reader.types.base_of(node.child_by_field_name("argument"), view)
        if not struct:
            return {XSO: STATE, XDO: POLICY}.get(_last_name(node))
        if struct == self.offload and self._is_part(view, node):
            # A struct in it is whose it is itself.
            base = node.child_by_field_name("argument")
            return self.base(base, view)[0] if base is not None else None
        return {words.STATE: STATE, words.POLICY: POLICY}.get(struct)

    def _is_part(self, view: View, node: Node) -> bool:
        """Tell whether an expression is a struct in an offload struct that counts."""
        kind = self.reader.types.of(node, view) if self.contract.parts else None
        return kind is not None and kind.base in self.contract.parts and not kind.pointers

    def _mode(
        self, view: View, node: Node, level: int = 0, depth: int = 0, seen: tuple[str, ...] = ()
    ) -> tuple[str, str]:
        """Return what a mention does (read, write, clear, readwrite, open), and its RCU accessor.

        level: 1 for a pointer to the member; nothing is done where that is declared, or becomes
        another one. depth: of the functions that it was passed to. seen: the pointers before it.
        """
        up, level = designation(node, level)
        deeper, parent = outward(up), up.parent
        if level < 0 or parent is None:
            return "read", ""
        if deeper is not None and deeper.type != "call_expression":
            self._doubt(view, node, "more parentheses and casts are around it than are read")
        if parent.type.endswith(_DECLARES) and not _same(parent.child_by_field_name("value"), up):
            return "", ""
        if parent.type == "assignment_expression" and _same(parent.child_by_field_name("left"), up):
            operator = parent.child_by_field_name("operator")
            plain = operator is None or operator.type == "="
            return "" if level else _cleared("write", up) if plain else "readwrite", ""
        if parent.type == "update_expression":
            return "" if level else "readwrite", ""
        given = given_to(up)
        if given is not None:
            accessor = _rcu(given.name)
            mode = _cleared(_mode_of_operand(given.name, Operand(given.position, level > 0)), up)
            if not mode and level:
                return self._through_pointer(view, given.name, given.position, depth), accessor
            reads = mode not in _WRITES
            return mode or "read", accessor or (reads and _accessor_around(given.call)) or ""
        name = _pointer_from(parent) if level else ""
        if name and name not in seen:
            return self._through(view, name, depth, seen)
        if level and parent.type == "return_statement":
            return self._through_result(view, depth), ""
        return "read", ""

    def _through_result(self, view: View, depth: int) -> str:
        """Return what all callers do through the address that a function returns, else a read."""
        calls = [(where, given_to(one)) for where, one in self.passed(view.function, 0)]
        if calls and depth >= _DEEPEST:
            return _OPEN
        modes = {
            self._mode(where, given.call, 1, depth + 1)[0] if given else "read"
            for where, given in calls
        }
        if _OPEN in modes:
            return _OPEN
        # Who returns a handle, and who clears it: whether these may, their ways say.
        both = modes == {"write", _CLEAR}
        return _CLEAR if both else modes.pop() if len(modes) == 1 else "read"

    def _through_pointer(self, view: View, name: str, position: int, depth: int) -> str:
        """What a function of the driver does through its pointer parameter; a read if unknown."""
        found = self.reader.definitions(name, view.path)
        if found and depth >= _DEEPEST:
            return _OPEN
        return _one_of(
            {
                self._through(inner, inner.parameters[position], depth + 1)[0]
                for inner in found
                if position < len(inner.parameters)
            }
        )

    def _through(
        self, view: View, name: str, depth: int, seen: tuple[str, ...] = ()
    ) -> tuple[str, str]:
        """What a function does through a pointer of its own, its macros expanded."""
        shown = self.reader.expanded(view.path, view.written, {})
        named = [one for one in shown if one.item.name == view.item.name] or [view]
        accessors: set[str] = set()
        modes = {self._of_pointer(one, name, depth, (*seen, name), accessors) for one in named}
        return _one_of(modes), accessors.pop() if len(accessors) == 1 else ""

    def _of_pointer(
        self, view: View, name: str, depth: int, seen: tuple[str, ...], accessors: set[str]
    ) -> str:
        """Return what the mentions of a pointer do, and add the accessors of what it points to.

        What is read behind a store is what was stored: `*slot = find(); set_bit(*slot, used);`.
        """
        reads = writes = clears = 0
        for node in sorted(view.occurrences(name), key=lambda one: one.start_byte):
            mode, accessor = self._mode(view, node, 1, depth, seen)
            if mode == _OPEN:
                return _OPEN
            follows = node.parent is not None and node.parent.type in _FOLLOWS
            if follows:
                accessors.add(accessor)
            reads += "read" in mode and not (follows and writes)
            writes += mode not in ("", "read")
            clears += mode == _CLEAR
        written = _CLEAR if writes == clears else "write"
        return "readwrite" if reads and writes else written if writes else "read"


def _passed_on(field: str) -> str:
    return f"the address of {field} is given further than is followed"


def _one_of(modes: Set[str]) -> str:
    """Return the mode that several are; a read if there are none."""
    if _OPEN in modes:
        return _OPEN
    if modes == {"write", _CLEAR}:
        return "write"
    return next(iter(modes), "read") if len(modes) < 2 else "readwrite"


def _pointer_from(around: Node) -> str:
    """Return the variable that is made, or becomes, what an expression is worth."""
    target = around.child_by_field_name("left")
    if around.type == "init_declarator":
        made = declared(INT, around)
        target = made.name if made is not None else None
    return node_text(target) if target is not None and target.type == "identifier" else ""


def _cleared(mode: str, node: Node) -> str:
    """Return the mode of a store, which clears if what it stores is 0 or NULL, written out."""
    up = around(node.parent, "assignment_expression", "call_expression")
    if up is None or mode != "write":
        return mode
    value = next(reversed(arguments_of(up)), up.child_by_field_name("right"))
    cleared = value is not None and node_text(bare(value)) in ("0", "0UL", "0ul", "NULL")
    return _CLEAR if cleared else mode


def _mode_of_operand(name: str, operand: Operand) -> str:
    """Return how a function of the kernel's treats an operand; nothing if no row says it writes."""
    does = function_named(name)
    if does.stored_in(operand) is None:
        return ""
    read = does.returned == operand or any(s.value == operand for s in does.stores)
    return "readwrite" if read else "write"


def _rcu(name: str) -> str:
    """Return a function's name if it is an RCU accessor."""
    return name if function_named(name).is_("rcu") else ""


def _accessor_around(node: Node) -> str:
    """Return the RCU accessor whose argument a node is: unrcu_pointer(xchg(&x->priv, NULL))."""
    given = given_to(node)
    return _rcu(given.name) if given is not None else ""


def _same(one: Node | None, other: Node) -> bool:
    return one is not None and one.id == other.id


def _last_name(node: Node) -> str:
    field = bare(node).child_by_field_name("field")
    return node_text(field) if field is not None else ""
