"""Comments that silence findings: what they hold for, and what is said of the useless ones."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.asked import report_on
from tests.laid import lay_fixture
from tests.ran import run, run_json
from tests.trees import FOO, HEAD, Memory, tree
from xfrmlint.c.unit import LARGEST, Unit
from xfrmlint.findings import Finding, Report
from xfrmlint.rules import ABOUT_COMMENTS, load_rules, rules_folder
from xfrmlint.triage.suppression import split, suppressions_in

# The resolver of the tree in memory is a short one, and wrong.
RULES = [r for r in load_rules([rules_folder()]) if not r.type.startswith("RESOLVER_")]
CONTROL = "CONTROL_OFFLOAD_HANDLE"
WRITE = "OFFLOAD_HANDLE_WRITE"
UNUSED, NO_REASON, NO_TYPE = sorted(ABOUT_COMMENTS)
GOOD = f"xfrmlint: ignore[{CONTROL}] a reason"
READ = "\tprefetch((void *)x->xso.offload_handle);\n"
DRIVER = f"""\
{HEAD}
static int foo_add(struct net_device *dev, struct xfrm_state *x, struct netlink_ext_ack *extack)
{{
	x->xso.offload_handle = 1;
	return 0;
}}

static void foo_delete(struct net_device *dev, struct xfrm_state *x)
{{
%s}}

static const struct xfrmdev_ops foo_ops = {{
	.xdo_dev_state_add	= foo_add,
	.xdo_dev_state_delete	= foo_delete,
}};

