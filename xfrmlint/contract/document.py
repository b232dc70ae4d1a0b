"""A contract as JSON can hold it."""

from typing import Any

from xfrmlint.contract.words import (
    Contract,
    Function,
    Member,
    Promise,
    Said,
    Slot,
    Where,
)


def document_of(contract: Contract) -> dict[str, Any]:
    """Return a contract as JSON can hold it; contract_of() makes it what it was."""
    return {
        "revision": contract.revision,
        "state": contract.state,
        "members": dict(contract.members),
        "counters": contract.counters,
        "slots": dict(contract.slots),
        "others": contract.others,
        "promises": dict(contract.promises),
        "flags": contract.flags,
        "resolver": contract.resolver,
        "wrappers": contract.wrappers,
        "stub": contract.stub,
        "functions": dict(contract.functions),
        "core": dict(contract.core),
        "owned": dict(contract.owned),
        "unplaced": contract.unplaced,
    }


def contract_of(data: Any) -> Contract:
    """Return the contract of a document; raises TypeError, KeyError and the like for others."""
    return Contract(
        data["revision"],
        data["state"],
        {role: _member(one) for role, one in data["members"].items()},
        tuple(map(_member, data["counters"])),
        {role: _slot(one) for role, one in data["slots"].items()},
        tuple(map(_slot, data["others"])),
        {role: _promise(one) for role, one in data["promises"].items()},
        None if data["flags"] is None else _member(data["flags"]),
        _function(data["resolver"]),
        tuple(one for one in map(_function, data["wrappers"]) if one is not None),
        _function(data["stub"]),
        {role: made for role, one in data["functions"].items() if (made := _function(one))},
        {question: _said(one) for question, one in data["core"].items()},
        {role: tuple(map(_member, found)) for role, found in data["owned"].items()},
        tuple(map(_member, data["unplaced"])),
    )


def _promise(data: Any) -> Promise:
    name, bit, at = data
    return Promise(name, bit, Where(*at))


def _said(data: Any) -> Said:
    says, at, reason = data
    return Said(says, Where(*at), reason)


def _member(data: Any) -> Member:
    name, kind, at, struct = data
    return Member(name, kind, Where(*at), struct)


def _slot(data: Any) -> Slot:
    name, takes, result, at, *more = data
    return Slot(name, tuple(takes), result, Where(*at), *more)


def _function(data: Any) -> Function | None:
    if data is None:
        return None
    name, at, kind, takes, result = data
    return Function(name, Where(*at), kind, tuple(takes), result)
