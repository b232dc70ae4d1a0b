"""Where an xfrm_state's xso is read or written, in whatever form it is spelled."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.c.expression import callees, is_choice, position_in
from xfrmlint.c.mention import unevaluated, use_of
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import Place, node_text
from xfrmlint.c.view import FunctionName, View
from xfrmlint.kernel.functions import Operand, function_named

FIELDS = ("offload_handle", "upper_priv", "dev", "real_dev")
_DEEPEST = 6

STATE, POLICY, OTHER, UNKNOWN = "state", "policy", "other", "unknown"


class Access(NamedTuple):
    """One read or write of a field of a state's xso.

    access: read, write or readwrite. accessor: the RCU accessor around it. by_name: the base's
    type could not be found, only its name says `xso`. offset: order within the function.
    """

    function: FunctionName
    place: Place
    field: str
    access: str
    accessor: str
    by_name: bool
    offset: int
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
        fields: Sequence[str] = FIELDS,
    ) -> None:
        self.reader = reader
        self.offload = offload
        self.passed = passed
        self.fields = fields
        self.doubts: dict[Place, Doubt] = {}
        self._stores: dict[tuple[str, str], set[str]] = {}

    def of(self, view: View) -> list[Access]:
        """Return the accesses in one function (or macro-made item)."""
        found = []
        for field in self.fields:
            for node in view.occurrences(field):
                if node.type == "field_identifier" and node.parent is not None:
                    access = self._access(view, node, field)
                    if access is not None:
                        found.append(access)
        return sorted(found, key=lambda a: a.offset)

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
            if field in ("offload_handle", "upper_priv"):
                self._doubt(view, node, f"what {node_text(base)} points to is not known")
            return None
        if origin != STATE:
            return None
        mode, accessor = self._mode(view, parent)
        if mode == "write" and self._in_copy(base, view):
            return None
        return self._made(view, node, field, mode, accessor, by_name)

    def _in_copy(self, base: Node, view: View) -> bool:
        """Tell whether a base is a local copy of an offload struct: a store there goes nowhere."""
        while base.type == "parenthesized_expression":
            base = base.named_children[-1]
        local = view.local(node_text(base), base.start_byte) if base.type == "identifier" else None
        return local is not None and local.type.base == self.offload and not local.type.pointers

    def _made(
        self, view: View, node: Node, field: str, mode: str, accessor: str, by_name: bool
    ) -> Access:
        place = view.place(node.start_byte)
        return Access(view.function, place, field, mode, accessor, by_name, node.start_byte, view)

    def _doubt(self, view: View, node: Node, reason: str) -> None:
        place = view.place(node.start_byte)
        self.doubts.setdefault(place, Doubt(place, view.function.name, reason))

    def _designated(self, view: View, node: Node, field: str) -> Access | None:
        """`.xso = { .offload_handle = 1 }` and `(struct xfrm_dev_offload){ .dev = d }`."""
        pair = node.parent.parent if node.parent is not None else None
        value = pair.child_by_field_name("value") if pair is not None else None
        if pair is None or value is None or pair.type != "initializer_pair":
            return None
        use = use_of(self.reader, view, value)
        if use.slot is None or use.slot.struct != self.offload or use.slot.field != field:
            return None
        node_up: Node | None = pair
        while node_up is not None and node_up.type not in (
            "init_declarator",
            "expression_statement",
        ):
            if node_up.type == "compound_literal_expression":
                break
            node_up = node_up.parent
        text = node_text(node_up) if node_up is not None else ""
        if re.search(r"[.>]\s*xdo\b", text):
            return None
        return self._made(view, node, field, "write", "", False)

    def base(self, node: Node, view: View) -> tuple[str, bool]:
        """Return whose offload struct an expression is, and whether only its name says so."""
        kind = self.reader.types.of(node, view)
        if kind is None:
            name = _last_name(node)
            if name == "xso":
                return STATE, True
            return (POLICY if name == "xdo" else UNKNOWN), True
        if self.reader.types.resolved(kind, view.path).base != self.offload:
            if node.type != "identifier" or not self._twin_is_offload(node, view):
                return OTHER, False
        origins = self._origins(node, view, 0, frozenset())
        for origin in (STATE, UNKNOWN, POLICY):
            if origin in origins:
                return origin, False
        return UNKNOWN, False

    def _twin_is_offload(self, node: Node, view: View) -> bool:
        """Tell whether a local of that name in another branch of an #if is an offload struct."""
        return any(
            self.reader.types.resolved(twin.type, view.path).base == self.offload
            for twin in view.locals_named(node_text(node), node.start_byte)
        )

    def _origins(
        self, node: Node | None, view: View, depth: int, seen: frozenset[tuple[str, str]]
    ) -> set[str]:
        """Return whose offload structs an expression of that type can be."""
        if node is None or depth > _DEEPEST:
            return {UNKNOWN}
        while True:
            if node.type == "parenthesized_expression" and node.named_child_count:
                node = node.named_children[-1]
            elif node.type in ("pointer_expression", "subscript_expression"):
                inner = node.child_by_field_name("argument")
                if inner is None:
                    return {UNKNOWN}
                node = inner
            elif node.type == "cast_expression":
                inner = node.child_by_field_name("value")
                if inner is None:
                    return {UNKNOWN}
                node = inner
            else:
                break
        if node.type == "conditional_expression":
            sides = (
                node.child_by_field_name("consequence"),
                node.child_by_field_name("alternative"),
            )
            return set().union(
                *(self._origins(s, view, depth + 1, seen) for s in sides if s is not None)
            ) or {UNKNOWN}
        if node.type == "generic_expression" or is_choice(node):
            values = callees(node)
            return set().union(*(self._origins(v, view, depth + 1, seen) for v in values))
        if node.type in ("comma_expression", "assignment_expression", "binary_expression"):
            side = "left" if node.type == "binary_expression" else "right"
            return self._origins(node.child_by_field_name(side), view, depth + 1, seen)
        if node.type == "compound_statement" and node.named_child_count:
            # A statement expression is worth its last expression.
            last = node.named_children[-1]
            inside = last.named_children[0] if last.named_child_count else None
            return self._origins(inside, view, depth + 1, seen)
        if node.type == "initializer_list":
            listed = [c.child_by_field_name("value") or c for c in node.named_children]
            return set().union(*(self._origins(c, view, depth + 1, seen) for c in listed))
        if node.type in ("null", "number_literal") or node_text(node) == "NULL":
            return set()
        if node.type == "field_expression":
            return self._field_origins(node, view, depth, seen)
        if node.type == "call_expression":
            return self._call_origins(node, view, depth, seen)
        if node.type == "compound_literal_expression":
            return set()
        if node.type == "identifier":
            return self._name_origins(node, view, depth, seen)
        return {UNKNOWN}

    def _field_origins(
        self, node: Node, view: View, depth: int, seen: frozenset[tuple[str, str]]
    ) -> set[str]:
        base = node.child_by_field_name("argument")
        name = node_text(node.child_by_field_name("field") or node)
        kind = self.reader.types.of(base, view)
        struct = self.reader.types.resolved(kind, view.path).base if kind is not None else ""
        if struct == "struct xfrm_state":
            return {STATE}
        if struct == "struct xfrm_policy":
            return {POLICY}
        if not struct:
            return {STATE} if name == "xso" else {POLICY} if name == "xdo" else {UNKNOWN}
        key = (struct, name)
        if key in seen:
            return set()
        if key not in self._stores:
            self._stores[key] = self._stored_origins(struct, name, view, depth, seen | {key})
        return self._stores[key]

    def _stored_origins(
        self, struct: str, name: str, view: View, depth: int, seen: frozenset[tuple[str, str]]
    ) -> set[str]:
        """Return what is ever stored in a driver's own field of the offload struct's type."""
        found: set[str] = set()
        for where, node in self.reader.near(name, view.path):
            field = node.parent
            if field is None or where.kind != "function":
                continue
            if field.type == "field_designator" and field.parent is not None:
                value = field.parent.child_by_field_name("value")
                found |= self._origins(value, where, depth + 1, seen)
                continue
            if field.type != "field_expression":
                continue
            kind = self.reader.types.of(field.child_by_field_name("argument"), where)
            if kind is None or self.reader.types.resolved(kind, where.path).base != struct:
                continue
            value = value_stored(field)
            if value is not None:
                found |= self._origins(value, where, depth + 1, seen)
        return found or {UNKNOWN}

    def _call_origins(
        self, node: Node, view: View, depth: int, seen: frozenset[tuple[str, str]]
    ) -> set[str]:
        called = node.child_by_field_name("function")
        listed = node.child_by_field_name("arguments")
        sides = callees(called) if called is not None else []
        if listed is None or any(side.type != "identifier" for side in sides):
            return {UNKNOWN}
        name = node_text(sides[0]) if len(sides) == 1 else ""
        if function_named(name).passes and listed.named_child_count:
            return self._origins(listed.named_children[0], view, depth + 1, seen)
        found: set[str] = set()
        for side in sides:
            for inner in self.reader.definitions(node_text(side), view.path):
                for value in returned(inner):
                    found |= self._origins(value, inner, depth + 1, seen)
        if not found:
            macro = self.reader.types.macro(name, view.path)
            if macro is not None and b"xso" in macro.body:
                return {STATE}
        return found or {UNKNOWN}

    def _name_origins(
        self, node: Node, view: View, depth: int, seen: frozenset[tuple[str, str]]
    ) -> set[str]:
        name = node_text(node)
        local = view.local(name, node.start_byte)
        key = (f"{view.function.path}:{view.function.name}", name)
        if key in seen:
            return set()
        seen = seen | {key}
        if local is None:
            macro = self.reader.types.macro(name, view.path)
            if macro is not None and b"xso" in macro.body:
                return {STATE}
            return {UNKNOWN}
        found: set[str] = set()
        values = [v for v in view.assignments(name) if node_text(v) not in ("NULL", "0")]
        for value in _reaching(values, node, view):
            found |= self._origins(value, view, depth + 1, seen)
        for other in view.occurrences(name):
            for where, value in self._filled_by_callee(other, view):
                found |= self._origins(value, where, depth + 1, seen)
            copied = _copied_into(other)
            if copied is not None:
                found |= self._origins(copied, view, depth + 1, seen)
        if local.parameter >= 0:
            callers = self.passed(view.function, local.parameter)
            for where, argument in callers:
                found |= self._origins(argument, where, depth + 1, seen)
            if not callers:
                found.add(UNKNOWN)
        return found or ({OTHER} if not local.type.pointers else {UNKNOWN})

    def _filled_by_callee(self, node: Node, view: View) -> list[tuple[View, Node]]:
        """Return what a function of the driver stores through `&name`, handed to it."""
        address = node.parent
        listed = address.parent if address is not None else None
        if address is None or address.type != "pointer_expression" or listed is None:
            return []
        if listed.type != "argument_list" or listed.parent is None:
            return []
        called = listed.parent.child_by_field_name("function")
        position = position_in(listed, address)
        found = []
        for inner in self.reader.definitions(node_text(called) if called else "", view.path):
            name = inner.parameters[position] if position < len(inner.parameters) else ""
            for use in inner.occurrences(name) if name else ():
                target = use.parent
                value = value_stored(target) if target is not None else None
                if target is not None and target.type == "pointer_expression" and value is not None:
                    found.append((inner, value))
        return found

    def _mode(self, view: View, node: Node) -> tuple[str, str]:
        """Return how an access expression is used (read, write, readwrite) and its RCU accessor."""
        up = node
        address = False
        while up.parent is not None:
            parent = up.parent
            if parent.type == "parenthesized_expression":
                up = parent
            elif parent.type == "pointer_expression":
                operator = parent.child_by_field_name("operator")
                if operator is not None and operator.type == "&":
                    address = True
                elif address:
                    address = False
                else:
                    return "read", ""
                up = parent
            elif parent.type == "subscript_expression" and address:
                address = False
                up = parent
            elif parent.type == "cast_expression":
                up = parent
            else:
                break
        holder = up.parent
        if holder is None:
            return "read", ""
        parent = holder
        if parent.type == "assignment_expression":
            left = parent.child_by_field_name("left")
            operator = parent.child_by_field_name("operator")
            if left is not None and left.id == up.id and not address:
                plain = operator is None or operator.type == "="
                return ("write" if plain else "readwrite"), ""
        if parent.type == "update_expression":
            return "readwrite", ""
        if parent.type == "argument_list" and parent.parent is not None:
            called = parent.parent.child_by_field_name("function")
            name = node_text(called) if called is not None else ""
            position = position_in(parent, up)
            accessor = _rcu(name)
            mode = _mode_of_operand(name, Operand(position, address))
            if mode:
                return mode, accessor or (
                    mode != "write" and self._outer_accessor(parent.parent)
                ) or ""
            if address:
                return self._through_pointer(view, name, position), accessor
            return "read", accessor or self._outer_accessor(parent.parent)
        if address and parent.type in ("init_declarator", "assignment_expression"):
            target = parent.child_by_field_name("declarator") or parent.child_by_field_name("left")
            while target is not None and target.type == "pointer_declarator":
                target = target.child_by_field_name("declarator")
            if target is not None and target.type == "identifier":
                name = node_text(target)
                return _mode_of_pointer(view, name), _accessor_of_pointer(view, name)
        return "read", ""

    def _outer_accessor(self, call: Node) -> str:
        # unrcu_pointer(xchg(&x->xso.upper_priv, NULL))
        listed = call.parent
        outer = listed.parent if listed is not None and listed.type == "argument_list" else None
        called = outer.child_by_field_name("function") if outer is not None else None
        name = node_text(called) if called is not None else ""
        return _rcu(name)

    def _through_pointer(self, view: View, name: str, position: int) -> str:
        """What a function of the driver does through its pointer parameter; a read if unknown."""
        modes = set()
        for inner in self.reader.definitions(name, view.path):
            if position < len(inner.parameters):
                modes.add(_mode_of_pointer(inner, inner.parameters[position]))
        if not modes:
            return "read"
        return modes.pop() if len(modes) == 1 else "readwrite"


