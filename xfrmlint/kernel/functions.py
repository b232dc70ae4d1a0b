"""What the kernel's own functions and macros do, by name: the rows of functions.toml.

`functions_named("cmpxchg")` says that argument 2 goes into what argument 0 points to, and that what
was there before is returned. A name that no row speaks of does nothing that is known.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from xfrmlint.errors import InputError
from xfrmlint.kernel.tables import Names, Row, Schema, checked_rows

# What a [[run]] row can say; the table's own head says what each means.
_DOES_WHERE_RUN = tuple(
    (
        "nothing, said, reads once, built in, idle, succeeds, is so, looks, waits, queues, "
        "allocates, makes, names device, sends, clears bit, bit, extreme, counts, links, device, "
        "lists, listed, table, empties, looked up, xarray, over lists, over maps, over lowers"
    ).split(", ")
)

_SCHEMAS: Mapping[str, Schema] = {
    "function": {
        "names": list,
        "source": str,
        "stores": list,
        "keeps": list,
        "iterates": str,
        "calls": int,
        "returns": str,
        "copies": bool,
        "number": ("same", "masked", "taken", "placed", "computed"),
        "mask": int,
        "truth": int,
        "error_too": bool,
        "error": bool,
        "stops": str,
        "static_call": ("call", "store"),
        "device": ("own", "master", "vlan", "other", "private", "dummy", "any"),
        "private": ("own", "vlan"),
        "state": bool,
        "packet": bool,
        "new_packet": ("none", "0", "1", "0->dev"),
        "packet_device": str,
        "sleeps": ("always", "flags", "default", "never"),
        "gfp": int,
        "unless_zero": int,
        "softirq": bool,
        "context": bool,
        "frees": int,
        "ends": int,
        "least": str,
        "least_in": int,
        "asks": ("offload", "secpath"),
        "prints": bool,
        "bytes": bool,
        "looks": bool,
        "unevaluated": bool,
        "empties": bool,
        "removes": ("entry", "result"),
        "hardware": bool,
        "rcu": bool,
    },
    "guard": {"names": list, "source": str, "sleeps": ("always", "never"), "fails": bool},
    "effect": {
        "names": list,
        "source": str,
        "does": (
            *("nothing", "counts", "changes", "prepares", "locks", "takes", "maps"),
            *("gives back", "unlocks", "unmaps", "accounts"),
            *("holds", "puts", "frees", "defers"),
            *("releases", "drops", "consumes", "sends", "halts"),
        ),
    },
    "run": {
        "names": list,
        "source": str,
        "does": _DOES_WHERE_RUN,
    },
}


class Operand(NamedTuple):
    """An argument by its position, or (pointed) what it points to; -1 for none of them."""

    position: int
    pointed: bool = False


class Store(NamedTuple):
    """A value that goes somewhere: both are arguments, or what they point to."""

    value: Operand
    target: Operand


@dataclass(frozen=True, slots=True)
class Function:
    """What a function does. The fields are those of functions.toml.

    returned: the argument that is returned, None for another value. struct: the position of the
    argument that names the struct of the result; like: of the one whose type the result has;
    allocated: of the one that says what is allocated; container: of the one in which the result is
    looked up. iterates: what a loop macro runs over, and its variable. calls: so many arguments are
    functions, one of which is called with the others. packet_device: the net_device that becomes a
    packet's. softirq: None where that is not known. frees: the argument that is freed at once.
    ends: the function among the arguments that is called where a counter of users ends.
    least: what the least number is that is handed out, and least_in: the argument that it goes to
    (-1: it is returned). asks: what of a packet is asked. number: what the result is to a number
    among the arguments; mask: the bits of it, where they are no argument. removes: what it takes
    out of a container.
    """

    stores: tuple[Store, ...] = ()
    keeps: tuple[Store, ...] = ()
    returned: Operand | None = None
    struct: int = -1
    like: int = -1
    allocated: int = -1
    container: int = -1
    iterates: Store | None = None
    calls: int = 0
    number: str = ""
    mask: int = 0
    truth: int = -1
    stops: str = ""
    static_call: str = ""
    device: str = ""
    private: str = ""
    new_packet: str = ""
    packet_device: Store | None = None
    sleeps: str = ""
    gfp: int = -1
    unless_zero: int = -1
    softirq: bool | None = None
    frees: int = -1
    ends: int = -1
    least: str = ""
    least_in: int = -1
    asks: str = ""
    removes: str = ""
    flags: frozenset[str] = field(default_factory=frozenset)

    @property
    def passes(self) -> bool:
        """Whether the result is the first argument, or what that points to."""
        return self.returned is not None and self.returned.position == 0

    @property
    def copies_memory(self) -> bool:
        """Whether what the second argument points to is copied to where the first does."""
        return any(s.value.pointed and s.target == Operand(0, True) for s in self.stores)

    @property
    def clears(self) -> bool:
        """Whether what the first argument points to is something else behind it."""
        said = any(s.value.position < 0 and s.target == Operand(0, True) for s in self.stores)
        return said and "hardware" not in self.flags

    @property
    def known(self) -> bool:
        """Whether any row speaks of what the function does itself."""
        return self != _NOTHING and not self.calls

    def is_(self, what: str) -> bool:
        """Tell whether one of the keys that are true or false is true."""
        return what in self.flags

    def stored_in(self, target: Operand) -> Operand | None:
        """Return what goes into an argument, or into what it points to; None if nothing does."""
        return next((s.value for s in self.stores if s.target == target), None)


_NOTHING = Function()
_AS_WRITTEN = (
    *("calls", "number", "mask", "truth", "stops", "static_call"),
    *("device", "private", "new_packet", "softirq"),
    *("frees", "ends", "least", "least_in", "asks", "removes"),
)


class Models:
    """The rows of one or several tables; those of a vendor come behind the kernel's own."""

    def __init__(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self._rows: list[Row] = [row for one in documents for row in one.get("function", ())]
        self._guard_rows: list[Row] = [row for one in documents for row in one.get("guard", ())]
        self._names = Names(self._rows)
        self._guards = Names(self._guard_rows)
        self._effect_rows: list[Row] = [row for one in documents for row in one.get("effect", ())]
        self._effects = Names(self._effect_rows)
        self._run_rows: list[Row] = [row for one in documents for row in one.get("run", ())]
        self._runs = Names(self._run_rows)
        self.run = cache(self._does_where_run)
        self._known: dict[str, Function] = {}

    def function(self, name: str) -> Function:
        """Return what a function by a name does."""
        found = self._known.get(name)
        if found is None:
            found = Function()
            # kmalloc() is kmalloc_noprof() with its caller noted (include/linux/alloc_tag.h).
            rows = self._names.rows_of(name) or self._names.rows_of(name.removesuffix("_noprof"))
            for number in rows:
                found = _added(found, self._rows[number])
            self._known[name] = found
        return found

    def guard(self, name: str) -> str:
        """Return whether a guard of this class sleeps: always, never, or nothing if unknown."""
        rows = (self._guard_rows[number] for number in reversed(self._guards.rows_of(name)))
        said = (row.get("sleeps", "" if "fails" in row else "always") for row in rows)
        return next(filter(None, said), "")

    def guard_fails(self, name: str) -> bool:
        """Return whether a guard of this class can fail to take its lock."""
        rows = (self._guard_rows[number] for number in self._guards.rows_of(name))
        return any(row.get("fails") for row in rows)

    def effect(self, name: str) -> str:
        """Return what a call does to others; nothing if that is not known."""
        rows = self._effects.rows_of(name)
        if rows:
            return str(self._effect_rows[rows[-1]]["does"])
        does = self.function(name)
        if does.frees >= 0:
            return "frees"
        return "nothing" if _is_looked_up(does) else ""

    def _does_where_run(self, name: str) -> str:
        """Return what a call does where code is run; nothing if no row says so."""
        rows = self._runs.rows_of(name)
        return str(self._run_rows[rows[-1]]["does"]) if rows else ""


def _is_looked_up(does: Function) -> bool:
    """Tell whether a function's result is all that there is to it."""
    told = bool(does.number or does.asks or does.private or does.returned is not None)
    told |= does.truth >= 0 or does.struct >= 0 or does.like >= 0 or does.container >= 0
    told |= any(map(does.is_, ("prints", "looks", "unevaluated", "state")))
    return told and not (does.stores or does.keeps or does.stops or "empties" in does.flags)


def operand(text: str) -> Operand:
    """Return the operand that "0", "*0" or "?" names; raises ValueError."""
    if text == "?":
        return Operand(-1)
    if not text.removeprefix("*").isdecimal():
        raise ValueError(f"{text!r} is no operand")
    return Operand(int(text.removeprefix("*")), text.startswith("*"))


def _store(text: str) -> Store:
    value, _, target = text.partition(" -> ")
    return Store(operand(value), operand(target))


# What a function returns of an argument besides its value, as a row and as Function say it.
_RETURNED = {"struct": "struct", "type": "like", "new": "allocated", "entry": "container"}


def _returned(text: str) -> dict[str, Any]:
    """Return what Function says of a row's "returns": an operand, maybe with a word before it."""
    kind, _, which = text.rpartition(" ")
    one = operand(which)
    return {_RETURNED[kind]: one.position} if kind in _RETURNED else {"returned": one}


def _added(known: Function, row: Row) -> Function:
    """Return what is known of a function, with what one more row says."""
    found = known
    for key, value in row.items():
        match key:
            case "names" | "source":
                continue
            case "stores":
                found = replace(found, stores=(*found.stores, *map(_store, value)))
            case "keeps":
                found = replace(found, keeps=(*found.keeps, *map(_store, value)))
            case "iterates":
                found = replace(found, iterates=_store(value))
            case "packet_device":
                found = replace(found, packet_device=_store(value))
            case "returns":
                found = replace(found, **_returned(value))
            case "sleeps":
                # What hangs on another row's word goes with it.
                found = replace(found, sleeps=value, gfp=row.get("gfp", -1))
                found = replace(found, unless_zero=row.get("unless_zero", -1))
            case "gfp" | "unless_zero":
                continue
            case _ if key in _AS_WRITTEN:
                found = replace(found, **{key: value})
            case _:
                if value:
                    found = replace(found, flags=found.flags | {key})
    return found


def read_models(text: str, where: str) -> dict[str, Any]:
    """Return a table's rows; raises InputError with what is wrong and where."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: {error}") from error
    checked_rows(document, _SCHEMAS, where)
    for number, row in enumerate(document.get("function", ()), 1):
        try:
            _added(Function(), row)
        except ValueError as error:
            at = f"{where}: [[function]] number {number}"
            raise InputError(
                f"{at}: {error}; operands are written 0, *0 or ?, stores 1 -> *0"
            ) from error
    return document


@cache
def _bundled() -> dict[str, Any]:
    text = Path(__file__).with_name("functions.toml").read_text("utf-8")
    return read_models(text, "functions.toml")


_ACTIVE: list[Models] = []


def use_models(*documents: Mapping[str, Any]) -> None:
    """Take a vendor's rows besides the kernel's own, in this process and those it starts."""
    _ACTIVE[:] = [Models([_bundled(), *documents])]


def function_named(name: str) -> Function:
    """Return what a function or macro of the kernel's (or of a vendor's model) does."""
    if not _ACTIVE:
        use_models()
    return _ACTIVE[0].function(name)


def is_kernels(name: str) -> bool:
    """Tell whether a function is one of the kernel's own that is known for what it does."""
    does = function_named(name)
    named = ("prints", "looks", "hardware")
    filled = any(s.value.pointed or s.value.position < 0 for s in does.stores)
    return bool(does.number or does.keeps or filled) or any(map(does.is_, named))


def effect_named(name: str) -> str:
    """Return what a call of a function of the kernel's does to others; nothing if unknown."""
    if not _ACTIVE:
        use_models()
    return _ACTIVE[0].effect(name)


def run_named(name: str) -> str:
    """Return what a call of a function of the kernel's does where code is run, if that is said."""
    if not _ACTIVE:
        use_models()
    return _ACTIVE[0].run(name)


def guard_sleeps(name: str) -> str:
    """Return whether guard(NAME) sleeps: always, never, or nothing if that is not known."""
    if not _ACTIVE:
        use_models()
    return _ACTIVE[0].guard(name)


def guard_fails(name: str) -> bool:
    """Tell whether what scoped_guard(NAME) guards is left out if the lock can't be had."""
    if not _ACTIVE:
        use_models()
    return _ACTIVE[0].guard_fails(name)
