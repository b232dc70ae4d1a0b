"""What passes between a caller and a callee: states, handles, and where they were named."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from xfrmlint.c.integers import limits
from xfrmlint.c.syntax import Call, Expression
from xfrmlint.c.unit import Place
from xfrmlint.c.view import View
from xfrmlint.flow.events import Kind
from xfrmlint.flow.frame import Frame, Outcomes
from xfrmlint.flow.relevance import Body
from xfrmlint.flow.values import (
    CONFIGURED,
    NAMED,
    UNKNOWN,
    Constant,
    Handle,
    HandleId,
    Location,
    Named,
    Packet,
    Pointer,
    Span,
    State,
    Struct,
    Told,
    Value,
)

# What a function returned by value, until its caller stored it.
RESULT = ("=result",)
_MOST_TURNS = 2


def holds(value: Value, state: State) -> bool:
    """Tell whether a value is a handle, or leads to memory that holds one."""
    match value:
        case Handle() | Told():
            return True
        case Pointer() | Struct():
            return bool(state.handles_below(value.to))
        case Packet():
            return bool(state.handles_below(("skb",)))
    return False


def handles_in(value: Value, state: State) -> list[Handle]:
    """Return a handle, or those in a local struct, which can be given by its address."""
    if isinstance(value, Handle):
        return [value]
    at = value.to if isinstance(value, Pointer | Struct) else ("",)
    return state.handles_below(at) if at[0].startswith("=") else []


def zeros(frame: Frame, returned: Outcomes) -> Outcomes:
    """Take a constant 0 for the handle that another path returns, where that is known to be 0.

    `if (!h) return NULL; return (struct sa *)h;` returns the handle either way; -ENOENT instead of
    NULL stands in its place.
    """
    handles = {v for _, v in returned if isinstance(v, Handle) and v.zero and not v.zero.value}
    if len(handles) != 1:
        return returned
    handle = next(iter(handles))
    return [
        (s, handle)
        if isinstance(v, Constant) and v.zero and s.known.get(handle.id) == "zero"
        else (s, frame.standing_in(v, handle, s))
        for s, v in returned
    ]


def visible(state: State, values: Sequence[Value]) -> tuple[State, dict[Location, Value]]:
    """Return a state with what a callee can see of it, and the locals that it can't."""
    roots = [v.to for v in values if isinstance(v, Pointer | Struct)]
    hidden = {
        k: v
        for k, v in state.memory.items()
        if k[0].startswith("=") and not any(k[: len(r)] == r for r in roots)
    }
    memory = {k: v for k, v in state.memory.items() if k not in hidden}
    assumed = {k: v for k, v in state.assumed.items() if k[0].startswith(CONFIGURED)}
    return replace(state, memory=memory, assumed=assumed), hidden


def joined(before: State, after: State, hidden: Mapping[Location, Value]) -> State:
    """Return the caller's state behind a call. hidden: its locals that the callee could not see.

    What is known of a handle that these hold is known still: the callee may have forgotten it.
    """
    held = {value.id for value in hidden.values() if isinstance(value, NAMED)}
    known = {handle: fact for handle, fact in before.known.items() if handle in held}
    joined = replace(
        after,
        memory={**hidden, **after.memory},
        known={**known, **after.known},
        assumed={**before.assumed, **after.assumed},
        used=after.used | (before.used & held),
    )
    trail, times = list(before.trail), Counter(before.trail)
    for mark in after.trail:
        if times[mark] < 2:
            times[mark] += 1
            trail.append(mark)
    return replace(joined, trail=tuple(trail))


def left_by(state: State, frame: str) -> State:
    """Return a state without a frame's locals."""
    memory = {k: v for k, v in state.memory.items() if k[0] != frame}
    assumed = {k: v for k, v in state.assumed.items() if k[0] != frame}
    return replace(state, memory=memory, assumed=assumed)


