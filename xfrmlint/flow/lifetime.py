"""How long what is stored lives: what rings, look-ups and arrays in structs say."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from xfrmlint.c.ctype import CType
from xfrmlint.c.expression import around, bare
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reading import Syntax
from xfrmlint.c.syntax import (
    Assignment,
    Expression,
    Index,
    Member,
    Name,
    Update,
    bared,
    inside,
    member_of,
)
from xfrmlint.c.view import View
from xfrmlint.flow.code import Code
from xfrmlint.flow.driver import Driver
from xfrmlint.flow.events import Kind
from xfrmlint.flow.frame import Frame, known_of
from xfrmlint.flow.values import (
    CONTROL_BLOCK,
    GIVEN,
    LED,
    MADE,
    OPEN,
    Form,
    Handle,
    Location,
    State,
)
from xfrmlint.kernel import structs
from xfrmlint.program.access import Doubt

_DEEPEST = 3
_TAKEN_OUT = f"{OPEN}it was taken out of a list"
_POINTED = f"{OPEN}the packet's control block points there"
_WITH_SA = f"{OPEN}an SA lies beside the packet and it"
_GIVEN = f"{OPEN}the way to this function was not followed"
_LED = f"{OPEN}it can lie in the packet, or be found by it"
_KEPT_LATER = "whether what a packet left with it is a handle that is kept here is not known"
_SLOT = f"{OPEN}it can be there for the packet beside it alone"


def lifetime(code: Code, view: View, target: Expression, at: Location | None) -> str:
    """Return what a handle that is stored in an lvalue reaches: see Members.memory().

    Or OPEN, and why it is not known.
    """
    if at is not None and at[:2] == CONTROL_BLOCK:
        return _POINTED if "*" in at else "packet"
    where = _written(code, view, target, at)
    if where == "unknown" and at is not None and at[0] == GIVEN:
        return _GIVEN
    if where not in ("lasting", "packet") or at is None:
        return where
    if at[0] == "skb":
        return where
    inner = bared(target, subscripts=True)
    kind = code.driver.reader.types.of(inner.of.node, view) if isinstance(inner, Member) else None
    if kind is None or not isinstance(inner, Member):
        return where
    members = code.driver.members.fields(view, kind)
    bases = {member.base for member in members.values()}
    waiting = {n: one.pointers for n, one in members.items() if structs.A_PACKET.match(one.base)}
    entry = at[: -at[::-1].index("container")] if "container" in at else at[:2]
    has_sa = "struct xfrm_state" in bases
    if entry in code.removed or at[:2] in code.removed:
        return where if where == "packet" or (has_sa and not waiting) else _TAKEN_OUT
    if where == "packet" and waiting and at[0] not in ("call", MADE):
        if "container" in at and not bases.isdisjoint(structs.LISTS):
            # What is found in a list, and left there, was there before the packet.
            return "lasting"
        where = _WITH_SA if has_sa else where
    if waiting and _lies_in_lasting(code, view, inner, at):
        return _SLOT if max(waiting.values()) == 1 else "lasting"
    hangs = at[0] == "call" and not bases.isdisjoint(structs.LISTS)
    if where == "packet" and hangs and entry not in code.removed:
        # An entry of a list can be one that no packet was put into.
        return where if any(_is_put_beside(view, inner, name) for name in waiting) else _SLOT
    slot = where == "lasting" and any(_is_put_beside(view, inner, name) for name in waiting)
    return _SLOT if slot else where


def note_copied(
    frame: Frame, state: State, at: Location | None, whole: Location, target: Expression
) -> State:
    """Note the handles in a struct that is copied anywhere but on the stack."""
    for inner, held in list(state.below(whole)):
        if isinstance(held, Handle):
            state = note_put(frame, state, at, held, target, inner)
    return state


def note_put(
    frame: Frame,
    state: State,
    at: Location | None,
    value: Handle,
    target: Expression,
    inner: Location = (),
) -> State:
    """Note a handle that is put anywhere but on the stack. inner: where in the target."""
    code, text = frame.code, f"stored in {' '.join(target.text.split())}"
    # What `*p = h` writes to was named where its address was taken.
    view, named = code.addressed.of(at or ()) or (frame.view, target)
    where = lifetime(code, view, named, at)
    if inner:
        named = member_of(named, inner)
        at = (*at, *inner) if at is not None else None
        # What the struct itself does not say, its member can.
        where = lifetime(code, view, named, at) if where == "unknown" else where
    facts = known_of(state, value)
    if where == "hardware":
        return frame.used(state, value, target, text)
    kept = state.stored(at, value) if at is not None else state
    if where == "lasting" and value.form is Form.HEEDED:
        why = f"whether a handle or an error's number is {text} is not known"
        return frame.mark(kept, Kind.CUT, target, text=why)
    if where in ("lasting", "packet"):
        noted = code.kept if where == "lasting" else code.carried
        noted.add(frame.driver.members.named(view, named))
    put = "" if where == "lasting" else where
    # Where the others lie nobody asks, and in each turn of a loop that can be elsewhere.
    lies = () if put or at is None else at
    return frame.mark(
        kept, Kind.STORE, target, handle=value.id, text=text, known=facts, put=put, at=lies
    )


def kept_later(code: Code) -> Iterator[Doubt]:
    """Yield where a handle that went with a packet can be put where it outlives that."""
    reader = code.driver.reader
    paths = {reader.universe.key(one.path): one.path for one in sorted(code.driver.reached)}
    for struct, field in sorted(code.carried if code.resolves else ()):
        whole = re.compile(rb"\b%s\s+([^;{}()*=]+);" % re.escape(struct.encode()))
        for path in paths.values():
            files = reader.universe.files(path)
            found = [m for one in files for m in whole.findall(reader.corpus.data(one))]
            words = re.findall(r"[A-Za-z_]\w*", b" ".join(found).decode("utf-8", "replace"))
            for word in sorted({field, *words}):
                for view, node in reader.near(word, path):
                    if _is_kept(code.driver, view, node, struct, field):
                        yield Doubt(view.place(node.start_byte), view.function.name, _KEPT_LATER)


def _is_kept(driver: Driver, view: View, node: Node, struct: str, field: str) -> bool:
    """Tell whether a member is put, or its whole struct copied, where it outlives a packet."""
    up = around(node, "assignment_expression")
    left, right = (up and up.child_by_field_name(side) for side in ("left", "right"))
    if left is None or right is None or bare(right).type == "compound_literal_expression":
        return False
    syntax = Syntax(view, driver.constants)
    target = syntax.of(left)
    if node.start_byte < left.end_byte:
        kind = driver.reader.types.of(left, view)
        copied = kind == CType(struct) and node.end_byte == left.end_byte
    else:
        copied = driver.members.named(view, syntax.of(right)) == (struct, field)
    return copied and driver.members.memory(view, target, None) == "lasting"


def _lies_in_lasting(code: Code, view: View, inner: Member, at: Location) -> bool:
    """Tell whether the struct of a member lies in another one, which outlives the packet."""
    around = code.addressed.of(at[:-1]) if inner.arrow else (view, inner.of)
    if around is None or not isinstance(around[1], Member):
        return False
    return code.driver.members.memory(*around, at[:-1]) == "lasting"


def _is_put_beside(view: View, inner: Member, name: str) -> bool:
    """Tell whether the function puts a packet into another member of a member's struct."""
    beside = re.compile(rf"{re.escape(inner.of.text)}(->|\.){name} = (?!NULL\b)")
    ups = (around(node, "assignment_expression") for node in view.occurrences(name))
    return any(beside.match(" ".join(node_text(up).split())) for up in ups if up is not None)


