"""What a run prints: as checkpatch prints it, as JSON, as tables and pages for people."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.slow import but_first
from xfrmlint import __version__
from xfrmlint.findings import (
    Confirmation,
    DriverLine,
    Finding,
    Hop,
    Known,
    Related,
    Report,
    Unknown,
)
from xfrmlint.report import checkpatch, drivers, rulepage, verbose
from xfrmlint.report import json as json_report
from xfrmlint.report.checkpatch import Options, shown
from xfrmlint.report.terminal import colored, printable
from xfrmlint.rules import Rule, load_rules, rules_folder

CHAIN = (
    Hop("a_xmit", "drivers/net/a/main.c", 210, "ndo_start_xmit"),
    Hop("a_tx", "drivers/net/a/main.c", 150, ""),
    Hop("a_esp", "drivers/net/a/tx.c", 30, "a_ops.tx"),
    Hop("a_read", "drivers/net/a/tx.c", 20, "header inline"),
)
FINDING = Finding(
    type="DIRECT_OFFLOAD_HANDLE",
    level="WARNING",
    path="drivers/net/a/a.h",
    line=7,
    column=9,
    function="a_read",
    driver="a",
    message="a_read() reads xso.offload_handle",
    chain=(),
    more_chains=(),
    related=(),
    confidence="high",
    parser="tree-sitter",
    source="\treturn x->xso.offload_handle;",
    fingerprint="0123456789abcdef",
    fix="ask the resolver",
)
ERROR = FINDING._replace(type="UPPER_PRIV_ACCESS", level="ERROR", line=9)
CHECK = FINDING._replace(type="CONTROL_OFFLOAD_HANDLE", level="CHECK", line=11)
CRYPTO_CHECK = CHECK._replace(path="drivers/crypto/b.c")
UNKNOWN = Unknown("drivers/net/a/b.c", 0, "", "too large")
DRIVER = DriverLine(
    "a", "a_xfrmdev_ops", "drivers/net/a/main.c", 5, "lower", True, False, 1, 0, 3, "direct", ()
)
RULE = Rule(
    type="DIRECT_OFFLOAD_HANDLE",
    level="ERROR",
    level_not_opted_in="WARNING",
    level_own_states="",
    needs=frozenset(),
    message="{function}() reads xso.offload_handle",
    reports="",
    fix="ask the resolver",
    why="The handle can be another device's. It is shared.",
    reference="include/net/xfrm.h,\nstruct xfrm_dev_offload",
    query="SELECT path, line\nFROM datapath_read",
    bad=("\nint f(void)\n{\n\treturn h; /* expect: DIRECT_OFFLOAD_HANDLE */\n}\n",),
    good=("int g(void);\n",),
)
PLAIN = RULE._replace(type="PLAIN", level_not_opted_in="ERROR", needs=frozenset(["resolver"]))


def report(
    *findings: Finding,
    drivers: Sequence[DriverLine] = (),
    unknown: Sequence[Unknown] = (),
    contract: str = "present",
    version: str = "7.3.4",
    lines: int = 40,
) -> Report:
    return Report(version, contract, findings, tuple(drivers), tuple(unknown), 2, lines)


def printed(what: Report, **options: Any) -> list[str]:
    return list(checkpatch.render(what, Options(**options)))


# --- quiet cases


@pytest.mark.parametrize(
    "options",
    [
        {"terse": True},
        {"quiet": 1},
        {"quiet": 2},
        {"terse": True, "quiet": 1, "summary": False, "showfile": True},
        {"terse": True, "strict": True, "show_types": True, "color": True},
    ],
)
def test_clean_tree_prints_nothing(options: dict[str, Any]) -> None:
    assert printed(report(unknown=[UNKNOWN], contract="absent"), **options) == []


def test_clean_tree_gets_its_verdict() -> None:
    assert printed(report()) == [
        "total: 0 errors, 0 warnings, 40 lines checked",
        "",
        "Linux 7.3.4 has no obvious xfrm offload problems.",
    ]


def test_verdict_without_summary_or_version() -> None:
    assert printed(report(version=""), summary=False) == [
        "",
        "This tree has no obvious xfrm offload problems.",
    ]


def test_no_ops_table() -> None:
    assert list(drivers.render(report(), 80)) == ["No struct xfrmdev_ops is defined in this tree."]


@pytest.mark.parametrize(
    ("finding", "options"),
    [
        (CRYPTO_CHECK, {}),
        (FINDING, {"types": frozenset({"UPPER_PRIV_ACCESS"})}),
        (FINDING, {"ignore": frozenset({"DIRECT_OFFLOAD_HANDLE"})}),
        (FINDING, {"ignore": frozenset({"direct_offload_handle"})}),
    ],
)
def test_hidden(finding: Finding, options: dict[str, Any]) -> None:
    assert shown([finding], Options(**options)) == []
    assert printed(report(finding), terse=True, **options) == []


@pytest.mark.parametrize(
    ("finding", "options"),
    [
        (CHECK, {}),
        (CHECK._replace(path="net/xfrm/b.c"), {}),
        (CHECK._replace(path="drivers/staging/b.c"), {}),
        (CRYPTO_CHECK, {"strict": True}),
        (FINDING, {"types": frozenset({"direct_offload_handle"})}),
        (FINDING, {"types": frozenset({FINDING.type}), "ignore": frozenset({FINDING.type})}),
        (FINDING, {"types": frozenset()}),
    ],
)
def test_shown(finding: Finding, options: dict[str, Any]) -> None:
    assert shown([finding], Options(**options)) == [finding]


def test_shown_is_sorted() -> None:
    assert shown([CHECK, ERROR, CRYPTO_CHECK, FINDING], Options(strict=True)) == [
        CRYPTO_CHECK,
        FINDING,
        ERROR,
        CHECK,
    ]


# --- as checkpatch


def test_default_output() -> None:
    assert printed(report(FINDING, ERROR, unknown=[UNKNOWN])) == [
        "WARNING: a_read() reads xso.offload_handle",
        "#7: FILE: drivers/net/a/a.h:7:",
        "+\treturn x->xso.offload_handle;",
        "",
        "ERROR: a_read() reads xso.offload_handle",
        "#9: FILE: drivers/net/a/a.h:9:",
        "+\treturn x->xso.offload_handle;",
        "",
        "total: 1 errors, 1 warnings, 0 checks, 40 lines checked",
        "note: 1 place could not be analysed (xfrmlint check --show-unknown lists them)",
        "",
        "Linux 7.3.4 has xfrm offload problems, please review.",
        "",
        "NOTE: DIRECT_OFFLOAD_HANDLE: ask the resolver; xfrmlint explain DIRECT_OFFLOAD_HANDLE",
        "NOTE: UPPER_PRIV_ACCESS: ask the resolver; xfrmlint explain UPPER_PRIV_ACCESS",
        "",
        "NOTE: If any of the errors are false positives, please report",
        "      them to the maintainers of xfrmlint.",
    ]


@pytest.mark.parametrize("options", [{"quiet": 1}, {"terse": True}, {"types": frozenset(["X"])}])
def test_no_fix_where_no_note_is_wanted_or_nothing_is_shown(options: dict[str, Any]) -> None:
    assert "ask the resolver" not in "\n".join(printed(report(FINDING), **options))


def test_a_comment_that_names_an_error_is_told_as_it_is_written() -> None:
    (rule,) = [one for one in load_rules([rules_folder()]) if one.type.endswith("WITHOUT_TYPE")]
    message = rule.message.replace("{named}", "ERROR")
    assert printed(report(FINDING._replace(message=message)))[0].endswith(f" {message}")


def test_a_fix_is_told_once_a_type() -> None:
    lines = printed(report(FINDING, FINDING._replace(line=20), ERROR._replace(fix="")))
    assert [line for line in lines if "xfrmlint explain" in line] == [
        "NOTE: DIRECT_OFFLOAD_HANDLE: ask the resolver; xfrmlint explain DIRECT_OFFLOAD_HANDLE"
    ]


def test_a_fix_is_no_error_to_b4() -> None:
    lines = printed(report(FINDING._replace(fix="ERROR: \033[2J")))
    assert [line for line in lines if line.startswith("NOTE: DIRECT")] == [
        "NOTE: DIRECT_OFFLOAD_HANDLE: ERRO\\x52: \\x1b[2J; xfrmlint explain DIRECT_OFFLOAD_HANDLE"
    ]


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({}, "WARNING: a_read"),
        ({"show_types": True}, "WARNING:DIRECT_OFFLOAD_HANDLE: a_read"),
        ({"emacs": True}, "drivers/net/a/a.h:7: WARNING: a_read"),
        ({"showfile": True}, "drivers/net/a/a.h:7: WARNING: a_read"),
        ({"color": True}, "\033[33mWARNING:\033[0m a_read"),
        (
            {"color": True, "terse": True, "show_types": True},
            "\033[33mdrivers/net/a/a.h:7: WARNING:\033[34mDIRECT_OFFLOAD_HANDLE:\033[0m a_read",
        ),
    ],
)
def test_first_line(options: dict[str, Any], first: str) -> None:
    assert printed(report(FINDING), **options)[0].startswith(first)


def test_terse_is_one_line_a_finding() -> None:
    found = FINDING._replace(chain=CHAIN, more_chains=(CHAIN,), related=(Related("a.c", 1, "b"),))
    assert printed(report(found, unknown=[UNKNOWN]), terse=True, summary=False) == [
        "drivers/net/a/a.h:7: WARNING: a_read() reads xso.offload_handle"
    ]


def test_unknown_is_told_where_a_verdict_is() -> None:
    lines = printed(report(unknown=[UNKNOWN]), summary=False)
    assert lines[0].startswith("note: 1 place could not be analysed")


MATTERS = Unknown("drivers/net/a/b.c", 7, "f", "whose SA is not known", True)


def test_what_matters_is_named_and_the_rest_counted() -> None:
    lines = printed(report(unknown=[UNKNOWN, MATTERS, UNKNOWN._replace(line=3)]), summary=False)
    assert lines == [
        "note: not analysed: drivers/net/a/b.c:7: f(): whose SA is not known",
        "note: 2 more places could not be analysed (xfrmlint check --show-unknown lists them)",
        "",
        "Linux 7.3.4 could not be analysed where it matters, please review those places.",
    ]


def test_much_that_matters_is_cut_off() -> None:
    many = [MATTERS._replace(line=line) for line in range(1, 26)]
    lines = printed(report(unknown=many), summary=False)
    assert len([line for line in lines if line.startswith("note: not analysed: ")]) == 20
    assert lines[20].startswith("note: 5 more places could not be analysed ")


@pytest.mark.parametrize("quiet", [0, 1])
def test_everything_unknown_is_listed_if_asked_for(quiet: int) -> None:
    rows = [MATTERS, UNKNOWN]
    lines = printed(report(unknown=rows), summary=False, unknown=True, quiet=quiet)
    assert lines[:2] == [
        "note: not analysed: drivers/net/a/b.c: too large",
        "note: not analysed: drivers/net/a/b.c:7: f(): whose SA is not known",
    ]
    assert not [line for line in lines if "more place" in line]


def test_what_is_found_is_said_before_what_is_not() -> None:
    lines = printed(report(FINDING, unknown=[MATTERS]))
    assert "Linux 7.3.4 has xfrm offload problems, please review." in lines


def test_verbose() -> None:
    whole = report(drivers=[DRIVER, DRIVER], unknown=[UNKNOWN])
    assert list(verbose.render(whole, "/linux\033", ("drivers/net/a",), 1.234)) == [
        "tree: /linux\\x1b (Linux 7.3.4, resolver present)",
        "searched: drivers/net/a",
        "drivers: a (lower)",
        "files looked into: 2; places not analysed: 1",
        "time: 1.23 s",
    ]
    assert list(verbose.render(report(version=""), "/linux", (), 0))[:3] == [
        "tree: /linux (resolver present)",
        "searched: the whole tree",
        "drivers: none",
    ]
    assert "searched: nothing: no driver can be touched" in verbose.render(whole, "/", None, 0)


def test_absent_contract_and_chosen_types_are_told() -> None:
    lines = printed(report(contract="absent"), types=frozenset({"b", "A"}), ignore=frozenset("c"))
    assert lines[3:] == [
        "",
        "NOTE: Used message types: A B",
        "",
        "NOTE: Ignored message types: C",
        "",
        "NOTE: Linux 7.3.4 has no resolver for lower devices: the rules that need it",
        "      were not run (xfrmlint rules).",
    ]


def test_checks_are_counted_where_they_can_be_shown() -> None:
    assert "0 checks" not in printed(report(CRYPTO_CHECK))[0]
    assert "1 checks, 40 lines" in printed(report(CRYPTO_CHECK), strict=True, quiet=1)[-1]
    assert "0 checks" in printed(report(drivers=[DRIVER]))[0]


def chain_of(finding: Finding, **options: Any) -> list[str]:
    return printed(report(finding), quiet=1, summary=False, **options)[3:-1]


def test_chain_can_be_checked_by_hand() -> None:
    other = (Hop("a_poll", "drivers/net/a/main.c", 80, "napi_poll"), *CHAIN[2:])
    third = (
        Hop("a_all", "drivers/net/a/main.c", 90, "ndo_xdp_xmit (a_netdev_ops)"),
        Hop("a_read", "drivers/net/a/main.c", 60, "argument of a_each()"),
    )
    fourth = (Hop("a_read", "drivers/net/a/main.c", 95, "handler table a_rx"),)
    finding = FINDING._replace(
        chain=CHAIN,
        more_chains=(other, third, fourth),
        related=(Related("drivers/net/a/tx.c", 3, "the call"),),
    )
    assert chain_of(finding) == [
        "  chain: drivers/net/a/main.c:210: ndo_start_xmit = a_xmit()",
        "         drivers/net/a/main.c:150: a_xmit() calls a_tx()",
        "         drivers/net/a/tx.c:30: a_tx() calls a_esp() through a_ops.tx",
        "         drivers/net/a/tx.c:20: a_esp() calls a_read(), a header inline",
        "   also: drivers/net/a/main.c:80: napi_poll = a_poll()",
        "         drivers/net/a/tx.c:30: a_poll() calls a_esp() through a_ops.tx",
        "         drivers/net/a/tx.c:20: a_esp() calls a_read(), a header inline",
        "   also: drivers/net/a/main.c:90: ndo_xdp_xmit = a_all() through a_netdev_ops",
        "         drivers/net/a/main.c:60: a_all() calls a_read() through argument of a_each()",
        "   also: drivers/net/a/main.c:95: handler table a_rx holds a_read()",
        "    see: drivers/net/a/tx.c:3: the call",
    ]
    assert chain_of(finding, chains=False) == []


def test_shared_end_of_a_further_chain_is_not_repeated() -> None:
    door = Hop("a_xmit", "drivers/net/a/vf.c", 12, "ndo_start_xmit")
    finding = FINDING._replace(chain=CHAIN, more_chains=((door, *CHAIN[1:]),))
    assert chain_of(finding)[4:] == [
        "   also: drivers/net/a/vf.c:12: ndo_start_xmit = a_xmit()",
        "         then as above, from a_xmit()",
    ]
    poll = Hop("a_poll", "drivers/net/a/main.c", 80, "napi_poll")
    clean = Hop("a_tx", "drivers/net/a/main.c", 70, "")
    finding = FINDING._replace(chain=CHAIN, more_chains=((poll, clean, *CHAIN[2:]),))
    assert chain_of(finding)[4:] == [
        "   also: drivers/net/a/main.c:80: napi_poll = a_poll()",
        "         drivers/net/a/main.c:70: a_poll() calls a_tx()",
        "         then as above, from a_tx()",
    ]


@pytest.mark.parametrize("options", [{}, {"emacs": True}, {"showfile": True}])
def test_only_source_lines_look_like_a_patch(options: dict[str, Any]) -> None:
    finding = FINDING._replace(chain=CHAIN, more_chains=(CHAIN[2:],))
    lines = [line for line in printed(report(finding), **options) if line[:1] in ("+", "-", "@")]
    assert lines == ["+" + FINDING.source]


def test_list_types() -> None:
    assert list(checkpatch.list_types([RULE, PLAIN], False)) == [
        "#\tMessage type",
        "",
        "1\tDIRECT_OFFLOAD_HANDLE",
        "2\tPLAIN",
    ]
    assert list(checkpatch.list_types([PLAIN], True))[2:] == ["1\tPLAIN", f"\t{PLAIN.why}", ""]
    coloured = list(checkpatch.list_types([RULE, PLAIN], False, True))
    assert coloured[2].startswith(" ( Color coding: \033[31mERROR\033[0m | \033[33mWARNING\033[0m")
    assert coloured[4:] == ["1\tDIRECT_OFFLOAD_HANDLE", "2\t\033[31mPLAIN\033[0m"]


# --- the real checkpatch


def real_checkpatch() -> Path:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("XFRMLINT_KERNELS") or caches / "xfrmlint-kernels").expanduser()
    scripts = sorted(folder.glob("*/scripts/checkpatch.pl"))
    if not scripts:
        pytest.skip(f"no kernel tree with a checkpatch.pl in {folder}")
    if shutil.which("perl") is None:
        pytest.skip("no perl to run checkpatch.pl with")
    return scripts[-1]


C_FILE = (
    "// SPDX-License-Identifier: GPL-2.0\n\nint f(int a)\n{\n\tif (a){\n\t\ta++;\n"
    "\t\ta--;\n\t}\n\ta = a+1;\n\treturn a ;\n}\n"
)


def as_checkpatch(path: str) -> Report:
    def at(line: int, level: str, message: str) -> Finding:
        source = C_FILE.split("\n")[line - 1]
        return FINDING._replace(
            type="SPACING", level=level, path=path, line=line, message=message, source=source
        )

    return report(
        at(5, "ERROR", "space required before the open brace '{'"),
        at(9, "CHECK", "spaces preferred around that '+' (ctx:VxV)"),
        at(10, "WARNING", "space prohibited before semicolon"),
        lines=len(C_FILE.split("\n")) - 1,
    )


# checkpatch puts a caret line below the source of some findings.
_CARET = re.compile(r"^ *\t* *\^$")


def normalised(lines: Sequence[str]) -> list[str]:
    """Drop what speaks of one file's style: the verdict, the paragraphs NOTE."""
    found = []
    skip = False
    for line in lines:
        skip = line.startswith("NOTE:") or (skip and line.startswith("      "))
        if skip or _CARET.match(line):
            continue
        found.append(re.sub(r"^.* has (.*)problems(.*)$", r"TREE has problems\2", line))
    text = "\n".join(found)
    return re.sub(r"\n\n+", "\n\n", text).rstrip("\n").split("\n")


