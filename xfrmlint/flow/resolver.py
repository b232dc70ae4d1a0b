"""The tree's own core functions against the contract: its resolver state by state, and its stubs.

Kernel names: include/net/xfrm.h and net/xfrm/xfrm_state.c; the RFC's patch 1/4.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from tree_sitter import Node

from xfrmlint.flow.evaluate import (
    NULL,
    ULONG,
    Cell,
    Fault,
    FaultKind,
    Function,
    Int,
    Outside,
    Pointer,
    Result,
    Source,
    StepKind,
    Struct,
    Trace,
    Uninitialized,
    Unknown,
    Value,
    Void,
    evaluate,
    known,
)
from xfrmlint.frontend.blanking import Branch, blank, spaces
from xfrmlint.frontend.ctype import CType
from xfrmlint.frontend.macros import Macro, expand, macros_in
from xfrmlint.frontend.reader import Reader
from xfrmlint.frontend.unit import Item, Unit, node_text, outline, parse
from xfrmlint.frontend.view import View
from xfrmlint.model.reference import State, resolve

RESOLVER = "xfrm_dev_state_lower_handle"
FREE = "xfrm_dev_state_free"
OFFLOAD_OK = "xfrm_dst_offload_ok"
_CALLBACK = "xdo_dev_state_lower_handle"
_OPTION = "CONFIG_XFRM_OFFLOAD"
_XFRM = "include/net/xfrm.h"
_STATE = "net/xfrm/xfrm_state.c"
_NEAR = (_XFRM, "net/xfrm/")
_MOST_RUNS = 512
_LONGEST_CONDITION = 100
_MOST_EXPANSIONS = 16

Configuration = Mapping[str, bool]
# net/xfrm/Kconfig: whatever selects XFRM_OFFLOAD needs the network and xfrm.
ON: Configuration = {_OPTION: True, "CONFIG_XFRM": True, "CONFIG_INET": True, "CONFIG_NET": True}
OFF: Configuration = {_OPTION: False}


# --- Conditionals -----------------------------------------------------------------------------

_CONDITION_TOKEN = re.compile(r"\s*(defined\b|\w+|&&|\|\||[!()]|\S)")


class _Condition:
    """A preprocessor condition in three values: true, false, or None for open."""

    def __init__(self, text: str, configuration: Configuration) -> None:
        self._tokens = _CONDITION_TOKEN.findall(text)
        self._at = 0
        self._configuration = configuration

    def value(self) -> bool | None:
        if len(self._tokens) > _LONGEST_CONDITION:
            return None
        found = self._or()
        return found if self._at == len(self._tokens) else None

    def _take(self, *wanted: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] in wanted:
            self._at += 1
            return True
        return False

    def _or(self) -> bool | None:
        found = self._and()
        while self._take("||"):
            other = self._and()
            found = True if found or other else None if None in (found, other) else False
        return found

    def _and(self) -> bool | None:
        found = self._not()
        while self._take("&&"):
            other = self._not()
            false = found is False or other is False
            found = False if false else None if None in (found, other) else True
        return found

    def _not(self) -> bool | None:
        if self._take("!"):
            found = self._not()
            return None if found is None else not found
        if self._take("("):
            found = self._or()
            return found if self._take(")") else None
        if self._take("defined"):
            return self._name(defined=True)
        if self._take("IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE"):
            return self._name(defined=False)
        word = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        return bool(int(word)) if re.fullmatch(r"[0-9]{1,9}", word) else None

    def _name(self, defined: bool) -> bool | None:
        inside = self._take("(")
        word = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        if inside and not self._take(")"):
            return None
        return option(word, self._configuration, defined)


def option(name: str, configuration: Configuration, defined: bool = True) -> bool | None:
    """Tell whether a macro is defined (or a CONFIG_ option on): None if that is open."""
    if name in configuration:
        return configuration[name]
    if name == "__KERNEL__":
        return True
    # An include guard. What else starts so is a compiler's or an assembler's.
    return False if defined and re.fullmatch(r"_+\w+_H_*", name) else None


def _truth(unit: Unit, branch: Branch, configuration: Configuration) -> bool | None:
    """Tell whether a branch of a conditional is compiled."""
    if branch.dead:
        return False
    found = _own_truth(branch, configuration)
    now = branch
    steps = 0
    while found is not False and now.condition.startswith("#el"):
        before = _before(unit, now)
        steps += 1
        if before is None or steps > _LONGEST_CONDITION:
            return None
        taken = False if before.dead else _own_truth(before, configuration)
        if taken:
            return False
        if taken is None:
            found = None
        now = before
    return found


def _own_truth(branch: Branch, configuration: Configuration) -> bool | None:
    """Tell whether a branch's own condition holds, whatever came before it."""
    word, _, rest = branch.condition[1:].replace("\\ ", " ").partition(" ")
    if word == "else":
        return True
    if word in ("if", "elif"):
        return _Condition(rest, configuration).value()
    found = option(rest.strip(), configuration)
    return not found if found is not None and word.endswith("ndef") else found