def _reaching(values: Sequence[Node], use: Node, view: View) -> list[Node]:
    """Return the assigned values that a use can see: those from the last sure one on.

    An assignment is sure if the block that it stands in encloses the use.
    """
    before = [v for v in values if v.start_byte < use.start_byte]
    around = set()
    loop_end = 0
    up = use.parent
    while up is not None:
        if up.type == "compound_statement":
            around.add(up.id)
        if up.type in ("for_statement", "while_statement", "do_statement"):
            loop_end = up.end_byte
        up = up.parent
    sure = [v for v in before if _block(v) in around and not _conditional(v, use, view)]
    start = sure[-1].start_byte if sure else 0
    return [v for v in values if start <= v.start_byte < max(use.start_byte, loop_end)]


def _conditional(value: Node, use: Node, view: View) -> bool:
    """Tell whether an assignment stands under an #if that the use does not."""
    if view.expanded:
        return False
    unit = view.corpus.unit(view.path)
    own = unit.condition(value.start_byte)
    return own != "" and own != unit.condition(use.start_byte)


def _block(node: Node) -> int:
    """Return the id of the compound statement in which a statement directly stands, or 0."""
    up = node.parent
    while up is not None and up.type != "compound_statement":
        if up.type in ("if_statement", "conditional_expression", "case_statement", "else_clause"):
            return 0
        up = up.parent
    return up.id if up is not None else 0


