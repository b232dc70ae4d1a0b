"""What goes too far is told with its place, and nothing else is lost by it."""

import gc
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.asked import report_on
from tests.laid import EXAMPLE, lay_example, lay_fixture
from tests.whole.test_hostile import KIND, LINE, SOURCE
from xfrmlint.analysis import analyse, parts
from xfrmlint.analysis.part import Part, Plan, left_out_rows, shortened
from xfrmlint.c.blanking import readable
from xfrmlint.c.nodes import parse
from xfrmlint.c.unit import errors_in
from xfrmlint.check import check_tree
from xfrmlint.clang.cache import Temporary
from xfrmlint.cli import main
from xfrmlint.convert import proof
from xfrmlint.errors import TOO_DEEP, InputError
from xfrmlint.facts import store as facts_store
from xfrmlint.facts.store import Store
from xfrmlint.findings import Report
from xfrmlint.rules import Rule, Words, load_rules, rules_folder, run_rules
from xfrmlint.tree.folder import Folder

RULES = load_rules([rules_folder()])
SUNRISE = "drivers/net/sunrise"


def report_of(text: str, folder: Path) -> Report:
    tree = lay_example("", folder)
    (tree / EXAMPLE).write_text(text)
    return report_on(Folder(tree))


def test_a_part_that_is_nested_too_deeply_is_the_only_one_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = lay_fixture("demo", tmp_path / "linux")
    shutil.copytree(tree / SUNRISE, tree / "drivers/net/moonrise")
    whole = check_tree(Folder(tree), RULES)
    analysed = analyse.analysed

    def failing(watched: Folder, part: Part, plan: Plan, *rest: object) -> object:
        if part.folders == ("drivers/net/moonrise",):
            raise RecursionError
        return analysed(watched, part, plan, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(analyse, "analysed", failing)
    report = check_tree(Folder(tree), RULES)
    assert list(report.findings) == [f for f in whole.findings if f.path.startswith(SUNRISE)]
    lost = {row.path for row in report.unknown if row.matters}
    assert lost == {f"drivers/net/moonrise/sunrise_{name}.c" for name in ("ipsec", "rx")}


ENDLESS = Rule(
    "ENDLESS",
    *("ERROR", "ERROR", "", frozenset(), "odd", "", "", "", ""),
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
    "SELECT '' AS path, n AS line, 1 AS column, '' AS function, '' AS driver FROM c WHERE n < 0",
    (),
    (),
)


def test_a_rule_that_takes_too_long_is_told_and_the_others_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_store, "_MOST_STEPS", 1_000_000)
    tree = Folder(lay_fixture("demo", tmp_path / "linux"))
    report = check_tree(tree, [ENDLESS, *RULES])
    assert report.findings == check_tree(tree, RULES).findings
    told = [row for row in report.unknown if "ENDLESS" in row.reason]
    assert f"{SUNRISE}/sunrise_ipsec.c" in {row.path for row in told if row.matters}
    store = Store()
    store.seal()
    with pytest.raises(InputError, match="rule ENDLESS: it takes too long"):
        run_rules([ENDLESS], store, Words(), lambda path, line: "")


OTHER = "long other(struct other *o)\n{\n\t@\n\treturn 0;\n}\n"
# A statement, where it stands, and whether a parse error there can hide something.
ERRORS: list[tuple[str, str, bool | None]] = [
    ("o->a = 1;", OTHER + SOURCE, None),
    ("switch (o->a) { case 1 ... N: case A ... 7: break; }", OTHER + SOURCE, None),
    ("a b c;", OTHER + SOURCE, False),
    ("a b c; o->xso;", OTHER + SOURCE, True),
    ("a b c; example_xmit(0, 0);", OTHER + SOURCE, True),
    ("a b c;", SOURCE.replace("\treturn x->xso", "\t@\n\treturn x->xso"), True),
    ("a b c;", SOURCE.replace("\t.xdo_dev_state_add =", "\t@\n\t.xdo_dev_state_add ="), True),
]


@pytest.mark.parametrize(("statement", "text", "matters"), ERRORS)
def test_a_parse_error_matters_where_the_contract_is_named(
    statement: str, text: str, matters: bool | None, tmp_path: Path
) -> None:
    report = report_of(text.replace("@", statement), tmp_path / "linux")
    told = [row.matters for row in report.unknown if "parse errors" in row.reason]
    assert told == ([] if matters is None else [matters])


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("static DEFINE_X(a, b, c);", False),
        ("static DEFINE_X(a, b c d, c);", True),
        ("void f(void) { switch (a) { case 1 ... N: x; } }", False),
        ("void f(void) { switch (a) { case 1 ... N: x y z; } }", True),
        ("void f(void) { switch (a) { case 1 2: x; } }", True),
        ("void f(void) { mode(a, 10000baseT_Full); speed(25g, 0x1g); }", True),
        ("void f(void) { mode(a, 10000baseT_Full); speed( 25g, 0x1, 1UL); }", False),
        ("static const u32 t[] = {\n\tLIST(8259X)\n};", False),
        ("struct s { DECLARE_HASHTABLE(list, 10); int b; };", False),
        ("static DECLARE_HASHTABLE(list, N + 1);", False),
        ("int = 5;", True),
    ],
)
def test_forms_that_are_known_are_no_parse_errors(text: str, wrong: bool) -> None:
    assert bool(errors_in([parse(readable(text.encode())).root_node])) == wrong


