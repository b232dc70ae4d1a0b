"""What `xfrmlint contract` prints: which contract a tree has, each word with its place."""

from collections.abc import Iterator, Mapping
from typing import Any

from xfrmlint.contract.revisions import known
from xfrmlint.contract.words import Contract, Function, Said, Slot, Where
from xfrmlint.report.columns import aligned
from xfrmlint.report.json import dump
from xfrmlint.report.terminal import printable

Rows = list[tuple[str, ...]]


def render(contract: Contract, core: Mapping[str, Said]) -> Iterator[str]:
    """Yield the page's lines. core: the answers of the core's code, by question."""
    yield f"contract: {_titled(contract)}"
    yield from _part(f"xso is a {contract.offload}", _members(contract))
    yield from _part("struct xfrmdev_ops", _slots(contract))
    yield from _part("promises", _promises(contract))
    yield from _part("the core's functions", _functions(contract))
    yield from _part("what the core does", _answers(core))


def _titled(contract: Contract) -> str:
    titles = {one.revision: one.titled for one in known()}
    if contract.revision in titles:
        return f"{contract.revision}, {titles[contract.revision]}"
    if contract.revision == "absent":
        return "absent: this tree has no resolver"
    shape = contract.shape
    return f"unnamed, of the shape of {shape}" if shape in titles else "unnamed"


def _part(title: str, rows: Rows) -> Iterator[str]:
    yield ""
    yield title if rows else f"{title}: none"
    if rows:
        yield from (f"  {printable(line)}" for line in aligned(rows))


def _at(where: Where) -> str:
    return f"{where.path}:{where.line}" if where.path else "not seen"


def _short(text: str) -> str:
    return text.replace("struct ", "")


def _members(contract: Contract) -> Rows:
    rows = dict.fromkeys((*contract.members.items(), *contract.with_roles()))
    found = [*rows, *(("counter", one) for one in contract.counters)]
    found += [("?", one) for one in contract.unplaced]
    return [(role, one.name, _short(one.type), _at(one.place)) for role, one in found]


def _slots(contract: Contract) -> Rows:
    def row(role: str, slot: Slot) -> tuple[str, ...]:
        taken = f"({', '.join(map(_short, slot.takes))}) -> {_short(slot.result)}"
        return role, slot.name, taken, _shape(slot), _at(slot.place)

    found = [row(role, slot) for role, slot in contract.slots.items()]
    return [*found, *(row("?", slot) for slot in contract.others)]


def _shape(slot: Slot) -> str:
    words = (
        ("per packet", slot.packet),
        ("extack", slot.extack),
        ("no device", not slot.device and not slot.packet),
    )
    return ", ".join(word for word, holds in words if holds)


def _promises(contract: Contract) -> Rows:
    return [
        (role, one.name, f"bit {one.bit}" if one.bit >= 0 else "bit not known", _at(one.place))
        for role, one in contract.promises.items()
    ]


def _functions(contract: Contract) -> Rows:
    named: list[tuple[str, Function | None]] = [
        ("resolver", contract.resolver),
        *(("wrapper", wrapper) for wrapper in contract.wrappers),
        ("stub", contract.stub),
        *((f"calls {role}", one) for role, one in contract.functions.items() if role != "counts"),
        ("counts a state", contract.functions.get("counts")),
    ]
    return [(what, one.name, _at(one.place)) for what, one in named if one is not None]


def _answers(core: Mapping[str, Said]) -> Rows:
    return [
        (question, said.says, said.reason, _at(said.place) if said.place.path else "")
        for question, said in core.items()
    ]


def as_json(contract: Contract, core: Mapping[str, Said], version: str) -> str:
    """Return all of it as JSON. version: the tree's."""

    def by_role(named: Mapping[str, Any]) -> dict[str, Any]:
        return {role: _flat(one) for role, one in named.items()}

    return dump(
        {
            "schema": 1,
            "tree": {"version": version},
            "revision": contract.revision,
            "shape": contract.shape,
            "xso": contract.offload,
            "members": by_role(contract.members),
            "owned": {r: [_flat(one) for one in found] for r, found in contract.owned.items()},
            "counters": [_flat(one) for one in contract.counters],
            "other_members": [_flat(one) for one in contract.unplaced],
            "slots": {role: _flat_slot(slot) for role, slot in contract.slots.items()},
            "other_slots": [_flat_slot(slot) for slot in contract.others],
            "flags": _flat(contract.flags),
            "promises": by_role(contract.promises),
            "resolver": _flat(contract.resolver),
            "wrappers": [_flat(one) for one in contract.wrappers],
            "stub": _flat(contract.stub),
            "functions": by_role(contract.functions),
            "core": by_role(core),
        }
    )


def _flat(one: Any) -> dict[str, Any] | None:
    """Return a word with its path and line beside its name."""
    if one is None:
        return None
    fields = one._asdict()
    path, line = fields.pop("place")
    return {**fields, "path": path, "line": line}


def _flat_slot(slot: Slot) -> dict[str, Any]:
    shape = {"packet": slot.packet, "device": slot.device, "extack": slot.extack}
    return {**(_flat(slot) or {}), **shape}