def _written(code: Code, view: View, target: Expression, at: Location | None) -> str:
    """Return what the lvalue, and the way there, say."""
    driver = code.driver
    where = driver.members.memory(view, target, at)
    if isinstance(target, Index):
        base, index = target.of, target.index
        cursor = _is_cursor(driver, view, index, _holder(driver, view, base), 0)
        array = _is_array(driver, view, base)
        if where == "lasting" and _is_of_a_packet(driver, view, target):
            return "packet"
        if not _holds_integers(driver, view, base):
            # What a ring's elements are, their members say.
            return "unknown" if cursor and where == "lasting" and not array else where
        # Whatever the integers are called, what is filled one after the other is a ring.
        if cursor and not array:
            return "hardware"
        if cursor:
            # No hardware reads an array in a struct of the kernel's; of numbers that is not sure.
            return where if _is_struct(driver, view, target) else "unknown"
        if driver.constants.value(index.text, view.path) and not array:
            return "unknown"
    if where == "lasting" and at is not None and at[0] == MADE and "*" not in at:
        # It can be for this packet alone.
        return "unknown"
    if where != "unknown" or at is None or not isinstance(target, Member):
        return where
    if at[:2] == ("skb", LED):
        return _LED
    if "container" in at:
        # What was found in a table or a list was there before the packet.
        return "lasting"
    elements = [i + 1 for i, part in enumerate(at) if part == "[]"]
    if at[0] not in ("own", "argument") or not elements or "*" in at[elements[0] :]:
        return where
    return "lasting" if all(_is_embedded(code, at[:end]) for end in elements) else where


