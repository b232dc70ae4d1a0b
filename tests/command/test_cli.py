"""The real command: what it prints where, how it ends, and what it leaves alone."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.git.test_commit import git
from tests.laid import lay, lay_fixture
from tests.ran import COMMAND, Ran, environment, run, run_json
from xfrmlint import __version__
from xfrmlint.rules import load_rules, rules_folder

pytestmark = pytest.mark.slow

ROOT = os.geteuid() == 0
TYPES = [rule.type for rule in load_rules([rules_folder()])]
DIRECT = "DIRECT_OFFLOAD_HANDLE"
CONTROL = "CONTROL_OFFLOAD_HANDLE"
IPSEC = "drivers/net/sunrise/sunrise_ipsec.c"
RULE = """\
level = "CHECK"
message = "a driver"
fix = "drive on"
why = "Because."
reference = "none"
query = "SELECT path, line, column, '' AS function, driver FROM ops_table"
"""


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the trees `clean`, `demo` (an ERROR and a CHECK), `warned` (a WARNING)."""
    folder = tmp_path_factory.mktemp("trees")
    lay_fixture("rfc-converted", folder / "clean")
    lay_fixture("demo", folder / "demo")
    lay_fixture("mainline-before", folder / "warned")
    lay("rfc", folder / "bare")
    (folder / "nowhere/deep").mkdir(parents=True)
    return folder