@pytest.mark.parametrize("path", but_first(["drivers/net/a.c", "drivers/char/a.c"]))
@pytest.mark.parametrize(
    ("switches", "options"),
    but_first(
        [
            ("", {}),
            ("--show-types", {"show_types": True}),
            ("--terse", {"terse": True}),
            ("--terse --show-types", {"terse": True, "show_types": True}),
            ("--terse --showfile", {"terse": True, "showfile": True}),
            ("--terse --no-summary", {"terse": True, "summary": False}),
            ("--emacs", {"emacs": True}),
            ("--emacs --show-types", {"emacs": True, "show_types": True}),
            ("--showfile", {"showfile": True}),
            ("--showfile --emacs", {"showfile": True, "emacs": True}),
            ("-q", {"quiet": 1}),
            ("-q -q", {"quiet": 2}),
            ("-q --no-summary", {"quiet": 1, "summary": False}),
            ("--no-summary", {"summary": False}),
            ("--strict", {"strict": True}),
            ("--color=always", {"color": True}),
            ("--color=always --show-types", {"color": True, "show_types": True}),
            ("--color=always --terse --strict", {"color": True, "terse": True, "strict": True}),
            ("--types SPACING", {"types": frozenset({"SPACING"})}),
            ("--ignore SPACING", {"ignore": frozenset({"SPACING"})}),
            ("--ignore SPACING -q", {"ignore": frozenset({"SPACING"}), "quiet": 1}),
            ("--ignore SPACING --terse", {"ignore": frozenset({"SPACING"}), "terse": True}),
        ],
        6,
    ),
)
def test_same_as_checkpatch(
    tmp_path: Path, path: str, switches: str, options: dict[str, Any]
) -> None:
    script = real_checkpatch()
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(C_FILE)
    # An empty home: a developer's .checkpatch.conf must not decide.
    done = subprocess.run(
        ["perl", str(script), "--no-tree", "--color=never", *switches.split(), "-f", path],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = printed(as_checkpatch(path), **options)
    theirs = done.stdout.split("\n")
    found = [re.sub(r" and is ready for submission\.$", ".", line) for line in theirs]
    assert normalised(ours) == normalised(found)


# --- hostile text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain ünïcode 漢字", "plain ünïcode 漢字"),
        ("a\\b", "a\\b"),
        ("\033[31mred", "\\x1b[31mred"),
        ("a\r\nb\tc\0", "a\\x0d\\x0ab\\x09c\\x00"),
        ("\x7f", "\\x7f"),
        ("\x9b2J", "\\u009b2J"),
        ("\u202eevil\u202c \u2066x\u2069 \u200f\u200e \u061c", None),
        ("\u2028\u2029\u200b\ufeff", "\\u2028\\u2029\\u200b\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff\udc80", "\\xff\\x80"),
        ("\ud800", "\\ud800"),
    ],
)
def test_printable(text: str, expected: str | None) -> None:
    if expected is None:
        expected = "\\u202eevil\\u202c \\u2066x\\u2069 \\u200f\\u200e \\u061c"
    assert printable(text) == expected


