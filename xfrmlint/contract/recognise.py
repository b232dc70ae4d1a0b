"""Reads a tree's contract from its headers: by types and prototypes, and by what the core does.

Names decide nothing here but what a role that no shape told is called by a known revision: a flag
that stands apart from the struct, a resolver whose shape others have, or of which only a prototype
is left.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from tree_sitter import Node

from xfrmlint.c.constants import Constants
from xfrmlint.c.corpus import Definition
from xfrmlint.c.ctype import CType, declarators, declared, specified
from xfrmlint.c.macros import macros_in
from xfrmlint.c.nodes import node_text
from xfrmlint.c.reader import Reader
from xfrmlint.c.types import Fields
from xfrmlint.c.unit import below
from xfrmlint.contract.answer import answers_of
from xfrmlint.contract.core import Bodies, Core, core_of, is_entry
from xfrmlint.contract.owned import Owned, may_be_owned, owned
from xfrmlint.contract.packets import packet_device
from xfrmlint.contract.revisions import NO_NAMES, Names, known, nearest, revision_of
from xfrmlint.contract.words import (
    ABSENT,
    ADD,
    BOOLEANS,
    DELETE,
    DEVICE,
    ESN,
    FREE,
    HANDLE,
    KEPT,
    LOWER_CALLBACKS,
    NETDEVICE,
    NUMBERS,
    OFFLOAD_OK,
    ONE_BIT,
    OPS,
    OWNER,
    OWNER_CALLBACKS,
    PACKET_DEVICE,
    PINNED,
    POLICY,
    POLICY_ADD,
    POLICY_DELETE,
    POLICY_FREE,
    PRIVATE,
    RESOLVE,
    SHARE,
    STATE,
    STATS,
    XFRM,
    XMIT,
    XSO,
    YES_OR_NO,
    Contract,
    Member,
    Promise,
    Said,
    Slot,
    Where,
    is_one_bit,
)
from xfrmlint.errors import InputError

_LFS = b"version https://git-lfs"
_Named = TypeVar("_Named", Member, Slot)
_Any = TypeVar("_Any")
_COUNTERS = ("atomic_t", "refcount_t", "atomic64_t", "atomic_long_t")
_NO_NUMBER = ("void", "bool", "_Bool", "fn")
# What the kernel calls it, where a struct has several numbers.
_FLAGS = "flags"
_CONDITIONAL = re.compile(rb"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|else|elif|endif)\b.*$", re.M)
_SINGLE_BIT = re.compile(rb"\b(\w+)\s*:\s*1\s*[,;]")
_UNDER_RCU = re.compile(rb"\b__rcu\b[\s*]*(\w+)\s*;")
# A pointer to a function that is told a state and two devices.
_OF_TWO_DEVICES = re.compile(
    rb"\*\s*\w+\s*\)\s*\((?=[^()]*\bstruct\s+xfrm_state\b)"
    rb"[^()]*\bstruct\s+net_device\b[^()]*\bstruct\s+net_device\b"
)
_ENUM = re.compile(rb"\benum\b[^;{}]*\{[^{}]*\}[^;{}]*;\s*$")


def recognise(reader: Reader, names: Names = NO_NAMES) -> Contract:
    """Return the contract of a tree. reader: of its own, for what it parses counts as read.

    names: what somebody says that things are called; those that the headers don't have are left
    out (see refuse_strange_names).
    """
    reader.types.holders = frozenset((f"struct {_tag(reader)}", OPS))
    slots = _slots(reader)
    roles = _named_otherwise(_roles(slots), {slot.name: slot for slot in slots}, names.slots)
    untold = (slot for slot in slots if slot not in roles.values() and _tells_no_owner(slot))
    others = chain(untold, _resolves_elsewhere(reader)) if RESOLVE not in roles else iter(())
    other = next(others, None)
    if slots and other is not None:
        roles[RESOLVE] = other
    named = {role: slot.name for role, slot in roles.items()}
    own = _xso(reader)
    parts = _parts(reader, own)
    fields = own | {
        f"{part}.{name}": kind
        for struct, part in parts.items()
        for name, kind in reader.types.fields_named(struct, XFRM).items()
    }
    given = names.core.get("resolver", "")
    resolvers = [one.names.core["resolver"] for one in known()]
    answer = _answer(roles.get(RESOLVE))
    found = core_of(reader, _tag(reader), fields, parts, named, resolvers, given, answer)
    members = _members(reader, fields, parts, found, roles.get(RESOLVE))
    declared_as = {name: _member(reader, name, kind) for name, kind in own.items()}
    members = _named_otherwise(members, declared_as, names.members)
    if roles.get(RESOLVE) == other and not (found.resolver and RESOLVE in found.functions):
        # Nobody is seen to call it.
        roles.pop(RESOLVE, None)
    if not slots:
        roles = dict(ABSENT.slots)
    elif found.freed and found.freed == named.get(DELETE) and not {DELETE, FREE} & set(names.slots):
        roles = _swapped(roles)
        found = found._replace(functions=_swapped(found.functions))
    flags = _flags(reader, slots)
    promises = _promises(reader, flags, roles, names)
    contract = Contract(
        state=_tag(reader),
        members=members or dict(ABSENT.members),
        counters=_counters(reader, own),
        slots=roles,
        others=tuple(slot for slot in slots if slot not in roles.values()),
        promises=promises,
        flags=flags,
        resolver=found.resolver,
        wrappers=found.wrappers,
        stub=found.stub,
        functions=found.functions,
    )
    contract = _with_owned(reader, contract, fields, parts, PRIVATE in names.members)
    core: dict[str, Said] = {}
    if contract.present and XMIT in contract.slots:
        # Of the answers it says how a driver's code is to be read, as the next ones do.
        core[PACKET_DEVICE] = packet_device(reader, contract)
    core |= answers_of(reader, contract)
    return replace(contract, revision=revision_of(contract), core=core)


def refuse_stubs(reader: Reader) -> None:
    """Raise InputError where a header lacks a struct that all is judged by.

    A package for many kernels has headers that #include_next those of the one that it is built for.
    """
    # Before 4.12 there are states, and no offload.
    whole = XSO in reader.types.fields_named(STATE, XFRM)
    for header, struct in ((XFRM, STATE), *([(NETDEVICE, OPS)] if whole else ())):
        # Before the first commit there is no header.
        there = reader.corpus.tree.is_file(header)
        if there and reader.corpus.find("struct", struct.split()[-1], header) is None:
            unread = reader.corpus.unit(header).unread
            if unread is not None:
                raise InputError(f"{header}: {unread.reason}")
            if reader.corpus.data(header).startswith(_LFS):
                raise InputError(f"{header} is a Git LFS pointer: git lfs pull")
            raise InputError(
                f"{header}: neither it nor what it includes declares {struct}, as a kernel's does; "
                "unpack the kernel that the code is built for, and lay the code into it"
            )


def _swapped(roles: Mapping[str, _Any]) -> dict[str, _Any]:
    """Return what delete and free are by each other's roles: the core calls them the other way."""
    other = {DELETE: FREE, FREE: DELETE}
    return {other.get(role, role): one for role, one in roles.items()}