def digest(folder: Path) -> dict[str, str]:
    """Return every path below a folder with its content's digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else ""
        for path in sorted(folder.rglob("*"))
    }


def failed(*arguments: str | Path, cwd: Path, **more: Any) -> str:
    """Run what must end with 2, nothing on stdout and one line on stderr; return that line."""
    ran = run(*arguments, cwd=cwd, **more)
    assert (ran.status, ran.out) == (2, ""), ran
    assert ran.err.startswith("xfrmlint: ")
    assert ran.err.endswith("\n")
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err
    return ran.err[:-1]


# Nothing found.


@pytest.mark.parametrize("name", ["clean", "bare"])
def test_a_clean_tree(name: str, trees: Path) -> None:
    ran = run("check", cwd=trees / name)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("total: 0 errors, 0 warnings, ")
    assert "\n\nLinux 7.4.0 has no obvious xfrm offload problems.\n" in ran.out


@pytest.mark.parametrize("switches", [["--terse"], ["-q"], ["-qq"], ["--terse", "--no-summary"]])
def test_a_clean_tree_quietly(switches: list[str], trees: Path) -> None:
    assert run("check", *switches, cwd=trees / "clean") == (0, "", "")


def test_a_clean_tree_as_json(trees: Path) -> None:
    document = run_json(cwd=trees / "clean")
    assert document["findings"] == []
    assert document["unknown"] == []
    assert [d["verdict"] for d in document["drivers"]] == ["converted"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["--version"], ["check", "--list-types"]]
)
def test_what_needs_no_tree(arguments: list[str], trees: Path) -> None:
    ran = run(*arguments, cwd=trees / "nowhere")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out


def test_version(trees: Path) -> None:
    assert run("--version", cwd=trees) == (0, f"xfrmlint {__version__}\n", "")


# Which status: arguments behind `check`, run in demo (an ERROR and a CHECK).
STATUS: list[tuple[str, int, list[str]]] = [
    (f"--ignore {DIRECT},{CONTROL}", 0, []),
    (f"--ignore {DIRECT} --ignore {CONTROL}", 0, []),
    (f"--ignore {DIRECT}", 0, [CONTROL]),
    (f"--types {CONTROL}", 0, [CONTROL]),
    ("--types UPPER_PRIV_RCU", 0, []),
    ("--types UPPER_PRIV_RCU --fail-on CHECK", 0, []),
    ("drivers/net/moonset --fail-on CHECK", 0, []),
    (f"--ignore {CONTROL} --fail-on CHECK drivers/net/sunrise/sunrise_tx.c", 0, []),
    ("", 1, [CONTROL, DIRECT]),
    ("--strict", 1, [CONTROL, DIRECT]),
    ("--subjective", 1, [CONTROL, DIRECT]),
    ("-f", 1, [CONTROL, DIRECT]),
    ("--fail-on ERROR", 1, [CONTROL, DIRECT]),
    ("--fail-on warning", 1, [CONTROL, DIRECT]),
    (f"--types {DIRECT}", 1, [DIRECT]),
    (f"--types {DIRECT.lower()}", 1, [DIRECT]),
    (f"--types {DIRECT},{CONTROL}", 1, [CONTROL, DIRECT]),
    (f"--types {DIRECT} --types {CONTROL}", 1, [CONTROL, DIRECT]),
    (f"--types ,{DIRECT},", 1, [DIRECT]),
    (f"--types {CONTROL} --fail-on CHECK", 1, [CONTROL]),
    (f"--ignore {CONTROL}", 1, [DIRECT]),
    (f"--types {DIRECT} --ignore {DIRECT}", 1, [DIRECT]),
    ("drivers/net/sunrise", 1, [CONTROL, DIRECT]),
    ("drivers/net/moonset drivers/net/sunrise/", 1, [CONTROL, DIRECT]),
    (f"drivers/net/moonset {IPSEC} {IPSEC}", 1, [CONTROL, DIRECT]),
    ("drivers/net/moonset/../sunrise", 1, [CONTROL, DIRECT]),
    (".", 1, [CONTROL, DIRECT]),
    (". drivers", 1, [CONTROL, DIRECT]),
]


@pytest.mark.parametrize(("arguments", "status", "types"), STATUS)
def test_status_and_types(arguments: str, status: int, types: list[str], trees: Path) -> None:
    ran = run("check", "--terse", "--show-types", *arguments.split(), cwd=trees / "demo")
    assert (ran.status, ran.err) == (status, "")
    found = [line.split(": ")[1].split(":")[1] for line in ran.out.splitlines()[:-1]]
    assert found == types


@pytest.mark.parametrize(("level", "status"), [("ERROR", 0), ("WARNING", 1), ("CHECK", 1)])
def test_a_warning_counts_unless_told_otherwise(level: str, status: int, trees: Path) -> None:
    ran = run("check", "--fail-on", level, "--types", DIRECT, cwd=trees / "warned")
    assert ran.status == status
    assert "WARNING: " in ran.out


def test_findings(trees: Path) -> None:
    ran = run("check", cwd=trees / "demo")
    assert (ran.status, ran.err) == (1, "")
    assert f"\n#30: FILE: {IPSEC}:30:\n+\treturn (struct sunrise_sa *)x->xso" in ran.out
    assert "\n  chain: drivers/net/sunrise/sunrise_main.c:10: ndo_start_xmit = " in ran.out
    assert "\ntotal: 1 errors, 0 warnings, 1 checks, " in ran.out
    assert "\nLinux 7.4.0 has xfrm offload problems, please review.\n" in ran.out


def test_every_run_says_the_same(trees: Path) -> None:
    outs = {
        run("check", "--format", form, cwd=trees / "demo", env={"PYTHONHASHSEED": seed}).out
        for form in ("json",)
        for seed in ("0", "1", "2")
    }
    assert len(outs) == 1


@pytest.mark.parametrize("switch", ["--no-summary", "--terse", "--emacs", "--showfile", "-q"])
def test_switches_of_checkpatch(switch: str, trees: Path) -> None:
    plain = run("check", cwd=trees / "demo")
    ran = run("check", switch, cwd=trees / "demo")
    assert (ran.status, ran.err) == (1, "")
    assert ran.out != plain.out
    assert ("total: " in ran.out) == (switch != "--no-summary")
    assert ("please review" in ran.out) == (switch not in ("-q", "--terse"))
    assert (f"{IPSEC}:30: ERROR: " in ran.out) == (switch in ("--terse", "--emacs", "--showfile"))


def test_show_types(trees: Path) -> None:
    out = run("check", "--show-types", cwd=trees / "demo").out
    assert f"ERROR:{DIRECT}: " in out
    assert f"CHECK:{CONTROL}: " in out


def test_list_types(trees: Path) -> None:
    lines = run("check", "--list-types", cwd=trees).out.splitlines()
    assert lines == ["#\tMessage type", "", *(f"{n}\t{name}" for n, name in enumerate(TYPES, 1))]


def test_json(trees: Path) -> None:
    ran = run("check", "--format", "json", cwd=trees / "demo")
    document = json.loads(ran.out)
    assert (ran.status, ran.err) == (1, "")
    assert ran.out.isascii()
    named = ["schema", "tool", "tree", "findings", "drivers", "unknown", "idle_ignores", "summary"]
    assert list(document) == named
    assert document["schema"] == 1
    assert document["tool"] == {"name": "xfrmlint", "version": __version__}
    assert document["tree"] == {"version": "7.4.0", "contract": "present"}
    keys = "type level path line column function driver message chain related confidence parser"
    finding = document["findings"][1]
    assert {*keys.split(), "fingerprint"} <= set(finding)
    assert (finding["type"], finding["path"], finding["line"]) == (DIRECT, IPSEC, 30)
    assert all(list(hop) == ["function", "path", "line", "via"] for hop in finding["chain"])
    assert {d["driver"] for d in document["drivers"]} == {"moonset", "sunrise"}
    assert document["summary"]["errors"] == 1


def test_json_of_a_part(trees: Path) -> None:
    document = run_json("drivers/net/moonset", cwd=trees / "demo")
    assert document["findings"] == []
    assert document["summary"]["errors"] == 0


# Which tree, which paths.


@pytest.mark.parametrize("where", ["", "drivers", "drivers/net/sunrise", "include/linux"])
def test_the_tree_around_the_working_directory(where: str, trees: Path) -> None:
    ran = run("check", "--terse", cwd=trees / "demo" / where)
    assert (ran.status, ran.err) == (1, "")
    (name, line), *_ = [line.split(":")[:2] for line in ran.out.splitlines()]
    assert (trees / "demo" / where / name).samefile(trees / "demo" / IPSEC)
    assert line == "22"


@pytest.mark.parametrize("form", ["terse", "emacs", "gcc"])
@pytest.mark.parametrize("where", ["demo", "demo/drivers/net/moonset", "", "nowhere"])
def test_names_open_from_where_one_stands(where: str, form: str, trees: Path) -> None:
    ran = run("check", trees / "demo", "--format", form, cwd=trees / where)
    lines = [line for line in ran.out.splitlines() if IPSEC in line or "sunrise_ipsec.c" in line]
    names = {line.split(":")[0] for line in lines if not line.startswith((" ", "#"))}
    assert names
    for name in names:
        assert (trees / where / name).is_file()
        assert os.path.isabs(name) == (where == "nowhere")
    if where == "demo":
        assert IPSEC in names


def test_what_checkpatch_prints_itself_names_files_from_the_top(trees: Path) -> None:
    here = trees / "demo/drivers/net/moonset"
    assert f"#22: FILE: {IPSEC}:22:" in run("check", cwd=here).out
    ran = run("check", "--terse", "--showfile", cwd=here)
    assert ran.out.startswith(f"{IPSEC}:22: CHECK: ")


def test_paths_are_taken_from_the_working_directory(trees: Path) -> None:
    here = trees / "demo/drivers/net"
    for paths in (
        ["sunrise"],
        ["../net/sunrise"],
        [here / "sunrise"],
        [here.parent.parent, "sunrise"],
    ):
        ran = run("check", "--terse", *paths, cwd=here)
        assert (ran.status, ran.err) == (1, "")
    assert run("check", "--terse", "moonset", cwd=here) == (0, "", "")


def test_a_tree_and_a_path_in_it_from_outside(trees: Path) -> None:
    for path in ("demo/drivers/net/sunrise", "drivers/net/sunrise", trees / "demo" / IPSEC):
        ran = run("check", "--terse", "demo", path, cwd=trees)
        assert (ran.status, ran.out.count(IPSEC)) == (1, 2)
    assert run("check", "--terse", "demo", "drivers/net/moonset", cwd=trees) == (0, "", "")
    assert run("check", "--terse", f"demo/{IPSEC}", cwd=trees).status == 1
    assert run("check", "--terse", "demo/drivers/net/moonset", cwd=trees) == (0, "", "")


def test_a_path_through_a_link(trees: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(trees / "demo")
    assert run("check", "--terse", "link", "link/drivers/net/sunrise", cwd=tmp_path).status == 1
    assert run("check", "--terse", cwd=tmp_path / "link/drivers").status == 1


# Arguments behind `check`, where, and what the message must hold.
REFUSED: list[tuple[list[str], str, str]] = [
    ([], "nowhere/deep", "not inside a kernel tree; name one: xfrmlint check /path/to/linux"),
    (["."], "nowhere", ".: not a kernel tree (no Makefile, include/linux, drivers)"),
    (["nowhere"], "", "nowhere: not a kernel tree"),
    (["nothing"], "", "nothing: no such file or folder"),
    (["nothing"], "demo", "nothing: no such file or folder"),
    (["drivers", "nothing"], "demo", "nothing: no such file or folder"),
    (["demo", "nothing"], "", "nothing: no such file or folder"),
    (["demo", "clean"], "", "clean: not in the kernel tree "),
    (["demo", "clean/Makefile"], "", "clean/Makefile: not in the kernel tree "),
    (["demo", "../../../etc"], "", "../../../etc: "),
    (["drivers", "/etc"], "demo", "/etc: not in the kernel tree "),
    (["/etc/passwd"], "", "/etc/passwd: not a folder; name the top of a kernel tree"),
    (["/dev/null"], "nowhere", "/dev/null: not a folder"),
    ([""], "nowhere", ""),
    (["x" * 5000], "demo", "File name too long"),
    (["\udcff"], "demo", "\\xff: no such file or folder"),
    (["--types", "NOTHING"], "demo", "NOTHING: no such type; xfrmlint check --list-types"),
    (["--types", f"{DIRECT},A,B"], "demo", "A, B: no such type"),
    (["--types", DIRECT[:-1]], "demo", f"{DIRECT[:-1]} (did you mean {DIRECT}?): no such type"),
    (["--ignore", "NOTHING"], "demo", "NOTHING: no such type"),
    (["--format", "xml"], "demo", "xml"),
    (["--fail-on", "NOTE"], "demo", "NOTE"),
    (["--color=maybe"], "demo", "maybe"),
    (["--bogus"], "demo", "--bogus"),
    (["--bogus"], "nowhere", "(xfrmlint check --help)"),
    (["--types"], "demo", "--types"),
    (["--rules", "nothing"], "demo", "nothing: no such folder"),
    (["--rules", "Makefile"], "demo", "Makefile"),
    (["--rules", "include"], "demo", "include: no rules (*.toml) in there"),
]


@pytest.mark.parametrize(("arguments", "where", "message"), REFUSED)
def test_what_can_not_be_run(arguments: list[str], where: str, message: str, trees: Path) -> None:
    assert message in failed("check", *arguments, cwd=trees / where)


@pytest.mark.parametrize("path", ["include/linux/netdevice.h", "include/net/xfrm.h"])
def test_a_half_unpacked_tree(path: str, tmp_path: Path) -> None:
    tree = lay("rfc", tmp_path / "linux")
    (tree / path).unlink()
    for arguments, cwd in (([], tree), (["linux"], tmp_path), (["drivers/net"], tree)):
        message = failed("check", *arguments, cwd=cwd)
        assert f"{path} is missing; the tree looks half unpacked" in message


@pytest.mark.parametrize(
    ("path", "text", "lacking"),
    [
        ("include/net/xfrm.h", "#include_next <net/xfrm.h>\n", "struct xfrm_state"),
        ("include/linux/netdevice.h", "#include_next <linux/netdevice.h>\n", "struct xfrmdev_ops"),
        ("include/net/xfrm.h", "#include <net/xfrm_real.h>\n", ""),
        ("include/net/xfrm.h", "", "struct xfrm_state"),
        ("include/linux/netdevice.h", "", "struct xfrmdev_ops"),
        (
            "include/net/xfrm.h",
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "struct xfrm_state",
        ),
    ],
)
def test_headers_that_are_of_no_kernel(path: str, text: str, lacking: str, tmp_path: Path) -> None:
    tree = lay("rfc", tmp_path / "linux")
    (tree / path).rename(tree / "include/net/xfrm_real.h")
    (tree / path).write_text(text)
    if not lacking:
        assert "has no obvious xfrm offload problems" in run("check", cwd=tree).out
        return
    told = f"{path}: neither it nor what it includes declares {lacking}, as a kernel's does; "
    if text.startswith("version"):
        told = f"{path} is a Git LFS pointer: git lfs pull"
    for command in ("check", "drivers", "judge"):
        assert told in failed(command, cwd=tree)


def test_a_header_that_is_not_merged(tmp_path: Path) -> None:
    tree = lay("rfc", tmp_path / "linux")
    with (tree / "include/net/xfrm.h").open("a") as header:
        header.write("<<<<<<< HEAD\nint a;\n=======\n>>>>>>> theirs\n")
    told = "include/net/xfrm.h: conflict markers at line "
    assert told in failed("check", cwd=tree)


def test_a_module_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "module/src").mkdir(parents=True)
    (tmp_path / "module/Makefile").write_text("obj-m += foo.o\n")
    assert "cp -r" not in failed("check", "module", cwd=tmp_path)
    (tmp_path / "module/src/foo.c").write_text("int foo;\n")
    assert "cp -r it to linux/drivers/net/" in failed("check", "module", cwd=tmp_path)


def test_half_of_the_folders(tmp_path: Path) -> None:
    tree = lay("rfc", tmp_path / "linux")
    (tree / "drivers").rename(tmp_path / "drivers")
    assert "linux: not a kernel tree (no drivers); " in failed("check", "linux", cwd=tmp_path)


def test_a_header_that_never_ends(tmp_path: Path) -> None:
    tree = lay("rfc", tmp_path / "linux")
    (tree / "include/net/xfrm.h").unlink()
    os.mkfifo(tree / "include/net/xfrm.h")
    assert "include/net/xfrm.h: not a regular file" in failed("check", cwd=tree)


# A user's own rules.


def test_a_rule_of_ones_own(trees: Path, tmp_path: Path) -> None:
    (tmp_path / "my_own.toml").write_text(RULE)
    ran = run("check", "--terse", "--rules", tmp_path, "--types", "MY_OWN", cwd=trees / "demo")
    assert (ran.status, ran.out.count("CHECK: a driver"), ran.err) == (0, 2, "")
    assert "MY_OWN" in run("rules", "--rules", tmp_path, cwd=trees).out
    assert run("explain", "my_own", "--rules", tmp_path, cwd=trees).out.startswith("MY_OWN (CHECK)")


def _unreadable(path: Path) -> None:
    path.write_text(RULE)
    path.chmod(0)


BAD_RULES: dict[str, Callable[[Path], object]] = {
    "not TOML": lambda p: p.write_text("level = \n"),
    "not UTF-8": lambda p: p.write_bytes(b'level = "\xff"\n'),
    "empty": lambda p: p.write_text(""),
    "a folder": Path.mkdir,
    "a dangling link": lambda p: p.symlink_to("nothing"),
    "a wrong level": lambda p: p.write_text(RULE.replace("CHECK", "NOTE")),
    "a query that writes": lambda p: p.write_text(
        RULE.replace("SELECT", "DELETE FROM site; SELECT")
    ),
    "a query that is none": lambda p: p.write_text(RULE.replace("FROM", "FORM")),
    "a query without path": lambda p: p.write_text(RULE.replace("path, ", "")),
    "a message of nothing": lambda p: p.write_text(RULE.replace("a driver", "{nothing}")),
}
if not ROOT:
    BAD_RULES["unreadable"] = _unreadable


@pytest.mark.parametrize("kind", BAD_RULES)
def test_a_rule_that_is_wrong(kind: str, trees: Path, tmp_path: Path) -> None:
    BAD_RULES[kind](tmp_path / "odd.toml")
    message = failed("check", "--rules", tmp_path, cwd=trees / "demo")
    assert "odd.toml" in message or "rule ODD" in message


# The other commands.


def test_drivers(trees: Path) -> None:
    ran = run("drivers", cwd=trees / "demo")
    assert (ran.status, ran.err) == (0, "")
    assert [line.split()[0] for line in ran.out.splitlines()[:3]] == [
        "driver",
        "moonset",
        "sunrise",
    ]
    assert run("drivers", "demo", cwd=trees).out == ran.out


@pytest.mark.parametrize("path", ["drivers/net/sunrise", "drivers/net/sunrise/sunrise_ipsec.c"])
@pytest.mark.parametrize("command", ["drivers", "judge"])
def test_a_path_in_a_tree_limits_what_is_shown(command: str, path: str, trees: Path) -> None:
    whole, part = run(command, cwd=trees / "demo"), run(command, path, cwd=trees / "demo")
    assert (whole.out.count("moonset") > 0, part.out.count("moonset")) == (True, 0)
    assert part.out.count("sunrise") > 0
    assert run(command, ".", cwd=trees / "demo/drivers/net/sunrise") == part
    assert part == (run("judge", "sunrise", cwd=trees / "demo") if command == "judge" else part)
    assert "there" in failed(command, "include", cwd=trees / "demo")


def test_drivers_of_a_tree_without(trees: Path) -> None:
    ran = run("drivers", cwd=trees / "bare")
    assert ran == (0, "No struct xfrmdev_ops is defined in this tree.\n", "")


def test_drivers_as_json(trees: Path) -> None:
    ran = run("drivers", "demo", "--format", "json", cwd=trees)
    document = json.loads(ran.out)
    assert (ran.status, ran.err, document["schema"]) == (0, "", 1)
    assert document["drivers"] == run_json(cwd=trees / "demo")["drivers"]


# SQL -> what is printed as tab separated values.
ASKED = {
    "SELECT 1 AS one, 'a' AS two": "one\ttwo\n1\ta\n",
    "SELECT driver FROM ops_table ORDER BY 1": "driver\nmoonset\nsunrise\n",
    "SELECT path FROM site WHERE 0": "path\n",
    "SELECT NULL AS n, 1.5 AS f": "n\tf\n\t1.5\n",
    "SELECT 'a\tb\nc\x1b' AS t": "t\na\\x09b\\x0ac\\x1b\n",
}


@pytest.mark.parametrize("sql", ASKED)
def test_query(sql: str, trees: Path) -> None:
    assert run("query", sql, cwd=trees / "demo") == (0, ASKED[sql], "")


def test_query_as_json(trees: Path) -> None:
    sql = "SELECT driver, opted_in, NULL AS n FROM ops_table ORDER BY 1 LIMIT 1"
    ran = run("query", sql, "demo", "--format", "json", cwd=trees)
    assert json.loads(ran.out) == {"rows": [{"driver": "moonset", "opted_in": 1, "n": None}]}
    assert (ran.status, ran.err) == (0, "")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM site",
        "ATTACH 'new.db' AS new",
        "PRAGMA query_only = OFF",
        "SELECT load_extension('a')",
        "SELEC 1",
        "SELECT nothing FROM site",
        "SELECT 1; SELECT 2",
        "SELECT '\udcff'",
    ],
)
def test_a_query_that_is_refused(sql: str, trees: Path) -> None:
    assert failed("query", sql, cwd=trees / "demo").startswith("xfrmlint: query: ")


def test_an_infinity_is_no_json(trees: Path) -> None:
    assert "JSON" in failed("query", "SELECT 9e999", "--format", "json", cwd=trees / "demo")


def test_two_columns_of_one_name_are_no_json(trees: Path) -> None:
    sql = "SELECT a.path, b.path FROM site a, site b LIMIT 1"
    assert run("query", sql, cwd=trees / "demo").out.startswith("path\tpath\n")
    said = failed("query", sql, "--format", "json", cwd=trees / "demo")
    assert said == "xfrmlint: query: two columns are called path; name them apart with AS"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drivers", "nothing"], "nothing: no such file or folder"),
        (["drivers", "nowhere"], "nowhere: not a kernel tree"),
        (["drivers"], "not inside a kernel tree"),
        (["drivers", "demo", "clean"], "clean"),
        (["drivers", "--format", "xml"], "xml"),
        (["query"], "a question is missing; --schema shows"),
        (["query", " "], "a question is missing; --schema shows"),
        (["query", "SELECT 1"], "not inside a kernel tree"),
        (["query", "SELECT 1", "nothing"], "nothing: no such file or folder"),
        (["explain"], "TYPE"),
        (["explain", "NOTHING"], "NOTHING: no such type; xfrmlint rules lists them"),
        (["explain", ""], "no such type; xfrmlint rules lists them"),
        (["explain", "direct_ofload"], f"no such type (did you mean {DIRECT}?); "),
        (["explain", "sleep"], "no such type (did you mean CALLBACK_MAY_SLEEP?); "),
        (["rules", "demo"], "demo"),
        (["rules", "--rules", "nothing"], "nothing: no such folder"),
        (["bogus"], "bogus"),
        (["--bogus"], "--bogus"),
    ],
)
def test_commands_that_are_refused(arguments: list[str], message: str, trees: Path) -> None:
    assert message in failed(*arguments, cwd=trees)


def test_no_command_at_all(trees: Path) -> None:
    ran = run(cwd=trees)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == run("--help", cwd=trees).out


def test_rules(trees: Path) -> None:
    ran = run("rules", cwd=trees)
    assert (ran.status, ran.err) == (0, "")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["type", *TYPES]
    assert run("rules", "--format", "markdown", cwd=trees).out.startswith("# Rules\n")


@pytest.mark.parametrize("name", TYPES)
def test_explain(name: str, trees: Path) -> None:
    ran = run("explain", name.lower(), cwd=trees)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"{name} (")
    assert ran.out.splitlines()[2].startswith("Fix: ")
    assert "\nReported:\n" in ran.out
    assert "/* reported */" in ran.out
    assert "expect:" not in ran.out


def test_explain_takes_a_name_with_dashes(trees: Path) -> None:
    ran = run("explain", "direct-offload-handle", cwd=trees)
    assert ran.out == run("explain", DIRECT, cwd=trees).out


def test_explain_is_paged_on_a_terminal(trees: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "explain", DIRECT],
        cwd=trees,
        env=environment(PAGER="sed s/^/paged:/", TERM="xterm"),
        stdin=theirs,
        stdout=theirs,
        timeout=30,
    )
    os.close(theirs)
    assert done.returncode == 0
    assert os.read(ours, 4096).startswith(f"paged:{DIRECT} (".encode())
    os.close(ours)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": ""}])
def test_colour_on_a_terminal(env: dict[str, str], trees: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    subprocess.run(
        [*COMMAND, "check", "--terse", "--no-summary"],
        cwd=trees / "demo",
        env=environment(**{"TERM": "xterm", **env}),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        timeout=30,
    )
    os.close(theirs)
    wanted = not any(env.values())
    assert (b"\033[" in os.read(ours, 4096)) == wanted
    os.close(ours)


def test_the_tables_can_be_read(trees: Path) -> None:
    ran = run("query", "--schema", cwd=trees)
    assert (ran.status, ran.err) == (0, "")
    assert "CREATE TABLE site (" in ran.out
    assert "a question is missing" in failed("query", cwd=trees)


def test_the_examples_of_queries_run(trees: Path) -> None:
    text = run("query", "--help", cwd=trees).out
    examples = re.findall(r'^ +xfrmlint query "(.*)"$', text, re.M)
    assert len(examples) == 3
    for example in examples:
        ran = run("query", example, cwd=trees / "demo")
        assert (ran.status, ran.err) == (0, "")
        assert len(ran.out.splitlines()) > 1


def test_help_has_groups_statuses_and_examples(trees: Path) -> None:
    text = run("check", "--help", cwd=trees).out
    titles = re.findall(r"^ *(\w[\w ]+):$", text, re.M)
    assert titles == [
        "What is checked",
        "Which findings",
        "What is printed",
        "How it is found out",
        "Other",
        "Examples",
        "Exit status",
    ]
    other = text.split("\nOther:\n")[1].split("Examples:")[0]
    assert re.findall(r"--[\w-]+", other) == ["--help"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("xfrmlint check --types DIRECT", [DIRECT]),
        (f"xfrmlint check --ignore {DIRECT},control", [f"{DIRECT},{CONTROL}"]),
        ("xfrmlint explain direct", [DIRECT]),
        ("xfrmlint judge sun", ["sunrise"]),
        ("xfrmlint judge . moon", ["moonset"]),
        ("xfrmlint judg", ["judge"]),
    ],
)
def test_completion(line: str, offered: list[str], trees: Path) -> None:
    env = {
        "_XFRMLINT_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    ran = run(cwd=trees / "demo", env=env)
    assert (ran.status, ran.err) == (0, "")
    found = [text.partition(",")[2] for text in ran.out.splitlines() if text.startswith("plain")]
    assert found == offered


def test_completion_where_there_is_no_tree(trees: Path) -> None:
    env = {
        "_XFRMLINT_COMPLETE": "bash_complete",
        "COMP_WORDS": "xfrmlint judge s",
        "COMP_CWORD": "2",
    }
    ran = run(cwd=trees / "nowhere", env=env)
    assert (ran.status, ran.err) == (0, "")
    assert "plain" not in ran.out


# How it ends when something outside goes wrong.


def shell(line: str, cwd: Path, env: dict[str, str] | None = None) -> tuple[str, str]:
    """Run a line of bash in which $X is the command; return its output and standard error."""
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=cwd,
        env=environment(X=" ".join(COMMAND), **(env or {})),
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout, done.stderr


EVERY = ["check", "check --format json", "drivers", "query 'SELECT 1'", "rules", "--help"]


@pytest.mark.parametrize("arguments", EVERY)
def test_a_closed_pipe(arguments: str, trees: Path) -> None:
    # `exec` closes the reading end before anything is written.
    line = f"{{ sleep 0.05; $X {arguments}; echo $? >&2; }} | exec true"
    assert shell(line, trees / "demo") == ("", "141\n")


def test_the_first_line_only(trees: Path) -> None:
    out, err = shell("$X query 'SELECT * FROM slot, site, call' | head -1", trees / "demo")
    assert out.startswith("struct\tfield\t")
    assert err == ""


@pytest.mark.parametrize("arguments", EVERY)
def test_a_full_disk(arguments: str, trees: Path) -> None:
    out, err = shell(f"$X {arguments} >/dev/full; echo $?", trees / "demo")
    assert (out, err) == ("2\n", "xfrmlint: output: No space left on device\n")


@pytest.mark.parametrize(
    ("redirection", "status", "said"),
    [
        (">&-", "2", "xfrmlint: standard output is closed\n"),
        (">&- 2>&-", "2", ""),
        (">/dev/full 2>/dev/full", "2", ""),
        (">/dev/null 2>&-", "1", ""),
        ("</dev/null >/dev/null", "1", ""),
        ("<&- >/dev/null", "1", ""),
    ],
)
def test_streams_that_are_closed(redirection: str, status: str, said: str, trees: Path) -> None:
    line = f"( $X check {redirection} ) ; echo $?"
    assert shell(line, trees / "demo") == (f"{status}\n", said)


def patched(body: str, cwd: Path, **env: str) -> "subprocess.Popen[str]":
    """Start `check` with another check_tree; `body` is its Python."""
    program = (
        "import os, sys, time, xfrmlint.check\n"
        f"def check_tree(*_):\n    {body}\n"
        "xfrmlint.check.check_tree = check_tree\n"
        "from xfrmlint.cli import main\nmain(['check'])\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=cwd,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_control_c(trees: Path) -> None:
    child = patched("print('now', file=sys.stderr, flush=True); time.sleep(30)", trees / "demo")
    assert child.stderr is not None
    assert child.stderr.readline() == "now\n"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=10)
    assert (child.returncode, out, err.strip()) == (130, "", "")


@pytest.mark.parametrize("module", ["click", "xfrmlint.command.shared", "xfrmlint.check"])
def test_control_c_while_modules_are_imported(module: str, trees: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv[1:] = ['check']\n"
        "from xfrmlint.__main__ import run\nrun()\n"
    )
    asked = [sys.executable, "-c", program]
    done = subprocess.run(asked, cwd=trees / "demo", env=environment(), capture_output=True)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise RuntimeError('odd')", "RuntimeError: odd"),
        ("raise MemoryError", "MemoryError"),
        ("return None", "AttributeError"),
        ("assert False, 'a\\nb'", "AssertionError: a"),
    ],
)
def test_a_crash_does_not_look_like_findings(body: str, said: str, trees: Path) -> None:
    child = patched(body, trees / "demo")
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (2, "")
    assert err.startswith(f"xfrmlint: internal error: {said}")
    assert err.count("\n") == 1
    assert "XFRMLINT_TRACEBACK=1" in err


def test_what_goes_too_deep_is_no_crash(trees: Path) -> None:
    out, err = patched("raise RecursionError", trees / "demo").communicate(timeout=30)
    assert out == ""
    assert err.startswith("xfrmlint: what is read is nested too deeply to be followed")
    assert err.count("\n") == 1


def test_a_crash_shows_where_if_asked(trees: Path) -> None:
    child = patched("raise RuntimeError('odd')", trees / "demo", XFRMLINT_TRACEBACK="1")
    out, err = child.communicate(timeout=30)
    assert "Traceback" in err
    assert child.returncode == 2
    assert out == ""


# Colour, encodings, names.


def test_no_colour_where_nobody_looks(trees: Path) -> None:
    for switches in ([], ["--color=auto"], ["--no-color"], ["--color=never"], ["--nocolor"]):
        assert "\x1b" not in run("check", *switches, cwd=trees / "demo").out
    out, _ = shell("$X check | cat", trees / "demo", {"TERM": "xterm-256color"})
    assert "ERROR: " in out
    assert "\x1b" not in out


@pytest.mark.parametrize("switch", ["--color=always", "--color", "--colour", "--colour=always"])
def test_colour_where_it_is_wanted(switch: str, trees: Path) -> None:
    out = run("check", switch, cwd=trees / "demo").out
    assert "\x1b[31mERROR:\x1b[0m " in out
    assert "\x1b[32mCHECK:\x1b[0m " in out
    assert "\x1b[" in run("check", switch, "--list-types", cwd=trees).out


LOCALES = [
    {"PYTHONIOENCODING": "utf-8:strict"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"LANG": "C"},
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "C.UTF-8"},
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree whose driver has a finding in a file with a name that is no UTF-8."""
    folder = tmp_path_factory.mktemp("odd")
    tree = lay_fixture("demo", folder / "linux")
    sunrise = os.fsencode(tree / "drivers/net/sunrise")
    os.rename(sunrise + b"/sunrise_ipsec.c", sunrise + b"/caf\xe9_\xc3\xa9.c")
    makefile = Path(os.fsdecode(sunrise)) / "Makefile"
    makefile.write_bytes(makefile.read_bytes().replace(b"sunrise_ipsec.o", b"caf\xe9_\xc3\xa9.o"))
    return tree


