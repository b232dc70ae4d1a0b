"""The rule files: complete, true to their own examples, and refused in one line if wrong."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.asked import report_on
from tests.laid import (
    EXAMPLE,
    Expected,
    difference,
    example_files,
    expected_in,
    expected_types,
    is_core,
)
from tests.trees import Memory
from xfrmlint.contract.words import NEEDS
from xfrmlint.errors import InputError
from xfrmlint.facts.rows import SiteRow, TreeRow, WordRow
from xfrmlint.facts.store import Store
from xfrmlint.findings import LEVELS, Report
from xfrmlint.rules import (
    ABOUT_COMMENTS,
    COLUMNS,
    Rule,
    Words,
    load_rule,
    load_rules,
    rules_folder,
    run_rules,
    words_of,
)

RULES = load_rules([rules_folder()])
FIELDS = [
    "level",
    "level_not_opted_in",
    "level_own_states",
    "needs",
    "message",
    "reports",
    "fix",
    "why",
    "reference",
    "query",
    "bad",
    "good",
]
TITLE = 'RFC "xfrm: add a lower-device offload handle resolver"'
QUERY = "SELECT path, line, column, function, driver FROM site"
WHOLE = f"""\
level = "ERROR"
message = "{{function}}() is odd"
fix = "even it out"
why = "Because."
reference = "include/net/xfrm.h"
query = '''{QUERY}'''
"""
SITE = SiteRow(
    1,
    "drivers/net/a.c",
    7,
    3,
    "f",
    "a",
    "a",
    "lower",
    1,
    "dev",
    "owner",
    "read",
    "control",
    "",
    0,
    0,
    0,
    0,
    "",
    0,
    "",
)

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.type)


def examples() -> Iterator[Any]:
    for rule in RULES:
        for kind, texts in (("bad", rule.bad), ("good", rule.good)):
            for number, text in enumerate(texts, 1):
                yield pytest.param(rule, kind, text, id=f"{rule.type}-{kind}-{number}")


def checked(text: str) -> Report:
    """Run every rule over an example."""
    return report_on(Memory(example_files(text)))


@each_rule
def test_a_rule_is_complete(rule: Rule) -> None:
    assert rule.level in LEVELS
    assert rule.level_not_opted_in in LEVELS
    assert rule.message
    assert re.fullmatch(r"[^\n]{15,150}[^.\n]", rule.fix), "one line, and no sentence's end"
    assert not re.search(r"[{}]", rule.fix + rule.reports)
    assert rule.reports or re.search(r"[a-z]+ [a-z]+", rule.message), "what is reported?"
    assert 3 <= len(rule.why.splitlines()) <= 8
    assert all(len(line) <= 100 for line in rule.why.splitlines())
    assert (TITLE in rule.reference) == (rule.type not in ABOUT_COMMENTS)
    assert rule.query.startswith("SELECT")
    assert len(rule.query.splitlines()) <= 15
    assert 2 <= len(rule.bad) <= 4
    assert 2 <= len(rule.good) <= 4


def test_every_file_of_the_folder_is_a_rule() -> None:
    stems = {path.stem.upper() for path in rules_folder().glob("*.toml")}
    assert stems == {rule.type for rule in RULES}
    assert [rule.type for rule in RULES] == sorted(stems)


@each_rule
def test_fields_stand_in_one_order(rule: Rule) -> None:
    text = (rules_folder() / f"{rule.type.lower()}.toml").read_text("utf-8")
    order = [line.split(" = ")[0] for line in text.splitlines() if line.split(" = ")[0] in FIELDS]
    assert order == [name for name in FIELDS if name in order]


@pytest.mark.parametrize(("rule", "kind", "text"), list(examples()))
def test_an_example_gives_what_its_comments_say(rule: Rule, kind: str, text: str) -> None:
    files, report = example_files(text), checked(text)
    found: Expected = {}
    for finding in report.findings:
        found.setdefault((finding.path, finding.line), set()).add(finding.type)

    assert not difference(found, expected_in(files))
    for finding in report.findings:
        lines = files[finding.path].decode().splitlines()[: finding.line]
        heads = [line for line in lines if re.match(r"[a-z}#]", line)]
        assert not finding.function or f"{finding.function}(" in heads[-1] or "=" in heads[-1]
    assert report.contract == "present"
    drivers = [] if is_core(text) else [("example", EXAMPLE)]
    assert [(line.driver, line.path) for line in report.drivers] == drivers
    assert not report.unknown


@pytest.mark.parametrize(("rule", "kind", "text"), list(examples()))
def test_an_example_speaks_of_its_rule(rule: Rule, kind: str, text: str) -> None:
    assert (rule.type in expected_types(text)) == (kind == "bad")
    assert len(text.splitlines()) <= 60
    assert text.startswith("/* "), "a comment first, that says what the example shows"
    assert all(len(line.expandtabs(8)) <= 110 for line in text.splitlines())


def test_examples_differ() -> None:
    texts = [text for rule in RULES for text in (*rule.bad, *rule.good)]
    assert len(set(texts)) == len(texts)


@each_rule
def test_a_finding_of_a_bad_example_is_worded(rule: Rule) -> None:
    report = checked(rule.bad[0])
    findings = [f for f in report.findings if f.type == rule.type]

    assert findings
    for finding in findings:
        assert finding.message
        assert "{" not in finding.message
        assert "None" not in finding.message
        assert "  " not in finding.message
        assert finding.driver == ("" if is_core(rule.bad[0]) else "example")
        assert finding.level in (rule.level, rule.level_not_opted_in)
        assert finding.column > 0
        assert finding.source.strip()


def test_the_level_depends_on_the_opt_in() -> None:
    rule = next(r for r in RULES if r.type == "DIRECT_OFFLOAD_HANDLE")
    levels = []
    for text in rule.bad:
        levels.append({f.level for f in checked(text).findings if f.type == rule.type})

    opted_in = ["XFRMDEV_OPS_F_LOWER_HANDLE" in text for text in rule.bad]
    # No driver of this tree hands xdo_dev_offload_ok on.
    own = ["example_offload_ok" in text for text in rule.bad]
    wanted = [
        "CHECK" if alone else "ERROR" if flag else "WARNING"
        for alone, flag in zip(own, opted_in, strict=True)
    ]
    assert levels == [{level} for level in wanted]
    assert set(wanted) == {"ERROR", "WARNING", "CHECK"}


@each_rule
def test_a_query_runs_on_an_empty_sealed_store(rule: Rule) -> None:
    store = Store()
    store.seal()
    names, rows = store.query(rule.query)
    assert set(COLUMNS) <= set(names)
    assert rows == []


@pytest.mark.parametrize("there", [NEEDS, ()])
def test_all_rules_are_silent_on_an_empty_store(there: Iterable[str]) -> None:
    store = Store()
    store.seal()
    assert run_rules(RULES, store, Words(frozenset(there)), lambda path, line: "") == []


def test_a_rule_is_silent_without_what_it_needs(tmp_path: Path) -> None:
    store = Store()
    store.add([SITE])
    store.seal()
    rule = load_rule(written(tmp_path, WHOLE + 'needs = ["private", "resolver"]\n'))
    assert rule.needs == {"private", "resolver"}
    for there in ((), ("private",), ("resolver", "sharing")):
        assert run_rules([rule], store, Words(frozenset(there)), lambda path, line: "") == []
    whole = Words(frozenset(["resolver", "private"]))
    assert len(run_rules([rule], store, whole, lambda path, line: "")) == 1


def test_a_message_is_said_in_the_trees_own_words(tmp_path: Path) -> None:
    store = Store()
    tree = TreeRow("7.4.0", "present", "unnamed", 1, 1)
    store.add([SITE, tree, WordRow("member", "handle", "hw_key", "include/net/xfrm.h", 3)])
    store.seal()
    text = WHOLE.replace("is odd", "reads xso.offload_handle, no offload_handles, of {driver}")
    rule = load_rule(written(tmp_path, text))
    (found,) = run_rules([rule], store, words_of(store), lambda path, line: "")
    assert found.message == "f() reads xso.hw_key, no offload_handles, of a"


def written(folder: Path, text: str, name: str = "odd.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_a_whole_rule_file_loads(tmp_path: Path) -> None:
    rule = load_rule(written(tmp_path, WHOLE))
    assert (rule.type, rule.level, rule.level_not_opted_in) == ("ODD", "ERROR", "ERROR")
    assert not rule.needs
    assert (rule.bad, rule.good) == ((), ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(WHOLE + 'colour = "red"\n', "unknown field colour", id="unknown field"),
        pytest.param(
            WHOLE + 'size = 1\ncolour = "red"\n', "unknown field colour, size", id="unknown fields"
        ),
        pytest.param(WHOLE.replace("ERROR", "FATAL"), "level 'FATAL'", id="bad level"),
        pytest.param(
            WHOLE + 'level_not_opted_in = "warning"\n', "level 'warning'", id="bad second level"
        ),
        pytest.param(WHOLE.replace('"ERROR"', "3"), "level missing", id="level no string"),
        pytest.param(WHOLE.replace("why", "what"), "why missing", id="field missing"),
        pytest.param("", "level, message, fix, why, reference, query missing", id="empty"),
        pytest.param(WHOLE.replace("even", r"odd\neven"), "fix is more than a line", id="long fix"),
        pytest.param(WHOLE + "reports = 3\n", "reports", id="reports no text"),
        pytest.param("level = \n", "Invalid value", id="broken TOML"),
        pytest.param(WHOLE + "bad = ['''\n", "Expected", id="string not closed"),
        pytest.param(WHOLE + 'level = "CHECK"\n', "Cannot overwrite", id="field twice"),
        pytest.param(WHOLE + "bad = 3\n", "bad", id="bad no list"),
        pytest.param(WHOLE + "good = [1]\n", "good", id="good no strings"),
        pytest.param(WHOLE + 'bad = "int i;"\n', "bad", id="bad one string"),
        pytest.param(WHOLE + 'needs = "private"\n', "needs", id="needs no list"),
        pytest.param(WHOLE + 'needs = ["privat"]\n', "'privat' is none of", id="needs unknown"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_rule(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert said in message
    assert "\n" not in message


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"level = '\xff'\n")
    for path in (tmp_path / "bytes.toml", tmp_path / "none.toml", tmp_path):
        with pytest.raises(InputError) as caught:
            load_rule(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rules"):
        load_rules([rules_folder(), tmp_path])


@pytest.mark.parametrize(
    ("query", "message", "said"),
    [
        pytest.param("SELECT", "", "incomplete input", id="half a query"),
        pytest.param("SELECT * FROM no_such", "", "no such table: no_such", id="no table"),
        pytest.param("SELECT no_such FROM site", "", "no such column: no_such", id="no column"),
        pytest.param("", "", "lacks path", id="empty query"),
        pytest.param("SELECT path, line FROM site", "", "lacks column, function, driver", id="few"),
        pytest.param("DELETE FROM site", "", "not authorized", id="deletes"),
        pytest.param("DROP TABLE site", "", "not authorized", id="drops"),
        pytest.param("PRAGMA query_only = OFF", "", "not authorized", id="pragma"),
        pytest.param("ATTACH DATABASE ':memory:' AS x", "", "not authorized", id="attaches"),
        pytest.param(f"{QUERY}; {QUERY}", "", "one statement", id="two queries"),
        pytest.param(f"{QUERY} WHERE line = ?", "", "binding", id="parameter"),
        pytest.param(f"{QUERY}\0", "", "null character", id="null character"),
        pytest.param(QUERY, "{field}() is odd", "message wants 'field'", id="message's value"),
        pytest.param(QUERY, "{function", "message", id="message not closed"),
        pytest.param(QUERY, "{}", "message", id="message without a name"),
        pytest.param(QUERY, "{line:q}", "message", id="message's format"),
        pytest.param(QUERY, "{path.no}", "message", id="message's attribute"),
        pytest.param(QUERY, "{path[no]}", "message", id="message's index"),
        pytest.param(
            "SELECT path, NULL AS line, column, function, driver FROM site", "", "line", id="NULL"
        ),
        pytest.param(
            "SELECT path, 'x' AS line, column, function, driver FROM site", "", "line", id="no line"
        ),
    ],
)
def test_a_wrong_query_is_refused_in_one_line(query: str, message: str, said: str) -> None:
    store = Store()
    store.add([SITE])
    store.seal()
    rule = Rule(
        "ODD", "ERROR", "ERROR", "", frozenset(), message or "odd", "", "", "", "", query, (), ()
    )
    with pytest.raises(InputError) as caught:
        run_rules([rule], store, Words(), lambda path, line: "")
    text = str(caught.value)
    assert text.startswith("rule ODD: ")
    assert said in text
    assert "\n" not in text


def test_a_second_folder_overrides_and_adds(tmp_path: Path) -> None:
    written(tmp_path, WHOLE.replace("ERROR", "CHECK"), "upper_priv_rcu.toml")
    written(tmp_path, WHOLE, "odd.toml")
    rules = load_rules([rules_folder(), tmp_path])

    assert [r.type for r in rules] == sorted({*(r.type for r in RULES), "ODD"})
    mine = next(r for r in rules if r.type == "UPPER_PRIV_RCU")
    assert (mine.level, mine.why, mine.query) == ("CHECK", "Because.", QUERY)
    others = {r.type: r for r in RULES}
    assert all(r == others[r.type] for r in rules if r.type not in ("ODD", "UPPER_PRIV_RCU"))
