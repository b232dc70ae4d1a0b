"""Each form of a store, a read, a call and a test, in each question that is asked of it.

The answer is the plain form's, or that it is not known; never another one.
"""

from functools import cache

import pytest

from tests.asked import Base, Verdict, functions_of, judge
from tests.laid import files_of
from tests.questions import BARE, EXTRA, MACROS, Case, cases
from xfrmlint.findings import Report

pytestmark = pytest.mark.slow

CASES = list(cases())


@cache
def base(bare: bool) -> Base:
    """Return the kernel that defines its macros as the real one does, or does not."""
    headers = {**EXTRA, **(BARE if bare else MACROS)}
    return Base({**files_of("base/rfc"), **{path: t.encode() for path, t in headers.items()}})


@cache
def plain_report(text: str, bare: bool) -> Report:
    return base(bare).check_example(text)


def verdict(case: Case) -> Verdict:
    """Check a driver and compare what is said of it with what is right."""
    report = base(case.bare).check_example(case.text)
    before = plain_report(case.plain, case.bare)
    return judge(report, case.wanted, before, functions_of(case.text))


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{c.form} | {c.question}") for c in CASES])
def test_a_form_has_the_plain_ones_answer_or_none(case: Case) -> None:
    found = verdict(case)
    assert found.right, f"{found.said}\n{case.text}"


def test_the_plain_forms_are_right() -> None:
    plain = [case for case in CASES if case.text == case.plain]
    assert {case.text for case in plain} == {case.plain for case in CASES}
    assert [case.question for case in plain if not verdict(case).same] == []