@lru_cache(maxsize=16)
def _by_end(unit: Unit) -> dict[int, Branch]:
    return {branch.end: branch for branch in unit.blanked.branches}


def _before(unit: Unit, branch: Branch) -> Branch | None:
    """Return the branch before an #else or #elif in the same conditional."""
    # It ends where the directive's line (continuations joined) begins.
    at = branch.start
    while at > 0:
        at = unit.data.rfind(b"\n", 0, at)
        if at < 0 or unit.data[:at].rstrip(b"\r")[-1:] != b"\\":
            break
    return _by_end(unit).get(at + 1)


def compiled(unit: Unit, offset: int, configuration: Configuration) -> bool | None:
    """Tell whether the text at an offset is compiled; None if that is open."""
    found: bool | None = True
    for branch in unit.blanked.branches:
        if branch.start <= offset < branch.end:
            truth = _truth(unit, branch, configuration)
            if truth is False:
                return False
            found = None if truth is None else found
    return found


# --- Functions of the tree --------------------------------------------------------------------


class Sources:
    """The functions of one tree, ready to be evaluated; implements `Names`.

    configuration: the CONFIG_ options that are settled. near: only definitions and macros of files
    whose path starts so are used (all that the includes reach, if empty).
    """

    def __init__(
        self, reader: Reader, configuration: Configuration, near: Sequence[str] = ()
    ) -> None:
        self._reader = reader
        self._corpus = reader.corpus
        self._configuration = configuration
        self._near = tuple(near)
        self._found: dict[tuple[str, str], Source | None] = {}
        self._units: dict[str, Unit] = {}
        self._made: dict[tuple[str, int], Source] = {}
        self._doubtful: set[tuple[str, str]] = set()
        self._defined: dict[tuple[str, str], Macro | None] = {}

    def function(self, name: str, path: str) -> Source | None:
        """Return the definition that `path` sees: in itself, in its headers, in its module."""
        key = (name, path)
        if key not in self._found:
            self._found[key] = self._find(name, path)
        # A macro of the same name may stand in its place.
        return None if key in self._doubtful else self._found[key]

    def _find(self, name: str, path: str) -> Source | None:
        word = name.encode("utf-8", "surrogateescape")
        head = re.compile(rb"(?<!\w)" + re.escape(word) + rb"\s*\([^;{}]*\)[^;{}()]*\{")
        files: Iterable[str] = [path, *self._reader.universe.files(path)]
        seen: set[str] = set()
        for group in (files, self._corpus.closure(path)):
            for place in group:
                if place in seen or not self._close(place):
                    continue
                seen.add(place)
                data = self._corpus.data(place)
                if word not in data or not head.search(data):
                    continue
                found = self.definitions(name, place)
                if found:
                    return self._one(name, found)
        return None

    def _close(self, path: str) -> bool:
        return not self._near or path.startswith(self._near)

    def _one(self, name: str, found: Sequence[tuple[Source, bool | None]]) -> Source:
        source, truth = found[0]
        if len(found) == 1 and truth:
            return source
        # Each under an open condition, or two at once: none can be preferred.
        reason = f"{name}() is defined more than once"
        if len(found) == 1:
            unit = self.unit(source.path)
            starts = [item.start for item in unit.functions(name)]
            open_ones = [s for s in starts if compiled(unit, s, self._configuration) is None]
            reason = f"{name}() is under {unit.condition(open_ones[0])}"
        return source._replace(problem=source.problem or reason)

    def definitions(self, name: str, path: str) -> list[tuple[Source, bool | None]]:
        """Return a function's definitions in a file which can be compiled, the sure ones first.

        If a sure one exists, those under open conditions are left out.
        """
        unit = self.unit(path)
        found = [
            (self.source(path, item), compiled(unit, item.start, self._configuration))
            for item in unit.functions(name)
        ]
        found = [(source, truth) for source, truth in found if truth is not False]
        sure = [(source, truth) for source, truth in found if truth]
        return [*sure] or found

    def source(self, path: str, item: Item) -> Source:
        """Return a definition with conditionals settled and macros expanded."""
        key = (path, item.start)
        if key not in self._made:
            self._made[key] = self._prepared(path, item)
        return self._made[key]

    def _prepared(self, path: str, item: Item) -> Source:
        unit = self.unit(path)
        plain = View(self._corpus, path, item, unit.text, None)
        line = plain.function.line
        part = self._open_part(unit, item)
        if part is not None:
            return Source(item.name, path, line, plain, *part)
        view: View = plain
        macros: dict[str, Macro] = {}
        asked: set[str] = set()
        for _ in range(_MOST_EXPANSIONS):
            if macros:
                text = unit.text[item.start : item.end]
                expansion = expand(text, path, item.start, macros)
                items = outline(parse(expansion.text).root_node)
                same = [i for i in items if i.kind == "function" and i.name == item.name]
                if len(same) != 1 or len(items) != 1:
                    reason = f"{item.name}() can't be read with its macros expanded"
                    return Source(item.name, path, line, plain, reason, line)
                view = View(self._corpus, path, same[0], expansion.text, expansion)
            fresh = self._macros_of(view, asked, item.start)
            if not fresh:
                break
            macros.update(fresh)
        else:
            return Source(item.name, path, line, plain, "macros that don't end", line)
        error = _first_error(view.node)
        if error is not None:
            reason = f"{item.name}() can't be parsed"
            return Source(item.name, path, line, view, reason, view.place(error.start_byte).line)
        return Source(item.name, path, line, view)

    def _open_part(self, unit: Unit, item: Item) -> tuple[str, int] | None:
        """Return why it is open what a function's text is, and the line; None if it isn't."""
        for branch in unit.blanked.branches:
            inside = item.start < branch.start < item.end
            if inside and unit.data[branch.start : branch.end].strip():
                if _truth(unit, branch, self._configuration) is None:
                    return f"a part of it is under {branch.condition}", unit.line(branch.start)
        return None

    def unit(self, path: str) -> Unit:
        """Return a file without what the configuration leaves out; every offset stays true."""
        if path not in self._units:
            written = self._corpus.unit(path)
            data = bytearray(written.data)
            for branch in written.blanked.branches:
                if _truth(written, branch, self._configuration) is False:
                    data[branch.start : branch.end] = spaces(bytes(data[branch.start : branch.end]))
            self._units[path] = Unit(path, bytes(data))
        return self._units[path]

    def _macros_of(self, view: View, asked: set[str], start: int) -> dict[str, Macro]:
        """Return the macros that a function uses and that have not been asked for yet."""
        body = view.node.child_by_field_name("body")
        found: dict[str, Macro] = {}
        stack = [body] if body is not None else []
        while stack:
            node = stack.pop()
            stack += node.named_children
            if node.type != "identifier":
                continue
            name = node_text(node)
            if name in asked or known(name):
                continue
            if view.local(name, node.start_byte) is not None:
                continue
            asked.add(name)
            macro = self.macro(name, view.path)
            # Below the function it is not in force yet.
            later = macro is not None and macro.path == view.path and macro.define > start
            if macro is not None and not later:
                found[name] = macro
        return found

    def macro(self, name: str, path: str) -> Macro | None:
        """Return the one definition of a macro that `path` sees; None if it isn't plain."""
        key = (name, path)
        if key not in self._defined:
            self._defined[key] = self._macro(name, path)
        return self._defined[key]

    def _macro(self, name: str, path: str) -> Macro | None:
        word = name.encode("utf-8", "surrogateescape")
        for place in self._corpus.closure(path):
            if not self._close(place) or word not in self._corpus.data(place):
                continue
            if word not in self._corpus.defines(place):
                continue
            unit = self.unit(place)
            found = []
            for macro in macros_in(self._corpus, place):
                if macro.name == name:
                    truth = compiled(unit, macro.define, self._configuration)
                    if truth is not False:
                        found.append((macro, truth))
            if not found:
                continue
            undefined = any(
                kind == "undef" and line.split()[-1:] == [word]
                for kind, _, line in unit.blanked.directives
            )
            macro, truth = found[0]
            if len(found) == 1 and truth and not undefined:
                return macro._replace(body=blank(macro.body).text)
            self._doubtful.add((name, path))
            return None
        return None

    def resolved(self, kind: CType, path: str) -> CType:
        """Return a type with typedefs followed."""
        return self._reader.types.resolved(kind, path)

    def declared(self, view: View, node: Node) -> CType | None:
        """Return the type of a field, or of what a field calls, from the struct's declaration."""
        return self._reader.types.of(node, view)

    def enabled(self, option: str) -> bool | None:
        """Tell whether CONFIG_... is on."""
        return self._configuration.get(option)

    def rewritten(self, view: View, node: Node) -> bool:
        """Tell whether a `while` is none in the file."""
        place = view.place(node.start_byte)
        text = self._corpus.unit(place.path).line_text(place.line).encode("utf-8", "replace")
        return text[place.column - 1 : place.column + 4] != b"while"