def test_printable_keeps_tabs_alone() -> None:
    assert printable("\ta\033\n", keep_tabs=True) == "\ta\\x1b\\x0a"


def test_colored() -> None:
    assert colored("ERROR", "ERROR:", "T:") == "\033[31mERROR:\033[34mT:\033[0m"
    assert colored("CHECK", "CHECK:") == "\033[32mCHECK:\033[0m"
    assert colored("", "T", "U") == "TU"


ATTACK = "a\033]0;owned\a\u202e\n::error::x\r\udcff.c"


@pytest.mark.parametrize("options", [{}, {"terse": True}, {"showfile": True}, {"show_types": True}])
def test_no_text_of_a_tree_reaches_the_terminal_raw(options: dict[str, Any]) -> None:
    hop = Hop(ATTACK, ATTACK, 1, ATTACK)
    finding = FINDING._replace(
        type=ATTACK,
        path=ATTACK,
        message=ATTACK,
        source="\t" + ATTACK,
        chain=(hop, hop),
        more_chains=((hop, hop._replace(line=2)),),
        related=(Related(ATTACK, 1, ATTACK),),
    )
    row = DRIVER._replace(driver=ATTACK, table=ATTACK, path=ATTACK, verdict=ATTACK, role=ATTACK)
    what = report(finding, drivers=[row._replace(missing=(ATTACK,))], version=ATTACK)
    rule = RULE._replace(type=ATTACK, message=ATTACK, why=ATTACK, query=ATTACK, bad=(ATTACK,))
    lines = [
        *checkpatch.render(what, Options(**options)),
        *drivers.render(what, 80),
        *checkpatch.list_types([rule], True),
        *rulepage.table([rule]).split("\n"),
        *rulepage.page(rule).split("\n"),
    ]
    assert [line for line in lines if not line.replace("\t", "").isprintable()] == []
    assert "+\ta\\x1b]0;owned\\x07\\u202e\\x0a::error::x\\x0d\\xff.c" in lines or options == {
        "terse": True
    }