def written_here(view: View, one: Expression) -> bool:
    """Tell whether an expression stands in the function itself, not in a macro's body."""
    path, offset = view.origin(one.start)
    return path == view.path and view.written.start <= offset < view.written.end


def handed_down(frame: Frame, call: Call, state: State) -> State:
    """Say where a device was named that a callee got as an argument: at its call."""
    if not any(m.named is not None and m.named.parameter >= 0 for m in state.trail):
        return state
    trail = []
    for mark in state.trail:
        if mark.named is not None and 0 <= mark.named.parameter < len(call.arguments):
            at = frame.parameter(call.arguments[mark.named.parameter])
            named = Named(frame.place(call), frame.view.function.name, at)
            mark = mark._replace(named=named)
        trail.append(mark)
    return replace(state, trail=tuple(trail))


def renamed(state: State, value: Value, place: Place) -> tuple[State, Value]:
    """Put a call's place in front of the handles that were made in it.

    Two calls of one wrapper give two handles.
    """
    fresh = {m.handle for m in state.trail if m.kind is Kind.RESOLVE and m.handle is not None}
    if not fresh:
        return state, value

    def name(handle: HandleId) -> HandleId:
        return (place, *handle) if handle in fresh else handle

    def moved(one: Value) -> Value:
        return replace(one, id=name(one.id)) if isinstance(one, NAMED) else one

    memory: Mapping[Location, Value] = {k: moved(v) for k, v in state.memory.items()}
    facts = {name(k): v for k, v in state.known.items()}
    trail = tuple(
        m._replace(handle=name(m.handle)) if m.handle is not None else m for m in state.trail
    )
    used = frozenset(name(handle) for handle in state.used)
    return replace(state, memory=memory, known=facts, used=used, trail=trail), moved(value)


Turns = dict[Location, set[str | Span]]


def with_counters_opened(frame: Frame, state: State, seen: Turns) -> State:
    """Return a loop's state with its counters at what they are in any turn.

    seen: what each variable was in its turns.
    """
    spans = {at: (value, _span(frame, at, value)) for at, value in state.memory.items()}
    opened = {
        at: _opened(frame, span, seen.setdefault(at, set())) or value
        for at, (value, span) in spans.items()
        if span is not None
    }
    return state.holding(opened)


def without_changed_constants(frame: Frame, state: State, seen: Turns) -> State:
    """Return a loop's state without the constants of which a variable had several in its turns."""
    lost: dict[Location, Value] = {}
    for at, value in state.memory.items():
        if isinstance(value, Constant) and _span(frame, at, value) is None:
            texts = seen.setdefault(at, set())
            # A flag that was false and 0 was one thing.
            texts.add("0" if value.zero else "1" if value.text == "true" else value.text)
            if len(texts) > _MOST_TURNS:
                lost[at] = UNKNOWN
    return state.holding(lost)


def _span(frame: Frame, at: Location, value: Value) -> Span | None:
    return frame.span(value, at[1].partition("@")[0]) if at[0] == frame.name else None


def _opened(frame: Frame, span: Span, seen: set[str | Span]) -> Span | None:
    """Return a counter with what it was in other turns, up to where it can stop next."""
    before = [one for one in seen if isinstance(one, Span)]
    seen.add(span)
    if len(seen) <= _MOST_TURNS:
        return None
    least, most = limits(span.type)
    low, high = min(one.low for one in before), max(one.high for one in before)
    if span.low < low:
        low = max((n for n in (least, *frame.bounds) if n <= span.low), default=least)
    if span.high > high:
        high = min((n for n in (most, *frame.bounds) if n >= span.high), default=most)
    opened = Span(low, high, span.type)
    seen.add(opened)
    return opened


def typed_arguments(frame: Frame, body: Body, call: Call, values: Sequence[Value]) -> list[Value]:
    """Return the arguments of a call as what the parameters' types make of them."""
    found = list(values)
    for local in body.view.locals:
        at = local.parameter
        if 0 <= at < len(values):
            found[at] = frame.typed(values[at], local.type, call.arguments[at])
    return found