def _is_struct(driver: Driver, view: View, one: Expression) -> bool:
    """Tell whether an expression is a struct or a union as a whole."""
    kind = driver.reader.types.of(one.node, view)
    return kind is not None and driver.reader.types.fields(kind, view.path) is not None


def _is_of_a_packet(driver: Driver, view: View, one: Index) -> bool:
    """Tell whether an element is a struct that holds a packet's own members."""
    kind = driver.reader.types.of(one.node, view)
    members = driver.members.fields(view, kind)
    return any(structs.OF_A_PACKET.match(member.base) for member in members.values())


def _is_array(driver: Driver, view: View, one: Expression) -> bool:
    """Tell whether an expression is an array in a struct or a file's, not a pointer to one."""
    one = bared(one)
    if isinstance(one, Name) and view.local(one.name, one.start) is None:
        declared = re.compile(rb"^[^\n(){}=]*\b%s\s*\[" % re.escape(one.name.encode()), re.M)
        corpus = driver.reader.corpus
        return any(declared.search(corpus.unit(path).text) for path in corpus.local(view.path))
    return isinstance(one, Member) and driver.members.is_array(view, one)


def _is_embedded(code: Code, at: Location) -> bool:
    """Tell whether elements at a location lie in the struct that holds them."""
    view, one = code.addressed.of(at) or (None, None)
    return view is not None and isinstance(one, Index) and _is_array(code.driver, view, one.of)


def _holder(driver: Driver, view: View, one: Expression) -> str:
    """Return the struct that a member lies in, or nothing."""
    one = bared(one)
    if not isinstance(one, Member):
        return ""
    return driver.reader.types.base_of(one.of.node, view)


def _holds_integers(driver: Driver, view: View, base: Expression) -> bool:
    """Tell whether what a pointer leads to is an integer, or a struct of nothing else."""
    kind = driver.reader.types.of(base.node, view)
    if kind is None or kind.pointers != 1:
        return False
    return _is_of_integers(driver, view, kind.pointed(-1), 0)


def _is_of_integers(driver: Driver, view: View, kind: CType, depth: int) -> bool:
    if kind.pointers or depth > _DEEPEST:
        return False
    fields = driver.reader.types.fields(kind, view.path)
    if fields is None:
        return driver.integer(kind, view) is not None
    parts = fields[0].values()
    return bool(parts) and all(_is_of_integers(driver, view, p, depth + 1) for p in parts)


def _is_cursor(driver: Driver, view: View, one: Expression, holder: str, depth: int) -> bool:
    """Tell whether an index is where a ring stands: what is counted on, or kept beside it."""
    parts = list(inside((one,)))
    if any(isinstance(part, Update | Assignment) for part in parts):
        return True
    if any(isinstance(p, Member) and _holder(driver, view, p) == holder for p in parts):
        return bool(holder)
    names = [p.name for p in parts if isinstance(p, Name)] if depth < _DEEPEST else []
    syntax = Syntax(view, driver.constants)
    return any(
        _is_cursor(driver, view, syntax.of(value), holder, depth + 1)
        for name in names
        for value in view.assignments(name)
    )