@pytest.mark.parametrize(
    "env", LOCALES, ids=lambda env: " ".join(f"{k}={v}" for k, v in env.items())
)
def test_no_locale_is_in_the_way(env: dict[str, str], odd: Path) -> None:
    for arguments in (["check", "--terse"], ["check"], ["check", "--format", "json"]):
        ran = run(*arguments, cwd=odd, env=env)
        assert (ran.status, ran.err) == (1, "")
        assert DIRECT in ran.out or "ERROR: " in ran.out
    for arguments in (["drivers"], ["query", "SELECT * FROM site"], ["rules"]):
        ran = run(*arguments, cwd=odd, env=env)
        assert (ran.status, ran.err) == (0, "")
    assert failed("check", "caf\udcff\udcc3\udca9", cwd=odd, env=env).endswith("file or folder")


def test_a_name_that_is_no_utf_8(odd: Path) -> None:
    out = run("check", "--terse", cwd=odd).out
    assert out.startswith("drivers/net/sunrise/caf\\xe9_é.c:22: CHECK: ")
    path = os.fsdecode(b"drivers/net/sunrise/caf\xe9_\xc3\xa9.c")
    # Of its folder alone fewer lines are read.
    assert run("check", "--terse", path, cwd=odd).out.split("\n")[:-2] == out.split("\n")[:-2]
    assert {f["path"] for f in run_json(cwd=odd)["findings"]} == {path}
    asked = run("query", "SELECT DISTINCT driver FROM site WHERE path LIKE '%caf%'", cwd=odd).out
    assert asked == "driver\nsunrise\n"


