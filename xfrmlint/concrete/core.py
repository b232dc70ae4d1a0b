"""Whether the functions around the resolver keep their part of the contract.

Kernel names: include/net/xfrm.h and net/xfrm/xfrm_state.c; the RFC's patch 1/4.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from xfrmlint.c.integers import ULONG, Int
from xfrmlint.c.offload import XFRM, offload_fields
from xfrmlint.c.reader import Reader
from xfrmlint.c.unit import node_text
from xfrmlint.concrete.choices import choices
from xfrmlint.concrete.configuration import OFF, ON, OPTION
from xfrmlint.concrete.evaluate import evaluate
from xfrmlint.concrete.faults import Fault, Outside
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.primitives import known
from xfrmlint.concrete.resolver import resolver_source, run, value_text
from xfrmlint.concrete.sources import Sources, core_definitions, core_files
from xfrmlint.concrete.states import states
from xfrmlint.concrete.trace import StepKind
from xfrmlint.concrete.values import (
    NULL,
    Cell,
    Function,
    Pointer,
    Struct,
    Uninitialized,
    Unknown,
    Void,
)
from xfrmlint.contract.words import RESOLVER

FREE = "xfrm_dev_state_free"
OFFLOAD_OK = "xfrm_dst_offload_ok"
_NEAR = (XFRM, "net/xfrm/")
_MOST_RUNS = 512


class Answer(NamedTuple):
    """Whether a function keeps its part of the contract: None if that can't be told.

    path, line: where a finding would stand. reason: why it doesn't, or why it can't be told.
    """

    ok: bool | None
    path: str
    line: int
    reason: str


def stub(reader: Reader) -> Answer | None:
    """Tell whether a stub that returns 0 exists for !CONFIG_XFRM_OFFLOAD; None without resolver."""
    real = resolver_source(reader)
    if real is None:
        return None
    sources = Sources(reader, OFF)
    missing = Answer(False, real.path, real.line, f"no stub for !{OPTION}")
    found = core_definitions(reader, sources, RESOLVER, headers=True)
    if not found:
        macro = _stub_macro(reader, sources)
        return missing if macro is None else macro
    source = found[0]
    place = (source.path, source.line)
    for case in states():
        try:
            value = run(source, case, sources).value
        except Outside as error:
            return Answer(None, *place, error.reason)
        if not isinstance(value, Int) or value.value != 0:
            return Answer(False, *place, f"the stub gives {value_text(value)}")
    return Answer(True, *place, "")


def _stub_macro(reader: Reader, sources: Sources) -> Answer | None:
    for path in core_files(reader, RESOLVER):
        if not path.endswith(".h"):
            continue
        macro = sources.macro(RESOLVER, path)
        if macro is not None and macro.path == path:
            line = reader.corpus.unit(path).line(macro.define)
            body = re.sub(rb"[()\s]|unsigned long|\bvoid\b", b"", macro.body)
            if re.fullmatch(rb"(\w+,)*0[uU]?[lL]*", body):
                return Answer(True, path, line, "")
            return Answer(None, path, line, "a macro that can't be read")
    return None


def _has_upper_priv(reader: Reader) -> bool:
    return "upper_priv" in offload_fields(reader)


def frees_upper_priv(reader: Reader) -> Answer | None:
    """Tell whether xfrm_dev_state_free() clears upper_priv on every path that frees.

    A path frees if it calls the owner's callback, puts the device or clears x->xso.dev. None if
    the tree has no such field or function.
    """
    if not _has_upper_priv(reader):
        return None
    sources = Sources(reader, ON, _NEAR)
    found = core_definitions(reader, sources, FREE)
    if not found:
        return None
    source = found[0]
    place = (source.path, source.line)
    freed = 0
    left = False
    handed: set[str] = set()

    for has_callback in (True, False):

        def once(choose: Callable[[], bool], has_callback: bool = has_callback) -> None:
            nonlocal freed, left
            x, xso = _freeable(has_callback, sources.contract.offload)
            result = evaluate(source, [Pointer(x)], sources, choose)
            if isinstance(result.value, Fault):
                return
            called = {s.object for s in result.trace if s.kind is StepKind.CALL}
            if called & {"netdev_put", "xdo_dev_state_free", "dev_put"} or xso.value("dev") == NULL:
                freed += 1
                if xso.value("upper_priv") != NULL:
                    left = True
                    handed.update(
                        s.object
                        for s in result.trace
                        if s.kind is StepKind.CALL and {*s.field.split()} & {"x", "x->xso"}
                    )

        try:
            for count, choose in enumerate(choices()):
                once(choose)
                if left and handed:
                    reason = f"upper_priv is left behind unless {min(handed)}() clears it"
                    return Answer(None, *place, reason)
                if left:
                    return Answer(False, *place, f"{FREE}() leaves upper_priv behind")
                if count > _MOST_RUNS:
                    return Answer(None, *place, f"{FREE}() has too many paths")
        except Outside as error:
            return Answer(None, *place, f"{error.reason} (line {error.line})")
    if not freed:
        return Answer(None, *place, f"{FREE}() frees on no path that can be followed")
    return Answer(True, *place, "")


def _freeable(has_callback: bool, offload: str) -> tuple[Struct, Struct]:
    ops = Struct("ops", "struct xfrmdev_ops", open=True)
    free = Pointer(Function("xdo_dev_state_free", lambda _: Void()))
    ops.put("xdo_dev_state_free", free if has_callback else NULL)
    device = Struct("dev", "struct net_device", open=True)
    device.put("xfrmdev_ops", Pointer(ops))
    xso = Struct("x->xso", offload, open=True)
    xso.put("dev", Pointer(device))
    xso.put("real_dev", Pointer(device))
    xso.put("offload_handle", Int(7, ULONG))
    xso.put("upper_priv", Pointer(Cell("private", Uninitialized())))
    x = Struct("x", "struct xfrm_state", open=True)
    x.put("xso", xso)
    x.put("data", Unknown())
    return x, xso


def offload_ok_looks_at_upper(reader: Reader) -> Answer | None:
    """Tell whether xfrm_dst_offload_ok() reads upper_priv as well as offload_handle.

    The function itself, its macros and the core's inlines that it calls are searched. None if the
    tree has no such field or function.
    """
    if not _has_upper_priv(reader):
        return None
    sources = Sources(reader, ON, _NEAR)
    found = core_definitions(reader, sources, OFFLOAD_OK)
    if not found:
        return None
    source = found[0]
    place = (source.path, source.line)
    named = _fields_named(source, sources, set(), 0)
    if "upper_priv" in named:
        return Answer(True, *place, "")
    if source.problem:
        return Answer(None, *place, source.problem)
    if "offload_handle" not in named:
        return Answer(None, *place, f"{OFFLOAD_OK}() reads neither field")
    return Answer(False, *place, f"{OFFLOAD_OK}() looks at offload_handle alone")


def _fields_named(source: Source, sources: Sources, seen: set[str], depth: int) -> set[str]:
    found: set[str] = set()
    stack = [source.view.node]
    while stack:
        node = stack.pop()
        stack += node.named_children
        if node.type == "field_identifier":
            found.add(node_text(node))
        called = node.child_by_field_name("function") if node.type == "call_expression" else None
        if called is not None and called.type == "identifier" and depth < 4:
            name = node_text(called)
            if name not in seen and not known(name):
                seen.add(name)
                inner = sources.function(name, source.path)
                if inner is not None:
                    found |= _fields_named(inner, sources, seen, depth + 1)
    return found
