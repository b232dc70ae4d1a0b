"""Runs of a resolver in many states: those that differ in nothing that it looks at are one run.

What a run looks at, in this order, is a way through a decision tree. `if (!x->xso.dev) return 0;`
looks at the owner alone: all states without one are one leaf, whatever their handle is.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from xfrmlint.c.integers import Int
from xfrmlint.concrete.evaluate import Result
from xfrmlint.concrete.faults import Outside
from xfrmlint.concrete.names import Source
from xfrmlint.concrete.question import ask
from xfrmlint.concrete.sources import Sources
from xfrmlint.concrete.states import Case, Looked, Question, objects
from xfrmlint.concrete.values import LazyInt


@dataclass
class _Node:
    """Where runs part, or end. question: what is looked at next. ways: by the answers."""

    question: Question[Any] | None = None
    ways: dict[Hashable, "_Node"] = field(default_factory=dict)
    result: Result | Outside | None = None


class Runs:
    """One resolver, asked in states. results: of the runs that there were, in their order."""

    def __init__(self, source: Source, sources: Sources) -> None:
        self.results: list[Result] = []
        self._source = source
        self._sources = sources
        self._root = _Node()

    def result(self, case: Case) -> Result:
        """Ask for a state's handle. Raises Outside."""
        node = self._root
        while node.question is not None:
            node = node.ways.setdefault(node.question(case), _Node())
        result = node.result or self._run(case)
        if isinstance(result, Outside):
            raise result.with_traceback(None)
        if isinstance(result.value, LazyInt):
            # The handle as it was found: each state has its own.
            return result._replace(value=Int(case.state.handle, result.value.type))
        return result

    def _run(self, case: Case) -> Result | Outside:
        looked: list[Question[Any]] = []
        result: Result | Outside
        try:
            result = run(self._source, case, self._sources, looked.append)
            self.results.append(result)
        except Outside as error:
            result = error
        node = self._root
        for question in dict.fromkeys(looked):
            node.question = node.question or question
            node = node.ways.setdefault(question(case), _Node())
        node.result = result
        return result


def run(source: Source, case: Case, sources: Sources, looked: Looked = lambda _: None) -> Result:
    """Ask a resolver for a state's handle. looked: see objects(). Raises Outside."""
    made = objects(case, sources.contract, looked)
    return ask(source, sources, made.state, made.lower)