any_text = st.text(st.characters(codec=None), max_size=30) | st.sampled_from(
    ["ERROR", "see ERROR: x", "ERROR:", "\nERROR:", "a\u2028ERROR: b", "ERROR::ERROR"]
)


@given(
    path=any_text,
    message=any_text,
    kind=st.from_regex(r"[A-Z][A-Z_]{0,10}X", fullmatch=True),
    level=st.sampled_from(["ERROR", "WARNING", "CHECK"]),
    showfile=st.booleans(),
)
def test_terse_line_is_one_printable_line_and_its_level_is_its_own(
    path: str, message: str, kind: str, level: str, showfile: bool
) -> None:
    finding = FINDING._replace(path=path, message=message, type=kind, level=level)
    what = report(finding, finding._replace(line=8, chain=CHAIN))
    lines = printed(
        what, terse=True, show_types=True, strict=True, summary=False, showfile=showfile
    )
    assert len(lines) == 2
    for line in lines:
        assert len(line.splitlines()) == 1
        assert printable(line) == line
        line.encode("utf-8")
        assert line.count("ERROR:") == (level == "ERROR")


def test_what_is_not_shown_is_counted() -> None:
    known = Known("a.c", "f", "A", "ERROR", "0", 2)
    whole = report(version="")._replace(
        suppressed=(FINDING,), ignored=(ERROR, CHECK), baselined=(FINDING,) * 3, gone=(known, known)
    )
    assert printed(whole)[1:3] == [
        "note: not shown: 1 by comments, 2 by the tree's .xfrmlint.toml, 3 by the baseline",
        "note: gone from the tree: 4 of the baseline",
    ]
    assert printed(whole._replace(suppressed=(), ignored=(), gone=()))[1:2] == [
        "note: not shown: 3 by the baseline"
    ]
    assert printed(whole, quiet=1) == printed(whole, terse=True) == []
    summary = json.loads(json_of(whole))["summary"]
    assert [summary[n] for n in ("suppressed", "ignored", "baselined", "gone")] == [1, 2, 3, 4]