def _named_otherwise(
    found: dict[str, _Named], there: Mapping[str, _Named], names: Mapping[str, str]
) -> dict[str, _Named]:
    """Return what has which role once somebody has named some: nothing has two of them."""
    told = {role: there[name] for role, name in names.items() if name in there}
    taken = {one.name for one in told.values()}
    return {**{role: one for role, one in found.items() if one.name not in taken}, **told}


def refuse_strange_names(reader: Reader, names: Names) -> None:
    """Raise InputError for the first name that the headers don't have, with the nearest one."""
    macros = sorted(
        {macro.name for path in (NETDEVICE, XFRM) for macro in macros_in(reader.corpus, path)}
    )
    functions = [item.name for item in reader.corpus.unit(XFRM).items if item.name]
    there: dict[str, tuple[str, Sequence[str]]] = {
        "members": (f"struct {_tag(reader)}", list(_xso(reader))),
        "slots": (OPS, [slot.name for slot in _slots(reader)]),
        "promises": (f"a flag in {NETDEVICE}", macros),
        "core": (f"a function or macro in {XFRM}", [*functions, *macros]),
    }
    constants = Constants(reader.types)
    for kind, role, name in names.listed():
        what, known_names = there[kind]
        found = name in known_names
        if kind == "promises":
            found = _defined(reader, constants, name, NETDEVICE) is not None
        elif kind == "core":
            found = found or reader.corpus.find("function", name, XFRM) is not None
        if not found:
            of = "no member of" if kind in ("members", "slots") else "not"
            raise InputError(
                f"contract: {kind}.{role}: {name} is {of} {what}{nearest(name, known_names)}"
            )