# What it leaves alone.


def _commands() -> Iterator[list[str]]:
    yield ["check", "linux"]
    yield ["check", "--format", "json", "linux"]
    yield ["drivers", "linux"]
    yield ["query", "SELECT * FROM site", "linux"]
    yield ["query", "VACUUM INTO 'a.db'", "linux"]
    yield ["rules", "--format", "markdown"]
    yield ["check", "nothing"]


def test_nothing_is_written(tmp_path: Path) -> None:
    lay_fixture("demo", tmp_path / "linux")
    before = digest(tmp_path)
    for arguments in _commands():
        run(*arguments, cwd=tmp_path, env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)})
    run("check", cwd=tmp_path / "linux", env={"HOME": str(tmp_path)})
    assert digest(tmp_path) == before
    assert len(before) > 30


def test_no_home_no_path(trees: Path) -> None:
    ran = run("check", cwd=trees / "clean", env={"HOME": "/nonexistent", "PATH": ""})
    assert (ran.status, ran.err) == (0, "")


def test_a_program_of_the_tree_is_not_run(tmp_path: Path) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    for name in ("rg", "git", "sh"):
        (tree / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (tree / name).chmod(0o755)
    assert run("check", cwd=tree, env={"PATH": f".::{tree}"}).status == 1
    assert not (tmp_path / "ran").exists()


def test_it_is_quick(trees: Path) -> None:
    start = time.monotonic()
    run("check", cwd=trees / "clean")
    assert time.monotonic() - start < 10


# Changes. In `linux` the last commit sets the flag (a read far away becomes an ERROR), the one
# before it edits a text.


@pytest.fixture(scope="module")
def linux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("git") / "linux"
    lay_fixture("demo", folder)
    text = (folder / IPSEC).read_text("utf-8")
    (folder / IPSEC).write_text(text.replace("\t.flags\t\t\t= XFRMDEV_OPS_F_LOWER_HANDLE,\n", ""))
    (folder / "README").write_text("Linux\n")
    git(folder, "init", "-q")
    for subject in ("Linux 7.4", "README: more", "sunrise: promise"):
        if subject.startswith("README"):
            (folder / "README").write_text("Linux kernel\n")
        elif subject.startswith("sunrise"):
            (folder / IPSEC).write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", subject)
    git(folder, "format-patch", "-q", "-o", "..", "HEAD~2")
    return folder


@pytest.fixture(scope="module")
def older(linux: Path) -> Path:
    """The tree before both patches, in a repository of its own."""
    folder = linux.parent / "older"
    git(linux, "clone", "-q", str(linux), str(folder))
    git(folder, "reset", "-q", "--hard", "HEAD~2")
    return folder


WORDS, PROMISE = "0001-README-more.patch", "0002-sunrise-promise.patch"
SAID = "ERROR: sunrise_sa_of() reads xso.offload_handle on the datapath, where it can be another "
SAID += "device's handle\n"
B4 = ("check", "--terse", "--showfile", "--no-summary", "-q", "-")


def mail(linux: Path, name: str) -> bytes:
    """Return a patch as b4 pipes it: without the line `From <commit>`."""
    return (linux.parent / name).read_bytes().partition(b"\n")[2]


@pytest.mark.parametrize("tree", ["linux", "older"])
def test_b4(tree: str, linux: Path, older: Path) -> None:
    folder = {"linux": linux, "older": older}[tree]
    assert run(*B4, cwd=folder, stdin=mail(linux, WORDS)) == (0, "", "")
    ran = run(*B4, cwd=folder, stdin=mail(linux, PROMISE))
    assert ran == (1, f"{IPSEC}:30: {SAID}", "")


def prefix(ran: Ran) -> str:
    """Return what stands before the finding, which is the only one, on its line."""
    assert (ran.status, ran.err) == (1, "")
    assert ran.out.count(SAID) == 1
    return ran.out.partition(SAID)[0]


def test_prefixes_of_checkpatch(linux: Path) -> None:
    patch = f"../{PROMISE}"
    for switch in ("--terse", "--emacs"):
        # No patch has the line of the finding.
        for asked in (["--patch", patch], ["-g", "HEAD"]):
            assert prefix(run("check", switch, *asked, cwd=linux)) == f"{IPSEC}:30: "
        ran = run("check", switch, "--patch", "-", cwd=linux, stdin=mail(linux, PROMISE))
        assert prefix(ran) == f"{IPSEC}:30: "
        ran = run("check", switch, "--showfile", "-g", "HEAD", cwd=linux)
        assert prefix(ran) == f"{IPSEC}:30: "
    assert prefix(run("check", "-g", "HEAD", cwd=linux)) == ""


def test_a_patch(linux: Path) -> None:
    ran = run("check", "--patch", f"../{PROMISE}", cwd=linux)
    assert (ran.status, ran.err) == (1, "")
    lines = (linux.parent / PROMISE).read_text("utf-8").split("\n")
    assert lines[17] == "+\t.flags\t\t\t= XFRMDEV_OPS_F_LOWER_HANDLE,"
    # The patch does not have this line.
    assert ran.out.startswith(f"{SAID}#30: FILE: {IPSEC}:30:\n+\treturn (struct sunrise_sa *)x->")
    assert (
        f"\n    see: {IPSEC}:36: "
        'since "sunrise: promise": .flags = XFRMDEV_OPS_F_LOWER_HANDLE,\n'
        f"         ../{PROMISE}:18: the line of the patch that says so\n"
        "\ntotal: 1 errors, 0 warnings, 0 checks, 7 lines checked\n"
        f"\n../{PROMISE} has xfrm offload problems, please review.\n"
        f"\nNOTE: {DIRECT}: take the handle from "
    ) in ran.out
    assert "\n\nNOTE: If any of the errors are false positives, please report\n" in ran.out
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    (shown,) = [b for b in readme.split("```\n") if "the line of the patch" in b]
    assert ran.out.startswith(shown.replace(f" {PROMISE}", f" ../{PROMISE}"))


def test_a_patch_as_an_argument_is_judged_as_one(linux: Path, older: Path, tmp_path: Path) -> None:
    told = run("check", "--patch", f"../{PROMISE}", cwd=linux)
    assert run("check", f"../{PROMISE}", cwd=linux) == told
    # checkpatch takes a diff by any name.
    shutil.copy(linux.parent / PROMISE, older / "promise")
    (older / "0000-cover-letter.patch").write_text("From: a\nSubject: [PATCH 0/1] all\n\nHi.\n")
    try:
        assert prefix(run("check", "--terse", "promise", cwd=older)) == f"{IPSEC}:30: "
        told = run("check", "-q", "--terse", "0000-cover-letter.patch", "promise", cwd=older)
        assert (told.status, told.err) == (1, "")
        # As in checkpatch, -f says that it is a file.
        told = run("check", "-f", "promise", cwd=older)
        assert (told.status, told.err) == (
            0,
            "xfrmlint: promise: holds no C, so no finding either\n",
        )
    finally:
        (older / "promise").unlink()
        (older / "0000-cover-letter.patch").unlink()


@pytest.mark.parametrize("path", ["Makefile", "Documentation"])
def test_a_path_without_c_gets_a_word(path: str, linux: Path) -> None:
    (linux / "Documentation").mkdir(exist_ok=True)
    assert run("check", "drivers/net/moonset", cwd=linux).err == ""
    told = run("check", path, cwd=linux)
    assert (told.status, told.err) == (0, f"xfrmlint: {path}: holds no C, so no finding either\n")
    assert run("check", "-q", path, cwd=linux).err == ""


@pytest.mark.parametrize(
    ("switches", "where"),
    [
        ("", "out"),
        ("-q", "err"),
        ("--terse", "err"),
        ("--mailback -q", "err"),
        ("--format gitlab", "err"),
        ("--format rdjson", "err"),
        ("--format gcc", "out"),
        ("--format b4-review", "out"),
    ],
)
def test_a_run_that_fails_on_unknown_says_so(switches: str, where: str, tmp_path: Path) -> None:
    tree = lay_fixture("rfc-converted", tmp_path / "linux")
    asked = ["check", "--fail-on-unknown", *switches.split()]
    assert run(*asked, cwd=tree).status == 0
    os.symlink("/etc/passwd", tree / "drivers/net/sunrise.c")
    ran = run(*asked, cwd=tree)
    assert (ran.status, "sunrise.c" in ran.out, "sunrise.c" in ran.err) == (
        1,
        where == "out",
        where == "err",
    )
    if "b4" in switches:
        assert json.loads(ran.out)[0]["status"] == "warn"


def test_a_line_that_a_patch_has_is_told_as_the_patchs(linux: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(linux, "clone", "-q", str(linux), str(clone))
    text = (clone / IPSEC).read_text("utf-8")
    (clone / IPSEC).write_text(
        text.replace("handle; /* expect: DIRECT", "handle; /* still: DIRECT")
    )
    git(clone, "commit", "-qam", "sunrise: words")
    name = git(clone, "format-patch", "-o", str(tmp_path), "HEAD~1").strip()
    lines = Path(name).read_text("utf-8").split("\n")
    at = 1 + next(n for n, line in enumerate(lines) if "still: DIRECT" in line)
    head = git(clone, "rev-parse", "HEAD")
    for asked, called in ((["--patch", name], name), (["-g", "HEAD"], head)):
        assert prefix(run("check", *asked, "--terse", cwd=clone)) == f"{called}:{at}: "
        assert f"\n#{at}: FILE: {IPSEC}:30:\n" in run("check", *asked, cwd=clone).out


def test_a_line_that_a_patch_writes_anew(linux: Path, tmp_path: Path) -> None:
    git(linux, "clone", "-q", str(linux), str(tmp_path / "clone"))
    file = tmp_path / "clone" / IPSEC
    text = file.read_text("utf-8")
    file.write_text(text.replace("handle; /* expect: DIRECT", "handle + 1; /* expect: DIRECT"))
    ran = run("check", "--base", "HEAD", cwd=tmp_path / "clone")
    assert ran.status == 1
    was = f"\n    was: {IPSEC}:30: before this change: return (struct sunrise_sa *)x->xso"
    assert was in ran.out
    assert "\ntotal: 1 errors, 0 warnings, 0 checks, 2 lines checked\n" in ran.out
    (found,) = run_json("--base", "HEAD", cwd=tmp_path / "clone")["findings"]
    assert (found["new"], found["was"]["path"], found["was"]["line"]) == (False, IPSEC, 30)
    # It is not new.
    assert run("check", "--new-only", "--terse", cwd=tmp_path / "clone") == (0, "", "")
    assert run("check", "--new-only", "--base", "HEAD", cwd=tmp_path / "clone").status == 0


def test_several_patches_have_a_head_each(older: Path) -> None:
    ran = run("check", "--patch", f"../{WORDS}", "--patch", f"../{PROMISE}", cwd=older)
    lines = ["-" * len(f"../{name}") for name in (WORDS, PROMISE)]
    assert ran.out.startswith(
        f"{lines[0]}\n../{WORDS}\n{lines[0]}\n"
        "total: 0 errors, 0 warnings, 2 lines checked\n"
        f"\n../{WORDS} has no obvious xfrm offload problems.\n"
        f"{lines[1]}\n../{PROMISE}\n{lines[1]}\n{SAID}"
    )
    assert ran.out.count("\nNOTE: If any") == 1


def test_commits_have_a_head_each(linux: Path) -> None:
    ran = run("check", "-g", "HEAD-2", cwd=linux)
    words, promise = git(linux, "rev-list", "--reverse", "HEAD~2..").split()
    assert f'\nCommit {words[:12]} ("README: more")\n------' in ran.out
    assert f'\nCommit {promise[:12]} ("sunrise: promise")\n------' in ran.out
    assert f'\n\nCommit {promise[:12]} ("sunrise: promise") has xfrm offload problems, ' in ran.out


def test_a_patch_by_standard_input_is_called_by_its_subject(linux: Path) -> None:
    ran = run("check", "-", cwd=linux, stdin=mail(linux, PROMISE))
    assert '\n"sunrise: promise" has xfrm offload problems, please review.\n' in ran.out
    bare = mail(linux, WORDS).partition(b"\n---\n")[2]
    ran = run("check", "-", cwd=linux, stdin=bare)
    assert ran.out.endswith("\nYour patch has no obvious xfrm offload problems.\n")


def test_what_is_fixed_is_counted(linux: Path, tmp_path: Path) -> None:
    git(linux, "clone", "-q", str(linux), str(tmp_path / "clone"))
    file = tmp_path / "clone" / IPSEC
    text = file.read_text("utf-8")
    read = "x->xso.offload_handle; /* expect: DIRECT_OFFLOAD_HANDLE */"
    assert text.count(read) == 1
    file.write_text(text.replace(read, "xfrm_dev_state_lower_handle(x, priv->netdev);"), "utf-8")
    ran = run("check", "--new-only", cwd=tmp_path / "clone")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        "total: 0 errors, 0 warnings, 0 checks, 2 lines checked, 1 fixed\n"
        "\nThe work tree has no obvious xfrm offload problems.\n"
    )
    assert run("check", "--new-only", "--terse", cwd=tmp_path / "clone") == (0, "", "")


def test_what_is_no_longer_known_is_not_fixed(linux: Path, tmp_path: Path) -> None:
    git(linux, "clone", "-q", str(linux), str(tmp_path / "clone"))
    file = tmp_path / "clone/drivers/net/sunrise/Makefile"
    file.write_text(file.read_text("utf-8").replace("sunrise_tx.o", ""))
    for switches in ([], ["-q", "--terse", "--mailback", "--no-summary"]):
        ran = run("check", "--new-only", *switches, cwd=tmp_path / "clone")
        assert ran.status == 0
        assert ran.out.startswith(
            "total: 0 errors, 0 warnings, 0 checks, 2 lines checked, 1 no longer known\n"
            "note: not analysed: drivers/net/sunrise/sunrise_ipsec.c:"
        )
    (change,) = run_json("--new-only", cwd=tmp_path / "clone")["changes"]
    assert (change["new"], change["fixed"], change["no_longer_known"]) == (0, 0, 1)
    out = run("check", "--new-only", "--format", "b4-review", cwd=tmp_path / "clone").out
    (check,) = json.loads(out)
    assert (check["status"], check["summary"]) == ("warn", "2 places not analysed")


def test_the_tree_can_be_named_beside_standard_input(linux: Path, trees: Path) -> None:
    ran = run("check", linux, "-", "--terse", cwd=trees, stdin=mail(linux, PROMISE))
    assert prefix(ran) == f"{linux}/{IPSEC}:30: "


# Arguments, whether the finding of the last commit is told, and how the run ends.
LIMITED = [
    ("-g HEAD", True, 1),
    ("-g HEAD --new-only", True, 1),
    ("-g HEAD drivers/net/sunrise", True, 1),
    ("--base HEAD~1", True, 1),
    ("-g HEAD drivers/net/moonset", False, 0),
    ("-g HEAD --types UPPER_PRIV_RCU", False, 0),
    ("-g HEAD~1", False, 0),
    ("-g HEAD~1 --all drivers/net/moonset", False, 0),
    ("--staged", False, 0),
    ("--new-only", False, 0),
    ("--base HEAD", False, 0),
    ("--base HEAD --all", True, 1),
    ("--staged --no-new-only", True, 1),
    ("--all", True, 1),
]


@pytest.mark.parametrize(("arguments", "told", "status"), LIMITED)
def test_what_is_told_of_a_change(arguments: str, told: bool, status: int, linux: Path) -> None:
    ran = run("check", *arguments.split(), cwd=linux)
    nothing = "xfrmlint: nothing is staged; git add says what is meant\n"
    said = nothing if arguments == "--staged" else ""
    assert (ran.status, SAID in ran.out, ran.err) == (status, told, said)
    assert not said or ran.out == ""
    ran = run("check", "--terse", *arguments.split(), cwd=linux)
    assert (ran.status, SAID in ran.out, ran.err) == (status, told, "")
    assert (ran.out == "") == (not told)


def test_what_is_staged_is_told_as_of_files(older: Path) -> None:
    git(older, "apply", "--cached", f"../{PROMISE}")
    try:
        assert prefix(run("check", "--staged", "--terse", cwd=older)) == f"{IPSEC}:30: "
        out = run("check", "--staged", cwd=older).out
    finally:
        git(older, "reset", "-q")
    assert out.startswith(f"{SAID}#30: FILE: {IPSEC}:30:\n")
    assert f"\n    see: {IPSEC}:36: since this change: .flags = " in out
    assert "\n\nThe index has xfrm offload problems, please review.\n" in out


@pytest.mark.parametrize("folder", [".", "drivers"])
def test_a_path_that_only_the_change_knows(folder: str, linux: Path, tmp_path: Path) -> None:
    git(linux, "clone", "-q", str(linux), str(tmp_path / "clone"))
    shutil.rmtree(tmp_path / "clone/drivers/net/moonset")
    named = os.path.relpath("drivers/net/moonset/moonset_main.c", folder)
    for path in (named, os.path.dirname(named)):
        ran = run("check", "--base", "HEAD", "--terse", path, cwd=tmp_path / "clone" / folder)
        assert ran == (0, "", "")


def test_mailback(linux: Path) -> None:
    for switches in ([], ["--format", "json"], ["--terse", "-q"]):
        assert run("check", "--mailback", *switches, "-", cwd=linux, stdin=b"Hi.\n") == (0, "", "")
    assert run("check", "--mailback", "-g", "HEAD~1", cwd=linux) == (0, "", "")
    assert run("check", "--mailback", "--types", "UPPER_PRIV_RCU", cwd=linux) == (0, "", "")
    ran = run("check", "--mailback", "-g", "HEAD-2", cwd=linux)
    assert ran.status == 1
    assert "README: more" not in ran.out
    assert '("sunrise: promise") has xfrm offload problems, please review.' in ran.out


@pytest.mark.parametrize(
    "form", ["gcc", "json", "sarif", "github", "gitlab", "rdjson", "junit", "b4-review"]
)
def test_other_formats_tell_of_all_changes_at_once(form: str, linux: Path) -> None:
    out = run("check", "-g", "HEAD-2", "--format", form, cwd=linux).out
    whole = run("check", "--types", DIRECT, "--format", form, cwd=linux).out
    assert "sunrise: promise" in out or form == "gitlab"
    assert out.count("reads xso.offload_handle") == whole.count("reads xso.offload_handle")
    if form in ("json", "sarif", "gitlab", "rdjson", "b4-review"):
        json.loads(out)
    if form == "junit":
        ElementTree.fromstring(out)


def test_json_of_changes(linux: Path) -> None:
    words, promise = git(linux, "rev-list", "--reverse", "HEAD~2..").split()
    document = run_json("-g", "HEAD-2", cwd=linux)
    none = {"fixed": 0, "no_longer_known": 0}
    assert document["changes"] == [
        {"name": words, "title": "README: more", "new": 0, **none},
        {"name": promise, "title": "sunrise: promise", "new": 1, **none},
    ]
    (found,) = document["findings"]
    assert (found["change"], found["new"], found["was"]) == (promise, True, None)
    assert found["patch_line"] == 18
    assert document["tree"] == {"version": "7.4.0", "contract": "present"}
    # Those that the change can touch.
    assert [row["driver"] for row in document["drivers"]] == ["sunrise"]


def test_json_of_a_mailbox_tells_its_patches_apart(linux: Path, older: Path) -> None:
    box = mail(linux, WORDS) + b"\n" + (linux.parent / PROMISE).read_bytes()
    (older.parent / "box").write_bytes(b"From a Mon Sep 17 00:00:00 2001\n" + box)
    document = run_json("--patch", "../box", cwd=older)
    names = [change["name"] for change in document["changes"]]
    assert names == ['../box ("README: more")', '../box ("sunrise: promise")']
    assert [found["change"] for found in document["findings"]] == names[1:]


def test_json_of_a_change_that_is_not_analysed(linux: Path) -> None:
    document = run_json("-g", "HEAD~1", cwd=linux)
    assert document["tree"] == {"version": "7.4.0", "contract": "unknown"}


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        ("-", b"", "-: no patch found"),
        ("-", b"Hello,\n\nno diff in here.\n", "-: no patch found"),
        ("-", bytes(range(256)) * 40, "-: no patch found"),
        ("-", b"\0" * 5000, "-: no patch found"),
        ("--patch -", b"--- a/../x.c\n+++ b/../x.c\n@@ -1 +1 @@\n-a\n+b\n", "out of the tree"),
        (f"- --patch ../{PROMISE} --patch -", b"", "-: no patch found"),
        ("--patch ../nowhere", b"", "../nowhere: No such file or directory"),
        ("-g nobody", b"", "nobody: no such commit"),
        ("--git HEAD --staged", b"", "--git and --staged exclude each other"),
        ("--patch x --git HEAD", b"", "--patch and --git exclude each other"),
        ("- --base HEAD", b"", "--patch and --base exclude each other"),
        ("--staged --base HEAD --patch x", b"", "--patch and --staged and --base exclude each"),
        ("--base nobody", b"", "nobody: no such commit"),
        ("-g HEAD drivers/net/nobody", b"", "drivers/net/nobody: no such file or folder"),
        ("-g HEAD ../other", b"", "../other: not in the kernel tree"),
        ("--base=", b"", "--base: no such commit"),
    ],
)
def test_changes_that_are_refused(arguments: str, stdin: bytes, said: str, linux: Path) -> None:
    assert said in failed("check", *arguments.split(), cwd=linux, stdin=stdin)


def test_a_patch_that_does_not_fit(older: Path, linux: Path) -> None:
    text = (linux.parent / PROMISE).read_text("utf-8").replace("sunrise_xdo_add,", "other,")
    said = failed("check", "-", "--mailback", cwd=older, stdin=text.encode())
    assert f"xfrmlint: -:14: {IPSEC}: hunk 1 of 1 doesn't fit: line 34 should be " in said


@pytest.mark.parametrize("switch", ["--git=HEAD", "--staged", "--base=HEAD", "--new-only"])
def test_a_tree_that_is_no_repository(switch: str, trees: Path) -> None:
    env = {"GIT_CEILING_DIRECTORIES": str(trees)}
    said = failed("check", switch, cwd=trees / "demo", env=env)
    assert said.startswith(f"xfrmlint: {trees / 'demo'}: ")


def test_standard_input_that_is_closed(linux: Path) -> None:
    out, said = shell("$X check - <&-; echo $?", linux)
    assert (out, said) == ("2\n", "xfrmlint: standard input is closed\n")