void foo_init(struct net_device *dev)
{{
	dev->xfrmdev_ops = &foo_ops;
}}
"""
START = DRIVER.split("%s")[0].count("\n")


def lines_of(text: str) -> list[tuple[list[int], tuple[str, ...], str]]:
    """Return (lines, types, reason) of each comment for xfrmlint in a text."""
    found = suppressions_in(Unit("a.c", text.encode("utf-8", "surrogateescape")))
    return [(list(one.lines), one.types, one.reason) for one in found]


def held(text: str) -> list[int]:
    return [line for lines, _, _ in lines_of(text) for line in lines]


def checked(body: str, **more: str) -> Report:
    """Check a driver whose foo_delete() has that body."""
    return report_on(tree({FOO: DRIVER % body, **more}), RULES)


def said(findings: Sequence[Finding]) -> list[tuple[int, str]]:
    """Return (line of the body, type) of findings in the driver."""
    return [(f.line - START, f.type) for f in findings if f.path == FOO]


# --- no comment for xfrmlint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "int a;\n",
        "/* ignore[X] a reason */\n",
        "/* see xfrmlint: ignore[X] a reason */\n",
        "/* outer /* xfrmlint: ignore[X] a reason */\n",
        'char *s = "/* xfrmlint: ignore[X] a reason */";\n',
        'char *s = "\\"/* xfrmlint: ignore[X] a reason */";\n',
        'char c = \'"\'; char *s = "// xfrmlint: ignore[X] a reason";\n',
        "/* xfrmlint : ignore[X] a reason */\n",
        "/* XFRMLINT: ignore[X] a reason */\n",
        "int a; /* xfrmlint: ignore[X] a comment that never ends\n",
        "/*/ xfrmlint: ignore[X] neither does this\n",
        "xfrmlint: ignore[X] no comment\n",
    ],
)
def test_no_suppression(text: str) -> None:
    assert lines_of(text) == []


def test_a_file_that_is_too_large_is_not_looked_into() -> None:
    text = b"/* xfrmlint: ignore[X] a reason */\n" + b" " * LARGEST
    assert list(suppressions_in(Unit("a.c", text))) == []


def test_a_tree_without_comments_is_as_it_was() -> None:
    report = checked(READ)
    assert said(report.findings) == [(1, CONTROL)]
    assert report.suppressed == ()


# --- the comment


@pytest.mark.parametrize(
    ("text", "types", "reason"),
    [
        ("/* xfrmlint: ignore[A] why */", ("A",), "why"),
        ("/*xfrmlint:ignore[A]why*/", ("A",), "why"),
        ("/** xfrmlint: ignore [A]   why  not **/", ("A",), "why not *"),
        ("// xfrmlint: ignore[A] why", ("A",), "why"),
        ("/// xfrmlint: ignore[A] why", ("A",), "why"),
        ("// xfrmlint: ignore[A] why\r", ("A",), "why"),
        ("/* xfrmlint: ignore[A, B,C , A] why */", ("A", "B", "C"), "why"),
        ("/* xfrmlint: ignore[,a,] why */", ("A",), "why"),
        ("/* xfrmlint: ignore[A]: why */", ("A",), ": why"),
        ("/*\n * xfrmlint: ignore[A]\n * why\n * not\n */", ("A",), "why not"),
        ("/*\r\n * xfrmlint: ignore[A,\r\n * B] why\r\n */", ("A", "B"), "why"),
        ("// xfrmlint: ignore[A] \\\n why", ("A",), "why"),
        ("/* xfrmlint: ignore[A] /* nested // why */", ("A",), "/* nested // why"),
        ("/* xfrmlint: ignore[A] näher \udcff */", ("A",), "näher \ufffd"),
        ("/* xfrmlint: ignore[A] w\0hy */", ("A",), "w hy"),
        ("/* xfrmlint: ignore[] why */", (), "why"),
        ("/* xfrmlint: ignore[A] */", ("A",), ""),
        ("/* xfrmlint: ignore[A] --- ... */", ("A",), ""),
        ("/* xfrmlint: ignore[A]\n *\n */", ("A",), ""),
        ("// xfrmlint: ignore[A]", ("A",), ""),
    ],
)
def test_types_and_reason(text: str, types: tuple[str, ...], reason: str) -> None:
    assert [(found, why) for _, found, why in lines_of(text)] == [(types, reason)]


@pytest.mark.parametrize(
    "text",
    ["", "ignore", "ignore A why", "ignore[A why", "ignored[A] why", "off", "disable[A] why"],
)
def test_what_xfrmlint_does_not_understand_is_no_ignore(text: str) -> None:
    (found,) = suppressions_in(Unit("a.c", f"/* xfrmlint: {text} */".encode()))
    assert (found.readable, found.types, found.reason) == (False, (), "")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"/* {GOOD} */\na;\n", [1, 2]),
        (f"\n\t// {GOOD}\na;\n", [2, 3]),
        (f"a; /* {GOOD} */\nb;\n", [1]),
        (f"/* {GOOD} */ a;\nb;\n", [1]),
        (f"a; // {GOOD}\nb;\n", [1]),
        (f"/* {GOOD} */ /* more */\na;\n", [1, 2]),
        (f"/*\n * {GOOD}\n */\na;\n", [3, 4]),
        (f"a; /* {GOOD}\n */\nb;\n", [2, 3]),
        (f"/* {GOOD}\n */ a;\nb;\n", [2]),
        (f"/* {GOOD} */\r\na;\r\n", [1, 2]),
        (f"/*\r\n * {GOOD}\r\n */\r\na;\r\n", [3, 4]),
        (f"#define A(x) \\\n\t/* {GOOD} */ \\\n\t(x)\n", [2, 3]),
        (f"#define A(x) (x) /* {GOOD} */\na;\n", [1]),
        (f"#define A(x) \\\r\n\t(x) /* {GOOD} */ \\\r\n\ta\r\n", [2]),
        (f"/* {GOOD} */\n#define A(x) (x)\n", [1, 2]),
        (f"// {GOOD} \\\n more\na;\n", [2, 3]),
        (f"a;\n/* {GOOD} */", [2, 3]),
    ],
)
def test_lines(text: str, lines: list[int]) -> None:
    assert held(text) == lines


@pytest.mark.parametrize(
    ("text", "column"),
    [(f"\t/* {GOOD} */\n", 2), (f"ä; // {GOOD}\n", 5), (f"a; /* {GOOD}\n  * b */\n", 3)],
)
def test_the_column_counts_bytes_on_the_last_line(text: str, column: int) -> None:
    (found,) = suppressions_in(Unit("a.c", text.encode()))
    assert found.comment.column == column


# --- what is silenced


@pytest.mark.parametrize(
    "body",
    [
        f"\t/* {GOOD} */\n{READ}",
        f"\t// {GOOD}\n{READ}",
        f"{READ.rstrip()} /* {GOOD} */\n",
        f"\t/* {GOOD} */{READ}",
        f"\t/*\n\t * {GOOD}\n\t */\n{READ}",
        f"\t/* xfrmlint: ignore[{CONTROL.lower()}] a reason */\n{READ}",
        f"\t/* {GOOD} */\n{READ}".replace("\n", "\r\n"),
        f"#define H(x) ((x)->xso.offload_handle) /* {GOOD} */\n\tprefetch((void *)H(x));\n",
        f"\t/* {GOOD} */\n#define H(x) ((x)->xso.offload_handle)\n\tprefetch((void *)H(x));\n",
        f"#define H(x) \\\n/* {GOOD} */ \\\n((x)->xso.offload_handle)\n\tprefetch((void *)H(x));\n",
        f"\tbar(x->xso.offload_handle, x->xso.offload_handle); // {GOOD}\n",
    ],
)
def test_a_finding_is_silenced(body: str) -> None:
    report = checked(body)
    assert report.findings == ()
    assert {f.type for f in report.suppressed} == {CONTROL}


def test_only_the_named_types_of_a_line_are_silenced() -> None:
    line = "\tx->xso.offload_handle = bar(x->xso.offload_handle);"
    assert said(checked(f"{line}\n").findings) == [(1, CONTROL), (1, WRITE)]
    one = checked(f"{line} /* {GOOD} */\n")
    assert said(one.findings) == [(1, WRITE)]
    assert said(one.suppressed) == [(1, CONTROL)]
    both = checked(f"{line} /* xfrmlint: ignore[{WRITE}, {CONTROL}] a reason */\n")
    assert said(both.findings) == []
    assert sorted(said(both.suppressed)) == [(1, CONTROL), (1, WRITE)]


def test_a_comment_behind_code_leaves_the_next_line_alone() -> None:
    report = checked(f"{READ.rstrip()} /* {GOOD} */\n{READ}")
    assert said(report.findings) == [(2, CONTROL)]
    assert said(report.suppressed) == [(1, CONTROL)]


def test_two_comments_hold_for_one_line() -> None:
    report = checked(f"\t/* {GOOD} */\n{READ.rstrip()} /* {GOOD} */\n")
    assert report.findings == ()
    assert len(report.suppressed) == 1


def test_the_driver_has_less_to_convert() -> None:
    (before,), (after,) = checked(READ).drivers, checked(f"\t/* {GOOD} */\n{READ}").drivers
    assert (before.missing, after.missing) == ((f"1 {CONTROL}",), ())
    assert (before.control, after.control) == (1, 1)


# --- what silences nothing


@pytest.mark.parametrize(
    ("body", "found", "message"),
    [
        (f"\t/* {GOOD} */\n\n{READ}", [(1, UNUSED), (3, CONTROL)], f"no {CONTROL} here"),
        (f"\t/* {GOOD} */\n\t/* b */\n{READ}", [(1, UNUSED), (3, CONTROL)], f"no {CONTROL} here"),
        (f"{READ}\t/* {GOOD} */\n", [(1, CONTROL), (2, UNUSED)], f"no {CONTROL} here"),
        (f"\tbar(); /* {GOOD} */\n{READ}", [(1, UNUSED), (2, CONTROL)], f"no {CONTROL} here"),
        (
            f"\t/* xfrmlint: ignore[{WRITE}, UPPER_PRIV_ACCESS] a reason */\n{READ}",
            [(1, UNUSED), (2, CONTROL)],
            f"no {WRITE}, UPPER_PRIV_ACCESS here",
        ),
        (
            f"\t/* xfrmlint: ignore[{UNUSED}, {CONTROL}] a reason */\n{READ}",
            [(1, UNUSED)],
            f"no {UNUSED} here",
        ),
        (
            f"\t/* xfrmlint: ignore[{CONTROL}] */\n{READ}",
            [(1, NO_REASON), (2, CONTROL)],
            f"a reason is missing behind ignore[{CONTROL}]",
        ),
        (
            f"\t/* xfrmlint: ignore[NO_SUCH, {CONTROL}, {{x}}] a reason */\n{READ}",
            [(1, NO_TYPE)],
            "names NO_SUCH, {X}, which",
        ),
        (
            f"\t/* xfrmlint: ignore[] a reason */\n{READ}",
            [(1, NO_TYPE), (2, CONTROL)],
            "names nothing",
        ),
        (
            f"\t/* xfrmlint: ignore a reason */\n{READ}",
            [(1, NO_TYPE), (2, CONTROL)],
            "names something else than ignore[TYPE] reason",
        ),
    ],
)
def test_a_comment_that_silences_nothing_is_reported(
    body: str, found: list[tuple[int, str]], message: str
) -> None:
    report = checked(body)
    assert said(report.findings) == found
    (about,) = (f for f in report.findings if f.type in ABOUT_COMMENTS)
    assert message in about.message
    assert (about.function, about.driver) == ("foo_delete", "foo")
    assert about.source.lstrip() in body
    levels = {UNUSED: "CHECK", NO_REASON: "WARNING", NO_TYPE: "WARNING"}
    assert about.level == levels[about.type]


def test_a_comment_without_reason_and_type_is_told_both() -> None:
    report = checked("\t/* xfrmlint: ignore[NO_SUCH] */\n")
    assert said(report.findings) == [(1, NO_REASON), (1, NO_TYPE)]


def test_fingerprints_of_equal_comments_differ() -> None:
    report = checked(f"\t/* {GOOD} */\n" * 3)
    assert len(report.findings) == 3
    assert len({f.fingerprint for f in report.findings}) == 3


def test_a_file_without_a_word_of_offload_is_judged() -> None:
    report = checked("", **{"lib/a.c": f"/* {GOOD} */\nint a;\n", "lib/b.c": "int b;\n"})
    assert [(f.path, f.line, f.type, f.function) for f in report.findings] == [
        ("lib/a.c", 1, UNUSED, "")
    ]
    without = checked("")
    assert (report.parsed, report.unknown) == (without.parsed, without.unknown)


def test_a_header_is_judged() -> None:
    report = checked("", **{"drivers/net/foo/foo.h": f"/* {GOOD} */\nint a;\n"})
    assert [(f.path, f.type, f.driver) for f in report.findings] == [
        ("drivers/net/foo/foo.h", UNUSED, "")
    ]


def test_what_no_rule_looked_for_is_not_unused() -> None:
    text = f"{HEAD}/* xfrmlint: ignore[WRONG_LOWER_DEV] asks for its own port */\n"
    whole = tree({FOO: text})
    files = {p: whole.read(p) for p in ("Makefile", "include/linux/netdevice.h", FOO)}
    bare = Memory({**files, "include/net/xfrm.h": b"struct xfrm_state { int mode; };\n"})
    assert report_on(bare, RULES).contract == "absent"
    assert report_on(bare, RULES).findings == ()
    assert [f.type for f in report_on(whole, RULES).findings] == [UNUSED]


def test_what_is_never_compiled_is_not_unused() -> None:
    body = f"#if 0\n\t/* {GOOD} */\n{READ}#endif\n"
    assert said(checked(body).findings) == []
    assert said(checked(body.replace("#if 0", "#ifdef A")).suppressed) == [(3, CONTROL)]
    assert said(checked(f"{body}\t/* {GOOD} */\n").findings) == [(5, UNUSED)]


def test_what_was_not_analysed_is_not_unused() -> None:
    # The two branches can't both be parsed, and one of them is left out.
    body = f"""\