def returned(view: View) -> list[Node]:
    """Return the expressions that a function returns."""
    found = []
    stack = [view.node]
    while stack:
        node = stack.pop()
        if node.type == "return_statement":
            found += node.named_children[:1]
            continue
        stack += node.named_children
    return found


def _mode_of_pointer(view: View, name: str) -> str:
    """What a function does through a pointer of its own: read, write or readwrite."""
    reads = writes = 0
    for node in view.occurrences(name):
        parent = node.parent
        if parent is None or parent.type in (
            "pointer_declarator",
            "parameter_declaration",
            "init_declarator",
        ):
            continue
        if parent.type == "assignment_expression" and _same(
            parent.child_by_field_name("left"), node
        ):
            continue
        if parent.type in ("pointer_expression", "subscript_expression"):
            outer = parent.parent
            left = outer.child_by_field_name("left") if outer is not None else None
            if outer is not None and outer.type == "assignment_expression" and _same(left, parent):
                operator = outer.child_by_field_name("operator")
                writes += 1
                reads += operator is not None and operator.type != "="
                continue
            if outer is not None and outer.type == "update_expression":
                writes += 1
            elif outer is not None and _filled_by(outer, parent, False):
                writes += 1
                continue
        if _filled_by(parent, node, True):
            writes += 1
            continue
        reads += 1
    return "readwrite" if reads and writes else "write" if writes else "read"