def _first_error(node: Node) -> Node | None:
    stack = [node] if node.has_error else []
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            return node
        stack += [c for c in reversed(node.children) if c.has_error or c.is_missing]
    return None


def _core_files(reader: Reader, name: str) -> list[str]:
    """Return the core's files in which a name occurs, the usual ones first."""
    found = reader.corpus.tree.search(name, ["include", "net"])
    return sorted(found, key=lambda p: (p not in (_XFRM, _STATE), not p.startswith("include/"), p))


def _core_definitions(
    reader: Reader, sources: Sources, name: str, headers: bool = False
) -> list[Source]:
    for path in _core_files(reader, name):
        if headers and not path.endswith(".h"):
            continue
        found = sources.definitions(name, path)
        if found:
            if len(found) > 1:
                reason = f"{name}() is defined more than once"
                return [s._replace(problem=s.problem or reason) for s, _ in found]
            return [source for source, _ in found]
    return []


# --- The resolver -----------------------------------------------------------------------------

# The devices: a lower, another lower, an upper.
A, B, U = "A", "B", "U"
_MAPPED = {A: 11, B: 13}
_NET_DEVICE = CType("struct net_device", 1)
_XSO = "struct xfrm_dev_offload"
_RESULT = CType("unsigned long")


class Case(NamedTuple):
    """One question to the resolver."""

    state: State
    lower: str | None


