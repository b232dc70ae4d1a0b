"""The rules' second turn: what comments silence, and what there is to say about the comments."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from xfrmlint.c.unit import Unit
from xfrmlint.facts.store import Store
from xfrmlint.findings import Finding
from xfrmlint.rules import ABOUT_COMMENTS, Rule, Words, run_rules
from xfrmlint.triage.suppression import problems, split, suppressions_in


class Silenced(NamedTuple):
    """Findings that stay, findings about comments, and findings that comments silence."""

    kept: list[Finding]
    about: list[Finding]
    suppressed: list[Finding]


def silenced(
    findings: list[Finding],
    units: Iterable[Unit],
    rules: Sequence[Rule],
    store: Store,
    words: Words,
    module: Callable[[str], str],
    source: Callable[[str, int], str],
) -> Silenced:
    """Apply the comments of some files to what the other rules found.

    units: the files with a comment for xfrmlint. store: the facts that the rules were asked about.
    words: of the tree's contract. module: whose a file is. source: a line's text.
    """
    files = {unit.path: unit for unit in units}
    comments = [one for unit in files.values() for one in suppressions_in(unit)]
    if not comments:
        return Silenced(findings, [], [])
    found = split(findings, comments)
    types = {rule.type: rule.needs <= words.there for rule in rules}
    _, rows = store.query("SELECT path, line FROM unknown")
    doubtful = {(row["path"], row["line"]) for row in rows}
    owned = {path: (files[path], module(path)) for path in {one.path for one in comments}}
    # The facts are sealed, and what is said about comments depends on what the rules made of them.
    second = Store()
    second.add(problems(comments, found.used, types, doubtful, owned))
    second.seal()
    own = [rule for rule in rules if rule.type in ABOUT_COMMENTS]
    return Silenced(found.kept, run_rules(own, second, words, source), found.suppressed)