def _tag(reader: Reader) -> str:
    kind = reader.types.fields_named(STATE, XFRM).get(XSO)
    return kind.base.split()[-1] if kind is not None else ABSENT.state


def _xso(reader: Reader) -> Fields:
    return reader.types.fields_named(f"struct {_tag(reader)}", XFRM)


def _line_in(reader: Reader, found: Definition | None, name: str, inner: str = "") -> Where:
    """Return where a member is declared in a struct. inner: in which one in it, that has no tag."""
    if found is None:
        return Where()
    unit = reader.corpus.unit(found.path)
    written = re.compile(rb"\b%s\s*(?:[;:,\[)])" % re.escape(name.encode()))
    ends = re.compile(rb"\}\s*%s\s*;" % re.escape(inner.encode())) if inner else None
    end = ends.search(unit.text, found.start, found.end) if ends is not None else None
    start = unit.text.rfind(b"{", found.start, end.start()) if end is not None else found.start
    match = written.search(unit.text, start, found.end)
    return Where(found.path, unit.line(match.start() if match else found.start))


def _answer(resolve: Slot | None) -> str:
    """Return the type of the handle that the owner's callback returns, if it returns one."""
    return resolve.result if resolve is not None and resolve.gives == "returned" else ""


def _parts(reader: Reader, fields: Fields) -> dict[str, str]:
    """Return the structs of the core's that lie in xso by their types, with what each is there."""
    found: dict[str, str] = {}
    for name, kind in fields.items():
        word, _, tag = kind.base.partition(" ")
        if word == "struct" and tag and not kind.pointers:
            defined = reader.corpus.find("struct", tag.partition(".")[0], XFRM)
            if defined is not None and defined.path == XFRM:
                found.setdefault(kind.base, name)
    return found


def _typed(kind: CType) -> str:
    stars = "*" * kind.pointers
    return f"{kind.base} {stars}".strip()


def _member(reader: Reader, name: str, kind: CType, struct: str = "") -> Member:
    """Return a member of xso, or of a struct in it. struct: that one's type."""
    tag = struct.split()[-1] if struct else _tag(reader)
    tag, _, inner = tag.partition(".")
    found = reader.corpus.find("struct", tag, XFRM)
    made = Member(name, _typed(kind), struct=struct)
    return made._replace(place=_line_in(reader, found, made.word, inner))