# --- JSON


def json_of(what: Report, *findings: Finding) -> str:
    return "\n".join(json_report.render(what, findings))


def test_json_of_a_clean_run() -> None:
    assert json.loads(json_of(report(contract="absent"))) == {
        "schema": 1,
        "tool": {"name": "xfrmlint", "version": __version__},
        "tree": {"version": "7.3.4", "contract": "absent"},
        "findings": [],
        "drivers": [],
        "unknown": [],
        "idle_ignores": [],
        "summary": {
            "errors": 0,
            "warnings": 0,
            "checks": 0,
            "suppressed": 0,
            "ignored": 0,
            "baselined": 0,
            "gone": 0,
            "unknown": 0,
            "files_parsed": 2,
            "lines": 40,
        },
    }


def test_json_holds_everything() -> None:
    related = (Related("drivers/net/a/tx.c", 3, "the call"),)
    asked = Confirmation("unconfirmed", "under a false #if")
    full = FINDING._replace(
        chain=CHAIN, more_chains=(CHAIN[2:],), related=related, confirmation=asked
    )
    what = report(full, ERROR, drivers=[DRIVER], unknown=[UNKNOWN])
    text = json_of(what, ERROR, full)
    data = json.loads(text)
    assert text == json_of(what, full, ERROR)
    assert [f["type"] for f in data["findings"]] == [full.type, ERROR.type]
    first = data["findings"][0]
    assert set(first) == set(Finding._fields)
    assert first["chain"][0] == {
        "function": "a_xmit",
        "path": "drivers/net/a/main.c",
        "line": 210,
        "via": "ndo_start_xmit",
    }
    assert first["more_chains"] == [first["chain"][2:]]
    assert first["confirmation"] == asked._asdict()
    assert "confirmation" not in data["findings"][1]
    assert first["related"] == [{"path": "drivers/net/a/tx.c", "line": 3, "text": "the call"}]
    assert data["drivers"] == [{**DRIVER._asdict(), "missing": []}]
    assert data["unknown"] == [UNKNOWN._asdict()]
    assert data["summary"]["errors"] == data["summary"]["warnings"] == 1


