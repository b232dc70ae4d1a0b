"""How long what is stored lives: what rings, look-ups and arrays in structs say."""

import re

from xfrmlint.c.ctype import CType
from xfrmlint.c.syntax import (
    Assignment,
    Expression,
    Index,
    Member,
    Name,
    Syntax,
    Update,
    bared,
    inside,
)
from xfrmlint.c.view import View
from xfrmlint.flow.code import Code
from xfrmlint.flow.driver import Driver
from xfrmlint.flow.values import MADE, Location
from xfrmlint.kernel import structs

_DEEPEST = 3


def lifetime(code: Code, view: View, target: Expression, at: Location | None) -> str:
    """Return what a handle that is stored in an lvalue reaches: see Members.memory()."""
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
    fields = driver.reader.types.fields(kind, view.path) if kind is not None else None
    members = fields[0].values() if fields is not None else ()
    return any(structs.OF_A_PACKET.match(member.base) for member in members)


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
    kind = driver.reader.types.of(one.of.node, view)
    return driver.reader.types.resolved(kind, view.path).base if kind is not None else ""


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