def _members(
    reader: Reader, fields: Fields, parts: Mapping[str, str], core: Core, resolve: Slot | None
) -> dict[str, Member]:
    """Return the members of xso by role: by type, and of two alike by what the core does.

    parts: the structs in it. resolve: the owner's callback, which gives what a handle is.
    """
    answer = _answer(resolve)
    numbers = {*NUMBERS, *([answer] if answer else ())}

    def of(wanted: Callable[[CType], bool]) -> list[str]:
        return [name for name, kind in fields.items() if wanted(kind)]

    devices = of(lambda kind: (kind.base, kind.pointers) == (DEVICE, 1))
    captured = of(lambda kind: (kind.base, kind.pointers) == (OPS, 1))
    handles = of(lambda kind: kind.pointers == 0 and kind.base in numbers)
    private = of(lambda kind: (kind.base, kind.pointers) == ("void", 1))
    marked = _under_rcu(reader, fields)
    private = private or (marked if len(marked) == 1 else [])
    if answer.endswith("*"):
        # A handle can be a pointer, too: which of them is one says the resolver, or nobody does.
        handles += of(lambda kind: _typed(kind) == answer)
        told = [name for name in handles if core.answered[name]]
        told = told or [one for one in handles if core.answered[one.rpartition(".")[0]]]
        private = [] if len(told) != 1 else [name for name in private if name not in told]
        handles = told if len(told) == 1 else []
    elif not handles:
        # What leads to the handle, if the core itself looks there: not the owner's own, then.
        handles = [
            name for name in private if core.answered[name] and is_entry(reader, fields[name])
        ]
        private = [name for name in private if name not in handles]
    # The first is the owner, unless the core says otherwise.
    devices.sort(key=lambda name: -core.owner[name])
    captured.sort(key=lambda name: -core.asked[name])
    handles.sort(key=lambda name: -core.answered[name])
    found = {
        **dict(zip((OWNER, PINNED), devices, strict=False)),
        **dict(zip((HANDLE,), handles, strict=False)),
        **dict(zip((OWNER_CALLBACKS, LOWER_CALLBACKS), captured, strict=False)),
        **dict(zip((PRIVATE,), private, strict=False)),
    }
    structs = {part: struct for struct, part in parts.items()}
    return {
        role: _member(reader, name, fields[name], structs.get(name.rpartition(".")[0], ""))
        for role, name in found.items()
    }


def _under_rcu(reader: Reader, fields: Fields) -> list[str]:
    """Return the pointers to structs in xso that are read under RCU; devices are not."""
    found = reader.corpus.find("struct", _tag(reader), XFRM)
    text = reader.corpus.data(found.path)[found.start : found.end] if found is not None else b""
    marked = {one.decode() for one in _UNDER_RCU.findall(text)}
    led = (name for name in fields if name in marked and fields[name].base not in (DEVICE, OPS))
    return [name for name in led if fields[name].pointers == 1]


def _with_owned(
    reader: Reader, contract: Contract, fields: Fields, parts: Mapping[str, str], named: bool
) -> Contract:
    """Return a contract with all that an owner keeps of its own in xso.

    parts: the structs in it. named: somebody says what the first of it is called.
    """
    supposed = contract.members.get(PRIVATE)
    taken = {one.name for role, one in contract.members.items() if role != PRIVATE}
    taken |= {one.name for one in contract.counters} | {*parts.values()}
    possible = may_be_owned(fields, taken)
    void = [name for name, kind in possible.items() if (kind.base, kind.pointers) == ("void", 1)]
    found = Owned()
    if contract.present and ADD in contract.slots and possible:
        bodies = Bodies(reader, contract.state, fields, (), parts)
        pointers = {*void, *_under_rcu(reader, possible)}
        found = owned(reader, bodies, contract.slot(ADD), possible, pointers)
    private = list(found.under_rcu)
    if supposed is not None and (named or not private):
        # Nobody is seen to store there, or more than an owner does.
        private = [supposed.name, *(name for name in private if name != supposed.name)]
    structs = {part: struct for struct, part in parts.items()}

    def of(names: Iterable[str]) -> tuple[Member, ...]:
        made = ((name, structs.get(name.rpartition(".")[0], "")) for name in names)
        return tuple(_member(reader, name, fields[name], struct) for name, struct in made)

    kept = {role: of(names) for role, names in ((PRIVATE, private), (KEPT, found.others)) if names}
    members = dict(contract.members)
    members.update((PRIVATE, one) for one in kept.get(PRIVATE, ())[:1])
    untold = [name for name in found.open if name not in private]
    if contract.present and not kept:
        placed = {part for one in members.values() for part in (one.name, one.part)}
        holds = (name for name, kind in _xso(reader).items() if name not in placed and _holds(kind))
        untold = list(dict.fromkeys((*holds, *untold)))
    return replace(contract, members=members, owned=kept, unplaced=of(untold))


