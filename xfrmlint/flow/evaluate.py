"""A strict evaluator of one C function: what it returns, and which fields it read on the way.

Exact inside its subset and silent about nothing: what lies outside raises `Outside` with a line,
what a kernel would oops on (or read as garbage) is a `Fault`. Arithmetic is that of the kernel's
64-bit build: LP64, two's complement, signed overflow wraps (-fno-strict-overflow in the top
Makefile). A plain `char` is outside: its sign depends on the release. Operands which C doesn't
order are evaluated from left to right, and checked for an outcome that another order would change.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from tree_sitter import Node

from xfrmlint.frontend.ctype import CType, abstract, type_of_specifier
from xfrmlint.frontend.unit import Place, node_text
from xfrmlint.frontend.view import View

_MOST_STEPS = 20_000
_DEEPEST_CALL = 32


class IntType(NamedTuple):
    """An integer type. rank: C's conversion rank, in an order of its own."""

    name: str
    bits: int
    signed: bool
    rank: int


BOOL = IntType("bool", 1, False, 0)
SCHAR = IntType("signed char", 8, True, 1)
UCHAR = IntType("unsigned char", 8, False, 1)
SHORT = IntType("short", 16, True, 2)
USHORT = IntType("unsigned short", 16, False, 2)
INT = IntType("int", 32, True, 3)
UINT = IntType("unsigned int", 32, False, 3)
LONG = IntType("long", 64, True, 4)
ULONG = IntType("unsigned long", 64, False, 4)
LLONG = IntType("long long", 64, True, 5)
ULLONG = IntType("unsigned long long", 64, False, 5)

# include/linux/types.h, include/asm-generic/int-ll64.h: u64 is `unsigned long long` everywhere.
_INTEGERS = {
    "bool": BOOL,
    "_Bool": BOOL,
    "s8": SCHAR,
    "u8": UCHAR,
    "s16": SHORT,
    "u16": USHORT,
    "s32": INT,
    "u32": UINT,
    "s64": LLONG,
    "u64": ULLONG,
    "size_t": ULONG,
    "ssize_t": LONG,
    "uintptr_t": ULONG,
    "ulong": ULONG,
    "uint": UINT,
}
_INTEGERS.update({f"__{n}": _INTEGERS[n] for n in "s8 u8 s16 u16 s32 u32 s64 u64".split()})
_UNSIGNED = {SCHAR: UCHAR, SHORT: USHORT, INT: UINT, LONG: ULONG, LLONG: ULLONG}


class Int(NamedTuple):
    """An integer value; always within its type's range."""

    value: int
    type: IntType


class Void(NamedTuple):
    """The result of what has none."""


class Unknown(NamedTuple):
    """A value nobody can tell; exists only where the caller allows it by a `choose`."""


class Uninitialized(NamedTuple):
    """What a local variable holds before its first store."""


class FaultKind(StrEnum):
    """What went wrong."""

    NULL = "NULL dereference"
    FIELD = "unknown field"
    UNINITIALIZED = "uninitialized variable"
    DIVISION = "division by zero"
    BUG = "BUG"
    ARGUMENT = "wrong argument"


class Fault(NamedTuple):
    """An evaluation that ended without a value. path, line: of the C that did it."""

    kind: FaultKind
    text: str
    path: str = ""
    line: int = 0


@dataclass(eq=False)
class Function:
    """A function a pointer can point to: a callable of the caller's, or one of the tree.

    call: gets the arguments; a `Fault` that it returns ends the evaluation.
    """

    name: str
    call: "Callable[[Sequence[Value]], Value | Fault] | None" = None
    source: "Source | None" = None


@dataclass(eq=False)
class Cell:
    """Storage of one scalar (or, for a local variable, of a struct).

    owner: the name of the struct it is a field of; empty for a local variable. type: None if it
    takes what it is given.
    """

    name: str
    value: "Value"
    type: CType | None = None
    owner: str = ""


class Struct:
    """A struct object: cells, and structs embedded in it.

    kind: `struct tag`, compared with the types of pointers to it unless empty. open: fields that it
    has not are made on demand, with an unknown value, and types of pointers don't matter.
    """

    def __init__(self, name: str, kind: str = "", open: bool = False) -> None:
        self.name = name
        self.kind = kind
        self.open = open
        self.fields: dict[str, Cell | Struct] = {}
        self.parent: Struct | None = None
        self.member = ""

    def put(self, name: str, value: "Value", type: CType | None = None) -> "Struct":
        """Add a field; a struct is embedded. Return the struct itself."""
        if isinstance(value, Struct):
            value.parent, value.member = self, name
            self.fields[name] = value
        else:
            if type is None and isinstance(value, Int):
                type = CType(value.type.name)
            self.fields[name] = Cell(name, value, type, self.name)
        return self

    def value(self, name: str) -> "Value":
        """Return what a field holds."""
        found = self.fields[name]
        return found.value if isinstance(found, Cell) else found

    def copy(self, name: str) -> "Struct":
        """Return a struct of the same contents."""
        made = Struct(name, self.kind, self.open)
        for key, found in self.fields.items():
            if isinstance(found, Struct):
                made.put(key, found.copy(f"{name}.{key}"))
            else:
                made.put(key, found.value, found.type)
        return made

    def roots(self) -> "Iterator[Struct]":
        """Yield the struct and those it is embedded in."""
        now: Struct | None = self
        while now is not None:
            yield now
            now = now.parent


class Pointer(NamedTuple):
    """A pointer; to nothing if it is NULL."""

    target: Struct | Cell | Function | None


NULL = Pointer(None)
Value = Int | Pointer | Struct | Void | Unknown | Uninitialized


class StepKind(StrEnum):
    """What a step of a trace is."""

    READ = "read"
    WRITE = "write"
    TEST = "test"
    CALL = "call"


class Step(NamedTuple):
    """One step: a field read or written, a condition tested, a function called.

    object, field: which field; for a call `object` is the function's name, and `field` the names of
    the structs that one without a definition is handed. once: by READ_ONCE or a relative of it.
    """

    kind: StepKind
    object: str
    field: str
    once: bool
    path: str
    line: int


Trace = tuple[Step, ...]


class Source(NamedTuple):
    """A function ready to be evaluated.

    view: its text, macros expanded. problem: why it can't be evaluated at all, else empty.
    """

    name: str
    path: str
    line: int
    view: View
    problem: str = ""
    problem_line: int = 0


class Names(Protocol):
    """What the evaluator asks the tree. path: the file in which the question comes up."""

    def function(self, name: str, path: str) -> Source | None:
        """Return a function's definition; None if there is none that could be evaluated."""
        ...

    def resolved(self, kind: CType, path: str) -> CType:
        """Return a type with typedefs followed."""
        ...

    def declared(self, view: View, node: Node) -> CType | None:
        """Return the type of a field, or of what a field calls, from the struct's declaration."""
        ...

    def enabled(self, option: str) -> bool | None:
        """Tell whether CONFIG_... is on; None if that is open."""
        ...

    def rewritten(self, view: View, node: Node) -> bool:
        """Tell whether a loop is not in the file as the parser saw it (blanking renames some)."""
        ...


class Result(NamedTuple):
    """What came out: a value or a fault, and the way there."""

    value: Value | Fault
    trace: Trace