class Verdict(StrEnum):
    """How the tree's resolver compares with the reference."""

    EQUAL = "equal"
    DIFFERS = "differs"
    OUTSIDE = "outside"
    ABSENT = "absent"


class NoteKind(StrEnum):
    """What is worth a word although no value differs."""

    REREAD = "read more than once"
    LATE = "read after the first test"
    PLAIN = "read without READ_ONCE"
    OUTSIDE = "outside"


class Note(NamedTuple):
    """A remark about one read. field: of x->xso."""

    kind: NoteKind
    field: str
    path: str
    line: int
    text: str


class Comparison(NamedTuple):
    """The tree's resolver against the reference.

    path, line: its definition (empty and 0 if absent). case: the smallest state that differs.
    returned: what the tree's gives there, as text. wanted: what the reference gives. differing,
    total: numbers of states. reason, reason_path, reason_line: why and where it was outside. reads:
    the fields of x->xso in the order in which they are read, each once.
    """

    verdict: Verdict
    path: str
    line: int
    case: Case | None
    returned: str
    wanted: int
    differing: int
    total: int
    reason: str
    reason_path: str
    reason_line: int
    reads: tuple[str, ...]
    notes: tuple[Note, ...]


_ABSENT = Comparison(Verdict.ABSENT, "", 0, None, "", 0, 0, 0, "", "", 0, (), ())