def _holds(kind: CType) -> bool:
    """Tell whether a member leads to data or holds some: of more than one number."""
    data = kind.base.startswith("struct ") or (kind.base == "void" and kind.pointers > 0)
    return data and kind.base not in (DEVICE, OPS)


def _counters(reader: Reader, fields: Fields) -> tuple[Member, ...]:
    return tuple(
        _member(reader, name, kind)
        for name, kind in fields.items()
        if kind.pointers == 0 and kind.base in _COUNTERS
    )


def _resolves_elsewhere(reader: Reader) -> Iterator[Slot]:
    """Yield what has the prototype of the owner's callback in other structs of a net_device."""
    if not any(map(_OF_TWO_DEVICES.search, map(reader.corpus.data, (NETDEVICE, XFRM)))):
        return
    for member, kind in reader.types.fields_named(DEVICE, NETDEVICE).items():
        if kind.pointers == 1 and kind.base.startswith("struct ") and kind.base != OPS:
            slots = _slots(reader, kind.base)
            for slot in slots:
                if RESOLVE in _possible(slot, early=False):
                    alone = len(slots) == 1
                    yield slot._replace(struct=kind.base, hangs=member, alone=alone)


def _slots(reader: Reader, struct: str = OPS) -> list[Slot]:
    """Return the function pointers of struct xfrmdev_ops, or of another one, in order."""
    found = reader.corpus.find("struct", struct.split()[-1], NETDEVICE)
    if found is None:
        return []
    unit = reader.corpus.unit(found.path)
    slots = []
    for node in _all(reader.corpus.snippet(found), "field_declaration"):
        base = specified(node)
        for declarator in declarators(node) if base is not None else ():
            made = declared(base, declarator) if base is not None else None
            if made is None or made.type.base != "fn" or made.type.result is None:
                continue
            where = Where(found.path, unit.line(found.start + made.name.start_byte))
            taken = tuple(_taken(declarator))
            slots.append(Slot(node_text(made.name), taken, _typed(made.type.result), where))
    return slots


def _taken(declarator: Node) -> Iterator[str]:
    """Yield the types of a function pointer's parameters."""
    listed = next(iter(_all(declarator, "parameter_list")), None)
    for node in listed.named_children if listed is not None else ():
        kind = specified(node) if node.type == "parameter_declaration" else None
        if kind is not None:
            yield kind.base


def _all(root: Node, kind: str) -> Iterator[Node]:
    """Yield the nodes of a type, outermost and first ones first."""
    yield from (node for node in below(root) if node.type == kind)


def _roles(slots: Sequence[Slot]) -> dict[str, Slot]:
    """Return slots by their roles: by prototype, and of those alike the first as the kernel has it.

    Source: Linux 4.11 to 7.3, struct xfrmdev_ops: add, delete, free, what runs per packet, then
    advance_esn and update_stats.
    """
    found: dict[str, Slot] = {}
    packet = min((at for at, slot in enumerate(slots) if slot.packet), default=len(slots))
    told = any(slot.device for slot in slots if _is_void_of(slot, STATE))
    for at, slot in enumerate(slots):
        early = slot.device if told else at < packet
        for role in _possible(slot, early):
            if role not in found:
                found[role] = slot
                break
    return found