def test_json_counts_what_it_is_given() -> None:
    data = json.loads(json_of(report(FINDING, ERROR), ERROR))
    assert (data["summary"]["errors"], data["summary"]["warnings"]) == (1, 0)


def test_json_of_names_that_are_no_text() -> None:
    text = json_of(report(), FINDING._replace(path=ATTACK))
    assert text.isascii()
    assert "\\udcff" in text
    assert json.loads(text)["findings"][0]["path"] == ATTACK


# --- drivers


def test_drivers_table() -> None:
    rows = [
        DRIVER._replace(missing=("a_read() at drivers/net/a/a.h:7 reads xso.offload_handle",)),
        DRIVER._replace(driver="bonding", table="b", role="upper", verdict="upper", control=12),
        DRIVER._replace(driver="ch_ipsec", table="c", on_netdev=False, opted_in=True),
    ]
    lines = list(drivers.render(report(drivers=rows[::-1], unknown=[UNKNOWN]), 60))
    assert lines == [
        "driver    table          role   opted in  direct  resolved  control  verdict",
        "a         a_xfrmdev_ops  lower  no             1         0        3  direct",
        "bonding   b              upper  -              1         0       12  upper",
        "ch_ipsec  c *            lower  yes            1         0        3  direct",
        "",
        "direct, resolved: datapath uses of a handle, read from the",
        "state's shared field or asked of the resolver; control:",
        "reads of that field elsewhere.",
        "* on no net_device: the table that forwards to it is the one",
        "that opts in.",
        "",
        "a: a_xfrmdev_ops at drivers/net/a/main.c:5",
        "  - a_read() at drivers/net/a/a.h:7 reads xso.offload_handle",
        "",
        "note: 1 place could not be analysed (xfrmlint check --show-unknown lists them)",
    ]
    assert not any(line != line.rstrip() for line in lines)