READ = "\treturn x->xso"
MACROS = {
    "a quote that never ends": '#define Q x->xso.offload_handle + "' + '\\"' * 9 + "\n",
    "more than is parsed": "#define Q x->xso.offload_handle; ] ) (\n",
    "five definitions": "".join(
        f"#ifdef A{n}\n#define Q {'x->xso.offload_handle' if n == 4 else n}\n#endif\n"
        for n in range(5)
    ),
}


@pytest.mark.parametrize("name", MACROS)
def test_a_macro_that_can_not_be_followed_is_told(name: str, tmp_path: Path) -> None:
    text = MACROS[name] + SOURCE.replace(READ, f"\tlong h = Q;\n{READ}")
    report = report_of(text, tmp_path / "linux")
    line = LINE + MACROS[name].count("\n") + 1
    assert (KIND, line) in {(f.type, f.line) for f in report.findings} or report.unknown
    assert any(row.matters for row in report.unknown)


@pytest.mark.slow
def test_what_stands_too_deep_is_told_with_its_place(tmp_path: Path) -> None:
    count = 800
    chain = "\tif (a) ;\n" + "\telse if (b) h = x->xso.offload_handle;\n" * count
    text = SOURCE.replace(READ, f"{chain}{READ}")
    report = report_of(text, tmp_path / "linux")
    found = {f.line for f in report.findings if f.type == KIND}
    deep = {row.line for row in report.unknown if row.matters and "too deeply" in row.reason}
    last = LINE + count
    assert {LINE + 1, LINE + 50, last + 1} <= found
    assert {last - 1, last} <= deep
    assert set(range(LINE + 1, last + 2)) <= found | deep


@pytest.mark.slow
def test_every_command_tells_what_goes_too_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = str(lay_fixture("demo", tmp_path / "linux"))

    def failing(*_: object) -> None:
        raise RecursionError

    def said(*arguments: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        gc.enable()
        told = capsys.readouterr()
        return ended.value.code, told.out + told.err

    with monkeypatch.context() as patched:
        patched.setattr(analyse, "analysed", failing)
        place = f"{SUNRISE}/sunrise_ipsec.c"
        for arguments, status in (
            (("check", "--no-cache", tree), 0),
            (("check", "--no-cache", "--fail-on-unknown", tree), 1),
            (("drivers", "--no-cache", tree), 0),
            (("judge", "--no-cache", tree), 0),
            (("judge", "--no-cache", tree, "sunrise"), 2),
            (("judge", "--no-cache", "--format", "json", tree), 0),
            (("convert", tree, "sunrise"), 2),
            (("convert", tree, "--all"), 1),
        ):
            code, text = said(*arguments)
            assert (code, TOO_DEEP in text, "moonset" in text or place in text) == (
                status,
                True,
                True,
            )
    with monkeypatch.context() as patched:
        patched.setattr(proof, "plan_of", failing)
        assert said("convert", tree, "sunrise") == (
            1,
            f"sunrise: not converted\n  its code is {TOO_DEEP}\n",
        )
    with monkeypatch.context() as patched:
        patched.setattr(parts, "recognise", failing)
        for command in ("check", "judge", "contract", "resolver"):
            code, text = said(command, tree, *(["--no-cache"] if command in "check judge" else []))
            assert (code, text) == (
                2,
                f"xfrmlint: include/net/xfrm.h, or what is read with it: {TOO_DEEP}\n",
            )


def test_a_state_that_grows_ends_a_path_and_is_told(tmp_path: Path) -> None:
    chain = "".join(f"\tlong v{n + 1} = v{n};\n" for n in range(3000))
    text = SOURCE.replace(READ, f"\tlong v0 = x->xso.offload_handle;\n{chain}{READ}")
    report = report_of(text, tmp_path / "linux")
    assert {f.line for f in report.findings if f.type == KIND} == {LINE, LINE + 3001}
    assert "too many paths; the rest was cut off" in [row.reason for row in report.unknown]


def test_sources_beyond_the_bound_are_told() -> None:
    few = Part(("a",), ("a/a.c", "a/h.h"))
    assert shortened(few) == (few, ())
    paths = (*sorted(f"a/{n}.c" for n in range(300)), "a/h.h")
    kept, left = shortened(Part(("a",), paths))
    assert sorted((*kept.paths, *left)) == sorted(paths)
    assert (len(left), "a/h.h" in kept.paths) == (200, True)
    assert all(row.matters for row in left_out_rows(left))  # type: ignore[attr-defined]


def test_a_temporary_folder_goes_with_its_run(tmp_path: Path) -> None:
    made = Temporary()
    assert Path(made.name).is_dir()
    made.cleanup()
    made.cleanup()
    assert not Path(made.name).exists()


def test_a_temporary_folder_goes_with_a_run_that_is_killed() -> None:
    code = (
        "import os, signal; from xfrmlint.clang.cache import Temporary; made = Temporary(); "
        "open(made.name + '/file', 'w').close(); print(made.name, flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    folder = Path(ran.stdout.strip())
    assert (ran.returncode, folder.name.partition("-")[0]) == (-9, "xfrmlint")
    end = time.monotonic() + 30
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not folder.exists()