def states() -> tuple[Case, ...]:
    """Return every state of the model, the smallest (fewest parts that are not 0) first."""
    found = []
    kinds: list[tuple[bool, Mapping[str, int] | None]] = [
        (False, None),
        (True, None),
        (True, {}),
        (True, _MAPPED),
    ]
    for owner in (None, A, B, U):
        # Nobody's ops can't be told apart.
        for ops in kinds[: 1 if owner is None else len(kinds)]:
            for real in (None, A, B):
                for lower in (None, A, B):
                    for handle in (0, 7, 9):
                        found.append(Case(State(owner, real, handle, *ops), lower))
    return tuple(sorted(found, key=_size))


def _size(case: Case) -> int:
    state = case.state
    callback = 0 if state.callback is None else 2 if state.callback else 1
    parts = (state.owner, state.real_dev, case.lower, state.offload_handle)
    return sum(map(bool, parts)) + (state.owner_has_ops and state.owner is not None) + callback


def described(case: Case) -> str:
    """Return a state in words."""
    state = case.state
    words = [f"x->xso.dev {state.owner or 'NULL'}"]
    if state.owner is not None:
        if not state.owner_has_ops:
            words.append("whose xfrmdev_ops is NULL")
        elif state.callback is None:
            words.append(f"without {_CALLBACK}")
        else:
            pairs = [f"{d} to {h}" for d, h in sorted(state.callback.items())]
            words.append(f"with {_CALLBACK} mapping {', '.join(pairs) or 'nothing'}")
    words += [
        f"real_dev {state.real_dev or 'NULL'}",
        f"offload_handle {state.offload_handle}",
        f"lower_dev {case.lower or 'NULL'}",
    ]
    return ", ".join(words)


class Objects(NamedTuple):
    """A state as objects: the arguments of the resolver, and every device."""

    state: Pointer
    lower: Pointer
    devices: Mapping[str, Struct]


def objects(case: Case) -> Objects:
    """Return what the resolver is called with in a state."""
    state = case.state
    x = Struct("x", "struct xfrm_state")
    devices = {name: Struct(name, "struct net_device") for name in (A, B, U)}
    for name, device in devices.items():
        ops = Struct(f"{name}'s xfrmdev_ops", "struct xfrmdev_ops")
        callback = NULL
        if name == state.owner and state.callback is not None:
            callback = Pointer(Function(_CALLBACK, _callback(device, x, devices, state.callback)))
        ops.put(_CALLBACK, callback, CType("fn", 1, _RESULT))
        absent = name == state.owner and not state.owner_has_ops
        kind = CType("struct xfrmdev_ops", 1)
        device.put("xfrmdev_ops", NULL if absent else Pointer(ops), kind)

    def pointer(name: str | None) -> Pointer:
        return NULL if name is None else Pointer(devices[name])

    xso = Struct("x->xso", _XSO)
    xso.put("dev", pointer(state.owner), _NET_DEVICE)
    xso.put("real_dev", pointer(state.real_dev), _NET_DEVICE)
    xso.put("offload_handle", Int(state.offload_handle, ULONG), _RESULT)
    x.put("xso", xso)
    return Objects(Pointer(x), pointer(case.lower), devices)