def _filled_by(listed: Node, node: Node, pointed: bool) -> bool:
    """Tell whether a node is an argument that its function fills (pointed: where it points to)."""
    if listed.type != "argument_list" or listed.parent is None:
        return False
    called = listed.parent.child_by_field_name("function")
    operand = Operand(position_in(listed, node), pointed)
    return called is not None and _mode_of_operand(node_text(called), operand) == "write"


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


def _accessor_of_pointer(view: View, name: str) -> str:
    """Return the RCU accessor in which a pointer is always dereferenced, or nothing."""
    accessors = set()
    for node in view.occurrences(name):
        deref = node.parent
        if deref is None or deref.type != "pointer_expression" or node_text(deref)[:1] != "*":
            continue
        listed = deref.parent
        call = listed.parent if listed is not None and listed.type == "argument_list" else None
        called = call.child_by_field_name("function") if call is not None else None
        text = node_text(called) if called is not None else ""
        accessors.add(_rcu(text))
    return accessors.pop() if len(accessors) == 1 else ""


def _same(one: Node | None, other: Node) -> bool:
    return one is not None and one.id == other.id


def _last_name(node: Node) -> str:
    while node.type in ("parenthesized_expression", "pointer_expression"):
        inner = node.child_by_field_name("argument") or (
            node.named_children[-1] if node.named_child_count else None
        )
        if inner is None:
            return ""
        node = inner
    if node.type == "field_expression":
        field = node.child_by_field_name("field")
        return node_text(field) if field is not None else ""
    return ""


