"""How far down a helper lies, and over how many variables a value comes, changes no finding.

Helpers below helpers, and copies of copies, in the sources of tests/whole/test_campaign.py.
"""

import re
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from itertools import pairwise

import pytest

from tests.mutated import Mutant
from tests.whole.test_campaign import Subject, base_of, outcome_of, subjects
from xfrmlint.findings import Report

pytestmark = pytest.mark.slow

_DEPTHS = (1, 3, 12)
# One of so many is tried.
_FEW = 8
_HEAD = r"static (?:inline |noinline )?(?:const )?(?:unsigned |struct )?\w+ \**"
_FUNCTION = re.compile(rf"^({_HEAD})(\w+)\(([^(){{}};]*)\)\n\{{\n(.*?)^\}}\n", re.M | re.S)
_LOCAL = re.compile(r"^(\t+)((?:const )?(?:unsigned |struct )?\w+ \**)(\w+) = ([^;{}]+);\n", re.M)


def _helpers(text: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield each function's name, and the source with as many that lead down to it."""
    for match in _FUNCTION.finditer(text):
        head, name, parameters, body = match.groups()
        given = re.findall(r"(\w+)(?:\[\w*\])?\s*(?:,|$)", parameters)
        if "..." in parameters:
            continue
        names = [name, *(f"{name}_{number}" for number in range(depth))]
        back = "" if re.match(r"static (\w+ )?void $", head) else "return "
        passed = ", ".join(one for one in given if one != "void")
        made = f"{head}{names[-1]}({parameters})\n{{\n{body}}}\n"
        for upper, lower in reversed([*pairwise(names)]):
            plain = re.sub("(inline|noinline) ", "", head)
            made += f"\n{plain}{upper}({parameters})\n{{\n\t{back}{lower}({passed});\n}}\n"
        yield name, text[: match.start()] + made + text[match.end() :]


def _copies(text: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield each variable's name, and the source with as many on the way to it."""
    for match in _LOCAL.finditer(text):
        indent, kind, name, value = match.groups()
        names = [*(f"{name}_{number}" for number in range(depth)), name]
        made = f"{indent}{kind}{names[0]} = {value};\n"
        made += "".join(f"{indent}{kind}{to} = {of};\n" for of, to in pairwise(names))
        yield name, text[: match.start()] + made + text[match.end() :]


def _deeper(subject: Subject, depth: int) -> Iterator[Mutant]:
    for kind, make in (("helpers", _helpers), ("copies", _copies)):
        for name, text in make(subject.text, depth):
            said = f"{kind} | {subject.name} {name}"
            if sha256(said.encode()).digest()[0] % _FEW == 0:
                yield Mutant(said, partial(str, text))


@pytest.mark.parametrize("depth", _DEPTHS)
def test_depth_changes_no_finding(depth: int) -> None:
    wrong = {}
    tried = 0
    for subject in subjects():
        before: Report | None = None
        for mutant in _deeper(subject, depth):
            before = before or base_of(subject.base).check(subject.files)
            outcome = outcome_of(subject, before, mutant)
            tried += 1
            if outcome.kind not in ("equal", "admitted"):
                wrong[mutant.name] = f"{outcome.kind} {outcome.said}"
    assert tried > 100
    assert wrong == {}