def _possible(slot: Slot, early: bool) -> tuple[str, ...]:
    """Return the roles that a prototype can have. early: it stands where delete and free do."""
    number = slot.result not in _NO_NUMBER and not slot.result.endswith("*")
    devices = slot.takes.count(DEVICE)
    if slot.packet:
        return (OFFLOAD_OK,) if slot.result in BOOLEANS else (XMIT,)
    if POLICY in slot.takes:
        return (POLICY_ADD,) if number else (POLICY_DELETE, POLICY_FREE)
    if STATE not in slot.takes:
        return (SHARE,) if devices == 2 and slot.result in YES_OR_NO else ()
    if devices == 2 and (number or slot.gives):
        return (RESOLVE,)
    if number:
        return (ADD,)
    if slot.result == "void" and devices < 2:
        return (DELETE, FREE) if early else (ESN, STATS)
    return ()


def _tells_no_owner(slot: Slot) -> bool:
    """Tell whether a slot is told a state and the lower alone, and returns a number."""
    of_state = STATE in slot.takes and not slot.packet and POLICY not in slot.takes
    return of_state and slot.takes.count(DEVICE) == 1 and slot.gives == "returned"


def _is_void_of(slot: Slot, taken: str) -> bool:
    return slot.result == "void" and taken in slot.takes and not slot.packet


def _flags(reader: Reader, slots: Sequence[Slot]) -> Member | None:
    """Return the integer in struct xfrmdev_ops that holds the promises; else the first of bools.

    It may lie in a struct there: then it is the one with the usual name, if there is one.
    """
    fields = reader.types.fields_named(OPS, NETDEVICE)
    found = reader.corpus.find("struct", OPS.split()[-1], NETDEVICE)
    booleans = []
    single = _single_bits(reader, found)
    for name, kind in fields.items():
        if kind.pointers == 0 and (kind.base in BOOLEANS or name in single):
            typed = _typed(kind) + (ONE_BIT if name in single else "")
            booleans.append(Member(name, typed, _line_in(reader, found, name)))
        elif _is_number(kind):
            return Member(name, _typed(kind), _line_in(reader, found, name))
    for part, kind in fields.items():
        inner = reader.types.fields_named(kind.base, NETDEVICE) if not kind.pointers else {}
        numbers = [name for name, one in inner.items() if _is_number(one)]
        if numbers:
            name = _FLAGS if _FLAGS in numbers else numbers[0]
            _, _, tag = kind.base.partition(" ")
            outer, _, untagged = tag.partition(".")
            where = _line_in(reader, reader.corpus.find("struct", outer, NETDEVICE), name, untagged)
            return Member(f"{part}.{name}", _typed(inner[name]), where, kind.base)
    # Of more than one for each promise nobody can tell which is which.
    shares = sum(slot.takes.count(DEVICE) == 2 and STATE not in slot.takes for slot in slots)
    return booleans[0] if 0 < len(booleans) <= 1 + shares else None


def _is_number(kind: CType) -> bool:
    return kind.base not in _NO_NUMBER and not kind.pointers and not kind.base.startswith("str")


def _single_bits(reader: Reader, struct: Definition | None) -> frozenset[str]:
    """Return the bit fields of a struct that have one bit."""
    if struct is None:
        return frozenset()
    text = reader.corpus.unit(struct.path).text[struct.start : struct.end]
    return frozenset(one.decode() for one in _SINGLE_BIT.findall(text))