def value_stored(field: Node) -> Node | None:
    """Return what is assigned to (or copied into) an expression."""
    up = field
    while up.parent is not None and up.parent.type == "subscript_expression":
        up = up.parent
    parent = up.parent
    if parent is not None and parent.type == "assignment_expression":
        if _same(parent.child_by_field_name("left"), up):
            return parent.child_by_field_name("right")
        return None
    if parent is not None and parent.type == "argument_list" and parent.parent is not None:
        called = parent.parent.child_by_field_name("function")
        does = function_named(node_text(called) if called is not None else "")
        value = does.stored_in(Operand(position_in(parent, up)))
        if value is not None:
            listed = parent.named_children
            return listed[value.position] if 0 <= value.position < len(listed) else None
    return _copied_into(field)


def _copied_into(node: Node) -> Node | None:
    """Return the source of a memcpy() whose target is (the address of) `node`."""
    up = node
    while up.parent is not None and up.parent.type in (
        "pointer_expression",
        "parenthesized_expression",
    ):
        up = up.parent
    listed = up.parent
    if listed is None or listed.type != "argument_list" or listed.parent is None:
        return None
    called = listed.parent.child_by_field_name("function")
    arguments = listed.named_children
    if called is None or len(arguments) < 2 or not _same(arguments[0], up):
        return None
    if not function_named(node_text(called)).copies_memory:
        return None
    return arguments[1]
