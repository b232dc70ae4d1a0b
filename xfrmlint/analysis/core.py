"""What the core's own functions do, run and held against the contract."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from xfrmlint.analysis.part import Progress, quietly
from xfrmlint.analysis.parts import contract_in, reader_of
from xfrmlint.c.reader import Reader
from xfrmlint.concrete.core import Answer, add_clears, cleared_by_free, free_clears, stub
from xfrmlint.concrete.counting import counts_the_owners_own
from xfrmlint.concrete.resolver import (
    Comparison,
    Verdict,
    compare,
    decides_on_what_can_change,
)
from xfrmlint.concrete.states import described
from xfrmlint.contract.revisions import NO_NAMES, Names
from xfrmlint.contract.words import ADD, COUNTS, FREE, Contract
from xfrmlint.errors import nesting_named
from xfrmlint.facts.rows import CoreFunctionRow
from xfrmlint.model.predicates import sentence
from xfrmlint.model.worlds import with_cast
from xfrmlint.tree import Tree


class Core(NamedTuple):
    """The comparison, and the answers about the functions around it, by a sentence for each."""

    contract: Contract
    comparison: Comparison
    answers: Mapping[str, Answer | None]


def core_of(tree: Tree, progress: Progress = quietly, names: Names = NO_NAMES) -> Core:
    """Compare the tree's own resolver with the reference, and ask about the functions around it.

    names: what somebody says that things are called.
    """
    progress("running the tree's own resolver")
    reader = reader_of(tree, contract=contract_in(tree, names=names))
    contract = reader.contract
    with nesting_named(f"{contract.asks}() and what is around it"):
        answers = {one.words: one.ask(reader) for one in _questions(contract).values()}
        return Core(contract, compare(reader), answers)


def core_functions(reader: Reader) -> list[CoreFunctionRow]:
    """Return what the core's own functions do, held against the contract."""
    contract = reader.contract
    found = compare(reader)
    ok = {Verdict.EQUAL: 1, Verdict.KEEPS: 1, Verdict.DIFFERS: 0}.get(found.verdict)
    detail = found.reason
    if found.broken:
        detail = f"breaks the contract. {with_cast(sentence(found.broken[0]))}"
    elif found.case is not None:
        state = described(found.case, contract)
        detail = f"returns {found.returned} instead of {found.wanted} for {state}"
    asks = (contract.asks, found.path, found.line)
    rows = [CoreFunctionRow("resolves", *asks, ok, detail)]
    reads = decides_on_what_can_change(found, contract)
    if reads:
        rows.append(CoreFunctionRow("torn", *asks, 0, f"decides on what can change: {reads}"))
    for question, one in _questions(contract).items():
        answer = one.ask(reader)
        if answer is not None:
            told = None if answer.ok is None else int(answer.ok)
            place = (answer.path, answer.line)
            rows.append(CoreFunctionRow(question, one.function, *place, told, answer.reason))
    return rows


class _Question(NamedTuple):
    """What is asked of a function around the resolver. words: as a sentence."""

    function: str
    words: str
    ask: Callable[[Reader], Answer | None]


def _questions(contract: Contract) -> dict[str, _Question]:
    add, free, counts = (
        one.name if one is not None else ""
        for one in map(contract.functions.get, (ADD, FREE, COUNTS))
    )
    cleared = ", ".join(cleared_by_free(contract))
    return {
        "stub": _Question(contract.asks, "a stub returns 0 without CONFIG_XFRM_OFFLOAD", stub),
        "clears": _Question(free, f"{free}() clears {cleared}", free_clears),
        "undoes": _Question(add, f"{add}() clears what it wrote where it fails", add_clears),
        "counts": _Question(
            counts,
            f"{counts}() counts a state with {contract.owns}",
            counts_the_owners_own,
        ),
    }