def test_drivers_as_json() -> None:
    data = json.loads(drivers.as_json(report(drivers=[DRIVER], unknown=[UNKNOWN])))
    assert list(data) == ["schema", "tool", "tree", "drivers", "unknown"]
    assert data["drivers"][0]["table"] == "a_xfrmdev_ops"


# --- pages about rules


def test_page() -> None:
    assert rulepage.page(RULE) == (
        "DIRECT_OFFLOAD_HANDLE (ERROR)\n\n"
        "Fix: ask the resolver.\n\n"
        "WARNING for a driver that has not opted in.\n\n"
        "The handle can be another device's. It is shared.\n\n"
        "Reference: include/net/xfrm.h, struct xfrm_dev_offload\n\n"
        "Reported:\n\n"
        "    int f(void)\n    {\n    \treturn h; /* reported */\n    }\n\n"
        "Not reported:\n\n"
        "    int g(void);\n\n"
        "The question asked of the facts (xfrmlint query):\n\n"
        "    SELECT path, line\n    FROM datapath_read\n"
    )


def test_page_of_a_bare_rule() -> None:
    bare = PLAIN._replace(why="", reference="", bad=(), good=())
    assert rulepage.page(bare).startswith(
        "PLAIN (ERROR)\n\nFix: ask the resolver.\n\n"
        "Silent in a tree without xfrm_dev_state_lower_handle().\n\nThe question"
    )


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("{function}() {verb} xso.{field}, a field", "<function>() <verb> xso.<field>, a field"),
        ("{text}", "The handle can be another device's."),
    ],
)
def test_table(message: str, what: str) -> None:
    assert rulepage.table([RULE._replace(message=message), PLAIN]).split("\n") == [
        "type                   level            what",
        f"DIRECT_OFFLOAD_HANDLE  ERROR [WARNING]  {what}",
        "PLAIN                  ERROR            <function>() reads xso.offload_handle",
        "",
    ]


def test_readme() -> None:
    text = rulepage.readme([RULE, PLAIN._replace(message="a|b c d", good=("/* ``` */\n",))])
    assert text.startswith("# Rules\n\n")
    assert (
        "| [DIRECT_OFFLOAD_HANDLE](#direct_offload_handle) | ERROR [WARNING] "
        "| `<function>() reads xso.offload_handle` |\n" in text
    )
    assert "| `a\\|b c d` |\n" in text
    assert (
        "Reported:\n\n```c\nint f(void)\n{\n\treturn h; /* reported */\n"
        "}\n```\n\nNot reported:\n\n```c\nint g(void);\n```\n\n## PLAIN\n" in text
    )
    assert text.endswith("````c\n/* ``` */\n````\n")