#ifdef CONFIG_A
	if (x->xso.offload_handle) {{
#else
	/* {GOOD} */
	{{ {{
#endif
	}}
"""
    report = checked(body)
    assert [f.type for f in report.findings] == [CONTROL]


def test_a_rule_of_ones_own_is_a_type() -> None:
    text = DRIVER % "\t/* xfrmlint: ignore[MINE] a reason */\n"
    like = next(rule for rule in RULES if rule.type == CONTROL)
    mine = like._replace(type="MINE", query=like.query + " AND 0")
    with_it = report_on(tree({FOO: text}), [*RULES, mine])
    assert [f.type for f in with_it.findings] == [UNUSED]
    assert [f.type for f in report_on(tree({FOO: text}), RULES).findings] == [NO_TYPE]


def test_no_rule_about_comments_no_finding_about_comments() -> None:
    rules = [rule for rule in RULES if rule.type not in ABOUT_COMMENTS]
    report = report_on(tree({FOO: DRIVER % f"\t/* {GOOD} */\n{READ}\t// {GOOD}\n"}), rules)
    assert report.findings == ()
    assert len(report.suppressed) == 1


# --- the command


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A tree with an ERROR and a silenced CHECK, and a comment that silences nothing."""
    demo = lay_fixture("demo", tmp_path / "demo")
    source = demo / "drivers/net/sunrise/sunrise_ipsec.c"
    comment = f"/* expect: {CONTROL} */"
    assert source.read_text().count(comment) == 1
    source.write_text(source.read_text().replace(comment, f"/* {GOOD} */") + f"\n/* {GOOD} */\n")
    return demo


def test_check_says_what_it_does_not_show(demo: Path) -> None:
    ran = run("check", "--show-types", cwd=demo)
    assert ran.status == 1
    assert f"CHECK:{CONTROL}: " not in ran.out
    assert f"CHECK:{UNUSED}: there is no {CONTROL} here: this comment silences nothing\n" in ran.out
    assert "note: not shown: 1 by comments\n" in ran.out
    assert run_json(cwd=demo)["summary"]["suppressed"] == 1


def test_the_types_can_be_chosen_and_listed(demo: Path) -> None:
    ran = run("check", "--terse", "--types", UNUSED, cwd=demo)
    assert (ran.status, len(ran.out.splitlines())) == (0, 2)
    assert f":{UNUSED}: " not in run("check", "--show-types", "--ignore", UNUSED, cwd=demo).out
    listed = run("check", "--list-types", cwd=demo).out
    assert all(f"\t{kind}\n" in listed for kind in ABOUT_COMMENTS)
    for kind in ABOUT_COMMENTS:
        assert run("explain", kind, cwd=demo).out.startswith(f"{kind} (")


def test_sarif_names_the_rule(demo: Path) -> None:
    (log,) = json.loads(run("check", "--format", "sarif", cwd=demo).out)["runs"]
    (result,) = (one for one in log["results"] if one["ruleId"] == UNUSED)
    assert log["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == UNUSED
    assert result["level"] == "note"
    assert CONTROL not in [one["ruleId"] for one in log["results"]]


# --- hostile comments

PIECES = st.sampled_from(
    [
        *r"""xfrmlint: ignore [ ] A , /* */ // \ " ' #if #define * why { } é""".split(),
        *(" ", "\n", "\r\n", "\t", "\0", "\udcff", f"/* {GOOD} */", "xfrmlint: ignore[A] why"),
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_can_be_looked_into(text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    unit = Unit("a.c", data)
    found = list(suppressions_in(unit))
    last = data.count(b"\n") + 1
    for one in found:
        assert 1 <= one.comment.line <= last
        assert 1 <= one.comment.column <= len(data) + 1
        assert data[one.comment.start : one.comment.start + 2] in (b"/*", b"//")
    finding = Finding("A", "CHECK", "a.c", 1, 1, "", "", "", (), (), (), "", "", "", "")
    findings = [finding._replace(line=line) for line in range(1, last + 1)]
    result = split(findings, found)
    assert sorted(result.kept + result.suppressed) == findings
    with_reason = {line for one in found if one.reason and "A" in one.types for line in one.lines}
    assert {f.line for f in result.suppressed} == with_reason & set(range(1, last + 1))


def test_a_line_of_comments_is_looked_into() -> None:
    unit = Unit("a.c", f"/* {GOOD} */ ".encode() * 20_000)
    found = list(suppressions_in(unit))
    assert len(found) == 20_000
    assert {one.comment.alone for one in found} == {True}