def _callback(
    owner: Struct, x: Struct, devices: Mapping[str, Struct], handles: Mapping[str, int]
) -> Callable[[Sequence[Value]], Value | Fault]:
    def call(arguments: Sequence[Value]) -> Value | Fault:
        if len(arguments) != 3:
            return Fault(FaultKind.ARGUMENT, f"{_CALLBACK}() is called with other arguments")
        for argument, wanted, name in zip(arguments, (owner, x), ("owner", "state"), strict=False):
            if not isinstance(argument, Pointer) or argument.target is not wanted:
                text = f"{_CALLBACK}() is called with another {name} than its own"
                return Fault(FaultKind.ARGUMENT, text)
        target = arguments[2].target if isinstance(arguments[2], Pointer) else None
        for name, device in devices.items():
            if target is device:
                return Int(handles.get(name, 0), ULONG)
        if target is None:
            return Fault(FaultKind.ARGUMENT, f"{_CALLBACK}() is called with a lower_dev of NULL")
        return Fault(FaultKind.ARGUMENT, f"{_CALLBACK}() is called with what is no device")

    return call


def resolver_source(reader: Reader, configuration: Configuration = ON) -> Source | None:
    """Return the tree's resolver ready to be evaluated; see `find_resolver`."""
    sources = Sources(reader, configuration)
    found = _core_definitions(reader, sources, RESOLVER)
    return found[0] if found else None


def find_resolver(reader: Reader) -> View | None:
    """Return the resolver's definition under CONFIG_XFRM_OFFLOAD, macros expanded, or None."""
    source = resolver_source(reader)
    return source.view if source is not None else None


def run(source: Source, case: Case, sources: Sources) -> Result:
    """Ask the tree's resolver one question. Raises Outside."""
    made = objects(case)
    return evaluate(source, [made.state, made.lower], sources)


def compare(reader: Reader) -> Comparison:
    """Compare the tree's resolver with the reference in every state."""
    sources = Sources(reader, ON)
    found = _core_definitions(reader, sources, RESOLVER)
    if not found:
        return _ABSENT
    source = found[0]
    made = _ABSENT._replace(verdict=Verdict.EQUAL, path=source.path, line=source.line)
    cases = states()
    outside: tuple[str, str, int] | None = None
    traces: list[Trace] = []
    differing: list[tuple[Case, str]] = []
    for case in cases:
        try:
            result = run(source, case, sources)
        except Outside as error:
            outside = outside or (error.reason, error.path, error.line)
            if source.problem:
                break
            continue
        value = result.value
        if isinstance(value, Fault) and value.kind is FaultKind.FIELD:
            outside = outside or (value.text, value.path, value.line)
            continue
        traces.append(result.trace)
        wanted = resolve(case.state, case.lower)
        if not isinstance(value, Int) or value.value != wanted:
            differing.append((case, _returned(value)))
    notes = _notes(traces)
    made = made._replace(total=len(cases), differing=len(differing), reads=_order(traces))
    if outside is not None:
        reason, path, line = outside
        made = made._replace(
            verdict=Verdict.OUTSIDE, reason=reason, reason_path=path, reason_line=line
        )
        if differing:
            notes.append(Note(NoteKind.OUTSIDE, "", path, line, f"in other states: {reason}"))
    if differing:
        case, returned = differing[0]
        made = made._replace(
            verdict=Verdict.DIFFERS,
            case=case,
            returned=returned,
            wanted=resolve(case.state, case.lower),
        )
    return made._replace(notes=tuple(notes))


