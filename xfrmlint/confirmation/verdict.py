"""A claim held against what libclang saw."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from xfrmlint.clang.vocabulary import SKIPPED, Member, Seen
from xfrmlint.confirmation.claims import ACCESS, CALL, CODE, FILLED, TABLE, Claim
from xfrmlint.contract.words import OPS
from xfrmlint.findings import CONFIRMED

UNCONFIRMED, REFUTED = "unconfirmed", "refuted"
_STATE, _POLICY = "struct xfrm_state.", "struct xfrm_policy."


class Verdict(NamedTuple):
    """What became of a claim. status: confirmed, unconfirmed or refuted; the last two with why.

    absent: the compiler does not get to see it, as it is configured.
    """

    status: str
    reason: str = ""
    absent: bool = False


_YES = Verdict(CONFIRMED)


def verdict(claim: Claim, seen: Seen, offload: str) -> Verdict:
    """Judge a claim by what was seen in its region. offload: the struct type of xso."""
    if seen.reason:
        return Verdict(UNCONFIRMED, seen.reason, seen.reason == SKIPPED)
    if not claim.macro and seen.skips(claim.offset):
        return Verdict(UNCONFIRMED, SKIPPED, absent=True)
    return _JUDGES[claim.kind](claim, seen, offload)


def is_states(member: Member, offload: str) -> bool:
    """Tell whether a member is one of a state's xso."""
    return member.record == offload and any(o.startswith(_STATE) for o in member.owners)


def _access(claim: Claim, seen: Seen, offload: str) -> Verdict:
    here = [
        m
        for m in seen.members
        if m.field == claim.name
        and (m.macro != "" if claim.macro else m.covers(claim.path, claim.offset))
    ]
    if not here:
        return _not_there(seen, f"no member {claim.name}")
    if any(is_states(m, offload) for m in here):
        return _YES
    own = [m for m in here if m.record == offload]
    if not own:
        records = ", ".join(sorted({m.record for m in here}))
        return _sure(claim, seen, f"{claim.name} is a member of {records}")
    owners = sorted({owner for m in own for owner in m.owners})
    if owners and all(owner.startswith(_POLICY) for owner in owners):
        return _sure(claim, seen, f"{claim.name} of {', '.join(owners)}, a policy's")
    known = [owner for owner in owners if not owner.startswith("?")]
    through = f" ({', '.join(known)})" if known else ""
    return Verdict(UNCONFIRMED, f"libclang can't tell whose {claim.name} it is{through}")


def _call(claim: Claim, seen: Seen, offload: str) -> Verdict:
    calls = [c for c in seen.calls if claim.macro or _same(c, claim)]
    if any(c.function == claim.name for c in calls):
        return _YES
    # A macro of the name can be all that is written there.
    named = [c for c in seen.calls if c.macro == claim.name and _same(c, claim)]
    if named:
        return _YES
    through = [c.slot for c in calls if c.slot and _same(c, claim)]
    if through:
        return Verdict(UNCONFIRMED, f"called through {through[0]}")
    return _not_there(seen, f"no call of {claim.name}()")


def _same(spot: "object", claim: Claim) -> bool:
    path, offset = getattr(spot, "path", ""), getattr(spot, "offset", -1)
    return (path, offset) == (claim.path, claim.offset)


def _table(claim: Claim, seen: Seen, offload: str) -> Verdict:
    if any(d.type.startswith(OPS) for d in seen.declared):
        return _YES
    if any(f.record == OPS for f in seen.filled):
        return _YES
    kinds = sorted({d.type for d in seen.declared if d.type != "function"})
    if kinds:
        return _sure(claim, seen, f"an object of type {kinds[0]}")
    return _not_there(seen, f"no {OPS}")


def _filled(claim: Claim, seen: Seen, offload: str) -> Verdict:
    slots = [f for f in seen.filled if f.field == claim.name]
    here = [f for f in slots if _same(f, claim)] or [f for f in slots if f.macro]
    if not here:
        return _not_there(seen, f"no {claim.name} that is filled")
    own = [f for f in here if f.record == claim.struct]
    if not own:
        return _sure(claim, seen, f"{claim.name} is a member of {here[0].record}")
    if not claim.target or any(claim.target in (*f.targets, *f.names) for f in own):
        return _YES
    held = ", ".join(sorted({t for f in own for t in (*f.targets, *f.names)})) or "no function"
    return Verdict(UNCONFIRMED, f"libclang sees {held} in {claim.name}, not {claim.target}")


def _code(claim: Claim, seen: Seen, offload: str) -> Verdict:
    if claim.line in seen.errors:
        return Verdict(UNCONFIRMED, f"parse errors there (line {claim.line})")
    return _YES


def _not_there(seen: Seen, what: str) -> Verdict:
    if seen.errors:
        return Verdict(UNCONFIRMED, f"parse errors there (line {seen.errors[0]})")
    return Verdict(UNCONFIRMED, f"libclang sees {what} there", absent=True)


def _sure(claim: Claim, seen: Seen, what: str) -> Verdict:
    """Return that a claim is wrong, if nothing can have misled libclang."""
    if seen.clean and not claim.macro:
        return Verdict(REFUTED, f"libclang: {what}")
    return Verdict(UNCONFIRMED, f"libclang takes it for something else: {what}")


_JUDGES: Mapping[str, Callable[[Claim, Seen, str], Verdict]] = {
    ACCESS: _access,
    CALL: _call,
    TABLE: _table,
    FILLED: _filled,
    CODE: _code,
}
