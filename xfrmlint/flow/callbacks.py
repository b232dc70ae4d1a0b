"""What an owner's resolver callback returns: the lower's own handle, or another's."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from xfrmlint.c.unit import Place
from xfrmlint.c.view import FunctionName, Local, View
from xfrmlint.contract.words import DEVICE, RESOLVE
from xfrmlint.flow.code import Code
from xfrmlint.flow.driver import Driver
from xfrmlint.flow.events import Device, Kind, Sa, Source
from xfrmlint.flow.run import Run
from xfrmlint.flow.values import SAME, Constant, Exit, Handle, Netdev, Value, XfrmState
from xfrmlint.program.callgraph import CallGraph
from xfrmlint.program.ops import Table


class Answer(StrEnum):
    """What a callback returns on some path."""

    NONE = "0"
    SHARED = "xso.offload_handle, whichever device that is of"
    SAME = "xso.offload_handle, for the device that xso.real_dev or xso.dev is"
    CONSTANT = "a constant"
    SAME_FOR_ALL = "something that does not depend on lower_dev"
    NOT_FOLLOWED = "something that could not be followed"
    LOOKED_UP = "what it looks up for lower_dev"


class Callback(NamedTuple):
    """A resolver callback. place: where the table is filled. answers: each with its place."""

    symbol: str
    module: str
    place: Place
    function: FunctionName
    answers: tuple[tuple[Answer, Place], ...]


def callbacks_of(graph: CallGraph, offload: str, tables: Iterable[Table]) -> list[Callback]:
    """Return the resolver callbacks of some ops tables with what they return."""
    found = []
    for table in tables:
        for filled in table.callbacks:
            if filled.field != graph.reader.contract.slot(RESOLVE):
                continue
            for view in graph.reader.definitions(filled.target, table.place.path):
                function = graph.known(view)
                answers = _answers(graph, offload, view)
                module = graph.reader.universe.module(table.place.path)
                found.append(Callback(table.symbol, module, filled.place, function, tuple(answers)))
    return found


def _answers(graph: CallGraph, offload: str, view: View) -> dict[tuple[Answer, Place], None]:
    function = graph.known(view)
    slot = graph.reader.contract.slots[RESOLVE]
    if slot.gives != "returned":
        return {(Answer.NOT_FOLLOWED, Place(function.path, function.line, 1)): None}
    try:
        exits = Run(Code(Driver(graph, offload, [function]))).enter(
            function, given=_arguments(view)
        )
    except RecursionError:
        return {(Answer.NOT_FOLLOWED, Place(function.path, function.line, 1)): None}
    return {_answer(view, exit_): None for exit_ in exits}


def _parameters(view: View) -> list[Local]:
    return sorted((v for v in view.locals if v.parameter >= 0), key=lambda v: v.parameter)


def _lower(view: View) -> Local | None:
    """Return the parameter that is the lower device: an owner is told before it."""
    devices = [local for local in _parameters(view) if local.type.base == DEVICE]
    return devices[-1] if devices else None


def _arguments(view: View) -> list[Value]:
    """Return the owner, if it is told, the SA and the lower, in the order of the parameters."""
    values: list[Value] = []
    lower = _lower(view)
    for local in _parameters(view):
        if local.type.base == DEVICE:
            values.append(Netdev(Device.OWN if local == lower else Device.OWNER))
        else:
            values.append(XfrmState(Sa.THIS))
    return values


def _answer(view: View, exit_: Exit) -> tuple[Answer, Place]:
    place = Place(view.function.path, view.function.line, 1)
    value = exit_.value
    if isinstance(value, Constant):
        return (Answer.NONE if value.zero else Answer.CONSTANT), value.place
    if isinstance(value, Handle):
        reads = [m for m in exit_.state.trail if m.kind is Kind.READ and m.handle == value.id]
        if reads and reads[-1].source is Source.DIRECT:
            same = any(k[0] == SAME and held for k, held in exit_.state.assumed.items())
            return (Answer.SAME if same else Answer.SHARED), reads[-1].place
    lower = _lower(view)
    # The declaration is one occurrence.
    asked = lower is not None and len(view.occurrences(lower.name)) > 1
    return (Answer.LOOKED_UP if asked else Answer.SAME_FOR_ALL), place