class Outside(Exception):
    """Something the evaluator doesn't cover. path, line: where."""

    def __init__(self, reason: str, path: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.line = line


class _Faulted(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


class _Returned(Exception):
    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


def evaluate(
    source: Source,
    arguments: Sequence[Value],
    names: Names,
    choose: Callable[[], bool] | None = None,
) -> Result:
    """Call a function and return what it gives.

    choose: is asked which way an unknown condition goes; without it, everything unknown is outside.
    Raises Outside. The arguments' structs are changed where the function stores to them.
    """
    machine = _Machine(names, choose)
    try:
        return Result(machine.call_source(source, arguments, None), tuple(machine.trace))
    except _Faulted as error:
        return Result(error.fault, tuple(machine.trace))
    except RecursionError:
        reason = f"{source.name}() is nested too deep"
        raise Outside(reason, source.path, source.line) from None


# --- Types ------------------------------------------------------------------------------------


def integer(kind: CType) -> IntType | None:
    """Return the integer type that a C type names, or None."""
    if kind.pointers:
        return None
    if kind.base in _INTEGERS:
        return _INTEGERS[kind.base]
    words = kind.base.split()
    if not words or not set(words) <= {"unsigned", "signed", "long", "short", "int", "char"}:
        return None
    longs = words.count("long")
    signed = "unsigned" not in words
    if "char" in words:
        # Since 6.2 the kernel is built with -funsigned-char: a plain one means either.
        return None if len(words) == 1 else SCHAR if signed else UCHAR
    found = SHORT if "short" in words else LLONG if longs > 1 else LONG if longs else INT
    return found if signed else _UNSIGNED[found]


def wrapped(value: int, kind: IntType) -> Int:
    """Convert an integer to a type."""
    if kind is BOOL:
        return Int(int(value != 0), BOOL)
    value &= (1 << kind.bits) - 1
    if kind.signed and value >> (kind.bits - 1):
        value -= 1 << kind.bits
    return Int(value, kind)


def promoted(kind: IntType) -> IntType:
    """Return the type after C's integer promotions."""
    return INT if kind.rank < INT.rank else kind


def common(one: IntType, other: IntType) -> IntType:
    """Return the type of C's usual arithmetic conversions."""
    one, other = promoted(one), promoted(other)
    if one.signed == other.signed:
        return one if one.rank >= other.rank else other
    unsigned, signed = (other, one) if one.signed else (one, other)
    if unsigned.rank >= signed.rank:
        return unsigned
    return signed if signed.bits > unsigned.bits else _UNSIGNED[signed]


_NUMBER = re.compile(
    r"(?P<digits>0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)"
    r"(?P<suffix>[uU]?(?:l|L|ll|LL)?|(?:l|L|ll|LL)[uU])"
)


def number(text: str) -> Int | None:
    """Return the value and the type of an integer constant, or None.

    tree-sitter takes a sign for a part of it.
    """
    if text[:1] in ("-", "+"):
        found = number(text[1:])
        return found and wrapped(found.value if text[0] == "+" else -found.value, found.type)
    # Python refuses to convert thousands of digits.
    match = _NUMBER.fullmatch(text) if len(text) < 100 else None
    if match is None:
        return None
    digits, suffix = match["digits"], match["suffix"].lower()
    octal = digits[0] == "0" and digits.isdigit() and len(digits) > 1
    value = int(digits, 8) if octal else int(digits, 0)
    longs = suffix.count("l")
    kinds = [k for k in (INT, UINT, LONG, ULONG, LLONG, ULLONG) if k.rank >= INT.rank + longs]
    decimal = digits[0] != "0"
    for kind in kinds:
        if kind.signed and "u" in suffix:
            continue
        if not kind.signed and decimal and "u" not in suffix:
            continue
        if wrapped(value, kind).value == value:
            return Int(value, kind)
    return None


# --- Statements -------------------------------------------------------------------------------


@dataclass
class _Op:
    """One instruction. target: where it goes on (a branch: if the condition is false)."""

    kind: str
    node: Node
    target: int = -1
    cases: list[tuple[Node, int]] = field(default_factory=list)
    reset: tuple[Node, ...] = ()


@dataclass
class _Label:
    """A place to jump to, and the blocks around it."""

    at: int = -1
    blocks: tuple[Node, ...] = ()


@dataclass
class _Target:
    """The innermost loop or switch while it is compiled: ops that leave it or go on with it."""

    breaks: list[_Op] = field(default_factory=list)
    continues: list[_Op] | None = None
    cases: list[tuple[Node | None, int, tuple[Node, ...]]] | None = None


class _Code:
    """A function's body, or a statement expression, as a list of instructions.

    blocks: the variables that each block declares, by the block's id.
    """

    def __init__(self, body: Node, expression: bool) -> None:
        self.ops: list[_Op] = []
        self._labels: dict[str, _Label] = {}
        self._gotos: list[tuple[_Op, str, tuple[Node, ...]]] = []
        self._around: list[Node] = []
        self._targets: list[_Target] = []
        last = body.named_children[-1] if expression and body.named_child_count else None
        self._value = last.id if last is not None and last.type == "expression_statement" else -1
        self._statement(body)
        for op, name, blocks in self._gotos:
            label = self._labels.get(name)
            if label is None:
                op.kind = "outside"
            else:
                op.target = label.at
                op.reset = tuple(b for b in label.blocks if b not in blocks)

    def _add(self, kind: str, node: Node, target: int = -1) -> _Op:
        op = _Op(kind, node, target)
        self.ops.append(op)
        return op

    def _statement(self, node: Node) -> None:
        handler = getattr(self, f"_{node.type}", None)
        if handler is None:
            self._add("outside", node)
        else:
            handler(node)

    def _all(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            if node.type != "comment":
                self._statement(node)

    def _body(self, node: Node | None) -> None:
        if node is not None:
            self._statement(node)

    def _compound_statement(self, node: Node) -> None:
        self._add("enter", node)
        self._around.append(node)
        self._all(node.named_children)
        self._around.pop()

    def _expression_statement(self, node: Node) -> None:
        if not node.named_child_count:
            return
        if node.named_children[0].type == "identifier" and node_text(node) == "fallthrough;":
            return
        self._add("value" if node.id == self._value else "expression", node.named_children[0])

    def _declaration(self, node: Node) -> None:
        self._add("declaration", node)

    def _else_clause(self, node: Node) -> None:
        self._all(node.named_children)

    def _if_statement(self, node: Node) -> None:
        branch = self._add("branch", _child(node, "condition"))
        self._body(node.child_by_field_name("consequence"))
        alternative = node.child_by_field_name("alternative")
        if alternative is not None:
            skip = self._add("jump", node)
            branch.target = len(self.ops)
            self._statement(alternative)
            skip.target = len(self.ops)
        else:
            branch.target = len(self.ops)

    def _loop(self, node: Node) -> _Target:
        target = _Target(continues=[])
        self._targets.append(target)
        self._body(node.child_by_field_name("body"))
        self._targets.pop()
        return target

    def _aim(self, ops: list[_Op] | None) -> None:
        for op in ops or []:
            op.target = len(self.ops)

    def _while_statement(self, node: Node) -> None:
        start = len(self.ops)
        self._add("loop", node)
        branch = self._add("branch", _child(node, "condition"))
        target = self._loop(node)
        self._aim(target.continues)
        self._add("jump", node, start)
        branch.target = len(self.ops)
        self._aim(target.breaks)

    def _do_statement(self, node: Node) -> None:
        start = len(self.ops)
        target = self._loop(node)
        self._aim(target.continues)
        branch = self._add("branch", _child(node, "condition"))
        self._add("jump", node, start)
        branch.target = len(self.ops)
        self._aim(target.breaks)

    def _for_statement(self, node: Node) -> None:
        self._add("enter", node)
        self._around.append(node)
        first = node.child_by_field_name("initializer")
        if first is not None:
            self._add("declaration" if first.type == "declaration" else "expression", first)
        start = len(self.ops)
        condition = node.child_by_field_name("condition")
        branch = self._add("branch", condition) if condition is not None else None
        target = self._loop(node)
        self._aim(target.continues)
        update = node.child_by_field_name("update")
        if update is not None:
            self._add("expression", update)
        self._add("jump", node, start)
        if branch is not None:
            branch.target = len(self.ops)
        self._aim(target.breaks)
        self._around.pop()

    def _switch_statement(self, node: Node) -> None:
        op = self._add("switch", _child(node, "condition"))
        around = tuple(self._around)
        target = _Target(cases=[])
        self._targets.append(target)
        self._body(node.child_by_field_name("body"))
        self._targets.pop()
        op.target = len(self.ops)
        for value, at, blocks in target.cases or []:
            # A jump into a block makes its variables, as entering it does.
            entered = tuple(b for b in blocks if b not in around)
            op.reset += tuple(b for b in entered if b not in op.reset)
            if value is None:
                op.target = at
            else:
                op.cases.append((value, at))
        self._aim(target.breaks)

    def _case_statement(self, node: Node) -> None:
        found = [t for t in self._targets if t.cases is not None]
        value = node.child_by_field_name("value")
        if not found or found[-1].cases is None:
            self._add("outside", node)
            return
        found[-1].cases.append((value, len(self.ops), tuple(self._around)))
        self._all([c for c in node.named_children if value is None or c.id != value.id])

    def _break_statement(self, node: Node) -> None:
        op = self._add("jump", node)
        if self._targets:
            self._targets[-1].breaks.append(op)
        else:
            op.kind = "outside"

    def _continue_statement(self, node: Node) -> None:
        op = self._add("jump", node)
        loops = [t.continues for t in self._targets if t.continues is not None]
        if loops:
            loops[-1].append(op)
        else:
            op.kind = "outside"

    def _goto_statement(self, node: Node) -> None:
        label = node.child_by_field_name("label")
        op = self._add("jump", node)
        name = node_text(label) if label is not None else ""
        self._gotos.append((op, name, tuple(self._around)))

    def _labeled_statement(self, node: Node) -> None:
        label = _child(node, "label")
        self._labels[node_text(label)] = _Label(len(self.ops), tuple(self._around))
        self._all([c for c in node.named_children if c.id != label.id])

    def _return_statement(self, node: Node) -> None:
        self._add("return", node)


def _child(node: Node, name: str) -> Node:
    found = node.child_by_field_name(name)
    # Fields that the grammar makes obligatory; a tree with errors is refused before.
    return found if found is not None else node


class _Body:
    """A source's code and its variables by block."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.view = source.view
        # `(void)` is a parameter to the parser.
        self.count = len(self.view.parameters)
        declarator = self.view.node.child_by_field_name("declarator")
        if self.count == 1 and declarator is not None:
            self.count -= re.search(r"\(\s*void\s*\)\s*$", node_text(declarator)) is not None
        self.declared: dict[int, list[tuple[int, str, CType]]] = {}
        self.parameters: list[tuple[int, str, CType]] = []
        self._codes: dict[int, _Code] = {}
        self._slots: dict[tuple[str, int], int] = {}
        self._effects: dict[int, bool] = {}
        for local in self.view.locals:
            if local.parameter >= 0:
                self.parameters.append((local.parameter, local.name, local.type))
                continue
            node = self.view.node.descendant_for_byte_range(local.start, local.start + 1)
            while node is not None and node.type not in ("compound_statement", "for_statement"):
                node = node.parent
            if node is not None:
                self.declared.setdefault(node.id, []).append((local.start, local.name, local.type))

    def code(self, body: Node, expression: bool) -> _Code:
        if body.id not in self._codes:
            self._codes[body.id] = _Code(body, expression)
        return self._codes[body.id]

    def slot(self, name: str, offset: int) -> int | None:
        """Return the key of the variable that a name means: where it is declared."""
        key = (name, offset)
        if key not in self._slots:
            local = self.view.local(name, offset)
            if local is None:
                return None
            self._slots[key] = -1 - local.parameter if local.parameter >= 0 else local.start
        return self._slots[key]

    def has_effects(self, node: Node) -> bool:
        """Tell whether evaluating an expression can store something."""
        if node.id not in self._effects:
            self._effects[node.id] = _stores(node)
        return self._effects[node.id]


_STORING = ("assignment_expression", "update_expression", "call_expression", "compound_statement")


def _stores(node: Node) -> bool:
    stack = [node]
    while stack:
        node = stack.pop()
        if node.type in _STORING:
            called = node.child_by_field_name("function")
            if called is None or node_text(called) not in _HARMLESS:
                return True
        stack += node.named_children
    return False


@dataclass
class _Frame:
    """One call under way."""

    body: _Body
    cells: dict[int, Cell] = field(default_factory=dict)


@dataclass
class _Log:
    """What an operand touched."""

    reads: set[Cell] = field(default_factory=set)
    writes: set[Cell] = field(default_factory=set)


# Reads of the first argument, an lvalue: include/asm-generic/rwonce.h, linux/rcupdate.h.
_ONCE = re.compile(
    r"(__)?READ_ONCE|ACCESS_ONCE|rcu_access_pointer|s?rcu_dereference(_\w+)?|rtnl_dereference(_rtnl)?|"
    r"lockless_dereference"
)
_SAME = {"data_race", "unrcu_pointer", "rcu_pointer_handoff", "__builtin_assume_aligned"}
# __builtin_expect(!!(x), n): a long (linux/compiler.h).
_LIKELY = {"likely", "unlikely"}
_WARNS = {"WARN_ON", "WARN_ON_ONCE", "WARN", "WARN_ONCE"}
_STORES = {"WRITE_ONCE", "__WRITE_ONCE", "rcu_assign_pointer", "RCU_INIT_POINTER"}
_NOTHING = re.compile(
    r"rcu_read_(un)?lock(_bh|_sched)?|preempt_(dis|en)able|local_bh_(dis|en)able|s?mp_[rw]?mb|"
    r"smp_[rw]?mb|barrier|might_sleep|ASSERT_RTNL|lockdep_assert\w*|RCU_LOCKDEP_WARN|BUILD_BUG_ON|"
    r"might_sleep_if|static_assert|_Static_assert"
)
_GUARDS = {"rcu", "rcu_bh", "rcu_sched", "preempt"}
_HARMLESS = {
    "READ_ONCE",
    "rcu_access_pointer",
    "rcu_dereference",
    "rcu_dereference_bh",
    "rcu_dereference_protected",
    "rcu_dereference_check",
    "likely",
    "unlikely",
    "WARN_ON",
    "WARN_ON_ONCE",
}
_KNOWN = re.compile(
    _ONCE.pattern
    + "|"
    + _NOTHING.pattern
    + r"|(un)?likely|data_race|unrcu_pointer|rcu_pointer_handoff|WARN(_ON)?(_ONCE)?|WRITE_ONCE|"
    r"__WRITE_ONCE|__builtin_expect|__builtin_assume_aligned|"
    r"rcu_assign_pointer|RCU_INIT_POINTER|rcu_replace_pointer|xchg|smp_load_acquire|"
    r"smp_store_release|DEBUG_NET_WARN_ON_ONCE|BUG_ON|IS_ENABLED|IS_ERR|IS_ERR_OR_NULL|"
    r"container_of|container_of_const|memset|guard"
)


def known(name: str) -> bool:
    """Tell whether the evaluator has its own idea of a macro or function (never expanded)."""
    return _KNOWN.fullmatch(name) is not None


# --- Expressions ------------------------------------------------------------------------------


class _Machine:
    def __init__(self, names: Names, choose: Callable[[], bool] | None) -> None:
        self.names = names
        self.choose = choose
        self.trace: list[Step] = []
        self._frames: list[_Frame] = []
        self._bodies: dict[int, _Body] = {}
        self._steps = 0
        self._log: _Log | None = None

    # Where, and why not

    def _place(self, node: Node) -> Place:
        return self._frames[-1].body.view.place(node.start_byte)

    def _outside(self, reason: str, node: Node) -> Outside:
        place = self._place(node)
        return Outside(reason, place.path, place.line)

    def _fault(self, kind: FaultKind, text: str, node: Node) -> _Faulted:
        place = self._place(node)
        return _Faulted(Fault(kind, text, place.path, place.line))

    def _step(
        self, kind: StepKind, node: Node, object: str = "", field: str = "", once: bool = False
    ) -> None:
        place = self._place(node)
        self.trace.append(Step(kind, object, field, once, place.path, place.line))

    # Calls

    def call_source(self, source: Source, arguments: Sequence[Value], at: Node | None) -> Value:
        if source.problem:
            raise Outside(source.problem, source.path, source.problem_line or source.line)
        if len(self._frames) > _DEEPEST_CALL:
            raise Outside(f"{source.name}() calls itself too deep", source.path, source.line)
        key = id(source.view)
        body = self._bodies.setdefault(key, _Body(source))
        count = body.count
        if count != len(arguments):
            reason = f"{source.name}() takes {count} arguments, not {len(arguments)}"
            raise Outside(reason, source.path, source.line)
        frame = _Frame(body)
        converted = list(arguments)
        node = body.view.node
        self._frames.append(frame)
        try:
            for position, name, kind in body.parameters:
                value = self._converted(converted[position], kind, node)
                frame.cells[-1 - position] = Cell(name, value, kind)
            inside = node.child_by_field_name("body")
            result = body.view.result
            if inside is None or result is None:
                raise self._outside(f"{source.name}() has a head that can't be read", node)
            value = Void()
            try:
                self._run(body.code(inside, False))
            except _Returned as returned:
                value = returned.value
            if result.base == "void" and not result.pointers:
                return Void()
            if isinstance(value, Void):
                raise self._outside(f"{source.name}() ends without a value", node)
            return self._converted(value, result, node)
        finally:
            self._frames.pop()

    # Statements

    def _run(self, code: _Code) -> Value:
        ops = code.ops
        at = 0
        value: Value = Void()
        while at < len(ops):
            op = ops[at]
            at += 1
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise self._outside("a loop that doesn't end soon", op.node)
            kind = op.kind
            if kind == "expression":
                self._value(op.node)
            elif kind == "value":
                value = self._value(op.node)
            elif kind == "branch":
                if not self._condition(op.node):
                    at = op.target
            elif kind == "declaration":
                self._declare(op.node)
            elif kind == "enter":
                self._enter(op.node)
            elif kind == "jump":
                for block in op.reset:
                    self._enter(block)
                at = op.target
            elif kind == "switch":
                at = self._switch(op)
            elif kind == "return":
                self._return(op.node)
            elif kind == "loop":
                if self.names.rewritten(self._frames[-1].body.view, op.node):
                    raise self._outside("a loop made by a macro", op.node)
            else:
                raise self._outside(f"a statement that isn't covered ({op.node.type})", op.node)
        return value

    def _enter(self, block: Node) -> None:
        frame = self._frames[-1]
        for slot, name, kind in frame.body.declared.get(block.id, []):
            frame.cells[slot] = Cell(name, Uninitialized(), kind)

    def _return(self, node: Node) -> None:
        inside = [c for c in node.named_children if c.type != "comment"]
        raise _Returned(self._value(inside[0]) if inside else Void())

    def _condition(self, node: Node) -> bool:
        self._step(StepKind.TEST, node)
        at = len(self.trace) - 1
        truth = self._truth(self._value(node), node)
        # The reads of the condition come before the test.
        self.trace.append(self.trace.pop(at))
        return truth

    def _truth(self, value: Value, node: Node) -> bool:
        if isinstance(value, Int):
            return value.value != 0
        if isinstance(value, Pointer):
            return value.target is not None
        if isinstance(value, Unknown) and self.choose is not None:
            return self.choose()
        raise self._outside("a condition that isn't a scalar", node)

    def _switch(self, op: _Op) -> int:
        self._step(StepKind.TEST, op.node)
        at = len(self.trace) - 1
        value = self._value(op.node)
        self.trace.append(self.trace.pop(at))
        for block in op.reset:
            self._enter(block)
        if isinstance(value, Unknown) and self.choose is not None:
            for _, target in op.cases:
                if self.choose():
                    return target
            return op.target
        if not isinstance(value, Int):
            raise self._outside("a switch over what isn't an integer", op.node)
        kind = promoted(value.type)
        for written, target in op.cases:
            case = self._value(written)
            if not isinstance(case, Int):
                raise self._outside("a case that isn't an integer", written)
            if wrapped(case.value, kind).value == value.value:
                return target
        return op.target

    def _declare(self, node: Node) -> None:
        words = {node_text(c) for c in node.children if c.type != "init_declarator"}
        if ("static" in words and "const" not in words) or "extern" in words:
            raise self._outside("a variable that isn't the function's own", node)
        frame = self._frames[-1]
        for declarator in node.children_by_field_name("declarator"):
            name = declarator
            kinds = []
            while name.type not in ("identifier",):
                kinds.append(name.type)
                inner = name.child_by_field_name("declarator")
                if inner is None:
                    inner = next(iter(name.named_children), None)
                if inner is None:
                    raise self._outside("a declaration that can't be read", node)
                name = inner
            if "array_declarator" in kinds:
                raise self._outside("an array", node)
            cell = frame.cells.get(frame.body.slot(node_text(name), name.start_byte) or 0)
            if cell is None or cell.type is None:
                raise self._outside("a declaration that can't be read", node)
            if cell.type.base == "fn" and not cell.type.pointers:
                raise self._outside("a function declared inside", node)
            cell.value = Uninitialized()
            written = declarator.child_by_field_name("value")
            if written is None:
                self._scalar(cell.type, node)
                continue
            value = self._converted(self._value(written), cell.type, written)
            if isinstance(value, Struct):
                self._read_whole(value, written)
                value = value.copy(cell.name)
            if cell.type.base in ("auto", "__auto_type") and isinstance(value, Int):
                cell.type = CType(value.type.name, 0)
            cell.value = value

    def _read_whole(self, struct: Struct, node: Node) -> None:
        for name, found in struct.fields.items():
            if isinstance(found, Struct):
                self._read_whole(found, node)
            else:
                self._step(StepKind.READ, node, struct.name, name)
                if self._log is not None:
                    self._log.reads.add(found)

    # Storage

    def _load(self, place: Cell | Struct, node: Node, once: bool = False) -> Value:
        if isinstance(place, Struct):
            return place
        if place.owner:
            self._step(StepKind.READ, node, place.owner, place.name, once)
        if self._log is not None:
            self._log.reads.add(place)
        if isinstance(place.value, Uninitialized):
            text = f"{place.name} is read before anything is stored in it"
            raise self._fault(FaultKind.UNINITIALIZED, text, node)
        return place.value

    def _store(self, place: Cell | Struct, value: Value, node: Node) -> Value:
        if isinstance(place, Struct):
            if not isinstance(value, Struct) or value.kind != place.kind:
                raise self._outside("a struct is stored to", node)
            self._read_whole(value, node)
            for name, found in value.copy(place.name).fields.items():
                kept = place.fields.get(name)
                if isinstance(kept, Cell) and isinstance(found, Cell):
                    kept.value = found.value
                    if self._log is not None:
                        self._log.writes.add(kept)
                else:
                    raise self._outside("a struct that holds structs is copied", node)
            return place
        if place.type is not None:
            value = self._converted(value, place.type, node)
        if isinstance(value, Struct):
            self._read_whole(value, node)
            value = value.copy(place.name)
        if place.owner:
            self._step(StepKind.WRITE, node, place.owner, place.name)
        if self._log is not None:
            self._log.writes.add(place)
        place.value = value
        return value

    def _scalar(self, kind: CType, node: Node) -> IntType | None:
        """Return the integer type, or None for a pointer; anything else is outside."""
        found = integer(kind)
        if found is not None:
            return found
        if kind.pointers:
            return None
        path = self._frames[-1].body.source.path
        kind = self.names.resolved(kind, path)
        found = integer(kind)
        if found is None and not kind.pointers:
            raise self._outside(f"the type `{kind.base or '?'}`", node)
        return found

    def _converted(self, value: Value, kind: CType, node: Node) -> Value:
        """Convert a value as an assignment to an object of type `kind` does."""
        if kind.base in ("auto", "__auto_type", "auto_") and not kind.pointers:
            # Blanking writes `auto_` for typeof(expression), which may be of another type.
            if kind.base == "auto_" and isinstance(value, Int):
                raise self._outside("typeof", node)
            return value
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Struct):
            if kind.pointers or (value.kind and kind.base != value.kind):
                raise self._outside(f"a struct where `{kind.base}` is wanted", node)
            return value
        wanted = self._scalar(kind, node)
        if wanted is not None:
            if isinstance(value, Int):
                return wrapped(value.value, wanted)
            if isinstance(value, Pointer) and wanted is BOOL:
                return Int(int(value.target is not None), BOOL)
            raise self._outside("a pointer used as a number", node)
        if isinstance(value, Int) and value.value == 0:
            return NULL
        if not isinstance(value, Pointer):
            raise self._outside("a number used as a pointer", node)
        self._pointable(value, kind, node)
        return value

    def _pointable(self, value: Pointer, kind: CType, node: Node) -> None:
        """Refuse a pointer to one type where one to another is wanted."""
        target = value.target
        if isinstance(target, Struct):
            if self.choose is not None or target.open or not target.kind:
                return
            if kind.base == "void" and kind.pointers == 1:
                return
            if kind.base != target.kind or kind.pointers != 1:
                if " " in kind.base or kind.pointers != 1 or integer(CType(kind.base)) is not None:
                    stars = "*" * kind.pointers
                    reason = f"a pointer to {target.kind} used as `{kind.base} {stars}`"
                    raise self._outside(reason, node)
        elif isinstance(target, Cell):
            held = target.type
            if held is None or held.pointers or integer(held) is None:
                same = held is not None and kind == held.pointed()
                if same or (self.choose is not None and (held is None or kind.pointers > 1)):
                    return
            elif kind.pointers == 1 and integer(kind.pointed(-1)) == integer(held):
                return
            raise self._outside("the address of a variable changes its type", node)

    # Operands that C leaves unordered

    def _unordered(self, nodes: Sequence[Node]) -> list[Value]:
        body = self._frames[-1].body
        if len(nodes) < 2 or not any(body.has_effects(n) for n in nodes):
            return [self._value(n) for n in nodes]
        logs = []
        values = []
        for node in nodes:
            value, log = self._logged(lambda node=node: self._value(node))  # type: ignore[misc]
            values.append(value)
            logs.append(log)
        self._ordered(logs, nodes[0])
        return values

    def _logged(self, work: Callable[[], Value]) -> tuple[Value, _Log]:
        outer = self._log
        inner = self._log = _Log()
        try:
            value = work()
        finally:
            self._log = outer
        if outer is not None:
            outer.reads |= inner.reads
            outer.writes |= inner.writes
        return value, inner

    def _ordered(self, logs: Sequence[_Log], node: Node) -> None:
        for index, one in enumerate(logs):
            for other in logs[index + 1 :]:
                if (
                    one.writes & other.writes
                    or one.writes & other.reads
                    or (one.reads & other.writes)
                ):
                    raise self._outside("the result depends on the order of evaluation", node)

    # Expressions

    def _value(self, node: Node) -> Value:
        handler = _HANDLERS.get(node.type)
        if handler is None:
            raise self._outside(f"an expression that isn't covered ({node.type})", node)
        return handler(self, node)

    def _parenthesized(self, node: Node) -> Value:
        inside = [c for c in node.named_children if c.type != "comment"]
        if len(inside) != 1:
            raise self._outside("parentheses that can't be read", node)
        if inside[0].type == "compound_statement":
            return self._run(self._frames[-1].body.code(inside[0], True))
        return self._value(inside[0])

    def _number(self, node: Node) -> Value:
        found = number(node_text(node))
        if found is None:
            raise self._outside(f"the number {node_text(node)}", node)
        return found

    def _character(self, node: Node) -> Value:
        match = re.fullmatch(r"'([ -&(-\[\]-~])'", node_text(node))
        if match is None:
            raise self._outside(f"the character {node_text(node)}", node)
        return Int(ord(match.group(1)), INT)

    def _true(self, node: Node) -> Value:
        # linux/stddef.h: an enum's constants, which are ints.
        return Int(1, INT)

    def _false(self, node: Node) -> Value:
        return Int(0, INT)

    def _null(self, node: Node) -> Value:
        return NULL

    def _identifier(self, node: Node) -> Value:
        name = node_text(node)
        if self._variable(node) is None:
            source = self.names.function(name, self._frames[-1].body.source.path)
            if source is not None:
                return Pointer(Function(name, None, source))
        return self._load(self._lvalue(node), node)

    def _variable(self, node: Node) -> Cell | None:
        frame = self._frames[-1]
        slot = frame.body.slot(node_text(node), node.start_byte)
        if slot is None:
            return None
        found = frame.cells.get(slot)
        if found is None:
            raise self._outside(f"{node_text(node)} is used outside its block", node)
        return found

    def _lvalue(self, node: Node, address: bool = False) -> Cell | Struct:
        """Return what an expression designates. address: only its address is wanted."""
        while node.type == "parenthesized_expression" and len(node.named_children) == 1:
            node = node.named_children[0]
        if node.type == "identifier":
            found = self._variable(node)
            if found is not None:
                return found.value if isinstance(found.value, Struct) else found
            if self.choose is not None:
                return Cell(node_text(node), Unknown())
            raise self._outside(f"{node_text(node)} is not defined in a plain way", node)
        if node.type == "field_expression":
            return self._field(node, address)
        if node.type == "pointer_expression" and _operator(node) == "*":
            inner = _child(node, "argument")
            return self._pointed(self._value(inner), node, address)
        if self.choose is not None and node.type == "subscript_expression":
            return Cell(node_text(node), Unknown())
        raise self._outside(f"storage that isn't covered ({node.type})", node)

    def _pointed(self, value: Value, node: Node, address: bool) -> Cell | Struct:
        if isinstance(value, Unknown):
            return Cell(node_text(node), value)
        if not isinstance(value, Pointer):
            raise self._outside("a dereference of what is no pointer", node)
        if value.target is None:
            if address:
                raise self._outside("an address computed from NULL", node)
            text = f"`{_short(node)}` dereferences NULL"
            raise self._fault(FaultKind.NULL, text, node)
        if isinstance(value.target, Function):
            raise self._outside("a function is used as data", node)
        return value.target

    def _field(self, node: Node, address: bool) -> Cell | Struct:
        base = _child(node, "argument")
        written = _child(node, "field")
        if _operator(node) == "->":
            place = self._pointed(self._value(base), node, address)
        else:
            place = self._lvalue(base, address)
        name = node_text(written)
        if isinstance(place, Cell) and isinstance(place.value, Unknown):
            return Cell(name, Unknown())
        if not isinstance(place, Struct):
            raise self._outside("a field of what is no struct", node)
        found = place.fields.get(name)
        if found is None:
            if not place.open:
                text = f"{place.name} has no field {name} in the model"
                raise self._fault(FaultKind.FIELD, text, written)
            place.put(name, Unknown())
            found = place.fields[name]
        return found

    def _field_value(self, node: Node) -> Value:
        return self._load(self._field(node, False), _child(node, "field"))

    def _pointer(self, node: Node) -> Value:
        inner = _child(node, "argument")
        if _operator(node) == "*":
            value = self._value(inner)
            if isinstance(value, Pointer) and isinstance(value.target, Function):
                return value
            return self._load(self._pointed(value, node, False), node)
        plain = inner
        while plain.type == "parenthesized_expression" and len(plain.named_children) == 1:
            plain = plain.named_children[0]
        if plain.type == "identifier" and self._variable(plain) is None:
            source = self.names.function(node_text(plain), self._frames[-1].body.source.path)
            if source is not None:
                return Pointer(Function(node_text(plain), None, source))
        if plain.type == "pointer_expression" and _operator(plain) == "*":
            # `&*p` is p, NULL or not.
            return self._value(_child(plain, "argument"))
        return Pointer(self._lvalue(inner, True))

    def _unary(self, node: Node) -> Value:
        operator = _operator(node)
        value = self._value(_child(node, "argument"))
        if isinstance(value, Unknown):
            return value
        if operator == "!":
            return Int(int(not self._truth(value, node)), INT)
        if not isinstance(value, Int):
            raise self._outside(f"`{operator}` on what is no number", node)
        kind = promoted(value.type)
        if operator == "-":
            return wrapped(-value.value, kind)
        if operator == "~":
            return wrapped(~value.value, kind)
        if operator == "+":
            return wrapped(value.value, kind)
        raise self._outside(f"the operator `{operator}`", node)

    def _binary(self, node: Node) -> Value:
        operator = _operator(node)
        left, right = _child(node, "left"), _child(node, "right")
        cast = self._type_name(left)
        if cast is not None and operator == "-" and right.type != "binary_expression":
            # `(u32)-1` is a subtraction to the parser.
            value = self._computed("-", Int(0, INT), self._value(right), node)
            return self._converted(value, cast, node)
        if operator in ("&&", "||"):
            if self._condition(left) == (operator == "||"):
                return Int(int(operator == "||"), INT)
            return Int(int(self._condition(right)), INT)
        one, other = self._unordered([left, right])
        return self._computed(operator, one, other, node)

    def _type_name(self, node: Node) -> CType | None:
        """Return the type that a name in parentheses is, if it is an integer's."""
        if node.type == "parenthesized_expression" and len(node.named_children) == 1:
            inner = node.named_children[0]
            if inner.type == "identifier" and node_text(inner) in _INTEGERS:
                if self._variable(inner) is None:
                    return CType(node_text(inner))
        return None

    def _computed(self, operator: str, one: Value, other: Value, node: Node) -> Value:
        if isinstance(one, Unknown) or isinstance(other, Unknown):
            return Unknown()
        if isinstance(one, Pointer) or isinstance(other, Pointer):
            return self._compared(operator, one, other, node)
        if not isinstance(one, Int) or not isinstance(other, Int):
            raise self._outside(f"`{operator}` on what is no number", node)
        if operator in ("<<", ">>"):
            kind = promoted(one.type)
            if not 0 <= other.value < kind.bits:
                raise self._outside(f"a shift by {other.value}, which C leaves undefined", node)
            moved = one.value << other.value if operator == "<<" else one.value >> other.value
            return wrapped(moved, kind)
        kind = common(one.type, other.type)
        a, b = wrapped(one.value, kind).value, wrapped(other.value, kind).value
        if operator in _COMPARISONS:
            return Int(int(_COMPARISONS[operator](a, b)), INT)
        if operator in _ARITHMETIC:
            return wrapped(_ARITHMETIC[operator](a, b), kind)
        if operator in ("/", "%"):
            if b == 0:
                raise self._fault(FaultKind.DIVISION, "division by zero", node)
            quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
            if wrapped(quotient, kind).value != quotient:
                raise self._outside("a division that overflows", node)
            return wrapped(quotient if operator == "/" else a - b * quotient, kind)
        raise self._outside(f"the operator `{operator}`", node)

    def _compared(self, operator: str, one: Value, other: Value, node: Node) -> Value:
        if isinstance(one, Int) and one.value == 0:
            one = NULL
        if isinstance(other, Int) and other.value == 0:
            other = NULL
        if operator not in ("==", "!=") or not (
            isinstance(one, Pointer) and isinstance(other, Pointer)
        ):
            raise self._outside(f"`{operator}` on pointers", node)
        a, b = one.target, other.target
        if isinstance(a, Function) and isinstance(b, Function):
            same = a is b or (a.source is not None and a.name == b.name)
        else:
            same = a is b
            if not same and _overlap(a, b):
                raise self._outside("the address of a struct is compared with a member's", node)
        return Int(int(same == (operator == "==")), INT)

    def _conditional(self, node: Node) -> Value:
        condition = _child(node, "condition")
        first = node.child_by_field_name("consequence")
        second = _child(node, "alternative")
        if first is None:
            # `a ?: b`: a is evaluated once.
            self._step(StepKind.TEST, condition)
            at = len(self.trace) - 1
            value = self._value(condition)
            taken = self._truth(value, condition)
            self.trace.append(self.trace.pop(at))
            chosen, unused = (value, second) if taken else (self._value(second), condition)
        elif self._condition(condition):
            chosen, unused = self._value(first), second
        else:
            chosen, unused = self._value(second), first
        if isinstance(chosen, Int):
            kind = self._static(unused)
            if isinstance(kind, IntType):
                return wrapped(chosen.value, common(chosen.type, kind))
            if chosen.value == 0:
                # `c ? p : 0` is a pointer.
                return NULL
            raise self._outside("`?:` of a number and something else", node)
        return chosen

    def _comma(self, node: Node) -> Value:
        self._value(_child(node, "left"))
        return self._value(_child(node, "right"))

    def _assignment(self, node: Node) -> Value:
        operator = _operator(node)
        left, right = _child(node, "left"), _child(node, "right")
        places: list[Cell | Struct] = []

        def target() -> Value:
            places.append(self._lvalue(left))
            return Void()

        _, one = self._logged(target)
        value, other = self._logged(lambda: self._value(right))
        self._ordered([one, other], node)
        place = places[0]
        if isinstance(place, Cell) and place in other.writes:
            raise self._outside("the result depends on the order of evaluation", node)
        if operator != "=":
            old = self._load(place, left)
            value = self._computed(operator[:-1], old, value, node)
        return self._store(place, value, node)

    def _update(self, node: Node) -> Value:
        inner = _child(node, "argument")
        place = self._lvalue(inner)
        old = self._load(place, inner)
        operator = _operator(node)
        new = self._computed(operator[0], old, Int(1, INT), node)
        stored = self._store(place, new, node)
        return stored if node.children[0].type == operator else old

    def _cast(self, node: Node) -> Value:
        kind = self._written_type(_child(node, "type"), node)
        value = self._value(_child(node, "value"))
        if kind.base == "void" and not kind.pointers:
            return Void()
        if isinstance(value, Int) and kind.pointers and value.value == 0:
            return NULL
        if isinstance(value, Pointer) and value.target is None and not kind.pointers:
            wanted = self._scalar(kind, node)
            if wanted is not None:
                return wrapped(0, wanted)
        return self._converted(value, kind, node)

    def _written_type(self, written: Node, node: Node) -> CType:
        inner = written.child_by_field_name("type")
        if inner is None:
            raise self._outside("a type that can't be read", node)
        return abstract(type_of_specifier(inner), written.child_by_field_name("declarator"))

    def _sizeof(self, node: Node) -> Value:
        written = node.child_by_field_name("type")
        if written is not None:
            kind = self._written_type(written, node)
            found = self._scalar(kind, node)
        else:
            static = self._static(_child(node, "value"))
            found = static if isinstance(static, IntType) else None
        return Int(8 if found is None else max(1, found.bits // 8), ULONG)

    # The type of what is not evaluated

    def _static(self, node: Node) -> IntType | None:
        """Return the integer type of an expression; None for a pointer."""
        kind = node.type
        if kind == "parenthesized_expression" and len(node.named_children) == 1:
            return self._static(node.named_children[0])
        if kind == "compound_statement" and node.named_child_count:
            last = node.named_children[-1]
            if last.type == "expression_statement" and last.named_child_count:
                return self._static(last.named_children[0])
        if kind == "number_literal":
            found = number(node_text(node))
            if found is not None:
                return found.type
        if kind in ("true", "false", "char_literal"):
            return INT
        if kind == "null":
            return None
        if kind == "identifier":
            cell = self._variable(node)
            if cell is not None and isinstance(cell.value, Int):
                return cell.value.type
            if cell is not None and isinstance(cell.value, Pointer):
                return None
            if cell is not None and cell.type is not None:
                return self._scalar(cell.type, node)
        if kind == "binary_expression":
            operator = _operator(node)
            if operator in _COMPARISONS or operator in ("&&", "||"):
                return INT
            cast = self._type_name(_child(node, "left"))
            left = (
                self._scalar(cast, node) if cast is not None else self._static(_child(node, "left"))
            )
            if cast is not None:
                return left
            if operator in ("<<", ">>") and left is not None:
                return promoted(left)
            right = self._static(_child(node, "right"))
            if left is not None and right is not None:
                return common(left, right)
        if kind == "unary_expression":
            if _operator(node) == "!":
                return INT
            inner = self._static(_child(node, "argument"))
            if inner is not None:
                return promoted(inner)
        if kind == "cast_expression":
            return self._scalar(self._written_type(_child(node, "type"), node), node)
        if kind == "sizeof_expression":
            return ULONG
        if kind in ("assignment_expression", "update_expression"):
            return self._static(_child(node, "left" if kind[0] == "a" else "argument"))
        if kind == "comma_expression":
            return self._static(_child(node, "right"))
        if kind == "pointer_expression" and _operator(node) == "&":
            return None
        if kind == "conditional_expression":
            first = node.child_by_field_name("consequence")
            sides = [first or _child(node, "condition"), _child(node, "alternative")]
            kinds = [self._static(side) for side in sides]
            if kinds[0] is not None and kinds[1] is not None:
                return common(kinds[0], kinds[1])
            return None
        if kind == "field_expression":
            return self._static_field(node_text(_child(node, "field")), node, False)
        if kind == "call_expression":
            return self._static_call(node)
        raise self._outside("the type of an operand that is not evaluated", node)

    def _static_field(self, name: str, node: Node, called: bool) -> IntType | None:
        """Type a field by its name among the structs in reach; they have to agree."""
        found: list[CType] = []
        seen: set[int] = set()
        stack: list[object] = [c.value for f in self._frames for c in f.cells.values()]
        while stack:
            now = stack.pop()
            if isinstance(now, Pointer):
                now = now.target
            if isinstance(now, Cell):
                now = now.value
            if not isinstance(now, Struct) or id(now) in seen:
                continue
            seen.add(id(now))
            for key, cell in now.fields.items():
                if isinstance(cell, Struct):
                    stack.append(cell)
                    continue
                stack.append(cell.value)
                if key == name and cell.type is not None:
                    found.append(cell.type)
        kinds = {self._called(k) if called else k for k in found}
        if len(kinds) == 1:
            return self._scalar(kinds.pop(), node)
        declared = self.names.declared(self._frames[-1].body.view, node) if not kinds else None
        if declared is not None:
            return self._scalar(declared, node)
        raise self._outside("the type of an operand that is not evaluated", node)

    def _called(self, kind: CType) -> CType:
        return kind.result if kind.base == "fn" and kind.result is not None else kind

    def _static_call(self, node: Node) -> IntType | None:
        called = _child(node, "function")
        arguments = self._arguments(node)
        if called.type == "field_expression":
            return self._static_field(node_text(_child(called, "field")), node, True)
        cast = self._type_name(called)
        if cast is not None:
            return self._scalar(cast, node)
        name = node_text(called)
        if called.type == "identifier" and self._variable(called) is None:
            if (_ONCE.fullmatch(name) or name in _SAME) and arguments:
                return self._static(arguments[0])
            if name in _LIKELY or name == "__builtin_expect":
                return LONG
            if name in _WARNS or name == "IS_ENABLED":
                return INT
            source = self.names.function(name, self._frames[-1].body.source.path)
            if source is not None and source.view.result is not None:
                return self._scalar(source.view.result, node)
        elif called.type == "identifier":
            cell = self._variable(called)
            if cell is not None and cell.type is not None and cell.type.result is not None:
                return self._scalar(cell.type.result, node)
        raise self._outside("the type of a call that is not evaluated", node)

    # Calls

    def _arguments(self, node: Node) -> list[Node]:
        listed = node.child_by_field_name("arguments")
        found = listed.named_children if listed is not None else []
        return [c for c in found if c.type != "comment"]

    def _call(self, node: Node) -> Value:
        called = _child(node, "function")
        arguments = self._arguments(node)
        if called.type == "identifier" and self._variable(called) is None:
            name = node_text(called)
            if known(name):
                return self._builtin(name, arguments, node)
            source = self.names.function(name, self._frames[-1].body.source.path)
            if source is not None:
                values = self._unordered(arguments)
                self._step(StepKind.CALL, node, name)
                return self.call_source(source, values, node)
            if self.choose is not None:
                handed = []
                for argument in arguments:
                    if argument.type not in ("string_literal", "concatenated_string"):
                        value = self._value(argument)
                        if isinstance(value, Pointer) and isinstance(value.target, Struct):
                            handed.append(value.target.name)
                self._step(StepKind.CALL, node, name, " ".join(handed))
                return Unknown()
            raise self._outside(f"{name}() is not defined in a plain way", node)
        cast = self._type_name(called)
        if cast is not None and len(arguments) == 1:
            # `(u32)(a)` is a call to the parser.
            return self._converted(self._value(arguments[0]), cast, node)
        if called.type == "call_expression":
            if node_text(_child(called, "function")) == "guard":
                self._builtin("guard", self._arguments(called), node)
                return Void()
            raise self._outside("a call of what a call returns", node)
        values = self._unordered([called, *arguments])
        return self._called_pointer(values[0], values[1:], node)

    def _called_pointer(self, called: Value, values: Sequence[Value], node: Node) -> Value:
        if isinstance(called, Unknown):
            return called
        if not isinstance(called, Pointer):
            raise self._outside("a call of what is no function", node)
        if called.target is None:
            text = f"`{_short(_child(node, 'function'))}` is NULL and called"
            raise self._fault(FaultKind.NULL, text, node)
        function = called.target
        if not isinstance(function, Function):
            raise self._outside("a call of what is no function", node)
        self._step(StepKind.CALL, node, function.name)
        if function.source is not None:
            return self.call_source(function.source, values, node)
        if function.call is None:
            raise self._outside(f"{function.name}() is not known", node)
        found = function.call(values)
        if isinstance(found, Fault):
            raise self._fault(found.kind, found.text, node)
        return found

    def _builtin(self, name: str, arguments: list[Node], node: Node) -> Value:
        if _NOTHING.fullmatch(name):
            return Void()
        if name == "guard":
            if len(arguments) == 1 and node_text(arguments[0]) in _GUARDS:
                return Void()
            raise self._outside("a guard", node)
        least = 2 if name in _STORES | {"xchg", "smp_store_release", "rcu_replace_pointer"} else 1
        if len(arguments) < least:
            raise self._outside(f"{name}() with too few arguments", node)
        first = arguments[0]
        if _ONCE.fullmatch(name):
            # A condition behind it is for lockdep.
            return self._load(self._lvalue(first), _last_word(first), True)
        if name in _SAME:
            return self._value(first)
        if name in _LIKELY:
            value = self._value(first)
            if isinstance(value, Unknown):
                return value
            return Int(int(self._truth(value, first)), LONG)
        if name == "__builtin_expect":
            return self._converted(self._value(first), CType("long"), node)
        if name in _WARNS:
            value = self._value(first)
            if isinstance(value, Unknown):
                return value
            return Int(int(self._truth(value, first)), INT)
        if name == "DEBUG_NET_WARN_ON_ONCE":
            self._value(first)
            return Void()
        if name == "BUG_ON":
            if self._condition(first):
                raise self._fault(FaultKind.BUG, f"BUG_ON({_short(first)})", node)
            return Void()
        if name in _STORES:
            return self._written(self._lvalue(first), arguments[1], node)
        if name in ("rcu_replace_pointer", "xchg", "smp_load_acquire", "smp_store_release"):
            return self._exchanged(name, arguments, node)
        if name == "IS_ENABLED":
            found = self.names.enabled(node_text(first))
            if found is not None:
                return Int(int(found), INT)
            if self.choose is not None:
                return Unknown()
            raise self._outside(f"{node_text(first)} may be on or off", node)
        if name in ("IS_ERR", "IS_ERR_OR_NULL"):
            value = self._value(first)
            if isinstance(value, Unknown):
                return value
            truth = self._truth(value, first)
            # No pointer of the model is an error.
            return Int(int(name != "IS_ERR" and not truth), BOOL)
        if name.startswith("container_of") and len(arguments) == 3:
            value = self._value(first)
            target = value.target if isinstance(value, Pointer) else None
            member = node_text(arguments[2])
            tag = node_text(arguments[1]).split()[-1]
            if isinstance(target, Struct) and target.parent is not None:
                if target.member == member and target.parent.kind == f"struct {tag}":
                    return Pointer(target.parent)
            if isinstance(value, Unknown) or self.choose is not None:
                return Unknown()
        if name == "memset":
            return self._cleared(arguments, node)
        raise self._outside(f"{name}() used in this way", node)

    def _written(self, place: Cell | Struct, written: Node, node: Node) -> Value:
        self._store(place, self._value(written), node)
        return Void()

    def _exchanged(self, name: str, arguments: list[Node], node: Node) -> Value:
        if name == "rcu_replace_pointer":
            place = self._lvalue(arguments[0])
        else:
            place = self._pointed(self._value(arguments[0]), node, False)
        if name == "smp_store_release":
            return self._written(place, arguments[1], node)
        old = self._load(place, node, True)
        if name != "smp_load_acquire":
            self._written(place, arguments[1], node)
        return old

    def _cleared(self, arguments: list[Node], node: Node) -> Value:
        """memset(p, 0, sizeof(*p)) and its form with `&`."""
        texts = ["".join(node_text(a).split()) for a in arguments]
        if len(texts) == 3 and texts[1] == "0":
            whole = texts[0][1:] if texts[0][:1] == "&" else "*" + texts[0]
            value = self._value(arguments[0])
            target = value.target if isinstance(value, Pointer) else None
            if isinstance(target, Struct) and texts[2] in (
                f"sizeof({whole})",
                f"sizeof{whole}",
                f"sizeof({target.kind.replace(' ', '')})",
            ):
                self._zero(target, node)
                return value
        raise self._outside("memset() used in this way", node)

    def _zero(self, struct: Struct, node: Node) -> None:
        for found in struct.fields.values():
            if isinstance(found, Struct):
                self._zero(found, node)
            elif isinstance(found.value, Int):
                self._store(found, Int(0, found.value.type), node)
            elif isinstance(found.value, Pointer):
                self._store(found, NULL, node)


def _operator(node: Node) -> str:
    found = node.child_by_field_name("operator")
    return found.type if found is not None else ""


def _short(node: Node) -> str:
    return " ".join(node_text(node).split())[:60]


def _last_word(node: Node) -> Node:
    """Return the node of the name that an access ends with."""
    while node.type == "parenthesized_expression" and node.named_child_count:
        node = node.named_children[-1]
    return node.child_by_field_name("field") or node


def _overlap(one: Struct | Cell | Function | None, other: Struct | Cell | Function | None) -> bool:
    """Tell whether two different objects can have one address: a struct and a part of it."""
    for outer, inner in ((one, other), (other, one)):
        if not isinstance(outer, Struct):
            continue
        if isinstance(inner, Struct) and outer in inner.roots():
            return True
        if isinstance(inner, Cell):
            for found in outer.fields.values():
                if found is inner or (isinstance(found, Struct) and _overlap(found, inner)):
                    return True
    return False


_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
}
_HANDLERS: dict[str, Callable[[_Machine, Node], Value]] = {
    "parenthesized_expression": _Machine._parenthesized,
    "number_literal": _Machine._number,
    "char_literal": _Machine._character,
    "true": _Machine._true,
    "false": _Machine._false,
    "null": _Machine._null,
    "identifier": _Machine._identifier,
    "field_expression": _Machine._field_value,
    "pointer_expression": _Machine._pointer,
    "unary_expression": _Machine._unary,
    "binary_expression": _Machine._binary,
    "conditional_expression": _Machine._conditional,
    "comma_expression": _Machine._comma,
    "assignment_expression": _Machine._assignment,
    "update_expression": _Machine._update,
    "cast_expression": _Machine._cast,
    "sizeof_expression": _Machine._sizeof,
    "call_expression": _Machine._call,
}
