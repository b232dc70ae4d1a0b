"""Findings as JUnit XML: a suite a file, a failed test a finding.

Source: what Jenkins accepts, src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/
junit-10.xsd of https://github.com/jenkinsci/xunit-plugin; GitLab takes tests of one classname and
name for one (https://docs.gitlab.com/ci/testing/unit_test_reports/).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from xfrmlint.findings import Finding, Report, Unknown, in_order
from xfrmlint.report.checkpatch import details
from xfrmlint.report.text import xml


def render(report: Report, shown: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of one document, all ASCII.

    A CHECK passes, as it does by default for the exit status, and says its text; what could not be
    analysed was skipped. Where there is nothing to say one test passes: readers refuse a report
    without any.
    """
    suites: dict[str, list[ElementTree.Element]] = defaultdict(list)
    for finding in in_order(shown):
        suites[finding.path].append(_case(finding))
    for unknown in sorted(report.unknown):
        suites[unknown.path].append(_skipped(unknown))
    if not suites:
        suites["xfrmlint"].append(ElementTree.Element("testcase", name="no findings", time="0"))
    root = ElementTree.Element("testsuites", name="xfrmlint")
    for path, cases in sorted(suites.items()):
        _number(cases)
        for case in cases:
            case.set("classname", xml(path))
        suite = _element("testsuite", name=path, **_counts(cases))
        suite.extend(cases)
        root.append(suite)
    ElementTree.indent(root)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield from ElementTree.tostring(root, encoding="us-ascii").decode("ascii").split("\n")


def _case(finding: Finding) -> ElementTree.Element:
    case = _element("testcase", name=_name(finding.type, finding.function), time="0")
    if finding.level == "CHECK":
        said = ElementTree.SubElement(case, "system-out")
    else:
        said = _element("failure", type=finding.type, message=finding.message)
        case.append(said)
    said.text = xml(details(finding))
    return case


def _skipped(unknown: Unknown) -> ElementTree.Element:
    case = _element("testcase", name=_name("not analysed", unknown.function), time="0")
    at = f" (line {unknown.line})" if unknown.line else ""
    case.append(_element("skipped", message=f"{unknown.reason}{at}"))
    return case


def _name(what: str, function: str) -> str:
    """Return a name that moved lines don't change: readers compare runs by it."""
    return f"{what} in {function}()" if function else what


def _number(cases: Sequence[ElementTree.Element]) -> None:
    """Tell cases of one name apart."""
    seen: Counter[str] = Counter()
    for case in cases:
        name = case.get("name", "")
        seen[name] += 1
        if seen[name] > 1:
            case.set("name", f"{name} ({seen[name]})")


def _counts(cases: Sequence[ElementTree.Element]) -> dict[str, str]:
    found = Counter(child.tag for case in cases for child in case)
    return {
        "tests": str(len(cases)),
        "failures": str(found["failure"]),
        "errors": "0",
        "skipped": str(found["skipped"]),
    }


def _element(tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.Element(tag, {name: xml(text) for name, text in attributes.items()})
