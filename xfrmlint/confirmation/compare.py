"""Where tree-sitter and libclang differ: sites, filled slots, and the calls of chains."""

from collections.abc import Iterator
from typing import NamedTuple

from xfrmlint.analysis.part import Facts, Progress, quietly
from xfrmlint.clang.compiler import Clang
from xfrmlint.confirmation.asked import Asked
from xfrmlint.confirmation.claims import Claim
from xfrmlint.confirmation.run import alone
from xfrmlint.contract.words import OPS
from xfrmlint.kernel.places import is_core
from xfrmlint.tree import Tree

TREE_SITTER, LIBCLANG = "tree-sitter", "libclang"


class Difference(NamedTuple):
    """Something that only one parser sees. kind: site, table, slot or call. only: which one.

    what: in words. reason: why the other does not, as far as that is known.
    """

    path: str
    line: int
    kind: str
    what: str
    only: str
    reason: str


def compared(
    tree: Tree, facts: Facts, clang: Clang, progress: Progress = quietly
) -> list[Difference]:
    """Return where the facts of a tree and libclang differ, by path and line."""
    asked = Asked(tree, facts, clang, progress)
    return sorted({*_not_seen(asked), *_calls(asked), *_seen_alone(asked)})


def _not_seen(asked: Asked) -> Iterator[Difference]:
    """Yield the sites, tables and slots that libclang does not see."""
    for claim, (kind, what) in _told(asked).items():
        reason = asked.against(claim)
        if reason:
            yield Difference(claim.path, claim.line, kind, what, TREE_SITTER, reason)


def _told(asked: Asked) -> dict[Claim, tuple[str, str]]:
    found: dict[Claim, tuple[str, str]] = {}
    for site in asked.claims.sites:
        found[site.claim] = "site", f"{site.access} of xso.{site.field} in {site.function}()"
    for table in asked.claims.tables:
        found[table.claim] = "table", table.symbol
    callbacks = [claim for table in asked.claims.tables for claim in table.callbacks.values()]
    for slot in (*callbacks, *asked.slots):
        found[slot] = "slot", f"{slot.name} = {slot.target}"
    return found


def _calls(asked: Asked) -> Iterator[Difference]:
    """Yield the calls of chains that libclang does not see."""
    for step in dict.fromkeys(one._replace(site=0, chain=0) for one in asked.steps):
        reason = asked.against_call(step)
        if reason:
            hop = step.hop
            what = f"{step.caller or hop.via} calls {hop.function}()"
            yield Difference(hop.path, hop.line, "call", what, TREE_SITTER, reason)


def _seen_alone(asked: Asked) -> Iterator[Difference]:
    """Yield the sites and slots of ops tables that tree-sitter does not see."""
    for member, _ in alone(asked.reader, asked.questions, asked.claims):
        through = f" through {member.macro}" if member.macro else ""
        what = f"access of xso.{member.field}{through}"
        yield _alone(asked, member.path, member.offset, "site", what)
    slots = {
        (slot.path, slot.offset, slot.name)
        for table in asked.claims.tables
        for slot in table.callbacks.values()
    }
    for answer in asked.questions.answers().values():
        for region, seen in answer.seen.items():
            for slot in () if is_core(region.path) else seen.filled:
                if slot.record == OPS and slot.targets and not slot.macro:
                    if (slot.path, slot.offset, slot.field) not in slots:
                        what = f"{slot.field} = {', '.join(slot.targets)}"
                        yield _alone(asked, slot.path, slot.offset, "slot", what)


def _alone(asked: Asked, path: str, offset: int, kind: str, what: str) -> Difference:
    line = asked.reader.corpus.unit(path).line(offset)
    return Difference(path, line, kind, what, LIBCLANG, "")