def _returned(value: Value | Fault) -> str:
    if isinstance(value, Fault):
        return f"{value.text} (line {value.line})"
    if isinstance(value, Int):
        return str(value.value)
    return "no number"


def _order(traces: Iterable[Trace]) -> tuple[str, ...]:
    """Return the fields of x->xso in the order of the runs that read most of them."""
    best: tuple[str, ...] = ()
    for trace in traces:
        reads = dict.fromkeys(s.field for s in trace if _shared(s.kind, s.object))
        if len(reads) > len(best):
            best = tuple(reads)
    return best


def _shared(kind: StepKind, object: str) -> bool:
    return kind is StepKind.READ and object == "x->xso"


def _notes(traces: Iterable[Trace]) -> list[Note]:
    found: dict[tuple[NoteKind, str], Note] = {}
    for trace in traces:
        seen: set[str] = set()
        tested = False
        for step in trace:
            tested = tested or step.kind is StepKind.TEST
            if not _shared(step.kind, step.object):
                continue
            kinds = []
            if step.field in seen:
                kinds.append(NoteKind.REREAD)
            elif tested:
                kinds.append(NoteKind.LATE)
            if not step.once:
                kinds.append(NoteKind.PLAIN)
            seen.add(step.field)
            for kind in kinds:
                text = f"x->xso.{step.field} is {kind}"
                note = Note(kind, step.field, step.path, step.line, text)
                old = found.setdefault((kind, step.field), note)
                if note.line < old.line and note.path == old.path:
                    found[kind, step.field] = note
    return sorted(found.values(), key=lambda n: (n.path, n.line, n.kind))


# --- The functions around it ------------------------------------------------------------------


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
    missing = Answer(False, real.path, real.line, f"no stub for !{_OPTION}")
    found = _core_definitions(reader, sources, RESOLVER, headers=True)
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
            return Answer(False, *place, f"the stub gives {_returned(value)}")
    return Answer(True, *place, "")


def _stub_macro(reader: Reader, sources: Sources) -> Answer | None:
    for path in _core_files(reader, RESOLVER):
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
    return "upper_priv" in reader.types.fields_named(_XSO, _XFRM)


def _choices(run_once: Callable[[Callable[[], bool]], None]) -> Iterator[None]:
    """Run something once for each sequence of answers to its open questions."""
    pending: list[tuple[bool, ...]] = [()]
    while pending:
        prefix = pending.pop()
        given: list[bool] = []

        def choose(prefix: tuple[bool, ...] = prefix, given: list[bool] = given) -> bool:
            answer = prefix[len(given)] if len(given) < len(prefix) else True
            given.append(answer)
            return answer

        run_once(choose)
        pending += [(*given[:at], False) for at in range(len(prefix), len(given))]
        yield


def frees_upper_priv(reader: Reader) -> Answer | None:
    """Tell whether xfrm_dev_state_free() clears upper_priv on every path that frees.

    A path frees if it calls the owner's callback, puts the device or clears x->xso.dev. None if
    the tree has no such field or function.
    """
    if not _has_upper_priv(reader):
        return None
    sources = Sources(reader, ON, _NEAR)
    found = _core_definitions(reader, sources, FREE)
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
            x, xso = _freeable(has_callback)
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
            for count, _ in enumerate(_choices(once)):
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


def _freeable(has_callback: bool) -> tuple[Struct, Struct]:
    ops = Struct("ops", "struct xfrmdev_ops", open=True)
    free = Pointer(Function("xdo_dev_state_free", lambda _: Void()))
    ops.put("xdo_dev_state_free", free if has_callback else NULL)
    device = Struct("dev", "struct net_device", open=True)
    device.put("xfrmdev_ops", Pointer(ops))
    xso = Struct("x->xso", _XSO, open=True)
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
    found = _core_definitions(reader, sources, OFFLOAD_OK)
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