def _promises(
    reader: Reader, flags: Member | None, slots: Mapping[str, Slot], names: Names
) -> dict[str, Promise]:
    """Return the flags: the single bits that are defined in front of the struct, or in it.

    Bit by bit they are the promise to ask the resolver and that to share; the second only where a
    sharing test is.
    """
    found = reader.corpus.find("struct", OPS.split()[-1], NETDEVICE)
    if found is None or (flags is None and not names.promises):
        return {}
    bits: dict[int, Promise] = {}
    for promise in _bits_by(reader, found, flags.struct if flags is not None else ""):
        bits[promise.bit] = promise
    order = [bits[bit] for bit in sorted(bits)]
    roles = (RESOLVE, SHARE) if SHARE in slots else (RESOLVE,)
    if flags is None:
        # A feature of a device, by the name that somebody gave.
        order = []
    elif is_one_bit(flags.type):
        fields = reader.types.fields_named(OPS, NETDEVICE)
        single = _single_bits(reader, found)
        own = [n for n, kind in fields.items() if _typed(kind) in BOOLEANS or n in single]
        order = [Promise(name, 0, _line_in(reader, found, name)) for name in own]
    constants = Constants(reader.types)
    said = {
        role: made
        for role, name in names.promises.items()
        if (made := _defined(reader, constants, name, found.path)) is not None
    }
    taken = {promise.name for promise in said.values()}
    free = [promise for promise in order if promise.name not in taken]
    told = {**dict(zip([r for r in roles if r not in said], free, strict=False)), **said}
    for one in known() if flags is not None else ():
        for role, name in one.names.promises.items():
            if role in roles and role not in told:
                defined = _defined(reader, constants, name, found.path)
                if defined is not None:
                    told[role] = defined
    return told


def _defined(reader: Reader, constants: Constants, name: str, path: str) -> Promise | None:
    """Return the flag of a name, if a header defines it."""
    macro = reader.types.macro(name, path)
    if macro is not None:
        where = Where(macro.path, reader.corpus.unit(macro.path).line(macro.define))
    elif constants.is_constant(name, path):
        match = re.search(rb"\b%s\b" % name.encode(), reader.corpus.unit(path).text)
        where = Where(path, reader.corpus.unit(path).line(match.start())) if match else Where(path)
    else:
        return None
    return Promise(name, _bit(constants, name, path), where)


def _bits_by(reader: Reader, found: Definition, part: str) -> Iterator[Promise]:
    """Yield the single bits defined from the declaration before a struct to the struct's end.

    part: the type of the struct in it that holds them, if one does; mostly that stands in front.
    """
    unit, constants = reader.corpus.unit(found.path), Constants(reader.types)
    inner = reader.corpus.find("struct", part.split()[-1], found.path) if part else None
    first = inner.start if inner is not None and inner.path == found.path else found.start
    begin = _begin(unit.text, min(first, found.start))
    last = 0
    for match in _CONDITIONAL.finditer(unit.data, begin, found.start):
        last = match.end()
    begin = max(begin, last)
    names = [
        (line.split(b"define", 1)[1].split()[0].split(b"(")[0], at)
        for kind, at, line in unit.blanked.directives
        if kind == "define" and begin <= at < found.end and line.split(b"define", 1)[1].split()
    ]
    for match in re.finditer(rb"\benum\b[^;{}]*\{([^{}]*)\}", unit.text[begin : found.end]):
        # One that is only counted on has no bit of its own.
        for one in re.finditer(rb"(\w+)\s*=[^,]*", match.group(1)):
            names.append((one.group(1), begin + match.start(1) + one.start()))
    defined = b" ".join(line for kind, _, line in unit.blanked.directives if kind == "define")
    for name, at in names:
        text = name.decode("ascii", "replace")
        bit = _bit(constants, text, found.path)
        # Of F_ASKS that is BIT(ASKS_BIT), the latter is no flag.
        if bit >= 0 and not re.search(rb"\w\(\s*%s\s*\)" % name, defined):
            yield Promise(text, bit, Where(found.path, unit.line(at)))


def _begin(text: bytes, start: int) -> int:
    """Return where the declaration before a struct ends; one of enumerators is stepped over."""
    before = text[:start].rstrip()
    enumerators = _ENUM.search(before, max(0, len(before) - 4000))
    if enumerators is not None:
        before = before[: enumerators.start()].rstrip()
    return len(before)


def _bit(constants: Constants, name: str, path: str) -> int:
    value = constants.value(name, path)
    if value is None or value.value <= 0 or value.value & (value.value - 1):
        return -1
    return value.value.bit_length() - 1
