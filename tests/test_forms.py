"""Each form of a store, a read, a call and a test, in each question that is asked of it.

The answer is the plain form's, or that it is not known; never another one.
"""

from functools import cache

import pytest

from tests.asked import Base, Verdict, files_of, functions_of, judge
from tests.questions import BARE, EXTRA, MACROS, Case, cases
from xfrmlint.findings import Report

pytestmark = pytest.mark.slow

# Forms that lose a finding without a word, or make a false one, and in which questions. Whoever
# mends one takes it out: its test fails until then.
_FAILING_TODAY = """
store list_first_entry | own device
store returned pointer to the member | handle tested | handle kept
store struct initializer | handle kept
store positional initializer | handle kept
store old designator | handle kept
store compound literal | handle kept
store positional literal | handle kept
store struct copy | handle kept
store struct copy by pointer | handle kept
store memcpy of the struct | handle kept
store memcpy of a literal | handle kept
store returned struct | handle kept
call INDIRECT_CALL_1 | handle passed | handle kept
call INDIRECT_CALL_1 of another | handle passed | handle kept
call INDIRECT_CALL_2 | handle passed | handle kept
call static pointer | handle passed, tested there | handle kept
call INDIRECT_CALL_1, bare | handle passed, tested there | handle kept
call INDIRECT_CALL_1 of another, bare | handle passed, tested there | handle kept
call INDIRECT_CALL_2, bare | handle passed, tested there | handle kept
"""

FAILING_TODAY = {
    (form, question)
    for line in _FAILING_TODAY.strip().splitlines()
    for form, *questions in [line.split(" | ")]
    for question in questions
}

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
    if (case.form, case.question) in FAILING_TODAY:
        assert not found.right, "cured: take it out of FAILING_TODAY"
    else:
        assert found.right, f"{found.said}\n{case.text}"


def test_what_fails_today_is_among_the_forms() -> None:
    assert {(case.form, case.question) for case in CASES} >= FAILING_TODAY


def test_the_plain_forms_are_right() -> None:
    plain = [case for case in CASES if case.text == case.plain]
    assert {case.text for case in plain} == {case.plain for case in CASES}
    assert [case.question for case in plain if not verdict(case).same] == []
